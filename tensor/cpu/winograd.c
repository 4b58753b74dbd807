/* winograd.c -- convolutions with 3x3 windows and a step of 1 by Winograd's F(4x4, 3x3): tiles of
 * 6x6 places of the image and the kernel are turned (isa/winograd_kernel.c) so that a convolution
 * is 36 products of matrices, which multiply a quarter as often as the direct way (Lavin and Gray
 * 2016, arXiv:1509.09308). The three ways round:
 *   y   from x and w: tiles of x, (place, tile, from), times those of w, (place, from, to)
 *   x   is the same, from y and the kernel turned by half a turn
 *   w   from x and y: tiles of x, transposed, times tiles of y, (place, tile, to)
 * Tiles are made for a block of rows of them at a time. Channels are innermost, so that every
 * vector is full whatever the image's size: images are turned over a few rows at a time. A large
 * kernel's tiles, four times its size, come from memory as slowly as few tiles of an image are
 * multiplied: then they are made for some channels at a time, in the cache, and not stored.
 *
 * Milliseconds of one thread on a core with AVX-512, best of ten on a shared machine, beside those
 * of oneDNN 2.6, whose direct way runs at the core's peak, and whose own Winograd needs images and
 * kernels in its order, turns the kernel in every task and moves 10 to 30 MB of tiles. "Kept" is
 * with the kernel's tiles still there from the last call:
 *
 *                     y: direct  its own  here  kept    w: direct  its own  here
 *   16x64x32x32         10.9       5.6     4.7   4.7       13.4       6.1     4.6
 *   16x128x16x16        10.4       5.5     3.9   3.8       12.0       4.9     4.2
 *   16x256x8x8           9.6       5.3     4.9   4.4       11.1      18.9     4.5
 *   16x512x4x4           9.2      >20      6.5     -       18.7     >30      12.3
 *   4x64x56x56           8.8       4.3     3.6   3.5        9.5       4.0     3.4
 *   4x256x14x14          7.9       5.0     4.8   4.3        8.8      19.8     4.2
 *   4x512x7x7            8.4      >20      6.5     -       13.0     >30       8.0
 *   1x128x28x28          2.1       1.1     0.7   0.6        2.1       0.9     0.8
 *   1x256x14x14          2.0       2.0     1.4   1.2        2.5      14.4     2.4
 *
 * It rounds more often than the direct way: of random numbers, results are off by 9e-7 of their
 * root mean square, and by 7e-6 at most, instead of 2e-7 and 1.2e-6. And what is infinite or no
 * number reaches all 16 results of a tile. */
#include "winograd.h"

#include <stdatomic.h>

#include "isa/gemm_kernel.h"
#include "kernels.h"
#include "move.h"

enum { LARGE, SMALL, KERNEL };
enum { TILE = 6, PLACES = TILE * TILE, RESULTS = 4, CELLS = 9, UNIT = 16 };
/* Tiles of a block: 32 and 128 are up to 5 % slower. Of 16 to 64 channels at a time 32 and 64 are
 * equal. */
enum { BLOCK_TILES = 64, KERNEL_TILES = 128, PASSING_TILES = 128, PASSING = 32 };
#define MOST_BYTES (1 << 27) /* of the kernel's tiles, and of a block's */

typedef struct {
  int64_t channels, high, wide;
} image;

/* A kernel's tiles, kept with its storage. */
typedef struct {
  tn_derived head;
  int64_t result, from, to;
} kept;

enum { KEPT_HEAD = (sizeof(kept) + 63) / 64 * 64 };

typedef struct {
  const tn_onednn_conv *c;
  const tn_winograd_kernels *k;
  image from, to; /* what tiles are made of, and results; of KERNEL x and y */
  int64_t pad[2];
  int64_t down, across;  /* tiles of an image */
  int64_t rows, blocks;  /* rows of tiles of a block, in all images, and how many blocks */
  int64_t slices, slice; /* of the results' channels */
  int64_t parts;         /* of the blocks, where a kernel is the result */
  bool passing; /* the kernel's tiles are made for some channels at a time, and not stored */
  float *kernel;         /* tiles of the kernel, or of the parts' gradients, each (slice, place) */
  kept *kept;
  atomic_bool failed;
} job;

