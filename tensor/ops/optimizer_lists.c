/* optimizer_lists.c -- steps of optimizers, and what happens to gradients before, over lists of tensors:
 * a device has one kernel for many of them; elsewhere they are done one by one. */
#include <math.h>

#include "tensor/device.h"
#include "tensor/eval.h"

static tn_status check_lists(tn_call *call, int each, bool gradients) {
  if (call->nin == 0 || call->nin % each != 0) {
    return tn_fail(call->ctx, TN_EARG, "a list of %s%d tensors each expected, got %d",
                   gradients ? "gradients, " : "parameters with their states, ", each, call->nin);
  }
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (t == NULL) return tn_fail(call->ctx, TN_EARG, "tensor %d is missing", i + 1);
    if (gradients && !tn_dtype_is_float((tn_dtype)t->dtype)) {
      return tn_fail(call->ctx, TN_EDTYPE, "floating-point gradients expected, got %s",
                     tn_dtype_name((tn_dtype)t->dtype));
    }
  }
  return TN_OK;
}

#if TN_DEVICES
/* Is there a kernel that takes the list as it is? */
static bool served(const tn_call *call, int each, bool steps) {
  const tn_tensor *first = call->in[0];
  if (!tn__elsewhere(first) || call->ctx->recording != NULL) return false;
  const tn_backend *b = tn__backend_loaded();
  if (b == NULL || b->kernels[call->code] == NULL) return false;
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i], *p = call->in[i - i % each];
    if (t->storage->device != first->storage->device || !tn__contiguous(t)) return false;
    if (!steps) continue;
    if (t->dtype != p->dtype || tn__numel(t) != tn__numel(p)) return false;
    if (t->dtype != TN_F32 && t->dtype != TN_F64) return false;
  }
  return true;
}

/* By the device's kernel; what `written` of each group changes is known to have changed. */
static tn_status run_there(tn_call *call, int each, unsigned written) {
  const tn_status s = tn__device_run(call);
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    if (!(written >> i % each & 1)) continue;
    tn_storage *changed = call->in[i]->storage;
    tn_storage_touch(changed);
    changed->writer = call->op->name;
  }
  return s;
}
#endif

/* Each `each` tensors by the operation for one parameter. The result is the first tensor. */
static tn_status steps(tn_call *call, tn_opcode one, int each, unsigned written) {
  tn_status s = check_lists(call, each, false);
  if (s != TN_OK) return s;
  call->out[0] = tn_tensor_retain(call->in[0]);
#if TN_DEVICES
  if (served(call, each, true)) return run_there(call, each, written);
#endif
  (void)written;
  for (int i = 0; i < call->nin && s == TN_OK; i += each) {
    s = tn_apply_inplace(call->ctx, one, each, call->in + i, call->attrs);
  }
  return s;
}

static tn_status adam_steps_compose(tn_call *call) {
  if (tn__int(call->attrs, 0, 0) < 1) return tn_fail(call->ctx, TN_EARG, "steps count from 1");
  return steps(call, TN_OP_adam_step, 4, 1 | 4 | 8);
}

const tn_op tn__op_adam_steps = {
    .name = "adam_steps", .lua = "adam_steps", .convention = 'C', .nout = 1,
    .flags = TN_ANY_INPUTS,
    .args = "L tensors; n rate; n beta1; n beta2; n epsilon; n decay; n decoupled; i step",
    .compose = adam_steps_compose, .no_grad = "a step of an optimizer",
    .doc = "adam_step over a list of x, grad, m, v, x, grad, ...: on a GPU one kernel for many. "
           "Returns the first x."};

static tn_status sgd_steps_compose(tn_call *call) {
  const bool velocity = call->attrs->f[1] != 0;
  return steps(call, TN_OP_sgd_step, velocity ? 3 : 2, velocity ? 1 | 4 : 1);
}

