/* attention.cu -- softmax(q k' scale + mask) v without ever holding all scores (FlashAttention: Dao
 * et al. 2022, arXiv:2205.14135), and its way back. tensor/ops/attention.c says what is calculated.
 *
 * Here: tiles in any type, of any sizes and strides, in float or double. Each block of threads
 * takes a tile of 64 rows, queries or keys, steps through the others 64 at a time, and adds up 64
 * columns of its result; where that has more columns, other blocks make them from the same scores.
 * So all sums have one order, whatever the device. float16 and bfloat16 of usual sizes go through
 * tensor cores instead: attention_half.cu. */
#include "cuda/items.h"
#include "cuda/ops/attention.cuh"

enum { TILE = 64, INNER = 32, THREADS = 256, PITCH = TILE + 4, BUFFER = TILE * PITCH };

/* Four elements that lie 16 bytes aligned: read at once. */
template <typename T> struct alignas(16) four { T v[4]; };

template <typename T> __device__ static inline four<T> fours(const T *p) {
  return *reinterpret_cast<const four<T> *>(p);
}

/* tile[inner][row] = 64 rows of m from `row` on, 32 columns of it from `from` on; 0 outside. */
template <typename T>
__device__ static void take_turned(const attention_rows &m, int64_t start, int64_t row,
                                   int64_t rows, int from, int columns, T *tile) {
  for (int at = threadIdx.x; at < TILE * INNER; at += THREADS) {
    const int d = at % INNER, r = at / INNER;
    const bool inside = row + r < rows && from + d < columns;
    tile[d * PITCH + r] =
        inside ? load<T>(m.data, m.dtype, start + (row + r) * m.row + (from + d) * m.column) : 0;
  }
}

/* tile[row][column], 64 of each. */
template <typename T>
__device__ static void take(const attention_rows &m, int64_t start, int64_t row, int64_t rows,
                            int from, int columns, T *tile) {
  for (int at = threadIdx.x; at < TILE * TILE; at += THREADS) {
    const int c = at % TILE, r = at / TILE;
    const bool inside = row + r < rows && from + c < columns;
    tile[at] =
        inside ? load<T>(m.data, m.dtype, start + (row + r) * m.row + (from + c) * m.column) : 0;
  }
}

/* sum[4][4] of each thread = its part of rows of m times rows of n, both of `inner` columns. */
template <typename T>
__device__ static void multiply(const attention_rows &m, int64_t m_start, int64_t m_row,
                                int64_t m_rows, const attention_rows &n, int64_t n_start,
                                int64_t n_row, int64_t n_rows, int inner, T *buffer, T sum[4][4]) {
  T *left = buffer, *right = buffer + INNER * PITCH;
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < 4; b++) sum[a][b] = 0;
  for (int from = 0; from < inner; from += INNER) {
    __syncthreads();
    take_turned(m, m_start, m_row, m_rows, from, inner, left);
    take_turned(n, n_start, n_row, n_rows, from, inner, right);
    __syncthreads();
#pragma unroll 8
    for (int d = 0; d < INNER; d++) {
      const four<T> p = fours(left + d * PITCH + y), q = fours(right + d * PITCH + x);
      for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) sum[a][b] += p.v[a] * q.v[b];
    }
  }
}

/* sum += the weights, which `turned` holds as [column][row], times a tile. */
template <typename T>
__device__ static void accumulate(const T *turned, const T *tile, T sum[4][4]) {
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
#pragma unroll 8
  for (int c = 0; c < TILE; c++) {
    const four<T> p = fours(turned + c * PITCH + y), q = fours(tile + c * TILE + x);
    for (int a = 0; a < 4; a++)
      for (int b = 0; b < 4; b++) sum[a][b] += p.v[a] * q.v[b];
  }
}

template <typename T> __device__ static void put_turned(const T w[4][4], T *turned) {
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  for (int b = 0; b < 4; b++)
    for (int a = 0; a < 4; a++) turned[(x + b) * PITCH + y + a] = w[a][b];
}

