/* reduce.c -- how a reduction walks through memory, whatever the strides.
 *
 * Rows: the reduced dimension is dense; each row becomes one value. Columns: another dimension is
 * dense; rows are added to a strip of running results. Short: the reduced dimension is short, and
 * its elements are fetched one by one. Only where nothing is dense are the values copied first.
 * Values of other dtypes are converted in pieces that stay in the first-level cache. */
#include "tensor/cpu/reduce.h"

#include <math.h>

enum {
  STRIP = 1024,     /* columns that are walked down together */
  STAGE = 2048,     /* elements of a row that are converted at a time */
  BLOCK_ROWS = 64,  /* rows whose float sums are kept apart, against rounding errors */
  SHORT_ROW = 32,
  PIECE = 1 << 15, PIECES = 1 << 12 /* of one long row */
};

typedef struct {
  int64_t size, x, out; /* strides in elements */
} kept_dim;

typedef struct {
  const tn_reduce_kernels *kernels;
  tn_reduction kind;
  int compute;
  tn_dtype type, x_dtype, out_dtype;
  const char *x;
  char *out;
  int64_t n, step; /* the reduced dimension */
  kept_dim wide;   /* of columns and short rows: the kept dimension that is walked innermost */
  kept_dim kept[TN_MAX_DIMS];
  int nkept;
  int64_t strips, pieces; /* of columns: for each outer position */
  double scale;
} job;

static bool is_arg(tn_reduction kind) { return kind == TN_RED_ARGMAX || kind == TN_RED_ARGMIN; }

/* The reduction that joins partial results. */
static tn_reduction join_of(tn_reduction kind) {
  return kind == TN_RED_SUMSQ || kind == TN_RED_SUMABS ? TN_RED_SUM : kind;
}

static int compute_of(tn_dtype type) {
  return type == TN_F32 ? TN_COMPUTE_F32 : type == TN_F64 ? TN_COMPUTE_F64 : TN_COMPUTE_I64;
}

/* `count` results of `type`, times scale, to out and on; `values` is overwritten. */
static void put(const job *j, int64_t out, int64_t out_step, int64_t count, void *values,
                tn_dtype type) {
  double wide[STRIP];
  if (j->scale != 1) {
    if (type != TN_F64) {
      tn__convert(count, wide, TN_F64, 1, values, type, 1);
      values = wide;
      type = TN_F64;
    }
    for (int64_t i = 0; i < count; i++) ((double *)values)[i] *= j->scale;
  }
  tn__convert(count, j->out + out * (int64_t)tn__item_size(j->out_dtype), j->out_dtype, out_step,
              values, type, 1);
}

/* Where kept position `index` lies in x and in the result. */
static void locate(const job *j, int64_t index, int64_t *x, int64_t *out) {
  *x = *out = 0;
  for (int d = j->nkept - 1; d >= 0; d--) {
    int64_t at = index % j->kept[d].size;
    index /= j->kept[d].size;
    *x += at * j->kept[d].x;
    *out += at * j->kept[d].out;
  }
}

/* -- Rows -------------------------------------------------------------------------------------- */

/* One dense row: a double, or an int64. */
static void reduce_row(const job *j, const char *x, int64_t n, void *value) {
  tn_reduce_row *row = j->kernels->row[j->kind][j->compute];
  if (j->x_dtype == j->type) {
    row(n, x, value);
    return;
  }
  const int joined = j->compute == TN_COMPUTE_I64 ? TN_COMPUTE_I64 : TN_COMPUTE_F64;
  _Alignas(64) char buffer[STAGE * 8];
  double parts[2];
  for (int64_t done = 0; done < n || done == 0; done += STAGE) {
    int64_t m = n - done < STAGE ? n - done : STAGE;
    tn__convert(m, buffer, j->type, 1, x + done * (int64_t)tn__item_size(j->x_dtype), j->x_dtype,
                1);
    row(m, buffer, &parts[done > 0]);
    if (done > 0) j->kernels->row[join_of(j->kind)][joined](2, parts, &parts[0]);
  }
  memcpy(value, parts, sizeof parts[0]);
}

/* [begin, end) counts rows. */
static void reduce_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t item = (int64_t)tn__item_size(j->x_dtype);
  const bool ints = j->compute == TN_COMPUTE_I64 || is_arg(j->kind);
  const kept_dim single = {1, 0, 1}, *last = j->nkept > 0 ? &j->kept[j->nkept - 1] : &single;
  double values[STRIP];
  while (begin < end) { /* runs of rows whose results lie side by side */
    int64_t x, out, count = 0;
    int64_t most = last->size - begin % last->size;
    locate(j, begin, &x, &out);
    if (most > end - begin) most = end - begin;
    if (most > STRIP) most = STRIP;
    for (; count < most; count++) {
      reduce_row(j, j->x + (x + count * last->x) * item, j->n, &values[count]);
    }
    put(j, out, last->out, count, values, ints ? TN_I64 : TN_F64);
    begin += count;
  }
}

