/* embed_values_test.c -- values and functions that cross between C and Lua; embed_spec.lua runs it. */
#include "embed_check.h"

#include <math.h>
#include <stdlib.h>

/* -- globals, buffers, letters ----------------------------------------------------------------- */

static void test_globals(moonlet *m) {
  double speed = 0;
  long long n = 0;
  int b = 0;
  const char *text = NULL, *none = "x";
  size_t size = 0;
  void *pointer = NULL;
  check(moonlet_set(m, "enemy.motion.speed", "d", 3.5) == MOONLET_OK &&
            moonlet_get(m, "enemy.motion.speed", "d", &speed) == MOONLET_OK && speed == 3.5,
        "globals are set, with the tables on the way, and read");
  check(runs(m, "list = {{hp = 7}, {hp = 9}} assert(enemy.motion.speed == 3.5)") &&
            moonlet_get(m, "list.2.hp", "i", &n) == MOONLET_OK && n == 9 &&
            moonlet_set(m, "list.3.hp", "i", 11LL) == MOONLET_OK && runs(m, "assert(#list == 3)"),
        "a part of digits is a number");
  check(moonlet_set(m, "raw", "S", "a\0b", (size_t)3) == MOONLET_OK &&
            runs(m, "assert(raw == 'a\\0b')") &&
            moonlet_get(m, "raw", "S", &text, &size) == MOONLET_OK && size == 3 && text[2] == 'b',
        "text with its length");
  check(moonlet_set(m, "mine", "p", (void *)m) == MOONLET_OK &&
            moonlet_get(m, "mine", "p", &pointer) == MOONLET_OK && pointer == m,
        "an address");
  check(moonlet_set(m, "raw", "s", NULL) == MOONLET_OK && runs(m, "assert(raw == nil)") &&
            moonlet_get(m, "raw", "s", &none) == MOONLET_OK && !none,
        "NULL is nil");
  check(moonlet_get(m, "enemy", "b", &b) == MOONLET_OK && b == 1, "any value as a boolean");
  check(moonlet_get(m, "enemy", "d", &speed) == MOONLET_ERUN &&
            says(m, "enemy is table, not a number"),
        "a global of another type");
  check(moonlet_get(m, "enemy.motion.speed.more", "d", &speed) == MOONLET_ERUN,
        "a path through a number");
  check(moonlet_set(m, "list.2.hp.x.y", "d", 1.0) == MOONLET_ERUN, "the same to be set");
  check(moonlet_get(m, "enemy", "dd", &speed, &speed) == MOONLET_EARG &&
            moonlet_get(m, NULL, "d", &speed) == MOONLET_EARG &&
            moonlet_set(m, "x", "?", 1) == MOONLET_EARG,
        "wrong letters");
  check(moonlet_run_buffer(m, "x = 12 and nothing", 6, "part") == MOONLET_OK &&
            runs(m, "assert(x == 12)"),
        "so many bytes of code");
  check(moonlet_run_buffer(m, "\033LJ", 3, NULL) == MOONLET_ESYNTAX &&
            moonlet_run_buffer(m, NULL, 3, NULL) == MOONLET_EARG &&
            moonlet_run_buffer(m, NULL, 0, NULL) == MOONLET_OK &&
            moonlet_run_buffer(m, "x = '\0", 6, NULL) == MOONLET_ESYNTAX,
        "bytes that are no code");
}

/* -- C functions ------------------------------------------------------------------------------- */

static moonlet_status distance(moonlet_args *args, void *user) {
  double x, y;
  moonlet_status status = moonlet_args_get(args, 1, "dd", &x, &y);
  if (status != MOONLET_OK) return status;
  ++*(int *)user;
  return moonlet_args_return(args, "d", sqrt(x * x + y * y));
}

