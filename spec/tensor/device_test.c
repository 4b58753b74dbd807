/* device_test.c -- tensors on devices: without a driver, on two fake devices, and what the plug-in
 * for CUDA offers. The arithmetic of cuda/indexing.h is compared with the CPU's own loops. */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "fake_device.h"
#include "tensor/pointwise.h"

static int failures, count;

static void check(bool good, const char *what) {
  count++;
  failures += !good;
  printf("%s %d - %s\n", good ? "ok" : "not ok", count, what);
}

static bool says(const tn_ctx *ctx, tn_status s, const char *text) {
  bool good = s != TN_OK && strstr(tn_message(ctx), text) != NULL;
  if (!good) printf("# %d: %s\n", (int)s, tn_message(ctx));
  return good;
}

/* -- Divisions and positions ------------------------------------------------------------------- */

static void test_divider(void) {
  static const uint32_t divisors[] = {1, 2, 3, 5, 7, 10, 641, 4096, 65537, 1000003, 0x7fffffff};
  bool good = true;
  for (size_t i = 0; i < sizeof divisors / sizeof *divisors; i++) {
    const uint32_t d = divisors[i];
    const tn_divider by = tn_divider_of(d);
    for (uint32_t n = 0; n < 100000; n++) good = good && tn_divide(n, by) == n / d;
    for (uint32_t n = 0x7fffffff; n > 0x7ffe0000; n--) good = good && tn_divide(n, by) == n / d;
    for (uint64_t m = d; m < 0x7fffffff; m += (uint64_t)d * (m / d / 7 + 1)) {
      good = good && tn_divide((uint32_t)m, by) == m / d;
      good = good && tn_divide((uint32_t)m - 1, by) == (m - 1) / d;
    }
  }
  check(good, "division by multiplication is exact below 2^31");
}

/* A few random views of one shape; every position against a plain walk through the dimensions. */
static bool walk(tn_generator *g, bool wide) {
  tn_view v[3];
  tn_positions index;
  static char memory[1];
  int ndim = (int)(tn_random_u32(g) % (TN_MAX_DIMS + 1));
  for (int k = 0; k < 3; k++) {
    v[k].ndim = ndim;
    v[k].data = memory;
    for (int d = 0; d < ndim; d++) {
      v[k].sizes[d] = k == 0 ? 1 + tn_random_u32(g) % 4 : v[0].sizes[d];
      if (k > 0 && tn_random_u32(g) % 3 == 0) v[k].sizes[d] = 1;
    }
    tn__contiguous_strides(ndim, v[k].sizes, v[k].strides);
    if (ndim > 1 && tn_random_u32(g) % 2 == 0) v[k].strides[tn_random_u32(g) % (uint32_t)ndim] *= 3;
  }
  tn_index_make(&index, &v[0], &v[1], 2);
  index.wide = index.wide || wide;
  int64_t i[TN_MAX_DIMS] = {0};
  for (uint64_t p = 0; p < index.count; p++) {
    int64_t at[3];
    tn_index_at(&index, p, 3, at);
    for (int k = 0; k < 3; k++) {
      int64_t expected = 0;
      for (int d = 0; d < ndim; d++) expected += v[k].sizes[d] == 1 ? 0 : i[d] * v[k].strides[d];
      if (at[k] != expected) return false;
    }
    for (int d = ndim - 1; d >= 0 && ++i[d] == v[0].sizes[d]; d--) i[d] = 0;
  }
  return true;
}

static void test_positions(void) {
  tn_generator g = {1, 0};
  bool narrow = true, wide = true;
  for (int i = 0; i < 2000; i++) narrow = narrow && walk(&g, false);
  for (int i = 0; i < 500; i++) wide = wide && walk(&g, true);
  check(narrow, "positions of strided and broadcast views");
  check(wide, "the same with 64-bit divisions");
}

static void test_large_positions(void) {
  static char memory[1];
  tn_view v = {.data = memory, .ndim = 3, .sizes = {3, 1 << 16, 1 << 15},
               .strides = {(int64_t)1 << 32, 1 << 15, 1}};
  tn_positions index;
  int64_t at[1];
  tn_index_make(&index, &v, NULL, 0);
  tn_index_at(&index, ((uint64_t)2 << 31) + 12345, 1, at);
  check(index.wide && at[0] == ((int64_t)2 << 32) + 12345, "positions beyond 32 bits");
}

