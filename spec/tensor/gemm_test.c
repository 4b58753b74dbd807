/* gemm_test.c -- matrix products against three plain loops: every instruction set that this
 * machine has, every library that is installed, and the dispatcher with its threads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/isa/gemm_kernel.h"

static int failures, count;

static void check(bool good, const char *what) {
  count++;
  failures += !good;
  printf("%s %d - %s\n", good ? "ok" : "not ok", count, what);
}

static double random_value(void) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (double)(state >> 8) / (1 << 23) - 1;
}

enum { MARGIN = 3, GUARD = 12345 };

/* A matrix of either type, with `pad` extra elements behind each row and a margin of guards. */
typedef struct {
  int64_t rows, cols, ld;
  size_t size;
  void *memory, *data;
} matrix;

static double get(const matrix *m, int64_t i, int64_t j) {
  int64_t at = i * m->ld + j;
  return m->size == 4 ? ((float *)m->data)[at] : ((double *)m->data)[at];
}

static void set(matrix *m, int64_t i, int64_t j, double x) {
  int64_t at = i * m->ld + j;
  if (m->size == 4)
    ((float *)m->data)[at] = (float)x;
  else
    ((double *)m->data)[at] = x;
}

/* Allocated to the byte, so that AddressSanitizer sees any read past either end. */
static matrix make(int64_t rows, int64_t cols, int64_t pad, size_t size) {
  matrix m = {rows, cols, cols + pad, size, NULL, NULL};
  int64_t elements = rows > 0 ? (rows - 1) * m.ld + cols : 0;
  m.memory = m.data = malloc((size_t)elements * size + (elements == 0));
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < (i + 1 < rows ? m.ld : cols); j++)
      set(&m, i, j, j < cols ? random_value() : GUARD);
  return m;
}

typedef struct {
  tn_pool *pool;
  int isa; /* a kernel set called directly, or -1: the dispatcher, or a library, < -1 */
} means;

enum { DISPATCH = -1, ONEDNN = -2, OPENBLAS = -3 };

static size_t scratch_of(int isa, size_t size, const tn_gemm *g) {
  return size == 4 ? TN_ISA_AT(isa, tn__gemm_scratch_f32)(g)
                   : TN_ISA_AT(isa, tn__gemm_scratch_f64)(g);
}

static bool run_kernel(int isa, const tn_gemm *g, size_t size) {
  size_t bytes = scratch_of(isa, size, g);
  void *scratch = NULL;
  if (posix_memalign(&scratch, 64, bytes + 64) != 0) return false;
  memset((char *)scratch + bytes, 77, 64);
  if (size == 4)
    TN_ISA_AT(isa, tn__gemm_f32)(g, scratch);
  else
    TN_ISA_AT(isa, tn__gemm_f64)(g, scratch);
  bool good = true;
  for (int i = 0; i < 64; i++) good = good && ((char *)scratch)[bytes + i] == 77;
  free(scratch);
  return good;
}

static bool run_library(int isa, const tn_gemm *g, size_t size) {
  if (isa == ONEDNN && size == 8) return run_kernel(tn__isa(), g, size); /* it has no doubles */
  if (isa == ONEDNN)
    return tn__onednn_sgemm(g->ta, g->tb, g->m, g->n, g->k, (float)g->alpha, g->a, g->lda, g->b,
                            g->ldb, (float)g->beta, g->c, g->ldc);
  if (size == 4)
    return tn__openblas_sgemm(g->ta, g->tb, g->m, g->n, g->k, (float)g->alpha, g->a, g->lda, g->b,
                              g->ldb, (float)g->beta, g->c, g->ldc);
  return tn__openblas_dgemm(g->ta, g->tb, g->m, g->n, g->k, g->alpha, g->a, g->lda, g->b, g->ldb,
                            g->beta, g->c, g->ldc);
}

static bool run(means how, const tn_gemm *g, size_t size) {
  if (how.isa >= 0) return run_kernel(how.isa, g, size);
  if (how.isa < DISPATCH) return run_library(how.isa, g, size);
  if (size == 4)
    return tn__sgemm(how.pool, g->ta, g->tb, g->m, g->n, g->k, (float)g->alpha, g->a, g->lda, g->b,
                     g->ldb, (float)g->beta, g->c, g->ldc) == 0;
  return tn__dgemm(how.pool, g->ta, g->tb, g->m, g->n, g->k, g->alpha, g->a, g->lda, g->b, g->ldb,
                   g->beta, g->c, g->ldc) == 0;
}

