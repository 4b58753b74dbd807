/* state_limits.c -- see state_limits.h. */
#include "state_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  LENT = LIMITS_LENT,
  RESERVE = 1 << 16, /* bytes: more than LuaJIT asks for until it stands */
  MOST_WINDOW = 1000, /* instructions between two looks; */
  COROUTINE = 100,    /* in a coroutine of Lua 5.4, which pays for so many when it is resumed; */
  LARGE_WINDOW = 64,  /* and where an instruction may take long */
  HUGE_WINDOW = 8,
  LARGE = 64 << 10, VERY_LARGE = 1 << 20, /* bytes of the blocks that make it so */
  C_STACK = 384 << 10         /* bytes of C's stack that nested calls may take */
};
static const uint64_t SLOW = 1000000; /* nanoseconds; a window should not take longer */

#ifdef MOONLET_LUAJIT
#define KILLED(L) false
#else
/* Lua copies the main thread's extra space into each new coroutine. */
static char killed_mark;
#define KILLED(L) (*(void **)lua_getextraspace(L) == &killed_mark)
#endif

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- stopping ---------------------------------------------------------------------------------- */

static limits_stop why_stop(moonlet_limits *l, uint64_t time) {
  if (l->stopped || l->depth == 0) return l->stopped;
  if (l->instruction_limit && l->used >= l->instruction_limit) return LIMITS_INSTRUCTIONS;
  if (l->interrupt && atomic_load_explicit(l->interrupt, memory_order_relaxed))
    return LIMITS_INTERRUPT;
  if (l->time_limit && time >= l->deadline) return LIMITS_TIME;
  return LIMITS_RUNNING;
}

static const char *stop_text(const moonlet_limits *l, char *buffer, size_t size) {
  if (l->stopped == LIMITS_INSTRUCTIONS) {
    snprintf(buffer, size, "the limit of %llu instructions is reached", l->instruction_limit);
  } else if (l->stopped == LIMITS_TIME) {
    snprintf(buffer, size, "the limit of %llu microseconds is reached",
             (unsigned long long)(l->time_limit / 1000));
  } else {
    snprintf(buffer, size, "interrupted");
  }
  return buffer;
}

static void look(lua_State *L, lua_Debug *event);

static int stop(lua_State *L, moonlet_limits *l, limits_stop why) {
  char text[100];
#ifdef MOONLET_LUAJIT
  if (l->stopped) {
    /* Something caught it, and may have done so ten thousand calls deep. An error looks through all
     * of them for a handler; a want of memory does not. */
    l->refuse = true;
    lua_newuserdata(L, 8);
  }
#endif
  l->stopped = why;
  lua_sethook(L, look, LUA_MASKCOUNT, 1);
  return luaL_error(L, "%s", stop_text(l, text, sizeof text));
}

static int window(const moonlet_limits *l, const lua_State *L, bool slow) {
  int n = l->large[1] > 0 || slow ? HUGE_WINDOW : l->large[0] > 0 ? LARGE_WINDOW : MOST_WINDOW;
#ifndef MOONLET_LUAJIT
  if (L != l->main && n > COROUTINE) n = COROUTINE;
#else
  (void)L;
#endif
  if (l->instruction_limit && l->used < l->instruction_limit &&
      l->instruction_limit - l->used < (unsigned)n)
    n = (int)(l->instruction_limit - l->used);
  return n;
}

/* LuaJIT has no limit of its own for calls of Lua from C inside of calls of Lua from C. */
static void check_stack(lua_State *L, moonlet_limits *l, const char *here) {
  const ptrdiff_t used = l->stack > here ? l->stack - here : here - l->stack;
  if (l->depth == 0 || used <= C_STACK) return;
  l->raising = true;
  luaL_error(L, "stack overflow (in calls from C)");
}

/* LuaJIT collects by steps that do not see how large an object is, and not at all when an
 * allocation fails: what is short of the limit is collected here. */
