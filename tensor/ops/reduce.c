/* reduce.c -- sums, means, products, deviations and norms, over one dimension or everything.
 *
 * attrs: i[0] the dimension or TN_NONE, i[1] whether it stays as one of size 1 (it does unless
 * told otherwise, as in Torch7). */
#include <math.h>

#include "tensor/device.h"
#include "tensor/eval.h"
#include "tensor/ops/reduce.h"

unsigned tn__reduced_dims(const tn_attrs *attrs, int first, int ndim) {
  const int64_t wanted = tn__int(attrs, first, TN_NONE);
  if (wanted == TN_NONE) return (1u << TN_MAX_DIMS) - 1;
  if (TN_DEVICES && TN_IS_DIM_SET(wanted)) return (unsigned)(wanted - TN_DIM_SET(0));
  return 1u << (wanted < 0 ? wanted + ndim : wanted);
}

tn_status tn__reduced_shape(tn_call *call, int first) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  int64_t wanted = tn__int(call->attrs, first, TN_NONE);
  bool keep = tn__int(call->attrs, first + 1, 1) != 0;
  call->dim = TN_ALL_DIMS;
  m->dtype = x->dtype;
  m->ndim = 0;
  if (wanted == TN_NONE) return TN_OK;
  if (TN_IS_DIM_SET(wanted) && tn__elsewhere(x)) {
    call->dim = TN_SEVERAL_DIMS(tn__reduced_dims(call->attrs, first, x->ndim));
  } else {
    tn_status s = tn__dim(call->ctx, wanted, x->ndim, &call->dim);
    if (s != TN_OK) return s;
  }
  const unsigned dims = tn__reduced_dims(call->attrs, first, x->ndim);
  for (int d = 0; d < x->ndim; d++) {
    if (!(dims >> d & 1)) m->sizes[m->ndim++] = x->sizes[d];
    else if (keep) m->sizes[m->ndim++] = 1;
  }
  return TN_OK;
}

static int64_t reduced_count(const tn_call *call) {
  const tn_tensor *x = call->in[0];
  return call->dim == TN_ALL_DIMS ? tn__numel(x) : x->sizes[call->dim];
}

/* Shape rules: sums of integers are int64; what divides makes floats of them. */
static tn_status sum_shape(tn_call *call) {
  tn_status s = tn__reduced_shape(call, 0);
  if (!tn_dtype_is_float((tn_dtype)call->meta[0].dtype)) call->meta[0].dtype = TN_I64;
  return s;
}

static tn_status mean_shape(tn_call *call) {
  tn_status s = tn__reduced_shape(call, 0);
  if (!tn_dtype_is_float((tn_dtype)call->meta[0].dtype)) {
    call->meta[0].dtype = call->ctx->default_dtype;
  }
  return s;
}

/* -- Gradients: what arrives, spread over the dimension again ----------------------------------- */

/* `t`, shaped like the result, seen with the input's dimensions (the reduced ones of size 1). */
static tn_tensor *with_dim(tn_eval *e, const tn_grad_call *g, int first, tn_tensor *t) {
  const tn_meta *m = &g->meta[0];
  const unsigned dims = tn__reduced_dims(g->attrs, first, m->ndim);
  int64_t sizes[TN_MAX_DIMS];
  for (int d = 0; d < m->ndim; d++) sizes[d] = dims >> d & 1 ? 1 : m->sizes[d];
  return tn__reshaped(e, t, m->ndim, sizes);
}

static tn_tensor *spread(tn_eval *e, const tn_grad_call *g, int first, tn_tensor *t) {
  return tn__with_sizes(e, TN_OP_expand, with_dim(e, g, first, t), g->meta[0].ndim,
                        g->meta[0].sizes);
}

static int64_t grad_count(const tn_grad_call *g, int first) {
  const tn_meta *m = &g->meta[0];
  const unsigned dims = tn__reduced_dims(g->attrs, first, m->ndim);
  int64_t n = 1;
  for (int d = 0; d < m->ndim; d++) n *= dims >> d & 1 ? m->sizes[d] : 1;
  return n;
}

static tn_status finish(tn_eval *e, tn_grad_call *g, tn_tensor *dx) {
  g->din[0] = tn__keep(e, dx);
  tn_status s = tn__eval_end(e);
  return s == TN_OK ? tn__reduce_to(g->ctx, &g->din[0], &g->meta[0]) : s;
}

/* -- sum, mean --------------------------------------------------------------------------------- */

static tn_status sum_run(tn_call *call) {
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_SUM, call->dim, 1);
}

static tn_status sum_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  return finish(&e, g, spread(&e, g, 0, g->dout[0]));
}

