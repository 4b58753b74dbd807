/* matmul.c -- products of vectors and matrices, all through one matrix product.
 *
 * float16 and bfloat16 are multiplied in float32, integers as whole numbers of 64 bits. */
#include "tensor/ops/matmul.h"

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/isa/gemm_kernel.h"
#include "tensor/cpu/onednn_matmul.h"
#include "tensor/cpu/prepared.h"
#include "tensor/device.h"
#include "tensor/eval.h"

/* A matrix as the product wants it: rows `ld` apart, or the transpose of such a one. */
typedef struct {
  tn_tensor *t; /* a reference */
  const char *data;
  int64_t ld, step; /* of a batch */
  bool transposed;
} matrix;

static tn_dtype product_dtype(tn_dtype dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16 ? TN_F32 : TN_F64;
}

/* The last two dimensions of `t` (a vector: as one row), copied only when neither is dense. */
static tn_status read_matrix(tn_ctx *ctx, matrix *m, tn_tensor *t, tn_dtype type) {
  int64_t rows = t->ndim > 1 ? t->sizes[t->ndim - 2] : 1, columns = t->sizes[t->ndim - 1];
  int64_t down = t->ndim > 1 ? t->strides[t->ndim - 2] : columns, along = t->strides[t->ndim - 1];
  tn_status s = TN_OK;
  m->transposed = false;
  if (t->dtype == type && (along == 1 || columns <= 1) && (down >= columns || rows <= 1)) {
    m->t = tn_tensor_retain(t);
    m->ld = rows > 1 ? down : columns;
  } else if (t->dtype == type && (down == 1 || rows <= 1) && along >= rows && columns > 1) {
    m->t = tn_tensor_retain(t);
    m->ld = along;
    m->transposed = true;
  } else {
    tn_tensor *copy;
    m->t = NULL;
    s = tn_tensor_new(ctx, &copy, type, t->ndim, t->sizes);
    if (s != TN_OK) return s;
    tn__copy_view(ctx, copy, t);
    m->t = copy;
    m->ld = columns;
  }
  if (m->ld < 1) m->ld = 1;
  m->data = tn__data(m->t);
  m->step = m->t->ndim > 2 ? m->t->strides[0] : 0;
  return s;
}

/* out (m x n, contiguous, of the product's dtype) = alpha a b + beta out, `batch` times. */
static tn_status multiply(tn_ctx *ctx, tn_tensor *out, const matrix *a, const matrix *b, int64_t m,
                          int64_t n, int64_t k, double alpha, double beta, int64_t batch) {
  char *c = tn__data(out);
  int failed;
  if (out->dtype == TN_F32 && batch == 1) {
    failed = tn__sgemm(ctx->pool, a->transposed, b->transposed, m, n, k, (float)alpha,
                       (const float *)a->data, a->ld, (const float *)b->data, b->ld, (float)beta,
                       (float *)c, n > 0 ? n : 1);
  } else if (out->dtype == TN_F32) {
    failed = tn__sgemm_batch(ctx->pool, a->transposed, b->transposed, m, n, k, (float)alpha,
                             (const float *)a->data, a->ld, a->step, (const float *)b->data, b->ld,
                             b->step, (float)beta, (float *)c, n > 0 ? n : 1, m * n, batch);
  } else {
    failed = tn__dgemm_batch(ctx->pool, a->transposed, b->transposed, m, n, k, alpha,
                             (const double *)a->data, a->ld, a->step, (const double *)b->data,
                             b->ld, b->step, beta, (double *)c, n > 0 ? n : 1, m * n, batch);
  }
  return failed ? tn_fail(ctx, TN_ENOMEM, "not enough memory for a matrix product") : TN_OK;
}

/* The product of large bfloat16 matrices by the processor's own instructions, if it has them: then
 * *done. */
