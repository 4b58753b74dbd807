/* index_test.c -- operations that pick, move and order elements, against loops over single
 * elements: every dtype, strided inputs and outputs, negative dimensions, both index bases, empty
 * tensors, bad indices, and gradients against central differences. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

static tn_ctx *ctx;
static int base; /* of indices in ctx */
static int failures, checks;

static void check(bool good, const char *format, ...) {
  va_list args;
  checks++;
  if (good) return;
  va_start(args, format);
  if (failures++ < 20) {
    printf("# base %d: ", base);
    vprintf(format, args);
    printf(" (%s)\n", tn_message(ctx));
  }
  va_end(args);
}

/* -- Tensors to test with ---------------------------------------------------------------------- */

static uint64_t state = 42;

static int64_t draw(int64_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (int64_t)((state >> 33) % (uint64_t)n);
}

enum { PLAIN, TURNED, LAYOUTS }; /* TURNED: the strides of the dimensions in reverse order */

static tn_tensor *make(tn_dtype dtype, int layout, int ndim, const int64_t *sizes) {
  tn_tensor *t = NULL, *view = NULL;
  int64_t turned[TN_MAX_DIMS];
  tn_attrs order = {.ni = ndim};
  for (int d = 0; d < ndim; d++) {
    turned[d] = layout == PLAIN ? sizes[d] : sizes[ndim - 1 - d];
    order.i[d] = ndim - 1 - d;
  }
  if (tn_tensor_new(ctx, &t, dtype, ndim, turned) != TN_OK) abort();
  if (layout == PLAIN) return t;
  if (tn_apply(ctx, TN_OP_permute, 1, &t, &order, &view) != TN_OK) abort();
  tn_tensor_release(t);
  return view;
}

/* Small integers, which every dtype holds; with ties. */
static tn_tensor *some(tn_dtype dtype, int layout, int ndim, const int64_t *sizes) {
  tn_tensor *t = make(dtype, layout, ndim, sizes);
  bool negative = tn_dtype_is_float(dtype) || dtype >= TN_I8;
  for (int64_t i = 0; i < tn_tensor_numel(t); i++) {
    tn_tensor_put(t, i, dtype == TN_BOOL ? (double)draw(2) : (double)(draw(9) - 4 * negative));
  }
  return t;
}

static tn_tensor *indices(tn_dtype dtype, int layout, int ndim, const int64_t *sizes, int64_t n) {
  tn_tensor *t = make(dtype, layout, ndim, sizes);
  for (int64_t i = 0; i < tn_tensor_numel(t); i++) tn_tensor_put(t, i, (double)(draw(n) + base));
  return t;
}

static tn_tensor *like(const tn_tensor *t, tn_dtype dtype) {
  return make(dtype, PLAIN, tn_tensor_ndim(t), tn_tensor_sizes(t));
}

static tn_tensor *copy_of(const tn_tensor *t) {
  tn_tensor *c = like(t, tn_tensor_dtype(t));
  for (int64_t i = 0; i < tn_tensor_numel(t); i++) tn_tensor_put(c, i, tn_tensor_get(t, i));
  return c;
}

static void where(const tn_tensor *t, int64_t i, int64_t *c) {
  for (int d = tn_tensor_ndim(t) - 1; d >= 0; d--) {
    c[d] = i % tn_tensor_sizes(t)[d];
    i /= tn_tensor_sizes(t)[d];
  }
}

static int64_t at(const tn_tensor *t, const int64_t *c) {
  int64_t i = 0;
  for (int d = 0; d < tn_tensor_ndim(t); d++) i = i * tn_tensor_sizes(t)[d] + c[d];
  return i;
}

static int64_t index_at(const tn_tensor *index, int64_t i) {
  return (int64_t)tn_tensor_get(index, i) - base;
}

static bool same(const tn_tensor *a, const tn_tensor *b) {
  if (a == NULL || tn_tensor_ndim(a) != tn_tensor_ndim(b)) return false;
  if (tn_tensor_dtype(a) != tn_tensor_dtype(b)) return false;
  for (int d = 0; d < tn_tensor_ndim(a); d++) {
    if (tn_tensor_sizes(a)[d] != tn_tensor_sizes(b)[d]) return false;
  }
  for (int64_t i = 0; i < tn_tensor_numel(a); i++) {
    double x = tn_tensor_get(a, i), y = tn_tensor_get(b, i);
    if (x != y && !(isnan(x) && isnan(y))) return false;
  }
  return true;
}

static const char *text(const tn_tensor *t) {
  static char buffers[4][128];
  static int turn;
  char *b = buffers[turn = (turn + 1) % 4];
  int used = snprintf(b, 128, "%s", tn_dtype_name(tn_tensor_dtype(t)));
  for (int d = 0; d < tn_tensor_ndim(t) && used < 100; d++) {
    used += snprintf(b + used, 128 - (size_t)used, " %lld", (long long)tn_tensor_sizes(t)[d]);
  }
  return b;
}

/* Runs an operation into new tensors, into strided ones and, for those that change their first
 * input, in place, and compares each time. */
