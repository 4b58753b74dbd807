/* reduce.cuh -- how reductions walk over memory, whatever the strides, in one pass or two.
 *
 * Rows: some lanes of a warp, a warp or a block take one result each, with loads of 16 bytes where
 * the reduced elements lie side by side. Columns: neighbouring threads take neighbouring results,
 * several each where they lie side by side, and the rows of a block share what is reduced. Where there
 * are too few results to fill the device, several blocks share one: their parts go to memory, and a
 * second kernel joins them. The order is always the same, and so is every sum.
 *
 * An operation is a structure Op with
 *   value       in which elements are read: float, double or int64
 *   part        what is carried; start(s) gives one of no element
 *   step(part, value, at, s), join(part, part, s), write(s, part, position)
 *   many<W>     step for W elements that lie side by side
 *   bytes       whether it has kernels of its own for elements of one byte
 * where `at` counts the elements of one result in row-major order, from 0. */
#ifndef TN_CUDA_REDUCE_CUH
#define TN_CUDA_REDUCE_CUH

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

namespace {

/* What operations need besides the elements. */
struct settings {
  void *out[2];
  int32_t dtype[2];
  double scale, p;
  int64_t base;
  bool smallest, absolute;
};

enum { REDUCE_BLOCK = 256, MOST_PARTS = 1024 };

template <class V> struct reduction {
  operand<V> x;
  tn_positions kept;    /* view 0 the result, view 1 x */
  tn_positions reduced; /* view 0 x */
  uint64_t outputs, n, chunk; /* elements of each result, and of each part of it */
  int64_t step;  /* between reduced elements, where `single` */
  int splits, lanes, strips;
  bool single, dense;
  void *parts; /* where there are several for each result */
};

/* -- elements ---------------------------------------------------------------------------------- */

struct any_type {}; /* told by the view's dtype */

template <class V> __device__ inline V number_of(float x) { return static_cast<V>(x); }
template <class V> __device__ inline V number_of(double x) { return static_cast<V>(x); }
template <class V> __device__ inline V number_of(int64_t x) { return static_cast<V>(x); }
template <class V> __device__ inline V number_of(uint8_t x) { return static_cast<V>(x); }
template <class V> __device__ inline V number_of(__half x) { return __half2float(x); }
template <class V> __device__ inline V number_of(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class E, class V> struct reader {
  static const int width = sizeof(E) == 1 ? 8 : 16 / sizeof(E); /* elements in one load */
  __device__ static V get(const operand<V> &x, int64_t at) {
    return number_of<V>(static_cast<const E *>(x.data)[at]);
  }
};
template <class V> struct reader<any_type, V> {
  static const int width = 1;
  __device__ static V get(const operand<V> &x, int64_t at) { return fetch(x, at); }
};

template <class E, int W> struct alignas(sizeof(E) * W) elements_side_by_side { E e[W]; };

/* Where an operation has nothing better for several elements at once. */
template <class Op> struct one_by_one {
  enum { bytes = 0 };
  template <class Part, class V, int W>
  __device__ static void many(Part &part, const V (&v)[W], int64_t at, const settings &s) {
#pragma unroll
    for (int k = 0; k < W; k++) Op::step(part, v[k], at + k, s);
  }
};

/* -- joining what threads have ----------------------------------------------------------------- */

/* A part of the thread whose number differs in the bit `by`. */
template <class Part> __device__ inline Part across(const Part &part, int by) {
  static_assert(sizeof(Part) % 4 == 0, "parts are made of words");
  uint32_t words[sizeof(Part) / 4];
  Part other;
  memcpy(words, &part, sizeof part);
#pragma unroll
  for (size_t k = 0; k < sizeof(Part) / 4; k++) words[k] = __shfl_xor_sync(~0u, words[k], by);
  memcpy(&other, words, sizeof other);
  return other;
}

/* Of `lanes` neighbouring threads, a power of 2 up to 32, or of the whole block; the first of them
 * gets it. All threads of the block must call it. */
template <class Op>
__device__ inline typename Op::part joined(typename Op::part part, int lanes, const settings &s) {
  for (int by = (lanes < 32 ? lanes : 32) / 2; by > 0; by /= 2) {
    part = Op::join(part, across(part, by), s);
  }
  if (lanes <= 32) return part;
  __shared__ typename Op::part of_warps[REDUCE_BLOCK / 32];
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = part;
  __syncthreads();
  if (threadIdx.x < 32) {
    part = threadIdx.x < REDUCE_BLOCK / 32 ? of_warps[threadIdx.x] : Op::start(s);
    for (int by = REDUCE_BLOCK / 64; by > 0; by /= 2) part = Op::join(part, across(part, by), s);
  }
  return part;
}

/* A result of this block: the operation's, or one of its parts. */
template <class Op>
__device__ inline void put(const reduction<typename Op::value> &g, const settings &s,
                           const typename Op::part &part, uint64_t split, uint64_t output,
                           int64_t at) {
  if (g.splits == 1) Op::write(s, part, at);
  else static_cast<typename Op::part *>(g.parts)[split * g.outputs + output] = part;
}

/* -- rows -------------------------------------------------------------------------------------- */

/* n elements that lie side by side, the first of which counts as `from`. */
template <class Op, class E>
__device__ inline void walk_row(typename Op::part &part, const E *x, uint64_t n, int64_t from,
                                int lane, int lanes, const settings &s) {
  typedef typename Op::value V;
  constexpr int W = reader<E, V>::width;
  typedef elements_side_by_side<E, W> pack;
  uint64_t head = (sizeof(pack) - (uintptr_t)x % sizeof(pack)) % sizeof(pack) / sizeof(E);
  if (head > n) head = n;
  for (uint64_t i = lane; i < head; i += lanes) Op::step(part, number_of<V>(x[i]), from + i, s);
  const uint64_t packs = (n - head) / W;
  const pack *p = reinterpret_cast<const pack *>(x + head);
  uint64_t i = lane;
  for (; i + 3 * (uint64_t)lanes < packs; i += 4 * (uint64_t)lanes) {
    pack four[4];
#pragma unroll
    for (int k = 0; k < 4; k++) four[k] = p[i + (uint64_t)k * lanes];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      V v[W];
#pragma unroll
      for (int w = 0; w < W; w++) v[w] = number_of<V>(four[k].e[w]);
      Op::many(part, v, from + (int64_t)(head + (i + (uint64_t)k * lanes) * W), s);
    }
  }
  for (; i < packs; i += lanes) {
    const pack one = p[i];
    V v[W];
#pragma unroll
    for (int w = 0; w < W; w++) v[w] = number_of<V>(one.e[w]);
    Op::many(part, v, from + (int64_t)(head + i * W), s);
  }
  for (uint64_t k = head + packs * W + lane; k < n; k += lanes) {
    Op::step(part, number_of<V>(x[k]), from + k, s);
  }
}

template <class V>
__device__ inline int64_t reduced_at(const reduction<V> &g, uint64_t r) {
  int64_t at[1];
  if (g.single) return (int64_t)r * g.step;
  tn_index_at(&g.reduced, r, 1, at);
  return at[0];
}

template <class Op, class E>
__global__ void __launch_bounds__(REDUCE_BLOCK)
reduce_rows(reduction<typename Op::value> g, settings s) {
  typedef typename Op::value V;
  const uint64_t split = blockIdx.x % g.splits, group = blockIdx.x / g.splits;
  const uint64_t row = group * (REDUCE_BLOCK / g.lanes) + threadIdx.x / g.lanes;
  const int lane = threadIdx.x % g.lanes;
  typename Op::part part = Op::start(s);
  int64_t at[2] = {0, 0};
  if (row < g.outputs) {
    const uint64_t first = split * g.chunk;
    const uint64_t last = first + g.chunk < g.n ? first + g.chunk : g.n;
    tn_index_at(&g.kept, row, 2, at);
    bool walked = false;
    if constexpr (reader<E, V>::width > 1) {
      if (g.dense) {
        walk_row<Op, E>(part, static_cast<const E *>(g.x.data) + at[1] + first, last - first,
                        (int64_t)first, lane, g.lanes, s);
        walked = true;
      }
    }
    for (uint64_t r = first + lane; !walked && r < last; r += g.lanes) {
      Op::step(part, reader<E, V>::get(g.x, at[1] + reduced_at(g, r)), (int64_t)r, s);
    }
  }
  part = joined<Op>(part, g.lanes, s);
  if (lane == 0 && row < g.outputs) put<Op>(g, s, part, split, row, at[0]);
}

/* -- columns ----------------------------------------------------------------------------------- */

/* W neighbouring results for each thread; lanes threads side by side, and the rest of the block in
 * rows, which take every so many-th of the reduced elements. */
template <class Op, class E, int W>
__global__ void __launch_bounds__(REDUCE_BLOCK)
reduce_columns(reduction<typename Op::value> g, settings s) {
  typedef typename Op::value V;
  typedef typename Op::part Part;
  __shared__ Part parts[REDUCE_BLOCK * W];
  const uint64_t split = blockIdx.x % g.splits, strip = blockIdx.x / g.splits % g.strips;
  const uint64_t outer = blockIdx.x / g.splits / g.strips;
  const int last_dim = g.kept.ndim - 1, rows = REDUCE_BLOCK / g.lanes;
  const uint64_t width = last_dim < 0 ? 1 : (uint64_t)g.kept.sizes[last_dim];
  const int row = threadIdx.x / g.lanes;
  const uint64_t column = (strip * g.lanes + threadIdx.x % g.lanes) * W;
  const bool inside = column < width;
  Part mine[W];
  int64_t at[2] = {0, 0};
#pragma unroll
  for (int w = 0; w < W; w++) mine[w] = Op::start(s);
  if (inside) {
    const uint64_t first = split * g.chunk;
    const uint64_t last = first + g.chunk < g.n ? first + g.chunk : g.n;
    tn_index_at(&g.kept, outer * width + column, 2, at);
#pragma unroll 4
    for (uint64_t r = first + row; r < last; r += rows) {
      const int64_t from = at[1] + reduced_at(g, r);
      if constexpr (W > 1) {
        typedef elements_side_by_side<E, W> pack;
        const pack p = *reinterpret_cast<const pack *>(static_cast<const E *>(g.x.data) + from);
#pragma unroll
        for (int w = 0; w < W; w++) Op::step(mine[w], number_of<V>(p.e[w]), (int64_t)r, s);
      } else {
        Op::step(mine[0], reader<E, V>::get(g.x, from), (int64_t)r, s);
      }
    }
  }
  Part *own = &parts[threadIdx.x * W];
  if (rows > 1) {
#pragma unroll
    for (int w = 0; w < W; w++) own[w] = mine[w];
    __syncthreads();
    for (int half = rows / 2; half > 0; half /= 2) {
      if (row < half) {
#pragma unroll
        for (int w = 0; w < W; w++) {
          mine[w] = Op::join(mine[w], own[half * g.lanes * W + w], s);
          own[w] = mine[w];
        }
      }
      __syncthreads();
    }
  }
  if (!inside || row > 0) return;
  const int64_t out_apart = last_dim < 0 ? 0 : g.kept.strides[0][last_dim];
#pragma unroll
  for (int w = 0; w < W; w++) {
    put<Op>(g, s, mine[w], split, outer * width + column + w, at[0] + w * out_apart);
  }
}

/* -- parts ------------------------------------------------------------------------------------- */

template <class Op>
__global__ void __launch_bounds__(REDUCE_BLOCK)
join_parts(reduction<typename Op::value> g, settings s) {
  const uint64_t row = (uint64_t)blockIdx.x * (REDUCE_BLOCK / g.lanes) + threadIdx.x / g.lanes;
  const int lane = threadIdx.x % g.lanes;
  typename Op::part part = Op::start(s);
  if (row < g.outputs) {
    for (int k = lane; k < g.splits; k += g.lanes) {
      part = Op::join(part, static_cast<typename Op::part *>(g.parts)[k * g.outputs + row], s);
    }
  }
  part = joined<Op>(part, g.lanes, s);
  if (lane > 0 || row >= g.outputs) return;
  int64_t at[2];
  tn_index_at(&g.kept, row, 2, at);
  Op::write(s, part, at[0]);
}

/* -- the host's side --------------------------------------------------------------------------- */

inline uint64_t parts_of(uint64_t n, uint64_t by) { return (n + by - 1) / by; }

/* The dimensions of `mask`, those with the longest strides first unless they must keep their order;
 * what repeats its elements comes before all. */
inline int chosen_dims(const tn_view &x, unsigned mask, bool sorted, int *dims) {
  int count = 0;
  for (int d = 0; d < x.ndim; d++) {
    if (!(mask >> d & 1) || x.sizes[d] == 1) continue;
    int to = count++;
    while (sorted && to > 0 && x.strides[dims[to - 1]] != 0 &&
           (x.strides[d] == 0 || x.strides[dims[to - 1]] < x.strides[d])) {
      dims[to] = dims[to - 1];
      to--;
    }
    dims[to] = d;
  }
  return count;
}

/* Counts the elements, joins dimensions and prepares divisions. */
inline void ready(tn_positions *x) {
  x->count = 1;
  for (int d = 0; d < x->ndim; d++) x->count *= (uint64_t)x->sizes[d];
  tn_index_join(x);
  x->wide = x->count >= (uint64_t)1 << 31;
  for (int d = 0; d < x->ndim; d++) x->by[d] = tn_divider_of(x->wide ? 1 : (uint32_t)x->sizes[d]);
}

/* Fills g for x reduced over the dimensions of `mask`; results lie one after another. */
template <class V>
inline void describe(reduction<V> *g, const tn_view &x, unsigned mask, bool ordered) {
  int dims[TN_MAX_DIMS];
  int64_t of_out[TN_MAX_DIMS], out = 1;
  for (int d = x.ndim - 1; d >= 0; d--) {
    of_out[d] = out;
    if (!(mask >> d & 1)) out *= x.sizes[d];
  }
  g->x = operand_of<V>(x);
  g->kept.ndim = chosen_dims(x, ~mask, true, dims);
  g->kept.views = 2;
  for (int k = 0; k < g->kept.ndim; k++) {
    g->kept.sizes[k] = x.sizes[dims[k]];
    g->kept.strides[0][k] = of_out[dims[k]];
    g->kept.strides[1][k] = x.strides[dims[k]];
  }
  g->reduced.ndim = chosen_dims(x, mask, !ordered, dims);
  g->reduced.views = 1;
  for (int k = 0; k < g->reduced.ndim; k++) {
    g->reduced.sizes[k] = x.sizes[dims[k]];
    g->reduced.strides[0][k] = x.strides[dims[k]];
  }
  ready(&g->kept);
  ready(&g->reduced);
  g->outputs = g->kept.count;
  g->n = g->reduced.count;
  g->single = g->reduced.ndim <= 1;
  g->step = g->reduced.ndim == 1 ? g->reduced.strides[0][0] : 1;
  g->dense = g->single && g->step == 1;
}

/* Shares each result among blocks where there are fewer than fill the device, each of which is to
 * have `least` elements. */
template <class V>
inline void share(reduction<V> *g, uint64_t blocks, uint64_t full, uint64_t least) {
  uint64_t splits = 1;
  if (blocks < full && g->n >= 2 * least) splits = parts_of(full, blocks);
  if (splits > g->n / least) splits = g->n / least;
  if (splits > MOST_PARTS) splits = MOST_PARTS;
  if (splits < 1) splits = 1;
  g->chunk = parts_of(g->n, splits);
  if (splits > 1) g->chunk = (g->chunk + 63) / 64 * 64;
  g->splits = g->n == 0 ? 1 : (int)parts_of(g->n, g->chunk);
}

template <class Op>
inline cudaError_t join_all(reduction<typename Op::value> &g, const settings &s) {
  if (g.splits == 1) return cudaGetLastError();
  g.lanes = 1;
  while (g.lanes < 32 && g.lanes < g.splits) g.lanes *= 2;
  if (g.splits > 128 && g.outputs < 64) g.lanes = REDUCE_BLOCK;
  return tn_launch(join_parts<Op>, parts_of(g.outputs, REDUCE_BLOCK / g.lanes), REDUCE_BLOCK, 0, g,
                   s);
}

template <class Op>
inline tn_status make_parts(int device, reduction<typename Op::value> *g) {
  g->parts = nullptr;
  if (g->splits == 1) return TN_OK;
  return tn_cuda_alloc(device, (size_t)g->splits * g->outputs * sizeof(typename Op::part),
                       &g->parts);
}

template <class Op, class E>
inline tn_status run_rows(int device, reduction<typename Op::value> &g, const settings &s,
                          uint64_t full) {
  constexpr uint64_t W = reader<E, typename Op::value>::width;
  g.lanes = 1;
  while (g.lanes < 32 && (uint64_t)g.lanes * W * 2 <= g.n) g.lanes *= 2;
  if (g.n >= 256 * W) g.lanes = REDUCE_BLOCK;
  const uint64_t blocks = parts_of(g.outputs, REDUCE_BLOCK / g.lanes);
  share(&g, blocks, full, 2048);
  tn_status status = make_parts<Op>(device, &g);
  if (status != TN_OK) return status;
  cudaError_t error = tn_launch(reduce_rows<Op, E>, blocks * g.splits, REDUCE_BLOCK, 0, g, s);
  if (error == cudaSuccess) error = join_all<Op>(g, s);
  if (g.parts != nullptr) tn_cuda_free(device, g.parts);
  return tn_cuda_check(error);
}

template <class Op, class E, int W>
inline tn_status run_columns(int device, reduction<typename Op::value> &g, const settings &s,
                             uint64_t full) {
  const uint64_t width = g.kept.ndim == 0 ? 1 : (uint64_t)g.kept.sizes[g.kept.ndim - 1];
  const uint64_t wide = parts_of(width, W);
  const int rows = g.n >= 32 ? 8 : g.n >= 16 ? 4 : g.n >= 8 ? 2 : 1;
  g.lanes = 1;
  while ((uint64_t)g.lanes < wide && g.lanes < REDUCE_BLOCK / rows) g.lanes *= 2;
  g.strips = (int)parts_of(wide, (uint64_t)g.lanes);
  const uint64_t blocks = g.outputs / width * (uint64_t)g.strips;
  share(&g, blocks, full, 4 * REDUCE_BLOCK / (uint64_t)g.lanes);
  tn_status status = make_parts<Op>(device, &g);
  if (status != TN_OK) return status;
  cudaError_t error = tn_launch(reduce_columns<Op, E, W>, blocks * g.splits, REDUCE_BLOCK, 0, g, s);
  if (error == cudaSuccess) error = join_all<Op>(g, s);
  if (g.parts != nullptr) tn_cuda_free(device, g.parts);
  return tn_cuda_check(error);
}

/* Do W neighbouring columns begin at a multiple of W elements everywhere? */
template <class V> inline bool in_packs(const reduction<V> &g, size_t bytes, int W) {
  if ((uintptr_t)g.x.data % (bytes * (size_t)W) != 0) return false;
  const int last = g.kept.ndim - 1;
  if (last < 0 || g.kept.strides[1][last] != 1 || g.kept.sizes[last] % W != 0) return false;
  for (int d = 0; d < last; d++) {
    if (g.kept.strides[1][d] % W != 0) return false;
  }
  for (int d = 0; d < g.reduced.ndim; d++) {
    if (g.reduced.strides[0][d] % W != 0) return false;
  }
  return true;
}

template <class Op, class E>
inline tn_status run_reduction(int device, reduction<typename Op::value> &g, const settings &s) {
  constexpr int W = reader<E, typename Op::value>::width;
  const uint64_t full = (uint64_t)tn_cuda_blocks(device, UINT64_MAX / 2, REDUCE_BLOCK);
  const int last = g.kept.ndim - 1;
  const bool columns = last >= 0 && g.kept.strides[1][last] == 1 && !(g.dense && g.n > 1);
  if (!columns && (g.dense || g.outputs < full * 64)) return run_rows<Op, E>(device, g, s, full);
  if constexpr (W > 1) {
    if (in_packs(g, sizeof(E), W)) return run_columns<Op, E, W>(device, g, s, full);
  }
  return run_columns<Op, E, 1>(device, g, s, full);
}

/* -- which types ------------------------------------------------------------------------------- */

/* in[0] over the dimensions of `mask` (all bits: everything). ordered: `at` counts in row-major order,
 * which sums do not need. */
template <template <class> class Op>
inline tn_status reduce_floats(tn_kernel_call *call, unsigned mask, bool ordered,
                               const settings &s) {
  const tn_view &x = call->in[0];
  const int device = call->device;
  if (x.data == nullptr) return TN_DECLINED;
  if (x.dtype == TN_F64) {
    reduction<double> g;
    describe(&g, x, mask, ordered);
    return g.outputs == 0 ? TN_OK : run_reduction<Op<double>, double>(device, g, s);
  }
  reduction<float> g;
  describe(&g, x, mask, ordered);
  if (g.outputs == 0) return TN_OK;
  if (x.dtype == TN_F32) return run_reduction<Op<float>, float>(device, g, s);
  if (x.dtype == TN_F16) return run_reduction<Op<float>, __half>(device, g, s);
  return run_reduction<Op<float>, __nv_bfloat16>(device, g, s);
}

/* Integers are calculated as such, */
template <template <class> class Op>
inline tn_status reduce_any(tn_kernel_call *call, unsigned mask, bool ordered, const settings &s) {
  const tn_view &x = call->in[0];
  const int device = call->device;
  if (x.dtype >= TN_F16) return reduce_floats<Op>(call, mask, ordered, s);
  if (x.data == nullptr) return TN_DECLINED;
  reduction<int64_t> g;
  describe(&g, x, mask, ordered);
  if (g.outputs == 0) return TN_OK;
  if (x.dtype == TN_I64) return run_reduction<Op<int64_t>, int64_t>(device, g, s);
  if constexpr (Op<int64_t>::bytes) {
    if (x.dtype == TN_U8 || x.dtype == TN_BOOL) {
      return run_reduction<Op<int64_t>, uint8_t>(device, g, s);
    }
  }
  return run_reduction<Op<int64_t>, any_type>(device, g, s);
}

/* or as float64. */
template <template <class> class Op>
inline tn_status reduce_as_floats(tn_kernel_call *call, unsigned mask, const settings &s) {
  const tn_view &x = call->in[0];
  if (x.dtype >= TN_F16) return reduce_floats<Op>(call, mask, false, s);
  if (x.data == nullptr) return TN_DECLINED;
  reduction<double> g;
  describe(&g, x, mask, false);
  return g.outputs == 0 ? TN_OK : run_reduction<Op<double>, any_type>(call->device, g, s);
}

inline unsigned mask_of(int dim) { return dim < 0 ? ~0u : 1u << dim; }

/* How many elements each result is made of. */
inline double count_of(const tn_view &x, int dim) {
  double n = 1;
  for (int d = 0; d < x.ndim; d++) n *= dim < 0 || d == dim ? (double)x.sizes[d] : 1;
  return n;
}

inline settings settings_of(const tn_kernel_call *call) {
  settings s = {{nullptr, nullptr}, {0, 0}, 1, 0, 0, false, false};
  for (int i = 0; i < call->nout && i < 2; i++) {
    s.out[i] = call->out[i].data;
    s.dtype[i] = call->out[i].dtype;
  }
  return s;
}

}  // namespace

#endif
