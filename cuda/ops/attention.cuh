/* attention.cuh -- what the kernels of attention share: see attention.cu. */
#ifndef TN_CUDA_ATTENTION_CUH
#define TN_CUDA_ATTENTION_CUH

#include <cfloat>

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"
#include "cuda/philox.cuh"

/* Rows of a matrix for each batch and head, in elements. */
typedef struct {
  char *data; /* NULL: not wanted */
  int32_t dtype;
  int64_t batch, head, row, column;
} attention_rows;

typedef enum { NO_MASK, MASK_TRUTH, MASK_ADDED } attention_mask;

typedef struct {
  int device, batch, heads, groups, dim, width;
  int64_t length, keys;
  bool causal, drops;
  double scale, keep;  /* what dropout keeps is multiplied with `keep` */
  uint64_t below;      /* words of the generator below this keep a weight */
  int64_t *state;      /* seed and offset: where the random numbers begin */
  attention_rows q, k, v, y, dy, dq, dk, dv;
  void *lse, *delta;   /* (batch, heads, length), of the type that is calculated in */
  void *scores;        /* NULL, or (batch, heads, length, keys): the gradient of the scores */
  attention_mask kind;
  const void *mask;    /* NULL: `number` everywhere */
  double number;
  int32_t mask_type;
  int64_t mask_strides[4];
} attention;

/* On tensor cores, for float16 and bfloat16; TN_DECLINED where the sizes or places do not suit. */
tn_status tn_cuda_attention_forward_half(const attention &a);
tn_status tn_cuda_attention_backward_half(const attention &a);

/* Place of a row's first element. */
__device__ static inline int64_t place_of(const attention_rows &m, int b, int h, int64_t row) {
  return b * m.batch + h * m.head + row * m.row;
}

/* The score of query i and key j, after the mask and the diagonal. */
template <typename T>
__device__ static inline T masked(const attention &a, int b, int h, int64_t i, int64_t j, T score) {
  if (a.kind != NO_MASK) {
    const int64_t *s = a.mask_strides;
    const int64_t at = b * s[0] + h * s[1] + i * s[2] + j * s[3];
    const T m = a.mask == nullptr ? static_cast<T>(a.number) : load<T>(a.mask, a.mask_type, at);
    if (a.kind == MASK_ADDED) score += m;
    else if (m == 0) score = -static_cast<T>(INFINITY);
  }
  return a.causal && j > i ? -static_cast<T>(INFINITY) : score;
}

/* The four random words of key j and queries i ... i + 3, where i is a multiple of 4: the same as
 * on the CPU, which goes by blocks of 64 queries. */
__device__ static inline void dropout_words(const attention &a, uint64_t seed, uint64_t offset,
                                            int b, int h, int64_t i, int64_t j, uint32_t words[4]) {
  const int64_t head = (int64_t)b * a.heads + h, line = head * ((a.length + 63) / 64) + i / 64;
  tn__philox(seed, offset + (uint64_t)(line * a.keys + j) * 16 + (uint64_t)(i % 64 / 4), words);
}

/* e^x of numbers up to 0, or NaN; 0 where the CPU says so. */
__device__ static inline float soft_exp(float x) { return x < -87 ? 0 : expf(x); }
__device__ static inline double soft_exp(double x) { return x < -708 ? 0 : exp(x); }

#endif
