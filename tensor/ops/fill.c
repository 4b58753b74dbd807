/* fill.c -- values made from numbers alone. */
#include <math.h>

#include "tensor/internal.h"

/* These overwrite what they are called on, so nothing flows back into its old values. */
static tn_status no_input_grad(tn_grad_call *g) {
  for (int i = 0; i < g->nin; i++) g->din[i] = NULL;
  return TN_OK;
}

static tn_status fill_run(tn_call *call) {
  const tn_tensor *value = call->in[1];
  tn_tensor shown = *value;
  if (value->ndim != 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "a number expected, got a tensor of %d dimensions",
                   value->ndim);
  }
  shown.ndim = call->out[0]->ndim;
  memcpy(shown.sizes, call->out[0]->sizes, sizeof shown.sizes);
  memset(shown.strides, 0, sizeof shown.strides);
  return tn__copy_view(call->ctx, call->out[0], &shown);
}

static tn_status fill_grad(tn_grad_call *g) {
  if (!g->need[1]) return TN_OK;
  g->din[1] = tn_tensor_retain(g->dout[0]);
  return tn__reduce_to(g->ctx, &g->din[1], &g->meta[1]);
}

const tn_op tn__op_fill = {.name = "fill", .lua = "fill", .args = "T x; X value",
                           .convention = 'I', .nout = 1,
                           .flags = TN_INPLACE | TN_MOVES | TN_FLOATS | TN_INTEGERS,
                           .low = -2, .high = 2, .shape = tn__shape_same, .run = fill_run,
                           .grad = fill_grad, .doc = "Sets every element to a number."};

static void zero_bytes(void *data, int64_t begin, int64_t end) {
  memset((char *)data + begin, 0, (size_t)(end - begin));
}

tn_status tn__set_zero(tn_ctx *ctx, const tn_tensor *x) {
  if (!tn__elsewhere(x) && tn__contiguous(x)) {
    tn__pool_run(ctx->pool, tn__numel(x) * (int64_t)tn__item_size(x->dtype), 4 * TN_GRAIN,
                 zero_bytes, tn__data(x));
    return TN_OK;
  }
  int64_t zero = 0;
  tn_storage storage = {.data = &zero};
  tn_tensor value = {.dtype = x->dtype, .ndim = x->ndim, .storage = &storage};
  memcpy(value.sizes, x->sizes, sizeof value.sizes);
  return tn__copy_view(ctx, x, &value);
}

static tn_status zero_run(tn_call *call) { return tn__set_zero(call->ctx, call->out[0]); }

const tn_op tn__op_zero = {.name = "zero", .lua = "zero", .args = "T x", .convention = 'I',
                           .flags = TN_INPLACE | TN_MOVES | TN_FLOATS | TN_INTEGERS,
                           .nout = 1, .low = -2, .high = 2,
                           .shape = tn__shape_same, .run = zero_run, .grad = no_input_grad,
                           .doc = "Sets every element to 0."};

/* -- Sequences: in[0] tells the dtype ---------------------------------------------------------- */

static tn_status vector_shape(tn_call *call, double count) {
  tn_meta *m = &call->meta[0];
  if (!(count >= 0 && count < 0x1p46)) {
    return tn_fail(call->ctx, TN_EARG, "a sequence of %g numbers", count);
  }
  m->dtype = call->in[0]->dtype;
  m->ndim = 1;
  m->sizes[0] = (int64_t)count;
  return TN_OK;
}

static tn_status range_shape(tn_call *call) {
  double first = call->attrs->f[0], last = call->attrs->f[1], step = call->attrs->f[2];
  if (step == 0 || !isfinite(first) || !isfinite(last) || !isfinite(step)) {
    return tn_fail(call->ctx, TN_EARG, "no range from %g to %g by steps of %g", first, last, step);
  }
  if ((last - first) * step < 0) {
    return tn_fail(call->ctx, TN_EARG, "steps of %g do not lead from %g to %g", step, first, last);
  }
  return vector_shape(call, floor((last - first) / step) + 1);
}

static void sequence(tn_tensor *out, double first, double step) {
  char *data = tn__data(out);
  for (int64_t i = 0; i < out->sizes[0]; i++) {
    tn__store(data, (tn_dtype)out->dtype, i * out->strides[0], first + (double)i * step);
  }
}

static tn_status range_run(tn_call *call) {
  sequence(call->out[0], call->attrs->f[0], call->attrs->f[2]);
  return TN_OK;
}

