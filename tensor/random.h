/* random.h -- numbers out of Philox groups, the same on every device. */
#ifndef TN_RANDOM_H
#define TN_RANDOM_H

#include "tensor/internal.h"
#include "tensor/philox.h"

static inline tn_generator *tn__generator(const tn_call *call) {
  return call->attrs->generator != NULL ? call->attrs->generator : &call->ctx->generator;
}

/* The upper 64 bits of a product; *low receives the lower ones. */
static inline uint64_t tn__multiply(uint64_t a, uint64_t b, uint64_t *low) {
#ifdef __SIZEOF_INT128__
  __extension__ typedef unsigned __int128 wide;
  const wide product = (wide)a * b;
  *low = (uint64_t)product;
  return (uint64_t)(product >> 64);
#else
  const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
  const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), cross = a0 * b1 + (uint32_t)middle;
  *low = a * b;
  return a1 * b1 + (middle >> 32) + (cross >> 32);
#endif
}

/* Whole numbers below `count` (0: 2^64), from 64 random bits. Lemire 2019,
 * doi:10.1145/3230636; the bias, at most count / 2^64, is beyond what anyone can measure. */
static inline uint64_t tn__below_count(uint32_t high, uint32_t low, uint64_t count) {
  const uint64_t u = (uint64_t)high << 32 | low;
  uint64_t rest;
  return count == 0 ? u : tn__multiply(u, count, &rest);
}

/* The words of `groups` groups from `offset` on; four each. */
void tn__random_words(uint64_t seed, uint64_t offset, int64_t groups, uint32_t *out);

/* Rows that fill a tensor run on every device: what is made here is moved there. `made` receives
 * memory to fill, contiguous and on the CPU, shaped like `out`: perhaps `out` itself.
 * tn__deliver_filled moves it to `out` and releases it. */
tn_status tn__host_copy(tn_ctx *ctx, tn_tensor **made, const tn_tensor *of, tn_dtype dtype);
tn_status tn__host_like(tn_ctx *ctx, tn_tensor **made, tn_tensor *out, tn_dtype dtype);
tn_status tn__deliver_filled(tn_ctx *ctx, tn_tensor *out, tn_tensor *made);

/* Gradient of rows whose result does not depend on their inputs. */
tn_status tn__grad_none(tn_grad_call *g);

#endif
