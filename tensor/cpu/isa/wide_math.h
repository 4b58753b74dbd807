/* wide_math.h -- the exponential family for sixteen floats at once, with AVX-512's own instructions
 * for powers of two and reciprocals; as accurate as vmath_f32.h, whose polynomials these are. */
#ifndef TN_CPU_WIDE_MATH_H
#define TN_CPU_WIDE_MATH_H

#if defined(__AVX512F__)
#include <immintrin.h>

#include "tensor/cpu/vmath.h"

static inline __m512 wide(float v) { return _mm512_set1_ps(v); }

/* e^x for x that is not above 89 and not below -1e6, or NaN. */
static inline __m512 wide_exp_bounded(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, wide(0x1.715476p+0f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, wide(TN_LN2_HI_F32), x);
  r = _mm512_fnmadd_ps(n, wide(TN_LN2_LO_F32), r);
  __m512 p = _mm512_fmadd_ps(wide(0x1.6b7b98p-10f), r, wide(0x1.122912p-7f));
  p = _mm512_fmadd_ps(p, r, wide(0x1.55571p-5f));
  p = _mm512_fmadd_ps(p, r, wide(0x1.5554aep-3f));
  p = _mm512_fmadd_ps(p, r, wide(0x1.fffffep-2f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r);
  return _mm512_scalef_ps(_mm512_add_ps(p, wide(1)), n);
}

/* A NaN is the second operand and stays. What is 0 is not calculated: to round it to 0 would take a
 * hundred cycles, and masks of softmax are -infinity. */
static inline __m512 wide_exp(__m512 x) {
  const __mmask16 counts = _mm512_cmp_ps_mask(x, wide(-104), _CMP_NLT_UQ);
  const __m512 bounded = _mm512_min_ps(wide(89), _mm512_max_ps(wide(-104), x));
  return _mm512_maskz_mov_ps(counts, wide_exp_bounded(_mm512_maskz_mov_ps(counts, bounded)));
}

/* 1 / d for d from 1 to 2^127: an estimate of 14 bits and one step of Newton's method. */
static inline __m512 wide_inverse(__m512 d) {
  const __m512 r = _mm512_rcp14_ps(d);
  return _mm512_fmadd_ps(r, _mm512_fnmadd_ps(d, r, wide(1)), r);
}

/* As tn_sigmoid_f32: what 1 + e rounds away is given back. */
static inline __m512 wide_sigmoid(__m512 x) {
  const __m512 one = wide(1), a = _mm512_abs_ps(x);
  const __m512 minus = _mm512_sub_ps(_mm512_setzero_ps(), a);
  const __m512 e = wide_exp_bounded(_mm512_max_ps(wide(-104), minus));
  const __m512 d = _mm512_add_ps(one, e), lost = _mm512_sub_ps(e, _mm512_sub_ps(d, one));
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 y = _mm512_mul_ps(_mm512_mask_mov_ps(one, negative, e), wide_inverse(d));
  return _mm512_fnmadd_ps(y, lost, y);
}

static inline __m512 wide_tanh(__m512 x) {
  const __m512 a = _mm512_abs_ps(x), u = _mm512_mul_ps(a, a), one = wide(1);
  __m512 p = _mm512_fmadd_ps(wide(-0x1.94bbfap-8f), u, wide(0x1.5821fap-6f));
  p = _mm512_fmadd_ps(p, u, wide(-0x1.b90754p-5f));
  p = _mm512_fmadd_ps(p, u, wide(0x1.110c64p-3f));
  p = _mm512_fmadd_ps(p, u, wide(-0x1.555548p-2f));
  const __m512 small = _mm512_fmadd_ps(_mm512_mul_ps(a, u), p, a);
  /* beyond 10 it is 1; a NaN is the second operand and stays */
  const __m512 e = wide_exp_bounded(_mm512_min_ps(wide(20), _mm512_add_ps(a, a)));
  const __m512 large = _mm512_fnmadd_ps(wide(2), wide_inverse(_mm512_add_ps(e, one)), one);
  const __mmask16 near = _mm512_cmp_ps_mask(a, wide(0.5625f), _CMP_LT_OQ);
  const __m512 y = _mm512_mask_mov_ps(large, near, small);
  return _mm512_or_ps(y, _mm512_and_ps(x, wide(-0.0f)));
}

/* x Phi(x) with Phi(-a) = erfc(a / sqrt 2) / 2, and erfc = exp of a polynomial (ours, fitted so
 * that the error of erfc stays below 6e-9); beyond 4 it is 0 as far as 1 - it can tell. */
static inline __m512 wide_gelu(__m512 x) {
  const __m512 a = _mm512_mul_ps(_mm512_abs_ps(x), wide(0.70710678f));
  const __mmask16 far = _mm512_cmp_ps_mask(a, wide(4), _CMP_GE_OQ);
  __m512 q = _mm512_fmadd_ps(wide(0x1.0de87ep-17f), a, wide(-0x1.bcb5e6p-14f));
  q = _mm512_fmadd_ps(q, a, wide(0x1.3441b4p-11f));
  q = _mm512_fmadd_ps(q, a, wide(-0x1.9d56dcp-10f));
  q = _mm512_fmadd_ps(q, a, wide(0x1.ed21b2p-15f));
  q = _mm512_fmadd_ps(q, a, wide(0x1.3ada88p-6f));
  q = _mm512_fmadd_ps(q, a, wide(-0x1.a510c8p-4f));
  q = _mm512_fmadd_ps(q, a, wide(-0x1.45f28cp-1f));
  q = _mm512_mul_ps(_mm512_fmadd_ps(q, a, wide(-0x1.20dd78p+0f)), a);
  const __m512 half = _mm512_mul_ps(wide(0.5f), wide_exp_bounded(q));
  const __m512 below = _mm512_mask_mov_ps(half, far, _mm512_setzero_ps());
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 phi = _mm512_mask_mov_ps(_mm512_sub_ps(wide(1), below), negative, below);
  return _mm512_mul_ps(x, phi);
}

static inline __m512d wide_f64(double v) { return _mm512_set1_pd(v); }

/* As tn_log_f64: x = 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2), taken apart by instructions that
 * know subnormals, 0 and infinity; f / (2 + f) from an estimate of 14 bits, two steps of Newton's
 * method, and what is left of f. */
static inline __m512d wide_log_f64(__m512d x) {
  const __m512d one = wide_f64(1);
  __m512d m = _mm512_getmant_pd(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero), k = _mm512_getexp_pd(x);
  const __mmask8 upper = _mm512_cmp_pd_mask(m, wide_f64(0x1.6a09e667f3bcdp+0), _CMP_GT_OQ);
  m = _mm512_mask_mul_pd(m, upper, m, wide_f64(0.5));
  k = _mm512_mask_add_pd(k, upper, k, one);
  const __m512d f = _mm512_sub_pd(m, one), d = _mm512_add_pd(f, wide_f64(2));
  __m512d r = _mm512_rcp14_pd(d);
  r = _mm512_fmadd_pd(r, _mm512_fnmadd_pd(d, r, one), r);
  r = _mm512_fmadd_pd(r, _mm512_fnmadd_pd(d, r, one), r);
  __m512d s = _mm512_mul_pd(f, r);
  s = _mm512_fmadd_pd(r, _mm512_fnmadd_pd(d, s, f), s);
  const __m512d v = _mm512_mul_pd(s, s);
  const __m512d h = _mm512_mul_pd(_mm512_mul_pd(wide_f64(0.5), f), f);
  __m512d p = _mm512_fmadd_pd(wide_f64(0x1.2f0273f708bb6p-3), v, wide_f64(0x1.39a208a7e667cp-3));
  p = _mm512_fmadd_pd(p, v, wide_f64(0x1.74663bbc749e2p-3));
  p = _mm512_fmadd_pd(p, v, wide_f64(0x1.c71c5219b5af1p-3));
  p = _mm512_fmadd_pd(p, v, wide_f64(0x1.24924941dba55p-2));
  p = _mm512_fmadd_pd(p, v, wide_f64(0x1.999999997ff5fp-2));
  p = _mm512_fmadd_pd(p, v, wide_f64(0x1.5555555555592p-1));
  const __m512d rest = _mm512_fnmadd_pd(s, _mm512_fmadd_pd(v, p, h), h);
  const __m512d low = _mm512_fnmadd_pd(k, wide_f64(TN_LN2_LO_F64), rest);
  const __m512d y = _mm512_fmadd_pd(k, wide_f64(TN_LN2_HI_F64), _mm512_sub_pd(f, low));
  const __mmask8 negative = _mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_LT_OQ);
  return _mm512_mask_mov_pd(y, negative, wide_f64((double)NAN));
}

/* The last n < 16 elements and nothing behind them. */
static inline __mmask16 wide_mask(int64_t n) { return (__mmask16)((1u << n) - 1); }
#endif

#endif
