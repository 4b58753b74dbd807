/* host_hooks.c -- where a state turns to its host by itself: the log, and the search for
 * modules. */
#include "host.h"

#include "packages.h"

#include <stdlib.h>
#include <string.h>

/* The state, which is the first upvalue of all functions here. */
static moonlet *state_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* -- the log ----------------------------------------------------------------------------------- */

/* Adds to the line that has not ended yet. Without memory for it the rest is not told. */
static void add_to_line(moonlet *m, const char *text, size_t length) {
  if (m->line_length + length > m->line_room) {
    size_t room = 2 * (m->line_length + length);
    char *more = realloc(m->line, room);
    if (!more) return;
    m->line = more;
    m->line_room = room;
  }
  memcpy(m->line + m->line_length, text, length);
  m->line_length += length;
}

static void tell(moonlet *m, lua_State *L, const char *text, size_t length) {
  lua_State *was = m->now;
  if (moonlet__enter(m) != MOONLET_OK) return; /* a finalizer of a state that closes */
  if (L) m->now = L;
  m->log(m->log_user, text, length);
  m->now = was;
  moonlet__leave(m, MOONLET_OK);
}

/* Hands over the lines that are complete now. */
static void log_text(moonlet *m, lua_State *L, const char *text, size_t length) {
  const char *end;
  while ((end = memchr(text, '\n', length)) != NULL) {
    size_t n = (size_t)(end - text);
    if (m->line_length > 0) {
      char *line = m->line;
      add_to_line(m, text, n);
      line = m->line;
      size_t all = m->line_length;
      m->line = NULL; /* the host may print in turn */
      m->line_length = m->line_room = 0;
      tell(m, L, line, all);
      free(line);
    } else {
      tell(m, L, text, n);
    }
    text += n + 1;
    length -= n + 1;
  }
  if (length > 0) add_to_line(m, text, length);
}

static int log_print(lua_State *L) {
  moonlet *m = state_of(L);
  int n = lua_gettop(L);
  luaL_Buffer line;
  luaL_checkstack(L, LUA_MINSTACK + n, "too many values to print");
  for (int i = 1; i <= n; i++) luaL_tolstring(L, i, NULL);
  luaL_buffinit(L, &line);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&line, '\t');
    lua_pushvalue(L, n + i);
    luaL_addvalue(&line);
  }
  luaL_addchar(&line, '\n');
  luaL_pushresult(&line);
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  log_text(m, L, text, length);
  return 0;
}

/* io.write, while the standard output is where it goes. Upvalue 2: the original; 3: io.output;
 * 4: io.stdout. */
static int log_write(lua_State *L) {
  moonlet *m = state_of(L);
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_call(L, 0, 1);
  bool standard = lua_rawequal(L, -1, lua_upvalueindex(4));
  if (!standard) {
    lua_pop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
  }
  for (int i = 1; i <= n; i++) {
    size_t length;
    const char *text = luaL_checklstring(L, i, &length);
    log_text(m, L, text, length);
  }
  return 1; /* the file */
}

#ifdef MOONLET_LUA54
static void log_warning(void *user, const char *text, int goes_on) {
  moonlet *m = user;
  if (!goes_on && m->line_length == 0 && text[0] == '@') {
    if (strcmp(text, "@on") == 0) m->warns = true;
    if (strcmp(text, "@off") == 0) m->warns = false;
    return;
  }
  if (!m->warns) return;
  log_text(m, NULL, text, strlen(text));
  if (!goes_on) log_text(m, NULL, "\n", 1);
}
#endif

static void open_log(lua_State *L, moonlet *m) {
  lua_pushlightuserdata(L, m);
  lua_pushcclosure(L, log_print, 1);
  lua_setglobal(L, "print");
  lua_getglobal(L, "io");
  if (lua_istable(L, -1)) {
    lua_pushlightuserdata(L, m);
    lua_getfield(L, -2, "write");
    lua_getfield(L, -3, "output");
    lua_getfield(L, -4, "stdout");
    lua_pushcclosure(L, log_write, 4);
    lua_setfield(L, -2, "write");
  }
  lua_pop(L, 1);
#ifdef MOONLET_LUA54
  lua_setwarnf(L, log_warning, m);
#endif
}

/* -- modules ----------------------------------------------------------------------------------- */

/* search(name): the module's loader and where it comes from, or nil, as MOONLET_KEY_SEARCH wants it
 * and a searcher of package.loaders may. */
static int search_module(lua_State *L) {
  moonlet *m = state_of(L);
  const char *name = luaL_checkstring(L, 1), *code = NULL;
  size_t size = 0;
  lua_State *was = m->now;
  lua_settop(L, 1);
  if (moonlet__enter(m) != MOONLET_OK) return luaL_error(L, "%s", moonlet_error(m));
  m->now = L;
  int found = m->search(m->search_user, name, &code, &size);
  m->now = was;
  moonlet__leave(m, MOONLET_OK);
  if (!found) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushfstring(L, "=%s", name);
  if (!code && size > 0) return luaL_error(L, "module '%s': the host gave no code", name);
  if (luaL_loadbufferx(L, code ? code : "", size, lua_tostring(L, 2), "t") != LUA_OK)
    return luaL_error(L, "error loading module '%s':\n\t%s", name, lua_tostring(L, -1));
  lua_pushvalue(L, 1);
  return 2;
}

#ifdef MOONLET_LUAJIT
static const char searchers_name[] = "loaders";
#else
static const char searchers_name[] = "searchers";
#endif

/* The host's modules come before all but package.preload. */
static void open_search(lua_State *L, moonlet *m) {
  lua_pushlightuserdata(L, m);
  lua_pushcclosure(L, search_module, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_SEARCH);
  lua_getglobal(L, "package");
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, searchers_name);
    if (lua_istable(L, -1)) {
      for (int n = (int)lua_rawlen(L, -1); n > 1; n--) {
        lua_rawgeti(L, -1, n);
        lua_rawseti(L, -2, n + 1);
      }
      lua_pushvalue(L, -3);
      lua_rawseti(L, -2, 2);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* -- collections ------------------------------------------------------------------------------- */

static const char *const counter_key = "moonlet.counter";

static void push_counter(lua_State *L, moonlet *m) {
  moonlet **counter = moonlet_newuserdata(L, sizeof *counter);
  *counter = m;
  lua_getfield(L, LUA_REGISTRYINDEX, counter_key);
  lua_setmetatable(L, -2);
}

/* Garbage of every collection, which leaves another one behind. */
static int count_collection(lua_State *L) {
  moonlet *m = *(moonlet **)lua_touserdata(L, 1);
  if (m->closing) return 0;
  m->collections++;
  push_counter(L, m);
  return 0;
}

static void open_counter(lua_State *L, moonlet *m) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, count_collection);
  lua_setfield(L, -2, "__gc");
  lua_setfield(L, LUA_REGISTRYINDEX, counter_key);
  push_counter(L, m);
  lua_pop(L, 1);
}

void moonlet__open_hooks(lua_State *L, moonlet *m) {
  if (m->log) open_log(L, m);
  if (m->search) open_search(L, m);
  open_counter(L, m);
}
