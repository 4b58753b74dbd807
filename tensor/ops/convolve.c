/* convolve.c -- the three products that convolutions and all their derivatives are made of.
 *
 * They tie together a large side x (batch, groups * from, in...), a small side y (batch,
 * groups * to, out...) and a kernel w (groups * to, from, kernel...), of one to three dimensions:
 *   y[out] = sum of x[out * stride - padding + k * dilation] w[k]     convolve
 * and, being linear in each of the others, gives x from y and w (convolve_input, the transposed
 * convolution) and w from x and y (convolve_weight). Each one's gradients are the other two.
 *
 * attrs: i[0..2] the sizes (out, in or kernel) of the result, i[3..5] stride, i[6..8] padding
 * before the first element, i[9..11] dilation, i[12] groups; where there are less than three
 * dimensions, the last of them count. What lies outside of x is 0, so the padding behind follows
 * from the sizes.
 *
 * The work is cut into tiles of positions: the windows of a tile are laid out as a matrix that
 * stays in the cache, and multiplied. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/im2col.h"
#include "tensor/cpu/prepared.h"
#include "tensor/cpu/winograd.h"
#include "tensor/ops/lines.h"

/* Elements of a tile's matrix: half of a second-level cache. */
#define TILE_ELEMENTS (96 * 1024)
/* Tasks that work is cut into, whatever the number of threads, so that sums come out the same. */
#define TASKS 8
#define TASK_PRODUCTS 250000 /* products of two elements that are worth another thread */
#define PART_ELEMENTS (1 << 20)

typedef struct {
  int64_t batch, groups, from, to; /* channels of a group on the large and the small side */
  int64_t inside, outside, places; /* elements of in, out and kernel */
  bool plain; /* one place, one step: the image is the matrix */
  tn_window w;
} geometry;

/* -- Shapes ------------------------------------------------------------------------------------ */

static tn_status refuse(tn_ctx *ctx, const char *what, int64_t value) {
  return tn_fail(ctx, TN_EARG, "%s is %lld, which is out of range", what, (long long)value);
}

static tn_status read_space(tn_ctx *ctx, const char *what, int64_t least, int n,
                            const int64_t *from, int64_t missing, int64_t *to) {
  const int64_t most = 1 << 30; /* sums of products of two stay below 2^63 */
  for (int d = 0; d < TN_SPACE; d++) {
    const int own = d - (TN_SPACE - n);
    to[d] = own < 0 ? missing : from[own];
    if (to[d] < least || to[d] > most) return refuse(ctx, what, to[d]);
  }
  return TN_OK;
}

static tn_status misfit(tn_ctx *ctx, const tn_tensor *a, const tn_tensor *b) {
  char ta[TN_SHAPE_TEXT], tb[TN_SHAPE_TEXT];
  return tn_fail(ctx, TN_ESHAPE, "tensors of size %s and %s do not fit each other",
                 tn__shape_text(ta, a->ndim, a->sizes), tn__shape_text(tb, b->ndim, b->sizes));
}

enum { LARGE, SMALL, KERNEL };

/* Reads a call whose result is `result`; the inputs are the other two, in the order above. Sizes of
 * the result come from the attributes, and go to meta[0]. */
