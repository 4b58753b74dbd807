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

/* Wraps Lua's allocator rather than replacing it: LuaJIT wants memory at low addresses on some
 * machines, and only its own allocator finds it. Shrinking never fails, as Lua demands. */
static void *counted_alloc(void *user, void *block, size_t old_size, size_t new_size) {
  moonlet *m = user;
  if (!block) old_size = 0; /* Lua 5.4 passes a type there */
  if (m->limit && new_size > old_size) {
    size_t room = m->limit > m->used ? m->limit - m->used : 0;
    if (new_size - old_size > room) return NULL;
  }
  void *moved = m->alloc(m->alloc_user, block, old_size, new_size);
  if (moved || new_size == 0) m->used += new_size - old_size; /* unsigned: wraps rightly */
  return moved;
}

size_t moonlet_memory(const moonlet *m) {
  return (size_t)lua_gc(m->L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(m->L, LUA_GCCOUNTB, 0);
}

/* LuaJIT's collector waits for the heap to double, and does not try again when an allocation
 * fails: with a limit, it had better be at work all the time. */
static void limit_memory(moonlet *m, size_t limit) {
  if (limit == 0) return;
  m->used = moonlet_memory(m);
  m->limit = limit;
  m->alloc = lua_getallocf(m->L, &m->alloc_user);
  lua_setallocf(m->L, counted_alloc, m);
  lua_gc(m->L, LUA_GCSETPAUSE, 110);
  lua_gc(m->L, LUA_GCSETSTEPMUL, 400);
}

/* -- errors ------------------------------------------------------------------------------------ */

moonlet_status moonlet__fail(moonlet *m, moonlet_status status, const char *text) {
  size_t size = strlen(text) + 1;
  free(m->error);
  m->failed = true;
  m->error = malloc(size);
  if (m->error) memcpy(m->error, text, size);
  return status;
}

const char *moonlet_error(const moonlet *m) {
  if (m->error) return m->error;
  return m->failed ? "not enough memory" : "";
}

/* LuaJIT does not collect when an allocation fails, and finds itself as full as before later. */
static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/* The limit has to wait, as the call itself needs a few bytes. */
static void collect_all(moonlet *m) {
  size_t limit = m->limit;
  int top = lua_gettop(m->L);
  m->limit = 0;
  if (moonlet_cpcall(m->L, collect, NULL) != LUA_OK)
    lua_settop(m->L, top); /* a finalizer failed: the error to report is the first one */
  m->limit = limit;
}

/* The error text has been made a string by the handler already, so that nothing is allocated here
 * but with malloc. */
moonlet_status moonlet__protect(moonlet *m, lua_CFunction work, moonlet_job *j) {
  j->m = m;
  j->status = MOONLET_ERUN;
  int top = lua_gettop(m->L);
  int status = moonlet_cpcall(m->L, work, j);
  if (status == LUA_OK) return MOONLET_OK;
  if (status == LUA_ERRMEM || lua_gettop(m->L) == top) {
    moonlet__fail(m, j->status = MOONLET_ENOMEM, "not enough memory");
  } else if (lua_type(m->L, -1) == LUA_TSTRING) {
    moonlet__fail(m, j->status, lua_tostring(m->L, -1));
  } else {
    moonlet__fail(m, j->status, "the error is no text");
  }
  lua_settop(m->L, top);
  if (j->status == MOONLET_ENOMEM) collect_all(m);
  return j->status;
}

/* Message handler: any value becomes text with a traceback. */
static int describe(lua_State *L) {
  if (!lua_isstring(L, 1)) {
    luaL_tolstring(L, 1, NULL);
    lua_replace(L, 1);
  }
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

void moonlet__call(lua_State *L, moonlet_job *j, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, describe);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  if (status == LUA_OK) return;
  if (status == LUA_ERRMEM) j->status = MOONLET_ENOMEM;
  lua_error(L);
}

/* -- opening and closing ----------------------------------------------------------------------- */

static int open_libraries(lua_State *L) {
  const moonlet_config *config = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_pushinteger(L, config->threads);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_THREADS);
  if (config->parallel) {
    moonlet_host_threads *host = moonlet_newuserdata(L, sizeof *host);
    *host = (moonlet_host_threads){config->parallel, config->parallel_user};
    lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_PARALLEL);
  }
  moonlet_packages_open(L, config->globals != 0);
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
  for (size_t i = known; i < given->size; i++) {
    if (((const char *)given)[i] != 0) return "moonlet_config: made for a newer library";
  }
  memcpy(c, given, given->size < known ? given->size : known);
  c->size = known;
  if (c->threads < 0) return "moonlet_config: a negative number of threads";
  if (c->sandbox || c->instruction_limit || c->time_limit_us || c->interruptible || c->alloc ||
      c->log || c->search || c->default_dtype || c->default_device)
    return "moonlet_config: a field that this version does not offer yet";
  return NULL;
}

moonlet *moonlet_open(const moonlet_config *config) {
  moonlet_config c = MOONLET_CONFIG_INIT;
  const char *wrong = read_config(&c, config);
  if (wrong) return refuse(&c, wrong);
  moonlet *m = calloc(1, sizeof *m);
  if (!m) return refuse(&c, "not enough memory");
  m->L = luaL_newstate();
  if (m->L) limit_memory(m, c.memory_limit);
  if (!m->L || moonlet_cpcall(m->L, open_libraries, &c) != LUA_OK) {
    moonlet_close(m);
    return refuse(&c, "not enough memory");
  }
  return m;
}

void moonlet_close(moonlet *m) {
  if (!m) return;
  if (m->L) {
    /* Finalizers may need some memory to free much, and LuaJIT gives its arena back only when
     * the allocator is its own. */
    if (m->alloc) lua_setallocf(m->L, m->alloc, m->alloc_user);
    lua_close(m->L);
  }
  free(m->error);
  free(m);
}

struct lua_State *moonlet_state(moonlet *m) {
  return m->L;
}

/* -- running ----------------------------------------------------------------------------------- */

/* Calls the chunk on the top of the stack, or raises the message of its compiler. */
static void run_loaded(lua_State *L, moonlet_job *j, int status) {
  if (status == LUA_ERRSYNTAX) j->status = MOONLET_ESYNTAX;
  if (status == LUA_ERRMEM) j->status = MOONLET_ENOMEM;
  if (status != LUA_OK) lua_error(L);
  moonlet__call(L, j, 0, 0);
}

static int run_string(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  const char *name = j->name ? lua_pushfstring(L, "=%s", j->name) : j->code;
  run_loaded(L, j, luaL_loadbufferx(L, j->code, strlen(j->code), name, "t"));
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

moonlet_status moonlet_run_string(moonlet *m, const char *code, const char *name) {
  moonlet_job j = {.name = name, .code = code};
  if (!code) return moonlet__fail(m, MOONLET_EARG, "moonlet_run_string: no code");
  return moonlet__protect(m, run_string, &j);
}

moonlet_status moonlet_run_file(moonlet *m, const char *path) {
  moonlet_job j = {.name = path};
  if (!path) return moonlet__fail(m, MOONLET_EARG, "moonlet_run_file: no path");
  return moonlet__protect(m, run_file, &j);
}

moonlet_status moonlet_require(moonlet *m, const char *name) {
  moonlet_job j = {.name = name};
  if (!name) return moonlet__fail(m, MOONLET_EARG, "moonlet_require: no name");
  return moonlet__protect(m, run_require, &j);
}