/* -- Tensors on the fake devices --------------------------------------------------------------- */

static const tn_device gpu = TN_DEVICE(TN_CUDA, 0), other = TN_DEVICE(TN_CUDA, 1);

static tn_tensor *filled(tn_ctx *ctx, tn_dtype dtype, int ndim, const int64_t *sizes, double low,
                         double high) {
  tn_tensor *t = NULL;
  tn_attrs attrs = {.f = {low, high}};
  if (tn_tensor_new(ctx, &t, TN_F64, ndim, sizes) != TN_OK) return NULL;
  tn_apply_inplace(ctx, TN_OP_uniform, 1, &t, &attrs);
  tn_tensor *out = NULL;
  tn_tensor_to(ctx, &out, t, TN_CPU, dtype);
  tn_tensor_release(t);
  return out;
}

/* Equal to the last bit? Both are read element by element, from wherever they lie. */
static bool equal(const tn_tensor *a, const tn_tensor *b) {
  if (a->dtype != b->dtype || !tn__same_shape(a, b)) return false;
  for (int64_t i = 0; i < tn__numel(a); i++) {
    double x = tn_tensor_get(a, i), y = tn_tensor_get(b, i);
    if (x != y && !(isnan(x) && isnan(y))) return false;
  }
  return true;
}

static tn_tensor *on(tn_ctx *ctx, tn_tensor *t, tn_device device) {
  tn_tensor *out = NULL;
  tn_tensor_to(ctx, &out, t, device, tn_tensor_dtype(t));
  return out;
}

static tn_tensor *transposed(tn_ctx *ctx, tn_tensor *t) {
  tn_attrs attrs = {.i = {0, 1}, .ni = 2};
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  tn_apply(ctx, TN_OP_transpose, 1, &t, &attrs, out);
  return out[0];
}

static void test_copies(tn_ctx *ctx) {
  const int64_t sizes[] = {5, 7}, back[] = {7, 5};
  bool round = true, strided = true, peers = true;
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    tn_tensor *x = filled(ctx, (tn_dtype)d, 2, sizes, -3, 3), *g = on(ctx, x, gpu);
    tn_tensor *home = on(ctx, g, TN_CPU), *p = on(ctx, g, other), *xt = transposed(ctx, x);
    tn_tensor *gt = transposed(ctx, g), *to = filled(ctx, TN_F64, 2, back, 0, 1);
    tn_tensor *to_t = on(ctx, to, gpu), *expected = on(ctx, to, TN_CPU);
    round = round && equal(x, g) && equal(x, home) && tn_tensor_device(home) == TN_CPU;
    peers = peers && equal(x, p) && tn_tensor_device(p) == other;
    tn_copy(ctx, expected, xt); /* converting, from one layout to another */
    tn_copy(ctx, to_t, gt);
    tn_copy(ctx, to, gt);
    strided = strided && equal(to_t, expected) && equal(to, expected);
    tn_copy(ctx, gt, expected);
    tn_copy(ctx, xt, expected);
    strided = strided && equal(g, x);
    tn_tensor *all[] = {x, g, home, p, xt, gt, to, to_t, expected};
    for (int i = 0; i < 9; i++) tn_tensor_release(all[i]);
  }
  check(round, "there and back, every dtype");
  check(strided, "copies that convert between layouts and devices");
  check(peers, "from one device to another");
}

