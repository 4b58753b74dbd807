/* linalg_qr.c -- QR factors, as matrices and as reflectors that make them, and least squares. */
#include "tensor/ops/linalg.h"

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

static double work_of(const tn_linalg *job) {
  return 2.0 * (double)job->m * (double)job->n * (double)lesser(job->m, job->n);
}

/* -- qr: i[0] 0 for min(m, n) columns of Q, 1 for all m ---------------------------------------- */

static int64_t q_columns(const tn_attrs *attrs, int64_t m, int64_t n) {
  return tn__int(attrs, 0, 0) != 0 ? m : lesser(m, n);
}

static tn_status qr_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, false);
  if (s != TN_OK) return s;
  int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1], k = q_columns(call->attrs, m, n);
  tn__linalg_meta(call, 0, a, m, k);
  tn__linalg_meta(call, 1, a, k, n);
  return s;
}

static size_t item_of(const tn_linalg *job) { return job->wide ? sizeof(double) : sizeof(float); }

/* a: m x n, becomes R and the reflectors; b: m x k, becomes Q. */
static int qr_one(const tn_linalg *job, int64_t i) {
  char *a = tn__columns_at(&job->a, i), *q = tn__columns_at(&job->b, i);
  char *tau = tn__columns_at(&job->c, i);
  const size_t item = item_of(job);
  const int64_t m = job->m, count = lesser(m, job->n);
  int result = tn__lapack_qr(job->wide, m, job->n, a, tau);
  if (result != 0) return result;
  memset(q, 0, (size_t)job->b.step);
  memcpy(q, a, (size_t)(m * count) * item);
  result = tn__lapack_q(job->wide, m, job->b.columns, count, q, tau);
  for (int64_t column = 0; column < job->n; column++) {
    int64_t first = lesser(column + 1, m);
    memset(a + (size_t)(column * m + first) * item, 0, (size_t)(m - first) * item);
  }
  return result;
}

static tn_status qr_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.m, job.n);
  int64_t k = q_columns(call->attrs, job.m, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.b, job.type, job.m, k);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, job.type, lesser(job.m, job.n), 1);
  if (s == TN_OK) s = tn__linalg_run(&job, 2 * work_of(&job), qr_one, NULL);
  if (s == TN_OK) tn__columns_write(call, 0, &job.b);
  if (s == TN_OK) tn__columns_write(call, 1, &job.a);
  return tn__linalg_end(&job, s);
}

static tn_tensor *part(tn_eval *e, tn_tensor *x, int64_t first, int64_t count) {
  tn_attrs attrs = {.i = {-1, first, count}, .ni = 3};
  return tn__do(e, TN_OP_narrow, &attrs, 1, &x);
}

/* Of A = Q R with m >= n: M = R dR' - dQ'Q; dA = (dQ + Q (tril(M) + tril(M, -1)')) R'^-1. dq or dr
 * may be NULL. */
static tn_tensor *tall_gradient(tn_eval *ep, tn_tensor *q, tn_tensor *r, tn_tensor *dq,
                                tn_tensor *dr) {
  tn_eval e = *ep;
  tn_tensor *m = dr != NULL ? tn__product(&e, r, tn__turned(&e, dr)) : NULL;
  if (dq != NULL) {
    tn_tensor *inner = DO1(neg, tn__product(&e, tn__turned(&e, dq), q));
    m = m != NULL ? DO2(add, m, inner) : inner;
  }
  tn_tensor *both = DO2(add, tn__lower_of(&e, m, 0), tn__turned(&e, tn__lower_of(&e, m, -1)));
  tn_tensor *x = tn__product(&e, q, both);
  if (dq != NULL) x = DO2(add, x, dq);
  x = tn__turned(&e, tn__triangle_solve(&e, r, tn__turned(&e, x), true, false, false));
  *ep = e;
  return x;
}

/* A wide matrix is (X Y) with X = Q U: then V = Q'Y, whose gradient also reaches Q. */
static tn_tensor *wide_gradient(tn_eval *ep, tn_grad_call *g, int64_t m, int64_t n) {
  tn_eval e = *ep;
  tn_tensor *q = g->out[0], *dq = g->dout[0], *dr = g->dout[1], *dx;
  tn_tensor *u = part(&e, g->out[1], 0, m);
  if (dr == NULL) {
    tn_meta zero = g->meta[0];
    dx = tall_gradient(&e, q, u, dq, NULL);
    zero.sizes[zero.ndim - 1] = n - m;
    tn_tensor *both[2] = {dx, tn__zeros(&e, &zero)};
    tn_attrs last = {.i = {-1}, .ni = 1};
    dx = tn__do(&e, TN_OP_cat, &last, 2, both);
  } else {
    tn_tensor *dv = part(&e, dr, m, n - m), *y = part(&e, g->in[0], m, n - m);
    tn_tensor *through = tn__product(&e, y, tn__turned(&e, dv));
    dq = dq != NULL ? DO2(add, dq, through) : through;
    tn_tensor *both[2] = {tall_gradient(&e, q, u, dq, part(&e, dr, 0, m)),
                          tn__product(&e, q, dv)};
    tn_attrs last = {.i = {-1}, .ni = 1};
    dx = tn__do(&e, TN_OP_cat, &last, 2, both);
  }
  *ep = e;
  return dx;
}

