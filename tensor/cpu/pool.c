/* pool.c -- a small thread pool: one loop at a time, split over a few threads.
 *
 * The whole hand-off goes through one atomic word, `gate`: the number of the current loop, a bit
 * that says whether workers may still join it, and how many are inside. The caller opens the
 * gate, works on pieces itself, closes the gate and waits until nobody is inside. A worker that
 * wakes too late finds the gate closed and has cost the caller nothing. */
#include "pool.h"

#include "tensor/budget.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a thread without work stays awake. Waking one through the kernel takes 24 us on average
 * here, and a small training step has gaps of 50 us to 100 us between its loops: asleep by then,
 * the second thread came too late for the products (290 us a step instead of 255 us). */
#define SPIN_NANOSECONDS 150000

#define MAX_THREADS       256
#define PIECES_PER_THREAD 4 /* so that one late or slow thread delays the loop by a quarter */

#define GATE_OPEN         (UINT64_C(1) << 16)
#define GATE_INSIDE       (GATE_OPEN - 1)
#define GATE_NUMBER(word) ((word) >> 17)

/* Each thread begins with its own run of pieces, the same run in every loop, and then helps the
 * others: so memory that one loop after another goes over stays in the caches of one core. */
typedef struct {
  _Alignas(64) atomic_int_fast64_t next; /* first piece that nobody has taken */
  int64_t end;
} segment;

struct tn_pool {
  segment segments[MAX_THREADS];
  /* The loop: written by the caller while the gate is closed and nobody is inside. */
  tn_pool_fn *fn;
  void *arg;
  int64_t n, pieces;
  int count; /* of segments */

  _Alignas(64) atomic_uint_fast64_t gate;
  _Alignas(64) atomic_int sleepers;
  atomic_bool caller_sleeps, stop;
  atomic_int born; /* workers that have begun, to give each its number */

  pthread_mutex_t lock;
  pthread_cond_t wake; /* workers wait here for a loop */
  pthread_cond_t done; /* the caller waits here for the last worker to leave */
  pthread_t *workers;
  int threads, started;

  tn_parallel *parallel; /* the host's threads instead of workers; or NULL */
  void *parallel_user;

  void *scratch;
  size_t scratch_bytes;
  struct {
    void *memory;
    size_t bytes;
  } own[MAX_THREADS]; /* scratch memory of each thread */
  tn_budget *budget;

  bool (*interrupted)(void *user);
  void *user;
  atomic_bool halted; /* this loop is to end early */
  bool stoppable;     /* one may */
  bool stopped;       /* one did */
};

static _Thread_local bool inside;
static _Thread_local tn_pool *running; /* the pool whose loop this thread is in, */
static _Thread_local int number;       /* and which of its threads it is */

static void cpu_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Thread `self` (0: the caller) works through its own segment, then through what is left of the
 * others'. */
static void work(tn_pool *pool, int self) {
  int64_t n = pool->n, pieces = pool->pieces;
  int64_t size = n / pieces, longer = n % pieces; /* the first `longer` pieces have one more */
  for (int k = 0; k < pool->count; k++) {
    segment *s = &pool->segments[(self + k) % pool->count];
    for (;;) {
      int64_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
      if (i >= s->end) break;
      int64_t begin = i * size + (i < longer ? i : longer);
      pool->fn(pool->arg, begin, begin + size + (i < longer));
    }
  }
}

static void share_out(tn_pool *pool) {
  pool->count = pool->threads;
  for (int64_t k = 0; k < pool->count; k++) {
    atomic_store_explicit(&pool->segments[k].next, pool->pieces * k / pool->count,
                          memory_order_relaxed);
    pool->segments[k].end = pool->pieces * (k + 1) / pool->count;
  }
}

/* True once this worker is inside a loop other than the one it saw last. */
static bool enter(tn_pool *pool, uint64_t *seen) {
  uint64_t word = atomic_load(&pool->gate);
  while ((word & GATE_OPEN) && GATE_NUMBER(word) != *seen) {
    if (!atomic_compare_exchange_weak(&pool->gate, &word, word + 1)) continue;
    *seen = GATE_NUMBER(word);
    return true;
  }
  return false;
}

static void leave(tn_pool *pool) {
  uint64_t word = atomic_fetch_sub(&pool->gate, 1) - 1;
  if ((word & GATE_INSIDE) == 0 && atomic_load(&pool->caller_sleeps)) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->lock);
  }
}

static bool enter_spinning(tn_pool *pool, uint64_t *seen) {
  int64_t until = nanoseconds() + SPIN_NANOSECONDS;
  do {
    for (int i = 0; i < 16; i++) {
      if (enter(pool, seen)) return true;
      cpu_pause();
    }
  } while (nanoseconds() < until && !atomic_load(&pool->stop));
  return false;
}

