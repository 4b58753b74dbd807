/* max_windows.c -- the greatest value under each window and where it lies, and the way back. */
#include <math.h>
#include <stdatomic.h>

#include "tensor/cpu/kernels.h"
#include "tensor/ops/pooling.h"

/* -- Any element, one by one ------------------------------------------------------------------- */

/* Planes [begin, end). What is no number wins. */
#define MAX_PLANES(name, T, LEAST)                                                                \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const tn_pooling *j = arg;                                                                    \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->inside;                                     \
      T *to = (T *)j->to + plane * j->outside;                                                    \
      int64_t *index = j->index + plane * j->outside;                                             \
      TN_EACH_WINDOW({                                                                            \
        T best = LEAST;                                                                           \
        int64_t at = -1;                                                                          \
        TN_EACH_ELEMENT({                                                                         \
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

/* -- Floats, a row at a time ------------------------------------------------------------------- */

/* All windows of one row of the result look at the same rows of the image. Where they overlap, those
 * are made one first, each column by itself; then the windows are the greatest of a few columns. */
typedef struct {
  tn_pooling p;
  int64_t first, last; /* between them lie the positions whose window is inside of the row */
  int64_t taps;        /* columns of such a window */
  const float *end;    /* of the whole input */
  atomic_bool failed;
} row_job;

enum { VECTOR = 16 }; /* windows that are as fast as one */

/* Memory for one thread. */
typedef struct {
  const float **rows;  /* of the image, under a window */
  int64_t *begins;     /* where in the plane they begin */
  float *best, *values;
  int32_t *best_row, *row, *tap; /* the greatest of a column: of which row; and for each window */
} row_memory;

static bool new_memory(row_memory *m, const row_job *j) {
  const int64_t *k = j->p.attrs->i + AT_KERNEL;
  const size_t rows = (size_t)(k[0] * k[1]), in = (size_t)j->p.in[2], out = (size_t)j->p.out[2];
  m->rows = tn__take(j->p.memory, rows * (sizeof *m->rows + sizeof *m->begins) +
                                      4 * (2 * in + 3 * (out + VECTOR)));
  if (m->rows == NULL) return false;
  m->begins = (int64_t *)(m->rows + rows);
  m->best = (float *)(m->begins + rows);
  m->values = m->best + in;
  m->best_row = (int32_t *)(m->values + out + VECTOR);
  m->row = m->best_row + in;
  m->tap = m->row + out + VECTOR;
  return true;
}

/* n windows from element `at` of the rows on. Those with a stride of 2 go 16 at a time, as long as the
 * memory that is read is the input's; what is found for more than n is not looked at. */
static void find_apart(const row_job *j, const row_memory *m, int64_t n, int32_t rows, int32_t taps,
                       int64_t step, int64_t at) {
  const tn_window_kernels *kernels = TN_ISA_PICK(&tn__window_kernels);
  const int64_t stride = j->p.attrs->i[AT_STRIDE + 2];
  const int64_t room = j->end - m->rows[rows - 1], reach = 2 * VECTOR + (taps - 1) * step;
  int64_t i = 0;
  for (; n > 1 && stride == 2 && i < n && at + reach <= room; i += VECTOR, at += 2 * VECTOR) {
    kernels->windows_2(rows, taps, step, m->rows, at, m->values + i, m->row + i);
  }
  if (i < n) kernels->windows(n - i, stride, rows, taps, step, m->rows, at, m->values + i, m->row + i);
}

/* Windows that do not overlap, or hardly: element by element of the window. m->row has the element's
 * number afterwards, m->tap is not used. */
static void max_apart(const row_job *j, const row_memory *m, int32_t rows, float *to,
                      int64_t *index) {
  const tn_span *spans = j->p.spans[2];
  const int64_t out = j->p.out[2];
  for (int64_t x = 0; x < out;) {
    const bool inside = x >= j->first && x < j->last;
    const tn_span s = spans[x];
    const int32_t taps = (int32_t)(inside ? j->taps : (s.end - s.begin + s.step - 1) / s.step);
    const int64_t n = inside ? j->last - x : 1;
    find_apart(j, m, n, rows, taps, s.step, s.begin);
    for (int64_t i = 0; i < n; i++) {
      const int32_t row = rows == 1 ? 0 : m->row[i] / taps, tap = m->row[i] - row * taps;
      to[x + i] = m->values[i];
      index[x + i] = m->begins[row] + spans[x + i].begin + tap * s.step;
    }
    x += n;
  }
}

/* One row of the result, whose windows span sz and sy. */
static void max_row(const row_job *j, const row_memory *m, const float *plane, tn_span sz,
                    tn_span sy, float *to, int64_t *index) {
  const tn_window_kernels *kernels = TN_ISA_PICK(&tn__window_kernels);
  const tn_span *spans = j->p.spans[2];
  const int64_t out = j->p.out[2], stride = j->p.attrs->i[AT_STRIDE + 2];
  int64_t rows = 0;
  for (int64_t kz = sz.begin; kz < sz.end; kz += sz.step) {
    for (int64_t ky = sy.begin; ky < sy.end; ky += sy.step, rows++) {
      m->begins[rows] = (kz * j->p.in[1] + ky) * j->p.in[2];
      m->rows[rows] = plane + m->begins[rows];
    }
  }
  if (stride > 1 && 2 * stride > j->taps) {
    max_apart(j, m, (int32_t)rows, to, index);
    return;
  }
  kernels->down(j->p.in[2], rows, m->rows, m->best, m->best_row);
  for (int64_t x = 0; x < out;) {
    const bool inside = x >= j->first && x < j->last;
    const tn_span s = spans[x];
    const int64_t n = inside ? j->last - x : 1;
    kernels->across(n, stride, inside ? j->taps : (s.end - s.begin + s.step - 1) / s.step, s.step,
                    m->best + s.begin, m->best_row + s.begin, m->values + x, m->row + x,
                    m->tap + x);
    x += n;
  }
  for (int64_t x = 0; x < out; x++) {
    to[x] = m->values[x];
    index[x] = m->begins[m->row[x]] + spans[x].begin + m->tap[x] * spans[x].step;
  }
}

static void max_rows(void *arg, int64_t begin, int64_t end) {
  row_job *j = arg;
  row_memory m;
  if (!new_memory(&m, j)) {
    atomic_store(&j->failed, true);
    return;
  }
  for (int64_t plane = begin; plane < end; plane++) {
    const float *from = (const float *)j->p.from + plane * j->p.inside;
    int64_t at = plane * j->p.outside;
    for (int64_t z = 0; z < j->p.out[0]; z++) {
      for (int64_t y = 0; y < j->p.out[1]; y++, at += j->p.out[2]) {
        max_row(j, &m, from, j->p.spans[0][z], j->p.spans[1][y], (float *)j->p.to + at,
                j->p.index + at);
      }
    }
  }
  tn__give(m.rows);
}

/* Windows that slide, whose rows and columns 32 bits can count, and of which none lies between the
 * elements. */
static bool by_rows(row_job *j) {
  const int64_t *i = j->p.attrs->i;
  const int64_t rows = i[AT_KERNEL] * i[AT_KERNEL + 1], reach = i[AT_DILATION + 2];
  const int64_t most = 1 << 20;
  if (rows == 0 || i[AT_KERNEL] > most || i[AT_KERNEL + 1] > most || rows > most) return false;
  for (int d = 0; d < TN_SPACE; d++) {
    for (int64_t o = 0; o < j->p.out[d]; o++) {
      if (j->p.spans[d][o].begin >= j->p.spans[d][o].end) return false;
    }
  }
  j->taps = i[AT_KERNEL + 2];
  tn__window_inside(-i[AT_PAD + 2], i[AT_STRIDE + 2], j->p.in[2], j->p.out[2], &j->first, &j->last);
  int64_t begin, end; /* and the same for the last column under the window */
  tn__window_inside((j->taps - 1) * reach - i[AT_PAD + 2], i[AT_STRIDE + 2], j->p.in[2],
                    j->p.out[2], &begin, &end);
  if (begin > j->first) j->first = begin;
  if (end < j->last) j->last = end;
  return j->taps < most;
}

/* -- max_windows ------------------------------------------------------------------------------- */

static tn_status max_windows_shape(tn_call *call) {
  tn_status s = tn__pooling_shape(call, AT_OUT, AT_IN);
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return s;
}

static tn_status max_windows_run(tn_call *call) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  row_job j = {.failed = false};
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) s = tn__pooling_begin(call->ctx, &j.p, call->attrs, false);
  if (s == TN_OK) {
    j.p.from = tn__data(x);
    j.p.to = tn__data(to);
    j.p.index = (int64_t *)tn__data(call->out[1]);
    j.end = (const float *)j.p.from + tn__numel(x);
    if (type == TN_F32 && by_rows(&j)) tn__pooling_run(call, &j.p, max_rows, &j);
    else if (type == TN_F32) tn__pooling_run(call, &j.p, max_f32, &j.p);
    else tn__pooling_run(call, &j.p, type == TN_F64 ? max_f64 : max_i64, &j.p);
    tn__positions_to_indices(call->ctx, call->out[1]);
  }
  if (atomic_load(&j.failed)) s = tn_fail(call->ctx, TN_ENOMEM, "not enough memory for a row");
  tn__give(j.p.spans[0]);
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status max_windows_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_max_windows_input, g->attrs, 2,
                                  (tn_tensor *[]){g->dout[0], g->out[1]}));
  return tn__eval_end(&e);
}

