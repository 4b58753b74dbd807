/* extremes.c -- greatest and smallest elements, and where they are.
 *
 * attrs of all but max and min: i[0] the dimension, i[1] whether it stays as one of size 1 (it does
 * unless told otherwise, as in Torch7). NaN is both the greatest and the smallest. */
#include "tensor/cpu/reduce.h"
#include "tensor/ops/lines.h"

/* -- max, min: of all elements ----------------------------------------------------------------- */

static tn_status whole_shape(tn_call *call) {
  call->meta[0].dtype = call->in[0]->dtype;
  call->meta[0].ndim = 0;
  if (tn__numel(call->in[0]) > 0) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "an empty tensor has no greatest or smallest element");
}

static tn_status max_run(tn_call *call) {
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_MAX, TN_ALL_DIMS, 1);
}

static tn_status min_run(tn_call *call) {
  return tn__reduce(call->ctx, call->out[0], call->in[0], TN_RED_MIN, TN_ALL_DIMS, 1);
}

/* Equal extremes share the gradient. */
static tn_status whole_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs to = {.i = {g->meta[0].dtype}, .ni = 1}, all = {.ni = 0};
  tn_tensor *hit = DO2(eq, g->in[0], g->out[0]);
  hit = tn__do(&e, TN_OP_to, &to, 1, &hit);
  tn_tensor *share = DO2(div, g->dout[0], tn__do(&e, TN_OP_sum, &all, 1, &hit));
  g->din[0] = tn__keep(&e, DO2(mul, hit, share));
  return tn__eval_end(&e);
}

#define WHOLE_ROW(name_, onnx_, doc_)                                                             \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = "T x", .convention = 'C',                            \
      .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .saves = TN_SAVE_A | TN_SAVE_Y,    \
      .low = -2, .high = 2, .shape = whole_shape, .run = name_##_run, .grad = whole_grad,         \
      .onnx = onnx_, .doc = doc_};

WHOLE_ROW(max, "ReduceMax", "The greatest element.")
WHOLE_ROW(min, "ReduceMin", "The smallest element.")

/* -- along a dimension ------------------------------------------------------------------------- */

/* Sizes without call->dim, or with 1 in its place. */
static void reduced(tn_call *call, int i, tn_dtype dtype) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[i];
  bool keep = tn__int(call->attrs, 1, 1) != 0;
  m->dtype = (uint8_t)dtype;
  m->ndim = 0;
  for (int d = 0; d < x->ndim; d++) {
    if (d != call->dim) m->sizes[m->ndim++] = x->sizes[d];
    else if (keep) m->sizes[m->ndim++] = 1;
  }
}

static tn_status check_dim(tn_call *call) {
  tn_status s = tn__call_dim(call, 0, 0);
  if (s != TN_OK || call->in[0]->sizes[call->dim] > 0) return s;
  return tn_fail(call->ctx, TN_ESHAPE, "dimension %d is empty and has no extreme element",
                 call->dim + call->ctx->index_base);
}

/* Columns that lie side by side, a row at a time: [begin, end) counts strips of them. */
typedef struct {
  tn_lines lines;
  tn_arg_column *kernel;
  int64_t item;
  const char *x;
  int64_t *out;
} job;

static void find_columns(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const tn_lines l = j->lines;
  const int64_t strips = (l.inner + TN_ARG_COLUMNS - 1) / TN_ARG_COLUMNS;
  for (int64_t s = begin; s < end; s++) {
    int64_t outer = s / strips, first = s % strips * TN_ARG_COLUMNS;
    int64_t width = l.inner - first < TN_ARG_COLUMNS ? l.inner - first : TN_ARG_COLUMNS;
    j->kernel(l.size, width, j->x + (outer * l.size * l.inner + first) * j->item, l.inner,
              j->out + outer * l.inner + first);
  }
}

static tn_status find_in_columns(tn_call *call, tn_tensor *to, bool smallest) {
  tn_tensor *x;
  tn_dtype dtype = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  /* the kernel for float32 counts rows in 32 bits */
  if (dtype == TN_F32 && call->in[0]->sizes[call->dim] > INT32_MAX) dtype = TN_F64;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s != TN_OK) return s;
  const int compute = dtype == TN_F32   ? TN_COMPUTE_F32
                      : dtype == TN_F64 ? TN_COMPUTE_F64
                                        : TN_COMPUTE_I64;
  job j = {.lines = tn__lines(x, call->dim), .item = (int64_t)tn__item_size(dtype),
           .kernel = TN_ISA_PICK(&tn__reduce_kernels)->arg_column[smallest][compute],
           .x = tn__data(x), .out = (int64_t *)tn__data(to)};
  int64_t strips = (j.lines.inner + TN_ARG_COLUMNS - 1) / TN_ARG_COLUMNS * j.lines.outer;
  if (tn__numel(x) > 0) {
    tn__pool_run(call->ctx->pool, strips, TN_GRAIN * strips / tn__numel(x) + 1, find_columns, &j);
  }
  tn_tensor_release(x);
  return TN_OK;
}

