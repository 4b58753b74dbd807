/* gzip.c -- module moonlet.gzip: gzip and gunzip over zlib, for data files.
 *
 *   gunzip(bytes [, max_bytes])      all members of a gzip file's bytes, decompressed
 *   gunzip_file(path [, max_bytes])  the same, read from a file
 *   gzip(bytes [, level])            one member; level 1 (fast) to 9 (small), default 6
 *
 * max_bytes bounds the result, so that a small hostile file cannot fill the memory. */
#include "packages.h"

#ifdef MOONLET_EMBED

static int missing(lua_State *L) {
  return luaL_error(L, "%s: this build of Moonlet has no zlib",
                    lua_tostring(L, lua_upvalueindex(1)));
}

int luaopen_moonlet_gzip(lua_State *L) {
  static const char *const names[] = {"gunzip", "gunzip_file", "gzip"};
  lua_createtable(L, 0, 3);
  for (int i = 0; i < 3; i++) {
    lua_pushstring(L, names[i]);
    lua_pushcclosure(L, missing, 1);
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}

#else

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CHUNK = 1 << 16, GZIP_FORMAT = 15 + 16 }; /* largest window, gzip header and CRC */

typedef struct {
  z_stream z;
  bool open;     /* z has to be ended */
  bool compress; /* ... by deflateEnd */
  FILE *file;    /* source of input, or NULL: all of it is in z already */
  unsigned char *out;
  size_t room, used, limit; /* bytes of out */
  size_t read;              /* bytes of input consumed, for messages */
  char reason[128];
  unsigned char in[CHUNK];
} work;

/* Everything C holds hangs on this userdata, so an error anywhere frees it. */
static int release(lua_State *L) {
  work *w = lua_touserdata(L, 1);
  if (w->open && w->compress) deflateEnd(&w->z);
  if (w->open && !w->compress) inflateEnd(&w->z);
  if (w->file) fclose(w->file);
  free(w->out);
  w->open = false;
  w->file = NULL;
  w->out = NULL;
  return 0;
}

