/* fft.h -- discrete Fourier transforms of many lines, by FFTW where it is present, else built-in.
 *
 * Errors     0, or -1 when there is no memory; then some of the results may have been written.
 * Threads    The pool's. Plans are kept, behind a lock, until tn__fft_forget. */
#ifndef TN_CPU_FFT_H
#define TN_CPU_FFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/internal.h"

/* Complex to complex; real to the first n / 2 + 1 complex numbers, forward; those, as half of a
 * symmetric whole, to n real ones, backward. */
typedef enum { TN_FFT_C2C, TN_FFT_R2C, TN_FFT_C2R } tn_fft_kind;

/* out[k] = scale * sum over j of in[j] exp(-+ 2 pi i j k / n), along the middle of (outer, n,
 * inner); complex numbers are pairs. `item` is 4 for floats, 8 for doubles. */
typedef struct {
  tn_fft_kind kind;
  bool inverse; /* of TN_FFT_C2C */
  size_t item;
  int64_t n, outer, inner;
  double scale;
  const void *in;
  void *out;
  tn_allocator *memory; /* for lines; NULL: the system's */
} tn_fft;

int tn__fft(tn_pool *pool, const tn_fft *job);
void tn__fft_forget(void); /* frees the plans; no transform may be under way */

/* fftw.c: a plan for lines of n, or NULL where FFTW is missing. Calls must not overlap, but those
 * of tn__fftw_run may. */
void *tn__fftw_plan(size_t item, tn_fft_kind kind, bool inverse, int64_t n);
void tn__fftw_free(size_t item, void *plan);
void tn__fftw_run(size_t item, tn_fft_kind kind, void *plan, const void *in, void *out);

/* fft_builtin.c: the same, with room for scratch[n] complex numbers. */
typedef struct tn_fft_tables tn_fft_tables;
tn_fft_tables *tn__fft_tables_new(size_t item, int64_t n); /* NULL: no memory */
void tn__fft_tables_free(tn_fft_tables *t);                /* accepts NULL */
int64_t tn__fft_scratch(const tn_fft_tables *t);
void tn__fft_line(const tn_fft_tables *t, tn_fft_kind kind, bool inverse, const void *in, void *out,
                  void *scratch);

#endif
