/* embed_guard_test.c -- wrong handles, wrong threads, tasks, and what a state asks of its host;
 * embed_spec.lua runs it. */
#define _POSIX_C_SOURCE 200809L
#include "embed_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* -- handles ----------------------------------------------------------------------------------- */

static moonlet_status nothing(moonlet_args *args, void *user) {
  (void)user;
  return moonlet_args_return(args, "");
}

/* Every function that takes a state, on one that is not there. */
static int all_refused(moonlet *m, moonlet_status status) {
  const int64_t one[1] = {1};
  double x = 0;
  moonlet_task task = 1;
  moonlet_tensor *t = NULL;
  moonlet_stats stats = {sizeof stats, 0, 0, 0, 0, 0, 0};
  int good = moonlet_run_string(m, "x = 1", NULL) == status &&
             moonlet_run_buffer(m, "x", 1, NULL) == status &&
             moonlet_run_file(m, "x.lua") == status && moonlet_require(m, "nn") == status &&
             moonlet_call(m, "print", ">") == status && moonlet_get(m, "x", "d", &x) == status &&
             moonlet_set(m, "x", "d", x) == status &&
             moonlet_register(m, "f", nothing, NULL) == status &&
             moonlet_task_start(m, &task, "print", "") == status && task == 0 &&
             moonlet_step(m, 0, 0) == status && moonlet_task_results(m, 1, "") == status &&
             moonlet_task_cancel(m, 1) == status && moonlet_get_stats(m, &stats) == status &&
             moonlet_collect(m) == status && moonlet_trim(m) == status &&
             !moonlet_state(m) && moonlet_memory(m) == 0 && moonlet_error(m)[0] != '\0';
  if (m) {
    good = good && moonlet_close(m) == status &&
           moonlet_tensor_new(m, &t, MOONLET_FLOAT32, 1, one) == status &&
           moonlet_tensor_borrow(m, &t, MOONLET_FLOAT64, 1, one, NULL, &x, NULL, NULL) == status;
  }
  return good && moonlet_status_text(status)[0] != '\0';
}

static void test_handles(void) {
  check(all_refused(NULL, MOONLET_EARG) && says(NULL, "NULL"), "calls without a state");
  check(moonlet_close(NULL) == MOONLET_OK, "no state can be closed");
  moonlet *m = moonlet_open(NULL), *others[31];
  check(moonlet_close(m) == MOONLET_OK && all_refused(m, MOONLET_EARG) && says(m, "closed"),
        "calls after the end");
  for (int k = 0; k < 31; k++) others[k] = moonlet_open(NULL);
  for (int k = 0; k < 31; k++) moonlet_close(others[k]);
  check(all_refused(m, MOONLET_EARG), "also when more states have come and gone");
  int opened = 0;
  for (int k = 0; k < 200; k++) {
    moonlet *next = moonlet_open(NULL);
    opened += next && moonlet_run_string(next, "x = 1", NULL) == MOONLET_OK;
    moonlet_close(next);
  }
  check(opened == 200, "two hundred states, one after the other");
  for (int k = 0; k < 3; k++) {
    moonlet *many[100];
    for (int i = 0; i < 100; i++) many[i] = moonlet_open(NULL);
    for (int i = 0; i < 100; i++) opened += many[i] && runs(many[i], "x = 1");
    for (int i = 0; i < 100; i++) moonlet_close(many[i]);
  }
  check(opened == 500, "a hundred at once");
}

/* -- threads ----------------------------------------------------------------------------------- */

typedef struct {
  moonlet *m;
  pthread_t thread;
  int refused, said, result;
} intruder;

static void *intrude(void *arg) {
  intruder *i = arg;
  i->refused = all_refused(i->m, MOONLET_EBUSY);
  i->said = strstr(moonlet_error(i->m), "another thread") != NULL;
  return NULL;
}

/* Lets another thread try while this one is inside. */
static moonlet_status let_in(moonlet_args *args, void *user) {
  intruder *i = user;
  i->m = moonlet_args_state(args);
  if (pthread_create(&i->thread, NULL, intrude, i) != 0) return MOONLET_ENOMEM;
  pthread_join(i->thread, NULL);
  return MOONLET_OK;
}

static void *work_alone(void *arg) {
  intruder *i = arg;
  double x = 0;
  for (int k = 0; k < 50; k++) {
    while (moonlet_call(i->m, "add", "d>d", 1.0, &x) == MOONLET_EBUSY) {
    }
    i->result++;
  }
  return NULL;
}