static moonlet_status echo(moonlet_args *args, void *user) {
  (void)user;
  int n = moonlet_args_count(args);
  const char *text;
  size_t size;
  void *pointer;
  int b;
  long long i;
  for (int k = 1; k <= n; k++) {
    moonlet_status status = MOONLET_OK;
    switch (moonlet_args_type(args, k)) {
    case MOONLET_NIL:
      status = moonlet_args_return(args, "s", (const char *)NULL);
      break;
    case MOONLET_BOOLEAN:
      status = moonlet_args_get(args, k, "b", &b);
      if (status == MOONLET_OK) status = moonlet_args_return(args, "b", b);
      break;
    case MOONLET_NUMBER:
      status = moonlet_args_get(args, k, "i", &i);
      if (status == MOONLET_OK) status = moonlet_args_return(args, "i", i);
      break;
    case MOONLET_TEXT:
      status = moonlet_args_get(args, k, "S", &text, &size);
      if (status == MOONLET_OK) status = moonlet_args_return(args, "S", text, size);
      break;
    case MOONLET_POINTER:
      status = moonlet_args_get(args, k, "p", &pointer);
      if (status == MOONLET_OK) status = moonlet_args_return(args, "p", pointer);
      break;
    case MOONLET_TENSOR: {
      moonlet_tensor *t;
      status = moonlet_args_get(args, k, "t", &t);
      if (status == MOONLET_OK) status = moonlet_args_return(args, "t", t);
      break;
    }
    default:
      return moonlet_args_error(args, "argument %d is strange", k);
    }
    if (status != MOONLET_OK) return status;
  }
  return MOONLET_OK;
}

static moonlet_status again(moonlet_args *args, void *user) {
  long long n = 0, below = 0;
  moonlet *m = moonlet_args_state(args);
  (void)user;
  moonlet_status status = moonlet_args_get(args, 1, "i", &n);
  if (status != MOONLET_OK) return status;
  if (n > 0) {
    status = moonlet_call(m, "count", "i>i", n - 1, &below);
    if (status != MOONLET_OK) { /* the innermost text alone */
      const char *text = strstr(moonlet_error(m), "stack overflow");
      return moonlet_args_error(args, "%.60s", text ? text : moonlet_error(m));
    }
  }
  return moonlet_args_return(args, "i", below + 1);
}

static moonlet_status closes(moonlet_args *args, void *user) {
  (void)user;
  return moonlet_args_return(args, "i", (long long)moonlet_close(moonlet_args_state(args)));
}

static moonlet_status fails(moonlet_args *args, void *user) {
  (void)args;
  (void)user;
  return MOONLET_ELIMIT;
}

static moonlet_status many(moonlet_args *args, void *user) {
  (void)user;
  for (int k = 0; k < 100; k++)
    if (moonlet_args_return(args, "d", (double)k) != MOONLET_OK) return MOONLET_OK;
  return MOONLET_OK;
}

static void test_functions(moonlet *m) {
  int calls = 0;
  double d = 0;
  long long i = 0;
  check(moonlet_register(m, "game.distance", distance, &calls) == MOONLET_OK &&
            runs(m, "assert(game.distance(3, 4) == 5)") && calls == 1,
        "a C function is called");
  check(moonlet_run_string(m, "\ngame.distance(1, 'x')", "a.lua") == MOONLET_ERUN &&
            says(m, "a.lua:2: game.distance: argument 2: a number expected, got string") &&
            moonlet_run_string(m, "game.distance(1)", "a.lua") == MOONLET_ERUN &&
            says(m, "argument 2: one more value expected, got nothing") && calls == 1,
        "its wrong arguments are errors");
  check(runs(m, "assert(not pcall(game.distance)) assert(game.distance(0, 1) == 1)"),
        "which a script can catch");
  moonlet_register(m, "echo", echo, NULL);
  moonlet_set(m, "mine", "p", (void *)m);
  check(runs(m, "local a, b, c, d, e, f, g = echo(nil, true, 1e15, 'a\\0b', mine, false, '')\n"
                "assert(a == nil and b == true and c == 1e15 and d == 'a\\0b' and e == mine)\n"
                "assert(f == false and g == '' and select('#', echo(nil, nil)) == 2)"),
        "values of every type go in and come out");
  check(runs(m, "local x = torch.Tensor{1, 2} local y = echo(x) y[1] = 7 assert(x[1] == 7)"),
        "tensors among them");
  check(moonlet_run_string(m, "echo(print)", "a.lua") == MOONLET_ERUN &&
            says(m, "echo: argument 1 is strange"),
        "an error of its own");
  check(runs(m, "local ok, e = pcall(echo, {}) assert(not ok and e:find('strange'), e)"),
        "caught by pcall");
  moonlet_register(m, "again", again, NULL);
  moonlet_register(m, "closes", closes, NULL);
  moonlet_register(m, "fails", fails, NULL);
  moonlet_register(m, "many", many, NULL);
  check(runs(m, "function count(n) return again(n) end") &&
            moonlet_call(m, "count", "i>i", 20LL, &i) == MOONLET_OK && i == 21,
        "calls inside of calls");
  check(moonlet_call(m, "count", "i>i", 1000000LL, &i) == MOONLET_ERUN && says(m, " overflow") &&
            moonlet_call(m, "count", "i>i", 20LL, &i) == MOONLET_OK && i == 21,
        "without end");
  check(runs(m, "local co = coroutine.wrap(function() coroutine.yield(again(5)) return again(2) end)\n"
                "assert(co() == 6) for k = 1, 100 do local t = {{}} end assert(co() == 3)"),
        "the same from a coroutine");
  check(runs(m, "assert(closes() == 7)") && runs(m, "x = 1"), "no closing from inside");
  check(moonlet_run_string(m, "fails()", "a") == MOONLET_ERUN && says(m, "the limit of"),
        "a status without a text");
  check(moonlet_run_string(m, "many()", "a") == MOONLET_ERUN && says(m, "more than 32 results"),
        "too many results");
  check(moonlet_register(m, NULL, echo, NULL) == MOONLET_EARG &&
            moonlet_register(m, "x", NULL, NULL) == MOONLET_EARG &&
            moonlet_register(m, "calls.x", echo, NULL) == MOONLET_OK &&
            moonlet_register(m, "game.distance.x", echo, NULL) == MOONLET_ERUN,
        "a place where no function can go");
  check(moonlet_args_count(NULL) == 0 && moonlet_args_type(NULL, 1) == MOONLET_NONE &&
            moonlet_args_get(NULL, 1, "d", &d) == MOONLET_EARG &&
            moonlet_args_return(NULL, "d", 1.0) == MOONLET_EARG &&
            moonlet_args_error(NULL, "x") == MOONLET_EARG && !moonlet_args_state(NULL),
        "no arguments at all");
}

