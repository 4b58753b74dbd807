/* sandbox_fuzz_test.c -- programs made at random of what is hard to stop, in sandboxes: each call
 * has to come back soon, and the state has to be usable: sandbox_fuzz_test SECONDS [SEED] */
#define _POSIX_C_SOURCE 200809L
#include "embed_check.h"

#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static unsigned long long seed;

static unsigned draw(unsigned n) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)(seed >> 33) % n;
}

static char text[1 << 16];
static size_t length;

static void add(const char *piece) {
  size_t n = strlen(piece);
  if (length + n + 1 > sizeof text) return;
  memcpy(text + length, piece, n + 1);
  length += n;
}

/* '@' stands for a block. No __concat: one that grows the stack corrupts memory in Lua 5.4.4. */
static const char *const statements[] = {
    "while true do @ end ", "repeat @ until false ", "for i = 1, 1e9 do @ end ",
    "for k in pairs(t) do @ end ", "pcall(function() @ end) ", "pcall(function() @ end) @ ",
    "xpcall(function() @ end, function() @ end) ", "xpcall(error, function() @ end) ",
    "coroutine.wrap(function() @ end)() ",
    "local co = coroutine.create(function() @ end) coroutine.resume(co) coroutine.resume(co) ",
    "local w = coroutine.wrap(function() while true do coroutine.yield() @ end end) w() w() ",
    "pcall(coroutine.wrap(function() @ end)) ", "coroutine.yield() ",
    "local _ = setmetatable({}, {__index = function() @ end}).x ",
    "local _ = -setmetatable({}, {__unm = function() @ end}) ",
    "tostring(setmetatable({}, {__tostring = function() @ return '' end})) ",
    "error(setmetatable({}, {__tostring = function() @ return '' end})) ",
    "table.sort({3, 1, 2, 5, 4}, function(a, b) @ return a < b end) ",
    "string.gsub(('a'):rep(50), '.', function() @ end) ", "load(function() @ end) ",
    "local function f() @ f() end f() ", "local function f() pcall(f) @ end f() ",
    "torch.zeros(50):apply(function() @ end) ", "t[#t + 1] = ('x'):rep(1e5) .. #t ",
    "t[#t + 1] = {} ", "t[#t + 1] = torch.zeros(1000) ", "t = {} ", "collectgarbage() ",
    "error('x') ", "error() ", "error({}) ", "string.find(('a'):rep(800), ('a-'):rep(30) .. 'b') ",
    "string.gsub(('a'):rep(800), ('.*'):rep(8) .. 'b', 'x') ", "table.concat(t, 'x', 1, 1e9) ",
    "table.move({}, 1, 1e9, 2) ", "torch.zeros(1):expand(1e11):add(1) ",
    "local x = torch.randn(200, 200) x = x * x ", "torch.zeros(1e12) ", "('x'):rep(1e9) ",
    "local x = torch.ones(3, {requires_grad = true}) (x * 2):sum():backward() ",
    "getmetatable('').__call = function() @ end xpcall(function() while true do end end, pcall) ",
    "load([[local x <close> = setmetatable({}, {__close = function() while true do end end}) "
    "while true do end]]) ",
    "local c = load([[local f = ... local x <close> = setmetatable({}, {__close = f}) "
    "coroutine.yield() error('x')]]) if c then pcall(coroutine.wrap(c), function() @ end) end ",
    "keep = keep or {} keep[#keep + 1] = coroutine.create(function() @ end) "
    "coroutine.resume(keep[#keep]) ",
    "for _, co in ipairs(keep or {}) do coroutine.resume(co) "
    "if coroutine.close then pcall(coroutine.close, co) end end "};

static void make_block(int depth) {
  for (unsigned n = 1 + draw(2); n > 0; n--) {
    const char *s = statements[draw(sizeof statements / sizeof *statements)];
    add("do ");
    for (; *s; s++) {
      const char one[2] = {*s, '\0'};
      if (*s != '@') add(one);
      else if (depth < 5) make_block(depth + 1);
    }
    add("end ");
  }
}

int main(int argc, char **argv) {
  const double patience = argc > 1 ? atof(argv[1]) : 4, began = seconds();
  seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (unsigned long long)time(NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("# seed %llu\n", seed);
  int good = 1, counts[16] = {0};
  double longest = 0;
  while (good && seconds() - began < patience) {
    const unsigned long long this_seed = seed;
    moonlet_config config = MOONLET_CONFIG_INIT;
    config.sandbox = MOONLET_SANDBOX;
    config.memory_limit = 24 << 20;
    config.time_limit_us = 20000;
    moonlet *m = moonlet_open(&config);
    for (int k = 0; m && good && k < 4; k++) {
      length = 0;
      add("t = {} local keep_call = getmetatable('') keep_call.__call = nil ");
      make_block(0);
      const double start = seconds();
      const moonlet_status status = moonlet_run_string(m, text, "fuzz");
      const double took = seconds() - start;
      if (took > longest) longest = took;
      if (took > 1) printf("# %.1f s for seed %llu: %s\n", took, this_seed, text);
      counts[status]++;
      good = status != MOONLET_ESYNTAX && status != MOONLET_EARG && took < 20 &&
             (runs(m, "t = nil keep = nil collectgarbage()") || says(m, "limit") ||
              says(m, "memory"));
      if (!good) printf("# %.1f s, status %d, seed %llu: %s\n%s\n", took, (int)status, this_seed,
                        moonlet_error(m), text);
    }
    if (!m) good = 0;
    moonlet_close(m);
  }
  printf("# ok %d, error %d, memory %d, limit %d, the longest %.2f s\n", counts[MOONLET_OK],
         counts[MOONLET_ERUN], counts[MOONLET_ENOMEM], counts[MOONLET_ELIMIT], longest);
  check(good, "hostile programs are stopped");
  return failures != 0;
}
