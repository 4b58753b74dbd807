/* pointwise_kernel.c -- the rows of pointwise.def as loops over float and double. */
#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/pointwise_language.h"
#include "tensor/cpu/vmath.h"

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define NEG(a) (-(a))

/* AVX-512 has loops of its own over double only where arithmetic counts: simple ones wait for
 * memory anyway, and gradients of double are rare. The rest is left to AVX2. */
#define RANK_baseline 0
#define RANK_avx2 1
#define RANK_avx512 2
#define HAS_SIMPLE_F64 (TN_ISA_NAME(RANK) < RANK_avx512)
#if HAS_SIMPLE_F64
#define SIMPLE_F64(loop) loop
#else
#define SIMPLE_F64(loop) NULL
#endif

/* Remainder with the sign of the divisor. */
static inline float tn_remainder_f32(float a, float b) {
  float r = tn_fmod_f32(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#if HAS_SIMPLE_F64
static inline double tn_remainder_f64(double a, double b) {
  double r = tn_fmod_f64(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
#endif

#define T float
#define SUFFIX _f32
#define HAS_NUM 1
#define HAS_FLT 1
#define HAS_BIT 0
#define HAS_GRAD 1
#include "tensor/cpu/isa/pointwise_loops.h"

#define T double
#define SUFFIX _f64
#define HAS_NUM HAS_SIMPLE_F64
#define HAS_FLT 1
#define HAS_BIT 0
#define HAS_GRAD HAS_SIMPLE_F64
#include "tensor/cpu/isa/pointwise_loops.h"

#define RUN_NUM(name) {name##_f32, SIMPLE_F64(name##_f64)}
#define RUN_FLT(name) {name##_f32, name##_f64}
#define RUN_CMP(name) {name##_f32, SIMPLE_F64(name##_f64)}
#define RUN_BIT(name) {NULL, NULL}
#define GRAD(gradient) {gradient##_f32, SIMPLE_F64(gradient##_f64)}
#define GRAD1(name) {GRAD(name##_grad_a)}
#define GRAD2(name) {GRAD(name##_grad_a), GRAD(name##_grad_b)}
#define GRAD3(name) {GRAD(name##_grad_a), GRAD(name##_grad_b), GRAD(name##_grad_c)}
#define NO_GRAD(name) {{NULL, NULL}}
#define GRAD1_NUM GRAD1
#define GRAD1_FLT GRAD1
#define GRAD1_CMP NO_GRAD
#define GRAD2_NUM GRAD2
#define GRAD2_FLT GRAD2
#define GRAD2_CMP NO_GRAD
#define GRAD2_BIT NO_GRAD
#define GRAD3_NUM GRAD3
#define GRAD3_FLT GRAD3

const tn_kernels TN_ISA_NAME(tn__pointwise)[TN_PW_COUNT] = {
#define TN_UNARY(name, kind, ...) [TN_PW_##name] = {RUN_##kind(name), GRAD1_##kind(name)},
#define TN_BINARY(name, kind, ...) [TN_PW_##name] = {RUN_##kind(name), GRAD2_##kind(name)},
#define TN_TERNARY(name, kind, ...) [TN_PW_##name] = {RUN_##kind(name), GRAD3_##kind(name)},
#include "tensor/pointwise.def"
};
