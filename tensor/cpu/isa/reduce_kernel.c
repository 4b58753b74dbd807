/* reduce_kernel.c -- sums, products and extremes of rows, and of columns several rows at a time.
 *
 * Rows are walked with many running results, so that the loop vectorises without reordering
 * additions behind the programmer's back; partial sums of 4096 elements meet in double. */
#include <math.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

enum { LANES = 32, BLOCK = 4096, SHORT = 32 };

#if defined(__AVX512F__)
#define LANE_BYTES 64
#elif defined(__AVX2__)
#define LANE_BYTES 32
#else
#define LANE_BYTES 16
#endif

/* -- Rows -------------------------------------------------------------------------------------- */

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
      for (int w = LANES / 2; w > 0; w /= 2) {                                                    \
        TN_VECTOR for (int k = 0; k < w; k++) lane[k] = JOIN(lane[k], lane[k + w]);               \
      }                                                                                           \
      total = JOIN(total, (Acc)lane[0]);                                                          \
    }                                                                                             \
    *(Acc *)out = total;                                                                          \
  }

/* Sums with eight vectors under way, which hides the latency of an addition. */
#define SUM_ROW(name, T, suffix, STEP)                                                            \
  static void name(int64_t n, const void *data, void *out) {                                      \
    enum { V = LANE_BYTES / sizeof(T) };                                                          \
    const T *x = data;                                                                            \
    double total = 0;                                                                             \
    for (int64_t first = 0; first < n; first += BLOCK) {                                          \
      int64_t end = n - first < BLOCK ? n : first + BLOCK, i = first;                             \
      vec_##suffix a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0};        \
      for (; i + 8 * V <= end; i += 8 * V) {                                                      \
        a = STEP(a, load_##suffix(x + i)), b = STEP(b, load_##suffix(x + i + V));                 \
        c = STEP(c, load_##suffix(x + i + 2 * V)), d = STEP(d, load_##suffix(x + i + 3 * V));     \
        e = STEP(e, load_##suffix(x + i + 4 * V)), f = STEP(f, load_##suffix(x + i + 5 * V));     \
        g = STEP(g, load_##suffix(x + i + 6 * V)), h = STEP(h, load_##suffix(x + i + 7 * V));     \
      }                                                                                           \
      for (; i + V <= end; i += V) a = STEP(a, load_##suffix(x + i));                             \
      T rest = 0;                                                                                 \
      for (; i < end; i++) rest = STEP(rest, x[i]);                                               \
      total += (double)(rest + across_##suffix(((a + b) + (c + d)) + ((e + f) + (g + h))));       \
    }                                                                                             \
    *(double *)out = total;                                                                       \
  }

#define VECTORS(suffix, T)                                                                        \
  typedef T vec_##suffix __attribute__((vector_size(LANE_BYTES)));                                \
  typedef T loose_##suffix                                                                        \
      __attribute__((vector_size(LANE_BYTES), aligned(sizeof(T)), may_alias));                    \
  static inline vec_##suffix load_##suffix(const T *p) { return *(const loose_##suffix *)p; }

VECTORS(f32, float)
VECTORS(f64, double)

#if defined(__AVX512F__)
static inline float across_f32(vec_f32 v) { return _mm512_reduce_add_ps((__m512)v); }
static inline double across_f64(vec_f64 v) { return _mm512_reduce_add_pd((__m512d)v); }
#else
#define ACROSS(suffix, T)                                                                         \
  static inline T across_##suffix(vec_##suffix v) {                                               \
    enum { V = LANE_BYTES / sizeof(T) };                                                          \
    T half[V / 2];                                                                                \
    for (int k = 0; k < V / 2; k++) half[k] = v[k] + v[k + V / 2];                                \
    T sum = 0;                                                                                    \
    for (int k = 0; k < V / 2; k++) sum += half[k];                                               \
    return sum;                                                                                   \
  }
ACROSS(f32, float)
ACROSS(f64, double)
#endif

/* -- Columns: four rows go into the running results at once ------------------------------------ */

#define COLUMN(name, T, STEP)                                                                     \
  static void name(int64_t rows, int64_t n, const void *data, int64_t stride, void *acc) {        \
    const T *x = data;                                                                            \
    T *a = acc;                                                                                   \
    for (; rows >= 4; rows -= 4, x += 4 * stride) {                                               \
      const T *y = x + stride, *z = y + stride, *w = z + stride;                                  \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        a[i] = STEP(STEP(STEP(STEP(a[i], x[i]), y[i]), z[i]), w[i]);                              \
      }                                                                                           \
    }                                                                                             \
    for (; rows > 0; rows--, x += stride) {                                                       \
      TN_VECTOR for (int64_t i = 0; i < n; i++) a[i] = STEP(a[i], x[i]);                          \
    }                                                                                             \
  }

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define ADD_SQUARE(a, b) ((a) + (b) * (b))
#define ADD_ABS(a, b) ((a) + ((b) < 0 ? -(b) : (b)))
/* NaN wins: a comparison with it is false. */
static inline float larger_f32(float a, float b) { return !(b <= a) && a == a ? b : a; }
static inline float smaller_f32(float a, float b) { return !(b >= a) && a == a ? b : a; }
static inline double larger_f64(double a, double b) { return !(b <= a) && a == a ? b : a; }
static inline double smaller_f64(double a, double b) { return !(b >= a) && a == a ? b : a; }
static inline int64_t larger_i64(int64_t a, int64_t b) { return b > a ? b : a; }
static inline int64_t smaller_i64(int64_t a, int64_t b) { return b < a ? b : a; }

#define FLOATS(suffix, T)                                                                         \
  SUM_ROW(sum_row_##suffix, T, suffix, ADD)                                                       \
  SUM_ROW(sumsq_row_##suffix, T, suffix, ADD_SQUARE)                                              \
  ROW(prod_row_##suffix, T, double, 1, MULTIPLY, MULTIPLY)                                        \
  ROW(sumabs_row_##suffix, T, double, 0, ADD_ABS, ADD)                                            \
  ROW(max_row_##suffix, T, double, -INFINITY, larger_##suffix, larger_##suffix)                   \
  ROW(min_row_##suffix, T, double, INFINITY, smaller_##suffix, smaller_##suffix)                  \
  COLUMN(sum_column_##suffix, T, ADD)                                                             \
  COLUMN(prod_column_##suffix, T, MULTIPLY)                                                       \
  COLUMN(sumsq_column_##suffix, T, ADD_SQUARE)                                                    \
  COLUMN(sumabs_column_##suffix, T, ADD_ABS)                                                      \
  COLUMN(max_column_##suffix, T, larger_##suffix)                                                 \
  COLUMN(min_column_##suffix, T, smaller_##suffix)

FLOATS(f32, float)
FLOATS(f64, double)

/* Integers wrap around. */
#undef ADD
#undef MULTIPLY
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MULTIPLY(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))

ROW(sum_row_i64, int64_t, int64_t, 0, ADD, ADD)
ROW(prod_row_i64, int64_t, int64_t, 1, MULTIPLY, MULTIPLY)
ROW(max_row_i64, int64_t, int64_t, INT64_MIN, larger_i64, larger_i64)
ROW(min_row_i64, int64_t, int64_t, INT64_MAX, smaller_i64, smaller_i64)
COLUMN(sum_column_i64, int64_t, ADD)
COLUMN(prod_column_i64, int64_t, MULTIPLY)
COLUMN(max_column_i64, int64_t, larger_i64)
COLUMN(min_column_i64, int64_t, smaller_i64)

/* -- Where the extreme is: the first of equal ones; NaN counts as the most extreme ------------- */

#define ABOVE(a, b) (((a) > (b)) | (((a) != (a)) & ((b) == (b))))
#define BELOW(a, b) (((a) < (b)) | (((a) != (a)) & ((b) == (b))))

/* Of long rows the extreme itself is found first, and then where it stands. */
#define ARG(name, T, Acc, extreme_row, BEATS)                                                     \
  static void name(int64_t n, const void *data, void *out) {                                      \
    const T *x = data;                                                                            \
    int64_t best = 0, i = 0;                                                                      \
    if (n >= SHORT) {                                                                             \
      Acc found;                                                                                  \
      extreme_row(n, data, &found);                                                               \
      const T top = (T)found;                                                                     \
      const bool nan = top != top;                                                                \
      for (; i + LANES <= n; i += LANES) {                                                        \
        unsigned hit = 0;                                                                         \
        TN_VECTOR for (int k = 0; k < LANES; k++) {                                               \
          hit |= (unsigned)(x[i + k] == top) | (unsigned)(x[i + k] != x[i + k]);                  \
        }                                                                                         \
        if (hit) break;                                                                           \
      }                                                                                           \
      while (!(nan ? x[i] != x[i] : x[i] == top)) i++;                                            \
      *(int64_t *)out = i;                                                                        \
      return;                                                                                     \
    }                                                                                             \
    for (i = 1; i < n; i++) {                                                                     \
      if (BEATS(x[i], x[best])) best = i;                                                         \
    }                                                                                             \
    *(int64_t *)out = best;                                                                       \
  }

ARG(argmax_row_f32, float, double, max_row_f32, ABOVE)
ARG(argmax_row_f64, double, double, max_row_f64, ABOVE)
ARG(argmax_row_i64, int64_t, int64_t, max_row_i64, ABOVE)
ARG(argmin_row_f32, float, double, min_row_f32, BELOW)
ARG(argmin_row_f64, double, double, min_row_f64, BELOW)
ARG(argmin_row_i64, int64_t, int64_t, min_row_i64, BELOW)

/* The same down TN_ARG_COLUMNS columns or fewer. Positions are of the elements' size, so that they
 * are chosen along with them. */
#define ARG_COLUMN(name, T, I, BEATS)                                                             \
  static void name(int64_t rows, int64_t n, const void *data, int64_t stride, int64_t *out) {     \
    const T *x = data;                                                                            \
    T best[TN_ARG_COLUMNS];                                                                       \
    I at[TN_ARG_COLUMNS];                                                                         \
    for (int64_t i = 0; i < n; i++) best[i] = x[i], at[i] = 0;                                    \
    for (int64_t row = 1; row < rows; row++) {                                                    \
      x += stride;                                                                                \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        const T v = x[i], b = best[i];                                                            \
        const I beats = -(I)(BEATS(v, b));                                                        \
        best[i] = beats ? v : b;                                                                  \
        at[i] = beats ? (I)row : at[i];                                                           \
      }                                                                                           \
    }                                                                                             \
    for (int64_t i = 0; i < n; i++) out[i] = at[i];                                               \
  }

ARG_COLUMN(argmax_column_f32, float, int32_t, ABOVE)
ARG_COLUMN(argmax_column_f64, double, int64_t, ABOVE)
ARG_COLUMN(argmax_column_i64, int64_t, int64_t, ABOVE)
ARG_COLUMN(argmin_column_f32, float, int32_t, BELOW)
ARG_COLUMN(argmin_column_f64, double, int64_t, BELOW)
ARG_COLUMN(argmin_column_i64, int64_t, int64_t, BELOW)

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
               [TN_RED_SUMABS] = FLOAT_TYPES(sumabs_column)},
    .arg_column = {TYPES(argmax_column), TYPES(argmin_column)}};