/* Greatest or sum among the 16 threads that have the same rows. */
template <typename T> __device__ static T row_peak(T x) {
  for (int by = 8; by > 0; by /= 2) {
    const T other = __shfl_xor_sync(~0u, x, by);
    x = other > x ? other : x;
  }
  return x;
}
template <typename T> __device__ static T row_sum(T x) {
  for (int by = 8; by > 0; by /= 2) x += __shfl_xor_sync(~0u, x, by);
  return x;
}

/* Where a thread's scores lie: queries go down its block or across it. */
template <typename T> struct tile_place {
  int b, h;
  int64_t row, column; /* of the thread's first score */
  bool down;           /* rows are queries */
};

/* Multiplies weights with what dropout says. */
template <typename T>
__device__ static void drop(const attention &a, const tile_place<T> &t, uint64_t seed,
                            uint64_t offset, T w[4][4]) {
  const T keep = static_cast<T>(a.keep);
  for (int k = 0; k < 4; k++) {
    uint32_t words[4];
    const int64_t query = t.down ? t.row : t.column, key = (t.down ? t.column : t.row) + k;
    dropout_words(a, seed, offset, t.b, t.h, query, key, words);
    for (int i = 0; i < 4; i++) {
      T *x = t.down ? &w[i][k] : &w[k][i];
      *x = words[i] < a.below ? *x * keep : 0;
    }
  }
}

template <typename T>
__device__ static void store_rows(const attention_rows &m, int64_t start, int64_t row, int64_t rows,
                                  int from, int columns, const T sum[4][4], const T factor[4]) {
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  for (int a = 0; a < 4 && row + y + a < rows; a++) {
    for (int b = 0; b < 4 && from + x + b < columns; b++) {
      store<T>(m.data, m.dtype, start + (row + y + a) * m.row + (from + x + b) * m.column,
               sum[a][b] * factor[a]);
    }
  }
}

/* One block: its tile of rows, a head, and 64 columns of what it makes. */
typedef struct {
  int b, h;
  int64_t row;
  int from;
} block_place;

__device__ static block_place place(int64_t rows, int heads, int columns) {
  const unsigned chunks = (columns + TILE - 1) / TILE, tiles = (unsigned)((rows + TILE - 1) / TILE);
  unsigned left = blockIdx.x;
  block_place p;
  p.from = (int)(left % chunks) * TILE;
  left /= chunks;
  p.row = (int64_t)(left % tiles) * TILE;
  left /= tiles;
  p.h = (int)(left % heads);
  p.b = (int)(left / heads);
  return p;
}

