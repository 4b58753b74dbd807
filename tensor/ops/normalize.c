/* normalize.c -- y = (x - mean) / sqrt(var + eps) * weight + bias, what all normalisations are made
 * of, with its gradient.
 *
 * x is seen as (r, p, q, i), and weight and bias as (p, q). Whose mean and variance it is:
 *   ROWS   of each (q, i): layer normalisation (Ba, Kiros, Hinton 2016) has p = i = 1, group
 *          normalisation (Wu, He 2018) as many p as groups
 *   SCALE  the same with the mean taken for 0: the root mean square (Zhang, Sennrich 2019)
 *   BATCH  of each q, with p = 1: batch normalisation (Ioffe, Szegedy 2015)
 *   GIVEN  inputs 3 and 4, one for each q: what batch normalisation has learnt
 *
 * in: x, weight or NULL, bias or NULL, and for GIVEN mean and variance. attrs: f[0] eps, i[0..3]
 * r, p, q, i, i[4] whose. Outputs 1 and 2 are mean and variance (over n, not n - 1).
 *
 * With x' = (x - mean) / s and d' = d weight, s dx = d' - mean(d') - x' mean(d' x'), where SCALE
 * has no mean(d'), and GIVEN neither. Float sums are of pieces, which are added as doubles; the work is
 * cut into the same tasks whatever the number of threads. */
#include "tensor/ops/normalize.h"

#include <math.h>
#include <stdlib.h>

#include "tensor/cpu/kernels.h"
#include "tensor/eval.h"

enum { PIECE = 8192 };  /* elements that one sum of floats goes over */
enum { LINE = 16 };     /* so many elements are worth a loop of their own; fewer are columns */
enum { COLUMNS = 64, ROWS_AT_ONCE = 256, TASKS = 8 };

typedef struct {
  const tn_norm_kernels *k;
  bool f64;
  size_t item;
  int64_t r, p, q, i;
  tn_norm_whose whose;
  double eps;
  const char *x, *weight, *bias, *d;
  char *y, *mean, *var; /* y: the result, or dx (NULL where that is not wanted) */
  char *dw, *db;        /* NULL where neither is wanted; of rows: one array for each task */
  int64_t tasks;
} job;

static char *at(const job *j, const char *base, int64_t index) {
  return (char *)base + index * (int64_t)j->item;
}

static double get(const job *j, const char *base, int64_t index) {
  return j->f64 ? ((const double *)base)[index] : (double)((const float *)base)[index];
}

static void put(const job *j, char *base, int64_t index, double value) {
  if (j->f64) ((double *)base)[index] = value;
  else ((float *)base)[index] = (float)value;
}

static double weight_at(const job *j, int64_t index) {
  return j->weight != NULL ? get(j, j->weight, index) : 1;
}

static double bias_at(const job *j, int64_t index) {
  return j->bias != NULL ? get(j, j->bias, index) : 0;
}

static double inverse(const job *j, int64_t index) {
  return 1 / sqrt(get(j, j->var, index) + j->eps);
}

/* -- Sums over any number of elements ---------------------------------------------------------- */

static double sum(const job *j, int64_t n, const char *x) {
  double s = 0;
  for (int64_t at0 = 0; at0 < n; at0 += PIECE) {
    s += j->k->sum(n - at0 < PIECE ? n - at0 : PIECE, at(j, x, at0));
  }
  return s;
}

static double spread(const job *j, int64_t n, const char *x, double mean) {
  double s = 0;
  for (int64_t at0 = 0; at0 < n; at0 += PIECE) {
    s += j->k->spread(n - at0 < PIECE ? n - at0 : PIECE, at(j, x, at0), mean);
  }
  return s;
}

/* Adds to out[]. */
static void slopes(const job *j, int64_t n, const char *x, const char *d, const char *w,
                   double mean, double out[2]) {
  for (int64_t at0 = 0; at0 < n; at0 += PIECE) {
    double part[2];
    j->k->slopes(n - at0 < PIECE ? n - at0 : PIECE, at(j, x, at0), at(j, d, at0),
                 w != NULL ? at(j, w, at0) : NULL, mean, part);
    out[0] += part[0];
    out[1] += part[1];
  }
}

