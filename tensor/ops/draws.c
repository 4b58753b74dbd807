/* draws.c -- permutations, and draws with given probabilities. */
#include "tensor/random.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { STOCK = 128 }; /* groups made at a time */

/* -- Permutations ------------------------------------------------------------------------------ */

/* 64-bit numbers one after another, two from each group. */
typedef struct {
  uint64_t seed, offset;
  int at;
  uint32_t words[4 * STOCK];
} stream;

static uint64_t next_below(stream *s, uint64_t count) {
  if (s->at == 2 * STOCK) {
    tn__random_words(s->seed, s->offset, STOCK, s->words);
    s->offset += STOCK;
    s->at = 0;
  }
  const uint32_t *w = s->words + 2 * s->at++;
  return tn__below_count(w[0], w[1], count);
}

/* The largest n for which the dtype holds 1 ... n. */
static int64_t most_exact(int dtype) {
  switch (dtype) {
  case TN_BOOL: return 1;
  case TN_U8: return UINT8_MAX;
  case TN_I8: return INT8_MAX;
  case TN_I16: return INT16_MAX;
  case TN_I32: return INT32_MAX;
  case TN_F16: return 1 << 11;
  case TN_BF16: return 1 << 8;
  case TN_F32: return 1 << 24;
  default: return (int64_t)1 << 53;
  }
}

static tn_status randperm_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  const int64_t n = tn__int(call->attrs, 0, 0);
  m->dtype = call->in[0]->dtype;
  m->ndim = 1;
  m->sizes[0] = n;
  if (n >= 0 && n <= most_exact(m->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EARG, "%s cannot hold the numbers from 1 to %lld",
                 tn_dtype_name((tn_dtype)m->dtype), (long long)n);
}

/* Fisher and Yates' shuffle, in the smaller type where that is enough: it lives on the caches. */
#define SHUFFLE(name, T)                                                                          \
  static void name(stream *s, T *p, int64_t n, int64_t base) {                                    \
    for (int64_t i = 0; i < n; i++) p[i] = (T)(i + base);                                         \
    for (int64_t i = 0; i + 1 < n; i++) {                                                         \
      const int64_t k = i + (int64_t)next_below(s, (uint64_t)(n - i));                            \
      const T t = p[i];                                                                           \
      p[i] = p[k];                                                                                \
      p[k] = t;                                                                                   \
    }                                                                                             \
  }

SHUFFLE(shuffle_i32, int32_t)
SHUFFLE(shuffle_i64, int64_t)

static tn_status randperm_run(tn_call *call) {
  tn_tensor *out = call->out[0], *order = NULL;
  tn_generator *g = tn__generator(call);
  const int64_t n = out->sizes[0], base = call->ctx->index_base;
  const bool narrow = n < INT32_MAX;
  stream s = {.seed = g->seed, .offset = g->offset, .at = 2 * STOCK};
  tn_status status = tn__host_like(call->ctx, &order, out, narrow ? TN_I32 : TN_I64);
  if (status != TN_OK) return status;
  if (narrow) shuffle_i32(&s, (int32_t *)tn__data(order), n, base);
  else shuffle_i64(&s, (int64_t *)tn__data(order), n, base);
  g->offset += (uint64_t)(n / 2 + 1);
  return tn__deliver_filled(call->ctx, out, order);
}

const tn_op tn__op_randperm = {.name = "randperm", .lua = "randperm", .convention = 'B',
                               .args = "T res; g generator; i n",
                               .flags = TN_OVERWRITES | TN_MOVES, .nout = 1,
                               .shape = randperm_shape, .run = randperm_run,
                               .no_grad = "made from random numbers",
                               .doc = "The numbers 1 to n in random order."};

/* -- Draws by weight --------------------------------------------------------------------------- */

typedef struct {
  uint64_t seed, offset;
  const double *sums; /* of one row: weights added up */
  int64_t n, *out, base;
} search;

static tn_status multinomial_shape(tn_call *call) {
  const tn_tensor *p = call->in[0];
  const int64_t count = call->attrs->i[0];
  tn_meta *m = &call->meta[0];
  if (p->ndim != 1 && p->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "one or two dimensions of probabilities expected, got %d",
                   p->ndim);
  }
  const int64_t n = p->sizes[p->ndim - 1];
  tn__meta_of(m, p);
  m->dtype = TN_I64;
  m->sizes[p->ndim - 1] = count;
  if (count < 0) return tn_fail(call->ctx, TN_EARG, "%lld draws", (long long)count);
  if (tn__int(call->attrs, 1, 0) == 0 && count > n) {
    return tn_fail(call->ctx, TN_EARG, "%lld draws without replacement from %lld",
                   (long long)count, (long long)n);
  }
  return TN_OK;
}

