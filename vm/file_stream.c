/* file_stream.c -- bytes and numbers on a disk, in memory, through a pipe. */
#include "file_stream.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* -- opening and closing ----------------------------------------------------------------------- */

static bool failed_with(file_stream *s, int reason) {
  s->reason = reason;
  return false;
}

/* What can be written may exist already ("r+"), or not ("w+"): Torch7's 'rw' takes both. */
bool stream_open_disk(file_stream *s, const char *name) {
  struct stat info;
  bool both = s->readable && s->writable;
  s->handle = fopen(name, both ? "r+be" : s->writable ? "wbe" : "rbe");
  if (s->handle == NULL && both && errno == ENOENT) s->handle = fopen(name, "w+be");
  if (s->handle == NULL) return failed_with(s, errno);
  if (fstat(fileno(s->handle), &info) != 0 || S_ISDIR(info.st_mode)) {
    int reason = S_ISDIR(info.st_mode) ? EISDIR : errno;
    fclose(s->handle);
    s->handle = NULL;
    return failed_with(s, reason);
  }
  s->regular = S_ISREG(info.st_mode);
  s->size = s->regular ? (uint64_t)info.st_size : 0;
  return true;
}

bool stream_open_pipe(file_stream *s, const char *command) {
  s->handle = popen(command, s->writable ? "we" : "re");
  return s->handle != NULL || failed_with(s, errno != 0 ? errno : ENOMEM);
}

/* A reader that went away must give an error, not a signal that ends the host: the signal is held
 * back while we write, and taken away if it was ours. */
typedef struct {
  sigset_t old;
  bool held;
} pipe_guard;

static pipe_guard hold_sigpipe(const file_stream *s) {
  pipe_guard guard = {.held = false};
  sigset_t set, pending;
  if (s->kind != STREAM_PIPE || !s->writable) return guard;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  if (sigpending(&pending) != 0 || sigismember(&pending, SIGPIPE)) return guard;
  guard.held = pthread_sigmask(SIG_BLOCK, &set, &guard.old) == 0;
  return guard;
}

static void release_sigpipe(const pipe_guard *guard) {
  static const struct timespec now = {0, 0};
  int saved = errno;
  sigset_t set;
  if (!guard->held) return;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  while (sigtimedwait(&set, NULL, &now) == -1 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &guard->old, NULL);
  errno = saved;
}

bool stream_flush(file_stream *s) {
  if (s->handle == NULL || s->last != STREAM_HAS_WRITTEN) return true;
  pipe_guard guard = hold_sigpipe(s);
  bool ok = fflush(s->handle) == 0;
  release_sigpipe(&guard);
  return ok || failed_with(s, errno);
}

bool stream_close(file_stream *s) {
  FILE *handle = s->handle;
  tn_storage_release(s->memory);
  s->handle = NULL;
  s->memory = NULL;
  if (handle == NULL) return true;
  pipe_guard guard = hold_sigpipe(s);
  /* what the command of a pipe has to say at its end is no error of ours */
  bool ok = s->kind == STREAM_PIPE ? pclose(handle) != -1 : fclose(handle) == 0;
  release_sigpipe(&guard);
  return ok || failed_with(s, errno);
}

/* -- where we are ------------------------------------------------------------------------------ */

/* The storage may have been made smaller by somebody else. */
static uint8_t *memory_data(file_stream *s) {
  size_t bytes = tn_storage_bytes(s->memory), most = bytes > 0 ? bytes - 1 : 0;
  if (s->size > most) s->size = most;
  if (s->position > s->size) s->position = s->size;
  return tn_storage_data(s->memory);
}

static uint64_t size_now(file_stream *s) {
  struct stat info;
  if (s->kind == STREAM_MEMORY) {
    memory_data(s);
  } else if (fstat(fileno(s->handle), &info) == 0) {
    s->size = (uint64_t)info.st_size;
    if (s->position > s->size && s->last == STREAM_HAS_WRITTEN) s->size = s->position;
  }
  return s->size;
}

int64_t stream_left(file_stream *s, uint64_t needed) {
  if (s->kind != STREAM_MEMORY && !s->regular) return -1;
  bool sure = s->kind == STREAM_DISK && s->size >= s->position && s->size - s->position >= needed;
  uint64_t size = sure ? s->size : size_now(s);
  return size > s->position ? (int64_t)(size - s->position) : 0;
}

