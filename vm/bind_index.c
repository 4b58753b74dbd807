/* bind_index.c -- x[i], x[{...}], x[mask], x[indices], assignment through each, and operators. */
#include <string.h>

#include "bind.h"

/* -- Reading ----------------------------------------------------------------------------------- */

/* Position of a dimension, counted from 1 or from the end, as one counted from 0. */
static int64_t position(lua_State *L, int64_t i, int64_t size, int d) {
  int64_t at = i < 0 ? i + size : i - 1;
  if (at < 0 || at >= size) {
    luaL_error(L, "index %d is out of range: dimension %d has %d", (int)i, d + 1, (int)size);
  }
  return at;
}

/* Replaces *t, a reference, by a view of it; raises with nothing held. */
static void step(lua_State *L, binding *b, tn_tensor **t, tn_opcode code, int64_t dim, int64_t at,
                 int64_t n) {
  tn_tensor *view = NULL;
  tn_attrs attrs = {.i = {dim, at, n}, .ni = code == TN_OP_select ? 2 : 3};
  tn_status s = tn_apply(b->ctx, code, 1, t, &attrs, &view);
  tn_tensor_release(*t);
  *t = view;
  bind_check(L, b, s);
}

typedef struct {
  int64_t first, count;
  bool range;
} part;

/* Reads one entry of x[{...}]: a number, or a table of none, one or two. */
static part read_part(lua_State *L, int index, int64_t size, int d) {
  part p = {0, size, true};
  int64_t first = 0, last = 0;
  if (lua_type(L, index) == LUA_TNUMBER) {
    if (!moonlet_toint(L, index, &first)) luaL_error(L, "index %f is no whole number",
                                                     lua_tonumber(L, index));
    p.first = position(L, first, size, d);
    p.count = 1;
    p.range = false;
    return p;
  }
  if (!lua_istable(L, index)) {
    luaL_error(L, "index %d: a number or a range expected, got %s", d + 1, luaL_typename(L, index));
  }
  int n = (int)lua_rawlen(L, index);
  if (n == 0) return p;
  lua_rawgeti(L, index, 1);
  lua_rawgeti(L, index, n > 1 ? 2 : 1);
  if (n > 2 || !moonlet_toint(L, -2, &first) || !moonlet_toint(L, -1, &last)) {
    luaL_error(L, "index %d: a range is {}, {i} or {first, last}", d + 1);
  }
  lua_pop(L, 2);
  p.first = position(L, first, size, d);
  int64_t end = position(L, last, size, d);
  if (end < p.first) {
    luaL_error(L, "index %d: the range {%d, %d} is empty", d + 1, (int)first, (int)last);
  }
  p.count = end - p.first + 1;
  return p;
}

/* The view that the table at `index` describes, as a reference. All is read before the first view
 * is made, so that nothing is held when an error is raised. */
static tn_tensor *table_view(lua_State *L, binding *b, tn_tensor *t, int index, bool *numbers) {
  part parts[TN_MAX_DIMS];
  int n = (int)lua_rawlen(L, index), d = 0;
  if (n > tn_tensor_ndim(t)) {
    luaL_error(L, "%d indices for a tensor of %d dimensions", n, tn_tensor_ndim(t));
  }
  *numbers = n == tn_tensor_ndim(t);
  for (int k = 0; k < n; k++) {
    lua_rawgeti(L, index, k + 1);
    parts[k] = read_part(L, lua_gettop(L), tn_tensor_sizes(t)[k], k);
    *numbers = *numbers && !parts[k].range;
    lua_pop(L, 1);
  }
  tn_tensor_retain(t);
  for (int k = 0; k < n; k++) {
    if (!parts[k].range) step(L, b, &t, TN_OP_select, d, parts[k].first, 0);
    else if (parts[k].count == tn_tensor_sizes(t)[d]) d++;
    else step(L, b, &t, TN_OP_narrow, d++, parts[k].first, parts[k].count);
  }
  return t;
}