static tn_status qr_grad(tn_grad_call *g) {
  const tn_meta *meta = &g->meta[0];
  int64_t m = meta->sizes[meta->ndim - 2], n = meta->sizes[meta->ndim - 1];
  if (tn__int(g->attrs, 0, 0) != 0 && m > n) {
    return tn_fail(g->ctx, TN_EGRAD, "the complete Q of a tall matrix has no gradient");
  }
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, m >= n ? tall_gradient(&e, g->out[0], g->out[1], g->dout[0], g->dout[1])
                                  : wide_gradient(&e, g, m, n));
  return tn__eval_end(&e);
}

const tn_op tn__op_qr = {
    .name = "qr", .lua = "qr", .args = "T a; w mode=reduced,complete", .convention = 'C',
    .flags = TN_FLOATS, .nout = 2, .saves = TN_SAVE_A | TN_SAVE_Y | TN_SAVE_Y2, .low = -2,
    .high = 2, .shape = qr_shape, .run = qr_run, .grad = qr_grad,
    .doc = "q and r: a matrix as q r, q orthogonal, r an upper triangle."};

/* -- geqrf, orgqr, ormqr: reflectors ----------------------------------------------------------- */

static tn_status geqrf_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = tn__linalg_check(call->ctx, a, false);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], a);
  tn__linalg_meta(call, 1, a, lesser(a->sizes[a->ndim - 2], a->sizes[a->ndim - 1]), -1);
  return s;
}

static int geqrf_one(const tn_linalg *job, int64_t i) {
  return tn__lapack_qr(job->wide, job->m, job->n, tn__columns_at(&job->a, i),
                       tn__columns_at(&job->c, i));
}

static tn_status geqrf_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.m, job.n);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, job.type, lesser(job.m, job.n), 1);
  if (s == TN_OK) s = tn__linalg_run(&job, work_of(&job), geqrf_one, NULL);
  if (s == TN_OK) tn__columns_write(call, 0, &job.a);
  if (s == TN_OK) tn__columns_write(call, 1, &job.c);
  return tn__linalg_end(&job, s);
}

const tn_op tn__op_geqrf = {
    .name = "geqrf", .lua = "geqrf", .args = "T a", .convention = 'C', .flags = TN_FLOATS,
    .nout = 2, .low = -2, .high = 2, .shape = geqrf_shape, .run = geqrf_run,
    .no_grad = "its results are reflectors; torch.qr has a gradient",
    .doc = "QR factors in one matrix (r in the upper triangle, reflectors below), and the "
           "reflectors' factors tau."};

/* tau: one number for each of at most min(m, n) reflectors. Its batch is that of m. */
static tn_status check_tau(tn_ctx *ctx, const tn_tensor *m, const tn_tensor *tau) {
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  tn_status s = tn__linalg_check(ctx, m, false);
  if (s != TN_OK) return s;
  if (tau->dtype == m->dtype && tau->ndim == m->ndim - 1 &&
      memcmp(tau->sizes, m->sizes, sizeof(int64_t) * (size_t)(m->ndim - 2)) == 0 &&
      tau->sizes[tau->ndim - 1] <= lesser(m->sizes[m->ndim - 2], m->sizes[m->ndim - 1])) {
    return TN_OK;
  }
  return tn_fail(ctx, TN_ESHAPE,
                 "reflectors of size %s, type %s, do not fit to tau of size %s, type %s",
                 tn__shape_text(ta, m->ndim, m->sizes), tn_dtype_name((tn_dtype)m->dtype),
                 tn__shape_text(tb, tau->ndim, tau->sizes), tn_dtype_name((tn_dtype)tau->dtype));
}

/* tau as a matrix of one column. */
static tn_status read_tau(tn_linalg *job, tn_columns *c, const tn_tensor *tau) {
  tn_tensor column = *tau;
  column.ndim++;
  column.sizes[column.ndim - 1] = column.strides[column.ndim - 1] = 1;
  return tn__columns_read(job, c, &column, tau->sizes[tau->ndim - 1], 1);
}

