/* index.c -- whole slices of one dimension, picked by a list of indices.
 *
 * x is seen as (outer, size, inner): a slice is a row of `inner` neighbouring elements for each of
 * `outer`. attrs: i[0] the dimension. */
#include "tensor/cpu/kernels.h"
#include "tensor/ops/lines.h"

typedef struct {
  tn_lines x; /* of the tensor that is indexed */
  int64_t count, base;
  const int64_t *index;
  tn_reduce_column *add; /* of rows that are long enough */
  char *to;
  const char *from;
  int64_t item, row; /* bytes of an element, of a row */
  int64_t from_step; /* bytes from row to row of `from`: 0 repeats one row */
} job;

/* Most rows are long, but those of a vector are single elements: no call of memcpy for them. */
static inline void copy_row(char *to, const char *from, int64_t bytes) {
  switch (bytes) {
  case 1: *to = *from; break;
  case 2: memcpy(to, from, 2); break;
  case 4: memcpy(to, from, 4); break;
  case 8: memcpy(to, from, 8); break;
  default: memcpy(to, from, (size_t)bytes);
  }
}

/* [begin, end) counts rows of the result; `row` is a constant where rows are single elements. */
static inline __attribute__((always_inline)) void take(const job *j, int64_t begin, int64_t end,
                                                       int64_t row) {
  int64_t outer = begin / j->count, k = begin % j->count;
  const int64_t *index = j->index;
  const char *const from = j->from;
  char *to = j->to + begin * row;
  while (begin < end) {
    const int64_t rest = k + end - begin, stop = rest < j->count ? rest : j->count;
    const int64_t first = outer * j->x.size - j->base;
    begin += stop - k;
    for (; k < stop; k++, to += row) memcpy(to, from + (first + index[k]) * row, (size_t)row);
    k = 0, outer++;
  }
}

static void take_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  switch (j->row) {
  case 1: take(j, begin, end, 1); break;
  case 2: take(j, begin, end, 2); break;
  case 4: take(j, begin, end, 4); break;
  case 8: take(j, begin, end, 8); break;
  default: take(j, begin, end, j->row);
  }
}

/* [begin, end) counts outer positions, so that of equal indices the last one wins. */
static void put_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t outer = begin; outer < end; outer++) {
    for (int64_t k = 0; k < j->count; k++) {
      int64_t at = outer * j->x.size + j->index[k] - j->base;
      copy_row(j->to + at * j->row, j->from + (outer * j->count + k) * j->from_step, j->row);
    }
  }
}

static void fill_job(job *j, const tn_call *call, const tn_tensor *index) {
  const tn_tensor *x = call->in[0];
  j->x = tn__lines(x, call->dim);
  j->count = tn__numel(index);
  j->base = call->ctx->index_base;
  j->index = (const int64_t *)tn__data(index);
  j->item = (int64_t)tn__item_size(x->dtype);
  j->row = j->from_step = j->x.inner * j->item;
}

static tn_status check_index(tn_call *call) {
  const tn_tensor *index = call->in[1];
  char text[TN_SHAPE_TEXT];
  if (index->ndim <= 1) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "indices in one dimension expected, got %s",
                 tn__shape_text(text, index->ndim, index->sizes));
}

/* -- index ------------------------------------------------------------------------------------- */

static tn_status index_shape(tn_call *call) {
  tn_status s = tn__call_dim(call, 0, 0);
  if (s == TN_OK) s = check_index(call);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[0].sizes[call->dim] = tn__numel(call->in[1]);
  return TN_OK;
}

static tn_tensor slice_of(const tn_tensor *t, int dim, int64_t at) {
  tn_tensor slice = *t;
  slice.sizes[dim] = 1;
  slice.offset += at * t->strides[dim];
  return slice;
}

/* Of a view that is not contiguous only what is picked is read. */
static tn_status take_slices(tn_call *call, const int64_t *index) {
  int64_t count = call->out[0]->sizes[call->dim];
  for (int64_t k = 0; k < count; k++) {
    tn_tensor to = slice_of(call->out[0], call->dim, k);
    tn_tensor from = slice_of(call->in[0], call->dim, index[k] - call->ctx->index_base);
    tn__copy_view(call->ctx, &to, &from);
  }
  return TN_OK;
}

enum { FEW = 16 }; /* elements for which a call of tn__copy_view is too much */