/* Pushes the view, or the number in it. */
static int push_view(lua_State *L, binding *b, tn_tensor *t, bool number) {
  if (number && tn_tensor_ndim(t) == 0 && !tn_requires_grad(t)) {
    bind_push_number(L, t, 0);
    tn_tensor_release(t);
    return 1;
  }
  bind_new_box(L);
  bind_fill(L, b, lua_gettop(L), t);
  return 1;
}

/* Is the tensor a mask (uint8 or bool)? Else its numbers are indices. */
static bool is_mask(const tn_tensor *t) {
  return tn_tensor_dtype(t) == TN_U8 || tn_tensor_dtype(t) == TN_BOOL;
}

static int get_with_tensor(lua_State *L, binding *b, tn_tensor *t, tn_tensor *key) {
  tn_tensor *in[2] = {t, key}, *out[TN_MAX_OUTPUTS] = {NULL};
  tn_attrs attrs = {.i = {0}, .ni = is_mask(key) ? 0 : 1};
  bind_new_box(L);
  bind_check(L, b, tn_apply(b->ctx, is_mask(key) ? TN_OP_maskedSelect : TN_OP_index, 2, in, &attrs,
                            out));
  bind_fill(L, b, lua_gettop(L), out[0]);
  return 1;
}

/* A LongStorage of as many numbers as there are dimensions names one element. */
static int64_t element(lua_State *L, const tn_tensor *t, int index) {
  int64_t at[TN_MAX_DIMS], linear = 0;
  int last, n = bind_sizes(L, index, at, TN_MAX_DIMS, &last);
  if (n != tn_tensor_ndim(t)) {
    luaL_error(L, "%d indices for a tensor of %d dimensions", n, tn_tensor_ndim(t));
  }
  for (int d = 0; d < n; d++) {
    int64_t size = tn_tensor_sizes(t)[d];
    linear = linear * size + position(L, at[d], size, d);
  }
  return linear;
}

static int get(lua_State *L, binding *b, tn_tensor *t) {
  int64_t i;
  bool numbers;
  if (lua_type(L, 2) == LUA_TNUMBER) {
    if (tn_tensor_ndim(t) == 0) return luaL_error(L, "a tensor without dimensions has no index");
    if (!moonlet_toint(L, 2, &i)) return luaL_error(L, "index %f is no whole number",
                                                    lua_tonumber(L, 2));
    i = position(L, i, tn_tensor_sizes(t)[0], 0);
    if (tn_tensor_ndim(t) == 1 && !tn_requires_grad(t)) {
      bind_push_number(L, t, i);
      return 1;
    }
    tn_tensor *view = tn_tensor_retain(t);
    step(L, b, &view, TN_OP_select, 0, i, 0);
    return push_view(L, b, view, true);
  }
  if (lua_istable(L, 2)) {
    tn_tensor *view = table_view(L, b, t, 2, &numbers);
    return push_view(L, b, view, numbers);
  }
  tn_tensor *key = bind_to_tensor(L, 2);
  if (key != NULL) return get_with_tensor(L, b, t, key);
  bind_push_number(L, t, element(L, t, 2));
  return 1;
}

/* -- Properties -------------------------------------------------------------------------------- */

static int property(lua_State *L, binding *b, tn_tensor *t) {
  const char *key = lua_tostring(L, 2);
  if (strcmp(key, "grad") == 0) {
    tn_tensor *g = tn_grad(t);
    if (g == NULL) return 0;
    bind_new_box(L);
    bind_fill(L, b, lua_gettop(L), tn_tensor_retain(g));
  } else if (strcmp(key, "requires_grad") == 0) {
    lua_pushboolean(L, tn_requires_grad(t));
  } else if (strcmp(key, "dtype") == 0) {
    lua_pushstring(L, tn_dtype_name(tn_tensor_dtype(t)));
  } else if (strcmp(key, "device") == 0) {
    char name[TN_DEVICE_TEXT];
    lua_pushstring(L, tn_device_name(tn_tensor_device(t), name));
  } else if (strcmp(key, "is_leaf") == 0) {
    lua_pushboolean(L, tn_is_leaf(t));
  } else if (strcmp(key, "grad_fn") == 0) {
    lua_pushstring(L, tn_grad_name(t));
  } else if (strcmp(key, "shape") == 0) {
    bind_push_sizes(L, b, tn_tensor_ndim(t), tn_tensor_sizes(t));
  } else {
    return 0;
  }
  return 1;
}

