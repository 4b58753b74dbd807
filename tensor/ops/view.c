/* view.c -- operations whose result shares memory with their input. */
#include "tensor/eval.h"
#include "tensor/tape.h"

#define VIEW_OP(name_, lua_, aliases_, args_, convention_, onnx_, doc_)                            \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = lua_, .aliases = aliases_, .args = args_,  \
                                .convention = convention_, .flags = TN_FLOATS | TN_INTEGERS,      \
                                .nout = 1, .low = -2, .high = 2, .onnx = onnx_, .doc = doc_,      \
                                .view = name_##_view, .grad = name_##_grad};

/* Copies sizes with at most one -1 into `sizes` and resolves it against `count` elements. */
static tn_status resolve(tn_call *call, int64_t count, int64_t *sizes, int *ndim) {
  int64_t known = 1;
  int open = -1;
  *ndim = call->attrs->ni;
  if (*ndim > TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "at most %d dimensions are supported, got %d",
                   TN_MAX_DIMS, *ndim);
  }
  for (int d = 0; d < *ndim; d++) {
    sizes[d] = call->attrs->i[d];
    if (sizes[d] == -1 && open < 0) open = d;
    else if (sizes[d] < 0) return tn_fail(call->ctx, TN_ESHAPE, "a size of %lld",
                                          (long long)sizes[d]);
    else if (__builtin_mul_overflow(known, sizes[d], &known)) known = INT64_MAX;
  }
  if (open >= 0 && known > 0 && count % known == 0) {
    sizes[open] = count / known;
    known *= sizes[open];
  }
  if (known != count || (open >= 0 && sizes[open] < 0)) {
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    const tn_tensor *x = call->in[0];
    return tn_fail(call->ctx, TN_ESHAPE, "a tensor of size %s (%lld elements) cannot become %s",
                   tn__shape_text(a, x->ndim, x->sizes), (long long)count,
                   tn__shape_text(b, *ndim, call->attrs->i));
  }
  return TN_OK;
}

/* Strides that show `x`, which has elements, with other sizes, if there are any (as numpy's reshape
 * without a copy). */
static bool strides_for(const tn_tensor *x, int ndim, const int64_t *sizes, int64_t *strides) {
  int from = x->ndim - 1, to = ndim - 1;
  while (to >= 0) {
    while (from >= 0 && x->sizes[from] == 1) from--;
    int64_t stride = from >= 0 ? x->strides[from] : 1, have = from >= 0 ? x->sizes[from] : 1;
    int64_t want = 1;
    while (from > 0 && x->strides[from - 1] == x->sizes[from] * x->strides[from]) {
      from--;
      have *= x->sizes[from];
    }
    while (to >= 0 && want * sizes[to] <= have) {
      strides[to] = stride * want;
      want *= sizes[to--];
      if (want == have && (to < 0 || sizes[to] != 1)) break;
    }
    if (want != have || (from < 0 && to >= 0 && sizes[to] != 1)) return false;
    from--;
  }
  return true;
}

static tn_status view_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int ndim;
  tn_status s = resolve(call, tn__numel(x), sizes, &ndim);
  if (s != TN_OK) return s;
  if (tn__contiguous(x) || tn__numel(x) == 0) tn__contiguous_strides(ndim, sizes, strides);
  else if (!strides_for(x, ndim, sizes, strides)) {
    return tn_fail(call->ctx, TN_ESHAPE,
                   "the elements lie too far apart for this view: use contiguous() or reshape()");
  }
  return tn__alias(call->ctx, &call->out[0], x, ndim, sizes, strides, x->offset);
}

static tn_status view_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__reshaped(&e, g->dout[0], g->meta[0].ndim, g->meta[0].sizes));
  return tn__eval_end(&e);
}

VIEW_OP(view, "view", NULL, "T x; z sizes", 'C', "Reshape",
        "The same elements with other sizes; one of them may be -1.")

