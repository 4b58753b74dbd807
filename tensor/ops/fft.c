/* fft.c -- Fourier transforms along one dimension. Complex numbers are pairs in a last dimension of
 * two, which is not counted among the others: dimension -1 is the one before it.
 *
 * attrs: of fft_c2c i[0] the dimension, i[1] inverse; of fft_r2c i[0]; of fft_c2r i[0] the length
 * of the result, i[1] the dimension; f[0] a factor. The derivative of each is the adjoint map: of
 * c2c the transform of the other sign; r2c and c2r are each other's but for the inner half of the
 * spectrum, which stands for two numbers each. */
#include "tensor/cpu/fft.h"
#include "tensor/device.h"
#include "tensor/ops/lines.h"

static tn_status check_float(tn_call *call) {
  if (tn_dtype_is_float((tn_dtype)call->in[0]->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                 tn_dtype_name((tn_dtype)call->in[0]->dtype));
}

/* The dimension attrs->i[k] of a tensor whose last dimension is not counted if it is complex. */
static tn_status read_dim(tn_call *call, int k, bool complex) {
  const tn_tensor *x = call->in[0];
  char text[TN_SHAPE_TEXT];
  tn_status s = check_float(call);
  if (s == TN_OK && complex && (x->ndim < 1 || x->sizes[x->ndim - 1] != 2)) {
    s = tn_fail(call->ctx, TN_ESHAPE, "complex numbers, a last dimension of size 2, expected, "
                                      "got %s",
                tn__shape_text(text, x->ndim, x->sizes));
  }
  if (s != TN_OK) return s;
  return tn__dim(call->ctx, tn__int(call->attrs, k, -1), x->ndim - (complex ? 1 : 0), &call->dim);
}

static tn_status too_short(tn_call *call, int64_t n) {
  return tn_fail(call->ctx, TN_ESHAPE, "a transform of at least one value expected, got %lld",
                 (long long)n);
}

static tn_status fft_c2c_shape(tn_call *call) {
  tn_status s = read_dim(call, 0, true);
  tn__meta_of(&call->meta[0], call->in[0]);
  if (s == TN_OK && call->in[0]->sizes[call->dim] < 1) s = too_short(call, 0);
  return s;
}

static tn_status fft_r2c_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  tn_status s = read_dim(call, 0, false);
  if (s != TN_OK) return s;
  if (x->ndim == TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "at most %d dimensions are supported", TN_MAX_DIMS - 1);
  }
  tn__meta_of(m, x);
  if (x->sizes[call->dim] < 1) return too_short(call, 0);
  m->sizes[call->dim] = x->sizes[call->dim] / 2 + 1;
  m->sizes[m->ndim++] = 2;
  return TN_OK;
}

static tn_status fft_c2r_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  tn_status s = read_dim(call, 1, true);
  if (s != TN_OK) return s;
  const int64_t n = call->attrs->i[0], have = x->sizes[call->dim];
  if (n < 1) return too_short(call, n);
  if (have != n / 2 + 1) {
    return tn_fail(call->ctx, TN_ESHAPE, "%lld complex values expected for %lld real ones, got "
                                         "%lld",
                   (long long)(n / 2 + 1), (long long)n, (long long)have);
  }
  tn__meta_of(m, x);
  m->ndim--;
  m->sizes[call->dim] = n;
  return TN_OK;
}

static tn_status run(tn_call *call, tn_fft_kind kind) {
  tn_tensor *x = NULL, *to = NULL;
  const tn_meta *m = &call->meta[0];
  tn_dtype type = call->in[0]->dtype == TN_F64 ? TN_F64 : TN_F32;
  tn_fft job = {.memory = call->ctx->allocator, .kind = kind,
                .inverse = kind == TN_FFT_C2C && tn__int(call->attrs, 1, 0) != 0,
                .item = tn__item_size(type), .outer = 1, .inner = 1, .scale = call->attrs->f[0]};
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) {
    job.n = kind == TN_FFT_C2R ? m->sizes[call->dim] : x->sizes[call->dim];
    for (int d = 0; d < call->dim; d++) job.outer *= x->sizes[d];
    for (int d = call->dim + 1; d < x->ndim - (kind != TN_FFT_R2C); d++) job.inner *= x->sizes[d];
    job.in = tn__data(x);
    job.out = tn__data(to);
    if (tn__fft(call->ctx->pool, &job) != 0) {
      s = tn_fail(call->ctx, TN_ENOMEM, "not enough memory for a Fourier transform");
    }
  }
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status fft_c2c_run(tn_call *call) { return run(call, TN_FFT_C2C); }
static tn_status fft_r2c_run(tn_call *call) { return run(call, TN_FFT_R2C); }
static tn_status fft_c2r_run(tn_call *call) { return run(call, TN_FFT_C2R); }

