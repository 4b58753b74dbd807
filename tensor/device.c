/* device.c -- tensors that lie elsewhere than in the host's memory: storages, copies, and calls of
 * a backend's kernels. Nothing here runs while only the CPU is in use. */
#include "tensor/device.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tensor/pointwise.h"

/* Kernels of pointwise operations are found by operation. */
_Static_assert((int)TN_OP_view == (int)TN_PW_COUNT, "pointwise rows come first in the table");

static int number_of(int device) { return device >> 8; }

const char *tn_device_name(tn_device device, char buffer[TN_DEVICE_TEXT]) {
  if (device == TN_CPU) snprintf(buffer, TN_DEVICE_TEXT, "cpu");
  else snprintf(buffer, TN_DEVICE_TEXT, "cuda:%d", number_of(device) & 0xff);
  return buffer;
}

/* Tells of a backend's failure. */
static tn_status failed(tn_ctx *ctx, const tn_backend *b, tn_status s) {
  return s == TN_OK ? s : tn_fail(ctx, s, "cuda: %s", b->message());
}

/* -- Which there are --------------------------------------------------------------------------- */

int tn_device_count(tn_ctx *ctx, tn_device_type type) {
  if (type == TN_CPU) return 1;
  const tn_backend *b = tn__backend(ctx);
  int n = 0;
  if (b == NULL || failed(ctx, b, b->count(&n)) != TN_OK) return 0;
  if (n == 0) tn_fail(ctx, TN_EDEVICE, "cuda: no GPU found");
  return n < 128 ? n : 128;
}

tn_status tn_device_parse(tn_ctx *ctx, tn_device *out, const char *text) {
  *out = TN_CPU;
  if (strcmp(text, "cpu") == 0) return TN_OK;
  long number = 0;
  char *end = NULL;
  if (strncmp(text, "cuda", 4) == 0) {
    if (text[4] == 0) end = "";
    else if (text[4] == ':' && isdigit((unsigned char)text[5])) number = strtol(text + 5, &end, 10);
  }
  if (end == NULL || *end != 0) {
    return tn_fail(ctx, TN_EDEVICE,
                   "no such device: '%.60s' ('cpu', 'cuda' or a numbered one like 'cuda:1' "
                   "expected)", text);
  }
  int n = tn_device_count(ctx, TN_CUDA);
  if (n == 0) return TN_EDEVICE;
  if (number >= n) {
    return tn_fail(ctx, TN_EDEVICE, "no such device: '%.60s' (the last one is 'cuda:%d')", text,
                   n - 1);
  }
  *out = TN_DEVICE(TN_CUDA, (int)number);
  return TN_OK;
}

tn_status tn_device_synchronize(tn_ctx *ctx, tn_device device) {
  if (device == TN_CPU) return TN_OK;
  const tn_backend *b = tn__backend(ctx);
  return b == NULL ? TN_EDEVICE : failed(ctx, b, b->synchronize(number_of(device)));
}

/* -- Storages ---------------------------------------------------------------------------------- */

static tn_status no_memory(tn_ctx *ctx, const tn_backend *b, int device, size_t bytes) {
  tn_device_info info = {.memory = 0};
  char name[TN_DEVICE_TEXT];
  b->info(number_of(device), &info);
  return tn_fail(ctx, TN_ENOMEM, "not enough memory on %s for %.1f MiB: %.1f of %.1f MiB are free",
                 tn_device_name(device, name), (double)bytes / 1048576.0,
                 (double)info.free_memory / 1048576.0, (double)info.memory / 1048576.0);
}

static tn_status allocate(tn_ctx *ctx, const tn_backend *b, int device, size_t bytes, void **out) {
  *out = NULL;
  tn_status s = bytes > TN_MOST_BYTES ? TN_ENOMEM : b->alloc(number_of(device), bytes, out);
  if (s == TN_ENOMEM) return no_memory(ctx, b, device, bytes);
  return failed(ctx, b, s);
}

