/* gzip.c -- module moonlet.gzip: gzip and gunzip, for data files, over zlib. The embedded build has
 * the inflate of its packages instead, and does not compress.
 *
 *   gunzip(bytes [, max_bytes])      all members of a gzip file's bytes, decompressed
 *   gunzip_file(path [, max_bytes])  the same, read from a file
 *   gzip(bytes [, level])            one member; level 1 (fast) to 9 (small), default 6
 *
 * max_bytes bounds the result, so that a small hostile file cannot fill the memory. */
#include "packages.h"

#include "state_limits.h"

#ifdef MOONLET_EMBED

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inflate.h"

/* What C holds hangs on this userdata, so an error anywhere frees it. */
typedef struct {
  unsigned char *in, *out;
} work;

static int release(lua_State *L) {
  work *w = lua_touserdata(L, 1);
  free(w->in);
  free(w->out);
  w->in = w->out = NULL;
  return 0;
}

static work *new_work(lua_State *L) {
  work *w = moonlet_newuserdata(L, sizeof *w);
  w->in = w->out = NULL;
  if (luaL_newmetatable(L, "moonlet.gzip.work")) {
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return w;
}

static uint32_t crc32_of(const unsigned char *bytes, size_t n) {
  static const uint32_t table[16] = {
      0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158,
      0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4,
      0xa00ae278, 0xbdbdf21c};
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < n; i++) {
    crc = table[(crc ^ bytes[i]) & 15] ^ crc >> 4;
    crc = table[(crc ^ bytes[i] >> 4) & 15] ^ crc >> 4;
  }
  return ~crc;
}

