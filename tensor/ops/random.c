/* random.c -- tensors of random numbers.
 *
 * Element i takes its numbers from group offset + i / 4 (or i / 2 for 53-bit numbers): the result
 * does not depend on the number of threads. Values are made in a contiguous float64 or float32
 * buffer and stored in the tensor's dtype and layout. */
#include "tensor/random.h"

#include <math.h>

typedef struct {
  const tn_call *call;
  tn_tensor *out;  /* contiguous */
  uint64_t seed, offset;
  double a, b;
  const tn_tensor *p; /* of bernoulli: probabilities, or NULL */
  /* One value from two uniform numbers in [0, 1). */
  double (*value)(double a, double b, double u, double v);
  bool f32, normal; /* uniform and normal float32 numbers have a loop of their own */
} job;

/* A group of four 32-bit numbers makes one value of 53-bit uniforms, two to a value. */
static void fill_range(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  char *data = tn__data(j->out);
  for (int64_t i = begin; i < end; i++) {
    uint32_t r[4];
    tn__philox(j->seed, j->offset + (uint64_t)i, r);
    double a = j->p != NULL ? tn_tensor_get(j->p, i) : j->a;
    tn__store(data, (tn_dtype)j->out->dtype, i,
              j->value(a, j->b, tn__uniform53(r[0], r[1]), tn__uniform53(r[2], r[3])));
  }
}

/* float32 uniform and normal numbers, four to a group. */
static void fill_f32(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  float *data = (float *)tn__data(j->out);
  const float a = (float)j->a, scale = (float)(j->b - j->a), b = (float)j->b;
  const int64_t n = tn__numel(j->out);
  for (int64_t group = begin; group < end; group++) {
    uint32_t r[4];
    float v[4];
    tn__philox(j->seed, j->offset + (uint64_t)group, r);
    if (j->normal) { /* Box and Muller 1958: two pairs */
      for (int k = 0; k < 4; k += 2) {
        float radius = sqrtf(-2 * logf(((float)(r[k] >> 8) + 1) * 0x1p-24f));
        float angle = 6.2831853071795864769f * tn__uniform24(r[k + 1]);
        v[k] = a + b * radius * cosf(angle);
        v[k + 1] = a + b * radius * sinf(angle);
      }
    } else {
      for (int k = 0; k < 4; k++) v[k] = a + scale * tn__uniform24(r[k]);
    }
    int64_t first = 4 * group, left = n - first;
    memcpy(data + first, v, sizeof(float) * (size_t)(left < 4 ? left : 4));
  }
}

static tn_status fill_random(tn_call *call, job *j) {
  tn_tensor *out = call->out[0], *flat = NULL;
  tn_generator *g = tn__generator(call);
  tn_status s = TN_OK;
  if (tn__contiguous(out)) flat = tn_tensor_retain(out);
  else s = tn_tensor_new(call->ctx, &flat, (tn_dtype)out->dtype, out->ndim, out->sizes);
  if (s != TN_OK) return s;
  int64_t n = tn__numel(out);
  j->call = call;
  j->out = flat;
  j->seed = g->seed;
  j->offset = g->offset;
  if (j->f32) {
    tn__pool_run(call->ctx->pool, (n + 3) / 4, TN_GRAIN / 32, fill_f32, j);
    g->offset += (uint64_t)((n + 3) / 4);
  } else {
    tn__pool_run(call->ctx->pool, n, TN_GRAIN / 32, fill_range, j);
    g->offset += (uint64_t)n;
  }
  if (flat != out) tn__copy_view(call->ctx, out, flat);
  tn_tensor_release(flat);
  return TN_OK;
}

static tn_status no_grad(tn_grad_call *g) {
  for (int i = 0; i < g->nin; i++) g->din[i] = NULL;
  return TN_OK;
}

#define FILL_ROW(name_, args_, doc_)                                                              \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .args = args_, .convention = 'I',                            \
      .flags = TN_INPLACE | TN_FLOATS | TN_OVERWRITES, .nout = 1, .low = -2, .high = 2,                        \
      .shape = tn__shape_same, .run = name_##_run, .grad = no_grad, .doc = doc_}

static double uniform_value(double a, double b, double u, double v) {
  (void)v;
  return a + (b - a) * u;
}

static tn_status uniform_run(tn_call *call) {
  job j = {.a = call->attrs->f[0], .b = call->attrs->f[1], .value = uniform_value,
           .f32 = call->out[0]->dtype == TN_F32};
  return fill_random(call, &j);
}

FILL_ROW(uniform, "T x; n low=0; n high=1", "Fills x with numbers from [low, high).");

static double normal_value(double mean, double deviation, double u, double v) {
  return mean + deviation * sqrt(-2 * log(1 - u)) * cos(6.283185307179586476925 * v);
}

