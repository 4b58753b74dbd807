/* interpolate.c -- images resized: by nearest elements, lines, cubic curves or means.
 *
 * All of these work along one dimension after the other. `resample` does it along one: each element
 * of the result is a sum of up to four of the input, its taps, times weights, both in a table.
 * resample_input, the gradient, adds each element to its taps.
 *
 * attrs of both: i[0] the dimension, i[1] the size of the result, i[2] the other one's size, i[3]
 * the mode, i[4] align corners; f[0] the scale, 0: from the sizes. */
#include <math.h>

#include "tensor/ops/windows.h"

enum { NEAREST, LINEAR, BILINEAR, BICUBIC, TRILINEAR, AREA, NEAREST_EXACT };
enum { TAPS = 4 };

typedef struct {
  int count;
  int64_t at[TAPS];
  double weight[TAPS];
} taps;

static int64_t limit(double at, int64_t n) {
  return at < 0 ? 0 : at > (double)(n - 1) ? n - 1 : (int64_t)at;
}

/* Keys' cubic convolution with a = -0.75, for the four elements around a point `t` behind the
 * second. */
static void cubic_weights(double t, double *w) {
  const double a = -0.75, far[2] = {t + 1, 2 - t}, near[2] = {t, 1 - t};
  for (int k = 0; k < 2; k++) {
    w[3 * k] = ((a * far[k] - 5 * a) * far[k] + 8 * a) * far[k] - 4 * a;
    w[1 + k] = ((a + 2) * near[k] - (a + 3)) * near[k] * near[k] + 1;
  }
}

/* The taps of element i of `out`, among `in`. */
static taps taps_of(int mode, int64_t i, int64_t in, int64_t out, bool align, double scale) {
  taps t = {.count = 1, .weight = {1}};
  const double step = scale > 0 ? 1 / scale : (double)in / (double)out;
  if (mode == NEAREST || mode == NEAREST_EXACT) {
    t.at[0] = limit(floor((mode == NEAREST ? (double)i : (double)i + 0.5) * step), in);
    return t;
  }
  double at = ((double)i + 0.5) * step - 0.5;
  if (align) at = out > 1 ? (double)i * ((double)(in - 1) / (double)(out - 1)) : 0;
  if (mode == LINEAR) {
    if (at < 0) at = 0;
    t.count = 2;
    t.at[0] = limit(floor(at), in);
    t.at[1] = t.at[0] + 1 < in ? t.at[0] + 1 : t.at[0];
    t.weight[1] = at - (double)t.at[0];
    if (t.weight[1] > 1) t.weight[1] = 1;
    t.weight[0] = 1 - t.weight[1];
    return t;
  }
  t.count = TAPS;
  for (int k = 0; k < TAPS; k++) t.at[k] = limit(floor(at) - 1 + k, in);
  cubic_weights(at - floor(at), t.weight);
  return t;
}

typedef struct {
  taps *table;
  int64_t small, large, inner; /* sizes along the dimension: of what has the taps, of the table */
  const char *from;
  char *to;
} job;

