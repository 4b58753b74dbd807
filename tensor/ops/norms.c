/* norms.c -- normalisations as scripts call them: see normalize.c. */
#include <float.h>

#include "tensor/device.h"
#include "tensor/eval.h"
#include "tensor/ops/normalize.h"

typedef struct {
  int64_t r, p, q, i;
  tn_norm_whose whose;
  double eps;
} geometry;

static tn_status check_float(tn_call *call) {
  const tn_tensor *x = call->in[0];
  if (tn_dtype_is_float((tn_dtype)x->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                 tn_dtype_name((tn_dtype)x->dtype));
}

/* Weights have the dtype of x, or the one x is calculated in. */
static tn_status check_input(tn_call *call, int k, const char *what, int ndim,
                             const int64_t *sizes) {
  const tn_tensor *x = call->in[0], *t = k < call->nin ? call->in[k] : NULL;
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (t == NULL) return TN_OK;
  if (t->ndim != ndim || memcmp(t->sizes, sizes, sizeof(int64_t) * (size_t)ndim) != 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "%s has size %s, expected %s for an input of size %s",
                   what, tn__shape_text(a, t->ndim, t->sizes), tn__shape_text(b, ndim, sizes),
                   tn__shape_text((char[TN_SHAPE_TEXT]){0}, x->ndim, x->sizes));
  }
  if (t->dtype == x->dtype || t->dtype == tn__compute_dtype((tn_dtype)x->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "%s is %s, but the input is %s", what,
                 tn_dtype_name((tn_dtype)t->dtype), tn_dtype_name((tn_dtype)x->dtype));
}

/* y, and mean and variance where they are wanted, borrowed. */
static tn_status normalize(tn_call *call, tn_eval *e, const geometry *g, tn_tensor *const in[5],
                           tn_tensor *stats[2]) {
  const tn_attrs a = {.f = {g->eps}, .i = {g->r, g->p, g->q, g->i, g->whose}, .ni = 5};
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  const int nin = g->whose == TN_NORM_GIVEN ? 5 : 3;
  tn_status s = tn_apply(call->ctx, TN_OP_normalize, nin, in, &a, out);
  call->out[0] = out[0];
  stats[0] = tn__temp(e, out[1]);
  stats[1] = tn__temp(e, out[2]);
  return s;
}

static tn_status give(tn_call *call, const geometry *g, tn_tensor *weight, tn_tensor *bias) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *in[5] = {call->in[0], weight, bias, NULL, NULL}, *stats[2];
  e.status = normalize(call, &e, g, in, stats);
  return tn__eval_end(&e);
}

static tn_tensor *input(const tn_call *call, int k) { return k < call->nin ? call->in[k] : NULL; }

/* -- Of the last dimensions -------------------------------------------------------------------- */

/* The sizes of the call have to be x's last ones. */
static tn_status last_sizes(tn_call *call, geometry *g) {
  const tn_tensor *x = call->in[0];
  const tn_attrs *a = call->attrs;
  const int n = a->ni, rest = x->ndim - n;
  char given[TN_SHAPE_TEXT], size[TN_SHAPE_TEXT];
  tn_status s = check_float(call);
  if (s != TN_OK) return s;
  if (n < 1 || rest < 0 || memcmp(x->sizes + rest, a->i, sizeof(int64_t) * (size_t)n) != 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "an input whose last sizes are %s expected, got size %s",
                   tn__shape_text(given, n > TN_MAX_DIMS ? TN_MAX_DIMS : n, a->i),
                   tn__shape_text(size, x->ndim, x->sizes));
  }
  g->r = g->p = g->q = g->i = 1;
  for (int d = 0; d < rest; d++) g->r *= x->sizes[d];
  for (int d = rest; d < x->ndim; d++) g->q *= x->sizes[d];
  return check_input(call, 1, "the weight", n, a->i);
}