bool stream_seek(file_stream *s, uint64_t position) {
  if (s->kind == STREAM_MEMORY) {
    if (position > size_now(s)) return failed_with(s, EINVAL);
  } else {
    if (position > INT64_MAX) return failed_with(s, EINVAL);
    if (fseeko(s->handle, (off_t)position, SEEK_SET) != 0) return failed_with(s, errno);
    s->last = STREAM_IDLE;
  }
  s->position = position;
  return true;
}

bool stream_seek_end(file_stream *s) {
  if (s->kind == STREAM_MEMORY) return stream_seek(s, size_now(s));
  if (fseeko(s->handle, 0, SEEK_END) != 0) return failed_with(s, errno);
  off_t at = ftello(s->handle);
  if (at < 0) return failed_with(s, errno);
  s->position = (uint64_t)at;
  s->last = STREAM_IDLE;
  return true;
}

/* C wants a seek between reading and writing. */
static bool turn(file_stream *s, int to) {
  int other = to == STREAM_HAS_READ ? STREAM_HAS_WRITTEN : STREAM_HAS_READ;
  if ((int)s->last == other && s->kind == STREAM_DISK &&
      fseeko(s->handle, (off_t)s->position, SEEK_SET) != 0)
    return failed_with(s, errno);
  if (to == STREAM_HAS_READ) s->last = STREAM_HAS_READ;
  else s->last = STREAM_HAS_WRITTEN;
  return true;
}

/* -- bytes ------------------------------------------------------------------------------------- */

static size_t memory_get(file_stream *s, void *to, size_t n) {
  const uint8_t *data = memory_data(s);
  if (n > s->size - s->position) n = (size_t)(s->size - s->position);
  if (n > 0) memcpy(to, data + s->position, n);
  s->position += n;
  return n;
}

size_t stream_get(file_stream *s, void *to, size_t n) {
  s->reason = 0;
  if (n == 0) return 0;
  if (s->kind == STREAM_MEMORY) return memory_get(s, to, n);
  if (!turn(s, STREAM_HAS_READ)) return 0;
  errno = 0;
  size_t got = fread(to, 1, n, s->handle);
  if (got < n) {
    s->reason = ferror(s->handle) ? errno : 0;
    clearerr(s->handle); /* a file may grow while we read it */
  }
  s->position += got;
  return got;
}

/* Grows by half, so that many small writes cost no more than one large one. */
static bool memory_grow(file_stream *s, uint64_t size) {
  size_t room = tn_storage_bytes(s->memory), wanted = (size_t)size + 1;
  if (wanted <= room) return true;
  if (wanted < room + room / 2) wanted = room + room / 2;
  if (wanted < 256) wanted = 256;
  return tn_storage_resize(s->ctx, s->memory, wanted) == TN_OK || failed_with(s, ENOMEM);
}

static size_t memory_put(file_stream *s, const void *from, size_t n) {
  uint64_t end = s->position + n;
  memory_data(s);
  if (end > s->size) {
    if (end > (uint64_t)1 << 46 || !memory_grow(s, end)) return 0;
    s->size = end;
  }
  uint8_t *data = memory_data(s);
  memcpy(data + s->position, from, n);
  data[s->size] = 0;
  s->position = end;
  tn_storage_touch(s->memory);
  return n;
}

size_t stream_put(file_stream *s, const void *from, size_t n) {
  s->reason = 0;
  if (n == 0) return 0;
  if (s->kind == STREAM_MEMORY) return memory_put(s, from, n);
  if (!turn(s, STREAM_HAS_WRITTEN)) return 0;
  pipe_guard guard = hold_sigpipe(s);
  errno = 0;
  size_t done = fwrite(from, 1, n, s->handle);
  if (done < n) s->reason = errno != 0 ? errno : EIO;
  release_sigpipe(&guard);
  s->position += done;
  return done;
}

static int next_char(file_stream *s) {
  int c;
  if (s->kind == STREAM_MEMORY) {
    const uint8_t *data = memory_data(s);
    return s->position < s->size ? data[s->position++] : EOF;
  }
  if (!turn(s, STREAM_HAS_READ)) return EOF;
  errno = 0;
  c = getc_unlocked(s->handle);
  if (c != EOF) {
    s->position++;
  } else {
    s->reason = ferror(s->handle) ? errno : 0;
    clearerr(s->handle);
  }
  return c;
}

