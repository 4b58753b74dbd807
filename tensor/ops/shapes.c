/* shapes.c -- other shapes of the same elements, and elements in another order: like another
 * tensor, flattened, flipped, rolled, repeated. */
#include "tensor/device.h"
#include "tensor/eval.h"

#define SHAPE_ROW(name_, aliases_, args_, onnx_, doc_)                                            \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .aliases = aliases_,               \
                                .args = args_, .convention = 'C',                                 \
                                .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2,           \
                                .high = 2, .onnx = onnx_, .doc = doc_,                            \
                                .compose = name_##_compose};

/* Gives up the temporaries; the result, if there is one, becomes the call's. */
static tn_status finish(tn_call *call, tn_eval *e, tn_tensor *result) {
  call->out[0] = tn__keep(e, result);
  return tn__eval_end(e);
}

static tn_status wanted_dim(const tn_call *call, int k, int64_t otherwise, int *dim) {
  return tn__dim(call->ctx, tn__int(call->attrs, k, otherwise), call->in[0]->ndim, dim);
}

/* -- As another tensor ------------------------------------------------------------------------- */

static tn_status view_like(tn_call *call, const tn_op *op) {
  const tn_tensor *other = call->in[1];
  tn_attrs sizes = {.ni = other->ndim};
  tn_call view = *call;
  memcpy(sizes.i, other->sizes, sizeof(int64_t) * other->ndim);
  view.op = op;
  view.attrs = &sizes;
  tn_status s = op->view(&view);
  call->out[0] = view.out[0];
  return s;
}

static tn_status viewAs_view(tn_call *call) { return view_like(call, &tn__op_view); }
static tn_status expandAs_view(tn_call *call) { return view_like(call, &tn__op_expand); }

static tn_status like_grad(tn_grad_call *g) {
  if (!g->need[0]) return TN_OK;
  g->din[0] = tn_tensor_retain(g->dout[0]);
  return tn__reduce_to(g->ctx, &g->din[0], &g->meta[0]);
}

#define LIKE_ROW(name_, alias_, onnx_, doc_)                                                      \
  const tn_op tn__op_##name_ = {.name = #name_, .lua = #name_, .aliases = alias_,                 \
                                .args = "T x; T other", .convention = 'C',                        \
                                .flags = TN_FLOATS | TN_INTEGERS | TN_LIKE, .nout = 1, .low = -2, \
                                .high = 2, .onnx = onnx_, .doc = doc_, .view = name_##_view,      \
                                .grad = like_grad};

LIKE_ROW(viewAs, "view_as", "Reshape", "The same elements in the sizes of another tensor.")
LIKE_ROW(expandAs, "expand_as", "Expand", "x repeated, without a copy, to another tensor's sizes.")

/* -- flatten, unflatten ------------------------------------------------------------------------ */

static tn_status flatten_compose(tn_call *call) {
  tn_tensor *x = call->in[0];
  int64_t sizes[TN_MAX_DIMS] = {1};
  int first = 0, last = 0, n = 0;
  tn_status s = TN_OK;
  if (x->ndim > 0) s = wanted_dim(call, 0, 0, &first);
  if (x->ndim > 0 && s == TN_OK) s = wanted_dim(call, 1, -1, &last);
  if (s != TN_OK) return s;
  if (first > last) {
    return tn_fail(call->ctx, TN_EARG, "dimension %d comes after dimension %d",
                   first + call->ctx->index_base, last + call->ctx->index_base);
  }
  for (int d = 0; d < x->ndim; d++) {
    if (d <= first || d > last) sizes[n++] = x->sizes[d];
    else sizes[n - 1] *= x->sizes[d];
  }
  tn_eval e = tn__eval_begin(call->ctx);
  return finish(call, &e, tn__reshaped(&e, x, x->ndim > 0 ? n : 1, sizes));
}

SHAPE_ROW(flatten, "ravel", "T x; d? first; d? last", "Flatten",
          "The dimensions from first to last, all of them unless said, as one.")

