/* subscript.c -- x[i1, i2, ...] where index tensors and masks stand for dimensions.
 *
 * The index tensors broadcast together, to a block of positions. Where the dimensions that they stand
 * for are neighbours the block's dimensions take their place in the result, else they come first:
 * the rule of NumPy and PyTorch. Reading is made of recorded operations: those dimensions become
 * one, of which one list of positions picks. Writing puts values at places counted row by row.
 *
 * The lists are made on the host, and for a tensor on a device there: what the program waits for is
 * then only how many elements a mask names. */
#include "tensor/device.h"
#include "tensor/eval.h"
#include "tensor/subscript.h"

typedef struct {
  tn_ctx *ctx;
  const int *names;                /* what messages call a dimension */
  int ndim, count, first;          /* of x; how many are indexed; the first such */
  bool neighbours;
  tn_tensor *index[TN_MAX_DIMS];   /* NULL: all of the dimension; else int64 from 0, contiguous; on
                                      a device whole numbers as the program counts them */
  tn_meta block;                   /* what they broadcast to */
} plan;

static int name_of(const plan *p, int d) {
  return p->names != NULL ? p->names[d] : d + p->ctx->index_base;
}

static void release_plan(plan *p) {
  for (int d = 0; d < TN_MAX_DIMS; d++) tn_tensor_release(p->index[d]);
}

/* -- Reading the keys -------------------------------------------------------------------------- */

static bool on_device(const plan *p) { return TN_DEVICES && p->ctx->device != TN_CPU; }

/* A new reference to the key where the lists are made. */
static tn_status on_place(const plan *p, tn_tensor **out, tn_tensor *key) {
  if (key->storage->device != p->ctx->device) {
    return tn_tensor_to(p->ctx, out, key, p->ctx->device, (tn_dtype)key->dtype);
  }
  *out = tn_tensor_retain(key);
  return TN_OK;
}

/* Values that count from the index_base, or from the end, become positions from 0. */
static tn_status take_indices(plan *p, tn_tensor *key, int d, int64_t size) {
  tn_tensor *values = NULL, *own = NULL;
  if (tn_dtype_is_float((tn_dtype)key->dtype)) {
    return tn_fail(p->ctx, TN_EDTYPE, "an index tensor of whole numbers expected, got %s",
                   tn_dtype_name((tn_dtype)key->dtype));
  }
  if (on_device(p)) return on_place(p, &p->index[d], key);
  tn_status s = tn__host_of(p->ctx, &values, key, TN_I64);
  if (s == TN_OK) s = tn_tensor_new(p->ctx, &own, TN_I64, key->ndim, key->sizes);
  int64_t n = s == TN_OK ? tn__numel(own) : 0;
  for (int64_t i = 0; i < n && s == TN_OK; i++) {
    const int64_t value = ((const int64_t *)tn__data(values))[i];
    int64_t at = value < 0 ? value + size : value - p->ctx->index_base;
    if (at < 0 || at >= size) {
      s = tn_fail(p->ctx, TN_EINDEX, "index %lld is out of range: dimension %d has %lld",
                  (long long)value, name_of(p, d), (long long)size);
    } else {
      ((int64_t *)tn__data(own))[i] = at;
    }
  }
  tn_tensor_release(values);
  p->index[d] = own;
  return s;
}

/* The columns of what nonzero finds, as views. */
static tn_status list_mask(plan *p, tn_tensor *key, int d) {
  tn_tensor *mask = NULL, *found[TN_MAX_OUTPUTS] = {NULL};
  tn_status s = on_place(p, &mask, key);
  if (s == TN_OK) s = tn_apply(p->ctx, TN_OP_nonzero, 1, &mask, NULL, found);
  for (int k = 0; k < key->ndim && s == TN_OK; k++) {
    s = tn__alias(p->ctx, &p->index[d + k], found[0], 1, found[0]->sizes, found[0]->strides,
                  found[0]->offset + k);
  }
  tn_tensor_release(mask);
  tn_tensor_release(found[0]);
  return s;
}

