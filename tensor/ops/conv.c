/* conv.c -- convolutions as scripts call them, made of the products of ops/convolve.c. */
#include "tensor/ops/windows.h"

typedef struct {
  int n; /* dimensions of space */
  int64_t stride[TN_SPACE], pad[TN_SPACE], dilation[TN_SPACE], extra[TN_SPACE];
  int64_t groups;
} parameters;

enum { PAD_SAME = 1, PAD_VALID = 2 }; /* words in place of a padding: TN_NONE + these */

/* `stride`, ..., `groups`: where they stand in the attributes. */
static tn_status read(tn_call *call, parameters *p, int pad, int dilation, int groups) {
  tn_status s = tn__read_vector(call, "stride", 0, p->n, 1, 1, p->stride);
  if (s == TN_OK && pad >= 0) s = tn__read_vector(call, "padding", pad, p->n, 0, 0, p->pad);
  if (s == TN_OK) s = tn__read_vector(call, "dilation", dilation, p->n, 1, 1, p->dilation);
  p->groups = tn__int(call->attrs, groups, 1);
  return s;
}

static tn_attrs attributes(const parameters *p, const int64_t *sizes) {
  tn_attrs a = {.ni = 13};
  for (int d = 0; d < TN_SPACE; d++) {
    a.i[d] = sizes[d];
    a.i[3 + d] = p->stride[d];
    a.i[6 + d] = p->pad[d];
    a.i[9 + d] = p->dilation[d];
  }
  a.i[12] = p->groups;
  return a;
}

static tn_tensor *without_batch(tn_eval *e, tn_tensor *y, bool single) {
  return single && y != NULL ? tn__with_two(e, TN_OP_select, y, 0, 0) : y;
}

static tn_status check_kernel(tn_call *call, int n) {
  const tn_tensor *w = call->in[1];
  char text[TN_SHAPE_TEXT];
  if (w->ndim == n + 2) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "a weight of %d dimensions expected, got %s", n + 2,
                 tn__shape_text(text, w->ndim, w->sizes));
}

/* How many positions the kernel has along dimension d; fails where it does not fit. */
static tn_status count_positions(tn_call *call, const parameters *p, int d, int64_t in,
                                 int64_t kernel, int64_t *out) {
  *out = tn__window_count(in, kernel, p->stride[d], p->pad[d], p->dilation[d], false);
  if (kernel >= 1 && *out >= 1) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE,
                 "a kernel of size %lld with dilation %lld does not fit an input of size %lld with "
                 "padding %lld", (long long)kernel, (long long)p->dilation[d], (long long)in,
                 (long long)p->pad[d]);
}

static bool fits_int(int64_t size) { return size >= 0 && size <= 1 << 30; }

/* attrs: i[0..2] stride, i[3..5] padding, i[6..8] dilation, i[9] groups. */
static tn_status conv(tn_call *call, int n) {
  parameters p = {.n = n};
  int64_t sizes[TN_SPACE] = {1, 1, 1};
  const bool same = call->attrs->ni > 3 && call->attrs->i[3] == TN_NONE + PAD_SAME;
  const bool valid = call->attrs->ni > 3 && call->attrs->i[3] == TN_NONE + PAD_VALID;
  bool single = false;
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = tn__as_batch(&e, call->in[0], n, &single), *w = call->in[1];
  if (e.status == TN_OK) e.status = check_kernel(call, n);
  if (e.status == TN_OK) e.status = read(call, &p, same || valid ? -1 : 3, 6, 9);
  for (int d = TN_SPACE - n; d < TN_SPACE && e.status == TN_OK; d++) {
    const int own = d - (TN_SPACE - n);
    const int64_t in = x->sizes[2 + own], kernel = w->sizes[2 + own];
    if (same && p.stride[d] != 1) {
      e.status = tn_fail(call->ctx, TN_EARG, "padding 'same' needs a stride of 1");
    } else if (!fits_int(in) || !fits_int(kernel)) {
      e.status = tn_fail(call->ctx, TN_ESHAPE, "images of up to 2^30 elements per dimension "
                         "expected");
    } else if (same) { /* an odd rest goes behind the image */
      p.pad[d] = p.dilation[d] * (kernel - 1) / 2;
      sizes[d] = in;
    } else {
      e.status = count_positions(call, &p, d, in, kernel, &sizes[d]);
    }
  }
  tn_tensor *in[3] = {x, w, call->nin > 2 ? call->in[2] : NULL};
  tn_attrs attrs = attributes(&p, sizes);
  tn_tensor *y = tn__do(&e, TN_OP_convolve, &attrs, in[2] != NULL ? 3 : 2, in);
  call->out[0] = tn__keep(&e, without_batch(&e, y, single));
  return tn__eval_end(&e);
}