#define REDUCE_ROW(name_, flags_, shape_, onnx_, saves_, low_, doc_)                              \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .convention = 'C', .nout = 1,      \
                                .args = "T x; d? dim; b keepdim=1", .flags = TN_NUMBER | (flags_), \
                                .low = low_, .high = 2, .shape = shape_, .run = name_##_run,      \
                                .grad = name_##_grad, .saves = saves_, .onnx = onnx_,             \
                                .doc = doc_}

REDUCE_ROW(sum, TN_FLOATS | TN_INTEGERS, sum_shape, "ReduceSum", 0, -2,
           "Sum of all elements, or along a dimension.");

static tn_status mean_run(tn_call *call) {
  double n = (double)reduced_count(call);
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_SUM, call->dim,
                    n > 0 ? 1 / n : NAN);
}

static tn_status mean_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *d = tn__scaled(&e, g->dout[0], 1 / (double)grad_count(g, 0));
  return finish(&e, g, spread(&e, g, 0, d));
}

REDUCE_ROW(mean, TN_FLOATS | TN_INTEGERS, mean_shape, "ReduceMean", 0, -2,
           "Mean of all elements, or along a dimension.");

/* -- prod -------------------------------------------------------------------------------------- */

static tn_status prod_run(tn_call *call) {
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_PROD, call->dim, 1);
}

/* d y / x would divide by zero where x is 0, so zeros stand aside: with none, d y / x; with one in
 * the product, its place gets the product of the others, and all others 0. */
static tn_status prod_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *x = g->in[0], *zero = tn__constant(&e, 0), *one = tn__constant(&e, 1);
  tn_tensor *is_zero = DO2(eq, x, zero), *safe = DO3(where, is_zero, one, x);
  tn_attrs attrs = *g->attrs;
  tn_tensor *others = tn__do(&e, TN_OP_prod, &attrs, 1, &safe);
  tn_tensor *zeros = tn__do(&e, TN_OP_sum, &attrs, 1, &is_zero);
  tn_tensor *none = DO2(eq, spread(&e, g, 0, zeros), zero);
  tn_tensor *single = DO2(eq, spread(&e, g, 0, zeros), one);
  tn_tensor *scaled = spread(&e, g, 0, DO2(mul, g->dout[0], others));
  tn_tensor *plain = DO3(where, none, DO2(div, scaled, safe), zero);
  return finish(&e, g, DO3(where, DO2(logical_and, single, is_zero), scaled, plain));
}

REDUCE_ROW(prod, TN_FLOATS | TN_INTEGERS, sum_shape, "ReduceProd", TN_SAVE_A, 0.5,
           "Product of all elements, or along a dimension.");

/* -- var, std: attrs i[1] 1 divides by n, else by n less i[3], which is 1 unless given ------- */

static double freedom(const tn_attrs *attrs, double n) {
  double d = n - (tn__int(attrs, 1, 0) != 0 ? 0 : (double)tn__int(attrs, 3, 1));
  return d > 0 ? d : 0;
}

static tn_status var_shape(tn_call *call) {
  const tn_attrs *attrs = call->attrs;
  tn_attrs order = {.i = {tn__int(attrs, 0, TN_NONE), tn__int(attrs, 2, 1)}, .ni = 2};
  call->attrs = &order;
  tn_status s = mean_shape(call);
  call->attrs = attrs;
  return s;
}

/* Two passes: the mean, then the squares around it. */
static tn_status var_into(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  bool was = tn_set_grad_enabled(call->ctx, false);
  double n = (double)reduced_count(call);
  tn_attrs attrs = {.i = {call->dim, 1}, .ni = 2};
  if (call->dim == TN_ALL_DIMS) attrs.i[0] = TN_NONE;
  tn_tensor *mean = tn__do(&e, TN_OP_mean, &attrs, 1, call->in);
  tn_tensor *centred = DO2(sub, call->in[0], mean);
  if (e.status == TN_OK) {
    e.status = tn__reduce(call->ctx, call->out[0], centred, TN_RED_SUMSQ, call->dim,
                          1 / freedom(call->attrs, n));
  }
  tn_set_grad_enabled(call->ctx, was);
  return tn__eval_end(&e);
}

static tn_status var_run(tn_call *call) { return var_into(call); }

/* 2 (x - mean) / freedom, times `d` spread out. */
static tn_tensor *var_slope(tn_eval *ep, const tn_grad_call *g, tn_tensor *d) {
  tn_eval e = *ep;
  tn_attrs attrs = {.i = {tn__int(g->attrs, 0, TN_NONE), 1}, .ni = 2};
  tn_tensor *x = g->in[0];
  tn_tensor *centred = DO2(sub, x, tn__do(&e, TN_OP_mean, &attrs, 1, &x));
  double n = (double)grad_count(g, 0);
  tn_tensor *r = DO2(mul, centred, spread(&e, g, 0, tn__scaled(&e, d, 2 / freedom(g->attrs, n))));
  *ep = e;
  return r;
}

