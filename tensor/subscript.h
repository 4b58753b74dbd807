/* subscript.h -- which tensors name elements by a mask. */
#ifndef TN_SUBSCRIPT_H
#define TN_SUBSCRIPT_H

#include "tensor/internal.h"

/* uint8 and bool tensors are masks; those of other whole numbers hold indices. */
static inline bool tn__is_mask(const tn_tensor *t) {
  return t->dtype == TN_U8 || t->dtype == TN_BOOL;
}

#endif
