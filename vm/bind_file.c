/* bind_file.c -- the methods of torch.File that move data; stdlib/torch/File.lua has the rest.
 *
 * A file object is a Lua table whose field `stream` holds the userdata made here. Every function
 * takes the object (or the userdata) as its first argument, so that it is the method itself and
 * errors name the line of the script. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "file_stream.h"

typedef struct {
  const void *magic;
  file_stream s;
} file_box;

static const char file_magic = 'f';
static const char READ_ERROR[] = "read error: read", WRITE_ERROR[] = "write error: wrote";

/* Elements that are taken from a pipe before it has shown that there are more. */
enum { FIRST_PIECE = 65536, CHUNK = 8192 };
/* A count in a file or a script that no file has. */
static const int64_t MOST_ELEMENTS = (int64_t)1 << 46;
static const double FLOAT_END = 3.4028235677973366e38; /* what rounds to no finite float */

/* -- the object -------------------------------------------------------------------------------- */

static file_stream *to_stream(lua_State *L) {
  int at = 1;
  if (lua_istable(L, 1)) {
    lua_pushliteral(L, "stream");
    lua_rawget(L, 1);
    at = lua_gettop(L);
  }
  file_box *box = (file_box *)lua_touserdata(L, at);
  bool ok = box != NULL && lua_rawlen(L, at) >= sizeof *box && box->magic == &file_magic;
  if (at != 1) lua_pop(L, 1); /* the object keeps it alive */
  if (!ok) luaL_error(L, "a torch.File expected, got %s", luaL_typename(L, 1));
  return &box->s;
}

static file_stream *open_stream(lua_State *L) {
  file_stream *s = to_stream(L);
  if (!stream_is_open(s)) luaL_error(L, "attempt to use a closed file");
  return s;
}

static file_stream *readable(lua_State *L) {
  file_stream *s = open_stream(L);
  if (!s->readable) luaL_error(L, "attempt to read in a write-only file");
  return s;
}

static file_stream *writable(lua_State *L) {
  file_stream *s = open_stream(L);
  if (!s->writable) luaL_error(L, "attempt to write in a read-only file");
  return s;
}

/* The reader and writer of objects say where they are in the file: no line of theirs helps, nor
 * one of a method that calls another. */
static void push_where(lua_State *L) {
  lua_Debug info;
  for (int level = 1; lua_getstack(L, level, &info) && lua_getinfo(L, "S", &info); level++) {
    if (strstr(info.source, "torch/t7_") != NULL ||
        strstr(info.source, "torch/serialize.lua") != NULL)
      break;
    if (strstr(info.source, "torch/File.lua") != NULL) continue;
    luaL_where(L, level);
    return;
  }
  lua_pushliteral(L, "");
}

/* Marks the file, and raises unless it is quiet. The two VMs print numbers differently. */
static void fail_with(lua_State *L, file_stream *s, const char *text) {
  s->failed = true;
  if (s->quiet) return;
  push_where(L);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  lua_error(L);
}

static void failed(lua_State *L, file_stream *s, const char *what, size_t done, uint64_t wanted) {
  char text[200];
  const char *reason = "file ends early";
  if (s->reason != 0) reason = strerror(s->reason);
  else if (s->kind != STREAM_PIPE && stream_left(s, 1) > 0) reason = "no number";
  snprintf(text, sizeof text, "%.90s at byte %llu (%s %zu blocks instead of %llu)", reason,
           (unsigned long long)s->position, what, done, (unsigned long long)wanted);
  fail_with(L, s, text);
}

static void failed_seek(lua_State *L, file_stream *s, const char *where) {
  char text[200];
  snprintf(text, sizeof text, "unable to seek at %s: %.90s", where, strerror(s->reason));
  fail_with(L, s, text);
}

static bool big_endian(void) {
  const uint16_t one = 1;
  return *(const uint8_t *)&one == 0;
}

