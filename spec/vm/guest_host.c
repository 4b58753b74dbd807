/* guest_host.c -- a program with a Lua of its own that takes Moonlet in as a guest, in all the ways
 * in which hosts differ. guest_spec.lua builds and runs it, once per virtual machine:
 *
 *   guest_host MODULE WORK SCRATCH [ROUNDS [STEP]]
 *
 * MODULE is moonlet.so, WORK is guest_work.lua, SCRATCH a file that may be written. ROUNDS says how
 * often states are opened and closed (200), and STEP how coarsely memory is made scarce (4). */
#include <dlfcn.h>
#include <fcntl.h>
#include <fenv.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if LUA_VERSION_NUM == 501
#include <luajit.h>
#define IS_JIT 1
#else
#define IS_JIT 0
#endif

static const char *module_path, *work_path, *scratch_path;
static int failures, rounds = 200, step = 4;

static void check(int good, const char *format, ...) {
  va_list args;
  va_start(args, format);
  printf("%s ", good ? "ok" : "not ok");
  vprintf(format, args);
  printf("\n");
  fflush(stdout);
  va_end(args);
  if (!good) failures++;
}

/* -- Memory as some hosts have it -------------------------------------------------------------- */

/* An allocator that counts, has a limit, and fails now and then. It asks Lua's own, as LuaJIT may
 * need addresses that only that one finds. */
typedef struct {
  lua_Alloc alloc;
  void *user;
  size_t used, peak, limit; /* bytes; limit 0: none */
  unsigned long requests, fail_each, fail_at, fail_one_in, failed;
  unsigned chance; /* a generator of numbers; fail_one_in: at random, one request in so many */
} meter;

static unsigned draw(meter *m) {
  m->chance = m->chance * 1664525u + 1013904223u;
  return m->chance >> 8;
}

static void *metered(void *arg, void *block, size_t old_size, size_t new_size) {
  meter *m = arg;
  if (!block) old_size = 0;
  if (new_size > old_size) { /* shrinking never fails, as Lua demands */
    m->requests++;
    if ((m->limit && m->used + (new_size - old_size) > m->limit) ||
        (m->fail_at && m->requests == m->fail_at) ||
        (m->fail_each && m->requests % m->fail_each == 0) ||
        (m->fail_one_in && draw(m) % m->fail_one_in == 0)) {
      m->failed++;
      return NULL;
    }
  }
  void *moved = m->alloc(m->user, block, old_size, new_size);
  if (moved || new_size == 0) m->used += new_size - old_size;
  if (m->used > m->peak) m->peak = m->used;
  return moved;
}

/* -- States and the guest ---------------------------------------------------------------------- */

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (!L) abort();
  luaL_openlibs(L);
  return L;
}

static lua_State *metered_state(meter *m) {
  lua_State *L = luaL_newstate();
  if (!L) abort();
  m->alloc = lua_getallocf(L, &m->user);
  m->used = 0;
  lua_setallocf(L, metered, m);
  luaL_openlibs(L);
  return L;
}

/* LuaJIT gives its arena back only with its own allocator. What was there before the meter is
 * freed too, so `used` ends below zero by that much: see `base`. */
static void close_metered(lua_State *L, meter *m) {
  lua_setallocf(L, m->alloc, m->user);
  lua_close(L);
}

/* require "moonlet" through package.cpath. */
static int load_by_require(lua_State *L) {
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s", module_path);
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "moonlet");
  return lua_pcall(L, 1, 1, 0);
}

/* Straight from the file, for hosts without `package`. */
static void *handle;
static lua_CFunction open_module;

static void take(void) {
  handle = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
  if (handle) *(void **)&open_module = dlsym(handle, "luaopen_moonlet");
  if (!handle || !open_module) {
    printf("not ok %s: %s\n", module_path, dlerror());
    exit(1);
  }
}

static void let_go(void) {
  dlclose(handle);
}

static int load_directly(lua_State *L) {
  lua_pushcfunction(L, open_module);
  return lua_pcall(L, 0, 1, 0);
}