/* One line, or plane, of the result: [begin, end) counts (outer, large). */
#define GATHER(T)                                                                                 \
  static void gather_##T(void *arg, int64_t begin, int64_t end) {                                 \
    const job *j = arg;                                                                           \
    const int64_t inner = j->inner;                                                               \
    for (int64_t r = begin; r < end; r++) {                                                       \
      const taps *t = &j->table[r % j->large];                                                    \
      const T *from = (const T *)j->from + r / j->large * j->small * inner;                       \
      T *to = (T *)j->to + r * inner;                                                             \
      const T w0 = (T)t->weight[0], w1 = (T)t->weight[1], w2 = (T)t->weight[2],                   \
              w3 = (T)t->weight[3];                                                               \
      const T *a = from + t->at[0] * inner, *b = from + t->at[1] * inner;                         \
      const T *c = from + t->at[2] * inner, *d = from + t->at[3] * inner;                         \
      if (t->count == 1) memcpy(to, a, (size_t)inner * sizeof *to);                               \
      else if (t->count == 2) for (int64_t i = 0; i < inner; i++) to[i] = a[i] * w0 + b[i] * w1;  \
      else for (int64_t i = 0; i < inner; i++)                                                    \
        to[i] = a[i] * w0 + b[i] * w1 + c[i] * w2 + d[i] * w3;                                    \
    }                                                                                             \
  }                                                                                               \
  static void spread_##T(void *arg, int64_t begin, int64_t end) {                                 \
    const job *j = arg;                                                                           \
    const int64_t inner = j->inner;                                                               \
    for (int64_t o = begin; o < end; o++) {                                                       \
      T *to = (T *)j->to + o * j->small * inner;                                                  \
      memset(to, 0, (size_t)(j->small * inner) * sizeof *to);                                     \
      for (int64_t r = 0; r < j->large; r++) {                                                    \
        const taps *t = &j->table[r];                                                             \
        const T *from = (const T *)j->from + (o * j->large + r) * inner;                          \
        for (int k = 0; k < t->count; k++) {                                                      \
          T *line = to + t->at[k] * inner;                                                        \
          const T w = (T)t->weight[k];                                                            \
          for (int64_t i = 0; i < inner; i++) line[i] += from[i] * w;                             \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
  }

GATHER(float)
GATHER(double)

static tn_status shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  const tn_attrs *a = call->attrs;
  tn_meta *m = &call->meta[0];
  tn_status s = tn__call_dim(call, 0, 0);
  if (s != TN_OK) return s;
  if (!tn_dtype_is_float((tn_dtype)x->dtype) && a->i[3] != NEAREST && a->i[3] != NEAREST_EXACT) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                   tn_dtype_name((tn_dtype)x->dtype));
  }
  tn__meta_of(m, x);
  m->sizes[call->dim] = a->i[1];
  int64_t count;
  if (x->sizes[call->dim] != a->i[2] || a->i[1] < 1 || a->i[2] < 1 || a->i[1] > 1 << 30) {
    return tn_fail(call->ctx, TN_ESHAPE, "%lld elements cannot be resized to %lld",
                   (long long)a->i[2], (long long)a->i[1]);
  }
  return tn__count(call->ctx, m->ndim, m->sizes, 8, &count);
}

static tn_status run(tn_call *call, bool gather) {
  tn_tensor *x = NULL, *to = NULL;
  const tn_attrs *a = call->attrs;
  tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  if (type == TN_I64) type = TN_F64;
  const bool wide = type == TN_F64;
  job j = {.large = a->i[gather ? 1 : 2], .small = a->i[gather ? 2 : 1]};
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) {
    j.table = tn__take(call->ctx->allocator, (size_t)j.large * sizeof *j.table);
    if (j.table == NULL) s = tn_fail(call->ctx, TN_ENOMEM, "not enough memory for a table");
  }
  if (s == TN_OK && tn__numel(to) > 0) {
    const tn_lines l = tn__lines(x, call->dim);
    for (int64_t i = 0; i < j.large; i++) {
      j.table[i] = taps_of((int)a->i[3], i, j.small, j.large, a->i[4] != 0, a->f[0]);
    }
    j.inner = l.inner;
    j.from = tn__data(x);
    j.to = tn__data(to);
    const int64_t work = gather ? l.inner : j.large * l.inner;
    tn__pool_run(call->ctx->pool, gather ? l.outer * j.large : l.outer, TN_GRAIN / work / 2 + 1,
                 gather ? (wide ? gather_double : gather_float)
                        : (wide ? spread_double : spread_float), &j);
  }
  tn__give(j.table);
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status resample_run(tn_call *call) { return run(call, true); }
static tn_status resample_input_run(tn_call *call) { return run(call, false); }

