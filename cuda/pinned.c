/* pinned.c -- memory of the host that devices reach by themselves.
 *
 * The driver takes long to give and to take back such memory, so freed blocks are kept, by powers of
 * two. A block that a copy reads or writes is not handed out again before that copy is done. */
#include <stdlib.h>

#include "cuda/state.h"

enum { SIZES = 48, LEAST = 12 };

typedef struct pinned {
  char *data;
  size_t size;
  int exponent;
  bool used;
  tn_cuda_mark *marks;
  struct pinned *next;
} pinned;

static pinned *all; /* few: each is a large buffer of a data loader's */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_idle(pinned *p, bool wait) {
  while (p->marks != NULL && tn_cuda_mark_done(p->marks, wait)) {
    tn_cuda_mark *mark = p->marks;
    p->marks = mark->next;
    tn_cuda_mark_free(mark);
  }
  return p->marks == NULL;
}

static pinned *holding(const void *at) {
  for (pinned *p = all; p != NULL; p = p->next) {
    if ((const char *)at >= p->data && (const char *)at < p->data + p->size) return p;
  }
  return NULL;
}

static pinned *kept(int exponent) {
  for (pinned *p = all; p != NULL; p = p->next) {
    if (!p->used && p->exponent == exponent && is_idle(p, false)) return p;
  }
  return NULL;
}

static tn_status add(int exponent, pinned **out) {
  void *data = NULL;
  pinned *p = calloc(1, sizeof *p);
  if (p == NULL) return tn_cuda_fail(TN_ENOMEM, "not enough memory");
  const size_t size = (size_t)1 << exponent;
  tn_status s = tn_cuda_check(cudaHostAlloc(&data, size, cudaHostAllocPortable));
  if (s != TN_OK) {
    free(p);
    return s;
  }
  p->data = data;
  p->size = size;
  p->exponent = exponent;
  p->next = all;
  *out = all = p;
  return TN_OK;
}

tn_status tn_cuda_host_alloc(size_t bytes, void **out) {
  int exponent = LEAST;
  tn_status s = TN_OK;
  *out = NULL;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  while (exponent < SIZES && (size_t)1 << exponent < bytes) exponent++;
  if (exponent == SIZES) return tn_cuda_check(cudaErrorMemoryAllocation);
  pthread_mutex_lock(&lock);
  pinned *p = kept(exponent);
  if (p == NULL) s = add(exponent, &p);
  if (s == TN_OK) {
    p->used = true;
    *out = p->data;
  }
  pthread_mutex_unlock(&lock);
  return s;
}

void tn_cuda_host_free(void *data) {
  pthread_mutex_lock(&lock);
  pinned *p = holding(data);
  if (p != NULL) p->used = false;
  pthread_mutex_unlock(&lock);
}

bool tn_cuda_host_has(const void *at) {
  pthread_mutex_lock(&lock);
  const bool has = holding(at) != NULL;
  pthread_mutex_unlock(&lock);
  return has;
}

void tn_cuda_host_uses(int device, const void *at) {
  pthread_mutex_lock(&lock);
  pinned *p = holding(at);
  if (p != NULL) is_idle(p, false);
  tn_cuda_mark *mark = p != NULL ? tn_cuda_mark_stream(device, tn_cuda_current(device)) : NULL;
  if (mark != NULL) {
    mark->next = p->marks;
    p->marks = mark;
  }
  pthread_mutex_unlock(&lock);
}

void tn_cuda_host_trim(void) {
  pthread_mutex_lock(&lock);
  for (pinned **at = &all; *at != NULL;) {
    pinned *p = *at;
    if (p->used || !is_idle(p, false)) {
      at = &p->next;
      continue;
    }
    *at = p->next;
    if (!tn_cuda_is_lost()) cudaFreeHost(p->data);
    free(p);
  }
  pthread_mutex_unlock(&lock);
}
