/* tensor.c -- tensors as views of storages. */
#include <stdlib.h>

#include "tensor/device.h"

static tn_status allocate(tn_ctx *ctx, tn_tensor **out) {
  size_t size = sizeof(tn_tensor);
  tn_tensor *t = tn__alloc(ctx->allocator, &size, TN_UNCOUNTED);
  *out = t;
  if (t == NULL) return tn__no_memory(ctx, sizeof *t);
  atomic_init(&t->refs, 1);
  t->ndim = 0;
  t->requires_grad = t->number = false;
  t->output = 0;
  t->epoch = 0;
  t->offset = 0;
  t->storage = NULL;
  t->node = NULL;
  t->grad = t->base = NULL;
  t->allocator = ctx->allocator;
  return TN_OK;
}

tn_status tn_tensor_new(tn_ctx *ctx, tn_tensor **out, tn_dtype dtype, int ndim,
                        const int64_t *sizes) {
  int64_t count = 0;
  size_t item = tn__item_size(dtype);
  *out = NULL;
  tn_status s = tn__count(ctx, ndim, sizes, item, &count);
  if (s != TN_OK) return s;
  tn_tensor *t;
  s = allocate(ctx, &t);
  if (s != TN_OK) return s;
  t->dtype = (uint8_t)dtype;
  t->ndim = (uint8_t)ndim;
  for (int d = 0; d < ndim; d++) t->sizes[d] = sizes[d];
  tn__contiguous_strides(ndim, t->sizes, t->strides);
  s = tn_storage_new(ctx, &t->storage, (size_t)count * item);
  if (s != TN_OK) {
    tn_tensor_release(t);
    return s;
  }
  *out = t;
  return TN_OK;
}

tn_status tn_tensor_scalar(tn_ctx *ctx, tn_tensor **out, tn_dtype dtype, double value) {
  const int16_t was = ctx->device;
  ctx->device = TN_CPU; /* numbers go to a device with the call that reads them */
  tn_status s = tn_tensor_new(ctx, out, dtype, 0, NULL);
  ctx->device = was;
  if (s != TN_OK) return s;
  void *data = (*out)->storage->data;
  if (dtype == TN_F64) *(double *)data = value;
  else if (dtype == TN_F32) *(float *)data = (float)value;
  else tn__store(data, dtype, 0, value);
  return TN_OK;
}

/* Fails when a view would reach outside of its storage. */
static tn_status check_reach(tn_ctx *ctx, const tn_storage *storage, tn_dtype dtype, int ndim,
                             const int64_t *sizes, const int64_t *strides, int64_t offset) {
  const int64_t most = (int64_t)1 << 46;
  const bool far = offset < 0 || offset > most;
  int64_t low = far ? -1 : offset, high = low, room, reach;
  for (int d = 0; d < ndim; d++) {
    if (sizes[d] == 0 && !far) return TN_OK;
    if (__builtin_mul_overflow(sizes[d] - 1, strides[d], &reach) || reach > most ||
        reach < -most) {
      high = INT64_MAX;
      break;
    }
    if (reach < 0) low += reach;
    else high += reach;
  }
  room = storage == NULL ? 0 : (int64_t)(storage->bytes / tn__item_size(dtype));
  if (low < 0 || high >= room) {
    char text[TN_SHAPE_TEXT];
    return tn_fail(ctx, TN_EINDEX,
                   "a view of size %s at offset %lld reaches outside its storage of %lld elements",
                   tn__shape_text(text, ndim, sizes), (long long)(offset + ctx->index_base),
                   (long long)room);
  }
  return TN_OK;
}

