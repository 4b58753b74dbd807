/* plan_test.c -- plans: what they give, what they refuse, and that running them allocates nothing.
 *
 * Where the C library is glibc every allocation of the process is counted, the system's too. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

static int failures;

static void check(bool good, const char *name, const char *what) {
  if (!good || what == NULL) printf("%s - %s%s%s\n", good ? "ok" : "not ok", name,
                                    what != NULL ? ": " : "", what != NULL ? what : "");
  failures += !good;
}

/* -- Counting ---------------------------------------------------------------------------------- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define COUNTS 1
static atomic_long calls;
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t n) {
  atomic_fetch_add(&calls, 1);
  return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
  atomic_fetch_add(&calls, 1);
  return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
  atomic_fetch_add(&calls, 1);
  return __libc_realloc(p, n);
}
void *aligned_alloc(size_t alignment, size_t n) {
  atomic_fetch_add(&calls, 1);
  return __libc_memalign(alignment, n);
}
int posix_memalign(void **out, size_t alignment, size_t n) {
  atomic_fetch_add(&calls, 1);
  *out = __libc_memalign(alignment, n);
  return *out == NULL ? ENOMEM : 0;
}
static long allocations(void) { return atomic_load(&calls); }
#else
static long allocations(void) { return 0; }
#endif

/* -- Small helpers ----------------------------------------------------------------------------- */

static uint64_t state = 1;
static uint32_t draw(uint32_t below) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(state >> 33) % below;
}

static tn_tensor *tensor(tn_ctx *ctx, int ndim, const int64_t *sizes) {
  tn_tensor *t = NULL;
  if (tn_tensor_new(ctx, &t, TN_F32, ndim, sizes) != TN_OK) return NULL;
  for (int64_t i = 0, n = tn_tensor_numel(t); i < n; i++) {
    tn_tensor_put(t, i, (double)draw(2001) / 1000 - 1);
  }
  return t;
}

static tn_tensor *matrix(tn_ctx *ctx, int64_t rows, int64_t columns) {
  return tensor(ctx, 2, (int64_t[]){rows, columns});
}