static void release(void *arg) {
  const tn_storage *s = arg;
  tn__backend_loaded()->free(number_of(s->device), s->data);
}

tn_status tn__device_attach(tn_ctx *ctx, tn_storage *s, size_t bytes) {
  const tn_backend *b = tn__backend(ctx);
  if (b == NULL) return TN_EDEVICE;
  tn_status status = allocate(ctx, b, ctx->device, bytes, &s->data);
  if (status != TN_OK) return status;
  s->device = ctx->device;
  s->release = release;
  s->arg = s;
  return TN_OK;
}

tn_status tn__device_grow(tn_ctx *ctx, tn_storage *s, size_t bytes) {
  const tn_backend *b = tn__backend_loaded();
  const int number = number_of(s->device);
  void *data;
  tn_status status = allocate(ctx, b, s->device, bytes, &data);
  if (status != TN_OK) return status;
  status = failed(ctx, b, b->peer(number, data, number, s->data, s->bytes));
  if (status == TN_OK && !tn__recount(s->allocator, s->bytes, bytes)) {
    status = tn_fail(ctx, TN_ENOMEM, "not enough memory for %.1f MiB below the limit",
                     (double)bytes / 1048576.0);
  }
  b->free(number, status == TN_OK ? s->data : data);
  if (status == TN_OK) s->data = data;
  return status;
}

/* -- Elements ---------------------------------------------------------------------------------- */

static char *address(const tn_tensor *t, int64_t at) {
  return tn__data(t) + at * (int64_t)tn_dtype_size((tn_dtype)t->dtype);
}

double tn__device_get(const tn_tensor *t, int64_t at) {
  const tn_backend *b = tn__backend_loaded();
  const size_t item = tn_dtype_size((tn_dtype)t->dtype);
  double value = 0;
  tn_status s = b->read(number_of(t->storage->device), &value, address(t, at), item);
  return s == TN_OK ? tn__load(&value, (tn_dtype)t->dtype, 0) : NAN;
}

void tn__device_put(const tn_tensor *t, int64_t at, double value) {
  const tn_backend *b = tn__backend_loaded();
  double stored = 0;
  tn__store(&stored, (tn_dtype)t->dtype, 0, value);
  b->write(number_of(t->storage->device), address(t, at), &stored,
           tn_dtype_size((tn_dtype)t->dtype));
}

/* -- Views ------------------------------------------------------------------------------------- */

/* Does every element of the view lie in one place? */
static bool is_one_value(const tn_tensor *t) {
  for (int d = 0; d < t->ndim; d++) {
    if (t->sizes[d] != 1 && t->strides[d] != 0) return false;
  }
  return true;
}

/* A number of the host goes with the call, so that it needs no memory on the device. */
static void view_of(tn_view *v, const tn_tensor *t) {
  v->dtype = t->dtype;
  v->ndim = t->ndim;
  memcpy(v->sizes, t->sizes, sizeof(int64_t) * t->ndim);
  memcpy(v->strides, t->strides, sizeof(int64_t) * t->ndim);
  v->data = tn__data(t);
  v->real = 0;
  v->whole = 0;
  if (t->storage->device != TN_CPU) return;
  v->real = tn__load(v->data, (tn_dtype)t->dtype, 0);
  if (t->dtype == TN_I64) v->whole = *(const int64_t *)v->data;
  else if (!tn_dtype_is_float((tn_dtype)t->dtype)) v->whole = (int64_t)v->real;
  v->data = NULL;
}

static bool broadcasts(const tn_tensor *t, const tn_tensor *out) {
  if (t->ndim > out->ndim) return false;
  for (int d = 1; d <= t->ndim; d++) {
    int64_t size = t->sizes[t->ndim - d];
    if (size != 1 && size != out->sizes[out->ndim - d]) return false;
  }
  return true;
}

/* The view of an input of a pointwise kernel. As many elements in another shape are read in their
 * order, from *copy where they do not lie so. */
