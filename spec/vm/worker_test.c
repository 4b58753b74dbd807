/* worker_test.c -- workers of moonlet.h: jobs in the background; threads_spec.lua builds and runs
 * it, also with ThreadSanitizer. */
#define _POSIX_C_SOURCE 200809L
#include "embed_check.h"

#include <pthread.h>

static const char brain[] =
    "local net = nn.Sequential():add(nn.Linear(2, 16)):add(nn.Tanh()):add(nn.Linear(16, 1))\n"
    "local params, grads = net:getParameters()\n"
    "local criterion = nn.MSECriterion()\n"
    "function learn(x, steps)\n"
    "  local y, loss = torch.cmul(x:select(2, 1), x:select(2, 2)):view(-1, 1)\n"
    "  for i = 1, steps do\n"
    "    grads:zero()\n"
    "    loss = criterion:forward(net:forward(x), y)\n"
    "    net:backward(x, criterion:backward(net.output, y))\n"
    "    params:add(-0.2, grads)\n"
    "  end\n"
    "  return loss, params:clone()\n"
    "end\n"
    "function all(d, i, b, s, n, t) return d * 2, i + 1, not b, s .. '!', n, t:add(1) end\n"
    "count = 0\n"
    "function tick() count = count + 1 return count end\n"
    "function fail(text) error(text) end\n"
    "function slow(seconds) local t = os.clock() while os.clock() < t + seconds do end end\n";

#define EVER 60000000ull /* microseconds: longer than any test may take */

static void test_values(void) {
  double d = 0;
  long long i = 0;
  int b = 0;
  const char *s = "", *none = "x";
  int64_t size = 3;
  float memory[3] = {1, 2, 3};
  moonlet_tensor *in = NULL, *out = NULL;
  moonlet_work work = 0;
  moonlet_worker *w = moonlet_worker_open(NULL, brain, "brain.lua");
  check(w != NULL, "a worker opens");
  moonlet_tensor_borrow(NULL, &in, MOONLET_FLOAT32, 1, &size, NULL, memory, NULL, NULL);
  check(moonlet_worker_post(w, &work, "all", "dibsst>dibsst", 1.5, 41LL, 0, "text", NULL, in) ==
                MOONLET_OK &&
            work != 0,
        "a job is handed over");
  moonlet_tensor_release(in); /* the job has a reference of its own */
  check(moonlet_worker_take(w, work, EVER, &d, &i, &b, &s, &none, &out) == MOONLET_OK && d == 3 &&
            i == 42 && b == 1 && strcmp(s, "text!") == 0 && !none,
        "and its results come back");
  check(out && moonlet_tensor_data(out) == memory && memory[2] == 4, "a tensor is not copied");
  moonlet_tensor_release(out);
  check(moonlet_worker_take(w, work, EVER, &d, &i, &b, &s, &none, &out) == MOONLET_EARG,
        "only once");
  check(moonlet_worker_pending(w) == 0 && moonlet_worker_error(w)[0] == '\0', "nothing is left");
  moonlet_worker_close(w);
  moonlet_worker_close(NULL);
}

static void test_order(void) {
  enum { JOBS = 50 };
  moonlet_work work[JOBS], last = 0;
  int good = 1, k;
  long long n = 0;
  moonlet_worker *w = moonlet_worker_open(NULL, brain, "brain.lua");
  for (k = 0; k < JOBS; k++) moonlet_worker_post(w, &work[k], "tick", ">i");
  for (k = JOBS - 1; k >= 0; k--)
    good = good && moonlet_worker_take(w, work[k], EVER, &n) == MOONLET_OK && n == k + 1;
  check(good, "jobs are done in their order, and taken in any");
  for (k = 0; k < JOBS; k++) moonlet_worker_post(w, NULL, "tick", ">i");
  moonlet_worker_post(w, &last, "tick", ">i");
  check(moonlet_worker_take(w, last, EVER, &n) == MOONLET_OK && n == 2 * JOBS + 1,
        "jobs that nobody asks for are done, too");
  moonlet_worker_close(w);
}