static tn_tensor *apply(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in,
                        const tn_attrs *attrs) {
  static const tn_attrs one = {.f = {1, 1}};
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  if (tn_apply(ctx, code, nin, in, attrs != NULL ? attrs : &one, out) != TN_OK) {
    printf("# %s\n", tn_message(ctx));
    return NULL;
  }
  for (int i = 1; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
  return out[0];
}

static bool same(const tn_tensor *a, const tn_tensor *b) {
  if (a == NULL || b == NULL || tn_tensor_numel(a) != tn_tensor_numel(b)) return false;
  for (int64_t i = 0, n = tn_tensor_numel(a); i < n; i++) {
    const double x = tn_tensor_get(a, i), y = tn_tensor_get(b, i), d = x > y ? x - y : y - x;
    const double size = x < 0 ? -x : x;
    if (!(d <= 1e-4 * (1 + size)) && !(x != x && y != y) && x != y) return false;
  }
  return true;
}

/* -- A network --------------------------------------------------------------------------------- */

typedef struct {
  tn_tensor *w1, *b1, *w2, *b2;
} network;

static network new_network(tn_ctx *ctx, int64_t in, int64_t hidden, int64_t out) {
  return (network){matrix(ctx, hidden, in), tensor(ctx, 1, &hidden), matrix(ctx, out, hidden),
                   tensor(ctx, 1, &out)};
}

static void free_network(network *n) {
  tn_tensor_release(n->w1), tn_tensor_release(n->b1);
  tn_tensor_release(n->w2), tn_tensor_release(n->b2);
}

static tn_tensor *forward(tn_ctx *ctx, const network *n, tn_tensor *x) {
  tn_tensor *h = apply(ctx, TN_OP_linear, 3, (tn_tensor *[]){x, n->w1, n->b1}, NULL);
  tn_tensor *r = apply(ctx, TN_OP_tanh, 1, &h, NULL);
  tn_tensor *y = apply(ctx, TN_OP_linear, 3, (tn_tensor *[]){r, n->w2, n->b2}, NULL);
  tn_tensor_release(h), tn_tensor_release(r);
  return y;
}

static tn_plan *plan_network(tn_ctx *ctx, const network *n, tn_tensor *example) {
  tn_plan *plan = NULL;
  if (tn_plan_begin(ctx, &plan, 1, &example) != TN_OK) return NULL;
  tn_tensor *y = forward(ctx, n, tn_plan_input(plan, 0));
  tn_status s = tn_plan_end(ctx, plan, 1, &y);
  tn_tensor_release(y);
  if (s == TN_OK) return plan;
  printf("# %s\n", tn_message(ctx));
  tn_plan_release(plan);
  return NULL;
}

static void networks(void) {
  static const int64_t sizes[][4] = {{1, 64, 64, 4}, {3, 20, 33, 7}, {40, 50, 300, 9},
                                     {64, 700, 700, 30}};
  for (int k = 0; k < 4; k++) {
    char name[64];
    snprintf(name, sizeof name, "a network of %d-%d-%d, batch of %d", (int)sizes[k][1],
             (int)sizes[k][2], (int)sizes[k][3], (int)sizes[k][0]);
    tn_ctx *ctx = tn_open(&(tn_config){.size = sizeof(tn_config), .threads = 2});
    network n = new_network(ctx, sizes[k][1], sizes[k][2], sizes[k][3]);
    tn_tensor *x = matrix(ctx, sizes[k][0], sizes[k][1]);
    tn_plan *plan = plan_network(ctx, &n, x);
    bool good = plan != NULL;
    check(good, name, "it cannot be planned");
    for (int i = 0; i < 3 && good; i++) {
      tn_tensor *other = matrix(ctx, sizes[k][0], sizes[k][1]), *y = forward(ctx, &n, other);
      check(tn_plan_run(ctx, plan, 1, &other) == TN_OK, name, "it does not run");
      check(same(tn_plan_output(plan, 0), y), name, "another result than without a plan");
      /* a step of training, in place */
      tn_attrs half = {.f = {0.5}};
      tn_apply_inplace(ctx, TN_OP_add, 2, (tn_tensor *[]){n.w2, n.w2}, &half);
      tn_tensor_release(other);
      tn_tensor_release(y);
    }
    const tn_memory_stats before = tn_memory(ctx);
    const long counted = allocations();
    for (int i = 0; i < 1000 && good; i++) {
      if (tn_plan_run(ctx, plan, 1, &x) != TN_OK) good = false;
    }
    const long calls_made = allocations() - counted;
    const tn_memory_stats after = tn_memory(ctx);
    check(good, name, "it does not run a thousand times");
    check(calls_made == 0, name, "it asked the system for memory");
    check(before.live_storages == after.live_storages && before.live_bytes == after.live_bytes &&
              before.cached_bytes == after.cached_bytes && before.peak_bytes == after.peak_bytes,
          name, "it asked the allocator for memory");
    tn_plan_release(plan);
    tn_tensor_release(x);
    free_network(&n);
    check(tn_memory(ctx).live_storages == 0, name, "something was left behind");
    tn_close(ctx);
    check(good, name, NULL);
  }
}

/* -- Operations whose kernels need memory of their own ----------------------------------------- */

typedef struct {
  const char *name;
  tn_opcode code;
  int nin, ndim[3]; /* of inputs; only the first is the plan's */
  int64_t sizes[3][4];
  tn_attrs attrs;
} sample;

static const sample samples[] = {
    {"conv2d", TN_OP_conv2d, 3, {4, 4, 1}, {{2, 8, 20, 20}, {16, 8, 3, 3}, {16}},
     {.i = {1, TN_NONE, TN_NONE, 1, TN_NONE, TN_NONE, 1, TN_NONE, TN_NONE, 1}, .ni = 10}},
    {"conv_transpose2d", TN_OP_conv_transpose2d, 2, {4, 4}, {{2, 8, 9, 9}, {8, 4, 3, 3}},
     {.i = {2, TN_NONE, TN_NONE, 1, TN_NONE, TN_NONE, 0, TN_NONE, TN_NONE, 1, 1, TN_NONE, TN_NONE},
      .ni = 13}},
    {"max_pool2d", TN_OP_max_pool2d, 1, {4}, {{2, 3, 12, 12}},
     {.i = {3, TN_NONE, TN_NONE, 2, TN_NONE, TN_NONE, 1, TN_NONE, TN_NONE}, .ni = 9}},
    {"avg_pool2d", TN_OP_avg_pool2d, 1, {4}, {{2, 3, 12, 12}},
     {.i = {2, TN_NONE, TN_NONE}, .ni = 3}},
    {"pad", TN_OP_pad, 1, {4}, {{1, 2, 5, 5}}, {.i = {0, 1, 2, 1, 1}, .ni = 5}},
    {"sum of many", TN_OP_sum, 1, {2}, {{400, 500}}, {.i = {TN_NONE}, .ni = 1}},
    {"sum of long columns", TN_OP_sum, 1, {2}, {{20000, 3}}, {.i = {0}, .ni = 1}},
    {"sum of turned rows", TN_OP_sum, 1, {2}, {{5000, 40}}, {.i = {0}, .ni = 1}},
    {"var", TN_OP_var, 1, {2}, {{30, 70}}, {.f = {1}, .i = {1}, .ni = 1}},
    {"logsumexp", TN_OP_logsumexp, 1, {2}, {{30, 70}}, {.i = {1}, .ni = 1}},
    {"softmax", TN_OP_softmax, 1, {2}, {{30, 70}}, {.i = {0}, .ni = 1}},
    {"sort", TN_OP_sort, 1, {2}, {{10, 700}}, {.i = {1, 0}, .ni = 2}},
    {"topk", TN_OP_topk, 1, {2}, {{10, 700}}, {.i = {5, 1, 1, 1}, .ni = 4}},
    {"cumsum", TN_OP_cumsum, 1, {2}, {{10, 700}}, {.i = {0}, .ni = 1}},
    {"attention", TN_OP_scaled_dot_product_attention, 3, {4, 4, 4},
     {{1, 2, 20, 16}, {1, 2, 20, 16}, {1, 2, 20, 16}}, {.i = {1}, .ni = 1}},
    {"bmm", TN_OP_bmm, 2, {3, 3}, {{6, 40, 50}, {6, 50, 60}}, {.ni = 0}},
    {"mm of turned matrices", TN_OP_mm, 2, {2, 2}, {{200, 150}, {150, 170}}, {.ni = 0}},
    {"fft_r2c", TN_OP_fft_r2c, 1, {2}, {{8, 60}}, {.f = {1}, .i = {1}, .ni = 1}},
};

static void one_sample(const sample *t, int threads) {
  tn_ctx *ctx = tn_open(&(tn_config){.size = sizeof(tn_config), .threads = threads});
  tn_tensor *in[3] = {NULL}, *y;
  tn_plan *plan = NULL;
  char name[96];
  snprintf(name, sizeof name, "%s, %d threads", t->name, threads);
  tn_set_grad_enabled(ctx, false);
  for (int i = 0; i < t->nin; i++) in[i] = tensor(ctx, t->ndim[i], t->sizes[i]);
  bool good = tn_plan_begin(ctx, &plan, 1, in) == TN_OK;
  if (good) {
    tn_tensor *inside[3] = {tn_plan_input(plan, 0), in[1], in[2]};
    y = apply(ctx, t->code, t->nin, inside, &t->attrs);
    good = y != NULL && tn_plan_end(ctx, plan, 1, &y) == TN_OK;
    tn_tensor_release(y);
  }
  check(good, name, "it cannot be planned");
  for (int round = 0; round < 3 && good; round++) {
    tn_tensor_release(in[0]);
    in[0] = tensor(ctx, t->ndim[0], t->sizes[0]);
    const long counted = allocations();
    good = tn_plan_run(ctx, plan, 1, in) == TN_OK;
    check(allocations() == counted, name, "it asked the system for memory");
    y = apply(ctx, t->code, t->nin, in, &t->attrs);
    check(good && same(tn_plan_output(plan, 0), y), name, "another result than without a plan");
    tn_tensor_release(y);
  }
  tn_plan_release(plan);
  for (int i = 0; i < t->nin; i++) tn_tensor_release(in[i]);
  check(tn_memory(ctx).live_storages == 0, name, "something was left behind");
  tn_close(ctx);
  check(good, name, NULL);
}

static void operations(void) {
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    one_sample(&samples[i], 1);
    one_sample(&samples[i], 3);
  }
}