static void expect(tn_opcode code, int nin, tn_tensor *const *in, const tn_attrs *attrs,
                   tn_tensor *want0, tn_tensor *want1) {
  const char *name = tn_op_describe(code).name;
  tn_tensor *want[TN_MAX_OUTPUTS] = {want0, want1, NULL};
  for (int given = 0; given < 2; given++) {
    tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
    for (int k = 0; given && k < 2; k++) {
      if (want[k] == NULL) continue;
      out[k] = make(tn_tensor_dtype(want[k]), TURNED, tn_tensor_ndim(want[k]),
                    tn_tensor_sizes(want[k]));
    }
    tn_status s = tn_apply(ctx, code, nin, in, attrs, out);
    check(s == TN_OK, "%s of %s fails", name, text(in[0]));
    for (int k = 0; k < 2; k++) {
      if (s == TN_OK && want[k] != NULL) {
        check(same(out[k], want[k]), "%s of %s, dim %lld, given %d, result %d differs", name,
              text(in[0]), (long long)attrs->i[0], given, k);
      }
      tn_tensor_release(out[k]);
    }
  }
  if (tn_op_describe(code).convention != 'A') return;
  tn_tensor *changed[4] = {copy_of(in[0])};
  for (int k = 1; k < nin; k++) changed[k] = in[k];
  check(tn_apply_inplace(ctx, code, nin, changed, attrs) == TN_OK && same(changed[0], want0),
        "%s in place of %s differs", name, text(in[0]));
  tn_tensor_release(changed[0]);
}

/* -- Slices, elements -------------------------------------------------------------------------- */

static int normal(const tn_tensor *t, int64_t dim) {
  return (int)(dim < 0 ? dim + tn_tensor_ndim(t) : dim);
}

static void test_slices(tn_dtype dtype, int layout, int ndim, const int64_t *sizes, int64_t dim) {
  tn_tensor *x = some(dtype, layout, ndim, sizes);
  int64_t d = normal(x, dim), count = 5, picked[TN_MAX_DIMS], c[TN_MAX_DIMS];
  memcpy(picked, sizes, sizeof(int64_t) * (size_t)ndim);
  if (sizes[d] == 0) count = 0;
  picked[d] = count;
  tn_tensor *index = indices(draw(2) ? TN_I64 : TN_I32, PLAIN, 1, &count, sizes[d]);
  tn_tensor *source = some(dtype, 1 - layout, ndim, picked);
  tn_tensor *taken = make(dtype, PLAIN, ndim, picked), *added = copy_of(x);
  tn_tensor *copied = copy_of(x), *filled = copy_of(x);
  for (int64_t i = 0; i < tn_tensor_numel(source); i++) {
    where(source, i, c);
    c[d] = index_at(index, c[d]);
    int64_t to = at(x, c);
    tn_tensor_put(taken, i, tn_tensor_get(x, to));
    tn_tensor_put(added, to, tn_tensor_get(added, to) + tn_tensor_get(source, i));
    tn_tensor_put(copied, to, tn_tensor_get(source, i));
    tn_tensor_put(filled, to, 1);
  }
  tn_tensor *in[3] = {x, index, source};
  tn_attrs attrs = {.f = {1}, .i = {dim}, .ni = 1};
  expect(TN_OP_index, 2, in, &attrs, taken, NULL);
  if (dtype != TN_BOOL) expect(TN_OP_indexAdd, 3, in, &attrs, added, NULL);
  expect(TN_OP_indexCopy, 3, in, &attrs, copied, NULL);
  expect(TN_OP_indexFill, 2, in, &attrs, filled, NULL);
  tn_tensor *all[] = {x, index, source, taken, added, copied, filled};
  for (int i = 0; i < 7; i++) tn_tensor_release(all[i]);
}

/* An index smaller than x in the other dimensions, with repetitions. */
static void test_elements(tn_dtype dtype, int layout, int ndim, const int64_t *sizes,
                          int64_t dim) {
  tn_tensor *x = some(dtype, layout, ndim, sizes);
  int64_t d = normal(x, dim), picked[TN_MAX_DIMS], c[TN_MAX_DIMS];
  for (int k = 0; k < ndim; k++) picked[k] = sizes[k] > 2 ? sizes[k] - 1 : sizes[k];
  if (sizes[d] > 0) picked[d] = sizes[d] + 1;
  tn_tensor *index = indices(TN_I64, 1 - layout, ndim, picked, sizes[d]);
  tn_tensor *source = some(dtype, layout, ndim, picked), *one = make(TN_F64, PLAIN, 0, NULL);
  tn_tensor *taken = make(dtype, PLAIN, ndim, picked), *added = copy_of(x);
  tn_tensor *put = copy_of(x), *filled = copy_of(x);
  tn_tensor_put(one, 0, 1);
  for (int64_t i = 0; i < tn_tensor_numel(source); i++) {
    where(source, i, c);
    c[d] = index_at(index, i);
    int64_t to = at(x, c);
    tn_tensor_put(taken, i, tn_tensor_get(x, to));
    tn_tensor_put(added, to, tn_tensor_get(added, to) + tn_tensor_get(source, i));
    tn_tensor_put(put, to, tn_tensor_get(source, i));
    tn_tensor_put(filled, to, 1);
  }
  tn_tensor *in[3] = {x, index, source};
  tn_attrs attrs = {.i = {dim}, .ni = 1};
  expect(TN_OP_gather, 2, in, &attrs, taken, NULL);
  expect(TN_OP_scatter, 3, in, &attrs, put, NULL);
  if (dtype != TN_BOOL) expect(TN_OP_scatter_add, 3, in, &attrs, added, NULL);
  in[2] = one;
  expect(TN_OP_scatter, 3, in, &attrs, filled, NULL);
  tn_tensor *all[] = {x, index, source, one, taken, added, put, filled};
  for (int i = 0; i < 8; i++) tn_tensor_release(all[i]);
}

/* -- Masks ------------------------------------------------------------------------------------- */

