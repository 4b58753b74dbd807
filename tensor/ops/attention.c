/* attention.c -- softmax(q k' scale + mask) v, without ever holding all scores: FlashAttention (Dao
 * et al. 2022, arXiv:2205.14135; the way back as in Dao 2023, arXiv:2307.08691).
 *
 * in: q (batch, heads, length, dim), k (batch, groups, keys, dim), v (batch, groups, keys, width) and
 * a mask or NULL, which can be broadcast to (batch, heads, length, keys): bool or uint8, where what
 * is not 0 takes part, or numbers that are added to the scores. heads is a multiple of groups: head h
 * looks at group h * groups / heads (grouped queries, Ainslie et al. 2023). Batch, or batch and
 * heads, may be missing. attrs: f[0] scale (0: 1 / sqrt(dim)), f[1] dropout's p, i[0] causal: query i
 * sees keys up to i. Output 1 keeps each query's log-sum-exp (infinite where no key takes part; the
 * result is then 0), output 2 where the random numbers of dropout begin.
 *
 * Blocks of scores lie turned over, keys down and queries across: then softmax goes down columns,
 * and no product has to turn an operand but q, which is done once for each block of queries. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/move.h"
#include "tensor/eval.h"
#include "tensor/random.h"

enum { QUERIES = TN_ATTENTION_QUERIES, KEYS = 128, WORDS = QUERIES / 4 /* groups of Philox */ };
enum { TASKS = 8 }; /* of the way back, at the least: see `chunks` */

/* Rows of a matrix for each batch and head. */
typedef struct {
  char *data;
  int64_t batch, head, row; /* strides */
} rows;

typedef enum { NO_MASK, TRUTH, ADDED } mask_kind;

typedef struct {
  const tn_attention_kernels *k;
  bool f64, causal;
  size_t item;
  int64_t batch, heads, groups, length, keys, dim, width;
  double scale, p;
  uint64_t seed, offset;
  rows q, key, v, y, dy, dq, dk, dv;
  char *lse;        /* (batch, heads, length) */
  char *scores_out; /* NULL, or (batch, heads, length, keys): the gradient of the scores */
  mask_kind kind;
  const char *mask;
  int64_t mask_strides[4];
  int64_t chunks; /* of keys, on the way back: dq has one array for each */
  atomic_bool failed;
} job;

/* -- Small things ------------------------------------------------------------------------------ */

static char *at(const job *j, const char *base, int64_t index) {
  return (char *)base + index * (int64_t)j->item;
}

static char *row_of(const job *j, const rows *m, int64_t b, int64_t h, int64_t row) {
  return at(j, m->data, b * m->batch + h * m->head + row * m->row);
}

static double get(const job *j, const char *base, int64_t i) {
  return j->f64 ? ((const double *)base)[i] : (double)((const float *)base)[i];
}

static void put(const job *j, char *base, int64_t i, double value) {
  if (j->f64) ((double *)base)[i] = value;
  else ((float *)base)[i] = (float)value;
}

