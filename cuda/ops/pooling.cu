/* pooling.cu -- greatest and mean values under windows, and the ways back. The rules are those of
 * tensor/ops/max_windows.c and mean_windows.c. Gradients are gathered: each element of an image
 * looks at the windows that it is under, in their order. */
#include "cuda/image.cuh"
#include "cuda/packs.cuh"

namespace {

enum { BLOCK = 256 };

/* tensor/ops/pooling.h */
enum { AT_OUT = 0, AT_IN = 3, AT_KERNEL = 6, AT_STRIDE = 9, AT_PAD = 12, AT_DILATION = 15,
       AT_COUNTED = 15, AT_DIVISOR = 16, AT_SPACE = 18 };

struct windows {
  int in[SPACE], out[SPACE], kernel[SPACE], stride[SPACE], pad[SPACE], dilation[SPACE];
  bool counted;
  double divisor;
};

/* Elements begin, begin + step, ... before end; `count` of them count in a mean. */
struct span {
  int begin, end, step, count;
};

__device__ static span span_of(const windows &w, int d, int o) {
  const int in = w.in[d], kernel = w.kernel[d], step = w.dilation[d];
  if (kernel == 0) {
    const int64_t out = w.out[d];
    const int begin = (int)((int64_t)o * in / out);
    const int end = (int)(((int64_t)(o + 1) * in + out - 1) / out);
    return {begin, end, 1, end - begin};
  }
  int64_t begin = (int64_t)o * w.stride[d] - w.pad[d];
  int64_t end = begin + (int64_t)(kernel - 1) * step + 1;
  int64_t count = (end < (int64_t)in + w.pad[d] ? end : (int64_t)in + w.pad[d]) - begin;
  if (begin < 0) begin += (-begin + step - 1) / step * step;
  if (end > in) end = in;
  if (!w.counted) count = end - begin;
  return {(int)begin, (int)end, step, (int)count};
}

/* The windows [first, last] that may be over element i. */
__device__ static void over(const windows &w, int d, int i, int *first, int *last) {
  const int64_t in = w.in[d], out = w.out[d];
  if (w.kernel[d] == 0) {
    *first = (int)(i * out / in);
    *last = (int)(((i + 1) * out + in - 1) / in) - 1;
    return;
  }
  const int64_t at = (int64_t)i + w.pad[d], reach = (int64_t)(w.kernel[d] - 1) * w.dilation[d];
  const int64_t end = at / w.stride[d];
  *first = at <= reach ? 0 : (int)((at - reach + w.stride[d] - 1) / w.stride[d]);
  *last = end < out - 1 ? (int)end : (int)(out - 1);
}

template <typename T> struct least;
template <> struct least<float> { __device__ static float value() { return -INFINITY; } };
template <> struct least<double> { __device__ static double value() { return -INFINITY; } };
template <> struct least<int64_t> { __device__ static int64_t value() { return INT64_MIN; } };

/* How a thread reads and writes: one element of any dtype; */
template <typename C> struct one {
  typedef C T;
  enum { V = 1 };
  __device__ static void get(const image &m, int64_t at, T *v) {
    v[0] = load<T>(m.data, m.dtype, at);
  }
  __device__ static void put(const image &m, int64_t at, const T *v) {
    store<T>(m.data, m.dtype, at, v[0]);
  }
};

/* or 16 bytes of channels that lie beside each other. */
template <typename E> struct channels {
  typedef float T;
  enum { V = 16 / sizeof(E) };
  __device__ static void get(const image &m, int64_t at, T *v) {
    const pack<E, V> p = static_cast<const pack<E, V> *>(m.data)[at / V];
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = widened(p.e[k]);
  }
  __device__ static void put(const image &m, int64_t at, const T *v) {
    pack<E, V> p;
#pragma unroll
    for (int k = 0; k < V; k++) narrow(v[k], &p.e[k]);
    static_cast<pack<E, V> *>(m.data)[at / V] = p;
  }
};

/* As many indices. */
template <int V> __device__ static inline void get_indices(const image &m, int64_t at, int64_t *v) {
  constexpr int W = V > 1 ? 2 : 1;
#pragma unroll
  for (int k = 0; k < V / W; k++) {
    const pack<int64_t, W> p = static_cast<const pack<int64_t, W> *>(m.data)[at / W + k];
    for (int w = 0; w < W; w++) v[W * k + w] = p.e[w];
  }
}

template <int V>
__device__ static inline void put_indices(const image &m, int64_t at, const int64_t *v) {
  constexpr int W = V > 1 ? 2 : 1;
#pragma unroll
  for (int k = 0; k < V / W; k++) {
    pack<int64_t, W> p;
    for (int w = 0; w < W; w++) p.e[w] = v[W * k + w];
    static_cast<pack<int64_t, W> *>(m.data)[at / W + k] = p;
  }
}

/* What is no number wins. The cells count V channels as one. */
template <class A>
__global__ void __launch_bounds__(BLOCK) max_of_windows(cells c, windows w, image from, image to,
                                                        image index, int base) {
  typedef typename A::T T;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch, where[A::V];
    T best[A::V];
    int at[IMAGE];
    cell_at(c, i, &batch, at);
    at[1] *= A::V;
    const span sz = span_of(w, 0, at[2]), sy = span_of(w, 1, at[3]), sx = span_of(w, 2, at[4]);
    const int64_t plane = plane_of(from, batch, at[1]);
#pragma unroll
    for (int k = 0; k < A::V; k++) best[k] = least<T>::value(), where[k] = -1;
    for (int z = sz.begin; z < sz.end; z += sz.step) {
      for (int y = sy.begin; y < sy.end; y += sy.step) {
        const int64_t row = ((int64_t)z * w.in[1] + y) * w.in[2];
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        for (int x = sx.begin; x < sx.end; x += sx.step) {
          T v[A::V];
          A::get(from, line + x * from.step[4], v);
#pragma unroll
          for (int k = 0; k < A::V; k++) {
            if (v[k] > best[k] || v[k] != v[k] || where[k] < 0) best[k] = v[k], where[k] = row + x;
          }
        }
      }
    }
#pragma unroll
    for (int k = 0; k < A::V; k++) where[k] = (where[k] < 0 ? 0 : where[k]) + base;
    A::put(to, pixel(to, batch, at), best);
    put_indices<A::V>(index, pixel(index, batch, at), where);
  }
}

