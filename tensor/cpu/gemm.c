/* gemm.c -- matrix products: who calculates, and how C is divided among the threads.
 *
 * GFLOP/s of one thread on a core with AVX-512 (peak 139 for float, 70 for double), best of many
 * rounds in which the three took turns:
 *
 *                            built-in  oneDNN  OpenBLAS
 *   float   32x128x784  NT      118       98       62
 *           128x784x32  TN      119      132       94
 *           32x784x128  NN      132      136       90
 *           128x128x784 NT      124      118       98
 *           32x10x128   NT       62       39       80
 *           128x10x128  NT       71       57       31
 *           256^3       NN      130      136      119
 *           512^3       NN      121      132      116
 *           1024^3      NN      112      120      115
 *   double  32x128x784  NT       58        -       37
 *           256^3       NN       59        -       50
 *           512^3       NN       54        -       53
 *           1024^3      NN       55        -       56
 *
 * Since the built-in kernels keep all operands in registers (isa/gemm_kernel.c), on another core
 * with AVX-512 (peak about 185 and 92), one thread, best of 20, one after the other on a shared
 * machine: built-in, oneDNN, OpenBLAS.
 *
 *   float   256^3 182, 186, 155   512^3 172, 181, 171   1024^3 155, 187, 163
 *   double  256^3  80,   -,  73   512^3  76,   -,  76   1024^3  71,   -,  78
 *
 * On two threads at 1024^3, float: oneDNN called from our pool 231, with its own OpenMP threads
 * 223, OpenBLAS with its own threads 220. To open oneDNN takes 14 ms and 11 MB, OpenBLAS 10 ms
 * and 5 MB, so the built-in kernels do all small and medium products.
 */
#include "gemm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "isa/gemm_kernel.h"

/* From here on a library is asked: about 250^3 and 1000^3. Counted in products of two elements,
 * m * n * k. Measured again, 256^3 take 250 us with oneDNN and 320 built-in, on one thread: two
 * hundred of them pay for opening it. */
#define ONEDNN_PRODUCTS   1.6e7
#define OPENBLAS_PRODUCTS 1e9
/* Products for which a second thread is worth waking. */
#define THREAD_PRODUCTS 2.5e5

typedef struct {
  size_t size;
  size_t (*scratch)(const tn_gemm *g);
  void (*run)(const tn_gemm *g, void *scratch);
} element_kind;

static element_kind kind_of(size_t size) {
  if (size == sizeof(float))
    return (element_kind){size, TN_ISA_PICK(tn__gemm_scratch_f32), TN_ISA_PICK(tn__gemm_f32)};
  return (element_kind){size, TN_ISA_PICK(tn__gemm_scratch_f64), TN_ISA_PICK(tn__gemm_f64)};
}

/* C in blocks of rows x cols, one task each. */
typedef struct {
  const tn_gemm *whole;
  const element_kind *kind;
  int64_t rows, cols, across, tasks;
  int blas; /* TN_BLAS_...: what run_part may call */
  char *scratch;
  size_t scratch_each;
} split;

static const void *at(const void *base, int64_t index, size_t size) {
  return (const char *)base + index * (int64_t)size;
}

static tn_gemm part(const split *s, int64_t task) {
  tn_gemm g = *s->whole;
  int64_t i = task / s->across * s->rows, j = task % s->across * s->cols;
  size_t size = s->kind->size;
  g.m = g.m - i < s->rows ? g.m - i : s->rows;
  g.n = g.n - j < s->cols ? g.n - j : s->cols;
  g.a = at(g.a, g.ta ? i : i * g.lda, size);
  g.b = at(g.b, g.tb ? j * g.ldb : j, size);
  g.c = (char *)g.c + (i * g.ldc + j) * (int64_t)size;
  if (g.panels != NULL) g.panels = at(g.panels, j * g.k, size);
  if (g.bias != NULL) g.bias = at(g.bias, j, size);
  return g;
}