/* ndim_mask: how many trailing dimensions the mask has; the others are broadcast. */
static void test_masks(tn_dtype dtype, int layout, int ndim, const int64_t *sizes, int ndim_mask) {
  tn_tensor *x = some(dtype, layout, ndim, sizes);
  tn_tensor *mask = some(draw(2) ? TN_U8 : TN_BOOL, 1 - layout, ndim_mask,
                         sizes + ndim - ndim_mask);
  int64_t n = tn_tensor_numel(x), m = tn_tensor_numel(mask), count = 0, rows = 0, c[TN_MAX_DIMS];
  for (int64_t i = 0; i < n; i++) count += tn_tensor_get(mask, i % m) != 0;
  for (int64_t i = 0; i < n; i++) rows += tn_tensor_get(x, i) != 0;
  int64_t more = count + 2, table[2] = {rows, ndim};
  tn_tensor *source = some(dtype, PLAIN, 1, &more), *taken = make(dtype, PLAIN, 1, &count);
  tn_tensor *copied = copy_of(x), *found = make(TN_I64, PLAIN, 2, table);
  for (int64_t i = 0, k = 0; i < n; i++) {
    if (tn_tensor_get(mask, i % m) == 0) continue;
    tn_tensor_put(taken, k, tn_tensor_get(x, i));
    tn_tensor_put(copied, i, tn_tensor_get(source, k++));
  }
  for (int64_t i = 0, k = 0; i < n; i++) {
    if (tn_tensor_get(x, i) == 0) continue;
    where(x, i, c);
    for (int d = 0; d < ndim; d++) tn_tensor_put(found, k++, (double)(c[d] + base));
  }
  tn_tensor *in[3] = {x, mask, source};
  tn_attrs none = {.ni = 0};
  expect(TN_OP_maskedSelect, 2, in, &none, taken, NULL);
  expect(TN_OP_maskedCopy, 3, in, &none, copied, NULL);
  expect(TN_OP_nonzero, 1, in, &none, found, NULL);
  tn_tensor *all[] = {x, mask, source, taken, copied, found};
  for (int i = 0; i < 6; i++) tn_tensor_release(all[i]);
}

/* -- Order ------------------------------------------------------------------------------------- */

static bool precedes(double a, double b, bool descending) {
  if (isnan(a) || isnan(b)) return descending ? isnan(a) && !isnan(b) : !isnan(a) && isnan(b);
  return descending ? a > b : a < b;
}

typedef struct {
  double value;
  int64_t at;
  bool descending;
} entry;

static int compare(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (precedes(x->value, y->value, x->descending)) return -1;
  if (precedes(y->value, x->value, x->descending)) return 1;
  return x->at < y->at ? -1 : 1;
}

/* The first k of each sorted line, and where they were. */
static void sorted(const tn_tensor *x, int d, bool descending, tn_tensor *values, tn_tensor *from) {
  int64_t c[TN_MAX_DIMS], n = tn_tensor_sizes(x)[d];
  entry *list = malloc(sizeof *list * (size_t)(n + 1));
  for (int64_t i = 0; i < tn_tensor_numel(values); i++) {
    where(values, i, c);
    if (c[d] != 0) continue;
    for (c[d] = 0; c[d] < n; c[d]++) {
      list[c[d]] = (entry){tn_tensor_get(x, at(x, c)), c[d], descending};
    }
    qsort(list, (size_t)n, sizeof *list, compare);
    for (c[d] = 0; c[d] < tn_tensor_sizes(values)[d]; c[d]++) {
      tn_tensor_put(values, at(values, c), list[c[d]].value);
      tn_tensor_put(from, at(values, c), (double)(list[c[d]].at + base));
    }
  }
  free(list);
}

/* NaN, infinities and negative zeros here and there. */
static void add_specials(tn_tensor *x) {
  if (!tn_dtype_is_float(tn_tensor_dtype(x))) return;
  for (int64_t i = 0; i < tn_tensor_numel(x); i++) {
    static const double values[] = {NAN, NAN, INFINITY, -INFINITY, -0.0};
    if (draw(5) == 0) tn_tensor_put(x, i, values[draw(5)]);
  }
}

static void test_order(tn_dtype dtype, int layout, int ndim, const int64_t *sizes, int64_t dim) {
  tn_tensor *x = some(dtype, layout, ndim, sizes);
  int d = normal(x, dim);
  add_specials(x);
  for (int descending = 0; descending < 2; descending++) {
    tn_tensor *values = like(x, dtype), *from = like(x, TN_I64);
    sorted(x, d, descending, values, from);
    tn_attrs attrs = {.i = {dim, descending}, .ni = 2};
    expect(TN_OP_sort, 1, &x, &attrs, values, from);
    tn_tensor_release(values);
    tn_tensor_release(from);
    int64_t ks[] = {1, 3, sizes[d]}, picked[TN_MAX_DIMS];
    for (int k = 0; k < 3; k++) {
      if (ks[k] > sizes[d]) continue;
      memcpy(picked, sizes, sizeof(int64_t) * (size_t)ndim);
      picked[d] = ks[k];
      values = make(dtype, PLAIN, ndim, picked);
      from = make(TN_I64, PLAIN, ndim, picked);
      sorted(x, d, descending, values, from);
      tn_attrs top = {.i = {ks[k], dim, descending, 1}, .ni = 4};
      expect(TN_OP_topk, 1, &x, &top, values, from);
      tn_tensor_release(values);
      tn_tensor_release(from);
    }
  }
  tn_tensor_release(x);
}

