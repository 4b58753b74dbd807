/* linalg_products.c -- powers and exponentials of matrices, and other products made of products. */
#include <math.h>

#include "tensor/ops/linalg.h"

/* -- matrix_power ------------------------------------------------------------------------------ */

/* *t = *t other, or *t's square; the old *t is released. */
static tn_status multiply_by(tn_ctx *ctx, tn_tensor **t, tn_tensor *other) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  tn_status s = tn_apply(ctx, TN_OP_matmul, 2, (tn_tensor *[]){*t, other}, NULL, out);
  if (s != TN_OK) return s;
  tn_tensor_release(*t);
  *t = out[0];
  return s;
}

static tn_status check_square(tn_ctx *ctx, const tn_tensor *t) {
  char text[TN_SHAPE_TEXT];
  if (t->ndim >= 2 && t->sizes[t->ndim - 1] == t->sizes[t->ndim - 2]) return TN_OK;
  return tn_fail(ctx, TN_ESHAPE, "a square matrix expected, got a tensor of size %s",
                 tn__shape_text(text, t->ndim, t->sizes));
}

/* By squares: as many products as the exponent has bits, twice at most. */
static tn_status positive_power(tn_ctx *ctx, tn_tensor *base, uint64_t n, tn_tensor **result) {
  tn_status s = TN_OK;
  tn_tensor *square = tn_tensor_retain(base);
  for (; n > 0 && s == TN_OK; n >>= 1) {
    if (n & 1) {
      if (*result == NULL) *result = tn_tensor_retain(square);
      else s = multiply_by(ctx, result, square);
    }
    if (n > 1 && s == TN_OK) s = multiply_by(ctx, &square, square);
  }
  tn_tensor_release(square);
  return s;
}

static tn_status matrix_power_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0];
  int64_t n = tn__int(call->attrs, 0, 1);
  tn_status s = check_square(call->ctx, a);
  if (s != TN_OK) return s;
  if (n == 0) {
    const int64_t order = a->sizes[a->ndim - 1];
    tn_tensor *eye = tn__identity_like(&e, a, order, order);
    call->out[0] = tn__keep(&e, DO1(clone, tn__with_sizes(&e, TN_OP_expand, eye, a->ndim,
                                                          a->sizes)));
    return tn__eval_end(&e);
  }
  if (n < 0) a = DO1(inverse, a);
  else if (n == 1) a = DO1(clone, a);
  tn_tensor *result = NULL;
  if (a != NULL) e.status = positive_power(call->ctx, a, (uint64_t)(n < 0 ? -n : n), &result);
  if (e.status == TN_OK) call->out[0] = result;
  else tn_tensor_release(result);
  return tn__eval_end(&e);
}

const tn_op tn__op_matrix_power = {
    .name = "matrix_power", .lua = "matrix_power", .args = "T a; i n", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = matrix_power_compose,
    .doc = "A square matrix to a whole power; a negative one is that of the inverse."};

/* -- matrix_exp: scaling and squaring, Higham 2005, doi:10.1137/04061101X ---------------------- */

/* Below this norm the approximant of order 13 is exact to double's rounding error. */
#define THETA_13 5.371920351148152

/* How many times a is to be halved: by the greatest column sum in the batch. */
static int halvings(tn_eval *ep, tn_tensor *a) {
  tn_eval e = *ep;
  bool was = tn_set_grad_enabled(e.ctx, false);
  tn_tensor *norm = DO1(max, tn__with_dim(&e, TN_OP_sum, DO1(abs, a), -2));
  tn_set_grad_enabled(e.ctx, was);
  *ep = e;
  double value = norm != NULL ? tn_tensor_get(norm, 0) : 0;
  return value > THETA_13 && isfinite(value) ? (int)ceil(log2(value / THETA_13)) : 0;
}

/* x + factor y */
static tn_tensor *plus(tn_eval *e, tn_tensor *x, double factor, tn_tensor *y) {
  tn_attrs attrs = {.f = {factor}};
  return tn__do(e, TN_OP_add, &attrs, 2, (tn_tensor *[]){x, y});
}

/* a A2 + b A4 + c A6 */
static tn_tensor *even_sum(tn_eval *e, tn_tensor *const *power, double a, double b, double c) {
  return plus(e, plus(e, tn__scaled(e, power[0], a), b, power[1]), c, power[2]);
}

