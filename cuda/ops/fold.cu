/* fold.cu -- what lies under each position of a window as columns, and columns added up to images:
 * the rules are those of tensor/ops/fold.c. Each element of an image gathers what the columns have
 * for it, in the order of the places in the window. */
#include "cuda/image.cuh"

namespace {

enum { BLOCK = 256 };

struct window {
  int in[2], out[2], kernel[2], dilation[2], pad[2], stride[2];
  int64_t channels, images;
};

/* One position taken apart, from the last size on. */
__device__ static inline int take(uint64_t *i, int size) {
  const uint64_t rest = *i < (uint64_t)1 << 32 ? (uint32_t)*i / (uint32_t)size
                                               : *i / (uint32_t)size;
  const int at = (int)(*i - rest * (uint32_t)size);
  *i = rest;
  return at;
}

template <typename E>
__global__ void __launch_bounds__(BLOCK) columns_of(uint64_t count, window w, image from, E *to) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  const E *in = static_cast<const E *>(from.data);
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    uint64_t left = i;
    const int ox = take(&left, w.out[1]), oy = take(&left, w.out[0]);
    const int kx = take(&left, w.kernel[1]), ky = take(&left, w.kernel[0]);
    const int channel = take(&left, (int)w.channels);
    const int64_t y = (int64_t)oy * w.stride[0] - w.pad[0] + (int64_t)ky * w.dilation[0];
    const int64_t x = (int64_t)ox * w.stride[1] - w.pad[1] + (int64_t)kx * w.dilation[1];
    const bool inside = y >= 0 && y < w.in[0] && x >= 0 && x < w.in[1];
    const int64_t plane = plane_of(from, (int64_t)left, channel);
    to[i] = inside ? in[plane + y * from.step[3] + x * from.step[4]] : E(0);
  }
}

/* The position whose place k lies over element i; -1: none. */
__device__ static inline int position(const window &w, int d, int i, int k) {
  const int64_t at = (int64_t)i + w.pad[d] - (int64_t)k * w.dilation[d];
  if (at < 0 || at % w.stride[d] != 0 || at / w.stride[d] >= w.out[d]) return -1;
  return (int)(at / w.stride[d]);
}

/* `step`: of the columns' images, rows and columns. */
struct matrix {
  void *data;
  int32_t dtype;
  int64_t step[3];
};

template <typename T>
__global__ void __launch_bounds__(BLOCK) add_columns(uint64_t count, window w, matrix from,
                                                     void *to, int32_t dtype) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    uint64_t left = i;
    const int x = take(&left, w.in[1]), y = take(&left, w.in[0]);
    const int channel = take(&left, (int)w.channels);
    const int64_t base = (int64_t)left * from.step[0];
    const int64_t first = (int64_t)channel * w.kernel[0] * w.kernel[1];
    T sum = 0;
    for (int ky = 0; ky < w.kernel[0]; ky++) {
      const int oy = position(w, 0, y, ky);
      for (int kx = 0; oy >= 0 && kx < w.kernel[1]; kx++) {
        const int ox = position(w, 1, x, kx);
        if (ox < 0) continue;
        const int64_t row = first + (int64_t)ky * w.kernel[1] + kx;
        const int64_t column = (int64_t)oy * w.out[1] + ox;
        sum += load<T>(from.data, from.dtype, base + row * from.step[1] + column * from.step[2]);
      }
    }
    store<T>(to, dtype, (int64_t)i, sum);
  }
}

/* Two numbers from i[slot] on; one stands for both, none for `otherwise`. */
static void read_pair(const tn_attrs *a, int slot, int otherwise, int *to) {
  for (int d = 0; d < 2; d++) {
    int64_t v = slot + d < a->ni ? a->i[slot + d] : TN_NONE;
    to[d] = v != TN_NONE ? (int)v : d == 0 ? otherwise : to[0];
  }
}

static window window_of(const tn_attrs *a, int from, int64_t height, int64_t width) {
  window w;
  read_pair(a, from, 1, w.kernel);
  read_pair(a, from + 3, 1, w.dilation);
  read_pair(a, from + 6, 0, w.pad);
  read_pair(a, from + 9, 1, w.stride);
  w.in[0] = (int)height;
  w.in[1] = (int)width;
  for (int d = 0; d < 2; d++) {
    const int64_t reach = (int64_t)w.dilation[d] * (w.kernel[d] - 1);
    w.out[d] = (int)((w.in[d] + 2 * (int64_t)w.pad[d] - reach - 1) / w.stride[d] + 1);
  }
  return w;
}

static uint64_t count_of(const tn_view &v) {
  uint64_t count = 1;
  for (int d = 0; d < v.ndim; d++) count *= (uint64_t)v.sizes[d];
  return count;
}

template <typename E>
static cudaError_t take_columns(tn_kernel_call *call, const window &w, const image &from) {
  const uint64_t count = count_of(call->out[0]);
  return tn_launch(columns_of<E>, tn_cuda_blocks(call->device, count, BLOCK), BLOCK, 0, count, w,
                   from, static_cast<E *>(call->out[0].data));
}

}  // namespace

extern "C" tn_status tn_cuda_im2col(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &out = call->out[0];
  window w = window_of(call->attrs, 0, x.sizes[x.ndim - 2], x.sizes[x.ndim - 1]);
  image from;
  if (count_of(out) == 0) return TN_OK;
  if (!image_of(x, 2, &from)) return TN_DECLINED;
  w.channels = from.size[1];
  switch (x.dtype) {
  case TN_BOOL: case TN_U8: case TN_I8:
    return tn_cuda_check(take_columns<uint8_t>(call, w, from));
  case TN_I16: case TN_F16: case TN_BF16:
    return tn_cuda_check(take_columns<uint16_t>(call, w, from));
  case TN_I32: case TN_F32: return tn_cuda_check(take_columns<uint32_t>(call, w, from));
  default: return tn_cuda_check(take_columns<uint64_t>(call, w, from));
  }
}

extern "C" tn_status tn_cuda_col2im(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &out = call->out[0];
  const uint64_t count = count_of(out);
  window w = window_of(call->attrs, 3, out.sizes[out.ndim - 2], out.sizes[out.ndim - 1]);
  if (count == 0) return TN_OK;
  w.channels = out.sizes[out.ndim - 3];
  matrix from = {x.data, x.dtype, {x.ndim == 3 ? x.strides[0] : 0, x.strides[x.ndim - 2],
                                   x.strides[x.ndim - 1]}};
  auto kernel = x.dtype < TN_F16 ? add_columns<int64_t>
                : x.dtype == TN_F64 ? add_columns<double> : add_columns<float>;
  return tn_cuda_check(tn_launch(kernel, tn_cuda_blocks(call->device, count, BLOCK), BLOCK, 0,
                                 count, w, from, out.data, out.dtype));
}