static void push_back(file_stream *s, int c) {
  if (c == EOF) return;
  if (s->kind != STREAM_MEMORY) ungetc(c, s->handle);
  s->position--;
}

size_t stream_get_line(file_stream *s, char *to, size_t n, bool *found) {
  size_t got = 0;
  *found = false;
  s->reason = 0;
  while (got < n) {
    int c = next_char(s);
    *found = c == '\n';
    if (c == EOF || c == '\n') break;
    to[got++] = (char)c;
  }
  return got;
}

/* -- numbers as text --------------------------------------------------------------------------- */

enum { TOKEN = 64 };

static bool is_letter_of_number(int c) {
  return isdigit(c) || c == '.' || strchr("infatyINFATY", c) != NULL;
}

/* Reads what may be a number, and no byte more; "" when there is none. */
static void token(file_stream *s, char *text, bool real) {
  int c, n = 0;
  s->reason = 0;
  do c = next_char(s);
  while (c != EOF && isspace(c));
  bool exponent = false, sign = true; /* a sign may come now */
  while (c > 0 && n < TOKEN - 1) {
    bool fits = (sign && (c == '-' || c == '+')) || isdigit(c);
    if (!fits && real) {
      fits = is_letter_of_number(c) || (!exponent && n > 0 && (c == 'e' || c == 'E'));
      exponent = exponent || c == 'e' || c == 'E';
    }
    if (!fits) break;
    sign = real && (c == 'e' || c == 'E');
    text[n++] = (char)c;
    c = next_char(s);
  }
  push_back(s, c);
  text[n] = 0;
}

static bool read_real(file_stream *s, double *out) {
  char text[TOKEN], *end;
  token(s, text, true);
  *out = strtod(text, &end);
  return end != text && *end == 0;
}

static bool read_whole(file_stream *s, int bytes, int64_t *out) {
  char text[TOKEN], *end;
  int64_t most = bytes == 8 ? INT64_MAX : ((int64_t)1 << (8 * bytes - 1)) - 1;
  token(s, text, false);
  errno = 0;
  *out = strtoll(text, &end, 10);
  return end != text && *end == 0 && errno == 0 && *out <= most && *out >= -most - 1;
}

static bool read_text_element(file_stream *s, tn_dtype dtype, void *to, size_t i) {
  double real = 0;
  int64_t whole = 0;
  bool ok = dtype == TN_F32 || dtype == TN_F64
                ? read_real(s, &real)
                : read_whole(s, (int)tn_dtype_size(dtype), &whole);
  if (!ok) return false;
  switch (dtype) {
  case TN_F32: ((float *)to)[i] = (float)real; break;
  case TN_F64: ((double *)to)[i] = real; break;
  case TN_I16: ((int16_t *)to)[i] = (int16_t)whole; break;
  case TN_I32: ((int32_t *)to)[i] = (int32_t)whole; break;
  default: ((int64_t *)to)[i] = whole;
  }
  return true;
}

static int print_element(char *text, tn_dtype dtype, const void *from, size_t i) {
  switch (dtype) {
  case TN_F32: return snprintf(text, TOKEN, "%.9g", (double)((const float *)from)[i]);
  case TN_F64: return snprintf(text, TOKEN, "%.17g", ((const double *)from)[i]);
  case TN_I16: return snprintf(text, TOKEN, "%d", ((const int16_t *)from)[i]);
  case TN_I32: return snprintf(text, TOKEN, "%d", (int)((const int32_t *)from)[i]);
  default: return snprintf(text, TOKEN, "%lld", (long long)((const int64_t *)from)[i]);
  }
}

/* The host may have chosen a language that writes 1,5: numbers in files are as in C. */
static locale_t enter_c_locale(locale_t *old) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  *old = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
  return c;
}

static void leave_c_locale(locale_t c, locale_t old) {
  if (c == (locale_t)0) return;
  uselocale(old);
  freelocale(c);
}

static size_t read_text(file_stream *s, tn_dtype dtype, void *to, size_t n) {
  locale_t old, c = enter_c_locale(&old);
  size_t got = 0;
  if (tn_dtype_size(dtype) == 1) got = stream_get(s, to, n);
  else
    while (got < n && read_text_element(s, dtype, to, got)) got++;
  leave_c_locale(c, old);
  return got;
}

