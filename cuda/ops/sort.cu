/* sort.cu -- sort, topk, and one element of each line: kthvalue, median, nanmedian, mode.
 *
 * Elements become unsigned keys in their order, as in tensor/ops/keys.c: NaN above all, -0 as 0. Short
 * lines are put in order in shared memory, several in a block; long ones by the radix sort, except
 * that the first few of a long line are selected digit by digit before they are put in order. */
#include "cuda/ops/order.cuh"
#include "cuda/ops/order.h"
#include "cuda/ops/picks.cuh"

enum { BLOCK = 256, SHORT_BLOCK = 512, MOST_HELD = 256, SELECT_BLOCK = 512, DIGITS = 256 };
typedef enum { SORT, KTH, MEDIAN, NANMEDIAN, MODE } wish;

/* Lines of one dimension. Views of `line`: the first result, x. */
struct sorting {
  tn_positions line;
  const void *x;
  int32_t dtype;
  int bytes;
  bool descending;
  wish what;
  int64_t n, k, step, to_step; /* k: how many are wanted, or which one */
  int64_t base;
  void *values;
  int64_t *indices;
};

/* -- Keys -------------------------------------------------------------------------------------- */

template <typename K>
__device__ static inline K float_key(K bits, int width, K infinity) {
  const K sign = (K)1 << (width - 1), all = sign | (sign - 1);
  if ((bits & (sign - 1)) > infinity) return all;
  if (bits == sign) bits = 0;
  return bits & sign ? ~bits & all : bits | sign;
}

template <typename K> __device__ static inline K key_of(const sorting &s, int64_t at) {
  K key;
  if constexpr (sizeof(K) == 8) {
    const uint64_t bits = element<uint64_t>(s.x, at);
    key = s.dtype == TN_I64 ? bits ^ (uint64_t)1 << 63
                            : float_key<uint64_t>(bits, 64, (uint64_t)0x7ff << 52);
  } else {
    switch (s.dtype) {
      case TN_BOOL: key = element<uint8_t>(s.x, at) != 0; break;
      case TN_U8: key = element<uint8_t>(s.x, at); break;
      case TN_I8: key = element<uint8_t>(s.x, at) ^ 0x80u; break;
      case TN_I16: key = element<uint16_t>(s.x, at) ^ 0x8000u; break;
      case TN_I32: key = element<uint32_t>(s.x, at) ^ 0x80000000u; break;
      case TN_F16: key = float_key<uint32_t>(element<uint16_t>(s.x, at), 16, 0x7c00); break;
      case TN_BF16: key = float_key<uint32_t>(element<uint16_t>(s.x, at), 16, 0x7f80); break;
      default: key = float_key<uint32_t>(element<uint32_t>(s.x, at), 32, 0x7f800000);
    }
  }
  return s.descending ? key ^ (K)(~(uint64_t)0 >> (64 - 8 * s.bytes)) : key;
}

/* The key of every NaN; integers have none. */
template <typename K> __device__ static inline K nan_key(const sorting &s) {
  return (K)(~(uint64_t)0 >> (64 - 8 * s.bytes));
}

__device__ static inline void give(const sorting &s, int64_t from, int64_t to, uint32_t at) {
  s.indices[to] = (int64_t)at + s.base;
  switch (s.bytes) {
    case 1: static_cast<uint8_t *>(s.values)[to] = element<uint8_t>(s.x, from); break;
    case 2: static_cast<uint16_t *>(s.values)[to] = element<uint16_t>(s.x, from); break;
    case 4: static_cast<uint32_t *>(s.values)[to] = element<uint32_t>(s.x, from); break;
    default: static_cast<uint64_t *>(s.values)[to] = element<uint64_t>(s.x, from);
  }
}

/* -- One element of a line in order ------------------------------------------------------------ */

template <typename K> struct in_shared {
  const placed<K> *line;
  __device__ K key(int64_t i) const { return line[i].key(); }
  __device__ uint32_t at(int64_t i) const { return line[i].at(); }
};

template <typename K> struct in_memory {
  const K *keys;
  const uint32_t *places;
  __device__ K key(int64_t i) const { return keys[i]; }
  __device__ uint32_t at(int64_t i) const { return places[i]; }
};