const tn_op tn__op_range = {.name = "range", .lua = "range", .convention = 'B',
                            .args = "T res; n first; n last; n step=1", .flags = TN_OVERWRITES,
                            .nout = 1, .shape = range_shape, .run = range_run,
                            .no_grad = "made from numbers", .onnx = "Range",
                            .doc = "first, first + step, ... up to and including last."};

/* As range, but without the last number itself: PyTorch's way. */
static tn_status arange_shape(tn_call *call) {
  double first = call->attrs->f[0], last = call->attrs->f[1], step = call->attrs->f[2];
  if (step == 0 || !isfinite(first) || !isfinite(last) || !isfinite(step)) {
    return tn_fail(call->ctx, TN_EARG, "no range from %g to %g by steps of %g", first, last, step);
  }
  if ((last - first) * step < 0) {
    return tn_fail(call->ctx, TN_EARG, "steps of %g do not lead from %g to %g", step, first, last);
  }
  return vector_shape(call, ceil((last - first) / step));
}

const tn_op tn__op_arange = {.name = "arange", .lua = "arange", .convention = 'B',
                             .args = "T res; n first; n last; n step=1", .flags = TN_OVERWRITES,
                             .nout = 1, .shape = arange_shape, .run = range_run,
                             .no_grad = "made from numbers", .onnx = "Range",
                             .doc = "first (0 unless given), first + step, ... before last."};

static tn_status linspace_shape(tn_call *call) {
  return vector_shape(call, (double)tn__int(call->attrs, 0, 100));
}

static tn_status linspace_run(tn_call *call) {
  double first = call->attrs->f[0], last = call->attrs->f[1];
  int64_t n = call->out[0]->sizes[0];
  sequence(call->out[0], first, n > 1 ? (last - first) / (double)(n - 1) : 0);
  if (n > 1) tn__store(tn__data(call->out[0]), (tn_dtype)call->out[0]->dtype, n - 1, last);
  return TN_OK;
}

const tn_op tn__op_linspace = {.name = "linspace", .lua = "linspace", .convention = 'B',
                               .args = "T res; n first; n last; i n=100", .flags = TN_OVERWRITES,
                               .nout = 1, .shape = linspace_shape, .run = linspace_run,
                               .no_grad = "made from numbers",
                               .doc = "n numbers from first to last, evenly spaced."};

static tn_status logspace_run(tn_call *call) {
  const double first = call->attrs->f[0], last = call->attrs->f[1], base = call->attrs->f[2];
  tn_tensor *out = call->out[0];
  const int64_t n = out->sizes[0];
  for (int64_t i = 0; i < n; i++) {
    double at = n > 1 ? first + (last - first) / (double)(n - 1) * (double)i : first;
    if (i == n - 1 && n > 1) at = last;
    tn__store(tn__data(out), (tn_dtype)out->dtype, i * out->strides[0], pow(base, at));
  }
  return TN_OK;
}

const tn_op tn__op_logspace = {.name = "logspace", .lua = "logspace", .convention = 'B',
                               .args = "T res; n first; n last; i n=100; n base=10",
                               .flags = TN_OVERWRITES, .nout = 1, .shape = linspace_shape,
                               .run = logspace_run, .no_grad = "made from numbers",
                               .doc = "n powers of the base, from base^first to base^last."};

static tn_status eye_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  m->dtype = call->in[0]->dtype;
  m->ndim = 2;
  m->sizes[0] = tn__int(call->attrs, 0, 0);
  m->sizes[1] = tn__int(call->attrs, 1, m->sizes[0]);
  return TN_OK;
}

static tn_status eye_run(tn_call *call) {
  tn_tensor *out = call->out[0], diagonal = *out;
  double one = 1;
  tn_storage storage = {.data = &one};
  tn_tensor value = {.dtype = TN_F64, .ndim = 1, .storage = &storage};
  diagonal.ndim = 1;
  diagonal.sizes[0] = out->sizes[0] < out->sizes[1] ? out->sizes[0] : out->sizes[1];
  diagonal.strides[0] = out->strides[0] + out->strides[1];
  value.sizes[0] = diagonal.sizes[0];
  tn_status s = tn__set_zero(call->ctx, out);
  return s == TN_OK ? tn__copy_view(call->ctx, &diagonal, &value) : s;
}

const tn_op tn__op_eye = {.name = "eye", .lua = "eye", .convention = 'B',
                          .args = "T res; i n; i? m", .nout = 1,
                          .flags = TN_OVERWRITES | TN_MOVES, .shape = eye_shape, .run = eye_run, .no_grad = "made from numbers",
                          .onnx = "EyeLike", .doc = "Ones on the diagonal of an n x m matrix."};