/* -- Programs drawn by chance ------------------------------------------------------------------ */

enum { ROWS = 6, HELD = 10, STEPS = 40 };

/* A program of operations on HELD square matrices, the first two of which are its inputs: it adds
 * and multiplies, changes in place, whole and in part, by views, and makes new buffers. */
static void run_program(tn_ctx *ctx, uint64_t seed, tn_tensor *const *inputs, tn_tensor *weight,
                        tn_tensor **held) {
  state = seed;
  for (int i = 0; i < HELD; i++) {
    held[i] = i < 2 ? tn_tensor_retain(inputs[i]) : apply(ctx, TN_OP_clone, 1, &weight, NULL);
  }
  for (int step = 0; step < STEPS; step++) {
    const int to = 2 + (int)draw(HELD - 2), a = (int)draw(HELD), b = (int)draw(HELD);
    tn_tensor *x = held[a], *y = held[b], *new = NULL, *view = NULL;
    tn_attrs attrs = {.f = {0.5, 0.5}};
    switch (draw(11)) {
    case 0: new = apply(ctx, TN_OP_add, 2, (tn_tensor *[]){x, y}, &attrs); break;
    case 1: new = apply(ctx, TN_OP_mul, 2, (tn_tensor *[]){x, y}, NULL); break;
    case 2: new = apply(ctx, TN_OP_tanh, 1, &x, NULL); break;
    case 3: new = apply(ctx, TN_OP_linear, 2, (tn_tensor *[]){x, y}, NULL); break;
    case 4: attrs.i[0] = 0, attrs.i[1] = 1, attrs.ni = 2;
      new = apply(ctx, TN_OP_transpose, 1, &x, &attrs); break;
    case 5: tn_apply_inplace(ctx, TN_OP_tanh, 1, &x, &attrs); break;
    case 6: /* part of a clone */
      new = apply(ctx, TN_OP_clone, 1, &x, NULL);
      attrs = (tn_attrs){.i = {0, 1, 2}, .ni = 3};
      view = apply(ctx, TN_OP_narrow, 1, &new, &attrs);
      tn_apply_inplace(ctx, TN_OP_mul, 2, (tn_tensor *[]){view, view}, NULL);
      break;
    case 7: { /* a buffer that the program filled, then changed in part */
      new = matrix(ctx, ROWS, ROWS);
      attrs = (tn_attrs){.i = {0, 2, 3}, .ni = 3};
      view = apply(ctx, TN_OP_narrow, 1, &new, &attrs);
      tn_tensor *part = apply(ctx, TN_OP_narrow, 1, &x, &attrs);
      tn_copy(ctx, view, part);
      tn_tensor_release(part);
      break;
    }
    case 8: { /* a result into a tensor that is there */
      new = tn_tensor_retain(held[to]);
      tn_tensor *out[TN_MAX_OUTPUTS] = {new};
      tn_apply(ctx, TN_OP_sub, 2, (tn_tensor *[]){x, y}, &(tn_attrs){.f = {1}}, out);
      break;
    }
    case 9: { /* rows joined, and a sum of them */
      attrs = (tn_attrs){.i = {0}, .ni = 1};
      tn_tensor *tall = apply(ctx, TN_OP_cat, 2, (tn_tensor *[]){x, y}, &attrs);
      attrs = (tn_attrs){.i = {0, 3, ROWS}, .ni = 3};
      tn_tensor *part = apply(ctx, TN_OP_narrow, 1, &tall, &attrs);
      new = apply(ctx, TN_OP_sigmoid, 1, &part, NULL);
      tn_tensor_release(tall);
      tn_tensor_release(part);
      break;
    }
    default: attrs = (tn_attrs){.i = {1}, .ni = 1};
      new = apply(ctx, TN_OP_softmax, 1, &x, &attrs);
    }
    tn_tensor_release(view);
    if (new == NULL) continue;
    tn_tensor_release(held[to]);
    held[to] = new;
  }
}