static tn_status bfloat_product(tn_ctx *ctx, tn_tensor *out, tn_tensor *a, tn_tensor *b, int64_t m,
                                int64_t n, int64_t k, double alpha, double beta, int64_t batch,
                                bool *done) {
  matrix ma = {0}, mb = {0};
  int result = 0;
  *done = false;
  if (out->dtype != TN_BF16 || alpha != 1 || (beta != 0 && beta != 1) || !tn__contiguous(out) ||
      !tn__onednn_matmul_pays(m, n, k, batch)) {
    return TN_OK;
  }
  tn_tensor *rows = NULL; /* the library has fast code only for an A that is not transposed */
  tn_status s = tn__contiguous_of(ctx, &rows, a, TN_BF16);
  if (s == TN_OK) s = read_matrix(ctx, &ma, rows, TN_BF16);
  if (s == TN_OK) s = read_matrix(ctx, &mb, b, TN_BF16);
  if (s == TN_OK) {
    const tn_onednn_matmul g = {
        .ta = ma.transposed, .tb = mb.transposed, .add = beta == 1, .m = m, .n = n, .k = k,
        .lda = ma.ld, .ldb = mb.ld, .ldc = n, .stride_a = ma.step, .stride_b = mb.step,
        .stride_c = m * n, .batch = batch, .a = (const uint16_t *)ma.data,
        .b = (const uint16_t *)mb.data, .c = (uint16_t *)tn__data(out)};
    result = tn__onednn_matmul(ctx->pool, &g);
  }
  if (result < 0) s = tn_fail(ctx, TN_ENOMEM, "not enough memory for a matrix product");
  *done = result > 0;
  tn_tensor_release(rows);
  tn_tensor_release(ma.t);
  tn_tensor_release(mb.t);
  return s;
}

/* out = alpha a b + beta out, whatever the dtypes. */
static tn_status product(tn_ctx *ctx, tn_tensor *out, tn_tensor *a, tn_tensor *b, int64_t m,
                         int64_t n, int64_t k, double alpha, double beta, int64_t batch) {
  tn_dtype type = product_dtype((tn_dtype)out->dtype);
  matrix ma = {0}, mb = {0};
  tn_tensor *to = NULL;
  if (tn__is_whole_product((tn_dtype)out->dtype, alpha, beta)) {
    return tn__whole_product(ctx, out, a, b, m, n, k, alpha, beta, batch);
  }
  bool done;
  tn_status s = bfloat_product(ctx, out, a, b, m, n, k, alpha, beta, batch, &done);
  if (s != TN_OK || done) return s;
  s = read_matrix(ctx, &ma, a, type);
  if (s == TN_OK) s = read_matrix(ctx, &mb, b, type);
  if (s == TN_OK && out->dtype == type && tn__contiguous(out)) to = tn_tensor_retain(out);
  else if (s == TN_OK) {
    s = tn_tensor_new(ctx, &to, type, out->ndim, out->sizes);
    if (s == TN_OK && beta != 0) tn__copy_view(ctx, to, out);
  }
  if (s == TN_OK) s = multiply(ctx, to, &ma, &mb, m, n, k, alpha, beta, batch);
  if (s == TN_OK && to != out) tn__copy_view(ctx, out, to);
  tn_tensor_release(ma.t);
  tn_tensor_release(mb.t);
  tn_tensor_release(to);
  return s;
}

static tn_status misfit(tn_call *call, const tn_tensor *a, const tn_tensor *b) {
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  return tn_fail(call->ctx, TN_ESHAPE, "shapes do not match: %s * %s",
                 tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
}

/* Both must be of one dtype, as for every product in Torch7. */
static tn_status same_dtype(tn_call *call, const tn_tensor *a, const tn_tensor *b) {
  if (a->dtype == b->dtype) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "tensors of one dtype expected, got %s and %s",
                 tn_dtype_name((tn_dtype)a->dtype), tn_dtype_name((tn_dtype)b->dtype));
}

static tn_status set_meta(tn_call *call, int ndim, int64_t x, int64_t y, int64_t z) {
  tn_meta *m = &call->meta[0];
  m->dtype = call->in[0]->dtype;
  m->ndim = (uint8_t)ndim;
  m->sizes[0] = x;
  m->sizes[1] = y;
  m->sizes[2] = z;
  return same_dtype(call, call->in[0], call->in[call->nin > 1 ? 1 : 0]);
}

/* -- Plain products ---------------------------------------------------------------------------- */

static tn_status dot_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *b = call->in[1];
  if (tn__numel(a) != tn__numel(b)) return misfit(call, a, b);
  return set_meta(call, 0, 0, 0, 0);
}