/* One operation on views that broadcast and stride, on the CPU and on the device. */
static bool same_there(tn_ctx *ctx, tn_opcode code, tn_dtype dtype) {
  const tn_op_info info = tn_op_describe(code);
  const int64_t sizes[3][3] = {{4, 3, 5}, {3, 1}, {5}};
  const int ndims[3] = {3, 2, 1};
  double low = info.low, high = info.high;
  tn_tensor *x[3] = {NULL}, *g[3] = {NULL}, *want[TN_MAX_OUTPUTS] = {NULL},
            *got[TN_MAX_OUTPUTS] = {NULL};
  tn_attrs attrs = {.f = {0.5, 1.5}};
  bool whole = !tn_dtype_is_float(dtype), good = true;
  int nin = 1;
  for (const char *c = info.args; (c = strchr(c, ';')) != NULL; c++) {
    nin += c[2] == 'T' || c[2] == 'X';
  }
  if (whole) low = 1, high = 9;
  for (int i = 0; i < nin; i++) {
    x[i] = filled(ctx, dtype, ndims[i], sizes[i], low, high);
    g[i] = on(ctx, x[i], gpu);
    if (i == 0) { /* a view whose elements do not follow one another */
      tn_tensor *xt = transposed(ctx, x[0]), *gt = transposed(ctx, g[0]);
      tn_tensor_release(x[0]);
      tn_tensor_release(g[0]);
      x[0] = xt;
      g[0] = gt;
    }
  }
  if (nin > 1) { /* [3, 4, 5] with [4, 1] */
    const int64_t columns[] = {4, 1};
    tn_tensor_release(x[1]);
    tn_tensor_release(g[1]);
    x[1] = filled(ctx, dtype, 2, columns, low, high);
    g[1] = on(ctx, x[1], gpu);
  }
  tn_status here = tn_apply(ctx, code, nin, x, &attrs, want);
  tn_status there = tn_apply(ctx, code, nin, g, &attrs, got);
  good = here == there && (here != TN_OK || (equal(want[0], got[0]) &&
                                             tn_tensor_device(got[0]) == gpu));
  for (int i = 0; i < nin; i++) tn_tensor_release(x[i]), tn_tensor_release(g[i]);
  tn_tensor_release(want[0]);
  tn_tensor_release(got[0]);
  return good;
}

static void test_pointwise(tn_ctx *ctx) {
  static const tn_dtype dtypes[] = {TN_F32, TN_F64, TN_F16, TN_BF16, TN_I32, TN_I64, TN_U8};
  for (int code = 0; code < TN_PW_COUNT; code++) {
    bool good = true;
    char what[80];
    for (int i = 0; i < 7; i++) good = good && same_there(ctx, (tn_opcode)code, dtypes[i]);
    snprintf(what, sizeof what, "%s on a device, broadcast and strided",
             tn_op_describe((tn_opcode)code).name);
    check(good, what);
  }
}

static void test_gradients(tn_ctx *ctx) {
  const int64_t sizes[] = {3, 4};
  tn_tensor *x = filled(ctx, TN_F32, 2, sizes, -1, 1), *y[TN_MAX_OUTPUTS] = {NULL};
  tn_tensor *z[TN_MAX_OUTPUTS] = {NULL}, *g, *seed, *home;
  tn_set_requires_grad(ctx, x, true);
  seed = filled(ctx, TN_F32, 2, sizes, 1, 2);
  g = on(ctx, x, gpu);
  bool good = tn_requires_grad(g);
  good = good && tn_apply(ctx, TN_OP_tanh, 1, &g, NULL, y) == TN_OK;
  good = good && tn_apply(ctx, TN_OP_mul, 2, (tn_tensor *[]){y[0], g}, NULL, z) == TN_OK;
  home = on(ctx, z[0], TN_CPU);
  good = good && tn_backward(ctx, 1, &home, &seed, 0, NULL, NULL,
                             (tn_backward_options){false, false}) == TN_OK;
  for (int i = 0; good && i < 12; i++) {
    double v = tn_tensor_get(x, i), t = tanh(v), d = tn_tensor_get(seed, i);
    good = fabs(tn_tensor_get(tn_grad(x), i) - d * (t + v * (1 - t * t))) < 1e-5;
  }
  check(good && tn_tensor_device(tn_grad(x)) == TN_CPU, "gradients go over to a device and back");
  tn_tensor *all[] = {x, seed, g, y[0], z[0], home};
  for (int i = 0; i < 6; i++) tn_tensor_release(all[i]);
}

