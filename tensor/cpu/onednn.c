/* onednn.c -- oneDNN and its matrix product, opened when first needed.
 *
 * oneDNN brings OpenMP threads, which after each call keep spinning for some 4 ms on the cores that
 * our pool is about to use. So it is called from the pool's threads, each with a part of C, and
 * told to use one thread: omp_set_num_threads speaks for the calling thread only, and is put back,
 * so that neither a second set of threads nor a changed setting is left in the host. */
#include "onednn.h"

#include "gemm.h"

#ifdef TN_EMBED

void *tn__onednn_library(int major) {
  (void)major;
  return NULL;
}

int tn__onednn_alone(void) {
  return 1;
}

void tn__onednn_together(int before) {
  (void)before;
}

bool tn__onednn_ready(void) {
  return false;
}

bool tn__onednn_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                      const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                      float *c, int64_t ldc) {
  (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda;
  (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
  return false;
}

#else

#include <dlfcn.h>
#include <pthread.h>

typedef int sgemm_fn(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* Written once, under pthread_once; constant for the life of the process afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;
static int version;
static sgemm_fn *sgemm;
static int (*omp_get_max_threads)(void);
static void (*omp_set_num_threads)(int);

/* The library stays open: unloading a runtime that has used thread-local data is not safe. dlsym
 * on its handle also looks through the OpenMP runtime that it was linked with. */
static void open_library(void) {
  static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2"};
  for (int i = 0; i < 2 && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  const struct {
    int major;
  } *(*about)(void); /* the beginning of what dnnl_version returns */
  *(void **)&about = dlsym(library, "dnnl_version");
  if (about) version = about()->major;
  *(void **)&sgemm = dlsym(library, "dnnl_sgemm");
  *(void **)&omp_get_max_threads = dlsym(library, "omp_get_max_threads");
  *(void **)&omp_set_num_threads = dlsym(library, "omp_set_num_threads");
  if (!omp_get_max_threads) omp_set_num_threads = NULL;
}

void *tn__onednn_library(int major) {
  pthread_once(&once, open_library);
  return version == major ? library : NULL;
}

int tn__onednn_alone(void) {
  int threads = omp_set_num_threads ? omp_get_max_threads() : 1;
  if (threads != 1) omp_set_num_threads(1);
  return threads;
}

void tn__onednn_together(int before) {
  if (before != 1) omp_set_num_threads(before);
}

bool tn__onednn_ready(void) {
  pthread_once(&once, open_library);
  return sgemm != NULL;
}

bool tn__onednn_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                      const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                      float *c, int64_t ldc) {
  if (!tn__onednn_ready()) return false;
  int before = tn__onednn_alone();
  int status = sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  tn__onednn_together(before);
  return status == 0;
}

#endif