static tn_status expand_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int ndim = call->attrs->ni;
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (ndim < x->ndim || ndim > TN_MAX_DIMS) goto refuse;
  for (int d = 0; d < ndim; d++) {
    int own = d - (ndim - x->ndim);
    int64_t size = call->attrs->i[d], have = own < 0 ? 1 : x->sizes[own];
    if (size == -1 && own >= 0) size = have;
    if (size < 0 || (have != size && have != 1)) goto refuse;
    sizes[d] = size;
    strides[d] = have == 1 ? 0 : x->strides[own];
  }
  return tn__alias(call->ctx, &call->out[0], x, ndim, sizes, strides, x->offset);
refuse:
  return tn_fail(call->ctx, TN_ESHAPE, "a tensor of size %s cannot be expanded to %s",
                 tn__shape_text(a, x->ndim, x->sizes),
                 tn__shape_text(b, ndim < TN_MAX_DIMS ? ndim : TN_MAX_DIMS, call->attrs->i));
}

static tn_status expand_grad(tn_grad_call *g) {
  g->din[0] = tn_tensor_retain(g->dout[0]);
  return tn__reduce_to(g->ctx, &g->din[0], &g->meta[0]);
}

VIEW_OP(expand, "expand", "broadcast_to", "T x; z sizes", 'C', "Expand",
        "Dimensions of size 1 repeated, without a copy.")

static tn_status narrow_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], first = call->attrs->i[1], size = call->attrs->i[2];
  int dim;
  tn_status s = tn__dim(call->ctx, call->attrs->i[0], x->ndim, &dim);
  if (s != TN_OK) return s;
  if (first < 0 || size < 0 || first > x->sizes[dim] || size > x->sizes[dim] - first) {
    int base = call->ctx->index_base;
    return tn_fail(call->ctx, TN_EINDEX,
                   "%lld elements from %lld on are out of range: dimension %d has %lld",
                   (long long)size, (long long)first + base, dim + base, (long long)x->sizes[dim]);
  }
  memcpy(sizes, x->sizes, sizeof sizes);
  sizes[dim] = size;
  return tn__alias(call->ctx, &call->out[0], x, x->ndim, sizes, x->strides,
                   x->offset + first * x->strides[dim]);
}

tn_status tn__part_grad(tn_grad_call *g, tn_opcode code, const tn_attrs *attrs) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs a = {0};
  tn_meta m = g->meta[0];
  tn_tensor *zeros = tn__zeros(&e, &m), *part = NULL;
  if (e.status == TN_OK) {
    bool was = tn_set_grad_enabled(g->ctx, false);
    part = tn__do(&e, code, attrs, 1, &zeros);
    tn_set_grad_enabled(g->ctx, was);
  }
  if (e.status == TN_OK && g->create_graph) {
    tn__strided_attrs(&a, part, zeros);
    g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_as_strided_scatter, &a, 2,
                                    (tn_tensor *[]){zeros, g->dout[0]}));
  } else if (e.status == TN_OK) {
    e.status = tn__copy_view(g->ctx, part, g->dout[0]);
    g->din[0] = tn__keep(&e, zeros);
  }
  return tn__eval_end(&e);
}

static tn_status narrow_grad(tn_grad_call *g) { return tn__part_grad(g, TN_OP_narrow, g->attrs); }

VIEW_OP(narrow, "narrow", NULL, "T x; d dim; x first; i size", 'C', "Slice",
        "The part [first, first + size - 1] of a dimension.")

static tn_status select_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS], index = call->attrs->i[1];
  int dim, to = 0;
  tn_status s = tn__dim(call->ctx, call->attrs->i[0], x->ndim, &dim);
  if (s != TN_OK) return s;
  int64_t at = index < 0 ? index + x->sizes[dim] : index;
  if (at < 0 || at >= x->sizes[dim]) {
    int base = call->ctx->index_base;
    return tn_fail(call->ctx, TN_EINDEX, "index %lld is out of range: dimension %d has %lld",
                   (long long)(index < 0 ? index : index + base), dim + base,
                   (long long)x->sizes[dim]);
  }
  for (int d = 0; d < x->ndim; d++) {
    if (d == dim) continue;
    sizes[to] = x->sizes[d];
    strides[to++] = x->strides[d];
  }
  return tn__alias(call->ctx, &call->out[0], x, to, sizes, strides,
                   x->offset + at * x->strides[dim]);
}

