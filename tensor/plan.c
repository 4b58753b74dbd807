/* plan.c -- plans from beginning to end: making them of what was noted, and running them. */
#include <stdlib.h>

#include "tensor/device.h"
#include "tensor/plan.h"

/* -- Beginning --------------------------------------------------------------------------------- */

static void stop_noting(tn_recorder *r) {
  tn_ctx *ctx = r->ctx;
  if (ctx == NULL) return;
  ctx->recording = NULL;
  ctx->grad_enabled = r->grad_was;
  ctx->autocast = r->autocast_was;
  r->ctx = NULL;
}

static void release_tensors(tn_tensor **list, int n) {
  for (int i = 0; list != NULL && i < n; i++) tn_tensor_release(list[i]);
  free(list);
}

static void free_recorder(tn_plan *p) {
  tn_recorder *r = p->recorder;
  if (r == NULL) return;
  stop_noting(r);
  release_tensors(r->examples, p->nin);
  tn__plan_free_recorder(r);
  p->recorder = NULL;
}

void tn_plan_release(tn_plan *p) {
  if (p == NULL) return;
  free_recorder(p);
  release_tensors(p->inputs, p->nin);
  release_tensors(p->outputs, p->nout);
  for (int i = 0; i < p->nheld; i++) tn_storage_release(p->held[i]);
  tn_storage_release(p->arena);
  if (p->memory != NULL) tn__allocator_stack(p->memory, NULL, 0);
  if (p->memory != NULL) tn__allocator_close(p->memory);
  tn_storage_release(p->stack);
  free(p->held);
  free(p->steps);
  free(p->tensors);
  free(p->pointers);
  free(p->scratch);
  free(p);
}

static tn_status no_memory(tn_ctx *ctx) {
  return tn_fail(ctx, TN_ENOMEM, "not enough memory for a plan");
}

static tn_status copy_example(tn_ctx *ctx, tn_tensor **out, const tn_tensor *t) {
  tn_status s = tn_tensor_new(ctx, out, (tn_dtype)t->dtype, t->ndim, t->sizes);
  return s == TN_OK ? tn__copy_view(ctx, *out, t) : s;
}

static tn_status begin(tn_ctx *ctx, tn_plan *p, tn_tensor *const *examples) {
  tn_status s = TN_OK;
  tn_recorder *r = p->recorder = calloc(1, sizeof *r);
  p->inputs = calloc((size_t)p->nin + 1, sizeof *p->inputs);
  p->memory = tn__allocator_new(tn__memory_limit(ctx->allocator),
                                tn__memory_budget(ctx->allocator));
  if (r != NULL) r->examples = calloc((size_t)p->nin + 1, sizeof *r->examples);
  if (r == NULL || p->inputs == NULL || p->memory == NULL || r->examples == NULL) {
    return no_memory(ctx);
  }
  r->serial = ++ctx->plans;
  for (int i = 0; i < p->nin && s == TN_OK; i++) {
    s = copy_example(ctx, &r->examples[i], examples[i]);
    if (s == TN_OK) s = copy_example(ctx, &p->inputs[i], examples[i]);
    if (s != TN_OK) break;
    const int value = tn__plan_add_value(r, p->inputs[i]->storage, TN_VALUE_MADE);
    if (value < 0) return no_memory(ctx);
    r->values[value].pinned = r->values[value].watched = true;
    r->values[value].bytes = p->inputs[i]->storage->bytes;
    p->inputs[i]->storage->traced = TN_TRACE_FRESH | TN_TRACE_SEEN;
    p->inputs[i]->storage->born = r->serial;
  }
  return s;
}

tn_status tn_plan_begin(tn_ctx *ctx, tn_plan **out, int nin, tn_tensor *const *examples) {
  *out = NULL;
  if (ctx->recording != NULL) {
    return tn_fail(ctx, TN_EARG, "a plan cannot be begun while another one is made");
  }
  for (int i = 0; i < nin; i++) {
    if (!tn__elsewhere(examples[i])) continue;
    return tn_fail(ctx, TN_EDEVICE, "input %d lies on a GPU: plans run on the CPU", i + 1);
  }
  tn_plan *p = calloc(1, sizeof *p);
  if (p == NULL) return no_memory(ctx);
  p->nin = nin;
  tn_status s = begin(ctx, p, examples);
  if (s != TN_OK) {
    tn_plan_release(p);
    return s;
  }
  tn_recorder *r = p->recorder;
  r->ctx = ctx;
  r->grad_was = ctx->grad_enabled;
  r->autocast_was = ctx->autocast;
  ctx->grad_enabled = false;
  ctx->recording = p;
  *out = p;
  return TN_OK;
}

