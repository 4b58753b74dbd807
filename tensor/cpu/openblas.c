/* openblas.c -- OpenBLAS's matrix products, opened when first needed; lapack.c has its LAPACK.
 *
 * OpenBLAS's own threads spin for some 45 ms after each call, on the cores that our pool is about
 * to use. So it is called from the pool's threads, each with a part of C. Its thread count belongs
 * to the whole process: it is 1 from the first tn__openblas_begin to the last tn__openblas_end, and
 * then what it was, for a host that uses OpenBLAS too. Where no one had opened it before, the
 * threads that it starts while it is loaded are ended at once, and the count stays 1. */
#include "gemm.h"

#ifdef TN_EMBED

bool tn__openblas_begin(void) {
  return false;
}

void tn__openblas_end(void) {}

void *tn__openblas_symbol(const char *name) {
  (void)name;
  return NULL;
}

bool tn__openblas_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                        const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                        float *c, int64_t ldc) {
  (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda;
  (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
  return false;
}

bool tn__openblas_dgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                        const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                        double *c, int64_t ldc) {
  (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda;
  (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
  return false;
}

#else

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* cblas.h's numbers */

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                      int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm_fn(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a,
                      int lda, const double *b, int ldb, double beta, double *c, int ldc);

/* Written once, under pthread_once; constant for the life of the process afterwards. Not closed:
 * a library with threads of its own cannot be unloaded safely. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;
static sgemm_fn *sgemm;
static dgemm_fn *dgemm;
static int (*get_threads)(void);
static void (*set_threads)(int);

static void open_library(void) {
  const char *wish = getenv("MOONLET_BLAS"); /* for measurements: gemm.h */
  if (wish && strcmp(wish, "builtin") == 0) return;
  void *before = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  library = before ? before : dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  *(void **)&sgemm = dlsym(library, "cblas_sgemm");
  *(void **)&dgemm = dlsym(library, "cblas_dgemm");
  *(void **)&get_threads = dlsym(library, "openblas_get_num_threads");
  *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (!get_threads || !set_threads || !dgemm) sgemm = NULL;
  int (*end_threads)(void);
  *(void **)&end_threads = dlsym(library, "blas_thread_shutdown_");
  if (before || !sgemm || get_threads() == 1) return;
  set_threads(1);
  if (end_threads) end_threads();
}

void *tn__openblas_symbol(const char *name) {
  pthread_once(&once, open_library);
  return sgemm ? dlsym(library, name) : NULL;
}

/* How many callers are between begin and end, and the host's thread count meanwhile. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users, host_threads;

bool tn__openblas_begin(void) {
  pthread_once(&once, open_library);
  if (!sgemm) return false;
  pthread_mutex_lock(&lock);
  if (users++ == 0) {
    host_threads = get_threads();
    if (host_threads != 1) set_threads(1);
  }
  pthread_mutex_unlock(&lock);
  return true;
}

void tn__openblas_end(void) {
  pthread_mutex_lock(&lock);
  if (--users == 0 && host_threads != 1) set_threads(host_threads);
  pthread_mutex_unlock(&lock);
}

static bool fits(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc) {
  return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX &&
         ldc <= INT_MAX;
}

bool tn__openblas_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                        const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                        float *c, int64_t ldc) {
  if (!fits(m, n, k, lda, ldb, ldc)) return false;
  sgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,
        (int)lda, b, (int)ldb, beta, c, (int)ldc);
  return true;
}

bool tn__openblas_dgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                        const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                        double *c, int64_t ldc) {
  if (!fits(m, n, k, lda, ldb, ldc)) return false;
  dgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,
        (int)lda, b, (int)ldb, beta, c, (int)ldc);
  return true;
}

#endif