static tn_status check_weights(tn_ctx *ctx, const double *weights, int64_t n, int64_t *positive) {
  double total = 0;
  *positive = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!(weights[i] >= 0) || !isfinite(weights[i])) {
      return tn_fail(ctx, TN_EARG, "a probability of %g: it must be finite and not negative",
                     weights[i]);
    }
    *positive += weights[i] > 0;
    total += weights[i];
  }
  if (isfinite(total)) return TN_OK;
  return tn_fail(ctx, TN_EARG, "the probabilities add up to more than a number can hold");
}

/* Draws number `begin` to `end`, each from one half of a group, by bisection of the sums. */
static void search_range(void *arg, int64_t begin, int64_t end) {
  const search *s = arg;
  const double total = s->sums[s->n - 1], most = nextafter(total, 0);
  uint32_t w[4];
  for (int64_t k = begin; k < end; k++) {
    if (k == begin || k % 2 == 0) tn__philox(s->seed, s->offset + (uint64_t)(k / 2), w);
    double at = tn__uniform53(w[2 * (k % 2)], w[2 * (k % 2) + 1]) * total;
    int64_t low = 0; /* the first sum above `at`: its weight is not 0 */
    if (at > most) at = most;
    for (int64_t left = s->n, half; left > 1; left -= half) { /* no branch to be guessed wrong */
      half = left / 2;
      low += s->sums[low + half - 1] <= at ? half : 0;
    }
    s->out[k] = low + s->base;
  }
}

static void draw_with(tn_call *call, double *weights, int64_t n, int64_t *out, int64_t count) {
  tn_generator *g = tn__generator(call);
  for (int64_t i = 1; i < n; i++) weights[i] += weights[i - 1];
  search s = {g->seed, g->offset, weights, n, out, call->ctx->index_base};
  tn__pool_run(call->ctx->pool, count, TN_GRAIN / 16, search_range, &s);
  g->offset += (uint64_t)(count / 2 + count % 2);
}

typedef struct {
  double key;
  int64_t index;
} candidate;

static int earlier(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  return x->key < y->key ? -1 : x->key > y->key ? 1 : x->index < y->index ? -1 : 1;
}

/* Puts c where the last of `count` candidates, the heap's top, was. */
static void replace_last(candidate *heap, int64_t count, candidate c) {
  int64_t at = 0;
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && heap[child + 1].key > heap[child].key) child++;
    if (heap[child].key <= c.key) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = c;
}

/* Without replacement: exponential waiting times of these rates end in the order of the draws
 * (Efraimidis and Spirakis 2006), so the first `count` to end are wanted. */
static void draw_without(tn_call *call, const double *weights, int64_t n, int64_t *out,
                         int64_t count, candidate *heap) {
  tn_generator *g = tn__generator(call);
  uint32_t w[4];
  for (int64_t i = 0; i < count; i++) heap[i] = (candidate){INFINITY, -1};
  for (int64_t i = 0; i < n; i++) {
    if (i % 2 == 0) tn__philox(g->seed, g->offset + (uint64_t)(i / 2), w);
    if (weights[i] == 0) continue;
    const double u = tn__above0_f64(w[2 * (i % 2)], w[2 * (i % 2) + 1]);
    double key = -log(u) / weights[i];
    if (!(key < DBL_MAX)) key = DBL_MAX; /* weights next to 0 still come before those of 0 */
    if (key < heap[0].key) replace_last(heap, count, (candidate){key, i});
  }
  qsort(heap, (size_t)count, sizeof *heap, earlier);
  for (int64_t k = 0; k < count; k++) out[k] = heap[k].index + call->ctx->index_base;
  g->offset += (uint64_t)(n / 2 + n % 2);
}

static tn_status draw_rows(tn_call *call, double *weights, int64_t n, int64_t rows, int64_t *out,
                           int64_t count, candidate *heap) {
  const bool replace = tn__int(call->attrs, 1, 0) != 0;
  tn_status s = TN_OK;
  for (int64_t r = 0; r < rows && s == TN_OK; r++, weights += n, out += count) {
    int64_t positive;
    s = check_weights(call->ctx, weights, n, &positive);
    if (s == TN_OK && count > 0 && positive < (replace ? 1 : count)) {
      s = tn_fail(call->ctx, TN_EARG, "too few probabilities are above 0");
    }
    if (s != TN_OK || count == 0) continue;
    if (replace) draw_with(call, weights, n, out, count);
    else draw_without(call, weights, n, out, count, heap);
  }
  return s;
}