/* -- Memory ------------------------------------------------------------------------------------ */

/* Of one task. `strip`: some rows of an image, channels innermost; `zero` stands for what is
 * outside of it, and `aside` takes results that are. */
typedef struct {
  float *tiles, *products, *strip, *zero, *aside, *scratch, *kernel, *windows;
  size_t bytes;
} room;

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static size_t floats(int64_t count) { return ((size_t)count * sizeof(float) + 63) / 64 * 64; }

/* The product of one place: of n tiles, or, where a kernel is the result, the sum over them. */
static tn_gemm product_of(const job *j, int64_t n) {
  if (j->c->result == KERNEL) {
    return (tn_gemm){.ta = true, .m = j->from.channels, .n = j->slice, .k = n, .alpha = 1,
                     .lda = j->from.channels, .ldb = j->slice, .ldc = j->slice};
  }
  return (tn_gemm){.m = n, .n = j->slice, .k = j->passing ? PASSING : j->from.channels, .alpha = 1,
                   .lda = j->from.channels, .ldb = j->passing ? j->slice : j->to.channels,
                   .ldc = j->slice};
}

static size_t scratch_of(const job *j, int64_t n) {
  const tn_gemm g = product_of(j, n);
  return TN_ISA_PICK(tn__gemm_scratch_f32)(&g);
}

static bool take_room(const job *j, room *r) {
  const int64_t n = j->rows * j->across, widest = most(j->from.channels, j->slice);
  const int64_t last = j->c->batch * j->down * j->across - (j->blocks - 1) * n; /* of its tiles */
  const size_t tiles = floats(PLACES * n * j->from.channels);
  const size_t products = floats(PLACES * n * j->slice);
  const size_t strip = floats(most(TILE * j->from.wide * j->from.channels,
                                   RESULTS * j->to.wide * j->slice));
  const size_t line = floats(widest), full = scratch_of(j, n), rest = scratch_of(j, last);
  const size_t kernel = j->passing ? floats(PLACES * PASSING * j->slice) : 0;
  const size_t windows = j->passing ? floats(PASSING * CELLS * j->slice) : 0;
  r->bytes = tiles + products + strip + 2 * line + kernel + windows + (full > rest ? full : rest);
  char *memory = tn__alloc(j->c->memory, &r->bytes, TN_UNCOUNTED);
  if (memory == NULL) return false;
  r->tiles = (float *)memory;
  r->products = (float *)(memory += tiles);
  r->strip = (float *)(memory += products);
  r->zero = (float *)(memory += strip);
  r->aside = (float *)(memory += line);
  r->kernel = (float *)(memory += line);
  r->windows = (float *)(memory += kernel);
  r->scratch = (float *)(memory + windows);
  memset(r->zero, 0, line);
  return true;
}

static void give_room(const job *j, room *r) {
  tn__free(j->c->memory, r->tiles, r->bytes, TN_UNCOUNTED);
}

/* -- Tiles ------------------------------------------------------------------------------------- */

/* Rows [first, first + count) of channels [0, n) of an image, each place with its channels. */
static void turn_over(const image *of, const float *plain, int64_t n, int64_t first, int64_t count,
                      float *strip) {
  tn__transpose(sizeof(float), count * of->wide, n, strip, n, plain + first * of->wide,
                of->high * of->wide);
}

/* The tiles of row `row` of tiles, which are the `at`-th and following of `n`: `side` x `side`
 * places each of channels [0, channels) of the image. */
