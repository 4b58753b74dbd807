/* im2col.h -- the values under a window that slides over images, as the columns of a matrix.
 *
 * An image is (channels, in...), contiguous, of up to three dimensions of space (missing ones have
 * size 1). Row (channel, kernel...) of the matrix holds what lies under that place of the window,
 * column (out...) what one position of the window covers; 0 outside of the image. */
#ifndef TN_CPU_IM2COL_H
#define TN_CPU_IM2COL_H

#include <stddef.h>
#include <stdint.h>

#define TN_SPACE 3 /* most dimensions that a window moves along */

typedef struct {
  int64_t channels;
  int64_t in[TN_SPACE], out[TN_SPACE], kernel[TN_SPACE];
  int64_t stride[TN_SPACE], pad[TN_SPACE], dilation[TN_SPACE]; /* pad: before the first element */
} tn_window;

static inline int64_t tn__window_cells(const int64_t *sizes) {
  return sizes[0] * sizes[1] * sizes[2];
}

/* The first position p >= 0 with p * stride + shift >= 0, and the first with it >= size; both at
 * most `count`: between them the window's place lies inside of the image. */
static inline void tn__window_inside(int64_t shift, int64_t stride, int64_t size, int64_t count,
                                     int64_t *first, int64_t *end) {
  int64_t low = shift < 0 ? -shift : 0, high = shift < size ? size - shift : 0;
  if (stride != 1) { /* divisions take longer than all else of a short run */
    low = (low + stride - 1) / stride;
    high = (high + stride - 1) / stride;
  }
  *first = low < count ? low : count;
  *end = high < *first ? *first : high < count ? high : count;
}

/* Columns [first, first + count) of the matrix, whose rows are `ld` elements apart; `item` is the
 * size of an element. */
void tn__im2col(const tn_window *w, size_t item, const void *image, int64_t first, int64_t count,
                void *columns, int64_t ld);
/* The same columns added to where they come from; item 4: floats, 8: doubles. */
void tn__col2im(const tn_window *w, size_t item, const void *columns, int64_t ld, int64_t first,
                int64_t count, void *image);

#endif