/* NaN is both the greatest and the smallest; the first of equal ones counts. */
static bool beats(double a, double b, bool least) {
  if (isnan(b)) return false;
  return isnan(a) || (least ? a < b : a > b);
}

static void extreme_of_lines(const tn_tensor *x, int d, bool least, tn_tensor *value,
                             tn_tensor *from) {
  int64_t c[TN_MAX_DIMS];
  for (int64_t i = 0; i < tn_tensor_numel(value); i++) {
    where(value, i, c);
    double best = tn_tensor_get(x, at(x, c));
    int64_t found = 0;
    for (int64_t k = 1; k < tn_tensor_sizes(x)[d]; k++) {
      c[d] = k;
      double v = tn_tensor_get(x, at(x, c));
      if (!beats(v, best, least)) continue;
      best = v;
      found = k;
    }
    tn_tensor_put(value, i, best);
    tn_tensor_put(from, i, (double)(found + base));
  }
}

static tn_tensor *without(tn_tensor *t, int d) {
  tn_tensor *view = NULL;
  tn_attrs attrs = {.i = {d}, .ni = 1};
  if (tn_apply(ctx, TN_OP_squeeze, 1, &t, &attrs, &view) != TN_OK) abort();
  return view;
}

static void test_whole_extremes(tn_tensor *x, bool least) {
  tn_tensor *value = make(tn_tensor_dtype(x), PLAIN, 0, NULL), *from = make(TN_I64, PLAIN, 0, NULL);
  int64_t found = 0;
  for (int64_t i = 1; i < tn_tensor_numel(x); i++) {
    if (beats(tn_tensor_get(x, i), tn_tensor_get(x, found), least)) found = i;
  }
  tn_tensor_put(value, 0, tn_tensor_get(x, found));
  tn_tensor_put(from, 0, (double)(found + base));
  tn_attrs none = {.ni = 0};
  expect(least ? TN_OP_min : TN_OP_max, 1, &x, &none, value, NULL);
  expect(least ? TN_OP_argmin : TN_OP_argmax, 1, &x, &none, from, NULL);
  tn_tensor_release(value);
  tn_tensor_release(from);
}

static void test_extremes(tn_dtype dtype, int layout, int ndim, const int64_t *sizes,
                          int64_t dim) {
  tn_tensor *x = some(dtype, layout, ndim, sizes);
  int d = normal(x, dim);
  int64_t kept[TN_MAX_DIMS];
  memcpy(kept, sizes, sizeof(int64_t) * (size_t)ndim);
  kept[d] = 1;
  for (int round = 0; round < 2; round++) {
    for (int least = 0; least < 2; least++) {
      tn_tensor *value = make(dtype, PLAIN, ndim, kept), *from = make(TN_I64, PLAIN, ndim, kept);
      extreme_of_lines(x, d, least, value, from);
      tn_tensor *value1 = without(value, d), *from1 = without(from, d);
      tn_attrs keep = {.i = {dim, 1}, .ni = 2}, drop = {.i = {dim, 0}, .ni = 2};
      expect(least ? TN_OP_min_dim : TN_OP_max_dim, 1, &x, &keep, value, from);
      expect(least ? TN_OP_min_dim : TN_OP_max_dim, 1, &x, &drop, value1, from1);
      expect(least ? TN_OP_argmin : TN_OP_argmax, 1, &x, &keep, from, NULL);
      expect(least ? TN_OP_argmin : TN_OP_argmax, 1, &x, &drop, from1, NULL);
      tn_tensor *all[] = {value, from, value1, from1};
      for (int i = 0; i < 4; i++) tn_tensor_release(all[i]);
      if (tn_tensor_numel(x) > 0) test_whole_extremes(x, least);
    }
    add_specials(x);
  }
  tn_tensor_release(x);
}

/* -- Sums, joins, triangles -------------------------------------------------------------------- */

static void test_cumsum(tn_dtype dtype, int layout, int ndim, const int64_t *sizes, int64_t dim) {
  tn_tensor *x = some(dtype, layout, ndim, sizes);
  int d = normal(x, dim);
  int64_t c[TN_MAX_DIMS];
  for (int reverse = 0; reverse < 2; reverse++) {
    tn_tensor *want = like(x, tn_dtype_is_float(dtype) ? dtype : TN_I64);
    for (int64_t i = 0; i < tn_tensor_numel(x); i++) {
      where(x, i, c);
      int64_t own = c[d];
      double sum = 0;
      for (c[d] = reverse ? own : 0; c[d] < (reverse ? sizes[d] : own + 1); c[d]++) {
        sum += tn_tensor_get(x, at(x, c));
      }
      tn_tensor_put(want, i, sum);
    }
    tn_attrs attrs = {.i = {dim, reverse}, .ni = 2};
    expect(TN_OP_cumsum, 1, &x, &attrs, want, NULL);
    tn_tensor_release(want);
  }
  tn_tensor_release(x);
}

