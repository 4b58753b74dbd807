/* index.cu -- elements and whole slices that an index names: read by index and gather, in units of up
 * to 16 bytes, or set to one value by indexFill, scatter and put. */
#include "cuda/ops/picks.cuh"

enum { BLOCK = PICKS_BLOCK };

template <typename E> __global__ void __launch_bounds__(BLOCK) take(picks p, E *to, const E *x) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < p.index.count; i += step) {
    int64_t at[3];
    tn_index_at(&p.index, i, 3, at);
    const int64_t place = picked(p, at[2]);
    to[at[0]] = place < 0 ? E{} : x[at[1] + place * p.step];
  }
}

template <typename E> static cudaError_t take_of(int device, const picks &p, void *to, void *x) {
  return tn_launch(take<E>, tn_cuda_blocks(device, p.index.count, BLOCK), BLOCK, 0, p,
                   static_cast<E *>(to), static_cast<const E *>(x));
}

/* Results begin with the index's shape or, of a list, with x's but in one dimension. */
static tn_status pick(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &index = call->in[1], &out = call->out[0];
  picks p;
  if (!tn_is_index(index) || x.data == nullptr) return TN_DECLINED;
  tn_status s = tn_picks_make(&p, call, out, out, x, index, call->dim);
  if (s != TN_OK || p.index.count == 0) return s;
  switch (tn_picks_widen(&p, tn_item_size(x.dtype), x.data, out.data)) {
    case 1: return tn_cuda_check(take_of<uint8_t>(call->device, p, out.data, x.data));
    case 2: return tn_cuda_check(take_of<uint16_t>(call->device, p, out.data, x.data));
    case 4: return tn_cuda_check(take_of<uint32_t>(call->device, p, out.data, x.data));
    case 8: return tn_cuda_check(take_of<uint64_t>(call->device, p, out.data, x.data));
    default: return tn_cuda_check(take_of<pick_16>(call->device, p, out.data, x.data));
  }
}

extern "C" tn_status tn_cuda_index(tn_kernel_call *call) { return pick(call); }
extern "C" tn_status tn_cuda_gather(tn_kernel_call *call) { return pick(call); }

/* -- One value --------------------------------------------------------------------------------- */

template <typename T>
__global__ void __launch_bounds__(BLOCK) spread(picks p, void *x, int32_t dtype, operand<T> value) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < p.index.count; i += step) {
    int64_t at[3];
    tn_index_at(&p.index, i, 3, at);
    const int64_t place = picked(p, at[2]);
    if (place >= 0) store<T>(x, dtype, at[1] + place * p.step, fetch(value, 0));
  }
}

template <typename T>
static tn_status spread_as(const tn_kernel_call *call, const picks &p, const operand<T> &value) {
  const int blocks = tn_cuda_blocks(call->device, p.index.count, BLOCK);
  return tn_cuda_check(tn_launch(spread<T>, blocks, BLOCK, 0, p, call->out[0].data,
                                 call->out[0].dtype, value));
}

tn_status tn_cuda_spread_over(const tn_kernel_call *call, const picks &p, const tn_view &value) {
  const int32_t dtype = call->out[0].dtype;
  if (p.index.count == 0) return TN_OK;
  if (dtype < TN_F16) return spread_as(call, p, operand_of<int64_t>(value));
  if (dtype == TN_F64) return spread_as(call, p, operand_of<double>(value));
  return spread_as(call, p, operand_of<float>(value));
}

tn_status tn_cuda_spread(tn_kernel_call *call) {
  const tn_view &x = call->out[0], &index = call->in[1];
  picks p;
  if (!tn_is_index(index)) return TN_DECLINED;
  tn_status s = tn_cuda_begin(call);
  if (s == TN_OK) s = tn_picks_make(&p, call, index, index, x, index, call->dim);
  return s == TN_OK ? tn_cuda_spread_over(call, p, call->in[2]) : s;
}

extern "C" tn_status tn_cuda_indexFill(tn_kernel_call *call) {
  const tn_view &x = call->out[0], &index = call->in[1];
  tn_view rows = x, value = {};
  picks p;
  if (!tn_is_index(index)) return TN_DECLINED;
  tn_status s = tn_cuda_begin(call);
  if (x.ndim > 0) rows.sizes[call->dim] = tn_view_count(index);
  value.dtype = TN_F64;
  value.real = call->attrs->f[0];
  if (s == TN_OK) s = tn_picks_make(&p, call, rows, rows, x, index, call->dim);
  return s == TN_OK ? tn_cuda_spread_over(call, p, value) : s;
}
