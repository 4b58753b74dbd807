/* lines.h -- what operations along one dimension share: a tensor seen as (outer, size, inner),
 * checked index values, and results that are contiguous while a kernel writes them. */
#ifndef TN_OPS_LINES_H
#define TN_OPS_LINES_H

#include "tensor/eval.h"

/* A line is the `size` elements, `inner` apart, that differ in one dimension only. */
typedef struct {
  int64_t outer, size, inner;
} tn_lines;

tn_lines tn__lines(const tn_tensor *x, int dim);

/* A contiguous tensor of `dtype` with the sizes of out[i]: out[i] itself where that will do, else a
 * temporary, from which tn__result_end fills out[i] unless `status` is a failure. */
tn_status tn__result_begin(tn_call *call, int i, tn_dtype dtype, tn_tensor **to);
tn_status tn__result_end(tn_call *call, int i, tn_tensor *to, tn_status status);

/* out[0] begins as a copy of in[0]. */
void tn__result_copy(tn_call *call);

/* The index's values as contiguous int64, each known to name one of the `size` elements of
 * dimension `dim`. They still count from the context's index_base. */
tn_status tn__index_values(tn_ctx *ctx, tn_tensor **out, tn_tensor *index, int dim, int64_t size);

/* The same in parts, for kernels that check as they go: the values alone, whether one of n is out
 * of range, and the failure that names the first such. */
tn_status tn__index_plain(tn_ctx *ctx, tn_tensor **out, tn_tensor *index);
bool tn__index_outside(const tn_ctx *ctx, const int64_t *values, int64_t n, int64_t size);
tn_status tn__index_refuse(tn_ctx *ctx, const int64_t *values, int64_t n, int dim, int64_t size);

/* Adds index_base to positions that a kernel counted from 0. `t` is contiguous, of int64. */
void tn__positions_to_indices(const tn_ctx *ctx, tn_tensor *t);

/* Dimension attrs->i[k] of in[0], or `otherwise`; left in call->dim. */
tn_status tn__call_dim(tn_call *call, int k, int64_t otherwise);

#endif
