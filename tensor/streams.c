/* streams.c -- memory, streams, events and captured graphs of devices: see streams.h. */
#include "tensor/streams.h"

#include "tensor/device.h"

#ifndef MOONLET_EMBED

#include <stdlib.h>

static int number_of(tn_device device) { return device >> 8; }

/* -- Devices ----------------------------------------------------------------------------------- */

tn_device tn_current_device(const tn_ctx *ctx) { return TN_DEVICE(TN_CUDA, ctx->gpu); }

void tn_set_current_device(tn_ctx *ctx, tn_device device) {
  ctx->gpu = (int16_t)number_of(device);
}

void tn_set_reclaim(tn_ctx *ctx, bool (*reclaim)(void *user)) { ctx->reclaim = reclaim; }

/* Calls a function of the backend, opened if need be. */
#define ASK(function, ...)                                                                        \
  do {                                                                                            \
    const tn_backend *b = tn__backend(ctx);                                                       \
    return b == NULL ? TN_EDEVICE : tn__device_failed(ctx, b, b->function(__VA_ARGS__));          \
  } while (0)

tn_status tn_device_describe(tn_ctx *ctx, tn_device device, tn_device_info *out) {
  ASK(info, number_of(device), out);
}

tn_status tn_device_memory_of(tn_ctx *ctx, tn_device device, tn_device_memory *out,
                              bool forget_most) {
  ASK(memory, number_of(device), out, forget_most);
}

tn_status tn_device_trim(tn_ctx *ctx, tn_device device) { ASK(trim, number_of(device)); }

/* -- Streams and events ------------------------------------------------------------------------ */

tn_status tn_stream_new(tn_ctx *ctx, tn_device device, int priority, int *stream) {
  ASK(stream_new, number_of(device), priority, stream);
}

void tn_stream_free(tn_device device, int stream) {
  tn__backend_loaded()->stream_free(number_of(device), stream);
}

tn_status tn_stream_current(tn_ctx *ctx, tn_device device, int *stream) {
  const tn_backend *b = tn__backend(ctx);
  *stream = b != NULL ? b->stream_current(number_of(device)) : 0;
  return b != NULL ? TN_OK : TN_EDEVICE;
}

tn_status tn_stream_use(tn_ctx *ctx, tn_device device, int stream) {
  ASK(stream_use, number_of(device), stream);
}

tn_status tn_stream_wait(tn_ctx *ctx, tn_device device, int stream) {
  ASK(stream_wait, number_of(device), stream);
}

tn_status tn_stream_done(tn_ctx *ctx, tn_device device, int stream, bool *done) {
  ASK(stream_done, number_of(device), stream, done);
}

void *tn_stream_handle(tn_device device, int stream) {
  return tn__backend_loaded()->stream_handle(number_of(device), stream);
}

tn_status tn_event_new(tn_ctx *ctx, tn_event **out, tn_device device, bool timing) {
  const tn_backend *b = tn__backend(ctx);
  void *event = NULL;
  *out = NULL;
  if (b == NULL) return TN_EDEVICE;
  tn_status s = tn__device_failed(ctx, b, b->event_new(number_of(device), timing, &event));
  *out = event;
  return s;
}

void tn_event_free(tn_event *event) {
  if (event != NULL) tn__backend_loaded()->event_free(event);
}

tn_status tn_event_record(tn_ctx *ctx, tn_event *event, int stream) {
  ASK(event_record, event, stream);
}

tn_status tn_event_follow(tn_ctx *ctx, tn_event *event, tn_device device, int stream) {
  ASK(event_follow, event, number_of(device), stream);
}

tn_status tn_event_wait(tn_ctx *ctx, tn_event *event) { ASK(event_wait, event); }

tn_status tn_event_done(tn_ctx *ctx, tn_event *event, bool *done) { ASK(event_done, event, done); }

tn_status tn_event_time(tn_ctx *ctx, tn_event *begin, tn_event *end, double *milliseconds) {
  ASK(event_time, begin, end, milliseconds);
}

/* -- Pinned memory ----------------------------------------------------------------------------- */

static void release_pinned(void *arg) {
  const tn_storage *s = arg;
  tn__recount(s->allocator, s->bytes, 0);
  tn__backend_loaded()->host_free(s->data);
}

bool tn_tensor_is_pinned(const tn_tensor *t) { return t->storage->release == release_pinned; }