/* Binary files are little-endian unless asked otherwise: they are to be read on other machines. */
static file_box *new_file(lua_State *L, binding *b, stream_kind kind, const char *mode) {
  bool r = strcmp(mode, "r") == 0, w = strcmp(mode, "w") == 0, rw = strcmp(mode, "rw") == 0;
  if (!r && !w && !(rw && kind != STREAM_PIPE)) {
    luaL_error(L, "file mode should be %s, got '%s'",
               kind == STREAM_PIPE ? "'r' or 'w'" : "'r', 'w' or 'rw'", mode);
  }
  file_box *box = (file_box *)moonlet_newuserdata(L, sizeof *box);
  memset(box, 0, sizeof *box);
  box->magic = &file_magic;
  box->s = (file_stream){.ctx = b->ctx, .kind = kind, .readable = r || rw, .writable = w || rw,
                         .autospacing = true, .swap = big_endian(), .long_size = 8};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &file_magic);
  lua_setmetatable(L, -2);
  return box;
}

static int file_gc(lua_State *L) {
  file_box *box = (file_box *)lua_touserdata(L, 1);
  if (box != NULL && box->magic == &file_magic) stream_close(&box->s);
  return 0;
}

/* open_disk(name, mode), open_pipe(command, mode) → the stream, or nil and the reason */
static int open_named(lua_State *L, stream_kind kind) {
  const char *name = luaL_checkstring(L, 1), *mode = luaL_checkstring(L, 2);
  file_stream *s = &new_file(L, bind_state(L), kind, mode)->s;
  if (kind == STREAM_DISK ? stream_open_disk(s, name) : stream_open_pipe(s, name)) return 1;
  lua_pushnil(L);
  lua_pushstring(L, strerror(s->reason));
  return 2;
}

static int open_disk(lua_State *L) {
  return open_named(L, STREAM_DISK);
}

static int open_pipe(lua_State *L) {
  return open_named(L, STREAM_PIPE);
}

/* open_memory(mode [, CharStorage that ends in 0 | string]) */
static int open_memory(lua_State *L) {
  binding *b = bind_state(L);
  size_t length = 0;
  const char *mode = luaL_checkstring(L, 1);
  const char *bytes = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &length) : NULL;
  const storage_box *given = bytes == NULL && !lua_isnoneornil(L, 2)
                                 ? bind_check_storage(L, 2, "MemoryFile") : NULL;
  if (given != NULL) {
    bind_bytes_on_cpu(L, given, "MemoryFile");
    size_t n = tn_storage_bytes(given->s);
    const char *data = tn_storage_data(given->s);
    if (given->dtype != TN_I8 && given->dtype != TN_U8)
      return luaL_error(L, "a CharStorage expected");
    if (n == 0 || data[n - 1] != 0)
      return luaL_error(L, "provided CharStorage must be terminated by 0");
  }
  bind_pressure(L, b);
  file_stream *s = &new_file(L, b, STREAM_MEMORY, mode)->s;
  if (given != NULL) s->memory = tn_storage_retain(given->s);
  else bind_check(L, b, tn_storage_new(b->ctx, &s->memory, length + 1));
  char *data = tn_storage_data(s->memory);
  if (bytes != NULL) memcpy(data, bytes, length);
  if (given == NULL) data[length] = 0;
  s->size = tn_storage_bytes(s->memory) - 1;
  return 1;
}

/* -- numbers ----------------------------------------------------------------------------------- */

typedef union {
  uint8_t u8;
  int8_t i8;
  int16_t i16;
  int32_t i32;
  int64_t i64;
  float f32;
  double f64;
} element;

static tn_dtype dtype_of(lua_State *L) {
  return (tn_dtype)lua_tointeger(L, lua_upvalueindex(2));
}

static bool needs_float(const file_stream *s, tn_dtype dtype) {
  return !s->binary && (dtype == TN_F16 || dtype == TN_BF16);
}

/* Copies n elements between a storage, from element `first` on, and float32 numbers. */
static void convert(lua_State *L, binding *b, storage_box *box, size_t first, storage_box *wide,
                    size_t n, bool to_float) {
  tn_tensor *half = NULL, *real = NULL;
  int64_t size = (int64_t)n;
  tn_status st =
      tn_tensor_view(b->ctx, &half, box->s, box->dtype, 1, &size, NULL, (int64_t)first);
  if (st == TN_OK) st = tn_tensor_view(b->ctx, &real, wide->s, TN_F32, 1, &size, NULL, 0);
  if (st == TN_OK) st = tn_copy(b->ctx, to_float ? real : half, to_float ? half : real);
  tn_tensor_release(half);
  tn_tensor_release(real);
  bind_check(L, b, st);
}

