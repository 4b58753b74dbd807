/* bind_system.c -- what the Lua packages need of the system, and threads and memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bind.h"

/* clock() → seconds of real, user and system time */
static int clock_seconds(lua_State *L) {
  struct timespec now;
  struct rusage usage;
  clock_gettime(CLOCK_MONOTONIC, &now);
  getrusage(RUSAGE_SELF, &usage);
  lua_pushnumber(L, (lua_Number)now.tv_sec + 1e-9 * (lua_Number)now.tv_nsec);
  lua_pushnumber(L, (lua_Number)usage.ru_utime.tv_sec + 1e-6 * (lua_Number)usage.ru_utime.tv_usec);
  lua_pushnumber(L, (lua_Number)usage.ru_stime.tv_sec + 1e-6 * (lua_Number)usage.ru_stime.tv_usec);
  return 3;
}

/* isatty(descriptor | file of io): is it a terminal? */
static int is_terminal(lua_State *L) {
  int descriptor = -1;
  if (lua_type(L, 1) == LUA_TNUMBER) {
    int64_t n = bind_check_int(L, 1, "isatty", "the descriptor");
    descriptor = n >= 0 && n <= INT_MAX ? (int)n : -1;
  } else { /* both VMs begin such an object with its FILE *; a closed one has none, or no closer */
    FILE *const *file = (FILE *const *)luaL_checkudata(L, 1, LUA_FILEHANDLE);
#ifdef MOONLET_LUA54
    if (((const luaL_Stream *)(const void *)file)->closef == NULL) file = NULL;
#endif
    if (file != NULL && *file != NULL) descriptor = fileno(*file);
  }
  lua_pushboolean(L, descriptor >= 0 && isatty(descriptor));
  return 1;
}

static int peak_memory(lua_State *L) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  lua_pushnumber(L, (lua_Number)usage.ru_maxrss * 1024);
  return 1;
}

static bool sync_path(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = fsync(fd) == 0;
  int saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

/* fsync_rename(from, to): `to` is, after a crash too, either what it was or all of `from`. */
static int fsync_rename(lua_State *L) {
  const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
  char folder[1024];
  if (!sync_path(from) || rename(from, to) != 0) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", to, strerror(errno));
    return 2;
  }
  const char *slash = strrchr(to, '/');
  size_t n = slash == NULL ? 0 : (size_t)(slash - to);
  if (n < sizeof folder - 1) {
    memcpy(folder, slash == NULL ? "." : to, n > 0 ? n : 1);
    folder[n > 0 ? n : 1] = 0;
    sync_path(folder); /* some file systems cannot: the rename itself has been done */
  }
  lua_pushboolean(L, true);
  return 1;
}

/* remove(path): whether the file is gone */
static int remove_file(lua_State *L) {
  lua_pushboolean(L, remove(luaL_checkstring(L, 1)) == 0);
  return 1;
}

/* file_stamp(path) → 'file', 'folder' or 'other', and a text that another file, or another state of
 * this one, does not have; nil and a message when there is none. */
static int file_stamp(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat s;
  char text[120];
  if (stat(path, &s) != 0) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(errno));
    return 2;
  }
  lua_pushstring(L, S_ISREG(s.st_mode) ? "file" : S_ISDIR(s.st_mode) ? "folder" : "other");
  snprintf(text, sizeof text, "%llx.%llx.%llx.%llx.%lx", (unsigned long long)s.st_dev,
           (unsigned long long)s.st_ino, (unsigned long long)s.st_size,
           (unsigned long long)s.st_mtim.tv_sec, (unsigned long)s.st_mtim.tv_nsec);
  lua_pushstring(L, text);
  return 2;
}

static int close_folder(lua_State *L) {
  DIR **folder = (DIR **)lua_touserdata(L, 1);
  if (*folder != NULL) closedir(*folder);
  *folder = NULL;
  return 0;
}

/* folder_names(path) → the names in a folder, in no order; nil and a message when it cannot be
 * read. The open folder hangs on a userdata, so that no error loses it. */
static int folder_names(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_newtable(L);
  DIR **folder = (DIR **)moonlet_newuserdata(L, sizeof *folder);
  *folder = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_folder);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, 3);
  *folder = opendir(path);
  if (*folder == NULL) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(errno));
    return 2;
  }
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(*folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    lua_pushstring(L, entry->d_name);
    lua_rawseti(L, 2, ++count);
  }
  closedir(*folder);
  *folder = NULL;
  lua_settop(L, 2);
  return 1;
}

static int executable_dir(lua_State *L) {
  char path[1024];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  char *slash = strrchr(path, '/');
  if (slash == NULL) return 0;
  lua_pushlstring(L, path, (size_t)(slash - path));
  return 1;
}

/* -- Threads, memory --------------------------------------------------------------------------- */

static int set_threads(lua_State *L) {
  binding *b = bind_state(L);
  int64_t n = bind_check_int(L, 1, "setnumthreads", "the number of threads");
  if (b->sandbox && (n < 1 || n > b->threads))
    return luaL_error(L, "setnumthreads: from 1 to %d in this sandbox", b->threads);
  bind_check(L, b, tn_set_threads(b->ctx, n < 0 || n > 100000 ? -1 : (int)n));
  return 0;
}

static int get_threads(lua_State *L) {
  lua_pushinteger(L, tn_threads(bind_state(L)->ctx));
  return 1;
}

/* getnumcores(): the cores that this process may run on */
static int count_cores(lua_State *L) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  lua_pushinteger(L, n > 0 ? (lua_Integer)n : 1);
  return 1;
}

/* memory() → {live=, peak=, cached= (bytes), storages=} */
static int memory(lua_State *L) {
  tn_memory_stats s = tn_memory(bind_state(L)->ctx);
  lua_createtable(L, 0, 4);
  lua_pushnumber(L, (lua_Number)s.live_bytes), lua_setfield(L, -2, "live");
  lua_pushnumber(L, (lua_Number)s.peak_bytes), lua_setfield(L, -2, "peak");
  lua_pushnumber(L, (lua_Number)s.cached_bytes), lua_setfield(L, -2, "cached");
  lua_pushnumber(L, (lua_Number)s.live_storages), lua_setfield(L, -2, "storages");
  return 1;
}

/* set_memory_limit(bytes) → what it was; 0: no limit */
static int set_memory_limit(lua_State *L) {
  binding *b = bind_state(L);
  int64_t bytes = bind_check_int(L, 1, "set_memory_limit", "the number of bytes");
  if (bytes < 0) {
    return luaL_error(L, "set_memory_limit: %f is negative; 0 means no limit", (lua_Number)bytes);
  }
  lua_pushnumber(L, (lua_Number)tn_set_memory_limit(b->ctx, (size_t)bytes));
  return 1;
}

void bind_open_system(lua_State *L, binding *b, int core) {
  static const luaL_Reg functions[] = {
      {"clock", clock_seconds}, {"isatty", is_terminal}, {"peak_memory", peak_memory},
      {"fsync_rename", fsync_rename}, {"executable_dir", executable_dir}, {"remove", remove_file},
      {"file_stamp", file_stamp}, {"folder_names", folder_names},
      {"setnumthreads", set_threads}, {"getnumthreads", get_threads},
      {"getnumcores", count_cores}, {"memory", memory}, {"set_memory_limit", set_memory_limit},
      {NULL, NULL}};
  lua_pushvalue(L, core);
  bind_register(L, b, functions);
  lua_pop(L, 1);
}
