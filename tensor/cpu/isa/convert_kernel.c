/* convert_kernel.c -- dtypes to and from those that are calculated with, contiguous or strided. */
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

#define PAIR(D, S, dst_type, src_type)                                                            \
  static void convert_##S##_to_##D(int64_t n, void *dst, int64_t dst_stride, const void *src,     \
                                   int64_t src_stride) {                                          \
    dst_type *d = dst;                                                                            \
    const src_type *s = src;                                                                      \
    if (dst_stride == 1 && src_stride == 1) {                                                     \
      TN_VECTOR for (int64_t i = 0; i < n; i++) d[i] = STORE_##D(LOAD_##S(s[i]));                 \
    } else if (src_stride == 0) {                                                                 \
      const dst_type value = STORE_##D(LOAD_##S(s[0]));                                           \
      for (int64_t i = 0; i < n; i++) d[i * dst_stride] = value;                                  \
    } else {                                                                                      \
      for (int64_t i = 0; i < n; i++)                                                             \
        d[i * dst_stride] = STORE_##D(LOAD_##S(s[i * src_stride]));                               \
    }                                                                                             \
  }

/* One side is always a dtype that is calculated with; other pairs go by way of one. */
#define BOTH_WAYS(D, type)                                                                        \
  PAIR(D, F32, type, float) PAIR(D, F64, type, double) PAIR(D, I64, type, int64_t)                \
  PAIR(F32, D, float, type) PAIR(F64, D, double, type) PAIR(I64, D, int64_t, type)

BOTH_WAYS(BOOL, uint8_t)
BOTH_WAYS(U8, uint8_t)
BOTH_WAYS(I8, int8_t)
BOTH_WAYS(I16, int16_t)
BOTH_WAYS(I32, int32_t)
BOTH_WAYS(F16, uint16_t)
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
