/* bind_tensor.c -- what one asks a tensor, and conversions between tensors and Lua's values. */
#include <string.h>

#include "bind.h"

static const int64_t *sizes_of(const tn_tensor *t, int *n) {
  *n = tn_tensor_ndim(t);
  return tn_tensor_sizes(t);
}

/* Torch7 knows no dimension of size 0: an empty vector has no dimension at all. */
static int shown_ndim(const tn_tensor *t) {
  int n = tn_tensor_ndim(t);
  return n == 1 && tn_tensor_sizes(t)[0] == 0 ? 0 : n;
}

static int dimension_argument(lua_State *L, const tn_tensor *t, const char *function) {
  int n = tn_tensor_ndim(t);
  int64_t d = bind_check_int(L, 2, function, "a dimension");
  if (d < 0) d += n + 1;
  if (d < 1 || d > n) {
    luaL_error(L, "%s: dimension %d is out of range for a tensor of %d dimensions", function,
               (int)lua_tointeger(L, 2), n);
  }
  return (int)d - 1;
}

static int size(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "size");
  if (lua_gettop(L) > 1) {
    lua_pushinteger(L, (lua_Integer)tn_tensor_sizes(t)[dimension_argument(L, t, "size")]);
  } else {
    bind_push_sizes(L, bind_state(L), shown_ndim(t), tn_tensor_sizes(t));
  }
  return 1;
}

static int stride(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "stride");
  if (lua_gettop(L) > 1) {
    lua_pushinteger(L, (lua_Integer)tn_tensor_strides(t)[dimension_argument(L, t, "stride")]);
  } else {
    bind_push_sizes(L, bind_state(L), shown_ndim(t), tn_tensor_strides(t));
  }
  return 1;
}

static int dim(lua_State *L) {
  lua_pushinteger(L, shown_ndim(bind_check_tensor(L, 1, "dim")));
  return 1;
}

static int numel(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)tn_tensor_numel(bind_check_tensor(L, 1, "nElement")));
  return 1;
}

static int storage_offset(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)tn_tensor_offset(bind_check_tensor(L, 1, "storageOffset")) + 1);
  return 1;
}

static int is_contiguous(lua_State *L) {
  lua_pushboolean(L, tn_tensor_is_contiguous(bind_check_tensor(L, 1, "isContiguous")));
  return 1;
}

static int element_size(lua_State *L) {
  tn_dtype d = tn_tensor_dtype(bind_check_tensor(L, 1, "elementSize"));
  lua_pushinteger(L, (lua_Integer)tn_dtype_size(d));
  return 1;
}

static bool same_sizes(const tn_tensor *a, const tn_tensor *b) {
  int na, nb;
  const int64_t *sa = sizes_of(a, &na), *sb = sizes_of(b, &nb);
  return na == nb && memcmp(sa, sb, sizeof(int64_t) * (size_t)na) == 0;
}

static int is_same_size(lua_State *L) {
  lua_pushboolean(L, same_sizes(bind_check_tensor(L, 1, "isSameSizeAs"),
                                bind_check_tensor(L, 2, "isSameSizeAs")));
  return 1;
}

static int is_size(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "isSize");
  int64_t sizes[TN_MAX_DIMS];
  int last, n = bind_sizes(L, 2, sizes, TN_MAX_DIMS, &last);
  if (n < 0) return luaL_error(L, "isSize: sizes expected, got %s", luaL_typename(L, 2));
  lua_pushboolean(L, n == shown_ndim(t) &&
                         memcmp(sizes, tn_tensor_sizes(t), sizeof(int64_t) * (size_t)n) == 0);
  return 1;
}

static int is_set_to(lua_State *L) {
  const tn_tensor *a = bind_check_tensor(L, 1, "isSetTo"), *c = bind_check_tensor(L, 2, "isSetTo");
  lua_pushboolean(L, tn_tensor_storage(a) == tn_tensor_storage(c) && same_sizes(a, c) &&
                         tn_tensor_offset(a) == tn_tensor_offset(c) &&
                         memcmp(tn_tensor_strides(a), tn_tensor_strides(c),
                                sizeof(int64_t) * (size_t)tn_tensor_ndim(a)) == 0);
  return 1;
}

