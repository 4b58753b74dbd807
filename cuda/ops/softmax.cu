/* softmax.cu -- softmax and its logarithm, with their gradients, along one dimension.
 *
 * Rows that the threads of a block can hold in registers are read once and written once. Longer ones
 * are read twice: a running maximum and a sum that is scaled anew whenever the maximum grows
 * (Milakov and Gimelshein 2018, arXiv:1805.02867), then the result. */
#include "cuda/rows.cuh"

enum { LONG_BLOCK = 512, COLUMN_BLOCK = 256 };

/* What is taken from each element before its exponential: the maximum, unless that is infinite. */
template <typename R> __device__ inline R base_of(R top) { return isinf(top) ? (R)0 : top; }

template <typename R> struct running {
  R top, sum; /* of exp(x - base_of(top)) */
};

template <typename R> __device__ inline running<R> no_elements() {
  return {-(R)INFINITY, 0};
}

/* A sum as it is under another maximum. */
template <typename R> __device__ inline R rescaled(const running<R> &r, R top) {
  return r.sum == 0 ? (R)0 : r.sum * exponential(base_of(r.top) - base_of(top));
}

template <typename R> __device__ inline running<R> joined(const running<R> &a, const running<R> &b) {
  const R top = greatest::join(a.top, b.top);
  return {top, rescaled(a, top) + rescaled(b, top)};
}

/* How an element becomes its result. */
template <typename R> struct finish {
  R base, factor; /* factor: 1 / sum, or the logarithm of the sum and the base */
  bool log;
  __device__ finish(R top, R sum, bool l) : base(base_of(top)), log(l) {
    factor = l ? base + logarithm(sum) : 1 / sum;
  }
  __device__ R operator()(R x) const {
    return log ? x - factor : exponential(x - base) * factor;
  }
};

/* -- Rows held in registers ---------------------------------------------------------------------- */

template <typename E, int V, int K>
__global__ void __launch_bounds__(MOST_ROW_BLOCK) hold_rows(row_plan p, E *out, const E *in,
                                                            bool log) {
  typedef typename real_of<E>::type R;
  int place;
  const int64_t row = row_of_thread(p, &place);
  const bool real = row < p.rows;
  pack<E, V> x[K];
  R top = -(R)INFINITY, sum = 0;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (real && at < p.n) x[k] = load_pack<E, V>(in + row * p.n + at);
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
    if (!real || ((int64_t)k * p.group + place) * V >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) top = greatest::join(top, value_of(x[k].v[e]));
  }
  top = over_group<greatest>(top, p.group);
  const R base = base_of(top);
#pragma unroll
  for (int k = 0; k < K; k++) {
    if (!real || ((int64_t)k * p.group + place) * V >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) sum += exponential(value_of(x[k].v[e]) - base);
  }
  const finish<R> result(top, over_group<summed>(sum, p.group), log);
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (!real || at >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) put_value(x[k].v[e], result(value_of(x[k].v[e])));
    store_pack<E, V>(out + row * p.n + at, x[k]);
  }
}

/* The gradient, of the result y and what arrived, d. */
template <typename E, int V, int K>
__global__ void __launch_bounds__(MOST_ROW_BLOCK) hold_gradients(row_plan p, E *out, const E *y,
                                                                 const E *d, bool log) {
  typedef typename real_of<E>::type R;
  int place;
  const int64_t row = row_of_thread(p, &place);
  const bool real = row < p.rows;
  pack<E, V> a[K], b[K];
  R sum = 0;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (!real || at >= p.n) continue;
    a[k] = load_pack<E, V>(y + row * p.n + at);
    b[k] = load_pack<E, V>(d + row * p.n + at);
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
    if (!real || ((int64_t)k * p.group + place) * V >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) {
      const R slope = value_of(b[k].v[e]);
      sum += log ? slope : slope * value_of(a[k].v[e]);
    }
  }
  sum = over_group<summed>(sum, p.group);
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int64_t at = ((int64_t)k * p.group + place) * V;
    if (!real || at >= p.n) continue;
