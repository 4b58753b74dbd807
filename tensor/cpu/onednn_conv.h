/* onednn_conv.h -- oneDNN's convolutions of float32 or bfloat16, where it is present and faster. */
#ifndef TN_CPU_ONEDNN_CONV_H
#define TN_CPU_ONEDNN_CONV_H

#include <stdbool.h>
#include <stdint.h>

#include "im2col.h"
#include "pool.h"

/* One of the products of tensor/ops/convolve.c, of contiguous tensors. All are floats, or with bf16
 * all are bfloat16 but a kernel that is the result. */
typedef struct {
  int result; /* 0 the large side, 1 the small one, 2 the kernel */
  bool bf16;
  int64_t batch, groups, from, to;
  tn_window w;
  const void *a, *b, *bias; /* bias may be NULL */
  void *out;
  struct tn_allocator *memory; /* for what is put in another order meanwhile */
  /* Where `b`, a kernel that is likely to be used again as it is, lies; or NULL. */
  struct tn_storage *keep;
} tn_onednn_conv;

/* Would oneDNN be worth its overhead? Few channels give its blocks nothing to do. Asks neither for
 * the library nor for instructions. */
bool tn__onednn_conv_pays(const tn_onednn_conv *c);
/* False, and nothing done, where it would not, or oneDNN is missing or declines. */
bool tn__onednn_conv(tn_pool *pool, const tn_onednn_conv *c);

#endif
