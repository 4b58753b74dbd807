/* random.cu -- random numbers, from the same Philox groups in the same order as the CPU's
 * (tensor/ops/random.c): equal for uniform ones, and up to the rounding of logarithms, sines and
 * exponentials for others. */
#include <cfloat>

#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/philox.cuh"
#include "cuda/rows.cuh"

enum { BLOCK = 256 };

enum shape { UNIFORM, NORMAL, LOG_NORMAL, EXPONENTIAL, GEOMETRIC, CAUCHY };

typedef struct {
  number_source from;
  double p[4];      /* tn__uniform_plan's, or two parameters */
  double low, high; /* what an integer dtype can hold */
  bool whole;       /* it is one */
} numbers;

/* Each step is rounded, as the CPU does: no multiplication joined with an addition. */
__device__ static void uniform_four(const numbers &g, const uint32_t r[4], float v[4]) {
  const float low = (float)g.p[0], width = (float)g.p[1], top = (float)g.p[2];
  const uint32_t mask = ~(uint32_t)0 << (int)g.p[3];
  for (int k = 0; k < 4; k++) {
    const float x = __fadd_rn(low, __fmul_rn(width, tn__uniform24(r[k] & mask)));
    v[k] = x < top ? x : top;
  }
}

__device__ static void uniform_two(const numbers &g, const uint32_t r[4], double v[2]) {
  for (int k = 0; k < 2; k++) {
    const double u = tn__uniform53(r[2 * k], r[2 * k + 1]);
    const double x = __dadd_rn(g.p[0], __dmul_rn(g.p[1], u));
    v[k] = x < g.p[2] ? x : g.p[2];
  }
}

/* Cosine and sine of an angle, from those of what is left after whole quarters of a turn. */
template <class T> __device__ static void turned(uint32_t quarters, T c, T s, T *cosine, T *sine) {
  const T a = quarters & 1 ? s : c, b = quarters & 1 ? c : s;
  *cosine = (quarters + 1) & 2 ? -a : a;
  *sine = quarters & 2 ? -b : b;
}

/* Box and Muller 1958: two pairs. */
__device__ static void normal_four(const numbers &g, const uint32_t r[4], float v[4]) {
  const float mean = (float)g.p[0], deviation = (float)g.p[1];
  for (int k = 0; k < 4; k += 2) {
    uint32_t quarters;
    float s, c;
    const float radius = deviation * sqrtf(-2 * logf(tn__above0_f32(r[k])));
    sincosf(tn__angle_f32(r[k + 1], &quarters), &s, &c);
    turned(quarters, c, s, &c, &s);
    v[k] = mean + radius * c;
    v[k + 1] = mean + radius * s;
  }
}

__device__ static void normal_two(const numbers &g, const uint32_t r[4], double v[2]) {
  uint32_t quarters;
  double s, c;
  const double radius = g.p[1] * sqrt(-2 * log(tn__above0_f64(r[0], r[1])));
  sincos(tn__angle_f64(r[2], r[3], &quarters), &s, &c);
  turned(quarters, c, s, &c, &s);
  v[0] = g.p[0] + radius * c;
  v[1] = g.p[0] + radius * s;
}

/* The tangent of a random angle. */
template <class T> __device__ static T tangent(T rest, uint32_t quarters) {
  T s = sin(rest), c = cos(rest);
  turned(quarters, c, s, &c, &s);
  return s / c;
}

template <int SHAPE>
__device__ static void four_of(const numbers &g, const uint32_t r[4], float v[4]) {
  const float a = (float)g.p[0], b = (float)g.p[1];
  if (SHAPE == UNIFORM) uniform_four(g, r, v);
  if (SHAPE == NORMAL || SHAPE == LOG_NORMAL) normal_four(g, r, v);
  for (int k = 0; k < 4; k++) {
    uint32_t quarters;
    if (SHAPE == LOG_NORMAL) v[k] = expf(v[k]);
    if (SHAPE == EXPONENTIAL || SHAPE == GEOMETRIC) v[k] = -a * logf(tn__above0_f32(r[k]));
    if (SHAPE == GEOMETRIC) v[k] = floorf(v[k]) + 1;
    if (SHAPE == CAUCHY) {
      const float rest = tn__angle_f32(r[k], &quarters);
      v[k] = a + b * tangent(rest, quarters);
    }
  }
}

