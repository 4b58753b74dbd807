/* sandbox.c -- what scripts in a sandbox find: computing, and nothing that reaches the world.
 *
 * Packages run with the same globals as scripts and with no power that these lack, so it does not
 * matter what a script does to them. What the tensor library may not do in a sandbox is taken out
 * of its core table before anybody sees it; metatables of userdata stay hidden, as a finalizer that
 * a script writes there would run without hooks, and no limit would stop it. */
#include "bind_sandbox.h"
#include "state_limits.h"
#include "packages.h"

#include <string.h>

/* Puts what `open` makes of a library into the globals. */
static void open_library(lua_State *L, const char *name, lua_CFunction open) {
#ifdef MOONLET_LUAJIT
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
#else
  luaL_requiref(L, *name ? name : LUA_GNAME, open, 1);
  lua_pop(L, 1);
#endif
}

static void take_away(lua_State *L, const char *library, const char *const *names) {
  lua_getglobal(L, library);
  for (; *names; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
  lua_pop(L, 1);
}

static void forget_loaded(lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

/* os.date, whose cost grows with the format. Upvalue 1: the original. */
static int date(lua_State *L) {
  size_t length;
  luaL_optlstring(L, 1, "", &length);
  if (length > 200) return luaL_error(L, "date: the format is too long for a sandbox");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* The clocks of os. */
static void open_clocks(lua_State *L) {
  static const char *const names[] = {"clock", "time", "date", "difftime", NULL};
  open_library(L, "os", luaopen_os);
  lua_createtable(L, 0, 4);
  lua_getglobal(L, "os");
  for (const char *const *name = names; *name; name++) {
    lua_getfield(L, -1, *name);
    lua_setfield(L, -3, *name);
  }
  lua_pop(L, 1);
  lua_getfield(L, -1, "date");
  lua_pushcclosure(L, date, 1);
  lua_setfield(L, -2, "date");
  lua_setglobal(L, "os");
  forget_loaded(L, "os");
}

/* collectgarbage("collect" | "count" | "step") */
static int collect_garbage(lua_State *L) {
  static const char *const names[] = {"collect", "count", "step", NULL};
  moonlet_limits *l = moonlet_limits_here(L);
  const int what = luaL_checkoption(L, 1, "collect", names);
  const int kilobytes = lua_gc(L, LUA_GCCOUNT, 0);
  if (what == 1) {
    lua_pushnumber(L, kilobytes + lua_gc(L, LUA_GCCOUNTB, 0) / 1024.0);
    return 1;
  }
  moonlet_limits_work(L, l, 100 + (what == 0 ? (unsigned)kilobytes : 0));
  const int result = lua_gc(L, what == 0 ? LUA_GCCOLLECT : LUA_GCSTEP, 0);
  if (what == 0) lua_pushinteger(L, 0);
  else lua_pushboolean(L, result);
  return 1;
}

#ifdef MOONLET_LUA54
/* Finalizers run without hooks. */
static int set_metatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "setmetatable: no __gc in a sandbox");
    lua_pop(L, 1);
  }
  lua_setmetatable(L, 1);
  return 1;
}
#endif

void moonlet_sandbox_open(lua_State *L, moonlet_limits *l) {
  static const char *const of_base[] = {"dofile", "loadfile", "newproxy", "getfenv", "setfenv",
                                        "module", "require", "gcinfo", NULL};
  static const char *const of_string[] = {"dump", NULL};
  static const luaL_Reg own[] = {{"collectgarbage", collect_garbage},
#ifdef MOONLET_LUA54
                                 {"setmetatable", set_metatable},
#endif
                                 {NULL, NULL}};
  open_library(L, "", luaopen_base);
  open_library(L, LUA_STRLIBNAME, luaopen_string);
  open_library(L, LUA_TABLIBNAME, luaopen_table);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
#ifdef MOONLET_LUAJIT
  open_library(L, LUA_BITLIBNAME, luaopen_bit);
#else
  open_library(L, LUA_COLIBNAME, luaopen_coroutine);
  open_library(L, LUA_UTF8LIBNAME, luaopen_utf8);
#endif
  open_clocks(L);
  take_away(L, "_G", of_base);
  take_away(L, "string", of_string);
  lua_pushglobaltable(L);
  moonlet_limits_register(L, l, own);
  lua_pop(L, 1);
}

