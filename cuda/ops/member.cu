/* member.cu -- isin: which elements are among others, by a table of these. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

namespace {

enum { BLOCK = 256, NOBODY = -1 };

/* Where a key is looked for first: its bits well mixed. */
__device__ inline uint32_t spot(uint64_t bits) {
  bits ^= bits >> 32;
  bits *= 0xd6e8feb86659fd93u;
  bits ^= bits >> 32;
  bits *= 0xd6e8feb86659fd93u;
  return (uint32_t)(bits >> 32);
}

__device__ inline uint32_t spot_of(int64_t key) { return spot((uint64_t)key); }
__device__ inline uint32_t spot_of(double key) {
  uint64_t bits;
  key += 0.0; /* both zeros are one */
  memcpy(&bits, &key, sizeof bits);
  return spot(bits);
}

template <class V> struct members {
  operand<V> among;
  tn_positions index;
  int *table; /* positions in `among`, or NOBODY */
  uint32_t mask;
};

template <class V> __device__ inline V member(const members<V> &m, int i) {
  int64_t at[1];
  tn_index_at(&m.index, (uint64_t)i, 1, at);
  return fetch(m.among, at[0]);
}

template <class V> __global__ void __launch_bounds__(BLOCK) enter_members(members<V> m) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < m.index.count; i += step) {
    const V key = member(m, (int)i);
    if (key != key) continue; /* NaN is equal to nothing */
    for (uint32_t at = spot_of(key);; at++) {
      const int there = atomicCAS(&m.table[at & m.mask], (int)NOBODY, (int)i);
      if (there == NOBODY || member(m, there) == key) break;
    }
  }
}

template <class V>
__global__ void __launch_bounds__(BLOCK)
find_members(members<V> m, tn_positions index, operand<V> x, uint8_t *out, bool invert) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[1];
    tn_index_at(&index, i, 1, at);
    const V key = fetch(x, at[0]);
    bool found = false;
    for (uint32_t k = spot_of(key); key == key; k++) {
      const int there = m.table[k & m.mask];
      if (there == NOBODY) break;
      found = member(m, there) == key;
      if (found) break;
    }
    out[i] = found != invert;
  }
}

template <class V> tn_status find(tn_kernel_call *call) {
  members<V> m;
  tn_positions index;
  void *table;
  uint64_t slots = 64;
  const bool invert = call->attrs->ni > 0 && call->attrs->i[0] != TN_NONE && call->attrs->i[0] != 0;
  tn_index_make(&index, &call->in[0], nullptr, 0);
  tn_index_make(&m.index, &call->in[1], nullptr, 0);
  if (index.count == 0) return TN_OK;
  if (m.index.count > (uint64_t)1 << 30) return TN_DECLINED;
  while (slots < 2 * m.index.count) slots *= 2;
  tn_status s = tn_cuda_alloc(call->device, slots * sizeof *m.table, &table);
  if (s != TN_OK) return s;
  m.among = operand_of<V>(call->in[1]);
  m.table = static_cast<int *>(table);
  m.mask = (uint32_t)(slots - 1);
  cudaError_t error = cudaMemsetAsync(table, 0xff, slots * sizeof *m.table,
                                      static_cast<cudaStream_t>(tn_cuda_stream()));
  if (error == cudaSuccess && m.index.count > 0) {
    error = tn_launch(enter_members<V>, tn_cuda_blocks(call->device, m.index.count, BLOCK), BLOCK, 0,
                      m);
  }
  if (error == cudaSuccess) {
    error = tn_launch(find_members<V>, tn_cuda_blocks(call->device, index.count, BLOCK), BLOCK, 0, m,
                      index, operand_of<V>(call->in[0]), static_cast<uint8_t *>(call->out[0].data),
                      invert);
  }
  tn_cuda_free(call->device, table);
  return tn_cuda_check(error);
}

}  // namespace

extern "C" tn_status tn_cuda_isin(tn_kernel_call *call) {
  const bool floats = call->in[0].dtype >= TN_F16 || call->in[1].dtype >= TN_F16;
  return floats ? find<double>(call) : find<int64_t>(call);
}
