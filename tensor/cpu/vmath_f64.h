/* vmath_f64.h -- the double precision half of vmath.h; the ideas are those of vmath_f32.h. */
#ifndef TN_CPU_VMATH_F64_H
#define TN_CPU_VMATH_F64_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* 64-bit lanes have no conversion to integers before AVX-512, nor an arithmetic shift; adding
 * 1.5 * 2^52 serves instead, and exponents are kept biased. */
#define TN_ROUND_F64          0x1.8p52
#define TN_ROUND_BITS_F64     0x4338000000000000u
#define TN_LN2_HI_F64         0x1.62e42fefa3p-1 /* 41 bits */
#define TN_LN2_LO_F64         0x1.3de6af278ece6p-42
#define TN_LOG2E_F64          0x1.71547652b82fep+0
#define TN_ONE_BITS_F64       0x3ff0000000000000u
#define TN_SQRT_HALF_BITS_F64 0x3fe6a09e667f3bcdu
#define TN_SINCOS_MAX_F64     1000000.0

static inline uint64_t tn__bits_f64(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static inline double tn__float_f64(uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* 2^n for -1022 <= n <= 1023. */
static inline double tn__pow2_f64(uint64_t n) {
  return tn__float_f64((n + 1023u) << 52);
}

/* The number n of [0, 2^52) as a double: n becomes the mantissa of 2^52 + n. */
static inline double tn__from_int_f64(uint64_t n) {
  return tn__float_f64(n | 0x4330000000000000u) - 0x1p52;
}

/* ---- exponential family: x = n ln 2 + r with |r| <= ln2 / 2 ---- */

typedef struct {
  double r;   /* what is left of x */
  uint64_t n; /* the power of two, wrapping */
} tn__exp_parts_f64;

static inline tn__exp_parts_f64 tn__exp_reduce_f64(double x) {
  double t = x * TN_LOG2E_F64 + TN_ROUND_F64;
  double n = t - TN_ROUND_F64;
  tn__exp_parts_f64 parts;
  parts.r = (x - n * TN_LN2_HI_F64) - n * TN_LN2_LO_F64;
  parts.n = tn__bits_f64(t) - TN_ROUND_BITS_F64;
  return parts;
}

/* e^r - 1 - r on the reduced range, minimax. */
static inline double tn__exp_rest_f64(double r) {
  double p = 0x1.ae781f5cfdd93p-26;
  p = p * r + 0x1.28a2ae06f7dap-22;
  p = p * r + 0x1.71de80c0bb96ep-19;
  p = p * r + 0x1.a019a685fe556p-16;
  p = p * r + 0x1.a01a017805e31p-13;
  p = p * r + 0x1.6c16c17f36a72p-10;
  p = p * r + 0x1.1111111118817p-7;
  p = p * r + 0x1.55555555520f8p-5;
  p = p * r + 0x1.555555555553bp-3;
  p = p * r + 0x1.0000000000005p-1;
  return r * r * p;
}

static inline double tn_exp_f64(double x) {
  x = x < -746.0 ? -746.0 : x;
  x = x > 710.0 ? 710.0 : x;
  tn__exp_parts_f64 e = tn__exp_reduce_f64(x);
  uint64_t half = ((e.n + 2048u) >> 1) - 1024u;
  double p = 1.0 + (e.r + tn__exp_rest_f64(e.r));
  return p * tn__pow2_f64(half) * tn__pow2_f64(e.n - half);
}

static inline double tn_expm1_f64(double x) {
  double c = x < -40.0 ? -40.0 : x;
  c = c > 709.9 ? 709.9 : c;
  tn__exp_parts_f64 e = tn__exp_reduce_f64(c);
  double half = tn__pow2_f64(e.n - 1u);
  double y = 2.0 * ((half - 0.5 + half * e.r) + half * tn__exp_rest_f64(e.r));
  return fabs(x) < 0x1p-54 ? x : y;
}

static inline double tn_sigmoid_f64(double x) {
  double e = tn_exp_f64(-fabs(x));
  double one = 1.0 + e, lost = e - (one - 1.0);
  double y = (x < 0.0 ? e : 1.0) / one;
  return y - y * lost;
}

/* e / (e + 2) with e = e^2x - 1; from 22 on it is 1. */
static inline double tn_tanh_f64(double x) {
  double a = fabs(x);
  a = a > 22.0 ? 22.0 : a;
  double e = tn_expm1_f64(2.0 * a);
  return copysign(e / (e + 2.0), x);
}

/* ---- logarithm family: x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2) ---- */

typedef struct {
  double f, k;
} tn__log_parts_f64;

static inline tn__log_parts_f64 tn__log_reduce_f64(double x) {
  bool subnormal = x < 0x1p-1022;
  double scaled = subnormal ? x * 0x1p54 : x;
  uint64_t u = tn__bits_f64(scaled) + (TN_ONE_BITS_F64 - TN_SQRT_HALF_BITS_F64);
  tn__log_parts_f64 parts;
  parts.f = tn__float_f64((u & 0x000fffffffffffffu) + TN_SQRT_HALF_BITS_F64) - 1.0;
  parts.k = tn__from_int_f64(u >> 52) - (subnormal ? 1023.0 + 54.0 : 1023.0);
  return parts;
}

/* What every logarithm of base > 1 makes of arguments outside (0, inf). */
static inline double tn__log_specials_f64(double x, double y) {
  y = x < (double)INFINITY ? y : x;
  y = x < 0.0 ? (double)NAN : y;
  return x == 0.0 ? -(double)INFINITY : y;
}

/* f - ln(1 + f), after fdlibm: with s = f / (2 + f), ln(1 + f) = 2 atanh(s) = f - f^2/2 +
 * s (f^2/2 + R(s^2)). What f itself is multiplied by afterwards decides the precision. */
static inline double tn__log_rest_f64(double f) {
  double s = f / (2.0 + f), v = s * s, h = 0.5 * f * f;
  double p = 0x1.2f0273f708bb6p-3;
  p = p * v + 0x1.39a208a7e667cp-3;
  p = p * v + 0x1.74663bbc749e2p-3;
  p = p * v + 0x1.c71c5219b5af1p-3;
  p = p * v + 0x1.24924941dba55p-2;
  p = p * v + 0x1.999999997ff5fp-2;
  p = p * v + 0x1.5555555555592p-1;
  return h - s * (h + v * p);
}

/* k ln 2 + ln(1 + f) */
static inline double tn__log_combine_f64(double f, double k) {
  return k * TN_LN2_HI_F64 + (f - (tn__log_rest_f64(f) - k * TN_LN2_LO_F64));
}

static inline double tn_log_f64(double x) {
  tn__log_parts_f64 l = tn__log_reduce_f64(x);
  return tn__log_specials_f64(x, tn__log_combine_f64(l.f, l.k));
}

/* f log2(e) as f + f (log2(e) - 1): the leading f stays exact. */
static inline double tn_log2_f64(double x) {
  tn__log_parts_f64 l = tn__log_reduce_f64(x);
  double y = l.f + (l.f * 0x1.c551d94ae0bf8p-2 - tn__log_rest_f64(l.f) * TN_LOG2E_F64);
  return tn__log_specials_f64(x, l.k + y);
}

/* f log10(e) as f / 2 + f (log10(e) - 1/2); log10(2) in two parts as ln 2 is. */
static inline double tn_log10_f64(double x) {
  tn__log_parts_f64 l = tn__log_reduce_f64(x);
  double rest = tn__log_rest_f64(l.f) * 0x1.bcb7b1526e50ep-2 + l.f * 0x1.0d213ab646bc7p-4;
  double y = 0.5 * l.f - (rest - l.k * 0x1.3fde623e2566bp-43);
  return tn__log_specials_f64(x, l.k * 0x1.34413509f7p-2 + y);
}

static inline double tn_log1p_f64(double x) {
  double one = 1.0 + x;
  uint64_t k = (tn__bits_f64(one) + (TN_ONE_BITS_F64 - TN_SQRT_HALF_BITS_F64)) >> 52;
  double scale = 0.25 * tn__float_f64((2048u - k) << 52); /* k = 2047: subnormal */
  double f = x * scale + (scale - 1.0);
  double y = tn__log_combine_f64(f, tn__from_int_f64(k) - 1023.0);
  y = fabs(x) < 0x1p-54 ? x : y;
  y = x < (double)INFINITY ? y : x;
  y = x < -1.0 ? (double)NAN : y;
  return x == -1.0 ? -(double)INFINITY : y;
}

/* ln(1 + e^x) without overflow. */
static inline double tn_softplus_f64(double x) {
  return (x > 0.0 ? x : 0.0) + tn_log1p_f64(tn_exp_f64(-fabs(x)));
}

/* ---- erf ---- */

/* ln erfc(a) for 1 <= a <= 6, minimax in a - 2 with weight erfc(a). */
static inline double tn__ln_erfc_f64(double a) {
  double t = a - 2.0;
  double q = -0x1.67733f93f6fdfp-38;
  q = q * t + 0x1.4c85cfc1d9c72p-35;
  q = q * t - 0x1.3b89635da4a32p-34;
  q = q * t - 0x1.20ba80d8ad083p-32;
  q = q * t + 0x1.6722963586b23p-29;
  q = q * t - 0x1.e043f117baed4p-27;
  q = q * t + 0x1.ef8c410165c82p-25;
  q = q * t - 0x1.73ea9613db8ap-23;
  q = q * t + 0x1.b582fadaeacf3p-23;
  q = q * t + 0x1.06050028de90bp-19;
  q = q * t - 0x1.5b659e5287aa9p-16;
  q = q * t + 0x1.1bc3a44911196p-13;
  q = q * t - 0x1.7ffcfb047481dp-11;
  q = q * t + 0x1.d406b37a0e362p-9;
  q = q * t - 0x1.0dc3b5fb2aa79p-6;
  q = q * t - 0x1.d8f5dece92a4ep-1;
  q = q * t - 0x1.1ac3258a8dc2fp+2;
  return q * t - 0x1.575b329b1f514p+2;
}

/* Left to itself, gcc calls it rather than make vectors of it. */
static inline __attribute__((always_inline)) double tn_erf_f64(double x) {
  double a = fabs(x), u = a * a;
  double p = -0x1.a768658d6eb6ep-31;
  p = p * u + 0x1.d5aad55c7823ep-27;
  p = p * u - 0x1.5bd19d13e541fp-23;
  p = p * u + 0x1.b97705fa72f43p-20;
  p = p * u - 0x1.f4c966f4b7f8dp-17;
  p = p * u + 0x1.f9a2ab7abadc3p-14;
  p = p * u - 0x1.c02daf98a8ce8p-11;
  p = p * u + 0x1.565bccf4c0e18p-8;
  p = p * u - 0x1.b82ce311d6bc5p-6;
  p = p * u + 0x1.ce2f21a04036dp-4;
  p = p * u - 0x1.812746b0379abp-2;
  p = p * u + 0x1.06eba8214db68p-3;
  double large = 1.0 - tn_exp_f64(tn__ln_erfc_f64(a > 6.0 ? 6.0 : a));
  return copysign(a < 1.0 ? a + a * p : large, x);
}

/* ---- sine and cosine ---- */

/* Minimax, for |r| <= pi/4. */
static inline double tn__sin_rest_f64(double r) {
  double u = r * r;
  double s = 0x1.5d8b54f72066ep-33;
  s = s * u - 0x1.ae5e4b8260c68p-26;
  s = s * u + 0x1.71de35552a2f6p-19;
  s = s * u - 0x1.a01a019be920fp-13;
  s = s * u + 0x1.111111110f73p-7;
  s = s * u - 0x1.5555555555548p-3;
  return r + r * u * s;
}

static inline double tn__cos_rest_f64(double r) {
  double u = r * r;
  double c = -0x1.8fa5ec650e713p-37;
  c = c * u + 0x1.1ee9dacb5b394p-29;
  c = c * u - 0x1.27e4f7f04ff46p-22;
  c = c * u + 0x1.a01a019c8dd1cp-16;
  c = c * u - 0x1.6c16c16c1500dp-10;
  c = c * u + 0x1.555555555554bp-5;
  return 1.0 - u * 0.5 + u * u * c;
}

/* sin(x + shift pi/2): pi/2 in three pieces of 33 bits, exact times n < 2^20, and a rest. The first
 * subtraction is exact; what the next two round away is kept for the last. */
static inline double tn__sin_shifted_f64(double x, uint64_t shift) {
  double t = x * 0x1.45f306dc9c883p-1 + TN_ROUND_F64;
  double n = t - TN_ROUND_F64;
  uint64_t quadrant = tn__bits_f64(t) + shift;
  double first = x - n * 0x1.921fb544p+0;
  double second = first - n * 0x1.0b4611a6p-34;
  double r = second - n * 0x1.3198a2ep-69;
  double lost = (first - second) - n * 0x1.0b4611a6p-34;
  lost = lost + ((second - r) - n * 0x1.3198a2ep-69);
  r = r + (lost - n * 0x1.b839a252049c1p-104);
  uint64_t sbits = tn__bits_f64(tn__sin_rest_f64(r)), swap = 0u - (quadrant & 1u);
  /* SSE2 cannot compare 64-bit lanes */
  sbits ^= (sbits ^ tn__bits_f64(tn__cos_rest_f64(r))) & swap;
  return tn__float_f64(sbits ^ ((quadrant & 2u) << 62));
}

/* For |x| <= TN_SINCOS_MAX_F64; beyond it the result is meaningless, though defined. */
static inline double tn_sin_f64(double x) {
  double y = tn__sin_shifted_f64(x, 0);
  return x == 0.0 ? x : y;
}

static inline double tn_cos_f64(double x) {
  return tn__sin_shifted_f64(x, 1);
}

/* Whether tn_sin_f64 and tn_cos_f64 are right for all of x[0..n); NaN is no obstacle. Without
 * 64-bit compares in SSE2, the sign bit of a difference says which of two is larger. */
static inline bool tn_sincos_small_f64(const double *x, int64_t n) {
  uint64_t limit = tn__bits_f64(TN_SINCOS_MAX_F64), inf = tn__bits_f64((double)INFINITY), bad = 0;
  for (int64_t i = 0; i < n; i++) {
    uint64_t a = tn__bits_f64(x[i]) & 0x7fffffffffffffffu;
    bad |= (limit - a) & ~(inf - a);
  }
  return (bad >> 63) == 0;
}

/* ---- names for libm; pow needs more than double inside to be right, so it is one of them ---- */

static inline double tn_pow_f64(double x, double y) {
  return pow(x, y);
}

static inline double tn_tan_f64(double x) {
  return tan(x);
}

static inline double tn_asin_f64(double x) {
  return asin(x);
}

static inline double tn_acos_f64(double x) {
  return acos(x);
}

static inline double tn_atan_f64(double x) {
  return atan(x);
}

static inline double tn_sinh_f64(double x) {
  return sinh(x);
}

static inline double tn_cosh_f64(double x) {
  return cosh(x);
}

static inline double tn_atan2_f64(double y, double x) {
  return atan2(y, x);
}

static inline double tn_fmod_f64(double x, double y) {
  return fmod(x, y);
}

static inline double tn_sqrt_f64(double x) {
  return sqrt(x);
}

static inline double tn_fabs_f64(double x) {
  return fabs(x);
}

static inline double tn_round_f64(double x) { /* half to even, as PyTorch rounds */
  return nearbyint(x);
}

static inline double tn_floor_f64(double x) {
  return floor(x);
}

static inline double tn_ceil_f64(double x) {
  return ceil(x);
}

static inline double tn_trunc_f64(double x) {
  return trunc(x);
}

#endif
