/* bind.c -- the core table: boxes, metatables, errors, and the collector's share of memory. */
#include "bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bind_sandbox.h"
#include "packages.h"

const char bind_tensor_magic = 't', bind_storage_magic = 's';

/* What may pile up before a collection: between LEAST and PRESSURE, or more where the heap or what
 * lives is large. Small tensors cost more in the processor's caches than they hold, so they are
 * counted, too. A collection takes about as long as Lua's own heap is large, so with that the
 * limits grow. */
enum { LEAST = 2 << 20, PRESSURE = 12 << 20, BOXES = 4096 };

void bind_closed(lua_State *L) {
  luaL_error(L, "torch: the state is closing");
}

/* -- Boxes ------------------------------------------------------------------------------------- */

tn_tensor *bind_check_tensor(lua_State *L, int index, const char *function) {
  tn_tensor *t = bind_to_tensor(L, index);
  if (t == NULL) {
    luaL_error(L, "%s: tensor expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  return t;
}

storage_box *bind_check_storage(lua_State *L, int index, const char *function) {
  storage_box *box = bind_to_storage(L, index);
  if (box == NULL) {
    luaL_error(L, "%s: storage expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  return box;
}

tensor_box *bind_new_box(lua_State *L) {
  tensor_box *box = (tensor_box *)moonlet_newuserdata(L, sizeof *box);
  box->magic = &bind_tensor_magic;
  box->t = NULL;
  return box;
}

void bind_fill(lua_State *L, binding *b, int index, tn_tensor *t) {
  tensor_box *box = (tensor_box *)lua_touserdata(L, index);
  box->t = t;
  b->boxes++;
  int ref = b->tensor_mt[bind_place_of(tn_tensor_device(t))][tn_tensor_dtype(t)];
  if (ref == 0) ref = b->tensor_mt[TN_CPU][tn_tensor_dtype(t)];
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  lua_setmetatable(L, index);
}

static void push_value(lua_State *L, const tn_tensor *t, double value) {
#ifdef MOONLET_LUA54
  if (!tn_dtype_is_float(tn_tensor_dtype(t))) {
    lua_pushinteger(L, (lua_Integer)value);
    return;
  }
#endif
  (void)t;
  lua_pushnumber(L, value);
}

void bind_push_number(lua_State *L, const tn_tensor *t, int64_t index) {
  double value;
  if (tn_tensor_device(t) == TN_CPU) {
    value = tn_tensor_get(t, index);
  } else { /* what waits for a device hears of what went wrong there */
    binding *b = bind_find(L);
    if (b == NULL) bind_closed(L);
    bind_check(L, b, tn_tensor_read(b->ctx, t, index, &value));
  }
  push_value(L, t, value);
}

void bind_result_at(lua_State *L, binding *b, int index, tn_tensor *t, bool as_number) {
  if (as_number && tn_tensor_ndim(t) == 0 && !tn_requires_grad(t)) {
    double value;
    tn_status s = tn_tensor_read(b->ctx, t, 0, &value);
    if (s == TN_OK) push_value(L, t, value);
    tn_tensor_release(t);
    bind_check(L, b, s);
    lua_replace(L, index);
  } else {
    bind_fill(L, b, index, t);
  }
}

storage_box *bind_new_storage(lua_State *L, binding *b, tn_dtype dtype) {
  storage_box *box = (storage_box *)moonlet_newuserdata(L, sizeof *box);
  box->magic = &bind_storage_magic;
  box->s = NULL;
  box->dtype = dtype;
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->storage_mt[TN_CPU][dtype]);
  lua_setmetatable(L, -2);
  return box;
}

void bind_settle_storage(lua_State *L, binding *b, int index) {
  const storage_box *box = (const storage_box *)lua_touserdata(L, index);
  const int ref = b->storage_mt[bind_place_of(tn_storage_device(box->s))][box->dtype];
  if (ref == 0) return;
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  lua_setmetatable(L, index);
}

void bind_push_sizes(lua_State *L, binding *b, int n, const int64_t *sizes) {
  storage_box *box = bind_new_storage(L, b, TN_I64);
  bind_check(L, b, tn_storage_new(b->ctx, &box->s, sizeof(int64_t) * (size_t)n));
  memcpy(tn_storage_data(box->s), sizes, sizeof(int64_t) * (size_t)n);
}

/* -- Errors and memory ------------------------------------------------------------------------- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Results that lie about keep the next ones out of the caches (a loop over sums of 4 MB takes
 * 600 us each with one result at a time, 950 us with four that take turns), so the collector runs as
 * often as a tenth of the time allows. */
static void fit_room(binding *b, size_t most, double began, double ended) {
  double took = ended - began, since = began - b->collected;
  if (took > since / 8) b->room *= 2;
  else if (took < since / 16) b->room /= 2;
  if (b->room > most) b->room = most;
  if (b->room < LEAST) b->room = LEAST;
  const size_t limit = b->limits != NULL ? tn_budget_limit(b->limits->budget) : 0;
  if (limit > 0 && b->room > limit / 8) b->room = limit / 8;
  b->collected = ended;
}

#ifdef MOONLET_LUA54
static int return_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Lua 5.4 loses what a finalizer would have freed when there is no memory for the call of it. A call
 * that has just returned leaves what one at this depth needs. */
static bool finalizers_can_run(lua_State *L) {
  if (!lua_checkstack(L, LUA_MINSTACK)) return false;
  lua_pushcfunction(L, return_nothing);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}
#else
static bool finalizers_can_run(lua_State *L) {
  (void)L;
  return true;
}
#endif

void bind_collect(lua_State *L, binding *b) {
  double began = seconds();
  const int runs = lua_gc(L, LUA_GCISRUNNING, 0);
  if (!finalizers_can_run(L)) return;
  lua_gc(L, LUA_GCCOLLECT, 0);
  if (runs == 0) lua_gc(L, LUA_GCSTOP, 0); /* LuaJIT would let it run on */
  size_t live = tn_live_bytes(b->ctx), heap = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024;
  size_t most = live / 2 > 8 * heap ? live / 2 : 8 * heap;
  fit_room(b, most > PRESSURE ? most : PRESSURE, began, seconds());
  b->collect_at = live + b->room;
  size_t boxes = heap / 256;
  b->collect_boxes = boxes < BOXES ? BOXES : boxes < INT32_MAX ? (int)boxes : INT32_MAX;
  b->boxes = 0;
}

/* Lua's collector sees a few bytes for each tensor, whatever the tensor holds. */
void bind_pressure(lua_State *L, binding *b) {
  if (b->boxes > b->collect_boxes || tn_live_bytes(b->ctx) > b->collect_at) bind_collect(L, b);
}

void bind_where(lua_State *L) {
  for (int level = 1; level < 6; level++) {
    luaL_where(L, level);
    if (*lua_tostring(L, -1) != 0) return;
    lua_pop(L, 1);
  }
  lua_pushliteral(L, "");
}

int bind_error(lua_State *L, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  bind_where(L);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  return lua_error(L);
}

void bind_note(binding *b, tn_status s) {
  if (b->limits == NULL || s != TN_ENOMEM) return;
  snprintf(b->limits->memory, sizeof b->limits->memory, "%.255s", tn_message(b->ctx));
}

void bind_check(lua_State *L, binding *b, tn_status s) {
  if (s == TN_OK) {
    if (b->governed) moonlet_limits_tick(L, b->limits);
    return;
  }
  if (b->limits != NULL && s == TN_EINTERRUPT) moonlet_limits_raise(L, b->limits);
  bind_note(b, s);
  if (s == TN_EINTERRUPT && b->interrupt != NULL) { /* noticed: the hook need not raise it again */
    *b->interrupt = 0;
    lua_sethook(L, NULL, 0, 0);
  }
  bind_where(L);
  lua_pushstring(L, tn_message(b->ctx));
  lua_concat(L, 2);
  lua_error(L);
}

/* -- Arguments --------------------------------------------------------------------------------- */

int64_t bind_check_int(lua_State *L, int index, const char *function, const char *what) {
  int64_t v = 0;
  if (!moonlet_toint(L, index, &v)) {
    if (lua_type(L, index) == LUA_TNUMBER) {
      luaL_error(L, "%s: %s must be a whole number, got %f", function, what,
                 lua_tonumber(L, index));
    }
    luaL_error(L, "%s: a number expected as %s, got %s", function, what, luaL_typename(L, index));
  }
  return v;
}

int bind_sizes(lua_State *L, int first, int64_t *sizes, int most, int *last) {
  int n = 0, top = lua_gettop(L);
  *last = first;
  const storage_box *box = bind_to_storage(L, first);
  if (box != NULL) {
    size_t item = tn_dtype_size(box->dtype), count = tn_storage_bytes(box->s) / item;
    if (box->dtype != TN_I64 || count > (size_t)most) return -1;
    bind_bytes_on_cpu(L, box, "sizes");
    memcpy(sizes, tn_storage_data(box->s), count * sizeof(int64_t));
    return (int)count;
  }
  if (lua_istable(L, first)) {
    n = (int)lua_rawlen(L, first);
    if (n > most) return -1;
    for (int i = 0; i < n; i++) {
      lua_rawgeti(L, first, i + 1);
      bool ok = moonlet_toint(L, -1, &sizes[i]);
      lua_pop(L, 1);
      if (!ok) return -1;
    }
    return n;
  }
  while (first + n <= top && n < most && lua_type(L, first + n) == LUA_TNUMBER) {
    if (!moonlet_toint(L, first + n, &sizes[n])) return -1;
    n++;
  }
  *last = first + n - 1;
  return n > 0 ? n : -1;
}

bool bind_dtype(const char *name, tn_dtype *out) {
  char text[40];
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    if (strcmp(name, tn_dtype_name((tn_dtype)d)) != 0) continue;
    *out = (tn_dtype)d;
    return true;
  }
  if (strncmp(name, "torch.", 6) == 0) name += 6;
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    const char *torch = tn_dtype_torch_name((tn_dtype)d);
    snprintf(text, sizeof text, "%sTensor", torch);
    if (strcmp(name, text) == 0 || strcmp(name, torch) == 0 ||
        strcmp(name, tn_dtype_name((tn_dtype)d)) == 0) {
      *out = (tn_dtype)d;
      return true;
    }
  }
  if (strcmp(name, "half") == 0) *out = TN_F16;
  else if (strcmp(name, "float") == 0) *out = TN_F32;
  else if (strcmp(name, "double") == 0) *out = TN_F64;
  else if (strcmp(name, "long") == 0) *out = TN_I64;
  else if (strcmp(name, "int") == 0) *out = TN_I32;
  else return false;
  return true;
}

tn_status bind_number_tensor(tn_ctx *ctx, tn_tensor **out, double value) {
  bool whole = value == (double)(int64_t)(value > -9e18 && value < 9e18 ? value : 0);
  tn_status s = tn_tensor_scalar(ctx, out, whole ? TN_I64 : TN_F64, value);
  if (s == TN_OK) tn_tensor_mark_number(*out);
  return s;
}

void bind_register(lua_State *L, binding *b, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    lua_pushlightuserdata(L, b);
    lua_pushcclosure(L, functions->func, 1);
    lua_setfield(L, -2, functions->name);
  }
}

