/* mean_windows.c -- the mean value under each window, and the way back. */
#include "tensor/cpu/kernels.h"
#include "tensor/ops/pooling.h"

#define SCALE                                                                                     \
  (1.0 / (j->attrs->i[AT_DIVISOR] ? (double)j->attrs->i[AT_DIVISOR]                               \
                                  : (double)sz.count * (double)sy.count * (double)sx.count))

/* Sum of the rows that sz and sy span, from their first to their last column: one behind the other
 * in memory, as of a window that covers the whole image. */
static double sum_rows(const tn_pooling *j, int compute, size_t item, const char *plane, tn_span sz,
                       tn_span sy) {
  tn_reduce_row *row = TN_ISA_PICK(&tn__reduce_kernels)->row[TN_RED_SUM][compute];
  const int64_t cells = (sy.end - sy.begin) * j->in[2];
  double sum = 0, part;
  for (int64_t z = sz.begin; z < sz.end; z++) {
    row(cells, plane + (z * j->in[1] + sy.begin) * j->in[2] * (int64_t)item, &part);
    sum += part;
  }
  return sum;
}

/* Means of the windows, and the reverse: each value spread evenly over its window. */
#define MEAN_PLANES(T, COMPUTE)                                                                   \
  static void mean_##T(void *arg, int64_t begin, int64_t end) {                                   \
    const tn_pooling *j = arg;                                                                    \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->inside;                                     \
      T *to = (T *)j->to + plane * j->outside;                                                    \
      TN_EACH_WINDOW({                                                                            \
        T sum = 0;                                                                                \
        if (sx.end - sx.begin == j->in[2] && sy.end > sy.begin) {                                 \
          sum = (T)sum_rows(j, COMPUTE, sizeof(T), (const char *)from, sz, sy);                   \
        } else {                                                                                  \
          TN_EACH_ELEMENT({ sum += from[row + kx]; })                                             \
        }                                                                                         \
        to[o] = sum * (T)SCALE;                                                                   \
      })                                                                                          \
    }                                                                                             \
  }                                                                                               \
  static void spread_##T(void *arg, int64_t begin, int64_t end) {                                 \
    const tn_pooling *j = arg;                                                                    \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->outside;                                    \
      T *to = (T *)j->to + plane * j->inside;                                                     \
      memset(to, 0, (size_t)j->inside * sizeof *to);                                              \
      TN_EACH_WINDOW({                                                                            \
        const T part = from[o] * (T)SCALE;                                                        \
        TN_EACH_ELEMENT({ to[row + kx] += part; })                                                \
      })                                                                                          \
    }                                                                                             \
  }

MEAN_PLANES(float, TN_COMPUTE_F32)
MEAN_PLANES(double, TN_COMPUTE_F64)

static tn_status mean_run(tn_call *call, tn_pool_fn *f32, tn_pool_fn *f64) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype type = call->in[0]->dtype == TN_F64 ? TN_F64 : TN_F32;
  tn_pooling j = {0};
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) s = tn__pooling_begin(call->ctx, &j, call->attrs, true);
  if (s == TN_OK) {
    j.from = tn__data(x);
    j.to = tn__data(to);
    tn__pooling_run(call, &j, type == TN_F32 ? f32 : f64, &j);
  }
  tn__give(j.spans[0]);
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status floats_only(tn_call *call) {
  if (tn_dtype_is_float((tn_dtype)call->in[0]->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                 tn_dtype_name((tn_dtype)call->in[0]->dtype));
}

static tn_status mean_windows_shape(tn_call *call) {
  tn_status s = floats_only(call);
  return s == TN_OK ? tn__pooling_shape(call, AT_OUT, AT_IN) : s;
}

static tn_status mean_windows_input_shape(tn_call *call) {
  tn_status s = floats_only(call);
  return s == TN_OK ? tn__pooling_shape(call, AT_IN, AT_OUT) : s;
}

static tn_status mean_windows_run(tn_call *call) {
  return mean_run(call, mean_float, mean_double);
}

static tn_status mean_windows_input_run(tn_call *call) {
  return mean_run(call, spread_float, spread_double);
}

static tn_status reverse(tn_grad_call *g, tn_opcode code) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__do(&e, code, g->attrs, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

static tn_status mean_windows_grad(tn_grad_call *g) {
  return reverse(g, TN_OP_mean_windows_input);
}

static tn_status mean_windows_input_grad(tn_grad_call *g) {
  return reverse(g, TN_OP_mean_windows);
}

#define MEAN_ROW(name_, onnx_, doc_)                                                              \
  const tn_op tn__op_##name_ = {.name = #name_, .convention = 'N', .nout = 1,                     \
                                .flags = TN_FLOATS | TN_KEEPS_ORDER, .low = -2, .high = 2,        \
                                .shape = name_##_shape, .run = name_##_run,                       \
                                .grad = name_##_grad, .onnx = onnx_, .doc = doc_};

MEAN_ROW(mean_windows, "AveragePool", "Mean values under windows.")
MEAN_ROW(mean_windows_input, NULL, "Values spread evenly over windows.")