static tn_status index_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index, *flat = NULL, *to = NULL;
  int64_t size = x->sizes[call->dim];
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], call->dim, size);
  if (s != TN_OK) return s;
  if (!tn__contiguous(x) && size > 0 && tn__numel(x) / size >= FEW) {
    s = take_slices(call, (const int64_t *)tn__data(index));
    tn_tensor_release(index);
    return s;
  }
  s = tn__contiguous_of(call->ctx, &flat, x, (tn_dtype)x->dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, (tn_dtype)x->dtype, &to);
  if (s == TN_OK && tn__numel(to) > 0) {
    job j;
    fill_job(&j, call, index);
    j.to = tn__data(to);
    j.from = tn__data(flat);
    tn__pool_run(call->ctx->pool, j.x.outer * j.count, 4 * TN_GRAIN / j.row + 1, take_rows, &j);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(flat);
  tn_tensor_release(index);
  return s;
}

static tn_attrs dim_only(const tn_grad_call *g) {
  tn_attrs attrs = {.i = {g->attrs->i[0]}, .ni = 1};
  return attrs;
}

/* Of a leaf that has its gradient, a table of embeddings say, only the rows that were used. */
static tn_status index_grad(tn_grad_call *g) {
  tn_attrs attrs = dim_only(g);
  if (g->into[0] != NULL && g->into[0]->dtype == g->dout[0]->dtype) {
    tn_tensor *rows[3] = {g->into[0], g->in[1], g->dout[0]};
    return tn_apply_inplace(g->ctx, TN_OP_indexAdd, 3, rows, &attrs);
  }
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *in[3] = {tn__zeros(&e, &g->meta[0]), g->in[1], g->dout[0]};
  g->din[0] = tn__keep(&e, tn__do_into(&e, TN_OP_indexAdd, &attrs, 3, in));
  return tn__eval_end(&e);
}

const tn_op tn__op_index = {
    .name = "index", .lua = "index", .aliases = "index_select", .args = "T x; d dim; T index",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .saves = TN_SAVE_B, .low = -2,
    .high = 2, .shape = index_shape, .run = index_run, .grad = index_grad, .onnx = "Gather",
    .doc = "The slices of a dimension that a list of indices names, as a copy."};

/* -- indexAdd, indexCopy, indexFill ------------------------------------------------------------ */

static tn_status change_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  char have[TN_SHAPE_TEXT], want[TN_SHAPE_TEXT];
  tn_status s = tn__call_dim(call, 0, 0);
  if (s == TN_OK) s = check_index(call);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], x);
  if (call->nin < 3) return TN_OK;
  tn_tensor fits = *x;
  fits.sizes[call->dim] = tn__numel(call->in[1]);
  if (tn__same_shape(&fits, call->in[2])) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "a source of size %s expected, got %s",
                 tn__shape_text(want, fits.ndim, fits.sizes),
                 tn__shape_text(have, call->in[2]->ndim, call->in[2]->sizes));
}

/* Columns [begin, end) of all outer * inner: no two threads meet in one element, whatever the
 * indices are. */
#define ADD_COLUMNS(name, T)                                                                      \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const job *j = arg;                                                                           \
    const int64_t inner = j->x.inner;                                                             \
    while (begin < end) {                                                                         \
      int64_t outer = begin / inner, first = begin % inner, n = inner - first;                    \
      if (n > end - begin) n = end - begin;                                                       \
      for (int64_t k = 0; k < j->count; k++) {                                                    \
        T *to = (T *)j->to + (outer * j->x.size + j->index[k] - j->base) * inner + first;         \
        const T *from = (const T *)j->from + (outer * j->count + k) * inner + first;              \
        if (n >= 8) {                                                                             \
          j->add(1, n, from, 0, to);                                                              \
          continue;                                                                               \
        }                                                                                         \
        for (int64_t i = 0; i < n; i++) to[i] += from[i];                                         \
      }                                                                                           \
      begin += n;                                                                                 \
    }                                                                                             \
  }

ADD_COLUMNS(add_f32, float)
ADD_COLUMNS(add_f64, double)
ADD_COLUMNS(add_u64, uint64_t) /* integers wrap around */

