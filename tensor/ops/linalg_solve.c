/* linalg_solve.c -- systems of equations: by LU factors, by triangles, and what follows from them:
 * inverse, determinants. */
#include <math.h>

#include "tensor/ops/linalg.h"

#define SINGULAR "the matrix is singular: pivot %d is 0"

/* -- gesv: X of A X = B, and A's LU factors ---------------------------------------------------- */

static tn_status fit(tn_ctx *ctx, const tn_tensor *b, const tn_tensor *a) {
  tn_status s = tn__linalg_check(ctx, a, true);
  if (s == TN_OK) s = tn__linalg_check(ctx, b, false);
  if (s == TN_OK) s = tn__linalg_same_batch(ctx, a, b);
  return s == TN_OK ? tn__linalg_rows(ctx, a, b) : s;
}

static tn_status lu_solve_shape(tn_call *call) {
  const tn_tensor *b = call->in[0], *a = call->in[1];
  tn_status s = fit(call->ctx, b, a);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], b);
  tn__meta_of(&call->meta[1], a);
  return s;
}

static int lu_solve_one(const tn_linalg *job, int64_t i) {
  int32_t *pivots = tn__columns_at(&job->c, i);
  void *lu = tn__columns_at(&job->a, i);
  int result = tn__lapack_lu(job->wide, job->n, job->n, lu, pivots);
  if (result != 0) return result;
  return tn__lapack_lu_solve(job->wide, false, job->n, job->right, lu, pivots,
                             tn__columns_at(&job->b, i));
}

static double cube(double n) { return n * n * n; }

static tn_status lu_solve_run(tn_call *call) {
  tn_tensor *b = call->in[0], *a = call->in[1];
  tn_linalg job = tn__linalg_begin(call->ctx, a);
  job.right = b->sizes[b->ndim - 1];
  tn_status s = tn__columns_read(&job, &job.a, a, job.n, job.n);
  if (s == TN_OK) s = tn__columns_read(&job, &job.b, b, job.n, job.right);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, TN_I32, job.n, 1);
  if (s == TN_OK) s = tn__linalg_run(&job, cube((double)job.n), lu_solve_one, SINGULAR);
  if (s == TN_OK) tn__columns_write(call, 0, &job.b);
  if (s == TN_OK) tn__columns_write(call, 1, &job.a);
  return tn__linalg_end(&job, s);
}

/* dB solves A' dB = dX; dA = -dB X'. */
static tn_status lu_solve_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *db = DO2(solve_lu, g->dout[0], tn__turned(&e, g->in[1]));
  if (g->need[0]) g->din[0] = tn__keep(&e, db);
  if (g->need[1]) {
    g->din[1] = tn__keep(&e, DO1(neg, tn__product(&e, db, tn__turned(&e, g->out[0]))));
  }
  return tn__eval_end(&e);
}

/* Behind gesv and solve. */
const tn_op tn__op_solve_lu = {
    .name = "solve_lu", .args = "T b; T a", .convention = 'N', .flags = TN_FLOATS, .nout = 2,
    .fixed = 2, .saves = TN_SAVE_B | TN_SAVE_Y, .shape = lu_solve_shape, .run = lu_solve_run,
    .grad = lu_solve_grad, .doc = "Solves A X = B."};

/* As one column, where Torch7 takes a vector for the right side. */
static tn_tensor *right_side(tn_eval *e, tn_tensor *b) {
  return b->ndim == 1 ? tn__with_dim(e, TN_OP_unsqueeze, b, 1) : b;
}

static tn_status gesv_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *b = right_side(&e, call->in[0]), *out[TN_MAX_OUTPUTS] = {NULL};
  if (e.status == TN_OK) {
    e.status = tn_apply(call->ctx, TN_OP_solve_lu, 2, (tn_tensor *[]){b, call->in[1]}, NULL, out);
  }
  call->out[0] = out[0];
  call->out[1] = out[1];
  return tn__eval_end(&e);
}

