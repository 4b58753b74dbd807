/* loss.c -- the losses that deserve a loop of their own. Class labels count from index_base. */
#include "tensor/device.h"
#include "tensor/eval.h"

/* attrs i[0]: 1 for the (weighted) mean, 0 for the sum; i[1]: a label that does not count. in: x
 * (batch, classes) or (classes), labels (batch) or a number, and perhaps weights (classes). */
typedef struct {
  int64_t batch, classes;
  int64_t *label; /* from 0; -1: does not count */
  double total;   /* weight of the batch, or 1 for a sum and for a batch that weighs nothing */
} targets;

static double weight_of(const tn_tensor *weights, int64_t label) {
  return label < 0 ? 0 : weights == NULL ? 1 : tn_tensor_get(weights, label);
}

static tn_status read_targets(tn_ctx *ctx, targets *t, const tn_meta *x, tn_tensor *labels,
                              const tn_tensor *weights, const tn_attrs *attrs) {
  char text[TN_SHAPE_TEXT];
  const int64_t ignore = tn__int(attrs, 1, TN_NONE);
  t->label = NULL;
  if (x->ndim != 1 && x->ndim != 2) {
    return tn_fail(ctx, TN_ESHAPE, "input of size [batch x classes] or [classes] expected, got %s",
                   tn__shape_text(text, x->ndim, x->sizes));
  }
  t->classes = x->sizes[x->ndim - 1];
  t->batch = x->ndim == 2 ? x->sizes[0] : 1;
  if (tn__numel(labels) != t->batch) {
    return tn_fail(ctx, TN_ESHAPE, "%lld class labels for a batch of %lld",
                   (long long)tn__numel(labels), (long long)t->batch);
  }
  if (weights != NULL && tn__numel(weights) != t->classes) {
    return tn_fail(ctx, TN_ESHAPE, "%lld weights for %lld classes", (long long)tn__numel(weights),
                   (long long)t->classes);
  }
  t->label = tn__take(ctx->allocator, sizeof(int64_t) * (size_t)(t->batch + 1));
  if (t->label == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for the labels");
  t->total = 0;
  for (int64_t i = 0; i < t->batch; i++) {
    double label = tn_tensor_get(labels, i);
    if (ignore != TN_NONE && label == (double)ignore) {
      t->label[i] = -1;
      continue;
    }
    t->label[i] = label >= -1 && label <= 0x1p53 ? (int64_t)label - ctx->index_base : -1;
    if ((double)(t->label[i] + ctx->index_base) != label) t->label[i] = -1; /* 1.5, NaN */
    if (t->label[i] < 0 || t->label[i] >= t->classes) {
      tn__give(t->label);
      t->label = NULL;
      return tn_fail(ctx, TN_EINDEX, "class label %g at position %lld is out of range: there are "
                     "classes %d to %lld", label, (long long)i + ctx->index_base, ctx->index_base,
                     (long long)t->classes - 1 + ctx->index_base);
    }
    t->total += weight_of(weights, t->label[i]);
  }
  if (tn__int(attrs, 0, 1) == 0 || t->total == 0) t->total = 1;
  return TN_OK;
}

static tn_status loss_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  const tn_tensor *x = call->in[0];
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                   tn_dtype_name((tn_dtype)x->dtype));
  }
  m->dtype = x->dtype;
  m->ndim = 0;
  tn__meta_of(&call->meta[1], x);
  return TN_OK;
}

/* Sum of -weight * log p of the right classes, over the batch's weight. */
static tn_status picked_loss(tn_call *call, tn_tensor *log_p) {
  targets t;
  tn_meta m;
  const tn_tensor *weights = call->nin > 2 ? call->in[2] : NULL;
  tn__meta_of(&m, call->in[0]);
  tn_status s = read_targets(call->ctx, &t, &m, call->in[1], weights, call->attrs);
  if (s != TN_OK) return s;
  double sum = 0;
  for (int64_t i = 0; i < t.batch; i++) {
    if (t.label[i] < 0) continue;
    sum -= weight_of(weights, t.label[i]) *
           tn_tensor_get(log_p, i * t.classes + t.label[i]);
  }
  tn__store(tn__data(call->out[0]), (tn_dtype)call->out[0]->dtype, 0, sum / t.total);
  tn__give(t.label);
  return TN_OK;
}

static tn_status nll_loss_run(tn_call *call) { return picked_loss(call, call->in[0]); }

