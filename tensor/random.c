/* random.c -- the Philox4x32-10 generator (Salmon et al. 2011, doi:10.1145/2063384.2063405).
 *
 * Counter-based: group number `offset` of a seed gives the same four numbers whoever asks, so
 * tensors are filled in parallel and a GPU can make the same ones. */
#include "tensor/random.h"

void tn_seed(tn_generator *g, uint64_t seed) {
  g->seed = seed;
  g->offset = 0;
}

tn_generator *tn_default_generator(tn_ctx *ctx) { return &ctx->generator; }

uint32_t tn_random_u32(tn_generator *g) {
  uint32_t out[4];
  tn__philox(g->seed, g->offset++, out);
  return out[0];
}

double tn_random_double(tn_generator *g) {
  uint32_t out[4];
  tn__philox(g->seed, g->offset++, out);
  return tn__uniform53(out[0], out[1]);
}