const tn_op tn__op_gesv = {
    .name = "gesv", .lua = "gesv", .args = "T b; T a", .convention = 'C', .flags = TN_FLOATS,
    .nout = 2, .low = -2, .high = 2, .compose = gesv_compose,
    .doc = "The x of a x = b, and the LU factors of a."};

/* Is b a vector, or a batch of them, beside the matrices a? */
static bool is_vector(const tn_tensor *a, const tn_tensor *b) {
  if (b->ndim == 1) return true;
  return b->ndim == a->ndim - 1 &&
         memcmp(a->sizes, b->sizes, sizeof(int64_t) * b->ndim) == 0;
}

static tn_status solve_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1];
  e.status = tn__linalg_check(call->ctx, a, true);
  bool vector = e.status == TN_OK && is_vector(a, b);
  if (vector) b = tn__with_dim(&e, TN_OP_unsqueeze, b, -1);
  if (e.status == TN_OK) e.status = tn__linalg_check(call->ctx, b, false);
  tn__same_batch_of(&e, &a, &b);
  tn_tensor *x = DO2(solve_lu, b, a);
  if (vector) x = tn__with_dim(&e, TN_OP_squeeze, x, -1);
  call->out[0] = tn__keep(&e, x);
  return tn__eval_end(&e);
}

const tn_op tn__op_solve = {
    .name = "solve", .lua = "solve", .args = "T a; T b", .convention = 'C', .flags = TN_FLOATS,
    .nout = 1, .low = -2, .high = 2, .compose = solve_compose,
    .doc = "The x of a x = b, for matrices or batches of them; b may hold vectors."};

/* -- inverse ----------------------------------------------------------------------------------- */

static tn_status square_shape(tn_call *call) {
  tn_status s = tn__linalg_check(call->ctx, call->in[0], true);
  return s == TN_OK ? tn__shape_same(call) : s;
}

static int inverse_one(const tn_linalg *job, int64_t i) {
  return tn__lapack_inverse(job->wide, job->n, tn__columns_at(&job->a, i),
                            tn__columns_at(&job->b, i));
}

/* t with rows and columns exchanged, which are as many. */
static tn_tensor turned_square(const tn_tensor *t) {
  tn_tensor view = *t;
  view.strides[t->ndim - 1] = t->strides[t->ndim - 2];
  view.strides[t->ndim - 2] = t->strides[t->ndim - 1];
  return view;
}

/* The transpose's inverse is the inverse's transpose: so nothing need be turned over on its way to
 * a storage by columns and back. */
static tn_status inverse_run(tn_call *call) {
  tn_tensor *result = call->out[0];
  tn_tensor a = turned_square(call->in[0]), x = turned_square(result);
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = tn__columns_read(&job, &job.a, &a, job.n, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.b, job.type, job.n, job.n);
  if (s == TN_OK) s = tn__linalg_run(&job, cube((double)job.n), inverse_one, SINGULAR);
  if (s == TN_OK) {
    call->out[0] = &x;
    tn__columns_write(call, 0, &job.b);
    call->out[0] = result;
  }
  return tn__linalg_end(&job, s);
}

/* dA = -Y' dY Y'. */
static tn_status inverse_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *turned = tn__turned(&e, g->out[0]);
  tn_tensor *d = tn__product(&e, tn__product(&e, turned, g->dout[0]), turned);
  g->din[0] = tn__keep(&e, DO1(neg, d));
  return tn__eval_end(&e);
}

const tn_op tn__op_inverse = {
    .name = "inverse", .lua = "inverse", .aliases = "inv", .args = "T a", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_Y, .low = -2, .high = 2,
    .shape = square_shape, .run = inverse_run, .grad = inverse_grad,
    .doc = "Inverse of a square matrix, or of each one of a batch."};

/* -- LU factors -------------------------------------------------------------------------------- */

static int64_t least(const tn_linalg *job) { return job->m < job->n ? job->m : job->n; }