/* -- Rows -------------------------------------------------------------------------------------- */

static void forward_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t n = j->q * j->i;
  for (int64_t row = begin; row < end; row++) {
    const char *x = at(j, j->x, row * n);
    char *y = at(j, j->y, row * n);
    const int64_t first = row % j->p * j->q; /* of this row's weights */
    put(j, j->mean, row, j->whose == TN_NORM_SCALE ? 0 : sum(j, n, x) / (double)n);
    const double mean = get(j, j->mean, row);
    put(j, j->var, row, spread(j, n, x, mean) / (double)n);
    const double scale = inverse(j, row);
    if (j->weight == NULL) {
      j->k->affine(n, y, x, mean, scale, 0);
    } else if (j->i == 1) {
      j->k->affine_each(n, y, x, mean, scale, at(j, j->weight, first),
                        j->bias != NULL ? at(j, j->bias, first) : NULL);
    } else {
      for (int64_t q = 0; q < j->q; q++) {
        j->k->affine(j->i, at(j, y, q * j->i), at(j, x, q * j->i), mean,
                     scale * weight_at(j, first + q), bias_at(j, first + q));
      }
    }
  }
}

static void add(const job *j, char *base, int64_t index, double value) {
  put(j, base, index, get(j, base, index) + value);
}

/* How dx depends on d, x and 1: see the kernel `back`. */
static void coefficients(const job *j, double scale, double n, const double s[2], double k[3]) {
  const bool fixed = j->whose == TN_NORM_GIVEN;
  k[0] = scale;
  k[1] = fixed ? 0 : -scale * scale * scale * s[1] / n;
  k[2] = fixed || j->whose == TN_NORM_SCALE ? 0 : -scale * s[0] / n;
}

/* A row with a weight for each element, or none. */
static void backward_plain(const job *j, int64_t row, char *dw, char *db) {
  const int64_t n = j->q * j->i, first = row % j->p * j->q;
  const char *x = at(j, j->x, row * n), *d = at(j, j->d, row * n);
  const char *w = j->weight != NULL ? at(j, j->weight, first) : NULL;
  const double mean = get(j, j->mean, row), scale = inverse(j, row);
  if (j->y != NULL) {
    double s[2] = {0, 0}, k[3];
    slopes(j, n, x, d, w, mean, s);
    coefficients(j, scale, (double)n, s, k);
    j->k->back(n, at(j, j->y, row * n), x, d, w, mean, k);
  }
  if (dw != NULL) j->k->gather(n, at(j, dw, first), at(j, db, first), x, d, mean, scale);
}

/* A row with a weight for each i elements. */
static void backward_lines(const job *j, int64_t row, char *dw, char *db) {
  const int64_t n = j->q * j->i, first = row % j->p * j->q;
  const char *x = at(j, j->x, row * n), *d = at(j, j->d, row * n);
  const double mean = get(j, j->mean, row), scale = inverse(j, row);
  double s[2] = {0, 0}, k[3];
  for (int64_t q = 0; q < j->q; q++) {
    double part[2] = {0, 0};
    const double w = weight_at(j, first + q);
    slopes(j, j->i, at(j, x, q * j->i), at(j, d, q * j->i), NULL, mean, part);
    s[0] += w * part[0];
    s[1] += w * part[1];
    if (dw == NULL) continue;
    add(j, dw, first + q, part[1] * scale);
    add(j, db, first + q, part[0]);
  }
  if (j->y == NULL) return;
  coefficients(j, scale, (double)n, s, k);
  for (int64_t q = 0; q < j->q; q++) {
    const double own[3] = {k[0] * weight_at(j, first + q), k[1], k[2]};
    j->k->back(j->i, at(j, j->y, row * n + q * j->i), at(j, x, q * j->i), at(j, d, q * j->i), NULL,
               mean, own);
  }
}

