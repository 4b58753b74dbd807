/* bind_construct.c -- torch.Tensor(...) and the typed constructors, torch.tensor, x.new, x:set. */
#include <stdio.h>
#include <string.h>

#include "bind_make.h"

/* -- Nested tables ----------------------------------------------------------------------------- */

/* What a nested table holds. */
typedef struct {
  int ndim;
  int64_t sizes[TN_MAX_DIMS];
  int64_t at[TN_MAX_DIMS]; /* where the reading is, for messages */
} nest;

/* Adds a tensor's sizes to those of the tables around it. */
static void nest_tensor(lua_State *L, nest *m, const tn_tensor *t) {
  const int n = tn_tensor_ndim(t);
  if (m->ndim + n > TN_MAX_DIMS) bind_error(L, "a table nested more than %d deep", TN_MAX_DIMS);
  memcpy(m->sizes + m->ndim, tn_tensor_sizes(t), sizeof(int64_t) * (size_t)n);
  m->ndim += n;
}

/* Sizes of a nested table, by its first elements; tensors may stand in it. */
static void measure(lua_State *L, int index, nest *m) {
  int top = lua_gettop(L);
  memset(m, 0, sizeof *m);
  lua_pushvalue(L, index);
  while (lua_istable(L, -1)) {
    if (m->ndim == TN_MAX_DIMS) bind_error(L, "a table nested more than %d deep", TN_MAX_DIMS);
    luaL_checkstack(L, 4, "table");
    m->sizes[m->ndim++] = (int64_t)lua_rawlen(L, -1);
    if (m->sizes[m->ndim - 1] == 0) break;
    lua_rawgeti(L, -1, 1);
  }
  if (bind_to_tensor(L, -1) != NULL) nest_tensor(L, m, bind_to_tensor(L, -1));
  lua_settop(L, top);
}

/* "element [2][3]", of depth d. */
static const char *where(const nest *m, int d, char *text, size_t size) {
  size_t n = (size_t)snprintf(text, size, d > 0 ? "element " : "the table");
  for (int k = 0; k < d && n < size; k++) {
    n += (size_t)snprintf(text + n, size - n, "[%lld]", (long long)m->at[k] + 1);
  }
  return text;
}

static void refuse_table(lua_State *L, int index, const nest *m, int d) {
  char text[256], place[160], got[48];
  if (lua_istable(L, index)) {
    snprintf(got, sizeof got, "one of %lld", (long long)lua_rawlen(L, index));
  } else {
    snprintf(got, sizeof got, "%s", luaL_typename(L, index));
  }
  snprintf(text, sizeof text, "a table of %lld values expected at depth %d, got %s as %s",
           (long long)m->sizes[d], d + 1, got, where(m, d, place, sizeof place));
  bind_error(L, "%s", text);
}

/* A tensor within the table: its values go where the elements from *at on lie. */
static void fill_from_tensor(lua_State *L, binding *b, tn_tensor *t, tn_tensor *from, const nest *m,
                             int d, int64_t *at) {
  char text[256], place[160];
  const int rest = m->ndim - d;
  bool fits = tn_tensor_ndim(from) == rest;
  if (fits && rest > 0) {
    fits = memcmp(tn_tensor_sizes(from), m->sizes + d, sizeof(int64_t) * (size_t)rest) == 0;
  }
  if (!fits && tn_tensor_numel(from) == 1 && rest == 0) fits = true; /* a number in a vector */
  if (!fits) {
    snprintf(text, sizeof text, "the tensor of %d dimensions that is %s does not fit among others",
             tn_tensor_ndim(from), where(m, d, place, sizeof place));
    bind_error(L, "%s", text);
  }
  const int64_t n = tn_tensor_numel(from);
  tn_tensor *part = NULL;
  tn_status s = tn_tensor_view(b->ctx, &part, tn_tensor_storage(t), tn_tensor_dtype(t), 1, &n, NULL,
                               *at);
  bool was = tn_set_grad_enabled(b->ctx, false);
  if (s == TN_OK) s = tn_copy(b->ctx, part, from);
  tn_set_grad_enabled(b->ctx, was);
  tn_tensor_release(part);
  bind_check(L, b, s);
  *at += n;
}

