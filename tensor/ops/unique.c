/* unique.c -- unique and unique_consecutive: each element once, or each slice of a dimension.
 *
 * Results: the values; for each element of x the index of its value; how often each value comes.
 * attrs: unique begins with i[0] sorted, which it always is; then both have: is the index asked
 * for, are the counts, and the dimension of the slices, or TN_NONE. PyTorch gives what is asked
 * for, so what is stands before what is not. */
#include "tensor/device.h"
#include "tensor/ops/lines.h"

/* Rows of `width` numbers of float64, or of int64, side by side. NaN equals NaN here and is greater
 * than everything; -0 equals 0. */
typedef struct {
  const double *floats; /* NULL: ints */
  const int64_t *ints;
  int64_t rows, width;
} table;

static int compare_floats(double a, double b) {
  if (a < b) return -1;
  if (a > b) return 1;
  return (a != a) - (b != b);
}

static int compare(const table *t, int64_t a, int64_t b) {
  for (int64_t k = 0; k < t->width; k++) {
    int order;
    if (t->floats != NULL) {
      order = compare_floats(t->floats[a * t->width + k], t->floats[b * t->width + k]);
    } else {
      const int64_t v = t->ints[a * t->width + k], w = t->ints[b * t->width + k];
      order = (v > w) - (v < w);
    }
    if (order != 0) return order;
  }
  return 0;
}

/* Merge sort from the bottom, which keeps the order of equal rows; returns where the result is. */
static int64_t *sort_rows(const table *t, int64_t *order, int64_t *spare) {
  for (int64_t width = 1; width < t->rows; width *= 2) {
    for (int64_t first = 0; first < t->rows; first += 2 * width) {
      const int64_t middle = first + width < t->rows ? first + width : t->rows;
      const int64_t end = middle + width < t->rows ? middle + width : t->rows;
      int64_t a = first, b = middle;
      for (int64_t to = first; to < end; to++) {
        const bool left = a < middle && (b == end || compare(t, order[a], order[b]) <= 0);
        spare[to] = left ? order[a++] : order[b++];
      }
    }
    int64_t *other = order;
    order = spare;
    spare = other;
  }
  return order;
}

typedef struct {
  table rows;
  tn_tensor *wide;    /* holds the table's numbers */
  tn_tensor *scratch; /* two columns: orders of rows */
  int64_t *order;     /* rows in the order in which equal ones are neighbours */
} listing;

/* x as rows: elements, or the slices of a dimension one after another. */
static tn_status list_rows(tn_call *call, listing *l, tn_tensor **moved) {
  tn_ctx *ctx = call->ctx;
  tn_tensor *x = call->in[0];
  tn_eval e = tn__eval_begin(ctx);
  const bool floats = tn_dtype_is_float((tn_dtype)x->dtype);
  *moved = NULL;
  memset(l, 0, sizeof *l);
  l->rows.rows = tn__numel(x);
  l->rows.width = 1;
  if (call->dim >= 0) {
    l->rows.rows = x->sizes[call->dim];
    l->rows.width = 1;
    for (int d = 0; d < x->ndim; d++) l->rows.width *= d == call->dim ? 1 : x->sizes[d];
    x = tn__with_two(&e, TN_OP_transpose, x, 0, call->dim);
  }
  if (e.status == TN_OK) e.status = tn__contiguous_of(ctx, &l->wide, x, floats ? TN_F64 : TN_I64);
  if (e.status == TN_OK) {
    e.status = tn_tensor_new(ctx, &l->scratch, TN_I64, 2, (int64_t[]){2, l->rows.rows});
  }
  *moved = tn__keep(&e, x);
  if (e.status != TN_OK) return tn__eval_end(&e);
  if (floats) l->rows.floats = (const double *)(void *)tn__data(l->wide);
  else l->rows.ints = (const int64_t *)(void *)tn__data(l->wide);
  l->order = (int64_t *)(void *)tn__data(l->scratch);
  return tn__eval_end(&e);
}

static void forget(listing *l) {
  tn_tensor_release(l->wide);
  tn_tensor_release(l->scratch);
}