static void test_failures(void) {
  moonlet_work slow = 0, work = 0, never = 0;
  double d = 0;
  const char *s = NULL;
  char why[200] = "";
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.message = why;
  config.message_size = sizeof why;
  check(!moonlet_worker_open(&config, "x = = 1", "bad.lua") && strstr(why, "bad.lua:1:"),
        "code that does not compile opens no worker");
  check(!moonlet_worker_open(&config, "error('no')", "bad.lua") && strstr(why, "bad.lua:1: no"),
        "nor does code that fails");
  config.threads = -1;
  check(!moonlet_worker_open(&config, NULL, NULL) && strstr(why, "threads"),
        "nor a configuration without sense");
  moonlet_worker *w = moonlet_worker_open(NULL, brain, "brain.lua");
  moonlet_worker_post(w, &work, "fail", "s>", "I am tired");
  check(moonlet_worker_take(w, work, EVER) == MOONLET_ERUN &&
            strstr(moonlet_worker_error(w), "I am tired") &&
            strstr(moonlet_worker_error(w), "traceback"),
        "a job that fails has its error");
  moonlet_worker_post(w, &work, "nothing", ">d");
  check(moonlet_worker_take(w, work, EVER, &d) == MOONLET_ERUN &&
            strstr(moonlet_worker_error(w), "there is no nothing"),
        "a missing function");
  moonlet_worker_post(w, &work, "tick", ">s");
  check(moonlet_worker_take(w, work, EVER, &s) == MOONLET_ERUN && !s &&
            strstr(moonlet_worker_error(w), "result 1 of tick"),
        "a result of another type");
  check(moonlet_worker_post(w, &work, "tick", "d") == MOONLET_EARG && work == 0 &&
            moonlet_worker_post(w, &work, "tick", "q>") == MOONLET_EARG &&
            moonlet_worker_post(w, &work, NULL, ">") == MOONLET_EARG &&
            moonlet_worker_post(NULL, &work, "tick", ">") == MOONLET_EARG,
        "arguments without sense");
  moonlet_worker_post(w, &slow, "slow", "d>", 0.3);
  moonlet_worker_post(w, &never, "tick", ">d");
  check(moonlet_worker_take(w, never, 0, &d) == MOONLET_EAGAIN &&
            moonlet_worker_take(w, slow, 1000) == MOONLET_EAGAIN && moonlet_worker_pending(w) == 2,
        "what is not done yet says so, also after some waiting");
  check(moonlet_worker_cancel(w, never) == MOONLET_OK &&
            moonlet_worker_take(w, never, EVER, &d) == MOONLET_EARG,
        "a job that waits can be forgotten");
  check(moonlet_worker_cancel(w, slow) == MOONLET_EBUSY ||
            moonlet_worker_take(w, slow, 0) == MOONLET_OK,
        "one that runs cannot");
  check(moonlet_worker_cancel(w, 12345) == MOONLET_EARG &&
            moonlet_worker_take(w, 12345, 0) == MOONLET_EARG &&
            moonlet_worker_take(NULL, 1, 0) == MOONLET_EARG &&
            moonlet_worker_cancel(NULL, 1) == MOONLET_EARG && moonlet_worker_pending(NULL) == 0,
        "jobs that there are not");
  moonlet_worker_post(w, NULL, "slow", "d>", 0.1);
  moonlet_worker_post(w, &work, "tick", ">d");
  moonlet_worker_close(w); /* waits for the one that runs, and forgets the other */
}

/* The simulation goes on while the network learns. */
static void test_learning(void) {
  enum { EXAMPLES = 64, MOST = 500 };
  static float examples[EXAMPLES][2];
  int64_t sizes[2] = {EXAMPLES, 2};
  double first = 0, loss = 0;
  long long frames = 0;
  int rounds, k;
  moonlet_tensor *x = NULL, *weights = NULL;
  moonlet_work work = 0;
  moonlet_worker *w = moonlet_worker_open(NULL, brain, "brain.lua");
  for (k = 0; k < EXAMPLES; k++) {
    examples[k][0] = (float)(k % 8) / 4 - 1;
    examples[k][1] = (float)(k / 8) / 4 - 1;
  }
  moonlet_tensor_borrow(NULL, &x, MOONLET_FLOAT32, 2, sizes, NULL, examples, NULL, NULL);
  for (rounds = 0; rounds < MOST; rounds++) {
    moonlet_status status;
    moonlet_worker_post(w, &work, "learn", "ti>dt", x, 20LL);
    while ((status = moonlet_worker_take(w, work, 0, &loss, &weights)) == MOONLET_EAGAIN)
      frames++;
    if (status != MOONLET_OK) break;
    if (rounds == 0) first = loss;
    if (moonlet_tensor_numel(weights) != 65) break;
    moonlet_tensor_release(weights);
    if (loss < first / 20) break;
  }
  check(rounds < MOST && loss < first / 20, "a network learns in the background");
  check(frames > 100, "while its host does something else");
  moonlet_tensor_release(x);
  moonlet_worker_close(w);
}

static void test_interrupt(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.interruptible = 1;
  moonlet_worker *w = moonlet_worker_open(&config, brain, "brain.lua");
  moonlet_work work = 0;
  check(w && moonlet_worker_post(w, &work, "slow", "d>", 1e6) == MOONLET_OK &&
            moonlet_worker_take(w, work, 50000) == MOONLET_EAGAIN,
        "a job that would never end");
  moonlet_worker_close(w);
  check(1, "ends with its worker where the state can be interrupted");
}

/* Two threads of the host's share one worker. */
static void *ask(void *arg) {
  moonlet_worker *w = arg;
  long good = 1;
  int k;
  for (k = 0; k < 200; k++) {
    moonlet_work work;
    long long n = 0;
    if (moonlet_worker_post(w, &work, "tick", ">i") != MOONLET_OK ||
        moonlet_worker_take(w, work, EVER, &n) != MOONLET_OK || n < 1)
      good = 0;
  }
  return (void *)good;
}

static void test_askers(void) {
  pthread_t threads[3];
  void *good = NULL;
  int all = 1, k;
  moonlet_work work;
  long long n = 0;
  moonlet_worker *w = moonlet_worker_open(NULL, brain, "brain.lua");
  for (k = 0; k < 3; k++) pthread_create(&threads[k], NULL, ask, w);
  for (k = 0; k < 3; k++) {
    pthread_join(threads[k], &good);
    all = all && good != NULL;
  }
  moonlet_worker_post(w, &work, "tick", ">i");
  check(moonlet_worker_take(w, work, EVER, &n) == MOONLET_OK && all && n == 601,
        "several threads share a worker");
  moonlet_worker_close(w);
}

int main(void) {
  test_values();
  test_order();
  test_failures();
  test_learning();
  test_interrupt();
  test_askers();
  return failures != 0;
}
