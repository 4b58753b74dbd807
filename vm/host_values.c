/* host_values.c -- values on their way between C and Lua, each named by a letter; globals by
 * path. */
#include "host.h"

#include <limits.h>
#include <string.h>

/* -- letters ----------------------------------------------------------------------------------- */

bool moonlet__are_types(const char *types, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (types[i] == '\0' || !strchr("dibsSpt", types[i])) return false;
  return true;
}

static void push_text(lua_State *L, const char *text, size_t length) {
  if (text)
    lua_pushlstring(L, text, length);
  else
    lua_pushnil(L);
}

static void push_whole(lua_State *L, long long x) {
#ifdef MOONLET_LUAJIT
  lua_pushnumber(L, (lua_Number)x);
#else
  lua_pushinteger(L, x);
#endif
}

void moonlet__push_value(lua_State *L, moonlet *m, char type, va_list *values) {
  const char *text;
  void *pointer;
  switch (type) {
  case 'd':
    lua_pushnumber(L, va_arg(*values, double));
    break;
  case 'i':
    push_whole(L, va_arg(*values, long long));
    break;
  case 'b':
    lua_pushboolean(L, va_arg(*values, int));
    break;
  case 's':
    text = va_arg(*values, const char *);
    push_text(L, text, text ? strlen(text) : 0);
    break;
  case 'S':
    text = va_arg(*values, const char *);
    push_text(L, text, va_arg(*values, size_t));
    break;
  case 'p':
    pointer = va_arg(*values, void *);
    if (pointer)
      lua_pushlightuserdata(L, pointer);
    else
      lua_pushnil(L);
    break;
  default:
    moonlet__push_tensor(L, m, va_arg(*values, moonlet_tensor *));
  }
}

const char *moonlet__kind_of(lua_State *L, int index) {
  if (moonlet__type_at(L, index) == MOONLET_TENSOR) return "a tensor";
  return luaL_typename(L, index);
}

static const char *store_text(lua_State *L, int index, bool sized, va_list *values, bool nil) {
  size_t length = 0;
  if (!nil && lua_type(L, index) != LUA_TSTRING) return "text";
  const char *text = nil ? NULL : lua_tolstring(L, index, &length);
  *va_arg(*values, const char **) = text;
  if (sized) *va_arg(*values, size_t *) = length;
  return NULL;
}

static const char *store_tensor(lua_State *L, moonlet *m, int index, va_list *values, bool nil) {
  bool short_of = false;
  moonlet_tensor **out = va_arg(*values, moonlet_tensor **);
  *out = nil ? NULL : moonlet__tensor_at(L, m, index, &short_of);
  if (nil || *out) return NULL;
  return short_of ? "a tensor for which there is memory" : "a tensor";
}

const char *moonlet__store_value(lua_State *L, moonlet *m, int index, char type, va_list *values,
                                 bool optional) {
  int64_t whole = 0;
  bool nil = optional && lua_isnoneornil(L, index);
  switch (type) {
  case 'd':
    if (lua_type(L, index) != LUA_TNUMBER) return "a number";
    *va_arg(*values, double *) = lua_tonumber(L, index);
    return NULL;
  case 'i':
    if (!moonlet_toint(L, index, &whole)) return "an integral number";
    *va_arg(*values, long long *) = whole;
    return NULL;
  case 'b':
    *va_arg(*values, int *) = lua_toboolean(L, index);
    return NULL;
  case 'p':
    if (!nil && lua_type(L, index) != LUA_TLIGHTUSERDATA) return "a pointer";
    *va_arg(*values, void **) = nil ? NULL : lua_touserdata(L, index);
    return NULL;
  case 't':
    return store_tensor(L, m, index, values, nil);
  default:
    return store_text(L, index, type == 'S', values, nil);
  }
}

/* Goes past the pointers of results that are no tensors. */
static void skip_result(char type, va_list *values) {
  (void)va_arg(*values, void *);
  if (type == 'S') (void)va_arg(*values, void *);
}

