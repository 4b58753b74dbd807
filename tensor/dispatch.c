/* dispatch.c -- the one way of every operation: shape rule, kernel, tape. */
#include "tensor/autocast.h"
#include "tensor/device.h"

static const tn_attrs no_attrs;

const tn_op *const tn__ops[TN_OP_COUNT] = {
#define TN_OP(name) [TN_OP_##name] = &tn__op_##name,
#include "tensor/ops.def"
#undef TN_OP
};

const tn_op *tn_op_get(tn_opcode code) { return tn__ops[code]; }

tn_op_info tn_op_describe(tn_opcode code) {
  const tn_op *op = tn__ops[code];
  tn_op_info info = {
      .name = op->name, .lua = op->lua, .aliases = op->aliases, .args = op->args,
      .forms = op->forms, .convention = op->convention, .number = op->flags & TN_NUMBER,
      .number_inputs = op->flags & TN_NUMBER_INPUTS, .outputs = op->nout, .onnx = op->onnx,
      .no_grad = op->no_grad, .doc = op->doc, .low = op->low, .high = op->high,
      .integers = op->flags & TN_INTEGERS, .floats = op->flags & TN_FLOATS,
      .pointwise = op->pointwise != NULL, .hides = op->flags & TN_HIDES,
      .truth = op->flags & TN_TRUTH, .once = op->flags & TN_ONCE};
  return info;
}

static bool has_shape(const tn_tensor *t, const tn_meta *meta) {
  return t->ndim == meta->ndim &&
         memcmp(t->sizes, meta->sizes, sizeof(int64_t) * meta->ndim) == 0;
}

/* May the kernel write straight into `out`, which the caller gave? A pointwise loop may if every
 * input that shares its memory is the very same view; so may the rows that work in place, for their
 * first input. Other kernels expect memory of its own, one element after another. */
static bool writable(const tn_call *call, const tn_tensor *out, const tn_meta *meta) {
  const bool pointwise = call->op->pointwise != NULL, works = call->op->flags & TN_INPLACE;
  const bool grows = !has_shape(out, meta); /* and could then reach into an input beside it */
  if (!pointwise && (out->dtype != meta->dtype || (!works && !tn__contiguous(out)))) return false;
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (t == NULL || !(grows ? t->storage == out->storage : tn__overlaps(t, out))) continue;
    bool may = pointwise || (works && i == 0);
    if (!may || !tn__same_view(t, out) || !has_shape(t, meta)) return false;
  }
  return true;
}

static tn_status refuse(tn_ctx *ctx, const tn_meta *m, const tn_tensor *given) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  return tn_fail(ctx, TN_ESHAPE, "a result of size %s does not fit into the tensor of size %s",
                 tn__shape_text(a, m->ndim, m->sizes),
                 tn__shape_text(b, given->ndim, given->sizes));
}

static bool keeps_order(const tn_call *call) {
  return TN_DEVICES && call->ctx->device != TN_CPU && call->ctx->recording == NULL &&
         (call->op->pointwise != NULL || call->op->flags & TN_KEEPS_ORDER);
}

/* Puts a tensor for the kernel to write into call->out[i]; `given` is the caller's or NULL. */
static tn_status prepare(tn_call *call, int i, tn_tensor *given) {
  tn_ctx *ctx = call->ctx;
  const tn_meta *m = &call->meta[i];
  if (given == NULL || !writable(call, given, m)) {
    if (given != NULL && call->inplace && i == 0 && !has_shape(given, m)) {
      return refuse(ctx, m, given);
    }
    tn_status s = tn_tensor_new(ctx, &call->out[i], (tn_dtype)m->dtype, m->ndim, m->sizes);
    if (s == TN_OK && keeps_order(call)) tn__device_order(call->out[i], call->nin, call->in);
    return s;
  }
  if (!has_shape(given, m)) {
    if (call->inplace) return refuse(ctx, m, given);
    tn_status s = tn_tensor_resize(ctx, given, m->ndim, m->sizes, NULL);
    if (s != TN_OK) return s;
  }
  call->out[i] = tn_tensor_retain(given);
  return TN_OK;
}

static void wrote(tn_storage *storage, const tn_op *op) {
  storage->version++;
  storage->writer = op->name;
}

/* Moves a result that could not be written in place to where the caller wants it. */
static tn_status deliver(tn_call *call, int i, tn_tensor *given) {
  tn_tensor *made = call->out[i];
  tn_status s = TN_OK;
  if (made == given) return TN_OK;
  if (!tn__same_shape(made, given)) {
    s = tn_tensor_resize(call->ctx, given, made->ndim, made->sizes, NULL);
  }
  if (s == TN_OK && call->ctx->recording != NULL) s = tn__plan_deliver(call->ctx, given, made);
  if (s == TN_OK) s = tn__copy_view(call->ctx, given, made);
  call->out[i] = tn_tensor_retain(given);
  tn_tensor_release(made);
  return s;
}

/* Moves a result that was composed to where the caller wants it, recorded like any other copy. */
static tn_status deliver_composed(tn_call *call, int i, tn_tensor *given) {
  tn_tensor *made = call->out[i];
  tn_status s = TN_OK;
  if (made == given) return TN_OK;
  if (!tn__same_shape(made, given)) {
    tn_meta m;
    tn__meta_of(&m, made);
    s = call->inplace ? refuse(call->ctx, &m, given)
                      : tn_tensor_resize(call->ctx, given, m.ndim, m.sizes, NULL);
  }
  if (s == TN_OK) s = tn_copy(call->ctx, given, made);
  call->out[i] = tn_tensor_retain(given);
  tn_tensor_release(made);
  return s;
}

