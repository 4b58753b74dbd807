/* reduce.h -- one dimension, or all of a tensor, reduced on the CPU. */
#ifndef TN_CPU_REDUCE_H
#define TN_CPU_REDUCE_H

#include "tensor/cpu/kernels.h"
#include "tensor/internal.h"

enum { TN_ALL_DIMS = -1 };

/* out = the reduction of x over `dim` or TN_ALL_DIMS, times `scale`. out is contiguous, of any
 * dtype (of int64 for the arg reductions, which count from 0), with as many elements as x has
 * without that dimension. x must not be empty for the extremes. */
tn_status tn__reduce(tn_ctx *ctx, tn_tensor *out, tn_tensor *x, tn_reduction kind, int dim,
                     double scale);

#endif
