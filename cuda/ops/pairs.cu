/* pairs.cu -- sums over pairs of elements: dot, mse_loss and its gradient, distances of rows. */
#include "cuda/reduce.cuh"

namespace {

enum { BLOCK = REDUCE_BLOCK, TILE = 16 };

template <class V> __device__ inline V sum_of(V a, V b) { return a + b; }
template <> __device__ inline int64_t sum_of(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}

template <class V> struct product_rule {
  typedef V part;
  __device__ static V of(V a, V b) { return a * b; }
  __device__ static V start(const settings &) { return 0; }
  __device__ static V join(V a, V b, const settings &) { return sum_of(a, b); }
};
template <> __device__ inline int64_t product_rule<int64_t>::of(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a * (uint64_t)b);
}

template <class V> struct gap_rule {
  typedef V part;
  __device__ static V of(V a, V b) { return (a - b) * (a - b); }
  __device__ static V start(const settings &) { return 0; }
  __device__ static V join(V a, V b, const settings &) { return sum_of(a, b); }
};

/* Two tensors with as many elements, each in its own order. */
template <class V> struct pairs {
  operand<V> a, b;
  tn_positions of_a, of_b;
};

template <class V> __device__ inline V first_of(const pairs<V> &p, uint64_t i) {
  int64_t at[1];
  tn_index_at(&p.of_a, i, 1, at);
  return fetch(p.a, at[0]);
}

template <class V> __device__ inline V second_of(const pairs<V> &p, uint64_t i) {
  int64_t at[1];
  tn_index_at(&p.of_b, i, 1, at);
  return fetch(p.b, at[0]);
}

/* The sum of each block's pairs. E: both lie one after another, aligned, as elements of it. */
template <class Rule, class V, class E>
__global__ void __launch_bounds__(BLOCK)
add_pairs(const __grid_constant__ pairs<V> p, const __grid_constant__ settings s, V *parts) {
  constexpr int W = reader<E, V>::width;
  const uint64_t n = p.of_a.count, step = (uint64_t)gridDim.x * BLOCK;
  const uint64_t first = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
  uint64_t done = 0;
  V sum = 0;
  if constexpr (W > 1) {
    typedef elements_side_by_side<E, W> pack;
    const pack *a = static_cast<const pack *>(p.a.data), *b = static_cast<const pack *>(p.b.data);
#pragma unroll 2
    for (uint64_t i = first; i < n / W; i += step) {
      const pack x = a[i], y = b[i];
#pragma unroll
      for (int w = 0; w < W; w++) {
        sum = sum_of(sum, Rule::of(number_of<V>(x.e[w]), number_of<V>(y.e[w])));
      }
    }
    done = n / W * W;
  }
  for (uint64_t i = done + first; i < n; i += step) {
    sum = sum_of(sum, Rule::of(first_of(p, i), second_of(p, i)));
  }
  sum = joined<Rule>(sum, BLOCK, s);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

template <class Rule, class V>
__global__ void __launch_bounds__(BLOCK)
add_parts(int n, const V *parts, const __grid_constant__ settings s) {
  V sum = 0;
  for (int i = threadIdx.x; i < n; i += BLOCK) sum = sum_of(sum, parts[i]);
  sum = joined<Rule>(sum, BLOCK, s);
  if (threadIdx.x > 0) return;
  if (s.scale == 1) store<V>(s.out[0], s.dtype[0], 0, sum);
  else store<double>(s.out[0], s.dtype[0], 0, (double)sum * s.scale);
}

template <class V> pairs<V> pairs_of(const tn_view &a, const tn_view &b) {
  pairs<V> p;
  p.a = operand_of<V>(a);
  p.b = operand_of<V>(b);
  tn_index_make(&p.of_a, &a, nullptr, 0);
  tn_index_make(&p.of_b, &b, nullptr, 0);
  return p;
}

template <class V> bool in_packs(const pairs<V> &p) {
  const tn_positions *of[2] = {&p.of_a, &p.of_b};
  const operand<V> *o[2] = {&p.a, &p.b};
  for (int k = 0; k < 2; k++) {
    if (o[k]->data == nullptr || (uintptr_t)o[k]->data % 16 != 0) return false;
    if (!tn_index_is_plain(of[k], 0) || o[k]->dtype != p.a.dtype) return false;
  }
  return true;
}

template <template <class> class Rule, class V, class E>
tn_status sum_pairs_of(tn_kernel_call *call, const pairs<V> &p, const settings &s) {
  const uint64_t packs = p.of_a.count / (uint64_t)reader<E, V>::width;
  const int blocks = tn_cuda_blocks(call->device, packs + 1, BLOCK);
  void *parts;
  tn_status status = tn_cuda_alloc(call->device, (size_t)blocks * sizeof(V), &parts);
  if (status != TN_OK) return status;
  cudaError_t error = tn_launch(add_pairs<Rule<V>, V, E>, blocks, BLOCK, 0, p, s,
                                static_cast<V *>(parts));
  if (error == cudaSuccess) {
    error = tn_launch(add_parts<Rule<V>, V>, 1, BLOCK, 0, blocks, static_cast<const V *>(parts), s);
  }
  tn_cuda_free(call->device, parts);
  return tn_cuda_check(error);
}

template <template <class> class Rule>
tn_status sum_pairs(tn_kernel_call *call, const settings &s) {
  const tn_view &a = call->in[0], &b = call->in[1];
  if (a.dtype == TN_F64 || b.dtype == TN_F64) {
    const pairs<double> p = pairs_of<double>(a, b);
    return in_packs(p) ? sum_pairs_of<Rule, double, double>(call, p, s)
                       : sum_pairs_of<Rule, double, any_type>(call, p, s);
  }
  const pairs<float> p = pairs_of<float>(a, b);
  if (!in_packs(p)) return sum_pairs_of<Rule, float, any_type>(call, p, s);
  if (a.dtype == TN_F32) return sum_pairs_of<Rule, float, float>(call, p, s);
  if (a.dtype == TN_F16) return sum_pairs_of<Rule, float, __half>(call, p, s);
  if (a.dtype == TN_BF16) return sum_pairs_of<Rule, float, __nv_bfloat16>(call, p, s);
  return sum_pairs_of<Rule, float, any_type>(call, p, s);
}

/* -- the gradient of mse_loss ------------------------------------------------------------------ */

template <class V>
__global__ void __launch_bounds__(BLOCK)
mse_slopes(const __grid_constant__ pairs<V> p, operand<V> d, V factor,
           const __grid_constant__ settings s) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  const V by = factor * fetch(d, 0);
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < p.of_a.count; i += step) {
    const V slope = by * (first_of(p, i) - second_of(p, i));
    if (s.out[0] != nullptr) store<V>(s.out[0], s.dtype[0], (int64_t)i, slope);
    if (s.out[1] != nullptr) store<V>(s.out[1], s.dtype[1], (int64_t)i, -slope);
  }
}