static void fill_value(lua_State *L, tn_tensor *t, const nest *m, int d, int64_t *at) {
  char text[256], place[160];
  if (lua_isnumber(L, -1)) { /* strings of digits too, as in Torch7 */
    tn_tensor_put(t, (*at)++, lua_tonumber(L, -1));
  } else if (lua_isboolean(L, -1)) {
    tn_tensor_put(t, (*at)++, lua_toboolean(L, -1));
  } else {
    snprintf(text, sizeof text, "a number expected in the table, got %s as %s",
             luaL_typename(L, -1), where(m, d, place, sizeof place));
    bind_error(L, "%s", text);
  }
}

static void fill_from_table(lua_State *L, binding *b, int index, tn_tensor *t, nest *m, int d,
                            int64_t *at) {
  if (!lua_istable(L, index) || (int64_t)lua_rawlen(L, index) != m->sizes[d]) {
    refuse_table(L, index, m, d);
  }
  luaL_checkstack(L, 4, "table");
  for (int64_t i = 0; i < m->sizes[d]; i++) {
    m->at[d] = i;
    lua_rawgeti(L, index, (int)i + 1);
    tn_tensor *from = bind_to_tensor(L, -1);
    if (from != NULL) fill_from_tensor(L, b, t, from, m, d + 1, at);
    else if (d + 1 < m->ndim) fill_from_table(L, b, lua_gettop(L), t, m, d + 1, at);
    else fill_value(L, t, m, d + 1, at);
    lua_pop(L, 1);
  }
}

/* On the CPU. */
static void from_table(lua_State *L, binding *b, tn_dtype dtype, int index) {
  nest m;
  int64_t at = 0;
  tn_tensor *t = NULL;
  measure(L, index, &m);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new(b->ctx, &t, dtype, m.ndim, m.sizes));
  bind_fill(L, b, lua_gettop(L), t);
  fill_from_table(L, b, index, t, &m, 0, &at);
}

/* The dtype that the values suggest: bool for booleans, that of tensors, else `otherwise`. Reads
 * the first value of each table only: the others rarely differ, and each read costs. */
static tn_dtype suggested(lua_State *L, int index, tn_dtype otherwise) {
  int top = lua_gettop(L);
  tn_dtype dtype = otherwise;
  lua_pushvalue(L, index);
  for (int d = 0; d < TN_MAX_DIMS && lua_istable(L, -1); d++) {
    luaL_checkstack(L, 4, "table");
    bool same = true, tensors = true;
    for (int i = 2; i <= (int)lua_rawlen(L, -1) && same; i++) {
      lua_rawgeti(L, -1, 1);
      lua_rawgeti(L, -2, i);
      same = lua_type(L, -1) == lua_type(L, -2);
      tensors = bind_to_tensor(L, -1) != NULL && bind_to_tensor(L, -2) != NULL &&
                tn_tensor_dtype(bind_to_tensor(L, -1)) == tn_tensor_dtype(bind_to_tensor(L, -2));
      bool flags = lua_isboolean(L, -1);
      bool nested = lua_istable(L, -1);
      lua_pop(L, 2);
      if (!flags && !nested && !tensors) same = false;
    }
    if (!same) break;
    lua_rawgeti(L, -1, 1);
  }
  if (lua_isboolean(L, -1)) dtype = TN_BOOL;
  else if (bind_to_tensor(L, -1) != NULL) dtype = tn_tensor_dtype(bind_to_tensor(L, -1));
  lua_settop(L, top);
  return dtype;
}

/* -- torch.XTensor(...) ------------------------------------------------------------------------ */

static bool same_place(tn_device a, tn_device b) { return bind_place_of(a) == bind_place_of(b); }

