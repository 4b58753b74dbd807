/* windows.c -- parameters of operations with a sliding window, and images without a batch. */
#include "tensor/ops/windows.h"

tn_status tn__read_vector(tn_call *call, const char *what, int slot, int n, int64_t least,
                          int64_t otherwise, int64_t *to) {
  const int64_t most = 1 << 30; /* products of two, and their sums, stay far below 2^63 */
  const int64_t first = tn__int(call->attrs, slot, otherwise);
  for (int d = 0; d < TN_SPACE; d++) to[d] = least < 1 ? 0 : 1;
  for (int d = 0; d < TN_SPACE; d++) {
    int64_t value = tn__int(call->attrs, slot + d, TN_NONE);
    if (d >= n && value != TN_NONE && value != first) {
      return tn_fail(call->ctx, TN_EARG, "%s: %d numbers expected, got more", what, n);
    }
    if (d >= n) continue;
    if (value == TN_NONE && d > 1) {
      return tn_fail(call->ctx, TN_EARG, "%s: %d numbers expected, got %d", what, n, d);
    }
    if (value == TN_NONE) {
      for (int rest = d; rest < n; rest++) to[TN_SPACE - n + rest] = first;
      d = n - 1;
      value = first;
    }
    if (value < least || value > most) {
      return tn_fail(call->ctx, TN_EARG, "%s: a number from %lld to %lld expected, got %lld", what,
                     (long long)least, (long long)most, (long long)value);
    }
    to[TN_SPACE - n + d] = value;
  }
  return TN_OK;
}

int64_t tn__window_count(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                         bool ceil) {
  const int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0);
  if (room < 0) return 0;
  int64_t count = room / stride + 1;
  if (ceil && (count - 1) * stride >= in + pad) count--;
  return count;
}

tn_tensor *tn__as_batch(tn_eval *e, tn_tensor *x, int n, bool *single) {
  char text[TN_SHAPE_TEXT];
  *single = x->ndim == n + 1;
  if (*single) return tn__with_dim(e, TN_OP_unsqueeze, x, 0);
  if (x->ndim == n + 2) return x;
  e->status = tn_fail(e->ctx, TN_ESHAPE, "input of %d or %d dimensions expected (batch, channels, "
                      "%s), got %s", n + 1, n + 2,
                      n == 1 ? "length" : n == 2 ? "height, width" : "depth, height, width",
                      tn__shape_text(text, x->ndim, x->sizes));
  return NULL;
}