static void make_row(const job *j, const image *of, const float *plain, int64_t channels,
                     int64_t side, int64_t row, int64_t at, int64_t n, const room *r,
                     float *tiles) {
  const bool slope = side == RESULTS;
  const int64_t y = row % j->down * RESULTS - (slope ? 0 : j->pad[0]);
  const int64_t left = slope ? 0 : j->pad[1];
  const int64_t first = most(y, 0), end = y + side < of->high ? y + side : of->high;
  const float *image = plain + row / j->down * of->channels * of->high * of->wide;
  const float *places[PLACES];
  if (end > first) turn_over(of, image, channels, first, end - first, r->strip);
  for (int64_t t = 0; t < j->across; t++) {
    for (int64_t k = 0; k < side * side; k++) {
      const int64_t h = y + k / side, w = t * RESULTS - left + k % side;
      const bool inside = h >= first && h < end && w >= 0 && w < of->wide;
      places[k] = inside ? r->strip + ((h - first) * of->wide + w) * channels : r->zero;
    }
    float *tile = tiles + (at + t) * channels;
    if (slope) j->k->slope(channels, places, tile, n * channels);
    else j->k->image(channels, places, tile, n * channels);
  }
}

/* Results of row `row` of tiles from the products. */
static void finish_row(const job *j, int64_t slice, int64_t row, int64_t at, int64_t n,
                       const room *r) {
  const image *to = &j->to;
  const int64_t y = row % j->down * RESULTS, channels = j->slice;
  const int64_t count = to->high - y < RESULTS ? to->high - y : RESULTS;
  const float *bias = j->c->bias;
  float *places[RESULTS * RESULTS];
  if (bias != NULL) bias += slice * channels;
  for (int64_t t = 0; t < j->across; t++) {
    for (int64_t k = 0; k < RESULTS * RESULTS; k++) {
      const int64_t h = k / RESULTS, w = t * RESULTS + k % RESULTS;
      places[k] = h < count && w < to->wide ? r->strip + (h * to->wide + w) * channels : r->aside;
    }
    j->k->result(channels, r->products + (at + t) * channels, n * channels, bias, places);
  }
  const int64_t first = row / j->down * to->channels + slice * channels; /* of all channels */
  tn__transpose(sizeof(float), channels, count * to->wide,
                (float *)j->c->out + (first * to->high + y) * to->wide, to->high * to->wide,
                r->strip, channels);
}

/* -- Kernels ----------------------------------------------------------------------------------- */

/* The tiles of channels [first, first + n) of the image that the kernel is applied to, n up to
 * PASSING, and of `count` of the results' from `to` on; `across` is from one of the former to the
 * next, `step` from place to place. */
static void turn_windows(const job *j, int64_t first, int64_t n, int64_t to, int64_t count,
                         float *windows, float *tiles, int64_t across, int64_t step) {
  const bool turned = j->c->result == LARGE;
  const float *plain = j->c->b;
  if (!turned) { /* (to, from, cell) */
    plain += (to * j->from.channels + first) * CELLS;
    tn__transpose(sizeof(float), n * CELLS, count, windows, count, plain,
                  j->from.channels * CELLS);
  }
  for (int64_t i = 0; i < n; i++) {
    float *window = windows + i * CELLS * count;
    if (turned) { /* (from, to, cell) */
      plain = (const float *)j->c->b + ((first + i) * j->to.channels + to) * CELLS;
      tn__transpose(sizeof(float), CELLS, count, window, count, plain, CELLS);
    }
    j->k->kernel(count, window, turned, tiles + i * across, step);
  }
}

/* Memory for PASSING windows of `channels` channels. */
static float *windows_room(job *j, int64_t channels, size_t *bytes) {
  *bytes = floats(PASSING * CELLS * channels);
  float *windows = tn__alloc(j->c->memory, bytes, TN_UNCOUNTED);
  if (windows == NULL) atomic_store(&j->failed, true);
  return windows;
}

/* [begin, end) counts channels of the image that the kernel is applied to. */
static void turn_kernel(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const int64_t to = j->to.channels;
  size_t bytes;
  float *windows = windows_room(j, to, &bytes);
  if (windows == NULL) return;
  for (int64_t first = begin; first < end; first += PASSING) {
    const int64_t n = end - first < PASSING ? end - first : PASSING;
    turn_windows(j, first, n, 0, to, windows, j->kernel + first * to, to,
                 j->from.channels * to);
  }
  tn__free(j->c->memory, windows, bytes, TN_UNCOUNTED);
}

