/* storage.c -- reference-counted memory that tensors are views of. */
#include <stdio.h>
#include <stdlib.h>

#include "tensor/device.h"

enum { HEADER = 128 }; /* keeps the data that follows 64-byte aligned */
_Static_assert(sizeof(tn_storage) <= HEADER, "a storage's header must fit before its data");

tn_status tn__no_memory(tn_ctx *ctx, size_t bytes) {
  tn_memory_stats s = tn__memory_stats(ctx->allocator);
  const size_t limit = tn__memory_limit(ctx->allocator);
  const tn_budget *budget = tn__memory_budget(ctx->allocator);
  const size_t all = tn_budget_limit(budget);
  char more[120] = "";
  if (all != 0) {
    snprintf(more, sizeof more, ", %.1f MiB with all else, and the limit is %.1f MiB",
             tn_budget_used(budget) / 1048576.0, all / 1048576.0);
  } else if (limit != 0) {
    snprintf(more, sizeof more, ", and the limit is %.1f MiB", limit / 1048576.0);
  }
  return tn_fail(ctx, TN_ENOMEM,
                 "not enough memory for %.1f MiB: %.1f MiB are in use by %zu tensors%s",
                 bytes / 1048576.0, s.live_bytes / 1048576.0, s.live_storages, more);
}

static void init(tn_storage *s, tn_ctx *ctx, void *data, size_t bytes, size_t block) {
  atomic_init(&s->refs, 1);
  atomic_init(&s->views, 0);
  atomic_init(&s->kept, 0);
  atomic_init(&s->saved, 0);
  s->version = 0;
  s->device = TN_CPU;
  s->inlined = false;
  s->writer = NULL;
  s->data = data;
  s->bytes = bytes;
  s->capacity = 0;
  s->block = block;
  s->allocator = ctx->allocator;
  s->release = NULL;
  s->arg = NULL;
  atomic_init(&s->exposed, false);
  atomic_init(&s->derived, NULL);
  s->traced = ctx->recording != NULL ? TN_TRACE_FRESH : 0;
  s->born = ctx->plans;
}

/* The header lies on the host, the data on ctx->device. */
static tn_status new_on_device(tn_ctx *ctx, tn_storage **out, size_t bytes) {
  size_t block = HEADER;
  tn_storage *s = tn__alloc(ctx->allocator, &block, bytes);
  if (s == NULL) return tn__no_memory(ctx, bytes);
  init(s, ctx, NULL, bytes, block);
  tn_status status = tn__device_attach(ctx, s, bytes);
  if (status != TN_OK) tn__free(ctx->allocator, s, block, bytes);
  else *out = s;
  return status;
}

tn_status tn_storage_new(tn_ctx *ctx, tn_storage **out, size_t bytes) {
  *out = NULL;
  if (ctx->device != TN_CPU) return new_on_device(ctx, out, bytes);
  if (bytes > TN_MOST_BYTES) return tn__no_memory(ctx, bytes);
  size_t block = HEADER + bytes;
  tn_storage *s = tn__alloc(ctx->allocator, &block, bytes);
  if (s == NULL) return tn__no_memory(ctx, bytes);
  init(s, ctx, (char *)s + HEADER, bytes, block);
  s->inlined = true;
  *out = s;
  return TN_OK;
}

tn_status tn_storage_borrow(tn_ctx *ctx, tn_storage **out, void *data, size_t bytes,
                            void (*release)(void *arg), void *arg) {
  *out = NULL;
  size_t block = HEADER;
  tn_storage *s = tn__alloc(ctx->allocator, &block, TN_UNCOUNTED);
  if (s == NULL) return tn__no_memory(ctx, block);
  init(s, ctx, data, bytes, block);
  s->release = release;
  s->arg = arg;
  *out = s;
  return TN_OK;
}

/* -- Parts of a storage ------------------------------------------------------------------------ */

static void let_go(void *arg) {
  tn_storage *of = arg;
  atomic_fetch_sub_explicit(&of->views, 1, memory_order_relaxed);
  tn_storage_release(of);
}

tn_status tn_storage_part(tn_ctx *ctx, tn_storage **out, tn_storage *of, size_t offset,
                          size_t bytes) {
  *out = NULL;
  if (of->device != TN_CPU) return tn_fail(ctx, TN_EDEVICE, "a storage of the CPU expected");
  tn__touch(of);
  if (offset > of->bytes || bytes > of->bytes - offset) {
    return tn_fail(ctx, TN_EINDEX, "%zu bytes from byte %zu on are out of range: there are %zu",
                   bytes, offset, of->bytes);
  }
  tn_status s = tn_storage_borrow(ctx, out, (char *)of->data + offset, bytes, let_go, of);
  if (s != TN_OK) return s;
  tn_storage_retain(of);
  atomic_fetch_add_explicit(&of->views, 1, memory_order_relaxed);
  return TN_OK;
}

/* A reference that only tn_storage_unkeep gives back, as often as it was taken. */
void tn_storage_keep(tn_storage *s) {
  atomic_fetch_add_explicit(&s->kept, 1, memory_order_relaxed);
  tn_storage_retain(s);
}

bool tn_storage_unkeep(tn_storage *s) {
  int have = atomic_load_explicit(&s->kept, memory_order_relaxed);
  while (have > 0) {
    if (!atomic_compare_exchange_weak_explicit(&s->kept, &have, have - 1, memory_order_relaxed,
                                               memory_order_relaxed)) {
      continue;
    }
    tn_storage_release(s);
    return true;
  }
  return false;
}

/* -- Size -------------------------------------------------------------------------------------- */