/* Sizes of the large side: as many as the windows cover, and some more where that is asked for. */
static tn_status large_size(tn_call *call, const parameters *p, int d, int64_t in, int64_t kernel,
                            int64_t *out) {
  *out = (in - 1) * p->stride[d] - 2 * p->pad[d] + p->dilation[d] * (kernel - 1) + p->extra[d] + 1;
  if (p->extra[d] >= p->stride[d] && p->extra[d] >= p->dilation[d]) {
    return tn_fail(call->ctx, TN_EARG, "an output padding of %lld must be less than the stride or "
                   "the dilation", (long long)p->extra[d]);
  }
  if (kernel >= 1 && *out >= 1) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "an input of size %lld with a kernel of size %lld and "
                 "padding %lld would give an output of size %lld", (long long)in, (long long)kernel,
                 (long long)p->pad[d], (long long)*out);
}

/* A bias of one value per channel, added to y. */
static tn_tensor *biased(tn_eval *ep, tn_tensor *y, tn_tensor *bias) {
  tn_eval e = *ep;
  char text[TN_SHAPE_TEXT];
  int64_t sizes[TN_MAX_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1};
  if (y == NULL || bias == NULL) return y;
  if (bias->ndim != 1 || bias->sizes[0] != y->sizes[1]) {
    ep->status = tn_fail(ep->ctx, TN_ESHAPE, "a bias of %lld values expected, got size %s",
                         (long long)y->sizes[1], tn__shape_text(text, bias->ndim, bias->sizes));
    return NULL;
  }
  sizes[1] = bias->sizes[0];
  tn_tensor *r = DO2(add, y, tn__reshaped(&e, bias, y->ndim, sizes));
  *ep = e;
  return r;
}

/* attrs: i[0..2] stride, i[3..5] padding, i[6..8] output padding, i[9] groups, i[10..12] dilation.
 * */
static tn_status conv_transpose(tn_call *call, int n) {
  parameters p = {.n = n};
  int64_t sizes[TN_SPACE] = {1, 1, 1};
  bool single = false;
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = tn__as_batch(&e, call->in[0], n, &single), *w = call->in[1];
  if (e.status == TN_OK) e.status = check_kernel(call, n);
  if (e.status == TN_OK) e.status = read(call, &p, 3, 10, 9);
  if (e.status == TN_OK) {
    e.status = tn__read_vector(call, "output padding", 6, n, 0, 0, p.extra);
  }
  for (int d = TN_SPACE - n; d < TN_SPACE && e.status == TN_OK; d++) {
    const int own = d - (TN_SPACE - n);
    const int64_t in = x->sizes[2 + own], kernel = w->sizes[2 + own];
    if (!fits_int(in) || !fits_int(kernel)) {
      e.status = tn_fail(call->ctx, TN_ESHAPE, "images of up to 2^30 elements per dimension "
                         "expected");
    } else {
      e.status = large_size(call, &p, d, in, kernel, &sizes[d]);
    }
  }
  tn_attrs attrs = attributes(&p, sizes);
  tn_tensor *y = tn__do(&e, TN_OP_convolve_input, &attrs, 2, (tn_tensor *[]){x, w});
  y = biased(&e, y, call->nin > 2 ? call->in[2] : NULL);
  call->out[0] = tn__keep(&e, without_batch(&e, y, single));
  return tn__eval_end(&e);
}

#define CONV_ROW(name_, n_, onnx_, args_, call_, doc_)                                            \
  static tn_status name_##_compose(tn_call *call) { return call_(call, n_); }                     \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = "T x; T weight; " args_,    \
                                .convention = 'C', .flags = TN_FLOATS, .nout = 1, .low = -2,      \
                                .high = 2, .compose = name_##_compose, .onnx = onnx_, .doc = doc_};

#define CONV_ARGS "T? bias; v stride=1; v padding=0,same,valid; v dilation=1; i groups=1"
#define TRANSPOSE_ARGS                                                                            \
  "T? bias; v stride=1; v padding=0; v output_padding=0; i groups=1; v dilation=1"

CONV_ROW(conv1d, 1, "Conv", CONV_ARGS, conv, "Convolution of sequences (batch, channels, length) "
         "with weights (outputs, channels / groups, length).")
CONV_ROW(conv2d, 2, "Conv", CONV_ARGS, conv, "Convolution of images (batch, channels, height, "
         "width) with weights (outputs, channels / groups, height, width).")
CONV_ROW(conv3d, 3, "Conv", CONV_ARGS, conv, "Convolution of volumes (batch, channels, depth, "
         "height, width) with weights (outputs, channels / groups, depth, height, width).")
CONV_ROW(conv_transpose1d, 1, "ConvTranspose", TRANSPOSE_ARGS, conv_transpose,
         "Transposed convolution of sequences, with weights (channels, outputs / groups, length).")
CONV_ROW(conv_transpose2d, 2, "ConvTranspose", TRANSPOSE_ARGS, conv_transpose,
         "Transposed convolution of images, with weights (channels, outputs / groups, height, "
         "width).")
CONV_ROW(conv_transpose3d, 3, "ConvTranspose", TRANSPOSE_ARGS, conv_transpose,
         "Transposed convolution of volumes, with weights (channels, outputs / groups, depth, "
         "height, width).")
