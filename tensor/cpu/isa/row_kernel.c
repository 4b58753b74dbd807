/* row_kernel.c -- softmax and its gradient, and optimizers' steps. */
#include <math.h>

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/vmath.h"

enum { LANES = 16 };

/* A maximum and a sum over LANES running values, so that the loops vectorise. */
#define SOFTMAX(suffix, T)                                                                        \
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
  }                                                                                               \
  static void softmax_##suffix(int64_t rows, int64_t n, T *y, const T *x, bool log) {             \
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {                                          \
      const T top = row_max_##suffix(n, x);                                                       \
      TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = tn_exp_##suffix(x[i] - top);               \
      const T sum = row_sum_##suffix(n, y);                                                       \
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

SOFTMAX(f32, float)
SOFTMAX(f64, double)

/* c: rate (bias-corrected), beta1, beta2, epsilon, 1 / sqrt(1 - beta2^t), weight decay, and the
 * decay that acts on the parameter itself (Loshchilov and Hutter 2019). */
#define ADAM(suffix, T)                                                                           \
  static void adam_##suffix(int64_t n, T *p, const T *g, T *m, T *v, const double *c) {           \
    const T rate = (T)c[0], b1 = (T)c[1], b2 = (T)c[2], eps = (T)c[3], root = (T)c[4];            \
    const T decay = (T)c[5], keep = (T)(1 - c[6]);                                                \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const T grad = g[i] + decay * p[i];                                                         \
      const T mi = b1 * m[i] + (1 - b1) * grad, vi = b2 * v[i] + (1 - b2) * grad * grad;          \
      m[i] = mi;                                                                                  \
      v[i] = vi;                                                                                  \
      p[i] = keep * p[i] - rate * mi / (tn_sqrt_##suffix(vi) * root + eps);                       \
    }                                                                                             \
  }

ADAM(f32, float)
ADAM(f64, double)

const tn_row_kernels TN_ISA_NAME(tn__row_kernels) = {
    softmax_f32, softmax_f64, softmax_grad_f32, softmax_grad_f64, adam_f32, adam_f64};
