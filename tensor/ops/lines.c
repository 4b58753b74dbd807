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

tn_status tn__index_refuse(tn_ctx *ctx, const int64_t *values, int64_t n, int dim, int64_t size) {
  int base = ctx->index_base;
  int64_t i = 0;
  while (i < n && (uint64_t)values[i] - (uint64_t)base < (uint64_t)size) i++;
  return tn_fail(ctx, TN_EINDEX, "index %lld is out of range: dimension %d has %lld",
                 (long long)values[i], dim + base, (long long)size);
}

/* Without a branch in the loop: the sign of v says that it is below 0, that of size - 1 - v that it
 * is size or above. In vectors by hand: compilers make none of it at -O2. */
bool tn__index_outside(const tn_ctx *ctx, const int64_t *values, int64_t n, int64_t size) {
  typedef uint64_t pair __attribute__((vector_size(16)));
  const uint64_t base = (uint64_t)ctx->index_base, top = (uint64_t)size - 1;
  const pair bases = {base, base}, tops = {top, top};
  pair left = {0, 0}, right = {0, 0};
  int64_t i = 0;
  if (size == 0) return n > 0;
  for (; i + 4 <= n; i += 4) {
    pair v, w;
    memcpy(&v, values + i, sizeof v);
    memcpy(&w, values + i + 2, sizeof w);
    v -= bases;
    w -= bases;
    left |= v | (tops - v);
    right |= w | (tops - w);
  }
  left |= right;
  uint64_t signs = left[0] | left[1];
  for (; i < n; i++) {
    const uint64_t v = (uint64_t)values[i] - base;
    signs |= v | (top - v);
  }
  return signs >> 63 != 0;
}

typedef struct {
  const tn_ctx *ctx;
  const int64_t *values;
  int64_t size;
  atomic_bool outside;
} range_job;

static void check_range(void *arg, int64_t begin, int64_t end) {
  range_job *j = arg;
  if (tn__index_outside(j->ctx, j->values + begin, end - begin, j->size)) {
    atomic_store(&j->outside, true);
  }
}

tn_status tn__index_plain(tn_ctx *ctx, tn_tensor **out, tn_tensor *index) {
  *out = NULL;
  if (tn_dtype_is_float((tn_dtype)index->dtype) || index->dtype == TN_BOOL) {
    return tn_fail(ctx, TN_EDTYPE, "indices of an integer type expected, got %s",
                   tn_dtype_name((tn_dtype)index->dtype));
  }
  return tn__contiguous_of(ctx, out, index, TN_I64);
}

tn_status tn__index_values(tn_ctx *ctx, tn_tensor **out, tn_tensor *index, int dim, int64_t size) {
  tn_status s = tn__index_plain(ctx, out, index);
  if (s != TN_OK) return s;
  range_job job = {ctx, (const int64_t *)tn__data(*out), size, false};
  const int64_t n = tn__numel(*out);
  tn__pool_run(ctx->pool, n, 2 * TN_GRAIN, check_range, &job);
  if (!atomic_load(&job.outside)) return TN_OK;
  s = tn__index_refuse(ctx, job.values, n, dim, size);
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
