/* embed_faults.c -- every allocation failing in turn. Linked with -Wl,--wrap=malloc and so on;
 * embed_spec.lua runs it.
 *
 *   embed_faults [cold|warm|own] [once|on] FIRST LAST STEP
 *   embed_faults operations FIRST STEP MOST [NAME]    (see embed_faults.lua)
 *
 * One run opens a state, trains a small network, lets tensors, texts and tasks go in and out, saves,
 * loads, closes. In run N the N-th request for memory fails (once), or that one and all after it (on).
 * What is asked for must then be refused with an error that has a text; no memory may be left behind,
 * no memory of the host's may be given back twice or never, and after a single failure the state must
 * go on working. Warm: in one process, after a run without failures. Cold: in a new process each, so
 * that what is done once per process fails, too; what that leaves behind is not looked at. Own: as
 * warm, with an allocator of the host's for Lua's values, so that those fail on LuaJIT, too. */
#define _POSIX_C_SOURCE 200809L
#include "moonlet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- the allocator ----------------------------------------------------------------------------- */

enum { SLOTS = 1 << 20 };

static struct {
  void *block;
  long number; /* of the request that got it */
} slots[SLOTS];

static volatile int lock;
static long requests, fail_at, outstanding, failures_made;
static int fail_on, watching;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void __real_free(void *block);

static void take(void) {
  while (__sync_lock_test_and_set(&lock, 1)) {
  }
}

static void give(void) { __sync_lock_release(&lock); }