/* -- max_windows_input: what arrives goes to where the greatest values were ---------------------- */

typedef struct {
  int64_t inside, outside, base;
  const void *from;
  const int64_t *index;
  void *to;
} back_job;

#define BACK_PLANES(name, T)                                                                      \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const back_job *j = arg;                                                                      \
    for (int64_t plane = begin; plane < end; plane++) {                                           \
      const T *from = (const T *)j->from + plane * j->outside;                                    \
      const int64_t *index = j->index + plane * j->outside;                                       \
      T *to = (T *)j->to + plane * j->inside;                                                     \
      memset(to, 0, (size_t)j->inside * sizeof *to);                                              \
      for (int64_t o = 0; o < j->outside; o++) to[index[o] - j->base] += from[o];                 \
    }                                                                                             \
  }

BACK_PLANES(back_f32, float)
BACK_PLANES(back_f64, double)

static tn_status max_windows_input_shape(tn_call *call) {
  const tn_tensor *d = call->in[0], *index = call->in[1];
  tn_status s = tn__pooling_shape(call, AT_IN, AT_OUT);
  if (s != TN_OK) return s;
  if (!tn_dtype_is_float((tn_dtype)d->dtype) || index->dtype != TN_I64 ||
      index->ndim != d->ndim ||
      memcmp(index->sizes, d->sizes, sizeof(int64_t) * (size_t)d->ndim) != 0) {
    return tn_fail(call->ctx, TN_ESHAPE, "floating-point values and as many indices expected");
  }
  return TN_OK;
}

