/* draws.c -- permutations, and draws with given probabilities. */
#include "tensor/random.h"

#include <math.h>

/* -- Permutations, drawn subsets --------------------------------------------------------------- */

static tn_status randperm_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  m->dtype = call->in[0]->dtype;
  m->ndim = 1;
  m->sizes[0] = tn__int(call->attrs, 0, 0);
  return TN_OK;
}

/* Fisher and Yates' shuffle. */
static tn_status randperm_run(tn_call *call) {
  tn_tensor *out = call->out[0], *order = NULL;
  tn_generator *g = tn__generator(call);
  int64_t n = out->sizes[0];
  tn_status s = tn_tensor_new(call->ctx, &order, TN_I64, 1, &n);
  if (s != TN_OK) return s;
  int64_t *p = (int64_t *)tn__data(order);
  for (int64_t i = 0; i < n; i++) p[i] = i + call->ctx->index_base;
  for (int64_t i = 0; i + 1 < n; i++) {
    int64_t k = i + (int64_t)(tn_random_double(g) * (double)(n - i)), t = p[i];
    p[i] = p[k];
    p[k] = t;
  }
  tn__copy_view(call->ctx, out, order);
  tn_tensor_release(order);
  return TN_OK;
}

const tn_op tn__op_randperm = {.name = "randperm", .lua = "randperm", .convention = 'B',
                               .args = "T res; i n", .flags = TN_OVERWRITES, .nout = 1,
                               .shape = randperm_shape, .run = randperm_run,
                               .no_grad = "made from random numbers",
                               .doc = "The numbers 1 to n in random order."};

static tn_status multinomial_shape(tn_call *call) {
  const tn_tensor *p = call->in[0];
  tn_meta *m = &call->meta[0];
  if (p->ndim != 1 && p->ndim != 2) {
    return tn_fail(call->ctx, TN_ESHAPE, "one or two dimensions of probabilities expected, got %d",
                   p->ndim);
  }
  tn__meta_of(m, p);
  m->dtype = TN_I64;
  m->sizes[p->ndim - 1] = call->attrs->i[0];
  if (tn__int(call->attrs, 1, 0) == 0 && call->attrs->i[0] > p->sizes[p->ndim - 1]) {
    return tn_fail(call->ctx, TN_EARG, "%lld draws without replacement from %lld",
                   (long long)call->attrs->i[0], (long long)p->sizes[p->ndim - 1]);
  }
  return TN_OK;
}

/* Draws from one row of weights by walking their sum; without replacement a drawn weight is 0. */
static tn_status draw_row(tn_call *call, double *weights, int64_t n, int64_t *out, int64_t count) {
  tn_generator *g = tn__generator(call);
  bool replace = tn__int(call->attrs, 1, 0) != 0;
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!(weights[i] >= 0) || !isfinite(weights[i])) {
      return tn_fail(call->ctx, TN_EARG, "a probability of %g: it cannot be negative", weights[i]);
    }
    total += weights[i];
  }
  for (int64_t k = 0; k < count; k++) {
    double at = tn_random_double(g) * total;
    int64_t pick = -1;
    for (int64_t i = 0; i < n; i++) {
      if (weights[i] == 0) continue;
      pick = i;
      if (at < weights[i]) break;
      at -= weights[i];
    }
    if (pick < 0) return tn_fail(call->ctx, TN_EARG, "too few probabilities are above 0");
    out[k] = pick + call->ctx->index_base;
    if (replace) continue;
    weights[pick] = 0;
    total = 0;
    for (int64_t i = 0; i < n; i++) total += weights[i];
  }
  return TN_OK;
}

static tn_status multinomial_run(tn_call *call) {
  tn_tensor *weights = NULL, *out = call->out[0];
  const tn_tensor *p = call->in[0];
  tn_status s = tn_tensor_new(call->ctx, &weights, TN_F64, p->ndim, p->sizes);
  if (s != TN_OK) return s;
  tn__copy_view(call->ctx, weights, p);
  int64_t n = p->sizes[p->ndim - 1], rows = p->ndim == 2 ? p->sizes[0] : 1;
  int64_t count = out->sizes[out->ndim - 1];
  for (int64_t r = 0; r < rows && s == TN_OK; r++) {
    s = draw_row(call, (double *)tn__data(weights) + r * n, n,
                 (int64_t *)tn__data(out) + r * count, count);
  }
  tn_tensor_release(weights);
  return s;
}

const tn_op tn__op_multinomial = {
    .name = "multinomial", .lua = "multinomial", .convention = 'C', .fixed = 1,
    .args = "T p; i n; b replacement=0", .flags = TN_FLOATS, .nout = 1, .low = 0.1, .high = 1,
    .shape = multinomial_shape, .run = multinomial_run, .onnx = "Multinomial",
    .no_grad = "draws are no function of their probabilities",
    .doc = "n indices drawn with the (unnormalised) probabilities p."};

