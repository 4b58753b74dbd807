/* ctc.c -- connectionist temporal classification (Graves et al. 2006): the loss of a sequence of
 * labels, given log-probabilities at each time step and any alignment of the two.
 *
 * in: log-probabilities (time, batch, class) or (time, class); labels (batch, label), one after the
 * other in one dimension, or (label); lengths of both for each sample. attrs i[0]: the blank class;
 * i[1]: 1 to count samples that cannot be aligned as 0; i[2]: the number of the first class, the
 * index_base by default. The result is one loss per sample.
 *
 * A sample's path runs through states: blank, label 1, blank, label 2, ..., blank. All in float64
 * and as logarithms, since the product of many probabilities is soon below any number.
 *
 * Each number comes with its change along a direction u in x. So one pass gives the gradient, and
 * how that changes along u: the second gradient, since second derivatives are symmetric. */
#include <math.h>
#include <stdlib.h>

#include "tensor/cpu/pool.h"
#include "tensor/eval.h"

typedef struct {
  int64_t time, batch, classes;
  int64_t first, blank;    /* number of the first class; blank from 0 */
  bool zero_infinity;
  int64_t *frames, *count; /* of each sample: steps of time, labels */
  int64_t **labels;        /* from 0 */
  int64_t *memory;
  int64_t most;            /* labels in one sample */
  const double *x, *u;     /* u: NULL for none */
  double *loss, *slope, *curve; /* what is asked for: the loss; or its slopes; or their changes */
  atomic_bool failed;      /* memory ran out */
} job;

static int64_t whole(tn_ctx *ctx, const tn_tensor *t, int64_t k, const char *what, int64_t low,
                     int64_t high, tn_status *s) {
  const double v = tn_tensor_get(t, k);
  if (*s == TN_OK && !(v >= (double)low && v <= (double)high && v == floor(v))) {
    *s = tn_fail(ctx, TN_EINDEX, "%s %g at position %lld is out of range: %lld to %lld are allowed",
                 what, v, (long long)k + ctx->index_base, (long long)low, (long long)high);
  }
  return *s == TN_OK ? (int64_t)v : 0;
}

static tn_status read_lengths(tn_ctx *ctx, job *j, tn_tensor *const *in) {
  tn_status s = TN_OK;
  const tn_tensor *labels = in[1];
  const bool rows = labels->ndim == 2;
  int64_t total = 0, room = tn__numel(labels);
  if (rows) room = labels->sizes[1];
  for (int64_t b = 0; b < j->batch; b++) {
    j->frames[b] = whole(ctx, in[2], b, "input length", 0, j->time, &s);
    j->count[b] = whole(ctx, in[3], b, "target length", 0, room, &s);
    if (j->count[b] > j->most) j->most = j->count[b];
    total += j->count[b];
  }
  if (s == TN_OK && !rows && total != room) {
    s = tn_fail(ctx, TN_ESHAPE, "target lengths that add up to %lld, but %lld labels",
                (long long)total, (long long)room);
  }
  return s;
}

static tn_status read_labels(tn_ctx *ctx, job *j, const tn_tensor *labels, int64_t *to) {
  tn_status s = TN_OK;
  int64_t from = 0;
  for (int64_t b = 0; b < j->batch; b++) {
    j->labels[b] = to;
    if (labels->ndim == 2) from = b * labels->sizes[1];
    for (int64_t k = 0; k < j->count[b] && s == TN_OK; k++, from++) {
      *to = whole(ctx, labels, from, "class label", j->first, j->classes - 1 + j->first, &s) -
            j->first;
      if (s == TN_OK && *to++ == j->blank) {
        s = tn_fail(ctx, TN_EINDEX, "class label %lld at position %lld is the blank, which stands "
                    "in no target", (long long)(j->blank + j->first),
                    (long long)from + ctx->index_base);
      }
    }
  }
  return s;
}

