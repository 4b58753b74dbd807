/* gather.c -- single elements picked along one dimension: gather, scatter, scatter_add.
 *
 * The index has as many dimensions as x and is at most as large in all but the one it indexes.
 * It is walked row by row of its last dimension: element j of a row stands for the element
 * at + index[j] * dim_step + j * step of x. attrs: i[0] the dimension. */
#include <stdatomic.h>

#include "tensor/ops/lines.h"

typedef struct walk walk;

/* `n` elements of the index from `index` on; at and other: where they begin in x and in the other
 * tensor. */
typedef void row_fn(const walk *w, const int64_t *index, int64_t n, int64_t at, int64_t other);

struct walk {
  int last;                       /* dimension of the index */
  int64_t sizes[TN_MAX_DIMS];     /* of the index */
  int64_t x_strides[TN_MAX_DIMS]; /* 0 for the indexed dimension */
  int64_t other_strides[TN_MAX_DIMS];
  int64_t dim_step, base;
  const int64_t *index;
  char *x, *other;
  row_fn *row;
  int64_t rows_in_unit; /* units of work never meet in one element of x */
  int64_t units;        /* of each piece of a row */
  int64_t piece;        /* length of the pieces that rows are cut into */
  const tn_ctx *check;  /* or NULL where the index is known to be right */
  int64_t size;         /* of the indexed dimension */
  atomic_bool outside;  /* what the check found */
};

/* Rows of units [begin, end), of each the piece that begins at `first`. */
static void walk_piece(walk *w, int64_t begin, int64_t end, int64_t first) {
  int64_t index[TN_MAX_DIMS], row = begin * w->rows_in_unit, rest = row;
  const int64_t whole = w->sizes[w->last], left = whole - first;
  const int64_t n = left < w->piece ? left : w->piece;
  const int64_t x_first = first * w->x_strides[w->last];
  const int64_t other_first = first * w->other_strides[w->last];
  for (int d = w->last - 1; d >= 0; d--) {
    index[d] = rest % w->sizes[d];
    rest /= w->sizes[d];
  }
  for (; row < end * w->rows_in_unit; row++) {
    int64_t at = x_first - w->base * w->dim_step, other = other_first;
    for (int d = 0; d < w->last; d++) {
      at += index[d] * w->x_strides[d];
      other += index[d] * w->other_strides[d];
    }
    const int64_t *values = w->index + row * whole + first;
    if (w->check != NULL && tn__index_outside(w->check, values, n, w->size)) {
      atomic_store(&w->outside, true);
      return;
    }
    w->row(w, values, n, at, other);
    for (int d = w->last - 1; d >= 0 && ++index[d] == w->sizes[d]; d--) index[d] = 0;
  }
}

static void walk_units(void *arg, int64_t begin, int64_t end) {
  walk *w = arg;
  while (begin < end) {
    const int64_t k = begin / w->units, from = begin - k * w->units;
    const int64_t to = end - k * w->units < w->units ? end - k * w->units : w->units;
    walk_piece(w, from, to, k * w->piece);
    begin += to - from;
  }
}

enum { TAKE, PUT };

/* `item` is a constant wherever this is called, so each copy is one move. Nothing in the loop is
 * read through w, which a store of bytes might have changed for all the compiler knows. */
static inline __attribute__((always_inline)) void move_row(const walk *w, const int64_t *index,
                                                           int64_t n, int64_t at, int64_t other,
                                                           int way, size_t item) {
  const int64_t step = w->x_strides[w->last], other_step = w->other_strides[w->last];
  const int64_t dim_step = w->dim_step;
  char *const x = w->x;
  char *o = w->other + other * (int64_t)item;
  int64_t j = 0;
  for (; way == TAKE && j + 4 <= n; j += 4) {
    for (int k = 0; k < 4; k++) {
      memcpy(o + k * other_step * (int64_t)item,
             x + (at + k * step + index[j + k] * dim_step) * (int64_t)item, item);
    }
    at += 4 * step;
    o += 4 * other_step * (int64_t)item;
  }
  for (; j < n; j++) {
    char *place = x + (at + index[j] * dim_step) * (int64_t)item;
    if (way == TAKE) memcpy(o, place, item);
    else memcpy(place, o, item);
    at += step;
    o += other_step * (int64_t)item;
  }
}

#define MOVE_ROW(name, way, item)                                                                 \
  static void name(const walk *w, const int64_t *index, int64_t n, int64_t at, int64_t other) {   \
    move_row(w, index, n, at, other, way, item);                                                  \
  }

MOVE_ROW(take_1, TAKE, 1)
MOVE_ROW(take_2, TAKE, 2)
MOVE_ROW(take_4, TAKE, 4)
MOVE_ROW(take_8, TAKE, 8)
MOVE_ROW(put_1, PUT, 1)
MOVE_ROW(put_2, PUT, 2)
MOVE_ROW(put_4, PUT, 4)
MOVE_ROW(put_8, PUT, 8)

