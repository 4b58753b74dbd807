/* normalize_channels.cu -- batch normalisation: mean and variance of each channel of (r, channels,
 * i), and sums over channels for gradients. The elements of a channel are shared by several blocks;
 * what each has found lies in `parts` and is joined in a fixed order. */
#include "cuda/normalize.cuh"

enum { BLOCK = 256, WIDTH = 32, TURNS = BLOCK / WIDTH, MOST_PARTS = 64, FEW = 32 };

/* How the work is shared: lines of i elements, or, where those are short, columns of a matrix of r
 * rows. */
typedef struct {
  int64_t r, channels, i;
  int64_t columns; /* channels, or channels i */
  int64_t share;   /* of a part: elements of a channel, or rows */
  int parts;
  bool lines;
} channel_plan;

template <typename R> struct moments {
  R mean, apart, count;
};

/* Chan, Golub, LeVeque 1979. */
template <typename R>
__device__ inline moments<R> joined(const moments<R> &a, const moments<R> &b) {
  if (b.count == 0) return a;
  if (a.count == 0) return b;
  const R shift = b.mean - a.mean, share = b.count / (a.count + b.count);
  return {a.mean + shift * share, a.apart + b.apart + shift * shift * a.count * share,
          a.count + b.count};
}

/* Of all threads, at the first one. */
template <typename T, typename J> __device__ inline T join_block(T mine, int apart, J join) {
  __shared__ T all[BLOCK];
  all[threadIdx.x] = mine;
  __syncthreads();
  for (int half = BLOCK / 2; half >= apart; half /= 2) {
    if ((int)threadIdx.x < half) all[threadIdx.x] = join(all[threadIdx.x], all[threadIdx.x + half]);
    __syncthreads();
  }
  return all[threadIdx.x];
}

template <typename R> struct join_moments {
  __device__ moments<R> operator()(const moments<R> &a, const moments<R> &b) const {
    return joined(a, b);
  }
};

template <typename R> struct pair {
  R a, b;
};
template <typename R> struct join_pairs {
  __device__ pair<R> operator()(const pair<R> &x, const pair<R> &y) const {
    return {x.a + y.a, x.b + y.b};
  }
};

/* Element `at` of a channel: its offset in x; and its row. */
__device__ inline int64_t place_in(const channel_plan &c, int64_t channel, int64_t at,
                                   int64_t *row) {
  const int64_t r = (uint64_t)at < 0x80000000u ? (int64_t)((uint32_t)at / (uint32_t)c.i) : at / c.i;
  *row = r;
  return (r * c.channels + channel) * c.i + (at - r * c.i);
}

/* -- Mean and variance ----------------------------------------------------------------------------- */

template <typename E, int V>
__global__ void __launch_bounds__(BLOCK)
    line_moments(channel_plan c, const E *x, moments<typename real_of<E>::type> *parts) {
  typedef typename real_of<E>::type R;
  const int64_t channel = (int64_t)blockIdx.x % c.channels, part = (int64_t)blockIdx.x / c.channels;
  const int64_t all = c.r * c.i, begin = part * c.share;
  const int64_t end = begin + c.share < all ? begin + c.share : all;
  moments<R> mine = {0, 0, 0};
#pragma unroll 4
  for (int64_t at = begin + (int64_t)threadIdx.x * V; at < end; at += (int64_t)BLOCK * V) {
    int64_t row;
    const pack<E, V> p = load_pack<E, V>(x + place_in(c, channel, at, &row));
    R sum = 0, spread = 0;
#pragma unroll
    for (int e = 0; e < V; e++) sum += value_of(p.v[e]);
    const R m = sum / V;
#pragma unroll
    for (int e = 0; e < V; e++) spread += (value_of(p.v[e]) - m) * (value_of(p.v[e]) - m);
    const R shift = m - mine.mean, share = V / (mine.count + V);
    mine.mean += shift * share;
    mine.apart += spread + shift * shift * mine.count * share;
    mine.count += V;
  }
  mine = join_block(mine, 1, join_moments<R>());
  if (threadIdx.x == 0) parts[part * c.columns + channel] = mine;
}

