/* kernels.h -- what the files in cpu/isa/ offer, compiled once per instruction set. */
#ifndef TN_CPU_KERNELS_H
#define TN_CPU_KERNELS_H

#include "tensor/cpu/isa.h"
#include "tensor/tensor.h"

/* Rows of pointwise.def, numbered. */
enum {
#define TN_UNARY(name, ...) TN_PW_##name,
#define TN_BINARY(name, ...) TN_PW_##name,
#define TN_TERNARY(name, ...) TN_PW_##name,
#include "tensor/pointwise.def"
#undef TN_UNARY
#undef TN_BINARY
#undef TN_TERNARY
  TN_PW_COUNT
};

/* out[i] = f(in[0][i], in[1][i], ...) for n contiguous elements of one compute type; out may be
 * one of the inputs. scalars is 0, or 2 (binary operations only): in[1] is a single element.
 * p: the call's parameters. */
typedef void tn_kernel(int64_t n, void *out, const void *const *in, unsigned scalars,
                       const double *p);

enum { TN_COMPUTE_F32, TN_COMPUTE_F64, TN_COMPUTE_I64, TN_COMPUTE_COUNT };

/* grad[k]: gradient of input k, from in = {d, a, b, c, y}; what is not needed may hold anything. */
typedef struct {
  tn_kernel *run[2]; /* of float and double; NULL: that of the next lower instruction set */
  tn_kernel *grad[3][2];
} tn_kernels;

typedef void tn_convert_fn(int64_t n, void *dst, int64_t dst_stride, const void *src,
                           int64_t src_stride);

/* Reductions of rows: out[r] = f(x[r * n ... r * n + n - 1]) for r < rows. */
typedef enum {
  TN_RED_SUM, TN_RED_PROD, TN_RED_MAX, TN_RED_MIN, TN_RED_ARGMAX, TN_RED_ARGMIN, TN_RED_SUMSQ,
  TN_RED_SUMABS, TN_RED_COUNT
} tn_reduction;

/* Row kernels read n contiguous elements and write one (int64 for the arg ones, double for sums
 * of floats: partial results are then exact enough to combine). Column kernels accumulate
 * acc[i] = f(acc[i], x[i]) for `rows` rows, `stride` apart. Those of arg_column (0: argmax, 1:
 * argmin) write the row in which each column's extreme stands. */
typedef void tn_reduce_row(int64_t n, const void *x, void *out);
typedef void tn_reduce_column(int64_t rows, int64_t n, const void *x, int64_t stride, void *acc);
typedef void tn_arg_column(int64_t rows, int64_t n, const void *x, int64_t stride, int64_t *out);
enum { TN_ARG_COLUMNS = 64 }; /* the most that one call of arg_column takes */

typedef struct {
  tn_reduce_row *row[TN_RED_COUNT][TN_COMPUTE_COUNT];
  tn_reduce_column *column[TN_RED_COUNT][TN_COMPUTE_COUNT]; /* NULL for the arg ones */
  tn_arg_column *arg_column[2][TN_COMPUTE_COUNT];
} tn_reduce_kernels;

/* Softmax of rows; log: its logarithm; or down n columns, whose rows are `stride` apart, into
 * memory that is not x's. dx = gradient from y and dy. */
enum { TN_SOFTMAX_COLUMNS = 256 }; /* the most at a time */
typedef struct {
  void (*softmax_f32)(int64_t rows, int64_t n, float *y, const float *x, bool log);
  void (*softmax_f64)(int64_t rows, int64_t n, double *y, const double *x, bool log);
  void (*softmax_columns_f32)(int64_t rows, int64_t n, int64_t stride, float *y, const float *x,
                              bool log);
  void (*softmax_columns_f64)(int64_t rows, int64_t n, int64_t stride, double *y, const double *x,
                              bool log);
  void (*softmax_grad_f32)(int64_t rows, int64_t n, float *dx, const float *y, const float *dy,
                           bool log);
  void (*softmax_grad_f64)(int64_t rows, int64_t n, double *dx, const double *y, const double *dy,
                           bool log);
  /* Adam (Kingma and Ba 2015), one step over n values: p -= rate * m / (sqrt(v) / scale + eps). */
  void (*adam_f32)(int64_t n, float *p, const float *g, float *m, float *v, const double *c);
  void (*adam_f64)(int64_t n, double *p, const double *g, double *m, double *v, const double *c);
  /* Gradient descent: with d = g + c1 p and v = c2 v + c3 d, p -= c0 (c4 d + c5 v); without v,
   * p -= c0 d. */
  void (*sgd_f32)(int64_t n, float *p, const float *g, float *v, const double *c);
  void (*sgd_f64)(int64_t n, double *p, const double *g, double *v, const double *c);
} tn_row_kernels;

/* Normalisation. Data are floats or doubles, of which n follow one another; scalars are rounded to
 * them. Columns: `rows` rows of n columns, `stride` apart; mean, scale, shift and k are then arrays
 * of n, and sums are added to. */
