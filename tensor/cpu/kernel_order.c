/* kernel_order.c -- kernels of convolutions in another order, block by block. */
#include "kernel_order.h"

#include "isa/order_kernel.h"
#include "tensor/internal.h"

enum { SIDE = 16, SQUARE = SIDE * SIDE };

typedef struct {
  const tn_kernel_order *order;
  const float *plain;
  float *blocks;
} job;

/* Where the first element of block b is among the plain ones. */
static int64_t first_of(const tn_kernel_order *o, int64_t b) {
  const int64_t across = o->from / SIDE;
  return (b / across * o->from + b % across) * SIDE * o->cells;
}

/* [begin, end) counts blocks. */
static void to_blocks(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const tn_kernel_order *o = j->order;
  for (int64_t b = begin; b < end; b++) {
    const float *plain = j->plain + first_of(o, b);
    float *block = j->blocks + b * SQUARE * o->cells;
    if (o->outputs_inner) {
      TN_ISA_PICK(tn__order_outputs)(o->cells, plain, o->from * o->cells, block);
    } else {
      TN_ISA_PICK(tn__order_inputs)(o->cells, plain, o->from * o->cells, block);
    }
  }
}

void tn__kernel_to_blocks(tn_pool *pool, const tn_kernel_order *o, const float *plain,
                          float *blocks) {
  job j = {o, plain, blocks};
  tn__pool_run(pool, o->to / SIDE * (o->from / SIDE), TN_GRAIN / (SQUARE * o->cells) + 1, to_blocks,
               &j);
}

void tn__kernel_from_blocks(const tn_kernel_order *o, const float *blocks, float *plain) {
  const int64_t count = o->to / SIDE * (o->from / SIDE);
  for (int64_t b = 0; b < count; b++) {
    TN_ISA_PICK(tn__order_outputs_back)(o->cells, blocks + b * SQUARE * o->cells,
                                        plain + first_of(o, b), o->from * o->cells);
  }
}