static void backward_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t rows = j->r * j->p, weights = j->p * j->q;
  for (int64_t task = begin; task < end; task++) {
    char *dw = j->dw != NULL ? at(j, j->dw, task * weights) : NULL;
    char *db = j->dw != NULL ? at(j, j->db, task * weights) : NULL;
    for (int64_t row = task * rows / j->tasks; row < (task + 1) * rows / j->tasks; row++) {
      if (j->i == 1 || (j->weight == NULL && dw == NULL)) backward_plain(j, row, dw, db);
      else backward_lines(j, row, dw, db);
    }
  }
}

/* -- Channels whose i elements lie together ---------------------------------------------------- */

static void forward_channels(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const double n = (double)j->r * (double)j->i;
  for (int64_t c = begin; c < end; c++) {
    double s = 0;
    if (j->whose == TN_NORM_BATCH) {
      for (int64_t r = 0; r < j->r; r++) s += sum(j, j->i, at(j, j->x, (r * j->q + c) * j->i));
      put(j, j->mean, c, s / n);
      const double mean = get(j, j->mean, c);
      s = 0;
      for (int64_t r = 0; r < j->r; r++) {
        s += spread(j, j->i, at(j, j->x, (r * j->q + c) * j->i), mean);
      }
      put(j, j->var, c, s / n);
    }
    const double mean = get(j, j->mean, c), scale = inverse(j, c) * weight_at(j, c);
    for (int64_t r = 0; r < j->r; r++) {
      const int64_t line = (r * j->q + c) * j->i;
      j->k->affine(j->i, at(j, j->y, line), at(j, j->x, line), mean, scale, bias_at(j, c));
    }
  }
}

static void backward_channels(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t c = begin; c < end; c++) {
    const double mean = get(j, j->mean, c), scale = inverse(j, c), w = weight_at(j, c);
    double s[2] = {0, 0}, k[3];
    for (int64_t r = 0; r < j->r; r++) {
      const int64_t line = (r * j->q + c) * j->i;
      slopes(j, j->i, at(j, j->x, line), at(j, j->d, line), NULL, mean, s);
    }
    if (j->dw != NULL) {
      put(j, j->dw, c, s[1] * scale);
      put(j, j->db, c, s[0]);
    }
    coefficients(j, scale, (double)j->r * (double)j->i, s, k);
    for (int m = 0; m < 3; m++) k[m] *= w;
    for (int64_t r = 0; j->y != NULL && r < j->r; r++) {
      const int64_t line = (r * j->q + c) * j->i;
      j->k->back(j->i, at(j, j->y, line), at(j, j->x, line), at(j, j->d, line), NULL, mean, k);
    }
  }
}

/* -- Channels of few elements: columns of a matrix with r rows --------------------------------- */

typedef struct {
  int64_t first, channels, columns, stride, from; /* from: the first column */
} block;

static int64_t channels_of_block(const job *j) { return j->i < COLUMNS ? COLUMNS / j->i : 1; }

static block block_of(const job *j, int64_t index) {
  block b = {.first = index * channels_of_block(j), .stride = j->q * j->i};
  b.channels = j->q - b.first < channels_of_block(j) ? j->q - b.first : channels_of_block(j);
  b.columns = b.channels * j->i;
  b.from = b.first * j->i;
  return b;
}

/* Numbers for each column, in the type of x. */
typedef struct {
  _Alignas(64) double value[COLUMNS];
} line;

static void clear(line *l) { memset(l->value, 0, sizeof l->value); }

/* Adds the columns' sums to those of their channels. */
static void collect(const job *j, const block *b, const line *l, double *sums) {
  for (int64_t c = 0; c < b->columns; c++) sums[c / j->i] += get(j, (const char *)l->value, c);
}

static void expand(const job *j, const block *b, line *l, const double *of_channels) {
  for (int64_t c = 0; c < b->columns; c++) put(j, (char *)l->value, c, of_channels[c / j->i]);
}

static int64_t rows_at(const job *j, int64_t row) {
  return j->r - row < ROWS_AT_ONCE ? j->r - row : ROWS_AT_ONCE;
}