static tn_status unflatten_compose(tn_call *call) {
  tn_tensor *x = call->in[0];
  int64_t sizes[2 * TN_MAX_DIMS], known = 1;
  int dim, open = -1, parts = call->attrs->ni - 1;
  tn_status s = wanted_dim(call, 0, 0, &dim);
  if (s != TN_OK) return s;
  const int n = x->ndim - 1 + parts;
  if (parts < 1 || n > TN_MAX_DIMS) {
    return tn_fail(call->ctx, TN_ESHAPE, "%d sizes for dimension %d: at most %d dimensions are "
                   "supported", parts, dim + call->ctx->index_base, TN_MAX_DIMS);
  }
  memcpy(sizes, x->sizes, sizeof(int64_t) * (size_t)dim);
  memcpy(sizes + dim, call->attrs->i + 1, sizeof(int64_t) * (size_t)parts);
  memcpy(sizes + dim + parts, x->sizes + dim + 1, sizeof(int64_t) * (size_t)(x->ndim - dim - 1));
  for (int k = dim; k < dim + parts; k++) {
    if (sizes[k] == -1 && open < 0) open = k;
    else if (sizes[k] < 0 || __builtin_mul_overflow(known, sizes[k], &known)) known = -1;
    if (known < 0) break;
  }
  if (open >= 0 && known > 0) sizes[open] = x->sizes[dim] / known, known *= sizes[open];
  if (known != x->sizes[dim]) {
    char text[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "dimension %d of size %lld cannot become %s",
                   dim + call->ctx->index_base, (long long)x->sizes[dim],
                   tn__shape_text(text, parts, call->attrs->i + 1));
  }
  tn_eval e = tn__eval_begin(call->ctx);
  return finish(call, &e, tn__reshaped(&e, x, n, sizes));
}

SHAPE_ROW(unflatten, NULL, "T x; d dim; z sizes", "Reshape",
          "A dimension as several of these sizes; one of them may be -1.")

static tn_status adjoint_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  return finish(call, &e, tn__with_two(&e, TN_OP_transpose, call->in[0], -2, -1));
}

SHAPE_ROW(adjoint, NULL, "T x", "Transpose", "Each matrix transposed: the last two dimensions.")

/* -- flip: a copy of a view that goes backwards ------------------------------------------------ */

static tn_status flipped(tn_call *call, tn_tensor *view) {
  unsigned seen = 0;
  *view = *call->in[0];
  for (int k = 0; k < call->attrs->ni; k++) {
    int d;
    tn_status s = tn__dim(call->ctx, call->attrs->i[k], view->ndim, &d);
    if (s != TN_OK) return s;
    if (seen >> d & 1) {
      return tn_fail(call->ctx, TN_EARG, "dimension %d is named twice", d + call->ctx->index_base);
    }
    seen |= 1u << d;
    if (view->sizes[d] > 0) view->offset += (view->sizes[d] - 1) * view->strides[d];
    view->strides[d] = -view->strides[d];
  }
  return TN_OK;
}

static tn_status flip_shape(tn_call *call) {
  tn_tensor view;
  tn__meta_of(&call->meta[0], call->in[0]);
  return flipped(call, &view);
}

static tn_status flip_run(tn_call *call) {
  tn_tensor view;
  tn_status s = flipped(call, &view);
  return s != TN_OK ? s : tn__copy_view(call->ctx, call->out[0], &view);
}

static tn_status flip_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_flip, g->attrs, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_flip = {
    .name = "flip", .lua = "flip", .args = "T x; D dims", .convention = 'C',
    .flags = TN_MOVES | TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2, .shape = flip_shape,
    .run = flip_run, .grad = flip_grad,
    .doc = "The elements in the reverse order along these dimensions, as a copy."};

static tn_status flip_one(tn_call *call, int dim, int least) {
  if (call->in[0]->ndim < least) {
    return tn_fail(call->ctx, TN_ESHAPE, "at least %d dimensions expected, got %d", least,
                   call->in[0]->ndim);
  }
  tn_eval e = tn__eval_begin(call->ctx);
  return finish(call, &e, tn__do(&e, TN_OP_flip, &(tn_attrs){.i = {dim}, .ni = 1}, 1, call->in));
}

static tn_status fliplr_compose(tn_call *call) { return flip_one(call, 1, 2); }
static tn_status flipud_compose(tn_call *call) { return flip_one(call, 0, 1); }

SHAPE_ROW(fliplr, NULL, "T x", NULL, "The columns in the reverse order.")
SHAPE_ROW(flipud, NULL, "T x", NULL, "The rows in the reverse order.")

static tn_status rot90_compose(tn_call *call) {
  int64_t turns = tn__int(call->attrs, 0, 1) % 4;
  const bool named = call->attrs->ni >= 3;
  int a, b;
  tn_status s = tn__dim(call->ctx, named ? call->attrs->i[1] : 0, call->in[0]->ndim, &a);
  if (s == TN_OK) s = tn__dim(call->ctx, named ? call->attrs->i[2] : 1, call->in[0]->ndim, &b);
  if (s != TN_OK) return s;
  if (a == b || (call->attrs->ni != 3 && tn__int(call->attrs, 1, TN_NONE) != TN_NONE)) {
    return tn_fail(call->ctx, TN_EARG, "two different dimensions expected");
  }
  if (turns < 0) turns += 4;
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs first = {.i = {turns == 1 ? b : a, b}, .ni = turns == 2 ? 2 : 1};
  if (turns == 0) return finish(call, &e, DO1(clone, call->in[0]));
  tn_tensor *y = tn__do(&e, TN_OP_flip, &first, 1, call->in);
  if (turns != 2) y = tn__with_two(&e, TN_OP_transpose, y, a, b);
  return finish(call, &e, y);
}

