/* fft.h -- Fourier transforms of many lines by cuFFT. */
#ifndef TN_CUDA_FFT_H
#define TN_CUDA_FFT_H

#include "cuda/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { TN_CUDA_C2C, TN_CUDA_R2C, TN_CUDA_C2R } tn_cuda_fft_kind;

/* out[k] = sum over j of in[j] exp(-+ 2 pi i j k / n), of lines whose elements lie `stride` apart,
 * and which lie `line` apart; both are counted in elements of the kind that lies there, complex or
 * real. Of C2C n complex numbers become n, with the other sign where it is inverse; of R2C n real
 * ones the first n / 2 + 1 complex; of C2R these n real ones, with the sign of an inverse, and the
 * input may be written over. Its imaginary parts that stand for themselves must be 0. No factor is
 * applied. Complex numbers are aligned to their size, and lines do not overlap. */
typedef struct {
  int device;
  tn_cuda_fft_kind kind;
  bool wide; /* float64 */
  bool inverse;
  int64_t n, lines;
  int64_t in_stride, in_line, out_stride, out_line;
  void *in, *out;
} tn_cuda_fft_lines;

bool tn_cuda_fft_is_there(void);
tn_status tn_cuda_fft(const tn_cuda_fft_lines *f);

#ifdef __cplusplus
}
#endif
#endif
