/* move.cu -- values from one view to another on one device: copies, conversions, fills. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

enum { BLOCK = 256 };

/* Elements of one size, as they are. */
template <typename E>
__global__ void __launch_bounds__(BLOCK) move_bits(tn_positions index, E *out, const E *in) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[2];
    tn_index_at(&index, i, 2, at);
    out[at[0]] = in[at[1]];
  }
}

/* T holds every value of the input's dtype: int64 or double. */
template <typename T>
__global__ void __launch_bounds__(BLOCK) convert(tn_positions index, void *out, int32_t out_dtype,
                                                 operand<T> in) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[2];
    tn_index_at(&index, i, 2, at);
    store<T>(out, out_dtype, at[0], fetch(in, at[1]));
  }
}

static size_t size_of(int32_t dtype) {
  static const unsigned char bytes[] = {
#define X(NAME, word, type, torch7) sizeof(type),
      TN_DTYPE_MAP(X)
#undef X
  };
  return bytes[dtype];
}

template <typename E>
static cudaError_t move_bits_of(int blocks, const tn_positions &index, void *out, const void *in) {
  return tn_launch(move_bits<E>, blocks, BLOCK, 0, index, static_cast<E *>(out),
                   static_cast<const E *>(in));
}

static cudaError_t move_same(int blocks, const tn_positions &index, void *out, const void *in,
                             size_t item) {
  if (item == 1) return move_bits_of<uint8_t>(blocks, index, out, in);
  if (item == 2) return move_bits_of<uint16_t>(blocks, index, out, in);
  if (item == 4) return move_bits_of<uint32_t>(blocks, index, out, in);
  return move_bits_of<uint64_t>(blocks, index, out, in);
}

static bool is_flat(const tn_positions &index) {
  return tn_index_is_plain(&index, 0) && tn_index_is_plain(&index, 1);
}

static cudaError_t move(tn_kernel_call *call) {
  const tn_view &in = call->in[0], &out = call->out[0];
  const size_t item = size_of(out.dtype);
  tn_positions index;
  tn_index_make_as_lies(&index, &out, &in, 1);
  if (index.count == 0) return cudaSuccess;
  const int blocks = tn_cuda_blocks(call->device, index.count, BLOCK);
  bool zero = in.data == nullptr && in.real == 0 && in.whole == 0 && !signbit(in.real);
  if (zero && tn_index_is_plain(&index, 0)) {
    return cudaMemsetAsync(out.data, 0, index.count * item,
                           static_cast<cudaStream_t>(tn_cuda_stream()));
  }
  if (in.data != nullptr && in.dtype == out.dtype && is_flat(index)) {
    return cudaMemcpyAsync(out.data, in.data, index.count * item, cudaMemcpyDeviceToDevice,
                           static_cast<cudaStream_t>(tn_cuda_stream()));
  }
  if (in.data != nullptr && in.dtype == out.dtype) {
    return move_same(blocks, index, out.data, in.data, item);
  }
  if (in.dtype >= TN_F16) {
    return tn_launch(convert<double>, blocks, BLOCK, 0, index, out.data, out.dtype,
                     operand_of<double>(in));
  }
  return tn_launch(convert<int64_t>, blocks, BLOCK, 0, index, out.data, out.dtype,
                   operand_of<int64_t>(in));
}

extern "C" tn_status tn_cuda_move(tn_kernel_call *call) { return tn_cuda_check(move(call)); }

/* -- Divisors of integers ---------------------------------------------------------------------- */

__global__ void __launch_bounds__(BLOCK) find_zero(tn_positions index, operand<int64_t> in,
                                                   int *found) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[1];
    tn_index_at(&index, i, 1, at);
    if (fetch(in, at[0]) == 0) *found = 1;
  }
}

extern "C" tn_status tn_cuda_has_zero(int device, const tn_view *integers, bool *found) {
  tn_positions index;
  void *flag = nullptr;
  int host = 0, before;
  *found = false;
  tn_index_make(&index, integers, nullptr, 0);
  if (index.count == 0) return TN_OK;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_alloc(device, sizeof host, &flag);
  if (s == TN_OK) s = tn_cuda_check(cudaMemsetAsync(
                        flag, 0, sizeof host, static_cast<cudaStream_t>(tn_cuda_stream())));
  if (s == TN_OK) {
    s = tn_cuda_check(tn_launch(find_zero, tn_cuda_blocks(device, index.count, BLOCK), BLOCK, 0,
                                index, operand_of<int64_t>(*integers), static_cast<int *>(flag)));
  }
  if (s == TN_OK) s = tn_cuda_read(device, &host, flag, sizeof host);
  tn_cuda_free(device, flag);
  tn_cuda_leave(device, before);
  *found = host != 0;
  return s;
}
