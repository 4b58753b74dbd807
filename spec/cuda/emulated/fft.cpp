/* fft.cpp -- what cuda/lib/fft.h promises, by the sums that define it. */
#include "cuda/lib/fft.h"

#include <stdio.h>
#include <stdlib.h>

#include <complex>
#include <vector>

namespace {

typedef std::complex<double> number;

void demand(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "emulated cuFFT: %s\n", what);
  abort();
}

template <typename T> struct lines_of {
  T *data;
  int64_t stride, line;

  number complex(int64_t b, int64_t j) const {
    const T *at = data + 2 * (b * line + j * stride);
    return number((double)at[0], (double)at[1]);
  }
  void set(int64_t b, int64_t j, number x) const {
    T *at = data + 2 * (b * line + j * stride);
    at[0] = (T)x.real();
    at[1] = (T)x.imag();
  }
  T &real(int64_t b, int64_t j) const { return data[b * line + j * stride]; }
};

template <typename T> void transform(const tn_cuda_fft_lines &f) {
  const lines_of<T> in = {(T *)f.in, f.in_stride, f.in_line};
  const lines_of<T> out = {(T *)f.out, f.out_stride, f.out_line};
  const int64_t n = f.n, half = n / 2 + 1;
  const bool backward = f.kind == TN_CUDA_C2R || f.inverse;
  std::vector<number> x(n), turns(n);
  for (int64_t k = 0; k < n; k++) {
    turns[k] = std::polar(1.0, (backward ? 2 : -2) * M_PI * (double)k / (double)n);
  }
  for (int64_t b = 0; b < f.lines; b++) {
    for (int64_t j = 0; j < n; j++) {
      if (f.kind == TN_CUDA_R2C) x[j] = (double)in.real(b, j);
      else if (f.kind == TN_CUDA_C2C || j < half) x[j] = in.complex(b, j);
      else x[j] = std::conj(in.complex(b, n - j));
    }
    if (f.kind == TN_CUDA_C2R) {
      demand(x[0].imag() == 0 && (n % 2 == 1 || x[n / 2].imag() == 0), "not a real signal");
      for (int64_t j = 0; j < half; j++) in.set(b, j, number(NAN, NAN)); /* as it may do */
    }
    for (int64_t k = 0; k < (f.kind == TN_CUDA_R2C ? half : n); k++) {
      number sum = 0;
      for (int64_t j = 0; j < n; j++) sum += x[j] * turns[j * k % n];
      if (f.kind == TN_CUDA_C2R) out.real(b, k) = (T)sum.real();
      else out.set(b, k, sum);
    }
  }
}

}  // namespace

extern "C" bool tn_cuda_fft_is_there(void) { return true; }

extern "C" tn_status tn_cuda_fft(const tn_cuda_fft_lines *f) {
  const uintptr_t pair = f->wide ? 16 : 8;
  demand(f->n > 0 && f->lines > 0, "no elements");
  demand(f->in != f->out, "not in place");
  demand((uintptr_t)f->in % pair == 0 && (uintptr_t)f->out % pair == 0, "not aligned");
  return tn_cuda_check(emulated_work(tn_cuda_stream(), [lines = *f] {
    device_memory open;
    if (lines.wide) transform<double>(lines);
    else transform<float>(lines);
    return cudaSuccess;
  }));
}
