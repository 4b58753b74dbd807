/* pool.c -- the greatest or the mean value under a window, of one to three dimensions, sliding or
 * laid out so that a given number of windows covers everything (adaptive).
 *
 * attrs of the rows that calculate, three numbers each, of which the last count where there are
 * less dimensions: i[0] sizes of the result, i[3] of the input, i[6] of the window (0: adaptive),
 * i[9] stride, i[12] padding, i[15] dilation, and i[18] how many dimensions. Of means i[15] says
 * whether padding counts, and i[16] is what to divide by (0: by the number of elements). */
#include <math.h>
#include <stdlib.h>

#include "tensor/ops/windows.h"

enum { AT_OUT = 0, AT_IN = 3, AT_KERNEL = 6, AT_STRIDE = 9, AT_PAD = 12, AT_DILATION = 15,
       AT_COUNTED = 15, AT_DIVISOR = 16, AT_SPACE = 18, ATTRIBUTES = 19 };

/* -- The windows ------------------------------------------------------------------------------- */

/* Of one position along one dimension: the elements begin, begin + step, ... before end, all inside
 * of the image, and how many count in a mean. */
typedef struct {
  int64_t begin, end, step, count;
} span;

static span span_of(const tn_attrs *a, int d, int64_t o, bool mean) {
  const int64_t in = a->i[AT_IN + d], kernel = a->i[AT_KERNEL + d], pad = a->i[AT_PAD + d];
  span s = {.step = 1};
  if (kernel == 0) {
    const int64_t out = a->i[AT_OUT + d];
    s.begin = o * in / out;
    s.end = ((o + 1) * in + out - 1) / out;
    s.count = s.end - s.begin;
    return s;
  }
  if (!mean) s.step = a->i[AT_DILATION + d];
  s.begin = o * a->i[AT_STRIDE + d] - pad;
  s.end = s.begin + (kernel - 1) * s.step + 1;
  s.count = (s.end < in + pad ? s.end : in + pad) - s.begin;
  if (s.begin < 0) s.begin += (-s.begin + s.step - 1) / s.step * s.step;
  if (s.end > in) s.end = in;
  if (mean && !a->i[AT_COUNTED]) s.count = s.end - s.begin;
  return s;
}

typedef struct {
  const tn_attrs *attrs;
  span *spans[TN_SPACE]; /* by position; all in one block, at spans[0] */
  int64_t in[TN_SPACE], out[TN_SPACE], inside, outside;
  const char *from;
  char *to;
  int64_t *index;
} job;

static tn_status lay_out(tn_ctx *ctx, job *j, const tn_attrs *a, bool mean) {
  int64_t total = 0;
  j->attrs = a;
  for (int d = 0; d < TN_SPACE; d++) {
    j->in[d] = a->i[AT_IN + d];
    j->out[d] = a->i[AT_OUT + d];
    total += j->out[d];
  }
  j->inside = tn__window_cells(j->in);
  j->outside = tn__window_cells(j->out);
  span *s = malloc((size_t)total * sizeof *s + 1);
  j->spans[0] = s;
  if (s == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for the windows");
  for (int d = 0; d < TN_SPACE; d++) {
    j->spans[d] = s;
    for (int64_t o = 0; o < j->out[d]; o++) *s++ = span_of(a, d, o, mean);
  }
  return TN_OK;
}

/* Calls `body` for every position of the windows, o counting them. */
#define EACH_WINDOW(...)                                                                          \
  for (int64_t z = 0, o = 0; z < j->out[0]; z++) {                                                \
    const span sz = j->spans[0][z];                                                               \
    for (int64_t y = 0; y < j->out[1]; y++) {                                                     \
      const span sy = j->spans[1][y];                                                             \
      for (int64_t x = 0; x < j->out[2]; x++, o++) {                                              \
        const span sx = j->spans[2][x];                                                           \
        __VA_ARGS__                                                                               \
      }                                                                                           \
    }                                                                                             \
  }

#define EACH_ELEMENT(...)                                                                         \
  for (int64_t kz = sz.begin; kz < sz.end; kz += sz.step)                                         \
    for (int64_t ky = sy.begin; ky < sy.end; ky += sy.step) {                                     \
      const int64_t row = (kz * j->in[1] + ky) * j->in[2];                                        \
      for (int64_t kx = sx.begin; kx < sx.end; kx += sx.step) __VA_ARGS__                         \
    }

/* Planes [begin, end). What is no number wins. */
#define MAX_PLANES(name, T, LEAST)                                                                \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const job *j = arg;                                                                           \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->inside;                                     \
      T *to = (T *)j->to + plane * j->outside;                                                    \
      int64_t *index = j->index + plane * j->outside;                                             \
      EACH_WINDOW({                                                                               \
        T best = LEAST;                                                                           \
        int64_t at = -1;                                                                          \
        EACH_ELEMENT({                                                                            \
          const T v = from[row + kx];                                                             \
          if (v > best || v != v || at < 0) best = v, at = row + kx;                              \
        })                                                                                        \
        to[o] = best;                                                                             \
        index[o] = at < 0 ? 0 : at;                                                               \
      })                                                                                          \
    }                                                                                             \
  }

