/* host_step.c -- tasks: functions that run for a while at a time, as long as a frame can spare.
 *
 * A task is a coroutine. Between two of its yields it runs a slice; a step runs slices until the
 * next one, which is expected to take as long as the longer ones of late, would not fit the
 * budget. */
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct moonlet_paused {
  moonlet_task id;
  lua_State *co;
  int ref;   /* of the coroutine, in the registry */
  int nargs; /* values on its stack for the next resume */
  bool running;
  moonlet_status status; /* MOONLET_EAGAIN until it has ended */
  char *error;           /* why it ended, or NULL */
  unsigned long long slice; /* microseconds that one is expected to take */
  moonlet_mode mode;
  struct moonlet_paused *next;
} paused;

/* No task of another state, or of one long closed, is ever taken for one of this state. */
static atomic_ullong last_id;

static unsigned long long microseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static paused *find(const moonlet *m, moonlet_task id) {
  for (paused *p = m->tasks; p; p = p->next)
    if (p->id == id) return p;
  return NULL;
}

/* -- starting ---------------------------------------------------------------------------------- */

static int run_start(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  paused *p = j->task;
  moonlet__find_torch(L, j->m, false);
  moonlet__get_path(L, j);
  if (lua_isnil(L, -1)) return luaL_error(L, "moonlet_task_start: there is no %s", j->name);
  p->nargs = (int)strlen(j->types);
  luaL_checkstack(L, p->nargs + 10, "too many values for a task");
  for (const char *type = j->types; *type; type++)
    moonlet__push_value(L, j->m, *type, j->values);
  p->co = lua_newthread(L);
  lua_insert(L, 2);
  luaL_checkstack(p->co, p->nargs + 10, "too many values for a task");
  lua_xmove(L, p->co, p->nargs + 1);
  p->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static moonlet_status start(moonlet *m, moonlet_task *task, moonlet_job *j) {
  if (!task || !j->name || !j->types || strlen(j->types) > 1000 ||
      !moonlet__are_types(j->types, strlen(j->types))) {
    return moonlet__fail(m, MOONLET_EARG,
                         "moonlet_task_start: wants a name, and types of arguments like \"dd\"");
  }
  paused *p = calloc(1, sizeof *p);
  if (!p) return moonlet__fail(m, MOONLET_ENOMEM, "not enough memory");
  p->status = MOONLET_EAGAIN;
  j->task = p;
  moonlet_status status = moonlet__protect(m, run_start, j);
  if (status != MOONLET_OK) {
    free(p);
    return status;
  }
  *task = p->id = atomic_fetch_add(&last_id, 1) + 1;
  paused **last = &m->tasks;
  while (*last) last = &(*last)->next;
  *last = p;
  return MOONLET_OK;
}

moonlet_status moonlet_task_start(moonlet *m, moonlet_task *task, const char *function,
                                  const char *types, ...) {
  if (task) *task = 0;
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  va_list values;
  va_start(values, types);
  moonlet_job j = {.name = function, .types = types, .values = &values};
  status = moonlet__leave(m, start(m, task, &j));
  va_end(values);
  return status;
}

/* -- stepping ---------------------------------------------------------------------------------- */

/* The outcome of a slice of a coroutine that has ended. Raises its error, described. */
static void ended(lua_State *L, moonlet_job *j, int status) {
  paused *p = j->task;
  if (status == LUA_OK) {
    p->status = MOONLET_OK;
    return;
  }
  if (status == LUA_ERRMEM) j->status = MOONLET_ENOMEM;
  if (status == LUA_ERRMEM || lua_gettop(p->co) == 0) {
    lua_pushliteral(L, "not enough memory");
  } else {
    luaL_checkstack(p->co, 1, "no room for an error");
    lua_xmove(p->co, L, 1);
    if (!lua_isstring(L, -1)) luaL_tolstring(L, -1, NULL);
    luaL_traceback(L, p->co, lua_tostring(L, -1), 0);
  }
  lua_error(L);
}

/* Runs one slice. */
static int run_slice(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  paused *p = j->task;
  int nresults = 0, nargs = p->nargs;
  moonlet__swap_mode(L, j->m, &p->mode);
  p->nargs = 0;
  lua_State *running = j->m->limits->running;
  moonlet_limits_resume(j->m->limits, p->co);
  int status = moonlet_resume(p->co, L, nargs, &nresults);
  moonlet_limits_resumed(L, j->m->limits, running);
  moonlet__swap_mode(L, j->m, &p->mode);
  if (status == LUA_YIELD)
    lua_pop(p->co, nresults); /* nobody asks for what is yielded */
  else
    ended(L, j, status);
  return 0;
}

static void keep_error(moonlet *m, paused *p, moonlet_status status) {
  const char *text = moonlet_error(m);
  p->status = status;
  p->error = malloc(strlen(text) + 1);
  if (p->error) strcpy(p->error, text);
}

/* Until now, `slice` was expected; this one took `took`. A long one is remembered for a while. */
static unsigned long long expected(unsigned long long slice, unsigned long long took) {
  slice -= slice / 8;
  return took > slice ? took : slice;
}

/* One slice of a task that has not ended yet. */
static void slice(moonlet *m, paused *p) {
  moonlet_job j = {.task = p};
  unsigned long long began = microseconds();
  p->running = true;
  moonlet_status status = moonlet__protect(m, run_slice, &j);
  p->running = false;
  p->slice = expected(p->slice, microseconds() - began);
  if (status != MOONLET_OK) keep_error(m, p, status);
}

static moonlet_status outcome(moonlet *m, const paused *p) {
  if (p->status == MOONLET_OK || p->status == MOONLET_EAGAIN) return p->status;
  return moonlet__fail(m, p->status, p->error ? p->error : "not enough memory");
}

static moonlet_status step_one(moonlet *m, moonlet_task id, unsigned long long budget) {
  const unsigned long long began = microseconds();
  paused *p = find(m, id);
  if (!p) return moonlet__fail(m, MOONLET_EARG, "moonlet_step: there is no such task");
  if (p->running) return moonlet__fail(m, MOONLET_EBUSY, "moonlet_step: this task is running");
  do {
    if (p->status == MOONLET_EAGAIN) slice(m, p);
  } while (p->status == MOONLET_EAGAIN && microseconds() - began + p->slice < budget);
  return outcome(m, p);
}

/* The next task that can run, behind `p` or from the beginning. */
static paused *next_of(const moonlet *m, paused *p) {
  for (p = p ? p->next : m->tasks; p; p = p->next)
    if (p->status == MOONLET_EAGAIN && !p->running) return p;
  return NULL;
}

/* In turn: the one whose turn it is goes to the end of the list. A callback may have ended it. */
static void requeue(moonlet *m, moonlet_task id) {
  paused **at = &m->tasks, *p;
  while (*at && (*at)->id != id) at = &(*at)->next;
  if (!(p = *at)) return;
  *at = p->next;
  p->next = NULL;
  while (*at) at = &(*at)->next;
  *at = p;
}

static moonlet_status step_all(moonlet *m, unsigned long long budget) {
  const unsigned long long began = microseconds();
  moonlet_status status = MOONLET_OK;
  bool first = true;
  for (paused *p; status == MOONLET_OK && (p = next_of(m, NULL)) != NULL; first = false) {
    if (!first && microseconds() - began + p->slice >= budget) return MOONLET_EAGAIN;
    moonlet_task id = p->id;
    slice(m, p);
    if (p->status != MOONLET_EAGAIN) status = outcome(m, p);
    requeue(m, id);
  }
  return status;
}

moonlet_status moonlet_step(moonlet *m, moonlet_task task, unsigned long long budget_us) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  status = task == MOONLET_ALL_TASKS ? step_all(m, budget_us) : step_one(m, task, budget_us);
  return moonlet__leave(m, status);
}

