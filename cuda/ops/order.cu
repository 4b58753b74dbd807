/* order.cu -- stable sorting of keys with their places: a network in shared memory for short lines,
 * a radix sort, 8 bits a pass, for long ones. A pass counts the digits of each tile, sums the counts
 * over the tiles, and moves the keys: all lines at once. */
#include "cuda/ops/order.h"

#include "cuda/ops/order.cuh"

enum { BLOCK = 256, WARPS = BLOCK / 32, DIGITS = 256, DIGIT_BITS = 8 };

/* Keys that each thread of a tile takes: as many as shared memory has room to put in order. */
template <typename K> struct tile_of {
  static const int each = sizeof(K) == 4 ? 14 : 8, keys = each * BLOCK;
};

struct sorted_lines {
  const void *keys;
  const uint32_t *at;
  void *to_keys;
  uint32_t *to_at;
  uint32_t *counts; /* by line, digit and tile */
  uint32_t *totals; /* by line and digit */
  int64_t lines, tiles;
  int n, shift;
  bool carried;
};

/* -- Short lines ------------------------------------------------------------------------------- */

template <typename K> __global__ void __launch_bounds__(512) order_short(sorted_lines s, int size) {
  TN_SHARED_BYTES(placed<K>, room);
  const int held = room_of<K>::value / size, total = held * size;
  const K *keys = static_cast<const K *>(s.keys);
  for (int64_t first = (int64_t)blockIdx.x * held; first < s.lines;
       first += (int64_t)gridDim.x * held) {
    const int lines = s.lines - first < held ? (int)(s.lines - first) : held;
    for (int t = threadIdx.x; t < total; t += blockDim.x) {
      const int line = t / size, i = t - line * size;
      room[t] = line < lines && i < s.n ? placed<K>::of(keys[(first + line) * s.n + i], i)
                                        : placed<K>::last();
    }
    __syncthreads();
    order_shared(room, size, total);
    for (int t = threadIdx.x; t < lines * size; t += blockDim.x) {
      const int line = t / size, i = t - line * size;
      if (i >= s.n) continue;
      const int64_t to = (first + line) * s.n + i;
      const uint32_t at = room[t].at();
      static_cast<K *>(s.to_keys)[to] = room[t].key();
      s.to_at[to] = s.carried ? s.at[(first + line) * s.n + at] : at;
    }
    __syncthreads();
  }
}

/* -- Long lines -------------------------------------------------------------------------------- */

template <typename K> __global__ void __launch_bounds__(BLOCK) count_digits(sorted_lines s) {
  __shared__ uint32_t counts[DIGITS];
  const K *keys = static_cast<const K *>(s.keys);
  for (int64_t b = blockIdx.x; b < s.lines * s.tiles; b += gridDim.x) {
    const int64_t line = b / s.tiles, tile = b - line * s.tiles;
    const int64_t first = tile * tile_of<K>::keys;
    counts[threadIdx.x] = 0;
    __syncthreads();
    for (int k = 0; k < tile_of<K>::each; k++) {
      const int64_t i = first + k * BLOCK + threadIdx.x;
      if (i < s.n) atomicAdd(&counts[keys[line * s.n + i] >> s.shift & (DIGITS - 1)], 1u);
    }
    __syncthreads();
    s.counts[(line * DIGITS + threadIdx.x) * s.tiles + tile] = counts[threadIdx.x];
    __syncthreads();
  }
}