static tn_status select_grad(tn_grad_call *g) { return tn__part_grad(g, TN_OP_select, g->attrs); }

const tn_op tn__op_select = {
    .name = "select", .lua = "select", .args = "T x; d dim; x index", .convention = 'C',
    .flags = TN_NUMBER | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .onnx = "Gather", .view = select_view, .grad = select_grad,
    .doc = "One position of a dimension, which disappears; of a vector, the number there."};

static tn_status transpose_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int a, b;
  if (call->attrs->ni == 0 && x->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "a matrix expected, got %d dimensions", x->ndim);
  }
  tn_status s = tn__dim(call->ctx, tn__int(call->attrs, 0, 0), x->ndim, &a);
  if (s == TN_OK) s = tn__dim(call->ctx, tn__int(call->attrs, 1, 1), x->ndim, &b);
  if (s != TN_OK) return s;
  memcpy(sizes, x->sizes, sizeof sizes);
  memcpy(strides, x->strides, sizeof strides);
  sizes[a] = x->sizes[b], strides[a] = x->strides[b];
  sizes[b] = x->sizes[a], strides[b] = x->strides[a];
  return tn__alias(call->ctx, &call->out[0], x, x->ndim, sizes, strides, x->offset);
}

static tn_status transpose_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_transpose, g->attrs, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

VIEW_OP(transpose, "transpose", "t swapaxes swapdims", "T x; d? dim1; d? dim2", 'C', "Transpose",
        "Two dimensions exchanged; of a matrix, without naming them.")

static tn_status permute_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  unsigned seen = 0;
  if (call->attrs->ni != x->ndim) {
    return tn_fail(call->ctx, TN_ESHAPE, "%d dimensions named, but the tensor has %d",
                   call->attrs->ni, x->ndim);
  }
  for (int d = 0; d < x->ndim; d++) {
    int from;
    tn_status s = tn__dim(call->ctx, call->attrs->i[d], x->ndim, &from);
    if (s != TN_OK) return s;
    if (seen >> from & 1) {
      return tn_fail(call->ctx, TN_ESHAPE, "dimension %d is named twice",
                     from + call->ctx->index_base);
    }
    seen |= 1u << from;
    sizes[d] = x->sizes[from];
    strides[d] = x->strides[from];
  }
  return tn__alias(call->ctx, &call->out[0], x, x->ndim, sizes, strides, x->offset);
}

static tn_status permute_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs back = {.ni = g->attrs->ni};
  for (int d = 0; d < back.ni; d++) {
    int64_t from = g->attrs->i[d];
    back.i[from < 0 ? from + back.ni : from] = d;
  }
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_permute, &back, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

VIEW_OP(permute, "permute", NULL, "T x; D dims", 'C', "Transpose",
        "All dimensions in another order.")

static tn_status unsqueeze_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int dim;
  if (x->ndim == TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "at most %d dimensions are supported", TN_MAX_DIMS);
  }
  tn_status s = tn__dim(call->ctx, call->attrs->i[0], x->ndim + 1, &dim);
  if (s != TN_OK) return s;
  for (int d = 0; d <= x->ndim; d++) {
    int from = d < dim ? d : d - 1;
    sizes[d] = d == dim ? 1 : x->sizes[from];
    strides[d] = d == dim ? 1 : x->strides[from];
  }
  return tn__alias(call->ctx, &call->out[0], x, x->ndim + 1, sizes, strides, x->offset);
}

static tn_status unsqueeze_grad(tn_grad_call *g) { return view_grad(g); }

VIEW_OP(unsqueeze, "unsqueeze", NULL, "T x; d dim", 'C', "Unsqueeze",
        "A new dimension of size 1.")

