/* gemm_kernel.c -- matrix products on one thread, for float and double.
 *
 * The width of a vector and the block of C that is kept in registers follow from the instruction
 * set; all else is in gemm_real.h, which is read once per element type. */
#include "gemm_kernel.h"
#include "unroll.h"

/* Registers are handed out for a whole function at once. Loop by loop, gcc 12 keeps half of the
 * vector side's operands in memory, and products take half as long again. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("ira-region=all")
#endif

#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

/* LANE_BYTES: bytes of a vector. MR x (NV vectors): the block of C in registers. With 32
 * registers 12 x 2 leaves room for the operands and keeps both multipliers busy (24 independent
 * sums, of which 8 are needed), with 14 loads per 24 products; with 16 registers 6 x 2 does. */
#if defined(__AVX512F__)
#define LANE_BYTES 64
#define MR 12
#elif defined(__AVX2__)
#define LANE_BYTES 32
#define MR 6
#elif defined(__aarch64__)
#define LANE_BYTES 16
#define MR 8
#else
#define LANE_BYTES 16
#define MR 4
#endif
#define NV 2

#define KERNEL_NAME(name) TN_ISA_NAME(name)

#define REAL float
#define REAL_BYTES 4
#define FN(name) name##_f32
#define MASK_LOAD(mask, p) _mm512_maskz_loadu_ps((__mmask16)(mask), p)
#define MASK_STORE(p, mask, x) _mm512_mask_storeu_ps(p, (__mmask16)(mask), (__m512)(x))
#include "gemm_real.h"
#undef REAL
#undef REAL_BYTES
#undef FN
#undef MASK_LOAD
#undef MASK_STORE

#define REAL double
#define REAL_BYTES 8
#define FN(name) name##_f64
#define MASK_LOAD(mask, p) _mm512_maskz_loadu_pd((__mmask8)(mask), p)
#define MASK_STORE(p, mask, x) _mm512_mask_storeu_pd(p, (__mmask8)(mask), (__m512d)(x))
#include "gemm_real.h"