static tn_status layer_norm_compose(tn_call *call) {
  geometry g = {.whose = TN_NORM_ROWS, .eps = call->attrs->f[0]};
  tn_status s = last_sizes(call, &g);
  if (s == TN_OK) s = check_input(call, 2, "the bias", call->attrs->ni, call->attrs->i);
  return s == TN_OK ? give(call, &g, input(call, 1), input(call, 2)) : s;
}

/* The distance between 1 and the next number. */
static double epsilon_of(tn_dtype dtype) {
  return dtype == TN_F64    ? DBL_EPSILON
         : dtype == TN_F32  ? (double)FLT_EPSILON
         : dtype == TN_BF16 ? 0x1p-7
                            : 0x1p-10;
}

static tn_status rms_norm_compose(tn_call *call) {
  geometry g = {.whose = TN_NORM_SCALE, .eps = call->attrs->f[0]};
  if (g.eps == 0) g.eps = epsilon_of((tn_dtype)call->in[0]->dtype);
  tn_status s = last_sizes(call, &g);
  return s == TN_OK ? give(call, &g, input(call, 1), NULL) : s;
}

/* -- Of channels, the second dimension --------------------------------------------------------- */

static tn_status channels(tn_call *call, int least, int64_t *batch, int64_t *count,
                          int64_t *inside) {
  const tn_tensor *x = call->in[0];
  char text[TN_SHAPE_TEXT];
  tn_status s = check_float(call);
  if (s != TN_OK) return s;
  if (x->ndim < least) {
    return tn_fail(call->ctx, TN_ESHAPE, "an input (batch, channels, %s...) expected, got size %s",
                   least > 2 ? "length, " : "", tn__shape_text(text, x->ndim, x->sizes));
  }
  *batch = x->sizes[0];
  *count = x->sizes[1];
  *inside = 1;
  for (int d = 2; d < x->ndim; d++) *inside *= x->sizes[d];
  return TN_OK;
}

static tn_status group_norm_compose(tn_call *call) {
  geometry g = {.whose = TN_NORM_ROWS, .eps = call->attrs->f[0]};
  const int64_t groups = call->attrs->i[0];
  int64_t count = 0;
  tn_status s = channels(call, 2, &g.r, &count, &g.i);
  if (s == TN_OK && (groups < 1 || count % groups != 0)) {
    s = tn_fail(call->ctx, TN_EARG, "channels that can be parted into %lld groups expected, got %lld",
                (long long)groups, (long long)count);
  }
  if (s == TN_OK) s = check_input(call, 1, "the weight", 1, &count);
  if (s == TN_OK) s = check_input(call, 2, "the bias", 1, &count);
  if (s != TN_OK) return s;
  g.p = groups;
  g.q = count / groups;
  return give(call, &g, input(call, 1), input(call, 2));
}

/* running = (1 - momentum) running + momentum factor statistic, where the statistic of a channel is
 * the mean of its `times`, which lie `count` apart. */
static void update(tn_tensor *running, const tn_tensor *stat, int64_t times, double momentum,
                   double factor) {
  const int64_t count = tn__numel(running);
  if (count == 0 || times == 0) return;
  const bool floats = running->dtype == TN_F32 && stat->dtype == TN_F32 && tn__contiguous(running);
  float *to = (float *)tn__data(running);
  const char *from = tn__data(stat);
  for (int64_t c = 0; c < count; c++) {
    double s = 0;
    for (int64_t t = 0; t < times; t++) s += tn__load(from, (tn_dtype)stat->dtype, t * count + c);
    s *= factor * momentum / (double)times;
    if (floats) to[c] = (float)((1 - momentum) * (double)to[c] + s);
    else tn_tensor_put(running, c, (1 - momentum) * tn_tensor_get(running, c) + s);
  }
  tn_storage_touch(running->storage);
}

/* The running mean and variance, or one of them, as an operation, for which a device has one kernel. in:
 * running, statistic, and perhaps two more; f: momentum, and the factor of each; i[0]: times. */
