/* elements.c -- operations on elements that are made of others: limits, repairs, activations with
 * parameters, comparisons with a tolerance, and quotients and powers in another dtype. */
#include <float.h>
#include <math.h>

#include "tensor/eval.h"

#define ROW(name_, lua_, aliases_, args_, convention_, flags_, low_, high_, doc_)                 \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .aliases = aliases_, .args = args_, .convention = convention_, \
      .flags = flags_, .nout = 1, .low = low_, .high = high_, .compose = name_##_compose,         \
      .doc = doc_};

#define ANY TN_FLOATS | TN_INTEGERS | TN_NUMBER_INPUTS

static tn_status give(tn_call *call, tn_eval *e, tn_tensor *result) {
  call->out[0] = tn__keep(e, result);
  return tn__eval_end(e);
}

static tn_tensor *to_dtype(tn_eval *e, tn_tensor *x, tn_dtype dtype) {
  tn_attrs to = {.i = {dtype}, .ni = 1};
  return x == NULL || x->dtype == dtype ? x : tn__do(e, TN_OP_to, &to, 1, &x);
}

static tn_status missing(tn_call *call, const char *what) {
  return tn_fail(call->ctx, TN_EARG, "%s expected", what);
}

/* -- Limits: an element that is the limit itself gets the gradient - */

static tn_tensor *at_least(tn_eval *ep, tn_tensor *x, tn_tensor *low) {
  tn_eval e = *ep;
  tn_tensor *r = DO3(where, DO2(logical_or, DO2(lt, x, low), DO2(ne, low, low)), low, x);
  *ep = e;
  return r;
}

static tn_tensor *at_most(tn_eval *ep, tn_tensor *x, tn_tensor *high) {
  tn_eval e = *ep;
  tn_tensor *r = DO3(where, DO2(logical_or, DO2(gt, x, high), DO2(ne, high, high)), high, x);
  *ep = e;
  return r;
}

static tn_status clamp_tensor_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  if (call->nin > 1 && call->in[1] != NULL) x = at_least(&e, x, call->in[1]);
  if (call->nin > 2 && call->in[2] != NULL) x = at_most(&e, x, call->in[2]);
  return give(call, &e, x);
}

static tn_status clamp_min_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give(call, &e, at_least(&e, call->in[0], call->in[1]));
}

static tn_status clamp_max_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give(call, &e, at_most(&e, call->in[0], call->in[1]));
}

ROW(clamp_tensor, "clamp", NULL, "X x; X? min; X? max", 'A', ANY, -2, 2,
    "Limits each element to its own [min, max]; either may be left out.")
ROW(clamp_min, "clamp_min", NULL, "X x; X min", 'A', ANY, -2, 2, "x, but nothing below min.")
ROW(clamp_max, "clamp_max", NULL, "X x; X max", 'A', ANY, -2, 2, "x, but nothing above max.")

/* -- nan_to_num: f[] what NaN, infinity and minus infinity become ------------------------------ */

static double greatest(tn_dtype dtype) {
  switch (dtype) {
  case TN_F16: return 65504;
  case TN_BF16: return 0x1.fep127;
  case TN_F32: return FLT_MAX;
  default: return DBL_MAX;
  }
}

static tn_status nan_to_num_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  const double *f = call->attrs->f;
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) return give(call, &e, DO1(clone, x));
  const double most = x->number ? DBL_MAX : greatest((tn_dtype)x->dtype);
  tn_tensor *high = tn__constant(&e, isinf(f[1]) ? most : f[1]);
  tn_tensor *low = tn__constant(&e, isinf(f[2]) ? -most : f[2]);
  x = DO3(where, DO1(isnan, call->in[0]), tn__constant(&e, f[0]), x);
  x = DO3(where, DO1(isposinf, call->in[0]), high, x);
  return give(call, &e, DO3(where, DO1(isneginf, call->in[0]), low, x));
}

ROW(nan_to_num, "nan_to_num", NULL, "X x; n nan=0; n posinf=inf; n neginf=-inf", 'A', ANY, -2, 2,
    "x with other numbers for NaN and the infinities: 0 and the dtype's limits unless told "
    "otherwise.")

/* -- Activations ------------------------------------------------------------------------------- */

/* One slope for all, or one for each channel, which is dimension 2 (the only one of a vector). */
static tn_status prelu_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *weight = call->in[1];
  const int64_t n = tn__numel(weight);
  if (n != 1) {
    const int channel = x->ndim > 1 ? 1 : 0;
    int64_t sizes[TN_MAX_DIMS];
    if (x->ndim == 0 || n != x->sizes[channel]) {
      char text[TN_SHAPE_TEXT];
      return tn_fail(call->ctx, TN_ESHAPE, "%lld slopes do not fit the channels of %s",
                     (long long)n, tn__shape_text(text, x->ndim, x->sizes));
    }
    for (int d = 0; d < x->ndim; d++) sizes[d] = d == channel ? n : 1;
    weight = tn__reshaped(&e, weight, x->ndim, sizes);
  } else if (weight->ndim > 0) {
    weight = tn__reshaped(&e, weight, 0, NULL);
  }
  tn_tensor *positive = DO2(gt, x, tn__constant(&e, 0));
  return give(call, &e, DO3(where, positive, x, DO2(mul, x, weight)));
}

static tn_status glu_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  int dim;
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 0, -1), x->ndim, &dim);
  if (s != TN_OK) return s;
  const int64_t half = x->sizes[dim] / 2;
  if (x->sizes[dim] % 2 != 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "dimension %d must have an even size, got %lld",
                   dim + call->ctx->index_base, (long long)x->sizes[dim]);
  }
  tn_attrs first = {.i = {dim, 0, half}, .ni = 3}, second = {.i = {dim, half, half}, .ni = 3};
  tn_tensor *a = tn__do(&e, TN_OP_narrow, &first, 1, &x);
  tn_tensor *b = tn__do(&e, TN_OP_narrow, &second, 1, &x);
  return give(call, &e, DO2(mul, a, DO1(sigmoid, b)));
}

