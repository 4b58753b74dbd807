/* recurrent_steps.cu -- the steps of recurrent layers through time, and back.
 *
 * A step is a small product of the states before it with the same weights. So a block of threads
 * loads the weights of some units into its shared memory once, and takes a few rows of the batch
 * through all steps: blocks that have the other units of these rows wait for one another at each
 * step, and exchange states through memory. The whole layer is one launch. Where a device has no
 * room for all blocks at once, each step is a launch of the same kernel.
 *
 * The formulas are those of tensor/cpu/isa/recurrent_real.h. */
#include "cuda/ops/recurrent.cuh"

enum { THREADS = 256, WARPS = THREADS / 32, COLUMNS = 64 /* that a block multiplies, at most */ };

/* What other blocks have written, past the first cache. */
#ifdef TN_CUDA_EMULATED
template <typename T> static inline T fresh(const T *p) { return *p; }
#else
template <typename T> __device__ static inline T fresh(const T *p) { return __ldcg(p); }
#endif

template <typename T> __device__ static inline T sigmoid(T x) { return 1 / (1 + exp(-x)); }

__host__ __device__ static inline int rounded(int n, int to) { return (n + to - 1) / to * to; }

template <typename T> __device__ static inline int length_of(const recurrent<T> &r, int row) {
  return r.lengths != nullptr ? (int)r.lengths[row] : r.time;
}

/* Waits for the other blocks of the group. */
__device__ static void meet(unsigned *arrivals, unsigned wanted) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    atomicAdd(arrivals, 1u);
    while (*(volatile unsigned *)arrivals < wanted) tn_pause();
    __threadfence();
  }
  __syncthreads();
}

/* How the threads of a block multiply: a warp takes eight columns and a part of k, each of its
 * lanes one column and a quarter of that. */
struct division {
  int column, quarter, part, parts; /* column: at or behind the end, where there is none */
};

__device__ static division divide(int columns) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int eights = 1;
  while (eights * 8 < columns) eights *= 2;
  division d;
  d.parts = WARPS / eights;
  d.part = warp % d.parts;
  d.column = warp / d.parts * 8 + lane % 8;
  d.quarter = lane / 8;
  return d;
}

/* Four elements that lie 16 bytes aligned: read at once. */
template <typename T> struct alignas(16) four { T v[4]; };

/* sum[row] += weights of the thread's column times a tile of rows, over `count` of k. */
template <typename T, int ROWS>
__device__ static void add_products(const division &d, const T *weights, const T *tile, int pitch,
                                    int count, T sum[ROWS]) {
  for (int k = (d.part * 4 + d.quarter) * 4; k < count; k += d.parts * 16) {
    const four<T> w = *reinterpret_cast<const four<T> *>(weights + k);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      const four<T> x = *reinterpret_cast<const four<T> *>(tile + i * pitch + k);
      for (int q = 0; q < 4; q++) sum[i] += w.v[q] * x.v[q];
    }
  }
}

/* Gives what each part has to parts[part][row][column], which all threads then read. */
template <typename T, int ROWS>
__device__ static void share(const division &d, int columns, T sum[ROWS], T *parts) {
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    sum[i] += __shfl_xor_sync(~0u, sum[i], 8);
    sum[i] += __shfl_xor_sync(~0u, sum[i], 16);
    if (d.quarter == 0 && d.column < columns)
      parts[(d.part * ROWS + i) * columns + d.column] = sum[i];
  }
  __syncthreads();
}

template <typename T, int ROWS>
__device__ static T shared_sum(const T *parts, const division &d, int columns, int row,
                               int column) {
  T sum = 0;
  for (int p = 0; p < d.parts; p++) sum += parts[(p * ROWS + row) * columns + column];
  return sum;
}

/* A block's part of the weights, columns x pitch, with zeros behind `k` and beside its units: of
 * the way there a row for each gate of each unit; of the way back for each unit what goes to it
 * from all gates. */
