/* hostile_test.c -- the C API called with numbers out of all bounds, and every operation of the table
 * with tensors and attributes made at random.
 *
 * MOONLET_FUZZ_SEED and MOONLET_FUZZ_SECONDS set the seed (the same each time) and the time; a call
 * that ends the process is told on the way out. Each has to give a status: what it overruns, the
 * sanitizers tell. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tensor/tensor.h"

enum { MEMORY = 128 << 20, PATIENCE = 20 /* seconds for one call */ };

static int failures;
static char last[600]; /* the call being made */
static double since;

static void check(bool good, const char *what) {
  printf("%s - %s\n", good ? "ok" : "not ok", what);
  failures += !good;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void tell(void) {
  ssize_t n = write(1, last, strlen(last));
  (void)n;
}

static void died(int number) {
  tell();
  signal(number, SIG_DFL);
  raise(number);
}

/* Where the program is built with the sanitizers. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static uint64_t state;
static int64_t draw(int64_t n) {
  state = state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (int64_t)((state >> 33) % (uint64_t)n);
}

#define PICK(list) ((list)[draw((int64_t)(sizeof(list) / sizeof *(list)))])

static const int64_t wholes[] = {0, 1, 2, 3, 4, 5, -1, -2, 7, 8, 64, 1000, INT32_MAX, INT32_MIN,
                                 (int64_t)1 << 32, (int64_t)1 << 46, (int64_t)1 << 53,
                                 (int64_t)1 << 62, INT64_MAX, INT64_MIN + 1, INT64_MIN};
static const double numbers[] = {0, 1, -1, 2, 0.5, -1.5, 3, 1e-300, 1e300, -1e300, 1e18, -1e19,
                                 4294967296.0, __builtin_inf(), -__builtin_inf(), __builtin_nan("")};

/* A size or an index: mostly one that may be right. */
static int64_t whole(void) { return draw(3) > 0 ? draw(6) - 1 : PICK(wholes); }

/* -- Views ------------------------------------------------------------------------------------- */

static double touch(const tn_tensor *t) {
  int64_t n = tn_tensor_numel(t);
  if (n < 1) return 0;
  return tn_tensor_get(t, 0) + tn_tensor_get(t, n - 1) + tn_tensor_get(t, n / 2);
}

static void views(tn_ctx *ctx) {
  tn_storage *storage = NULL;
  int made = 0, grown = 0;
  bool fine = tn_storage_new(ctx, &storage, 1000) == TN_OK;
  double sum = 0;
  memset(tn_storage_data(storage), 0, 1000);
  for (int k = 0; k < 200000 && fine; k++) {
    int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS], offset = whole();
    int ndim = (int)draw(TN_MAX_DIMS + 2) - (draw(50) == 0);
    for (int d = 0; d < TN_MAX_DIMS; d++) sizes[d] = whole(), strides[d] = whole();
    tn_dtype dtype = (tn_dtype)draw(TN_DTYPE_COUNT);
    tn_tensor *t = NULL;
    tn_status s = tn_tensor_view(ctx, &t, storage, dtype, ndim, sizes,
                                 draw(2) ? strides : NULL, offset);
    fine = (s == TN_OK) == (t != NULL);
    if (t == NULL) continue;
    made++;
    sum += touch(t);
    for (int d = 0; d < TN_MAX_DIMS; d++) sizes[d] = whole(), strides[d] = whole();
    s = tn_tensor_resize(ctx, t, ndim, sizes, draw(2) ? strides : NULL);
    if (s == TN_OK && tn_storage_bytes(storage) < 1 << 20) grown++;
    tn_tensor_release(t);
    if (tn_storage_bytes(storage) > 1000) { /* what was resized has grown it */
      tn_storage_release(storage);
      fine = fine && tn_storage_new(ctx, &storage, 1000) == TN_OK;
      if (fine) memset(tn_storage_data(storage), 0, 1000);
    }
  }
  tn_storage_release(storage);
  (void)sum;
  check(fine && made > 100 && grown > 100, "views of any sizes, strides and offsets");
}

/* -- Operations -------------------------------------------------------------------------------- */

static tn_tensor *scalar(tn_ctx *ctx) {
  tn_tensor *t = NULL;
  tn_tensor_scalar(ctx, &t, draw(2) ? TN_F64 : TN_I64, (double)(draw(9) - 3));
  if (t != NULL && draw(2)) tn_tensor_mark_number(t);
  return t;
}

