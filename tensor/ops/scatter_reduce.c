/* scatter_reduce.c -- what falls on one place is reduced: scatter_reduce, index_reduce, scatter
 * with a reduction; take_along_dim.
 *
 * Sums and means are made of scatter_add. Products and extremes have a kernel of their own,
 * scatter_fold: attrs i[0] the dimension, i[1] which reduction, i[2] whether x takes part. */
#include "tensor/ops/lines.h"

enum { SUM, PROD, MEAN, AMAX, AMIN };

static tn_status finish(tn_call *call, tn_eval *e, tn_tensor *result) {
  call->out[0] = tn__keep(e, result);
  return tn__eval_end(e);
}

/* -- scatter_fold ------------------------------------------------------------------------------ */

static tn_status fits(tn_call *call) {
  const tn_tensor *x = call->in[0], *index = call->in[1], *source = call->in[2];
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  tn_status s = tn__call_dim(call, 0, 0);
  if (s != TN_OK) return s;
  bool good = index->ndim == x->ndim && source->ndim == x->ndim;
  for (int d = 0; good && d < x->ndim; d++) {
    good = index->sizes[d] <= source->sizes[d] &&
           (d == call->dim || index->sizes[d] <= x->sizes[d]);
  }
  if (good) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "indices of size %s fit neither the tensor nor a source of "
                 "size %s", tn__shape_text(a, index->ndim, index->sizes),
                 tn__shape_text(b, source->ndim, source->sizes));
}

static tn_status scatter_fold_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  return fits(call);
}

/* Everything lies in memory of its own: x and source in one dtype to calculate in. */
typedef struct {
  const tn_tensor *to, *source, *index;
  uint8_t *touched; /* NULL: x takes part, so every place has a value already */
  int dim, mode;
  int64_t base;
} fold;

#define FOLD_LOOP(name, T)                                                                        \
  static void name(const fold *f) {                                                               \
    const tn_tensor *index = f->index;                                                            \
    const int64_t *values = (const int64_t *)tn__data(index), n = tn__numel(index);               \
    int64_t at[TN_MAX_DIMS] = {0};                                                                \
    for (int64_t i = 0; i < n; i++) {                                                             \
      int64_t to = 0, from = 0;                                                                   \
      for (int d = 0; d < index->ndim; d++) {                                                     \
        to += (d == f->dim ? values[i] - f->base : at[d]) * f->to->strides[d];                    \
        from += at[d] * f->source->strides[d];                                                    \
      }                                                                                           \
      T *place = (T *)tn__data(f->to) + to;                                                       \
      const T value = ((const T *)tn__data(f->source))[from], old = *place;                       \
      const bool first = f->touched != NULL && !f->touched[to];                                   \
      if (f->touched != NULL) f->touched[to] = 1;                                                 \
      if (first) *place = value;                                                                  \
      else if (f->mode == PROD) *place = (T)(old * value);                                        \
      else if (f->mode == AMAX) *place = value > old || value != value ? value : old;             \
      else *place = value < old || value != value ? value : old;                                  \
      for (int d = index->ndim - 1; d >= 0 && ++at[d] == index->sizes[d]; d--) at[d] = 0;         \
    }                                                                                             \
  }

FOLD_LOOP(fold_f32, float)
FOLD_LOOP(fold_f64, double)
FOLD_LOOP(fold_i64, int64_t)
FOLD_LOOP(fold_u64, uint64_t) /* products of integers wrap around */

static tn_status scatter_fold_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index, *source = NULL, *to = NULL, *touched = NULL;
  const tn_dtype dtype = tn__compute_dtype((tn_dtype)x->dtype);
  fold f = {.dim = call->dim, .mode = (int)call->attrs->i[1], .base = call->ctx->index_base};
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], call->dim, x->sizes[call->dim]);
  if (s != TN_OK) return s;
  s = tn__contiguous_of(call->ctx, &source, call->in[2], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK && call->attrs->i[2] == 0) {
    s = tn_tensor_new(call->ctx, &touched, TN_U8, x->ndim, x->sizes);
    if (s == TN_OK) s = tn__set_zero(call->ctx, touched);
  }
  if (s == TN_OK) {
    tn__copy_view(call->ctx, to, x);
    f.to = to, f.source = source, f.index = index;
    f.touched = touched != NULL ? (uint8_t *)tn__data(touched) : NULL;
    (dtype == TN_F32 ? fold_f32 : dtype == TN_F64 ? fold_f64
     : f.mode == PROD ? fold_u64 : fold_i64)(&f);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(touched);
  tn_tensor_release(source);
  tn_tensor_release(index);
  return s;
}

/* What the gradients of products and extremes read. */
typedef struct {
  tn_grad_call *g;
  tn_tensor *x, *index, *source, *y, *dy;
  tn_attrs dim;
} parts;

