/* pooling.c -- where the windows of a pooling are. */
#include "tensor/ops/pooling.h"

static tn_span span_of(const tn_attrs *a, int d, int64_t o, bool mean) {
  const int64_t in = a->i[AT_IN + d], kernel = a->i[AT_KERNEL + d], pad = a->i[AT_PAD + d];
  tn_span s = {.step = 1};
  if (kernel == 0) {
    const int64_t out = a->i[AT_OUT + d];
    s.begin = o * in / out;
    s.end = ((o + 1) * in + out - 1) / out;
    s.count = s.end - s.begin;
    return s;
  }
  if (!mean) s.step = a->i[AT_DILATION + d];
  s.begin = o * a->i[AT_STRIDE + d] - pad;
  s.end = s.begin + (kernel - 1) * s.step + 1;
  s.count = (s.end < in + pad ? s.end : in + pad) - s.begin;
  if (s.begin < 0) s.begin += (-s.begin + s.step - 1) / s.step * s.step;
  if (s.end > in) s.end = in;
  if (mean && !a->i[AT_COUNTED]) s.count = s.end - s.begin;
  return s;
}

tn_status tn__pooling_begin(tn_ctx *ctx, tn_pooling *p, const tn_attrs *attrs, bool mean) {
  int64_t total = 0;
  p->attrs = attrs;
  for (int d = 0; d < TN_SPACE; d++) {
    p->in[d] = attrs->i[AT_IN + d];
    p->out[d] = attrs->i[AT_OUT + d];
    total += p->out[d];
  }
  p->inside = tn__window_cells(p->in);
  p->outside = tn__window_cells(p->out);
  p->memory = ctx->allocator;
  tn_span *s = tn__take(p->memory, (size_t)total * sizeof *s + 1);
  p->spans[0] = s;
  if (s == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for the windows");
  for (int d = 0; d < TN_SPACE; d++) {
    p->spans[d] = s;
    for (int64_t o = 0; o < p->out[d]; o++) *s++ = span_of(attrs, d, o, mean);
  }
  return TN_OK;
}

tn_status tn__pooling_shape(tn_call *call, int sizes, int own) {
  const tn_tensor *x = call->in[0];
  const tn_attrs *a = call->attrs;
  const int n = (int)tn__int(a, AT_SPACE, 0);
  tn_meta *m = &call->meta[0];
  bool fits = n >= 1 && n <= TN_SPACE && x->ndim >= n;
  tn__meta_of(m, x);
  for (int d = 0; fits && d < TN_SPACE; d++) {
    const int dim = x->ndim - TN_SPACE + d, space = d - (TN_SPACE - n);
    if (space < 0) fits = a->i[AT_OUT + d] == 1 && a->i[AT_IN + d] == 1;
    else fits = x->sizes[dim] == a->i[own + d];
    if (fits && space >= 0) m->sizes[dim] = a->i[sizes + d];
  }
  if (fits) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "the sizes do not fit the windows");
}

void tn__pooling_run(tn_call *call, const tn_pooling *p, tn_pool_fn *fn, void *arg) {
  const tn_tensor *x = call->in[0];
  int64_t planes = 1;
  for (int d = 0; d < x->ndim - (int)p->attrs->i[AT_SPACE]; d++) planes *= x->sizes[d];
  const int64_t work = p->inside + 4 * p->outside;
  tn__pool_run(call->ctx->pool, planes, TN_GRAIN / (work + 1) + 1, fn, arg);
}
