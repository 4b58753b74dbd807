/* statistics.c -- statistics and norms made of other operations. */
#include <math.h>

#include "tensor/eval.h"

#define ROW(name_, lua_, args_, flags_, nout_, low_, no_grad_, doc_)                              \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .args = args_, .convention = 'C', .flags = flags_,             \
      .nout = nout_, .low = low_, .high = 2, .compose = name_##_compose, .no_grad = no_grad_,     \
      .doc = doc_};

#define NUMBERS TN_FLOATS | TN_INTEGERS | TN_NUMBER

static tn_status give(tn_call *call, tn_eval *e, tn_tensor *result) {
  call->out[0] = tn__keep(e, result);
  return tn__eval_end(e);
}

static bool is_float(const tn_tensor *t) { return tn_dtype_is_float((tn_dtype)t->dtype); }

static tn_tensor *to_dtype(tn_eval *e, tn_tensor *x, tn_dtype dtype) {
  tn_attrs to = {.i = {dtype}, .ni = 1};
  return x == NULL || x->dtype == dtype ? x : tn__do(e, TN_OP_to, &to, 1, &x);
}

/* -- Counts and sums of what is a number: attrs as those of sum -------------------------------- */

static tn_status count_nonzero_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *hit = DO2(ne, call->in[0], tn__constant(&e, 0));
  return give(call, &e, tn__do(&e, TN_OP_sum, call->attrs, 1, &hit));
}

static tn_tensor *without_nan(tn_eval *ep, tn_tensor *x) {
  tn_eval e = *ep;
  tn_tensor *r = is_float(x) ? DO3(where, DO1(isnan, x), tn__constant(&e, 0), x) : x;
  *ep = e;
  return r;
}

static tn_status nansum_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = without_nan(&e, call->in[0]);
  return give(call, &e, tn__do(&e, TN_OP_sum, call->attrs, 1, &x));
}

static tn_status nanmean_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *filled = without_nan(&e, x);
  if (!is_float(x)) return give(call, &e, tn__do(&e, TN_OP_mean, call->attrs, 1, &x));
  tn_tensor *counted = DO2(eq, x, x);
  tn_tensor *sum = tn__do(&e, TN_OP_sum, call->attrs, 1, &filled);
  tn_tensor *count = tn__do(&e, TN_OP_sum, call->attrs, 1, &counted);
  return give(call, &e, DO2(div, sum, count));
}

ROW(count_nonzero, "count_nonzero", "T x; d? dim; b keepdim=1", NUMBERS, 1, -2, "a count",
    "How many elements differ from 0, along dimensions or of all.")
ROW(nansum, "nansum", "T x; d? dim; b keepdim=1", NUMBERS, 1, -2, NULL,
    "Sum of those elements that are numbers.")
ROW(nanmean, "nanmean", "T x; d? dim; b keepdim=1", NUMBERS, 1, -2, NULL,
    "Mean of those elements that are numbers.")

/* -- Deviation and mean ------------------------------------------------------------------------ */

static tn_status with_mean(tn_call *call, tn_opcode code) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  tn_attrs mean = {.i = {tn__int(call->attrs, 0, TN_NONE), tn__int(call->attrs, 2, 1)}, .ni = 2};
  call->out[0] = tn__keep(&e, tn__do(&e, code, call->attrs, 1, &x));
  call->out[1] = tn__keep(&e, tn__do(&e, TN_OP_mean_dims, &mean, 1, &x));
  return tn__eval_end(&e);
}

static tn_status var_mean_compose(tn_call *call) { return with_mean(call, TN_OP_var_dims); }
static tn_status std_mean_compose(tn_call *call) { return with_mean(call, TN_OP_std_dims); }

#define SPREAD "T x; m? dim; b biased=0; b keepdim=1; i correction=1"
ROW(var_mean, "var_mean", SPREAD, TN_FLOATS | TN_NUMBER, 2, -2, NULL, "Variance and mean.")
ROW(std_mean, "std_mean", SPREAD, TN_FLOATS | TN_NUMBER, 2, -2, NULL,
    "Standard deviation and mean.")

