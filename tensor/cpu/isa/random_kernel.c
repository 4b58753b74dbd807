/* random_kernel.c -- Philox numbers by the vector, and what distributions make of them.
 *
 * This file is compiled without joining multiplications and additions (see the Makefile), so that
 * a seed gives the same numbers, to the last bit, on every processor. */
#include <math.h>

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/vmath.h"
#include "tensor/philox.h"

#if defined(__SSE2__)
#include <immintrin.h>

/* A lane holds one word of one group in its lower half; what is in the upper half does not matter,
 * since multiplications do not read it. Lanes take groups in the order in which `pair` delivers. */
#if defined(__AVX512F__)
typedef __m512i lanes;
enum { LANES = 8, ABREAST = 4 };
#define LANE(name) _mm512_##name
#define EACH(name) _mm512_##name##_si512
#define SPREAD(x) _mm512_set1_epi64((long long)(x))
#define ORDER _mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0)
#elif defined(__AVX2__)
typedef __m256i lanes;
enum { LANES = 4, ABREAST = 2 };
#define LANE(name) _mm256_##name
#define EACH(name) _mm256_##name##_si256
#define SPREAD(x) _mm256_set1_epi64x((long long)(x))
#define ORDER _mm256_set_epi64x(3, 1, 2, 0)
#else
typedef __m128i lanes;
enum { LANES = 2, ABREAST = 2 };
#define LANE(name) _mm_##name
#define EACH(name) _mm_##name##_si128
#define SPREAD(x) _mm_set1_epi64x((long long)(x))
#define ORDER _mm_set_epi64x(1, 0)
#endif

/* Words of two columns side by side. */
static inline lanes beside(lanes low, lanes high, lanes mask) {
  return EACH(or)(EACH(and)(low, mask), LANE(slli_epi64)(high, 32));
}

/* LANES * ABREAST groups; several vectors abreast hide the multiplications' latency. */
static inline void block(uint64_t seed, uint64_t offset, uint32_t *out) {
  lanes key0 = SPREAD(seed & 0xFFFFFFFF), key1 = SPREAD(seed >> 32);
  lanes c0[ABREAST], c1[ABREAST], c2[ABREAST], c3[ABREAST];
  const lanes m0 = SPREAD(0xD2511F53), m1 = SPREAD(0xCD9E8D57), mask = SPREAD(0xFFFFFFFF);
  for (int v = 0; v < ABREAST; v++) {
    c0[v] = LANE(add_epi64)(SPREAD(offset + (uint64_t)(v * LANES)), ORDER);
    c1[v] = LANE(srli_epi64)(c0[v], 32);
    c2[v] = c3[v] = SPREAD(0);
  }
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 4
    for (int v = 0; v < ABREAST; v++) {
      const lanes p0 = LANE(mul_epu32)(m0, c0[v]), p1 = LANE(mul_epu32)(m1, c2[v]);
      c0[v] = EACH(xor)(EACH(xor)(LANE(srli_epi64)(p1, 32), c1[v]), key0);
      c2[v] = EACH(xor)(EACH(xor)(LANE(srli_epi64)(p0, 32), c3[v]), key1);
      c1[v] = p1;
      c3[v] = p0;
    }
    key0 = LANE(add_epi64)(key0, SPREAD(0x9E3779B9));
    key1 = LANE(add_epi64)(key1, SPREAD(0xBB67AE85));
  }
  for (int v = 0; v < ABREAST; v++, out += 4 * LANES) {
    const lanes a = beside(c0[v], c1[v], mask), b = beside(c2[v], c3[v], mask);
    EACH(storeu)((lanes *)out, LANE(unpacklo_epi64)(a, b));
    EACH(storeu)((lanes *)(out + 2 * LANES), LANE(unpackhi_epi64)(a, b));
  }
}
#else
enum { LANES = 1, ABREAST = 1 };
static inline void block(uint64_t seed, uint64_t offset, uint32_t *out) {
  tn__philox(seed, offset, out);
}
#endif

/* out[4 g ... 4 g + 3]: group offset + g */
static void words(uint64_t seed, uint64_t offset, int64_t groups, uint32_t *out) {
  const int64_t wide = LANES * ABREAST;
  uint32_t last[4 * LANES * ABREAST];
  int64_t g = 0;
  for (; g + wide <= groups; g += wide) block(seed, offset + (uint64_t)g, out + 4 * g);
  if (groups - g > 2) {
    block(seed, offset + (uint64_t)g, last);
    memcpy(out + 4 * g, last, sizeof *last * 4 * (size_t)(groups - g));
    return;
  }
  for (; g < groups; g++) tn__philox(seed, offset + (uint64_t)g, out + 4 * g);
}

/* -- Distributions: p[] as kernels.h says ------------------------------------------------------ */

static void uniform_f32(int64_t n, float *out, const uint32_t *w, const double *p) {
  const float low = (float)p[0], scale = (float)p[1], top = (float)p[2];
  const uint32_t mask = ~(uint32_t)0 << (int)p[3];
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    const float x = low + scale * tn__uniform24(w[i] & mask);
    out[i] = x < top ? x : top;
  }
}