static tn_status setup(tn_ctx *ctx, job *j, tn_tensor *const *in, const tn_attrs *attrs) {
  const tn_tensor *x = in[0], *labels = in[1];
  char text[TN_SHAPE_TEXT];
  const bool single = x->ndim == 2;
  memset(j, 0, sizeof *j);
  j->time = x->sizes[0];
  j->batch = single ? 1 : x->sizes[1];
  j->classes = x->sizes[x->ndim - 1];
  j->first = tn__int(attrs, 2, ctx->index_base);
  if (j->first < 0 || j->first > 1) return tn_fail(ctx, TN_EARG, "classes count from 0 or 1");
  const int64_t blank = tn__int(attrs, 0, j->first);
  j->blank = blank - j->first;
  j->zero_infinity = tn__int(attrs, 1, 0) != 0;
  if (blank < j->first || blank >= j->classes + j->first) {
    return tn_fail(ctx, TN_EINDEX, "blank %lld is out of range: there are classes %lld to %lld",
                   (long long)blank, (long long)j->first, (long long)(j->classes - 1 + j->first));
  }
  if (labels->ndim > 2 || (labels->ndim == 2 && labels->sizes[0] != j->batch)) {
    return tn_fail(ctx, TN_ESHAPE, "labels of size [%lld x labels] expected, or all in one "
                   "dimension, got %s", (long long)j->batch,
                   tn__shape_text(text, labels->ndim, labels->sizes));
  }
  for (int k = 2; k < 4; k++) {
    if (tn__numel(in[k]) != j->batch) {
      return tn_fail(ctx, TN_ESHAPE, "%lld %s lengths for a batch of %lld",
                     (long long)tn__numel(in[k]), k == 2 ? "input" : "target",
                     (long long)j->batch);
    }
  }
  size_t n = (size_t)j->batch;
  j->memory = malloc(sizeof(int64_t) * (2 * n + (size_t)tn__numel(labels) + 1));
  j->labels = malloc(sizeof *j->labels * (n + 1));
  if (j->memory == NULL || j->labels == NULL) {
    return tn_fail(ctx, TN_ENOMEM, "not enough memory for the labels");
  }
  j->frames = j->memory;
  j->count = j->memory + n;
  tn_status s = read_lengths(ctx, j, in);
  return s == TN_OK ? read_labels(ctx, j, labels, j->memory + 2 * n) : s;
}

static void teardown(job *j) {
  free(j->memory);
  free(j->labels);
}

/* -- The two recursions ------------------------------------------------------------------------ */

typedef struct {
  double v, d; /* value; change along u */
} dual;

static const dual NEVER = {-INFINITY, 0};

/* log(e^a + e^b + e^c) */
static dual log_sum(dual a, dual b, dual c) {
  double top = a.v > b.v ? a.v : b.v;
  if (c.v > top) top = c.v;
  if (top == -INFINITY) return NEVER;
  const double x = exp(a.v - top), y = exp(b.v - top), z = exp(c.v - top), sum = x + y + z;
  return (dual){top + log(sum), (x * a.d + y * b.d + z * c.d) / sum};
}

static int64_t class_of(const job *j, int64_t b, int64_t state) {
  return state % 2 == 0 ? j->blank : j->labels[b][state / 2];
}

/* May a path go from state - 2 to `state`? Not past a label, nor between two equal ones. */
static bool skips(const job *j, int64_t b, int64_t state) {
  return state % 2 == 1 && state >= 3 && j->labels[b][state / 2] != j->labels[b][state / 2 - 1];
}

/* Where class 0 of a sample stands at a time, in x, u and slope. */
static int64_t frame(const job *j, int64_t b, int64_t t) {
  return (t * j->batch + b) * j->classes;
}

/* `from` and the step at x[at]. */
static dual step(const job *j, dual from, int64_t at) {
  return (dual){j->x[at] + from.v, from.d + (j->u != NULL ? j->u[at] : 0)};
}

/* alpha[t][s]: of all paths that are in state s at time t, what they have met so far. With
 * `keep` all rows stay, else the last one, in row (frames - 1) % 2. Returns the loss. */
