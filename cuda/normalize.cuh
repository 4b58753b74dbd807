/* normalize.cuh -- what the kernels of normalisations share. x lies as (r, p, q, i), and weight and
 * bias as (p, q): see tensor/ops/normalize.c. */
#ifndef TN_CUDA_NORMALIZE_CUH
#define TN_CUDA_NORMALIZE_CUH

#include "cuda/indexing.h"
#include "cuda/rows.cuh"
#include "tensor/ops/normalize_whose.h"

/* One of weight and bias, contiguous, of any dtype; no data: there is none. */
typedef struct {
  const void *data;
  int32_t dtype;
  bool wide; /* may be read 16 bytes at a time */
} affine_part;

/* N of them, of neighbouring elements. */
template <typename E, typename R, int N>
__device__ inline void load_affine(R *to, const affine_part &a, int64_t at) {
  if (N > 1 && a.wide && a.dtype == dtype_of_element<E>()) {
    const pack<E, N> p = load_pack<E, N>(static_cast<const E *>(a.data) + at);
#pragma unroll
    for (int k = 0; k < N; k++) to[k] = value_of(p.v[k]);
    return;
  }
  load_reals<R, N>(to, a.data, a.dtype, at, a.wide);
}

/* One call, of calculations in R. */
template <typename R> struct norm_job {
  int64_t r, p, q, i;
  bool scale_only; /* the mean is taken for 0 */
  R eps;
  affine_part weight, bias;
  R *mean, *var;
};

/* What gradients go to; no data where they are not wanted. */
typedef struct {
  void *dw, *db;
  int32_t dw_dtype, db_dtype;
} affine_slopes;

template <typename R> __device__ inline R inverse_of(const norm_job<R> &j, int64_t index) {
  return 1 / root_of(j.var[index] + j.eps);
}

/* Adds rows of parts [part][2 n] up, and stores the first n columns as dw, the others as db. */
template <typename R>
tn_status add_affine_parts(const R *parts, int64_t count, int64_t n, const affine_slopes &to);

/* Mean, variance and result of rows; and the gradients. `d` is what arrived; dx NULL: not wanted. */
template <typename E>
tn_status normalize_rows(const norm_job<typename real_of<E>::type> &j, E *y, const E *x);
template <typename E>
tn_status normalize_rows_back(int device, const norm_job<typename real_of<E>::type> &j, E *dx,
                              const E *x, const E *d, const affine_slopes &to);

/* The same of channels; `given`: mean and variance are the caller's. */
template <typename E>
tn_status normalize_channels(int device, const norm_job<typename real_of<E>::type> &j, bool given,
                             E *y, const E *x);
template <typename E>
tn_status normalize_channels_back(int device, const norm_job<typename real_of<E>::type> &j,
                                  bool given, E *dx, const E *x, const E *d,
                                  const affine_slopes &to);
/* dw and db alone, where mean and variance are of rows. */
template <typename E>
tn_status affine_gradients(int device, const norm_job<typename real_of<E>::type> &j, const E *x,
                           const E *d, const affine_slopes &to);

#endif
