/* triangle.c -- parts of matrices: tril, triu, diag. attrs: i[0] the diagonal, 0 the main one and
 * greater ones to its right. */
#include "tensor/ops/lines.h"

/* -- tril, triu: of each matrix in the last two dimensions ------------------------------------- */

typedef struct {
  const tn_tensor *out;
  int64_t k;
  bool upper;
} job;

static void clear(char *to, int64_t n, int64_t step, size_t item) {
  if (step == (int64_t)item) {
    memset(to, 0, (size_t)n * item);
    return;
  }
  for (int64_t i = 0; i < n; i++) memset(to + i * step, 0, item);
}

/* [begin, end) counts the rows of all matrices. */
static void clear_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const tn_tensor *out = j->out;
  const int last = out->ndim - 1;
  const size_t item = tn__item_size(out->dtype);
  const int64_t columns = out->sizes[last], step = out->strides[last] * (int64_t)item;
  for (int64_t r = begin; r < end; r++) {
    int64_t at = 0, rest = r, row = r % out->sizes[last - 1];
    for (int d = last - 1; d >= 0; d--) {
      at += rest % out->sizes[d] * out->strides[d];
      rest /= out->sizes[d];
    }
    int64_t edge = row + j->k + (j->upper ? 0 : 1); /* first column on the right side */
    edge = edge < 0 ? 0 : edge > columns ? columns : edge;
    char *to = tn__data(out) + at * (int64_t)item;
    if (j->upper) clear(to, edge, step, item);
    else clear(to + edge * step, columns - edge, step, item);
  }
}

static tn_status triangle_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  if (x->ndim >= 2) return tn__shape_same(call);
  return tn_fail(call->ctx, TN_ESHAPE, "a matrix or several expected, got %d dimensions", x->ndim);
}

/* Far beyond any matrix, so that sums with row numbers cannot overflow. */
static int64_t diagonal_of(const tn_attrs *attrs) {
  const int64_t far = (int64_t)1 << 60, k = tn__int(attrs, 0, 0);
  return k > far ? far : k < -far ? -far : k;
}

static tn_status triangle(tn_call *call, bool upper) {
  tn_tensor *out = call->out[0];
  int64_t n = tn__numel(out);
  tn__result_copy(call);
  if (n == 0) return TN_OK;
  job j = {out, diagonal_of(call->attrs), upper};
  int64_t columns = out->sizes[out->ndim - 1];
  tn__pool_run(call->ctx->pool, n / columns, 4 * TN_GRAIN / columns + 1, clear_rows, &j);
  return TN_OK;
}

static tn_status tril_run(tn_call *call) { return triangle(call, false); }
static tn_status triu_run(tn_call *call) { return triangle(call, true); }

static tn_status triangle_grad(tn_grad_call *g, tn_opcode code) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs attrs = {.i = {diagonal_of(g->attrs)}, .ni = 1};
  g->din[0] = tn__keep(&e, tn__do(&e, code, &attrs, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

static tn_status tril_grad(tn_grad_call *g) { return triangle_grad(g, TN_OP_tril); }
static tn_status triu_grad(tn_grad_call *g) { return triangle_grad(g, TN_OP_triu); }

#define TRIANGLE_ROW(name_, doc_)                                                                 \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = "T x; i k=0",              \
                                .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1,   \
                                .low = -2, .high = 2, .shape = triangle_shape,                    \
                                .run = name_##_run, .grad = name_##_grad, .onnx = "Trilu",        \
                                .doc = doc_};

TRIANGLE_ROW(tril, "x with 0 above the k-th diagonal.")
TRIANGLE_ROW(triu, "x with 0 below the k-th diagonal.")

/* -- diag -------------------------------------------------------------------------------------- */

/* How many elements diagonal k of a matrix has; *offset: where they begin, with these strides. */
static int64_t diagonal(const int64_t *sizes, const int64_t *strides, int64_t k, int64_t *offset) {
  int64_t rows = sizes[0], columns = sizes[1];
  if (k >= 0) columns -= k;
  else rows += k;
  int64_t n = rows < columns ? rows : columns;
  *offset = n <= 0 ? 0 : k >= 0 ? k * strides[1] : -k * strides[0];
  return n > 0 ? n : 0;
}

static tn_tensor diagonal_view(const tn_tensor *matrix, int64_t k) {
  tn_tensor view = *matrix;
  int64_t offset;
  view.ndim = 1;
  view.sizes[0] = diagonal(matrix->sizes, matrix->strides, k, &offset);
  view.strides[0] = matrix->strides[0] + matrix->strides[1];
  view.offset += offset;
  return view;
}

static tn_status diag_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  int64_t k = diagonal_of(call->attrs), offset;
  m->dtype = x->dtype;
  if (x->ndim == 1) {
    m->ndim = 2;
    m->sizes[0] = m->sizes[1] = x->sizes[0] + (k < 0 ? -k : k);
    return TN_OK;
  }
  if (x->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "a vector or a matrix expected, got %d dimensions",
                   x->ndim);
  }
  m->ndim = 1;
  m->sizes[0] = diagonal(x->sizes, x->strides, k, &offset);
  return TN_OK;
}

static tn_status diag_run(tn_call *call) {
  tn_tensor *x = call->in[0], *out = call->out[0];
  int64_t k = diagonal_of(call->attrs);
  if (x->ndim == 2) {
    tn_tensor view = diagonal_view(x, k);
    return tn__copy_view(call->ctx, out, &view);
  }
  tn_status s = tn__set_zero(call->ctx, out);
  tn_tensor view = diagonal_view(out, k);
  return s == TN_OK ? tn__copy_view(call->ctx, &view, x) : s;
}

/* Of a matrix: zeros with dy on the diagonal. */
static tn_status diag_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_meta *m = &g->meta[0];
  int64_t k = diagonal_of(g->attrs), strides[2], offset;
  tn_attrs attrs = {.i = {k}, .ni = 1};
  if (m->ndim == 1) {
    g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_diag, &attrs, 1, &g->dout[0]));
    return tn__eval_end(&e);
  }
  tn_tensor *dx = tn__zeros(&e, m);
  tn__contiguous_strides(2, m->sizes, strides);
  int64_t n = diagonal(m->sizes, strides, k, &offset);
  tn_attrs part = {.i = {n, strides[0] + strides[1], offset}, .ni = 3};
  if (n > 0) {
    dx = tn__do(&e, TN_OP_as_strided_scatter, &part, 2, (tn_tensor *[]){dx, g->dout[0]});
  }
  g->din[0] = tn__keep(&e, dx);
  return tn__eval_end(&e);
}

const tn_op tn__op_diag = {
    .name = "diag", .lua = "diag", .args = "T x; i k=0", .convention = 'C',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .shape = diag_shape,
    .run = diag_run, .grad = diag_grad,
    .doc = "The k-th diagonal of a matrix, or the matrix that has a vector as its k-th diagonal."};
