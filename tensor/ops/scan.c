/* scan.c -- cumsum: running sums along a dimension.
 *
 * attrs: i[0] the dimension (the first unless told otherwise, as in Torch7), i[1] 1 begins at the
 * end, which is what the gradient needs. Sums of floats are carried in double. */
#include "tensor/ops/lines.h"

typedef struct {
  tn_lines lines;
  const void *x;
  void *out;
  bool reverse;
} job;

enum { STRIP = 64 }; /* columns that are walked down together */

/* Strips of up to STRIP lines, or single lines that lie one after another: [begin, end) counts
 * strips. */
#define SCAN_STRIPS(name, T, Sum)                                                                 \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const job *j = arg;                                                                           \
    const tn_lines l = j->lines;                                                                  \
    const int64_t strips = (l.inner + STRIP - 1) / STRIP, step = j->reverse ? -l.inner : l.inner; \
    for (int64_t s = begin; s < end; s++) {                                                       \
      int64_t first = s % strips * STRIP, at = s / strips * l.size * l.inner + first;             \
      int64_t width = l.inner - first < STRIP ? l.inner - first : STRIP;                          \
      Sum sums[STRIP] = {0};                                                                      \
      if (j->reverse) at += (l.size - 1) * l.inner;                                               \
      if (width == 1) {                                                                           \
        const T *x = (const T *)j->x + at;                                                        \
        T *out = (T *)j->out + at;                                                                \
        Sum sum = 0;                                                                              \
        for (int64_t k = 0; k < l.size; k++) out[k * step] = (T)(sum += (Sum)x[k * step]);        \
        continue;                                                                                 \
      }                                                                                           \
      for (int64_t k = 0; k < l.size; k++, at += step) {                                          \
        const T *x = (const T *)j->x + at;                                                        \
        T *out = (T *)j->out + at;                                                                \
        for (int64_t i = 0; i < width; i++) out[i] = (T)(sums[i] += (Sum)x[i]);                   \
      }                                                                                           \
    }                                                                                             \
  }

SCAN_STRIPS(scan_f32, float, double)
SCAN_STRIPS(scan_f64, double, double)
SCAN_STRIPS(scan_u64, uint64_t, uint64_t) /* integers wrap around */

/* Sums of small integers are of int64, as those of sum. */
static tn_status cumsum_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  if (!tn_dtype_is_float((tn_dtype)call->in[0]->dtype)) call->meta[0].dtype = TN_I64;
  return tn__call_dim(call, 0, 0);
}

static tn_status cumsum_run(tn_call *call) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype dtype = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK && tn__numel(x) > 0) {
    job j = {tn__lines(x, call->dim), tn__data(x), tn__data(to), tn__int(call->attrs, 1, 0) != 0};
    int64_t strips = (j.lines.inner + STRIP - 1) / STRIP * j.lines.outer;
    tn__pool_run(call->ctx->pool, strips, TN_GRAIN * strips / tn__numel(x) + 1,
                 dtype == TN_F32 ? scan_f32 : dtype == TN_F64 ? scan_f64 : scan_u64, &j);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(x);
  return s;
}

static tn_status cumsum_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs back = {.i = {tn__int(g->attrs, 0, 0), tn__int(g->attrs, 1, 0) == 0}, .ni = 2};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_cumsum, &back, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_cumsum = {
    .name = "cumsum", .lua = "cumsum", .args = "T x; d dim=1; b reverse=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .shape = cumsum_shape,
    .run = cumsum_run, .grad = cumsum_grad, .onnx = "CumSum",
    .doc = "Sums of all elements up to each one, or from each one on, along a dimension."};
