/* sandbox_states_test.c -- limits of a state, several states at once, interrupts, and patterns:
 * sandbox_states_test [SECONDS of comparing patterns] */
#define _POSIX_C_SOURCE 200809L
#include "embed_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void pause_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
}

static moonlet_status run(moonlet *m, const char *code) {
  return moonlet_run_string(m, code, "test");
}

/* -- instructions and time --------------------------------------------------------------------- */

static void test_instructions(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.instruction_limit = 200000;
  moonlet *m = moonlet_open(&config);
  double began = seconds();
  check(run(m, "local x = 0 while true do x = x + 1 end") == MOONLET_ELIMIT &&
            says(m, "the limit of 200000 instructions") && says(m, "traceback"),
        "a limit of instructions, with a traceback");
  check(seconds() - began < 2, "a hot loop is stopped in no time");
  int good = 1;
  for (int i = 0; i < 50; i++) good = good && run(m, "for i = 1, 30000 do end") == MOONLET_OK;
  check(good, "each call has the whole limit");
  run(m, "function f(n) for i = 1, n do end return n end function g() pcall(f, 1e9) return 1 end");
  double x = 0;
  check(moonlet_call(m, "f", "d>d", 10.0, &x) == MOONLET_OK && x == 10 &&
            moonlet_call(m, "f", "d>d", 1e9, &x) == MOONLET_ELIMIT &&
            moonlet_call(m, "g", ">d", &x) == MOONLET_ELIMIT,
        "functions that are called have it, too, and cannot catch its end");
  check(run(m, "x = 1 ; (function() while true do pcall(function() y = 1 end) end end)()") ==
            MOONLET_ELIMIT,
        "nor can what loops around it");
  check(run(m, "if jit then assert(not pcall(jit.on)) assert(not jit.status()) end\n"
               "assert(not pcall(debug.sethook))") == MOONLET_OK,
        "a script cannot take the hook away, nor turn the compiler on");
  check(run(m, "assert(io.open and package.loaded and loadstring or load)") == MOONLET_OK,
        "but has all libraries");
  moonlet_close(m);
}

static void test_time(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.time_limit_us = 50000;
  moonlet *m = moonlet_open(&config);
  double began = seconds();
  int good = run(m, "while true do end") == MOONLET_ELIMIT && says(m, "50000 microseconds");
  double took = seconds() - began;
  check(good && took > 0.04 && took < 3, "a limit of time");
  began = seconds();
  good = run(m, "local x = torch.zeros(1):expand(2e8) while true do x:add(1) end") ==
         MOONLET_ELIMIT;
  check(good && seconds() - began < 3, "which ends a long operation on tensors");
  check(run(m, "assert(torch.ones(3):sum() == 3)") == MOONLET_OK, "the state is usable after it");
  moonlet_close(m);
}

/* -- memory ------------------------------------------------------------------------------------ */

static void test_memory(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.memory_limit = 12 << 20;
  moonlet *m = moonlet_open(&config);
  check(run(m, "x = torch.zeros(1000, 1000)") == MOONLET_OK, "tensors within the limit");
  check(run(m, "y = torch.zeros(2500, 1000)") == MOONLET_ENOMEM && says(m, "9.5 MiB") &&
            says(m, "limit is 12.0 MiB"),
        "tensors beyond it, with the numbers");
  check(run(m, "s = ('x'):rep(3e6) t = s .. 'a' u = t .. 'b'") == MOONLET_ENOMEM &&
            says(m, "limit is"),
        "text and tensors share the limit");
  check(run(m, "x, s, t, u = nil collectgarbage() x = torch.zeros(2000, 1000)") == MOONLET_OK,
        "what was freed can be used by the other");
  check(run(m, "x = nil collectgarbage() s = ('x'):rep(4e6)") == MOONLET_OK,
        "memory that tensors left in the cache is given back for text");
  int good = 1;
  for (int i = 0; i < 20; i++)
    good = good && run(m, "for i = 1, 20 do local x = torch.zeros(700, 700) + 1 end") == MOONLET_OK;
  check(good, "garbage does not count");
  moonlet_close(m);
  config.memory_limit = 1000;
  check(moonlet_open(&config) == NULL, "a limit that is too small for a state");
}

typedef struct {
  long long bytes;
  pthread_mutex_t lock;
} counter;

static void *counted(void *user, void *block, size_t old_size, size_t new_size) {
  counter *c = user;
  void *moved = NULL;
  if (new_size == 0) free(block);
  else moved = realloc(block, new_size);
  pthread_mutex_lock(&c->lock);
  if (moved || new_size == 0) c->bytes += (long long)new_size - (block ? (long long)old_size : 0);
  pthread_mutex_unlock(&c->lock);
  return moved;
}

