/* philox.cuh -- where the random numbers of a call come from: the CPU's groups, in its order.
 *
 * In a captured graph they have to be others at each replay, so a part of the position then lies on
 * the device, where the replay puts it. A kernel takes a number_source by value, which
 * numbers_of(call) makes on the host, and asks it for groups on the device. */
#ifndef TN_CUDA_PHILOX_CUH
#define TN_CUDA_PHILOX_CUH

#include "cuda/device.h"
#include "tensor/philox.h"

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
  return s.shift == nullptr ? s.offset + group : s.offset + s.shift->offset + group;
}

/* Four numbers: group `group` from the call's first one. */
__device__ static inline void numbers_at(const number_source &s, uint64_t group, uint32_t r[4]) {
  tn__philox(seed_of(s), position_of(s, group), r);
}

/* The same by other words, which attention.cu uses. */
typedef number_source tn_random;
typedef struct { uint64_t seed, offset; } tn_random_at;

static inline tn_random tn_random_of(tn_kernel_call *call) { return numbers_of(call); }

__device__ static inline tn_random_at tn_random_start(const tn_random &r) {
  return {seed_of(r), position_of(r, 0)};
}

__device__ static inline void tn_random_group(const tn_random_at &at, uint64_t i, uint32_t out[4]) {
  tn__philox(at.seed, at.offset + i, out);
}

static inline bool made_in_float(int32_t dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

#endif
