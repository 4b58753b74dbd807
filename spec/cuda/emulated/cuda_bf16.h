/* cuda_bf16.h -- CUDA's bfloat16 on the CPU, through the conversions that tensor/ uses. */
#ifndef EMULATED_CUDA_BF16_H
#define EMULATED_CUDA_BF16_H

#include "tensor/cpu/half.h"

struct __nv_bfloat16 { uint16_t bits; };
static inline float __bfloat162float(__nv_bfloat16 b) { return tn_bfloat_to_f32(b.bits); }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return {tn_f32_to_bfloat(x)}; }

#endif
