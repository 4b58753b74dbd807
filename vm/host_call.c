/* host_call.c -- calls of Lua functions with C values: moonlet_call. */
#include "host.h"

#include <string.h>

/* Pushes the value of a dotted path from the table of globals. */
static void push_path(lua_State *L, const char *path) {
  lua_pushglobaltable(L);
  for (const char *part = path;;) {
    size_t n = strcspn(part, ".");
    lua_pushlstring(L, part, n);
    lua_gettable(L, -2); /* raises "attempt to index" for a part that is no table */
    lua_remove(L, -2);
    if (part[n] == '\0') return;
    part += n + 1;
  }
}

static int get_path(lua_State *L) {
  push_path(L, lua_touserdata(L, 1));
  return 1;
}

static void push_argument(lua_State *L, moonlet_job *j, char type) {
  const char *text;
  switch (type) {
  case 'd':
    lua_pushnumber(L, va_arg(*j->values, double));
    break;
  case 'i': {
    long long x = va_arg(*j->values, long long);
#ifdef MOONLET_LUAJIT
    lua_pushnumber(L, (lua_Number)x);
#else
    lua_pushinteger(L, x);
#endif
    break;
  }
  case 'b':
    lua_pushboolean(L, va_arg(*j->values, int));
    break;
  default:
    text = va_arg(*j->values, const char *);
    if (text)
      lua_pushstring(L, text);
    else
      lua_pushnil(L);
  }
}

static void wrong_result(lua_State *L, moonlet_job *j, int at, const char *wanted) {
  luaL_error(L, "moonlet_call: result %d of %s is %s, not %s", at, j->name, luaL_typename(L, -1),
             wanted);
}

/* Writes the value on the top of the stack through the next pointer. */
static void store_result(lua_State *L, moonlet_job *j, char type, int at) {
  int64_t whole = 0;
  switch (type) {
  case 'd':
    if (lua_type(L, -1) != LUA_TNUMBER) wrong_result(L, j, at, "a number");
    *va_arg(*j->values, double *) = lua_tonumber(L, -1);
    break;
  case 'i':
    if (!moonlet_toint(L, -1, &whole)) wrong_result(L, j, at, "an integral number");
    *va_arg(*j->values, long long *) = whole;
    break;
  case 'b':
    *va_arg(*j->values, int *) = lua_toboolean(L, -1);
    break;
  default:
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) wrong_result(L, j, at, "text");
    *va_arg(*j->values, const char **) = lua_tostring(L, -1);
  }
}

/* Texts that went to C stay alive in a table of the registry until the next call. */
static void keep_results(lua_State *L, int first, int count) {
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushvalue(L, first + i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, "moonlet.results");
}

static int run_call(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  const char *results = strchr(j->types, '>');
  int nargs = (int)(results - j->types), nresults = (int)strlen(results + 1);
  luaL_checkstack(L, nargs + nresults + 10, "too many values for moonlet_call");
  lua_pushcfunction(L, get_path);
  lua_pushlightuserdata(L, (void *)(uintptr_t)j->name);
  moonlet__call(L, j, 1, 1);
  if (lua_isnil(L, -1)) return luaL_error(L, "moonlet_call: there is no %s", j->name);
  for (int i = 0; i < nargs; i++) push_argument(L, j, j->types[i]);
  moonlet__call(L, j, nargs, nresults);
  keep_results(L, 2, nresults);
  for (int i = 0; i < nresults; i++) {
    lua_pushvalue(L, 2 + i);
    store_result(L, j, results[1 + i], i + 1);
    lua_pop(L, 1);
  }
  return 0;
}

static bool types_are_valid(const char *types) {
  size_t n = strspn(types, "dibs");
  return types[n] == '>' && types[n + 1 + strspn(types + n + 1, "dibs")] == '\0';
}

moonlet_status moonlet_call(moonlet *m, const char *function, const char *types, ...) {
  if (!function || !types || !types_are_valid(types))
    return moonlet__fail(m, MOONLET_EARG, "moonlet_call: wants a name, and types like \"dd>d\"");
  va_list values;
  va_start(values, types);
  moonlet_job j = {.name = function, .types = types, .values = &values};
  moonlet_status status = moonlet__protect(m, run_call, &j);
  va_end(values);
  return status;
}
