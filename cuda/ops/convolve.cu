/* convolve.cu -- the three products of convolutions (tensor/ops/convolve.c says what they are): by
 * cuDNN where it can be had, else by kernels of our own, for every dtype and any strides.
 *
 * Of these each is a matrix product whose second factor is made of windows as it is read: no matrix
 * of columns lies in memory. A block of threads makes 64 x 64 elements of the result from tiles in
 * shared memory. Where a group has few channels, as in depthwise convolutions, one thread makes one
 * element. All sums have one order. */
#include <cstdlib>

#include "cuda/image.cuh"
#include "cuda/lib/dnn.h"
#include "cuda/packs.cuh"

namespace {

enum { BLOCK = 256, TILE = 64, DEPTH = 16, EACH = TILE / 16 };
enum { FEW = 8 };           /* rows that are not worth a tile */
enum { WANTED_BLOCKS = 528 }; /* of a product that can be parted; on any device, for equal sums */

struct geometry {
  int groups, from, to; /* channels of a group on the large and the small side */
  int stride[SPACE], pad[SPACE], dilation[SPACE];
  places in, out, kernel;
  uint32_t images; /* of this launch */
  int64_t first;   /* of them */
  image x, y;
  const void *w; /* contiguous */
  int32_t w_dtype;
  const void *bias;
  int64_t bias_step;
};

/* Of a product: rows of the result, elements that are summed up, and columns. `column` is what a
 * thread knows of its column. */
template <typename T> struct forward {
  struct column {
    int64_t at, to;
    int origin[SPACE];
    bool inside;
  };
  geometry g;
  __host__ __device__ uint32_t rows() const { return (uint32_t)g.to; }
  __host__ __device__ uint32_t depth() const { return (uint32_t)g.from * g.kernel.count; }
  __host__ __device__ uint32_t columns() const { return g.images * g.out.count; }

  __device__ column column_of(int group, uint32_t n) const {
    column c;
    int at[SPACE];
    c.inside = n < columns();
    const int64_t batch = g.first + split_place(g.out, c.inside ? n : 0, at);
    c.at = batch * g.x.step[0] + (int64_t)group * g.from * g.x.step[1];
    c.to = batch * g.y.step[0] + (int64_t)group * g.to * g.y.step[1];
    for (int d = 0; d < SPACE; d++) {
      c.origin[d] = at[d] * g.stride[d] - g.pad[d];
      c.to += at[d] * g.y.step[2 + d];
    }
    return c;
  }
  __device__ T a(int group, uint32_t m, uint32_t k) const {
    return load<T>(g.w, g.w_dtype, ((int64_t)group * g.to + m) * depth() + k);
  }
  __device__ T b(const column &c, uint32_t k) const {
    int place[SPACE];
    const uint32_t channel = split_place(g.kernel, k, place);
    int64_t at = c.at + channel * g.x.step[1];
    bool inside = c.inside;
#pragma unroll
    for (int d = 0; d < SPACE; d++) {
      const int64_t i = c.origin[d] + (int64_t)place[d] * g.dilation[d];
      inside = inside && i >= 0 && i < g.in.size[d];
      at += i * g.x.step[2 + d];
    }
    return inside ? load<T>(g.x.data, g.x.dtype, at) : T(0);
  }
  __device__ void put(const column &c, int group, uint32_t m, uint32_t, T v) const {
    if (g.bias != nullptr) {
      v += load<T>(g.bias, g.y.dtype, ((int64_t)group * g.to + m) * g.bias_step);
    }
    store<T>(g.y.data, g.y.dtype, c.to + m * g.y.step[1], v);
  }
};

template <typename T> struct backward {
  struct column {
    int64_t at, to;
    int origin[SPACE];
    bool inside;
  };
  geometry g;
  __host__ __device__ uint32_t rows() const { return (uint32_t)g.from; }
  __host__ __device__ uint32_t depth() const { return (uint32_t)g.to * g.kernel.count; }
  __host__ __device__ uint32_t columns() const { return g.images * g.in.count; }

  __device__ column column_of(int group, uint32_t n) const {
    column c;
    int at[SPACE];
    c.inside = n < columns();
    const int64_t batch = g.first + split_place(g.in, c.inside ? n : 0, at);
    c.at = batch * g.y.step[0] + (int64_t)group * g.to * g.y.step[1];
    c.to = batch * g.x.step[0] + (int64_t)group * g.from * g.x.step[1];
    for (int d = 0; d < SPACE; d++) {
      c.origin[d] = at[d] + g.pad[d];
      c.to += at[d] * g.x.step[2 + d];
    }
    return c;
  }
  /* k counts (channel of the small side, place); the weight has that of the large one between. */
  __device__ T a(int group, uint32_t m, uint32_t k) const {
    int place[SPACE];
    const uint32_t channel = split_place(g.kernel, k, place), at = k - channel * g.kernel.count;
    const int64_t row = ((int64_t)group * g.to + channel) * g.from + m;
    return load<T>(g.w, g.w_dtype, row * g.kernel.count + at);
  }
  __device__ T b(const column &c, uint32_t k) const {
    int place[SPACE];
    const uint32_t channel = split_place(g.kernel, k, place);
    int64_t at = c.at + channel * g.y.step[1];
    bool inside = c.inside;
#pragma unroll
    for (int d = 0; d < SPACE; d++) {
      const int64_t t = c.origin[d] - (int64_t)place[d] * g.dilation[d];
      if (t < 0 || t >= (int64_t)1 << 31) {
        inside = false;
        continue;
      }
      const uint32_t o = (uint32_t)t / (uint32_t)g.stride[d];
      inside = inside && o * (uint32_t)g.stride[d] == (uint32_t)t && o < g.out.size[d];
      at += o * g.y.step[2 + d];
    }
    return inside ? load<T>(g.y.data, g.y.dtype, at) : T(0);
  }
  __device__ void put(const column &c, int, uint32_t m, uint32_t, T v) const {
    store<T>(g.x.data, g.x.dtype, c.to + m * g.x.step[1], v);
  }
};

/* The sum over the images of a part; parts lie behind each other. */
template <typename T> struct of_weight {
  struct column {
    int64_t at;
    int place[SPACE];
    bool inside;
  };
  geometry g;
  void *to;
  int32_t dtype;
  uint32_t part; /* images of one */
  int64_t size;  /* elements of one in `to` */
  __host__ __device__ uint32_t rows() const { return (uint32_t)g.to; }
  __host__ __device__ uint32_t depth() const { return g.images * g.out.count; }
  __host__ __device__ uint32_t columns() const { return (uint32_t)g.from * g.kernel.count; }

  __device__ column column_of(int group, uint32_t n) const {
    column c;
    c.inside = n < columns();
    const uint32_t channel = split_place(g.kernel, c.inside ? n : 0, c.place);
    c.at = ((int64_t)group * g.from + channel) * g.x.step[1];
    return c;
  }
  __device__ T a(int group, uint32_t m, uint32_t k) const {
    int o[SPACE];
    const int64_t batch = split_place(g.out, k, o);
    int64_t at = batch * g.y.step[0] + ((int64_t)group * g.to + m) * g.y.step[1];
#pragma unroll
    for (int d = 0; d < SPACE; d++) at += o[d] * g.y.step[2 + d];
    return load<T>(g.y.data, g.y.dtype, at);
  }
  __device__ T b(const column &c, uint32_t k) const {
    int o[SPACE];
    const int64_t batch = split_place(g.out, k, o);
    int64_t at = c.at + batch * g.x.step[0];
    bool inside = c.inside;
#pragma unroll
    for (int d = 0; d < SPACE; d++) {
      const int64_t first = (int64_t)o[d] * g.stride[d] - g.pad[d];
      const int64_t i = first + (int64_t)c.place[d] * g.dilation[d];
      inside = inside && i >= 0 && i < g.in.size[d];
      at += i * g.x.step[2 + d];
    }
    return inside ? load<T>(g.x.data, g.x.dtype, at) : T(0);
  }
  __device__ void put(const column &, int group, uint32_t m, uint32_t n, T v) const {
    store<T>(to, dtype, ((int64_t)group * g.to + m) * columns() + n, v);
  }
};

/* Blocks are counted by tile of rows, tile of columns, group, part. */
template <typename T, class P>
__global__ void __launch_bounds__(BLOCK) multiply(P p, uint32_t row_tiles, uint32_t column_tiles,
                                                  uint32_t part) {
  __shared__ T left[DEPTH][TILE + 1], right[DEPTH][TILE];
  uint32_t block = blockIdx.x;
  const uint32_t m0 = block % row_tiles * TILE;
  block /= row_tiles;
  const uint32_t n0 = block % column_tiles * TILE;
  block /= column_tiles;
  const int group = (int)(block % (uint32_t)p.g.groups);
  block /= (uint32_t)p.g.groups; /* the part */
  const uint32_t first = block * part;
  uint32_t last = first + part;
  if (last > p.depth()) last = p.depth();
  const uint32_t a_k = threadIdx.x % DEPTH, a_m = threadIdx.x / DEPTH;
  const uint32_t b_n = threadIdx.x % TILE, b_k = threadIdx.x / TILE;
  const uint32_t tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  const typename P::column mine = p.column_of(group, n0 + b_n);
  T sum[EACH][EACH];
#pragma unroll
  for (int i = 0; i < EACH; i++) {
#pragma unroll
    for (int j = 0; j < EACH; j++) sum[i][j] = 0;
  }
#pragma unroll 1
  for (uint32_t k0 = first; k0 < last; k0 += DEPTH) {
#pragma unroll
    for (uint32_t m = a_m; m < TILE; m += BLOCK / DEPTH) {
      const bool inside = m0 + m < p.rows() && k0 + a_k < last;
      left[a_k][m] = inside ? p.a(group, m0 + m, k0 + a_k) : T(0);
    }
#pragma unroll
    for (uint32_t k = b_k; k < DEPTH; k += BLOCK / TILE) {
      right[k][b_n] = k0 + k < last ? p.b(mine, k0 + k) : T(0);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      T x[EACH], y[EACH];
#pragma unroll
      for (int i = 0; i < EACH; i++) x[i] = left[k][ty + 16 * i];
#pragma unroll
      for (int j = 0; j < EACH; j++) y[j] = right[k][tx + 16 * j];
#pragma unroll
      for (int i = 0; i < EACH; i++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) sum[i][j] += x[i] * y[j];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    const uint32_t n = n0 + tx + 16 * (uint32_t)j;
    if (n >= p.columns()) continue;
    const typename P::column c = p.column_of(group, n);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const uint32_t m = m0 + ty + 16 * (uint32_t)i;
      if (m < p.rows()) p.put(c, group + (int)block * p.g.groups, m, n, sum[i][j]);
    }
  }
}

/* One thread for each element of the result. */
template <typename T, class P>
__global__ void __launch_bounds__(BLOCK) direct(P p, uint64_t count) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    const uint64_t row = i / p.columns();
    const uint32_t n = (uint32_t)(i - row * p.columns());
    const int group = (int)(row / p.rows());
    const uint32_t m = (uint32_t)(row - (uint64_t)group * p.rows());
    const typename P::column c = p.column_of(group, n);
    T sum = 0;
    for (uint32_t k = 0; k < p.depth(); k++) sum += p.a(group, m, k) * p.b(c, k);
    p.put(c, group, m, n, sum);
  }
}