/* Single elements are sorted by the operation, which is quicker than comparing rows. */
static tn_status order_rows(tn_call *call, listing *l, bool sorted) {
  const int64_t n = l->rows.rows;
  for (int64_t i = 0; i < n; i++) l->order[i] = i;
  if (!sorted) return TN_OK;
  if (l->rows.width != 1) {
    l->order = sort_rows(&l->rows, l->order, l->order + n);
    return TN_OK;
  }
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs first = {.i = {0, 0}, .ni = 2};
  tn_tensor *flat = tn__reshaped(&e, l->wide, 1, &n);
  tn_tensor *indices = tn__do_output(&e, TN_OP_sort, &first, 1, &flat, 1);
  if (indices != NULL) {
    const int64_t *at = (const int64_t *)(void *)tn__data(indices);
    for (int64_t i = 0; i < n; i++) l->order[i] = at[i] - call->ctx->index_base;
  }
  return tn__eval_end(&e);
}

/* Fills the indices and counts, and leaves the first row of each group in `firsts`. */
static int64_t group(const listing *l, int64_t *firsts, int64_t *inverse, int64_t *counts,
                     int64_t base) {
  int64_t groups = 0;
  for (int64_t i = 0; i < l->rows.rows; i++) {
    const int64_t row = l->order[i];
    if (i == 0 || compare(&l->rows, l->order[i - 1], row) != 0) {
      firsts[groups] = row + base;
      counts[groups++] = 0;
    }
    counts[groups - 1]++;
    inverse[row] = groups - 1 + base;
  }
  return groups;
}

/* The counts stand before the indices where they alone are asked for. */
static bool counts_first(const tn_attrs *attrs, int at) {
  return tn__int(attrs, at + 1, 0) == 1 && tn__int(attrs, at, 0) != 1;
}

/* Results in the order in which they were asked for. */
static void give(tn_call *call, tn_eval *e, int at, tn_tensor *values, tn_tensor *inverse,
                 tn_tensor *counts) {
  const bool swap = counts_first(call->attrs, at);
  call->out[0] = tn__keep(e, values);
  call->out[swap ? 2 : 1] = tn__keep(e, inverse);
  call->out[swap ? 1 : 2] = tn__keep(e, counts);
}

/* 1 where an element differs from the one before it, the first one left out. */
static tn_tensor *changes(tn_eval *ep, tn_tensor *x, int64_t n) {
  tn_eval e = *ep;
  tn_attrs rest = {.i = {0, 1, n - 1}, .ni = 3}, most = {.i = {0, 0, n - 1}, .ni = 3};
  tn_tensor *a = tn__do(&e, TN_OP_narrow, &rest, 1, &x);
  tn_tensor *b = tn__do(&e, TN_OP_narrow, &most, 1, &x), *r = DO2(ne, a, b);
  if (x != NULL && tn_dtype_is_float((tn_dtype)x->dtype)) { /* one NaN is as good as another */
    r = DO2(mul, r, DO2(sub, tn__whole(&e, 1), DO2(mul, DO2(ne, a, a), DO2(ne, b, b))));
  }
  *ep = e;
  return r;
}

/* Column c of the rows, in the order of *list, or as they lie. */
static tn_tensor *column(tn_eval *e, tn_tensor *rows, int64_t c, tn_tensor *list) {
  tn_attrs along = {.i = {0}, .ni = 1};
  tn_tensor *x = tn__with_two(e, TN_OP_select, rows, 1, c);
  return list == NULL ? x : tn__do(e, TN_OP_index, &along, 2, (tn_tensor *[]){x, list});
}

/* *order: the rows in order, by one stable sort for each column; *flags: see changes. New references;
 * *order stays NULL where they are to stay as they lie. */