static void uniform_f64(int64_t n, double *out, const uint32_t *w, const double *p) {
  const double low = p[0], scale = p[1], top = p[2];
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    const double x = low + scale * tn__uniform53(w[2 * i], w[2 * i + 1]);
    out[i] = x < top ? x : top;
  }
}

/* Box and Muller 1958: a radius and an angle make two numbers. */
#define POLAR(suffix, T, uint, SIGN)                                                              \
  /* cosine and sine from those of the rest of an angle */                                        \
  static inline void turn_##suffix(T r, uint32_t quarters, T *cosine, T *sine) {                  \
    const uint c = tn__bits_##suffix(tn__cos_rest_##suffix(r));                                   \
    const uint s = tn__bits_##suffix(tn__sin_rest_##suffix(r));                                   \
    const uint swap = (c ^ s) & ((uint)0 - (uint)(quarters & 1));                                 \
    *cosine = tn__float_##suffix((c ^ swap) ^ ((uint)((quarters + 1) & 2) << SIGN));              \
    *sine = tn__float_##suffix((s ^ swap) ^ ((uint)(quarters & 2) << SIGN));                      \
  }

POLAR(f32, float, uint32_t, 30)
POLAR(f64, double, uint64_t, 62)

static void normal_f32(int64_t n, float *out, const uint32_t *w, const double *p) {
  const float mean = (float)p[0], deviation = (float)p[1];
  TN_VECTOR for (int64_t i = 0; i < n / 2; i++) {
    float c, s;
    uint32_t quarters;
    const float r = tn__angle_f32(w[2 * i + 1], &quarters);
    const float radius = deviation * tn_sqrt_f32(-2 * tn_log_f32(tn__above0_f32(w[2 * i])));
    turn_f32(r, quarters, &c, &s);
    out[2 * i] = mean + radius * c;
    out[2 * i + 1] = mean + radius * s;
  }
}

static void normal_f64(int64_t n, double *out, const uint32_t *w, const double *p) {
  const double mean = p[0], deviation = p[1];
  TN_VECTOR for (int64_t i = 0; i < n / 2; i++) {
    double c, s;
    uint32_t quarters;
    const double r = tn__angle_f64(w[4 * i + 2], w[4 * i + 3], &quarters);
    const double u = tn__above0_f64(w[4 * i], w[4 * i + 1]);
    const double radius = deviation * tn_sqrt_f64(-2 * tn_log_f64(u));
    turn_f64(r, quarters, &c, &s);
    out[2 * i] = mean + radius * c;
    out[2 * i + 1] = mean + radius * s;
  }
}

static void exponential_f32(int64_t n, float *out, const uint32_t *w, const double *p) {
  const float scale = (float)-p[0];
  TN_VECTOR for (int64_t i = 0; i < n; i++) out[i] = scale * tn_log_f32(tn__above0_f32(w[i]));
}

static void exponential_f64(int64_t n, double *out, const uint32_t *w, const double *p) {
  const double scale = -p[0];
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    out[i] = scale * tn_log_f64(tn__above0_f64(w[2 * i], w[2 * i + 1]));
  }
}

/* The tangent of a random angle. */
static void cauchy_f32(int64_t n, float *out, const uint32_t *w, const double *p) {
  const float median = (float)p[0], width = (float)p[1];
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    float c, s;
    uint32_t quarters;
    const float r = tn__angle_f32(w[i], &quarters);
    turn_f32(r, quarters, &c, &s);
    out[i] = median + width * (s / c);
  }
}

static void cauchy_f64(int64_t n, double *out, const uint32_t *w, const double *p) {
  const double median = p[0], width = p[1];
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    double c, s;
    uint32_t quarters;
    const double r = tn__angle_f64(w[2 * i], w[2 * i + 1], &quarters);
    turn_f64(r, quarters, &c, &s);
    out[i] = median + width * (s / c);
  }
}

/* 1 with a probability of p[0] / 2^32, and else 0. */
static void bernoulli_f32(int64_t n, float *out, const uint32_t *w, const double *p) {
  const uint32_t last = (uint32_t)(p[0] - 1);
  const float scale = (float)p[1];
  TN_VECTOR for (int64_t i = 0; i < n; i++) out[i] = w[i] <= last ? scale : 0.0f;
}

static void exp_f32(int64_t n, float *x) {
  TN_VECTOR for (int64_t i = 0; i < n; i++) x[i] = tn_exp_f32(x[i]);
}

static void exp_f64(int64_t n, double *x) {
  TN_VECTOR for (int64_t i = 0; i < n; i++) x[i] = tn_exp_f64(x[i]);
}

const tn_random_kernels TN_ISA_NAME(tn__random_kernels) = {
    words, {uniform_f32, normal_f32, exponential_f32, cauchy_f32, bernoulli_f32},
    {uniform_f64, normal_f64, exponential_f64, cauchy_f64, NULL},
    exp_f32, exp_f64};