/* -- Products ---------------------------------------------------------------------------------- */

/* The rows of a block, and its tiles. */
static int64_t rows_of(const job *j, int64_t block, int64_t *first) {
  const int64_t all = j->c->batch * j->down;
  *first = block * j->rows;
  return all - *first < j->rows ? all - *first : j->rows;
}

/* The products of n tiles. */
static void multiply(const job *j, int64_t slice, int64_t n, const room *r) {
  tn_gemm g = product_of(j, n);
  for (int64_t p = 0; p < PLACES; p++) {
    g.a = r->tiles + p * n * j->from.channels;
    g.b = j->kernel + p * j->from.channels * j->to.channels + slice * j->slice;
    g.c = r->products + p * n * j->slice;
    TN_ISA_PICK(tn__gemm_f32)(&g, r->scratch);
  }
}

/* The same, with the kernel's tiles made on the way. */
static void multiply_passing(const job *j, int64_t slice, int64_t n, const room *r) {
  tn_gemm g = product_of(j, n);
  for (int64_t first = 0; first < j->from.channels; first += PASSING) {
    g.k = j->from.channels - first < PASSING ? j->from.channels - first : PASSING;
    turn_windows(j, first, g.k, slice * j->slice, j->slice, r->windows, r->kernel, j->slice,
                 g.k * j->slice);
    g.beta = first > 0;
    for (int64_t p = 0; p < PLACES; p++) {
      g.a = r->tiles + p * n * j->from.channels + first;
      g.b = r->kernel + p * g.k * j->slice;
      g.c = r->products + p * n * j->slice;
      TN_ISA_PICK(tn__gemm_f32)(&g, r->scratch);
    }
  }
}

/* [begin, end) counts blocks of slices. */
static void run_images(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  room r;
  const bool ok = take_room(j, &r);
  if (!ok) atomic_store(&j->failed, true);
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t slice = task % j->slices;
    int64_t first;
    const int64_t rows = rows_of(j, task / j->slices, &first), n = rows * j->across;
    for (int64_t k = 0; k < rows; k++) {
      make_row(j, &j->from, j->c->a, j->from.channels, TILE, first + k, k * j->across, n, &r,
               r.tiles);
    }
    if (j->passing) multiply_passing(j, slice, n, &r);
    else multiply(j, slice, n, &r);
    for (int64_t k = 0; k < rows; k++) finish_row(j, slice, first + k, k * j->across, n, &r);
  }
  if (ok) give_room(j, &r);
}

/* [begin, end) counts slices of parts of the blocks. */
static void run_kernels(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  room r;
  const bool ok = take_room(j, &r);
  const int64_t one = j->from.channels * j->slice;
  if (!ok) atomic_store(&j->failed, true);
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t slice = task % j->slices, part = task / j->slices;
    const int64_t start = part * j->blocks / j->parts, stop = (part + 1) * j->blocks / j->parts;
    const float *y = (const float *)j->c->b + slice * j->slice * j->to.high * j->to.wide;
    for (int64_t block = start; block < stop; block++) {
      int64_t first;
      const int64_t rows = rows_of(j, block, &first), n = rows * j->across;
      for (int64_t k = 0; k < rows; k++) {
        make_row(j, &j->from, j->c->a, j->from.channels, TILE, first + k, k * j->across, n, &r,
                 r.tiles);
        make_row(j, &j->to, y, j->slice, RESULTS, first + k, k * j->across, n, &r, r.products);
      }
      tn_gemm g = product_of(j, n);
      g.beta = block > start;
      for (int64_t p = 0; p < PLACES; p++) {
        g.a = r.tiles + p * n * j->from.channels;
        g.b = r.products + p * n * j->slice;
        g.c = j->kernel + (task * PLACES + p) * one;
        TN_ISA_PICK(tn__gemm_f32)(&g, r.scratch);
      }
    }
  }
  if (ok) give_room(j, &r);
}

/* -- A kernel as the result -------------------------------------------------------------------- */

