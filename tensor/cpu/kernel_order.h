/* kernel_order.h -- kernels of convolutions, (output, input, cell), in blocks of 16 outputs and 16
 * inputs and back: (output / 16, input / 16, cell) of squares. oneDNN's own code for it takes several
 * times as long. */
#ifndef TN_CPU_KERNEL_ORDER_H
#define TN_CPU_KERNEL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

/* `to` and `from` are multiples of 16; cells are below 2^27. */
typedef struct {
  int64_t to, from, cells;
  bool outputs_inner; /* of a square; else the inputs are */
} tn_kernel_order;

/* blocks = plain in the other order, on the pool's threads. */
void tn__kernel_to_blocks(tn_pool *pool, const tn_kernel_order *o, const float *plain,
                          float *blocks);
/* The way back, for squares whose outputs are innermost, on this thread. */
void tn__kernel_from_blocks(const tn_kernel_order *o, const float *blocks, float *plain);

#endif