static tn_status softmin_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *minus = DO1(neg, call->in[0]);
  return give(call, &e, tn__do(&e, TN_OP_softmax, call->attrs, 1, &minus));
}

static tn_status gelu_approximate_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  const bool tanh = tn__int(call->attrs, 0, 0) == 1;
  return give(call, &e, tanh ? DO1(gelu_tanh, call->in[0]) : DO1(gelu, call->in[0]));
}

ROW(prelu, "prelu", NULL, "T x; T weight", 'C', TN_FLOATS, 0.1, 2,
    "x where positive, else weight * x; the weight is one slope or one for each channel.")
ROW(glu, "glu", NULL, "T x; d? dim", 'C', TN_FLOATS, -2, 2,
    "The first half of a dimension times the sigmoid of the second one (Dauphin et al. 2017).")
ROW(softmin, "softmin", NULL, "T x; d? dim", 'C', TN_FLOATS, -2, 2, "softmax of -x.")
ROW(gelu_approximate, "gelu", NULL, "X x; w approximate=none,tanh", 'A', ANY, -2, 2,
    "Gaussian error linear unit, exact or approximated by tanh.")

/* -- Quotients and powers ---------------------------------------------------------------------- */

static tn_status true_divide_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1];
  const bool whole = !tn_dtype_is_float((tn_dtype)a->dtype) &&
                     !tn_dtype_is_float((tn_dtype)b->dtype);
  if (whole) {
    const bool numbers = a->number && b->number;
    a = to_dtype(&e, a, numbers ? TN_F64 : (tn_dtype)call->ctx->default_dtype);
  }
  return give(call, &e, DO2(div, a, b));
}

static tn_status float_power_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = to_dtype(&e, call->in[0], TN_F64), *b = to_dtype(&e, call->in[1], TN_F64);
  return give(call, &e, DO2(pow, a, b));
}

static tn_status ldexp_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give(call, &e, DO2(mul, call->in[0], DO1(exp2, call->in[1])));
}

ROW(true_divide, "true_divide", NULL, "X a; X b", 'C', ANY, 0.5, 2,
    "Quotient of elements; of integers too it is a float.")
ROW(float_power, "float_power", NULL, "X a; X b", 'C', ANY, 0.5, 2, "a to the power b, in float64.")
ROW(ldexp, "ldexp", NULL, "X x; X exponent", 'C', ANY, -2, 2, "x times 2 to the power exponent.")

/* -- Bits -------------------------------------------------------------------------------------- */

static tn_status bitwise_not_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *ones = NULL;
  if (tn_dtype_is_float((tn_dtype)x->dtype)) return missing(call, "a tensor of integers");
  e.status = tn_tensor_scalar(call->ctx, &ones, (tn_dtype)x->dtype, x->dtype == TN_BOOL ? 1 : -1);
  if (e.status == TN_OK) tn__temp(&e, ones);
  return give(call, &e, DO2(bitxor, x, ones));
}

const tn_op tn__op_bitwise_not = {
    .name = "bitwise_not", .lua = "bitwise_not", .aliases = "bitnot", .args = "T x",
    .convention = 'A', .flags = TN_INTEGERS, .nout = 1, .low = 0, .high = 9,
    .compose = bitwise_not_compose, .no_grad = "of integers",
    .doc = "Every bit of integers turned; of bools the opposite."};

/* -- Comparisons with a tolerance: f[0] relative to b, f[1] absolute --------------------------- */

static tn_tensor *close(tn_eval *ep, tn_call *call) {
  tn_eval e = *ep;
  const double *f = call->attrs->f;
  tn_tensor *a = call->in[0], *b = call->in[1];
  if (!tn_dtype_is_float((tn_dtype)a->dtype)) a = to_dtype(&e, a, TN_F64);
  if (!tn_dtype_is_float((tn_dtype)b->dtype)) b = to_dtype(&e, b, TN_F64);
  tn_tensor *bound = DO2(add, tn__scaled(&e, DO1(abs, b), f[0]), tn__constant(&e, f[1]));
  tn_tensor *near = DO2(le, DO1(abs, DO2(sub, a, b)), bound);
  /* an infinite bound would admit everything */
  near = DO2(logical_or, DO2(logical_and, near, DO1(isfinite, b)), DO2(eq, a, b));
  if (tn__int(call->attrs, 0, 0) != 0) {
    near = DO2(logical_or, near, DO2(logical_and, DO1(isnan, a), DO1(isnan, b)));
  }
  *ep = e;
  return near;
}

static tn_status isclose_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give(call, &e, close(&e, call));
}

static tn_status allclose_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give(call, &e, DO1(all, close(&e, call)));
}

#define CLOSE_ROW(name_, flags_, doc_)                                                            \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = "T a; X b; n rtol=1e-5; n atol=1e-8; b equal_nan=0", \
      .convention = 'C', .flags = flags_, .nout = 1, .low = -2, .high = 2,                        \
      .compose = name_##_compose, .no_grad = "a test of its inputs", .doc = doc_};

CLOSE_ROW(isclose, TN_FLOATS | TN_INTEGERS, "1 where |a - b| <= atol + rtol * |b|.")
CLOSE_ROW(allclose, TN_TRUTH | TN_FLOATS | TN_INTEGERS,
          "Is |a - b| <= atol + rtol * |b| everywhere?")
