/* coroutines.c -- the coroutine library of states with limits on Lua 5.4, where each coroutine has
 * a hook of its own: one that runs pays ahead for the instructions until its hook looks. */
#include "state_limits.h"

#ifdef MOONLET_LUAJIT
/* Hooks are shared there. */
void moonlet_coroutines_open(lua_State *L, moonlet_limits *l) {
  (void)L, (void)l;
}
#else

static lua_State *check_coroutine(lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  if (co == NULL) luaL_argerror(L, index, "coroutine expected");
  return co;
}

static void new_coroutine(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
}

static int create_thread(lua_State *L) {
  new_coroutine(L);
  return 1;
}

/* Runs co with the topmost `nargs` values. Pushes what comes back and returns how many values, or
 * -1 with the error. */
static int run(lua_State *L, lua_State *co, int nargs) {
  moonlet_limits *l = moonlet_limits_here(L);
  int n = 0;
  moonlet_limits_spend(L, l, 0); /* coroutines so short that no hook of theirs ever looks */
  if (!lua_checkstack(co, nargs)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, nargs);
  lua_State *before = l->running;
  moonlet_limits_resume(l, co);
  int status = lua_resume(co, L, nargs, &n);
  moonlet_limits_resumed(L, l, before);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, n + 1)) {
    lua_pop(co, n);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, n);
  return n;
}

static int resume_thread(lua_State *L) {
  lua_State *co = check_coroutine(L, 1);
  int n = run(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  lua_insert(L, n < 0 ? -2 : -(n + 1));
  return n < 0 ? 2 : n + 1;
}

/* Closes what co still has open. Where a limit has ended it, nothing of Lua's may run in it. */
static int close_it(lua_State *L, moonlet_limits *l, lua_State *co) {
  moonlet_limits_spend(L, l, 0);
  if (moonlet_limits_killed(co)) return LUA_ERRRUN;
  lua_State *before = l->running;
  moonlet_limits_resume(l, co);
  int status = lua_resetthread(co);
  moonlet_limits_resumed(L, l, before);
  return status;
}

static int call_wrapped(lua_State *L) {
  moonlet_limits *l = moonlet_limits_here(L);
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int n = run(L, co, lua_gettop(L));
  if (n >= 0) return n;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) { /* it failed, rather than being dead before */
    status = close_it(L, l, co);
    if (!moonlet_limits_killed(co)) lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_thread(lua_State *L) {
  new_coroutine(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, -2);
  lua_pushcclosure(L, call_wrapped, 2);
  return 1;
}

/* Only one that waits or is dead: neither this one nor one that waits for another. */
static bool can_close(lua_State *L, lua_State *co) {
  lua_Debug info;
  if (co == L) return false;
  return lua_status(co) != LUA_OK || lua_getstack(co, 0, &info) == 0;
}

static int close_thread(lua_State *L) {
  lua_State *co = check_coroutine(L, 1);
  if (!can_close(L, co)) return luaL_error(L, "cannot close a running coroutine");
  int status = close_it(L, moonlet_limits_here(L), co);
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK) return 1;
  if (moonlet_limits_killed(co)) lua_pushliteral(L, "stopped by a limit");
  else lua_xmove(co, L, 1);
  return 2;
}

void moonlet_coroutines_open(lua_State *L, moonlet_limits *l) {
  static const luaL_Reg functions[] = {
      {"create", create_thread}, {"resume", resume_thread}, {"wrap", wrap_thread},
      {"close", close_thread}, {NULL, NULL}};
  moonlet_limits_register(L, l, functions);
}
#endif
