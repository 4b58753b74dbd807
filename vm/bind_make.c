/* bind_make.c -- tensors out of nothing: constructors, zeros and their like. */
#include <string.h>

#include "bind.h"

/* -- Options: {dtype=, requires_grad=, device=}, or a type's name, as the last argument --------- */

typedef struct {
  tn_dtype dtype;
  bool requires_grad;
  tn_device device;
} options;

/* Reads and removes the last argument if it is options. */
static options read_options(lua_State *L, binding *b, const char *function) {
  options o = {tn_default_dtype(b->ctx), false, TN_CPU};
  int top = lua_gettop(L);
  if (top == 0) return o; /* index 0 would be whatever lies above the stack */
  if (lua_type(L, top) == LUA_TSTRING) {
    if (!bind_dtype(lua_tostring(L, top), &o.dtype)) {
      luaL_error(L, "%s: no such type of tensor: '%s'", function, lua_tostring(L, top));
    }
    lua_pop(L, 1);
    return o;
  }
  if (!lua_istable(L, top) || lua_rawlen(L, top) > 0) return o;
  lua_pushnil(L);
  while (lua_next(L, top)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (strcmp(key, "dtype") == 0) {
      if (lua_type(L, -1) != LUA_TSTRING || !bind_dtype(lua_tostring(L, -1), &o.dtype)) {
        luaL_error(L, "%s: dtype must be the name of a type", function);
      }
    } else if (strcmp(key, "requires_grad") == 0) {
      o.requires_grad = lua_toboolean(L, -1);
    } else if (strcmp(key, "device") == 0) {
      o.device = bind_check_device(L, b, -1, function);
    } else {
      luaL_error(L, "%s: no option '%s': there are dtype, requires_grad and device", function, key);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return o;
}

static double check_number(lua_State *L, int index, const char *function) {
  if (lua_type(L, index) != LUA_TNUMBER) {
    luaL_error(L, "%s: a number expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  return lua_tonumber(L, index);
}

/* Pushes a new tensor of the sizes given by arguments `first` and on. */
static tn_tensor *make_sized(lua_State *L, binding *b, const options *o, int first,
                             const char *function) {
  int64_t sizes[TN_MAX_DIMS];
  int last, n = bind_sizes(L, first, sizes, TN_MAX_DIMS, &last);
  tn_tensor *t = NULL;
  if (n < 0 || last < lua_gettop(L)) {
    luaL_error(L, "%s: up to %d sizes expected (whole numbers, a table or a LongStorage)", function,
               TN_MAX_DIMS);
  }
  bind_pressure(L, b);
  bind_new_box(L);
  tn_status s = tn_tensor_new_on(b->ctx, &t, o->device, o->dtype, n, sizes);
  if (s == TN_ENOMEM) {
    bind_collect(L, b);
    s = tn_tensor_new_on(b->ctx, &t, o->device, o->dtype, n, sizes);
  }
  if (s != TN_OK) {
    bind_where(L);
    lua_pushfstring(L, "%s: %s", function, tn_message(b->ctx));
    lua_concat(L, 2);
    lua_error(L);
  }
  bind_fill(L, b, lua_gettop(L), t);
  return t;
}

tn_tensor *bind_make_empty(lua_State *L, binding *b, int first, const char *function) {
  options o = read_options(L, b, function);
  tn_tensor *t = make_sized(L, b, &o, first, function);
  if (o.requires_grad) bind_check(L, b, tn_set_requires_grad(b->ctx, t, true));
  return t;
}

/* Fills the tensor on the top by an in-place operation of two numbers; TN_OP_COUNT: not at all. */
static void fill_by(lua_State *L, binding *b, tn_tensor *t, tn_opcode code, double f0, double f1) {
  if (code == TN_OP_COUNT) return;
  tn_tensor *in[2] = {t, NULL};
  tn_attrs attrs = {.f = {f0, f1}};
  tn_status s = TN_OK;
  int n = 1;
  bool was = tn_set_grad_enabled(b->ctx, false);
  if (code == TN_OP_fill) {
    s = bind_number_tensor(b->ctx, &in[1], f0);
    n = 2;
  }
  if (s == TN_OK) s = tn_apply_inplace(b->ctx, code, n, in, &attrs);
  tn_tensor_release(in[1]);
  tn_set_grad_enabled(b->ctx, was);
  bind_check(L, b, s);
}

/* torch.f([res,] sizes [, options]) and res:f(sizes): res is resized and filled. */
static int sized(lua_State *L, tn_opcode code, double f0, double f1, const char *function) {
  binding *b = bind_state(L);
  tn_tensor *res = bind_to_tensor(L, 1);
  options o = read_options(L, b, function);
  if (res != NULL) {
    int64_t sizes[TN_MAX_DIMS];
    int last, n = bind_sizes(L, 2, sizes, TN_MAX_DIMS, &last);
    if (lua_gettop(L) > 1) {
      if (n < 0) return luaL_error(L, "%s: sizes expected after the tensor", function);
      bind_check(L, b, tn_tensor_resize(b->ctx, res, n, sizes, NULL));
    }
    if (code != TN_OP_COUNT) fill_by(L, b, res, code, f0, f1);
    lua_settop(L, 1);
    return 1;
  }
  tn_tensor *t = make_sized(L, b, &o, 1, function);
  fill_by(L, b, t, code, f0, f1);
  if (o.requires_grad) bind_check(L, b, tn_set_requires_grad(b->ctx, t, true));
  return 1;
}

static int zeros(lua_State *L) { return sized(L, TN_OP_zero, 0, 0, "zeros"); }
static int ones(lua_State *L) { return sized(L, TN_OP_fill, 1, 0, "ones"); }
static int empty(lua_State *L) { return sized(L, TN_OP_COUNT, 0, 0, "empty"); }

/* Moves the tensor on the top, which was made on the CPU, to the device it is wanted on. */
static void place(lua_State *L, binding *b, tn_device device) {
  tn_tensor *t = bind_to_tensor(L, -1), *out = NULL;
  if (tn_tensor_device(t) == device) return;
  bind_new_box(L);
  bind_check(L, b, tn_tensor_to(b->ctx, &out, t, device, tn_tensor_dtype(t)));
  bind_fill(L, b, lua_gettop(L), out);
  lua_remove(L, -2);
}

/* torch.full(sizes..., value): the last number is the value. */
static int full(lua_State *L) {
  binding *b = bind_state(L);
  options o = read_options(L, b, "full");
  int top = lua_gettop(L);
  if (top == 0) return luaL_error(L, "full: sizes and a value expected");
  double value = check_number(L, top, "full");
  lua_settop(L, top - 1);
  tn_tensor *t = make_sized(L, b, &o, 1, "full");
  fill_by(L, b, t, TN_OP_fill, value, 0);
  if (o.requires_grad) bind_check(L, b, tn_set_requires_grad(b->ctx, t, true));
  return 1;
}

/* torch.zeros_like(x), ones_like, empty_like */
static int like(lua_State *L, tn_opcode code, double f0, double f1, const char *function) {
  binding *b = bind_state(L);
  const tn_tensor *x = bind_check_tensor(L, 1, function);
  tn_tensor *t = NULL;
  bind_pressure(L, b);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new_on(b->ctx, &t, tn_tensor_device(x), tn_tensor_dtype(x),
                                    tn_tensor_ndim(x), tn_tensor_sizes(x)));
  bind_fill(L, b, lua_gettop(L), t);
  if (code != TN_OP_COUNT) fill_by(L, b, t, code, f0, f1);
  return 1;
}

static int zeros_like(lua_State *L) { return like(L, TN_OP_zero, 0, 0, "zeros_like"); }
static int ones_like(lua_State *L) { return like(L, TN_OP_fill, 1, 0, "ones_like"); }
static int empty_like(lua_State *L) { return like(L, TN_OP_COUNT, 0, 0, "empty_like"); }

/* -- torch.Tensor(...) and the typed constructors ------------------------------------------------ */

/* Sizes of a nested table; -1 when it is not rectangular. */
static int table_sizes(lua_State *L, int index, int64_t *sizes) {
  int n = 0, top = lua_gettop(L);
  lua_pushvalue(L, index);
  while (lua_istable(L, -1) && n < TN_MAX_DIMS) {
    luaL_checkstack(L, 2, "table");
    sizes[n++] = (int64_t)lua_rawlen(L, -1);
    if (sizes[n - 1] == 0) break;
    lua_rawgeti(L, -1, 1);
  }
  bool deep = lua_istable(L, -1) && n == TN_MAX_DIMS;
  lua_settop(L, top);
  return deep ? -1 : n;
}

static void fill_from_table(lua_State *L, int index, tn_tensor *t, int d, int64_t *at) {
  const int64_t *sizes = tn_tensor_sizes(t);
  if (!lua_istable(L, index) || (int64_t)lua_rawlen(L, index) != sizes[d]) {
    luaL_error(L, "a table of %d values expected at depth %d, got %s", (int)sizes[d], d + 1,
               lua_istable(L, index) ? "one of another length" : luaL_typename(L, index));
  }
  luaL_checkstack(L, 2, "table");
  for (int64_t i = 0; i < sizes[d]; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (d + 1 < tn_tensor_ndim(t)) {
      fill_from_table(L, lua_gettop(L), t, d + 1, at);
    } else if (lua_isnumber(L, -1)) { /* strings of digits too, as in Torch7 */
      tn_tensor_put(t, (*at)++, lua_tonumber(L, -1));
    } else if (lua_isboolean(L, -1)) {
      tn_tensor_put(t, (*at)++, lua_toboolean(L, -1));
    } else {
      luaL_error(L, "a number expected in the table, got %s", luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
}

static void from_table(lua_State *L, binding *b, tn_dtype dtype, int index) {
  int64_t sizes[TN_MAX_DIMS], at = 0;
  int n = table_sizes(L, index, sizes);
  tn_tensor *t = NULL;
  if (n < 0) luaL_error(L, "a table nested more than %d deep", TN_MAX_DIMS);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new(b->ctx, &t, dtype, n, sizes));
  bind_fill(L, b, lua_gettop(L), t);
  if (tn_tensor_numel(t) > 0) fill_from_table(L, index, t, 0, &at);
}

/* (storage[, offset[, sizes[, strides]]]) or (storage, offset, size1, stride1, ...) */
static void from_storage(lua_State *L, binding *b, tn_dtype dtype, int first) {
  const storage_box *box = bind_to_storage(L, first);
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS], offset = 0;
  int top = lua_gettop(L), last, n = 1;
  bool with_strides = false;
  tn_tensor *t = NULL;
  if (box->dtype != dtype) {
    luaL_error(L, "a %sStorage expected, got a %sStorage", tn_dtype_torch_name(dtype),
               tn_dtype_torch_name(box->dtype));
  }
  if (top > first) offset = bind_check_int(L, first + 1, "Tensor", "the storage offset");
  if (top > first && offset-- < 1) {
    luaL_error(L, "Tensor: the storage offset is counted from 1, got %f", (lua_Number)offset + 1);
  }
  int64_t room = (int64_t)(tn_storage_bytes(box->s) / tn_dtype_size(dtype));
  sizes[0] = room > offset ? room - offset : 0;
  if (top > first + 1 && lua_type(L, first + 2) == LUA_TNUMBER) {
    int64_t both[2 * TN_MAX_DIMS];
    n = bind_sizes(L, first + 2, both, 2 * TN_MAX_DIMS, &last);
    if (n < 2 || n % 2 != 0) luaL_error(L, "pairs of a size and a stride expected");
    n /= 2;
    for (int d = 0; d < n; d++) sizes[d] = both[2 * d], strides[d] = both[2 * d + 1];
    with_strides = true;
  } else if (top > first + 1) {
    n = bind_sizes(L, first + 2, sizes, TN_MAX_DIMS, &last);
    if (top > first + 2) {
      with_strides = bind_sizes(L, first + 3, strides, TN_MAX_DIMS, &last) == n;
      if (!with_strides) n = -1;
    }
    if (n < 0) luaL_error(L, "sizes, and as many strides, expected after the storage");
  }
  bind_new_box(L);
  bind_check(L, b, tn_tensor_view(b->ctx, &t, box->s, dtype, n, sizes,
                                  with_strides ? strides : NULL, offset));
  bind_fill(L, b, lua_gettop(L), t);
}

/* Pushes torch.XTensor(...) from the arguments at `first` and on. */
static int construct(lua_State *L, binding *b, tn_dtype dtype, int first) {
  tn_tensor *source = bind_to_tensor(L, first), *t = NULL;
  int64_t sizes[TN_MAX_DIMS] = {0};
  int last = first, n;
  bind_pressure(L, b);
  if (source != NULL) { /* a view of the same storage */
    if (tn_tensor_dtype(source) != dtype) {
      return luaL_error(L, "a %sTensor expected, got a %sTensor: use :%s() to convert",
                        tn_dtype_torch_name(dtype), tn_dtype_torch_name(tn_tensor_dtype(source)),
                        "type");
    }
    bind_new_box(L);
    bind_check(L, b, tn_tensor_detach(b->ctx, &t, source));
  } else if (lua_istable(L, first)) {
    from_table(L, b, dtype, first);
    return 1;
  } else if (bind_to_storage(L, first) != NULL &&
             (bind_to_storage(L, first)->dtype != TN_I64 || dtype == TN_I64)) {
    from_storage(L, b, dtype, first);
    return 1;
  } else {
    n = lua_isnoneornil(L, first) ? 0 : bind_sizes(L, first, sizes, TN_MAX_DIMS, &last);
    if (n >= 0 && lua_type(L, last + 1) == LUA_TNUMBER) {
      return luaL_error(L, "%sTensor: at most %d whole numbers expected as sizes, got %d",
                        tn_dtype_torch_name(dtype), TN_MAX_DIMS, lua_gettop(L) - first + 1);
    }
    if (n < 0) {
      return luaL_error(L, "%sTensor: sizes, a table, a tensor or a storage expected, got %s",
                        tn_dtype_torch_name(dtype), luaL_typename(L, first));
    }
    for (int i = 0; i < n; i++) {
      if (sizes[i] <= 0) n = i; /* as Torch7: a size of 0 ends the list */
    }
    if (n == 0) sizes[0] = 0;
    bind_new_box(L);
    bind_check(L, b, tn_tensor_new(b->ctx, &t, dtype, n == 0 ? 1 : n, sizes));
  }
  bind_fill(L, b, lua_gettop(L), t);
  return 1;
}

/* torch.tensor(number or nested table [, options]): PyTorch's way. */
static int tensor(lua_State *L) {
  binding *b = bind_state(L);
  options o = lua_gettop(L) > 1 ? read_options(L, b, "tensor")
                                : (options){tn_default_dtype(b->ctx), false, TN_CPU};
  if (lua_type(L, 1) == LUA_TNUMBER) {
    tn_tensor *t = NULL;
    bind_new_box(L);
    bind_check(L, b, tn_tensor_scalar(b->ctx, &t, o.dtype, lua_tonumber(L, 1)));
    bind_fill(L, b, lua_gettop(L), t);
  } else {
    luaL_checktype(L, 1, LUA_TTABLE);
    from_table(L, b, o.dtype, 1);
  }
  place(L, b, o.device);
  if (o.requires_grad) bind_check(L, b, tn_set_requires_grad(b->ctx, bind_to_tensor(L, -1), true));
  return 1;
}

/* upvalue 2: the dtype */
static int typed(lua_State *L) {
  return construct(L, bind_state(L), (tn_dtype)lua_tointeger(L, lua_upvalueindex(2)), 1);
}

static int default_type(lua_State *L) {
  binding *b = bind_state(L);
  return construct(L, b, tn_default_dtype(b->ctx), 1);
}

/* x.new(...) and x:new(...): of x's type; x:new() is a view of x. */
static int new_like(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "new");
  binding *b = bind_state(L);
  if (lua_gettop(L) == 1) return construct(L, b, tn_tensor_dtype(t), 1);
  construct(L, b, tn_tensor_dtype(t), 2);
  place(L, b, tn_tensor_device(t));
  return 1;
}

/* x:set(tensor), x:set(storage, ...), x:set(): x becomes that view. */
static int set(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "set");
  construct(L, b, tn_tensor_dtype(t), 2);
  bind_check(L, b, tn_tensor_set(b->ctx, t, bind_to_tensor(L, -1)));
  lua_settop(L, 1);
  return 1;
}

/* -- Sequences that need a tensor to tell their type --------------------------------------------- */

/* torch.f([res,] numbers [, type]) for range, linspace, eye; res:f(numbers). */
static int sequence(lua_State *L, tn_opcode code, int floats, int ints, int needed,
                    const char *function) {
  binding *b = bind_state(L);
  tn_tensor *res = bind_to_tensor(L, 1), *like = NULL;
  options o = read_options(L, b, function);
  int first = res != NULL ? 2 : 1, given = lua_gettop(L) - first + 1, f = 0;
  tn_attrs attrs = {.f = {0, 0, 1}};
  if (given < needed || given > floats + ints) {
    return luaL_error(L, "%s: %d to %d numbers expected, got %d", function, needed, floats + ints,
                      given);
  }
  for (int k = 0; k < given; k++) {
    if (lua_type(L, first + k) != LUA_TNUMBER) {
      return luaL_error(L, "%s: a number expected as argument %d, got %s", function, first + k,
                        luaL_typename(L, first + k));
    }
    if (k < floats) attrs.f[f++] = lua_tonumber(L, first + k);
    else attrs.i[attrs.ni++] = bind_check_int(L, first + k, function, "a count");
  }
  for (int k = 0; k < attrs.ni; k++) {
    if (attrs.i[k] < 0) return luaL_error(L, "%s: %d is negative", function, (int)attrs.i[k]);
  }
  bind_pressure(L, b);
  if (res != NULL) {
    tn_tensor *out[TN_MAX_OUTPUTS] = {res};
    bind_check(L, b, tn_apply(b->ctx, code, 1, &res, &attrs, out));
    lua_settop(L, 1);
    return 1;
  }
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  int64_t none = 0;
  bind_new_box(L);
  tn_status s = tn_tensor_new(b->ctx, &like, o.dtype, 1, &none);
  if (s == TN_OK) s = tn_apply(b->ctx, code, 1, &like, &attrs, out);
  tn_tensor_release(like);
  bind_check(L, b, s);
  bind_fill(L, b, lua_gettop(L), out[0]);
  place(L, b, o.device);
  if (o.requires_grad) {
    bind_check(L, b, tn_set_requires_grad(b->ctx, bind_to_tensor(L, -1), true));
  }
  return 1;
}

static int range(lua_State *L) { return sequence(L, TN_OP_range, 3, 0, 2, "range"); }
static int linspace(lua_State *L) { return sequence(L, TN_OP_linspace, 2, 1, 2, "linspace"); }
static int eye(lua_State *L) { return sequence(L, TN_OP_eye, 0, 2, 1, "eye"); }

static int set_default_type(lua_State *L) {
  binding *b = bind_state(L);
  tn_dtype dtype;
  if (!bind_dtype(luaL_checkstring(L, 1), &dtype) || !tn_dtype_is_float(dtype)) {
    return luaL_error(L, "setdefaulttensortype: a floating-point type expected, got '%s'",
                      lua_tostring(L, 1));
  }
  bind_check(L, b, tn_set_default_dtype(b->ctx, dtype));
  return 0;
}

static int get_default_type(lua_State *L) {
  tn_dtype d = tn_default_dtype(bind_state(L)->ctx);
  lua_pushfstring(L, "torch.%sTensor", tn_dtype_torch_name(d));
  return 1;
}

void bind_open_make(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg both[] = {
      {"zeros", zeros}, {"ones", ones}, {"range", range},
      {"linspace", linspace}, {"eye", eye}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"full", full}, {"empty", empty}, {"zeros_like", zeros_like}, {"ones_like", ones_like},
      {"empty_like", empty_like},
      {"tensor", tensor}, {"Tensor", default_type}, {"setdefaulttensortype", set_default_type},
      {"getdefaulttensortype", get_default_type}, {NULL, NULL}};
  lua_pushvalue(L, core);
  bind_register(L, b, both);
  bind_register(L, b, functions);
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    lua_pushfstring(L, "%sTensor", tn_dtype_torch_name((tn_dtype)d));
    lua_pushlightuserdata(L, b);
    lua_pushinteger(L, d);
    lua_pushcclosure(L, typed, 2);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
  lua_pushvalue(L, methods);
  bind_register(L, b, both);
  lua_pushlightuserdata(L, b);
  lua_pushcclosure(L, new_like, 1);
  lua_setfield(L, -2, "new");
  lua_pushlightuserdata(L, b);
  lua_pushcclosure(L, set, 1);
  lua_setfield(L, -2, "set");
  lua_pop(L, 1);
}