static tn_status lu_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, false);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], a);
  int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1];
  tn__linalg_meta(call, 1, a, m < n ? m : n, -1);
  call->meta[1].dtype = TN_I32;
  return s;
}

/* A pivot of zero is no failure here. */
static int lu_one(const tn_linalg *job, int64_t i) {
  int result = tn__lapack_lu(job->wide, job->m, job->n, tn__columns_at(&job->a, i),
                             tn__columns_at(&job->c, i));
  return result > 0 ? 0 : result;
}

static tn_status lu_factors(tn_linalg *job, tn_tensor *a) {
  tn_status s = tn__columns_read(job, &job->a, a, job->m, job->n);
  if (s == TN_OK) s = tn__columns_new(job, &job->c, TN_I32, least(job), 1);
  double work = (double)job->m * (double)job->n * (double)least(job);
  return s == TN_OK ? tn__linalg_run(job, work, lu_one, NULL) : s;
}

static tn_status lu_factor_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = lu_factors(&job, call->in[0]);
  if (s == TN_OK) tn__columns_write(call, 0, &job.a);
  if (s == TN_OK) tn__columns_write(call, 1, &job.c);
  return tn__linalg_end(&job, s);
}

/* dA = P L'^-1 (tril(L' dL, -1) + triu(dU U')) U'^-1, of square matrices; dL and dU are the parts
 * of what arrives. */
static tn_status lu_factor_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *lu = g->out[0], *d = g->dout[0];
  const int64_t m = lu->sizes[lu->ndim - 2], n = lu->sizes[lu->ndim - 1];
  if (m != n) {
    return tn_fail(g->ctx, TN_EGRAD, "LU factors have a gradient for square matrices only");
  }
  tn_tensor *eye = tn__identity_like(&e, lu, n, n);
  tn_tensor *lower = DO2(add, tn__lower_of(&e, lu, -1), eye);
  tn_tensor *left = tn__product(&e, tn__turned(&e, lower), tn__lower_of(&e, d, -1));
  left = tn__lower_of(&e, left, -1);
  tn_tensor *right = tn__upper_of(
      &e, tn__product(&e, tn__upper_of(&e, d, 0), tn__turned(&e, tn__upper_of(&e, lu, 0))), 0);
  tn_tensor *x = tn__triangle_solve(&e, lu, DO2(add, left, right), false, true, true);
  x = tn__turned(&e, tn__triangle_solve(&e, lu, tn__turned(&e, x), true, false, false));
  tn_tensor *p = DO2(pivot_matrix, lu, g->out[1]);
  g->din[0] = tn__keep(&e, tn__product(&e, p, x));
  return tn__eval_end(&e);
}

const tn_op tn__op_lu_factor = {
    .name = "lu_factor", .lua = "lu_factor", .aliases = "lu", .args = "T a", .convention = 'C',
    .flags = TN_FLOATS, .nout = 2, .fixed = 2, .saves = TN_SAVE_Y | TN_SAVE_Y2, .low = -2,
    .high = 2, .shape = lu_shape, .run = lu_factor_run, .grad = lu_factor_grad,
    .doc = "LU factors in one matrix (L below the diagonal, which is 1), and the rows' pivots."};

/* The permutation P of A = P L U out of pivots; in[0] gives type and sizes. */
static tn_status pivot_shape(tn_call *call) {
  const tn_tensor *lu = call->in[0], *pivots = call->in[1];
  tn_status s = tn__linalg_check(call->ctx, lu, false);
  if (s != TN_OK) return s;
  int64_t m = lu->sizes[lu->ndim - 2], n = lu->sizes[lu->ndim - 1], k = m < n ? m : n;
  if (tn_dtype_is_float((tn_dtype)pivots->dtype) || pivots->ndim != lu->ndim - 1 ||
      memcmp(pivots->sizes, lu->sizes, sizeof(int64_t) * (size_t)(lu->ndim - 2)) != 0 ||
      pivots->sizes[pivots->ndim - 1] != k) {
    char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "factors of size %s do not fit to pivots of size %s",
                   tn__shape_text(ta, lu->ndim, lu->sizes),
                   tn__shape_text(tb, pivots->ndim, pivots->sizes));
  }
  tn__linalg_meta(call, 0, lu, m, m);
  return s;
}

