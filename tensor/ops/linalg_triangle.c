/* linalg_triangle.c -- triangular systems, and Cholesky factors with what is solved by them.
 *
 * attrs of triangles: i[0] 0 for upper, 1 for lower; i[1] transposed; i[2] a diagonal of ones. */
#include "tensor/ops/linalg.h"

/* -- A X = B for a triangle A ------------------------------------------------------------------ */

static tn_status triangle_shape(tn_call *call) {
  const tn_tensor *b = call->in[0], *a = call->in[1];
  tn_status s = tn__linalg_check(call->ctx, a, true);
  if (s == TN_OK) s = tn__linalg_check(call->ctx, b, false);
  if (s == TN_OK) s = tn__linalg_same_batch(call->ctx, a, b);
  if (s == TN_OK) s = tn__linalg_rows(call->ctx, a, b);
  return s == TN_OK ? tn__shape_same(call) : s;
}

static int triangle_one(const tn_linalg *job, int64_t i) {
  const bool *flag = job->flag;
  return tn__lapack_triangle(job->wide, flag[0], flag[1], flag[2], job->n, job->right,
                             tn__columns_at(&job->a, i), tn__columns_at(&job->b, i));
}

static tn_status triangle_run(tn_call *call) {
  tn_tensor *b = call->in[0], *a = call->in[1];
  tn_linalg job = tn__linalg_begin(call->ctx, a);
  job.right = b->sizes[b->ndim - 1];
  job.flag[0] = tn__int(call->attrs, 0, 0) == 0;
  job.flag[1] = tn__int(call->attrs, 1, 0) != 0;
  job.flag[2] = tn__int(call->attrs, 2, 0) != 0;
  tn_status s = tn__columns_read(&job, &job.a, a, job.n, job.n);
  if (s == TN_OK) s = tn__columns_read(&job, &job.b, b, job.n, job.right);
  double work = (double)job.n * (double)job.n * (double)job.right;
  if (s == TN_OK) {
    s = tn__linalg_run(&job, work, triangle_one,
                       "the matrix is singular: diagonal element %d is 0");
  }
  if (s == TN_OK) tn__columns_write(call, 0, &job.b);
  return tn__linalg_end(&job, s);
}

/* dB solves the transposed system; of -dB X' (or -X dB') the triangle is dA. */
static tn_status triangle_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  bool upper = tn__int(g->attrs, 0, 0) == 0, transposed = tn__int(g->attrs, 1, 0) != 0;
  bool unit = tn__int(g->attrs, 2, 0) != 0;
  tn_tensor *x = g->out[0];
  tn_tensor *db = tn__triangle_solve(&e, g->in[1], g->dout[0], upper, !transposed, unit);
  if (g->need[0]) g->din[0] = tn__keep(&e, db);
  if (g->need[1]) {
    tn_tensor *da = transposed ? tn__product(&e, x, tn__turned(&e, db))
                               : tn__product(&e, db, tn__turned(&e, x));
    da = upper ? tn__upper_of(&e, da, unit) : tn__lower_of(&e, da, -(int64_t)unit);
    g->din[1] = tn__keep(&e, DO1(neg, da));
  }
  return tn__eval_end(&e);
}

/* Behind trtrs, triangular_solve and the Cholesky factors' solvers. */
const tn_op tn__op_solve_triangle = {
    .name = "solve_triangle", .args = "T b; T a; w uplo=U,L; w trans=N,T; w diag=N,U",
    .convention = 'N', .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_B | TN_SAVE_Y,
    .shape = triangle_shape, .run = triangle_run, .grad = triangle_grad,
    .doc = "Solves A X = B for a triangle A."};

/* The right side as matrices, in one batch with `a`. */
static tn_tensor *right_side(tn_eval *e, tn_tensor *b, tn_tensor **a) {
  if (b->ndim == 1) b = tn__with_dim(e, TN_OP_unsqueeze, b, 1);
  if (e->status == TN_OK) e->status = tn__linalg_check(e->ctx, *a, true);
  if (e->status == TN_OK) e->status = tn__linalg_check(e->ctx, b, false);
  tn__same_batch_of(e, a, &b);
  return b;
}

static tn_status solve_triangles(tn_call *call, bool upper, bool transposed, bool unit) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[1], *b = right_side(&e, call->in[0], &a);
  tn_tensor *x = tn__triangle_solve(&e, a, b, upper, transposed, unit);
  call->out[0] = tn__keep(&e, x);
  call->out[1] = tn__keep(&e, DO1(clone, a));
  return tn__eval_end(&e);
}

static tn_status trtrs_compose(tn_call *call) {
  const tn_attrs *attrs = call->attrs;
  return solve_triangles(call, tn__int(attrs, 0, 0) == 0, tn__int(attrs, 1, 0) != 0,
                         tn__int(attrs, 2, 0) != 0);
}