static void test_cat(tn_dtype dtype, int layout, int ndim, const int64_t *sizes, int64_t dim) {
  int64_t longer[TN_MAX_DIMS], all[TN_MAX_DIMS], nothing = 0, c[TN_MAX_DIMS];
  tn_tensor *a = some(dtype, layout, ndim, sizes);
  int d = normal(a, dim);
  memcpy(longer, sizes, sizeof(int64_t) * (size_t)ndim);
  memcpy(all, sizes, sizeof(int64_t) * (size_t)ndim);
  longer[d] = sizes[d] + 2;
  all[d] = sizes[d] + longer[d];
  tn_tensor *b = some(TN_I16, 1 - layout, ndim, longer), *none = make(TN_F64, PLAIN, 1, &nothing);
  tn_tensor *want = make(tn_dtype_promote(dtype, TN_I16), PLAIN, ndim, all);
  for (int64_t i = 0; i < tn_tensor_numel(want); i++) {
    where(want, i, c);
    bool first = c[d] < sizes[d];
    if (!first) c[d] -= sizes[d];
    tn_tensor_put(want, i, first ? tn_tensor_get(a, at(a, c)) : tn_tensor_get(b, at(b, c)));
  }
  tn_tensor *in[3] = {a, none, b};
  tn_attrs attrs = {.i = {dim}, .ni = 1}, last = {.i = {TN_NONE}, .ni = 1};
  /* an empty vector among vectors is an empty vector like any other */
  expect(TN_OP_cat, 3, in, &attrs, want, NULL);
  if (d == ndim - 1) expect(TN_OP_cat, 3, in, &last, want, NULL);
  tn_tensor *list[] = {a, b, none, want};
  for (int i = 0; i < 4; i++) tn_tensor_release(list[i]);
}

static void test_triangles(tn_dtype dtype, int layout, int64_t rows, int64_t columns) {
  int64_t sizes[3] = {2, rows, columns}, c[3];
  tn_tensor *x = some(dtype, layout, 3, sizes), *matrix = some(dtype, layout, 2, sizes + 1);
  for (int64_t k = -rows - 1; k <= columns + 1; k++) {
    tn_tensor *low = copy_of(x), *high = copy_of(x);
    for (int64_t i = 0; i < tn_tensor_numel(x); i++) {
      where(x, i, c);
      if (c[2] - c[1] > k) tn_tensor_put(low, i, 0);
      if (c[2] - c[1] < k) tn_tensor_put(high, i, 0);
    }
    tn_attrs attrs = {.i = {k}, .ni = 1};
    expect(TN_OP_tril, 1, &x, &attrs, low, NULL);
    expect(TN_OP_triu, 1, &x, &attrs, high, NULL);
    int64_t n = 0;
    for (int64_t i = 0; i < rows; i++) n += i + k >= 0 && i + k < columns;
    int64_t full[2] = {n + llabs(k), n + llabs(k)};
    tn_tensor *line = make(dtype, PLAIN, 1, &n), *square = make(dtype, PLAIN, 2, full);
    for (int64_t i = 0; i < tn_tensor_numel(square); i++) tn_tensor_put(square, i, 0);
    for (int64_t i = 0, p = 0; i < rows; i++) {
      if (i + k < 0 || i + k >= columns) continue;
      tn_tensor_put(line, p, tn_tensor_get(matrix, i * columns + i + k));
      tn_tensor_put(square, (p + (k < 0 ? -k : 0)) * full[0] + p + (k > 0 ? k : 0),
                    tn_tensor_get(line, p));
      p++;
    }
    expect(TN_OP_diag, 1, &matrix, &attrs, line, NULL);
    expect(TN_OP_diag, 1, &line, &attrs, square, NULL);
    tn_tensor *all[] = {low, high, line, square};
    for (int i = 0; i < 4; i++) tn_tensor_release(all[i]);
  }
  tn_tensor_release(x);
  tn_tensor_release(matrix);
}

/* -- Errors ------------------------------------------------------------------------------------ */

static void refuse(tn_opcode code, int nin, tn_tensor *const *in, tn_attrs attrs, tn_status want,
                   const char *message) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  tn_status s = tn_apply(ctx, code, nin, in, &attrs, out);
  check(s == want && out[0] == NULL, "%s: status %d", tn_op_describe(code).name, (int)s);
  check(strstr(tn_message(ctx), message) != NULL, "no '%s'", message);
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
}