static void statistics(const job *j, const block *b, double *mean, double *var) {
  const double n = (double)j->r * (double)j->i;
  line sums, means;
  double s[COLUMNS] = {0}, v[COLUMNS] = {0};
  for (int64_t row = 0; row < j->r; row += ROWS_AT_ONCE) {
    clear(&sums);
    j->k->column_sum(rows_at(j, row), b->columns, b->stride,
                     at(j, j->x, row * b->stride + b->from), sums.value);
    collect(j, b, &sums, s);
  }
  for (int64_t c = 0; c < b->channels; c++) {
    put(j, j->mean, b->first + c, s[c] / n);
    mean[c] = get(j, j->mean, b->first + c);
  }
  expand(j, b, &means, mean);
  for (int64_t row = 0; row < j->r; row += ROWS_AT_ONCE) {
    clear(&sums);
    j->k->column_spread(rows_at(j, row), b->columns, b->stride,
                        at(j, j->x, row * b->stride + b->from), means.value, sums.value);
    collect(j, b, &sums, v);
  }
  for (int64_t c = 0; c < b->channels; c++) {
    put(j, j->var, b->first + c, v[c] / n);
    var[c] = get(j, j->var, b->first + c);
  }
}

static void forward_columns(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t index = begin; index < end; index++) {
    const block b = block_of(j, index);
    double mean[COLUMNS], scale[COLUMNS], shift[COLUMNS];
    line means, scales, shifts;
    if (j->whose == TN_NORM_BATCH) statistics(j, &b, mean, scale);
    for (int64_t c = 0; c < b.channels; c++) {
      mean[c] = get(j, j->mean, b.first + c);
      scale[c] = inverse(j, b.first + c) * weight_at(j, b.first + c);
      shift[c] = bias_at(j, b.first + c);
    }
    expand(j, &b, &means, mean);
    expand(j, &b, &scales, scale);
    expand(j, &b, &shifts, shift);
    j->k->column_affine(j->r, b.columns, b.stride, at(j, j->y, b.from), at(j, j->x, b.from),
                        means.value, scales.value, shifts.value);
  }
}

static void backward_columns(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t index = begin; index < end; index++) {
    const block b = block_of(j, index);
    double mean[COLUMNS], s0[COLUMNS] = {0}, s1[COLUMNS] = {0}, k[3][COLUMNS];
    line means, sums[2], lines[3];
    for (int64_t c = 0; c < b.channels; c++) mean[c] = get(j, j->mean, b.first + c);
    expand(j, &b, &means, mean);
    for (int64_t row = 0; row < j->r; row += ROWS_AT_ONCE) {
      const int64_t place = row * b.stride + b.from;
      clear(&sums[0]);
      clear(&sums[1]);
      j->k->column_slopes(rows_at(j, row), b.columns, b.stride, at(j, j->x, place),
                          at(j, j->d, place), means.value, sums[0].value, sums[1].value);
      collect(j, &b, &sums[0], s0);
      collect(j, &b, &sums[1], s1);
    }
    for (int64_t c = 0; c < b.channels; c++) {
      const double scale = inverse(j, b.first + c), s[2] = {s0[c], s1[c]};
      double own[3];
      if (j->dw != NULL) {
        put(j, j->dw, b.first + c, s[1] * scale);
        put(j, j->db, b.first + c, s[0]);
      }
      coefficients(j, scale, (double)j->r * (double)j->i, s, own);
      for (int m = 0; m < 3; m++) k[m][c] = own[m] * weight_at(j, b.first + c);
    }
    if (j->y == NULL) continue;
    for (int m = 0; m < 3; m++) expand(j, &b, &lines[m], k[m]);
    j->k->column_back(j->r, b.columns, b.stride, at(j, j->y, b.from), at(j, j->x, b.from),
                      at(j, j->d, b.from), means.value,
                      (const void *const[]){lines[0].value, lines[1].value, lines[2].value});
  }
}

/* -- Calls ------------------------------------------------------------------------------------- */

static bool by_rows(const job *j) {
  return j->whose == TN_NORM_ROWS || j->whose == TN_NORM_SCALE;
}