template <typename T>
__device__ static void load_weights(const recurrent<T> &r, bool back, int unit, int columns,
                                    T *to) {
  const int hidden = r.hidden, k = back ? r.gates * hidden : hidden;
  for (int at = threadIdx.x; at < columns * r.pitch; at += THREADS) {
    /* on the way back neighbours read neighbouring units */
    const int c = back ? at % columns : at / r.pitch, j = back ? at / columns : at % r.pitch;
    const int u = unit + c % r.units, gate = c / r.units;
    T w = 0;
    if (u < hidden && j < k)
      w = back ? r.w_hh[(int64_t)j * hidden + u]
               : r.w_hh[((int64_t)gate * hidden + u) * hidden + j];
    to[c * r.pitch + j] = w;
  }
}

/* -- The way there ----------------------------------------------------------------------------- */

/* h or c as a row finds it at step t; NULL: zeros. */
template <typename T>
__device__ static const T *previous(const recurrent<T> &r, int t, int row, const T *states,
                                    const T *start) {
  const bool first = r.reverse ? t == length_of(r, row) - 1 : t == 0;
  if (first) return start != nullptr ? start + (int64_t)row * r.hidden : nullptr;
  return states + ((int64_t)(r.reverse ? t + 1 : t - 1) * r.batch + row) * r.hidden;
}

/* What one row's unit finds at a step, but for the products: fetched before these are made.
 * `before`: the cell of an LSTM, the state of a GRU. */
template <typename T> struct unit_inputs { T sum[4], before; };

template <typename T>
__device__ static unit_inputs<T> look(const recurrent<T> &r, int t, int b, int u) {
  const int64_t row = (int64_t)t * r.batch + b, hidden = r.hidden;
  const T *from = nullptr;
  unit_inputs<T> x = {};
  for (int g = 0; g < r.gates; g++) {
    const int64_t at = g * hidden + u;
    x.sum[g] = r.sums[row * r.gates * hidden + at];
    if (r.b_ih != nullptr) x.sum[g] += r.b_ih[at];
    if (r.b_hh != nullptr && !(r.kind == GRU && g == 2)) x.sum[g] += r.b_hh[at];
  }
  if (r.kind == LSTM) {
    const bool begins = r.reverse ? t == length_of(r, b) - 1 : t == 0;
    from = r.keep || begins ? previous(r, t, b, (const T *)r.cells, r.c0) : r.cells + b * hidden;
  } else if (r.kind == GRU) {
    if (r.b_hh != nullptr) x.sum[3] = r.b_hh[2 * hidden + u];
    from = previous(r, t, b, (const T *)r.out, r.h0);
  }
  if (from != nullptr) x.before = fresh(from + u);
  return x;
}

/* One row's unit through its gates: `sum` are the products of the hidden state. */
template <typename T>
__device__ static void pass_gates(const recurrent<T> &r, int t, int b, int u,
                                  const unit_inputs<T> &x, const T sum[4]) {
  const int64_t row = (int64_t)t * r.batch + b, hidden = r.hidden;
  T *gates = r.keep && r.kept_gates != nullptr ? r.kept_gates + row * r.kept * hidden + u : nullptr;
  T h;
  if (r.kind == LSTM) {
    const T i = sigmoid(sum[0] + x.sum[0]), f = sigmoid(sum[1] + x.sum[1]);
    const T g = tanh(sum[2] + x.sum[2]), o = sigmoid(sum[3] + x.sum[3]);
    const T cell = f * x.before + i * g;
    r.cells[(r.keep ? row : b) * hidden + u] = cell;
    h = o * tanh(cell);
    if (gates != nullptr)
      gates[0] = i, gates[hidden] = f, gates[2 * hidden] = g, gates[3 * hidden] = o;
  } else if (r.kind == GRU) {
    const T reset = sigmoid(sum[0] + x.sum[0]), z = sigmoid(sum[1] + x.sum[1]);
    const T from_h = sum[2] + x.sum[3], n = tanh(x.sum[2] + reset * from_h);
    h = n + z * (x.before - n);
    if (gates != nullptr)
      gates[0] = reset, gates[hidden] = z, gates[2 * hidden] = n, gates[3 * hidden] = from_h;
  } else {
    const T y = sum[0] + x.sum[0];
    h = r.kind == RNN_TANH ? tanh(y) : y <= 0 ? 0 : y; /* NaN stays */
  }
  r.out[row * hidden + u] = h;
}

