/* threads_test.c -- states on several threads at once, and a host's own threads; threads_spec.lua
 * builds and runs it, also with ThreadSanitizer. */
#define _POSIX_C_SOURCE 200809L
#include "embed_check.h"

#include <pthread.h>
#include <stdlib.h>

enum { STATES = 3, CREW = 3 };

/* -- states side by side ----------------------------------------------------------------------- */

static const char train[] =
    "local net = nn.Sequential():add(nn.Linear(8, 16)):add(nn.Tanh()):add(nn.Linear(16, 1))\n"
    "local x = torch.linspace(-1, 1, 256):view(32, 8)\n"
    "local y = x:sum(2):mul(0.3)\n"
    "local criterion = nn.MSECriterion()\n"
    "local params, grads = net:getParameters()\n"
    "local first, last\n"
    "for i = 1, 100 do\n"
    "  grads:zero()\n"
    "  last = criterion:forward(net:forward(x), y)\n"
    "  first = first or last\n"
    "  net:backward(x, criterion:backward(net.output, y))\n"
    "  optim.sgd(function() return last, grads end, params, {learningRate = 0.1})\n"
    "end\n"
    "assert(last < first / 4, 'the loss went from ' .. first .. ' to ' .. last)\n"
    "local image = torch.randn(2, 3, 12, 12)\n"
    "local conv = nn.SpatialConvolution(3, 8, 3, 3)\n"
    "local whole = torch.mm(torch.ones(40, 50), torch.ones(50, 30)):sum()\n"
    "assert(whole == 60000 and conv:forward(image):size(2) == 8)\n";

static pthread_barrier_t together;

static void *run_state(void *arg) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  int *good = arg;
  pthread_barrier_wait(&together); /* so that the first uses of everything meet */
  config.threads = 2;
  moonlet *m = moonlet_open(&config);
  *good = m && moonlet_run_string(m, train, "train") == MOONLET_OK;
  if (m && !*good) printf("# %s\n", moonlet_error(m));
  moonlet_close(m);
  return NULL;
}

static void test_states(void) {
  pthread_t threads[STATES];
  int good[STATES] = {0}, all = 1, i;
  pthread_barrier_init(&together, NULL, STATES);
  for (i = 0; i < STATES; i++) pthread_create(&threads[i], NULL, run_state, &good[i]);
  for (i = 0; i < STATES; i++) {
    pthread_join(threads[i], NULL);
    all = all && good[i];
  }
  pthread_barrier_destroy(&together);
  check(all, "states train on three threads at once");
}

/* -- the host's threads ------------------------------------------------------------------------ */

/* A crew as an engine has one: threads that wait for a loop and take its pieces one by one. */
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t begin, end;
  void (*piece)(void *arg, int i);
  void *arg;
  int count, next, left, loops, quit;
} crew;

static void work(crew *c) { /* locked */
  while (c->next < c->count) {
    int i = c->next++;
    pthread_mutex_unlock(&c->lock);
    c->piece(c->arg, i);
    pthread_mutex_lock(&c->lock);
    if (--c->left == 0) pthread_cond_signal(&c->end);
  }
}

static void *crew_main(void *arg) {
  crew *c = arg;
  pthread_mutex_lock(&c->lock);
  while (!c->quit) {
    work(c);
    if (!c->quit) pthread_cond_wait(&c->begin, &c->lock);
  }
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

static void run_pieces(void *user, int count, void (*piece)(void *arg, int i), void *arg) {
  crew *c = user;
  pthread_mutex_lock(&c->lock);
  c->piece = piece;
  c->arg = arg;
  c->next = 0;
  c->count = c->left = count;
  c->loops++;
  pthread_cond_broadcast(&c->begin);
  work(c);
  while (c->left > 0) pthread_cond_wait(&c->end, &c->lock);
  c->count = 0;
  pthread_mutex_unlock(&c->lock);
}

/* Threads of this process, or -1 where the system does not tell. */
static int count_threads(void) {
  char line[128];
  int n = -1;
  FILE *f = fopen("/proc/self/status", "r");
  if (!f) return -1;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "Threads: %d", &n) == 1) break;
  }
  fclose(f);
  return n;
}