static void test_errors(void) {
  int64_t sizes[2] = {3, 5}, two = 2, other[2] = {3, 4}, one[2] = {1, 1}, nothing[2] = {0, 5};
  tn_tensor *x = some(TN_F32, PLAIN, 2, sizes), *list = make(TN_I64, PLAIN, 1, &two);
  tn_tensor *cell = make(TN_I64, PLAIN, 2, one), *y = some(TN_F32, PLAIN, 2, other);
  tn_tensor *indexes = some(TN_U8, PLAIN, 2, sizes);
  tn_tensor *empty = make(TN_F32, PLAIN, 2, nothing), *mask = some(TN_U8, PLAIN, 1, &two);
  tn_attrs dim0 = {.i = {0}, .ni = 1}, dim1 = {.i = {1}, .ni = 1}, far = {.i = {2}, .ni = 1};
  tn_attrs none = {.ni = 0}, six = {.i = {6}, .ni = 1};
  char message[80];
  for (int high = 0; high < 2; high++) {
    int64_t bad = high ? 5 + base : base - 1;
    snprintf(message, sizeof message, "index %lld is out of range: dimension %d has 5",
             (long long)bad, 1 + base);
    tn_tensor_put(list, 0, base);
    tn_tensor_put(list, 1, (double)bad);
    tn_tensor_put(cell, 0, (double)bad);
    refuse(TN_OP_index, 2, (tn_tensor *[]){x, list}, dim1, TN_EINDEX, message);
    refuse(TN_OP_indexFill, 2, (tn_tensor *[]){x, list}, dim1, TN_EINDEX, message);
    refuse(TN_OP_gather, 2, (tn_tensor *[]){x, cell}, dim1, TN_EINDEX, message);
    refuse(TN_OP_scatter, 3, (tn_tensor *[]){x, cell, cell}, dim1, TN_EINDEX, message);
    refuse(TN_OP_scatter_add, 3, (tn_tensor *[]){x, cell, cell}, dim1, TN_EINDEX, message);
  }
  refuse(TN_OP_index, 2, (tn_tensor *[]){x, list}, far, TN_EINDEX, "is out of range");
  refuse(TN_OP_index, 2, (tn_tensor *[]){x, y}, dim0, TN_ESHAPE, "in one dimension");
  refuse(TN_OP_gather, 2, (tn_tensor *[]){x, x}, dim0, TN_EDTYPE, "float32");
  refuse(TN_OP_gather, 2, (tn_tensor *[]){x, list}, dim0, TN_ESHAPE, "[2]");
  refuse(TN_OP_gather, 2, (tn_tensor *[]){cell, indexes}, dim1, TN_ESHAPE, "[3x5]");
  refuse(TN_OP_indexAdd, 3, (tn_tensor *[]){x, list, y}, dim0, TN_ESHAPE, "[2x5]");
  refuse(TN_OP_cat, 2, (tn_tensor *[]){x, y}, dim0, TN_ESHAPE, "[3x5] and [3x4]");
  refuse(TN_OP_cat, 0, NULL, none, TN_EARG, "at least one");
  refuse(TN_OP_maskedSelect, 2, (tn_tensor *[]){x, mask}, none, TN_ESHAPE, "[2]");
  refuse(TN_OP_maskedSelect, 2, (tn_tensor *[]){x, x}, none, TN_EDTYPE, "float32");
  refuse(TN_OP_topk, 1, &x, six, TN_EINDEX, "6 elements");
  refuse(TN_OP_max, 1, &empty, none, TN_ESHAPE, "empty");
  refuse(TN_OP_argmin, 1, &empty, none, TN_ESHAPE, "empty");
  refuse(TN_OP_max_dim, 1, &empty, dim0, TN_ESHAPE, "empty");
  refuse(TN_OP_tril, 1, &list, none, TN_ESHAPE, "matrix");
  tn_tensor *all[] = {x, list, cell, y, indexes, empty, mask};
  for (int i = 0; i < 7; i++) tn_tensor_release(all[i]);
}

/* -- Gradients --------------------------------------------------------------------------------- */

static double weighted(tn_opcode code, int nin, tn_tensor *const *in, const tn_attrs *attrs,
                       const tn_tensor *w) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  double sum = 0;
  bool was = tn_set_grad_enabled(ctx, false);
  if (tn_apply(ctx, code, nin, in, attrs, out) != TN_OK) abort();
  tn_set_grad_enabled(ctx, was);
  for (int64_t i = 0; i < tn_tensor_numel(w); i++) {
    sum += tn_tensor_get(w, i) * tn_tensor_get(out[0], i);
  }
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
  return sum;
}

/* All of these are linear between ties, so the gradient's own gradient in the direction v is the
 * operation's derivative along v: compared with a difference as well. */
static void gradient(tn_opcode code, int nin, tn_tensor *const *in, const tn_attrs *attrs) {
  const char *name = tn_op_describe(code).name;
  const double h = 1e-4;
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL}, *grads[8] = {NULL}, *leaves[8], *w, *v, *second = NULL;
  int n = 0;
  for (int i = 0; i < nin; i++) {
    if (!tn_dtype_is_float(tn_tensor_dtype(in[i]))) continue;
    if (tn_set_requires_grad(ctx, in[i], true) != TN_OK) abort();
    leaves[n++] = in[i];
  }
  check(tn_apply(ctx, code, nin, in, attrs, out) == TN_OK, "%s fails", name);
  if (out[0] == NULL) return;
  w = like(out[0], TN_F64);
  for (int64_t i = 0; i < tn_tensor_numel(w); i++) tn_tensor_put(w, i, (double)draw(100) / 50 - 1);
  tn_set_requires_grad(ctx, w, true);
  tn_backward_options options = {.create_graph = true};
  tn_status s = tn_backward(ctx, 1, out, &w, n, leaves, grads, options);
  check(s == TN_OK, "%s backward fails", name);
  for (int k = 0; k < n && s == TN_OK; k++) {
    v = like(leaves[k], TN_F64);
    for (int64_t i = 0; i < tn_tensor_numel(v); i++) {
      double x = tn_tensor_get(leaves[k], i), high, low;
      tn_tensor_put(leaves[k], i, x + h);
      high = weighted(code, nin, in, attrs, w);
      tn_tensor_put(leaves[k], i, x - h);
      low = weighted(code, nin, in, attrs, w);
      tn_tensor_put(leaves[k], i, x);
      check(grads[k] != NULL && fabs(tn_tensor_get(grads[k], i) - (high - low) / (2 * h)) < 1e-6,
            "%s: gradient %d at %lld", name, k, (long long)i);
    }
    tn_tensor_release(v);
  }
  for (int k = 0; k < n && s == TN_OK; k++) {
    if (grads[k] == NULL || !tn_requires_grad(grads[k])) {
      check(false, "%s: gradient %d cannot be differentiated again", name, k);
      continue;
    }
    v = like(leaves[k], TN_F64);
    for (int64_t i = 0; i < tn_tensor_numel(v); i++) tn_tensor_put(v, i, (double)(i + 1) / 8);
    tn_backward_options keep = {.retain_graph = true};
    check(tn_backward(ctx, 1, &grads[k], &v, 1, &w, &second, keep) == TN_OK && second != NULL,
          "%s: second gradient fails", name);
    for (int sign = -1; sign <= 1 && second != NULL; sign += 2) { /* x - h v, then x + h v */
      for (int64_t i = 0; i < tn_tensor_numel(v); i++) {
        double step = h * tn_tensor_get(v, i) * (sign < 0 ? -1 : 2);
        tn_tensor_put(leaves[k], i, tn_tensor_get(leaves[k], i) + step);
      }
      tn_tensor *moved[TN_MAX_OUTPUTS] = {NULL};
      if (tn_apply(ctx, code, nin, in, attrs, moved) != TN_OK) abort();
      for (int64_t i = 0; i < tn_tensor_numel(second); i++) {
        double slope = (tn_tensor_get(moved[0], i) - tn_tensor_get(out[0], i)) / (h * sign);
        check(fabs(slope - tn_tensor_get(second, i)) < 1e-6, "%s: second gradient %d", name, k);
      }
      for (int i = 0; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(moved[i]);
    }
    for (int64_t i = 0; i < tn_tensor_numel(v); i++) {
      tn_tensor_put(leaves[k], i, tn_tensor_get(leaves[k], i) - h * tn_tensor_get(v, i));
    }
    tn_tensor_release(second);
    tn_tensor_release(v);
    second = NULL;
  }
  for (int k = 0; k < n; k++) tn_tensor_release(grads[k]);
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
  tn_tensor_release(w);
}