static row_fn *mover(int way, size_t item) {
  static row_fn *const movers[2][4] = {{take_1, take_2, take_4, take_8},
                                       {put_1, put_2, put_4, put_8}};
  return movers[way][item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : 3];
}

#define ADD_ROW(name, T)                                                                          \
  static void name(const walk *w, const int64_t *index, int64_t n, int64_t at, int64_t other) {   \
    const int64_t step = w->x_strides[w->last], other_step = w->other_strides[w->last];           \
    const int64_t dim_step = w->dim_step;                                                         \
    T *x = (T *)w->x;                                                                             \
    const T *o = (const T *)w->other + other;                                                     \
    int64_t j = 0;                                                                                \
    for (; j + 4 <= n; j += 4, o += 4 * other_step, at += 4 * step) {                             \
      T *a = x + (at + index[j] * dim_step);                                                      \
      T *b = x + (at + step + index[j + 1] * dim_step);                                           \
      T *c = x + (at + 2 * step + index[j + 2] * dim_step);                                       \
      T *d = x + (at + 3 * step + index[j + 3] * dim_step);                                       \
      *a += o[0];                                                                                 \
      *b += o[other_step];                                                                        \
      *c += o[2 * other_step];                                                                    \
      *d += o[3 * other_step];                                                                    \
    }                                                                                             \
    for (; j < n; j++, at += step, o += other_step) x[at + index[j] * dim_step] += *o;            \
  }

ADD_ROW(add_f32, float)
ADD_ROW(add_f64, double)
ADD_ROW(add_u64, uint64_t) /* integers wrap around */

/* Along an earlier dimension a row's elements come from all over x: pieces of rows keep what is
 * read in the cache, and never meet. Along the last one they may, where x is written. */
static int64_t piece_of(const walk *w, int dim, bool reads) {
  enum { NARROW = 64, LONG = 8192 };
  const int64_t n = w->sizes[w->last];
  if (dim < w->last) return n < 2 * NARROW ? n : NARROW;
  return reads && n > LONG ? LONG : n;
}

/* `other` has the index's sizes, or no dimension at all: then it is one element for all. Threads
 * share out pieces of rows when x is only read, else what can't meet: pieces along dimensions
 * behind the indexed one, and the dimensions before it. What only reads checks as it goes. */
static tn_status walk_rows(tn_call *call, const tn_tensor *index, const tn_tensor *x,
                           const tn_tensor *other, row_fn *row, bool reads) {
  walk w = {.last = index->ndim - 1, .dim_step = x->strides[call->dim],
            .base = call->ctx->index_base, .index = (const int64_t *)tn__data(index),
            .x = tn__data(x), .other = tn__data(other), .row = row, .rows_in_unit = 1, .units = 1,
            .check = reads ? call->ctx : NULL, .size = x->sizes[call->dim]};
  int64_t count = tn__numel(index);
  if (count == 0) return TN_OK;
  for (int d = 0; d <= w.last; d++) {
    w.sizes[d] = index->sizes[d];
    w.x_strides[d] = d == call->dim ? 0 : x->strides[d];
    w.other_strides[d] = other->ndim == 0 ? 0 : other->strides[d];
    if (d == w.last) break;
    if (d < call->dim || reads) w.units *= w.sizes[d];
    else w.rows_in_unit *= w.sizes[d];
  }
  w.piece = piece_of(&w, call->dim, reads);
  int64_t units = w.units * ((w.sizes[w.last] + w.piece - 1) / w.piece);
  tn__pool_run(call->ctx->pool, units, TN_GRAIN / (w.piece * w.rows_in_unit) + 1, walk_units, &w);
  if (!atomic_load(&w.outside)) return TN_OK;
  return tn__index_refuse(call->ctx, w.index, count, call->dim, w.size);
}

static tn_status indexed_shape(tn_call *call) {
  const tn_tensor *x = call->in[0], *index = call->in[1];
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  tn_status s = tn__call_dim(call, 0, 0);
  if (s != TN_OK) return s;
  bool fits = index->ndim == x->ndim;
  for (int d = 0; fits && d < x->ndim; d++) {
    if (d != call->dim && index->sizes[d] > x->sizes[d]) fits = false;
  }
  tn__meta_of(&call->meta[0], x);
  if (fits) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE,
                 "indices of size %s do not fit a tensor of size %s along dimension %d",
                 tn__shape_text(a, index->ndim, index->sizes),
                 tn__shape_text(b, x->ndim, x->sizes), call->dim + call->ctx->index_base);
}

static tn_tensor *indexed(tn_eval *e, const tn_grad_call *g, tn_opcode code, tn_tensor *x,
                          tn_tensor *source) {
  tn_attrs attrs = {.i = {g->attrs->i[0]}, .ni = 1};
  return tn__do(e, code, &attrs, source != NULL ? 3 : 2, (tn_tensor *[]){x, g->in[1], source});
}

/* -- gather ------------------------------------------------------------------------------------ */

