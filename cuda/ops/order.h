/* order.h -- keys in order, on a device: what sorting, unique, and sums by index share. C++. */
#ifndef TN_CUDA_ORDER_H
#define TN_CUDA_ORDER_H

#include "cuda/device.h"

/* `lines` lines of n keys each, n < 2^31, every line for itself. The caller fills `keys` and, where
 * `carried`, `at`; else `at` becomes the place that each key had in its line. Equal keys keep their
 * order. The results are found in `keys` and `at`, which may have become the spare ones. */
typedef struct {
  int device, bits; /* keys are below 2^bits */
  bool wide;        /* keys of 64 bits; else of 32 */
  bool carried;
  int64_t lines, n;
  void *keys, *spare_keys;
  uint32_t *at, *spare_at;
  void *memory; /* of all four, where tn_cuda_order_begin has taken it */
} tn_cuda_ordering;

/* Takes memory for o->lines * o->n keys and places. */
tn_status tn_cuda_order_begin(tn_cuda_ordering *o);
tn_status tn_cuda_order(tn_cuda_ordering *o);
void tn_cuda_order_end(tn_cuda_ordering *o);

/* Bits that tell the numbers 0 ... most apart. */
static inline int tn_cuda_bits(uint64_t most) {
  int bits = 1;
  while (bits < 64 && most >> bits != 0) bits++;
  return bits;
}

#endif