SHAPE_ROW(rot90, NULL, "T x; i k=1; D? dims", NULL,
          "x turned k times by 90 degrees, from the first of two dimensions to the second.")

/* -- roll -------------------------------------------------------------------------------------- */

/* The last `shift` places of a dimension come first. */
static tn_tensor *rolled(tn_eval *e, tn_tensor *x, int dim, int64_t shift) {
  if (x == NULL || x->sizes[dim] == 0) return x;
  const int64_t size = x->sizes[dim], cut = size - (shift % size + size) % size;
  if (cut == size) return x;
  tn_attrs last = {.i = {dim, cut, size - cut}, .ni = 3}, first = {.i = {dim, 0, cut}, .ni = 3};
  tn_attrs along = {.i = {dim}, .ni = 1};
  tn_tensor *parts[2] = {tn__do(e, TN_OP_narrow, &last, 1, &x),
                         tn__do(e, TN_OP_narrow, &first, 1, &x)};
  return tn__do(e, TN_OP_cat, &along, 2, parts);
}

enum { ROLLS = 3 }; /* shifts and dims are vectors of three: a number fills all */

static tn_status roll_compose(tn_call *call) {
  const int64_t *shifts = call->attrs->i, *dims = shifts + ROLLS;
  tn_tensor *x = call->in[0], *y = x;
  tn_status s = TN_OK;
  tn_eval e = tn__eval_begin(call->ctx);
  if (dims[0] == TN_NONE) {
    if (shifts[1] != TN_NONE && shifts[1] != shifts[0]) {
      s = tn_fail(call->ctx, TN_EARG, "as many dimensions as shifts expected");
    } else {
      int64_t count = tn__numel(x);
      y = rolled(&e, tn__reshaped(&e, x, 1, &count), 0, shifts[0]);
      y = tn__reshaped(&e, y, x->ndim, x->sizes);
    }
  }
  for (int k = 0; k < ROLLS && s == TN_OK && dims[k] != TN_NONE; k++) {
    int d;
    if (k > 0 && dims[k] == dims[0] && shifts[k] == shifts[0]) break; /* one number for all */
    if (shifts[k] == TN_NONE || dims[k] == 0) {
      s = tn_fail(call->ctx, TN_EARG, shifts[k] == TN_NONE ? "as many shifts as dimensions expected"
                                                           : "dimension 0 is out of range");
    }
    if (s == TN_OK) s = tn__dim(call->ctx, dims[k] - (dims[k] > 0), x->ndim, &d);
    if (s == TN_OK) y = rolled(&e, y, d, shifts[k]);
  }
  if (s == TN_OK && y == x) y = DO1(clone, x);
  if (s == TN_OK) return finish(call, &e, y);
  tn__eval_end(&e);
  return s;
}

SHAPE_ROW(roll, NULL, "T x; v shifts; v? dims", NULL,
          "The elements moved along dimensions; what leaves at the end comes back at the start.")

/* -- Repetitions ------------------------------------------------------------------------------- */

/* Unlike repeatTensor's, a short list of repetitions is for the last dimensions. */
static tn_status tile_compose(tn_call *call) {
  tn_tensor *x = call->in[0];
  tn_attrs times = {.ni = call->attrs->ni > x->ndim ? call->attrs->ni : x->ndim};
  for (int d = 0; d < times.ni; d++) {
    int given = d - (times.ni - call->attrs->ni);
    times.i[d] = given < 0 ? 1 : call->attrs->i[given];
  }
  tn_eval e = tn__eval_begin(call->ctx);
  return finish(call, &e, tn__do(&e, TN_OP_repeatTensor, &times, 1, call->in));
}

SHAPE_ROW(tile, NULL, "T x; z times", "Tile",
          "x repeated along its last dimensions, or along more, as a copy.")

/* How often position i is repeated. */
static tn_status repetition(tn_call *call, const tn_tensor *times, int64_t i, int64_t *n) {
  const double value = tn_tensor_get(times, tn__numel(times) == 1 ? 0 : i);
  if (!(value >= 0 && value < 0x1p46 && value == (double)(int64_t)value)) {
    return tn_fail(call->ctx, TN_EARG, "%g repetitions", value);
  }
  *n = (int64_t)value;
  return TN_OK;
}

