/* quantize.cu -- numbers as small integers and back, with the rules of tensor/ops/quantize.c. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

namespace {

enum { BLOCK = 256 };

/* One scale and zero point for each position of a dimension, or for everything. */
struct scales {
  operand<double> scale, zero;
  int64_t scale_step, zero_step;
  uint64_t inner, count;
  double low, high;
  bool back;
};

__device__ inline double quantized(double x, double scale, double zero, double low, double high) {
  const double q = rint(x / scale) + zero;
  if (!(q >= low)) return q != q ? fmin(fmax(zero, low), high) : low;
  return q > high ? high : q;
}

__global__ void __launch_bounds__(BLOCK)
convert_elements(tn_positions index, operand<double> x, void *out, int32_t dtype, scales s) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[2];
    tn_index_at(&index, i, 2, at);
    const int64_t c = s.count == 1 ? 0 : (int64_t)(i / s.inner % s.count);
    const double scale = fetch(s.scale, c * s.scale_step), zero = fetch(s.zero, c * s.zero_step);
    const double v = fetch(x, at[1]);
    store<double>(out, dtype, at[0],
                  s.back ? (v - zero) * scale : quantized(v, scale, zero, s.low, s.high));
  }
}

__device__ inline bool is_fit(double scale, double zero) {
  return scale > 0 && scale < (double)INFINITY && zero >= -2147483648.0 && zero <= 2147483647.0;
}

__global__ void __launch_bounds__(BLOCK) find_unfit(scales s, int *found) {
  for (uint64_t c = threadIdx.x; c < s.count; c += BLOCK) {
    if (!is_fit(fetch(s.scale, c * s.scale_step), fetch(s.zero, c * s.zero_step))) *found = 1;
  }
}

/* TN_EARG where a scale or a zero point is none: this waits for the device. */
tn_status check(int device, const scales &s) {
  void *flag;
  int found = 0;
  tn_status status = tn_cuda_alloc(device, sizeof found, &flag);
  if (status != TN_OK) return status;
  cudaError_t error = cudaMemsetAsync(flag, 0, sizeof found,
                                      static_cast<cudaStream_t>(tn_cuda_stream()));
  if (error == cudaSuccess) {
    error = tn_launch(find_unfit, 1, BLOCK, 0, s, static_cast<int *>(flag));
  }
  status = tn_cuda_check(error);
  if (status == TN_OK) status = tn_cuda_read(device, &found, flag, sizeof found);
  tn_cuda_free(device, flag);
  if (status != TN_OK || !found) return status;
  return tn_cuda_fail(TN_EARG, "a positive scale and a zero point of 32 bits expected");
}

tn_status run(tn_kernel_call *call, scales &s, int word) {
  const double lowest[] = {-128, 0, -2147483648.0}, highest[] = {127, 255, 2147483647.0};
  const tn_view &out = call->out[0];
  tn_positions index;
  s.low = lowest[word];
  s.high = highest[word];
  tn_status status = check(call->device, s);
  if (status != TN_OK) return status;
  tn_index_make(&index, &out, call->in, 1);
  if (index.count == 0) return TN_OK;
  return tn_cuda_check(tn_launch(convert_elements, tn_cuda_blocks(call->device, index.count, BLOCK),
                                 BLOCK, 0, index, operand_of<double>(call->in[0]), out.data,
                                 out.dtype, s));
}

operand<double> number(double v) { return {nullptr, v, TN_F64, true}; }

int64_t attr(const tn_kernel_call *call, int k) {
  const tn_attrs *a = call->attrs;
  return k < a->ni && a->i[k] != TN_NONE ? a->i[k] : 0;
}

int word_of(const tn_kernel_call *call, bool back) {
  const int64_t word = attr(call, 1) % 3;
  return back || word < 0 ? 0 : (int)word;
}

tn_status by_tensor(tn_kernel_call *call, bool back) {
  scales s = {number(call->attrs->f[0]), number((double)attr(call, 0)), 0, 0, 1, 1, 0, 0, back};
  return run(call, s, word_of(call, back));
}

tn_status by_channel(tn_kernel_call *call, bool back) {
  const tn_view &x = call->in[0], &scale = call->in[1], &zero = call->in[2];
  scales s = {operand_of<double>(scale), operand_of<double>(zero), scale.strides[0],
              zero.strides[0], 1, (uint64_t)x.sizes[call->dim], 0, 0, back};
  for (int d = call->dim + 1; d < x.ndim; d++) s.inner *= (uint64_t)x.sizes[d];
  return run(call, s, word_of(call, back));
}

}  // namespace

extern "C" tn_status tn_cuda_quantize_per_tensor(tn_kernel_call *call) {
  return by_tensor(call, false);
}

extern "C" tn_status tn_cuda_dequantize_per_tensor(tn_kernel_call *call) {
  return by_tensor(call, true);
}

extern "C" tn_status tn_cuda_quantize_per_channel(tn_kernel_call *call) {
  return by_channel(call, false);
}

extern "C" tn_status tn_cuda_dequantize_per_channel(tn_kernel_call *call) {
  return by_channel(call, true);
}