template <typename T>
__global__ void __launch_bounds__(THREADS) results(attention a) {
  TN_SHARED_BYTES(T, shared);
  T *turned = shared + BUFFER;
  const block_place p = place(a.length, a.heads, a.width);
  const int group = p.h / (a.heads / a.groups), y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  const int64_t q = place_of(a.q, p.b, p.h, 0), k = place_of(a.k, p.b, group, 0);
  const int64_t v = place_of(a.v, p.b, group, 0);
  const int64_t end = a.causal && p.row + TILE < a.keys ? p.row + TILE : a.keys;
  const uint64_t seed = a.drops ? (uint64_t)a.state[0] : 0,
                 offset = a.drops ? (uint64_t)a.state[1] : 0;
  const T none = -static_cast<T>(INFINITY), scale = static_cast<T>(a.scale);
  T sum[4][4] = {}, top[4], total[4] = {};
  for (int i = 0; i < 4; i++) top[i] = none;
  for (int64_t first = 0; first < end; first += TILE) {
    const tile_place<T> t = {p.b, p.h, p.row + y, first + x, true};
    T w[4][4];
    multiply(a.q, q, p.row, a.length, a.k, k, first, a.keys, a.dim, shared, w);
    for (int i = 0; i < 4; i++) {
      T peak = top[i];
      for (int j = 0; j < 4; j++) {
        const bool there = t.row + i < a.length && t.column + j < a.keys;
        w[i][j] = there ? masked(a, p.b, p.h, t.row + i, t.column + j, w[i][j] * scale) : none;
        peak = w[i][j] > peak ? w[i][j] : peak;
      }
      peak = row_peak(peak);
      const T shift = peak == none ? 0 : peak, factor = soft_exp(top[i] - shift);
      top[i] = peak;
      total[i] *= factor;
      for (int j = 0; j < 4; j++) {
        w[i][j] = soft_exp(w[i][j] - shift);
        total[i] += w[i][j];
        sum[i][j] *= factor;
      }
    }
    if (a.drops) drop(a, t, seed, offset, w);
    __syncthreads();
    put_turned(w, turned);
    take(a.v, v, first, a.keys, p.from, a.width, shared);
    __syncthreads();
    accumulate(turned, shared, sum);
  }
  T factor[4];
  for (int i = 0; i < 4; i++) {
    const int64_t row = p.row + y + i;
    total[i] = row_sum(total[i]);
    factor[i] = total[i] == 0 ? 0 : 1 / total[i];
    if (p.from > 0 || x > 0 || row >= a.length) continue;
    static_cast<T *>(a.lse)[((int64_t)p.b * a.heads + p.h) * a.length + row] =
        total[i] == 0 ? static_cast<T>(INFINITY) : top[i] + static_cast<T>(log(total[i]));
  }
  store_rows(a.y, place_of(a.y, p.b, p.h, 0), p.row, a.length, p.from, a.width, sum, factor);
}

/* Weights from scores (already multiplied), and the gradient of the scores from that of the
 * weights, d. */
template <typename T>
__device__ static void revive(const attention &a, const tile_place<T> &t, T w[4][4]) {
  const T *lse = static_cast<const T *>(a.lse) + ((int64_t)t.b * a.heads + t.h) * a.length;
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) {
      const int64_t query = t.down ? t.row + i : t.column + j;
      const int64_t key = t.down ? t.column + j : t.row + i;
      const bool there = query < a.length && key < a.keys;
      w[i][j] = there ? soft_exp(masked(a, t.b, t.h, query, key,
                                        w[i][j] * static_cast<T>(a.scale)) - lse[query]) : 0;
    }
  }
}

template <typename T>
__device__ static void slope(const attention &a, const tile_place<T> &t, const T w[4][4],
                             T d[4][4]) {
  const T *delta = static_cast<const T *>(a.delta) + ((int64_t)t.b * a.heads + t.h) * a.length;
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) {
      const int64_t query = t.down ? t.row + i : t.column + j;
      d[i][j] = query < a.length ? w[i][j] * (d[i][j] - delta[query]) : 0;
    }
  }
}

template <typename T>
__device__ static void keep_scores(const attention &a, const tile_place<T> &t, const T d[4][4]) {
  T *to = static_cast<T *>(a.scores) + ((int64_t)t.b * a.heads + t.h) * a.length * a.keys;
  for (int i = 0; i < 4 && t.row + i < a.length; i++)
    for (int j = 0; j < 4 && t.column + j < a.keys; j++)
      to[(t.row + i) * a.keys + t.column + j] = d[i][j];
}