/* False, and nothing done, where the library is not wanted or declines. */
static bool run_library(int blas, const tn_gemm *g, size_t size) {
  if (size == sizeof(float)) {
    if (blas == TN_BLAS_ONEDNN)
      return tn__onednn_sgemm(g->ta, g->tb, g->m, g->n, g->k, (float)g->alpha, g->a, g->lda, g->b,
                              g->ldb, (float)g->beta, g->c, g->ldc);
    if (blas == TN_BLAS_OPENBLAS)
      return tn__openblas_sgemm(g->ta, g->tb, g->m, g->n, g->k, (float)g->alpha, g->a, g->lda, g->b,
                                g->ldb, (float)g->beta, g->c, g->ldc);
  } else if (blas == TN_BLAS_OPENBLAS) {
    return tn__openblas_dgemm(g->ta, g->tb, g->m, g->n, g->k, g->alpha, g->a, g->lda, g->b, g->ldb,
                              g->beta, g->c, g->ldc);
  }
  return false;
}

static void run_part(const split *s, const tn_gemm *g, int64_t task) {
  if (!run_library(s->blas, g, s->kind->size))
    s->kind->run(g, s->scratch + task * (int64_t)s->scratch_each);
}

static void run_tasks(void *arg, int64_t begin, int64_t end) {
  const split *s = arg;
  for (int64_t task = begin; task < end; task++) {
    tn_gemm g = part(s, task);
    run_part(s, &g, task);
  }
}

static int64_t divide_up(int64_t n, int64_t parts, int64_t unit) {
  return ((n + parts - 1) / parts + unit - 1) / unit * unit;
}

/* Cuts C into at most `threads` blocks. Each thread packs what it reads, so of all grids the best
 * is the one whose largest block has the least to multiply and to pack. */
static void divide(split *s, int64_t threads) {
  const tn_gemm *g = s->whole;
  double best = 0;
  for (int64_t down = 1; down <= threads; down++) {
    const int64_t unit = g->panels != NULL ? TN_GEMM_PANEL : 16;
    int64_t rows = divide_up(g->m, down, 4), cols = divide_up(g->n, threads / down, unit);
    if (rows > g->m) rows = g->m;
    if (cols > g->n) cols = g->n;
    double cost = (double)rows * cols + 16.0 * (double)(rows + cols);
    if (down > 1 && cost >= best) continue;
    best = cost;
    s->rows = rows;
    s->cols = cols;
  }
  s->across = (g->n + s->cols - 1) / s->cols;
  s->tasks = (g->m + s->rows - 1) / s->rows * s->across;
}

/* The most that one task needs. Tasks differ in size only in the last row and column of blocks. */
static size_t scratch_of(const split *s) {
  int64_t corners[] = {0, s->across - 1, s->tasks - s->across, s->tasks - 1};
  size_t most = 0;
  for (int i = 0; i < 4; i++) {
    tn_gemm g = part(s, corners[i]);
    size_t bytes = s->kind->scratch(&g);
    if (bytes > most) most = bytes;
  }
  return (most + 63) / 64 * 64;
}

/* Small products, and those inside a parallel loop, need little: they use the stack. */
#define STACK_SCRATCH 16384

/* Scratch memory for fn's tasks: the stack's, the pool's, the thread's, or allocated and freed. */
static int with_scratch(tn_pool *pool, split *s, int64_t n, tn_pool_fn *fn, void *arg) {
  _Alignas(64) char stack[STACK_SCRATCH];
  size_t bytes = s->scratch_each * (size_t)n;
  void *own = NULL;
  s->scratch = bytes <= sizeof stack ? stack : tn__pool_scratch(pool, bytes);
  if (!s->scratch) s->scratch = tn__pool_own_scratch(bytes);
  if (!s->scratch) {
    if (posix_memalign(&own, 64, bytes) != 0) return -1;
    s->scratch = own;
  }
  bool openblas = s->blas == TN_BLAS_OPENBLAS && tn__openblas_begin();
  if (s->blas == TN_BLAS_OPENBLAS && !openblas) s->blas = TN_BLAS_BUILTIN;
  tn__pool_run(pool, n, 1, fn, arg);
  if (openblas) tn__openblas_end();
  free(own);
  return 0;
}

static double products(const tn_gemm *g) {
  return (double)g->m * (double)g->n * (double)g->k;
}

