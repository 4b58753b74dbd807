/* eval.c -- temporaries of gradients that are written with operations. */
#include "tensor/eval.h"

#include "tensor/device.h"

tn_status tn__eval_end(tn_eval *e) {
  for (int i = 0; i < e->count; i++) tn_tensor_release(e->temps[i]);
  e->count = 0;
  return e->status;
}

tn_tensor *tn__temp(tn_eval *e, tn_tensor *t) {
  if (e->count == TN_EVAL_TEMPS) {
    tn_tensor_release(t);
    if (e->status == TN_OK) e->status = tn_fail(e->ctx, TN_ENOMEM, "expression too long");
    return NULL;
  }
  e->temps[e->count++] = t;
  return t;
}

tn_tensor *tn__do_output(tn_eval *e, tn_opcode code, const tn_attrs *attrs, int nin,
                         tn_tensor *const *in, int output) {
  /* add and sub scale their second input by alpha, which is 1 in expressions */
  static const tn_attrs one = {.f = {1}};
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  if (e->status != TN_OK) return NULL;
  for (int i = 0; i < nin; i++) {
    if (in[i] == NULL) return NULL;
  }
  e->status = tn_apply(e->ctx, code, nin, in, attrs != NULL ? attrs : &one, out);
  if (e->status != TN_OK) return NULL;
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) {
    if (i != output) tn_tensor_release(out[i]);
  }
  return tn__temp(e, out[output]);
}

tn_tensor *tn__do(tn_eval *e, tn_opcode code, const tn_attrs *attrs, int nin,
                  tn_tensor *const *in) {
  return tn__do_output(e, code, attrs, nin, in, 0);
}

tn_tensor *tn__do_into(tn_eval *e, tn_opcode code, const tn_attrs *attrs, int nin,
                       tn_tensor *const *in) {
  if (e->ctx->grad_enabled) return tn__do(e, code, attrs, nin, in);
  for (int i = 0; i < nin; i++) {
    if (in[i] == NULL) return NULL;
  }
  if (e->status == TN_OK) e->status = tn_apply_inplace(e->ctx, code, nin, in, attrs);
  return e->status == TN_OK ? in[0] : NULL;
}

static tn_tensor *number(tn_eval *e, tn_dtype dtype, double value) {
  tn_tensor *t = NULL;
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_scalar(e->ctx, &t, dtype, value);
  if (e->status != TN_OK) return NULL;
  t->number = true;
  return tn__temp(e, t);
}

tn_tensor *tn__constant(tn_eval *e, double value) { return number(e, TN_F64, value); }
tn_tensor *tn__whole(tn_eval *e, int64_t value) { return number(e, TN_I64, (double)value); }

tn_tensor *tn__with_dim(tn_eval *e, tn_opcode code, tn_tensor *x, int64_t dim) {
  tn_attrs attrs = {.f = {1}, .i = {dim, 1}, .ni = 2};
  return tn__do(e, code, &attrs, 1, &x);
}

tn_tensor *tn__with_two(tn_eval *e, tn_opcode code, tn_tensor *x, int64_t a, int64_t b) {
  tn_attrs attrs = {.f = {1}, .i = {a, b}, .ni = 2};
  return tn__do(e, code, &attrs, 1, &x);
}

tn_tensor *tn__with_sizes(tn_eval *e, tn_opcode code, tn_tensor *x, int ndim,
                          const int64_t *sizes) {
  tn_attrs attrs = {.f = {1}, .ni = ndim};
  if (ndim > 0) memcpy(attrs.i, sizes, sizeof(int64_t) * (size_t)ndim);
  return tn__do(e, code, &attrs, 1, &x);
}

tn_tensor *tn__reshaped(tn_eval *e, tn_tensor *x, int ndim, const int64_t *sizes) {
  if (x == NULL) return NULL;
  return tn__with_sizes(e, tn__contiguous(x) ? TN_OP_view : TN_OP_reshape, x, ndim, sizes);
}

tn_tensor *tn__scaled(tn_eval *e, tn_tensor *x, double factor) {
  return tn__do(e, TN_OP_mul, NULL, 2, (tn_tensor *[]){x, tn__constant(e, factor)});
}

tn_tensor *tn__zeros(tn_eval *e, const tn_meta *meta) {
  tn_tensor *t = NULL;
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_new(e->ctx, &t, (tn_dtype)meta->dtype, meta->ndim, meta->sizes);
  if (e->status != TN_OK) return NULL;
  e->status = tn__set_zero(e->ctx, t);
  return tn__temp(e, t);
}

tn_status tn__reduce_to(tn_ctx *ctx, tn_tensor **t, const tn_meta *meta) {
  tn_tensor *g = *t, *r = g;
  bool same = g->ndim == meta->ndim &&
              memcmp(g->sizes, meta->sizes, sizeof(int64_t) * meta->ndim) == 0;
  if (same && g->dtype == meta->dtype) return TN_OK;
  tn_eval e = tn__eval_begin(ctx);
  int64_t count = 1;
  for (int d = 0; d < meta->ndim; d++) count *= meta->sizes[d];
  if (!same && count != tn__numel(g)) {
    const bool at_once = tn__elsewhere(g);
    int64_t dims = 0;
    for (int d = 0; d < g->ndim; d++) { /* sums keep their dimension, so positions stay */
      int own = d - (g->ndim - meta->ndim);
      if (own >= 0 && meta->sizes[own] == g->sizes[d]) continue;
      dims |= (int64_t)1 << d;
      if (!at_once) r = tn__with_dim(&e, TN_OP_sum, r, d);
    }
    if (at_once) r = tn__with_dim(&e, TN_OP_sum, r, TN_DIM_SET(dims));
  }
  if (!same) r = tn__reshaped(&e, r, meta->ndim, meta->sizes);
  if (g->dtype != meta->dtype) {
    tn_attrs attrs = {.i = {meta->dtype}, .ni = 1};
    r = tn__do(&e, TN_OP_to, &attrs, 1, &r);
  }
  *t = tn__keep(&e, r);
  tn_status s = tn__eval_end(&e);
  tn_tensor_release(g);
  if (s != TN_OK) *t = NULL;
  return s;
}