/* As x:set(storage, offset, 4, -1, 6, -1) of Torch7: a stride below 0 is to be found. */
static void complete_strides(int n, const int64_t *sizes, int64_t *strides) {
  for (int d = n - 1; d >= 0; d--) {
    if (strides[d] >= 0) continue;
    strides[d] = 1;
    if (d < n - 1 && __builtin_mul_overflow(sizes[d + 1], strides[d + 1], &strides[d])) {
      strides[d] = INT64_MAX; /* which reaches outside of any storage */
    }
  }
}

/* (storage[, offset[, sizes[, strides]]]) or (storage, offset, size1[, stride1, ...]) */
static void from_storage(lua_State *L, binding *b, tn_dtype dtype, tn_device device, int first) {
  const storage_box *box = bind_to_storage(L, first);
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS], offset = 0;
  int top = lua_gettop(L), last, n = 1;
  bool with_strides = false;
  tn_tensor *t = NULL;
  if (box->dtype != dtype || !same_place(tn_storage_device(box->s), device)) {
    char want[BIND_TYPE_TEXT], got[BIND_TYPE_TEXT];
    bind_error(L, "a %sStorage expected, got a %sStorage", bind_type_word(device, dtype, want),
               bind_type_word(tn_storage_device(box->s), box->dtype, got));
  }
  while (top > first && lua_isnil(L, top)) top--;
  if (top > first) offset = bind_check_int(L, first + 1, "Tensor", "the storage offset");
  if (top > first && offset < 1) {
    bind_error(L, "Tensor: the storage offset is counted from 1, got %lld", (long long)offset);
  }
  if (top > first) offset--;
  int64_t room = (int64_t)(tn_storage_bytes(box->s) / tn_dtype_size(dtype));
  sizes[0] = room > offset ? room - offset : 0;
  if (top > first + 1 && lua_type(L, first + 2) == LUA_TNUMBER) {
    int64_t both[2 * TN_MAX_DIMS];
    n = bind_sizes(L, first + 2, both, 2 * TN_MAX_DIMS, &last);
    if (n == 1) both[n++] = 1;
    if (n < 2 || n % 2 != 0 || last != top) bind_error(L, "pairs of a size and a stride expected");
    n /= 2;
    for (int d = 0; d < n; d++) sizes[d] = both[2 * d], strides[d] = both[2 * d + 1];
    complete_strides(n, sizes, strides);
    with_strides = true;
  } else if (top > first + 1) {
    n = bind_sizes(L, first + 2, sizes, TN_MAX_DIMS, &last);
    if (top > first + 2) {
      with_strides = bind_sizes(L, first + 3, strides, TN_MAX_DIMS, &last) == n;
      if (!with_strides) n = -1;
    }
    if (n < 0) bind_error(L, "sizes, and as many strides, expected after the storage");
  }
  bind_new_box(L);
  bind_check(L, b, tn_tensor_view(b->ctx, &t, box->s, dtype, n, sizes,
                                  with_strides ? strides : NULL, offset));
  bind_fill(L, b, lua_gettop(L), t);
}

/* (size1, size2, ...), (sizes) or (sizes, strides): values undefined. As in Torch7 a size of 0 ends
 * the list. */