static void collect_early(lua_State *L, moonlet_limits *l) {
#ifdef MOONLET_LUAJIT
  const size_t limit = tn_budget_limit(l->budget);
  size_t used = tn_budget_used(l->budget);
  if (limit == 0 || used < limit / 2 || used < l->collect_at) return;
  lua_gc(L, LUA_GCCOLLECT, 0);
  used = tn_budget_used(l->budget);
  const size_t half = used < limit ? (limit - used) / 2 : 0;
  l->collect_at = used + (half > limit / 32 ? half : limit / 32); /* not for every last byte */
#else
  (void)L, (void)l;
#endif
}

static void look(lua_State *L, lua_Debug *event) {
  moonlet_limits *l = moonlet_limits_of(L);
  const uint64_t time = now();
  const int count = lua_gethookcount(L);
  (void)event;
  if (l == NULL) return;
  l->used += (unsigned)count + l->work;
  l->work = 0;
  l->raising = l->soon = false;
  const limits_stop why = why_stop(l, time);
  if (why) {
#ifndef MOONLET_LUAJIT
    if (L != l->main)
      *(void **)lua_getextraspace(L) = &killed_mark; /* unless something catches it in there */
#endif
    stop(L, l, why);
  }
  const int next = window(l, L, time - l->looked > SLOW);
  l->looked = time;
  if (next != count) lua_sethook(L, look, LUA_MASKCOUNT, next);
  collect_early(L, l);
  check_stack(L, l, (const char *)&time);
}

void moonlet_limits_nest(lua_State *L, moonlet_limits *l) {
  char here;
  if (l != NULL && l->governed) check_stack(L, l, &here);
}

void moonlet_limits_spend(lua_State *L, moonlet_limits *l, unsigned n) {
  if (!l->governed) return;
  l->used += l->work + n;
  l->work = 0;
  const uint64_t time = now();
  const limits_stop why = why_stop(l, time);
  if (why) stop(L, l, why);
  check_stack(L, l, (const char *)&time);
}

void moonlet_limits_tick(lua_State *L, moonlet_limits *l) {
  if (l->governed && l->depth > 0 && why_stop(l, now())) lua_sethook(L, look, LUA_MASKCOUNT, 1);
}

bool moonlet_limits_over(moonlet_limits *l) {
  return l->governed && why_stop(l, now()) != LIMITS_RUNNING;
}

int moonlet_limits_raise(lua_State *L, moonlet_limits *l) {
  const limits_stop why = why_stop(l, now());
  return stop(L, l, why ? why : LIMITS_INTERRUPT);
}

bool moonlet_limits_killed(lua_State *co) {
  (void)co;
  return KILLED(co);
}

void moonlet_limits_resume(moonlet_limits *l, lua_State *co) {
  if (!l->governed) return;
  l->running = co;
#ifndef MOONLET_LUAJIT
  const int n = window(l, co, false);
  l->used += (unsigned)n;
  lua_sethook(co, look, LUA_MASKCOUNT, n);
#endif
}

void moonlet_limits_resumed(lua_State *L, moonlet_limits *l, lua_State *before) {
  if (!l->governed) return;
  l->running = before;
  if (l->stopped) stop(L, l, l->stopped);
}

void moonlet_limits_enter(moonlet_limits *l) {
  char here;
  if (l->depth++ > 0) return;
  l->stack = &here;
  l->stopped = LIMITS_RUNNING;
  l->used = 0;
  l->work = 0;
  l->wanted = 0;
  l->memory[0] = '\0';
  l->running = l->main;
  l->soon = l->refuse = false;
  if (!l->governed) return;
  l->looked = now();
  l->deadline = l->looked + l->time_limit;
  if (l->deadline < l->looked) l->deadline = UINT64_MAX;
  lua_sethook(l->main, look, LUA_MASKCOUNT, window(l, l->main, false));
}

/* Does `text` come from an allocation that failed? Lua's own functions say so in their ways. */
static bool is_shortage(const moonlet_limits *l, const char *text) {
  if (text == NULL) return false;
  return (l->memory[0] != '\0' && strstr(text, l->memory) != NULL) ||
         (l->wanted > 0 && strstr(text, "not enough memory") != NULL);
}

