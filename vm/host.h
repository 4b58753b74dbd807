/* host.h -- what the files of the embedding API (host*.c) share.
 *
 * Each function of moonlet.h that takes a state begins with moonlet__enter and ends with
 * moonlet__leave; what it does in Lua goes through moonlet__protect. */
#ifndef MOONLET_HOST_H
#define MOONLET_HOST_H

#include "state_limits.h"
#include "lua_compat.h"
#include "moonlet.h"

#include <stdarg.h>
#include <stdatomic.h>

struct binding;
struct moonlet_paused;

struct moonlet {
  /* Who is inside: the address of a thread's own variable, or 0. What follows is that thread's. */
  atomic_uintptr_t owner;
  int depth;     /* calls from the host that are under way, one inside of the other */
  atomic_int interrupt; /* any thread may set it, at any time */
  moonlet *next; /* of a closed state: the one that was closed after it */

  lua_State *L; /* NULL: closed */
  lua_State *now; /* the coroutine that called the host, where it did; L otherwise */
  bool closing, failed;
  char *error; /* NULL when nothing failed, or when there was no memory for the text */
  moonlet_limits *limits; /* of memory and of calls */
  struct binding *binding; /* of torch.core, once it is known */
  struct moonlet_paused *tasks;
  unsigned long long collections;
  moonlet_log log;
  void *log_user;
  char *line; /* of the log, not yet ended: */
  size_t line_length, line_room;
  bool warns; /* warn("@on") */
  moonlet_search search;
  void *search_user;
  moonlet_args *args; /* of the call of a C function that runs */
};

/* One protected piece of work: fields that a C function called by Lua needs. */
typedef struct {
  moonlet *m;
  const char *name, *code, *types;
  size_t size; /* of the code */
  va_list *values;
  moonlet_status status; /* of a failure: MOONLET_ERUN unless the work says otherwise */
  struct moonlet_paused *task;
  void *more; /* what else this work needs */
} moonlet_job;

/* -- host_guard.c: who may use a state, and what went wrong -- */

/* MOONLET_OK: the calling thread has the state until it leaves. Otherwise it must return this. */
moonlet_status moonlet__enter(moonlet *m);
moonlet_status moonlet__leave(moonlet *m, moonlet_status status); /* returns the status */

/* A failure without a state, or without a right to one; text is a constant. */
moonlet_status moonlet__refuse(const moonlet *m, moonlet_status status, const char *text);

/* Notes a failure's text, and returns its status. */
moonlet_status moonlet__fail(moonlet *m, moonlet_status status, const char *text);

/* A record for a new state, all zeros; taking it into use, as moonlet__enter; giving it back. */
moonlet *moonlet__new_handle(void);
void moonlet__own(moonlet *m, lua_State *L);
void moonlet__retire_handle(moonlet *m);

/* -- host.c -- */

/* Runs `work`, whose argument 1 is the job, and turns what it raises into a status. */
moonlet_status moonlet__protect(moonlet *m, lua_CFunction work, moonlet_job *j);

/* Inside of such work: calls the function below `nargs` values; a failure is raised again with its
 * traceback. */
void moonlet__call(lua_State *L, moonlet_job *j, int nargs, int nresults);

/* Message handler: any value becomes text with a traceback. */
int moonlet__describe(lua_State *L);

/* Frees what Lua can do without, as after a failure for want of memory. */
void moonlet__collect_all(moonlet *m);

/* -- host_call.c -- */

/* Are these the types of a call: letters, '>', letters? */
bool moonlet__are_call_types(const char *types);

/* -- host_values.c: values on their way between C and Lua -- */

bool moonlet__are_types(const char *types, size_t length);
/* Pushes the next argument of the host's. May raise. */
void moonlet__push_value(lua_State *L, moonlet *m, char type, va_list *values);
/* Writes the value at `index` through the next pointer or pointers. Returns NULL, or what kind of
 * value was wanted. Raises nothing. nil is NULL for text, tensors and pointers if `optional`. */
const char *moonlet__store_value(lua_State *L, moonlet *m, int index, char type, va_list *values,
                                 bool optional);
/* What a value is called in messages. */
const char *moonlet__kind_of(lua_State *L, int index);
/* Where tensors are wanted, NULL goes there first; after a failure what came out is taken back. */
void moonlet__clear_tensors(const char *types, va_list *values, bool release);
/* Inside of protected work: pushes the value at the path j->name. */
void moonlet__get_path(lua_State *L, moonlet_job *j);
/* Pushes the value of a dotted path from the table of globals. May raise. */
void moonlet__push_path(lua_State *L, const char *path);
/* Sets the value at a dotted path to the one on the top, which it pops; makes tables on the way.
 * May raise. */
void moonlet__set_path(lua_State *L, const char *path);
/* Texts and such that went to C stay alive in a table of the registry until the next call. */
void moonlet__keep(lua_State *L, int first, int count);

/* -- host_tensor.c -- */

/* Looks whether the state has torch by now; `load`: loads it. May raise. */
void moonlet__find_torch(lua_State *L, moonlet *m, bool load);
moonlet_type moonlet__type_at(lua_State *L, int index);
void moonlet__push_tensor(lua_State *L, moonlet *m, moonlet_tensor *t); /* may raise */
/* A new handle for the tensor at `index`. NULL: no tensor, or (*short_of) no memory. */
moonlet_tensor *moonlet__tensor_at(lua_State *L, moonlet *m, int index, bool *short_of);
/* Is this error's text what a tensor's lack of memory makes? */
bool moonlet__is_memory_error(const moonlet *m, const char *text);
/* Sets how new tensors are made. May raise. */
void moonlet__set_defaults(lua_State *L, moonlet *m, const char *dtype, const char *device);
bool moonlet__is_float_dtype(const char *name);
/* Swaps in how a task records gradients; nothing happens without torch. */
typedef struct {
  bool known, grad;
  int autocast;
} moonlet_mode;
void moonlet__swap_mode(lua_State *L, moonlet *m, moonlet_mode *mode);

/* -- host_step.c, host_hooks.c -- */

void moonlet__end_tasks(moonlet *m);
/* Installs the callbacks of the configuration, and counts collections. May raise. */
void moonlet__open_hooks(lua_State *L, moonlet *m);

#endif
