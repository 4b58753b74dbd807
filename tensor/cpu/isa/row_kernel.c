/* row_kernel.c -- softmax and its gradient, and optimizers' steps. */
#include <math.h>

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/isa/wide_math.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/vmath.h"

enum { LANES = 16 };

/* y = exp(x - top), and the sum of it. */
#if defined(__AVX512F__)
static float exp_row_f32(int64_t n, float *y, const float *x, float top) {
  const __m512 shift = _mm512_set1_ps(top);
  __m512 a = _mm512_setzero_ps(), b = a;
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512 e = wide_exp(_mm512_sub_ps(_mm512_loadu_ps(x + i), shift));
    const __m512 f = wide_exp(_mm512_sub_ps(_mm512_loadu_ps(x + i + 16), shift));
    _mm512_storeu_ps(y + i, e);
    _mm512_storeu_ps(y + i + 16, f);
    a = _mm512_add_ps(a, e);
    b = _mm512_add_ps(b, f);
  }
  for (; i < n; i += 16) {
    const __mmask16 some = n - i < 16 ? wide_mask(n - i) : (__mmask16)0xffff;
    const __m512 e = wide_exp(_mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), shift));
    _mm512_mask_storeu_ps(y + i, some, e);
    a = _mm512_mask_add_ps(a, some, a, e);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}
#else
#define EXP_ROW_F32 1
#endif

#define EXP_ROW(suffix, T)                                                                        \
  static T exp_row_##suffix(int64_t n, T *y, const T *x, T top) {                                 \
    TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = tn_exp_##suffix(x[i] - top);                 \
    return row_sum_##suffix(n, y);                                                                \
  }

/* A maximum and a sum over LANES running values, so that the loops vectorise. */
#define SUMS(suffix, T)                                                                        \
  static T row_max_##suffix(int64_t n, const T *x) {                                              \
    T lane[LANES], top = -(T)INFINITY;                                                            \
    int64_t i = 0;                                                                                \
    for (int k = 0; k < LANES; k++) lane[k] = -(T)INFINITY;                                       \
    for (; i + LANES <= n; i += LANES) {                                                          \
      TN_VECTOR for (int k = 0; k < LANES; k++) lane[k] = x[i + k] > lane[k] ? x[i + k] : lane[k]; \
    }                                                                                             \
    for (; i < n; i++) top = x[i] > top ? x[i] : top;                                             \
    for (int k = 0; k < LANES; k++) top = lane[k] > top ? lane[k] : top;                          \
    return isinf(top) ? 0 : top;                                                                  \
  }                                                                                               \
  static T row_sum_##suffix(int64_t n, const T *x) {                                              \
    T lane[LANES] = {0}, sum = 0;                                                                 \
    int64_t i = 0;                                                                                \
    for (; i + LANES <= n; i += LANES) {                                                          \
      TN_VECTOR for (int k = 0; k < LANES; k++) lane[k] += x[i + k];                              \
    }                                                                                             \
    for (; i < n; i++) sum += x[i];                                                               \
    for (int k = 0; k < LANES; k++) sum += lane[k];                                               \
    return sum;                                                                                   \
  }

#define SOFTMAX(suffix, T)                                                                        \
  static void softmax_##suffix(int64_t rows, int64_t n, T *y, const T *x, bool log) {             \
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {                                          \
      const T top = row_max_##suffix(n, x);                                                       \
      const T sum = exp_row_##suffix(n, y, x, top);                                               \
      if (log) {                                                                                  \
        const T shift = top + tn_log_##suffix(sum);                                               \
        TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = x[i] - shift;                            \
      } else {                                                                                    \
        const T scale = 1 / sum;                                                                  \
        TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] *= scale;                                  \
      }                                                                                           \
    }                                                                                             \
  }                                                                                               \
  static void softmax_grad_##suffix(int64_t rows, int64_t n, T *dx, const T *y, const T *dy,      \
                                    bool log) {                                                   \
    for (int64_t r = 0; r < rows; r++, dx += n, y += n, dy += n) {                                \
      if (log) {                                                                                  \
        const T sum = row_sum_##suffix(n, dy);                                                    \
        TN_VECTOR for (int64_t i = 0; i < n; i++) dx[i] = dy[i] - tn_exp_##suffix(y[i]) * sum;    \
      } else {                                                                                    \
        T sum = 0;                                                                                \
        for (int64_t i = 0; i < n; i++) sum += y[i] * dy[i];                                      \
        TN_VECTOR for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - sum);                   \
      }                                                                                           \
    }                                                                                             \
  }

