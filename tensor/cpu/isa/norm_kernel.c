/* norm_kernel.c -- normalisation: sums of rows and columns, and what is made with them. */
#include <stddef.h>

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

#if defined(__AVX512F__)
#define LANE_BYTES 64
#elif defined(__AVX2__)
#define LANE_BYTES 32
#else
#define LANE_BYTES 16
#endif

#define REAL float
#define REAL_BYTES 4
#define FN(name) name##_f32
#include "tensor/cpu/isa/norm_real.h"
#undef REAL
#undef REAL_BYTES
#undef FN

#define REAL double
#define REAL_BYTES 8
#define FN(name) name##_f64
#include "tensor/cpu/isa/norm_real.h"

#define TABLE(type)                                                                               \
  {sum_##type, spread_##type, affine_##type, affine_each_##type, slopes_##type, back_##type,      \
   gather_##type, column_sum_##type, column_spread_##type, column_affine_##type,                  \
   column_slopes_##type, column_back_##type}

const tn_norm_kernels TN_ISA_NAME(tn__norm_kernels)[2] = {TABLE(f32), TABLE(f64)};
