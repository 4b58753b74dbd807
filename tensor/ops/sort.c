/* sort.c -- sort and topk.
 *
 * Each element becomes an unsigned key whose order is the elements' order, so that one stable
 * radix sort serves every dtype. NaN is greater than everything, -0 equals 0; a descending sort
 * takes the keys' complement. */
#include "tensor/ops/lines.h"

typedef struct {
  uint64_t key;
  int64_t at;
} pair;

/* -- Keys -------------------------------------------------------------------------------------- */

/* `infinity`: the bits of the format's infinity; greater ones are NaN. */
static inline uint64_t float_key(uint64_t bits, int width, uint64_t infinity) {
  const uint64_t sign = (uint64_t)1 << (width - 1), all = sign | (sign - 1);
  if ((bits & (sign - 1)) > infinity) return all;
  if (bits == sign) bits = 0;
  return bits & sign ? ~bits & all : bits | sign;
}

#define KEYS(T, expression)                                                                       \
  for (int64_t i = 0; i < n; i++) {                                                               \
    T v;                                                                                          \
    memcpy(&v, data + i * step * (int64_t)sizeof v, sizeof v);                                    \
    to[i].key = (uint64_t)(expression) ^ flip;                                                    \
    to[i].at = i;                                                                                 \
  }                                                                                               \
  break

/* Keys of n elements, `step` apart. Those of small dtypes leave the high bytes 0. */
static void make_keys(pair *to, const char *data, tn_dtype dtype, int64_t n, int64_t step,
                      bool descending) {
  const uint64_t flip = descending ? ~(uint64_t)0 >> (64 - 8 * tn__item_size(dtype)) : 0;
  switch (dtype) {
  case TN_BOOL: KEYS(uint8_t, v != 0);
  case TN_U8: KEYS(uint8_t, v);
  case TN_I8: KEYS(uint8_t, v ^ 0x80);
  case TN_I16: KEYS(uint16_t, v ^ 0x8000);
  case TN_I32: KEYS(uint32_t, v ^ 0x80000000u);
  case TN_I64: KEYS(uint64_t, v ^ (uint64_t)1 << 63);
  case TN_F16: KEYS(uint16_t, float_key(v, 16, 0x7c00));
  case TN_BF16: KEYS(uint16_t, float_key(v, 16, 0x7f80));
  case TN_F32: KEYS(uint32_t, float_key(v, 32, 0x7f800000));
  default: KEYS(uint64_t, float_key(v, 64, (uint64_t)0x7ff << 52));
  }
}

/* -- Sorting pairs: all of these keep the order of equal keys ---------------------------------- */

enum { SHORT = 48 }; /* below it, clearing the radix sort's counters costs more than it saves */

static void insertion_sort(pair *p, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    pair moved = p[i];
    int64_t to = i;
    for (; to > 0 && p[to - 1].key > moved.key; to--) p[to] = p[to - 1];
    p[to] = moved;
  }
}

/* Byte by byte from the lowest, to and fro between p and `spare`; returns where the result is. */
static pair *radix_sort(pair *p, pair *spare, int64_t n, int bytes) {
  for (int shift = 0; shift < 8 * bytes; shift += 8) {
    int64_t first[256] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) first[p[i].key >> shift & 255]++;
    if (first[p[0].key >> shift & 255] == n) continue; /* all alike */
    for (int digit = 0; digit < 256; digit++) {
      int64_t count = first[digit];
      first[digit] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) spare[first[p[i].key >> shift & 255]++] = p[i];
    pair *other = p;
    p = spare;
    spare = other;
  }
  return p;
}

static pair *sort_pairs(pair *p, pair *spare, int64_t n, int bytes) {
  if (n > SHORT) return radix_sort(p, spare, n, bytes);
  insertion_sort(p, n);
  return p;
}

static inline bool before(const pair *a, const pair *b) {
  return a->key != b->key ? a->key < b->key : a->at < b->at;
}

static void sift_down(pair *heap, int64_t n, int64_t at) {
  pair moved = heap[at];
  for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && before(&heap[child], &heap[child + 1])) child++;
    if (!before(&moved, &heap[child])) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
}

/* Brings the first k of the sorted order to the front, with a heap whose root is the last of them.
 * Most elements are only compared with that one. */
static void select_first(pair *p, int64_t n, int64_t k) {
  for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(p, k, i);
  for (int64_t i = k; i < n; i++) {
    if (p[i].key >= p[0].key) continue; /* of equal ones the earlier stays */
    p[0] = p[i];
    sift_down(p, k, 0);
  }
  for (int64_t end = k - 1; end > 0; end--) {
    pair last = p[0];
    p[0] = p[end];
    p[end] = last;
    sift_down(p, end, 0);
  }
}

/* -- Lines ------------------------------------------------------------------------------------- */

typedef struct {
  tn_lines lines;
  int64_t k; /* how many of each line are wanted */
  int64_t slots, base;
  tn_dtype dtype;
  bool descending;
  const char *x;
  char *values;
  int64_t *indices;
  pair *scratch; /* two lines for each slot */
} job;

