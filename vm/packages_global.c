/* packages_global.c -- packages as the executable's scripts see them: through the ordinary
 * require, and as globals that load when they are touched first. */
#include "packages.h"

#include <string.h>

/* First names that belong to us: files of the same name beside a script do not hide them. */
static const char *const own_names[] = {"torch", "nn", "optim", "moonlet", NULL};

/* Names that become globals with the package that loads them, as Torch7's do: `require 'nngraph'`
 * makes `graph`, too. */
static const char *const made_global[] = {"graph", "nngraph", "rnn", "dpnn", "cutorch", "cunn",
                                          "cudnn", NULL};

/* Makes the packages of made_global that are loaded by now globals, where there is none. */
static void add_made_globals(lua_State *L) {
  moonlet__push_field(L, "loaded");
  lua_pushglobaltable(L);
  for (const char *const *name = made_global; *name; name++) {
    lua_pushstring(L, *name);
    lua_rawget(L, -2);
    lua_getfield(L, -3, *name);
    if (lua_isnil(L, -2) && lua_istable(L, -1)) {
      lua_pushstring(L, *name);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
}

/* Calls our require for the name at `index` and leaves the module. torch, nn and optim are
 * globals once they are loaded, as in Torch7. */
static void require_global(lua_State *L, int index) {
  const char *name = lua_tostring(L, index);
  moonlet_packages_require(L);
  lua_pushvalue(L, index);
  lua_call(L, 1, 1);
  if (!lua_istable(L, -1)) return;
  add_made_globals(L);
  if (!moonlet__is_listed(name, strlen(name), own_names)) return;
  lua_pushglobaltable(L);
  lua_pushvalue(L, index);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

#ifdef MOONLET_LUAJIT
static const char searchers_name[] = "loaders";
static const char message_prefix[] = "\n\t"; /* Lua 5.4 adds it itself */
#else
static const char searchers_name[] = "searchers";
static const char message_prefix[] = "";
#endif

/* LuaJIT's require marks a module as loading and leaves the mark when it fails; ours tells a
 * circle from a failure, so the mark goes. */
static int loader(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  lua_rawset(L, -3);
  require_global(L, 1);
  return 1;
}

/* A searcher of package.searchers (package.loaders on LuaJIT). Upvalue 1: whether this is the
 * early one, which answers only for names that are ours. The late one stands behind the
 * script's own files, which may well be called data.lua. */
static int searcher(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool early = lua_toboolean(L, lua_upvalueindex(1));
  lua_settop(L, 1);
  if (early && !moonlet__is_listed(name, strcspn(name, "."), own_names)) return 0;
  moonlet__push_field(L, "loaded");
  lua_getfield(L, -1, name);
  if (lua_toboolean(L, -1) || moonlet__push_file(L, name) || moonlet__find_embedded(name) ||
      moonlet__find_core(name))
    lua_pushcfunction(L, loader);
  else if (early)
    return 0;
  else
    lua_pushfstring(L, "%sno Moonlet package '%s'", message_prefix, name);
  return 1;
}

/* Puts the two searchers behind package.preload and at the end. */
static void add_searchers(lua_State *L) {
  lua_getglobal(L, "package");
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  lua_getfield(L, -1, searchers_name);
  if (lua_istable(L, -1)) {
    int n = (int)lua_rawlen(L, -1);
    for (; n > 1; n--) {
      lua_rawgeti(L, -1, n);
      lua_rawseti(L, -2, n + 1);
    }
    for (int early = 1; early >= 0; early--) {
      lua_pushboolean(L, early);
      lua_pushcclosure(L, searcher, 1);
      lua_rawseti(L, -2, early ? 2 : (int)lua_rawlen(L, -2) + 1);
    }
  }
  lua_pop(L, 2);
}

/* __index of the table of globals: loads one of moonlet_packages_globals. */
static int lazy_global(lua_State *L) {
  size_t length;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tolstring(L, 2, &length);
  if (!moonlet__is_listed(name, length, moonlet_packages_globals)) return 0;
  if (!moonlet__find_embedded(name)) {
    lua_pushvalue(L, 2);
    if (!moonlet__push_file(L, name)) return 0;
  }
  require_global(L, 2);
  return 1;
}

/* Leaves a metatable that somebody has put there as it is. */
static void add_lazy_globals(lua_State *L) {
  int top = lua_gettop(L);
  lua_pushglobaltable(L);
  if (!lua_getmetatable(L, -1)) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, lazy_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
  }
  lua_settop(L, top);
}

void moonlet__packages_make_global(lua_State *L) {
  add_searchers(L);
  add_lazy_globals(L);
}
