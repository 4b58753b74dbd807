/* linalg_eigen.c -- eigenvalues and singular values, and what is made of them.
 *
 * Gradients of eigenvectors and of singular vectors hold where the values are distinct; those of
 * the values alone hold everywhere. */
#include <float.h>

#include "tensor/ops/linalg.h"

#define NO_CONVERGENCE "it does not converge: %d values are missing"

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
static double cube(double n) { return n * n * n; }

/* A result that is not calculated. */
static void nothing(tn_call *call, int i) {
  call->meta[i] = call->meta[0];
  call->meta[i].ndim = 1;
  call->meta[i].sizes[0] = 0;
}

static bool recorded(const tn_call *call) {
  return tn_grad_enabled(call->ctx) && tn__tracked(call->in[0]);
}

/* -- eigh: of symmetric matrices. i[0] 0: reads the lower triangle, 1: the upper; i[1] no vectors */

static tn_status eigh_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, true);
  if (s != TN_OK) return s;
  tn__linalg_meta(call, 0, a, a->sizes[a->ndim - 1], -1);
  tn__meta_of(&call->meta[1], a);
  if (tn__int(call->attrs, 1, 0) != 0) nothing(call, 1);
  return s;
}

static int eigh_one(const tn_linalg *job, int64_t i) {
  if (!tn__columns_finite(&job->a, i)) return TN_LINALG_NOT_FINITE;
  return tn__lapack_symmetric(job->wide, job->flag[0], job->flag[1], job->n,
                              tn__columns_at(&job->a, i), tn__columns_at(&job->c, i));
}

static tn_status eigh_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  job.flag[0] = tn__int(call->attrs, 1, 0) == 0;
  job.flag[1] = tn__int(call->attrs, 0, 0) != 0;
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.n, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, job.type, job.n, 1);
  if (s == TN_OK) s = tn__linalg_run(&job, 9 * cube((double)job.n), eigh_one, NO_CONVERGENCE);
  if (s == TN_OK) tn__columns_write(call, 0, &job.c);
  if (s == TN_OK && job.flag[0]) tn__columns_write(call, 1, &job.a);
  return tn__linalg_end(&job, s);
}

/* dA = V (diag(dw) + (V' dV) / (w_j - w_i)) V', of it the symmetric part. */
static tn_status eigh_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *w = g->out[0], *v = g->out[1], *inner = NULL;
  if (g->dout[1] != NULL) {
    tn_tensor *vdv = tn__product(&e, tn__turned(&e, v), g->dout[1]);
    tn_tensor *skew = tn__scaled(&e, DO2(sub, vdv, tn__turned(&e, vdv)), 0.5);
    inner = DO2(div, skew, tn__differences(&e, w));
  }
  if (g->dout[0] != NULL) {
    tn_tensor *diagonal = tn__diagonal_matrix(&e, g->dout[0]);
    inner = inner != NULL ? DO2(add, inner, diagonal) : diagonal;
  }
  g->din[0] = tn__keep(&e, tn__product(&e, tn__product(&e, v, inner), tn__turned(&e, v)));
  return tn__eval_end(&e);
}

const tn_op tn__op_eigh = {
    .name = "eigh", .lua = "eigh", .args = "T a; w uplo=L,U", .convention = 'C',
    .flags = TN_FLOATS, .nout = 2, .saves = TN_SAVE_Y | TN_SAVE_Y2, .low = -2, .high = 2,
    .shape = eigh_shape, .run = eigh_run, .grad = eigh_grad,
    .doc = "Eigenvalues, ascending, and eigenvectors (as columns) of a symmetric matrix."};

/* Without vectors where nobody needs them. */
static tn_status symmetric(tn_call *call, bool upper, bool vectors) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  tn_attrs attrs = {.i = {upper, !vectors && !recorded(call)}, .ni = 2};
  tn_status s = tn_apply(call->ctx, TN_OP_eigh, 1, call->in, &attrs, out);
  if (s == TN_OK && !vectors && tn__numel(out[1]) > 0) {
    const int64_t none = 0;
    tn_tensor *empty = NULL;
    s = tn_tensor_new(call->ctx, &empty, (tn_dtype)out[1]->dtype, 1, &none);
    tn_tensor_release(out[1]);
    out[1] = empty;
  }
  call->out[0] = out[0];
  if (call->op->nout > 1) call->out[1] = out[1];
  else tn_tensor_release(out[1]);
  return s;
}

static tn_status symeig_compose(tn_call *call) {
  return symmetric(call, tn__int(call->attrs, 1, 0) == 0, tn__int(call->attrs, 0, 0) != 0);
}

