/* onednn_conv.c -- oneDNN's convolutions, where its version is the one whose structures we know.
 *
 * They want images and kernels in blocks of 16 channels, so every image is put into that order,
 * multiplied, and put back, a few images at a time, so that they stay in the cache. Each task, on
 * a thread of our pool, has images of its own; OpenMP's threads are not used (see onednn.c).
 *
 * To make a primitive takes a millisecond or more, as machine code is written; so they are kept by
 * their shapes. */
#include "onednn_conv.h"

#if !defined(TN_EMBED) && defined(__has_include)
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#if DNNL_VERSION_MAJOR == 2
#define HAVE_DNNL 2
#endif
#endif
#endif

#ifndef HAVE_DNNL

bool tn__onednn_conv(tn_pool *pool, const tn_onednn_conv *c) {
  (void)pool, (void)c;
  return false;
}

#else

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

/* Products of two elements in all from which opening the library pays, those of one task, and
 * elements of its images that fit into a second-level cache. */
#define LEAST_PRODUCTS 3e7
#define TASK_PRODUCTS 4e6
#define CACHED_ELEMENTS (256 * 1024)
enum { KEPT = 48, ALIGNMENT = 64 };

/* -- The library ------------------------------------------------------------------------------- */

#define FUNCTIONS(X)                                                                              \
  X(engine_create) X(stream_create) X(stream_destroy) X(stream_wait)                              \
  X(memory_desc_init_by_tag) X(memory_desc_equal) X(memory_desc_get_size)                         \
  X(memory_create) X(memory_destroy) X(memory_set_data_handle)                                    \
  X(dilated_convolution_forward_desc_init) X(dilated_convolution_backward_data_desc_init)         \
  X(dilated_convolution_backward_weights_desc_init)                                               \
  X(primitive_attr_create) X(primitive_attr_set_scratchpad_mode)                                  \
  X(primitive_desc_create) X(primitive_desc_destroy) X(primitive_desc_query)                      \
  X(primitive_desc_query_md) X(reorder_primitive_desc_create) X(primitive_create)                 \
  X(primitive_destroy) X(primitive_execute)

/* Written once, under pthread_once; constant for the life of the process afterwards. */
static struct {
#define X(name) __typeof__(&dnnl_##name) name;
  FUNCTIONS(X)
#undef X
  dnnl_engine_t engine;
  dnnl_primitive_attr_t attr; /* scratch memory is ours */
  bool ready;
} d;

static void open_functions(void) {
  const char *wish = getenv("MOONLET_BLAS");
  if (wish != NULL && strcmp(wish, "builtin") == 0) return;
  void *library = tn__onednn_library(HAVE_DNNL);
  bool all = library != NULL;
#define X(name) all = all && (*(void **)&d.name = dlsym(library, "dnnl_" #name)) != NULL;
  FUNCTIONS(X)
#undef X
  d.ready = all && d.engine_create(&d.engine, dnnl_cpu, 0) == dnnl_success &&
            d.primitive_attr_create(&d.attr) == dnnl_success &&
            d.primitive_attr_set_scratchpad_mode(d.attr, dnnl_scratchpad_mode_user) == dnnl_success;
}

/* -- Plans ------------------------------------------------------------------------------------- */

enum { LARGE, SMALL, KERNEL, SIDES };

/* What a primitive depends on; compared as memory, so it is cleared first. */
typedef struct {
  int result, dims, bias;
  int64_t images, groups, from, to;
  int64_t in[TN_SPACE], out[TN_SPACE], kernel[TN_SPACE], stride[TN_SPACE], pad[TN_SPACE],
      dilation[TN_SPACE];
} key;

typedef struct {
  key key;
  bool usable; /* false: asked for before, and declined */
  int users;
  uint64_t used;
  dnnl_primitive_t conv, turn[SIDES]; /* NULL where an order is the plain one */
  dnnl_memory_desc_t plain[SIDES], own[SIDES], scratch, bias;
  size_t bytes[SIDES], scratch_bytes;
} plan;

