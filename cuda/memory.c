/* memory.c -- the caching allocator of the devices.
 *
 * Memory is taken from the driver in large segments and cut into blocks. Each stream has segments of
 * its own, so a block that has been freed may be handed out again at once: work on it that is still
 * waiting comes first in the stream's order. A block that other streams have used, too, waits until
 * they have passed the place where it was freed.
 *
 * Free blocks stand in lists by size, eight classes to a doubling, with a bit for each list that has
 * some; what is left over of a block is cut off, and joined with its neighbours when it is freed.
 * Small blocks and large ones do not share segments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/state.h"

enum {
  UNIT = 512, /* sizes are multiples of it */
  SMALL = 1 << 20, /* blocks up to this size share segments of SMALL_SEGMENT */
  SMALL_SEGMENT = 2 << 20,
  MEDIUM = 10 << 20, /* ones up to this size share segments of MEDIUM_SEGMENT */
  MEDIUM_SEGMENT = 20 << 20,
  ROUND = 2 << 20, /* larger segments are multiples of it */
  CLASSES = 320, WORDS = CLASSES / 64,
  LOOKS = 8 /* at blocks of the class that a size itself is in */
};

typedef struct block {
  char *data;
  size_t size;
  struct block *before, *after;  /* beside it in its segment */
  struct block *previous, *next; /* in its list of free ones, or of those that wait */
  tn_cuda_arena *arena;
  uint64_t users;      /* other streams that have used it */
  tn_cuda_mark *marks; /* it waits for these */
  bool used, large;
} block;

typedef struct {
  uint64_t any[WORDS];
  block *first[CLASSES];
} lists;

struct tn_cuda_arena {
  int device, stream; /* -1: of a graph */
  bool closed;
  size_t segments;
  tn_cuda_arena *next;
  lists small, large;
};

/* Of each device. */
static struct memory {
  pthread_mutex_t lock;
  bool ready;
  tn_cuda_arena *of_stream[TN_CUDA_STREAMS];
  tn_cuda_arena *all;
  block *waiting; /* freed, but other streams are not done with them */
  block *spare;   /* records without memory */
  block **table;  /* the blocks in use, by address */
  size_t room, count;
  tn_device_memory stats;
} memories[TN_CUDA_DEVICES];

static pthread_mutex_t ready_lock = PTHREAD_MUTEX_INITIALIZER;

