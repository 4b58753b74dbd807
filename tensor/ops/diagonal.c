/* diagonal.c -- diagonals of tensors, and tensors with a part replaced. */
#include "tensor/eval.h"
#include "tensor/tape.h"

static tn_status finish(tn_call *call, tn_eval *e, tn_tensor *result) {
  call->out[0] = tn__keep(e, result);
  return tn__eval_end(e);
}

/* Far beyond any size, so that sums with sizes cannot overflow. */
static int64_t limited(int64_t k) {
  const int64_t far = (int64_t)1 << 60;
  return k > far ? far : k < -far ? -far : k;
}

/* -- diagonal: attrs i[0] which one, i[1] and i[2] of which two dimensions --------------------- */

static tn_status diagonal_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS], k = limited(tn__int(call->attrs, 0, 0));
  int a, b, n = 0;
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 1, 0), x->ndim, &a);
  if (s == TN_OK) s = tn__dim(call->ctx, tn__int(call->attrs, 2, 1), x->ndim, &b);
  if (s != TN_OK) return s;
  if (a == b) return tn_fail(call->ctx, TN_EARG, "two different dimensions expected");
  int64_t rows = x->sizes[a] + (k < 0 ? k : 0), columns = x->sizes[b] - (k > 0 ? k : 0);
  int64_t length = rows < columns ? rows : columns;
  if (length < 0) length = 0;
  for (int d = 0; d < x->ndim; d++) {
    if (d == a || d == b) continue;
    sizes[n] = x->sizes[d];
    strides[n++] = x->strides[d];
  }
  sizes[n] = length;
  strides[n++] = x->strides[a] + x->strides[b];
  int64_t offset = length == 0 ? 0 : k >= 0 ? k * x->strides[b] : -k * x->strides[a];
  return tn__alias(call->ctx, &call->out[0], x, n, sizes, strides, x->offset + offset);
}

static tn_status diagonal_grad(tn_grad_call *g) {
  return tn__part_grad(g, TN_OP_diagonal, g->attrs);
}

const tn_op tn__op_diagonal = {
    .name = "diagonal", .lua = "diagonal", .args = "T x; i offset=0; d? dim1; d? dim2",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .view = diagonal_view, .grad = diagonal_grad,
    .doc = "A diagonal of two dimensions, which become the last one of a view."};

/* -- Parts replaced ---------------------------------------------------------------------------- */

/* x with the part that a view operation shows replaced by the source. */
static tn_tensor *replaced(tn_eval *ep, tn_tensor *x, tn_tensor *source, tn_opcode code,
                           const tn_attrs *attrs) {
  tn_eval e = *ep;
  tn_attrs place;
  tn_tensor *base = x != NULL && !tn__contiguous(x) ? DO1(contiguous, x) : x;
  const bool was = tn_set_grad_enabled(e.ctx, false);
  tn_tensor *part = tn__do(&e, code, attrs, 1, &base);
  tn_set_grad_enabled(e.ctx, was);
  tn_tensor *y = NULL;
  if (part != NULL) {
    source = tn__with_sizes(&e, TN_OP_expand, source, part->ndim, part->sizes);
    tn__strided_attrs(&place, part, base);
    y = tn__numel(part) == 0 ? DO1(clone, base)
                             : tn__do(&e, TN_OP_as_strided_scatter, &place, 2,
                                      (tn_tensor *[]){base, source});
  }
  *ep = e;
  return y;
}

static tn_status scatter_part(tn_call *call, tn_opcode code, const tn_attrs *attrs) {
  tn_eval e = tn__eval_begin(call->ctx);
  return finish(call, &e, replaced(&e, call->in[0], call->in[1], code, attrs));
}

static tn_status select_scatter_compose(tn_call *call) {
  return scatter_part(call, TN_OP_select, call->attrs);
}

static tn_status diagonal_scatter_compose(tn_call *call) {
  return scatter_part(call, TN_OP_diagonal, call->attrs);
}