/* One block for each element of the result: long sums, few of them. */
template <typename T, class P> __global__ void __launch_bounds__(BLOCK) summed(P p) {
  __shared__ T sums[BLOCK];
  uint32_t block = blockIdx.x;
  const uint32_t n = block % p.columns();
  block /= p.columns();
  const uint32_t m = block % p.rows();
  const int group = (int)(block / p.rows());
  const typename P::column c = p.column_of(group, n);
  T sum = 0;
  for (uint32_t k = threadIdx.x; k < p.depth(); k += BLOCK) sum += p.a(group, m, k) * p.b(c, k);
  sums[threadIdx.x] = sum;
  for (uint32_t by = BLOCK / 2; by > 0; by /= 2) {
    __syncthreads();
    if (threadIdx.x < by) sums[threadIdx.x] += sums[threadIdx.x + by];
  }
  if (threadIdx.x == 0) p.put(c, group, m, n, sums[0]);
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) add_parts(uint64_t count, uint32_t parts, const T *from,
                                                   void *to, int32_t dtype) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    T sum = 0;
    for (uint32_t k = 0; k < parts; k++) sum += from[k * count + i];
    store<T>(to, dtype, (int64_t)i, sum);
  }
}

/* -- Calls ------------------------------------------------------------------------------------- */

