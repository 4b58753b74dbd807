/* mask.c -- elements picked by a mask: uint8 or bool, not 0 where an element is meant. */
#include "tensor/device.h"
#include "tensor/ops/lines.h"

/* *shown: the mask in x's shape. Torch7: as many elements in another will do, and stay there. */
static tn_status show_mask(tn_call *call, tn_tensor *shown, const tn_tensor *x) {
  const tn_tensor *mask = call->in[1];
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  *shown = *mask;
  if (mask->dtype != TN_U8 && mask->dtype != TN_BOOL) {
    return tn_fail(call->ctx, TN_EDTYPE, "a mask of uint8 or bool expected, got %s",
                   tn_dtype_name((tn_dtype)mask->dtype));
  }
  if (tn__numel(mask) == tn__numel(x)) return TN_OK;
  int extra = x->ndim - mask->ndim;
  bool fits = extra >= 0;
  for (int d = 0; d < x->ndim && fits; d++) {
    int64_t have = d < extra ? 1 : mask->sizes[d - extra];
    fits = have == 1 || have == x->sizes[d];
    shown->sizes[d] = x->sizes[d];
    shown->strides[d] = have == 1 ? 0 : mask->strides[d - extra];
  }
  if (!fits) {
    return tn_fail(call->ctx, TN_ESHAPE, "a mask of size %s does not fit a tensor of size %s",
                   tn__shape_text(a, mask->ndim, mask->sizes),
                   tn__shape_text(b, x->ndim, x->sizes));
  }
  shown->ndim = x->ndim;
  return TN_OK;
}

/* The mask as contiguous bytes, one for each element of x. */
static tn_status mask_for(tn_call *call, tn_tensor **out, const tn_tensor *x) {
  tn_tensor *mask = call->in[1], shown;
  *out = NULL;
  tn_status s = show_mask(call, &shown, x);
  if (s != TN_OK) return s;
  if (tn__numel(mask) == tn__numel(x)) {
    return tn__contiguous_of(call->ctx, out, mask, (tn_dtype)mask->dtype);
  }
  s = tn_tensor_new(call->ctx, out, (tn_dtype)mask->dtype, x->ndim, x->sizes);
  if (s == TN_OK) tn__copy_view(call->ctx, *out, &shown);
  return s;
}

static int64_t count_set(const tn_tensor *mask) {
  const uint8_t *m = (const uint8_t *)tn__data(mask);
  int64_t n = tn__numel(mask), count = 0;
  for (int64_t i = 0; i < n; i++) count += m[i] != 0;
  return count;
}

enum { TAKE, PUT };

/* Puts the first elements of `packed` where the mask is set. `item` is constant. */
static inline __attribute__((always_inline)) void move(int64_t n, const uint8_t *mask, char *x,
                                                       const char *packed, size_t item) {
  for (int64_t i = 0; i < n; i++) {
    if (mask[i] == 0) continue;
    memcpy(x + i * (int64_t)item, packed, item);
    packed += item;
  }
}

/* Takes `count` elements. Each is written, and written over unless it was meant: no processor
 * guesses a mask (1e6 elements, half of them meant, took 7.5 ms with a branch). */
static inline __attribute__((always_inline)) void take(int64_t count, const uint8_t *mask,
                                                       const char *x, char *packed, size_t item) {
  const char *end = packed + count * (int64_t)item;
  for (; packed < end; mask++, x += item) {
    memcpy(packed, x, item);
    packed += *mask != 0 ? item : 0;
  }
}

static inline __attribute__((always_inline)) void move_masked(int64_t n, const tn_tensor *mask,
                                                              const tn_tensor *x,
                                                              const tn_tensor *packed, int way) {
  const uint8_t *m = (const uint8_t *)tn__data(mask);
  char *data = tn__data(x), *list = tn__data(packed);
  if (way == TAKE) n = tn__numel(packed);
#define MOVE(item) way == TAKE ? take(n, m, data, list, item) : move(n, m, data, list, item)
  switch (tn__item_size(x->dtype)) {
  case 1: MOVE(1); break;
  case 2: MOVE(2); break;
  case 4: MOVE(4); break;
  default: MOVE(8);
  }
#undef MOVE
}

/* -- maskedSelect ------------------------------------------------------------------------------ */

static tn_status maskedSelect_shape(tn_call *call) {
  tn_tensor *mask, shown;
  tn__touch(call->in[1]->storage);
  call->meta[0].dtype = call->in[0]->dtype;
  call->meta[0].ndim = 1;
  if (TN_DEVICES && call->ctx->device != TN_CPU) {
    tn_status s = show_mask(call, &shown, call->in[0]);
    if (s != TN_OK) return s;
    return tn__device_count_set(call->ctx, &shown, &call->meta[0].sizes[0]);
  }
  tn_status s = mask_for(call, &mask, call->in[0]);
  if (s != TN_OK) return s;
  call->meta[0].sizes[0] = count_set(mask);
  tn_tensor_release(mask);
  return TN_OK;
}

