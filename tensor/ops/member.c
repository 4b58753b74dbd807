/* member.c -- one_hot, and isin: which elements are among others. */
#include <stdlib.h>

#include "tensor/device.h"
#include "tensor/ops/lines.h"

/* -- one_hot: attrs i[0] the number of classes, else the greatest index ------------------------ */

/* Of indices on a device: their greatest is found there. */
static tn_status top_class(tn_call *call, int64_t *classes) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *top = tn__do(&e, TN_OP_max, NULL, 1, call->in);
  if (top != NULL) {
    const double value = tn_tensor_get(top, 0) - call->ctx->index_base + 1;
    *classes = value < 0x1p62 ? (int64_t)value : (int64_t)1 << 62;
  }
  return tn__eval_end(&e);
}

static tn_status one_hot_shape(tn_call *call) {
  const tn_tensor *index = call->in[0];
  tn_meta *m = &call->meta[0];
  int64_t classes = tn__int(call->attrs, 0, TN_NONE);
  if (tn_dtype_is_float((tn_dtype)index->dtype) || index->dtype == TN_BOOL) {
    return tn_fail(call->ctx, TN_EDTYPE, "indices of an integer type expected, got %s",
                   tn_dtype_name((tn_dtype)index->dtype));
  }
  if (index->ndim == TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "at most %d dimensions are supported", TN_MAX_DIMS);
  }
  if (classes == TN_NONE || classes == -1) {
    const int64_t n = tn__numel(index);
    if (n == 0) return tn_fail(call->ctx, TN_EARG, "the number of classes expected: no index "
                               "tells it");
    classes = 0;
    if (tn__elsewhere(index)) {
      tn_status s = top_class(call, &classes);
      if (s != TN_OK) return s;
    }
    for (int64_t i = 0; i < n && !tn__elsewhere(index); i++) {
      const double value = tn_tensor_get(index, i) - call->ctx->index_base + 1;
      if (value > (double)classes) classes = value < 0x1p62 ? (int64_t)value : (int64_t)1 << 62;
    }
  }
  if (classes < 1) return tn_fail(call->ctx, TN_EARG, "%lld classes", (long long)classes);
  tn__meta_of(m, index);
  m->dtype = TN_I64;
  m->sizes[m->ndim++] = classes;
  return TN_OK;
}

static tn_status one_hot_run(tn_call *call) {
  tn_tensor *index, *to = NULL;
  const int64_t classes = call->meta[0].sizes[call->in[0]->ndim];
  tn_status s = tn__index_values(call->ctx, &index, call->in[0], call->in[0]->ndim, classes);
  if (s != TN_OK) return s;
  s = tn__result_begin(call, 0, TN_I64, &to);
  if (s == TN_OK) s = tn__set_zero(call->ctx, to);
  if (s == TN_OK) {
    const int64_t *values = (const int64_t *)tn__data(index);
    int64_t *row = (int64_t *)tn__data(to);
    for (int64_t i = 0, n = tn__numel(index); i < n; i++, row += classes) {
      row[values[i] - call->ctx->index_base] = 1;
    }
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(index);
  return s;
}

const tn_op tn__op_one_hot = {
    .name = "one_hot", .lua = "one_hot", .aliases = "oneHot", .args = "T index; i? classes",
    .convention = 'C', .flags = TN_INTEGERS, .nout = 1, .low = 1, .high = 4,
    .shape = one_hot_shape, .run = one_hot_run, .onnx = "OneHot",
    .no_grad = "indices do not change smoothly",
    .doc = "For each index a row of zeros with a 1 where it points."};

/* -- isin -------------------------------------------------------------------------------------- */

#define ORDER(name, T)                                                                            \
  static int name(const void *a, const void *b) {                                                 \
    const T x = *(const T *)a, y = *(const T *)b;                                                 \
    return (x > y) - (x < y);                                                                     \
  }

ORDER(by_whole, int64_t)
ORDER(by_real, double)

static tn_status isin_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[0].dtype = TN_U8;
  return TN_OK;
}

/* A NaN is equal to nothing: they leave the list, which is packed anew. */
static int64_t without_nan(double *list, int64_t n) {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    if (list[i] == list[i]) list[kept++] = list[i];
  }
  return kept;
}

static tn_status isin_run(tn_call *call) {
  tn_tensor *x = NULL, *list = NULL, *to = NULL;
  const tn_tensor *a = call->in[0], *b = call->in[1];
  const bool whole = !tn_dtype_is_float((tn_dtype)a->dtype) &&
                     !tn_dtype_is_float((tn_dtype)b->dtype);
  const bool invert = tn__int(call->attrs, 0, 0) != 0;
  const tn_dtype dtype = whole ? TN_I64 : TN_F64;
  int (*order)(const void *, const void *) = whole ? by_whole : by_real;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s == TN_OK) s = tn_tensor_new(call->ctx, &list, dtype, b->ndim, b->sizes);
  if (s == TN_OK) s = tn__copy_view(call->ctx, list, b);
  if (s == TN_OK) s = tn__result_begin(call, 0, TN_U8, &to);
  if (s == TN_OK) {
    int64_t count = tn__numel(list), n = tn__numel(x);
    char *found = tn__data(to);
    const char *keys = tn__data(x);
    if (!whole) count = without_nan((double *)tn__data(list), count);
    qsort(tn__data(list), (size_t)count, 8, order);
    for (int64_t i = 0; i < n; i++) {
      const char *key = keys + 8 * i;
      bool real = whole || *(const double *)key == *(const double *)key;
      found[i] = invert != (real && bsearch(key, tn__data(list), (size_t)count, 8, order) != NULL);
    }
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(list);
  tn_tensor_release(x);
  return s;
}

const tn_op tn__op_isin = {
    .name = "isin", .lua = "isin", .args = "X x; X among; b invert=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .shape = isin_shape,
    .run = isin_run, .no_grad = "a test does not change smoothly",
    .doc = "1 where an element is among the others, or where it is not if that is asked for."};
