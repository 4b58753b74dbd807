/* linalg.c -- batches of matrices on their way to LAPACK and back, and expressions with them. */
#include "tensor/ops/linalg.h"

#include <math.h>
#include <stdio.h>

#include "tensor/cpu/kernels.h"

tn_status tn__linalg_check(tn_ctx *ctx, const tn_tensor *t, bool square) {
  char text[TN_SHAPE_TEXT];
  if (!tn_dtype_is_float((tn_dtype)t->dtype)) {
    return tn_fail(ctx, TN_EDTYPE, "floating-point numbers expected, got a tensor of %s",
                   tn_dtype_name((tn_dtype)t->dtype));
  }
  if (t->ndim >= 2 && (!square || t->sizes[t->ndim - 1] == t->sizes[t->ndim - 2])) return TN_OK;
  return tn_fail(ctx, TN_ESHAPE, "a %smatrix expected, got a tensor of size %s",
                 square ? "square " : "", tn__shape_text(text, t->ndim, t->sizes));
}

tn_status tn__linalg_same_batch(tn_ctx *ctx, const tn_tensor *a, const tn_tensor *b) {
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  if (a->dtype != b->dtype) {
    return tn_fail(ctx, TN_EDTYPE, "tensors of one type expected, got %s and %s",
                   tn_dtype_name((tn_dtype)a->dtype), tn_dtype_name((tn_dtype)b->dtype));
  }
  if (a->ndim == b->ndim &&
      memcmp(a->sizes, b->sizes, sizeof(int64_t) * (size_t)(a->ndim - 2)) == 0) {
    return TN_OK;
  }
  return tn_fail(ctx, TN_ESHAPE, "as many matrices on both sides expected, got sizes %s and %s",
                 tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
}

tn_status tn__linalg_rows(tn_ctx *ctx, const tn_tensor *a, const tn_tensor *b) {
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  if (a->sizes[a->ndim - 2] == b->sizes[b->ndim - 2]) return TN_OK;
  return tn_fail(ctx, TN_ESHAPE, "A of size %s does not fit to B of size %s: as many rows expected",
                 tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
}

void tn__linalg_meta(tn_call *call, int i, const tn_tensor *like, int64_t rows, int64_t columns) {
  tn_meta *m = &call->meta[i];
  m->dtype = like->dtype;
  m->ndim = (uint8_t)(like->ndim - 2);
  memcpy(m->sizes, like->sizes, sizeof(int64_t) * m->ndim);
  m->sizes[m->ndim++] = rows;
  if (columns >= 0) m->sizes[m->ndim++] = columns;
}

/* -- Storage by columns ------------------------------------------------------------------------ */

tn_linalg tn__linalg_begin(tn_ctx *ctx, const tn_tensor *like) {
  tn_linalg job = {.ctx = ctx, .type = tn__lapack_type((tn_dtype)like->dtype), .batch = 1};
  job.wide = job.type == TN_F64;
  for (int d = 0; d + 2 < like->ndim; d++) job.batch *= like->sizes[d];
  job.m = like->sizes[like->ndim - 2];
  job.n = like->sizes[like->ndim - 1];
  return job;
}

tn_status tn__linalg_end(tn_linalg *job, tn_status s) {
  tn_columns *all[] = {&job->a, &job->b, &job->c, &job->d, &job->e};
  for (int i = 0; i < 5; i++) tn_tensor_release(all[i]->t);
  return s;
}

tn_status tn__columns_new(tn_linalg *job, tn_columns *c, tn_dtype dtype, int64_t rows,
                          int64_t columns) {
  const int64_t sizes[3] = {job->batch, columns, rows};
  tn_status s = tn_tensor_new(job->ctx, &c->t, dtype, 3, sizes);
  if (s != TN_OK) return s;
  c->data = tn__data(c->t);
  c->rows = rows;
  c->columns = columns;
  c->step = rows * columns * (int64_t)tn__item_size(dtype);
  return TN_OK;
}

/* The upper left part of `c` as (batch..., rows, columns), the batch being that of `like`, which
 * has `batch_dims` of it. */
static tn_tensor part_of(const tn_columns *c, const tn_tensor *like, int batch_dims, int64_t rows,
                         int64_t columns) {
  tn_tensor view = *c->t;
  int64_t stride = c->rows * c->columns;
  view.ndim = (uint8_t)(batch_dims + 2);
  for (int d = batch_dims - 1; d >= 0; d--) {
    view.sizes[d] = like->sizes[d];
    view.strides[d] = stride;
    stride *= like->sizes[d];
  }
  view.sizes[batch_dims] = rows;
  view.strides[batch_dims] = 1;
  view.sizes[batch_dims + 1] = columns;
  view.strides[batch_dims + 1] = c->rows;
  return view;
}

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

tn_status tn__columns_read(tn_linalg *job, tn_columns *c, tn_tensor *t, int64_t rows,
                           int64_t columns) {
  const int batch = t->ndim - 2;
  tn_status s = tn__columns_new(job, c, job->type, rows, columns);
  if (s != TN_OK) return s;
  tn_tensor from = *t;
  from.sizes[batch] = lesser(from.sizes[batch], rows);
  from.sizes[batch + 1] = lesser(from.sizes[batch + 1], columns);
  if (from.sizes[batch] < rows || from.sizes[batch + 1] < columns) {
    memset(c->data, 0, (size_t)(c->step * job->batch));
  }
  tn_tensor to = part_of(c, t, batch, from.sizes[batch], from.sizes[batch + 1]);
  return tn__copy_view(job->ctx, &to, &from);
}

void tn__columns_write(const tn_call *call, int i, const tn_columns *c) {
  tn_tensor *out = call->out[i];
  const bool vector = out->ndim < call->in[0]->ndim;
  const int batch = out->ndim - (vector ? 1 : 2);
  tn_tensor view = part_of(c, out, batch, out->sizes[batch], vector ? 1 : out->sizes[batch + 1]);
  view.ndim = out->ndim;
  tn__copy_view(call->ctx, out, &view);
}

bool tn__columns_finite(const tn_columns *c, int64_t i) {
  const tn_reduce_kernels *kernels = TN_ISA_PICK(&tn__reduce_kernels);
  const int64_t n = c->rows * c->columns;
  const int type = c->t->dtype == TN_F64 ? TN_COMPUTE_F64 : TN_COMPUTE_F32;
  double most, least; /* a NaN is both */
  if (n == 0) return true;
  kernels->row[TN_RED_MAX][type](n, tn__columns_at(c, i), &most);
  kernels->row[TN_RED_MIN][type](n, tn__columns_at(c, i), &least);
  return isfinite(most) && isfinite(least);
}

/* -- The loop over a batch --------------------------------------------------------------------- */

#define NONE UINT64_MAX
#define CODE_BITS 33
enum { CODE_ZERO = 4096 }; /* a code is what the routine returned, and this to make it positive */

static void note_failure(tn_linalg *job, int64_t i, int result) {
  uint64_t index = (uint64_t)lesser(i, ((int64_t)1 << (63 - CODE_BITS)) - 1);
  uint64_t mine = index << CODE_BITS | (uint64_t)((int64_t)result + CODE_ZERO);
  uint64_t first = atomic_load(&job->failed);
  while (mine < first && !atomic_compare_exchange_weak(&job->failed, &first, mine)) continue;
}

static void run_matrices(void *arg, int64_t begin, int64_t end) {
  tn_linalg *job = arg;
  for (int64_t i = begin; i < end; i++) {
    int result = job->one(job, i);
    if (result != 0) note_failure(job, i, result);
  }
}

static tn_status failure_of(const tn_linalg *job) {
  const uint64_t failed = job->failed;
  int64_t index = (int64_t)(failed >> CODE_BITS);
  int code = (int)((int64_t)(failed & (((uint64_t)1 << CODE_BITS) - 1)) - CODE_ZERO);
  char where[48] = "", what[160];
  if (job->batch > 1) {
    snprintf(where, sizeof where, " (matrix %lld of the batch)",
             (long long)index + job->ctx->index_base);
  }
  switch (code) {
  case TN_LAPACK_MEMORY: return tn_fail(job->ctx, TN_ENOMEM, "not enough memory to work in");
  case TN_LAPACK_SIZE: return tn_fail(job->ctx, TN_ESHAPE, "the matrix is too large for LAPACK");
  case TN_LINALG_NOT_FINITE:
    return tn_fail(job->ctx, TN_EARG, "the matrix holds values that are infinite or no number%s",
                   where);
  }
  if (code < 0) return tn_fail(job->ctx, TN_EARG, "LAPACK rejects its argument %d%s", -code, where);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(what, sizeof what, job->failure != NULL ? job->failure : "it failed with %d", code);
#pragma GCC diagnostic pop
  return tn_fail(job->ctx, TN_EARG, "%s%s", what, where);
}

tn_status tn__linalg_run(tn_linalg *job, double work, int (*one)(const tn_linalg *job, int64_t i),
                         const char *failure) {
  job->one = one;
  job->failure = failure;
  atomic_init(&job->failed, NONE);
  int64_t grain = (int64_t)(100000 / (work + 1)) + 1; /* some 100 us */
  tn__lapack_begin();
  tn__pool_run(job->ctx->pool, job->batch, grain, run_matrices, job);
  tn__lapack_end();
  return job->failed == NONE ? TN_OK : failure_of(job);
}

/* -- Expressions ------------------------------------------------------------------------------- */

tn_tensor *tn__turned(tn_eval *e, tn_tensor *x) {
  return tn__with_two(e, TN_OP_transpose, x, -2, -1);
}

tn_tensor *tn__product(tn_eval *e, tn_tensor *a, tn_tensor *b) {
  return tn__do(e, TN_OP_matmul, NULL, 2, (tn_tensor *[]){a, b});
}

static tn_tensor *with_diagonal(tn_eval *e, tn_opcode code, tn_tensor *x, int64_t k) {
  tn_attrs attrs = {.i = {k}, .ni = 1};
  return tn__do(e, code, &attrs, 1, &x);
}

tn_tensor *tn__lower_of(tn_eval *e, tn_tensor *x, int64_t k) {
  return with_diagonal(e, TN_OP_tril, x, k);
}

tn_tensor *tn__upper_of(tn_eval *e, tn_tensor *x, int64_t k) {
  return with_diagonal(e, TN_OP_triu, x, k);
}

tn_tensor *tn__identity_like(tn_eval *e, tn_tensor *x, int64_t n, int64_t m) {
  tn_attrs attrs = {.i = {n, m}, .ni = 2};
  return tn__do(e, TN_OP_eye, &attrs, 1, &x); /* of x only the type counts */
}

tn_tensor *tn__scale_rows(tn_eval *e, tn_tensor *x, tn_tensor *v) {
  tn_tensor *column = tn__with_dim(e, TN_OP_unsqueeze, v, -1);
  return tn__do(e, TN_OP_mul, NULL, 2, (tn_tensor *[]){x, column});
}

tn_tensor *tn__scale_columns(tn_eval *e, tn_tensor *x, tn_tensor *v) {
  tn_tensor *row = tn__with_dim(e, TN_OP_unsqueeze, v, -2);
  return tn__do(e, TN_OP_mul, NULL, 2, (tn_tensor *[]){x, row});
}

tn_tensor *tn__diagonal_matrix(tn_eval *e, tn_tensor *v) {
  if (v == NULL) return NULL;
  const int64_t n = v->sizes[v->ndim - 1];
  return tn__scale_rows(e, tn__identity_like(e, v, n, n), v);
}

tn_tensor *tn__differences(tn_eval *e, tn_tensor *v) {
  tn_eval *ep = e;
  if (v == NULL) return NULL;
  const int64_t n = v->sizes[v->ndim - 1];
  tn_tensor *row = tn__with_dim(ep, TN_OP_unsqueeze, v, -2);
  tn_tensor *column = tn__with_dim(ep, TN_OP_unsqueeze, v, -1);
  tn_tensor *d = tn__do(ep, TN_OP_sub, NULL, 2, (tn_tensor *[]){row, column});
  return tn__do(ep, TN_OP_add, NULL, 2, (tn_tensor *[]){d, tn__identity_like(ep, v, n, n)});
}

tn_tensor *tn__triangle_solve(tn_eval *e, tn_tensor *a, tn_tensor *b, bool upper, bool transposed,
                              bool unit) {
  tn_attrs attrs = {.i = {!upper, transposed, unit}, .ni = 3};
  return tn__do(e, TN_OP_solve_triangle, &attrs, 2, (tn_tensor *[]){b, a});
}

void tn__same_batch_of(tn_eval *e, tn_tensor **a, tn_tensor **b) {
  tn_tensor **both[2] = {a, b};
  tn_meta ma, mb, m;
  if (e->status != TN_OK || *a == NULL || *b == NULL) return;
  tn__meta_of(&ma, *a);
  tn__meta_of(&mb, *b);
  ma.ndim = (uint8_t)(ma.ndim - 2);
  mb.ndim = (uint8_t)(mb.ndim - 2);
  e->status = tn__broadcast(e->ctx, &ma, &mb, &m);
  for (int i = 0; i < 2 && e->status == TN_OK; i++) {
    const tn_tensor *t = *both[i];
    int64_t sizes[TN_MAX_DIMS];
    bool same = t->ndim == m.ndim + 2;
    for (int d = 0; d < m.ndim; d++) {
      sizes[d] = m.sizes[d];
      same = same && t->sizes[d] == m.sizes[d];
    }
    if (same) continue;
    sizes[m.ndim] = t->sizes[t->ndim - 2];
    sizes[m.ndim + 1] = t->sizes[t->ndim - 1];
    *both[i] = tn__with_sizes(e, TN_OP_expand, *both[i], m.ndim + 2, sizes);
  }
}
