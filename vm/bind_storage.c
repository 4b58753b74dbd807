/* bind_storage.c -- torch.XStorage: flat memory, as Torch7 shows it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"

static int64_t count_of(const storage_box *box) {
  return box->s == NULL ? 0 : (int64_t)(tn_storage_bytes(box->s) / tn_dtype_size(box->dtype));
}

/* Pushes a one-dimensional tensor that shows the storage: the way to its elements. */
static tn_tensor *push_view(lua_State *L, binding *b, const storage_box *box) {
  tn_tensor *t = NULL;
  int64_t n = count_of(box);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_view(b->ctx, &t, box->s, box->dtype, 1, &n, NULL, 0));
  bind_fill(L, b, lua_gettop(L), t);
  return t;
}

/* -- torch.XStorage(...): upvalue 2 is the dtype ----------------------------------------------- */

static int64_t count_argument(lua_State *L, int index, const char *function) {
  int64_t n = bind_check_int(L, index, function, "the size");
  if (n < 0 || n > BIND_MOST) bind_error(L, "%s: a size of %lld", function, (long long)n);
  return n;
}

static void fill_from_table(lua_State *L, binding *b, const storage_box *box, int64_t n) {
  tn_tensor *t = push_view(L, b, box);
  for (int64_t i = 0; i < n; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    if (!lua_isnumber(L, -1) && !lua_isboolean(L, -1)) {
      bind_error(L, "Storage: a number expected as value %d of the table, got %s", (int)i + 1,
                 luaL_typename(L, -1));
    }
    tn_tensor_put(t, i, lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* What a string or file holds need not be 0 or 1. */
static void make_flags(const storage_box *box, size_t first, size_t count) {
  if (box->dtype != TN_BOOL) return;
  uint8_t *flags = (uint8_t *)tn_storage_data(box->s) + first;
  for (size_t i = 0; i < count; i++) flags[i] = flags[i] != 0;
}

/* (storage [, offset [, n]]): a part of it, in the same memory. */
static void share(lua_State *L, binding *b, storage_box *box) {
  const storage_box *of = bind_to_storage(L, 1);
  const int64_t have = count_of(of);
  bind_bytes_on_cpu(L, of, "Storage");
  if (of->dtype != box->dtype) {
    bind_error(L, "a %sStorage expected, got a %sStorage", tn_dtype_torch_name(box->dtype),
               tn_dtype_torch_name(of->dtype));
  }
  int64_t offset = lua_isnoneornil(L, 2) ? 1 : bind_check_int(L, 2, "Storage", "the offset");
  if (offset < 1 || offset > have + 1) {
    bind_error(L, "Storage: offset %lld is out of range: the storage has %lld elements",
               (long long)offset, (long long)have);
  }
  int64_t n = lua_isnoneornil(L, 3) ? have - offset + 1 : count_argument(L, 3, "Storage");
  if (n > have - offset + 1) {
    bind_error(L, "Storage: %lld elements from %lld on are out of range: the storage has %lld",
               (long long)n, (long long)offset, (long long)have);
  }
  const size_t item = tn_dtype_size(box->dtype);
  bind_check(L, b, tn_storage_part(b->ctx, &box->s, of->s, (size_t)(offset - 1) * item,
                                   (size_t)n * item));
}

/* (file [, shared [, n [, sharedMem]]]): the file as memory. */
static void map_file(lua_State *L, binding *b, storage_box *box) {
  const size_t item = tn_dtype_size(box->dtype);
  const char *path = lua_tostring(L, 1);
  if (box->dtype == TN_BOOL) bind_error(L, "Storage: a file cannot be a storage of bool");
  if (strlen(path) != lua_rawlen(L, 1)) bind_error(L, "Storage: the file's name holds a zero byte");
  int64_t n = lua_isnoneornil(L, 3) ? 0 : count_argument(L, 3, "Storage");
  bool memory = lua_toboolean(L, 4);
  tn_map_mode mode = memory ? TN_MAP_MEMORY : lua_toboolean(L, 2) ? TN_MAP_SHARED : TN_MAP_PRIVATE;
  bind_check(L, b, tn_storage_map(b->ctx, &box->s, path, mode, (size_t)n * item));
}

/* Can every page of the memory be read and written? The system answers, through a pipe. */
static bool can_be_used(char *data, size_t bytes) {
  int ends[2];
  bool good = pipe(ends) == 0;
  if (!good) return false;
  const size_t page = 4096;
  for (size_t at = 0; good && at < bytes; at = (at / page + 1) * page) {
    good = write(ends[1], data + at, 1) == 1 && read(ends[0], data + at, 1) == 1;
  }
  good = good && (bytes == 0 || (write(ends[1], data + bytes - 1, 1) == 1 &&
                                 read(ends[0], data + bytes - 1, 1) == 1));
  close(ends[0]);
  close(ends[1]);
  return good;
}

/* (n, address): memory that somebody else owns. */
static void borrow(lua_State *L, binding *b, storage_box *box) {
  const size_t item = tn_dtype_size(box->dtype);
  const size_t bytes = (size_t)count_argument(L, 1, "Storage") * item;
  const lua_Number address = luaL_checknumber(L, 2);
  const bool wide = SIZE_MAX > UINT32_MAX;
  const size_t most = wide ? SIZE_MAX >> 24 : SIZE_MAX >> 2;
  bool fits = address > 0 && address < (wide ? 0x1p48 : 0x1p32) &&
              address == (double)(uint64_t)address;
  char *data = fits ? (char *)(uintptr_t)address : NULL;
  if (data == NULL || (uintptr_t)data % item != 0 || bytes > most ||
      !can_be_used(data, bytes)) {
    bind_error(L, "Storage: %g is not the address of %zu bytes that can be written", address,
               bytes);
  }
  bind_check(L, b, tn_storage_borrow(b->ctx, &box->s, data, bytes, NULL, NULL));
}

/* The storage of a new tensor of the current GPU: of n elements, or with those of the table or the
 * CPU's storage at index 1. */
static void place_on_device(lua_State *L, binding *b, storage_box *box, int64_t n, bool values) {
  const bind_type wanted = {box->dtype, TN_CUDA, true};
  tn_device device = bind_type_device(L, b, &wanted, TN_CPU);
  tn_tensor *there = NULL;
  if (values) bind_check(L, b, tn_storage_new(b->ctx, &box->s, (size_t)n * tn_dtype_size(box->dtype)));
  if (values) fill_from_table(L, b, box, n);
  bind_new_box(L);
  tn_tensor *here = values ? push_view(L, b, box) : NULL;
  bind_check(L, b, values ? tn_tensor_to(b->ctx, &there, here, device, box->dtype)
                          : tn_tensor_new_on(b->ctx, &there, device, box->dtype, 1, &n));
  if (values) lua_pop(L, 1);
  bind_fill(L, b, lua_gettop(L), there);
  tn_storage *made = tn_storage_retain(tn_tensor_storage(there));
  tn_storage_release(box->s);
  box->s = made;
  lua_pop(L, 1);
  bind_settle_storage(L, b, -1);
}

/* torch.CudaStorage(...): (n), (table), (storage of this type) */
static int new_device_storage(lua_State *L) {
  binding *b = bind_state(L);
  const tn_dtype dtype = (tn_dtype)lua_tointeger(L, lua_upvalueindex(2));
  storage_box *of = bind_to_storage(L, 1);
  char word[BIND_TYPE_TEXT];
  lua_settop(L, 1);
  bind_pressure(L, b);
  storage_box *box = bind_new_storage(L, b, dtype);
  if (of != NULL && of->dtype == dtype && tn_storage_device(of->s) != TN_CPU) {
    box->s = tn_storage_retain(of->s);
    bind_settle_storage(L, b, -1);
    return 1;
  }
  if (of != NULL) {
    return bind_error(L, "a %sStorage expected, got a %sStorage: use :type() to convert",
                      bind_type_word(TN_CUDA, dtype, word), tn_dtype_torch_name(of->dtype));
  }
  const bool table = lua_istable(L, 1);
  int64_t n = table ? (int64_t)lua_rawlen(L, 1) : 0;
  if (!table && !lua_isnil(L, 1)) n = count_argument(L, 1, "Storage");
  place_on_device(L, b, box, n, table);
  return 1;
}

static int new_storage(lua_State *L) {
  binding *b = bind_state(L);
  tn_dtype dtype = (tn_dtype)lua_tointeger(L, lua_upvalueindex(2));
  const size_t item = tn_dtype_size(dtype);
  int64_t n = 0;
  lua_settop(L, 4);
  const int kind = lua_type(L, 1);
  const bool string = kind == LUA_TSTRING && item == 1 && lua_isnil(L, 2);
  bind_pressure(L, b);
  storage_box *box = bind_new_storage(L, b, dtype);
  const bool maps = kind == LUA_TSTRING && !string;
  if (b->sandbox && (maps || (kind == LUA_TNUMBER && lua_type(L, 2) == LUA_TNUMBER)))
    return bind_error(L, "Storage: no %s in a sandbox", maps ? "files" : "addresses");
  if (bind_to_storage(L, 1) != NULL) share(L, b, box);
  else if (maps) map_file(L, b, box);
  else if (kind == LUA_TNUMBER && lua_type(L, 2) == LUA_TNUMBER) borrow(L, b, box);
  if (box->s != NULL) return 1;
  if (kind == LUA_TTABLE || string) n = (int64_t)lua_rawlen(L, 1);
  else if (kind != LUA_TNIL) n = count_argument(L, 1, "Storage");
  bind_check(L, b, tn_storage_new(b->ctx, &box->s, (size_t)n * item));
  if (kind == LUA_TTABLE) fill_from_table(L, b, box, n);
  if (string) {
    memcpy(tn_storage_data(box->s), lua_tostring(L, 1), (size_t)n);
    make_flags(box, 0, (size_t)n);
  }
  return 1;
}

/* -- Methods ----------------------------------------------------------------------------------- */

static int storage_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)count_of(bind_check_storage(L, 1, "size")));
  return 1;
}

