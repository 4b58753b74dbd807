/* vmath_f32.h -- the single precision half of vmath.h; see there for what all functions promise. */
#ifndef TN_CPU_VMATH_F32_H
#define TN_CPU_VMATH_F32_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum. */
#define TN_ROUND_F32      0x1.8p23f
#define TN_ROUND_BITS_F32 0x4b400000u
#define TN_LN2_HI_F32     0x1.62e4p-1f /* 15 bits: times any exponent it is exact */
#define TN_LN2_LO_F32     0x1.7f7d1cp-20f
#define TN_SINCOS_MAX_F32 10000.0f

static inline uint32_t tn__bits_f32(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static inline float tn__float_f32(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* 2^n for -126 <= n <= 127; n wraps, so that no conversion can overflow on garbage from a NaN. */
static inline float tn__pow2_f32(uint32_t n) {
  return tn__float_f32((n + 127u) << 23);
}

/* ---- exponential family: x = n ln 2 + r with |r| <= ln2 / 2 ---- */

typedef struct {
  float r;    /* what is left of x */
  uint32_t n; /* the power of two, wrapping */
} tn__exp_parts_f32;

static inline tn__exp_parts_f32 tn__exp_reduce_f32(float x) {
  float t = x * 0x1.715476p+0f + TN_ROUND_F32;
  float n = t - TN_ROUND_F32;
  tn__exp_parts_f32 parts;
  parts.r = (x - n * TN_LN2_HI_F32) - n * TN_LN2_LO_F32;
  parts.n = tn__bits_f32(t) - TN_ROUND_BITS_F32;
  return parts;
}

/* e^r - 1 - r on the reduced range, minimax. */
static inline float tn__exp_rest_f32(float r) {
  float p = 0x1.6b7b98p-10f;
  p = p * r + 0x1.122912p-7f;
  p = p * r + 0x1.55571p-5f;
  p = p * r + 0x1.5554aep-3f;
  p = p * r + 0x1.fffffep-2f;
  return r * r * p;
}

/* Scaling in two halves reaches infinity and the subnormals with a single rounding. */
static inline float tn_exp_f32(float x) {
  x = x < -104.0f ? -104.0f : x; /* written so that a NaN stays */
  x = x > 89.0f ? 89.0f : x;
  tn__exp_parts_f32 e = tn__exp_reduce_f32(x);
  uint32_t half = ((e.n + 512u) >> 1) - 256u;
  float p = 1.0f + (e.r + tn__exp_rest_f32(e.r));
  return p * tn__pow2_f32(half) * tn__pow2_f32(e.n - half);
}

/* 2^n e^r - 1, the large terms first; at half size, lest n = 128 overflow too early. */
static inline float tn_expm1_f32(float x) {
  float c = x < -20.0f ? -20.0f : x;
  c = c > 88.9f ? 88.9f : c;
  tn__exp_parts_f32 e = tn__exp_reduce_f32(c);
  float half = tn__pow2_f32(e.n - 1u);
  float y = 2.0f * ((half - 0.5f + half * e.r) + half * tn__exp_rest_f32(e.r));
  return fabsf(x) < 0x1p-25f ? x : y; /* keeps -0 and the last bit of subnormals */
}

/* Always e^-|x|, which cannot overflow and keeps the tiny values of negative x. What 1 + e rounds
 * away is given back, else the error passes 2 ulp. */
static inline float tn_sigmoid_f32(float x) {
  float e = tn_exp_f32(-fabsf(x));
  float one = 1.0f + e, lost = e - (one - 1.0f);
  float y = (x < 0.0f ? e : 1.0f) / one;
  return y - y * lost;
}

/* Near zero an odd minimax polynomial; further out 1 - 2 / (e^2x + 1) loses nothing. */
static inline float tn_tanh_f32(float x) {
  float a = fabsf(x), u = a * a;
  float p = -0x1.94bbfap-8f;
  p = p * u + 0x1.5821fap-6f;
  p = p * u - 0x1.b90754p-5f;
  p = p * u + 0x1.110c64p-3f;
  p = p * u - 0x1.555548p-2f;
  float small = a + a * u * p;
  float large = 1.0f - 2.0f / (tn_exp_f32(2.0f * a) + 1.0f);
  return copysignf(a < 0.5625f ? small : large, x);
}

/* ---- logarithm family: x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2) ---- */

typedef struct {
  float f, k;
} tn__log_parts_f32;

static inline tn__log_parts_f32 tn__log_reduce_f32(float x) {
  bool subnormal = x < 0x1p-126f;
  uint32_t u = tn__bits_f32(subnormal ? x * 0x1p24f : x) + (0x3f800000u - 0x3f3504f3u);
  int32_t k = (int32_t)(u >> 23) - 127;
  tn__log_parts_f32 parts;
  parts.f = tn__float_f32((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  parts.k = (float)k - (subnormal ? 24.0f : 0.0f);
  return parts;
}

/* What every logarithm of base > 1 makes of arguments outside (0, inf). */
static inline float tn__log_specials_f32(float x, float y) {
  y = x < INFINITY ? y : x; /* inf and NaN stay themselves */
  y = x < 0.0f ? NAN : y;
  return x == 0.0f ? -INFINITY : y;
}

/* k ln 2 + ln(1 + f); the minimax polynomial is (ln(1 + f) - f) / f^2. */
static inline float tn__log_combine_f32(float f, float k) {
  float p = -0x1.384734p-4f;
  p = p * f + 0x1.0860dp-3f;
  p = p * f - 0x1.0f3fa6p-3f;
  p = p * f + 0x1.226dfcp-3f;
  p = p * f - 0x1.5425c4p-3f;
  p = p * f + 0x1.99a41ap-3f;
  p = p * f - 0x1.000432p-2f;
  p = p * f + 0x1.55555p-2f;
  p = p * f - 0x1.fffff8p-2f;
  return k * TN_LN2_HI_F32 + (f + (f * f * p + k * TN_LN2_LO_F32));
}

static inline float tn_log_f32(float x) {
  tn__log_parts_f32 l = tn__log_reduce_f32(x);
  return tn__log_specials_f32(x, tn__log_combine_f32(l.f, l.k));
}

/* The minimax polynomial is log2(1 + f) / f - 1: the leading f stays exact. */
static inline float tn_log2_f32(float x) {
  tn__log_parts_f32 l = tn__log_reduce_f32(x);
  float f = l.f;
  float p = -0x1.dcb11ap-4f;
  p = p * f + 0x1.855bd2p-3f;
  p = p * f - 0x1.8569dcp-3f;
  p = p * f + 0x1.a15f48p-3f;
  p = p * f - 0x1.eacaecp-3f;
  p = p * f + 0x1.278ce2p-2f;
  p = p * f - 0x1.715a9ep-2f;
  p = p * f + 0x1.ec7034p-2f;
  p = p * f - 0x1.71547p-1f;
  p = p * f + 0x1.c551dap-2f;
  return tn__log_specials_f32(x, l.k + (f + f * p));
}

/* The minimax polynomial is log10(1 + f) / f - 1/2, for the same reason. */
static inline float tn_log10_f32(float x) {
  tn__log_parts_f32 l = tn__log_reduce_f32(x);
  float f = l.f;
  float p = -0x1.1c8944p-5f;
  p = p * f + 0x1.d32df4p-5f;
  p = p * f - 0x1.d52c78p-5f;
  p = p * f + 0x1.f6e52cp-5f;
  p = p * f - 0x1.277cf8p-4f;
  p = p * f + 0x1.63ddeep-4f;
  p = p * f - 0x1.bcbefcp-4f;
  p = p * f + 0x1.287a4p-3f;
  p = p * f - 0x1.bcb7aap-3f;
  p = p * f - 0x1.0d213ap-4f;
  float y = 0.5f * f + (f * p + l.k * 0x1.3509f8p-18f);
  return tn__log_specials_f32(x, l.k * 0x1.344p-2f + y);
}

/* k comes from the rounded 1 + x, but f = 2^-k (1 + x) - 1 from x itself, where it is exact. */
static inline float tn_log1p_f32(float x) {
  float one = 1.0f + x;
  uint32_t k = (tn__bits_f32(one) + (0x3f800000u - 0x3f3504f3u)) >> 23; /* biased by 127 */
  float scale = 0.25f * tn__float_f32((256u - k) << 23);                /* k = 255: subnormal */
  float f = x * scale + (scale - 1.0f);
  float y = tn__log_combine_f32(f, (float)((int32_t)k - 127));
  y = fabsf(x) < 0x1p-25f ? x : y;
  y = x < INFINITY ? y : x;
  y = x < -1.0f ? NAN : y;
  return x == -1.0f ? -INFINITY : y;
}

/* ln(1 + e^x) without overflow. */
static inline float tn_softplus_f32(float x) {
  return (x > 0.0f ? x : 0.0f) + tn_log1p_f32(tn_exp_f32(-fabsf(x)));
}

/* ---- erf ---- */

/* Up to 0.9 erf(a) / a - 1 as a polynomial in a^2, beyond it 1 - exp of one for ln erfc(a). */
static inline float tn_erf_f32(float x) {
  float a = fabsf(x), u = a * a;
  float p = -0x1.3ceeecp-11f;
  p = p * u + 0x1.47e8dap-8f;
  p = p * u - 0x1.b6a7ep-6f;
  p = p * u + 0x1.ce1c4ep-4f;
  p = p * u - 0x1.8126fp-2f;
  p = p * u + 0x1.06eba6p-3f;
  float c = a > 4.0f ? 4.0f : a;
  float q = 0x1.a206a6p-13f;
  q = q * c - 0x1.93363cp-9f;
  q = q * c + 0x1.6e4eacp-6f;
  q = q * c - 0x1.aace2p-4f;
  q = q * c - 0x1.4614f4p-1f;
  q = q * c - 0x1.20bb0ep+0f;
  q = q * c - 0x1.409edep-13f;
  return copysignf(a < 0.9f ? a + a * p : 1.0f - tn_exp_f32(q), x);
}

/* ---- sine and cosine ---- */

/* Minimax, for |r| <= pi/4. */
static inline float tn__sin_rest_f32(float r) {
  float u = r * r;
  float s = -0x1.991c3cp-13f;
  s = s * u + 0x1.1106c6p-7f;
  s = s * u - 0x1.555544p-3f;
  return r + r * u * s;
}

static inline float tn__cos_rest_f32(float r) {
  float u = r * r;
  float c = 0x1.99e714p-16f;
  c = c * u - 0x1.6c0c26p-10f;
  c = c * u + 0x1.55554ap-5f;
  return 1.0f - u * 0.5f + u * u * c;
}

/* sin(x + shift pi/2). Cody and Waite: pi/2 in four pieces of 11 bits, exact times n < 2^13, and a
 * rest. The first two subtractions are exact; what the third rounds away is kept for the last. */
static inline float tn__sin_shifted_f32(float x, uint32_t shift) {
  float t = x * 0x1.45f306p-1f + TN_ROUND_F32;
  float n = t - TN_ROUND_F32;
  uint32_t quadrant = tn__bits_f32(t) + shift;
  float exact = (x - n * 0x1.92p+0f) - n * 0x1.fb4p-12f;
  float r = exact - n * 0x1.444p-24f;
  float lost = (exact - r) - n * 0x1.444p-24f;
  r = r + ((lost - n * 0x1.68cp-39f) - n * 0x1.1a6264p-54f);
  float y = (quadrant & 1u) != 0 ? tn__cos_rest_f32(r) : tn__sin_rest_f32(r);
  return tn__float_f32(tn__bits_f32(y) ^ ((quadrant & 2u) << 30));
}

/* For |x| <= TN_SINCOS_MAX_F32; beyond it the result is meaningless, though defined. */
static inline float tn_sin_f32(float x) {
  float y = tn__sin_shifted_f32(x, 0);
  return x == 0.0f ? x : y; /* keeps -0 */
}

static inline float tn_cos_f32(float x) {
  return tn__sin_shifted_f32(x, 1);
}

/* Whether tn_sin_f32 and tn_cos_f32 are right for all of x[0..n); NaN is no obstacle. Compares bits
 * of |x|, whose order is that of the numbers: only an integer reduction vectorises. */
static inline bool tn_sincos_small_f32(const float *x, int64_t n) {
  uint32_t limit = tn__bits_f32(TN_SINCOS_MAX_F32), inf = tn__bits_f32(INFINITY), bad = 0;
  for (int64_t i = 0; i < n; i++) {
    uint32_t a = tn__bits_f32(x[i]) & 0x7fffffffu;
    bad |= (uint32_t)(a > limit) & (uint32_t)(a <= inf);
  }
  return bad == 0;
}

/* ---- pow ---- */

/* log2 of a positive float held in a double, to 2^-35 of itself; subnormal floats are normal here.
 * The minimax polynomial is log2(1 + f) / f. */
static inline double tn__pow_log2_f32(double a) {
  uint64_t u;
  memcpy(&u, &a, sizeof u);
  u += 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu;
  uint64_t kbits = (u >> 52) | 0x4330000000000000u; /* 2^52 + biased k, as a double */
  u = (u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
  double k, f;
  memcpy(&k, &kbits, sizeof k);
  memcpy(&f, &u, sizeof f);
  f -= 1.0;
  double p = 0x1.3ceb09e1e8c9fp-4;
  p = p * f - 0x1.2489fe2e9d77cp-3;
  p = p * f + 0x1.2871da23ccce6p-3;
  p = p * f - 0x1.252ef9c7bd922p-3;
  p = p * f + 0x1.45291188ee36ep-3;
  p = p * f - 0x1.71417632e2c5p-3;
  p = p * f + 0x1.a63f454645f42p-3;
  p = p * f - 0x1.ec72b561d7539p-3;
  p = p * f + 0x1.277651f7b1949p-2;
  p = p * f - 0x1.715470980cfefp-2;
  p = p * f + 0x1.ec709ebba4eabp-2;
  p = p * f - 0x1.715476565d06ep-1;
  p = p * f + 0x1.71547652a1e4bp+0;
  return (k - (0x1p52 + 1023.0)) + f * p;
}

/* 2^t for |t| <= 1000, to 2^-28 of itself; a NaN stays. */
static inline double tn__pow_exp2_f32(double t) {
  double m = t + 0x1.8p52;
  double r = t - (m - 0x1.8p52);
  double p = 0x1.470b2741baca6p-13;
  p = p * r + 0x1.5f7274f52291p-10;
  p = p * r + 0x1.3b270e605a9e1p-7;
  p = p * r + 0x1.c6ae72df3b3e1p-5;
  p = p * r + 0x1.ebfbe2c54aa61p-3;
  p = p * r + 0x1.62e4311734fdp-1;
  p = p * r + 1.0;
  uint64_t n;
  memcpy(&n, &m, sizeof n);
  n = (n + 1023u) << 52;
  double scale;
  memcpy(&scale, &n, sizeof scale);
  return p * scale;
}

/* |x|^y through double, then the sign and the special cases of C99 F.9.4.4. Left to itself, gcc calls
 * it rather than make vectors of it. */
static inline __attribute__((always_inline)) float tn_pow_f32(float x, float y) {
  float a = fabsf(x), ya = fabsf(y);
  double l = tn__pow_log2_f32((double)a);
  l = a < INFINITY ? l : (double)a;
  l = a == 0.0f ? -(double)INFINITY : l;
  double t = (double)y * l;
  t = t < -200.0 ? -200.0 : t; /* float ends at 2^-150 and 2^128 */
  t = t > 200.0 ? 200.0 : t;
  float p = (float)tn__pow_exp2_f32(t);

  /* Whether y is an integer, and an odd one; from 2^24 on every float is even, infinity too. */
  double m = (double)y + 0x1.8p52;
  uint64_t mbits;
  memcpy(&mbits, &m, sizeof mbits);
  bool large = ya >= 0x1p24f, integer = large | (m - 0x1.8p52 == (double)y);
  uint32_t odd = (uint32_t)mbits & (uint32_t)integer & (uint32_t)!large;
  uint32_t bits = tn__bits_f32(p) ^ (tn__bits_f32(x) & (odd << 31));

  /* Selected with masks: gcc would make branches of so many related conditions. */
  uint32_t nan = 0u - (uint32_t)((x < 0.0f) & (a < INFINITY) & !integer);
  uint32_t one = 0u - (uint32_t)((y == 0.0f) | (x == 1.0f) | ((a == 1.0f) & (ya == INFINITY)));
  bits |= nan & 0x7fc00000u;
  return tn__float_f32((bits & ~one) | (one & 0x3f800000u));
}

/* ---- names for libm ---- */

static inline float tn_tan_f32(float x) {
  return tanf(x);
}

static inline float tn_asin_f32(float x) {
  return asinf(x);
}

static inline float tn_acos_f32(float x) {
  return acosf(x);
}

static inline float tn_atan_f32(float x) {
  return atanf(x);
}

static inline float tn_sinh_f32(float x) {
  return sinhf(x);
}

static inline float tn_cosh_f32(float x) {
  return coshf(x);
}

static inline float tn_atan2_f32(float y, float x) {
  return atan2f(y, x);
}

static inline float tn_fmod_f32(float x, float y) {
  return fmodf(x, y);
}

static inline float tn_sqrt_f32(float x) {
  return sqrtf(x);
}

static inline float tn_fabs_f32(float x) {
  return fabsf(x);
}

/* The roundings are instructions from SSE4.1 on, libm calls before. */
static inline float tn_round_f32(float x) { /* half to even, as PyTorch rounds */
  return nearbyintf(x);
}

static inline float tn_floor_f32(float x) {
  return floorf(x);
}

static inline float tn_ceil_f32(float x) {
  return ceilf(x);
}

static inline float tn_trunc_f32(float x) {
  return truncf(x);
}

#endif
