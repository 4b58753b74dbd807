/* onednn_matmul.c -- oneDNN's products of bfloat16 matrices, where its version is the one whose
 * structures we know: it uses the processor's instructions for them (AVX512_BF16, AMX), which are
 * several times as fast as floats are.
 *
 * C is cut into one block for each thread of our pool; OpenMP's threads are not used (see
 * onednn.c). Rounding is that of floats, but for numbers below 1e-38, which these instructions take
 * for 0. */
#include "onednn_matmul.h"

#include "onednn_plan.h"

/* Products of two elements in one matrix, and in all, from which the library pays. */
#define LEAST_EACH 1e5
#define LEAST_PRODUCTS 1e7

bool tn__onednn_matmul_pays(int64_t m, int64_t n, int64_t k, int64_t batch) {
  const double each = (double)m * (double)n * (double)k;
  return m >= 8 && n >= 8 && each >= LEAST_EACH && each * (double)batch >= LEAST_PRODUCTS;
}

#ifndef TN_HAVE_DNNL

int tn__onednn_matmul(tn_pool *pool, const tn_onednn_matmul *g) {
  (void)pool, (void)g;
  return 0;
}

#else

#include <stdatomic.h>
#include <stdlib.h>

#include "onednn.h"

enum { UNIT = 32 /* rows of a block: whole tiles */ };

/* -- Plans ------------------------------------------------------------------------------------- */

enum { A, B, C, SCRATCH, SIDES };

/* What a primitive depends on. */
typedef struct {
  int64_t m, n, k, lda, ldb, ldc, ta, tb, add;
} key;

typedef struct {
  tn_dnnl_plan head;
  key key;
  dnnl_primitive_t product;
  dnnl_memory_desc_t md[SIDES];
  size_t scratch;
} plan;

static void destroy(tn_dnnl_plan *head) {
  plan *p = (plan *)head;
  if (p->product != NULL) tn__dnnl.primitive_destroy(p->product);
  free(p);
}

static bool describe(dnnl_memory_desc_t *md, int64_t rows, int64_t columns, int64_t ld,
                     bool turned) {
  const dnnl_dims_t sizes = {rows, columns}, strides = {turned ? 1 : ld, turned ? ld : 1};
  return tn__dnnl.memory_desc_init_by_strides(md, 2, sizes, dnnl_bf16, strides) == dnnl_success;
}

static tn_dnnl_plan *new_plan(const void *wanted) {
  plan *p = calloc(1, sizeof *p);
  dnnl_matmul_desc_t op;
  dnnl_primitive_desc_t pd = NULL;
  if (p == NULL) return NULL;
  p->key = *(const key *)wanted;
  p->head.key = &p->key;
  const key *k = &p->key;
  const bool described = describe(&p->md[A], k->m, k->k, k->lda, k->ta) &&
                         describe(&p->md[B], k->k, k->n, k->ldb, k->tb) &&
                         describe(&p->md[C], k->m, k->n, k->ldc, false);
  if (!described ||
      tn__dnnl.matmul_desc_init(&op, &p->md[A], &p->md[B], NULL, &p->md[C]) != dnnl_success ||
      tn__dnnl.primitive_desc_create(&pd, &op, k->add ? tn__dnnl.adding : tn__dnnl.attr,
                                     tn__dnnl.engine, NULL) != dnnl_success) {
    return &p->head;
  }
  const dnnl_memory_desc_t *scratch =
      tn__dnnl.primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  if (scratch != NULL && tn__dnnl_is_fast(pd, dnnl_bf16)) {
    p->md[SCRATCH] = *scratch;
    p->scratch = tn__dnnl.memory_desc_get_size(scratch);
    p->head.usable = tn__dnnl.primitive_create(&p->product, pd) == dnnl_success;
  }
  tn__dnnl.primitive_desc_destroy(pd);
  return &p->head;
}

static tn_dnnl_plans plans = {.key_bytes = sizeof(key), .make = new_plan, .destroy = destroy,
                              .lock = PTHREAD_MUTEX_INITIALIZER};

