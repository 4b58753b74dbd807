/* pool.c -- poolings as scripts call them: the greatest or the mean value under a window, of one to
 * three dimensions, made of the rows of max_windows.c and mean_windows.c. */
#include "tensor/ops/pooling.h"

/* Reads kernel, stride (by default the same) and padding, at i[0], i[3] and i[6]; sizes of the
 * result follow. `a` has the dilation already. */
static tn_status slide(tn_call *call, int n, bool ceil, tn_attrs *a) {
  const tn_tensor *x = call->in[0];
  int64_t *i = a->i;
  a->ni = ATTRIBUTES;
  i[AT_SPACE] = n;
  tn_status s = tn__read_vector(call, "window", 0, n, 1, TN_NONE, i + AT_KERNEL);
  if (s == TN_OK && tn__int(call->attrs, 3, TN_NONE) == TN_NONE) {
    memcpy(i + AT_STRIDE, i + AT_KERNEL, sizeof(int64_t) * TN_SPACE);
  } else if (s == TN_OK) {
    s = tn__read_vector(call, "stride", 3, n, 1, 1, i + AT_STRIDE);
  }
  if (s == TN_OK) s = tn__read_vector(call, "padding", 6, n, 0, 0, i + AT_PAD);
  for (int d = 0; d < TN_SPACE && s == TN_OK; d++) {
    const int own = x->ndim - TN_SPACE + d;
    i[AT_IN + d] = i[AT_OUT + d] = 1;
    if (d < TN_SPACE - n) continue;
    const int64_t dilation = i[AT_DILATION + d], reach = dilation * (i[AT_KERNEL + d] - 1) + 1;
    const int64_t in = x->sizes[own];
    if (2 * i[AT_PAD + d] > reach) {
      return tn_fail(call->ctx, TN_EARG, "a padding of %lld is more than half of the window's size "
                     "%lld", (long long)i[AT_PAD + d], (long long)reach);
    }
    if (in > 1 << 30) return tn_fail(call->ctx, TN_ESHAPE, "images of up to 2^30 elements per "
                                     "dimension expected");
    i[AT_IN + d] = in;
    i[AT_OUT + d] = tn__window_count(in, i[AT_KERNEL + d], i[AT_STRIDE + d], i[AT_PAD + d],
                                     dilation, ceil);
    if (in < 1 || i[AT_OUT + d] < 1) {
      return tn_fail(call->ctx, TN_ESHAPE, "a window of size %lld does not fit an input of size "
                     "%lld with padding %lld", (long long)reach, (long long)in,
                     (long long)i[AT_PAD + d]);
    }
  }
  return s;
}

/* Reads the sizes of the result, at i[0]. */
static tn_status adapt(tn_call *call, int n, tn_attrs *a) {
  const tn_tensor *x = call->in[0];
  a->ni = ATTRIBUTES;
  a->i[AT_SPACE] = n;
  a->i[AT_COUNTED] = 1;
  tn_status s = tn__read_vector(call, "size", 0, n, 1, TN_NONE, a->i + AT_OUT);
  for (int d = 0; d < TN_SPACE && s == TN_OK; d++) {
    const int own = x->ndim - TN_SPACE + d;
    a->i[AT_IN + d] = d < TN_SPACE - n ? 1 : x->sizes[own];
    if (a->i[AT_IN + d] < 1 || a->i[AT_IN + d] > 1 << 30) {
      return tn_fail(call->ctx, TN_ESHAPE, "images of 1 to 2^30 elements per dimension expected");
    }
  }
  return s;
}

static tn_status check_space(tn_call *call, int n) {
  const tn_tensor *x = call->in[0];
  char text[TN_SHAPE_TEXT];
  if (x->ndim > n) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "input of %d dimensions or more expected, got %s", n + 1,
                 tn__shape_text(text, x->ndim, x->sizes));
}