static tn_status dot_run(tn_call *call) {
  tn_tensor *a = NULL, *b = NULL;
  tn_dtype type = product_dtype((tn_dtype)call->in[0]->dtype);
  int64_t n = tn__numel(call->in[0]);
  tn_status s = tn__contiguous_of(call->ctx, &a, call->in[0], type);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &b, call->in[1], type);
  if (s == TN_OK) {
    tn_tensor row = *a, column = *b;
    row.ndim = column.ndim = 2;
    row.sizes[0] = column.sizes[1] = 1;
    row.sizes[1] = column.sizes[0] = n;
    row.strides[0] = n;
    row.strides[1] = column.strides[0] = column.strides[1] = 1;
    s = product(call->ctx, call->out[0], &row, &column, 1, 1, n, 1, 0, 1);
  }
  tn_tensor_release(a);
  tn_tensor_release(b);
  return s;
}

static tn_status dot_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  for (int i = 0; i < 2; i++) {
    tn_tensor *other = g->in[1 - i];
    if (!g->need[i]) continue;
    other = tn__reshaped(&e, other, g->meta[i].ndim, g->meta[i].sizes);
    g->din[i] = tn__keep(&e, DO2(mul, other, g->dout[0]));
  }
  return tn__eval_end(&e);
}

#define PRODUCT_ROW(name_, args_, forms_, convention_, flags_, saves_, onnx_, doc_)                \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = args_, .forms = forms_, .convention = convention_,   \
      .flags = (flags_) | TN_FLOATS | TN_INTEGERS, .nout = 1, .saves = saves_, .low = -2,         \
      .high = 2, .shape = name_##_shape, .run = name_##_run, .grad = name_##_grad,                \
      .onnx = onnx_, .doc = doc_}

PRODUCT_ROW(dot, "T a; T b", NULL, 'C', TN_NUMBER, TN_SAVE_A | TN_SAVE_B, NULL,
            "Sum of the products of corresponding elements.");

static tn_status mv_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *b = call->in[1];
  if (a->ndim != 2 || b->ndim != 1 || a->sizes[1] != b->sizes[0]) return misfit(call, a, b);
  return set_meta(call, 1, a->sizes[0], 0, 0);
}

/* A vector as a column: strides serve as they are, since a column's width is 1. */
static tn_tensor column_of(const tn_tensor *v) {
  tn_tensor c = *v;
  c.ndim = 2;
  c.sizes[1] = 1;
  c.strides[1] = 1;
  return c;
}

static tn_status mv_into(tn_call *call, tn_tensor *a, tn_tensor *v, double alpha, double beta) {
  tn_tensor *flat = NULL;
  tn_status s = tn__contiguous_of(call->ctx, &flat, v, (tn_dtype)v->dtype);
  if (s != TN_OK) return s;
  tn_tensor column = column_of(flat);
  s = product(call->ctx, call->out[0], a, &column, a->sizes[0], 1, a->sizes[1], alpha, beta, 1);
  tn_tensor_release(flat);
  return s;
}

static tn_status mv_run(tn_call *call) { return mv_into(call, call->in[0], call->in[1], 1, 0); }

static tn_status mv_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn__keep(&e, DO2(ger, g->dout[0], g->in[1]));
  if (g->need[1]) g->din[1] = tn__keep(&e, DO2(mv, DO1(transpose, g->in[0]), g->dout[0]));
  return tn__eval_end(&e);
}

PRODUCT_ROW(mv, "T a; T b", NULL, 'B', 0, TN_SAVE_A | TN_SAVE_B, "MatMul",
            "Matrix times vector.");

static tn_status mm_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *b = call->in[1];
  if (a->ndim != 2 || b->ndim != 2 || a->sizes[1] != b->sizes[0]) return misfit(call, a, b);
  return set_meta(call, 2, a->sizes[0], b->sizes[1], 0);
}

static tn_status mm_run(tn_call *call) {
  tn_tensor *a = call->in[0], *b = call->in[1];
  return product(call->ctx, call->out[0], a, b, a->sizes[0], b->sizes[1], a->sizes[1], 1, 0, 1);
}