static tn_status gather_shape(tn_call *call) {
  tn_status s = indexed_shape(call);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], call->in[1]);
  call->meta[0].dtype = call->in[0]->dtype;
  return TN_OK;
}

static tn_status gather_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index;
  tn_status s = tn__index_plain(call->ctx, &index, call->in[1]);
  if (s != TN_OK) return s;
  s = walk_rows(call, index, x, call->out[0], mover(TAKE, tn__item_size(x->dtype)), true);
  tn_tensor_release(index);
  return s;
}

static tn_status gather_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *zeros = tn__zeros(&e, &g->meta[0]);
  if (zeros != NULL) {
    tn_attrs attrs = {.i = {g->attrs->i[0]}, .ni = 1};
    tn_tensor *in[3] = {zeros, g->in[1], g->dout[0]};
    g->din[0] = tn__keep(&e, tn__do_into(&e, TN_OP_scatter_add, &attrs, 3, in));
  }
  return tn__eval_end(&e);
}

const tn_op tn__op_gather = {
    .name = "gather", .lua = "gather", .args = "T x; d dim; T index", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .saves = TN_SAVE_B, .low = -2, .high = 2,
    .shape = gather_shape, .run = gather_run, .grad = gather_grad, .onnx = "GatherElements",
    .doc = "For each index, the element of x that it names along a dimension."};

/* -- scatter, scatter_add ---------------------------------------------------------------------- */

static tn_status scatter_shape(tn_call *call) {
  const tn_tensor *index = call->in[1], *source = call->in[2];
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  tn_status s = indexed_shape(call);
  if (s != TN_OK || source->ndim == 0 || tn__same_shape(index, source)) return s;
  return tn_fail(call->ctx, TN_ESHAPE, "a source of the indices' size %s expected, got %s",
                 tn__shape_text(a, index->ndim, index->sizes),
                 tn__shape_text(b, source->ndim, source->sizes));
}

static tn_status scatter_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index, *source = NULL;
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], call->dim, x->sizes[call->dim]);
  if (s != TN_OK) return s;
  s = tn__contiguous_of(call->ctx, &source, call->in[2], (tn_dtype)x->dtype);
  if (s == TN_OK) {
    tn__result_copy(call);
    s = walk_rows(call, index, call->out[0], source, mover(PUT, tn__item_size(x->dtype)), false);
  }
  tn_tensor_release(source);
  tn_tensor_release(index);
  return s;
}

/* Sums are made in the compute dtype, as those of indexAdd. */
static tn_status scatter_add_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index, *source = NULL, *to = NULL;
  tn_dtype dtype = tn__compute_dtype((tn_dtype)x->dtype);
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], call->dim, x->sizes[call->dim]);
  if (s != TN_OK) return s;
  s = tn__contiguous_of(call->ctx, &source, call->in[2], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK) {
    if (!tn__same_view(to, x)) tn__copy_view(call->ctx, to, x);
    s = walk_rows(call, index, to, source,
                  dtype == TN_F32 ? add_f32 : dtype == TN_F64 ? add_f64 : add_u64, false);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(source);
  tn_tensor_release(index);
  return s;
}

static tn_status source_grad(tn_eval *e, tn_grad_call *g) {
  if (g->need[2]) g->din[2] = tn__keep(e, indexed(e, g, TN_OP_gather, g->dout[0], NULL));
  tn_status s = tn__eval_end(e);
  return g->din[2] == NULL ? s : tn__reduce_to(g->ctx, &g->din[2], &g->meta[2]);
}

/* What was overwritten gets no gradient. */
static tn_status scatter_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) {
    tn_tensor *zero = tn__constant(&e, 0);
    if (zero != NULL) g->din[0] = tn__keep(&e, indexed(&e, g, TN_OP_scatter, g->dout[0], zero));
  }
  return source_grad(&e, g);
}

static tn_status scatter_add_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) g->din[0] = tn_tensor_retain(g->dout[0]);
  return source_grad(&e, g);
}

const tn_op tn__op_scatter = {
    .name = "scatter", .lua = "scatter", .args = "T x; d dim; T index; X source",
    .convention = 'A', .flags = TN_INPLACE | TN_FLOATS | TN_INTEGERS, .nout = 1, .saves = TN_SAVE_B, .low = -2,
    .high = 2, .shape = scatter_shape, .run = scatter_run, .grad = scatter_grad,
    .onnx = "ScatterElements",
    .doc = "x with the elements that the indices name along a dimension replaced."};

const tn_op tn__op_scatter_add = {
    .name = "scatter_add", .lua = "scatter_add", .aliases = "scatterAdd",
    .args = "T x; d dim; T index; T source", .convention = 'A', .flags = TN_INPLACE | TN_FLOATS | TN_INTEGERS,
    .nout = 1, .saves = TN_SAVE_B, .low = -2, .high = 2, .shape = scatter_shape,
    .run = scatter_add_run, .grad = scatter_add_grad, .onnx = "ScatterElements",
    .doc = "x with the source added to the elements that the indices name along a dimension."};
