/* normalize.cu -- normalisation of rows: layer, group and instance normalisation, and the root mean
 * square. Rows that a block holds in registers are read once; the gradients of weight and bias are
 * summed on the way, by blocks that each go over many rows, in an order that does not change. */
#include "cuda/normalize.cuh"

enum { LONG_BLOCK = 512 };

/* Weight and bias of V elements from `at` on in a row. */
template <typename E, typename R, int V>
__device__ inline void weights_of(R *w, const norm_job<R> &j, const affine_part &a, int64_t first,
                                  int64_t at) {
  if (j.i == 1) {
    load_affine<E, R, V>(w, a, first + at);
    return;
  }
  w[0] = load<R>(a.data, a.dtype, first + (j.q == 1 ? 0 : at / j.i));
#pragma unroll
  for (int e = 1; e < V; e++) w[e] = w[0];
}

/* y of V elements, in place. */
template <typename E, typename R, int V>
__device__ inline void scale_pack(pack<E, V> &x, const norm_job<R> &j, int64_t first, int64_t at,
                                  R mean, R scale) {
  R w[V], b[V];
#pragma unroll
  for (int e = 0; e < V; e++) w[e] = 1, b[e] = 0;
  if (j.weight.data != nullptr) weights_of<E, R, V>(w, j, j.weight, first, at);
  if (j.bias.data != nullptr) weights_of<E, R, V>(b, j, j.bias, first, at);
#pragma unroll
  for (int e = 0; e < V; e++) {
    put_value(x.v[e], (value_of(x.v[e]) - mean) * scale * w[e] + b[e]);
  }
}

template <typename E, int V, int K>
__global__ void __launch_bounds__(MOST_ROW_BLOCK)
    hold_norms(row_plan p, norm_job<typename real_of<E>::type> j, E *out, const E *in) {
  typedef typename real_of<E>::type R;
  int place;
  const int64_t row = row_of_thread(p, &place);
  const bool real = row < p.rows;
  pack<E, V> x[K];
  R sum = 0, spread = 0;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (real && at < p.n) x[k] = load_pack<E, V>(in + row * p.n + at);
  }
  if (!j.scale_only) {
#pragma unroll
    for (int k = 0; k < K; k++) {
      if (!real || ((int64_t)k * p.group + place) * V >= p.n) continue;
#pragma unroll
      for (int e = 0; e < V; e++) sum += value_of(x[k].v[e]);
    }
    sum = over_group<summed>(sum, p.group);
  }
  const R mean = sum / (R)p.n;
#pragma unroll
  for (int k = 0; k < K; k++) {
    if (!real || ((int64_t)k * p.group + place) * V >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) {
      const R c = value_of(x[k].v[e]) - mean;
      spread += c * c;
    }
  }
  const R var = over_group<summed>(spread, p.group) / (R)p.n;
  if (!real) return;
  if (place == 0) {
    j.mean[row] = mean;
    j.var[row] = var;
  }
  const R scale = 1 / root_of(var + j.eps);
  const int64_t first = row % j.p * j.q;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (at >= p.n) continue;
    scale_pack<E, R, V>(x[k], j, first, at, mean, scale);
    store_pack<E, V>(out + row * p.n + at, x[k]);
  }
}

/* Longer rows, a block each. Each thread keeps a mean and what its elements lie apart from that
 * (Chan, Golub, LeVeque 1979), so that the row is read once for both. */
template <typename E, int V>
__global__ void __launch_bounds__(LONG_BLOCK)
    long_norms(int64_t n, norm_job<typename real_of<E>::type> j, E *out, const E *in) {
  typedef typename real_of<E>::type R;
  const int64_t row = blockIdx.x, step = (int64_t)LONG_BLOCK * V;
  const E *x = in + row * n;
  R own = 0, apart = 0, count = 0;
#pragma unroll 4
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    const pack<E, V> p = load_pack<E, V>(x + at);
    R sum = 0, spread = 0;
    if (!j.scale_only) {
#pragma unroll
      for (int e = 0; e < V; e++) sum += value_of(p.v[e]);
    }
    const R m = sum / V;
#pragma unroll
    for (int e = 0; e < V; e++) spread += (value_of(p.v[e]) - m) * (value_of(p.v[e]) - m);
    const R shift = m - own, share = V / (count + V);
    own += shift * share;
    apart += spread + shift * shift * count * share;
    count += V;
  }
  const R mean = over_block<summed>(own * count) / (R)n;
  apart += count * (own - mean) * (own - mean);
  const R var = over_block<summed>(apart) / (R)n;
  if (threadIdx.x == 0) {
    j.mean[row] = mean;
    j.var[row] = var;
  }
  const R scale = 1 / root_of(var + j.eps);
  const int64_t first = row % j.p * j.q;