/* din[i] = x y, added straight to a leaf's gradient where there is one already. */
static tn_status send_product(tn_grad_call *g, tn_eval *ep, int i, tn_tensor *x, tn_tensor *y) {
  tn_eval e = *ep;
  tn_tensor *into = g->into[i];
  if (x == NULL || y == NULL) return e.status;
  const bool here = into != NULL && x->dtype == into->dtype && y->dtype == into->dtype;
  if (here && tn__elsewhere(into)) {
    const tn_attrs sum = {.f = {1, 1}};
    e.status = tn_apply_inplace(g->ctx, TN_OP_addmm, 3, (tn_tensor *[]){into, x, y}, &sum);
    g->din[i] = NULL;
  } else if (here) {
    e.status = product(g->ctx, into, x, y, x->sizes[0], y->sizes[1], x->sizes[1], 1, 1, 1);
    into->storage->version++;
    into->storage->writer = g->node_op->name;
    g->din[i] = NULL;
  } else {
    g->din[i] = tn__keep(&e, DO2(mm, x, y));
  }
  *ep = e;
  return e.status;
}

static tn_status mm_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) send_product(g, &e, 0, g->dout[0], DO1(transpose, g->in[1]));
  if (g->need[1]) send_product(g, &e, 1, DO1(transpose, g->in[0]), g->dout[0]);
  return tn__eval_end(&e);
}

PRODUCT_ROW(mm, "T a; T b", NULL, 'B', 0, TN_SAVE_A | TN_SAVE_B, "MatMul", "Matrix product.");

static tn_status bmm_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *b = call->in[1];
  if (a->ndim != 3 || b->ndim != 3 || a->sizes[0] != b->sizes[0] || a->sizes[2] != b->sizes[1]) {
    return misfit(call, a, b);
  }
  return set_meta(call, 3, a->sizes[0], a->sizes[1], b->sizes[2]);
}

static tn_status bmm_run(tn_call *call) {
  tn_tensor *a = call->in[0], *b = call->in[1];
  return product(call->ctx, call->out[0], a, b, a->sizes[1], b->sizes[2], a->sizes[2], 1, 0,
                 a->sizes[0]);
}

static tn_tensor *swapped(tn_eval *e, tn_tensor *t) {
  return tn__with_two(e, TN_OP_transpose, t, 1, 2);
}

static tn_status bmm_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn__keep(&e, DO2(bmm, g->dout[0], swapped(&e, g->in[1])));
  if (g->need[1]) g->din[1] = tn__keep(&e, DO2(bmm, swapped(&e, g->in[0]), g->dout[0]));
  return tn__eval_end(&e);
}

PRODUCT_ROW(bmm, "T a; T b", NULL, 'B', 0, TN_SAVE_A | TN_SAVE_B, "MatMul",
            "Products of corresponding matrices of two batches.");

static tn_status ger_shape(tn_call *call) {
  const tn_tensor *a = call->in[0], *b = call->in[1];
  if (a->ndim != 1 || b->ndim != 1) return misfit(call, a, b);
  return set_meta(call, 2, a->sizes[0], b->sizes[0], 0);
}

static tn_status ger_into(tn_call *call, tn_tensor *a, tn_tensor *b, double alpha, double beta) {
  tn_tensor *fa = NULL, *fb = NULL;
  tn_status s = tn__contiguous_of(call->ctx, &fa, a, (tn_dtype)a->dtype);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &fb, b, (tn_dtype)b->dtype);
  if (s == TN_OK) {
    tn_tensor column = column_of(fa), row = *fb;
    row.ndim = 2;
    row.sizes[1] = row.strides[0] = fb->sizes[0];
    row.sizes[0] = row.strides[1] = 1;
    s = product(call->ctx, call->out[0], &column, &row, a->sizes[0], b->sizes[0], 1, alpha, beta,
                1);
  }
  tn_tensor_release(fa);
  tn_tensor_release(fb);
  return s;
}

static tn_status ger_run(tn_call *call) {
  return ger_into(call, call->in[0], call->in[1], 1, 0);
}