static dual forward(const job *j, int64_t b, dual *alpha, bool keep) {
  const int64_t n = 2 * j->count[b] + 1, frames = j->frames[b];
  if (frames == 0) return n == 1 ? (dual){0, 0} : (dual){INFINITY, 0};
  for (int64_t t = 0; t < frames; t++) {
    dual *row = alpha + (keep ? t : t % 2) * n;
    const dual *old = alpha + (keep ? t - 1 : (t + 1) % 2) * n;
    for (int64_t s = 0; s < n; s++) {
      dual from = s < 2 ? (dual){0, 0} : NEVER;
      if (t > 0) {
        from = log_sum(old[s], s > 0 ? old[s - 1] : NEVER, skips(j, b, s) ? old[s - 2] : NEVER);
      }
      row[s] = step(j, from, frame(j, b, t) + class_of(j, b, s));
    }
  }
  const dual *last = alpha + (keep ? frames - 1 : (frames - 1) % 2) * n;
  const dual all = log_sum(last[n - 1], n > 1 ? last[n - 2] : NEVER, NEVER);
  return (dual){-all.v, -all.d};
}

/* From the end: what paths from state s at time t will meet. The slope of the loss by x[t][c] is
 * minus the share of all paths that are in a state of class c at time t. */
static void backward(const job *j, int64_t b, const dual *alpha, dual *beta, dual loss) {
  const int64_t n = 2 * j->count[b] + 1, frames = j->frames[b];
  for (int64_t t = frames - 1; t >= 0; t--) {
    const dual *old = beta + (t + 1) % 2 * n;
    dual *row = beta + t % 2 * n;
    for (int64_t s = 0; s < n; s++) {
      const int64_t at = frame(j, b, t) + class_of(j, b, s);
      dual from = s >= n - 2 ? (dual){0, 0} : NEVER;
      if (t < frames - 1) {
        from = log_sum(old[s], s + 1 < n ? old[s + 1] : NEVER,
                       s + 2 < n && skips(j, b, s + 2) ? old[s + 2] : NEVER);
      }
      row[s] = step(j, from, at);
      const dual a = alpha[t * n + s];
      if (a.v == -INFINITY || from.v == -INFINITY) continue;
      const double share = exp(a.v + from.v + loss.v);
      if (j->slope != NULL) j->slope[at] -= share;
      if (j->curve != NULL) j->curve[at] -= share * (a.d + from.d + loss.d);
    }
  }
}

static void samples(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  double *slopes = j->slope != NULL ? j->slope : j->curve;
  const int64_t n = 2 * j->most + 1, rows = slopes != NULL ? j->time + 2 : 2;
  dual *alpha = malloc(sizeof *alpha * (size_t)(rows * n));
  if (alpha == NULL) atomic_store(&j->failed, true);
  for (int64_t b = begin; alpha != NULL && b < end; b++) {
    const dual loss = forward(j, b, alpha, slopes != NULL);
    const bool lost = loss.v == INFINITY && j->zero_infinity;
    if (j->loss != NULL) j->loss[b] = lost ? 0 : loss.v;
    if (slopes == NULL || lost) continue;
    if (loss.v < INFINITY) {
      backward(j, b, alpha, alpha + j->time * n, loss);
      continue;
    }
    /* Nothing leads from here to a finite loss. */
    for (int64_t t = 0; t < j->frames[b]; t++) {
      for (int64_t c = 0; c < j->classes; c++) slopes[frame(j, b, t) + c] = NAN;
    }
  }
  free(alpha);
}

/* Fills the result, which `part` of the job is; in: as above, and perhaps u. */
enum { LOSS, SLOPE, CURVE };

static tn_status run(tn_call *call, int part) {
  job j;
  tn_tensor *x = NULL, *u = NULL, *to = NULL, *out = call->out[0];
  tn_ctx *ctx = call->ctx;
  tn_status s = setup(ctx, &j, call->in, call->attrs);
  if (s == TN_OK && j.most > TN_MOST / 4 / (j.time + 2)) {
    s = tn_fail(ctx, TN_ENOMEM, "too many labels and steps of time");
  }
  if (s == TN_OK) s = tn__contiguous_of(ctx, &x, call->in[0], TN_F64);
  if (s == TN_OK && part == CURVE) s = tn__contiguous_of(ctx, &u, call->in[4], TN_F64);
  if (s == TN_OK) s = tn_tensor_new(ctx, &to, TN_F64, out->ndim, out->sizes);
  if (s == TN_OK) s = tn__set_zero(ctx, to);
  if (s == TN_OK) {
    j.x = (const double *)tn__data(x);
    if (u != NULL) j.u = (const double *)tn__data(u);
    *(part == LOSS ? &j.loss : part == SLOPE ? &j.slope : &j.curve) = (double *)tn__data(to);
    const int64_t work = j.time * (2 * j.most + 1);
    tn__pool_run(ctx->pool, j.batch, TN_GRAIN / 8 / (work + 1) + 1, samples, &j);
    s = atomic_load(&j.failed) ? tn_fail(ctx, TN_ENOMEM, "not enough memory for the paths")
                               : tn__copy_view(ctx, out, to);
  }
  teardown(&j);
  tn_tensor_release(x);
  tn_tensor_release(u);
  tn_tensor_release(to);
  return s;
}