/* A tensor of any type, small, strided at times, or with elements in several places. */
static tn_tensor *any_tensor(tn_ctx *ctx) {
  static const tn_dtype usual[] = {TN_F32, TN_F64, TN_I64, TN_U8};
  tn_dtype dtype = draw(2) ? PICK(usual) : (tn_dtype)draw(TN_DTYPE_COUNT);
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int ndim = draw(8) == 0 ? (int)draw(TN_MAX_DIMS + 1) : (int)draw(5);
  tn_tensor *whole_one = NULL, *t = NULL;
  for (int d = 0; d < ndim; d++) sizes[d] = draw(12) == 0 ? 0 : 1 + draw(ndim > 4 ? 2 : 5);
  if (ndim == 0 || draw(20) == 0) return scalar(ctx);
  if (tn_tensor_new(ctx, &whole_one, dtype, ndim, sizes) != TN_OK) return NULL;
  const double step = PICK(numbers);
  for (int64_t i = 0, n = tn_tensor_numel(whole_one); i < n; i++) {
    tn_tensor_put(whole_one, i, draw(20) == 0 ? step : (double)(1 + (i * 7) % 5));
  }
  if (draw(3) > 0) return whole_one;
  memcpy(strides, tn_tensor_strides(whole_one), sizeof(int64_t) * (size_t)ndim);
  for (int d = 0; d < ndim; d++) {
    if (draw(3) == 0) strides[d] = 0;
    else if (sizes[d] > 1 && draw(3) == 0) sizes[d] -= 1;
  }
  if (tn_tensor_view(ctx, &t, tn_tensor_storage(whole_one), dtype, ndim, sizes, strides, 0) != TN_OK) {
    return whole_one;
  }
  tn_tensor_release(whole_one);
  return t;
}

typedef struct {
  tn_tensor *in[8];
  int nin;
  tn_attrs attrs;
  int floats;
} made_call;

static int words_in(const char *item, size_t length) {
  const char *at = memchr(item, '=', length);
  int n = 1;
  for (; at != NULL && at < item + length; at++) n += *at == ',';
  return n;
}

/* One parameter of the table's args: "i n", "T? bias", "v stride=1". */
static void add_parameter(tn_ctx *ctx, made_call *c, const char *item, size_t length) {
  const char kind = item[0];
  const bool optional = item[1] == '?' || memchr(item, '=', length) != NULL;
  int64_t *i = c->attrs.i + c->attrs.ni;
  if (kind == 'T' || kind == 'X') {
    c->in[c->nin++] = optional && draw(3) == 0 ? NULL : kind == 'X' && draw(3) == 0 ? scalar(ctx)
                                                                                 : any_tensor(ctx);
  } else if (kind == 'L') {
    for (int64_t n = 1 + draw(3); n > 0; n--) c->in[c->nin++] = any_tensor(ctx);
  } else if (kind == 'n') {
    c->attrs.f[c->floats++] = draw(3) > 0 ? (double)(draw(5) - 1) : PICK(numbers);
  } else if (kind == 'z' || kind == 'D') {
    int n = (int)draw(6);
    for (int k = 0; k < n; k++) i[k] = whole();
    c->attrs.ni += n;
  } else if (kind == 'v') {
    for (int k = 0; k < 3; k++) i[k] = k > 0 && draw(2) ? TN_NONE : whole();
    if (optional && draw(2)) i[0] = i[1] = i[2] = TN_NONE;
    if (!optional && i[0] == TN_NONE) i[0] = 1;
    c->attrs.ni += 3;
  } else {
    if (kind == 'b') *i = draw(2);
    else if (kind == 'w') *i = draw(words_in(item, length));
    else *i = optional && draw(2) ? TN_NONE : whole();
    if (!optional && *i == TN_NONE) *i = 0;
    c->attrs.ni++;
  }
}

