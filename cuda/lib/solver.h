/* solver.h -- factors of matrices by cuSOLVER.
 *
 * Matrices are stored by columns without gaps, of float or, where `wide`, double. Each function
 * does one matrix, with LAPACK's meaning of its arguments and in the order of the thread's stream;
 * *info is on the device, and 0 unless the routine fails. A caller asks first whether the library
 * is there. */
#ifndef TN_CUDA_SOLVER_H
#define TN_CUDA_SOLVER_H

#include "cuda/device.h"

#ifdef __cplusplus
extern "C" {
#endif

bool tn_solver_is_there(void);

/* LU factors of an m x n matrix in its place, with min(m, n) pivots, counted from 1. */
tn_status tn_solver_lu(int device, bool wide, int64_t m, int64_t n, void *a, int64_t *pivots,
                       int *info);
/* The Cholesky factor of the upper or lower triangle in its place; the other one is left. */
tn_status tn_solver_cholesky(int device, bool wide, bool upper, int64_t n, void *a, int *info);
/* R above, reflectors below the diagonal, and min(m, n) factors of theirs. */
tn_status tn_solver_qr(int device, bool wide, int64_t m, int64_t n, void *a, void *tau, int *info);
/* Eigenvalues, ascending, of a symmetric matrix of which one triangle counts; a becomes its
 * eigenvectors, or nothing of use without them. */
tn_status tn_solver_symmetric(int device, bool wide, bool vectors, bool upper, int64_t n, void *a,
                              void *w, int *info);
/* Singular values, descending, of a matrix with m >= n, which is lost. u: m x n, or m x m where all
 * are wanted; vt: n x n, V'. Both NULL: values only. */
tn_status tn_solver_svd(int device, bool wide, bool all, int64_t m, int64_t n, void *a, void *s,
                        void *u, void *vt, int *info);

#ifdef __cplusplus
}
#endif
#endif
