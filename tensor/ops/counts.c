/* counts.c -- histc, bhistc, bincount, histogram, searchsorted and bucketize: which of an ordered
 * row of bins elements fall into. */
#include <math.h>

#include "tensor/cpu/reduce.h"
#include "tensor/device.h"
#include "tensor/ops/lines.h"

/* The smallest and the greatest of the values on a device, found there. */
static tn_status extremes(tn_call *call, tn_tensor *x, double *low, double *high) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *least = tn__do(&e, TN_OP_min, NULL, 1, &x), *most = tn__do(&e, TN_OP_max, NULL, 1, &x);
  if (most != NULL) {
    *low = tn_tensor_get(least, 0);
    *high = tn_tensor_get(most, 0);
  }
  return tn__eval_end(&e);
}

static bool is_float(const tn_tensor *t) { return tn_dtype_is_float((tn_dtype)t->dtype); }

/* -- histc, bhistc: i[0] bins, f[0] and f[1] the range, x's where they are equal ------ */

typedef struct {
  const double *x;
  int64_t n, bins, slots;
  double low, high;
  int64_t *counts;
} job;

/* Elements outside of the range are left out; its upper end belongs to the last bin. */
static void count_range(const job *j, int64_t begin, int64_t end, int64_t *counts) {
  const double scale = (double)j->bins / (j->high - j->low);
  for (int64_t i = begin; i < end; i++) {
    const double v = j->x[i];
    if (!(v >= j->low && v <= j->high)) continue;
    int64_t bin = (int64_t)((v - j->low) * scale);
    counts[bin < j->bins ? bin : j->bins - 1]++;
  }
}

static void count_slots(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t slot = begin; slot < end; slot++) {
    count_range(j, j->n * slot / j->slots, j->n * (slot + 1) / j->slots,
                j->counts + slot * j->bins);
  }
}

static tn_status bins_of(tn_call *call, int64_t *bins) {
  *bins = tn__int(call->attrs, 0, 100);
  if (*bins >= 1 && *bins <= (int64_t)1 << 40) return TN_OK;
  return tn_fail(call->ctx, TN_EARG, "%lld bins asked for, at least 1 expected", (long long)*bins);
}

/* x NULL: low and high are the extremes of its n elements already. */
static tn_status range_of(tn_call *call, const double *x, int64_t n, double *low, double *high) {
  const bool own = call->attrs->f[0] == call->attrs->f[1] && n > 0;
  if (!own) {
    *low = call->attrs->f[0];
    *high = call->attrs->f[1];
  } else if (x != NULL) {
    *low = INFINITY, *high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
      *low = x[i] < *low || x[i] != x[i] ? x[i] : *low;
      *high = x[i] > *high || x[i] != x[i] ? x[i] : *high;
    }
  }
  if (*low == *high) *low -= 1, *high += 1;
  if (*low < *high && isfinite(*high - *low)) return TN_OK;
  return tn_fail(call->ctx, TN_EARG, "the range from %g to %g is none", *low, *high);
}

static tn_status histc_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  m->dtype = call->in[0]->dtype;
  m->ndim = 1;
  return bins_of(call, &m->sizes[0]);
}

/* Counts n elements into out[0 ... bins - 1], of any dtype. */
static tn_status count_row(tn_call *call, const double *x, int64_t n, tn_tensor *out,
                           int64_t first) {
  job j = {.x = x, .n = n, .slots = 1};
  tn_tensor *counts = NULL;
  tn_status s = bins_of(call, &j.bins);
  if (s == TN_OK) s = range_of(call, x, n, &j.low, &j.high);
  /* counts of its own for each thread, where there is more to count than to add up */
  if (n > TN_GRAIN && j.bins < n / 64) j.slots = tn__pool_threads(call->ctx->pool);
  if (s == TN_OK) s = tn_tensor_new(call->ctx, &counts, TN_I64, 2, (int64_t[]){j.slots, j.bins});
  if (s != TN_OK) return s;
  j.counts = (int64_t *)(void *)tn__data(counts);
  memset(j.counts, 0, (size_t)(j.slots * j.bins) * sizeof(int64_t));
  tn__pool_run(call->ctx->pool, j.slots, 1, count_slots, &j);
  for (int64_t slot = 1; slot < j.slots; slot++) {
    for (int64_t k = 0; k < j.bins; k++) j.counts[k] += j.counts[slot * j.bins + k];
  }
  const tn_dtype dtype = (tn_dtype)out->dtype;
  tn__convert(j.bins, tn__data(out) + first * (int64_t)tn__item_size(dtype), dtype, 1, j.counts,
              TN_I64, 1);
  tn_tensor_release(counts);
  return TN_OK;
}

