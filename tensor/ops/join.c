/* join.c -- cat: tensors side by side along one dimension.
 *
 * As in Torch7, empty vectors are left out, dimensions that a tensor lacks count as 1 behind its
 * own, and the last dimension is the default. attrs: i[0] the dimension or TN_NONE. */
#include "tensor/ops/lines.h"

static bool left_out(int ndim, const int64_t *sizes) { return ndim == 1 && sizes[0] == 0; }

static int64_t size_of(const tn_tensor *t, int d) { return d < t->ndim ? t->sizes[d] : 1; }

static tn_status mismatch(const tn_call *call, const tn_tensor *first, const tn_tensor *t) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  return tn_fail(call->ctx, TN_ESHAPE, "shapes do not fit along dimension %d: %s and %s",
                 call->dim + call->ctx->index_base, tn__shape_text(a, first->ndim, first->sizes),
                 tn__shape_text(b, t->ndim, t->sizes));
}

/* One dimension more than the tensors have may be named: torch.cat(x, y, 2) of vectors. */
static tn_status joined_dim(tn_call *call, int ndim) {
  int64_t dim = tn__int(call->attrs, 0, ndim - 1);
  int own = dim == ndim && ndim < TN_MAX_DIMS ? ndim + 1 : ndim;
  return tn__dim(call->ctx, dim, own, &call->dim);
}

static tn_status cat_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  const tn_tensor *first = NULL;
  int ndim = 0;
  tn_dtype dtype = TN_BOOL;
  if (call->nin == 0) return tn_fail(call->ctx, TN_EARG, "at least one tensor expected");
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (left_out(t->ndim, t->sizes)) continue;
    dtype = first == NULL ? (tn_dtype)t->dtype : tn_dtype_promote(dtype, (tn_dtype)t->dtype);
    if (first == NULL) first = t;
    if (t->ndim > ndim) ndim = t->ndim;
  }
  tn__meta_of(m, first != NULL ? first : call->in[0]);
  if (first == NULL) return TN_OK;
  if (ndim == 0) ndim = 1; /* numbers make a vector */
  tn_status s = joined_dim(call, ndim);
  if (s != TN_OK) return s;
  if (call->dim == ndim) ndim++;
  m->ndim = (uint8_t)ndim;
  m->dtype = (uint8_t)dtype;
  for (int d = 0; d < ndim; d++) m->sizes[d] = size_of(first, d);
  m->sizes[call->dim] = 0;
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (left_out(t->ndim, t->sizes)) continue;
    for (int d = 0; d < ndim; d++) {
      if (d == call->dim) m->sizes[d] += size_of(t, d);
      else if (size_of(t, d) != m->sizes[d]) return mismatch(call, first, t);
    }
  }
  return TN_OK;
}

static tn_status cat_run(tn_call *call) {
  const tn_tensor *out = call->out[0];
  tn_tensor part = *out;
  for (int i = 0; i < call->nin; i++) {
    tn_tensor t = *call->in[i];
    if (left_out(t.ndim, t.sizes)) continue;
    for (int d = t.ndim; d < out->ndim; d++) t.sizes[d] = 1, t.strides[d] = 0;
    t.ndim = out->ndim;
    part.sizes[call->dim] = t.sizes[call->dim];
    tn__copy_view(call->ctx, &part, &t);
    part.offset += t.sizes[call->dim] * out->strides[call->dim];
  }
  return TN_OK;
}

static tn_status cat_grad(tn_grad_call *g) {
  tn_status s = TN_OK;
  const int ndim = g->out_meta[0].ndim;
  int own = 0; /* the most dimensions of any part: what a negative dimension counts from */
  for (int i = 0; i < g->nin; i++) own = g->meta[i].ndim > own ? g->meta[i].ndim : own;
  int64_t dim = tn__int(g->attrs, 0, own > 0 ? own - 1 : 0);
  tn_attrs part = {.i = {dim < 0 ? dim + ndim : dim, 0, 0}, .ni = 3};
  for (int i = 0; i < g->nin && s == TN_OK; i++) {
    const tn_meta *m = &g->meta[i];
    if (left_out(m->ndim, m->sizes)) continue;
    part.i[2] = part.i[0] < m->ndim ? m->sizes[part.i[0]] : 1;
    if (g->need[i]) {
      tn_eval e = tn__eval_begin(g->ctx);
      tn_tensor *d = tn__do(&e, TN_OP_narrow, &part, 1, &g->dout[0]);
      g->din[i] = tn__keep(&e, d);
      s = tn__eval_end(&e);
      if (s == TN_OK) s = tn__reduce_to(g->ctx, &g->din[i], m);
    }
    part.i[1] += part.i[2];
  }
  return s;
}

const tn_op tn__op_cat = {
    .name = "cat", .lua = "cat", .aliases = "concat concatenate",
    .args = "L tensors; d? dim", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS | TN_ANY_INPUTS, .nout = 1, .low = -2, .high = 2,
    .shape = cat_shape, .run = cat_run, .grad = cat_grad, .onnx = "Concat",
    .doc = "Tensors side by side along a dimension, the last one unless another is named."};