/* Rows are variables, columns observations; a vector is one variable. i[0] is the correction. */
static tn_tensor *covariance(tn_eval *ep, tn_call *call) {
  tn_eval e = *ep;
  tn_tensor *x = call->in[0];
  if (x->ndim > 2) {
    e.status = tn_fail(call->ctx, TN_ESHAPE, "a matrix or a vector expected, got %d dimensions",
                       x->ndim);
  }
  if (!is_float(x)) x = to_dtype(&e, x, (tn_dtype)call->ctx->default_dtype);
  const int64_t rows = call->in[0]->ndim == 2 ? call->in[0]->sizes[0] : 1;
  const int64_t n = tn__numel(call->in[0]) / (rows > 0 ? rows : 1);
  if (call->in[0]->ndim < 2) x = tn__reshaped(&e, x, 2, (int64_t[]){1, n});
  tn_tensor *centred = DO2(sub, x, tn__with_dim(&e, TN_OP_mean, x, 1));
  tn_tensor *product = DO2(mm, centred, tn__with_two(&e, TN_OP_transpose, centred, 0, 1));
  const double freedom = (double)n - (double)tn__int(call->attrs, 0, 1);
  tn_tensor *r = tn__scaled(&e, product, 1 / (freedom > 0 ? freedom : 0));
  *ep = e;
  return r;
}

static tn_status give_matrix(tn_call *call, tn_eval *e, tn_tensor *c) {
  return give(call, e, call->in[0]->ndim < 2 ? tn__reshaped(e, c, 0, NULL) : c);
}

static tn_status cov_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give_matrix(call, &e, covariance(&e, call));
}

static tn_status corrcoef_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *c = covariance(&e, call), *root = NULL;
  if (c != NULL) {
    const int64_t n = c->sizes[0];
    root = DO1(sqrt, tn__with_dim(&e, TN_OP_diag, c, 0));
    root = DO2(mul, tn__reshaped(&e, root, 2, (int64_t[]){n, 1}),
               tn__reshaped(&e, root, 2, (int64_t[]){1, n}));
  }
  tn_attrs unit = {.f = {-1, 1}};
  tn_tensor *r = DO2(div, c, root);
  return give_matrix(call, &e, tn__do(&e, TN_OP_clamp, &unit, 1, &r));
}

ROW(cov, "cov", "T x; i correction=1", TN_FLOATS | TN_INTEGERS | TN_NUMBER, 1, -2, NULL,
    "Covariances of the variables in a matrix's rows, whose columns are observations.")
ROW(corrcoef, "corrcoef", "T x", TN_FLOATS | TN_INTEGERS | TN_NUMBER, 1, -2, NULL,
    "Correlations of the variables in a matrix's rows, whose columns are observations.")

/* -- Distances, traces, products, limits of norms ---------------------------------------------- */

static tn_status dist_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs norm = {.f = {call->attrs->f[0]}, .i = {TN_NONE, 1}, .ni = 2};
  tn_tensor *gap = DO2(sub, call->in[0], call->in[1]);
  return give(call, &e, tn__do(&e, TN_OP_norm, &norm, 1, &gap));
}

static tn_status trace_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs all = {.i = {TN_NONE, 1}, .ni = 2};
  if (call->in[0]->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "a matrix expected, got %d dimensions",
                   call->in[0]->ndim);
  }
  tn_tensor *diagonal = tn__with_dim(&e, TN_OP_diag, call->in[0], 0);
  return give(call, &e, tn__do(&e, TN_OP_sum, &all, 1, &diagonal));
}

/* The elements of a dimension of size 3 in the order first, second, third. */
static tn_tensor *turned(tn_eval *e, tn_tensor *x, int dim, int first, int second, int third) {
  tn_tensor *order = NULL;
  tn_attrs attrs = {.i = {dim}, .ni = 1};
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_new(e->ctx, &order, TN_I64, 1, (int64_t[]){3});
  if (e->status != TN_OK) return NULL;
  const int at[] = {first, second, third};
  for (int k = 0; k < 3; k++) tn_tensor_put(order, k, at[k] + e->ctx->index_base);
  tn__temp(e, order);
  return tn__do(e, TN_OP_index, &attrs, 2, (tn_tensor *[]){x, order});
}