static tn_status fft_c2c_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs a = {.f = {g->attrs->f[0]}, .i = {g->attrs->i[0], !tn__int(g->attrs, 1, 0)}, .ni = 2};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_fft_c2c, &a, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

/* The same of x's values as parts: where x lies on a device no weights have to get there. */
static tn_tensor *weighted_parts(tn_eval *ep, tn_tensor *x, int dim, int64_t n, double factor) {
  tn_eval e = *ep;
  const int64_t half = n / 2 + 1, count[3] = {1, (n - 1) / 2, half - 1 - (n - 1) / 2};
  tn_tensor *parts[3];
  int64_t first = 0;
  int used = 0;
  for (int i = 0; i < 3; i++) {
    tn_attrs range = {.i = {dim, first, count[i]}, .ni = 3}, along = {.i = {dim}, .ni = 1};
    first += count[i];
    if (count[i] == 0) continue;
    tn_tensor *part = tn__do(&e, TN_OP_narrow, &range, 1, &x);
    parts[used++] = i == 1 ? tn__scaled(&e, part, factor) : part;
    if (first == half) x = used == 1 ? parts[0] : tn__do(&e, TN_OP_cat, &along, used, parts);
  }
  *ep = e;
  return e.status == TN_OK ? x : NULL;
}

/* x with all but the first and, of an even n, the last of `n / 2 + 1` complex values along a
 * dimension multiplied. */
static tn_tensor *weighted(tn_eval *ep, tn_tensor *x, int dim, int64_t n, double factor) {
  tn_eval e = *ep;
  tn_tensor *w = NULL;
  int64_t shape[TN_MAX_DIMS];
  const int64_t half = n / 2 + 1;
  if (x == NULL) return NULL;
  if (tn__elsewhere(x)) return weighted_parts(ep, x, dim, n, factor);
  e.status = tn_tensor_new_on(e.ctx, &w, TN_CPU, TN_F64, 1, &half);
  if (e.status == TN_OK) {
    double *values = (double *)tn__data(w);
    for (int64_t k = 0; k < half; k++) values[k] = k == 0 || 2 * k == n ? 1 : factor;
    for (int d = 0; d < x->ndim; d++) shape[d] = d == dim ? half : 1;
    w = tn__temp(&e, w);
    tn_attrs to = {.i = {x->dtype}, .ni = 1};
    if (x->dtype != TN_F64) w = tn__do(&e, TN_OP_to, &to, 1, &w);
    x = DO2(mul, x, tn__reshaped(&e, w, x->ndim, shape));
  }
  *ep = e;
  return e.status == TN_OK ? x : NULL;
}

static int dim_of(const tn_attrs *a, int k, int ndim) {
  const int64_t dim = tn__int(a, k, -1);
  return (int)(dim < 0 ? dim + ndim : dim);
}

static tn_status fft_r2c_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const int dim = dim_of(g->attrs, 0, g->meta[0].ndim);
  const int64_t n = g->meta[0].sizes[dim];
  tn_attrs a = {.f = {g->attrs->f[0]}, .i = {n, dim}, .ni = 2};
  tn_tensor *d = weighted(&e, g->dout[0], dim, n, 0.5);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_fft_c2r, &a, 1, &d));
  return tn__eval_end(&e);
}

static tn_status fft_c2r_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const int dim = dim_of(g->attrs, 1, g->meta[0].ndim - 1);
  tn_attrs a = {.f = {g->attrs->f[0]}, .i = {dim}, .ni = 1};
  tn_tensor *d = tn__do(&e, TN_OP_fft_r2c, &a, 1, &g->dout[0]);
  g->din[0] = tn__keep(&e, weighted(&e, d, dim, g->attrs->i[0], 2));
  return tn__eval_end(&e);
}

#define FFT_ROW(name_, args_, doc_)                                                               \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = args_, .convention = 'C',  \
                                .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2,              \
                                .shape = name_##_shape, .run = name_##_run,                       \
                                .grad = name_##_grad, .doc = doc_};

FFT_ROW(fft_c2c, "T x; d? dim; b inverse=0; n scale=1",
        "Fourier transform of complex numbers, pairs in a last dimension of two; torch.fft has the "
        "rest of the family.")
FFT_ROW(fft_r2c, "T x; d? dim; n scale=1",
        "Fourier transform of real numbers: the first n / 2 + 1 of its complex values.")
FFT_ROW(fft_c2r, "T x; i n; d? dim; n scale=1",
        "The n real numbers whose transform begins with these n / 2 + 1 complex values, times n.")
