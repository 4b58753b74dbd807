/* bind_index.c -- x[i], x[{...}], x[mask], x[indices], assignment through each, and operators. */
#include <string.h>

#include "bind.h"

/* -- What a key names -------------------------------------------------------------------------- */

static void whole_number(lua_State *L, int index, int64_t *out) {
  if (moonlet_toint(L, index, out)) return;
  bind_error(L, "index %g is no whole number", (double)lua_tonumber(L, index));
}

/* Position of a dimension, counted from 1 or from the end, as one counted from 0. */
static int64_t position(lua_State *L, int64_t i, int64_t size, int d) {
  int64_t at = i < 0 ? i + size : i - 1;
  if (at < 0 || at >= size) {
    bind_error(L, "index %lld is out of range: dimension %d has %lld", (long long)i, d + 1,
               (long long)size);
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

/* One entry of x[{...}]. */
typedef struct {
  enum { NUMBER, RANGE, TENSOR } kind;
  int dim, dims; /* of x; how many the entry stands for */
  int64_t first, count;
  tn_tensor *tensor;
} part;

/* Is the tensor a mask (uint8 or bool)? Else its numbers are indices. */
static bool is_mask(const tn_tensor *t) {
  return tn_tensor_dtype(t) == TN_U8 || tn_tensor_dtype(t) == TN_BOOL;
}

/* {}, {i} or {first, last} */
static void read_range(lua_State *L, int index, int64_t size, part *p) {
  int64_t first = 0, last = 0;
  int n = (int)lua_rawlen(L, index);
  p->kind = RANGE;
  p->count = size;
  if (n == 0) return;
  lua_rawgeti(L, index, 1);
  lua_rawgeti(L, index, n > 1 ? 2 : 1);
  if (n > 2 || !moonlet_toint(L, -2, &first) || !moonlet_toint(L, -1, &last)) {
    bind_error(L, "index %d: a range is {}, {i} or {first, last}", p->dim + 1);
  }
  lua_pop(L, 2);
  p->first = position(L, first, size, p->dim);
  int64_t end = position(L, last, size, p->dim);
  if (end < p->first) {
    bind_error(L, "index %d: the range {%lld, %lld} is empty", p->dim + 1, (long long)first,
               (long long)last);
  }
  p->count = end - p->first + 1;
}

/* Reads one entry of x[{...}]: a number, a table of none, one or two, an index tensor or a mask. */
static part read_part(lua_State *L, int index, const tn_tensor *x, int d) {
  part p = {.kind = NUMBER, .dim = d, .dims = 1, .count = 1};
  const int64_t size = tn_tensor_sizes(x)[d];
  int64_t i = 0;
  if (lua_type(L, index) == LUA_TNUMBER) {
    whole_number(L, index, &i);
    p.first = position(L, i, size, d);
  } else if (lua_istable(L, index)) {
    read_range(L, index, size, &p);
  } else if ((p.tensor = bind_to_tensor(L, index)) != NULL) { /* the table keeps it alive */
    p.kind = TENSOR;
    if (is_mask(p.tensor)) p.dims = tn_tensor_ndim(p.tensor);
  } else {
    bind_error(L, "index %d: a number or a range expected, got %s", d + 1,
               luaL_typename(L, index));
  }
  return p;
}

static void too_many(lua_State *L, int n, const tn_tensor *t) {
  bind_error(L, "%d indices for a tensor of %d dimensions", n, tn_tensor_ndim(t));
}

/* The entries of the table, or LongStorage, at `index`. */
static int read_parts(lua_State *L, const tn_tensor *t, int index, part *parts) {
  int64_t at[TN_MAX_DIMS];
  int last, d = 0, n;
  if (!lua_istable(L, index)) { /* as many numbers as there are dimensions name one element */
    n = bind_sizes(L, index, at, TN_MAX_DIMS, &last);
    if (n != tn_tensor_ndim(t)) too_many(L, n, t);
    for (int k = 0; k < n; k++) {
      part p = {.kind = NUMBER, .dim = k, .dims = 1, .count = 1};
      p.first = position(L, at[k], tn_tensor_sizes(t)[k], k);
      parts[k] = p;
    }
    return n;
  }
  n = (int)lua_rawlen(L, index);
  if (n > tn_tensor_ndim(t)) too_many(L, n, t);
  for (int k = 0; k < n; k++) {
    if (d >= tn_tensor_ndim(t)) bind_error(L, "the masks and indices stand for more than the %d "
                                           "dimensions of the tensor", tn_tensor_ndim(t));
    lua_rawgeti(L, index, k + 1);
    parts[k] = read_part(L, lua_gettop(L), t, d);
    d += parts[k].dims;
    lua_pop(L, 1);
  }
  return n;
}

/* What a key names: a view, by numbers and ranges, and what index tensors then pick of it. */
typedef struct {
  tn_tensor *view; /* a reference */
  int n;           /* of keys; 0: the view is all */
  tn_tensor *keys[TN_MAX_DIMS];
  int names[TN_MAX_DIMS]; /* of the view's dimensions: what they are called in x */
} place;

static void find_place(lua_State *L, binding *b, tn_tensor *t, const part *parts, int n, place *p) {
  int d = 0;
  bool tensors = false;
  p->view = tn_tensor_retain(t);
  p->n = 0;
  for (int k = 0; k < n; k++) {
    const part *q = &parts[k];
    if (q->kind == NUMBER) {
      step(L, b, &p->view, TN_OP_select, d, q->first, 0);
      continue;
    }
    if (q->kind == RANGE && q->count != tn_tensor_sizes(p->view)[d]) {
      step(L, b, &p->view, TN_OP_narrow, d, q->first, q->count);
    }
    tensors = tensors || q->kind == TENSOR;
    p->keys[p->n++] = q->tensor;
    for (int i = 0; i < q->dims && d < TN_MAX_DIMS; i++) p->names[d++] = q->dim + i + 1;
  }
  while (d < TN_MAX_DIMS) p->names[d] = d + 1, d++;
  if (!tensors) p->n = 0;
}

/* Do the parts name one element? Then its place, counted row by row. */
static bool one_element(const tn_tensor *t, const part *parts, int n, int64_t *at) {
  *at = 0;
  if (n != tn_tensor_ndim(t)) return false;
  for (int k = 0; k < n; k++) {
    if (parts[k].kind != NUMBER) return false;
    *at = *at * tn_tensor_sizes(t)[k] + parts[k].first;
  }
  return true;
}

/* Does the mask name whole slices of the first dimensions, and not elements? */
static bool masks_slices(const tn_tensor *t, const tn_tensor *mask) {
  int n = tn_tensor_ndim(mask);
  return tn_tensor_numel(mask) != tn_tensor_numel(t) && n <= tn_tensor_ndim(t) && n > 0 &&
         memcmp(tn_tensor_sizes(mask), tn_tensor_sizes(t), sizeof(int64_t) * (size_t)n) == 0;
}

/* The key where the tensor is: a copy on its GPU, which the box that is pushed keeps, where it is on
 * the CPU. */
static tn_tensor *beside(lua_State *L, binding *b, const tn_tensor *t, tn_tensor *key) {
  tn_tensor *there = NULL;
  const tn_device device = tn_tensor_device(t);
  if (key == NULL || device == TN_CPU || tn_tensor_device(key) != TN_CPU) return key;
  luaL_checkstack(L, 2, "index");
  bind_new_box(L);
  bind_check(L, b, tn_tensor_to(b->ctx, &there, key, device, tn_tensor_dtype(key)));
  bind_fill(L, b, lua_gettop(L), there);
  return there;
}

static void keys_beside(lua_State *L, binding *b, place *p) {
  for (int k = 0; k < p->n; k++) p->keys[k] = beside(L, b, p->view, p->keys[k]);
}

/* -- Reading ----------------------------------------------------------------------------------- */

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

static int get_with_tensor(lua_State *L, binding *b, tn_tensor *t, tn_tensor *key) {
  tn_tensor *in[2] = {t, key}, *out[TN_MAX_OUTPUTS] = {NULL};
  bool elements = is_mask(key) && !masks_slices(t, key);
  key = in[1] = beside(L, b, t, key);
  bind_new_box(L);
  bind_check(L, b, elements ? tn_apply(b->ctx, TN_OP_maskedSelect, 2, in, NULL, out)
                            : tn_index(b->ctx, out, t, 1, &key, NULL));
  bind_result_at(L, b, lua_gettop(L), out[0], true);
  return 1;
}

static int get_with_parts(lua_State *L, binding *b, tn_tensor *t) {
  part parts[TN_MAX_DIMS];
  place p;
  int n = read_parts(L, t, 2, parts);
  int64_t at;
  if (!tn_requires_grad(t) && one_element(t, parts, n, &at)) {
    bind_push_number(L, t, at);
    return 1;
  }
  find_place(L, b, t, parts, n, &p);
  if (p.n == 0) return push_view(L, b, p.view, true);
  bind_new_box(L);
  bind_fill(L, b, lua_gettop(L), p.view); /* the box lets go of it whatever happens */
  keys_beside(L, b, &p);
  tn_tensor *out = NULL;
  bind_new_box(L);
  bind_check(L, b, tn_index(b->ctx, &out, p.view, p.n, p.keys, p.names));
  bind_result_at(L, b, lua_gettop(L), out, true);
  return 1;
}

static int get(lua_State *L, binding *b, tn_tensor *t) {
  int64_t i;
  if (lua_type(L, 2) == LUA_TNUMBER) {
    if (tn_tensor_ndim(t) == 0) return bind_error(L, "a tensor without dimensions has no index");
    whole_number(L, 2, &i);
    i = position(L, i, tn_tensor_sizes(t)[0], 0);
    if (tn_tensor_ndim(t) == 1 && !tn_requires_grad(t)) {
      bind_push_number(L, t, i);
      return 1;
    }
    tn_tensor *view = tn_tensor_retain(t);
    step(L, b, &view, TN_OP_select, 0, i, 0);
    return push_view(L, b, view, true);
  }
  if (lua_istable(L, 2) || bind_to_storage(L, 2) != NULL) return get_with_parts(L, b, t);
  tn_tensor *key = bind_to_tensor(L, 2);
  if (key != NULL) return get_with_tensor(L, b, t, key);
  return bind_error(L, "a number, a table or a tensor expected as index, got %s",
                    luaL_typename(L, 2));
}

/* -- Properties -------------------------------------------------------------------------------- */

/* x.T: all dimensions in the reverse order; x.mT: the last two exchanged. */
static int transposed(lua_State *L, binding *b, tn_tensor *t, bool matrices) {
  const int n = tn_tensor_ndim(t);
  tn_tensor *out = NULL;
  tn_attrs order = {.ni = n};
  if (matrices && n < 2) return bind_error(L, "mT: a matrix or several expected, got %d dimensions",
                                           n);
  for (int d = 0; d < n; d++) order.i[d] = !matrices ? n - 1 - d : d;
  if (matrices) order.i[n - 1] = n - 2, order.i[n - 2] = n - 1;
  bind_new_box(L);
  bind_check(L, b, tn_apply(b->ctx, TN_OP_permute, 1, &t, &order, &out));
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

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
  } else if (strcmp(key, "is_replaceable") == 0) {
    lua_pushboolean(L, tn_is_replaceable(t));
  } else if (strcmp(key, "grad_fn") == 0) {
    lua_pushstring(L, tn_grad_name(t));
  } else if (strcmp(key, "shape") == 0) {
    bind_push_sizes(L, b, tn_tensor_ndim(t), tn_tensor_sizes(t));
  } else if (strcmp(key, "ndim") == 0) {
    lua_pushinteger(L, tn_tensor_ndim(t));
  } else if (strcmp(key, "T") == 0 || strcmp(key, "mT") == 0) {
    return transposed(L, b, t, *key == 'm');
  } else if (strcmp(key, "is_cuda") == 0) {
    lua_pushboolean(L, tn_tensor_device(t) != TN_CPU);
  } else if (strcmp(key, "itemsize") == 0) {
    lua_pushinteger(L, (lua_Integer)tn_dtype_size(tn_tensor_dtype(t)));
  } else if (strcmp(key, "nbytes") == 0) {
    lua_pushinteger(L, (lua_Integer)(tn_tensor_numel(t) *
                                     (int64_t)tn_dtype_size(tn_tensor_dtype(t))));
  } else {
    return 0;
  }
  return 1;
}

/* upvalue 2: the metatable, whose raw fields are the methods; 3: another one, or none */
static int tensor_index(lua_State *L) {
  tn_tensor *t = bind_to_tensor(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    if (!lua_isnil(L, -1) || t == NULL) return 1;
    if (tn_tensor_device(t) != TN_CPU && lua_istable(L, lua_upvalueindex(3))) {
      lua_pushvalue(L, 2);
      lua_rawget(L, lua_upvalueindex(3));
      if (!lua_isnil(L, -1)) return 1;
    }
    return property(L, bind_state(L), t);
  }
  if (t == NULL) return bind_error(L, "a tensor expected, got %s", luaL_typename(L, 1));
  bind_pressure(L, bind_state(L));
  return get(L, bind_state(L), t);
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* The value to assign, at index 3: a tensor, or a number or boolean made into one, which is then
 * `made`, a reference. */
typedef struct {
  tn_tensor *t, *made;
} source;

static bool is_plain(lua_State *L) {
  return lua_type(L, 3) == LUA_TNUMBER || lua_type(L, 3) == LUA_TBOOLEAN;
}

static double plain_value(lua_State *L) {
  return lua_type(L, 3) == LUA_TBOOLEAN ? lua_toboolean(L, 3) : lua_tonumber(L, 3);
}

static void check_source(lua_State *L) {
  if (is_plain(L) || bind_to_tensor(L, 3) != NULL) return;
  bind_error(L, "a number or a tensor expected to assign, got %s", luaL_typename(L, 3));
}

static tn_status get_source(lua_State *L, binding *b, source *from) {
  from->made = NULL;
  from->t = bind_to_tensor(L, 3);
  if (from->t != NULL) return TN_OK;
  tn_status s = bind_number_tensor(b->ctx, &from->made, plain_value(L));
  from->t = from->made;
  return s;
}

/* view = value: a number fills it, a tensor is copied into it. `view` is given up. */
static void assign(lua_State *L, binding *b, tn_tensor *view) {
  source from;
  tn_status s = get_source(L, b, &from);
  if (s == TN_OK && from.made == NULL) s = tn_copy(b->ctx, view, from.t);
  else if (s == TN_OK) {
    tn_tensor *in[2] = {view, from.t};
    s = tn_apply_inplace(b->ctx, TN_OP_fill, 2, in, NULL);
  }
  tn_tensor_release(from.made);
  tn_tensor_release(view);
  bind_check(L, b, s);
}

/* What the keys pick of the view takes the value, or has it added to it. */
static void put(lua_State *L, binding *b, tn_tensor *view, int n, tn_tensor *const *keys,
                const int *names, bool accumulate) {
  source from;
  tn_status s = get_source(L, b, &from);
  if (s == TN_OK && from.made == NULL) from.t = beside(L, b, view, from.t);
  if (s == TN_OK) s = tn_index_put(b->ctx, view, n, keys, names, from.t, accumulate);
  tn_tensor_release(from.made);
  bind_check(L, b, s);
}

/* Elements where the mask is set: a value for all, or the source's first elements one by one. */
static void set_masked(lua_State *L, binding *b, tn_tensor *t, tn_tensor *mask) {
  source from;
  tn_tensor *one = NULL;
  tn_attrs none = {.ni = 0};
  tn_status s = get_source(L, b, &from);
  if (s == TN_OK && from.made == NULL) from.t = beside(L, b, t, from.t);
  if (s == TN_OK && tn_tensor_numel(from.t) == 1) {
    s = tn_apply(b->ctx, TN_OP_view, 1, &from.t, &none, &one); /* without a dimension */
  }
  if (s == TN_OK) {
    tn_tensor *in[3] = {t, mask, one != NULL ? one : from.t};
    s = tn_apply_inplace(b->ctx, one != NULL ? TN_OP_maskedFill : TN_OP_maskedCopy, 3, in, &none);
  }
  tn_tensor_release(one);
  tn_tensor_release(from.made);
  bind_check(L, b, s);
}

static void set_with_parts(lua_State *L, binding *b, tn_tensor *t) {
  part parts[TN_MAX_DIMS];
  place p;
  int64_t at;
  int n = read_parts(L, t, 2, parts);
  if (is_plain(L) && tn_is_leaf(t) && one_element(t, parts, n, &at)) {
    tn_tensor_put(t, at, plain_value(L));
    return;
  }
  find_place(L, b, t, parts, n, &p);
  if (p.n == 0) {
    assign(L, b, p.view);
    return;
  }
  bind_new_box(L);
  bind_fill(L, b, lua_gettop(L), p.view);
  keys_beside(L, b, &p);
  put(L, b, p.view, p.n, p.keys, p.names, false);
}

static void set_property(lua_State *L, binding *b, tn_tensor *t) {
  const char *key = lua_tostring(L, 2);
  if (strcmp(key, "requires_grad") == 0) {
    bind_check(L, b, tn_set_requires_grad(b->ctx, t, lua_toboolean(L, 3)));
  } else if (strcmp(key, "grad") == 0) {
    tn_tensor *g = lua_isnil(L, 3) ? NULL : bind_check_tensor(L, 3, "grad");
    bind_check(L, b, tn_set_grad(b->ctx, t, g));
  } else {
    bind_error(L, "a tensor has no field '%s' that could be set", key);
  }
}

static int tensor_newindex(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "assignment"), *key;
  int64_t i;
  if (lua_type(L, 2) == LUA_TSTRING) {
    set_property(L, b, t);
    return 0;
  }
  check_source(L);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    if (tn_tensor_ndim(t) == 0) return bind_error(L, "a tensor without dimensions has no index");
    whole_number(L, 2, &i);
    i = position(L, i, tn_tensor_sizes(t)[0], 0);
    if (tn_tensor_ndim(t) == 1 && is_plain(L) && tn_is_leaf(t)) {
      tn_tensor_put(t, i, plain_value(L));
      return 0;
    }
    tn_tensor *view = tn_tensor_retain(t);
    step(L, b, &view, TN_OP_select, 0, i, 0);
    assign(L, b, view);
  } else if (lua_istable(L, 2) || bind_to_storage(L, 2) != NULL) {
    set_with_parts(L, b, t);
  } else if ((key = bind_to_tensor(L, 2)) == NULL) {
    return bind_error(L, "a number, a table or a tensor expected as index, got %s",
                      luaL_typename(L, 2));
  } else if (is_mask(key) && !masks_slices(t, key)) {
    set_masked(L, b, t, beside(L, b, t, key));
  } else {
    key = beside(L, b, t, key);
    put(L, b, t, 1, &key, NULL, false);
  }
  return 0;
}