static void fill(const job *j, char *base, int64_t n, double value) {
  for (int64_t i = 0; i < n; i++) put(j, base, i, value);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

/* c = scale op(a) b, or that added to c. */
static void multiply(job *j, bool ta, int64_t m, int64_t n, int64_t k, double scale, const char *a,
                     int64_t lda, const char *b, int64_t ldb, bool add, char *c, int64_t ldc) {
  int failed;
  if (j->f64) {
    failed = tn__dgemm(NULL, ta, false, m, n, k, scale, (const double *)a, lda, (const double *)b,
                       ldb, add, (double *)c, ldc);
  } else {
    failed = tn__sgemm(NULL, ta, false, m, n, k, (float)scale, (const float *)a, lda,
                       (const float *)b, ldb, add, (float *)c, ldc);
  }
  if (failed) atomic_store(&j->failed, true);
}

/* Memory for parts of so many elements each, one behind the other; NULL, and `failed`, without. */
static void *take(job *j, int n, const int64_t *sizes, char **parts) {
  size_t bytes = 64;
  void *memory = NULL;
  for (int i = 0; i < n; i++) bytes += ((size_t)sizes[i] * j->item + 63) / 64 * 64;
  if (posix_memalign(&memory, 64, bytes) != 0) {
    atomic_store(&j->failed, true);
    return NULL;
  }
  char *next = memory;
  for (int i = 0; i < n; i++) {
    parts[i] = next;
    next += ((size_t)sizes[i] * j->item + 63) / 64 * 64;
  }
  return memory;
}

/* -- A block of scores ------------------------------------------------------------------------- */

/* Queries [i, i + w) of a head and keys [first, first + n) of its group; rows of `ld` queries, of
 * which those from w on are of no account. */
typedef struct {
  int64_t b, h, i, w, ld, first, n;
} block;

static block block_of(const job *j, int64_t b, int64_t h, int64_t index) {
  block x = {.b = b, .h = h, .i = index * QUERIES};
  x.w = least(QUERIES, j->length - x.i);
  x.ld = (x.w + 15) / 16 * 16;
  return x;
}

/* One more than the last key that a query of the block may look at. */
static int64_t end_of_keys(const job *j, const block *x) {
  return j->causal ? least(j->keys, x->i + x->w) : j->keys;
}

/* to (n, ld) = rows [i, i + w) of m, turned over, and 0 behind them. */
static void turn(const job *j, const rows *m, const block *x, int64_t n, char *to) {
  tn__transpose(j->item, n, x->w, to, x->ld, row_of(j, m, x->b, x->h, x->i), m->row);
  for (int64_t d = 0; x->w < x->ld && d < n; d++) {
    memset(at(j, to, d * x->ld + x->w), 0, (size_t)(x->ld - x->w) * j->item);
  }
}

#define MASK_LOOPS(T)                                                                             \
  for (int64_t r = 0; r < x->n; r++) {                                                            \
    T *s = (T *)scores + r * x->ld;                                                               \
    int64_t place = start + r * st[3];                                                            \
    if (j->kind == TRUTH) {                                                                       \
      const uint8_t *m = (const uint8_t *)j->mask + place;                                        \
      for (int64_t i = 0; i < x->w; i++) {                                                        \
        if (m[i * st[2]] == 0) s[i] = -(T)INFINITY;                                               \
      }                                                                                           \
    } else {                                                                                      \
      const T *m = (const T *)j->mask + place;                                                    \
      for (int64_t i = 0; i < x->w; i++) s[i] += m[i * st[2]];                                    \
    }                                                                                             \
  }

static void apply_mask(const job *j, const block *x, char *scores) {
  const int64_t *st = j->mask_strides;
  const int64_t start = x->b * st[0] + x->h * st[1] + x->i * st[2] + x->first * st[3];
  if (j->kind != NO_MASK && j->f64) MASK_LOOPS(double)
  else if (j->kind != NO_MASK) MASK_LOOPS(float)
  if (j->causal && x->first + x->n > x->i + 1) j->k->hide_before(x->n, x->ld, scores, x->first - x->i);
}

/* scores = keys times queries, which `qt` holds turned over, masked. */
static void score(job *j, const block *x, const char *qt, char *scores) {
  const int64_t group = x->h / (j->heads / j->groups);
  multiply(j, false, x->n, x->ld, j->dim, j->scale, row_of(j, &j->key, x->b, group, x->first),
           j->key.row, qt, x->ld, false, scores, x->ld);
  apply_mask(j, x, scores);
}

/* Words of the generator below this keep a score. */
static uint64_t kept_below(const job *j) { return (uint64_t)((1 - j->p) * 0x1p32); }

/* Dropout of a block of numbers: `keep` what is kept, times 1 / (1 - p). The same block always meets
 * the same random numbers. */
static void drop(const job *j, const block *x, char *numbers) {
  uint32_t words[QUERIES];
  const uint64_t below = kept_below(j);
  const double factor = 1 / (1 - j->p);
  const int64_t head = x->b * j->heads + x->h, of_head = blocks(j->length, QUERIES);
  for (int64_t r = 0; r < x->n; r++) {
    const int64_t line = (head * of_head + x->i / QUERIES) * j->keys + x->first + r;
    tn__random_words(j->seed, j->offset + (uint64_t)line * WORDS, WORDS, words);
    for (int64_t i = 0; i < x->w; i++) {
      const int64_t place = r * x->ld + i;
      put(j, numbers, place, words[i] < below ? get(j, numbers, place) * factor : 0);
    }
  }
}

/* -- Forward: tasks are blocks of queries ------------------------------------------------------ */

enum { F_QT, F_SCORES, F_SUM, F_TOP, F_TOTAL, F_FACTOR, F_PARTS };

static void finish(const job *j, const block *x, char *const *part) {
  char *lse = at(j, j->lse, (x->b * j->heads + x->h) * j->length + x->i);
  for (int64_t i = 0; i < x->w; i++) {
    const double total = get(j, part[F_TOTAL], i);
    put(j, part[F_FACTOR], i, total == 0 ? 0 : 1 / total);
    put(j, lse, i, total == 0 ? (double)INFINITY : get(j, part[F_TOP], i) + log(total));
  }
  j->k->scale_rows(x->w, j->width, row_of(j, &j->y, x->b, x->h, x->i), j->y.row, part[F_SUM],
                   j->width, part[F_FACTOR]);
}

static void forward_block(job *j, block *x, char *const *part) {
  const int64_t end = end_of_keys(j, x), group = x->h / (j->heads / j->groups);
  turn(j, &j->q, x, j->dim, part[F_QT]);
  fill(j, part[F_TOP], x->ld, -(double)INFINITY);
  fill(j, part[F_TOTAL], x->ld, 0);
  for (x->first = 0; x->first < end; x->first += KEYS) {
    x->n = least(KEYS, end - x->first);
    score(j, x, part[F_QT], part[F_SCORES]);
    j->k->soften(x->n, x->ld, part[F_SCORES], part[F_TOP], part[F_TOTAL], part[F_FACTOR]);
    if (j->p > 0) drop(j, x, part[F_SCORES]);
    if (x->first > 0) {
      j->k->scale_rows(x->w, j->width, part[F_SUM], j->width, part[F_SUM], j->width,
                       part[F_FACTOR]);
    }
    multiply(j, true, x->w, j->width, x->n, 1, part[F_SCORES], x->ld,
             row_of(j, &j->v, x->b, group, x->first), j->v.row, x->first > 0, part[F_SUM],
             j->width);
  }
  finish(j, x, part);
}

static void forward_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const int64_t of_head = blocks(j->length, QUERIES);
  const int64_t sizes[F_PARTS] = {j->dim * QUERIES, KEYS * QUERIES, QUERIES * j->width, QUERIES,
                                  QUERIES, QUERIES};
  char *part[F_PARTS];
  void *memory = take(j, F_PARTS, sizes, part);
  for (int64_t task = begin; memory != NULL && task < end; task++) {
    const int64_t head = task / of_head;
    block x = block_of(j, head / j->heads, head % j->heads, task % of_head);
    forward_block(j, &x, part);
  }
  free(memory);
}

