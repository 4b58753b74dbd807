/* counts.cu -- histc, bhistc, bincount and searchsorted: which of an ordered row of bins elements
 * fall into. Counts are whole numbers, so their order does not matter; the sums of weights of
 * bincount are of float64, and may differ in the last digits from one run to the next. */
#include <cstdio>
#include <vector>

#include "cuda/reduce.cuh"

namespace {

enum { BLOCK = REDUCE_BLOCK, FEW_BINS = 4096 };

typedef unsigned long long counter;

/* Rows of elements: each one's bins are counted for itself. */
struct counted {
  operand<double> x;
  tn_positions index;
  uint64_t rows, n; /* elements of each row */
  int64_t bins;
  int parts;   /* blocks for each row */
  double low, high;
  const double *ranges; /* low and high of each row, or NULL */
  counter *counts;
};

__device__ inline double element_of(const counted &c, uint64_t row, uint64_t i) {
  int64_t at[1];
  tn_index_at(&c.index, row * c.n + i, 1, at);
  return fetch(c.x, at[0]);
}

/* -- the range of each row --------------------------------------------------------------------- */

struct range {
  double low, high;
};

__device__ inline range wider(const range &a, const range &b) {
  return {b.low < a.low || b.low != b.low ? b.low : a.low,
          b.high > a.high || b.high != b.high ? b.high : a.high};
}

__global__ void __launch_bounds__(BLOCK) find_ranges(counted c, range *out) {
  __shared__ range of_threads[BLOCK];
  const uint64_t row = blockIdx.x / c.parts, part = blockIdx.x % c.parts;
  range r = {(double)INFINITY, -(double)INFINITY};
  for (uint64_t i = part * BLOCK + threadIdx.x; i < c.n; i += (uint64_t)c.parts * BLOCK) {
    const double v = element_of(c, row, i);
    r = wider(r, {v, v});
  }
  of_threads[threadIdx.x] = r;
  __syncthreads();
  for (int half = BLOCK / 2; half > 0; half /= 2) {
    if ((int)threadIdx.x < half) {
      r = wider(r, of_threads[threadIdx.x + half]);
      of_threads[threadIdx.x] = r;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = r;
}

/* -- counting ---------------------------------------------------------------------------------- */

/* Elements outside of the range are left out; its upper end belongs to the last bin. */
__device__ inline int64_t bin_of(double v, double low, double high, double scale, int64_t bins) {
  if (!(v >= low && v <= high)) return -1;
  const int64_t bin = (int64_t)((v - low) * scale);
  return bin < bins ? bin : bins - 1;
}

template <bool SHARED> __global__ void __launch_bounds__(BLOCK) count_bins(counted c) {
  TN_SHARED_BYTES(unsigned, own);
  const uint64_t row = blockIdx.x / c.parts, part = blockIdx.x % c.parts;
  const double low = c.ranges != nullptr ? c.ranges[2 * row] : c.low;
  const double high = c.ranges != nullptr ? c.ranges[2 * row + 1] : c.high;
  const double scale = (double)c.bins / (high - low);
  counter *counts = c.counts + row * c.bins;
  if (SHARED) {
    for (int64_t k = threadIdx.x; k < c.bins; k += BLOCK) own[k] = 0;
    __syncthreads();
  }
  for (uint64_t i = part * BLOCK + threadIdx.x; i < c.n; i += (uint64_t)c.parts * BLOCK) {
    const int64_t bin = bin_of(element_of(c, row, i), low, high, scale, c.bins);
    if (bin < 0) continue;
    if (SHARED) atomicAdd(&own[bin], 1u);
    else atomicAdd(&counts[bin], (counter)1);
  }
  if (!SHARED) return;
  __syncthreads();
  for (int64_t k = threadIdx.x; k < c.bins; k += BLOCK) {
    if (own[k] > 0) atomicAdd(&counts[k], (counter)own[k]);
  }
}

__global__ void __launch_bounds__(BLOCK) store_counts(uint64_t n, const counter *counts, void *out,
                                                      int32_t dtype) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
    store<int64_t>(out, dtype, (int64_t)i, (int64_t)counts[i]);
  }
}

cudaStream_t stream() { return static_cast<cudaStream_t>(tn_cuda_stream()); }

tn_status check_range(double *low, double *high) {
  if (*low == *high) *low -= 1, *high += 1;
  if (*low < *high && isfinite(*high - *low)) return TN_OK;
  char text[96];
  snprintf(text, sizeof text, "the range from %g to %g is none", *low, *high);
  return tn_cuda_fail(TN_EARG, text);
}

/* The rows' own ranges: found on the device, looked at here, and sent back. */
tn_status own_ranges(int device, counted &c, void **memory) {
  const size_t bytes = c.rows * c.parts * sizeof(range);
  std::vector<range> all(c.rows * c.parts);
  tn_status s = tn_cuda_alloc(device, bytes, memory);
  if (s != TN_OK) return s;
  s = tn_cuda_check(tn_launch(find_ranges, c.rows * c.parts, BLOCK, 0, c,
                              static_cast<range *>(*memory)));
  if (s == TN_OK) s = tn_cuda_read(device, all.data(), *memory, bytes);
  for (uint64_t row = 0; row < c.rows && s == TN_OK; row++) {
    range r = all[row * c.parts];
    for (int k = 1; k < c.parts; k++) {
      const range &other = all[row * c.parts + k];
      r.low = other.low < r.low || other.low != other.low ? other.low : r.low;
      r.high = other.high > r.high || other.high != other.high ? other.high : r.high;
    }
    s = check_range(&r.low, &r.high);
    all[row] = r;
  }
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaMemcpyAsync(*memory, all.data(), c.rows * sizeof(range),
                                    cudaMemcpyHostToDevice, stream()));
  if (s == TN_OK) s = tn_cuda_check(cudaStreamSynchronize(stream())); /* `all` goes away */
  c.ranges = static_cast<const double *>(*memory);
  return s;
}

