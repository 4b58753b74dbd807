/* draws.cu -- draws by probability, and whole numbers, from the CPU's Philox groups in its order
 * (tensor/ops/random.c, draws.c, draws_counts.c): equal, but where a logarithm or a sum that is rounded
 * otherwise lies just beside a limit. */
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/philox.cuh"
#include "cuda/rows.cuh"
#include "tensor/draws_values.h"

enum { BLOCK = 256 };

/* -- Bernoulli's distribution ---------------------------------------------------------------------- */

/* p.still: one probability for all, which the CPU rounds to a number of words. */
__global__ void __launch_bounds__(BLOCK)
    toss(const __grid_constant__ tn_positions index, number_source from, void *out, int32_t dtype,
         operand<double> p, tn_fault *fault, int code) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 3) / 4;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    numbers_at(from, i, r);
    for (int k = 0; k < 4 && 4 * i + k < index.count; k++) {
      int64_t at[1];
      const double chance = fetch(p, p.still ? 0 : (int64_t)(4 * i + k));
      if (!(chance >= 0 && chance <= 1)) tn_note_bad_value(fault, code);
      const double words = p.still ? floor(chance * 0x1p32 + 0.5) : chance * 0x1p32;
      tn_index_at(&index, 4 * i + k, 1, at);
      store<float>(out, dtype, at[0], (double)r[k] < words ? 1.0f : 0.0f);
    }
  }
}

extern "C" tn_status tn_cuda_bernoulli(tn_kernel_call *call) {
  const tn_view &out = call->out[0];
  const bool given = call->nin > 1 && is_given(call->in[1]);
  tn_view half;
  memset(&half, 0, sizeof half);
  half.dtype = TN_F64;
  half.real = 0.5;
  const tn_view &p = given ? call->in[1] : half;
  tn_positions index;
  tn_index_make(&index, &out, nullptr, 0);
  if (p.ndim > 0 && (uint64_t)count_of(p) != index.count) return TN_DECLINED;
  if (p.data == nullptr && !(p.real >= 0 && p.real <= 1)) return TN_DECLINED;
  call->groups = (index.count + 3) / 4;
  if (index.count == 0) return TN_OK;
  tn_view none = half;
  none.ndim = -1;
  const packed values(call->device, p.data != nullptr ? p : none, p.dtype);
  tn_fault *const fault = tn_cuda_fault(call->device);
  if (values.status != TN_OK) return values.status;
  if (fault == nullptr) return TN_ENOMEM;
  operand<double> chance = operand_of<double>(p);
  chance.data = const_cast<void *>(values.data);
  chance.still = p.ndim == 0;
  return tn_cuda_check(tn_launch(toss, tn_cuda_blocks(call->device, call->groups, BLOCK), BLOCK, 0,
                                 index, numbers_of(call), out.data, out.dtype, chance, fault,
                                 (int)call->code));
}

/* -- Whole numbers ------------------------------------------------------------------------------------- */

__device__ static uint64_t below(uint32_t high, uint32_t low, uint64_t count, uint64_t *rest) {
  const uint64_t u = (uint64_t)high << 32 | low;
  *rest = u * count;
  return count == 0 ? u : __umul64hi(u, count);
}

__global__ void __launch_bounds__(BLOCK)
    choose(const __grid_constant__ tn_positions index, number_source from, void *out, int32_t dtype,
           int64_t first, uint64_t count) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 1) / 2;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    numbers_at(from, i, r);
    for (int k = 0; k < 2 && 2 * i + k < index.count; k++) {
      int64_t at[1];
      uint64_t rest;
      tn_index_at(&index, 2 * i + k, 1, at);
      const uint64_t drawn = below(k == 0 ? r[0] : r[2], k == 0 ? r[1] : r[3], count, &rest);
      store<int64_t>(out, dtype, at[0], (int64_t)((uint64_t)first + drawn));
    }
  }
}

/* Do all whole numbers of the range fit? Where not, the host says so. */
static bool holds(int32_t dtype, double low, double high) {
  if (!(high >= low)) return false;
  switch (dtype) {
    case TN_BOOL: return low >= 0 && high <= 1;
    case TN_U8: return low >= 0 && high <= 255;
    case TN_I8: return low >= -128 && high <= 127;
    case TN_I16: return low >= -32768 && high <= 32767;
    case TN_I32: return low >= -0x1p31 && high <= 0x1p31 - 1;
    case TN_I64: return low >= -0x1p63 && high <= 0x1p63;
    case TN_F16: return low >= -0x1p63 && high <= 65504;
    case TN_F32: return low >= -0x1p63 && high <= 0x1p24;
    case TN_F64: return low >= -0x1p63 && high <= 0x1p53;
    default: return low >= -0x1p63 && high <= 0x1p63;
  }
}

extern "C" tn_status tn_cuda_random(tn_kernel_call *call) {
  const double low = trunc(call->attrs->f[0]), high = trunc(call->attrs->f[1]);
  const tn_view &out = call->out[0];
  tn_positions index;
  if (!holds(out.dtype, low, high)) return TN_DECLINED;
  tn_index_make(&index, &out, nullptr, 0);
  call->groups = (index.count + 1) / 2;
  if (index.count == 0) return TN_OK;
  const int64_t first = low < 0x1p63 ? (int64_t)low : INT64_MAX;
  const uint64_t last = high < 0x1p63 ? (uint64_t)(int64_t)high : (uint64_t)INT64_MAX;
  return tn_cuda_check(tn_launch(choose, tn_cuda_blocks(call->device, call->groups, BLOCK), BLOCK,
                                 0, index, numbers_of(call), out.data, out.dtype, first,
                                 last - (uint64_t)first + 1));
}