/* A leaf on the device; its gradient comes through views, copies and a number. */
static void test_leaf(tn_ctx *ctx) {
  const int64_t sizes[] = {6};
  tn_tensor *x = filled(ctx, TN_F32, 1, sizes, -1, 1), *g = on(ctx, x, gpu);
  tn_tensor *part[TN_MAX_OUTPUTS] = {NULL}, *y[TN_MAX_OUTPUTS] = {NULL}, *two = NULL, *seed;
  tn_attrs narrow = {.i = {0, 1, 3}, .ni = 3};
  const int64_t three[] = {3};
  tn_set_requires_grad(ctx, g, true);
  tn_tensor_scalar(ctx, &two, TN_F64, 2);
  tn_tensor_mark_number(two);
  seed = filled(ctx, TN_F32, 1, three, 1, 2);
  tn_tensor *there = on(ctx, seed, gpu);
  bool good = tn_apply(ctx, TN_OP_narrow, 1, &g, &narrow, part) == TN_OK;
  good = good && tn_apply(ctx, TN_OP_mul, 2, (tn_tensor *[]){part[0], two}, NULL, y) == TN_OK;
  for (int twice = 0; twice < 2; twice++) {
    good = good && tn_backward(ctx, 1, y, &there, 0, NULL, NULL,
                               (tn_backward_options){true, false}) == TN_OK;
  }
  const tn_tensor *grad = tn_grad(g);
  good = good && grad != NULL && tn_tensor_device(grad) == gpu && tn_tensor_get(grad, 0) == 0 &&
         tn_tensor_get(grad, 2) == 4 * (float)tn_tensor_get(seed, 1);
  check(good, "a leaf on a device gathers its gradient there");
  tn_tensor *all[] = {x, g, part[0], y[0], two, seed, there};
  for (int i = 0; i < 7; i++) tn_tensor_release(all[i]);
}

static void test_writes(tn_ctx *ctx) {
  const int64_t sizes[] = {3, 2}, more[] = {5, 2};
  tn_tensor *x = filled(ctx, TN_F32, 2, sizes, 1, 2), *g = on(ctx, x, gpu), *v = NULL;
  tn_tensor_put(g, 3, 7.5);
  check(tn_tensor_get(g, 3) == 7.5 && tn_tensor_get(g, 2) == tn_tensor_get(x, 2),
        "single elements are read and written");
  check(tn_tensor_resize(ctx, g, 2, more, NULL) == TN_OK && tn_tensor_get(g, 3) == 7.5 &&
            tn_tensor_device(g) == gpu, "resizing keeps the values and the device");
  tn_tensor_scalar(ctx, &v, TN_I64, 3);
  tn_tensor *in[2] = {g, v};
  bool good = tn_apply_inplace(ctx, TN_OP_fill, 2, in, NULL) == TN_OK && tn_tensor_get(g, 9) == 3;
  check(good && tn_apply_inplace(ctx, TN_OP_zero, 1, &g, NULL) == TN_OK &&
            tn_tensor_get(g, 9) == 0, "fill and zero");
  tn_tensor *t = transposed(ctx, g), *c[TN_MAX_OUTPUTS] = {NULL};
  tn_apply_inplace(ctx, TN_OP_fill, 2, (tn_tensor *[]){t, v}, NULL);
  check(tn_apply(ctx, TN_OP_contiguous, 1, &t, NULL, c) == TN_OK && tn_tensor_get(c[0], 8) == 3 &&
            tn__contiguous(c[0]), "fill through a transposed view");
  tn_tensor *all[] = {x, g, v, t, c[0]};
  for (int i = 0; i < 5; i++) tn_tensor_release(all[i]);
}

