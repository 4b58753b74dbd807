/* gemm_kernel.h -- what gemm.c asks of the kernels of one instruction set. */
#ifndef TN_CPU_ISA_GEMM_KERNEL_H
#define TN_CPU_ISA_GEMM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../isa.h"

/* C = alpha op(A) op(B) + beta C, all row-major, op(A) m x k, op(B) k x n. The element type is
 * the function's. Sizes are at least 1 and alpha is not 0: gemm.c sees to the rest. */
typedef struct tn_gemm {
  bool ta, tb;
  int64_t m, n, k;
  double alpha, beta; /* for floats these hold floats */
  const void *a, *b;
  void *c;
  int64_t lda, ldb, ldc;
  const void *panels; /* op(B) as tn__gemm_pack made it, besides b itself; or NULL */
  const void *bias;   /* with panels: n elements for each row in place of beta C; or NULL */
} tn_gemm;

/* The elements of op(B) in the order in which the kernels read it, and that order: n x k of a B that
 * is turned (tb), in panels, each of whole vectors. A part of C begins with a whole panel where its
 * first column is a multiple of TN_GEMM_PANEL. */
enum { TN_GEMM_PANEL = 32 };
TN_ISA_DECLARE(int64_t, tn__gemm_packed_f32, (int64_t n, int64_t k))
TN_ISA_DECLARE(int64_t, tn__gemm_packed_f64, (int64_t n, int64_t k))
TN_ISA_DECLARE(void, tn__gemm_pack_f32, (int64_t n, int64_t k, const void *b, int64_t ldb, void *to))
TN_ISA_DECLARE(void, tn__gemm_pack_f64, (int64_t n, int64_t k, const void *b, int64_t ldb, void *to))

/* Bytes of 64-byte aligned scratch memory that the product needs; may be 0. */
TN_ISA_DECLARE(size_t, tn__gemm_scratch_f32, (const tn_gemm *g))
TN_ISA_DECLARE(size_t, tn__gemm_scratch_f64, (const tn_gemm *g))

/* The product, on this thread. */
TN_ISA_DECLARE(void, tn__gemm_f32, (const tn_gemm *g, void *scratch))
TN_ISA_DECLARE(void, tn__gemm_f64, (const tn_gemm *g, void *scratch))

#endif