/* Each is the other's derivative, with the sizes exchanged. */
static tn_status reverse(tn_grad_call *g, tn_opcode code) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs a = *g->attrs;
  a.i[1] = g->attrs->i[2];
  a.i[2] = g->attrs->i[1];
  g->din[0] = tn__keep(&e, tn__do(&e, code, &a, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

static tn_status resample_grad(tn_grad_call *g) { return reverse(g, TN_OP_resample_input); }
static tn_status resample_input_grad(tn_grad_call *g) { return reverse(g, TN_OP_resample); }

#define RESAMPLE_ROW(name_, doc_)                                                                 \
  const tn_op tn__op_##name_ = {.name = #name_, .convention = 'N',                                \
                                .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2,           \
                                .high = 2, .shape = shape, .run = name_##_run,                    \
                                .grad = name_##_grad, .doc = doc_};

RESAMPLE_ROW(resample, "One dimension resized.")
RESAMPLE_ROW(resample_input, "The elements of a resized dimension added up where they came from.")

/* -- interpolate ------------------------------------------------------------------------------- */

/* Sizes of the result from a factor. */
static tn_status scaled_sizes(tn_call *call, int n, double scale, int64_t *sizes) {
  const tn_tensor *x = call->in[0];
  for (int d = 0; d < n; d++) {
    const double size = floor((double)x->sizes[2 + d] * scale);
    if (!(scale > 0) || !(size >= 1) || size > 1 << 30) {
      return tn_fail(call->ctx, TN_EARG, "a scale of %g for a dimension of size %lld", scale,
                     (long long)x->sizes[2 + d]);
    }
    sizes[TN_SPACE - n + d] = (int64_t)size;
  }
  return TN_OK;
}

static tn_status check_mode(tn_call *call, int mode, int n, bool align) {
  static const int dims[] = {0, 1, 2, 2, 3, 0, 0};
  if (dims[mode] != 0 && dims[mode] != n) {
    return tn_fail(call->ctx, TN_EARG, "this mode needs input of %d dimensions (batch, channels "
                   "and %d of space), got %d", dims[mode] + 2, dims[mode], n + 2);
  }
  if (align && dims[mode] == 0) {
    return tn_fail(call->ctx, TN_EARG, "this mode has no corners to align");
  }
  return TN_OK;
}

/* Area: the means of as many parts. */
static tn_tensor *area(tn_eval *e, tn_tensor *x, int n, const int64_t *sizes) {
  static const tn_opcode codes[] = {TN_OP_adaptive_avg_pool1d, TN_OP_adaptive_avg_pool2d,
                                    TN_OP_adaptive_avg_pool3d};
  tn_attrs a = {.i = {TN_NONE, TN_NONE, TN_NONE}, .ni = 3};
  for (int d = 0; d < n; d++) a.i[d] = sizes[TN_SPACE - n + d];
  return tn__do(e, codes[n - 1], &a, 1, &x);
}

/* attrs: i[0..2] size, i[3] mode, i[4] align corners; f[0] the scale. */
static tn_status interpolate_compose(tn_call *call) {
  tn_tensor *x = call->in[0];
  const int n = x->ndim - 2, mode = (int)tn__int(call->attrs, 3, NEAREST);
  const bool align = tn__int(call->attrs, 4, 0) != 0;
  const bool by_size = tn__int(call->attrs, 0, TN_NONE) != TN_NONE;
  const double scale = call->attrs->f[0];
  int64_t sizes[TN_SPACE] = {1, 1, 1};
  char text[TN_SHAPE_TEXT];
  if (n < 1 || n > TN_SPACE) {
    return tn_fail(call->ctx, TN_ESHAPE, "images (batch, channels, ...) of 3 to 5 dimensions "
                   "expected, got %s", tn__shape_text(text, x->ndim, x->sizes));
  }
  if (by_size == (scale != 0)) {
    return tn_fail(call->ctx, TN_EARG, "either a size or a scale factor expected");
  }
  tn_status s = check_mode(call, mode, n, align);
  if (s == TN_OK) s = by_size ? tn__read_vector(call, "size", 0, n, 1, TN_NONE, sizes)
                              : scaled_sizes(call, n, scale, sizes);
  if (s != TN_OK) return s;
  tn_eval e = tn__eval_begin(call->ctx);
  if (mode == AREA) x = area(&e, x, n, sizes);
  for (int d = n - 1; d >= 0 && mode != AREA && x != NULL; d--) {
    const int64_t size = sizes[TN_SPACE - n + d], have = x->sizes[2 + d];
    const int line = mode == BILINEAR || mode == TRILINEAR ? LINEAR : mode;
    tn_attrs a = {.f = {by_size ? 0 : scale}, .i = {2 + d, size, have, line, align}, .ni = 5};
    x = tn__do(&e, TN_OP_resample, &a, 1, &x);
  }
  call->out[0] = tn__keep(&e, x);
  return tn__eval_end(&e);
}

const tn_op tn__op_interpolate = {
    .name = "interpolate", .lua = "interpolate", .convention = 'C', .nout = 1, .flags = TN_FLOATS,
    .args = "T x; v? size; n scale_factor=0; "
            "w mode=nearest,linear,bilinear,bicubic,trilinear,area,nearest-exact; "
            "b align_corners=0",
    .low = -2, .high = 2, .compose = interpolate_compose, .onnx = "Resize",
    .doc = "Images (batch, channels, ...) resized to a size, or by a factor."};

/* -- Channels and space exchanged -------------------------------------------------------------- */

static tn_status check_image(tn_call *call, int64_t factor, bool channels) {
  const tn_tensor *x = call->in[0];
  char text[TN_SHAPE_TEXT];
  bool fits = x->ndim >= 3 && factor >= 1 && factor <= 1 << 15;
  for (int d = x->ndim - 3; fits && d < x->ndim; d++) fits = x->sizes[d] <= (int64_t)1 << 32;
  if (fits && channels) fits = x->sizes[x->ndim - 3] % (factor * factor) == 0;
  else if (fits) {
    fits = x->sizes[x->ndim - 2] % factor == 0 && x->sizes[x->ndim - 1] % factor == 0;
  }
  if (fits && x->ndim <= TN_MAX_DIMS - 2) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "a tensor of size %s cannot be rearranged by a factor of "
                                       "%lld",
                 tn__shape_text(text, x->ndim, x->sizes), (long long)factor);
}

/* Reshapes to `ndim` sizes, permutes, and reshapes to the sizes of `final`. */
static tn_status rearrange(tn_call *call, int ndim, const int64_t *sizes, const int64_t *order,
                           const tn_meta *final) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = tn__reshaped(&e, call->in[0], ndim, sizes);
  x = tn__with_sizes(&e, TN_OP_permute, x, ndim, order);
  call->out[0] = tn__keep(&e, tn__reshaped(&e, x, final->ndim, final->sizes));
  return tn__eval_end(&e);
}