/* -- results and the end ----------------------------------------------------------------------- */

static int run_results(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  lua_State *co = j->task->co;
  int have = lua_gettop(co), wanted = (int)strlen(j->types);
  moonlet__find_torch(L, j->m, false);
  luaL_checkstack(L, wanted + 10, "too many results");
  luaL_checkstack(co, 1, "too many results");
  for (int i = 1; i <= wanted; i++) {
    if (i <= have)
      lua_pushvalue(co, i);
    else
      lua_pushnil(co);
    lua_xmove(co, L, 1);
  }
  moonlet__keep(L, 2, wanted);
  for (int i = 0; i < wanted; i++) {
    const char *kind = moonlet__store_value(L, j->m, 2 + i, j->types[i], j->values, true);
    if (kind) {
      return luaL_error(L, "moonlet_task_results: result %d is %s, not %s", i + 1,
                        moonlet__kind_of(L, 2 + i), kind);
    }
  }
  return 0;
}

static moonlet_status results(moonlet *m, moonlet_task id, moonlet_job *j) {
  const paused *p = j->task = find(m, id);
  if (!p || !j->types || !moonlet__are_types(j->types, strlen(j->types)))
    return moonlet__fail(m, MOONLET_EARG, "moonlet_task_results: wants a task and types");
  va_list values;
  va_copy(values, *j->values);
  moonlet__clear_tensors(j->types, &values, false);
  va_end(values);
  if (p->status != MOONLET_OK) return outcome(m, p);
  va_copy(values, *j->values);
  moonlet_status status = moonlet__protect(m, run_results, j);
  if (status != MOONLET_OK) moonlet__clear_tensors(j->types, &values, true);
  va_end(values);
  return status;
}