static struct memory *memory_of(int device) {
  struct memory *m = &memories[device];
  if (__atomic_load_n(&m->ready, __ATOMIC_ACQUIRE)) return m;
  pthread_mutex_lock(&ready_lock);
  if (!m->ready) {
    pthread_mutex_init(&m->lock, NULL);
    __atomic_store_n(&m->ready, true, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&ready_lock);
  return m;
}

/* -- Blocks in use, by address ----------------------------------------------------------------- */

static size_t place_of(const struct memory *m, const void *data) {
  const uint64_t h = (uint64_t)(uintptr_t)data / UNIT * 0x9e3779b97f4a7c15u;
  return (size_t)(h >> 32) & (m->room - 1);
}

static bool make_room(struct memory *m) {
  if (2 * (m->count + 1) <= m->room) return true;
  const size_t room = m->room > 0 ? 2 * m->room : 1024;
  block **old = m->table, **table = calloc(room, sizeof *table);
  const size_t had = m->room;
  if (table == NULL) return false;
  m->table = table;
  m->room = room;
  for (size_t i = 0; i < had; i++) {
    if (old[i] == NULL) continue;
    size_t at = place_of(m, old[i]->data);
    while (table[at] != NULL) at = (at + 1) & (room - 1);
    table[at] = old[i];
  }
  free(old);
  return true;
}

static void put(struct memory *m, block *b) {
  size_t at = place_of(m, b->data);
  while (m->table[at] != NULL) at = (at + 1) & (m->room - 1);
  m->table[at] = b;
  m->count++;
}

static size_t find(const struct memory *m, const void *data) {
  if (m->room == 0) return SIZE_MAX;
  size_t at = place_of(m, data);
  while (m->table[at] != NULL && m->table[at]->data != data) at = (at + 1) & (m->room - 1);
  return m->table[at] != NULL ? at : SIZE_MAX;
}

/* Those behind it that stood further than they belong move up. */
static block *take(struct memory *m, const void *data) {
  size_t at = find(m, data);
  if (at == SIZE_MAX) return NULL;
  block *b = m->table[at];
  const size_t mask = m->room - 1;
  for (size_t i = (at + 1) & mask; m->table[i] != NULL; i = (i + 1) & mask) {
    const size_t home = place_of(m, m->table[i]->data);
    if (((i - home) & mask) < ((i - at) & mask)) continue;
    m->table[at] = m->table[i];
    at = i;
  }
  m->table[at] = NULL;
  m->count--;
  return b;
}

/* -- Free blocks, by size ---------------------------------------------------------------------- */

/* The class of blocks of `size`, and the first one whose blocks all have it. */
static unsigned class_of(size_t size, unsigned *enough) {
  const uint64_t n = size / UNIT;
  if (n < 16) return *enough = (unsigned)n;
  const unsigned top = 63 - (unsigned)__builtin_clzll(n);
  const unsigned c = 16 + (top - 4) * 8 + ((unsigned)(n >> (top - 3)) & 7);
  *enough = c + ((n & (((uint64_t)1 << (top - 3)) - 1)) != 0);
  return c;
}

static lists *lists_of(const block *b) { return b->large ? &b->arena->large : &b->arena->small; }

static void insert(block *b) {
  unsigned enough, c = class_of(b->size, &enough);
  lists *l = lists_of(b);
  b->previous = NULL;
  b->next = l->first[c];
  if (b->next != NULL) b->next->previous = b;
  l->first[c] = b;
  l->any[c / 64] |= (uint64_t)1 << c % 64;
}

static void leave(block *b) {
  unsigned enough, c = class_of(b->size, &enough);
  lists *l = lists_of(b);
  if (b->next != NULL) b->next->previous = b->previous;
  if (b->previous != NULL) b->previous->next = b->next;
  else l->first[c] = b->next;
  if (l->first[c] == NULL) l->any[c / 64] &= ~((uint64_t)1 << c % 64);
}

static block *fitting(const lists *l, size_t size) {
  unsigned enough, c = class_of(size, &enough);
  block *best = NULL;
  int looks = 0;
  for (block *b = l->first[c]; b != NULL && looks < LOOKS; b = b->next, looks++) {
    if (b->size < size || (best != NULL && b->size >= best->size)) continue;
    best = b;
    if (b->size == size) return b;
  }
  if (best != NULL || enough >= CLASSES) return best;
  uint64_t bits = l->any[enough / 64] & (~(uint64_t)0 << enough % 64);
  for (unsigned w = enough / 64;; bits = l->any[w]) {
    if (bits != 0) return l->first[64 * w + (unsigned)__builtin_ctzll(bits)];
    if (++w == WORDS) return NULL;
  }
}

static block *new_record(struct memory *m) {
  block *b = m->spare;
  if (b != NULL) m->spare = b->next;
  else b = malloc(sizeof *b);
  if (b != NULL) memset(b, 0, sizeof *b);
  return b;
}

static void drop_record(struct memory *m, block *b) {
  b->next = m->spare;
  m->spare = b;
}

/* -- Segments ---------------------------------------------------------------------------------- */

static tn_cuda_arena *new_arena(struct memory *m, int device, int stream) {
  tn_cuda_arena *a = calloc(1, sizeof *a);
  if (a == NULL) return NULL;
  a->device = device;
  a->stream = stream;
  a->next = m->all;
  m->all = a;
  return a;
}

static void forget_arena(struct memory *m, tn_cuda_arena *arena) {
  for (tn_cuda_arena **a = &m->all; *a != NULL; a = &(*a)->next) {
    if (*a != arena) continue;
    *a = arena->next;
    break;
  }
  free(arena);
}

static size_t segment_size(size_t size) {
  if (size <= SMALL) return SMALL_SEGMENT;
  if (size < MEDIUM) return MEDIUM_SEGMENT;
  return (size + ROUND - 1) / ROUND * ROUND;
}

/* A free block that is a whole segment of `bytes`, with room for `size`. */
static cudaError_t add_segment(struct memory *m, tn_cuda_arena *a, size_t size, size_t bytes,
                               block **out) {
  void *data = NULL;
  block *b = new_record(m);
  if (b == NULL) return cudaErrorMemoryAllocation;
  const cudaError_t error = cudaMalloc(&data, bytes);
  if (error != cudaSuccess) {
    drop_record(m, b);
    cudaGetLastError();
    return error;
  }
  b->data = data;
  b->size = bytes;
  b->arena = a;
  b->large = size > SMALL;
  a->segments++;
  m->stats.segments++;
  m->stats.reserved += b->size;
  if (m->stats.reserved > m->stats.most_reserved) m->stats.most_reserved = m->stats.reserved;
  insert(b);
  *out = b;
  return cudaSuccess;
}

/* Gives back a free block that is a whole segment. */
static void drop_segment(struct memory *m, block *b) {
  leave(b);
  b->arena->segments--;
  m->stats.reserved -= b->size;
  if (!tn_cuda_is_lost()) cudaFree(b->data);
  drop_record(m, b);
}

static void drop_segments_of(struct memory *m, lists *l) {
  for (unsigned c = 0; c < CLASSES; c++) {
    for (block *b = l->first[c], *next; b != NULL; b = next) {
      next = b->next;
      if (b->before == NULL && b->after == NULL) drop_segment(m, b);
    }
  }
}

/* Of a graph's arena only once the graph is gone: it may be replayed at any time. */
static void drop_segments(struct memory *m, tn_cuda_arena *a) {
  if (a->stream < 0 && !a->closed) return;
  drop_segments_of(m, &a->small);
  drop_segments_of(m, &a->large);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

/* What is behind the first `size` bytes of a block that is in no list becomes a free one. */
static void cut(struct memory *m, block *b, size_t size) {
  const size_t rest = b->size - size;
  if (rest < (b->large ? (size_t)SMALL : (size_t)UNIT)) return;
  block *r = new_record(m);
  if (r == NULL) return;
  r->data = b->data + size;
  r->size = rest;
  r->arena = b->arena;
  r->large = b->large;
  r->before = b;
  r->after = b->after;
  if (r->after != NULL) r->after->before = r;
  b->after = r;
  b->size = size;
  insert(r);
}

/* Joins a block that is in no list with the free one behind it. */
static void join(struct memory *m, block *b) {
  block *r = b->after;
  b->size += r->size;
  b->after = r->after;
  if (b->after != NULL) b->after->before = b;
  drop_record(m, r);
}

static bool is_free(const block *b) { return b != NULL && !b->used && b->marks == NULL; }

static void set_free(struct memory *m, block *b) {
  tn_cuda_arena *a = b->arena;
  b->used = false;
  b->users = 0;
  if (is_free(b->after)) {
    leave(b->after);
    join(m, b);
  }
  if (is_free(b->before)) {
    b = b->before;
    leave(b);
    join(m, b);
  }
  insert(b);
  if (!a->closed) return;
  drop_segments(m, a);
  if (a->segments == 0) forget_arena(m, a);
}

/* Blocks that other streams are done with, in the order in which they were freed. */
static void end_waiting(struct memory *m, bool wait) {
  for (block **at = &m->waiting; *at != NULL;) {
    block *b = *at;
    while (b->marks != NULL && tn_cuda_mark_done(b->marks, wait)) {
      tn_cuda_mark *mark = b->marks;
      b->marks = mark->next;
      tn_cuda_mark_free(mark);
    }
    if (b->marks != NULL) {
      at = &b->next;
      continue;
    }
    *at = b->next;
    set_free(m, b);
  }
}

static void trim(struct memory *m) {
  end_waiting(m, true);
  for (tn_cuda_arena *a = m->all; a != NULL; a = a->next) drop_segments(m, a);
}

static tn_cuda_arena *arena_here(struct memory *m, int device) {
  tn_cuda_arena *a = tn_cuda_capture_arena(device);
  if (a != NULL) return a;
  tn_cuda_arena **of = &m->of_stream[tn_cuda_current(device)];
  if (*of == NULL) *of = new_arena(m, device, tn_cuda_current(device));
  return *of;
}

/* A segment more, after giving back what is cached where there is no room for it. */
static cudaError_t grow(struct memory *m, tn_cuda_arena *a, size_t size, block **out) {
  int before;
  if (tn_cuda_enter(a->device, &before) != TN_OK) return cudaErrorDevicesUnavailable;
  const size_t bytes = segment_size(size), least = (size + ROUND - 1) / ROUND * ROUND;
  cudaError_t error = add_segment(m, a, size, bytes, out);
  if (error == cudaErrorMemoryAllocation) {
    m->stats.retries++;
    trim(m);
    tn_cuda_host_trim();
    error = add_segment(m, a, size, bytes, out);
  }
  if (error == cudaErrorMemoryAllocation && least < bytes) {
    error = add_segment(m, a, size, least, out);
  }
  tn_cuda_leave(a->device, before);
  return error;
}

static cudaError_t allocate(struct memory *m, int device, size_t size, void **out) {
  tn_cuda_arena *a = arena_here(m, device);
  if (a == NULL || !make_room(m)) return cudaErrorMemoryAllocation;
  if (m->waiting != NULL) end_waiting(m, false);
  block *b = fitting(size > SMALL ? &a->large : &a->small, size);
  if (b == NULL) {
    const cudaError_t error = grow(m, a, size, &b);
    if (error != cudaSuccess) return error;
  }
  leave(b);
  cut(m, b, size);
  b->used = true;
  put(m, b);
  m->stats.allocated += b->size;
  m->stats.blocks++;
  m->stats.taken++;
  if (m->stats.allocated > m->stats.most_allocated) m->stats.most_allocated = m->stats.allocated;
  *out = b->data;
  return cudaSuccess;
}

tn_status tn_cuda_alloc(int device, size_t bytes, void **out) {
  *out = NULL;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  if (bytes > SIZE_MAX / 4) return tn_cuda_check(cudaErrorMemoryAllocation);
  const size_t size = bytes > 0 ? (bytes + UNIT - 1) / UNIT * UNIT : UNIT;
  struct memory *m = memory_of(device);
  pthread_mutex_lock(&m->lock);
  const cudaError_t error = allocate(m, device, size, out);
  if (error == cudaErrorMemoryAllocation) m->stats.failures++;
  pthread_mutex_unlock(&m->lock);
  if (error == cudaErrorDevicesUnavailable) return TN_EDEVICE; /* enter has said why */
#ifdef TN_CUDA_EMULATED /* what nobody has written yet is NaN, or as strange a number */
  if (error == cudaSuccess) {
    cudaMemsetAsync(*out, 0xff, size, tn_cuda_handle(device, tn_cuda_current(device)));
  }
#endif
  return tn_cuda_check(error);
}

/* Marks the places in other streams that have to be passed first. Of a device that is lost, or a
 * stream that cannot be marked, nothing comes any more. */
static void mark_users(block *b) {
  for (int s = 0; s < TN_CUDA_STREAMS; s++) {
    if (!(b->users >> s & 1)) continue;
    tn_cuda_mark *mark = tn_cuda_mark_stream(b->arena->device, s);
    if (mark == NULL) continue;
    mark->next = b->marks;
    b->marks = mark;
  }
}

void tn_cuda_free(int device, void *data) {
  if (data == NULL) return;
  struct memory *m = memory_of(device);
  pthread_mutex_lock(&m->lock);
  block *b = take(m, data);
  if (b != NULL) {
    m->stats.allocated -= b->size;
    m->stats.blocks--;
    if (b->users != 0) mark_users(b);
    if (b->marks == NULL) {
      set_free(m, b);
    } else {
      block **end = &m->waiting;
      while (*end != NULL) end = &(*end)->next;
      b->used = false;
      b->next = NULL;
      *end = b;
    }
  }
  pthread_mutex_unlock(&m->lock);
}

bool tn_cuda_uses(int device, const void *data) {
  const tn_cuda_arena *graph = tn_cuda_capture_arena(device);
  const int stream = tn_cuda_current(device);
  bool foreign = false;
  struct memory *m = memory_of(device);
  pthread_mutex_lock(&m->lock);
  const size_t at = find(m, data);
  if (at != SIZE_MAX) {
    block *b = m->table[at];
    foreign = graph != NULL && b->arena != graph;
    if (graph == NULL && b->arena->stream != stream) b->users |= (uint64_t)1 << stream;
  }
  pthread_mutex_unlock(&m->lock);
  return foreign;
}

/* -- For others -------------------------------------------------------------------------------- */

tn_cuda_arena *tn_cuda_arena_new(int device) {
  struct memory *m = memory_of(device);
  pthread_mutex_lock(&m->lock);
  tn_cuda_arena *a = new_arena(m, device, -1);
  pthread_mutex_unlock(&m->lock);
  return a;
}

void tn_cuda_arena_free(tn_cuda_arena *a) {
  if (a == NULL) return;
  const int device = a->device;
  struct memory *m = memory_of(device);
  int before;
  const bool entered = tn_cuda_enter(device, &before) == TN_OK;
  pthread_mutex_lock(&m->lock);
  a->closed = true;
  drop_segments(m, a);
  if (a->segments == 0) forget_arena(m, a);
  pthread_mutex_unlock(&m->lock);
  if (entered) tn_cuda_leave(device, before);
}

tn_status tn_cuda_trim(int device) {
  int before;
  if (tn_cuda_capturing()) return tn_cuda_no_capture("giving back memory");
  struct memory *m = memory_of(device);
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  pthread_mutex_lock(&m->lock);
  trim(m);
  pthread_mutex_unlock(&m->lock);
  tn_cuda_host_trim();
  tn_cuda_leave(device, before);
  return TN_OK;
}

tn_status tn_cuda_memory(int device, tn_device_memory *out, bool forget_most) {
  struct memory *m = memory_of(device);
  pthread_mutex_lock(&m->lock);
  if (forget_most) {
    m->stats.most_allocated = m->stats.allocated;
    m->stats.most_reserved = m->stats.reserved;
  }
  *out = m->stats;
  pthread_mutex_unlock(&m->lock);
  return TN_OK;
}
