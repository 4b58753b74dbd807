/* attention_half.cu -- attention of float16 and bfloat16 on tensor cores: sums and softmax in
 * float, what is multiplied in halves. For the way there see Dao 2023, arXiv:2307.08691.
 *
 * Each of the four warps of a block has 16 or 32 rows of a tile; all of them step through the
 * same tiles of columns. Scores stay in registers, where what one product leaves is what the next
 * one takes. The way back are two kernels, for the queries and for keys and values, each of which
 * adds up its results alone: they multiply seven times where one kernel would five times, but in a
 * fixed order. Head sizes are multiples of 8 up to 128; those between are filled up with zeros. */
#include "cuda/ops/attention.cuh"
#include "cuda/tensor_core.cuh"

enum { WARPS = 4, THREADS = 32 * WARPS, PAD = 8 /* halves behind a row, against bank conflicts */ };

#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

typedef uint16_t half_bits;

/* Rows of shared memory, D halves each, from rows [row, row + ROWS) of m; zeros outside. */
template <int ROWS, int D>
__device__ static void fetch(const attention_rows &m, int64_t start, int64_t row, int64_t rows,
                             int columns, half_bits *to) {
  const half_bits *from = reinterpret_cast<const half_bits *>(m.data) + start;
  for (int at = threadIdx.x; at < ROWS * (D / 8); at += THREADS) {
    const int r = at / (D / 8), c = at % (D / 8) * 8;
    const bool there = row + r < rows && c < columns;
    tn_copy_later(to + r * (D + PAD) + c, there ? from + (row + r) * m.row + c : from, there);
  }
}

/* sum[TILES] (16 rows x 8 columns each) += rows of `left` times rows of `right`, both with D
 * columns in shared memory. */
