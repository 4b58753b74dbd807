/* tensor_core.cuh -- products of small matrices by a warp on tensor cores, and how their operands
 * come from shared memory. The emulation does the same by loops over what the lanes hold.
 *
 * c (16 x 8, float) += a (16 x 16) b (16 x 8), of float16 or bfloat16. With g = lane / 4 and t =
 * lane % 4 a lane holds: of a the pairs (row g, columns 2t and 2t + 1), (g + 8, 2t), (g, 2t + 8)
 * and (g + 8, 2t + 8); of b the pairs (rows 2t and 2t + 1, column g) and (2t + 8, g); of c (row g,
 * columns 2t and 2t + 1) and (g + 8, 2t). */
#ifndef TN_CUDA_TENSOR_CORE_CUH
#define TN_CUDA_TENSOR_CORE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <string.h>

#include "cuda/launch.cuh"

/* Two numbers as one pair of halves, the first one below. */
template <bool BRAIN> __device__ static inline uint32_t tn_pair(float low, float high) {
  uint16_t parts[2];
  if (BRAIN) {
    const __nv_bfloat16 a = __float2bfloat16_rn(low), b = __float2bfloat16_rn(high);
    memcpy(&parts[0], &a, 2);
    memcpy(&parts[1], &b, 2);
  } else {
    const __half a = __float2half_rn(low), b = __float2half_rn(high);
    memcpy(&parts[0], &a, 2);
    memcpy(&parts[1], &b, 2);
  }
  return (uint32_t)parts[1] << 16 | parts[0];
}

#ifdef TN_CUDA_EMULATED

/* Four matrices of 8 x 8 halves: lane 8 i + k gives the address of row k of matrix i, and gets of
 * each matrix the pair (row g, columns 2t and 2t + 1); turned, (rows 2t and 2t + 1, column g). */
static inline void tn_load_matrices(uint32_t r[4], const void *row) {
  const int lane = emulated_lane();
  const char *const *rows = (const char *const *)emulated_share(&row, sizeof row);
  for (int i = 0; i < 4; i++) {
    memcpy(&r[i], rows[(8 * i + lane / 4) * (EMULATED_SHARED / sizeof row)] + lane % 4 * 4, 4);
  }
}

static inline void tn_load_turned(uint32_t r[4], const void *row) {
  const int lane = emulated_lane();
  const char *const *rows = (const char *const *)emulated_share(&row, sizeof row);
  for (int i = 0; i < 4; i++) {
    uint16_t parts[2];
    for (int k = 0; k < 2; k++) {
      const int from = 8 * i + lane % 4 * 2 + k;
      memcpy(&parts[k], rows[from * (EMULATED_SHARED / sizeof row)] + lane / 4 * 2, 2);
    }
    r[i] = (uint32_t)parts[1] << 16 | parts[0];
  }
}

template <bool BRAIN> static inline float emulated_half(uint32_t pair, int which) {
  const uint16_t bits = (uint16_t)(pair >> (16 * which));
  return BRAIN ? tn_bfloat_to_f32(bits) : tn_half_to_f32(bits);
}

template <bool BRAIN>
static inline void tn_multiply_add(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
  struct operands { uint32_t a[4], b[2]; } mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const int lane = emulated_lane();
  const char *all = (const char *)emulated_share(&mine, sizeof mine);
  for (int e = 0; e < 4; e++) {
    const int row = lane / 4, half = e / 2, column = lane % 4 * 2 + e % 2;
    for (int k = 0; k < 16; k++) {
      const operands *left = (const operands *)(all + (4 * row + k % 8 / 2) * EMULATED_SHARED);
      const operands *right = (const operands *)(all + (4 * column + k % 8 / 2) * EMULATED_SHARED);
      c[e] += emulated_half<BRAIN>(left->a[half + k / 8 * 2], k % 2) *
              emulated_half<BRAIN>(right->b[k / 8], k % 2);
    }
  }
}

/* 16 bytes from the device's memory to shared memory, or zeros; there after tn_wait_copies. */
static inline void tn_copy_later(void *to, const void *from, bool there) {
  if (there) memcpy(to, from, 16);
  else memset(to, 0, 16);
}
static inline void tn_close_copies() {}
template <int OPEN> static inline void tn_wait_copies() {}
static inline float tn_power_of_two(float x) { return exp2f(x); }

#else

__device__ static inline uint32_t tn_shared_address(const void *p) {
  return (uint32_t)__cvta_generic_to_shared(p);
}

__device__ static inline void tn_load_matrices(uint32_t r[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(tn_shared_address(row)) : "memory");
}

__device__ static inline void tn_load_turned(uint32_t r[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(tn_shared_address(row)) : "memory");
}

template <bool BRAIN>
__device__ static inline void tn_multiply_add(float c[4], const uint32_t a[4], uint32_t b0,
                                              uint32_t b1) {
  if (BRAIN) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

__device__ static inline void tn_copy_later(void *to, const void *from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(tn_shared_address(to)),
               "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
               : "memory");
}
__device__ static inline void tn_close_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int OPEN> __device__ static inline void tn_wait_copies() {
  asm volatile("cp.async.wait_group %0;" :: "n"(OPEN) : "memory");
}
__device__ static inline float tn_power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#endif
#endif
