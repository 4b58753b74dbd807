/* attention.c -- softmax(q k' scale + mask) v, without ever holding all scores: FlashAttention (Dao
 * et al. 2022, arXiv:2205.14135; the way back as in Dao 2023, arXiv:2307.08691).
 *
 * in: q (batch, heads, length, dim), k (batch, groups, keys, dim), v (batch, groups, keys, width)
 * and a mask or NULL, which can be broadcast to (batch, heads, length, keys): bool or uint8, where
 * what is not 0 takes part, or numbers that are added to the scores. heads is a multiple of groups:
 * head h looks at group h * groups / heads (grouped queries, Ainslie et al. 2023). Batch, or batch
 * and heads, may be missing. attrs: f[0] scale (0: 1 / sqrt(dim)), f[1] dropout's p, i[0] causal:
 * query i sees keys up to i. Output 1 keeps each query's log-sum-exp (infinite where no key takes
 * part; the result is then 0), output 2 where the random numbers of dropout begin. */
#include "tensor/ops/attention.h"

#include <math.h>

#include "tensor/eval.h"
#include "tensor/random.h"

typedef tn_attention job;

/* -- Calls ------------------------------------------------------------------------------------- */

static tn_status misfit(tn_call *call, const char *what) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT], c[TN_SHAPE_TEXT];
  tn_tensor *const *in = call->in;
  return tn_fail(call->ctx, TN_ESHAPE, "%s: q is %s, k is %s, v is %s", what,
                 tn__shape_text(a, in[0]->ndim, in[0]->sizes),
                 tn__shape_text(b, in[1]->ndim, in[1]->sizes),
                 tn__shape_text(c, in[2]->ndim, in[2]->sizes));
}

/* Size d of (batch, heads, length, dim), where missing ones are 1. */
static int64_t size_of(int ndim, const int64_t *sizes, int d) {
  const int own = d - (4 - ndim);
  return own < 0 ? 1 : sizes[own];
}

static tn_status check_mask(tn_call *call) {
  const tn_tensor *q = call->in[0], *mask = call->nin > 3 ? call->in[3] : NULL;
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (mask == NULL) return TN_OK;
  if (mask->dtype != TN_BOOL && mask->dtype != TN_U8 && !tn_dtype_is_float((tn_dtype)mask->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "a mask of booleans, bytes or floating-point numbers "
                   "expected, got %s", tn_dtype_name((tn_dtype)mask->dtype));
  }
  int64_t wanted[4];
  for (int d = 0; d < q->ndim; d++) wanted[d] = q->sizes[d];
  wanted[q->ndim - 1] = call->in[1]->sizes[q->ndim - 2];
  bool fits = mask->ndim <= q->ndim;
  for (int d = 1; fits && d <= mask->ndim; d++) {
    const int64_t size = mask->sizes[mask->ndim - d];
    fits = size == 1 || size == wanted[q->ndim - d];
  }
  if (fits) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "a mask of size %s cannot be broadcast to %s",
                 tn__shape_text(a, mask->ndim, mask->sizes), tn__shape_text(b, q->ndim, wanted));
}

static tn_status shape(tn_call *call) {
  const tn_tensor *q = call->in[0], *k = call->in[1], *v = call->in[2];
  const int n = q->ndim;
  for (int i = 0; i < 3; i++) {
    if (tn_dtype_is_float((tn_dtype)call->in[i]->dtype) && call->in[i]->dtype == q->dtype) continue;
    return tn_fail(call->ctx, TN_EDTYPE, "q, k and v of one floating-point dtype expected, got %s, "
                   "%s and %s", tn_dtype_name((tn_dtype)q->dtype),
                   tn_dtype_name((tn_dtype)k->dtype), tn_dtype_name((tn_dtype)v->dtype));
  }
  if (n < 2 || n > 4 || k->ndim != n || v->ndim != n) {
    return misfit(call, "tensors (batch, heads, length, dim) expected");
  }
  if (k->sizes[n - 1] != q->sizes[n - 1]) return misfit(call, "q and k differ in their last size");
  if (k->sizes[n - 2] != v->sizes[n - 2]) return misfit(call, "k and v differ in their length");
  for (int d = 0; d < n - 2; d++) {
    const bool heads = d == n - 3;
    const int64_t a = q->sizes[d], b = k->sizes[d];
    if (b != v->sizes[d]) return misfit(call, "k and v do not fit each other");
    if (!heads && a != b) return misfit(call, "q and k differ in their batch");
    if (heads && (b == 0 ? a != 0 : a % b != 0)) {
      return misfit(call, "the heads of q are no multiple of those of k");
    }
  }
  if (!(call->attrs->f[1] >= 0 && call->attrs->f[1] < 1)) {
    return tn_fail(call->ctx, TN_EARG, "dropout_p = %g: it must lie in [0, 1)", call->attrs->f[1]);
  }
  tn__meta_of(&call->meta[0], q);
  call->meta[0].sizes[n - 1] = v->sizes[n - 1];
  tn__meta_of(&call->meta[1], q);
  call->meta[1].ndim = (uint8_t)(n - 1);
  call->meta[1].dtype = (uint8_t)tn__compute_dtype((tn_dtype)q->dtype);
  call->meta[2] = (tn_meta){.dtype = TN_I64, .ndim = 1, .sizes = {2}};
  int64_t count;
  tn_status s = tn__count(call->ctx, n, call->meta[0].sizes, 8, &count);
  return s == TN_OK ? check_mask(call) : s;
}