static tn_status ger_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn__keep(&e, DO2(mv, g->dout[0], g->in[1]));
  if (g->need[1]) g->din[1] = tn__keep(&e, DO2(mv, DO1(transpose, g->dout[0]), g->in[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_ger = {
    .name = "ger", .lua = "ger", .aliases = "outer", .args = "T a; T b", .convention = 'B',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .saves = TN_SAVE_A | TN_SAVE_B, .low = -2,
    .high = 2, .shape = ger_shape, .run = ger_run, .grad = ger_grad,
    .doc = "Outer product of two vectors."};

/* -- beta M + alpha (a b): f[0] beta, f[1] alpha ----------------------------------------------- */

/* The shape is the product's, which M must have or be broadcast to. */
static tn_status add_shape(tn_call *call, tn_status (*rule)(tn_call *)) {
  tn_call inner = *call;
  inner.in = call->in + 1;
  inner.nin = 2;
  tn_status s = rule(&inner);
  if (s != TN_OK) return s;
  const tn_meta *product = &inner.meta[0];
  const tn_tensor *m = call->in[0];
  call->meta[0] = *product;
  bool fits = m->ndim <= product->ndim;
  for (int d = 1; fits && d <= m->ndim; d++) {
    int64_t size = m->sizes[m->ndim - d];
    fits = size == 1 || size == product->sizes[product->ndim - d];
  }
  if (fits) return same_dtype(call, m, call->in[1]);
  char tm[TN_SHAPE_TEXT], tp[TN_SHAPE_TEXT];
  return tn_fail(call->ctx, TN_ESHAPE, "a product of size %s cannot be added to %s",
                 tn__shape_text(tp, product->ndim, product->sizes),
                 tn__shape_text(tm, m->ndim, m->sizes));
}

/* out = M broadcast; unless beta is 0, when M's values, NaN too, do not count. */
static tn_status place(tn_call *call, double beta) {
  tn_tensor *in[2] = {call->out[0], call->in[0]};
  if (beta == 0 || tn__same_view(call->out[0], call->in[0])) return TN_OK;
  tn_call copy = {.ctx = call->ctx, .op = &tn__op_copy, .nin = 2, .in = in,
                  .out = {call->out[0]}, .attrs = call->attrs};
  return tn__op_copy.run(&copy);
}

static tn_status addmv_shape(tn_call *call) { return add_shape(call, mv_shape); }
static tn_status addmm_shape(tn_call *call) { return add_shape(call, mm_shape); }
static tn_status addr_shape(tn_call *call) { return add_shape(call, ger_shape); }
static tn_status baddbmm_shape(tn_call *call) { return add_shape(call, bmm_shape); }

static tn_status addmv_run(tn_call *call) {
  double beta = call->attrs->f[0], alpha = call->attrs->f[1];
  tn_status s = place(call, beta);
  return s != TN_OK ? s : mv_into(call, call->in[1], call->in[2], alpha, beta);
}

static tn_status addr_run(tn_call *call) {
  double beta = call->attrs->f[0], alpha = call->attrs->f[1];
  tn_status s = place(call, beta);
  return s != TN_OK ? s : ger_into(call, call->in[1], call->in[2], alpha, beta);
}

static tn_status addmm_run(tn_call *call) {
  double beta = call->attrs->f[0], alpha = call->attrs->f[1];
  tn_tensor *a = call->in[1], *b = call->in[2];
  tn_status s = place(call, beta);
  return s != TN_OK ? s
                    : product(call->ctx, call->out[0], a, b, a->sizes[0], b->sizes[1],
                              a->sizes[1], alpha, beta, 1);
}

static tn_status baddbmm_run(tn_call *call) {
  double beta = call->attrs->f[0], alpha = call->attrs->f[1];
  tn_tensor *a = call->in[1], *b = call->in[2];
  tn_status s = place(call, beta);
  return s != TN_OK ? s
                    : product(call->ctx, call->out[0], a, b, a->sizes[1], b->sizes[2],
                              a->sizes[2], alpha, beta, a->sizes[0]);
}

/* The gradient of the product's part is the product's own, scaled by alpha. */
static tn_status add_grad(tn_grad_call *g, tn_status (*rule)(tn_grad_call *)) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *into[2] = {NULL, NULL};
  double beta = g->attrs->f[0], alpha = g->attrs->f[1];
  tn_grad_call inner = *g;
  inner.dout[0] = alpha == 1 ? g->dout[0] : tn__scaled(&e, g->dout[0], alpha);
  inner.in[0] = g->in[1];
  inner.in[1] = g->in[2];
  inner.nin = 2;
  inner.meta = g->meta + 1;
  inner.need = g->need + 1;
  inner.din = g->din + 1;
  inner.into = into;
  if (e.status == TN_OK) e.status = rule(&inner);
  if (e.status == TN_OK && g->need[0]) {
    g->din[0] = tn__keep(&e, beta == 1 ? g->dout[0] : tn__scaled(&e, g->dout[0], beta));
    if (g->din[0] != NULL) e.status = tn__reduce_to(g->ctx, &g->din[0], &g->meta[0]);
  }
  return tn__eval_end(&e);
}

static tn_status addmv_grad(tn_grad_call *g) { return add_grad(g, mv_grad); }
static tn_status addmm_grad(tn_grad_call *g) { return add_grad(g, mm_grad); }
static tn_status addr_grad(tn_grad_call *g) { return add_grad(g, ger_grad); }
static tn_status baddbmm_grad(tn_grad_call *g) { return add_grad(g, bmm_grad); }

#define ADD_ARGS "T m; T a; T b; n beta=1; n alpha=1"
#define ADD_FORMS "m a b; m alpha a b; beta m alpha a b; beta m a b"
#define ADD_SAVES (TN_SAVE_B | TN_SAVE_C)

PRODUCT_ROW(addmv, ADD_ARGS, ADD_FORMS, 'A', TN_INPLACE, ADD_SAVES, NULL,
            "beta * m + alpha * (a b), a matrix, b vector.");
PRODUCT_ROW(addmm, ADD_ARGS, ADD_FORMS, 'A', TN_INPLACE, ADD_SAVES, "Gemm",
            "beta * m + alpha * (a b).");
PRODUCT_ROW(addr, ADD_ARGS, ADD_FORMS, 'A', TN_INPLACE, ADD_SAVES, NULL,
            "beta * m + alpha * (the outer product of a and b).");
PRODUCT_ROW(baddbmm, ADD_ARGS, ADD_FORMS, 'A', TN_INPLACE, ADD_SAVES, NULL,
            "beta * m + alpha * (a b), for batches of matrices.");

/* The sum of all products is one product: of the batch's matrices side by side, and one below the
 * other. */
static tn_status addbmm_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[1], *b = call->in[2];
  if (a->ndim != 3 || b->ndim != 3 || a->sizes[0] != b->sizes[0] || a->sizes[2] != b->sizes[1]) {
    return misfit(call, a, b);
  }
  int64_t batch = a->sizes[0], rows = a->sizes[1], k = a->sizes[2], columns = b->sizes[2];
  a = tn__reshaped(&e, tn__with_two(&e, TN_OP_transpose, a, 0, 1), 2,
                   (int64_t[]){rows, batch * k});
  b = tn__reshaped(&e, b, 2, (int64_t[]){batch * k, columns});
  tn_tensor *in[3] = {call->in[0], a, b};
  call->out[0] = tn__keep(&e, tn__do(&e, TN_OP_addmm, call->attrs, 3, in));
  return tn__eval_end(&e);
}

const tn_op tn__op_addbmm = {
    .name = "addbmm", .lua = "addbmm", .args = ADD_ARGS, .forms = ADD_FORMS, .convention = 'A',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .compose = addbmm_compose,
    .doc = "beta * m + alpha * (the sum of the products of two batches of matrices)."};

/* -- matmul: what `a * b` means ---------------------------------------------------------------- */

/* Broadcast batches of matrices become bmm over expanded views; the rest are the rows above. */
static tn_status matmul_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *a = call->in[0], *b = call->in[1], *r = NULL;
  if (a->ndim == 1 && b->ndim == 1) r = DO2(dot, a, b);
  else if (a->ndim == 1 && b->ndim == 2 && a->sizes[0] != b->sizes[0]) {
    e.status = misfit(call, a, b); /* for mv they would change places */
  }
  else if (a->ndim == 2 && b->ndim == 1) r = DO2(mv, a, b);
  else if (a->ndim == 1 && b->ndim == 2) r = DO2(mv, DO1(transpose, b), a);
  else if (a->ndim == 2 && b->ndim == 2) r = DO2(mm, a, b);
  else if (a->ndim == 3 && b->ndim == 3 && a->sizes[0] == b->sizes[0]) r = DO2(bmm, a, b);
  else if (a->ndim < 1 || b->ndim < 1) e.status = misfit(call, a, b);
  else {
    int la = a->ndim > 1 ? 2 : 1, lb = b->ndim > 1 ? 2 : 1;
    if (la == 1) a = tn__with_dim(&e, TN_OP_unsqueeze, a, 0);
    if (lb == 1) b = tn__with_dim(&e, TN_OP_unsqueeze, b, 1);
    if (e.status == TN_OK && a->sizes[a->ndim - 1] != b->sizes[b->ndim - 2]) {
      e.status = misfit(call, call->in[0], call->in[1]);
    }
    tn_meta ma = {0}, mb = {0}, m = {0};
    if (e.status == TN_OK) {
      ma.ndim = (uint8_t)(a->ndim - 2);
      mb.ndim = (uint8_t)(b->ndim - 2);
      memcpy(ma.sizes, a->sizes, sizeof(int64_t) * ma.ndim);
      memcpy(mb.sizes, b->sizes, sizeof(int64_t) * mb.ndim);
      e.status = tn__broadcast(call->ctx, &ma, &mb, &m);
    }
    if (e.status == TN_OK) {
      int64_t rows = a->sizes[a->ndim - 2], k = a->sizes[a->ndim - 1];
      int64_t columns = b->sizes[b->ndim - 1], batch = 1;
      for (int d = 0; d < m.ndim; d++) batch *= m.sizes[d];
      int64_t sa[TN_MAX_DIMS + 2], sb[TN_MAX_DIMS + 2], sr[TN_MAX_DIMS + 2];
      memcpy(sa, m.sizes, sizeof m.sizes);
      memcpy(sb, m.sizes, sizeof m.sizes);
      memcpy(sr, m.sizes, sizeof m.sizes);
      sa[m.ndim] = rows, sa[m.ndim + 1] = k;
      sb[m.ndim] = k, sb[m.ndim + 1] = columns;
      a = tn__reshaped(&e, tn__with_sizes(&e, TN_OP_expand, a, m.ndim + 2, sa), 3,
                       (int64_t[]){batch, rows, k});
      b = tn__reshaped(&e, tn__with_sizes(&e, TN_OP_expand, b, m.ndim + 2, sb), 3,
                       (int64_t[]){batch, k, columns});
      int n = m.ndim;
      if (la == 2) sr[n++] = rows;
      if (lb == 2) sr[n++] = columns;
      r = tn__reshaped(&e, DO2(bmm, a, b), n, sr);
    }
  }
  call->out[0] = tn__keep(&e, r);
  return tn__eval_end(&e);
}

