/* random.cu -- random numbers, from the same Philox groups in the same order as the CPU's
 * (tensor/ops/random.c): equal for uniform ones, and up to the rounding of log, sin and cos for
 * normal ones. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "tensor/philox.h"

enum { BLOCK = 256 };

typedef struct {
  uint64_t seed, offset;
  double a, b; /* low and high, or mean and deviation */
} numbers;

/* Each step is rounded, as the CPU does: no multiplication joined with an addition. */
__device__ static void uniform_four(const numbers &g, const uint32_t r[4], float v[4]) {
  const float a = (float)g.a, scale = (float)(g.b - g.a);
  for (int k = 0; k < 4; k++) v[k] = __fadd_rn(a, __fmul_rn(scale, tn__uniform24(r[k])));
}

/* Box and Muller 1958: two pairs. */
__device__ static void normal_four(const numbers &g, const uint32_t r[4], float v[4]) {
  const float a = (float)g.a, b = (float)g.b;
  for (int k = 0; k < 4; k += 2) {
    float radius = sqrtf(-2 * logf(((float)(r[k] >> 8) + 1) * 0x1p-24f));
    float angle = 6.2831853071795864769f * tn__uniform24(r[k + 1]);
    v[k] = a + b * radius * cosf(angle);
    v[k + 1] = a + b * radius * sinf(angle);
  }
}

__device__ static double uniform_one(const numbers &g, double u, double) {
  return __dadd_rn(g.a, __dmul_rn(g.b - g.a, u));
}

__device__ static double normal_one(const numbers &g, double u, double v) {
  return g.a + g.b * sqrt(-2 * log(1 - u)) * cos(6.283185307179586476925 * v);
}

/* float32: four numbers from one group. */
template <bool NORMAL>
__global__ void __launch_bounds__(BLOCK) fill_fours(tn_index index, float *out, numbers g) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK, groups = (index.count + 3) / 4;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < groups; i += step) {
    uint32_t r[4];
    float v[4];
    tn__philox(g.seed, g.offset + i, r);
    if (NORMAL) normal_four(g, r, v);
    else uniform_four(g, r, v);
    for (int k = 0; k < 4 && 4 * i + k < index.count; k++) {
      int64_t at[1];
      tn_index_at(&index, 4 * i + k, 1, at);
      out[at[0]] = v[k];
    }
  }
}

/* Other dtypes: one number of 53 bits from each group. */
template <bool NORMAL>
__global__ void __launch_bounds__(BLOCK) fill_ones(tn_index index, void *out, int32_t dtype,
                                                   numbers g) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    uint32_t r[4];
    int64_t at[1];
    tn__philox(g.seed, g.offset + i, r);
    tn_index_at(&index, i, 1, at);
    double u = tn__uniform53(r[0], r[1]), v = tn__uniform53(r[2], r[3]);
    store<double>(out, dtype, at[0], NORMAL ? normal_one(g, u, v) : uniform_one(g, u, v));
  }
}

template <bool NORMAL> static tn_status fill(tn_kernel_call *call) {
  const tn_view &out = call->out[0];
  const bool fours = out.dtype == TN_F32;
  numbers g = {call->seed, call->offset, call->attrs->f[0], call->attrs->f[1]};
  tn_index index;
  int before;
  tn_index_make(&index, &out, nullptr, 0);
  call->groups = fours ? (index.count + 3) / 4 : index.count;
  if (index.count == 0) return TN_OK;
  tn_status s = tn_cuda_enter(call->device, &before);
  if (s != TN_OK) return s;
  const int blocks = tn_cuda_blocks(call->device, call->groups, BLOCK);
  if (fours) fill_fours<NORMAL><<<blocks, BLOCK>>>(index, static_cast<float *>(out.data), g);
  else fill_ones<NORMAL><<<blocks, BLOCK>>>(index, out.data, out.dtype, g);
  s = tn_cuda_check(cudaGetLastError());
  tn_cuda_leave(call->device, before);
  return s;
}

extern "C" tn_status tn_cuda_uniform(tn_kernel_call *call) {
  return fill<false>(call);
}

extern "C" tn_status tn_cuda_normal(tn_kernel_call *call) {
  const double deviation = call->attrs->f[1];
  if (!(deviation >= 0)) return tn_cuda_refuse("a negative standard deviation", deviation);
  return fill<true>(call);
}
