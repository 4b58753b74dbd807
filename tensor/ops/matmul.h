/* matmul.h -- products of matrices of whole numbers. */
#ifndef TN_OPS_MATMUL_H
#define TN_OPS_MATMUL_H

#include "tensor/internal.h"

/* Integers, times factors that are whole? */
bool tn__is_whole_product(tn_dtype dtype, double alpha, double beta);
/* out = alpha a b + beta out, `batch` times, modulo 2^64, and then modulo what out can hold. */
tn_status tn__whole_product(tn_ctx *ctx, tn_tensor *out, tn_tensor *a, tn_tensor *b, int64_t m,
                            int64_t n, int64_t k, double alpha, double beta, int64_t batch);

#endif