/* A mask stands for as many dimensions as it has: for each the positions of what it names. */
static tn_status take_mask(plan *p, const tn_tensor *x, tn_tensor *key, int d) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  tn_tensor *flat = NULL;
  int64_t count = 0, at[TN_MAX_DIMS] = {0}, *lists[TN_MAX_DIMS] = {NULL};
  bool fits = key->ndim > 0 && d + key->ndim <= x->ndim &&
              memcmp(key->sizes, x->sizes + d, sizeof(int64_t) * key->ndim) == 0;
  if (!fits) {
    return tn_fail(p->ctx, TN_ESHAPE, "a mask of size %s does not fit a tensor of size %s",
                   tn__shape_text(a, key->ndim, key->sizes),
                   tn__shape_text(b, x->ndim, x->sizes));
  }
  if (on_device(p)) return list_mask(p, key, d);
  tn_status s = tn__host_of(p->ctx, &flat, key, TN_U8);
  const int64_t n = s == TN_OK ? tn__numel(flat) : 0;
  const uint8_t *set = s == TN_OK ? (const uint8_t *)tn__data(flat) : NULL;
  for (int64_t i = 0; i < n; i++) count += set[i] != 0;
  for (int k = 0; k < key->ndim && s == TN_OK; k++) {
    s = tn_tensor_new(p->ctx, &p->index[d + k], TN_I64, 1, &count);
    if (s == TN_OK) lists[k] = (int64_t *)tn__data(p->index[d + k]);
  }
  for (int64_t i = 0; i < n && s == TN_OK; i++) {
    for (int k = 0; set[i] != 0 && k < key->ndim; k++) *lists[k]++ = at[k];
    for (int k = key->ndim - 1; k >= 0 && ++at[k] == key->sizes[k]; k--) at[k] = 0;
  }
  tn_tensor_release(flat);
  return s;
}

static tn_status broadcast_block(plan *p) {
  for (int d = 0; d < p->ndim; d++) {
    const tn_tensor *t = p->index[d];
    if (t == NULL) continue;
    int ndim = t->ndim > p->block.ndim ? t->ndim : p->block.ndim;
    int64_t sizes[TN_MAX_DIMS];
    for (int k = 1; k <= ndim; k++) {
      int64_t a = k <= p->block.ndim ? p->block.sizes[p->block.ndim - k] : 1;
      int64_t b = k <= t->ndim ? t->sizes[t->ndim - k] : 1;
      if (a != b && a != 1 && b != 1) {
        char x[TN_SHAPE_TEXT], y[TN_SHAPE_TEXT];
        return tn_fail(p->ctx, TN_ESHAPE, "index tensors of size %s and %s do not fit together",
                       tn__shape_text(x, p->block.ndim, p->block.sizes),
                       tn__shape_text(y, t->ndim, t->sizes));
      }
      sizes[ndim - k] = a == 1 ? b : a;
    }
    memcpy(p->block.sizes, sizes, sizeof(int64_t) * (size_t)ndim);
    p->block.ndim = (uint8_t)ndim;
  }
  return TN_OK;
}

