/* lua_compat.h -- the one place that knows LuaJIT (5.1's C API) from PUC Lua 5.4.
 *
 * The code above is written against 5.4's names; here they are made for LuaJIT. Names that
 * mean something different in the two get a `moonlet_` name of their own instead:
 *   moonlet_newuserdata  a block without user values (5.4's default costs one slot each)
 *   moonlet_toint        an exact integer, or false; luaL_checkinteger truncates on LuaJIT
 *   moonlet_setenv       gives a loaded chunk its table of globals
 *   moonlet_pcall        lua_pcall which adds a traceback to a string error
 *   moonlet_resume       lua_resume with one signature
 * lua_getfield and its like return nothing on LuaJIT: use the value on the stack. Not to be
 * used at all, as no fair copy exists: lua_getuservalue, lua_yieldk, luaL_buffinitsize. */
#ifndef MOONLET_LUA_COMPAT_H
#define MOONLET_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdbool.h>
#include <stdint.h>

#if LUA_VERSION_NUM >= 504
#define MOONLET_LUA54 1
#elif LUA_VERSION_NUM == 501
#include <luajit.h> /* plain Lua 5.1 lacks what 2.1 of LuaJIT took over from 5.2 */
#define MOONLET_LUAJIT 1
#else
#error "moonlet needs LuaJIT 2.1 or Lua 5.4"
#endif

#ifdef MOONLET_LUAJIT

#define MOONLET_VM LUAJIT_VERSION
#ifndef LUA_OK
#define LUA_OK 0
#endif
#define LUA_OPEQ               0
#define LUA_OPLT               1
#define LUA_LOADED_TABLE       "_LOADED"
#define lua_rawlen(L, idx)     lua_objlen((L), (idx))
#define lua_pushglobaltable(L) lua_pushvalue((L), LUA_GLOBALSINDEX)
#define lua_isinteger(L, idx)  ((void)(L), (void)(idx), 0)
#define lua_compare(L, a, b, op) \
  ((op) == LUA_OPEQ ? lua_equal((L), (a), (b)) : lua_lessthan((L), (a), (b)))

static inline int lua_absindex(lua_State *L, int idx) {
  return idx > 0 || idx <= LUA_REGISTRYINDEX ? idx : lua_gettop(L) + idx + 1;
}

static inline int lua_rawgetp(lua_State *L, int idx, const void *key) {
  idx = lua_absindex(L, idx);
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_rawget(L, idx);
  return lua_type(L, -1);
}

static inline void lua_rawsetp(lua_State *L, int idx, const void *key) {
  idx = lua_absindex(L, idx);
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_insert(L, -2);
  lua_rawset(L, idx);
}

static inline int lua_geti(lua_State *L, int idx, lua_Integer i) {
  idx = lua_absindex(L, idx);
  lua_pushinteger(L, i);
  lua_gettable(L, idx);
  return lua_type(L, -1);
}

static inline void lua_seti(lua_State *L, int idx, lua_Integer i) {
  idx = lua_absindex(L, idx);
  lua_pushinteger(L, i);
  lua_insert(L, -2);
  lua_settable(L, idx);
}

static inline int luaL_getsubtable(lua_State *L, int idx, const char *name) {
  idx = lua_absindex(L, idx);
  lua_getfield(L, idx, name);
  if (lua_istable(L, -1)) return 1;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, idx, name);
  return 0;
}

/* Pushes what tostring(value) gives. Its text is valid while it is on the stack. */
static inline const char *luaL_tolstring(lua_State *L, int idx, size_t *len) {
  idx = lua_absindex(L, idx);
  if (luaL_callmeta(L, idx, "__tostring")) {
    if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
  } else {
    switch (lua_type(L, idx)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
      lua_pushvalue(L, idx);
      break;
    case LUA_TBOOLEAN:
      lua_pushstring(L, lua_toboolean(L, idx) ? "true" : "false");
      break;
    case LUA_TNIL:
      lua_pushliteral(L, "nil");
      break;
    default:
      lua_pushfstring(L, "%s: %p", luaL_typename(L, idx), lua_topointer(L, idx));
    }
  }
  return lua_tolstring(L, -1, len);
}

static inline void *moonlet_newuserdata(lua_State *L, size_t size) {
  return lua_newuserdata(L, size);
}

/* LuaJIT has one kind of number; the C cast is defined only inside int64's range. */
static inline bool moonlet_toint(lua_State *L, int idx, int64_t *out) {
  if (lua_type(L, idx) != LUA_TNUMBER) return false;
  lua_Number x = lua_tonumber(L, idx);
  if (!(x >= -9223372036854775808.0 && x < 9223372036854775808.0)) return false;
  *out = (int64_t)x;
  return (lua_Number)*out == x;
}

/* The function at `func` takes the table on the top of the stack, and pops it, as globals. */
static inline void moonlet_setenv(lua_State *L, int func) {
  lua_setfenv(L, func);
}

static inline int moonlet_resume(lua_State *co, lua_State *from, int nargs, int *nresults) {
  (void)from;
  int status = lua_resume(co, nargs);
  *nresults = lua_gettop(co);
  return status;
}

#else /* Lua 5.4 */

#define MOONLET_VM LUA_RELEASE

static inline void *moonlet_newuserdata(lua_State *L, size_t size) {
  return lua_newuserdatauv(L, size, 0);
}

static inline bool moonlet_toint(lua_State *L, int idx, int64_t *out) {
  int exact = 0;
  if (lua_type(L, idx) != LUA_TNUMBER) return false;
  *out = lua_tointegerx(L, idx, &exact);
  return exact != 0;
}

/* _ENV is the first upvalue of a loaded chunk. A chunk without any global has no upvalue,
 * and no use for the table either. */
static inline void moonlet_setenv(lua_State *L, int func) {
  func = lua_absindex(L, func);
  if (lua_setupvalue(L, func, 1) == NULL) lua_pop(L, 1);
}

static inline int moonlet_resume(lua_State *co, lua_State *from, int nargs, int *nresults) {
  return lua_resume(co, from, nargs, nresults);
}

#endif

/* Message handler: string errors (and objects which can tell) get a traceback; other error
 * values pass as they are, so that a host can catch its own. */
static inline int moonlet_traceback(lua_State *L) {
  if (!lua_isstring(L, 1)) {
    if (!luaL_getmetafield(L, 1, "__tostring")) return 1;
    lua_pop(L, 1);
    luaL_tolstring(L, 1, NULL);
    lua_replace(L, 1);
  }
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* Calls f(data), data being a light userdata, protected: nothing may raise on the way there
 * either, not even for want of memory. What is on the stack is kept; an error value is pushed. */
static inline int moonlet_cpcall(lua_State *L, lua_CFunction f, void *data) {
#ifdef MOONLET_LUAJIT
  return lua_cpcall(L, f, data); /* pushing a C function allocates here */
#else
  if (!lua_checkstack(L, 4)) return LUA_ERRMEM;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, data);
  return lua_pcall(L, 1, 0, 0);
#endif
}

/* lua_pcall with moonlet_traceback as its handler. */
static inline int moonlet_pcall(lua_State *L, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, moonlet_traceback);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  return status;
}

#endif
