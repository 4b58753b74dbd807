/* pooling.h -- where the windows of a pooling are: sliding, or laid out so that a given number of
 * them covers everything (adaptive).
 *
 * attrs of the rows that calculate, three numbers each, of which the last count where there are
 * less dimensions: i[0] sizes of the result, i[3] of the input, i[6] of the window (0: adaptive),
 * i[9] stride, i[12] padding, i[15] dilation, and i[18] how many dimensions. Of means i[15] says
 * whether padding counts, and i[16] is what to divide by (0: by the number of elements). */
#ifndef TN_OPS_POOLING_H
#define TN_OPS_POOLING_H

#include "tensor/ops/windows.h"

enum {
  AT_OUT = 0, AT_IN = 3, AT_KERNEL = 6, AT_STRIDE = 9, AT_PAD = 12, AT_DILATION = 15,
  AT_COUNTED = 15, AT_DIVISOR = 16, AT_SPACE = 18, ATTRIBUTES = 19
};

/* Of one position along one dimension: the elements begin, begin + step, ... before end, all inside
 * of the image, and how many count in a mean. */
typedef struct {
  int64_t begin, end, step, count;
} tn_span;

/* A call under way. Planes are what the last dimensions span. */
typedef struct {
  const tn_attrs *attrs;
  tn_span *spans[TN_SPACE]; /* by position; all in one block, at spans[0], for tn__give */
  int64_t in[TN_SPACE], out[TN_SPACE], inside, outside;
  const char *from;
  char *to;
  int64_t *index;
  tn_allocator *memory;
} tn_pooling;

tn_status tn__pooling_begin(tn_ctx *ctx, tn_pooling *p, const tn_attrs *attrs, bool mean);
/* Shape of a call: the input's sizes but for the last ones, which are at attrs->i[sizes]; those of
 * the input must be the ones at attrs->i[own]. */
tn_status tn__pooling_shape(tn_call *call, int sizes, int own);
/* fn(arg, first plane, last plane) for all planes of in[0], on several threads. */
void tn__pooling_run(tn_call *call, const tn_pooling *p, tn_pool_fn *fn, void *arg);

/* Runs the last argument for every position of the windows of `j`, o counting them. */
#define TN_EACH_WINDOW(...)                                                                       \
  for (int64_t z = 0, o = 0; z < j->out[0]; z++) {                                                \
    const tn_span sz = j->spans[0][z];                                                            \
    for (int64_t y = 0; y < j->out[1]; y++) {                                                     \
      const tn_span sy = j->spans[1][y];                                                          \
      for (int64_t x = 0; x < j->out[2]; x++, o++) {                                              \
        const tn_span sx = j->spans[2][x];                                                        \
        __VA_ARGS__                                                                               \
      }                                                                                           \
    }                                                                                             \
  }

/* And for every element under one. */
#define TN_EACH_ELEMENT(...)                                                                      \
  for (int64_t kz = sz.begin; kz < sz.end; kz += sz.step)                                         \
    for (int64_t ky = sy.begin; ky < sy.end; ky += sy.step) {                                     \
      const int64_t row = (kz * j->in[1] + ky) * j->in[2];                                        \
      for (int64_t kx = sx.begin; kx < sx.end; kx += sx.step) __VA_ARGS__                         \
    }

#endif