#pragma unroll 2
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    pack<E, V> p = load_pack<E, V>(x + at);
    scale_pack<E, R, V>(p, j, first, at, mean, scale);
    store_pack<E, V>(out + row * n + at, p);
  }
}

/* -- Gradients ----------------------------------------------------------------------------------- */

/* dx = k[0] d w + k[1] (x - mean) + k[2] */
template <typename R> struct slope_of_row {
  R mean, k[3];
  __device__ slope_of_row(const norm_job<R> &j, int64_t row, int64_t n, R s0, R s1) {
    const R scale = inverse_of(j, row);
    mean = j.mean[row];
    k[0] = scale;
    k[1] = -scale * scale * scale * s1 / (R)n;
    k[2] = j.scale_only ? (R)0 : -scale * s0 / (R)n;
  }
  __device__ R operator()(R x, R dw) const { return k[0] * dw + k[1] * (x - mean) + k[2]; }
};

template <typename R, int V> struct slope_sums {
  R w[V], b[V];
};

/* Each block goes over rows `gridDim.x` blocks apart. SUMS: parts receives what each group of threads
 * has summed for the weights, and behind that for the biases. */
template <typename E, int V, int K, bool SUMS>
__global__ void __launch_bounds__(MOST_ROW_BLOCK)
    hold_norm_gradients(row_plan p, uint64_t blocks, norm_job<typename real_of<E>::type> j, E *dx,
                        const E *in, const E *din, typename real_of<E>::type *parts) {
  typedef typename real_of<E>::type R;
  const int place = (int)threadIdx.x & (p.group - 1), turn = (int)threadIdx.x / p.group;
  const int each = p.threads / p.group;
  slope_sums<R, SUMS ? V : 1> sums[SUMS ? K : 1];
  if (SUMS) {
#pragma unroll
    for (int k = 0; k < K; k++) {
#pragma unroll
      for (int e = 0; e < V; e++) sums[k].w[e] = sums[k].b[e] = 0;
    }
  }
  for (uint64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    const int64_t row = (int64_t)b * each + turn, first = row % j.p * j.q;
    const bool real = row < p.rows;
    const R mean = real ? j.mean[row] : (R)0, scale = real ? inverse_of(j, row) : (R)0;
    pack<E, V> x[K], d[K];
    R s0 = 0, s1 = 0;
#pragma unroll
    for (int k = 0; k < K; k++) {
      const int64_t at = ((int64_t)k * p.group + place) * V;
      if (!real || at >= p.n) continue;
      x[k] = load_pack<E, V>(in + row * p.n + at);
      d[k] = load_pack<E, V>(din + row * p.n + at);
    }
#pragma unroll
    for (int k = 0; k < K; k++) {
      const int64_t at = ((int64_t)k * p.group + place) * V;
      if (!real || at >= p.n) continue;
      R w[V];
#pragma unroll
      for (int e = 0; e < V; e++) w[e] = 1;
      if (j.weight.data != nullptr) weights_of<E, R, V>(w, j, j.weight, first, at);
#pragma unroll
      for (int e = 0; e < V; e++) {
        const R slope = value_of(d[k].v[e]), c = value_of(x[k].v[e]) - mean;
        s0 += slope * w[e];
        s1 += slope * w[e] * c;
        if (SUMS) {
          sums[k].w[e] += slope * c * scale;
          sums[k].b[e] += slope;
        }
      }
    }
    if (dx == nullptr) continue;
    sum_over_group(s0, s1, p.group);
    if (!real) continue;
    const slope_of_row<R> slope(j, row, p.n, s0, s1);
#pragma unroll
    for (int k = 0; k < K; k++) {
      const int64_t at = ((int64_t)k * p.group + place) * V;
      if (at >= p.n) continue;
      R w[V];
#pragma unroll
      for (int e = 0; e < V; e++) w[e] = 1;
      if (j.weight.data != nullptr) weights_of<E, R, V>(w, j, j.weight, first, at);
#pragma unroll
      for (int e = 0; e < V; e++) {
        put_value(x[k].v[e], slope(value_of(x[k].v[e]), value_of(d[k].v[e]) * w[e]));
      }
      store_pack<E, V>(dx + row * p.n + at, x[k]);
    }
  }
  if (!SUMS) return;
  R *to = parts + ((int64_t)blockIdx.x * each + turn) * 2 * p.n;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (at >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) {
      to[at + e] = sums[k].w[e];
      to[p.n + at + e] = sums[k].b[e];
    }
  }
}

