/* pointwise_kernel.c -- the rows of pointwise.def as loops over float and double. */
#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/isa/wide_math.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/pointwise_language.h"
#include "tensor/cpu/special.h"
#include "tensor/cpu/vmath.h"

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define NEG(a) (-(a))

/* AVX-512 has loops of its own over double only where arithmetic counts: simple ones wait for
 * memory anyway, and gradients of double are rare. The rest is left to AVX2. */
#define RANK_baseline 0
#define RANK_avx2 1
#define RANK_avx512 2
#define IS_BASELINE (TN_ISA_NAME(RANK) == RANK_baseline)
#define HAS_SIMPLE_F64 (TN_ISA_NAME(RANK) < RANK_avx512)
#if HAS_SIMPLE_F64
#define SIMPLE_F64(loop) loop
#else
#define SIMPLE_F64(loop) NULL
#endif

/* Remainder with the sign of the divisor. */
static inline float tn_remainder_f32(float a, float b) {
  float r = tn_fmod_f32(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#if HAS_SIMPLE_F64
static inline double tn_remainder_f64(double a, double b) {
  double r = tn_fmod_f64(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
#endif

/* Rows that have loops of intrinsics below. */
#if defined(__AVX512F__)
#define exp_f32 plain_exp_f32
#define tanh_f32 plain_tanh_f32
#define sigmoid_f32 plain_sigmoid_f32
#define gelu_f32 plain_gelu_f32
#endif

#define T float
#define TN_PARAMETER(v) ((float)(v))
#define SUFFIX _f32
#define HAS_NUM 1
#define HAS_FLT 1
#define HAS_BIT 0
#define HAS_GRAD 1
#define HAS_RARE IS_BASELINE
#include "tensor/cpu/isa/pointwise_loops.h"

#if defined(__AVX512F__)
#undef exp_f32
#undef tanh_f32
#undef sigmoid_f32
#undef gelu_f32

#define WIDE_LOOP(name)                                                                           \
  static void name##_f32(int64_t n, void *out, const void *const *in, unsigned scalars,           \
                         const double *p) {                                                       \
    const float *x = in[0];                                                                       \
    float *o = out;                                                                               \
    (void)scalars, (void)p, (void)plain_##name##_f32;                                             \
    int64_t i = 0;                                                                                \
    for (; i + 16 <= n; i += 16) _mm512_storeu_ps(o + i, wide_##name(_mm512_loadu_ps(x + i)));    \
    const __mmask16 rest = wide_mask(n - i);                                                      \
    if (rest) _mm512_mask_storeu_ps(o + i, rest, wide_##name(_mm512_maskz_loadu_ps(rest, x + i))); \
  }

WIDE_LOOP(exp)
WIDE_LOOP(tanh)
WIDE_LOOP(sigmoid)
WIDE_LOOP(gelu)

#define log_f64 plain_log_f64
#endif

#define T double
#define TN_PARAMETER(v) (v)
#define SUFFIX _f64
#define HAS_NUM HAS_SIMPLE_F64
#define HAS_FLT 1
#define HAS_BIT 0
#define HAS_GRAD HAS_SIMPLE_F64
#define HAS_RARE IS_BASELINE
#include "tensor/cpu/isa/pointwise_loops.h"

#if defined(__AVX512F__)
#undef log_f64
static void log_f64(int64_t n, void *out, const void *const *in, unsigned scalars,
                    const double *p) {
  const double *x = in[0];
  double *o = out;
  (void)scalars, (void)p, (void)plain_log_f64;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm512_storeu_pd(o + i, wide_log_f64(_mm512_loadu_pd(x + i)));
  const __mmask8 rest = (__mmask8)wide_mask(n - i);
  if (rest) _mm512_mask_storeu_pd(o + i, rest, wide_log_f64(_mm512_maskz_loadu_pd(rest, x + i)));
}
#endif

/* Sine and cosine by libm where the vectorised ones are not right. `x` is the input that tells. */
enum { WIDE_BLOCK = 1024 };
#define WIDE(name, suffix, T, k, libm)                                                            \
  static void name##suffix(int64_t n, void *out, const void *const *in, unsigned scalars,         \
                           const double *p) {                                                     \
    for (int64_t done = 0; done < n; done += WIDE_BLOCK) {                                        \
      const int64_t m = n - done < WIDE_BLOCK ? n - done : WIDE_BLOCK;                            \
      const T *x = (const T *)in[k] + done, *d = (const T *)in[0] + done;                         \
      T *o = (T *)out + done;                                                                     \
      (void)d;                                                                                    \
      if (tn_sincos_small##suffix(x, m)) {                                                        \
        fast_##name##suffix(m, o, (const void *[]){d, x, d, d, d}, scalars, p);                   \
      } else {                                                                                    \
        for (int64_t i = 0; i < m; i++) o[i] = (T)(libm);                                         \
      }                                                                                           \
    }                                                                                             \
  }
#define fast_sin_wide_f32 sin_f32
#define fast_sin_wide_f64 sin_f64
#define fast_cos_wide_f32 cos_f32
#define fast_cos_wide_f64 cos_f64
#define fast_sin_wide_grad_a_f32 sin_grad_a_f32
#define fast_sin_wide_grad_a_f64 sin_grad_a_f64
#define fast_cos_wide_grad_a_f32 cos_grad_a_f32
#define fast_cos_wide_grad_a_f64 cos_grad_a_f64

WIDE(sin_wide, _f32, float, 0, sin(x[i]))
WIDE(cos_wide, _f32, float, 0, cos(x[i]))
WIDE(sin_wide_grad_a, _f32, float, 1, d[i] * cos(x[i]))
WIDE(cos_wide_grad_a, _f32, float, 1, -d[i] * sin(x[i]))
WIDE(sin_wide, _f64, double, 0, sin(x[i]))
WIDE(cos_wide, _f64, double, 0, cos(x[i]))
#if HAS_SIMPLE_F64
WIDE(sin_wide_grad_a, _f64, double, 1, d[i] * cos(x[i]))
WIDE(cos_wide_grad_a, _f64, double, 1, -d[i] * sin(x[i]))
#endif

#define RUN_NUM(name) {name##_f32, SIMPLE_F64(name##_f64)}
#define RUN_FLT(name) {name##_f32, name##_f64}
#define RUN_CMP(name) {name##_f32, SIMPLE_F64(name##_f64)}
#define RUN_BIT(name) {NULL, NULL}
#define RUN_TRG(name) {name##_wide_f32, name##_wide_f64}
#if IS_BASELINE
#define RARE(name) {name##_f32, name##_f64}
#else
#define RARE(name) {NULL, NULL}
#endif
#define RUN_RNUM RARE
#define RUN_RFLT RARE
#define RUN_RCMP RARE
#define GRAD(gradient) {gradient##_f32, SIMPLE_F64(gradient##_f64)}
#define GRAD1(name) {GRAD(name##_grad_a)}
#define GRAD2(name) {GRAD(name##_grad_a), GRAD(name##_grad_b)}
#define GRAD3(name) {GRAD(name##_grad_a), GRAD(name##_grad_b), GRAD(name##_grad_c)}
#define NO_GRAD(name) {{NULL, NULL}}
#define GRAD1_NUM GRAD1
#define GRAD1_FLT GRAD1
#define GRAD1_CMP NO_GRAD
#define GRAD1_TRG(name) GRAD1(name##_wide)
#define GRAD1_RNUM(name) {RARE(name##_grad_a)}
#define GRAD1_RFLT GRAD1_RNUM
#define GRAD1_RCMP NO_GRAD
#define GRAD2_RNUM(name) {RARE(name##_grad_a), RARE(name##_grad_b)}
#define GRAD2_RFLT GRAD2_RNUM
#define GRAD2_NUM GRAD2
#define GRAD2_FLT GRAD2
#define GRAD2_CMP NO_GRAD
#define GRAD2_BIT NO_GRAD
#define GRAD3_NUM GRAD3
#define GRAD3_FLT GRAD3

const tn_kernels TN_ISA_NAME(tn__pointwise)[TN_PW_COUNT] = {
#define TN_UNARY(name, kind, ...) [TN_PW_##name] = {RUN_##kind(name), GRAD1_##kind(name)},
#define TN_BINARY(name, kind, ...) [TN_PW_##name] = {RUN_##kind(name), GRAD2_##kind(name)},
#define TN_TERNARY(name, kind, ...) [TN_PW_##name] = {RUN_##kind(name), GRAD3_##kind(name)},
#include "tensor/pointwise.def"
};