const tn_op tn__op_matmul = {
    .name = "matmul", .lua = "matmul", .args = "T a; T b", .convention = 'C', .nout = 1,
    .flags = TN_NUMBER | TN_FLOATS | TN_INTEGERS, .low = -2, .high = 2, .compose = matmul_compose,
    .onnx = "MatMul",
    .doc = "Product of vectors, matrices or batches of them, by their dimensions."};

/* -- linear: x W' + b, in any number of leading dimensions ------------------------------------- */

static tn_status linear_shape(tn_call *call) {
  const tn_tensor *x = call->in[0], *w = call->in[1], *b = call->nin > 2 ? call->in[2] : NULL;
  tn_meta *m = &call->meta[0];
  if (w->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "a weight of 2 dimensions expected, got %d", w->ndim);
  }
  if (x->ndim < 1 || x->sizes[x->ndim - 1] != w->sizes[1]) {
    char t[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "input of size %s has %lld features, expected %lld",
                   tn__shape_text(t, x->ndim, x->sizes),
                   (long long)(x->ndim > 0 ? x->sizes[x->ndim - 1] : 0), (long long)w->sizes[1]);
  }
  if (b != NULL && (b->ndim != 1 || b->sizes[0] != w->sizes[0])) {
    char t[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "bias of size %s, but [%lld] expected",
                   tn__shape_text(t, b->ndim, b->sizes), (long long)w->sizes[0]);
  }
  tn__meta_of(m, x);
  m->sizes[x->ndim - 1] = w->sizes[0];
  tn_status s = same_dtype(call, x, w);
  return s == TN_OK && b != NULL ? same_dtype(call, x, b) : s;
}