/* `t` with its rows in one piece each, in the dtype that is calculated in. */
static tn_status fetch(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype type, tn_status s) {
  if (s != TN_OK) return s;
  const int n = t->ndim;
  const bool fits = t->dtype == type && (t->strides[n - 1] == 1 || t->sizes[n - 1] == 1) &&
                    (t->strides[n - 2] >= t->sizes[n - 1] || t->sizes[n - 2] == 1);
  if (!fits) return tn__contiguous_of(ctx, out, t, type);
  *out = tn_tensor_retain(t);
  return TN_OK;
}

static tn_attention_rows rows_of(const tn_tensor *t) {
  const int n = t->ndim;
  tn_attention_rows m = {.data = tn__data(t), .row = t->strides[n - 2]};
  if (t->sizes[n - 2] == 1 && m.row < t->sizes[n - 1]) m.row = t->sizes[n - 1];
  if (m.row < 1) m.row = 1;
  if (n > 2) m.head = t->strides[n - 3];
  if (n > 3) m.batch = t->strides[n - 4];
  return m;
}

static void read_job(job *j, tn_dtype type, const tn_attrs *a, const tn_tensor *q,
                     const tn_tensor *k, const tn_tensor *v) {
  memset(j, 0, sizeof *j);
  j->f64 = type == TN_F64;
  j->k = &TN_ISA_PICK(tn__attention_kernels)[j->f64];
  j->item = tn__item_size(type);
  j->batch = size_of(q->ndim, q->sizes, 0);
  j->heads = size_of(q->ndim, q->sizes, 1);
  j->groups = size_of(k->ndim, k->sizes, 1);
  j->length = size_of(q->ndim, q->sizes, 2);
  j->dim = size_of(q->ndim, q->sizes, 3);
  j->keys = size_of(k->ndim, k->sizes, 2);
  j->width = size_of(v->ndim, v->sizes, 3);
  j->scale = a->f[0] != 0 ? a->f[0] : 1 / sqrt((double)(j->dim > 0 ? j->dim : 1));
  j->p = a->f[1];
  j->causal = tn__int(a, 0, 0) != 0;
  j->q = rows_of(q);
  j->key = rows_of(k);
  j->v = rows_of(v);
}

/* The mask as the job reads it; *held is a new reference. */
static tn_status read_mask(tn_ctx *ctx, job *j, tn_tensor *mask, tn_dtype type, tn_tensor **held,
                           tn_status s) {
  if (s != TN_OK || mask == NULL) return s;
  const bool truth = mask->dtype == TN_BOOL || mask->dtype == TN_U8;
  if (truth || mask->dtype == type) *held = tn_tensor_retain(mask);
  else s = tn__contiguous_of(ctx, held, mask, type);
  if (s != TN_OK) return s;
  const tn_tensor *m = *held;
  j->kind = truth ? TN_MASK_TRUTH : TN_MASK_ADDED;
  j->mask = tn__data(m);
  for (int d = 1; d <= m->ndim; d++) {
    j->mask_strides[4 - d] = m->sizes[m->ndim - d] == 1 ? 0 : m->strides[m->ndim - d];
  }
  return TN_OK;
}

static tn_status outcome(tn_ctx *ctx, const job *j) {
  return atomic_load(&j->failed) ? tn_fail(ctx, TN_ENOMEM, "not enough memory for blocks of scores")
                                 : TN_OK;
}

static void begin_dropout(tn_call *call, job *j) {
  int64_t *state = (int64_t *)tn__data(call->out[2]);
  const tn_generator *g = tn__generator(call);
  j->seed = g->seed;
  j->offset = g->offset;
  state[0] = (int64_t)g->seed;
  state[1] = (int64_t)g->offset;
}