/* a x b = (a2 b3 - a3 b2, a3 b1 - a1 b3, a1 b2 - a2 b1) */
static tn_status cross_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1];
  int dim = 0;
  int64_t wanted = tn__int(call->attrs, 0, TN_NONE);
  tn_status s = TN_OK;
  if (wanted != TN_NONE) s = tn__dim(call->ctx, wanted, a->ndim, &dim);
  else while (dim < a->ndim && a->sizes[dim] != 3) dim++;
  if (s == TN_OK && (a->ndim != b->ndim || dim == a->ndim || a->sizes[dim] != 3 ||
                     b->sizes[dim] != 3)) {
    char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
    s = tn_fail(call->ctx, TN_ESHAPE, "a dimension of size 3 expected: %s and %s",
                tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
  }
  if (s != TN_OK) return s;
  tn_tensor *forth = DO2(mul, turned(&e, a, dim, 1, 2, 0), turned(&e, b, dim, 2, 0, 1));
  tn_tensor *back = DO2(mul, turned(&e, a, dim, 2, 0, 1), turned(&e, b, dim, 1, 2, 0));
  return give(call, &e, DO2(sub, forth, back));
}

/* f[0] p, f[1] the greatest norm; i[0] the dimension whose slices are limited. */
static tn_status renorm_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0];
  const double p = call->attrs->f[0], most = call->attrs->f[1];
  int dim;
  tn_status s = tn__dim(call->ctx, call->attrs->i[0], x->ndim, &dim);
  if (s != TN_OK) return s;
  if (x->ndim < 2) return tn_fail(call->ctx, TN_ESHAPE, "at least two dimensions expected");
  if (!(p > 0) || !(most >= 0)) {
    return tn_fail(call->ctx, TN_EARG, "a positive p and a limit not below 0 expected");
  }
  const int64_t others = (((int64_t)1 << x->ndim) - 1) & ~((int64_t)1 << dim);
  tn_attrs norm = {.f = {p}, .i = {TN_DIM_SET(others), 1}, .ni = 2};
  tn_tensor *n = tn__do(&e, TN_OP_norm_dims, &norm, 1, &x), *limit = tn__constant(&e, most);
  tn_tensor *scale = DO2(div, limit, DO2(add, n, tn__constant(&e, 1e-7)));
  scale = DO3(where, DO2(gt, n, limit), scale, tn__constant(&e, 1));
  return give(call, &e, DO2(mul, x, scale));
}

ROW(dist, "dist", "T a; T b; n p=2", TN_FLOATS | TN_NUMBER, 1, 0.3, NULL, "The p-norm of a - b.")
ROW(trace, "trace", "T x", NUMBERS, 1, -2, NULL, "Sum of a matrix's diagonal.")
ROW(cross, "cross", "T a; T b; d? dim", TN_FLOATS | TN_INTEGERS, 1, -2, NULL,
    "Cross products along a dimension of size 3, the first such one unless another is named.")
const tn_op tn__op_renorm = {
    .name = "renorm", .lua = "renorm", .args = "T x; n p; d dim; n maxnorm", .convention = 'A',
    .flags = TN_FLOATS, .nout = 1, .low = 0.3, .high = 2, .compose = renorm_compose,
    .doc = "x with those slices of a dimension scaled down whose p-norm is above maxnorm."};

/* -- Differences, orders ----------------------------------------------------------------------- */

static tn_status diff_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *parts[3], *x = call->in[0];
  const int64_t times = tn__int(call->attrs, 0, 1);
  int dim, count = 0;
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 1, -1), x->ndim, &dim);
  if (s != TN_OK) return s;
  if (times < 0) return tn_fail(call->ctx, TN_EARG, "cannot be taken %lld times", (long long)times);
  if (call->nin > 1 && call->in[1] != NULL) parts[count++] = call->in[1];
  parts[count++] = x;
  if (call->nin > 2 && call->in[2] != NULL) parts[count++] = call->in[2];
  tn_attrs along = {.i = {dim}, .ni = 1};
  if (count > 1) x = tn__do(&e, TN_OP_cat, &along, count, parts);
  for (int64_t k = 0; k < times && x != NULL && x->sizes[dim] > 0; k++) {
    const int64_t n = x->sizes[dim] - 1;
    tn_attrs before = {.i = {dim, 0, n}, .ni = 3}, after = {.i = {dim, 1, n}, .ni = 3};
    tn_tensor *a = tn__do(&e, TN_OP_narrow, &after, 1, &x);
    tn_tensor *b = tn__do(&e, TN_OP_narrow, &before, 1, &x);
    tn_tensor *next = x->dtype == TN_BOOL ? DO2(ne, a, b) : DO2(sub, a, b);
    /* only the last difference is needed: many times over would keep many temporaries */
    tn_tensor *kept = tn__keep(&e, next);
    tn_status status = tn__eval_end(&e);
    e = tn__eval_begin(call->ctx);
    e.status = status;
    x = kept != NULL ? tn__temp(&e, kept) : NULL;
  }
  if (x == call->in[0]) x = DO1(clone, x);
  return give(call, &e, x);
}