static tn_status input_view(tn_ctx *ctx, tn_view *v, tn_tensor *t, const tn_tensor *out,
                            tn_tensor **copy) {
  *copy = NULL;
  if (broadcasts(t, out)) {
    view_of(v, t);
    return TN_OK;
  }
  tn_status s = tn__contiguous_of(ctx, copy, t, (tn_dtype)t->dtype);
  if (s != TN_OK) return s;
  view_of(v, *copy);
  v->ndim = out->ndim;
  memcpy(v->sizes, out->sizes, sizeof(int64_t) * out->ndim);
  tn__contiguous_strides(out->ndim, out->sizes, v->strides);
  return TN_OK;
}

/* -- Copies ------------------------------------------------------------------------------------ */

/* Within a device, or of one value of the host. */
static tn_status move(tn_ctx *ctx, const tn_backend *b, const tn_tensor *dst,
                      const tn_tensor *src) {
  tn_kernel_call k;
  k.device = number_of(dst->storage->device);
  k.nin = 1;
  k.attrs = NULL;
  view_of(&k.out[0], dst);
  view_of(&k.in[0], src);
  return failed(ctx, b, b->move(&k));
}

/* Between devices; both are contiguous, and of one dtype. */
static tn_status transfer(tn_ctx *ctx, const tn_backend *b, const tn_tensor *dst,
                          const tn_tensor *src) {
  const int to = dst->storage->device, from = src->storage->device;
  const size_t bytes = (size_t)tn__numel(dst) * tn_dtype_size((tn_dtype)dst->dtype);
  void *target = tn__data(dst);
  const void *source = tn__data(src);
  tn_status s;
  if (from == TN_CPU) s = b->write(number_of(to), target, source, bytes);
  else if (to == TN_CPU) s = b->read(number_of(from), target, source, bytes);
  else s = b->peer(number_of(to), target, number_of(from), source, bytes);
  return failed(ctx, b, s);
}

/* Packs on the device that has the values, and unpacks on the one that wants them. */
static tn_status carry(tn_ctx *ctx, const tn_backend *b, const tn_tensor *dst,
                       const tn_tensor *src) {
  const tn_dtype dtype = (tn_dtype)dst->dtype;
  const int16_t was = ctx->device;
  tn_tensor *packed = NULL, *landed = NULL;
  tn_status s = TN_OK;
  if (src->dtype != dtype || !tn__contiguous(src)) {
    ctx->device = src->storage->device;
    s = tn_tensor_new(ctx, &packed, dtype, src->ndim, src->sizes);
    if (s == TN_OK) s = tn__copy_view(ctx, packed, src);
    src = packed;
  }
  if (s == TN_OK && !tn__contiguous(dst)) {
    ctx->device = dst->storage->device;
    s = tn_tensor_new(ctx, &landed, dtype, dst->ndim, dst->sizes);
  }
  if (s == TN_OK) s = transfer(ctx, b, landed != NULL ? landed : dst, src);
  if (s == TN_OK && landed != NULL) s = tn__copy_view(ctx, dst, landed);
  ctx->device = was;
  tn_tensor_release(packed);
  tn_tensor_release(landed);
  return s;
}

tn_status tn__device_copy(tn_ctx *ctx, const tn_tensor *dst, const tn_tensor *src) {
  const tn_backend *b = tn__backend(ctx);
  const int to = dst->storage->device, from = src->storage->device;
  if (b == NULL) return TN_EDEVICE;
  if (tn__numel(dst) == 0) return TN_OK;
  if (to == from || (from == TN_CPU && is_one_value(src))) return move(ctx, b, dst, src);
  return carry(ctx, b, dst, src);
}

/* -- Calls ------------------------------------------------------------------------------------- */

static tn_status mixed(const tn_call *call, const char *what, int i, int device, int other) {
  char a[TN_DEVICE_TEXT], b[TN_DEVICE_TEXT];
  return tn_fail(call->ctx, TN_EDEVICE, "%s %d is on %s, but others are on %s: use :cuda() or "
                 ":cpu()", what, i + 1, tn_device_name(device, a), tn_device_name(other, b));
}