static tn_status make_plan(plan *p, tn_ctx *ctx, const tn_tensor *x, int n,
                           tn_tensor *const *keys, const int *names) {
  memset(p, 0, sizeof *p);
  p->ctx = ctx;
  p->names = names;
  p->ndim = x->ndim;
  p->block.dtype = TN_I64;
  tn_status s = TN_OK;
  for (int k = 0, d = 0; k < n && s == TN_OK; k++) {
    if (d >= x->ndim) {
      return tn_fail(ctx, TN_ESHAPE, "%d indices for a tensor of %d dimensions", n, x->ndim);
    }
    bool mask = keys[k] != NULL && tn__is_mask(keys[k]);
    if (mask) s = take_mask(p, x, keys[k], d);
    else if (keys[k] != NULL) s = take_indices(p, keys[k], d, x->sizes[d]);
    d += mask ? keys[k]->ndim : 1;
  }
  p->neighbours = true;
  for (int d = 0, last = -1; d < x->ndim; d++) {
    if (p->index[d] == NULL) continue;
    if (p->count++ == 0) p->first = d;
    else if (d != last + 1) p->neighbours = false;
    last = d;
  }
  if (s == TN_OK) s = broadcast_block(p);
  if (s == TN_OK && p->block.ndim + x->ndim - p->count > TN_MAX_DIMS) {
    s = tn_fail(ctx, TN_ESHAPE, "at most %d dimensions are supported", TN_MAX_DIMS);
  }
  return s;
}

/* Adds to each position of the block, in *to, factor times index tensor t's value there. */
static void add_positions(const plan *p, int64_t *to, const tn_tensor *t, int64_t factor) {
  int64_t at[TN_MAX_DIMS] = {0}, n = 1;
  const int64_t *values = (const int64_t *)tn__data(t);
  const int ndim = p->block.ndim, extra = ndim - t->ndim;
  for (int k = 0; k < ndim; k++) n *= p->block.sizes[k];
  for (int64_t i = 0; i < n; i++) {
    int64_t from = 0;
    for (int k = 0; k < t->ndim; k++) {
      if (t->sizes[k] > 1) from += at[extra + k] * t->strides[k];
    }
    to[i] += factor * values[from];
    for (int k = ndim - 1; k >= 0 && ++at[k] == p->block.sizes[k]; k--) at[k] = 0;
  }
}

/* Fills `to`, in which the block's dimensions begin at `first`; `steps`: what those of others are
 * worth. */
static tn_status list_on_device(const plan *p, tn_tensor *to, tn_opcode code, int first,
                                const int64_t *strides, const int64_t *sizes, const int64_t *steps,
                                int64_t base) {
  tn_device_places places = {.code = code, .first = first, .ndim = p->block.ndim, .begin = base,
                             .steps = steps};
  tn_status s = TN_OK;
  for (int d = 0; d < p->ndim && s == TN_OK; d++) {
    if (p->index[d] == NULL) continue;
    places.size = sizes[d];
    places.factor = strides[d];
    s = tn__device_list_places(p->ctx, to, p->index[d], &places);
    places.adds = true;
  }
  return s;
}

/* One list of the block's positions; strides[d] tells what a step of dimension d is worth. */
static tn_status block_positions(const plan *p, const tn_tensor *x, tn_tensor **out,
                                 const int64_t *strides, int64_t base) {
  int64_t n;
  *out = NULL;
  tn_status s = tn__count(p->ctx, p->block.ndim, p->block.sizes, sizeof n, &n);
  if (s == TN_OK) s = tn_tensor_new(p->ctx, out, TN_I64, 1, &n);
  if (s != TN_OK) return s;
  if (on_device(p)) {
    static const int64_t none[TN_MAX_DIMS];
    tn_tensor shown = **out;
    shown.ndim = p->block.ndim;
    memcpy(shown.sizes, p->block.sizes, sizeof shown.sizes);
    tn__contiguous_strides(shown.ndim, shown.sizes, shown.strides);
    return list_on_device(p, &shown, TN_OP_index, 0, strides, x->sizes, none, base);
  }
  int64_t *to = (int64_t *)tn__data(*out);
  for (int64_t i = 0; i < n; i++) to[i] = base;
  for (int d = 0; d < p->ndim; d++) {
    if (p->index[d] != NULL) add_positions(p, to, p->index[d], strides[d]);
  }
  return TN_OK;
}