/* -- Work -------------------------------------------------------------------------------------- */

/* Each matrix of the batch in `blocks` blocks of rows: for columns, whose C has gaps between its
 * rows, the library has no fast code. */
typedef struct {
  const tn_onednn_matmul *g;
  plan *plan, *rest; /* of a block, and of the last one where it is smaller */
  int64_t blocks, size;
  atomic_bool failed;
} job;

static size_t scratch_of(const job *j) {
  const size_t rest = j->rest != NULL ? j->rest->scratch : 0;
  return (j->plan->scratch > rest ? j->plan->scratch : rest) + TN_DNNL_ALIGNMENT;
}

static void run_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const tn_onednn_matmul *g = j->g;
  const int before = tn__onednn_alone();
  dnnl_stream_t stream = NULL;
  void *scratch = NULL;
  bool ok = tn__dnnl.stream_create(&stream, tn__dnnl.engine, dnnl_stream_default_flags) ==
                dnnl_success &&
            posix_memalign(&scratch, TN_DNNL_ALIGNMENT, scratch_of(j)) == 0;
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t i = task / j->blocks, row = task % j->blocks * j->size;
    const bool last = task % j->blocks == j->blocks - 1;
    const plan *p = last && j->rest != NULL ? j->rest : j->plan;
    const uint16_t *a = g->a + i * g->stride_a + row * (g->ta ? 1 : g->lda);
    const tn_dnnl_operand operands[SIDES] = {
        {DNNL_ARG_SRC, &p->md[A], (void *)a},
        {DNNL_ARG_WEIGHTS, &p->md[B], (void *)(g->b + i * g->stride_b)},
        {DNNL_ARG_DST, &p->md[C], g->c + i * g->stride_c + row * g->ldc},
        {DNNL_ARG_SCRATCHPAD, &p->md[SCRATCH], scratch}};
    ok = tn__dnnl_execute(stream, p->product, SIDES, operands);
  }
  free(scratch);
  if (stream != NULL) tn__dnnl.stream_destroy(stream);
  tn__onednn_together(before);
  if (!ok) atomic_store(&j->failed, true);
}

/* As few blocks as give every thread one. */
static void divide(job *j, int64_t threads) {
  const tn_onednn_matmul *g = j->g;
  const int64_t wanted = g->batch >= threads ? 1 : (threads + g->batch - 1) / g->batch;
  j->size = ((g->m + wanted - 1) / wanted + UNIT - 1) / UNIT * UNIT;
  if (wanted == 1 || j->size > g->m) j->size = g->m;
  j->blocks = (g->m + j->size - 1) / j->size;
}

/* The plans, for sizes of blocks. */
static bool take_plans(job *j) {
  const tn_onednn_matmul *g = j->g;
  key k = {g->m, g->n, g->k, g->lda, g->ldb, g->ldc, g->ta, g->tb, g->add};
  const int64_t rest = g->m - (j->blocks - 1) * j->size;
  k.m = j->size;
  j->plan = (plan *)tn__dnnl_take(&plans, &k);
  if (j->plan == NULL || rest == j->size) return j->plan != NULL;
  k.m = rest;
  j->rest = (plan *)tn__dnnl_take(&plans, &k);
  return j->rest != NULL;
}

int tn__onednn_matmul(tn_pool *pool, const tn_onednn_matmul *g) {
  job j = {.g = g, .failed = false};
  if (tn__pool_inside() || !tn__dnnl_ready()) return 0;
  divide(&j, tn__pool_threads(pool));
  const int before = tn__onednn_alone();
  const bool planned = take_plans(&j);
  tn__onednn_together(before);
  if (planned) tn__pool_run(pool, g->batch * j.blocks, 1, run_tasks, &j);
  tn__dnnl_give_back(&plans, (tn_dnnl_plan *)j.plan);
  tn__dnnl_give_back(&plans, (tn_dnnl_plan *)j.rest);
  return !planned ? 0 : atomic_load(&j.failed) ? -1 : 1;
}

#endif