static work *new_work(lua_State *L) {
  work *w = moonlet_newuserdata(L, sizeof *w);
  memset(w, 0, offsetof(work, in));
  if (luaL_newmetatable(L, "moonlet.gzip.work")) {
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return w;
}

/* Frees at once what would else wait for the collector, then raises. */
static int fail(lua_State *L, work *w, const char *name, const char *format, size_t number) {
  snprintf(w->reason, sizeof w->reason, format, number);
  lua_pushfstring(L, "%s: %s", name, w->reason);
  lua_pushcfunction(L, release);
  lua_pushvalue(L, -3);
  lua_call(L, 1, 0);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

/* Makes the result, once; the work's memory goes back now rather than at the next collection. */
static int finish(lua_State *L, work *w) {
  int at = lua_gettop(L);
  lua_pushlstring(L, (const char *)w->out, w->used);
  lua_pushcfunction(L, release);
  lua_pushvalue(L, at);
  lua_call(L, 1, 0);
  return 1;
}

/* Room for more output: doubles, but never much beyond the limit. */
static bool grow(work *w) {
  if (w->used < w->room) return true;
  size_t room = w->room ? 2 * w->room : 4 * (size_t)CHUNK;
  if (room > w->limit) room = w->limit + 1; /* one byte more tells "too much" from "just full" */
  unsigned char *out = realloc(w->out, room);
  if (!out) return false;
  w->out = out;
  w->room = room;
  return true;
}

/* Gives zlib the room that there is; its counter has 32 bits. */
static size_t offer(work *w) {
  size_t n = w->room - w->used;
  if (n > (1u << 30)) n = 1u << 30;
  w->z.next_out = w->out + w->used;
  w->z.avail_out = (uInt)n;
  return n;
}

/* Makes sure of input while there is any. Input of a string comes in pieces of at most 1 GiB. */
static bool fill(work *w, const unsigned char **rest, size_t *left) {
  if (w->z.avail_in) return true;
  if (w->file) {
    w->z.next_in = w->in;
    w->z.avail_in = (uInt)fread(w->in, 1, CHUNK, w->file);
  } else {
    size_t n = *left < (1u << 30) ? *left : 1u << 30;
    w->z.next_in = (unsigned char *)(uintptr_t)*rest; /* zlib only reads it */
    w->z.avail_in = (uInt)n;
    *rest += n;
    *left -= n;
  }
  w->read += w->z.avail_in;
  return w->z.avail_in > 0;
}

/* A gzip file may have several members after one another, as `cat a.gz b.gz` makes; zero bytes
 * after the last, which tapes leave, are no member. */
static bool next_member(work *w, const unsigned char **rest, size_t *left) {
  for (;;) {
    if (!fill(w, rest, left)) return false;
    if (*w->z.next_in != 0) return inflateReset(&w->z) == Z_OK;
    w->z.next_in++;
    w->z.avail_in--;
  }
}

static int inflate_all(lua_State *L, work *w, const char *name, const char *bytes, size_t size) {
  const unsigned char *rest = (const unsigned char *)bytes;
  if (inflateInit2(&w->z, GZIP_FORMAT) != Z_OK)
    return fail(L, w, name, "not enough memory for zlib", 0);
  w->open = true;
  for (bool ended = false;;) {
    if (!fill(w, &rest, &size) && w->file && ferror(w->file))
      return fail(L, w, name, "reading fails after %zu bytes", w->read);
    if (!grow(w)) return fail(L, w, name, "not enough memory for %zu bytes", 2 * w->room);
    size_t offered = offer(w);
    int status = inflate(&w->z, Z_NO_FLUSH);
    w->used += offered - w->z.avail_out;
    if (w->used > w->limit) return fail(L, w, name, "more than %zu bytes come out", w->limit);
    ended = status == Z_STREAM_END;
    if (ended && !next_member(w, &rest, &size)) return finish(L, w);
    if (status == Z_BUF_ERROR && w->z.avail_in == 0 && w->z.avail_out > 0)
      return fail(L, w, name, "data ends early (%zu bytes read)", w->read);
    if (status == Z_MEM_ERROR) return fail(L, w, name, "not enough memory for zlib", 0);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      bool foreign = w->z.total_in < 10 && w->used == 0;
      return fail(L, w, name,
                  foreign ? "this is no gzip data"
                          : "data is damaged (noticed within the first %zu bytes)",
                  w->read - w->z.avail_in);
    }
  }
}

/* The optional limit at argument 2. */
static size_t check_limit(lua_State *L, const char *name) {
  int64_t limit = 0;
  if (lua_isnoneornil(L, 2)) return SIZE_MAX / 4;
  if (!moonlet_toint(L, 2, &limit) || limit < 0)
    luaL_error(L, "%s: max_bytes must be a whole number of bytes", name);
  return (uint64_t)limit < SIZE_MAX / 4 ? (size_t)limit : SIZE_MAX / 4;
}

static int gunzip(lua_State *L) {
  size_t size, limit = check_limit(L, "gunzip");
  const char *bytes = luaL_checklstring(L, 1, &size);
  lua_settop(L, 1);
  work *w = new_work(L);
  w->limit = limit;
  return inflate_all(L, w, "gunzip", bytes, size);
}

static int gunzip_file(lua_State *L) {
  size_t limit = check_limit(L, "gunzip_file");
  const char *path = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  const char *name = lua_pushfstring(L, "gunzip_file '%s'", path);
  work *w = new_work(L);
  w->limit = limit;
  w->file = fopen(path, "rb");
  if (!w->file) return luaL_error(L, "gunzip_file: cannot open '%s': %s", path, strerror(errno));
  return inflate_all(L, w, name, NULL, 0);
}

static int gzip(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  int level = (int)luaL_optinteger(L, 2, 6), status = Z_OK;
  if (level < 1 || level > 9) return luaL_error(L, "gzip: level is %d, not 1 to 9", level);
  lua_settop(L, 1);
  work *w = new_work(L);
  const unsigned char *rest = (const unsigned char *)bytes;
  w->compress = true;
  w->limit = SIZE_MAX / 4;
  if (deflateInit2(&w->z, level, Z_DEFLATED, GZIP_FORMAT, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return fail(L, w, "gzip", "not enough memory for zlib", 0);
  w->open = true;
  while (status != Z_STREAM_END) {
    fill(w, &rest, &size);
    if (!grow(w)) return fail(L, w, "gzip", "not enough memory for %zu bytes", 2 * w->room);
    size_t offered = offer(w);
    status = deflate(&w->z, size ? Z_NO_FLUSH : Z_FINISH);
    w->used += offered - w->z.avail_out;
    if (status == Z_STREAM_ERROR) return fail(L, w, "gzip", "zlib fails", 0);
  }
  return finish(L, w);
}

int luaopen_moonlet_gzip(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"gunzip", gunzip}, {"gunzip_file", gunzip_file}, {"gzip", gzip}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

#endif