/* A contiguous tensor of the host; its bytes count as any other's. */
static tn_status new_pinned(tn_ctx *ctx, tn_tensor **out, tn_dtype dtype, int ndim,
                            const int64_t *sizes) {
  const tn_backend *b = tn__backend(ctx);
  tn_storage *storage = NULL;
  void *data;
  int64_t count = 1;
  *out = NULL;
  if (b == NULL) return TN_EDEVICE;
  tn_status s = tn__count(ctx, ndim, sizes, tn_dtype_size(dtype), &count);
  if (s != TN_OK) return s;
  const size_t bytes = (size_t)count * tn_dtype_size(dtype);
  if (!tn__recount(ctx->allocator, 0, bytes)) {
    return tn_fail(ctx, TN_ENOMEM, "not enough memory for %.1f MiB below the limit",
                   (double)bytes / 1048576.0);
  }
  s = tn__device_failed(ctx, b, b->host_alloc(bytes, &data));
  if (s == TN_OK) {
    s = tn_storage_borrow(ctx, &storage, data, bytes, release_pinned, NULL);
    if (s != TN_OK) b->host_free(data);
  }
  if (s != TN_OK) {
    tn__recount(ctx->allocator, bytes, 0);
    return s;
  }
  storage->arg = storage;
  s = tn_tensor_view(ctx, out, storage, dtype, ndim, sizes, NULL, 0);
  tn_storage_release(storage);
  return s;
}

tn_status tn_copy_later(tn_ctx *ctx, tn_tensor *to, tn_tensor *from) {
  const bool was = ctx->later;
  ctx->later = true;
  tn_status s = tn_copy(ctx, to, from);
  ctx->later = was;
  return s;
}

static tn_status to_pinned(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype dtype, bool later) {
  tn_status s = new_pinned(ctx, out, dtype, t->ndim, t->sizes);
  if (s == TN_OK) s = later ? tn_copy_later(ctx, *out, t) : tn_copy(ctx, *out, t);
  if (s == TN_OK) return s;
  tn_tensor_release(*out);
  *out = NULL;
  return s;
}

tn_status tn_tensor_pin(tn_ctx *ctx, tn_tensor **out, tn_tensor *t) {
  return to_pinned(ctx, out, t, (tn_dtype)t->dtype, false);
}

tn_status tn_tensor_to_later(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_device device,
                             tn_dtype dtype) {
  if (device == TN_CPU && t->storage->device != TN_CPU) {
    return to_pinned(ctx, out, t, dtype, true);
  }
  const bool was = ctx->later;
  ctx->later = true;
  tn_status s = tn_tensor_to(ctx, out, t, device, dtype);
  ctx->later = was;
  return s;
}

/* -- Graphs ------------------------------------------------------------------------------------ */

/* What a graph uses and does not own. */
typedef struct {
  tn_storage *storage; /* NULL: a free place */
  uint32_t version;    /* when it was first used */
  bool written;
} kept_storage;

struct tn_graph {
  tn_device device;
  void *graph;
  tn_generator from;     /* where random numbers began then */
  uint64_t groups;       /* of them, that each run draws */
  kept_storage *kept;    /* a table by address */
  size_t room, count;
  bool full;             /* there was no memory for one of them */
};

/* The one that this thread captures, or NULL. */
static _Thread_local tn_graph *capture;

static size_t place_of(const tn_graph *g, const tn_storage *s) {
  size_t at = (size_t)((uintptr_t)s / 64 * 0x9e3779b1u) & (g->room - 1);
  while (g->kept[at].storage != NULL && g->kept[at].storage != s) at = (at + 1) & (g->room - 1);
  return at;
}

static bool make_room(tn_graph *g) {
  if (2 * (g->count + 1) <= g->room) return true;
  const size_t had = g->room;
  kept_storage *old = g->kept, *table = calloc(had > 0 ? 2 * had : 256, sizeof *table);
  if (table == NULL) return false;
  g->kept = table;
  g->room = had > 0 ? 2 * had : 256;
  for (size_t i = 0; i < had; i++) {
    if (old[i].storage != NULL) table[place_of(g, old[i].storage)] = old[i];
  }
  free(old);
  return true;
}

void tn__device_uses(tn_storage *s) {
  const bool foreign = tn__backend_loaded()->uses(number_of(s->device), s->data);
  tn_graph *g = capture;
  if (!foreign || g == NULL) return;
  if (!make_room(g)) {
    g->full = true;
    return;
  }
  const size_t at = place_of(g, s);
  if (g->kept[at].storage != NULL) return;
  g->kept[at] = (kept_storage){tn_storage_retain(s), s->version, false};
  g->count++;
}

tn_status tn__device_refuse_capture(tn_ctx *ctx, const tn_backend *b, const char *why) {
  if (b == NULL || !*b->streams || !b->capturing()) return TN_OK;
  return tn_fail(ctx, TN_EDEVICE, "cuda: %s cannot take part while a graph is captured", why);
}