/* Is the mean asked for? */
bool takes_mean(const tn_kernel_call *call) {
  const tn_attrs *a = call->attrs;
  return a->ni < 1 || a->i[0] == TN_NONE || a->i[0] != 0;
}

template <class V> tn_status mse_gradient(tn_kernel_call *call) {
  settings s = settings_of(call);
  const pairs<V> p = pairs_of<V>(call->in[1], call->in[2]);
  const double n = (double)p.of_a.count;
  for (int i = 0; i < 2; i++) {
    s.out[i] = call->need[i] ? call->out[i].data : nullptr;
    s.dtype[i] = call->out[i].dtype;
  }
  if (p.of_a.count == 0) return TN_OK;
  return tn_cuda_check(tn_launch(mse_slopes<V>, tn_cuda_blocks(call->device, p.of_a.count, BLOCK),
                                 BLOCK, 0, p, operand_of<V>(call->in[0]),
                                 (V)(takes_mean(call) ? 2 / n : 2), s));
}

/* -- distances --------------------------------------------------------------------------------- */

/* Rows of x and of y, of each matrix of a batch. */
template <class V> struct row_sets {
  operand<V> x, y;
  tn_positions of_x, of_y; /* of the matrices */
  int64_t rows, others, length, x_row, x_step, y_row, y_step;
  int64_t down, across; /* tiles */
  V p;
};

template <class V> __device__ inline V term(V far, V p) {
  return p == 0 ? (V)(far != 0) : pow(far, p);
}