static tn_status histc_run(tn_call *call) {
  tn_tensor *x;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], TN_F64);
  if (s != TN_OK) return s;
  s = count_row(call, (const double *)(void *)tn__data(x), tn__numel(x), call->out[0], 0);
  tn_tensor_release(x);
  return s;
}

static tn_status bhistc_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  if (call->in[0]->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "a matrix expected, got %d dimensions",
                   call->in[0]->ndim);
  }
  m->dtype = call->in[0]->dtype;
  m->ndim = 2;
  m->sizes[0] = call->in[0]->sizes[0];
  return bins_of(call, &m->sizes[1]);
}

static tn_status bhistc_run(tn_call *call) {
  tn_tensor *x, *out = call->out[0];
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], TN_F64);
  if (s != TN_OK) return s;
  const int64_t n = x->sizes[1], bins = out->sizes[1];
  for (int64_t row = 0; row < x->sizes[0] && s == TN_OK; row++) {
    s = count_row(call, (const double *)(void *)tn__data(x) + row * n, n, out, row * bins);
  }
  tn_tensor_release(x);
  return s;
}

#define HISTC_ROW(name_, doc_)                                                                    \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = "T x; i bins=100; n min=0; n max=0",                 \
      .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,       \
      .shape = name_##_shape, .run = name_##_run, .no_grad = "a count", .doc = doc_};

HISTC_ROW(histc, "How many elements fall into each of the bins from min to max, which are those of "
                 "x where they are equal.")
HISTC_ROW(bhistc, "histc of each row of a matrix.")

/* -- bincount: values count from index_base, as class labels do; i[0] is the least size - */

/* The smallest and the greatest of the labels. */
static tn_status labels_range(tn_call *call, int64_t *bottom, int64_t *top) {
  tn_tensor *flat;
  tn__touch(call->in[0]->storage);
  if (tn__elsewhere(call->in[0])) {
    double low = 0, high = 0;
    tn_status s = extremes(call, call->in[0], &low, &high);
    *bottom = low > -0x1p62 ? (int64_t)low : INT64_MIN;
    *top = high < 0x1p62 ? (int64_t)high : INT64_MAX;
    return s;
  }
  tn_status s = tn__contiguous_of(call->ctx, &flat, call->in[0], TN_I64);
  if (s != TN_OK) return s;
  const int64_t *v = (const int64_t *)(void *)tn__data(flat);
  *bottom = *top = v[0];
  for (int64_t i = 1, n = tn__numel(flat); i < n; i++) {
    *top = v[i] > *top ? v[i] : *top;
    *bottom = v[i] < *bottom ? v[i] : *bottom;
  }
  tn_tensor_release(flat);
  return TN_OK;
}

static tn_status bincount_shape(tn_call *call) {
  const tn_tensor *x = call->in[0], *weights = call->nin > 1 ? call->in[1] : NULL;
  const int64_t least = tn__int(call->attrs, 0, 0), n = tn__numel(x);
  tn_meta *m = &call->meta[0];
  if (is_float(x) || x->ndim > 1) {
    return tn_fail(call->ctx, TN_EDTYPE, "a vector of integers expected");
  }
  if (weights != NULL && tn__numel(weights) != n) {
    return tn_fail(call->ctx, TN_ESHAPE, "%lld weights for %lld elements",
                   (long long)tn__numel(weights), (long long)n);
  }
  const int64_t base = call->ctx->index_base;
  int64_t top = base - 1, bottom = base;
  tn_status s = n > 0 ? labels_range(call, &bottom, &top) : TN_OK;
  if (s != TN_OK) return s;
  if (bottom < base || top > (int64_t)1 << 40) {
    return tn_fail(call->ctx, TN_EINDEX, "%lld cannot be counted: values from %lld on expected",
                   (long long)(bottom < base ? bottom : top), (long long)base);
  }
  m->ndim = 1;
  m->sizes[0] = top + 1 - base > least ? top + 1 - base : least;
  m->dtype = weights == NULL ? TN_I64 : weights->dtype == TN_F32 ? TN_F32 : TN_F64;
  return TN_OK;
}