/* The product with a weight that is kept in the kernels' order; false: it is not, and nothing was
 * done. */
static bool run_packed(tn_call *call, tn_tensor *out, tn_tensor *x, int64_t rows, tn_status *s) {
  const tn_tensor *w = call->in[1], *bias = call->nin > 2 ? call->in[2] : NULL;
  const size_t item = tn__item_size(w->dtype);
  const int64_t n = w->sizes[0], k = w->sizes[1];
  tn_storage *keep = tn__weight_in_use(call, 1);
  if (keep == NULL || (w->dtype != TN_F32 && w->dtype != TN_F64)) return false;
  if (!tn__contiguous(w) || out->dtype != w->dtype) return false;
  if (bias != NULL && !tn__contiguous(bias)) return false;
  tn_gemm g = {.tb = true, .m = rows, .n = n, .k = k, .alpha = 1, .b = tn__data(w),
               .ldb = k, .c = tn__data(out), .ldc = n};
  tn_prepared *p = tn__prepared_panels(keep, &g, item);
  if (p == NULL) return false;
  matrix a = {0};
  *s = read_matrix(call->ctx, &a, x, (tn_dtype)w->dtype);
  g.ta = a.transposed;
  g.a = a.data;
  g.lda = a.ld;
  g.panels = p->data;
  if (bias != NULL) g.bias = tn__data(bias);
  if (*s == TN_OK && tn__gemm_run(call->ctx->pool, &g, item) != 0) {
    *s = tn_fail(call->ctx, TN_ENOMEM, "not enough memory for a matrix product");
  }
  tn_tensor_release(a.t);
  tn__prepared_put(keep, p);
  return true;
}

