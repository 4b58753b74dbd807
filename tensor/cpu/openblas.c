/* openblas.c -- OpenBLAS's matrix products, opened when first needed.
 *
 * OpenBLAS has one thread count for the whole process. It is set to what the caller may use for
 * the length of a call, and put back. Its own threads sleep between calls. */
#include "gemm.h"

#ifdef TN_EMBED

bool tn__openblas_sgemm(int threads, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                        float beta, float *c, int64_t ldc) {
  (void)threads, (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda;
  (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
  return false;
}

bool tn__openblas_dgemm(int threads, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        double alpha, const double *a, int64_t lda, const double *b, int64_t ldb,
                        double beta, double *c, int64_t ldc) {
  (void)threads, (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda;
  (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
  return false;
}

#else

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* cblas.h's numbers */

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                      int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm_fn(int order, int ta, int tb, int m, int n, int k, double alpha,
                      const double *a, int lda, const double *b, int ldb, double beta, double *c,
                      int ldc);

/* Written once, under pthread_once; constant for the life of the process afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sgemm_fn *sgemm;
static dgemm_fn *dgemm;
static int (*get_threads)(void);
static void (*set_threads)(int);

static void open_library(void) {
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  *(void **)&sgemm = dlsym(library, "cblas_sgemm");
  *(void **)&dgemm = dlsym(library, "cblas_dgemm");
  *(void **)&get_threads = dlsym(library, "openblas_get_num_threads");
  *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (!get_threads || !set_threads) sgemm = NULL, dgemm = NULL;
}

static bool fits(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc) {
  pthread_once(&once, open_library);
  return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX &&
         ldc <= INT_MAX;
}

static int change_threads(int threads) {
  int before = get_threads();
  if (before != threads) set_threads(threads);
  return before;
}

static void restore_threads(int before) {
  if (get_threads() != before) set_threads(before);
}

bool tn__openblas_sgemm(int threads, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                        float beta, float *c, int64_t ldc) {
  if (!fits(m, n, k, lda, ldb, ldc) || !sgemm) return false;
  int before = change_threads(threads);
  sgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,
        (int)lda, b, (int)ldb, beta, c, (int)ldc);
  restore_threads(before);
  return true;
}

bool tn__openblas_dgemm(int threads, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        double alpha, const double *a, int64_t lda, const double *b, int64_t ldb,
                        double beta, double *c, int64_t ldc) {
  if (!fits(m, n, k, lda, ldb, ldc) || !dgemm) return false;
  int before = change_threads(threads);
  dgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,
        (int)lda, b, (int)ldb, beta, c, (int)ldc);
  restore_threads(before);
  return true;
}

#endif