MAX_PLANES(max_f32, float, -INFINITY)
MAX_PLANES(max_f64, double, -INFINITY)
MAX_PLANES(max_i64, int64_t, INT64_MIN)

#define SCALE                                                                                     \
  (1.0 / (j->attrs->i[AT_DIVISOR] ? (double)j->attrs->i[AT_DIVISOR]                               \
                                  : (double)sz.count * (double)sy.count * (double)sx.count))

/* Means of the windows, and the reverse: each value spread evenly over its window. */
#define MEAN_PLANES(T)                                                                            \
  static void mean_##T(void *arg, int64_t begin, int64_t end) {                                   \
    const job *j = arg;                                                                           \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->inside;                                     \
      T *to = (T *)j->to + plane * j->outside;                                                    \
      EACH_WINDOW({                                                                               \
        T sum = 0;                                                                                \
        EACH_ELEMENT({ sum += from[row + kx]; })                                                  \
        to[o] = sum * (T)SCALE;                                                                   \
      })                                                                                          \
    }                                                                                             \
  }                                                                                               \
  static void spread_##T(void *arg, int64_t begin, int64_t end) {                                 \
    const job *j = arg;                                                                           \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->outside;                                    \
      T *to = (T *)j->to + plane * j->inside;                                                     \
      memset(to, 0, (size_t)j->inside * sizeof *to);                                              \
      EACH_WINDOW({                                                                               \
        const T part = from[o] * (T)SCALE;                                                        \
        EACH_ELEMENT({ to[row + kx] += part; })                                                   \
      })                                                                                          \
    }                                                                                             \
  }

MEAN_PLANES(float)
MEAN_PLANES(double)

/* -- The rows that calculate ------------------------------------------------------------------- */

/* The result has the input's sizes but for the last ones, which are at attrs->i[sizes]; those of
 * the input must be the ones at attrs->i[own]. */
static tn_status shape(tn_call *call, int sizes, int own) {
  const tn_tensor *x = call->in[0];
  const tn_attrs *a = call->attrs;
  const int n = (int)tn__int(a, AT_SPACE, 0);
  tn_meta *m = &call->meta[0];
  bool fits = n >= 1 && n <= TN_SPACE && x->ndim >= n;
  tn__meta_of(m, x);
  for (int d = 0; fits && d < TN_SPACE; d++) {
    const int dim = x->ndim - TN_SPACE + d, space = d - (TN_SPACE - n);
    if (space < 0) fits = a->i[AT_OUT + d] == 1 && a->i[AT_IN + d] == 1;
    else fits = x->sizes[dim] == a->i[own + d];
    if (fits && space >= 0) m->sizes[dim] = a->i[sizes + d];
  }
  if (fits) return TN_OK;
  return tn_fail(call->ctx, TN_ESHAPE, "the sizes do not fit the windows");
}

static int64_t planes_of(const tn_tensor *x, int n) {
  int64_t planes = 1;
  for (int d = 0; d < x->ndim - n; d++) planes *= x->sizes[d];
  return planes;
}

