/* reduce.h -- which dimensions a reduction is over: what its rows share.
 *
 * attrs: i[first] the dimension or TN_NONE, i[first + 1] whether it stays as one of size 1. On a
 * device i[first] may be a set of dimensions (TN_DIM_SET), which its kernels reduce at once. */
#ifndef TN_OPS_REDUCE_H
#define TN_OPS_REDUCE_H

#include "tensor/cpu/reduce.h"

/* Leaves the dimension, TN_ALL_DIMS or TN_SEVERAL_DIMS in call->dim, and sizes and dtype of x
 * without them in meta. */
tn_status tn__reduced_shape(tn_call *call, int first);
/* The dimensions, as bits. */
unsigned tn__reduced_dims(const tn_attrs *attrs, int first, int ndim);

#endif