static tn_status run(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  const tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  tn_tensor *t[3] = {NULL}, *mask = NULL, *y = NULL;
  tn_status s = TN_OK;
  job j;
  for (int i = 0; i < 3; i++) s = fetch(ctx, &t[i], call->in[i], type, s);
  const bool direct = call->out[0]->dtype == type;
  if (s == TN_OK && direct) y = tn_tensor_retain(call->out[0]);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &y, type, call->out[0]->ndim, call->out[0]->sizes);
  if (s == TN_OK) read_job(&j, type, call->attrs, t[0], t[1], t[2]);
  j.memory = ctx->allocator;
  s = read_mask(ctx, &j, call->nin > 3 ? call->in[3] : NULL, type, &mask, s);
  if (s == TN_OK) {
    begin_dropout(call, &j);
    j.y = rows_of(y);
    j.lse = tn__data(call->out[1]);
    tn__attention_forward(&j, ctx->pool);
    s = outcome(ctx, &j);
    if (s == TN_OK && j.p != 0) tn__generator(call)->offset += tn__attention_draws(&j);
  }
  if (s == TN_OK && !direct) s = tn__copy_view(ctx, call->out[0], y);
  for (int i = 0; i < 3; i++) tn_tensor_release(t[i]);
  tn_tensor_release(mask);
  tn_tensor_release(y);
  return s;
}

/* -- Gradient ---------------------------------------------------------------------------------- */

static tn_status zeros(tn_ctx *ctx, tn_tensor **out, tn_dtype type, int ndim, const int64_t *sizes,
                       tn_status s) {
  if (s == TN_OK) s = tn_tensor_new(ctx, out, type, ndim, sizes);
  return s == TN_OK ? tn__set_zero(ctx, *out) : s;
}

/* Sizes of q with one more before them: the chunks. */
static int with_chunks(const job *j, int64_t sizes[5]) {
  const int64_t all[5] = {j->chunks, j->batch, j->heads, j->length, j->dim};
  memcpy(sizes, all, sizeof all);
  return 5;
}

/* The first chunk of dq, as q is seen. */
static tn_status first_chunk(tn_ctx *ctx, tn_tensor **out, const tn_tensor *dq, const tn_meta *m) {
  int64_t strides[TN_MAX_DIMS];
  tn__contiguous_strides(m->ndim, m->sizes, strides);
  return tn__alias(ctx, out, dq, m->ndim, m->sizes, strides, dq->offset);
}

static tn_status fused(tn_grad_call *g) {
  tn_ctx *ctx = g->ctx;
  const tn_dtype type = (tn_dtype)g->out[1]->dtype;
  tn_tensor *t[5] = {NULL}, *dq = NULL, *d[4] = {NULL}, *mask = NULL;
  tn_status s = TN_OK;
  job j;
  for (int i = 0; i < 3; i++) s = fetch(ctx, &t[i], g->in[i], type, s);
  s = fetch(ctx, &t[3], g->out[0], type, s);
  s = fetch(ctx, &t[4], g->dout[0], type, s);
  if (s != TN_OK) goto done;
  read_job(&j, type, g->attrs, t[0], t[1], t[2]);
  j.memory = ctx->allocator;
  s = read_mask(ctx, &j, g->nin > 3 ? g->in[3] : NULL, type, &mask, s);
  j.chunks = tn__attention_chunks(&j);
  int64_t sizes[5];
  const int n = with_chunks(&j, sizes);
  s = zeros(ctx, &dq, type, n, sizes, s);
  for (int i = 1; i < 3; i++) s = zeros(ctx, &d[i], type, t[i]->ndim, t[i]->sizes, s);
  if (s == TN_OK && g->nin > 3 && g->need[3]) {
    int64_t scores[TN_MAX_DIMS];
    memcpy(scores, t[0]->sizes, sizeof scores);
    scores[t[0]->ndim - 1] = j.keys;
    s = zeros(ctx, &d[3], type, t[0]->ndim, scores, s);
  }
  if (s == TN_OK) {
    const int64_t *state = (const int64_t *)tn__data(g->out[2]);
    j.seed = (uint64_t)state[0];
    j.offset = (uint64_t)state[1];
    j.lse = tn__data(g->out[1]);
    j.y = rows_of(t[3]);
    j.dy = rows_of(t[4]);
    j.dk = rows_of(d[1]);
    j.dv = rows_of(d[2]);
    j.dq = (tn_attention_rows){tn__data(dq), j.heads * j.length * j.dim, j.length * j.dim, j.dim};
    j.scores_out = d[3] != NULL ? tn__data(d[3]) : NULL;
    tn__attention_backward(&j, ctx->pool);
    s = outcome(ctx, &j);
  }
  if (s == TN_OK) s = first_chunk(ctx, &d[0], dq, &g->meta[0]);
  for (int i = 0; i < g->nin && i < 4 && s == TN_OK; i++) {
    if (!g->need[i] || d[i] == NULL) continue;
    s = tn__reduce_to(ctx, &d[i], &g->meta[i]);
    g->din[i] = d[i];
    d[i] = NULL;
  }
done:
  for (int i = 0; i < 5; i++) tn_tensor_release(t[i]);
  for (int i = 0; i < 4; i++) tn_tensor_release(d[i]);
  tn_tensor_release(dq);
  tn_tensor_release(mask);
  return s;
}