#pragma unroll
    for (int e = 0; e < V; e++) {
      const R v = value_of(a[k].v[e]), slope = value_of(b[k].v[e]);
      put_value(a[k].v[e], log ? slope - exponential(v) * sum : v * (slope - sum));
    }
    store_pack<E, V>(out + row * p.n + at, a[k]);
  }
}

/* -- Longer rows: a block each --------------------------------------------------------------------- */

template <typename E, int V>
__global__ void __launch_bounds__(LONG_BLOCK) long_rows(int64_t n, E *out, const E *in, bool log) {
  typedef typename real_of<E>::type R;
  const int64_t step = (int64_t)LONG_BLOCK * V;
  const E *x = in + (int64_t)blockIdx.x * n;
  E *y = out + (int64_t)blockIdx.x * n;
  running<R> mine = no_elements<R>();
#pragma unroll 4
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    const pack<E, V> p = load_pack<E, V>(x + at);
    R top = mine.top, more = 0;
#pragma unroll
    for (int e = 0; e < V; e++) top = greatest::join(top, value_of(p.v[e]));
    const R base = base_of(top);
#pragma unroll
    for (int e = 0; e < V; e++) more += exponential(value_of(p.v[e]) - base);
    mine = {top, rescaled(mine, top) + more};
  }
  const R top = over_block<greatest>(mine.top);
  const finish<R> result(top, over_block<summed>(rescaled(mine, top)), log);
#pragma unroll 4
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    pack<E, V> p = load_pack<E, V>(x + at);
#pragma unroll
    for (int e = 0; e < V; e++) put_value(p.v[e], result(value_of(p.v[e])));
    store_pack<E, V>(y + at, p);
  }
}

template <typename E, int V>
__global__ void __launch_bounds__(LONG_BLOCK) long_gradients(int64_t n, E *out, const E *py,
                                                             const E *pd, bool log) {
  typedef typename real_of<E>::type R;
  const int64_t step = (int64_t)LONG_BLOCK * V, first = (int64_t)blockIdx.x * n;
  R sum = 0;
#pragma unroll 4
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    const pack<E, V> d = load_pack<E, V>(pd + first + at);
    pack<E, V> y = d;
    if (!log) y = load_pack<E, V>(py + first + at);
#pragma unroll
    for (int e = 0; e < V; e++) {
      sum += log ? value_of(d.v[e]) : value_of(d.v[e]) * value_of(y.v[e]);
    }
  }
  sum = over_block<summed>(sum);
#pragma unroll 4
  for (int64_t at = (int64_t)threadIdx.x * V; at < n; at += step) {
    const pack<E, V> d = load_pack<E, V>(pd + first + at);
    pack<E, V> y = load_pack<E, V>(py + first + at);
#pragma unroll
    for (int e = 0; e < V; e++) {
      const R v = value_of(y.v[e]), slope = value_of(d.v[e]);
      put_value(y.v[e], log ? slope - exponential(v) * sum : v * (slope - sum));
    }
    store_pack<E, V>(out + first + at, y);
  }
}

/* -- Down columns: n steps of `inner` elements ------------------------------------------------------- */

typedef struct {
  int64_t n, inner, tiles; /* tiles: blocks side by side in `inner` */
  int width;               /* columns of a block, a power of two */
} column_plan;

/* This thread's first element, and whether it has one. Threads of a column lie `width` apart. */
__device__ inline bool column_of(const column_plan &c, int64_t *first, int *turn) {
  const int64_t outer = (int64_t)blockIdx.x / c.tiles, tile = (int64_t)blockIdx.x % c.tiles;
  const int64_t column = tile * c.width + (threadIdx.x & (c.width - 1));
  *first = outer * c.n * c.inner + column;
  *turn = (int)threadIdx.x / c.width;
  return column < c.inner;
}

