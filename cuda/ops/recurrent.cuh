/* recurrent.cuh -- what the files of the recurrent layers share: see recurrent.cu. */
#ifndef TN_CUDA_RECURRENT_CUH
#define TN_CUDA_RECURRENT_CUH

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

typedef enum { LSTM, GRU, RNN_TANH, RNN_RELU } recurrent_kind; /* as tn_recurrent_kind */

/* A layer, in T: float or double. All arrays are contiguous. `gates`: how many the weights have;
 * `kept`: how many are kept for the gradient, and go back (a GRU's fourth is what h adds to n). */
template <typename T> struct recurrent {
  recurrent_kind kind;
  bool reverse, keep;
  int device, time, batch, in, hidden, gates, kept;
  const int64_t *lengths;              /* or NULL: all steps */
  const T *w_hh, *h0, *c0, *b_ih, *b_hh; /* NULL: zeros */
  const T *sums;                       /* (time, batch, gates * hidden): the input's part */
  T *out, *cells, *kept_gates;         /* cells: one state, unless kept; gates: or NULL */
  const T *dout, *dcells;              /* or NULL */
  T *dgates, *carry, *dh0;             /* dh0: or NULL */
  /* How it is divided: a group of `slices` blocks takes tiles of rows, each block some units. */
  int units, slices, groups, tiles, pitch, chunk;
  unsigned *arrivals; /* of each group; NULL: every launch makes one step */
  int first, last;
};

/* Makes all steps, or goes back through them; with dh0 also the gradient of the first state. */
template <typename T> tn_status tn_cuda_recurrent_steps(recurrent<T> r, bool back);

/* C (m, n) = op(A) op(B), + C where `add`; by rows, which are so many elements apart. */
template <typename T> struct matrices {
  int device;
  bool tf32, turned_a, turned_b, add;
  int64_t m, n, k;
  const T *a, *b;
  T *c;
  int64_t lda, ldb, ldc;
};
template <typename T> tn_status tn_cuda_recurrent_product(const matrices<T> &x);

#endif