tn_status count_rows(tn_kernel_call *call, uint64_t rows) {
  const tn_view &x = call->in[0], &out = call->out[0];
  const uint64_t full = (uint64_t)tn_cuda_blocks(call->device, UINT64_MAX / 2, BLOCK);
  const uint64_t bins = (uint64_t)out.sizes[out.ndim - 1];
  counted c;
  void *ranges = nullptr, *counts = nullptr;
  c.x = operand_of<double>(x);
  tn_index_make(&c.index, &x, &x, 1);
  c.rows = rows;
  c.n = rows > 0 ? c.index.count / rows : 0;
  c.bins = (int64_t)bins;
  c.ranges = nullptr;
  c.low = call->attrs->f[0];
  c.high = call->attrs->f[1];
  if (rows == 0) return TN_OK;
  uint64_t parts = parts_of(full, rows);
  if (parts > c.n / (8 * BLOCK)) parts = c.n / (8 * BLOCK);
  c.parts = parts < 1 ? 1 : (int)parts;
  tn_status s = TN_OK;
  if (c.low == c.high && c.n > 0) s = own_ranges(call->device, c, &ranges);
  else s = check_range(&c.low, &c.high);
  if (s == TN_OK) s = tn_cuda_alloc(call->device, rows * bins * sizeof(counter), &counts);
  if (s == TN_OK) {
    c.counts = static_cast<counter *>(counts);
    cudaError_t error = cudaMemsetAsync(counts, 0, rows * bins * sizeof(counter), stream());
    const bool few = bins <= FEW_BINS;
    if (error == cudaSuccess) {
      error = tn_launch(few ? count_bins<true> : count_bins<false>, rows * c.parts, BLOCK,
                        few ? bins * sizeof(unsigned) : 0, c);
    }
    if (error == cudaSuccess) {
      error = tn_launch(store_counts, tn_cuda_blocks(call->device, rows * bins, BLOCK), BLOCK, 0,
                        rows * bins, c.counts, out.data, out.dtype);
    }
    s = tn_cuda_check(error);
  }
  if (ranges != nullptr) tn_cuda_free(call->device, ranges);
  if (counts != nullptr) tn_cuda_free(call->device, counts);
  return s;
}

/* -- bincount ---------------------------------------------------------------------------------- */

/* The shape rule has seen to it that all values have a bin. */
__global__ void __launch_bounds__(BLOCK)
count_values(tn_positions index, operand<int64_t> x, operand<double> weight, int64_t base,
             counter *counts, double *sums) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[3];
    tn_index_at(&index, i, 3, at);
    const int64_t bin = fetch(x, at[1]) - base;
    if (sums != nullptr) atomicAdd(&sums[bin], fetch(weight, at[2]));
    else atomicAdd(&counts[bin], (counter)1);
  }
}

__global__ void __launch_bounds__(BLOCK)
count_few_values(tn_positions index, operand<int64_t> x, int64_t base, int64_t bins,
                 counter *counts) {
  TN_SHARED_BYTES(unsigned, own);
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (int64_t k = threadIdx.x; k < bins; k += BLOCK) own[k] = 0;
  __syncthreads();
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[3];
    tn_index_at(&index, i, 2, at);
    atomicAdd(&own[fetch(x, at[1]) - base], 1u);
  }
  __syncthreads();
  for (int64_t k = threadIdx.x; k < bins; k += BLOCK) {
    if (own[k] > 0) atomicAdd(&counts[k], (counter)own[k]);
  }
}

__global__ void __launch_bounds__(BLOCK) store_sums(uint64_t n, const double *sums, float *out) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
    out[i] = (float)sums[i];
  }
}

/* -- searchsorted ------------------------------------------------------------------------------ */