/* n elements of a storage from `first` on. Half precision is written as float32 in ASCII. */
static size_t read_elements_of(lua_State *L, binding *b, file_stream *s, storage_box *box,
                               size_t first, size_t n) {
  size_t size = tn_dtype_size(box->dtype), got;
  bind_bytes_on_cpu(L, box, "read");
  if (n == 0) return 0;
  if (needs_float(s, box->dtype)) {
    storage_box *wide = bind_new_storage(L, b, TN_F32);
    bind_check(L, b, tn_storage_new(b->ctx, &wide->s, n * sizeof(float)));
    memset(tn_storage_data(wide->s), 0, n * sizeof(float));
    got = stream_read(s, TN_F32, tn_storage_data(wide->s), n);
    convert(L, b, box, first, wide, n, false);
    lua_pop(L, 1);
  } else {
    got = stream_read(s, box->dtype, (char *)tn_storage_data(box->s) + first * size, n);
  }
  tn_storage_touch(box->s);
  return got;
}

static size_t write_elements_of(lua_State *L, binding *b, file_stream *s, storage_box *box,
                                size_t n) {
  size_t done;
  bind_bytes_on_cpu(L, box, "write");
  if (n == 0) return 0;
  if (!needs_float(s, box->dtype))
    return stream_write(s, box->dtype, tn_storage_data(box->s), n);
  storage_box *wide = bind_new_storage(L, b, TN_F32);
  bind_check(L, b, tn_storage_new(b->ctx, &wide->s, n * sizeof(float)));
  convert(L, b, box, 0, wide, n, true);
  done = stream_write(s, TN_F32, tn_storage_data(wide->s), n);
  lua_pop(L, 1);
  return done;
}

static int push_element(lua_State *L, tn_dtype dtype, const element *e) {
  if (dtype == TN_F32) lua_pushnumber(L, (lua_Number)e->f32);
  else if (dtype == TN_F64) lua_pushnumber(L, e->f64);
  else if (dtype == TN_I64) {
#ifdef MOONLET_LUA54
    lua_pushinteger(L, (lua_Integer)e->i64);
#else
    lua_pushnumber(L, (lua_Number)e->i64);
#endif
  } else {
    lua_pushinteger(L, dtype == TN_U8    ? e->u8
                       : dtype == TN_I8  ? e->i8
                       : dtype == TN_I16 ? e->i16
                                         : e->i32);
  }
  return 1;
}

/* How many of `wanted` elements can be there; as many as memory can hold where nobody knows. */
static size_t at_most(file_stream *s, tn_dtype dtype, int64_t wanted) {
  const size_t n = (size_t)(wanted < BIND_MOST ? wanted : BIND_MOST);
  size_t size = s->binary ? tn_dtype_size(dtype) : 1;
  if (s->binary && dtype == TN_I64 && s->long_size == 4) size = 4;
  int64_t left = stream_left(s, n * size);
  if (left < 0) return n;
  return n < (size_t)left / size ? n : (size_t)left / size;
}

/* A new storage of n elements from the file, or of those that are there. No count is believed: a
 * pipe gets more room only as data arrives. */
static size_t read_new(lua_State *L, binding *b, file_stream *s, tn_dtype dtype, int64_t n) {
  size_t size = tn_dtype_size(dtype), most = at_most(s, dtype, n), got = 0;
  size_t room = stream_left(s, 0) >= 0 || most < FIRST_PIECE ? most : FIRST_PIECE;
  bind_pressure(L, b);
  storage_box *box = bind_new_storage(L, b, dtype);
  bind_check(L, b, tn_storage_new(b->ctx, &box->s, room * size));
  for (;;) {
    got += read_elements_of(L, b, s, box, got, room - got);
    if (got < room || got == most) break;
    room = most - room < room ? most : 2 * room;
    bind_check(L, b, tn_storage_resize(b->ctx, box->s, room * size));
  }
  if (n > 0) stream_end_array(s);
  if (got < tn_storage_bytes(box->s) / size)
    bind_check(L, b, tn_storage_resize(b->ctx, box->s, got * size));
  return got;
}