static void shortage_text(const moonlet_limits *l, char *buffer, size_t size) {
  const size_t limit = tn_budget_limit(l->budget);
  if (l->wanted == 0) {
    snprintf(buffer, size, "not enough memory");
  } else if (limit == 0) {
    snprintf(buffer, size, "not enough memory for %zu bytes: %zu are in use", l->wanted, l->in_use);
  } else {
    snprintf(buffer, size, "not enough memory for %zu bytes: %zu are in use, and the limit is %zu",
             l->wanted, l->in_use, limit);
  }
}

moonlet_status moonlet_limits_leave(moonlet_limits *l, int lua_status, moonlet_status status,
                                    const char **text, char *buffer) {
  const limits_stop why = l->stopped;
  if (why) {
    char wanted[100];
    stop_text(l, wanted, sizeof wanted);
    if (*text == NULL || strstr(*text, wanted) == NULL) { /* it was lost on the way */
      memcpy(buffer, wanted, sizeof wanted);
      *text = buffer;
    }
    status = why == LIMITS_INTERRUPT ? MOONLET_EINTERRUPT : MOONLET_ELIMIT;
  } else if (lua_status == LUA_ERRMEM ||
             (status == MOONLET_ENOMEM && (!*text || strcmp(*text, "not enough memory") == 0))) {
    shortage_text(l, buffer, LIMITS_TEXT);
    *text = buffer;
    status = MOONLET_ENOMEM;
  } else if (lua_status != LUA_OK && status == MOONLET_ERUN && is_shortage(l, *text)) {
    status = MOONLET_ENOMEM;
  }
  if (--l->depth > 0) return status;
  if (why == LIMITS_INTERRUPT) atomic_store(l->interrupt, 0);
  l->stopped = LIMITS_RUNNING;
  return status;
}

/* -- memory ------------------------------------------------------------------------------------ */

static int class_of(size_t size) {
  return size >= VERY_LARGE ? 2 : size >= LARGE ? 1 : 0;
}

static void count_large(moonlet_limits *l, size_t old_size, size_t new_size) {
  const int was = class_of(old_size), is = class_of(new_size);
  if (was == is) return;
  for (int k = 0; k < 2; k++) {
    l->large[k] += (size_t)(is > k);
    l->large[k] -= (size_t)(was > k);
  }
  /* a block that large takes a while to fill: the next look should not be far */
  if (is <= was || l->soon || !l->governed || l->depth == 0 || !l->running) return;
  l->soon = true;
  lua_sethook(l->running, look, LUA_MASKCOUNT, is > 1 ? 1 : HUGE_WINDOW);
}

static bool take(moonlet_limits *l, size_t bytes) {
  if (l->held) {
    size_t limit = tn_budget_set_limit(l->budget, 0);
    tn_budget_take(l->budget, bytes);
    tn_budget_set_limit(l->budget, limit);
    return true;
  }
  return tn_budget_take(l->budget, bytes);
}

static void *try_alloc(moonlet_limits *l, void *block, size_t old_size, size_t new_size) {
  const size_t more = new_size > old_size ? new_size - old_size : 0;
  if (more > 0 && !take(l, more)) return NULL;
  void *moved = l->base ? l->base(l->base_user, block, old_size, new_size)
                        : tn_budget_host(l->budget, block, old_size, new_size);
  if (moved == NULL && new_size > 0) {
    tn_budget_give(l->budget, more);
    return NULL;
  }
  if (new_size < old_size) tn_budget_give(l->budget, old_size - new_size);
  l->lua_bytes += new_size - old_size; /* unsigned: wraps rightly */
  count_large(l, old_size, new_size);
  return moved;
}

