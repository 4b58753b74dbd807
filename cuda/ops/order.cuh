/* order.cuh -- what kernels that put keys in order share: a network in shared memory, and sums over
 * the threads of a block. */
#ifndef TN_CUDA_ORDER_CUH
#define TN_CUDA_ORDER_CUH

#include "cuda/launch.cuh"

/* A key with its place, which tells equal ones apart: the order is total, so a network keeps the
 * order of equal keys. */
template <typename K> struct placed;
template <> struct placed<uint32_t> {
  uint64_t both;
  __device__ static placed of(uint32_t key, uint32_t at) { return {(uint64_t)key << 32 | at}; }
  __device__ static placed last() { return {~(uint64_t)0}; }
  __device__ uint32_t key() const { return (uint32_t)(both >> 32); }
  __device__ uint32_t at() const { return (uint32_t)both; }
  __device__ bool before(const placed &b) const { return both < b.both; }
};
template <> struct placed<uint64_t> {
  uint64_t bits;
  uint32_t place, unused;
  __device__ static placed of(uint64_t key, uint32_t at) { return {key, at, 0}; }
  __device__ static placed last() { return {~(uint64_t)0, ~(uint32_t)0, 0}; }
  __device__ uint64_t key() const { return bits; }
  __device__ uint32_t at() const { return place; }
  __device__ bool before(const placed &b) const {
    return bits < b.bits || (bits == b.bits && place < b.place);
  }
};

/* Keys of shared memory: as many as 32 KiB hold. */
template <typename K> struct room_of {
  static const int value = (32 << 10) / sizeof(placed<K>);
};

/* Sorts each of the neighbouring lines of `size` keys, a power of 2, that the `total` keys in shared
 * memory make. All threads of the block call it; they wait for each other before it and after it. */
template <typename E> __device__ static void order_shared(E *p, int size, int total) {
  for (int width = 2, log = 1; width <= size; width *= 2, log++) {
    for (int t = threadIdx.x; t < total / 2; t += blockDim.x) {
      const int i = t & (width / 2 - 1), first = t >> (log - 1) << log;
      E *a = p + first + i, *b = p + first + width - 1 - i;
      if (b->before(*a)) {
        const E moved = *a;
        *a = *b;
        *b = moved;
      }
    }
    __syncthreads();
    for (int apart = width / 4, bit = log - 2; apart > 0; apart /= 2, bit--) {
      for (int t = threadIdx.x; t < total / 2; t += blockDim.x) {
        E *a = p + (t >> bit << (bit + 1)) + (t & (apart - 1)), *b = a + apart;
        if (b->before(*a)) {
          const E moved = *a;
          *a = *b;
          *b = moved;
        }
      }
      __syncthreads();
    }
  }
}

/* The sum of v over the threads before this one; *total: over all of them. `sums`: 33 numbers of
 * shared memory, which may be used again after a barrier. The block is of whole warps. */
template <typename T> __device__ static T sum_before(T v, T *sums, T *total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  T sum = v;
  for (int by = 1; by < 32; by *= 2) {
    const T other = __shfl_up_sync(~0u, sum, by);
    if (lane >= by) sum += other;
  }
  if (lane == 31) sums[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    const T own = lane < warps ? sums[lane] : T(0);
    T all = own;
    for (int by = 1; by < 32; by *= 2) {
      const T other = __shfl_up_sync(~0u, all, by);
      if (lane >= by) all += other;
    }
    if (lane < warps) sums[lane] = all - own;
    if (lane == 31) sums[32] = all;
  }
  __syncthreads();
  *total = sums[32];
  return sums[warp] + sum - v;
}

#endif