template <int SHAPE>
__device__ static void two_of(const numbers &g, const uint32_t r[4], double v[2]) {
  if (SHAPE == UNIFORM) uniform_two(g, r, v);
  if (SHAPE == NORMAL || SHAPE == LOG_NORMAL) normal_two(g, r, v);
  for (int k = 0; k < 2; k++) {
    const uint32_t high = r[2 * k], low = r[2 * k + 1];
    uint32_t quarters;
    if (SHAPE == LOG_NORMAL) v[k] = exp(v[k]);
    if (SHAPE == EXPONENTIAL || SHAPE == GEOMETRIC) v[k] = -g.p[0] * log(tn__above0_f64(high, low));
    if (SHAPE == GEOMETRIC) v[k] = floor(v[k]) + 1;
    if (SHAPE == CAUCHY) {
      const double rest = tn__angle_f64(high, low, &quarters);
      v[k] = g.p[0] + g.p[1] * tangent(rest, quarters);
    }
    if (g.whole) v[k] = v[k] > g.low ? (v[k] < g.high ? v[k] : g.high) : g.low;
  }
}

/* Into contiguous memory, in one access. */
template <typename E> __device__ static void store_pack_of(void *out, uint64_t at, const float v[4]) {
  pack<E, 4> p;
  for (int k = 0; k < 4; k++) put_value(p.v[k], v[k]);
  store_pack<E, 4>(static_cast<E *>(out) + at, p);
}

__device__ static void store_four(void *out, int32_t dtype, uint64_t at, const float v[4]) {
  if (dtype == TN_F32) store_pack_of<float>(out, at, v);
  else if (dtype == TN_F16) store_pack_of<__half>(out, at, v);
  else store_pack_of<__nv_bfloat16>(out, at, v);
}

/* float32, float16 and bfloat16: four numbers from one group. */
template <int SHAPE>
__global__ void __launch_bounds__(BLOCK)
    fill_fours(const __grid_constant__ tn_positions index, void *out, int32_t dtype, bool flat,
               numbers g) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 3) / 4;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    float v[4];
    numbers_at(g.from, i, r);
    four_of<SHAPE>(g, r, v);
    if (flat && 4 * i + 4 <= index.count) {
      store_four(out, dtype, 4 * i, v);
      continue;
    }
    for (int k = 0; k < 4 && 4 * i + k < index.count; k++) {
      int64_t at[1];
      tn_index_at(&index, 4 * i + k, 1, at);
      store<float>(out, dtype, at[0], v[k]);
    }
  }
}

/* Other dtypes: two numbers of 53 bits from each group. */
template <int SHAPE>
__global__ void __launch_bounds__(BLOCK)
    fill_twos(const __grid_constant__ tn_positions index, void *out, int32_t dtype, bool flat,
              numbers g) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 1) / 2;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    double v[2];
    numbers_at(g.from, i, r);
    two_of<SHAPE>(g, r, v);
    if (flat && dtype == TN_F64 && 2 * i + 2 <= index.count) {
      const pack<double, 2> both = {{v[0], v[1]}};
      store_pack<double, 2>(static_cast<double *>(out) + 2 * i, both);
      continue;
    }
    for (int k = 0; k < 2 && 2 * i + k < index.count; k++) {
      int64_t at[1];
      tn_index_at(&index, 2 * i + k, 1, at);
      store<double>(out, dtype, at[0], v[k]);
    }
  }
}