/* -- Backward: tasks are groups of heads, or chunks of their keys where there are few groups --- */

enum { B_QT, B_DYT, B_P, B_D, B_DROPPED, B_DELTA, B_LSE, B_PARTS };

/* All queries of a head, turned over block by block, with what each needs: delta, the sum of dy y. */
static void prepare(const job *j, int64_t b, int64_t h, char *const *part) {
  for (int64_t index = 0; index < blocks(j->length, QUERIES); index++) {
    const block x = block_of(j, b, h, index);
    turn(j, &j->q, &x, j->dim, at(j, part[B_QT], x.i * j->dim));
    turn(j, &j->dy, &x, j->width, at(j, part[B_DYT], x.i * j->width));
    for (int64_t i = x.i; i < x.i + x.ld; i++) {
      const bool there = i < j->length;
      put(j, part[B_DELTA], i, there ? j->k->dot(j->width, row_of(j, &j->y, b, h, i),
                                                 row_of(j, &j->dy, b, h, i)) : 0);
      put(j, part[B_LSE], i, there ? get(j, j->lse, (b * j->heads + h) * j->length + i)
                                   : (double)INFINITY);
    }
  }
}

/* The gradient of the scores themselves, for that of the mask. */
static void keep_scores(const job *j, const block *x, const char *d) {
  char *to = at(j, j->scores_out, ((x->b * j->heads + x->h) * j->length + x->i) * j->keys + x->first);
  for (int64_t r = 0; r < x->n; r++) {
    for (int64_t i = 0; i < x->w; i++) put(j, to, i * j->keys + r, get(j, d, r * x->ld + i));
  }
}

/* dv += p' dy; d = v dy'; d = p (d - delta); dk += d' q; dq += d k: all with blocks turned over. */
static void backward_block(job *j, const block *x, char *const *part, char *dq) {
  const int64_t group = x->h / (j->heads / j->groups);
  const char *qt = at(j, part[B_QT], x->i * j->dim), *dyt = at(j, part[B_DYT], x->i * j->width);
  const char *key = row_of(j, &j->key, x->b, group, x->first);
  char *p = part[B_P], *d = part[B_D], *used = p;
  score(j, x, qt, p);
  j->k->revive(x->n, x->ld, p, at(j, part[B_LSE], x->i));
  multiply(j, false, x->n, x->ld, j->width, 1, row_of(j, &j->v, x->b, group, x->first), j->v.row,
           dyt, x->ld, false, d, x->ld);
  if (j->p > 0) {
    used = part[B_DROPPED];
    memcpy(used, p, (size_t)(x->n * x->ld) * j->item);
    drop(j, x, used);
    drop(j, x, d);
  }
  multiply(j, false, x->n, j->width, x->w, 1, used, x->ld, row_of(j, &j->dy, x->b, x->h, x->i),
           j->dy.row, true, row_of(j, &j->dv, x->b, group, x->first), j->dv.row);
  j->k->slope(x->n, x->ld, d, p, at(j, part[B_DELTA], x->i));
  if (j->scores_out != NULL) keep_scores(j, x, d);
  multiply(j, false, x->n, j->dim, x->w, j->scale, d, x->ld, row_of(j, &j->q, x->b, x->h, x->i),
           j->q.row, true, row_of(j, &j->dk, x->b, group, x->first), j->dk.row);
  multiply(j, true, x->w, j->dim, x->n, j->scale, d, x->ld, key, j->key.row, true,
           at(j, dq, x->i * j->dim), j->dim);
}

