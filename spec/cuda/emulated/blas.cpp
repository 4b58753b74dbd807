/* blas.cpp -- what cuda/lib/blas.h promises, by loops: as strict with its arguments as the library
 * and as sparing with what it reads, so that the way matrices are described to it is tested. */
#include "cuda/lib/blas.h"

#include <stdio.h>
#include <stdlib.h>

#include "cuda/elements.cuh"

namespace {

void demand(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "emulated cuBLASLt: %s\n", what);
  abort();
}

double rectified(double x) { return x > 0 ? x : 0; }
double gelu(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

/* T: what sums are made in. */
template <typename T> void multiply(const tn_blas_product &p, int64_t batch) {
  for (int64_t column = 0; column < p.n; column++) {
    for (int64_t row = 0; row < p.m; row++) {
      T sum = 0;
      for (int64_t k = 0; k < p.k; k++) {
        const int64_t a = batch * p.step_a + (p.transposed_a ? k + row * p.lda : row + k * p.lda);
        const int64_t b =
            batch * p.step_b + (p.transposed_b ? column + k * p.ldb : k + column * p.ldb);
        sum += load<T>(p.a, p.dtype, a) * load<T>(p.b, p.dtype, b);
      }
      T value = (T)p.alpha * sum;
      if (p.beta != 0) {
        value += (T)p.beta * load<T>(p.c, p.dtype, batch * p.step_c + row + column * p.ldc);
      }
      if (p.bias != NULL) value += load<T>(p.bias, p.dtype, row);
      if (p.end == TN_BLAS_RELU) value = (T)rectified((double)value);
      if (p.end == TN_BLAS_GELU) value = (T)gelu((double)value);
      store<T>(p.d, p.dtype, batch * p.step_d + row + column * p.ldd, value);
    }
  }
}

}  // namespace

extern "C" bool tn_cuda_blas_is_there(void) { return true; }

extern "C" tn_status tn_cuda_blas(const tn_blas_product *p) {
  demand(p->m > 0 && p->n > 0 && p->k > 0 && p->batch > 0, "a size is not above 0");
  demand(p->dtype >= TN_F16, "integers");
  demand(p->lda >= (p->transposed_a ? p->k : p->m), "lda is too small");
  demand(p->ldb >= (p->transposed_b ? p->n : p->k), "ldb is too small");
  demand(p->ldc >= p->m && p->ldd >= p->m, "ldc or ldd is too small");
  demand(p->batch == 1 || p->step_d >= p->n * p->ldd, "matrices of the result overlap");
  demand(p->c != p->d || (p->ldc == p->ldd && p->step_c == p->step_d), "C is D elsewhere");
  demand(p->bias == NULL || p->batch == 1, "a bias of a batch");
  if (p->dtype == TN_F64 && p->bias != NULL) return TN_DECLINED; /* so that this is tested, too */
  const tn_blas_product x = *p;
  return tn_cuda_check(emulated_work(tn_cuda_stream(), [x] {
    device_memory open;
    for (int64_t i = 0; i < x.batch; i++) {
      if (x.dtype == TN_F64) multiply<double>(x, i);
      else multiply<float>(x, i);
    }
    return cudaSuccess;
  }));
}
