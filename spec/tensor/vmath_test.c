/* vmath_test.c -- every function of tensor/cpu/vmath.h against the next wider type of libm: the
 * largest error in units in the last place, and exact agreement on NaN, infinities and zeros. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../tensor/cpu/vmath.h"

enum { BLOCK = 1024, SAMPLES_F32 = 256 * BLOCK, SAMPLES_F64 = 128 * BLOCK };

/* Where long double is no wider than double, the reference itself is off by up to 1 ulp. */
static const double reference_error = LDBL_MANT_DIG > DBL_MANT_DIG ? 0.0 : 1.0;

static const double specials[] = {
    0.0,       -0.0,     INFINITY,  -INFINITY,  NAN,       0x1p-149,   -0x1p-149, 0x1p-126,
    -0x1p-126, 1.0,      -1.0,      0.5,        -0.5,      1.5,        -1.5,      2.0,
    -2.0,      2.5,      -2.5,      3.0,        -3.0,      FLT_MAX,    -FLT_MAX,  89.0,
    -104.0,    0x1p-25,  -0x1p-25,  0x1p24,     -0x1p24,   0x1p25,     1e-20,     -1e-20,
    DBL_MAX,   -DBL_MAX, 0x1p-1074, -0x1p-1074, 0x1p-1022, -0x1p-1022, 0x1p53,    -0x1p53,
};
enum { SPECIALS = sizeof specials / sizeof specials[0] };

/* ---- references that libm lacks ---- */

static long double sigmoidl(long double x) {
  return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
}

