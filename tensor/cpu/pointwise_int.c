/* pointwise_int.c -- the rows of pointwise.def as loops over int64, in which all integers are
 * calculated. They wrap around, so arithmetic is without sign; a division by zero has been refused
 * before. Compiled once: 64-bit integers gain little from wider instructions. */
#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/pointwise_language.h"

#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define SUB(a, b) ((int64_t)((uint64_t)(a) - (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#define DIV(a, b) tn_div_i64(a, b)
#define NEG(a) ((int64_t)(0 - (uint64_t)(a)))

static inline int64_t tn_div_i64(int64_t a, int64_t b) {
  return b == -1 ? NEG(a) : b == 0 ? 0 : a / b;
}

static inline int64_t tn_fmod_i64(int64_t a, int64_t b) { return b == -1 || b == 0 ? 0 : a % b; }

static inline int64_t tn_remainder_i64(int64_t a, int64_t b) {
  int64_t r = tn_fmod_i64(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* By squaring; a negative power is 0 unless a is 1 or -1. */
static inline int64_t tn_pow_i64(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  int64_t r = 1;
  for (; b > 0; b >>= 1, a = MUL(a, a)) {
    if (b & 1) r = MUL(r, a);
  }
  return r;
}

static inline int64_t tn_floor_i64(int64_t x) { return x; }
static inline int64_t tn_ceil_i64(int64_t x) { return x; }
static inline int64_t tn_round_i64(int64_t x) { return x; }
static inline int64_t tn_trunc_i64(int64_t x) { return x; }
static inline int64_t tn_bitand_i64(int64_t a, int64_t b) { return a & b; }
static inline int64_t tn_bitor_i64(int64_t a, int64_t b) { return a | b; }
static inline int64_t tn_bitxor_i64(int64_t a, int64_t b) { return a ^ b; }

static inline int64_t tn_lshift_i64(int64_t a, int64_t b) {
  return b < 0 || b > 63 ? 0 : (int64_t)((uint64_t)a << b);
}

static inline int64_t tn_rshift_i64(int64_t a, int64_t b) {
  return a >> (b < 0 || b > 63 ? 63 : b);
}

/* A parameter may be any double. */
static inline int64_t parameter(double v) {
  return v >= 0x1p63 ? INT64_MAX : v > -0x1p63 ? (int64_t)v : v == v ? INT64_MIN : 0;
}

static inline int64_t tn_signbit_i64(int64_t x) { return x < 0; }

static inline int64_t tn_floor_divide_i64(int64_t a, int64_t b) {
  return SUB(tn_div_i64(a, b), tn_fmod_i64(a, b) != 0 && (a < 0) != (b < 0));
}

/* Euclid's algorithm, without sign: the lowest number has no opposite. */
static inline int64_t tn_gcd_i64(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
  while (y != 0) {
    uint64_t rest = x % y;
    x = y;
    y = rest;
  }
  return (int64_t)x;
}

static inline int64_t tn_lcm_i64(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  int64_t r = MUL(tn_div_i64(a, tn_gcd_i64(a, b)), b);
  return r < 0 ? NEG(r) : r;
}

#define T int64_t
#define TN_PARAMETER(v) parameter(v)
#define SUFFIX _i64
#define HAS_NUM 1
#define HAS_FLT 0
#define HAS_BIT 1
#define HAS_RARE 1
#define HAS_GRAD 0
#include "tensor/cpu/isa/pointwise_loops.h"

#define RUN_NUM(name) name##_i64
#define RUN_FLT(name) NULL
#define RUN_CMP(name) name##_i64
#define RUN_BIT(name) name##_i64
#define RUN_RNUM RUN_NUM
#define RUN_RCMP RUN_CMP
#define RUN_RFLT RUN_FLT
#define RUN_TRG RUN_FLT

tn_kernel *const tn__pointwise_int[TN_PW_COUNT] = {
#define TN_UNARY(name, kind, ...) [TN_PW_##name] = RUN_##kind(name),
#define TN_BINARY(name, kind, ...) [TN_PW_##name] = RUN_##kind(name),
#define TN_TERNARY(name, kind, ...) [TN_PW_##name] = RUN_##kind(name),
#include "tensor/pointwise.def"
};