template <class V>
__global__ void __launch_bounds__(BLOCK)
measure_rows(const __grid_constant__ row_sets<V> g, void *out, int32_t dtype) {
  __shared__ V of_x[TILE][TILE + 1], of_y[TILE][TILE + 1];
  const int column = threadIdx.x % TILE, row = threadIdx.x / TILE;
  const uint64_t matrix = blockIdx.x / (uint64_t)(g.down * g.across);
  const int64_t tile = (int64_t)(blockIdx.x % (uint64_t)(g.down * g.across));
  const int64_t first = tile / g.across * TILE, other = tile % g.across * TILE;
  int64_t x_at[1], y_at[1];
  V sum = 0;
  tn_index_at(&g.of_x, matrix, 1, x_at);
  tn_index_at(&g.of_y, matrix, 1, y_at);
  for (int64_t k = 0; k < g.length; k += TILE) {
    const int64_t at = k + column, x_row = first + row, y_row = other + row;
    const bool in_x = at < g.length && x_row < g.rows, in_y = at < g.length && y_row < g.others;
    of_x[row][column] = in_x ? fetch(g.x, x_at[0] + x_row * g.x_row + at * g.x_step) : 0;
    of_y[row][column] = in_y ? fetch(g.y, y_at[0] + y_row * g.y_row + at * g.y_step) : 0;
    __syncthreads();
    const int many = g.length - k < TILE ? (int)(g.length - k) : (int)TILE;
    for (int i = 0; i < many; i++) {
      const V gap = of_x[row][i] - of_y[column][i], far = fabs(gap);
      if (g.p == 2) sum += gap * gap;
      else if (g.p == 1) sum += far;
      else if (isinf(g.p)) sum = far > sum || far != far ? far : sum;
      else sum += term(far, g.p);
    }
    __syncthreads();
  }
  if (first + row >= g.rows || other + column >= g.others) return;
  if (g.p == 2) sum = sqrt(sum);
  else if (g.p != 1 && g.p != 0 && !isinf(g.p)) sum = pow(sum, 1 / g.p);
  store<V>(out, dtype,
           ((int64_t)matrix * g.rows + first + row) * g.others + other + column, sum);
}

template <class V> tn_status distances(tn_kernel_call *call) {
  const tn_view &out = call->out[0];
  tn_view x = call->in[0], y = call->in[1];
  row_sets<V> g;
  if (x.data == nullptr || y.data == nullptr) return TN_DECLINED;
  g.x = operand_of<V>(x);
  g.y = operand_of<V>(y);
  g.rows = x.sizes[x.ndim - 2];
  g.others = y.sizes[y.ndim - 2];
  g.length = x.sizes[x.ndim - 1];
  g.x_row = x.strides[x.ndim - 2];
  g.x_step = x.strides[x.ndim - 1];
  g.y_row = y.strides[y.ndim - 2];
  g.y_step = y.strides[y.ndim - 1];
  g.down = (g.rows + TILE - 1) / TILE;
  g.across = (g.others + TILE - 1) / TILE;
  g.p = (V)call->attrs->f[0];
  x.ndim -= 2;
  y.ndim -= 2;
  tn_index_make(&g.of_x, &x, nullptr, 0);
  tn_index_make(&g.of_y, &y, nullptr, 0);
  const uint64_t blocks = g.of_x.count * (uint64_t)(g.down * g.across);
  if (blocks == 0) return TN_OK;
  return tn_cuda_check(tn_launch(measure_rows<V>, blocks, BLOCK, 0, g, out.data, out.dtype));
}

}  // namespace

extern "C" tn_status tn_cuda_dot(tn_kernel_call *call) {
  const settings s = settings_of(call);
  if (call->in[0].dtype >= TN_F16 || call->in[1].dtype >= TN_F16) {
    return sum_pairs<product_rule>(call, s);
  }
  const pairs<int64_t> p = pairs_of<int64_t>(call->in[0], call->in[1]);
  return sum_pairs_of<product_rule, int64_t, any_type>(call, p, s);
}

extern "C" tn_status tn_cuda_mse_loss(tn_kernel_call *call) {
  settings s = settings_of(call);
  double n = 1;
  for (int d = 0; d < call->in[0].ndim; d++) n *= (double)call->in[0].sizes[d];
  if (call->in[0].dtype < TN_F16 || call->in[1].dtype < TN_F16) return TN_DECLINED;
  if (takes_mean(call)) s.scale = n > 0 ? 1 / n : (double)NAN;
  return sum_pairs<gap_rule>(call, s);
}

extern "C" tn_status tn_cuda_mse_loss_gradient(tn_kernel_call *call) {
  const int32_t a = call->in[1].dtype, b = call->in[2].dtype;
  if (a < TN_F16 || b < TN_F16) return TN_DECLINED;
  return a == TN_F64 || b == TN_F64 ? mse_gradient<double>(call) : mse_gradient<float>(call);
}

extern "C" tn_status tn_cuda_distances(tn_kernel_call *call) {
  return call->in[0].dtype == TN_F64 ? distances<double>(call) : distances<float>(call);
}