/* -- tensors ----------------------------------------------------------------------------------- */

static int released;

static void note_release(void *user) {
  released++;
  free(user);
}

static void test_tensors(moonlet *m) {
  const int64_t sizes[2] = {2, 3}, turned[2] = {3, 2}, steps[2] = {1, 3};
  moonlet_tensor *t = NULL, *u = NULL, *v = NULL;
  float out[6] = {0};
  check(moonlet_tensor_new(m, &t, MOONLET_FLOAT32, 2, sizes) == MOONLET_OK, "a new tensor");
  float *data = moonlet_tensor_data(t);
  for (int k = 0; k < 6; k++) data[k] = (float)k;
  check(moonlet_tensor_ndim(t) == 2 && moonlet_tensor_sizes(t)[1] == 3 &&
            moonlet_tensor_strides(t)[0] == 3 && moonlet_tensor_numel(t) == 6 &&
            moonlet_tensor_dtype(t) == MOONLET_FLOAT32 && moonlet_tensor_is_contiguous(t) &&
            moonlet_tensor_is_on_cpu(t),
        "its shape");
  check(runs(m, "function double(x) x:mul(2) return x, x:t() end") &&
            moonlet_call(m, "double", "t>tt", t, &u, &v) == MOONLET_OK && data[5] == 10 &&
            moonlet_tensor_data(u) == data && moonlet_tensor_data(v) == data,
        "goes in and out without a copy");
  check(!moonlet_tensor_is_contiguous(v) && moonlet_tensor_sizes(v)[0] == 3 &&
            moonlet_tensor_copy(v, out, sizeof out) == MOONLET_OK && out[1] == 6 && out[2] == 2,
        "a turned view is copied in order");
  check(moonlet_tensor_copy(v, out, 5) == MOONLET_EARG && says(NULL, "size") &&
            moonlet_tensor_copy(NULL, out, 0) == MOONLET_EARG,
        "a copy of the wrong size");
  moonlet_tensor_release(u);
  moonlet_tensor_release(v);
  check(moonlet_set(m, "held", "t", t) == MOONLET_OK, "a global tensor");
  moonlet_tensor_release(t);
  check(runs(m, "collectgarbage() assert(held[2][3] == 10 and held:sum() == 30)"),
        "outlives the host's reference");
  check(runs(m, "mine = torch.range(1, 4)") && moonlet_get(m, "mine", "t", &t) == MOONLET_OK &&
            moonlet_run_string(m, "mine:resize(1000)", "a") == MOONLET_ERUN &&
            runs(m, "mine = nil collectgarbage()") && ((float *)moonlet_tensor_data(t))[3] == 4,
        "memory stays where the host saw it");
  moonlet_tensor_release(t);
  check(runs(m, "mine = torch.range(1, 4)") && moonlet_get(m, "mine", "t", &t) == MOONLET_OK,
        "a tensor comes out");
  moonlet_tensor_release(t);
  check(runs(m, "mine:resize(1000)"), "and may grow when the host is done");
  double *lent = malloc(6 * sizeof *lent);
  for (int k = 0; k < 6; k++) lent[k] = k;
  check(moonlet_tensor_borrow(m, &t, MOONLET_FLOAT64, 2, turned, steps, lent, note_release,
                              lent) == MOONLET_OK &&
            moonlet_set(m, "lent", "t", t) == MOONLET_OK &&
            runs(m, "assert(lent:size(1) == 3 and lent[3][2] == 5) lent:add(1)") && lent[5] == 6,
        "memory of the host");
  moonlet_tensor_release(t);
  check(released == 0 && runs(m, "lent = nil collectgarbage() collectgarbage()") && released == 1,
        "is given back once");
  check(moonlet_call(m, "double", "t>d", (moonlet_tensor *)NULL, out) == MOONLET_ERUN,
        "no tensor is nil");
  u = v = (moonlet_tensor *)out;
  check(runs(m, "function half() return torch.ones(2), 3 end") &&
            moonlet_call(m, "half", ">tt", &u, &v) == MOONLET_ERUN && !u && !v &&
            says(m, "result 2 of half is number, not a tensor"),
        "after a failure no tensor is left over");
  check(runs(m, "w = torch.ones(3) w.requires_grad = true function loss() return (w * 2):sum() end") &&
            moonlet_call(m, "loss", ">t", &t) == MOONLET_OK && moonlet_tensor_ndim(t) == 0 &&
            *(float *)moonlet_tensor_data(t) == 6,
        "a tensor with a history comes out without it");
  moonlet_tensor_release(t);
  check(runs(m, "kept = w * 1 squared = torch.square(kept):sum()") &&
            moonlet_get(m, "kept", "t", &t) == MOONLET_OK && runs(m, "squared:backward()"),
        "looking at a value that a gradient needs is no change of it");
  moonlet_tensor_release(t);
}

