/* quantize.c -- numbers as small integers: q = round(x / scale) + zero_point, to the nearest even
 * at half, held within the integers' range, and back.
 *
 * attrs: per tensor f[0] scale, i[0] zero point, i[1] dtype; per channel i[0] the dimension, i[1]
 * dtype, with scales and zero points as second and third input. */
#include <math.h>

#include "tensor/ops/lines.h"

static const tn_dtype dtypes[] = {TN_I8, TN_U8, TN_I32}; /* in the order of the words */
static const double lowest[] = {-128, 0, -2147483648.0}, highest[] = {127, 255, 2147483647.0};

/* One scale and zero point for `inner` elements; then the next of `count`. */
typedef struct {
  const double *scales, *zeros;
  int64_t count, inner;
  double low, high;
  const double *from;
  double *to;
  bool back;
} job;

static double quantized(double x, double scale, double zero, double low, double high) {
  const double q = nearbyint(x / scale) + zero;
  return !(q >= low) ? (q != q ? (zero < low ? low : zero > high ? high : zero) : low)
                     : q > high ? high : q;
}

static void run_elements(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t i = begin; i < end; i++) {
    const int64_t c = i / j->inner % j->count;
    j->to[i] = j->back ? (j->from[i] - j->zeros[c]) * j->scales[c]
                       : quantized(j->from[i], j->scales[c], j->zeros[c], j->low, j->high);
  }
}

/* Through doubles, which hold all of these integers and floats. */
static tn_status run(tn_call *call, job *j) {
  tn_tensor *x = NULL, *to = NULL;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], TN_F64);
  if (s == TN_OK) s = tn__result_begin(call, 0, TN_F64, &to);
  if (s == TN_OK) {
    j->from = (const double *)tn__data(x);
    j->to = (double *)tn__data(to);
    tn__pool_run(call->ctx->pool, tn__numel(x), TN_GRAIN, run_elements, j);
  }
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status check(tn_call *call, double scale, double zero) {
  if (scale > 0 && scale < INFINITY && zero >= -2147483648.0 && zero <= 2147483647.0) return TN_OK;
  return tn_fail(call->ctx, TN_EARG, "a positive scale and a zero point of 32 bits expected, got "
                 "%g and %.17g", scale, zero);
}

static int word_of(const tn_call *call) {
  const int64_t word = tn__int(call->attrs, 1, 0) % 3;
  return word < 0 ? 0 : (int)word;
}

static tn_status quantized_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn__meta_of(&call->meta[0], x);
  call->meta[0].dtype = (uint8_t)dtypes[word_of(call)];
  if (tn_dtype_is_float((tn_dtype)x->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                 tn_dtype_name((tn_dtype)x->dtype));
}

static tn_status dequantized_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn__meta_of(&call->meta[0], x);
  call->meta[0].dtype = TN_F32;
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "integers expected, got %s",
                 tn_dtype_name((tn_dtype)x->dtype));
}

static tn_status run_tensor(tn_call *call, bool back) {
  const double scale = call->attrs->f[0], zero = (double)tn__int(call->attrs, 0, 0);
  const int word = back ? 0 : word_of(call);
  job j = {.scales = &scale, .zeros = &zero, .count = 1, .inner = 1, .low = lowest[word],
           .high = highest[word], .back = back};
  tn_status s = check(call, scale, zero);
  return s == TN_OK ? run(call, &j) : s;
}

/* One scale and zero point for each position of dimension call->dim. */
static tn_status run_channels(tn_call *call, bool back) {
  const int word = back ? 0 : word_of(call);
  tn_tensor *scales = NULL, *zeros = NULL;
  tn_status s = tn__contiguous_of(call->ctx, &scales, call->in[1], TN_F64);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &zeros, call->in[2], TN_F64);
  if (s == TN_OK) {
    const tn_lines l = tn__lines(call->in[0], call->dim);
    job j = {.scales = (const double *)tn__data(scales), .zeros = (const double *)tn__data(zeros),
             .count = l.size, .inner = l.inner, .low = lowest[word], .high = highest[word],
             .back = back};
    for (int64_t c = 0; c < l.size && s == TN_OK; c++) s = check(call, j.scales[c], j.zeros[c]);
    if (s == TN_OK) s = run(call, &j);
  }
  tn_tensor_release(scales);
  tn_tensor_release(zeros);
  return s;
}

static tn_status channels_shape(tn_call *call, tn_status s) {
  if (s == TN_OK) s = tn__call_dim(call, 0, 0);
  for (int k = 1; k < 3 && s == TN_OK; k++) {
    const tn_tensor *t = call->in[k];
    const int64_t size = call->in[0]->sizes[call->dim];
    if (t->ndim == 1 && t->sizes[0] == size) continue;
    char text[TN_SHAPE_TEXT];
    s = tn_fail(call->ctx, TN_ESHAPE, "%lld scales and zero points expected, got size %s",
                (long long)size, tn__shape_text(text, t->ndim, t->sizes));
  }
  return s;
}

static tn_status quantize_per_tensor_run(tn_call *call) { return run_tensor(call, false); }
static tn_status dequantize_per_tensor_run(tn_call *call) { return run_tensor(call, true); }
static tn_status quantize_per_channel_run(tn_call *call) { return run_channels(call, false); }
static tn_status dequantize_per_channel_run(tn_call *call) { return run_channels(call, true); }

static tn_status quantize_channels_shape(tn_call *call) {
  return channels_shape(call, quantized_shape(call));
}

static tn_status dequantize_channels_shape(tn_call *call) {
  return channels_shape(call, dequantized_shape(call));
}

#define DTYPES "w dtype=int8,uint8,int32,qint8,quint8,qint32"
#define QUANTIZE_ROW(name_, aliases_, args_, flags_, shape_, onnx_, no_grad_, doc_)               \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .aliases = aliases_,               \
                                .args = args_, .convention = 'C', .flags = flags_, .nout = 1,     \
                                .low = -2, .high = 2, .shape = shape_, .run = name_##_run,        \
                                .onnx = onnx_, .no_grad = no_grad_, .doc = doc_};

QUANTIZE_ROW(quantize_per_tensor, NULL, "T x; n scale; i zero_point=0; " DTYPES, TN_FLOATS,
             quantized_shape, "QuantizeLinear", "integers have no gradient; see fake_quantize",
             "round(x / scale) + zero_point, to the nearest even at half, within an integer type.")
QUANTIZE_ROW(dequantize_per_tensor, "dequantize", "T q; n scale; i zero_point=0", TN_INTEGERS,
             dequantized_shape, "DequantizeLinear", "integers have no gradient",
             "(q - zero_point) * scale, as float32.")
QUANTIZE_ROW(quantize_per_channel, NULL, "T x; T scales; T zero_points; d dim=1; " DTYPES,
             TN_FLOATS, quantize_channels_shape, "QuantizeLinear",
             "integers have no gradient; see fake_quantize",
             "quantize_per_tensor with a scale and a zero point for each position of a dimension.")
QUANTIZE_ROW(dequantize_per_channel, NULL, "T q; T scales; T zero_points; d dim=1", TN_INTEGERS,
             dequantize_channels_shape, "DequantizeLinear", "integers have no gradient",
             "dequantize_per_tensor with a scale and a zero point for each position of a "
             "dimension.")
