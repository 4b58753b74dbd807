/* lapack.h -- factorisations of one matrix: LAPACK where OpenBLAS is found, else routines of our
 * own (lapack_builtin.c), which calculate in double only. Cholesky's factors and inverses are our
 * own everywhere (isa/factor_kernel.c).
 *
 * Layout     All matrices are stored by columns without gaps, as LAPACK has them. `wide`: of
 *            double, else of float. Pivots count from 1.
 * Errors     Each function returns 0; or a number from 1 on that the function explains; or
 *            TN_LAPACK_MEMORY; or TN_LAPACK_SIZE where LAPACK's 32-bit numbers do not suffice.
 * Threads    All but tn__lapack_type run on the calling thread alone, between begin and end, which
 *            may be on another thread. */
#ifndef TN_CPU_LAPACK_H
#define TN_CPU_LAPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

enum { TN_LAPACK_MEMORY = -1000, TN_LAPACK_SIZE = -1001 };

/* The type in which a matrix of `dtype` is calculated here. The first call opens OpenBLAS. */
tn_dtype tn__lapack_type(tn_dtype dtype);
void tn__lapack_begin(void);
void tn__lapack_end(void);

/* A = P L U, (m x n). k > 0: pivot k is zero; the factors are complete nevertheless. */
int tn__lapack_lu(bool wide, int64_t m, int64_t n, void *a, int32_t *pivots);
/* B (n x right) becomes X of A X = B, or A' X = B. */
int tn__lapack_lu_solve(bool wide, bool transposed, int64_t n, int64_t right, const void *lu,
                        const int32_t *pivots, void *b);
/* X (n x n) becomes the inverse of A, which is overwritten. k > 0: pivot k is zero. */
int tn__lapack_inverse(bool wide, int64_t n, void *a, void *x);
/* A = U'U (upper) or L L', in that triangle of A. k > 0: the leading minor of order k is not
 * positive. */
int tn__lapack_cholesky(bool wide, bool upper, int64_t n, void *a);
/* The same with pivots: P'A P = U'U. *rank: how many rows or columns of it are calculated. */
int tn__lapack_cholesky_pivots(bool wide, bool upper, int64_t n, void *a, int32_t *pivots,
                               int32_t *rank);
/* B (n x right) becomes X of A X = B or A'X = B, A a triangle; unit: its diagonal counts as 1.
 * k > 0: element k of the diagonal is zero. */
int tn__lapack_triangle(bool wide, bool upper, bool transposed, bool unit, int64_t n,
                        int64_t right, const void *a, void *b);
/* A (m x n) = Q R: R in the upper triangle, the reflectors that make Q below it and in tau. */
int tn__lapack_qr(bool wide, int64_t m, int64_t n, void *a, void *tau);
/* A (m x n, n <= m) becomes the first n columns of the Q that `count` reflectors in it make. */
int tn__lapack_q(bool wide, int64_t m, int64_t n, int64_t count, void *a, const void *tau);
/* C (m x n) becomes Q C, Q'C, or with `right` C Q, C Q'; the reflectors in `a` have m elements, or
 * with `right` n. */
int tn__lapack_apply_q(bool wide, bool right, bool transposed, int64_t m, int64_t n, int64_t count,
                       const void *a, const void *tau, void *c);
/* Eigenvalues of a symmetric matrix, of which one triangle is read, ascending; and its eigenvectors
 * in A's columns. k > 0: no convergence. */
int tn__lapack_symmetric(bool wide, bool vectors, bool upper, int64_t n, void *a, void *values);
/* A (m x n) = U S V': of U the first `columns` columns and of V' as many rows, where `columns` is 0
 * (none), min(m, n), or m and n ('full'). A is overwritten. k > 0: no convergence. */
int tn__lapack_svd(bool wide, bool vectors, bool full, int64_t m, int64_t n, void *a, void *s,
                   void *u, void *vt);
/* Eigenvalues of any square matrix; eigenvectors to the right in the columns of `vectors`, or NULL:
 * a pair of conjugate ones as two columns, real and imaginary part. k > 0: no convergence. */
int tn__lapack_eigen(bool wide, int64_t n, void *a, void *real, void *imaginary, void *vectors);

/* lapack_builtin.c: the same in double, on a machine without OpenBLAS. */
int tn__builtin_lu(int64_t m, int64_t n, double *a, int32_t *pivots);
void tn__builtin_lu_solve(bool transposed, int64_t n, int64_t right, const double *lu,
                          const int32_t *pivots, double *b);
int tn__builtin_cholesky_pivots(bool upper, int64_t n, double *a, int32_t *pivots, int32_t *rank);
int tn__builtin_triangle(bool upper, bool transposed, bool unit, int64_t n, int64_t right,
                         const double *a, double *b);
int tn__builtin_qr(int64_t m, int64_t n, double *a, double *tau);
int tn__builtin_q(int64_t m, int64_t n, int64_t count, double *a, const double *tau);
int tn__builtin_apply_q(bool right, bool transposed, int64_t m, int64_t n, int64_t count,
                        const double *a, const double *tau, double *c);
/* lapack_eigen.c */
int tn__builtin_symmetric(bool vectors, bool upper, int64_t n, double *a, double *values);
int tn__builtin_svd(bool vectors, bool full, int64_t m, int64_t n, double *a, double *s, double *u,
                    double *vt);
/* lapack_schur.c */
int tn__builtin_eigen(int64_t n, double *a, double *real, double *imaginary, double *vectors);

#endif