/* The same down STRIP columns or fewer. */
#define SOFTMAX_COLUMNS(suffix, T)                                                                \
  static void softmax_columns_##suffix(int64_t rows, int64_t n, int64_t stride, T *y, const T *x, \
                                       bool log) {                                                \
    T top[TN_SOFTMAX_COLUMNS], sum[TN_SOFTMAX_COLUMNS];                                           \
    for (int64_t i = 0; i < n; i++) top[i] = -(T)INFINITY, sum[i] = 0;                            \
    for (int64_t r = 0; r < rows; r++) {                                                          \
      const T *v = x + r * stride;                                                                \
      TN_VECTOR for (int64_t i = 0; i < n; i++) top[i] = v[i] > top[i] ? v[i] : top[i];           \
    }                                                                                             \
    for (int64_t i = 0; i < n; i++) top[i] = isinf(top[i]) ? 0 : top[i];                          \
    for (int64_t r = 0; r < rows; r++) {                                                          \
      const T *v = x + r * stride;                                                                \
      T *o = y + r * stride;                                                                      \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        const T e = tn_exp_##suffix(v[i] - top[i]);                                               \
        o[i] = e;                                                                                 \
        sum[i] += e;                                                                              \
      }                                                                                           \
    }                                                                                             \
    for (int64_t i = 0; i < n; i++) sum[i] = log ? top[i] + tn_log_##suffix(sum[i]) : 1 / sum[i]; \
    for (int64_t r = 0; r < rows; r++) {                                                          \
      const T *v = x + r * stride;                                                                \
      T *o = y + r * stride;                                                                      \
      if (log) {                                                                                  \
        TN_VECTOR for (int64_t i = 0; i < n; i++) o[i] = v[i] - sum[i];                           \
      } else {                                                                                    \
        TN_VECTOR for (int64_t i = 0; i < n; i++) o[i] *= sum[i];                                 \
      }                                                                                           \
    }                                                                                             \
  }

SUMS(f32, float)
SUMS(f64, double)
#ifdef EXP_ROW_F32
EXP_ROW(f32, float)
#endif
EXP_ROW(f64, double)
SOFTMAX(f32, float)
SOFTMAX(f64, double)
SOFTMAX_COLUMNS(f32, float)
SOFTMAX_COLUMNS(f64, double)

/* c: rate (bias-corrected), beta1, beta2, epsilon, 1 / sqrt(1 - beta2^t), weight decay, and the
 * decay that acts on the parameter itself (Loshchilov and Hutter 2019). */
#define TN_ROOT_f32 tn_sqrt_f32
#define TN_ROOT_plain tn_sqrt_f32
#define TN_ROOT_f64 tn_sqrt_f64
#define ADAM(suffix, T)                                                                           \
  static void adam_##suffix(int64_t n, T *p, const T *g, T *m, T *v, const double *c) {           \
    const T rate = (T)c[0], b1 = (T)c[1], b2 = (T)c[2], eps = (T)c[3], root = (T)c[4];            \
    const T decay = (T)c[5], keep = (T)(1 - c[6]);                                                \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const T grad = g[i] + decay * p[i];                                                         \
      const T mi = b1 * m[i] + (1 - b1) * grad, vi = b2 * v[i] + (1 - b2) * grad * grad;          \
      m[i] = mi;                                                                                  \
      v[i] = vi;                                                                                  \
      p[i] = keep * p[i] - rate * mi / (TN_ROOT_##suffix(vi) * root + eps);                       \
    }                                                                                             \
  }

#if defined(__AVX512F__)
/* 1 / x and sqrt(x) to within 2 ulp, from estimates and one step of Newton's method: dividing and
 * taking roots is what Adam would spend its time on. */