static void test_threads(void) {
  intruder i = {0}, pair[2] = {{0}, {0}};
  moonlet *m = moonlet_open(NULL);
  double total = 0;
  moonlet_register(m, "let_in", let_in, &i);
  check(runs(m, "let_in()") && i.refused && i.said, "another thread finds the state in use");
  check(runs(m, "x = 1"), "which disturbs nobody");
  runs(m, "total = 0 function add(n) total = total + n return total end");
  for (int k = 0; k < 2; k++) {
    pair[k].m = m;
    pthread_create(&pair[k].thread, NULL, work_alone, &pair[k]);
  }
  for (int k = 0; k < 2; k++) pthread_join(pair[k].thread, NULL);
  check(moonlet_get(m, "total", "d", &total) == MOONLET_OK && total == 100,
        "two threads that take turns");
  moonlet_close(m);
}

/* Two states on two threads, which read one tensor and keep views of it; who is last gives it back. */
typedef struct {
  moonlet_tensor *t;
  double sum;
} sharer;

static void *share_tensor(void *arg) {
  sharer *s = arg;
  moonlet *m = moonlet_open(NULL);
  runs(m, "kept = {} function total(x) kept[#kept + 1] = x:narrow(1, 2, 3) return x:sum() end");
  for (int k = 0; k < 200; k++) {
    double sum = 0;
    moonlet_tensor *view = NULL, *mine = moonlet_tensor_retain(s->t);
    if (moonlet_call(m, "total", "t>d", mine, &sum) == MOONLET_OK) s->sum += sum;
    if (moonlet_get(m, "kept.1", "t", &view) != MOONLET_OK) s->sum = -1;
    moonlet_tensor_release(mine);
    moonlet_tensor_release(view);
  }
  moonlet_tensor_release(s->t);
  moonlet_close(m);
  return NULL;
}

static void count_release(void *user) {
  ++*(int *)user;
}

