/* pointwise_f32.cu -- pointwise kernels that calculate in float. */
#include <stdint.h>

typedef float T;
#define SUFFIX _f32
#define HAS_FLOAT 1
#define PACKED 1
#include "cuda/pointwise.cuh"