/* -- Short rows: several at a time, with any strides ------------------------------------------- */

#define LARGER(a, b) (!((b) <= (a)) && (a) == (a) ? (b) : (a))
#define SMALLER(a, b) (!((b) >= (a)) && (a) == (a) ? (b) : (a))

#define SHORT_CASE(kind, T, expression)                                                           \
  case kind:                                                                                      \
    for (int64_t i = 0; i < rows; i++) {                                                          \
      const T *v = x + i * rows_apart;                                                            \
      T a = start;                                                                                \
      for (int64_t k = 0; k < n; k++) {                                                           \
        const T b = v[k * step];                                                                  \
        a = (T)(expression);                                                                      \
      }                                                                                           \
      out[i] = a;                                                                                 \
    }                                                                                             \
    break;

#define SHORT_ROWS(name, T, U)                                                                    \
  static void name(tn_reduction kind, int64_t rows, int64_t n, const T *x, int64_t rows_apart,    \
                   int64_t step, T start, T *out) {                                               \
    switch (kind) {                                                                               \
      SHORT_CASE(TN_RED_SUM, T, (U)a + (U)b)                                                      \
      SHORT_CASE(TN_RED_PROD, T, (U)a * (U)b)                                                     \
      SHORT_CASE(TN_RED_MAX, T, LARGER(a, b))                                                     \
      SHORT_CASE(TN_RED_MIN, T, SMALLER(a, b))                                                    \
      SHORT_CASE(TN_RED_SUMSQ, T, (U)a + (U)b * (U)b)                                             \
    default:                                                                                      \
      SHORT_CASE(TN_RED_SUMABS, T, (U)a + (U)(b < 0 ? -b : b))                                    \
    }                                                                                             \
  }

SHORT_ROWS(short_f32, float, float)
SHORT_ROWS(short_f64, double, double)
SHORT_ROWS(short_i64, int64_t, uint64_t) /* integers wrap around */

static double start_of(tn_reduction kind) {
  if (kind == TN_RED_MAX || kind == TN_RED_MIN) return kind == TN_RED_MAX ? -INFINITY : INFINITY;
  return kind == TN_RED_PROD;
}

static int64_t start_of_ints(tn_reduction kind) {
  return kind == TN_RED_MAX ? INT64_MIN : kind == TN_RED_MIN ? INT64_MAX : kind == TN_RED_PROD;
}

/* [begin, end) counts strips of short rows. */
static void reduce_short(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  _Alignas(64) char total[STRIP * 8];
  for (int64_t s = begin; s < end; s++) {
    int64_t x, out, first = s % j->strips * STRIP, count = j->wide.size - first;
    if (count > STRIP) count = STRIP;
    locate(j, s / j->strips, &x, &out);
    const char *from = j->x + (x + first * j->wide.x) * (int64_t)tn__item_size(j->type);
    if (j->compute == TN_COMPUTE_F32) {
      short_f32(j->kind, count, j->n, (const float *)from, j->wide.x, j->step,
                (float)start_of(j->kind), (float *)total);
    } else if (j->compute == TN_COMPUTE_F64) {
      short_f64(j->kind, count, j->n, (const double *)from, j->wide.x, j->step, start_of(j->kind),
                (double *)total);
    } else {
      short_i64(j->kind, count, j->n, (const int64_t *)from, j->wide.x, j->step,
                start_of_ints(j->kind), (int64_t *)total);
    }
    put(j, out + first * j->wide.out, j->wide.out, count, total, j->type);
  }
}

/* -- Columns ----------------------------------------------------------------------------------- */

static void neutral(const job *j, void *acc, int64_t n) {
  const double start = start_of(j->kind);
  if (j->compute == TN_COMPUTE_F32) {
    for (int64_t i = 0; i < n; i++) ((float *)acc)[i] = (float)start;
  } else if (j->compute == TN_COMPUTE_F64) {
    for (int64_t i = 0; i < n; i++) ((double *)acc)[i] = start;
  } else {
    for (int64_t i = 0; i < n; i++) ((int64_t *)acc)[i] = start_of_ints(j->kind);
  }
}

