/* host.c -- the embedding API of moonlet.h: states, protected calls, the memory limit.
 *
 * Every way into Lua goes through moonlet_cpcall, so that even an allocation that fails becomes
 * a status and never reaches Lua's panic function, which would end the process. */
#include "host.h"

#include "packages.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *moonlet_version(void) {
  return MOONLET_VERSION;
}

/* -- memory ------------------------------------------------------------------------------------ */

static size_t lua_bytes(lua_State *L) {
  return (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
}

size_t moonlet_memory(const moonlet *m) {
  moonlet *state = (moonlet *)(uintptr_t)m;
  if (moonlet__enter(state) != MOONLET_OK) return 0;
  size_t bytes = lua_bytes(state->now);
  moonlet__leave(state, MOONLET_OK);
  return bytes;
}

/* -- protection -------------------------------------------------------------------------------- */

/* LuaJIT does not collect when an allocation fails, and finds itself as full as before later. */
static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/* The limit has to wait, as finalizers need a few bytes. Lua 5.4 turns their errors into warnings,
 * and loses what they would free when it has no memory to call them: so none is spent on a call. */
void moonlet__collect_all(moonlet *m) {
  m->limits->held = true;
#ifdef MOONLET_LUA54
  collect(m->now);
#else
  int top = lua_gettop(m->now);
  if (moonlet_cpcall(m->now, collect, NULL) != LUA_OK)
    lua_settop(m->now, top); /* a finalizer failed: the error to report is the first one */
#endif
  m->limits->held = false;
}

/* The error text has been made a string by the handler already, so that nothing is allocated here
 * but with malloc. */
moonlet_status moonlet__protect(moonlet *m, lua_CFunction work, moonlet_job *j) {
  lua_State *L = m->now;
  j->m = m;
  j->status = MOONLET_ERUN;
  int top = lua_gettop(L);
  moonlet_limits_enter(m->limits);
  int status = moonlet_cpcall(L, work, j);
  const char *text = NULL;
  char buffer[LIMITS_TEXT];
  if (status != LUA_OK && lua_gettop(L) > top)
    text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "the error is no text";
  if (status == LUA_OK) j->status = MOONLET_OK;
  else if (lua_gettop(L) == top) status = LUA_ERRMEM;
  if (status != LUA_OK && text && j->status == MOONLET_ERUN && moonlet__is_memory_error(m, text))
    j->status = MOONLET_ENOMEM;
  j->status = moonlet_limits_leave(m->limits, status, j->status, &text, buffer);
  if (j->status == MOONLET_OK) return MOONLET_OK;
  moonlet__fail(m, j->status, text ? text : "not enough memory");
  lua_settop(L, top);
  /* one that was stopped may have left its memory full */
  if (j->status == MOONLET_ENOMEM || j->status == MOONLET_ELIMIT) moonlet__collect_all(m);
  return j->status;
}

int moonlet__describe(lua_State *L) {
  if (!lua_isstring(L, 1)) {
    luaL_tolstring(L, 1, NULL);
    lua_replace(L, 1);
  }
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

void moonlet__call(lua_State *L, moonlet_job *j, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, moonlet__describe);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  if (status == LUA_OK) return;
  if (status == LUA_ERRMEM) j->status = MOONLET_ENOMEM;
  moonlet__find_torch(L, j->m, false); /* its errors are to be known */
  lua_error(L);
}

/* -- opening and closing ----------------------------------------------------------------------- */

typedef struct {
  moonlet *m;
  const moonlet_config *config;
} opening;

/* Everything that a new state gets, before the host's first call. */
static int open_libraries(lua_State *L) {
  const opening *o = lua_touserdata(L, 1);
  const moonlet_config *c = o->config;
  moonlet_limits_libraries(L, o->m->limits);
  lua_pushinteger(L, c->threads);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_THREADS);
  if (c->parallel) {
    moonlet_host_threads *host = moonlet_newuserdata(L, sizeof *host);
    *host = (moonlet_host_threads){c->parallel, c->parallel_user};
    lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_PARALLEL);
  }
  moonlet_packages_open(L, c->globals != 0);
  moonlet__open_hooks(L, o->m);
  moonlet__set_defaults(L, o->m, c->default_dtype, c->default_device);
  return 0;
}

/* Says why a state does not open, where the host wants to know. */
static moonlet *refuse(const moonlet_config *c, const char *why) {
  if (c->message && c->message_size > 0) snprintf(c->message, c->message_size, "%s", why);
  return NULL;
}

/* The caller's structure, which may be shorter than ours or longer: fields that we do not know
 * must then be zero. Returns what is wrong with it, or NULL. */
static const char *read_config(moonlet_config *c, const moonlet_config *given) {
  if (!given) return NULL;
  const size_t known = sizeof *c, first = offsetof(moonlet_config, sandbox);
  if (given->size < first || given->size > 16 * known) return "moonlet_config: a wrong size";
  memcpy(c, given, given->size < known ? given->size : known);
  c->size = known;
  for (size_t i = known; i < given->size; i++) {
    if (((const char *)given)[i] != 0) return "moonlet_config: made for a newer library";
  }
  if (c->threads < 0) return "moonlet_config: a negative number of threads";
  if (c->default_dtype && !moonlet__is_float_dtype(c->default_dtype))
    return "moonlet_config: default_dtype names no floating-point type";
  if (c->sandbox != MOONLET_TRUSTED && c->sandbox != MOONLET_SANDBOX)
    return "moonlet_config: no such sandbox";
  return NULL;
}

