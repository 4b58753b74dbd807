/* host_call.c -- calls across the border: moonlet_call, and C functions that Lua may call. */
#include "host.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- moonlet_call ------------------------------------------------------------------------------ */

static int run_call(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  const char *results = strchr(j->types, '>');
  int nargs = (int)(results - j->types), nresults = (int)strlen(++results);
  luaL_checkstack(L, nargs + nresults + 10, "too many values for moonlet_call");
  moonlet__get_path(L, j);
  if (lua_isnil(L, -1)) return luaL_error(L, "moonlet_call: there is no %s", j->name);
  for (int i = 0; i < nargs; i++) moonlet__push_value(L, j->m, j->types[i], j->values);
  moonlet__call(L, j, nargs, nresults);
  moonlet__find_torch(L, j->m, false);
  moonlet__keep(L, 2, nresults);
  for (int i = 0; i < nresults; i++) {
    const char *wanted = moonlet__store_value(L, j->m, 2 + i, results[i], j->values, true);
    if (wanted) {
      return luaL_error(L, "moonlet_call: result %d of %s is %s, not %s", i + 1, j->name,
                        moonlet__kind_of(L, 2 + i), wanted);
    }
  }
  return 0;
}

/* Goes past the arguments, to the results. */
static void skip_arguments(const char *types, va_list *values) {
  for (; *types != '>'; types++) {
    switch (*types) {
    case 'd':
      (void)va_arg(*values, double);
      break;
    case 'i':
      (void)va_arg(*values, long long);
      break;
    case 'b':
      (void)va_arg(*values, int);
      break;
    default:
      (void)va_arg(*values, void *);
      if (*types == 'S') (void)va_arg(*values, size_t);
    }
  }
}

static void clear_results(const moonlet_job *j, bool release) {
  const char *results = strchr(j->types, '>') + 1;
  va_list values;
  if (!strchr(results, 't')) return;
  va_copy(values, *j->values);
  skip_arguments(j->types, &values);
  moonlet__clear_tensors(results, &values, release);
  va_end(values);
}

bool moonlet__are_call_types(const char *types) {
  const char *results = types ? strchr(types, '>') : NULL;
  return results && strlen(types) < SHRT_MAX &&
         moonlet__are_types(types, (size_t)(results - types)) &&
         moonlet__are_types(results + 1, strlen(results + 1));
}

/* Tensors among the results are NULL unless all went well. */
static moonlet_status call_function(moonlet *m, moonlet_job *j) {
  if (!j->name || !moonlet__are_call_types(j->types)) {
    return moonlet__fail(m, MOONLET_EARG,
                         "moonlet_call: wants a name, and types like \"dd>d\"");
  }
  va_list start;
  va_copy(start, *j->values);
  clear_results(j, false);
  moonlet_status status = moonlet__protect(m, run_call, j);
  moonlet_job first = {.types = j->types, .values = &start};
  if (status != MOONLET_OK) clear_results(&first, true);
  va_end(start);
  return status;
}

moonlet_status moonlet_call(moonlet *m, const char *function, const char *types, ...) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  va_list values;
  va_start(values, types);
  moonlet_job j = {.name = function, .types = types, .values = &values};
  status = moonlet__leave(m, call_function(m, &j));
  va_end(values);
  return status;
}

/* -- C functions ------------------------------------------------------------------------------- */

enum { MOST_RESULTS = 32, TEXT = 512, NAME = 64 };

struct moonlet_args {
  moonlet *m;
  lua_State *L;
  int count, results; /* results lie on the stack, above the arguments */
  moonlet_status failed; /* a result could not be pushed */
  bool said;
  moonlet_tensor **held; /* tensors lent to the function */
  int held_count, held_room;
  /* of the result being pushed: */
  char type;
  va_list *values;
  char text[TEXT];
};

/* What a closure of ours calls; a userdata, its first upvalue. The second one is push_result. */
typedef struct {
  moonlet *m;
  moonlet_function function;
  void *user;
  char name[NAME]; /* the start of it, for messages */
} registered;

/* Protected, as a result may need memory, and no error may run through the host's function. */
static int push_result(lua_State *L) {
  const registered *r = lua_touserdata(L, 1);
  moonlet_args *args = r->m->args;
  moonlet__push_value(L, r->m, args->type, args->values);
  return 1;
}

static void release_held(moonlet_args *args) {
  for (int i = 0; i < args->held_count; i++) moonlet_tensor_release(args->held[i]);
  free(args->held);
}

/* The host's function has returned, so from here on errors may be raised. */
static int finish(moonlet_args *args, moonlet_status status, const registered *r) {
  lua_State *L = args->L;
  if (args->failed != MOONLET_OK && status == MOONLET_OK) status = args->failed;
  if (status == MOONLET_EAGAIN) return lua_yield(L, args->results);
  if (status == MOONLET_OK) return args->results;
  luaL_where(L, 1);
  lua_pushfstring(L, "%s: %s", r->name, args->said ? args->text : moonlet_status_text(status));
  lua_concat(L, 2);
  return lua_error(L);
}

static int trampoline(lua_State *L) {
  const registered *r = lua_touserdata(L, lua_upvalueindex(1));
  moonlet *m = r->m;
  moonlet_args args = {.m = m, .L = L, .count = lua_gettop(L)};
  luaL_checkstack(L, MOST_RESULTS + LUA_MINSTACK, "too many values for a C function");
  if (!m->closing) moonlet__find_torch(L, m, false);
  if (moonlet__enter(m) != MOONLET_OK) return luaL_error(L, "%s", moonlet_error(m));
  moonlet_args *outer = m->args;
  lua_State *was = m->now;
  m->args = &args;
  m->now = L;
  moonlet_status status = r->function(&args, r->user);
  m->now = was;
  m->args = outer;
  release_held(&args);
  moonlet__leave(m, status);
  return finish(&args, status, r);
}