/* -- Alias tables ----------------------------------------------------------------------------------------- */

typedef struct {
  const int64_t *alias;
  const void *limit; /* below it a place is taken itself, else its alias */
  int32_t dtype;
  int64_t n;
  int base, code;
  tn_fault *fault;
} alias_table;

__global__ void __launch_bounds__(BLOCK)
    draw_aliases(const __grid_constant__ tn_positions index, number_source from, void *out,
                 int32_t dtype, alias_table t) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    uint32_t r[4];
    int64_t at[1];
    uint64_t rest;
    numbers_at(from, i / 2, r);
    const bool second = i % 2 != 0;
    const int64_t place = (int64_t)below(second ? r[2] : r[0], second ? r[3] : r[1],
                                         (uint64_t)t.n, &rest);
    const double fraction = (double)(rest >> 11) * 0x1p-53;
    int64_t drawn = place + t.base;
    if (!(fraction < load<double>(t.limit, t.dtype, place))) {
      drawn = t.alias[place];
      if (drawn < t.base || drawn - t.base >= t.n) {
        tn_note_fault(t.fault, t.code, drawn - t.base, t.n);
        continue;
      }
    }
    tn_index_at(&index, i, 1, at);
    store<int64_t>(out, dtype, at[0], drawn);
  }
}

extern "C" tn_status tn_cuda_multinomial_alias_draw(tn_kernel_call *call) {
  const tn_view &alias = call->in[1], &limit = call->in[2], &out = call->out[0];
  tn_positions index;
  tn_index_make(&index, &out, nullptr, 0);
  if (alias.ndim != 1 || alias.dtype != TN_I64 || limit.ndim != 1 ||
      alias.sizes[0] != limit.sizes[0] || alias.sizes[0] == 0) {
    return TN_DECLINED;
  }
  const packed a(call->device, alias, TN_I64), l(call->device, limit, limit.dtype);
  if (a.status != TN_OK) return a.status;
  if (l.status != TN_OK) return l.status;
  const alias_table t = {a.as<int64_t>(), l.data, limit.dtype, alias.sizes[0], call->index_base,
                         (int)call->code, tn_cuda_fault(call->device)};
  call->groups = (index.count + 1) / 2;
  if (t.fault == nullptr) return TN_ENOMEM;
  if (index.count == 0) return TN_OK;
  return tn_cuda_check(tn_launch(draw_aliases, tn_cuda_blocks(call->device, index.count, BLOCK),
                                 BLOCK, 0, index, numbers_of(call), out.data, out.dtype, t));
}

/* -- By rejection ----------------------------------------------------------------------------------------- */

enum family { POISSON, BINOMIAL, GAMMA };

/* still: one parameter for all. */
typedef struct {
  operand<double> a, b;
  double most;
  bool whole;
  int code;
  tn_fault *fault;
} parameters;

template <int FAMILY>
__global__ void __launch_bounds__(BLOCK) draw_values(uint64_t count, number_source from, void *out,
                                                     int32_t dtype, parameters p) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    const double a = fetch(p.a, p.a.still ? 0 : (int64_t)i);
    const double b = FAMILY == BINOMIAL ? fetch(p.b, p.b.still ? 0 : (int64_t)i) : 0;
    const bool good = a >= 0 && a <= p.most && (!p.whole || floor(a) == a) && b >= 0 && b <= 1;
    double v = 0;
    if (good) {
      tn_source s = tn__source_of(seed_of(from), position_of(from, i));
      v = FAMILY == POISSON    ? tn__poisson_value(&s, a, b)
          : FAMILY == BINOMIAL ? tn__binomial_value(&s, a, b)
                               : tn__gamma_value(&s, a, b);
    } else {
      tn_note_bad_value(p.fault, p.code);
    }
    store<double>(out, dtype, (int64_t)i, v);
  }
}

template <int FAMILY> static tn_status draw(tn_kernel_call *call, double most, bool whole) {
  const tn_view &out = call->out[0];
  tn_view none = out;
  none.ndim = -1;
  const tn_view &va = call->in[0], &vb = FAMILY == BINOMIAL ? call->in[1] : none;
  const packed a(call->device, va.data != nullptr ? va : none, va.dtype);
  const packed b(call->device, is_given(vb) && vb.data != nullptr ? vb : none, vb.dtype);
  if (a.status != TN_OK) return a.status;
  if (b.status != TN_OK) return b.status;
  parameters p = {operand_of<double>(va), operand_of<double>(vb), most, whole, (int)call->code,
                  tn_cuda_fault(call->device)};
  if (p.fault == nullptr) return TN_ENOMEM;
  p.a.data = const_cast<void *>(a.data);
  p.b.data = const_cast<void *>(b.data);
  p.a.still = count_of(va) == 1;
  p.b.still = count_of(vb) == 1;
  call->groups = (uint64_t)count_of(out);
  if (call->groups == 0) return TN_OK;
  return tn_cuda_check(tn_launch(draw_values<FAMILY>,
                                 tn_cuda_blocks(call->device, call->groups, BLOCK), BLOCK, 0,
                                 call->groups, numbers_of(call), out.data, out.dtype, p));
}

extern "C" tn_status tn_cuda_poisson(tn_kernel_call *call) {
  return draw<POISSON>(call, 0x1p52, false);
}
extern "C" tn_status tn_cuda_binomial(tn_kernel_call *call) {
  return draw<BINOMIAL>(call, 0x1p52, true);
}
extern "C" tn_status tn_cuda_standard_gamma(tn_kernel_call *call) {
  return draw<GAMMA>(call, 0x1p100, false);
}
