/* mask.cu -- elements that a mask or a value picks: maskedSelect, maskedCopy, nonzero, and how many
 * there are; places of index tensors in a subscript. */
#include "cuda/ops/chosen.cuh"
#include "cuda/ops/picks.cuh"

enum { BLOCK = 256 };

/* Is the element at a position different from 0? Of a float all bits but the sign tell. */
struct is_set {
  tn_positions index;
  const void *data;
  uint64_t number, telling;
  int bytes;
  __device__ bool operator()(uint64_t i) const {
    if (data == nullptr) return number != 0;
    int64_t at[1];
    tn_index_at(&index, i, 1, at);
    switch (bytes) {
      case 1: return (element<uint8_t>(data, at[0]) & telling) != 0;
      case 2: return (element<uint16_t>(data, at[0]) & telling) != 0;
      case 4: return (element<uint32_t>(data, at[0]) & telling) != 0;
      default: return (element<uint64_t>(data, at[0]) & telling) != 0;
    }
  }
};

static is_set set_of(const tn_view &v) {
  is_set t;
  t.bytes = (int)tn_item_size(v.dtype);
  t.telling = ~(uint64_t)0 >> (64 - 8 * t.bytes);
  if (v.dtype >= TN_F16) t.telling >>= 1;
  t.data = v.data;
  t.number = v.real != 0 || v.whole != 0 || v.real != v.real;
  tn_index_make(&t.index, &v, nullptr, 0);
  return t;
}

/* The mask seen in x's shape; or, as in Torch7, as many elements in any shape. */
static bool mask_of(const tn_view &mask, const tn_view &x, is_set *test) {
  tn_view shown = mask;
  if (mask.dtype != TN_U8 && mask.dtype != TN_BOOL) return false;
  if (tn_view_count(mask) != tn_view_count(x)) {
    if (mask.ndim > x.ndim) return false;
    for (int d = 0; d < x.ndim; d++) {
      const int own = d - (x.ndim - mask.ndim);
      const int64_t have = own < 0 ? 1 : mask.sizes[own];
      if (have != 1 && have != x.sizes[d]) return false;
      shown.sizes[d] = x.sizes[d];
      shown.strides[d] = have == 1 ? 0 : mask.strides[own];
    }
    shown.ndim = x.ndim;
  }
  *test = set_of(shown);
  return true;
}

extern "C" tn_status tn_cuda_count_set(int device, const tn_view *v, int64_t *count) {
  const is_set test = set_of(*v);
  int before;
  *count = 0;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = count_of_chosen(device, test, test.index.count, count);
  tn_cuda_leave(device, before);
  return s;
}

/* -- maskedSelect, maskedCopy ------------------------------------------------------------------ */

template <typename E> struct take_set {
  tn_positions x;
  const E *from;
  E *to;
  __device__ void operator()(uint64_t i, int64_t number) const {
    int64_t at[1];
    tn_index_at(&x, i, 1, at);
    to[number] = from[at[0]];
  }
};

template <typename E> static tn_status take_as(const tn_kernel_call *call, const is_set &test) {
  take_set<E> act;
  tn_index_make(&act.x, &call->in[0], nullptr, 0);
  act.from = static_cast<const E *>(call->in[0].data);
  act.to = static_cast<E *>(call->out[0].data);
  return for_chosen(call->device, test, act, act.x.count);
}

extern "C" tn_status tn_cuda_maskedSelect(tn_kernel_call *call) {
  const tn_view &x = call->in[0];
  is_set test;
  if (x.data == nullptr || !mask_of(call->in[1], x, &test)) return TN_DECLINED;
  if (tn_view_count(call->out[0]) == 0) return TN_OK;
  switch (tn_item_size(x.dtype)) {
    case 1: return take_as<uint8_t>(call, test);
    case 2: return take_as<uint16_t>(call, test);
    case 4: return take_as<uint32_t>(call, test);
    default: return take_as<uint64_t>(call, test);
  }
}

template <typename T> struct put_set {
  tn_positions x, source;
  operand<T> from;
  void *to;
  int32_t dtype;
  tn_fault *fault;
  int code;
  __device__ void operator()(uint64_t i, int64_t number) const {
    int64_t at[1], out[1];
    if ((uint64_t)number >= source.count) {
      tn_note_fault(fault, code, number, (int64_t)source.count);
      return;
    }
    tn_index_at(&x, i, 1, out);
    tn_index_at(&source, (uint64_t)number, 1, at);
    store<T>(to, dtype, out[0], fetch(from, at[0]));
  }
};

