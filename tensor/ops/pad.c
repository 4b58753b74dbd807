/* pad.c -- tensors made larger, or smaller, at their borders.
 *
 * attrs: i[0] the mode, i[1] = k how many numbers of padding follow at i[2]: before and behind the
 * last dimension, the last but one, ... Negative ones cut off; f[0] is the value of mode constant.
 *
 * Each element of the result is one of the input or the value; so along each dimension a table says
 * which. pad_input, the gradient, adds every element up where it came from. */
#include "tensor/ops/lines.h"

enum { CONSTANT, REFLECT, REPLICATE, CIRCULAR };

/* Which element of `n` stands at position i of the padded dimension; -1: none, the value. */
static int64_t source_of(int mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == REPLICATE) return i < 0 ? 0 : n - 1;
  if (mode == REFLECT) return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode == CIRCULAR) return i < 0 ? i + n : i - n;
  return -1;
}

/* Sizes of the padded tensor; fails where a padding does not fit the mode. */
static tn_status padded(tn_call *call, int ndim, const int64_t *sizes, tn_meta *m) {
  const tn_attrs *a = call->attrs;
  const int mode = (int)tn__int(a, 0, CONSTANT), numbers = a->ni - 1;
  if (numbers % 2 != 0 || numbers > 2 * ndim || numbers < 0) {
    return tn_fail(call->ctx, TN_EARG, "two paddings for each of at most %d dimensions expected, "
                   "got %d numbers", ndim, numbers);
  }
  m->ndim = (uint8_t)ndim;
  memcpy(m->sizes, sizes, sizeof(int64_t) * (size_t)ndim);
  for (int k = 0; k < numbers / 2; k++) {
    const int dim = ndim - 1 - k;
    const int64_t before = a->i[1 + 2 * k], behind = a->i[2 + 2 * k], n = sizes[dim];
    const int64_t most = before > behind ? before : behind, limit = (int64_t)1 << 48;
    if (before > limit || behind > limit || before < -limit || behind < -limit ||
        n + before + behind < 0) {
      return tn_fail(call->ctx, TN_EARG, "paddings of %lld and %lld do not fit a dimension of size "
                     "%lld", (long long)before, (long long)behind, (long long)n);
    }
    if ((mode == REFLECT && most >= n && most > 0) || (mode == CIRCULAR && most > n) ||
        (mode == REPLICATE && n < 1 && most > 0)) {
      return tn_fail(call->ctx, TN_EARG, "a padding of %lld is too much for a dimension of size "
                     "%lld in this mode", (long long)most, (long long)n);
    }
    m->sizes[dim] = n + before + behind;
  }
  return TN_OK;
}

/* Of every dimension: where its elements come from, in elements of the inner side's storage. */
typedef struct {
  int ndim, mode;
  int64_t sizes[TN_MAX_DIMS];       /* of the outer, padded side */
  int64_t steps[TN_MAX_DIMS];       /* strides of the inner side */
  int64_t *sources[TN_MAX_DIMS];    /* all in one block, at sources[0] */
  int64_t row;                      /* length of the last dimension */
  int64_t first, last, middle;      /* of a row: [first, last) are elements from `middle` on */
  size_t item;
  char *inner, *outer;
  char value[8];
} job;

static tn_status lay_out(tn_call *call, job *j, const tn_meta *outer, int ndim,
                         const int64_t *sizes) {
  const tn_attrs *a = call->attrs;
  int64_t total = 0;
  j->ndim = ndim;
  j->mode = (int)tn__int(a, 0, CONSTANT);
  tn__contiguous_strides(ndim, sizes, j->steps);
  for (int d = 0; d < ndim; d++) {
    j->sizes[d] = outer->sizes[d];
    total += outer->sizes[d];
  }
  int64_t *at = tn__take(call->ctx->allocator, (size_t)total * sizeof *at + 1);
  if (at == NULL) return tn_fail(call->ctx, TN_ENOMEM, "not enough memory for the padding");
  j->sources[0] = at;
  for (int d = 0; d < ndim; d++) {
    const int k = ndim - 1 - d;
    const int64_t before = 2 * k + 1 < a->ni ? a->i[1 + 2 * k] : 0;
    j->sources[d] = at;
    for (int64_t i = 0; i < j->sizes[d]; i++) *at++ = source_of(j->mode, i - before, sizes[d]);
    if (d < ndim - 1) continue;
    j->row = j->sizes[d];
    j->first = before < 0 ? 0 : before < j->row ? before : j->row;
    j->middle = before < 0 ? -before : 0;
    int64_t count = sizes[d] - j->middle;
    if (count > j->row - j->first) count = j->row - j->first;
    j->last = j->first + (count > 0 ? count : 0);
  }
  return TN_OK;
}

/* Where row `r` of the outer side comes from; -1: from nowhere. */
static int64_t row_source(const job *j, int64_t r) {
  int64_t from = 0;
  for (int d = j->ndim - 2; d >= 0; d--) {
    const int64_t source = j->sources[d][r % j->sizes[d]];
    if (source < 0) return -1;
    from += source * j->steps[d];
    r /= j->sizes[d];
  }
  return from;
}

static void put(const job *j, char *to, const char *from) {
  switch (j->item) {
  case 1: memcpy(to, from, 1); break;
  case 2: memcpy(to, from, 2); break;
  case 4: memcpy(to, from, 4); break;
  default: memcpy(to, from, 8);
  }
}

