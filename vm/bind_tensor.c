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
    bind_error(L, "%s: dimension %d is out of range for a tensor of %d dimensions", function,
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
  if (n < 0) return bind_error(L, "isSize: sizes expected, got %s", luaL_typename(L, 2));
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

/* Bytes may be compared where equal elements have equal bytes. */
static bool comparable_bytes(const tn_tensor *a, const tn_tensor *c) {
  return tn_tensor_dtype(a) == tn_tensor_dtype(c) && !tn_dtype_is_float(tn_tensor_dtype(a)) &&
         tn_tensor_is_contiguous(a) && tn_tensor_is_contiguous(c) &&
         tn_tensor_device(a) == TN_CPU && tn_tensor_device(c) == TN_CPU;
}

static int equal(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *a = bind_check_tensor(L, 1, "equal"), *c = bind_check_tensor(L, 2, "equal");
  tn_tensor *same = NULL, *all = NULL;
  const int64_t n = tn_tensor_numel(a);
  if (!same_sizes(a, c) || n == 0) {
    lua_pushboolean(L, n == 0 && same_sizes(a, c));
    return 1;
  }
  if (comparable_bytes(a, c)) {
    lua_pushboolean(L, memcmp(tn_tensor_data(a), tn_tensor_data(c),
                              (size_t)n * tn_dtype_size(tn_tensor_dtype(a))) == 0);
    return 1;
  }
  tn_attrs attrs = {.i = {TN_NONE}, .ni = 1};
  bool was = tn_set_grad_enabled(b->ctx, false);
  tn_status s = tn_apply(b->ctx, TN_OP_eq, 2, (tn_tensor *[]){a, c}, &attrs, &same);
  if (s == TN_OK) s = tn_apply(b->ctx, TN_OP_all, 1, &same, &attrs, &all);
  tn_set_grad_enabled(b->ctx, was);
  double value = 0;
  if (s == TN_OK) s = tn_tensor_read(b->ctx, all, 0, &value);
  lua_pushboolean(L, value != 0);
  tn_tensor_release(same);
  tn_tensor_release(all);
  bind_check(L, b, s);
  return 1;
}

/* The address of the first element as a number. */
static int data_ptr(lua_State *L) {
  tn_tensor *t = bind_check_tensor(L, 1, "data_ptr");
  tn_storage_expose(tn_tensor_storage(t));
  lua_pushnumber(L, (double)(uintptr_t)tn_tensor_data(t));
  return 1;
}

/* torch.is_tensor(anything) */
static int is_tensor(lua_State *L) {
  lua_pushboolean(L, bind_to_tensor(L, 1) != NULL);
  return 1;
}

static int is_floating_point(lua_State *L) {
  tn_dtype d = tn_tensor_dtype(bind_check_tensor(L, 1, "is_floating_point"));
  lua_pushboolean(L, tn_dtype_is_float(d));
  return 1;
}

static int pointer(lua_State *L) {
  const storage_box *s = bind_to_storage(L, 1);
  const void *p = s != NULL ? (const void *)s->s : (const void *)bind_to_tensor(L, 1);
  if (p == NULL) return bind_error(L, "pointer: tensor or storage expected, got %s",
                                   luaL_typename(L, 1));
  lua_pushnumber(L, (double)(uintptr_t)p);
  return 1;
}

/* -- Numbers and tables ------------------------------------------------------------------------ */

static int item(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "item");
  if (tn_tensor_numel(t) != 1) {
    return bind_error(L, "item: a tensor of one element expected, this one has %d",
                      (int)tn_tensor_numel(t));
  }
  bind_push_number(L, t, 0);
  return 1;
}

/* The tensor at index 1, or a copy of it in the host's memory, which takes its place. */
static const tn_tensor *readable(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "totable"), *here = NULL;
  if (tn_tensor_device(t) == TN_CPU) return t;
  bind_new_box(L);
  bind_check(L, b, tn_tensor_to(b->ctx, &here, t, TN_CPU, tn_tensor_dtype(t)));
  bind_fill(L, b, lua_gettop(L), here);
  lua_replace(L, 1);
  return here;
}

static int totable_flat(lua_State *L) {
  const tn_tensor *t = readable(L);
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
  const tn_tensor *t = readable(L);
  if (tn_tensor_numel(t) == 0) lua_newtable(L);
  else if (tn_tensor_ndim(t) == 0) bind_push_number(L, t, 0);
  else nested(L, t, 0, 0, tn_tensor_numel(t));
  return 1;
}