/* The quotient of polynomials of degree 13 that is nearest to the exponential at 0. */
static tn_tensor *approximant(tn_eval *ep, tn_tensor *a) {
  static const double b[14] = {
      64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800.,
      129060195264000.,   10559470521600.,    670442572800.,     33522128640.,
      1323241920.,        40840800.,          960960.,           16380.,
      182.,               1.};
  tn_eval e = *ep;
  const int64_t n = a->sizes[a->ndim - 1];
  tn_tensor *eye = tn__identity_like(&e, a, n, n), *power[3];
  power[0] = tn__product(&e, a, a);
  power[1] = tn__product(&e, power[0], power[0]);
  power[2] = tn__product(&e, power[1], power[0]);
  tn_tensor *odd = tn__product(&e, power[2], even_sum(&e, power, b[9], b[11], b[13]));
  odd = plus(&e, DO2(add, odd, even_sum(&e, power, b[3], b[5], b[7])), b[1], eye);
  odd = tn__product(&e, a, odd);
  tn_tensor *even = tn__product(&e, power[2], even_sum(&e, power, b[8], b[10], b[12]));
  even = plus(&e, DO2(add, even, even_sum(&e, power, b[2], b[4], b[6])), b[0], eye);
  tn_tensor *r = DO2(solve, DO2(sub, even, odd), DO2(add, even, odd));
  *ep = e;
  return r;
}

static tn_tensor *converted(tn_eval *e, tn_tensor *x, tn_dtype dtype) {
  tn_attrs attrs = {.i = {dtype}, .ni = 1};
  return tn__do(e, TN_OP_to, &attrs, 1, &x);
}

static tn_status matrix_exp_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0];
  const tn_dtype dtype = (tn_dtype)a->dtype;
  const bool half = dtype == TN_F16 || dtype == TN_BF16;
  e.status = tn__linalg_check(call->ctx, a, true);
  if (e.status == TN_OK && tn__numel(a) == 0) {
    call->out[0] = tn__keep(&e, DO1(clone, a));
    return tn__eval_end(&e);
  }
  if (half) a = converted(&e, a, TN_F32);
  int squares = e.status == TN_OK && a != NULL ? halvings(&e, a) : 0;
  if (squares > 0) a = tn__scaled(&e, a, ldexp(1, -squares));
  tn_tensor *r = e.status == TN_OK && a != NULL ? approximant(&e, a) : NULL;
  tn_tensor *result = tn__keep(&e, r);
  while (result != NULL && squares-- > 0 && e.status == TN_OK) {
    e.status = multiply_by(call->ctx, &result, result);
  }
  if (half && result != NULL) {
    tn_tensor *wide = result;
    result = tn__keep(&e, converted(&e, wide, dtype));
    tn_tensor_release(wide);
  }
  if (e.status == TN_OK) call->out[0] = result;
  else tn_tensor_release(result);
  return tn__eval_end(&e);
}

const tn_op tn__op_matrix_exp = {
    .name = "matrix_exp", .lua = "matrix_exp", .args = "T a", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = matrix_exp_compose,
    .doc = "Exponential of a square matrix: the sum of a^k / k!."};

/* -- inner, kron, vander ----------------------------------------------------------------------- */

static tn_status misfit(tn_ctx *ctx, const char *what, const tn_tensor *a, const tn_tensor *b) {
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  return tn_fail(ctx, TN_ESHAPE, "%s, got sizes %s and %s", what,
                 tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
}

/* One row for each vector along the last dimension. */
static tn_tensor *rows_of(tn_eval *e, tn_tensor *x) {
  int64_t k = x->sizes[x->ndim - 1], rows = 1;
  for (int d = 0; d + 1 < x->ndim; d++) rows *= x->sizes[d];
  return tn__reshaped(e, x, 2, (int64_t[]){rows, k});
}

static tn_status inner_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1], *r;
  int64_t sizes[2 * TN_MAX_DIMS];
  int ndim = 0;
  if (a->ndim == 0 || b->ndim == 0) {
    r = DO2(mul, a, b);
  } else if (a->sizes[a->ndim - 1] != b->sizes[b->ndim - 1]) {
    return misfit(call->ctx, "last dimensions of one size expected", a, b);
  } else if (a->ndim + b->ndim - 2 > TN_MAX_DIMS) {
    return misfit(call->ctx, "the result has too many dimensions", a, b);
  } else {
    for (int d = 0; d + 1 < a->ndim; d++) sizes[ndim++] = a->sizes[d];
    for (int d = 0; d + 1 < b->ndim; d++) sizes[ndim++] = b->sizes[d];
    r = ndim == 0 ? DO2(dot, a, b)
                  : tn__reshaped(&e, DO2(mm, rows_of(&e, a), DO1(transpose, rows_of(&e, b))), ndim,
                                 sizes);
  }
  call->out[0] = tn__keep(&e, r);
  return tn__eval_end(&e);
}

