/* plan_record.c -- notes the operations of a calculation, for a plan.
 *
 * What is noted is the way of values through storages: tensors are views that come and go, but each
 * storage keeps one number for as long as the plan is made. A storage that an operation reads, and
 * that none has written, is a parameter or a constant. What the program itself does with values in
 * between cannot be repeated, so storages tell when it looks at them (tn__touch). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tensor/device.h"
#include "tensor/plan.h"

/* The first reason counts; what is calculated meanwhile goes on. */
static void refuse(tn_recorder *r, const char *format, ...) TN_PRINTF(2, 3);
static void refuse(tn_recorder *r, const char *format, ...) {
  va_list args;
  if (r->why[0] != 0) return;
  va_start(args, format);
  vsnprintf(r->why, sizeof r->why, format, args);
  va_end(args);
}

/* Room for one more element; false, and a refusal, without memory. */
static bool grow(tn_recorder *r, void **list, int count, int *room, size_t size) {
  if (count < *room) return true;
  const int more = *room == 0 ? 64 : 2 * *room;
  void *new = more < 1 << 28 ? realloc(*list, (size_t)more * size) : NULL;
  if (new == NULL) {
    refuse(r, "not enough memory to note so many operations");
    return false;
  }
  *list = new;
  *room = more;
  return true;
}

/* -- Values by their storages ------------------------------------------------------------------ */

static int slot_of(const tn_recorder *r, const tn_storage *s) {
  const uint64_t mixed = (uint64_t)(uintptr_t)s / 64 * UINT64_C(0x9e3779b97f4a7c15);
  int at = (int)(mixed >> 33) & (r->nslots - 1);
  while (r->slots[at] != 0 && r->values[r->slots[at] - 1].storage != s) {
    at = (at + 1) & (r->nslots - 1);
  }
  return at;
}

int tn__plan_value_of(tn_recorder *r, tn_storage *s) {
  return r->nslots == 0 ? -1 : r->slots[slot_of(r, s)] - 1;
}

static bool more_slots(tn_recorder *r) {
  const int count = r->nslots == 0 ? 256 : 2 * r->nslots;
  int32_t *slots = calloc((size_t)count, sizeof *slots);
  if (slots == NULL) {
    refuse(r, "not enough memory to note so many values");
    return false;
  }
  free(r->slots);
  r->slots = slots;
  r->nslots = count;
  for (int i = 0; i < r->nvalues; i++) slots[slot_of(r, r->values[i].storage)] = i + 1;
  return true;
}

int tn__plan_add_value(tn_recorder *r, tn_storage *s, tn_value_kind kind) {
  if (2 * (r->nvalues + 1) > r->nslots && !more_slots(r)) return -1;
  if (!grow(r, (void **)&r->values, r->nvalues, &r->room_values, sizeof *r->values)) return -1;
  const int i = r->nvalues;
  r->slots[slot_of(r, s)] = i + 1;
  r->values[r->nvalues++] = (tn_plan_value){.storage = tn_storage_retain(s), .kind = kind,
                                            .first = r->nnotes, .last = r->nnotes, .root = i};
  return i;
}

static bool is_fresh(const tn_recorder *r, const tn_storage *s) {
  return (s->traced & TN_TRACE_FRESH) && s->born == r->serial;
}

static void watch(tn_plan_value *v) {
  v->watched = true;
  v->storage->traced |= TN_TRACE_SEEN;
}

static void use(tn_recorder *r, int value) {
  tn_plan_value *v = &r->values[value];
  v->last = r->nnotes;
  if (v->storage->bytes > v->bytes) v->bytes = v->storage->bytes;
}

static int note_read(tn_recorder *r, tn_storage *s) {
  int value = tn__plan_value_of(r, s);
  if (value < 0) {
    value = tn__plan_add_value(r, s, TN_VALUE_OUTSIDE);
    if (value >= 0 && is_fresh(r, s)) watch(&r->values[value]);
  }
  if (value >= 0) use(r, value);
  return value;
}

