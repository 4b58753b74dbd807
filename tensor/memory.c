/* memory.c -- the caching allocator.
 *
 * Freed blocks are kept in lists by size class (four classes to a doubling), so that a training
 * loop reaches a steady state without page faults. One lock, held for a few instructions, lets
 * tensors be released by any thread. */
#include <stdlib.h>

#include "tensor/internal.h"

enum { CLASSES = 4 * 48, ALIGNMENT = 64 };

typedef struct free_block {
  struct free_block *next;
} free_block;

struct tn_allocator {
  atomic_flag lock;
  bool closed;
  int64_t blocks; /* handed out and not yet back */
  size_t limit, peak, cached, storages;
  size_t held; /* bytes of the blocks handed out */
  size_t high; /* the most of them lately: it sinks a little with each one that comes back */
  _Atomic size_t live; /* written under the lock, read without */
  tn_budget *budget; /* where blocks come from; NULL: the C library */
  free_block *free[CLASSES];
  /* Memory that blocks are taken from before any other, one on top of the last. */
  bool stacks; /* is there such memory, or is it found out how much is wanted? */
  char *stack;
  size_t stack_bytes, top, beside, most; /* `beside`: of blocks that had no room in it */
  size_t widest;                         /* block that was taken within a parallel loop */
  int stacked, others;
};

static void lock(tn_allocator *a) {
  while (atomic_flag_test_and_set_explicit(&a->lock, memory_order_acquire)) {
  }
}

static void unlock(tn_allocator *a) {
  atomic_flag_clear_explicit(&a->lock, memory_order_release);
}

/* Class of a size, and that class's block size: 64, 128, 192, 256, 320, 384, 448, 512, 640, ... */
static int class_of(size_t size, size_t *rounded) {
  if (size <= 256) {
    size_t k = size == 0 ? 1 : (size + 63) / 64;
    *rounded = 64 * k;
    return (int)k - 1;
  }
  int top = 63 - __builtin_clzll((unsigned long long)(size - 1)); /* 2^top <= size - 1 */
  size_t step = (size_t)1 << (top - 2);
  size_t k = (size - 1 - ((size_t)1 << top)) / step; /* 0..3 */
  *rounded = ((size_t)1 << top) + (k + 1) * step;
  return 4 + 4 * (top - 8) + (int)k;
}

tn_allocator *tn__allocator_new(size_t limit, tn_budget *budget) {
  tn_allocator *a = budget == NULL ? calloc(1, sizeof *a)
                                   : tn_budget_resize(budget, NULL, 0, sizeof *a);
  if (a != NULL) {
    memset(a, 0, sizeof *a);
    atomic_flag_clear(&a->lock);
    a->limit = limit;
    a->budget = tn_budget_retain(budget);
  }
  return a;
}

/* With the last block, or when there is none. */
static void destroy(tn_allocator *a) {
  tn_budget *budget = a->budget;
  if (budget == NULL) free(a);
  else tn_budget_resize(budget, a, sizeof *a, 0);
  tn_budget_release(budget);
}

/* Gives back cached blocks, largest first, until at most `keep` bytes are cached. Locked. */
static void trim(tn_allocator *a, size_t keep) {
  for (int c = CLASSES - 1; c >= 0 && a->cached > keep; c--) {
    size_t size = c < 4 ? 64 * ((size_t)c + 1)
                        : ((size_t)1 << (8 + (c - 4) / 4)) +
                              ((size_t)((c - 4) % 4) + 1) * ((size_t)1 << (6 + (c - 4) / 4));
    while (a->free[c] != NULL && a->cached > keep) {
      free_block *b = a->free[c];
      a->free[c] = b->next;
      a->cached -= size;
      tn_budget_unblock(a->budget, b, size);
    }
  }
}

void tn__memory_trim(tn_allocator *a) {
  lock(a);
  trim(a, 0);
  unlock(a);
}

void tn__allocator_close(tn_allocator *a) {
  lock(a);
  a->closed = true;
  trim(a, 0);
  bool last = a->blocks == 0;
  unlock(a);
  if (last) destroy(a);
}

/* Counts bytes of tensors against the limit. Locked. */
static bool account(tn_allocator *a, size_t bytes) {
  size_t live = atomic_load_explicit(&a->live, memory_order_relaxed);
  if (a->limit != 0 && (bytes > a->limit || live > a->limit - bytes)) return false;
  atomic_store_explicit(&a->live, live + bytes, memory_order_relaxed);
  a->storages++;
  if (live + bytes > a->peak) a->peak = live + bytes;
  return true;
}

static void unaccount(tn_allocator *a, size_t bytes) {
  size_t live = atomic_load_explicit(&a->live, memory_order_relaxed);
  atomic_store_explicit(&a->live, live - bytes, memory_order_relaxed);
  a->storages--;
}

/* How much may be cached: with the blocks handed out half as much again as were out at once lately,
 * so that the next step of a training finds all that the last one had; and never less than a small
 * loop's needs. Locked. */
static size_t room(const tn_allocator *a) {
  const size_t least = (size_t)32 << 20, keep = a->high - a->held + a->high / 2;
  return keep > least ? keep : least;
}

/* A block of `bytes` is handed out, or comes back. Locked. */
static void hand_out(tn_allocator *a, size_t bytes) {
  a->blocks++;
  a->held += bytes;
  if (a->held > a->high) a->high = a->held;
}

static void take_back(tn_allocator *a, size_t bytes) {
  a->blocks--;
  a->held -= bytes;
  a->high -= (a->high - a->held) >> 14;
}

/* -- The stack --------------------------------------------------------------------------------- */