/* Plain numbers and tensors without dimensions may stay on the CPU. */
static tn_status check_places(const tn_call *call, tn_tensor *const *given, int device) {
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (t == NULL || t->storage->device == device) continue;
    if (t->storage->device == TN_CPU && t->ndim == 0) continue;
    return mixed(call, "input", i, t->storage->device, device);
  }
  for (int i = 0; i < call->op->nout; i++) {
    const tn_tensor *t = given[i];
    if (t != NULL && t->storage->device != device) {
      return mixed(call, "result", i, t->storage->device, device);
    }
  }
  return TN_OK;
}

static int first_device(const tn_call *call, tn_tensor *const *given) {
  for (int i = 0; i < call->nin; i++) {
    if (call->in[i] != NULL && call->in[i]->storage->device != TN_CPU) {
      return call->in[i]->storage->device;
    }
  }
  for (int i = 0; i < call->op->nout; i++) {
    if (given[i] != NULL && given[i]->storage->device != TN_CPU) return given[i]->storage->device;
  }
  return TN_CPU;
}

tn_status tn__device_place(const tn_call *call, tn_tensor *const *given, int16_t *device) {
  const tn_op *op = call->op;
  *device = (int16_t)first_device(call, given);
  if (op == &tn__op_copy) { /* goes anywhere */
    *device = call->in[0]->storage->device;
    return TN_OK;
  }
  if (op == &tn__op_to && call->attrs->ni > 1) {
    *device = (int16_t)call->attrs->i[1];
    return TN_OK;
  }
  if (*device == TN_CPU) return TN_OK;
  tn_status s = check_places(call, given, *device);
  if (s != TN_OK || op->view != NULL || op->compose != NULL || op->pointwise != NULL ||
      (op->flags & TN_MOVES)) {
    return s;
  }
  const tn_backend *b = tn__backend(call->ctx);
  if (b == NULL) return TN_EDEVICE;
  if (b->kernels[call->code] == NULL || call->nin > TN_KERNEL_INPUTS) {
    return tn_fail(call->ctx, TN_EDEVICE, "no CUDA kernel for this operation: use :cpu()");
  }
  return TN_OK;
}

/* Integers must not be divided by 0. */
static tn_status check_divisor(const tn_call *call, const tn_backend *b, int device,
                               const tn_view *divisor) {
  bool zero = divisor->data == NULL && divisor->whole == 0;
  if (divisor->data != NULL) {
    tn_status s = failed(call->ctx, b, b->has_zero(device, divisor, &zero));
    if (s != TN_OK) return s;
  }
  return zero ? tn_fail(call->ctx, TN_EARG, "integer division by zero") : TN_OK;
}

static tn_computed computed_of(tn_dtype dtype) {
  tn_dtype c = tn__compute_dtype(dtype);
  return c == TN_F32 ? TN_AS_F32 : c == TN_F64 ? TN_AS_F64 : TN_AS_I64;
}

static tn_status run_pointwise(tn_call *call, const tn_backend *b) {
  const tn_pointwise *pw = call->op->pointwise;
  const tn_computed as = computed_of((tn_dtype)call->dim);
  tn_device_kernel *kernel = b->pointwise[pw->index].run[as];
  tn_tensor *copies[TN_MAX_INPUTS] = {NULL};
  tn_kernel_call k;
  tn_status s = TN_OK;
  if (kernel == NULL) {
    return tn_fail(call->ctx, TN_EDTYPE, "no such operation on %s",
                   tn_dtype_name((tn_dtype)call->dim));
  }
  k.device = number_of(call->ctx->device);
  k.nin = call->nin;
  k.attrs = call->attrs;
  view_of(&k.out[0], call->out[0]);
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    s = input_view(call->ctx, &k.in[i], call->in[i], call->out[0], &copies[i]);
  }
  bool divides = pw->divides && as == TN_AS_I64 && tn__numel(call->out[0]) > 0;
  if (s == TN_OK && divides) s = check_divisor(call, b, k.device, &k.in[1]);
  if (s == TN_OK) s = failed(call->ctx, b, kernel(&k));
  for (int i = 0; i < call->nin; i++) tn_tensor_release(copies[i]);
  return s;
}