static void describe(const tn_op_info *op, const made_call *c) {
  int n = snprintf(last, sizeof last, "\nlast call: %s(", op->name);
  for (int k = 0; k < c->nin && n < 400; k++) {
    const tn_tensor *t = c->in[k];
    n += snprintf(last + n, sizeof last - (size_t)n, " %s",
                  t == NULL ? "NULL" : tn_dtype_name(tn_tensor_dtype(t)));
    for (int d = 0; t != NULL && d < tn_tensor_ndim(t) && n < 400; d++) {
      n += snprintf(last + n, sizeof last - (size_t)n, "%s%lld", d > 0 ? "x" : " ",
                    (long long)tn_tensor_sizes(t)[d]);
    }
  }
  for (int k = 0; k < c->attrs.ni && n < 500; k++) {
    n += snprintf(last + n, sizeof last - (size_t)n, " %lld", (long long)c->attrs.i[k]);
  }
  for (int k = 0; k < c->floats && n < 560; k++) {
    n += snprintf(last + n, sizeof last - (size_t)n, " %g", c->attrs.f[k]);
  }
  snprintf(last + n, sizeof last - (size_t)n, ")\n");
}

static bool call_one(tn_ctx *ctx, tn_opcode code) {
  const tn_op_info op = tn_op_describe(code);
  made_call c = {.nin = 0};
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL}, *given = NULL;
  if (op.args == NULL || op.convention == 'N') return true; /* made by other rows only */
  for (const char *item = op.args; *item != 0;) {
    item += strspn(item, " ;");
    size_t length = strcspn(item, ";");
    if (length > 0) add_parameter(ctx, &c, item, length);
    item += length;
  }
  while (c.nin > 1 && c.in[c.nin - 1] == NULL) c.nin--;
  bool whole_call = true;
  for (int k = 0; k < c.nin; k++) {
    if (c.in[k] != NULL && draw(3) == 0) tn_set_requires_grad(ctx, c.in[k], true);
  }
  for (int k = 0; k < c.nin && op.args[0] == 'L'; k++) whole_call = whole_call && c.in[k] != NULL;
  whole_call = whole_call && c.nin > 0 && c.in[0] != NULL;
  describe(&op, &c);
  since = now();
  tn_status s = TN_OK;
  if (whole_call && op.outputs == 1 && draw(5) == 0) {
    s = tn_apply_inplace(ctx, code, c.nin, c.in, &c.attrs);
  } else if (whole_call) {
    if (draw(4) == 0) out[0] = given = draw(2) ? any_tensor(ctx) : tn_tensor_retain(c.in[0]);
    s = tn_apply(ctx, code, c.nin, c.in, &c.attrs, out);
    if (s == TN_OK && out[0] != NULL) touch(out[0]);
    if (s == TN_OK && out[0] != NULL && tn_requires_grad(out[0])) {
      tn_backward(ctx, 1, out, NULL, 0, NULL, NULL, (tn_backward_options){false, draw(2)});
    }
  }
  bool soon = s != TN_EINTERRUPT;
  for (int k = 0; k < c.nin; k++) tn_set_grad(ctx, c.in[k], NULL);
  tn_tensor_release(given);
  for (int k = 0; k < TN_MAX_OUTPUTS; k++) {
    if (out[k] != given || k > 0) tn_tensor_release(out[k]);
  }
  for (int k = 0; k < c.nin; k++) tn_tensor_release(c.in[k]);
  return soon;
}

static bool too_long(void *user) {
  (void)user;
  return now() - since > PATIENCE;
}

static void operations(double seconds) {
  tn_config config = {.size = sizeof config, .memory_limit = MEMORY, .threads = 2,
                      .interrupted = too_long};
  tn_ctx *ctx = tn_open(&config);
  bool fine = true;
  const double end = now() + seconds;
  for (int k = 0; fine && now() < end; k++) fine = call_one(ctx, (tn_opcode)draw(TN_OP_COUNT));
  if (!fine) printf("%s", last);
  check(fine, "operations on anything");
  check(tn_memory(ctx).live_bytes == 0, "which leave no memory behind");
  tn_close(ctx);
}

int main(void) {
  const char *seed = getenv("MOONLET_FUZZ_SEED"), *seconds = getenv("MOONLET_FUZZ_SECONDS");
  state = seed != NULL ? strtoull(seed, NULL, 10) : 20261122;
  printf("seed %llu\n", (unsigned long long)state);
  setvbuf(stdout, NULL, _IONBF, 0);
  signal(SIGSEGV, died);
  signal(SIGFPE, died);
  signal(SIGABRT, died);
  if (__sanitizer_set_death_callback != NULL) __sanitizer_set_death_callback(tell);
  tn_config config = {.size = sizeof config, .memory_limit = MEMORY, .threads = 1};
  tn_ctx *ctx = tn_open(&config);
  views(ctx);
  tn_close(ctx);
  operations(seconds != NULL ? atof(seconds) / 4 : 1);
  return failures != 0;
}