/* readX() → a number; readX(n) → a storage of as many; readX(storage) → how many were read */
static int read_numbers(lua_State *L) {
  binding *b = bind_state(L);
  file_stream *s = readable(L);
  tn_dtype dtype = dtype_of(L);
  storage_box *box = bind_to_storage(L, 2);
  if (lua_isnoneornil(L, 2)) {
    element e;
    memset(&e, 0, sizeof e);
    if (stream_read(s, dtype, &e, 1) < 1) {
      memset(&e, 0, sizeof e);
      failed(L, s, READ_ERROR, 0, 1);
    }
    stream_end_array(s);
    return push_element(L, dtype, &e);
  }
  if (box != NULL) {
    if (box->dtype != dtype)
      return luaL_error(L, "a %sStorage expected", tn_dtype_torch_name(dtype));
    size_t n = tn_storage_bytes(box->s) / tn_dtype_size(dtype);
    size_t got = read_elements_of(L, b, s, box, 0, n);
    if (n > 0) stream_end_array(s);
    if (got < n) failed(L, s, READ_ERROR, got, n);
    lua_pushinteger(L, (lua_Integer)got);
    return 1;
  }
  int64_t n = bind_check_int(L, 2, "read", "the number of elements");
  if (n < 0 || n > MOST_ELEMENTS)
    return luaL_error(L, "read: the number of elements is negative or too large");
  size_t got = read_new(L, b, s, dtype, n);
  if ((int64_t)got < n) failed(L, s, READ_ERROR, got, (uint64_t)n);
  return 1;
}

/* A Lua number as an element. Fractions are cut off and unsigned values taken as their bits, as C
 * does it; what does not fit at all is an error. */
static void check_element(lua_State *L, tn_dtype dtype, element *e) {
  lua_Number x = luaL_checknumber(L, 2);
  int64_t whole = 0;
  int bits = 8 * (int)tn_dtype_size(dtype);
  if (dtype == TN_F32) {
    /* beyond float's range is infinity, which the conversion alone does not promise */
    if (x > FLOAT_END) e->f32 = HUGE_VALF;
    else if (x < -FLOAT_END) e->f32 = -HUGE_VALF;
    else e->f32 = (float)x;
    return;
  }
  if (dtype == TN_F64) {
    e->f64 = x;
    return;
  }
  bool fits = moonlet_toint(L, 2, &whole);
  if (!fits && x >= -9223372036854775808.0 && x < 9223372036854775808.0) {
    whole = (int64_t)x;
    fits = true;
  }
  if (fits && bits < 64)
    fits = whole >= -((int64_t)1 << (bits - 1)) && whole < ((int64_t)1 << bits);
  if (!fits) {
    luaL_error(L, "write: %s does not fit %s", lua_tostring(L, 2), tn_dtype_torch_name(dtype));
  }
  switch (dtype) {
  case TN_I16: e->i16 = (int16_t)whole; break;
  case TN_I32: e->i32 = (int32_t)whole; break;
  case TN_I64: e->i64 = whole; break;
  default: e->u8 = (uint8_t)whole; /* the same bits for int8 */
  }
}

/* writeX(number); writeX(storage) → how many were written */
static int write_numbers(lua_State *L) {
  binding *b = bind_state(L);
  file_stream *s = writable(L);
  tn_dtype dtype = dtype_of(L);
  storage_box *box = bind_to_storage(L, 2);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    element e;
    check_element(L, dtype, &e);
    if (stream_write(s, dtype, &e, 1) < 1) failed(L, s, WRITE_ERROR, 0, 1);
    return 0;
  }
  if (box == NULL || box->dtype != dtype) {
    return luaL_error(L, "number or %sStorage expected, got %s", tn_dtype_torch_name(dtype),
                      luaL_typename(L, 2));
  }
  size_t n = tn_storage_bytes(box->s) / tn_dtype_size(dtype);
  size_t done = write_elements_of(L, b, s, box, n);
  if (done < n) failed(L, s, WRITE_ERROR, done, n);
  lua_pushinteger(L, (lua_Integer)done);
  return 1;
}

/* write_storage(file, storage): all elements, whatever their type */
static int write_storage(lua_State *L) {
  file_stream *s = writable(L);
  storage_box *box = bind_check_storage(L, 2, "write");
  size_t n = tn_storage_bytes(box->s) / tn_dtype_size(box->dtype);
  size_t done = write_elements_of(L, bind_state(L), s, box, n);
  if (done < n) failed(L, s, WRITE_ERROR, done, n);
  return 0;
}

