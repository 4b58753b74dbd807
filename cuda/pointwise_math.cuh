/* pointwise_math.cuh -- the functions that pointwise.def names, overloaded by type. What the CPU's
 * kernels do at the edges (integers that wrap, division by -1, shifts out of range) is the same
 * here: see tensor/cpu/isa/pointwise_kernel.c. */
#ifndef TN_CUDA_POINTWISE_MATH_CUH
#define TN_CUDA_POINTWISE_MATH_CUH

#include <stdint.h>

#define FN_BOTH(name, f32, f64)                                                                   \
  __device__ inline float fn_##name(float x) { return f32; }                                      \
  __device__ inline double fn_##name(double x) { return f64; }

FN_BOTH(exp, expf(x), exp(x))
FN_BOTH(expm1, expm1f(x), expm1(x))
FN_BOTH(log, logf(x), log(x))
FN_BOTH(log1p, log1pf(x), log1p(x))
FN_BOTH(log2, log2f(x), log2(x))
FN_BOTH(log10, log10f(x), log10(x))
FN_BOTH(sqrt, sqrtf(x), sqrt(x))
FN_BOTH(sin, sinf(x), sin(x))
FN_BOTH(cos, cosf(x), cos(x))
FN_BOTH(tan, tanf(x), tan(x))
FN_BOTH(asin, asinf(x), asin(x))
FN_BOTH(acos, acosf(x), acos(x))
FN_BOTH(atan, atanf(x), atan(x))
FN_BOTH(sinh, sinhf(x), sinh(x))
FN_BOTH(cosh, coshf(x), cosh(x))
FN_BOTH(tanh, tanhf(x), tanh(x))
FN_BOTH(erf, erff(x), erf(x))
FN_BOTH(floor, floorf(x), floor(x))
FN_BOTH(ceil, ceilf(x), ceil(x))
FN_BOTH(round, rintf(x), rint(x))
FN_BOTH(trunc, truncf(x), trunc(x))
FN_BOTH(sigmoid, 1.0f / (1.0f + expf(-x)), 1.0 / (1.0 + exp(-x)))
/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow; NaN stays NaN. */
FN_BOTH(softplus, (x > 0 ? x : x != x ? x : 0.0f) + log1pf(expf(-fabsf(x))),
        (x > 0 ? x : x != x ? x : 0.0) + log1p(exp(-fabs(x))))
#undef FN_BOTH

__device__ inline float fn_pow(float a, float b) { return powf(a, b); }
__device__ inline double fn_pow(double a, double b) { return pow(a, b); }
__device__ inline float fn_atan2(float a, float b) { return atan2f(a, b); }
__device__ inline double fn_atan2(double a, double b) { return atan2(a, b); }
__device__ inline float fn_fmod(float a, float b) { return fmodf(a, b); }
__device__ inline double fn_fmod(double a, double b) { return fmod(a, b); }

/* -- Arithmetic, which for integers wraps around ----------------------------------------------- */

template <typename T> __device__ inline T op_add(T a, T b) { return a + b; }
template <typename T> __device__ inline T op_sub(T a, T b) { return a - b; }
template <typename T> __device__ inline T op_mul(T a, T b) { return a * b; }
template <typename T> __device__ inline T op_div(T a, T b) { return a / b; }
template <typename T> __device__ inline T op_neg(T a) { return -a; }

template <> __device__ inline int64_t op_add(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}
template <> __device__ inline int64_t op_sub(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a - (uint64_t)b);
}
template <> __device__ inline int64_t op_mul(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a * (uint64_t)b);
}
template <> __device__ inline int64_t op_neg(int64_t a) { return (int64_t)(0 - (uint64_t)a); }
/* Division by zero has been refused before; the lowest number by -1 would overflow. */
template <> __device__ inline int64_t op_div(int64_t a, int64_t b) {
  return b == -1 ? op_neg(a) : b == 0 ? 0 : a / b;
}

__device__ inline int64_t fn_floor(int64_t x) { return x; }
__device__ inline int64_t fn_ceil(int64_t x) { return x; }
__device__ inline int64_t fn_round(int64_t x) { return x; }
__device__ inline int64_t fn_trunc(int64_t x) { return x; }
__device__ inline int64_t fn_fmod(int64_t a, int64_t b) { return b == -1 || b == 0 ? 0 : a % b; }

/* Remainder with the sign of the divisor. */
template <typename T> __device__ inline T fn_remainder(T a, T b) {
  T r = fn_fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* By squaring; a negative power is 0 unless a is 1 or -1. */
__device__ inline int64_t fn_pow(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  int64_t r = 1;
  for (; b > 0; b >>= 1, a = op_mul(a, a)) {
    if (b & 1) r = op_mul(r, a);
  }
  return r;
}

__device__ inline int64_t fn_bitand(int64_t a, int64_t b) { return a & b; }
__device__ inline int64_t fn_bitor(int64_t a, int64_t b) { return a | b; }
__device__ inline int64_t fn_bitxor(int64_t a, int64_t b) { return a ^ b; }
__device__ inline int64_t fn_lshift(int64_t a, int64_t b) {
  return b < 0 || b > 63 ? 0 : (int64_t)((uint64_t)a << b);
}
__device__ inline int64_t fn_rshift(int64_t a, int64_t b) {
  return a >> (b < 0 || b > 63 ? 63 : b);
}

#endif
