/* vmath.h -- elementary functions of one number, written so that loops over them become SIMD.
 *
 * Every function is called tn_NAME_f32 or tn_NAME_f64. Those computed here (exp, expm1, log, log1p,
 * log2, log10, tanh, sigmoid, softplus, erf, sin, cos and the float pow) have no branch, table or
 * call: gcc and clang vectorise a plain loop over them for SSE2, AVX2 and AVX-512 alike. The rest
 * are thin names for libm, so that a table of operations needs one naming scheme only.
 *
 * Accuracy   At most 2 ulp, tn_tanh_f64 3, subnormals included (spec/tensor/vmath_test.c).
 * Specials   NaN, infinities, both zeros, overflow and underflow follow C99, Annex F, but no
 *            floating-point exception flag and no errno is meant to be right.
 * Flags      Right with or without FMA contraction; made for -fno-math-errno -fno-trapping-math.
 *            -ffast-math would break them: the order of the additions carries the precision.
 * Limits     sin and cos are right up to TN_SINCOS_MAX_F32/_F64 only; ask
 *            tn_sincos_small_f32/_f64 about the whole array first and use libm where it says no.
 *
 * Coefficients named "minimax" come from our own Remez exchange with rounded coefficients. */
#ifndef TN_CPU_VMATH_H
#define TN_CPU_VMATH_H

#include "vmath_f32.h"
#include "vmath_f64.h"

#endif
