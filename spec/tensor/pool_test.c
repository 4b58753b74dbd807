/* pool_test.c -- the thread pool: every index once, nested use, quick hand-offs, resizing. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/cpu/pool.h"

static int failures, count;

static void check(bool good, const char *what) {
  count++;
  failures += !good;
  printf("%s %d - %s\n", good ? "ok" : "not ok", count, what);
}

typedef struct {
  unsigned char *hits;
  atomic_int pieces;
  atomic_int bad;
  int64_t grain, n;
} cover;

static void cover_range(void *arg, int64_t begin, int64_t end) {
  cover *c = arg;
  if (begin < 0 || end > c->n || begin >= end) atomic_fetch_add(&c->bad, 1);
  if (end - begin < c->grain && end - begin != c->n) atomic_fetch_add(&c->bad, 1);
  for (int64_t i = begin; i < end; i++) c->hits[i]++;
  atomic_fetch_add(&c->pieces, 1);
}

static bool covers(tn_pool *pool, int64_t n, int64_t grain) {
  cover c = {.grain = grain, .n = n, .hits = calloc((size_t)n + 1, 1)};
  tn__pool_run(pool, n, grain, cover_range, &c);
  bool good = atomic_load(&c.bad) == 0;
  for (int64_t i = 0; i < n; i++) good = good && c.hits[i] == 1;
  if (n <= 0) good = good && atomic_load(&c.pieces) == 0;
  if (n > 0 && n <= grain) good = good && atomic_load(&c.pieces) == 1;
  free(c.hits);
  return good;
}

static void test_cover(void) {
  for (int threads = 1; threads <= 5; threads++) {
    tn_pool *pool = tn__pool_new(threads);
    bool good = pool && tn__pool_threads(pool) == threads;
    for (int64_t n = 0; n < 70; n++)
      for (int64_t grain = 1; grain < 20; grain += 6) good = good && covers(pool, n, grain);
    good = good && covers(pool, 100003, 1) && covers(pool, 100003, 1000);
    check(good, "each index is visited once, in pieces of the grain or more");
    tn__pool_free(pool);
  }
  check(covers(NULL, 10, 1) && tn__pool_threads(NULL) == 1, "no pool: on the caller");
  tn__pool_free(NULL);
}

static void add_range(void *arg, int64_t begin, int64_t end) {
  atomic_fetch_add((atomic_long *)arg, (long)(end - begin));
}

/* Plain writes before a hand-off must be seen by the workers, and theirs afterwards. */
static void fill_range(void *arg, int64_t begin, int64_t end) {
  int *a = arg;
  for (int64_t i = begin; i < end; i++) a[i]++;
}

static void test_quick(void) {
  tn_pool *pool = tn__pool_new(3);
  atomic_long sum = 0;
  for (int i = 0; i < 1000; i++) tn__pool_run(pool, 100, 1, add_range, &sum);
  check(atomic_load(&sum) == 100000, "1000 quick hand-offs");
  int a[64] = {0};
  bool good = true;
  for (int i = 0; i < 500; i++) {
    a[i % 64] += 1;
    tn__pool_run(pool, 64, 1, fill_range, a);
    for (int j = 0; j < 64; j++) good = good && a[j] == i + 1 + (i - j >= 0 ? (i - j) / 64 + 1 : 0);
  }
  check(good, "memory is handed over and back");
  tn__pool_free(pool);
}

typedef struct {
  tn_pool *pool;
  atomic_long sum;
  atomic_int outside;
} nest;

static void nested(void *arg, int64_t begin, int64_t end) {
  nest *n = arg;
  if (!tn__pool_inside()) atomic_fetch_add(&n->outside, 1);
  if (tn__pool_scratch(n->pool, 64)) atomic_fetch_add(&n->outside, 1);
  for (int64_t i = begin; i < end; i++) tn__pool_run(n->pool, 10, 1, add_range, &n->sum);
}

static void test_nested(void) {
  nest n = {.pool = tn__pool_new(4)};
  for (int i = 0; i < 100; i++) tn__pool_run(n.pool, 20, 1, nested, &n);
  check(atomic_load(&n.sum) == 20000, "nested loops run");
  check(atomic_load(&n.outside) == 0 && !tn__pool_inside(), "inside is known, and left again");
  tn__pool_free(n.pool);
}

static void test_resize(void) {
  tn_pool *pool = tn__pool_new(4);
  bool good = covers(pool, 1000, 1);
  for (int threads = 1; threads <= 6; threads++) {
    tn__pool_set_threads(pool, threads);
    good = good && tn__pool_threads(pool) == threads && covers(pool, 1000, 1);
    tn__pool_set_threads(pool, 7 - threads);
    good = good && covers(pool, 1000, 1);
  }
  tn__pool_set_threads(pool, 0);
  check(good && tn__pool_threads(pool) >= 1, "the number of threads can change");
  tn__pool_free(pool);
  tn__pool_free(tn__pool_new(8));
  check(true, "a pool that was never used can be freed");
}

static void test_scratch(void) {
  tn_pool *pool = tn__pool_new(2);
  char *p = tn__pool_scratch(pool, 1000);
  bool good = p && (uintptr_t)p % 64 == 0;
  if (p) memset(p, 1, 1000);
  good = good && tn__pool_scratch(pool, 10) == p;
  p = tn__pool_scratch(pool, 100000);
  if (p) memset(p, 1, 100000);
  check(good && p, "scratch memory grows and is kept");
  tn__pool_free(pool);
}

typedef struct {
  atomic_int wrong;
  atomic_int_fast64_t sum;
} owning;

