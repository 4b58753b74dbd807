/* shape.c -- sizes, strides, broadcasting, and what error messages say of them. */
#include <stdio.h>

#include "tensor/internal.h"

bool tn__contiguous(const tn_tensor *t) {
  int64_t expected = 1;
  for (int d = t->ndim - 1; d >= 0; d--) {
    if (t->sizes[d] == 0) return true;
    if (t->sizes[d] != 1 && t->strides[d] != expected) return false;
    expected *= t->sizes[d];
  }
  return true;
}

bool tn__same_shape(const tn_tensor *a, const tn_tensor *b) {
  return a->ndim == b->ndim && memcmp(a->sizes, b->sizes, sizeof(int64_t) * a->ndim) == 0;
}

bool tn__same_view(const tn_tensor *a, const tn_tensor *b) {
  return a->storage == b->storage && a->offset == b->offset && a->dtype == b->dtype &&
         tn__same_shape(a, b) &&
         memcmp(a->strides, b->strides, sizeof(int64_t) * a->ndim) == 0;
}

/* First and last byte offset that a view touches; false when it has no element. */
static bool extent(const tn_tensor *t, int64_t *first, int64_t *last) {
  int64_t low = t->offset, high = t->offset, item = (int64_t)tn__item_size(t->dtype);
  for (int d = 0; d < t->ndim; d++) {
    if (t->sizes[d] == 0) return false;
    int64_t reach = (t->sizes[d] - 1) * t->strides[d];
    if (reach < 0) low += reach;
    else high += reach;
  }
  *first = low * item;
  *last = (high + 1) * item - 1;
  return true;
}

bool tn__overlaps(const tn_tensor *a, const tn_tensor *b) {
  int64_t a0, a1, b0, b1;
  if (a->storage == NULL || a->storage != b->storage) return false;
  return extent(a, &a0, &a1) && extent(b, &b0, &b1) && a0 <= b1 && b0 <= a1;
}

void tn__contiguous_strides(int ndim, const int64_t *sizes, int64_t *strides) {
  uint64_t stride = 1; /* wraps for sizes that are refused later */
  for (int d = ndim - 1; d >= 0; d--) {
    strides[d] = (int64_t)stride;
    stride *= sizes[d] > 0 ? (uint64_t)sizes[d] : 1;
  }
}

const char *tn__shape_text(char *buffer, int ndim, const int64_t *sizes) {
  int used = snprintf(buffer, TN_SHAPE_TEXT, "[");
  for (int d = 0; d < ndim && used < TN_SHAPE_TEXT - 24; d++) {
    used += snprintf(buffer + used, (size_t)(TN_SHAPE_TEXT - used), "%s%lld", d > 0 ? "x" : "",
                     (long long)sizes[d]);
  }
  snprintf(buffer + used, (size_t)(TN_SHAPE_TEXT - used), "]");
  return buffer;
}

bool tn__countable(int ndim, const int64_t *sizes) {
  int64_t n = 1;
  for (int d = 0; d < ndim; d++) {
    if (sizes[d] > 1 && (__builtin_mul_overflow(n, sizes[d], &n) || n > TN_MOST)) return false;
  }
  return true;
}

tn_status tn__count(tn_ctx *ctx, int ndim, const int64_t *sizes, size_t item, int64_t *count) {
  const int64_t most = TN_MOST;
  int64_t n = 1; /* of the sizes above 0: strides are made of them, too */
  double full = 1;
  bool empty = false;
  if (ndim < 0 || ndim > TN_MAX_DIMS) {
    return tn_fail(ctx, TN_ESHAPE, "at most %d dimensions are supported, got %d", TN_MAX_DIMS,
                   ndim);
  }
  for (int d = 0; d < ndim; d++) {
    if (sizes[d] < 0) {
      return tn_fail(ctx, TN_ESHAPE, "a size cannot be negative, got %lld for dimension %d",
                     (long long)sizes[d], d + ctx->index_base);
    }
    full *= (double)sizes[d];
    if (sizes[d] == 0) empty = true;
    else n = sizes[d] > most / n ? most : n * sizes[d];
  }
  if (n >= most / (int64_t)item) {
    char text[TN_SHAPE_TEXT];
    if (empty) {
      return tn_fail(ctx, TN_ESHAPE, "sizes too large for an empty tensor: %s",
                     tn__shape_text(text, ndim, sizes));
    }
    return tn_fail(ctx, TN_ENOMEM, "%.4g GiB of memory asked for, for a tensor of size %s",
                   full * (double)item / 1073741824.0, tn__shape_text(text, ndim, sizes));
  }
  *count = empty ? 0 : n;
  return TN_OK;
}

tn_status tn__dim(tn_ctx *ctx, int64_t dim, int ndim, int *out) {
  int64_t d = dim < 0 ? dim + ndim : dim;
  if (d < 0 || d >= ndim) {
    return tn_fail(ctx, TN_EINDEX, "dimension %lld is out of range for a tensor of %d dimensions",
                   (long long)(dim < 0 ? dim : dim + ctx->index_base), ndim);
  }
  *out = (int)d;
  return TN_OK;
}

tn_status tn__broadcast(tn_ctx *ctx, const tn_meta *a, const tn_meta *b, tn_meta *out) {
  int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  uint64_t na = 1, nb = 1; /* may wrap where one is a result that has yet to be refused */
  tn_meta r = {0};
  bool fits = true;
  for (int d = 1; d <= ndim; d++) {
    int64_t sa = d <= a->ndim ? a->sizes[a->ndim - d] : 1;
    int64_t sb = d <= b->ndim ? b->sizes[b->ndim - d] : 1;
    na *= (uint64_t)sa;
    nb *= (uint64_t)sb;
    if (sa != sb && sa != 1 && sb != 1) fits = false;
    r.sizes[ndim - d] = sa == 1 ? sb : sa;
  }
  if (!fits && na == nb) { /* Torch7: as many elements will do */
    memcpy(r.sizes, a->sizes, sizeof(int64_t) * a->ndim);
    ndim = a->ndim;
  } else if (!fits) {
    char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
    return tn_fail(ctx, TN_ESHAPE, "shapes do not fit: %s and %s",
                   tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
  }
  memcpy(out->sizes, r.sizes, sizeof(int64_t) * ndim);
  out->ndim = (uint8_t)ndim;
  return TN_OK;
}

tn_status tn__shape_same(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  return TN_OK;
}
