/* scan_extremes.c -- cummax and cummin: the extreme of all elements up to each one, and its place.
 *
 * Of equal extremes the latest counts, and NaN wins, as in PyTorch. attrs: i[0] the dimension. */
#include "tensor/ops/lines.h"

typedef struct {
  tn_lines lines;
  const void *x;
  int64_t *at;
  int64_t base;
  bool smallest;
} job;

/* [begin, end) counts lines. */
#define SCAN_LINES(name, T)                                                                       \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const job *j = arg;                                                                           \
    const tn_lines l = j->lines;                                                                  \
    for (int64_t line = begin; line < end; line++) {                                              \
      const int64_t first = line / l.inner * l.size * l.inner + line % l.inner;                   \
      const T *x = (const T *)j->x + first;                                                       \
      int64_t *at = j->at + first, best = 0;                                                      \
      for (int64_t k = 0; k < l.size; k++) {                                                      \
        const T v = x[k * l.inner], b = x[best * l.inner];                                        \
        if (v != v || (b == b && (j->smallest ? v <= b : v >= b))) best = k;                      \
        at[k * l.inner] = best + j->base;                                                         \
      }                                                                                           \
    }                                                                                             \
  }

SCAN_LINES(scan_f64, double)
SCAN_LINES(scan_i64, int64_t)

static tn_status extreme_shape(tn_call *call) {
  tn_status s = tn__call_dim(call, 0, 0);
  if (s != TN_OK) return s;
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return TN_OK;
}

/* The places first; the values are what is found there. */
static tn_status scan(tn_call *call, bool smallest) {
  tn_tensor *x = NULL, *to = NULL;
  const bool floats = tn_dtype_is_float((tn_dtype)call->in[0]->dtype);
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], floats ? TN_F64 : TN_I64);
  if (s == TN_OK) s = tn__result_begin(call, 1, TN_I64, &to);
  if (s == TN_OK && tn__numel(x) > 0) {
    job j = {tn__lines(x, call->dim), tn__data(x), (int64_t *)(void *)tn__data(to),
             call->ctx->index_base, smallest};
    tn__pool_run(call->ctx->pool, j.lines.outer * j.lines.inner, TN_GRAIN / j.lines.size + 1,
                 floats ? scan_f64 : scan_i64, &j);
  }
  s = tn__result_end(call, 1, to, s);
  tn_tensor_release(x);
  if (s != TN_OK) return s;
  tn_call pick = {.ctx = call->ctx, .op = &tn__op_gather, .nin = 2,
                  .in = (tn_tensor *[]){call->in[0], call->out[1]}, .attrs = call->attrs,
                  .out = {call->out[0]}, .dim = call->dim};
  return tn__op_gather.run(&pick);
}

static tn_status cummax_run(tn_call *call) { return scan(call, false); }
static tn_status cummin_run(tn_call *call) { return scan(call, true); }

static tn_status extreme_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs dim = {.i = {tn__int(g->attrs, 0, 0)}, .ni = 1};
  tn_tensor *in[3] = {tn__zeros(&e, &g->meta[0]), g->out[1], g->dout[0]};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_scatter_add, &dim, 3, in));
  return tn__eval_end(&e);
}

#define EXTREME_ROW(name_, doc_)                                                                  \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = "T x; d dim=1", .convention = 'C',                   \
      .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2, .fixed = 2, .low = -2,    \
      .high = 2, .shape = extreme_shape, .run = name_##_run, .grad = extreme_grad, .doc = doc_};

EXTREME_ROW(cummax, "The greatest of all elements up to each one, and its index.")
EXTREME_ROW(cummin, "The smallest of all elements up to each one, and its index.")