tn_status tn_tensor_view(tn_ctx *ctx, tn_tensor **out, tn_storage *storage, tn_dtype dtype,
                         int ndim, const int64_t *sizes, const int64_t *strides, int64_t offset) {
  int64_t own[TN_MAX_DIMS], count;
  *out = NULL;
  tn_status s = tn__count(ctx, ndim, sizes, tn__item_size(dtype), &count);
  if (s != TN_OK) return s;
  if (strides == NULL) {
    tn__contiguous_strides(ndim, sizes, own);
    strides = own;
  }
  s = check_reach(ctx, storage, dtype, ndim, sizes, strides, offset);
  if (s != TN_OK) return s;
  tn_tensor *t;
  s = allocate(ctx, &t);
  if (s != TN_OK) return s;
  t->dtype = (uint8_t)dtype;
  t->ndim = (uint8_t)ndim;
  for (int d = 0; d < ndim; d++) {
    t->sizes[d] = sizes[d];
    t->strides[d] = strides[d];
  }
  t->offset = offset;
  t->storage = tn_storage_retain(storage);
  *out = t;
  return TN_OK;
}

tn_status tn__alias(tn_ctx *ctx, tn_tensor **out, const tn_tensor *from, int ndim,
                    const int64_t *sizes, const int64_t *strides, int64_t offset) {
  tn_tensor *t;
  if (!tn__countable(ndim, sizes)) {
    char text[TN_SHAPE_TEXT];
    *out = NULL;
    return tn_fail(ctx, TN_ESHAPE, "a view of size %s has too many elements",
                   tn__shape_text(text, ndim, sizes));
  }
  tn_status s = allocate(ctx, &t);
  *out = t;
  if (s != TN_OK) return s;
  t->dtype = from->dtype;
  t->number = from->number;
  t->ndim = (uint8_t)ndim;
  for (int d = 0; d < ndim; d++) {
    t->sizes[d] = sizes[d];
    t->strides[d] = strides[d];
  }
  t->offset = offset;
  t->storage = tn_storage_retain(from->storage);
  return TN_OK;
}

tn_status tn_tensor_detach(tn_ctx *ctx, tn_tensor **out, const tn_tensor *t) {
  return tn__alias(ctx, out, t, t->ndim, t->sizes, t->strides, t->offset);
}

/* Forgets how `t` came about. */
static void forget(tn_tensor *t) {
  tn_node *node = t->node;
  tn_tensor *base = t->base;
  t->node = NULL;
  t->base = NULL;
  t->output = 0;
  tn__node_release(node);
  tn_tensor_release(base);
}

tn_status tn_tensor_set(tn_ctx *ctx, tn_tensor *t, const tn_tensor *source) {
  (void)ctx;
  tn_storage *old = t->storage;
  t->storage = tn_storage_retain(source->storage);
  t->dtype = source->dtype;
  t->ndim = source->ndim;
  memcpy(t->sizes, source->sizes, sizeof t->sizes);
  memcpy(t->strides, source->strides, sizeof t->strides);
  t->offset = source->offset;
  tn_storage_release(old);
  forget(t);
  return TN_OK;
}

tn_status tn_tensor_resize(tn_ctx *ctx, tn_tensor *t, int ndim, const int64_t *sizes,
                           const int64_t *strides) {
  int64_t own[TN_MAX_DIMS], count, high = t->offset;
  size_t item = tn__item_size(t->dtype);
  tn_status s = tn__count(ctx, ndim, sizes, item, &count);
  if (s != TN_OK) return s;
  if (strides == NULL) {
    tn__contiguous_strides(ndim, sizes, own);
    strides = own;
  }
  for (int d = 0; d < ndim && count > 0; d++) {
    if (strides[d] < 0 || strides[d] > (int64_t)1 << 46) {
      return tn_fail(ctx, TN_ESHAPE, "a stride of %lld is out of range", (long long)strides[d]);
    }
    if ((double)(sizes[d] - 1) * (double)strides[d] > 0x1p46) {
      return tn_fail(ctx, TN_ESHAPE, "strides reach too far");
    }
    high += (sizes[d] - 1) * strides[d];
  }
  if ((uint64_t)high >= SIZE_MAX / 2 / item) {
    return tn_fail(ctx, TN_ESHAPE, "strides reach too far");
  }
  size_t bytes = count == 0 ? 0 : (size_t)(high + 1) * item;
  if (t->storage == NULL) s = tn_storage_new(ctx, &t->storage, bytes);
  else if (t->storage->bytes < bytes) s = tn_storage_resize(ctx, t->storage, bytes);
  if (s != TN_OK) return s;
  t->ndim = (uint8_t)ndim;
  memmove(t->sizes, sizes, sizeof(int64_t) * (size_t)ndim);
  memmove(t->strides, strides, sizeof(int64_t) * (size_t)ndim);
  forget(t);
  return TN_OK;
}