enum { LARGE, SMALL, KERNEL };

struct job {
  geometry g;
  image weight;
  int64_t batch;
  void *copies[3];
};

static tn_status look(tn_kernel_call *call, int result, job *j) {
  const tn_view *side[3];
  const int space = call->out[0].ndim - 2;
  const tn_attrs *a = call->attrs;
  geometry *g = &j->g;
  memset(j, 0, sizeof *j);
  side[result] = &call->out[0];
  side[result == LARGE ? SMALL : LARGE] = &call->in[0];
  side[result == KERNEL ? SMALL : KERNEL] = &call->in[1];
  tn_status s = images(call, *side[LARGE], space, &g->x, &j->copies[0]);
  if (s == TN_OK) s = images(call, *side[SMALL], space, &g->y, &j->copies[1]);
  if (s != TN_OK) return s;
  tn_view w = *side[KERNEL];
  if (result != KERNEL) s = packed(call, *side[KERNEL], &w, &j->copies[2]);
  if (s != TN_OK) return s;
  image_of(w, space, &j->weight);
  const image &kernel = j->weight;
  g->w = w.data;
  g->w_dtype = w.dtype;
  g->groups = a->ni > 12 ? (int)a->i[12] : 1;
  g->from = (int)(g->x.size[1] / g->groups);
  g->to = (int)(g->y.size[1] / g->groups);
  for (int d = 0; d < SPACE; d++) {
    g->stride[d] = (int)a->i[3 + d];
    g->pad[d] = (int)a->i[6 + d];
    g->dilation[d] = (int)a->i[9 + d];
  }
  double cells[3] = {1, 1, 1};
  for (int d = 0; d < SPACE; d++) {
    cells[LARGE] *= (double)g->x.size[2 + d];
    cells[SMALL] *= (double)g->y.size[2 + d];
    cells[KERNEL] *= (double)kernel.size[2 + d];
  }
  const double most = 0x7fffffff, wide = g->from > g->to ? g->from : g->to;
  if (cells[LARGE] > most || cells[SMALL] > most || cells[KERNEL] * wide > most) return TN_DECLINED;
  g->in = places_of(g->x.size + 2);
  g->out = places_of(g->y.size + 2);
  g->kernel = places_of(kernel.size + 2);
  j->batch = g->x.size[0];
  return TN_OK;
}