static void backward_head(job *j, int64_t b, int64_t h, int64_t chunk, char *const *part) {
  const int64_t size = blocks(blocks(j->keys, KEYS), j->chunks) * KEYS;
  const int64_t end = least(j->keys, (chunk + 1) * size), of_head = blocks(j->length, QUERIES);
  const int64_t whole = j->batch * j->heads * j->length * j->dim;
  char *dq = at(j, row_of(j, &j->dq, b, h, 0), chunk * whole);
  prepare(j, b, h, part);
  for (int64_t first = chunk * size; first < end; first += KEYS) {
    for (int64_t index = j->causal ? first / QUERIES : 0; index < of_head; index++) {
      block x = block_of(j, b, h, index);
      x.first = first;
      x.n = least(least(KEYS, end - first), end_of_keys(j, &x) - first);
      backward_block(j, &x, part, dq);
    }
  }
}

static void backward_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const int64_t length = blocks(j->length, QUERIES) * QUERIES, block_size = KEYS * QUERIES;
  const int64_t sizes[B_PARTS] = {length * j->dim, length * j->width, block_size, block_size,
                                  j->p > 0 ? block_size : 1, length, length};
  char *part[B_PARTS];
  void *memory = take(j, B_PARTS, sizes, part);
  for (int64_t task = begin; memory != NULL && task < end; task++) {
    const int64_t group = task / j->chunks % j->groups, b = task / j->chunks / j->groups;
    const int64_t each = j->heads / j->groups;
    for (int64_t h = group * each; h < (group + 1) * each; h++) {
      backward_head(j, b, h, task % j->chunks, part);
    }
  }
  free(memory);
}

/* -- Calls ------------------------------------------------------------------------------------- */

static tn_status misfit(tn_call *call, const char *what) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT], c[TN_SHAPE_TEXT];
  tn_tensor *const *in = call->in;
  return tn_fail(call->ctx, TN_ESHAPE, "%s: q is %s, k is %s, v is %s", what,
                 tn__shape_text(a, in[0]->ndim, in[0]->sizes),
                 tn__shape_text(b, in[1]->ndim, in[1]->sizes),
                 tn__shape_text(c, in[2]->ndim, in[2]->sizes));
}

/* Size d of (batch, heads, length, dim), where missing ones are 1. */
static int64_t size_of(int ndim, const int64_t *sizes, int d) {
  const int own = d - (4 - ndim);
  return own < 0 ? 1 : sizes[own];
}

static tn_status check_mask(tn_call *call) {
  const tn_tensor *q = call->in[0], *mask = call->nin > 3 ? call->in[3] : NULL;
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (mask == NULL) return TN_OK;
  if (mask->dtype != TN_BOOL && mask->dtype != TN_U8 && !tn_dtype_is_float((tn_dtype)mask->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "a mask of booleans, bytes or floating-point numbers "
                   "expected, got %s", tn_dtype_name((tn_dtype)mask->dtype));
  }
  int64_t wanted[4];
  for (int d = 0; d < q->ndim; d++) wanted[d] = q->sizes[d];
  wanted[q->ndim - 1] = call->in[1]->sizes[q->ndim - 2];
  bool fits = mask->ndim <= q->ndim;
  for (int d = 1; fits && d <= mask->ndim; d++) {
    const int64_t size = mask->sizes[mask->ndim - d];
    fits = size == 1 || size == wanted[q->ndim - d];
  }
  if (fits) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "a mask of size %s cannot be broadcast to %s",
                 tn__shape_text(a, mask->ndim, mask->sizes), tn__shape_text(b, q->ndim, wanted));
}

static tn_status shape(tn_call *call) {
  const tn_tensor *q = call->in[0], *k = call->in[1], *v = call->in[2];
  const int n = q->ndim;
  for (int i = 0; i < 3; i++) {
    if (tn_dtype_is_float((tn_dtype)call->in[i]->dtype) && call->in[i]->dtype == q->dtype) continue;
    return tn_fail(call->ctx, TN_EDTYPE, "q, k and v of one floating-point dtype expected, got %s, "
                   "%s and %s", tn_dtype_name((tn_dtype)q->dtype), tn_dtype_name((tn_dtype)k->dtype),
                   tn_dtype_name((tn_dtype)v->dtype));
  }
  if (n < 2 || n > 4 || k->ndim != n || v->ndim != n) {
    return misfit(call, "tensors (batch, heads, length, dim) expected");
  }
  if (k->sizes[n - 1] != q->sizes[n - 1]) return misfit(call, "q and k differ in their last size");
  if (k->sizes[n - 2] != v->sizes[n - 2]) return misfit(call, "k and v differ in their length");
  for (int d = 0; d < n - 2; d++) {
    const bool heads = d == n - 3;
    const int64_t a = q->sizes[d], b = k->sizes[d];
    if (b != v->sizes[d]) return misfit(call, "k and v do not fit each other");
    if (!heads && a != b) return misfit(call, "q and k differ in their batch");
    if (heads && (b == 0 ? a != 0 : a % b != 0)) {
      return misfit(call, "the heads of q are no multiple of those of k");
    }
  }
  if (!(call->attrs->f[1] >= 0 && call->attrs->f[1] < 1)) {
    return tn_fail(call->ctx, TN_EARG, "dropout_p = %g: it must lie in [0, 1)", call->attrs->f[1]);
  }
  tn__meta_of(&call->meta[0], q);
  call->meta[0].sizes[n - 1] = v->sizes[n - 1];
  tn__meta_of(&call->meta[1], q);
  call->meta[1].ndim = (uint8_t)(n - 1);
  call->meta[1].dtype = (uint8_t)tn__compute_dtype((tn_dtype)q->dtype);
  call->meta[2] = (tn_meta){.dtype = TN_I64, .ndim = 1, .sizes = {2}};
  int64_t count;
  tn_status s = tn__count(call->ctx, n, call->meta[0].sizes, 8, &count);
  return s == TN_OK ? check_mask(call) : s;
}

