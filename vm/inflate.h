/* inflate.h -- decompresses deflate data (RFC 1951). The embedded packages are packed so, and the
 * embedded build, which has no zlib, reads gzip files with it. */
#ifndef MOONLET_INFLATE_H
#define MOONLET_INFLATE_H

#include <stddef.h>

typedef enum {
  INFLATE_DONE,
  INFLATE_FULL,   /* more comes out than there is room for */
  INFLATE_EARLY,  /* the input ends before the data does */
  INFLATE_DAMAGED /* no such code, length or distance */
} inflate_status;

/* From `in`, of in_size bytes, to `out`, of `room` bytes. *in_used and *out_used, which may not be
 * NULL, tell how many bytes were read and written when it is done. It allocates nothing. */
inflate_status moonlet__inflate(const unsigned char *in, size_t in_size, size_t *in_used,
                                unsigned char *out, size_t room, size_t *out_used);

#endif
