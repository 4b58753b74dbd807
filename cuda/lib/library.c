/* library.c -- opens shared libraries and finds functions in them. */
#include "cuda/lib/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *open_in(const char *folder, size_t length, const char *file) {
  char path[1024];
  if (length == 0 || length > sizeof path - 128) return NULL;
  snprintf(path, sizeof path, "%.*s/%.100s", (int)length, folder, file);
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *open_one(const char *file) {
  const char *folders = getenv("MOONLET_CUDA_LIBRARIES");
  void *library = NULL;
  while (folders != NULL && *folders != 0 && library == NULL) {
    const size_t length = strcspn(folders, ":");
    library = open_in(folders, length, file);
    folders += length + (folders[length] == ':');
  }
  return library != NULL ? library : dlopen(file, RTLD_NOW | RTLD_LOCAL);
}

/* An open library stays open: those of CUDA cannot be unloaded. */
static bool find(tn_library *l) {
  void *library = NULL;
  for (int i = 0; i < 4 && l->files[i] != NULL && library == NULL; i++) {
    library = open_one(l->files[i]);
  }
  if (library == NULL) {
    snprintf(l->problem, sizeof l->problem, "%.80s cannot be opened", l->files[0]);
    return false;
  }
  for (int i = 0; i < l->count; i++) {
    void *function = dlsym(library, l->symbols[i].name);
    if (function == NULL) {
      snprintf(l->problem, sizeof l->problem, "%.80s has no function %.80s", l->files[0],
               l->symbols[i].name);
      return false;
    }
    memcpy(l->symbols[i].at, &function, sizeof function);
  }
  return true;
}

tn_status tn_cuda_library(tn_library *l) {
  int state = __atomic_load_n(&l->state, __ATOMIC_ACQUIRE);
  if (state == 0) {
    pthread_mutex_lock(&lock);
    state = l->state;
    if (state == 0) {
      state = find(l) ? 1 : 2;
      __atomic_store_n(&l->state, state, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
  }
  return state == 1 ? TN_OK : tn_cuda_fail(TN_EDEVICE, l->problem);
}