/* -- the tensor library ------------------------------------------------------------------------ */

static int refuse(lua_State *L) {
  return luaL_error(L, "%s: not in a sandbox", lua_tostring(L, lua_upvalueindex(1)));
}

static int no_device(lua_State *L) {
  lua_pushboolean(L, 0);
  return 1;
}

static int zero_devices(lua_State *L) {
  lua_pushinteger(L, 0);
  lua_pushliteral(L, "devices are not for sandboxes");
  return 2;
}

void bind_sandbox_refuse(lua_State *L, const char *const *names) {
  for (; *names; names++) {
    lua_getfield(L, -1, *names);
    const bool there = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!there) continue;
    lua_pushstring(L, *names);
    lua_pushcclosure(L, refuse, 1);
    lua_setfield(L, -2, *names);
  }
}

void bind_sandbox_core(lua_State *L, int core, int methods) {
  static const char *const of_core[] = {
      "data_pointer", "data_cell", "data_address", "from_pointer", "isatty", "peak_memory",
      "fsync_rename", "executable_dir", "set_memory_limit", "remove", "file_stamp",
      "folder_names", NULL};
  static const char *const of_file[] = {"open_disk", "open_pipe", NULL};
  static const char *const of_tensors[] = {"data_ptr", "cuda", NULL};
  static const char *const of_cuda[] = {"synchronize", NULL};
  lua_pushvalue(L, core);
  bind_sandbox_refuse(L, of_core);
  lua_getfield(L, core, "file");
  bind_sandbox_refuse(L, of_file);
  lua_pushvalue(L, methods);
  bind_sandbox_refuse(L, of_tensors);
  lua_getfield(L, core, "cuda");
  bind_sandbox_refuse(L, of_cuda);
  lua_pushcfunction(L, no_device);
  lua_setfield(L, -2, "is_available");
  lua_pushcfunction(L, zero_devices);
  lua_setfield(L, -2, "device_count");
  lua_pop(L, 4);
}

/* A metamethod of hidden metatables. Upvalues: the metatable that scripts see, the event. */
static int forward(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_rawget(L, lua_upvalueindex(1));
  if (lua_isnil(L, -1)) {
    const char *event = lua_tostring(L, lua_upvalueindex(2));
    if (strcmp(event, "__eq") == 0) {
      lua_pushboolean(L, lua_rawequal(L, 1, 2));
      return 1;
    }
    lua_getfield(L, lua_upvalueindex(1), "__typename");
    return luaL_error(L, "attempt to use %s, which %s has not", event, lua_tostring(L, -1));
  }
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

void bind_sandbox_hide(lua_State *L, int index, lua_CFunction gc, void *upvalue) {
  static const char *const events[] = {
      "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm", "__idiv", "__band", "__bor",
      "__bxor", "__shl", "__shr", "__bnot", "__concat", "__len", "__eq", "__lt", "__le", "__call",
      "__tostring", NULL};
  static const char *const same[] = {"__index", "__newindex", "__typename", NULL};
  index = lua_absindex(L, index);
  lua_pushnil(L);
  lua_setfield(L, index, "__gc");
  lua_newtable(L);
  for (const char *const *event = events; *event; event++) {
    lua_pushvalue(L, index);
    lua_pushstring(L, *event);
    lua_pushcclosure(L, forward, 2);
    lua_setfield(L, -2, *event);
  }
  for (const char *const *name = same; *name; name++) {
    lua_getfield(L, index, *name);
    lua_setfield(L, -2, *name);
  }
  lua_pushvalue(L, index);
  lua_setfield(L, -2, "__metatable");
  if (gc == NULL) return;
  lua_pushlightuserdata(L, upvalue);
  lua_pushcclosure(L, gc, 1);
  lua_setfield(L, -2, "__gc");
}
