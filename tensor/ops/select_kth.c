/* select_kth.c -- kthvalue, median, nanmedian and mode: one element of each line, and its index.
 *
 * The elements of a line become unsigned keys in their order (NaN above all, -0 as 0), among which
 * quickselect looks, so that one kernel serves every dtype. The index is that of the first element
 * with the chosen key, and for mode, as in PyTorch, of the last one.
 *
 * attrs: i[0] k (kthvalue only), then the dimension, then whether it stays as one of size 1. */
#include "tensor/ops/keys.h"
#include "tensor/ops/lines.h"

typedef enum { KTH, MEDIAN, NANMEDIAN, MODE } choice;

#define NAN_KEY UINT64_MAX

/* -- Keys -------------------------------------------------------------------------------------- */

/* n numbers of float64 or int64, turned into keys where they lie. */
static void make_keys(uint64_t *keys, int64_t n, bool floats) {
  const uint64_t sign = (uint64_t)1 << 63, infinity = (uint64_t)0x7ff << 52;
  for (int64_t i = 0; i < n; i++) {
    uint64_t bits = keys[i];
    if (!floats) keys[i] = bits ^ sign;
    else if ((bits & ~sign) > infinity) keys[i] = NAN_KEY;
    else if (bits == sign) keys[i] = sign;
    else keys[i] = bits & sign ? ~bits : bits | sign;
  }
}

static void insertion_sort(uint64_t *p, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    uint64_t moved = p[i];
    int64_t to = i;
    for (; to > 0 && p[to - 1] > moved; to--) p[to] = p[to - 1];
    p[to] = moved;
  }
}

static void swap(uint64_t *a, uint64_t *b) {
  uint64_t t = *a;
  *a = *b;
  *b = t;
}

static void sift_down(uint64_t *heap, int64_t n, int64_t at) {
  for (int64_t child = 2 * at + 1; child < n; at = child, child = 2 * at + 1) {
    if (child + 1 < n && heap[child] < heap[child + 1]) child++;
    if (heap[at] >= heap[child]) return;
    swap(&heap[at], &heap[child]);
  }
}

static void heap_sort(uint64_t *p, int64_t n) {
  for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(p, n, i);
  for (int64_t end = n - 1; end > 0; end--) {
    swap(&p[0], &p[end]);
    sift_down(p, end, 0);
  }
}

/* Puts the median of three spread elements at p[0], from where partitions take their pivot. */
static void choose_pivot(uint64_t *p, int64_t n) {
  uint64_t *a = &p[1], *b = &p[n / 2], *c = &p[n - 1];
  uint64_t *middle = *a < *b ? (*b < *c ? b : *a < *c ? c : a) : (*a < *c ? a : *b < *c ? c : b);
  swap(&p[0], middle);
}

/* Elements below the pivot p[0] to its left, above to its right; where it is then. */
static int64_t partition(uint64_t *p, int64_t n) {
  const uint64_t pivot = p[0];
  int64_t i = 0, j = n;
  for (;;) {
    while (p[++i] < pivot && i < n - 1) {}
    while (p[--j] > pivot) {}
    if (i >= j) break;
    swap(&p[i], &p[j]);
  }
  swap(&p[0], &p[j]);
  return j;
}

/* The k-th smallest key, from 0. Where partitions go badly the heap takes over, so that no order of
 * the input makes it quadratic. */
uint64_t tn__quickselect(uint64_t *p, int64_t n, int64_t k) {
  int64_t rounds = 8;
  for (int64_t m = n; m > 1; m >>= 1) rounds += 2;
  while (n > 16 && rounds-- > 0) {
    choose_pivot(p, n);
    int64_t at = partition(p, n);
    if (at == k) return p[k];
    if (at < k) p += at + 1, n -= at + 1, k -= at + 1;
    else n = at;
  }
  if (n > 16) heap_sort(p, n);
  else insertion_sort(p, n);
  return p[k];
}

/* The key that comes most often, the smallest of several. */
static uint64_t most_frequent(uint64_t *p, int64_t n) {
  uint64_t best = p[0];
  int64_t most = 0;
  heap_sort(p, n);
  for (int64_t i = 0, run = 0; i < n; i++) {
    run = i > 0 && p[i] == p[i - 1] ? run + 1 : 1;
    if (run > most) {
      most = run;
      best = p[i];
    }
  }
  return best;
}

/* -- Lines ------------------------------------------------------------------------------------- */

typedef struct {
  tn_lines lines;
  choice what;
  int64_t k, slots, base;
  tn_dtype dtype, wide; /* of the elements, and float64 or int64 */
  const char *x;
  char *values;
  int64_t *indices;
  uint64_t *scratch; /* two lines for each slot */
} job;