static void read_job(job *j, const tn_attrs *a, tn_dtype type) {
  memset(j, 0, sizeof *j);
  j->f64 = type == TN_F64;
  j->k = &TN_ISA_PICK(tn__norm_kernels)[j->f64];
  j->item = tn__item_size(type);
  j->r = a->i[0], j->p = a->i[1], j->q = a->i[2], j->i = a->i[3];
  j->whose = (tn_norm_whose)a->i[4];
  j->eps = a->f[0];
}

/* Tasks of `each` elements that are worth a thread. */
static int64_t grain_of(int64_t each) { return TN_GRAIN / 4 / (each > 0 ? each : 1) + 1; }

static void run_job(tn_pool *pool, job *j) {
  const int64_t blocks = (j->q + channels_of_block(j) - 1) / channels_of_block(j);
  const bool lines = j->i >= LINE, backward = j->d != NULL;
  if (by_rows(j) && !backward) {
    tn__pool_run(pool, j->r * j->p, grain_of(j->q * j->i), forward_rows, j);
  } else if (by_rows(j)) {
    const int64_t each = j->r * j->p * j->q * j->i / j->tasks;
    tn__pool_run(pool, j->tasks, grain_of(each), backward_rows, j);
  } else if (lines) {
    tn__pool_run(pool, j->q, grain_of(j->r * j->i), backward ? backward_channels : forward_channels,
                 j);
  } else {
    tn__pool_run(pool, blocks, grain_of(j->r * COLUMNS),
                 backward ? backward_columns : forward_columns, j);
  }
}

static tn_status normalize_shape(tn_call *call) {
  const tn_attrs *a = call->attrs;
  tn__meta_of(&call->meta[0], call->in[0]);
  for (int k = 1; k < 3; k++) {
    tn_meta *m = &call->meta[k];
    m->dtype = (uint8_t)tn__compute_dtype((tn_dtype)call->in[0]->dtype);
    m->ndim = 1;
    m->sizes[0] = a->i[4] == TN_NORM_ROWS || a->i[4] == TN_NORM_SCALE ? a->i[0] * a->i[1] : a->i[2];
  }
  return TN_OK;
}

/* Contiguous, of the type that is calculated in; *out stays NULL without t. */
static tn_status fetch(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype type, tn_status s) {
  return s == TN_OK && t != NULL ? tn__contiguous_of(ctx, out, t, type) : s;
}

static const char *data_of(const tn_tensor *t) { return t != NULL ? tn__data(t) : NULL; }

/* A bias comes with a weight: ones where there is none. */
static tn_status ones(tn_ctx *ctx, tn_tensor **out, const job *j, tn_dtype type) {
  const int64_t n = j->p * j->q;
  tn_status s = tn_tensor_new(ctx, out, type, 1, &n);
  for (int64_t k = 0; s == TN_OK && k < n; k++) put(j, tn__data(*out), k, 1);
  return s;
}

static tn_status normalize_run(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  const tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  tn_tensor *t[5] = {NULL}, *y = NULL;
  tn_status s = TN_OK;
  job j;
  read_job(&j, call->attrs, type);
  for (int k = 0; k < call->nin; k++) {
    tn_tensor *in = call->in[k];
    s = fetch(ctx, &t[k], in, k < 3 ? type : (tn_dtype)(in != NULL ? in->dtype : TN_F32), s);
  }
  if (s == TN_OK && t[2] != NULL && t[1] == NULL) s = ones(ctx, &t[1], &j, type);
  const bool direct = call->out[0]->dtype == type;
  if (s == TN_OK && direct) y = tn_tensor_retain(call->out[0]);
  else if (s == TN_OK) s = tn_tensor_new(ctx, &y, type, call->out[0]->ndim, call->out[0]->sizes);
  if (s == TN_OK && j.whose == TN_NORM_GIVEN) {
    tn__copy_view(ctx, call->out[1], t[3]);
    tn__copy_view(ctx, call->out[2], t[4]);
  }
  if (s == TN_OK && tn__numel(y) > 0) {
    j.x = tn__data(t[0]);
    j.weight = data_of(t[1]);
    j.bias = data_of(t[2]);
    j.y = tn__data(y);
    j.mean = tn__data(call->out[1]);
    j.var = tn__data(call->out[2]);
    run_job(ctx->pool, &j);
    if (!direct) s = tn__copy_view(ctx, call->out[0], y);
  }
  for (int k = 0; k < 5; k++) tn_tensor_release(t[k]);
  tn_tensor_release(y);
  return s;
}