template <typename T>
__global__ void __launch_bounds__(THREADS) queries_back(attention a) {
  TN_SHARED_BYTES(T, shared);
  T *turned = shared + BUFFER;
  const block_place p = place(a.length, a.heads, a.dim);
  const int group = p.h / (a.heads / a.groups), y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  const int64_t q = place_of(a.q, p.b, p.h, 0), k = place_of(a.k, p.b, group, 0);
  const int64_t v = place_of(a.v, p.b, group, 0), dy = place_of(a.dy, p.b, p.h, 0);
  const int64_t end = a.causal && p.row + TILE < a.keys ? p.row + TILE : a.keys;
  const uint64_t seed = (uint64_t)a.state[0], offset = (uint64_t)a.state[1];
  const T scale = static_cast<T>(a.scale), factor[4] = {scale, scale, scale, scale};
  T sum[4][4] = {};
  for (int64_t first = 0; first < end; first += TILE) {
    const tile_place<T> t = {p.b, p.h, p.row + y, first + x, true};
    T w[4][4], d[4][4];
    multiply(a.q, q, p.row, a.length, a.k, k, first, a.keys, a.dim, shared, w);
    revive(a, t, w);
    multiply(a.dy, dy, p.row, a.length, a.v, v, first, a.keys, a.width, shared, d);
    if (a.drops) drop(a, t, seed, offset, d);
    slope(a, t, w, d);
    if (a.scores != nullptr && p.from == 0) keep_scores(a, t, d);
    __syncthreads();
    put_turned(d, turned);
    take(a.k, k, first, a.keys, p.from, a.dim, shared);
    __syncthreads();
    accumulate(turned, shared, sum);
  }
  if (a.dq.data == nullptr) return;
  store_rows(a.dq, place_of(a.dq, p.b, p.h, 0), p.row, a.length, p.from, a.dim, sum, factor);
}

/* Gradients of keys (VALUES: of values): the sum over all heads of the group. */
template <typename T, bool VALUES>
__global__ void __launch_bounds__(THREADS) keys_back(attention a) {
  TN_SHARED_BYTES(T, shared);
  T *turned = shared + BUFFER;
  const attention_rows &out = VALUES ? a.dv : a.dk;
  const int columns = VALUES ? a.width : a.dim, each = a.heads / a.groups;
  const block_place p = place(a.keys, a.groups, columns);
  const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
  const int64_t k = place_of(a.k, p.b, p.h, 0), v = place_of(a.v, p.b, p.h, 0);
  const uint64_t seed = (uint64_t)a.state[0], offset = (uint64_t)a.state[1];
  const T scale = VALUES ? 1 : static_cast<T>(a.scale), factor[4] = {scale, scale, scale, scale};
  T sum[4][4] = {};
  for (int h = p.h * each; h < (p.h + 1) * each; h++) {
    const int64_t q = place_of(a.q, p.b, h, 0), dy = place_of(a.dy, p.b, h, 0);
    for (int64_t first = a.causal ? p.row : 0; first < a.length; first += TILE) {
      const tile_place<T> t = {p.b, h, p.row + y, first + x, false};
      T w[4][4], d[4][4];
      multiply(a.k, k, p.row, a.keys, a.q, q, first, a.length, a.dim, shared, w);
      revive(a, t, w);
      if (VALUES) {
        if (a.drops) drop(a, t, seed, offset, w);
      } else {
        multiply(a.v, v, p.row, a.keys, a.dy, dy, first, a.length, a.width, shared, d);
        if (a.drops) drop(a, t, seed, offset, d);
        slope(a, t, w, d);
      }
      __syncthreads();
      put_turned(VALUES ? w : d, turned);
      take(VALUES ? a.dy : a.q, VALUES ? dy : q, first, a.length, p.from, columns, shared);
      __syncthreads();
      accumulate(turned, shared, sum);
    }
  }
  store_rows(out, place_of(out, p.b, p.h, 0), p.row, a.keys, p.from, columns, sum, factor);
}

/* -- Small kernels ----------------------------------------------------------------------------- */

/* delta = the sum of dy y of each row: a warp takes one. */
template <typename T> __global__ void __launch_bounds__(THREADS) deltas(attention a, int64_t rows) {
  const int64_t step = (int64_t)gridDim.x * (THREADS / 32);
  const int lane = threadIdx.x % 32;
  for (int64_t r = (int64_t)blockIdx.x * (THREADS / 32) + threadIdx.x / 32; r < rows; r += step) {
    const int64_t head = r / a.length, i = r - head * a.length;
    const int b = (int)(head / a.heads), h = (int)(head % a.heads);
    const int64_t y = place_of(a.y, b, h, i), dy = place_of(a.dy, b, h, i);
    T sum = 0;
    for (int c = lane; c < a.width; c += 32) {
      sum += load<T>(a.y.data, a.y.dtype, y + c * a.y.column) *
             load<T>(a.dy.data, a.dy.dtype, dy + c * a.dy.column);
    }
    for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
    if (lane == 0) static_cast<T *>(a.delta)[r] = sum;
  }
}