/* read_storage(file, "torch.XTensor", n) → a new storage, of any type */
static int read_storage(lua_State *L) {
  file_stream *s = readable(L);
  tn_dtype dtype;
  int64_t n = bind_check_int(L, 3, "read", "the number of elements");
  if (!bind_dtype(luaL_checkstring(L, 2), &dtype) || n < 0 || n > MOST_ELEMENTS)
    return luaL_error(L, "read: no such storage");
  size_t got = read_new(L, bind_state(L), s, dtype, n);
  if ((int64_t)got < n) failed(L, s, READ_ERROR, got, (uint64_t)n);
  return 1;
}

/* -- strings ----------------------------------------------------------------------------------- */

/* Pushes n bytes, or those that are there; returns how many. Memory grows as they arrive. */
static size_t push_bytes(lua_State *L, file_stream *s, size_t n) {
  char piece[CHUNK];
  luaL_Buffer buffer;
  size_t done = 0, got;
  if (n <= sizeof piece) {
    got = stream_get(s, piece, n);
    lua_pushlstring(L, piece, got);
    return got;
  }
  luaL_buffinit(L, &buffer);
  do {
    got = stream_get(s, piece, n - done < sizeof piece ? n - done : sizeof piece);
    luaL_addlstring(&buffer, piece, got);
    done += got;
  } while (got > 0 && done < n);
  luaL_pushresult(&buffer);
  return done;
}

/* Bytes that the format gives a count for: an array, with the end of its line in ASCII. */
static int read_bytes(lua_State *L) {
  file_stream *s = readable(L);
  int64_t n = bind_check_int(L, 2, "read", "the number of bytes");
  size_t got = 0;
  if (n < 0 || (uint64_t)n > SIZE_MAX / 2)
    return luaL_error(L, "read: the number of bytes is negative or too large");
  got = push_bytes(L, s, (size_t)n);
  if (n > 0) stream_end_array(s);
  if (got < (size_t)n) failed(L, s, READ_ERROR, got, (size_t)n);
  return 1;
}

static int write_bytes(lua_State *L) {
  file_stream *s = writable(L);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  size_t done = stream_write(s, TN_U8, bytes, n);
  if (done < n) failed(L, s, WRITE_ERROR, done, n);
  return 0;
}

static bool push_line(lua_State *L, file_stream *s) {
  char piece[CHUNK];
  luaL_Buffer buffer;
  bool found = false;
  size_t got, total = 0;
  luaL_buffinit(L, &buffer);
  do {
    got = stream_get_line(s, piece, sizeof piece, &found);
    luaL_addlstring(&buffer, piece, got);
    total += got;
  } while (!found && got == sizeof piece);
  luaL_pushresult(&buffer);
  return found || total > 0;
}

/* readString('*a' | '*l') → the rest of the file, or of the line without its newline */
static int read_string(lua_State *L) {
  file_stream *s = readable(L);
  const char *format = luaL_optstring(L, 2, "*l");
  if (*format == '*') format++;
  if (*format != 'a' && *format != 'l')
    return luaL_error(L, "readString: '*a' or '*l' expected, got '%s'", lua_tostring(L, 2));
  bool some = *format == 'a' ? push_bytes(L, s, SIZE_MAX) > 0 : push_line(L, s);
  if (!some) failed(L, s, READ_ERROR, 0, 1);
  return 1;
}

static int write_string(lua_State *L) {
  file_stream *s = writable(L);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  size_t done = stream_put(s, bytes, n);
  if (done < n) failed(L, s, WRITE_ERROR, done, n);
  lua_pushinteger(L, (lua_Integer)done);
  return 1;
}

/* -- position and state ------------------------------------------------------------------------ */

static int position(lua_State *L) {
  lua_pushnumber(L, (lua_Number)open_stream(L)->position + 1);
#ifdef MOONLET_LUA54
  lua_pushinteger(L, (lua_Integer)lua_tonumber(L, -1));
#endif
  return 1;
}

