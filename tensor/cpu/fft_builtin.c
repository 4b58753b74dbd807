/* fft_builtin.c -- Fourier transforms without a library: what the embedded build has, and where
 * FFTW is missing. Any size takes O(n log n). */
#include "fft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
enum { MOST_RADIX = 13, MOST_PASSES = 64 };

struct tn_fft_tables {
  size_t item;
  int64_t n, size; /* of a line, and of the passes: the same unless there is a chirp */
  int count;
  int64_t radix[MOST_PASSES];
  void *roots, *chirp, *spectrum; /* one block, at roots */
};

#define REAL float
#define FN(name) name##_f32
#include "fft_real.h"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "fft_real.h"
#undef REAL
#undef FN

/* Into radices 4, 2 and primes up to MOST_RADIX; false where there is a greater one. */
static bool factorize(tn_fft_tables *t, int64_t n) {
  t->count = 0;
  for (int64_t r = 4; n > 1;) {
    if (n % r == 0) {
      t->radix[t->count++] = r;
      n /= r;
    } else {
      r = r == 4 ? 2 : r == 2 ? 3 : r + 2;
      if (r > MOST_RADIX) return false;
    }
  }
  return true;
}

static int64_t power_of_two(int64_t least) {
  int64_t n = 1;
  while (n < least) n *= 2;
  return n;
}

tn_fft_tables *tn__fft_tables_new(size_t item, int64_t n) {
  tn_fft_tables *t = calloc(1, sizeof *t);
  if (t == NULL) return NULL;
  t->item = item;
  t->n = t->size = n;
  const bool smooth = factorize(t, n);
  if (!smooth) {
    t->size = power_of_two(2 * n - 1);
    factorize(t, t->size);
  }
  const size_t each = 2 * item, count = (size_t)t->size;
  t->roots = malloc((smooth ? count : 4 * count + (size_t)n) * each);
  if (t->roots == NULL) {
    free(t);
    return NULL;
  }
  if (item == sizeof(float)) fill_roots_f32(t->roots, t->size);
  else fill_roots_f64(t->roots, t->size);
  if (smooth) return t;
  t->spectrum = (char *)t->roots + count * each;
  void *scratch = (char *)t->roots + 2 * count * each;
  t->chirp = (char *)t->roots + 4 * count * each;
  if (item == sizeof(float)) fill_chirp_f32(t, scratch);
  else fill_chirp_f64(t, scratch);
  return t;
}

void tn__fft_tables_free(tn_fft_tables *t) {
  if (t == NULL) return;
  free(t->roots);
  free(t);
}

int64_t tn__fft_scratch(const tn_fft_tables *t) { return 2 * t->size; }

void tn__fft_line(const tn_fft_tables *t, tn_fft_kind kind, bool inverse, const void *in, void *out,
                  void *scratch) {
  if (t->item == sizeof(float)) line_f32(t, kind, inverse, in, out, scratch);
  else line_f64(t, kind, inverse, in, out, scratch);
}
