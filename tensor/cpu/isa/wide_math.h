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

/* A NaN is the second operand and stays. */
static inline __m512 wide_exp(__m512 x) {
  return wide_exp_bounded(_mm512_min_ps(wide(89), _mm512_max_ps(wide(-104), x)));
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

/* The last n < 16 elements and nothing behind them. */
static inline __mmask16 wide_mask(int64_t n) { return (__mmask16)((1u << n) - 1); }
#endif

#endif