static tn_status max_windows_input_run(tn_call *call) {
  tn_tensor *d = NULL, *index = NULL, *to = NULL;
  const tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  const tn_attrs *a = call->attrs;
  tn_pooling p = {.attrs = a, .inside = tn__window_cells(a->i + AT_IN),
                  .outside = tn__window_cells(a->i + AT_OUT)};
  tn_status s = tn__contiguous_of(call->ctx, &d, call->in[0], type);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &index, call->in[1], TN_I64);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK) {
    const int64_t *values = (const int64_t *)tn__data(index), n = tn__numel(index);
    back_job j = {.inside = p.inside, .outside = p.outside, .base = call->ctx->index_base,
                  .from = tn__data(d), .index = values, .to = tn__data(to)};
    if (tn__index_outside(call->ctx, values, n, p.inside)) {
      s = tn__index_refuse(call->ctx, values, n, 0, p.inside);
    } else {
      tn__pooling_run(call, &p, type == TN_F32 ? back_f32 : back_f64, &j);
    }
  }
  tn_tensor_release(d);
  tn_tensor_release(index);
  return tn__result_end(call, 0, to, s);
}

/* Each element of the result comes from one of the windows: its gradient is the value there. */
static tn_status max_windows_input_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_meta *m = &g->meta[0];
  const int64_t *i = g->attrs->i;
  int64_t planes = 1;
  for (int d = 0; d < m->ndim - i[AT_SPACE]; d++) planes *= m->sizes[d];
  const int64_t in = tn__window_cells(i + AT_IN), out = tn__window_cells(i + AT_OUT);
  tn_attrs along = {.i = {1}, .ni = 1};
  tn_tensor *index = tn__reshaped(&e, g->in[1], 2, (int64_t[]){planes, out});
  tn_tensor *d = tn__reshaped(&e, g->dout[0], 2, (int64_t[]){planes, in});
  d = tn__do(&e, TN_OP_gather, &along, 2, (tn_tensor *[]){d, index});
  if (g->need[0]) g->din[0] = tn__keep(&e, tn__reshaped(&e, d, m->ndim, m->sizes));
  return tn__eval_end(&e);
}

const tn_op tn__op_max_windows = {
    .name = "max_windows", .convention = 'N', .flags = TN_FLOATS | TN_INTEGERS, .nout = 2,
    .fixed = 2, .saves = TN_SAVE_Y2, .low = -2, .high = 2, .shape = max_windows_shape,
    .run = max_windows_run, .grad = max_windows_grad, .onnx = "MaxPool",
    .doc = "Greatest values under windows, and where they lie."};

const tn_op tn__op_max_windows_input = {
    .name = "max_windows_input", .convention = 'N', .flags = TN_FLOATS, .nout = 1,
    .saves = TN_SAVE_B, .low = -2, .high = 2, .shape = max_windows_input_shape,
    .run = max_windows_input_run, .grad = max_windows_input_grad,
    .doc = "Values put where the greatest ones under windows were."};
