/* device.c -- tensors that lie elsewhere than in the host's memory: storages, copies, and calls of
 * a backend's kernels. Nothing here runs while only the CPU is in use. */
#include "tensor/device.h"

#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
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

tn_status tn__device_failed(tn_ctx *ctx, const tn_backend *b, tn_status s) {
  return s == TN_OK || s == TN_DECLINED ? s : tn_fail(ctx, s, "cuda: %s", b->message());
}

static tn_status failed(tn_ctx *ctx, const tn_backend *b, tn_status s) {
  return s == TN_OK ? s : tn__device_failed(ctx, b, s);
}

/* Runs a kernel with its device made the thread's. */
static tn_status launch(tn_ctx *ctx, const tn_backend *b, tn_device_kernel *kernel,
                        tn_kernel_call *k) {
  int before;
  tn_status s = *b->streams ? tn__device_check_capture(ctx, k->device) : TN_OK;
  if (s != TN_OK) return s;
  s = b->enter(k->device, &before);
  if (s != TN_OK) return failed(ctx, b, s);
  k->tf32 = ctx->tf32;
  s = failed(ctx, b, kernel(k));
  b->leave(k->device, before);
  return s;
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
    number = ctx->gpu;
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
  tn_device_memory held = {.allocated = 0};
  char name[TN_DEVICE_TEXT];
  b->info(number_of(device), &info);
  b->memory(number_of(device), &held, false);
  const double mib = 1048576.0;
  return tn_fail(ctx, TN_ENOMEM, "not enough memory on %s for %.1f MiB: %.1f MiB are in use by "
                 "tensors, %.1f MiB are cached, and %.1f of the device's %.1f MiB are free",
                 tn_device_name(device, name), (double)bytes / mib, (double)held.allocated / mib,
                 (double)(held.reserved - held.allocated) / mib, (double)info.free_memory / mib,
                 (double)info.memory / mib);
}

/* Lets the host collect its garbage, in which tensors may be. What it runs meanwhile is no part of the
 * call that wants the memory. */
static bool reclaim(tn_ctx *ctx) {
  const tn_op *op = ctx->op;
  const int16_t device = ctx->device;
  bool (*ask)(void *) = ctx->reclaim;
  if (ask == NULL || ctx->recording != NULL) return false;
  ctx->op = NULL;
  ctx->device = TN_CPU;
  ctx->reclaim = NULL; /* not again, from what a finalizer does */
  const bool done = ask(ctx->user);
  ctx->reclaim = ask;
  ctx->device = device;
  ctx->op = op;
  return done;
}