moonlet_status moonlet_task_results(moonlet *m, moonlet_task task, const char *types, ...) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  va_list values;
  va_start(values, types);
  moonlet_job j = {.types = types, .values = &values};
  status = moonlet__leave(m, results(m, task, &j));
  va_end(values);
  return status;
}

/* Closes what Lua 5.4 wants closed, and lets the coroutine go. */
static int run_cancel(lua_State *L) {
  const moonlet_job *j = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->task->ref); /* here it lives on until we are done */
  luaL_unref(L, LUA_REGISTRYINDEX, j->task->ref);
#ifdef MOONLET_LUA54
  lua_State *co = j->task->co;
  if (moonlet_limits_killed(co)) return 0;
  lua_State *running = j->m->limits->running;
  moonlet_limits_resume(j->m->limits, co);
  const int ended = lua_resetthread(co);
  moonlet_limits_resumed(L, j->m->limits, running);
  if (ended != LUA_OK && j->task->status == MOONLET_EAGAIN) {
    lua_xmove(co, L, 1); /* of a __close; that of a failed task is told already */
    luaL_tolstring(L, -1, NULL);
    return lua_error(L);
  }
#endif
  return 0;
}

moonlet_status moonlet_task_cancel(moonlet *m, moonlet_task task) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  paused **at = &m->tasks;
  while (*at && (*at)->id != task) at = &(*at)->next;
  paused *p = *at;
  if (!p)
    return moonlet__leave(
        m, moonlet__fail(m, MOONLET_EARG, "moonlet_task_cancel: there is no such task"));
  if (p->running)
    return moonlet__leave(
        m, moonlet__fail(m, MOONLET_EBUSY, "moonlet_task_cancel: this task is running"));
  *at = p->next;
  moonlet_job j = {.task = p};
  status = moonlet__protect(m, run_cancel, &j);
  free(p->error);
  free(p);
  return moonlet__leave(m, status);
}

void moonlet__end_tasks(moonlet *m) {
  for (paused *p = m->tasks, *next; p; p = next) {
    next = p->next;
    free(p->error);
    free(p);
  }
  m->tasks = NULL;
}