/* -- Rows -------------------------------------------------------------------------------------- */

static tn_status ctc_loss_shape(tn_call *call) {
  tn_meta *m = &call->meta[0];
  const tn_tensor *x = call->in[0];
  char text[TN_SHAPE_TEXT];
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point log-probabilities expected, got %s",
                   tn_dtype_name((tn_dtype)x->dtype));
  }
  if (x->ndim != 2 && x->ndim != 3) {
    return tn_fail(call->ctx, TN_ESHAPE, "log-probabilities of size [time x batch x classes] or "
                   "[time x classes] expected, got %s", tn__shape_text(text, x->ndim, x->sizes));
  }
  m->dtype = x->dtype;
  m->ndim = x->ndim - 2;
  m->sizes[0] = x->sizes[1];
  return TN_OK;
}

static tn_status ctc_loss_run(tn_call *call) { return run(call, LOSS); }
static tn_status ctc_loss_slope_run(tn_call *call) { return run(call, SLOPE); }
static tn_status ctc_loss_curve_run(tn_call *call) { return run(call, CURVE); }

static tn_status ctc_loss_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *slope = tn__do(&e, TN_OP_ctc_loss_slope, g->attrs, 4, g->in), *d = g->dout[0];
  if (d->ndim == 1) d = tn__reshaped(&e, d, 2, (int64_t[]){d->sizes[0], 1});
  g->din[0] = tn__keep(&e, DO2(mul, slope, d));
  return tn__eval_end(&e);
}

static tn_status ctc_loss_slope_grad(tn_grad_call *g) {
  if (g->create_graph) return tn_fail(g->ctx, TN_EARG, "there is no third gradient");
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *in[5] = {g->in[0], g->in[1], g->in[2], g->in[3], g->dout[0]};
  g->din[0] = tn__keep(&e, tn__do(&e, TN_OP_ctc_loss_curve, g->attrs, 5, in));
  return tn__eval_end(&e);
}

#define CTC_ARGS "T log_probs; T targets; X input_lengths; X target_lengths; i? blank; " \
                 "b zero_infinity=0; i? first"

const tn_op tn__op_ctc_loss = {
    .name = "ctc_loss", .lua = "ctc_loss", .args = CTC_ARGS, .convention = 'C',
    .flags = TN_FLOATS | TN_NUMBER, .nout = 1,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_D, .low = -3, .high = -0.1,
    .shape = ctc_loss_shape, .run = ctc_loss_run, .grad = ctc_loss_grad,
    .doc = "For each sample, -log of the probability of its labels under any alignment (Graves et "
           "al. 2006); log_probs is (time, batch, class), the blank is the first class."};

const tn_op tn__op_ctc_loss_slope = {
    .name = "ctc_loss_slope", .convention = 'N', .flags = TN_FLOATS, .nout = 1,
    .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_D, .low = -3, .high = -0.1,
    .shape = tn__shape_same, .run = ctc_loss_slope_run, .grad = ctc_loss_slope_grad,
    .doc = "What each loss of ctc_loss changes by with each log-probability."};

const tn_op tn__op_ctc_loss_curve = {
    .name = "ctc_loss_curve", .convention = 'N', .flags = TN_FLOATS, .nout = 1, .low = -3,
    .high = -0.1, .shape = tn__shape_same, .run = ctc_loss_curve_run,
    .no_grad = "a second gradient itself, of ctc_loss",
    .doc = "How the gradient of ctc_loss changes along a direction."};