static double element(const tn_gemm *g, const matrix *a, const matrix *b, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t p = 0; p < g->k; p++)
    sum += (g->ta ? get(a, p, i) : get(a, i, p)) * (g->tb ? get(b, j, p) : get(b, p, j));
  return sum * g->alpha;
}

/* True if every element is right and what lies between the rows of C is as it was. */
static bool agrees(const tn_gemm *g, const matrix *a, const matrix *b, const matrix *c,
                   const double *before) {
  double tolerance = (a->size == 4 ? 2e-6 : 1e-14) * (4 + (double)g->k);
  for (int64_t i = 0; i < g->m; i++) {
    for (int64_t j = 0; j < g->n; j++) {
      double want = element(g, a, b, i, j);
      if (g->beta != 0) want += g->beta * before[i * g->n + j];
      if (!(fabs(get(c, i, j) - want) <= tolerance)) return false;
    }
    for (int64_t j = g->n; i + 1 < g->m && j < c->ld; j++)
      if (get(c, i, j) != GUARD) return false;
  }
  return true;
}

typedef struct {
  int64_t m, n, k, pad;
  double alpha, beta;
} shape;

static bool try_one(means how, size_t size, bool ta, bool tb, const shape *s) {
  matrix a = make(ta ? s->k : s->m, ta ? s->m : s->k, s->pad, size);
  matrix b = make(tb ? s->n : s->k, tb ? s->k : s->n, s->pad * 2, size);
  matrix c = make(s->m, s->n, s->pad, size);
  double *before = malloc((size_t)(s->m * s->n) * sizeof *before + 1);
  for (int64_t i = 0; i < s->m; i++)
    for (int64_t j = 0; j < s->n; j++) {
      if (s->beta == 0) set(&c, i, j, NAN); /* must not be read */
      before[i * s->n + j] = get(&c, i, j);
    }
  tn_gemm g = {ta,     tb,     s->m,   s->n, s->k, s->alpha, s->beta,
               a.data, b.data, c.data, a.ld, b.ld, c.ld, NULL, NULL};
  bool good = run(how, &g, size) && agrees(&g, &a, &b, &c, before);
  if (!good)
    printf("# isa %d size %d %c%c %dx%dx%d pad %d alpha %g beta %g\n", how.isa, (int)size,
           ta ? 'T' : 'N', tb ? 'T' : 'N', (int)s->m, (int)s->n, (int)s->k, (int)s->pad, s->alpha,
           s->beta);
  free(before);
  free(a.memory);
  free(b.memory);
  free(c.memory);
  return good;
}

static bool try_all(means how, const shape *s) {
  bool good = true;
  for (int t = 0; t < 4; t++)
    good = try_one(how, 4, t & 1, t & 2, s) && try_one(how, 8, t & 1, t & 2, s) && good;
  return good;
}

static int64_t pick(int64_t from, int64_t to) {
  return from + (int64_t)((random_value() + 1) / 2 * (double)(to - from + 1));
}

static void test_sizes(means how, const char *name) {
  static const double alphas[] = {1, -0.5}, betas[] = {0, 1, 0.75};
  char what[80];
  bool good = true;
  for (int i = 0; i < 120; i++) {
    shape s = {pick(1, 70),         pick(1, 70),   pick(1, 70),
               pick(0, 2) * MARGIN, alphas[i % 2], betas[i % 3]};
    good = try_all(how, &s) && good;
  }
  snprintf(what, sizeof what, "%s: sizes from 1 to 70", name);
  check(good, what);
  good = true;
  for (int64_t m = 1; m <= 17; m += 4)
    for (int64_t n = 1; n <= 33; n += 8)
      for (int64_t k = 1; k <= 3; k++) good = try_all(how, &(shape){m, n, k, 0, 1, 1}) && good;
  for (int64_t n = 1; n <= 70; n += 3)
    good = try_all(how, &(shape){1, n, 71 - n, 2, 2, 0}) &&
           try_all(how, &(shape){n, 1, 71 - n, 2, 1, 1}) && good;
  snprintf(what, sizeof what, "%s: thin, vectors, few products", name);
  check(good, what);
}