template <typename T, int ROWS>
__global__ void __launch_bounds__(THREADS) go_forward(recurrent<T> r) {
  TN_SHARED_BYTES(T, weights);
  const int columns = r.gates * r.units, width = r.chunk + 4;
  T *tile = weights + columns * r.pitch, *parts = tile + ROWS * width;
  const int group = blockIdx.x / r.slices, unit = blockIdx.x % r.slices * r.units;
  const division d = divide(columns);
  load_weights(r, false, unit, columns, weights);
  for (int step = r.first; step < r.last; step++) {
    const int t = r.reverse ? r.time - 1 - step : step;
    for (int part = group; part < r.tiles; part += r.groups) {
      const int row = part * ROWS, own = row + threadIdx.x / r.units;
      const int own_unit = unit + threadIdx.x % r.units;
      T sum[ROWS] = {};
      unit_inputs<T> first = {};
      if ((int)threadIdx.x < ROWS * r.units && own < r.batch && own_unit < r.hidden &&
          t < length_of(r, own)) {
        first = look(r, t, own, own_unit);
      }
      for (int from = 0; from < r.hidden; from += r.chunk) {
        const int count = r.hidden - from < r.chunk ? r.hidden - from : r.chunk;
        const int padded = rounded(count, 16);
        __syncthreads();
        for (int at = threadIdx.x; at < ROWS * padded; at += THREADS) {
          const int i = at / padded, k = at % padded, b = row + i;
          T h = 0;
          if (k < count && b < r.batch && t < length_of(r, b)) {
            const T *states = previous(r, t, b, (const T *)r.out, r.h0);
            if (states != nullptr) h = fresh(states + from + k);
          }
          tile[i * width + k] = h;
        }
        __syncthreads();
        if (d.column < columns)
          add_products<T, ROWS>(d, weights + d.column * r.pitch + from, tile, width, padded, sum);
      }
      share<T, ROWS>(d, columns, sum, parts);
      for (int at = threadIdx.x; at < ROWS * r.units; at += THREADS) {
        const int i = at / r.units, u = at % r.units, b = row + i;
        if (b >= r.batch || unit + u >= r.hidden) continue;
        if (t >= length_of(r, b)) {
          r.out[((int64_t)t * r.batch + b) * r.hidden + unit + u] = 0;
          continue;
        }
        T s[4] = {};
        for (int g = 0; g < r.gates; g++)
          s[g] = shared_sum<T, ROWS>(parts, d, columns, i, g * r.units + u);
        pass_gates(r, t, b, unit + u, at < THREADS ? first : look(r, t, b, unit + u), s);
      }
    }
    if (step + 1 < r.last) meet(r.arrivals + group, (unsigned)(step + 1) * r.slices);
  }
}

/* -- The way back ------------------------------------------------------------------------------ */

/* What one row's unit has from the way there and from outside, fetched before the products. */
template <typename T> struct unit_back { T gate[4], before, state, dh, dc, carry; };

template <typename T>
__device__ static unit_back<T> look_back(const recurrent<T> &r, int t, int b, int u) {
  const int64_t row = (int64_t)t * r.batch + b, hidden = r.hidden;
  const T *gates = r.kept_gates != nullptr ? r.kept_gates + row * r.kept * hidden + u : nullptr;
  const T *states = r.kind == LSTM ? r.cells : r.out;
  unit_back<T> x = {};
  x.state = states[row * hidden + u];
  x.carry = r.carry[b * hidden + u];
  if (r.dout != nullptr) x.dh = r.dout[row * hidden + u];
  if (r.kind != LSTM && r.kind != GRU) return x;
  for (int g = 0; g < 4; g++) x.gate[g] = gates[g * hidden];
  const T *from = previous(r, t, b, states, r.kind == LSTM ? r.c0 : r.h0);
  if (from != nullptr) x.before = from[u];
  if (r.dcells != nullptr) x.dc = r.dcells[row * hidden + u];
  return x;
}

