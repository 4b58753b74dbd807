/* scan.c -- cumsum, cumprod, logcumsumexp: running sums and products along a dimension.
 *
 * attrs: i[0] the dimension (the first unless told otherwise, as in Torch7), i[1] 1 begins at the
 * end, which is what gradients need. Results of floats are carried in double. */
#include <math.h>

#include "tensor/ops/lines.h"

typedef struct {
  tn_lines lines;
  const void *x;
  void *out;
  bool reverse;
} job;

enum { STRIP = 64 }; /* columns that are walked down together */

/* Strips of up to STRIP lines, or single lines that lie one after another: [begin, end) counts
 * strips. */
#define SCAN_STRIPS(name, T, Sum, first_value, STEP)                                              \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const job *j = arg;                                                                           \
    const tn_lines l = j->lines;                                                                  \
    const int64_t strips = (l.inner + STRIP - 1) / STRIP, step = j->reverse ? -l.inner : l.inner; \
    for (int64_t s = begin; s < end; s++) {                                                       \
      int64_t first = s % strips * STRIP, at = s / strips * l.size * l.inner + first;             \
      int64_t width = l.inner - first < STRIP ? l.inner - first : STRIP;                          \
      Sum sums[STRIP];                                                                            \
      for (int64_t i = 0; i < STRIP; i++) sums[i] = first_value;                                  \
      if (j->reverse) at += (l.size - 1) * l.inner;                                               \
      if (width == 1) {                                                                           \
        const T *x = (const T *)j->x + at;                                                        \
        T *out = (T *)j->out + at;                                                                \
        Sum sum = first_value;                                                                    \
        for (int64_t k = 0; k < l.size; k++) {                                                    \
          sum = STEP(sum, (Sum)x[k * step]);                                                      \
          out[k * step] = (T)sum;                                                                 \
        }                                                                                         \
        continue;                                                                                 \
      }                                                                                           \
      for (int64_t k = 0; k < l.size; k++, at += step) {                                          \
        const T *x = (const T *)j->x + at;                                                        \
        T *out = (T *)j->out + at;                                                                \
        for (int64_t i = 0; i < width; i++) {                                                     \
          sums[i] = STEP(sums[i], (Sum)x[i]);                                                     \
          out[i] = (T)sums[i];                                                                    \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
  }

/* log(exp(a) + exp(b)); equal infinities have no difference. */
static double add_exponentials(double a, double b) {
  if (a == b) return a + 0.693147180559945309417;
  return a > b || a != a ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))

SCAN_STRIPS(sum_f32, float, double, 0, ADD)
SCAN_STRIPS(sum_f64, double, double, 0, ADD)
SCAN_STRIPS(sum_u64, uint64_t, uint64_t, 0, ADD) /* integers wrap around */
SCAN_STRIPS(prod_f32, float, double, 1, MULTIPLY)
SCAN_STRIPS(prod_f64, double, double, 1, MULTIPLY)
SCAN_STRIPS(prod_u64, uint64_t, uint64_t, 1, MULTIPLY)
SCAN_STRIPS(lse_f32, float, double, -INFINITY, add_exponentials)
SCAN_STRIPS(lse_f64, double, double, -INFINITY, add_exponentials)

typedef void scan(void *arg, int64_t begin, int64_t end);

/* Sums of small integers are of int64, as those of sum. */
static tn_status cumsum_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  if (!tn_dtype_is_float((tn_dtype)call->in[0]->dtype)) call->meta[0].dtype = TN_I64;
  return tn__call_dim(call, 0, 0);
}

static tn_status run_scan(tn_call *call, scan *f32, scan *f64, scan *u64) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype dtype = tn__compute_dtype((tn_dtype)call->meta[0].dtype);
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK && tn__numel(x) > 0) {
    job j = {tn__lines(x, call->dim), tn__data(x), tn__data(to), tn__int(call->attrs, 1, 0) != 0};
    int64_t strips = (j.lines.inner + STRIP - 1) / STRIP * j.lines.outer;
    tn__pool_run(call->ctx->pool, strips, TN_GRAIN * strips / tn__numel(x) + 1,
                 dtype == TN_F32 ? f32 : dtype == TN_F64 ? f64 : u64, &j);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(x);
  return s;
}

static tn_status cumsum_run(tn_call *call) { return run_scan(call, sum_f32, sum_f64, sum_u64); }

static tn_status cumsum_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs back = {.i = {tn__int(g->attrs, 0, 0), tn__int(g->attrs, 1, 0) == 0}, .ni = 2};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_cumsum, &back, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_cumsum = {
    .name = "cumsum", .lua = "cumsum", .args = "T x; d dim=1; b reverse=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .shape = cumsum_shape,
    .run = cumsum_run, .grad = cumsum_grad, .onnx = "CumSum",
    .doc = "Sums of all elements up to each one, or from each one on, along a dimension."};