static tn_status linear_run(tn_call *call) {
  tn_tensor *x = call->in[0], *w = call->in[1], *b = call->nin > 2 ? call->in[2] : NULL;
  tn_tensor *flat = NULL, turned = *w, out = *call->out[0];
  int64_t k = w->sizes[1], n = w->sizes[0], rows = 1;
  for (int d = 0; d + 1 < x->ndim; d++) rows *= x->sizes[d];
  turned.sizes[0] = k, turned.sizes[1] = n;
  turned.strides[0] = w->strides[1], turned.strides[1] = w->strides[0];
  tn_status s = x->ndim == 2 ? (flat = tn_tensor_retain(x), TN_OK)
                             : tn__contiguous_of(call->ctx, &flat, x, (tn_dtype)x->dtype);
  if (s != TN_OK) return s;
  tn_tensor in = *flat;
  if (x->ndim != 2) {
    in.ndim = 2;
    in.sizes[0] = rows, in.sizes[1] = in.strides[0] = k;
    in.strides[1] = 1;
  }
  out.ndim = 2;
  out.sizes[0] = rows, out.sizes[1] = out.strides[0] = n;
  out.strides[1] = 1;
  if (run_packed(call, &out, &in, rows, &s)) {
    tn_tensor_release(flat);
    return s;
  }
  if (b != NULL) {
    tn_tensor shown = *b;
    shown.ndim = 2;
    shown.sizes[0] = rows, shown.sizes[1] = n;
    shown.strides[0] = 0, shown.strides[1] = b->strides[0];
    tn__copy_view(call->ctx, &out, &shown);
  }
  s = product(call->ctx, &out, &in, &turned, rows, n, k, 1, b != NULL, 1);
  tn_tensor_release(flat);
  return s;
}

static tn_status linear_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *x = g->in[0], *w = g->in[1], *d = g->dout[0];
  int64_t k = g->meta[1].sizes[1], n = g->meta[1].sizes[0], rows = 1;
  for (int i = 0; i + 1 < g->meta[0].ndim; i++) rows *= g->meta[0].sizes[i];
  if (g->meta[0].ndim != 2) {
    x = tn__reshaped(&e, x, 2, (int64_t[]){rows, k});
    d = tn__reshaped(&e, d, 2, (int64_t[]){rows, n});
  }
  if (g->need[0]) {
    g->din[0] = tn__keep(&e, tn__reshaped(&e, DO2(mm, d, w), g->meta[0].ndim, g->meta[0].sizes));
  }
  if (g->need[1]) send_product(g, &e, 1, DO1(transpose, d), x);
  if (g->nin > 2 && g->need[2]) {
    tn_attrs rows_only = {.i = {0, 0}, .ni = 2};
    g->din[2] = tn__keep(&e, tn__do(&e, TN_OP_sum, &rows_only, 1, &d));
  }
  return tn__eval_end(&e);
}

const tn_op tn__op_linear = {
    .name = "linear", .lua = "linear", .args = "T x; T weight; T? bias", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_A | TN_SAVE_B, .low = -2, .high = 2,
    .shape = linear_shape, .run = linear_run, .grad = linear_grad, .onnx = "Gemm",
    .doc = "x weight' + bias: a fully connected layer."};
