/* bind_device.c -- tensors on a GPU: x:cuda(), x:cpu(), x:to(...), and the table torch.cuda. */
#include <string.h>

#include "bind.h"
#include "tensor/streams.h"

typedef tn_status way(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_device device,
                      tn_dtype dtype);

/* Pushes x on a device, in a dtype: x itself where it is so already. */
static int moved_by(lua_State *L, way *move, tn_device device, tn_dtype dtype) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_to_tensor(L, 1), *out = NULL;
  if (tn_tensor_device(t) == device && tn_tensor_dtype(t) == dtype) {
    lua_pushvalue(L, 1);
    return 1;
  }
  bind_pressure(L, b);
  bind_new_box(L);
  tn_status s = move(b->ctx, &out, t, device, dtype);
  if (s == TN_ENOMEM) {
    bind_collect(L, b);
    s = move(b->ctx, &out, t, device, dtype);
  }
  bind_check(L, b, s);
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

static int moved(lua_State *L, tn_device device, tn_dtype dtype) {
  return moved_by(L, tn_tensor_to, device, dtype);
}

tn_device bind_check_device(lua_State *L, binding *b, int index, const char *function) {
  tn_device device = TN_CPU;
  if (lua_type(L, index) != LUA_TSTRING) {
    luaL_error(L, "%s: the name of a device expected, got %s", function, luaL_typename(L, index));
  }
  if (b->sandbox && strcmp(lua_tostring(L, index), "cpu") != 0)
    luaL_error(L, "%s: no devices in a sandbox", function);
  bind_check(L, b, tn_device_parse(b->ctx, &device, lua_tostring(L, index)));
  return device;
}

tn_device bind_check_gpu(lua_State *L, binding *b, int index, const char *function) {
  char name[TN_DEVICE_TEXT] = "cuda";
  tn_device device = TN_CPU;
  if (lua_type(L, index) == LUA_TSTRING) {
    device = bind_check_device(L, b, index, function);
    if (device == TN_CPU) luaL_error(L, "%s: a GPU expected, got 'cpu'", function);
    return device;
  }
  if (!lua_isnoneornil(L, index)) {
    const int64_t i = bind_check_int(L, index, function, "the number of a device");
    if (i < 1 || i > 128) luaL_error(L, "%s: devices are numbered from 1, got %d", function, (int)i);
    tn_device_name(TN_DEVICE(TN_CUDA, (int)(i - 1)), name);
  }
  bind_check(L, b, tn_device_parse(b->ctx, &device, name));
  return device;
}

void bind_on_cpu(lua_State *L, const tn_tensor *t, const char *function) {
  char name[TN_DEVICE_TEXT];
  if (tn_tensor_device(t) == TN_CPU) return;
  luaL_error(L, "%s: this tensor is on %s: use :cpu() first", function,
             tn_device_name(tn_tensor_device(t), name));
}

void bind_bytes_on_cpu(lua_State *L, const storage_box *box, const char *function) {
  char name[TN_DEVICE_TEXT];
  if (box->s == NULL || tn_storage_device(box->s) == TN_CPU) return;
  luaL_error(L, "%s: this storage is on %s: use the tensor's :cpu() first", function,
             tn_device_name(tn_storage_device(box->s), name));
}

/* Is the option `non_blocking` in the table at `index`? */
static bool wants_later(lua_State *L, int index) {
  if (!lua_istable(L, index)) return false;
  lua_getfield(L, index, "non_blocking");
  const bool wants = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return wants;
}

static way *way_of(bool later) {
#ifndef MOONLET_EMBED
  if (later) return tn_tensor_to_later;
#endif
  (void)later;
  return tn_tensor_to;
}