/* x:index_put({keys}, values [, accumulate]): x[{keys}] = values, or += where that is asked for. */
static int index_put(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "index_put"), *key = bind_to_tensor(L, 2);
  part parts[TN_MAX_DIMS];
  place p;
  const bool accumulate = lua_toboolean(L, 4);
  lua_settop(L, 3);
  check_source(L);
  if (key != NULL) {
    key = beside(L, b, t, key);
    put(L, b, t, 1, &key, NULL, accumulate);
  } else {
    if (!lua_istable(L, 2)) return bind_error(L, "index_put: a table of indices expected, got %s",
                                              luaL_typename(L, 2));
    int n = read_parts(L, t, 2, parts);
    find_place(L, b, t, parts, n, &p);
    bind_new_box(L);
    bind_fill(L, b, lua_gettop(L), p.view);
    keys_beside(L, b, &p);
    put(L, b, p.view, p.n, p.keys, p.names, accumulate);
  }
  lua_settop(L, 1);
  return 1;
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

void bind_tensor_index(lua_State *L, binding *b, int mt, int more) {
  mt = lua_absindex(L, mt);
  more = lua_absindex(L, more);
  lua_pushlightuserdata(L, b);
  lua_pushvalue(L, mt);
  lua_pushvalue(L, more);
  lua_pushcclosure(L, tensor_index, 3);
  lua_setfield(L, mt, "__index");
}

void bind_open_index(lua_State *L, binding *b, int mt) {
  lua_pushlightuserdata(L, b);
  lua_pushvalue(L, mt);
  lua_pushcclosure(L, tensor_index, 2);
  lua_setfield(L, mt, "__index");
  set_operator(L, b, mt, "__newindex", tensor_newindex, NULL, NULL);
  set_operator(L, b, mt, "index_put", index_put, NULL, NULL);
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