/* Row k of P' is the unit vector of where row k came from. */
static tn_status fill_permutation(tn_ctx *ctx, tn_tensor *p, int64_t first, int64_t m,
                                  const int64_t *pivots, int64_t count, int64_t *from) {
  for (int64_t k = 0; k < m; k++) from[k] = k;
  for (int64_t k = 0; k < count; k++) {
    if (pivots[k] < 1 || pivots[k] > m) {
      return tn_fail(ctx, TN_EINDEX, "pivot %lld is out of range for %lld rows",
                     (long long)pivots[k], (long long)m);
    }
    const int64_t row = from[k], other = pivots[k] - 1;
    from[k] = from[other];
    from[other] = row;
  }
  for (int64_t k = 0; k < m; k++) {
    tn__store(tn__data(p), (tn_dtype)p->dtype, first + from[k] * m + k, 1);
  }
  return TN_OK;
}

static tn_status pivot_run(tn_call *call) {
  const tn_tensor *lu = call->in[0];
  tn_tensor *out = call->out[0], *pivots = NULL, *from = NULL;
  int64_t m = lu->sizes[lu->ndim - 2];
  int64_t count = call->in[1]->sizes[call->in[1]->ndim - 1], batch = 1;
  for (int d = 0; d + 2 < lu->ndim; d++) batch *= lu->sizes[d];
  tn_status s = tn__contiguous_of(call->ctx, &pivots, call->in[1], TN_I64);
  if (s == TN_OK) s = tn_tensor_new(call->ctx, &from, TN_I64, 1, &m);
  if (s == TN_OK) s = tn__set_zero(call->ctx, out);
  for (int64_t i = 0; i < batch && s == TN_OK; i++) {
    s = fill_permutation(call->ctx, out, i * m * m, m, (int64_t *)tn__data(pivots) + i * count,
                         count, (int64_t *)tn__data(from));
  }
  tn_tensor_release(pivots);
  tn_tensor_release(from);
  return s;
}

const tn_op tn__op_pivot_matrix = {
    .name = "pivot_matrix", .args = "T lu; T pivots", .convention = 'N', .nout = 1,
    .shape = pivot_shape, .run = pivot_run, .no_grad = "a permutation has none",
    .doc = "The permutation that pivots stand for."};

static tn_status lu_unpack_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *lu = call->in[0], *p = DO2(pivot_matrix, lu, call->in[1]);
  if (e.status != TN_OK) return tn__eval_end(&e);
  const int last = lu->ndim - 1;
  const int64_t m = lu->sizes[last - 1], n = lu->sizes[last], k = m < n ? m : n;
  tn_attrs columns = {.i = {last, 0, k}, .ni = 3}, rows = {.i = {last - 1, 0, k}, .ni = 3};
  tn_tensor *lower = tn__do(&e, TN_OP_narrow, &columns, 1, &lu);
  tn_tensor *upper = tn__do(&e, TN_OP_narrow, &rows, 1, &lu);
  lower = DO2(add, tn__lower_of(&e, lower, -1), tn__identity_like(&e, lu, m, k));
  upper = tn__upper_of(&e, upper, 0);
  call->out[0] = tn__keep(&e, p);
  call->out[1] = tn__keep(&e, lower);
  call->out[2] = tn__keep(&e, upper);
  return tn__eval_end(&e);
}

const tn_op tn__op_lu_unpack = {
    .name = "lu_unpack", .lua = "lu_unpack", .args = "T lu; T pivots", .convention = 'C',
    .flags = 0, .nout = 3, .low = -2, .high = 2, .compose = lu_unpack_compose,
    .doc = "p, l and u of what lu_factor gives: p l u is the matrix."};