/* The parts' tiles are added, and turned back into the result: [begin, end) counts groups of UNIT
 * channels of slices. */
static void turn_back(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const tn_onednn_conv *c = j->c;
  const int64_t from = j->from.channels, slice = j->slice, one = from * slice;
  const int64_t groups = from / UNIT, step = j->slices * PLACES * one;
  size_t bytes;
  float *windows = windows_room(j, slice, &bytes);
  if (windows == NULL) return;
  tn_kernel *add = TN_ISA_PICK(tn__pointwise)[TN_PW_add].run[TN_COMPUTE_F32];
  const double factor[2] = {1, 0};
  for (int64_t at = begin; at < end; at++) {
    const int64_t s = at / groups, first = at % groups * UNIT;
    float *tiles = j->kernel + s * PLACES * one + first * slice;
    for (int64_t p = 0; p < PLACES; p++) {
      for (int64_t part = 1; part < j->parts; part++) {
        float *sum = tiles + p * one;
        add(UNIT * slice, sum, (const void *[]){sum, sum + part * step}, 0, factor);
      }
    }
    for (int64_t i = 0; i < UNIT; i++) {
      j->k->kernel_back(slice, tiles + i * slice, one, windows + i * CELLS * slice);
    }
    float *plain = (float *)c->out + (s * slice * from + first) * CELLS;
    tn__transpose(sizeof(float), slice, UNIT * CELLS, plain, from * CELLS, windows, slice);
  }
  tn__free(c->memory, windows, bytes, TN_UNCOUNTED);
}

/* True where the kernel's tiles have been kept; else, where they can be, there is room for them. */
static bool find_kept(job *j) {
  static const char maker;
  const tn_onednn_conv *c = j->c;
  const int64_t count = PLACES * j->from.channels * j->to.channels;
  const kept wanted = {.result = c->result, .from = j->from.channels, .to = j->to.channels};
  if (c->keep == NULL) return false;
  kept *k = (kept *)tn__derived_take(c->keep, &maker, c->b);
  const bool found = k != NULL && k->result == wanted.result && k->from == wanted.from &&
                     k->to == wanted.to;
  if (!found) {
    tn__derived_free((tn_derived *)k);
    k = (kept *)tn__derived_new(c->keep, &maker, c->b, KEPT_HEAD + floats(count));
    if (k == NULL) return false;
    const tn_derived head = k->head;
    *k = wanted;
    k->head = head;
  }
  j->kept = k;
  j->kernel = (float *)((char *)k + KEPT_HEAD);
  return found;
}

/* -- The whole --------------------------------------------------------------------------------- */

static bool suits(const tn_onednn_conv *c) {
  const tn_window *w = &c->w;
  bool ok = !c->bf16 && c->groups == 1 && w->in[0] == 1 && w->out[0] == 1 && w->kernel[0] == 1 &&
            w->pad[0] == 0;
  for (int s = 1; s < TN_SPACE; s++) {
    ok = ok && w->kernel[s] == 3 && w->stride[s] == 1 && w->dilation[s] == 1 && w->pad[s] <= 2 &&
         w->in[s] > 0 && w->out[s] > 0;
  }
  return ok && c->from % UNIT == 0 && c->to % UNIT == 0 && c->from > 0 && c->to > 0;
}

/* Nanoseconds of all threads together for each pair of channels, in this way and in the direct one,
 * which runs at the core's peak; fitted to the times above. */
static bool pays(const job *j) {
  const bool kernel = j->c->result == KERNEL;
  const double from = (double)j->from.channels, to = (double)j->to.channels;
  const double bytes = PLACES * sizeof(float) * from * to;
  const double tiles = (double)(j->c->batch * j->down * j->across);
  const double turn = j->c->keep != NULL ? 0 : 9; /* of the kernel */
  const double stream = bytes > 1 << 24 ? 18 : bytes > 1 << 22 ? 8 : 2; /* of its tiles */
  const double own = (j->passing ? 10 : turn + stream * (double)j->blocks) +
                     tiles * (0.6 + 18 / from + 18 / to);
  const double places = (double)(j->c->batch * j->to.high * j->to.wide);
  const double block = PLACES * sizeof(float) * (double)(j->rows * j->across) * (from + to);
  const double stored = j->passing ? 0 : bytes * (double)j->parts;
  if (stored > MOST_BYTES || block > MOST_BYTES) return false;
  return 1.15 * own < places * (kernel && bytes > 1 << 24 ? 0.24 : 0.15);
}

