/* random.h -- numbers out of Philox groups, the same on every device. */
#ifndef TN_RANDOM_H
#define TN_RANDOM_H

#include "tensor/internal.h"

/* Four numbers for one position of a seed's sequence. */
void tn__philox(uint64_t seed, uint64_t counter, uint32_t out[4]);

/* [0, 1) with 24 and 53 bits. */
static inline float tn__uniform24(uint32_t u) { return (float)(u >> 8) * 0x1p-24f; }
static inline double tn__uniform53(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 21) ^ (low >> 11)) * 0x1p-53;
}

static inline tn_generator *tn__generator(const tn_call *call) {
  return call->attrs->generator != NULL ? call->attrs->generator : &call->ctx->generator;
}

#endif
