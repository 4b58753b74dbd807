/* indexing.h -- where the elements of several views lie, from one linear position.
 *
 * Plain C, so that the arithmetic that kernels do is tested on the CPU. The host side joins
 * dimensions and prepares divisions; the device side is tn_index_at. */
#ifndef TN_CUDA_INDEXING_H
#define TN_CUDA_INDEXING_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/backend.h"

#ifdef __CUDACC__
#define TN_DEVICE_INLINE __host__ __device__ static inline
#else
#define TN_DEVICE_INLINE static inline
#endif

#ifdef __CUDA_ARCH__
#define TN_NO_UNROLL _Pragma("unroll 1") /* hundreds of kernels contain this loop */
#else
#define TN_NO_UNROLL
#endif

#define TN_INDEX_VIEWS (TN_POINTWISE_INPUTS + 1)

/* Division by an invariant number as a multiplication (Granlund and Montgomery 1994): for
 * numerators below 2^31, n / d = (n * multiplier / 2^32 + n) >> shift. */
typedef struct {
  uint32_t multiplier, shift;
} tn_divider;

/* Views of one shape. View 0 is the result. */
typedef struct {
  int ndim, views;
  bool wide;      /* too many elements for 32-bit positions */
  uint64_t count; /* elements */
  int64_t sizes[TN_MAX_DIMS];
  tn_divider by[TN_MAX_DIMS];
  int64_t strides[TN_INDEX_VIEWS][TN_MAX_DIMS];
} tn_positions;

static inline tn_divider tn_divider_of(uint32_t d) {
  uint32_t shift = 0;
  if (d == 0) d = 1; /* of no element */
  while (shift < 32 && ((uint64_t)1 << shift) < d) shift++;
  tn_divider by;
  by.multiplier = (uint32_t)((((uint64_t)1 << 32) * (((uint64_t)1 << shift) - d)) / d + 1);
  by.shift = shift;
  return by;
}

TN_DEVICE_INLINE uint32_t tn_divide(uint32_t n, tn_divider by) {
#ifdef __CUDA_ARCH__
  uint32_t high = __umulhi(n, by.multiplier);
#else
  uint32_t high = (uint32_t)(((uint64_t)n * by.multiplier) >> 32);
#endif
  return (high + n) >> by.shift;
}

/* Strides with which `view` is read in `ndim` dimensions; numbers and sizes of 1 do not step. */
static inline void tn_index_strides(const tn_view *view, int ndim, int64_t *strides) {
  for (int d = 0; d < ndim; d++) {
    int own = d - (ndim - view->ndim);
    bool still = view->data == 0 || own < 0 || view->sizes[own] == 1;
    strides[d] = still ? 0 : view->strides[own];
  }
}

/* Joins neighbouring dimensions that all views step through evenly; drops those of size 1. */
static inline void tn_index_join(tn_positions *x) {
  int last = -1;
  for (int d = 0; d < x->ndim; d++) {
    if (x->sizes[d] == 1) continue;
    bool joins = last >= 0;
    for (int k = 0; k < x->views && joins; k++) {
      joins = x->strides[k][last] == x->strides[k][d] * x->sizes[d];
    }
    if (joins) x->sizes[last] *= x->sizes[d];
    else x->sizes[++last] = x->sizes[d];
    for (int k = 0; k < x->views; k++) x->strides[k][last] = x->strides[k][d];
  }
  x->ndim = last + 1;
}

/* The index of `out` and what is read to make it; every input broadcasts to out's shape. */
static inline void tn_index_make(tn_positions *x, const tn_view *out, const tn_view *in, int nin) {
  x->ndim = out->ndim;
  x->views = nin + 1;
  x->count = 1;
  for (int d = 0; d < out->ndim; d++) {
    x->sizes[d] = out->sizes[d];
    x->count *= (uint64_t)out->sizes[d];
    x->strides[0][d] = out->strides[d];
  }
  for (int k = 0; k < nin; k++) tn_index_strides(&in[k], out->ndim, x->strides[k + 1]);
  tn_index_join(x);
  x->wide = x->count >= (uint64_t)1 << 31;
  const bool divides = !x->wide && x->count > 0;
  for (int d = 0; d < x->ndim; d++) x->by[d] = tn_divider_of(divides ? (uint32_t)x->sizes[d] : 1);
}

/* Does view k lie as the positions count? A single element does. */
static inline bool tn_index_is_plain(const tn_positions *x, int k) {
  return x->ndim == 0 || (x->ndim == 1 && x->strides[k][0] == 1);
}

/* Does view k repeat one element? */
static inline bool tn_index_is_still(const tn_positions *x, int k) {
  return x->ndim == 1 && x->strides[k][0] == 0;
}

/* The same for positions of more than 31 bits. Out of line in kernels: it is rare, and long. */
#ifdef __CUDACC__
__host__ __device__ __noinline__ static void tn_index_at_wide(const tn_positions *x, uint64_t position,
                                                              int views, int64_t *at)
#else
static inline void tn_index_at_wide(const tn_positions *x, uint64_t position, int views, int64_t *at)
#endif
{
  for (int k = 0; k < views; k++) at[k] = 0;
  for (int d = x->ndim - 1; d >= 0; d--) {
    uint64_t rest = position / (uint64_t)x->sizes[d];
    int64_t i = (int64_t)(position - rest * (uint64_t)x->sizes[d]);
    for (int k = 0; k < views; k++) at[k] += i * x->strides[k][d];
    position = rest;
  }
}

/* Element offsets at[0 ... views - 1] of the element at `position` in row-major order. */
TN_DEVICE_INLINE void tn_index_at(const tn_positions *x, uint64_t position, int views, int64_t *at) {
  if (x->wide) {
    tn_index_at_wide(x, position, views, at);
    return;
  }
  uint32_t left = (uint32_t)position;
  for (int k = 0; k < views; k++) at[k] = 0;
  TN_NO_UNROLL
  for (int d = x->ndim - 1; d > 0; d--) {
    uint32_t rest = tn_divide(left, x->by[d]);
    uint32_t i = left - rest * (uint32_t)x->sizes[d];
    for (int k = 0; k < views; k++) at[k] += i * x->strides[k][d];
    left = rest;
  }
  if (x->ndim > 0) { /* the first dimension takes what is left */
    for (int k = 0; k < views; k++) at[k] += left * x->strides[k][0];
  }
}

#endif