/* The values as they are now are what each run begins with. */
static void keep_values(tn_recorder *r, tn_plan_value *v) {
  tn_ctx *ctx = r->ctx;
  tn_plan *recording = ctx->recording;
  ctx->recording = NULL;
  v->kind = TN_VALUE_MADE;
  if (tn_storage_new(ctx, &v->init, v->storage->bytes) == TN_OK) {
    memcpy(v->init->data, v->storage->data, v->storage->bytes);
  } else {
    refuse(r, "%s", tn_message(ctx));
  }
  ctx->recording = recording;
}

/* `whole`: the storage's old values do not count. What was there before the plan and is changed in
 * part, such as a running mean, goes on being changed. */
static int note_write(tn_recorder *r, tn_storage *s, bool whole) {
  int value = tn__plan_value_of(r, s);
  const bool known = value >= 0, fresh = is_fresh(r, s);
  if (!known) value = tn__plan_add_value(r, s, whole ? TN_VALUE_MADE : TN_VALUE_OUTSIDE);
  if (value < 0) return value;
  tn_plan_value *v = &r->values[value];
  if (v->kind == TN_VALUE_OUTSIDE && fresh) keep_values(r, v);
  else if (v->kind == TN_VALUE_OUTSIDE) r->writes_outside = true;
  watch(v);
  use(r, value);
  return value;
}

/* -- Calls ------------------------------------------------------------------------------------- */

static void add_operand(tn_recorder *r, int value, const tn_tensor *t) {
  if (!grow(r, (void **)&r->operands, r->noperands, &r->room_operands, sizeof *r->operands)) {
    return;
  }
  tn_operand *o = &r->operands[r->noperands++];
  memset(o, 0, sizeof *o);
  o->value = t != NULL ? value : -1;
  if (t == NULL) return;
  o->header.dtype = t->dtype;
  o->header.ndim = t->ndim;
  o->header.number = t->number;
  o->header.offset = t->offset;
  memcpy(o->header.sizes, t->sizes, sizeof t->sizes);
  memcpy(o->header.strides, t->strides, sizeof t->strides);
}

/* Does a call that changes its first input leave nothing of the old values? */
static bool overwrites(const tn_call *call) {
  const tn_opcode c = call->code;
  return c == TN_OP_copy || c == TN_OP_fill || c == TN_OP_zero ||
         ((call->op->flags & TN_OVERWRITES) && c != TN_OP_adam_step && c != TN_OP_sgd_step);
}

/* Is out[i] written as a whole, with all of its storage, and not read before? */
static bool writes_whole(const tn_call *call, int i) {
  const tn_tensor *t = call->out[i];
  if (!tn__contiguous(t) || t->offset != 0 ||
      (size_t)tn__numel(t) * tn__item_size(t->dtype) < t->storage->bytes) {
    return false;
  }
  for (int k = 0; k < call->nin; k++) {
    if (call->in[k] == NULL || call->in[k]->storage != t->storage) continue;
    if (!(k == 0 && call->inplace && overwrites(call))) return false;
  }
  return true;
}

static void add_note(tn_recorder *r, const tn_call *call) {
  if (!grow(r, (void **)&r->notes, r->nnotes, &r->room_notes, sizeof *r->notes)) return;
  tn_note *n = &r->notes[r->nnotes];
  *n = (tn_note){.code = call->code, .nin = call->nin, .nout = call->op->nout,
                 .operand = r->noperands, .dim = call->dim, .inplace = call->inplace,
                 .attrs = *call->attrs};
  memcpy(n->meta, call->meta, sizeof n->meta);
  int out[TN_MAX_OUTPUTS];
  for (int i = 0; i < n->nout; i++) { /* first, so that an old value is not taken for a constant */
    out[i] = writes_whole(call, i) ? note_write(r, call->out[i]->storage, true) : -1;
  }
  for (int k = 0; k < call->nin; k++) {
    const tn_tensor *t = call->in[k];
    add_operand(r, t != NULL ? note_read(r, t->storage) : -1, t);
  }
  for (int i = 0; i < n->nout; i++) {
    if (out[i] < 0) out[i] = note_write(r, call->out[i]->storage, false);
    add_operand(r, out[i], call->out[i]);
  }
  r->nnotes++;
}