static tn_status read_geometry(tn_call *call, int result, geometry *g) {
  const tn_tensor *side[3] = {NULL};
  const tn_attrs *a = call->attrs;
  tn_ctx *ctx = call->ctx;
  side[result == LARGE ? SMALL : LARGE] = call->in[0];
  side[result == KERNEL ? SMALL : KERNEL] = call->in[1];
  const tn_tensor *first = call->in[0], *second = call->in[1];
  const int n = first->ndim - 2;
  if (n < 1 || n > TN_SPACE || second->ndim != n + 2) return misfit(ctx, first, second);
  if (first->dtype != second->dtype) {
    return tn_fail(ctx, TN_EDTYPE, "tensors of one dtype expected, got %s and %s",
                   tn_dtype_name((tn_dtype)first->dtype), tn_dtype_name((tn_dtype)second->dtype));
  }
  g->groups = tn__int(a, 12, 1);
  if (g->groups < 1 || g->groups > 1 << 30) return refuse(ctx, "the number of groups", g->groups);
  const int64_t *sizes[3];
  for (int k = 0; k < 3; k++) {
    sizes[k] = side[k] != NULL ? side[k]->sizes + 2 : a->i + TN_SPACE - n;
  }
  tn_status s = read_space(ctx, "an input's size", 0, n, sizes[LARGE], 1, g->w.in);
  if (s == TN_OK) s = read_space(ctx, "an output's size", 0, n, sizes[SMALL], 1, g->w.out);
  if (s == TN_OK) s = read_space(ctx, "a kernel's size", 1, n, sizes[KERNEL], 1, g->w.kernel);
  if (s == TN_OK) s = read_space(ctx, "a stride", 1, 3, a->i + 3, 1, g->w.stride);
  if (s == TN_OK) s = read_space(ctx, "a padding", 0, 3, a->i + 6, 0, g->w.pad);
  if (s == TN_OK) s = read_space(ctx, "a dilation", 1, 3, a->i + 9, 1, g->w.dilation);
  if (s != TN_OK) return s;
  const int64_t large = side[LARGE] != NULL ? side[LARGE]->sizes[1]
                                            : side[KERNEL]->sizes[1] * g->groups;
  const int64_t small = side[SMALL] != NULL ? side[SMALL]->sizes[1] : side[KERNEL]->sizes[0];
  if (large % g->groups != 0 || small % g->groups != 0) {
    return tn_fail(ctx, TN_ESHAPE, "%lld and %lld channels cannot be parted into %lld groups",
                   (long long)large, (long long)small, (long long)g->groups);
  }
  g->from = large / g->groups;
  g->to = small / g->groups;
  const tn_tensor *w = side[KERNEL];
  if (w != NULL && (w->sizes[0] != small || w->sizes[1] != g->from)) {
    return misfit(ctx, first, second);
  }
  g->batch = first->sizes[0];
  if (result == KERNEL && second->sizes[0] != g->batch) return misfit(ctx, first, second);
  tn_meta *m = &call->meta[0];
  m->dtype = first->dtype;
  m->ndim = first->ndim;
  m->sizes[0] = result == KERNEL ? small : g->batch;
  m->sizes[1] = result == LARGE ? large : result == SMALL ? small : g->from;
  memcpy(m->sizes + 2, sizes[result], sizeof(int64_t) * (size_t)n);
  int64_t count; /* before anything is multiplied */
  s = tn__count(ctx, m->ndim, m->sizes, 8, &count);
  if (s != TN_OK) return s;
  g->inside = tn__window_cells(g->w.in);
  g->outside = tn__window_cells(g->w.out);
  g->places = tn__window_cells(g->w.kernel);
  g->plain = g->places == 1 && g->inside == g->outside;
  for (int d = 0; d < TN_SPACE; d++) {
    if (g->w.stride[d] != 1 || g->w.pad[d] != 0) g->plain = false;
  }
  return TN_OK;
}

static tn_status shape(tn_call *call, int result) {
  geometry g;
  return read_geometry(call, result, &g);
}

/* -- Work -------------------------------------------------------------------------------------- */

typedef struct {
  geometry g;
  size_t item;
  const char *a, *b, *bias; /* the inputs */
  char *result, *parts;
  tn_allocator *memory; /* for tiles */
  tn_storage *keep; /* of a kernel whose order by the library may be kept; or NULL */
  int64_t tile, tiles;     /* positions of one, and how many there are */
  int64_t blocks, block;   /* of channels: how many, and of how many */
  int64_t part, part_size; /* images of one part of the batch, elements of a kernel */
  atomic_bool failed;
} job;

/* Positions of a tile whose matrix has `rows` rows: whole vectors, and not a power of two apart. */
static void cut(job *j, int64_t rows) {
  int64_t tile = TILE_ELEMENTS / (rows > 0 ? rows : 1) / 32 * 32, all = j->g.outside;
  if (tile < 64) tile = 64;
  if (tile % 256 == 0) tile -= 32;
  if (tile > all) tile = all > 0 ? all : 1;
  j->tiles = (all + tile - 1) / tile;
  if (j->tiles > 0) tile = ((all + j->tiles - 1) / j->tiles + 31) / 32 * 32; /* no sliver */
  j->tile = tile > all ? all : tile;
  if (j->tile > 0) j->tiles = (all + j->tile - 1) / j->tile;
}

