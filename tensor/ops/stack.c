/* stack.c -- tensors of one size in a new dimension, and the joins that are made of cat. */
#include <stdlib.h>

#include "tensor/eval.h"

/* -- stack: attrs i[0] where the new dimension is, the first unless said ----------------------- */

static tn_status stack_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  if (call->nin == 0) return tn_fail(call->ctx, TN_EARG, "at least one tensor expected");
  const tn_tensor *first = call->in[0];
  if (first->ndim == TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "at most %d dimensions are supported", TN_MAX_DIMS);
  }
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 0, 0), first->ndim + 1, &call->dim);
  if (s != TN_OK) return s;
  tn_dtype dtype = (tn_dtype)first->dtype;
  for (int i = 1; i < call->nin; i++) {
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    const tn_tensor *t = call->in[i];
    dtype = tn_dtype_promote(dtype, (tn_dtype)t->dtype);
    if (tn__same_shape(first, t)) continue;
    return tn_fail(call->ctx, TN_ESHAPE, "tensors of one size expected, got %s and %s",
                   tn__shape_text(a, first->ndim, first->sizes),
                   tn__shape_text(b, t->ndim, t->sizes));
  }
  m->dtype = (uint8_t)dtype;
  m->ndim = (uint8_t)(first->ndim + 1);
  for (int d = 0, from = 0; d < m->ndim; d++) {
    m->sizes[d] = d == call->dim ? call->nin : first->sizes[from++];
  }
  return TN_OK;
}

static tn_status stack_run(tn_call *call) {
  const tn_tensor *out = call->out[0];
  tn_tensor part = *out;
  tn_status s = TN_OK;
  part.ndim = (uint8_t)(out->ndim - 1);
  for (int d = 0, to = 0; d < out->ndim; d++) {
    if (d == call->dim) continue;
    part.sizes[to] = out->sizes[d];
    part.strides[to++] = out->strides[d];
  }
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    s = tn__copy_view(call->ctx, &part, call->in[i]);
    part.offset += out->strides[call->dim];
  }
  return s;
}

static tn_status stack_grad(tn_grad_call *g) {
  tn_status s = TN_OK;
  for (int i = 0; i < g->nin && s == TN_OK; i++) {
    if (!g->need[i]) continue;
    tn_eval e = tn__eval_begin(g->ctx);
    int64_t dim = tn__int(g->attrs, 0, 0);
    tn_tensor *d = tn__with_two(&e, TN_OP_select, g->dout[0], dim, i);
    g->din[i] = tn__keep(&e, d);
    s = tn__eval_end(&e);
    if (s == TN_OK) s = tn__reduce_to(g->ctx, &g->din[i], &g->meta[i]);
  }
  return s;
}

const tn_op tn__op_stack = {
    .name = "stack", .lua = "stack", .args = "L tensors; d? dim", .convention = 'C',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS | TN_ANY_INPUTS, .nout = 1, .low = -2, .high = 2,
    .shape = stack_shape, .run = stack_run, .grad = stack_grad, .onnx = "ConcatFromSequence",
    .doc = "Tensors of one size side by side in a new dimension, the first unless said."};

/* -- Made of cat ------------------------------------------------------------------------------- */

/* x with at least `least` dimensions, as each of these functions counts them. */
static tn_tensor *raised(tn_eval *e, tn_tensor *x, int least, bool column) {
  int64_t n = tn__numel(x);
  if (x->ndim >= least) return x;
  if (least == 1 || x->ndim == 0) {
    return tn__with_sizes(e, TN_OP_view, x, least, (int64_t[]){1, 1, 1});
  }
  if (x->ndim == 1 && least == 2) {
    x = tn__with_dim(e, TN_OP_unsqueeze, x, column ? 1 : 0);
  } else if (x->ndim == 1) {
    x = tn__reshaped(e, x, 3, (int64_t[]){1, n, 1});
  } else {
    x = tn__with_dim(e, TN_OP_unsqueeze, x, 2);
  }
  return x;
}

static tn_status join(tn_call *call, int least, bool column, int dim) {
  tn_status s = TN_OK;
  int made = 0;
  if (call->nin == 0) return tn_fail(call->ctx, TN_EARG, "at least one tensor expected");
  tn_tensor **parts = malloc((size_t)call->nin * sizeof *parts);
  if (parts == NULL) return tn_fail(call->ctx, TN_ENOMEM, "not enough memory for the list");
  while (made < call->nin && s == TN_OK) {
    tn_eval e = tn__eval_begin(call->ctx);
    tn_tensor *part = tn__keep(&e, raised(&e, call->in[made], least, column));
    s = tn__eval_end(&e);
    if (part != NULL) parts[made++] = part;
  }
  if (s == TN_OK) {
    if (dim < 0) dim = parts[0]->ndim > 1 ? 1 : 0;
    tn_attrs along = {.i = {dim}, .ni = 1};
    s = tn_apply(call->ctx, TN_OP_cat, made, parts, &along, call->out);
  }
  while (made > 0) tn_tensor_release(parts[--made]);
  free(parts);
  return s;
}

static tn_status hstack_compose(tn_call *call) { return join(call, 1, false, -1); }
static tn_status vstack_compose(tn_call *call) { return join(call, 2, false, 0); }
static tn_status dstack_compose(tn_call *call) { return join(call, 3, false, 2); }
static tn_status column_stack_compose(tn_call *call) { return join(call, 2, true, 1); }

#define JOIN_ROW(name_, aliases_, doc_)                                                           \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .aliases = aliases_,               \
                                .args = "L tensors", .convention = 'C',                           \
                                .flags = TN_FLOATS | TN_INTEGERS | TN_ANY_INPUTS, .nout = 1,      \
                                .low = -2, .high = 2, .onnx = "Concat", .doc = doc_,              \
                                .compose = name_##_compose};

JOIN_ROW(hstack, NULL, "Tensors side by side along the second dimension; vectors end to end.")
JOIN_ROW(vstack, "row_stack", "Tensors one under another; a vector is a row.")
JOIN_ROW(dstack, NULL, "Tensors one behind another along the third dimension.")
JOIN_ROW(column_stack, NULL, "Matrices side by side; a vector is a column.")