static uint32_t little_endian(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Bytes of a member's header (RFC 1952); 0: it is none, n + 1: it ends early. */
static size_t header_size(const unsigned char *p, size_t n) {
  static const unsigned char magic[3] = {31, 139, 8};
  size_t at = 10;
  if (memcmp(p, magic, n < 3 ? n : 3) != 0 || (n > 3 && p[3] > 31)) return 0;
  if (n < 10) return n + 1;
  if (p[3] & 4) at += n < 12 ? 2 : 2 + (size_t)(p[10] | p[11] << 8);
  for (int text = 8; text <= 16; text *= 2) { /* the file's name, a comment */
    if (!(p[3] & text)) continue;
    while (at < n && p[at] != 0) at++;
    at++;
  }
  if (p[3] & 2) at += 2;
  return at < n ? at : n + 1;
}

typedef enum { FINE, EARLY, TOO_MUCH, NO_MEMORY, DAMAGED, FOREIGN } outcome;

/* Unpacks all members into w->out. */
static outcome unpack(work *w, const unsigned char *in, size_t n, size_t limit, size_t *used) {
  size_t at = 0, room = 0;
  for (*used = 0; at < n;) {
    size_t read, made, header = header_size(in + at, n - at);
    if (header == 0) return at == 0 ? FOREIGN : DAMAGED;
    if (header > n - at) return EARLY;
    at += header;
    inflate_status status = INFLATE_FULL;
    while (status == INFLATE_FULL) {
      if (*used > limit) return TOO_MUCH;
      room = room > *used ? room : 4 * (n - at) + *used + 64;
      if (room > limit) room = limit + 1; /* one byte more tells "too much" from "just full" */
      unsigned char *out = realloc(w->out, room);
      if (!out) return NO_MEMORY;
      w->out = out;
      status = moonlet__inflate(in + at, n - at, &read, out + *used, room - *used, &made);
      if (status == INFLATE_FULL && room > limit) return TOO_MUCH;
      if (status == INFLATE_FULL) room *= 2;
    }
    if (status == INFLATE_EARLY || n - at - read < 8) return EARLY;
    at += read;
    if (status != INFLATE_DONE || little_endian(in + at) != crc32_of(w->out + *used, made) ||
        little_endian(in + at + 4) != (uint32_t)made)
      return DAMAGED;
    at += 8;
    *used += made;
    if (*used > limit) return TOO_MUCH;
    while (at < n && in[at] == 0) at++; /* tapes leave zeros */
  }
  return n == 0 ? EARLY : FINE;
}

static int finish(lua_State *L, work *w, const char *name, const void *bytes, size_t size) {
  size_t used = 0, limit = SIZE_MAX / 4;
  int64_t given = 0;
  if (!lua_isnoneornil(L, 2)) {
    if (!moonlet_toint(L, 2, &given) || given < 0)
      luaL_error(L, "%s: max_bytes must be a whole number of bytes", name);
    if ((uint64_t)given < limit) limit = (size_t)given;
  }
  const outcome wrong = unpack(w, bytes, size, limit, &used);
  if (wrong == FINE) lua_pushlstring(L, (const char *)w->out, used);
  lua_pushcfunction(L, release);
  lua_pushlightuserdata(L, w);
  lua_call(L, 1, 0);
  char count[24]; /* the two VMs print numbers differently */
  snprintf(count, sizeof count, "%zu", wrong == EARLY ? size : wrong == NO_MEMORY ? used : limit);
  switch (wrong) {
  case FINE: return 1;
  case EARLY: return luaL_error(L, "%s: data ends early (%s bytes read)", name, count);
  case TOO_MUCH: return luaL_error(L, "%s: more than %s bytes come out", name, count);
  case NO_MEMORY: return luaL_error(L, "%s: not enough memory for more than %s bytes", name, count);
  case DAMAGED: return luaL_error(L, "%s: data is damaged", name);
  case FOREIGN: break;
  }
  return luaL_error(L, "%s: this is no gzip data", name);
}

static int gunzip(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  lua_settop(L, 2);
  return finish(L, new_work(L), "gunzip", bytes, size);
}

static int gunzip_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t size = 0, room = 0;
  lua_settop(L, 2);
  const char *name = lua_pushfstring(L, "gunzip_file '%s'", path);
  work *w = new_work(L);
  FILE *file = fopen(path, "rb");
  if (!file) return luaL_error(L, "gunzip_file: cannot open '%s': %s", path, strerror(errno));
  bool full = false;
  while (size == room && !full) {
    room = room ? 2 * room : 1 << 16;
    unsigned char *in = realloc(w->in, room);
    full = !in;
    if (full) break;
    w->in = in;
    size += fread(in + size, 1, room - size, file);
  }
  const bool failed = ferror(file) != 0;
  fclose(file);
  if (full) return luaL_error(L, "%s: not enough memory for %f bytes", name, (double)room);
  if (failed) return luaL_error(L, "%s: reading fails after %f bytes", name, (double)size);
  return finish(L, w, name, w->in, size);
}

static int gzip(lua_State *L) {
  return luaL_error(L, "gzip: this build of Moonlet has no zlib");
}

int luaopen_moonlet_gzip(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"gunzip", gunzip}, {"gunzip_file", gunzip_file}, {"gzip", gzip}, {NULL, NULL}};
  luaL_newlib(L, functions);
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
    moonlet_limits_work(L, moonlet_limits_of(L), CHUNK / 16);
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

/* What the state may still have of memory. */
static size_t most_memory(lua_State *L) {
  const moonlet_limits *l = moonlet_limits_of(L);
  const size_t limit = l ? tn_budget_limit(l->budget) : 0, used = l ? tn_budget_used(l->budget) : 0;
  return limit == 0 ? SIZE_MAX / 4 : limit > used ? limit - used : 1;
}

/* The optional limit at argument 2. */
static size_t check_limit(lua_State *L, const char *name) {
  int64_t limit = 0;
  if (lua_isnoneornil(L, 2)) return most_memory(L);
  if (!moonlet_toint(L, 2, &limit) || limit < 0)
    luaL_error(L, "%s: max_bytes must be a whole number of bytes", name);
  const size_t most = most_memory(L);
  return (uint64_t)limit < most ? (size_t)limit : most;
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
  const moonlet_limits *l = moonlet_limits_of(L);
  lua_settop(L, 1);
  if (l && l->sandbox) return luaL_error(L, "gunzip_file: not in a sandbox");
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
    moonlet_limits_work(L, moonlet_limits_of(L), CHUNK / 4);
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
