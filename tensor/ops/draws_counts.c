/* draws_counts.c -- Poisson's, the binomial and the gamma distribution: parameters from tensors,
 * values by rejection. Element i takes as many groups as it needs at its own position, offset + i, so the
 * result does not depend on the number of threads here either. */
#include "tensor/random.h"

#include <math.h>

#include "tensor/draws_values.h"

/* -- Rows -------------------------------------------------------------------------------------- */

typedef double value_fn(tn_source *s, double a, double b);

typedef struct {
  uint64_t seed, offset;
  value_fn *value;
  const double *a, *b; /* b may be NULL */
  int64_t a_step, b_step;
  double *out;
} job;

static void fill_range(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  for (int64_t i = begin; i < end; i++) {
    tn_source s = tn__source_of(j->seed, j->offset + (uint64_t)i);
    j->out[i] = j->value(&s, j->a[i * j->a_step], j->b == NULL ? 0 : j->b[i * j->b_step]);
  }
}

/* Counts beyond 2^53 would be no exact numbers, and loops over them might not end. */
static tn_status check_values(tn_ctx *ctx, const tn_tensor *t, double most, bool whole,
                              const char *what) {
  const double *x = (const double *)tn__data(t);
  for (int64_t i = 0, n = tn__numel(t); i < n; i++) {
    if (x[i] >= 0 && x[i] <= most && (!whole || floor(x[i]) == x[i])) continue;
    return tn_fail(ctx, TN_EARG, "%s of %g: it must lie in [0, %g]%s", what, x[i], most,
                   whole ? " and be whole" : "");
  }
  return TN_OK;
}

typedef struct {
  value_fn *value;
  const char *first, *second; /* what the inputs are, for messages */
  double most;                /* of the first */
  bool whole;
} family;

static tn_status run_family(tn_call *call, const family *f) {
  tn_tensor *a = NULL, *b = NULL, *made = NULL, *out = call->out[0];
  tn_generator *g = tn__generator(call);
  tn_status s = tn__host_copy(call->ctx, &a, call->in[0], TN_F64);
  if (s == TN_OK && f->second != NULL) s = tn__host_copy(call->ctx, &b, call->in[1], TN_F64);
  if (s == TN_OK) s = check_values(call->ctx, a, f->most, f->whole, f->first);
  if (s == TN_OK && b != NULL) s = check_values(call->ctx, b, 1, false, f->second);
  if (s == TN_OK) s = tn__host_like(call->ctx, &made, out, TN_F64);
  if (s == TN_OK) {
    const int64_t n = tn__numel(made);
    job j = {g->seed, g->offset, f->value, (double *)tn__data(a), NULL, tn__numel(a) > 1, 0,
             (double *)tn__data(made)};
    if (b != NULL) j.b = (double *)tn__data(b), j.b_step = tn__numel(b) > 1;
    tn__pool_run(call->ctx->pool, n, TN_GRAIN / 64, fill_range, &j);
    g->offset += (uint64_t)n;
  }
  tn_tensor_release(a);
  tn_tensor_release(b);
  return s == TN_OK ? tn__deliver_filled(call->ctx, out, made) : s;
}

/* As the first input; integers give the default type, as their values are of no type in special. */
static tn_status family_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  tn__meta_of(m, call->in[0]);
  if (!tn_dtype_is_float((tn_dtype)m->dtype)) m->dtype = call->ctx->default_dtype;
  return TN_OK;
}

static tn_status poisson_run(tn_call *call) {
  static const family f = {tn__poisson_value, "a rate", NULL, 0x1p52, false};
  return run_family(call, &f);
}

const tn_op tn__op_poisson = {
    .name = "poisson", .lua = "poisson", .convention = 'C', .args = "T rate; g generator",
    .flags = TN_FLOATS | TN_MOVES, .nout = 1, .low = 0.5, .high = 20, .shape = family_shape,
    .run = poisson_run, .no_grad = "counts do not change steadily with their rates",
    .doc = "Counts of Poisson's distribution, of the rates in x."};

static tn_status binomial_shape(tn_call *call) {
  const tn_tensor *n = call->in[0], *p = call->in[1];
  const int64_t a = tn__numel(n), b = tn__numel(p);
  if (a != b && a != 1 && b != 1) {
    char x[TN_SHAPE_TEXT], y[TN_SHAPE_TEXT];
    return tn_fail(call->ctx, TN_ESHAPE, "counts of size %s, but probabilities of size %s",
                   tn__shape_text(x, n->ndim, n->sizes), tn__shape_text(y, p->ndim, p->sizes));
  }
  tn_meta *m = &call->meta[0];
  tn__meta_of(m, a == 1 && b != 1 ? p : n);
  m->dtype = n->number ? p->dtype : p->number ? n->dtype
                                              : (uint8_t)tn_dtype_promote((tn_dtype)n->dtype,
                                                                          (tn_dtype)p->dtype);
  if (!tn_dtype_is_float((tn_dtype)m->dtype)) m->dtype = call->ctx->default_dtype;
  return TN_OK;
}

static tn_status binomial_run(tn_call *call) {
  static const family f = {tn__binomial_value, "a count", "a probability", 0x1p52, true};
  return run_family(call, &f);
}

const tn_op tn__op_binomial = {
    .name = "binomial", .lua = "binomial", .convention = 'C',
    .args = "X count; X p; g generator", .flags = TN_MOVES, .nout = 1, .shape = binomial_shape,
    .run = binomial_run, .no_grad = "counts do not change steadily with their probabilities",
    .doc = "How many of so many trials succeed, each with probability p."};

static tn_status standard_gamma_run(tn_call *call) {
  static const family f = {tn__gamma_value, "a shape", NULL, 0x1p100, false};
  return run_family(call, &f);
}

const tn_op tn__op_standard_gamma = {
    .name = "standard_gamma", .lua = "standard_gamma", .aliases = "_standard_gamma",
    .convention = 'C', .args = "T shape; g generator", .flags = TN_FLOATS | TN_MOVES, .nout = 1,
    .low = 0.3, .high = 9, .shape = family_shape, .run = standard_gamma_run,
    .no_grad = "its draws are not written as a function of the shape",
    .doc = "Numbers of the gamma distribution with these shapes and a scale of 1."};
