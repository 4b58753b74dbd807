/* packages.c -- finds and loads the embedded Lua packages. See packages.h. */
#include "packages.h"

#include "inflate.h"
#include "moonlet.h"
#include "state_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The registry's entry for us: a table with the fields require, loaded, env, packs, path, global and
 * failed (whether a module that could not be loaded has been tried again). */
static const char state_key[] = "moonlet.packages";

/* Value of `loaded` while a package runs; its address is what counts. */
static char loading_mark;

const char *const moonlet_packages_globals[] = {"torch", "nn", "optim", "data", NULL};

/* Fields of the guest's module beside them. */
static const char *const guest_packages[] = {"serve", NULL};

bool moonlet__is_listed(const char *name, size_t length, const char *const *list) {
  for (; *list; list++)
    if (strlen(*list) == length && memcmp(*list, name, length) == 0) return true;
  return false;
}

const moonlet_package *moonlet__find_embedded(const char *name) {
  for (const moonlet_package *p = moonlet__packages; p->name; p++)
    if (strcmp(p->name, name) == 0) return p;
  return NULL;
}

/* Pushes a field of our state. */
void moonlet__push_field(lua_State *L, const char *field) {
  lua_getfield(L, LUA_REGISTRYINDEX, state_key);
  lua_getfield(L, -1, field);
  lua_remove(L, -2);
}

/* Pushes what a pack has unpacked. The state keeps it until the next collection: packages load one
 * after the other, and most of them out of few packs. */
static const char *push_pack(lua_State *L, int index) {
  const moonlet_pack *pack = &moonlet__packs[index];
  size_t in_used, out_used;
  moonlet__push_field(L, "packs");
  lua_rawgeti(L, -1, index + 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    unsigned char *out = moonlet_newuserdata(L, pack->unpacked);
    if (moonlet__inflate(pack->bytes, pack->size, &in_used, out, pack->unpacked, &out_used) !=
            INFLATE_DONE || out_used != pack->unpacked)
      luaL_error(L, "the packages in this program are damaged");
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, index + 1);
  }
  lua_remove(L, -2);
  return lua_touserdata(L, -1);
}

const char *moonlet__push_embedded(lua_State *L, const moonlet_package *p, size_t *size) {
  if (p->pack < 0)
    luaL_error(L, "'%s' is left out of this build of Moonlet, which was made without '%s'", p->name,
               p->path);
  *size = p->size;
  if (moonlet__packs[p->pack].unpacked > 0) return push_pack(L, p->pack) + p->offset;
  lua_pushnil(L);
  return (const char *)moonlet__packs[p->pack].bytes;
}

static bool file_exists(const char *path) {
  FILE *file = fopen(path, "r");
  if (file) fclose(file);
  return file != NULL;
}

/* Pushes the path of `name` under MOONLET_PATH, or pushes nothing and returns NULL. */
const char *moonlet__push_file(lua_State *L, const char *name) {
  static const char *const forms[] = {
      "%s/stdlib/%s.lua",      "%s/stdlib/%s/init.lua",      "%s/%s.lua", "%s/%s/init.lua",
      "%s/nn/packages/%s.lua", "%s/nn/packages/%s/init.lua"};
  moonlet__push_field(L, "path");
  const char *root = lua_tostring(L, -1);
  const char *inner = root ? luaL_gsub(L, name, ".", "/") : NULL;
  for (size_t i = 0; inner && i < sizeof forms / sizeof forms[0]; i++) {
    const char *path = lua_pushfstring(L, forms[i], root, inner);
    if (file_exists(path)) {
      lua_replace(L, -3);
      lua_pop(L, 1);
      return path;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, root ? 2 : 1);
  return NULL;
}

/* -- require ----------------------------------------------------------------------------------- */

static const luaL_Reg cores[] = {{"torch.core", luaopen_moonlet_core},
                                 {"moonlet.gzip", luaopen_moonlet_gzip},
                                 {"moonlet.packages", moonlet__packages_index},
                                 {"moonlet", moonlet_packages_module},
                                 {NULL, NULL}};

lua_CFunction moonlet__find_core(const char *name) {
  for (const luaL_Reg *core = cores; core->name; core++)
    if (strcmp(core->name, name) == 0) return core->func;
  return NULL;
}

/* The same from whoever made the state. */
static bool push_searched(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_SEARCH);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return false;
  }
  lua_pushvalue(L, 1);
  lua_call(L, 1, 2);
  if (lua_isfunction(L, -2)) return true;
  lua_pop(L, 2);
  return false;
}

