/* reduce.c -- how a reduction walks: rows when the dimension is innermost, else columns. */
#include "tensor/cpu/reduce.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
  const tn_reduce_kernels *kernels;
  tn_reduction kind;
  int compute;
  int64_t n, inner; /* x is (outer, n, inner) */
  const char *x;
  char *out;
  tn_dtype out_dtype;
  double scale;
  bool failed;
} job;

enum { COLUMN_BLOCK = 256, PIECE = 1 << 15, PIECES = 1 << 12 };

static bool is_arg(tn_reduction kind) { return kind == TN_RED_ARGMAX || kind == TN_RED_ARGMIN; }

static void put(const job *j, int64_t at, const void *value) {
  if (j->compute == TN_COMPUTE_I64 && j->scale == 1 && j->kind != TN_RED_SUMSQ) {
    tn__convert(1, j->out + at * (int64_t)tn__item_size(j->out_dtype), j->out_dtype, 1, value,
                TN_I64, 1);
  } else if (is_arg(j->kind)) {
    tn__store(j->out, j->out_dtype, at, (double)*(const int64_t *)value);
  } else {
    double v = j->compute == TN_COMPUTE_I64 ? (double)*(const int64_t *)value
                                            : *(const double *)value;
    tn__store(j->out, j->out_dtype, at, v * j->scale);
  }
}

static size_t item_of(int compute) { return compute == TN_COMPUTE_F32 ? 4 : 8; }

static void reduce_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t r = begin; r < end; r++) {
    int64_t value[1];
    j->kernels->row[j->kind][j->compute](j->n, j->x + r * j->n * (int64_t)item_of(j->compute),
                                         value);
    put(j, r, value);
  }
}

static void neutral(const job *j, void *acc, int64_t n) {
  static const double start[] = {[TN_RED_SUM] = 0, [TN_RED_PROD] = 1, [TN_RED_MAX] = -INFINITY,
                                 [TN_RED_MIN] = INFINITY, [TN_RED_SUMSQ] = 0,
                                 [TN_RED_SUMABS] = 0};
  for (int64_t i = 0; i < n; i++) {
    if (j->compute == TN_COMPUTE_F32) ((float *)acc)[i] = (float)start[j->kind];
    else if (j->compute == TN_COMPUTE_F64) ((double *)acc)[i] = start[j->kind];
    else ((int64_t *)acc)[i] = j->kind == TN_RED_MAX   ? INT64_MIN
                               : j->kind == TN_RED_MIN ? INT64_MAX
                                                       : (int64_t)start[j->kind];
  }
}

/* Strips of up to COLUMN_BLOCK columns, each walked down: [begin, end) counts strips. */
static void reduce_columns(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t item = (int64_t)item_of(j->compute);
  const int64_t strips = (j->inner + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
  tn_reduce_column *step = j->kernels->column[j->kind][j->compute];
  /* partial results of 64 rows keep the rounding errors of float32 sums small */
  tn_reduce_column *join = j->kernels->column[j->kind == TN_RED_SUMSQ || j->kind == TN_RED_SUMABS
                                                  ? TN_RED_SUM : j->kind][j->compute];
  _Alignas(64) char part[COLUMN_BLOCK * 8], total[COLUMN_BLOCK * 8];
  for (int64_t s = begin; s < end; s++) {
    int64_t outer = s / strips, first = s % strips * COLUMN_BLOCK;
    int64_t width = j->inner - first < COLUMN_BLOCK ? j->inner - first : COLUMN_BLOCK;
    const char *x = j->x + (outer * j->n * j->inner + first) * item;
    neutral(j, total, width);
    for (int64_t row = 0; row < j->n;) {
      int64_t stop = j->n - row < 64 ? j->n : row + 64;
      neutral(j, part, width);
      for (; row < stop; row++) step(width, x + row * j->inner * item, part);
      join(width, part, total);
    }
    for (int64_t i = 0; i < width; i++) {
      double wide;
      const void *value = total + i * item;
      if (j->compute != TN_COMPUTE_I64) {
        wide = j->compute == TN_COMPUTE_F32 ? ((float *)total)[i] : ((double *)total)[i];
        value = &wide;
      }
      put(j, outer * j->inner + first + i, value);
    }
  }
}

/* One long row: pieces in parallel, then the pieces' results. */
static tn_status reduce_long_row(tn_ctx *ctx, job *j) {
  int64_t pieces = (j->n + PIECE - 1) / PIECE, piece = PIECE;
  if (pieces > PIECES) {
    pieces = PIECES;
    piece = (j->n + pieces - 1) / pieces;
    pieces = (j->n + piece - 1) / piece;
  }
  double *parts = malloc((size_t)pieces * sizeof *parts);
  if (parts == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for a reduction");
  job inner = *j;
  inner.n = piece;
  inner.out = (char *)parts;
  inner.out_dtype = j->compute == TN_COMPUTE_I64 ? TN_I64 : TN_F64;
  inner.scale = 1;
  tn__pool_run(ctx->pool, pieces - 1, 1, reduce_rows, &inner);
  int64_t value[1], last = (pieces - 1) * piece;
  j->kernels->row[j->kind][j->compute](j->n - last,
                                       j->x + last * (int64_t)item_of(j->compute), value);
  memcpy(&parts[pieces - 1], value, sizeof *parts);
  tn_reduction join = j->kind == TN_RED_SUMSQ || j->kind == TN_RED_SUMABS ? TN_RED_SUM : j->kind;
  j->kernels->row[join][j->compute == TN_COMPUTE_I64 ? TN_COMPUTE_I64 : TN_COMPUTE_F64](
      pieces, parts, value);
  put(j, 0, value);
  free(parts);
  return TN_OK;
}

tn_status tn__reduce(tn_ctx *ctx, tn_tensor *out, tn_tensor *x, tn_reduction kind, int dim,
                     double scale) {
  tn_dtype type = tn__compute_dtype((tn_dtype)x->dtype);
  tn_tensor *flat = NULL, *turned = NULL;
  tn_status s;
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
  s = tn__contiguous_of(ctx, &flat, x, type);
  if (s == TN_OK) {
    job j = {.kernels = TN_ISA_PICK(&tn__reduce_kernels), .kind = kind, .n = 1, .inner = 1,
             .compute = type == TN_F32 ? TN_COMPUTE_F32
                        : type == TN_F64 ? TN_COMPUTE_F64 : TN_COMPUTE_I64,
             .x = tn__data(flat), .out = tn__data(out), .out_dtype = (tn_dtype)out->dtype,
             .scale = scale};
    int64_t outer = 1;
    for (int d = 0; d < flat->ndim; d++) {
      if (dim == TN_ALL_DIMS || d == dim) j.n *= flat->sizes[d];
      else if (d < dim) outer *= flat->sizes[d];
      else j.inner *= flat->sizes[d];
    }
    if (j.inner == 1 && outer == 1 && j.n > 2 * PIECE && !is_arg(kind)) {
      s = reduce_long_row(ctx, &j);
    } else if (j.inner == 1) {
      int64_t grain = TN_GRAIN / (j.n > 0 ? j.n : 1) + 1;
      tn__pool_run(ctx->pool, outer, grain, reduce_rows, &j);
    } else {
      int64_t strips = outer * ((j.inner + COLUMN_BLOCK - 1) / COLUMN_BLOCK);
      tn__pool_run(ctx->pool, strips, TN_GRAIN / (COLUMN_BLOCK * (j.n > 0 ? j.n : 1)) + 1,
                   reduce_columns, &j);
    }
  }
  tn_tensor_release(flat);
  tn_tensor_release(turned);
  return s;
}
