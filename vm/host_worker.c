/* host_worker.c -- workers: states on threads of their own, which do a host's jobs one by one. */
#include "host.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A value on its way from thread to thread. Text and bytes are copies, a tensor is a reference. */
typedef struct {
  union {
    double d;
    long long i;
    int b;
    void *p;
    char *s;
    moonlet_tensor *t;
  } is;
  size_t size; /* of bytes */
} value;

typedef struct work {
  moonlet_work id;
  char *function, *types;
  int nargs, nresults;
  value *values; /* arguments, then results */
  moonlet_status status;
  char *error;
  bool unwanted; /* nobody will ask */
  struct work *next;
} work;

struct moonlet_worker {
  pthread_t thread;
  pthread_mutex_t lock; /* of all that follows */
  pthread_cond_t posted, done;
  work *waiting, *running, *finished; /* waiting: oldest first */
  work *taken; /* last: its text lives until the next one is */
  moonlet_work last;
  int pending; /* waiting or running */
  bool closing, opened;
  moonlet *state; /* until the thread closes it */
  const moonlet_config *config; /* while opening */
  const char *code, *name;
  moonlet_status status;
};

/* -- values ------------------------------------------------------------------------------------ */

static void free_value(value *v, char type) {
  if (type == 't') moonlet_tensor_release(v->is.t);
  if (type == 's' || type == 'S') free(v->is.s);
  memset(v, 0, sizeof *v);
}

static char type_of(const work *w, int k) {
  return w->types[k < w->nargs ? k : k + 1]; /* past the '>' */
}

static void free_work(work *w) {
  if (!w) return;
  for (int k = 0; w->values && k < w->nargs + w->nresults; k++)
    free_value(&w->values[k], type_of(w, k));
  free(w->values);
  free(w->function);
  free(w->types);
  free(w->error);
  free(w);
}

static char *copy_bytes(const char *bytes, size_t size) {
  char *copy = malloc(size + 1);
  if (!copy) return NULL;
  memcpy(copy, bytes, size);
  copy[size] = '\0';
  return copy;
}

/* Keeps text: false when there is no memory for it. NULL stays NULL. */
static bool keep_text(value *v, const char *text, size_t size) {
  v->is.s = text ? copy_bytes(text, size) : NULL;
  v->size = size;
  return !text || v->is.s;
}

/* The next of the host's arguments. */
static bool read_argument(value *v, char type, va_list *values) {
  const char *text;
  switch (type) {
  case 'd':
    v->is.d = va_arg(*values, double);
    return true;
  case 'i':
    v->is.i = va_arg(*values, long long);
    return true;
  case 'b':
    v->is.b = va_arg(*values, int);
    return true;
  case 'p':
    v->is.p = va_arg(*values, void *);
    return true;
  case 't':
    v->is.t = va_arg(*values, moonlet_tensor *);
    moonlet_tensor_retain(v->is.t);
    return true;
  default:
    text = va_arg(*values, const char *);
    return keep_text(v, text, type == 'S' ? va_arg(*values, size_t) : text ? strlen(text) : 0);
  }
}

/* Hands a result to the host: tensors with their reference, text as it lies here. */
static void write_result(value *v, char type, va_list *values) {
  switch (type) {
  case 'd':
    *va_arg(*values, double *) = v->is.d;
    break;
  case 'i':
    *va_arg(*values, long long *) = v->is.i;
    break;
  case 'b':
    *va_arg(*values, int *) = v->is.b;
    break;
  case 'p':
    *va_arg(*values, void **) = v->is.p;
    break;
  case 't':
    *va_arg(*values, moonlet_tensor **) = v->is.t;
    v->is.t = NULL;
    break;
  default:
    *va_arg(*values, const char **) = v->is.s;
    if (type == 'S') *va_arg(*values, size_t *) = v->size;
  }
}

/* -- on the worker's thread: Lua's side -------------------------------------------------------- */

static void push(lua_State *L, moonlet *m, int type, ...) {
  va_list values;
  va_start(values, type);
  moonlet__push_value(L, m, (char)type, &values);
  va_end(values);
}

