/* state_limits.h -- what a state may use of memory, instructions and time, and how it is stopped.
 *
 * A count hook looks, every few hundred instructions, whether a limit is reached or somebody has
 * called moonlet_interrupt. Once that is so the state is stopped: the hook raises an error at the
 * next instruction, and again at the next one after that, whoever catches it, until the call of the
 * host has come back. Functions in C that may run long ask by moonlet_limits_work.
 *
 * Hooks have holes, and these are closed so: LuaJIT's compiler is off; on Lua 5.4, where each
 * coroutine has a hook of its own, our own coroutine library counts; error handlers run behind a
 * guard, as they would run inside the hook; and finalizers, which run without hooks, are beyond a
 * sandbox's reach. */
#ifndef MOONLET_STATE_LIMITS_H
#define MOONLET_STATE_LIMITS_H

#include "lua_compat.h"
#include "moonlet.h"
#include "tensor/budget.h"

#include <stdatomic.h>

typedef enum { LIMITS_RUNNING, LIMITS_INSTRUCTIONS, LIMITS_TIME, LIMITS_INTERRUPT } limits_stop;

enum { LIMITS_TEXT = 200, LIMITS_LENT = 64 };

typedef struct moonlet_limits {
  tn_budget *budget;
  lua_State *main;
  lua_State *running; /* the coroutine whose hook counts; on LuaJIT all share one */
  lua_Alloc base;     /* Lua's own allocator, which ours counts and then asks; NULL: the host's */
  void *base_user;
  size_t lua_bytes; /* counted for Lua */
  size_t large[2];  /* of Lua's blocks so many are of 64 KiB, or 1 MiB, and more */
  bool governed;    /* instructions, time or interrupts matter: the hook is set */
  bool sandbox;
  bool held;        /* no limit of memory just now */
  bool asked;       /* Lua has used our allocator */
  bool opening, short_of; /* LuaJIT is being opened; without enough memory */
  bool soon;        /* the hook is set to look very soon */

  unsigned long long instruction_limit; /* 0: none */
  uint64_t time_limit;                  /* nanoseconds; 0: none */
  atomic_int *interrupt; /* not 0: moonlet_interrupt was called; or NULL */

  /* of the running call: */
  int depth; /* calls of the host inside calls of the host */
  const char *stack; /* where C's stack stood when it began */
  limits_stop stopped;
  bool refuse;  /* the next request of Lua's for memory fails */
  bool raising; /* an error of the hook's is on its way: no Lua may run before it is caught */
  unsigned long long used; /* instructions */
  unsigned work;           /* steps in C that are not counted yet */
  uint64_t deadline, looked;

  size_t collect_at; /* bytes in use at which LuaJIT is to collect */
  size_t wanted;    /* bytes which Lua was refused last */
  size_t in_use;    /* bytes in use then */
  char memory[256]; /* text of the last error for want of memory that tensors raised */

  void *lent[LIMITS_LENT]; /* parts of the reserve that LuaJIT has while it is being opened */
  char *reserve;
  size_t reserve_used;

  void (*reclaim)(void *arg); /* gives back memory that is only kept for later */
  void *reclaim_arg;
} moonlet_limits;

/* The registry's field with a light userdata that points to the state's limits; absent in a state
 * that is not ours. */
#define MOONLET_KEY_LIMITS "moonlet.limits"

/* Opens a state as the configuration has it, with limits and without libraries. NULL: no memory. */
moonlet_limits *moonlet_limits_open(const moonlet_config *config);

/* Closes the Lua state and frees everything. NULL is fine. */
void moonlet_limits_close(moonlet_limits *l);

/* Opens the standard libraries as far as scripts may have them. May raise. */
void moonlet_limits_libraries(lua_State *L, moonlet_limits *l);

/* Around each protected call of the host's. leave says how the call ended, given how Lua has it;
 * when it was stopped, or memory ran out, *text becomes why. `buffer` has LIMITS_TEXT bytes. */
void moonlet_limits_enter(moonlet_limits *l);
moonlet_status moonlet_limits_leave(moonlet_limits *l, int lua_status, moonlet_status status,
                                    const char **text, char *buffer);

/* n steps of work in C were done, about as long as an instruction each: counts them, and raises
 * when the state is to stop. `l` may be NULL. */
static inline void moonlet_limits_work(lua_State *L, moonlet_limits *l, unsigned n);
void moonlet_limits_spend(lua_State *L, moonlet_limits *l, unsigned n);

/* Raises when calls of Lua from C have taken too much of C's stack. `l` may be NULL. */
void moonlet_limits_nest(lua_State *L, moonlet_limits *l);

/* Has the hook look at the next instruction, if there is something to see. Raises nothing. */
void moonlet_limits_tick(lua_State *L, moonlet_limits *l);

/* Is it time to stop? For the tensor core; touches no Lua. */
bool moonlet_limits_over(moonlet_limits *l);

/* Raises for an operation of the core that was stopped. */
int moonlet_limits_raise(lua_State *L, moonlet_limits *l);

/* The limits of the state, or NULL. */
moonlet_limits *moonlet_limits_of(lua_State *L);

/* Memory that is the host's own: counted, but not held to the limit. */
void *moonlet_limits_alloc(moonlet_limits *l, void *block, size_t old_size, size_t new_size);

/* Hooks for coroutines: before one runs, and after. */
void moonlet_limits_resume(moonlet_limits *l, lua_State *co);
void moonlet_limits_resumed(lua_State *L, moonlet_limits *l, lua_State *before);

/* Was this coroutine ended by a limit? Then nothing may run in it any more, as hooks do not. */
bool moonlet_limits_killed(lua_State *co);

static inline void moonlet_limits_work(lua_State *L, moonlet_limits *l, unsigned n) {
  if (l == NULL || !l->governed) return;
  l->work += n;
  if (l->work >= 4096) moonlet_limits_spend(L, l, 0);
}

/* -- what stands beside it: each adds or replaces functions of the table on the top ------------ */

void moonlet_patterns_open(lua_State *L, moonlet_limits *l);    /* string: find, match, ... */
void moonlet_stoppable_string(lua_State *L, moonlet_limits *l); /* string: rep */
void moonlet_stoppable_table(lua_State *L, moonlet_limits *l);
void moonlet_stoppable_base(lua_State *L, moonlet_limits *l); /* of globals: xpcall, load */
void moonlet_coroutines_open(lua_State *L, moonlet_limits *l); /* of Lua 5.4 */
void moonlet_sandbox_open(lua_State *L, moonlet_limits *l);    /* all libraries of a sandbox */

/* Functions with the limits as upvalue 1. */
void moonlet_limits_register(lua_State *L, moonlet_limits *l, const luaL_Reg *functions);
static inline moonlet_limits *moonlet_limits_here(lua_State *L) {
  return (moonlet_limits *)lua_touserdata(L, lua_upvalueindex(1));
}

#endif
