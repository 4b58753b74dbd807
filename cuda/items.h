/* items.h -- what the host's side of several kernels needs: bytes of elements, and copies of views. */
#ifndef TN_CUDA_ITEMS_H
#define TN_CUDA_ITEMS_H

#include <string.h>

#include "cuda/device.h"

static inline size_t tn_item_size(int32_t dtype) {
  static const unsigned char bytes[] = {
#define X(NAME, word, type, torch7) sizeof(type),
      TN_DTYPE_MAP(X)
#undef X
  };
  return bytes[dtype];
}

/* to = from, of the same sizes and any strides and dtypes, on the device that is entered. */
static inline tn_status tn_copy_items(int device, tn_view to, tn_view from) {
  tn_kernel_call call;
  memset(&call, 0, sizeof call);
  call.code = TN_OP_copy;
  call.device = device;
  call.nin = call.nout = 1;
  call.in = &from;
  call.out = &to;
  return tn_cuda_move(&call);
}

#endif