/* -- The gradient made of operations, with all scores at once ---------------------------------- */

/* (batch * heads, rows, columns), each group of k or v as often as it has heads. */
static tn_tensor *as_batch(tn_eval *ep, const job *j, tn_tensor *x, int64_t groups) {
  tn_eval e = *ep;
  if (x == NULL) return NULL;
  const int64_t length = x->sizes[x->ndim - 2], columns = x->sizes[x->ndim - 1];
  const int64_t all = j->batch * j->heads, each = groups > 0 ? j->heads / groups : 1;
  tn_tensor *r = x;
  if (each != 1) {
    r = tn__reshaped(&e, r, 4, (int64_t[]){j->batch * groups, 1, length, columns});
    r = tn__with_sizes(&e, TN_OP_expand, r, 4,
                       (int64_t[]){j->batch * groups, each, length, columns});
  }
  r = tn__reshaped(&e, r, 3, (int64_t[]){all, length, columns});
  *ep = e;
  return r;
}

/* A mask of bytes (length, keys): 1 up to the diagonal. */
static tn_tensor *causal_mask(tn_eval *e, const job *j) {
  tn_tensor *t = NULL;
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_new_on(e->ctx, &t, TN_CPU, TN_BOOL, 2,
                               (int64_t[]){j->length, j->keys});
  if (e->status != TN_OK) return NULL;
  uint8_t *m = (uint8_t *)tn__data(t);
  for (int64_t i = 0; i < j->length; i++) {
    for (int64_t k = 0; k < j->keys; k++) m[i * j->keys + k] = k <= i;
  }
  e->status = tn__send(e->ctx, &t);
  return tn__temp(e, t);
}

/* What dropout multiplies the weights with: (batch * heads, length, keys). */
static tn_tensor *dropped(tn_eval *e, job *j, tn_dtype type) {
  tn_tensor *t = NULL;
  if (e->status != TN_OK) return NULL;
  e->status = tn_tensor_new_on(e->ctx, &t, TN_CPU, type, 3,
                               (int64_t[]){j->batch * j->heads, j->length, j->keys});
  if (e->status != TN_OK) return NULL;
  j->scores_out = tn__data(t);
  tn__attention_dropped(j);
  e->status = outcome(e->ctx, j);
  if (e->status == TN_OK) e->status = tn__send(e->ctx, &t);
  return tn__temp(e, t);
}

static tn_tensor *turned(tn_eval *e, tn_tensor *x) {
  return tn__with_two(e, TN_OP_transpose, x, 1, 2);
}

/* The weights, softmax of the scores (batch * heads, length, keys). A row without a key is 0. */
static tn_tensor *weights(tn_eval *ep, const job *j, const tn_grad_call *g, tn_tensor *q,
                          tn_tensor *k) {
  tn_eval e = *ep;
  tn_tensor *mask = g->nin > 3 ? g->in[3] : NULL;
  const bool truth = mask != NULL && !tn_dtype_is_float((tn_dtype)mask->dtype);
  int64_t sizes[TN_MAX_DIMS];
  const int n = g->meta[0].ndim;
  memcpy(sizes, g->meta[0].sizes, sizeof sizes);
  sizes[n - 1] = j->keys;
  tn_tensor *none = tn__constant(&e, -(double)INFINITY), *zero = tn__constant(&e, 0);
  tn_tensor *causal = j->causal ? causal_mask(&e, j) : NULL;
  tn_tensor *s = tn__scaled(&e, DO2(bmm, q, turned(&e, k)), j->scale);
  s = tn__reshaped(&e, s, n, sizes);
  if (truth) s = DO3(where, mask, s, none);
  else if (mask != NULL) s = DO2(add, s, mask);
  if (causal != NULL) s = DO3(where, causal, s, none);
  tn_tensor *p = tn__with_dim(&e, TN_OP_softmax, s, -1);
  if (truth) p = DO3(where, mask, p, zero);
  p = tn__reshaped(&e, p, 3, (int64_t[]){j->batch * j->heads, j->length, j->keys});
  *ep = e;
  return p;
}

