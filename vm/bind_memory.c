/* bind_memory.c -- elements one by one for functions written in Lua, and memory of the host seen as
 * tensors. What LuaJIT does better by itself is in stdlib/torch/apply.lua and ffi.lua. */
#include <stdatomic.h>
#include <stdlib.h>

#include "bind.h"

/* -- x:apply(f), x:map(y, f), x:map2(y, z, f) -------------------------------------------------- */

enum { MOST = 3 };

/* What f returns knows nothing of gradients: x may be a leaf, which anyone may write to, but
 * nothing that was recorded, and what is read must not wait for a gradient. */
static void check_recorded(lua_State *L, binding *b, int count, tn_tensor *const *t,
                           const char *function) {
  if (!tn_grad_enabled(b->ctx)) return;
  for (int k = 0; k < count; k++) {
    if (!tn_requires_grad(t[k]) || (k == 0 && tn_is_leaf(t[0]))) continue;
    luaL_error(L, "%s: argument %d has a gradient, which a function of Lua's does not give: use "
               "torch.no_grad or :detach()", function, k + 1);
  }
}

/* Reads up to three tensors and the function after them; returns how many elements each has. */
static int64_t read_elements(lua_State *L, int count, tn_tensor **t, const char *function) {
  for (int k = 0; k < count; k++) t[k] = bind_check_tensor(L, k + 1, function);
  if (!lua_isfunction(L, count + 1)) {
    luaL_error(L, "%s: a function expected as argument %d, got %s", function, count + 1,
               luaL_typename(L, count + 1));
  }
  if (lua_gettop(L) > count + 1) luaL_error(L, "%s: %d arguments expected", function, count + 1);
  int64_t n = tn_tensor_numel(t[0]);
  for (int k = 1; k < count; k++) {
    if (tn_tensor_numel(t[k]) == n) continue;
    luaL_error(L, "%s: tensors of as many elements expected, got %d and %d", function, (int)n,
               (int)tn_tensor_numel(t[k]));
  }
  check_recorded(L, bind_state(L), count, t, function);
  if (n > 0) tn_storage_touch(tn_tensor_storage(t[0]));
  return n;
}