static int64_t element(lua_State *L, const storage_box *box) {
  int64_t i = bind_check_int(L, 2, "storage", "an index");
  if (i < 1 || i > count_of(box)) {
    char text[96];
    snprintf(text, sizeof text, "index %lld is out of range: the storage has %lld elements",
             (long long)i, (long long)count_of(box));
    bind_error(L, "%s", text);
  }
  return i - 1;
}

static int storage_index(lua_State *L) {
  const storage_box *box = bind_to_storage(L, 1);
  if (lua_type(L, 2) != LUA_TNUMBER || box == NULL) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    return 1;
  }
  int64_t i = element(L, box);
  tn_tensor *t = push_view(L, bind_state(L), box);
  bind_push_number(L, t, i);
  return 1;
}

static int storage_newindex(lua_State *L) {
  const storage_box *box = bind_check_storage(L, 1, "assignment");
  int64_t i = element(L, box);
  double value = luaL_checknumber(L, 3);
  tn_tensor_put(push_view(L, bind_state(L), box), i, value);
  return 0;
}

static int storage_fill(lua_State *L) {
  binding *b = bind_state(L);
  const storage_box *box = bind_check_storage(L, 1, "fill");
  double value = luaL_checknumber(L, 2);
  tn_tensor *in[2] = {push_view(L, b, box), NULL};
  tn_status s = bind_number_tensor(b->ctx, &in[1], value);
  if (s == TN_OK) s = tn_apply_inplace(b->ctx, TN_OP_fill, 2, in, NULL);
  tn_tensor_release(in[1]);
  bind_check(L, b, s);
  lua_settop(L, 1);
  return 1;
}

