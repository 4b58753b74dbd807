/* sgemm_direct.c -- what a library's own sgemm does, called from C: the bar for torch.mm.
 *
 *   sgemm_direct onednn|openblas seconds
 *
 * Prints `case best median`, nanoseconds per call, cases and timing being those of calls.lua. One
 * library per process: two thread pools would keep the cores from each other. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*onednn_sgemm)(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t,
                            const float *, int64_t, float, float *, int64_t);
typedef void (*openblas_sgemm)(int, int, int, int, int, int, float, const float *, int,
                               const float *, int, float, float *, int);

enum { ROW_MAJOR = 101, NO_TRANS = 111, MAX_SAMPLES = 4096 };

static onednn_sgemm onednn;
static openblas_sgemm openblas;

static void *find(const char *const *libraries, const char *symbol) {
  for (; *libraries; libraries++) {
    void *library = dlopen(*libraries, RTLD_NOW);
    if (library) return dlsym(library, symbol);
  }
  return NULL;
}

static int open_library(const char *name) {
  static const char *const dnnl[] = {"libdnnl.so.3", "libdnnl.so.2", NULL};
  static const char *const blas[] = {"libopenblas.so.0", "libopenblas.so", NULL};
  void *f = NULL;
  if (strcmp(name, "onednn") == 0) {
    f = find(dnnl, "dnnl_sgemm");
    memcpy(&onednn, &f, sizeof f); /* ISO C has no cast from object to function pointer */
  } else if (strcmp(name, "openblas") == 0) {
    f = find(blas, "cblas_sgemm");
    memcpy(&openblas, &f, sizeof f);
  }
  return f != NULL;
}

/* c (m, n) = a (m, k) * b (k, n), all by rows. */
static void multiply(int m, int n, int k, const float *a, const float *b, float *c) {
  if (onednn)
    onednn('N', 'N', m, n, k, 1.0f, a, k, b, n, 0.0f, c, n);
  else
    openblas(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1.0f, a, k, b, n, 0.0f, c, n);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static float *noise(size_t count) {
  float *x = malloc(count * sizeof *x);
  if (!x) exit(1);
  for (size_t i = 0; i < count; i++) x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  return x;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(const char *name, int m, int n, int k, double seconds) {
  static double samples[MAX_SAMPLES];
  float *a = noise((size_t)m * (size_t)k), *b = noise((size_t)k * (size_t)n);
  float *c = noise((size_t)m * (size_t)n);
  int repeat = 1, count = 0;
  double took = 0, end;
  /* Samples of at least 5 ms each. */
  while (took < 0.005) {
    repeat *= 2;
    double start = now();
    for (int i = 0; i < repeat; i++) multiply(m, n, k, a, b, c);
    took = now() - start;
  }
  end = now() + seconds;
  while ((now() < end || count < 5) && count < MAX_SAMPLES) {
    double start = now();
    for (int i = 0; i < repeat; i++) multiply(m, n, k, a, b, c);
    samples[count++] = (now() - start) / repeat * 1e9;
  }
  qsort(samples, (size_t)count, sizeof *samples, by_size);
  printf("%s %.1f %.1f\n", name, samples[0], samples[count / 2]);
  free(a);
  free(b);
  free(c);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: sgemm_direct onednn|openblas seconds\n");
    return 2;
  }
  if (!open_library(argv[1])) {
    fprintf(stderr, "sgemm_direct: no %s here\n", argv[1]);
    return 1;
  }
  double seconds = atof(argv[2]);
  measure("mm_32x128x784", 32, 128, 784, seconds);
  measure("mm_256", 256, 256, 256, seconds);
  measure("mm_1024", 1024, 1024, 1024, seconds);
  return 0;
}
