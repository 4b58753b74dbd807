/* map.c -- files, and named shared memory, as the memory of a storage.
 *
 * A file that another program cuts off while it is mapped cannot be guarded against: reading behind
 * its new end raises a signal, as for every program that maps files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/internal.h"

typedef struct {
  void *data;
  size_t bytes;
} mapping;

static void unmap(void *arg) {
  mapping *m = arg;
  if (m->bytes > 0) munmap(m->data, m->bytes);
  free(m);
}

static tn_status failed(tn_ctx *ctx, const char *what, const char *path) {
  char text[128] = "";
  int number = errno;
  if (strerror_r(number, text, sizeof text) != 0) text[0] = 0;
  return tn_fail(ctx, TN_EARG, "cannot %s '%.200s': %s", what, path, text);
}

/* `create`: a file that is to be shared may be a new one. */
static int open_path(const char *path, tn_map_mode mode, bool create) {
  const int flags = O_RDWR | (create ? O_CREAT : 0);
  int fd;
  do {
    if (mode == TN_MAP_MEMORY) fd = shm_open(path, flags, S_IRUSR | S_IWUSR);
    else if (mode == TN_MAP_SHARED) fd = open(path, flags | O_CLOEXEC, 0666);
    else fd = open(path, O_RDONLY | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/* *bytes: how many to map. A file that is too short grows only where writing to it is asked for. */
static tn_status fit_size(tn_ctx *ctx, int fd, const char *path, tn_map_mode mode, size_t *bytes) {
  struct stat st;
  if (fstat(fd, &st) != 0) return failed(ctx, "look at", path);
  if (mode != TN_MAP_MEMORY && !S_ISREG(st.st_mode)) {
    return tn_fail(ctx, TN_EARG, "'%.200s' is not a plain file", path);
  }
  const size_t have = st.st_size > 0 ? (size_t)st.st_size : 0;
  if (*bytes == 0) *bytes = have;
  if (*bytes <= have) return TN_OK;
  if (mode == TN_MAP_PRIVATE) {
    return tn_fail(ctx, TN_EARG, "'%.200s' has %zu bytes, but %zu were asked for", path, have,
                   *bytes);
  }
  if (*bytes > TN_MOST_BYTES) {
    return tn_fail(ctx, TN_ENOMEM, "a file of %zu bytes is too large", *bytes);
  }
  return ftruncate(fd, (off_t)*bytes) == 0 ? TN_OK : failed(ctx, "enlarge", path);
}

tn_status tn_storage_map(tn_ctx *ctx, tn_storage **out, const char *path, tn_map_mode mode,
                         size_t bytes) {
  *out = NULL;
  mapping *m = malloc(sizeof *m);
  if (m == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory to map a file");
  m->data = NULL;
  m->bytes = 0;
  int fd = open_path(path, mode, bytes > 0);
  tn_status s = fd < 0 ? failed(ctx, "open", path) : fit_size(ctx, fd, path, mode, &bytes);
  if (s == TN_OK && bytes > 0) {
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      mode == TN_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) s = failed(ctx, "map", path);
    else m->data = data, m->bytes = bytes;
  }
  if (fd >= 0) close(fd);
  if (s == TN_OK) s = tn_storage_borrow(ctx, out, m->data, bytes, unmap, m);
  if (s != TN_OK) unmap(m);
  return s;
}
