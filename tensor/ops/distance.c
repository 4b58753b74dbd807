/* distance.c -- cdist and match: the distance of each row of one matrix to each row of another.
 *
 * attrs: f[0] the norm's order p, from 0 (how many elements differ) to infinity. */
#include <math.h>

#include "tensor/cpu/gemm.h"
#include "tensor/ops/linalg.h"

static tn_status distances_shape(tn_call *call) {
  const tn_tensor *x = call->in[0], *y = call->in[1];
  tn_status s = tn__linalg_check(call->ctx, x, false);
  if (s == TN_OK) s = tn__linalg_check(call->ctx, y, false);
  if (s == TN_OK) s = tn__linalg_same_batch(call->ctx, x, y);
  if (s != TN_OK) return s;
  if (x->sizes[x->ndim - 1] != y->sizes[y->ndim - 1]) {
    char tx[TN_SHAPE_TEXT], ty[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "rows of one length expected, got sizes %s and %s",
                   tn__shape_text(tx, x->ndim, x->sizes), tn__shape_text(ty, y->ndim, y->sizes));
  }
  if (!(call->attrs->f[0] >= 0)) {
    return tn_fail(call->ctx, TN_EARG, "p must not be negative, got %g", call->attrs->f[0]);
  }
  tn__linalg_meta(call, 0, x, x->sizes[x->ndim - 2], y->sizes[y->ndim - 2]);
  return TN_OK;
}

/* In double, whatever the type is: (batch, rows, length), (batch, others, length). */
typedef struct {
  const double *x, *y;
  double *out;
  int64_t rows, others, length;
  double p;
  bool products; /* out already holds -2 x y' */
} job;

static double distance(const double *x, const double *y, int64_t n, double p) {
  double sum = 0;
  if (p == 2) {
    for (int64_t i = 0; i < n; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sqrt(sum);
  }
  if (p == 1) {
    for (int64_t i = 0; i < n; i++) sum += fabs(x[i] - y[i]);
    return sum;
  }
  for (int64_t i = 0; i < n; i++) {
    double d = fabs(x[i] - y[i]);
    if (p == 0) sum += d != 0;
    else if (isinf(p)) sum = d > sum || isnan(d) ? d : sum;
    else sum += pow(d, p);
  }
  return p == 0 || isinf(p) ? sum : pow(sum, 1 / p);
}

static double square_of(const double *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
  return sum;
}

/* Where |x|^2 + |y|^2 - 2 x y loses more than six of its sixteen digits, from the differences. */
static double from_product(const double *x, const double *y, int64_t n, double xx, double yy,
                           double product) {
  double square = xx + yy + product;
  return square > 1e-6 * (xx + yy) ? sqrt(square) : distance(x, y, n, 2);
}

static void measure(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t r = begin; r < end; r++) {
    const double *x = j->x + r * j->length;
    const double *y = j->y + r / j->rows * j->others * j->length;
    double *out = j->out + r * j->others, xx = j->products ? square_of(x, j->length) : 0;
    for (int64_t c = 0; c < j->others; c++, y += j->length) {
      out[c] = j->products ? from_product(x, y, j->length, xx, square_of(y, j->length), out[c])
                           : distance(x, y, j->length, j->p);
    }
  }
}

static tn_status distances_run(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  tn_tensor *x = NULL, *y = NULL, *to = NULL, *out = call->out[0];
  tn_status s = tn__contiguous_of(ctx, &x, call->in[0], TN_F64);
  if (s == TN_OK) s = tn__contiguous_of(ctx, &y, call->in[1], TN_F64);
  if (s == TN_OK && out->dtype == TN_F64) to = tn_tensor_retain(out);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &to, TN_F64, out->ndim, out->sizes);
  if (s == TN_OK && tn__numel(out) > 0) {
    job j = {.x = (double *)tn__data(x), .y = (double *)tn__data(y), .out = (double *)tn__data(to),
             .rows = x->sizes[x->ndim - 2], .others = y->sizes[y->ndim - 2],
             .length = x->sizes[x->ndim - 1], .p = call->attrs->f[0]};
    int64_t n = j.length, batch = tn__numel(out) / (j.rows * j.others);
    j.products = j.p == 2 && n >= 16 && j.rows >= 16 && j.others >= 16;
    if (j.products && tn__dgemm_batch(ctx->pool, false, true, j.rows, j.others, n, -2, j.x, n,
                                      j.rows * n, j.y, n, j.others * n, 0, j.out, j.others,
                                      j.rows * j.others, batch) != 0) {
      s = tn_fail(ctx, TN_ENOMEM, "not enough memory for a matrix product");
    }
    int64_t work = j.others * (n + 1);
    if (s == TN_OK) {
      tn__pool_run(ctx->pool, batch * j.rows, TN_GRAIN / work + 1, measure, &j);
      if (to != out) s = tn__copy_view(ctx, out, to);
    }
  }
  tn_tensor_release(x);
  tn_tensor_release(y);
  tn_tensor_release(to);
  return s;
}

/* dx = sum_j w_ij (x_i - y_j) with w = dd / d, and the same for y: by products. */
static void euclidean_gradient(tn_eval *ep, tn_grad_call *g, tn_tensor *zero, tn_tensor *safe) {
  tn_eval e = *ep;
  tn_tensor *x = g->in[0], *y = g->in[1];
  tn_tensor *w = DO3(where, zero, tn__constant(&e, 0), DO2(div, g->dout[0], safe));
  tn_tensor *turned = tn__turned(&e, w);
  if (g->need[0]) {
    tn_tensor *total = tn__with_dim(&e, TN_OP_sum, w, -1);
    g->din[0] = tn__keep(&e, DO2(sub, DO2(mul, x, total), tn__product(&e, w, y)));
  }
  if (g->need[1]) {
    tn_tensor *total = tn__with_dim(&e, TN_OP_sum, turned, -1);
    g->din[1] = tn__keep(&e, DO2(sub, DO2(mul, y, total), tn__product(&e, turned, x)));
  }
  *ep = e;
}