/* -- cumprod ----------------------------------------------------------------------------------- */

static tn_status cumprod_run(tn_call *call) {
  return run_scan(call, prod_f32, prod_f64, prod_u64);
}

/* Sums of `t` along the call's dimension, from each element on or up to it. */
static tn_tensor *sums(tn_eval *e, const tn_grad_call *g, tn_tensor *t, bool reverse) {
  tn_attrs attrs = {.i = {tn__int(g->attrs, 0, 0), reverse}, .ni = 2};
  return tn__do(e, TN_OP_cumsum, &attrs, 1, &t);
}

/* Before the first 0 of a line the gradient is the sum of d y from there on, over x. At the first 0
 * it is the same sum with 1 in its place; behind it, 0. */
static tn_status cumprod_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *x = g->in[0], *zero = tn__constant(&e, 0), *one = tn__constant(&e, 1);
  tn_tensor *is_zero = DO2(eq, x, zero), *zeros = sums(&e, g, is_zero, false);
  tn_tensor *first = DO2(logical_and, is_zero, DO2(eq, zeros, one));
  tn_tensor *filled = DO3(where, first, one, x), *safe = DO3(where, is_zero, one, x);
  tn_attrs attrs = {.i = {tn__int(g->attrs, 0, 0)}, .ni = 1};
  tn_tensor *y = tn__do(&e, TN_OP_cumprod, &attrs, 1, &x);
  tn_tensor *other = tn__do(&e, TN_OP_cumprod, &attrs, 1, &filled);
  tn_tensor *plain = DO2(div, sums(&e, g, DO2(mul, g->dout[0], y), true), safe);
  tn_tensor *at_first = sums(&e, g, DO2(mul, g->dout[0], other), true);
  tn_tensor *before = DO3(where, DO2(eq, zeros, zero), plain, zero);
  g->din[0] = tn__keep(&e, DO3(where, first, at_first, before));
  return tn__eval_end(&e);
}

const tn_op tn__op_cumprod = {
    .name = "cumprod", .lua = "cumprod", .args = "T x; d dim=1", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .saves = TN_SAVE_A, .low = 0.5, .high = 2,
    .shape = cumsum_shape, .run = cumprod_run, .grad = cumprod_grad,
    .doc = "Products of all elements up to each one, along a dimension."};

/* -- logcumsumexp ------------------------------------------------------------------------------ */

/* Whole numbers have logarithms in the default float. */
static tn_status logcumsumexp_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  if (!tn_dtype_is_float((tn_dtype)call->in[0]->dtype)) {
    call->meta[0].dtype = call->ctx->default_dtype;
  }
  return tn__call_dim(call, 0, 0);
}

static tn_status logcumsumexp_run(tn_call *call) { return run_scan(call, lse_f32, lse_f64, NULL); }

/* log of the positive part of t, less y, summed from each element on: all in logarithms, so that
 * nothing overflows. What is not positive becomes very small instead of minus infinity, whose
 * differences would be NaN. */
static tn_tensor *part(tn_eval *ep, const tn_grad_call *g, tn_tensor *t) {
  tn_eval e = *ep;
  tn_tensor *positive = DO2(gt, t, tn__constant(&e, 0));
  tn_tensor *logs = DO1(log, DO3(where, positive, t, tn__constant(&e, 1)));
  tn_tensor *terms = DO3(where, positive, DO2(sub, logs, g->out[0]), tn__constant(&e, -1e30));
  tn_attrs back = {.i = {tn__int(g->attrs, 0, 0), tn__int(g->attrs, 1, 0) == 0}, .ni = 2};
  tn_tensor *sum = tn__do(&e, TN_OP_logcumsumexp, &back, 1, &terms);
  tn_tensor *r = DO1(exp, DO2(add, g->in[0], sum));
  *ep = e;
  return r;
}

static tn_status logcumsumexp_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *above = part(&e, g, g->dout[0]), *below = part(&e, g, DO1(neg, g->dout[0]));
  g->din[0] = tn__keep(&e, DO2(sub, above, below));
  return tn__eval_end(&e);
}

const tn_op tn__op_logcumsumexp = {
    .name = "logcumsumexp", .lua = "logcumsumexp", .args = "T x; d dim=1; b reverse=0",
    .convention = 'C', .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_A | TN_SAVE_Y, .low = -2,
    .high = 2, .shape = logcumsumexp_shape, .run = logcumsumexp_run, .grad = logcumsumexp_grad,
    .doc = "log of the running sums of exp(x), without overflow."};
