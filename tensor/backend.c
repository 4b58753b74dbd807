/* backend.c -- opens the plug-in of the GPU when a device is first asked for.
 *
 * It is looked for where MOONLET_CUDA says (a file or a folder), beside the program or library
 * that this code is in, in the folders around that, and where the system keeps libraries. It stays
 * open for the life of the process: a CUDA runtime cannot be unloaded. */
#define _GNU_SOURCE /* dladdr */
#include "tensor/device.h"

/* Constant for the life of the process once it has been set. */
static const tn_backend *loaded;

const tn_backend *tn__backend_loaded(void) { return loaded; }

#ifdef MOONLET_EMBED

const tn_backend *tn__backend(tn_ctx *ctx) {
  if (loaded == NULL) tn_fail(ctx, TN_EDEVICE, "cuda: this build has no GPU support");
  return loaded;
}

void tn__backend_use(const tn_backend *b) { loaded = b; }

#else

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "libmoonlet-cuda.so"
enum { PATH = 1024 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char problem[2 * PATH];

/* Adds to what the message will tell of the search. */
static void looked(const char *where) {
  size_t used = strlen(problem);
  snprintf(problem + used, sizeof problem - used, "%s%.300s", used > 0 ? ", " : "", where);
}

static bool is_fit(const tn_backend *b, const char *path) {
  if (b->version != TN_BACKEND_VERSION || b->op_count != TN_OP_COUNT) {
    snprintf(problem, sizeof problem, "cuda: %.900s was made for another version of Moonlet", path);
    return false;
  }
  for (int code = 0; code < TN_OP_COUNT; code++) {
    if (strcmp(b->op_names[code], tn__ops[code]->name) == 0) continue;
    snprintf(problem, sizeof problem,
             "cuda: %.900s was made for another version of Moonlet (it has '%.50s' for '%.50s')",
             path, b->op_names[code], tn__ops[code]->name);
    return false;
  }
  return true;
}

/* Is the search over? With `loaded` set, or with a problem that names the file. */
static bool try_file(const char *path) {
  const bool named = strchr(path, '/') != NULL;
  if (named && access(path, F_OK) != 0) return false;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    if (!named) return false;
    snprintf(problem, sizeof problem, "cuda: %.1000s", dlerror());
    return true;
  }
  tn_backend_entry *entry;
  *(void **)&entry = dlsym(library, TN_BACKEND_SYMBOL);
  if (entry == NULL) {
    snprintf(problem, sizeof problem, "cuda: %.900s is not Moonlet's plug-in", path);
  } else if (is_fit(entry(), path)) {
    loaded = entry();
  }
  return true;
}

static bool try_folder(const char *folder, const char *under) {
  char path[PATH + 64];
  snprintf(path, sizeof path, "%.1000s%s", folder, under);
  looked(path);
  strncat(path, "/" LIBRARY, sizeof path - strlen(path) - 1);
  return try_file(path);
}

/* The build keeps products of Lua 5.4 one folder below; an installation has bin/ beside lib/. */
static bool try_around(char *file) {
  char *slash = strrchr(file, '/');
  if (slash == NULL) return false;
  *slash = 0;
  return try_folder(file, "") || try_folder(file, "/..") || try_folder(file, "/../lib");
}

static void search(void) {
  const char *said = getenv("MOONLET_CUDA");
  char file[PATH];
  Dl_info here;
  if (said != NULL && *said != 0) {
    struct stat what;
    if (stat(said, &what) != 0 || !S_ISDIR(what.st_mode)) {
      looked(said);
      if (try_file(said)) return;
    } else if (try_folder(said, "")) {
      return;
    }
  } else {
    if (dladdr((void *)(uintptr_t)&tn__backend, &here) != 0 && here.dli_fname[0] == '/') {
      snprintf(file, sizeof file, "%s", here.dli_fname);
    } else { /* of the program itself only its name on the command line is told */
      ssize_t n = readlink("/proc/self/exe", file, sizeof file - 1);
      file[n > 0 ? n : 0] = 0;
    }
    if (try_around(file) || try_file(LIBRARY)) return;
    looked("the system's libraries");
  }
  char where[PATH];
  snprintf(where, sizeof where, "%.1000s", problem);
  snprintf(problem, sizeof problem, "cuda: " LIBRARY " not found (looked in %s)", where);
}

const tn_backend *tn__backend(tn_ctx *ctx) {
  pthread_once(&once, search);
  if (loaded == NULL) tn_fail(ctx, TN_EDEVICE, "%s", problem);
  return loaded;
}

void tn__backend_use(const tn_backend *b) {
  pthread_once(&once, search);
  loaded = b;
}

#endif