/* A block of the reserve, or NULL. */
static void *lend(moonlet_limits *l, size_t size) {
  char *block = l->reserve + l->reserve_used;
  const size_t rounded = (size + 15) / 16 * 16;
  int at = 0;
  while (at < LENT && l->lent[at] != NULL) at++;
  if (at == LENT || rounded > RESERVE - l->reserve_used) return NULL;
  l->reserve_used += rounded;
  return l->lent[at] = block;
}

/* While a state is being made: LuaJIT would crash when it has to take back a state half made. What
 * the host does not have comes from a reserve, and the state is closed as soon as it stands. */
static void *borrow(moonlet_limits *l, void *block, size_t old_size, size_t new_size) {
  int at = 0;
  while (at < LENT && (block == NULL || l->lent[at] != block)) at++;
  const bool lent = at < LENT;
  if (lent && new_size > 0 && new_size <= old_size) return block;
  void *moved = lent || new_size == 0 ? NULL : try_alloc(l, block, old_size, new_size);
  if (moved != NULL) return moved;
  if (new_size > 0) {
    if ((moved = lend(l, new_size)) == NULL) return NULL;
    l->short_of = true;
    if (block != NULL) memcpy(moved, block, old_size < new_size ? old_size : new_size);
  }
  if (lent)
    l->lent[at] = NULL;
  else if (block != NULL)
    try_alloc(l, block, old_size, 0);
  return moved;
}

/* Lua's allocator. Shrinking never fails, as Lua demands. */
static void *lua_alloc(void *user, void *block, size_t old_size, size_t new_size) {
  moonlet_limits *l = user;
  l->asked = true;
  if (block == NULL) old_size = 0; /* Lua 5.4 passes a type there */
  if (l->refuse && new_size > old_size) {
    l->refuse = false;
    return NULL;
  }
  if (l->opening) return borrow(l, block, old_size, new_size);
  void *moved = try_alloc(l, block, old_size, new_size);
  if (moved != NULL || new_size == 0) return moved;
  if (l->reclaim) {
    l->reclaim(l->reclaim_arg);
    moved = try_alloc(l, block, old_size, new_size);
  }
  if (moved == NULL) {
    l->wanted = new_size - old_size;
    l->in_use = tn_budget_used(l->budget);
  }
  return moved;
}

moonlet_limits *moonlet_limits_of(lua_State *L) {
  void *user = NULL;
  return lua_getallocf(L, &user) == lua_alloc ? user : NULL;
}

void *moonlet_limits_alloc(moonlet_limits *l, void *block, size_t old_size, size_t new_size) {
  return tn_budget_host(l->budget, block, old_size, new_size);
}

/* -- opening and closing ----------------------------------------------------------------------- */

/* Counts what the state has already, and puts our allocator before its own rather than in its
 * place: LuaJIT wants memory at low addresses on some machines, and only its own finds it. */
static void wrap_allocator(moonlet_limits *l, lua_State *L) {
  l->base = lua_getallocf(L, &l->base_user);
  l->lua_bytes = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
  l->held = true;
  take(l, l->lua_bytes);
  l->held = false;
  lua_setallocf(L, lua_alloc, l);
}

static lua_State *new_state(moonlet_limits *l, const moonlet_config *c) {
  lua_State *L = NULL;
  if (c->alloc) {
#ifdef MOONLET_LUAJIT
    l->reserve = malloc(RESERVE);
    if (l->reserve == NULL) return NULL;
    l->opening = true;
#endif
    L = lua_newstate(lua_alloc, l);
    if (L && l->short_of) {
      lua_close(L);
      L = NULL;
    }
    l->opening = false;
    free(l->reserve);
    l->reserve = NULL;
  }
  /* A LuaJIT whose pointers have 32 bits takes no allocator but its own, and asks ours nothing. */
  if (L != NULL || l->asked) return L;
  L = luaL_newstate();
  if (L != NULL && (c->memory_limit || l->governed)) wrap_allocator(l, L);
  return L;
}

