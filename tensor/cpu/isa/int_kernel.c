/* int_kernel.c -- the commonest pointwise rows on integers of their own width. The others go by way
 * of int64 (cpu/pointwise_int.c), and so do operands that do not have the result's dtype, except in
 * arithmetic, which wraps around alike in every width. */
#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

/* U: the type to calculate in, without sign and not narrower than int: nothing overflows. */
#define BINARY(name, T, U, Result, expression)                                                    \
  static void name(int64_t n, void *out, const void *const *in, unsigned scalars,                 \
                   const double *p) {                                                             \
    Result *o = out;                                                                              \
    const T *as = in[0], *bs = in[1];                                                             \
    const U p0 = (U)(int64_t)p[0];                                                                \
    (void)p0;                                                                                     \
    if (scalars == 0) {                                                                           \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        const T a = as[i], b = bs[i];                                                             \
        o[i] = (Result)(expression);                                                              \
      }                                                                                           \
    } else {                                                                                      \
      const T b = bs[0];                                                                          \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        const T a = as[i];                                                                        \
        o[i] = (Result)(expression);                                                              \
      }                                                                                           \
    }                                                                                             \
  }

#define WRAPPING(suffix, T, U)                                                                    \
  BINARY(add_##suffix, T, U, T, (U)a + p0 * (U)b)                                                 \
  BINARY(sub_##suffix, T, U, T, (U)a - p0 * (U)b)                                                 \
  BINARY(mul_##suffix, T, U, T, (U)a * (U)b)                                                      \
  BINARY(eq_##suffix, T, U, uint8_t, a == b)                                                      \
  BINARY(ne_##suffix, T, U, uint8_t, a != b)
#define ORDERED(suffix, T, U)                                                                     \
  BINARY(lt_##suffix, T, U, uint8_t, a < b)                                                       \
  BINARY(le_##suffix, T, U, uint8_t, a <= b)                                                      \
  BINARY(gt_##suffix, T, U, uint8_t, a > b)                                                       \
  BINARY(ge_##suffix, T, U, uint8_t, a >= b)

WRAPPING(8, uint8_t, uint32_t)
WRAPPING(16, uint16_t, uint32_t)
WRAPPING(32, uint32_t, uint32_t)
WRAPPING(64, uint64_t, uint64_t)
ORDERED(u8, uint8_t, uint32_t)
ORDERED(i32, int32_t, uint32_t)
ORDERED(i64, int64_t, uint64_t)

#define WIDTHS(name)                                                                              \
  [TN_PW_##name] = {[TN_U8] = name##_8, [TN_I8] = name##_8, [TN_I16] = name##_16,                 \
                    [TN_I32] = name##_32, [TN_I64] = name##_64}
#define ORDERS(name)                                                                              \
  [TN_PW_##name] = {[TN_U8] = name##_u8, [TN_I32] = name##_i32, [TN_I64] = name##_i64}

const tn_int_kernels TN_ISA_NAME(tn__int_kernels)[TN_PW_COUNT] = {
    WIDTHS(add), WIDTHS(sub), WIDTHS(mul), WIDTHS(eq), WIDTHS(ne),
    ORDERS(lt),  ORDERS(le),  ORDERS(gt),  ORDERS(ge)};
