/* convert_kernel.c -- dtypes to and from those that are calculated with, contiguous or strided. */
#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "tensor/cpu/half.h"
#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

#define LOAD_BOOL(v) ((v) != 0)
#define LOAD_U8(v) (v)
#define LOAD_I8(v) (v)
#define LOAD_I16(v) (v)
#define LOAD_I32(v) (v)
#define LOAD_I64(v) (v)
#define LOAD_F16(v) tn_half_to_f32(v)
#define LOAD_BF16(v) tn_bfloat_to_f32(v)
#define LOAD_F32(v) (v)
#define LOAD_F64(v) (v)

/* Integers wrap around; fractions are cut off on the way to int64. */
#define STORE_BOOL(v) ((v) != 0)
#define STORE_U8(v) (uint8_t)(int64_t)(v)
#define STORE_I8(v) (int8_t)(int64_t)(v)
#define STORE_I16(v) (int16_t)(int64_t)(v)
#define STORE_I32(v) (int32_t)(int64_t)(v)
#define STORE_I64(v) (int64_t)(v)
#define STORE_F16(v) tn_f32_to_half((float)(v))
#define STORE_BF16(v) tn_f32_to_bfloat((float)(v))
#define STORE_F32(v) (float)(v)
#define STORE_F64(v) (double)(v)

/* The first elements of a dense run by instructions made for it; how many. */
static inline int64_t widen_halves(int64_t n, float *d, const uint16_t *s) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(d + i, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(s + i))));
  }
#elif defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(d + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(s + i))));
  }
#endif
  (void)n, (void)d, (void)s;
  return i;
}

static inline int64_t narrow_to_halves(int64_t n, uint16_t *d, const float *s) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    _mm256_storeu_si256((void *)(d + i), _mm512_cvtps_ph(_mm512_loadu_ps(s + i), 0));
  }
#elif defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128((void *)(d + i), _mm256_cvtps_ph(_mm256_loadu_ps(s + i), 0));
  }
#endif
  (void)n, (void)d, (void)s;
  return i;
}

#define PAIR(D, S, dst_type, src_type) PAIR_FROM(D, S, dst_type, src_type, 0)
#define PAIR_FROM(D, S, dst_type, src_type, begun)                                                \
  static void convert_##S##_to_##D(int64_t n, void *dst, int64_t dst_stride, const void *src,     \
                                   int64_t src_stride) {                                          \
    dst_type *d = dst;                                                                            \
    const src_type *s = src;                                                                      \
    if (dst_stride == 1 && src_stride == 1) {                                                     \
      TN_VECTOR for (int64_t i = begun; i < n; i++) d[i] = STORE_##D(LOAD_##S(s[i]));             \
    } else if (src_stride == 0) {                                                                 \
      const dst_type value = STORE_##D(LOAD_##S(s[0]));                                           \
      if (dst_stride != 1) {                                                                      \
        for (int64_t i = 0; i < n; i++) d[i * dst_stride] = value;                                \
        return;                                                                                   \
      }                                                                                           \
      TN_VECTOR for (int64_t i = 0; i < n; i++) d[i] = value;                                     \
    } else {                                                                                      \
      for (int64_t i = 0; i < n; i++)                                                             \
        d[i * dst_stride] = STORE_##D(LOAD_##S(s[i * src_stride]));                               \
    }                                                                                             \
  }

/* One side is always a dtype that is calculated with; other pairs go by way of one. */
#define WITH_F64(D, type)                                                                         \
  PAIR(D, F64, type, double) PAIR(D, I64, type, int64_t)                                          \
  PAIR(F64, D, double, type) PAIR(I64, D, int64_t, type)
#define BOTH_WAYS(D, type) PAIR(D, F32, type, float) PAIR(F32, D, float, type) WITH_F64(D, type)

BOTH_WAYS(BOOL, uint8_t)
BOTH_WAYS(U8, uint8_t)
BOTH_WAYS(I8, int8_t)
BOTH_WAYS(I16, int16_t)
BOTH_WAYS(I32, int32_t)
PAIR_FROM(F16, F32, uint16_t, float, narrow_to_halves(n, d, s))
PAIR_FROM(F32, F16, float, uint16_t, widen_halves(n, d, s))
WITH_F64(F16, uint16_t)
BOTH_WAYS(BF16, uint16_t)
PAIR(F32, F32, float, float)
PAIR(F64, F64, double, double)
PAIR(I64, I64, int64_t, int64_t)
PAIR(F32, F64, float, double)
PAIR(F64, F32, double, float)
PAIR(F32, I64, float, int64_t)
PAIR(I64, F32, int64_t, float)
PAIR(F64, I64, double, int64_t)
PAIR(I64, F64, int64_t, double)

#define ENTRY(D, S) [TN_##S] = convert_##S##_to_##D
#define FROM_COMPUTED(D) {ENTRY(D, F32), ENTRY(D, F64), ENTRY(D, I64)}
#define FROM_ALL(D)                                                                               \
  {ENTRY(D, BOOL), ENTRY(D, U8),   ENTRY(D, I8),  ENTRY(D, I16), ENTRY(D, I32),                   \
   ENTRY(D, F16),  ENTRY(D, BF16), ENTRY(D, F32), ENTRY(D, F64), ENTRY(D, I64)}

const tn_convert_ptr TN_ISA_NAME(tn__conversions)[TN_DTYPE_COUNT][TN_DTYPE_COUNT] = {
    [TN_BOOL] = FROM_COMPUTED(BOOL), [TN_U8] = FROM_COMPUTED(U8),     [TN_I8] = FROM_COMPUTED(I8),
    [TN_I16] = FROM_COMPUTED(I16),   [TN_I32] = FROM_COMPUTED(I32),   [TN_F16] = FROM_COMPUTED(F16),
    [TN_BF16] = FROM_COMPUTED(BF16), [TN_F32] = FROM_ALL(F32),        [TN_F64] = FROM_ALL(F64),
    [TN_I64] = FROM_ALL(I64)};