/* What arrives at one row's unit goes through its gates. dh: from the steps after. */
template <typename T>
__device__ static void gates_back(const recurrent<T> &r, int t, int b, int u, const unit_back<T> &x,
                                  T dh) {
  const int64_t row = (int64_t)t * r.batch + b, hidden = r.hidden;
  T *d = r.dgates + row * r.kept * hidden + u, *carry = r.carry + b * hidden + u;
  dh += x.dh;
  if (r.kind == LSTM) {
    const T i = x.gate[0], f = x.gate[1], g = x.gate[2], o = x.gate[3], th = tanh(x.state);
    const T dc = x.carry + dh * o * (1 - th * th) + x.dc;
    d[0] = dc * g * (i * (1 - i));
    d[hidden] = dc * x.before * (f * (1 - f));
    d[2 * hidden] = dc * i * (1 - g * g);
    d[3 * hidden] = dh * th * (o * (1 - o));
    *carry = dc * f;
  } else if (r.kind == GRU) {
    const T reset = x.gate[0], z = x.gate[1], n = x.gate[2], from_h = x.gate[3];
    dh += x.carry;
    const T dn = dh * (1 - z) * (1 - n * n);
    d[0] = dn * from_h * (reset * (1 - reset));
    d[hidden] = dh * (x.before - n) * (z * (1 - z));
    d[2 * hidden] = dn;
    d[3 * hidden] = dn * reset;
    *carry = dh * z;
  } else {
    const T h = x.state;
    d[0] = r.kind == RNN_RELU ? (h > 0 ? dh : 0) : dh * (1 - h * h);
  }
}

/* What went into the gates of row b at the step after step `step`, or, of step -1, at its first. */
template <typename T>
__device__ static const T *after(const recurrent<T> &r, int step, int b) {
  const int t = r.reverse ? r.time - 1 - step : step;
  int from = r.reverse ? t - 1 : t + 1;
  if (step < 0) from = r.reverse ? length_of(r, b) - 1 : 0;
  return r.dgates + ((int64_t)from * r.batch + b) * r.kept * r.hidden;
}

/* Steps first ... last - 1 from the last on; after step 0, where dh0 is wanted, comes step -1. */
template <typename T, int ROWS>
__global__ void __launch_bounds__(THREADS) go_back(recurrent<T> r) {
  TN_SHARED_BYTES(T, weights);
  const int columns = r.units, width = r.chunk + 4, k_all = r.gates * r.hidden;
  T *tile = weights + columns * r.pitch, *parts = tile + ROWS * width;
  const int group = blockIdx.x / r.slices, unit = blockIdx.x % r.slices * r.units;
  const division d = divide(columns);
  load_weights(r, true, unit, columns, weights);
  unsigned meetings = 0;
  for (int step = r.last - 1; step >= r.first; step--) {
    const int t = r.reverse ? r.time - 1 - step : step;
    for (int part = group; part < r.tiles; part += r.groups) {
      const int row = part * ROWS, own = row + threadIdx.x / r.units;
      const int own_unit = unit + threadIdx.x % r.units;
      T sum[ROWS] = {};
      unit_back<T> first = {};
      if ((int)threadIdx.x < ROWS * r.units && own < r.batch && own_unit < r.hidden && step >= 0 &&
          t < length_of(r, own)) {
        first = look_back(r, t, own, own_unit);
      }
      for (int from = 0; step < r.time - 1 && from < k_all; from += r.chunk) {
        const int count = k_all - from < r.chunk ? k_all - from : r.chunk;
        const int padded = rounded(count, 16);
        __syncthreads();
        for (int at = threadIdx.x; at < ROWS * padded; at += THREADS) {
          const int i = at / padded, k = at % padded, b = row + i;
          T x = 0;
          if (k < count && b < r.batch) { /* a GRU's n comes from its fourth */
            const int slot = from + k + (r.kind == GRU && from + k >= 2 * r.hidden ? r.hidden : 0);
            x = fresh(after(r, step, b) + slot);
          }
          tile[i * width + k] = x;
        }
        __syncthreads();
        if (d.column < columns)
          add_products<T, ROWS>(d, weights + d.column * r.pitch + from, tile, width, padded, sum);
      }
      __syncthreads();
      share<T, ROWS>(d, columns, sum, parts);
      for (int at = threadIdx.x; at < ROWS * r.units; at += THREADS) {
        const int i = at / r.units, u = at % r.units, b = row + i;
        if (b >= r.batch || unit + u >= r.hidden) continue;
        const T dh = shared_sum<T, ROWS>(parts, d, columns, i, u);
        const int64_t state = (int64_t)b * r.hidden + unit + u;
        if (step < 0) {
          r.dh0[state] = r.kind == GRU ? dh + r.carry[state] : dh;
        } else if (t < length_of(r, b)) {
          gates_back(r, t, b, unit + u, at < THREADS ? first : look_back(r, t, b, unit + u), dh);
        } else {
          T *to = r.dgates + ((int64_t)t * r.batch + b) * r.kept * r.hidden + unit + u;
          for (int q = 0; q < r.kept; q++) to[q * r.hidden] = 0;
        }
      }
    }
    if (step > r.first) meet(r.arrivals + group, ++meetings * (unsigned)r.slices);
  }
}

