/* budget.c -- see budget.h. */
#include "tensor/budget.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

struct tn_budget {
  atomic_int refs;
  _Atomic size_t used, limit;
  tn_alloc_fn alloc;
  void *user;
};

static void *standard(void *user, void *block, size_t old_size, size_t new_size) {
  (void)user, (void)old_size;
  if (new_size > 0) return realloc(block, new_size);
  free(block);
  return NULL;
}

tn_budget *tn_budget_new(size_t limit, tn_alloc_fn alloc, void *user) {
  if (alloc == NULL) alloc = standard;
  tn_budget *b = alloc(user, NULL, 0, sizeof *b);
  if (b == NULL) return NULL;
  atomic_init(&b->refs, 1);
  atomic_init(&b->used, 0);
  atomic_init(&b->limit, limit);
  b->alloc = alloc;
  b->user = user;
  return b;
}

tn_budget *tn_budget_retain(tn_budget *b) {
  if (b != NULL) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
  return b;
}

void tn_budget_release(tn_budget *b) {
  if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
  b->alloc(b->user, b, sizeof *b, 0);
}

bool tn_budget_take(tn_budget *b, size_t bytes) {
  size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
  do {
    size_t limit = atomic_load_explicit(&b->limit, memory_order_relaxed);
    if (limit != 0 && (bytes > limit || used > limit - bytes)) return false;
  } while (!atomic_compare_exchange_weak_explicit(&b->used, &used, used + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

void tn_budget_give(tn_budget *b, size_t bytes) {
  atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}

void *tn_budget_resize(tn_budget *b, void *block, size_t old_size, size_t new_size) {
  if (block == NULL) old_size = 0;
  const size_t more = new_size > old_size ? new_size - old_size : 0;
  if (more > 0 && !tn_budget_take(b, more)) return NULL;
  void *moved = tn_budget_host(b, block, old_size, new_size);
  if (moved == NULL && new_size > 0) tn_budget_give(b, more);
  else if (new_size < old_size) tn_budget_give(b, old_size - new_size);
  return moved;
}

void *tn_budget_host(tn_budget *b, void *block, size_t old_size, size_t new_size) {
  if (block == NULL && new_size == 0) return NULL;
  return b->alloc(b->user, block, block == NULL ? 0 : old_size, new_size);
}

/* The host's allocator aligns as malloc does: the rest is made by hand, and where the host's block
 * begins stands before ours. */
void *tn_budget_block(tn_budget *b, size_t size) {
  if (b == NULL) return aligned_alloc(ALIGNMENT, size);
  if (b->alloc == standard) {
    if (!tn_budget_take(b, size)) return NULL;
    void *block = aligned_alloc(ALIGNMENT, size);
    if (block == NULL) tn_budget_give(b, size);
    return block;
  }
  char *all = tn_budget_resize(b, NULL, 0, size + ALIGNMENT);
  if (all == NULL) return NULL;
  char *block = all + ALIGNMENT - (uintptr_t)all % ALIGNMENT;
  if (block - all < (ptrdiff_t)sizeof(void *)) { /* an allocator which aligns to less than that */
    tn_budget_resize(b, all, size + ALIGNMENT, 0);
    return NULL;
  }
  ((void **)(void *)block)[-1] = all;
  return block;
}

void tn_budget_unblock(tn_budget *b, void *block, size_t size) {
  if (block == NULL) return;
  if (b == NULL || b->alloc == standard) {
    free(block);
    if (b != NULL) tn_budget_give(b, size);
    return;
  }
  tn_budget_resize(b, ((void **)block)[-1], size + ALIGNMENT, 0);
}

size_t tn_budget_used(const tn_budget *b) {
  return b == NULL ? 0 : atomic_load_explicit(&b->used, memory_order_relaxed);
}

size_t tn_budget_limit(const tn_budget *b) {
  return b == NULL ? 0 : atomic_load_explicit(&b->limit, memory_order_relaxed);
}

size_t tn_budget_set_limit(tn_budget *b, size_t limit) {
  return atomic_exchange_explicit(&b->limit, limit, memory_order_relaxed);
}
