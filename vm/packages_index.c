/* packages_index.c -- the module `moonlet.packages`: what packages there are, for those that load
 * their parts by name, and the data files packed with them. */
#include "packages.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Puts the name on the top of the stack, and pops it, into the sorted array at `array`. */
static void insert_name(lua_State *L, int array) {
  const char *name = lua_tostring(L, -1);
  int n = (int)lua_rawlen(L, array), at = n;
  for (; at > 0; at--) { /* names come nearly sorted: few steps */
    lua_rawgeti(L, array, at);
    int order = strcmp(lua_tostring(L, -1), name);
    lua_pop(L, 1);
    if (order == 0) {
      lua_pop(L, 1);
      return;
    }
    if (order < 0) break;
  }
  for (int i = n; i > at; i--) {
    lua_rawgeti(L, array, i);
    lua_rawseti(L, array, i + 1);
  }
  lua_rawseti(L, array, at + 1);
}

/* The names of the Lua files in a folder, without ".lua", each ended by a zero byte. Writes as
 * many as fit and returns the bytes that all of them take. */
static size_t read_folder(const char *path, char *out, size_t room) {
  size_t used = 0;
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    size_t n = strlen(entry->d_name);
    if (n < 5 || strcmp(entry->d_name + n - 4, ".lua") != 0) continue;
    if (used + n - 3 <= room) {
      memcpy(out + used, entry->d_name, n - 4);
      out[used + n - 4] = '\0';
    }
    used += n - 3;
  }
  if (folder) closedir(folder);
  return used;
}

/* Adds what the folder of `prefix` below the path on the top of the stack has, and pops it. */
static void add_folder(lua_State *L, int array, const char *prefix) {
  int top = lua_gettop(L);
  const char *dot = strrchr(prefix, '.');
  lua_pushlstring(L, prefix, dot ? (size_t)(dot - prefix) + 1 : 0);
  const char *stem = lua_tostring(L, -1);
  const char *inner = luaL_gsub(L, stem, ".", "/");
  const char *path = lua_pushfstring(L, "%s/%s", lua_tostring(L, top), inner);
  size_t size = read_folder(path, NULL, 0);
  char *names = moonlet_newuserdata(L, size + 1);
  if (read_folder(path, names, size) > size) size = 0; /* somebody writes there just now */
  for (const char *name = names; name < names + size; name += strlen(name) + 1) {
    const char *full = lua_pushfstring(L, "%s%s", stem, name);
    if (strcmp(name, "init") != 0 && strncmp(full, prefix, strlen(prefix)) == 0)
      insert_name(L, array);
    else
      lua_pop(L, 1);
  }
  lua_settop(L, top - 1);
}

/* list(prefix): the sorted names of the modules that begin with `prefix`, those of
 * $MOONLET_PATH included as far as they stand in the prefix's own folder. */
static int list(lua_State *L) {
  const char *prefix = luaL_optstring(L, 1, "");
  lua_settop(L, 1);
  lua_newtable(L);
  for (const moonlet_package *p = moonlet__packages; p->name; p++) {
    if (strncmp(p->name, prefix, strlen(prefix)) != 0 || strcmp(p->name, p->path) == 0) continue;
    lua_pushstring(L, p->name);
    insert_name(L, 2);
  }
  moonlet__push_field(L, "path");
  if (lua_isstring(L, 3)) {
    lua_pushfstring(L, "%s/nn/packages", lua_tostring(L, 3));
    add_folder(L, 2, prefix);
    lua_pushfstring(L, "%s/stdlib", lua_tostring(L, 3));
    add_folder(L, 2, prefix);
    add_folder(L, 2, prefix);
  }
  lua_settop(L, 2);
  return 1;
}

/* has(name): whether require(name) would find a package of ours, without loading it. */
static int has(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  moonlet__push_field(L, "loaded");
  lua_getfield(L, -1, name);
  lua_pushboolean(L,
                  !lua_isnil(L, -1) || moonlet__push_file(L, name) || moonlet__find_embedded(name));
  return 1;
}

static int read_all(lua_State *L) {
  FILE *file = lua_touserdata(L, 1);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  size_t n;
  do {
    n = fread(luaL_prepbuffer(&buffer), 1, LUAL_BUFFERSIZE, file);
    luaL_addsize(&buffer, n);
  } while (n == LUAL_BUFFERSIZE);
  luaL_pushresult(&buffer);
  return 1;
}

/* Pushes a file's bytes, or pushes nothing. */
static bool push_bytes(lua_State *L, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  lua_pushcfunction(L, read_all);
  lua_pushlightuserdata(L, file);
  int status = lua_pcall(L, 1, 1, 0); /* so that the file is closed in any case */
  fclose(file);
  if (status != LUA_OK) lua_error(L);
  return true;
}

/* read(name): the source of a module, or the bytes of a data file by its path in the tree, as
 * "stdlib/data/mnist/x.gz". */
static int read_data(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *path = moonlet__push_file(L, name);
  const moonlet_package *p = moonlet__find_embedded(name);
  if (path && push_bytes(L, path)) return 1;
  moonlet__push_field(L, "path");
  path = lua_isstring(L, -1) ? lua_pushfstring(L, "%s/%s", lua_tostring(L, -1), name) : NULL;
  if (path && push_bytes(L, path)) return 1;
  if (!p) return luaL_error(L, "moonlet.packages.read: there is no '%s'", name);
  size_t size;
  const char *bytes = moonlet__push_embedded(L, p, &size);
  lua_pushlstring(L, bytes, size);
  return 1;
}

/* loading_failed(): whether a module that could not be loaded has been tried again, so that what it
 * defined may be there already. */
static int loading_failed(lua_State *L) {
  moonlet__push_field(L, "failed");
  lua_pushboolean(L, lua_toboolean(L, -1));
  return 1;
}

/* The module `moonlet.packages`: list, has, read, loading_failed, and the tables `loaded` (what require has
 * given out, by name) and `env` (the globals of packages). */
int moonlet__packages_index(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"list", list}, {"has", has}, {"read", read_data}, {"loading_failed", loading_failed},
      {NULL, NULL}};
  luaL_newlib(L, functions);
  moonlet__push_field(L, "loaded");
  lua_setfield(L, -2, "loaded");
  moonlet__push_field(L, "env");
  lua_setfield(L, -2, "env");
  return 1;
}