static int storage_copy(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *to = push_view(L, b, bind_check_storage(L, 1, "copy"));
  tn_tensor *from = push_view(L, b, bind_check_storage(L, 2, "copy"));
  bind_check(L, b, tn_copy(b->ctx, to, from));
  lua_settop(L, 1);
  return 1;
}

static int storage_resize(lua_State *L) {
  binding *b = bind_state(L);
  const storage_box *box = bind_check_storage(L, 1, "resize");
  int64_t n = count_argument(L, 2, "resize");
  bind_check(L, b, tn_storage_resize(b->ctx, box->s, (size_t)n * tn_dtype_size(box->dtype)));
  lua_settop(L, 1);
  return 1;
}

/* s:type() is the name; s:type('torch.IntStorage') s with its values converted. */
static int storage_type(lua_State *L) {
  binding *b = bind_state(L);
  const storage_box *box = bind_check_storage(L, 1, "type");
  const tn_device now = tn_storage_device(box->s);
  char name[40];
  bind_type wanted;
  if (lua_isnoneornil(L, 2)) {
    lua_pushfstring(L, "torch.%sStorage", bind_type_word(now, box->dtype, name));
    return 1;
  }
  snprintf(name, sizeof name - 8, "%s", luaL_checkstring(L, 2));
  char *ending = strstr(name, "Storage");
  if (ending != NULL && strcmp(ending, "Storage") == 0) strcpy(ending, "Tensor");
  if (!bind_read_type(name, &wanted)) {
    return bind_error(L, "type: no such type of storage: '%s'", lua_tostring(L, 2));
  }
  lua_settop(L, 1);
  const tn_device device = bind_type_device(L, b, &wanted, now);
  if (wanted.dtype == box->dtype && device == now) return 1;
  storage_box *made = bind_new_storage(L, b, wanted.dtype);
  bind_new_box(L);
  tn_tensor *from = push_view(L, b, box), *to = NULL;
  bind_check(L, b, tn_tensor_to(b->ctx, &to, from, device, wanted.dtype));
  bind_fill(L, b, 3, to);
  made->s = tn_storage_retain(tn_tensor_storage(to));
  bind_settle_storage(L, b, 2);
  lua_settop(L, 2);
  return 1;
}