tn_tensor *tn_tensor_retain(tn_tensor *t) {
  if (t != NULL) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}

/* Gradients of gradients may form a long chain, so it is walked, not descended into. */
void tn_tensor_release(tn_tensor *t) {
  while (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
    tn_tensor *grad = t->grad;
    if (t->node != NULL || t->base != NULL) forget(t);
    tn_storage_release(t->storage);
    tn__free(t->allocator, t, sizeof(tn_tensor), TN_UNCOUNTED);
    t = grad;
  }
}

tn_dtype tn_tensor_dtype(const tn_tensor *t) { return (tn_dtype)t->dtype; }
int tn_tensor_ndim(const tn_tensor *t) { return t->ndim; }
const int64_t *tn_tensor_sizes(const tn_tensor *t) { return t->sizes; }
const int64_t *tn_tensor_strides(const tn_tensor *t) { return t->strides; }
int64_t tn_tensor_numel(const tn_tensor *t) { return tn__numel(t); }
int64_t tn_tensor_offset(const tn_tensor *t) { return t->offset; }
bool tn_tensor_is_contiguous(const tn_tensor *t) { return tn__contiguous(t); }
tn_storage *tn_tensor_storage(const tn_tensor *t) { return t->storage; }
void *tn_tensor_data(const tn_tensor *t) {
  if (t->storage == NULL) return NULL;
  tn__touch(t->storage);
  return tn__data(t);
}

void tn_tensor_mark_number(tn_tensor *t) { t->number = true; }

/* Where element `index` of the row-major order lies, counted from the data's start. */
static int64_t position(const tn_tensor *t, int64_t index) {
  int64_t at = 0;
  for (int d = t->ndim - 1; d >= 0; d--) {
    at += index % t->sizes[d] * t->strides[d];
    index /= t->sizes[d];
  }
  return at;
}

double tn_tensor_get(const tn_tensor *t, int64_t index) {
  tn__touch(t->storage);
  if (tn__elsewhere(t)) return tn__device_get(t, position(t, index));
  return tn__load(tn__data(t), (tn_dtype)t->dtype, position(t, index));
}

tn_status tn_tensor_read(tn_ctx *ctx, const tn_tensor *t, int64_t index, double *value) {
  if (tn__elsewhere(t)) {
    return tn__device_read(ctx, t, position(t, index), value);
  }
  *value = tn_tensor_get(t, index);
  return TN_OK;
}

void tn_tensor_put(tn_tensor *t, int64_t index, double value) {
  if (tn__elsewhere(t)) tn__device_put(t, position(t, index), value);
  else tn__store(tn__data(t), (tn_dtype)t->dtype, position(t, index), value);
  tn_storage_touch(t->storage);
}

tn_status tn__contiguous_of(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype dtype) {
  if (t->dtype == dtype && tn__contiguous(t)) {
    *out = tn_tensor_retain(t);
    return TN_OK;
  }
  tn_status s = tn_tensor_new(ctx, out, dtype, t->ndim, t->sizes);
  if (s == TN_OK) s = tn__copy_view(ctx, *out, t);
  if (s != TN_OK) {
    tn_tensor_release(*out);
    *out = NULL;
  }
  return s;
}