template <class A>
__global__ void __launch_bounds__(BLOCK) max_back(cells c, windows w, image from, image index,
                                                  image to, int base) {
  typedef typename A::T T;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE], first[SPACE], last[SPACE];
    cell_at(c, i, &batch, at);
    at[1] *= A::V;
    for (int d = 0; d < SPACE; d++) over(w, d, at[2 + d], &first[d], &last[d]);
    const int64_t self = ((int64_t)at[2] * w.in[1] + at[3]) * w.in[2] + at[4] + base;
    const int64_t plane = plane_of(from, batch, at[1]), indices = plane_of(index, batch, at[1]);
    T sum[A::V];
#pragma unroll
    for (int k = 0; k < A::V; k++) sum[k] = 0;
    for (int z = first[0]; z <= last[0]; z++) {
      for (int y = first[1]; y <= last[1]; y++) {
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        const int64_t row = indices + z * index.step[2] + y * index.step[3];
        for (int x = first[2]; x <= last[2]; x++) {
          int64_t who[A::V];
          T v[A::V];
          get_indices<A::V>(index, row + x * index.step[4], who);
          A::get(from, line + x * from.step[4], v);
#pragma unroll
          for (int k = 0; k < A::V; k++) sum[k] += who[k] == self ? v[k] : T(0);
        }
      }
    }
    A::put(to, pixel(to, batch, at), sum);
  }
}

template <typename T>
__device__ static inline T scale_of(const windows &w, const span &z, const span &y, const span &x) {
  const double count = (double)z.count * (double)y.count * (double)x.count;
  return (T)(1.0 / (w.divisor != 0 ? w.divisor : count));
}

template <class A>
__global__ void __launch_bounds__(BLOCK) mean_of_windows(cells c, windows w, image from, image to) {
  typedef typename A::T T;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE];
    T sum[A::V];
    cell_at(c, i, &batch, at);
    at[1] *= A::V;
    const span sz = span_of(w, 0, at[2]), sy = span_of(w, 1, at[3]), sx = span_of(w, 2, at[4]);
    const int64_t plane = plane_of(from, batch, at[1]);
#pragma unroll
    for (int k = 0; k < A::V; k++) sum[k] = 0;
    for (int z = sz.begin; z < sz.end; z++) {
      for (int y = sy.begin; y < sy.end; y++) {
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        for (int x = sx.begin; x < sx.end; x++) {
          T v[A::V];
          A::get(from, line + x * from.step[4], v);
#pragma unroll
          for (int k = 0; k < A::V; k++) sum[k] += v[k];
        }
      }
    }
    const T scale = scale_of<T>(w, sz, sy, sx);