static tn_tensor *gathered(tn_eval *e, const parts *p, tn_tensor *x) {
  return tn__do(e, TN_OP_gather, &p->dim, 2, (tn_tensor *[]){x, p->index});
}

static tn_tensor *summed(tn_eval *e, const parts *p, tn_tensor *onto, tn_tensor *source) {
  return tn__do(e, TN_OP_scatter_add, &p->dim, 3, (tn_tensor *[]){onto, p->index, source});
}

/* x with a number at all places that the indices name. */
static tn_tensor *marked(tn_eval *e, const parts *p, tn_tensor *x, double value) {
  return tn__do(e, TN_OP_scatter, &p->dim, 3,
                (tn_tensor *[]){x, p->index, tn__constant(e, value)});
}

/* a == b, in x's dtype. */
static tn_tensor *same(tn_eval *ep, const parts *p, tn_tensor *a, tn_tensor *b) {
  tn_eval e = *ep;
  tn_attrs dtype = {.i = {p->dy->dtype}, .ni = 1};
  tn_tensor *r = DO2(eq, a, b);
  r = tn__do(&e, TN_OP_to, &dtype, 1, &r);
  *ep = e;
  return r;
}

/* Those that are equal to the result share its gradient in equal parts. */
static void extreme_grad(tn_eval *ep, const parts *p, bool self) {
  tn_eval e = *ep;
  tn_tensor *own = same(&e, p, p->x, p->y);
  if (!self) own = marked(&e, p, own, 0);
  tn_tensor *theirs = same(&e, p, p->source, gathered(&e, p, p->y));
  tn_tensor *share = DO2(div, p->dy, summed(&e, p, own, theirs));
  if (p->g->need[0]) p->g->din[0] = tn__keep(&e, DO2(mul, own, share));
  if (p->g->need[2]) p->g->din[2] = tn__keep(&e, DO2(mul, theirs, gathered(&e, p, share)));
  *ep = e;
}

/* Each factor gets the product of all others, also where there are zeros among them: with one zero
 * only that one has a gradient, with more than one none has. */
static void product_grad(tn_eval *ep, const parts *p, bool self) {
  tn_eval e = *ep;
  tn_tensor *one = tn__constant(&e, 1), *zero = tn__constant(&e, 0);
  tn_tensor *none = tn__zeros(&e, &p->g->meta[0]), *ones = DO2(fill, none, one);
  tn_attrs fold_all = {.i = {p->dim.i[0], PROD, 1}, .ni = 3};
  if (p->g->need[0]) {
    tn_tensor *others = tn__do(&e, TN_OP_scatter_fold, &fold_all, 3,
                               (tn_tensor *[]){ones, p->index, p->source});
    if (!self) others = marked(&e, p, ones, 0);
    p->g->din[0] = tn__keep(&e, DO2(mul, p->dy, others));
  }
  if (p->g->need[2]) {
    tn_tensor *z = DO2(eq, p->source, zero), *factors = DO3(where, z, one, p->source);
    tn_tensor *own = self ? DO2(eq, p->x, zero) : NULL;
    tn_tensor *start = self ? DO3(where, own, one, p->x) : ones;
    tn_attrs dtype = {.i = {p->dy->dtype}, .ni = 1};
    if (self) own = tn__do(&e, TN_OP_to, &dtype, 1, &own);
    tn_tensor *zeros = tn__do(&e, TN_OP_to, &dtype, 1, &z);
    zeros = gathered(&e, p, summed(&e, p, self ? own : none, zeros));
    tn_tensor *all = tn__do(&e, TN_OP_scatter_fold, &fold_all, 3,
                            (tn_tensor *[]){start, p->index, factors});
    if (!self) all = tn__do(&e, TN_OP_scatter_fold,
                            &(tn_attrs){.i = {p->dim.i[0], PROD, 0}, .ni = 3}, 3,
                            (tn_tensor *[]){start, p->index, factors});
    all = gathered(&e, p, all);
    tn_tensor *alone = DO3(where, DO2(eq, zeros, one), all, zero);
    tn_tensor *among = DO3(where, DO2(eq, zeros, zero), DO2(div, all, factors), zero);
    tn_tensor *others = DO3(where, z, alone, among);
    p->g->din[2] = tn__keep(&e, DO2(mul, gathered(&e, p, p->dy), others));
  }
  *ep = e;
}

static tn_status scatter_fold_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  parts p = {g, g->in[0], g->in[1], g->in[2], g->out[0], g->dout[0],
             {.i = {g->attrs->i[0]}, .ni = 1}};
  const bool self = g->attrs->i[2] != 0;
  if (g->attrs->i[1] == PROD) product_grad(&e, &p, self);
  else extreme_grad(&e, &p, self);
  return tn__eval_end(&e);
}