static tn_status bincount_run(tn_call *call) {
  tn_tensor *x = NULL, *weights = NULL, *to = NULL;
  const bool weighted = call->nin > 1 && call->in[1] != NULL;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], TN_I64);
  if (s == TN_OK && weighted) s = tn__contiguous_of(call->ctx, &weights, call->in[1], TN_F64);
  if (s == TN_OK) s = tn__result_begin(call, 0, weighted ? TN_F64 : TN_I64, &to);
  if (s == TN_OK) {
    const int64_t *v = (const int64_t *)(void *)tn__data(x), base = call->ctx->index_base;
    const int64_t n = tn__numel(x);
    memset(tn__data(to), 0, (size_t)tn__numel(to) * 8);
    int64_t *counts = (int64_t *)(void *)tn__data(to);
    double *sums = (double *)(void *)tn__data(to);
    if (weighted) {
      const double *w = (const double *)(void *)tn__data(weights);
      for (int64_t i = 0; i < n; i++) sums[v[i] - base] += w[i];
    } else {
      for (int64_t i = 0; i < n; i++) counts[v[i] - base]++;
    }
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(x);
  tn_tensor_release(weights);
  return s;
}

const tn_op tn__op_bincount = {
    .name = "bincount", .lua = "bincount", .args = "T x; T? weights; i minlength=0",
    .convention = 'C', .flags = TN_INTEGERS, .nout = 1, .low = 1, .high = 9,
    .shape = bincount_shape, .run = bincount_run, .no_grad = "a count",
    .doc = "How often each of the labels 1, 2, ... comes in a vector, or the sums of their "
           "weights."};

/* -- searchsorted, bucketize: i[0] behind equal elements instead of before them ---------------- */

typedef struct {
  const void *sorted, *values;
  int64_t n, per_row; /* of a row of `sorted`; values that are looked up in the same row */
  bool right;
  int64_t base, *out;
} search;

#define SEARCH(name, T)                                                                           \
  static void name(void *arg, int64_t begin, int64_t end) {                                       \
    const search *j = arg;                                                                        \
    for (int64_t i = begin; i < end; i++) {                                                       \
      const T *row = (const T *)j->sorted + i / j->per_row * j->n, v = ((const T *)j->values)[i]; \
      int64_t low = 0, high = j->n;                                                               \
      while (low < high) {                                                                        \
        const int64_t middle = low + (high - low) / 2;                                            \
        if (j->right ? !(row[middle] > v) : !(row[middle] >= v)) low = middle + 1;                \
        else high = middle;                                                                       \
      }                                                                                           \
      j->out[i] = low + j->base;                                                                  \
    }                                                                                             \
  }

SEARCH(search_f64, double)
SEARCH(search_i64, int64_t)

static tn_status search_shape(tn_call *call) {
  const tn_tensor *sorted = call->in[0], *values = call->in[1];
  bool fits = sorted->ndim >= 1;
  if (fits && sorted->ndim > 1) {
    fits = sorted->ndim == values->ndim &&
           memcmp(sorted->sizes, values->sizes, sizeof(int64_t) * (size_t)(sorted->ndim - 1)) == 0;
  }
  if (!fits) {
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE,
                   "the sorted elements, %s, must be a vector, or be rows for those of %s",
                   tn__shape_text(a, sorted->ndim, sorted->sizes),
                   tn__shape_text(b, values->ndim, values->sizes));
  }
  tn__meta_of(&call->meta[0], values);
  call->meta[0].dtype = TN_I64;
  return TN_OK;
}

static tn_status search_run(tn_call *call) {
  tn_tensor *sorted = NULL, *values = NULL, *to = NULL;
  const bool floats = is_float(call->in[0]) || is_float(call->in[1]);
  const tn_dtype dtype = floats ? TN_F64 : TN_I64;
  tn_status s = tn__contiguous_of(call->ctx, &sorted, call->in[0], dtype);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &values, call->in[1], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, TN_I64, &to);
  const int64_t count = s == TN_OK ? tn__numel(to) : 0;
  if (count > 0) {
    const bool rows = sorted->ndim > 1;
    search j = {tn__data(sorted), tn__data(values), sorted->sizes[sorted->ndim - 1],
                rows ? values->sizes[values->ndim - 1] : count,
                tn__int(call->attrs, 0, 0) != 0, call->ctx->index_base,
                (int64_t *)(void *)tn__data(to)};
    tn__pool_run(call->ctx->pool, count, TN_GRAIN / 16, floats ? search_f64 : search_i64, &j);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(sorted);
  tn_tensor_release(values);
  return s;
}