/* -- Determinants ------------------------------------------------------------------------------ */

static double element(const tn_columns *c, int64_t i, int64_t k) {
  return c->t->dtype == TN_F64 ? ((double *)tn__columns_at(c, i))[k]
                               : (double)((float *)tn__columns_at(c, i))[k];
}

/* The parts of matrix i's determinant: log |det| and its sign. */
static void log_det_of(const tn_linalg *job, int64_t i, double *log_abs, double *sign) {
  const int32_t *pivots = tn__columns_at(&job->c, i);
  *log_abs = 0;
  *sign = 1;
  for (int64_t k = 0; k < job->n; k++) {
    double u = element(&job->a, i, k * job->n + k);
    *log_abs += log(fabs(u));
    if (pivots[k] != k + 1) *sign = -*sign;
    *sign = u > 0 ? *sign : u < 0 ? -*sign : u; /* zero or no number */
  }
  if (*sign == 0) *sign = 0, *log_abs = -INFINITY;
}

static double det_of(const tn_linalg *job, int64_t i) {
  const int32_t *pivots = tn__columns_at(&job->c, i);
  double det = 1;
  for (int64_t k = 0; k < job->n; k++) {
    double u = element(&job->a, i, k * job->n + k);
    det *= pivots[k] != k + 1 ? -u : u;
  }
  return det;
}

static tn_status det_shape(tn_call *call) {
  tn_status s = tn__linalg_check(call->ctx, call->in[0], true);
  for (int i = 0; i < call->op->nout && s == TN_OK; i++) {
    tn__linalg_meta(call, i, call->in[0], 1, -1);
    call->meta[i].ndim--;
  }
  return s;
}

static tn_status det_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = lu_factors(&job, call->in[0]);
  for (int64_t i = 0; i < job.batch && s == TN_OK; i++) {
    tn_tensor *out = call->out[0];
    tn__store(tn__data(out), (tn_dtype)out->dtype, i, det_of(&job, i));
  }
  return tn__linalg_end(&job, s);
}

static tn_status log_det_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = lu_factors(&job, call->in[0]);
  for (int64_t i = 0; i < job.batch && s == TN_OK; i++) {
    double value[2];
    log_det_of(&job, i, &value[0], &value[1]);
    for (int k = 0; k < 2; k++) {
      tn__store(tn__data(call->out[k]), (tn_dtype)call->out[k]->dtype, i, value[k]);
    }
  }
  return tn__linalg_end(&job, s);
}

/* One for each matrix, (...), as (..., 1, 1). */
static tn_tensor *per_matrix(tn_eval *e, tn_tensor *t) {
  return tn__with_dim(e, TN_OP_unsqueeze, tn__with_dim(e, TN_OP_unsqueeze, t, -1), -1);
}

static bool has_zero(const tn_tensor *t) {
  for (int64_t i = 0, n = tn__numel(t); i < n; i++) {
    if (tn_tensor_get(t, i) == 0) return true;
  }
  return false;
}

/* The products of all singular values but one: of n - 1 of them by taking that one out. */
static tn_tensor *products_of_others(tn_eval *ep, tn_tensor *s) {
  tn_eval e = *ep;
  if (s == NULL) return NULL;
  const int64_t n = s->sizes[s->ndim - 1];
  tn_attrs last = {.i = {-1, 0}, .ni = 2};
  tn_tensor *eye = tn__identity_like(&e, s, n, n);
  tn_tensor *row = tn__with_dim(&e, TN_OP_unsqueeze, s, -2);
  /* (row with a 1 in place of element i) for each i */
  tn_tensor *without = DO2(sub, row, DO2(mul, eye, DO2(sub, row, tn__constant(&e, 1))));
  tn_tensor *product = tn__do(&e, TN_OP_prod, &last, 1, &without);
  *ep = e;
  return product;
}

