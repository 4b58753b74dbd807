/* attention_kernel.c -- the softmax of blocks of scores, and its way back. */
#include <math.h>

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/isa/wide_math.h"
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/vmath.h"

#define REAL float
#define FN(name) name##_f32
#define EXP(x) tn_exp_f32(x)
#define LEAST -87
#if defined(__AVX512F__)
#define VECTOR_EXP
#endif
#include "tensor/cpu/isa/attention_real.h"
#undef VECTOR_EXP
#undef REAL
#undef FN
#undef EXP
#undef LEAST

#define REAL double
#define FN(name) name##_f64
#define EXP(x) tn_exp_f64(x)
#define LEAST -708
#include "tensor/cpu/isa/attention_real.h"

#if defined(__AVX512F__)
/* e^x for x up to 0, or NaN. Below -87 it is 0: numbers so small would take a hundred cycles. */
static inline __m512 soft_exp(__m512 x) {
  const __mmask16 counts = _mm512_cmp_ps_mask(x, wide(-87), _CMP_NLE_UQ);
  return _mm512_maskz_mov_ps(counts, wide_exp_bounded(_mm512_max_ps(wide(-87), x)));
}

/* A column of sixteen queries at a time: its greatest score and its sum stay in registers. */
static void soften_f32(int64_t n, int64_t ld, void *pscores, void *ptop, void *psum,
                       void *pfactor) {
  for (int64_t i = 0; i < ld; i += 16) {
    float *scores = (float *)pscores + i, *top = (float *)ptop + i, *sum = (float *)psum + i;
    const __m512 before = _mm512_loadu_ps(top);
    __m512 peak = before, other = before, a = _mm512_setzero_ps(), b = a;
    int64_t r = 0;
    for (; r + 2 <= n; r += 2) { /* a NaN is not greater: it stays in its place until exp */
      peak = _mm512_max_ps(_mm512_loadu_ps(scores + r * ld), peak);
      other = _mm512_max_ps(_mm512_loadu_ps(scores + (r + 1) * ld), other);
    }
    if (r < n) peak = _mm512_max_ps(_mm512_loadu_ps(scores + r * ld), peak);
    peak = _mm512_max_ps(peak, other);
    const __mmask16 none = _mm512_cmp_ps_mask(peak, wide(-INFINITY), _CMP_EQ_OQ);
    const __m512 shift = _mm512_mask_mov_ps(peak, none, _mm512_setzero_ps());
    const __m512 factor = soft_exp(_mm512_sub_ps(before, shift));
    for (r = 0; r + 2 <= n; r += 2) {
      const __m512 e = soft_exp(_mm512_sub_ps(_mm512_loadu_ps(scores + r * ld), shift));
      const __m512 f = soft_exp(_mm512_sub_ps(_mm512_loadu_ps(scores + (r + 1) * ld), shift));
      _mm512_storeu_ps(scores + r * ld, e);
      _mm512_storeu_ps(scores + (r + 1) * ld, f);
      a = _mm512_add_ps(a, e);
      b = _mm512_add_ps(b, f);
    }
    if (r < n) {
      const __m512 e = soft_exp(_mm512_sub_ps(_mm512_loadu_ps(scores + r * ld), shift));
      _mm512_storeu_ps(scores + r * ld, e);
      a = _mm512_add_ps(a, e);
    }
    _mm512_storeu_ps(top, peak);
    _mm512_storeu_ps((float *)pfactor + i, factor);
    _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_loadu_ps(sum), factor, _mm512_add_ps(a, b)));
  }
}

static void revive_f32(int64_t n, int64_t ld, void *pscores, const void *plse) {
  for (int64_t i = 0; i < ld; i += 16) {
    float *scores = (float *)pscores + i;
    const __m512 lse = _mm512_loadu_ps((const float *)plse + i);
    for (int64_t r = 0; r < n; r++, scores += ld) {
      _mm512_storeu_ps(scores, soft_exp(_mm512_sub_ps(_mm512_loadu_ps(scores), lse)));
    }
  }
}
#endif

#define TABLE(type)                                                                               \
  {soften_##type, revive_##type, slope_##type, scale_rows_##type, dot_##type,                    \
   hide_before_##type, turn_pairs_##type}

const tn_attention_kernels TN_ISA_NAME(tn__attention_kernels)[2] = {TABLE(f32), TABLE(f64)};
