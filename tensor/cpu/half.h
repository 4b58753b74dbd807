/* half.h -- float16 and bfloat16 to float32 and back, branch-free so that loops vectorise.
 * Rounding is to nearest, ties to even; NaN stays NaN, overflow becomes infinity (IEEE 754). */
#ifndef TN_HALF_H
#define TN_HALF_H

#include <stdint.h>
#include <string.h>

static inline float tn_bits_f32(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static inline uint32_t tn_f32_bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static inline float tn_bfloat_to_f32(uint16_t h) { return tn_bits_f32((uint32_t)h << 16); }

static inline uint16_t tn_f32_to_bfloat(float f) {
  uint32_t u = tn_f32_bits(f);
  uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  uint32_t nan = (u >> 16) | 0x40;
  return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

/* Moves exponent and mantissa into float32's place; a multiplication by 2^112 rebiases the
 * exponent and normalises subnormals. Infinity and NaN get the exponent 255 by hand. */
static inline float tn_half_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16;
  uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
  float scaled = tn_bits_f32(magnitude) * 0x1p112f;
  uint32_t special = magnitude | 0x7f800000;
  uint32_t u = magnitude >= 0x0f800000 ? special : tn_f32_bits(scaled);
  return tn_bits_f32(sign | u);
}

/* Normal results round in integers; subnormal ones by adding 0.5, whose last mantissa bit weighs
 * as much as float16's smallest subnormal. */
static inline uint16_t tn_f32_to_half(float f) {
  uint32_t u = tn_f32_bits(f), sign = (u >> 16) & 0x8000, a = u & 0x7fffffff;
  uint32_t normal = (a + 0xc8000fff + ((a >> 13) & 1)) >> 13;
  uint32_t small = tn_f32_bits(tn_bits_f32(a < 0x38800000 ? a : 0) + 0.5f) - 0x3f000000;
  uint32_t h = a < 0x38800000 ? small : normal;
  h = a >= 0x477ff000 ? 0x7c00 : h;
  h = a > 0x7f800000 ? 0x7e00 : h;
  return (uint16_t)(sign | h);
}

#endif
