/* draws_counts.c -- Poisson's, the binomial and the gamma distribution: parameters from tensors,
 * values by rejection. Element i takes as many groups as it needs at its own position, offset + i, so the
 * result does not depend on the number of threads here either. */
#include "tensor/random.h"

#include <math.h>

/* The numbers of one element. */
typedef struct {
  uint64_t seed, counter;
  uint32_t more, w[4];
  int at;
} source;

static source source_of(uint64_t seed, uint64_t counter) {
  return (source){.seed = seed, .counter = counter, .at = 4};
}

/* Uniform in (0, 1). */
static double uniform(source *s) {
  if (s->at == 4) {
    tn__philox_more(s->seed, s->counter, s->more++, s->w);
    s->at = 0;
  }
  s->at += 2;
  return tn__uniform53(s->w[s->at - 2], s->w[s->at - 1]) + 0x1p-54;
}

static double normal(source *s) {
  const double radius = sqrt(-2 * log(uniform(s)));
  return radius * cos(6.283185307179586476925 * uniform(s));
}

/* ln(k!) for a whole number, safe on any thread; Stirling's series from 10 on. */
static double log_factorial(double k) {
  static const double small[10] = {0, 0, 0.69314718055994531, 1.7917594692280550,
                                   3.1780538303479458, 4.7874917427820458, 6.5792512120101012,
                                   8.5251613610654147, 10.604602902745251, 12.801827480081469};
  if (k < 10) return small[(int)k];
  const double x = k + 1, r = 1 / (x * x);
  return (x - 0.5) * log(x) - x + 0.91893853320467274178 +
         (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / x;
}

/* Hörmann 1993, doi:10.1016/0167-6687(93)90997-4: PTRS, a transformed rejection with a squeeze. */
static double poisson_large(source *s, double rate) {
  const double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse = 1.1239 + 1.1328 / (b - 3.4), quick = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = uniform(s) - 0.5, v = uniform(s), us = 0.5 - fabs(u);
    const double k = floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= quick) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double bound = k * log(rate) - rate - log_factorial(k);
    if (log(v * inverse / (a / (us * us) + b)) <= bound) return k;
  }
}

static double poisson_value(source *s, double rate, double unused) {
  (void)unused;
  if (rate >= 10) return poisson_large(s, rate);
  const double limit = exp(-rate);
  double k = 0;
  for (double product = uniform(s); product > limit; product *= uniform(s)) k++;
  return k;
}

/* Successes one by one: by the failures between them, which are geometric. */
static double binomial_small(source *s, double n, double p) {
  const double scale = 1 / log1p(-p);
  double tries = 0, k = -1;
  do {
    tries += floor(log(uniform(s)) * scale) + 1;
    k++;
  } while (tries <= n);
  return k;
}

/* Hörmann 1993, doi:10.1080/00949659308811496: BTRS, for p up to 1/2 and n p from 10 on. */
static double binomial_large(source *s, double n, double p) {
  const double spread = sqrt(n * p * (1 - p)), b = 1.15 + 2.53 * spread;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5, quick = 0.92 - 4.2 / b;
  const double alpha = (2.83 + 5.1 / b) * spread, odds = log(p / (1 - p));
  const double mode = floor((n + 1) * p);
  const double h = log_factorial(mode) + log_factorial(n - mode);
  for (;;) {
    const double u = uniform(s) - 0.5, v = uniform(s), us = 0.5 - fabs(u);
    const double k = floor((2 * a / us + b) * u + c);
    if (k < 0 || k > n) continue;
    if (us >= 0.07 && v <= quick) return k;
    const double bound = h - log_factorial(k) - log_factorial(n - k) + (k - mode) * odds;
    if (log(v * alpha / (a / (us * us) + b)) <= bound) return k;
  }
}

static double binomial_value(source *s, double n, double p) {
  if (p > 0.5) return n - binomial_value(s, n, 1 - p);
  if (n == 0 || p == 0) return 0;
  return n * p < 10 ? binomial_small(s, n, p) : binomial_large(s, n, p);
}

/* Marsaglia and Tsang 2000, doi:10.1145/358407.358414; shapes below 1 by a power of a uniform. */
static double gamma_value(source *s, double shape, double unused) {
  (void)unused;
  double boost = 1;
  if (shape == 0) return 0;
  if (shape < 1) {
    boost = pow(uniform(s), 1 / shape);
    shape += 1;
  }
  const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    const double x = normal(s), root = 1 + c * x, v = root * root * root;
    if (v > 0 && log(uniform(s)) < 0.5 * x * x + d - d * v + d * log(v)) return boost * d * v;
  }
}

/* -- Rows -------------------------------------------------------------------------------------- */

typedef double value_fn(source *s, double a, double b);

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
    source s = source_of(j->seed, j->offset + (uint64_t)i);
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
  static const family f = {poisson_value, "a rate", NULL, 0x1p52, false};
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
  static const family f = {binomial_value, "a count", "a probability", 0x1p52, true};
  return run_family(call, &f);
}

const tn_op tn__op_binomial = {
    .name = "binomial", .lua = "binomial", .convention = 'C',
    .args = "X count; X p; g generator", .flags = TN_MOVES, .nout = 1, .shape = binomial_shape,
    .run = binomial_run, .no_grad = "counts do not change steadily with their probabilities",
    .doc = "How many of so many trials succeed, each with probability p."};

static tn_status standard_gamma_run(tn_call *call) {
  static const family f = {gamma_value, "a shape", NULL, 0x1p100, false};
  return run_family(call, &f);
}

const tn_op tn__op_standard_gamma = {
    .name = "standard_gamma", .lua = "standard_gamma", .aliases = "_standard_gamma",
    .convention = 'C', .args = "T shape; g generator", .flags = TN_FLOATS | TN_MOVES, .nout = 1,
    .low = 0.3, .high = 9, .shape = family_shape, .run = standard_gamma_run,
    .no_grad = "its draws are not written as a function of the shape",
    .doc = "Numbers of the gamma distribution with these shapes and a scale of 1."};
