/* accumulate.cu -- what an index sends to one place: its sum (indexAdd, scatter_add, put), its product
 * or extremes (scatter_fold), or the last of it (indexCopy, scatter, put).
 *
 * The places are put in order, each with the number of its source, so that what goes to one place is
 * a run of neighbours. Threads fold pieces of the order, and write the runs that lie within one piece;
 * a second kernel folds what pieces have of the runs that go on. No atomic operations: the same call
 * gives the same bits each time. Sums of half precision are made in float32 and rounded once. */
#include "cuda/ops/order.h"
#include "cuda/ops/picks.cuh"

enum { BLOCK = 256, PIECE = 32, AHEAD = 4 }; /* AHEAD divides PIECE: loads under way at once */
enum { SUM, PROD, MEAN, AMAX, AMIN, LAST }; /* as in tensor/ops/scatter_reduce.c, and the last */

/* n sources with keys in order; those of `limit` and above are nobody's. */
struct folded {
  const void *keys;
  const uint32_t *at;
  bool wide, self; /* does what is there take part? */
  int mode;
  uint64_t limit;
  int64_t n, pieces, columns, out_step, in_step;
  tn_positions column; /* views: result, source */
  void *out, *parts;   /* two numbers for each piece and column */
  int32_t dtype;
};

__device__ static inline uint64_t key_at(const folded &f, int64_t i) {
  return f.wide ? static_cast<const uint64_t *>(f.keys)[i] : static_cast<const uint32_t *>(f.keys)[i];
}

/* The rules of the CPU: a NaN stays. */
template <typename T, bool ONLY_SUM> __device__ static inline T joined(const folded &f, T a, T b) {
  if (ONLY_SUM || f.mode == SUM) return a + b;
  if (f.mode == LAST) return b;
  if (f.mode == PROD) return a * b;
  if (f.mode == AMAX) return b > a || b != b ? b : a;
  return b < a || b != b ? b : a;
}

template <typename T, bool ONLY_SUM>
__device__ static inline void put(const folded &f, int64_t base, uint64_t key, T value) {
  const int64_t to = base + (int64_t)key * f.out_step;
  if (f.self) value = joined<T, ONLY_SUM>(f, load<T>(f.out, f.dtype, to), value);
  store<T>(f.out, f.dtype, to, value);
}

/* parts[2 * piece]: of a run that began before the piece; the other: of one that begins in it and
 * goes on behind it. */
template <typename T, bool ONLY_SUM>
__global__ void __launch_bounds__(BLOCK) fold_pieces(const __grid_constant__ folded f,
                                                     operand<T> in) {
  const int64_t step = (int64_t)gridDim.x * BLOCK;
  for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < f.pieces * f.columns; i += step) {
    const int64_t piece = i / f.columns, column = i - piece * f.columns;
    const int64_t begin = piece * PIECE, end = begin + PIECE < f.n ? begin + PIECE : f.n;
    int64_t base[2];
    T *parts = static_cast<T *>(f.parts) + 2 * piece * f.columns + column, sum = 0;
    tn_index_at(&f.column, (uint64_t)column, 2, base);
    uint64_t key = key_at(f, begin);
    if (key >= f.limit) continue;
    bool open = begin > 0 && key_at(f, begin - 1) == key, any = false;
    for (int64_t first = begin; first < end && key < f.limit; first += AHEAD) {
      uint64_t next[AHEAD];
      T v[AHEAD];
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const int64_t i = first + k < end ? first + k : end - 1;
        next[k] = key_at(f, i);
        v[k] = fetch(in, base[1] + f.at[i] * f.in_step);
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        if (first + k >= end || key >= f.limit) continue;
        if (next[k] != key) {
          if (open) parts[0] = sum;
          else put<T, ONLY_SUM>(f, base[0], key, sum);
          open = any = false;
          key = next[k];
          if (key >= f.limit) continue;
        }
        sum = any ? joined<T, ONLY_SUM>(f, sum, v[k]) : v[k];
        any = true;
      }
    }
    if (!any) continue;
    if (open) parts[0] = sum;
    else if (end < f.n && key_at(f, end) == key) parts[f.columns] = sum;
    else put<T, ONLY_SUM>(f, base[0], key, sum);
  }
}

