/* alloc_fault_test.c -- every allocation of tensor memory failing in turn.
 *
 * Each sequence of operations runs in contexts whose limit grows step by step from nothing until it
 * suffices. On the way it must fail with TN_ENOMEM and a message, keep nothing, and leave the
 * context usable. Under AddressSanitizer this also finds leaks and reads of freed memory. */
#include <stdio.h>
#include <string.h>

#include "tensor/tensor.h"

typedef tn_status (*sequence)(tn_ctx *ctx);

static int failures;

static void check(bool good, const char *name, const char *what) {
  if (!good || what == NULL) printf("%s - %s%s%s\n", good ? "ok" : "not ok", name,
                                    what != NULL ? ": " : "", what != NULL ? what : "");
  failures += !good;
}

/* -- Tensors that a sequence holds ------------------------------------------------------------- */

enum { MOST = 32 };

typedef struct {
  tn_ctx *ctx;
  tn_status status;
  int count;
  tn_tensor *held[MOST];
} work;

static tn_tensor *hold(work *w, tn_tensor *t) {
  if (t != NULL) w->held[w->count++] = t;
  return t;
}

static tn_status finish(work *w) {
  while (w->count > 0) tn_tensor_release(w->held[--w->count]);
  return w->status;
}

static tn_tensor *make(work *w, int64_t rows, int64_t columns, bool leaf) {
  tn_tensor *t = NULL;
  int64_t sizes[2] = {rows, columns};
  if (w->status != TN_OK) return NULL;
  w->status = tn_tensor_new(w->ctx, &t, TN_F32, 2, sizes);
  for (int64_t i = 0; t != NULL && i < rows * columns; i++) {
    tn_tensor_put(t, i, 0.01 * (double)(i % 37) + 0.1);
  }
  if (w->status == TN_OK && leaf) w->status = tn_set_requires_grad(w->ctx, t, true);
  return hold(w, t);
}

static tn_tensor *labels(work *w, int64_t n) {
  tn_tensor *t = NULL;
  if (w->status != TN_OK) return NULL;
  w->status = tn_tensor_new(w->ctx, &t, TN_I64, 1, &n);
  for (int64_t i = 0; t != NULL && i < n; i++) tn_tensor_put(t, i, (double)(i % 3));
  return hold(w, t);
}

static tn_tensor *apply(work *w, tn_opcode code, const tn_attrs *attrs, tn_tensor *a,
                        tn_tensor *b) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL}, *in[2] = {a, b};
  if (w->status != TN_OK) return NULL;
  w->status = tn_apply(w->ctx, code, b != NULL ? 2 : 1, in, attrs, out);
  for (int i = 1; i < TN_MAX_OUTPUTS; i++) hold(w, out[i]);
  return hold(w, out[0]);
}

static void inplace(work *w, tn_opcode code, tn_tensor *a, tn_tensor *b) {
  tn_tensor *in[2] = {a, b};
  tn_attrs attrs = {.f = {1}};
  if (w->status == TN_OK) w->status = tn_apply_inplace(w->ctx, code, 2, in, &attrs);
}

static void backward(work *w, tn_tensor *root, tn_backward_options options) {
  if (w->status == TN_OK) w->status = tn_backward(w->ctx, 1, &root, NULL, 0, NULL, NULL, options);
}

/* -- Sequences --------------------------------------------------------------------------------- */

static const tn_attrs alpha = {.f = {1}};

static tn_status pointwise(tn_ctx *ctx) {
  work w = {.ctx = ctx};
  tn_tensor *a = make(&w, 40, 30, false), *b = make(&w, 1, 30, false);
  tn_tensor *c = apply(&w, TN_OP_exp, NULL, apply(&w, TN_OP_add, &alpha, a, b), NULL);
  tn_attrs axes = {.i = {0, 1}, .ni = 2};
  tn_tensor *t = apply(&w, TN_OP_transpose, &axes, c, NULL);
  inplace(&w, TN_OP_mul, t, apply(&w, TN_OP_contiguous, NULL, t, NULL));
  apply(&w, TN_OP_sum, &alpha, t, NULL);
  return finish(&w);
}

static tn_status rows(tn_ctx *ctx) {
  work w = {.ctx = ctx};
  tn_tensor *a = make(&w, 40, 30, true);
  tn_attrs last = {.i = {1, 1}, .ni = 2}, some = {.i = {3, 1, 1, 1}, .ni = 4};
  tn_tensor *sorted = apply(&w, TN_OP_sort, &last, a, NULL);
  tn_tensor *top = apply(&w, TN_OP_topk, &some, sorted, NULL);
  tn_tensor *sums = apply(&w, TN_OP_cumsum, &last, top, NULL);
  tn_tensor *soft = apply(&w, TN_OP_log_softmax, &last, sums, NULL);
  tn_attrs all = {.i = {TN_NONE, 1, 1}, .ni = 3};
  backward(&w, apply(&w, TN_OP_std, &all, soft, NULL), (tn_backward_options){false, false});
  return finish(&w);
}