template <typename E, int V>
__global__ void __launch_bounds__(LONG_BLOCK)
    long_norm_gradients(int64_t n, norm_job<typename real_of<E>::type> j, E *dx, const E *in,
                        const E *din) {
  typedef typename real_of<E>::type R;
  const int64_t row = blockIdx.x, step = (int64_t)LONG_BLOCK * V, first = row % j.p * j.q;
  const R mean = j.mean[row];
  R s0 = 0, s1 = 0;
#pragma unroll 2
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    const pack<E, V> x = load_pack<E, V>(in + row * n + at), d = load_pack<E, V>(din + row * n + at);
    R w[V];
#pragma unroll
    for (int e = 0; e < V; e++) w[e] = 1;
    if (j.weight.data != nullptr) weights_of<E, R, V>(w, j, j.weight, first, at);
#pragma unroll
    for (int e = 0; e < V; e++) {
      const R slope = value_of(d.v[e]) * w[e];
      s0 += slope;
      s1 += slope * (value_of(x.v[e]) - mean);
    }
  }
  sum_over_group(s0, s1, LONG_BLOCK);
  const slope_of_row<R> slope(j, row, n, s0, s1);
#pragma unroll 2
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    pack<E, V> x = load_pack<E, V>(in + row * n + at);
    const pack<E, V> d = load_pack<E, V>(din + row * n + at);
    R w[V];
#pragma unroll
    for (int e = 0; e < V; e++) w[e] = 1;
    if (j.weight.data != nullptr) weights_of<E, R, V>(w, j, j.weight, first, at);
#pragma unroll
    for (int e = 0; e < V; e++) {
      put_value(x.v[e], slope(value_of(x.v[e]), value_of(d.v[e]) * w[e]));
    }
    store_pack<E, V>(dx + row * n + at, x);
  }
}

enum { PARTS_WIDTH = 32, PARTS_BLOCK = 256 };

template <typename R>
__global__ void __launch_bounds__(PARTS_BLOCK) add_parts(const R *parts, int64_t count, int64_t n,
                                                         affine_slopes to) {
  __shared__ R sums[PARTS_BLOCK];
  const int64_t column = (int64_t)blockIdx.x * PARTS_WIDTH + threadIdx.x % PARTS_WIDTH;
  R s = 0;
  if (column < 2 * n) {
#pragma unroll 4
    for (int64_t k = threadIdx.x / PARTS_WIDTH; k < count; k += PARTS_BLOCK / PARTS_WIDTH) {
      s += parts[k * 2 * n + column];
    }
  }
  sums[threadIdx.x] = s;
  __syncthreads();
  if (threadIdx.x >= PARTS_WIDTH || column >= 2 * n) return;
  for (int k = PARTS_WIDTH; k < PARTS_BLOCK; k += PARTS_WIDTH) s += sums[threadIdx.x + k];
  const bool weight = column < n;
  if ((weight ? to.dw : to.db) == nullptr) return;
  store<R>(weight ? to.dw : to.db, weight ? to.dw_dtype : to.db_dtype, weight ? column : column - n,
           s);
}

/* -- Calls ----------------------------------------------------------------------------------------- */

enum { HELD = 8, HELD_TWICE = 4, FEW_HELD = 2 };

template <typename E, int V>
static cudaError_t forward(const norm_job<typename real_of<E>::type> &j, E *y, const E *x) {
  const int64_t rows = j.r * j.p, n = j.q * j.i;
  row_plan p = plan_rows(rows, n, V, FEW_HELD);
  const bool few = p.group <= WARP && row_is_held(p, V, FEW_HELD);
  if (!few) p = plan_rows(rows, n, V, HELD);
  if (!row_is_held(p, V, HELD)) {
    return tn_launch(long_norms<E, V>, (uint64_t)rows, LONG_BLOCK, 0, n, j, y, x);
  }
  return tn_launch(few ? hold_norms<E, V, FEW_HELD> : hold_norms<E, V, HELD>, row_blocks(p),
                   p.threads, 0, p, j, y, x);
}

/* May a pack lie across two weights? */
template <typename R> static bool whole_packs(const norm_job<R> &j, int V) {
  return j.i == 1 || j.q == 1 || j.i % V == 0;
}

template <typename E>
tn_status normalize_rows(const norm_job<typename real_of<E>::type> &j, E *y, const E *x) {
  enum { V = 16 / sizeof(E) };
  const int64_t bytes = j.q * j.i * (int64_t)sizeof(E);
  const bool wide = packs_fit(x, bytes) && packs_fit(y, bytes) && whole_packs(j, V);
  return tn_cuda_check(wide ? forward<E, V>(j, y, x) : forward<E, 1>(j, y, x));
}