static tn_status finish(tn_kernel_call *call, job *j, tn_status s) {
  for (int k = 0; k < 3; k++) {
    if (j->copies[k] != nullptr) tn_cuda_free(call->device, j->copies[k]);
  }
  return s;
}

static uint32_t tiles(uint64_t n) { return (uint32_t)((n + TILE - 1) / TILE); }

/* The images of one launch, so that its columns can be counted. */
static int64_t images_at_once(int64_t batch, uint32_t cells) {
  const int64_t most = 0x7fffffff / (int64_t)(cells > 0 ? cells : 1);
  return batch < most ? batch : most;
}

template <typename T, class P>
static tn_status by_columns(tn_kernel_call *call, job *j, uint32_t cells) {
  const int64_t at_once = images_at_once(j->batch, cells);
  P p;
  p.g = j->g;
  cudaError_t error = cudaSuccess;
  for (int64_t first = 0; first < j->batch && error == cudaSuccess; first += at_once) {
    p.g.first = first;
    p.g.images = (uint32_t)(j->batch - first < at_once ? j->batch - first : at_once);
    if (p.columns() == 0 || p.rows() == 0) break;
    const uint64_t count = (uint64_t)p.g.groups * p.rows() * p.columns();
    const uint64_t blocks = (uint64_t)tiles(p.rows()) * tiles(p.columns()) * (uint64_t)p.g.groups;
    if (p.rows() < FEW || blocks > 0x7fffffff) {
      error = tn_launch(direct<T, P>, tn_cuda_blocks(call->device, count, BLOCK), BLOCK, 0, p,
                        count);
    } else {
      error = tn_launch(multiply<T, P>, blocks, BLOCK, 0, p, tiles(p.rows()), tiles(p.columns()),
                        p.depth() > 0 ? p.depth() : 1);
    }
  }
  return tn_cuda_check(error);
}

