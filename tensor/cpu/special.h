/* special.h -- functions that rarely called rows of pointwise_rare.def name, of one number. */
#ifndef TN_CPU_SPECIAL_H
#define TN_CPU_SPECIAL_H

#include <math.h>

double tn_erfinv_f64(double y);
double tn_lgamma_f64(double x); /* of |gamma(x)| */
double tn_digamma_f64(double x);
double tn_polygamma_f64(double x, double n); /* NaN unless n is a whole number from 0 on */

static inline float tn_erfinv_f32(float y) { return (float)tn_erfinv_f64(y); }
static inline float tn_lgamma_f32(float x) { return (float)tn_lgamma_f64(x); }
static inline float tn_digamma_f32(float x) { return (float)tn_digamma_f64(x); }
static inline float tn_polygamma_f32(float x, float n) { return (float)tn_polygamma_f64(x, n); }

/* Names for libm. */
#define TN_LIBM(name)                                                                             \
  static inline float tn_##name##_f32(float x) { return name##f(x); }                             \
  static inline double tn_##name##_f64(double x) { return name(x); }
TN_LIBM(exp2)
TN_LIBM(erfc)
TN_LIBM(asinh)
TN_LIBM(acosh)
TN_LIBM(atanh)
#undef TN_LIBM

static inline float tn_signbit_f32(float x) { return signbit(x) != 0; }
static inline double tn_signbit_f64(double x) { return signbit(x) != 0; }
static inline float tn_hypot_f32(float a, float b) { return hypotf(a, b); }
static inline double tn_hypot_f64(double a, double b) { return hypot(a, b); }
static inline float tn_copysign_f32(float a, float b) { return copysignf(a, b); }
static inline double tn_copysign_f64(double a, double b) { return copysign(a, b); }

/* floor(a / b) without the rounding of the division: 1 by 0.1 is 9, and a little rest. */
static inline double tn_floor_divide_f64(double a, double b) {
  if (b == 0) return a / b; /* infinite, or not a number */
  double rest = fmod(a, b), quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return copysign(0, a / b);
  double below = floor(quotient);
  return quotient - below > 0.5 ? below + 1 : below;
}

static inline float tn_floor_divide_f32(float a, float b) {
  if (b == 0) return a / b;
  float rest = fmodf(a, b), quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return copysignf(0, a / b);
  float below = floorf(quotient);
  return quotient - below > 0.5f ? below + 1 : below;
}

#endif