static tn_status bucketize_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *in[2] = {call->in[1], call->in[0]};
  call->out[0] = tn__keep(&e, tn__do(&e, TN_OP_searchsorted, call->attrs, 2, in));
  return tn__eval_end(&e);
}

const tn_op tn__op_searchsorted = {
    .name = "searchsorted", .lua = "searchsorted", .args = "T sorted; X values; b right=0",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .low = -2,
    .high = 2, .shape = search_shape, .run = search_run,
    .no_grad = "positions do not change smoothly",
    .doc = "Where each value would have to be put in to keep the elements sorted, before equal "
           "ones or behind them; one more than there are elements where it is the greatest."};

const tn_op tn__op_bucketize = {
    .name = "bucketize", .lua = "bucketize", .args = "X values; T boundaries; b right=0",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS | TN_NUMBER, .nout = 1, .low = -2,
    .high = 2, .compose = bucketize_compose, .no_grad = "positions do not change smoothly",
    .doc = "searchsorted, with the values first."};

/* -- histogram: counts, or sums of weights, between edges -------------------------------------- */

/* Element k of a vector of float64, from 0. */
static double at(const tn_tensor *t, int64_t k) { return tn_tensor_get(t, k); }

/* Places 1 ... n + 1 of searchsorted: those of the n - 1 bins are 2 ... n, and what equals the last
 * edge belongs to the last of them. Everything else goes to a bin that is thrown away. */
static tn_tensor *between(tn_eval *ep, tn_tensor *x, tn_tensor *edges, tn_tensor *weights) {
  tn_eval e = *ep;
  const int64_t n = tn__numel(edges), base = e.ctx->index_base;
  tn_attrs right = {.i = {1}, .ni = 1}, first = {.i = {0}, .ni = 1};
  tn_tensor *last = tn__constant(&e, at(edges, n - 1)), *spot = NULL, *r = NULL;
  spot = tn__do(&e, TN_OP_searchsorted, &right, 2, (tn_tensor *[]){edges, x});
  spot = DO3(where, DO2(eq, x, last), tn__constant(&e, (double)(n - 1 + base)), spot);
  spot = DO3(where, DO2(ge, spot, tn__constant(&e, (double)(n + base))),
             tn__constant(&e, (double)base), spot);
  spot = DO3(where, DO1(isnan, x), tn__constant(&e, (double)base), spot);
  tn_attrs whole = {.i = {TN_I64}, .ni = 1};
  spot = tn__do(&e, TN_OP_to, &whole, 1, &spot);
  tn_meta m = {.dtype = x->dtype, .ndim = 1, .sizes = {n}};
  tn_attrs dtype = {.i = {m.dtype}, .ni = 1};
  weights = weights != NULL ? tn__do(&e, TN_OP_to, &dtype, 1, &weights) : NULL;
  if (weights == NULL && e.status == TN_OK) {
    weights = DO2(add, tn__scaled(&e, DO2(ne, x, x), 0), tn__constant(&e, 1));
    weights = tn__do(&e, TN_OP_to, &dtype, 1, &weights);
  }
  r = tn__do(&e, TN_OP_scatter_add, &first, 3, (tn_tensor *[]){tn__zeros(&e, &m), spot, weights});
  tn_attrs rest = {.i = {0, 1, n - 1}, .ni = 3};
  r = tn__do(&e, TN_OP_narrow, &rest, 1, &r);
  *ep = e;
  return r;
}

static tn_status histogram(tn_call *call, tn_eval *ep, tn_tensor *x, tn_tensor *edges,
                           tn_tensor *weights, bool density) {
  tn_eval e = *ep;
  x = tn__reshaped(&e, x, 1, (int64_t[]){tn__numel(x)});
  if (weights != NULL) {
    if (tn__numel(weights) != tn__numel(x)) {
      e.status = tn_fail(call->ctx, TN_ESHAPE, "as many weights as elements expected");
    } else {
      weights = tn__reshaped(&e, weights, 1, (int64_t[]){tn__numel(weights)});
    }
  }
  if (x != NULL && e.status == TN_OK) {
    tn_tensor *h = between(&e, x, edges, weights);
    if (density) {
      tn_attrs all = {.i = {TN_NONE, 1}, .ni = 2};
      tn_attrs diff = {.i = {1, 0}, .ni = 2};
      tn_tensor *width = tn__do(&e, TN_OP_diff, &diff, 1, &edges);
      h = DO2(div, h, DO2(mul, width, tn__do(&e, TN_OP_sum, &all, 1, &h)));
    }
    call->out[0] = tn__keep(&e, h);
    call->out[1] = tn__keep(&e, edges);
  }
  return tn__eval_end(&e);
}

