/* device_detour.c -- calls that no kernel of a device serves: they run by way of the CPU, on copies in
 * the host's memory. And values that the host looks at or makes for a call there. */
#include "tensor/device.h"

#include <stdlib.h>

enum { FEW = 8 }; /* inputs that lie on the stack */

static _Atomic(uint64_t) detours[TN_OP_COUNT];

uint64_t tn_device_detours(tn_opcode code) { return detours[code]; }

bool tn_device_has_kernel(tn_ctx *ctx, tn_opcode code) {
  const tn_call call = {.ctx = ctx, .op = tn__ops[code], .code = code};
  return TN_DEVICES && tn__backend(ctx) != NULL && tn__device_serves(&call);
}

/* A new reference to t on `device`: itself, or a copy that is not recorded. NULL stays NULL. */
static tn_status carried(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, int16_t device) {
  *out = NULL;
  if (t == NULL) return TN_OK;
  if (t->storage->device == device) {
    *out = tn_tensor_retain(t);
    return TN_OK;
  }
  tn_status s = tn_tensor_new_on(ctx, out, device, (tn_dtype)t->dtype, t->ndim, t->sizes);
  if (s == TN_OK) s = tn__copy_view(ctx, *out, t);
  if (s == TN_OK) (*out)->number = t->number;
  return s;
}

tn_status tn__host_of(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype dtype) {
  const int16_t was = ctx->device;
  tn_tensor *here;
  tn__touch(t->storage);
  ctx->device = TN_CPU;
  tn_status s = carried(ctx, &here, t, TN_CPU);
  if (s == TN_OK) s = tn__contiguous_of(ctx, out, here, dtype);
  ctx->device = was;
  tn_tensor_release(here);
  return s;
}

tn_status tn__send(tn_ctx *ctx, tn_tensor **t) {
  tn_tensor *here = *t;
  tn_status s = carried(ctx, t, here, ctx->device);
  tn_tensor_release(here);
  return s;
}

/* The call on the CPU: in[] and out[] lie there. Rows look whether a gradient will be wanted, so
 * copies of what is tracked say that it will; what is recorded of them goes with them. */
static tn_status run_here(const tn_call *call, tn_tensor *const *in, tn_tensor **out) {
  tn_ctx *ctx = call->ctx;
  for (int i = 0; i < call->nin; i++) {
    if (in[i] != NULL && in[i] != call->in[i]) in[i]->requires_grad = tn__tracked(call->in[i]);
  }
  tn_status s = call->inplace ? tn_apply_inplace(ctx, call->code, call->nin, in, call->attrs)
                              : tn_apply(ctx, call->code, call->nin, in, call->attrs, out);
  if (s == TN_OK && call->inplace) out[0] = tn_tensor_retain(in[0]);
  return s;
}

/* Puts a result where the caller wants it. */
static tn_status give(tn_call *call, int i, tn_tensor *made, tn_tensor *given) {
  if (given == NULL) return carried(call->ctx, &call->out[i], made, call->ctx->device);
  tn_status s = TN_OK;
  if (!tn__same_shape(made, given)) {
    s = tn_tensor_resize(call->ctx, given, made->ndim, made->sizes, NULL);
  }
  if (s == TN_OK) s = tn__copy_view(call->ctx, given, made);
  given->storage->version++;
  given->storage->writer = call->op->name;
  call->out[i] = tn_tensor_retain(given);
  return s;
}

/* Rows may write into their inputs, as the steps of optimizers do: what they have written into copies
 * goes back. A new copy's storage has version `fresh`. */
static tn_status send_back(const tn_call *call, tn_tensor *const *in, const uint32_t *fresh) {
  tn_status s = TN_OK;
  for (int i = call->inplace ? 1 : 0; i < call->nin && i < FEW && s == TN_OK; i++) {
    if (in[i] == NULL || in[i] == call->in[i] || in[i]->storage->version == fresh[i]) continue;
    s = tn__copy_view(call->ctx, call->in[i], in[i]);
    call->in[i]->storage->version++;
    call->in[i]->storage->writer = call->op->name;
  }
  return s;
}

tn_status tn__device_detour(tn_call *call, tn_tensor *const *given) {
  tn_ctx *ctx = call->ctx;
  const int16_t device = ctx->device;
  tn_tensor *few[FEW] = {NULL}, **in = few, *out[TN_MAX_OUTPUTS] = {NULL};
  uint32_t fresh[FEW] = {0};
  tn_status s = tn__device_refuse_capture(ctx, tn__backend_loaded(),
                                          "it has no CUDA kernel for this, and the CPU");
  if (s != TN_OK) return s;
  if (call->nin > FEW && (in = calloc((size_t)call->nin, sizeof *in)) == NULL) {
    return tn_fail(ctx, TN_ENOMEM, "not enough memory");
  }
  for (int i = 0; i < call->op->nout; i++) { /* of a kernel that declined */
    tn_tensor_release(call->out[i]);
    call->out[i] = NULL;
  }
  detours[call->code]++;
  ctx->device = TN_CPU;
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    s = carried(ctx, &in[i], call->in[i], TN_CPU);
    if (in[i] != NULL && i < FEW) fresh[i] = in[i]->storage->version;
  }
  if (s == TN_OK) s = run_here(call, in, out);
  ctx->device = device;
  if (s == TN_OK) s = send_back(call, in, fresh);
  for (int i = 0; i < call->op->nout; i++) {
    if (s == TN_OK) s = give(call, i, out[i], given[i]);
    tn_tensor_release(out[i]);
  }
  for (int i = 0; i < call->nin; i++) tn_tensor_release(in[i]);
  if (in != few) free(in);
  return s;
}