/* Beyond the blocks of the packed loops (at most 96 rows, 1024 columns, 384 deep). */
static void test_blocks(means how, const char *name) {
  static const shape shapes[] = {
      {32, 128, 784, 0, 1, 0}, {128, 784, 32, 0, 1, 1},  {32, 10, 128, 0, 1, 0},
      {213, 37, 401, 5, 1, 1}, {19, 1061, 33, 0, 2, 0},  {417, 300, 9, 0, 1, 1},
      {61, 269, 391, 1, 1, 0}, {256, 256, 64, 0, 1, 0},  {205, 530, 40, 0, 1, 0.5},
      {1, 700, 530, 0, 1, 0},  {700, 1, 530, 4, 1, 0.5}, {2100, 2, 3, 0, 1, 0},
  };
  char what[80];
  bool good = true;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    good = try_all(how, &shapes[i]) && good;
  snprintf(what, sizeof what, "%s: beyond the block sizes", name);
  check(good, what);
}

static void test_trivial(tn_pool *pool) {
  float nan[4] = {NAN, NAN, NAN, NAN}, c[4] = {1, 2, 3, 4};
  bool good = tn__sgemm(pool, false, false, 2, 2, 0, 1, nan, 1, nan, 2, 2, c, 2) == 0;
  check(good && c[0] == 2 && c[3] == 8, "nothing to add: C is scaled");
  good = tn__sgemm(pool, false, false, 2, 2, 2, 0, nan, 2, nan, 2, 0.5f, c, 2) == 0;
  check(good && c[0] == 1 && c[3] == 4, "alpha 0: A and B are not read");
  good = tn__sgemm(pool, false, false, 2, 2, 0, 1, nan, 1, nan, 2, 0, nan, 2) == 0;
  check(good && nan[0] == 0 && nan[3] == 0, "beta 0: C is not read");
  check(tn__sgemm(pool, false, false, 0, 2, 2, 1, c, 2, c, 2, 0, c, 2) == 0 &&
            tn__sgemm(pool, false, false, 2, 0, 2, 1, c, 2, c, 2, 0, c, 2) == 0,
        "empty results");
  double inf[1] = {INFINITY}, zero[1] = {0}, d[1] = {1};
  good = tn__dgemm(pool, false, false, 1, 1, 1, 1, inf, 1, zero, 1, 1, d, 1) == 0;
  check(good && isnan(d[0]), "infinity times 0 is no number");
}

/* strides of 0 share a matrix between all products. */
static bool try_batch(tn_pool *pool, int64_t batch, int64_t m, int64_t n, int64_t k, bool ta,
                      bool tb, bool share_a, bool share_b) {
  matrix a = make(share_a ? m : m * batch, k, 0, 4), b = make(share_b ? k : k * batch, n, 0, 4);
  matrix c = make(m * batch, n, 0, 4), d = make(m * batch, n, 0, 4);
  int64_t sa = share_a ? 0 : m * k, sb = share_b ? 0 : k * n, lda = ta ? m : k, ldb = tb ? k : n;
  bool good = tn__sgemm_batch(pool, ta, tb, m, n, k, 1, a.data, lda, sa, b.data, ldb, sb, 0, c.data,
                              n, m * n, batch) == 0;
  for (int64_t i = 0; i < batch; i++)
    tn__sgemm(NULL, ta, tb, m, n, k, 1, (float *)a.data + i * sa, lda, (float *)b.data + i * sb,
              ldb, 0, (float *)d.data + i * m * n, n);
  for (int64_t i = 0; i < m * batch; i++)
    for (int64_t j = 0; j < n; j++)
      good = good && fabs(get(&c, i, j) - get(&d, i, j)) <= 2e-6 * (4 + (double)k);
  free(a.memory);
  free(b.memory);
  free(c.memory);
  free(d.memory);
  return good;
}

static void test_batch(tn_pool *pool) {
  bool good = true;
  for (int t = 0; t < 16; t++) {
    bool ta = t & 1, tb = t & 2, share_a = t & 4, share_b = t & 8;
    good = try_batch(pool, 7, 5, 3, 4, ta, tb, share_a, share_b) && good;
    good = try_batch(pool, 50, 33, 40, 20, ta, tb, share_a, share_b) && good;
    good = try_batch(pool, 2, 130, 70, 90, ta, tb, share_a, share_b) && good;
  }
  check(good, "batches");
  double x[6] = {1, 2, 3, 4, 5, 6}, y[3] = {0};
  int status = tn__dgemm_batch(pool, false, false, 1, 1, 2, 1, x, 2, 2, x, 1, 2, 0, y, 1, 1, 3);
  check(status == 0 && y[0] == 5 && y[1] == 25 && y[2] == 61, "batches of doubles");
}