template <typename T> static tn_status put_as(const tn_kernel_call *call, const is_set &test) {
  put_set<T> act;
  tn_index_make(&act.x, &call->out[0], nullptr, 0);
  tn_index_make(&act.source, &call->in[2], nullptr, 0);
  act.from = operand_of<T>(call->in[2]);
  act.to = call->out[0].data;
  act.dtype = call->out[0].dtype;
  act.fault = tn_cuda_fault(call->device);
  act.code = call->code;
  return act.fault == nullptr ? TN_ENOMEM : for_chosen(call->device, test, act, act.x.count);
}

extern "C" tn_status tn_cuda_maskedCopy(tn_kernel_call *call) {
  const int32_t dtype = call->out[0].dtype;
  is_set test;
  if (!mask_of(call->in[1], call->out[0], &test)) return TN_DECLINED;
  tn_status s = tn_cuda_begin(call);
  if (s != TN_OK) return s;
  if (dtype < TN_F16) return put_as<int64_t>(call, test);
  return dtype == TN_F64 ? put_as<double>(call, test) : put_as<float>(call, test);
}

/* -- nonzero ----------------------------------------------------------------------------------- */

struct list_set {
  int ndim, base;
  bool wide;
  int64_t sizes[TN_MAX_DIMS];
  int64_t *to;
  __device__ void operator()(uint64_t i, int64_t number) const {
    int64_t *row = to + number * ndim;
    for (int d = ndim - 1; d >= 0; d--) {
      const uint64_t rest = wide ? i / (uint64_t)sizes[d] : (uint32_t)i / (uint32_t)sizes[d];
      row[d] = (int64_t)(i - rest * (uint64_t)sizes[d]) + base;
      i = rest;
    }
  }
};

extern "C" tn_status tn_cuda_nonzero(tn_kernel_call *call) {
  const tn_view &x = call->in[0];
  const is_set test = set_of(x);
  list_set act;
  act.ndim = x.ndim;
  act.base = call->index_base;
  act.wide = test.index.count >= (uint64_t)1 << 32;
  act.to = static_cast<int64_t *>(call->out[0].data);
  memcpy(act.sizes, x.sizes, sizeof act.sizes);
  if (tn_view_count(call->out[0]) == 0) return TN_OK;
  return for_chosen(call->device, test, act, test.index.count);
}

/* -- Places ------------------------------------------------------------------------------------ */

/* Of one index tensor in a subscript: what its values are worth is written, or added. */
struct places {
  tn_positions index; /* views: result, index, steps */
  operand<int64_t> at;
  int64_t size, factor, begin, base;
  int64_t *to;
  bool adds;
  tn_fault *fault;
  int code;
};

__global__ void __launch_bounds__(BLOCK) list_places(places p) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < p.index.count; i += step) {
    int64_t at[3];
    tn_index_at(&p.index, i, 3, at);
    const int64_t value = fetch(p.at, at[1]);
    int64_t place = value < 0 ? value + p.size : value - p.base;
    if ((uint64_t)place >= (uint64_t)p.size) {
      tn_note_fault(p.fault, p.code, place, p.size);
      place = 0;
    }
    place = place * p.factor + at[2];
    p.to[at[0]] = p.adds ? p.to[at[0]] + place : p.begin + place;
  }
}

/* in[0] the index in the result's shape; in[1] steps as its strides. attrs: i[0] the size of the
 * dimension, i[1] what a step of it is worth, i[2] what to begin with, i[3] whether to add. */
extern "C" tn_status tn_cuda_places(tn_kernel_call *call) {
  places p;
  tn_index_make(&p.index, &call->out[0], call->in, 2);
  p.at = operand_of<int64_t>(call->in[0]);
  p.size = call->attrs->i[0];
  p.factor = call->attrs->i[1];
  p.begin = call->attrs->i[2];
  p.adds = call->attrs->i[3] != 0;
  p.base = call->index_base;
  p.to = static_cast<int64_t *>(call->out[0].data);
  p.fault = tn_cuda_fault(call->device);
  p.code = call->code;
  if (p.fault == nullptr || p.index.count == 0) return p.fault == nullptr ? TN_ENOMEM : TN_OK;
  return tn_cuda_check(tn_launch(list_places, tn_cuda_blocks(call->device, p.index.count, BLOCK),
                                 BLOCK, 0, p));
}
