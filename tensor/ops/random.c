/* random.c -- tensors filled with random numbers.
 *
 * Of float32, float16 and bfloat16 tensors element i takes word i % 4 of group offset + i / 4; of
 * all others two words of group offset + i / 2, for calculations in float64. So the result depends
 * on nothing but the generator: not on threads, layout or processor. */
#include "tensor/random.h"

#include <float.h>
#include <math.h>

#include "tensor/cpu/kernels.h"
#include "tensor/eval.h"

enum { BLOCK = 128 }; /* groups whose numbers stay in the fastest cache */

typedef struct job job;
struct job {
  const tn_random_kernels *kernels;
  uint64_t seed, offset;
  char *out; /* contiguous */
  const double *chance; /* of bernoulli: a probability for each element, or NULL */
  tn_dtype dtype;
  tn_random_shape shape;
  bool f32; /* made in float32, four of a group; else two float64 */
  int64_t n;
  double p[4]; /* see kernels.h */
  double low, high;  /* what an integer dtype can hold */
  int64_t whole_low; /* of random numbers that are whole, and how many there are (0: 2^64) */
  uint64_t whole_count;
  void (*after)(const job *j, int64_t n, float *f, double *d); /* one of the two */
};

static int per_group(const job *j) { return j->f32 ? 4 : 2; }

static void chances(int64_t n, float *out, const uint32_t *w, const double *p) {
  for (int64_t i = 0; i < n; i++) out[i] = (double)w[i] < p[i] * 0x1p32;
}

static void into_range(int64_t n, double *x, double low, double high) {
  for (int64_t i = 0; i < n; i++) x[i] = x[i] > low ? (x[i] < high ? x[i] : high) : low;
}

/* Makes the values of whole groups, from element `first` on, of which n are wanted. */
static void make(const job *j, int64_t first, int64_t n, const uint32_t *w) {
  union {
    float f[4 * BLOCK];
    double d[2 * BLOCK];
  } v;
  const int64_t even = n + (n & 1), item = (int64_t)tn_dtype_size(j->dtype);
  const bool straight = even == n && j->dtype == (j->f32 ? TN_F32 : TN_F64);
  void *out = j->out + first * item, *to = straight ? out : (void *)&v;
  if (j->chance != NULL) chances(n, to, w, j->chance + first);
  else if (j->f32) j->kernels->f32[j->shape](even, to, w, j->p);
  else j->kernels->f64[j->shape](even, to, w, j->p);
  if (j->after != NULL) j->after(j, n, to, to);
  if (straight) return;
  if (!tn_dtype_is_float(j->dtype) && !j->f32) into_range(n, v.d, j->low, j->high);
  tn__convert(n, out, j->dtype, 1, &v, j->f32 ? TN_F32 : TN_F64, 1);
}

static void fill_range(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int per = per_group(j);
  uint32_t w[4 * BLOCK];
  for (int64_t g = begin; g < end; g += BLOCK) {
    const int64_t groups = end - g < BLOCK ? end - g : BLOCK, left = j->n - g * per;
    j->kernels->words(j->seed, j->offset + (uint64_t)g, groups, w);
    make(j, g * per, left < groups * per ? left : groups * per, w);
  }
}

static void fill_whole(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t item = (int64_t)tn_dtype_size(j->dtype);
  uint32_t w[4 * BLOCK];
  int64_t v[2 * BLOCK];
  for (int64_t g = begin; g < end; g += BLOCK) {
    const int64_t groups = end - g < BLOCK ? end - g : BLOCK, left = j->n - 2 * g;
    const int64_t n = left < 2 * groups ? left : 2 * groups;
    j->kernels->words(j->seed, j->offset + (uint64_t)g, groups, w);
    for (int64_t i = 0; i < n; i++) { /* unsigned, so that nothing overflows */
      const uint64_t step = tn__below_count(w[2 * i], w[2 * i + 1], j->whole_count);
      v[i] = (int64_t)((uint64_t)j->whole_low + step);
    }
    tn__convert(n, j->out + 2 * g * item, j->dtype, 1, v, TN_I64, 1);
  }
}