const tn_op tn__op_symeig = {
    .name = "symeig", .lua = "symeig", .args = "T a; w job=N,V; w uplo=U,L", .convention = 'C',
    .flags = TN_FLOATS, .nout = 2, .low = -2, .high = 2, .compose = symeig_compose,
    .doc = "Eigenvalues of a symmetric matrix, ascending, with 'V' also its eigenvectors."};

static tn_status eigvalsh_compose(tn_call *call) {
  return symmetric(call, tn__int(call->attrs, 0, 0) != 0, false);
}

const tn_op tn__op_eigvalsh = {
    .name = "eigvalsh", .lua = "eigvalsh", .args = "T a; w uplo=L,U", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = eigvalsh_compose,
    .doc = "Eigenvalues of a symmetric matrix, ascending."};

/* -- svd: i[0] 0 for min(m, n) vectors, 1 for all; i[1]: values only --------------------------- */

static tn_status svd_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, false);
  if (s != TN_OK) return s;
  int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1], k = lesser(m, n);
  bool full = tn__int(call->attrs, 0, 0) != 0;
  tn__linalg_meta(call, 0, a, m, full ? m : k);
  tn__linalg_meta(call, 1, a, k, -1);
  tn__linalg_meta(call, 2, a, n, full ? n : k);
  if (tn__int(call->attrs, 1, 0) != 0) {
    nothing(call, 0);
    nothing(call, 2);
  }
  return s;
}

static void set_identity(const tn_linalg *job, const tn_columns *c, int64_t i) {
  void *to = tn__columns_at(c, i);
  for (int64_t k = 0; k < lesser(c->rows, c->columns); k++) {
    if (job->wide) ((double *)to)[k * c->rows + k] = 1;
    else ((float *)to)[k * c->rows + k] = 1;
  }
}

/* flag[0]: vectors, flag[1]: all of them. d is V'. */
static int svd_one(const tn_linalg *job, int64_t i) {
  if (!tn__columns_finite(&job->a, i)) return TN_LINALG_NOT_FINITE;
  bool vectors = job->flag[0];
  if (job->m == 0 || job->n == 0) { /* LAPACK leaves the vectors as they are */
    if (vectors) memset(tn__columns_at(&job->b, i), 0, (size_t)job->b.step);
    if (vectors) memset(tn__columns_at(&job->d, i), 0, (size_t)job->d.step);
    if (vectors) set_identity(job, &job->b, i);
    if (vectors) set_identity(job, &job->d, i);
    return 0;
  }
  return tn__lapack_svd(job->wide, vectors, job->flag[1], job->m, job->n,
                        tn__columns_at(&job->a, i), tn__columns_at(&job->c, i),
                        vectors ? tn__columns_at(&job->b, i) : NULL,
                        vectors ? tn__columns_at(&job->d, i) : NULL);
}

/* V' by columns is V by rows. */
static void write_turned(const tn_call *call, int i, const tn_columns *c) {
  tn_tensor *out = call->out[i], view = *out;
  tn_call second = *call;
  const int last = out->ndim - 1;
  view.sizes[last] = out->sizes[last - 1], view.sizes[last - 1] = out->sizes[last];
  view.strides[last] = out->strides[last - 1], view.strides[last - 1] = out->strides[last];
  second.out[0] = &view;
  tn__columns_write(&second, 0, c);
}

static tn_status svd_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  const int64_t k = lesser(job.m, job.n);
  const bool vectors = tn__int(call->attrs, 1, 0) == 0, full = tn__int(call->attrs, 0, 0) != 0;
  job.flag[0] = vectors;
  job.flag[1] = full;
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.m, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, job.type, k, 1);
  if (s == TN_OK && vectors) s = tn__columns_new(&job, &job.b, job.type, job.m, full ? job.m : k);
  if (s == TN_OK && vectors) s = tn__columns_new(&job, &job.d, job.type, full ? job.n : k, job.n);
  double work = 20.0 * (double)job.m * (double)job.n * (double)k;
  if (s == TN_OK) s = tn__linalg_run(&job, work, svd_one, NO_CONVERGENCE);
  if (s == TN_OK) tn__columns_write(call, 1, &job.c);
  if (s == TN_OK && vectors) tn__columns_write(call, 0, &job.b);
  if (s == TN_OK && vectors) write_turned(call, 2, &job.d);
  return tn__linalg_end(&job, s);
}