#pragma unroll
    for (int k = 0; k < A::V; k++) sum[k] *= scale;
    A::put(to, pixel(to, batch, at), sum);
  }
}

/* Large windows of planes in rows: a warp for each. */
template <typename T>
__global__ void __launch_bounds__(BLOCK) mean_of_large(cells c, windows w, image from, image to) {
  enum { WARPS = BLOCK / 32 };
  const uint64_t step = (uint64_t)gridDim.x * WARPS;
  const int lane = (int)threadIdx.x % 32;
  for (uint64_t i = (uint64_t)blockIdx.x * WARPS + threadIdx.x / 32; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE];
    cell_at(c, i, &batch, at);
    const span sz = span_of(w, 0, at[2]), sy = span_of(w, 1, at[3]), sx = span_of(w, 2, at[4]);
    const int64_t plane = plane_of(from, batch, at[1]);
    const int wide = sx.end - sx.begin;
    T sum = 0;
    for (int z = sz.begin; z < sz.end && wide > 0; z++) {
      for (int64_t k = lane; k < (int64_t)(sy.end - sy.begin) * wide; k += 32) {
        const int64_t row = k < 0x7fffffff ? (int64_t)((uint32_t)k / (uint32_t)wide) : k / wide;
        sum += load<T>(from.data, from.dtype,
                       plane + z * from.step[2] + (sy.begin + row) * from.step[3] +
                           (sx.begin + k - row * wide) * from.step[4]);
      }
    }
    for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
    if (lane == 0) {
      store<T>(to.data, to.dtype, pixel(to, batch, at), sum * scale_of<T>(w, sz, sy, sx));
    }
  }
}

template <class A>
__global__ void __launch_bounds__(BLOCK) mean_back(cells c, windows w, image from, image to) {
  typedef typename A::T T;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE], first[SPACE], last[SPACE];
    cell_at(c, i, &batch, at);
    at[1] *= A::V;
    for (int d = 0; d < SPACE; d++) over(w, d, at[2 + d], &first[d], &last[d]);
    const int64_t plane = plane_of(from, batch, at[1]);
    T sum[A::V];
#pragma unroll
    for (int k = 0; k < A::V; k++) sum[k] = 0;
    for (int z = first[0]; z <= last[0]; z++) {
      const span sz = span_of(w, 0, z);
      for (int y = first[1]; y <= last[1]; y++) {
        const span sy = span_of(w, 1, y);
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        for (int x = first[2]; x <= last[2]; x++) {
          const T scale = scale_of<T>(w, sz, sy, span_of(w, 2, x));
          T v[A::V];
          A::get(from, line + x * from.step[4], v);
#pragma unroll
          for (int k = 0; k < A::V; k++) sum[k] += v[k] * scale;
        }
      }
    }
    A::put(to, pixel(to, batch, at), sum);
  }
}

/* -- Calls ------------------------------------------------------------------------------------- */

static windows windows_of(const tn_attrs *a, bool mean) {
  windows w;
  for (int d = 0; d < SPACE; d++) {
    w.in[d] = (int)a->i[AT_IN + d];
    w.out[d] = (int)a->i[AT_OUT + d];
    w.kernel[d] = (int)a->i[AT_KERNEL + d];
    w.stride[d] = (int)a->i[AT_STRIDE + d];
    w.pad[d] = (int)a->i[AT_PAD + d];
    w.dilation[d] = mean || w.kernel[d] == 0 ? 1 : (int)a->i[AT_DILATION + d];
  }
  w.counted = !mean || a->i[AT_COUNTED] != 0;
  w.divisor = mean ? (double)a->i[AT_DIVISOR] : 0;
  return w;
}

/* The images of a call; *copy and *second are to be freed. */
struct pooling {
  image from, second, to, index;
  void *copies[2];
  tn_status status;
};

static pooling begin(tn_kernel_call *call) {
  pooling p = {};
  const int space = (int)call->attrs->i[AT_SPACE];
  p.copies[0] = p.copies[1] = nullptr;
  p.status = images(call, call->in[0], space, &p.from, &p.copies[0]);
  if (p.status == TN_OK && call->nin > 1) {
    p.status = images(call, call->in[1], space, &p.second, &p.copies[1]);
  }
  if (!image_of(call->out[0], space, &p.to)) p.status = TN_DECLINED;
  if (call->nout > 1 && !image_of(call->out[1], space, &p.index)) p.status = TN_DECLINED;
  return p;
}