/* The list of positions to pick: 1 1 2 2 3 3 ... */
static tn_status repeated_positions(tn_call *call, tn_tensor **out, int64_t size) {
  tn_tensor *times = call->in[1];
  int64_t total = 0, n = 0;
  *out = NULL;
  if (times->ndim > 1 || (tn__numel(times) != 1 && tn__numel(times) != size)) {
    return tn_fail(call->ctx, TN_ESHAPE, "one number of repetitions, or one for each of %lld, "
                   "expected", (long long)size);
  }
  tn_status s = tn__host_of(call->ctx, &times, times, (tn_dtype)times->dtype);
  for (int64_t i = 0; i < size && s == TN_OK; i++) {
    s = repetition(call, times, i, &n);
    total = total > (int64_t)1 << 46 ? total : total + n;
  }
  if (s == TN_OK) s = tn_tensor_new_on(call->ctx, out, TN_CPU, TN_I64, 1, &total);
  int64_t *to = s == TN_OK ? (int64_t *)tn__data(*out) : NULL;
  for (int64_t i = 0; i < size && s == TN_OK; i++) {
    s = repetition(call, times, i, &n);
    for (int64_t k = 0; k < n; k++) *to++ = i + call->ctx->index_base;
  }
  tn_tensor_release(times);
  return s == TN_OK ? tn__send(call->ctx, out) : s;
}

/* On a device, of whole numbers: where each repetition begins a 1 is added, so that the sums up to a
 * position count them. */
static tn_status device_positions(tn_call *call, tn_tensor **out, int64_t size) {
  tn_tensor *times = call->in[1];
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs along = {.i = {0}, .ni = 1}, dtype = {.i = {TN_I64}, .ni = 1};
  double least = 0, total = 0;
  times = tn__do(&e, TN_OP_to, &dtype, 1, &times);
  tn_tensor *ends = tn__do(&e, TN_OP_cumsum, &along, 1, &times), *min = DO1(min, times);
  if (e.status == TN_OK) {
    tn__touch(call->in[1]->storage);
    least = tn_tensor_get(min, 0);
    total = tn_tensor_get(ends, size - 1);
    if (!(least >= 0 && total < 0x1p46)) {
      e.status = tn_fail(call->ctx, TN_EARG, "%g repetitions", least < 0 ? least : total);
    }
  }
  tn_meta m = {.dtype = TN_I64, .ndim = 1, .sizes = {(int64_t)total + 1}};
  tn_attrs part = {.i = {0, 0, size - 1}, .ni = 3};
  tn_tensor *marks = e.status == TN_OK ? tn__zeros(&e, &m) : NULL;
  tn_tensor *base = tn__whole(&e, call->ctx->index_base), *one = tn__whole(&e, 1);
  tn_tensor *begins = DO2(add, tn__do(&e, TN_OP_narrow, &part, 1, &ends), base);
  tn_tensor *ones = DO2(fill, begins, one);
  marks = tn__do(&e, TN_OP_indexAdd, &along, 3, (tn_tensor *[]){marks, begins, ones});
  tn_tensor *list = DO2(add, tn__do(&e, TN_OP_cumsum, &along, 1, &marks), base);
  part.i[2] = (int64_t)total;
  *out = tn__keep(&e, tn__do(&e, TN_OP_narrow, &part, 1, &list));
  return tn__eval_end(&e);
}

static bool listed_on_device(const tn_call *call, int64_t size) {
  const tn_tensor *times = call->in[1];
  return TN_DEVICES && call->ctx->device != TN_CPU && times->ndim == 1 && size > 1 &&
         times->sizes[0] == size && times->dtype != TN_BOOL &&
         !tn_dtype_is_float((tn_dtype)times->dtype);
}

static tn_status repeat_interleave_compose(tn_call *call) {
  tn_tensor *x = call->in[0], *list = NULL;
  tn_eval e = tn__eval_begin(call->ctx);
  int64_t count = tn__numel(x);
  int dim = 0;
  if (tn__int(call->attrs, 0, TN_NONE) == TN_NONE) x = tn__reshaped(&e, x, 1, &count);
  else e.status = wanted_dim(call, 0, 0, &dim);
  if (e.status == TN_OK) {
    const int64_t size = x->sizes[dim];
    e.status = listed_on_device(call, size) ? device_positions(call, &list, size)
                                            : repeated_positions(call, &list, size);
  }
  if (list != NULL) tn__temp(&e, list);
  tn_attrs along = {.i = {dim}, .ni = 1};
  return finish(call, &e, tn__do(&e, TN_OP_index, &along, 2, (tn_tensor *[]){x, list}));
}

SHAPE_ROW(repeat_interleave, "repeatInterleave", "T x; X repeats; d? dim", NULL,
          "Each element, or each slice of a dimension, repeated on the spot.")