static int64_t useful_threads(tn_pool *pool, double work) {
  if (tn__pool_inside()) return 1;
  int64_t threads = tn__pool_threads(pool), most = (int64_t)(work / THREAD_PRODUCTS);
  return most < 1 ? 1 : most < threads ? most : threads;
}

/* Read once, under pthread_once; constant for the life of the process afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int wish = TN_BLAS_AUTO;

static void read_wish(void) {
  static const char *const names[] = {"auto", "builtin", "onednn", "openblas"};
  const char *value = getenv("MOONLET_BLAS");
  for (int i = 0; value && i < 4; i++)
    if (strcmp(value, names[i]) == 0) wish = i;
}

/* Which library to try; the built-in kernels do what it cannot. */
static int choose(const tn_gemm *g, size_t size) {
  pthread_once(&once, read_wish);
  if (wish != TN_BLAS_AUTO) return wish;
  bool is_float = size == sizeof(float);
  if (products(g) < (is_float ? ONEDNN_PRODUCTS : OPENBLAS_PRODUCTS)) return TN_BLAS_BUILTIN;
  if (g->m < 8 || g->n < 8) return TN_BLAS_BUILTIN; /* bound by memory, not by kernels */
  return is_float && tn__onednn_ready() ? TN_BLAS_ONEDNN : TN_BLAS_OPENBLAS;
}

tn_gemm_kernel *tn__gemm_direct(const tn_gemm *g, size_t item, size_t *scratch) {
  const element_kind kind = kind_of(item);
  if (choose(g, item) != TN_BLAS_BUILTIN || products(g) >= 2 * THREAD_PRODUCTS) return NULL;
  *scratch = kind.scratch(g);
  return kind.run;
}

/* A product with one row reads B as it lies; small ones are not worth the looking up. */
bool tn__gemm_packs(const tn_gemm *g, size_t item) {
  return g->tb && g->m > 1 && g->n > 1 && products(g) >= 4096 && choose(g, item) == TN_BLAS_BUILTIN;
}

/* One product by the best means. */
static int multiply(tn_pool *pool, const tn_gemm *g, size_t size) {
  element_kind kind = kind_of(size);
  split s = {.whole = g, .kind = &kind, .blas = choose(g, size)};
  divide(&s, useful_threads(pool, products(g)));
  s.scratch_each = scratch_of(&s); /* for a library too: it may decline */
  return with_scratch(pool, &s, s.tasks, run_tasks, &s);
}

/* Several products, each on one thread. */
typedef struct {
  split s;
  tn_gemm first;
  int64_t stride_a, stride_b, stride_c, batch, chunks;
} batch_job;

static tn_gemm nth(const batch_job *job, int64_t i) {
  tn_gemm g = job->first;
  size_t size = job->s.kind->size;
  g.a = at(g.a, i * job->stride_a, size);
  g.b = at(g.b, i * job->stride_b, size);
  g.c = (char *)g.c + i * job->stride_c * (int64_t)size;
  return g;
}

static void run_chunks(void *arg, int64_t begin, int64_t end) {
  const batch_job *job = arg;
  for (int64_t chunk = begin; chunk < end; chunk++) {
    int64_t i = chunk * job->batch / job->chunks, stop = (chunk + 1) * job->batch / job->chunks;
    for (; i < stop; i++) {
      tn_gemm g = nth(job, i);
      run_part(&job->s, &g, chunk);
    }
  }
}

/* One B for all, and A and C without gaps: then the batch is just more rows. */
static bool is_one(const tn_gemm *g, int64_t stride_a, int64_t stride_b, int64_t stride_c) {
  return !g->ta && stride_b == 0 && stride_a == g->m * g->lda && stride_c == g->m * g->ldc;
}