const tn_op tn__op_inner = {
    .name = "inner", .lua = "inner", .args = "T a; T b", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .low = -2, .high = 2,
    .compose = inner_compose,
    .doc = "Sums of products along the last dimensions, for each vector of a and each of b."};

/* a as (a1, 1, a2, 1, ...) times b as (1, b1, 1, b2, ...). */
static tn_status kron_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1];
  const int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  int64_t sa[2 * TN_MAX_DIMS], sb[2 * TN_MAX_DIMS], sizes[TN_MAX_DIMS];
  if (2 * ndim > TN_MAX_DIMS) return misfit(call->ctx, "at most 4 dimensions expected", a, b);
  for (int d = 0; d < ndim; d++) {
    int64_t na = d < ndim - a->ndim ? 1 : a->sizes[d - ndim + a->ndim];
    int64_t nb = d < ndim - b->ndim ? 1 : b->sizes[d - ndim + b->ndim];
    sa[2 * d] = na, sa[2 * d + 1] = 1;
    sb[2 * d] = 1, sb[2 * d + 1] = nb;
    if (__builtin_mul_overflow(na, nb, &sizes[d])) {
      return misfit(call->ctx, "the result is too large", a, b);
    }
  }
  tn_tensor *product = DO2(mul, tn__reshaped(&e, a, 2 * ndim, sa),
                           tn__reshaped(&e, b, 2 * ndim, sb));
  call->out[0] = tn__keep(&e, tn__reshaped(&e, product, ndim, sizes));
  return tn__eval_end(&e);
}

const tn_op tn__op_kron = {
    .name = "kron", .lua = "kron", .args = "T a; T b", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .compose = kron_compose,
    .doc = "Kronecker product: each element of a times all of b."};

/* Twice as many columns at a time: (M x^k, M), *have being k, how many there are, and *power x^k.
 * What is given up for something new is released. */
static tn_status twice_as_many(tn_ctx *ctx, tn_tensor **all, tn_tensor **power, int64_t *have,
                               bool increasing) {
  tn_eval e = tn__eval_begin(ctx);
  tn_attrs last = {.i = {-1}, .ni = 1};
  tn_tensor *raised = *have > 1 ? DO1(square, *power) : *power, *more = DO2(mul, *all, raised);
  tn_tensor *both[2] = {increasing ? *all : more, increasing ? more : *all};
  tn_tensor *wider = tn__keep(&e, tn__do(&e, TN_OP_cat, &last, 2, both));
  raised = tn__keep(&e, raised);
  if (e.status == TN_OK) {
    tn_tensor_release(*all);
    tn_tensor_release(*power);
    *all = wider;
    *power = raised;
    *have *= 2;
  } else {
    tn_tensor_release(wider);
    tn_tensor_release(raised);
  }
  return tn__eval_end(&e);
}

static tn_status vander_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  if (x->ndim == 0) return tn_fail(call->ctx, TN_ESHAPE, "a vector expected, got one number");
  int64_t n = tn__int(call->attrs, 0, x->sizes[x->ndim - 1]);
  const bool increasing = tn__int(call->attrs, 1, 0) != 0;
  if (n < 0) {
    return tn_fail(call->ctx, TN_EARG, "a number of columns expected, got %lld", (long long)n);
  }
  tn_tensor *power = tn__with_dim(&e, TN_OP_unsqueeze, x, -1);
  tn_meta meta;
  if (power == NULL) return tn__eval_end(&e);
  tn__meta_of(&meta, power);
  tn_tensor *all = DO2(add, tn__zeros(&e, &meta), tn__constant(&e, 1));
  int64_t have = 1, count;
  meta.sizes[meta.ndim - 1] = n;
  if (e.status == TN_OK) {
    e.status = tn__count(call->ctx, meta.ndim, meta.sizes, tn__item_size(meta.dtype), &count);
  }
  all = tn__keep(&e, all);
  power = tn__keep(&e, power);
  while (have < n && e.status == TN_OK) {
    e.status = twice_as_many(call->ctx, &all, &power, &have, increasing);
  }
  tn_attrs part = {.i = {-1, increasing ? 0 : have - n, n}, .ni = 3};
  call->out[0] = tn__keep(&e, DO1(clone, tn__do(&e, TN_OP_narrow, &part, 1, &all)));
  tn_tensor_release(all);
  tn_tensor_release(power);
  return tn__eval_end(&e);
}

const tn_op tn__op_vander = {
    .name = "vander", .lua = "vander", .args = "T x; i? n; b increasing=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .compose = vander_compose,
    .doc = "Powers of a vector's elements as columns, n of them, the highest first."};
