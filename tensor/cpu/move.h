/* move.h -- blocks turned over. tn__convert and tn__copy_view are in tensor/internal.h. */
#ifndef TN_CPU_MOVE_H
#define TN_CPU_MOVE_H

#include "tensor/cpu/kernels.h"
#include "tensor/internal.h"

/* dst[r * dst_step + c] = src[c * src_step + r] for r < rows and c < columns; steps in elements,
 * which are of `item` bytes. */
void tn__transpose(size_t item, int64_t rows, int64_t columns, void *dst, int64_t dst_step,
                   const void *src, int64_t src_step);

/* Moves n elements of one dtype; strides in elements. */
typedef void tn_mover(int64_t n, void *dst, int64_t dst_stride, const void *src,
                      int64_t src_stride);
tn_mover *tn__mover(size_t item);

tn_rows_fn *tn__row_gatherer(size_t item); /* NULL: none for elements of this size */

#endif
