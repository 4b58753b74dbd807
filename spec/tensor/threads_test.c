/* threads_test.c -- contexts on several threads at once, and tensors that they share; built with
 * SANITIZE=thread it shows that nothing races. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

enum { THREADS = 4, ROUNDS = 30, BATCH = 16, WIDTH = 64, IMAGE = 20, CHANNELS = 16 };

static int failures, count;

static void check(bool good, const char *what) {
  count++;
  failures += !good;
  printf("%s %d - %s\n", good ? "ok" : "not ok", count, what);
}

static tn_tensor *filled(tn_ctx *ctx, int n, const int64_t *sizes, double scale) {
  tn_tensor *t = NULL;
  if (tn_tensor_new(ctx, &t, TN_F32, n, sizes) != TN_OK) abort();
  float *x = tn_tensor_data(t);
  for (int64_t i = 0; i < tn_tensor_numel(t); i++) x[i] = (float)(scale * (double)(i % 17 - 8));
  return t;
}

static tn_tensor *apply(tn_ctx *ctx, tn_opcode code, int n, tn_tensor **in, const tn_attrs *attrs) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  static const tn_attrs none;
  if (tn_apply(ctx, code, n, in, attrs != NULL ? attrs : &none, out) != TN_OK) {
    printf("# %s\n", tn_message(ctx));
    abort();
  }
  for (int i = 1; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
  return out[0];
}

/* What the threads share: they read the weights, and hand results to one another. */
typedef struct {
  tn_tensor *weight, *kernel, *other; /* both kernels lie in one storage */
  pthread_barrier_t together;
  _Atomic(tn_tensor *) mailbox[THREADS];
  double sums[THREADS];
  int good[THREADS];
  int helpers;
} shared;

typedef struct {
  shared *s;
  int self;
} part;

/* One training step of weights of the thread's own beside one use of the shared ones. */
static double step(tn_ctx *ctx, const shared *s, tn_tensor *own) {
  tn_tensor *x = filled(ctx, 2, (int64_t[]){BATCH, WIDTH}, 0.01), *in[3] = {x, s->weight};
  tn_tensor *hidden = apply(ctx, TN_OP_mm, 2, in, NULL);
  in[0] = hidden;
  tn_tensor *bent = apply(ctx, TN_OP_tanh, 1, in, NULL);
  in[0] = bent, in[1] = own;
  tn_tensor *y = apply(ctx, TN_OP_mm, 2, in, NULL);
  in[0] = y, in[1] = y;
  tn_tensor *squares = apply(ctx, TN_OP_mul, 2, in, NULL);
  in[0] = squares;
  tn_tensor *loss = apply(ctx, TN_OP_sum, 1, in, NULL);
  const double value = tn_tensor_get(loss, 0);
  if (tn_backward(ctx, 1, &loss, NULL, 0, NULL, NULL, (tn_backward_options){0}) != TN_OK) abort();
  if (tn_set_grad(ctx, own, NULL) != TN_OK) abort();
  tn_tensor *gone[] = {x, hidden, bent, y, squares, loss};
  for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) tn_tensor_release(gone[i]);
  return value;
}

/* Puts the thread's tensor into the next one's box and releases what it finds in its own: so
 * blocks go back to an allocator from other threads than took them. */
static void pass_on(shared *s, int self, tn_tensor *t) {
  tn_tensor *old = atomic_exchange(&s->mailbox[(self + 1) % THREADS], t);
  tn_tensor_release(old);
  tn_tensor_release(atomic_exchange(&s->mailbox[self], NULL));
}

static tn_tensor *two_layers(tn_ctx *ctx, const shared *s, tn_tensor *image) {
  static const tn_attrs conv = {.ni = 10, .i = {1, 1, TN_NONE, 1, 1, TN_NONE, 1, 1, TN_NONE, 1}};
  tn_tensor *first = apply(ctx, TN_OP_conv2d, 2, (tn_tensor *[]){image, s->kernel}, &conv);
  tn_tensor *second = apply(ctx, TN_OP_conv2d, 2, (tn_tensor *[]){first, s->other}, &conv);
  tn_tensor_release(first);
  return second;
}

