/* left_out.h -- operations that a build does without (`make WITHOUT=...`): their rows stay in the
 * table, so that a script is told what it asked for. The file that the build writes includes this,
 * and has TN_LEFT_OUT(name, part) for each of them. */
#ifndef TN_LEFT_OUT_H
#define TN_LEFT_OUT_H

#include "tensor/cpu/fft.h"
#include "tensor/cpu/lapack.h"
#include "tensor/internal.h"

static tn_status left_out_shape(tn_call *call) {
  return tn_fail(call->ctx, TN_EARG, "%s", call->op->doc);
}

#define TN_LEFT_OUT(name_, part_)                                                                  \
  const tn_op tn__op_##name_ = {                                                                   \
      .name = #name_, .lua = #name_, .args = "T x", .convention = 'C', .nout = 1,                  \
      .shape = left_out_shape, .no_grad = "it is left out",                                        \
      .doc = "left out of this build of Moonlet, which was made without '" part_ "'"};

/* What products of matrices share with decompositions asks for these. */
#define TN_LEFT_OUT_LAPACK                                                                         \
  tn_dtype tn__lapack_type(tn_dtype dtype) { return dtype; }                                       \
  void tn__lapack_begin(void) {}                                                                   \
  void tn__lapack_end(void) {}

/* The last context frees its plans. */
#define TN_LEFT_OUT_FFT                                                                            \
  void tn__fft_forget(void) {}

#endif
