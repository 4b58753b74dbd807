/* reduce_dims.c -- reductions over several dimensions at once: x:sum({1, 3}). The kernels of a
 * device take the set as it is. On the CPU:
 *
 * The dimensions are brought together into one, without a copy where they are neighbours, and the
 * reduction of one dimension does the rest. So the common case costs nothing here. */
#include "tensor/device.h"
#include "tensor/eval.h"

/* Bits of the dimensions named in a set, each once; fails on those that are not there. */
static tn_status named_dims(tn_call *call, int64_t set, unsigned *mask) {
  const int ndim = call->in[0]->ndim;
  *mask = 0;
  set -= TN_DIM_SET(0);
  for (int bit = 0; bit < 2 * TN_MAX_DIMS; bit++) {
    int d;
    if (!(set >> bit & 1)) continue;
    tn_status s = tn__dim(call->ctx, bit < TN_MAX_DIMS ? bit : bit - 2 * TN_MAX_DIMS, ndim, &d);
    if (s != TN_OK) return s;
    if (*mask >> d & 1) {
      return tn_fail(call->ctx, TN_EARG, "dimension %d is there twice", d + call->ctx->index_base);
    }
    *mask |= 1u << d;
  }
  return TN_OK;
}

/* Are the dimensions of the mask neighbours, but for some of size 1? */
static bool adjacent(const tn_tensor *x, unsigned mask) {
  bool began = false, ended = false;
  for (int d = 0; d < x->ndim; d++) {
    const bool in = mask >> d & 1;
    if (in && ended) return false;
    if (!in && began && x->sizes[d] != 1) ended = true;
    began = began || in;
  }
  return true;
}

/* x as (before, reduced, after); `after` holds all that stays when the dimensions had to move. */
static tn_tensor *brought_together(tn_eval *e, tn_tensor *x, unsigned mask) {
  int64_t sizes[3] = {1, 1, 1};
  tn_attrs order = {.ni = x->ndim};
  bool reached = false;
  if (!adjacent(x, mask)) {
    int to = 0;
    for (int d = 0; d < x->ndim; d++) {
      if (mask >> d & 1) order.i[to++] = d;
    }
    for (int d = 0; d < x->ndim; d++) {
      if (!(mask >> d & 1)) order.i[to++] = d;
    }
    for (int d = 0; d < x->ndim; d++) sizes[mask >> d & 1 ? 1 : 2] *= x->sizes[d];
    x = tn__do(e, TN_OP_permute, &order, 1, &x);
  } else {
    for (int d = 0; d < x->ndim; d++) {
      reached = reached || (mask >> d & 1);
      sizes[mask >> d & 1 ? 1 : reached ? 2 : 0] *= x->sizes[d];
    }
  }
  return tn__reshaped(e, x, 3, sizes);
}

/* `at`: which i[] names the dimensions; `keep`: which one says whether they stay. */
static tn_status over_dims(tn_call *call, tn_opcode code, int at, int keep) {
  const int64_t wanted = tn__int(call->attrs, at, TN_NONE);
  tn_tensor *x = call->in[0];
  tn_attrs attrs = *call->attrs;
  tn_eval e = tn__eval_begin(call->ctx);
  if (TN_IS_DIM_SET(wanted) && tn__elsewhere(x)) {
    unsigned mask;
    e.status = named_dims(call, wanted, &mask);
    attrs.i[at] = TN_DIM_SET(mask);
    x = tn__do(&e, code, &attrs, 1, &x);
  } else if (TN_IS_DIM_SET(wanted)) {
    const bool keeps = tn__int(&attrs, keep, 1) != 0;
    int64_t sizes[TN_MAX_DIMS];
    unsigned mask;
    int ndim = 0;
    e.status = named_dims(call, wanted, &mask);
    if (e.status != TN_OK) return tn__eval_end(&e);
    for (int d = 0; d < x->ndim; d++) {
      if (!(mask >> d & 1)) sizes[ndim++] = x->sizes[d];
      else if (keeps) sizes[ndim++] = 1;
    }
    attrs.i[at] = 1;
    attrs.i[keep] = 1;
    x = brought_together(&e, x, mask);
    x = tn__do(&e, code, &attrs, 1, &x);
    x = tn__reshaped(&e, x, ndim, sizes);
  } else {
    x = tn__do(&e, code, &attrs, 1, &x);
  }
  call->out[0] = tn__keep(&e, x);
  return tn__eval_end(&e);
}

#define DIMS_ROW(name_, args_, at_, keep_, flags_, no_grad_, low_, doc_)                          \
  static tn_status name_##_dims_compose(tn_call *call) {                                          \
    return over_dims(call, TN_OP_##name_, at_, keep_);                                            \
  }                                                                                               \
  const tn_op tn__op_##name_##_dims = {                                                           \
      .name = #name_ "_dims", .lua = #name_, .args = args_, .convention = 'C', .nout = 1,         \
      .flags = flags_, .low = low_, .high = 2, .compose = name_##_dims_compose,                   \
      .no_grad = no_grad_, .doc = doc_};

#define NUMBERS TN_NUMBER | TN_FLOATS | TN_INTEGERS
#define PLAIN "T x; m dim; b keepdim=1"
#define SPREAD "T x; m dim; b biased=0; b keepdim=1; i correction=1"

DIMS_ROW(sum, PLAIN, 0, 1, NUMBERS, NULL, -2, "Sum over several dimensions.")
DIMS_ROW(mean, PLAIN, 0, 1, NUMBERS, NULL, -2, "Mean over several dimensions.")
DIMS_ROW(prod, PLAIN, 0, 1, NUMBERS, NULL, 0.5, "Product over several dimensions.")
DIMS_ROW(amax, PLAIN, 0, 1, NUMBERS, NULL, -2, "Greatest element over several dimensions.")
DIMS_ROW(amin, PLAIN, 0, 1, NUMBERS, NULL, -2, "Smallest element over several dimensions.")
DIMS_ROW(logsumexp, PLAIN, 0, 1, TN_NUMBER | TN_FLOATS, NULL, -2,
         "log(sum(exp(x))) over several dimensions, without overflow.")
DIMS_ROW(all, PLAIN, 0, 1, TN_TRUTH | TN_FLOATS | TN_INTEGERS, "a test of its input", -2,
         "Is every element over several dimensions different from 0?")
DIMS_ROW(any, PLAIN, 0, 1, TN_TRUTH | TN_FLOATS | TN_INTEGERS, "a test of its input", -2,
         "Is some element over several dimensions different from 0?")
DIMS_ROW(var, SPREAD, 0, 2, TN_NUMBER | TN_FLOATS, NULL, -2,
         "Variance over several dimensions.")
DIMS_ROW(std, SPREAD, 0, 2, TN_NUMBER | TN_FLOATS, NULL, -2,
         "Standard deviation over several dimensions.")
DIMS_ROW(norm, "T x; n p=2; m dim; b keepdim=1", 0, 1, TN_NUMBER | TN_FLOATS, NULL, 0.3,
         "The p-norm over several dimensions.")
DIMS_ROW(nansum, PLAIN, 0, 1, NUMBERS, NULL, -2,
         "Sum of what is a number, over several dimensions.")
DIMS_ROW(nanmean, PLAIN, 0, 1, NUMBERS, NULL, -2,
         "Mean of what is a number, over several dimensions.")
DIMS_ROW(count_nonzero, PLAIN, 0, 1, NUMBERS, "a count", -2,
         "How many elements differ from 0, over several dimensions.")
