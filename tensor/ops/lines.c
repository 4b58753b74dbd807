/* lines.c -- helpers of the operations that work along one dimension. */
#include <stdatomic.h>

#include "tensor/ops/lines.h"

tn_lines tn__lines(const tn_tensor *x, int dim) {
  tn_lines l = {1, x->sizes[dim], 1};
  for (int d = 0; d < dim; d++) l.outer *= x->sizes[d];
  for (int d = dim + 1; d < x->ndim; d++) l.inner *= x->sizes[d];
  return l;
}

tn_status tn__result_begin(tn_call *call, int i, tn_dtype dtype, tn_tensor **to) {
  tn_tensor *out = call->out[i];
  *to = NULL;
  if (out->dtype == dtype && tn__contiguous(out)) {
    *to = tn_tensor_retain(out);
    return TN_OK;
  }
  return tn_tensor_new(call->ctx, to, dtype, out->ndim, out->sizes);
}

tn_status tn__result_end(tn_call *call, int i, tn_tensor *to, tn_status status) {
  if (status == TN_OK && to != call->out[i]) tn__copy_view(call->ctx, call->out[i], to);
  tn_tensor_release(to);
  return status;
}

void tn__result_copy(tn_call *call) {
  if (!tn__same_view(call->out[0], call->in[0])) {
    tn__copy_view(call->ctx, call->out[0], call->in[0]);
  }
}

static tn_status refuse(tn_ctx *ctx, const int64_t *values, int64_t n, int dim, int64_t size) {
  int base = ctx->index_base;
  int64_t i = 0;
  while (i < n && (uint64_t)values[i] - (uint64_t)base < (uint64_t)size) i++;
  return tn_fail(ctx, TN_EINDEX, "index %lld is out of range: dimension %d has %lld",
                 (long long)values[i], dim + base, (long long)size);
}

typedef struct {
  const int64_t *values;
  uint64_t base, size;
  atomic_bool outside;
} range_job;

/* Without a branch in the loop: the sign of v says that it is below 0, that of size - 1 - v that it
 * is size or above. */
static void check_range(void *arg, int64_t begin, int64_t end) {
  range_job *j = arg;
  const int64_t *values = j->values;
  const uint64_t base = j->base, top = j->size - 1;
  uint64_t signs = j->size == 0 && begin < end ? (uint64_t)1 << 63 : 0;
  for (int64_t i = begin; i < end; i++) {
    const uint64_t v = (uint64_t)values[i] - base;
    signs |= v | (top - v);
  }
  if (signs >> 63) atomic_store(&j->outside, true);
}

tn_status tn__index_values(tn_ctx *ctx, tn_tensor **out, tn_tensor *index, int dim, int64_t size) {
  *out = NULL;
  if (tn_dtype_is_float((tn_dtype)index->dtype) || index->dtype == TN_BOOL) {
    return tn_fail(ctx, TN_EDTYPE, "indices of an integer type expected, got %s",
                   tn_dtype_name((tn_dtype)index->dtype));
  }
  tn_status s = tn__contiguous_of(ctx, out, index, TN_I64);
  if (s != TN_OK) return s;
  range_job job = {(const int64_t *)tn__data(*out), (uint64_t)ctx->index_base, (uint64_t)size,
                   false};
  const int64_t n = tn__numel(*out);
  tn__pool_run(ctx->pool, n, 2 * TN_GRAIN, check_range, &job);
  if (!atomic_load(&job.outside)) return TN_OK;
  s = refuse(ctx, job.values, n, dim, size);
  tn_tensor_release(*out);
  *out = NULL;
  return s;
}

void tn__positions_to_indices(const tn_ctx *ctx, tn_tensor *t) {
  int64_t *values = (int64_t *)tn__data(t);
  if (ctx->index_base == 0) return;
  for (int64_t i = 0, n = tn__numel(t); i < n; i++) values[i] += ctx->index_base;
}

tn_status tn__call_dim(tn_call *call, int k, int64_t otherwise) {
  return tn__dim(call->ctx, tn__int(call->attrs, k, otherwise), call->in[0]->ndim, &call->dim);
}
