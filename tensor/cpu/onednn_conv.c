/* onednn_conv.c -- oneDNN's convolutions, where its version is the one whose structures we know.
 *
 * They want images and kernels in blocks of 16 channels, or channels last, so every image is put
 * into that order, multiplied, and put back, a few images at a time, so that they stay in the
 * cache. Each task, on a thread of our pool, has images of its own; OpenMP's threads are not used
 * (see onednn.c).
 *
 * Images that stay channels last from layer to layer would spare the two turns. Measured for all
 * shapes of ResNet-18, one thread: the primitives for them are about as fast as those for blocks,
 * mostly within 15 % either way, but the 3x3 ones, to which most of the turns belonged, are winograd.c's now, which takes
 * images as they are; of what is left the turns are 2 % of a training step. */
#include "onednn_conv.h"

#include "onednn_plan.h"

#ifndef TN_HAVE_DNNL

bool tn__onednn_conv_pays(const tn_onednn_conv *c) {
  (void)c;
  return false;
}

bool tn__onednn_conv(tn_pool *pool, const tn_onednn_conv *c) {
  (void)pool, (void)c;
  return false;
}

#else

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"
#include "kernel_order.h"
#include "kernels.h"
#include "tensor/internal.h"

/* Products of two elements in all from which opening the library pays, and bytes of a task's images
 * that fit into a second-level cache. */
#define LEAST_PRODUCTS 1e7
#define CACHED_BYTES (1 << 20)
enum { TASKS_PER_THREAD = 4 };

/* -- Plans ------------------------------------------------------------------------------------- */

enum { LARGE, SMALL, KERNEL, SIDES };

/* What a primitive depends on; cleared first. */
typedef struct {
  int64_t result, dims, bias, bf16;
  int64_t images, groups, from, to;
  int64_t all; /* outputs of an image, of which a slice has only `to` */
  int64_t in[TN_SPACE], out[TN_SPACE], kernel[TN_SPACE], stride[TN_SPACE], pad[TN_SPACE],
      dilation[TN_SPACE];
} key;

typedef struct {
  tn_dnnl_plan head;
  key key;
  dnnl_primitive_t conv, turn[SIDES];
  bool same[SIDES]; /* where an order is the plain one, it needs no turn */
  dnnl_memory_desc_t plain[SIDES], own[SIDES], scratch, bias;
  size_t bytes[SIDES], scratch_bytes;
  bool ordered; /* the kernel is put in order, and back, by kernel_order.c */
  tn_kernel_order order;
} plan;

static void destroy(tn_dnnl_plan *head) {
  plan *p = (plan *)head;
  if (p->conv != NULL) tn__dnnl.primitive_destroy(p->conv);
  for (int k = 0; k < SIDES; k++) {
    if (p->turn[k] != NULL) tn__dnnl.primitive_destroy(p->turn[k]);
  }
  free(p);
}

/* Kernels that are the result are sums over tasks, so they are floats. */
static dnnl_data_type_t type_of(bool bf16, int side, int result) {
  return bf16 && !(side == KERNEL && result == KERNEL) ? dnnl_bf16 : dnnl_f32;
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
  for (int s = TN_SPACE - (int)k->dims; s < TN_SPACE; s++) dims[n++] = space[s];
  return n;
}