/* -- Dividing ---------------------------------------------------------------------------------- */

template <typename T> using kernel_of = void (*)(recurrent<T>);

template <typename T> static kernel_of<T> kernel_for(bool back, int rows) {
  if (back) return rows == 4 ? go_back<T, 4> : rows == 8 ? go_back<T, 8> : go_back<T, 16>;
  return rows == 4 ? go_forward<T, 4> : rows == 8 ? go_forward<T, 8> : go_forward<T, 16>;
}

enum { CHUNK = 512 };

/* Shared memory of a block that has so many units. */
template <typename T> static size_t bytes_of(recurrent<T> *r, bool back, int units, int rows) {
  const int k = back ? r->gates * r->hidden : r->hidden, columns = back ? units : r->gates * units;
  r->units = units;
  r->pitch = rounded(k, 32) + 4;
  r->chunk = r->pitch - 4 < CHUNK ? r->pitch - 4 : CHUNK;
  r->slices = (r->hidden + units - 1) / units;
  r->tiles = (r->batch + rows - 1) / rows;
  return ((size_t)columns * r->pitch + (size_t)rows * (r->chunk + 4) + COLUMNS * rows) *
         sizeof(T);
}

/* Something like the time of a step: what is multiplied, what is fetched of other blocks' results,
 * and the waiting. */
template <typename T>
static double time_of(const recurrent<T> &r, bool back, int rows, int together) {
  const int groups = together / r.slices < r.tiles ? together / r.slices : r.tiles;
  const double k = back ? (double)r.gates * r.hidden : r.hidden;
  const double columns = back ? r.units : (double)r.gates * r.units;
  const int rounds = (r.tiles + groups - 1) / groups;
  return rounds * (300 + rows * k * (columns < 8 ? 8 : columns) / 64 + rows * k / 16) +
         3 * r.slices;
}

/* Divides the layer so that all blocks run at once; false: that cannot be. */
template <typename T>
static tn_status all_at_once(recurrent<T> *r, bool back, int most_shared, int *rows, bool *found) {
  recurrent<T> best = {};
  double least = 0;
  *found = false;
  for (int n = 4; n <= 16; n *= 2) {
    if (n > 4 && n >= 2 * r->batch) break;
    for (int units = 1; units <= COLUMNS; units *= 2) {
      const size_t shared = bytes_of(r, back, units, n);
      int together = 0;
      if ((back ? units : r->gates * units) > COLUMNS || shared > (size_t)most_shared) break;
      if (units > 1 && units >= 2 * r->hidden) break;
      tn_status s = tn_cuda_check(
          tn_most_together(kernel_for<T>(back, n), r->device, THREADS, shared, &together));
      if (s != TN_OK) return s;
      if (together < r->slices) continue;
      const double cost = time_of(*r, back, n, together);
      if (*found && cost >= least) continue;
      *found = true;
      least = cost;
      best = *r;
      best.groups = together / r->slices < r->tiles ? together / r->slices : r->tiles;
      *rows = n;
    }
  }
  if (*found) *r = best;
  return TN_OK;
}