static tn_status orgqr_shape(tn_call *call) {
  const tn_tensor *a = call->in[0];
  tn_status s = check_tau(call->ctx, a, call->in[1]);
  if (s != TN_OK) return s;
  int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1];
  tn__linalg_meta(call, 0, a, m, lesser(m, n));
  return s;
}

static int orgqr_one(const tn_linalg *job, int64_t i) {
  return tn__lapack_q(job->wide, job->m, job->a.columns, job->c.rows, tn__columns_at(&job->a, i),
                      tn__columns_at(&job->c, i));
}

static tn_status orgqr_run(tn_call *call) {
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.m, lesser(job.m, job.n));
  if (s == TN_OK) s = read_tau(&job, &job.c, call->in[1]);
  if (s == TN_OK) s = tn__linalg_run(&job, work_of(&job), orgqr_one, NULL);
  if (s == TN_OK) tn__columns_write(call, 0, &job.a);
  return tn__linalg_end(&job, s);
}

const tn_op tn__op_orgqr = {
    .name = "orgqr", .lua = "orgqr", .aliases = "householder_product", .args = "T m; T tau",
    .convention = 'C', .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .shape = orgqr_shape,
    .run = orgqr_run, .no_grad = "its inputs are reflectors; torch.qr has a gradient",
    .doc = "The orthogonal matrix that geqrf's reflectors make."};

static tn_status ormqr_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *c = call->in[2];
  tn_status s = check_tau(call->ctx, a, call->in[1]);
  if (s == TN_OK) s = tn__linalg_check(call->ctx, c, false);
  if (s == TN_OK) s = tn__linalg_same_batch(call->ctx, a, c);
  if (s != TN_OK) return s;
  bool right = tn__int(call->attrs, 0, 0) != 0;
  if (c->sizes[c->ndim - (right ? 1 : 2)] != a->sizes[a->ndim - 2]) {
    char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "reflectors of size %s do not fit to a matrix of size %s",
                   tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, c->ndim, c->sizes));
  }
  tn__meta_of(&call->meta[0], c);
  return s;
}

static int ormqr_one(const tn_linalg *job, int64_t i) {
  return tn__lapack_apply_q(job->wide, job->flag[0], job->flag[1], job->b.rows, job->b.columns,
                            job->c.rows, tn__columns_at(&job->a, i), tn__columns_at(&job->c, i),
                            tn__columns_at(&job->b, i));
}

static tn_status ormqr_run(tn_call *call) {
  tn_tensor *c = call->in[2];
  tn_linalg job = tn__linalg_begin(call->ctx, call->in[0]);
  job.flag[0] = tn__int(call->attrs, 0, 0) != 0;
  job.flag[1] = tn__int(call->attrs, 1, 0) != 0;
  tn_status s = tn__columns_read(&job, &job.a, call->in[0], job.m, job.n);
  if (s == TN_OK) s = read_tau(&job, &job.c, call->in[1]);
  if (s == TN_OK) {
    s = tn__columns_read(&job, &job.b, c, c->sizes[c->ndim - 2], c->sizes[c->ndim - 1]);
  }
  double work = 2 * (double)tn__numel(c) / (double)(job.batch + 1) * (double)job.n;
  if (s == TN_OK) s = tn__linalg_run(&job, work, ormqr_one, NULL);
  if (s == TN_OK) tn__columns_write(call, 0, &job.b);
  return tn__linalg_end(&job, s);
}

const tn_op tn__op_ormqr = {
    .name = "ormqr", .lua = "ormqr", .args = "T m; T tau; T mat; w side=L,R; w trans=N,T",
    .convention = 'C', .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2, .shape = ormqr_shape,
    .run = ormqr_run, .no_grad = "its inputs are reflectors; torch.qr has a gradient",
    .doc = "q mat (or mat q, q' mat, mat q'), for the q that geqrf's reflectors make."};

/* -- gels: least squares, or the smallest solution --------------------------------------------- */

static tn_status gels_shape(tn_call *call) {
  const tn_tensor *b = call->in[0], *a = call->in[1];
  tn_status s = tn__linalg_check(call->ctx, a, false);
  if (s == TN_OK) s = tn__linalg_check(call->ctx, b, false);
  if (s == TN_OK) s = tn__linalg_same_batch(call->ctx, a, b);
  if (s != TN_OK) return s;
  int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1];
  s = tn__linalg_rows(call->ctx, a, b);
  if (s != TN_OK) return s;
  tn__linalg_meta(call, 0, b, m > n ? m : n, b->sizes[b->ndim - 1]);
  tn__meta_of(&call->meta[1], a);
  return s;
}

/* m >= n: a is A = Q R, and x = R^-1 Q'b, with what is left of Q'b below.
 * m < n:  a is A' = Q R, and x = Q (R'^-1 b, 0). b has max(m, n) rows; d is its first min(m, n). */