/* Where the run ends that the element before `from` belongs to. */
__device__ static int64_t run_end(const folded &f, int64_t from, uint64_t key) {
  int64_t low = from, high = f.n;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (key_at(f, middle) == key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* A thread, or a warp where there are few columns, for each piece with a run that goes on. */
template <typename T, bool ONLY_SUM, int LANES>
__global__ void __launch_bounds__(BLOCK) fold_runs(folded f) {
  const int64_t step = (int64_t)gridDim.x * (BLOCK / LANES);
  const int lane = threadIdx.x % LANES;
  for (int64_t i = (int64_t)blockIdx.x * (BLOCK / LANES) + threadIdx.x / LANES;
       i < (f.pieces - 1) * f.columns; i += step) {
    const int64_t piece = i / f.columns, column = i - piece * f.columns;
    const int64_t begin = piece * PIECE, end = begin + PIECE;
    const uint64_t key = key_at(f, end - 1);
    if (key >= f.limit || key_at(f, end) != key) continue;
    if (key_at(f, begin) == key && begin > 0 && key_at(f, begin - 1) == key) continue;
    const int64_t last = (run_end(f, end, key) - 1) / PIECE;
    const T *parts = static_cast<const T *>(f.parts) + column;
    T sum = parts[(2 * piece + 1) * f.columns];
    if (LANES == 1) {
#pragma unroll 4
      for (int64_t k = piece + 1; k <= last; k++) {
        sum = joined<T, ONLY_SUM>(f, sum, parts[2 * k * f.columns]);
      }
    } else {
      bool any = lane == 0;
      for (int64_t k = piece + 1 + lane; k <= last; k += LANES) {
        const T v = parts[2 * k * f.columns];
        sum = any ? joined<T, ONLY_SUM>(f, sum, v) : v;
        any = true;
      }
      for (int by = LANES / 2; by > 0; by /= 2) {
        const T other = __shfl_down_sync(~0u, sum, by);
        const int has = __shfl_down_sync(~0u, (int)any, by);
        if (lane + by >= LANES || !has) continue;
        sum = any ? joined<T, ONLY_SUM>(f, sum, other) : other;
        any = true;
      }
    }
    if (lane > 0) continue;
    int64_t base[2];
    tn_index_at(&f.column, (uint64_t)column, 2, base);
    put<T, ONLY_SUM>(f, base[0], key, sum);
  }
}

template <typename T, bool ONLY_SUM>
static tn_status fold_in(int device, folded &f, const tn_view &source) {
  const operand<T> in = operand_of<T>(source);
  tn_status s = tn_cuda_alloc(device, (size_t)(2 * f.pieces * f.columns) * sizeof(T), &f.parts);
  if (s != TN_OK) return s;
  const uint64_t threads = (uint64_t)(f.pieces * f.columns);
  s = tn_cuda_check(tn_launch(fold_pieces<T, ONLY_SUM>, tn_cuda_blocks(device, threads, BLOCK), BLOCK,
                              0, f, in));
  if (s == TN_OK && f.pieces > 1) {
    const bool few = f.columns < 32;
    const int blocks = tn_cuda_blocks(device, threads, few ? BLOCK / 32 : BLOCK);
    s = tn_cuda_check(tn_launch(few ? fold_runs<T, ONLY_SUM, 32> : fold_runs<T, ONLY_SUM, 1>, blocks,
                                BLOCK, 0, f));
  }
  tn_cuda_free(device, f.parts);
  return s;
}

template <typename T> static tn_status fold_as(int device, folded &f, const tn_view &source) {
  return f.mode == SUM ? fold_in<T, true>(device, f, source) : fold_in<T, false>(device, f, source);
}

static tn_status fold(const tn_kernel_call *call, const tn_cuda_ordering &o, folded &f,
                      const tn_view &source) {
  const tn_view &out = call->out[0];
  f.keys = o.keys, f.at = o.at, f.wide = o.wide;
  f.n = o.n;
  f.pieces = (o.n + PIECE - 1) / PIECE;
  f.out = out.data, f.dtype = out.dtype;
  if (out.dtype < TN_F16) return fold_as<int64_t>(call->device, f, source);
  if (out.dtype == TN_F64) return fold_as<double>(call->device, f, source);
  return fold_as<float>(call->device, f, source);
}

/* -- Keys -------------------------------------------------------------------------------------- */

/* The key of each position of the index: where in the result it points, `limit` for nowhere. */
template <typename K>
__global__ void __launch_bounds__(BLOCK) make_keys(picks p, K *keys, uint64_t limit) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < p.index.count; i += step) {
    int64_t at[3];
    tn_index_at(&p.index, i, 3, at);
    const int64_t place = picked(p, at[2]);
    keys[i] = place < 0 ? (K)limit : (K)(at[1] + place * p.step);
  }
}

