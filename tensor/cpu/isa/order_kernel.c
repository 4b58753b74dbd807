/* order_kernel.c -- a block of a convolution's kernel in another order. With AVX-512 a square of 16
 * vectors is turned over in registers: as the matrix that the outputs' rows are, 16 columns at a
 * time, each of which is one input and one cell. */
#include "tensor/cpu/isa/order_kernel.h"

#include "tensor/cpu/isa/square.h"

enum { SIDE = 16, SQUARE = SIDE * SIDE };

/* Where column t, of input t / cells and cell t % cells, is in the block. */
static int64_t place(int64_t t, int64_t cells) { return t % cells * SQUARE + t / cells * SIDE; }

#if defined(__AVX512F__)

void TN_ISA_NAME(tn__order_outputs)(int64_t cells, const float *plain, int64_t across,
                                    float *block) {
  tn_line x[SIDE];
  for (int64_t t = 0; t < SIDE * cells; t += SIDE) {
    _Pragma("GCC unroll 16") for (int i = 0; i < SIDE; i++) {
      x[i] = *(const tn_loose_line *)(plain + i * across + t);
    }
    tn_turn_square(x);
    for (int i = 0; i < SIDE; i++) *(tn_loose_line *)(block + place(t + i, cells)) = x[i];
  }
}

void TN_ISA_NAME(tn__order_outputs_back)(int64_t cells, const float *block, float *plain,
                                         int64_t across) {
  tn_line x[SIDE];
  for (int64_t t = 0; t < SIDE * cells; t += SIDE) {
    for (int i = 0; i < SIDE; i++) x[i] = *(const tn_loose_line *)(block + place(t + i, cells));
    tn_turn_square(x);
    _Pragma("GCC unroll 16") for (int i = 0; i < SIDE; i++) {
      *(tn_loose_line *)(plain + i * across + t) = x[i];
    }
  }
}

/* Twice turned over: to gather the cells one by one takes several times as long. */
void TN_ISA_NAME(tn__order_inputs)(int64_t cells, const float *plain, int64_t across,
                                   float *block) {
  tn_line x[SIDE];
  TN_ISA_NAME(tn__order_outputs)(cells, plain, across, block);
  for (float *square = block; square < block + cells * SQUARE; square += SQUARE) {
    _Pragma("GCC unroll 16") for (int i = 0; i < SIDE; i++) {
      x[i] = *(const tn_loose_line *)(square + i * SIDE);
    }
    tn_turn_square(x);
    _Pragma("GCC unroll 16") for (int i = 0; i < SIDE; i++) {
      *(tn_loose_line *)(square + i * SIDE) = x[i];
    }
  }
}

#else

void TN_ISA_NAME(tn__order_outputs)(int64_t cells, const float *plain, int64_t across,
                                    float *block) {
  for (int64_t t = 0; t < SIDE * cells; t++) {
    float *to = block + place(t, cells);
    for (int64_t i = 0; i < SIDE; i++) to[i] = plain[i * across + t];
  }
}

void TN_ISA_NAME(tn__order_outputs_back)(int64_t cells, const float *block, float *plain,
                                         int64_t across) {
  for (int64_t t = 0; t < SIDE * cells; t++) {
    const float *from = block + place(t, cells);
    for (int64_t i = 0; i < SIDE; i++) plain[i * across + t] = from[i];
  }
}

void TN_ISA_NAME(tn__order_inputs)(int64_t cells, const float *plain, int64_t across,
                                   float *block) {
  for (int64_t i = 0; i < SIDE; i++) {
    for (int64_t c = 0; c < cells; c++) {
      float *to = block + c * SQUARE + i * SIDE;
      for (int64_t k = 0; k < SIDE; k++) to[k] = plain[i * across + k * cells + c];
    }
  }
}

#endif
