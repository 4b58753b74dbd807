/* copy.c -- operations that move or convert values. */
#include "tensor/device.h"
#include "tensor/eval.h"

/* -- copy: in[0] takes the values of in[1] ----------------------------------------------------- */

static tn_status copy_run(tn_call *call) {
  tn_tensor *to = call->out[0], *from = call->in[1], *shown = NULL;
  tn_status s;
  tn_attrs sizes = {.ni = to->ndim};
  if (tn__numel(from) == tn__numel(to) && !tn__same_shape(from, to)) {
    tn_tensor *flat = NULL;
    s = tn__contiguous_of(call->ctx, &flat, from, (tn_dtype)from->dtype);
    if (s != TN_OK) return s;
    int64_t strides[TN_MAX_DIMS];
    tn__contiguous_strides(to->ndim, to->sizes, strides);
    s = tn__alias(call->ctx, &shown, flat, to->ndim, to->sizes, strides, flat->offset);
    tn_tensor_release(flat);
  } else {
    tn_call view = {.ctx = call->ctx, .op = &tn__op_expand, .nin = 1, .in = &from,
                    .attrs = &sizes};
    memcpy(sizes.i, to->sizes, sizeof(int64_t) * (size_t)to->ndim);
    s = tn__op_expand.view(&view);
    shown = view.out[0];
  }
  if (s == TN_OK) s = tn__copy_view(call->ctx, to, shown);
  tn_tensor_release(shown);
  return s;
}

static tn_status copy_grad(tn_grad_call *g) {
  if (!g->need[1]) return TN_OK;
  g->din[1] = tn_tensor_retain(g->dout[0]);
  return tn__reduce_to(g->ctx, &g->din[1], &g->meta[1]);
}

const tn_op tn__op_copy = {
    .name = "copy", .lua = "copy", .args = "T x; T source", .convention = 'I',
    .flags = TN_INPLACE | TN_MOVES | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .shape = tn__shape_same,
    .run = copy_run, .grad = copy_grad,
    .doc = "Overwrites x with the values of another tensor, of any dtype and as many elements."};

/* -- clone, contiguous, reshape, to ------------------------------------------------------------ */

static tn_status clone_run(tn_call *call) {
  return tn__copy_view(call->ctx, call->out[0], call->in[0]);
}

static tn_status pass_grad(tn_grad_call *g) {
  g->din[0] = tn_tensor_retain(g->dout[0]);
  return tn__reduce_to(g->ctx, &g->din[0], &g->meta[0]);
}

const tn_op tn__op_clone = {
    .name = "clone", .lua = "clone", .args = "T x", .convention = 'C',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .shape = tn__shape_same,
    .run = clone_run, .grad = pass_grad, .onnx = "Identity", .doc = "A copy in memory of its own."};

const tn_op tn__op_contiguous = {
    .name = "contiguous", .args = "T x", .convention = 'N',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS,
    .nout = 1, .low = -2, .high = 2, .shape = tn__shape_same, .run = clone_run, .grad = pass_grad,
    .onnx = "Identity", .doc = "A copy whose elements lie one after another."};

/* The shape rule is view's; the values are copied in row-major order. */
static tn_status reshape_shape(tn_call *call) {
  tn_tensor flat = *call->in[0];
  tn_tensor *in = &flat;
  tn_call view = *call;
  tn__contiguous_strides(flat.ndim, flat.sizes, flat.strides);
  view.in = &in;
  view.op = &tn__op_view;
  tn_status s = tn__op_view.view(&view);
  if (s == TN_OK) tn__meta_of(&call->meta[0], view.out[0]);
  tn_tensor_release(view.out[0]);
  return s;
}

static tn_status reshape_run(tn_call *call) {
  tn_tensor *x = call->in[0], *shown = NULL;
  int64_t strides[TN_MAX_DIMS];
  tn__contiguous_strides(x->ndim, x->sizes, strides);
  tn_status s = tn__alias(call->ctx, &shown, call->out[0], x->ndim, x->sizes, strides,
                          call->out[0]->offset);
  if (s == TN_OK) s = tn__copy_view(call->ctx, shown, x);
  tn_tensor_release(shown);
  return s;
}

static tn_status reshape_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__reshaped(&e, g->dout[0], g->meta[0].ndim, g->meta[0].sizes));
  return tn__eval_end(&e);
}

const tn_op tn__op_reshape = {
    .name = "reshape", .lua = "reshape", .args = "T x; z sizes", .convention = 'C',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .shape = reshape_shape,
    .run = reshape_run, .grad = reshape_grad, .onnx = "Reshape",
    .doc = "A copy with other sizes; one of them may be -1."};

static tn_status to_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[0].dtype = (uint8_t)call->attrs->i[0];
  return TN_OK;
}

/* Back to where it came from: i holds the dtype, and for another device that and the old one. */
static tn_status to_grad(tn_grad_call *g) {
  if (g->attrs->ni < 3) return pass_grad(g);
  return tn_tensor_to(g->ctx, &g->din[0], g->dout[0], (tn_device)g->attrs->i[2],
                      (tn_dtype)g->meta[0].dtype);
}