static uint64_t chosen_key(const job *j, uint64_t *keys, const uint64_t *all) {
  const int64_t n = j->lines.size;
  int64_t numbers = 0;
  if (j->what == KTH) return tn__quickselect(keys, n, j->k);
  if (j->what == MODE) return most_frequent(keys, n);
  for (int64_t i = 0; i < n; i++) numbers += all[i] != NAN_KEY;
  if (numbers == 0 || (j->what == MEDIAN && numbers < n)) return NAN_KEY;
  return tn__quickselect(keys, n, (numbers - 1) / 2);
}

static void choose(const job *j, int64_t line, uint64_t *keys) {
  const tn_lines *l = &j->lines;
  const int64_t item = (int64_t)tn__item_size(j->dtype), n = l->size;
  const int64_t outer = line / l->inner, inner = line % l->inner;
  const char *x = j->x + (outer * n * l->inner + inner) * item;
  uint64_t *all = keys + n;
  int64_t at = 0;
  tn__convert(n, all, j->wide, 1, x, j->dtype, l->inner);
  make_keys(all, n, j->wide == TN_F64);
  memcpy(keys, all, (size_t)n * sizeof *keys);
  const uint64_t key = chosen_key(j, keys, all);
  if (j->what == MODE) for (at = n - 1; all[at] != key;) at--;
  else while (all[at] != key) at++;
  memcpy(j->values + line * item, x + at * l->inner * item, (size_t)item);
  j->indices[line] = at + j->base;
}

static void choose_slots(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t lines = j->lines.outer * j->lines.inner;
  for (int64_t slot = begin; slot < end; slot++) {
    const int64_t last = lines * (slot + 1) / j->slots;
    for (int64_t line = lines * slot / j->slots; line < last; line++) {
      choose(j, line, j->scratch + 2 * j->lines.size * slot);
    }
  }
}

static tn_status run_job(tn_call *call, job *j) {
  tn_ctx *ctx = call->ctx;
  const int64_t lines = j->lines.outer * j->lines.inner;
  tn_tensor *scratch;
  j->slots = lines * j->lines.size < TN_GRAIN / 4 ? 1 : tn__pool_threads(ctx->pool);
  if (j->slots > lines) j->slots = lines;
  tn_status s = tn_tensor_new(ctx, &scratch, TN_I64, 2,
                              (int64_t[]){j->slots, 2 * j->lines.size});
  if (s != TN_OK) return s;
  j->scratch = (uint64_t *)(void *)tn__data(scratch);
  tn__pool_run(ctx->pool, j->slots, 1, choose_slots, j);
  tn_tensor_release(scratch);
  return TN_OK;
}

/* x as its lines: one of all elements when call->dim is not a dimension. */
static tn_lines lines_of(const tn_call *call, const tn_tensor *x) {
  if (call->dim >= 0) return tn__lines(x, call->dim);
  return (tn_lines){1, tn__numel(x), 1};
}

static tn_status select_into(tn_call *call, choice what, int64_t k) {
  tn_tensor *x = NULL, *values = NULL, *indices = NULL;
  const tn_dtype dtype = (tn_dtype)call->in[0]->dtype;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &values);
  if (s == TN_OK) s = tn__result_begin(call, 1, TN_I64, &indices);
  if (s == TN_OK && tn__numel(values) > 0) {
    job j = {.lines = lines_of(call, x), .what = what, .k = k, .base = call->ctx->index_base,
             .dtype = dtype, .wide = tn_dtype_is_float(dtype) ? TN_F64 : TN_I64,
             .x = tn__data(x), .values = tn__data(values),
             .indices = (int64_t *)(void *)tn__data(indices)};
    s = run_job(call, &j);
  }
  s = tn__result_end(call, 0, values, s);
  s = tn__result_end(call, 1, indices, s);
  tn_tensor_release(x);
  return s;
}

/* -- Shapes and gradients ---------------------------------------------------------------------- */

/* attrs i[first] names the dimension, the last one when it does not; i[first + 1]: does it stay? A
 * tensor without dimensions is a line of one element. */
static tn_status line_shape(tn_call *call, int first) {
  const tn_tensor *x = call->in[0];
  const bool keep = tn__int(call->attrs, first + 1, 1) != 0;
  int64_t wanted = tn__int(call->attrs, first, -1);
  tn_meta *m = &call->meta[0];
  call->dim = -1;
  m->ndim = 0;
  m->dtype = x->dtype;
  if (x->ndim > 0 || wanted > 0 || wanted < -1) {
    tn_status s = tn__dim(call->ctx, wanted, x->ndim, &call->dim);
    if (s != TN_OK) return s;
    if (x->sizes[call->dim] == 0) {
      return tn_fail(call->ctx, TN_ESHAPE, "dimension %d is empty",
                     call->dim + call->ctx->index_base);
    }
  }
  for (int d = 0; d < x->ndim; d++) {
    if (d != call->dim) m->sizes[m->ndim++] = x->sizes[d];
    else if (keep) m->sizes[m->ndim++] = 1;
  }
  call->meta[1] = *m;
  call->meta[1].dtype = TN_I64;
  return TN_OK;
}

