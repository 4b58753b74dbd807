/* fftw.c -- FFTW's transforms, opened when first needed.
 *
 * Its planner is not safe among threads, so fft.c holds a lock around it. Plans are estimated, not
 * measured: measuring takes seconds and would overwrite memory. Its own threads are not used. */
#include "fft.h"

#ifdef TN_EMBED

void *tn__fftw_plan(size_t item, tn_fft_kind kind, bool inverse, int64_t n) {
  (void)item, (void)kind, (void)inverse, (void)n;
  return NULL;
}

void tn__fftw_free(size_t item, void *plan) {
  (void)item, (void)plan;
}

void tn__fftw_run(size_t item, tn_fft_kind kind, void *plan, const void *in, void *out) {
  (void)item, (void)kind, (void)plan, (void)in, (void)out;
}

#else

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORWARD = -1, BACKWARD = 1 }; /* fftw3.h's numbers */
enum { PRESERVE_INPUT = 1 << 4, ESTIMATE = 1 << 6 };

/* The same functions for floats and for doubles. */
typedef struct {
  bool tried;
  void *(*plan_c2c)(int n, void *in, void *out, int sign, unsigned flags);
  void *(*plan_r2c)(int n, void *in, void *out, unsigned flags);
  void *(*plan_c2r)(int n, void *in, void *out, unsigned flags);
  void (*run[3])(void *plan, void *in, void *out); /* by kind */
  void (*destroy)(void *plan);
} library;

/* Filled under fft.c's lock, by the first plan of each; constant for the life of the process
 * afterwards. */
static library libraries[2];

static void *find(void *handle, const char *prefix, const char *name) {
  char symbol[48];
  snprintf(symbol, sizeof symbol, "%s_%s", prefix, name);
  return dlsym(handle, symbol);
}

static void open_library(library *l, bool floats) {
  const char *prefix = floats ? "fftwf" : "fftw";
  static const char *const runs[3] = {"execute_dft", "execute_dft_r2c", "execute_dft_c2r"};
  l->tried = true;
  /* MOONLET_FFT=builtin is for measurements, and for tests of the built-in transforms. */
  const char *wish = getenv("MOONLET_FFT");
  if (wish != NULL && strcmp(wish, "builtin") == 0) return;
  void *handle = dlopen(floats ? "libfftw3f.so.3" : "libfftw3.so.3", RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) return;
  *(void **)&l->plan_c2c = find(handle, prefix, "plan_dft_1d");
  *(void **)&l->plan_r2c = find(handle, prefix, "plan_dft_r2c_1d");
  *(void **)&l->plan_c2r = find(handle, prefix, "plan_dft_c2r_1d");
  *(void **)&l->destroy = find(handle, prefix, "destroy_plan");
  bool all = l->plan_c2c && l->plan_r2c && l->plan_c2r && l->destroy;
  for (int k = 0; k < 3; k++) {
    *(void **)&l->run[k] = find(handle, prefix, runs[k]);
    all = all && l->run[k];
  }
  if (!all) l->plan_c2c = NULL;
}

static library *library_of(size_t item) { return &libraries[item == sizeof(double)]; }

/* The planner looks at where arrays begin and whether they are the same, not at their values. All
 * that are transformed later must begin at multiples of 64 too: plans for any place make no use of
 * vector instructions, and are four times as slow. */
void *tn__fftw_plan(size_t item, tn_fft_kind kind, bool inverse, int64_t n) {
  library *l = library_of(item);
  const unsigned flags = ESTIMATE | PRESERVE_INPUT;
  if (!l->tried) open_library(l, item == sizeof(float));
  if (l->plan_c2c == NULL || n > INT_MAX / 4) return NULL;
  void *in = NULL, *out = NULL;
  const size_t bytes = (size_t)(n + 2) * 2 * item;
  void *plan = NULL;
  if (posix_memalign(&in, 64, bytes) != 0) return NULL;
  if (posix_memalign(&out, 64, bytes) == 0) {
    if (kind == TN_FFT_C2C) {
      plan = l->plan_c2c((int)n, in, out, inverse ? BACKWARD : FORWARD, flags);
    } else {
      plan = (kind == TN_FFT_R2C ? l->plan_r2c : l->plan_c2r)((int)n, in, out, flags);
    }
    free(out);
  }
  free(in);
  return plan;
}

void tn__fftw_free(size_t item, void *plan) { library_of(item)->destroy(plan); }

void tn__fftw_run(size_t item, tn_fft_kind kind, void *plan, const void *in, void *out) {
  library_of(item)->run[kind](plan, (void *)in, out);
}

#endif
