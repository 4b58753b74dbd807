/* random.c -- the Philox4x32-10 generator (Salmon et al. 2011, doi:10.1145/2063384.2063405).
 *
 * Counter-based: group number `offset` of a seed gives the same four numbers whoever asks, so
 * tensors are filled in parallel and a GPU can make the same ones. */
#include "tensor/random.h"

void tn__philox(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

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