/* Sums are made in the compute dtype: a float16 that takes many small terms would stand still. */
static tn_status indexAdd_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index, *source = NULL, *to = NULL;
  tn_dtype dtype = tn__compute_dtype((tn_dtype)x->dtype);
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], call->dim, x->sizes[call->dim]);
  if (s != TN_OK) return s;
  s = tn__contiguous_of(call->ctx, &source, call->in[2], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK && !tn__same_view(to, x)) tn__copy_view(call->ctx, to, x);
  if (s == TN_OK && tn__numel(source) > 0) {
    job j;
    fill_job(&j, call, index);
    j.to = tn__data(to);
    j.from = tn__data(source);
    const int compute = dtype == TN_F32   ? TN_COMPUTE_F32
                        : dtype == TN_F64 ? TN_COMPUTE_F64
                                          : TN_COMPUTE_I64;
    j.add = TN_ISA_PICK(&tn__reduce_kernels)->column[TN_RED_SUM][compute];
    tn__pool_run(call->ctx->pool, j.x.outer * j.x.inner, TN_GRAIN / j.count + 32,
                 dtype == TN_F32 ? add_f32 : dtype == TN_F64 ? add_f64 : add_u64, &j);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(source);
  tn_tensor_release(index);
  return s;
}

/* `rows` holds the rows to put, or one for all. */
static tn_status put(tn_call *call, tn_tensor *rows, bool repeat) {
  tn_tensor *x = call->in[0], *index, *flat = NULL, *to = NULL;
  tn_dtype dtype = (tn_dtype)x->dtype;
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], call->dim, x->sizes[call->dim]);
  if (s != TN_OK) return s;
  s = tn__contiguous_of(call->ctx, &flat, rows, dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK && !tn__same_view(to, x)) tn__copy_view(call->ctx, to, x);
  if (s == TN_OK && tn__numel(flat) > 0 && tn__numel(index) > 0) {
    job j;
    fill_job(&j, call, index);
    j.to = tn__data(to);
    j.from = tn__data(flat);
    if (repeat) j.from_step = 0;
    tn__pool_run(call->ctx->pool, j.x.outer, 4 * TN_GRAIN / (j.count * j.row) + 1, put_rows, &j);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(flat);
  tn_tensor_release(index);
  return s;
}

static tn_status indexCopy_run(tn_call *call) { return put(call, call->in[2], false); }

static tn_status indexFill_run(tn_call *call) {
  tn_tensor *row = NULL;
  int64_t inner = tn__lines(call->in[0], call->dim).inner;
  tn_dtype dtype = (tn_dtype)call->in[0]->dtype;
  tn_status s = tn_tensor_new(call->ctx, &row, dtype, 1, &inner);
  if (s != TN_OK) return s;
  tn__convert(inner, tn__data(row), dtype, 1, &call->attrs->f[0], TN_F64, 0);
  s = put(call, row, true);
  tn_tensor_release(row);
  return s;
}

/* What was overwritten gets no gradient. */
static tn_tensor *without_slices(tn_eval *e, const tn_grad_call *g) {
  tn_attrs attrs = dim_only(g);
  return tn__do(e, TN_OP_indexFill, &attrs, 2, (tn_tensor *[]){g->dout[0], g->in[1]});
}

static tn_status source_grad(tn_eval *e, tn_grad_call *g) {
  tn_attrs attrs = dim_only(g);
  if (g->nin > 2 && g->need[2]) {
    tn_tensor *d = tn__do(e, TN_OP_index, &attrs, 2, (tn_tensor *[]){g->dout[0], g->in[1]});
    g->din[2] = tn__keep(e, d);
  }
  tn_status s = tn__eval_end(e);
  if (g->nin <= 2 || g->din[2] == NULL) return s;
  return tn__reduce_to(g->ctx, &g->din[2], &g->meta[2]);
}

static tn_status indexAdd_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn_tensor_retain(g->dout[0]);
  return source_grad(&e, g);
}

static tn_status overwrite_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn__keep(&e, without_slices(&e, g));
  return source_grad(&e, g);
}

#define CHANGE_ROW(name_, aliases_, last_, grad_, onnx_, doc_)                                    \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .aliases = aliases_,               \
                                .args = "T x; d dim; T index; " last_, .convention = 'A',         \
                                .flags = TN_INPLACE | TN_FLOATS | TN_INTEGERS, .nout = 1, \
                                .low = -2,                                                \
                                .high = 2, .saves = TN_SAVE_B, .shape = change_shape,             \
                                .run = name_##_run, .grad = grad_, .onnx = onnx_, .doc = doc_};

CHANGE_ROW(indexAdd, "index_add", "T source", indexAdd_grad, NULL,
           "x with the slices of source added to those that the indices name.")
CHANGE_ROW(indexCopy, "index_copy", "T source", overwrite_grad, NULL,
           "x with the slices that the indices name replaced by those of source.")
CHANGE_ROW(indexFill, "index_fill", "n value", overwrite_grad, NULL,
           "x with the slices that the indices name set to a number.")
