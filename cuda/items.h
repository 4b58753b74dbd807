/* items.h -- how many bytes an element of a dtype has. */
#ifndef TN_CUDA_ITEMS_H
#define TN_CUDA_ITEMS_H

#include "tensor/backend.h"

static inline size_t tn_item_size(int32_t dtype) {
  static const unsigned char bytes[] = {
#define X(NAME, word, type, torch7) sizeof(type),
      TN_DTYPE_MAP(X)
#undef X
  };
  return bytes[dtype];
}

#endif