static void test_bad_tensors(moonlet *m) {
  const int64_t huge[8] = {1 << 30, 1 << 30, 1 << 30, 1 << 30, 2, 2, 2, 2}, below[1] = {-1},
                none[2] = {0, 5};
  const int64_t back[1] = {-1}, one[1] = {4}, far[1] = {INT64_MAX / 2};
  char memory[80];
  moonlet_tensor *t = NULL;
  check(moonlet_tensor_new(m, NULL, MOONLET_FLOAT32, 0, NULL) == MOONLET_EARG &&
            moonlet_tensor_new(m, &t, (moonlet_dtype)99, 0, NULL) == MOONLET_EARG &&
            moonlet_tensor_new(m, &t, MOONLET_FLOAT32, 9, huge) == MOONLET_EARG &&
            moonlet_tensor_new(m, &t, MOONLET_FLOAT32, -1, huge) == MOONLET_EARG &&
            moonlet_tensor_new(m, &t, MOONLET_FLOAT32, 1, NULL) == MOONLET_EARG &&
            moonlet_tensor_new(m, &t, MOONLET_FLOAT32, 1, below) == MOONLET_EARG && !t &&
            says(m, "below 0"),
        "sizes without sense");
  check(moonlet_tensor_new(m, &t, MOONLET_FLOAT32, 8, huge) != MOONLET_OK && !t &&
            moonlet_tensor_new(m, &t, MOONLET_FLOAT64, 1, far) != MOONLET_OK && !t &&
            moonlet_tensor_new(NULL, &t, MOONLET_FLOAT64, 1, far) != MOONLET_OK && !t &&
            moonlet_error(NULL)[0] != '\0',
        "sizes beyond all memory");
  check(moonlet_tensor_borrow(m, &t, MOONLET_FLOAT32, 1, one, back, memory, NULL, NULL) ==
                MOONLET_EARG &&
            moonlet_tensor_borrow(m, &t, MOONLET_FLOAT32, 1, one, far, memory, NULL, NULL) ==
                MOONLET_EARG &&
            moonlet_tensor_borrow(m, &t, MOONLET_FLOAT32, 1, one, NULL, NULL, NULL, NULL) ==
                MOONLET_EARG &&
            moonlet_tensor_borrow(m, &t, MOONLET_FLOAT32, 8, huge, NULL, memory, NULL, NULL) ==
                MOONLET_EARG && !t,
        "memory without sense");
  char *odd = memory + ((uintptr_t)memory % 2 == 0);
  check(moonlet_tensor_borrow(m, &t, MOONLET_FLOAT64, 1, one, NULL, odd, NULL, NULL) ==
            MOONLET_EARG && says(m, "aligned"),
        "memory that is not aligned");
  check(moonlet_tensor_new(m, &t, MOONLET_INT16, 2, none) == MOONLET_OK &&
            moonlet_tensor_numel(t) == 0 && !moonlet_tensor_data(t) &&
            moonlet_tensor_copy(t, memory, 0) == MOONLET_OK &&
            moonlet_set(m, "empty", "t", t) == MOONLET_OK && runs(m, "assert(empty:nElement() == 0)"),
        "a tensor without elements");
  moonlet_tensor_release(t);
  moonlet_tensor_release(NULL);
  check(!moonlet_tensor_retain(NULL) && !moonlet_tensor_data(NULL) && !moonlet_tensor_sizes(NULL) &&
            !moonlet_tensor_strides(NULL) && moonlet_tensor_numel(NULL) == 0 &&
            moonlet_tensor_ndim(NULL) == 0 && !moonlet_tensor_is_contiguous(NULL) &&
            !moonlet_tensor_is_on_cpu(NULL) && moonlet_dtype_size((moonlet_dtype)-1) == 0,
        "looking at no tensor");
}

