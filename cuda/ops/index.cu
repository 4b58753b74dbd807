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

/* -- Where no two indices are the same -------------------------------------------------------- */

template <typename E>
__global__ void __launch_bounds__(BLOCK) send(picks p, const E *from, E *x) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < p.index.count; i += step) {
    int64_t at[3];
    tn_index_at(&p.index, i, 3, at);
    const int64_t place = picked(p, at[2]);
    if (place >= 0) x[at[1] + place * p.step] = from[at[0]];
  }
}

template <typename E>
static cudaError_t send_of(int device, const picks &p, const void *from, void *x) {
  return tn_launch(send<E>, tn_cuda_blocks(device, p.index.count, BLOCK), BLOCK, 0, p,
                   static_cast<const E *>(from), static_cast<E *>(x));
}

/* Of sort and its relatives: what arrived goes to the elements that the indices name, the second
 * result; others get 0. */
static tn_status send_back(tn_kernel_call *call, int dim_at, bool reduces) {
  const tn_view &x = call->out[0];
  tn_view d = call->in[0], index = call->in[call->nin - 1];
  int64_t dim = dim_at < call->attrs->ni && call->attrs->i[dim_at] != TN_NONE
                    ? call->attrs->i[dim_at] : -1;
  picks p;
  if (d.data == nullptr || index.data == nullptr || d.dtype != x.dtype || x.ndim == 0) {
    return TN_DECLINED;
  }
  if (dim < 0) dim += x.ndim;
  if (reduces && d.ndim < x.ndim) { /* the dimension is one of size 1 again */
    for (tn_view *v : {&d, &index}) {
      for (int k = v->ndim; k > dim; k--) {
        v->sizes[k] = v->sizes[k - 1];
        v->strides[k] = v->strides[k - 1];
      }
      v->sizes[dim] = 1;
      v->strides[dim] = 0;
      v->ndim++;
    }
  }
  tn_status s = tn_picks_make(&p, call, index, d, x, index, (int)dim);
  const size_t item = tn_item_size(x.dtype);
  if (s == TN_OK) {
    s = tn_cuda_check(cudaMemsetAsync(x.data, 0, (size_t)tn_view_count(x) * item,
                                      static_cast<cudaStream_t>(tn_cuda_stream())));
  }
  if (s != TN_OK || p.index.count == 0) return s;
  if (item == 2) return tn_cuda_check(send_of<uint16_t>(call->device, p, d.data, x.data));
  if (item == 4) return tn_cuda_check(send_of<uint32_t>(call->device, p, d.data, x.data));
  return tn_cuda_check(send_of<uint64_t>(call->device, p, d.data, x.data));
}

extern "C" tn_status tn_cuda_sort_gradient(tn_kernel_call *call) { return send_back(call, 0, false); }
extern "C" tn_status tn_cuda_topk_gradient(tn_kernel_call *call) { return send_back(call, 1, false); }
extern "C" tn_status tn_cuda_kthvalue_gradient(tn_kernel_call *call) {
  return send_back(call, 1, true);
}
extern "C" tn_status tn_cuda_median_dim_gradient(tn_kernel_call *call) {
  return send_back(call, 0, true);
}
extern "C" tn_status tn_cuda_nanmedian_dim_gradient(tn_kernel_call *call) {
  return send_back(call, 0, true);
}
extern "C" tn_status tn_cuda_mode_gradient(tn_kernel_call *call) { return send_back(call, 0, true); }

/* -- One value --------------------------------------------------------------------------------- */

template <typename T>
__global__ void __launch_bounds__(BLOCK) spread(const __grid_constant__ picks p, void *x,
                                                int32_t dtype, operand<T> value) {
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
