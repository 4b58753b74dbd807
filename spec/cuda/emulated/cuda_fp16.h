/* cuda_fp16.h -- CUDA's float16 on the CPU, through the conversions that tensor/ uses. */
#ifndef EMULATED_CUDA_FP16_H
#define EMULATED_CUDA_FP16_H

#include "tensor/cpu/half.h"

struct __half { uint16_t bits; };
static inline float __half2float(__half h) { return tn_half_to_f32(h.bits); }
static inline __half __float2half_rn(float x) { return {tn_f32_to_half(x)}; }

#endif