static tn_status triangular_solve_compose(tn_call *call) {
  const tn_attrs *attrs = call->attrs;
  return solve_triangles(call, tn__int(attrs, 0, 1) != 0, tn__int(attrs, 1, 0) != 0,
                         tn__int(attrs, 2, 0) != 0);
}

const tn_op tn__op_trtrs = {
    .name = "trtrs", .lua = "trtrs", .args = "T b; T a; w uplo=U,L; w trans=N,T; w diag=N,U",
    .convention = 'C', .flags = TN_FLOATS, .nout = 2, .low = 0.5, .high = 2,
    .compose = trtrs_compose,
    .doc = "The x of a x = b (or a' x = b) for a triangle a, and a copy of a."};

const tn_op tn__op_triangular_solve = {
    .name = "triangular_solve", .lua = "triangular_solve",
    .args = "T b; T a; b upper=1; b transpose=0; b unitriangular=0", .convention = 'C',
    .flags = TN_FLOATS, .nout = 2, .low = 0.5, .high = 2, .compose = triangular_solve_compose,
    .doc = "The x of a x = b (or a' x = b) for a triangle a, and a copy of a."};

/* -- Cholesky factors -------------------------------------------------------------------------- */

#define NOT_POSITIVE                                                                               \
  "the matrix is not positive definite: its leading minor of order %d is not positive"

static tn_status cholesky_shape(tn_call *call) {
  tn_status s = tn__linalg_check(call->ctx, call->in[0], true);
  return s == TN_OK ? tn__shape_same(call) : s;
}

/* What LAPACK leaves of the other triangle, and of rows (or columns) from `from` on. */
static void clear_triangle(const tn_linalg *job, int64_t i, int64_t from) {
  const size_t item = job->wide ? sizeof(double) : sizeof(float);
  for (int64_t column = 0; column < job->n; column++) {
    char *rows = (char *)tn__columns_at(&job->a, i) + (size_t)(column * job->n) * item;
    int64_t first = job->flag[0] ? 0 : column; /* of those that stay */
    int64_t last = job->flag[0] ? (column < from ? column + 1 : from) : job->n;
    if (!job->flag[0] && column >= from) first = last = 0;
    memset(rows, 0, (size_t)first * item);
    memset(rows + (size_t)last * item, 0, (size_t)(job->n - last) * item);
  }
}

static int cholesky_one(const tn_linalg *job, int64_t i) {
  if (!tn__columns_finite(&job->a, i)) return TN_LINALG_NOT_FINITE; /* OpenBLAS would not notice */
  int result = tn__lapack_cholesky(job->wide, job->flag[0], job->n, tn__columns_at(&job->a, i));
  clear_triangle(job, i, job->n);
  return result;
}

static tn_status cholesky_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  job.flag[0] = tn__int(call->attrs, 0, 0) != 0;
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.n, job.n);
  double work = (double)job.n * (double)job.n * (double)job.n / 3;
  if (s == TN_OK) s = tn__linalg_run(&job, work, cholesky_one, NOT_POSITIVE);
  if (s == TN_OK) tn__columns_write(call, 0, &job.a);
  return tn__linalg_end(&job, s);
}

/* Of A = L L': S = L'^-1 phi(L' dL) L^-1, phi the lower triangle with half the diagonal; dA is the
 * symmetric part of S. An upper factor is the transpose. */
static tn_status cholesky_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  bool upper = tn__int(g->attrs, 0, 0) != 0;
  tn_tensor *l = upper ? tn__turned(&e, g->out[0]) : g->out[0];
  tn_tensor *dl = upper ? tn__turned(&e, g->dout[0]) : g->dout[0];
  tn_tensor *inner = tn__product(&e, tn__turned(&e, l), dl);
  tn_tensor *phi = tn__scaled(&e, DO2(add, tn__lower_of(&e, inner, 0), tn__lower_of(&e, inner, -1)),
                              0.5);
  tn_tensor *s = tn__triangle_solve(&e, l, phi, false, true, false);
  s = tn__triangle_solve(&e, l, tn__turned(&e, s), false, true, false);
  g->din[0] = tn__keep(&e, tn__scaled(&e, DO2(add, s, tn__turned(&e, s)), 0.5));
  return tn__eval_end(&e);
}

const tn_op tn__op_cholesky = {
    .name = "cholesky", .lua = "cholesky", .args = "T a; b upper=0", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_Y, .low = -2, .high = 2,
    .shape = cholesky_shape, .run = cholesky_run, .grad = cholesky_grad,
    .doc = "The triangle l with l l' = a, for a symmetric and positive definite a; or u'u = a."};

static tn_status potrf_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs attrs = {.i = {tn__int(call->attrs, 0, 0) == 0}, .ni = 1};
  call->out[0] = tn__keep(&e, tn__do(&e, TN_OP_cholesky, &attrs, 1, call->in));
  return tn__eval_end(&e);
}