static inline __m512 inverse(__m512 x) {
  __m512 r = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(2)));
}

static inline __m512 root_of(__m512 x) {
  /* 0 stays 0; what is too small for the estimate's square counts as 0 */
  __mmask16 some = _mm512_cmp_ps_mask(x, _mm512_set1_ps(1e-37f), _CMP_GE_OQ);
  __m512 r = _mm512_maskz_rsqrt14_ps(some, x), half = _mm512_mul_ps(x, _mm512_set1_ps(0.5f));
  r = _mm512_mul_ps(r, _mm512_fnmadd_ps(_mm512_mul_ps(half, r), r, _mm512_set1_ps(1.5f)));
  __mmask16 odd = _mm512_cmp_ps_mask(x, _mm512_set1_ps(3e38f), _CMP_NLE_UQ); /* inf, NaN */
  return _mm512_mask_sqrt_ps(_mm512_mul_ps(x, r), odd, x);
}

ADAM(plain, float)

static void adam_f32(int64_t n, float *p, const float *g, float *m, float *v, const double *c) {
  const __m512 rate = _mm512_set1_ps((float)c[0]), b1 = _mm512_set1_ps((float)c[1]);
  const __m512 b2 = _mm512_set1_ps((float)c[2]), eps = _mm512_set1_ps((float)c[3]);
  const __m512 root = _mm512_set1_ps((float)c[4]), decay = _mm512_set1_ps((float)c[5]);
  const __m512 keep = _mm512_set1_ps((float)(1 - c[6]));
  const __m512 rest1 = _mm512_set1_ps(1 - (float)c[1]), rest2 = _mm512_set1_ps(1 - (float)c[2]);
  int64_t i = 0;
  /* below 1e-30 the estimate of 1 / (sqrt(v) + eps) could overflow */
  if (c[3] < 1e-30) n = -n;
  for (; i + 16 <= n; i += 16) {
    const __m512 x = _mm512_loadu_ps(p + i);
    const __m512 grad = _mm512_fmadd_ps(decay, x, _mm512_loadu_ps(g + i));
    const __m512 mi = _mm512_fmadd_ps(b1, _mm512_loadu_ps(m + i), _mm512_mul_ps(rest1, grad));
    const __m512 vi = _mm512_fmadd_ps(b2, _mm512_loadu_ps(v + i),
                                      _mm512_mul_ps(rest2, _mm512_mul_ps(grad, grad)));
    const __m512 step = _mm512_mul_ps(mi, inverse(_mm512_fmadd_ps(root_of(vi), root, eps)));
    _mm512_storeu_ps(m + i, mi);
    _mm512_storeu_ps(v + i, vi);
    _mm512_storeu_ps(p + i, _mm512_fnmadd_ps(rate, step, _mm512_mul_ps(keep, x)));
  }
  n = n < 0 ? -n : n;
  adam_plain(n - i, p + i, g + i, m + i, v + i, c);
}
#else
ADAM(f32, float)
#endif
ADAM(f64, double)

#define SGD(suffix, T)                                                                            \
  static void sgd_##suffix(int64_t n, T *p, const T *g, T *v, const double *c) {                  \
    const T rate = (T)c[0], decay = (T)c[1], keep = (T)c[2], take = (T)c[3];                      \
    const T a = (T)c[4], b = (T)c[5];                                                             \
    if (v == NULL) {                                                                              \
      TN_VECTOR for (int64_t i = 0; i < n; i++) p[i] -= rate * (g[i] + decay * p[i]);             \
      return;                                                                                     \
    }                                                                                             \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const T grad = g[i] + decay * p[i], vi = keep * v[i] + take * grad;                         \
      v[i] = vi;                                                                                  \
      p[i] -= rate * (a * grad + b * vi);                                                         \
    }                                                                                             \
  }

SGD(f32, float)
SGD(f64, double)

const tn_row_kernels TN_ISA_NAME(tn__row_kernels) = {
    softmax_f32, softmax_f64, softmax_columns_f32, softmax_columns_f64,
    softmax_grad_f32, softmax_grad_f64, adam_f32, adam_f64, sgd_f32, sgd_f64};
