/* onednn_matmul.h -- large products of bfloat16 matrices by oneDNN, on our pool's threads. */
#ifndef TN_CPU_ONEDNN_MATMUL_H
#define TN_CPU_ONEDNN_MATMUL_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

/* C = op(A) op(B), or C + op(A) op(B), `batch` times; sizes as in gemm.h, the i-th matrices begin
 * at a + i * stride_a and so on. Sums are of floats, rounded once at the end. */
typedef struct {
  bool ta, tb, add;
  int64_t m, n, k, lda, ldb, ldc;
  int64_t stride_a, stride_b, stride_c, batch;
  const uint16_t *a, *b;
  uint16_t *c;
} tn_onednn_matmul;

/* Would oneDNN be worth its overhead? Asks neither for the library nor for instructions. */
bool tn__onednn_matmul_pays(int64_t m, int64_t n, int64_t k, int64_t batch);
/* 1; 0, and C as it was, where oneDNN is missing, of another version, or has no fast code; -1 where
 * there is no memory. */
int tn__onednn_matmul(tn_pool *pool, const tn_onednn_matmul *g);

#endif
