/* winograd_kernel.c -- the turns of winograd.c's tiles, a vector of channels at a time.
 *
 * Six places, 0, +-a, +-b and infinity: polynomials of degree 3 and 2 are multiplied by their
 * values there. Of all pairs among 1/2, 5/8, ... 2 these two leave the smallest error, less than
 * half of that of 1 and 2, and their squares are exact. Each turn along one dimension is applied to
 * both. */
#include "../kernels.h"
#include "unroll.h"

#if defined(__AVX512F__)
enum { BYTES = 64 };
#elif defined(__AVX__)
enum { BYTES = 32 };
#else
enum { BYTES = 16 };
#endif
enum { LANES = BYTES / (int)sizeof(float), TILE = 6, RESULTS = 4, WINDOW = 3 };

typedef float vec __attribute__((vector_size(BYTES)));
typedef float loose __attribute__((vector_size(BYTES), aligned(4), may_alias));

#define A 0.625f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)
#define NA (1 / (2 * A2 * (A2 - B2)))
#define NB (1 / (2 * B2 * (B2 - A2)))

INLINE void image_line(const vec *x, vec *y) {
  const vec ea = x[4] - B2 * x[2], oa = A * (x[3] - B2 * x[1]);
  const vec eb = x[4] - A2 * x[2], ob = B * (x[3] - A2 * x[1]);
  y[0] = A2 * B2 * x[0] - (A2 + B2) * x[2] + x[4];
  y[1] = ea + oa;
  y[2] = ea - oa;
  y[3] = eb + ob;
  y[4] = eb - ob;
  y[5] = A2 * B2 * x[1] - (A2 + B2) * x[3] + x[5];
}

INLINE void result_line(const vec *x, vec *y) {
  const vec ea = x[1] + x[2], oa = x[1] - x[2], eb = x[3] + x[4], ob = x[3] - x[4];
  y[0] = x[0] + ea + eb;
  y[1] = A * oa + B * ob;
  y[2] = A2 * ea + B2 * eb;
  y[3] = A2 * A * oa + B2 * B * ob + x[5];
}

INLINE void slope_line(const vec *x, vec *y) {
  const vec ea = x[0] + A2 * x[2], oa = A * x[1] + A2 * A * x[3];
  const vec eb = x[0] + B2 * x[2], ob = B * x[1] + B2 * B * x[3];
  y[0] = x[0];
  y[1] = ea + oa;
  y[2] = ea - oa;
  y[3] = eb + ob;
  y[4] = eb - ob;
  y[5] = x[3];
}

INLINE void kernel_line(const vec *x, vec *y) {
  const vec ea = NA * x[0] + NA * A2 * x[2], oa = NA * A * x[1];
  const vec eb = NB * x[0] + NB * B2 * x[2], ob = NB * B * x[1];
  y[0] = 1 / (A2 * B2) * x[0];
  y[1] = ea + oa;
  y[2] = ea - oa;
  y[3] = eb + ob;
  y[4] = eb - ob;
  y[5] = x[2];
}

INLINE void kernel_back_line(const vec *x, vec *y) {
  const vec ea = x[1] + x[2], oa = x[1] - x[2], eb = x[3] + x[4], ob = x[3] - x[4];
  y[0] = 1 / (A2 * B2) * x[0] + NA * ea + NB * eb;
  y[1] = NA * A * oa + NB * B * ob;
  y[2] = NA * A2 * ea + NB * B2 * eb + x[5];
}

/* t = the turned columns of the `in` x `in` elements that `load` reads. */
#define DOWN(line, in, out, load)                                                                 \
  vec t[out][in];                                                                                 \
  UNROLL for (int column = 0; column < in; column++) {                                            \
    vec from[in], to[out];                                                                        \
    UNROLL for (int k = 0; k < in; k++) from[k] = load(k * in + column);                          \
    line(from, to);                                                                               \
    UNROLL for (int k = 0; k < out; k++) t[k][column] = to[k];                                    \
  }
/* The turned rows of t, each element to store(index, value). */
#define ACROSS(line, out, store)                                                                  \
  UNROLL for (int row = 0; row < out; row++) {                                                    \
    vec to[out];                                                                                  \
    line(t[row], to);                                                                             \
    UNROLL for (int k = 0; k < out; k++) store(row * out + k, to[k]);                             \
  }

#define FROM_PLACE(k) (*(const loose *)(at[k] + c))
#define FROM_TILE(k) (*(const loose *)(tile + (k) * step + c))
#define FROM_WINDOW(k) (*(const loose *)(window + (turned ? 8 - (k) : (k)) * n + c))
#define TO_TILE(k, value) (*(loose *)(tile + (k) * step + c) = (value))
#define TO_PLACE(k, value) (*(loose *)(to_place[k] + c) = (value) + add)
#define TO_WINDOW(k, value) (*(loose *)(window + (k) * n + c) = (value))

static void image(int64_t n, const float *const *at, float *tile, int64_t step) {
  for (int64_t c = 0; c < n; c += LANES) {
    DOWN(image_line, TILE, TILE, FROM_PLACE)
    ACROSS(image_line, TILE, TO_TILE)
  }
}

static void slope(int64_t n, const float *const *at, float *tile, int64_t step) {
  for (int64_t c = 0; c < n; c += LANES) {
    DOWN(slope_line, RESULTS, TILE, FROM_PLACE)
    ACROSS(slope_line, TILE, TO_TILE)
  }
}

static void result(int64_t n, const float *tile, int64_t step, const float *bias,
                   float *const *to_place) {
  for (int64_t c = 0; c < n; c += LANES) {
    vec add = {0};
    if (bias != NULL) add = *(const loose *)(bias + c);
    DOWN(result_line, TILE, RESULTS, FROM_TILE)
    ACROSS(result_line, RESULTS, TO_PLACE)
  }
}

static void kernel(int64_t n, const float *window, bool turned, float *tile, int64_t step) {
  for (int64_t c = 0; c < n; c += LANES) {
    DOWN(kernel_line, WINDOW, TILE, FROM_WINDOW)
    ACROSS(kernel_line, TILE, TO_TILE)
  }
}

static void kernel_back(int64_t n, const float *tile, int64_t step, float *window) {
  for (int64_t c = 0; c < n; c += LANES) {
    DOWN(kernel_back_line, TILE, WINDOW, FROM_TILE)
    ACROSS(kernel_back_line, WINDOW, TO_WINDOW)
  }
}

const tn_winograd_kernels TN_ISA_NAME(tn__winograd_kernels) = {image, slope, result, kernel,
                                                               kernel_back};