#if TN_DEVICES
/* The same on a device: the kernel's gradient of nll_loss, for which 1 has arrived. */
static tn_tensor *slope_there(tn_eval *e, const tn_grad_call *g) {
  tn_tensor *din[TN_MAX_INPUTS] = {NULL};
  const bool need[TN_MAX_INPUTS] = {true};
  const tn_backend *b = tn__backend(g->ctx);
  tn_grad_call h = *g;
  if (b == NULL || b->gradients[TN_OP_nll_loss] == NULL) {
    e->status = tn_fail(g->ctx, TN_EDEVICE, "no such gradient on this device");
    return NULL;
  }
  h.code = TN_OP_nll_loss;
  h.node_op = &tn__op_nll_loss;
  h.create_graph = false;
  h.need = need;
  h.din = din;
  h.into = NULL;
  h.dout[0] = tn__constant(e, 1);
  e->status = h.dout[0] != NULL ? tn__device_differentiate(&h) : e->status;
  return e->status == TN_OK ? tn__temp(e, din[0]) : NULL;
}
#endif

/* zeros with -weight / total at the labels, times d */
static tn_tensor *label_slope(tn_eval *e, const tn_grad_call *g) {
#if TN_DEVICES
  if (tn__elsewhere(g->dout[0])) return slope_there(e, g);
#endif
  targets t;
  const tn_tensor *weights = g->nin > 2 ? g->in[2] : NULL;
  tn_tensor *slope = tn__zeros(e, &g->meta[0]);
  if (slope == NULL) return NULL;
  e->status = read_targets(g->ctx, &t, &g->meta[0], g->in[1], weights, g->attrs);
  if (e->status != TN_OK) return NULL;
  for (int64_t i = 0; i < t.batch; i++) {
    if (t.label[i] < 0) continue;
    tn__store(tn__data(slope), (tn_dtype)slope->dtype, i * t.classes + t.label[i],
              -weight_of(weights, t.label[i]) / t.total);
  }
  tn__give(t.label);
  return slope;
}

static tn_status nll_loss_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn__keep(&e, DO2(mul, label_slope(&e, g), g->dout[0]));
  return tn__eval_end(&e);
}

#define LOSS_ARGS "T x; X target; T? weights; b mean=1; i? ignore"

const tn_op tn__op_nll_loss = {
    .name = "nll_loss", .lua = "nll_loss", .args = LOSS_ARGS, .convention = 'C',
    .flags = TN_FLOATS | TN_NUMBER, .nout = 1, .saves = TN_SAVE_B | TN_SAVE_C, .low = -2,
    .high = 0, .shape = loss_shape, .run = nll_loss_run, .grad = nll_loss_grad,
    .onnx = "NegativeLogLikelihoodLoss",
    .doc = "Mean (or sum) of -x at the target classes; x holds log-probabilities."};

/* -- cross_entropy: softmax and nll_loss at once; output 1 keeps the log-probabilities ----------- */

static tn_status cross_entropy_run(tn_call *call) {
  tn_attrs last = {.ni = 0};
  tn_call soft = {.ctx = call->ctx, .op = &tn__op_log_softmax, .nin = 1, .in = call->in,
                  .attrs = &last, .out = {call->out[1]}, .dim = call->in[0]->ndim - 1};
  if (call->in[0]->ndim == 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "input of size [batch x classes] expected, got a number");
  }
  tn_status s = tn__op_log_softmax.run(&soft);
  return s == TN_OK ? picked_loss(call, call->out[1]) : s;
}