/* upvalue 2: the metatable, whose raw fields are the methods */
static int tensor_index(lua_State *L) {
  tn_tensor *t = bind_to_tensor(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    if (!lua_isnil(L, -1) || t == NULL) return 1;
    return property(L, bind_state(L), t);
  }
  if (t == NULL) return luaL_error(L, "a tensor expected, got %s", luaL_typename(L, 1));
  bind_pressure(L, bind_state(L));
  return get(L, bind_state(L), t);
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* view = value: a number fills it, a tensor is copied into it. `view` is given up. */
static void assign(lua_State *L, binding *b, tn_tensor *view, int value) {
  tn_tensor *source = bind_to_tensor(L, value), *number = NULL;
  tn_status s;
  if (source == NULL && lua_type(L, value) != LUA_TNUMBER) {
    tn_tensor_release(view);
    luaL_error(L, "a number or a tensor expected to assign, got %s", luaL_typename(L, value));
  }
  if (source != NULL) {
    s = tn_copy(b->ctx, view, source);
  } else {
    s = bind_number_tensor(b->ctx, &number, lua_tonumber(L, value));
    tn_tensor *in[2] = {view, number};
    if (s == TN_OK) s = tn_apply_inplace(b->ctx, TN_OP_fill, 2, in, NULL);
  }
  tn_tensor_release(number);
  tn_tensor_release(view);
  bind_check(L, b, s);
}

static void set_with_tensor(lua_State *L, binding *b, tn_tensor *t, tn_tensor *key) {
  tn_tensor *source = bind_to_tensor(L, 3), *number = NULL;
  tn_attrs attrs = {.i = {0}};
  tn_status s = TN_OK;
  if (source == NULL && lua_type(L, 3) != LUA_TNUMBER) {
    luaL_error(L, "a number or a tensor expected to assign, got %s", luaL_typename(L, 3));
  }
  if (source != NULL) {
    tn_tensor *in[3] = {t, key, source};
    attrs.ni = is_mask(key) ? 0 : 1;
    s = tn_apply_inplace(b->ctx, is_mask(key) ? TN_OP_maskedCopy : TN_OP_indexCopy, 3, in, &attrs);
  } else if (is_mask(key)) {
    s = bind_number_tensor(b->ctx, &number, lua_tonumber(L, 3));
    tn_tensor *in[3] = {t, key, number};
    if (s == TN_OK) s = tn_apply_inplace(b->ctx, TN_OP_maskedFill, 3, in, &attrs);
    tn_tensor_release(number);
  } else {
    tn_tensor *in[2] = {t, key};
    attrs.f[0] = lua_tonumber(L, 3);
    attrs.ni = 1;
    s = tn_apply_inplace(b->ctx, TN_OP_indexFill, 2, in, &attrs);
  }
  bind_check(L, b, s);
}

static void set_property(lua_State *L, binding *b, tn_tensor *t) {
  const char *key = lua_tostring(L, 2);
  if (strcmp(key, "requires_grad") == 0) {
    bind_check(L, b, tn_set_requires_grad(b->ctx, t, lua_toboolean(L, 3)));
  } else if (strcmp(key, "grad") == 0) {
    tn_tensor *g = lua_isnil(L, 3) ? NULL : bind_check_tensor(L, 3, "grad");
    bind_check(L, b, tn_set_grad(b->ctx, t, g));
  } else {
    luaL_error(L, "a tensor has no field '%s' that could be set", key);
  }
}

static int tensor_newindex(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "assignment"), *key;
  int64_t i;
  bool numbers;
  if (lua_type(L, 2) == LUA_TSTRING) {
    set_property(L, b, t);
  } else if (lua_type(L, 2) == LUA_TNUMBER) {
    if (tn_tensor_ndim(t) == 0) return luaL_error(L, "a tensor without dimensions has no index");
    if (!moonlet_toint(L, 2, &i)) return luaL_error(L, "index %f is no whole number",
                                                    lua_tonumber(L, 2));
    i = position(L, i, tn_tensor_sizes(t)[0], 0);
    if (tn_tensor_ndim(t) == 1 && lua_type(L, 3) == LUA_TNUMBER && tn_is_leaf(t)) {
      tn_tensor_put(t, i, lua_tonumber(L, 3));
      return 0;
    }
    tn_tensor *view = tn_tensor_retain(t);
    step(L, b, &view, TN_OP_select, 0, i, 0);
    assign(L, b, view, 3);
  } else if (lua_istable(L, 2)) {
    tn_tensor *view = table_view(L, b, t, 2, &numbers);
    assign(L, b, view, 3);
  } else if ((key = bind_to_tensor(L, 2)) != NULL) {
    set_with_tensor(L, b, t, key);
  } else {
    tn_tensor_put(t, element(L, t, 2), luaL_checknumber(L, 3));
  }
  return 0;
}