/* Each thread has a plan of its own, of parameters that all share. */
static tn_plan *new_plan(tn_ctx *ctx, const shared *s) {
  tn_tensor *example = filled(ctx, 4, (int64_t[]){2, CHANNELS, IMAGE, IMAGE}, 0.2);
  tn_plan *plan = NULL;
  if (tn_plan_begin(ctx, &plan, 1, &example) != TN_OK) abort();
  tn_tensor *y = two_layers(ctx, s, tn_plan_input(plan, 0));
  if (tn_plan_end(ctx, plan, 1, &y) != TN_OK) abort();
  tn_tensor_release(y);
  tn_tensor_release(example);
  return plan;
}

static void *run(void *arg) {
  const part *p = arg;
  shared *s = p->s;
  tn_config config = {.size = sizeof config, .threads = s->helpers};
  pthread_barrier_wait(&s->together); /* so that first uses meet */
  tn_ctx *ctx = tn_open(&config);
  if (ctx == NULL) abort();
  tn_tensor *own = filled(ctx, 2, (int64_t[]){WIDTH, WIDTH}, 0.02);
  if (tn_set_requires_grad(ctx, own, true) != TN_OK) abort();
  double first = 0, feature = 0;
  tn_plan *plan = new_plan(ctx, s);
  s->good[p->self] = 1;
  for (int round = 0; round < ROUNDS; round++) {
    const double value = step(ctx, s, own);
    if (round == 0) first = value;
    if (value != first) s->good[p->self] = 0;
    tn_set_grad_enabled(ctx, false); /* where a kept order of the kernel is shared */
    tn_tensor *image = filled(ctx, 4, (int64_t[]){2, CHANNELS, IMAGE, IMAGE}, 0.1);
    tn_tensor *features = two_layers(ctx, s, image);
    tn_set_grad_enabled(ctx, true);
    if (tn_plan_run(ctx, plan, 1, &image) != TN_OK ||
        tn_tensor_get(tn_plan_output(plan, 0), 100) != tn_tensor_get(features, 100)) {
      s->good[p->self] = 0;
    }
    const double bent = tn_tensor_get(features, 100);
    if (round == 0) feature = bent;
    if (bent != feature) s->good[p->self] = 0;
    tn_tensor_release(features);
    pass_on(s, p->self, image);
  }
  s->sums[p->self] = first;
  tn_tensor_release(own);
  tn_plan_release(plan);
  tn_close(ctx); /* its tensors in others' boxes stay valid */
  return NULL;
}

static void together(int helpers, const char *what) {
  static const tn_config config = {.size = sizeof config, .threads = 1};
  shared s = {.helpers = helpers};
  tn_ctx *ctx = tn_open(&config);
  s.weight = filled(ctx, 2, (int64_t[]){WIDTH, WIDTH}, 0.01);
  const int64_t sizes[4] = {CHANNELS, CHANNELS, 3, 3}, each = CHANNELS * CHANNELS * 9;
  tn_tensor *flat = filled(ctx, 1, (int64_t[]){2 * each}, 0.01);
  tn_storage *storage = tn_tensor_storage(flat);
  if (tn_tensor_view(ctx, &s.kernel, storage, TN_F32, 4, sizes, NULL, 0) != TN_OK) abort();
  if (tn_tensor_view(ctx, &s.other, storage, TN_F32, 4, sizes, NULL, each) != TN_OK) abort();
  tn_tensor_release(flat);
  pthread_barrier_init(&s.together, NULL, THREADS);
  pthread_t threads[THREADS];
  part parts[THREADS];
  for (int i = 0; i < THREADS; i++) {
    parts[i] = (part){&s, i};
    if (pthread_create(&threads[i], NULL, run, &parts[i]) != 0) abort();
  }
  bool good = true;
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) good = good && s.good[i] && s.sums[i] == s.sums[0];
  for (int i = 0; i < THREADS; i++) tn_tensor_release(atomic_load(&s.mailbox[i]));
  pthread_barrier_destroy(&s.together);
  tn_close(ctx); /* the weights outlive the context that made them */
  good = good && tn_tensor_get(s.weight, 0) != 0;
  tn_tensor_release(s.weight);
  tn_tensor_release(s.kernel);
  tn_tensor_release(s.other);
  check(good, what);
}

int main(void) {
  together(1, "contexts on four threads that share weights");
  together(2, "the same, each with a helper thread of its own");
  printf("1..%d\n", count);
  return failures != 0;
}