/* Entries are taken and given back under `lock`. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static plan *kept[KEPT];
static uint64_t clock_of_use;

static void destroy(plan *p) {
  if (p == NULL) return;
  if (p->conv != NULL) d.primitive_destroy(p->conv);
  for (int k = 0; k < SIDES; k++) {
    if (p->turn[k] != NULL) d.primitive_destroy(p->turn[k]);
  }
  free(p);
}

/* The sizes of one side, as oneDNN wants them; returns how many. */
static int sizes_of(const key *k, int side, dnnl_dims_t dims) {
  const int64_t *space = side == LARGE ? k->in : side == SMALL ? k->out : k->kernel;
  int n = 0;
  if (side == KERNEL) {
    if (k->groups > 1) dims[n++] = k->groups;
    dims[n++] = k->to;
    dims[n++] = k->from;
  } else {
    dims[n++] = k->images;
    dims[n++] = k->groups * (side == LARGE ? k->from : k->to);
  }
  for (int s = TN_SPACE - k->dims; s < TN_SPACE; s++) dims[n++] = space[s];
  return n;
}

static bool describe(const key *k, int side, bool plain, dnnl_memory_desc_t *md) {
  static const dnnl_format_tag_t tags[] = {dnnl_abc, dnnl_abcd, dnnl_abcde, dnnl_abcdef};
  dnnl_dims_t dims;
  const int n = sizes_of(k, side, dims);
  return d.memory_desc_init_by_tag(md, n, dims, dnnl_f32, plain ? tags[n - 3]
                                                                : dnnl_format_tag_any) ==
         dnnl_success;
}

/* Padding behind the last element; false where oneDNN would count other positions than we do. */
static bool padding_behind(const key *k, int s, int64_t *behind) {
  const int64_t reach = k->dilation[s] * (k->kernel[s] - 1) + 1;
  const int64_t need = (k->out[s] - 1) * k->stride[s] + reach - k->in[s] - k->pad[s];
  *behind = need > 0 ? need : 0;
  const int64_t room = k->in[s] + k->pad[s] + *behind - reach;
  return room >= 0 && room / k->stride[s] + 1 == k->out[s];
}

/* Does the library have code of its own for it? Its fallbacks are slower than ours. */
static bool is_fast(dnnl_primitive_desc_t pd) {
  const char *name = NULL;
  if (d.primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success) {
    return false;
  }
  return strncmp(name, "jit", 3) == 0 || strncmp(name, "brg", 3) == 0;
}

/* The primitive's descriptor, for images in whatever order it likes best. */
static dnnl_primitive_desc_t new_descriptor(const key *k, const dnnl_memory_desc_t *bias) {
  dnnl_memory_desc_t any[SIDES];
  dnnl_dims_t stride, dilation, before, behind;
  dnnl_convolution_desc_t op;
  dnnl_primitive_desc_t forward = NULL, pd = NULL;
  bool ok = true;
  for (int side = 0; side < SIDES; side++) ok = ok && describe(k, side, false, &any[side]);
  for (int n = 0, s = TN_SPACE - k->dims; s < TN_SPACE; s++, n++) {
    stride[n] = k->stride[s];
    dilation[n] = k->dilation[s] - 1;
    before[n] = k->pad[s];
    ok = ok && padding_behind(k, s, &behind[n]);
  }
  ok = ok && d.dilated_convolution_forward_desc_init(
                 &op, dnnl_forward_training, dnnl_convolution_direct, &any[LARGE], &any[KERNEL],
                 bias, &any[SMALL], stride, dilation, before, behind) == dnnl_success;
  ok = ok && d.primitive_desc_create(&forward, &op, d.attr, d.engine, NULL) == dnnl_success;
  if (!ok || k->result == SMALL) return forward;
  if (k->result == LARGE) {
    ok = d.dilated_convolution_backward_data_desc_init(
             &op, dnnl_convolution_direct, &any[LARGE], &any[KERNEL], &any[SMALL], stride, dilation,
             before, behind) == dnnl_success;
  } else {
    ok = d.dilated_convolution_backward_weights_desc_init(
             &op, dnnl_convolution_direct, &any[LARGE], &any[KERNEL], NULL, &any[SMALL], stride,
             dilation, before, behind) == dnnl_success;
  }
  if (ok && d.primitive_desc_create(&pd, &op, d.attr, d.engine, forward) != dnnl_success) pd = NULL;
  d.primitive_desc_destroy(forward);
  return pd;
}