static void cut_channels(job *j, int64_t tasks) {
  int64_t blocks = tasks >= TASKS || tasks < 1 ? 1 : (TASKS + tasks - 1) / tasks;
  if (blocks > j->g.from) blocks = j->g.from > 0 ? j->g.from : 1;
  j->block = (j->g.from + blocks - 1) / blocks;
  j->blocks = j->block > 0 ? (j->g.from + j->block - 1) / j->block : 1;
}

static void multiply(job *j, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const char *a,
                     int64_t lda, const char *b, int64_t ldb, bool add, char *c, int64_t ldc) {
  int failed;
  if (lda < 1) lda = 1;
  if (ldb < 1) ldb = 1;
  if (j->item == sizeof(float)) {
    failed = tn__sgemm(NULL, ta, tb, m, n, k, 1, (const float *)a, lda, (const float *)b, ldb, add,
                       (float *)c, ldc);
  } else {
    failed = tn__dgemm(NULL, ta, tb, m, n, k, 1, (const double *)a, lda, (const double *)b, ldb,
                       add, (double *)c, ldc);
  }
  if (failed) atomic_store(&j->failed, true);
}

/* Memory for one tile of a matrix with `rows` rows, for the tasks of one thread; *ok unless there
 * is none. A plain geometry needs none. */
static char *tile_memory(job *j, int64_t rows, bool *ok) {
  *ok = true;
  if (j->g.plain) return NULL;
  void *memory = tn__take(j->memory, (size_t)(rows * j->tile) * j->item);
  *ok = memory != NULL;
  if (!*ok) atomic_store(&j->failed, true);
  return memory;
}

static char *at(const job *j, const char *base, int64_t index) {
  return (char *)base + index * (int64_t)j->item;
}

/* The windows of positions [first, first + count) of `channels` channels from `image` on. */
static const char *windows(job *j, const char *image, int64_t channels, int64_t first,
                           int64_t count, char *memory, int64_t *ld) {
  if (j->g.plain) {
    *ld = j->g.inside;
    return at(j, image, first);
  }
  tn_window w = j->g.w;
  w.channels = channels;
  *ld = count;
  tn__im2col(&w, j->item, image, first, count, memory, count);
  return memory;
}

static void fill(const job *j, char *row, int64_t n, const char *value) {
  if (j->item == sizeof(float)) {
    for (int64_t i = 0; i < n; i++) ((float *)row)[i] = *(const float *)value;
  } else {
    for (int64_t i = 0; i < n; i++) ((double *)row)[i] = *(const double *)value;
  }
}

/* One task: a tile of one group of one image. */
static void forward_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const geometry *g = &j->g;
  const int64_t rows = g->from * g->places;
  bool ok;
  char *memory = tile_memory(j, rows, &ok);
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t first = task % j->tiles * j->tile, image = task / j->tiles; /* and group */
    const int64_t group = image % g->groups;
    const int64_t count = g->outside - first < j->tile ? g->outside - first : j->tile;
    int64_t ld;
    const char *x = windows(j, at(j, j->a, image * g->from * g->inside), g->from, first, count,
                            memory, &ld);
    char *y = at(j, j->result, image * g->to * g->outside + first);
    for (int64_t c = 0; j->bias != NULL && c < g->to; c++) {
      fill(j, at(j, y, c * g->outside), count, at(j, j->bias, group * g->to + c));
    }
    multiply(j, false, false, g->to, count, rows, at(j, j->b, group * g->to * rows), rows, x, ld,
             j->bias != NULL, y, g->outside);
  }
  tn__give(memory);
}

/* One task: a block of channels of one group of one image of the large side. */
static void input_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const geometry *g = &j->g;
  const int64_t rows = g->from * g->places;
  bool ok;
  char *memory = tile_memory(j, j->block * g->places, &ok);
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t from = task % j->blocks * j->block, image = task / j->blocks;
    const int64_t channels = g->from - from < j->block ? g->from - from : j->block;
    const char *w = at(j, j->b, image % g->groups * g->to * rows + from * g->places);
    char *x = at(j, j->result, (image * g->from + from) * g->inside);
    tn_window window = g->w;
    window.channels = channels;
    if (!g->plain) memset(x, 0, (size_t)(channels * g->inside) * j->item);
    for (int64_t first = 0; first < g->outside; first += j->tile) {
      const int64_t count = g->outside - first < j->tile ? g->outside - first : j->tile;
      const char *y = at(j, j->a, image * g->to * g->outside + first);
      char *to = g->plain ? at(j, x, first) : memory;
      multiply(j, true, false, channels * g->places, count, g->to, w, rows, y, g->outside, false,
               to, g->plain ? g->inside : count);
      if (!g->plain) tn__col2im(&window, j->item, memory, count, first, count, x);
    }
  }
  tn__give(memory);
}

