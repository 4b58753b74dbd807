/* random.cu -- random numbers, from the same Philox groups in the same order as the CPU's
 * (tensor/ops/random.c): equal for uniform ones, and up to the rounding of log, sin and cos for
 * normal ones. */
#include <cfloat>

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"
#include "cuda/philox.cuh"

enum { BLOCK = 256 };

typedef struct {
  tn_random from;
  double p[4]; /* tn__uniform_plan's, or mean and deviation */
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

/* float32, float16 and bfloat16: four numbers from one group. */
template <bool NORMAL>
__global__ void __launch_bounds__(BLOCK) fill_fours(tn_positions index, void *out, int32_t dtype,
                                                    numbers g) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 3) / 4;
  const tn_random_at from = tn_random_start(g.from);
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    float v[4];
    tn_random_group(from, i, r);
    if (NORMAL) normal_four(g, r, v);
    else uniform_four(g, r, v);
    for (int k = 0; k < 4 && 4 * i + k < index.count; k++) {
      int64_t at[1];
      tn_index_at(&index, 4 * i + k, 1, at);
      store<float>(out, dtype, at[0], v[k]);
    }
  }
}

/* Other dtypes: two numbers of 53 bits from each group. */
template <bool NORMAL>
__global__ void __launch_bounds__(BLOCK) fill_twos(tn_positions index, void *out, int32_t dtype,
                                                   numbers g) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 1) / 2;
  const tn_random_at from = tn_random_start(g.from);
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    double v[2];
    tn_random_group(from, i, r);
    if (NORMAL) normal_two(g, r, v);
    else uniform_two(g, r, v);
    for (int k = 0; k < 2 && 2 * i + k < index.count; k++) {
      int64_t at[1];
      tn_index_at(&index, 2 * i + k, 1, at);
      store<double>(out, dtype, at[0], v[k]);
    }
  }
}

static bool in_fours(int32_t dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

template <bool NORMAL> static tn_status fill(tn_kernel_call *call, numbers &g) {
  const tn_view &out = call->out[0];
  const bool fours = in_fours(out.dtype);
  tn_positions index;
  g.from = tn_random_of(call);
  tn_index_make(&index, &out, nullptr, 0);
  call->groups = fours ? (index.count + 3) / 4 : (index.count + 1) / 2;
  if (index.count == 0) return TN_OK;
  const int blocks = tn_cuda_blocks(call->device, call->groups, BLOCK);
  return tn_cuda_check(tn_launch(fours ? fill_fours<NORMAL> : fill_twos<NORMAL>, blocks, BLOCK, 0,
                                 index, out.data, out.dtype, g));
}

extern "C" tn_status tn_cuda_uniform(tn_kernel_call *call) {
  const int32_t dtype = call->out[0].dtype;
  const int bits = dtype == TN_F32 ? 24 : dtype == TN_F16 ? 11 : dtype == TN_BF16 ? 8 : 53;
  const double most = in_fours(dtype) ? (double)FLT_MAX : DBL_MAX;
  double a = call->attrs->f[0], b = call->attrs->f[1];
  numbers g;
  if (a > b) b = call->attrs->f[0], a = call->attrs->f[1];
  if (!(b - a <= most)) return tn_cuda_refuse("the width of a range of numbers", b - a);
  if (!(fabs(a) <= most)) return tn_cuda_refuse("the low end of a range of numbers", a);
  if (!(fabs(b) <= most)) return tn_cuda_refuse("the high end of a range of numbers", b);
  tn__uniform_plan(a, b, bits, g.p);
  return fill<false>(call, g);
}

extern "C" tn_status tn_cuda_normal(tn_kernel_call *call) {
  const double deviation = call->attrs->f[1];
  numbers g = {{0, 0, nullptr}, {call->attrs->f[0], deviation}};
  if (!(deviation >= 0)) return tn_cuda_refuse("a negative standard deviation", deviation);
  return fill<true>(call, g);
}