bool tn_planning(const tn_ctx *ctx) { return ctx->recording != NULL; }
tn_tensor *tn_plan_input(const tn_plan *p, int i) { return p->inputs[i]; }
tn_tensor *tn_plan_output(const tn_plan *p, int i) { return p->outputs[i]; }

/* -- Making the steps -------------------------------------------------------------------------- */

static tn_status run_init(tn_step *step) {
  memcpy(tn__data(step->call.out[0]), step->init->data, step->init->bytes);
  return TN_OK;
}

/* What changes memory of others, a running mean, say so. */
static tn_status run_outside(tn_step *step) {
  tn_status s = step->call.op->run(&step->call);
  for (int i = 0; i < step->call.op->nout; i++) step->call.out[i]->storage->version++;
  return s;
}

/* Where a value lies in the finished plan. */
static tn_storage *storage_of(const tn_recorder *r, int value) {
  const tn_plan_value *v = &r->values[value];
  if (v->kind == TN_VALUE_OUTSIDE) return v->storage;
  while (v->root != (int)(v - r->values)) v = &r->values[v->root];
  return v->place;
}

static tn_status place_values(tn_ctx *ctx, tn_plan *p, tn_recorder *r) {
  size_t bytes;
  tn_status s = tn__plan_layout(ctx, r, &bytes);
  p->held = calloc(2 * (size_t)r->nvalues + 1, sizeof *p->held);
  if (s == TN_OK && p->held == NULL) s = no_memory(ctx);
  if (s == TN_OK) s = tn_storage_new(ctx, &p->arena, bytes);
  for (int i = 0; i < r->nvalues && s == TN_OK; i++) {
    tn_plan_value *v = &r->values[i];
    if (v->kind == TN_VALUE_OUTSIDE) {
      p->held[p->nheld++] = tn_storage_retain(v->storage);
      p->parameters += v->storage->bytes;
    } else if (v->root == i) {
      s = tn_storage_part(ctx, &v->place, p->arena, v->offset, v->used);
      if (s == TN_OK) p->held[p->nheld++] = tn_storage_retain(v->place);
    }
    if (v->init != NULL && s == TN_OK) p->held[p->nheld++] = tn_storage_retain(v->init);
  }
  return s;
}

static void fill_header(tn_tensor *t, const tn_tensor *seen, tn_storage *storage) {
  *t = *seen;
  atomic_init(&t->refs, 1);
  t->storage = storage;
}

static void make_init(tn_plan *p, tn_recorder *r, int value, tn_tensor **next) {
  tn_step *step = &p->steps[p->nsteps++];
  tn_tensor *t = (*next)++;
  const tn_tensor bytes = {.dtype = TN_U8, .ndim = 1, .sizes = {1}, .strides = {1}};
  fill_header(t, &bytes, storage_of(r, value));
  step->run = run_init;
  step->init = r->values[value].init;
  step->call.op = tn__ops[TN_OP_copy];
  step->call.out[0] = t;
}

static size_t make_step(tn_plan *p, tn_recorder *r, const tn_note *n, tn_tensor **next,
                        tn_tensor ***slot) {
  tn_step *step = &p->steps[p->nsteps++];
  tn_call *c = &step->call;
  bool outside = false;
  step->attrs = n->attrs;
  step->attrs.generator = NULL;
  c->op = tn__ops[n->code];
  c->code = n->code;
  c->nin = n->nin;
  c->attrs = &step->attrs;
  c->dim = n->dim;
  c->inplace = n->inplace;
  c->in = *slot;
  memcpy(c->meta, n->meta, sizeof c->meta);
  for (int i = 0; i < n->nin + n->nout; i++) {
    const tn_operand *o = &r->operands[n->operand + i];
    tn_tensor *t = NULL;
    if (o->value >= 0) {
      t = (*next)++;
      fill_header(t, &o->header, storage_of(r, o->value));
    }
    if (i < n->nin) *(*slot)++ = t;
    else c->out[i - n->nin] = t;
    if (i >= n->nin && r->values[o->value].kind == TN_VALUE_OUTSIDE) outside = true;
  }
  const size_t scratch = tn__plan_choose(step);
  if (outside) step->run = run_outside;
  return scratch;
}