static tn_status compare_rows(tn_ctx *ctx, tn_tensor *rows, bool sorted, tn_tensor **order,
                              tn_tensor **flags) {
  const int64_t n = rows->sizes[0], width = rows->sizes[1];
  tn_status s = TN_OK;
  for (int64_t c = width - 1; sorted && c >= 0 && s == TN_OK; c--) {
    tn_eval e = tn__eval_begin(ctx);
    tn_attrs along = {.i = {0, 0}, .ni = 2};
    tn_tensor *x = column(&e, rows, c, *order);
    tn_tensor *next = tn__do_output(&e, TN_OP_sort, &along, 1, &x, 1);
    if (*order != NULL) next = tn__do(&e, TN_OP_index, &along, 2, (tn_tensor *[]){*order, next});
    next = tn__keep(&e, next);
    tn_tensor_release(*order);
    *order = next;
    s = tn__eval_end(&e);
  }
  for (int64_t c = 0; c < width && s == TN_OK; c++) {
    tn_eval e = tn__eval_begin(ctx);
    tn_tensor *own = changes(&e, column(&e, rows, c, *order), n);
    own = tn__keep(&e, *flags == NULL ? own : DO2(cmax, *flags, own));
    tn_tensor_release(*flags);
    *flags = own;
    s = tn__eval_end(&e);
  }
  return s;
}

enum { WIDE = 256 }; /* rows that have more columns are better compared on the host */

/* On a device, with operations: only how many values there are comes to the host. */
static tn_status unique_on_device(tn_call *call, bool sorted, int at) {
  tn_tensor *x = call->in[0], *order = NULL, *flags = NULL;
  const int64_t all = tn__numel(x), n = call->dim >= 0 ? x->sizes[call->dim] : all;
  const int64_t base = call->ctx->index_base, width = n > 0 ? all / n : 1;
  if (width > WIDE || width == 0 || (n == 0 && call->dim >= 0 && x->ndim > 1)) return TN_DECLINED;
  tn_eval e = tn__eval_begin(call->ctx);
  if (n == 0) {
    tn_meta like = {.dtype = TN_I64, .ndim = call->dim < 0 ? x->ndim : 1}, none = {.ndim = 1};
    memcpy(like.sizes, x->sizes, sizeof like.sizes);
    none.dtype = x->dtype;
    tn_tensor *values = tn__zeros(&e, &none), *inverse = tn__zeros(&e, &like);
    none.dtype = TN_I64;
    give(call, &e, at, values, inverse, tn__zeros(&e, &none));
    return tn__eval_end(&e);
  }
  tn_attrs along = {.i = {0}, .ni = 1}, dtype = {.i = {TN_I64}, .ni = 1};
  tn_meta one = {.dtype = TN_I64, .ndim = 1, .sizes = {1}};
  tn_tensor *zero = tn__zeros(&e, &one), *moved = x;
  if (call->dim >= 0) moved = tn__with_two(&e, TN_OP_transpose, x, 0, call->dim);
  else moved = tn__reshaped(&e, x, 1, &n);
  tn_tensor *rows = tn__reshaped(&e, moved, 2, (int64_t[]){n, width});
  if (rows != NULL) e.status = compare_rows(call->ctx, rows, sorted, &order, &flags);
  tn__temp(&e, order);
  tn__temp(&e, flags);
  tn_tensor *found = DO1(nonzero, flags);
  const int64_t groups = found != NULL ? found->sizes[0] + 1 : 1;
  /* places of the first of each group but the first group, from 0 */
  tn_tensor *begins = tn__reshaped(&e, found, 1, (int64_t[]){groups - 1});
  begins = DO2(add, begins, tn__whole(&e, 1 - base));
  tn_tensor *firsts = tn__do(&e, TN_OP_cat, &along, 2, (tn_tensor *[]){zero, begins});
  tn_tensor *end = DO2(fill, zero, tn__whole(&e, n));
  tn_tensor *ends = tn__do(&e, TN_OP_cat, &along, 2, (tn_tensor *[]){begins, end});
  tn_tensor *counts = DO2(sub, ends, firsts), *offset = tn__whole(&e, base);
  tn_tensor *which = DO2(add, firsts, offset);
  flags = tn__do(&e, TN_OP_to, &dtype, 1, &flags);
  tn_tensor *inverse = tn__do(&e, TN_OP_cat, &along, 2, (tn_tensor *[]){zero, flags});
  inverse = DO2(add, tn__do(&e, TN_OP_cumsum, &along, 1, &inverse), offset);
  if (order != NULL) {
    inverse = tn__do(&e, TN_OP_indexCopy, &along, 3, (tn_tensor *[]){inverse, order, inverse});
  }
  if (call->dim < 0) inverse = tn__reshaped(&e, inverse, x->ndim, x->sizes);
  if (order != NULL) which = tn__do(&e, TN_OP_index, &along, 2, (tn_tensor *[]){order, which});
  tn_tensor *values = tn__do(&e, TN_OP_index, &along, 2, (tn_tensor *[]){moved, which});
  if (call->dim > 0) values = tn__with_two(&e, TN_OP_transpose, values, 0, call->dim);
  values = DO1(contiguous, values);
  give(call, &e, at, values, inverse, counts);
  return tn__eval_end(&e);
}

