/* move.cu -- values from one view to another on one device: copies, conversions, fills. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/items.h"
#include "cuda/launch.cuh"
#include "cuda/packs.cuh"

namespace {

enum { BLOCK = 256 };

/* Elements of one size, as they are. */
template <typename E>
__global__ void __launch_bounds__(BLOCK) move_bits(const __grid_constant__ tn_positions index, E *out,
                                                   const E *in) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[2];
    tn_index_at(&index, i, 2, at);
    out[at[0]] = in[at[1]];
  }
}

/* T holds every value of the input's dtype: int64, double or float. */
template <typename T>
__global__ void __launch_bounds__(BLOCK) convert(const __grid_constant__ tn_positions index, void *out,
                                                 int32_t out_dtype, operand<T> in) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[2];
    tn_index_at(&index, i, 2, at);
    store<T>(out, out_dtype, at[0], fetch(in, at[1]));
  }
}

/* Matrices turned over, by way of shared memory: columns, along which the result lies, and rows,
 * along which the input does. `rest` counts the other dimensions. */
enum { TILE = 32, TILE_ROWS = BLOCK / TILE };

struct turning {
  uint64_t rows, columns, row_tiles, column_tiles;
  int64_t out_row, in_column; /* strides; the other two are 1 */
  tn_positions rest;
};

template <typename E>
__global__ void __launch_bounds__(BLOCK) turn_over(turning t, E *out, const E *in) {
  __shared__ E tile[TILE][TILE + 4 / sizeof(E) + (sizeof(E) > 4)];
  const uint64_t tiles = t.row_tiles * t.column_tiles, all = tiles * t.rest.count;
  const uint32_t x = threadIdx.x % TILE, y = threadIdx.x / TILE;
  for (uint64_t k = blockIdx.x; k < all; k += gridDim.x) {
    const uint64_t which = k / tiles, tile_of = k - which * tiles;
    const uint64_t row_tile = tile_of / t.column_tiles;
    const uint64_t row = row_tile * TILE, column = (tile_of - row_tile * t.column_tiles) * TILE;
    int64_t at[2];
    tn_index_at(&t.rest, which, 2, at);
    for (uint32_t c = y; c < TILE && column + c < t.columns; c += TILE_ROWS) {
      if (row + x >= t.rows) continue;
      tile[c][x] = in[at[1] + (int64_t)(column + c) * t.in_column + (int64_t)(row + x)];
    }
    __syncthreads();
    for (uint32_t r = y; r < TILE && row + r < t.rows; r += TILE_ROWS) {
      if (column + x >= t.columns) continue;
      out[at[0] + (int64_t)(row + r) * t.out_row + (int64_t)(column + x)] = tile[x][r];
    }
    __syncthreads();
  }
}

/* Does one dimension lie closely in the result, and another in the input, and are both long? Then
 * these are taken out of the positions. */
static bool turns(const tn_positions &index, turning *t) {
  const int last = index.ndim - 1;
  int row = -1;
  if (index.ndim < 2 || index.strides[0][last] != 1 || index.strides[1][last] == 1) return false;
  for (int d = 0; d < last; d++) {
    if (index.strides[1][d] == 1) row = d;
  }
  if (row < 0 || index.sizes[row] < 8 || index.sizes[last] < 8) return false;
  t->rows = (uint64_t)index.sizes[row];
  t->columns = (uint64_t)index.sizes[last];
  t->row_tiles = (t->rows + TILE - 1) / TILE;
  t->column_tiles = (t->columns + TILE - 1) / TILE;
  t->out_row = index.strides[0][row];
  t->in_column = index.strides[1][last];
  tn_positions *rest = &t->rest;
  rest->ndim = 0;
  rest->views = 2;
  rest->count = 1;
  for (int d = 0; d < last; d++) {
    if (d == row) continue;
    rest->sizes[rest->ndim] = index.sizes[d];
    for (int k = 0; k < 2; k++) rest->strides[k][rest->ndim] = index.strides[k][d];
    rest->count *= (uint64_t)index.sizes[d];
    rest->ndim++;
  }
  rest->wide = rest->count >= (uint64_t)1 << 31;
  for (int d = 0; d < rest->ndim; d++) {
    rest->by[d] = tn_divider_of(rest->wide ? 1 : (uint32_t)rest->sizes[d]);
  }
  return true;
}