/* Each step for itself: any number of blocks. */
template <typename T>
static bool one_by_one(recurrent<T> *r, bool back, int most_shared, int *rows) {
  *rows = r->batch > 8 ? 16 : r->batch > 4 ? 8 : 4;
  for (int units = 16; units > 0; units /= 2) {
    if ((back ? units : r->gates * units) > COLUMNS) continue;
    if (bytes_of(r, back, units, *rows) > (size_t)most_shared) continue;
    r->groups = r->tiles;
    return true;
  }
  return false;
}

/* How layers of some sizes were divided, as far as this thread remembers. */
typedef struct {
  bool known, wide, back, together;
  int device, kind, batch, hidden, rows, units, groups;
} dividing;

template <typename T>
static bool remembered(recurrent<T> *r, const dividing &x, bool back, int *rows, bool *together) {
  if (!x.known || x.wide != (sizeof(T) == 8) || x.back != back || x.device != r->device ||
      x.kind != r->kind || x.batch != r->batch || x.hidden != r->hidden) {
    return false;
  }
  *rows = x.rows;
  *together = x.together;
  bytes_of(r, back, x.units, x.rows);
  r->groups = x.groups;
  return true;
}

template <typename T> static tn_status divide_layer(recurrent<T> *r, bool back, int *rows,
                                                    bool *together) {
  static thread_local dividing before[8];
  static thread_local unsigned next;
  int most_shared = 0;
  for (const dividing &x : before) {
    if (remembered(r, x, back, rows, together)) return TN_OK;
  }
  tn_status s = tn_cuda_check(tn_most_shared(r->device, &most_shared));
  if (s == TN_OK) s = all_at_once(r, back, most_shared, rows, together);
  if (s != TN_OK) return s;
  if (!*together && !one_by_one(r, back, most_shared, rows)) return TN_DECLINED;
  before[next++ % 8] = {true, sizeof(T) == 8, back, *together, r->device, r->kind, r->batch,
                        r->hidden, *rows, r->units, r->groups};
  return TN_OK;
}

template <typename T> tn_status tn_cuda_recurrent_steps(recurrent<T> r, bool back) {
  int rows = 0;
  bool together = false;
  const int first = back && r.dh0 != nullptr ? -1 : 0;
  tn_status s = divide_layer(&r, back, &rows, &together);
  if (s != TN_OK) return s;
  const size_t shared = bytes_of(&r, back, r.units, rows);
  const kernel_of<T> kernel = kernel_for<T>(back, rows);
  const int blocks = r.groups * r.slices;
  r.first = first;
  r.last = r.time;
  if (together) {
    void *arrivals;
    const size_t bytes = (size_t)r.groups * sizeof(unsigned);
    s = tn_cuda_alloc(r.device, bytes, &arrivals);
    if (s != TN_OK) return s;
    r.arrivals = static_cast<unsigned *>(arrivals);
    s = tn_cuda_check(cudaMemsetAsync(arrivals, 0, bytes,
                                      static_cast<cudaStream_t>(tn_cuda_stream())));
    if (s == TN_OK) s = tn_cuda_check(tn_launch_together(kernel, blocks, THREADS, shared, r));
    tn_cuda_free(r.device, arrivals);
    return s;
  }
  for (int k = first; k < r.time && s == TN_OK; k++) {
    r.first = back ? r.time - 1 - (k - first) : k;
    r.last = r.first + 1;
    s = tn_cuda_check(tn_launch(kernel, blocks, THREADS, shared, r));
  }
  return s;
}

template tn_status tn_cuda_recurrent_steps<float>(recurrent<float>, bool);
template tn_status tn_cuda_recurrent_steps<double>(recurrent<double>, bool);