const tn_op tn__op_to = {
    .name = "to", .args = "T x; i dtype", .convention = 'N',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS | TN_KEEPS_ORDER,
    .nout = 1, .low = -2, .high = 2, .shape = to_shape, .run = clone_run, .grad = to_grad,
    .onnx = "Cast", .doc = "A copy of another dtype."};

/* -- repeatTensor ------------------------------------------------------------------------------ */

static tn_status repeat_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  int ndim = call->attrs->ni;
  if (ndim < x->ndim || ndim > TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "between %d and %d numbers of repetitions expected, got %d",
                   x->ndim, TN_MAX_DIMS, ndim);
  }
  m->dtype = x->dtype;
  m->ndim = (uint8_t)ndim;
  for (int d = 0; d < ndim; d++) {
    int own = d - (ndim - x->ndim);
    int64_t times = call->attrs->i[d];
    if (times < 0 || __builtin_mul_overflow(times, own < 0 ? 1 : x->sizes[own], &m->sizes[d])) {
      return tn_fail(call->ctx, TN_EARG, "%lld repetitions", (long long)times);
    }
  }
  return TN_OK;
}

/* The result seen as [times, size, times, size, ...] takes x broadcast over the times: in one go
 * where that has few enough dimensions. */
static bool repeat_at_once(tn_call *call) {
  tn_tensor to = *call->out[0], from = *call->in[0];
  const tn_tensor *x = call->in[0], *out = call->out[0];
  const int extra = out->ndim - x->ndim;
  int ndim = 0;
  for (int d = 0; d < out->ndim; d++) {
    const int own = d - extra;
    const int64_t size = own < 0 ? 1 : x->sizes[own];
    const int64_t sizes[2] = {call->attrs->i[d], size};
    const int64_t steps[2] = {size * out->strides[d], out->strides[d]};
    for (int k = 0; k < 2; k++) {
      if (sizes[k] == 1) continue;
      if (ndim == TN_MAX_DIMS) return false;
      to.sizes[ndim] = from.sizes[ndim] = sizes[k];
      to.strides[ndim] = steps[k];
      from.strides[ndim++] = k == 0 || own < 0 ? 0 : x->strides[own];
    }
  }
  to.ndim = from.ndim = (uint8_t)ndim;
  tn__copy_view(call->ctx, &to, &from);
  return true;
}

static tn_status repeat_run(tn_call *call) {
  const tn_tensor *x = call->in[0], *out = call->out[0];
  int ndim = out->ndim, extra = ndim - x->ndim;
  if (tn__numel(out) == 0) return TN_OK; /* of nothing there may be any number of repetitions */
  if (!tn__elsewhere(out) && !tn__elsewhere(x) && repeat_at_once(call)) {
    return TN_OK;
  }
  for (int64_t block = 0, blocks = 1;; block++) {
    int64_t at[TN_MAX_DIMS], rest = block;
    blocks = 1;
    for (int d = 0; d < ndim; d++) blocks *= call->attrs->i[d];
    if (block >= blocks) return TN_OK;
    for (int d = ndim - 1; d >= 0; d--) {
      at[d] = rest % call->attrs->i[d];
      rest /= call->attrs->i[d];
    }
    tn_tensor part = *out;
    part.ndim = x->ndim;
    for (int d = 0; d < ndim; d++) {
      int own = d - extra;
      part.offset += at[d] * (own < 0 ? 1 : x->sizes[own]) * out->strides[d];
      if (own < 0) continue;
      part.sizes[own] = x->sizes[own];
      part.strides[own] = out->strides[d];
    }
    tn_status s = tn__copy_view(call->ctx, &part, x);
    if (s != TN_OK) return s;
  }
}

/* Sums over the repetitions: view as [times, size, ...], which has up to 16 dimensions; so one
 * dimension at a time. */
static tn_status repeat_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *r = g->dout[0];
  int ndim = g->attrs->ni, extra = ndim - g->meta[0].ndim;
  for (int d = 0; d < ndim && e.status == TN_OK; d++) {
    int own = d - extra;
    int64_t size = own < 0 ? 1 : g->meta[0].sizes[own], sizes[TN_MAX_DIMS], before = 1, after = 1;
    if (g->attrs->i[d] == 1) continue;
    for (int k = 0; k < d; k++) before *= r->sizes[k];
    for (int k = d + 1; k < ndim; k++) after *= r->sizes[k];
    memcpy(sizes, r->sizes, sizeof sizes);
    sizes[d] = size;
    r = tn__reshaped(&e, r, 4, (int64_t[]){before, g->attrs->i[d], size, after});
    r = tn__with_dim(&e, TN_OP_sum, r, 1);
    r = tn__reshaped(&e, r, ndim, sizes);
  }
  r = tn__reshaped(&e, r, g->meta[0].ndim, g->meta[0].sizes);
  g->din[0] = tn__keep(&e, r);
  return tn__eval_end(&e);
}

const tn_op tn__op_repeatTensor = {
    .name = "repeatTensor", .lua = "repeatTensor", .args = "T x; z times",
    .convention = 'C', .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .shape = repeat_shape, .run = repeat_run, .grad = repeat_grad, .onnx = "Tile",
    .doc = "x repeated along each dimension, as a copy."};