/* i[at] is the first attribute that both operations have. */
static tn_status unique_of(tn_call *call, bool sorted, int at) {
  tn_ctx *ctx = call->ctx;
  tn_tensor *x = call->in[0], *moved = NULL, *lists[3] = {NULL, NULL, NULL};
  const int64_t wanted = tn__int(call->attrs, at + 2, TN_NONE);
  const bool was = tn_set_grad_enabled(ctx, false);
  listing l = {0};
  tn_status s = TN_OK;
  call->dim = -1;
  tn__touch(x->storage);
  if (wanted != TN_NONE) s = tn__dim(ctx, wanted, x->ndim, &call->dim);
  if (s == TN_OK && tn__elsewhere(x)) {
    s = unique_on_device(call, sorted, at);
    tn_set_grad_enabled(ctx, was);
    return s;
  }
  if (s == TN_OK) s = list_rows(call, &l, &moved);
  if (s == TN_OK) s = order_rows(call, &l, sorted);
  for (int k = 0; k < 3 && s == TN_OK; k++) {
    s = tn_tensor_new(ctx, &lists[k], TN_I64, 1, &l.rows.rows);
  }
  tn_eval e = tn__eval_begin(ctx);
  e.status = s;
  if (s == TN_OK) {
    int64_t *to[3];
    for (int k = 0; k < 3; k++) to[k] = (int64_t *)(void *)tn__data(lists[k]);
    const int64_t groups = group(&l, to[0], to[1], to[2], ctx->index_base);
    tn_attrs first = {.i = {0}, .ni = 1}, part = {.i = {0, 0, groups}, .ni = 3};
    tn__temp(&e, moved);
    if (call->dim < 0) moved = tn__reshaped(&e, moved, 1, &l.rows.rows);
    tn_tensor *which = tn__do(&e, TN_OP_narrow, &part, 1, &lists[0]);
    tn_tensor *values = tn__do(&e, TN_OP_index, &first, 2, (tn_tensor *[]){moved, which});
    if (call->dim > 0) values = tn__with_two(&e, TN_OP_transpose, values, 0, call->dim);
    values = DO1(contiguous, values);
    tn_tensor *inverse = lists[1];
    if (call->dim < 0) inverse = tn__reshaped(&e, inverse, x->ndim, x->sizes);
    tn_tensor *counts = tn__do(&e, TN_OP_narrow, &part, 1, &lists[2]);
    counts = DO1(clone, counts);
    give(call, &e, at, values, inverse, counts);
  } else {
    tn_tensor_release(moved);
  }
  s = tn__eval_end(&e);
  for (int k = 0; k < 3; k++) tn_tensor_release(lists[k]);
  forget(&l);
  tn_set_grad_enabled(ctx, was);
  return s;
}

static tn_status unique_compose(tn_call *call) { return unique_of(call, true, 1); }
static tn_status unique_consecutive_compose(tn_call *call) { return unique_of(call, false, 0); }

#define UNIQUE_ROW(name_, args_, doc_)                                                            \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = args_, .convention = 'C',                            \
      .flags = TN_FLOATS | TN_INTEGERS, .nout = 3, .low = -2, .high = 2,                          \
      .compose = name_##_compose, .no_grad = "how many values there are changes in jumps",        \
      .doc = doc_};

#define FLAGS "b? return_inverse; b? return_counts; d? dim"
UNIQUE_ROW(unique, "T x; b sorted=1; " FLAGS,
           "Each value of x once, in order, or each slice of a dimension; then the index of each "
           "element's value, and how often each value comes, those asked for first.")
UNIQUE_ROW(unique_consecutive, "T x; " FLAGS, "unique of neighbours only: without sorting.")