static tn_status argsort_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return give(call, &e, tn__do_output(&e, TN_OP_sort, call->attrs, 1, call->in, 1));
}

static tn_status msort_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs first = {.i = {0, 0}, .ni = 2};
  return give(call, &e, tn__do(&e, TN_OP_sort, &first, 1, call->in));
}

ROW(diff, "diff", "T x; i n=1; d? dim; T? prepend; T? append", TN_FLOATS | TN_INTEGERS, 1, -2, NULL,
    "Differences between neighbours along a dimension, the last one unless another is named, "
    "taken n times.")
ROW(argsort, "argsort", "T x; d? dim; b descending=0", TN_FLOATS | TN_INTEGERS, 1, -2,
    "positions do not change smoothly", "The indices that would sort x along a dimension.")
ROW(msort, "msort", "T x", TN_FLOATS | TN_INTEGERS, 1, -2, NULL,
    "x sorted along its first dimension.")

/* -- Quantiles --------------------------------------------------------------------------------- */

enum { LINEAR, LOWER, HIGHER, MIDPOINT, NEAREST };

/* x with its dimension last, or flattened; sorted, so that NaN stands last. */
static tn_tensor *sorted_last(tn_eval *e, tn_tensor *x, int dim) {
  tn_attrs along = {.i = {-1, 0}, .ni = 2};
  if (dim < 0) x = tn__reshaped(e, x, 1, (int64_t[]){tn__numel(x)});
  else x = tn__with_two(e, TN_OP_transpose, x, dim, x->ndim - 1);
  return tn__do(e, TN_OP_sort, &along, 1, &x);
}

/* Where, from 0, the quantiles stand among the sorted numbers: (..., quantiles), in float64. */
static tn_tensor *ranks(tn_eval *ep, tn_tensor *sorted, tn_tensor *q, bool leave_nan) {
  tn_eval e = *ep;
  tn_attrs last = {.i = {-1, 1}, .ni = 2};
  tn_tensor *numbers = DO2(eq, sorted, sorted);
  tn_tensor *count = to_dtype(&e, tn__do(&e, TN_OP_sum, &last, 1, &numbers), TN_F64);
  tn_tensor *top = DO2(sub, count, tn__constant(&e, 1));
  tn_tensor *rank = NULL;
  if (top != NULL) {
    const double n = (double)sorted->sizes[sorted->ndim - 1];
    tn_tensor *usual = DO2(mul, q, DO2(cmax, top, tn__constant(&e, 0)));
    tn_tensor *whole = DO2(eq, count, tn__constant(&e, n));
    rank = leave_nan ? usual : DO3(where, whole, usual, tn__constant(&e, n - 1));
  }
  *ep = e;
  return rank;
}

static tn_tensor *picked(tn_eval *ep, tn_tensor *sorted, tn_tensor *position) {
  tn_eval e = *ep;
  tn_attrs last = {.i = {-1}, .ni = 1};
  tn_tensor *index = to_dtype(&e, DO2(add, position, tn__constant(&e, e.ctx->index_base)), TN_I64);
  tn_tensor *r = tn__do(&e, TN_OP_gather, &last, 2, (tn_tensor *[]){sorted, index});
  *ep = e;
  return r;
}

static tn_tensor *interpolated(tn_eval *ep, tn_tensor *sorted, tn_tensor *rank, int64_t how) {
  tn_eval e = *ep;
  tn_tensor *low = DO1(floor, rank), *high = DO1(ceil, rank), *r;
  if (how == LOWER) {
    r = picked(&e, sorted, low);
  } else if (how == HIGHER) {
    r = picked(&e, sorted, high);
  } else if (how == NEAREST) {
    r = picked(&e, sorted, DO1(round, rank));
  } else {
    tn_tensor *part = how == MIDPOINT ? tn__scaled(&e, DO2(ne, low, high), 0.5)
                                      : DO2(sub, rank, low);
    tn_tensor *a = picked(&e, sorted, low), *b = picked(&e, sorted, high);
    if (a != NULL && part != NULL) part = to_dtype(&e, part, (tn_dtype)a->dtype);
    /* equal ends need no way between them, which infinities do not have */
    tn_tensor *way = DO3(where, DO2(eq, a, b), tn__constant(&e, 0), DO2(sub, b, a));
    r = DO2(add, a, DO2(mul, part, way));
  }
  *ep = e;
  return r;
}

