/* fft.c -- transforms of many lines: plans that are kept, lines gathered and scattered.
 *
 * An even number n of real ones is transformed as m = n / 2 complex ones, z[j] = x[2j] + i x[2j+1]:
 * their transform Z holds those of the even and the odd numbers,
 *   E[k] = (Z[k] + conj(Z[m-k])) / 2,  O[k] = -i (Z[k] - conj(Z[m-k])) / 2,
 * and X[k] = E[k] + w^k O[k], w = exp(-2 pi i / n). It is half the work, and the way back the
 * same. */
#include "fft.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Lines are gathered so many at a time when they are not contiguous: pairs of cache lines are read,
 * which are asked for some rows ahead, as rows lie on different pages. */
enum { GATHERED = 16, AHEAD = 12, KEPT = 64, LARGEST_KEPT = 1 << 20, ALIGNMENT = 64 };

typedef struct {
  size_t item;
  tn_fft_kind kind;
  bool inverse;
  int64_t n;
  void *fftw;            /* or */
  tn_fft_tables *tables;
  void *roots; /* where the plan is one for n / 2 complex numbers; else NULL */
} plan;

/* Under `lock`; entries never change once they are counted. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static plan kept[KEPT];
static int count;

static bool same(const plan *a, const plan *b) {
  return a->item == b->item && a->kind == b->kind && a->inverse == b->inverse && a->n == b->n;
}

/* Vectors of 16 bytes: two complex floats or one complex double. */
typedef float vec_float __attribute__((vector_size(16), aligned(4), may_alias));
typedef double vec_double __attribute__((vector_size(16), aligned(8), may_alias));

/* Re and im exchanged; the complex numbers in the other order. */
#define EXCHANGED_float(v) __builtin_shufflevector(v, v, 1, 0, 3, 2)
#define EXCHANGED_double(v) __builtin_shufflevector(v, v, 1, 0)
#define REVERSED_float(v) __builtin_shufflevector(v, v, 2, 3, 0, 1)
#define REVERSED_double(v) (v)
#define CONJUGATED_float(v) ((v) * (vec_float){1, -1, 1, -1})
#define CONJUGATED_double(v) ((v) * (vec_double){1, -1})

/* With d = Z[k] - conj(Z[m-k]), O[k] w^k = (p (im d, re d) + q (re d, im d)) / 2, where p is (re w,
 * -re w) and q (im w, im w), which stand one after the other in a table, a vector at a time. The
 * way back is 2 Z[k] = E[k] + q (re d, im d) - p (im d, re d) with d = X[k] - conj(X[m-k]). */
