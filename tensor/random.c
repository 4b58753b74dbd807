/* random.c -- the Philox4x32-10 generator (Salmon et al. 2011, doi:10.1145/2063384.2063405).
 *
 * Counter-based: group number `offset` of a seed gives the same four numbers whoever asks, so
 * tensors are filled in parallel and a GPU can make the same ones. */
#include "tensor/random.h"

#include "tensor/cpu/kernels.h"

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

void tn__random_words(uint64_t seed, uint64_t offset, int64_t groups, uint32_t *out) {
  TN_ISA_PICK(&tn__random_kernels)->words(seed, offset, groups, out);
}

static tn_status new_on_host(tn_ctx *ctx, tn_tensor **made, const tn_tensor *of, tn_dtype dtype) {
  const int16_t was = ctx->device;
  ctx->device = TN_CPU;
  tn_status s = tn_tensor_new(ctx, made, dtype, of->ndim, of->sizes);
  ctx->device = was;
  return s;
}

tn_status tn__host_copy(tn_ctx *ctx, tn_tensor **made, const tn_tensor *of, tn_dtype dtype) {
  tn_status s = new_on_host(ctx, made, of, dtype);
  return s == TN_OK ? tn__copy_view(ctx, *made, of) : s;
}

tn_status tn__host_like(tn_ctx *ctx, tn_tensor **made, tn_tensor *out, tn_dtype dtype) {
  bool as_is = !tn__elsewhere(out) && out->dtype == dtype && tn__contiguous(out);
  if (!as_is) return new_on_host(ctx, made, out, dtype);
  *made = tn_tensor_retain(out);
  return TN_OK;
}

tn_status tn__deliver_filled(tn_ctx *ctx, tn_tensor *out, tn_tensor *made) {
  tn_status s = made == out ? TN_OK : tn__copy_view(ctx, out, made);
  tn_tensor_release(made);
  return s;
}

tn_status tn__grad_none(tn_grad_call *g) {
  for (int i = 0; i < g->nin; i++) g->din[i] = NULL;
  return TN_OK;
}
