/* fft_test.c -- the built-in Fourier transforms against the definition, for every kind of size. */
#include "tensor/cpu/fft.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double wave(int64_t k) { return sin(1.7 * (double)k * (double)k + 0.3); }

/* The greatest difference from the definition, of a complex transform. */
static double difference(size_t item, int64_t n, bool inverse) {
  tn_fft_tables *t = tn__fft_tables_new(item, n);
  char *in = calloc((size_t)n, 2 * item), *out = calloc((size_t)n, 2 * item);
  void *scratch = calloc((size_t)tn__fft_scratch(t), 2 * item);
  double most = 0;
  for (int64_t k = 0; k < 2 * n; k++) {
    if (item == sizeof(float)) ((float *)in)[k] = (float)wave(k);
    else ((double *)in)[k] = wave(k);
  }
  tn__fft_line(t, TN_FFT_C2C, inverse, in, out, scratch);
  for (int64_t k = 0; k < n; k++) {
    double re = 0, im = 0;
    for (int64_t j = 0; j < n; j++) {
      const double angle = (inverse ? 2 : -2) * 3.14159265358979323846 *
                           (double)(j * k % n) / (double)n;
      re += wave(2 * j) * cos(angle) - wave(2 * j + 1) * sin(angle);
      im += wave(2 * j) * sin(angle) + wave(2 * j + 1) * cos(angle);
    }
    const double got_re = item == sizeof(float) ? ((float *)out)[2 * k] : ((double *)out)[2 * k];
    const double got_im =
        item == sizeof(float) ? ((float *)out)[2 * k + 1] : ((double *)out)[2 * k + 1];
    most = fmax(most, fmax(fabs(got_re - re), fabs(got_im - im)));
  }
  tn__fft_tables_free(t);
  free(in);
  free(out);
  free(scratch);
  return most;
}

/* Real to complex and back gives n times what there was. */
static double round_trip(size_t item, int64_t n) {
  tn_fft_tables *t = tn__fft_tables_new(item, n);
  char *x = calloc((size_t)n, item), *back = calloc((size_t)n, item);
  char *half = calloc((size_t)n / 2 + 1, 2 * item);
  void *scratch = calloc((size_t)tn__fft_scratch(t), 2 * item);
  double most = 0;
  for (int64_t k = 0; k < n; k++) {
    if (item == sizeof(float)) ((float *)x)[k] = (float)wave(k);
    else ((double *)x)[k] = wave(k);
  }
  tn__fft_line(t, TN_FFT_R2C, false, x, half, scratch);
  tn__fft_line(t, TN_FFT_C2R, true, half, back, scratch);
  for (int64_t k = 0; k < n; k++) {
    const double got = item == sizeof(float) ? ((float *)back)[k] : ((double *)back)[k];
    most = fmax(most, fabs(got / (double)n - wave(k)));
  }
  tn__fft_tables_free(t);
  free(x);
  free(back);
  free(half);
  free(scratch);
  return most;
}

int main(void) {
  static const int64_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,   11,  12,  13, 14,
                                  15, 16, 17, 19, 25, 30, 32, 34, 49,  64,  77,  96, 97,
                                  100, 121, 128, 169, 210, 211, 243, 256, 289, 500, 512};
  int bad = 0;
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    const int64_t n = sizes[k];
    double f = fmax(difference(4, n, false), difference(4, n, true));
    double d = fmax(difference(8, n, false), difference(8, n, true));
    f = fmax(f, round_trip(4, n));
    d = fmax(d, round_trip(8, n));
    const bool good = f < 2e-6 * (double)(n + 8) && d < 4e-15 * (double)(n + 8);
    printf("%s - a transform of %lld: %.2g for floats, %.2g for doubles\n", good ? "ok" : "not ok",
           (long long)n, f, d);
    bad += !good;
  }
  return bad != 0;
}