static tn_status normal_run(tn_call *call) {
  job j = {.a = call->attrs->f[0], .b = call->attrs->f[1], .value = normal_value,
           .f32 = call->out[0]->dtype == TN_F32, .normal = true};
  if (!(j.b >= 0)) {
    return tn_fail(call->ctx, TN_EARG, "a standard deviation of %g: it cannot be negative", j.b);
  }
  return fill_random(call, &j);
}

FILL_ROW(normal, "T x; n mean=0; n deviation=1", "Fills x with normally distributed numbers.");

static double bernoulli_value(double p, double unused, double u, double v) {
  (void)unused, (void)v;
  return u < p;
}

static tn_status bernoulli_run(tn_call *call) {
  job j = {.value = bernoulli_value};
  const tn_tensor *p = call->in[1];
  if (p == NULL) {
    j.a = 0.5;
    return fill_random(call, &j);
  }
  if (p->ndim == 0) j.a = tn_tensor_get(p, 0);
  else j.p = p;
  if (j.p != NULL && tn__numel(p) != tn__numel(call->out[0])) {
    return tn_fail(call->ctx, TN_ESHAPE, "%lld probabilities for %lld elements",
                   (long long)tn__numel(p), (long long)tn__numel(call->out[0]));
  }
  for (int64_t i = 0, n = tn__numel(p); i < n; i++) {
    double v = tn_tensor_get(p, i);
    if (!(v >= 0 && v <= 1)) {
      return tn_fail(call->ctx, TN_EARG, "a probability of %g: it must lie in [0, 1]", v);
    }
  }
  return fill_random(call, &j);
}

FILL_ROW(bernoulli, "T x; X p=0.5", "Fills x with 1 with probability p, else 0.");

static double random_value(double low, double count, double u, double v) {
  (void)v;
  return low + floor(u * count);
}

static tn_status random_run(tn_call *call) {
  double low = call->attrs->f[0], high = call->attrs->f[1];
  job j = {.a = low, .b = high - low + 1, .value = random_value};
  if (!(high >= low)) return tn_fail(call->ctx, TN_EARG, "no integers from %g to %g", low, high);
  return fill_random(call, &j);
}

FILL_ROW(random, "T x; n low; n high", "Fills x with integers from [low, high].");

static double exponential_value(double rate, double unused, double u, double v) {
  (void)unused, (void)v;
  return -log(1 - u) / rate;
}

static tn_status exponential_run(tn_call *call) {
  job j = {.a = call->attrs->f[0], .value = exponential_value};
  if (!(j.a > 0)) return tn_fail(call->ctx, TN_EARG, "a rate of %g: it must be positive", j.a);
  return fill_random(call, &j);
}

FILL_ROW(exponential, "T x; n rate=1", "Fills x with exponentially distributed numbers.");

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

/* -- Dropout: y = x * mask, and the mask ------------------------------------------------------- */

static tn_status dropout_shape(tn_call *call) {
  double p = call->attrs->f[0];
  if (!(p >= 0 && p < 1)) return tn_fail(call->ctx, TN_EARG, "p = %g: it must lie in [0, 1)", p);
  if (!tn_dtype_is_float((tn_dtype)call->in[0]->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                   tn_dtype_name((tn_dtype)call->in[0]->dtype));
  }
  tn__meta_of(&call->meta[0], call->in[0]);
  tn__meta_of(&call->meta[1], call->in[0]);
  return TN_OK;
}

static double keep_value(double p, double scale, double u, double v) {
  (void)v;
  return u < p ? 0 : scale;
}

static tn_status dropout_run(tn_call *call) {
  double p = call->attrs->f[0];
  job j = {.a = p, .b = 1 / (1 - p), .value = keep_value};
  tn_call mask = *call;
  mask.out[0] = call->out[1];
  tn_status s = fill_random(&mask, &j);
  if (s != TN_OK) return s;
  tn_tensor *in[2] = {call->in[0], call->out[1]};
  tn_call product = *call;
  product.op = &tn__op_mul;
  product.nin = 2;
  product.in = in;
  product.dim = call->in[0]->dtype;
  return tn__pointwise_run(&product);
}

static tn_status dropout_grad(tn_grad_call *g) {
  tn_tensor *in[2] = {g->dout[0], g->out[1]}, *out[TN_MAX_OUTPUTS] = {NULL};
  tn_status s = tn_apply(g->ctx, TN_OP_mul, 2, in, NULL, out);
  g->din[0] = out[0];
  return s;
}

const tn_op tn__op_dropout = {
    .name = "dropout", .lua = "dropout", .convention = 'C', .args = "T x; n p=0.5",
    .flags = TN_HIDES | TN_FLOATS | TN_OVERWRITES, .nout = 2, .fixed = 2, .saves = TN_SAVE_Y2, .low = -2,
    .high = 2, .shape = dropout_shape, .run = dropout_run, .grad = dropout_grad,
    .onnx = "Dropout",
    .doc = "Zeroes elements with probability p and scales the others by 1 / (1 - p)."};