static tn_status histogram_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *weights = call->nin > 1 ? call->in[1] : NULL, *edges = NULL;
  double low = 0, high = 0;
  int64_t bins;
  tn_tensor *wide = NULL;
  tn_status s = bins_of(call, &bins);
  tn__touch(x->storage);
  if (tn__elsewhere(x)) {
    if (s == TN_OK && tn__numel(x) > 0) s = extremes(call, x, &low, &high);
    if (s == TN_OK) s = range_of(call, NULL, tn__numel(x), &low, &high);
  } else {
    if (s == TN_OK) s = tn__contiguous_of(call->ctx, &wide, x, TN_F64);
    if (s != TN_OK) return s;
    s = range_of(call, (const double *)(void *)tn__data(wide), tn__numel(wide), &low, &high);
    tn_tensor_release(wide);
  }
  const tn_dtype dtype = is_float(x) ? (tn_dtype)x->dtype : (tn_dtype)call->ctx->default_dtype;
  if (s == TN_OK) {
    s = tn_tensor_new_on(call->ctx, &edges, TN_CPU, dtype, 1, (int64_t[]){bins + 1});
  }
  if (s != TN_OK) return s;
  for (int64_t k = 0; k <= bins; k++) {
    tn__store(tn__data(edges), dtype, k,
              k == bins ? high : low + (high - low) * ((double)k / (double)bins));
  }
  s = tn__send(call->ctx, &edges);
  if (s != TN_OK) return s;
  tn__temp(&e, edges);
  tn_attrs to = {.i = {dtype}, .ni = 1};
  if (x->dtype != dtype) x = tn__do(&e, TN_OP_to, &to, 1, &x);
  if (x == NULL) return tn__eval_end(&e);
  return histogram(call, &e, x, edges, weights, tn__int(call->attrs, 1, 0) != 0);
}

static tn_status histogram_edges_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *x = call->in[0], *edges = call->in[1];
  tn_tensor *weights = call->nin > 2 ? call->in[2] : NULL;
  tn_tensor *here = NULL;
  tn_status s = TN_OK;
  if (edges->ndim != 1 || tn__numel(edges) < 2) {
    s = tn_fail(call->ctx, TN_ESHAPE, "a vector of at least two edges expected");
  }
  if (s == TN_OK) s = tn__host_of(call->ctx, &here, edges, TN_F64);
  for (int64_t k = 1; s == TN_OK && k < tn__numel(edges); k++) {
    if (!(at(here, k) >= at(here, k - 1))) {
      s = tn_fail(call->ctx, TN_EARG, "the edges must not fall");
    }
  }
  tn_tensor_release(here);
  if (s != TN_OK) return s;
  tn_attrs to = {.i = {is_float(x) ? x->dtype : call->ctx->default_dtype}, .ni = 1};
  x = tn__do(&e, TN_OP_to, &to, 1, &x);
  edges = tn__do(&e, TN_OP_to, &to, 1, &edges);
  if (edges == NULL) return tn__eval_end(&e);
  return histogram(call, &e, x, edges, weights, tn__int(call->attrs, 0, 0) != 0);
}

const tn_op tn__op_histogram = {
    .name = "histogram", .lua = "histogram",
    .args = "T x; i bins=100; n min=0; n max=0; T? weight; b density=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .low = -2, .high = 2,
    .compose = histogram_compose, .no_grad = "a count",
    .doc = "How many elements, or the sum of whose weights, fall between the edges of equal bins, "
           "and the edges; density: divided by all, and by the widths."};

const tn_op tn__op_histogram_edges = {
    .name = "histogram_edges", .lua = "histogram",
    .args = "T x; T edges; T? weight; b density=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .low = -2, .high = 2,
    .compose = histogram_edges_compose, .no_grad = "a count",
    .doc = "How many elements, or the sum of whose weights, fall between edges that are given."};