/* -- Operators --------------------------------------------------------------------------------- */

/* Operators call what the core table of functions holds, kept in upvalue 2. */
static int operator_call(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_settop(L, 3);
  lua_call(L, 2, 1);
  return 1;
}

static int unary_minus(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* `*`: the matrix product of tensors, else a scaling. upvalue 2: mul, 3: matmul */
static int multiply(lua_State *L) {
  const tn_tensor *a = bind_to_tensor(L, 1), *c = bind_to_tensor(L, 2);
  bool matrices = a != NULL && c != NULL && tn_tensor_ndim(a) > 0 && tn_tensor_ndim(c) > 0;
  lua_pushvalue(L, lua_upvalueindex(matrices ? 3 : 2));
  lua_insert(L, 1);
  lua_settop(L, 3);
  lua_call(L, 2, 1);
  return 1;
}

static int same_object(lua_State *L) {
  const storage_box *s = bind_to_storage(L, 1), *z = bind_to_storage(L, 2);
  const tn_tensor *a = bind_to_tensor(L, 1), *c = bind_to_tensor(L, 2);
  lua_pushboolean(L, (a != NULL && a == c) || (s != NULL && z != NULL && s->s == z->s));
  return 1;
}

static int length(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "#");
  int n = tn_tensor_ndim(t);
  if (n == 1 && tn_tensor_sizes(t)[0] == 0) n = 0;
  bind_push_sizes(L, bind_state(L), n, tn_tensor_sizes(t));
  return 1;
}

/* Sets field `name` of the metatable at mt to function f with core functions as upvalues. */
static void set_operator(lua_State *L, binding *b, int mt, const char *name, lua_CFunction f,
                         const char *first, const char *second) {
  int n = 1;
  lua_pushlightuserdata(L, b);
  if (first != NULL) lua_getfield(L, 1, first), n++;
  if (second != NULL) lua_getfield(L, 1, second), n++;
  lua_pushcclosure(L, f, n);
  lua_setfield(L, mt, name);
}

void bind_share_equality(lua_State *L, binding *b, int mt) {
  set_operator(L, b, mt, "__eq", same_object, NULL, NULL);
}

void bind_open_index(lua_State *L, binding *b, int mt) {
  lua_pushlightuserdata(L, b);
  lua_pushvalue(L, mt);
  lua_pushcclosure(L, tensor_index, 2);
  lua_setfield(L, mt, "__index");
  set_operator(L, b, mt, "__newindex", tensor_newindex, NULL, NULL);
  set_operator(L, b, mt, "__add", operator_call, "add", NULL);
  set_operator(L, b, mt, "__sub", operator_call, "csub", NULL);
  set_operator(L, b, mt, "__mul", multiply, "mul", "matmul");
  set_operator(L, b, mt, "__div", operator_call, "div", NULL);
  set_operator(L, b, mt, "__mod", operator_call, "remainder", NULL);
  set_operator(L, b, mt, "__pow", operator_call, "pow", NULL);
  set_operator(L, b, mt, "__unm", unary_minus, "neg", NULL);
  bind_share_equality(L, b, mt);
  set_operator(L, b, mt, "__len", length, NULL, NULL);
}
