/* bind_device.c -- tensors on a GPU: x:cuda(), x:cpu(), x:to(...), and the table torch.cuda. */
#include <string.h>

#include "bind.h"

/* Pushes x on a device, in a dtype: x itself where it is so already. */
static int moved(lua_State *L, tn_device device, tn_dtype dtype) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_to_tensor(L, 1), *out = NULL;
  if (tn_tensor_device(t) == device && tn_tensor_dtype(t) == dtype) {
    lua_pushvalue(L, 1);
    return 1;
  }
  bind_pressure(L, b);
  bind_new_box(L);
  tn_status s = tn_tensor_to(b->ctx, &out, t, device, dtype);
  if (s == TN_ENOMEM) {
    bind_collect(L, b);
    s = tn_tensor_to(b->ctx, &out, t, device, dtype);
  }
  bind_check(L, b, s);
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

tn_device bind_check_device(lua_State *L, binding *b, int index, const char *function) {
  tn_device device = TN_CPU;
  if (lua_type(L, index) != LUA_TSTRING) {
    luaL_error(L, "%s: the name of a device expected, got %s", function, luaL_typename(L, index));
  }
  if (b->sandbox && strcmp(lua_tostring(L, index), "cpu") != 0)
    luaL_error(L, "%s: no devices in a sandbox", function);
  bind_check(L, b, tn_device_parse(b->ctx, &device, lua_tostring(L, index)));
  if (device != TN_CPU) bind_device_types(L, b);
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

/* x:cuda([i]): on the first GPU, or on the i-th. */
static int cuda(lua_State *L) {
  binding *b = bind_state(L);
  const tn_tensor *t = bind_check_tensor(L, 1, "cuda");
  char name[TN_DEVICE_TEXT];
  tn_device device = TN_CPU;
  int64_t i = lua_isnoneornil(L, 2) ? 1 : bind_check_int(L, 2, "cuda", "the number of a device");
  if (i < 1 || i > 128) return luaL_error(L, "cuda: devices are numbered from 1, got %d", (int)i);
  if (lua_isnoneornil(L, 2) && tn_tensor_device(t) != TN_CPU) {
    lua_settop(L, 1);
    return 1;
  }
  tn_device_name(TN_DEVICE(TN_CUDA, (int)(i - 1)), name);
  bind_check(L, b, tn_device_parse(b->ctx, &device, name));
  bind_device_types(L, b);
  return moved(L, device, tn_tensor_dtype(t));
}

static int cpu(lua_State *L) {
  return moved(L, TN_CPU, tn_tensor_dtype(bind_check_tensor(L, 1, "cpu")));
}

/* Reads a dtype or a device, whichever the string at `index` names. */
static void read_word(lua_State *L, binding *b, int index, tn_device *device, tn_dtype *dtype) {
  const char *word = luaL_checkstring(L, index);
  if (!bind_dtype(word, dtype)) *device = bind_check_device(L, b, index, "to");
}

/* x:to('float64'), x:to('cuda:1'), x:to('cpu', 'float64'), x:to{dtype=, device=}, x:to(y) */
static int to(lua_State *L) {
  binding *b = bind_state(L);
  const tn_tensor *t = bind_check_tensor(L, 1, "to"), *like = bind_to_tensor(L, 2);
  tn_device device = tn_tensor_device(t);
  tn_dtype dtype = tn_tensor_dtype(t);
  int top = lua_gettop(L);
  if (like != NULL) return moved(L, tn_tensor_device(like), tn_tensor_dtype(like));
  if (lua_istable(L, 2)) {
    lua_getfield(L, 2, "dtype");
    lua_getfield(L, 2, "device");
    if (!lua_isnil(L, -1)) device = bind_check_device(L, b, -1, "to");
    if (!lua_isnil(L, -2) && !bind_dtype(luaL_checkstring(L, -2), &dtype)) {
      return luaL_error(L, "to: no such type of tensor: '%s'", lua_tostring(L, -2));
    }
    return moved(L, device, dtype);
  }
  luaL_checkstring(L, 2);
  for (int i = 2; i <= top; i++) read_word(L, b, i, &device, &dtype);
  return moved(L, device, dtype);
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
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_pushliteral(L, "cuda");
    lua_replace(L, 1);
  }
  bind_check(L, b, tn_device_synchronize(b->ctx, bind_check_device(L, b, 1, "synchronize")));
  return 0;
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

void bind_open_device(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg of_tensors[] = {{"cuda", cuda}, {"cpu", cpu}, {"to", to}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"is_available", is_available},
                                       {"device_count", device_count},
                                       {"synchronize", synchronize}, {"detours", detours},
                                       {NULL, NULL}};
  lua_pushvalue(L, methods);
  bind_register(L, b, of_tensors);
  lua_newtable(L);
  bind_register(L, b, functions);
  lua_setfield(L, core, "cuda");
  lua_pop(L, 1);
}
