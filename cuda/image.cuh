/* image.cuh -- tensors as batches of images, (batch, channels, depth, height, width), with any
 * strides: rows of a plane may lie behind each other, or the channels of a pixel. */
#ifndef TN_CUDA_IMAGE_CUH
#define TN_CUDA_IMAGE_CUH

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

enum { SPACE = 3, IMAGE = 5 };

struct image {
  void *data;
  int32_t dtype;
  int64_t size[IMAGE], step[IMAGE]; /* batch, channels, depth, height, width */
};

/* Sees a view as images whose last `space` dimensions are those of space; false: its first ones do
 * not lie evenly enough. */
static inline bool image_of(const tn_view &v, int space, image *to) {
  const int lead = v.ndim - space;
  to->data = v.data;
  to->dtype = v.dtype;
  for (int d = 0; d < IMAGE; d++) {
    const int own = v.ndim - IMAGE + d;
    const bool is_space = d >= IMAGE - space;
    to->size[d] = is_space ? v.sizes[own] : 1;
    to->step[d] = is_space ? v.strides[own] : 0;
  }
  if (lead > 0) {
    to->size[1] = v.sizes[lead - 1];
    to->step[1] = v.strides[lead - 1];
  }
  bool any = false;
  for (int d = lead - 2; d >= 0; d--) {
    if (v.sizes[d] == 1) continue;
    if (any && v.strides[d] != to->step[0] * to->size[0]) return false;
    if (!any) to->step[0] = v.strides[d];
    to->size[0] *= v.sizes[d];
    any = true;
  }
  return true;
}

static inline size_t item_of(int32_t dtype) {
  switch (dtype) {
  case TN_BOOL: case TN_U8: case TN_I8: return 1;
  case TN_I16: case TN_F16: case TN_BF16: return 2;
  case TN_I32: case TN_F32: return 4;
  default: return 8;
  }
}

/* A view of the same values, one behind the other: `v` itself, or a copy in *memory, which is to be
 * given back by tn_cuda_free. */
static inline tn_status packed(tn_kernel_call *call, const tn_view &v, tn_view *to,
                               void **memory) {
  int64_t count = 1;
  bool is = v.data != nullptr;
  *to = v;
  *memory = nullptr;
  for (int d = v.ndim - 1; d >= 0; d--) {
    if (v.sizes[d] != 1 && v.strides[d] != count) is = false;
    to->strides[d] = count;
    count *= v.sizes[d];
  }
  if (is || count == 0) return TN_OK;
  tn_status s = tn_cuda_alloc(call->device, (size_t)count * item_of(v.dtype), memory);
  if (s != TN_OK) return s;
  to->data = *memory;
  tn_kernel_call copy = *call;
  copy.in = &v;
  copy.out = to;
  copy.nin = copy.nout = 1;
  return tn_cuda_move(&copy);
}

/* images of any view, copied where it has to be. */
static inline tn_status images(tn_kernel_call *call, const tn_view &v, int space, image *to,
                               void **memory) {
  tn_view copy;
  *memory = nullptr;
  if (image_of(v, space, to)) return TN_OK;
  tn_status s = packed(call, v, &copy, memory);
  image_of(copy, space, to);
  return s;
}

/* One linear position taken apart into up to three of space and a rest. */
struct places {
  uint32_t count, size[SPACE];
  tn_divider by[SPACE];
};

static inline places places_of(const int64_t *size) {
  places p;
  p.count = 1;
  for (int d = 0; d < SPACE; d++) {
    p.size[d] = (uint32_t)size[d];
    p.by[d] = tn_divider_of(size[d] > 0 ? (uint32_t)size[d] : 1);
    p.count *= p.size[d];
  }
  return p;
}

__device__ static inline uint32_t split_place(const places &p, uint32_t i, int at[SPACE]) {
#pragma unroll
  for (int d = SPACE - 1; d >= 0; d--) {
    const uint32_t rest = tn_divide(i, p.by[d]);
    at[d] = (int)(i - rest * p.size[d]);
    i = rest;
  }
  return i;
}

/* All positions of an image in the order of its memory: the channels of a pixel last where they lie
 * beside each other. */
struct cells {
  uint64_t count;
  bool wide, pixels;
  uint32_t size[IMAGE];
  tn_divider by[IMAGE];
};

static inline cells cells_of(const image &m) {
  cells c;
  c.count = 1;
  for (int d = 0; d < IMAGE; d++) c.count *= (uint64_t)m.size[d];
  c.wide = c.count >= (uint64_t)1 << 31;
  c.pixels = m.size[1] > 1 && m.step[1] == 1;
  for (int d = 0; d < IMAGE; d++) {
    c.size[d] = (uint32_t)m.size[d];
    c.by[d] = tn_divider_of(c.wide || m.size[d] < 1 ? 1 : (uint32_t)m.size[d]);
  }
  return c;
}

__device__ static inline int take_cell(const cells &c, uint64_t *i, int d) {
  const uint64_t rest = c.wide ? *i / c.size[d] : tn_divide((uint32_t)*i, c.by[d]);
  const int at = (int)(*i - rest * c.size[d]);
  *i = rest;
  return at;
}

__device__ static inline void cell_at(const cells &c, uint64_t i, int64_t *batch, int at[IMAGE]) {
  if (c.pixels) at[1] = take_cell(c, &i, 1);
  at[4] = take_cell(c, &i, 4);
  at[3] = take_cell(c, &i, 3);
  at[2] = take_cell(c, &i, 2);
  if (!c.pixels) at[1] = take_cell(c, &i, 1);
  *batch = (int64_t)i;
}

/* Where (batch, at[1], at[2], at[3], at[4]) lies. */
__device__ static inline int64_t pixel(const image &m, int64_t batch, const int at[IMAGE]) {
  int64_t where = batch * m.step[0];
#pragma unroll
  for (int d = 1; d < IMAGE; d++) where += at[d] * m.step[d];
  return where;
}

/* The first pixel of a plane. */
__device__ static inline int64_t plane_of(const image &m, int64_t batch, int channel) {
  return batch * m.step[0] + channel * m.step[1];
}

#endif