/* Which question asks for the order of a side. */
static dnnl_query_t question(int result, int side) {
  if (side == LARGE) return result == LARGE ? dnnl_query_diff_src_md : dnnl_query_src_md;
  if (side == SMALL) return result == SMALL ? dnnl_query_dst_md : dnnl_query_diff_dst_md;
  return result == KERNEL ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
}

static bool add_reorder(plan *p, int side, dnnl_primitive_desc_t pd) {
  const dnnl_memory_desc_t *own = d.primitive_desc_query_md(pd, question(p->key.result, side), 0);
  dnnl_primitive_desc_t turn = NULL;
  if (own == NULL || !describe(&p->key, side, true, &p->plain[side])) return false;
  p->own[side] = *own;
  p->bytes[side] = d.memory_desc_get_size(own);
  if (d.memory_desc_equal(own, &p->plain[side])) return true;
  const bool back = side == p->key.result;
  const dnnl_memory_desc_t *from = back ? own : &p->plain[side], *to = back ? &p->plain[side] : own;
  if (d.reorder_primitive_desc_create(&turn, from, d.engine, to, d.engine, d.attr) !=
      dnnl_success) {
    return false;
  }
  const bool ok = d.primitive_create(&p->turn[side], turn) == dnnl_success;
  d.primitive_desc_destroy(turn);
  return ok;
}

static plan *new_plan(const key *k) {
  plan *p = calloc(1, sizeof *p);
  const dnnl_dims_t outputs = {k->groups * k->to};
  if (p == NULL) return NULL;
  p->key = *k;
  if (d.memory_desc_init_by_tag(&p->bias, 1, outputs, dnnl_f32, dnnl_a) != dnnl_success) return p;
  dnnl_primitive_desc_t pd = new_descriptor(k, k->bias ? &p->bias : NULL);
  if (pd == NULL) return p;
  const dnnl_memory_desc_t *scratch = d.primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  p->usable = scratch != NULL && is_fast(pd);
  for (int side = 0; side < SIDES && p->usable; side++) p->usable = add_reorder(p, side, pd);
  if (p->usable) {
    p->scratch = *scratch;
    p->scratch_bytes = d.memory_desc_get_size(scratch);
    p->usable = d.primitive_create(&p->conv, pd) == dnnl_success;
  }
  d.primitive_desc_destroy(pd);
  return p;
}

/* Finds the plan, or makes it in place of the one that has not been used for the longest time. NULL
 * where there is none; otherwise it must be given back. */
static plan *take_plan(const key *k) {
  pthread_mutex_lock(&lock);
  plan *p = NULL;
  int place = -1;
  for (int i = 0; i < KEPT && p == NULL; i++) {
    if (kept[i] == NULL) place = i;
    else if (memcmp(&kept[i]->key, k, sizeof *k) == 0) p = kept[i];
  }
  for (int i = 0; i < KEPT && p == NULL && place < 0; i++) {
    if (kept[i]->users == 0) place = i;
  }
  for (int i = 0; i < KEPT && p == NULL && place >= 0 && kept[place] != NULL; i++) {
    if (kept[i]->users == 0 && kept[i]->used < kept[place]->used) place = i;
  }
  if (p == NULL && place >= 0 && (p = new_plan(k)) != NULL) {
    destroy(kept[place]);
    kept[place] = p;
  }
  if (p != NULL) p->used = ++clock_of_use;
  if (p != NULL && !p->usable) p = NULL;
  if (p != NULL) p->users++;
  pthread_mutex_unlock(&lock);
  return p;
}

