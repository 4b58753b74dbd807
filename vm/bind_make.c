/* bind_make.c -- tensors out of nothing: zeros and their like, sequences, defaults. */
#include <math.h>
#include <string.h>

#include "bind_make.h"

/* -- Options ----------------------------------------------------------------------------------- */

make_options bind_default_options(binding *b) {
  make_options o = {tn_default_dtype(b->ctx), false, b->device};
  return o;
}

static void read_option(lua_State *L, binding *b, make_options *o, bool *given,
                        const char *function) {
  const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  if (strcmp(key, "dtype") == 0) {
    bind_type type;
    if (lua_type(L, -1) != LUA_TSTRING || !bind_read_type(lua_tostring(L, -1), &type)) {
      luaL_error(L, "%s: dtype must be the name of a type", function);
    }
    o->dtype = type.dtype;
    if (type.where != TN_CPU && o->device == TN_CPU) o->device = bind_type_device(L, b, &type, TN_CPU);
    *given = true;
  } else if (strcmp(key, "requires_grad") == 0) {
    o->requires_grad = lua_toboolean(L, -1);
  } else if (strcmp(key, "device") == 0) {
    o->device = bind_check_device(L, b, -1, function);
  } else {
    luaL_error(L, "%s: no option '%s': there are dtype, requires_grad and device", function, key);
  }
}

make_options bind_read_options(lua_State *L, binding *b, make_options otherwise, bool *given,
                               const char *function) {
  make_options o = otherwise;
  bool own = false;
  int top = lua_gettop(L);
  if (given == NULL) given = &own;
  *given = false;
  if (top == 0) return o; /* index 0 would be whatever lies above the stack */
  if (lua_type(L, top) == LUA_TSTRING) {
    bind_type type;
    if (!bind_read_type(lua_tostring(L, top), &type)) {
      luaL_error(L, "%s: no such type of tensor: '%s'", function, lua_tostring(L, top));
    }
    o.dtype = type.dtype;
    if (type.where != TN_CPU && o.device == TN_CPU) o.device = bind_type_device(L, b, &type, TN_CPU);
    *given = true;
    lua_pop(L, 1);
    return o;
  }
  if (!lua_istable(L, top) || lua_rawlen(L, top) > 0) return o;
  lua_pushnil(L);
  while (lua_next(L, top)) {
    read_option(L, b, &o, given, function);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return o;
}

static make_options read_options(lua_State *L, binding *b, const char *function) {
  return bind_read_options(L, b, bind_default_options(b), NULL, function);
}

void bind_place(lua_State *L, binding *b, const make_options *o) {
  tn_tensor *t = bind_to_tensor(L, -1), *out = NULL;
  if (tn_tensor_device(t) != o->device) {
    bind_new_box(L);
    bind_check(L, b, tn_tensor_to(b->ctx, &out, t, o->device, tn_tensor_dtype(t)));
    bind_fill(L, b, lua_gettop(L), out);
    lua_remove(L, -2);
    t = out;
  }
  if (o->requires_grad) bind_check(L, b, tn_set_requires_grad(b->ctx, t, true));
}

static double check_number(lua_State *L, int index, const char *function) {
  if (lua_type(L, index) != LUA_TNUMBER) {
    luaL_error(L, "%s: a number expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  return lua_tonumber(L, index);
}

/* Pushes a new tensor of the sizes given by arguments `first` and on. */
static tn_tensor *make_sized(lua_State *L, binding *b, const make_options *o, int first,
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
    bind_note(b, s);
    lua_pushfstring(L, "%s: %s", function, tn_message(b->ctx));
    lua_concat(L, 2);
    lua_error(L);
  }
  bind_fill(L, b, lua_gettop(L), t);
  return t;
}

tn_tensor *bind_make_empty(lua_State *L, binding *b, int first, const char *function) {
  make_options o = read_options(L, b, function);
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
  make_options o = read_options(L, b, function);
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

/* torch.full([res,] sizes..., value [, options]): the last number is the value. */
static int full(lua_State *L) {
  binding *b = bind_state(L);
  make_options o = read_options(L, b, "full");
  tn_tensor *res = bind_to_tensor(L, 1);
  const int top = lua_gettop(L), first = res != NULL ? 2 : 1;
  if (top <= first) return luaL_error(L, "full: sizes and a value expected");
  const bool flag = lua_type(L, top) == LUA_TBOOLEAN;
  double value = flag ? lua_toboolean(L, top) : check_number(L, top, "full");
  lua_settop(L, top - 1);
  if (res == NULL) {
    fill_by(L, b, make_sized(L, b, &o, 1, "full"), TN_OP_fill, value, 0);
    bind_place(L, b, &o);
    return 1;
  }
  int64_t sizes[TN_MAX_DIMS];
  int last, n = bind_sizes(L, 2, sizes, TN_MAX_DIMS, &last);
  if (n < 0) return luaL_error(L, "full: sizes expected after the tensor");
  bind_check(L, b, tn_tensor_resize(b->ctx, res, n, sizes, NULL));
  fill_by(L, b, res, TN_OP_fill, value, 0);
  lua_settop(L, 1);
  return 1;
}

/* torch.empty_strided(sizes, strides [, options]) */
static int empty_strided(lua_State *L) {
  binding *b = bind_state(L);
  make_options o = read_options(L, b, "empty_strided");
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS], none = 0;
  int last, n = bind_sizes(L, 1, sizes, TN_MAX_DIMS, &last);
  tn_tensor *t = NULL;
  if (n < 0 || lua_type(L, 1) == LUA_TNUMBER || lua_type(L, 2) == LUA_TNUMBER ||
      bind_sizes(L, 2, strides, TN_MAX_DIMS, &last) != n) {
    return luaL_error(L, "empty_strided: a table of sizes and one of as many strides expected");
  }
  bind_pressure(L, b);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new_on(b->ctx, &t, o.device, o.dtype, 1, &none));
  bind_fill(L, b, lua_gettop(L), t);
  bind_check(L, b, tn_tensor_resize(b->ctx, t, n, sizes, strides));
  bind_place(L, b, &o);
  return 1;
}

/* What is made of a tensor is as that is, unless options say otherwise. */
static make_options options_of(const tn_tensor *x) {
  make_options o = {tn_tensor_dtype(x), false, tn_tensor_device(x)};
  return o;
}

/* torch.zeros_like(x [, options]), ones_like, empty_like */
static int like(lua_State *L, tn_opcode code, double f0, double f1, const char *function) {
  binding *b = bind_state(L);
  const tn_tensor *x = bind_check_tensor(L, 1, function);
  make_options o = bind_read_options(L, b, options_of(x), NULL, function);
  tn_tensor *t = NULL;
  bind_pressure(L, b);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new_on(b->ctx, &t, o.device, o.dtype, tn_tensor_ndim(x),
                                    tn_tensor_sizes(x)));
  bind_fill(L, b, lua_gettop(L), t);
  if (code != TN_OP_COUNT) fill_by(L, b, t, code, f0, f1);
  bind_place(L, b, &o);
  return 1;
}