static int gels_one(const tn_linalg *job, int64_t i) {
  const bool wide = job->wide, under = job->m < job->n;
  const int64_t rows = job->a.rows, k = job->a.columns, right = job->right;
  const size_t item = item_of(job);
  char *a = tn__columns_at(&job->a, i), *tau = tn__columns_at(&job->c, i);
  char *b = tn__columns_at(&job->b, i), *top = tn__columns_at(&job->d, i);
  char *r = tn__columns_at(&job->e, i);
  int result = tn__lapack_qr(wide, rows, k, a, tau);
  if (result == 0 && !under) {
    result = tn__lapack_apply_q(wide, false, true, rows, right, k, a, tau, b);
  }
  if (result != 0) return result;
  for (int64_t c = 0; c < right; c++) {
    memcpy(top + (size_t)(c * k) * item, b + (size_t)(c * rows) * item, (size_t)k * item);
  }
  for (int64_t c = 0; c < k; c++) {
    memcpy(r + (size_t)(c * k) * item, a + (size_t)(c * rows) * item, (size_t)k * item);
  }
  result = tn__lapack_triangle(wide, true, under, false, k, right, r, top);
  for (int64_t c = 0; c < right; c++) {
    memcpy(b + (size_t)(c * rows) * item, top + (size_t)(c * k) * item, (size_t)k * item);
  }
  if (result != 0 || !under) return result;
  return tn__lapack_apply_q(wide, false, false, rows, right, k, a, tau, b);
}

static tn_tensor turned(const tn_tensor *t) {
  tn_tensor r = *t;
  const int last = t->ndim - 1;
  r.sizes[last] = t->sizes[last - 1], r.sizes[last - 1] = t->sizes[last];
  r.strides[last] = t->strides[last - 1], r.strides[last - 1] = t->strides[last];
  return r;
}

static tn_status gels_run(tn_call *call) {
  tn_tensor *b = call->in[0], *a = call->in[1];
  tn_linalg job = tn__linalg_begin(call->ctx, a);
  const bool under = job.m < job.n;
  const int64_t rows = under ? job.n : job.m, k = under ? job.m : job.n;
  tn_tensor of = under ? turned(a) : *a;
  job.right = b->sizes[b->ndim - 1];
  tn_status s = tn__columns_read(&job, &job.a, &of, rows, k);
  if (s == TN_OK) s = tn__columns_read(&job, &job.b, b, rows, job.right);
  if (s == TN_OK) s = tn__columns_new(&job, &job.c, job.type, k, 1);
  if (s == TN_OK) s = tn__columns_new(&job, &job.d, job.type, k, job.right);
  if (s == TN_OK) s = tn__columns_new(&job, &job.e, job.type, k, k);
  if (s == TN_OK) {
    s = tn__linalg_run(&job, work_of(&job), gels_one,
                       "the matrix does not have full rank: diagonal element %d of its triangle is "
                       "0 (torch.lstsq solves such systems too)");
  }
  if (s == TN_OK) tn__columns_write(call, 0, &job.b);
  if (s == TN_OK) {
    tn_tensor out = under ? turned(call->out[1]) : *call->out[1], *outs[] = {&out};
    tn_call second = *call;
    second.out[0] = outs[0];
    tn__columns_write(&second, 0, &job.a);
  }
  return tn__linalg_end(&job, s);
}

/* Behind gels. */
const tn_op tn__op_least_squares = {
    .name = "least_squares", .args = "T b; T a", .convention = 'N', .flags = TN_FLOATS, .nout = 2,
    .shape = gels_shape, .run = gels_run, .no_grad = "torch.lstsq has one",
    .doc = "Least squares by QR factors."};

static tn_status gels_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *b = call->in[0], *out[TN_MAX_OUTPUTS] = {NULL};
  if (b->ndim == 1) b = tn__with_dim(&e, TN_OP_unsqueeze, b, 1);
  if (e.status == TN_OK) {
    e.status = tn_apply(call->ctx, TN_OP_least_squares, 2, (tn_tensor *[]){b, call->in[1]}, NULL,
                        out);
  }
  call->out[0] = out[0];
  call->out[1] = out[1];
  return tn__eval_end(&e);
}

const tn_op tn__op_gels = {
    .name = "gels", .lua = "gels", .args = "T b; T a", .convention = 'C', .flags = TN_FLOATS,
    .nout = 2, .low = -2, .high = 2, .compose = gels_compose, .no_grad = "torch.lstsq has one",
    .doc = "The x for which a x is nearest to b, a of full rank, with the residuals below it if a "
           "is tall; and the QR factors of a."};
