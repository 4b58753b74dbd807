/* windows.h -- what operations with a sliding window read from their calls. */
#ifndef TN_OPS_WINDOWS_H
#define TN_OPS_WINDOWS_H

#include "tensor/cpu/im2col.h"
#include "tensor/ops/lines.h"

/* Reads the vector of n numbers at attrs->i[slot] (one number stands for all of them, none for
 * `otherwise`), each from `least` to 2^30, aligned with the end of to[], whose rest becomes 1 or,
 * for paddings, `least`. */
tn_status tn__read_vector(tn_call *call, const char *what, int slot, int n, int64_t least,
                          int64_t otherwise, int64_t *to);
/* Positions of a window along `in` elements with padding on both sides; 0 or less: none. `ceil`:
 * also one that begins inside but reaches beyond the padding. */
int64_t tn__window_count(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                         bool ceil);
/* x as a batch of images with n dimensions of space: *single where it is one image without a batch,
 * which is then seen as a batch of one. NULL after a failure. */
tn_tensor *tn__as_batch(tn_eval *e, tn_tensor *x, int n, bool *single);

#endif