static const char large[] =
    "local x = torch.range(1, 1000000)\n"
    "assert(x:sum() == 500000500000 or x:double():sum() == 500000500000)\n"
    "local y = torch.exp(torch.mul(x, -1e-6))\n"
    "assert(math.abs(y[1000000] - math.exp(-1)) < 1e-5)\n"
    "local a = torch.ones(300, 300)\n"
    "assert(torch.mm(a, a):sum() == 300 ^ 3)\n";

static void test_crew(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  pthread_t threads[CREW];
  crew c;
  int i, before;
  memset(&c, 0, sizeof c);
  pthread_mutex_init(&c.lock, NULL);
  pthread_cond_init(&c.begin, NULL);
  pthread_cond_init(&c.end, NULL);
  for (i = 0; i < CREW; i++) pthread_create(&threads[i], NULL, crew_main, &c);
  before = count_threads();
  config.threads = CREW + 1;
  config.parallel = run_pieces;
  config.parallel_user = &c;
  moonlet *m = moonlet_open(&config);
  int good = m && moonlet_run_string(m, large, "large") == MOONLET_OK &&
             moonlet_run_string(m, train, "train") == MOONLET_OK;
  if (m && !good) printf("# %s\n", moonlet_error(m));
  check(good, "a host's threads calculate");
  check(c.loops > 0, "they were asked");
  check(count_threads() == before, "and no thread of Moonlet's was started");
  i = c.loops;
  check(m && moonlet_run_string(m, "torch.setnumthreads(1)", NULL) == MOONLET_OK &&
            moonlet_run_string(m, large, "large") == MOONLET_OK && c.loops == i,
        "torch.setnumthreads(1) keeps all work on the caller");
  moonlet_close(m);
  pthread_mutex_lock(&c.lock);
  c.quit = 1;
  pthread_cond_broadcast(&c.begin);
  pthread_mutex_unlock(&c.lock);
  for (i = 0; i < CREW; i++) pthread_join(threads[i], NULL);
  pthread_cond_destroy(&c.end);
  pthread_cond_destroy(&c.begin);
  pthread_mutex_destroy(&c.lock);
}

/* -- our own threads --------------------------------------------------------------------------- */

static void test_own(void) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  const int before = count_threads();
  moonlet *m = moonlet_open(&config);
  check(m && moonlet_run_string(m, large, "large") == MOONLET_OK && count_threads() == before,
        "one thread means none of ours");
  check(before < 0 || (m && moonlet_run_string(m, "torch.setnumthreads(3)", NULL) == MOONLET_OK &&
                       moonlet_run_string(m, large, "large") == MOONLET_OK &&
                       count_threads() == before + 2),
        "torch.setnumthreads(3) starts two");
  check(m && moonlet_run_string(m, "torch.setnumthreads(1)", NULL) == MOONLET_OK &&
            moonlet_run_string(m, large, "large") == MOONLET_OK && count_threads() == before,
        "torch.setnumthreads(1) ends them");
  check(m && moonlet_run_string(m, "torch.setnumthreads(0)\n"
                                   "assert(torch.getnumthreads() == torch.getnumcores())", NULL) ==
                 MOONLET_OK &&
            moonlet_run_string(m, "torch.setnumthreads(-1)", NULL) == MOONLET_ERUN &&
            strstr(moonlet_error(m), "-1"),
        "0 means one per core, and less has no sense");
  moonlet_run_string(m, "torch.setnumthreads(2)", NULL);
  moonlet_run_string(m, large, "large");
  moonlet_close(m);
  check(count_threads() == before, "and so does closing the state");
}

int main(void) {
  test_states();
  test_crew();
  test_own();
  return failures != 0;
}