/* -- Shape in place ---------------------------------------------------------------------------- */

static int resize(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "resize");
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
  int last, n = bind_sizes(L, 2, sizes, TN_MAX_DIMS, &last), m = 0;
  if (n < 0) return bind_error(L, "resize: sizes expected, got %s", luaL_typename(L, 2));
  if (bind_to_storage(L, 3) != NULL) m = bind_sizes(L, 3, strides, TN_MAX_DIMS, &last);
  if (m != 0 && m != n) return bind_error(L, "resize: %d sizes, but %d strides", n, m);
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

static int reshape_as(lua_State *L) { return like(L, TN_OP_reshape, "reshapeAs"); }

/* x:sub(first1, last1, first2, last2, ...): ranges, negative ones counted from the end. */
static int sub(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "sub");
  int pairs = (lua_gettop(L) - 1) / 2;
  if (pairs < 1 || lua_gettop(L) % 2 == 0 || pairs > tn_tensor_ndim(t)) {
    return bind_error(L, "sub: first and last index of each dimension expected");
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
      return bind_error(L, "sub: no such range in dimension %d of size %d", d + 1, (int)n);
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

/* The size of part k, counted from 0: one size for all, or the k-th of a table at `index`. */
static int64_t piece_size(lua_State *L, int index, int64_t size, int k, const char *function) {
  if (!lua_istable(L, index)) return size;
  lua_rawgeti(L, index, k + 1);
  int64_t n = bind_check_int(L, -1, function, "a size");
  lua_pop(L, 1);
  if (n < 0 || n > BIND_MOST) bind_error(L, "%s: a size of %lld", function, (long long)n);
  return n;
}

/* How large the parts are; of a table of sizes the sum must be that of the dimension. */
static int64_t check_pieces(lua_State *L, int index, int64_t n, bool chunks, const char *function) {
  int64_t sum = 0;
  if (!chunks && lua_istable(L, index)) {
    const int count = (int)lua_rawlen(L, index);
    for (int k = 0; k < count; k++) sum += piece_size(L, index, 0, k, function);
    if (sum != n) bind_error(L, "%s: the sizes add up to %lld, but the dimension has %lld",
                             function, (long long)sum, (long long)n);
    return 0;
  }
  int64_t size = bind_check_int(L, index, function, chunks ? "the number of chunks" : "the size");
  if (size < 1) {
    bind_error(L, "%s: a number above 0 expected, got %lld", function, (long long)size);
  }
  if (chunks) size = n / size + (n % size != 0);
  return size < 1 ? 1 : size;
}

static void clear_table(lua_State *L, int index) {
  for (int k = (int)lua_rawlen(L, index); k > 0; k--) {
    lua_pushnil(L);
    lua_rawseti(L, index, k);
  }
}

/* ([table,] x, size or sizes [, dim]): parts of a dimension, in a new table or in that one. */
static int pieces(lua_State *L, bool chunks, const char *function) {
  binding *b = bind_state(L);
  const int x = lua_istable(L, 1) ? 2 : 1;
  tn_tensor *t = bind_check_tensor(L, x, function);
  lua_settop(L, x + 2);
  int64_t d = lua_isnil(L, x + 2) ? 1 : bind_check_int(L, x + 2, function, "a dimension");
  const int64_t given = d;
  if (d < 0) d += tn_tensor_ndim(t) + 1;
  if (d < 1 || d > tn_tensor_ndim(t)) {
    return bind_error(L, "%s: dimension %d is out of range for a tensor of %d dimensions", function,
                      (int)given, tn_tensor_ndim(t));
  }
  const int64_t n = tn_tensor_sizes(t)[d - 1];
  const int64_t size = check_pieces(L, x + 1, n, chunks, function);
  const bool sizes = size == 0;
  const int parts = sizes ? (int)lua_rawlen(L, x + 1) : 0;
  int count = 0;
  if (x == 2) {
    clear_table(L, 1);
    lua_pushvalue(L, 1);
  } else {
    lua_newtable(L);
  }
  const int table = lua_gettop(L);
  bind_pressure(L, b);
  for (int64_t at = 0; sizes ? count < parts : at < n || count == 0; count++) {
    int64_t part_size = sizes ? piece_size(L, x + 1, 0, count, function)
                              : n - at < size ? n - at : size;
    tn_attrs attrs = {.i = {d - 1, at, part_size}, .ni = 3};
    tn_tensor *part = NULL;
    bind_new_box(L);
    bind_check(L, b, tn_apply(b->ctx, TN_OP_narrow, 1, &t, &attrs, &part));
    bind_fill(L, b, lua_gettop(L), part);
    lua_rawseti(L, table, count + 1);
    at += sizes ? part_size : size;
  }
  return 1;
}

/* Elements of a recorded x at any strides: a copy, as one element may be seen several times. */
static tn_status take_strided(binding *b, tn_tensor *t, const tn_attrs *attrs, tn_tensor **out) {
  const int n = (attrs->ni - 1) / 2;
  const int64_t count = tn_tensor_numel(t);
  tn_tensor *places = NULL, *shown = NULL;
  tn_status s = tn_tensor_new(b->ctx, &places, TN_I64, 1, &count);
  int64_t *list = s == TN_OK ? (int64_t *)tn_tensor_data(places) : NULL;
  for (int64_t i = 0; s == TN_OK && i < count; i++) list[i] = i + 1;
  if (s == TN_OK) {
    s = tn_tensor_view(b->ctx, &shown, tn_tensor_storage(places), TN_I64, n, attrs->i, attrs->i + n,
                       attrs->i[2 * n]);
  }
  if (s == TN_OK) s = tn_apply(b->ctx, TN_OP_take, 2, (tn_tensor *[]){t, shown}, NULL, out);
  tn_tensor_release(places);
  tn_tensor_release(shown);
  return s;
}

/* x:as_strided(sizes, strides [, offset]): any view of x's storage; the offset counts from 1. */
static int as_strided(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "as_strided"), *out = NULL;
  tn_attrs attrs = {.ni = 0};
  int last, n = bind_sizes(L, 2, attrs.i, TN_MAX_DIMS, &last);
  if (n < 0 || lua_type(L, 2) == LUA_TNUMBER || lua_type(L, 3) == LUA_TNUMBER ||
      bind_sizes(L, 3, attrs.i + n, TN_MAX_DIMS, &last) != n) {
    return bind_error(L, "as_strided: a table of sizes and one of as many strides expected");
  }
  int64_t offset = tn_tensor_offset(t);
  if (!lua_isnoneornil(L, 4)) offset = bind_check_int(L, 4, "as_strided", "the offset") - 1;
  if (offset < 0 || offset > BIND_MOST) {
    return bind_error(L, "as_strided: no offset %lld", (long long)offset + 1);
  }
  attrs.i[2 * n] = offset - tn_tensor_offset(t);
  attrs.ni = 2 * n + 1;
  const bool recorded = tn_requires_grad(t) && tn_grad_enabled(b->ctx);
  if (recorded && !tn_tensor_is_contiguous(t)) {
    return bind_error(L, "as_strided: a contiguous tensor expected where gradients are recorded");
  }
  bind_new_box(L);
  bind_check(L, b, recorded ? take_strided(b, t, &attrs, &out)
                            : tn_apply(b->ctx, TN_OP_as_strided, 1, &t, &attrs, &out));
  bind_fill(L, b, lua_gettop(L), out);
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
      {"resize", resize}, {"resizeAs", resize_as}, {"resize_as", resize_as},
      {"contiguous", contiguous}, {"reshapeAs", reshape_as}, {"reshape_as", reshape_as},
      {"sub", sub}, {"split", split},
      {"chunk", chunk}, {"as_strided", as_strided}, {"data_ptr", data_ptr},
      {"is_floating_point", is_floating_point}, {"tolist", totable}, {"ndimension", dim},
      {"nelement", numel}, {"element_size", element_size}, {"is_contiguous", is_contiguous},
      {"storage_offset", storage_offset}, {"is_same_size", is_same_size},
      {"is_set_to", is_set_to}, {NULL, NULL}};
  static const luaL_Reg also_functions[] = {
      {"numel", numel}, {"equal", equal}, {"totable", totable}, {"split", split}, {"chunk", chunk},
      {"as_strided", as_strided}, {"is_floating_point", is_floating_point},
      {"is_tensor", is_tensor},
      {"totable_flat", totable_flat}, {"pointer", pointer}, {NULL, NULL}};
  lua_pushvalue(L, methods);
  bind_register(L, b, functions);
  lua_pushvalue(L, core);
  bind_register(L, b, also_functions);
  lua_pop(L, 2);
}