/* -- Opening ----------------------------------------------------------------------------------- */

static int tensor_gc(lua_State *L) {
  tensor_box *box = (tensor_box *)lua_touserdata(L, 1);
  if (box == NULL || box->magic != &bind_tensor_magic) return 0;
  tn_tensor *t = box->t;
  box->t = NULL;
  tn_tensor_release(t);
  return 0;
}

static int storage_gc(lua_State *L) {
  storage_box *box = (storage_box *)lua_touserdata(L, 1);
  if (box == NULL || box->magic != &bind_storage_magic) return 0;
  tn_storage *s = box->s;
  box->s = NULL;
  tn_storage_release(s);
  return 0;
}

static int binding_gc(lua_State *L) {
  binding *b = (binding *)lua_touserdata(L, 1);
  if (b->limits != NULL) b->limits->reclaim = NULL;
  tn_close(b->ctx);
  b->ctx = NULL;
  return 0;
}

static bool interrupted(void *user) {
  const binding *b = user;
  if (b->governed && moonlet_limits_over(b->limits)) return true;
  return b->interrupt != NULL && *b->interrupt != 0;
}

static void reclaim(void *ctx) { tn_memory_trim(ctx); }

static void read_limits(lua_State *L, binding *b) {
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_LIMITS);
  b->limits = (moonlet_limits *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (b->limits == NULL) return;
  b->governed = b->limits->governed;
  b->sandbox = b->limits->sandbox;
}

