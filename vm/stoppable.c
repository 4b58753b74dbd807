/* stoppable.c -- functions of Lua's libraries that may run long without an instruction of Lua's, in
 * versions that count their steps, and those that must not be taken for a way round the limits. */
#include "state_limits.h"

#include <string.h>

/* -- string ------------------------------------------------------------------------------------ */

static int repeat(lua_State *L) {
  size_t length, gap;
  const char *s = luaL_checklstring(L, 1, &length);
  lua_Number times = luaL_checknumber(L, 2);
  const char *between = luaL_optlstring(L, 3, "", &gap);
  luaL_Buffer out;
  moonlet_limits *l = moonlet_limits_here(L);
  if (!(times >= 1) || length + gap == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (times * (lua_Number)(length + gap) > 0x7fffff00)
    return luaL_error(L, "resulting string too large");
  const size_t n = (size_t)times, all = n * length + (n - 1) * gap;
  char *bytes = all > 256 ? moonlet_newuserdata(L, all) : NULL; /* memory is asked for at once */
  if (bytes == NULL) {
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < n; i++) {
      luaL_addlstring(&out, s, length);
      if (i + 1 < n) luaL_addlstring(&out, between, gap);
    }
    luaL_pushresult(&out);
    return 1;
  }
  size_t have = length + gap;
  memcpy(bytes, s, length);
  if (n > 1) memcpy(bytes + length, between, gap);
  while (have < all) { /* what is there already, once more */
    const size_t left = all - have, more = left < have ? left : have;
    memcpy(bytes + have, bytes, more);
    have += more;
  }
  moonlet_limits_work(L, l, (unsigned)(all / 256));
  lua_pushlstring(L, bytes, all);
  return 1;
}

void moonlet_stoppable_string(lua_State *L, moonlet_limits *l) {
  static const luaL_Reg functions[] = {{"rep", repeat}, {NULL, NULL}};
  moonlet_limits_register(L, l, functions);
}

/* -- table: as LuaJIT has it without metamethods, as Lua 5.4 has it with them ------------------ */

#ifdef MOONLET_LUAJIT
static void get(lua_State *L, int index, lua_Integer i) {
  lua_rawgeti(L, index, (int)i);
}

static void set(lua_State *L, int index, lua_Integer i) {
  lua_rawseti(L, index, (int)i);
}

static lua_Integer length_of(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  return (lua_Integer)lua_rawlen(L, index);
}

/* Indices are ints in its API. */
static void check_range(lua_State *L, int index, lua_Integer i) {
  luaL_argcheck(L, i >= INT32_MIN && i <= INT32_MAX, index, "out of range");
}

#define WRAPPED(a, op, b) ((a)op(b))
#else
static void get(lua_State *L, int index, lua_Integer i) {
  lua_geti(L, index, i);
}

static void set(lua_State *L, int index, lua_Integer i) {
  lua_seti(L, index, i);
}

