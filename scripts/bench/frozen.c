/* frozen.c -- the network of frozen.lua, planned and run from C.
 *
 *   frozen FILE seconds     FILE is what frozen.lua wrote
 *
 * Prints `c: best median`, nanoseconds per call, and `tail: best median` of how many times the
 * median of 20,000 single calls their 99.9th percentile is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tensor/tensor.h"

enum { IN = 64, HIDDEN = 64, OUT = 4, CALLS = 20000 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void stop(const char *why) {
  fprintf(stderr, "frozen: %s\n", why);
  exit(1);
}

static tn_tensor *read_tensor(tn_ctx *ctx, FILE *file, int64_t rows, int64_t columns) {
  const int64_t sizes[2] = {rows, columns};
  tn_tensor *t = NULL;
  if (tn_tensor_new(ctx, &t, TN_F32, columns > 0 ? 2 : 1, sizes) != TN_OK) stop(tn_message(ctx));
  const size_t n = (size_t)tn_tensor_numel(t);
  if (fread(tn_tensor_data(t), sizeof(float), n, file) != n) stop("the file is too short");
  return t;
}

static tn_tensor *apply(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  if (tn_apply(ctx, code, nin, in, NULL, out) != TN_OK) stop(tn_message(ctx));
  return out[0];
}

/* Seconds of each of `n` calls, in order of size. */
static void single_calls(tn_ctx *ctx, tn_plan *plan, tn_tensor *x, double *took, int n) {
  double last = now();
  for (int i = 0; i < n; i++) {
    tn_plan_run(ctx, plan, 1, &x);
    const double time = now();
    took[i] = time - last;
    last = time;
  }
  qsort(took, (size_t)n, sizeof *took, ascending);
}

int main(int argc, char **argv) {
  static double took[CALLS];
  FILE *file = argc > 2 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) stop("usage: frozen FILE seconds");
  const double until = now() + atof(argv[2]);
  tn_ctx *ctx = tn_open(&(tn_config){.size = sizeof(tn_config), .threads = 1});
  tn_tensor *x = read_tensor(ctx, file, 1, IN);
  tn_tensor *w1 = read_tensor(ctx, file, HIDDEN, IN), *b1 = read_tensor(ctx, file, HIDDEN, 0);
  tn_tensor *w2 = read_tensor(ctx, file, OUT, HIDDEN), *b2 = read_tensor(ctx, file, OUT, 0);
  tn_tensor *y = read_tensor(ctx, file, 1, OUT);
  tn_plan *plan;
  if (tn_plan_begin(ctx, &plan, 1, &x) != TN_OK) stop(tn_message(ctx));
  tn_tensor *h = apply(ctx, TN_OP_linear, 3, (tn_tensor *[]){tn_plan_input(plan, 0), w1, b1});
  tn_tensor *r = apply(ctx, TN_OP_relu, 1, &h);
  tn_tensor *out = apply(ctx, TN_OP_linear, 3, (tn_tensor *[]){r, w2, b2});
  if (tn_plan_end(ctx, plan, 1, &out) != TN_OK) stop(tn_message(ctx));
  if (tn_plan_run(ctx, plan, 1, &x) != TN_OK) stop(tn_message(ctx));
  for (int64_t i = 0; i < OUT; i++) {
    if (fabs(tn_tensor_get(tn_plan_output(plan, 0), i) - tn_tensor_get(y, i)) > 1e-5) {
      stop("another result than Lua's");
    }
  }
  enum { RUN = 2000, MOST = 4096 };
  static double runs[MOST], tails[MOST];
  int n = 0, m = 0;
  do {
    const double start = now();
    for (int i = 0; i < RUN; i++) tn_plan_run(ctx, plan, 1, &x);
    runs[n++] = (now() - start) / RUN * 1e9;
    if (n % 16 != 1) continue;
    single_calls(ctx, plan, x, took, CALLS);
    tails[m++] = took[CALLS - CALLS / 1000] / took[CALLS / 2];
  } while (now() < until && n < MOST);
  qsort(runs, (size_t)n, sizeof *runs, ascending);
  qsort(tails, (size_t)m, sizeof *tails, ascending);
  printf("c: %.1f %.1f\ntail: %.3f %.3f\n", runs[0], runs[n / 2], tails[0], tails[m / 2]);
  tn_tensor *all[] = {x, w1, b1, w2, b2, y, h, r, out};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) tn_tensor_release(all[i]);
  tn_plan_release(plan);
  tn_close(ctx);
  fclose(file);
  return 0;
}