static const char binding_key = 'b';

static binding *registered(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &binding_key);
  binding *b = (binding *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return b;
}

binding *bind_find(lua_State *L) {
  binding *b = registered(L);
  return b != NULL && b->ready ? b : NULL;
}

/* The binding lives in the registry under a key of its own, for as long as the state does; one whose
 * opening failed is opened again. */
static binding *new_binding(lua_State *L) {
  static const char thread_key = 't';
  binding *b = registered(L);
  if (b != NULL && b->ctx != NULL) return b;
  b = (binding *)moonlet_newuserdata(L, sizeof *b);
  memset(b, 0, sizeof *b);
  lua_newtable(L);
  lua_pushcfunction(L, binding_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &binding_key);
  tn_config config = {.size = sizeof config, .threads = 1, .index_base = 1,
                      .interrupted = interrupted, .user = b};
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_THREADS);
  if (lua_isnumber(L, -1)) config.threads = (int)lua_tointeger(L, -1);
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_PARALLEL);
  const moonlet_host_threads *host = lua_touserdata(L, -1);
  if (host != NULL) config.parallel = host->parallel, config.parallel_user = host->user;
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_INTERRUPT);
  b->interrupt = (volatile sig_atomic_t *)lua_touserdata(L, -1);
  lua_pop(L, 3);
  read_limits(L, b);
  if (b->limits != NULL) config.budget = b->limits->budget;
  b->ctx = tn_open(&config);
  if (b->ctx == NULL) luaL_error(L, "torch: not enough memory");
  b->threads = tn_threads(b->ctx);
  if (b->limits != NULL) b->limits->reclaim_arg = b->ctx, b->limits->reclaim = reclaim;
  lua_getfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_DTYPE);
  tn_dtype dtype;
  if (lua_isstring(L, -1) && bind_dtype(lua_tostring(L, -1), &dtype)) {
    tn_set_default_dtype(b->ctx, dtype);
  }
  lua_pop(L, 1);
  /* every run has numbers of its own until torch.manualSeed says otherwise */
  uint32_t seed = 0;
  if (getentropy(&seed, sizeof seed) == 0) tn_seed(tn_default_generator(b->ctx), seed);
  b->collect_at = b->room = PRESSURE;
  b->collected = seconds();
  b->collect_boxes = BOXES;
  b->L = lua_newthread(L); /* not the caller's, which may be a coroutine that ends */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &thread_key);
  return b;
}

