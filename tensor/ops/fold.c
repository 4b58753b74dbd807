/* fold.c -- what lies under each position of a sliding window as a column (im2col), and columns
 * added up to an image again (col2im): each is the other's gradient.
 *
 * attrs: i[0..2] the image's size (of col2im), then kernel, dilation, padding and stride, three
 * numbers each, of which two count. im2col begins with the kernel at i[0]. */
#include "tensor/ops/windows.h"

enum { SPACE = 2 };

/* Reads the window from i[from] on; `sizes` are the image's last two. */
static tn_status read(tn_call *call, int from, const int64_t *sizes, tn_window *w) {
  *w = (tn_window){.in = {1, sizes[0], sizes[1]}, .out = {1, 1, 1}};
  tn_status s = tn__read_vector(call, "kernel", from, SPACE, 1, TN_NONE, w->kernel);
  if (s == TN_OK) s = tn__read_vector(call, "dilation", from + 3, SPACE, 1, 1, w->dilation);
  if (s == TN_OK) s = tn__read_vector(call, "padding", from + 6, SPACE, 0, 0, w->pad);
  if (s == TN_OK) s = tn__read_vector(call, "stride", from + 9, SPACE, 1, 1, w->stride);
  for (int d = 1; d < TN_SPACE && s == TN_OK; d++) {
    if (w->in[d] > 1 << 30) {
      return tn_fail(call->ctx, TN_ESHAPE, "images of up to 2^30 elements per dimension expected");
    }
    w->out[d] = tn__window_count(w->in[d], w->kernel[d], w->stride[d], w->pad[d], w->dilation[d],
                                 false);
    if (w->out[d] < 1) {
      return tn_fail(call->ctx, TN_ESHAPE, "a kernel of size %lld with dilation %lld does not "
                     "fit an image of size %lld with padding %lld", (long long)w->kernel[d],
                     (long long)w->dilation[d], (long long)w->in[d], (long long)w->pad[d]);
    }
  }
  return s;
}

typedef struct {
  tn_window w;
  size_t item;
  const char *from;
  char *to;
  int64_t image, columns; /* elements of one */
} job;

static void take_images(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t n = tn__window_cells(j->w.out);
  for (int64_t k = begin; k < end; k++) {
    tn__im2col(&j->w, j->item, j->from + k * j->image * (int64_t)j->item, 0, n,
               j->to + k * j->columns * (int64_t)j->item, n);
  }
}

static void add_images(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t n = tn__window_cells(j->w.out);
  for (int64_t k = begin; k < end; k++) {
    char *to = j->to + k * j->image * (int64_t)j->item;
    memset(to, 0, (size_t)j->image * j->item);
    tn__col2im(&j->w, j->item, j->from + k * j->columns * (int64_t)j->item, n, 0, n, to);
  }
}

/* Channels of all images are independent of each other: one task each. */
static void run_channels(tn_ctx *ctx, job *j, int64_t channels, tn_pool_fn *fn) {
  j->w.channels = 1;
  j->image = tn__window_cells(j->w.in);
  j->columns = tn__window_cells(j->w.kernel) * tn__window_cells(j->w.out);
  tn__pool_run(ctx->pool, channels, TN_GRAIN / (j->columns + 1) + 1, fn, j);
}

static tn_status im2col_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  tn_window w;
  char text[TN_SHAPE_TEXT];
  if (x->ndim != 3 && x->ndim != 4) {
    return tn_fail(call->ctx, TN_ESHAPE, "images (batch, channels, height, width) expected, got %s",
                   tn__shape_text(text, x->ndim, x->sizes));
  }
  tn_status s = read(call, 0, x->sizes + x->ndim - 2, &w);
  if (s != TN_OK) return s;
  m->dtype = x->dtype;
  m->ndim = x->ndim - 1;
  m->sizes[0] = x->sizes[0];
  m->sizes[m->ndim - 1] = tn__window_cells(w.out);
  int64_t places[2] = {x->sizes[x->ndim - 3], tn__window_cells(w.kernel)};
  return tn__count(call->ctx, 2, places, 1, &m->sizes[m->ndim - 2]);
}