static int map_elements(lua_State *L, int count, const char *function) {
  tn_tensor *t[MOST];
  const binding *b = bind_state(L);
  const int64_t n = read_elements(L, count, t, function);
  for (int64_t i = 0; i < n; i++) {
    if (b->governed) moonlet_limits_work(L, b->limits, 4);
    lua_pushvalue(L, count + 1);
    for (int k = 0; k < count; k++) bind_push_number(L, t[k], i);
    lua_call(L, count, 1);
    for (int k = 0; k < count; k++) { /* the function may have resized them */
      if (tn_tensor_numel(t[k]) != n) {
        return luaL_error(L, "%s: the function changed the size of argument %d", function, k + 1);
      }
    }
    if (lua_isnumber(L, -1)) {
      tn_tensor_put(t[0], i, lua_tonumber(L, -1));
    } else if (!lua_isnil(L, -1)) {
      return luaL_error(L, "%s: the function must return a number or nothing, got %s", function,
                        luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
  lua_settop(L, 1);
  return 1;
}

static int apply(lua_State *L) { return map_elements(L, 1, "apply"); }
static int map(lua_State *L) { return map_elements(L, 2, "map"); }
static int map2(lua_State *L) { return map_elements(L, 3, "map2"); }

/* core.begin_map(tensors, function's name, x[, y[, z]], f): the checks of the above, for a loop
 * written in Lua. Returns how many elements there are; nothing where Lua cannot see them. */
static int begin_map(lua_State *L) {
  tn_tensor *t[MOST];
  const int count = (int)lua_tointeger(L, 1);
  const char *function = lua_tostring(L, 2);
  if (count < 1 || count > MOST || function == NULL) return luaL_error(L, "begin_map: bad call");
  lua_remove(L, 1);
  lua_remove(L, 1); /* the name stays alive as the caller's constant */
  const int64_t n = read_elements(L, count, t, function);
  for (int k = 0; k < count; k++) {
    if (tn_tensor_device(t[k]) != TN_CPU) return 0;
  }
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/* core.data_cell(x): where the address of the storage's memory stands. */
static int data_cell(lua_State *L) {
  tn_tensor *t = bind_check_tensor(L, 1, "data_cell");
  bind_on_cpu(L, t, "data_cell");
  tn_storage_expose(tn_tensor_storage(t));
  lua_pushlightuserdata(L, (void *)(uintptr_t)tn_storage_cell(tn_tensor_storage(t)));
  return 1;
}

/* core.data_address(x): the address of the first element of a tensor or storage, as a number. */
static int data_address(lua_State *L) {
  const storage_box *box = bind_to_storage(L, 1);
  const void *data = NULL;
  if (box != NULL) {
    bind_bytes_on_cpu(L, box, "data");
    data = box->s != NULL ? tn_storage_data(box->s) : NULL;
    if (box->s != NULL) tn_storage_expose(box->s);
  } else {
    tn_tensor *t = bind_check_tensor(L, 1, "data");
    bind_on_cpu(L, t, "data");
    tn_storage_expose(tn_tensor_storage(t));
    data = tn_tensor_data(t);
  }
  lua_pushnumber(L, (lua_Number)(uintptr_t)data);
  return 1;
}

/* -- Memory of the host ------------------------------------------------------------------------ */

/* An owner that Lua keeps alive for a storage. The storage's last reference may go on any thread,
 * where nothing of Lua can be touched: so it is only marked, and let go at the state's next chance.
 * A state that closes before leaves the record to the storage. */
typedef struct owner {
  atomic_int state;
  int ref;
  struct owner *next;
} owner;

enum { OWNED, RELEASED, ORPHANED };

/* The owners of one Lua state; a userdata in its registry. */
typedef struct {
  owner *first;
  bool closing;
} owner_list;

static const char *const owners_key = "moonlet.owners", *const sentinel_key = "moonlet.sentinel";

static void release_owner(void *arg) {
  owner *o = (owner *)arg;
  if (atomic_exchange(&o->state, RELEASED) == ORPHANED) free(o);
}

static void sweep_owners(lua_State *L, owner_list *list) {
  for (owner **at = &list->first; *at != NULL;) {
    owner *o = *at;
    if (atomic_load(&o->state) != RELEASED) {
      at = &o->next;
      continue;
    }
    *at = o->next;
    luaL_unref(L, LUA_REGISTRYINDEX, o->ref);
    free(o);
  }
}

static owner_list *owners_of(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, owners_key);
  owner_list *list = (owner_list *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return list;
}

static int owners_gc(lua_State *L) {
  owner_list *list = (owner_list *)lua_touserdata(L, 1);
  for (owner *o = list->first; o != NULL;) {
    owner *next = o->next;
    if (atomic_exchange(&o->state, ORPHANED) == RELEASED) free(o);
    o = next;
  }
  list->first = NULL;
  list->closing = true;
  return 0;
}

static void push_sentinel(lua_State *L) {
  moonlet_newuserdata(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, sentinel_key);
  lua_setmetatable(L, -2);
}

/* Garbage of every collection: then owners are looked at. */
static int sentinel_gc(lua_State *L) {
  owner_list *list = owners_of(L);
  if (list == NULL || list->closing) return 0;
  sweep_owners(L, list);
  if (list->first != NULL) push_sentinel(L);
  return 0;
}

/* The address at `index`: a light userdata, or a number as stdlib makes one of a pointer. */
static uintptr_t check_address(lua_State *L, int index) {
  int64_t whole = 0;
  if (lua_type(L, index) == LUA_TLIGHTUSERDATA) return (uintptr_t)lua_touserdata(L, index);
  if (!moonlet_toint(L, index, &whole) || whole < 0) {
    luaL_error(L, "from_pointer: a pointer expected as argument 1, got %s",
               luaL_typename(L, index));
  }
  return (uintptr_t)whole;
}

/* How many bytes tensors of these sizes take. */
static size_t check_sizes(lua_State *L, int n, const int64_t *sizes, size_t item) {
  int64_t bytes = (int64_t)item;
  bool empty = false;
  for (int k = 0; k < n; k++) {
    if (sizes[k] < 0) luaL_error(L, "from_pointer: a size of %d", (int)sizes[k]);
    empty = empty || sizes[k] == 0;
  }
  for (int k = 0; k < n && !empty; k++) {
    if (__builtin_mul_overflow(bytes, sizes[k], &bytes) || bytes > BIND_MOST) {
      luaL_error(L, "from_pointer: the sizes are more than memory can hold");
    }
  }
  return empty ? 0 : (size_t)bytes;
}

/* Remembers the value at `index`, until the storage is released. */
static owner *new_owner(lua_State *L, int index) {
  owner_list *list = owners_of(L);
  sweep_owners(L, list);
  bool first = list->first == NULL;
  owner *o = (owner *)malloc(sizeof *o);
  if (o == NULL) luaL_error(L, "from_pointer: not enough memory");
  atomic_init(&o->state, RELEASED); /* until a storage has it */
  o->ref = LUA_NOREF;
  o->next = list->first;
  list->first = o;
  lua_pushvalue(L, index);
  o->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (first) {
    push_sentinel(L);
    lua_pop(L, 1);
  }
  return o;
}

/* core.from_pointer(address, sizes, type's name, owner): a tensor that shows memory of the host. */
static int from_pointer(lua_State *L) {
  binding *b = bind_state(L);
  int64_t sizes[TN_MAX_DIMS];
  tn_dtype dtype;
  tn_storage *storage = NULL;
  tn_tensor *t = NULL;
  lua_settop(L, 4);
  const uintptr_t address = check_address(L, 1);
  int last, n = bind_sizes(L, 2, sizes, TN_MAX_DIMS, &last);
  if (n < 0) return luaL_error(L, "from_pointer: sizes expected as argument 2");
  if (lua_type(L, 3) != LUA_TSTRING || !bind_dtype(lua_tostring(L, 3), &dtype)) {
    return luaL_error(L, "from_pointer: the name of a type expected as argument 3");
  }
  const size_t bytes = check_sizes(L, n, sizes, tn_dtype_size(dtype));
  if (bytes > 0 && address == 0) return luaL_error(L, "from_pointer: the pointer is NULL");
  if (address % tn_dtype_size(dtype) != 0) {
    return luaL_error(L, "from_pointer: the address is not aligned for %s", tn_dtype_name(dtype));
  }
  bind_new_box(L);
  int box = lua_gettop(L);
  owner *o = new_owner(L, 4);
  bind_check(L, b, tn_storage_borrow(b->ctx, &storage, (void *)address, bytes, release_owner, o));
  atomic_store(&o->state, OWNED);
  tn_status s = tn_tensor_view(b->ctx, &t, storage, dtype, n, sizes, NULL, 0);
  tn_storage_release(storage);
  bind_check(L, b, s);
  bind_fill(L, b, box, t);
  lua_settop(L, box);
  return 1;
}

void bind_open_memory(lua_State *L, binding *b, int core) {
  static const luaL_Reg functions[] = {
      {"apply", apply}, {"map", map}, {"map2", map2}, {"begin_map", begin_map},
      {"data_cell", data_cell}, {"data_address", data_address},
      {"from_pointer", from_pointer}, {NULL, NULL}};
  lua_newtable(L);
  lua_pushcfunction(L, sentinel_gc);
  lua_setfield(L, -2, "__gc");
  lua_setfield(L, LUA_REGISTRYINDEX, sentinel_key);
  owner_list *list = (owner_list *)moonlet_newuserdata(L, sizeof *list);
  list->first = NULL;
  list->closing = false;
  lua_newtable(L);
  lua_pushcfunction(L, owners_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, owners_key);
  lua_pushvalue(L, core);
  bind_register(L, b, functions);
  lua_pop(L, 1);
}