static int storage_element_size(lua_State *L) {
  const storage_box *box = bind_check_storage(L, 1, "elementSize");
  lua_pushinteger(L, (lua_Integer)tn_dtype_size(box->dtype));
  return 1;
}

/* s:string() is what the bytes spell; s:string(text) makes the storage hold that. */
static int storage_string(lua_State *L) {
  const storage_box *box = bind_check_storage(L, 1, "string");
  if (tn_dtype_size(box->dtype) != 1) {
    return bind_error(L, "string: only a storage of bytes is a string");
  }
  bind_bytes_on_cpu(L, box, "string");
  if (!lua_isnoneornil(L, 2)) {
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    bind_check(L, bind_state(L), tn_storage_resize(bind_state(L)->ctx, box->s, length));
    memcpy(tn_storage_data(box->s), text, length);
    make_flags(box, 0, length);
    tn_storage_touch(box->s);
    lua_settop(L, 1);
    return 1;
  }
  lua_pushlstring(L, (const char *)tn_storage_data(box->s), tn_storage_bytes(box->s));
  return 1;
}

/* s:retain() and s:free() count by hand, as old code does around threads: one free for each retain,
 * and never one too many. In a sandbox, which must leave nothing behind, they do nothing. */
static int storage_retain(lua_State *L) {
  const storage_box *box = bind_check_storage(L, 1, "retain");
  if (!bind_state(L)->sandbox) tn_storage_keep(box->s);
  lua_settop(L, 1);
  return 1;
}

static int storage_free(lua_State *L) {
  tn_storage_unkeep(bind_check_storage(L, 1, "free")->s);
  lua_settop(L, 1);
  return 1;
}

static int storage_totable(lua_State *L) {
  binding *b = bind_state(L);
  const storage_box *box = bind_check_storage(L, 1, "totable");
  const tn_tensor *t = push_view(L, b, box);
  int64_t n = count_of(box);
  lua_createtable(L, n < 1 << 26 ? (int)n : 0, 0);
  for (int64_t i = 0; i < n; i++) {
    bind_push_number(L, t, i);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* -- Of tensors -------------------------------------------------------------------------------- */

static int tensor_storage(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "storage");
  if (tn_tensor_numel(t) == 0 && tn_storage_bytes(tn_tensor_storage(t)) == 0) return 0;
  storage_box *box = bind_new_storage(L, b, tn_tensor_dtype(t));
  box->s = tn_storage_retain(tn_tensor_storage(t));
  bind_settle_storage(L, b, -1);
  return 1;
}

/* The address of the first element as a light userdata: stdlib makes typed FFI pointers of it. */
static int tensor_data(lua_State *L) {
  const storage_box *box = bind_to_storage(L, 1);
  if (box != NULL) {
    bind_bytes_on_cpu(L, box, "data");
    if (box->s != NULL) tn_storage_expose(box->s);
    lua_pushlightuserdata(L, box->s != NULL ? tn_storage_data(box->s) : NULL);
    return 1;
  }
  tn_tensor *t = bind_check_tensor(L, 1, "data");
  bind_on_cpu(L, t, "data");
  tn_storage_expose(tn_tensor_storage(t));
  lua_pushlightuserdata(L, tn_tensor_data(t));
  return 1;
}

/* core.scalar_tensor(type name, storage, offset): a tensor without dimensions. */
static int scalar_tensor(lua_State *L) {
  binding *b = bind_state(L);
  const storage_box *box = bind_check_storage(L, 2, "scalar_tensor");
  int64_t offset = bind_check_int(L, 3, "scalar_tensor", "the offset");
  tn_tensor *t = NULL;
  if (offset < 1) return bind_error(L, "scalar_tensor: an offset counts from 1");
  bind_new_box(L);
  bind_check(L, b, tn_tensor_view(b->ctx, &t, box->s, box->dtype, 0, NULL, NULL, offset - 1));
  bind_fill(L, b, lua_gettop(L), t);
  return 1;
}

/* -- Raw bytes, for files ---------------------------------------------------------------------- */

static int storage_tostring(lua_State *L) {
  const storage_box *box = bind_check_storage(L, 1, "storage_tostring");
  bind_bytes_on_cpu(L, box, "storage_tostring");
  int64_t first = bind_check_int(L, 2, "storage_tostring", "the first element");
  int64_t n = bind_check_int(L, 3, "storage_tostring", "the count");
  size_t item = tn_dtype_size(box->dtype);
  if (first < 1 || n < 0 || first - 1 > count_of(box) || n > count_of(box) - (first - 1)) {
    return bind_error(L, "storage_tostring: no %d elements from %d on", (int)n, (int)first);
  }
  lua_pushlstring(L, (const char *)tn_storage_data(box->s) + (size_t)(first - 1) * item,
                  (size_t)n * item);
  return 1;
}

static int storage_fromstring(lua_State *L) {
  const storage_box *box = bind_check_storage(L, 1, "storage_fromstring");
  bind_bytes_on_cpu(L, box, "storage_fromstring");
  int64_t first = bind_check_int(L, 2, "storage_fromstring", "the first element");
  size_t length, item = tn_dtype_size(box->dtype);
  const char *bytes = luaL_checklstring(L, 3, &length);
  if (first < 1 || first - 1 > count_of(box) || length % item != 0 ||
      length / item > (size_t)(count_of(box) - (first - 1))) {
    return bind_error(L, "storage_fromstring: %d bytes do not fit from element %d on", (int)length,
                      (int)first);
  }
  memcpy((char *)tn_storage_data(box->s) + (size_t)(first - 1) * item, bytes, length);
  make_flags(box, (size_t)first - 1, length / item);
  tn_storage_touch(box->s);
  return 0;
}

/* core.from_string(type name, bytes): a one-dimensional tensor with a copy of them. */
static int from_string(lua_State *L) {
  binding *b = bind_state(L);
  tn_dtype dtype;
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  tn_tensor *t = NULL;
  if (!bind_dtype(luaL_checkstring(L, 1), &dtype)) {
    return bind_error(L, "from_string: no such type of tensor: '%s'", lua_tostring(L, 1));
  }
  int64_t n = (int64_t)(length / tn_dtype_size(dtype));
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new(b->ctx, &t, dtype, 1, &n));
  memcpy(tn_tensor_data(t), bytes, (size_t)n * tn_dtype_size(dtype));
  bind_fill(L, b, lua_gettop(L), t);
  return 1;
}