static const char *store(lua_State *L, moonlet *m, int index, int type, ...) {
  va_list values;
  va_start(values, type);
  const char *wanted = moonlet__store_value(L, m, index, (char)type, &values, true);
  va_end(values);
  return wanted;
}

static void push_argument(lua_State *L, moonlet *m, const value *v, char type) {
  switch (type) {
  case 'd':
    push(L, m, type, v->is.d);
    break;
  case 'i':
    push(L, m, type, v->is.i);
    break;
  case 'b':
    push(L, m, type, v->is.b);
    break;
  case 'p':
    push(L, m, type, v->is.p);
    break;
  case 't':
    push(L, m, type, v->is.t);
    break;
  default:
    push(L, m, type, v->is.s, v->size);
  }
}

/* Reads the result at `index`; returns what was wanted instead, or NULL. */
static const char *read_result(lua_State *L, moonlet *m, int index, value *v, char type) {
  const char *text = NULL, *wanted;
  size_t size = 0;
  switch (type) {
  case 'd':
    return store(L, m, index, type, &v->is.d);
  case 'i':
    return store(L, m, index, type, &v->is.i);
  case 'b':
    return store(L, m, index, type, &v->is.b);
  case 'p':
    return store(L, m, index, type, &v->is.p);
  case 't':
    return store(L, m, index, type, &v->is.t);
  default:
    wanted = type == 'S' ? store(L, m, index, type, &text, &size) : store(L, m, index, type, &text);
    if (wanted) return wanted;
    if (!keep_text(v, text, type == 'S' ? size : text ? strlen(text) : 0))
      return "text for which there is memory";
    return NULL;
  }
}

static int run_work(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  work *w = j->more;
  luaL_checkstack(L, w->nargs + w->nresults + 10, "too many values for a job");
  moonlet__get_path(L, j);
  if (lua_isnil(L, -1)) return luaL_error(L, "moonlet_worker_post: there is no %s", j->name);
  for (int k = 0; k < w->nargs; k++) push_argument(L, j->m, &w->values[k], type_of(w, k));
  moonlet__call(L, j, w->nargs, w->nresults);
  moonlet__find_torch(L, j->m, false);
  for (int k = 0; k < w->nresults; k++) {
    value *v = &w->values[w->nargs + k];
    const char *wanted = read_result(L, j->m, 2 + k, v, type_of(w, w->nargs + k));
    if (wanted) {
      return luaL_error(L, "moonlet_worker_post: result %d of %s is %s, not %s", k + 1, j->name,
                        moonlet__kind_of(L, 2 + k), wanted);
    }
  }
  return 0;
}

/* Nobody else looks at the job meanwhile, but for its number. */
static moonlet_status do_work(moonlet *m, work *w) {
  moonlet_status status = moonlet__enter(m);
  moonlet_job j = {.name = w->function, .types = w->types, .more = w};
  if (status == MOONLET_OK) status = moonlet__leave(m, moonlet__protect(m, run_work, &j));
  if (status == MOONLET_OK) return status;
  const char *text = moonlet_error(m);
  w->error = copy_bytes(text, strlen(text)); /* without memory for it: what the status says */
  for (int k = w->nargs; k < w->nargs + w->nresults; k++) free_value(&w->values[k], type_of(w, k));
  return status;
}

/* -- on the worker's thread: its life ---------------------------------------------------------- */

/* Where the host wants to know why there is no worker; a program of old has no field for it. */
static void tell(const moonlet_config *c, const char *why) {
  const size_t needed = offsetof(moonlet_config, message_size) + sizeof c->message_size;
  if (c && c->size >= needed && c->message && c->message_size > 0)
    snprintf(c->message, c->message_size, "%s", why);
}