static tn_status compose(tn_call *call, tn_tensor *const *given) {
  tn_status s = call->op->compose(call);
  for (int i = 0; i < call->op->nout && s == TN_OK; i++) {
    if (given[i] != NULL) s = deliver_composed(call, i, given[i]);
  }
  return s;
}

/* Runs the call; given[i] NULL or the caller's. On success call->out[] holds references. */
static tn_status run(tn_call *call, tn_tensor *const *given) {
  tn_status s;
  if (call->op->compose != NULL) return compose(call, given);
  if (call->op->view != NULL) {
    s = call->op->view(call);
    if (s != TN_OK || given[0] == NULL) return s;
    tn_tensor *view = call->out[0]; /* res:narrow(x, ...) makes res the view */
    s = tn_tensor_set(call->ctx, given[0], view);
    call->out[0] = tn_tensor_retain(given[0]);
    tn_tensor_release(view);
    return s;
  }
  s = call->op->shape(call);
  for (int i = 0; i < call->op->nout && s == TN_OK; i++) s = prepare(call, i, given[i]);
  if (s == TN_OK && call->ctx->recording != NULL) s = tn__plan_kernel(call);
  else if (s == TN_OK && (!TN_DEVICES || call->ctx->device == TN_CPU)) s = call->op->run(call);
  else if (s == TN_OK) s = tn__device_run(call);
  for (int i = 0; i < call->op->nout && s == TN_OK; i++) {
    if (given[i] == NULL) continue;
    s = deliver(call, i, given[i]);
    if (s == TN_OK) wrote(call->out[i]->storage, call->op);
  }
  return s;
}

/* Does a device take part in the call, or in what surrounds it? */
static bool leaves_cpu(const tn_call *call, tn_tensor *const *given) {
  int devices = call->ctx->device;
  for (int i = 0; i < call->nin; i++) {
    if (call->in[i] != NULL) devices |= call->in[i]->storage->device;
  }
  for (int i = 0; i < call->op->nout; i++) {
    if (given[i] != NULL) devices |= given[i]->storage->device;
  }
  return devices != TN_CPU;
}

/* New storages of the call, temporary ones too, go where it runs. */
static tn_status run_placed(tn_call *call, tn_tensor *const *given) {
  const int16_t was = call->ctx->device;
  int16_t device;
  tn_status s = tn__device_place(call, given, &device);
  if (s != TN_OK) return s;
  call->ctx->device = device;
  s = device == TN_CPU || tn__device_serves(call) ? run(call, given) : TN_DECLINED;
  if (s == TN_DECLINED) s = tn__device_detour(call, given);
  call->ctx->device = was;
  return s;
}

static bool any_tracked(const tn_call *call) {
  const int n = call->op->flags & TN_LIKE && call->nin > 1 ? 1 : call->nin;
  for (int i = 0; i < n; i++) {
    if (tn__tracked(call->in[i])) return true;
  }
  return false;
}

static tn_status dispatch(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in,
                          const tn_attrs *attrs, tn_tensor **out, bool inplace) {
  const tn_op *outer = ctx->op;
  tn_call call;
  call.ctx = ctx;
  call.op = tn__ops[code];
  /* messages name what the script called, not what that is made of */
  ctx->op = outer != NULL && outer->compose != NULL ? outer : call.op;
  call.code = code;
  call.nin = nin;
  call.in = in;
  call.attrs = attrs != NULL ? attrs : &no_attrs;
  call.inplace = inplace;
  if (ctx->autocast != TN_AUTOCAST_OFF && tn__autocasts(&call, out)) {
    ctx->op = outer;
    return tn__autocast(&call, out);
  }
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) call.out[i] = NULL;
  /* of these nothing remains but elements that were not written */
  const bool may_stop =
      call.op->pointwise != NULL || call.op->flags & (TN_OVERWRITES | TN_MOVES);
  const bool could_stop = tn__pool_stoppable(ctx->pool, may_stop);
  tn_status s = TN_DEVICES && leaves_cpu(&call, out) ? run_placed(&call, out) : run(&call, out);
  tn__pool_stoppable(ctx->pool, could_stop);
  if (tn__pool_stopped(ctx->pool) && s == TN_OK) s = tn_fail(ctx, TN_EINTERRUPT, "interrupted");
  if (s == TN_OK && ctx->grad_enabled && call.op->grad != NULL && any_tracked(&call)) {
    s = tn__record(&call, out[0] != NULL);
  }
  if (s == TN_OK && ctx->grad_enabled && call.op->view != NULL) {
    tn__remember_base(call.out[0], in[0]);
  }
  for (int i = 0; i < call.op->nout; i++) {
    if (s == TN_OK && out[i] == NULL) out[i] = call.out[i];
    else tn_tensor_release(call.out[i]);
  }
  ctx->op = outer;
  return s;
}

tn_status tn_apply(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in,
                   const tn_attrs *attrs, tn_tensor **out) {
  return dispatch(ctx, code, nin, in, attrs, out, false);
}

tn_status tn_apply_inplace(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in,
                           const tn_attrs *attrs) {
  tn_tensor *out[TN_MAX_OUTPUTS] = {in[0]};
  return dispatch(ctx, code, nin, in, attrs, out, true);
}

tn_status tn_copy(tn_ctx *ctx, tn_tensor *to, tn_tensor *from) {
  tn_tensor *in[2] = {to, from};
  return tn_apply_inplace(ctx, TN_OP_copy, 2, in, NULL);
}