/* first to last, both included, as all ranges; a step above 1 is seen through a view of its own. */
static tn_status slice_scatter_compose(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t step = tn__int(call->attrs, 3, 1), first, last;
  int dim;
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 0, 0), x->ndim, &dim);
  if (s != TN_OK) return s;
  const int64_t size = x->sizes[dim];
  first = tn__int(call->attrs, 1, 0);
  last = tn__int(call->attrs, 2, size - 1);
  if (first < 0) first += size;
  if (last < 0 && tn__int(call->attrs, 2, TN_NONE) != TN_NONE) last += size;
  if (step < 1 || first < 0 || last >= size || last < first - 1) {
    int base = call->ctx->index_base;
    return tn_fail(call->ctx, TN_EINDEX, "no slice from %lld to %lld by steps of %lld: "
                   "dimension %d has %lld", (long long)first + base, (long long)last + base, (long long)step,
                   dim + base, (long long)size);
  }
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor base = *x;
  tn__contiguous_strides(base.ndim, base.sizes, base.strides);
  base.offset = 0;
  tn_tensor part = base;
  part.sizes[dim] = last < first ? 0 : (last - first) / step + 1;
  part.offset = part.sizes[dim] == 0 ? 0 : first * base.strides[dim];
  part.strides[dim] *= part.sizes[dim] > 1 ? step : 1;
  tn_attrs place = {.ni = 0};
  tn__strided_attrs(&place, &part, &base);
  return finish(call, &e, replaced(&e, call->in[0], call->in[1], TN_OP_as_strided, &place));
}

#define PART_ROW(name_, args_, doc_)                                                              \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .args = "T x; T source; " args_,   \
                                .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1,   \
                                .low = -2, .high = 2, .doc = doc_, .compose = name_##_compose};

PART_ROW(select_scatter, "d dim; x index", "x with one position of a dimension replaced.")
PART_ROW(slice_scatter, "d? dim; x? first; x? last; i step=1",
         "x with the positions from first to last of a dimension replaced.")
PART_ROW(diagonal_scatter, "i offset=0; d? dim1; d? dim2", "x with a diagonal replaced.")

static tn_status narrow_copy_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *part = tn__do(&e, TN_OP_narrow, call->attrs, 1, call->in);
  return finish(call, &e, part == NULL ? NULL : DO1(clone, part));
}

const tn_op tn__op_narrow_copy = {
    .name = "narrow_copy", .lua = "narrow_copy", .args = "T x; d dim; x first; i size",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .onnx = "Slice", .compose = narrow_copy_compose,
    .doc = "The part [first, first + size - 1] of a dimension, as a copy."};

/* -- Made around a diagonal -------------------------------------------------------------------- */

/* Dimension `dim` of a result of `ndim`, the last two of which are to lie at a and b. */
static void order_with(int ndim, int a, int b, tn_attrs *order) {
  int next = 0;
  order->ni = ndim;
  for (int d = 0; d < ndim; d++) {
    order->i[d] = d == a ? ndim - 2 : d == b ? ndim - 1 : next++;
  }
}

static tn_status diag_embed_compose(tn_call *call) {
  tn_tensor *x = call->in[0];
  const int64_t k = tn__int(call->attrs, 0, 0);
  tn_meta m = {.dtype = x->dtype, .ndim = (uint8_t)(x->ndim + 1)};
  int a, b;
  if (x->ndim < 1 || x->ndim == TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "1 to %d dimensions expected, got %d", TN_MAX_DIMS - 1,
                   x->ndim);
  }
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 1, -2), m.ndim, &a);
  if (s == TN_OK) s = tn__dim(call->ctx, tn__int(call->attrs, 2, -1), m.ndim, &b);
  if (s != TN_OK) return s;
  if (a == b) return tn_fail(call->ctx, TN_EARG, "two different dimensions expected");
  if (k > (int64_t)1 << 40 || k < -((int64_t)1 << 40)) {
    return tn_fail(call->ctx, TN_EARG, "diagonal %lld", (long long)k);
  }
  memcpy(m.sizes, x->sizes, sizeof(int64_t) * (size_t)(x->ndim - 1));
  m.sizes[m.ndim - 2] = m.sizes[m.ndim - 1] = x->sizes[x->ndim - 1] + (k < 0 ? -k : k);
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs diagonal = {.i = {k, -2, -1}, .ni = 3}, order;
  tn_tensor *y = replaced(&e, tn__zeros(&e, &m), x, TN_OP_diagonal, &diagonal);
  order_with(m.ndim, a, b, &order);
  if (a != m.ndim - 2 || b != m.ndim - 1) y = tn__do(&e, TN_OP_permute, &order, 1, &y);
  return finish(call, &e, y);
}