static bool is_f32_family(int dtype) {
  return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

/* The smallest and largest number of an integer dtype, as doubles that convert without overflow. */
static void range_of(int dtype, double *low, double *high) {
  const int bits = 8 * (int)tn__item_size(dtype);
  *low = dtype == TN_U8 || dtype == TN_BOOL ? 0 : -ldexp(1, bits - 1);
  *high = ldexp(1, bits - 1) - (bits == 64 ? 1024 : 1);
  if (dtype == TN_U8) *high = 255;
  if (dtype == TN_BOOL) *high = 1;
}

static tn_status run_job(tn_call *call, job *j, tn_tensor *out, tn_pool_fn *fn) {
  tn_tensor *flat = NULL;
  tn_generator *g = tn__generator(call);
  tn_status s = tn__host_like(call->ctx, &flat, out, (tn_dtype)out->dtype);
  if (s != TN_OK) return s;
  j->kernels = TN_ISA_PICK(&tn__random_kernels);
  j->out = tn__data(flat);
  j->dtype = (tn_dtype)out->dtype;
  j->n = tn__numel(flat);
  j->seed = g->seed;
  j->offset = g->offset;
  const int64_t per = per_group(j), groups = (j->n + per - 1) / per;
  tn__pool_run(call->ctx->pool, groups, TN_GRAIN / 8, fn, j);
  g->offset += (uint64_t)groups;
  return tn__deliver_filled(call->ctx, out, flat);
}

static tn_status fill_random(tn_call *call, job *j) {
  j->f32 = is_f32_family(call->out[0]->dtype);
  range_of(call->out[0]->dtype, &j->low, &j->high);
  return run_job(call, j, call->out[0], fill_range);
}

/* Rows that have no kernel on other devices are made here and moved there. */
#define FILL_ROW(name_, lua_, aliases_, args_, flags_, doc_)                                      \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .aliases = aliases_, .args = args_, .convention = 'I',         \
      .flags = TN_INPLACE | TN_FLOATS | TN_OVERWRITES | (flags_), .nout = 1, .low = -2,           \
      .high = 2, .shape = tn__shape_same, .run = name_##_run, .grad = tn__grad_none, .doc = doc_}

static tn_status uniform_run(tn_call *call) {
  double a = call->attrs->f[0], b = call->attrs->f[1];
  const int dtype = call->out[0]->dtype;
  const int bits = dtype == TN_F32 ? 24 : dtype == TN_F16 ? 11 : dtype == TN_BF16 ? 8 : 53;
  const double most = is_f32_family(dtype) ? (double)FLT_MAX : DBL_MAX;
  if (a > b) b = call->attrs->f[0], a = call->attrs->f[1];
  if (!(b - a <= most && fabs(a) <= most && fabs(b) <= most)) {
    return tn_fail(call->ctx, TN_EARG, "no numbers can be drawn from %g to %g", a, b);
  }
  job j = {.shape = TN_RAND_UNIFORM};
  tn__uniform_plan(a, b, bits, j.p);
  return fill_random(call, &j);
}

FILL_ROW(uniform, "uniform", NULL, "T x; g generator; n low=0; n high=1", 0,
         "Fills x with numbers from [low, high).");

static tn_status check_deviation(tn_ctx *ctx, double deviation) {
  if (deviation >= 0) return TN_OK;
  return tn_fail(ctx, TN_EARG, "a standard deviation of %g: it cannot be negative", deviation);
}

static tn_status normal_run(tn_call *call) {
  job j = {.shape = TN_RAND_NORMAL, .p = {call->attrs->f[0], call->attrs->f[1]}};
  tn_status s = check_deviation(call->ctx, j.p[1]);
  return s == TN_OK ? fill_random(call, &j) : s;
}

FILL_ROW(normal, "normal", NULL, "T x; g generator; n mean=0; n deviation=1", 0,
         "Fills x with normally distributed numbers.");

/* normal(mean, deviation) with a tensor among them: its gradient runs through both. */
static tn_status normal_of_compose(tn_call *call) {
  tn_eval e = tn__eval_begin(call->ctx);
  tn_tensor *mean = call->in[0], *deviation = call->in[1], *host = NULL, *noise = NULL;
  tn_tensor *like = DO2(add, mean, deviation); /* of the shape and type of the result */
  /* a device does not wait for that: there a negative one counts like a positive one */
  const bool here = like != NULL && !tn__elsewhere(like);
  if (e.status == TN_OK && here) e.status = tn__host_copy(call->ctx, &host, deviation, TN_F64);
  for (int64_t i = 0, n = host != NULL ? tn__numel(host) : 0; i < n && e.status == TN_OK; i++) {
    e.status = check_deviation(call->ctx, tn_tensor_get(host, i));
  }
  tn_tensor_release(host);
  if (e.status == TN_OK) {
    bool whole = !tn_dtype_is_float((tn_dtype)like->dtype);
    e.status = tn_tensor_new_on(call->ctx, &noise, like->storage->device,
                                whole ? tn_default_dtype(call->ctx) : (tn_dtype)like->dtype,
                                like->ndim, like->sizes);
  }
  const tn_attrs standard = {.f = {0, 1}, .generator = call->attrs->generator};
  if (noise != NULL) tn__temp(&e, noise);
  if (e.status == TN_OK) {
    e.status = tn_apply_inplace(call->ctx, TN_OP_normal, 1, &noise, &standard);
  }
  if (e.status == TN_OK) {
    call->out[0] = tn__keep(&e, DO2(add, DO2(mul, noise, deviation), mean));
  }
  return tn__eval_end(&e);
}

const tn_op tn__op_normal_of = {
    .name = "normal_of", .lua = "normal", .convention = 'C',
    .args = "X mean; X deviation; g generator", .flags = TN_FLOATS, .nout = 1, .low = 0.5,
    .high = 2, .compose = normal_of_compose,
    .doc = "Normally distributed numbers whose means and deviations are in tensors."};

static void exponentiate(const job *j, int64_t n, float *f, double *d) {
  if (j->f32) j->kernels->exp_f32(n, f);
  else j->kernels->exp_f64(n, d);
}

static tn_status log_normal_run(tn_call *call) {
  job j = {.shape = TN_RAND_NORMAL, .p = {call->attrs->f[0], call->attrs->f[1]},
           .after = exponentiate};
  tn_status s = check_deviation(call->ctx, j.p[1]);
  return s == TN_OK ? fill_random(call, &j) : s;
}

FILL_ROW(log_normal, "logNormal", "log_normal", "T x; g generator; n mean=1; n deviation=2",
         TN_MOVES, "Fills x with numbers whose logarithms have this mean and deviation.");

static tn_status cauchy_run(tn_call *call) {
  job j = {.shape = TN_RAND_CAUCHY, .p = {call->attrs->f[0], call->attrs->f[1]}};
  if (!(j.p[1] > 0)) {
    return tn_fail(call->ctx, TN_EARG, "a width of %g: it must be positive", j.p[1]);
  }
  return fill_random(call, &j);
}

FILL_ROW(cauchy, "cauchy", NULL, "T x; g generator; n median=0; n width=1", TN_MOVES,
         "Fills x with numbers of Cauchy's distribution.");

static tn_status exponential_run(tn_call *call) {
  const double rate = call->attrs->f[0];
  job j = {.shape = TN_RAND_EXPONENTIAL, .p = {1 / rate}};
  if (!(rate > 0)) return tn_fail(call->ctx, TN_EARG, "a rate of %g: it must be positive", rate);
  return fill_random(call, &j);
}

FILL_ROW(exponential, "exponential", NULL, "T x; g generator; n rate=1", TN_MOVES,
         "Fills x with exponentially distributed numbers.");

static void whole_from_one(const job *j, int64_t n, float *f, double *d) {
  for (int64_t i = 0; i < n && j->f32; i++) f[i] = floorf(f[i]) + 1;
  for (int64_t i = 0; i < n && !j->f32; i++) d[i] = floor(d[i]) + 1;
}

/* The number of trials until one fails, where each succeeds with probability p. */
static tn_status geometric_run(tn_call *call) {
  const double p = call->attrs->f[0];
  job j = {.shape = TN_RAND_EXPONENTIAL, .p = {-1 / log(p)}, .after = whole_from_one};
  if (!(p > 0 && p < 1)) {
    return tn_fail(call->ctx, TN_EARG, "a probability of %g: it must lie between 0 and 1", p);
  }
  return fill_random(call, &j);
}

FILL_ROW(geometric, "geometric", NULL, "T x; g generator; n p", TN_MOVES,
         "Fills x with whole numbers k from 1, of probability (1 - p) p^(k-1).");

/* -- Bernoulli's distribution ------------------------------------------------------------------ */

/* How many of the 2^32 words mean 1. */
static double words_of(double p) { return floor(p * 0x1p32 + 0.5); }

static void none(const job *j, int64_t n, float *f, double *d) {
  (void)j, (void)d;
  memset(f, 0, sizeof *f * (size_t)n);
}

/* Element i: `value` with probability p, else 0. One word each, whatever the dtype. */
static tn_status fill_bernoulli(tn_call *call, tn_tensor *out, double p, double value,
                                const double *chance) {
  job j = {.shape = TN_RAND_BERNOULLI, .p = {words_of(p), value}, .chance = chance, .f32 = true};
  if (chance == NULL && j.p[0] < 1) j.after = none;
  return run_job(call, &j, out, fill_range);
}

static tn_status check_probabilities(tn_ctx *ctx, int64_t n, const double *p) {
  for (int64_t i = 0; i < n; i++) {
    if (!(p[i] >= 0 && p[i] <= 1)) {
      return tn_fail(ctx, TN_EARG, "a probability of %g: it must lie in [0, 1]", p[i]);
    }
  }
  return TN_OK;
}

static tn_status bernoulli_run(tn_call *call) {
  tn_tensor *given = call->nin > 1 ? call->in[1] : NULL, *p = NULL;
  double one = 0.5;
  if (given == NULL) return fill_bernoulli(call, call->out[0], one, 1, NULL);
  if (given->ndim > 0 && tn__numel(given) != tn__numel(call->out[0])) {
    return tn_fail(call->ctx, TN_ESHAPE, "%lld probabilities for %lld elements",
                   (long long)tn__numel(given), (long long)tn__numel(call->out[0]));
  }
  tn_status s = tn__host_copy(call->ctx, &p, given, TN_F64);
  const double *data = s == TN_OK ? (const double *)tn__data(p) : NULL;
  if (s == TN_OK) s = check_probabilities(call->ctx, tn__numel(p), data);
  if (s == TN_OK && given->ndim == 0) {
    s = fill_bernoulli(call, call->out[0], data[0], 1, NULL);
  } else if (s == TN_OK) {
    s = fill_bernoulli(call, call->out[0], 0, 1, data);
  }
  tn_tensor_release(p);
  return s;
}

FILL_ROW(bernoulli, "bernoulli", NULL, "T x; g generator; X p=0.5", TN_MOVES,
         "Fills x with 1 with probability p, else 0.");

/* -- Whole numbers ----------------------------------------------------------------------------- */

/* The largest whole number up to which the dtype holds all. */
static double largest_whole(int dtype) {
  double low, high;
  if (dtype == TN_F64) return 0x1p53;
  if (dtype == TN_F32) return 0x1p24;
  if (dtype == TN_F16) return 65504;
  if (dtype == TN_BF16) return FLT_MAX;
  range_of(dtype, &low, &high);
  return dtype == TN_I64 ? 0x1p63 : high;
}

static tn_status random_run(tn_call *call) {
  const double low = trunc(call->attrs->f[0]), high = trunc(call->attrs->f[1]);
  const int dtype = call->out[0]->dtype;
  double least, most;
  if (!(high >= low)) return tn_fail(call->ctx, TN_EARG, "no integers from %g to %g", low, high);
  range_of(dtype, &least, &most);
  if (tn_dtype_is_float((tn_dtype)dtype)) least = -0x1p63, most = largest_whole(TN_I64);
  else most = largest_whole(dtype);
  if (!(low >= least && high <= most)) {
    return tn_fail(call->ctx, TN_EARG, "integers from %.17g to %.17g do not fit into %s", low, high,
                   tn_dtype_name((tn_dtype)dtype));
  }
  job j = {.whole_low = low < 0x1p63 ? (int64_t)low : INT64_MAX};
  const uint64_t last = high < 0x1p63 ? (uint64_t)(int64_t)high : INT64_MAX;
  j.whole_count = last - (uint64_t)j.whole_low + 1;
  return run_job(call, &j, call->out[0], fill_whole);
}

FILL_ROW(random, "random", NULL, "T x; g generator; n low; n high", TN_MOVES | TN_INTEGERS,
         "Fills x with integers from [low, high].");

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

static tn_status product(tn_call *call, tn_tensor *factor) {
  tn_tensor *in[2] = {call->in[0], factor};
  tn_call multiply = *call;
  multiply.op = &tn__op_mul;
  multiply.nin = 2;
  multiply.in = in;
  multiply.dim = call->in[0]->dtype;
  return tn__pointwise_run(&multiply);
}

/* float32 cannot hold 1 / (1 - p) well enough for a float64 mask. */
static void rescale(const tn_tensor *mask, double scale) {
  double *data = (double *)tn__data(mask);
  for (int64_t i = 0, n = tn__numel(mask); i < n; i++) data[i] *= scale;
}

static tn_status dropout_run(tn_call *call) {
  const double p = call->attrs->f[0];
  const bool f64 = call->out[1]->dtype == TN_F64;
  tn_status s = fill_bernoulli(call, call->out[1], 1 - p, f64 ? 1 : 1 / (1 - p), NULL);
  if (s != TN_OK) return s;
  if (f64) rescale(call->out[1], 1 / (1 - p));
  return product(call, call->out[1]);
}

static tn_status dropout_grad(tn_grad_call *g) {
  tn_tensor *in[2] = {g->dout[0], g->out[1]}, *out[TN_MAX_OUTPUTS] = {NULL};
  tn_status s = tn_apply(g->ctx, TN_OP_mul, 2, in, NULL, out);
  g->din[0] = out[0];
  return s;
}

const tn_op tn__op_dropout = {
    .name = "dropout", .lua = "dropout", .convention = 'C', .args = "T x; n p=0.5; g generator",
    .flags = TN_HIDES | TN_FLOATS | TN_OVERWRITES, .nout = 2, .fixed = 2, .saves = TN_SAVE_Y2,
    .low = -2, .high = 2, .shape = dropout_shape, .run = dropout_run, .grad = dropout_grad,
    .onnx = "Dropout",
    .doc = "Zeroes elements with probability p and scales the others by 1 / (1 - p)."};