static bool describe(const key *k, int side, bool plain, dnnl_memory_desc_t *md) {
  static const dnnl_format_tag_t tags[] = {dnnl_abc, dnnl_abcd, dnnl_abcde, dnnl_abcdef};
  dnnl_dims_t dims, strides;
  const int n = sizes_of(k, side, dims);
  if (plain && side == SMALL && k->to != k->all) { /* the others' outputs lie in between */
    int64_t step = 1;
    for (int d = n - 1; d > 0; d--) strides[d] = step, step *= dims[d];
    strides[0] = step / k->to * k->all;
    return tn__dnnl.memory_desc_init_by_strides(
               md, n, dims, type_of(k->bf16, side, (int)k->result), strides) == dnnl_success;
  }
  return tn__dnnl.memory_desc_init_by_tag(md, n, dims, type_of(k->bf16, side, (int)k->result),
                                          plain ? tags[n - 3] : dnnl_format_tag_any) ==
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

/* The primitive's descriptor, for images in whatever order it likes best. */
static dnnl_primitive_desc_t new_descriptor(const key *k, const dnnl_memory_desc_t *bias) {
  dnnl_memory_desc_t any[SIDES], hint;
  dnnl_dims_t stride, dilation, before, behind;
  dnnl_convolution_desc_t op;
  dnnl_primitive_desc_t forward = NULL, pd = NULL;
  bool ok = true;
  for (int side = 0; side < SIDES; side++) ok = ok && describe(k, side, false, &any[side]);
  for (int n = 0, s = TN_SPACE - (int)k->dims; s < TN_SPACE; s++, n++) {
    stride[n] = k->stride[s];
    dilation[n] = k->dilation[s] - 1;
    before[n] = k->pad[s];
    ok = ok && padding_behind(k, s, &behind[n]);
  }
  key as_read = *k; /* the kernel of a forward pass is never a sum */
  as_read.result = SMALL;
  ok = ok && describe(&as_read, KERNEL, false, &hint) &&
       tn__dnnl.dilated_convolution_forward_desc_init(
           &op, dnnl_forward_training, dnnl_convolution_direct, &any[LARGE], &hint, bias,
           &any[SMALL], stride, dilation, before, behind) == dnnl_success &&
       tn__dnnl.primitive_desc_create(&forward, &op, tn__dnnl.attr, tn__dnnl.engine, NULL) ==
           dnnl_success;
  if (!ok || k->result == SMALL) return forward;
  if (k->result == LARGE) {
    ok = tn__dnnl.dilated_convolution_backward_data_desc_init(
             &op, dnnl_convolution_direct, &any[LARGE], &any[KERNEL], &any[SMALL], stride, dilation,
             before, behind) == dnnl_success;
  } else {
    ok = tn__dnnl.dilated_convolution_backward_weights_desc_init(
             &op, dnnl_convolution_direct, &any[LARGE], &any[KERNEL], NULL, &any[SMALL], stride,
             dilation, before, behind) == dnnl_success;
  }
  if (ok && tn__dnnl.primitive_desc_create(&pd, &op, tn__dnnl.attr, tn__dnnl.engine, forward) !=
                dnnl_success) {
    pd = NULL;
  }
  tn__dnnl.primitive_desc_destroy(forward);
  return pd;
}

/* Which question asks for the order of a side. */
static dnnl_query_t question(int result, int side) {
  if (side == LARGE) return result == LARGE ? dnnl_query_diff_src_md : dnnl_query_src_md;
  if (side == SMALL) return result == SMALL ? dnnl_query_dst_md : dnnl_query_diff_dst_md;
  return result == KERNEL ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
}

static bool new_reorder(dnnl_primitive_t *turn, const dnnl_memory_desc_t *from,
                        const dnnl_memory_desc_t *to) {
  dnnl_primitive_desc_t pd = NULL;
  if (tn__dnnl.reorder_primitive_desc_create(&pd, from, tn__dnnl.engine, to, tn__dnnl.engine,
                                             tn__dnnl.attr) != dnnl_success) {
    return false;
  }
  const bool ok = tn__dnnl.primitive_create(turn, pd) == dnnl_success;
  tn__dnnl.primitive_desc_destroy(pd);
  return ok;
}

static bool add_reorder(plan *p, int side, dnnl_primitive_desc_t pd) {
  const dnnl_memory_desc_t *own =
      tn__dnnl.primitive_desc_query_md(pd, question((int)p->key.result, side), 0);
  if (own == NULL || !describe(&p->key, side, true, &p->plain[side])) return false;
  p->own[side] = *own;
  p->bytes[side] = tn__dnnl.memory_desc_get_size(own);
  p->same[side] = tn__dnnl.memory_desc_equal(own, &p->plain[side]);
  if (p->same[side]) return true;
  const bool back = side == p->key.result;
  return back ? new_reorder(&p->turn[side], own, &p->plain[side])
              : new_reorder(&p->turn[side], &p->plain[side], own);
}

/* Is the plan's order of the kernel one that kernel_order.c knows? */
static void find_order(plan *p) {
  const key *k = &p->key;
  const dnnl_memory_desc_t *md = &p->own[KERNEL];
  const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
  const int64_t cells = tn__window_cells(k->kernel);
  const bool inner = b->inner_idxs[0] == 1 && b->inner_idxs[1] == 0;
  bool ok = md->format_kind == dnnl_blocked && md->data_type == dnnl_f32 && k->groups == 1 &&
            b->inner_nblks == 2 && b->inner_blks[0] == 16 && b->inner_blks[1] == 16 &&
            md->offset0 == 0 && md->dims[0] % 16 == 0 && md->dims[1] % 16 == 0 && cells < 1 << 20;
  ok = ok && (inner || (b->inner_idxs[0] == 0 && b->inner_idxs[1] == 1));
  int64_t step = 16 * 16;
  for (int d = md->ndims - 1; d >= 0 && ok; d--) {
    ok = b->strides[d] == step && md->padded_dims[d] == md->dims[d];
    step *= d == 1 ? md->dims[1] / 16 : md->dims[d];
  }
  p->ordered = ok && (inner || k->result != KERNEL);
  p->order = (tn_kernel_order){k->to, k->from, cells, inner};
}

static tn_dnnl_plan *new_plan(const void *wanted) {
  plan *p = calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  p->key = *(const key *)wanted;
  p->head.key = &p->key;
  const key *k = &p->key;
  const dnnl_data_type_t type = type_of(k->bf16, SMALL, (int)k->result);
  const dnnl_dims_t outputs = {k->groups * k->to};
  if (tn__dnnl.memory_desc_init_by_tag(&p->bias, 1, outputs, type, dnnl_a) != dnnl_success) {
    return &p->head;
  }
  dnnl_primitive_desc_t pd = new_descriptor(k, k->bias ? &p->bias : NULL);
  if (pd == NULL) return &p->head;
  const dnnl_memory_desc_t *scratch =
      tn__dnnl.primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  bool ok = scratch != NULL && tn__dnnl_is_fast(pd, type);
  for (int side = 0; side < SIDES && ok; side++) ok = add_reorder(p, side, pd);
  if (ok) {
    find_order(p);
    p->scratch = *scratch;
    p->scratch_bytes = tn__dnnl.memory_desc_get_size(scratch);
    p->head.usable = tn__dnnl.primitive_create(&p->conv, pd) == dnnl_success;
  }
  tn__dnnl.primitive_desc_destroy(pd);
  return &p->head;
}

static tn_dnnl_plans plans = {.key_bytes = sizeof(key), .make = new_plan, .destroy = destroy,
                              .lock = PTHREAD_MUTEX_INITIALIZER};

/* -- Work -------------------------------------------------------------------------------------- */

typedef struct {
  const tn_onednn_conv *c;
  plan *plan, *rest;   /* for `images` images, and for what is left of the batch */
  int64_t images, tasks;
  int64_t slices;      /* of outputs, one for each task, or 1: then each task has some images */
  const char *kernel;  /* in the order of `plan`, where it is read; of all slices */
  size_t kernel_bytes; /* of one */
  struct kept *kept;   /* where that is part of */
  float *parts;        /* kernels of the tasks but the first, where it is the result */
  int64_t elements[SIDES]; /* of one image, and of a kernel */
  size_t item;         /* of an image's element */
  atomic_bool failed;
} job;

/* A side from the plain order to the plan's own, or back if it is the result. */
static bool turn(dnnl_stream_t stream, const plan *p, int side, char *plain, char *own) {
  const bool back = side == p->key.result;
  if (side == KERNEL && back && p->ordered) {
    tn__kernel_from_blocks(&p->order, (const float *)own, (float *)plain);
    return true;
  }
  const tn_dnnl_operand a = {back ? DNNL_ARG_TO : DNNL_ARG_FROM, &p->plain[side], plain};
  const tn_dnnl_operand b = {back ? DNNL_ARG_FROM : DNNL_ARG_TO, &p->own[side], own};
  return tn__dnnl_execute(stream, p->turn[side], 2, (tn_dnnl_operand[]){a, b});
}

/* A side in the plan's own order: turned into `room` unless it is so already. */
static bool arrange(dnnl_stream_t stream, const plan *p, int side, void *plain, void *room,
                    void **own) {
  *own = p->same[side] ? plain : room;
  return p->same[side] || side == p->key.result || turn(stream, p, side, plain, room);
}

static size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Where the images, or the kernel, of a task are. */
static void *side_of(const job *j, int side, int64_t task) {
  const tn_onednn_conv *c = j->c;
  const int64_t first = j->slices > 1 ? 0 : task * j->images;
  if (side == KERNEL && j->slices > 1) return (float *)c->out + task * j->elements[KERNEL];
  if (side == KERNEL) {
    return task == 0 ? c->out : (void *)(j->parts + (task - 1) * j->elements[KERNEL]);
  }
  const void *base = side == c->result ? c->out
                     : side == LARGE || c->result == LARGE ? c->a : c->b;
  int64_t at = first * j->elements[side];
  if (side == SMALL && j->slices > 1) at = task * j->elements[SMALL];
  return (char *)base + at * (int64_t)j->item;
}

/* One task. `room` is for both sides of images, a kernel that is the result, and scratch. */
static bool run_images(const job *j, const plan *p, int64_t task, dnnl_stream_t stream,
                       char *room) {
  static const int arguments[SIDES][SIDES] = {
      {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS},
      {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS},
      {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS}};
  const int result = j->c->result;
  const int64_t slice = j->slices > 1 ? task : 0;
  void *plain[SIDES], *own[SIDES];
  tn_dnnl_operand operands[TN_DNNL_OPERANDS];
  bool ok = true;
  int n = 0;
  for (int side = 0; side < SIDES && ok; side++) {
    if (side == KERNEL && result != KERNEL) {
      own[KERNEL] = (void *)(j->kernel + slice * (int64_t)j->kernel_bytes);
    } else {
      plain[side] = side_of(j, side, task);
      ok = arrange(stream, p, side, plain[side], room, &own[side]);
      room += whole_lines(p->bytes[side]);
    }
    operands[n++] = (tn_dnnl_operand){arguments[result][side], &p->own[side], own[side]};
  }
  operands[n++] = (tn_dnnl_operand){DNNL_ARG_SCRATCHPAD, &p->scratch, room};
  if (p->key.bias) {
    const char *bias = (const char *)j->c->bias + slice * p->key.to * (int64_t)j->item;
    operands[n++] = (tn_dnnl_operand){DNNL_ARG_BIAS, &p->bias, (void *)bias};
  }
  ok = ok && tn__dnnl_execute(stream, p->conv, n, operands);
  return ok && (p->same[result] || turn(stream, p, result, plain[result], own[result]));
}

static size_t room_of(const plan *p) {
  size_t bytes = 0;
  for (int side = 0; side < SIDES; side++) {
    if (side != KERNEL || p->key.result == KERNEL) bytes += whole_lines(p->bytes[side]);
  }
  return bytes + whole_lines(p->scratch_bytes) + TN_DNNL_ALIGNMENT;
}

static bool new_stream(dnnl_stream_t *stream) {
  return tn__dnnl.stream_create(stream, tn__dnnl.engine, dnnl_stream_default_flags) ==
         dnnl_success;
}

static void run_tasks(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const int before = tn__onednn_alone();
  dnnl_stream_t stream = NULL;
  size_t bytes = room_of(j->plan);
  void *room = tn__alloc(j->c->memory, &bytes, TN_UNCOUNTED);
  bool ok = room != NULL && new_stream(&stream);
  for (int64_t task = begin; ok && task < end; task++) {
    const bool last = task == j->tasks - 1;
    ok = run_images(j, last && j->rest != NULL ? j->rest : j->plan, task, stream, room);
  }
  if (room != NULL) tn__free(j->c->memory, room, bytes, TN_UNCOUNTED);
  if (stream != NULL) tn__dnnl.stream_destroy(stream);
  tn__onednn_together(before);
  if (!ok) atomic_store(&j->failed, true);
}

/* [begin, end) counts slices, whose kernels are put in the plan's order. */
static void arrange_slices(void *arg, int64_t begin, int64_t end) {
  job *j = arg;
  const int before = tn__onednn_alone();
  const size_t plain = (size_t)j->elements[KERNEL] * j->item;
  dnnl_stream_t stream = NULL;
  bool ok = new_stream(&stream);
  for (int64_t k = begin; k < end && ok; k++) {
    ok = turn(stream, j->plan, KERNEL, (char *)j->c->b + k * (int64_t)plain,
              (char *)j->kernel + k * (int64_t)j->kernel_bytes);
  }
  if (stream != NULL) tn__dnnl.stream_destroy(stream);
  tn__onednn_together(before);
  if (!ok) atomic_store(&j->failed, true);
}

/* A kernel in another order, kept with its storage: of use to plans of the same order. */
typedef struct kept {
  tn_derived head;
  dnnl_memory_desc_t order;
  int64_t slices;
} kept;

enum { KEPT_HEAD = (sizeof(kept) + 63) / 64 * 64 };

/* True where such a kernel is there; else, where one can be kept, room for it is made. */
static bool find_kept(job *j) {
  const plan *p = j->plan;
  tn_storage *s = j->c->keep;
  kept *k = (kept *)tn__derived_take(s, &plans, j->c->b);
  if (k != NULL && k->slices == j->slices &&
      tn__dnnl.memory_desc_equal(&k->order, &p->own[KERNEL])) {
    j->kept = k;
    return true;
  }
  tn__derived_free((tn_derived *)k);
  j->kept = (kept *)tn__derived_new(s, &plans, j->c->b,
                                    KEPT_HEAD + (size_t)j->slices * j->kernel_bytes);
  if (j->kept == NULL) return false;
  j->kept->order = p->own[KERNEL];
  j->kept->slices = j->slices;
  return false;
}

/* The kernel in the plan's order, once for all tasks. */
static bool arrange_kernel(job *j, tn_pool *pool, void **room, size_t *bytes) {
  const plan *p = j->plan;
  j->kernel = (const char *)j->c->b;
  j->kernel_bytes = (size_t)j->elements[KERNEL] * j->item;
  if (p->same[KERNEL]) return true;
  j->kernel_bytes = whole_lines(p->bytes[KERNEL]);
  const bool found = j->c->keep != NULL && find_kept(j);
  if (j->kept != NULL) {
    j->kernel = (char *)j->kept + KEPT_HEAD;
    if (found) return true;
  } else {
    *bytes = (size_t)j->slices * j->kernel_bytes;
    *room = tn__alloc(j->c->memory, bytes, TN_UNCOUNTED);
    if (*room == NULL) return false;
    j->kernel = *room;
  }
  for (int64_t k = 0; k < j->slices && p->ordered; k++) {
    tn__kernel_to_blocks(pool, &p->order, (const float *)j->c->b + k * j->elements[KERNEL],
                         (float *)((char *)j->kernel + k * (int64_t)j->kernel_bytes));
  }
  if (!p->ordered) tn__pool_run(pool, j->slices, 1, arrange_slices, j);
  return !atomic_load(&j->failed);
}

/* Elements [begin, end) of the tasks' kernels, added to the first one's. */
static void add_range(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t count = j->elements[KERNEL];
  float *sum = j->c->out;
  const void *in[2];
  tn_kernel *add = TN_ISA_PICK(tn__pointwise)[TN_PW_add].run[TN_COMPUTE_F32];
  const double one[2] = {1, 0};
  for (int64_t p = 0; p + 1 < j->tasks; p++) {
    in[0] = sum + begin;
    in[1] = j->parts + p * count + begin;
    add(end - begin, sum + begin, in, 0, one);
  }
}

/* Images of a task: as many as fit the cache, but so few that no thread is left waiting long. */
static int64_t images_of(const job *j, int64_t threads) {
  const tn_onednn_conv *c = j->c;
  if (j->slices > 1) return c->batch;
  if (c->result == KERNEL) return (c->batch + threads - 1) / threads; /* each makes a kernel */
  const int64_t bytes = (j->elements[LARGE] + j->elements[SMALL]) * (int64_t)j->item;
  const int64_t tasks = threads > 1 ? threads * TASKS_PER_THREAD : 1;
  int64_t n = (c->batch + tasks - 1) / tasks;
  if (n * bytes > CACHED_BYTES) n = CACHED_BYTES / bytes;
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
  k.bf16 = c->bf16;
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

static double products_of(const tn_onednn_conv *c) {
  return (double)c->batch * (double)c->groups * (double)c->from * (double)c->to *
         (double)tn__window_cells(c->w.out) * (double)tn__window_cells(c->w.kernel);
}

bool tn__onednn_conv_pays(const tn_onednn_conv *c) {
  const bool separate = c->from == 1 && c->to == 1 && c->groups >= 8;
  static const int64_t least[SIDES] = {8, 1, 2};
  if (products_of(c) < (separate ? LEAST_PRODUCTS / 20 : LEAST_PRODUCTS)) return false;
  return separate || (c->from >= least[c->result] && c->to >= 8);
}

/* One image is cut by its outputs, in whole blocks, so that every thread has some; and a kernel that
 * is the result, where it is larger than the images: so it is not made several times and added. */
static int64_t slices_of(const tn_onednn_conv *c, int64_t threads) {
  const int64_t images = c->batch * c->from * tn__window_cells(c->w.in);
  const bool large = c->to * c->from * tn__window_cells(c->w.kernel) > 2 * images;
  const bool cut = c->result == KERNEL ? large : c->result == SMALL && c->batch == 1;
  int64_t n = cut && c->groups == 1 ? threads : 1;
  while (n > 1 && c->to % (16 * n) != 0) n--;
  return n;
}

/* The plans, for as many images as a task has, and for the last one. The kernel is put in order
 * once: both must agree on it, and on room. */
static bool take_plans(job *j, int64_t threads) {
  key k = key_of(j->c);
  k.all = k.to;
  k.to /= j->slices;
  j->images = k.images = images_of(j, threads);
  j->tasks = j->slices > 1 ? j->slices : (j->c->batch + j->images - 1) / j->images;
  j->plan = (plan *)tn__dnnl_take(&plans, &k);
  if (j->slices == 1) k.images = j->c->batch - (j->tasks - 1) * j->images;
  if (j->plan == NULL || k.images == j->images) return j->plan != NULL;
  j->rest = (plan *)tn__dnnl_take(&plans, &k);
  return j->rest != NULL && room_of(j->rest) <= room_of(j->plan) &&
         tn__dnnl.memory_desc_equal(&j->plan->own[KERNEL], &j->rest->own[KERNEL]);
}

bool tn__onednn_conv(tn_pool *pool, const tn_onednn_conv *c) {
  if (!tn__onednn_conv_pays(c) || tn__pool_inside() || !tn__dnnl_ready()) return false;
  const int64_t threads = tn__pool_threads(pool);
  job j = {.c = c, .slices = slices_of(c, threads), .item = c->bf16 ? 2 : 4, .failed = false};
  const int before = tn__onednn_alone();
  void *kernel = NULL;
  size_t kernel_bytes = 0, part_bytes = 0;
  j.elements[LARGE] = c->groups * c->from * tn__window_cells(c->w.in);
  j.elements[SMALL] = c->groups * (c->to / j.slices) * tn__window_cells(c->w.out);
  j.elements[KERNEL] = c->groups * (c->to / j.slices) * c->from * tn__window_cells(c->w.kernel);
  bool ok = take_plans(&j, threads);
  if (ok && c->result == KERNEL && j.tasks > 1 && j.slices == 1) {
    part_bytes = (size_t)((j.tasks - 1) * j.elements[KERNEL]) * sizeof(float);
    j.parts = tn__alloc(c->memory, &part_bytes, TN_UNCOUNTED);
    ok = j.parts != NULL;
  }
  if (ok && c->result != KERNEL) ok = arrange_kernel(&j, pool, &kernel, &kernel_bytes);
  tn__onednn_together(before);
  if (ok) {
    tn__pool_run(pool, j.tasks, 1, run_tasks, &j);
    ok = !atomic_load(&j.failed);
  }
  if (ok && j.parts != NULL) tn__pool_run(pool, j.elements[KERNEL], TN_GRAIN, add_range, &j);
  if (j.kept != NULL && ok) tn__derived_put(c->keep, &j.kept->head);
  else if (j.kept != NULL) tn__derived_free(&j.kept->head);
  if (kernel != NULL) tn__free(c->memory, kernel, kernel_bytes, TN_UNCOUNTED);
  if (j.parts != NULL) tn__free(c->memory, j.parts, part_bytes, TN_UNCOUNTED);
  tn__dnnl_give_back(&plans, (tn_dnnl_plan *)j.plan);
  tn__dnnl_give_back(&plans, (tn_dnnl_plan *)j.rest);
  return ok;
}

#endif