template <typename E>
__global__ void __launch_bounds__(BLOCK)
    column_moments(channel_plan c, const E *x, moments<typename real_of<E>::type> *parts) {
  typedef typename real_of<E>::type R;
  const int64_t tiles = (c.columns + WIDTH - 1) / WIDTH, part = (int64_t)blockIdx.x / tiles;
  const int64_t column = (int64_t)blockIdx.x % tiles * WIDTH + threadIdx.x % WIDTH;
  const int64_t begin = part * c.share, end = begin + c.share < c.r ? begin + c.share : c.r;
  moments<R> mine = {0, 0, 0};
#pragma unroll 4
  for (int64_t row = begin + threadIdx.x / WIDTH; row < end && column < c.columns; row += TURNS) {
    const R shift = value_of(x[row * c.columns + column]) - mine.mean;
    mine.count += 1;
    const R step = shift / mine.count;
    mine.mean += step;
    mine.apart += shift * (shift - step);
  }
  mine = join_block(mine, WIDTH, join_moments<R>());
  if (threadIdx.x < WIDTH && column < c.columns) parts[part * c.columns + column] = mine;
}

/* What the elements of a channel are calculated with: y = (x - mean) k[0] + shift, or
 * dx = k[0] d + k[1] (x - mean) + k[2]. */
template <typename R> struct coefficients {
  R mean, k[3];
};

