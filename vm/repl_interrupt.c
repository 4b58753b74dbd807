/* repl_interrupt.c -- Ctrl-C becomes a Lua error.
 *
 * The handler sets a hook, which the interpreter notices at its next instruction. Loops that
 * LuaJIT has compiled look at no hooks, unless they were compiled while its profiler is on: in
 * mode 'l' each line checks a flag that SIGPROF sets. So where every loop must be stoppable (the
 * prompt), the profiler runs with an interval of weeks, and the handler raises SIGPROF itself.
 * The checks cost up to half the speed of the tightest loops; scripts go without. */
#include "repl.h"

#include "packages.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static lua_State *main_state;
static lua_State *volatile running; /* the coroutine that runs, on Lua 5.4 */
static volatile sig_atomic_t pending, seen, patience;
static bool check_loops;

enum { HOOK_EVENTS = LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT };

static void unhook(void) {
  lua_sethook(main_state, NULL, 0, 0);
  if (running != main_state) lua_sethook(running, NULL, 0, 0);
}

static void stop(lua_State *L, lua_Debug *event) {
  (void)event;
  lua_sethook(L, NULL, 0, 0);
  unhook();
  pending = 0;
  luaL_error(L, "interrupted");
}

static void hook(void) {
  lua_sethook(main_state, stop, HOOK_EVENTS, 1);
  if (running != main_state) lua_sethook(running, stop, HOOK_EVENTS, 1);
}

static void say(const char *text) {
  ssize_t n = write(STDERR_FILENO, text, strlen(text));
  (void)n;
}

static void on_interrupt(int number) {
  seen = 1;
  if (pending && --patience <= 0) {
    signal(number, SIG_DFL); /* takes effect when this handler returns */
    raise(number);
    return;
  }
  if (pending) {
    say("\nwaiting for the running operation; Ctrl-C once more ends the program\n");
    return;
  }
  pending = 1;
  patience = check_loops ? 2 : 1;
  hook();
#ifdef MOONLET_LUAJIT
  if (check_loops) raise(SIGPROF);
#endif
}

#ifdef MOONLET_LUAJIT

/* Called between two instructions of the interpreter, when compiled code has been left. */
static void left_compiled_code(void *data, lua_State *L, int samples, int vmstate) {
  (void)data, (void)L, (void)samples, (void)vmstate;
  if (pending) hook();
}

static void watch(lua_State *L) {
  if (check_loops) luaJIT_profile_start(L, "li2000000000", left_compiled_code, NULL);
}

#else

/* Hooks belong to one coroutine on Lua 5.4, so the handler must know which one runs: the two
 * functions which resume one note it. Upvalue 1: the original function; 2: the coroutine. */
static int call_noting(lua_State *L, lua_State *co) {
  lua_State *before = running;
  int nargs = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  if (co) running = co;
  int status = lua_pcall(L, nargs, LUA_MULTRET, 0);
  running = before;
  if (pending) hook();
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static int noting_resume(lua_State *L) {
  return call_noting(L, lua_tothread(L, 1));
}

static int noting_wrapped(lua_State *L) {
  return call_noting(L, lua_tothread(L, lua_upvalueindex(2)));
}

static int noting_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  if (!lua_getupvalue(L, 1, 1) || !lua_isthread(L, -1)) lua_settop(L, 1);
  if (lua_gettop(L) == 2) lua_pushcclosure(L, noting_wrapped, 2);
  return 1;
}

static void watch(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"resume", noting_resume}, {"wrap", noting_wrap}, {NULL, NULL}};
  lua_getglobal(L, "coroutine");
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_getfield(L, -1, f->name);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, -2, f->name);
  }
  lua_pop(L, 1);
}

#endif

void repl_interrupt_open(lua_State *L, bool everywhere) {
  struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: io.read gives up */
  bool first = main_state == NULL;
  main_state = running = L;
  lua_pushlightuserdata(L, (void *)(uintptr_t)&pending);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_INTERRUPT);
#ifdef MOONLET_LUAJIT
  first = everywhere && !check_loops;
#endif
  check_loops = everywhere;
  if (first) watch(L);
  sigaction(SIGINT, &action, NULL);
}

void repl_interrupt_close(void) {
  if (!main_state) return;
  signal(SIGINT, SIG_DFL);
#ifdef MOONLET_LUAJIT
  if (check_loops) luaJIT_profile_stop(main_state);
#endif
  main_state = NULL;
}

bool repl_interrupt_clear(void) {
  bool was = seen != 0;
  unhook();
  pending = seen = 0;
  return was;
}