typedef struct {
  double (*sum)(int64_t n, const void *x);
  double (*spread)(int64_t n, const void *x, double centre); /* sum of (x - centre)^2 */
  /* y = (x - mean) scale + shift, or (x - mean) scale w + b; b may be NULL */
  void (*affine)(int64_t n, void *y, const void *x, double mean, double scale, double shift);
  void (*affine_each)(int64_t n, void *y, const void *x, double mean, double scale, const void *w,
                      const void *b);
  /* sums of d w and d w (x - mean); without w (NULL) it is 1 */
  void (*slopes)(int64_t n, const void *x, const void *d, const void *w, double mean,
                 double out[2]);
  /* dx = d w k[0] + (x - mean) k[1] + k[2] */
  void (*back)(int64_t n, void *dx, const void *x, const void *d, const void *w, double mean,
               const double k[3]);
  /* dw += d (x - mean) scale, db += d */
  void (*gather)(int64_t n, void *dw, void *db, const void *x, const void *d, double mean,
                 double scale);
  void (*column_sum)(int64_t rows, int64_t n, int64_t stride, const void *x, void *sum);
  void (*column_spread)(int64_t rows, int64_t n, int64_t stride, const void *x, const void *mean,
                        void *sum);
  void (*column_affine)(int64_t rows, int64_t n, int64_t stride, void *y, const void *x,
                        const void *mean, const void *scale, const void *shift);
  void (*column_slopes)(int64_t rows, int64_t n, int64_t stride, const void *x, const void *d,
                        const void *mean, void *a, void *b);
  void (*column_back)(int64_t rows, int64_t n, int64_t stride, void *dx, const void *x,
                      const void *d, const void *mean, const void *const k[3]);
} tn_norm_kernels;

/* Attention, on blocks of scores turned over: n keys down, `ld` queries across (a multiple of 16,
 * TN_ATTENTION_QUERIES at most). Of floats or doubles. */
enum { TN_ATTENTION_QUERIES = 64 };
typedef struct {
  /* The online softmax (Milakov and Gimelshein 2018): top and sum are each query's greatest score
   * so far, and the sum of exp(score - top). Scores become exp(score - top), of the new top;
   * `factor` is what earlier sums of these are to be multiplied with. */
  void (*soften)(int64_t n, int64_t ld, void *scores, void *top, void *sum, void *factor);
  /* scores = exp(scores - lse) */
  void (*revive)(int64_t n, int64_t ld, void *scores, const void *lse);
  /* d = p (d - delta) */
  void (*slope)(int64_t n, int64_t ld, void *d, const void *p, const void *delta);
  /* `to` = `from` times the row's factor; rows of n elements, which may be the same memory */
  void (*scale_rows)(int64_t rows, int64_t n, void *to, int64_t to_step, const void *from,
                     int64_t from_step, const void *factor);
  double (*dot)(int64_t n, const void *a, const void *b);
  /* In row r the scores of the queries before first + r become -infinity: causal attention. */
  void (*hide_before)(int64_t n, int64_t ld, void *scores, int64_t first);
  /* Turns n pairs of numbers, side by side or n apart, by the angles whose cosines and sines are
   * given; `sign` is 1, or -1 to turn back. */
  void (*turn_pairs)(int64_t n, bool beside, void *y, const void *x, const void *cos,
                     const void *sin, double sign);
} tn_attention_kernels;

/* What is made of Philox numbers; n is even. p[]: of uniform ones the low end, the width, the
 * largest value and how many low bits to drop; of normal ones mean and deviation; of exponential ones the
 * mean; of Cauchy's median and width; of Bernoulli's how many of the 2^32 numbers (1 or more) give
 * p[1], the others 0. */
typedef enum {
  TN_RAND_UNIFORM, TN_RAND_NORMAL, TN_RAND_EXPONENTIAL, TN_RAND_CAUCHY, TN_RAND_BERNOULLI,
  TN_RAND_COUNT
} tn_random_shape;

typedef struct {
  /* the numbers of the groups offset ... offset + groups - 1, four each */
  void (*words)(uint64_t seed, uint64_t offset, int64_t groups, uint32_t *out);
  /* one word for each float, two for each double; there are no Bernoulli ones of double */
  void (*f32[TN_RAND_COUNT])(int64_t n, float *out, const uint32_t *words, const double *p);
  void (*f64[TN_RAND_COUNT])(int64_t n, double *out, const uint32_t *words, const double *p);
  void (*exp_f32)(int64_t n, float *x);
  void (*exp_f64)(int64_t n, double *x);
} tn_random_kernels;

/* Makes one dense row after the other of `rows` rows of m elements; `down` and `across` are the
 * source's steps, in elements, from row to row and within one. */
typedef void tn_rows_fn(int64_t rows, int64_t m, void *dst, const void *src, int64_t down,
                        int64_t across);

/* See tn__transpose in move.h. */
typedef struct {
  void (*turn_2)(int64_t rows, int64_t columns, void *dst, int64_t dst_step, const void *src,
                 int64_t src_step);
  void (*turn_4)(int64_t rows, int64_t columns, void *dst, int64_t dst_step, const void *src,
                 int64_t src_step);
  void (*turn_8)(int64_t rows, int64_t columns, void *dst, int64_t dst_step, const void *src,
                 int64_t src_step);
  tn_rows_fn *rows_4, *rows_8;
} tn_move_kernels;