static void test_tensors_that_stay(void) {
  counter c = {0, PTHREAD_MUTEX_INITIALIZER};
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.alloc = counted;
  config.alloc_user = &c;
  config.memory_limit = 20 << 20;
  moonlet *m = moonlet_open(&config);
  moonlet_tensor *t = NULL;
  run(m, "x = torch.ones(1000) * 3");
  check(m && moonlet_get(m, "x", "t", &t) == MOONLET_OK && t, "a tensor comes out");
  moonlet_close(m);
  check(c.bytes > 4000 && c.bytes < 20000, "it stays when the state is closed");
  moonlet_tensor_release(t);
  check(c.bytes == 0, "and its memory goes with it");
  config.sandbox = MOONLET_SANDBOX;
  m = moonlet_open(&config);
  check(m && runs(m, "for i = 1, 5 do torch.FloatStorage(1000):retain():retain() end"),
        "a sandbox in which storages are retained");
  moonlet_close(m);
  check(c.bytes == 0, "leaves none of them behind");
}

/* -- interrupts -------------------------------------------------------------------------------- */

static void *interrupt_soon(void *m) {
  pause_ms(30);
  moonlet_interrupt(m);
  return NULL;
}

static void test_interrupts(void) {
  static const char *const loops[] = {
      "while true do end",
      "while true do pcall(function() while true do end end) end",
      "coroutine.wrap(function() while true do end end)()",
      "local x = torch.zeros(1):expand(2e8) while true do x:add(1) end",
      "string.find(('a'):rep(5000), ('a-'):rep(200) .. 'b')",
      "local x = torch.zeros(100000) while true do x:apply(math.sin) end"};
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.interruptible = 1;
  moonlet *m = moonlet_open(&config);
  int good = 1;
  for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt_soon, m);
    const double began = seconds();
    const moonlet_status status = run(m, loops[i]);
    pthread_join(thread, NULL);
    if (status != MOONLET_EINTERRUPT || !says(m, "interrupted") || seconds() - began > 5) {
      printf("# %s: %d after %.1f s\n", loops[i], (int)status, seconds() - began);
      good = 0;
    }
    good = good && run(m, "assert(torch.ones(3):sum() == 3)") == MOONLET_OK;
  }
  check(good, "another thread stops loops of all kinds");
  moonlet_interrupt(m);
  check(run(m, "while true do end") == MOONLET_EINTERRUPT && run(m, "x = 1") == MOONLET_OK,
        "an interrupt that comes early stops the next call, and only that");
  check(moonlet_interrupt(NULL) == MOONLET_EARG, "no state to interrupt");
  moonlet_close(m);
}

/* -- several at once --------------------------------------------------------------------------- */

typedef struct {
  size_t memory;
  unsigned long long instructions, time;
  const char *code, *text;
  moonlet_status wanted;
  int good;
} job;

static void *many_lives(void *arg) {
  job *j = arg;
  j->good = 1;
  for (int i = 0; i < 6; i++) {
    moonlet_config config = MOONLET_CONFIG_INIT;
    config.sandbox = MOONLET_SANDBOX;
    config.memory_limit = j->memory;
    config.instruction_limit = j->instructions;
    config.time_limit_us = j->time;
    moonlet *m = moonlet_open(&config);
    for (int k = 0; m && k < 3; k++) {
      const moonlet_status status = run(m, j->code);
      if (status != j->wanted || !says(m, j->text)) j->good = 0;
      if (j->instructions == 0 && run(m, "local x = torch.ones(10):sum()") != MOONLET_OK)
        j->good = 0;
    }
    if (!m) j->good = 0;
    moonlet_close(m);
  }
  return NULL;
}

static void test_threads(void) {
  job jobs[] = {
      {8 << 20, 0, 0, "local t = {} while true do t[#t + 1] = {} end", "limit is 8388608",
       MOONLET_ENOMEM, 0},
      {0, 30000, 0, "while true do end", "30000 instructions", MOONLET_ELIMIT, 0},
      {0, 0, 200000, "while true do local x = torch.ones(10) + 1 end", "200000 micro",
       MOONLET_ELIMIT, 0},
      {16 << 20, 0, 0, "local t = {} while true do t[#t + 1] = torch.ones(1000) end",
       "limit is 16", MOONLET_ENOMEM, 0}};
  enum { COUNT = sizeof jobs / sizeof *jobs };
  pthread_t threads[COUNT];
  for (int i = 0; i < COUNT; i++) pthread_create(&threads[i], NULL, many_lives, &jobs[i]);
  int good = 1;
  for (int i = 0; i < COUNT; i++) {
    pthread_join(threads[i], NULL);
    if (!jobs[i].good) printf("# job %d\n", i);
    good = good && jobs[i].good;
  }
  check(good, "sandboxes with limits of their own on several threads at once");
}