/* Pushes the function that makes module `name`, and where it comes from; or pushes nothing. */
static bool push_loader(lua_State *L, const char *name) {
  int status = LUA_OK;
  if (push_searched(L)) return true;
  const char *path = moonlet__push_file(L, name);
  const moonlet_package *p = path ? NULL : moonlet__find_embedded(name);
  lua_CFunction core = path || p ? NULL : moonlet__find_core(name);
  if (core) {
    lua_pushcfunction(L, core);
    lua_pushliteral(L, "(built in)");
    return true;
  }
  if (path) {
    status = luaL_loadfilex(L, path, "t");
  } else if (p) {
    size_t size;
    path = lua_pushfstring(L, "@%s", p->path) + 1;
    const char *code = moonlet__push_embedded(L, p, &size);
    status = luaL_loadbufferx(L, code, size, path - 1, "t");
    lua_remove(L, -2);
  } else {
    return false;
  }
  if (status != LUA_OK)
    luaL_error(L, "error loading module '%s':\n\t%s", name, lua_tostring(L, -1));
  moonlet__push_field(L, "env");
  moonlet_setenv(L, -2);
  lua_pushstring(L, path);
  lua_remove(L, -3);
  return true;
}

/* Pushes the host's globals: those of the state, not of the coroutine that loads us, which may
 * have a table of its own. */
static void push_globals(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_istable(L, -1)) {
    lua_pushliteral(L, "_G");
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  if (lua_istable(L, -1)) return;
  lua_pop(L, 1);
  lua_pushglobaltable(L);
}

static int require(lua_State *L);

/* Modules which are not ours: the host knows where its own are. */
static int require_host(lua_State *L, const char *name) {
  lua_settop(L, 1);
  push_globals(L);
  lua_pushliteral(L, "require");
  lua_rawget(L, 2);
  if (!lua_isfunction(L, -1) || lua_tocfunction(L, -1) == require)
    return luaL_error(L, "module '%s' not found", name);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* Whether a call of require for `name` is under way, as its first stack slot tells: one that
 * failed leaves its mark, and must not be taken for a circle. */
static bool is_loading(lua_State *L, const char *name) {
  lua_Debug call;
  moonlet_limits *limits = moonlet_limits_of(L);
  int top = lua_gettop(L);
  bool found = false;
  for (int level = 1; !found && lua_getstack(L, level, &call); level++) {
    moonlet_limits_work(L, limits, 1 + (unsigned)level / 8); /* as that is how it gets there */
    lua_getinfo(L, "f", &call);
    if (lua_tocfunction(L, -1) == require && lua_getlocal(L, &call, 1))
      found = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), name) == 0;
    lua_settop(L, top);
  }
  return found;
}

/* Pushes the table of the package that `name` belongs to, and the last part of the name; nil for
 * the former where there is no such table, or where it has such a field already. */
static void push_owner(lua_State *L, const char *name) {
  const char *dot = strrchr(name, '.');
  lua_pushlstring(L, name, strcspn(name, "."));
  lua_rawget(L, 2);
  lua_pushstring(L, dot ? dot + 1 : name);
  lua_pushvalue(L, -1);
  if (lua_istable(L, -3)) lua_rawget(L, -3);
  bool fresh = lua_isnil(L, -1);
  lua_pop(L, 1);
  if (fresh) return;
  lua_pushnil(L);
  lua_replace(L, -3);
}

/* Calls the loader and its two arguments, below which push_owner's values are. A class that could
 * not be defined to its end goes from its package: nobody would load it again. */
static void call_loader(lua_State *L) {
  int owner = lua_gettop(L) - 4;
  if (lua_pcall(L, 2, 1, 0) == LUA_OK) return;
  if (lua_istable(L, owner)) {
    lua_pushvalue(L, owner + 1);
    lua_rawget(L, owner);
    bool found = !lua_isnil(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, owner + 1);
    lua_pushnil(L);
    if (found) lua_rawset(L, owner);
    else lua_pop(L, 2);
  }
  lua_error(L);
}

/* require(name). A module that failed is tried again, as its file may have been mended; one
 * without a value counts as true, as Lua has it. */