static int equal(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *a = bind_check_tensor(L, 1, "equal"), *c = bind_check_tensor(L, 2, "equal");
  bool same = same_sizes(a, c);
  for (int64_t i = 0, n = same ? tn_tensor_numel(a) : 0; i < n && same; i++) {
    same = tn_tensor_get(a, i) == tn_tensor_get(c, i);
  }
  (void)b;
  lua_pushboolean(L, same);
  return 1;
}

static int pointer(lua_State *L) {
  const storage_box *s = bind_to_storage(L, 1);
  const void *p = s != NULL ? (const void *)s->s : (const void *)bind_to_tensor(L, 1);
  if (p == NULL) return luaL_error(L, "pointer: tensor or storage expected, got %s",
                                   luaL_typename(L, 1));
  lua_pushnumber(L, (lua_Number)(uintptr_t)p);
  return 1;
}

/* -- Numbers and tables ------------------------------------------------------------------------ */

static int item(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "item");
  if (tn_tensor_numel(t) != 1) {
    return luaL_error(L, "item: a tensor of one element expected, this one has %d",
                      (int)tn_tensor_numel(t));
  }
  bind_push_number(L, t, 0);
  return 1;
}

static int totable_flat(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "totable");
  int64_t n = tn_tensor_numel(t);
  lua_createtable(L, n < 1 << 26 ? (int)n : 0, 0);
  for (int64_t i = 0; i < n; i++) {
    bind_push_number(L, t, i);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* Pushes nested tables for dimensions d ... of the elements from `at` on. */
static void nested(lua_State *L, const tn_tensor *t, int d, int64_t at, int64_t span) {
  int64_t n = tn_tensor_sizes(t)[d];
  luaL_checkstack(L, 3, "totable");
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    int64_t part = span / n;
    if (d + 1 == tn_tensor_ndim(t)) bind_push_number(L, t, at + i);
    else nested(L, t, d + 1, at + i * part, part);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static int totable(lua_State *L) {
  const storage_box *s = bind_to_storage(L, 1);
  if (s != NULL) {
    binding *b = bind_state(L);
    tn_tensor *t = NULL;
    int64_t n = (int64_t)(tn_storage_bytes(s->s) / tn_dtype_size(s->dtype));
    bind_new_box(L);
    bind_check(L, b, tn_tensor_view(b->ctx, &t, s->s, s->dtype, 1, &n, NULL, 0));
    bind_fill(L, b, lua_gettop(L), t);
    lua_replace(L, 1);
  }
  const tn_tensor *t = bind_check_tensor(L, 1, "totable");
  if (tn_tensor_numel(t) == 0) lua_newtable(L);
  else if (tn_tensor_ndim(t) == 0) bind_push_number(L, t, 0);
  else nested(L, t, 0, 0, tn_tensor_numel(t));
  return 1;
}

/* x:apply(f), x:map(y, f), x:map2(y, z, f): f's result, if it has one, replaces the element. */
static int map_elements(lua_State *L, int tensors, const char *function) {
  binding *b = bind_state(L);
  tn_tensor *t[3];
  for (int k = 0; k < tensors; k++) t[k] = bind_check_tensor(L, k + 1, function);
  luaL_checktype(L, tensors + 1, LUA_TFUNCTION);
  int64_t n = tn_tensor_numel(t[0]);
  for (int k = 1; k < tensors; k++) {
    if (tn_tensor_numel(t[k]) != n) {
      return luaL_error(L, "%s: tensors of as many elements expected, got %d and %d", function,
                        (int)n, (int)tn_tensor_numel(t[k]));
    }
  }
  (void)b;
  for (int64_t i = 0; i < n; i++) {
    lua_pushvalue(L, tensors + 1);
    for (int k = 0; k < tensors; k++) bind_push_number(L, t[k], i);
    lua_call(L, tensors, 1);
    for (int k = 0; k < tensors; k++) { /* the function may have resized them */
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

/* -- Types ------------------------------------------------------------------------------------- */

static int convert(lua_State *L, tn_dtype dtype) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "type"), *out = NULL;
  tn_attrs attrs = {.i = {dtype}, .ni = 1};
  if (tn_tensor_dtype(t) == dtype) {
    lua_pushvalue(L, 1);
    return 1;
  }
  bind_pressure(L, b);
  bind_new_box(L);
  bind_check(L, b, tn_apply(b->ctx, TN_OP_to, 1, &t, &attrs, &out));
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

/* t:type() → "torch.FloatTensor"; t:type("torch.DoubleTensor"), t:to("float64") → converted. */
static int type(lua_State *L) {
  tn_tensor *t = bind_check_tensor(L, 1, "type");
  tn_dtype dtype;
  if (lua_isnoneornil(L, 2)) {
    lua_pushfstring(L, "torch.%sTensor", tn_dtype_torch_name(tn_tensor_dtype(t)));
    return 1;
  }
  if (!bind_dtype(luaL_checkstring(L, 2), &dtype)) {
    return luaL_error(L, "type: no such type of tensor: '%s'", lua_tostring(L, 2));
  }
  lua_settop(L, 1);
  return convert(L, dtype);
}

static int type_as(lua_State *L) {
  return convert(L, tn_tensor_dtype(bind_check_tensor(L, 2, "typeAs")));
}

#define CONVERSION(name, dtype)                                                                   \
  static int to_##name(lua_State *L) { return convert(L, dtype); }
CONVERSION(byte, TN_U8)
CONVERSION(char, TN_I8)
CONVERSION(short, TN_I16)
CONVERSION(int, TN_I32)
CONVERSION(long, TN_I64)
CONVERSION(half, TN_F16)
CONVERSION(bfloat16, TN_BF16)
CONVERSION(float, TN_F32)
CONVERSION(double, TN_F64)
CONVERSION(bool, TN_BOOL)

/* -- Shape in place ---------------------------------------------------------------------------- */

static int resize(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "resize");
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int last, n = bind_sizes(L, 2, sizes, TN_MAX_DIMS, &last), m = 0;
  if (n < 0) return luaL_error(L, "resize: sizes expected, got %s", luaL_typename(L, 2));
  if (bind_to_storage(L, 3) != NULL) m = bind_sizes(L, 3, strides, TN_MAX_DIMS, &last);
  if (m != 0 && m != n) return luaL_error(L, "resize: %d sizes, but %d strides", n, m);
  for (int i = 0; i < n; i++) {
    if (sizes[i] <= 0) n = i; /* as Torch7: a size of 0 ends the list */
  }
  if (n == 0) {
    n = 1;
    sizes[0] = 0;
  }
  bool same = m == 0 && n == tn_tensor_ndim(t) &&
              memcmp(sizes, tn_tensor_sizes(t), sizeof(int64_t) * (size_t)n) == 0;
  if (!same) bind_check(L, b, tn_tensor_resize(b->ctx, t, n, sizes, m > 0 ? strides : NULL));
  lua_settop(L, 1);
  return 1;
}

static int resize_as(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "resizeAs"), *o = bind_check_tensor(L, 2, "resizeAs");
  if (!same_sizes(t, o)) {
    bind_check(L, b, tn_tensor_resize(b->ctx, t, tn_tensor_ndim(o), tn_tensor_sizes(o), NULL));
  }
  lua_settop(L, 1);
  return 1;
}

/* contiguous() is the tensor itself where it can be. */
static int contiguous(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "contiguous"), *out = NULL;
  if (tn_tensor_is_contiguous(t)) {
    lua_settop(L, 1);
    return 1;
  }
  bind_new_box(L);
  bind_check(L, b, tn_apply(b->ctx, TN_OP_contiguous, 1, &t, NULL, &out));
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

/* As many elements of another tensor: view, expand or reshape like it. */
static int like(lua_State *L, tn_opcode code, const char *function) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, function), *o = bind_check_tensor(L, 2, function);
  tn_tensor *out = NULL;
  tn_attrs attrs = {.ni = tn_tensor_ndim(o)};
  memcpy(attrs.i, tn_tensor_sizes(o), sizeof(int64_t) * (size_t)attrs.ni);
  bind_new_box(L);
  bind_check(L, b, tn_apply(b->ctx, code, 1, &t, &attrs, &out));
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

static int view_as(lua_State *L) { return like(L, TN_OP_view, "viewAs"); }
static int expand_as(lua_State *L) { return like(L, TN_OP_expand, "expandAs"); }
static int reshape_as(lua_State *L) { return like(L, TN_OP_reshape, "reshapeAs"); }

/* x:sub(first1, last1, first2, last2, ...): ranges, negative ones counted from the end. */
static int sub(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "sub");
  int pairs = (lua_gettop(L) - 1) / 2;
  if (pairs < 1 || lua_gettop(L) % 2 == 0 || pairs > tn_tensor_ndim(t)) {
    return luaL_error(L, "sub: first and last index of each dimension expected");
  }
  bind_new_box(L);
  int box = lua_gettop(L);
  tn_tensor_retain(t);
  for (int d = 0; d < pairs; d++) {
    int64_t n = tn_tensor_sizes(t)[d], first, last;
    bool ok = moonlet_toint(L, 2 + 2 * d, &first) && moonlet_toint(L, 3 + 2 * d, &last);
    if (ok && first < 0) first += n + 1;
    if (ok && last < 0) last += n + 1;
    if (!ok || first < 1 || last > n || first > last) {
      tn_tensor_release(t);
      return luaL_error(L, "sub: no such range in dimension %d of size %d", d + 1, (int)n);
    }
    tn_attrs attrs = {.i = {d, first - 1, last - first + 1}, .ni = 3};
    tn_tensor *part = NULL;
    tn_status s = tn_apply(b->ctx, TN_OP_narrow, 1, &t, &attrs, &part);
    tn_tensor_release(t);
    bind_check(L, b, s);
    t = part;
  }
  bind_fill(L, b, box, t);
  return 1;
}