/* The batch is parted so that there are enough blocks, and each part can be counted. */
template <typename T> static tn_status by_parts(tn_kernel_call *call, job *j) {
  const tn_view &out = call->out[0];
  of_weight<T> p;
  p.g = j->g;
  p.g.images = (uint32_t)j->batch;
  const uint64_t size = (uint64_t)p.g.groups * p.rows() * p.columns();
  const uint64_t blocks = (uint64_t)tiles(p.rows()) * tiles(p.columns()) * (uint64_t)p.g.groups;
  if (size == 0) return TN_OK;
  if ((double)j->batch * p.g.out.count > 0x7fffffff || blocks > 0x7fffffff / WANTED_BLOCKS) {
    return TN_DECLINED;
  }
  p.to = out.data;
  p.dtype = out.dtype;
  if ((p.rows() < FEW || p.columns() < 2 * FEW) && size < 1 << 20) {
    return tn_cuda_check(tn_launch(summed<T, of_weight<T>>, size, BLOCK, 0, p));
  }
  uint32_t parts = (uint32_t)(WANTED_BLOCKS / blocks);
  const uint32_t most = p.depth() / (16 * DEPTH);
  if (parts > most) parts = most;
  if (parts < 1) parts = 1;
  uint32_t part = (p.depth() + parts - 1) / parts;
  if (part < 1) part = 1;
  parts = p.depth() > 0 ? (p.depth() + part - 1) / part : 1;
  void *sums = nullptr;
  if (parts > 1) {
    tn_status s = tn_cuda_alloc(call->device, (size_t)size * parts * sizeof(T), &sums);
    if (s != TN_OK) return s;
    p.to = sums;
    p.dtype = dtype_of<T>::value;
  }
  cudaError_t error = tn_launch(multiply<T, of_weight<T>>, blocks * parts, BLOCK, 0, p,
                                tiles(p.rows()), tiles(p.columns()), part);
  if (error == cudaSuccess && parts > 1) {
    error = tn_launch(add_parts<T>, tn_cuda_blocks(call->device, size, BLOCK), BLOCK, 0, size,
                      parts, static_cast<const T *>(sums), out.data, out.dtype);
  }
  if (sums != nullptr) tn_cuda_free(call->device, sums);
  return tn_cuda_check(error);
}

