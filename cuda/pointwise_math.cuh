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
FN_BOTH(exp2, exp2f(x), exp2(x))
FN_BOTH(erfc, erfcf(x), erfc(x))
FN_BOTH(erfinv, erfinvf(x), erfinv(x))
FN_BOTH(lgamma, lgammaf(x), lgamma(x))
FN_BOTH(asinh, asinhf(x), asinh(x))
FN_BOTH(acosh, acoshf(x), acosh(x))
FN_BOTH(atanh, atanhf(x), atanh(x))
FN_BOTH(signbit, signbit(x) ? 1.0f : 0.0f, signbit(x) ? 1.0 : 0.0)
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

__device__ inline float fn_hypot(float a, float b) { return hypotf(a, b); }
__device__ inline double fn_hypot(double a, double b) { return hypot(a, b); }
__device__ inline float fn_copysign(float a, float b) { return copysignf(a, b); }
__device__ inline double fn_copysign(double a, double b) { return copysign(a, b); }

/* floor(a / b) without the rounding of the division. */
template <typename T> __device__ inline T fn_floor_divide(T a, T b) {
  if (b == 0) return a / b;
  T rest = fn_fmod(a, b), quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return copysign(T(0), a / b);
  T below = floor(quotient);
  return quotient - below > T(0.5) ? below + 1 : below;
}

/* Derivatives of the logarithm of gamma: as tensor/cpu/special.c. */
__device__ inline double fn_digamma(double x) {
  const double terms[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132,
                          -691.0 / 32760, 1.0 / 12};
  const double pi = 3.141592653589793238463;
  double sum = 0;
  if (x == 0) return copysign(INFINITY, -x);
  if (x < 0) {
    double rest = x - floor(x);
    if (rest == 0 || isinf(x)) return NAN;
    sum = -pi / tan(pi * rest);
    x = 1 - x;
  }
  for (; x < 10; x++) sum -= 1 / x;
  double square = 1 / (x * x), power = square;
  sum += log(x) - 0.5 / x;
  for (int k = 0; k < 7; k++, power *= square) sum -= terms[k] * power;
  return sum;
}

__device__ inline double hurwitz_zeta(double s, double q) {
  const double divisors[] = {12, -720, 30240, -1209600, 47900160, -1307674368000 / 691.0,
                             74724249600, -10670622842880000 / 3617.0};
  double sum = 0;
  for (; q < 12; q++) {
    double term = pow(q, -s);
    sum += term;
    if (term <= 1e-17 * sum) return sum;
  }
  double power = pow(q, -s), factor = s;
  sum += power * (q / (s - 1) + 0.5);
  power /= q;
  for (int k = 0; k < 8; k++) {
    double term = factor * power / divisors[k];
    sum += term;
    if (fabs(term) <= 1e-17 * fabs(sum)) break;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
    power /= q * q;
  }
  return sum;
}

__device__ inline double fn_polygamma(double x, double n) {
  if (n == 0) return fn_digamma(x);
  if (!(n > 0) || n != floor(n) || isnan(x) || x == -INFINITY) return NAN;
  double rest = x - floor(x), sum;
  if (x > 0) {
    sum = hurwitz_zeta(n + 1, x);
  } else if (rest == 0) {
    sum = INFINITY;
  } else {
    double left = hurwitz_zeta(n + 1, 1 - rest) - hurwitz_zeta(n + 1, 1 - x);
    sum = hurwitz_zeta(n + 1, rest) + (fmod(n + 1, 2.0) == 0 ? left : -left);
  }
  double value = tgamma(n + 1) * sum;
  return fmod(n, 2.0) == 1 ? value : -value;
}

__device__ inline float fn_digamma(float x) { return (float)fn_digamma((double)x); }
__device__ inline float fn_polygamma(float x, float n) {
  return (float)fn_polygamma((double)x, (double)n);
}

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

__device__ inline int64_t fn_signbit(int64_t x) { return x < 0; }
__device__ inline int64_t fn_floor_divide(int64_t a, int64_t b) {
  return op_sub<int64_t>(op_div<int64_t>(a, b), fn_fmod(a, b) != 0 && (a < 0) != (b < 0));
}

/* Euclid's algorithm, without sign: the lowest number has no opposite. */
__device__ inline int64_t fn_gcd(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
  while (y != 0) {
    uint64_t rest = x % y;
    x = y;
    y = rest;
  }
  return (int64_t)x;
}
__device__ inline int64_t fn_lcm(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  int64_t r = op_mul<int64_t>(op_div<int64_t>(a, fn_gcd(a, b)), b);
  return r < 0 ? op_neg(r) : r;
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