/* Distinct values, far from one another. */
static tn_tensor *distinct(int layout, int ndim, const int64_t *sizes) {
  tn_tensor *t = make(TN_F64, layout, ndim, sizes);
  int64_t n = tn_tensor_numel(t), step = 7;
  for (int64_t i = 0; i < n; i++) tn_tensor_put(t, i, (double)(i * step % 31) - 15);
  return t;
}

static tn_tensor *permutation(int64_t n, int64_t of) {
  tn_tensor *t = make(TN_I64, PLAIN, 1, &n);
  for (int64_t i = 0; i < n; i++) tn_tensor_put(t, i, (double)((i * 2 + 1) % of + base));
  return t;
}

static void test_index_gradients(int layout, int64_t dim) {
  int64_t sizes[3] = {3, 5, 2}, d = dim < 0 ? dim + 3 : dim, c[3];
  int64_t picked[3] = {3, 5, 2};
  picked[d] = sizes[d] - 1;
  tn_tensor *x = distinct(layout, 3, sizes), *source = distinct(1 - layout, 3, picked);
  tn_tensor *list = permutation(picked[d], sizes[d] | 1), *index = make(TN_I64, PLAIN, 3, picked);
  tn_tensor *number = make(TN_F64, PLAIN, 0, NULL);
  if (sizes[d] == 2) tn_tensor_put(list, 0, base); /* 2 has no odd step */
  tn_tensor_put(number, 0, 0.5);
  for (int64_t i = 0; i < tn_tensor_numel(index); i++) { /* no element named twice */
    where(index, i, c);
    tn_tensor_put(index, i, (double)((c[d] + c[0] + c[1]) % sizes[d] + base));
    if (d != 2) tn_tensor_put(index, i, (double)((c[d] + c[2]) % sizes[d] + base));
  }
  tn_attrs attrs = {.f = {3}, .i = {dim}, .ni = 1};
  gradient(TN_OP_index, 2, (tn_tensor *[]){x, list}, &attrs);
  gradient(TN_OP_indexAdd, 3, (tn_tensor *[]){x, list, source}, &attrs);
  gradient(TN_OP_indexCopy, 3, (tn_tensor *[]){x, list, source}, &attrs);
  gradient(TN_OP_indexFill, 2, (tn_tensor *[]){x, list}, &attrs);
  gradient(TN_OP_gather, 2, (tn_tensor *[]){x, index}, &attrs);
  gradient(TN_OP_scatter, 3, (tn_tensor *[]){x, index, source}, &attrs);
  gradient(TN_OP_scatter, 3, (tn_tensor *[]){x, index, number}, &attrs);
  gradient(TN_OP_scatter_add, 3, (tn_tensor *[]){x, index, source}, &attrs);
  tn_tensor *all[] = {x, source, list, index, number};
  for (int i = 0; i < 5; i++) tn_tensor_release(all[i]);
}

static void test_order_gradients(int layout, int64_t dim) {
  int64_t sizes[3] = {3, 5, 2};
  tn_tensor *x = distinct(layout, 3, sizes), *y = distinct(1 - layout, 3, sizes);
  tn_attrs none = {.ni = 0}, keep = {.i = {dim, 1}, .ni = 2}, drop = {.i = {dim, 0}, .ni = 2};
  tn_attrs top = {.i = {2, dim, 1, 1}, .ni = 4};
  gradient(TN_OP_max, 1, &x, &none);
  gradient(TN_OP_min, 1, &x, &none);
  gradient(TN_OP_max_dim, 1, &x, &keep);
  gradient(TN_OP_max_dim, 1, &x, &drop);
  gradient(TN_OP_min_dim, 1, &x, &drop);
  gradient(TN_OP_sort, 1, &x, &keep);
  gradient(TN_OP_sort, 1, &x, &none);
  gradient(TN_OP_topk, 1, &x, &top);
  gradient(TN_OP_cumsum, 1, &x, &keep);
  gradient(TN_OP_cumsum, 1, &x, &none);
  gradient(TN_OP_cat, 2, (tn_tensor *[]){x, y}, &keep);
  gradient(TN_OP_cat, 2, (tn_tensor *[]){x, y}, &none);
  tn_tensor_release(x);
  tn_tensor_release(y);
}