static size_t slot_of(const void *block) {
  return (size_t)(((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15u >> 44) % SLOTS;
}

/* Slots are never emptied but marked, so that what lies behind them is found. */
static char gone;

static void add(void *block) {
  take();
  size_t at = slot_of(block);
  while (slots[at].block && slots[at].block != &gone) at = (at + 1) % SLOTS;
  slots[at].block = block;
  slots[at].number = requests;
  outstanding++;
  give();
}

static void drop(void *block) {
  take();
  size_t at = slot_of(block);
  for (; slots[at].block; at = (at + 1) % SLOTS) {
    if (slots[at].block != block) continue;
    slots[at].block = &gone;
    outstanding--;
    break;
  }
  give();
}

static void watch(long at, int on) {
  memset(slots, 0, sizeof slots);
  requests = outstanding = failures_made = 0;
  fail_at = at;
  fail_on = on;
  watching = 1;
}

/* The request that a debugger may stop at. */
static int refuses(void) {
  if (!watching) return 0;
  take();
  long n = ++requests;
  int refused = fail_at > 0 && (n == fail_at || (fail_on && n > fail_at));
  failures_made += refused;
  give();
  if (refused) errno = ENOMEM;
  return refused;
}

static void *note(void *block) {
  if (block && watching) add(block);
  return block;
}

void *__wrap_malloc(size_t size) { return refuses() ? NULL : note(__real_malloc(size)); }

void *__wrap_calloc(size_t count, size_t size) {
  return refuses() ? NULL : note(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size) {
  if (refuses()) return NULL;
  if (block) drop(block);
  void *moved = __real_realloc(block, size);
  return note(moved ? moved : size ? block : NULL);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return refuses() ? NULL : note(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size) {
  if (refuses()) return ENOMEM;
  int status = __real_posix_memalign(out, alignment, size);
  if (status == 0) note(*out);
  return status;
}

void __wrap_free(void *block) {
  if (block) drop(block);
  __real_free(block);
}

/* -- one run ----------------------------------------------------------------------------------- */

static const char script[] =
    "local path = ...\n"
    "torch.manualSeed(1)\n"
    "local net = nn.Sequential():add(nn.Linear(4, 8)):add(nn.Tanh()):add(nn.Linear(8, 2))\n"
    "local loss_of = nn.MSECriterion()\n"
    "local w, dw = net:getParameters()\n"
    "local x, y = torch.randn(6, 4), torch.randn(6, 2)\n"
    "local state = {learningRate = 0.01}\n"
    "local function feval()\n"
    "  dw:zero()\n"
    "  local out = net:forward(x)\n"
    "  local loss = loss_of:forward(out, y)\n"
    "  net:backward(x, loss_of:backward(out, y))\n"
    "  return loss, dw\n"
    "end\n"
    "function train(n)\n"
    "  local loss\n"
    "  for k = 1, n do\n"
    "    local _, f = optim.adam(feval, w, state)\n"
    "    loss = f[1]\n"
    "    if coroutine.running() and in_task then coroutine.yield(loss) end\n"
    "  end\n"
    "  print('loss', loss)\n"
    "  return loss\n"
    "end\n"
    "function today()\n"
    "  local a = torch.randn(3, 4) a.requires_grad = true\n"
    "  local l = (net(a) ^ 2):mean()\n"
    "  l:backward()\n"
    "  return a.grad, 'text ' .. tostring(a.grad:size(1))\n"
    "end\n"
    "function save(path)\n"
    "  torch.save(path, {net = net, w = w})\n"
    "  local back = torch.load(path)\n"
    "  assert(back.w:nElement() == w:nElement())\n"
    "  return torch.deserialize(torch.serialize({1, 'two', w})) [3]\n"
    "end\n"
    "function use(a, b) b:copy(a) return a:t(), host.add(a, 1), (a * 2):sum() end\n";

/* Of everything a little; each is run for itself. */
static const char *const pieces[] = {
    "local t = torch.rand(5, 5) t:sort() t:svd() torch.cat(t, t) t:inverse() t:view(25):topk(3)",
    "local t = torch.Tensor{{1, 2}, {3, 4}} assert(t[2][1] == 3) t[t:gt(2)] = 0 t[{{}, 1}]:fill(7)\n"
    "assert(t:sum() == 16) t:apply(function(x) return x + 1 end) assert(tostring(t):find('8'))",
    "local s = torch.LongStorage{1, 2, 3} s:resize(10):fill(2) assert(torch.LongTensor(s):sum() == 20)\n"
    "local x = torch.range(1, 6):resize(2, 3) x:resize(40, 40) x:zero() x:t():contiguous():clone()",
    "local f = torch.MemoryFile('rw') f:ascii():writeObject({a = torch.ones(3), b = {1, 'x'}})\n"
    "f:seek(1) assert(f:readObject().a:sum() == 3) f:close()",
    "local f = torch.DiskFile(path, 'w') f:binary() f:writeFloat(torch.FloatStorage(100):fill(2))\n"
    "f:writeString('text') f:close() f = torch.DiskFile(path, 'r'):binary()\n"
    "assert(f:readFloat(100)[100] == 2) f:close()",
    "local net = nn.Sequential():add(nn.SpatialConvolution(1, 2, 3, 3)):add(nn.ReLU())\n"
    ":add(nn.SpatialMaxPooling(2, 2)):add(nn.View(2 * 3 * 3)):add(nn.BatchNormalization(18))\n"
    ":add(nn.Linear(18, 3)):add(nn.LogSoftMax())\n"
    "local x, y = torch.randn(4, 1, 8, 8), torch.LongTensor{1, 2, 3, 1}\n"
    "local loss = nn.ClassNLLCriterion()\n"
    "local out = net:forward(x) loss:forward(out, y) net:backward(x, loss:backward(out, y))\n"
    "local c = net:clone() c:evaluate() c:forward(x)",
    "local net = nn.Sequential():add(nn.LookupTable(10, 4)):add(nn.Dropout(0.5)):add(nn.Mean(1))\n"
    "local out = net(torch.LongTensor{1, 5, 9}) out:sum():backward()",
    "local a, b = torch.randn(70, 80), torch.randn(80, 60) torch.mm(a, b) torch.bmm(torch.randn(3, 4, 5),"
    " torch.randn(3, 5, 2)) local c = a:t() * a torch.fft.rfft(torch.randn(30))\n",
    "for _, name in ipairs{'rmsprop', 'adagrad', 'lbfgs', 'cg'} do\n"
    "local w = torch.randn(5) optim[name](function(v) return v:dot(v), v * 2 end, w, {maxIter = 3}) end",
    "local t = torch.randperm(10) torch.multinomial(torch.ones(5), 3) torch.normal(0, 1)\n"
    "torch.bernoulli(torch.zeros(3)) torch.manualSeed(3) torch.getRNGState() torch.linspace(0, 1, 9)",
    "local A = torch.class('nn.FaultsA', 'nn.Identity') function A:__init() self.x = torch.ones(2) end\n"
    "local a = torch.deserialize(torch.serialize(nn.FaultsA())) assert(a.x:sum() == 2)",
    "local net = nn.Sequential():add(nn.Linear(4, 8)):add(nn.ReLU()):add(nn.Linear(8, 2))\n"
    "local x = torch.rand(3, 4) local f = net:freeze(x) local y = net:forward(x):clone()\n"
    "assert(f(x):dist(y) < 1e-5 and f(x):dist(y) < 1e-5) net:freeze()(torch.rand(2, 4))",
    "local json = require('torch.core').json local t = json and json.decode('[[1, 2], [3, 4]]')\n"
    "if t then assert(t:sum() == 10 and json.tensor(t):find('4')) end",
    "local big = torch.randn(300, 300) big:sum() big:sum(1) big:max(2) big:exp():cumsum(1) big:std()\n"
    "torch.conv2(torch.randn(20, 20), torch.randn(3, 3)) big:mul(2):add(1):clamp(0, 1)"};

static const char *problem;

/* A failure must say what it is. */
static int good(const moonlet *m, moonlet_status status) {
  if (status == MOONLET_OK) return 1;
  if (moonlet_error(m)[0] == '\0') problem = "a failure without a text";
  if (failures_made == 0 || (status != MOONLET_ENOMEM && !strstr(moonlet_error(m), "memory")))
    problem = moonlet_error(m);
  return 0;
}

static int lent, given_back;

static void give_back(void *user) {
  ++*(int *)user;
}

static moonlet_status add_to(moonlet_args *args, void *user) {
  moonlet_tensor *t;
  double n;
  (void)user;
  moonlet_status status = moonlet_args_get(args, 1, "td", &t, &n);
  if (status != MOONLET_OK) return status;
  float *data = moonlet_tensor_data(t);
  for (int64_t i = 0; data && i < moonlet_tensor_numel(t); i++) data[i] += (float)n;
  return moonlet_args_return(args, "ts", t, "a result");
}

static int logged;

static void write_log(void *user, const char *text, size_t length) {
  (void)user;
  (void)text;
  logged += (int)length;
}

static void use_tensors(moonlet *m) {
  static float memory[12];
  const int64_t sizes[2] = {3, 4};
  moonlet_tensor *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL;
  double sum = 0;
  if (good(m, moonlet_tensor_borrow(m, &a, MOONLET_FLOAT32, 2, sizes, NULL, memory, give_back,
                                    &given_back)))
    lent++;
  good(m, moonlet_tensor_new(m, &b, MOONLET_FLOAT32, 2, sizes));
  good(NULL, moonlet_tensor_new(NULL, &c, MOONLET_FLOAT64, 2, sizes));
  if (good(NULL, moonlet_tensor_borrow(NULL, &e, MOONLET_FLOAT32, 2, sizes, NULL, memory, give_back,
                                       &given_back)))
    lent++;
  moonlet_tensor_release(e);
  e = NULL;
  if (a && b && c) {
    good(m, moonlet_call(m, "use", "tt>ttd", a, b, &d, &e, &sum));
    good(m, moonlet_set(m, "kept", "t", c));
    moonlet_tensor_release(c);
    c = NULL;
    good(m, moonlet_get(m, "kept", "t", &c));
  }
  moonlet_tensor_release(a);
  moonlet_tensor_release(b);
  moonlet_tensor_release(c);
  moonlet_tensor_release(d);
  moonlet_tensor_release(e);
}

static void use_task(moonlet *m) {
  moonlet_task task = 0;
  moonlet_status status;
  double loss = 0;
  good(m, moonlet_set(m, "in_task", "b", 1));
  if (!good(m, moonlet_task_start(m, &task, "train", "i", 3LL))) return;
  while ((status = moonlet_step(m, task, 0)) == MOONLET_EAGAIN) {
  }
  if (good(m, status)) good(m, moonlet_task_results(m, task, "d", &loss));
  good(m, moonlet_task_cancel(m, task));
  good(m, moonlet_set(m, "in_task", "b", 0));
}

/* The worker's thread asks for memory, too. */
static void use_worker(void) {
  char why[200] = "";
  double sum = 0;
  moonlet_work work = 0;
  moonlet_status status;
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.message = why;
  config.message_size = sizeof why;
  moonlet_worker *w = moonlet_worker_open(
      &config, "function add(a, b) return torch.Tensor{a, b}:sum() end", "worker");
  if (!w) {
    if (!why[0]) problem = "moonlet_worker_open says nothing";
    return;
  }
  status = moonlet_worker_post(w, &work, "add", "dd>d", 1.0, 2.0);
  if (status == MOONLET_OK) {
    while ((status = moonlet_worker_take(w, work, 100000, &sum)) == MOONLET_EAGAIN) {
    }
    if (status != MOONLET_OK && !moonlet_worker_error(w)[0]) problem = "a job fails without a text";
    if (status == MOONLET_OK && sum != 3) problem = "a job has another result";
  } else if (status != MOONLET_ENOMEM) {
    problem = "a job is not taken";
  }
  moonlet_worker_close(w);
}

static void use_state(moonlet *m, const char *path) {
  double loss = 0;
  const char *text = NULL;
  moonlet_tensor *t = NULL, *u = NULL;
  moonlet_stats stats = {sizeof stats, 0, 0, 0, 0, 0, 0};
  good(m, moonlet_register(m, "host.add", add_to, NULL));
  if (!good(m, moonlet_run_string(m, script, "faults"))) return;
  good(m, moonlet_call(m, "train", "i>d", 2LL, &loss));
  good(m, moonlet_call(m, "today", ">ts", &t, &text));
  use_tensors(m);
  use_task(m);
  good(m, moonlet_call(m, "save", "s>t", path, &u));
  good(m, moonlet_set(m, "path", "s", path));
  for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++)
    good(m, moonlet_run_string(m, pieces[k], "piece"));
  use_worker();
  good(m, moonlet_set(m, "a.b.c", "s", "some text"));
  good(m, moonlet_get(m, "a.b.c", "s", &text));
  good(m, moonlet_get_stats(m, &stats));
  good(m, moonlet_collect(m));
  good(m, moonlet_trim(m));
  if (!fail_on && failures_made > 0 &&
      moonlet_run_string(m, "local t = torch.ones(3) assert(t:sum() == 3)", NULL) != MOONLET_OK)
    problem = moonlet_error(m);
  moonlet_tensor_release(t);
  moonlet_tensor_release(u);
}

static char message[500];
static int own_allocator;

/* Shrinking never fails, as Lua demands. */
static void *allocate(void *user, void *block, size_t old_size, size_t new_size) {
  (void)user;
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  void *moved = realloc(block, new_size);
  return moved || !block || new_size > old_size ? moved : block;
}

/* Returns what went wrong, or NULL. */
static const char *run(const char *path) {
  char why[100] = "";
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.log = write_log;
  if (own_allocator) config.alloc = allocate;
  config.message = why;
  config.message_size = sizeof why;
  problem = NULL;
  lent = given_back = 0;
  moonlet *m = moonlet_open(&config);
  if (m) use_state(m, path);
  else if (!why[0]) problem = "moonlet_open says nothing";
  if (problem) {
    snprintf(message, sizeof message, "%s", problem);
    problem = message;
  }
  if (moonlet_close(m) != MOONLET_OK) problem = "moonlet_close failed";
  if (lent != given_back) problem = "borrowed memory was not given back once";
  return problem;
}

static const char *run_failing(const char *path, long at, int on, int leaks) {
  watch(at, on);
  const char *wrong = run(path);
  watching = 0;
  if (wrong || !leaks || outstanding == 0) return wrong;
  long first = 0;
  for (size_t i = 0; i < SLOTS; i++)
    if (slots[i].block && slots[i].block != &gone && (!first || slots[i].number < first))
      first = slots[i].number;
  snprintf(message, sizeof message, "%ld blocks are left, the first from request %ld", outstanding,
           first);
  return message;
}

/* In a process of its own; a crash or hang is the problem then. */
static const char *run_cold(const char *path, long at, int on) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    const char *wrong = run_failing(path, at, on, 0);
    if (wrong) printf("# %s\n", wrong);
    fflush(stdout);
    _exit(wrong ? 1 : failures_made ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  failures_made = WIFEXITED(status) && WEXITSTATUS(status) != 2;
  if (WIFSIGNALED(status)) {
    snprintf(message, sizeof message, "killed by signal %d", WTERMSIG(status));
    return message;
  }
  return WEXITSTATUS(status) == 1 ? "as said" : NULL;
}

/* -- operations -------------------------------------------------------------------------------- */

static moonlet_status arm(moonlet_args *args, void *user) {
  long long at;
  int on;
  (void)user;
  moonlet_status status = moonlet_args_get(args, 1, "ib", &at, &on);
  if (status != MOONLET_OK) return status;
  failures_made = 0;
  fail_on = on;
  fail_at = requests + (long)at;
  return MOONLET_OK;
}

static moonlet_status disarm(moonlet_args *args, void *user) {
  (void)user;
  fail_at = 0;
  return moonlet_args_return(args, "b", failures_made > 0);
}

static moonlet_status trim(moonlet_args *args, void *user) {
  (void)user;
  return moonlet_trim(moonlet_args_state(args));
}

static moonlet_status tensors(moonlet_args *args, void *user) {
  moonlet_stats stats = {sizeof stats, 0, 0, 0, 0, 0, 0};
  (void)user;
  moonlet_status status = moonlet_get_stats(moonlet_args_state(args), &stats);
  return status != MOONLET_OK ? status : moonlet_args_return(args, "i", (long long)stats.tensors);
}

/* Operations `first`, first + step, ..., and the first `most` requests of each. */
static int run_operations(long first, long step, long most, const char *only) {
  long long failed = 0, samples = 0;
  moonlet *m = moonlet_open(NULL);
  watch(0, 0);
  int wrong = moonlet_register(m, "faults.arm", arm, NULL) ||
              moonlet_register(m, "faults.disarm", disarm, NULL) ||
              moonlet_register(m, "faults.trim", trim, NULL) ||
              moonlet_register(m, "faults.tensors", tensors, NULL) ||
              moonlet_run_string(m, "package.path = './?.lua;' .. package.path\n"
                                    "run = loadfile('spec/vm/embed_faults.lua')", "run") ||
              moonlet_call(m, "run", "iiis>ii", (long long)first, (long long)step, (long long)most,
                           only, &failed, &samples);
  if (wrong) printf("not ok operations: %s\n", moonlet_error(m));
  else printf("ok operations\n# %lld samples, %lld failures\n", samples, failed);
  moonlet_close(m);
  return wrong || failed == 0;
}

int main(int argc, char **argv) {
  static char buffer[4096];
  setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
  if (argc >= 5 && strcmp(argv[1], "operations") == 0)
    return run_operations(atol(argv[2]), atol(argv[3]), atol(argv[4]), argv[5]);
  if (argc != 6) return 2;
  own_allocator = strcmp(argv[1], "own") == 0;
  const int cold = strcmp(argv[1], "cold") == 0, on = strcmp(argv[2], "on") == 0;
  long first = atol(argv[3]), last = atol(argv[4]), step = atol(argv[5]), runs = 0, bad = 0;
  char path[] = "/tmp/moonlet-faults-XXXXXX";
  int file = mkstemp(path);
  if (file < 0) return 2;
  close(file);
  if (!cold) {
    const char *wrong = run(path);
    if (!wrong) wrong = run_failing(path, 0, 0, 1);
    if (wrong) {
      printf("not ok without any failure: %s\n", wrong);
      remove(path);
      return 1;
    }
    printf("# %ld requests in a run\n", requests);
  }
  for (long at = first; at <= last; at += step) {
    const char *wrong = cold ? run_cold(path, at, on) : run_failing(path, at, on, 1);
    if (wrong) printf("not ok %s %s: request %ld failing: %s\n", argv[1], argv[2], at, wrong);
    bad += wrong != NULL;
    runs += failures_made > 0;
    if (failures_made == 0) break; /* there are no more requests */
  }
  if (bad == 0) printf("ok %s %s\n", argv[1], argv[2]);
  printf("# %ld runs with failures\n", runs);
  remove(path);
  return bad != 0 || runs == 0;
}
