/* fake_device.h -- two devices that are none: a backend whose memory is the host's, but may be
 * touched only while the backend itself works. A host that reads a device's memory dies here as it
 * would with a GPU. Kernels go element by element: cuda/indexing.h tells where elements lie, and
 * the CPU's own kernels calculate. */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <stdio.h>
#include <sys/mman.h>

#include "cuda/indexing.h"
#include "tensor/cpu/half.h"
#include "tensor/device.h"

enum { FAKE_BLOCKS = 4096, FAKE_PAGE = 4096 };

static struct {
  void *data[FAKE_BLOCKS];
  size_t bytes[FAKE_BLOCKS];
  int device[FAKE_BLOCKS], count, live, kernels;
  size_t room; /* bytes that one block may have */
  const char *message;
} fake = {.room = (size_t)1 << 30, .message = ""};

/* Opens or closes all memory of a device to this process. */
static void fake_open(int device, bool open) {
  for (int i = 0; i < fake.count; i++) {
    if (fake.data[i] == NULL || fake.device[i] != device) continue;
    mprotect(fake.data[i], fake.bytes[i], open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
}

static tn_status fake_count(int *devices) {
  *devices = 2;
  return TN_OK;
}

static tn_status fake_info(int device, tn_device_info *info) {
  memset(info, 0, sizeof *info);
  snprintf(info->name, sizeof info->name, "fake %d", device);
  info->memory = info->free_memory = fake.room;
  return TN_OK;
}

static tn_status fake_synchronize(int device) {
  (void)device;
  return TN_OK;
}

static const char *fake_message(void) { return fake.message; }

static tn_status fake_alloc(int device, size_t bytes, void **out) {
  if (bytes > fake.room || fake.count == FAKE_BLOCKS) return TN_ENOMEM;
  size_t size = (bytes / FAKE_PAGE + 1) * FAKE_PAGE;
  *out = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fake.data[fake.count] = *out;
  fake.bytes[fake.count] = size;
  fake.device[fake.count++] = device;
  fake.live++;
  return TN_OK;
}

static void fake_free(int device, void *data) {
  for (int i = 0; i < fake.count; i++) {
    if (fake.data[i] != data || fake.device[i] != device) continue;
    munmap(data, fake.bytes[i]);
    fake.data[i] = NULL;
    fake.live--;
  }
}

static tn_status fake_write(int device, void *to, const void *host, size_t bytes) {
  fake_open(device, true);
  memcpy(to, host, bytes);
  fake_open(device, false);
  return TN_OK;
}

static tn_status fake_read(int device, void *host, const void *from, size_t bytes) {
  fake_open(device, true);
  memcpy(host, from, bytes);
  fake_open(device, false);
  return TN_OK;
}

static tn_status fake_peer(int to_device, void *to, int from_device, const void *from,
                           size_t bytes) {
  fake_open(to_device, true);
  fake_open(from_device, true);
  memcpy(to, from, bytes);
  fake_open(to_device, false);
  fake_open(from_device, false);
  return TN_OK;
}

/* -- Kernels ----------------------------------------------------------------------------------- */

static const tn_dtype fake_dtypes[TN_AS_COUNT] = {TN_F32, TN_F64, TN_I64};

/* Element `at` of a view, in the type that is calculated with. */
static void fake_load(void *value, tn_computed as, const tn_view *v, int64_t at) {
  if (v->data == NULL) {
    bool whole = !tn_dtype_is_float((tn_dtype)v->dtype);
    tn__convert(1, value, fake_dtypes[as], 1, whole ? (const void *)&v->whole : &v->real,
                whole ? TN_I64 : TN_F64, 1);
    return;
  }
  tn__convert(1, value, fake_dtypes[as], 1,
              (char *)v->data + at * (int64_t)tn_dtype_size((tn_dtype)v->dtype),
              (tn_dtype)v->dtype, 1);
}

static void fake_store(const tn_view *v, int64_t at, const void *value, tn_dtype dtype) {
  tn__convert(1, (char *)v->data + at * (int64_t)tn_dtype_size((tn_dtype)v->dtype),
              (tn_dtype)v->dtype, 1, value, dtype, 1);
}

static tn_status fake_run(tn_kernel_call *call, tn_kernel *kernel, tn_computed as, bool test,
                          int nin) {
  double in[TN_POINTWISE_INPUTS], result[1];
  const void *values[TN_POINTWISE_INPUTS];
  tn_positions index;
  tn_index_make(&index, &call->out[0], call->in, nin);
  fake_open(call->device, true);
  for (uint64_t i = 0; i < index.count; i++) {
    int64_t at[TN_INDEX_VIEWS];
    tn_index_at(&index, i, nin + 1, at);
    for (int k = 0; k < nin; k++) {
      values[k] = &in[k];
      fake_load(&in[k], as, &call->in[k], at[k + 1]);
    }
    kernel(1, result, values, 0, call->attrs->f);
    fake_store(&call->out[0], at[0], result, test ? TN_U8 : fake_dtypes[as]);
  }
  fake_open(call->device, false);
  fake.kernels++;
  return TN_OK;
}

static tn_status fake_move(tn_kernel_call *call) {
  const bool real = tn_dtype_is_float((tn_dtype)call->in[0].dtype);
  tn_positions index;
  double value;
  tn_index_make(&index, &call->out[0], call->in, 1);
  fake_open(call->device, true);
  for (uint64_t i = 0; i < index.count; i++) {
    int64_t at[2];
    tn_index_at(&index, i, 2, at);
    fake_load(&value, real ? TN_AS_F64 : TN_AS_I64, &call->in[0], at[1]);
    fake_store(&call->out[0], at[0], &value, real ? TN_F64 : TN_I64);
  }
  fake_open(call->device, false);
  return TN_OK;
}

static tn_status fake_has_zero(int device, const tn_view *integers, bool *found) {
  tn_positions index;
  int64_t value, at[1];
  tn_index_make(&index, integers, NULL, 0);
  *found = false;
  fake_open(device, true);
  for (uint64_t i = 0; i < index.count; i++) {
    tn_index_at(&index, i, 1, at);
    fake_load(&value, TN_AS_I64, integers, at[0]);
    *found = *found || value == 0;
  }
  fake_open(device, false);
  return TN_OK;
}

/* The kernel that the CPU takes: of the best instruction set that has its own. */
static tn_kernel *fake_kernel(int row, int input, int as) {
  tn_kernel *kernel = NULL;
  for (int isa = tn__isa(); isa >= 0 && kernel == NULL; isa--) {
    const tn_kernels *k = &TN_ISA_AT(isa, tn__pointwise)[row];
    kernel = input < 0 ? k->run[as] : k->grad[input][as];
  }
  return kernel;
}

/* One function for each row, type and derivative, as the plug-in has them. */
#define TEST_NUM false
#define TEST_FLT false
#define TEST_CMP true
#define TEST_BIT false
#define TEST_RNUM false
#define TEST_RFLT false
#define TEST_RCMP true
#define TEST_TRG false
#define ROW(name, kind, nin)                                                                      \
  static tn_status name##_f32(tn_kernel_call *c) {                                                \
    return fake_run(c, fake_kernel(TN_PW_##name, -1, 0), TN_AS_F32, TEST_##kind, nin);            \
  }                                                                                               \
  static tn_status name##_f64(tn_kernel_call *c) {                                                \
    return fake_run(c, fake_kernel(TN_PW_##name, -1, 1), TN_AS_F64, TEST_##kind, nin);            \
  }                                                                                               \
  static tn_status name##_i64(tn_kernel_call *c) {                                                \
    return fake_run(c, tn__pointwise_int[TN_PW_##name], TN_AS_I64, TEST_##kind, nin);             \
  }                                                                                               \
  GRAD(name, a, 0) GRAD(name, b, 1) GRAD(name, c, 2)
#define GRAD(name, k, index)                                                                      \
  static tn_status name##_grad_##k##_f32(tn_kernel_call *c) {                                     \
    return fake_run(c, fake_kernel(TN_PW_##name, index, 0), TN_AS_F32, false, 5);                 \
  }                                                                                               \
  static tn_status name##_grad_##k##_f64(tn_kernel_call *c) {                                     \
    return fake_run(c, fake_kernel(TN_PW_##name, index, 1), TN_AS_F64, false, 5);                 \
  }
#define TN_UNARY(name, kind, ...) ROW(name, kind, 1)
#define TN_BINARY(name, kind, ...) ROW(name, kind, 2)
#define TN_TERNARY(name, kind, ...) ROW(name, kind, 3)
#include "tensor/pointwise.def"
#undef TN_UNARY
#undef TN_BINARY
#undef TN_TERNARY

#define KERNELS(name, ...)                                                                        \
  [TN_OP_##name] = {{name##_f32, name##_f64, name##_i64},                                         \
                    {{name##_grad_a_f32, name##_grad_a_f64},                                      \
                     {name##_grad_b_f32, name##_grad_b_f64},                                      \
                     {name##_grad_c_f32, name##_grad_c_f64}}},
#define TN_UNARY KERNELS
#define TN_BINARY KERNELS
#define TN_TERNARY KERNELS
static const tn_pointwise_kernels fake_pointwise[TN_OP_COUNT] = {
#include "tensor/pointwise.def"
};
#undef TN_UNARY
#undef TN_BINARY
#undef TN_TERNARY

static tn_device_kernel *const fake_kernels[TN_OP_COUNT];

static tn_status fake_enter(int device, int *before) {
  *before = device;
  return TN_OK;
}

static void fake_leave(int device, int before) { (void)device, (void)before; }

static tn_status fake_memory(int device, tn_device_memory *out, bool forget_most) {
  (void)device, (void)forget_most;
  memset(out, 0, sizeof *out);
  return TN_OK;
}

static const volatile int fake_streams;

static const tn_backend fake_backend = {
    .memory = fake_memory, .streams = &fake_streams,
    .version = TN_BACKEND_VERSION, .op_count = TN_OP_COUNT, .name = "fake", .count = fake_count,
    .info = fake_info, .synchronize = fake_synchronize, .message = fake_message,
    .alloc = fake_alloc, .free = fake_free, .write = fake_write, .read = fake_read,
    .peer = fake_peer, .move = fake_move, .has_zero = fake_has_zero,
    .enter = fake_enter, .leave = fake_leave, .pointwise = fake_pointwise,
    .kernels = fake_kernels, .gradients = fake_kernels};

#endif