const tn_op tn__op_sgd_steps = {
    .name = "sgd_steps", .lua = "sgd_steps", .convention = 'C', .nout = 1, .flags = TN_ANY_INPUTS,
    .args = "L tensors; n rate; n momentum=0; n dampening=0; n decay=0; b nesterov=0; b first=0",
    .compose = sgd_steps_compose, .no_grad = "a step of an optimizer",
    .doc = "sgd_step over a list of x, grad, x, grad, ..., or, with a momentum, of x, grad, "
           "velocity, ...: on a GPU one kernel for many. Returns the first x."};

/* -- Gradients ----------------------------------------------------------------------------------- */

#if TN_DEVICES
/* A kernel whose result is one number. */
static tn_status run_for_number(tn_call *call) {
  const int16_t was = call->ctx->device;
  call->ctx->device = call->in[0]->storage->device;
  tn_status s = tn_tensor_new(call->ctx, &call->out[0], TN_F32, 0, NULL);
  if (s == TN_OK) s = run_there(call, 1, 1);
  call->ctx->device = was;
  return s;
}
#endif

/* One by one: to a norm of at most f[0], which gives the norm before; or times f[0], which gives 1 where
 * a number is infinite or NaN. */
static tn_status one_by_one(tn_call *call, bool clip) {
  tn_ctx *ctx = call->ctx;
  double total = 0, factor = call->attrs->f[0];
  bool wrong = false;
  tn_eval e = tn__eval_begin(ctx);
  for (int i = 0; i < call->nin && e.status == TN_OK; i++) {
    tn_tensor *flat = NULL;
    e.status = tn__host_of(ctx, &flat, call->in[i], TN_F64);
    for (int64_t k = 0, n = e.status == TN_OK ? tn__numel(flat) : 0; k < n; k++) {
      const double v = ((const double *)tn__data(flat))[k];
      total += v * v;
      wrong = wrong || !isfinite(v);
    }
    tn_tensor_release(flat);
  }
  const double norm = sqrt(total);
  if (clip) factor /= norm + 1e-6;
  tn_tensor *const by = tn__constant(&e, factor);
  for (int i = 0; i < call->nin && e.status == TN_OK && !(clip && factor >= 1); i++) {
    tn_tensor *in[2] = {call->in[i], by};
    e.status = tn_apply_inplace(ctx, TN_OP_mul, 2, in, NULL);
  }
  const int device = call->in[0]->storage->device;
  if (e.status == TN_OK) {
    e.status = tn_tensor_new_on(ctx, &call->out[0], device, TN_F32, 0, NULL);
  }
  if (e.status == TN_OK) tn_tensor_put(call->out[0], 0, clip ? norm : wrong);
  return tn__eval_end(&e);
}

static tn_status over_gradients(tn_call *call, bool clip) {
  tn_status s = check_lists(call, 1, true);
  if (s != TN_OK) return s;
#if TN_DEVICES
  if (served(call, 1, false)) return run_for_number(call);
#endif
  return one_by_one(call, clip);
}

static tn_status clip_norms_compose(tn_call *call) { return over_gradients(call, true); }
static tn_status unscale_steps_compose(tn_call *call) { return over_gradients(call, false); }

const tn_op tn__op_clip_norms = {
    .name = "clip_norms", .lua = "clip_norms", .convention = 'C', .nout = 1,
    .flags = TN_ANY_INPUTS, .args = "L gradients; n limit", .compose = clip_norms_compose,
    .no_grad = "it changes gradients",
    .doc = "Scales gradients, in place, so that their norm as of one vector is at most limit. The "
           "norm before, which on a GPU nobody waits for."};

const tn_op tn__op_unscale_steps = {
    .name = "unscale_steps", .lua = "unscale_steps", .convention = 'C', .nout = 1,
    .flags = TN_ANY_INPUTS, .args = "L gradients; n factor", .compose = unscale_steps_compose,
    .no_grad = "it changes gradients",
    .doc = "Multiplies gradients, in place, by a factor: 1 where one of them is infinite or NaN, "
           "else 0."};