const tn_op tn__op_diag_embed = {
    .name = "diag_embed", .lua = "diag_embed", .args = "T x; i offset=0; d? dim1; d? dim2",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .compose = diag_embed_compose,
    .doc = "Matrices that have the lines of x's last dimension as a diagonal, and else zeros."};

static tn_status diagflat_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  int64_t count = tn__numel(call->in[0]);
  tn_tensor *flat = tn__reshaped(&e, call->in[0], 1, &count);
  return finish(call, &e, tn__do(&e, TN_OP_diag, call->attrs, 1, &flat));
}

const tn_op tn__op_diagflat = {
    .name = "diagflat", .lua = "diagflat", .args = "T x; i offset=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .compose = diagflat_compose, .doc = "The matrix with all elements of x as a diagonal."};

/* -- fill_diagonal ----------------------------------------------------------------------------- */

/* attrs: sizes, strides and offset of the places, as a view of x. */
static tn_status places(tn_call *call, tn_attrs *out) {
  const tn_tensor *x = call->in[0];
  const bool wrap = tn__int(call->attrs, 0, 0) != 0;
  int64_t n = x->ndim > 0 ? x->sizes[0] : 0, stride = 0;
  if (x->ndim < 2) return tn_fail(call->ctx, TN_ESHAPE, "a matrix expected, got %d dimensions",
                                  x->ndim);
  for (int d = 0; d < x->ndim; d++) {
    if (x->ndim > 2 && x->sizes[d] != n) {
      return tn_fail(call->ctx, TN_ESHAPE, "more than two dimensions must have one size");
    }
    stride += x->strides[d];
    if (x->ndim > 2) continue;
    if (x->sizes[d] < n) n = x->sizes[d];
  }
  out->i[0] = n;
  out->i[1] = stride;
  out->i[2] = 0;
  out->ni = 3;
  if (!wrap || x->ndim != 2 || x->sizes[0] <= x->sizes[1] + 1 || n == 0) return TN_OK;
  /* a tall matrix: again and again, with an empty row between */
  const int64_t period = x->sizes[1] + 1, full = x->sizes[0] / period;
  out->i[0] = full, out->i[1] = n;
  out->i[2] = period * x->strides[0], out->i[3] = stride;
  out->i[4] = 0;
  out->ni = 5;
  return TN_OK;
}

static tn_status fill_diagonal_compose(tn_call *call) {
  tn_tensor *x = call->in[0];
  tn_attrs place = {.ni = 0};
  tn_status s = places(call, &place);
  if (s != TN_OK) return s;
  tn_eval e = tn__eval_begin(call->ctx);
  if (place.i[0] > 0) {
    tn_tensor *part = tn__do(&e, TN_OP_as_strided, &place, 1, &x);
    if (e.status == TN_OK) {
      tn_tensor *in[2] = {part, call->in[1]};
      e.status = tn_apply_inplace(call->ctx, TN_OP_fill, 2, in, NULL);
    }
  }
  if (place.ni == 5 && e.status == TN_OK) { /* what is left below the last whole period */
    const int64_t period = x->sizes[1] + 1, done = place.i[0] * period;
    int64_t rest = x->sizes[0] - done;
    if (rest > x->sizes[1]) rest = x->sizes[1];
    tn_attrs last = {.i = {rest, x->strides[0] + x->strides[1], done * x->strides[0]}, .ni = 3};
    tn_tensor *part = rest > 0 ? tn__do(&e, TN_OP_as_strided, &last, 1, &x) : NULL;
    if (part != NULL) {
      tn_tensor *in[2] = {part, call->in[1]};
      e.status = tn_apply_inplace(call->ctx, TN_OP_fill, 2, in, NULL);
    }
  }
  return finish(call, &e, x);
}

const tn_op tn__op_fill_diagonal = {
    .name = "fill_diagonal", .lua = "fill_diagonal", .args = "T x; X value; b wrap=0",
    .convention = 'I', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .compose = fill_diagonal_compose,
    .doc = "Sets the main diagonal of x to a number; of a tall matrix, if asked, again below."};
