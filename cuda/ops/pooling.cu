/* pooling.cu -- greatest and mean values under windows, and the ways back. The rules are those of
 * tensor/ops/max_windows.c and mean_windows.c. Gradients are gathered: each element of an image
 * looks at the windows that it is under, in their order. */
#include "cuda/image.cuh"

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

/* What is no number wins. */
template <typename T>
__global__ void __launch_bounds__(BLOCK) max_of_windows(cells c, windows w, image from, image to,
                                                        image index, int base) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE];
    cell_at(c, i, &batch, at);
    const span sz = span_of(w, 0, at[2]), sy = span_of(w, 1, at[3]), sx = span_of(w, 2, at[4]);
    const int64_t plane = plane_of(from, batch, at[1]);
    T best = least<T>::value();
    int64_t where = -1;
    for (int z = sz.begin; z < sz.end; z += sz.step) {
      for (int y = sy.begin; y < sy.end; y += sy.step) {
        const int64_t row = ((int64_t)z * w.in[1] + y) * w.in[2];
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        for (int x = sx.begin; x < sx.end; x += sx.step) {
          const T v = load<T>(from.data, from.dtype, line + x * from.step[4]);
          if (v > best || v != v || where < 0) best = v, where = row + x;
        }
      }
    }
    store<T>(to.data, to.dtype, pixel(to, batch, at), best);
    static_cast<int64_t *>(index.data)[pixel(index, batch, at)] = (where < 0 ? 0 : where) + base;
  }
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) max_back(cells c, windows w, image from, image index,
                                                  image to, int base) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE], first[SPACE], last[SPACE];
    cell_at(c, i, &batch, at);
    for (int d = 0; d < SPACE; d++) over(w, d, at[2 + d], &first[d], &last[d]);
    const int64_t self = ((int64_t)at[2] * w.in[1] + at[3]) * w.in[2] + at[4] + base;
    const int64_t plane = plane_of(from, batch, at[1]), indices = plane_of(index, batch, at[1]);
    T sum = 0;
    for (int z = first[0]; z <= last[0]; z++) {
      for (int y = first[1]; y <= last[1]; y++) {
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        const int64_t row = indices + z * index.step[2] + y * index.step[3];
        for (int x = first[2]; x <= last[2]; x++) {
          if (element<int64_t>(index.data, row + x * index.step[4]) != self) continue;
          sum += load<T>(from.data, from.dtype, line + x * from.step[4]);
        }
      }
    }
    store<T>(to.data, to.dtype, pixel(to, batch, at), sum);
  }
}

template <typename T>
__device__ static inline T scale_of(const windows &w, const span &z, const span &y, const span &x) {
  const double count = (double)z.count * (double)y.count * (double)x.count;
  return (T)(1.0 / (w.divisor != 0 ? w.divisor : count));
}

