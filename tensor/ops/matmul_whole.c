/* matmul_whole.c -- products of matrices of integers, which wrap around where they overflow. */
#include "tensor/ops/matmul.h"

#include <math.h>

bool tn__is_whole_product(tn_dtype dtype, double alpha, double beta) {
  const double most = 9e18;
  return !tn_dtype_is_float(dtype) && fabs(alpha) < most && fabs(beta) < most &&
         alpha == floor(alpha) && beta == floor(beta);
}

/* Unsigned, because there overflow is defined. */
typedef struct {
  uint64_t *out;
  const uint64_t *a, *b;
  int64_t m, n, k;
  uint64_t alpha, beta;
} job;

/* Rows of all matrices of the batch. */
static void multiply_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t r = begin; r < end; r++) {
    uint64_t *out = j->out + r * j->n;
    const uint64_t *a = j->a + r * j->k, *b = j->b + r / j->m * (j->k * j->n);
    for (int64_t c = 0; c < j->n; c++) out[c] = j->beta == 0 ? 0 : out[c] * j->beta;
    for (int64_t i = 0; i < j->k; i++) {
      uint64_t factor = a[i] * j->alpha;
      for (int64_t c = 0; c < j->n; c++) out[c] += factor * b[i * j->n + c];
    }
  }
}

tn_status tn__whole_product(tn_ctx *ctx, tn_tensor *out, tn_tensor *a, tn_tensor *b, int64_t m,
                            int64_t n, int64_t k, double alpha, double beta, int64_t batch) {
  tn_tensor *wa = NULL, *wb = NULL, *to = NULL;
  tn_status s = tn__contiguous_of(ctx, &wa, a, TN_I64);
  if (s == TN_OK) s = tn__contiguous_of(ctx, &wb, b, TN_I64);
  if (s == TN_OK && out->dtype == TN_I64 && tn__contiguous(out)) to = tn_tensor_retain(out);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &to, TN_I64, out->ndim, out->sizes);
  if (s == TN_OK && to != out && beta != 0) s = tn__copy_view(ctx, to, out);
  if (s == TN_OK) {
    job j = {(uint64_t *)tn__data(to), (uint64_t *)tn__data(wa), (uint64_t *)tn__data(wb), m, n, k,
             (uint64_t)(int64_t)alpha, (uint64_t)(int64_t)beta};
    tn__pool_run(ctx->pool, batch * m, TN_GRAIN / (n * k + 1) + 1, multiply_rows, &j);
    if (to != out) s = tn__copy_view(ctx, out, to);
  }
  tn_tensor_release(wa);
  tn_tensor_release(wb);
  tn_tensor_release(to);
  return s;
}