static void give_back(plan *p) {
  if (p == NULL) return;
  pthread_mutex_lock(&lock);
  p->users--;
  pthread_mutex_unlock(&lock);
}

/* -- Work -------------------------------------------------------------------------------------- */

typedef struct {
  const tn_onednn_conv *c;
  plan *plan, *rest;   /* for `images` images, and for what is left of the batch */
  int64_t images, tasks;
  int64_t slices;      /* of outputs, one for each task, where there is one image only; else 1 */
  const char *kernel;  /* in the order of `plan`, where it is read; of all slices */
  size_t kernel_bytes; /* of one */
  float *parts;        /* kernels of the tasks but the first, where it is the result */
  int64_t large, small, kernels; /* elements of one image, and of a kernel */
  atomic_bool failed;
} job;

/* Runs a primitive between memory with these descriptions. */
typedef struct {
  int argument;
  const dnnl_memory_desc_t *md;
  void *data;
} operand;

static bool execute(dnnl_stream_t stream, dnnl_primitive_t primitive, int n, const operand *given) {
  dnnl_exec_arg_t args[5];
  int made = 0;
  bool ok = true;
  for (; made < n && ok; made++) {
    args[made].arg = given[made].argument;
    args[made].memory = NULL;
    ok = d.memory_create(&args[made].memory, given[made].md, d.engine, given[made].data) ==
         dnnl_success;
  }
  ok = ok && d.primitive_execute(primitive, stream, n, args) == dnnl_success;
  for (int i = 0; i < made; i++) {
    if (args[i].memory != NULL) d.memory_destroy(args[i].memory);
  }
  return ok;
}

/* A side in the plan's own order: turned into `room` unless it is so already. */
static bool arrange(dnnl_stream_t stream, const plan *p, int side, void *plain, void *room,
                    void **own) {
  *own = p->turn[side] != NULL ? room : plain;
  if (p->turn[side] == NULL || side == p->key.result) return true;
  const operand both[2] = {{DNNL_ARG_FROM, &p->plain[side], plain}, {DNNL_ARG_TO, &p->own[side],
                           room}};
  return execute(stream, p->turn[side], 2, both);
}

static size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* One task. `room` is for both sides of images, a kernel that is the result, and scratch. */
static bool run_images(const job *j, const plan *p, int64_t task, dnnl_stream_t stream,
                       char *room) {
  static const int arguments[SIDES][SIDES] = {
      {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS},
      {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS},
      {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS}};
  const tn_onednn_conv *c = j->c;
  const int result = c->result;
  const int64_t first = task * j->images, slice = j->slices > 1 ? task : 0;
  void *plain[SIDES], *own[SIDES];
  plain[LARGE] = (result == LARGE ? c->out : (float *)c->a) + (slice > 0 ? 0 : first) * j->large;
  plain[SMALL] = (result == SMALL ? c->out : (float *)(result == LARGE ? c->a : c->b)) +
                 first * j->small;
  plain[KERNEL] = task == 0 ? c->out : j->parts + (task - 1) * j->kernels;
  char *at[SIDES] = {room, room + whole_lines(p->bytes[LARGE]), NULL};
  at[KERNEL] = at[SMALL] + whole_lines(p->bytes[SMALL]);
  char *scratch = at[KERNEL] + (result == KERNEL ? whole_lines(p->bytes[KERNEL]) : 0);
  bool ok = arrange(stream, p, LARGE, plain[LARGE], at[LARGE], &own[LARGE]) &&
            arrange(stream, p, SMALL, plain[SMALL], at[SMALL], &own[SMALL]);
  if (result == KERNEL) ok = ok && arrange(stream, p, KERNEL, plain[KERNEL], at[KERNEL],
                                           &own[KERNEL]);
  else own[KERNEL] = (void *)(j->kernel + slice * (int64_t)j->kernel_bytes);
  operand operands[5];
  int n = 0;
  for (int side = 0; side < SIDES; side++) {
    operands[n++] = (operand){arguments[result][side], &p->own[side], own[side]};
  }
  operands[n++] = (operand){DNNL_ARG_SCRATCHPAD, &p->scratch, scratch};
  if (p->key.bias) {
    operands[n++] = (operand){DNNL_ARG_BIAS, &p->bias, (void *)(c->bias + slice * p->key.to)};
  }
  ok = ok && execute(stream, p->conv, n, operands);
  if (ok && p->turn[result] != NULL) {
    const operand back[2] = {{DNNL_ARG_FROM, &p->own[result], own[result]},
                             {DNNL_ARG_TO, &p->plain[result], plain[result]}};
    ok = execute(stream, p->turn[result], 2, back);
  }
  return ok;
}