/* out[i] = the index of the extreme along call->dim, or in row-major order of all elements. */
static tn_status find(tn_call *call, int i, bool smallest) {
  const tn_tensor *x = call->in[0];
  tn_tensor *to;
  tn_status s = tn__result_begin(call, i, TN_I64, &to);
  if (s != TN_OK) return s;
  if (call->dim != TN_ALL_DIMS && tn__lines(x, call->dim).inner > 1) {
    s = find_in_columns(call, to, smallest);
  } else {
    s = tn__reduce(call->ctx, to, call->in[0], smallest ? TN_RED_ARGMIN : TN_RED_ARGMAX,
                   call->dim, 1);
  }
  if (s == TN_OK) tn__positions_to_indices(call->ctx, to);
  return tn__result_end(call, i, to, s);
}

/* -- max_dim, min_dim: values and indices ------------------------------------------------------ */

static tn_status both_shape(tn_call *call) {
  tn_status s = check_dim(call);
  if (s != TN_OK) return s;
  reduced(call, 0, (tn_dtype)call->in[0]->dtype);
  reduced(call, 1, TN_I64);
  return TN_OK;
}

/* `t` with call->dim as one of size 1, whether it was kept or not. */
static tn_tensor with_dim(const tn_call *call, const tn_tensor *t) {
  tn_tensor full = *t;
  if (t->ndim == call->in[0]->ndim) return full;
  for (int d = t->ndim; d > call->dim; d--) {
    full.sizes[d] = t->sizes[d - 1];
    full.strides[d] = t->strides[d - 1];
  }
  full.sizes[call->dim] = full.strides[call->dim] = 1;
  full.ndim++;
  return full;
}

/* The values are what is found at the indices. */
static tn_status both_run(tn_call *call, bool smallest) {
  tn_status s = find(call, 1, smallest);
  if (s != TN_OK) return s;
  tn_tensor values = with_dim(call, call->out[0]), indices = with_dim(call, call->out[1]);
  tn_call pick = {.ctx = call->ctx, .op = &tn__op_gather, .nin = 2,
                  .in = (tn_tensor *[]){call->in[0], &indices}, .attrs = call->attrs,
                  .out = {&values}, .dim = call->dim};
  return tn__op_gather.run(&pick);
}

static tn_status max_dim_run(tn_call *call) { return both_run(call, false); }
static tn_status min_dim_run(tn_call *call) { return both_run(call, true); }

static tn_status both_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs dim = {.i = {g->attrs->i[0]}, .ni = 1};
  tn_tensor *d = g->dout[0], *indices = g->out[1];
  if (tn__int(g->attrs, 1, 1) == 0) {
    d = tn__do(&e, TN_OP_unsqueeze, &dim, 1, &d);
    indices = tn__do(&e, TN_OP_unsqueeze, &dim, 1, &indices);
  }
  tn_tensor *in[3] = {tn__zeros(&e, &g->meta[0]), indices, d};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_scatter_add, &dim, 3, in));
  return tn__eval_end(&e);
}

#define BOTH_ROW(name_, lua_, doc_)                                                               \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .args = "T x; d dim; b keepdim=1", .convention = 'C',          \
      .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2, .fixed = 2, .low = -2,    \
      .high = 2, .shape = both_shape, .run = name_##_run, .grad = both_grad, .doc = doc_};

BOTH_ROW(max_dim, "max", "The greatest elements along a dimension, and their indices.")
BOTH_ROW(min_dim, "min", "The smallest elements along a dimension, and their indices.")

/* -- argmax, argmin ---------------------------------------------------------------------------- */

static tn_status index_shape(tn_call *call) {
  if (tn__int(call->attrs, 0, TN_NONE) == TN_NONE) {
    tn_status s = whole_shape(call);
    call->dim = TN_ALL_DIMS;
    call->meta[0].dtype = TN_I64;
    return s;
  }
  tn_status s = check_dim(call);
  if (s == TN_OK) reduced(call, 0, TN_I64);
  return s;
}

static tn_status argmax_run(tn_call *call) { return find(call, 0, false); }
static tn_status argmin_run(tn_call *call) { return find(call, 0, true); }

#define ARG_ROW(name_, onnx_, doc_)                                                               \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = "T x; d? dim; b keepdim=1", .convention = 'C',       \
      .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .low = -2, .high = 2,              \
      .shape = index_shape, .run = name_##_run, .no_grad = "positions do not change smoothly",    \
      .onnx = onnx_, .doc = doc_};

ARG_ROW(argmax, "ArgMax", "Index of the greatest element, along a dimension or of all.")
ARG_ROW(argmin, "ArgMin", "Index of the smallest element, along a dimension or of all.")
