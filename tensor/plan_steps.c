/* plan_steps.c -- how the steps of a plan are run: by the operation's kernel, or, where shapes that
 * are known make a shorter way possible, by that. */
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/prepared.h"
#include "tensor/plan.h"

static tn_status run_kernel(tn_step *step) { return step->call.op->run(&step->call); }

/* -- linear on few rows: the product's kernel on this thread, and nothing around it ------------ */

/* Each row of the result begins as the bias, to which the product is added, unless the kernel does
 * that itself. */
static tn_status run_linear(tn_step *step) {
  const tn_call *c = &step->call;
  const size_t item = tn__item_size(c->out[0]->dtype), row = (size_t)step->gemm.n * item;
  char *y = tn__data(c->out[0]);
  step->gemm.a = tn__data(c->in[0]);
  step->gemm.b = tn__data(c->in[1]);
  step->gemm.c = y;
  tn_prepared *p = tn__prepared_panels(c->in[1]->storage, &step->gemm, item);
  step->gemm.panels = p != NULL ? p->data : NULL;
  step->gemm.bias = p != NULL && c->nin > 2 ? tn__data(c->in[2]) : NULL;
  step->gemm.beta = p == NULL && c->nin > 2;
  if (step->gemm.beta != 0) {
    const char *bias = tn__data(c->in[2]);
    for (int64_t i = 0; i < step->gemm.m; i++) memcpy(y + (size_t)i * row, bias, row);
  }
  step->product(&step->gemm, step->scratch);
  tn__prepared_put(c->in[1]->storage, p);
  return TN_OK;
}

static bool plain(const tn_tensor *t, int dtype) { return t->dtype == dtype && tn__contiguous(t); }

static bool linear_fits(const tn_call *c) {
  const int dtype = c->out[0]->dtype;
  if (dtype != TN_F32 && dtype != TN_F64) return false;
  for (int k = 0; k < c->nin; k++) {
    if (c->in[k] == NULL || !plain(c->in[k], dtype) || tn__numel(c->in[k]) == 0) return false;
  }
  return plain(c->out[0], dtype);
}

static size_t choose_linear(tn_step *step) {
  const tn_call *c = &step->call;
  const tn_tensor *w = c->in[1];
  size_t scratch;
  step->gemm = (tn_gemm){.tb = true, .m = tn__numel(c->in[0]) / w->sizes[1], .n = w->sizes[0],
                         .k = w->sizes[1], .alpha = 1, .beta = c->nin > 2, .lda = w->sizes[1],
                         .ldb = w->sizes[1], .ldc = w->sizes[0]};
  step->product = tn__gemm_direct(&step->gemm, tn__item_size(w->dtype), &scratch);
  if (step->product == NULL) return 0;
  step->run = run_linear;
  return scratch;
}

size_t tn__plan_choose(tn_step *step) {
  step->run = run_kernel;
  if (step->call.code == TN_OP_linear && linear_fits(&step->call)) return choose_linear(step);
  return 0;
}
