/* kernels.c -- which operation has which CUDA kernels. A C file, since C++ has no designated
 * elements of arrays. An operation without a row goes by way of the CPU. */
#include "cuda/device.h"

/* The rows of pointwise.def, each a kernel per type and derivative: pointwise.cuh defines them
 * from the same rows, so a missing one does not link. */
#define RUN_NUM(name) {tn_cuda_##name##_f32, tn_cuda_##name##_f64, tn_cuda_##name##_i64}
#define RUN_FLT(name) {tn_cuda_##name##_f32, tn_cuda_##name##_f64, NULL}
#define RUN_CMP(name) RUN_NUM(name)
#define RUN_RNUM RUN_NUM
#define RUN_RFLT RUN_FLT
#define RUN_RCMP RUN_CMP
#define RUN_TRG RUN_FLT
#define RUN_BIT(name) {NULL, NULL, tn_cuda_##name##_i64}
#define GRAD(name, k) {tn_cuda_##name##_grad_##k##_f32, tn_cuda_##name##_grad_##k##_f64}
#define GRAD1_NUM(name) {GRAD(name, a)}
#define GRAD1_FLT(name) GRAD1_NUM(name)
#define GRAD1_CMP(name) {{NULL, NULL}}
#define GRAD1_RNUM GRAD1_NUM
#define GRAD1_RFLT GRAD1_NUM
#define GRAD1_RCMP GRAD1_CMP
#define GRAD1_TRG GRAD1_NUM
#define GRAD2_NUM(name) {GRAD(name, a), GRAD(name, b)}
#define GRAD2_FLT(name) GRAD2_NUM(name)
#define GRAD2_CMP(name) {{NULL, NULL}}
#define GRAD2_BIT(name) {{NULL, NULL}}
#define GRAD2_RNUM GRAD2_NUM
#define GRAD2_RFLT GRAD2_NUM
#define GRAD3_NUM(name) {GRAD(name, a), GRAD(name, b), GRAD(name, c)}
#define GRAD3_FLT(name) GRAD3_NUM(name)

#define DECLARE(name, ...)                                                                        \
  tn_device_kernel tn_cuda_##name##_f32, tn_cuda_##name##_f64, tn_cuda_##name##_i64,              \
      tn_cuda_##name##_grad_a_f32, tn_cuda_##name##_grad_a_f64, tn_cuda_##name##_grad_b_f32,      \
      tn_cuda_##name##_grad_b_f64, tn_cuda_##name##_grad_c_f32, tn_cuda_##name##_grad_c_f64;
#define TN_UNARY DECLARE
#define TN_BINARY DECLARE
#define TN_TERNARY DECLARE
#include "tensor/pointwise.def"
#undef TN_UNARY
#undef TN_BINARY
#undef TN_TERNARY

#define TN_UNARY(name, kind, ...) [TN_OP_##name] = {RUN_##kind(name), GRAD1_##kind(name)},
#define TN_BINARY(name, kind, ...) [TN_OP_##name] = {RUN_##kind(name), GRAD2_##kind(name)},
#define TN_TERNARY(name, kind, ...) [TN_OP_##name] = {RUN_##kind(name), GRAD3_##kind(name)},
extern const tn_pointwise_kernels tn_cuda_pointwise[TN_OP_COUNT];
const tn_pointwise_kernels tn_cuda_pointwise[TN_OP_COUNT] = {
#include "tensor/pointwise.def"
};

#define TN_CUDA_KERNEL(name) [TN_OP_##name] = tn_cuda_##name,
#define TN_CUDA_GRADIENT(name)
extern tn_device_kernel *const tn_cuda_kernels[TN_OP_COUNT];
tn_device_kernel *const tn_cuda_kernels[TN_OP_COUNT] = {
#include "cuda/kernels.def"
};
#undef TN_CUDA_KERNEL
#undef TN_CUDA_GRADIENT

#define TN_CUDA_KERNEL(name)
#define TN_CUDA_GRADIENT(name) [TN_OP_##name] = tn_cuda_##name##_gradient,
extern tn_device_kernel *const tn_cuda_gradients[TN_OP_COUNT];
tn_device_kernel *const tn_cuda_gradients[TN_OP_COUNT] = {
#include "cuda/kernels.def"
    [TN_OP_custom] = NULL};
