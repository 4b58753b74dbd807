/* square.h -- a square of 16 x 16 floats turned over in registers, with AVX-512. */
#ifndef TN_CPU_ISA_SQUARE_H
#define TN_CPU_ISA_SQUARE_H

#if defined(__AVX512F__)

enum { TN_SQUARE = 16 };

typedef float tn_line __attribute__((vector_size(64)));
typedef float tn_loose_line __attribute__((vector_size(64), aligned(4), may_alias));

/* x[j][i] = x[i][j]: the upper half is interleaved with the lower one, four times over. */
static inline __attribute__((always_inline)) void tn_turn_square(tn_line *x) {
  tn_line y[TN_SQUARE];
  for (int step = 0; step < 4; step++) {
    _Pragma("GCC unroll 8") for (int i = 0; i < TN_SQUARE / 2; i++) {
      const tn_line a = x[i], b = x[i + TN_SQUARE / 2];
      y[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,
                                         23);
      y[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                             14, 30, 15, 31);
    }
    _Pragma("GCC unroll 16") for (int i = 0; i < TN_SQUARE; i++) x[i] = y[i];
  }
}

#endif
#endif