static tn_status network(tn_ctx *ctx) {
  work w = {.ctx = ctx};
  tn_tensor *x = make(&w, 8, 50, false), *w1 = make(&w, 20, 50, true), *w2 = make(&w, 3, 20, true);
  tn_tensor *target = labels(&w, 8);
  tn_attrs mean = {.i = {1}, .ni = 1};
  for (int step = 0; step < 2; step++) {
    tn_tensor *h = apply(&w, TN_OP_relu, NULL, apply(&w, TN_OP_linear, NULL, x, w1), NULL);
    tn_tensor *y = apply(&w, TN_OP_linear, NULL, h, w2);
    backward(&w, apply(&w, TN_OP_cross_entropy, &mean, y, target),
             (tn_backward_options){false, false});
  }
  return finish(&w);
}

static tn_status views(tn_ctx *ctx) {
  work w = {.ctx = ctx};
  tn_tensor *x = make(&w, 20, 30, true), *h = apply(&w, TN_OP_square, NULL, x, NULL);
  tn_attrs row = {.i = {0, 3}, .ni = 2}, part = {.i = {1, 2, 5}, .ni = 3};
  tn_tensor *one = apply(&w, TN_OP_select, &row, h, NULL);
  tn_tensor *many = apply(&w, TN_OP_narrow, &part, h, NULL);
  inplace(&w, TN_OP_add, one, apply(&w, TN_OP_exp, NULL, one, NULL));
  tn_attrs all = {.i = {TN_NONE, 1}, .ni = 2};
  backward(&w, apply(&w, TN_OP_sum, &all, many, NULL), (tn_backward_options){false, false});
  return finish(&w);
}

static tn_status twice(tn_ctx *ctx) {
  work w = {.ctx = ctx};
  tn_tensor *x = make(&w, 20, 30, true), *g = NULL, *h = NULL;
  tn_attrs all = {.i = {TN_NONE, 1}, .ni = 2};
  tn_tensor *y = apply(&w, TN_OP_sum, &all, apply(&w, TN_OP_tanh, NULL, x, NULL), NULL);
  tn_backward_options again = {false, true};
  if (w.status == TN_OK) w.status = tn_backward(ctx, 1, &y, NULL, 1, &x, &g, again);
  hold(&w, g);
  tn_tensor *z = apply(&w, TN_OP_sum, &all, g, NULL);
  if (w.status == TN_OK) {
    w.status = tn_backward(ctx, 1, &z, NULL, 1, &x, &h, (tn_backward_options){false, false});
  }
  hold(&w, h);
  return finish(&w);
}

static tn_status changes(tn_ctx *ctx) {
  work w = {.ctx = ctx};
  tn_tensor *x = make(&w, 10, 10, false), *y = make(&w, 10, 10, false);
  int64_t sizes[2] = {60, 30};
  if (w.status == TN_OK) w.status = tn_tensor_resize(ctx, x, 2, sizes, NULL);
  if (w.status == TN_OK) w.status = tn_tensor_resize(ctx, y, 2, sizes, NULL);
  if (w.status == TN_OK) w.status = tn_copy(ctx, x, y);
  tn_attrs dtype = {.i = {TN_F64}, .ni = 1};
  apply(&w, TN_OP_to, &dtype, x, NULL);
  tn_attrs spread = {.i = {3, 2}, .ni = 2};
  apply(&w, TN_OP_repeatTensor, &spread, y, NULL);
  return finish(&w);
}

/* -- The loop ---------------------------------------------------------------------------------- */

/* A context that ran out must still do small work, and hold nothing more than before. */
static bool usable(tn_ctx *ctx) {
  tn_tensor *t = NULL;
  tn_memory_stats before = tn_memory(ctx);
  if (before.live_bytes != 0 || before.live_storages != 0) return false;
  bool made = tn_tensor_scalar(ctx, &t, TN_F32, 3) == TN_OK;
  tn_tensor_release(t);
  return made;
}

static void starve(const char *name, sequence run) {
  tn_status s = TN_ENOMEM;
  int starved = 0;
  bool clean = true, said = true;
  for (size_t limit = 64; s == TN_ENOMEM && limit < (size_t)1 << 24; limit += limit / 64 + 16) {
    tn_config config = {.size = sizeof config, .memory_limit = limit, .threads = 1};
    tn_ctx *ctx = tn_open(&config);
    if (ctx == NULL) continue;
    s = run(ctx);
    starved += s == TN_ENOMEM;
    said = said && (s == TN_OK || (s == TN_ENOMEM && strlen(tn_message(ctx)) > 10));
    clean = clean && (usable(ctx) || limit < 1024);
    if (tn_memory(ctx).live_bytes != 0) clean = false;
    tn_close(ctx);
  }
  check(s == TN_OK, name, "never succeeded");
  check(starved > 10, name, "hardly ever failed");
  check(clean, name, "memory is still held after a failure");
  check(said, name, "failed without saying that memory is short");
  check(true, name, NULL);
}

int main(void) {
  starve("pointwise operations and views", pointwise);
  starve("rows sorted, summed and normalised", rows);
  starve("two steps of a network", network);
  starve("writes to views", views);
  starve("gradients of gradients", twice);
  starve("resizing, copying, converting", changes);
  return failures != 0;
}