/* A list that was made on the host goes where x is. Takes over the reference. */
static tn_tensor *placed(tn_eval *e, tn_tensor *list, const tn_tensor *x) {
  tn_tensor *moved = NULL;
  if (list == NULL || x->storage->device == list->storage->device) return tn__temp(e, list);
  if (e->status == TN_OK) {
    e->status = tn_tensor_to(e->ctx, &moved, list, x->storage->device, TN_I64);
  }
  tn_tensor_release(list);
  return e->status == TN_OK ? tn__temp(e, moved) : NULL;
}

/* -- Reading ----------------------------------------------------------------------------------- */

/* x with the indexed dimensions first, where they are no neighbours. */
static tn_tensor *gathered(tn_eval *e, const plan *p, tn_tensor *x, int64_t *sizes) {
  tn_attrs order = {.ni = x->ndim};
  int n = 0;
  for (int d = 0; d < x->ndim; d++) if (p->index[d] != NULL) order.i[n++] = d;
  for (int d = 0; d < x->ndim; d++) if (p->index[d] == NULL) order.i[n++] = d;
  for (int d = 0; d < x->ndim; d++) sizes[d] = x->sizes[order.i[d]];
  return tn__do(e, TN_OP_permute, &order, 1, &x);
}

static tn_tensor *pick(tn_eval *e, const plan *p, tn_tensor *x) {
  int64_t sizes[2 * TN_MAX_DIMS], all[TN_MAX_DIMS], strides[TN_MAX_DIMS], step = 1;
  const int first = p->neighbours ? p->first : 0, after = x->ndim - first - p->count;
  tn_tensor *y = x, *list = NULL;
  memcpy(all, x->sizes, sizeof all);
  for (int d = x->ndim - 1; d >= 0; d--) {
    if (p->index[d] == NULL) continue;
    strides[d] = step;
    step *= x->sizes[d];
  }
  if (e->status == TN_OK) e->status = block_positions(p, x, &list, strides, e->ctx->index_base);
  list = placed(e, list, x);
  if (!p->neighbours) y = gathered(e, p, x, all);
  memcpy(sizes, all, sizeof(int64_t) * (size_t)first);
  if (p->count > 1) { /* the indexed dimensions become one */
    sizes[first] = step;
    memcpy(sizes + first + 1, all + first + p->count, sizeof(int64_t) * (size_t)after);
    y = tn__reshaped(e, y, first + 1 + after, sizes);
  }
  tn_attrs dim = {.i = {first}, .ni = 1};
  y = tn__do(e, TN_OP_index, &dim, 2, (tn_tensor *[]){y, list});
  if (p->block.ndim == 1) return y;
  memcpy(sizes + first, p->block.sizes, sizeof(int64_t) * p->block.ndim);
  memcpy(sizes + first + p->block.ndim, all + first + p->count, sizeof(int64_t) * (size_t)after);
  return tn__reshaped(e, y, first + p->block.ndim + after, sizes);
}