/* The gradient goes to the chosen element. */
static tn_status line_grad(tn_grad_call *g, int first) {
  tn_eval e = tn__eval_begin(g->ctx);
  const int ndim = g->meta[0].ndim;
  const bool keep = tn__int(g->attrs, first + 1, 1) != 0;
  tn_attrs dim = {.i = {tn__int(g->attrs, first, -1)}, .ni = 1};
  tn_tensor *d = g->dout[0], *indices = g->out[1];
  if (ndim > 0 && !keep) {
    d = tn__do(&e, TN_OP_unsqueeze, &dim, 1, &d);
    indices = tn__do(&e, TN_OP_unsqueeze, &dim, 1, &indices);
  }
  if (ndim > 0) {
    tn_tensor *in[3] = {tn__zeros(&e, &g->meta[0]), indices, d};
    d = tn__do_into(&e, TN_OP_scatter_add, &dim, 3, in);
  }
  g->din[0] = tn__keep(&e, d);
  return tn__eval_end(&e);
}

static tn_status kthvalue_shape(tn_call *call) {
  const int64_t k = tn__int(call->attrs, 0, 0);
  tn_status s = line_shape(call, 1);
  if (s != TN_OK) return s;
  const int64_t size = call->dim < 0 ? 1 : call->in[0]->sizes[call->dim];
  if (k >= 1 && k <= size) return TN_OK;
  return tn_fail(call->ctx, TN_EINDEX, "element %lld of %lld is out of range", (long long)k,
                 (long long)size);
}

static tn_status kthvalue_run(tn_call *call) {
  return select_into(call, KTH, call->attrs->i[0] - 1);
}

static tn_status kthvalue_grad(tn_grad_call *g) { return line_grad(g, 1); }
static tn_status median_dim_shape(tn_call *call) { return line_shape(call, 0); }
static tn_status median_dim_run(tn_call *call) { return select_into(call, MEDIAN, 0); }
static tn_status nanmedian_dim_run(tn_call *call) { return select_into(call, NANMEDIAN, 0); }
static tn_status mode_run(tn_call *call) { return select_into(call, MODE, 0); }
static tn_status median_dim_grad(tn_grad_call *g) { return line_grad(g, 0); }

#define LINE_ROW(name_, lua_, args_, shape_, run_, grad_, doc_)                                   \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .args = args_, .convention = 'C',                              \
      .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2, .fixed = 2, .low = -2,    \
      .high = 2, .shape = shape_, .run = run_, .grad = grad_, .doc = doc_};

LINE_ROW(kthvalue, "kthvalue", "T x; i k; d? dim; b keepdim=1", kthvalue_shape, kthvalue_run,
         kthvalue_grad, "The k-th smallest elements along a dimension, and their indices.")
LINE_ROW(median_dim, "median", "T x; d? dim; b keepdim=1", median_dim_shape, median_dim_run,
         median_dim_grad, "The medians along a dimension, the last one unless another is named, "
         "and their indices; of an even number of elements the lower one.")
LINE_ROW(nanmedian_dim, "nanmedian", "T x; d dim; b keepdim=1", median_dim_shape,
         nanmedian_dim_run, median_dim_grad,
         "The medians of what is a number along a dimension, and their indices.")
LINE_ROW(mode, "mode", "T x; d? dim; b keepdim=1", median_dim_shape, mode_run, median_dim_grad,
         "The most frequent elements along a dimension, the smallest of several, and their "
         "indices.")

/* -- Of all elements --------------------------------------------------------------------------- */

static tn_status of_all(tn_call *call, tn_opcode code) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs attrs = {.i = {0, 0}, .ni = 2};
  tn_tensor *flat = tn__reshaped(&e, call->in[0], 1, (int64_t[]){tn__numel(call->in[0])});
  call->out[0] = tn__keep(&e, tn__do(&e, code, &attrs, 1, &flat));
  return tn__eval_end(&e);
}

static tn_status nanmedian_compose(tn_call *call) { return of_all(call, TN_OP_nanmedian_dim); }

const tn_op tn__op_nanmedian = {
    .name = "nanmedian", .lua = "nanmedian", .args = "T x", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .low = -2, .high = 2,
    .compose = nanmedian_compose, .doc = "The median of those elements that are numbers."};