/* As in Torch7 a vector of one element becomes a number, unless its gradient is recorded. */
static bool reads_as_number(const tn_tensor *x, int ndim, const int64_t *sizes) {
  return ndim == 1 && sizes[0] == 1 && !tn__tracked(x);
}

static tn_status squeeze_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  const tn_attrs *a = call->attrs;
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int to = 0;
  const bool all = a->ni == 0 || a->i[0] == TN_NONE;
  unsigned named = 0;
  for (int k = 0; k < a->ni && !all; k++) {
    int dim;
    tn_status s = tn__dim(call->ctx, a->i[k], x->ndim, &dim);
    if (s != TN_OK) return s;
    named |= 1u << dim;
  }
  for (int d = 0; d < x->ndim; d++) {
    if (x->sizes[d] == 1 && (all || named >> d & 1)) continue;
    sizes[to] = x->sizes[d];
    strides[to++] = x->strides[d];
  }
  if (reads_as_number(x, to, sizes)) to = 0;
  return tn__alias(call->ctx, &call->out[0], x, to, sizes, strides, x->offset);
}

static tn_status squeeze_grad(tn_grad_call *g) { return view_grad(g); }

const tn_op tn__op_squeeze = {
    .name = "squeeze", .lua = "squeeze", .args = "T x; D? dims", .convention = 'C',
    .flags = TN_NUMBER | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .onnx = "Squeeze", .view = squeeze_view, .grad = squeeze_grad,
    .doc = "Without the dimensions of size 1, or those of them that are named. One element is a "
           "number."};

static tn_status unfold_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int64_t size = call->attrs->i[1], step = call->attrs->i[2];
  int dim;
  tn_status s = tn__dim(call->ctx, call->attrs->i[0], x->ndim, &dim);
  if (s != TN_OK) return s;
  if (size < 1 || size > x->sizes[dim] || step < 1 || x->ndim == TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_EARG,
                   "slices of %lld with a step of %lld do not fit dimension %d of size %lld",
                   (long long)size, (long long)step, dim + call->ctx->index_base,
                   (long long)x->sizes[dim]);
  }
  memcpy(sizes, x->sizes, sizeof sizes);
  memcpy(strides, x->strides, sizeof strides);
  sizes[dim] = (x->sizes[dim] - size) / step + 1;
  /* a step beyond the only slice may be of any length */
  if (step > x->sizes[dim]) step = x->sizes[dim];
  strides[dim] = x->strides[dim] * step;
  sizes[x->ndim] = size;
  strides[x->ndim] = x->strides[dim];
  return tn__alias(call->ctx, &call->out[0], x, x->ndim + 1, sizes, strides, x->offset);
}

/* The k-th slice of an unfolded tensor with its elements where the unfolded dimension was. */
static tn_tensor *unfolded_slice(tn_eval *e, tn_tensor *unfolded, int64_t dim, int64_t k) {
  tn_tensor *slice = tn__with_two(e, TN_OP_select, unfolded, dim, k);
  for (int64_t d = unfolded->ndim - 2; d > dim && e->status == TN_OK; d--) {
    slice = tn__with_two(e, TN_OP_transpose, slice, d - 1, d);
  }
  return slice;
}

/* Slices may overlap, so their gradients are added one by one: in place, or, where the sum is
 * recorded itself, each as a new tensor. */