/* A table, or what behaves like one. */
static void check_table(lua_State *L, int index, const char *const *events) {
  if (lua_type(L, index) == LUA_TTABLE) return;
  if (!lua_getmetatable(L, index)) luaL_checktype(L, index, LUA_TTABLE);
  for (; *events; events++) {
    lua_pushstring(L, *events);
    if (lua_rawget(L, -2) == LUA_TNIL) luaL_checktype(L, index, LUA_TTABLE);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static lua_Integer length_of(lua_State *L, int index) {
  static const char *const events[] = {"__index", "__newindex", "__len", NULL};
  check_table(L, index, events);
  return luaL_len(L, index);
}

#define WRAPPED(a, op, b) ((lua_Integer)((lua_Unsigned)(a)op(lua_Unsigned)(b)))
#endif

static int insert(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  const lua_Integer end = WRAPPED(length_of(L, 1), +, 1);
  lua_Integer at = end;
  if (lua_gettop(L) == 3) {
    at = luaL_checkinteger(L, 2);
#ifdef MOONLET_LUAJIT
    check_range(L, 2, at);
#else
    luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
#endif
    for (lua_Integer i = end; i > at; i--) {
      moonlet_limits_work(L, l, 1);
      get(L, 1, i - 1);
      set(L, 1, i);
    }
  } else if (lua_gettop(L) != 2) {
    return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  set(L, 1, at);
  return 0;
}

static int take_out(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  const lua_Integer size = length_of(L, 1);
  lua_Integer at = luaL_optinteger(L, 2, size);
#ifdef MOONLET_LUAJIT
  if (at < 1 || at > size) return 0;
#else
  if (at != size)
    luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
#endif
  get(L, 1, at);
  for (; at < size; at++) {
    moonlet_limits_work(L, l, 1);
    get(L, 1, at + 1);
    set(L, 1, at);
  }
#ifndef MOONLET_LUAJIT
  lua_pushnil(L);
  set(L, 1, at);
#else
  lua_pushnil(L);
  set(L, 1, size);
#endif
  return 1;
}

static int concat(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  size_t gap;
  luaL_Buffer out;
#ifdef MOONLET_LUAJIT
  luaL_checktype(L, 1, LUA_TTABLE);
  const lua_Integer size = lua_isnoneornil(L, 4) ? length_of(L, 1) : 0;
#else
  const lua_Integer size = lua_isnoneornil(L, 4) ? length_of(L, 1) : 0;
  static const char *const reads[] = {"__index", NULL};
  check_table(L, 1, reads);
#endif
  const char *between = luaL_optlstring(L, 2, "", &gap);
  lua_Integer i = luaL_optinteger(L, 3, 1);
  const lua_Integer last = lua_isnoneornil(L, 4) ? size : luaL_checkinteger(L, 4);
#ifdef MOONLET_LUAJIT
  check_range(L, 3, i);
  check_range(L, 4, last);
#endif
  lua_settop(L, 2);
  luaL_buffinit(L, &out);
  for (; i <= last; i++) {
    moonlet_limits_work(L, l, 1 + (unsigned)(gap / 256));
    get(L, 1, i);
    if (!lua_isstring(L, -1)) {
      return luaL_error(L, "invalid value (%s) at index %d in table for 'concat'",
                        luaL_typename(L, -1), (int)i);
    }
    luaL_addvalue(&out);
    if (i == last) break; /* the next one may be out of the numbers' range */
    luaL_addlstring(&out, between, gap);
  }
  luaL_pushresult(&out);
  return 1;
}

static int move(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  lua_Integer to = luaL_checkinteger(L, 4);
  const int target = lua_isnoneornil(L, 5) ? 1 : 5;
#ifdef MOONLET_LUAJIT
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, target, LUA_TTABLE);
#else
  static const char *const reads[] = {"__index", NULL}, *const writes[] = {"__newindex", NULL};
  check_table(L, 1, reads);
  check_table(L, target, writes);
#endif
  lua_settop(L, 5);
  if (last >= from) {
    luaL_argcheck(L, from > 0 || last < PTRDIFF_MAX + from, 3, "too many elements to move");
    const lua_Integer n = last - from + 1;
    luaL_argcheck(L, to <= PTRDIFF_MAX - n + 1, 4, "destination wrap around");
    const bool up = to > last || to <= from ||
                    (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ));
    for (lua_Integer k = 0; k < n; k++) {
      const lua_Integer i = up ? k : n - 1 - k;
      moonlet_limits_work(L, l, 1);
      lua_geti(L, 1, from + i);
      lua_seti(L, target, to + i);
    }
  }
  lua_pushvalue(L, target);
  return 1;
}

/* -- sort: in place by heaps, which no comparison can lead beyond n log n steps ---------------- */

typedef struct {
  moonlet_limits *limits;
  lua_Integer size;
} heap;

/* Is the value at a below that at b? The function to ask, if any, stands at 2. */
static bool below(lua_State *L, const heap *h, int a, int b) {
  if (lua_type(L, a) == LUA_TSTRING && lua_type(L, b) == LUA_TSTRING) {
    size_t n = lua_rawlen(L, a), m = lua_rawlen(L, b);
    moonlet_limits_work(L, h->limits, (unsigned)((n < m ? n : m) / 64));
  }
  moonlet_limits_work(L, h->limits, 2);
  if (lua_isnil(L, 2)) return lua_compare(L, a, b, LUA_OPLT);
  a = lua_absindex(L, a);
  b = lua_absindex(L, b);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a);
  lua_pushvalue(L, b);
  lua_call(L, 2, 1);
  const bool answer = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return answer;
}

/* Lets the value on the top of the stack, popped, sink from `at` to its place. */
static void sink(lua_State *L, const heap *h, lua_Integer at) {
  for (;;) {
    lua_Integer child = 2 * at;
    if (child > h->size || child < at) break;
    get(L, 1, child);
    if (child < h->size) {
      get(L, 1, child + 1);
      if (below(L, h, -2, -1)) {
        lua_remove(L, -2);
        child++;
      } else {
        lua_pop(L, 1);
      }
    }
    if (!below(L, h, -2, -1)) {
      lua_pop(L, 1);
      break;
    }
    set(L, 1, at);
    at = child;
  }
  set(L, 1, at);
}

static int sort(lua_State *L) {
  heap h = {moonlet_limits_here(L), length_of(L, 1)};
  if (h.size < 2) return 0;
  luaL_argcheck(L, h.size < INT32_MAX, 1, "array too big");
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  moonlet_limits_nest(L, h.limits);
  luaL_checkstack(L, 10, "sort");
  for (lua_Integer i = h.size / 2; i >= 1; i--) {
    get(L, 1, i);
    sink(L, &h, i);
  }
  while (h.size > 1) {
    get(L, 1, h.size);
    get(L, 1, 1);
    set(L, 1, h.size--);
    sink(L, &h, 1);
  }
  return 0;
}