template <typename E>
__global__ void __launch_bounds__(COLUMN_BLOCK) softmax_columns(column_plan c, E *out, const E *in,
                                                                bool log) {
  typedef typename real_of<E>::type R;
  __shared__ running<R> parts[COLUMN_BLOCK];
  int64_t first;
  int turn;
  const bool real = column_of(c, &first, &turn);
  const int turns = COLUMN_BLOCK / c.width;
  running<R> mine = no_elements<R>();
#pragma unroll 4
  for (int64_t i = turn; i < c.n && real; i += turns) {
    const R x = value_of(in[first + i * c.inner]), top = greatest::join(mine.top, x);
    mine = {top, rescaled(mine, top) + exponential(x - base_of(top))};
  }
  parts[threadIdx.x] = mine;
  __syncthreads();
  for (int half = COLUMN_BLOCK / 2; half >= c.width; half /= 2) {
    if ((int)threadIdx.x < half) {
      parts[threadIdx.x] = joined(parts[threadIdx.x], parts[threadIdx.x + half]);
    }
    __syncthreads();
  }
  const running<R> all = parts[threadIdx.x & (c.width - 1)];
  const finish<R> result(all.top, all.sum, log);
#pragma unroll 4
  for (int64_t i = turn; i < c.n && real; i += turns) {
    const int64_t at = first + i * c.inner;
    put_value(out[at], result(value_of(in[at])));
  }
}

