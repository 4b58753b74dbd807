/* conv_classic.c -- Torch7's conv2, xcorr2, conv3 and xcorr3, which know no batches: an image with
 * a kernel, planes each with its own kernel, or planes with a matrix of kernels.
 *
 * A correlation slides the kernel as it is (convolve); a convolution turns it over, which is what
 * the transposed product does by itself (convolve_input). */
#include "tensor/ops/windows.h"

/* Sizes of one dimension; `pad` is what the product that is used has to be told. */
static tn_status size_of(tn_call *call, int64_t in, int64_t kernel, bool full, bool turned,
                         int64_t *out, int64_t *pad) {
  if (kernel < 1 || in < 1 || in > 1 << 29 || kernel > 1 << 29 || (!full && kernel > in)) {
    return tn_fail(call->ctx, TN_ESHAPE, "a kernel of size %lld does not fit into an image of size "
                   "%lld", (long long)kernel, (long long)in);
  }
  *out = full ? in + kernel - 1 : in - kernel + 1;
  *pad = full == turned ? 0 : kernel - 1;
  return TN_OK;
}

/* Gives x a batch of one and both the channels they lack: (1, p, ...), (q, p or 1, ...). */
static void as_batch(tn_eval *e, int n, tn_tensor **x, tn_tensor **k, int64_t *groups) {
  const int extra = (*k)->ndim - n;
  *groups = extra == 1 ? (*k)->sizes[0] : 1;
  if (extra == 0) {
    *x = tn__with_dim(e, TN_OP_unsqueeze, *x, 0);
    *k = tn__with_dim(e, TN_OP_unsqueeze, *k, 0);
  }
  *x = tn__with_dim(e, TN_OP_unsqueeze, *x, 0);
  if (extra < 2) *k = tn__with_dim(e, TN_OP_unsqueeze, *k, 1);
}

/* attrs: i[0] 1 for full. */
static tn_status compose(tn_call *call, int n, bool turned) {
  tn_tensor *x = call->in[0], *k = call->in[1], *y = NULL;
  const bool full = tn__int(call->attrs, 0, 0) == 1;
  char tx[TN_SHAPE_TEXT], tk[TN_SHAPE_TEXT];
  tn_attrs a = {.i = {1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1}, .ni = 13};
  const int planes = x->ndim - n, kernels = k->ndim - n;
  bool fits = (planes == 0 && kernels == 0) || (planes == 1 && (kernels == 1 || kernels == 2));
  if (fits && planes == 1) fits = x->sizes[0] == k->sizes[kernels - 1] && x->sizes[0] > 0;
  if (!fits) {
    return tn_fail(call->ctx, TN_ESHAPE, "an image and a kernel, planes and as many kernels, or "
                   "planes and a matrix of kernels expected, got %s and %s",
                   tn__shape_text(tx, x->ndim, x->sizes), tn__shape_text(tk, k->ndim, k->sizes));
  }
  tn_eval e = tn__eval_begin(call->ctx);
  for (int d = 0; d < n && e.status == TN_OK; d++) {
    const int at = TN_SPACE - n + d;
    e.status = size_of(call, x->sizes[planes + d], k->sizes[kernels + d], full, turned, &a.i[at],
                       &a.i[6 + at]);
  }
  if (e.status == TN_OK) as_batch(&e, n, &x, &k, &a.i[12]);
  if (turned && kernels == 2) k = tn__with_two(&e, TN_OP_transpose, k, 0, 1);
  y = tn__do(&e, turned ? TN_OP_convolve_input : TN_OP_convolve, &a, 2, (tn_tensor *[]){x, k});
  if (y != NULL) y = tn__with_two(&e, TN_OP_select, y, 0, 0);
  if (y != NULL && planes == 0) y = tn__with_two(&e, TN_OP_select, y, 0, 0);
  call->out[0] = tn__keep(&e, y);
  return tn__eval_end(&e);
}

#define CLASSIC_ROW(name_, n_, turned_, doc_)                                                     \
  static tn_status name_##_compose(tn_call *call) { return compose(call, n_, turned_); }          \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .convention = 'C', .nout = 1,      \
                                .args = "T x; T kernel; w shape=V,F",                             \
                                .flags = TN_FLOATS | TN_INTEGERS, .low = -2, .high = 2,           \
                                .compose = name_##_compose, .doc = doc_};

CLASSIC_ROW(conv2, 2, true, "Convolution of an image, or of planes, with kernels: the valid part "
            "('V'), or all of it ('F').")
CLASSIC_ROW(xcorr2, 2, false, "Correlation of an image, or of planes, with kernels: the valid part "
            "('V'), or all of it ('F').")
CLASSIC_ROW(conv3, 3, true, "Convolution of a volume, or of several, with kernels: the valid part "
            "('V'), or all of it ('F').")
CLASSIC_ROW(xcorr3, 3, false, "Correlation of a volume, or of several, with kernels: the valid "
            "part ('V'), or all of it ('F').")