template <typename E>
static cudaError_t turn_over_of(tn_kernel_call *call, const turning &t, void *out, const void *in) {
  const uint64_t tiles = t.row_tiles * t.column_tiles * t.rest.count;
  return tn_launch(turn_over<E>, tn_cuda_blocks(call->device, tiles * BLOCK, BLOCK), BLOCK, 0, t,
                   static_cast<E *>(out), static_cast<const E *>(in));
}

/* Between float32 and the types of 2 bytes, 8 elements at a time; the `left` ones behind them go
 * one by one. */
enum { EIGHT = 8, HALF = EIGHT / 2 };

template <typename O, typename I>
__global__ void __launch_bounds__(BLOCK) convert_eights(uint64_t packs, int left, O *out,
                                                        const I *in) {
  typedef pack<I, HALF> from;
  typedef pack<O, HALF> to;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  const uint64_t first = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
  for (uint64_t i = first; i < packs; i += step) {
    const from a = reinterpret_cast<const from *>(in)[2 * i];
    const from b = reinterpret_cast<const from *>(in)[2 * i + 1];
    to x, y;
#pragma unroll
    for (int k = 0; k < HALF; k++) {
      narrow(widened(a.e[k]), &x.e[k]);
      narrow(widened(b.e[k]), &y.e[k]);
    }
    reinterpret_cast<to *>(out)[2 * i] = x;
    reinterpret_cast<to *>(out)[2 * i + 1] = y;
  }
  if (first < (uint64_t)left) {
    narrow(widened(in[packs * EIGHT + first]), &out[packs * EIGHT + first]);
  }
}

template <typename O, typename I>
static cudaError_t eights(tn_kernel_call *call, uint64_t count, void *out, const void *in) {
  const uint64_t packs = count / EIGHT;
  return tn_launch(convert_eights<O, I>, tn_cuda_blocks(call->device, packs + EIGHT, BLOCK), BLOCK,
                   0, packs, (int)(count % EIGHT), static_cast<O *>(out),
                   static_cast<const I *>(in));
}

template <typename O>
static cudaError_t eights_to(tn_kernel_call *call, uint64_t count, void *out, const tn_view &in) {
  if (in.dtype == TN_F32) return eights<O, float>(call, count, out, in.data);
  if (in.dtype == TN_F16) return eights<O, __half>(call, count, out, in.data);
  return eights<O, __nv_bfloat16>(call, count, out, in.data);
}

static bool is_small_float(int32_t dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

static cudaError_t convert_flat(tn_kernel_call *call, uint64_t count) {
  const tn_view &in = call->in[0], &out = call->out[0];
  if (out.dtype == TN_F32) return eights_to<float>(call, count, out.data, in);
  if (out.dtype == TN_F16) return eights_to<__half>(call, count, out.data, in);
  return eights_to<__nv_bfloat16>(call, count, out.data, in);
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
  const size_t item = tn_item_size(out.dtype);
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
  turning t;
  if (in.data != nullptr && in.dtype == out.dtype && turns(index, &t)) {
    if (item == 1) return turn_over_of<uint8_t>(call, t, out.data, in.data);
    if (item == 2) return turn_over_of<uint16_t>(call, t, out.data, in.data);
    if (item == 4) return turn_over_of<uint32_t>(call, t, out.data, in.data);
    return turn_over_of<uint64_t>(call, t, out.data, in.data);
  }
  if (in.data != nullptr && in.dtype == out.dtype) {
    return move_same(blocks, index, out.data, in.data, item);
  }
  if (in.data != nullptr && is_small_float(in.dtype) && is_small_float(out.dtype)) {
    const uintptr_t both = (uintptr_t)in.data | (uintptr_t)out.data;
    if (is_flat(index) && both % 16 == 0) return convert_flat(call, index.count);
    return tn_launch(convert<float>, blocks, BLOCK, 0, index, out.data, out.dtype,
                     operand_of<float>(in));
  }
  if (in.dtype >= TN_F16) {
    return tn_launch(convert<double>, blocks, BLOCK, 0, index, out.data, out.dtype,
                     operand_of<double>(in));
  }
  return tn_launch(convert<int64_t>, blocks, BLOCK, 0, index, out.data, out.dtype,
                   operand_of<int64_t>(in));
}

}  // namespace

extern "C" tn_status tn_cuda_move(tn_kernel_call *call) { return tn_cuda_check(move(call)); }

/* -- Divisors of integers ---------------------------------------------------------------------- */

__global__ void __launch_bounds__(BLOCK) find_zero(const __grid_constant__ tn_positions index,
                                                   operand<int64_t> in,
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