static void release_all(tn_tensor **list, int n) {
  for (int i = 0; i < n; i++) tn_tensor_release(list[i]);
}

static void programs(void) {
  const char *name = "programs drawn by chance";
  tn_ctx *ctx = tn_open(&(tn_config){.size = sizeof(tn_config), .threads = 1});
  tn_set_grad_enabled(ctx, false);
  for (uint64_t seed = 1; seed <= 400; seed++) {
    char what[64];
    tn_plan *plan = NULL;
    tn_tensor *in[2], *held[HELD], *direct[HELD];
    state = seed * 1000;
    tn_tensor *weight = matrix(ctx, ROWS, ROWS);
    for (int i = 0; i < 2; i++) in[i] = matrix(ctx, ROWS, ROWS);
    bool good = tn_plan_begin(ctx, &plan, 2, in) == TN_OK;
    if (good) {
      tn_tensor *inputs[2] = {tn_plan_input(plan, 0), tn_plan_input(plan, 1)};
      run_program(ctx, seed, inputs, weight, held);
      good = tn_plan_end(ctx, plan, HELD, held) == TN_OK;
      release_all(held, HELD);
    }
    snprintf(what, sizeof what, "program %d is not planned", (int)seed);
    check(good, name, what);
    for (int round = 0; round < 3 && good; round++) {
      release_all(in, 2);
      state = seed * 77 + (uint64_t)round;
      for (int i = 0; i < 2; i++) in[i] = matrix(ctx, ROWS, ROWS);
      const long counted = allocations();
      good = tn_plan_run(ctx, plan, 2, in) == TN_OK;
      snprintf(what, sizeof what, "program %d allocates", (int)seed);
      check(allocations() == counted, name, what);
      run_program(ctx, seed, in, weight, direct); /* it may change its inputs */
      for (int i = 0; i < HELD && good; i++) {
        snprintf(what, sizeof what, "program %d, result %d differs", (int)seed, i);
        check(same(tn_plan_output(plan, i), direct[i]), name, what);
      }
      release_all(direct, HELD);
    }
    tn_plan_release(plan);
    tn_tensor_release(weight);
    release_all(in, 2);
    check(tn_memory(ctx).live_storages == 0, name, "something was left behind");
  }
  tn_close(ctx);
  check(true, name, NULL);
}

