/* philox.h -- the Philox4x32-10 generator (Salmon et al. 2011, doi:10.1145/2063384.2063405), and
 * how its numbers become fractions and angles, in C that CUDA compiles too: the same on every
 * device. */
#ifndef TN_PHILOX_H
#define TN_PHILOX_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define TN_PHILOX_INLINE __host__ __device__ static inline
#else
#define TN_PHILOX_INLINE static inline
#endif

/* One round, and the keys of the next one. */
#define TN_PHILOX_ROUND(c0, c1, c2, c3, k0, k1)                                                   \
  do {                                                                                            \
    const uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;                \
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;                                                          \
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;                                                          \
    c1 = (uint32_t)p1;                                                                            \
    c3 = (uint32_t)p0;                                                                            \
    k0 += 0x9E3779B9;                                                                             \
    k1 += 0xBB67AE85;                                                                             \
  } while (0)

/* Four numbers for one position of a seed's sequence. `more` counts further groups at the same
 * position, for values that take nobody knows how many numbers. */
TN_PHILOX_INLINE void tn__philox_more(uint64_t seed, uint64_t counter, uint32_t more,
                                      uint32_t out[4]) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = more, c3 = 0;
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) TN_PHILOX_ROUND(c0, c1, c2, c3, k0, k1);
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

TN_PHILOX_INLINE void tn__philox(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  tn__philox_more(seed, counter, 0, out);
}

/* [0, 1) with 24 and 53 bits. */
TN_PHILOX_INLINE float tn__uniform24(uint32_t u) { return (float)(int32_t)(u >> 8) * 0x1p-24f; }
TN_PHILOX_INLINE double tn__uniform53(uint32_t high, uint32_t low) {
  return (double)high * 0x1p-32 + (double)(int32_t)(low >> 11) * 0x1p-53;
}

/* (0, 1]: what logarithms are taken of. The lowest bits count only near 0, where tails begin. */
TN_PHILOX_INLINE float tn__above0_f32(uint32_t u) {
  return (float)(int32_t)(u >> 8) * 0x1p-24f + ((float)(int32_t)(u & 255) + 0.5f) * 0x1p-32f;
}
TN_PHILOX_INLINE double tn__above0_f64(uint32_t high, uint32_t low) {
  return 1.0 - tn__uniform53(high, low);
}

/* An angle: the bits are a fraction of a turn. *quarters counts quarter turns (its last two bits
 * do), and what is left, in radians, lies in (-pi/4, pi/4] and is never 0. */
TN_PHILOX_INLINE float tn__angle_f32(uint32_t u, uint32_t *quarters) {
  const uint32_t q = (u + 0x20000000u) >> 30;
  *quarters = q;
  return ((float)(int32_t)(u - (q << 30)) + 0.5f) * (6.2831853071795864769f * 0x1p-32f);
}
TN_PHILOX_INLINE double tn__angle_f64(uint32_t high, uint32_t low, uint32_t *quarters) {
  const uint32_t q = (high + 0x20000000u) >> 30;
  const double rest = (double)(int32_t)(high - (q << 30));
  *quarters = q;
  return (rest + ((double)(int32_t)(low >> 1) + 0.5) * 0x1p-31) *
         (6.283185307179586476925 * 0x1p-32);
}

/* What uniform numbers of [a, b) are made with in a format of so many significant bits (53, 24, 11
 * or 8): low end, width, the largest number below b, and how many low bits of a word it cannot
 * hold. The host calculates it for every device. */
static inline void tn__uniform_plan(double a, double b, int bits, double plan[4]) {
  const int least = bits == 24 ? -149 : bits == 11 ? -24 : -133; /* the smallest number's */
  int e;
  const double m = frexp(b, &e);
  e -= bits + (m == 0.5); /* below a power of two numbers stand closer */
  if (b == 0 || e < least) e = least;
  plan[0] = a;
  plan[1] = b - a;
  plan[2] = bits == 53 ? nextafter(b, -INFINITY) : ldexp(ceil(ldexp(b, -e)) - 1, e);
  if (a == b) plan[2] = a;
  plan[3] = bits == 53 ? 0 : 32 - bits;
}

#endif