template <typename T> static tn_status run(tn_kernel_call *call, int result, job *j) {
  if (result == SMALL) return by_columns<T, forward<T>>(call, j, j->g.out.count);
  if (result == LARGE) return by_columns<T, backward<T>>(call, j, j->g.in.count);
  return by_parts<T>(call, j);
}

/* -- By cuDNN ---------------------------------------------------------------------------------- */

/* Strides of an image without gaps, with the channels of a pixel beside each other or not. */
static void dense(const int64_t *size, bool pixels, int64_t *step) {
  int64_t next = 1;
  if (pixels) step[1] = next, next *= size[1];
  for (int d = IMAGE - 1; d >= 2; d--) step[d] = next, next *= size[d];
  if (!pixels) step[1] = next, next *= size[1];
  step[0] = next;
}

static bool lies_so(const image &m, const int64_t *step) {
  for (int d = 0; d < IMAGE; d++) {
    if (m.size[d] != 1 && m.step[d] != step[d]) return false;
  }
  return true;
}

static tn_view view_of(const image &m, void *data, const int64_t *step) {
  tn_view v;
  memset(&v, 0, sizeof v);
  v.data = data;
  v.dtype = m.dtype;
  v.ndim = IMAGE;
  for (int d = 0; d < IMAGE; d++) {
    v.sizes[d] = m.size[d];
    v.strides[d] = step[d];
  }
  return v;
}

static tn_status move(tn_kernel_call *call, const tn_view &from, tn_view to) {
  tn_kernel_call copy = *call;
  copy.nin = copy.nout = 1;
  copy.in = &from;
  copy.out = &to;
  return tn_cuda_move(&copy);
}

static int64_t elements(const image &m) {
  int64_t count = 1;
  for (int d = 0; d < IMAGE; d++) count *= m.size[d];
  return count;
}

/* What stands behind the image, so that there are so many positions; less than 0: that cannot
 * be. */
static int64_t padding_behind(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                              int64_t dilation) {
  const int64_t reach = (kernel - 1) * dilation + 1, exact = (out - 1) * stride + reach - in - pad;
  const int64_t choices[3] = {pad, exact, 0};
  for (int k = 0; k < 3; k++) {
    const int64_t room = in + pad + choices[k] - reach;
    if (choices[k] >= 0 && room >= 0 && room / stride + 1 == out) return choices[k];
  }
  return -1;
}

/* cuDNN finds its three tensors all with their channels last, or all with them first: what lies
 * otherwise goes there, or comes from there, by a copy. */
struct by_library {
  tn_dnn_conv c;
  image *side[3];
  int64_t *size[3], *step[3];
  void *memory[3], *copies[3];
};

static bool describe(tn_kernel_call *call, const job &j, int result, by_library *l) {
  const geometry &g = j.g;
  tn_dnn_conv *c = &l->c;
  bool pixels = false;
  c->result = result;
  c->dtype = call->in[0].dtype;
  c->space = call->out[0].ndim - 2 < 2 ? 2 : call->out[0].ndim - 2;
  if (call->tf32) c->flags |= TN_DNN_MAY_ROUND;
  if (call->cudnn & TN_CUDNN_BENCHMARK) c->flags |= TN_DNN_BENCHMARK;
  if (call->cudnn & TN_CUDNN_DETERMINISTIC || c->dtype == TN_F64) c->flags |= TN_DNN_SAME_SUMS;
  for (int d = 0; d < SPACE; d++) {
    c->stride[d] = g.stride[d];
    c->pad[d] = g.pad[d];
    c->dilation[d] = g.dilation[d];
    c->behind[d] = padding_behind(g.in.size[d], g.out.size[d], g.kernel.size[d], g.stride[d],
                                  g.pad[d], g.dilation[d]);
    if (c->behind[d] < 0) return false;
  }
  for (int k = 0; k < 3; k++) {
    const image &m = *l->side[k];
    if (elements(m) == 0) return false;
    if (k != TN_DNN_WEIGHT && k != result && m.size[1] > 1 && m.step[1] == 1) {
      int64_t step[IMAGE];
      dense(m.size, true, step);
      pixels = pixels || (lies_so(m, step) && m.size[2] * m.size[3] * m.size[4] > 1);
    }
  }
  for (int k = 0; k < 3; k++) {
    memcpy(l->size[k], l->side[k]->size, sizeof l->side[k]->size);
    dense(l->side[k]->size, pixels, l->step[k]);
  }
  return true;
}