void moonlet_stoppable_table(lua_State *L, moonlet_limits *l) {
  static const luaL_Reg functions[] = {{"insert", insert}, {"remove", take_out},
                                       {"concat", concat}, {"move", move},
                                       {"sort", sort},     {NULL, NULL}};
  moonlet_limits_register(L, l, functions);
}

/* -- base -------------------------------------------------------------------------------------- */

/* Calls the handler in upvalue 2, but not while the state is being stopped: this runs inside of the
 * hook that stops it, where no other hook would stop the handler. */
static int guarded_handler(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  const bool raising = l->raising;
  l->raising = false;
  if (l->stopped || raising) {
    lua_settop(L, 1);
    return 1;
  }
  moonlet_limits_nest(L, l);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int guard(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_pushcclosure(L, guarded_handler, 2);
  return 1;
}

/* Lua and not C, so that functions may yield through it. */
static const char guarded_xpcall[] =
    "local xpcall, guard = ... return function(f, handler, ...) "
    "return xpcall(f, guard(handler), ...) end";

static void replace_xpcall(lua_State *L, moonlet_limits *l) {
  const int globals = lua_gettop(L);
  if (luaL_loadbuffer(L, guarded_xpcall, sizeof guarded_xpcall - 1, "=xpcall") != LUA_OK)
    lua_error(L);
  lua_getfield(L, globals, "xpcall");
  lua_pushlightuserdata(L, l);
  lua_pushcclosure(L, guard, 1);
  lua_call(L, 2, 1);
  lua_setfield(L, globals, "xpcall");
}

/* What load reads: a text piece by piece, or what a function gives, counted both. */
typedef struct {
  moonlet_limits *limits;
  const char *text; /* NULL: the function at index 1 */
  size_t left;
  const char *name, *mode;
} source;

enum { PIECE = 4096, KEEP = 5 };

static const char *read_source(lua_State *L, void *user, size_t *size) {
  source *s = user;
  if (s->text) {
    const char *piece = s->text;
    *size = s->left < PIECE ? s->left : PIECE;
    moonlet_limits_work(L, s->limits, (unsigned)*size / 4);
    s->text += *size;
    s->left -= *size;
    return *size > 0 ? piece : NULL;
  }
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  *size = 0;
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
  lua_replace(L, KEEP); /* so that it stays while it is read */
  const char *piece = lua_tolstring(L, KEEP, size);
  moonlet_limits_work(L, s->limits, 8 + (unsigned)(*size / 4));
  return *size > 0 ? piece : NULL;
}

/* Arguments: the chunk, ..., at KEEP + 1 the source. What fails is raised once more, since the
 * loader of LuaJIT, unlike its lua_pcall, does not turn hooks on again after an error in a hook. */
static int load_protected(lua_State *L) {
  source *s = lua_touserdata(L, KEEP + 1);
  lua_settop(L, KEEP);
#ifdef MOONLET_LUAJIT
  if (lua_loadx(L, read_source, s, s->name, s->mode) != LUA_OK) return lua_error(L);
#else
  if (lua_load(L, read_source, s, s->name, s->mode) != LUA_OK) return lua_error(L);
#endif
  return 1;
}

/* load(chunk [, name [, mode [, env]]]), of text only in a sandbox. */
static int load(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  source s = {.limits = l};
  const bool has_env = !lua_isnone(L, 4);
  const char *mode = luaL_optstring(L, 3, "bt");
  lua_settop(L, KEEP);
  if (lua_type(L, 1) == LUA_TSTRING) s.text = lua_tolstring(L, 1, &s.left);
  else luaL_checktype(L, 1, LUA_TFUNCTION);
  s.name = luaL_optstring(L, 2, s.text ? s.text : "=(load)");
  s.mode = !l->sandbox ? mode : strchr(mode, 't') ? "t" : "";
  moonlet_limits_nest(L, l);
  lua_pushcfunction(L, load_protected);
  for (int i = 1; i <= KEEP; i++) lua_pushvalue(L, i);
  lua_pushlightuserdata(L, &s);
  const int status = lua_pcall(L, KEEP + 1, 1, 0);
  if (status != LUA_OK) {
    if (status == LUA_ERRMEM) return lua_error(L);
    if (l->stopped) moonlet_limits_raise(L, l);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (has_env) {
#ifdef MOONLET_LUAJIT
    luaL_checktype(L, 4, LUA_TTABLE);
#endif
    lua_pushvalue(L, 4);
    moonlet_setenv(L, -2);
  }
  return 1;
}

void moonlet_stoppable_base(lua_State *L, moonlet_limits *l) {
  static const luaL_Reg functions[] = {{"load", load}, {NULL, NULL}};
  replace_xpcall(L, l);
  moonlet_limits_register(L, l, functions);
#ifdef MOONLET_LUAJIT
  lua_getfield(L, -1, "load");
  lua_setfield(L, -2, "loadstring");
#endif
}