/* Tensors are tied to no state. */
static void test_tensor_life(void) {
  const int64_t sizes[1] = {1000};
  moonlet_tensor *t = NULL, *u = NULL;
  double sum = 0;
  moonlet *a = moonlet_open(NULL), *b = moonlet_open(NULL);
  check(moonlet_tensor_new(NULL, &u, MOONLET_FLOAT64, 1, sizes) == MOONLET_OK,
        "a tensor without a state");
  runs(a, "function make() return torch.ones(1000):double() end");
  runs(b, "function add(x, y) y:add(x) return y:sum() end");
  check(moonlet_call(a, "make", ">t", &t) == MOONLET_OK, "a tensor of one state");
  moonlet_close(a);
  check(((double *)moonlet_tensor_data(t))[999] == 1, "is there after it has closed");
  check(moonlet_call(b, "add", "tt>d", t, u, &sum) == MOONLET_OK && sum == 1000,
        "and can be used by another one");
  moonlet_close(b);
  check(((double *)moonlet_tensor_data(u))[0] == 1, "which may close, too");
  moonlet_tensor_release(moonlet_tensor_retain(t));
  moonlet_tensor_release(t);
  moonlet_tensor_release(u);
}

static void test_stats(void) {
  moonlet *m = moonlet_open(NULL);
  moonlet_stats s = {sizeof s, 0, 0, 0, 0, 0, 0}, after = s;
  check(moonlet_get_stats(m, &s) == MOONLET_OK && s.lua_bytes > 0 && s.tensor_bytes == 0,
        "what a new state uses");
  runs(m, "x = torch.zeros(1000, 1000)");
  check(moonlet_get_stats(m, &s) == MOONLET_OK && s.tensor_bytes >= 4000000 && s.tensors >= 1 &&
            s.tensor_peak_bytes >= s.tensor_bytes,
        "what a large tensor adds");
  runs(m, "x = nil");
  check(moonlet_collect(m) == MOONLET_OK && moonlet_get_stats(m, &after) == MOONLET_OK &&
            after.tensor_bytes < 1000000 && after.tensors < s.tensors &&
            after.collections > s.collections && after.tensor_cached_bytes >= 4000000,
        "a collection frees it");
  check(moonlet_run_string(m, "torch.zeros(2 ^ 44)", NULL) == MOONLET_ENOMEM && says(m, "memory") &&
            moonlet_run_string(m, "pcall(torch.zeros, 2 ^ 44) error('x')", NULL) == MOONLET_ERUN,
        "a tensor that is too large");
  check(moonlet_trim(m) == MOONLET_OK && moonlet_get_stats(m, &after) == MOONLET_OK &&
            after.tensor_cached_bytes == 0,
        "and a trim gives it back");
  s.size = 3;
  check(moonlet_get_stats(m, &s) == MOONLET_EARG && moonlet_get_stats(m, NULL) == MOONLET_EARG,
        "a structure of unknown size");
  s.size = 2 * sizeof(size_t);
  s.tensor_bytes = 123;
  check(moonlet_get_stats(m, &s) == MOONLET_OK && s.lua_bytes > 0 && s.tensor_bytes == 123,
        "a structure of an older program");
  moonlet_close(m);
}

int main(void) {
  moonlet *m = moonlet_open(NULL);
  test_globals(m);
  test_functions(m);
  test_tensors(m);
  test_bad_tensors(m);
  moonlet_close(m);
  test_tensor_life();
  test_stats();
  return failures != 0;
}
