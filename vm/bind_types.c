/* bind_types.c -- the types of tensors by name: torch.FloatTensor, and torch.CudaTensor for the same
 * on a GPU. The metatables of a GPU's types are made when they are first needed: they begin as copies
 * of the CPU's, so that methods which a program added there are there, too. */
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "bind_make.h"

/* -- Names ------------------------------------------------------------------------------------- */

const char *bind_type_word(tn_device device, tn_dtype dtype, char text[BIND_TYPE_TEXT]) {
  const bool cuda = bind_place_of(device) == TN_CUDA;
  snprintf(text, BIND_TYPE_TEXT, "%s%s", cuda ? "Cuda" : "",
           cuda && dtype == TN_F32 ? "" : tn_dtype_torch_name(dtype));
  return text;
}

/* "Cuda..." → the dtype of what follows */
static bool read_cuda(const char *name, tn_dtype *dtype) {
  char text[BIND_TYPE_TEXT], full[BIND_TYPE_TEXT + 8];
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    bind_type_word(TN_CUDA, (tn_dtype)d, text);
    snprintf(full, sizeof full, "%sTensor", text);
    if (strcmp(name, full) != 0) continue;
    *dtype = (tn_dtype)d;
    return true;
  }
  return false;
}

bool bind_read_type(const char *name, bind_type *out) {
  const char *word = strncmp(name, "torch.", 6) == 0 ? name + 6 : name;
  const size_t length = strlen(name);
  out->where = TN_CPU;
  out->placed = length > 6 && strcmp(name + length - 6, "Tensor") == 0;
  if (strncmp(word, "Cuda", 4) != 0) return bind_dtype(name, &out->dtype);
  out->where = TN_CUDA;
  return read_cuda(word, &out->dtype);
}

tn_device bind_type_device(lua_State *L, binding *b, const bind_type *type, tn_device now) {
  tn_device device = TN_CPU;
  if (!type->placed || type->where == bind_place_of(now)) return now;
  if (type->where == TN_CPU) return TN_CPU;
  lua_pushliteral(L, "cuda");
  device = bind_check_device(L, b, lua_gettop(L), "type");
  lua_pop(L, 1);
  return device;
}

/* -- Conversions ------------------------------------------------------------------------------- */

/* Pushes x at a place in a dtype: x itself where it is so. */
static int convert(lua_State *L, binding *b, tn_tensor *t, tn_device device, tn_dtype dtype) {
  const bool stays = tn_tensor_device(t) == device;
  tn_tensor *out = NULL;
  tn_attrs attrs = {.i = {dtype}, .ni = 1};
  if (stays && tn_tensor_dtype(t) == dtype) {
    lua_pushvalue(L, 1);
    return 1;
  }
  bind_pressure(L, b);
  bind_new_box(L);
  bind_check(L, b, stays ? tn_apply(b->ctx, TN_OP_to, 1, &t, &attrs, &out)
                         : tn_tensor_to(b->ctx, &out, t, device, dtype));
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

/* t:type() → "torch.FloatTensor"; t:type("torch.CudaTensor") → there, t:type("float32") → the numbers
 * of that kind, where t is. */
static int type(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "type");
  char word[BIND_TYPE_TEXT];
  bind_type wanted;
  if (lua_isnoneornil(L, 2)) {
    lua_pushfstring(L, "torch.%sTensor",
                    bind_type_word(tn_tensor_device(t), tn_tensor_dtype(t), word));
    return 1;
  }
  if (!bind_read_type(luaL_checkstring(L, 2), &wanted)) {
    return bind_error(L, "type: no such type of tensor: '%s'", lua_tostring(L, 2));
  }
  lua_settop(L, 1);
  return convert(L, b, t, bind_type_device(L, b, &wanted, tn_tensor_device(t)), wanted.dtype);
}

static int type_as(lua_State *L) {
  tn_tensor *t = bind_check_tensor(L, 1, "typeAs");
  const tn_tensor *like = bind_check_tensor(L, 2, "typeAs");
  return convert(L, bind_state(L), t, tn_tensor_device(like), tn_tensor_dtype(like));
}

/* x:real(): of the default type of numbers. */
static int to_real(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "real");
  return convert(L, b, t, tn_tensor_device(t), tn_default_dtype(b->ctx));
}

/* Upvalue 2: the dtype; 3: 'c' for Torch7's conversions, which give tensors of the CPU, 'g' for those
 * that give tensors of a GPU, 's' for ones that stay where they are. */
static int to_dtype(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "type");
  bind_type wanted = {(tn_dtype)lua_tointeger(L, lua_upvalueindex(2)), TN_CPU, true};
  const char place = *lua_tostring(L, lua_upvalueindex(3));
  if (place == 's') wanted.placed = false;
  if (place == 'g') wanted.where = TN_CUDA;
  return convert(L, b, t, bind_type_device(L, b, &wanted, tn_tensor_device(t)), wanted.dtype);
}

static void add_conversion(lua_State *L, binding *b, const char *name, tn_dtype dtype,
                           const char *place) {
  lua_pushlightuserdata(L, b);
  lua_pushinteger(L, dtype);
  lua_pushstring(L, place);
  lua_pushcclosure(L, to_dtype, 3);
  lua_setfield(L, -2, name);
}