/* A warp for each line and digit: the counts become sums over the tiles before. */
__global__ void __launch_bounds__(BLOCK) sum_tiles(sorted_lines s) {
  const int lane = threadIdx.x % 32;
  for (int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32; row < s.lines * DIGITS;
       row += (int64_t)gridDim.x * WARPS) {
    uint32_t *counts = s.counts + row * s.tiles, sum = 0;
    for (int64_t first = 0; first < s.tiles; first += 128) {
      uint32_t v[4], own = 0;
      for (int k = 0; k < 4; k++) {
        const int64_t i = first + lane * 4 + k;
        v[k] = i < s.tiles ? counts[i] : 0;
        own += v[k];
      }
      uint32_t all = own;
      for (int by = 1; by < 32; by *= 2) {
        const uint32_t other = __shfl_up_sync(~0u, all, by);
        if (lane >= by) all += other;
      }
      uint32_t before = sum + all - own;
      for (int k = 0; k < 4; k++) {
        const int64_t i = first + lane * 4 + k;
        if (i < s.tiles) counts[i] = before;
        before += v[k];
      }
      sum += __shfl_sync(~0u, all, 31);
    }
    if (lane == 0) s.totals[row] = sum;
  }
}

/* Puts a tile in order in shared memory, then writes runs of equal digits. */
template <typename K> __global__ void __launch_bounds__(BLOCK) move_keys(sorted_lines s) {
  const int EACH = tile_of<K>::each;
  __shared__ K room[tile_of<K>::keys];
  __shared__ uint32_t room_at[tile_of<K>::keys];
  __shared__ uint32_t held[WARPS][DIGITS], to_first[DIGITS], sums[33];
  const K *keys = static_cast<const K *>(s.keys);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int64_t b = blockIdx.x; b < s.lines * s.tiles; b += gridDim.x) {
    const int64_t line = b / s.tiles, tile = b - line * s.tiles, base = line * s.n;
    const int64_t first = tile * tile_of<K>::keys;
    const int count = s.n - first < tile_of<K>::keys ? (int)(s.n - first) : tile_of<K>::keys;
    K key[EACH];
    uint32_t rank[EACH];
    for (int w = 0; w < WARPS; w++) held[w][threadIdx.x] = 0;
    __syncthreads();
    /* each warp takes a part of the tile, in order; counted are its keys of each digit so far */
    for (int k = 0; k < EACH; k++) {
      const int i = warp * 32 * EACH + k * 32 + lane;
      key[k] = i < count ? keys[base + first + i] : K(0);
      const uint32_t digit = i < count ? (uint32_t)(key[k] >> s.shift) & (DIGITS - 1) : (uint32_t)DIGITS;
      const unsigned same = __match_any_sync(~0u, digit);
      const unsigned before = same & ((1u << lane) - 1);
      const uint32_t had = digit < DIGITS ? held[warp][digit] : 0;
      rank[k] = had + __popc(before);
      __syncwarp();
      if (before == 0 && digit < DIGITS) held[warp][digit] = had + __popc(same);
      __syncwarp();
    }
    __syncthreads();
    /* digit threadIdx.x: how many the warps before have, and where it begins in the tile */
    uint32_t all = 0, total;
    for (int w = 0; w < WARPS; w++) {
      const uint32_t own = held[w][threadIdx.x];
      held[w][threadIdx.x] = all;
      all += own;
    }
    const uint32_t begins = sum_before(all, sums, &total);
    for (int w = 0; w < WARPS; w++) held[w][threadIdx.x] += begins;
    __syncthreads();
    const uint32_t in_line = sum_before(s.totals[line * DIGITS + threadIdx.x], sums, &total);
    to_first[threadIdx.x] =
        in_line + s.counts[(line * DIGITS + threadIdx.x) * s.tiles + tile] - begins;
    for (int k = 0; k < EACH; k++) {
      const int i = warp * 32 * EACH + k * 32 + lane;
      if (i >= count) continue;
      const uint32_t to = rank[k] + held[warp][(uint32_t)(key[k] >> s.shift) & (DIGITS - 1)];
      room[to] = key[k];
      room_at[to] = s.at != nullptr ? s.at[base + first + i] : (uint32_t)(first + i);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += BLOCK) {
      const int64_t to =
          base + (uint32_t)(to_first[(uint32_t)(room[i] >> s.shift) & (DIGITS - 1)] + i);
      static_cast<K *>(s.to_keys)[to] = room[i];
      s.to_at[to] = room_at[i];
    }
    __syncthreads();
  }
}