/* One task: a block of channels of one group, summed over a part of the batch. */
static void weight_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const geometry *g = &j->g;
  const int64_t rows = g->from * g->places;
  bool ok;
  char *memory = tile_memory(j, j->block * g->places, &ok);
  for (int64_t task = begin; ok && task < end; task++) {
    const int64_t from = task % j->blocks * j->block, rest = task / j->blocks;
    const int64_t channels = g->from - from < j->block ? g->from - from : j->block;
    const int64_t group = rest % g->groups, part = rest / g->groups;
    const int64_t last = (part + 1) * j->part < g->batch ? (part + 1) * j->part : g->batch;
    char *w = part == 0 ? j->result : at(j, j->parts, (part - 1) * j->part_size);
    w = at(j, w, group * g->to * rows + from * g->places);
    bool add = false;
    for (int64_t n = part * j->part; n < last; n++) {
      const int64_t image = n * g->groups + group;
      for (int64_t first = 0; first < g->outside; first += j->tile, add = true) {
        const int64_t count = g->outside - first < j->tile ? g->outside - first : j->tile;
        int64_t ld;
        const char *x = windows(j, at(j, j->a, (image * g->from + from) * g->inside), channels,
                                first, count, memory, &ld);
        multiply(j, false, true, g->to, channels * g->places, count,
                 at(j, j->b, image * g->to * g->outside + first), g->outside, x, ld, add, w, rows);
      }
    }
  }
  tn__give(memory);
}

static void add_parts(const job *j, int64_t parts) {
  for (int64_t p = 0; p + 1 < parts; p++) {
    const char *from = at(j, j->parts, p * j->part_size);
    for (int64_t i = 0; i < j->part_size; i++) {
      if (j->item == sizeof(float)) ((float *)j->result)[i] += ((const float *)from)[i];
      else ((double *)j->result)[i] += ((const double *)from)[i];
    }
  }
}

static void run_tasks(tn_ctx *ctx, job *j, int64_t tasks, tn_pool_fn *fn) {
  const geometry *g = &j->g;
  double products = (double)g->batch * g->groups * g->to * g->from * g->places * g->outside;
  double grain = tasks > 0 ? TASK_PRODUCTS / (products / (double)tasks + 1) + 1 : 1;
  if (tasks > 0) tn__pool_run(ctx->pool, tasks, grain > 1e9 ? 1000000000 : (int64_t)grain, fn, j);
}

static void run_forward(tn_ctx *ctx, job *j) {
  cut(j, j->g.from * j->g.places);
  run_tasks(ctx, j, j->g.batch * j->g.groups * j->tiles, forward_tasks);
}

static void run_input(tn_ctx *ctx, job *j) {
  cut_channels(j, j->g.batch * j->g.groups);
  cut(j, j->block * j->g.places);
  if (j->g.from > 0) run_tasks(ctx, j, j->g.batch * j->g.groups * j->blocks, input_tasks);
}

/* Few channels leave too few tasks: then the batch is parted too, each part with a sum of its own.
 * */
static void run_weight(tn_ctx *ctx, job *j) {
  geometry *g = &j->g;
  int64_t parts = 1;
  j->part_size = g->groups * g->to * g->from * g->places;
  cut_channels(j, g->groups);
  if (j->blocks * g->groups < TASKS && j->part_size * TASKS <= PART_ELEMENTS) {
    parts = g->batch < TASKS ? g->batch : TASKS;
    cut_channels(j, g->groups * TASKS);
  }
  cut(j, j->block * g->places);
  if (g->batch == 0 || g->outside == 0) {
    memset(j->result, 0, (size_t)j->part_size * j->item);
    return;
  }
  j->part = (g->batch + parts - 1) / parts;
  parts = (g->batch + j->part - 1) / j->part;
  j->parts = parts > 1 ? malloc((size_t)((parts - 1) * j->part_size) * j->item + 1) : NULL;
  if (parts > 1 && j->parts == NULL) atomic_store(&j->failed, true);
  if (g->from == 0 || atomic_load(&j->failed)) return;
  run_tasks(ctx, j, parts * g->groups * j->blocks, weight_tasks);
  if (!atomic_load(&j->failed)) add_parts(j, parts);
  free(j->parts);
}