/* Rows [row, stop) of `width` columns into acc. */
static void walk_down(const job *j, const char *x, int64_t row, int64_t stop, int64_t width,
                      void *acc) {
  tn_reduce_column *step = j->kernels->column[j->kind][j->compute];
  const int64_t item = (int64_t)tn__item_size(j->x_dtype);
  if (j->x_dtype == j->type) {
    step(stop - row, width, x + row * j->step * item, j->step, acc);
    return;
  }
  _Alignas(64) char buffer[4][STRIP * 8];
  while (row < stop) {
    int64_t rows = stop - row < 4 ? stop - row : 4;
    for (int64_t k = 0; k < rows; k++) {
      tn__convert(width, buffer[k], j->type, 1, x + (row + k) * j->step * item, j->x_dtype, 1);
    }
    step(rows, width, buffer, (int64_t)(sizeof buffer[0] / tn__item_size(j->type)), acc);
    row += rows;
  }
}

/* [begin, end) counts pieces of strips: strip by strip of each outer position, and of each strip
 * `pieces` runs of rows, whose results become rows of the result. */
static void reduce_columns(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  tn_reduce_column *join = j->kernels->column[join_of(j->kind)][j->compute];
  _Alignas(64) char part[STRIP * 8], total[STRIP * 8];
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t s = unit / j->pieces, piece = unit % j->pieces, x, out;
    int64_t first = s % j->strips * STRIP, width = j->wide.size - first;
    int64_t row = j->n * piece / j->pieces, last = j->n * (piece + 1) / j->pieces;
    if (width > STRIP) width = STRIP;
    locate(j, s / j->strips, &x, &out);
    const char *from = j->x + (x + first * j->wide.x) * (int64_t)tn__item_size(j->x_dtype);
    neutral(j, total, width);
    while (row < last) {
      int64_t stop = last - row < BLOCK_ROWS ? last : row + BLOCK_ROWS;
      neutral(j, part, width);
      walk_down(j, from, row, stop, width, part);
      join(1, width, part, 0, total);
      row = stop;
    }
    put(j, out * j->pieces + piece * j->wide.size + first * j->wide.out, j->wide.out, width, total,
        j->type);
  }
}

static void run_columns(tn_ctx *ctx, job *j, int64_t outer) {
  int64_t work = STRIP < j->wide.size ? STRIP : j->wide.size;
  work *= j->n / j->pieces > 0 ? j->n / j->pieces : 1;
  if (work < 1) return; /* of no column there is nothing to reduce */
  j->strips = (j->wide.size + STRIP - 1) / STRIP;
  if (work == 0) return; /* no results */
  tn__pool_run(ctx->pool, outer * j->strips * j->pieces, TN_GRAIN / work + 1, reduce_columns, j);
}

