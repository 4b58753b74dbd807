/* eval.h -- gradients written with operations.
 *
 * A tn_eval keeps the temporaries of one expression, and its first failure. Every helper returns a
 * borrowed tensor that lives until tn__eval_end, or NULL once something has failed (helpers given
 * a NULL input do nothing), so expressions nest without checks:
 *   g->din[0] = tn__keep(&e, DO2(mm, g->dout[0], DO1(t, b))); */
#ifndef TN_EVAL_H
#define TN_EVAL_H

#include "tensor/internal.h"

#define TN_EVAL_TEMPS 48

typedef struct {
  tn_ctx *ctx;
  tn_status status;
  int count;
  tn_tensor *temps[TN_EVAL_TEMPS];
} tn_eval;

static inline tn_eval tn__eval_begin(tn_ctx *ctx) {
  tn_eval e;
  e.ctx = ctx;
  e.status = TN_OK;
  e.count = 0;
  return e;
}

tn_status tn__eval_end(tn_eval *e);
/* Takes over one reference. */
tn_tensor *tn__temp(tn_eval *e, tn_tensor *t);
tn_tensor *tn__do(tn_eval *e, tn_opcode code, const tn_attrs *attrs, int nin,
                  tn_tensor *const *in);
/* The same of an operation that can work in place, where in[0] is needed no more: into that, unless a
 * gradient will be asked for. */
tn_tensor *tn__do_into(tn_eval *e, tn_opcode code, const tn_attrs *attrs, int nin,
                       tn_tensor *const *in);
/* The last output but the first one: for operations of several results. */
tn_tensor *tn__do_output(tn_eval *e, tn_opcode code, const tn_attrs *attrs, int nin,
                         tn_tensor *const *in, int output);
tn_tensor *tn__constant(tn_eval *e, double value);
tn_tensor *tn__whole(tn_eval *e, int64_t value); /* calculating with it keeps integers */
/* A new reference for the caller, or NULL. */
static inline tn_tensor *tn__keep(tn_eval *e, tn_tensor *t) {
  return e->status == TN_OK && t != NULL ? tn_tensor_retain(t) : NULL;
}
tn_tensor *tn__with_dim(tn_eval *e, tn_opcode code, tn_tensor *x, int64_t dim);
tn_tensor *tn__with_two(tn_eval *e, tn_opcode code, tn_tensor *x, int64_t a, int64_t b);
/* Reshaped or expanded to `sizes`. */
tn_tensor *tn__with_sizes(tn_eval *e, tn_opcode code, tn_tensor *x, int ndim,
                          const int64_t *sizes);
/* The same elements in another shape: a view where that is possible. */
tn_tensor *tn__reshaped(tn_eval *e, tn_tensor *x, int ndim, const int64_t *sizes);
tn_tensor *tn__scaled(tn_eval *e, tn_tensor *x, double factor);
/* Zeros shaped like `meta`. */
tn_tensor *tn__zeros(tn_eval *e, const tn_meta *meta);

#define DO1(op, a) tn__do(&e, TN_OP_##op, NULL, 1, (tn_tensor *[]){(a)})
#define DO2(op, a, b) tn__do(&e, TN_OP_##op, NULL, 2, (tn_tensor *[]){(a), (b)})
#define DO3(op, a, b, c) tn__do(&e, TN_OP_##op, NULL, 3, (tn_tensor *[]){(a), (b), (c)})

#endif
