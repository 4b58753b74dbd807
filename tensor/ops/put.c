/* put.c -- elements named by their place, counted row by row over the whole tensor: take, put. */
#include "tensor/ops/lines.h"

/* -- put --------------------------------------------------------------------------------------- */

static tn_status put_shape(tn_call *call) {
  const tn_tensor *index = call->in[1], *source = call->in[2];
  tn__meta_of(&call->meta[0], call->in[0]);
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (source->ndim == 0 || tn__numel(index) == tn__numel(source)) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "as many values as places expected, got %s for %s",
                 tn__shape_text(b, source->ndim, source->sizes),
                 tn__shape_text(a, index->ndim, index->sizes));
}

typedef struct {
  int64_t count, step; /* of the source: 0 repeats one value */
  int64_t base;
  const int64_t *index;
  void *to;
  const void *from;
} job;

#define PUT_LOOP(name, T, operator)                                                               \
  static void name(const job *j) {                                                                \
    T *to = j->to;                                                                                \
    const T *from = j->from;                                                                      \
    for (int64_t i = 0; i < j->count; i++) to[j->index[i] - j->base] operator from[i * j->step];  \
  }

PUT_LOOP(put_1, uint8_t, =)
PUT_LOOP(put_2, uint16_t, =)
PUT_LOOP(put_4, uint32_t, =)
PUT_LOOP(put_8, uint64_t, =)
PUT_LOOP(add_f32, float, +=)
PUT_LOOP(add_f64, double, +=)
PUT_LOOP(add_u64, uint64_t, +=) /* integers wrap around */

static void put_values(const job *j, tn_dtype dtype, bool accumulate) {
  if (accumulate) (dtype == TN_F32 ? add_f32 : dtype == TN_F64 ? add_f64 : add_u64)(j);
  else {
    const size_t item = tn__item_size(dtype);
    (item == 1 ? put_1 : item == 2 ? put_2 : item == 4 ? put_4 : put_8)(j);
  }
}

/* Sums are made in the compute dtype, as those of indexAdd. */
static tn_status put_run(tn_call *call) {
  tn_tensor *x = call->in[0], *index, *source = NULL, *to = NULL;
  const bool accumulate = tn__int(call->attrs, 0, 0) != 0;
  tn_dtype dtype = (tn_dtype)x->dtype;
  if (accumulate) dtype = tn__compute_dtype(dtype);
  tn_status s = tn__index_values(call->ctx, &index, call->in[1], 0, tn__numel(x));
  if (s != TN_OK) return s;
  s = tn__contiguous_of(call->ctx, &source, call->in[2], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK) {
    if (!tn__same_view(to, x)) tn__copy_view(call->ctx, to, x);
    job j = {tn__numel(index), source->ndim > 0, call->ctx->index_base,
             (const int64_t *)tn__data(index), tn__data(to), tn__data(source)};
    put_values(&j, dtype, accumulate);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(source);
  tn_tensor_release(index);
  return s;
}

static tn_tensor *taken(tn_eval *ep, const tn_grad_call *g) {
  tn_eval e = *ep;
  tn_tensor *d = DO2(take, g->dout[0], g->in[1]);
  *ep = e;
  return d;
}

/* What was overwritten gets no gradient. */
static tn_status put_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const bool accumulate = tn__int(g->attrs, 0, 0) != 0;
  if (g->need[0] && accumulate) g->din[0] = tn_tensor_retain(g->dout[0]);
  else if (g->need[0]) {
    tn_tensor *zero = tn__constant(&e, 0);
    g->din[0] = tn__keep(&e, DO3(put, g->dout[0], g->in[1], zero));
  }
  if (g->need[2]) g->din[2] = tn__keep(&e, taken(&e, g));
  tn_status s = tn__eval_end(&e);
  return g->din[2] == NULL ? s : tn__reduce_to(g->ctx, &g->din[2], &g->meta[2]);
}

const tn_op tn__op_put = {
    .name = "put", .lua = "put", .args = "T x; T index; X source; b accumulate=0",
    .convention = 'A', .flags = TN_INPLACE | TN_FLOATS | TN_INTEGERS, .nout = 1,
    .saves = TN_SAVE_B, .low = -2, .high = 2, .shape = put_shape, .run = put_run,
    .grad = put_grad,
    .doc = "x with the elements at places, counted row by row, replaced, or added to."};

/* -- take -------------------------------------------------------------------------------------- */

static tn_status take_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  int64_t count = tn__numel(call->in[0]);
  tn_tensor *flat = tn__reshaped(&e, call->in[0], 1, &count);
  if (e.status == TN_OK) {
    e.status = tn_index(call->ctx, &call->out[0], flat, 1, &call->in[1], NULL);
  }
  return tn__eval_end(&e);
}

const tn_op tn__op_take = {
    .name = "take", .lua = "take", .args = "T x; T index", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .compose = take_compose,
    .doc = "The elements of x at places that are counted row by row, in the index's sizes."};