/* `t` with its rows in one piece each, in the dtype that is calculated in. */
static tn_status fetch(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype type, tn_status s) {
  if (s != TN_OK) return s;
  const int n = t->ndim;
  const bool fits = t->dtype == type && (t->strides[n - 1] == 1 || t->sizes[n - 1] == 1) &&
                    (t->strides[n - 2] >= t->sizes[n - 1] || t->sizes[n - 2] == 1);
  if (!fits) return tn__contiguous_of(ctx, out, t, type);
  *out = tn_tensor_retain(t);
  return TN_OK;
}

static rows rows_of(const tn_tensor *t) {
  const int n = t->ndim;
  rows m = {.data = tn__data(t), .row = t->strides[n - 2]};
  if (t->sizes[n - 2] == 1 && m.row < t->sizes[n - 1]) m.row = t->sizes[n - 1];
  if (m.row < 1) m.row = 1;
  if (n > 2) m.head = t->strides[n - 3];
  if (n > 3) m.batch = t->strides[n - 4];
  return m;
}

static void read_job(job *j, tn_dtype type, const tn_attrs *a, const tn_tensor *q,
                     const tn_tensor *k, const tn_tensor *v) {
  memset(j, 0, sizeof *j);
  j->f64 = type == TN_F64;
  j->k = &TN_ISA_PICK(tn__attention_kernels)[j->f64];
  j->item = tn__item_size(type);
  j->batch = size_of(q->ndim, q->sizes, 0);
  j->heads = size_of(q->ndim, q->sizes, 1);
  j->groups = size_of(k->ndim, k->sizes, 1);
  j->length = size_of(q->ndim, q->sizes, 2);
  j->dim = size_of(q->ndim, q->sizes, 3);
  j->keys = size_of(k->ndim, k->sizes, 2);
  j->width = size_of(v->ndim, v->sizes, 3);
  j->scale = a->f[0] != 0 ? a->f[0] : 1 / sqrt((double)(j->dim > 0 ? j->dim : 1));
  j->p = a->f[1];
  j->causal = tn__int(a, 0, 0) != 0;
  j->q = rows_of(q);
  j->key = rows_of(k);
  j->v = rows_of(v);
}

/* The mask as the job reads it; *held is a new reference. */
static tn_status read_mask(tn_ctx *ctx, job *j, tn_tensor *mask, tn_dtype type, tn_tensor **held,
                           tn_status s) {
  if (s != TN_OK || mask == NULL) return s;
  const bool truth = mask->dtype == TN_BOOL || mask->dtype == TN_U8;
  if (truth || mask->dtype == type) *held = tn_tensor_retain(mask);
  else s = tn__contiguous_of(ctx, held, mask, type);
  if (s != TN_OK) return s;
  const tn_tensor *m = *held;
  j->kind = truth ? TRUTH : ADDED;
  j->mask = tn__data(m);
  for (int d = 1; d <= m->ndim; d++) {
    j->mask_strides[4 - d] = m->sizes[m->ndim - d] == 1 ? 0 : m->strides[m->ndim - d];
  }
  return TN_OK;
}

static bool is_empty(const job *j) {
  return j->batch == 0 || j->heads == 0 || j->length == 0 || j->width == 0;
}

static tn_status outcome(tn_ctx *ctx, const job *j) {
  return atomic_load(&j->failed) ? tn_fail(ctx, TN_ENOMEM, "not enough memory for blocks of scores")
                                 : TN_OK;
}

static int64_t grain_of(const job *j, int64_t tasks) {
  const double each = (double)j->batch * (double)j->heads * (double)j->length * (double)j->keys *
                      (double)(j->dim + j->width) / (double)(tasks > 0 ? tasks : 1);
  return each > 2e5 ? 1 : (int64_t)(2e5 / (each > 1 ? each : 1));
}

static void begin_dropout(tn_call *call, job *j) {
  int64_t *state = (int64_t *)tn__data(call->out[2]);
  tn_generator *g = tn__generator(call);
  j->seed = g->seed;
  j->offset = g->offset;
  state[0] = (int64_t)g->seed;
  state[1] = (int64_t)g->offset;
  if (j->p == 0) return;
  g->offset += (uint64_t)(j->batch * j->heads * blocks(j->length, QUERIES) * j->keys) * WORDS;
}