typedef struct {
  tn_pool *pool;
  float a[64 * 64], c[8][64 * 64];
} shared;

static void nested(void *arg, int64_t begin, int64_t end) {
  shared *s = arg;
  for (int64_t i = begin; i < end; i++)
    tn__sgemm(s->pool, false, true, 64, 64, 64, 1, s->a, 64, s->a, 64, 0, s->c[i], 64);
}

static void test_nested(tn_pool *pool) {
  shared *s = calloc(1, sizeof *s);
  s->pool = pool;
  for (int i = 0; i < 64 * 64; i++) s->a[i] = (float)random_value();
  tn__pool_run(pool, 8, 1, nested, s);
  bool good = true;
  for (int i = 1; i < 8; i++) good = good && memcmp(s->c[0], s->c[i], sizeof s->c[0]) == 0;
  nested(s, 0, 1);
  check(good && memcmp(s->c[0], s->c[1], sizeof s->c[0]) == 0, "products inside a parallel loop");
  free(s);
}

static void test_threads(void) {
  int64_t n = 150;
  matrix a = make(n, n, 0, 4), b = make(n, n, 0, 4), c = make(n, n, 0, 4), d = make(n, n, 0, 4);
  tn__sgemm(NULL, false, true, n, n, n, 1, a.data, n, b.data, n, 0, c.data, n);
  bool good = true;
  for (int threads = 2; threads <= 7; threads++) {
    tn_pool *pool = tn__pool_new(threads);
    tn__sgemm(pool, false, true, n, n, n, 1, a.data, n, b.data, n, 0, d.data, n);
    good = good && memcmp(c.data, d.data, (size_t)(n * n) * 4) == 0;
    tn__pool_free(pool);
  }
  check(good, "the same bits on any number of threads");
  free(a.memory);
  free(b.memory);
  free(c.memory);
  free(d.memory);
}

/* Large enough for the dispatcher to ask a library where there is one. */
static void test_large(tn_pool *pool, size_t size) {
  int64_t m = 501, n = 499, k = 503, isa = tn__isa();
  matrix a = make(m, k, 0, size), b = make(n, k, 0, size);
  matrix c = make(m, n, 0, size), d = make(m, n, 0, size);
  tn_gemm g = {false, true, m, n, k, 1, 0, a.data, b.data, c.data, k, k, n, NULL, NULL};
  bool good = run_kernel((int)isa, &g, size);
  g.c = d.data;
  good = run((means){pool, DISPATCH}, &g, size) && good;
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++)
      good = good && fabs(get(&c, i, j) - get(&d, i, j)) < (size == 4 ? 1e-3 : 1e-11);
  check(good, size == 4 ? "a large product of floats" : "a large product of doubles");
  free(a.memory);
  free(b.memory);
  free(c.memory);
  free(d.memory);
}

int main(void) {
  static const char *const names[] = {"baseline", "avx2", "avx512"};
  tn_pool *pool = tn__pool_new(3);
  for (int isa = 0; isa <= tn__isa_best(); isa++) {
    test_sizes((means){pool, isa}, names[isa]);
    test_blocks((means){pool, isa}, names[isa]);
  }
  test_sizes((means){pool, DISPATCH}, "dispatcher");
  test_blocks((means){pool, DISPATCH}, "dispatcher");
  test_blocks((means){NULL, DISPATCH}, "dispatcher without a pool");
  if (tn__onednn_ready()) test_blocks((means){pool, ONEDNN}, "oneDNN");
  if (tn__openblas_begin()) {
    test_blocks((means){pool, OPENBLAS}, "OpenBLAS");
    tn__openblas_end();
  }
  test_large(pool, 4);
  test_large(pool, 8);
  test_trivial(pool);
  test_batch(pool);
  test_nested(pool);
  test_threads();
  tn__pool_free(pool);
  printf("1..%d\n", count);
  return failures != 0;
}
