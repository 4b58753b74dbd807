/* blas.h -- products of matrices by cuBLASLt. */
#ifndef TN_CUDA_BLAS_H
#define TN_CUDA_BLAS_H

#include "cuda/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { TN_BLAS_AS_IS, TN_BLAS_RELU, TN_BLAS_GELU } tn_blas_end;

/* D = end(alpha op(A) op(B) + beta C + bias), `batch` times, as cuBLAS sees matrices: stored by
 * columns, which lie ld elements apart, and the matrices of a batch `step` apart (0: all the same
 * one). op(A) is m x k: A has k columns of m elements, or m of k where it is transposed. op(B) is
 * k x n. C and D have n columns of m elements; C may be D where both have one ld and one step, and is
 * not read where beta is 0. The bias has an element for each row of D, so m of them one beside the
 * other; it goes with a batch of 1 only. */
typedef struct {
  int device;
  tn_dtype dtype; /* of all of them: float32, float64, float16 or bfloat16; the latter two are
                     multiplied and summed in float32 */
  bool tf32;      /* float32 may be rounded to 10 bits of fraction before it is multiplied */
  bool transposed_a, transposed_b;
  int64_t m, n, k, batch; /* all above 0 */
  const void *a, *b, *c;
  void *d;
  int64_t lda, ldb, ldc, ldd, step_a, step_b, step_c, step_d;
  double alpha, beta;
  const void *bias; /* or NULL */
  tn_blas_end end;
} tn_blas_product;

bool tn_cuda_blas_is_there(void); /* can the library be had? */
/* TN_DECLINED: it cannot, or has no way to do this. */
tn_status tn_cuda_blas(const tn_blas_product *p);

#ifdef __cplusplus
}
#endif
#endif
