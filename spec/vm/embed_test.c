/* embed_test.c -- the embedding API of vm/moonlet.h from C; embed_spec.lua builds and runs it. */
#include "embed_check.h"

static void test_running(void) {
  moonlet *m = moonlet_open(NULL);
  check(m != NULL, "a state opens");
  check(moonlet_error(m)[0] == '\0', "no error at first");
  check(moonlet_state(m) != NULL && moonlet_memory(m) > 0, "Lua's state and its size");
  check(moonlet_run_string(m, "x = 1", NULL) == MOONLET_OK, "code runs");
  check(moonlet_run_string(m, "x = ", "a.lua") == MOONLET_ESYNTAX && says(m, "a.lua:1:"),
        "code that does not compile");
  check(moonlet_run_string(m, "\n\nerror('hi')", "a.lua") == MOONLET_ERUN &&
            says(m, "a.lua:3: hi") && says(m, "traceback"),
        "an error has its line and a traceback");
  check(moonlet_run_string(m, "error({})", NULL) == MOONLET_ERUN, "an error that is a table");
  check(moonlet_run_string(m, "error()", NULL) == MOONLET_ERUN, "an error that is nil");
  check(moonlet_run_string(m, "local function f() return f() + 1 end f()", NULL) == MOONLET_ERUN &&
            says(m, "stack overflow"),
        "recursion without end");
  check(moonlet_run_string(m, "\033Lua", NULL) == MOONLET_ESYNTAX, "bytecode is refused");
  check(moonlet_run_string(m, NULL, NULL) == MOONLET_EARG, "no code");
  check(moonlet_run_file(m, "/nonexistent.lua") == MOONLET_ERUN && says(m, "/nonexistent.lua"),
        "a missing file");
  check(moonlet_require(m, "moonlet.gzip") == MOONLET_OK, "a package is required");
  check(moonlet_require(m, "nothing.there") == MOONLET_ERUN && says(m, "nothing.there"),
        "a missing package");
  moonlet_close(m);
  moonlet_close(NULL);
}

static void test_calls(void) {
  moonlet *m = moonlet_open(NULL);
  double d = 0;
  long long i = 0;
  int b = 0;
  const char *s = NULL, *none = "x";
  moonlet_run_string(
      m,
      "game = {}\n"
      "function game.all(d, i, b, s, n) return d * 2, i + 1, not b, s .. '!', n end\n"
      "function game.half() return 0.5 end",
      "game");
  check(moonlet_call(m, "game.all", "dibss>dibss", 1.5, 41LL, 0, "text", NULL, &d, &i, &b, &s,
                     &none) == MOONLET_OK &&
            d == 3 && i == 42 && b == 1 && strcmp(s, "text!") == 0 && !none,
        "values of every type go in and come out");
  check(moonlet_call(m, "game.none", ">") == MOONLET_ERUN && says(m, "there is no game.none"),
        "a missing function");
  check(moonlet_call(m, "play.all", ">") == MOONLET_ERUN, "a missing table");
  check(moonlet_call(m, "game.half", ">i", &i) == MOONLET_ERUN && says(m, "integral"),
        "a result that is not integral");
  check(moonlet_call(m, "game.half", ">s", &s) == MOONLET_ERUN && says(m, "not text"),
        "a result of another type");
  check(moonlet_call(m, "game.half", ">dd", &d, &d) == MOONLET_ERUN && says(m, "result 2"),
        "a missing result");
  check(moonlet_call(m, "game.half", "x>d", &d) == MOONLET_EARG, "types without sense");
  check(moonlet_call(m, "game.half", "d", 1.0) == MOONLET_EARG, "types without results");
  moonlet_close(m);
}

static void test_configuration(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.globals = 0;
  moonlet *m = moonlet_open(&config);
  check(m && moonlet_run_string(m, "assert(torch == nil and nn == nil)", NULL) == MOONLET_OK &&
            moonlet_run_string(m, "require 'nn'", NULL) == MOONLET_ERUN,
        "no globals on request");
  moonlet_close(m);
  config.threads = -1;
  check(!moonlet_open(&config), "a number of threads without sense");
  config.threads = 1;
  config.size = 3;
  check(!moonlet_open(&config), "a structure of unknown size");
}

static void test_two_states(void) {
  moonlet *a = moonlet_open(NULL), *b = moonlet_open(NULL);
  double x = 0, y = 0;
  moonlet_run_string(a, "x = 1 function get() return x end", NULL);
  moonlet_run_string(b, "x = 2 function get() return x end", NULL);
  moonlet_call(a, "get", ">d", &x);
  moonlet_call(b, "get", ">d", &y);
  check(x == 1 && y == 2, "two states side by side");
  moonlet_close(a);
  moonlet_call(b, "get", ">d", &y);
  check(y == 2, "one goes on when the other is closed");
  moonlet_close(b);
}

static void test_memory_limit(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.memory_limit = 4u << 20;
  moonlet *m = moonlet_open(&config);
  int stopped = 0, usable = 0;
  for (int k = 0; k < 5; k++) {
    const char *grow = "local t = {} for i = 1, 1e8 do t[i] = {i} end";
    stopped += moonlet_run_string(m, grow, NULL) == MOONLET_ENOMEM && says(m, "memory");
    usable += moonlet_run_string(m, "for i = 1, 1e5 do local t = {i, i} end", NULL) == MOONLET_OK;
  }
  check(stopped == 5, "the limit of memory is an error");
  check(usable == 5, "the state is usable after it");
  check(moonlet_memory(m) <= config.memory_limit, "the limit is kept");
  moonlet_close(m);
}

/* Every limit a little higher than the last: memory runs out at ever other places, none of which
 * may end the process or leak (the sanitizers see to that). */
static void test_scarcity(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  int opened = 0, worked = 0;
  for (config.memory_limit = 500; config.memory_limit < 300000; config.memory_limit += 331) {
    moonlet *m = moonlet_open(&config);
    double sum = 0;
    if (!m) continue;
    opened++;
    moonlet_run_string(m, "function sum(a, b) return a + b + #('x'):rep(9999) end", NULL);
    worked += moonlet_call(m, "sum", "dd>d", 1.0, 2.0, &sum) == MOONLET_OK && sum == 10002;
    moonlet_run_string(m, "error(tostring(1) .. 'x')", NULL);
    moonlet_require(m, "moonlet.gzip");
    moonlet_close(m);
  }
  check(opened > 0 && worked > 0 && worked < opened, "memory that is short anywhere");
}

int main(void) {
  check(strcmp(moonlet_version(), MOONLET_VERSION) == 0, "the version");
  test_running();
  test_calls();
  test_configuration();
  test_two_states();
  test_memory_limit();
  test_scarcity();
  return failures != 0;
}
