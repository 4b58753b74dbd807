/* optimizer.c -- one step of an optimizer over one tensor, in place, in one pass. */
#include <math.h>

#include "tensor/cpu/kernels.h"
#include "tensor/internal.h"

typedef struct {
  const tn_row_kernels *kernels;
  tn_dtype type;
  char *data[4];
  const double *c;
  bool first;
} job;

/* All of one shape, dtype and layout (contiguous): an optimizer made its state itself. */
static tn_status check(tn_call *call, int n) {
  const tn_tensor *p = call->in[0];
  if (p->dtype != TN_F32 && p->dtype != TN_F64) {
    return tn_fail(call->ctx, TN_EDTYPE, "float32 or float64 parameters expected, got %s",
                   tn_dtype_name((tn_dtype)p->dtype));
  }
  for (int i = 0; i < n; i++) {
    const tn_tensor *t = call->in[i];
    if (t == NULL) return tn_fail(call->ctx, TN_EARG, "tensor %d is missing", i + 1);
    if (t->dtype != p->dtype || tn__numel(t) != tn__numel(p) || !tn__contiguous(t)) {
      char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
      return tn_fail(call->ctx, TN_ESHAPE,
                     "contiguous tensors of one size and dtype expected, got %s %s and %s %s",
                     tn_dtype_name((tn_dtype)p->dtype), tn__shape_text(a, p->ndim, p->sizes),
                     tn_dtype_name((tn_dtype)t->dtype), tn__shape_text(b, t->ndim, t->sizes));
    }
  }
  return TN_OK;
}

/* -- Adam: in: parameter, gradient, first and second moment; f: rate, beta1, beta2, epsilon,
 *    weight decay (added to the gradient), decoupled decay (of the parameter); i: step, from 1. -- */

static void adam_range(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  int64_t item = (int64_t)tn__item_size(j->type), n = end - begin;
  char *at[4];
  for (int k = 0; k < 4; k++) at[k] = j->data[k] + begin * item;
  if (j->type == TN_F32) {
    j->kernels->adam_f32(n, (float *)at[0], (const float *)at[1], (float *)at[2], (float *)at[3],
                         j->c);
  } else {
    j->kernels->adam_f64(n, (double *)at[0], (const double *)at[1], (double *)at[2],
                         (double *)at[3], j->c);
  }
}

static tn_status adam_step_shape(tn_call *call) {
  tn_status s = check(call, 4);
  if (s == TN_OK && tn__int(call->attrs, 0, 0) < 1) {
    s = tn_fail(call->ctx, TN_EARG, "steps count from 1");
  }
  return s == TN_OK ? tn__shape_same(call) : s;
}

static tn_status adam_step_run(tn_call *call) {
  const tn_attrs *a = call->attrs;
  double t = (double)a->i[0], rate = a->f[0];
  double c[7] = {rate / (1 - pow(a->f[1], t)), a->f[1], a->f[2], a->f[3],
                 1 / sqrt(1 - pow(a->f[2], t)), a->f[4], rate * a->f[5]};
  job j = {.kernels = TN_ISA_PICK(&tn__row_kernels), .type = (tn_dtype)call->in[0]->dtype, .c = c};
  for (int k = 0; k < 4; k++) j.data[k] = tn__data(call->in[k]);
  j.data[0] = tn__data(call->out[0]);
  if (call->out[0] != call->in[0]) tn__copy_view(call->ctx, call->out[0], call->in[0]);
  tn__pool_run(call->ctx->pool, tn__numel(call->in[0]), TN_GRAIN, adam_range, &j);
  for (int k = 2; k < 4; k++) tn_storage_touch(call->in[k]->storage);
  return TN_OK;
}

const tn_op tn__op_adam_step = {
    .name = "adam_step", .lua = "adam_step", .convention = 'A', .nout = 1, .flags = TN_INPLACE | TN_OVERWRITES,
    .args = "T x; T grad; T m; T v; n rate; n beta1; n beta2; n epsilon; n decay; "
            "n decoupled; i step",
    .shape = adam_step_shape, .run = adam_step_run, .no_grad = "a step of an optimizer",
    .doc = "One step of Adam (Kingma and Ba 2015) on x, updating m and v."};

/* -- SGD with momentum: in: parameter, gradient, velocity or NULL; f: rate, momentum, dampening,
 *    decay; i: 1 for Nesterov's, 1 for the first step (velocity = gradient). ------------------- */

static tn_status sgd_step_shape(tn_call *call) {
  tn_status s = check(call, call->nin > 2 && call->in[2] != NULL ? 3 : 2);
  return s == TN_OK ? tn__shape_same(call) : s;
}

static void sgd_range(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  int64_t item = (int64_t)tn__item_size(j->type), n = end - begin;
  char *p = j->data[0] + begin * item, *g = j->data[1] + begin * item;
  char *v = j->data[2] != NULL ? j->data[2] + begin * item : NULL;
  if (j->first && v != NULL) memset(v, 0, (size_t)(n * item)); /* it may hold anything */
  if (j->type == TN_F32) j->kernels->sgd_f32(n, (float *)p, (const float *)g, (float *)v, j->c);
  else j->kernels->sgd_f64(n, (double *)p, (const double *)g, (double *)v, j->c);
}

static tn_status sgd_step_run(tn_call *call) {
  const double *f = call->attrs->f;
  const bool nesterov = tn__int(call->attrs, 0, 0) != 0, first = tn__int(call->attrs, 1, 0) != 0;
  const double c[6] = {f[0], f[3], f[1], first ? 1 : 1 - f[2], nesterov, nesterov ? f[1] : 1};
  tn_tensor *p = call->out[0], *v = call->nin > 2 ? call->in[2] : NULL;
  if (p != call->in[0]) tn__copy_view(call->ctx, p, call->in[0]);
  job j = {.kernels = TN_ISA_PICK(&tn__row_kernels), .type = (tn_dtype)p->dtype, .c = c,
           .first = first};
  j.data[0] = tn__data(p);
  j.data[1] = tn__data(call->in[1]);
  if (v != NULL) j.data[2] = tn__data(v);
  tn__pool_run(call->ctx->pool, tn__numel(p), TN_GRAIN, sgd_range, &j);
  if (v != NULL) tn_storage_touch(v->storage);
  return TN_OK;
}

const tn_op tn__op_sgd_step = {
    .name = "sgd_step", .lua = "sgd_step", .convention = 'A', .nout = 1, .flags = TN_INPLACE | TN_OVERWRITES,
    .args = "T x; T grad; T? velocity; n rate; n momentum=0; n dampening=0; n decay=0; "
            "b nesterov=0; b first=0",
    .shape = sgd_step_shape, .run = sgd_step_run, .no_grad = "a step of an optimizer",
    .doc = "One step of gradient descent with momentum on x, updating the velocity."};