const tn_op tn__op_scatter_fold = {
    .name = "scatter_fold", .convention = 'N', .nout = 1,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_Y, .shape = scatter_fold_shape,
    .run = scatter_fold_run, .grad = scatter_fold_grad,
    .doc = "Products or extremes of what falls on one place."};

/* -- scatter_reduce ---------------------------------------------------------------------------- */

/* `source` cut to the index's sizes, as scatter_add wants it, and in x's dtype. */
static tn_tensor *cut(tn_eval *e, tn_tensor *source, const tn_tensor *index, const tn_tensor *x) {
  for (int d = 0; d < index->ndim && source != NULL; d++) {
    if (source->sizes[d] == index->sizes[d]) continue;
    tn_attrs part = {.i = {d, 0, index->sizes[d]}, .ni = 3};
    source = tn__do(e, TN_OP_narrow, &part, 1, &source);
  }
  if (source != NULL && source->dtype != x->dtype) {
    tn_attrs dtype = {.i = {x->dtype}, .ni = 1};
    source = tn__do(e, TN_OP_to, &dtype, 1, &source);
  }
  return source;
}

/* Whole numbers are divided towards minus infinity. */
static tn_tensor *divided(tn_eval *ep, tn_tensor *sum, tn_tensor *count) {
  tn_eval e = *ep;
  if (sum != NULL && !tn_dtype_is_float((tn_dtype)sum->dtype)) {
    sum = DO2(sub, sum, DO2(remainder, sum, count));
  }
  tn_tensor *r = DO2(div, sum, count);
  *ep = e;
  return r;
}

static tn_tensor *mean_of(tn_eval *ep, const parts *p, bool self) {
  tn_eval e = *ep;
  tn_meta m;
  tn__meta_of(&m, p->x);
  tn_tensor *zero = tn__constant(&e, 0), *one = tn__constant(&e, 1);
  tn_tensor *start = DO2(fill, tn__zeros(&e, &m), self ? one : zero);
  tn__meta_of(&m, p->source);
  tn_tensor *ones = DO2(fill, tn__zeros(&e, &m), one);
  tn_tensor *count = summed(&e, p, start, ones);
  if (!self) count = DO3(where, DO2(eq, count, zero), one, count);
  tn_attrs dtype = {.i = {p->x->dtype}, .ni = 1};
  if (count != NULL && count->dtype != p->x->dtype) count = tn__do(&e, TN_OP_to, &dtype, 1, &count);
  tn_tensor *sum = summed(&e, p, self ? p->x : marked(&e, p, p->x, 0), p->source);
  tn_tensor *r = divided(&e, sum, count);
  *ep = e;
  return r;
}

static tn_tensor *reduced(tn_eval *e, const parts *p, int mode, bool self) {
  if (mode == SUM) return summed(e, p, self ? p->x : marked(e, p, p->x, 0), p->source);
  if (mode == MEAN) return mean_of(e, p, self);
  tn_attrs attrs = {.i = {p->dim.i[0], mode, self}, .ni = 3};
  return tn__do(e, TN_OP_scatter_fold, &attrs, 3, (tn_tensor *[]){p->x, p->index, p->source});
}

static tn_status scatter_by(tn_call *call, tn_tensor *index, tn_tensor *source, int mode,
                            bool self) {
  tn_tensor *in[3] = {call->in[0], index, source};
  tn_call whole = *call;
  whole.in = in;
  tn_status s = fits(&whole);
  if (s != TN_OK) return s;
  tn_eval e = tn__eval_begin(call->ctx);
  parts p = {.x = call->in[0], .index = index, .dim = {.i = {whole.dim}, .ni = 1}};
  p.source = cut(&e, source, index, p.x);
  if (p.source == NULL) return tn__eval_end(&e);
  return finish(call, &e, reduced(&e, &p, mode, self));
}

static tn_status scatter_reduce_compose(tn_call *call) {
  return scatter_by(call, call->in[1], call->in[2], (int)call->attrs->i[1],
                    tn__int(call->attrs, 2, 1) != 0);
}

const tn_op tn__op_scatter_reduce = {
    .name = "scatter_reduce", .lua = "scatter_reduce",
    .args = "T x; d dim; T index; T source; w reduce=sum,prod,mean,amax,amin; b include_self=1",
    .convention = 'A', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .onnx = "ScatterElements", .compose = scatter_reduce_compose,
    .doc = "x with what the indices send to one place along a dimension reduced there."};