/* As many blocks as work at once. */
static uint64_t resident(int device, const row_plan &p) {
  const int processors = (tn_cuda_blocks(device, (uint64_t)1 << 40, 1) + 15) / 16;
  const uint64_t most = (uint64_t)processors * (uint64_t)(2048 / p.threads);
  return row_blocks(p) < most ? row_blocks(p) : most;
}

template <typename E, int V>
static tn_status backward(int device, const norm_job<typename real_of<E>::type> &j, E *dx,
                          const E *x, const E *d, const affine_slopes &to) {
  typedef typename real_of<E>::type R;
  enum { SUMMED = V == 8 ? 2 : 4 }; /* packs whose sums fit into registers, too */
  const int64_t rows = j.r * j.p, n = j.q * j.i;
  const bool affine = to.dw != nullptr || to.db != nullptr;
  row_plan p = plan_rows(rows, n, V, SUMMED);
  if (affine && j.i == 1 && j.p == 1 && row_is_held(p, V, SUMMED)) {
    const uint64_t blocks = resident(device, p);
    const int64_t count = (int64_t)blocks * (p.threads / p.group);
    const workspace parts(device, sizeof(R) * 2 * (size_t)(count * n));
    if (parts.status != TN_OK) return parts.status;
    tn_status s = tn_cuda_check(tn_launch(hold_norm_gradients<E, V, SUMMED, true>, blocks, p.threads,
                                          0, p, row_blocks(p), j, dx, x, d, parts.as<R>()));
    return s == TN_OK ? add_affine_parts(parts.as<R>(), count, n, to) : s;
  }
  tn_status s = affine ? affine_gradients(device, j, x, d, to) : TN_OK;
  if (s != TN_OK || dx == nullptr) return s;
  p = plan_rows(rows, n, V, HELD_TWICE);
  if (!row_is_held(p, V, HELD_TWICE)) {
    return tn_cuda_check(tn_launch(long_norm_gradients<E, V>, (uint64_t)rows, LONG_BLOCK, 0, n, j,
                                   dx, x, d));
  }
  return tn_cuda_check(tn_launch(hold_norm_gradients<E, V, HELD_TWICE, false>, row_blocks(p),
                                 p.threads, 0, p, row_blocks(p), j, dx, x, d,
                                 static_cast<R *>(nullptr)));
}

template <typename E>
tn_status normalize_rows_back(int device, const norm_job<typename real_of<E>::type> &j, E *dx,
                              const E *x, const E *d, const affine_slopes &to) {
  enum { V = 16 / sizeof(E) };
  const int64_t bytes = j.q * j.i * (int64_t)sizeof(E);
  const bool wide = packs_fit(x, bytes) && packs_fit(d, bytes) &&
                    (dx == nullptr || packs_fit(dx, bytes)) && whole_packs(j, V);
  return wide ? backward<E, V>(device, j, dx, x, d, to) : backward<E, 1>(device, j, dx, x, d, to);
}

template <typename R>
tn_status add_affine_parts(const R *parts, int64_t count, int64_t n, const affine_slopes &to) {
  const uint64_t blocks = (uint64_t)((2 * n + PARTS_WIDTH - 1) / PARTS_WIDTH);
  return tn_cuda_check(tn_launch(add_parts<R>, blocks, PARTS_BLOCK, 0, parts, count, n, to));
}

/* -- The operation ----------------------------------------------------------------------------------- */

/* A weight or a bias as kernels read it. */
static affine_part part_of(const packed &p, const tn_view &v) {
  affine_part a = {p.data, v.dtype, false};
  if (p.data != nullptr) a.wide = packs_fit(p.data, 0);
  return a;
}

/* Rows begin at weights of a whole number of packs only if q is a multiple. */
template <typename R> static void align_parts(norm_job<R> &j) {
  if (j.p > 1 && j.q % 8 != 0) j.weight.wide = j.bias.wide = false;
}

template <typename R> static norm_job<R> job_of(const tn_attrs *a) {
  norm_job<R> j;
  memset(&j, 0, sizeof j);
  j.r = a->i[0], j.p = a->i[1], j.q = a->i[2], j.i = a->i[3];
  j.scale_only = a->i[4] == TN_NORM_SCALE;
  j.eps = (R)a->f[0];
  return j;
}

static bool is_of_rows(const tn_attrs *a) {
  return a->i[4] == TN_NORM_ROWS || a->i[4] == TN_NORM_SCALE;
}