static tn_status order_keys(tn_cuda_ordering *o, const picks &p, uint64_t limit) {
  o->bits = tn_cuda_bits(limit);
  o->wide = o->bits > 32;
  o->carried = false;
  o->lines = 1;
  o->n = (int64_t)p.index.count;
  tn_status s = tn_cuda_order_begin(o);
  const int blocks = tn_cuda_blocks(o->device, p.index.count, BLOCK);
  if (s == TN_OK && o->wide) {
    s = tn_cuda_check(tn_launch(make_keys<uint64_t>, blocks, BLOCK, 0, p,
                                static_cast<uint64_t *>(o->keys), limit));
  } else if (s == TN_OK) {
    s = tn_cuda_check(tn_launch(make_keys<uint32_t>, blocks, BLOCK, 0, p,
                                static_cast<uint32_t *>(o->keys), limit));
  }
  return s == TN_OK ? tn_cuda_order(o) : s;
}

/* -- Rows -------------------------------------------------------------------------------------- */

static tn_status fold_rows(tn_kernel_call *call, int mode) {
  const tn_view &x = call->out[0], &index = call->in[1], &source = call->in[2];
  if (!tn_is_index(index) || source.data == nullptr || tn_view_count(index) >= INT32_MAX) {
    return TN_DECLINED;
  }
  tn_status s = tn_cuda_begin(call);
  if (s != TN_OK || tn_view_count(source) == 0) return s;
  const int dim = call->dim;
  tn_view list = index, columns = x, from = source;
  list.ndim = 1;
  if (index.ndim == 0) list.sizes[0] = 1, list.strides[0] = 0;
  if (x.ndim > 0) columns.sizes[dim] = from.sizes[dim] = 1;
  folded f = {};
  picks p;
  f.mode = mode;
  f.self = mode == SUM;
  f.limit = x.ndim > 0 ? (uint64_t)x.sizes[dim] : 1;
  f.out_step = x.ndim > 0 ? x.strides[dim] : 0;
  f.in_step = source.ndim > 0 ? source.strides[dim] : 0;
  tn_index_make(&f.column, &columns, &from, 1);
  f.columns = (int64_t)f.column.count;
  /* keys are rows: a list of f.limit places that are 1 apart */
  tn_view rows = {};
  rows.data = x.data, rows.dtype = x.dtype, rows.ndim = 1;
  rows.sizes[0] = (int64_t)f.limit, rows.strides[0] = 1;
  s = tn_picks_make(&p, call, list, list, rows, list, 0);
  tn_cuda_ordering o = {};
  o.device = call->device;
  if (s == TN_OK) s = order_keys(&o, p, f.limit);
  if (s == TN_OK) s = fold(call, o, f, source);
  tn_cuda_order_end(&o);
  return s;
}

extern "C" tn_status tn_cuda_indexAdd(tn_kernel_call *call) { return fold_rows(call, SUM); }
extern "C" tn_status tn_cuda_indexCopy(tn_kernel_call *call) { return fold_rows(call, LAST); }

/* Bytes may be anywhere in the result: keys are distances from its first element. */
static uint64_t extent_of(const tn_view &v) {
  int64_t last = 0;
  for (int d = 0; d < v.ndim; d++) last += (v.sizes[d] - 1) * v.strides[d];
  return (uint64_t)last + 1;
}