/* The first place in order whose key is not below this one. */
template <typename K, class LINE>
__device__ static int64_t first_of(const LINE &line, int64_t n, K key) {
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (line.key(middle) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Of equal elements the first one. */
template <typename K, class LINE>
__device__ static uint32_t chosen(const sorting &s, const LINE &line) {
  int64_t k = s.k;
  if (s.what != KTH) {
    const int64_t numbers = s.dtype < TN_F16 ? s.n : first_of<K>(line, s.n, nan_key<K>(s));
    k = numbers == 0 || (s.what == MEDIAN && numbers < s.n) ? s.n - 1 : (numbers - 1) / 2;
  }
  return line.at(first_of<K>(line, s.n, line.key(k)));
}

/* How often the key comes that ends at place i in order, and, of the same number, which is smaller; 0
 * where no run ends. */
template <typename K, class LINE>
__device__ static unsigned long long run_at(const sorting &s, const LINE &line, int64_t i) {
  const K key = line.key(i);
  if (i + 1 < s.n && line.key(i + 1) == key) return 0;
  const int64_t length = i + 1 - first_of<K>(line, s.n, key);
  return (unsigned long long)length << 32 | (uint32_t)~(uint32_t)i;
}

/* -- Short lines ------------------------------------------------------------------------------- */

template <typename K>
__global__ void __launch_bounds__(SHORT_BLOCK) sort_short(sorting s, int log_size, int held) {
  TN_SHARED_BYTES(placed<K>, room);
  __shared__ unsigned long long runs[MOST_HELD];
  const int size = 1 << log_size, total = held * size;
  const bool across = s.step != 1; /* then lines are neighbours */
  const int64_t all = (int64_t)s.line.count;
  for (int64_t first = (int64_t)blockIdx.x * held; first < all; first += (int64_t)gridDim.x * held) {
    const int lines = all - first < held ? (int)(all - first) : held;
    for (int t = threadIdx.x; t < total; t += SHORT_BLOCK) {
      const int line = across ? t % held : t >> log_size, i = across ? t / held : t & (size - 1);
      placed<K> p = placed<K>::last();
      if (line < lines && i < s.n) {
        int64_t at[2];
        tn_index_at(&s.line, (uint64_t)(first + line), 2, at);
        p = placed<K>::of(key_of<K>(s, at[1] + i * s.step), (uint32_t)i);
      }
      room[line * size + i] = p;
    }
    for (int t = threadIdx.x; t < held; t += SHORT_BLOCK) runs[t] = 0;
    __syncthreads();
    order_shared(room, size, total);
    if (s.what == MODE) {
      for (int t = threadIdx.x; t < lines * size; t += SHORT_BLOCK) {
        const int line = t >> log_size, i = t & (size - 1);
        if (i >= s.n) continue;
        const unsigned long long run = run_at<K>(s, in_shared<K>{room + line * size}, i);
        if (run != 0) atomicMax(&runs[line], run);
      }
      __syncthreads();
    }
    const int wanted = s.what == SORT ? (int)s.k : 1;
    for (int t = threadIdx.x; t < lines * wanted; t += SHORT_BLOCK) {
      const int line = across ? t % lines : t / wanted, i = across ? t / lines : t % wanted;
      const in_shared<K> sorted = {room + line * size};
      int64_t at[2];
      tn_index_at(&s.line, (uint64_t)(first + line), 2, at);
      uint32_t from;
      if (s.what == SORT) from = sorted.at(i);
      else if (s.what == MODE) from = sorted.at((uint32_t)~(uint32_t)runs[line]);
      else from = chosen<K>(s, sorted);
      give(s, at[1] + from * s.step, s.what == SORT ? at[0] + i * s.to_step : first + line, from);
    }
    __syncthreads();
  }
}

/* -- Long lines -------------------------------------------------------------------------------- */

template <typename K>
__global__ void __launch_bounds__(BLOCK)
    make_keys(sorting s, K *keys, int64_t first, int64_t lines, bool across) {
  const int64_t step = (int64_t)gridDim.x * BLOCK;
  for (int64_t t = (int64_t)blockIdx.x * BLOCK + threadIdx.x; t < lines * s.n; t += step) {
    const int64_t line = across ? t % lines : t / s.n, i = across ? t / lines : t - line * s.n;
    int64_t at[2];
    tn_index_at(&s.line, (uint64_t)(first + line), 2, at);
    keys[line * s.n + i] = key_of<K>(s, at[1] + i * s.step);
  }
}

/* The first k of each line; those in order are `n` apart. */
__global__ void __launch_bounds__(BLOCK)
    give_lines(sorting s, const uint32_t *places, int64_t n, int64_t first, int64_t lines) {
  const int64_t step = (int64_t)gridDim.x * BLOCK;
  for (int64_t t = (int64_t)blockIdx.x * BLOCK + threadIdx.x; t < lines * s.k; t += step) {
    const int64_t line = t / s.k, i = t - line * s.k;
    int64_t at[2];
    tn_index_at(&s.line, (uint64_t)(first + line), 2, at);
    const uint32_t from = places[line * n + i];
    give(s, at[1] + from * s.step, at[0] + i * s.to_step, from);
  }
}

/* A block for each line. */
template <typename K>
__global__ void __launch_bounds__(BLOCK)
    give_chosen(sorting s, const K *keys, const uint32_t *places, int64_t first, int64_t lines) {
  __shared__ unsigned long long best;
  for (int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
    const in_memory<K> sorted = {keys + line * s.n, places + line * s.n};
    if (threadIdx.x == 0) best = 0;
    __syncthreads();
    if (s.what == MODE) {
      for (int64_t i = threadIdx.x; i < s.n; i += BLOCK) {
        const unsigned long long run = run_at<K>(s, sorted, i);
        if (run != 0) atomicMax(&best, run);
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int64_t at[2];
      tn_index_at(&s.line, (uint64_t)(first + line), 2, at);
      const uint32_t from = s.what == MODE ? sorted.at((uint32_t)~(uint32_t)best)
                                           : chosen<K>(s, sorted);
      give(s, at[1] + from * s.step, first + line, from);
    }
    __syncthreads();
  }
}

/* -- The first k of long lines ----------------------------------------------------------------- */

struct selection {
  const void *keys; /* NULL: made from the elements */
  const uint32_t *at;
  void *to_keys;
  uint32_t *to_at;
  int64_t n, k, pieces; /* of each line */
  int bits;
};

template <typename K>
__device__ static inline K candidate(const sorting &s, const selection &f, int64_t from,
                                     int64_t i) {
  return f.keys != nullptr ? static_cast<const K *>(f.keys)[from + i] : key_of<K>(s, from + i * s.step);
}

/* A block for each piece of a line: digit by digit it finds the key of the k-th, then keeps what is
 * below that, and as many equal ones as are wanted, the first ones, in the order of their places. */
template <typename K>
__global__ void __launch_bounds__(SELECT_BLOCK) select_first(sorting s, selection f) {
  __shared__ uint32_t counts[DIGITS];
  __shared__ uint64_t sums[33];
  __shared__ uint32_t digit_found, left_found;
  for (int64_t b = blockIdx.x; b < (int64_t)s.line.count * f.pieces; b += gridDim.x) {
    const int64_t line = b / f.pieces, piece = b - line * f.pieces;
    const int64_t begin = f.n * piece / f.pieces, end = f.n * (piece + 1) / f.pieces;
    int64_t at[2];
    tn_index_at(&s.line, (uint64_t)line, 2, at);
    const int64_t from = f.keys != nullptr ? line * f.n : at[1];
    K limit = 0, known = 0;
    uint32_t left = (uint32_t)f.k; /* the limit is the left-th, from 1, of those that fit so far */
    for (int shift = f.bits - 8; shift >= 0; shift -= 8) {
      if (threadIdx.x < DIGITS) counts[threadIdx.x] = 0;
      __syncthreads();
      for (int64_t i = begin + threadIdx.x; i < end; i += SELECT_BLOCK) {
        const K key = candidate<K>(s, f, from, i);
        if ((key & known) == limit) atomicAdd(&counts[(uint32_t)(key >> shift) & (DIGITS - 1)], 1u);
      }
      __syncthreads();
      const uint64_t own = threadIdx.x < DIGITS ? counts[threadIdx.x] : 0;
      uint64_t total;
      const uint64_t before = sum_before(own, sums, &total);
      if (own > 0 && before < left && left <= before + own) {
        digit_found = threadIdx.x;
        left_found = left - (uint32_t)before;
      }
      __syncthreads();
      limit |= (K)digit_found << shift;
      known |= (K)(DIGITS - 1) << shift;
      left = left_found;
      __syncthreads();
    }
    K *keys = static_cast<K *>(f.to_keys) + b * f.k;
    uint32_t *places = f.to_at + b * f.k;
    uint64_t kept = 0; /* below the limit in the low half, equal to it in the high one */
    for (int64_t first = begin; first < end; first += SELECT_BLOCK) {
      const int64_t i = first + threadIdx.x;
      const K key = i < end ? candidate<K>(s, f, from, i) : 0;
      const bool below = i < end && key < limit, equal = i < end && key == limit;
      uint64_t total;
      const uint64_t before =
          kept + sum_before((uint64_t)below | (uint64_t)equal << 32, sums, &total);
      const uint32_t ties = (uint32_t)(before >> 32);
      if (below || (equal && ties < left)) {
        const uint32_t to = (uint32_t)before + (ties < left ? ties : left);
        keys[to] = key;
        places[to] = f.at != nullptr ? f.at[from + i] : (uint32_t)i;
      }
      kept += total;
      __syncthreads();
    }
  }
}

/* -- The host's side --------------------------------------------------------------------------- */

template <typename K> static tn_status run_short(int device, const sorting &s) {
  int log_size = 0;
  while ((int64_t)1 << log_size < s.n) log_size++;
  int held = room_of<K>::value >> log_size;
  if (held > MOST_HELD) held = MOST_HELD;
  const int blocks = tn_cuda_blocks(device, (s.line.count + held - 1) / held, 1);
  const size_t bytes = ((size_t)held << log_size) * sizeof(placed<K>);
  return tn_cuda_check(tn_launch(sort_short<K>, blocks, SHORT_BLOCK, bytes, s, log_size, held));
}

/* So many lines at once that the work space is not much larger than a GiB. */
template <typename K> static tn_status run_long(int device, const sorting &s) {
  const int64_t all = (int64_t)s.line.count, most = ((int64_t)1 << 26) / s.n;
  const int64_t each = most < 1 ? 1 : most < all ? most : all;
  tn_cuda_ordering o = {};
  o.device = device;
  o.bits = 8 * s.bytes;
  o.wide = sizeof(K) == 8;
  o.lines = each;
  o.n = s.n;
  tn_status status = tn_cuda_order_begin(&o);
  for (int64_t first = 0; first < all && status == TN_OK; first += each) {
    const int64_t lines = all - first < each ? all - first : each;
    o.lines = lines;
    status = tn_cuda_check(tn_launch(make_keys<K>, tn_cuda_blocks(device, lines * s.n, BLOCK), BLOCK,
                                     0, s, static_cast<K *>(o.keys), first, lines,
                                     s.step != 1 && lines > 1));
    if (status == TN_OK) status = tn_cuda_order(&o);
    if (status == TN_OK && s.what == SORT) {
      status = tn_cuda_check(tn_launch(give_lines, tn_cuda_blocks(device, lines * s.k, BLOCK), BLOCK,
                                       0, s, o.at, s.n, first, lines));
    } else if (status == TN_OK) {
      status = tn_cuda_check(tn_launch(give_chosen<K>, tn_cuda_blocks(device, lines, 1), BLOCK, 0, s,
                                       static_cast<const K *>(o.keys), o.at, first, lines));
    }
  }
  tn_cuda_order_end(&o);
  return status;
}

template <typename K>
static tn_status select(int device, const sorting &s, selection f, tn_cuda_ordering *to) {
  to->device = device;
  to->bits = 8 * s.bytes;
  to->wide = sizeof(K) == 8;
  to->carried = true;
  to->lines = (int64_t)s.line.count;
  to->n = f.pieces * f.k;
  tn_status status = tn_cuda_order_begin(to);
  f.to_keys = to->keys;
  f.to_at = to->at;
  const int blocks = tn_cuda_blocks(device, s.line.count * (uint64_t)f.pieces, 1);
  return status != TN_OK ? status
                         : tn_cuda_check(tn_launch(select_first<K>, blocks, SELECT_BLOCK, 0, s, f));
}

/* The pieces' best lie one after another, so that those of the line can be selected from them. */
template <typename K> static tn_status run_first(int device, const sorting &s) {
  tn_cuda_ordering some = {}, few = {};
  selection f = {};
  const int64_t least = 4 * s.k > 8192 ? 4 * s.k : 8192;
  f.n = s.n;
  f.k = s.k;
  f.bits = 8 * s.bytes;
  f.pieces = s.n / least;
  const int64_t most = (int64_t)(512 / s.line.count) + 1;
  if (f.pieces > most) f.pieces = most;
  if (f.pieces < 1) f.pieces = 1;
  tn_status status = select<K>(device, s, f, &some);
  tn_cuda_ordering *o = &some;
  if (status == TN_OK && f.pieces > 1) {
    f.keys = some.keys;
    f.at = some.at;
    f.n = some.n;
    f.pieces = 1;
    o = &few;
    status = select<K>(device, s, f, o);
  }
  if (status == TN_OK) status = tn_cuda_order(o);
  if (status == TN_OK) {
    const int64_t lines = (int64_t)s.line.count;
    status = tn_cuda_check(tn_launch(give_lines, tn_cuda_blocks(device, lines * s.k, BLOCK), BLOCK, 0,
                                     s, o->at, s.k, (int64_t)0, lines));
  }
  tn_cuda_order_end(&few);
  tn_cuda_order_end(&some);
  return status;
}

template <typename K> static tn_status run_as(int device, const sorting &s) {
  if (s.n <= room_of<K>::value) return run_short<K>(device, s);
  if (s.what == SORT && s.k < s.n / 8) return run_first<K>(device, s);
  return run_long<K>(device, s);
}

static tn_status sort(tn_kernel_call *call, wish what, int64_t k, bool descending) {
  tn_view x = call->in[0], line = x, to = call->out[0];
  sorting s = {};
  const int dim = x.ndim > 0 ? call->dim : -1;
  s.n = dim >= 0 ? x.sizes[dim] : 1;
  if (x.data == nullptr || s.n >= INT32_MAX) return TN_DECLINED;
  if (tn_view_count(to) == 0) return TN_OK;
  s.what = what;
  s.k = what == SORT && dim < 0 ? 1 : k < 0 ? s.n : k;
  s.x = x.data;
  s.dtype = x.dtype;
  s.bytes = (int)tn_item_size(x.dtype);
  s.descending = descending;
  s.base = call->index_base;
  s.values = to.data;
  s.indices = static_cast<int64_t *>(call->out[1].data);
  s.step = dim >= 0 ? x.strides[dim] : 1;
  if (what == SORT && dim >= 0) {
    s.to_step = to.strides[dim];
    to.sizes[dim] = 1;
  } else { /* one result for each line, in their order */
    to = x;
    to.strides[0] = 0;
  }
  if (dim >= 0) line.sizes[dim] = to.sizes[dim] = 1;
  tn_index_make(&s.line, &to, &line, 1);
  return s.bytes == 8 ? run_as<uint64_t>(call->device, s) : run_as<uint32_t>(call->device, s);
}

static int64_t whole(const tn_kernel_call *call, int k, int64_t otherwise) {
  return k < call->attrs->ni && call->attrs->i[k] != TN_NONE ? call->attrs->i[k] : otherwise;
}

extern "C" tn_status tn_cuda_sort(tn_kernel_call *call) {
  return sort(call, SORT, -1, whole(call, 1, 0) != 0);
}

extern "C" tn_status tn_cuda_topk(tn_kernel_call *call) {
  return sort(call, SORT, call->attrs->i[0], whole(call, 2, 0) != 0);
}

extern "C" tn_status tn_cuda_kthvalue(tn_kernel_call *call) {
  return sort(call, KTH, call->attrs->i[0] - 1, false);
}

extern "C" tn_status tn_cuda_median_dim(tn_kernel_call *call) { return sort(call, MEDIAN, 0, false); }
extern "C" tn_status tn_cuda_nanmedian_dim(tn_kernel_call *call) {
  return sort(call, NANMEDIAN, 0, false);
}
extern "C" tn_status tn_cuda_mode(tn_kernel_call *call) { return sort(call, MODE, 0, false); }