static tn_status run_library(tn_kernel_call *call, const job &j, int result, image *weight) {
  by_library l;
  memset(&l, 0, sizeof l);
  image x = j.g.x, y = j.g.y;
  l.side[TN_DNN_INPUT] = &x, l.side[TN_DNN_OUTPUT] = &y, l.side[TN_DNN_WEIGHT] = weight;
  l.size[TN_DNN_INPUT] = l.c.x_size, l.step[TN_DNN_INPUT] = l.c.x_step;
  l.size[TN_DNN_OUTPUT] = l.c.y_size, l.step[TN_DNN_OUTPUT] = l.c.y_step;
  l.size[TN_DNN_WEIGHT] = l.c.w_size, l.step[TN_DNN_WEIGHT] = l.c.w_step;
  if (!describe(call, j, result, &l)) return TN_DECLINED;
  tn_status s = TN_OK;
  for (int k = 0; k < 3 && s == TN_OK; k++) {
    const image &m = *l.side[k];
    l.memory[k] = m.data;
    if (lies_so(m, l.step[k])) continue;
    s = tn_cuda_alloc(call->device, (size_t)elements(m) * item_of(m.dtype), &l.copies[k]);
    l.memory[k] = l.copies[k];
    if (s == TN_OK && k != result) {
      s = move(call, view_of(m, m.data, m.step), view_of(m, l.memory[k], l.step[k]));
    }
  }
  if (s == TN_OK) s = tn_dnn_convolve(call->device, &l.c, l.memory);
  if (s == TN_OK && l.copies[result] != nullptr) {
    const image &m = *l.side[result];
    s = move(call, view_of(m, l.memory[result], l.step[result]), view_of(m, m.data, m.step));
  }
  for (int k = 0; k < 3; k++) {
    if (l.copies[k] != nullptr) tn_cuda_free(call->device, l.copies[k]);
  }
  return s;
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) add_bias(cells c, image y, const void *bias,
                                                  int64_t bias_step) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE];
    cell_at(c, i, &batch, at);
    const int64_t where = pixel(y, batch, at);
    store<T>(y.data, y.dtype, where, load<T>(y.data, y.dtype, where) +
                                         load<T>(bias, y.dtype, at[1] * bias_step));
  }
}

/* The same of an image without gaps, 16 bytes at a time: `inside` elements of a channel lie behind
 * each other. */
struct channel_at {
  uint32_t channels;
  tn_divider by_inside, by_channels;
  int64_t step; /* of the bias */
};

template <typename E>
__device__ static inline float bias_of(const channel_at &where, uint32_t element, const E *bias) {
  const uint32_t row = tn_divide(element, where.by_inside);
  const uint32_t c = row - tn_divide(row, where.by_channels) * where.channels;
  return widened(bias[c * where.step]);
}

template <typename E>
__global__ void __launch_bounds__(BLOCK) add_bias_packs(uint32_t count, channel_at where, E *y,
                                                        const E *bias) {
  constexpr uint32_t V = 16 / sizeof(E);
  const uint32_t step = gridDim.x * BLOCK, first = blockIdx.x * BLOCK + threadIdx.x;
  for (uint32_t i = first; i < count / V; i += step) {
    pack<E, V> p = reinterpret_cast<const pack<E, V> *>(y)[i];
#pragma unroll
    for (uint32_t k = 0; k < V; k++) {
      narrow(widened(p.e[k]) + bias_of(where, i * V + k, bias), &p.e[k]);
    }
    reinterpret_cast<pack<E, V> *>(y)[i] = p;
  }
  if (first < count % V) {
    const uint32_t i = count - 1 - first;
    narrow(widened(y[i]) + bias_of(where, i, bias), &y[i]);
  }
}