static void test_refusals(tn_ctx *ctx) {
  const int64_t sizes[] = {2, 2};
  tn_tensor *x = filled(ctx, TN_F32, 2, sizes, 1, 2), *g = on(ctx, x, gpu), *h = on(ctx, x, other);
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL}, *z = NULL, *n = NULL;
  tn_status s = tn_apply(ctx, TN_OP_add, 2, (tn_tensor *[]){g, x}, NULL, out);
  check(says(ctx, s, "add: input 2 is on cpu, but others are on cuda:0"), "mixed devices");
  s = tn_apply(ctx, TN_OP_add, 2, (tn_tensor *[]){h, g}, NULL, out);
  check(says(ctx, s, "add: input 2 is on cuda:0, but others are on cuda:1"), "two devices");
  tn_tensor *given[TN_MAX_OUTPUTS] = {g};
  s = tn_apply(ctx, TN_OP_exp, 1, &x, NULL, given);
  check(says(ctx, s, "exp: input 1 is on cpu"), "a result on a device, of an input that is not");
  tn_tensor_to(ctx, &n, x, gpu, TN_I64);
  tn_tensor_scalar(ctx, &z, TN_I64, 0);
  s = tn_apply(ctx, TN_OP_div, 2, (tn_tensor *[]){n, z}, NULL, out);
  check(says(ctx, s, "div: integer division by zero"), "integers divided by a number 0");
  tn_tensor_put(n, 1, 0);
  s = tn_apply(ctx, TN_OP_fmod, 2, (tn_tensor *[]){n, n}, NULL, out);
  check(says(ctx, s, "fmod: integer division by zero"), "integers divided by zeros of a device");
  fake.room = 1 << 20;
  const int64_t many[] = {1 << 20};
  tn_tensor *big = NULL;
  s = tn_tensor_new_on(ctx, &big, gpu, TN_F32, 1, many);
  check(big == NULL && says(ctx, s, "not enough memory on cuda:0 for 4.0 MiB"), "out of memory");
  tn_tensor *all[] = {x, g, h, n, z};
  for (int i = 0; i < 5; i++) tn_tensor_release(all[i]);
}

/* No kernel: the CPU does it, on copies. */
static void test_detours(tn_ctx *ctx) {
  const int64_t sizes[] = {3, 3};
  tn_tensor *x = filled(ctx, TN_F32, 2, sizes, 1, 2), *g = on(ctx, x, gpu);
  tn_tensor *want[TN_MAX_OUTPUTS] = {NULL}, *got[TN_MAX_OUTPUTS] = {NULL};
  tn_tensor *given[TN_MAX_OUTPUTS] = {on(ctx, x, gpu)}, *total[TN_MAX_OUTPUTS] = {NULL};
  const uint64_t before = tn_device_detours(TN_OP_mm);
  tn_set_requires_grad(ctx, g, true);
  bool good = tn_apply(ctx, TN_OP_mm, 2, (tn_tensor *[]){x, x}, NULL, want) == TN_OK &&
              tn_apply(ctx, TN_OP_mm, 2, (tn_tensor *[]){g, g}, NULL, got) == TN_OK;
  check(good && equal(want[0], got[0]) && tn_tensor_device(got[0]) == gpu &&
            tn_device_detours(TN_OP_mm) == before + 1, "an operation without kernel");
  tn_tensor *plain = on(ctx, x, gpu);
  good = tn_apply(ctx, TN_OP_mm, 2, (tn_tensor *[]){plain, plain}, NULL, given) == TN_OK;
  check(good && equal(want[0], given[0]), "and with a given result");
  tn_tensor *both[2] = {g, x};
  tn_status s = tn_apply(ctx, TN_OP_mm, 2, both, NULL, total);
  check(says(ctx, s, "mm: input 2 is on cpu"), "but not of mixed devices");
  good = tn_apply(ctx, TN_OP_sum, 1, got, NULL, total) == TN_OK &&
         tn_backward(ctx, 1, total, NULL, 0, NULL, NULL, (tn_backward_options){false, false}) ==
             TN_OK;
  const tn_tensor *d = tn_grad(g);
  double expected = 0; /* of sum(x x) by x[0][0]: its row's and its column's sum */
  for (int i = 0; i < 3; i++) expected += tn_tensor_get(x, i) + tn_tensor_get(x, 3 * i);
  check(good && tn_tensor_device(d) == gpu && fabs(tn_tensor_get(d, 0) - expected) < 1e-5,
        "its gradient comes by way of the CPU, too");
  tn_tensor *all[] = {x, g, want[0], got[0], given[0], total[0], plain};
  for (int i = 0; i < 7; i++) tn_tensor_release(all[i]);
}