static tn_status run(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  const tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  tn_tensor *t[3] = {NULL}, *mask = NULL, *y = NULL;
  tn_status s = TN_OK;
  job j;
  for (int i = 0; i < 3; i++) s = fetch(ctx, &t[i], call->in[i], type, s);
  const bool direct = call->out[0]->dtype == type;
  if (s == TN_OK && direct) y = tn_tensor_retain(call->out[0]);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &y, type, call->out[0]->ndim, call->out[0]->sizes);
  if (s == TN_OK) read_job(&j, type, call->attrs, t[0], t[1], t[2]);
  s = read_mask(ctx, &j, call->nin > 3 ? call->in[3] : NULL, type, &mask, s);
  if (s == TN_OK) {
    begin_dropout(call, &j);
    j.y = rows_of(y);
    j.lse = tn__data(call->out[1]);
    const int64_t tasks = j.batch * j.heads * blocks(j.length, QUERIES);
    if (!is_empty(&j)) tn__pool_run(ctx->pool, tasks, grain_of(&j, tasks), forward_tasks, &j);
    s = outcome(ctx, &j);
  }
  if (s == TN_OK && !direct) s = tn__copy_view(ctx, call->out[0], y);
  for (int i = 0; i < 3; i++) tn_tensor_release(t[i]);
  tn_tensor_release(mask);
  tn_tensor_release(y);
  return s;
}

/* -- Gradient ---------------------------------------------------------------------------------- */

static tn_status zeros(tn_ctx *ctx, tn_tensor **out, tn_dtype type, int ndim, const int64_t *sizes,
                       tn_status s) {
  if (s == TN_OK) s = tn_tensor_new(ctx, out, type, ndim, sizes);
  return s == TN_OK ? tn__set_zero(ctx, *out) : s;
}

/* dq of the first chunk becomes the sum of all. */
static void add_chunks(const job *j, tn_tensor *dq) {
  const int64_t n = j->batch * j->heads * j->length * j->dim;
  char *to = tn__data(dq);
  for (int64_t chunk = 1; chunk < j->chunks; chunk++) {
    for (int64_t i = 0; i < n; i++) put(j, to, i, get(j, to, i) + get(j, to, chunk * n + i));
  }
}

/* Sizes of q with one more before them: the chunks. */
static int with_chunks(const job *j, int64_t sizes[5]) {
  const int64_t all[5] = {j->chunks, j->batch, j->heads, j->length, j->dim};
  memcpy(sizes, all, sizeof all);
  return 5;
}

/* The first chunk of dq, as q is seen. */
static tn_status first_chunk(tn_ctx *ctx, tn_tensor **out, const tn_tensor *dq, const tn_meta *m) {
  int64_t strides[TN_MAX_DIMS];
  tn__contiguous_strides(m->ndim, m->sizes, strides);
  return tn__alias(ctx, out, dq, m->ndim, m->sizes, strides, dq->offset);
}

static tn_status fused(tn_grad_call *g) {
  tn_ctx *ctx = g->ctx;
  const tn_dtype type = (tn_dtype)g->out[1]->dtype;
  tn_tensor *t[5] = {NULL}, *dq = NULL, *d[4] = {NULL}, *mask = NULL;
  tn_status s = TN_OK;
  job j;
  for (int i = 0; i < 3; i++) s = fetch(ctx, &t[i], g->in[i], type, s);
  s = fetch(ctx, &t[3], g->out[0], type, s);
  s = fetch(ctx, &t[4], g->dout[0], type, s);
  if (s != TN_OK) goto done;
  read_job(&j, type, g->attrs, t[0], t[1], t[2]);
  s = read_mask(ctx, &j, g->nin > 3 ? g->in[3] : NULL, type, &mask, s);
  const int64_t groups = j.batch * j.groups;
  j.chunks = groups >= TASKS || groups == 0 ? 1 : blocks(TASKS, groups);
  if (j.chunks > blocks(j.keys, KEYS)) j.chunks = j.keys > 0 ? blocks(j.keys, KEYS) : 1;
  int64_t sizes[5];
  const int n = with_chunks(&j, sizes);
  s = zeros(ctx, &dq, type, n, sizes, s);
  for (int i = 1; i < 3; i++) s = zeros(ctx, &d[i], type, t[i]->ndim, t[i]->sizes, s);
  if (s == TN_OK && g->nin > 3 && g->need[3]) {
    int64_t scores[TN_MAX_DIMS];
    memcpy(scores, t[0]->sizes, sizeof scores);
    scores[t[0]->ndim - 1] = j.keys;
    s = zeros(ctx, &d[3], type, t[0]->ndim, scores, s);
  }
  if (s == TN_OK) {
    const int64_t *state = (const int64_t *)tn__data(g->out[2]);
    j.seed = (uint64_t)state[0];
    j.offset = (uint64_t)state[1];
    j.lse = tn__data(g->out[1]);
    j.y = rows_of(t[3]);
    j.dy = rows_of(t[4]);
    j.dk = rows_of(d[1]);
    j.dv = rows_of(d[2]);
    j.dq = (rows){tn__data(dq), j.heads * j.length * j.dim, j.length * j.dim, j.dim};
    j.scores_out = d[3] != NULL ? tn__data(d[3]) : NULL;
    const int64_t tasks = groups * j.chunks;
    if (!is_empty(&j) && j.keys > 0) {
      tn__pool_run(ctx->pool, tasks, grain_of(&j, tasks), backward_tasks, &j);
      add_chunks(&j, dq);
    }
    s = outcome(ctx, &j);
  }
  if (s == TN_OK) s = first_chunk(ctx, &d[0], dq, &g->meta[0]);
  for (int i = 0; i < g->nin && i < 4 && s == TN_OK; i++) {
    if (!g->need[i] || d[i] == NULL) continue;
    s = tn__reduce_to(ctx, &d[i], &g->meta[i]);
    g->din[i] = d[i];
    d[i] = NULL;
  }
done:
  for (int i = 0; i < 5; i++) tn_tensor_release(t[i]);
  for (int i = 0; i < 4; i++) tn_tensor_release(d[i]);
  tn_tensor_release(dq);
  tn_tensor_release(mask);
  return s;
}