/* Opens the state and runs the first code in it; tells the thread that waits for it. */
static moonlet *open_state(moonlet_worker *w) {
  moonlet *m = moonlet_open(w->config);
  moonlet_status status = m ? MOONLET_OK : MOONLET_ENOMEM;
  if (m && w->code) status = moonlet_run_string(m, w->code, w->name);
  if (m && status != MOONLET_OK) {
    tell(w->config, moonlet_error(m));
    moonlet_close(m);
    m = NULL;
  }
  pthread_mutex_lock(&w->lock);
  w->status = status;
  w->opened = true;
  w->state = m;
  pthread_cond_broadcast(&w->done);
  pthread_mutex_unlock(&w->lock);
  return m;
}

static void *worker_main(void *arg) {
  moonlet_worker *w = arg;
  moonlet *m = open_state(w);
  if (!m) return NULL;
  pthread_mutex_lock(&w->lock);
  while (!w->closing) {
    work *now = w->waiting;
    if (!now) {
      pthread_cond_wait(&w->posted, &w->lock);
      continue;
    }
    w->waiting = now->next;
    w->running = now;
    pthread_mutex_unlock(&w->lock);
    moonlet_status status = do_work(m, now);
    pthread_mutex_lock(&w->lock);
    now->status = status;
    w->running = NULL;
    w->pending--;
    if (now->unwanted) {
      free_work(now);
    } else {
      now->next = w->finished;
      w->finished = now;
    }
    pthread_cond_broadcast(&w->done);
  }
  w->state = NULL;
  pthread_mutex_unlock(&w->lock);
  moonlet_close(m);
  return NULL;
}

/* -- on the host's threads --------------------------------------------------------------------- */

static void free_list(work *w) {
  while (w) {
    work *next = w->next;
    free_work(w);
    w = next;
  }
}

static void free_worker(moonlet_worker *w) {
  free_list(w->waiting);
  free_list(w->finished);
  free_work(w->taken);
  pthread_cond_destroy(&w->done);
  pthread_cond_destroy(&w->posted);
  pthread_mutex_destroy(&w->lock);
  free(w);
}

/* Waiting with a limit goes by a clock that nobody sets. */
static void init_conditions(moonlet_worker *w) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&w->done, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_cond_init(&w->posted, NULL);
  pthread_mutex_init(&w->lock, NULL);
}

/* Signals belong to the host's threads, so the worker is born with all of them blocked. */
static bool start_thread(moonlet_worker *w) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&w->thread, NULL, worker_main, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed == 0;
}

moonlet_worker *moonlet_worker_open(const moonlet_config *config, const char *code,
                                    const char *name) {
  moonlet_worker *w = calloc(1, sizeof *w);
  if (!w) {
    tell(config, "not enough memory");
    return NULL;
  }
  init_conditions(w);
  w->config = config;
  w->code = code;
  w->name = name;
  if (!start_thread(w)) {
    tell(config, "no thread can be started");
    free_worker(w);
    return NULL;
  }
  pthread_mutex_lock(&w->lock);
  while (!w->opened) pthread_cond_wait(&w->done, &w->lock);
  moonlet_status status = w->status;
  pthread_mutex_unlock(&w->lock);
  if (status == MOONLET_OK) return w;
  pthread_join(w->thread, NULL);
  free_worker(w);
  return NULL;
}

void moonlet_worker_close(moonlet_worker *w) {
  if (!w) return;
  pthread_mutex_lock(&w->lock);
  w->closing = true;
  if (w->running) moonlet_interrupt(w->state);
  pthread_cond_broadcast(&w->posted);
  pthread_mutex_unlock(&w->lock);
  pthread_join(w->thread, NULL);
  free_worker(w);
}

/* A job from the host's arguments; NULL when there is no memory for it. */
static work *new_work(const char *function, const char *types, va_list *values) {
  const char *results = strchr(types, '>');
  work *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  w->function = copy_bytes(function, strlen(function));
  w->types = copy_bytes(types, strlen(types));
  w->nargs = (int)(results - types);
  w->nresults = (int)strlen(results + 1);
  w->values = calloc((size_t)(w->nargs + w->nresults) + 1, sizeof *w->values);
  bool good = w->function && w->types && w->values;
  for (int k = 0; good && k < w->nargs; k++)
    good = read_argument(&w->values[k], types[k], values);
  if (good) return w;
  if (!w->types) w->nargs = w->nresults = 0;
  free_work(w);
  return NULL;
}

