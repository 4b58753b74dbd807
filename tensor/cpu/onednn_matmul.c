/* onednn_matmul.c -- oneDNN's products of bfloat16 matrices, where its version is the one whose
 * structures we know: it uses the processor's instructions for them (AVX512_BF16, AMX), which are
 * several times as fast as floats are.
 *
 * C is cut into one block for each thread of our pool; OpenMP's threads are not used (see
 * onednn.c). Primitives, which are machine code, take a millisecond to make, and are kept by their
 * shapes. Rounding is that of floats, but for numbers below 1e-38, which these instructions take
 * for 0. */
#include "onednn_matmul.h"

/* Products of two elements in one matrix, and in all, from which the library pays. */
#define LEAST_EACH 1e5
#define LEAST_PRODUCTS 1e7

bool tn__onednn_matmul_pays(int64_t m, int64_t n, int64_t k, int64_t batch) {
  const double each = (double)m * (double)n * (double)k;
  return m >= 8 && n >= 8 && each >= LEAST_EACH && each * (double)batch >= LEAST_PRODUCTS;
}

#if !defined(TN_EMBED) && defined(__has_include)
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#if DNNL_VERSION_MAJOR == 2
#define HAVE_DNNL 2
#endif
#endif
#endif

#ifndef HAVE_DNNL

int tn__onednn_matmul(tn_pool *pool, const tn_onednn_matmul *g) {
  (void)pool, (void)g;
  return 0;
}

#else

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { KEPT = 32, ALIGNMENT = 64, UNIT = 32 /* rows of a block: whole tiles */ };

/* -- The library ------------------------------------------------------------------------------- */

#define FUNCTIONS(X)                                                                              \
  X(engine_create) X(stream_create) X(stream_destroy) X(memory_desc_init_by_strides)              \
  X(memory_desc_get_size) X(memory_create) X(memory_destroy) X(matmul_desc_init)                  \
  X(primitive_attr_create) X(primitive_attr_set_scratchpad_mode) X(primitive_attr_set_post_ops)   \
  X(post_ops_create) X(post_ops_append_sum) X(primitive_desc_create) X(primitive_desc_destroy)    \
  X(primitive_desc_query) X(primitive_desc_query_md) X(primitive_create) X(primitive_destroy)     \
  X(primitive_execute)

/* Written once, under pthread_once; constant for the life of the process afterwards. */
static struct {
#define X(name) __typeof__(&dnnl_##name) name;
  FUNCTIONS(X)
#undef X
  dnnl_engine_t engine;
  dnnl_primitive_attr_t attr[2]; /* scratch memory is ours; [1] adds to C */
  bool ready;
} d;

static bool make_attributes(void) {
  dnnl_post_ops_t sum = NULL;
  bool ok = d.post_ops_create(&sum) == dnnl_success &&
            d.post_ops_append_sum(sum, 1) == dnnl_success;
  for (int i = 0; i < 2 && ok; i++) {
    ok = d.primitive_attr_create(&d.attr[i]) == dnnl_success &&
         d.primitive_attr_set_scratchpad_mode(d.attr[i], dnnl_scratchpad_mode_user) == dnnl_success;
  }
  return ok && d.primitive_attr_set_post_ops(d.attr[1], sum) == dnnl_success;
}

static void open_functions(void) {
  const char *wish = getenv("MOONLET_BLAS");
  if (wish != NULL && strcmp(wish, "builtin") == 0) return;
  void *library = tn__onednn_library(HAVE_DNNL);
  bool all = library != NULL;
#define X(name) all = all && (*(void **)&d.name = dlsym(library, "dnnl_" #name)) != NULL;
  FUNCTIONS(X)
#undef X
  d.ready = all && d.engine_create(&d.engine, dnnl_cpu, 0) == dnnl_success && make_attributes();
}

/* -- Plans ------------------------------------------------------------------------------------- */

enum { A, B, C, SCRATCH, SIDES };

/* What a primitive depends on; compared as memory, and without gaps. */
typedef struct {
  int64_t m, n, k, lda, ldb, ldc, ta, tb, add;
} key;

typedef struct {
  key key;
  bool usable; /* false: asked for before, and declined */
  int users;
  uint64_t used;
  dnnl_primitive_t product;
  dnnl_memory_desc_t md[SIDES];
  size_t scratch;
} plan;

/* Entries are taken and given back under `lock`. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static plan *kept[KEPT];
static uint64_t clock_of_use;

static void destroy(plan *p) {
  if (p == NULL) return;
  if (p->product != NULL) d.primitive_destroy(p->product);
  free(p);
}

static bool describe(dnnl_memory_desc_t *md, int64_t rows, int64_t columns, int64_t ld,
                     bool turned) {
  const dnnl_dims_t sizes = {rows, columns}, strides = {turned ? 1 : ld, turned ? ld : 1};
  return d.memory_desc_init_by_strides(md, 2, sizes, dnnl_bf16, strides) == dnnl_success;
}

/* Does the library have code of its own for it? Its fallbacks are slower than floats. */
static bool is_fast(dnnl_primitive_desc_t pd) {
  const char *name = NULL;
  if (d.primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success) {
    return false;
  }
  return strncmp(name, "brg", 3) == 0 || strncmp(name, "jit", 3) == 0;
}