/* Few long columns: first several runs of rows at a time, then these. */
static tn_status reduce_in_pieces(tn_ctx *ctx, job *j) {
  job first = *j, second = *j;
  int64_t pieces = j->n / 64 < 32 ? j->n / 64 : 32;
  char *parts = tn__take(ctx->allocator, (size_t)(pieces * j->wide.size) * tn__item_size(j->type));
  if (parts == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for a reduction");
  first.pieces = pieces;
  first.out = parts;
  first.out_dtype = j->type;
  first.wide.out = 1;
  first.scale = 1;
  run_columns(ctx, &first, 1);
  second.kind = join_of(j->kind);
  second.x = parts;
  second.x_dtype = j->type;
  second.n = pieces;
  second.step = j->wide.size;
  second.wide.x = 1;
  run_columns(ctx, &second, 1);
  tn__give(parts);
  return TN_OK;
}

/* -- One long row: pieces in parallel, then the pieces' results -------------------------------- */

static tn_status reduce_long_row(tn_ctx *ctx, job *j) {
  int64_t pieces = (j->n + PIECE - 1) / PIECE, piece = PIECE;
  if (pieces > PIECES) {
    piece = (j->n + PIECES - 1) / PIECES;
    pieces = (j->n + piece - 1) / piece;
  }
  double *parts = tn__take(ctx->allocator, (size_t)pieces * sizeof *parts), value[1];
  if (parts == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for a reduction");
  const bool ints = j->compute == TN_COMPUTE_I64;
  job inner = *j;
  inner.n = piece;
  inner.nkept = 1;
  inner.kept[0] = (kept_dim){pieces - 1, piece, 1};
  inner.out = (char *)parts;
  inner.out_dtype = ints ? TN_I64 : TN_F64;
  inner.scale = 1;
  tn__pool_run(ctx->pool, pieces - 1, 1, reduce_rows, &inner);
  int64_t last = (pieces - 1) * piece;
  reduce_row(j, j->x + last * (int64_t)tn__item_size(j->x_dtype), j->n - last, &parts[pieces - 1]);
  j->kernels->row[join_of(j->kind)][ints ? TN_COMPUTE_I64 : TN_COMPUTE_F64](pieces, parts, value);
  put(j, 0, 1, 1, value, inner.out_dtype);
  tn__give(parts);
  return TN_OK;
}

/* -- Which way --------------------------------------------------------------------------------- */

/* Joins neighbouring kept dimensions that both sides step through evenly. */
static void coalesce(job *j) {
  int to = -1;
  for (int d = 0; d < j->nkept; d++) {
    kept_dim k = j->kept[d];
    if (k.size == 1) continue;
    if (to >= 0 && j->kept[to].x == k.x * k.size && j->kept[to].out == k.out * k.size) {
      k.size *= j->kept[to].size;
      j->kept[to] = k;
    } else {
      j->kept[++to] = k;
    }
  }
  j->nkept = to + 1;
}

static int64_t kept_count(const job *j) {
  int64_t count = 1;
  for (int d = 0; d < j->nkept; d++) count *= j->kept[d].size;
  return count;
}

/* Makes kept dimension d the wide one. */
static void widen(job *j, int d) {
  j->wide = (kept_dim){1, 1, 1};
  if (d < 0) return;
  j->wide = j->kept[d];
  for (j->nkept--; d < j->nkept; d++) j->kept[d] = j->kept[d + 1];
}

/* False, and nothing done, where no dimension is dense. */
static bool walk(tn_ctx *ctx, job *j, tn_status *status) {
  int dense = -1;
  *status = TN_OK;
  coalesce(j);
  for (int d = 0; d < j->nkept; d++) {
    if (j->kept[d].x == 1) dense = d;
  }
  const bool arg = is_arg(j->kind);
  if (!arg && dense < 0 && j->nkept > 0 && j->n < SHORT_ROW && j->x_dtype == j->type) {
    widen(j, j->nkept - 1);
    j->strips = (j->wide.size + STRIP - 1) / STRIP;
    tn__pool_run(ctx->pool, kept_count(j) * j->strips, TN_GRAIN / (STRIP * (j->n + 1)) + 1,
                 reduce_short, j);
    return true;
  }
  if (j->step == 1 || j->n <= 1) {
    if (j->nkept == 0 && j->n > 2 * PIECE && !arg) *status = reduce_long_row(ctx, j);
    else tn__pool_run(ctx->pool, kept_count(j), TN_GRAIN / (j->n + 1) + 1, reduce_rows, j);
    return true;
  }
  if (dense < 0 || arg) return false;
  widen(j, dense);
  j->pieces = 1;
  if (j->nkept == 0 && j->wide.size <= 4 * STRIP && j->n >= 256 &&
      j->n * j->wide.size > 2 * TN_GRAIN) {
    *status = reduce_in_pieces(ctx, j);
  } else {
    run_columns(ctx, j, kept_count(j));
  }
  return true;
}

/* Narrow columns in memory without gaps: `fold` rows count as one wide row, whose results are then
 * reduced in turn. Returns how many; 1: not worth while. */
static int64_t fold_of(const job *j, int64_t outer) {
  if (is_arg(j->kind) || j->wide.size >= 32 || outer != 1 || j->step != j->wide.size) return 1;
  return j->n >= 4096 ? STRIP / j->wide.size : 1;
}

/* x seen as kept dimensions and the reduced one; a reduction of everything keeps none of them, and
 * the order of its dimensions does not matter. */
static void describe(job *j, const tn_tensor *x, int dim) {
  int64_t out = 1;
  j->x = tn__data(x);
  j->x_dtype = (tn_dtype)x->dtype;
  j->n = 1;
  j->step = 1;
  j->nkept = 0;
  if (dim == TN_ALL_DIMS) {
    j->n = tn__numel(x);
    return;
  }
  j->n = x->sizes[dim];
  j->step = x->strides[dim];
  for (int d = 0; d < x->ndim; d++) {
    if (d != dim) j->kept[j->nkept++] = (kept_dim){x->sizes[d], x->strides[d], 0};
  }
  for (int k = j->nkept - 1; k >= 0; k--) {
    j->kept[k].out = out;
    out *= j->kept[k].size;
  }
}

/* Do the elements lie without gaps, in whatever order of the dimensions? */
static bool dense(const tn_tensor *x) {
  tn_tensor t = *x;
  for (int d = 1; d < t.ndim; d++) { /* sorted by strides */
    for (int k = d; k > 0 && t.strides[k - 1] < t.strides[k]; k--) {
      int64_t size = t.sizes[k], stride = t.strides[k];
      t.sizes[k] = t.sizes[k - 1], t.strides[k] = t.strides[k - 1];
      t.sizes[k - 1] = size, t.strides[k - 1] = stride;
    }
  }
  return tn__contiguous(&t);
}

static tn_status reduce_folded(tn_ctx *ctx, job *j, int64_t fold);

static tn_status reduce_view(tn_ctx *ctx, job *j, const tn_tensor *x, int dim, bool *done) {
  tn_status s = TN_OK;
  describe(j, x, dim);
  *done = true;
  if (kept_count(j) == 0) return TN_OK; /* there is no result */
  if (dim != TN_ALL_DIMS && j->nkept > 0) {
    job narrow = *j;
    coalesce(&narrow);
    if (narrow.nkept == 1 && narrow.kept[0].x == 1) {
      widen(&narrow, 0);
      int64_t fold = fold_of(&narrow, 1);
      if (fold > 1) return reduce_folded(ctx, &narrow, fold);
    }
  }
  *done = walk(ctx, j, &s);
  return s;
}

static tn_status reduce_folded(tn_ctx *ctx, job *j, int64_t fold) {
  const int64_t width = j->wide.size, rows = j->n / fold, rest = j->n % fold;
  const int64_t item = (int64_t)tn__item_size(j->type);
  /* the folded rows' results, and behind them the rest of the rows as they are */
  char *parts = tn__take(ctx->allocator, (size_t)((fold + rest) * width * item));
  if (parts == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for a reduction");
  job wide = *j, last = *j;
  wide.n = rows;
  wide.step = wide.wide.size = fold * width;
  wide.wide.out = 1;
  wide.out = parts;
  wide.out_dtype = j->type;
  wide.scale = 1;
  tn_status s = TN_OK;
  wide.pieces = 1;
  if (wide.n >= 1024) s = reduce_in_pieces(ctx, &wide);
  else run_columns(ctx, &wide, 1);
  job single = wide; /* each remaining row: what one row alone gives */
  single.x = j->x + rows * fold * width * (int64_t)tn__item_size(j->x_dtype);
  single.out = parts + fold * width * item;
  single.n = 1;
  single.step = rest * width;
  single.wide.size = rest * width;
  if (s == TN_OK && rest > 0) run_columns(ctx, &single, 1);
  last.kind = join_of(j->kind);
  last.x = parts;
  last.x_dtype = j->type;
  last.n = fold + rest;
  last.step = width;
  last.pieces = 1;
  if (s == TN_OK) run_columns(ctx, &last, 1);
  tn__give(parts);
  return s;
}

tn_status tn__reduce(tn_ctx *ctx, tn_tensor *out, tn_tensor *x, tn_reduction kind, int dim,
                     double scale) {
  tn_dtype type = tn__compute_dtype((tn_dtype)x->dtype);
  tn_tensor *flat = NULL, *turned = NULL;
  bool done = false;
  tn_status s = TN_OK;
  if (type == TN_I64 && (kind == TN_RED_SUMSQ || kind == TN_RED_SUMABS)) type = TN_F64;
  if (is_arg(kind) && dim != TN_ALL_DIMS && dim != x->ndim - 1) { /* the dimension goes last */
    int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
    int to = 0;
    for (int d = 0; d < x->ndim; d++) {
      if (d == dim) continue;
      sizes[to] = x->sizes[d];
      strides[to++] = x->strides[d];
    }
    sizes[to] = x->sizes[dim];
    strides[to] = x->strides[dim];
    s = tn__alias(ctx, &turned, x, x->ndim, sizes, strides, x->offset);
    if (s != TN_OK) return s;
    x = turned;
    dim = x->ndim - 1;
  }
  job j = {.kernels = TN_ISA_PICK(&tn__reduce_kernels), .kind = kind, .compute = compute_of(type),
           .type = type, .out = tn__data(out), .out_dtype = (tn_dtype)out->dtype, .scale = scale};
  bool as_it_is = !is_arg(kind) && (dim != TN_ALL_DIMS || dense(x));
  if (as_it_is || (x->dtype == type && tn__contiguous(x))) s = reduce_view(ctx, &j, x, dim, &done);
  if (s == TN_OK && !done) {
    s = tn__contiguous_of(ctx, &flat, x, type);
    if (s == TN_OK) s = reduce_view(ctx, &j, flat, dim, &done);
  }
  tn_tensor_release(flat);
  tn_tensor_release(turned);
  return s;
}