/* x:cuda([i] [, {non_blocking = true}]): on the current GPU, or on the i-th. */
static int cuda(lua_State *L) {
  binding *b = bind_state(L);
  const tn_tensor *t = bind_check_tensor(L, 1, "cuda");
  const bool options = lua_istable(L, 2), later = wants_later(L, options ? 2 : 3);
  if (options) lua_settop(L, 1);
  if (lua_isnoneornil(L, 2) && tn_tensor_device(t) != TN_CPU) {
    lua_settop(L, 1);
    return 1;
  }
  return moved_by(L, way_of(later), bind_check_gpu(L, b, 2, "cuda"), tn_tensor_dtype(t));
}

static int cpu(lua_State *L) {
  return moved(L, TN_CPU, tn_tensor_dtype(bind_check_tensor(L, 1, "cpu")));
}

/* Reads a dtype or a device, whichever the string at `index` names. */
static void read_word(lua_State *L, binding *b, int index, tn_device *device, tn_dtype *dtype) {
  const char *word = luaL_checkstring(L, index);
  if (!bind_dtype(word, dtype)) *device = bind_check_device(L, b, index, "to");
}

/* x:to('float64'), x:to('cuda:1'), x:to('cpu', 'float64'), x:to{dtype=, device=}, x:to(y); the table
 * may come last, and say non_blocking. */
static int to(lua_State *L) {
  binding *b = bind_state(L);
  const tn_tensor *t = bind_check_tensor(L, 1, "to"), *like = bind_to_tensor(L, 2);
  tn_device device = tn_tensor_device(t);
  tn_dtype dtype = tn_tensor_dtype(t);
  int top = lua_gettop(L);
  const bool options = lua_istable(L, top);
  way *move = way_of(wants_later(L, top));
  if (options) {
    lua_getfield(L, top, "dtype");
    lua_getfield(L, top, "device");
    if (!lua_isnil(L, -1)) device = bind_check_device(L, b, -1, "to");
    if (!lua_isnil(L, -2) && !bind_dtype(luaL_checkstring(L, -2), &dtype)) {
      return luaL_error(L, "to: no such type of tensor: '%s'", lua_tostring(L, -2));
    }
    lua_pop(L, 2);
  }
  if (like != NULL) return moved_by(L, move, tn_tensor_device(like), tn_tensor_dtype(like));
  if (!options) luaL_checkstring(L, 2);
  for (int i = 2; i < top + !options; i++) read_word(L, b, i, &device, &dtype);
  return moved_by(L, move, device, dtype);
}

/* -- torch.cuda -------------------------------------------------------------------------------- */

static int is_available(lua_State *L) {
  lua_pushboolean(L, tn_device_count(bind_state(L)->ctx, TN_CUDA) > 0);
  return 1;
}

/* device_count() → how many; 0 and why, where there is none */
static int device_count(lua_State *L) {
  binding *b = bind_state(L);
  int n = tn_device_count(b->ctx, TN_CUDA);
  lua_pushinteger(L, n);
  if (n > 0) return 1;
  lua_pushstring(L, tn_message(b->ctx));
  return 2;
}

/* synchronize([device]): waits until the GPU has done all it was asked for. */
static int synchronize(lua_State *L) {
  binding *b = bind_state(L);
  bind_check(L, b, tn_device_synchronize(b->ctx, bind_check_gpu(L, b, 1, "synchronize")));
  return 0;
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

void bind_open_device(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg of_tensors[] = {{"cuda", cuda}, {"cpu", cpu}, {"to", to}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"is_available", is_available},
                                       {"device_count", device_count},
                                         {"synchronize", synchronize}, {"allow_tf32", allow_tf32},
                                         {NULL, NULL}};
  lua_pushvalue(L, methods);
  bind_register(L, b, of_tensors);
  lua_newtable(L);
  bind_register(L, b, functions);
#ifndef MOONLET_EMBED
  if (!b->sandbox) bind_open_cuda(L, b, lua_gettop(L), methods);
#endif
  lua_setfield(L, core, "cuda");
  lua_pop(L, 1);
}