/* torch.scatter(x, dim, index, source, 'add'): answers where a word is given. */
static tn_status scatter_with_compose(tn_call *call) {
  tn_tensor *source = call->in[2];
  tn_eval e = tn__eval_begin(call->ctx);
  if (source->ndim == 0) {
    source = tn__with_sizes(&e, TN_OP_expand, source, call->in[1]->ndim, call->in[1]->sizes);
  }
  tn_status s = e.status;
  if (s == TN_OK) {
    s = scatter_by(call, call->in[1], source, call->attrs->i[1] == 0 ? SUM : PROD, true);
  }
  tn_status end = tn__eval_end(&e);
  return s != TN_OK ? s : end;
}

const tn_op tn__op_scatter_with = {
    .name = "scatter_with", .lua = "scatter",
    .args = "T x; d dim; T index; X source; w reduce=add,multiply",
    .convention = 'A', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .onnx = "ScatterElements", .compose = scatter_with_compose,
    .doc = "x with the source added to, or multiplied with, what the indices name."};

/* The slices of a source, one for each index. */
static tn_status index_reduce_compose(tn_call *call) {
  static const int modes[] = {PROD, MEAN, AMAX, AMIN};
  tn_tensor *index = call->in[1], *source = call->in[2];
  int64_t sizes[TN_MAX_DIMS];
  tn_status s = tn__call_dim(call, 0, 0);
  if (s != TN_OK) return s;
  if (index->ndim > 1 || source->ndim != call->in[0]->ndim ||
      source->sizes[call->dim] != tn__numel(index)) {
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "a vector of indices, and a slice of the source for each, "
                   "expected, got %s and %s", tn__shape_text(a, index->ndim, index->sizes),
                   tn__shape_text(b, source->ndim, source->sizes));
  }
  for (int d = 0; d < source->ndim; d++) sizes[d] = d == call->dim ? tn__numel(index) : 1;
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *all = tn__reshaped(&e, index, source->ndim, sizes);
  all = tn__with_sizes(&e, TN_OP_expand, all, source->ndim, source->sizes);
  s = e.status;
  if (s == TN_OK) {
    s = scatter_by(call, all, source, modes[call->attrs->i[1]],
                   tn__int(call->attrs, 2, 1) != 0);
  }
  tn_status end = tn__eval_end(&e);
  return s != TN_OK ? s : end;
}

const tn_op tn__op_index_reduce = {
    .name = "index_reduce", .lua = "index_reduce", .aliases = "indexReduce",
    .args = "T x; d dim; T index; T source; w reduce=prod,mean,amax,amin; b include_self=1",
    .convention = 'A', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .compose = index_reduce_compose,
    .doc = "x with the slices of a source reduced into those that the indices name."};

/* -- take_along_dim ---------------------------------------------------------------------------- */

static tn_status take_along_dim_compose(tn_call *call) {
  tn_tensor *x = call->in[0], *index = call->in[1];
  tn_eval e = tn__eval_begin(call->ctx);
  int64_t n = tn__numel(x), m = tn__numel(index);
  tn_attrs dim = {.i = {0}, .ni = 1};
  if (tn__int(call->attrs, 0, TN_NONE) == TN_NONE) {
    x = tn__reshaped(&e, x, 1, &n);
    index = tn__reshaped(&e, index, 1, &m);
  } else {
    tn_status s = tn__call_dim(call, 0, 0);
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    int64_t wide[TN_MAX_DIMS], picked[TN_MAX_DIMS];
    bool good = s == TN_OK && index->ndim == x->ndim;
    for (int d = 0; good && d < x->ndim; d++) {
      const int64_t p = x->sizes[d], q = index->sizes[d];
      good = d == call->dim || p == q || p == 1 || q == 1;
      wide[d] = d == call->dim ? p : p == 1 ? q : p;
      picked[d] = d == call->dim ? q : wide[d];
    }
    if (!good) {
      tn__eval_end(&e);
      if (s != TN_OK) return s;
      return tn_fail(call->ctx, TN_ESHAPE, "indices of size %s do not fit a tensor of size %s",
                     tn__shape_text(a, index->ndim, index->sizes),
                     tn__shape_text(b, x->ndim, x->sizes));
    }
    dim.i[0] = call->dim;
    x = tn__with_sizes(&e, TN_OP_expand, x, x->ndim, wide);
    index = tn__with_sizes(&e, TN_OP_expand, index, index->ndim, picked);
  }
  return finish(call, &e, tn__do(&e, TN_OP_gather, &dim, 2, (tn_tensor *[]){x, index}));
}

const tn_op tn__op_take_along_dim = {
    .name = "take_along_dim", .lua = "take_along_dim", .args = "T x; T index; d? dim",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .onnx = "GatherElements", .compose = take_along_dim_compose,
    .doc = "gather with broadcasting: what argmax or sort along a dimension found."};