/* The skew part of X' dX, divided by s_j^2 - s_i^2. */
static tn_tensor *turning(tn_eval *ep, tn_tensor *x, tn_tensor *dx, tn_tensor *squares) {
  tn_eval e = *ep;
  tn_tensor *inner = tn__product(&e, tn__turned(&e, x), dx);
  inner = DO2(div, DO2(sub, inner, tn__turned(&e, inner)), tn__differences(&e, squares));
  *ep = e;
  return inner;
}

/* What of dx the columns of x do not span, each column divided by s. */
static tn_tensor *outside(tn_eval *ep, tn_tensor *x, tn_tensor *dx, tn_tensor *s) {
  tn_eval e = *ep;
  tn_tensor *within = tn__product(&e, x, tn__product(&e, tn__turned(&e, x), dx));
  tn_tensor *column = tn__with_dim(&e, TN_OP_unsqueeze, s, -2);
  tn_tensor *rest = DO2(div, DO2(sub, dx, within), column);
  *ep = e;
  return rest;
}

static tn_tensor *plus(tn_eval *e, tn_tensor *a, tn_tensor *b) {
  return a == NULL ? b : tn__do(e, TN_OP_add, NULL, 2, (tn_tensor *[]){a, b});
}

/* dA = U (turn(U) S + S turn(V) + diag(ds)) V', and for what lies outside of U and V
 * (I - U U') dU S^-1 V' and U S^-1 dV' (I - V V'). */
static tn_status svd_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_meta *meta = &g->meta[0];
  tn_tensor *u = g->out[0], *s = g->out[1], *v = g->out[2], *inner = NULL;
  tn_tensor *du = g->dout[0], *dv = g->dout[2];
  int64_t m = meta->sizes[meta->ndim - 2], n = meta->sizes[meta->ndim - 1];
  if (tn__int(g->attrs, 0, 0) != 0 && m != n) {
    if (du != NULL || dv != NULL) {
      return tn_fail(g->ctx, TN_EGRAD, "singular vectors beyond min(%lld, %lld) have no gradient",
                     (long long)m, (long long)n);
    }
    u = tn__do_output(&e, TN_OP_svd, NULL, 1, g->in, 0); /* the min(m, n) that matter */
    v = tn__do_output(&e, TN_OP_svd, NULL, 1, g->in, 2);
  }
  tn_tensor *squares = du != NULL || dv != NULL ? DO1(square, s) : NULL;
  if (g->dout[1] != NULL) inner = tn__diagonal_matrix(&e, g->dout[1]);
  if (du != NULL) inner = plus(&e, inner, tn__scale_columns(&e, turning(&e, u, du, squares), s));
  if (dv != NULL) inner = plus(&e, inner, tn__scale_rows(&e, turning(&e, v, dv, squares), s));
  tn_tensor *turned = tn__turned(&e, v);
  tn_tensor *d = tn__product(&e, tn__product(&e, u, inner), turned);
  if (du != NULL && m > n) d = DO2(add, d, tn__product(&e, outside(&e, u, du, s), turned));
  if (dv != NULL && n > m) {
    tn_tensor *rest = tn__turned(&e, outside(&e, v, dv, s));
    d = DO2(add, d, tn__product(&e, u, rest));
  }
  g->din[0] = tn__keep(&e, d);
  return tn__eval_end(&e);
}

const tn_op tn__op_svd = {
    .name = "svd", .lua = "svd", .args = "T a; w job=S,A", .convention = 'C', .flags = TN_FLOATS,
    .nout = 3, .saves = TN_SAVE_A | TN_SAVE_Y | TN_SAVE_Y2 | TN_SAVE_Y3, .low = -2, .high = 2,
    .shape = svd_shape, .run = svd_run, .grad = svd_grad,
    .doc = "u, s and v: a matrix as u diag(s) v', the singular values s descending."};

static tn_status svdvals_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs attrs = {.i = {0, !recorded(call)}, .ni = 2};
  call->out[0] = tn__keep(&e, tn__do_output(&e, TN_OP_svd, &attrs, 1, call->in, 1));
  return tn__eval_end(&e);
}

const tn_op tn__op_svdvals = {
    .name = "svdvals", .lua = "svdvals", .args = "T a", .convention = 'C', .flags = TN_FLOATS,
    .nout = 1, .low = -2, .high = 2, .compose = svdvals_compose,
    .doc = "Singular values of a matrix, descending."};

/* -- pinv, matrix_rank, lstsq ------------------------------------------------------------------ */

/* f[0], a fraction of the greatest singular value below which one counts as 0; negative: the type's
 * rounding error times the greater size. The threshold is (..., 1). */