static int seek(lua_State *L) {
  file_stream *s = open_stream(L);
  int64_t to = bind_check_int(L, 2, "seek", "the position");
  if (to < 1) return luaL_error(L, "seek: positions start at 1");
  if (!stream_seek(s, (uint64_t)to - 1)) {
    char where[40];
    snprintf(where, sizeof where, "position %lld", (long long)to);
    failed_seek(L, s, where);
  }
  lua_settop(L, 1);
  return 1;
}

static int seek_end(lua_State *L) {
  file_stream *s = open_stream(L);
  if (!stream_seek_end(s)) failed_seek(L, s, "the end");
  lua_settop(L, 1);
  return 1;
}

static int synchronize(lua_State *L) {
  file_stream *s = open_stream(L);
  if (!stream_flush(s)) failed(L, s, WRITE_ERROR, 0, 1);
  lua_settop(L, 1);
  return 1;
}

static int close_file(lua_State *L) {
  file_stream *s = open_stream(L);
  if (!stream_close(s)) fail_with(L, s, strerror(s->reason));
  lua_settop(L, 1);
  return 1;
}

static int no_buffer(lua_State *L) {
  file_stream *s = open_stream(L);
  if (s->handle != NULL) setvbuf(s->handle, NULL, _IONBF, 0);
  lua_settop(L, 1);
  return 1;
}

/* left(file [, needed]) → the bytes from here to the end, or nil for a pipe */
static int left(lua_State *L) {
  file_stream *s = open_stream(L);
  lua_Number needed = luaL_optnumber(L, 2, 9e15);
  int64_t n = stream_left(s, needed >= 0 && needed < 9e15 ? (uint64_t)needed : UINT64_MAX);
  if (n < 0) return 0;
  lua_pushnumber(L, (lua_Number)n);
  return 1;
}

/* storage(file) → the CharStorage of a file in memory, a NUL at its end */
static int storage(lua_State *L) {
  binding *b = bind_state(L);
  file_stream *s = open_stream(L);
  if (s->memory == NULL) return luaL_error(L, "only a torch.MemoryFile has a storage");
  stream_left(s, 0); /* looks at the storage again */
  bind_check(L, b, tn_storage_resize(b->ctx, s->memory, (size_t)s->size + 1));
  storage_box *box = bind_new_storage(L, b, TN_I8);
  box->s = tn_storage_retain(s->memory);
  return 1;
}

/* contents(file) → all bytes of a file in memory as a string */
static int contents(lua_State *L) {
  file_stream *s = open_stream(L);
  if (s->memory == NULL) return luaL_error(L, "only a torch.MemoryFile has contents");
  stream_left(s, 0); /* looks at the storage again */
  lua_pushlstring(L, tn_storage_data(s->memory), (size_t)s->size);
  return 1;
}

static int is_little_endian(lua_State *L) {
  lua_pushboolean(L, !big_endian());
  return 1;
}

/* -- switches: set by methods that return the file, read by others ------------------------------ */

typedef enum {
  BINARY, ASCII, AUTO_SPACING, NO_AUTO_SPACING, QUIET, PEDANTIC, CLEAR_ERROR,
  NATIVE_ENDIAN, LITTLE_ENDIAN_BYTES, BIG_ENDIAN_BYTES
} setting;

static int set_flag(lua_State *L) {
  file_stream *s = to_stream(L);
  switch ((setting)lua_tointeger(L, lua_upvalueindex(2))) {
  case BINARY: s->binary = true; break;
  case ASCII: s->binary = false; break;
  case AUTO_SPACING: s->autospacing = true; break;
  case NO_AUTO_SPACING: s->autospacing = false; break;
  case QUIET: s->quiet = true; break;
  case PEDANTIC: s->quiet = false; break;
  case CLEAR_ERROR: s->failed = false; break;
  case NATIVE_ENDIAN: s->swap = false; break;
  case LITTLE_ENDIAN_BYTES: s->swap = big_endian(); break;
  case BIG_ENDIAN_BYTES: s->swap = !big_endian(); break;
  }
  lua_settop(L, 1);
  return 1;
}

typedef enum {
  IS_OPENED, IS_QUIET, IS_READABLE, IS_WRITABLE, IS_BINARY, IS_AUTO_SPACING, HAS_ERROR
} question;