static void pad_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t item = (int64_t)j->item;
  const int64_t *sources = j->sources[j->ndim - 1];
  for (int64_t r = begin; r < end; r++) {
    const int64_t from = row_source(j, r);
    char *to = j->outer + r * j->row * item;
    const char *row = j->inner + from * item;
    for (int64_t i = 0; i < j->row; i++) {
      if (i == j->first && from >= 0 && j->last > j->first) {
        memcpy(to + i * item, row + j->middle * item, (size_t)((j->last - j->first) * item));
        i = j->last - 1;
        continue;
      }
      const bool inside = from >= 0 && sources[i] >= 0;
      put(j, to + i * item, inside ? row + sources[i] * item : j->value);
    }
  }
}

/* One thread alone: several elements may go to one place. */
static void add_rows(const job *j, int64_t rows) {
  const int64_t *sources = j->sources[j->ndim - 1];
  for (int64_t r = 0; r < rows; r++) {
    const int64_t to = row_source(j, r);
    for (int64_t i = 0; to >= 0 && i < j->row; i++) {
      if (sources[i] < 0) continue;
      if (j->item == sizeof(float)) {
        ((float *)j->inner)[to + sources[i]] += ((const float *)j->outer)[r * j->row + i];
      } else {
        ((double *)j->inner)[to + sources[i]] += ((const double *)j->outer)[r * j->row + i];
      }
    }
  }
}

static tn_status pad_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  int64_t count;
  call->meta[0].dtype = x->dtype;
  tn_status s = padded(call, x->ndim, x->sizes, &call->meta[0]);
  const tn_meta *m = &call->meta[0];
  return s == TN_OK ? tn__count(call->ctx, m->ndim, m->sizes, tn__item_size(x->dtype), &count) : s;
}

static tn_status pad_run(tn_call *call) {
  tn_tensor *x = NULL, *out = call->out[0];
  job j = {.item = tn__item_size(out->dtype), .outer = tn__data(out)};
  const double value = call->attrs->f[0];
  if (out->ndim == 0 || tn__numel(out) == 0) {
    return out->ndim == 0 ? tn__copy_view(call->ctx, out, call->in[0]) : TN_OK;
  }
  tn__convert(1, j.value, (tn_dtype)out->dtype, 1, &value, TN_F64, 1);
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], (tn_dtype)out->dtype);
  if (s == TN_OK) s = lay_out(call, &j, &call->meta[0], x->ndim, x->sizes);
  if (s == TN_OK) {
    j.inner = tn__data(x);
    tn__pool_run(call->ctx->pool, tn__numel(out) / j.row, TN_GRAIN / (j.row + 1) + 1, pad_rows, &j);
  }
  tn__give(j.sources[0]);
  tn_tensor_release(x);
  return s;
}

/* The sizes of the unpadded side are those of x less the paddings. */
static tn_status pad_input_shape(tn_call *call) {
  const tn_tensor *x = call->in[0];
  const tn_attrs *a = call->attrs;
  tn_meta *m = &call->meta[0], check;
  tn__meta_of(m, x);
  for (int k = 0; 2 * k + 2 < a->ni && k < x->ndim; k++) {
    m->sizes[x->ndim - 1 - k] -= a->i[1 + 2 * k] + a->i[2 + 2 * k];
    if (m->sizes[x->ndim - 1 - k] < 0) return tn_fail(call->ctx, TN_ESHAPE, "sizes do not fit");
  }
  return padded(call, m->ndim, m->sizes, &check);
}

static tn_status pad_input_run(tn_call *call) {
  tn_tensor *x = NULL, *to = NULL;
  tn_dtype type = call->in[0]->dtype == TN_F64 ? TN_F64 : TN_F32;
  job j = {.item = tn__item_size(type)};
  tn_meta outer;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], type);
  if (s == TN_OK) s = tn__result_begin(call, 0, type, &to);
  if (s == TN_OK && x->ndim == 0) {
    s = tn__copy_view(call->ctx, to, x);
  } else if (s == TN_OK) {
    tn__meta_of(&outer, x);
    s = lay_out(call, &j, &outer, to->ndim, to->sizes);
    j.inner = tn__data(to);
    j.outer = tn__data(x);
    memset(j.inner, 0, (size_t)tn__numel(to) * j.item);
    if (s == TN_OK && tn__numel(x) > 0) add_rows(&j, tn__numel(x) / j.row);
  }
  tn__give(j.sources[0]);
  tn_tensor_release(x);
  return tn__result_end(call, 0, to, s);
}

static tn_status pad_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs a = *g->attrs;
  if (tn__int(&a, 0, CONSTANT) == CONSTANT) { /* what was added is cut off again */
    for (int k = 1; k < a.ni; k++) a.i[k] = -a.i[k];
    a.f[0] = 0;
    g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_pad, &a, 1, &g->dout[0]));
  } else {
    g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_pad_input, &a, 1, &g->dout[0]));
  }
  return tn__eval_end(&e);
}

static tn_status pad_input_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_pad, g->attrs, 1, &g->dout[0]));
  return tn__eval_end(&e);
}

const tn_op tn__op_pad = {
    .name = "pad", .lua = "pad", .args = "T x; w mode=constant,reflect,replicate,circular; n "
    "value=0; z paddings", .forms = "x paddings; x paddings mode; x paddings mode value",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 1, .low = -2, .high = 2,
    .shape = pad_shape, .run = pad_run, .grad = pad_grad, .onnx = "Pad",
    .doc = "x with {before, behind} the last dimension, the last but one, ... added: a value, or "
           "elements mirrored, repeated or taken from the other end; negative numbers cut off."};

const tn_op tn__op_pad_input = {
    .name = "pad_input", .convention = 'N', .flags = TN_FLOATS, .nout = 1, .low = -2, .high = 2,
    .shape = pad_input_shape, .run = pad_input_run, .grad = pad_input_grad,
    .doc = "The elements of a padded tensor added up where they came from."};
