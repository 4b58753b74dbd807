/* pointwise_i64.cu -- pointwise kernels that calculate in int64_t. */
#include <stdint.h>

typedef int64_t T;
#define SUFFIX _i64
#define HAS_FLOAT 0
#define PACKED 0
#include "cuda/pointwise.cuh"