static tn_status multinomial_run(tn_call *call) {
  tn_tensor *weights = NULL, *drawn = NULL, *out = call->out[0];
  const tn_tensor *p = call->in[0];
  const int64_t n = p->sizes[p->ndim - 1], rows = p->ndim == 2 ? p->sizes[0] : 1;
  const int64_t count = out->sizes[out->ndim - 1];
  candidate *heap = NULL;
  tn_status s = tn__host_copy(call->ctx, &weights, p, TN_F64);
  if (s == TN_OK) s = tn__host_like(call->ctx, &drawn, out, TN_I64);
  if (s == TN_OK && tn__int(call->attrs, 1, 0) == 0 && count > 0) {
    heap = malloc((size_t)count * sizeof *heap);
    if (heap == NULL) s = tn_fail(call->ctx, TN_ENOMEM, "not enough memory for the draws");
  }
  if (s == TN_OK) {
    s = draw_rows(call, (double *)tn__data(weights), n, rows, (int64_t *)tn__data(drawn), count,
                  heap);
  }
  free(heap);
  tn_tensor_release(weights);
  if (s == TN_OK) return tn__deliver_filled(call->ctx, out, drawn);
  tn_tensor_release(drawn);
  return s;
}

const tn_op tn__op_multinomial = {
    .name = "multinomial", .lua = "multinomial", .convention = 'C', .fixed = 1,
    .args = "g generator; T p; i n; b replacement=0", .flags = TN_FLOATS | TN_MOVES, .nout = 1,
    .low = 0.1, .high = 1, .shape = multinomial_shape, .run = multinomial_run,
    .onnx = "Multinomial", .no_grad = "draws are no function of their probabilities",
    .doc = "n indices drawn with the (unnormalised) probabilities p."};

/* -- Alias tables: draws in constant time. Walker 1977, doi:10.1145/355744.355749 -------------- */

static tn_status alias_setup_shape(tn_call *call) {
  const tn_tensor *p = call->in[0];
  if (p->ndim != 1 || p->sizes[0] == 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "a vector of probabilities expected");
  }
  tn__meta_of(&call->meta[0], p);
  call->meta[0].dtype = TN_I64;
  tn__meta_of(&call->meta[1], p);
  if (!tn_dtype_is_float((tn_dtype)p->dtype)) call->meta[1].dtype = call->ctx->default_dtype;
  return TN_OK;
}

/* Vose 1991, doi:10.1109/32.92917: what a small one lacks to the average a large one gives. */
static void vose(double *q, int64_t n, int64_t *alias, int64_t *work, int64_t base) {
  int64_t small = 0, large = n; /* work holds the small ones at its front, the large at its end */
  for (int64_t i = 0; i < n; i++) {
    alias[i] = i + base;
    if (q[i] < 1) work[small++] = i;
    else work[--large] = i;
  }
  while (small > 0 && large < n) {
    const int64_t i = work[--small], donor = work[large];
    alias[i] = donor + base;
    q[donor] -= 1 - q[i];
    if (q[donor] < 1) {
      large++;
      work[small++] = donor;
    }
  }
  while (small > 0) q[work[--small]] = 1; /* rounding alone left these */
  while (large < n) q[work[large++]] = 1;
}

static tn_status alias_setup_run(tn_call *call) {
  tn_tensor *q = NULL, *alias = NULL, *work = NULL;
  const int64_t n = call->in[0]->sizes[0];
  int64_t positive = 0;
  double total = 0;
  tn_status s = tn__host_copy(call->ctx, &q, call->in[0], TN_F64);
  if (s == TN_OK) s = tn__host_like(call->ctx, &alias, call->out[0], TN_I64);
  if (s == TN_OK) s = tn__host_like(call->ctx, &work, q, TN_I64);
  if (s == TN_OK) s = check_weights(call->ctx, (const double *)tn__data(q), n, &positive);
  if (s == TN_OK && positive == 0) {
    s = tn_fail(call->ctx, TN_EARG, "too few probabilities are above 0");
  }
  if (s == TN_OK) {
    double *data = (double *)tn__data(q);
    for (int64_t i = 0; i < n; i++) total += data[i];
    for (int64_t i = 0; i < n; i++) data[i] = data[i] / total * (double)n;
    vose(data, n, (int64_t *)tn__data(alias), (int64_t *)tn__data(work), call->ctx->index_base);
    s = tn__copy_view(call->ctx, call->out[1], q);
  }
  tn_tensor_release(work);
  tn_tensor_release(q);
  if (s == TN_OK) return tn__deliver_filled(call->ctx, call->out[0], alias);
  tn_tensor_release(alias);
  return s;
}

