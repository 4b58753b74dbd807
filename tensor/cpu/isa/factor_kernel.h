/* factor_kernel.h -- what lapack.c asks of the kernels of one instruction set. Matrices are
 * row-major and without gaps. */
#ifndef TN_CPU_ISA_FACTOR_KERNEL_H
#define TN_CPU_ISA_FACTOR_KERNEL_H

#include <stdint.h>

#include "tensor/cpu/isa.h"

enum { TN_FACTOR_MEMORY = -1 };

/* A = U'U of a symmetric matrix of n rows, whose upper triangle is read and becomes U. Returns 0;
 * k > 0: the leading minor of order k is not positive; or TN_FACTOR_MEMORY. */
TN_ISA_DECLARE(int, tn__cholesky_f32, (int64_t n, void *a))
TN_ISA_DECLARE(int, tn__cholesky_f64, (int64_t n, void *a))

/* x becomes the inverse of a, n x n, which is overwritten. Returns 0; k > 0: pivot k is zero; or
 * TN_FACTOR_MEMORY. */
TN_ISA_DECLARE(int, tn__inverse_f32, (int64_t n, void *a, void *x))
TN_ISA_DECLARE(int, tn__inverse_f64, (int64_t n, void *a, void *x))

#endif