/* Writes its own numbers into the thread's memory, and finds them there. */
static void use_own(void *arg, int64_t begin, int64_t end) {
  owning *o = arg;
  for (int64_t i = begin; i < end; i++) {
    const size_t bytes = 64 + (size_t)(i % 7) * 512;
    unsigned char *p = tn__pool_own_scratch(bytes);
    if (p == NULL || (uintptr_t)p % 64 != 0) {
      atomic_fetch_add(&o->wrong, 1);
      continue;
    }
    memset(p, (int)(i % 251), bytes);
    for (size_t k = 0; k < bytes; k++) {
      if (p[k] != i % 251) atomic_fetch_add(&o->wrong, 1);
    }
    atomic_fetch_add(&o->sum, 1);
  }
}

static void test_own_scratch(void) {
  tn_pool *pool = tn__pool_new(4);
  owning o = {0};
  check(tn__pool_own_scratch(64) == NULL, "outside of a loop a thread has no memory of its own");
  for (int i = 0; i < 50; i++) tn__pool_run(pool, 100, 1, use_own, &o);
  tn__pool_set_threads(pool, 1);
  tn__pool_run(pool, 100, 1, use_own, &o);
  check(atomic_load(&o.wrong) == 0 && atomic_load(&o.sum) == 5100,
        "inside each thread has its own, of one thread too");
  check(tn__pool_own_scratch(64) == NULL, "and none afterwards");
  tn__pool_free(pool);
}

static int64_t seen;
static int asked;

static void count_range(void *arg, int64_t begin, int64_t end) {
  (void)arg;
  seen += end - begin;
}

static bool enough(void *user) {
  (void)user;
  return ++asked > 3;
}

static void test_stopping(void) {
  tn_pool *pool = tn__pool_new(1);
  tn__pool_watch(pool, enough, NULL);
  tn__pool_run(pool, 100000, 10, count_range, NULL);
  check(seen == 100000 && !tn__pool_stopped(pool), "a loop that must not stop asks nobody");
  seen = asked = 0;
  bool was = tn__pool_stoppable(pool, true);
  tn__pool_run(pool, 100000, 10, count_range, NULL);
  check(!was && seen > 0 && seen < 10000 && tn__pool_stopped(pool), "one that may is stopped");
  check(!tn__pool_stopped(pool), "which is told once");
  tn__pool_free(pool);
}

static void blocked_range(void *arg, int64_t begin, int64_t end) {
  sigset_t now;
  (void)begin, (void)end;
  pthread_sigmask(SIG_SETMASK, NULL, &now);
  if (sigismember(&now, SIGINT)) atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_signals(void) {
  tn_pool *pool = tn__pool_new(2);
  atomic_int blocked = 0;
  for (int i = 0; i < 5000 && atomic_load(&blocked) == 0; i++)
    tn__pool_run(pool, 64, 1, blocked_range, &blocked);
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, NULL, &now);
  check(atomic_load(&blocked) > 0, "workers block signals");
  check(!sigismember(&now, SIGINT), "the caller does not");
  tn__pool_free(pool);
}

/* A host's threads, in the ways that hosts may have them. */
typedef struct {
  void (*piece)(void *arg, int i);
  void *arg;
  int i;
} host_job;

typedef struct {
  enum { IN_TURN, AT_ONCE, TWICE, HALF, TOO_MANY, NONE } way;
  int calls, most;
} host;

static void *host_thread(void *arg) {
  host_job *j = arg;
  j->piece(j->arg, j->i);
  return NULL;
}

static void host_parallel(void *user, int count, void (*piece)(void *arg, int i), void *arg) {
  host *h = user;
  h->calls++;
  if (count > h->most) h->most = count;
  if (h->way == AT_ONCE) {
    host_job jobs[16];
    pthread_t threads[16];
    for (int i = 0; i < count; i++) {
      jobs[i] = (host_job){piece, arg, i};
      pthread_create(&threads[i], NULL, host_thread, &jobs[i]);
    }
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    return;
  }
  const int from = h->way == TOO_MANY ? -3 : 0;
  const int to = h->way == NONE ? 0 : h->way == HALF ? count / 2 : count + (h->way == TOO_MANY ? 3 : 0);
  for (int i = to - 1; i >= from; i--) {
    piece(arg, i);
    if (h->way == TWICE) piece(arg, i);
  }
}

static void test_host(void) {
  static const char *const what[] = {
      "a host's one thread does all pieces", "a host's threads do all pieces",
      "a piece that is run twice", "a host that forgets pieces", "numbers that are no pieces",
      "a host that does nothing"};
  for (int way = IN_TURN; way <= NONE; way++) {
    host h = {.way = way};
    tn_pool *pool = tn__pool_new(4);
    bool good = covers(pool, 100, 1); /* by our own threads, which then end */
    tn__pool_use_host(pool, host_parallel, &h);
    for (int64_t n = 0; n < 60; n += 7) good = good && covers(pool, n, 1) && covers(pool, n, 5);
    nest nested_loops = {.pool = pool};
    tn__pool_run(pool, 20, 1, nested, &nested_loops);
    good = good && atomic_load(&nested_loops.sum) == 200 && atomic_load(&nested_loops.outside) == 0;
    good = good && h.calls > 0 && h.most == 4 && !tn__pool_inside();
    const int calls = h.calls;
    tn__pool_set_threads(pool, 1);
    good = good && covers(pool, 1000, 1) && h.calls == calls;
    check(good, what[way]);
    tn__pool_free(pool);
  }
}

int main(void) {
  test_cover();
  test_host();
  test_quick();
  test_nested();
  test_resize();
  test_scratch();
  test_own_scratch();
  test_stopping();
  test_signals();
  printf("1..%d\n", count);
  return failures != 0;
}
