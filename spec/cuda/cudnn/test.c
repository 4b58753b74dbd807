/* test.c -- cuda/lib/dnn.c against a libcudnn.so.9: the fake of this folder, which checks every
 * descriptor and does the work; or, with the argument `plans`, the real one without a GPU
 * (plans.c), which makes plans and does nothing.
 *
 * The rest of the plug-in is a few functions on the host's memory. */
#define _GNU_SOURCE
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/lib/dnn.h"

/* -- The plug-in ------------------------------------------------------------------------------- */

static int blocks, timed;

tn_status tn_cuda_fail(tn_status status, const char *what) {
  printf("# %s\n", what);
  return status;
}
tn_status tn_cuda_alloc(int device, size_t bytes, void **out) {
  (void)device;
  *out = malloc(bytes + 1);
  __atomic_add_fetch(&blocks, 1, __ATOMIC_RELAXED);
  return *out != NULL ? TN_OK : TN_ENOMEM;
}
void tn_cuda_free(int device, void *data) {
  (void)device;
  __atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
  free(data);
}
void *tn_cuda_stream(void) { return (void *)77; }

cudaError_t cudaEventCreate(cudaEvent_t *event) { return *event = (cudaEvent_t)1, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return (void)event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return (void)event, (void)stream, cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return (void)event, cudaSuccess; }
/* The second one that is timed is the fastest. */
cudaError_t cudaEventElapsedTime(float *time, cudaEvent_t a, cudaEvent_t b) {
  (void)a, (void)b;
  return *time = timed++ == 1 ? 1.0f : 2.0f, cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  return (void)stream, *status = cudaStreamCaptureStatusNone, cudaSuccess;
}

/* -- Problems ---------------------------------------------------------------------------------- */

static int failures, count;

static void check(bool good, const char *what) {
  count++;
  failures += !good;
  printf("%s %d - %s\n", good ? "ok" : "not ok", count, what);
}

typedef struct {
  int dtype, space, batch, from, to, groups, in[3], kernel[3], stride, pad, dilation;
  bool pixels;
} problem;

static int64_t dense(const int64_t *size, bool pixels, int64_t *step) {
  static const int apart[] = {4, 3, 2, 1, 0}, beside[] = {1, 4, 3, 2, 0};
  int64_t next = 1;
  for (int k = 0; k < 5; k++) {
    const int d = pixels ? beside[k] : apart[k];
    step[d] = next;
    next *= size[d];
  }
  return next;
}

static tn_dnn_conv describe(const problem *p, int result, int flags, int64_t elements[3]) {
  tn_dnn_conv c;
  memset(&c, 0, sizeof c);
  c.result = result;
  c.dtype = p->dtype;
  c.space = p->space;
  c.flags = flags;
  c.x_size[0] = c.y_size[0] = p->batch;
  c.x_size[1] = p->from;
  c.y_size[1] = c.w_size[0] = p->to;
  c.w_size[1] = p->from / p->groups;
  for (int d = 0; d < 3; d++) {
    const bool is = d >= 3 - p->space;
    c.stride[d] = is ? p->stride : 1;
    c.pad[d] = c.behind[d] = is ? p->pad : 0;
    c.dilation[d] = is ? p->dilation : 1;
    c.x_size[2 + d] = is ? p->in[d] : 1;
    c.w_size[2 + d] = is ? p->kernel[d] : 1;
    const int64_t reach = (c.w_size[2 + d] - 1) * c.dilation[d] + 1;
    c.y_size[2 + d] = (c.x_size[2 + d] + 2 * c.pad[d] - reach) / c.stride[d] + 1;
  }
  elements[TN_DNN_INPUT] = dense(c.x_size, p->pixels, c.x_step);
  elements[TN_DNN_OUTPUT] = dense(c.y_size, p->pixels, c.y_step);
  elements[TN_DNN_WEIGHT] = dense(c.w_size, p->pixels, c.w_step);
  return c;
}