/* The derivative of the distances by the differences (batch..., rows, others, length). */
static tn_tensor *by_difference(tn_eval *ep, tn_grad_call *g, tn_tensor *difference,
                                tn_tensor *safe) {
  tn_eval e = *ep;
  const double p = g->attrs->f[0];
  tn_tensor *sign = DO1(sign, difference), *scale = g->dout[0], *size;
  if (p == 1) size = NULL;
  else if (isinf(p)) { /* only the greatest count */
    tn_tensor *d = tn__with_dim(&e, TN_OP_unsqueeze, g->out[0], -1);
    size = DO2(eq, DO1(abs, difference), d);
  } else {
    tn_tensor *far = DO1(abs, difference), *none = DO2(eq, far, tn__constant(&e, 0));
    far = DO3(where, none, tn__constant(&e, 1), far); /* sign is 0 there */
    size = DO2(pow, far, tn__constant(&e, p - 1));
    scale = DO2(mul, scale, DO2(pow, safe, tn__constant(&e, 1 - p)));
  }
  tn_tensor *d = DO2(mul, sign, tn__with_dim(&e, TN_OP_unsqueeze, scale, -1));
  if (size != NULL) d = DO2(mul, d, size);
  *ep = e;
  return d;
}

static tn_status distances_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const double p = g->attrs->f[0];
  tn_attrs rows = {.i = {-2, 0}, .ni = 2}, others = {.i = {-3, 0}, .ni = 2};
  tn_tensor *zero = DO2(eq, g->out[0], tn__constant(&e, 0));
  tn_tensor *safe = DO3(where, zero, tn__constant(&e, 1), g->out[0]);
  if (p == 2) {
    euclidean_gradient(&e, g, zero, safe);
  } else if (p == 0) {
    for (int i = 0; i < 2; i++) {
      if (g->need[i]) g->din[i] = tn__keep(&e, tn__zeros(&e, &g->meta[i]));
    }
  } else if (g->meta[0].ndim + 1 > TN_MAX_DIMS) {
    e.status = tn_fail(g->ctx, TN_EGRAD, "the gradient needs one more dimension than there may be");
  } else {
    tn_tensor *x = tn__with_dim(&e, TN_OP_unsqueeze, g->in[0], -2);
    tn_tensor *y = tn__with_dim(&e, TN_OP_unsqueeze, g->in[1], -3);
    tn_tensor *d = by_difference(&e, g, DO2(sub, x, y), safe);
    if (g->need[0]) g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_sum, &rows, 1, &d));
    if (g->need[1]) g->din[1] = tn__keep(&e, DO1(neg, tn__do(&e, TN_OP_sum, &others, 1, &d)));
  }
  return tn__eval_end(&e);
}

/* Behind cdist: both of one batch. */
const tn_op tn__op_distances = {
    .name = "distances", .args = "T x; T y; n p=2", .convention = 'N', .flags = TN_FLOATS,
    .nout = 1, .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_Y, .shape = distances_shape,
    .run = distances_run, .grad = distances_grad, .doc = "Distances of rows."};

static tn_status cdist_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *y = call->in[1];
  e.status = tn__linalg_check(call->ctx, x, false);
  if (e.status == TN_OK) e.status = tn__linalg_check(call->ctx, y, false);
  tn__same_batch_of(&e, &x, &y);
  tn_attrs attrs = {.f = {call->attrs->f[0]}};
  call->out[0] = tn__keep(&e, tn__do(&e, TN_OP_distances, &attrs, 2, (tn_tensor *[]){x, y}));
  return tn__eval_end(&e);
}

const tn_op tn__op_cdist = {
    .name = "cdist", .lua = "cdist", .args = "T x; T y; n p=2", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = cdist_compose,
    .doc = "Distance of each row of x to each row of y, by the norm of order p."};

/* -- match: Torch7's squared distances, |x|^2 + |y|^2 - 2 x . y ---------------------------------- */

static tn_status match_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *y = call->in[1];
  if (x->ndim != 2 || y->ndim != 2 || x->sizes[1] != y->sizes[1]) {
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "two matrices with rows of one length expected, got %s "
                   "and %s", tn__shape_text(a, x->ndim, x->sizes),
                   tn__shape_text(b, y->ndim, y->sizes));
  }
  tn_tensor *xx = tn__with_dim(&e, TN_OP_sum, DO1(square, x), 1);
  tn_tensor *yy = tn__with_two(&e, TN_OP_transpose, tn__with_dim(&e, TN_OP_sum, DO1(square, y), 1),
                               0, 1);
  tn_tensor *xy = DO2(mm, x, tn__with_two(&e, TN_OP_transpose, y, 0, 1));
  tn_tensor *r = DO2(sub, DO2(add, xx, yy), tn__scaled(&e, xy, 2));
  call->out[0] = tn__keep(&e, tn__scaled(&e, r, call->attrs->f[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_match = {
    .name = "match", .lua = "match", .args = "T x; T y; n gain=1", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = match_compose,
    .doc = "The square of the distance of each row of x to each row of y, times a gain."};