static bool run_library(tn_ctx *ctx, const job *j, int result, bool bf16) {
  const geometry *g = &j->g;
  const tn_onednn_conv c = {.result = result, .bf16 = bf16, .batch = g->batch,
                            .groups = g->groups, .from = g->from, .to = g->to, .w = g->w,
                            .a = j->a, .b = j->b, .bias = j->bias, .out = j->result,
                            .memory = ctx->allocator, .keep = j->keep};
  if (!bf16 && j->item != sizeof(float)) return false;
  return tn__winograd(ctx->pool, &c) || tn__onednn_conv(ctx->pool, &c);
}

/* The contiguous tensors of a call, in the type that it calculates in. */
typedef struct {
  tn_tensor *in[3], *to;
} operands;

static tn_status begin(tn_call *call, operands *o, tn_dtype type, tn_dtype result, job *j) {
  tn_status s = TN_OK;
  for (int k = 0; k < call->nin && s == TN_OK; k++) {
    s = tn__contiguous_of(call->ctx, &o->in[k], call->in[k], type);
  }
  if (s == TN_OK) s = tn__result_begin(call, 0, result, &o->to);
  if (s != TN_OK) return s;
  j->item = tn__item_size(type);
  j->a = tn__data(o->in[0]);
  j->b = tn__data(o->in[1]);
  j->bias = o->in[2] != NULL ? tn__data(o->in[2]) : NULL;
  j->result = tn__data(o->to);
  return s;
}

static void release(operands *o) {
  for (int k = 0; k < 3; k++) tn_tensor_release(o->in[k]);
}

/* By the processor's own instructions for bfloat16, where the library has them: then *done. */
static tn_status run_bfloat(tn_call *call, int result, job *j, bool *done) {
  const geometry *g = &j->g;
  const tn_onednn_conv wish = {.result = result, .bf16 = true, .batch = g->batch,
                               .groups = g->groups, .from = g->from, .to = g->to, .w = g->w};
  operands o = {0};
  if (call->in[0]->dtype != TN_BF16 || !tn__onednn_conv_pays(&wish)) return TN_OK;
  tn_status s = begin(call, &o, TN_BF16, result == KERNEL ? TN_F32 : TN_BF16, j);
  *done = s == TN_OK && run_library(call->ctx, j, result, true);
  if (*done) s = tn__result_end(call, 0, o.to, s);
  else tn_tensor_release(o.to);
  release(&o);
  return s;
}

static tn_status run(tn_call *call, int result) {
  tn_dtype type = tn__compute_dtype((tn_dtype)call->in[0]->dtype);
  job j = {.failed = false, .memory = call->ctx->allocator};
  operands o = {0};
  bool done = false;
  if (type == TN_I64) type = TN_F64; /* exact up to 2^53 */
  tn_status s = read_geometry(call, result, &j.g);
  if (s == TN_OK) s = run_bfloat(call, result, &j, &done);
  if (s != TN_OK || done) return s;
  s = begin(call, &o, type, type, &j);
  if (s == TN_OK && result != KERNEL && j.b == tn__data(call->in[1])) {
    j.keep = tn__weight_in_use(call, 1);
  }
  if (s == TN_OK && tn__numel(o.to) > 0) {
    if (run_library(call->ctx, &j, result, false)) atomic_store(&j.failed, false);
    else if (result == SMALL) run_forward(call->ctx, &j);
    else if (result == LARGE) run_input(call->ctx, &j);
    else run_weight(call->ctx, &j);
    if (atomic_load(&j.failed)) {
      s = tn_fail(call->ctx, TN_ENOMEM, "not enough memory for a convolution");
    }
  }
  s = tn__result_end(call, 0, o.to, s);
  release(&o);
  return s;
}

/* -- Gradients --------------------------------------------------------------------------------- */