/* The gradient (batch * heads, ...) of input i, summed over the heads of a group. */
static void send(tn_grad_call *g, tn_eval *e, const job *j, int i, int64_t groups, tn_tensor *d) {
  const tn_meta *m = &g->meta[i];
  if (!g->need[i] || d == NULL) return;
  if (groups != j->heads && groups > 0) {
    d = tn__reshaped(e, d, 4, (int64_t[]){j->batch * groups, j->heads / groups,
                                          m->sizes[m->ndim - 2], m->sizes[m->ndim - 1]});
    d = tn__with_dim(e, TN_OP_sum, d, 1);
  }
  g->din[i] = tn__keep(e, tn__reshaped(e, d, m->ndim, m->sizes));
}

static tn_status composed(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *start = NULL;
  e.status = tn__host_of(g->ctx, &start, g->out[2], TN_I64);
  if (e.status != TN_OK) return tn__eval_end(&e);
  const int64_t *state = (const int64_t *)tn__data(tn__temp(&e, start));
  const tn_dtype type = (tn_dtype)g->out[1]->dtype;
  job j;
  read_job(&j, type, g->attrs, g->in[0], g->in[1], g->in[2]);
  j.seed = (uint64_t)state[0];
  j.offset = (uint64_t)state[1];
  tn_tensor *q = as_batch(&e, &j, g->in[0], j.heads), *k = as_batch(&e, &j, g->in[1], j.groups);
  tn_tensor *v = as_batch(&e, &j, g->in[2], j.groups), *dy = as_batch(&e, &j, g->dout[0], j.heads);
  tn_tensor *p = weights(&e, &j, g, q, k), *used = p, *d = DO2(bmm, dy, turned(&e, v));
  if (j.p > 0) {
    const tn_attrs own = {.i = {g->meta[0].dtype}, .ni = 1};
    tn_tensor *kept = dropped(&e, &j, type);
    if (type != g->meta[0].dtype) kept = tn__do(&e, TN_OP_to, &own, 1, &kept);
    used = DO2(mul, p, kept);
    d = DO2(mul, d, kept);
  }
  d = DO2(mul, p, DO2(sub, d, tn__with_dim(&e, TN_OP_sum, DO2(mul, p, d), -1)));
  if (g->need[0]) send(g, &e, &j, 0, j.heads, tn__scaled(&e, DO2(bmm, d, k), j.scale));
  if (g->need[1]) send(g, &e, &j, 1, j.groups, tn__scaled(&e, DO2(bmm, turned(&e, d), q), j.scale));
  if (g->need[2]) send(g, &e, &j, 2, j.groups, DO2(bmm, turned(&e, used), dy));
  if (g->nin > 3 && g->need[3] && d != NULL) {
    int64_t sizes[TN_MAX_DIMS];
    memcpy(sizes, g->meta[0].sizes, sizeof sizes);
    sizes[g->meta[0].ndim - 1] = j.keys;
    g->din[3] = tn__keep(&e, tn__reshaped(&e, d, g->meta[0].ndim, sizes));
    if (g->din[3] != NULL) e.status = tn__reduce_to(g->ctx, &g->din[3], &g->meta[3]);
  }
  return tn__eval_end(&e);
}

static tn_status grad(tn_grad_call *g) {
  if (g->dout[0] == NULL) return TN_OK;
  return g->create_graph ? composed(g) : fused(g);
}

const tn_op tn__op_scaled_dot_product_attention = {
    .name = "scaled_dot_product_attention", .lua = "scaled_dot_product_attention",
    .args = "T q; T k; T v; T? mask; b is_causal=0; n? scale; n dropout_p=0", .convention = 'C',
    .flags = TN_FLOATS | TN_HIDES, .nout = 3, .fixed = 2 | 4,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_D | TN_SAVE_Y | TN_SAVE_Y2 | TN_SAVE_Y3,
    .low = -2, .high = 2, .shape = shape, .run = run, .grad = grad, .onnx = "Attention",
    .doc = "softmax(q k' scale + mask) v for (batch, heads, length, dim), scale 1 / sqrt(dim) by "
           "default. k and v may have fewer heads. A mask of booleans or bytes says what takes "
           "part; one of numbers is added."};