void moonlet__clear_tensors(const char *types, va_list *values, bool release) {
  for (; *types; types++) {
    if (*types != 't') {
      skip_result(*types, values);
      continue;
    }
    moonlet_tensor **out = va_arg(*values, moonlet_tensor **);
    if (release) moonlet_tensor_release(*out);
    *out = NULL;
  }
}

/* -- paths ------------------------------------------------------------------------------------- */

/* Pushes a part of a path as a key: a number where it has digits alone. */
static void push_key(lua_State *L, const char *part, size_t length) {
  long long k = 0;
  size_t digits = 0;
  while (digits < length && digits < 15 && part[digits] >= '0' && part[digits] <= '9')
    k = 10 * k + (part[digits++] - '0');
  if (length > 0 && digits == length)
    push_whole(L, k);
  else
    lua_pushlstring(L, part, length);
}

void moonlet__push_path(lua_State *L, const char *path) {
  lua_pushglobaltable(L);
  for (const char *part = path;;) {
    size_t n = strcspn(part, ".");
    push_key(L, part, n);
    lua_gettable(L, -2); /* raises "attempt to index" for a part that is no table */
    lua_remove(L, -2);
    if (part[n] == '\0') return;
    part += n + 1;
  }
}

void moonlet__set_path(lua_State *L, const char *path) {
  const char *part = path;
  lua_pushglobaltable(L);
  for (size_t n; n = strcspn(part, "."), part[n] != '\0'; part += n + 1) {
    push_key(L, part, n);
    lua_pushvalue(L, -1);
    lua_gettable(L, -3);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_settable(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  push_key(L, part, strlen(part));
  lua_pushvalue(L, -3);
  lua_settable(L, -3);
  lua_pop(L, 2);
}

void moonlet__keep(lua_State *L, int first, int count) {
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushvalue(L, first + i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, "moonlet.results");
}

/* -- moonlet_get, moonlet_set ------------------------------------------------------------------ */

static int get_path(lua_State *L) {
  moonlet__push_path(L, lua_touserdata(L, 1));
  return 1;
}

void moonlet__get_path(lua_State *L, moonlet_job *j) {
  lua_pushcfunction(L, get_path);
  lua_pushlightuserdata(L, (void *)(uintptr_t)j->name);
  moonlet__call(L, j, 1, 1);
}

static int run_get(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  moonlet__find_torch(L, j->m, false);
  moonlet__get_path(L, j);
  moonlet__keep(L, 2, 1);
  const char *wanted = moonlet__store_value(L, j->m, 2, j->types[0], j->values, true);
  if (wanted)
    return luaL_error(L, "moonlet_get: %s is %s, not %s", j->name, moonlet__kind_of(L, 2), wanted);
  return 0;
}

static int set_path(lua_State *L) {
  moonlet__set_path(L, lua_touserdata(L, 1));
  return 0;
}

static int run_set(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  lua_pushcfunction(L, set_path);
  lua_pushlightuserdata(L, (void *)(uintptr_t)j->name);
  moonlet__push_value(L, j->m, j->types[0], j->values);
  moonlet__call(L, j, 2, 0);
  return 0;
}

static moonlet_status access_global(moonlet *m, lua_CFunction work, moonlet_job *j,
                                    const char *wrong) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  if (!j->name || !j->types || strlen(j->types) != 1 || !moonlet__are_types(j->types, 1))
    status = moonlet__fail(m, MOONLET_EARG, wrong);
  else
    status = moonlet__protect(m, work, j);
  return moonlet__leave(m, status);
}

moonlet_status moonlet_get(moonlet *m, const char *name, const char *type, ...) {
  va_list values;
  va_start(values, type);
  moonlet_job j = {.name = name, .types = type, .values = &values};
  moonlet_status status =
      access_global(m, run_get, &j, "moonlet_get: wants a name, and a type like \"d\"");
  va_end(values);
  return status;
}

moonlet_status moonlet_set(moonlet *m, const char *name, const char *type, ...) {
  va_list values;
  va_start(values, type);
  moonlet_job j = {.name = name, .types = type, .values = &values};
  moonlet_status status =
      access_global(m, run_set, &j, "moonlet_set: wants a name, and a type like \"d\"");
  va_end(values);
  return status;
}