static int require(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  moonlet__push_field(L, "loaded");
  lua_getfield(L, 2, name);
  bool marked = lua_touserdata(L, 3) == &loading_mark;
  if (lua_toboolean(L, 3) && !marked) return 1;
  if (marked && is_loading(L, name))
    return luaL_error(L, "module '%s' requires itself while it loads", name);
  if (marked) {
    lua_getfield(L, LUA_REGISTRYINDEX, state_key);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "failed");
    lua_pop(L, 1);
  }
  if (!push_loader(L, name)) return require_host(L, name);
  lua_pushlightuserdata(L, &loading_mark);
  lua_setfield(L, 2, name);
  push_owner(L, name);
  lua_pushvalue(L, 4);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 5);
  call_loader(L);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, 2, name);
  return 1;
}

void moonlet_packages_require(lua_State *L) {
  moonlet__push_field(L, "require");
}

/* -- opening ----------------------------------------------------------------------------------- */

/* __index of the packages' globals. Upvalue 1: the host's. Raw, as those of many programs raise an
 * error for names that are not declared; only what loads when it is touched may ask for more. */
static int package_global(lua_State *L) {
  size_t length;
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (!lua_isnil(L, 3) || lua_type(L, 2) != LUA_TSTRING) return 1;
  const char *name = lua_tolstring(L, 2, &length);
  if (!moonlet__is_listed(name, length, moonlet_packages_globals)) return 1;
  moonlet__push_field(L, "global");
  if (!lua_toboolean(L, -1)) return 0;
  lua_pushvalue(L, 2);
  lua_gettable(L, lua_upvalueindex(1));
  return 1;
}

/* Pushes the globals of packages: require is ours, and everything else the host's. What a package
 * uses in its loops, and no sandbox takes away, is there at once. */
static void push_environment(lua_State *L) {
  static const char *const names[] = {
      "_G", "assert", "error", "getmetatable", "ipairs", "math", "next", "pairs", "pcall",
      "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable", "string", "table",
      "tonumber", "tostring", "type", "unpack", "xpcall"};
  enum { COUNT = sizeof names / sizeof names[0] };
  push_globals(L);
  lua_createtable(L, 0, COUNT + 1);
  for (int i = 0; i < COUNT; i++) {
    lua_pushstring(L, names[i]);
    lua_pushvalue(L, -1);
    lua_rawget(L, -4);
    lua_rawset(L, -3);
  }
  lua_pushcfunction(L, require);
  lua_setfield(L, -2, "require");
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, package_global, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

static void open_state(lua_State *L) {
  lua_createtable(L, 0, 8);
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_LIMITS);
  const moonlet_limits *limits = lua_touserdata(L, -1);
  lua_pop(L, 1);
  const bool sandbox = limits && limits->sandbox; /* has only what is built in, and the host's */
  const char *root = sandbox ? NULL : getenv("MOONLET_PATH");
  if (root && *root) {
    lua_pushstring(L, root);
    lua_setfield(L, -2, "path");
  }
  lua_newtable(L);
  lua_setfield(L, -2, "loaded");
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "packs");
  lua_pushcfunction(L, require);
  lua_setfield(L, -2, "require");
  push_environment(L);
  lua_setfield(L, -2, "env");
  lua_setfield(L, LUA_REGISTRYINDEX, state_key);
}

void moonlet_packages_open(lua_State *L, bool global) {
  luaL_checkstack(L, 10, "moonlet");
  lua_getfield(L, LUA_REGISTRYINDEX, state_key);
  if (lua_isnil(L, -1)) open_state(L);
  lua_pop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, state_key);
  lua_getfield(L, -1, "global");
  if (global && !lua_toboolean(L, -1)) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -3, "global");
    moonlet__packages_make_global(L);
  }
  if (global) {
    lua_getglobal(L, "package");
    if (lua_isnil(L, -1)) { /* a sandbox, whose require is ours */
      moonlet_packages_require(L);
      lua_setglobal(L, "require");
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

/* -- the guest's module ------------------------------------------------------------------------ */

/* __index of the module: loads a package and keeps it as a field. */
static int module_index(lua_State *L) {
  size_t length;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tolstring(L, 2, &length);
  if (!moonlet__is_listed(name, length, moonlet_packages_globals) &&
      !moonlet__is_listed(name, length, guest_packages))
    return 0;
  moonlet_packages_require(L);
  lua_pushvalue(L, 2);
  lua_call(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

int moonlet_packages_module(lua_State *L) {
  lua_settop(L, 0);
  moonlet_packages_open(L, false);
  lua_createtable(L, 0, 8);
  lua_pushliteral(L, MOONLET_VERSION);
  lua_setfield(L, 1, "version");
  lua_pushliteral(L, MOONLET_VM);
  lua_setfield(L, 1, "vm");
  moonlet_packages_require(L);
  lua_setfield(L, 1, "require");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, module_index);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, 1);
  return 1;
}
