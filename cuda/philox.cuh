/* philox.cuh -- where the random numbers of a call begin.
 *
 * In a captured graph they have to be others at each replay, so a part of the position then lies on
 * the device, where the replay puts it. A kernel takes a tn_random by value and asks it for groups:
 *   tn_random from = tn_random_of(call);      on the host
 *   const tn_random_at at = tn_random_start(from);
 *   tn_random_group(at, i, r);                on the device: the i-th group of four words */
#ifndef TN_CUDA_PHILOX_CUH
#define TN_CUDA_PHILOX_CUH

#include "cuda/device.h"
#include "tensor/philox.h"

typedef struct {
  uint64_t seed, offset;
  const tn_random_shift *shift; /* on the device, or NULL */
} tn_random;

typedef struct { uint64_t seed, offset; } tn_random_at;

static inline tn_random tn_random_of(tn_kernel_call *call) {
  const tn_random r = {call->seed, call->offset, tn_cuda_random_shift()};
  call->replayable = true;
  return r;
}

__device__ static inline tn_random_at tn_random_start(const tn_random &r) {
  if (r.shift == nullptr) return {r.seed, r.offset};
  return {r.seed + r.shift->seed, r.offset + r.shift->offset};
}

__device__ static inline void tn_random_group(const tn_random_at &at, uint64_t i, uint32_t out[4]) {
  tn__philox(at.seed, at.offset + i, out);
}

#endif