/* The smallest and largest number of an integer dtype, as doubles that convert without overflow. */
static void note_range(numbers *g, int32_t dtype) {
  const double top[] = {127, 32767, 2147483647, 0x1p63 - 1024};
  g->whole = dtype < TN_F16;
  g->low = 0;
  g->high = dtype == TN_BOOL ? 1 : 255;
  if (dtype == TN_BOOL || dtype == TN_U8) return;
  const int kind = dtype == TN_I8 ? 0 : dtype == TN_I16 ? 1 : dtype == TN_I32 ? 2 : 3;
  g->high = top[kind];
  g->low = kind == 3 ? -0x1p63 : -top[kind] - 1;
}

template <int SHAPE> static tn_status fill(tn_kernel_call *call, numbers &g) {
  const tn_view &out = call->out[0];
  const bool fours = made_in_float(out.dtype);
  tn_positions index;
  g.from = numbers_of(call);
  note_range(&g, out.dtype);
  tn_index_make(&index, &out, nullptr, 0);
  call->groups = fours ? (index.count + 3) / 4 : (index.count + 1) / 2;
  if (index.count == 0) return TN_OK;
  const bool flat = tn_index_is_plain(&index, 0) && packs_fit(out.data, 0);
  const int blocks = tn_cuda_blocks(call->device, call->groups, BLOCK);
  return tn_cuda_check(tn_launch(fours ? fill_fours<SHAPE> : fill_twos<SHAPE>, blocks, BLOCK, 0,
                                 index, out.data, out.dtype, flat, g));
}

static numbers parameters(double a, double b) {
  numbers g;
  memset(&g, 0, sizeof g);
  g.p[0] = a;
  g.p[1] = b;
  return g;
}

extern "C" tn_status tn_cuda_uniform(tn_kernel_call *call) {
  const int32_t dtype = call->out[0].dtype;
  const int bits = dtype == TN_F32 ? 24 : dtype == TN_F16 ? 11 : dtype == TN_BF16 ? 8 : 53;
  const double most = made_in_float(dtype) ? (double)FLT_MAX : DBL_MAX;
  double a = call->attrs->f[0], b = call->attrs->f[1];
  numbers g = parameters(0, 0);
  if (a > b) b = call->attrs->f[0], a = call->attrs->f[1];
  if (!(b - a <= most)) return tn_cuda_refuse("the width of a range of numbers", b - a);
  if (!(fabs(a) <= most)) return tn_cuda_refuse("the low end of a range of numbers", a);
  if (!(fabs(b) <= most)) return tn_cuda_refuse("the high end of a range of numbers", b);
  tn__uniform_plan(a, b, bits, g.p);
  return fill<UNIFORM>(call, g);
}

extern "C" tn_status tn_cuda_normal(tn_kernel_call *call) {
  const double deviation = call->attrs->f[1];
  numbers g = parameters(call->attrs->f[0], deviation);
  if (!(deviation >= 0)) return tn_cuda_refuse("a negative standard deviation", deviation);
  return fill<NORMAL>(call, g);
}

/* Of parameters that are none the host says what is wrong. */
extern "C" tn_status tn_cuda_log_normal(tn_kernel_call *call) {
  numbers g = parameters(call->attrs->f[0], call->attrs->f[1]);
  return g.p[1] >= 0 ? fill<LOG_NORMAL>(call, g) : TN_DECLINED;
}

extern "C" tn_status tn_cuda_cauchy(tn_kernel_call *call) {
  numbers g = parameters(call->attrs->f[0], call->attrs->f[1]);
  return g.p[1] > 0 ? fill<CAUCHY>(call, g) : TN_DECLINED;
}

extern "C" tn_status tn_cuda_exponential(tn_kernel_call *call) {
  const double rate = call->attrs->f[0];
  numbers g = parameters(1 / rate, 0);
  return rate > 0 ? fill<EXPONENTIAL>(call, g) : TN_DECLINED;
}

extern "C" tn_status tn_cuda_geometric(tn_kernel_call *call) {
  const double p = call->attrs->f[0];
  numbers g = parameters(-1 / log(p), 0);
  return p > 0 && p < 1 ? fill<GEOMETRIC>(call, g) : TN_DECLINED;
}