/* -- The gradient made of operations, with all scores at once ---------------------------------- */

/* (batch * heads, rows, columns), each group of k or v as often as it has heads. */
static tn_tensor *as_batch(tn_eval *ep, const job *j, tn_tensor *x, int64_t groups) {
  tn_eval e = *ep;
  if (x == NULL) return NULL;
  const int64_t length = x->sizes[x->ndim - 2], columns = x->sizes[x->ndim - 1];
  const int64_t all = j->batch * j->heads, each = groups > 0 ? j->heads / groups : 1;
  tn_tensor *r = x;
  if (each != 1) {
    r = tn__reshaped(&e, r, 4, (int64_t[]){j->batch * groups, 1, length, columns});
    r = tn__with_sizes(&e, TN_OP_expand, r, 4,
                       (int64_t[]){j->batch * groups, each, length, columns});
  }
  r = tn__reshaped(&e, r, 3, (int64_t[]){all, length, columns});
  *ep = e;
  return r;
}

/* A mask of bytes (length, keys): 1 up to the diagonal. */
static tn_tensor *causal_mask(tn_eval *e, const job *j) {
  tn_tensor *t = NULL;
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_new(e->ctx, &t, TN_BOOL, 2, (int64_t[]){j->length, j->keys});
  if (e->status != TN_OK) return NULL;
  uint8_t *m = (uint8_t *)tn__data(t);
  for (int64_t i = 0; i < j->length; i++) {
    for (int64_t k = 0; k < j->keys; k++) m[i * j->keys + k] = k <= i;
  }
  return tn__temp(e, t);
}

/* What dropout multiplies the weights with: (batch * heads, length, keys). */
static tn_tensor *dropped(tn_eval *e, job *j, tn_dtype type) {
  tn_tensor *t = NULL;
  char *numbers;
  const int64_t size = KEYS * QUERIES;
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_new(e->ctx, &t, type, 3,
                            (int64_t[]){j->batch * j->heads, j->length, j->keys});
  if (e->status != TN_OK) return NULL;
  void *memory = take(j, 1, &size, &numbers);
  j->scores_out = tn__data(t);
  for (int64_t head = 0; memory != NULL && head < j->batch * j->heads; head++) {
    for (int64_t index = 0; index < blocks(j->length, QUERIES); index++) {
      block x = block_of(j, head / j->heads, head % j->heads, index);
      for (x.first = 0; x.first < j->keys; x.first += KEYS) {
        x.n = least(KEYS, j->keys - x.first);
        fill(j, numbers, x.n * x.ld, 1);
        drop(j, &x, numbers);
        keep_scores(j, &x, numbers);
      }
    }
  }
  free(memory);
  e->status = outcome(e->ctx, j);
  return tn__temp(e, t);
}

static tn_tensor *turned(tn_eval *e, tn_tensor *x) {
  return tn__with_two(e, TN_OP_transpose, x, 1, 2);
}