moonlet_limits *moonlet_limits_open(const moonlet_config *c) {
  tn_budget *budget = tn_budget_new(c->memory_limit, c->alloc, c->alloc_user);
  moonlet_limits *l = budget ? tn_budget_host(budget, NULL, 0, sizeof *l) : NULL;
  if (l == NULL) {
    tn_budget_release(budget);
    return NULL;
  }
  memset(l, 0, sizeof *l);
  l->budget = budget;
  l->sandbox = c->sandbox == MOONLET_SANDBOX;
  l->instruction_limit = c->instruction_limit;
  l->time_limit = c->time_limit_us < UINT64_MAX / 1000 ? c->time_limit_us * 1000 : UINT64_MAX;
  l->governed = l->sandbox || c->instruction_limit || c->time_limit_us || c->interruptible;
  l->main = l->running = new_state(l, c);
  if (l->main == NULL) {
    moonlet_limits_close(l);
    return NULL;
  }
#ifdef MOONLET_LUAJIT
  if (l->governed) luaJIT_setmode(l->main, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
#else
  *(void **)lua_getextraspace(l->main) = NULL;
#endif
#ifdef MOONLET_LUAJIT
  if (c->memory_limit) {
    /* Its collector waits for the heap to double, and does not try again when an allocation fails:
     * with a limit, it had better be at work all the time. */
    lua_gc(l->main, LUA_GCSETPAUSE, 110);
    lua_gc(l->main, LUA_GCSETSTEPMUL, 400);
  }
#endif
  return l;
}

void moonlet_limits_close(moonlet_limits *l) {
  if (l == NULL) return;
  tn_budget *budget = l->budget;
  l->held = true; /* finalizers may need some memory to free much */
  if (l->main != NULL) {
    lua_sethook(l->main, NULL, 0, 0);
    /* LuaJIT gives its arena back only when the allocator is its own. */
    if (l->base) {
      lua_setallocf(l->main, l->base, l->base_user);
      tn_budget_give(budget, l->lua_bytes);
    }
    lua_close(l->main);
  }
  tn_budget_host(budget, l, sizeof *l, 0);
  tn_budget_release(budget);
}

void moonlet_limits_register(lua_State *L, moonlet_limits *l, const luaL_Reg *functions) {
  for (; functions->name; functions++) {
    lua_pushlightuserdata(L, l);
    lua_pushcclosure(L, functions->func, 1);
    lua_setfield(L, -2, functions->name);
  }
}

static int refuse_hook(lua_State *L) {
  return luaL_error(L, "not in a state with limits");
}

/* Replaces the functions of a library, if it is there. */
static void replace(lua_State *L, moonlet_limits *l, const char *library,
                    void (*open)(lua_State *, moonlet_limits *)) {
  lua_getglobal(L, library);
  if (lua_istable(L, -1)) open(L, l);
  lua_pop(L, 1);
}

static void open_string(lua_State *L, moonlet_limits *l) {
  moonlet_patterns_open(L, l);
  moonlet_stoppable_string(L, l);
}

/* What would take the limits away. */
static void close_ways_out(lua_State *L) {
  static const char *const names[][2] = {{"debug", "sethook"}, {"jit", "on"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_getglobal(L, names[i][0]);
    if (lua_istable(L, -1)) {
      lua_pushcfunction(L, refuse_hook);
      lua_setfield(L, -2, names[i][1]);
    }
    lua_pop(L, 1);
  }
}

void moonlet_limits_libraries(lua_State *L, moonlet_limits *l) {
  lua_pushlightuserdata(L, l);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_LIMITS);
  if (l->sandbox) moonlet_sandbox_open(L, l);
  else luaL_openlibs(L);
  if (!l->governed) return;
#ifdef MOONLET_LUAJIT
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* the library turns it on */
#else
  replace(L, l, "coroutine", moonlet_coroutines_open);
#endif
  replace(L, l, "string", open_string);
  replace(L, l, "table", moonlet_stoppable_table);
  lua_pushglobaltable(L);
  moonlet_stoppable_base(L, l);
  lua_pop(L, 1);
  close_ways_out(L);
}