/* False when the pool is being stopped. `sleepers` goes up before the gate is looked at again,
 * and the caller opens the gate before it looks at `sleepers`: one of the two sees the other. */
static bool enter_sleeping(tn_pool *pool, uint64_t *seen) {
  bool entered = false;
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleepers, 1);
  while (!atomic_load(&pool->stop) && !(entered = enter(pool, seen)))
    pthread_cond_wait(&pool->wake, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->lock);
  return entered;
}

static void *worker_main(void *arg) {
  tn_pool *pool = arg;
  uint64_t seen = 0; /* loops are counted from 1 */
  const int self = atomic_fetch_add(&pool->born, 1) + 1;
  inside = true;
  running = pool;
  number = self;
  while (enter_spinning(pool, &seen) || enter_sleeping(pool, &seen)) {
    work(pool, self);
    leave(pool);
  }
  return NULL;
}

/* Signals belong to the host's threads, so workers are born with all of them blocked. */
static void start(tn_pool *pool) {
  sigset_t all, before;
  if (!pool->workers) pool->workers = malloc(MAX_THREADS * sizeof *pool->workers);
  if (!pool->workers) {
    pool->threads = 1;
    return;
  }
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool->started < pool->threads - 1 &&
         pthread_create(&pool->workers[pool->started], NULL, worker_main, pool) == 0)
    pool->started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pool->threads = pool->started + 1; /* what the system refused once is not asked for again */
}

static void stop(tn_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stop, true);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  while (pool->started > 0) pthread_join(pool->workers[--pool->started], NULL);
  atomic_store(&pool->stop, false);
  atomic_store(&pool->born, 0);
}

static void open_gate(tn_pool *pool) {
  uint64_t number = GATE_NUMBER(atomic_load(&pool->gate)) + 1;
  atomic_store(&pool->gate, number << 17 | GATE_OPEN);
  if (atomic_load(&pool->sleepers) == 0) return;
  pthread_mutex_lock(&pool->lock);
  if (pool->pieces <= pool->started)
    for (int64_t i = 1; i < pool->pieces; i++) pthread_cond_signal(&pool->wake);
  else
    pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

static void close_gate(tn_pool *pool) {
  uint64_t word = atomic_fetch_and(&pool->gate, ~GATE_OPEN);
  if ((word & GATE_INSIDE) == 0) return;
  int64_t until = nanoseconds() + SPIN_NANOSECONDS;
  do {
    for (int i = 0; i < 16; i++) {
      if ((atomic_load(&pool->gate) & GATE_INSIDE) == 0) return;
      cpu_pause();
    }
  } while (nanoseconds() < until);
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->caller_sleeps, true);
  while (atomic_load(&pool->gate) & GATE_INSIDE) pthread_cond_wait(&pool->done, &pool->lock);
  atomic_store(&pool->caller_sleeps, false);
  pthread_mutex_unlock(&pool->lock);
}