/* The weights, softmax of the scores (batch * heads, length, keys). A row without a key is 0. */
static tn_tensor *weights(tn_eval *ep, const job *j, const tn_grad_call *g, tn_tensor *q,
                          tn_tensor *k) {
  tn_eval e = *ep;
  tn_tensor *mask = g->nin > 3 ? g->in[3] : NULL;
  const bool truth = mask != NULL && !tn_dtype_is_float((tn_dtype)mask->dtype);
  int64_t sizes[TN_MAX_DIMS];
  const int n = g->meta[0].ndim;
  memcpy(sizes, g->meta[0].sizes, sizeof sizes);
  sizes[n - 1] = j->keys;
  tn_tensor *none = tn__constant(&e, -(double)INFINITY), *zero = tn__constant(&e, 0);
  tn_tensor *causal = j->causal ? causal_mask(&e, j) : NULL;
  tn_tensor *s = tn__scaled(&e, DO2(bmm, q, turned(&e, k)), j->scale);
  s = tn__reshaped(&e, s, n, sizes);
  if (truth) s = DO3(where, mask, s, none);
  else if (mask != NULL) s = DO2(add, s, mask);
  if (causal != NULL) s = DO3(where, causal, s, none);
  tn_tensor *p = tn__with_dim(&e, TN_OP_softmax, s, -1);
  if (truth) p = DO3(where, mask, p, zero);
  p = tn__reshaped(&e, p, 3, (int64_t[]){j->batch * j->heads, j->length, j->keys});
  *ep = e;
  return p;
}

/* The gradient (batch * heads, ...) of input i, summed over the heads of a group. */
static void send(tn_grad_call *g, tn_eval *e, const job *j, int i, int64_t groups, tn_tensor *d) {
  const tn_meta *m = &g->meta[i];
  if (!g->need[i] || d == NULL) return;
  if (groups != j->heads && groups > 0) {
    d = tn__reshaped(e, d, 4, (int64_t[]){j->batch * groups, j->heads / groups,
                                          m->sizes[m->ndim - 2], m->sizes[m->ndim - 1]});
    d = tn__with_dim(e, TN_OP_sum, d, 1);
  }
  g->din[i] = tn__keep(e, tn__reshaped(e, d, m->ndim, m->sizes));
}

static tn_status composed(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const int64_t *state = (const int64_t *)tn__data(g->out[2]);
  const tn_dtype type = (tn_dtype)g->out[1]->dtype;
  job j;
  read_job(&j, type, g->attrs, g->in[0], g->in[1], g->in[2]);
  j.seed = (uint64_t)state[0];
  j.offset = (uint64_t)state[1];
  tn_tensor *q = as_batch(&e, &j, g->in[0], j.heads), *k = as_batch(&e, &j, g->in[1], j.groups);
  tn_tensor *v = as_batch(&e, &j, g->in[2], j.groups), *dy = as_batch(&e, &j, g->dout[0], j.heads);
  tn_tensor *p = weights(&e, &j, g, q, k), *used = p, *d = DO2(bmm, dy, turned(&e, v));
  if (j.p > 0) {
    const tn_attrs own = {.i = {g->meta[0].dtype}, .ni = 1};
    tn_tensor *kept = dropped(&e, &j, type);
    if (type != g->meta[0].dtype) kept = tn__do(&e, TN_OP_to, &own, 1, &kept);
    used = DO2(mul, p, kept);
    d = DO2(mul, d, kept);
  }
  d = DO2(mul, p, DO2(sub, d, tn__with_dim(&e, TN_OP_sum, DO2(mul, p, d), -1)));
  if (g->need[0]) send(g, &e, &j, 0, j.heads, tn__scaled(&e, DO2(bmm, d, k), j.scale));
  if (g->need[1]) send(g, &e, &j, 1, j.groups, tn__scaled(&e, DO2(bmm, turned(&e, d), q), j.scale));
  if (g->need[2]) send(g, &e, &j, 2, j.groups, DO2(bmm, turned(&e, used), dy));
  if (g->nin > 3 && g->need[3] && d != NULL) {
    int64_t sizes[TN_MAX_DIMS];
    memcpy(sizes, g->meta[0].sizes, sizeof sizes);
    sizes[g->meta[0].ndim - 1] = j.keys;
    g->din[3] = tn__keep(&e, tn__reshaped(&e, d, g->meta[0].ndim, sizes));
    if (g->din[3] != NULL) e.status = tn__reduce_to(g->ctx, &g->din[3], &g->meta[3]);
  }
  return tn__eval_end(&e);
}

static tn_status grad(tn_grad_call *g) {
  if (g->dout[0] == NULL) return TN_OK;
  return g->create_graph ? composed(g) : fused(g);
}

const tn_op tn__op_scaled_dot_product_attention = {
    .name = "scaled_dot_product_attention", .lua = "scaled_dot_product_attention",
    .args = "T q; T k; T v; T? mask; b is_causal=0; n? scale; n dropout_p=0", .convention = 'C',
    .flags = TN_FLOATS | TN_HIDES, .nout = 3, .fixed = 2 | 4,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_D | TN_SAVE_Y | TN_SAVE_Y2 | TN_SAVE_Y3,
    .low = -2, .high = 2, .shape = shape, .run = run, .grad = grad, .onnx = "Attention",
    .doc = "softmax(q k' scale + mask) v for (batch, heads, length, dim), scale 1 / sqrt(dim) by "
           "default. k and v may have fewer heads. A mask of booleans or bytes says what takes "
           "part; one of numbers is added."};