static tn_status max_pool(tn_call *call, int n) {
  tn_attrs a = {0};
  tn_status s = check_space(call, n);
  if (s == TN_OK) s = tn__read_vector(call, "dilation", 9, n, 1, 1, a.i + AT_DILATION);
  if (s == TN_OK) s = slide(call, n, tn__int(call->attrs, 12, 0) != 0, &a);
  return s == TN_OK ? tn_apply(call->ctx, TN_OP_max_windows, 1, call->in, &a, call->out) : s;
}

static tn_status adaptive_max_pool(tn_call *call, int n) {
  tn_attrs a = {0};
  tn_status s = check_space(call, n);
  if (s == TN_OK) s = adapt(call, n, &a);
  return s == TN_OK ? tn_apply(call->ctx, TN_OP_max_windows, 1, call->in, &a, call->out) : s;
}

static tn_status avg_pool(tn_call *call, int n) {
  tn_attrs a = {.i = {[AT_DILATION] = 1, [AT_DILATION + 1] = 1, [AT_DILATION + 2] = 1}};
  tn_status s = check_space(call, n);
  if (s == TN_OK) s = slide(call, n, tn__int(call->attrs, 9, 0) != 0, &a);
  if (s != TN_OK) return s;
  a.i[AT_COUNTED] = tn__int(call->attrs, 10, 1);
  a.i[AT_DIVISOR] = tn__int(call->attrs, 11, 0);
  if (a.i[AT_DIVISOR] == 0 && tn__int(call->attrs, 11, TN_NONE) == 0) {
    return tn_fail(call->ctx, TN_EARG, "the divisor must not be 0");
  }
  return tn_apply(call->ctx, TN_OP_mean_windows, 1, call->in, &a, call->out);
}

static tn_status adaptive_avg_pool(tn_call *call, int n) {
  tn_attrs a = {0};
  tn_status s = check_space(call, n);
  if (s == TN_OK) s = adapt(call, n, &a);
  return s == TN_OK ? tn_apply(call->ctx, TN_OP_mean_windows, 1, call->in, &a, call->out) : s;
}

#define POOL_ROW(name_, n_, call_, args_, outputs_, flags_, onnx_, doc_)                          \
  static tn_status name_##_compose(tn_call *call) { return call_(call, n_); }                     \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = args_, .convention = 'C',  \
                                .flags = TN_FLOATS | flags_, .nout = outputs_,                    \
                                .fixed = outputs_ > 1 ? 2 : 0, .low = -2, .high = 2,              \
                                .compose = name_##_compose, .onnx = onnx_, .doc = doc_};

#define MAX_ARGS "T x; v kernel; v? stride; v padding=0; v dilation=1; b ceil_mode=0"
#define AVG_ARGS                                                                                  \
  "T x; v kernel; v? stride; v padding=0; b ceil_mode=0; b count_include_pad=1; i? divisor"
#define ADAPTIVE_ARGS "T x; v size"
#define POOL_ROWS(n_)                                                                             \
  POOL_ROW(max_pool##n_##d, n_, max_pool, MAX_ARGS, 2, TN_INTEGERS, "MaxPool",                    \
           "The greatest values under a window sliding over the last " #n_ " dimension(s), and "  \
           "where in them they lie.")                                                             \
  POOL_ROW(avg_pool##n_##d, n_, avg_pool, AVG_ARGS, 1, 0, "AveragePool",                          \
           "Means under a window sliding over the last " #n_ " dimension(s).")                    \
  POOL_ROW(adaptive_max_pool##n_##d, n_, adaptive_max_pool, ADAPTIVE_ARGS, 2, TN_INTEGERS, NULL,  \
           "The greatest values of as many parts of the last " #n_ " dimension(s) as asked for, " \
           "and where in them they lie.")                                                         \
  POOL_ROW(adaptive_avg_pool##n_##d, n_, adaptive_avg_pool, ADAPTIVE_ARGS, 1, 0, NULL,            \
           "Means of as many parts of the last " #n_ " dimension(s) as asked for.")

POOL_ROWS(1)
POOL_ROWS(2)
POOL_ROWS(3)