/* The product that gives `sizes`, of a call with these attributes. */
static tn_tensor *other(tn_eval *e, const tn_attrs *of, tn_opcode code, const int64_t *sizes,
                        int ndim, tn_tensor *a, tn_tensor *b) {
  tn_attrs attrs = *of;
  for (int d = 0; d < TN_SPACE; d++) {
    const int own = d - (TN_SPACE - (ndim - 2));
    attrs.i[d] = own < 0 ? 1 : sizes[own + 2];
  }
  return tn__do(e, code, &attrs, 2, (tn_tensor *[]){a, b});
}

/* din[k] = product of `code`, with the sizes that input k had. */
static void send(tn_eval *e, tn_grad_call *g, int k, tn_opcode code, tn_tensor *a, tn_tensor *b) {
  if (!g->need[k]) return;
  g->din[k] = tn__keep(e, other(e, g->attrs, code, g->meta[k].sizes, g->meta[k].ndim, a, b));
}

static tn_status convolve_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_tensor *d = g->dout[0];
  send(&e, g, 0, TN_OP_convolve_input, d, g->in[1]);
  send(&e, g, 1, TN_OP_convolve_weight, g->in[0], d);
  if (g->nin > 2 && g->need[2]) {
    int64_t cells = 1;
    tn_attrs drop = {.i = {2, 0}, .ni = 2};
    for (int k = 2; k < d->ndim; k++) cells *= d->sizes[k];
    d = tn__reshaped(&e, d, 3, (int64_t[]){d->sizes[0], d->sizes[1], cells});
    d = tn__do(&e, TN_OP_sum, &drop, 1, &d);
    drop.i[0] = 0;
    g->din[2] = tn__keep(&e, tn__do(&e, TN_OP_sum, &drop, 1, &d));
  }
  return tn__eval_end(&e);
}

static tn_status convolve_input_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  send(&e, g, 0, TN_OP_convolve, g->dout[0], g->in[1]);
  send(&e, g, 1, TN_OP_convolve_weight, g->dout[0], g->in[0]);
  return tn__eval_end(&e);
}

static tn_status convolve_weight_grad(tn_grad_call *g) {
  tn_eval e = tn__eval_begin(g->ctx);
  send(&e, g, 0, TN_OP_convolve_input, g->in[1], g->dout[0]);
  send(&e, g, 1, TN_OP_convolve, g->in[0], g->dout[0]);
  return tn__eval_end(&e);
}

static tn_status convolve_shape(tn_call *call) {
  tn_status s = shape(call, SMALL);
  const tn_tensor *bias = call->nin > 2 ? call->in[2] : NULL;
  if (s != TN_OK || bias == NULL) return s;
  if (bias->dtype == call->in[0]->dtype && bias->ndim == 1 &&
      bias->sizes[0] == call->meta[0].sizes[1]) {
    return TN_OK;
  }
  char text[TN_SHAPE_TEXT];
  return tn_fail(call->ctx, TN_ESHAPE, "a bias of %lld values of the input's dtype expected, got "
                 "%s of size %s", (long long)call->meta[0].sizes[1],
                 tn_dtype_name((tn_dtype)bias->dtype),
                 tn__shape_text(text, bias->ndim, bias->sizes));
}

static tn_status convolve_input_shape(tn_call *call) { return shape(call, LARGE); }
static tn_status convolve_weight_shape(tn_call *call) { return shape(call, KERNEL); }
static tn_status convolve_run(tn_call *call) { return run(call, SMALL); }
static tn_status convolve_input_run(tn_call *call) { return run(call, LARGE); }
static tn_status convolve_weight_run(tn_call *call) { return run(call, KERNEL); }

#define CONVOLVE_ROW(name_, flags_, onnx_, doc_)                                                  \
  const tn_op tn__op_##name_ = {.name = #name_, .convention = 'N', .nout = 1,                     \
                                .flags = TN_FLOATS | TN_INTEGERS | flags_,                        \
                                .saves = TN_SAVE_A | TN_SAVE_B, .low = -2, .high = 2,             \
                                .shape = name_##_shape, .run = name_##_run,                       \
                                .grad = name_##_grad, .onnx = onnx_, .doc = doc_}

CONVOLVE_ROW(convolve, TN_KEEPS_ORDER, "Conv", "Convolution of batches of images.");
CONVOLVE_ROW(convolve_input, TN_KEEPS_ORDER, "ConvTranspose",
             "Transposed convolution of batches of images.");
CONVOLVE_ROW(convolve_weight, 0, NULL, "The kernel's part in the derivative of a convolution.");