#define TANGLES(T)                                                                                \
  enum { STEP_##T = 16 / (2 * sizeof(T)) }; /* complex numbers of a vector */                     \
  static void fill_roots_##T(T *roots, int64_t n) {                                               \
    for (int64_t k = 1; k < n / 4 + 1 + STEP_##T; k++) {                                          \
      const double angle = -2 * 3.14159265358979323846 * (double)k / (double)n;                   \
      T *p = roots + (k - 1) / STEP_##T * 4 * STEP_##T + (k - 1) % STEP_##T * 2;                  \
      p[0] = (T)cos(angle);                                                                       \
      p[1] = -p[0];                                                                               \
      p[2 * STEP_##T] = p[2 * STEP_##T + 1] = (T)sin(angle);                                      \
    }                                                                                             \
  }                                                                                               \
  /* X from Z, or twice Z from X: m + 1 and m complex numbers. A vector that reaches beyond the   \
   * middle writes the same values once more. */                                                  \
  static void tangle_##T(const T *roots, int64_t m, const T *in, T *out, bool back) {             \
    out[0] = in[0] + in[back ? 2 * m : 1];                                                        \
    const T last = in[0] - in[back ? 2 * m : 1];                                                  \
    if (back) out[1] = last;                                                                      \
    else out[1] = out[2 * m + 1] = 0, out[2 * m] = last;                                          \
    const T half = back ? 1 : (T)0.5, sign = back ? -1 : (T)0.5;                                  \
    for (int64_t k = 1; 2 * k <= m; k += STEP_##T, roots += 4 * STEP_##T) {                       \
      const int64_t other = 2 * (m - k - STEP_##T + 1);                                           \
      const vec_##T a = *(const vec_##T *)(in + 2 * k), p = *(const vec_##T *)roots;              \
      const vec_##T q = *(const vec_##T *)(roots + 2 * STEP_##T);                                 \
      const vec_##T r = *(const vec_##T *)(in + other), b = CONJUGATED_##T(REVERSED_##T(r));      \
      const vec_##T d = a - b, e = (a + b) * half;                                                \
      const vec_##T t = p * EXCHANGED_##T(d) * sign + q * d * half, c = CONJUGATED_##T(e - t);    \
      *(vec_##T *)(out + 2 * k) = e + t;                                                          \
      *(vec_##T *)(out + other) = REVERSED_##T(c);                                                \
    }                                                                                             \
  }

TANGLES(float)
TANGLES(double)

/* FFTW's plan, or tables; for real numbers of an even count those of half as many complex ones. */
static bool make_plan(plan *p) {
  const bool halved = p->kind != TN_FFT_C2C && p->n >= 8 && p->n % 2 == 0;
  const tn_fft_kind kind = halved ? TN_FFT_C2C : p->kind;
  const bool inverse = halved ? p->kind == TN_FFT_C2R : p->inverse;
  const int64_t n = halved ? p->n / 2 : p->n;
  if (halved) {
    p->roots = malloc((size_t)(p->n / 4 + 4) * 4 * p->item);
    if (p->roots == NULL) return false;
    if (p->item == sizeof(float)) fill_roots_float(p->roots, p->n);
    else fill_roots_double(p->roots, p->n);
  }
  p->fftw = tn__fftw_plan(p->item, kind, inverse, n);
  if (p->fftw == NULL) p->tables = tn__fft_tables_new(p->item, n);
  if (p->fftw != NULL || p->tables != NULL) return true;
  free(p->roots);
  return false;
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
  const bool made = make_plan(p);
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
  free(p->roots);
}

void tn__fft_forget(void) {
  while (count > 0) free_plan(&kept[--count]);
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

static bool fits(const void *p) { return (uintptr_t)p % ALIGNMENT == 0; }

/* The plan's own transform. FFTW's lines begin where it can take them. */
static void transform(const work *w, const void *in, void *out, char *scratch) {
  const plan *p = &w->plan;
  const bool halved = p->roots != NULL;
  const tn_fft_kind kind = halved ? TN_FFT_C2C : p->kind;
  if (p->fftw != NULL) tn__fftw_run(p->item, kind, p->fftw, in, out);
  else tn__fft_line(p->tables, kind, halved ? p->kind == TN_FFT_C2R : p->inverse, in, out, scratch);
}

/* `room`: a line of input, a line of output, and the built-in transform's scratch memory. */
static void run_line(const work *w, const void *in, void *out, char *room) {
  const plan *p = &w->plan;
  const bool floats = p->item == sizeof(float);
  char *other = room + whole(w->in_bytes), *scratch = other + whole(w->out_bytes);
  const int64_t m = p->n / 2;
  if (p->roots != NULL && p->kind == TN_FFT_R2C) {
    transform(w, fits(in) ? in : memcpy(room, in, w->in_bytes), other, scratch);
    if (floats) tangle_float(p->roots, m, (float *)other, out, false);
    else tangle_double(p->roots, m, (double *)other, out, false);
    return;
  }
  const void *from = fits(in) ? in : room;
  if (p->roots != NULL) {
    if (floats) tangle_float(p->roots, m, in, (float *)room, true);
    else tangle_double(p->roots, m, in, (double *)room, true);
    from = room;
  } else if (!fits(in)) {
    memcpy(room, in, w->in_bytes);
  }
  transform(w, from, fits(out) ? out : other, scratch);
  if (!fits(out)) memcpy(out, other, w->out_bytes);
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

/* Elements between `lines` rows, `pitch` bytes apart, in memory of ours and columns of a matrix
 * whose rows are `inner` elements apart. A constant count and size make the inner loop vanish. */
#define TURN(lines, T)                                                                            \
  for (int64_t i = 0; i < length; i++, matrix += inner * (int64_t)sizeof(T)) {                    \
    char *row = rows + i * (int64_t)sizeof(T), *cell = matrix;                                    \
    if (i + AHEAD < length) {                                                                     \
      __builtin_prefetch(matrix + AHEAD * inner * (int64_t)sizeof(T));                            \
      __builtin_prefetch(matrix + (AHEAD * inner + (lines) - 1) * (int64_t)sizeof(T));            \
    }                                                                                             \
    for (int64_t l = 0; l < (lines); l++, row += pitch, cell += sizeof(T)) {                      \
      memcpy(gather ? row : cell, gather ? cell : row, sizeof(T));                                \
    }                                                                                             \
  }

#define TURNS(name, T)                                                                            \
  static inline __attribute__((always_inline)) void turn_##name(                                  \
      char *rows, size_t pitch, char *matrix, int64_t lines, int64_t length, int64_t inner,       \
      const bool gather) {                                                                        \
    if (lines == GATHERED) {                                                                      \
      TURN(GATHERED, T)                                                                           \
    } else {                                                                                      \
      TURN(lines, T)                                                                              \
    }                                                                                             \
  }                                                                                               \
  static void gather_##name(char *rows, size_t pitch, char *matrix, int64_t lines,                \
                            int64_t length, int64_t inner) {                                      \
    turn_##name(rows, pitch, matrix, lines, length, inner, true);                                 \
  }                                                                                               \
  static void scatter_##name(char *rows, size_t pitch, char *matrix, int64_t lines,               \
                             int64_t length, int64_t inner) {                                     \
    turn_##name(rows, pitch, matrix, lines, length, inner, false);                                \
  }

typedef struct {
  double re, im;
} double_pair;

TURNS(4, float)
TURNS(8, double)
TURNS(16, double_pair)

typedef void turn_fn(char *rows, size_t pitch, char *matrix, int64_t lines, int64_t length,
                     int64_t inner);

static turn_fn *turn_of(size_t bytes, bool gather) {
  if (bytes == 4) return gather ? gather_4 : scatter_4;
  if (bytes == 8) return gather ? gather_8 : scatter_8;
  return gather ? gather_16 : scatter_16;
}

/* One task: up to GATHERED lines side by side. */
static void run_lines(void *arg, int64_t begin, int64_t end) {
  work *w = arg;
  const tn_fft *job = w->job;
  const size_t in = (size_t)w->in * job->item, out = (size_t)w->out * job->item;
  /* one line more, so that rows of a power of two do not fall into the same cache sets */
  const size_t in_pitch = whole(w->in_bytes) + ALIGNMENT;
  const size_t out_pitch = whole(w->out_bytes) + ALIGNMENT;
  const bool strided = job->inner > 1;
  size_t helper = in_pitch + out_pitch;
  if (w->plan.fftw == NULL) {
    helper += whole((size_t)tn__fft_scratch(w->plan.tables) * 2 * job->item);
  }
  void *memory = tn__take(job->memory,
                          helper + (strided ? (in_pitch + out_pitch) * GATHERED : 0));
  if (memory == NULL) {
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
    turn_of(in, true)(lines_in, in_pitch, from, lines, w->in_length, job->inner);
    for (int64_t l = 0; l < lines; l++) {
      char *line = lines_out + l * (int64_t)out_pitch;
      run_line(w, lines_in + l * (int64_t)in_pitch, line, room);
      scale(w, line);
    }
    turn_of(out, false)(lines_out, out_pitch, to, lines, w->out_length, job->inner);
  }
  tn__give(memory);
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