static int clamp_threads(int threads) {
  if (threads <= 0) threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
  return threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

tn_pool *tn__pool_new(int threads) {
  void *memory;
  if (posix_memalign(&memory, 64, sizeof(tn_pool)) != 0) return NULL;
  tn_pool *pool = memory;
  memset(pool, 0, sizeof *pool);
  pool->threads = clamp_threads(threads);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  return pool;
}

void tn__pool_free(tn_pool *pool) {
  if (!pool) return;
  stop(pool);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  free(pool->workers);
  tn_budget_unblock(pool->budget, pool->scratch, pool->scratch_bytes);
  for (int i = 0; i < MAX_THREADS; i++)
    tn_budget_unblock(pool->budget, pool->own[i].memory, pool->own[i].bytes);
  free(pool);
}

int tn__pool_threads(const tn_pool *pool) {
  return pool ? pool->threads : 1;
}

void tn__pool_use_host(tn_pool *pool, tn_parallel *parallel, void *user) {
  stop(pool);
  pool->parallel = parallel;
  pool->parallel_user = user;
}

void tn__pool_set_threads(tn_pool *pool, int threads) {
  threads = clamp_threads(threads);
  if (threads < pool->threads) stop(pool); /* the next hand-off starts as many as are wanted */
  pool->threads = threads;
}

/* Piece `i` of what the host runs. The host's mistakes do no harm while the loop lasts: a piece that
 * was asked for twice finds nothing left, and one too many is not looked for. */
static void host_piece(void *arg, int i) {
  tn_pool *pool = arg;
  if (i < 0 || i >= pool->count) return;
  /* the host may give its own thread to several pieces, or nest loops */
  const bool was = inside;
  tn_pool *const outer = running;
  const int before = number;
  inside = true;
  running = pool;
  number = i;
  work(pool, i);
  inside = was;
  running = outer;
  number = before;
}

/* Whatever the host left out is done here. */
static void run_on_host(tn_pool *pool) {
  pool->parallel(pool->parallel_user, pool->count, host_piece, pool);
  host_piece(pool, 0);
}

/* -- loops that can be stopped: cut into pieces of some tenths of a millisecond ---------------- */

enum { GRAINS = 64 };

typedef struct {
  tn_pool *pool;
  tn_pool_fn *fn;
  void *arg;
  int64_t step;
  pthread_t caller;
} watched_loop;

static void run_watched(void *arg, int64_t begin, int64_t end) {
  watched_loop *w = arg;
  const bool asks = pthread_equal(pthread_self(), w->caller);
  for (int64_t at = begin; at < end; at += w->step) {
    if (asks && w->pool->interrupted(w->pool->user)) atomic_store(&w->pool->halted, true);
    if (atomic_load_explicit(&w->pool->halted, memory_order_relaxed)) return;
    w->fn(w->arg, at, end - at < w->step ? end : at + w->step);
  }
}

static void run(tn_pool *pool, int64_t n, int64_t grain, tn_pool_fn *fn, void *arg);

void tn__pool_run(tn_pool *pool, int64_t n, int64_t grain, tn_pool_fn *fn, void *arg) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  if (inside || !pool || !pool->stoppable || !pool->interrupted || n / GRAINS < grain) {
    run(pool, n, grain, fn, arg);
    return;
  }
  watched_loop w = {pool, fn, arg, grain * GRAINS, pthread_self()};
  atomic_store(&pool->halted, false);
  run(pool, n, grain, run_watched, &w);
  if (atomic_load(&pool->halted)) pool->stopped = true;
}

void tn__pool_watch(tn_pool *pool, bool (*interrupted)(void *user), void *user) {
  pool->interrupted = interrupted;
  pool->user = user;
}

bool tn__pool_stoppable(tn_pool *pool, bool on) {
  const bool was = pool->stoppable;
  pool->stoppable = on;
  return was;
}

bool tn__pool_stopped(tn_pool *pool) {
  const bool was = pool->stopped;
  pool->stopped = false;
  return was;
}

static void run(tn_pool *pool, int64_t n, int64_t grain, tn_pool_fn *fn, void *arg) {
  int64_t pieces = n / grain;
  if (inside || !pool) {
    fn(arg, 0, n);
    return;
  }
  tn_pool *outer = running;
  running = pool;
  if (pieces <= 1 || pool->threads < 2) {
    fn(arg, 0, n);
    running = outer;
    return;
  }
  if (!pool->parallel && pool->started < pool->threads - 1) start(pool);
  int64_t most = (int64_t)pool->threads * PIECES_PER_THREAD;
  pool->fn = fn;
  pool->arg = arg;
  pool->n = n;
  pool->pieces = pieces < most ? pieces : most;
  share_out(pool);
  if (pool->parallel) {
    run_on_host(pool);
    running = outer;
    return;
  }
  open_gate(pool);
  inside = true;
  work(pool, 0);
  inside = false;
  running = outer;
  close_gate(pool);
}

bool tn__pool_inside(void) {
  return inside;
}

/* At least `bytes` in *memory, which grows; NULL if out of memory. */
static void *reserve(tn_pool *pool, void **memory, size_t *have, size_t bytes) {
  if (bytes <= *have) return *memory;
  tn_budget_unblock(pool->budget, *memory, *have);
  *memory = NULL;
  *have = 0;
  if (bytes > SIZE_MAX - 63) return NULL;
  bytes = (bytes + 63) / 64 * 64;
  *memory = tn_budget_block(pool->budget, bytes);
  if (*memory) *have = bytes;
  return *memory;
}

void *tn__pool_scratch(tn_pool *pool, size_t bytes) {
  if (!pool || inside) return NULL;
  return reserve(pool, &pool->scratch, &pool->scratch_bytes, bytes);
}

void *tn__pool_own_scratch(size_t bytes) {
  if (!running) return NULL;
  return reserve(running, &running->own[number].memory, &running->own[number].bytes, bytes);
}

void tn__pool_even_scratch(tn_pool *pool) {
  size_t most = 0;
  if (!pool || inside) return;
  for (int i = 0; i < MAX_THREADS; i++) {
    if (pool->own[i].bytes > most) most = pool->own[i].bytes;
  }
  for (int i = 0; i < pool->threads; i++)
    reserve(pool, &pool->own[i].memory, &pool->own[i].bytes, most);
}

void tn__pool_budget(tn_pool *pool, tn_budget *budget) {
  pool->budget = budget;
}