static int get_flag(lua_State *L) {
  const file_stream *s = to_stream(L);
  bool answer = false;
  switch ((question)lua_tointeger(L, lua_upvalueindex(2))) {
  case IS_OPENED: answer = stream_is_open(s); break;
  case IS_QUIET: answer = s->quiet; break;
  case IS_READABLE: answer = s->readable; break;
  case IS_WRITABLE: answer = s->writable; break;
  case IS_BINARY: answer = s->binary; break;
  case IS_AUTO_SPACING: answer = s->autospacing; break;
  case HAS_ERROR: answer = s->failed; break;
  }
  lua_pushboolean(L, answer);
  return 1;
}

/* longSize(0 | 4 | 8): bytes of a Long in binary form; 0 stands for this machine's */
static int long_size(lua_State *L) {
  file_stream *s = to_stream(L);
  int64_t n = bind_check_int(L, 2, "longSize", "the size");
  if (n != 0 && n != 4 && n != 8) return luaL_error(L, "longSize: 0, 4 or 8 expected");
  s->long_size = n == 4 ? 4 : 8;
  lua_settop(L, 1);
  return 1;
}

/* -- the table of all this --------------------------------------------------------------------- */

static void add_numbered(lua_State *L, binding *b, const char *name, lua_CFunction f, int number) {
  lua_pushlightuserdata(L, b);
  lua_pushinteger(L, number);
  lua_pushcclosure(L, f, 2);
  lua_setfield(L, -2, name);
}

static void add_numbers(lua_State *L, binding *b) {
  static const tn_dtype types[] = {TN_U8, TN_I8, TN_I16, TN_I32, TN_I64, TN_F32, TN_F64};
  char name[32];
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    snprintf(name, sizeof name, "read%s", tn_dtype_torch_name(types[i]));
    add_numbered(L, b, name, read_numbers, (int)types[i]);
    snprintf(name, sizeof name, "write%s", tn_dtype_torch_name(types[i]));
    add_numbered(L, b, name, write_numbers, (int)types[i]);
  }
}

static void add_flags(lua_State *L, binding *b) {
  static const char *const settings[] = {
      [BINARY] = "binary", [ASCII] = "ascii", [AUTO_SPACING] = "autoSpacing",
      [NO_AUTO_SPACING] = "noAutoSpacing", [QUIET] = "quiet", [PEDANTIC] = "pedantic",
      [CLEAR_ERROR] = "clearError", [NATIVE_ENDIAN] = "nativeEndianEncoding",
      [LITTLE_ENDIAN_BYTES] = "littleEndianEncoding", [BIG_ENDIAN_BYTES] = "bigEndianEncoding"};
  static const char *const questions[] = {
      [IS_OPENED] = "isOpened", [IS_QUIET] = "isQuiet", [IS_READABLE] = "isReadable",
      [IS_WRITABLE] = "isWritable", [IS_BINARY] = "isBinary",
      [IS_AUTO_SPACING] = "isAutoSpacing", [HAS_ERROR] = "hasError"};
  for (int i = 0; i <= BIG_ENDIAN_BYTES; i++) add_numbered(L, b, settings[i], set_flag, i);
  for (int i = 0; i <= HAS_ERROR; i++) add_numbered(L, b, questions[i], get_flag, i);
}

/* Adds the table `file` to the core table. */
void bind_open_file(lua_State *L, binding *b, int core) {
  static const luaL_Reg functions[] = {
      {"open_disk", open_disk}, {"open_pipe", open_pipe}, {"open_memory", open_memory},
      {"read_storage", read_storage}, {"write_storage", write_storage},
      {"read_bytes", read_bytes}, {"write_bytes", write_bytes}, {"left", left},
      {"contents", contents}, {"readString", read_string}, {"writeString", write_string},
      {"position", position}, {"seek", seek}, {"seekEnd", seek_end},
      {"synchronize", synchronize}, {"close", close_file}, {"noBuffer", no_buffer},
      {"storage", storage}, {"isLittleEndianCPU", is_little_endian}, {"longSize", long_size},
      {NULL, NULL}};
  lua_newtable(L); /* the metatable of all streams of this state */
  lua_pushcfunction(L, file_gc);
  lua_setfield(L, -2, "__gc");
  if (b->sandbox) {
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &file_magic);
  lua_newtable(L);
  bind_register(L, b, functions);
  add_numbers(L, b);
  add_flags(L, b);
  lua_setfield(L, core, "file");
}