/* (..., c r r, h, w) seen as (rest, c, r, r, h, w) becomes (rest, c, h, r, w, r). */
static tn_status pixel_shuffle_compose(tn_call *call) {
  const tn_tensor *x = call->in[0];
  const int64_t r = tn__int(call->attrs, 0, 1), n = x->ndim;
  tn_status s = check_image(call, r, true);
  if (s != TN_OK) return s;
  tn_meta m;
  tn__meta_of(&m, x);
  m.sizes[n - 3] /= r * r;
  m.sizes[n - 2] *= r;
  m.sizes[n - 1] *= r;
  int64_t rest = 1;
  for (int d = 0; d < n - 3; d++) rest *= x->sizes[d];
  const int64_t sizes[] = {rest, m.sizes[n - 3], r, r, x->sizes[n - 2], x->sizes[n - 1]};
  return rearrange(call, 6, sizes, (int64_t[]){0, 1, 4, 2, 5, 3}, &m);
}

/* The way back: (rest, c, h, r, w, r) becomes (rest, c, r, r, h, w). */
static tn_status pixel_unshuffle_compose(tn_call *call) {
  const tn_tensor *x = call->in[0];
  const int64_t r = tn__int(call->attrs, 0, 1), n = x->ndim;
  tn_status s = check_image(call, r, false);
  if (s != TN_OK) return s;
  tn_meta m;
  tn__meta_of(&m, x);
  m.sizes[n - 3] *= r * r;
  m.sizes[n - 2] /= r;
  m.sizes[n - 1] /= r;
  int64_t rest = 1;
  for (int d = 0; d < n - 3; d++) rest *= x->sizes[d];
  const int64_t sizes[] = {rest, x->sizes[n - 3], m.sizes[n - 2], r, m.sizes[n - 1], r};
  return rearrange(call, 6, sizes, (int64_t[]){0, 1, 3, 5, 2, 4}, &m);
}

/* (batch, groups c, rest) becomes (batch, c groups, rest). */
static tn_status channel_shuffle_compose(tn_call *call) {
  const tn_tensor *x = call->in[0];
  const int64_t groups = tn__int(call->attrs, 0, 1);
  char text[TN_SHAPE_TEXT];
  if (x->ndim < 3 || groups < 1 || x->sizes[1] % groups != 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "the channels of a tensor of size %s cannot be parted "
                   "into %lld groups", tn__shape_text(text, x->ndim, x->sizes), (long long)groups);
  }
  tn_meta m;
  tn__meta_of(&m, x);
  int64_t rest = 1;
  for (int d = 2; d < x->ndim; d++) rest *= x->sizes[d];
  const int64_t sizes[] = {x->sizes[0], groups, x->sizes[1] / groups, rest};
  return rearrange(call, 4, sizes, (int64_t[]){0, 2, 1, 3}, &m);
}

#define SHUFFLE_ROW(name_, args_, doc_)                                                           \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = args_, .convention = 'C',  \
                                .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2,           \
                                .high = 2, .compose = name_##_compose, .doc = doc_};

SHUFFLE_ROW(pixel_shuffle, "T x; i factor",
            "Channels laid out as pixels: (..., c * r * r, h, w) becomes (..., c, h * r, w * r).")
SHUFFLE_ROW(pixel_unshuffle, "T x; i factor",
            "Pixels laid out as channels: (..., c, h * r, w * r) becomes (..., c * r * r, h, w).")
SHUFFLE_ROW(channel_shuffle, "T x; i groups",
            "The channels (dimension 2) of groups interleaved.")