static void from_sizes(lua_State *L, binding *b, tn_dtype dtype, tn_device device, int first) {
  int64_t sizes[TN_MAX_DIMS] = {0}, strides[TN_MAX_DIMS], none = 0;
  char name[BIND_TYPE_TEXT];
  int last = first, n = 0, m = 0;
  tn_tensor *t = NULL;
  bind_type_word(device, dtype, name);
  if (!lua_isnoneornil(L, first)) n = bind_sizes(L, first, sizes, TN_MAX_DIMS, &last);
  if (n >= 0 && lua_type(L, last + 1) == LUA_TNUMBER) {
    bind_error(L, "%sTensor: at most %d whole numbers expected as sizes, got %d", name,
               TN_MAX_DIMS, lua_gettop(L) - first + 1);
  }
  bool apart = n >= 0 && bind_to_storage(L, first) != NULL && bind_to_storage(L, last + 1) != NULL;
  if (apart) m = bind_sizes(L, ++last, strides, TN_MAX_DIMS, &last);
  if (n < 0 || !lua_isnoneornil(L, last + 1)) {
    bind_error(L, "%sTensor: sizes, a table, a tensor or a storage expected, got %s", name,
               luaL_typename(L, n < 0 ? first : last + 1));
  }
  if (apart && m != n) bind_error(L, "%sTensor: %d sizes, but %d strides", name, n, m);
  for (int i = 0; i < n; i++) {
    if (sizes[i] <= 0) n = i;
  }
  bind_new_box(L);
  bool plain = !apart || n == 0;
  const int dims = plain && n > 0 ? n : 1;
  bind_check(L, b, tn_tensor_new_on(b->ctx, &t, device, dtype, dims,
                                    plain && n > 0 ? sizes : &none));
  bind_fill(L, b, lua_gettop(L), t);
  if (!plain) bind_check(L, b, tn_tensor_resize(b->ctx, t, n, sizes, strides));
}

/* A LongStorage is sizes, but for a tensor that could be a view of it. */
static bool are_sizes(const storage_box *box, tn_dtype dtype, tn_device device) {
  if (box->dtype != TN_I64 || tn_storage_device(box->s) != TN_CPU) return false;
  return dtype != TN_I64 || device != TN_CPU;
}

/* Pushes torch.XTensor(...) from the arguments at `first` and on. */
static int construct(lua_State *L, binding *b, tn_dtype dtype, tn_device device, int first) {
  tn_tensor *source = bind_to_tensor(L, first), *t = NULL;
  const storage_box *box = bind_to_storage(L, first);
  bind_pressure(L, b);
  if (source != NULL) { /* a view of the same storage */
    if (tn_tensor_dtype(source) != dtype || !same_place(tn_tensor_device(source), device)) {
      char want[BIND_TYPE_TEXT], got[BIND_TYPE_TEXT];
      bind_type_word(tn_tensor_device(source), tn_tensor_dtype(source), got);
      return bind_error(L, "a %sTensor expected, got a %sTensor: use :%s() to convert",
                        bind_type_word(device, dtype, want), got, "type");
    }
    bind_new_box(L);
    bind_check(L, b, tn_tensor_detach(b->ctx, &t, source));
    bind_fill(L, b, lua_gettop(L), t);
  } else if (lua_istable(L, first)) {
    const make_options o = {dtype, false, device};
    from_table(L, b, dtype, first);
    bind_place(L, b, &o);
  } else if (box != NULL && !are_sizes(box, dtype, device) &&
             bind_to_storage(L, first + 1) == NULL) {
    from_storage(L, b, dtype, device, first);
  } else {
    from_sizes(L, b, dtype, device, first);
  }
  return 1;
}

/* upvalue 2: the dtype; 3: the kind of device. What is made of a GPU's tensor or storage stays where
 * that is, else it comes to the current GPU. */
static int typed(lua_State *L) {
  binding *b = bind_state(L);
  const bind_type type = {(tn_dtype)lua_tointeger(L, lua_upvalueindex(2)),
                          (tn_device_type)lua_tointeger(L, lua_upvalueindex(3)), true};
  if (type.where == TN_CPU) return construct(L, b, type.dtype, TN_CPU, 1);
  return construct(L, b, type.dtype, bind_type_device(L, b, &type, TN_CPU), 1);
}

static int default_type(lua_State *L) {
  binding *b = bind_state(L);
  return construct(L, b, tn_default_dtype(b->ctx), b->device, 1);
}

void bind_tensor_constructor(lua_State *L, binding *b, tn_dtype dtype, tn_device_type where) {
  lua_pushlightuserdata(L, b);
  lua_pushinteger(L, dtype);
  lua_pushinteger(L, where);
  lua_pushcclosure(L, typed, 3);
}

/* -- torch.tensor(number, boolean, nested table or tensor [, options]): PyTorch's way ---------- */