/* Each element of the index sends one of the source. */
static tn_status fold_elements(tn_kernel_call *call, picks &p, const tn_view &source, int mode,
                               bool self) {
  tn_view packed = source;
  void *copy = nullptr;
  tn_status s = TN_OK;
  folded f = {};
  f.mode = mode;
  f.self = self;
  f.columns = 1;
  f.out_step = f.in_step = 1;
  f.limit = extent_of(call->out[0]);
  if (source.data == nullptr || source.ndim == 0) {
    f.in_step = 0;
  } else if (!tn_view_contiguous(source)) {
    int64_t n = 1;
    for (int d = source.ndim - 1; d >= 0; d--) packed.strides[d] = n, n *= source.sizes[d];
    s = tn_cuda_alloc(call->device, (size_t)n * tn_item_size(source.dtype), &copy);
    packed.data = copy;
    tn_kernel_call move = *call;
    move.nin = 1;
    move.in = &source;
    move.out = &packed;
    if (s == TN_OK) s = tn_cuda_move(&move);
  }
  tn_cuda_ordering o = {};
  o.device = call->device;
  if (s == TN_OK) s = order_keys(&o, p, f.limit);
  if (s == TN_OK) s = fold(call, o, f, packed);
  tn_cuda_order_end(&o);
  tn_cuda_free(call->device, copy);
  return s;
}

static tn_status scatter(tn_kernel_call *call, int mode, bool self) {
  const tn_view &x = call->out[0], &index = call->in[1];
  tn_view source = call->in[2];
  picks p;
  if (!tn_is_index(index) || tn_view_count(index) >= INT32_MAX) return TN_DECLINED;
  tn_status s = tn_cuda_begin(call);
  if (s != TN_OK || tn_view_count(index) == 0) return s;
  if (source.ndim > 0) memcpy(source.sizes, index.sizes, sizeof source.sizes); /* it may be larger */
  s = tn_picks_make(&p, call, index, index, x, index, call->dim);
  return s == TN_OK ? fold_elements(call, p, source, mode, self) : s;
}

extern "C" tn_status tn_cuda_scatter_add(tn_kernel_call *call) { return scatter(call, SUM, true); }

extern "C" tn_status tn_cuda_scatter_fold(tn_kernel_call *call) {
  return scatter(call, (int)call->attrs->i[1], call->attrs->i[2] != 0);
}

extern "C" tn_status tn_cuda_scatter(tn_kernel_call *call) {
  return call->in[2].ndim == 0 ? tn_cuda_spread(call) : scatter(call, LAST, false);
}

/* Places count row by row: what lies otherwise is put in a copy, and moved back. */
extern "C" tn_status tn_cuda_put(tn_kernel_call *call) {
  const tn_view &index = call->in[1];
  const bool adds = call->attrs->ni > 0 && call->attrs->i[0] != 0 && call->attrs->i[0] != TN_NONE;
  tn_view x = call->out[0], out = x, list = {};
  void *copy = nullptr;
  picks p;
  if (!tn_is_index(index) || tn_view_count(index) >= INT32_MAX) return TN_DECLINED;
  tn_status s = tn_cuda_begin(call);
  if (s != TN_OK || tn_view_count(index) == 0) return s;
  tn_kernel_call flat = *call;
  if (!tn_view_contiguous(x)) {
    int64_t n = 1;
    for (int d = x.ndim - 1; d >= 0; d--) out.strides[d] = n, n *= x.sizes[d];
    s = tn_cuda_alloc(call->device, (size_t)n * tn_item_size(x.dtype), &copy);
    out.data = copy;
    flat.nin = 1;
    flat.in = &x;
    flat.out = &out;
    if (s == TN_OK) s = tn_cuda_move(&flat);
  }
  list.data = out.data, list.dtype = out.dtype, list.ndim = 1;
  list.sizes[0] = tn_view_count(x), list.strides[0] = 1;
  flat = *call;
  flat.out = &list;
  if (s == TN_OK) s = tn_cuda_places_of(&p, call, index, list);
  if (s == TN_OK && !adds && call->in[2].ndim == 0) {
    s = tn_cuda_spread_over(&flat, p, call->in[2]);
  } else if (s == TN_OK) {
    s = fold_elements(&flat, p, call->in[2], adds ? SUM : LAST, adds);
  }
  if (s == TN_OK && copy != nullptr) {
    flat.nin = 1;
    flat.in = &out;
    flat.out = &x;
    s = tn_cuda_move(&flat);
  }
  tn_cuda_free(call->device, copy);
  return s;
}