static int run_register(lua_State *L) {
  moonlet_job *j = lua_touserdata(L, 1);
  registered *r = moonlet_newuserdata(L, sizeof *r);
  *r = *(const registered *)j->more;
  lua_pushcfunction(L, push_result);
  lua_pushcclosure(L, trampoline, 2);
  moonlet__set_path(L, j->name);
  return 0;
}

moonlet_status moonlet_register(moonlet *m, const char *name, moonlet_function function,
                                void *user) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  registered r = {m, function, user, ""};
  snprintf(r.name, sizeof r.name, "%s", name ? name : "");
  moonlet_job j = {.name = name, .more = &r};
  if (name && function)
    status = moonlet__protect(m, run_register, &j);
  else
    status = moonlet__fail(m, MOONLET_EARG, "moonlet_register: wants a name and a function");
  return moonlet__leave(m, status);
}

/* -- what a C function may ask ----------------------------------------------------------------- */

/* Not so of the arguments of a call further up, whose values are out of reach meanwhile. */
static bool usable(const moonlet_args *args) {
  return args && args->m->args == args;
}

int moonlet_args_count(const moonlet_args *args) {
  return args ? args->count : 0;
}

moonlet *moonlet_args_state(const moonlet_args *args) {
  return args ? args->m : NULL;
}

moonlet_type moonlet_args_type(const moonlet_args *args, int index) {
  if (!usable(args) || index < 1 || index > args->count) return MOONLET_NONE;
  return moonlet__type_at(args->L, index);
}

static moonlet_status say(moonlet_args *args, moonlet_status status, const char *format,
                          va_list *values) {
  vsnprintf(args->text, sizeof args->text, format, *values);
  args->said = true;
  return status;
}

moonlet_status moonlet_args_error(moonlet_args *args, const char *format, ...) {
  if (!args || !format) return MOONLET_EARG;
  va_list values;
  va_start(values, format);
  moonlet_status status = say(args, MOONLET_ERUN, format, &values);
  va_end(values);
  return status;
}

static moonlet_status wrong_argument(moonlet_args *args, int at, const char *wanted) {
  moonlet_args_error(args, "argument %d: %s expected, got %s", at, wanted,
                     at <= args->count ? moonlet__kind_of(args->L, at) : "nothing");
  return MOONLET_EARG;
}

/* Room for one more tensor that is lent. */
static bool hold_room(moonlet_args *args) {
  if (args->held_count < args->held_room) return true;
  int room = 2 * args->held_room + 4;
  moonlet_tensor **more = realloc(args->held, (size_t)room * sizeof *more);
  if (!more) return false;
  args->held = more;
  args->held_room = room;
  return true;
}

static moonlet_status lend_tensor(moonlet_args *args, int at, va_list *values) {
  bool short_of = false;
  moonlet_tensor **out = va_arg(*values, moonlet_tensor **);
  *out = NULL;
  if (moonlet_args_type(args, at) != MOONLET_TENSOR) return wrong_argument(args, at, "a tensor");
  if (hold_room(args)) *out = moonlet__tensor_at(args->L, args->m, at, &short_of);
  if (!*out) {
    moonlet_args_error(args, "argument %d: not enough memory", at);
    return MOONLET_ENOMEM;
  }
  args->held[args->held_count++] = *out;
  return MOONLET_OK;
}

moonlet_status moonlet_args_get(moonlet_args *args, int first, const char *types, ...) {
  if (!usable(args)) return MOONLET_EARG;
  if (first < 1 || !types || !moonlet__are_types(types, strlen(types))) {
    moonlet_args_error(args, "moonlet_args_get: wants an index from 1 on, and types like \"ds\"");
    return MOONLET_EARG;
  }
  moonlet_status status = MOONLET_OK;
  va_list values;
  va_start(values, types);
  for (int at = first; *types && status == MOONLET_OK; types++, at++) {
    const char *wanted = NULL;
    if (at > args->count)
      wanted = *types == 'b' ? "a boolean" : "one more value";
    else if (*types == 't')
      status = lend_tensor(args, at, &values);
    else
      wanted = moonlet__store_value(args->L, args->m, at, *types, &values, false);
    if (wanted) status = wrong_argument(args, at, wanted);
  }
  va_end(values);
  return status;
}

/* Calls push_result for one value. */
static moonlet_status push_one(moonlet_args *args, char type, va_list *values) {
  lua_State *L = args->L;
  args->type = type;
  args->values = values;
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(1));
  int status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK) {
    args->results++;
    return MOONLET_OK;
  }
  const char *why = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "not enough memory";
  moonlet_args_error(args, "a result: %s", why);
  lua_pop(L, 1);
  return args->failed = status == LUA_ERRMEM ? MOONLET_ENOMEM : MOONLET_ERUN;
}

moonlet_status moonlet_args_return(moonlet_args *args, const char *types, ...) {
  if (!usable(args)) return MOONLET_EARG;
  if (!types || !moonlet__are_types(types, strlen(types))) {
    moonlet_args_error(args, "moonlet_args_return: wants types like \"ds\"");
    return args->failed = MOONLET_EARG;
  }
  if (strlen(types) > (size_t)(MOST_RESULTS - args->results)) {
    moonlet_args_error(args, "moonlet_args_return: more than %d results", (int)MOST_RESULTS);
    return args->failed = MOONLET_EARG;
  }
  moonlet_status status = MOONLET_OK;
  va_list values;
  va_start(values, types);
  for (; *types && status == MOONLET_OK; types++) status = push_one(args, *types, &values);
  va_end(values);
  return status;
}