void bind_storage_constructor(lua_State *L, binding *b, tn_dtype dtype, tn_device_type where) {
  lua_pushlightuserdata(L, b);
  lua_pushinteger(L, dtype);
  lua_pushcclosure(L, where == TN_CPU ? new_storage : new_device_storage, 2);
}

static void add_constructors(lua_State *L, binding *b) {
  for (int d = 0; d < TN_DTYPE_COUNT; d++) {
    lua_pushfstring(L, "%sStorage", tn_dtype_torch_name((tn_dtype)d));
    bind_storage_constructor(L, b, (tn_dtype)d, TN_CPU);
    lua_rawset(L, -3);
  }
}

void bind_storage_index(lua_State *L, binding *b, int mt) {
  mt = lua_absindex(L, mt);
  lua_pushlightuserdata(L, b);
  lua_pushvalue(L, mt);
  lua_pushcclosure(L, storage_index, 2);
  lua_setfield(L, mt, "__index");
}

/* With a core table: its functions and the methods of tensors; without: methods of storages. */
void bind_open_storage(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg functions[] = {{"storage_tostring", storage_tostring},
                                       {"storage_fromstring", storage_fromstring},
                                       {"from_string", from_string},
                                       {"scalar_tensor", scalar_tensor},
                                       {"data_pointer", tensor_data},
                                       {NULL, NULL}};
  static const luaL_Reg of_tensors[] = {{"storage", tensor_storage}, {NULL, NULL}};
  static const luaL_Reg of_storages[] = {
      {"size", storage_size}, {"__len", storage_size}, {"__newindex", storage_newindex},
      {"fill", storage_fill}, {"copy", storage_copy}, {"resize", storage_resize},
      {"totable", storage_totable}, {"type", storage_type},
      {"elementSize", storage_element_size}, {"string", storage_string},
      {"retain", storage_retain}, {"free", storage_free}, {NULL, NULL}};
  if (core != 0) {
    lua_pushvalue(L, core);
    bind_register(L, b, functions);
    add_constructors(L, b);
    lua_pushvalue(L, methods);
    bind_register(L, b, of_tensors);
    lua_pop(L, 2);
    return;
  }
  lua_pushvalue(L, methods);
  bind_register(L, b, of_storages);
  bind_storage_index(L, b, -1);
  bind_share_equality(L, b, lua_gettop(L));
  lua_pop(L, 1);
}