static int multiply_batch(tn_pool *pool, const tn_gemm *g, size_t size, int64_t stride_a,
                          int64_t stride_b, int64_t stride_c, int64_t batch) {
  if (is_one(g, stride_a, stride_b, stride_c)) {
    tn_gemm tall = *g;
    tall.m *= batch;
    return multiply(pool, &tall, size);
  }
  element_kind kind = kind_of(size);
  batch_job job = {.first = *g,
                   .stride_a = stride_a,
                   .stride_b = stride_b,
                   .stride_c = stride_c,
                   .batch = batch};
  job.s = (split){
      .whole = &job.first, .kind = &kind, .blas = choose(g, size), .scratch_each = kind.scratch(g)};
  job.s.scratch_each = (job.s.scratch_each + 63) / 64 * 64;
  int64_t threads = useful_threads(pool, products(g) * (double)batch);
  /* Too few to keep all threads busy: one after the other, each on all of them. */
  if (batch < threads || (batch < 4 * threads && products(g) >= ONEDNN_PRODUCTS)) {
    int status = 0;
    for (int64_t i = 0; i < batch && status == 0; i++) {
      tn_gemm one = nth(&job, i);
      status = multiply(pool, &one, size);
    }
    return status;
  }
  job.chunks = threads == 1 ? 1 : batch < 4 * threads ? batch : 4 * threads;
  return with_scratch(pool, &job.s, job.chunks, run_chunks, &job);
}

static void scale_f32(const tn_gemm *g) {
  for (int64_t i = 0; i < g->m; i++) {
    float *c = (float *)g->c + i * g->ldc;
    for (int64_t j = 0; j < g->n; j++) c[j] = g->beta == 0 ? 0 : c[j] * (float)g->beta;
  }
}

static void scale_f64(const tn_gemm *g) {
  for (int64_t i = 0; i < g->m; i++) {
    double *c = (double *)g->c + i * g->ldc;
    for (int64_t j = 0; j < g->n; j++) c[j] = g->beta == 0 ? 0 : c[j] * g->beta;
  }
}

/* True where nothing is multiplied; then C is what it has to be. */
static bool is_trivial(const tn_gemm *g, size_t size, int64_t stride_c, int64_t batch) {
  if (g->m <= 0 || g->n <= 0 || batch <= 0) return true;
  if (g->k > 0 && g->alpha != 0) return false;
  for (int64_t i = 0; i < batch; i++) {
    tn_gemm one = *g;
    one.c = (char *)g->c + i * stride_c * (int64_t)size;
    if (size == sizeof(float))
      scale_f32(&one);
    else
      scale_f64(&one);
  }
  return true;
}

#define GEMM_ARGS                                                                             \
  (tn_gemm) {                                                                                 \
    .ta = ta, .tb = tb, .m = m, .n = n, .k = k, .alpha = alpha, .beta = beta, .a = a, .b = b, \
    .c = c, .lda = lda, .ldb = ldb, .ldc = ldc                                                \
  }

int tn__gemm_run(tn_pool *pool, const tn_gemm *g, size_t item) {
  return is_trivial(g, item, 0, 1) ? 0 : multiply(pool, g, item);
}

int tn__sgemm(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
              int64_t ldc) {
  tn_gemm g = GEMM_ARGS;
  return is_trivial(&g, sizeof *c, 0, 1) ? 0 : multiply(pool, &g, sizeof *c);
}

int tn__dgemm(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
              const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c,
              int64_t ldc) {
  tn_gemm g = GEMM_ARGS;
  return is_trivial(&g, sizeof *c, 0, 1) ? 0 : multiply(pool, &g, sizeof *c);
}

int tn__sgemm_batch(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, int64_t stride_a, const float *b, int64_t ldb,
                    int64_t stride_b, float beta, float *c, int64_t ldc, int64_t stride_c,
                    int64_t batch) {
  tn_gemm g = GEMM_ARGS;
  if (is_trivial(&g, sizeof *c, stride_c, batch)) return 0;
  return multiply_batch(pool, &g, sizeof *c, stride_a, stride_b, stride_c, batch);
}

int tn__dgemm_batch(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                    const double *a, int64_t lda, int64_t stride_a, const double *b, int64_t ldb,
                    int64_t stride_b, double beta, double *c, int64_t ldc, int64_t stride_c,
                    int64_t batch) {
  tn_gemm g = GEMM_ARGS;
  if (is_trivial(&g, sizeof *c, stride_c, batch)) return 0;
  return multiply_batch(pool, &g, sizeof *c, stride_a, stride_b, stride_c, batch);
}
