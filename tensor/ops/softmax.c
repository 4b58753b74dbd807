/* softmax.c -- softmax and its logarithm along one dimension. */
#include "tensor/cpu/kernels.h"
#include "tensor/eval.h"

typedef struct {
  const tn_row_kernels *kernels;
  bool f64, log, gradient;
  int64_t n, inner;
  char *out;
  const char *x, *d;
} job;

static void rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  int64_t at = begin * j->n, count = end - begin;
  if (j->f64 && j->gradient) {
    j->kernels->softmax_grad_f64(count, j->n, (double *)j->out + at, (const double *)j->x + at,
                                 (const double *)j->d + at, j->log);
  } else if (j->f64) {
    j->kernels->softmax_f64(count, j->n, (double *)j->out + at, (const double *)j->x + at, j->log);
  } else if (j->gradient) {
    j->kernels->softmax_grad_f32(count, j->n, (float *)j->out + at, (const float *)j->x + at,
                                 (const float *)j->d + at, j->log);
  } else {
    j->kernels->softmax_f32(count, j->n, (float *)j->out + at, (const float *)j->x + at, j->log);
  }
}

/* Strips of columns [begin, end): n is the number of rows, `inner` that of columns. */
static void columns(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t strips = (j->inner + TN_SOFTMAX_COLUMNS - 1) / TN_SOFTMAX_COLUMNS;
  for (int64_t s = begin; s < end; s++) {
    int64_t first = s % strips * TN_SOFTMAX_COLUMNS, width = j->inner - first;
    int64_t at = s / strips * j->n * j->inner + first;
    if (width > TN_SOFTMAX_COLUMNS) width = TN_SOFTMAX_COLUMNS;
    if (j->f64) {
      j->kernels->softmax_columns_f64(j->n, width, j->inner, (double *)j->out + at,
                                      (const double *)j->x + at, j->log);
    } else {
      j->kernels->softmax_columns_f32(j->n, width, j->inner, (float *)j->out + at,
                                      (const float *)j->x + at, j->log);
    }
  }
}

/* Down the columns as they lie; false where that is not possible or not worth while. */
static bool softmax_columns(tn_ctx *ctx, tn_tensor *out, const tn_tensor *x, int dim, bool log) {
  tn_dtype type = tn__compute_dtype((tn_dtype)out->dtype);
  int64_t inner = 1, n = x->sizes[dim], count = tn__numel(x);
  for (int d = dim + 1; d < x->ndim; d++) inner *= x->sizes[d];
  if (inner < 8 || count == 0 || out->dtype != type || x->dtype != type || !tn__contiguous(x) ||
      !tn__contiguous(out) || tn__overlaps(x, out)) {
    return false;
  }
  job j = {.kernels = TN_ISA_PICK(&tn__row_kernels), .f64 = type == TN_F64, .log = log, .n = n,
           .inner = inner, .out = tn__data(out), .x = tn__data(x)};
  int64_t strips = (inner + TN_SOFTMAX_COLUMNS - 1) / TN_SOFTMAX_COLUMNS * (count / n / inner);
  tn__pool_run(ctx->pool, strips, TN_GRAIN / 8 * strips / count + 1, columns, &j);
  return true;
}

/* `t` with `dim` last, contiguous, in the compute dtype. */
static tn_status dim_last(tn_ctx *ctx, tn_tensor **out, const tn_tensor *t, int dim,
                          tn_dtype type) {
  tn_tensor turned = *t;
  int last = t->ndim - 1;
  turned.sizes[last] = t->sizes[dim], turned.strides[last] = t->strides[dim];
  turned.sizes[dim] = t->sizes[last], turned.strides[dim] = t->strides[last];
  if (dim == last && t->dtype == type && tn__contiguous(t)) {
    *out = tn_tensor_retain((tn_tensor *)t);
    return TN_OK;
  }
  tn_status s = tn_tensor_new(ctx, out, type, t->ndim, turned.sizes);
  if (s == TN_OK) tn__copy_view(ctx, *out, &turned);
  return s;
}