static tn_status maskedSelect_run(tn_call *call) {
  tn_tensor *x = call->in[0], *mask, *flat = NULL, *to = NULL;
  tn_dtype dtype = (tn_dtype)x->dtype;
  tn_status s = mask_for(call, &mask, x);
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &flat, x, dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &to);
  if (s == TN_OK) move_masked(tn__numel(flat), mask, flat, to, TAKE);
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(flat);
  tn_tensor_release(mask);
  return s;
}

static tn_status maskedSelect_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *zeros = tn__zeros(&e, &g->meta[0]);
  g->din[0] =
      tn__keep(&e, tn__do_into(&e, TN_OP_maskedCopy, NULL, 3,
                               (tn_tensor *[]){zeros, g->in[1], g->dout[0]}));
  return tn__eval_end(&e);
}

const tn_op tn__op_maskedSelect = {
    .name = "maskedSelect", .lua = "maskedSelect", .aliases = "masked_select",
    .args = "T x; T mask", .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1,
    .saves = TN_SAVE_B, .low = -2, .high = 2, .shape = maskedSelect_shape,
    .run = maskedSelect_run, .grad = maskedSelect_grad, .onnx = "Compress",
    .doc = "The elements of x where the mask is not 0, in one dimension."};

/* -- maskedCopy -------------------------------------------------------------------------------- */

static tn_status maskedCopy_run(tn_call *call) {
  tn_tensor *x = call->in[0], *mask, *source = NULL, *to = NULL;
  int64_t wanted, have = tn__numel(call->in[2]);
  tn_status s = mask_for(call, &mask, x);
  if (s == TN_OK && (wanted = count_set(mask)) > have) {
    s = tn_fail(call->ctx, TN_ESHAPE, "the mask names %lld elements, but the source has %lld",
                (long long)wanted, (long long)have);
  }
  if (s == TN_OK) s = tn__contiguous_of(call->ctx, &source, call->in[2], (tn_dtype)x->dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, (tn_dtype)x->dtype, &to);
  if (s == TN_OK) {
    if (!tn__same_view(to, x)) tn__copy_view(call->ctx, to, x);
    move_masked(tn__numel(to), mask, to, source, PUT);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(source);
  tn_tensor_release(mask);
  return s;
}

/* The source's elements that were not needed get 0. */
static tn_tensor *source_grad(tn_eval *ep, const tn_grad_call *g) {
  tn_eval e = *ep;
  tn_meta rest = {.dtype = g->dout[0]->dtype, .ndim = 1, .sizes = {1}};
  tn_tensor *d = DO2(maskedSelect, g->dout[0], g->in[1]);
  for (int i = 0; i < g->meta[2].ndim; i++) rest.sizes[0] *= g->meta[2].sizes[i];
  if (d != NULL && d->sizes[0] < rest.sizes[0]) {
    tn_attrs attrs = {.i = {0}, .ni = 1};
    rest.sizes[0] -= d->sizes[0];
    d = tn__do(&e, TN_OP_cat, &attrs, 2, (tn_tensor *[]){d, tn__zeros(&e, &rest)});
  }
  d = tn__reshaped(&e, d, g->meta[2].ndim, g->meta[2].sizes);
  *ep = e;
  return d;
}

static tn_status maskedCopy_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  if (g->need[0]) {
    tn_tensor *zeros = tn__zeros(&e, &g->meta[0]);
    g->din[0] = tn__keep(&e, DO3(maskedCopy, g->dout[0], g->in[1], zeros));
  }
  if (g->need[2]) g->din[2] = tn__keep(&e, source_grad(&e, g));
  tn_status s = tn__eval_end(&e);
  return g->din[2] == NULL ? s : tn__reduce_to(g->ctx, &g->din[2], &g->meta[2]);
}

const tn_op tn__op_maskedCopy = {
    .name = "maskedCopy", .lua = "maskedCopy", .aliases = "masked_scatter",
    .args = "T x; T mask; T source", .convention = 'A', .flags = TN_INPLACE | TN_FLOATS | TN_INTEGERS,
    .nout = 1, .saves = TN_SAVE_B, .low = -2, .high = 2, .shape = tn__shape_same,
    .run = maskedCopy_run, .grad = maskedCopy_grad,
    .doc = "x with the source's first elements put where the mask is not 0."};

/* -- nonzero ----------------------------------------------------------------------------------- */