tn_status tn_index(tn_ctx *ctx, tn_tensor **out, tn_tensor *x, int n, tn_tensor *const *keys,
                   const int *names) {
  plan p;
  const int16_t device = ctx->device;
  *out = NULL;
  ctx->device = x->storage->device; /* the lists are made there */
  tn_status s = make_plan(&p, ctx, x, n, keys, names);
  if (s == TN_OK && p.count == 0) {
    *out = tn_tensor_retain(x);
  } else if (s == TN_OK) {
    tn_eval e = tn__eval_begin(ctx);
    *out = tn__keep(&e, pick(&e, &p, x));
    s = tn__eval_end(&e);
  }
  ctx->device = device;
  release_plan(&p);
  return s;
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* Sizes of what is written, and for each of its dimensions what a step is worth, 0 in the block;
 * *at: where the block's dimensions begin. */
static int written(const plan *p, const tn_tensor *x, const int64_t *strides, int64_t *sizes,
                   int64_t *steps, int *at) {
  int n = 0;
  *at = p->neighbours ? p->first : 0;
  for (int d = 0; d < x->ndim; d++) {
    for (int k = 0; d == *at && k < p->block.ndim; k++, n++) {
      sizes[n] = p->block.sizes[k];
      steps[n] = 0;
    }
    if (p->index[d] != NULL) continue;
    sizes[n] = x->sizes[d];
    steps[n++] = strides[d];
  }
  return n;
}

/* The places in x, counted row by row from the index_base, of all that is written. */
static tn_status places(const plan *p, const tn_tensor *x, tn_tensor **out) {
  int64_t strides[TN_MAX_DIMS], sizes[TN_MAX_DIMS], steps[TN_MAX_DIMS], n, b = 1;
  int64_t at[TN_MAX_DIMS] = {0};
  tn_tensor *block = NULL;
  int first;
  tn__contiguous_strides(x->ndim, x->sizes, strides);
  const int ndim = written(p, x, strides, sizes, steps, &first);
  if (on_device(p)) {
    tn_status s = tn__count(p->ctx, ndim, sizes, sizeof n, &n);
    if (s == TN_OK) s = tn_tensor_new(p->ctx, out, TN_I64, ndim, sizes);
    if (s != TN_OK) return s;
    return list_on_device(p, *out, TN_OP_put, first, strides, x->sizes, steps,
                          p->ctx->index_base);
  }
  tn_status s = block_positions(p, x, &block, strides, p->ctx->index_base);
  if (s != TN_OK) return s;
  int64_t inside[TN_MAX_DIMS] = {0}; /* steps within the block */
  for (int k = p->block.ndim - 1; k >= 0; k--) {
    inside[first + k] = b;
    b *= p->block.sizes[k];
  }
  s = tn__count(p->ctx, ndim, sizes, sizeof n, &n);
  if (s == TN_OK) s = tn_tensor_new(p->ctx, out, TN_I64, ndim, sizes);
  const int64_t *from = (const int64_t *)tn__data(block);
  for (int64_t i = 0; i < n && s == TN_OK; i++) {
    int64_t place = 0, k = 0;
    for (int d = 0; d < ndim; d++) {
      place += at[d] * steps[d];
      k += at[d] * inside[d];
    }
    ((int64_t *)tn__data(*out))[i] = place + from[k];
    for (int d = ndim - 1; d >= 0 && ++at[d] == sizes[d]; d--) at[d] = 0;
  }
  tn_tensor_release(block);
  return s;
}

/* `values` with the sizes of `list`: broadcast, or, as in Torch7, as many elements of any shape. */
static tn_tensor *fitting(tn_eval *e, tn_tensor *values, const tn_tensor *list) {
  if (list == NULL || tn__same_shape(values, list)) return values;
  if (values->ndim == 0) return values;
  if (tn__numel(values) == tn__numel(list)) {
    return tn__reshaped(e, values, list->ndim, list->sizes);
  }
  return tn__with_sizes(e, TN_OP_expand, values, list->ndim, list->sizes);
}

tn_status tn_index_put(tn_ctx *ctx, tn_tensor *x, int n, tn_tensor *const *keys, const int *names,
                       tn_tensor *values, bool accumulate) {
  plan p;
  tn_tensor *list = NULL;
  const int16_t device = ctx->device;
  ctx->device = x->storage->device;
  tn_status s = make_plan(&p, ctx, x, n, keys, names);
  if (s == TN_OK) s = places(&p, x, &list);
  ctx->device = device;
  release_plan(&p);
  if (s != TN_OK) {
    tn_tensor_release(list);
    return s;
  }
  tn_eval e = tn__eval_begin(ctx);
  tn_attrs attrs = {.i = {accumulate}, .ni = 1};
  list = placed(&e, list, x);
  tn_tensor *source = fitting(&e, values, list);
  if (e.status == TN_OK) {
    tn_tensor *in[3] = {x, list, source};
    e.status = tn_apply_inplace(ctx, TN_OP_put, 3, in, &attrs);
  }
  return tn__eval_end(&e);
}
