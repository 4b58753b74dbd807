/* attention_blocks.c -- attention, block by block: see attention.c.
 *
 * Blocks of scores lie turned over, keys down and queries across: then softmax goes down columns,
 * and no product has to turn an operand but q, which is done once for each block of queries. */
#include "tensor/ops/attention.h"

#include <math.h>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/move.h"
#include "tensor/random.h"

enum { QUERIES = TN_ATTENTION_QUERIES, KEYS = 128, WORDS = QUERIES / 4 /* groups of Philox */ };
enum { TASKS = 8 }; /* of the way back, at the least */

typedef tn_attention job;
typedef tn_attention_rows rows;

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
  for (int i = 0; i < n; i++) bytes += ((size_t)sizes[i] * j->item + 63) / 64 * 64;
  void *memory = tn__take(j->memory, bytes);
  if (memory == NULL) {
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
    if (j->kind == TN_MASK_TRUTH) {                                                               \
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
  if (j->kind != TN_NO_MASK && j->f64) MASK_LOOPS(double)
  else if (j->kind != TN_NO_MASK) MASK_LOOPS(float)
  if (j->causal && x->first + x->n > x->i + 1) {
    j->k->hide_before(x->n, x->ld, scores, x->first - x->i);
  }
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

/* Dropout of a block of numbers: what is kept is multiplied with 1 / (1 - p). The same block always
 * meets the same random numbers. */
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
  tn__give(memory);
}

/* -- Backward: tasks are groups of heads, or chunks of their keys where there are few groups --- */

enum { B_QT, B_DYT, B_P, B_D, B_DROPPED, B_DELTA, B_LSE, B_PARTS };

/* All queries of a head, turned over block by block, with what each needs: delta, the sum of dy y,
 * and its log-sum-exp. */
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
  const int64_t row = (x->b * j->heads + x->h) * j->length + x->i;
  char *to = at(j, j->scores_out, row * j->keys + x->first);
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
  tn__give(memory);
}

/* -- All of it --------------------------------------------------------------------------------- */

static bool is_empty(const job *j) {
  return j->batch == 0 || j->heads == 0 || j->length == 0 || j->width == 0;
}

static int64_t grain_of(const job *j, int64_t tasks) {
  const double each = (double)j->batch * (double)j->heads * (double)j->length * (double)j->keys *
                      (double)(j->dim + j->width) / (double)(tasks > 0 ? tasks : 1);
  return each > 2e5 ? 1 : (int64_t)(2e5 / (each > 1 ? each : 1));
}

void tn__attention_forward(tn_attention *j, tn_pool *pool) {
  const int64_t tasks = j->batch * j->heads * blocks(j->length, QUERIES);
  if (!is_empty(j)) tn__pool_run(pool, tasks, grain_of(j, tasks), forward_tasks, j);
}

int64_t tn__attention_chunks(const tn_attention *j) {
  const int64_t groups = j->batch * j->groups, most = blocks(j->keys, KEYS);
  const int64_t chunks = groups >= TASKS || groups == 0 ? 1 : blocks(TASKS, groups);
  return chunks <= most ? chunks : most > 0 ? most : 1;
}

/* dq of the first chunk becomes the sum of all. */
static void add_chunks(const job *j) {
  const int64_t n = j->batch * j->heads * j->length * j->dim;
  char *to = j->dq.data;
  for (int64_t chunk = 1; chunk < j->chunks; chunk++) {
    for (int64_t i = 0; i < n; i++) put(j, to, i, get(j, to, i) + get(j, to, chunk * n + i));
  }
}

void tn__attention_backward(tn_attention *j, tn_pool *pool) {
  const int64_t tasks = j->batch * j->groups * j->chunks;
  if (is_empty(j) || j->keys == 0) return;
  tn__pool_run(pool, tasks, grain_of(j, tasks), backward_tasks, j);
  add_chunks(j);
}

uint64_t tn__attention_draws(const tn_attention *j) {
  return (uint64_t)(j->batch * j->heads * blocks(j->length, QUERIES) * j->keys) * WORDS;
}

void tn__attention_dropped(tn_attention *j) {
  const int64_t size = KEYS * QUERIES;
  char *numbers;
  void *memory = take(j, 1, &size, &numbers);
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
  tn__give(memory);
}
