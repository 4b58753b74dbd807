/* im2col.c -- images to matrices of windows and back, one row of positions at a time. */
#include "im2col.h"

#include <stdbool.h>
#include <string.h>

/* A run of positions that differ in the last dimension only: [begin, end) of them have their place
 * inside of the image, `from` elements into the channel for the first. */
typedef struct {
  int64_t begin, end, length, from, step;
} run;

/* One place of the window, and where a walk over the positions stands. */
typedef struct {
  const tn_window *w;
  int64_t place[TN_SPACE], at[TN_SPACE];
} walk;

static void start(walk *k, const tn_window *w, int64_t place, int64_t position) {
  k->w = w;
  for (int d = TN_SPACE - 1; d >= 0; d--) {
    k->place[d] = place % w->kernel[d] * w->dilation[d] - w->pad[d];
    place /= w->kernel[d];
    k->at[d] = position % w->out[d];
    position /= w->out[d];
  }
}

/* The run that begins here, of at most `left` positions; the walk moves behind it. */
static run next(walk *k, int64_t left) {
  const tn_window *w = k->w;
  const int last = TN_SPACE - 1;
  const int64_t z = k->at[0] * w->stride[0] + k->place[0];
  const int64_t y = k->at[1] * w->stride[1] + k->place[1];
  run r = {.length = w->out[last] - k->at[last], .step = w->stride[last]};
  if (r.length > left) r.length = left;
  const int64_t x = k->at[last] * r.step + k->place[last];
  if (z >= 0 && z < w->in[0] && y >= 0 && y < w->in[1]) {
    tn__window_inside(x, r.step, w->in[last], r.length, &r.begin, &r.end);
    r.from = (z * w->in[1] + y) * w->in[last] + x + r.begin * r.step;
  }
  k->at[last] += r.length;
  for (int d = last; d > 0 && k->at[d] == w->out[d]; d--) {
    k->at[d] = 0;
    k->at[d - 1]++;
  }
  return r;
}

#define TAKE_STEPS(T)                                                                             \
  for (int64_t i = 0; i < n; i++) ((T *)to)[i] = ((const T *)from)[i * step]

static void take(char *to, const char *from, int64_t n, int64_t step, size_t item) {
  if (step == 1) memcpy(to, from, (size_t)n * item);
  else if (item == 4) TAKE_STEPS(uint32_t);
  else if (item == 8) TAKE_STEPS(uint64_t);
  else if (item == 2) TAKE_STEPS(uint16_t);
  else TAKE_STEPS(uint8_t);
}

/* A run is the same for every channel, so those are the inner loop. */
void tn__im2col(const tn_window *w, size_t item, const void *image, int64_t first, int64_t count,
                void *columns, int64_t ld) {
  const int64_t places = tn__window_cells(w->kernel);
  const int64_t size = tn__window_cells(w->in) * (int64_t)item, step = places * ld * (int64_t)item;
  for (int64_t place = 0; place < places; place++) {
    char *row = (char *)columns + place * ld * (int64_t)item;
    walk k;
    start(&k, w, place, first);
    for (int64_t left = count; left > 0;) {
      const run r = next(&k, left);
      const size_t before = (size_t)r.begin * item, after = (size_t)(r.length - r.end) * item;
      const char *from = (const char *)image + r.from * (int64_t)item;
      char *to = row;
      for (int64_t c = 0; c < w->channels; c++, to += step, from += size) {
        if (before > 0) memset(to, 0, before);
        if (r.end > r.begin) take(to + before, from, r.end - r.begin, r.step, item);
        if (after > 0) memset(to + r.end * (int64_t)item, 0, after);
      }
      row += r.length * (int64_t)item;
      left -= r.length;
    }
  }
}

#define PUT_STEPS(T)                                                                              \
  do {                                                                                            \
    const T *f = (const T *)from;                                                                 \
    T *t = (T *)to;                                                                               \
    if (step == 1) for (int64_t i = 0; i < n; i++) t[i] += f[i];                                  \
    else for (int64_t i = 0; i < n; i++) t[i * step] += f[i];                                     \
  } while (0)

static void put(char *to, const char *from, int64_t n, int64_t step, size_t item) {
  if (item == sizeof(float)) PUT_STEPS(float);
  else PUT_STEPS(double);
}

void tn__col2im(const tn_window *w, size_t item, const void *columns, int64_t ld, int64_t first,
                int64_t count, void *image) {
  const int64_t places = tn__window_cells(w->kernel);
  const int64_t size = tn__window_cells(w->in) * (int64_t)item, step = places * ld * (int64_t)item;
  for (int64_t place = 0; place < places; place++) {
    const char *row = (const char *)columns + place * ld * (int64_t)item;
    walk k;
    start(&k, w, place, first);
    for (int64_t left = count; left > 0;) {
      const run r = next(&k, left);
      const char *from = row + r.begin * (int64_t)item;
      char *to = (char *)image + r.from * (int64_t)item;
      for (int64_t c = 0; c < w->channels && r.end > r.begin; c++, to += size, from += step) {
        put(to, from, r.end - r.begin, r.step, item);
      }
      row += r.length * (int64_t)item;
      left -= r.length;
    }
  }
}
