/* window_kernel.c -- the greatest of columns and of windows in a row, and which it was. */
#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

/* What is no number wins, and among its like the last; among equal numbers the first. */
static void down(int64_t n, int64_t rows, const float *const *row, float *best, int32_t *which) {
  for (int64_t i = 0; i < n; i++) {
    best[i] = row[0][i];
    which[i] = 0;
  }
  for (int32_t k = 1; k < rows; k++) {
    const float *x = row[k];
    TN_VECTOR for (int64_t i = 0; i < n; i++) {
      const bool take = (x[i] > best[i]) | (x[i] != x[i]);
      best[i] = take ? x[i] : best[i];
      which[i] = take ? k : which[i];
    }
  }
}

/* The order is that of the rows first, and then that of the columns. */
#define ACROSS(stride)                                                                            \
  for (int64_t i = 0; i < n; i++) {                                                               \
    values[i] = best[i * (stride)];                                                               \
    row[i] = which[i * (stride)];                                                                 \
    tap[i] = 0;                                                                                   \
  }                                                                                               \
  for (int32_t k = 1; k < taps; k++) {                                                            \
    const float *x = best + k * step;                                                             \
    const int32_t *r = which + k * step;                                                          \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const float v = x[i * (stride)], b = values[i];                                             \
      const int32_t a = r[i * (stride)];                                                          \
      const bool take = (v > b) | ((v == b) & (a < row[i])) |                                     \
                        ((v != v) & ((b == b) | (a >= row[i])));                                  \
      values[i] = take ? v : b;                                                                   \
      row[i] = take ? a : row[i];                                                                 \
      tap[i] = take ? k : tap[i];                                                                 \
    }                                                                                             \
  }

static void across(int64_t n, int64_t stride, int64_t taps, int64_t step, const float *best,
                   const int32_t *which, float *values, int32_t *row, int32_t *tap) {
  if (stride == 1) {
    ACROSS(1)
  } else if (stride == 2) {
    ACROSS(2)
  } else {
    ACROSS(stride)
  }
}

const tn_window_kernels TN_ISA_NAME(tn__window_kernels) = {down, across};
