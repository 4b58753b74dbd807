/* bind_cuda.c -- torch.cuda: devices and their memory, streams, events, captured graphs, and pinned
 * memory. stdlib/torch/cuda.lua makes of it what scripts see. Devices are numbered from 1, or named:
 * 'cuda:0'. Nothing of it is in a sandbox, or in the embedded build. */
#include "bind.h"
#include "tensor/streams.h"

#ifndef MOONLET_EMBED

/* -- Userdata ---------------------------------------------------------------------------------- */

typedef struct {
  const void *magic;
  tn_device device;
  int stream;
  bool holds; /* the number, until it is finalised */
} stream_box;

typedef struct {
  const void *magic;
  void *held; /* a tn_event or a tn_graph */
  tn_device device;
} held_box;

static const char stream_magic = 's', event_magic = 'e', graph_magic = 'g';

static void *to_box(lua_State *L, int index, const void *magic, size_t size) {
  void *box = lua_touserdata(L, index);
  if (box == NULL || lua_rawlen(L, index) < size || *(const void **)box != magic) return NULL;
  return box;
}

static stream_box *check_stream(lua_State *L, int index, const char *function) {
  stream_box *box = (stream_box *)to_box(L, index, &stream_magic, sizeof *box);
  if (box == NULL) {
    luaL_error(L, "%s: a torch.cuda.Stream expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  return box;
}

static tn_event *check_event(lua_State *L, int index, const char *function, tn_device *device) {
  const held_box *box = (held_box *)to_box(L, index, &event_magic, sizeof *box);
  if (box == NULL || box->held == NULL) {
    luaL_error(L, "%s: a torch.cuda.Event expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  if (device != NULL) *device = box->device;
  return (tn_event *)box->held;
}

static tn_graph *check_graph(lua_State *L, int index) {
  const held_box *box = (held_box *)to_box(L, index, &graph_magic, sizeof *box);
  if (box == NULL || box->held == NULL) luaL_error(L, "graph: a captured graph expected");
  return (tn_graph *)box->held;
}

static void set_metatable(lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, name);
  lua_setmetatable(L, -2);
}

static stream_box *push_stream(lua_State *L, tn_device device) {
  stream_box *box = (stream_box *)moonlet_newuserdata(L, sizeof *box);
  *box = (stream_box){&stream_magic, device, 0, false};
  set_metatable(L, "moonlet.cuda.Stream");
  return box;
}

/* The stream at `index`, or the current one of the device. */
static int stream_at(lua_State *L, binding *b, int index, const char *function, tn_device device) {
  int stream = 0;
  if (lua_isnoneornil(L, index)) {
    bind_check(L, b, tn_stream_current(b->ctx, device, &stream));
    return stream;
  }
  const stream_box *box = check_stream(L, index, function);
  if (box->device != device) luaL_error(L, "%s: the stream is one of another device", function);
  return box->stream;
}

/* -- Devices ----------------------------------------------------------------------------------- */

static void push_device(lua_State *L, tn_device device) {
  lua_pushinteger(L, (device >> 8) + 1);
}

static int current_device(lua_State *L) {
  binding *b = bind_state(L);
  lua_settop(L, 0);
  push_device(L, bind_check_gpu(L, b, 1, "current_device"));
  return 1;
}

/* set_device(device): which GPU 'cuda' means from now on. */
static int set_device(lua_State *L) {
  binding *b = bind_state(L);
  if (lua_isnoneornil(L, 1)) return luaL_error(L, "set_device: the number of a device expected");
  tn_set_current_device(b->ctx, bind_check_gpu(L, b, 1, "set_device"));
  return 0;
}

static tn_device_info describe(lua_State *L, const char *function) {
  binding *b = bind_state(L);
  tn_device_info info;
  bind_check(L, b, tn_device_describe(b->ctx, bind_check_gpu(L, b, 1, function), &info));
  return info;
}

static int get_device_name(lua_State *L) {
  const tn_device_info info = describe(L, "get_device_name");
  lua_pushstring(L, info.name);
  return 1;
}

static int get_device_capability(lua_State *L) {
  const tn_device_info info = describe(L, "get_device_capability");
  lua_pushinteger(L, info.major);
  lua_pushinteger(L, info.minor);
  return 2;
}

/* mem_get_info([device]) → free bytes, all bytes */
static int mem_get_info(lua_State *L) {
  const tn_device_info info = describe(L, "mem_get_info");
  lua_pushnumber(L, (lua_Number)info.free_memory);
  lua_pushnumber(L, (lua_Number)info.memory);
  return 2;
}

static void set_number(lua_State *L, const char *key, double value) {
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, key);
}

static int get_device_properties(lua_State *L) {
  const tn_device_info info = describe(L, "get_device_properties");
  lua_newtable(L);
  lua_pushstring(L, info.name);
  lua_setfield(L, -2, "name");
  set_number(L, "total_memory", (double)info.memory);
  lua_pushinteger(L, info.major), lua_setfield(L, -2, "major");
  lua_pushinteger(L, info.minor), lua_setfield(L, -2, "minor");
  lua_pushinteger(L, info.processors), lua_setfield(L, -2, "multi_processor_count");
  return 1;
}

/* allow_tf32([yes]) → what was allowed: may products of float32 round what they multiply? */
static int allow_tf32(lua_State *L) {
  tn_ctx *ctx = bind_state(L)->ctx;
  const bool was = tn_allow_tf32(ctx, false);
  if (lua_gettop(L) > 0) luaL_checktype(L, 1, LUA_TBOOLEAN);
  tn_allow_tf32(ctx, lua_gettop(L) > 0 ? lua_toboolean(L, 1) : was);
  lua_pushboolean(L, was);
  return 1;
}

/* cudnn([{enabled, benchmark, deterministic}]) → such a table of what was set: whether convolutions
 * may use cuDNN, try several of its ways and keep the fastest, and must give the same sums always. */
static int cudnn(lua_State *L) {
  static const struct {
    const char *name;
    int flag;
  } fields[] = {{"enabled", TN_CUDNN_ENABLED}, {"benchmark", TN_CUDNN_BENCHMARK},
                {"deterministic", TN_CUDNN_DETERMINISTIC}};
  const int n = (int)(sizeof fields / sizeof *fields), was = tn_cudnn(-1);
  int flags = was;
  const bool given = !lua_isnoneornil(L, 1);
  if (given) luaL_checktype(L, 1, LUA_TTABLE);
  for (int k = 0; given && k < n; k++) {
    lua_getfield(L, 1, fields[k].name);
    if (!lua_isnil(L, -1)) {
      flags = lua_toboolean(L, -1) ? flags | fields[k].flag : flags & ~fields[k].flag;
    }
    lua_pop(L, 1);
  }
  tn_cudnn(flags);
  lua_createtable(L, 0, n);
  for (int k = 0; k < n; k++) {
    lua_pushboolean(L, was & fields[k].flag);
    lua_setfield(L, -2, fields[k].name);
  }
  return 1;
}

/* detours() → {operation = how often}: what the CPU did on copies of a GPU's values, since the
 * operation has no kernel for it. */
static int detours(lua_State *L) {
  lua_newtable(L);
  for (int code = 0; code < TN_OP_COUNT; code++) {
    const uint64_t n = tn_device_detours((tn_opcode)code);
    if (n == 0) continue;
    lua_pushnumber(L, (lua_Number)n);
    lua_setfield(L, -2, tn_op_describe((tn_opcode)code).name);
  }
  return 1;
}

/* has_kernel() → {operation = whether a GPU does it itself} */
static int has_kernel(lua_State *L) {
  lua_newtable(L);
  for (int code = 0; code < TN_OP_COUNT; code++) {
    lua_pushboolean(L, tn_device_has_kernel(bind_state(L)->ctx, (tn_opcode)code));
    lua_setfield(L, -2, tn_op_describe((tn_opcode)code).name);
  }
  return 1;
}

/* -- Memory ------------------------------------------------------------------------------------ */

static tn_device_memory memory_here(lua_State *L, const char *function, bool forget_most) {
  binding *b = bind_state(L);
  tn_device_memory m;
  const tn_device device = bind_check_gpu(L, b, 1, function);
  bind_check(L, b, tn_device_memory_of(b->ctx, device, &m, forget_most));
  return m;
}

static int memory_stats(lua_State *L) {
  const tn_device_memory m = memory_here(L, "memory_stats", false);
  lua_newtable(L);
  set_number(L, "allocated_bytes.all.current", (double)m.allocated);
  set_number(L, "allocated_bytes.all.peak", (double)m.most_allocated);
  set_number(L, "reserved_bytes.all.current", (double)m.reserved);
  set_number(L, "reserved_bytes.all.peak", (double)m.most_reserved);
  set_number(L, "allocation.all.current", (double)m.blocks);
  set_number(L, "allocation.all.allocated", (double)m.taken);
  set_number(L, "segment.all.allocated", (double)m.segments);
  set_number(L, "num_alloc_retries", (double)m.retries);
  set_number(L, "num_ooms", (double)m.failures);
  return 1;
}

static int memory_allocated(lua_State *L) {
  lua_pushnumber(L, (lua_Number)memory_here(L, "memory_allocated", false).allocated);
  return 1;
}

static int max_memory_allocated(lua_State *L) {
  lua_pushnumber(L, (lua_Number)memory_here(L, "max_memory_allocated", false).most_allocated);
  return 1;
}

static int memory_reserved(lua_State *L) {
  lua_pushnumber(L, (lua_Number)memory_here(L, "memory_reserved", false).reserved);
  return 1;
}

static int max_memory_reserved(lua_State *L) {
  lua_pushnumber(L, (lua_Number)memory_here(L, "max_memory_reserved", false).most_reserved);
  return 1;
}

static int reset_peak_memory_stats(lua_State *L) {
  memory_here(L, "reset_peak_memory_stats", true);
  return 0;
}

/* empty_cache([device]): garbage first, so that what it holds can go, too. */
static int empty_cache(lua_State *L) {
  binding *b = bind_state(L);
  const tn_device device = bind_check_gpu(L, b, 1, "empty_cache");
  bind_collect(L, b);
  bind_check(L, b, tn_device_trim(b->ctx, device));
  return 0;
}

/* -- Streams ----------------------------------------------------------------------------------- */

/* Stream([device [, priority]]) */
static int new_stream(lua_State *L) {
  binding *b = bind_state(L);
  const tn_device device = bind_check_gpu(L, b, 1, "Stream");
  const int priority = lua_isnoneornil(L, 2)
                           ? 0 : (int)bind_check_int(L, 2, "Stream", "a priority");
  if (priority < -100 || priority > 100) {
    return luaL_error(L, "Stream: a priority of %d: -1 is high, 0 is low", priority);
  }
  stream_box *box = push_stream(L, device);
  bind_check(L, b, tn_stream_new(b->ctx, device, priority, &box->stream));
  box->holds = true;
  return 1;
}

static int stream_gc(lua_State *L) {
  stream_box *box = (stream_box *)lua_touserdata(L, 1);
  if (box->holds) tn_stream_free(box->device, box->stream);
  box->holds = false;
  return 0;
}

static int default_stream(lua_State *L) {
  push_stream(L, bind_check_gpu(L, bind_state(L), 1, "default_stream"));
  return 1;
}

static int current_stream(lua_State *L) {
  binding *b = bind_state(L);
  stream_box *box = push_stream(L, bind_check_gpu(L, b, 1, "current_stream"));
  bind_check(L, b, tn_stream_current(b->ctx, box->device, &box->stream));
  return 1;
}

/* set_stream(stream | nil [, device]): nil is the default one. */
static int set_stream(lua_State *L) {
  binding *b = bind_state(L);
  tn_device device;
  int stream = 0;
  if (lua_isnoneornil(L, 1)) {
    device = bind_check_gpu(L, b, 2, "set_stream");
  } else {
    const stream_box *box = check_stream(L, 1, "set_stream");
    device = box->device;
    stream = box->stream;
  }
  bind_check(L, b, tn_stream_use(b->ctx, device, stream));
  return 0;
}

static int stream_synchronize(lua_State *L) {
  binding *b = bind_state(L);
  const stream_box *box = check_stream(L, 1, "synchronize");
  bind_check(L, b, tn_stream_wait(b->ctx, box->device, box->stream));
  return 0;
}

static int stream_query(lua_State *L) {
  binding *b = bind_state(L);
  const stream_box *box = check_stream(L, 1, "query");
  bool done;
  bind_check(L, b, tn_stream_done(b->ctx, box->device, box->stream, &done));
  lua_pushboolean(L, done);
  return 1;
}

static int stream_device(lua_State *L) {
  push_device(L, check_stream(L, 1, "device")->device);
  return 1;
}

/* Are both the same stream? Two objects of the default one are. */
static int stream_eq(lua_State *L) {
  const stream_box *a = check_stream(L, 1, "=="), *b = check_stream(L, 2, "==");
  lua_pushboolean(L, a->device == b->device && a->stream == b->stream);
  return 1;
}

/* The cudaStream_t, for foreign code. */
static int stream_handle(lua_State *L) {
  const stream_box *box = check_stream(L, 1, "handle");
  lua_pushlightuserdata(L, tn_stream_handle(box->device, box->stream));
  return 1;
}

/* s:wait_event(e): what is asked of s from now on waits for e. */
static int stream_wait_event(lua_State *L) {
  binding *b = bind_state(L);
  const stream_box *box = check_stream(L, 1, "wait_event");
  tn_event *event = check_event(L, 2, "wait_event", NULL);
  bind_check(L, b, tn_event_follow(b->ctx, event, box->device, box->stream));
  return 0;
}

/* -- Events ------------------------------------------------------------------------------------ */

/* Event([{enable_timing = true} [, device]]) */
static int new_event(lua_State *L) {
  binding *b = bind_state(L);
  tn_event *event = NULL;
  bool timing = true;
  if (lua_istable(L, 1)) {
    lua_getfield(L, 1, "enable_timing");
    timing = lua_isnil(L, -1) || lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  const tn_device device = bind_check_gpu(L, b, 2, "Event");
  held_box *box = (held_box *)moonlet_newuserdata(L, sizeof *box);
  *box = (held_box){&event_magic, NULL, device};
  set_metatable(L, "moonlet.cuda.Event");
  bind_check(L, b, tn_event_new(b->ctx, &event, device, timing));
  box->held = event;
  return 1;
}

static int event_gc(lua_State *L) {
  held_box *box = (held_box *)lua_touserdata(L, 1);
  tn_event_free((tn_event *)box->held);
  box->held = NULL;
  return 0;
}

/* e:record([stream]) */
static int event_record(lua_State *L) {
  binding *b = bind_state(L);
  tn_device device;
  tn_event *event = check_event(L, 1, "record", &device);
  bind_check(L, b, tn_event_record(b->ctx, event, stream_at(L, b, 2, "record", device)));
  lua_settop(L, 1);
  return 1;
}

/* e:wait([stream]): what is asked of the stream from now on waits for e. */
static int event_wait(lua_State *L) {
  binding *b = bind_state(L);
  tn_device device;
  tn_event *event = check_event(L, 1, "wait", &device);
  if (!lua_isnoneornil(L, 2)) device = check_stream(L, 2, "wait")->device;
  bind_check(L, b, tn_event_follow(b->ctx, event, device, stream_at(L, b, 2, "wait", device)));
  return 0;
}

static int event_synchronize(lua_State *L) {
  binding *b = bind_state(L);
  bind_check(L, b, tn_event_wait(b->ctx, check_event(L, 1, "synchronize", NULL)));
  return 0;
}

static int event_query(lua_State *L) {
  binding *b = bind_state(L);
  bool done;
  bind_check(L, b, tn_event_done(b->ctx, check_event(L, 1, "query", NULL), &done));
  lua_pushboolean(L, done);
  return 1;
}

/* begin:elapsed_time(end) → milliseconds */
static int event_elapsed_time(lua_State *L) {
  binding *b = bind_state(L);
  double milliseconds = 0;
  tn_event *begin = check_event(L, 1, "elapsed_time", NULL);
  tn_event *end = check_event(L, 2, "elapsed_time", NULL);
  bind_check(L, b, tn_event_time(b->ctx, begin, end, &milliseconds));
  lua_pushnumber(L, (lua_Number)milliseconds);
  return 1;
}

/* -- Graphs ------------------------------------------------------------------------------------ */

/* graph_begin() → a graph that notes what is asked of the current device until graph:finish() */
static int graph_begin(lua_State *L) {
  binding *b = bind_state(L);
  tn_graph *graph = NULL;
  const tn_device device = bind_check_gpu(L, b, 1, "graph");
  held_box *box = (held_box *)moonlet_newuserdata(L, sizeof *box);
  *box = (held_box){&graph_magic, NULL, device};
  set_metatable(L, "moonlet.cuda.Graph");
  bind_check(L, b, tn_graph_begin(b->ctx, &graph, device));
  box->held = graph;
  return 1;
}

static int is_capturing(lua_State *L) {
  lua_pushboolean(L, tn_capturing());
  return 1;
}

static int graph_gc(lua_State *L) {
  held_box *box = (held_box *)lua_touserdata(L, 1);
  tn_graph_release((tn_graph *)box->held);
  box->held = NULL;
  return 0;
}

static int graph_finish(lua_State *L) {
  binding *b = bind_state(L);
  bind_check(L, b, tn_graph_end(b->ctx, check_graph(L, 1)));
  return 0;
}

/* Ends the capture after an error in what was captured, which the caller passes on. */
static int graph_abandon(lua_State *L) {
  binding *b = bind_state(L);
  tn_graph_end(b->ctx, check_graph(L, 1));
  return graph_gc(L);
}

static int graph_replay(lua_State *L) {
  binding *b = bind_state(L);
  bind_check(L, b, tn_graph_run(b->ctx, check_graph(L, 1)));
  return 0;
}

/* -- Pinned memory ----------------------------------------------------------------------------- */

/* x:pin_memory(): x in memory that a GPU reaches by itself. */
static int pin_memory(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "pin_memory"), *out = NULL;
  bind_on_cpu(L, t, "pin_memory");
  if (tn_tensor_is_pinned(t)) {
    lua_settop(L, 1);
    return 1;
  }
  bind_pressure(L, b);
  bind_new_box(L);
  tn_status s = tn_tensor_pin(b->ctx, &out, t);
  if (s == TN_ENOMEM) {
    bind_collect(L, b);
    s = tn_tensor_pin(b->ctx, &out, t);
  }
  bind_check(L, b, s);
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

static int is_pinned(lua_State *L) {
  lua_pushboolean(L, tn_tensor_is_pinned(bind_check_tensor(L, 1, "is_pinned")));
  return 1;
}

/* x:copyAsync(y): x:copy(y), but between pinned memory and a GPU without waiting. */
static int copy_async(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *to = bind_check_tensor(L, 1, "copyAsync"), *from = bind_check_tensor(L, 2, "copyAsync");
  bind_check(L, b, tn_copy_later(b->ctx, to, from));
  lua_settop(L, 1);
  return 1;
}

/* -- Registration ------------------------------------------------------------------------------ */

/* Puts the class of a kind of userdata into the registry. */
static void new_class(lua_State *L, binding *b, const char *key, const char *name,
                      const luaL_Reg *methods, lua_CFunction gc) {
  lua_newtable(L);
  bind_register(L, b, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__typename");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_setfield(L, LUA_REGISTRYINDEX, key);
}

static int collect(lua_State *L) {
  bind_collect(L, (binding *)lua_touserdata(L, 1));
  return 0;
}

/* An error in a finalizer must not pass through the core. */
static bool reclaim(void *user) {
  binding *b = (binding *)user;
  if (b->L == NULL || !lua_checkstack(b->L, 4)) return false;
  lua_pushcfunction(b->L, collect);
  lua_pushlightuserdata(b->L, b);
  const bool done = lua_pcall(b->L, 1, 0, 0) == 0;
  if (!done) lua_pop(b->L, 1);
  return done;
}

/* cuda.open(cuda): puts all there is into the table. States of programs that never ask for a GPU open
 * sooner without. */
static int open_all(lua_State *L) {
  binding *b = bind_state(L);
  static const luaL_Reg functions[] = {
      {"current_device", current_device}, {"set_device", set_device},
      {"get_device_name", get_device_name}, {"get_device_capability", get_device_capability},
      {"get_device_properties", get_device_properties}, {"mem_get_info", mem_get_info},
      {"memory_stats", memory_stats}, {"memory_allocated", memory_allocated},
      {"max_memory_allocated", max_memory_allocated}, {"memory_reserved", memory_reserved},
      {"max_memory_reserved", max_memory_reserved},
      {"reset_peak_memory_stats", reset_peak_memory_stats}, {"empty_cache", empty_cache},
      {"detours", detours}, {"has_kernel", has_kernel}, {"allow_tf32", allow_tf32},
      {"cudnn", cudnn},
      {"Stream", new_stream}, {"default_stream", default_stream},
      {"current_stream", current_stream}, {"set_stream", set_stream},
      {"Event", new_event}, {"graph_begin", graph_begin},
      {"is_current_stream_capturing", is_capturing}, {NULL, NULL}};
  static const luaL_Reg of_streams[] = {
      {"synchronize", stream_synchronize}, {"query", stream_query}, {"device", stream_device},
      {"handle", stream_handle}, {"wait_event", stream_wait_event}, {"__eq", stream_eq},
      {NULL, NULL}};
  static const luaL_Reg of_events[] = {
      {"record", event_record}, {"wait", event_wait}, {"synchronize", event_synchronize},
      {"query", event_query}, {"elapsed_time", event_elapsed_time}, {NULL, NULL}};
  static const luaL_Reg of_graphs[] = {{"finish", graph_finish}, {"abandon", graph_abandon},
                                       {"replay", graph_replay}, {NULL, NULL}};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  new_class(L, b, "moonlet.cuda.Stream", "torch.cuda.Stream", of_streams, stream_gc);
  new_class(L, b, "moonlet.cuda.Event", "torch.cuda.Event", of_events, event_gc);
  new_class(L, b, "moonlet.cuda.Graph", "torch.cuda.CapturedGraph", of_graphs, graph_gc);
  lua_settop(L, 1);
  bind_register(L, b, functions);
  lua_getfield(L, LUA_REGISTRYINDEX, "moonlet.cuda.Stream");
  lua_setfield(L, 1, "stream_methods");
  return 0;
}

void bind_open_cuda(lua_State *L, binding *b, int cuda, int methods) {
  static const luaL_Reg functions[] = {{"open", open_all}, {NULL, NULL}};
  static const luaL_Reg of_tensors[] = {{"pin_memory", pin_memory}, {"is_pinned", is_pinned},
                                        {"copyAsync", copy_async}, {NULL, NULL}};
  tn_set_reclaim(b->ctx, reclaim);
  lua_pushvalue(L, methods);
  bind_register(L, b, of_tensors);
  lua_pushvalue(L, cuda);
  bind_register(L, b, functions);
  lua_pop(L, 2);
}

#else
typedef int nothing_of_cuda; /* a file has to have something in it */
#endif