/* The bits of an element that tell whether it is 0: of a float all but the sign. */
static uint64_t telling_bits(tn_dtype dtype) {
  uint64_t all = ~(uint64_t)0 >> (64 - 8 * tn__item_size(dtype));
  return tn_dtype_is_float(dtype) ? all >> 1 : all;
}

/* marks[i] = is element i different from 0? */
static void mark(uint8_t *marks, const tn_tensor *x) {
  const uint64_t bits = telling_bits((tn_dtype)x->dtype);
  const void *data = tn__data(x);
  const int64_t n = tn__numel(x);
  switch (tn__item_size(x->dtype)) {
  case 1:
    for (int64_t i = 0; i < n; i++) marks[i] = (((const uint8_t *)data)[i] & bits) != 0;
    break;
  case 2:
    for (int64_t i = 0; i < n; i++) marks[i] = (((const uint16_t *)data)[i] & bits) != 0;
    break;
  case 4:
    for (int64_t i = 0; i < n; i++) marks[i] = (((const uint32_t *)data)[i] & bits) != 0;
    break;
  default:
    for (int64_t i = 0; i < n; i++) marks[i] = (((const uint64_t *)data)[i] & bits) != 0;
  }
}

/* *out: one byte for each element of the call's input, 1 where it is not 0. */
static tn_status marks_of(tn_call *call, tn_tensor **out) {
  tn_tensor *x = call->in[0], *flat;
  *out = NULL;
  tn_status s = tn__contiguous_of(call->ctx, &flat, x, (tn_dtype)x->dtype);
  if (s != TN_OK) return s;
  s = tn_tensor_new(call->ctx, out, TN_U8, x->ndim, x->sizes);
  if (s == TN_OK) mark((uint8_t *)tn__data(*out), flat);
  tn_tensor_release(flat);
  return s;
}

static tn_status nonzero_shape(tn_call *call) {
  tn_tensor *marks;
  tn__touch(call->in[0]->storage);
  call->meta[0].dtype = TN_I64;
  call->meta[0].ndim = 2;
  call->meta[0].sizes[1] = call->in[0]->ndim;
  if (TN_DEVICES && call->ctx->device != TN_CPU) {
    return tn__device_count_set(call->ctx, call->in[0], &call->meta[0].sizes[0]);
  }
  tn_status s = marks_of(call, &marks);
  if (s != TN_OK) return s;
  call->meta[0].sizes[0] = count_set(marks);
  tn_tensor_release(marks);
  return TN_OK;
}

/* Row by row of the last of `dims` dimensions, with a running position in the others; written over
 * where nothing was marked, as in take(). */
static inline __attribute__((always_inline)) void list_rows(const int dims, int64_t *list,
                                                            const int64_t *end,
                                                            const tn_tensor *marks, int64_t base) {
  const uint8_t *m = (const uint8_t *)tn__data(marks);
  const int last = dims - 1;
  const int64_t n = tn__numel(marks), width = last < 0 ? 1 : marks->sizes[last];
  int64_t at[TN_MAX_DIMS] = {0};
  for (int64_t first = 0; first < n && list < end; first += width) {
    for (int64_t i = 0; i < width && list < end; i++) {
      for (int d = 0; d < last; d++) list[d] = at[d] + base;
      list[last] = i + base;
      list += m[first + i] != 0 ? dims : 0;
    }
    for (int d = last - 1; d >= 0 && ++at[d] == marks->sizes[d]; d--) at[d] = 0;
  }
}

/* With the usual numbers of dimensions known, no loop over them is left. */
static void list_positions(int64_t *list, const int64_t *end, const tn_tensor *marks,
                           int64_t base) {
  switch (marks->ndim) {
  case 1: list_rows(1, list, end, marks, base); break;
  case 2: list_rows(2, list, end, marks, base); break;
  case 3: list_rows(3, list, end, marks, base); break;
  default: list_rows(marks->ndim, list, end, marks, base);
  }
}

static tn_status nonzero_run(tn_call *call) {
  tn_tensor *marks, *to = NULL;
  tn_status s = marks_of(call, &marks);
  if (s == TN_OK) s = tn__result_begin(call, 0, TN_I64, &to);
  if (s == TN_OK) {
    int64_t *list = (int64_t *)tn__data(to);
    list_positions(list, list + tn__numel(to), marks, call->ctx->index_base);
  }
  s = tn__result_end(call, 0, to, s);
  tn_tensor_release(marks);
  return s;
}

const tn_op tn__op_nonzero = {
    .name = "nonzero", .lua = "nonzero", .aliases = "argwhere", .args = "T x", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .shape = nonzero_shape,
    .run = nonzero_run, .no_grad = "positions do not change smoothly", .onnx = "NonZero",
    .doc = "The indices of all elements different from 0, one row for each."};
