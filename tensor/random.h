/* random.h -- numbers out of Philox groups, the same on every device. */
#ifndef TN_RANDOM_H
#define TN_RANDOM_H

#include "tensor/internal.h"
#include "tensor/philox.h"

static inline tn_generator *tn__generator(const tn_call *call) {
  return call->attrs->generator != NULL ? call->attrs->generator : &call->ctx->generator;
}

#endif