/* The sum of all products of the three sides, one number for a whole problem: linear in each. */
static double total(const tn_dnn_conv *c, float *const m[3]) {
  const int64_t *x = c->x_size, *y = c->y_size, *w = c->w_size, to = y[1] / (x[1] / w[1]);
  double sum = 0;
  for (int64_t n = 0; n < y[0]; n++)
  for (int64_t o = 0; o < y[1]; o++)
  for (int64_t i = 0; i < w[1]; i++)
  for (int64_t p = 0; p < y[2] * y[3] * y[4]; p++)
  for (int64_t q = 0; q < w[2] * w[3] * w[4]; q++) {
    const int64_t at[3] = {p / y[4] / y[3], p / y[4] % y[3], p % y[4]};
    const int64_t k[3] = {q / w[4] / w[3], q / w[4] % w[3], q % w[4]};
    int64_t xi = n * c->x_step[0] + (o / to * w[1] + i) * c->x_step[1];
    int64_t yi = n * c->y_step[0] + o * c->y_step[1], wi = o * c->w_step[0] + i * c->w_step[1];
    bool inside = true;
    for (int d = 0; d < 3; d++) {
      const int64_t v = at[d] * c->stride[d] - c->pad[d] + k[d] * c->dilation[d];
      inside = inside && v >= 0 && v < x[2 + d];
      xi += v * c->x_step[2 + d];
      yi += at[d] * c->y_step[2 + d];
      wi += k[d] * c->w_step[2 + d];
    }
    if (inside) sum += (double)m[0][xi] * m[1][yi] * m[2][wi];
  }
  return sum;
}

static float *numbers(int64_t n, unsigned seed) {
  float *m = aligned_alloc(64, (size_t)(n * 4 + 63) / 64 * 64);
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    m[i] = (float)(seed >> 16) / 32768 - 1;
  }
  return m;
}

/* A product by the library, weighted with numbers, is the sum of all products. */
static bool right(int device, const problem *p, int result, int flags) {
  int64_t elements[3];
  const tn_dnn_conv c = describe(p, result, flags, elements);
  float *m[3];
  for (int k = 0; k < 3; k++) m[k] = numbers(elements[k], 7 * (unsigned)k + 1);
  const double expected = total(&c, m);
  float *weights = m[result], *made = numbers(elements[result], 99);
  void *memory[3] = {m[0], m[1], m[2]};
  memory[result] = made;
  const tn_status s = tn_dnn_convolve(device, &c, memory);
  double sum = 0;
  for (int64_t i = 0; i < elements[result]; i++) sum += (double)made[i] * weights[i];
  for (int k = 0; k < 3; k++) free(m[k]);
  free(made);
  return s == TN_OK && fabs(sum - expected) < 1e-3 * (1 + fabs(expected));
}

static const problem problems[] = {
    {TN_F32, 2, 2, 4, 6, 1, {1, 7, 6}, {1, 3, 2}, 1, 1, 1, false},
    {TN_F32, 2, 2, 4, 6, 1, {1, 7, 6}, {1, 3, 2}, 1, 1, 1, true},
    {TN_F32, 2, 1, 4, 6, 2, {1, 9, 8}, {1, 3, 3}, 2, 1, 2, true},
    {TN_F32, 2, 2, 5, 5, 5, {1, 6, 6}, {1, 3, 3}, 1, 1, 1, false},
    {TN_F32, 3, 1, 2, 3, 1, {4, 5, 3}, {2, 3, 3}, 1, 1, 1, false},
    {TN_F32, 3, 1, 2, 3, 1, {4, 5, 3}, {2, 3, 3}, 2, 1, 1, true}};

/* -- The fake ---------------------------------------------------------------------------------- */

static int ask(const char *name) {
  int (*function)(void);
  void *library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_NOLOAD), *at = NULL;
  if (library == NULL && getenv("MOONLET_CUDA_LIBRARIES") != NULL) {
    char path[512];
    snprintf(path, sizeof path, "%s/libcudnn.so.9", getenv("MOONLET_CUDA_LIBRARIES"));
    library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  }
  at = library != NULL ? dlsym(library, name) : NULL;
  memcpy(&function, &at, sizeof function);
  return at != NULL ? function() : -1;
}

static void *in_thread(void *device) {
  bool good = true;
  for (int turn = 0; turn < 10; turn++) {
    for (int k = 0; k < 6; k++) {
      good = good && right(*(int *)device, &problems[k], turn % 3, TN_DNN_SAME_SUMS);
    }
  }
  return good ? device : NULL;
}