/* weight / total * (softmax - one-hot), in one pass over float32 or float64. */
static tn_status cross_entropy_fused(tn_grad_call *g) {
  targets t;
  const tn_tensor *weights = g->nin > 2 ? g->in[2] : NULL;
  tn_tensor *dx = NULL;
  tn_attrs one = {.f = {1}};
  tn_status s = tn_apply(g->ctx, TN_OP_exp, 1, &g->out[1], &one, &dx);
  if (s == TN_OK) {
    s = read_targets(g->ctx, &t, &g->meta[0], g->in[1], weights, g->attrs);
  }
  if (s != TN_OK) {
    tn_tensor_release(dx);
    return s;
  }
  double d = tn_tensor_get(g->dout[0], 0);
  char *data = tn__data(dx);
  for (int64_t i = 0; i < t.batch; i++) {
    double scale = d * weight_of(weights, t.label[i]) / t.total;
    int64_t row = i * t.classes, hit = row + t.label[i];
    if (t.label[i] < 0) {
      for (int64_t k = row; k < row + t.classes; k++) tn__store(data, (tn_dtype)dx->dtype, k, 0);
      continue;
    }
    if (dx->dtype == TN_F32) {
      float *p = (float *)data + row, f = (float)scale;
      ((float *)data)[hit] -= 1;
      for (int64_t k = 0; k < t.classes; k++) p[k] *= f;
    } else {
      tn__store(data, (tn_dtype)dx->dtype, hit, tn__load(data, (tn_dtype)dx->dtype, hit) - 1);
      for (int64_t k = row; k < row + t.classes; k++) {
        tn__store(data, (tn_dtype)dx->dtype, k, tn__load(data, (tn_dtype)dx->dtype, k) * scale);
      }
    }
  }
  tn__give(t.label);
  g->din[0] = dx;
  return TN_OK;
}

static tn_status cross_entropy_grad(tn_grad_call *g) {
  if (!g->need[0]) return TN_OK;
  if (g->dout[0] == NULL) return TN_OK;
  const bool here = !tn__elsewhere(g->dout[0]); /* a device has a fused kernel */
  if (!g->create_graph && here) return cross_entropy_fused(g);
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *slope = label_slope(&e, g); /* d of nll_loss by the log-probabilities */
  tn_tensor *x = g->in[0];
  tn_tensor *p = tn__with_dim(&e, TN_OP_softmax, x, -1);
  tn_tensor *r = DO2(sub, slope, DO2(mul, p, tn__with_dim(&e, TN_OP_sum, slope, -1)));
  g->din[0] = tn__keep(&e, DO2(mul, r, g->dout[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_cross_entropy = {
    .name = "cross_entropy", .lua = "cross_entropy", .args = LOSS_ARGS, .convention = 'C',
    .flags = TN_HIDES | TN_FLOATS | TN_NUMBER, .nout = 2, .fixed = 2,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_Y2, .low = -2, .high = 2,
    .shape = loss_shape, .run = cross_entropy_run, .grad = cross_entropy_grad,
    .onnx = "SoftmaxCrossEntropyLoss",
    .doc = "nll_loss(log_softmax(x), target), in one step; also gives the log-probabilities."};

/* -- mse_loss ---------------------------------------------------------------------------------- */

static tn_status mse_loss_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *b = call->in[1];
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  if (tn__numel(a) != tn__numel(b)) {
    return tn_fail(call->ctx, TN_ESHAPE, "input of size %s, but a target of size %s",
                   tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
  }
  return loss_shape(call);
}

static tn_status mse_loss_run(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  bool was = tn_set_grad_enabled(call->ctx, false);
  tn_tensor *r = DO1(square, DO2(sub, call->in[0], call->in[1]));
  r = tn__do(&e, tn__int(call->attrs, 0, 1) ? TN_OP_mean : TN_OP_sum, NULL, 1, &r);
  if (r != NULL) e.status = tn__copy_view(call->ctx, call->out[0], r);
  tn_set_grad_enabled(call->ctx, was);
  return tn__eval_end(&e);
}

static tn_status mse_loss_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  int64_t n = 1;
  for (int d = 0; d < g->meta[0].ndim; d++) n *= g->meta[0].sizes[d];
  tn_tensor *scale = tn__scaled(&e, g->dout[0], tn__int(g->attrs, 0, 1) ? 2.0 / (double)n : 2);
  tn_tensor *slope = DO2(mul, DO2(sub, g->in[0], g->in[1]), scale);
  if (g->need[0]) g->din[0] = tn__keep(&e, slope);
  if (g->need[1]) {
    g->din[1] = tn__keep(&e, tn__reshaped(&e, DO1(neg, slope), g->meta[1].ndim,
                                          g->meta[1].sizes));
  }
  return tn__eval_end(&e);
}

const tn_op tn__op_mse_loss = {
    .name = "mse_loss", .lua = "mse_loss", .args = "T x; T target; b mean=1", .convention = 'C',
    .flags = TN_ANYWHERE | TN_FLOATS | TN_NUMBER, .nout = 1, .saves = TN_SAVE_A | TN_SAVE_B, .low = -2,
    .high = 2, .shape = mse_loss_shape, .run = mse_loss_run, .grad = mse_loss_grad,
    .doc = "Mean (or sum) of the squared differences."};