static tn_status var_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  return finish(&e, g, var_slope(&e, g, g->dout[0]));
}

static tn_status std_run(tn_call *call) {
  tn_status s = var_into(call);
  if (s != TN_OK) return s;
  tn_call root = {.ctx = call->ctx, .op = &tn__op_sqrt, .nin = 1, .in = call->out,
                  .attrs = call->attrs, .out = {call->out[0]}, .dim = call->out[0]->dtype};
  return tn__pointwise_run(&root);
}

/* d std = d var / (2 std), and 0 where all values are equal. */
static tn_status std_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *zero = tn__constant(&e, 0), *y = g->out[0];
  tn_tensor *flat = DO2(eq, y, zero);
  tn_tensor *half = DO2(div, tn__scaled(&e, g->dout[0], 0.5), DO3(where, flat, tn__constant(&e, 1),
                                                                  y));
  return finish(&e, g, var_slope(&e, g, DO3(where, flat, zero, half)));
}

#define DEVIATION_ROW(name_, saves_, doc_)                                                        \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .convention = 'C', .nout = 1,                                \
      .args = "T x; d? dim; b biased=0; b keepdim=1; i correction=1",                             \
      .flags = TN_NUMBER | TN_FLOATS, .low = -2,                                                  \
      .high = 2, .shape = var_shape, .run = name_##_run, .grad = name_##_grad, .saves = saves_,   \
      .doc = doc_}

DEVIATION_ROW(var, TN_SAVE_A,
              "Variance of all elements, or along a dimension; divides by n - 1, or by n if biased.");
DEVIATION_ROW(std, TN_SAVE_A | TN_SAVE_Y,
              "Standard deviation; its variance divides by n - 1, or by n if biased.");

/* -- norm: f[0] is p --------------------------------------------------------------------------- */

static tn_status norm_run(tn_call *call) {
  double p = call->attrs->f[0];
  tn_tensor *out = call->out[0], *x = call->in[0];
  if (p == 1) return tn__reduce(call->ctx, out, x, TN_RED_SUMABS, call->dim, 1);
  tn_eval e = tn__eval_begin(call->ctx);
  bool was = tn_set_grad_enabled(call->ctx, false);
  double root = p == 2 ? 0.5 : 1 / p;
  if (p == 2) {
    e.status = tn__reduce(call->ctx, out, x, TN_RED_SUMSQ, call->dim, 1);
  } else if (p == 0) {
    tn_tensor *counted = DO2(ne, x, tn__constant(&e, 0));
    if (counted != NULL) e.status = tn__reduce(call->ctx, out, counted, TN_RED_SUM, call->dim, 1);
  } else {
    tn_tensor *t = DO1(abs, x);
    if (!isinf(p)) t = DO2(pow, t, tn__constant(&e, p));
    tn_reduction kind = !isinf(p) ? TN_RED_SUM : p > 0 ? TN_RED_MAX : TN_RED_MIN;
    if (t != NULL && reduced_count(call) == 0 && isinf(p)) {
      e.status = tn_fail(call->ctx, TN_ESHAPE, "an empty tensor has no such norm");
    }
    if (e.status == TN_OK) e.status = tn__reduce(call->ctx, out, t, kind, call->dim, 1);
  }
  if (e.status == TN_OK && p != 0 && !isinf(p)) {
    for (int64_t i = 0, n = tn__numel(out); i < n; i++) {
      double v = tn_tensor_get(out, i);
      tn__store(tn__data(out), (tn_dtype)out->dtype, i, root == 0.5 ? sqrt(v) : pow(v, root));
    }
  }
  tn_set_grad_enabled(call->ctx, was);
  return tn__eval_end(&e);
}

/* d x |x|^(p-2) / y^(p-1); 0 where the norm is 0, and shared among the largest for p = inf. */
static tn_status norm_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  double p = g->attrs->f[0];
  tn_tensor *x = g->in[0], *zero = tn__constant(&e, 0), *one = tn__constant(&e, 1), *slope;
  tn_tensor *y = spread(&e, g, 0, g->out[0]), *d = spread(&e, g, 0, g->dout[0]);
  tn_tensor *safe = DO3(where, DO2(eq, y, zero), one, y);
  if (p == 0) {
    slope = zero;
  } else if (p == 1) {
    slope = DO1(sign, x);
  } else if (p == 2) {
    slope = DO2(div, x, safe);
  } else if (isinf(p)) {
    tn_tensor *hit = DO2(eq, DO1(abs, x), y);
    tn_attrs attrs = {.i = {tn__int(g->attrs, 0, TN_NONE), 1}, .ni = 2};
    slope = DO2(div, DO2(mul, DO1(sign, x), hit), tn__do(&e, TN_OP_sum, &attrs, 1, &hit));
  } else {
    tn_tensor *ratio = DO2(div, DO1(abs, x), safe), *at_zero = DO2(eq, x, zero);
    tn_tensor *power = DO2(pow, DO3(where, at_zero, one, ratio), tn__constant(&e, p - 1));
    slope = DO3(where, at_zero, zero, DO2(mul, DO1(sign, x), power));
  }
  return finish(&e, g, DO2(mul, d, slope));
}