static tn_status update_running_run(tn_call *call) {
  const tn_attrs *a = call->attrs;
  tn_tensor *const *in = call->in;
  if (call->out[0] != in[0]) tn__copy_view(call->ctx, call->out[0], in[0]);
  update(call->out[0], in[1], a->i[0], a->f[0], a->f[1]);
  if (call->nin > 2) update(in[2], in[3], a->i[0], a->f[0], a->f[2]);
  return TN_OK;
}

const tn_op tn__op_update_running = {
    .name = "update_running", .convention = 'N', .nout = 1, .flags = TN_INPLACE,
    .shape = tn__shape_same, .run = update_running_run, .no_grad = "what a layer has seen",
    .doc = "(1 - momentum) running + momentum statistic."};

#if TN_DEVICES
static tn_status update_there(tn_ctx *ctx, tn_tensor *const running[2], tn_tensor *const stats[2],
                              int64_t times, double momentum, double factor) {
  tn_attrs a = {.f = {momentum}, .i = {times}, .ni = 1};
  tn_tensor *in[4];
  int nin = 0;
  for (int k = 0; k < 2; k++) {
    if (running[k] == NULL || tn__numel(running[k]) == 0) continue;
    a.f[1 + nin / 2] = k == 0 ? 1 : factor;
    in[nin++] = running[k];
    in[nin++] = stats[k];
  }
  const bool was = tn_set_grad_enabled(ctx, false);
  const tn_status s = nin > 0 ? tn_apply_inplace(ctx, TN_OP_update_running, nin, in, &a) : TN_OK;
  tn_set_grad_enabled(ctx, was);
  if (s == TN_OK && nin > 2) tn_storage_touch(in[2]->storage);
  return s;
}
#endif

static tn_status update_both(tn_ctx *ctx, tn_tensor *const running[2], tn_tensor *const stats[2],
                             int64_t times, double momentum, double factor) {
#if TN_DEVICES
  if (tn__elsewhere(stats[0])) {
    return update_there(ctx, running, stats, times, momentum, factor);
  }
#endif
  (void)ctx;
  if (running[0] != NULL) update(running[0], stats[0], times, momentum, 1);
  if (running[1] != NULL) update(running[1], stats[1], times, momentum, factor);
  return TN_OK;
}

/* Dimensions moved: channels last in their own right, or back. */
static tn_tensor *turned(tn_eval *e, tn_tensor *x, bool back) {
  int64_t order[TN_MAX_DIMS];
  const int n = x->ndim;
  for (int d = 1; d < n; d++) order[d] = back ? (d == 1 ? n - 1 : d - 1) : (d == n - 1 ? 1 : d + 1);
  order[0] = 0;
  return tn__with_sizes(e, TN_OP_permute, x, n, order);
}

/* Images that lie with their channels last are rows of channels; so is the result. Nobody else has
 * what it is a view of. */
static tn_status normalize_rows(tn_call *call, tn_eval *e, geometry *g, tn_tensor *const in[5],
                                tn_tensor *stats[2]) {
  tn_tensor *rows[5];
  memcpy(rows, in, sizeof rows);
  rows[0] = turned(e, in[0], false);
  if (e->status != TN_OK) return e->status;
  g->r *= g->i;
  g->i = 1;
  tn_status s = normalize(call, e, g, rows, stats);
  if (s != TN_OK) return s;
  tn_tensor *y = turned(e, tn__temp(e, call->out[0]), true);
  call->out[0] = tn__keep(e, y);
  if (y != NULL) {
    tn_tensor_release(y->base);
    y->base = NULL;
  }
  return e->status;
}

/* in: x, running mean and variance, weight, bias; f: momentum, eps; i[0]: statistics of the input
 * count. */