static void resized(tn_storage *s, size_t bytes) {
  s->bytes = bytes;
  s->version++;
  s->writer = "resize";
}

/* Does the data belong to the host, or lie on a device? */
static bool borrowed(const tn_storage *s) { return !s->inlined && s->capacity == 0; }

tn_status tn_storage_resize(tn_ctx *ctx, tn_storage *s, size_t bytes) {
  if (borrowed(s)) {
    if (bytes <= s->bytes) return TN_OK;
    if (TN_DEVICES && s->device != TN_CPU) {
      tn_status status = tn__device_grow(ctx, s, bytes);
      if (status == TN_OK) resized(s, bytes);
      return status;
    }
    return tn_fail(ctx, TN_EARG, "memory of the host cannot grow from %zu to %zu bytes", s->bytes,
                   bytes);
  }
  size_t room = s->inlined ? s->block - HEADER : s->capacity;
  if (bytes > room && atomic_load_explicit(&s->views, memory_order_relaxed) > 0) {
    return tn_fail(ctx, TN_EARG, "a storage that another one shows a part of cannot grow");
  }
  if (bytes > room) {
    size_t capacity = bytes;
    void *data = bytes > TN_MOST_BYTES ? NULL : tn__alloc(s->allocator, &capacity, bytes);
    if (data == NULL) return tn__no_memory(ctx, bytes);
    memcpy(data, s->data, s->bytes);
    if (!s->inlined) tn__free(s->allocator, s->data, s->capacity, s->bytes);
    else tn__uncount(s->allocator, s->bytes); /* the old data goes with the header */
    s->data = data;
    s->capacity = capacity;
    s->inlined = false;
  } else if (bytes != s->bytes) {
    if (!tn__recount(s->allocator, s->bytes, bytes)) return tn__no_memory(ctx, bytes);
  }
  resized(s, bytes);
  return TN_OK;
}

tn_storage *tn_storage_retain(tn_storage *s) {
  if (s != NULL) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void tn_storage_release(tn_storage *s) {
  if (s == NULL) return;
  if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  tn__derived_free(atomic_load(&s->derived));
  if (borrowed(s)) {
    if (s->release != NULL) s->release(s->arg);
  } else if (!s->inlined) {
    tn__free(s->allocator, s->data, s->capacity, s->bytes);
  }
  bool counted = s->inlined || s->device != TN_CPU; /* with the header */
  tn__free(s->allocator, s, s->block, counted ? s->bytes : TN_UNCOUNTED);
}

void *tn_storage_data(const tn_storage *s) {
  tn__touch((tn_storage *)(uintptr_t)s);
  return s->data;
}

void *const *tn_storage_cell(const tn_storage *s) { return &s->data; }

void tn_storage_expose(tn_storage *s) {
  atomic_store(&s->exposed, true);
  tn_storage_touch(s);
}

tn_device tn_storage_device(const tn_storage *s) { return s->device; }

void tn_storage_share(tn_storage *s) { atomic_store(&s->exposed, true); }

size_t tn_storage_bytes(const tn_storage *s) { return s->bytes; }

void tn_storage_touch(tn_storage *s) {
  tn__touch(s);
  s->version++;
  s->writer = "a write from outside";
}

/* -- What was made of the values --------------------------------------------------------------- */

/* Do all who write into the memory raise this storage's version? */
static bool watched(const tn_storage *s) {
  return s->device == TN_CPU && !borrowed(s) && !atomic_load(&s->exposed) &&
         atomic_load(&s->views) == 0;
}

/* With all that follow it. */
void tn__derived_free(tn_derived *d) {
  while (d != NULL) {
    tn_derived *next = d->next;
    tn__free(d->allocator, d, d->block, TN_UNCOUNTED);
    d = next;
  }
}

/* Puts a list back, whose last element's `next` is *end. */
static void push(tn_storage *s, tn_derived *first, tn_derived **end) {
  if (first == NULL) return;
  *end = atomic_load(&s->derived);
  while (!atomic_compare_exchange_weak(&s->derived, end, first)) {
  }
}

/* What is kept may be some times as large as the values. Programs that look at one storage in ever
 * new ways begin anew when that is reached. */
static size_t most_kept(const tn_storage *s) { return 6 * s->bytes + ((size_t)1 << 20); }

tn_derived *tn__derived_take(tn_storage *s, const void *maker, const void *of) {
  tn_derived *d = atomic_exchange(&s->derived, NULL), *found = NULL, *rest = NULL, **end = &rest;
  size_t kept = 0;
  while (d != NULL) {
    tn_derived *next = d->next;
    const bool current = d->version == s->version && d->data == s->data && watched(s);
    const bool wanted = d->maker == maker && d->of == of;
    d->next = NULL;
    if (!current || (wanted && found != NULL)) {
      tn__derived_free(d); /* two threads may have made the same */
    } else if (wanted) {
      found = d;
    } else {
      kept += d->block;
      *end = d;
      end = &d->next;
    }
    d = next;
  }
  if (kept > most_kept(s)) tn__derived_free(rest);
  else push(s, rest, end);
  return found;
}

tn_derived *tn__derived_new(tn_storage *s, const void *maker, const void *of, size_t bytes) {
  size_t block = bytes;
  if (!watched(s)) return NULL;
  tn_derived *d = tn__alloc(s->allocator, &block, TN_UNCOUNTED);
  if (d != NULL) *d = (tn_derived){s->allocator, block, maker, of, s->data, s->version, NULL};
  return d;
}

void tn__derived_put(tn_storage *s, tn_derived *d) { push(s, d, &d->next); }