static tn_status end(tn_kernel_call *call, pooling *p, cudaError_t error) {
  for (int k = 0; k < 2; k++) {
    if (p->copies[k] != nullptr) tn_cuda_free(call->device, p->copies[k]);
  }
  return p->status == TN_OK ? tn_cuda_check(error) : p->status;
}

/* May a thread take `lanes` channels of it at once? */
static bool takes(const image &m, int lanes, size_t bytes) {
  if (m.step[1] != 1 || m.size[1] % lanes != 0 || (uintptr_t)m.data % bytes != 0) return false;
  for (int d = 0; d < IMAGE; d++) {
    if (d != 1 && m.size[d] != 1 && m.step[d] % lanes != 0) return false;
  }
  return true;
}

/* How many channels a thread takes: 1, or what fills 16 bytes. */
static int lanes_of(const pooling &p, const image *index) {
  const int32_t dtype = p.from.dtype;
  const int lanes = dtype == TN_F32 ? 4 : dtype == TN_F16 || dtype == TN_BF16 ? 8 : 1;
  if (lanes == 1 || !takes(p.from, lanes, 16) || !takes(p.to, lanes, 16)) return 1;
  return index == nullptr || takes(*index, lanes, 16) ? lanes : 1;
}

static cells cells_by(const image &m, int lanes) {
  image few = m;
  few.size[1] /= lanes;
  cells c = cells_of(few);
  if (lanes > 1) c.pixels = true;
  return c;
}

/* The instance of a kernel for this dtype, by channels or one by one. */
#define FLOAT_KERNEL(kernel, p, lanes)                                                            \
  ((lanes) == 1 ? ((p).from.dtype == TN_F64 ? kernel<one<double>> : kernel<one<float>>)           \
   : (p).from.dtype == TN_F32 ? kernel<channels<float>>                                           \
   : (p).from.dtype == TN_F16 ? kernel<channels<__half>> : kernel<channels<__nv_bfloat16>>)

/* Elements under a window, about. */
static double cells_under(const windows &w) {
  double under = 1;
  for (int d = 0; d < SPACE; d++) {
    under *= w.kernel[d] > 0 ? w.kernel[d] : (double)w.in[d] / w.out[d];
  }
  return under;
}

}  // namespace

extern "C" tn_status tn_cuda_max_windows(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, false);
  const int lanes = lanes_of(p, &p.index);
  const cells c = cells_by(p.to, lanes);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    auto kernel = p.from.dtype < TN_F16 ? max_of_windows<one<int64_t>>
                                        : FLOAT_KERNEL(max_of_windows, p, lanes);
    error = tn_launch(kernel, tn_cuda_blocks(call->device, c.count, BLOCK), BLOCK, 0, c, w, p.from,
                      p.to, p.index, call->index_base);
  }
  return end(call, &p, error);
}

extern "C" tn_status tn_cuda_max_windows_input(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, false);
  const int lanes = lanes_of(p, &p.second);
  const cells c = cells_by(p.to, lanes);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    error = tn_launch(FLOAT_KERNEL(max_back, p, lanes),
                      tn_cuda_blocks(call->device, c.count, BLOCK), BLOCK, 0, c, w, p.from,
                      p.second, p.to, call->index_base);
  }
  return end(call, &p, error);
}

extern "C" tn_status tn_cuda_mean_windows(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, true);
  const int lanes = lanes_of(p, nullptr);
  const cells c = cells_by(p.to, lanes);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    const bool rows = p.from.step[1] != 1 || p.from.size[1] == 1;
    const bool large = rows && cells_under(w) >= 32;
    const int blocks = tn_cuda_blocks(call->device, c.count * (large ? 32 : 1), BLOCK);
    auto kernel = !large ? FLOAT_KERNEL(mean_of_windows, p, lanes)
                  : p.from.dtype == TN_F64 ? mean_of_large<double> : mean_of_large<float>;
    error = tn_launch(kernel, blocks, BLOCK, 0, c, w, p.from, p.to);
  }
  return end(call, &p, error);
}

extern "C" tn_status tn_cuda_mean_windows_input(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, true);
  const int lanes = lanes_of(p, nullptr);
  const cells c = cells_by(p.to, lanes);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    error = tn_launch(FLOAT_KERNEL(mean_back, p, lanes),
                      tn_cuda_blocks(call->device, c.count, BLOCK), BLOCK, 0, c, w, p.from, p.to);
  }
  return end(call, &p, error);
}