/* out = softmax of x, or with d its gradient where x is the forward result. */
static tn_status softmax_rows(tn_ctx *ctx, tn_tensor *out, tn_tensor *x, tn_tensor *d, int dim,
                              bool log) {
  tn_dtype type = tn__compute_dtype((tn_dtype)out->dtype);
  tn_tensor *fx = NULL, *fd = NULL, *to = NULL;
  int last = out->ndim - 1;
  if (d == NULL && softmax_columns(ctx, out, x, dim, log)) return TN_OK;
  tn_status s = dim_last(ctx, &fx, x, dim, type);
  if (s == TN_OK && d != NULL) s = dim_last(ctx, &fd, d, dim, type);
  bool direct = dim == last && out->dtype == type && tn__contiguous(out);
  if (s == TN_OK && direct) to = tn_tensor_retain(out);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &to, type, fx->ndim, fx->sizes);
  if (s == TN_OK) {
    int64_t n = fx->sizes[last], count = n > 0 ? tn__numel(fx) / n : 0;
    job j = {.kernels = TN_ISA_PICK(&tn__row_kernels), .f64 = type == TN_F64, .log = log,
             .gradient = d != NULL, .n = n, .out = tn__data(to), .x = tn__data(fx),
             .d = d != NULL ? tn__data(fd) : NULL};
    tn__pool_run(ctx->pool, count, TN_GRAIN / 8 / (n > 0 ? n : 1) + 1, rows, &j);
    if (!direct) {
      tn_tensor turned = *to;
      turned.sizes[last] = to->sizes[dim], turned.strides[last] = to->strides[dim];
      turned.sizes[dim] = to->sizes[last], turned.strides[dim] = to->strides[last];
      tn__copy_view(ctx, out, &turned);
    }
  }
  tn_tensor_release(fx);
  tn_tensor_release(fd);
  tn_tensor_release(to);
  return s;
}

/* attrs i[0]: the dimension, the last one by default. */
static tn_status softmax_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                   tn_dtype_name((tn_dtype)x->dtype));
  }
  tn__meta_of(&call->meta[0], x);
  return tn__dim(call->ctx, tn__int(call->attrs, 0, -1), x->ndim, &call->dim);
}

static tn_status softmax_run(tn_call *call) {
  return softmax_rows(call->ctx, call->out[0], call->in[0], NULL, call->dim, false);
}

static tn_status log_softmax_run(tn_call *call) {
  return softmax_rows(call->ctx, call->out[0], call->in[0], NULL, call->dim, true);
}

static tn_status gradient(tn_grad_call *g, bool log) {
  tn_tensor *y = g->out[0], *d = g->dout[0];
  int64_t wanted = tn__int(g->attrs, 0, -1);
  int dim = (int)(wanted < 0 ? wanted + g->meta[0].ndim : wanted);
  if (!g->create_graph) {
    tn_status s = tn_tensor_new(g->ctx, &g->din[0], (tn_dtype)y->dtype, y->ndim, y->sizes);
    return s == TN_OK ? softmax_rows(g->ctx, g->din[0], y, d, dim, log) : s;
  }
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *r;
  if (log) {
    r = DO2(sub, d, DO2(mul, DO1(exp, y), tn__with_dim(&e, TN_OP_sum, d, dim)));
  } else {
    r = DO2(mul, y, DO2(sub, d, tn__with_dim(&e, TN_OP_sum, DO2(mul, y, d), dim)));
  }
  g->din[0] = tn__keep(&e, r);
  return tn__eval_end(&e);
}

static tn_status softmax_grad(tn_grad_call *g) { return gradient(g, false); }
static tn_status log_softmax_grad(tn_grad_call *g) { return gradient(g, true); }

#define SOFTMAX_ROW(name_, lua_, aliases_, onnx_, doc_)                                           \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .aliases = aliases_, .args = "T x; d? dim",                    \
      .convention = 'C', .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_Y, .low = -2, .high = 2, \
      .shape = softmax_shape, .run = name_##_run, .grad = name_##_grad, .onnx = onnx_,            \
      .doc = doc_}

SOFTMAX_ROW(softmax, "softmax", "softMax", "Softmax",
            "exp(x) / sum(exp(x)) along a dimension, the last one by default.");
SOFTMAX_ROW(log_softmax, "log_softmax", "logSoftMax", "LogSoftmax",
            "log(softmax(x)), without overflow.");