template <typename E>
static cudaError_t bias_packs(tn_kernel_call *call, const geometry &g, uint32_t count,
                              bool pixels) {
  const uint32_t inside = pixels ? 1 : g.out.count;
  const channel_at where = {(uint32_t)g.y.size[1], tn_divider_of(inside),
                            tn_divider_of((uint32_t)g.y.size[1]), g.bias_step};
  const int blocks = tn_cuda_blocks(call->device, count * sizeof(E) / 16 + 1, BLOCK);
  return tn_launch(add_bias_packs<E>, blocks, BLOCK, 0, count, where, static_cast<E *>(g.y.data),
                   static_cast<const E *>(g.bias));
}

static tn_status with_bias(tn_kernel_call *call, const job &j) {
  const geometry &g = j.g;
  if (g.bias == nullptr) return TN_OK;
  const cells c = cells_of(g.y);
  int64_t step[2][IMAGE];
  for (int k = 0; k < 2; k++) dense(g.y.size, k != 0, step[k]);
  const bool pixels = !lies_so(g.y, step[0]), whole = !pixels || lies_so(g.y, step[1]);
  if (whole && !c.wide && g.y.dtype != TN_F64 && (uintptr_t)g.y.data % 16 == 0) {
    const uint32_t count = (uint32_t)c.count;
    return tn_cuda_check(g.y.dtype == TN_F32 ? bias_packs<float>(call, g, count, pixels)
                         : g.y.dtype == TN_F16 ? bias_packs<__half>(call, g, count, pixels)
                                               : bias_packs<__nv_bfloat16>(call, g, count, pixels));
  }
  return tn_cuda_check(tn_launch(g.y.dtype == TN_F64 ? add_bias<double> : add_bias<float>,
                                 tn_cuda_blocks(call->device, c.count, BLOCK), BLOCK, 0, c, g.y,
                                 g.bias, g.bias_step));
}

static bool may_use_library(const tn_kernel_call *call) {
  static const bool forbidden = [] {
    const char *word = getenv("MOONLET_CUDNN");
    return word != nullptr && strcmp(word, "0") == 0;
  }();
  return call->cudnn & TN_CUDNN_ENABLED && call->in[0].dtype >= TN_F16 && !forbidden;
}

static tn_status convolve(tn_kernel_call *call, int result) {
  static const int names[3] = {TN_DNN_INPUT, TN_DNN_OUTPUT, TN_DNN_WEIGHT};
  job j;
  tn_status s = look(call, result, &j);
  const int32_t dtype = call->in[0].dtype;
  if (s == TN_OK && result == SMALL && call->nin > 2 && call->in[2].ndim >= 0) {
    j.g.bias = call->in[2].data;
    j.g.bias_step = call->in[2].strides[0];
  }
  bool done = false;
  if (s == TN_OK && may_use_library(call)) {
    s = run_library(call, j, names[result], &j.weight);
    done = s != TN_DECLINED;
    if (s == TN_OK) s = with_bias(call, j);
    if (!done) s = TN_OK;
  }
  if (s == TN_OK && !done) {
    s = dtype == TN_F64 || dtype < TN_F16 ? run<double>(call, result, &j)
                                          : run<float>(call, result, &j);
  }
  return finish(call, &j, s);
}

}  // namespace

extern "C" tn_status tn_cuda_convolve(tn_kernel_call *call) { return convolve(call, SMALL); }
extern "C" tn_status tn_cuda_convolve_input(tn_kernel_call *call) { return convolve(call, LARGE); }
extern "C" tn_status tn_cuda_convolve_weight(tn_kernel_call *call) {
  return convolve(call, KERNEL);
}