/* With the module on the top: does the work; leaves its text or an error. */
static int work(lua_State *L) {
  int status = luaL_loadfile(L, work_path);
  if (status != 0) return status;
  lua_insert(L, -2);
  lua_pushstring(L, scratch_path);
  return lua_pcall(L, 2, 1, 0);
}

/* Like work, but only a piece of code that has the module in `...`. */
static int run(lua_State *L, const char *code) {
  int status = luaL_loadstring(L, code);
  if (status != 0) return status;
  lua_insert(L, -2);
  return lua_pcall(L, 1, 1, 0);
}

static const char *text(lua_State *L) {
  const char *s = lua_tostring(L, -1);
  return s ? s : "(no text)";
}

/* -- What can be seen of the process ----------------------------------------------------------- */

static int count_in(const char *folder_or_field) {
  int n = -1;
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  size_t length = strlen(folder_or_field);
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, folder_or_field, length) == 0) n = atoi(line + length);
  if (f) fclose(f);
  return n;
}

static int threads(void) {
  return count_in("Threads:");
}

static int resident(void) { /* KiB */
  return count_in("VmRSS:");
}

static int open_files(void) {
  int n = 0;
  for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

static int is_mapped(void) {
  char line[512];
  int found = 0;
  const char *name = strrchr(module_path, '/') + 1;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f)) {
    const char *slash = strrchr(line, '/');
    if (slash && strncmp(slash + 1, name, strlen(name)) == 0) found = 1;
  }
  if (f) fclose(f);
  return found;
}

typedef struct {
  struct sigaction actions[65];
  sigset_t blocked;
  int rounding, files;
  mode_t mask;
  char folder[512];
} process;