static tn_status allocate(tn_ctx *ctx, const tn_backend *b, int device, size_t bytes, void **out) {
  *out = NULL;
  if (bytes > TN_MOST_BYTES) return no_memory(ctx, b, device, bytes);
  tn_status s = b->alloc(number_of(device), bytes, out);
  if (s == TN_ENOMEM && reclaim(ctx)) s = b->alloc(number_of(device), bytes, out);
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
  tn_status status = s->bytes == 0 ? TN_OK
                                   : tn__device_refuse_capture(ctx, b, "a tensor that grows");
  if (status == TN_OK) status = allocate(ctx, b, s->device, bytes, &data);
  if (status != TN_OK) return status;
  if (*b->streams) b->uses(number, s->data);
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

static tn_status read_element(const tn_backend *b, const tn_tensor *t, int64_t at, double *value) {
  double stored = 0;
  tn_status s = b->read(number_of(t->storage->device), &stored, address(t, at),
                        tn_dtype_size((tn_dtype)t->dtype));
  *value = s == TN_OK ? tn__load(&stored, (tn_dtype)t->dtype, 0) : NAN;
  return s;
}

double tn__device_get(const tn_tensor *t, int64_t at) {
  double value;
  read_element(tn__backend_loaded(), t, at, &value);
  return value;
}

tn_status tn__device_read(tn_ctx *ctx, const tn_tensor *t, int64_t at, double *value) {
  const tn_backend *b = tn__backend_loaded();
  return failed(ctx, b, read_element(b, t, at, value));
}

/* In the order of the stream, like any other kernel: nothing waits, and graphs take it along. */
void tn__device_put(const tn_tensor *t, int64_t at, double value) {
  const tn_backend *b = tn__backend_loaded();
  union { double real; int64_t whole; } stored = {0};
  tn_view to = {.data = address(t, at), .dtype = t->dtype}, from = {.dtype = t->dtype};
  tn_kernel_call k = {.code = TN_OP_fill, .device = number_of(t->storage->device), .nin = 1,
                      .nout = 1, .in = &from, .out = &to};
  int before;
  tn__store(&stored, (tn_dtype)t->dtype, 0, value);
  from.real = tn__load(&stored, (tn_dtype)t->dtype, 0);
  if (t->dtype == TN_I64) from.whole = stored.whole;
  else if (!tn_dtype_is_float((tn_dtype)t->dtype)) from.whole = (int64_t)from.real;
  if (b->enter(k.device, &before) != TN_OK) return;
  b->move(&k);
  b->leave(k.device, before);
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
  if (t == NULL) {
    memset(v, 0, sizeof *v);
    v->ndim = -1;
    return;
  }
  v->dtype = t->dtype;
  v->ndim = t->ndim;
  memcpy(v->sizes, t->sizes, sizeof(int64_t) * t->ndim);
  memcpy(v->strides, t->strides, sizeof(int64_t) * t->ndim);
  v->data = tn__data(t);
  v->real = 0;
  v->whole = 0;
  if (t->storage->device != TN_CPU) {
    if (*tn__backend_loaded()->streams) tn__device_uses(t->storage);
    return;
  }
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
  tn_view to, from;
  tn_kernel_call k = {.code = TN_OP_copy, .device = number_of(dst->storage->device), .nin = 1,
                      .nout = 1, .in = &from, .out = &to};
  view_of(&to, dst);
  view_of(&from, src);
  return launch(ctx, b, b->move, &k);
}

/* Between devices; both are contiguous, and of one dtype. */
static tn_status transfer(tn_ctx *ctx, const tn_backend *b, const tn_tensor *dst,
                          const tn_tensor *src) {
  const int to = dst->storage->device, from = src->storage->device;
  const size_t bytes = (size_t)tn__numel(dst) * tn_dtype_size((tn_dtype)dst->dtype);
  void *target = tn__data(dst);
  const void *source = tn__data(src);
  tn_status s;
  if (*b->streams) {
    if (to != TN_CPU) tn__device_uses(dst->storage);
    if (from != TN_CPU) tn__device_uses(src->storage);
  }
  if (from == TN_CPU && ctx->later) s = b->write_later(number_of(to), target, source, bytes);
  else if (from == TN_CPU) s = b->write(number_of(to), target, source, bytes);
  else if (to == TN_CPU && ctx->later) s = b->read_later(number_of(from), target, source, bytes);
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

/* -- Order of memory --------------------------------------------------------------------------- */

/* Strides of images without gaps whose channels, dimension 1, lie beside each other. */
static void last_strides(const tn_tensor *t, int64_t *strides) {
  int64_t next = t->sizes[1];
  strides[1] = 1;
  for (int d = t->ndim - 1; d >= 2; d--) {
    strides[d] = next;
    next *= t->sizes[d];
  }
  strides[0] = next;
}

/* With one channel, or one place, both orders are the same. */
bool tn__device_channels_last(const tn_tensor *t) {
  int64_t strides[TN_MAX_DIMS], places = 1;
  if (t->storage->device == TN_CPU || t->ndim < 3 || t->ndim > 5) return false;
  if (t->sizes[1] == 1 || t->strides[1] != 1) return false;
  last_strides(t, strides);
  for (int d = 0; d < t->ndim; d++) {
    if (t->sizes[d] != 1 && t->strides[d] != strides[d]) return false;
    if (d >= 2) places *= t->sizes[d];
  }
  return places > 1;
}

void tn__device_order(tn_tensor *made, int nin, tn_tensor *const *in) {
  if (made->ndim < 3 || made->ndim > 5) return;
  for (int i = 0; i < nin; i++) {
    const tn_tensor *t = in[i];
    if (t == NULL || t->ndim != made->ndim || t->sizes[0] != made->sizes[0]) continue;
    if (t->storage->device != made->storage->device || !tn__device_channels_last(t)) continue;
    int64_t places = 1;
    for (int d = 2; d < made->ndim; d++) places *= made->sizes[d];
    if (places > 1 && made->sizes[1] > 1) last_strides(made, made->strides);
    return;
  }
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
  return *device == TN_CPU ? TN_OK : check_places(call, given, *device);
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

tn_status tn__device_count_set(tn_ctx *ctx, const tn_tensor *t, int64_t *count) {
  const tn_backend *b = tn__backend(ctx);
  tn_view view;
  if (b == NULL) return TN_EDEVICE;
  view_of(&view, t);
  return failed(ctx, b, b->count_set(number_of(ctx->device), &view, count));
}

tn_status tn__device_list_places(tn_ctx *ctx, tn_tensor *to, const tn_tensor *index,
                                 const tn_device_places *p) {
  const tn_backend *b = tn__backend(ctx);
  const tn_attrs attrs = {.i = {p->size, p->factor, p->begin, p->adds}, .ni = 4};
  const int begin = p->first + p->ndim - index->ndim;
  tn_view in[2], out;
  tn_kernel_call k = {.code = p->code, .device = number_of(to->storage->device), .nin = 2,
                      .nout = 1, .in = in, .out = &out, .attrs = &attrs,
                      .index_base = ctx->index_base};
  if (b == NULL) return TN_EDEVICE;
  view_of(&out, to);
  view_of(&in[0], index);
  in[1] = out;
  in[0].ndim = out.ndim;
  for (int d = 0; d < out.ndim; d++) {
    const int own = d - begin;
    const bool steps = own >= 0 && own < index->ndim && index->sizes[own] != 1;
    in[0].sizes[d] = out.sizes[d];
    in[0].strides[d] = steps ? index->strides[own] : 0;
    in[1].strides[d] = p->adds ? 0 : p->steps[d];
  }
  return launch(ctx, b, b->places, &k);
}

static tn_computed computed_of(tn_dtype dtype) {
  tn_dtype c = tn__compute_dtype(dtype);
  return c == TN_F32 ? TN_AS_F32 : c == TN_F64 ? TN_AS_F64 : TN_AS_I64;
}

static tn_status run_pointwise(tn_call *call, const tn_backend *b) {
  const tn_pointwise *pw = call->op->pointwise;
  const tn_computed as = computed_of((tn_dtype)call->dim);
  tn_device_kernel *kernel = b->pointwise[pw->index].run[as];
  tn_tensor *copies[TN_POINTWISE_INPUTS] = {NULL};
  tn_view in[TN_POINTWISE_INPUTS], out;
  tn_status s = TN_OK;
  if (kernel == NULL) {
    return tn_fail(call->ctx, TN_EDTYPE, "no such operation on %s",
                   tn_dtype_name((tn_dtype)call->dim));
  }
  tn_kernel_call k = {.code = call->code, .device = number_of(call->ctx->device),
                      .nin = call->nin, .nout = 1, .in = in, .out = &out, .attrs = call->attrs};
  view_of(&out, call->out[0]);
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    s = input_view(call->ctx, &in[i], call->in[i], call->out[0], &copies[i]);
  }
  bool divides = pw->divides && as == TN_AS_I64 && tn__numel(call->out[0]) > 0;
  if (s == TN_OK && divides) s = check_divisor(call, b, k.device, &in[1]);
  if (s == TN_OK) s = launch(call->ctx, b, kernel, &k);
  for (int i = 0; i < call->nin; i++) tn_tensor_release(copies[i]);
  return s;
}

/* A kernel of its own before one that draws on the host, or is written with operations. */
bool tn__device_serves(const tn_call *call) {
  const tn_op *op = call->op;
  if (op->flags & TN_HOST) return false;
  if (op->view != NULL || op->compose != NULL || op->pointwise != NULL) return true;
  if (op->flags & (TN_MOVES | TN_ANYWHERE)) return true;
  const tn_backend *b = tn__backend_loaded();
  return b != NULL && b->kernels[call->code] != NULL;
}

int tn_cudnn(int wanted) {
  static _Atomic(int) flags = TN_CUDNN_ENABLED;
  return wanted < 0 ? flags : atomic_exchange(&flags, wanted);
}

enum { FEW = 8 }; /* views that lie on the stack */

static tn_status run_kernel(tn_call *call, const tn_backend *b, tn_device_kernel *kernel) {
  tn_generator *g = call->attrs->generator != NULL ? call->attrs->generator
                                                   : &call->ctx->generator;
  tn_view few[FEW], out[TN_MAX_OUTPUTS], *in = few;
  if (call->nin > FEW && (in = malloc((size_t)call->nin * sizeof *in)) == NULL) {
    return tn_fail(call->ctx, TN_ENOMEM, "not enough memory");
  }
  tn_kernel_call k = {.code = call->code, .device = number_of(call->ctx->device),
                      .nin = call->nin, .nout = call->op->nout, .dim = call->dim,
                      .index_base = call->ctx->index_base, .in = in, .out = out,
                      .attrs = call->attrs, .seed = g->seed, .offset = g->offset,
                      .cudnn = tn_cudnn(-1)};
  for (int i = 0; i < call->nin; i++) view_of(&in[i], call->in[i]);
  for (int i = 0; i < k.nout; i++) view_of(&out[i], call->out[i]);
  tn_status s = launch(call->ctx, b, kernel, &k);
  if (s == TN_OK && (k.groups > 0 || *b->streams)) s = tn__device_drew(call->ctx, b, &k, g);
  if (s == TN_OK) g->offset += k.groups;
  if (in != few) free(in);
  return s;
}

tn_status tn__device_run(tn_call *call) {
  const tn_backend *b = tn__backend(call->ctx);
  tn_status s = TN_DECLINED;
  if (b == NULL) return TN_EDEVICE;
  if (call->op->pointwise != NULL) return run_pointwise(call, b);
  if (b->kernels[call->code] != NULL) s = run_kernel(call, b, b->kernels[call->code]);
  if (s == TN_DECLINED && call->op->flags & (TN_MOVES | TN_ANYWHERE)) s = call->op->run(call);
  return s;
}

/* -- Gradients --------------------------------------------------------------------------------- */

/* The derivative of a pointwise operation by one input. */
tn_status tn__device_gradient(tn_grad_call *g, int input, tn_tensor **out) {
  const tn_backend *b = tn__backend_loaded();
  tn_tensor *d = g->dout[0], *from[TN_POINTWISE_INPUTS] = {d};
  tn_tensor *copies[TN_POINTWISE_INPUTS] = {NULL};
  tn_view in[TN_POINTWISE_INPUTS], to;
  const int row = g->node_op->pointwise->index;
  const int16_t was = g->ctx->device;
  tn_kernel_call k = {.code = (tn_opcode)row, .device = number_of(d->storage->device),
                      .nin = TN_POINTWISE_INPUTS, .nout = 1, .in = in, .out = &to,
                      .attrs = g->attrs};
  for (int i = 0; i < g->nin; i++) from[1 + i] = g->in[i];
  from[4] = g->out[0];
  g->ctx->device = d->storage->device;
  tn_status s = tn_tensor_new(g->ctx, out, (tn_dtype)d->dtype, d->ndim, d->sizes);
  if (s == TN_OK) tn__device_order(*out, TN_POINTWISE_INPUTS, from);
  if (s == TN_OK) view_of(&to, *out);
  for (int i = 0; i < TN_POINTWISE_INPUTS && s == TN_OK; i++) {
    if (from[i] != NULL) s = input_view(g->ctx, &in[i], from[i], *out, &copies[i]);
    else view_of(&in[i], NULL);
  }
  if (s == TN_OK) {
    s = launch(g->ctx, b, b->pointwise[row].grad[input][d->dtype == TN_F64], &k);
  }
  g->ctx->device = was;
  for (int i = 0; i < TN_POINTWISE_INPUTS; i++) tn_tensor_release(copies[i]);
  if (s != TN_OK) {
    tn_tensor_release(*out);
    *out = NULL;
  }
  return s;
}

/* By the fused kernel; results have the dtype and shape of the inputs. */
static tn_status run_fused(tn_grad_call *g, const tn_backend *b) {
  tn_view in[TN_MAX_INPUTS + 2 * TN_MAX_OUTPUTS], out[TN_MAX_INPUTS];
  const int nout = g->node_op->nout;
  tn_kernel_call k = {.code = g->code, .device = number_of(g->ctx->device), .nout = nout,
                      .index_base = g->ctx->index_base, .in = in, .out = out,
                      .need = g->need, .attrs = g->attrs};
  tn_status s = TN_OK;
  for (int i = 0; i < nout; i++) view_of(&in[k.nin++], g->dout[i]);
  for (int i = 0; i < g->nin; i++) view_of(&in[k.nin++], g->in[i]);
  for (int i = 0; i < nout; i++) view_of(&in[k.nin++], g->out[i]);
  for (int i = 0; i < g->nin && s == TN_OK; i++) {
    const tn_meta *m = &g->meta[i];
    g->din[i] = NULL;
    if (g->need[i]) s = tn_tensor_new(g->ctx, &g->din[i], (tn_dtype)m->dtype, m->ndim, m->sizes);
    view_of(&out[i], g->din[i]);
  }
  if (s == TN_OK) s = launch(g->ctx, b, b->gradients[g->code], &k);
  for (int i = 0; i < g->nin && s != TN_OK; i++) {
    tn_tensor_release(g->din[i]);
    g->din[i] = NULL;
  }
  return s;
}

/* By the CPU: everything goes there and back, recorded where a graph of the gradient is wanted. */
static tn_status differentiate_here(tn_grad_call *g) {
  tn_ctx *ctx = g->ctx;
  const int16_t device = ctx->device;
  tn_grad_call h = *g;
  tn_tensor **const from[3] = {g->in, g->out, g->dout}, **const to[3] = {h.in, h.out, h.dout};
  const int count[3] = {TN_MAX_INPUTS, TN_MAX_OUTPUTS, TN_MAX_OUTPUTS};
  tn_tensor *into[TN_MAX_INPUTS] = {NULL};
  tn_status s = tn__device_refuse_capture(ctx, tn__backend_loaded(),
                                          "its gradient has no CUDA kernel, and the CPU");
  if (s != TN_OK) return s;
  h.into = into;
  ctx->device = TN_CPU;
  for (int k = 0; k < 3; k++) {
    for (int i = 0; i < count[k]; i++) {
      tn_tensor *t = from[k][i];
      to[k][i] = NULL;
      if (t == NULL || s != TN_OK) continue;
      s = tn_tensor_to(ctx, &to[k][i], t, TN_CPU, (tn_dtype)t->dtype);
    }
  }
  if (s == TN_OK) s = g->node_op->grad(&h);
  for (int i = 0; i < g->nin && s == TN_OK; i++) {
    tn_tensor *d = g->din[i];
    if (d == NULL || d->storage->device == device) continue;
    s = tn_tensor_to(ctx, &g->din[i], d, device, (tn_dtype)d->dtype);
    tn_tensor_release(d);
  }
  ctx->device = device;
  for (int k = 0; k < 3; k++) {
    for (int i = 0; i < count[k]; i++) tn_tensor_release(to[k][i]);
  }
  return s;
}

/* Rows whose gradient works on the host's memory say so by having no kernel, and no flag. */
tn_status tn__device_differentiate(tn_grad_call *g) {
  const tn_backend *b = tn__backend(g->ctx);
  const tn_op *op = g->node_op;
  const tn_opcode code = g->code;
  if (b == NULL) return TN_EDEVICE;
  if (g->nin > TN_MAX_INPUTS) return op->grad(g);
  if (!g->create_graph && b->gradients[code] != NULL) {
    tn_status s = run_fused(g, b);
    if (s != TN_DECLINED) return s;
  }
  const bool host = op->view == NULL && op->pointwise == NULL && b->kernels[code] == NULL &&
                    !(op->flags & (TN_MOVES | TN_ANYWHERE)) && code != TN_OP_custom;
  return host ? differentiate_here(g) : op->grad(g);
}

/* -- What users see ---------------------------------------------------------------------------- */

bool tn_allow_tf32(tn_ctx *ctx, bool allow) {
  const bool was = ctx->tf32;
  ctx->tf32 = allow;
  return was;
}

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