static tn_status move_view(int device, const tn_view &from, tn_view *to) {
  tn_kernel_call k;
  memset(&k, 0, sizeof k);
  k.code = TN_OP_copy;
  k.device = device;
  k.nin = k.nout = 1;
  k.in = &from;
  k.out = to;
  return tn_cuda_move(&k);
}

static const tn_view not_given = {nullptr, 0, 0, 0, -1, {0}, {0}};

extern "C" tn_status tn_cuda_normalize(tn_kernel_call *call) {
  const tn_view &out = call->out[0];
  const tn_attrs *a = call->attrs;
  const bool given = a->i[4] == TN_NORM_GIVEN;
  for (int k = 1; k < 3 && given; k++) {
    tn_status s = move_view(call->device, call->in[2 + k], &call->out[k]);
    if (s != TN_OK) return s;
  }
  if (count_of(out) == 0) return TN_OK;
  return with_float(out.dtype, [&](auto element) {
    typedef decltype(element) E;
    typedef typename real_of<E>::type R;
    const tn_view &vw = call->nin > 1 ? call->in[1] : not_given;
    const tn_view &vb = call->nin > 2 ? call->in[2] : not_given;
    const packed x(call->device, call->in[0], out.dtype);
    const packed w(call->device, vw, vw.dtype), b(call->device, vb, vb.dtype);
    if (x.status != TN_OK) return x.status;
    if (w.status != TN_OK) return w.status;
    if (b.status != TN_OK) return b.status;
    norm_job<R> j = job_of<R>(a);
    j.weight = part_of(w, vw);
    j.bias = part_of(b, vb);
    align_parts(j);
    j.mean = static_cast<R *>(call->out[1].data);
    j.var = static_cast<R *>(call->out[2].data);
    E *y = static_cast<E *>(out.data);
    return is_of_rows(a) ? normalize_rows<E>(j, y, x.as<E>())
                         : normalize_channels<E>(call->device, j, given, y, x.as<E>());
  });
}

static tn_status clear(const tn_view &v) {
  return tn_cuda_check(cudaMemsetAsync(v.data, 0, (size_t)count_of(v) * tn_item_size(v.dtype),
                                       static_cast<cudaStream_t>(tn_cuda_stream())));
}

/* in: three that arrived, x, weight, bias (and mean and variance), three results. */
extern "C" tn_status tn_cuda_normalize_gradient(tn_kernel_call *call) {
  const tn_attrs *a = call->attrs;
  const tn_view *in = call->in;
  const int nin = call->nin - 6;
  if (!is_given(in[0])) return TN_DECLINED;
  const tn_view &vx = in[3], &vw = nin > 1 ? in[4] : not_given;
  affine_slopes to = {nullptr, nullptr, 0, 0};
  if (nin > 1 && call->need[1]) to.dw = call->out[1].data, to.dw_dtype = call->out[1].dtype;
  if (nin > 2 && call->need[2]) to.db = call->out[2].data, to.db_dtype = call->out[2].dtype;
  if (count_of(vx) == 0) {
    tn_status s = to.dw != nullptr ? clear(call->out[1]) : TN_OK;
    return s == TN_OK && to.db != nullptr ? clear(call->out[2]) : s;
  }
  return with_float(vx.dtype, [&](auto element) {
    typedef decltype(element) E;
    typedef typename real_of<E>::type R;
    const packed x(call->device, vx, vx.dtype), d(call->device, in[0], vx.dtype);
    const packed w(call->device, vw, vw.dtype);
    const packed mean(call->device, in[3 + nin + 1], dtype_of<R>::value);
    const packed var(call->device, in[3 + nin + 2], dtype_of<R>::value);
    if (x.status != TN_OK) return x.status;
    if (d.status != TN_OK) return d.status;
    if (w.status != TN_OK) return w.status;
    if (mean.status != TN_OK) return mean.status;
    if (var.status != TN_OK) return var.status;
    norm_job<R> j = job_of<R>(a);
    j.weight = part_of(w, vw);
    align_parts(j);
    j.mean = const_cast<R *>(mean.as<R>());
    j.var = const_cast<R *>(var.as<R>());
    E *dx = call->need[0] ? static_cast<E *>(call->out[0].data) : nullptr;
    if (is_of_rows(a)) {
      return normalize_rows_back<E>(call->device, j, dx, x.as<E>(), d.as<E>(), to);
    }
    return normalize_channels_back<E>(call->device, j, a->i[4] == TN_NORM_GIVEN, dx, x.as<E>(),
                                      d.as<E>(), to);
  });
}
