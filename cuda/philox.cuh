/* philox.cuh -- where the random numbers of a call come from: the CPU's groups, in its order. */
#ifndef TN_CUDA_PHILOX_CUH
#define TN_CUDA_PHILOX_CUH

#include "cuda/device.h"
#include "tensor/philox.h"

/* The only place that knows how a call says where it begins. */
typedef struct {
  uint64_t seed, offset;
} number_source;

static inline number_source numbers_of(const tn_kernel_call *call) {
  return {call->seed, call->offset};
}

__device__ static inline uint64_t position_of(const number_source &s, uint64_t group) {
  return s.offset + group;
}

/* Four numbers: group `group` from the call's first one. */
__device__ static inline void numbers_at(const number_source &s, uint64_t group, uint32_t r[4]) {
  tn__philox(s.seed, position_of(s, group), r);
}

static inline bool made_in_float(int32_t dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

#endif