static void sort_line(const job *j, int64_t line, pair *p) {
  const tn_lines *l = &j->lines;
  const int64_t item = (int64_t)tn__item_size(j->dtype);
  const int64_t outer = line / l->inner, inner = line % l->inner;
  const char *x = j->x + (outer * l->size * l->inner + inner) * item;
  int64_t to = outer * j->k * l->inner + inner;
  make_keys(p, x, j->dtype, l->size, l->inner, j->descending);
  if (j->k < l->size / 8) select_first(p, l->size, j->k);
  else p = sort_pairs(p, p + l->size, l->size, (int)item);
  for (int64_t i = 0; i < j->k; i++, to += l->inner) {
    memcpy(j->values + to * item, x + p[i].at * l->inner * item, (size_t)item);
    j->indices[to] = p[i].at + j->base;
  }
}

static void sort_slots(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t lines = j->lines.outer * j->lines.inner;
  for (int64_t slot = begin; slot < end; slot++) {
    int64_t last = lines * (slot + 1) / j->slots;
    for (int64_t line = lines * slot / j->slots; line < last; line++) {
      sort_line(j, line, j->scratch + 2 * j->lines.size * slot);
    }
  }
}

static tn_status sort_lines(tn_call *call, job *j) {
  tn_ctx *ctx = call->ctx;
  const int64_t lines = j->lines.outer * j->lines.inner;
  tn_tensor *scratch;
  j->slots = lines * j->lines.size < TN_GRAIN / 4 ? 1 : tn__pool_threads(ctx->pool);
  if (j->slots > lines) j->slots = lines;
  j->base = ctx->index_base;
  tn_status s = tn_tensor_new(ctx, &scratch, TN_I64, 2,
                              (int64_t[]){j->slots, 4 * j->lines.size});
  if (s != TN_OK) return s;
  j->scratch = (pair *)(void *)tn__data(scratch);
  tn__pool_run(ctx->pool, j->slots, 1, sort_slots, j);
  tn_tensor_release(scratch);
  return TN_OK;
}

static tn_status sort_into(tn_call *call, bool descending, int64_t k) {
  tn_tensor *x = NULL, *values = NULL, *indices = NULL;
  tn_dtype dtype = (tn_dtype)call->in[0]->dtype;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &values);
  if (s == TN_OK) s = tn__result_begin(call, 1, TN_I64, &indices);
  if (s == TN_OK && tn__numel(values) > 0) {
    job j = {.lines = tn__lines(x, call->dim), .k = k, .dtype = dtype, .descending = descending,
             .x = tn__data(x), .values = tn__data(values),
             .indices = (int64_t *)(void *)tn__data(indices)};
    s = sort_lines(call, &j);
  }
  s = tn__result_end(call, 0, values, s);
  s = tn__result_end(call, 1, indices, s);
  tn_tensor_release(x);
  return s;
}

static tn_status scatter_back(tn_grad_call *g, int64_t dim) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs attrs = {.i = {dim}, .ni = 1};
  tn_tensor *in[3] = {tn__zeros(&e, &g->meta[0]), g->out[1], g->dout[0]};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_scatter_add, &attrs, 3, in));
  return tn__eval_end(&e);
}

/* -- sort: attrs i[0] the dimension, i[1] descending ------------------------------------------- */

static tn_status sort_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return tn__call_dim(call, 0, -1);
}

static tn_status sort_run(tn_call *call) {
  return sort_into(call, tn__int(call->attrs, 1, 0) != 0, call->in[0]->sizes[call->dim]);
}

static tn_status sort_grad(tn_grad_call *g) { return scatter_back(g, tn__int(g->attrs, 0, -1)); }

const tn_op tn__op_sort = {
    .name = "sort", .lua = "sort", .args = "T x; d? dim; b descending=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2, .fixed = 2, .low = -2,
    .high = 2, .shape = sort_shape, .run = sort_run, .grad = sort_grad,
    .doc = "x sorted along a dimension, the last one unless another is named, and the indices "
           "that the elements had."};

/* -- topk: attrs i[0] k, i[1] the dimension, i[2] largest, i[3] sorted, which it always is ----- */

static tn_status topk_shape(tn_call *call) {
  int64_t k = tn__int(call->attrs, 0, 0);
  tn_status s = tn__call_dim(call, 1, -1);
  if (s != TN_OK) return s;
  int64_t size = call->in[0]->sizes[call->dim];
  if (k < 0 || k > size) {
    return tn_fail(call->ctx, TN_EINDEX, "%lld elements are out of range: dimension %d has %lld",
                   (long long)k, call->dim + call->ctx->index_base, (long long)size);
  }
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[0].sizes[call->dim] = k;
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return TN_OK;
}

static tn_status topk_run(tn_call *call) {
  return sort_into(call, tn__int(call->attrs, 2, 0) != 0, call->attrs->i[0]);
}

static tn_status topk_grad(tn_grad_call *g) { return scatter_back(g, tn__int(g->attrs, 1, -1)); }

const tn_op tn__op_topk = {
    .name = "topk", .lua = "topk", .args = "T x; i k; d? dim; b largest=0; b sorted=1",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2,
    .fixed = 2, .low = -2, .high = 2, .shape = topk_shape, .run = topk_run, .grad = topk_grad,
    .onnx = "TopK",
    .doc = "The k smallest elements along a dimension in order, or the k largest, and their "
           "indices."};
