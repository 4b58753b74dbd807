/* factor_kernel.c -- Cholesky's factors and inverses on one thread, for float and double; of middle
 * sizes they take half as long as OpenBLAS's. */
#include "tensor/cpu/isa/factor_kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/cpu/isa/gemm_kernel.h"
#include "tensor/cpu/isa/loops.h"

enum { NB = 32 }; /* rows of a block */

/* Memory in which products pack their operands. */
typedef struct {
  void *scratch;
  size_t bytes;
} tn_factor_work;

#if defined(__AVX512F__)
#define LANE_BYTES 64
#elif defined(__AVX2__)
#define LANE_BYTES 32
#else
#define LANE_BYTES 16
#endif

#define LANES (LANE_BYTES / (int)sizeof(REAL))
#define SLACK (2 * LANES)

#define REAL float
#define BITS int32_t
#define FN(name) name##_f32
#define GEMM(name) TN_ISA_NAME(FN(name))
#include "tensor/cpu/isa/factor_real.h"
#undef REAL
#undef BITS
#undef FN

#define REAL double
#define BITS int64_t
#define FN(name) name##_f64
#include "tensor/cpu/isa/factor_real.h"