static tn_status im2col_run(tn_call *call) {
  tn_tensor *x = NULL;
  job j;
  tn_status s = read(call, 0, call->in[0]->sizes + call->in[0]->ndim - 2, &j.w);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &x, call->in[0], (tn_dtype)call->in[0]->dtype);
  if (s != TN_OK) return s;
  j.item = tn__item_size(x->dtype);
  j.from = tn__data(x);
  j.to = tn__data(call->out[0]);
  int64_t channels = x->ndim == 4 ? x->sizes[0] * x->sizes[1] : x->sizes[0];
  run_channels(call->ctx, &j, channels, take_images);
  tn_tensor_release(x);
  return TN_OK;
}

static tn_status im2col_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_meta *m = &g->meta[0];
  tn_attrs a = {.i = {m->sizes[m->ndim - 2], m->sizes[m->ndim - 1], TN_NONE}, .ni = 15};
  memcpy(a.i + 3, g->attrs->i, sizeof(int64_t) * 12);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_col2im, &a, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

static tn_status col2im_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  tn_meta *m = &call->meta[0];
  int64_t size[TN_SPACE];
  tn_window w;
  char text[TN_SHAPE_TEXT];
  tn_status s = tn__read_vector(call, "size", 0, SPACE, 1, TN_NONE, size);
  if (s == TN_OK) s = read(call, 3, size + 1, &w);
  if (s != TN_OK) return s;
  const int64_t places = tn__window_cells(w.kernel), columns = tn__window_cells(w.out);
  if ((x->ndim != 2 && x->ndim != 3) || x->sizes[x->ndim - 2] % places != 0 ||
      x->sizes[x->ndim - 1] != columns) {
    return tn_fail(call->ctx, TN_ESHAPE, "columns of size [batch x channels * %lld x %lld] "
                   "expected, got %s", (long long)places, (long long)columns,
                   tn__shape_text(text, x->ndim, x->sizes));
  }
  m->dtype = x->dtype;
  m->ndim = x->ndim + 1;
  m->sizes[0] = x->sizes[0];
  m->sizes[m->ndim - 3] = x->sizes[x->ndim - 2] / places;
  m->sizes[m->ndim - 2] = size[1];
  m->sizes[m->ndim - 1] = size[2];
  return TN_OK;
}

static tn_status col2im_run(tn_call *call) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  const tn_meta *m = &call->meta[0];
  job j;
  if (type == TN_I64) type = TN_F64;
  tn_status s = read(call, 3, m->sizes + m->ndim - 2, &j.w);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) {
    j.item = tn__item_size(type);
    j.from = tn__data(x);
    j.to = tn__data(to);
    int64_t channels = m->sizes[m->ndim - 3] * (m->ndim == 4 ? m->sizes[0] : 1);
    run_channels(call->ctx, &j, channels, add_images);
  }
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status col2im_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs a = {.ni = 12};
  memcpy(a.i, g->attrs->i + 3, sizeof(int64_t) * 12);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_im2col, &a, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

#define FOLD_ROW(name_, args_, doc_)                                                              \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = args_, .convention = 'C',  \
                                .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2,           \
                                .high = 2, .shape = name_##_shape, .run = name_##_run,            \
                                .grad = name_##_grad, .doc = doc_};

FOLD_ROW(im2col, "T x; v kernel; v dilation=1; v padding=0; v stride=1",
         "What lies under each position of a sliding window, as columns (batch, channels * kernel, "
         "positions): unfold of neural networks.")
FOLD_ROW(col2im, "T x; v size; v kernel; v dilation=1; v padding=0; v stride=1",
         "Columns as im2col gives them added up to images of a size: fold of neural networks.")
