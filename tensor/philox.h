/* philox.h -- the Philox4x32-10 generator (Salmon et al. 2011, doi:10.1145/2063384.2063405), in C
 * that CUDA compiles too: the same numbers on every device. */
#ifndef TN_PHILOX_H
#define TN_PHILOX_H

#include <stdint.h>

#ifdef __CUDACC__
#define TN_PHILOX_INLINE __host__ __device__ static inline
#else
#define TN_PHILOX_INLINE static inline
#endif

/* Four numbers for one position of a seed's sequence. */
TN_PHILOX_INLINE void tn__philox(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* [0, 1) with 24 and 53 bits. */
TN_PHILOX_INLINE float tn__uniform24(uint32_t u) { return (float)(u >> 8) * 0x1p-24f; }
TN_PHILOX_INLINE double tn__uniform53(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 21) ^ (low >> 11)) * 0x1p-53;
}

#endif