static tn_status make_steps(tn_ctx *ctx, tn_plan *p, tn_recorder *r) {
  int inits = 0;
  size_t scratch = 0;
  for (int i = 0; i < r->nvalues; i++) inits += r->values[i].init != NULL;
  p->steps = calloc((size_t)(r->nnotes + inits) + 1, sizeof *p->steps);
  p->tensors = calloc((size_t)(r->noperands + inits) + 1, sizeof *p->tensors);
  p->pointers = calloc((size_t)r->noperands + 1, sizeof *p->pointers);
  if (p->steps == NULL || p->tensors == NULL || p->pointers == NULL) return no_memory(ctx);
  tn_tensor *next = p->tensors, **slot = p->pointers;
  for (int at = 0; at < r->nnotes; at++) {
    for (int i = 0; i < r->nvalues && inits > 0; i++) {
      if (r->values[i].init == NULL || r->values[i].first != at) continue;
      make_init(p, r, i, &next);
      inits--;
    }
    const size_t wants = make_step(p, r, &r->notes[at], &next, &slot);
    if (wants > scratch) scratch = wants;
  }
  if (scratch > 0 && posix_memalign(&p->scratch, 64, scratch) != 0) {
    p->scratch = NULL;
    return no_memory(ctx);
  }
  for (int i = 0; i < p->nsteps; i++) p->steps[i].scratch = p->scratch;
  return TN_OK;
}

/* An output that lies outside, a parameter perhaps, is copied; others stay what they are until the
 * end. */
static tn_status note_output(tn_ctx *ctx, tn_recorder *r, tn_tensor *t, tn_operand *out) {
  int value = tn__plan_value_of(r, t->storage);
  memset(out, 0, sizeof *out);
  fill_header(&out->header, t, NULL);
  out->header.node = NULL;
  out->header.grad = out->header.base = NULL;
  out->header.requires_grad = false;
  if (value < 0 || r->values[value].kind == TN_VALUE_OUTSIDE) {
    tn_storage *s = NULL;
    const size_t bytes = (size_t)tn__numel(t) * tn__item_size(t->dtype);
    if (value < 0) value = tn__plan_add_value(r, t->storage, TN_VALUE_OUTSIDE);
    tn_status status = tn_storage_new(ctx, &s, bytes);
    if (status != TN_OK) return status;
    const int copy = tn__plan_add_value(r, s, TN_VALUE_MADE);
    tn_storage_release(s);
    if (value < 0 || copy < 0) return no_memory(ctx);
    r->values[copy].bytes = bytes;
    out->header.offset = 0;
    tn__contiguous_strides(t->ndim, t->sizes, out->header.strides);
    status = tn__plan_note_copy(r, TN_OP_clone, &out->header, copy, t, value);
    if (status != TN_OK) return no_memory(ctx);
    value = copy;
  }
  r->values[value].pinned = true;
  r->values[value].last = INT32_MAX;
  out->value = value;
  return TN_OK;
}

static tn_status check_noted(tn_ctx *ctx, tn_recorder *r, int nout, tn_tensor *const *outputs) {
  for (int i = 0; i < r->nvalues; i++) {
    if (r->values[i].watched && (r->values[i].storage->traced & TN_TRACE_TOUCHED)) {
      return tn_fail(ctx, TN_EARG, "the program looked at values that depend on the input, or set "
                     "some (item(), x[i], data(), apply(), or an operation whose result has as "
                     "many elements as values say): what it made of them would never change");
    }
  }
  for (int i = 0; i < nout; i++) {
    if (tn__elsewhere(outputs[i])) {
      return tn_fail(ctx, TN_EDEVICE, "output %d lies on a GPU: plans run on the CPU", i + 1);
    }
  }
  return r->why[0] != 0 ? tn_fail(ctx, TN_EARG, "%s", r->why) : TN_OK;
}

