/* pointwise_f64.cu -- pointwise kernels that calculate in double. */
#include <stdint.h>

typedef double T;
#define SUFFIX _f64
#define HAS_FLOAT 1
#define PACKED 0
#include "cuda/pointwise.cuh"