static void look(process *p) {
  memset(p, 0, sizeof *p);
  for (int s = 1; s < 65; s++)
    if (s != 32 && s != 33) sigaction(s, NULL, &p->actions[s]); /* those are the C library's */
  sigprocmask(SIG_SETMASK, NULL, &p->blocked);
  p->rounding = fegetround();
  p->files = open_files();
  p->mask = umask(022);
  umask(p->mask);
  if (!getcwd(p->folder, sizeof p->folder)) p->folder[0] = 0;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static char *expected; /* what the work gives anywhere */

/* Both channels go to a file meanwhile, whose size is returned. */
static long run_silently(int (*load)(lua_State *), lua_State *L, int *status) {
  char name[] = "/tmp/guest-XXXXXX";
  int file = mkstemp(name), out = dup(1), err = dup(2);
  fflush(stdout);
  dup2(file, 1), dup2(file, 2);
  *status = load(L);
  if (*status == 0) *status = work(L);
  fflush(stdout);
  dup2(out, 1), dup2(err, 2);
  long size = (long)lseek(file, 0, SEEK_END);
  close(file), close(out), close(err);
  unlink(name);
  return size;
}

static void test_process(void) {
  process before, after;
  int status;
  look(&before);
  lua_State *L = new_state();
  long printed = run_silently(load_by_require, L, &status);
  check(status == 0, "the work can be done: %s", status == 0 ? "yes" : text(L));
  if (status == 0) expected = strdup(text(L));
  check(printed == 0, "nothing is printed");
  check(threads() == 1, "no thread is started");
  lua_close(L);
  look(&after);
  int changed = 0;
  for (int s = 1; s < 65; s++)
    if (before.actions[s].sa_handler != after.actions[s].sa_handler ||
        before.actions[s].sa_flags != after.actions[s].sa_flags)
      changed = s;
  check(!changed, "no signal has another handler (%d)", changed);
  check(memcmp(&before.blocked, &after.blocked, sizeof before.blocked) == 0,
        "no signal is blocked or let through");
  check(before.rounding == after.rounding, "the rounding mode is the same");
  check(before.files == after.files, "every file is closed");
  check(before.mask == after.mask && strcmp(before.folder, after.folder) == 0,
        "the process's folder and mask are the same");
  check(!is_mapped(), "the module is unloaded with the state");
}

static const char two_threads[] =
    "local torch = (...).torch torch.setnumthreads(2) "
    "for _ = 1, 4 do torch.rand(1000, 1000):add(1):exp() end return torch.getnumthreads()";

static void test_threads(void) {
  lua_State *L = new_state();
  int loaded = load_by_require(L) == 0 && run(L, two_threads) == 0 && lua_tointeger(L, -1) == 2;
  check(loaded && threads() == 2, "two threads where they are asked for");
  lua_close(L);
  check(threads() == 1, "they end with the state");
}

static int worked(lua_State *L) {
  int status = load_by_require(L);
  if (status == 0) status = work(L);
  return status == 0 && strcmp(text(L), expected) == 0;
}

static void test_two_states(void) {
  int good = 1, settled = 0, grown, tenth = rounds / 10;
  for (int round = 0; round < rounds && good; round++) {
    lua_State *a = new_state(), *b = new_state();
    int full = round < 2 || round % (tenth < 1 ? 1 : tenth) == 0; /* the other rounds do less */
    const char *some =
        "local m = ... local x = m.torch.randn(40, 40) m.torch.mm(x, x) m.torch.fft.fft(x) "
        "m.nn.Conv2d(32, 32, 3):forward(m.torch.randn(8, 32, 18, 18)) return 'done'";
    if (full) {
      good = worked(a) && worked(b);
    } else {
      good = load_by_require(a) == 0 && run(a, some) == 0 && load_by_require(b) == 0 &&
             run(b, some) == 0;
    }
    lua_close(round % 2 ? a : b);
    lua_State *left = round % 2 ? b : a;
    good = good && load_by_require(left) == 0 && run(left, some) == 0;
    if (!good) printf("# round %d: %s\n", round, text(left));
    lua_close(left);
    if (round == tenth) settled = resident();
  }
  grown = resident() - settled;
  check(good, "two states side by side, closed in both orders, %d times", rounds);
  /* Each round of the rest may cost 8 KiB: half of what the smallest library keeps in a state. */
  int allowed = 8 * (rounds - tenth);
  if (rounds < 100) allowed = 1 << 20; /* a few tell nothing: sanitizers and valgrind see leaks */
  check(grown < allowed, "memory does not grow: by %d KiB from %d KiB", grown,
        settled);
  check(!is_mapped() && threads() == 1, "nothing is left of them");
}

static void test_counting(void) {
  meter m = {0};
  lua_State *L = metered_state(&m);
  lua_gc(L, LUA_GCCOLLECT, 0);
  check(worked(L), "a host's own allocator: %s", text(L));
  check(m.requests > 1000 && m.peak > 100000, "all of Lua's memory comes from it");
  lua_settop(L, 0);
  close_metered(L, &m);
}

/* Everything inside of one protected call: where memory is short, LuaJIT may raise an error while
 * a C function is pushed. */
static int load_and_work(lua_State *L) {
  lua_settop(L, 0);
  if (load_directly(L) != 0 || work(L) != 0) lua_error(L);
  if (strcmp(text(L), expected) != 0) luaL_error(L, "another result: %s", text(L));
  return 0;
}

static int protect(lua_State *L) {
#if IS_JIT
  return lua_cpcall(L, load_and_work, NULL);
#else
  lua_pushcfunction(L, load_and_work);
  return lua_pcall(L, 0, 0, 0);
#endif
}

/* Every way out of the work must be a result or an error; sanitizers and valgrind see to leaks.
 * The state can be used afterwards when there is memory again. */
static int survives(meter limits, int again) {
  meter m = {0};
  lua_State *L = metered_state(&m);
  lua_gc(L, LUA_GCCOLLECT, 0);
  m.limit = limits.limit ? m.used + limits.limit : 0;
  m.fail_each = limits.fail_each;
  m.fail_one_in = limits.fail_one_in;
  m.chance = limits.chance;
  m.fail_at = limits.fail_at ? m.requests + limits.fail_at : 0;
  take();
  int good = protect(L) == 0 || lua_type(L, -1) == LUA_TSTRING;
  m.limit = m.fail_each = m.fail_at = m.fail_one_in = 0;
  lua_settop(L, 0);
  if (again && protect(L) != 0) {
    printf("# afterwards (limit %lu, each %lu, at %lu, one in %lu): %s\n",
           (unsigned long)limits.limit, limits.fail_each, limits.fail_at, limits.fail_one_in,
           text(L));
    good = 0;
  }
  close_metered(L, &m);
  let_go();
  return good;
}

static void test_scarcity(void) {
  int good = 1;
  for (size_t limit = 4096; limit < 6u << 20 && good; limit += limit * (size_t)step / 8)
    good = survives((meter){.limit = limit}, 1);
  check(good, "a limit of memory is an error anywhere, and the state works when it is lifted");
  good = 1;
  for (unsigned long each = 2; each < 6000 && good; each += 1 + each * (unsigned long)step / 12)
    good = survives((meter){.fail_each = each}, 1);
  check(good, "an allocator that fails at every N-th request");
  good = 1;
  for (unsigned long at = 1; at < 30000 && good; at += 1 + at * (unsigned long)step / 16)
    good = survives((meter){.fail_at = at}, 0);
  check(good, "an allocator that fails once");
  good = 1;
  for (unsigned seed = 1; seed < 64 / (unsigned)step + 2 && good; seed++)
    good = survives((meter){.fail_one_in = 50ul << seed % 9, .chance = seed}, 1);
  check(good, "an allocator that fails at random");
}

/* A host whose state is prepared by a piece of Lua before the guest comes. */
static void test_host(const char *what, const char *prepare) {
  lua_State *L = new_state();
  take();
  int status = luaL_loadstring(L, prepare);
  if (status == 0) status = lua_pcall(L, 0, 0, 0);
  if (status == 0) status = load_directly(L);
  if (status == 0) status = work(L);
  int good = status == 0 && strcmp(text(L), expected) == 0;
  check(good, "%s%s%s", what, good ? "" : ": ", good ? "" : text(L));
  lua_settop(L, 0);
  if (good && luaL_loadstring(L, "if after then return after() end") == 0) {
    int called = lua_pcall(L, 0, 1, 0);
    /* Strict hosts raise for `after`; the others say what they found wrong. */
    if (called == 0 && lua_isstring(L, -1)) check(0, "%s: %s", what, text(L));
  }
  lua_close(L);
  let_go();
}

static void test_hosts(void) {
  test_host("a strict table of globals",
            "setmetatable(_G, {__newindex = function(_, k) error('assigned ' .. tostring(k)) end,"
            " __index = function(_, k) error('undefined ' .. tostring(k)) end, __metatable = false})");
  test_host("a require of the host's own",
            "local real = require function require(name)"
            " if name == 'ffi' then return real 'ffi' end error('asked for ' .. name) end");
  test_host("another table for package",
            "package = {path = '', cpath = ''} package.loaded = package");
  test_host("package as a function", "package = function() end require = 1");
  test_host("no package and no require", "package, require = nil, nil");
  test_host("no io, os and debug", "io, os, debug = nil, nil, nil"
            " if package then for _, k in ipairs{'io', 'os', 'debug'} do"
            " package.loaded[k] = nil end end");
  test_host("a strict one without io, os, debug and package",
            "io, os, debug, package, require = nil, nil, nil, nil, nil setmetatable(_G,"
            " {__index = function(_, k) error('undefined ' .. k) end})");
  test_host("no function that loads code",
            "load, loadstring, loadfile, dofile, setfenv, getfenv = nil, nil, nil, nil, nil, nil");
  test_host("a host that changes basic functions afterwards",
            "function meanwhile() type, pairs, error, pcall, math = nil, nil, nil, nil, nil"
            " require = nil end");
  test_host("a table of globals with its own metatable",
            "local all = {} for k, v in pairs(_G) do all[k] = v end"
            " setmetatable(_G, {__index = all})");
  test_host("a stopped collector", "collectgarbage 'stop' local count = collectgarbage"
            " function after() local before = count 'count' for i = 1, 1e5 do thing = {i} end"
            " if count 'count' - before < 1000 then return 'it runs again' end end");
  if (IS_JIT) {
    test_host("the compiler is off", "jit.off()");
    test_host("a compiler that is quick", "require 'jit.opt'.start('hotloop=2', 'hotexit=2')");
    test_host("an unknown table ffi", "package.loaded.ffi = false package.preload.ffi = nil");
  }
}

/* Only the libraries that a sandbox opens. */
static void test_bare(void) {
  static const luaL_Reg libraries[] = {{"", luaopen_base},
                                       {"string", luaopen_string},
                                       {"table", luaopen_table},
                                       {"math", luaopen_math},
#if !IS_JIT
                                       {"coroutine", luaopen_coroutine},
#endif
                                       {NULL, NULL}};
  lua_State *L = luaL_newstate();
  for (const luaL_Reg *lib = libraries; lib->name; lib++) {
#if IS_JIT
    lua_pushcfunction(L, lib->func);
    lua_pushstring(L, lib->name);
    lua_call(L, 1, 0);
#else
    luaL_requiref(L, *lib->name ? lib->name : "_G", lib->func, 1);
    lua_pop(L, 1);
#endif
  }
  take();
  int status = load_directly(L);
  if (status == 0) status = work(L);
  check(status == 0 && strcmp(text(L), expected) == 0, "only base, string, table and math: %s",
        status == 0 ? "works" : text(L));
  lua_close(L);
  let_go();
}

/* The guest comes in a coroutine, which is garbage when gradients written in Lua are released. */
static void test_coroutine(void) {
  lua_State *L = new_state();
  lua_State *co = lua_newthread(L);
  take();
  int good = load_directly(co) == 0;
  lua_xmove(co, L, 1);
  lua_remove(L, 1); /* the coroutine */
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_pushvalue(L, 1);
  const char *code =
      "local m = ... local torch, core = m.torch, m.require 'torch.core'\n"
      "local function twice(x) local y = x:detach() * 2\n"
      "  core.record(function(d) return d * 2 end, {x}, {y}) return y end\n"
      "for i = 1, 50 do\n"
      "  local x = torch.ones(3):requiresGrad()\n"
      "  local y = twice(x)\n"
      "  if i % 2 == 0 then y:sum():backward() end\n"
      "  local co = coroutine.wrap(function() twice(x):sum():backward() coroutine.yield() end)\n"
      "  co() x, y, co = nil, nil, nil collectgarbage()\n"
      "end\n"
      "return 'done'";
  good = good && run(L, code) == 0;
  check(good, "a guest loaded in a coroutine that has ended: %s", text(L));
  lua_settop(L, 1);
  good = work(L) == 0 && strcmp(text(L), expected) == 0;
  check(good, "and it works like any other%s%s", good ? "" : ": ", good ? "" : text(L));
  lua_close(L);
  let_go();
}

/* A coroutine whose globals are a table of its own, as a web server gives one to each request. */
static void test_own_globals(void) {
#if IS_JIT
  lua_State *L = new_state();
  lua_State *co = lua_newthread(L);
  lua_newtable(co);
  lua_newtable(co);
  lua_getglobal(L, "_G");
  lua_xmove(L, co, 1);
  lua_setfield(co, -2, "__index");
  lua_setmetatable(co, -2);
  lua_replace(co, LUA_GLOBALSINDEX);
  int good = load_by_require(co) == 0;
  if (good) good = work(co) == 0 && strcmp(text(co), expected) == 0;
  check(good, "a coroutine with globals of its own%s%s", good ? "" : ": ", good ? "" : text(co));
  lua_settop(co, 0);
  lua_pushnil(co);
  int fields = 0;
  while (lua_next(co, LUA_GLOBALSINDEX)) lua_pop(co, 1), fields++;
  check(fields == 0, "whose table stays empty");
  lua_settop(L, 0);
  lua_close(L);
#endif
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  module_path = argv[1], work_path = argv[2], scratch_path = argv[3];
  if (argc > 4) rounds = atoi(argv[4]);
  if (argc > 5) step = atoi(argv[5]);
  test_process();
  if (!expected) return 1;
  test_threads();
  test_two_states();
  test_counting();
  test_hosts();
  test_bare();
  test_coroutine();
  test_own_globals();
  test_scarcity();
  check(threads() == 1 && !is_mapped(), "after all of it nothing is left");
  free(expected);
  return failures != 0;
}