/* The greatest of each of n columns of `rows` rows, and in which row it is. Then of n windows over
 * such results, which begin `stride` apart and have `taps` columns, `step` apart: the greatest, its
 * row, and which column it was. */
typedef struct {
  void (*down)(int64_t n, int64_t rows, const float *const *row, float *best, int32_t *which);
  void (*across)(int64_t n, int64_t stride, int64_t taps, int64_t step, const float *best,
                 const int32_t *which, float *values, int32_t *row, int32_t *tap);
  /* The greatest of n windows: of x = row[r][at + i * stride + t * step] for r < rows, t < taps, and
   * which = r * taps + t. Of what is no number the last, of equal ones the first. */
  void (*windows)(int64_t n, int64_t stride, int32_t rows, int32_t taps, int64_t step,
                  const float *const *row, int64_t at, float *values, int32_t *which);
  /* The same of 16 windows with a stride of 2; one element behind their last is read, too. */
  void (*windows_2)(int32_t rows, int32_t taps, int64_t step, const float *const *row, int64_t at,
                    float *values, int32_t *which);
} tn_window_kernels;

/* Winograd's F(4x4, 3x3), of n channels (a multiple of 16) that follow one another. A tile is 6x6
 * places, `step` elements apart. */
typedef struct {
  /* Tiles from 36 places of an image, and from 16 places of its results' gradient. */
  void (*image)(int64_t n, const float *const *at, float *tile, int64_t step);
  void (*slope)(int64_t n, const float *const *at, float *tile, int64_t step);
  /* A tile of products to 16 places; bias, of each channel, may be NULL. */
  void (*result)(int64_t n, const float *tile, int64_t step, const float *bias, float *const *to);
  /* A tile from a window of 3x3 places, n elements apart, turned by half a turn or not; and what
   * such a window is that of a tile's gradient. */
  void (*kernel)(int64_t n, const float *window, bool turned, float *tile, int64_t step);
  void (*kernel_back)(int64_t n, const float *tile, int64_t step, float *window);
} tn_winograd_kernels;

/* Unsigned keys in the order of elements. sort_columns sorts each of TN_COLUMNS columns of `size`
 * rows, a power of two, without regard for the order of equal ones. */
enum { TN_COLUMNS = 8 };
typedef struct {
  void (*keys_f32)(int64_t n, uint64_t *to, const void *from, uint32_t flip);
  int64_t (*first_within)(int64_t n, const uint64_t *keys, uint64_t limit);
  void (*sort_columns)(int64_t size, uint64_t *rows);
} tn_sort_kernels;

#if defined(__x86_64__) && !defined(TN_WITHOUT_avx512)
#define TN_ISA_TABLE(type, name) extern const type name##_baseline, name##_avx2, name##_avx512
#define TN_ISA_ARRAY(type, name, size)                                                            \
  extern const type name##_baseline size, name##_avx2 size, name##_avx512 size
#elif defined(__x86_64__) && !defined(TN_WITHOUT_avx2)
#define TN_ISA_TABLE(type, name) extern const type name##_baseline, name##_avx2
#define TN_ISA_ARRAY(type, name, size) extern const type name##_baseline size, name##_avx2 size
#else
#define TN_ISA_TABLE(type, name) extern const type name##_baseline
#define TN_ISA_ARRAY(type, name, size) extern const type name##_baseline size
#endif

TN_ISA_ARRAY(tn_kernels, tn__pointwise, [TN_PW_COUNT]);
extern tn_kernel *const tn__pointwise_int[TN_PW_COUNT]; /* of int64 */
/* Of integers of one dtype; NULL where there is none. */
typedef tn_kernel *tn_int_kernels[TN_DTYPE_COUNT];
TN_ISA_ARRAY(tn_int_kernels, tn__int_kernels, [TN_PW_COUNT]);
typedef tn_convert_fn *tn_convert_ptr;

TN_ISA_ARRAY(tn_convert_ptr, tn__conversions, [TN_DTYPE_COUNT][TN_DTYPE_COUNT]);
TN_ISA_TABLE(tn_reduce_kernels, tn__reduce_kernels);
TN_ISA_TABLE(tn_row_kernels, tn__row_kernels);
TN_ISA_ARRAY(tn_norm_kernels, tn__norm_kernels, [2]); /* of float and double */
TN_ISA_ARRAY(tn_attention_kernels, tn__attention_kernels, [2]); /* of float and double */
TN_ISA_TABLE(tn_random_kernels, tn__random_kernels);
TN_ISA_TABLE(tn_move_kernels, tn__move_kernels);
TN_ISA_TABLE(tn_sort_kernels, tn__sort_kernels);
TN_ISA_TABLE(tn_window_kernels, tn__window_kernels);
TN_ISA_TABLE(tn_winograd_kernels, tn__winograd_kernels);

#endif