/* The sum under a window, of the elements that thread `lane` of `lanes` looks at. */
template <typename T>
__device__ static T sum_under(const image &from, int64_t plane, const span &sz, const span &sy,
                              const span &sx, int lane, int lanes) {
  const int wide = sx.end - sx.begin;
  T sum = 0;
  if (wide <= 0) return sum;
  for (int z = sz.begin; z < sz.end; z++) {
    const int64_t field = plane + z * from.step[2];
    if (lanes == 1) {
      for (int y = sy.begin; y < sy.end; y++) {
        const int64_t line = field + y * from.step[3];
        for (int x = sx.begin; x < sx.end; x++) {
          sum += load<T>(from.data, from.dtype, line + x * from.step[4]);
        }
      }
    } else {
      for (int k = lane; k < (sy.end - sy.begin) * wide; k += lanes) {
        const int y = sy.begin + k / wide, x = sx.begin + k % wide;
        sum += load<T>(from.data, from.dtype, field + y * from.step[3] + x * from.step[4]);
      }
    }
  }
  return sum;
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) mean_of_windows(cells c, windows w, image from, image to) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE];
    cell_at(c, i, &batch, at);
    const span sz = span_of(w, 0, at[2]), sy = span_of(w, 1, at[3]), sx = span_of(w, 2, at[4]);
    const T sum = sum_under<T>(from, plane_of(from, batch, at[1]), sz, sy, sx, 0, 1);
    store<T>(to.data, to.dtype, pixel(to, batch, at), sum * scale_of<T>(w, sz, sy, sx));
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
    T sum = sum_under<T>(from, plane_of(from, batch, at[1]), sz, sy, sx, lane, 32);
    for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
    if (lane == 0) {
      store<T>(to.data, to.dtype, pixel(to, batch, at), sum * scale_of<T>(w, sz, sy, sx));
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) mean_back(cells c, windows w, image from, image to) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < c.count; i += step) {
    int64_t batch;
    int at[IMAGE], first[SPACE], last[SPACE];
    cell_at(c, i, &batch, at);
    for (int d = 0; d < SPACE; d++) over(w, d, at[2 + d], &first[d], &last[d]);
    const int64_t plane = plane_of(from, batch, at[1]);
    T sum = 0;
    for (int z = first[0]; z <= last[0]; z++) {
      const span sz = span_of(w, 0, z);
      for (int y = first[1]; y <= last[1]; y++) {
        const span sy = span_of(w, 1, y);
        const int64_t line = plane + z * from.step[2] + y * from.step[3];
        for (int x = first[2]; x <= last[2]; x++) {
          const span sx = span_of(w, 2, x);
          sum += load<T>(from.data, from.dtype, line + x * from.step[4]) *
                 scale_of<T>(w, sz, sy, sx);
        }
      }
    }
    store<T>(to.data, to.dtype, pixel(to, batch, at), sum);
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
  pooling p;
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

}  // namespace

extern "C" tn_status tn_cuda_max_windows(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, false);
  const cells c = cells_of(p.to);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    const int blocks = tn_cuda_blocks(call->device, c.count, BLOCK);
    auto kernel = p.from.dtype < TN_F16 ? max_of_windows<int64_t>
                  : p.from.dtype == TN_F64 ? max_of_windows<double> : max_of_windows<float>;
    error = tn_launch(kernel, blocks, BLOCK, 0, c, w, p.from, p.to, p.index, call->index_base);
  }
  return end(call, &p, error);
}

extern "C" tn_status tn_cuda_max_windows_input(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, false);
  const cells c = cells_of(p.to);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    const int blocks = tn_cuda_blocks(call->device, c.count, BLOCK);
    error = tn_launch(p.from.dtype == TN_F64 ? max_back<double> : max_back<float>, blocks, BLOCK, 0,
                      c, w, p.from, p.second, p.to, call->index_base);
  }
  return end(call, &p, error);
}

/* Elements under a window, about. */
static double cells_under(const windows &w) {
  double under = 1;
  for (int d = 0; d < SPACE; d++) {
    under *= w.kernel[d] > 0 ? w.kernel[d] : (double)w.in[d] / w.out[d];
  }
  return under;
}

extern "C" tn_status tn_cuda_mean_windows(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, true);
  const cells c = cells_of(p.to);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    const bool wide = p.from.dtype == TN_F64, rows = p.from.step[1] != 1 || p.from.size[1] == 1;
    const bool large = rows && cells_under(w) >= 32;
    const int blocks = tn_cuda_blocks(call->device, c.count * (large ? 32 : 1), BLOCK);
    auto kernel = large ? (wide ? mean_of_large<double> : mean_of_large<float>)
                        : (wide ? mean_of_windows<double> : mean_of_windows<float>);
    error = tn_launch(kernel, blocks, BLOCK, 0, c, w, p.from, p.to);
  }
  return end(call, &p, error);
}

extern "C" tn_status tn_cuda_mean_windows_input(tn_kernel_call *call) {
  pooling p = begin(call);
  const windows w = windows_of(call->attrs, true);
  const cells c = cells_of(p.to);
  cudaError_t error = cudaSuccess;
  if (p.status == TN_OK && c.count > 0) {
    const int blocks = tn_cuda_blocks(call->device, c.count, BLOCK);
    error = tn_launch(p.from.dtype == TN_F64 ? mean_back<double> : mean_back<float>, blocks, BLOCK,
                      0, c, w, p.from, p.to);
  }
  return end(call, &p, error);
}