static tn_status with_running(tn_call *call, bool batch) {
  geometry g = {.p = 1, .eps = call->attrs->f[1], .whose = batch ? TN_NORM_BATCH : TN_NORM_ROWS};
  tn_tensor *mean = input(call, 1), *var = input(call, 2), *stats[2];
  const bool own = tn__int(call->attrs, 0, 0) != 0;
  char text[TN_SHAPE_TEXT];
  static const char *const names[] = {"the running mean", "the running variance", "the weight",
                                      "the bias"};
  int64_t count = 0;
  tn_status s = channels(call, batch ? 2 : 3, &g.r, &count, &g.i);
  for (int k = 1; k < 5 && s == TN_OK; k++) s = check_input(call, k, names[k - 1], 1, &count);
  if (s == TN_OK && !own && (mean == NULL || var == NULL)) {
    s = tn_fail(call->ctx, TN_EARG, "without statistics of the input a running mean and a running "
                "variance are needed");
  }
  const int64_t values = batch ? g.r * g.i : g.i;
  if (s == TN_OK && own && values == 1) {
    s = tn_fail(call->ctx, TN_ESHAPE, "a variance needs more than 1 value per channel, got an "
                "input of size %s", tn__shape_text(text, call->in[0]->ndim, call->in[0]->sizes));
  }
  if (s != TN_OK) return s;
  if (!own) g.whose = TN_NORM_GIVEN;
  const bool lines = own && !batch;
  g.p = lines ? count : 1;
  g.q = lines ? 1 : count;
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *in[5] = {call->in[0], input(call, 3), input(call, 4), mean, var};
  if (TN_DEVICES && !lines && tn__device_channels_last(in[0])) {
    e.status = normalize_rows(call, &e, &g, in, stats);
  } else {
    e.status = normalize(call, &e, &g, in, stats);
  }
  if (e.status == TN_OK && own) {
    const int64_t times = batch ? 1 : g.r;
    const double momentum = call->attrs->f[0], n = (double)values;
    tn_tensor *const running[2] = {mean, var};
    if (values > 0) {
      e.status = update_both(call->ctx, running, stats, times, momentum, n / (n - 1));
    }
  }
  return tn__eval_end(&e);
}

static tn_status batch_norm_compose(tn_call *call) { return with_running(call, true); }
static tn_status instance_norm_compose(tn_call *call) { return with_running(call, false); }

#define NORM_ROW(name_, args_, onnx_, doc_)                                                       \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = "T x; " args_,             \
                                .convention = 'C', .flags = TN_FLOATS, .nout = 1, .low = -2,      \
                                .high = 2, .compose = name_##_compose, .onnx = onnx_,             \
                                .doc = doc_};

NORM_ROW(layer_norm, "z sizes; T? weight; T? bias; n eps=1e-5", "LayerNormalization",
         "Mean 0 and variance 1 over the last dimensions, of these sizes; then times weight, plus "
         "bias.")
NORM_ROW(rms_norm, "z sizes; T? weight; n? eps", "RMSNormalization",
         "x over the root of the mean square of the last dimensions (plus eps, that of the dtype "
         "by default), times weight.")
NORM_ROW(group_norm, "i groups; T? weight; T? bias; n eps=1e-5", "GroupNormalization",
         "Mean 0 and variance 1 over each group of channels of (batch, channels, ...).")
NORM_ROW(batch_norm, "T? running_mean; T? running_var; T? weight; T? bias; b training=0; "
         "n momentum=0.1; n eps=1e-5", "BatchNormalization",
         "Mean 0 and variance 1 of each channel of (batch, channels, ...), over the batch when "
         "training, which updates the running ones; otherwise the running ones count.")
NORM_ROW(instance_norm, "T? running_mean; T? running_var; T? weight; T? bias; "
         "b use_input_stats=1; n momentum=0.1; n eps=1e-5", "InstanceNormalization",
         "Mean 0 and variance 1 of each channel of each sample of (batch, channels, length, ...).")