void stream_end_array(file_stream *s) {
  if (s->binary || !s->autospacing) return;
  int reason = s->reason, next = next_char(s);
  if (next != '\n') push_back(s, next);
  s->reason = reason;
}

static size_t put_texts(file_stream *s, tn_dtype dtype, const void *from, size_t n) {
  char text[TOKEN + 1];
  for (size_t i = 0; i < n; i++) {
    size_t length = (size_t)print_element(text, dtype, from, i);
    if (s->autospacing && i + 1 < n) text[length++] = ' ';
    if (stream_put(s, text, length) < length) return i;
  }
  return n;
}

static size_t write_text(file_stream *s, tn_dtype dtype, const void *from, size_t n) {
  locale_t old, c = enter_c_locale(&old);
  size_t done = tn_dtype_size(dtype) == 1 ? stream_put(s, from, n) : put_texts(s, dtype, from, n);
  leave_c_locale(c, old);
  if (s->autospacing && n > 0 && done == n && stream_put(s, "\n", 1) != 1) done--;
  return done;
}

/* -- numbers as bytes -------------------------------------------------------------------------- */

static void swap_bytes(uint8_t *bytes, size_t size, size_t n) {
  for (size_t i = 0; i < n; i++, bytes += size) {
    for (size_t k = 0; k < size / 2; k++) {
      uint8_t byte = bytes[k];
      bytes[k] = bytes[size - 1 - k];
      bytes[size - 1 - k] = byte;
    }
  }
}

enum { PIECE = 1024 }; /* elements that are converted at a time */

/* Long numbers of 4 bytes, as 32-bit machines wrote them. */
static size_t read_short_longs(file_stream *s, int64_t *to, size_t n) {
  int32_t piece[PIECE];
  size_t done = 0;
  while (done < n) {
    size_t want = n - done < PIECE ? n - done : PIECE;
    size_t got = stream_get(s, piece, want * sizeof *piece) / sizeof *piece;
    if (s->swap) swap_bytes((uint8_t *)piece, sizeof *piece, got);
    for (size_t i = 0; i < got; i++) to[done + i] = piece[i];
    done += got;
    if (got < want) break;
  }
  return done;
}

static size_t write_short_longs(file_stream *s, const int64_t *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int32_t value = (int32_t)from[i];
    if (value != from[i]) {
      s->reason = ERANGE;
      return i;
    }
    if (s->swap) swap_bytes((uint8_t *)&value, sizeof value, 1);
    if (stream_put(s, &value, sizeof value) != sizeof value) return i;
  }
  return n;
}

static size_t write_swapped(file_stream *s, size_t size, const uint8_t *from, size_t n) {
  uint8_t piece[PIECE * 8];
  size_t done = 0;
  while (done < n) {
    size_t want = n - done < PIECE ? n - done : PIECE;
    memcpy(piece, from + done * size, want * size);
    swap_bytes(piece, size, want);
    size_t put = stream_put(s, piece, want * size) / size;
    done += put;
    if (put < want) break;
  }
  return done;
}

size_t stream_read(file_stream *s, tn_dtype dtype, void *to, size_t n) {
  size_t size = tn_dtype_size(dtype), got;
  if (!s->binary) {
    got = read_text(s, dtype, to, n);
  } else if (dtype == TN_I64 && s->long_size == 4) {
    got = read_short_longs(s, to, n);
  } else {
    got = stream_get(s, to, n * size) / size;
    if (s->swap) swap_bytes(to, size, got);
  }
  if (dtype == TN_BOOL) { /* anything else than 0 and 1 is no bool */
    uint8_t *flags = to;
    for (size_t i = 0; i < got; i++) flags[i] = flags[i] != 0;
  }
  return got;
}

size_t stream_write(file_stream *s, tn_dtype dtype, const void *from, size_t n) {
  size_t size = tn_dtype_size(dtype);
  if (!s->binary) return write_text(s, dtype, from, n);
  if (dtype == TN_I64 && s->long_size == 4) return write_short_longs(s, from, n);
  if (s->swap && size > 1) return write_swapped(s, size, from, n);
  return stream_put(s, from, n * size) / size;
}