template <typename E>
__global__ void __launch_bounds__(COLUMN_BLOCK) gradient_columns(column_plan c, E *out, const E *y,
                                                                 const E *d, bool log) {
  typedef typename real_of<E>::type R;
  __shared__ R parts[COLUMN_BLOCK];
  int64_t first;
  int turn;
  const bool real = column_of(c, &first, &turn);
  const int turns = COLUMN_BLOCK / c.width;
  R sum = 0;
#pragma unroll 4
  for (int64_t i = turn; i < c.n && real; i += turns) {
    const int64_t at = first + i * c.inner;
    sum += log ? value_of(d[at]) : value_of(d[at]) * value_of(y[at]);
  }
  parts[threadIdx.x] = sum;
  __syncthreads();
  for (int half = COLUMN_BLOCK / 2; half >= c.width; half /= 2) {
    if ((int)threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    __syncthreads();
  }
  sum = parts[threadIdx.x & (c.width - 1)];
#pragma unroll 4
  for (int64_t i = turn; i < c.n && real; i += turns) {
    const int64_t at = first + i * c.inner;
    const R v = value_of(y[at]), slope = value_of(d[at]);
    put_value(out[at], log ? slope - exponential(v) * sum : v * (slope - sum));
  }
}

/* -- Calls ------------------------------------------------------------------------------------------- */

enum { HELD = 8, HELD_TWICE = 4, FEW_HELD = 2 }; /* packs that a thread holds of each input */

template <typename E, int V>
static cudaError_t run_rows(int64_t rows, int64_t n, E *out, const E *x, const E *d, bool log) {
  const int most = d != nullptr ? HELD_TWICE : HELD;
  row_plan p = plan_rows(rows, n, V, FEW_HELD);
  const bool few = p.group <= WARP && row_is_held(p, V, FEW_HELD);
  if (!few) p = plan_rows(rows, n, V, most);
  if (!row_is_held(p, V, most)) {
    return d != nullptr
               ? tn_launch(long_gradients<E, V>, (uint64_t)rows, LONG_BLOCK, 0, n, out, x, d, log)
               : tn_launch(long_rows<E, V>, (uint64_t)rows, LONG_BLOCK, 0, n, out, x, log);
  }
  if (d != nullptr) {
    return tn_launch(few ? hold_gradients<E, V, FEW_HELD> : hold_gradients<E, V, HELD_TWICE>,
                     row_blocks(p), p.threads, 0, p, out, x, d, log);
  }
  return tn_launch(few ? hold_rows<E, V, FEW_HELD> : hold_rows<E, V, HELD>, row_blocks(p),
                   p.threads, 0, p, out, x, log);
}

template <typename E>
static cudaError_t run_columns(int64_t outer, int64_t n, int64_t inner, E *out, const E *x,
                               const E *d, bool log) {
  column_plan c = {n, inner, 0, 1};
  while (c.width < WARP && c.width < inner) c.width *= 2;
  c.tiles = (inner + c.width - 1) / c.width;
  const uint64_t blocks = (uint64_t)(outer * c.tiles);
  if (d != nullptr) {
    return tn_launch(gradient_columns<E>, blocks, COLUMN_BLOCK, 0, c, out, x, d, log);
  }
  return tn_launch(softmax_columns<E>, blocks, COLUMN_BLOCK, 0, c, out, x, log);
}

/* x, or its result and d where the gradient is wanted: all contiguous, shaped like `shape`. */
template <typename E>
static cudaError_t run_softmax(const tn_view &shape, int dim, E *out, const E *x, const E *d,
                               bool log) {
  enum { V = 16 / sizeof(E) };
  int64_t outer = 1, n = shape.ndim > 0 ? shape.sizes[dim] : 1, inner = 1;
  for (int k = 0; k < dim; k++) outer *= shape.sizes[k];
  for (int k = dim + 1; k < shape.ndim; k++) inner *= shape.sizes[k];
  if (outer == 0 || n == 0 || inner == 0) return cudaSuccess;
  if (inner > 1) return run_columns<E>(outer, n, inner, out, x, d, log);
  const int64_t bytes = n * (int64_t)sizeof(E);
  const bool wide = packs_fit(x, bytes) && packs_fit(out, bytes) && (d == nullptr || packs_fit(d, bytes));
  return wide ? run_rows<E, V>(outer, n, out, x, d, log) : run_rows<E, 1>(outer, n, out, x, d, log);
}

static tn_status forward(tn_kernel_call *call, bool log) {
  const tn_view &out = call->out[0];
  return with_float(out.dtype, [&](auto element) {
    typedef decltype(element) E;
    const packed x(call->device, call->in[0], out.dtype);
    if (x.status != TN_OK) return x.status;
    return tn_cuda_check(run_softmax<E>(out, call->dim, static_cast<E *>(out.data), x.as<E>(),
                                        nullptr, log));
  });
}

/* in: what arrived, x (not saved), the result. */
static tn_status gradient(tn_kernel_call *call, bool log) {
  const tn_view &out = call->out[0];
  const int64_t wanted = attr_int(call->attrs, 0, -1);
  const int dim = out.ndim == 0 ? 0 : (int)(wanted < 0 ? wanted + out.ndim : wanted);
  if (!call->need[0]) return TN_OK;
  if (!is_given(call->in[0])) return TN_DECLINED;
  return with_float(out.dtype, [&](auto element) {
    typedef decltype(element) E;
    const packed d(call->device, call->in[0], out.dtype), y(call->device, call->in[2], out.dtype);
    if (d.status != TN_OK) return d.status;
    if (y.status != TN_OK) return y.status;
    return tn_cuda_check(run_softmax<E>(out, dim, static_cast<E *>(out.data), y.as<E>(), d.as<E>(),
                                        log));
  });
}

extern "C" tn_status tn_cuda_softmax(tn_kernel_call *call) { return forward(call, false); }
extern "C" tn_status tn_cuda_log_softmax(tn_kernel_call *call) { return forward(call, true); }
extern "C" tn_status tn_cuda_softmax_gradient(tn_kernel_call *call) {
  return gradient(call, false);
}
extern "C" tn_status tn_cuda_log_softmax_gradient(tn_kernel_call *call) {
  return gradient(call, true);
}