void tn__allocator_stack(tn_allocator *a, void *memory, size_t bytes) {
  lock(a);
  a->stacks = true;
  a->stack = memory;
  a->stack_bytes = bytes;
  a->top = a->beside = a->most = 0;
  a->stacked = a->others = 0;
  unlock(a);
}

size_t tn__allocator_most(const tn_allocator *a, int threads) {
  return a->most + a->widest * (size_t)(threads - 1);
}

/* NULL: there is no room in it. Locked. */
static void *push(tn_allocator *a, size_t bytes) {
  void *block = a->stack != NULL && bytes <= a->stack_bytes - a->top ? a->stack + a->top : NULL;
  if (block != NULL) {
    a->top += bytes;
    a->stacked++;
  } else {
    a->beside += bytes;
    a->others++;
  }
  if (a->top + a->beside > a->most) a->most = a->top + a->beside;
  if (tn__pool_inside() && bytes > a->widest) a->widest = bytes;
  return block;
}

/* False: the block is not of the stack. One below others keeps its place until all are back, or
 * those above it. Locked. */
static bool pop(tn_allocator *a, const void *block, size_t bytes) {
  const char *at = block;
  if (a->stack == NULL || at < a->stack || at >= a->stack + a->stack_bytes) {
    if (a->others > 0 && --a->others == 0) a->beside = 0;
    return false;
  }
  a->stacked--;
  if (a->stacked == 0) a->top = 0;
  else if (at + bytes == a->stack + a->top) a->top -= bytes;
  return true;
}

/* -- Blocks ------------------------------------------------------------------------------------ */

void *tn__alloc(tn_allocator *a, size_t *size, size_t counted) {
  size_t rounded;
  if (*size > TN_MOST_BYTES) return NULL;
  int c = class_of(*size, &rounded);
  lock(a);
  void *stacked = a->stacks ? push(a, rounded) : NULL;
  if (stacked != NULL) {
    unlock(a);
    *size = rounded;
    return stacked;
  }
  if (counted != TN_UNCOUNTED && !account(a, counted)) {
    unlock(a);
    return NULL;
  }
  free_block *b = a->free[c];
  if (b != NULL) {
    a->free[c] = b->next;
    a->cached -= rounded;
  }
  hand_out(a, rounded);
  unlock(a);
  if (b == NULL) b = tn_budget_block(a->budget, rounded);
  if (b == NULL) { /* the cache may hold what is missing */
    tn__memory_trim(a);
    b = tn_budget_block(a->budget, rounded);
  }
  if (b == NULL) {
    lock(a);
    take_back(a, rounded);
    if (counted != TN_UNCOUNTED) unaccount(a, counted);
    unlock(a);
    return NULL;
  }
  *size = rounded;
  return b;
}

void tn__free(tn_allocator *a, void *block, size_t size, size_t counted) {
  size_t rounded;
  int c = class_of(size, &rounded);
  free_block *b = block;
  lock(a);
  if (a->stacks && pop(a, block, rounded)) {
    unlock(a);
    return;
  }
  if (counted != TN_UNCOUNTED) unaccount(a, counted);
  take_back(a, rounded);
  if (!a->closed) {
    b->next = a->free[c];
    a->free[c] = b;
    a->cached += rounded;
    size_t keep = room(a);
    if (a->cached > keep) trim(a, keep);
  } else { /* still locked: whoever gives the last block back destroys the allocator */
    tn_budget_unblock(a->budget, b, rounded);
  }
  bool last = a->blocks == 0 && a->closed;
  unlock(a);
  if (last) destroy(a);
}

/* In front of working memory. */
typedef union {
  struct {
    tn_allocator *allocator;
    size_t block;
  };
  char line[ALIGNMENT];
} taken;

void *tn__take(tn_allocator *a, size_t bytes) {
  size_t block = sizeof(taken) + bytes;
  if (bytes > TN_MOST_BYTES) return NULL;
  if (a == NULL) block = (block + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  taken *t = a != NULL ? tn__alloc(a, &block, TN_UNCOUNTED) : aligned_alloc(ALIGNMENT, block);
  if (t == NULL) return NULL;
  t->allocator = a;
  t->block = block;
  return t + 1;
}

void tn__give(void *memory) {
  if (memory == NULL) return;
  taken *t = (taken *)memory - 1;
  if (t->allocator == NULL) free(t);
  else tn__free(t->allocator, t, t->block, TN_UNCOUNTED);
}

void tn__uncount(tn_allocator *a, size_t bytes) {
  lock(a);
  unaccount(a, bytes);
  unlock(a);
}

bool tn__recount(tn_allocator *a, size_t before, size_t after) {
  lock(a);
  unaccount(a, before);
  bool fits = account(a, after);
  if (!fits) {
    size_t limit = a->limit;
    a->limit = 0;
    account(a, before);
    a->limit = limit;
  }
  unlock(a);
  return fits;
}

size_t tn__memory_limit(const tn_allocator *a) { return a->limit; }
tn_budget *tn__memory_budget(const tn_allocator *a) { return a->budget; }

size_t tn__set_memory_limit(tn_allocator *a, size_t limit) {
  lock(a);
  size_t was = a->limit;
  a->limit = limit;
  unlock(a);
  return was;
}

tn_memory_stats tn__memory_stats(tn_allocator *a) {
  lock(a);
  tn_memory_stats s = {a->live, a->peak, a->cached, a->storages};
  unlock(a);
  return s;
}

size_t tn__live_bytes(const tn_allocator *a) {
  return atomic_load_explicit(&a->live, memory_order_relaxed);
}