/* Kernels may look at what they work on. */
static void look_away(tn_recorder *r, const tn_note *n, bool away) {
  for (int i = 0; i < n->nin + n->nout; i++) {
    const int value = r->operands[n->operand + i].value;
    if (value < 0 || !r->values[value].watched) continue;
    if (away) r->values[value].storage->traced &= (uint8_t)~TN_TRACE_SEEN;
    else r->values[value].storage->traced |= TN_TRACE_SEEN;
  }
}

static void check_call(tn_recorder *r, const tn_call *call) {
  if (call->ctx->device != TN_CPU) {
    refuse(r, "%s ran on a GPU: plans run on the CPU", call->op->name);
  }
  if (call->attrs->generator != NULL && call->attrs->generator != &call->ctx->generator) {
    refuse(r, "%s draws from a generator of its own", call->op->name);
  }
}

tn_status tn__plan_kernel(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  tn_plan *plan = ctx->recording;
  tn_recorder *r = plan->recorder;
  tn_tensor *prepared[TN_MAX_OUTPUTS];
  const int notes = r->nnotes, operands = r->noperands;
  memcpy(prepared, call->out, sizeof prepared);
  check_call(r, call);
  if (r->why[0] == 0) add_note(r, call);
  const bool noted = r->why[0] == 0;
  if (noted) look_away(r, &r->notes[notes], true);
  ctx->recording = NULL; /* what a kernel calls is a part of it */
  tn_status s = !TN_DEVICES || ctx->device == TN_CPU ? call->op->run(call) : tn__device_run(call);
  ctx->recording = plan;
  if (noted) look_away(r, &r->notes[notes], false);
  if (s != TN_OK) { /* the program may know how to go on */
    r->nnotes = notes;
    r->noperands = operands;
  } else if (memcmp(prepared, call->out, sizeof prepared) != 0) {
    refuse(r, "%s: its result depends on values", call->op->name);
  }
  return s;
}

tn_status tn__plan_note_copy(tn_recorder *r, tn_opcode code, const tn_tensor *out, int out_value,
                             const tn_tensor *in, int in_value) {
  if (!grow(r, (void **)&r->notes, r->nnotes, &r->room_notes, sizeof *r->notes)) {
    return TN_ENOMEM;
  }
  const bool inplace = code == TN_OP_copy;
  tn_note *n = &r->notes[r->nnotes];
  *n = (tn_note){.code = code, .nin = 1 + inplace, .nout = 1, .operand = r->noperands,
                 .inplace = inplace};
  tn__meta_of(&n->meta[0], out);
  if (inplace) add_operand(r, out_value, out);
  add_operand(r, in_value, in);
  add_operand(r, out_value, out);
  r->nnotes++;
  return TN_OK;
}

tn_status tn__plan_deliver(tn_ctx *ctx, tn_tensor *to, tn_tensor *from) {
  tn_recorder *r = ctx->recording->recorder;
  tn_tensor *in[2] = {to, from};
  if (r->why[0] != 0) return TN_OK;
  const tn_call call = {.ctx = ctx, .op = &tn__op_copy, .code = TN_OP_copy, .nin = 2, .in = in,
                        .inplace = true, .out = {to}};
  const int source = note_read(r, from->storage);
  const int target = note_write(r, to->storage, writes_whole(&call, 0));
  tn__plan_note_copy(r, TN_OP_copy, to, target, from, source);
  return TN_OK;
}

/* -- Beginning and end ------------------------------------------------------------------------- */

void tn__plan_free_recorder(tn_recorder *r) {
  if (r == NULL) return;
  for (int i = 0; i < r->nvalues; i++) {
    tn_plan_value *v = &r->values[i];
    if (v->watched) v->storage->traced = 0;
    tn_storage_release(v->storage);
    tn_storage_release(v->init);
    tn_storage_release(v->place);
  }
  free(r->values);
  free(r->notes);
  free(r->operands);
  free(r->slots);
  free(r);
}
