/* picks.cuh -- elements that an index names along one dimension: what gather, index and their
 * opposites share.
 *
 * All views are seen in one shape, that of what is picked or put: the indexed tensor does not step
 * in its dimension, in which the index's value takes it `step` further. */
#ifndef TN_CUDA_PICKS_CUH
#define TN_CUDA_PICKS_CUH

#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/items.h"
#include "cuda/launch.cuh"

enum { PICKS_BLOCK = 256 };

struct alignas(16) pick_16 { uint64_t halves[2]; };

/* Views: 0 the other tensor (results, or sources), 1 the indexed tensor, 2 the index. */
struct picks {
  tn_positions index;
  operand<int64_t> at;
  int64_t step, size, base;
  tn_fault *fault;
  int code;
};

/* The place that the index names, or -1. */
__device__ static inline int64_t picked(const picks &p, int64_t at) {
  const int64_t i = fetch(p.at, at) - p.base;
  if ((uint64_t)i < (uint64_t)p.size) return i;
  tn_note_fault(p.fault, p.code, i, p.size);
  return -1;
}

static inline bool tn_view_contiguous(const tn_view &v) {
  int64_t step = 1;
  for (int d = v.ndim - 1; d >= 0; d--) {
    if (v.sizes[d] != 1 && v.strides[d] != step) return false;
    step *= v.sizes[d];
  }
  return true;
}

static inline int64_t tn_view_count(const tn_view &v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; d++) n *= v.sizes[d];
  return n;
}

static inline bool tn_is_index(const tn_view &v) { return v.dtype < TN_F16 && v.dtype != TN_BOOL; }

/* Of a row that works in place: the result begins as a copy of the first input, unless it is that. */
static inline tn_status tn_cuda_begin(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &out = call->out[0];
  bool same = x.data == out.data;
  for (int d = 0; d < out.ndim && same; d++) same = x.strides[d] == out.strides[d] || x.sizes[d] == 1;
  if (same) return TN_OK;
  tn_kernel_call copy = *call;
  copy.nin = 1;
  return tn_cuda_move(&copy);
}

/* `shape` is what the index counts through: `x` is indexed along `dim` by `index`, which has that
 * shape, or is a list of one for each place of `dim`. */
static inline tn_status tn_picks_make(picks *p, const tn_kernel_call *call, const tn_view &shape,
                                      const tn_view &other, const tn_view &x, const tn_view &index,
                                      int dim) {
  tn_view in[2] = {x, index}, out = other;
  memcpy(out.sizes, shape.sizes, sizeof out.sizes);
  if (out.data == nullptr || other.ndim != shape.ndim) { /* one element for all */
    out.ndim = shape.ndim;
    memset(out.strides, 0, sizeof out.strides);
  }
  p->step = x.ndim > 0 ? x.strides[dim] : 0;
  p->size = x.ndim > 0 ? x.sizes[dim] : 1;
  in[0].ndim = in[1].ndim = shape.ndim;
  for (int d = 0; d < shape.ndim; d++) {
    in[0].sizes[d] = in[1].sizes[d] = shape.sizes[d];
    if (d == dim) in[0].strides[d] = 0;
    if (index.ndim == shape.ndim && shape.ndim > 1) continue;
    in[1].strides[d] = d == dim && index.ndim > 0 ? index.strides[0] : 0;
  }
  tn_index_make(&p->index, &out, in, 2);
  p->at = operand_of<int64_t>(index);
  p->base = call->index_base;
  p->code = call->code;
  p->fault = tn_cuda_fault(call->device);
  return p->fault == nullptr ? TN_ENOMEM : TN_OK;
}

/* `index`, of any shape, names elements of the list `x`. */
static inline tn_status tn_cuda_places_of(picks *p, const tn_kernel_call *call, const tn_view &index,
                                          const tn_view &x) {
  tn_view still = index; /* where x begins, whatever the position is */
  still.data = x.data;
  memset(still.strides, 0, sizeof still.strides);
  const tn_view in[2] = {still, index};
  tn_index_make(&p->index, &index, in, 2);
  p->step = x.strides[0];
  p->size = x.sizes[0];
  p->at = operand_of<int64_t>(index);
  p->base = call->index_base;
  p->code = call->code;
  p->fault = tn_cuda_fault(call->device);
  return p->fault == nullptr ? TN_ENOMEM : TN_OK;
}

/* index.cu: puts one value at all places of call->out[0] that `p` names, or that the call's index
 * names along its dimension. */
tn_status tn_cuda_spread_over(const tn_kernel_call *call, const picks &p, const tn_view &value);
tn_status tn_cuda_spread(tn_kernel_call *call);

/* Counts units of several bytes in place of elements, as far as rows lie in memory like that: returns
 * how many bytes a unit has. */
static inline size_t tn_picks_widen(picks *p, size_t item, const void *a, const void *b) {
  tn_positions *x = &p->index;
  const int last = x->ndim - 1;
  size_t bytes = item;
  if (last < 0 || x->wide || x->strides[0][last] != 1 || x->strides[1][last] != 1 ||
      x->strides[2][last] != 0) {
    return bytes;
  }
  for (; bytes < 16; bytes *= 2) {
    const int64_t next = (int64_t)(2 * bytes / item);
    bool fits = ((uintptr_t)a | (uintptr_t)b) % (2 * bytes) == 0 && x->sizes[last] % next == 0 &&
                p->step % next == 0;
    for (int d = 0; d < last; d++) {
      fits = fits && x->strides[0][d] % next == 0 && x->strides[1][d] % next == 0;
    }
    if (!fits) break;
  }
  const int64_t each = (int64_t)(bytes / item);
  p->step /= each;
  x->count /= (uint64_t)each;
  x->sizes[last] /= each;
  x->by[last] = tn_divider_of((uint32_t)x->sizes[last]);
  for (int d = 0; d < last; d++) x->strides[0][d] /= each, x->strides[1][d] /= each;
  return bytes;
}

#endif