template <class V> struct searched {
  operand<V> sorted, values;
  tn_positions rows, index; /* of the first elements of sorted rows, by row; of the values */
  int64_t n, step; /* of a sorted row */
  uint64_t per_row; /* values that are looked up in the same row */
  int64_t base;
  bool right;
};

template <class V>
__global__ void __launch_bounds__(BLOCK) search_values(searched<V> g, int64_t *out) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < g.index.count; i += step) {
    int64_t at[1], row[1], low = 0, high = g.n;
    tn_index_at(&g.index, i, 1, at);
    tn_index_at(&g.rows, i / g.per_row, 1, row);
    const V v = fetch(g.values, at[0]);
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      const V there = fetch(g.sorted, row[0] + middle * g.step);
      if (g.right ? !(there > v) : !(there >= v)) low = middle + 1;
      else high = middle;
    }
    out[i] = low + g.base;
  }
}

template <class V> tn_status search(tn_kernel_call *call) {
  const tn_view &sorted = call->in[0], &values = call->in[1];
  const int last = sorted.ndim - 1;
  searched<V> g;
  tn_view rows = sorted;
  if (sorted.data == nullptr) return TN_DECLINED;
  rows.ndim = last;
  tn_index_make(&g.index, &values, &values, 1);
  if (g.index.count == 0) return TN_OK;
  if (values.data == nullptr) g.index.ndim = 0;
  tn_index_make(&g.rows, &rows, nullptr, 0);
  g.sorted = operand_of<V>(sorted);
  g.values = operand_of<V>(values);
  g.n = sorted.sizes[last];
  g.step = sorted.strides[last];
  g.per_row = last > 0 ? (uint64_t)values.sizes[values.ndim - 1] : g.index.count;
  g.base = call->index_base;
  g.right = call->attrs->ni > 0 && call->attrs->i[0] != TN_NONE && call->attrs->i[0] != 0;
  return tn_cuda_check(tn_launch(search_values<V>,
                                 tn_cuda_blocks(call->device, g.index.count, BLOCK), BLOCK, 0, g,
                                 static_cast<int64_t *>(call->out[0].data)));
}

}  // namespace

extern "C" tn_status tn_cuda_histc(tn_kernel_call *call) { return count_rows(call, 1); }

extern "C" tn_status tn_cuda_bhistc(tn_kernel_call *call) {
  return count_rows(call, (uint64_t)call->in[0].sizes[0]);
}

extern "C" tn_status tn_cuda_bincount(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &out = call->out[0];
  const bool weighted = call->nin > 1 && call->in[1].ndim >= 0;
  const uint64_t bins = (uint64_t)out.sizes[0];
  const bool by_copy = weighted && out.dtype == TN_F32;
  tn_view views[2] = {x, weighted ? call->in[1] : x};
  tn_positions index;
  void *sums = nullptr;
  if (x.data == nullptr || (weighted && views[1].data == nullptr)) return TN_DECLINED;
  if (bins == 0) return TN_OK;
  if (weighted && views[1].ndim != x.ndim) return TN_DECLINED; /* another shape */
  tn_index_make(&index, &x, views, 2);
  tn_status s = by_copy ? tn_cuda_alloc(call->device, bins * sizeof(double), &sums) : TN_OK;
  if (s != TN_OK) return s;
  void *to = by_copy ? sums : out.data;
  cudaError_t error = cudaMemsetAsync(to, 0, bins * sizeof(counter), stream());
  const int blocks = tn_cuda_blocks(call->device, index.count, BLOCK);
  if (error == cudaSuccess && index.count > 0 && !weighted && bins <= FEW_BINS) {
    error = tn_launch(count_few_values, blocks, BLOCK, bins * sizeof(unsigned), index,
                      operand_of<int64_t>(x), (int64_t)call->index_base, (int64_t)bins,
                      static_cast<counter *>(to));
  } else if (error == cudaSuccess && index.count > 0) {
    error = tn_launch(count_values, blocks, BLOCK, 0, index, operand_of<int64_t>(x),
                      operand_of<double>(views[1]), (int64_t)call->index_base,
                      static_cast<counter *>(to), weighted ? static_cast<double *>(to) : nullptr);
  }
  if (error == cudaSuccess && by_copy) {
    error = tn_launch(store_sums, tn_cuda_blocks(call->device, bins, BLOCK), BLOCK, 0, bins,
                      static_cast<const double *>(sums), static_cast<float *>(out.data));
  }
  if (sums != nullptr) tn_cuda_free(call->device, sums);
  return tn_cuda_check(error);
}

extern "C" tn_status tn_cuda_searchsorted(tn_kernel_call *call) {
  const bool floats = call->in[0].dtype >= TN_F16 || call->in[1].dtype >= TN_F16;
  return floats ? search<double>(call) : search<int64_t>(call);
}