static void against_fake(void) {
  const problem *p = &problems[0];
  check(tn_dnn_problem() == NULL, "the library opens");
  for (int result = 0; result < 3; result++) {
    bool good = true;
    for (int k = 0; k < 6; k++) good = good && right(0, &problems[k], result, 0);
    check(good, result == 0 ? "what went in" : result == 1 ? "what comes out" : "the weight");
  }
  right(0, p, 1, 0);
  check(ask("fake_engine") == 1, "float32 is not rounded: no tensor cores");
  right(0, p, 1, TN_DNN_MAY_ROUND);
  check(ask("fake_engine") == 0, "tensor cores where it may be");
  right(0, p, 1, TN_DNN_SAME_SUMS);
  check(ask("fake_engine") == 4, "the same sums, in a little memory, by what works");
  timed = 0;
  right(0, p, 1, TN_DNN_MAY_ROUND | TN_DNN_BENCHMARK);
  check(timed == 3 && ask("fake_engine") == 1, "the fastest of three");
  const int advices = ask("fake_advices"), live = ask("fake_live");
  check(right(0, p, 1, 0) && right(0, p, 1, TN_DNN_SAME_SUMS) && ask("fake_advices") == advices,
        "a plan is made once");
  check(ask("fake_live") == live, "descriptors go again");
  pthread_t threads[4];
  int devices[4] = {0, 1, 0, 1};
  bool good = true;
  for (int k = 0; k < 4; k++) pthread_create(&threads[k], NULL, in_thread, &devices[k]);
  for (int k = 0; k < 4; k++) {
    void *result = NULL;
    pthread_join(threads[k], &result);
    good = good && result != NULL;
  }
  check(good, "several threads on two devices");
  check(blocks == 0, "work space is given back");
}

/* -- The real library's plans ------------------------------------------------------------------ */

static void make_plans(void) {
  static const struct {
    const char *name;
    problem p;
    int flags;
  } all[] = {
      {"bfloat16, channels last",
       {TN_BF16, 2, 256, 64, 64, 1, {1, 56, 56}, {1, 3, 3}, 1, 1, 1, true}, 0},
      {"bfloat16, channels first",
       {TN_BF16, 2, 256, 64, 64, 1, {1, 56, 56}, {1, 3, 3}, 1, 1, 1, false}, 0},
      {"a first layer",
       {TN_BF16, 2, 256, 3, 64, 1, {1, 224, 224}, {1, 7, 7}, 2, 3, 1, true}, 0},
      {"1 x 1",
       {TN_F16, 2, 32, 256, 64, 1, {1, 28, 28}, {1, 1, 1}, 1, 0, 1, true}, TN_DNN_BENCHMARK},
      {"float32",
       {TN_F32, 2, 32, 64, 64, 1, {1, 28, 28}, {1, 3, 3}, 1, 1, 1, false}, 0},
      {"float32, rounded",
       {TN_F32, 2, 32, 64, 64, 1, {1, 28, 28}, {1, 3, 3}, 1, 1, 1, false}, TN_DNN_MAY_ROUND},
      {"float64",
       {TN_F64, 2, 4, 8, 8, 1, {1, 9, 9}, {1, 3, 3}, 2, 1, 1, false}, TN_DNN_SAME_SUMS},
      {"volumes",
       {TN_F16, 3, 4, 16, 16, 1, {9, 9, 9}, {3, 3, 3}, 1, 1, 1, false}, 0},
      {"groups",
       {TN_F32, 2, 4, 64, 64, 4, {1, 28, 28}, {1, 3, 3}, 1, 1, 1, false}, 0},
      {"depthwise",
       {TN_BF16, 2, 4, 64, 64, 64, {1, 28, 28}, {1, 3, 3}, 1, 1, 1, true}, 0},
      {"sequences",
       {TN_F16, 2, 8, 64, 64, 1, {1, 1, 100}, {1, 1, 5}, 1, 0, 1, false}, 0},
      {"sequences, channels last",
       {TN_BF16, 2, 8, 64, 64, 1, {1, 1, 100}, {1, 1, 5}, 2, 0, 1, true}, 0},
      {"odd channels",
       {TN_BF16, 2, 8, 3, 5, 1, {1, 19, 17}, {1, 3, 3}, 1, 1, 1, true}, 0},
      {"few channels, not rounded",
       {TN_F32, 2, 8, 1, 8, 1, {1, 28, 28}, {1, 5, 5}, 1, 2, 1, false}, TN_DNN_SAME_SUMS},
      {"a vector for each image",
       {TN_BF16, 2, 8, 64, 10, 1, {1, 7, 7}, {1, 7, 7}, 1, 0, 1, true}, 0},
      {"dilated",
       {TN_BF16, 2, 4, 64, 64, 1, {1, 28, 28}, {1, 3, 3}, 1, 2, 2, true}, 0}};
  void *memory[3] = {(void *)4096, (void *)8192, (void *)16384};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
    bool good = true;
    for (int result = 0; result < 3; result++) {
      int64_t elements[3];
      const tn_dnn_conv c = describe(&all[k].p, result, all[k].flags, elements);
      const tn_status s = tn_dnn_convolve(0, &c, memory);
      if (s != TN_OK) printf("# result %d: %d\n", result, (int)s);
      good = good && s == TN_OK;
    }
    check(good, all[k].name);
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "plans") == 0) make_plans();
  else against_fake();
  printf("1..%d\n", count);
  return failures > 0;
}