static tn_tensor *threshold(tn_eval *e, tn_tensor *a, tn_tensor *s, double fraction) {
  static const double rounding[TN_DTYPE_COUNT] = {
      [TN_F16] = 1.0 / 1024, [TN_BF16] = 1.0 / 128, [TN_F32] = FLT_EPSILON, [TN_F64] = DBL_EPSILON};
  int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1];
  tn_attrs first = {.i = {-1, 0, 1}, .ni = 3};
  if (!(fraction >= 0)) fraction = (double)(m > n ? m : n) * rounding[a->dtype];
  return tn__scaled(e, tn__do(e, TN_OP_narrow, &first, 1, &s), fraction);
}

static tn_status pinv_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, false);
  if (s == TN_OK) tn__linalg_meta(call, 0, a, a->sizes[a->ndim - 1], a->sizes[a->ndim - 2]);
  return s;
}

/* V S^-1 U', without the values that count as 0. */
static tn_status pinv_run(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *out[TN_MAX_OUTPUTS] = {NULL};
  if (tn__numel(a) == 0) return TN_OK;
  bool was = tn_set_grad_enabled(call->ctx, false);
  e.status = tn_apply(call->ctx, TN_OP_svd, 1, &a, NULL, out);
  tn_tensor *u = out[0], *s = out[1], *v = out[2];
  if (e.status == TN_OK) {
    tn_tensor *small = DO2(le, s, threshold(&e, a, s, call->attrs->f[0]));
    tn_tensor *factors = DO3(where, small, tn__constant(&e, 0), DO1(cinv, s));
    tn_tensor *y = tn__product(&e, tn__scale_columns(&e, v, factors), tn__turned(&e, u));
    if (y != NULL) e.status = tn__copy_view(call->ctx, call->out[0], y);
  }
  tn_set_grad_enabled(call->ctx, was);
  for (int i = 0; i < 3; i++) tn_tensor_release(out[i]);
  return tn__eval_end(&e);
}

/* -Y'dY Y' + (I - A Y) dY' Y Y' + Y'Y dY' (I - Y A). */
tn_tensor *tn__pinv_gradient(tn_eval *ep, tn_tensor *a, tn_tensor *y, tn_tensor *dy) {
  tn_eval e = *ep;
  tn_tensor *yt = tn__turned(&e, y), *dyt = tn__turned(&e, dy);
  tn_tensor *d = DO1(neg, tn__product(&e, tn__product(&e, yt, dy), yt));
  tn_tensor *right = tn__product(&e, dyt, tn__product(&e, y, yt));
  tn_tensor *left = tn__product(&e, tn__product(&e, yt, y), dyt);
  d = DO2(add, d, DO2(sub, right, tn__product(&e, a, tn__product(&e, y, right))));
  d = DO2(add, d, DO2(sub, left, tn__product(&e, tn__product(&e, left, y), a)));
  *ep = e;
  return d;
}

static tn_status pinv_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__pinv_gradient(&e, g->in[0], g->out[0], g->dout[0]));
  return tn__eval_end(&e);
}

/* Behind pinv, whose name errors of the singular values then have. */
const tn_op tn__op_pseudoinverse = {
    .name = "pseudoinverse", .args = "T a; n rcond=-1", .convention = 'N',
    .flags = TN_FLOATS | TN_ANYWHERE,
    .nout = 1, .saves = TN_SAVE_A | TN_SAVE_Y, .shape = pinv_shape, .run = pinv_run,
    .grad = pinv_grad, .doc = "Pseudoinverse."};

static tn_status pinv_compose(tn_call *call) {
  return tn_apply(call->ctx, TN_OP_pseudoinverse, 1, call->in, call->attrs, call->out);
}

const tn_op tn__op_pinv = {
    .name = "pinv", .lua = "pinv", .aliases = "pinverse", .args = "T a; n rcond=-1",
    .convention = 'C', .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2,
    .compose = pinv_compose,
    .doc = "Pseudoinverse; singular values up to rcond times the greatest count as 0."};

static tn_status matrix_rank_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0];
  tn_attrs values = {.i = {0, 1}, .ni = 2}, last = {.i = {-1, 0}, .ni = 2};
  e.status = tn__linalg_check(call->ctx, a, false);
  if (e.status != TN_OK) return tn__eval_end(&e);
  bool was = tn_set_grad_enabled(call->ctx, false);
  tn_tensor *s = tn__do_output(&e, TN_OP_svd, &values, 1, &a, 1);
  if (s != NULL && s->sizes[s->ndim - 1] > 0) {
    s = DO2(gt, s, threshold(&e, a, s, call->attrs->f[0]));
  }
  tn_tensor *rank = tn__do(&e, TN_OP_sum, &last, 1, &s);
  tn_attrs whole = {.i = {TN_I64}, .ni = 1};
  call->out[0] = tn__keep(&e, tn__do(&e, TN_OP_to, &whole, 1, &rank));
  tn_set_grad_enabled(call->ctx, was);
  return tn__eval_end(&e);
}

