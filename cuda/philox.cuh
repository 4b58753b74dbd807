/* philox.cuh -- where the random numbers of a call come from: the CPU's groups, in its order.
 *
 * In a captured graph they have to be others at each replay, so a part of the position then lies on
 * the device, where the replay puts it. A kernel takes a number_source by value. */
#ifndef TN_CUDA_PHILOX_CUH
#define TN_CUDA_PHILOX_CUH

#include "cuda/device.h"
#include "tensor/philox.h"

/* The only place that knows how a call says where it begins. */
typedef struct {
  uint64_t seed, offset;
  const tn_random_shift *shift; /* on the device, or NULL */
} number_source;

static inline number_source numbers_of(tn_kernel_call *call) {
  const number_source s = {call->seed, call->offset, tn_cuda_random_shift()};
  call->replayable = true;
  return s;
}

__device__ static inline uint64_t seed_of(const number_source &s) {
  return s.shift == nullptr ? s.seed : s.seed + s.shift->seed;
}

__device__ static inline uint64_t position_of(const number_source &s, uint64_t group) {
  return (s.shift == nullptr ? s.offset : s.offset + s.shift->offset) + group;
}

/* Four numbers: group `group` from the call's first one. */
__device__ static inline void numbers_at(const number_source &s, uint64_t group, uint32_t r[4]) {
  tn__philox(seed_of(s), position_of(s, group), r);
}

static inline bool made_in_float(int32_t dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

#endif