static size_t room_of(const plan *p) {
  size_t bytes = 0;
  for (int side = 0; side < SIDES; side++) bytes += whole_lines(p->bytes[side]);
  return bytes + whole_lines(p->scratch_bytes) + ALIGNMENT;
}

static void run_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const int before = tn__onednn_alone();
  dnnl_stream_t stream = NULL;
  void *room = NULL;
  bool ok = d.stream_create(&stream, d.engine, dnnl_stream_default_flags) == dnnl_success &&
            posix_memalign(&room, ALIGNMENT, room_of(j->plan)) == 0;
  for (int64_t task = begin; ok && task < end; task++) {
    const bool last = task == j->tasks - 1;
    ok = run_images(j, last && j->rest != NULL ? j->rest : j->plan, task, stream, room);
  }
  free(room);
  if (stream != NULL) d.stream_destroy(stream);
  tn__onednn_together(before);
  if (!ok) atomic_store(&j->failed, true);
}

/* The kernel in the plan's order, once for all tasks. */
static bool arrange_kernel(job *j, void **room) {
  const plan *p = j->plan;
  dnnl_stream_t stream = NULL;
  void *own = NULL;
  *room = NULL;
  j->kernel = (const char *)j->c->b;
  j->kernel_bytes = (size_t)j->kernels * sizeof(float);
  if (p->turn[KERNEL] == NULL) return true;
  j->kernel_bytes = whole_lines(p->bytes[KERNEL]);
  if (posix_memalign(room, ALIGNMENT, (size_t)j->slices * j->kernel_bytes) != 0) return false;
  bool ok = d.stream_create(&stream, d.engine, dnnl_stream_default_flags) == dnnl_success;
  for (int64_t k = 0; k < j->slices && ok; k++) {
    ok = arrange(stream, p, KERNEL, (void *)(j->c->b + k * j->kernels),
                 (char *)*room + k * (int64_t)j->kernel_bytes, &own);
  }
  if (stream != NULL) d.stream_destroy(stream);
  j->kernel = *room;
  return ok;
}

static void add_parts(const job *j) {
  for (int64_t p = 0; p + 1 < j->tasks; p++) {
    for (int64_t i = 0; i < j->kernels; i++) j->c->out[i] += j->parts[p * j->kernels + i];
  }
}

/* Images of a task: enough work, but no more than fits the cache or leaves a thread without any. */
static int64_t images_of(const tn_onednn_conv *c, int64_t threads, double products, int64_t each) {
  const int64_t share = (c->batch + threads - 1) / threads;
  if (c->result == KERNEL) return share; /* each task makes a kernel of its own */
  const double wanted = TASK_PRODUCTS / (products / (double)c->batch + 1);
  int64_t n = wanted < (double)share ? (int64_t)wanted : share;
  if (n * each > CACHED_ELEMENTS) n = CACHED_ELEMENTS / each;
  return n < 1 ? 1 : n;
}

static bool uses(const tn_window *w, int s) {
  return w->in[s] != 1 || w->out[s] != 1 || w->kernel[s] != 1 || w->pad[s] != 0;
}