static void close_state(moonlet *m) {
  m->closing = true;
  if (m->L) {
    m->now = m->L;
    moonlet__end_tasks(m);
    moonlet_limits_close(m->limits);
  }
  free(m->error);
  free(m->line);
  memset((char *)m + offsetof(moonlet, L), 0, sizeof *m - offsetof(moonlet, L));
  m->depth = 0;
  atomic_store_explicit(&m->owner, 0, memory_order_release);
  moonlet__retire_handle(m);
}

moonlet *moonlet_open(const moonlet_config *config) {
  moonlet_config c = MOONLET_CONFIG_INIT;
  const char *wrong = read_config(&c, config);
  if (wrong) return refuse(&c, wrong);
  moonlet_limits *limits = moonlet_limits_open(&c);
  moonlet *m = limits ? moonlet__new_handle() : NULL;
  if (!m) {
    moonlet_limits_close(limits);
    return refuse(&c, "not enough memory");
  }
  lua_State *L = limits->main;
  moonlet__own(m, L);
  m->limits = limits;
  atomic_store(&m->interrupt, 0);
  limits->interrupt = &m->interrupt;
  m->log = c.log;
  m->log_user = c.log_user;
  m->search = c.search;
  m->search_user = c.search_user;
  opening o = {m, &c};
  int status = moonlet_cpcall(L, open_libraries, &o);
  if (status == LUA_OK) {
    moonlet__leave(m, MOONLET_OK);
    return m;
  }
  bool said = status != LUA_ERRMEM && lua_gettop(L) > 0 && lua_type(L, -1) == LUA_TSTRING;
  refuse(&c, said ? lua_tostring(L, -1) : "not enough memory");
  close_state(m);
  return NULL;
}

moonlet_status moonlet_close(moonlet *m) {
  if (!m) return MOONLET_OK;
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  if (m->depth > 1) {
    moonlet__leave(m, MOONLET_OK);
    return moonlet__refuse(m, MOONLET_EBUSY, "moonlet_close: a call into the state is under way");
  }
  close_state(m);
  return MOONLET_OK;
}

moonlet_status moonlet_interrupt(moonlet *m) {
  if (!m) return MOONLET_EARG;
  atomic_store_explicit(&m->interrupt, 1, memory_order_relaxed);
  return MOONLET_OK;
}

struct lua_State *moonlet_state(moonlet *m) {
  if (moonlet__enter(m) != MOONLET_OK) return NULL;
  lua_State *L = m->now;
  moonlet__leave(m, MOONLET_OK);
  return L;
}

/* -- memory once more -------------------------------------------------------------------------- */

moonlet_status moonlet_collect(moonlet *m) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
#ifdef MOONLET_LUA54
  moonlet__collect_all(m);
#else
  moonlet_job j = {.name = NULL};
  status = moonlet__protect(m, collect, &j); /* a finalizer's error is the host's to know */
#endif
  return moonlet__leave(m, status);
}

/* -- running ----------------------------------------------------------------------------------- */

/* Calls the chunk on the top of the stack, or raises the message of its compiler. */
static void run_loaded(lua_State *L, moonlet_job *j, int status) {
  if (status == LUA_ERRSYNTAX) j->status = MOONLET_ESYNTAX;
  if (status == LUA_ERRMEM) j->status = MOONLET_ENOMEM;
  if (status != LUA_OK) lua_error(L);
  moonlet__call(L, j, 0, 0);
}

static int run_buffer(lua_State *L) {
  enum { NAME = 200 }; /* more is not shown */
  moonlet_job *j = lua_touserdata(L, 1);
  if (j->name)
    lua_pushfstring(L, "=%s", j->name);
  else
    lua_pushlstring(L, j->code, strnlen(j->code, j->size < NAME ? j->size : NAME));
  const char *name = lua_tostring(L, -1);
  run_loaded(L, j, luaL_loadbufferx(L, j->code, j->size, name, "t"));
  return 0;
}

static int run_file(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  run_loaded(L, j, luaL_loadfilex(L, j->name, "t"));
  return 0;
}

static int run_require(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  moonlet_packages_require(L);
  lua_pushstring(L, j->name);
  moonlet__call(L, j, 1, 1);
  lua_setglobal(L, j->name);
  return 0;
}

/* One run of a job that lacks nothing. */
static moonlet_status run(moonlet *m, lua_CFunction work, moonlet_job *j, const char *missing) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  status = missing ? moonlet__fail(m, MOONLET_EARG, missing) : moonlet__protect(m, work, j);
  return moonlet__leave(m, status);
}

moonlet_status moonlet_run_string(moonlet *m, const char *code, const char *name) {
  moonlet_job j = {.name = name, .code = code, .size = code ? strlen(code) : 0};
  return run(m, run_buffer, &j, code ? NULL : "moonlet_run_string: no code");
}

moonlet_status moonlet_run_buffer(moonlet *m, const void *code, size_t size, const char *name) {
  moonlet_job j = {.name = name, .code = code ? code : "", .size = size};
  return run(m, run_buffer, &j, code || size == 0 ? NULL : "moonlet_run_buffer: no code");
}

moonlet_status moonlet_run_file(moonlet *m, const char *path) {
  moonlet_job j = {.name = path};
  return run(m, run_file, &j, path ? NULL : "moonlet_run_file: no path");
}

moonlet_status moonlet_require(moonlet *m, const char *name) {
  moonlet_job j = {.name = name};
  return run(m, run_require, &j, name ? NULL : "moonlet_require: no name");
}