/* Tensors of the plan's for its inputs and outputs. */
static tn_status make_ends(tn_ctx *ctx, tn_plan *p, tn_recorder *r, int nout,
                           const tn_operand *outputs) {
  tn_status s = TN_OK;
  p->outputs = calloc((size_t)nout + 1, sizeof *p->outputs);
  if (p->outputs == NULL) return no_memory(ctx);
  for (p->nout = 0; p->nout < nout && s == TN_OK; p->nout += s == TN_OK) {
    const tn_tensor *t = &outputs[p->nout].header;
    s = tn_tensor_view(ctx, &p->outputs[p->nout], storage_of(r, outputs[p->nout].value),
                       (tn_dtype)t->dtype, t->ndim, t->sizes, t->strides, t->offset);
  }
  for (int i = 0; i < p->nin && s == TN_OK; i++) {
    tn_tensor *noted = p->inputs[i];
    s = tn_tensor_view(ctx, &p->inputs[i], storage_of(r, i), (tn_dtype)noted->dtype, noted->ndim,
                       noted->sizes, NULL, 0);
    if (s == TN_OK) tn_tensor_release(noted);
    else p->inputs[i] = noted;
  }
  return s;
}

/* -- The memory of kernels --------------------------------------------------------------------- */

static bool is_short(const tn_plan *p, int threads) {
  const size_t have = p->stack != NULL ? p->stack->bytes : 0;
  return tn__allocator_most(p->memory, threads) > have;
}

/* As much as was wanted; what cannot be had comes from the system, as before. */
static void lengthen(tn_ctx *ctx, tn_plan *p) {
  const int threads = tn__pool_threads(ctx->pool);
  tn_storage *old = p->stack;
  if (!is_short(p, threads)) return;
  p->stack = NULL;
  const size_t bytes = tn__allocator_most(p->memory, threads);
  if (tn_storage_new(ctx, &p->stack, bytes) != TN_OK) p->stack = NULL;
  tn__allocator_stack(p->memory, p->stack != NULL ? p->stack->data : NULL,
                      p->stack != NULL ? bytes : 0);
  tn_storage_release(old);
  tn__memory_trim(p->memory);
}

/* -- Running ----------------------------------------------------------------------------------- */

static tn_status run_steps(tn_ctx *ctx, tn_plan *p) {
  tn_status s = TN_OK;
  tn_allocator *allocator = ctx->allocator;
  const tn_op *op = ctx->op;
  const bool grad = ctx->grad_enabled;
  const uint8_t autocast = ctx->autocast;
  const int16_t device = ctx->device;
  ctx->allocator = p->memory;
  ctx->grad_enabled = false;
  ctx->autocast = TN_AUTOCAST_OFF;
  ctx->device = TN_CPU;
  for (int i = 0; i < p->nsteps && s == TN_OK; i++) {
    tn_step *step = &p->steps[i];
    step->call.ctx = ctx;
    ctx->op = step->call.op;
    s = step->run(step);
  }
  ctx->allocator = allocator;
  ctx->op = op;
  ctx->grad_enabled = grad;
  ctx->autocast = autocast;
  ctx->device = device;
  for (int i = 0; i < p->nout; i++) {
    if (p->outputs[i]->storage != NULL) p->outputs[i]->storage->version++;
  }
  lengthen(ctx, p);
  return s;
}

static bool fits(const tn_tensor *want, const tn_tensor *t) {
  return t->dtype == want->dtype && tn__same_shape(t, want);
}

bool tn_plan_fits(const tn_plan *p, int nin, tn_tensor *const *in) {
  for (int i = 0; i < nin && nin == p->nin; i++) {
    if (!fits(p->inputs[i], in[i])) return false;
  }
  return nin == p->nin;
}

static tn_status misfit(tn_ctx *ctx, const tn_plan *p, int nin, tn_tensor *const *in) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (nin != p->nin) return tn_fail(ctx, TN_EARG, "%d inputs expected, got %d", p->nin, nin);
  for (int i = 0; i < nin; i++) {
    const tn_tensor *want = p->inputs[i], *t = in[i];
    if (fits(want, t)) continue;
    return tn_fail(ctx, TN_ESHAPE, "it was planned for a %s tensor of size %s, got %s of size %s",
                   tn_dtype_name((tn_dtype)want->dtype),
                   tn__shape_text(a, want->ndim, want->sizes), tn_dtype_name((tn_dtype)t->dtype),
                   tn__shape_text(b, t->ndim, t->sizes));
  }
  return TN_OK;
}