static key key_of(const tn_onednn_conv *c) {
  key k;
  memset(&k, 0, sizeof k);
  k.result = c->result;
  k.bias = c->bias != NULL;
  k.groups = c->groups;
  k.from = c->from;
  k.to = c->to;
  memcpy(k.in, c->w.in, sizeof k.in);
  memcpy(k.out, c->w.out, sizeof k.out);
  memcpy(k.kernel, c->w.kernel, sizeof k.kernel);
  memcpy(k.stride, c->w.stride, sizeof k.stride);
  memcpy(k.pad, c->w.pad, sizeof k.pad);
  memcpy(k.dilation, c->w.dilation, sizeof k.dilation);
  k.dims = uses(&c->w, 0) ? 3 : uses(&c->w, 1) ? 2 : 1;
  return k;
}

/* Is it work that oneDNN does faster? One or two channels give its blocks nothing to do. */
static bool is_worth_it(const tn_onednn_conv *c, double products) {
  const bool separate = c->from == 1 && c->to == 1 && c->groups >= 8;
  const int64_t least = c->result == SMALL ? 3 : 8;
  return products >= (separate ? LEAST_PRODUCTS / 20 : LEAST_PRODUCTS) &&
         (separate || (c->from >= least && c->to >= 8));
}

/* One image is cut by its outputs, in whole blocks, so that every thread has some. */
static int64_t slices_of(const tn_onednn_conv *c, int64_t threads) {
  int64_t n = c->result == SMALL && c->batch == 1 && c->groups == 1 ? threads : 1;
  while (n > 1 && c->to % (16 * n) != 0) n--;
  return n;
}

bool tn__onednn_conv(tn_pool *pool, const tn_onednn_conv *c) {
  const int64_t outside = tn__window_cells(c->w.out), inside = tn__window_cells(c->w.in);
  const int64_t places = tn__window_cells(c->w.kernel);
  const double products = (double)c->batch * (double)c->groups * (double)c->from * (double)c->to *
                          (double)outside * (double)places;
  if (!is_worth_it(c, products) || tn__pool_inside()) return false;
  pthread_once(&once, open_functions);
  if (!d.ready) return false;
  job j = {.c = c, .slices = slices_of(c, tn__pool_threads(pool)), .failed = false};
  const int before = tn__onednn_alone();
  key k = key_of(c);
  void *kernel = NULL;
  k.to /= j.slices;
  j.large = c->groups * c->from * inside;
  j.small = c->groups * k.to * outside;
  j.kernels = c->groups * k.to * c->from * places;
  j.images = k.images = images_of(c, tn__pool_threads(pool), products, j.large + j.small);
  j.tasks = j.slices > 1 ? j.slices : (c->batch + j.images - 1) / j.images;
  j.plan = take_plan(&k);
  if (j.slices == 1) k.images = c->batch - (j.tasks - 1) * j.images;
  if (j.plan != NULL && k.images != j.images) j.rest = take_plan(&k);
  bool ok = j.plan != NULL && (k.images == j.images || j.rest != NULL);
  /* the kernel is put in order once: both plans must agree on it, and on room */
  if (ok && j.rest != NULL) {
    ok = d.memory_desc_equal(&j.plan->own[KERNEL], &j.rest->own[KERNEL]) &&
         room_of(j.rest) <= room_of(j.plan);
  }
  if (ok && c->result == KERNEL && j.tasks > 1) {
    j.parts = malloc((size_t)((j.tasks - 1) * j.kernels) * sizeof(float));
    ok = j.parts != NULL;
  }
  if (ok && c->result != KERNEL) ok = arrange_kernel(&j, &kernel);
  tn__onednn_together(before);
  if (ok) {
    tn__pool_run(pool, j.tasks, 1, run_tasks, &j);
    ok = !atomic_load(&j.failed);
  }
  if (ok && c->result == KERNEL) add_parts(&j);
  free(kernel);
  free(j.parts);
  give_back(j.plan);
  give_back(j.rest);
  return ok;
}

#endif