static void run_planes(tn_call *call, job *j, tn_pool_fn *fn) {
  const int64_t planes = planes_of(call->in[0], (int)call->attrs->i[AT_SPACE]);
  const int64_t work = j->inside + 4 * j->outside;
  tn__pool_run(call->ctx->pool, planes, TN_GRAIN / (work + 1) + 1, fn, j);
}

static tn_status max_windows_shape(tn_call *call) {
  tn_status s = shape(call, AT_OUT, AT_IN);
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return s;
}

static tn_status max_windows_run(tn_call *call) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  job j = {0};
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) s = lay_out(call->ctx, &j, call->attrs, false);
  if (s == TN_OK) {
    j.from = tn__data(x);
    j.to = tn__data(to);
    j.index = (int64_t *)tn__data(call->out[1]);
    run_planes(call, &j, type == TN_F32 ? max_f32 : type == TN_F64 ? max_f64 : max_i64);
    tn__positions_to_indices(call->ctx, call->out[1]);
  }
  free(j.spans[0]);
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

/* What arrives goes to where the greatest values were. */
static tn_status max_windows_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_meta *m = &g->meta[0];
  const int64_t *i = g->attrs->i;
  int64_t in = tn__window_cells(i + AT_IN), out = tn__window_cells(i + AT_OUT), planes = 1;
  for (int d = 0; d < m->ndim - i[AT_SPACE]; d++) planes *= m->sizes[d];
  tn_meta flat = {.dtype = m->dtype, .ndim = 2, .sizes = {planes, in}};
  tn_tensor *dx = tn__zeros(&e, &flat);
  tn_tensor *index = tn__reshaped(&e, g->out[1], 2, (int64_t[]){planes, out});
  tn_tensor *d = tn__reshaped(&e, g->dout[0], 2, (int64_t[]){planes, out});
  tn_attrs along = {.i = {1}, .ni = 1};
  dx = tn__do(&e, TN_OP_scatter_add, &along, 3, (tn_tensor *[]){dx, index, d});
  g->din[0] = tn__keep(&e, tn__reshaped(&e, dx, m->ndim, m->sizes));
  return tn__eval_end(&e);
}

static tn_status mean_run(tn_call *call, tn_pool_fn *f32, tn_pool_fn *f64) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype type = call->in[0]->dtype == TN_F64 ? TN_F64 : TN_F32;
  job j = {0};
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) s = lay_out(call->ctx, &j, call->attrs, true);
  if (s == TN_OK) {
    j.from = tn__data(x);
    j.to = tn__data(to);
    run_planes(call, &j, type == TN_F32 ? f32 : f64);
  }
  free(j.spans[0]);
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
  return s == TN_OK ? shape(call, AT_OUT, AT_IN) : s;
}

static tn_status mean_windows_input_shape(tn_call *call) {
  tn_status s = floats_only(call);
  return s == TN_OK ? shape(call, AT_IN, AT_OUT) : s;
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

const tn_op tn__op_max_windows = {
    .name = "max_windows", .convention = 'N', .flags = TN_FLOATS | TN_INTEGERS, .nout = 2,
    .fixed = 2, .saves = TN_SAVE_Y2, .low = -2, .high = 2, .shape = max_windows_shape,
    .run = max_windows_run, .grad = max_windows_grad, .onnx = "MaxPool",
    .doc = "Greatest values under windows, and where they lie."};

#define MEAN_ROW(name_, onnx_, doc_)                                                              \
  const tn_op tn__op_##name_ = {.name = #name_, .convention = 'N', .flags = TN_FLOATS, .nout = 1, \
                                .low = -2, .high = 2, .shape = name_##_shape, .run = name_##_run, \
                                .grad = name_##_grad, .onnx = onnx_, .doc = doc_};

MEAN_ROW(mean_windows, "AveragePool", "Mean values under windows.")
MEAN_ROW(mean_windows_input, NULL, "Values spread evenly over windows.")

/* -- The rows that scripts call ---------------------------------------------------------------- */

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
