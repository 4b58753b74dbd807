/* onednn_conv.h -- oneDNN's convolutions of floats, where it is present and faster. */
#ifndef TN_CPU_ONEDNN_CONV_H
#define TN_CPU_ONEDNN_CONV_H

#include <stdbool.h>
#include <stdint.h>

#include "im2col.h"
#include "pool.h"

/* One of the products of tensor/ops/convolve.c, of contiguous tensors. */
typedef struct {
  int result; /* 0 the large side, 1 the small one, 2 the kernel */
  int64_t batch, groups, from, to;
  tn_window w;
  const float *a, *b, *bias;
  float *out;
} tn_onednn_conv;

/* False, and nothing done, where oneDNN is missing, declines or would not be the faster way. */
bool tn__onednn_conv(tn_pool *pool, const tn_onednn_conv *c);

#endif
