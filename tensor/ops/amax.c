/* amax.c -- extremes without their places: over one dimension, several or all, and of two tensors.
 *
 * attrs of amax and amin: i[0] the dimension or TN_NONE, i[1] whether it stays as one of size 1. */
#include "tensor/ops/lines.h"
#include "tensor/ops/reduce.h"

/* -- amax, amin: ties share the gradient; along a dimension of max and min the first takes it - */

static tn_status amax_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_status s = tn__reduced_shape(call, 0);
  if (s != TN_OK) return s;
  const unsigned dims = tn__reduced_dims(call->attrs, 0, x->ndim);
  bool empty = false;
  for (int d = 0; d < x->ndim; d++) empty = empty || (dims >> d & 1 && x->sizes[d] == 0);
  if (!empty) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "what is empty has no greatest or smallest element");
}

static tn_status amax_run(tn_call *call) {
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_MAX, call->dim, 1);
}

static tn_status amin_run(tn_call *call) {
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_MIN, call->dim, 1);
}

static tn_status amax_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_meta *m = &g->meta[0];
  const unsigned dims = tn__reduced_dims(g->attrs, 0, m->ndim);
  int64_t sizes[TN_MAX_DIMS];
  for (int d = 0; d < m->ndim; d++) sizes[d] = dims >> d & 1 ? 1 : m->sizes[d];
  tn_attrs to = {.i = {m->dtype}, .ni = 1};
  tn_attrs along = {.i = {tn__int(g->attrs, 0, TN_NONE), 1}, .ni = 2};
  tn_tensor *hit = DO2(eq, g->in[0], tn__reshaped(&e, g->out[0], m->ndim, sizes));
  hit = tn__do(&e, TN_OP_to, &to, 1, &hit);
  tn_tensor *count = tn__reshaped(&e, tn__do(&e, TN_OP_sum, &along, 1, &hit), m->ndim, sizes);
  tn_tensor *share = DO2(div, tn__reshaped(&e, g->dout[0], m->ndim, sizes), count);
  g->din[0] = tn__keep(&e, DO2(mul, hit, share));
  return tn__eval_end(&e);
}

#define AMAX_ROW(name_, onnx_, doc_)                                                              \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = "T x; d? dim; b keepdim=1", .convention = 'C',       \
      .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .saves = TN_SAVE_A | TN_SAVE_Y,    \
      .low = -2, .high = 2, .shape = amax_shape, .run = name_##_run, .grad = amax_grad,           \
      .onnx = onnx_, .doc = doc_};

AMAX_ROW(amax, "ReduceMax", "The greatest element, along dimensions or of all, without its index.")
AMAX_ROW(amin, "ReduceMin", "The smallest element, along dimensions or of all, without its index.")

/* -- aminmax ----------------------------------------------------------------------------------- */

static tn_status aminmax_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  call->out[0] = tn__keep(&e, tn__do(&e, TN_OP_amin, call->attrs, 1, &x));
  call->out[1] = tn__keep(&e, tn__do(&e, TN_OP_amax, call->attrs, 1, &x));
  return tn__eval_end(&e);
}

const tn_op tn__op_aminmax = {
    .name = "aminmax", .lua = "aminmax", .args = "T x; d? dim; b keepdim=1", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 2, .low = -2, .high = 2,
    .compose = aminmax_compose, .doc = "The smallest and the greatest element."};

/* -- max, min of two tensors ------------------------------------------------------------------- */

static tn_status pair(tn_call *call, tn_opcode code) {
  tn_eval e = tn__eval_begin(call->ctx);
  call->out[0] = tn__keep(&e, tn__do(&e, code, NULL, 2, call->in));
  return tn__eval_end(&e);
}

static tn_status max_pair_compose(tn_call *call) { return pair(call, TN_OP_cmax); }
static tn_status min_pair_compose(tn_call *call) { return pair(call, TN_OP_cmin); }

#define PAIR_ROW(name_, lua_, doc_)                                                               \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .args = "T a; T b", .convention = 'C',                         \
      .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,                          \
      .compose = name_##_compose, .doc = doc_};

PAIR_ROW(max_pair, "max", "The larger of two elements, as cmax.")
PAIR_ROW(min_pair, "min", "The smaller of two elements, as cmin.")