/* -- The host's side --------------------------------------------------------------------------- */

static void swap_buffers(tn_cuda_ordering *o) {
  void *keys = o->keys;
  uint32_t *at = o->at;
  o->keys = o->spare_keys;
  o->at = o->spare_at;
  o->spare_keys = keys;
  o->spare_at = at;
}

template <typename K> static tn_status order_network(tn_cuda_ordering *o) {
  sorted_lines s = {};
  int size = 1;
  while (size < o->n) size *= 2;
  s.keys = o->keys, s.at = o->at, s.to_keys = o->spare_keys, s.to_at = o->spare_at;
  s.lines = o->lines, s.n = (int)o->n, s.carried = o->carried;
  const int held = room_of<K>::value / size;
  const int blocks = tn_cuda_blocks(o->device, (uint64_t)((o->lines + held - 1) / held), 1);
  tn_status status = tn_cuda_check(tn_launch(order_short<K>, blocks, 512,
                                             room_of<K>::value * sizeof(placed<K>), s, size));
  swap_buffers(o);
  return status;
}

template <typename K> static tn_status order_radix(tn_cuda_ordering *o) {
  sorted_lines s = {};
  s.lines = o->lines, s.n = (int)o->n;
  s.tiles = (o->n + tile_of<K>::keys - 1) / tile_of<K>::keys;
  void *memory;
  const size_t counts = (size_t)(s.lines * DIGITS * s.tiles), totals = (size_t)(s.lines * DIGITS);
  tn_status status = tn_cuda_alloc(o->device, (counts + totals) * sizeof(uint32_t), &memory);
  s.counts = static_cast<uint32_t *>(memory);
  s.totals = s.counts + counts;
  const int tiles = tn_cuda_blocks(o->device, (uint64_t)(s.lines * s.tiles), 1);
  const int rows = tn_cuda_blocks(o->device, (uint64_t)(s.lines * DIGITS), WARPS);
  for (s.shift = 0; s.shift < o->bits && status == TN_OK; s.shift += DIGIT_BITS) {
    s.keys = o->keys, s.to_keys = o->spare_keys, s.to_at = o->spare_at;
    s.at = s.shift > 0 || o->carried ? o->at : nullptr;
    status = tn_cuda_check(tn_launch(count_digits<K>, tiles, BLOCK, 0, s));
    if (status == TN_OK) status = tn_cuda_check(tn_launch(sum_tiles, rows, BLOCK, 0, s));
    if (status == TN_OK) status = tn_cuda_check(tn_launch(move_keys<K>, tiles, BLOCK, 0, s));
    swap_buffers(o);
  }
  tn_cuda_free(o->device, memory);
  return status;
}

template <typename K> static tn_status order(tn_cuda_ordering *o) {
  return o->n <= room_of<K>::value ? order_network<K>(o) : order_radix<K>(o);
}

tn_status tn_cuda_order(tn_cuda_ordering *o) {
  if (o->lines * o->n == 0) return TN_OK;
  return o->wide ? order<uint64_t>(o) : order<uint32_t>(o);
}

tn_status tn_cuda_order_begin(tn_cuda_ordering *o) {
  const size_t n = ((size_t)(o->lines * o->n) + 1) & ~(size_t)1, key = o->wide ? 8 : 4;
  tn_status s = tn_cuda_alloc(o->device, n * 2 * (key + sizeof(uint32_t)), &o->memory);
  if (s != TN_OK) return s;
  char *memory = static_cast<char *>(o->memory);
  o->keys = memory;
  o->spare_keys = memory + n * key;
  o->at = reinterpret_cast<uint32_t *>(memory + 2 * n * key);
  o->spare_at = o->at + n;
  return TN_OK;
}

void tn_cuda_order_end(tn_cuda_ordering *o) {
  tn_cuda_free(o->device, o->memory);
  o->memory = nullptr;
}