/* Parts of a dimension, `size` elements each. */
static int pieces(lua_State *L, bool chunks, const char *function) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, function);
  int64_t size = bind_check_int(L, 2, function, chunks ? "the number of chunks" : "the size");
  int64_t d = lua_isnoneornil(L, 3) ? 1 : bind_check_int(L, 3, function, "a dimension");
  if (d < 0) d += tn_tensor_ndim(t) + 1;
  if (d < 1 || d > tn_tensor_ndim(t)) {
    return luaL_error(L, "%s: dimension %d is out of range for a tensor of %d dimensions", function,
                      (int)d, tn_tensor_ndim(t));
  }
  if (size < 1) return luaL_error(L, "%s: a number above 0 expected, got %d", function, (int)size);
  int64_t n = tn_tensor_sizes(t)[d - 1];
  if (chunks) size = n == 0 ? 1 : (n - 1) / size + 1;
  if (size < 1) size = 1;
  lua_newtable(L);
  int table = lua_gettop(L), count = 0;
  for (int64_t at = 0; at < n || count == 0; at += size) {
    tn_attrs attrs = {.i = {d - 1, at, n - at < size ? n - at : size}, .ni = 3};
    tn_tensor *part = NULL;
    bind_new_box(L);
    bind_check(L, b, tn_apply(b->ctx, TN_OP_narrow, 1, &t, &attrs, &part));
    bind_fill(L, b, lua_gettop(L), part);
    lua_rawseti(L, table, ++count);
  }
  return 1;
}