/* About as many functions and methods there are: tables that grow step by step cost a tenth of the
 * time that a state takes to open. */
enum { METHODS = 600 };

/* Pushes a new metatable named torch.<word><kind> and keeps a reference in *ref. */
static void new_metatable(lua_State *L, binding *b, tn_dtype dtype, const char *kind, int room,
                          lua_CFunction gc, int *ref) {
  lua_createtable(L, 0, room);
  lua_pushfstring(L, "torch.%s%s", tn_dtype_torch_name(dtype), kind);
  lua_setfield(L, -2, "__typename");
  lua_pushlightuserdata(L, b);
  lua_pushcclosure(L, gc, 1);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, -1);
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The metatable on the top is finished; in a sandbox its values get another one in front of it. */
static void finish_metatable(lua_State *L, binding *b, lua_CFunction gc, int ref) {
  if (!b->sandbox) return;
  bind_sandbox_hide(L, -1, gc, b);
  lua_rawseti(L, LUA_REGISTRYINDEX, ref);
}

/* Copies the fields of the table at `from` into the one on the top. */
static void copy_fields(lua_State *L, int from) {
  lua_pushnil(L);
  while (lua_next(L, from)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

int luaopen_moonlet_core(lua_State *L) {
  binding *b = new_binding(L);
  lua_settop(L, 0);
  lua_createtable(L, 0, METHODS); /* 1: the core table */
  lua_createtable(L, 0, METHODS); /* 2: methods of tensors */
  bind_open_calls(L, b, 1, 2);
  bind_open_tensor(L, b, 1, 2);
  bind_open_types(L, b, 1, 2);
  bind_open_device(L, b, 1, 2);
  bind_open_make(L, b, 1, 2);
  bind_open_random(L, b, 1, 2);
  bind_open_memory(L, b, 1);
  bind_open_storage(L, b, 1, 2);
  bind_open_grad(L, b, 1, 2);
  bind_open_system(L, b, 1);
  bind_open_plan(L, b, 1);
  bind_open_file(L, b, 1);
  bind_open_json(L, b, 1);
  if (b->sandbox) bind_sandbox_core(L, 1, 2);
  lua_newtable(L); /* 3: metatables by name */
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    new_metatable(L, b, (tn_dtype)d, "Tensor", METHODS, tensor_gc, &b->tensor_mt[TN_CPU][d]);
    copy_fields(L, 2);
    bind_open_index(L, b, lua_gettop(L));
    finish_metatable(L, b, tensor_gc, b->tensor_mt[TN_CPU][d]);
    lua_getfield(L, -1, "__typename");
    lua_insert(L, -2);
    lua_rawset(L, 3);
    new_metatable(L, b, (tn_dtype)d, "Storage", 32, storage_gc, &b->storage_mt[TN_CPU][d]);
    bind_open_storage(L, b, 0, lua_gettop(L));
    finish_metatable(L, b, storage_gc, b->storage_mt[TN_CPU][d]);
    lua_getfield(L, -1, "__typename");
    lua_insert(L, -2);
    lua_rawset(L, 3);
  }
  lua_setfield(L, 1, "metatables");
  lua_settop(L, 1);
  b->ready = true;
  return 1;
}