static tn_status give(tn_ctx *ctx, const tn_tensor *to, const tn_tensor *from) {
  if (from->storage == to->storage && tn__same_view(from, to)) return TN_OK;
  to->storage->version++;
  const bool plain = tn__contiguous(from) && tn__contiguous(to);
  if (tn__elsewhere(from) || !plain) return tn__copy_view(ctx, to, from);
  memmove(tn__data(to), tn__data(from), (size_t)tn__numel(to) * tn__item_size(to->dtype));
  return TN_OK;
}

tn_status tn_plan_run(tn_ctx *ctx, tn_plan *p, int nin, tn_tensor *const *in) {
  tn_status s = TN_OK;
  if (!p->ready) return tn_fail(ctx, TN_EARG, "the plan was not finished");
  if (ctx->recording != NULL) {
    return tn_fail(ctx, TN_EARG, "a plan cannot be run while another one is made");
  }
  if (nin > 0 && !tn_plan_fits(p, nin, in)) return misfit(ctx, p, nin, in);
  for (int i = 0; i < nin && s == TN_OK; i++) s = give(ctx, p->inputs[i], in[i]);
  return s == TN_OK ? run_steps(ctx, p) : s;
}

/* -- End --------------------------------------------------------------------------------------- */

/* Runs it until kernels find all the memory that they want; what they keep, such as weights in an
 * order of their own, is made by then, too. */
static tn_status warm_up(tn_ctx *ctx, tn_plan *p, tn_tensor *const *examples) {
  enum { TIMES = 4 };
  const tn_generator generator = ctx->generator;
  tn_status s = TN_OK;
  tn__allocator_stack(p->memory, NULL, 0);
  for (int i = 0; i < TIMES && s == TN_OK; i++) {
    const size_t had = p->stack != NULL ? p->stack->bytes : 0;
    s = tn_plan_run(ctx, p, p->nin, examples);
    ctx->generator = generator;
    if ((p->stack != NULL ? p->stack->bytes : 0) == had && i > 0) break;
  }
  tn__pool_even_scratch(ctx->pool);
  return s;
}

static tn_status finish(tn_ctx *ctx, tn_plan *p, int nout, tn_tensor *const *outputs) {
  tn_recorder *r = p->recorder;
  tn_operand *ends = calloc((size_t)nout + 1, sizeof *ends);
  tn_status s = ends == NULL ? no_memory(ctx) : check_noted(ctx, r, nout, outputs);
  for (int i = 0; i < p->nin; i++) r->values[i].last = INT32_MAX;
  for (int i = 0; i < nout && s == TN_OK; i++) s = note_output(ctx, r, outputs[i], &ends[i]);
  if (s == TN_OK) s = place_values(ctx, p, r);
  if (s == TN_OK) s = make_steps(ctx, p, r);
  if (s == TN_OK) s = make_ends(ctx, p, r, nout, ends);
  free(ends);
  p->ready = s == TN_OK;
  if (s == TN_OK && !r->writes_outside) s = warm_up(ctx, p, r->examples);
  else tn__allocator_stack(p->memory, NULL, 0);
  return s;
}

tn_status tn_plan_end(tn_ctx *ctx, tn_plan *p, int nout, tn_tensor *const *outputs) {
  if (p->recorder == NULL || ctx->recording != p) {
    return tn_fail(ctx, TN_EARG, "the plan is not being made");
  }
  stop_noting(p->recorder);
  tn_status s = finish(ctx, p, nout, outputs);
  free_recorder(p);
  return s;
}

tn_plan_info tn_plan_describe(const tn_plan *p) {
  tn_plan_info info = {.inputs = p->nin, .outputs = p->nout, .operations = p->nsteps,
                       .arena_bytes = p->arena != NULL ? p->arena->bytes : 0,
                       .workspace_bytes = p->stack != NULL ? p->stack->bytes : 0,
                       .parameter_bytes = p->parameters};
  return info;
}