/* -- What is refused --------------------------------------------------------------------------- */

static void refusals(void) {
  const char *name = "refusals";
  tn_ctx *ctx = tn_open(&(tn_config){.size = sizeof(tn_config), .threads = 1});
  network n = new_network(ctx, 8, 8, 3);
  tn_tensor *x = matrix(ctx, 2, 8), *wide = matrix(ctx, 2, 9);
  tn_plan *plan = plan_network(ctx, &n, x), *other = NULL;
  check(tn_plan_run(ctx, plan, 1, &wide) == TN_ESHAPE && strstr(tn_message(ctx), "2x8") != NULL,
        name, "a wrong shape");
  check(tn_plan_run(ctx, plan, 2, (tn_tensor *[]){x, x}) == TN_EARG, name, "too many inputs");
  check(!tn_plan_fits(plan, 1, &wide) && tn_plan_fits(plan, 1, &x), name, "what fits");
  /* inside of another plan */
  check(tn_plan_begin(ctx, &other, 1, &x) == TN_OK && tn_planning(ctx), name, "it begins");
  check(!tn_grad_enabled(ctx), name, "gradients are off");
  tn_plan *third = NULL;
  check(tn_plan_begin(ctx, &third, 1, &x) == TN_EARG && third == NULL, name, "two at once");
  check(tn_plan_run(ctx, plan, 1, &x) == TN_EARG, name, "run while one is made");
  check(tn_plan_run(ctx, other, 1, &x) == TN_EARG, name, "run before it is finished");
  tn_plan_release(other);
  check(!tn_planning(ctx) && tn_grad_enabled(ctx), name, "a plan given up ends the noting");
  /* a program that looks at values */
  tn_plan_begin(ctx, &other, 1, &x);
  tn_tensor *y = forward(ctx, &n, tn_plan_input(other, 0));
  tn_attrs factor = {.f = {tn_tensor_get(y, 0)}};
  tn_apply_inplace(ctx, TN_OP_add, 2, (tn_tensor *[]){y, y}, &factor);
  check(tn_plan_end(ctx, other, 1, &y) == TN_EARG && strstr(tn_message(ctx), "looked at") != NULL,
        name, "values that were looked at");
  check(tn_plan_run(ctx, other, 1, &x) == TN_EARG, name, "a plan that was refused");
  tn_tensor_release(y);
  tn_plan_release(other);
  /* a size that depends on values */
  tn_plan_begin(ctx, &other, 1, &x);
  tn_tensor *in = tn_plan_input(other, 0), *list = apply(ctx, TN_OP_nonzero, 1, &in, NULL);
  check(tn_plan_end(ctx, other, 1, &list) == TN_EARG, name, "a size that depends on values");
  tn_tensor_release(list);
  tn_plan_release(other);
  /* outputs that are no results: a parameter, the input */
  tn_plan_begin(ctx, &other, 1, &x);
  tn_tensor *ends[2] = {n.w1, tn_plan_input(other, 0)};
  check(tn_plan_end(ctx, other, 2, ends) == TN_OK, name, "outputs that are no results");
  check(tn_plan_run(ctx, other, 1, &x) == TN_OK && same(tn_plan_output(other, 0), n.w1) &&
            same(tn_plan_output(other, 1), x) &&
            tn_tensor_data(tn_plan_output(other, 0)) != tn_tensor_data(n.w1),
        name, "they are copies");
  tn_tensor *kept = tn_tensor_retain(tn_plan_output(other, 1));
  tn_plan_release(other);
  check(same(kept, x), name, "an output outlives its plan");
  tn_tensor_release(kept);
  tn_plan_release(plan);
  tn_tensor_release(x), tn_tensor_release(wide);
  free_network(&n);
  check(tn_memory(ctx).live_storages == 0, name, "something was left behind");
  tn_close(ctx);
  check(true, name, NULL);
}

