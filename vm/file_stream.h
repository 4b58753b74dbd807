/* file_stream.h -- the bytes and numbers behind torch.File: on a disk, in memory, through a pipe.
 * Knows no Lua.
 * Errors   Reading and writing tell how many elements they did; fewer than asked for means that
 *          `reason` says why: an errno, or 0 at the end of the file. Nothing is raised or printed.
 * Memory   A file in memory is a storage of bytes that the caller may hold, too. Its last byte is
 *          a NUL and no part of the file, as in Torch7. It may be resized behind our back. */
#ifndef MOONLET_FILE_STREAM_H
#define MOONLET_FILE_STREAM_H

#include <stdint.h>
#include <stdio.h>

#include "tensor/tensor.h"

typedef enum { STREAM_DISK, STREAM_PIPE, STREAM_MEMORY } stream_kind;

typedef struct {
  tn_ctx *ctx;
  stream_kind kind;
  FILE *handle;            /* disk and pipe; NULL when closed */
  tn_storage *memory;      /* memory; NULL when closed */
  uint64_t position, size; /* bytes; the size of a disk file may have grown since it was asked */
  enum { STREAM_IDLE, STREAM_HAS_READ, STREAM_HAS_WRITTEN } last;
  bool readable, writable, binary, autospacing, quiet;
  bool swap;    /* the other byte order than this machine's */
  bool failed;  /* until clearError */
  bool regular; /* the size of this disk file is known */
  int long_size; /* bytes of a Long in binary form: 4 or 8 */
  int reason;    /* errno of the last failure; 0: the file ended, or no number was there */
} file_stream;

/* Each sets `reason` and returns false when it fails. */
bool stream_open_disk(file_stream *s, const char *name);
bool stream_open_pipe(file_stream *s, const char *command);
bool stream_close(file_stream *s);
bool stream_flush(file_stream *s);
bool stream_seek(file_stream *s, uint64_t position);
bool stream_seek_end(file_stream *s);

static inline bool stream_is_open(const file_stream *s) {
  return s->handle != NULL || s->memory != NULL;
}

/* Bytes from here to the end, or -1 where nobody can know. The disk is asked again, as the file may
 * have grown, only when there seem to be fewer than `needed`. */
int64_t stream_left(file_stream *s, uint64_t needed);

/* Raw bytes, in both forms alike; returns how many. */
size_t stream_get(file_stream *s, void *to, size_t n);
size_t stream_put(file_stream *s, const void *from, size_t n);
/* Up to and without the next newline; sets *found when there was one. */
size_t stream_get_line(file_stream *s, char *to, size_t n, bool *found);

/* Elements in the form the file is in; returns how many. float16 and bfloat16 have no ASCII form:
 * convert them to float32 first. */
size_t stream_read(file_stream *s, tn_dtype dtype, void *to, size_t n);
size_t stream_write(file_stream *s, tn_dtype dtype, const void *from, size_t n);
/* After the last element of an array was read: in ASCII the end of the line belongs to it. */
void stream_end_array(file_stream *s);

#endif