static int split(lua_State *L) { return pieces(L, false, "split"); }
static int chunk(lua_State *L) { return pieces(L, true, "chunk"); }

void bind_open_tensor(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg functions[] = {
      {"size", size}, {"stride", stride}, {"dim", dim}, {"nDimension", dim}, {"nElement", numel},
      {"numel", numel}, {"storageOffset", storage_offset}, {"isContiguous", is_contiguous},
      {"elementSize", element_size}, {"isSameSizeAs", is_same_size}, {"isSize", is_size},
      {"isSetTo", is_set_to}, {"equal", equal}, {"item", item}, {"totable", totable},
      {"apply", apply}, {"map", map}, {"map2", map2}, {"type", type},
      {"typeAs", type_as}, {"byte", to_byte}, {"char", to_char}, {"short", to_short},
      {"int", to_int}, {"long", to_long}, {"half", to_half}, {"bfloat16", to_bfloat16},
      {"float", to_float}, {"double", to_double}, {"bool", to_bool}, {"resize", resize},
      {"resizeAs", resize_as}, {"contiguous", contiguous}, {"viewAs", view_as},
      {"expandAs", expand_as}, {"reshapeAs", reshape_as}, {"sub", sub}, {"split", split},
      {"chunk", chunk}, {NULL, NULL}};
  static const luaL_Reg also_functions[] = {
      {"numel", numel}, {"equal", equal}, {"totable", totable}, {"viewAs", view_as},
      {"expandAs", expand_as}, {"split", split}, {"chunk", chunk},
      {"totable_flat", totable_flat}, {"pointer", pointer}, {NULL, NULL}};
  lua_pushvalue(L, methods);
  bind_register(L, b, functions);
  lua_pushvalue(L, core);
  bind_register(L, b, also_functions);
  lua_pop(L, 2);
}