/* -- patterns ---------------------------------------------------------------------------------- */

/* Calls of the string library with patterns made of a number; what comes out, as text. */
static const char patterns[] =
    "local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub\n"
    "local pieces = {'a', 'b', 'c', '.', '%a', '%d', '%s', '%w', '%W', '%p', '%c', '%x', '%g', "
    "'%S',\n"
    "  '[abc]', '[^ab]', '[a-c]', '[%a-z]', '[]]', '[^]]', '[a-]', '[%]]', '[+-%]', '%.', "
    "'%%', '%1',\n"
    "  '%2', '%b()', '%bab', '%f[a]', '%f[%w]', '%f[^%z]', '()', '(', ')', '(', ')', '^', '$', "
    "'*',\n"
    "  '+', '-', '?', '*', '-', ' ', '1', '%z', '%', '[', ']', '%b', '%f', '[^', 'ab', '(a*)', "
    "'(.-)'}\n"
    "local letters = {'a', 'b', 'c', 'ab', '(', ')', ' ', '1', '.', '%', ']', '-', '\\0', "
    "'\\n', 'A', '\\255'}\n"
    "local seed\n"
    "local function draw(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end\n"
    "local function make(list, most) local t = {} for i = 1, "
    "draw(most) - 1 do t[i] = list[draw(#list)] end\n"
    "  return table.concat(t) end\n"
    "local function show(ok, ...)\n"
    "  if not ok then return 'E' end\n"
    "  local t = {} for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))) end\n"
    "  return table.concat(t, '|')\n"
    "end\n"
    "local replacements = {'x', '%1', '%0%0', '%%', '<%1%2>', '%', '%x', '', 5,\n"
    "  function(a, b) if b then return b end return a ~= 'a' and 'f' end, {a = 'A', b = 1, "
    "c = false}}\n"
    "function try(number)\n"
    "  seed = number * 7 + 1\n"
    "  local s, p, at = make(letters, 14), make(pieces, 7), draw(22) - 8\n"
    "  local out = {p, s, tostring(at)}\n"
    "  out[4] = show(pcall(find, s, p, at)) out[5] = show(pcall(match, s, p, at))\n"
    "  out[6] = show(pcall(find, s, p, at, true))\n"
    "  out[7] = show(pcall(gsub, s, p, replacements[draw(#replacements)]))\n"
    "  out[8] = show(pcall(gsub, s, p, replacements[draw(#replacements)], draw(4) - 1))\n"
    "  out[9] = show(pcall(function() local t = {} for a, b in gmatch(s, "
    "p) do t[#t + 1] = show(true, a, b)\n"
    "    if #t > 50 then break end end return table.concat(t, ';') end))\n"
    "  return table.concat(out, '\\1')\n"
    "end";

static void test_patterns(double patience) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  moonlet *stock = moonlet_open(&config);
  config.interruptible = 1;
  moonlet *ours = moonlet_open(&config);
  int good = runs(stock, patterns) && runs(ours, patterns);
  const double began = seconds();
  long n = 0;
  for (; good && (n < 20000 || seconds() - began < patience); n++) {
    const char *a = NULL, *b = NULL;
    size_t na = 0, nb = 0;
    moonlet_call(stock, "try", "d>S", (double)n, &a, &na);
    moonlet_call(ours, "try", "d>S", (double)n, &b, &nb);
    good = a && b && na == nb && memcmp(a, b, na) == 0;
    if (good) continue;
    printf("# pattern %ld\n# stock: ", n);
    for (size_t i = 0; i < na; i++) putchar(a[i] == 1 || a[i] == 0 || a[i] == '\n' ? '~' : a[i]);
    printf("\n# ours:  ");
    for (size_t i = 0; i < nb; i++) putchar(b[i] == 1 || b[i] == 0 || b[i] == '\n' ? '~' : b[i]);
    printf("\n");
  }
  printf("# %ld patterns\n", n);
  check(good, "patterns match as those of Lua");
  moonlet_close(stock);
  moonlet_close(ours);
}

int main(int argc, char **argv) {
  test_instructions();
  test_time();
  test_memory();
  test_tensors_that_stay();
  test_interrupts();
  test_threads();
  test_patterns(argc > 1 ? atof(argv[1]) : 0);
  return failures != 0;
}