/* parts NULL: mean and variance are given. */
template <typename R>
__global__ void __launch_bounds__(BLOCK)
    finish_moments(channel_plan c, norm_job<R> j, const moments<R> *parts, coefficients<R> *to) {
  const int64_t channel = (int64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (channel >= c.channels) return;
  if (parts != nullptr) {
    const int64_t own = c.lines ? 1 : c.i;
    moments<R> all = {0, 0, 0};
    for (int part = 0; part < c.parts; part++) {
      for (int64_t k = 0; k < own; k++) {
        all = joined(all, parts[part * c.columns + channel * own + k]);
      }
    }
    j.mean[channel] = all.mean;
    j.var[channel] = all.apart / all.count;
  }
  coefficients<R> k = {j.mean[channel], {inverse_of(j, channel), 0, 0}};
  if (j.weight.data != nullptr) k.k[0] *= load<R>(j.weight.data, j.weight.dtype, channel);
  if (j.bias.data != nullptr) k.k[1] = load<R>(j.bias.data, j.bias.dtype, channel);
  to[channel] = k;
}

/* -- Sums for gradients ------------------------------------------------------------------------------ */

/* Whose mean and variance belong to an element: row_groups rows of x have one for each group of
 * channels, or, 0, each channel has its own. */
template <typename R>
__device__ inline int64_t statistic_of(const norm_job<R> &j, int64_t groups, int64_t row,
                                       int64_t channel) {
  return groups == 0 ? channel : row * groups + channel / j.q;
}

template <typename E, int V>
__global__ void __launch_bounds__(BLOCK)
    line_slopes(channel_plan c, norm_job<typename real_of<E>::type> j, int64_t groups, const E *x,
                const E *d, typename real_of<E>::type *parts) {
  typedef typename real_of<E>::type R;
  const int64_t channel = (int64_t)blockIdx.x % c.channels, part = (int64_t)blockIdx.x / c.channels;
  const int64_t all = c.r * c.i, begin = part * c.share;
  const int64_t end = begin + c.share < all ? begin + c.share : all;
  pair<R> mine = {0, 0};
#pragma unroll 4
  for (int64_t at = begin + (int64_t)threadIdx.x * V; at < end; at += (int64_t)BLOCK * V) {
    int64_t row;
    const int64_t place = place_in(c, channel, at, &row);
    const pack<E, V> a = load_pack<E, V>(x + place), b = load_pack<E, V>(d + place);
    const int64_t statistic = statistic_of(j, groups, row, channel);
    const R mean = j.mean[statistic], scale = groups == 0 ? (R)1 : inverse_of(j, statistic);
    R s0 = 0, s1 = 0;
#pragma unroll
    for (int e = 0; e < V; e++) {
      s0 += value_of(b.v[e]);
      s1 += value_of(b.v[e]) * (value_of(a.v[e]) - mean);
    }
    mine.a += s1 * scale;
    mine.b += s0;
  }
  mine = join_block(mine, 1, join_pairs<R>());
  if (threadIdx.x != 0) return;
  const R scale = groups == 0 ? inverse_of(j, channel) : (R)1;
  parts[part * 2 * c.columns + channel] = mine.a * scale;
  parts[(part * 2 + 1) * c.columns + channel] = mine.b;
}

template <typename E>
__global__ void __launch_bounds__(BLOCK)
    column_slopes(channel_plan c, norm_job<typename real_of<E>::type> j, int64_t groups,
                  const E *x, const E *d, typename real_of<E>::type *parts) {
  typedef typename real_of<E>::type R;
  const int64_t tiles = (c.columns + WIDTH - 1) / WIDTH, part = (int64_t)blockIdx.x / tiles;
  const int64_t column = (int64_t)blockIdx.x % tiles * WIDTH + threadIdx.x % WIDTH;
  const int64_t begin = part * c.share, end = begin + c.share < c.r ? begin + c.share : c.r;
  const int64_t channel = column / c.i;
  const bool real = column < c.columns;
  R mean = real && groups == 0 ? j.mean[channel] : (R)0;
  R scale = real && groups == 0 ? inverse_of(j, channel) : (R)0;
  pair<R> mine = {0, 0};
#pragma unroll 4
  for (int64_t row = begin + threadIdx.x / WIDTH; row < end && real; row += TURNS) {
    if (groups != 0) {
      const int64_t statistic = statistic_of(j, groups, row, channel);
      mean = j.mean[statistic];
      scale = inverse_of(j, statistic);
    }
    const R slope = value_of(d[row * c.columns + column]);
    mine.a += slope * (value_of(x[row * c.columns + column]) - mean) * scale;
    mine.b += slope;
  }
  mine = join_block(mine, WIDTH, join_pairs<R>());
  if (threadIdx.x >= WIDTH || !real) return;
  parts[part * 2 * c.columns + column] = mine.a;
  parts[(part * 2 + 1) * c.columns + column] = mine.b;
}

/* coefficients `to`, unless NULL, and the gradients of weight and bias. */
template <typename R>
__global__ void __launch_bounds__(BLOCK)
    finish_slopes(channel_plan c, norm_job<R> j, bool given, const R *parts, affine_slopes slopes,
                  coefficients<R> *to) {
  const int64_t channel = (int64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (channel >= c.channels) return;
  const int64_t own = c.lines ? 1 : c.i;
  R s1 = 0, s0 = 0; /* of d x' and d */
  for (int part = 0; part < c.parts; part++) {
    for (int64_t k = 0; k < own; k++) {
      s1 += parts[part * 2 * c.columns + channel * own + k];
      s0 += parts[(part * 2 + 1) * c.columns + channel * own + k];
    }
  }
  if (slopes.dw != nullptr) store<R>(slopes.dw, slopes.dw_dtype, channel, s1);
  if (slopes.db != nullptr) store<R>(slopes.db, slopes.db_dtype, channel, s0);
  if (to == nullptr) return;
  const R scale = inverse_of(j, channel), n = (R)c.r * (R)c.i;
  const R w = j.weight.data != nullptr ? load<R>(j.weight.data, j.weight.dtype, channel) : (R)1;
  to[channel] = {j.mean[channel],
                 {scale * w, given ? (R)0 : -scale * scale * s1 / n * w,
                  given ? (R)0 : -scale * s0 / n * w}};
}

/* -- Each element ------------------------------------------------------------------------------------- */

/* `by_line`, `by_channels`: division by i and by the number of channels; wide: positions take more
 * than 31 bits. */
typedef struct {
  uint64_t count;
  int64_t i, channels;
  tn_divider by_line, by_channels;
  bool wide;
} element_plan;

__device__ inline int64_t channel_of(const element_plan &p, uint64_t at) {
  if (p.wide) return (int64_t)(at / (uint64_t)p.i % (uint64_t)p.channels);
  const uint32_t line = tn_divide((uint32_t)at, p.by_line);
  return line - tn_divide(line, p.by_channels) * (uint32_t)p.channels;
}

/* d NULL: the result itself. */
template <typename E, int V, bool BACK>
__global__ void __launch_bounds__(BLOCK)
    each_element(element_plan p, const coefficients<typename real_of<E>::type> *of, E *out,
                 const E *x, const E *d) {
  typedef typename real_of<E>::type R;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK * V;
#pragma unroll 2
  for (uint64_t at = ((uint64_t)blockIdx.x * BLOCK + threadIdx.x) * V; at < p.count; at += step) {
    pack<E, V> a = load_pack<E, V>(x + at), b = a;
    if (BACK) b = load_pack<E, V>(d + at);
    const int64_t channel = channel_of(p, at);
    coefficients<R> k = of[channel];
#pragma unroll
    for (int e = 0; e < V; e++) {
      if (V > 1 && e > 0 && p.i == 1) k = of[channel + e];
      const R c = value_of(a.v[e]) - k.mean;
      if (BACK) put_value(a.v[e], k.k[0] * value_of(b.v[e]) + k.k[1] * c + k.k[2]);
      else put_value(a.v[e], c * k.k[0] + k.k[1]);
    }
    store_pack<E, V>(out + at, a);
  }
}

/* -- Calls -------------------------------------------------------------------------------------------- */

static channel_plan plan_of(int device, int64_t r, int64_t channels, int64_t i, int V) {
  channel_plan c = {r, channels, i, 0, 0, 1, i >= FEW};
  const int64_t blocks = tn_cuda_blocks(device, (uint64_t)1 << 40, BLOCK) / 2;
  c.columns = c.lines ? channels : channels * i;
  const int64_t work = c.lines ? r * i : r; /* of a channel, or of a column */
  const int64_t side = c.lines ? channels : (c.columns + WIDTH - 1) / WIDTH;
  const int64_t least = c.lines ? (int64_t)BLOCK * V * 4 : TURNS * 8;
  int64_t parts = blocks / side, most = (work + least - 1) / least;
  if (parts > most) parts = most;
  if (parts > MOST_PARTS) parts = MOST_PARTS;
  if (parts < 1) parts = 1;
  c.share = (work + parts - 1) / parts;
  c.share = (c.share + V - 1) / V * V;
  c.parts = (int)((work + c.share - 1) / c.share);
  return c;
}

static uint64_t blocks_of(const channel_plan &c) {
  const int64_t side = c.lines ? c.channels : (c.columns + WIDTH - 1) / WIDTH;
  return (uint64_t)(side * c.parts);
}

static uint64_t finish_blocks(const channel_plan &c) {
  return (uint64_t)((c.channels + BLOCK - 1) / BLOCK);
}

/* Do the packs of a line, or of neighbouring channels, fit? */
template <typename E>
static bool fits(int64_t channels, int64_t i, const E *a, const E *b, const E *c) {
  const int64_t bytes = (i == 1 ? channels : i) * (int64_t)sizeof(E);
  return packs_fit(a, bytes) && packs_fit(b, bytes) && packs_fit(c, bytes);
}

template <typename E, int V, bool BACK>
static tn_status run_elements(int device, const norm_job<typename real_of<E>::type> &j,
                              const coefficients<typename real_of<E>::type> *k, E *out, const E *x,
                              const E *d) {
  element_plan p;
  p.count = (uint64_t)(j.r * j.q * j.i);
  p.i = j.i;
  p.channels = j.q;
  p.wide = p.count >= (uint64_t)1 << 31;
  p.by_line = tn_divider_of(p.wide ? 1 : (uint32_t)j.i);
  p.by_channels = tn_divider_of(p.wide ? 1 : (uint32_t)j.q);
  const int blocks = tn_cuda_blocks(device, (p.count + V - 1) / V, BLOCK);
  return tn_cuda_check(tn_launch(each_element<E, V, BACK>, blocks, BLOCK, 0, p, k, out, x, d));
}

template <typename E>
tn_status normalize_channels(int device, const norm_job<typename real_of<E>::type> &j, bool given,
                             E *y, const E *x) {
  typedef typename real_of<E>::type R;
  enum { V = 16 / sizeof(E) };
  const bool wide = fits<E>(j.q, j.i, x, y, y);
  const channel_plan c = plan_of(device, j.r, j.q, j.i, wide ? V : 1);
  const workspace parts(device, given ? 0 : sizeof(moments<R>) * (size_t)(c.parts * c.columns));
  const workspace k(device, sizeof(coefficients<R>) * (size_t)j.q);
  moments<R> *const found = given ? nullptr : parts.as<moments<R>>();
  if (parts.status != TN_OK) return parts.status;
  if (k.status != TN_OK) return k.status;
  tn_status s = TN_OK;
  if (!given && c.lines) {
    s = tn_cuda_check(tn_launch(wide ? line_moments<E, V> : line_moments<E, 1>, blocks_of(c), BLOCK,
                                0, c, x, found));
  } else if (!given) {
    s = tn_cuda_check(tn_launch(column_moments<E>, blocks_of(c), BLOCK, 0, c, x, found));
  }
  if (s == TN_OK) {
    s = tn_cuda_check(tn_launch(finish_moments<R>, finish_blocks(c), BLOCK, 0, c, j, found,
                                k.as<coefficients<R>>()));
  }
  if (s != TN_OK) return s;
  const E *none = nullptr;
  return wide ? run_elements<E, V, false>(device, j, k.as<coefficients<R>>(), y, x, none)
              : run_elements<E, 1, false>(device, j, k.as<coefficients<R>>(), y, x, none);
}

template <typename E>
static tn_status sum_slopes(const channel_plan &c, const norm_job<typename real_of<E>::type> &j,
                            int64_t groups, bool wide, const E *x, const E *d,
                            typename real_of<E>::type *parts) {
  enum { V = 16 / sizeof(E) };
  if (!c.lines) {
    return tn_cuda_check(tn_launch(column_slopes<E>, blocks_of(c), BLOCK, 0, c, j, groups, x, d,
                                   parts));
  }
  return tn_cuda_check(tn_launch(wide ? line_slopes<E, V> : line_slopes<E, 1>, blocks_of(c), BLOCK,
                                 0, c, j, groups, x, d, parts));
}

template <typename E>
tn_status normalize_channels_back(int device, const norm_job<typename real_of<E>::type> &j,
                                  bool given, E *dx, const E *x, const E *d,
                                  const affine_slopes &to) {
  typedef typename real_of<E>::type R;
  enum { V = 16 / sizeof(E) };
  const bool wide = fits<E>(j.q, j.i, x, d, dx != nullptr ? dx : x);
  const channel_plan c = plan_of(device, j.r, j.q, j.i, wide ? V : 1);
  const workspace parts(device, sizeof(R) * 2 * (size_t)(c.parts * c.columns));
  const workspace k(device, sizeof(coefficients<R>) * (size_t)j.q);
  if (parts.status != TN_OK) return parts.status;
  if (k.status != TN_OK) return k.status;
  coefficients<R> *const of = dx != nullptr ? k.as<coefficients<R>>() : nullptr;
  tn_status s = sum_slopes<E>(c, j, 0, wide, x, d, parts.as<R>());
  if (s == TN_OK) {
    s = tn_cuda_check(tn_launch(finish_slopes<R>, finish_blocks(c), BLOCK, 0, c, j, given,
                                static_cast<const R *>(parts.as<R>()), to, of));
  }
  if (s != TN_OK || dx == nullptr) return s;
  return wide ? run_elements<E, V, true>(device, j, of, dx, x, d)
              : run_elements<E, 1, true>(device, j, of, dx, x, d);
}

template <typename E>
tn_status affine_gradients(int device, const norm_job<typename real_of<E>::type> &j, const E *x,
                           const E *d, const affine_slopes &to) {
  typedef typename real_of<E>::type R;
  enum { V = 16 / sizeof(E) };
  const bool wide = fits<E>(j.p * j.q, j.i, x, d, x);
  const channel_plan c = plan_of(device, j.r, j.p * j.q, j.i, wide ? V : 1);
  const workspace parts(device, sizeof(R) * 2 * (size_t)(c.parts * c.columns));
  if (parts.status != TN_OK) return parts.status;
  tn_status s = sum_slopes<E>(c, j, j.p, wide, x, d, parts.as<R>());
  if (s != TN_OK) return s;
  return tn_cuda_check(tn_launch(finish_slopes<R>, finish_blocks(c), BLOCK, 0, c, j, true,
                                 static_cast<const R *>(parts.as<R>()), to,
                                 static_cast<coefficients<R> *>(nullptr)));
}

#define INSTANCES(E, R)                                                                           \
  template tn_status normalize_channels<E>(int, const norm_job<R> &, bool, E *, const E *);       \
  template tn_status normalize_channels_back<E>(int, const norm_job<R> &, bool, E *, const E *,   \
                                                const E *, const affine_slopes &);                \
  template tn_status affine_gradients<E>(int, const norm_job<R> &, const E *, const E *,          \
                                         const affine_slopes &);
INSTANCES(float, float)
INSTANCES(double, double)
INSTANCES(__half, float)
INSTANCES(__nv_bfloat16, float)