const tn_op tn__op_norm = {
    .name = "norm", .lua = "norm", .convention = 'C', .nout = 1,
    .args = "T x; n p=2; d? dim; b keepdim=1", .flags = TN_NUMBER | TN_FLOATS, .low = 0.3,
    .high = 2, .shape = mean_shape, .run = norm_run, .grad = norm_grad,
    .saves = TN_SAVE_A | TN_SAVE_Y, .onnx = "ReduceL2",
    .doc = "The p-norm of all elements, or along a dimension."};

/* -- logsumexp --------------------------------------------------------------------------------- */

static tn_status logsumexp_run(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  bool was = tn_set_grad_enabled(call->ctx, false);
  tn_tensor *x = call->in[0], *top = NULL;
  tn_meta m;
  tn__meta_of(&m, x);
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = call->dim == TN_ALL_DIMS || d == call->dim
                                                    ? 1 : m.sizes[d];
  m.dtype = call->out[0]->dtype;
  top = tn__zeros(&e, &m);
  if (e.status == TN_OK && reduced_count(call) > 0) {
    e.status = tn__reduce(call->ctx, top, x, TN_RED_MAX, call->dim, 1);
  }
  /* an infinite maximum is its own result: subtract 0 there */
  tn_tensor *shift = DO3(where, DO1(isinf, top), tn__constant(&e, 0), top);
  tn_tensor *t = DO1(exp, DO2(sub, x, shift)), *sum = tn__zeros(&e, &m);
  if (t != NULL && sum != NULL) {
    e.status = tn__reduce(call->ctx, sum, t, TN_RED_SUM, call->dim, 1);
  }
  tn_tensor *r = DO2(add, DO1(log, sum), shift);
  r = tn__reshaped(&e, r, call->out[0]->ndim, call->out[0]->sizes);
  if (r != NULL) tn__copy_view(call->ctx, call->out[0], r);
  tn_set_grad_enabled(call->ctx, was);
  return tn__eval_end(&e);
}

static tn_status logsumexp_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *soft = DO1(exp, DO2(sub, g->in[0], spread(&e, g, 0, g->out[0])));
  return finish(&e, g, DO2(mul, spread(&e, g, 0, g->dout[0]), soft));
}

REDUCE_ROW(logsumexp, TN_FLOATS, mean_shape, "ReduceLogSumExp", TN_SAVE_A | TN_SAVE_Y, -2,
           "log(sum(exp(x))), without overflow.");

/* -- all, any ---------------------------------------------------------------------------------- */

static tn_status truth_shape(tn_call *call) {
  tn_status s = tn__reduced_shape(call, 0);
  call->meta[0].dtype = TN_U8;
  return s;
}

static tn_status truth(tn_call *call, tn_reduction kind) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = DO2(ne, call->in[0], tn__constant(&e, 0));
  if (x != NULL) e.status = tn__reduce(call->ctx, call->out[0], x, kind, call->dim, 1);
  if (e.status == TN_OK && reduced_count(call) == 0) {
    tn_tensor *out = call->out[0];
    for (int64_t i = 0, n = tn__numel(out); i < n; i++) {
      tn__store(tn__data(out), TN_U8, i, kind == TN_RED_MIN);
    }
  }
  return tn__eval_end(&e);
}

static tn_status all_run(tn_call *call) { return truth(call, TN_RED_MIN); }
static tn_status any_run(tn_call *call) { return truth(call, TN_RED_MAX); }

#define TRUTH_ROW(name_, doc_)                                                                    \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .convention = 'C', .nout = 1,      \
                                .args = "T x; d? dim; b keepdim=1",                               \
                                .flags = TN_FLOATS | TN_INTEGERS | TN_TRUTH, .low = -2,           \
                                .high = 2, .shape = truth_shape, .run = name_##_run,              \
                                .no_grad = "a test of its input", .doc = doc_}

TRUTH_ROW(all, "Is every element different from 0?");
TRUTH_ROW(any, "Is some element different from 0?");