/* -- Gradient ---------------------------------------------------------------------------------- */

/* The first of the tasks' arrays becomes the sum of them all. */
static void add_tasks(const job *j, char *parts) {
  const int64_t n = j->p * j->q;
  for (int64_t task = 1; task < j->tasks; task++) {
    for (int64_t k = 0; k < n; k++) add(j, parts, k, get(j, parts, task * n + k));
  }
}

/* A tensor from n numbers, as the input of that meta has them. */
static tn_status give(tn_grad_call *g, int input, const job *j, tn_dtype type,
                      const char *numbers) {
  const int64_t n = j->p * j->q;
  tn_tensor *t = NULL;
  tn_status s = tn_tensor_new(g->ctx, &t, type, 1, &n);
  if (s == TN_OK && n > 0) memcpy(tn__data(t), numbers, (size_t)n * j->item);
  if (s == TN_OK) s = tn__reduce_to(g->ctx, &t, &g->meta[input]);
  g->din[input] = t;
  return s;
}

static tn_status fused(tn_grad_call *g) {
  tn_ctx *ctx = g->ctx;
  const tn_dtype type = (tn_dtype)g->out[1]->dtype;
  tn_tensor *x = NULL, *d = NULL, *w = NULL, *dx = NULL;
  char *sums = NULL;
  const bool weight = g->nin > 1 && g->need[1], bias = g->nin > 2 && g->need[2];
  job j;
  read_job(&j, g->attrs, type);
  tn_status s = fetch(ctx, &x, g->in[0], type, TN_OK);
  s = fetch(ctx, &d, g->dout[0], type, s);
  s = fetch(ctx, &w, g->nin > 1 ? g->in[1] : NULL, type, s);
  if (s == TN_OK && g->need[0]) s = tn_tensor_new(ctx, &dx, type, x->ndim, x->sizes);
  const int64_t rows = j.r * j.p, n = j.p * j.q;
  j.tasks = by_rows(&j) && rows >= 4 * TASKS ? TASKS : 1;
  if (s == TN_OK && (weight || bias)) {
    sums = calloc((size_t)(2 * j.tasks * n + 1), j.item);
    if (sums == NULL) s = tn_fail(ctx, TN_ENOMEM, "not enough memory for the gradient");
  }
  if (s == TN_OK && tn__numel(x) > 0) {
    j.x = tn__data(x);
    j.d = tn__data(d);
    j.weight = data_of(w);
    j.y = dx != NULL ? tn__data(dx) : NULL;
    j.mean = tn__data(g->out[1]);
    j.var = tn__data(g->out[2]);
    j.dw = sums;
    j.db = sums != NULL ? at(&j, sums, j.tasks * n) : NULL;
    run_job(ctx->pool, &j);
    if (sums != NULL) add_tasks(&j, j.dw);
    if (sums != NULL) add_tasks(&j, j.db);
  }
  if (s == TN_OK && weight) s = give(g, 1, &j, type, sums);
  if (s == TN_OK && bias) s = give(g, 2, &j, type, at(&j, sums, j.tasks * n));
  if (s == TN_OK && dx != NULL) {
    s = tn__reduce_to(ctx, &dx, &g->meta[0]);
    g->din[0] = dx;
    dx = NULL;
  }
  free(sums);
  tn_tensor_release(dx);
  tn_tensor_release(x);
  tn_tensor_release(d);
  tn_tensor_release(w);
  return s;
}

