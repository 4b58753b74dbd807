/* fft.c -- transforms of many lines: plans that are kept, lines gathered and scattered. */
#include "fft.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Lines are gathered so many at a time when they are not contiguous: whole cache lines are read. */
enum { GATHERED = 8, KEPT = 64, LARGEST_KEPT = 1 << 20, ALIGNMENT = 64 };

typedef struct {
  size_t item;
  tn_fft_kind kind;
  bool inverse;
  int64_t n;
  void *fftw;            /* or */
  tn_fft_tables *tables;
} plan;

/* Under `lock`; entries never change once they are counted. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static plan kept[KEPT];
static int count;

static bool same(const plan *a, const plan *b) {
  return a->item == b->item && a->kind == b->kind && a->inverse == b->inverse && a->n == b->n;
}

/* Finds or makes the plan; *own where it is not kept, and is to be freed. */
static bool get_plan(const tn_fft *job, plan *p, bool *own) {
  *p = (plan){.item = job->item, .kind = job->kind, .n = job->n,
              .inverse = job->kind == TN_FFT_C2C && job->inverse};
  *own = false;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < count; i++) {
    if (!same(&kept[i], p)) continue;
    *p = kept[i];
    pthread_mutex_unlock(&lock);
    return true;
  }
  p->fftw = tn__fftw_plan(p->item, p->kind, p->inverse, p->n);
  if (p->fftw == NULL) p->tables = tn__fft_tables_new(p->item, p->n);
  const bool made = p->fftw != NULL || p->tables != NULL;
  if (made && count < KEPT && p->n <= LARGEST_KEPT) kept[count++] = *p;
  else *own = made;
  pthread_mutex_unlock(&lock);
  return made;
}

static void free_plan(plan *p) {
  pthread_mutex_lock(&lock);
  if (p->fftw != NULL) tn__fftw_free(p->item, p->fftw);
  pthread_mutex_unlock(&lock);
  tn__fft_tables_free(p->tables);
}

typedef struct {
  const tn_fft *job;
  plan plan;
  int64_t groups; /* of lines that lie side by side */
  int64_t in, out; /* numbers of `item` bytes per element; lengths of lines in elements */
  int64_t in_length, out_length;
  size_t in_bytes, out_bytes; /* of a line */
  atomic_bool failed;
} work;

static size_t whole(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

/* `room`: the built-in transform's scratch memory, or space for lines that FFTW cannot take where
 * they are. */
static void run_line(const work *w, const void *in, void *out, char *room) {
  if (w->plan.fftw == NULL) {
    tn__fft_line(w->plan.tables, w->plan.kind, w->plan.inverse, in, out, room);
    return;
  }
  const bool in_fits = (uintptr_t)in % ALIGNMENT == 0, out_fits = (uintptr_t)out % ALIGNMENT == 0;
  const void *from = in_fits ? in : memcpy(room, in, w->in_bytes);
  char *to = out_fits ? out : room + whole(w->in_bytes);
  tn__fftw_run(w->plan.item, w->plan.kind, w->plan.fftw, from, to);
  if (!out_fits) memcpy(out, to, w->out_bytes);
}

static void scale(const work *w, void *line) {
  const int64_t n = w->out_length * w->out;
  const double factor = w->job->scale;
  if (factor == 1) return;
  if (w->job->item == sizeof(float)) {
    for (int64_t i = 0; i < n; i++) ((float *)line)[i] *= (float)factor;
  } else {
    for (int64_t i = 0; i < n; i++) ((double *)line)[i] *= factor;
  }
}

/* Elements of `bytes` between `lines` rows of `length`, `pitch` bytes apart, in memory of ours and
 * columns of a matrix whose rows are `inner` elements apart. */
static void turn(char *rows, size_t pitch, char *matrix, int64_t lines, int64_t length,
                 int64_t inner, size_t bytes, bool gather) {
  for (int64_t i = 0; i < length; i++) {
    for (int64_t l = 0; l < lines; l++) {
      char *row = rows + l * (int64_t)pitch + i * (int64_t)bytes;
      char *cell = matrix + (i * inner + l) * (int64_t)bytes;
      if (bytes == 4) memcpy(gather ? row : cell, gather ? cell : row, 4);
      else if (bytes == 8) memcpy(gather ? row : cell, gather ? cell : row, 8);
      else memcpy(gather ? row : cell, gather ? cell : row, 16);
    }
  }
}

/* One task: up to GATHERED lines side by side. */
static void run_lines(void *arg, int64_t begin, int64_t end) {
  work *w = arg;
  const tn_fft *job = w->job;
  const size_t in = (size_t)w->in * job->item, out = (size_t)w->out * job->item;
  const size_t in_pitch = whole(w->in_bytes), out_pitch = whole(w->out_bytes);
  const bool strided = job->inner > 1;
  const size_t helper = w->plan.fftw != NULL
                            ? in_pitch + out_pitch
                            : whole((size_t)tn__fft_scratch(w->plan.tables) * 2 * job->item);
  void *memory = NULL;
  if (posix_memalign(&memory, ALIGNMENT,
                     helper + (strided ? (in_pitch + out_pitch) * GATHERED : 0)) != 0) {
    atomic_store(&w->failed, true);
    return;
  }
  char *room = memory, *lines_in = room + helper, *lines_out = lines_in + in_pitch * GATHERED;
  for (int64_t task = begin; task < end; task++) {
    const int64_t o = task / w->groups, first = task % w->groups * GATHERED;
    const int64_t left = job->inner - first, lines = left < GATHERED ? left : GATHERED;
    char *from = (char *)job->in + (o * w->in_length * job->inner + first) * (int64_t)in;
    char *to = (char *)job->out + (o * w->out_length * job->inner + first) * (int64_t)out;
    if (!strided) {
      run_line(w, from, to, room);
      scale(w, to);
      continue;
    }
    turn(lines_in, in_pitch, from, lines, w->in_length, job->inner, in, true);
    for (int64_t l = 0; l < lines; l++) {
      char *line = lines_out + l * (int64_t)out_pitch;
      run_line(w, lines_in + l * (int64_t)in_pitch, line, room);
      scale(w, line);
    }
    turn(lines_out, out_pitch, to, lines, w->out_length, job->inner, out, false);
  }
  free(memory);
}

int tn__fft(tn_pool *pool, const tn_fft *job) {
  const int64_t half = job->n / 2 + 1;
  work w = {.job = job, .groups = (job->inner + GATHERED - 1) / GATHERED,
            .in = job->kind == TN_FFT_R2C ? 1 : 2, .out = job->kind == TN_FFT_C2R ? 1 : 2,
            .in_length = job->kind == TN_FFT_C2R ? half : job->n,
            .out_length = job->kind == TN_FFT_R2C ? half : job->n};
  w.in_bytes = (size_t)(w.in_length * w.in) * job->item;
  w.out_bytes = (size_t)(w.out_length * w.out) * job->item;
  bool own;
  if (job->outer == 0 || job->inner == 0) return 0;
  if (!get_plan(job, &w.plan, &own)) return -1;
  const int64_t each = job->n * (job->inner < GATHERED ? job->inner : GATHERED);
  tn__pool_run(pool, job->outer * w.groups, 8192 / each + 1, run_lines, &w);
  if (own) free_plan(&w.plan);
  return atomic_load(&w.failed) ? -1 : 0;
}