static tn_status unfold_grad(tn_grad_call *g) {
  tn_status s = TN_OK;
  tn_tensor *sum = NULL;
  const int64_t dim = g->attrs->i[0] < 0 ? g->attrs->i[0] + g->meta[0].ndim : g->attrs->i[0];
  for (int64_t k = 0; k < g->out_meta[0].sizes[dim] && s == TN_OK; k++) {
    tn_eval e = tn__eval_begin(g->ctx);
    tn_attrs part = {.i = {dim, k * g->attrs->i[2], g->attrs->i[1]}, .ni = 3}, a = {.f = {1}};
    tn_tensor *from = unfolded_slice(&e, g->dout[0], dim, k);
    tn_tensor *zeros = sum == NULL || g->create_graph ? tn__zeros(&e, &g->meta[0]) : sum;
    if (sum == NULL) sum = tn__keep(&e, zeros);
    tn_tensor *to = tn__do(&e, TN_OP_narrow, &part, 1, &zeros);
    if (e.status == TN_OK && g->create_graph) {
      tn__strided_attrs(&a, to, zeros);
      to = tn__do(&e, TN_OP_as_strided_scatter, &a, 2, (tn_tensor *[]){zeros, from});
      tn_tensor *more = tn__keep(&e, DO2(add, sum, to));
      tn_tensor_release(sum);
      sum = more;
    } else if (e.status == TN_OK) {
      e.status = tn_apply_inplace(g->ctx, TN_OP_add, 2, (tn_tensor *[]){to, from}, &a);
    }
    s = tn__eval_end(&e);
  }
  if (s == TN_OK) g->din[0] = sum;
  else tn_tensor_release(sum);
  return s;
}

VIEW_OP(unfold, "unfold", NULL, "T x; d dim; i size; i step", 'C', NULL,
        "All slices of a dimension, `step` apart, in a new last dimension.")

/* attrs: sizes, strides, and the offset from the base's first element. */
void tn__strided_attrs(tn_attrs *attrs, const tn_tensor *view, const tn_tensor *base) {
  int n = view->ndim;
  memset(attrs->f, 0, sizeof attrs->f);
  memcpy(attrs->i, view->sizes, sizeof(int64_t) * (size_t)n);
  memcpy(attrs->i + n, view->strides, sizeof(int64_t) * (size_t)n);
  attrs->i[2 * n] = view->offset - base->offset;
  attrs->ni = 2 * n + 1;
  attrs->generator = NULL;
}

static tn_status as_strided_view(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int n = (call->attrs->ni - 1) / 2;
  const int64_t *i = call->attrs->i;
  return tn_tensor_view(call->ctx, &call->out[0], x->storage, (tn_dtype)x->dtype, n, i, i + n,
                        x->offset + i[2 * n]);
}

static tn_status as_strided_grad(tn_grad_call *g) {
  return tn__part_grad(g, TN_OP_as_strided, g->attrs);
}

const tn_op tn__op_as_strided = {.name = "as_strided", .convention = 'N', .nout = 1,
                                 .view = as_strided_view, .grad = as_strided_grad,
                                 .doc = "A view given by sizes, strides and offset."};

/* as_strided_scatter -- base with a part replaced: what writing to a view does to its base. */
static tn_status scatter_run(tn_call *call) {
  tn_tensor *part = NULL, *out = call->out[0];
  const int64_t *i = call->attrs->i;
  int n = (call->attrs->ni - 1) / 2;
  tn_status s = tn__copy_view(call->ctx, out, call->in[0]);
  if (s != TN_OK) return s;
  s = tn_tensor_view(call->ctx, &part, out->storage, (tn_dtype)out->dtype, n, i, i + n,
                               out->offset + i[2 * n]);
  if (s == TN_OK) s = tn__copy_view(call->ctx, part, call->in[1]);
  tn_tensor_release(part);
  return s;
}

static tn_status scatter_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *dy = g->dout[0];
  if (dy != NULL && !tn__contiguous(dy)) dy = DO1(contiguous, dy);
  if (g->need[0]) {
    tn_meta m = g->meta[1];
    tn_tensor *zeros = tn__zeros(&e, &m);
    g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_as_strided_scatter, g->attrs, 2,
                                    (tn_tensor *[]){dy, zeros}));
  }
  if (g->need[1]) g->din[1] = tn__keep(&e, tn__do(&e, TN_OP_as_strided, g->attrs, 1, &dy));
  return tn__eval_end(&e);
}

const tn_op tn__op_as_strided_scatter = {
    .name = "as_strided_scatter", .convention = 'N', .flags = TN_MOVES, .nout = 1,
    .shape = tn__shape_same, .run = scatter_run, .grad = scatter_grad,
    .doc = "A tensor with the part given by sizes, strides and offset replaced."};