/* A copy without history. */
static void copy_of(lua_State *L, binding *b, tn_tensor *source, const make_options *o) {
  tn_tensor *t = NULL;
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new_on(b->ctx, &t, tn_tensor_device(source), o->dtype,
                                    tn_tensor_ndim(source), tn_tensor_sizes(source)));
  bind_fill(L, b, lua_gettop(L), t);
  bool was = tn_set_grad_enabled(b->ctx, false);
  tn_status s = tn_copy(b->ctx, t, source);
  tn_set_grad_enabled(b->ctx, was);
  bind_check(L, b, s);
}

static int make_tensor(lua_State *L, make_options o, const char *function) {
  binding *b = bind_state(L);
  bool named = false;
  tn_tensor *source = bind_to_tensor(L, 1), *t = NULL;
  if (source != NULL) o.device = tn_tensor_device(source);
  if (lua_gettop(L) > 1) o = bind_read_options(L, b, o, &named, function);
  if (lua_gettop(L) != 1) {
    return bind_error(L, "%s: a value, and options, expected", function);
  }
  if (!named) o.dtype = lua_isboolean(L, 1) ? TN_BOOL : suggested(L, 1, o.dtype);
  bind_pressure(L, b);
  if (lua_type(L, 1) == LUA_TNUMBER || lua_isboolean(L, 1)) {
    bind_new_box(L);
    double value = lua_isboolean(L, 1) ? lua_toboolean(L, 1) : lua_tonumber(L, 1);
    bind_check(L, b, tn_tensor_scalar(b->ctx, &t, o.dtype, value));
    bind_fill(L, b, lua_gettop(L), t);
  } else if (source != NULL) {
    copy_of(L, b, source, &o);
  } else {
    if (!lua_istable(L, 1)) {
      return bind_error(L, "%s: a number, a table or a tensor expected, got %s", function,
                        luaL_typename(L, 1));
    }
    from_table(L, b, o.dtype, 1);
  }
  bind_place(L, b, &o);
  return 1;
}

static int tensor(lua_State *L) {
  return make_tensor(L, bind_default_options(bind_state(L)), "tensor");
}

/* x:new_tensor(values [, options]): of x's type, where x is. */
static int new_tensor(lua_State *L) {
  const tn_tensor *x = bind_check_tensor(L, 1, "new_tensor");
  make_options o = {tn_tensor_dtype(x), false, tn_tensor_device(x)};
  lua_remove(L, 1);
  return make_tensor(L, o, "new_tensor");
}

/* -- x.new, x:set ------------------------------------------------------------------------------ */

/* x.new(...) and x:new(...): of x's type; x:new() is a view of x. */
static int new_like(lua_State *L) {
  const tn_tensor *t = bind_check_tensor(L, 1, "new");
  binding *b = bind_state(L);
  return construct(L, b, tn_tensor_dtype(t), tn_tensor_device(t), lua_gettop(L) == 1 ? 1 : 2);
}

/* x:set(tensor), x:set(storage, ...), x:set(): x becomes that view. */
static int set(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "set");
  construct(L, b, tn_tensor_dtype(t), tn_tensor_device(t), 2);
  bind_check(L, b, tn_tensor_set(b->ctx, t, bind_to_tensor(L, -1)));
  lua_settop(L, 1);
  return 1;
}

void bind_open_construct(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg functions[] = {{"tensor", tensor}, {"as_tensor", tensor},
                                       {"fromtable", tensor}, {"from_table", tensor},
                                       {"Tensor", default_type}, {NULL, NULL}};
  static const luaL_Reg of_tensors[] = {{"new", new_like}, {"new_tensor", new_tensor},
                                        {"set", set}, {NULL, NULL}};
  lua_pushvalue(L, core);
  bind_register(L, b, functions);
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    lua_pushfstring(L, "%sTensor", tn_dtype_torch_name((tn_dtype)d));
    bind_tensor_constructor(L, b, (tn_dtype)d, TN_CPU);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
  lua_pushvalue(L, methods);
  bind_register(L, b, of_tensors);
  lua_pop(L, 1);
}