static void test_other_gradients(int layout) {
  int64_t sizes[2] = {4, 3}, n = 12, five = 5;
  tn_tensor *x = distinct(layout, 2, sizes), *mask = some(TN_U8, layout, 2, sizes);
  tn_tensor *row = some(TN_BOOL, PLAIN, 1, sizes + 1), *source = distinct(PLAIN, 1, &n);
  tn_tensor *line = distinct(PLAIN, 1, &five), *other = distinct(PLAIN, 1, &five);
  tn_tensor_put(mask, 0, 1);
  tn_tensor_put(row, 0, 1);
  tn_attrs none = {.ni = 0}, new_dim = {.i = {1}, .ni = 1};
  gradient(TN_OP_maskedSelect, 2, (tn_tensor *[]){x, mask}, &none);
  gradient(TN_OP_maskedSelect, 2, (tn_tensor *[]){x, row}, &none);
  gradient(TN_OP_maskedCopy, 3, (tn_tensor *[]){x, mask, source}, &none);
  gradient(TN_OP_maskedCopy, 3, (tn_tensor *[]){x, row, source}, &none);
  gradient(TN_OP_cat, 2, (tn_tensor *[]){line, other}, &new_dim);
  for (int64_t k = -2; k <= 2; k++) {
    tn_attrs attrs = {.i = {k}, .ni = 1};
    gradient(TN_OP_tril, 1, &x, &attrs);
    gradient(TN_OP_triu, 1, &x, &attrs);
    gradient(TN_OP_diag, 1, &x, &attrs);
    gradient(TN_OP_diag, 1, &line, &attrs);
  }
  tn_tensor *all[] = {x, mask, row, source, line, other};
  for (int i = 0; i < 6; i++) tn_tensor_release(all[i]);
}

/* Equal greatest elements share the gradient. */
static void test_ties(void) {
  int64_t n = 4;
  double values[] = {2, 5, 5, 1}, want[] = {0, 0.5, 0.5, 0};
  tn_tensor *x = make(TN_F64, PLAIN, 1, &n), *y = NULL, *grad = NULL;
  for (int i = 0; i < 4; i++) tn_tensor_put(x, i, values[i]);
  tn_set_requires_grad(ctx, x, true);
  tn_backward_options options = {.retain_graph = false};
  check(tn_apply(ctx, TN_OP_max, 1, &x, NULL, &y) == TN_OK &&
            tn_backward(ctx, 1, &y, NULL, 1, &x, &grad, options) == TN_OK, "max fails");
  for (int i = 0; i < 4 && grad != NULL; i++) {
    check(tn_tensor_get(grad, i) == want[i], "ties do not share the gradient");
  }
  tn_tensor_release(grad);
  tn_tensor_release(y);
  tn_tensor_release(x);
}

/* -- All of it --------------------------------------------------------------------------------- */

static void test_shape(tn_dtype dtype, int layout, int ndim, const int64_t *sizes,
                       int64_t first) {
  for (int64_t dim = first; dim < ndim; dim++) {
    test_slices(dtype, layout, ndim, sizes, dim);
    test_elements(dtype, layout, ndim, sizes, dim);
    test_order(dtype, layout, ndim, sizes, dim);
    if (sizes[dim < 0 ? dim + ndim : dim] > 0) test_extremes(dtype, layout, ndim, sizes, dim);
    test_cumsum(dtype, layout, ndim, sizes, dim);
    test_cat(dtype, layout, ndim, sizes, dim);
  }
  for (int k = 0; k <= ndim; k++) test_masks(dtype, layout, ndim, sizes, k);
}

int main(void) {
  static const int64_t shapes[][4] = {{1, 7}, {2, 4, 5}, {3, 3, 6, 2}, {3, 2, 1, 3}, {2, 0, 3},
                                      {2, 3, 0}, {1, 100}, {2, 3, 60}};
  static const int64_t wide[] = {70, 300}, deep[] = {5, 40, 90};
  for (base = 0; base < 2; base++) {
    tn_config config = {.size = sizeof config, .threads = base == 0 ? 1 : 3, .index_base = base};
    ctx = tn_open(&config);
    if (ctx == NULL) abort();
    for (int dtype = 0; dtype < TN_DTYPE_COUNT; dtype++) {
      for (int layout = 0; layout < LAYOUTS; layout++) {
        for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
          test_shape((tn_dtype)dtype, layout, (int)shapes[k][0], shapes[k] + 1, -shapes[k][0]);
        }
        test_triangles((tn_dtype)dtype, layout, 4, 6);
        test_triangles((tn_dtype)dtype, layout, 5, 3);
      }
    }
    test_shape(TN_F32, base, 2, wide, 0); /* enough work for several threads */
    test_shape(TN_I64, base, 3, deep, 0);
    for (int layout = 0; layout < LAYOUTS; layout++) {
      for (int64_t dim = -3; dim < 3; dim++) {
        test_index_gradients(layout, dim);
        test_order_gradients(layout, dim);
      }
      test_other_gradients(layout);
    }
    test_ties();
    test_errors();
    check(tn_memory(ctx).live_storages == 0, "%d tensors are left",
          (int)tn_memory(ctx).live_storages);
    tn_close(ctx);
  }
  printf("%s: %d checks, %d failures\n", failures == 0 ? "ok" : "not ok", checks, failures);
  return failures > 0;
}
