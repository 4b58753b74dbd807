/* dnn.h -- convolutions by cuDNN, through its graphs. A plan is made once for each problem, and kept.
 *
 * Threads: any may call; those of one device take turns while the work is handed over, not while it
 * is done. */
#ifndef TN_CUDA_DNN_H
#define TN_CUDA_DNN_H

#include "cuda/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_DNN_INPUT, TN_DNN_OUTPUT, TN_DNN_WEIGHT }; /* which of the three is the result */
enum { TN_DNN_SPACE = 3, TN_DNN_DIMS = 5 };

/* A convolution (tensor/ops/convolve.c): the large side x, the small one y and the weight w, each
 * with sizes and strides (in elements) of batch, channels and space; of the weight, of channels of
 * y and of x. It is the key of its plan: what is not used stays 0. */
typedef struct {
  int64_t result; /* TN_DNN_* */
  int64_t dtype;  /* of all three */
  int64_t space;  /* dimensions of space, 2 or 3: the last ones count */
  int64_t x_size[TN_DNN_DIMS], x_step[TN_DNN_DIMS];
  int64_t y_size[TN_DNN_DIMS], y_step[TN_DNN_DIMS];
  int64_t w_size[TN_DNN_DIMS], w_step[TN_DNN_DIMS];
  int64_t stride[TN_DNN_SPACE], pad[TN_DNN_SPACE], behind[TN_DNN_SPACE], dilation[TN_DNN_SPACE];
  int64_t flags; /* TN_DNN_MAY_ROUND ... */
  int64_t alignment; /* of all three, in bytes; filled by tn_dnn_convolve */
} tn_dnn_conv;

enum {
  TN_DNN_MAY_ROUND = 1,  /* float32 may be rounded before it is multiplied */
  TN_DNN_BENCHMARK = 2,  /* the plan is the fastest of those that were tried */
  TN_DNN_SAME_SUMS = 4   /* only plans that give the same result every time */
};

/* Computes one of the three from the other two; `memory`: of x, y, w, in the order of TN_DNN_*.
 * TN_DECLINED: cuDNN cannot be opened, or has no plan for it; nothing was done. */
tn_status tn_dnn_convolve(int device, const tn_dnn_conv *c, void *const memory[3]);

/* Why it cannot be opened, or NULL. */
const char *tn_dnn_problem(void);

#ifdef __cplusplus
}
#endif
#endif