static double sigmoid(double x) {
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static long double softplusl(long double x) {
  return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

static double softplus(double x) {
  return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

/* ---- the functions: name, reference, where f32 and f64 are sampled densely, bound of |x| for f32
 * and f64 (0: none), ulp allowed; what only names libm is allowed glibc's own error ---- */

#define UNARY(X)                                                     \
  X(exp, exp, -106, 90, -748, 711, 0, 0, 2)                          \
  X(expm1, expm1, -18, 4, -38, 4, 0, 0, 2)                           \
  X(log, log, 0.2, 5, 0.2, 5, 0, 0, 2)                               \
  X(log1p, log1p, -1, 4, -1, 4, 0, 0, 2)                             \
  X(log2, log2, 0.2, 5, 0.2, 5, 0, 0, 2)                             \
  X(log10, log10, 0.2, 5, 0.2, 5, 0, 0, 2)                           \
  X(tanh, tanh, -10, 10, -20, 20, 0, 0, 3)                           \
  X(sigmoid, sigmoid, -105, 20, -750, 40, 0, 0, 2)                   \
  X(softplus, softplus, -105, 20, -750, 40, 0, 0, 2)                 \
  X(erf, erf, -4.2, 4.2, -6.2, 6.2, 0, 0, 2)                         \
  X(sin, sin, -7, 7, -7, 7, TN_SINCOS_MAX_F32, TN_SINCOS_MAX_F64, 2) \
  X(cos, cos, -7, 7, -7, 7, TN_SINCOS_MAX_F32, TN_SINCOS_MAX_F64, 2) \
  X(tan, tan, -7, 7, -7, 7, 0, 0, 4)                                 \
  X(asin, asin, -1, 1, -1, 1, 0, 0, 4)                               \
  X(acos, acos, -1, 1, -1, 1, 0, 0, 4)                               \
  X(atan, atan, -4, 4, -4, 4, 0, 0, 4)                               \
  X(sinh, sinh, -20, 20, -20, 20, 0, 0, 4)                           \
  X(cosh, cosh, -20, 20, -20, 20, 0, 0, 4)                           \
  X(sqrt, sqrt, 0, 10, 0, 10, 0, 0, 0.5)                             \
  X(fabs, fabs, -10, 10, -10, 10, 0, 0, 0)                           \
  X(round, nearbyint, -10, 10, -10, 10, 0, 0, 0)                     \
  X(floor, floor, -10, 10, -10, 10, 0, 0, 0)                         \
  X(ceil, ceil, -10, 10, -10, 10, 0, 0, 0)                           \
  X(trunc, trunc, -10, 10, -10, 10, 0, 0, 0)

#define BINARY(X) X(pow, pow, 2) X(atan2, atan2, 4) X(fmod, fmod, 0)

typedef struct {
  const char *name;
  void (*f32)(float *restrict, const float *restrict);
  void (*f64)(double *restrict, const double *restrict);
  double (*ref)(double);
  long double (*refl)(long double);
  double lo32, hi32, lo64, hi64, bound32, bound64, limit;
} unary;

typedef struct {
  const char *name;
  float (*f32)(float, float);
  double (*f64)(double, double);
  double (*ref)(double, double);
  long double (*refl)(long double, long double);
  double limit;
} binary;

/* Loops, as the kernels have them: with vector flags the vectorised code is what gets tested. */
#define UNARY_LOOPS(name, ...)                                                \
  static void name##_f32_loop(float *restrict y, const float *restrict x) {   \
    for (int i = 0; i < BLOCK; i++) y[i] = tn_##name##_f32(x[i]);             \
  }                                                                           \
  static void name##_f64_loop(double *restrict y, const double *restrict x) { \
    for (int i = 0; i < BLOCK; i++) y[i] = tn_##name##_f64(x[i]);             \
  }
UNARY(UNARY_LOOPS)

#define UNARY_ROW(name, ref, ...) \
  {#name, name##_f32_loop, name##_f64_loop, ref, ref##l, __VA_ARGS__},
static const unary unaries[] = {UNARY(UNARY_ROW)};

#define BINARY_ROW(name, ref, limit) {#name, tn_##name##_f32, tn_##name##_f64, ref, ref##l, limit},
static const binary binaries[] = {BINARY(BINARY_ROW)};

/* ---- measuring ---- */

typedef struct {
  double worst; /* ulp; infinite for a wrong special value */
  double at, at2;
} result;

/* Distance of got from want in ulp of a type with that many mantissa bits and least exponent. An
 * overflow counts as the power of two after the largest number. */
static double ulp_error(long double got, long double want, int mantissa, int min_exp, int max_exp) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0.0 : (double)INFINITY;
  if (want == 0 && got == 0) return signbit(want) == signbit(got) ? 0.0 : (double)INFINITY;
  long double top = ldexpl(1, max_exp);
  got = fmaxl(fminl(got, top), -top);
  want = fmaxl(fminl(want, top), -top);
  int e = want == 0 ? min_exp : ilogbl(want);
  e = e < min_exp ? min_exp : e >= max_exp ? max_exp - 1 : e;
  return (double)ldexpl(fabsl(got - want), mantissa - 1 - e);
}

static void note(result *r, double error, double x, double y) {
  if (error > r->worst) *r = (result){error, x, y};
}

static int report(const char *name, const char *type, result r, double limit) {
  int ok = r.worst <= limit;
  printf("%s %s_%s: %.3f ulp (limit %g)", ok ? "ok" : "not ok", name, type, r.worst, limit);
  printf(ok ? "\n" : " at %a, %a\n", r.at, r.at2);
  return !ok;
}

/* A Weyl sequence scrambled: cheap, reproducible, every bit pattern equally likely. */
static uint64_t random_bits(uint64_t i) {
  uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  return z ^ (z >> 27);
}

/* Sample i: special values, then in turn any bit pattern, the dense interval, and the neighbours of
 * multiples of pi/2, which are hardest for sine and cosine. */
static double sample(int64_t i, double lo, double hi, double bound, bool single) {
  uint64_t u = random_bits((uint64_t)i);
  double x;
  if (i < SPECIALS) {
    x = specials[i];
  } else if (i % 3 == 0) {
    x = single ? (double)tn__float_f32((uint32_t)u) : tn__float_f64(u);
  } else if (i % 3 == 1) {
    x = lo + (hi - lo) * (double)(u >> 11) * 0x1p-53;
  } else {
    x = (double)(u % (single ? 6366 : 636619)) * 0x1.921fb54442d18p+0;
  }
  bool outside = bound > 0 && fabs(x) > bound && isfinite(x);
  return outside ? fmod(x, bound) : x;
}

static int test_f32(const unary *f) {
  float x[BLOCK], y[BLOCK];
  result r = {0, 0, 0};
  for (int64_t start = 0; start < SAMPLES_F32; start += BLOCK) {
    for (int i = 0; i < BLOCK; i++) {
      double s = sample(start + i, f->lo32, f->hi32, f->bound32, true);
      x[i] = (float)(fabs(s) > FLT_MAX ? copysign((double)INFINITY, s) : s); /* else undefined */
    }
    f->f32(y, x);
    for (int i = 0; i < BLOCK; i++) {
      double want = f->ref((double)x[i]);
      note(&r, ulp_error((long double)y[i], (long double)want, 24, -126, 128), (double)x[i], 0);
    }
  }
  return report(f->name, "f32", r, f->limit);
}

static int test_f64(const unary *f) {
  double x[BLOCK], y[BLOCK];
  result r = {0, 0, 0};
  for (int64_t start = 0; start < SAMPLES_F64; start += BLOCK) {
    for (int i = 0; i < BLOCK; i++) x[i] = sample(start + i, f->lo64, f->hi64, f->bound64, false);
    f->f64(y, x);
    for (int i = 0; i < BLOCK; i++)
      note(&r, ulp_error((long double)y[i], f->refl((long double)x[i]), 53, -1022, 1024), x[i], 0);
  }
  return report(f->name, "f64", r, f->limit + (f->limit > 0.5 ? reference_error : 0.0));
}

/* Special values with one another, then small bases and exponents, then arbitrary floats. */
static void sample_pair(int64_t i, double *x, double *y) {
  uint64_t u = random_bits((uint64_t)i);
  double left = (double)(u >> 40) * 0x1p-24, right = (double)(u & 0xffffff) * 0x1p-24;
  if (i < SPECIALS * SPECIALS) {
    *x = specials[i % SPECIALS];
    *y = specials[i / SPECIALS];
  } else if (i % 3 == 0) {
    *x = (double)tn__float_f32((uint32_t)u);
    *y = (double)tn__float_f32((uint32_t)(u >> 32));
  } else if (i % 3 == 1) {
    *x = 4.0 * left;
    *y = 400.0 * (right - 0.5);
  } else { /* integer exponents of negative numbers */
    *x = -40.0 * left;
    *y = floor(60.0 * right) - 30.0;
  }
}

static int test_binary(const binary *f) {
  result r32 = {0, 0, 0}, r64 = {0, 0, 0};
  for (int64_t i = 0; i < SAMPLES_F64; i++) {
    double x, y;
    sample_pair(i, &x, &y);
    long double want = f->refl((long double)x, (long double)y);
    note(&r64, ulp_error((long double)f->f64(x, y), want, 53, -1022, 1024), x, y);
    if ((isfinite(x) && fabs(x) > FLT_MAX) || (isfinite(y) && fabs(y) > FLT_MAX)) continue;
    float a = (float)x, b = (float)y;
    want = (long double)f->ref((double)a, (double)b);
    note(&r32, ulp_error((long double)f->f32(a, b), want, 24, -126, 128), (double)a, (double)b);
  }
  double extra = f->limit > 0 ? reference_error : 0.0;
  return report(f->name, "f32", r32, f->limit) + report(f->name, "f64", r64, f->limit + extra);
}

/* ---- values that people expect to be exact ---- */

static int check(const char *what, bool ok) {
  printf("%s %s\n", ok ? "ok" : "not ok", what);
  return !ok;
}

static int test_exact(void) {
  bool one = true, powers = true, tens = true;
  one &= tn_exp_f32(0.0f) == 1.0f && tn_exp_f64(0.0) == 1.0;
  one &= tn_cos_f32(0.0f) == 1.0f && tn_cos_f64(0.0) == 1.0;
  one &= tn_sigmoid_f32(0.0f) == 0.5f && tn_sigmoid_f64(0.0) == 0.5;
  for (int k = -1074; k < 1024; k++) {
    powers &= tn_log2_f64(ldexp(1.0, k)) == (double)k;
    powers &= k < -149 || k > 127 || tn_log2_f32(ldexpf(1.0f, k)) == (float)k;
    powers &= k < -149 || k > 127 || tn_pow_f32(2.0f, (float)k) == ldexpf(1.0f, k);
  }
  double ten = 1.0;
  for (int k = 0; k <= 22; k++, ten *= 10.0) { /* up to here powers of ten are doubles */
    tens &= tn_log10_f64(ten) == (double)k;
    tens &= k > 10 || tn_log10_f32((float)ten) == (float)k;
    tens &= k > 10 || tn_pow_f32(10.0f, (float)k) == (float)ten;
  }
  return check("exp(0), cos(0), sigmoid(0)", one) + check("log2 and pow at powers of 2", powers) +
         check("log10 and pow at powers of 10", tens);
}

static int test_sincos_small(void) {
  float x[] = {0.0f, -TN_SINCOS_MAX_F32, NAN, TN_SINCOS_MAX_F32, 1e5f, -INFINITY, -1e5f};
  double z[] = {0.0, -TN_SINCOS_MAX_F64, (double)NAN, TN_SINCOS_MAX_F64, 1e7, -(double)INFINITY};
  bool ok = tn_sincos_small_f32(x, 4) && tn_sincos_small_f64(z, 4) && tn_sincos_small_f32(x, 0);
  ok &= !tn_sincos_small_f32(x, 5) && !tn_sincos_small_f32(x + 5, 1);
  ok &= !tn_sincos_small_f32(x + 6, 1) && !tn_sincos_small_f64(z, 5);
  ok &= !tn_sincos_small_f64(z + 5, 1);
  return check("sincos_small", ok);
}

int main(void) {
  int failures = 0;
  for (size_t i = 0; i < sizeof unaries / sizeof unaries[0]; i++)
    failures += test_f32(&unaries[i]) + test_f64(&unaries[i]);
  for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; i++)
    failures += test_binary(&binaries[i]);
  failures += test_exact() + test_sincos_small();
  return failures != 0;
}