/* The probabilities as a vector of float64, each known to lie in [0, 1]. */
static tn_tensor *probabilities(tn_eval *e, tn_call *call) {
  tn_tensor *q = call->in[1];
  if (q->ndim > 1) {
    e->status = tn_fail(call->ctx, TN_ESHAPE, "q: a number or a vector expected");
    return NULL;
  }
  for (int64_t i = 0, n = tn__numel(q); i < n; i++) {
    const double v = tn_tensor_get(q, i);
    if (v >= 0 && v <= 1) continue;
    e->status = tn_fail(call->ctx, TN_EARG, "q must lie in [0, 1], got %g", v);
    return NULL;
  }
  tn_tensor *wide = NULL;
  e->status = tn_tensor_to(call->ctx, &wide, q, call->in[0]->storage->device, TN_F64);
  if (e->status != TN_OK) return NULL;
  tn__temp(e, wide);
  return tn__reshaped(e, wide, 1, (int64_t[]){tn__numel(q)});
}

static tn_status quantiles(tn_call *call, bool leave_nan) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *q = call->in[1];
  const int64_t wanted = tn__int(call->attrs, 0, TN_NONE);
  const bool keep = tn__int(call->attrs, 1, 1) != 0, many = q->ndim == 1;
  int64_t sizes[TN_MAX_DIMS];
  int dim = -1, ndim = 0;
  tn_status s = TN_OK;
  if (wanted != TN_NONE) s = tn__dim(call->ctx, wanted, x->ndim, &dim);
  if (s == TN_OK && (dim < 0 ? tn__numel(x) : x->sizes[dim]) == 0) {
    s = tn_fail(call->ctx, TN_ESHAPE, "what is empty has no quantiles");
  }
  if (s == TN_OK && many && x->ndim == TN_MAX_DIMS) {
    s = tn_fail(call->ctx, TN_ESHAPE, "several quantiles would need a dimension more");
  }
  if (s != TN_OK) return s;
  if (many) sizes[ndim++] = tn__numel(q);
  for (int d = 0; dim >= 0 && d < x->ndim; d++) {
    if (d != dim) sizes[ndim++] = x->sizes[d];
    else if (keep) sizes[ndim++] = 1;
  }
  if (!is_float(x)) x = to_dtype(&e, x, (tn_dtype)call->ctx->default_dtype);
  q = probabilities(&e, call);
  if (x == NULL || q == NULL) return tn__eval_end(&e);
  tn_tensor *sorted = sorted_last(&e, x, dim);
  tn_tensor *rank = sorted != NULL ? ranks(&e, sorted, q, leave_nan) : NULL;
  tn_tensor *r = rank != NULL ? interpolated(&e, sorted, rank, tn__int(call->attrs, 2, 0)) : NULL;
  /* (..., moved, ..., quantiles) to (quantiles, ..., reduced, ...) */
  if (r != NULL && dim >= 0) {
    tn_attrs order = {.ni = r->ndim};
    const int last = r->ndim - 1;
    order.i[0] = last;
    for (int d = 0, to = 1; d < r->ndim; d++) {
      if (d != dim) order.i[to++] = d == last ? dim : d;
    }
    r = tn__do(&e, TN_OP_permute, &order, 1, &r);
  }
  return give(call, &e, tn__reshaped(&e, r, ndim, sizes));
}

static tn_status quantile_compose(tn_call *call) { return quantiles(call, false); }
static tn_status nanquantile_compose(tn_call *call) { return quantiles(call, true); }

#define QUANTILE                                                                                  \
  "T x; X q; d? dim; b keepdim=1; w interpolation=linear,lower,higher,midpoint,nearest"
ROW(quantile, "quantile", QUANTILE, TN_FLOATS | TN_INTEGERS | TN_NUMBER, 1, -2, NULL,
    "The elements below which the parts q of all lie, or of those along a dimension; several q "
    "give a first dimension more.")
ROW(nanquantile, "nanquantile", QUANTILE, TN_FLOATS | TN_INTEGERS | TN_NUMBER, 1, -2, NULL,
    "quantile of what is a number.")