/* Whole blocks, as many for each thread as for the others. */
static void cut(job *j, int64_t threads) {
  const bool kernel = j->c->result == KERNEL;
  const int64_t all = j->c->batch * j->down, to = j->to.channels;
  const bool large = PLACES * j->from.channels * to > 1 << 20;
  const int64_t wish = most((kernel ? KERNEL_TILES : BLOCK_TILES) / j->across, 1);
  j->blocks = (all + wish - 1) / wish;
  if (!kernel && j->blocks > threads) j->blocks = (j->blocks + threads - 1) / threads * threads;
  j->rows = (all + j->blocks - 1) / j->blocks;
  j->blocks = (all + j->rows - 1) / j->rows;
  j->passing = !kernel && large && all * j->across <= PASSING_TILES &&
               (j->c->keep == NULL || PLACES * j->from.channels * to > 1 << 22);
  if (j->passing) j->rows = all, j->blocks = 1;
  j->slices = kernel && !large ? 1 : kernel || j->blocks < threads ? threads : 1;
  while (j->slices > 1 && to % (UNIT * j->slices) != 0) j->slices--;
  j->slice = to / j->slices;
  j->parts = kernel ? most(threads / j->slices, 1) : 1;
  if (j->parts > j->blocks) j->parts = j->blocks;
}

static void plan(job *j, const tn_onednn_conv *c, int64_t threads) {
  const tn_window *w = &c->w;
  const image large = {c->from, w->in[1], w->in[2]}, small = {c->to, w->out[1], w->out[2]};
  const bool turned = c->result == LARGE;
  *j = (job){.c = c, .k = TN_ISA_PICK(&tn__winograd_kernels), .from = turned ? small : large,
             .to = turned ? large : small, .failed = false};
  for (int s = 0; s < 2; s++) j->pad[s] = turned ? 2 - w->pad[1 + s] : w->pad[1 + s];
  j->down = (j->to.high + RESULTS - 1) / RESULTS;
  j->across = (j->to.wide + RESULTS - 1) / RESULTS;
  cut(j, threads);
}

bool tn__winograd(tn_pool *pool, const tn_onednn_conv *c) {
  job j;
  if (!suits(c) || c->batch < 1) return false;
  plan(&j, c, tn__pool_inside() ? 1 : tn__pool_threads(pool));
  if (!pays(&j)) return false;
  const bool kernel = c->result == KERNEL;
  const int64_t count = PLACES * j.from.channels * j.to.channels * j.parts;
  size_t bytes = floats(count);
  const bool found = !kernel && !j.passing && find_kept(&j);
  float *own = NULL;
  if (j.kernel == NULL && !j.passing) {
    j.kernel = own = tn__alloc(c->memory, &bytes, TN_UNCOUNTED);
    if (own == NULL) return false;
  }
  if (!kernel && !found && !j.passing) {
    tn__pool_run(pool, j.from.channels, PASSING, turn_kernel, &j);
  }
  if (!atomic_load(&j.failed)) {
    tn__pool_run(pool, j.slices * (kernel ? j.parts : j.blocks), 1,
                 kernel ? run_kernels : run_images, &j);
  }
  if (kernel && !atomic_load(&j.failed)) {
    tn__pool_run(pool, j.slices * (j.from.channels / UNIT), 1, turn_back, &j);
  }
  const bool ok = !atomic_load(&j.failed);
  if (j.kept != NULL && ok) tn__derived_put(c->keep, &j.kept->head);
  else if (j.kept != NULL) tn__derived_free(&j.kept->head);
  if (own != NULL) tn__free(c->memory, own, bytes, TN_UNCOUNTED);
  return ok;
}