tn_status tn__device_check_capture(tn_ctx *ctx, int device) {
  if (capture == NULL || number_of(capture->device) == device) return TN_OK;
  return tn_fail(ctx, TN_EDEVICE, "cuda: a graph is captured on cuda:%d, and cuda:%d cannot take "
                 "part in it", number_of(capture->device), device);
}

bool tn_capturing(void) { return capture != NULL; }

/* Does the kernel count steps, from the number that it is told? */
static bool counts(const tn_kernel_call *k) {
  return strncmp(tn__ops[k->code]->name, "adam_step", 9) == 0;
}

tn_status tn__device_drew(tn_ctx *ctx, const tn_backend *b, const tn_kernel_call *k,
                          const tn_generator *g) {
  if (capture == NULL || !b->capturing()) return TN_OK;
  if (k->groups == 0) {
    if (k->replayable || !counts(k)) return TN_OK;
    return tn_fail(ctx, TN_EDEVICE, "cuda: a captured graph would take the same step each time");
  }
  if (g != &ctx->generator) {
    return tn_fail(ctx, TN_EDEVICE, "cuda: only numbers of the default generator can be drawn while "
                   "a graph is captured");
  }
  if (k->replayable) return TN_OK;
  return tn_fail(ctx, TN_EDEVICE, "cuda: a captured graph would draw the same random numbers each "
                 "time");
}

tn_status tn_graph_begin(tn_ctx *ctx, tn_graph **out, tn_device device) {
  const tn_backend *b = tn__backend(ctx);
  *out = NULL;
  if (b == NULL) return TN_EDEVICE;
  if (ctx->recording != NULL) return tn_fail(ctx, TN_EARG, "not while a plan is made");
  tn_graph *g = calloc(1, sizeof *g);
  if (g == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory");
  g->device = device;
  g->from = ctx->generator;
  tn_status s = tn__device_failed(ctx, b, b->graph_begin(number_of(device), &g->graph));
  if (s != TN_OK) {
    free(g);
    return s;
  }
  capture = g;
  *out = g;
  return TN_OK;
}

tn_status tn_graph_end(tn_ctx *ctx, tn_graph *g) {
  const tn_backend *b = tn__backend_loaded();
  const tn_generator now = ctx->generator;
  g->groups = now.offset - g->from.offset;
  for (size_t i = 0; i < g->room; i++) {
    const tn_storage *kept = g->kept[i].storage;
    g->kept[i].written = kept != NULL && kept->version != g->kept[i].version;
  }
  ctx->generator = g->from; /* the capture has run nothing, and so drawn nothing */
  if (capture == g) capture = NULL;
  tn_status s = tn__device_failed(ctx, b, b->graph_end(g->graph));
  if (s == TN_OK && g->full) s = tn_fail(ctx, TN_ENOMEM, "not enough memory");
  if (s == TN_OK && (now.seed != g->from.seed || now.offset < g->from.offset)) {
    s = tn_fail(ctx, TN_EARG, "a graph cannot be seeded while it is captured");
  }
  return s;
}

tn_status tn_graph_run(tn_ctx *ctx, tn_graph *g) {
  const tn_backend *b = tn__backend_loaded();
  tn_generator *now = &ctx->generator;
  tn_status s = tn__device_failed(ctx, b, b->graph_run(g->graph, now->seed - g->from.seed,
                                                       now->offset - g->from.offset));
  if (s != TN_OK) return s;
  now->offset += g->groups;
  for (size_t i = 0; i < g->room; i++) { /* a recorded gradient may need what is written over */
    if (g->kept[i].written) tn_storage_touch(g->kept[i].storage);
  }
  return TN_OK;
}

void tn_graph_release(tn_graph *g) {
  if (g == NULL) return;
  if (capture == g) capture = NULL;
  tn__backend_loaded()->graph_free(g->graph);
  for (size_t i = 0; i < g->room; i++) tn_storage_release(g->kept[i].storage);
  free(g->kept);
  free(g);
}

#else

/* Never called: a build without devices opens no backend. */
void tn__device_uses(tn_storage *s) { (void)s; }

tn_status tn__device_refuse_capture(tn_ctx *ctx, const tn_backend *b, const char *why) {
  (void)ctx, (void)b, (void)why;
  return TN_OK;
}

tn_status tn__device_check_capture(tn_ctx *ctx, int device) {
  (void)ctx, (void)device;
  return TN_OK;
}

tn_status tn__device_drew(tn_ctx *ctx, const tn_backend *b, const tn_kernel_call *k,
                          const tn_generator *g) {
  (void)ctx, (void)b, (void)k, (void)g;
  return TN_OK;
}

#endif