/* The gradient of a mask: of the scores, summed where the mask was repeated. */
typedef struct {
  void *out;
  int32_t dtype;
  int64_t count, repeats;
  int64_t own[4], many[4]; /* sizes of the mask, and of what is summed, in each dimension */
  int64_t strides[4];      /* of the scores */
} mask_sums;

/* A warp takes one element, or, where little is summed, each thread. */
template <typename T, bool WARP>
__global__ void __launch_bounds__(THREADS) mask_back(mask_sums m, const T *scores) {
  const int lanes = WARP ? 32 : 1, lane = WARP ? threadIdx.x % 32 : 0;
  const int64_t step = (int64_t)gridDim.x * (THREADS / lanes);
  for (int64_t e = (int64_t)blockIdx.x * (THREADS / lanes) + threadIdx.x / lanes; e < m.count;
       e += step) {
    int64_t start = 0, left = e;
    T sum = 0;
    for (int d = 3; d >= 0; d--) {
      start += left % m.own[d] * m.strides[d];
      left /= m.own[d];
    }
    for (int64_t r = lane; r < m.repeats; r += lanes) {
      int64_t at = start, rest = r;
      for (int d = 3; d >= 0; d--) {
        at += rest % m.many[d] * m.strides[d];
        rest /= m.many[d];
      }
      sum += scores[at];
    }
    if (WARP)
      for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
    if (lane == 0) store<T>(m.out, m.dtype, e, sum);
  }
}

__global__ void note_state(int64_t *state, number_source from) {
  if (threadIdx.x > 0) return;
  state[0] = (int64_t)seed_of(from);
  state[1] = (int64_t)position_of(from, 0);
}

/* -- The host's part --------------------------------------------------------------------------- */

static int64_t size_of(const tn_view &v, int d) {
  const int own = d - (4 - v.ndim);
  return own < 0 ? 1 : v.sizes[own];
}

static attention_rows rows_of(const tn_view &v) {
  attention_rows m = {};
  const int n = v.ndim;
  if (n < 2) return m;
  m.data = static_cast<char *>(v.data);
  m.dtype = v.dtype;
  m.column = v.strides[n - 1];
  m.row = v.strides[n - 2];
  if (n > 2) m.head = v.strides[n - 3];
  if (n > 3) m.batch = v.strides[n - 4];
  return m;
}

static void read_mask(attention *a, const tn_view &mask) {
  if (mask.ndim < 0) return;
  const bool truth = mask.dtype == TN_BOOL || mask.dtype == TN_U8;
  a->kind = truth ? MASK_TRUTH : MASK_ADDED;
  a->mask = mask.data;
  a->number = mask.real;
  a->mask_type = mask.dtype;
  for (int d = 1; d <= mask.ndim; d++) {
    const int own = mask.ndim - d;
    a->mask_strides[4 - d] = mask.sizes[own] == 1 ? 0 : mask.strides[own];
  }
}

