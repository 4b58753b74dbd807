/* pool.h -- a small thread pool: one loop at a time, split over a few threads.
 *
 * Ownership  tn__pool_free joins the threads and frees everything, scratch memory included.
 * Errors     None that a caller sees: what cannot be handed off runs on the caller.
 * Threads    One thread at a time may use a pool. Worker threads start at the first hand-off,
 *            block all signals, and sleep when there has been no work for some microseconds. A pool
 *            of the host's threads starts none. */
#ifndef TN_CPU_POOL_H
#define TN_CPU_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_budget;
typedef struct tn_pool tn_pool;
typedef void tn_pool_fn(void *arg, int64_t begin, int64_t end);

/* The host's way to run piece(arg, i) for each i in 0 .. count - 1, on any of its threads; it
 * returns when all are done. */
typedef void tn_parallel(void *user, int count, void (*piece)(void *arg, int i), void *arg);

/* threads counts the caller; 0 or less asks for one per processor. NULL if out of memory. */
tn_pool *tn__pool_new(int threads);
void tn__pool_free(tn_pool *pool); /* accepts NULL */

/* From now on the host's threads do the work: tn_config has what `parallel` must do. */
void tn__pool_use_host(tn_pool *pool, tn_parallel *parallel, void *user);

int tn__pool_threads(const tn_pool *pool); /* 1 for NULL */
void tn__pool_set_threads(tn_pool *pool, int threads);

/* Calls fn for consecutive pieces of [0, n), each of at least grain elements (unless n is less),
 * on several threads at once, and returns when all are done. A pool of NULL, a pool of one
 * thread, n <= grain and calls from inside fn all mean: one call, on this thread. */
void tn__pool_run(tn_pool *pool, int64_t n, int64_t grain, tn_pool_fn *fn, void *arg);

/* Whom long loops ask, on the caller's thread, whether to leave out what is left. They ask only
 * between tn__pool_stoppable(pool, true) and the next (pool, false), as a loop whose results others
 * calculate with must not stay half done. Returns what it was. tn__pool_stopped tells, once. */
void tn__pool_watch(tn_pool *pool, bool (*interrupted)(void *user), void *user);
bool tn__pool_stoppable(tn_pool *pool, bool on);
bool tn__pool_stopped(tn_pool *pool);

/* Scratch memory comes from there. The budget has to outlive the pool. */
void tn__pool_budget(tn_pool *pool, struct tn_budget *budget);

/* True while the calling thread is inside a tn__pool_run of any pool. */
bool tn__pool_inside(void);

/* Memory of at least `bytes`, 64-byte aligned, kept by the pool until the next call asks for
 * more or the pool is freed. NULL if out of memory, without a pool, or inside tn__pool_run,
 * where an outer loop may be using it: then allocate for yourself. */
void *tn__pool_scratch(tn_pool *pool, size_t bytes);

/* The same of the calling thread's own, for what runs inside a tn__pool_run and calls nothing that
 * asks for it, too. NULL if out of memory, or outside of any loop. */
void *tn__pool_own_scratch(size_t bytes);
/* Gives every thread as much as the one that has most, so that none asks when its turn comes. */
void tn__pool_even_scratch(tn_pool *pool);

#endif