/* torch.full_like(x, value [, options]) */
static int full_like(lua_State *L) {
  bind_check_tensor(L, 1, "full_like");
  double value = lua_type(L, 2) == LUA_TBOOLEAN ? lua_toboolean(L, 2)
                                                : check_number(L, 2, "full_like");
  lua_remove(L, 2);
  return like(L, TN_OP_fill, value, 0, "full_like");
}

/* x:new_zeros(sizes [, options]) and its like: of x's type, where x is. */
static int new_sized(lua_State *L, tn_opcode code, double value, const char *function) {
  binding *b = bind_state(L);
  make_options o = options_of(bind_check_tensor(L, 1, function));
  o = bind_read_options(L, b, o, NULL, function);
  tn_tensor *t = make_sized(L, b, &o, 2, function);
  if (code != TN_OP_COUNT) fill_by(L, b, t, code, value, 0);
  bind_place(L, b, &o);
  return 1;
}

static int new_zeros(lua_State *L) { return new_sized(L, TN_OP_zero, 0, "new_zeros"); }
static int new_ones(lua_State *L) { return new_sized(L, TN_OP_fill, 1, "new_ones"); }
static int new_empty(lua_State *L) { return new_sized(L, TN_OP_COUNT, 0, "new_empty"); }

static int new_full(lua_State *L) { /* (x, sizes, value [, options]) */
  double value = check_number(L, 3, "new_full");
  lua_remove(L, 3);
  return new_sized(L, TN_OP_fill, value, "new_full");
}

static int zeros_like(lua_State *L) { return like(L, TN_OP_zero, 0, 0, "zeros_like"); }
static int ones_like(lua_State *L) { return like(L, TN_OP_fill, 1, 0, "ones_like"); }
static int empty_like(lua_State *L) { return like(L, TN_OP_COUNT, 0, 0, "empty_like"); }

/* -- Sequences that need a tensor to tell their type ------------------------------------------- */

/* What a maker takes: numbers first, then counts, then a number more. */
typedef struct {
  const char *name;
  tn_opcode code;
  int floats, ints, more, needed;
  bool whole; /* whole numbers make an int64 tensor */
} maker;