static void test_shared_tensors(void) {
  static float memory[1000];
  const int64_t size = 1000;
  int given_back = 0;
  pthread_t threads[2];
  sharer s[2] = {{NULL, 0}, {NULL, 0}};
  for (int i = 0; i < 1000; i++) memory[i] = 1;
  moonlet_tensor_borrow(NULL, &s[0].t, MOONLET_FLOAT32, 1, &size, NULL, memory, count_release,
                        &given_back);
  s[1].t = moonlet_tensor_retain(s[0].t);
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, share_tensor, &s[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  check(s[0].sum == 200000 && s[1].sum == 200000, "two states share a tensor on two threads");
  check(given_back == 1, "and the last one gives it back");
}

/* -- tasks ------------------------------------------------------------------------------------- */

static moonlet_status pause_task(moonlet_args *args, void *user) {
  (void)user;
  (void)args;
  return MOONLET_EAGAIN;
}

static moonlet_status step_within(moonlet_args *args, void *user) {
  moonlet_status status = moonlet_step(moonlet_args_state(args), *(moonlet_task *)user, 0);
  if (status == MOONLET_EBUSY)
    status = moonlet_task_cancel(moonlet_args_state(args), *(moonlet_task *)user);
  return moonlet_args_return(args, "i", (long long)status);
}

static void test_tasks(void) {
  moonlet *m = moonlet_open(NULL);
  moonlet_task task = 0, second = 0, third = 0;
  moonlet_status status;
  long long n = 0, more = 0;
  const char *text = NULL;
  int steps = 0;
  runs(m, "function count(n, step) for k = 1, n do done = k coroutine.yield(k) end return n, 'end' end");
  check(moonlet_task_start(m, &task, "count", "ii", 10LL, 1LL) == MOONLET_OK && task != 0,
        "a task starts");
  check(moonlet_get(m, "done", "s", &text) == MOONLET_OK && !text, "and does not run yet");
  check(moonlet_task_results(m, task, "i", &n) == MOONLET_EAGAIN, "nor has results");
  while ((status = moonlet_step(m, task, 0)) == MOONLET_EAGAIN) steps++;
  check(status == MOONLET_OK && steps == 10, "a slice at a time");
  check(moonlet_step(m, task, 1000) == MOONLET_OK &&
            moonlet_task_results(m, task, "is", &n, &text) == MOONLET_OK && n == 10 &&
            strcmp(text, "end") == 0,
        "it has results");
  check(moonlet_task_results(m, task, "d", &text) == MOONLET_OK ||
            moonlet_task_results(m, task, "p", &text) == MOONLET_ERUN,
        "of the types they have");
  check(moonlet_task_cancel(m, task) == MOONLET_OK && moonlet_step(m, task, 0) == MOONLET_EARG &&
            moonlet_task_cancel(m, task) == MOONLET_EARG,
        "and is gone when cancelled");

  moonlet_task_start(m, &task, "count", "i", 1000LL);
  check(moonlet_step(m, task, 1000000) == MOONLET_OK, "many slices in one step");
  moonlet_task_cancel(m, task);

  runs(m, "function bad() coroutine.yield() error('it broke') end");
  moonlet_task_start(m, &task, "bad", "");
  check(moonlet_step(m, task, 0) == MOONLET_EAGAIN && moonlet_step(m, task, 0) == MOONLET_ERUN &&
            says(m, "it broke") && says(m, "traceback") && says(m, "in function"),
        "an error has its traceback");
  moonlet_run_string(m, "error('other')", NULL);
  check(moonlet_step(m, task, 0) == MOONLET_ERUN && says(m, "it broke") &&
            moonlet_task_results(m, task, "d", &n) == MOONLET_ERUN && says(m, "it broke"),
        "and stays");
  check(moonlet_task_cancel(m, task) == MOONLET_OK, "until the task is cancelled");

  check(moonlet_task_start(m, &task, "missing", "") == MOONLET_ERUN && task == 0 &&
            moonlet_task_start(m, &task, "count", "x") == MOONLET_EARG &&
            moonlet_task_start(m, &task, NULL, "") == MOONLET_EARG &&
            moonlet_task_start(m, NULL, "count", "") == MOONLET_EARG,
        "a task without a function");

  runs(m, "log = '' function run(name, n) for k = 1, n do log = log .. name coroutine.yield() end end");
  moonlet_task_start(m, &task, "run", "si", "a", 2LL);
  moonlet_task_start(m, &second, "run", "si", "b", 3LL);
  moonlet_task_start(m, &third, "bad", "");
  steps = 0;
  int failed = 0;
  while ((status = moonlet_step(m, MOONLET_ALL_TASKS, 0)) != MOONLET_OK && ++steps < 100)
    failed += status == MOONLET_ERUN;
  check(status == MOONLET_OK && failed == 1 && runs(m, "assert(log == 'ababb', log)"),
        "tasks take turns");
  check(moonlet_task_cancel(m, task) == MOONLET_OK && moonlet_task_cancel(m, second) == MOONLET_OK &&
            moonlet_step(m, MOONLET_ALL_TASKS, 0) == MOONLET_OK,
        "and end each for itself");

  moonlet_register(m, "rest", pause_task, NULL);
  runs(m, "function rests() for k = 1, 3 do rest() end return 5 end");
  moonlet_task_start(m, &task, "rests", "");
  for (steps = 0; moonlet_step(m, task, 0) == MOONLET_EAGAIN; steps++) {
  }
  check(steps == 3 && moonlet_task_results(m, task, "i", &n) == MOONLET_OK && n == 5,
        "a C function can pause");
  check(moonlet_run_string(m, "rest()", NULL) == MOONLET_ERUN, "but in a task alone");

  moonlet_register(m, "within", step_within, &task);
  runs(m, "function inner() return within() end");
  moonlet_task_start(m, &task, "inner", "");
  check(moonlet_step(m, task, 0) == MOONLET_OK &&
            moonlet_task_results(m, task, "i", &more) == MOONLET_OK && more == MOONLET_EBUSY,
        "a running task is neither stepped nor cancelled");
  moonlet_task_start(m, &task, "count", "i", 100000LL); /* closing ends it */
  moonlet_step(m, task, 0);
  moonlet *other = moonlet_open(NULL);
  check(moonlet_step(other, task, 0) == MOONLET_EARG, "another state knows nothing of it");
  moonlet_close(other);
  check(moonlet_close(m) == MOONLET_OK, "closing ends tasks");
}

/* Training yields from inside of optim's functions, and gradients are each task's own. */
static void test_training_tasks(void) {
  moonlet *m = moonlet_open(NULL);
  moonlet_task task = 0;
  moonlet_status status;
  double loss = 1;
  int slices = 0, good = 1;
  good = runs(m,
       "torch.manualSeed(1)\n"
       "local x = torch.randn(20, 2)\n"
       "local y = (x * torch.Tensor{{1}, {-2}})\n"
       "local net = nn.Linear(2, 1)\n"
       "local loss_of = nn.MSECriterion()\n"
       "local w, dw = net:getParameters()\n"
       "local function feval()\n"
       "  dw:zero()\n"
       "  local out = net:forward(x)\n"
       "  local l = loss_of:forward(out, y)\n"
       "  net:backward(x, loss_of:backward(out, y))\n"
       "  coroutine.yield()\n"
       "  return l, dw\n"
       "end\n"
       "function train(name)\n"
       "  local state, last = {learningRate = 0.1, maxIter = 20}\n"
       "  for k = 1, 30 do\n"
       "    local ok = pcall(function() local _, f = optim[name](feval, w, state) last = f[#f] end)\n"
       "    assert(ok)\n"
       "  end\n"
       "  return last\n"
       "end\n"
       "function quiet() torch.no_grad(function() for k = 1, 3 do coroutine.yield() end end) end\n"
       "function records() local a = torch.ones(2) a.requires_grad = true\n"
       "  return (a * 2):sum().requires_grad and 1 or 0 end");
  const char *const names[] = {"sgd", "adam", "lbfgs", "cg"};
  for (int k = 0; good && k < 4; k++) {
    if (moonlet_task_start(m, &task, "train", "s", names[k]) != MOONLET_OK) good = 0;
    for (slices = 0; (status = moonlet_step(m, task, 0)) == MOONLET_EAGAIN;) slices++;
    if (status != MOONLET_OK || slices < 30 ||
        moonlet_task_results(m, task, "d", &loss) != MOONLET_OK || loss > 0.01) {
      printf("# %s: %d slices, loss %g: %s\n", names[k], slices, loss, moonlet_error(m));
      good = 0;
    }
  }
  check(good, "training yields inside of optim");
  int recorded = 0;
  moonlet_task_start(m, &task, "quiet", "");
  check(moonlet_step(m, task, 0) == MOONLET_EAGAIN &&
            moonlet_call(m, "records", ">b", &recorded) == MOONLET_OK && recorded &&
            moonlet_step(m, task, 0) == MOONLET_EAGAIN && moonlet_step(m, task, 0) == MOONLET_EAGAIN &&
            moonlet_step(m, task, 0) == MOONLET_OK,
        "a task that records no gradients is alone in that");
  moonlet_close(m);
}

/* A slice takes a millisecond, so five of them fit six. */
static unsigned long long now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static moonlet_status spend(moonlet_args *args, void *user) {
  unsigned long long end = now_us() + 1000;
  (void)args;
  while (now_us() < end) {
  }
  ++*(int *)user;
  return MOONLET_OK;
}

static void test_budget(void) {
  moonlet *m = moonlet_open(NULL);
  moonlet_task task = 0;
  int spent = 0, kept = 0;
  moonlet_register(m, "spend", spend, &spent);
  runs(m, "function busy() while true do spend() coroutine.yield() end end");
  moonlet_task_start(m, &task, "busy", "");
  moonlet_step(m, task, 0);
  for (int k = 0; k < 20; k++) {
    spent = 0;
    moonlet_step(m, task, 6500);
    kept += spent >= 1 && spent <= 6;
  }
  check(kept == 20, "a budget is kept");
  moonlet_close(m);
}

/* -- what a state asks of its host ------------------------------------------------------------- */

typedef struct {
  moonlet *m;
  char text[1000];
  int lines;
} logbook;

static void write_log(void *user, const char *text, size_t length) {
  logbook *l = user;
  size_t have = strlen(l->text);
  if (have + length + 2 > sizeof l->text) return;
  memcpy(l->text + have, text, length);
  strcpy(l->text + have + length, "|");
  l->lines++;
  if (length == 5 && memcmp(text, "again", 5) == 0) moonlet_run_string(l->m, "print('inner')", NULL);
}

static void test_log(void) {
  static logbook l;
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.log = write_log;
  config.log_user = &l;
  moonlet *m = l.m = moonlet_open(&config);
  check(runs(m, "print('a', 1, nil, setmetatable({}, {__tostring = function() return 'T' end}))") &&
            strcmp(l.text, "a\t1\tnil\tT|") == 0,
        "print goes to the log");
  l.text[0] = '\0';
  check(runs(m, "io.write('x', 1) io.write('y\\nz') print('w') print('two\\nlines') print()") &&
            strcmp(l.text, "x1y|zw|two|lines||") == 0,
        "line by line");
  l.text[0] = '\0';
  check(runs(m, "io.write('half ') print('again')") && runs(m, "print('again')") &&
            strcmp(l.text, "half again|again|inner|") == 0,
        "a log that prints in turn");
  l.text[0] = '\0';
  check(runs(m, "local n = os.tmpname() io.output(n) io.write('file') io.close() io.output(io.stdout)\n"
                "local f = io.open(n) assert(f:read('*a') == 'file') f:close() os.remove(n)\n"
                "assert(io.write('') == io.stdout)") && l.text[0] == '\0',
        "what goes to a file does not");
  check(moonlet_run_string(m, "io.write({})", NULL) == MOONLET_ERUN, "nor what is no text");
  int warns = 0;
  moonlet_get(m, "warn", "b", &warns);
  l.text[0] = '\0';
  check(runs(m, "if warn then warn('no') warn('@on') warn('to', 'gether') end") &&
            strcmp(l.text, warns ? "together|" : "") == 0,
        "warnings");
  moonlet_close(m);
}

static int find_module(void *user, const char *name, const char **code, size_t *size) {
  ++*(int *)user;
  if (strcmp(name, "ai.scout") == 0) *code = "local n = ... return {name = n, torch = torch}";
  else if (strcmp(name, "ai.bad") == 0) *code = "return +";
  else if (strcmp(name, "ai.byte") == 0) *code = "\033Lua";
  else if (strcmp(name, "optim.mine") == 0) *code = "return {mine = require('ai.scout').name}";
  else return 0;
  *size = strlen(*code);
  return 1;
}

static void test_search(void) {
  int asked = 0;
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.search = find_module;
  config.search_user = &asked;
  for (config.globals = 0; config.globals < 2; config.globals++) {
    moonlet *m = moonlet_open(&config);
    check(runs(m, "local s = require 'ai.scout' assert(s.name == 'ai.scout' and s == require 'ai.scout')") &&
              asked > 0,
          config.globals ? "the host's modules are found" : "also without globals");
    check(moonlet_run_string(m, "require 'ai.bad'", NULL) == MOONLET_ERUN && says(m, "ai.bad:1:") &&
              moonlet_run_string(m, "require 'ai.byte'", NULL) == MOONLET_ERUN &&
              moonlet_run_string(m, "require 'ai.none'", NULL) == MOONLET_ERUN &&
              says(m, "ai.none"),
          "errors in them");
    check(moonlet_require(m, "optim.mine") == MOONLET_OK && moonlet_require(m, "nn") == MOONLET_OK &&
              moonlet_require(m, "ai.none") == MOONLET_ERUN,
          "beside the library's own");
    moonlet_close(m);
  }
}

static void test_defaults(void) {
  char message[200] = "";
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.default_dtype = "float64";
  config.default_device = "cpu";
  moonlet *m = moonlet_open(&config);
  check(m && runs(m, "assert(torch.zeros(2):type() == 'torch.DoubleTensor')\n"
                     "assert(torch.Tensor(2):type() == 'torch.DoubleTensor')"),
        "the default type");
  moonlet_close(m);
  config.message = message;
  config.message_size = sizeof message;
  config.default_dtype = "int32";
  check(!moonlet_open(&config) && strstr(message, "default_dtype"), "a type that cannot be");
  config.default_dtype = NULL;
  config.default_device = "toaster";
  check(!moonlet_open(&config) && strstr(message, "toaster"), "a device that cannot be");
  config.message_size = 4;
  check(!moonlet_open(&config) && strlen(message) == 3, "a short message");
  config.default_device = NULL;
  config.size = 7;
  check(!moonlet_open(&config), "a structure of a wrong size");
  struct { moonlet_config config; int more[4]; } larger = {MOONLET_CONFIG_INIT, {0, 0, 0, 0}};
  larger.config.size = sizeof larger;
  m = moonlet_open(&larger.config);
  check(m != NULL, "a structure of a newer program");
  moonlet_close(m);
  larger.more[2] = 1;
  check(!moonlet_open(&larger.config), "which asks for what is not known");
}

int main(void) {
  test_handles();
  test_threads();
  test_shared_tensors();
  test_tasks();
  test_training_tasks();
  test_budget();
  test_log();
  test_search();
  test_defaults();
  for (int s = -1; s < 12; s++)
    if (!moonlet_status_text((moonlet_status)s)[0]) check(0, "a status without a text");
  return failures != 0;
}
