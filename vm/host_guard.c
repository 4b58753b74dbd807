/* host_guard.c -- who may use a state, and what went wrong last: handles, owners, error texts. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

/* -- refusals ---------------------------------------------------------------------------------- */

static _Thread_local char self; /* its address tells threads apart */

/* The last call of this thread that did not get at its state. Texts are constants, so that asking
 * for one disturbs nobody. */
static _Thread_local struct {
  const moonlet *m;
  const char *text;
} refusal;

moonlet_status moonlet__refuse(const moonlet *m, moonlet_status status, const char *text) {
  refusal.m = m;
  refusal.text = text;
  return status;
}

const char *moonlet_status_text(moonlet_status status) {
  switch (status) {
  case MOONLET_OK: return "ok";
  case MOONLET_ESYNTAX: return "the source does not compile";
  case MOONLET_ERUN: return "an error while running";
  case MOONLET_ENOMEM: return "not enough memory";
  case MOONLET_EARG: return "a wrong argument";
  case MOONLET_ELIMIT: return "the limit of instructions or of time was reached";
  case MOONLET_EINTERRUPT: return "interrupted";
  case MOONLET_EBUSY: return "in use";
  case MOONLET_EAGAIN: return "there is more to do";
  }
  return "no such status";
}

/* -- entering ---------------------------------------------------------------------------------- */

/* Scripts and C functions may call each other so deep; LuaJIT itself has no limit for it but the end
 * of the C stack. */
enum { DEEPEST = 200 };

moonlet_status moonlet__enter(moonlet *m) {
  if (!m) return moonlet__refuse(NULL, MOONLET_EARG, "there is no state: the handle is NULL");
  uintptr_t me = (uintptr_t)&self, nobody = 0;
  if (atomic_load_explicit(&m->owner, memory_order_relaxed) == me) {
    if (m->closing) return moonlet__refuse(m, MOONLET_EARG, "the state is being closed");
    if (m->depth >= DEEPEST)
      return moonlet__refuse(m, MOONLET_ERUN, "stack overflow: calls of Lua inside of calls of C");
    m->depth++;
  } else {
    if (!atomic_compare_exchange_strong_explicit(&m->owner, &nobody, me, memory_order_acquire,
                                                 memory_order_relaxed))
      return moonlet__refuse(m, MOONLET_EBUSY, "another thread is using the state");
    if (!m->L) {
      atomic_store_explicit(&m->owner, 0, memory_order_release);
      return moonlet__refuse(m, MOONLET_EARG, "the state is closed");
    }
    m->depth = 1;
  }
  if (refusal.m == m) refusal.text = NULL;
  return MOONLET_OK;
}

moonlet_status moonlet__leave(moonlet *m, moonlet_status status) {
  if (--m->depth == 0) atomic_store_explicit(&m->owner, 0, memory_order_release);
  return status;
}

/* A late call with the handle of a closed state may look at the record for a moment. */
void moonlet__own(moonlet *m, lua_State *L) {
  uintptr_t nobody = 0;
  while (!atomic_compare_exchange_weak_explicit(&m->owner, &nobody, (uintptr_t)&self,
                                                memory_order_acquire, memory_order_relaxed))
    nobody = 0;
  m->depth = 1;
  m->L = m->now = L;
}

/* -- errors ------------------------------------------------------------------------------------ */

moonlet_status moonlet__fail(moonlet *m, moonlet_status status, const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size); /* before the old one goes: the text may be the old one */
  if (copy) memcpy(copy, text, size);
  free(m->error);
  m->error = copy;
  m->failed = true;
  return status;
}

const char *moonlet_error(const moonlet *m) {
  if (refusal.text && refusal.m == m) return refusal.text;
  if (!m) return "";
  moonlet *state = (moonlet *)(uintptr_t)m;
  if (moonlet__enter(state) != MOONLET_OK) return refusal.text;
  const char *text = m->error ? m->error : m->failed ? "not enough memory" : "";
  moonlet__leave(state, MOONLET_OK);
  return text;
}

/* -- handles ----------------------------------------------------------------------------------- */

/* Records of states that are not open, longest closed first. One is used again only while more than
 * KEPT are there, so that a call with a handle of late finds a closed state and no other. The first
 * ones are no allocations: a host with few states leaves nothing behind. */
enum { KEPT = 32, OWN = 64 };

static moonlet own[OWN], *first_closed, *last_closed;
static int closed_count, own_used;
static atomic_flag handles_lock = ATOMIC_FLAG_INIT;

static void lock_handles(void) {
  while (atomic_flag_test_and_set_explicit(&handles_lock, memory_order_acquire)) {
  }
}

static void unlock_handles(void) {
  atomic_flag_clear_explicit(&handles_lock, memory_order_release);
}

moonlet *moonlet__new_handle(void) {
  moonlet *m = NULL;
  lock_handles();
  if (own_used < OWN) {
    m = &own[own_used++];
  } else if (closed_count > KEPT) {
    m = first_closed;
    first_closed = m->next;
    closed_count--;
  }
  unlock_handles();
  if (!m) m = calloc(1, sizeof *m);
  if (m) m->next = NULL;
  return m;
}

void moonlet__retire_handle(moonlet *m) {
  lock_handles();
  if (closed_count++ == 0)
    first_closed = m;
  else
    last_closed->next = m;
  last_closed = m;
  unlock_handles();
}