static tn_attrs read_numbers(lua_State *L, const maker *m, int first, int given, bool *whole) {
  tn_attrs attrs = {.f = {0, 0, m->more > 0 ? 10 : 1}};
  *whole = true;
  for (int k = 0; k < given; k++) {
    if (lua_type(L, first + k) != LUA_TNUMBER) {
      luaL_error(L, "%s: a number expected as argument %d, got %s", m->name, first + k,
                 luaL_typename(L, first + k));
    }
    const double value = lua_tonumber(L, first + k);
    if (value != floor(value)) *whole = false;
    if (k < m->floats) attrs.f[k] = value;
    else if (k >= m->floats + m->ints) attrs.f[m->floats] = value;
    else attrs.i[attrs.ni++] = bind_check_int(L, first + k, m->name, "a count");
  }
  for (int k = 0; k < attrs.ni; k++) {
    if (attrs.i[k] < 0) luaL_error(L, "%s: %d is negative", m->name, (int)attrs.i[k]);
  }
  return attrs;
}

/* torch.f([res,] numbers [, type]) for range, linspace, eye ...; res:f(numbers). */
static int sequence(lua_State *L, const maker *m) {
  binding *b = bind_state(L);
  tn_tensor *res = bind_to_tensor(L, 1), *like = NULL;
  bool named, whole;
  make_options o = bind_read_options(L, b, bind_default_options(b), &named, m->name);
  int first = res != NULL ? 2 : 1, given = lua_gettop(L) - first + 1;
  const int most = m->floats + m->ints + m->more;
  if (given < m->needed || given > most) {
    return luaL_error(L, "%s: %d to %d numbers expected, got %d", m->name, m->needed, most, given);
  }
  if (m->code == TN_OP_arange && given == 1) { /* arange(last) begins at 0 */
    lua_pushnumber(L, 0);
    lua_insert(L, first);
    given = 2;
  }
  tn_attrs attrs = read_numbers(L, m, first, given, &whole);
  bind_pressure(L, b);
  if (res != NULL) {
    tn_tensor *out[TN_MAX_OUTPUTS] = {res};
    bind_check(L, b, tn_apply(b->ctx, m->code, 1, &res, &attrs, out));
    lua_settop(L, 1);
    return 1;
  }
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  int64_t none = 0;
  if (m->whole && whole && !named && !o.requires_grad) o.dtype = TN_I64;
  bind_new_box(L);
  tn_status s = tn_tensor_new_on(b->ctx, &like, o.device, o.dtype, 1, &none);
  if (s == TN_OK) s = tn_apply(b->ctx, m->code, 1, &like, &attrs, out);
  tn_tensor_release(like);
  bind_check(L, b, s);
  bind_fill(L, b, lua_gettop(L), out[0]);
  bind_place(L, b, &o);
  return 1;
}

#define SEQUENCE(name, ...)                                                                       \
  static int name(lua_State *L) {                                                                 \
    static const maker m = {#name, TN_OP_##name, __VA_ARGS__};                                    \
    return sequence(L, &m);                                                                       \
  }

SEQUENCE(range, 3, 0, 0, 2, false)
SEQUENCE(arange, 3, 0, 0, 1, true)
SEQUENCE(linspace, 2, 1, 0, 2, false)
SEQUENCE(logspace, 2, 1, 1, 2, false)
SEQUENCE(eye, 0, 2, 0, 1, false)

static int set_default_type(lua_State *L) {
  binding *b = bind_state(L);
  bind_type type;
  if (!bind_read_type(luaL_checkstring(L, 1), &type) || !tn_dtype_is_float(type.dtype)) {
    return luaL_error(L, "setdefaulttensortype: a floating-point type expected, got '%s'",
                      lua_tostring(L, 1));
  }
  const tn_device device = bind_type_device(L, b, &type, b->device);
  bind_check(L, b, tn_set_default_dtype(b->ctx, type.dtype));
  b->device = device;
  return 0;
}

static int get_default_type(lua_State *L) {
  binding *b = bind_state(L);
  char word[BIND_TYPE_TEXT];
  lua_pushfstring(L, "torch.%sTensor", bind_type_word(b->device, tn_default_dtype(b->ctx), word));
  return 1;
}

void bind_open_make(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg both[] = {
      {"zeros", zeros}, {"ones", ones}, {"range", range}, {"arange", arange},
      {"linspace", linspace}, {"logspace", logspace}, {"full", full}, {"eye", eye}, {NULL, NULL}};
  static const luaL_Reg likes[] = {
      {"zeros_like", zeros_like}, {"ones_like", ones_like}, {"empty_like", empty_like},
      {"full_like", full_like}, {"new_zeros", new_zeros}, {"new_ones", new_ones},
      {"new_empty", new_empty}, {"new_full", new_full}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"empty", empty}, {"empty_strided", empty_strided},
      {"setdefaulttensortype", set_default_type},
      {"getdefaulttensortype", get_default_type}, {NULL, NULL}};
  lua_pushvalue(L, core);
  bind_register(L, b, both);
  bind_register(L, b, functions);
  bind_register(L, b, likes);
  lua_pop(L, 1);
  lua_pushvalue(L, methods);
  bind_register(L, b, both);
  bind_register(L, b, likes);
  lua_pop(L, 1);
  bind_open_construct(L, b, core, methods);
}