/* x:getDevice(), s:getDevice(): the number of its GPU, from 1; 0 for what is on the CPU. */
static int get_device(lua_State *L) {
  const storage_box *box = bind_to_storage(L, 1);
  const tn_device device = box != NULL ? tn_storage_device(box->s)
                                       : tn_tensor_device(bind_check_tensor(L, 1, "getDevice"));
  lua_pushinteger(L, device == TN_CPU ? 0 : (device >> 8) + 1);
  return 1;
}

/* torch.dtype_name('torch.LongTensor') → 'int64'; nil for what is no type */
static int dtype_name(lua_State *L) {
  bind_type type;
  if (lua_type(L, 1) != LUA_TSTRING || !bind_read_type(lua_tostring(L, 1), &type)) return 0;
  lua_pushstring(L, tn_dtype_name(type.dtype));
  return 1;
}

/* -- The types of a GPU ------------------------------------------------------------------------ */

static const char setup_key = 's';

#ifndef MOONLET_EMBED
/* Pushes a copy of the metatable of the CPU's type, with the name of a GPU's. */
static void copy_metatable(lua_State *L, int from, const char *word, const char *kind) {
  from = lua_absindex(L, from);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, from)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_pushfstring(L, "torch.%s%s", word, kind);
  lua_setfield(L, -2, "__typename");
}

/* Makes one metatable and enters it into the tables of metatables and of constructors, which are on
 * the top in this order. */
static void new_type(lua_State *L, binding *b, tn_dtype dtype, bool storage) {
  int *refs = storage ? b->storage_mt[TN_CPU] : b->tensor_mt[TN_CPU];
  const char *kind = storage ? "Storage" : "Tensor";
  char word[BIND_TYPE_TEXT];
  bind_type_word(TN_CUDA, dtype, word);
  lua_rawgeti(L, LUA_REGISTRYINDEX, refs[dtype]);
  copy_metatable(L, -1, word, kind);
  if (storage) bind_storage_index(L, b, -1);
  else bind_tensor_index(L, b, -1, -2);
  if (storage) {
    lua_pushlightuserdata(L, b);
    lua_pushcclosure(L, get_device, 1);
    lua_setfield(L, -2, "getDevice");
  }
  lua_pushvalue(L, -1);
  int *ref = storage ? &b->storage_mt[TN_CUDA][dtype] : &b->tensor_mt[TN_CUDA][dtype];
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushfstring(L, "torch.%s%s", word, kind);
  lua_pushvalue(L, -1);
  if (storage) bind_storage_constructor(L, b, dtype, TN_CUDA);
  else bind_tensor_constructor(L, b, dtype, TN_CUDA);
  lua_rawset(L, -6); /* constructors[name] */
  lua_insert(L, -2);
  lua_rawset(L, -5); /* metatables[name] */
  lua_pop(L, 1);
}

void bind_device_types(lua_State *L, binding *b) {
  if (b->sandbox || b->storage_mt[TN_CUDA][TN_DTYPE_COUNT - 1] != 0) return;
  luaL_checkstack(L, 12, "types");
  lua_newtable(L);
  lua_newtable(L);
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    new_type(L, b, (tn_dtype)d, false);
    new_type(L, b, (tn_dtype)d, true);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &setup_key);
  if (lua_isfunction(L, -1)) {
    lua_insert(L, -3);
    lua_call(L, 2, 0);
  } else {
    lua_pop(L, 3);
  }
}
#else
void bind_device_types(lua_State *L, binding *b) { (void)L, (void)b; }
#endif

/* core.device_types(): makes them; core.device_types(setup): setup(metatables, constructors) will be
 * called when they are made. */
static int device_types(lua_State *L) {
  binding *b = bind_state(L);
  if (lua_isfunction(L, 1)) {
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &setup_key);
    return 0;
  }
  bind_device_types(L, b);
  return 0;
}

void bind_open_types(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg of_tensors[] = {{"type", type}, {"typeAs", type_as}, {"type_as", type_as},
                                        {"real", to_real}, {"getDevice", get_device},
                                        {NULL, NULL}};
  static const luaL_Reg functions[] = {{"dtype_name", dtype_name}, {"device_types", device_types},
                                       {NULL, NULL}};
  static const struct {
    const char *name, *cuda, *place;
    tn_dtype dtype;
  } conversions[] = {{"byte", "cudaByte", "c", TN_U8}, {"char", "cudaChar", "c", TN_I8},
                     {"short", "cudaShort", "c", TN_I16}, {"int", "cudaInt", "c", TN_I32},
                     {"long", "cudaLong", "c", TN_I64}, {"half", "cudaHalf", "c", TN_F16},
                     {"float", "cudaFloat", "c", TN_F32}, {"double", "cudaDouble", "c", TN_F64},
                     {"bfloat16", "cudaBFloat16", "s", TN_BF16}, {"bool", "cudaBool", "s", TN_BOOL}};
  lua_pushvalue(L, methods);
  bind_register(L, b, of_tensors);
  for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
    add_conversion(L, b, conversions[i].name, conversions[i].dtype, conversions[i].place);
    add_conversion(L, b, conversions[i].cuda, conversions[i].dtype, "g");
  }
  lua_pushvalue(L, core);
  bind_register(L, b, functions);
  lua_pop(L, 2);
}