const tn_op tn__op_matrix_rank = {
    .name = "matrix_rank", .lua = "matrix_rank", .args = "T a; n rcond=-1", .convention = 'C',
    .flags = TN_NUMBER, .nout = 1, .low = -2, .high = 2, .compose = matrix_rank_compose,
    .no_grad = "a rank is a whole number",
    .doc = "How many singular values are greater than rcond times the greatest."};

static tn_status lstsq_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1];
  e.status = tn__linalg_check(call->ctx, a, false);
  bool vector = e.status == TN_OK && b->ndim == a->ndim - 1;
  if (vector) b = tn__with_dim(&e, TN_OP_unsqueeze, b, -1);
  if (e.status == TN_OK) e.status = tn__linalg_check(call->ctx, b, false);
  if (e.status == TN_OK && a->sizes[a->ndim - 2] != b->sizes[b->ndim - 2]) {
    e.status = tn__linalg_rows(call->ctx, a, b);
  }
  tn_attrs attrs = {.f = {call->attrs->f[0]}};
  tn_tensor *x = tn__product(&e, tn__do(&e, TN_OP_pinv, &attrs, 1, &a), b);
  if (vector) x = tn__with_dim(&e, TN_OP_squeeze, x, -1);
  call->out[0] = tn__keep(&e, x);
  return tn__eval_end(&e);
}

const tn_op tn__op_lstsq = {
    .name = "lstsq", .lua = "lstsq", .args = "T a; T b; n rcond=-1", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .compose = lstsq_compose,
    .doc = "The smallest x for which a x is nearest to b, whatever the rank of a."};

/* -- eig: of any square matrix. i[0]: with vectors --------------------------------------------- */

static tn_status eig_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, true);
  if (s != TN_OK) return s;
  tn__linalg_meta(call, 0, a, a->sizes[a->ndim - 1], 2);
  if (call->op->nout == 1) return s;
  tn__meta_of(&call->meta[1], a);
  if (tn__int(call->attrs, 0, 0) == 0) nothing(call, 1);
  return s;
}

/* c: real and imaginary parts as two columns. */
static int eig_one(const tn_linalg *job, int64_t i) {
  if (!tn__columns_finite(&job->a, i)) return TN_LINALG_NOT_FINITE;
  char *values = tn__columns_at(&job->c, i);
  return tn__lapack_eigen(job->wide, job->n, tn__columns_at(&job->a, i), values,
                          values + job->c.step / 2,
                          job->flag[0] ? tn__columns_at(&job->b, i) : NULL);
}

static tn_status eig_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  job.flag[0] = call->op->nout > 1 && tn__int(call->attrs, 0, 0) != 0;
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.n, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, job.type, job.n, 2);
  if (s == TN_OK && job.flag[0]) s = tn__columns_new(&job, &job.b, job.type, job.n, job.n);
  if (s == TN_OK) s = tn__linalg_run(&job, 25 * cube((double)job.n), eig_one, NO_CONVERGENCE);
  if (s == TN_OK) tn__columns_write(call, 0, &job.c);
  if (s == TN_OK && job.flag[0]) tn__columns_write(call, 1, &job.b);
  return tn__linalg_end(&job, s);
}

const tn_op tn__op_eig = {
    .name = "eig", .lua = "eig", .args = "T a; w job=N,V", .convention = 'C', .flags = TN_FLOATS,
    .nout = 2, .low = -2, .high = 2, .shape = eig_shape, .run = eig_run,
    .no_grad = "its values may be complex; symeig has a gradient",
    .doc = "Eigenvalues of a square matrix as rows of real and imaginary part, and with 'V' its "
           "eigenvectors as columns; of a conjugate pair the real and the imaginary part."};

const tn_op tn__op_eigvals = {
    .name = "eigvals", .lua = "eigvals", .args = "T a", .convention = 'C', .flags = TN_FLOATS,
    .nout = 1, .low = -2, .high = 2, .shape = eig_shape, .run = eig_run,
    .no_grad = "its values may be complex; eigvalsh has a gradient",
    .doc = "Eigenvalues of a square matrix, as rows of real and imaginary part."};