static plan *new_plan(const key *k) {
  plan *p = calloc(1, sizeof *p);
  dnnl_matmul_desc_t op;
  dnnl_primitive_desc_t pd = NULL;
  if (p == NULL) return NULL;
  p->key = *k;
  const bool described = describe(&p->md[A], k->m, k->k, k->lda, k->ta) &&
                         describe(&p->md[B], k->k, k->n, k->ldb, k->tb) &&
                         describe(&p->md[C], k->m, k->n, k->ldc, false);
  if (!described ||
      d.matmul_desc_init(&op, &p->md[A], &p->md[B], NULL, &p->md[C]) != dnnl_success ||
      d.primitive_desc_create(&pd, &op, d.attr[k->add], d.engine, NULL) != dnnl_success) {
    return p;
  }
  const dnnl_memory_desc_t *scratch = d.primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  if (scratch != NULL && is_fast(pd)) {
    p->md[SCRATCH] = *scratch;
    p->scratch = d.memory_desc_get_size(scratch);
    p->usable = d.primitive_create(&p->product, pd) == dnnl_success;
  }
  d.primitive_desc_destroy(pd);
  return p;
}

/* Finds the plan, or makes it in place of the one that has not been used for the longest time. NULL
 * where there is none; otherwise it must be given back. */
static plan *take_plan(const key *k) {
  plan *p = NULL;
  int place = -1;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < KEPT && p == NULL; i++) {
    plan *x = kept[i];
    if (x != NULL && memcmp(&x->key, k, sizeof *k) == 0) p = x;
    else if (x == NULL) place = i;
    else if (x->users > 0) continue;
    else if (place < 0 || (kept[place] != NULL && x->used < kept[place]->used)) place = i;
  }
  if (p == NULL && place >= 0 && (p = new_plan(k)) != NULL) {
    destroy(kept[place]);
    kept[place] = p;
  }
  if (p != NULL) p->used = ++clock_of_use;
  if (p != NULL && !p->usable) p = NULL;
  if (p != NULL) p->users++;
  pthread_mutex_unlock(&lock);
  return p;
}

static void give_back(plan *p) {
  if (p == NULL) return;
  pthread_mutex_lock(&lock);
  p->users--;
  pthread_mutex_unlock(&lock);
}

/* -- Work -------------------------------------------------------------------------------------- */

/* Each matrix of the batch in `blocks` blocks of rows: for columns, whose C has gaps between its
 * rows, the library has no fast code. */
typedef struct {
  const tn_onednn_matmul *g;
  plan *plan, *rest; /* of a block, and of the last one where it is smaller */
  int64_t blocks, size;
  atomic_bool failed;
} job;

static bool execute(const plan *p, dnnl_stream_t stream, void *const data[SIDES]) {
  static const int arguments[SIDES] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST,
                                       DNNL_ARG_SCRATCHPAD};
  dnnl_exec_arg_t args[SIDES];
  int made = 0;
  bool ok = true;
  for (; made < SIDES && ok; made++) {
    args[made] = (dnnl_exec_arg_t){.arg = arguments[made]};
    ok = d.memory_create(&args[made].memory, &p->md[made], d.engine, data[made]) == dnnl_success;
  }
  ok = ok && d.primitive_execute(p->product, stream, SIDES, args) == dnnl_success;
  for (int i = 0; i < made; i++) {
    if (args[i].memory != NULL) d.memory_destroy(args[i].memory);
  }
  return ok;
}

static size_t scratch_of(const job *j) {
  const size_t rest = j->rest != NULL ? j->rest->scratch : 0;
  return (j->plan->scratch > rest ? j->plan->scratch : rest) + ALIGNMENT;
}

static void run_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const tn_onednn_matmul *g = j->g;
  const int before = tn__onednn_alone();
  dnnl_stream_t stream = NULL;
  void *scratch = NULL;
  bool ok = d.stream_create(&stream, d.engine, dnnl_stream_default_flags) == dnnl_success &&
            posix_memalign(&scratch, ALIGNMENT, scratch_of(j)) == 0;
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t i = task / j->blocks, row = task % j->blocks * j->size;
    const bool last = task % j->blocks == j->blocks - 1;
    void *data[SIDES] = {(void *)(g->a + i * g->stride_a + row * (g->ta ? 1 : g->lda)),
                         (void *)(g->b + i * g->stride_b),
                         g->c + i * g->stride_c + row * g->ldc, scratch};
    ok = execute(last && j->rest != NULL ? j->rest : j->plan, stream, data);
  }
  free(scratch);
  if (stream != NULL) d.stream_destroy(stream);
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
  j->plan = take_plan(&k);
  if (j->plan == NULL || rest == j->size) return j->plan != NULL;
  k.m = rest;
  j->rest = take_plan(&k);
  return j->rest != NULL;
}

int tn__onednn_matmul(tn_pool *pool, const tn_onednn_matmul *g) {
  job j = {.g = g, .failed = false};
  if (tn__pool_inside()) return 0;
  pthread_once(&once, open_functions);
  if (!d.ready) return 0;
  divide(&j, tn__pool_threads(pool));
  const int before = tn__onednn_alone();
  const bool planned = take_plans(&j);
  tn__onednn_together(before);
  if (planned) tn__pool_run(pool, g->batch * j.blocks, 1, run_tasks, &j);
  give_back(j.plan);
  give_back(j.rest);
  return !planned ? 0 : atomic_load(&j.failed) ? -1 : 1;
}

#endif
