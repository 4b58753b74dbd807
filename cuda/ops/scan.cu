/* scan.cu -- running sums, products and extremes along a dimension.
 *
 * Lines whose elements lie close together: a block goes along a line, 256 elements at a time. Others:
 * a thread goes along each line, and neighbouring threads along neighbouring lines. Where there are
 * too few lines to fill the device each is cut into chunks: first every chunk's total, then the totals
 * of those before, then the results. What is carried of floats is of float64, as on the CPU. */
#include "cuda/reduce.cuh"

namespace {

enum { BLOCK = REDUCE_BLOCK };

/* Lines to go along, and what their results are. */
template <class V> struct lines {
  operand<V> x;
  tn_positions starts; /* of the lines: view 0 the result, view 1 x */
  int64_t size, out_step, x_step;
  int64_t chunk; /* elements */
  int chunks;
  bool reverse;
  bool totals; /* only them are asked for */
  void *carried; /* of each chunk of each line: a part */
};

template <class V> __device__ inline int64_t place(const lines<V> &l, int64_t k) {
  return l.reverse ? l.size - 1 - k : k;
}

/* -- what is carried --------------------------------------------------------------------------- */

/* Integers wrap around. */
struct sum_scan {
  template <class C> __device__ static C start() { return 0; }
  __device__ static double join(double a, double b) { return a + b; }
  __device__ static int64_t join(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
  }
};
struct product_scan {
  template <class C> __device__ static C start() { return 1; }
  __device__ static double join(double a, double b) { return a * b; }
  __device__ static int64_t join(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
  }
};
/* log(exp(a) + exp(b)); equal infinities have no difference. */
struct exponential_scan {
  template <class C> __device__ static C start() { return -(C)INFINITY; }
  __device__ static double join(double a, double b) {
    if (a == b) return a + 0.693147180559945309417;
    if (b == -(double)INFINITY) return a;
    if (a == -(double)INFINITY) return b;
    return a > b || a != a ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
  }
};

/* Numbers: V is what elements are read as, double or int64. */
template <class Rule, class V> struct number_scan {
  typedef V value, part;
  __device__ static part start(const settings &) { return Rule::template start<V>(); }
  __device__ static part of(V v, int64_t) { return v; }
  __device__ static part join(const part &a, const part &b, const settings &) {
    return Rule::join(a, b);
  }
  __device__ static void write(const settings &s, const part &p, int64_t at) {
    store<V>(s.out[0], s.dtype[0], at, p);
  }
};

template <class V> struct found {
  V value;
  int64_t at; /* -1: nothing yet */
};

/* Of equal extremes the latest; NaN wins. */
template <class V> struct extreme_scan {
  typedef V value;
  typedef found<V> part;
  __device__ static part start(const settings &) { return {0, -1}; }
  __device__ static part of(V v, int64_t at) { return {v, at}; }
  __device__ static part join(const part &a, const part &b, const settings &s) {
    if (a.at < 0 || b.value != b.value) return b.at < 0 ? a : b;
    if (b.at < 0 || a.value != a.value) return a;
    return (s.smallest ? b.value <= a.value : b.value >= a.value) ? b : a;
  }
  __device__ static void write(const settings &s, const part &p, int64_t at) {
    store<V>(s.out[0], s.dtype[0], at, p.value);
    store<int64_t>(s.out[1], s.dtype[1], at, p.at + s.base);
  }
};

/* -- one block along a line -------------------------------------------------------------------- */

template <class Part> __device__ inline Part from_lane_before(const Part &part, int by) {
  uint32_t words[sizeof(Part) / 4];
  Part other;
  memcpy(words, &part, sizeof part);
#pragma unroll
  for (size_t k = 0; k < sizeof(Part) / 4; k++) words[k] = __shfl_up_sync(~0u, words[k], by);
  memcpy(&other, words, sizeof other);
  return other;
}

/* All parts of the block up to this thread's; *all gets the whole. */
template <class Op>
__device__ inline typename Op::part scanned(typename Op::part part, typename Op::part *all,
                                            const settings &s) {
  __shared__ typename Op::part of_warps[BLOCK / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int by = 1; by < 32; by *= 2) {
    const typename Op::part before = from_lane_before(part, by);
    if (lane >= by) part = Op::join(before, part, s);
  }
  if (lane == 31) of_warps[warp] = part;
  __syncthreads();
  typename Op::part before = of_warps[0], whole = before;
#pragma unroll
  for (int w = 1; w < BLOCK / 32; w++) {
    if (w == warp) before = whole;
    whole = Op::join(whole, of_warps[w], s);
  }
  if (warp > 0) part = Op::join(before, part, s);
  *all = whole;
  __syncthreads();
  return part;
}

template <class Op>
__global__ void __launch_bounds__(BLOCK) scan_lines(lines<typename Op::value> l, settings s) {
  const uint64_t line = blockIdx.x / l.chunks;
  const int chunk = blockIdx.x % l.chunks;
  typename Op::part *carried = static_cast<typename Op::part *>(l.carried);
  typename Op::part before = Op::start(s), all;
  int64_t at[2];
  tn_index_at(&l.starts, line, 2, at);
  const int64_t first = chunk * l.chunk;
  const int64_t last = first + l.chunk < l.size ? first + l.chunk : l.size;
  if (l.chunks > 1 && !l.totals && chunk > 0) before = carried[line * l.chunks + chunk - 1];
  for (int64_t k = first; k < last; k += BLOCK) {
    const int64_t mine = k + threadIdx.x, to = place(l, mine);
    typename Op::part part = Op::start(s);
    if (mine < last) part = Op::of(fetch(l.x, at[1] + to * l.x_step), to);
    part = Op::join(before, scanned<Op>(part, &all, s), s);
    before = Op::join(before, all, s);
    if (mine < last && !l.totals) Op::write(s, part, at[0] + to * l.out_step);
  }
  if (l.totals && threadIdx.x == 0) carried[line * l.chunks + chunk] = before;
}

/* -- one thread along a line ------------------------------------------------------------------- */

template <class Op>
__global__ void __launch_bounds__(BLOCK)
scan_columns(lines<typename Op::value> l, uint64_t count, settings s) {
  const uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (i >= count * l.chunks) return;
  const uint64_t line = i % count;
  const int chunk = (int)(i / count);
  typename Op::part *carried = static_cast<typename Op::part *>(l.carried);
  typename Op::part part = Op::start(s);
  int64_t at[2];
  tn_index_at(&l.starts, line, 2, at);
  const int64_t first = chunk * l.chunk;
  const int64_t last = first + l.chunk < l.size ? first + l.chunk : l.size;
  if (l.chunks > 1 && !l.totals && chunk > 0) part = carried[line * l.chunks + chunk - 1];
#pragma unroll 4
  for (int64_t k = first; k < last; k++) {
    const int64_t to = place(l, k);
    part = Op::join(part, Op::of(fetch(l.x, at[1] + to * l.x_step), to), s);
    if (!l.totals) Op::write(s, part, at[0] + to * l.out_step);
  }
  if (l.totals) carried[line * l.chunks + chunk] = part;
}

/* Of each line the totals of all chunks up to each. */
template <class Op>
__global__ void __launch_bounds__(BLOCK)
add_totals(lines<typename Op::value> l, uint64_t count, settings s) {
  const uint64_t line = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (line >= count) return;
  typename Op::part *carried = static_cast<typename Op::part *>(l.carried) + line * l.chunks;
  typename Op::part part = carried[0];
  for (int k = 1; k < l.chunks; k++) carried[k] = part = Op::join(part, carried[k], s);
}

/* -- the host's side --------------------------------------------------------------------------- */

template <class Op>
cudaError_t pass(lines<typename Op::value> &l, const settings &s, bool by_block, bool totals) {
  const uint64_t count = l.starts.count;
  l.totals = totals;
  if (by_block) return tn_launch(scan_lines<Op>, count * l.chunks, BLOCK, 0, l, s);
  return tn_launch(scan_columns<Op>, parts_of(count * l.chunks, BLOCK), BLOCK, 0, l, count, s);
}

template <class Op> tn_status scan(tn_kernel_call *call, bool reverse, settings &s) {
  typedef typename Op::part Part;
  const tn_view &x = call->in[0];
  const uint64_t full = (uint64_t)tn_cuda_blocks(call->device, UINT64_MAX / 2, BLOCK);
  lines<typename Op::value> l;
  int64_t out = 1;
  if (x.ndim == 0) return TN_DECLINED;
  l.x = operand_of<typename Op::value>(x);
  l.size = x.sizes[call->dim];
  l.x_step = x.strides[call->dim];
  l.reverse = reverse;
  l.carried = nullptr;
  l.starts.ndim = x.ndim - 1;
  l.starts.views = 2;
  for (int d = x.ndim - 1; d >= 0; d--) {
    const int to = d < call->dim ? d : d - 1;
    if (d == call->dim) {
      l.out_step = out;
    } else {
      l.starts.sizes[to] = x.sizes[d];
      l.starts.strides[0][to] = out;
      l.starts.strides[1][to] = x.strides[d];
    }
    out *= x.sizes[d];
  }
  if (out == 0) return TN_OK;
  ready(&l.starts);
  const bool by_block = l.size >= 64 && l.out_step < 8;
  const uint64_t blocks = by_block ? l.starts.count : parts_of(l.starts.count, BLOCK);
  const int64_t least = by_block ? 4 * BLOCK : 64;
  uint64_t chunks = blocks < full && l.size >= 2 * least ? parts_of(full, blocks) : 1;
  if (chunks > (uint64_t)(l.size / least)) chunks = (uint64_t)(l.size / least);
  if (chunks < 1) chunks = 1;
  if (chunks > MOST_PARTS) chunks = MOST_PARTS;
  l.chunk = (int64_t)parts_of((uint64_t)l.size, chunks);
  if (by_block && chunks > 1) l.chunk = (l.chunk + BLOCK - 1) / BLOCK * BLOCK;
  l.chunks = (int)parts_of((uint64_t)l.size, (uint64_t)l.chunk);
  cudaError_t error = cudaSuccess;
  if (l.chunks > 1) {
    tn_status status = tn_cuda_alloc(call->device, l.starts.count * l.chunks * sizeof(Part),
                                     &l.carried);
    if (status != TN_OK) return status;
    error = pass<Op>(l, s, by_block, true);
    if (error == cudaSuccess) {
      error = tn_launch(add_totals<Op>, parts_of(l.starts.count, BLOCK), BLOCK, 0, l,
                        l.starts.count, s);
    }
  }
  if (error == cudaSuccess) error = pass<Op>(l, s, by_block, false);
  if (l.carried != nullptr) tn_cuda_free(call->device, l.carried);
  return tn_cuda_check(error);
}

bool is_reverse(const tn_kernel_call *call) {
  return call->attrs->ni > 1 && call->attrs->i[1] != TN_NONE && call->attrs->i[1] != 0;
}

template <class Rule> tn_status scan_numbers(tn_kernel_call *call, bool reverse) {
  settings s = settings_of(call);
  if (call->in[0].dtype >= TN_F16) return scan<number_scan<Rule, double>>(call, reverse, s);
  return scan<number_scan<Rule, int64_t>>(call, reverse, s);
}

tn_status extremes(tn_kernel_call *call, bool smallest) {
  settings s = settings_of(call);
  s.smallest = smallest;
  s.base = call->index_base;
  if (call->in[0].dtype >= TN_F16) return scan<extreme_scan<double>>(call, false, s);
  return scan<extreme_scan<int64_t>>(call, false, s);
}

}  // namespace

extern "C" tn_status tn_cuda_cumsum(tn_kernel_call *call) {
  return scan_numbers<sum_scan>(call, is_reverse(call));
}

extern "C" tn_status tn_cuda_cumprod(tn_kernel_call *call) {
  return scan_numbers<product_scan>(call, false);
}

extern "C" tn_status tn_cuda_logcumsumexp(tn_kernel_call *call) {
  settings s = settings_of(call);
  return scan<number_scan<exponential_scan, double>>(call, is_reverse(call), s);
}

extern "C" tn_status tn_cuda_cummax(tn_kernel_call *call) { return extremes(call, false); }
extern "C" tn_status tn_cuda_cummin(tn_kernel_call *call) { return extremes(call, true); }
