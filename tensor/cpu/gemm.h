/* gemm.h -- matrix products of floats and doubles: C = alpha op(A) op(B) + beta C.
 *
 * All matrices are row-major; op(A) is m x k and op(B) is k x n, where op turns its operand if ta
 * or tb is set; lda, ldb and ldc are the distances between rows in elements. With beta 0, C is
 * only written. With alpha 0 or k 0, A and B are not read.
 *
 * Errors     0, or -1 when there is no memory for packing; then C is as it was.
 * Threads    The pool's, which may be NULL. Results of the built-in kernels do not depend on how
 *            many there are. */
#ifndef TN_CPU_GEMM_H
#define TN_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

int tn__sgemm(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
              int64_t ldc);
int tn__dgemm(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
              const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c,
              int64_t ldc);

/* `batch` products; those of the i-th start at a + i * stride_a and so on. stride_a or stride_b
 * may be 0. On error some of the results may have been written. */
int tn__sgemm_batch(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, int64_t stride_a, const float *b, int64_t ldb,
                    int64_t stride_b, float beta, float *c, int64_t ldc, int64_t stride_c,
                    int64_t batch);
int tn__dgemm_batch(tn_pool *pool, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                    const double *a, int64_t lda, int64_t stride_a, const double *b, int64_t ldb,
                    int64_t stride_b, double beta, double *c, int64_t ldc, int64_t stride_c,
                    int64_t batch);

/* For products that are run many times: the kernel that would do this one on the calling thread
 * alone, with `scratch` bytes of 64-byte aligned memory; NULL where that is not the best way. It
 * wants sizes of at least 1. `g` is a tn_gemm (isa/gemm_kernel.h), whose pointers are not read. */
struct tn_gemm;
typedef void tn_gemm_kernel(const struct tn_gemm *g, void *scratch);
tn_gemm_kernel *tn__gemm_direct(const struct tn_gemm *g, size_t item, size_t *scratch);

/* Would the built-in kernels do this product with a B that is turned, and put that in order first?
 * Then they are faster with one that has been put in order before (tn_gemm's panels). */
bool tn__gemm_packs(const struct tn_gemm *g, size_t item);
/* One product as described. 0, or -1 when there is no memory. */
int tn__gemm_run(tn_pool *pool, const struct tn_gemm *g, size_t item);

/* Who calculates. The environment variable MOONLET_BLAS=builtin|onednn|openblas asks for one,
 * for measurements; TN_BLAS_AUTO picks by size. */
enum { TN_BLAS_AUTO, TN_BLAS_BUILTIN, TN_BLAS_ONEDNN, TN_BLAS_OPENBLAS };

/* onednn.c: on this thread alone; false, and C as it was, where oneDNN is missing or declines. */
bool tn__onednn_ready(void); /* opens it at the first call */
bool tn__onednn_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                      const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                      float *c, int64_t ldc);

/* openblas.c: on this thread alone, between begin and end, which may be on another thread; false,
 * and C as it was, if a size does not fit OpenBLAS's 32-bit integers. */
bool tn__openblas_begin(void); /* opens it at the first call; false, and no end, if missing */
void tn__openblas_end(void);
void *tn__openblas_symbol(const char *name); /* a function of it; NULL where there is none */
bool tn__openblas_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
                        const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                        float *c, int64_t ldc);
bool tn__openblas_dgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                        const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                        double *c, int64_t ldc);

#endif
