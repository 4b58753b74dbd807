/* packs.cuh -- several elements read or written at once, and their conversion to float and back. */
#ifndef TN_CUDA_PACKS_CUH
#define TN_CUDA_PACKS_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace {

template <typename E, int N> struct alignas(sizeof(E) * N) pack {
  E e[N];
};

__device__ inline float widened(float x) { return x; }
__device__ inline float widened(__half x) { return __half2float(x); }
__device__ inline float widened(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void narrow(float x, float *to) { *to = x; }
__device__ inline void narrow(float x, __half *to) { *to = __float2half_rn(x); }
__device__ inline void narrow(float x, __nv_bfloat16 *to) { *to = __float2bfloat16_rn(x); }

}  // namespace

#endif