/* `mask` may be NULL. */
static attention read_call(const tn_kernel_call *call, const tn_view *qkv, const tn_view *mask) {
  attention a = {};
  a.device = call->device;
  a.batch = (int)size_of(qkv[0], 0);
  a.heads = (int)size_of(qkv[0], 1);
  a.groups = (int)size_of(qkv[1], 1);
  a.length = size_of(qkv[0], 2);
  a.dim = (int)size_of(qkv[0], 3);
  a.keys = size_of(qkv[1], 2);
  a.width = (int)size_of(qkv[2], 3);
  const double scale = call->attrs->f[0], p = call->attrs->f[1];
  a.scale = scale != 0 ? scale : 1 / sqrt((double)(a.dim > 0 ? a.dim : 1));
  a.drops = p > 0;
  a.keep = 1 / (1 - p);
  a.below = (uint64_t)((1 - p) * 4294967296.0);
  a.causal = call->attrs->ni > 0 && call->attrs->i[0] != TN_NONE && call->attrs->i[0] != 0;
  a.q = rows_of(qkv[0]);
  a.k = rows_of(qkv[1]);
  a.v = rows_of(qkv[2]);
  if (mask != nullptr) read_mask(&a, *mask);
  return a;
}

static uint64_t blocks_of(const attention &a, int64_t rows, int heads, int columns) {
  return (uint64_t)((rows + TILE - 1) / TILE) * (uint64_t)((columns + TILE - 1) / TILE) *
         (uint64_t)heads * (uint64_t)a.batch;
}

template <typename T> static cudaError_t start(void (*kernel)(attention), uint64_t blocks,
                                               const attention &a) {
  return tn_launch(kernel, blocks, THREADS, 2 * BUFFER * sizeof(T), a);
}

extern "C" tn_status tn_cuda_scaled_dot_product_attention(tn_kernel_call *call) {
  const tn_view *in = call->in;
  attention a = read_call(call, in, call->nin > 3 ? &in[3] : nullptr);
  const bool wide = in[0].dtype == TN_F64;
  a.y = rows_of(call->out[0]);
  a.lse = call->out[1].data;
  a.state = static_cast<int64_t *>(call->out[2].data);
  if (a.drops) {
    call->groups =
        (uint64_t)((int64_t)a.batch * a.heads * ((a.length + 63) / 64) * a.keys) * 16;
  }
  tn_status s = tn_cuda_check(tn_launch(note_state, 1, 32, 0, a.state, numbers_of(call)));
  const uint64_t blocks = blocks_of(a, a.length, a.heads, a.width);
  if (s != TN_OK || blocks == 0) return s;
  s = wide || in[0].dtype == TN_F32 ? TN_DECLINED : tn_cuda_attention_forward_half(a);
  if (s != TN_DECLINED) return s;
  return tn_cuda_check(wide ? start<double>(results<double>, blocks, a)
                            : start<float>(results<float>, blocks, a));
}

template <typename T> static cudaError_t sum_mask(const attention &a, const tn_view &out) {
  const int64_t sizes[4] = {a.batch, a.heads, a.length, a.keys};
  mask_sums m = {};
  m.out = out.data;
  m.dtype = out.dtype;
  m.count = m.repeats = 1;
  int64_t stride = 1;
  for (int d = 3; d >= 0; d--) {
    m.own[d] = size_of(out, d);
    m.many[d] = m.own[d] == sizes[d] ? 1 : sizes[d];
    m.strides[d] = stride;
    stride *= sizes[d];
    m.count *= m.own[d];
    m.repeats *= m.many[d];
  }
  if (m.count == 0) return cudaSuccess;
  const bool warp = m.repeats >= 32;
  const int blocks = tn_cuda_blocks(a.device, (uint64_t)m.count * (warp ? 32 : 1), THREADS);
  return tn_launch(warp ? mask_back<T, true> : mask_back<T, false>, blocks, THREADS, 0, m,
                   static_cast<const T *>(a.scores));
}