tn_status tn__device_run(tn_call *call) {
  const tn_backend *b = tn__backend(call->ctx);
  if (b == NULL) return TN_EDEVICE;
  if (call->op->flags & TN_MOVES) return call->op->run(call);
  if (call->op->pointwise != NULL) return run_pointwise(call, b);
  tn_generator *g = call->attrs->generator != NULL ? call->attrs->generator
                                                   : &call->ctx->generator;
  tn_kernel_call k;
  k.device = number_of(call->ctx->device);
  k.nin = call->nin;
  k.attrs = call->attrs;
  k.seed = g->seed;
  k.offset = g->offset;
  k.groups = 0;
  for (int i = 0; i < call->nin; i++) {
    if (call->in[i] != NULL) view_of(&k.in[i], call->in[i]);
    else memset(&k.in[i], 0, sizeof k.in[i]);
  }
  for (int i = 0; i < call->op->nout; i++) view_of(&k.out[i], call->out[i]);
  tn_status s = failed(call->ctx, b, b->kernels[call->code](&k));
  g->offset += k.groups;
  return s;
}

tn_status tn__device_gradient(tn_grad_call *g, int input, tn_tensor **out) {
  const tn_backend *b = tn__backend_loaded();
  tn_tensor *d = g->dout[0], *in[TN_KERNEL_INPUTS] = {d}, *copies[TN_KERNEL_INPUTS] = {NULL};
  const bool f64 = d->dtype == TN_F64;
  const int16_t was = g->ctx->device;
  tn_kernel_call k;
  k.device = number_of(d->storage->device);
  k.nin = TN_KERNEL_INPUTS;
  k.attrs = g->attrs;
  for (int i = 0; i < g->nin; i++) in[1 + i] = g->in[i];
  in[4] = g->out[0];
  g->ctx->device = d->storage->device;
  tn_status s = tn_tensor_new(g->ctx, out, (tn_dtype)d->dtype, d->ndim, d->sizes);
  if (s == TN_OK) view_of(&k.out[0], *out);
  for (int i = 0; i < TN_KERNEL_INPUTS && s == TN_OK; i++) {
    if (in[i] != NULL) s = input_view(g->ctx, &k.in[i], in[i], *out, &copies[i]);
    else memset(&k.in[i], 0, sizeof k.in[i]);
  }
  if (s == TN_OK) {
    s = failed(g->ctx, b, b->pointwise[g->node_op->pointwise->index].grad[input][f64](&k));
  }
  g->ctx->device = was;
  for (int i = 0; i < TN_KERNEL_INPUTS; i++) tn_tensor_release(copies[i]);
  if (s != TN_OK) {
    tn_tensor_release(*out);
    *out = NULL;
  }
  return s;
}

/* -- What users see ---------------------------------------------------------------------------- */

tn_device tn_tensor_device(const tn_tensor *t) { return t->storage->device; }

tn_status tn_tensor_new_on(tn_ctx *ctx, tn_tensor **out, tn_device device, tn_dtype dtype,
                           int ndim, const int64_t *sizes) {
  const int16_t was = ctx->device;
  ctx->device = (int16_t)device;
  tn_status s = tn_tensor_new(ctx, out, dtype, ndim, sizes);
  ctx->device = was;
  return s;
}

tn_status tn_tensor_to(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_device device,
                       tn_dtype dtype) {
  tn_attrs attrs = {.i = {dtype, device, t->storage->device}, .ni = 3};
  tn_tensor *made[TN_MAX_OUTPUTS] = {NULL};
  const int16_t was = ctx->device;
  ctx->device = (int16_t)device; /* dispatch looks closer where this is not the CPU */
  tn_status s = tn_apply(ctx, TN_OP_to, 1, &t, &attrs, made);
  ctx->device = was;
  *out = made[0];
  return s;
}