/* -- Memory that runs out ---------------------------------------------------------------------- */

static void limits(void) {
  const char *name = "memory that runs out";
  bool done = false;
  tn_ctx *ctx = tn_open(&(tn_config){.size = sizeof(tn_config), .threads = 1});
  network n = new_network(ctx, 40, 30, 20);
  tn_tensor *x = matrix(ctx, 5, 40);
  const size_t base = tn_live_bytes(ctx);
  for (size_t more = 1; more < 100000 && !done; more += 64) {
    tn_plan *plan = NULL;
    tn_set_memory_limit(ctx, base + more);
    tn_status s = tn_plan_begin(ctx, &plan, 1, &x);
    if (s == TN_OK) {
      static const tn_attrs none;
      tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
      tn_tensor *in[3] = {tn_plan_input(plan, 0), n.w1, n.b1};
      s = tn_apply(ctx, TN_OP_linear, 3, in, &none, out);
      if (s == TN_OK) s = tn_plan_end(ctx, plan, 1, out);
      tn_tensor_release(out[0]);
    }
    if (s == TN_OK) done = tn_plan_run(ctx, plan, 1, &x) == TN_OK;
    else check(s == TN_ENOMEM && tn_message(ctx)[0] != 0, name, "no message");
    tn_plan_release(plan);
    check(tn_live_bytes(ctx) == base && !tn_planning(ctx), name, "something was left behind");
  }
  check(done, name, "it never succeeded");
  tn_set_memory_limit(ctx, 0);
  tn_tensor_release(x);
  free_network(&n);
  tn_close(ctx);
  check(true, name, NULL);
}

int main(void) {
  setenv("MOONLET_BLAS", "builtin", 1); /* what libraries do inside is theirs */
  networks();
  operations();
  programs();
  refusals();
  limits();
  return failures > 0;
}
