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

/* Element by element of the window. */
static void windows(int64_t n, int64_t stride, int32_t rows, int32_t taps, int64_t step,
                    const float *const *row, int64_t at, float *values, int32_t *which) {
  for (int64_t i = 0; i < n; i++) {
    float best = row[0][at + i * stride];
    int32_t found = 0;
    for (int32_t r = 0, k = 0; r < rows; r++) {
      for (int32_t t = 0; t < taps; t++, k++) {
        const float v = row[r][at + i * stride + t * step];
        if (v > best || v != v) best = v, found = k;
      }
    }
    values[i] = best;
    which[i] = found;
  }
}

typedef float floats __attribute__((vector_size(64)));
typedef float loose __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(64)));
typedef int32_t loose_ints __attribute__((vector_size(64), aligned(4), may_alias));

/* Every other one of 32 floats. Macros: not every instruction set can return such vectors. */
#define EVENS(x)                                                                                  \
  __builtin_shufflevector((floats)*(const loose *)(x), (floats)*(const loose *)((x) + 16), 0, 2,  \
                          4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define CHOOSE(take, yes, no) (((take) & (yes)) | (~(take) & (no)))

/* 16 windows that begin 2 apart. */
static void windows_2(int32_t rows, int32_t taps, int64_t step, const float *const *row, int64_t at,
                      float *values, int32_t *which) {
  floats best = EVENS(row[0] + at);
  ints found = {0};
  for (int32_t r = 0, k = 0; r < rows; r++) {
    for (int32_t t = 0; t < taps; t++, k++) {
      const floats v = EVENS(row[r] + at + t * step);
      const ints take = (ints)(v > best) | (ints)(v != v);
      best = (floats)CHOOSE(take, (ints)v, (ints)best);
      found = CHOOSE(take, k - (ints){0}, found);
    }
  }
  *(loose *)values = best;
  *(loose_ints *)which = found;
}

const tn_window_kernels TN_ISA_NAME(tn__window_kernels) = {down, across, windows, windows_2};