/* The matrix of cofactors. Of A = U S V' it is det(U) det(V) U (products of the other values) V',
 * also where A is singular. */
static tn_tensor *cofactors(tn_eval *ep, tn_tensor *a) {
  tn_eval e = *ep;
  tn_tensor *u = tn__do_output(&e, TN_OP_svd, NULL, 1, &a, 0);
  tn_tensor *s = tn__do_output(&e, TN_OP_svd, NULL, 1, &a, 1);
  tn_tensor *v = tn__do_output(&e, TN_OP_svd, NULL, 1, &a, 2);
  tn_tensor *inner = tn__scale_columns(&e, u, products_of_others(&e, s));
  tn_tensor *sign = DO2(mul, DO1(det, u), DO1(det, v));
  tn_tensor *c = DO2(mul, tn__product(&e, inner, tn__turned(&e, v)), per_matrix(&e, sign));
  *ep = e;
  return c;
}

/* d det = det A'^-1. */
static tn_status det_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *d, *a = g->in[0];
  if (has_zero(g->out[0])) {
    d = DO2(mul, cofactors(&e, a), per_matrix(&e, g->dout[0]));
  } else {
    tn_tensor *scale = per_matrix(&e, DO2(mul, g->dout[0], g->out[0]));
    d = DO2(mul, tn__turned(&e, DO1(inverse, a)), scale);
  }
  g->din[0] = tn__keep(&e, d);
  return tn__eval_end(&e);
}

static tn_status log_det_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *turned = tn__turned(&e, DO1(inverse, g->in[0]));
  g->din[0] = tn__keep(&e, DO2(mul, turned, per_matrix(&e, g->dout[0])));
  return tn__eval_end(&e);
}

const tn_op tn__op_det = {
    .name = "det", .lua = "det", .args = "T a", .convention = 'C', .flags = TN_FLOATS | TN_NUMBER,
    .nout = 1, .saves = TN_SAVE_A | TN_SAVE_Y, .low = -2, .high = 2, .shape = det_shape,
    .run = det_run, .grad = det_grad, .doc = "Determinant of a square matrix."};

/* Behind slogdet and logdet: log |det| and the sign. */
const tn_op tn__op_log_det = {
    .name = "log_det", .args = "T a", .convention = 'N', .flags = TN_FLOATS, .nout = 2, .fixed = 2,
    .saves = TN_SAVE_A, .shape = det_shape, .run = log_det_run, .grad = log_det_grad,
    .doc = "log |det| and the sign of a determinant."};

static tn_status slogdet_compose(tn_call *call) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  tn_status s = tn_apply(call->ctx, TN_OP_log_det, 1, call->in, NULL, out);
  call->out[0] = out[1];
  call->out[1] = out[0];
  return s;
}

const tn_op tn__op_slogdet = {
    .name = "slogdet", .lua = "slogdet", .args = "T a", .convention = 'C',
    .flags = TN_FLOATS | TN_NUMBER, .nout = 2, .low = -2, .high = 2, .compose = slogdet_compose,
    .doc = "Sign of a determinant, and the logarithm of its absolute value."};

/* log(sign) is 0, -inf where the matrix is singular, and no number for a negative determinant. */
static tn_status logdet_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *log_abs = tn__do_output(&e, TN_OP_log_det, NULL, 1, call->in, 0);
  tn_tensor *sign = tn__do_output(&e, TN_OP_log_det, NULL, 1, call->in, 1);
  call->out[0] = tn__keep(&e, DO2(add, log_abs, DO1(log, sign)));
  return tn__eval_end(&e);
}

const tn_op tn__op_logdet = {
    .name = "logdet", .lua = "logdet", .args = "T a", .convention = 'C',
    .flags = TN_FLOATS | TN_NUMBER, .nout = 1, .low = -2, .high = 2, .compose = logdet_compose,
    .doc = "Logarithm of a determinant; no number where that is negative."};
