/* chosen.cuh -- those positions for which a test holds, numbered in their order: what masks, nonzero
 * and unique share. Tiles are counted, the counts summed, and then each position that was chosen is
 * given its number.
 *
 * TEST has bool operator()(uint64_t position); ACT has void operator()(uint64_t position, int64_t
 * number). Both are copied to the kernels. */
#ifndef TN_CUDA_CHOSEN_CUH
#define TN_CUDA_CHOSEN_CUH

#include "cuda/ops/order.cuh"

enum { CHOSEN_BLOCK = 256, CHOSEN_EACH = 8, CHOSEN_TILE = CHOSEN_BLOCK * CHOSEN_EACH };

/* The position of item k of a thread: a warp's are neighbours, in order. */
__device__ static inline uint64_t chosen_at(int64_t tile, int k) {
  return (uint64_t)tile * CHOSEN_TILE + threadIdx.x / 32 * (32 * CHOSEN_EACH) + k * 32 +
         threadIdx.x % 32;
}

template <class TEST>
__global__ void __launch_bounds__(CHOSEN_BLOCK)
    count_chosen(TEST test, uint64_t n, int64_t tiles, int64_t *counts) {
  __shared__ int sums[CHOSEN_BLOCK / 32];
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    int count = 0;
    for (int k = 0; k < CHOSEN_EACH; k++) {
      const uint64_t i = chosen_at(tile, k);
      count += i < n && test(i);
    }
    for (int by = 16; by > 0; by /= 2) count += __shfl_down_sync(~0u, count, by);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = count;
    __syncthreads();
    if (threadIdx.x == 0) {
      int all = 0;
      for (int w = 0; w < CHOSEN_BLOCK / 32; w++) all += sums[w];
      counts[tile] = all;
    }
    __syncthreads();
  }
}

/* One block: each count becomes the sum of those before it; counts[tiles] the sum of all. */
static __global__ void __launch_bounds__(1024) sum_counts(int64_t *counts, int64_t tiles) {
  __shared__ int64_t sums[33];
  int64_t before = 0;
  for (int64_t first = 0; first < tiles; first += 1024) {
    const int64_t i = first + threadIdx.x, own = i < tiles ? counts[i] : 0;
    int64_t total;
    const int64_t sum = sum_before(own, sums, &total);
    if (i < tiles) counts[i] = before + sum;
    before += total;
    __syncthreads();
  }
  if (threadIdx.x == 0) counts[tiles] = before;
}

template <class TEST, class ACT>
__global__ void __launch_bounds__(CHOSEN_BLOCK)
    act_on_chosen(TEST test, ACT act, uint64_t n, int64_t tiles, const int64_t *counts) {
  __shared__ int sums[CHOSEN_BLOCK / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    unsigned votes[CHOSEN_EACH];
    int count = 0;
#pragma unroll
    for (int k = 0; k < CHOSEN_EACH; k++) {
      const uint64_t i = chosen_at(tile, k);
      votes[k] = __ballot_sync(~0u, i < n && test(i));
      count += __popc(votes[k]);
    }
    if (lane == 0) sums[warp] = count;
    __syncthreads();
    int64_t number = counts[tile];
    for (int w = 0; w < warp; w++) number += sums[w];
#pragma unroll
    for (int k = 0; k < CHOSEN_EACH; k++) {
      if (votes[k] >> lane & 1) {
        act(chosen_at(tile, k), number + __popc(votes[k] & ((1u << lane) - 1)));
      }
      number += __popc(votes[k]);
    }
    __syncthreads();
  }
}

/* Room for the counts, which the caller frees, filled with their sums. */
template <class TEST>
static tn_status number_chosen(int device, const TEST &test, uint64_t n, int64_t **counts) {
  const int64_t tiles = (int64_t)((n + CHOSEN_TILE - 1) / CHOSEN_TILE);
  void *memory;
  *counts = nullptr;
  tn_status s = tn_cuda_alloc(device, (size_t)(tiles + 1) * sizeof(int64_t), &memory);
  if (s != TN_OK) return s;
  *counts = static_cast<int64_t *>(memory);
  if (tiles > 0) {
    s = tn_cuda_check(tn_launch(count_chosen<TEST>, tn_cuda_blocks(device, (uint64_t)tiles, 1),
                                CHOSEN_BLOCK, 0, test, n, tiles, *counts));
  }
  return s == TN_OK ? tn_cuda_check(tn_launch(sum_counts, 1, 1024, 0, *counts, tiles)) : s;
}

template <class TEST, class ACT>
static tn_status act_on(int device, const TEST &test, const ACT &act, uint64_t n,
                        const int64_t *counts) {
  const int64_t tiles = (int64_t)((n + CHOSEN_TILE - 1) / CHOSEN_TILE);
  if (tiles == 0) return TN_OK;
  return tn_cuda_check(tn_launch(act_on_chosen<TEST, ACT>,
                                 tn_cuda_blocks(device, (uint64_t)tiles, 1), CHOSEN_BLOCK, 0, test,
                                 act, n, tiles, counts));
}

template <class TEST, class ACT>
static tn_status for_chosen(int device, const TEST &test, const ACT &act, uint64_t n) {
  int64_t *counts;
  tn_status s = number_chosen(device, test, n, &counts);
  if (s == TN_OK) s = act_on(device, test, act, n, counts);
  tn_cuda_free(device, counts);
  return s;
}

/* Reads how many there are. */
template <class TEST>
static tn_status count_of_chosen(int device, const TEST &test, uint64_t n, int64_t *count) {
  int64_t *counts;
  tn_status s = number_chosen(device, test, n, &counts);
  const int64_t tiles = (int64_t)((n + CHOSEN_TILE - 1) / CHOSEN_TILE);
  if (s == TN_OK) s = tn_cuda_read(device, count, counts + tiles, sizeof *count);
  tn_cuda_free(device, counts);
  return s;
}

#endif
