/* rotary.c -- rotary position embedding (Su et al. 2021, arXiv:2104.09864): pairs of numbers turned
 * by an angle that grows with their position. The gradient turns them back.
 *
 * in: x (..., time, dim), cos and sin (positions, pairs), of which the rows from i[1] on count. The
 * first 2 pairs numbers of dim are turned, the others stay. i[0]: pairs lie side by side, as in the
 * paper, instead of `pairs` apart; i[2]: turn back. */
#include "tensor/cpu/kernels.h"
#include "tensor/eval.h"

typedef struct {
  const tn_attention_kernels *k;
  int64_t time, dim, pairs, first;
  bool beside;
  double sign;
  size_t item;
  char *y;
  const char *x, *cos, *sin;
} job;

static void turn_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const size_t own = (size_t)(2 * j->pairs) * j->item;
  for (int64_t row = begin; row < end; row++) {
    const int64_t place = row * j->dim * (int64_t)j->item;
    const int64_t angle = (j->first + row % j->time) * j->pairs * (int64_t)j->item;
    j->k->turn_pairs(j->pairs, j->beside, j->y + place, j->x + place, j->cos + angle,
                     j->sin + angle, j->sign);
    memcpy(j->y + place + own, j->x + place + own, (size_t)j->dim * j->item - own);
  }
}

static tn_status rotary_shape(tn_call *call) {
  const tn_tensor *x = call->in[0], *c = call->in[1], *s = call->in[2];
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  const int64_t first = tn__int(call->attrs, 1, 0);
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                   tn_dtype_name((tn_dtype)x->dtype));
  }
  if (x->ndim < 2 || c->ndim != 2 || !tn__same_shape(c, s)) {
    return tn_fail(call->ctx, TN_ESHAPE, "an input (..., time, dim) and two tables (time, pairs) "
                   "expected, got sizes %s and %s", tn__shape_text(a, x->ndim, x->sizes),
                   tn__shape_text(b, c->ndim, c->sizes));
  }
  const int64_t time = x->sizes[x->ndim - 2], dim = x->sizes[x->ndim - 1];
  if (c->sizes[1] > dim / 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "%lld pairs are more than a last size of %lld holds",
                   (long long)c->sizes[1], (long long)dim);
  }
  if (first < 0 || first > c->sizes[0] || time > c->sizes[0] - first) {
    return tn_fail(call->ctx, TN_ESHAPE, "a table of %lld positions has not %lld behind the first "
                   "%lld", (long long)c->sizes[0], (long long)time, (long long)first);
  }
  return tn__shape_same(call);
}

static tn_status fetch(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype type, tn_status s) {
  return s == TN_OK ? tn__contiguous_of(ctx, out, t, type) : s;
}

static tn_status rotary_run(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  const tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  const tn_attrs *a = call->attrs;
  tn_tensor *t[3] = {NULL}, *y = NULL;
  tn_status s = TN_OK;
  for (int i = 0; i < 3; i++) s = fetch(ctx, &t[i], call->in[i], type, s);
  const bool direct = call->out[0]->dtype == type;
  if (s == TN_OK && direct) y = tn_tensor_retain(call->out[0]);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &y, type, call->out[0]->ndim, call->out[0]->sizes);
  if (s == TN_OK && tn__numel(y) > 0) {
    const int n = y->ndim;
    job j = {.k = &TN_ISA_PICK(tn__attention_kernels)[type == TN_F64], .time = y->sizes[n - 2],
             .dim = y->sizes[n - 1], .pairs = t[1]->sizes[1], .first = tn__int(a, 1, 0),
             .beside = tn__int(a, 0, 0) != 0, .sign = tn__int(a, 2, 0) != 0 ? -1 : 1,
             .item = tn__item_size(type), .y = tn__data(y), .x = tn__data(t[0]),
             .cos = tn__data(t[1]), .sin = tn__data(t[2])};
    tn__pool_run(ctx->pool, tn__numel(y) / j.dim, TN_GRAIN / j.dim + 1, turn_rows, &j);
    if (!direct) s = tn__copy_view(ctx, call->out[0], y);
  }
  for (int i = 0; i < 3; i++) tn_tensor_release(t[i]);
  tn_tensor_release(y);
  return s;
}

static tn_status rotary_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_attrs *a = g->attrs;
  const tn_attrs back = {.i = {tn__int(a, 0, 0), tn__int(a, 1, 0), !tn__int(a, 2, 0)}, .ni = 3};
  tn_tensor *in[3] = {g->dout[0], g->in[1], g->in[2]};
  if (g->need[0]) g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_rotary_embedding, &back, 3, in));
  return tn__eval_end(&e);
}

const tn_op tn__op_rotary_embedding = {
    .name = "rotary_embedding", .lua = "rotary_embedding",
    .args = "T x; T cos; T sin; b interleaved=0; i offset=0; b back=0", .convention = 'C',
    .flags = TN_FLOATS, .nout = 1, .saves = TN_SAVE_B | TN_SAVE_C, .low = -2, .high = 2,
    .shape = rotary_shape, .run = rotary_run, .grad = rotary_grad, .onnx = "RotaryEmbedding",
    .doc = "Turns pairs of the last dimension of (..., time, dim) by angles of each position, "
           "whose cosines and sines (time, pairs) have no gradient. The halves make the pairs, or "
           "neighbours if interleaved."};