static tn_tensor *over(tn_eval *e, tn_opcode code, tn_tensor *x, unsigned dims) {
  const tn_attrs a = {.i = {TN_DIM_SET(dims), 1}, .ni = 2};
  return tn__do(e, code, &a, 1, &x);
}

/* The same made of operations, which can be differentiated again. */
static tn_status composed(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  const tn_attrs *a = g->attrs;
  const tn_norm_whose whose = (tn_norm_whose)a->i[4];
  const bool rows = whose == TN_NORM_ROWS || whose == TN_NORM_SCALE;
  const unsigned own = rows ? 1u << 2 | 1u << 3 : 1u << 0 | 1u << 3, shared = 1u << 0 | 1u << 3;
  const int64_t affine[4] = {1, a->i[1], a->i[2], 1};
  const int64_t given[4] = {rows ? a->i[0] : 1, rows ? a->i[1] : 1, rows ? 1 : a->i[2], 1};
  tn_tensor *x = tn__reshaped(&e, g->in[0], 4, a->i), *d = tn__reshaped(&e, g->dout[0], 4, a->i);
  tn_tensor *c = x, *var, *slope = d;
  if (whose == TN_NORM_GIVEN) c = DO2(sub, x, tn__reshaped(&e, g->out[1], 4, given));
  else if (whose != TN_NORM_SCALE) c = DO2(sub, x, over(&e, TN_OP_mean_dims, x, own));
  if (whose == TN_NORM_GIVEN) var = tn__reshaped(&e, g->out[2], 4, given);
  else var = over(&e, TN_OP_mean_dims, DO1(square, c), own);
  tn_tensor *scale = DO1(rsqrt, DO2(add, var, tn__constant(&e, a->f[0])));
  tn_tensor *unit = DO2(mul, c, scale);
  if (g->nin > 1 && g->in[1] != NULL) {
    slope = DO2(mul, d, tn__reshaped(&e, g->in[1], 4, affine));
  }
  if (g->need[0]) {
    tn_tensor *r = slope;
    if (whose == TN_NORM_ROWS || whose == TN_NORM_BATCH) {
      r = DO2(sub, r, over(&e, TN_OP_mean_dims, slope, own));
    }
    if (whose != TN_NORM_GIVEN) {
      r = DO2(sub, r, DO2(mul, unit, over(&e, TN_OP_mean_dims, DO2(mul, slope, unit), own)));
    }
    r = DO2(mul, r, scale);
    g->din[0] = tn__keep(&e, tn__reshaped(&e, r, g->meta[0].ndim, g->meta[0].sizes));
  }
  if (g->nin > 1 && g->need[1]) {
    tn_tensor *r = over(&e, TN_OP_sum_dims, DO2(mul, d, unit), shared);
    g->din[1] = tn__keep(&e, tn__reshaped(&e, r, g->meta[1].ndim, g->meta[1].sizes));
  }
  if (g->nin > 2 && g->need[2]) {
    tn_tensor *r = over(&e, TN_OP_sum_dims, d, shared);
    g->din[2] = tn__keep(&e, tn__reshaped(&e, r, g->meta[2].ndim, g->meta[2].sizes));
  }
  for (int k = 0; k < 3 && k < g->nin && e.status == TN_OK; k++) {
    if (g->din[k] != NULL) e.status = tn__reduce_to(g->ctx, &g->din[k], &g->meta[k]);
  }
  return tn__eval_end(&e);
}

static tn_status normalize_grad(tn_grad_call *g) {
  if (g->dout[0] == NULL) return TN_OK;
  const bool here = !tn__elsewhere(g->dout[0]); /* a device has a fused kernel */
  return g->create_graph || !here ? composed(g) : fused(g);
}

const tn_op tn__op_normalize = {
    .name = "normalize", .convention = 'N', .nout = 3, .fixed = 2 | 4,
    .flags = TN_FLOATS | TN_HIDES,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_Y2 | TN_SAVE_Y3, .low = -2, .high = 2,
    .shape = normalize_shape, .run = normalize_run, .grad = normalize_grad,
    .doc = "Mean 0 and variance 1, then a weight and a bias."};
