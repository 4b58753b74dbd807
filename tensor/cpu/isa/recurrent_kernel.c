/* recurrent_kernel.c -- steps of recurrent layers, for float and double: see recurrent_real.h. */
#include "tensor/cpu/recurrent.h"

#include <string.h>

#include "loops.h"
#include "tensor/cpu/vmath.h"
#include "unroll.h"
#include "wide_math.h"

/* LANE_BYTES: bytes of a vector. MR: rows of a block, four vectors each, in registers. */
#if defined(__AVX512F__)
#define LANE_BYTES 64
#define MR 6
#elif defined(__AVX2__)
#define LANE_BYTES 32
#define MR 2
#elif defined(__aarch64__)
#define LANE_BYTES 16
#define MR 6
#else
#define LANE_BYTES 16
#define MR 2
#endif

#define KERNEL_NAME(name) TN_ISA_NAME(name)

#define REAL float
#define REAL_BYTES 4
#define FN(name) name##_f32
#define MASK_LOAD(mask, p) _mm512_maskz_loadu_ps((__mmask16)(mask), p)
#define MASK_STORE(p, mask, x) _mm512_mask_storeu_ps(p, (__mmask16)(mask), (__m512)(x))
#if defined(__AVX512F__)
#define WIDE_SIGMOID(x) wide_sigmoid((__m512)(x))
#define WIDE_TANH(x) wide_tanh((__m512)(x))
#endif
#include "recurrent_real.h"
#undef REAL
#undef REAL_BYTES
#undef FN
#undef MASK_LOAD
#undef MASK_STORE
#undef WIDE_SIGMOID
#undef WIDE_TANH

#define REAL double
#define REAL_BYTES 8
#define FN(name) name##_f64
#define MASK_LOAD(mask, p) _mm512_maskz_loadu_pd((__mmask8)(mask), p)
#define MASK_STORE(p, mask, x) _mm512_mask_storeu_pd(p, (__mmask8)(mask), (__m512d)(x))
#include "recurrent_real.h"