moonlet_status moonlet_worker_post(moonlet_worker *w, moonlet_work *id, const char *function,
                                   const char *types, ...) {
  if (id) *id = 0;
  if (!w || !function || !moonlet__are_call_types(types)) return MOONLET_EARG;
  va_list values;
  va_start(values, types);
  work *new = new_work(function, types, &values);
  va_end(values);
  if (!new) return MOONLET_ENOMEM;
  pthread_mutex_lock(&w->lock);
  new->id = ++w->last;
  if (id) *id = new->id;
  new->unwanted = !id;
  work **end = &w->waiting;
  while (*end) end = &(*end)->next;
  *end = new;
  w->pending++;
  pthread_cond_signal(&w->posted);
  pthread_mutex_unlock(&w->lock);
  return MOONLET_OK;
}

/* Takes the job out of a list; NULL: it is not there. */
static work *take_from(work **list, moonlet_work id) {
  for (; *list; list = &(*list)->next) {
    work *found = *list;
    if (found->id != id) continue;
    *list = found->next;
    found->next = NULL;
    return found;
  }
  return NULL;
}

static bool is_pending(const moonlet_worker *w, moonlet_work id) {
  if (w->running && w->running->id == id) return true;
  for (const work *k = w->waiting; k; k = k->next)
    if (k->id == id) return true;
  return false;
}

/* Waits until the job is done or the time is up. Locked. */
static void wait_for(moonlet_worker *w, moonlet_work id, unsigned long long wait_us) {
  struct timespec until;
  if (wait_us == 0 || !is_pending(w, id)) return;
  clock_gettime(CLOCK_MONOTONIC, &until);
  const unsigned long long most = 1000000ull * 86400 * 365; /* a year is as good as for ever */
  if (wait_us > most) wait_us = most;
  until.tv_sec += (time_t)(wait_us / 1000000);
  until.tv_nsec += (long)(wait_us % 1000000) * 1000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  while (is_pending(w, id) && pthread_cond_timedwait(&w->done, &w->lock, &until) == 0) continue;
}

moonlet_status moonlet_worker_take(moonlet_worker *w, moonlet_work id, unsigned long long wait_us,
                                   ...) {
  if (!w) return MOONLET_EARG;
  pthread_mutex_lock(&w->lock);
  wait_for(w, id, wait_us);
  moonlet_status status = is_pending(w, id) ? MOONLET_EAGAIN : MOONLET_EARG;
  work *found = take_from(&w->finished, id);
  if (found) {
    status = found->status;
    free_work(w->taken);
    w->taken = found;
    va_list values;
    va_start(values, wait_us);
    for (int k = found->nargs; status == MOONLET_OK && k < found->nargs + found->nresults; k++)
      write_result(&found->values[k], type_of(found, k), &values);
    va_end(values);
  }
  pthread_mutex_unlock(&w->lock);
  return status;
}

moonlet_status moonlet_worker_cancel(moonlet_worker *w, moonlet_work id) {
  if (!w) return MOONLET_EARG;
  pthread_mutex_lock(&w->lock);
  work *found = take_from(&w->waiting, id);
  moonlet_status status = found ? MOONLET_OK : is_pending(w, id) ? MOONLET_EBUSY : MOONLET_EARG;
  if (found) {
    w->pending--;
    pthread_cond_broadcast(&w->done);
  }
  pthread_mutex_unlock(&w->lock);
  free_work(found);
  return status;
}

const char *moonlet_worker_error(moonlet_worker *w) {
  if (!w) return "";
  pthread_mutex_lock(&w->lock);
  const work *last = w->taken;
  const char *text = !last || last->status == MOONLET_OK ? ""
                     : last->error                        ? last->error
                                                          : moonlet_status_text(last->status);
  pthread_mutex_unlock(&w->lock);
  return text;
}

int moonlet_worker_pending(moonlet_worker *w) {
  if (!w) return 0;
  pthread_mutex_lock(&w->lock);
  int pending = w->pending;
  pthread_mutex_unlock(&w->lock);
  return pending;
}