const tn_op tn__op_multinomial_alias_setup = {
    .name = "multinomial_alias_setup", .lua = "multinomial_alias_setup", .convention = 'C',
    .fixed = 3, .args = "T p", .flags = TN_FLOATS | TN_MOVES, .nout = 2, .low = 0.1, .high = 1,
    .shape = alias_setup_shape, .run = alias_setup_run,
    .no_grad = "draws are no function of their probabilities",
    .doc = "Tables (aliases, thresholds) from which multinomial_alias_draw draws indices."};

typedef struct {
  uint64_t seed, offset, n;
  const int64_t *alias;
  const double *q;
  int64_t *out, base;
} alias_job;

static void alias_range(void *arg, int64_t begin, int64_t end) {
  const alias_job *j = arg;
  uint32_t w[4];
  for (int64_t k = begin; k < end; k++) {
    if (k == begin || k % 2 == 0) tn__philox(j->seed, j->offset + (uint64_t)(k / 2), w);
    const uint64_t u = (uint64_t)w[2 * (k % 2)] << 32 | w[2 * (k % 2) + 1];
    uint64_t low;
    const uint64_t i = tn__multiply(u, j->n, &low);
    /* what is left after the choice of a place is a fraction */
    const double rest = (double)(low >> 11) * 0x1p-53;
    j->out[k] = rest < j->q[i] ? (int64_t)i + j->base : j->alias[i];
  }
}

static tn_status check_tables(tn_call *call) {
  const tn_tensor *alias = call->in[1], *q = call->in[2];
  if (alias->ndim != 1 || alias->dtype != TN_I64 || !tn__same_shape(alias, q) ||
      tn__numel(q) == 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "the two vectors of multinomial_alias_setup expected");
  }
  return TN_OK;
}

static tn_status check_aliases(tn_ctx *ctx, const int64_t *alias, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    if (alias[i] < ctx->index_base || alias[i] - ctx->index_base >= n) {
      return tn_fail(ctx, TN_EINDEX, "the alias %lld is out of range for %lld probabilities",
                     (long long)alias[i], (long long)n);
    }
  }
  return TN_OK;
}

static tn_status alias_draw_run(tn_call *call) {
  tn_tensor *alias = NULL, *q = NULL, *drawn = NULL, *out = call->out[0];
  tn_generator *g = tn__generator(call);
  tn_status s = check_tables(call);
  if (s == TN_OK) s = tn__host_copy(call->ctx, &alias, call->in[1], TN_I64);
  if (s == TN_OK) s = tn__host_copy(call->ctx, &q, call->in[2], TN_F64);
  if (s == TN_OK) s = check_aliases(call->ctx, (int64_t *)tn__data(alias), tn__numel(alias));
  if (s == TN_OK) s = tn__host_like(call->ctx, &drawn, out, TN_I64);
  if (s == TN_OK) {
    const int64_t n = tn__numel(drawn);
    alias_job j = {g->seed, g->offset, (uint64_t)tn__numel(q), (int64_t *)tn__data(alias),
                   (double *)tn__data(q), (int64_t *)tn__data(drawn), call->ctx->index_base};
    tn__pool_run(call->ctx->pool, n, TN_GRAIN / 16, alias_range, &j);
    g->offset += (uint64_t)(n / 2 + n % 2);
  }
  tn_tensor_release(alias);
  tn_tensor_release(q);
  return s == TN_OK ? tn__deliver_filled(call->ctx, out, drawn) : s;
}

const tn_op tn__op_multinomial_alias_draw = {
    .name = "multinomial_alias_draw", .lua = "multinomial_alias_draw", .convention = 'I',
    .args = "T x; g generator; T aliases; T thresholds",
    .flags = TN_INPLACE | TN_OVERWRITES | TN_MOVES, .nout = 1, .shape = tn__shape_same,
    .run = alias_draw_run, .no_grad = "indices have no gradient",
    .doc = "Fills x with indices drawn from the tables of multinomial_alias_setup."};