template <typename T> static cudaError_t way_back(const attention &a, const tn_view *mask) {
  cudaError_t e = cudaSuccess;
  if (a.dq.data != nullptr || mask != nullptr) {
    const uint64_t blocks = blocks_of(a, a.length, a.heads, a.dim);
    if (blocks > 0) e = start<T>(queries_back<T>, blocks, a);
  }
  if (e == cudaSuccess && a.dk.data != nullptr) {
    const uint64_t blocks = blocks_of(a, a.keys, a.groups, a.dim);
    if (blocks > 0) e = start<T>(keys_back<T, false>, blocks, a);
  }
  if (e == cudaSuccess && a.dv.data != nullptr) {
    const uint64_t blocks = blocks_of(a, a.keys, a.groups, a.width);
    if (blocks > 0) e = start<T>(keys_back<T, true>, blocks, a);
  }
  return e == cudaSuccess && mask != nullptr ? sum_mask<T>(a, *mask) : e;
}

template <typename T> static cudaError_t prepare(const attention &a) {
  const int64_t rows = (int64_t)a.batch * a.heads * a.length;
  return tn_launch(deltas<T>, tn_cuda_blocks(a.device, (uint64_t)rows * 32, THREADS), THREADS, 0, a,
                   rows);
}

/* Of sizes without a score all gradients are 0. */
static tn_status no_scores(tn_kernel_call *call, int inputs) {
  for (int i = 0; i < inputs; i++) {
    const tn_view &v = call->out[i];
    size_t bytes = tn_item_size(v.dtype);
    if (!call->need[i]) continue;
    for (int d = 0; d < v.ndim; d++) bytes *= (size_t)v.sizes[d];
    if (bytes == 0) continue;
    tn_status s = tn_cuda_check(cudaMemsetAsync(v.data, 0, bytes,
                                                static_cast<cudaStream_t>(tn_cuda_stream())));
    if (s != TN_OK) return s;
  }
  return TN_OK;
}

/* in: what arrived of y (and nothing of the others), q, k, v, perhaps a mask, y, lse, state. */
extern "C" tn_status tn_cuda_scaled_dot_product_attention_gradient(tn_kernel_call *call) {
  const tn_view *in = call->in, *saved = in + call->nin - 3;
  const int inputs = call->nin - 6;
  if (in[0].ndim < 0) return TN_DECLINED;
  const bool masks = inputs > 3 && in[6].ndim >= 0;
  attention a = read_call(call, in + 3, masks ? &in[6] : nullptr);
  const bool wide = in[3].dtype == TN_F64, mask = masks && call->need[3];
  if ((int64_t)a.batch * a.heads * a.length * a.keys == 0 || a.dim == 0 || a.width == 0) {
    return no_scores(call, inputs);
  }
  a.dy = rows_of(in[0]);
  a.y = rows_of(saved[0]);
  a.lse = saved[1].data;
  a.state = static_cast<int64_t *>(saved[2].data);
  if (call->need[0]) a.dq = rows_of(call->out[0]);
  if (call->need[1]) a.dk = rows_of(call->out[1]);
  if (call->need[2]) a.dv = rows_of(call->out[2]);
  const size_t item = wide ? 8 : 4, rows = (size_t)a.batch * a.heads * (size_t)a.length;
  const size_t bytes = rows * (size_t)a.keys * item;
  tn_status s = tn_cuda_alloc(a.device, rows * item, &a.delta);
  if (s == TN_OK && mask) s = tn_cuda_alloc(a.device, bytes, &a.scores);
  if (s == TN_OK && mask) { /* blocks above the diagonal are left out */
    s = tn_cuda_check(cudaMemsetAsync(a.scores, 0, bytes,
                                      static_cast<cudaStream_t>(tn_cuda_stream())));
  }
  if (s == TN_OK) s = tn_cuda_check(wide ? prepare<double>(a) : prepare<float>(a));
  if (s == TN_OK) {
    const bool half = !wide && in[3].dtype != TN_F32 && !mask;
    const tn_view *to = mask ? &call->out[3] : nullptr;
    s = half ? tn_cuda_attention_backward_half(a) : TN_DECLINED;
    if (s == TN_DECLINED)
      s = tn_cuda_check(wide ? way_back<double>(a, to) : way_back<float>(a, to));
  }
  tn_cuda_free(a.device, a.delta);
  tn_cuda_free(a.device, a.scores);
  return s;
}