const tn_op tn__op_potrf = {
    .name = "potrf", .lua = "potrf", .args = "T a; w uplo=U,L", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = potrf_compose,
    .doc = "Cholesky factor of a symmetric and positive definite matrix: u'u = a, or l l' = a."};

/* A X = B, A = U'U or L L': first the triangle on the left. */
static tn_tensor *factor_solve(tn_eval *e, tn_tensor *b, tn_tensor *factor, bool upper) {
  tn_tensor *a = factor;
  b = right_side(e, b, &a);
  tn_tensor *y = tn__triangle_solve(e, a, b, upper, upper, false);
  return tn__triangle_solve(e, a, y, upper, !upper, false);
}

static tn_status solve_by_factor(tn_call *call, bool upper) {
  tn_eval e = tn__eval_begin(call->ctx);
  call->out[0] = tn__keep(&e, factor_solve(&e, call->in[0], call->in[1], upper));
  return tn__eval_end(&e);
}

static tn_status inverse_by_factor(tn_call *call, bool upper) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = NULL;
  e.status = tn__linalg_check(call->ctx, a, true);
  if (e.status == TN_OK) {
    int64_t n = a->sizes[a->ndim - 1];
    b = tn__identity_like(&e, a, n, n);
  }
  if (b != NULL) call->out[0] = tn__keep(&e, factor_solve(&e, b, a, upper));
  return tn__eval_end(&e);
}

static tn_status potrs_compose(tn_call *call) {
  return solve_by_factor(call, tn__int(call->attrs, 0, 0) == 0);
}
static tn_status cholesky_solve_compose(tn_call *call) {
  return solve_by_factor(call, tn__int(call->attrs, 0, 0) != 0);
}
static tn_status potri_compose(tn_call *call) {
  return inverse_by_factor(call, tn__int(call->attrs, 0, 0) == 0);
}
static tn_status cholesky_inverse_compose(tn_call *call) {
  return inverse_by_factor(call, tn__int(call->attrs, 0, 0) != 0);
}

#define FACTOR_ROW(name_, args_, doc_)                                                             \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = args_, .convention = 'C',  \
                                .flags = TN_FLOATS, .nout = 1, .low = 0.5, .high = 2,             \
                                .compose = name_##_compose, .doc = doc_}

FACTOR_ROW(potrs, "T b; T chol; w uplo=U,L",
           "The x of a x = b, for the Cholesky factor of a that potrf gives.");
FACTOR_ROW(potri, "T chol; w uplo=U,L",
           "Inverse of a matrix, from the Cholesky factor of it that potrf gives.");
FACTOR_ROW(cholesky_solve, "T b; T l; b upper=0",
           "The x of a x = b, for the Cholesky factor of a that cholesky gives.");
FACTOR_ROW(cholesky_inverse, "T l; b upper=0",
           "Inverse of a matrix, from the Cholesky factor of it that cholesky gives.");

/* -- pstrf: with pivots, for matrices that are only positive semidefinite ---------------------- */

static tn_status pstrf_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = cholesky_shape(call);
  if (s != TN_OK) return s;
  tn__linalg_meta(call, 1, a, a->sizes[a->ndim - 1], -1);
  call->meta[1].dtype = TN_I32;
  return s;
}

static int pstrf_one(const tn_linalg *job, int64_t i) {
  int32_t rank = 0;
  if (!tn__columns_finite(&job->a, i)) return TN_LINALG_NOT_FINITE;
  int result = tn__lapack_cholesky_pivots(job->wide, job->flag[0], job->n,
                                          tn__columns_at(&job->a, i),
                                          tn__columns_at(&job->c, i), &rank);
  clear_triangle(job, i, rank);
  return result;
}

static tn_status pstrf_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  job.flag[0] = tn__int(call->attrs, 0, 0) == 0;
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.n, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, TN_I32, job.n, 1);
  double work = (double)job.n * (double)job.n * (double)job.n / 3;
  if (s == TN_OK) s = tn__linalg_run(&job, work, pstrf_one, NULL);
  if (s == TN_OK) tn__columns_write(call, 0, &job.a);
  if (s == TN_OK) tn__columns_write(call, 1, &job.c);
  return tn__linalg_end(&job, s);
}

const tn_op tn__op_pstrf = {
    .name = "pstrf", .lua = "pstrf", .args = "T a; w uplo=U,L", .convention = 'C',
    .flags = TN_FLOATS, .nout = 2, .low = -2, .high = 2, .shape = pstrf_shape, .run = pstrf_run,
    .no_grad = "its pivots jump; potrf has a gradient",
    .doc = "Cholesky factor of a positive semidefinite matrix whose rows and columns are taken in "
           "the order of the pivots."};