template <bool BRAIN, int D, int TILES, int MANY>
__device__ static void multiply_rows(const half_bits *left, const half_bits *right,
                                     float sum[MANY][TILES][4]) {
  const int lane = threadIdx.x % 32, i = lane / 8, k = lane % 8;
  const half_bits *a_row = left + (i % 2 * 8 + k) * (D + PAD) + i / 2 * 8;
  const half_bits *b_row = right + (i / 2 * 8 + k) * (D + PAD) + i % 2 * 8;
#pragma unroll
  for (int d = 0; d < D; d += 16) {
    uint32_t a[MANY][4];
#pragma unroll
    for (int m = 0; m < MANY; m++) tn_load_matrices(a[m], a_row + m * 16 * (D + PAD) + d);
#pragma unroll
    for (int n = 0; n < TILES; n += 2) {
      uint32_t b[4];
      tn_load_matrices(b, b_row + n * 8 * (D + PAD) + d);
#pragma unroll
      for (int m = 0; m < MANY; m++) {
        tn_multiply_add<BRAIN>(sum[m][n], a[m], b[0], b[1]);
        tn_multiply_add<BRAIN>(sum[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/* sum (16 rows x D) += w, which the registers hold as 16 x (8 * TILES), times that many rows of D
 * columns in shared memory. */
template <bool BRAIN, int D, int TILES, int MANY>
__device__ static void multiply_weights(const float w[MANY][TILES][4], const half_bits *right,
                                        float sum[MANY][D / 8][4]) {
  const int lane = threadIdx.x % 32, i = lane / 8, k = lane % 8;
  const half_bits *b_row = right + (i % 2 * 8 + k) * (D + PAD) + i / 2 * 8;
#pragma unroll
  for (int j = 0; j < TILES; j += 2) {
    uint32_t a[MANY][4];
#pragma unroll
    for (int m = 0; m < MANY; m++) {
      a[m][0] = tn_pair<BRAIN>(w[m][j][0], w[m][j][1]);
      a[m][1] = tn_pair<BRAIN>(w[m][j][2], w[m][j][3]);
      a[m][2] = tn_pair<BRAIN>(w[m][j + 1][0], w[m][j + 1][1]);
      a[m][3] = tn_pair<BRAIN>(w[m][j + 1][2], w[m][j + 1][3]);
    }
#pragma unroll
    for (int n = 0; n < D / 8; n += 2) {
      uint32_t b[4];
      tn_load_turned(b, b_row + j * 8 * (D + PAD) + n * 8);
#pragma unroll
      for (int m = 0; m < MANY; m++) {
        tn_multiply_add<BRAIN>(sum[m][n], a[m], b[0], b[1]);
        tn_multiply_add<BRAIN>(sum[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

template <int MANY, int TILES> __device__ static void clear(float x[MANY][TILES][4]) {
#pragma unroll
  for (int m = 0; m < MANY; m++)
#pragma unroll
    for (int n = 0; n < TILES; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) x[m][n][e] = 0;
}

/* Where the scores in a lane's registers lie: queries go down a tile, or across it. */
struct score_place {
  int b, h;
  int64_t row, column; /* of the first one */
  bool down;
};

/* What scores have to be multiplied with to be exponents of two. Where some lie outside, or behind
 * the diagonal or (MORE: there are masks or dropout) a mask, they are made ready one by one. */
template <bool MORE, int MANY, int TILES>
__device__ static float scale_scores(const attention &a, const score_place &p, bool edge,
                                     float s[MANY][TILES][4]) {
  const float scale = (float)a.scale;
  if (!edge) return scale * LOG2E;
#pragma unroll
  for (int m = 0; m < MANY; m++) {
#pragma unroll
    for (int n = 0; n < TILES; n++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int64_t r = p.row + m * 16 + e / 2 * 8, c = p.column + n * 8 + e % 2;
        const int64_t i = p.down ? r : c, j = p.down ? c : r;
        float x = s[m][n][e] * scale;
        if (i >= a.length || j >= a.keys) x = -INFINITY;
        else if (MORE) x = masked(a, p.b, p.h, i, j, x);
        else if (a.causal && j > i) x = -INFINITY;
        s[m][n][e] = x;
      }
    }
  }
  return LOG2E;
}

__device__ static inline uint32_t word_of(const uint32_t w[4], int k) {
  const uint32_t low = k % 2 ? w[1] : w[0], high = k % 2 ? w[3] : w[2];
  return k / 2 ? high : low;
}

/* Dropout. Four queries one after the other share a group of random words. Where they go down, they
 * are those of four lanes: each makes the words of one of four keys and gives the others theirs. */
template <int MANY, int TILES>
__device__ static void drop(const attention &a, const score_place &p, uint64_t seed,
                            uint64_t offset, float w[MANY][TILES][4]) {
  const float keep = (float)a.keep;
  const int own = threadIdx.x % 32 / 4 % 4;
#pragma unroll
  for (int m = 0; m < MANY; m++) {
#pragma unroll
    for (int n = 0; n < TILES; n += p.down ? 2 : 1) {
#pragma unroll
      for (int half = 0; half < 2; half++) { /* rows g and g + 8 */
        const int64_t r = p.row + m * 16 + half * 8, c = p.column + n * 8;
        uint32_t words[4];
        if (p.down) {
          dropout_words(a, seed, offset, p.b, p.h, r, c + own / 2 * 8 + own % 2, words);
#pragma unroll
          for (int s = 0; s < 4; s++) { /* lane `own` takes the key own ^ s from its lane */
            const uint32_t word = __shfl_xor_sync(~0u, word_of(words, own ^ s), s * 4);
#pragma unroll
            for (int e = 0; e < 4; e++) {
              float *x = &w[m][n + e / 2][half * 2 + e % 2];
              if (e == (own ^ s)) *x = word < a.below ? *x * keep : 0;
            }
          }
        } else {
          dropout_words(a, seed, offset, p.b, p.h, c, r, words);
          for (int e = 0; e < 2; e++) {
            float *x = &w[m][n][half * 2 + e];
            *x = word_of(words, (int)(c % 4) + e) < a.below ? *x * keep : 0;
          }
        }
      }
    }
  }
}

/* Rows of D columns, from registers to their place. */
template <bool BRAIN, int D, int MANY>
__device__ static void put_rows(const attention_rows &m, int64_t start, int64_t row, int64_t rows,
                                int columns, const float sum[MANY][D / 8][4],
                                const float factor[MANY][2]) {
  const int t = threadIdx.x % 4;
  half_bits *to = reinterpret_cast<half_bits *>(m.data) + start;
#pragma unroll
  for (int k = 0; k < MANY; k++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int64_t r = row + k * 16 + half * 8;
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        const int c = n * 8 + 2 * t;
        if (r >= rows || c >= columns) continue;
        const float f = factor[k][half];
        *reinterpret_cast<uint32_t *>(to + r * m.row + c) =
            tn_pair<BRAIN>(sum[k][n][half * 2] * f, sum[k][n][half * 2 + 1] * f);
      }
    }
  }
}

/* -- The way there: 128 queries, 64 keys at a time --------------------------------------------- */

enum { KEYS = 64 };

/* One step of the softmax: w, scores, become weights; what there is already is multiplied. `top`
 * are exponents of two. */
template <int D, int MANY>
__device__ static void soften(float scale, float w[MANY][KEYS / 8][4], float top[MANY][2],
                              float total[MANY][2], float sum[MANY][D / 8][4]) {
#pragma unroll
  for (int m = 0; m < MANY; m++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float peak = -INFINITY;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++)
        peak = fmaxf(peak, fmaxf(w[m][n][half * 2], w[m][n][half * 2 + 1]));
      peak = fmaxf(peak * scale, top[m][half]);
      peak = fmaxf(peak, __shfl_xor_sync(~0u, peak, 1));
      peak = fmaxf(peak, __shfl_xor_sync(~0u, peak, 2));
      const float shift = peak == -INFINITY ? 0 : peak;
      const float factor = tn_power_of_two(top[m][half] - shift);
      top[m][half] = peak;
      float part = 0;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; e++) {
          w[m][n][e] = tn_power_of_two(w[m][n][e] * scale - shift);
          part += w[m][n][e];
        }
      }
      total[m][half] = total[m][half] * factor + part;
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        sum[m][n][half * 2] *= factor;
        sum[m][n][half * 2 + 1] *= factor;
      }
    }
  }
}

/* Blocks from the last tile on: of a causal mask these take longest. */
template <int ROWS>
__device__ static void where_am_i(int64_t rows, int heads, int *b, int *h, int64_t *row) {
  const unsigned tiles = (unsigned)((rows + ROWS - 1) / ROWS), head = blockIdx.x / tiles;
  *row = (int64_t)(tiles - 1 - blockIdx.x % tiles) * ROWS;
  *h = (int)(head % heads);
  *b = (int)(head / heads);
}

template <bool BRAIN, bool MORE, int D>
__global__ void __launch_bounds__(THREADS) results_half(attention a) {
  const int MANY = 2, ROWS = WARPS * 16 * MANY;
  TN_SHARED_BYTES(half_bits, queries);
  half_bits *keys = queries + ROWS * (D + PAD), *values = keys + KEYS * (D + PAD);
  int b, h;
  int64_t row;
  where_am_i<ROWS>(a.length, a.heads, &b, &h, &row);
  const int group = h / (a.heads / a.groups), warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t k = place_of(a.k, b, group, 0), v = place_of(a.v, b, group, 0);
  const int64_t end = a.causal && row + ROWS < a.keys ? row + ROWS : a.keys;
  const int64_t own = row + warp * 16 * MANY;
  const uint64_t seed = MORE ? (uint64_t)a.state[0] : 0, offset = MORE ? (uint64_t)a.state[1] : 0;
  float sum[MANY][D / 8][4], top[MANY][2], total[MANY][2];
  clear<MANY, D / 8>(sum);
#pragma unroll
  for (int m = 0; m < MANY; m++) top[m][0] = top[m][1] = -INFINITY, total[m][0] = total[m][1] = 0;
  fetch<ROWS, D>(a.q, place_of(a.q, b, h, 0), row, a.length, a.dim, queries);
  fetch<KEYS, D>(a.k, k, 0, a.keys, a.dim, keys);
  tn_close_copies();
  for (int64_t first = 0; first < end; first += KEYS) {
    const score_place p = {b, h, own + lane / 4, first + lane % 4 * 2, true};
    float w[MANY][KEYS / 8][4];
    clear<MANY, KEYS / 8>(w);
    tn_wait_copies<0>();
    __syncthreads(); /* the keys are there, and the last values no longer wanted */
    fetch<KEYS, D>(a.v, v, first, a.keys, a.width, values);
    tn_close_copies();
    multiply_rows<BRAIN, D, KEYS / 8, MANY>(queries + warp * 16 * MANY * (D + PAD), keys, w);
    const bool edge =
        MORE || a.scale <= 0 || first + KEYS > a.keys || (a.causal && first + KEYS > own);
    const float scale = scale_scores<MORE, MANY, KEYS / 8>(a, p, edge, w);
    soften<D, MANY>(scale, w, top, total, sum);
    if (MORE && a.drops) drop<MANY, KEYS / 8>(a, p, seed, offset, w);
    tn_wait_copies<0>();
    __syncthreads(); /* the values are there, and the keys no longer wanted */
    if (first + KEYS < end) fetch<KEYS, D>(a.k, k, first + KEYS, a.keys, a.dim, keys);
    tn_close_copies();
    multiply_weights<BRAIN, D, KEYS / 8, MANY>(w, values, sum);
  }
  tn_wait_copies<0>();
  float factor[MANY][2];
  float *lse = static_cast<float *>(a.lse) + ((int64_t)b * a.heads + h) * a.length;
#pragma unroll
  for (int m = 0; m < MANY; m++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float all = total[m][half];
      all += __shfl_xor_sync(~0u, all, 1);
      all += __shfl_xor_sync(~0u, all, 2);
      const int64_t i = own + m * 16 + half * 8 + lane / 4;
      factor[m][half] = all == 0 ? 0 : 1 / all;
      if (lane % 4 == 0 && i < a.length)
        lse[i] = all == 0 ? INFINITY : (top[m][half] + log2f(all)) * LN2;
    }
  }
  put_rows<BRAIN, D, MANY>(a.y, place_of(a.y, b, h, 0), own + lane / 4, a.length, a.width, sum,
                           factor);
}

/* -- The way back: 32 columns at a time -------------------------------------------------------- */

enum { COLUMNS = 32 };

/* w: scores become weights, of the queries' log-sum-exp; d: gradients of weights become those of
 * scores. `lse` and `delta` are those of the lane's rows, or of its columns. */
template <int MANY>
__device__ static void revive(float scale, const float lse[], bool down,
                              float w[MANY][COLUMNS / 8][4]) {
#pragma unroll
  for (int m = 0; m < MANY; m++)
#pragma unroll
    for (int n = 0; n < COLUMNS / 8; n++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        w[m][n][e] = tn_power_of_two(w[m][n][e] * scale -
                                     lse[down ? m * 2 + e / 2 : n * 2 + e % 2] * LOG2E);
}

template <int MANY>
__device__ static void slope(const float delta[], bool down, const float w[MANY][COLUMNS / 8][4],
                             float d[MANY][COLUMNS / 8][4]) {
#pragma unroll
  for (int m = 0; m < MANY; m++)
#pragma unroll
    for (int n = 0; n < COLUMNS / 8; n++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        d[m][n][e] = w[m][n][e] * (d[m][n][e] - delta[down ? m * 2 + e / 2 : n * 2 + e % 2]);
}

template <bool BRAIN, bool MORE, int D>
__global__ void __launch_bounds__(THREADS) queries_back_half(attention a) {
  const int MANY = 2, ROWS = WARPS * 16 * MANY, TILE = COLUMNS * (D + PAD);
  TN_SHARED_BYTES(half_bits, queries);
  half_bits *arrived = queries + ROWS * (D + PAD), *columns = arrived + ROWS * (D + PAD);
  int b, h;
  int64_t row;
  where_am_i<ROWS>(a.length, a.heads, &b, &h, &row);
  const int group = h / (a.heads / a.groups), warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t k = place_of(a.k, b, group, 0), v = place_of(a.v, b, group, 0);
  const int64_t end = a.causal && row + ROWS < a.keys ? row + ROWS : a.keys;
  const int64_t own = row + warp * 16 * MANY, head = ((int64_t)b * a.heads + h) * a.length;
  const uint64_t seed = MORE ? (uint64_t)a.state[0] : 0, offset = MORE ? (uint64_t)a.state[1] : 0;
  float sum[MANY][D / 8][4], lse[MANY * 2], delta[MANY * 2], factor[MANY][2];
  clear<MANY, D / 8>(sum);
#pragma unroll
  for (int m = 0; m < MANY * 2; m++) {
    const int64_t i = own + m * 8 + lane / 4;
    lse[m] = i < a.length ? static_cast<const float *>(a.lse)[head + i] : INFINITY;
    delta[m] = i < a.length ? static_cast<const float *>(a.delta)[head + i] : 0;
    factor[m / 2][m % 2] = (float)a.scale;
  }
  fetch<ROWS, D>(a.q, place_of(a.q, b, h, 0), row, a.length, a.dim, queries);
  fetch<ROWS, D>(a.dy, place_of(a.dy, b, h, 0), row, a.length, a.width, arrived);
  fetch<COLUMNS, D>(a.k, k, 0, a.keys, a.dim, columns);
  fetch<COLUMNS, D>(a.v, v, 0, a.keys, a.width, columns + TILE);
  tn_close_copies();
  int turn = 0;
  for (int64_t first = 0; first < end; first += COLUMNS, turn ^= 1) {
    const score_place p = {b, h, own + lane / 4, first + lane % 4 * 2, true};
    const half_bits *keys = columns + turn * 2 * TILE, *values = keys + TILE;
    half_bits *next = columns + (turn ^ 1) * 2 * TILE;
    float w[MANY][COLUMNS / 8][4], d[MANY][COLUMNS / 8][4];
    clear<MANY, COLUMNS / 8>(w);
    clear<MANY, COLUMNS / 8>(d);
    tn_wait_copies<0>();
    __syncthreads();
    if (first + COLUMNS < end) {
      fetch<COLUMNS, D>(a.k, k, first + COLUMNS, a.keys, a.dim, next);
      fetch<COLUMNS, D>(a.v, v, first + COLUMNS, a.keys, a.width, next + TILE);
    }
    tn_close_copies();
    multiply_rows<BRAIN, D, COLUMNS / 8, MANY>(queries + warp * 16 * MANY * (D + PAD), keys, w);
    const bool edge =
        MORE || a.scale <= 0 || first + COLUMNS > a.keys || (a.causal && first + COLUMNS > own);
    const float scale = scale_scores<MORE, MANY, COLUMNS / 8>(a, p, edge, w);
    revive<MANY>(scale, lse, true, w);
    multiply_rows<BRAIN, D, COLUMNS / 8, MANY>(arrived + warp * 16 * MANY * (D + PAD), values, d);
    if (MORE && a.drops) drop<MANY, COLUMNS / 8>(a, p, seed, offset, d);
    slope<MANY>(delta, true, w, d);
    multiply_weights<BRAIN, D, COLUMNS / 8, MANY>(d, keys, sum);
  }
  tn_wait_copies<0>();
  put_rows<BRAIN, D, MANY>(a.dq, place_of(a.dq, b, h, 0), own + lane / 4, a.length, a.dim, sum,
                           factor);
}

/* Queries [first, first + COLUMNS) of a head, and what arrived of them. */
template <int D>
__device__ static void fetch_queries(const attention &a, int b, int h, int64_t first, half_bits *to,
                                     float *numbers) {
  const int64_t head = ((int64_t)b * a.heads + h) * a.length;
  fetch<COLUMNS, D>(a.q, place_of(a.q, b, h, 0), first, a.length, a.dim, to);
  fetch<COLUMNS, D>(a.dy, place_of(a.dy, b, h, 0), first, a.length, a.width,
                    to + COLUMNS * (D + PAD));
  for (int c = threadIdx.x; c < COLUMNS; c += THREADS) {
    const bool there = first + c < a.length;
    numbers[c] = there ? static_cast<const float *>(a.lse)[head + first + c] : INFINITY;
    numbers[COLUMNS + c] = there ? static_cast<const float *>(a.delta)[head + first + c] : 0;
  }
}

/* Keys go down, queries across: p' dy and d' q are what products of the scores' registers give. */
template <bool BRAIN, bool MORE, int D, int MANY>
__global__ void __launch_bounds__(THREADS) keys_back_half(attention a) {
  const int ROWS = WARPS * 16 * MANY, TILE = COLUMNS * (D + PAD);
  TN_SHARED_BYTES(half_bits, keys);
  half_bits *values = keys + ROWS * (D + PAD), *columns = values + ROWS * (D + PAD);
  float *numbers = reinterpret_cast<float *>(columns + 4 * TILE);
  const unsigned tiles = (unsigned)((a.keys + ROWS - 1) / ROWS), task = blockIdx.x / tiles;
  const int64_t row = (int64_t)(blockIdx.x % tiles) * ROWS; /* the first ones take longest */
  const int group = (int)(task % a.groups), b = (int)(task / a.groups), each = a.heads / a.groups;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t own = row + warp * 16 * MANY, begin = a.causal ? row : 0;
  const int64_t steps = begin < a.length ? (a.length - begin + COLUMNS - 1) / COLUMNS : 0;
  const uint64_t seed = MORE ? (uint64_t)a.state[0] : 0, offset = MORE ? (uint64_t)a.state[1] : 0;
  float dk[MANY][D / 8][4], dv[MANY][D / 8][4];
  clear<MANY, D / 8>(dk);
  clear<MANY, D / 8>(dv);
  fetch<ROWS, D>(a.k, place_of(a.k, b, group, 0), row, a.keys, a.dim, keys);
  fetch<ROWS, D>(a.v, place_of(a.v, b, group, 0), row, a.keys, a.width, values);
  if (steps > 0) fetch_queries<D>(a, b, group * each, begin, columns, numbers);
  tn_close_copies();
  int turn = 0;
  for (int64_t step = 0; step < steps * each; step++, turn ^= 1) {
    const int h = group * each + (int)(step / steps);
    const int64_t first = begin + step % steps * COLUMNS;
    const score_place p = {b, h, own + lane / 4, first + lane % 4 * 2, false};
    const half_bits *queries = columns + turn * 2 * TILE, *arrived = queries + TILE;
    const float *own_numbers = numbers + turn * 2 * COLUMNS;
    float w[MANY][COLUMNS / 8][4], d[MANY][COLUMNS / 8][4], lse[COLUMNS / 4], delta[COLUMNS / 4];
    clear<MANY, COLUMNS / 8>(w);
    clear<MANY, COLUMNS / 8>(d);
    tn_wait_copies<0>();
    __syncthreads();
    if (step + 1 < steps * each) {
      fetch_queries<D>(a, b, group * each + (int)((step + 1) / steps),
                       begin + (step + 1) % steps * COLUMNS, columns + (turn ^ 1) * 2 * TILE,
                       numbers + (turn ^ 1) * 2 * COLUMNS);
    }
    tn_close_copies();
#pragma unroll
    for (int n = 0; n < COLUMNS / 4; n++) {
      const int c = n / 2 * 8 + lane % 4 * 2 + n % 2;
      lse[n] = own_numbers[c];
      delta[n] = own_numbers[COLUMNS + c];
    }
    multiply_rows<BRAIN, D, COLUMNS / 8, MANY>(keys + warp * 16 * MANY * (D + PAD), queries, w);
    const bool edge = MORE || a.scale <= 0 || first + COLUMNS > a.length ||
                      own + 16 * MANY > a.keys || (a.causal && first < own + 16 * MANY);
    const float scale = scale_scores<MORE, MANY, COLUMNS / 8>(a, p, edge, w);
    revive<MANY>(scale, lse, false, w);
    multiply_rows<BRAIN, D, COLUMNS / 8, MANY>(values + warp * 16 * MANY * (D + PAD), arrived, d);
    if (MORE && a.drops) drop<MANY, COLUMNS / 8>(a, p, seed, offset, d);
    slope<MANY>(delta, false, w, d);
    if (MORE && a.drops) drop<MANY, COLUMNS / 8>(a, p, seed, offset, w);
    multiply_weights<BRAIN, D, COLUMNS / 8, MANY>(w, arrived, dv);
    multiply_weights<BRAIN, D, COLUMNS / 8, MANY>(d, queries, dk);
  }
  tn_wait_copies<0>();
  float one[MANY][2], scale[MANY][2];
#pragma unroll
  for (int m = 0; m < MANY; m++) {
    one[m][0] = one[m][1] = 1;
    scale[m][0] = scale[m][1] = (float)a.scale;
  }
  const int64_t at = own + lane / 4;
  if (a.dk.data != nullptr)
    put_rows<BRAIN, D, MANY>(a.dk, place_of(a.dk, b, group, 0), at, a.keys, a.dim, dk, scale);
  if (a.dv.data != nullptr)
    put_rows<BRAIN, D, MANY>(a.dv, place_of(a.dv, b, group, 0), at, a.keys, a.width, dv, one);
}

/* -- The host's part --------------------------------------------------------------------------- */

/* Can rows be copied 16 bytes at a time? */
static bool suits(const attention_rows &m, int batch, int heads, int64_t rows, int64_t columns) {
  return (uintptr_t)m.data % 16 == 0 && (m.column == 1 || columns == 1) && columns % 8 == 0 &&
         (m.row % 8 == 0 || rows == 1) && (m.head % 8 == 0 || heads == 1) &&
         (m.batch % 8 == 0 || batch == 1);
}

static bool suits_call(const attention &a) {
  return a.dim > 0 && a.width > 0 && a.dim <= 128 && a.width <= 128 &&
         suits(a.q, a.batch, a.heads, a.length, a.dim) &&
         suits(a.k, a.batch, a.groups, a.keys, a.dim) &&
         suits(a.v, a.batch, a.groups, a.keys, a.width);
}

static uint64_t blocks_of(const attention &a, int64_t rows, int heads, int tile) {
  return (uint64_t)((rows + tile - 1) / tile) * (uint64_t)heads * (uint64_t)a.batch;
}

static size_t bytes_of(int rows, int d) { return (size_t)rows * (d + PAD) * sizeof(half_bits); }

template <bool BRAIN, bool MORE, int D> static tn_status run_forward(const attention &a) {
  const int rows = WARPS * 32;
  return tn_cuda_check(tn_launch(results_half<BRAIN, MORE, D>,
                                 blocks_of(a, a.length, a.heads, rows), THREADS,
                                 bytes_of(rows + 2 * KEYS, D), a));
}

template <bool BRAIN, bool MORE, int D> static tn_status run_backward(const attention &a) {
  const int MANY = D <= 64 ? 2 : 1; /* more would not fit into the registers */
  const int rows = WARPS * 32, key_rows = WARPS * 16 * MANY;
  cudaError_t e = cudaSuccess;
  if (a.dq.data != nullptr) {
    e = tn_launch(queries_back_half<BRAIN, MORE, D>, blocks_of(a, a.length, a.heads, rows), THREADS,
                  bytes_of(2 * rows + 4 * COLUMNS, D), a);
  }
  if (e == cudaSuccess && (a.dk.data != nullptr || a.dv.data != nullptr)) {
    e = tn_launch(keys_back_half<BRAIN, MORE, D, MANY>, blocks_of(a, a.keys, a.groups, key_rows),
                  THREADS, bytes_of(2 * key_rows + 4 * COLUMNS, D) + 4 * COLUMNS * sizeof(float),
                  a);
  }
  return tn_cuda_check(e);
}

#define FOR_SIZE(brain, more, run)                                                                \
  (size <= 32 ? run<brain, more, 32>(a)                                                           \
   : size <= 64 ? run<brain, more, 64>(a) : run<brain, more, 128>(a))
#define FOR_MORE(brain, run) (more ? FOR_SIZE(brain, true, run) : FOR_SIZE(brain, false, run))
#define FOR_TYPE(run) (a.q.dtype == TN_BF16 ? FOR_MORE(true, run) : FOR_MORE(false, run))

tn_status tn_cuda_attention_forward_half(const attention &a) {
  const int size = a.dim > a.width ? a.dim : a.width;
  const bool more = a.kind != NO_MASK || a.drops;
  return suits_call(a) ? FOR_TYPE(run_forward) : TN_DECLINED;
}

tn_status tn_cuda_attention_backward_half(const attention &a) {
  const int size = a.dim > a.width ? a.dim : a.width;
  const bool more = a.kind != NO_MASK || a.drops;
  if (!suits_call(a) || !suits(a.dy, a.batch, a.heads, a.length, a.width)) return TN_DECLINED;
  return FOR_TYPE(run_backward);
}
