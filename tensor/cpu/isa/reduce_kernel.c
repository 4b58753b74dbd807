/* reduce_kernel.c -- sums, products and extremes of rows, and of columns one row at a time.
 *
 * Rows are walked with 32 running results, so that the loop vectorises without reordering floating
 * point additions behind the programmer's back; partial sums of 4096 elements meet in double. */
#include <math.h>

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

enum { LANES = 32, BLOCK = 4096 };

#define ROW(name, T, Acc, init, STEP, JOIN)                                                       \
  static void name(int64_t n, const void *data, void *out) {                                      \
    const T *x = data;                                                                            \
    Acc total = init;                                                                             \
    for (int64_t first = 0; first < n; first += BLOCK) {                                          \
      int64_t end = n - first < BLOCK ? n : first + BLOCK, i = first;                             \
      T lane[LANES];                                                                              \
      for (int k = 0; k < LANES; k++) lane[k] = (T)(init);                                        \
      for (; i + LANES <= end; i += LANES) {                                                      \
        TN_VECTOR for (int k = 0; k < LANES; k++) lane[k] = STEP(lane[k], x[i + k]);              \
      }                                                                                           \
      for (int k = 0; i < end; i++, k++) lane[k] = STEP(lane[k], x[i]);                           \
      for (int k = 0; k < LANES; k++) total = JOIN(total, (Acc)lane[k]);                          \
    }                                                                                             \
    *(Acc *)out = total;                                                                          \
  }

#define COLUMN(name, T, STEP)                                                                     \
  static void name(int64_t n, const void *data, void *acc) {                                      \
    const T *x = data;                                                                            \
    T *a = acc;                                                                                   \
    TN_VECTOR for (int64_t i = 0; i < n; i++) a[i] = STEP(a[i], x[i]);                            \
  }

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define ADD_SQUARE(a, b) ((a) + (b) * (b))
#define ADD_ABS(a, b) ((a) + ((b) < 0 ? -(b) : (b)))
/* NaN wins: a comparison with it is false. */
#define LARGER(a, b) (!((b) <= (a)) && (a) == (a) ? (b) : (a))
#define SMALLER(a, b) (!((b) >= (a)) && (a) == (a) ? (b) : (a))

#define FLOATS(suffix, T)                                                                         \
  ROW(sum_row_##suffix, T, double, 0, ADD, ADD)                                                   \
  ROW(prod_row_##suffix, T, double, 1, MULTIPLY, MULTIPLY)                                        \
  ROW(sumsq_row_##suffix, T, double, 0, ADD_SQUARE, ADD)                                          \
  ROW(sumabs_row_##suffix, T, double, 0, ADD_ABS, ADD)                                            \
  ROW(max_row_##suffix, T, double, -INFINITY, LARGER, LARGER)                                     \
  ROW(min_row_##suffix, T, double, INFINITY, SMALLER, SMALLER)                                    \
  COLUMN(sum_column_##suffix, T, ADD)                                                             \
  COLUMN(prod_column_##suffix, T, MULTIPLY)                                                       \
  COLUMN(sumsq_column_##suffix, T, ADD_SQUARE)                                                    \
  COLUMN(sumabs_column_##suffix, T, ADD_ABS)                                                      \
  COLUMN(max_column_##suffix, T, LARGER)                                                          \
  COLUMN(min_column_##suffix, T, SMALLER)

FLOATS(f32, float)
FLOATS(f64, double)

/* Integers wrap around. */
#undef ADD
#undef MULTIPLY
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MULTIPLY(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))

ROW(sum_row_i64, int64_t, int64_t, 0, ADD, ADD)
ROW(prod_row_i64, int64_t, int64_t, 1, MULTIPLY, MULTIPLY)
ROW(max_row_i64, int64_t, int64_t, INT64_MIN, LARGER, LARGER)
ROW(min_row_i64, int64_t, int64_t, INT64_MAX, SMALLER, SMALLER)
COLUMN(sum_column_i64, int64_t, ADD)
COLUMN(prod_column_i64, int64_t, MULTIPLY)
COLUMN(max_column_i64, int64_t, LARGER)
COLUMN(min_column_i64, int64_t, SMALLER)

/* The first of equal extremes; NaN counts as the most extreme. */
#define ARG(name, T, BEATS)                                                                       \
  static void name(int64_t n, const void *data, void *out) {                                      \
    const T *x = data;                                                                            \
    int64_t best = 0;                                                                             \
    for (int64_t i = 1; i < n; i++) {                                                             \
      if (BEATS(x[i], x[best])) best = i;                                                         \
    }                                                                                             \
    *(int64_t *)out = best;                                                                       \
  }

#define ABOVE(a, b) ((a) > (b) || ((a) != (a) && (b) == (b)))
#define BELOW(a, b) ((a) < (b) || ((a) != (a) && (b) == (b)))
ARG(argmax_row_f32, float, ABOVE)
ARG(argmax_row_f64, double, ABOVE)
ARG(argmax_row_i64, int64_t, ABOVE)
ARG(argmin_row_f32, float, BELOW)
ARG(argmin_row_f64, double, BELOW)
ARG(argmin_row_i64, int64_t, BELOW)

#define TYPES(name) {name##_f32, name##_f64, name##_i64}
#define FLOAT_TYPES(name) {name##_f32, name##_f64, NULL}

const tn_reduce_kernels TN_ISA_NAME(tn__reduce_kernels) = {
    .row = {[TN_RED_SUM] = TYPES(sum_row), [TN_RED_PROD] = TYPES(prod_row),
            [TN_RED_MAX] = TYPES(max_row), [TN_RED_MIN] = TYPES(min_row),
            [TN_RED_ARGMAX] = TYPES(argmax_row), [TN_RED_ARGMIN] = TYPES(argmin_row),
            [TN_RED_SUMSQ] = FLOAT_TYPES(sumsq_row), [TN_RED_SUMABS] = FLOAT_TYPES(sumabs_row)},
    .column = {[TN_RED_SUM] = TYPES(sum_column), [TN_RED_PROD] = TYPES(prod_column),
               [TN_RED_MAX] = TYPES(max_column), [TN_RED_MIN] = TYPES(min_column),
               [TN_RED_SUMSQ] = FLOAT_TYPES(sumsq_column),
               [TN_RED_SUMABS] = FLOAT_TYPES(sumabs_column)}};