static void test_names(tn_ctx *ctx) {
  tn_device d = 99;
  char name[TN_DEVICE_TEXT];
  check(tn_device_parse(ctx, &d, "cpu") == TN_OK && d == TN_CPU, "'cpu'");
  check(tn_device_parse(ctx, &d, "cuda") == TN_OK && d == gpu, "'cuda' is the first one");
  check(tn_device_parse(ctx, &d, "cuda:1") == TN_OK && d == other &&
            strcmp(tn_device_name(d, name), "cuda:1") == 0, "'cuda:1' and back");
  check(says(ctx, tn_device_parse(ctx, &d, "cuda:2"), "the last one is 'cuda:1'"), "'cuda:2'");
  check(says(ctx, tn_device_parse(ctx, &d, "cuda:"), "no such device"), "'cuda:'");
  check(says(ctx, tn_device_parse(ctx, &d, "cuda:1x"), "no such device"), "'cuda:1x'");
  check(says(ctx, tn_device_parse(ctx, &d, "gpu"), "no such device"), "'gpu'");
}

/* -- The plug-in ------------------------------------------------------------------------------- */

/* Its kernels cannot run here, but what there are can be told. */
static void test_plugin(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    printf("# no plug-in: %s\n", dlerror());
    return;
  }
  tn_backend_entry *entry;
  *(void **)&entry = dlsym(library, TN_BACKEND_SYMBOL);
  check(entry != NULL && entry()->version == TN_BACKEND_VERSION, "the plug-in loads");
  if (entry == NULL || entry()->version != TN_BACKEND_VERSION) return;
  const tn_backend *b = entry();
  bool all = true;
  int missing = 0;
  for (int code = 0; code < TN_PW_COUNT; code++) {
    const tn_pointwise_kernels *k = &b->pointwise[code];
    const tn_op_info info = tn_op_describe((tn_opcode)code);
    bool good = info.floats ? k->run[TN_AS_F32] && k->run[TN_AS_F64] : k->run[TN_AS_I64] != NULL;
    for (int i = 0; i < 3 && info.no_grad == NULL && tn__ops[code]->pointwise->text[i][0]; i++) {
      good = good && k->grad[i][0] != NULL && k->grad[i][1] != NULL;
    }
    if (!good) printf("# %s lacks a kernel\n", info.name);
    all = all && good;
  }
  check(all, "every pointwise operation has its CUDA kernels");
  for (int code = 0; code < TN_OP_COUNT; code++) {
    const tn_op *op = tn__ops[code];
    if (op->pointwise != NULL || op->view != NULL || op->compose != NULL) continue;
    if (op->flags & (TN_MOVES | TN_ANYWHERE)) continue;
    missing += b->kernels[code] == NULL;
    if (b->kernels[code] == NULL) printf("# no CUDA kernel for %s\n", op->name);
  }
  printf("# %d operations without CUDA kernel\n", missing);
}

int main(int argc, char **argv) {
  (void)argc;
  char path[1024];
  tn_config config = {.size = sizeof config, .threads = 1};
  tn_ctx *ctx = tn_open(&config);
  test_divider();
  test_positions();
  test_large_positions();
  if (!TN_DEVICES) { /* the embedded build has none */
    tn_close(ctx);
    return failures > 0;
  }
  /* BUILD/obj/<kind>/spec/tensor/device_test, and the plug-in in BUILD */
  snprintf(path, sizeof path, "%s", argv[0]);
  char *slash = strrchr(path, '/');
  if (slash != NULL) {
    snprintf(slash, sizeof path - (size_t)(slash - path), "/../../../../libmoonlet-cuda.so");
    test_plugin(path);
  }
  tn__backend_use(&fake_backend);
  check(tn_device_count(ctx, TN_CUDA) == 2, "two fake devices");
  test_names(ctx);
  test_copies(ctx);
  test_pointwise(ctx);
  test_gradients(ctx);
  test_leaf(ctx);
  test_writes(ctx);
  test_detours(ctx);
  test_refusals(ctx);
  check(fake.live == 0 && tn_memory(ctx).live_bytes == 0, "all memory came back");
  tn_close(ctx);
  return failures > 0;
}
