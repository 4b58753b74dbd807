/* pointwise.c -- how a pointwise operation runs: promotion, broadcasting, and loops that stage
 * what is strided or of another dtype through buffers that stay in the first-level cache. */
#include "tensor/cpu/kernels.h"
#include "tensor/device.h"
#include "tensor/pointwise.h"

enum { MAX_OPERANDS = 5 };

/* One loop: out = kernel(operands), over broadcast views whose strides are in elements. */
typedef struct {
  tn_kernel *kernel;
  const double *p;
  int compute;     /* TN_COMPUTE_*: what the kernel reads */
  tn_dtype result; /* what it writes */
  bool scalars;    /* it takes single elements */
  int nin, ndim;
  bool refuse_zero; /* the second operand must not hold 0 */
  atomic_bool found_zero;
  int64_t sizes[TN_MAX_DIMS];
  int64_t strides[MAX_OPERANDS + 1][TN_MAX_DIMS]; /* the last one is the result's */
  char *data[MAX_OPERANDS + 1];
  tn_dtype dtype[MAX_OPERANDS + 1];
} loop;

static const tn_dtype compute_dtypes[] = {TN_F32, TN_F64, TN_I64};

/* The kernel of a row from the best instruction set that has its own; NULL: there is none. */
static tn_kernel *forward_kernel(const tn_pointwise *pw, int compute) {
  if (compute == TN_COMPUTE_I64) return tn__pointwise_int[pw->index];
  tn_kernel *kernel = NULL;
  for (int isa = tn__isa(); isa >= 0 && kernel == NULL; isa--) {
    kernel = TN_ISA_AT(isa, tn__pointwise)[pw->index].run[compute];
  }
  return kernel;
}

/* The same of its derivative by input k. */
static tn_kernel *gradient_kernel(const tn_pointwise *pw, int k, int compute) {
  tn_kernel *kernel = NULL;
  for (int isa = tn__isa(); isa >= 0 && kernel == NULL; isa--) {
    kernel = TN_ISA_AT(isa, tn__pointwise)[pw->index].grad[k][compute];
  }
  return kernel;
}

static int compute_of(tn_dtype dtype) {
  tn_dtype c = tn__compute_dtype(dtype);
  return c == TN_F32 ? TN_COMPUTE_F32 : c == TN_F64 ? TN_COMPUTE_F64 : TN_COMPUTE_I64;
}

/* -- Result type and shape --------------------------------------------------------------------- */

/* Promotion as PyTorch's: tensors with dimensions decide; those without, and plain numbers, only
 * when they are of a higher category (bool, integer, float). */
static tn_dtype promoted(const tn_call *call) {
  const int test = call->op->pointwise->test;
  int type[3] = {-1, -1, -1}; /* of tensors, tensors without dimensions, numbers */
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (i == test) continue;
    int level = t->number ? 2 : t->ndim == 0 ? 1 : 0;
    type[level] = type[level] < 0 ? t->dtype
                                  : (int)tn_dtype_promote((tn_dtype)type[level], (tn_dtype)t->dtype);
  }
  if (type[0] < 0 && type[1] < 0) return (tn_dtype)type[2];
  int result = type[0];
  for (int level = 1; level < 3; level++) {
    if (type[level] < 0) continue;
    bool is_float = tn_dtype_is_float((tn_dtype)type[level]);
    if (result < 0) result = type[level];
    else if (is_float && !tn_dtype_is_float((tn_dtype)result))
      result = level == 2 ? call->ctx->default_dtype : type[level];
    else if (result == TN_BOOL && type[level] != TN_BOOL) result = type[level];
  }
  return (tn_dtype)result;
}

/* Of one shape and dtype, and no plain numbers: nothing is left to decide. */
static bool alike(const tn_tensor *a, const tn_tensor *b) {
  return a != NULL && b != NULL && a->dtype == b->dtype && !a->number && !b->number &&
         tn__same_shape(a, b);
}

tn_status tn__pointwise_shape(tn_call *call) {
  const tn_pointwise *pw = call->op->pointwise;
  tn_meta *m = &call->meta[0];
  tn_meta next;
  if (call->nin == 2 && alike(call->in[0], call->in[1]) && pw->kind == TN_KIND_NUM) {
    tn__meta_of(m, call->in[0]);
    call->dim = m->dtype;
    return TN_OK;
  }
  for (int i = 0; i < call->nin; i++) {
    if (call->in[i] == NULL) return tn_fail(call->ctx, TN_EARG, "input %d is missing", i + 1);
  }
  tn__meta_of(m, call->in[0]);
  for (int i = 1; i < call->nin; i++) {
    if (call->in[i]->ndim == 0 || tn__same_shape(call->in[0], call->in[i])) continue;
    tn__meta_of(&next, call->in[i]);
    tn_status s = tn__broadcast(call->ctx, m, &next, m);
    if (s != TN_OK) return s;
  }
  tn_dtype type = promoted(call);
  if (pw->kind == TN_KIND_FLT && !tn_dtype_is_float(type)) {
    bool numbers = true;
    for (int i = 0; i < call->nin; i++) numbers = numbers && call->in[i]->number;
    type = numbers ? TN_F64 : (tn_dtype)call->ctx->default_dtype;
  }
  if (pw->kind == TN_KIND_BIT && tn_dtype_is_float(type)) {
    return tn_fail(call->ctx, TN_EDTYPE, "integers expected, got %s", tn_dtype_name(type));
  }
  call->dim = type; /* the type to calculate with */
  m->dtype = pw->kind == TN_KIND_CMP ? TN_U8 : (uint8_t)type;
  return TN_OK;
}

/* -- Loops ------------------------------------------------------------------------------------- */

/* Strides with which `t` is read as a tensor of the loop's shape. */
static void broadcast_strides(const loop *l, const tn_tensor *t, int64_t *strides) {
  if (t->ndim == l->ndim && memcmp(t->sizes, l->sizes, sizeof(int64_t) * t->ndim) == 0) {
    memcpy(strides, t->strides, sizeof(int64_t) * t->ndim);
    return;
  }
  for (int d = 1; d <= l->ndim; d++) {
    int own = t->ndim - d;
    strides[l->ndim - d] = own < 0 || t->sizes[own] == 1 ? 0 : t->strides[own];
  }
}

static bool broadcastable(const loop *l, const tn_tensor *t) {
  if (t->ndim > l->ndim) return false;
  for (int d = 1; d <= t->ndim; d++) {
    int64_t size = t->sizes[t->ndim - d];
    if (size != 1 && size != l->sizes[l->ndim - d]) return false;
  }
  return true;
}

/* Joins neighbouring dimensions that all operands step through evenly, and drops those of size 1. */
static void coalesce(loop *l) {
  int to = -1;
  for (int d = 0; d < l->ndim; d++) {
    if (l->sizes[d] == 1) continue;
    bool joins = to >= 0;
    for (int k = 0; k <= l->nin && joins; k++) {
      joins = l->strides[k][to] == l->strides[k][d] * l->sizes[d];
    }
    if (joins) l->sizes[to] *= l->sizes[d];
    else l->sizes[++to] = l->sizes[d];
    for (int k = 0; k <= l->nin; k++) l->strides[k][to] = l->strides[k][d];
  }
  l->ndim = to + 1;
  if (l->ndim == 0) {
    l->ndim = 1;
    l->sizes[0] = 1;
    for (int k = 0; k <= l->nin; k++) l->strides[k][0] = 1;
  }
}

static bool has_zero(const void *x, int compute, int64_t n) {
  if (compute != TN_COMPUTE_I64) return false;
  for (int64_t i = 0; i < n; i++) {
    if (((const int64_t *)x)[i] == 0) return true;
  }
  return false;
}

/* Runs n elements of one row, beginning where `at` points. */
static void run_row(loop *l, char *const *at, int64_t n) {
  _Alignas(64) char buffer[MAX_OPERANDS + 1][TN_CHUNK * sizeof(double)];
  const int inner = l->ndim - 1, out = l->nin;
  const tn_dtype compute = compute_dtypes[l->compute];
  const size_t result_item = tn__item_size(l->result);
  const void *in[MAX_OPERANDS];
  bool staged[MAX_OPERANDS + 1];
  unsigned scalars = 0;
  for (int k = 0; k < l->nin; k++) {
    int64_t stride = l->strides[k][inner];
    staged[k] = l->dtype[k] != compute || stride != 1;
    in[k] = at[k];
    if (stride == 0) { /* one value: stage it once, filled out unless the kernel takes it alone */
      bool alone = l->scalars && k == 1;
      tn__convert(alone ? 1 : n < TN_CHUNK ? n : TN_CHUNK, buffer[k], compute, 1, at[k],
                  l->dtype[k], 0);
      if (alone) scalars |= 1u << k;
      in[k] = buffer[k];
    }
  }
  staged[out] = l->dtype[out] != l->result || l->strides[out][inner] != 1;
  bool any = l->refuse_zero;
  for (int k = 0; k <= l->nin; k++) {
    any = any || (staged[k] && (k == out || l->strides[k][inner] != 0));
  }
  bool filled = false; /* a filled-out value is only as long as a chunk */
  for (int k = 0; k < l->nin; k++) filled = filled || (l->strides[k][inner] == 0 && !(l->scalars && k == 1));
  if (!any && (!filled || n <= TN_CHUNK)) {
    l->kernel(n, at[out], in, scalars, l->p);
    return;
  }
  for (int64_t done = 0; done < n; done += TN_CHUNK) {
    int64_t m = n - done < TN_CHUNK ? n - done : TN_CHUNK;
    for (int k = 0; k < l->nin; k++) {
      int64_t stride = l->strides[k][inner];
      if (stride == 0) continue;
      char *from = at[k] + done * stride * (int64_t)tn__item_size(l->dtype[k]);
      in[k] = from;
      if (!staged[k]) continue;
      tn__convert(m, buffer[k], compute, 1, from, l->dtype[k], stride);
      in[k] = buffer[k];
    }
    if (l->refuse_zero && has_zero(in[1], l->compute, (scalars & 2) ? 1 : m)) l->found_zero = true;
    if (staged[out]) {
      int64_t stride = l->strides[out][inner];
      l->kernel(m, buffer[out], in, scalars, l->p);
      tn__convert(m, at[out] + done * stride * (int64_t)tn__item_size(l->dtype[out]),
                  l->dtype[out], stride, buffer[out], l->result, 1);
    } else {
      l->kernel(m, at[out] + done * (int64_t)result_item, in, scalars, l->p);
    }
  }
}

/* Elements [begin, end) of the loop's row-major order. */
static void run_range(void *arg, int64_t begin, int64_t end) {
  loop *l = arg;
  const int inner = l->ndim - 1;
  int64_t index[TN_MAX_DIMS], rest = begin;
  char *at[MAX_OPERANDS + 1];
  for (int d = inner; d >= 0; d--) {
    index[d] = rest % l->sizes[d];
    rest /= l->sizes[d];
  }
  while (begin < end) {
    int64_t n = l->sizes[inner] - index[inner];
    if (n > end - begin) n = end - begin;
    for (int k = 0; k <= l->nin; k++) {
      int64_t offset = 0;
      for (int d = 0; d <= inner; d++) offset += index[d] * l->strides[k][d];
      at[k] = l->data[k] + offset * (int64_t)tn__item_size(l->dtype[k]);
    }
    run_row(l, at, n);
    begin += n;
    index[inner] = 0;
    for (int d = inner - 1; d >= 0 && ++index[d] == l->sizes[d]; d--) index[d] = 0;
  }
}

/* Runs the kernel over `in` into `out`, whose shape is the broadcast one. */
static tn_status run_loop(tn_ctx *ctx, loop *l, tn_tensor *const *in, tn_tensor *out) {
  int64_t n = tn__numel(out);
  tn_tensor *copies[MAX_OPERANDS] = {NULL};
  tn_status s = TN_OK;
  if (n == 0) return TN_OK;
  l->ndim = out->ndim;
  memcpy(l->sizes, out->sizes, sizeof(int64_t) * out->ndim);
  for (int k = 0; k < l->nin && s == TN_OK; k++) {
    tn_tensor *t = in[k];
    if (!broadcastable(l, t)) { /* as many elements in another shape: read them in order */
      tn_tensor *flat;
      s = tn__contiguous_of(ctx, &flat, t, (tn_dtype)t->dtype);
      if (s != TN_OK) break;
      copies[k] = flat;
      tn__contiguous_strides(l->ndim, l->sizes, l->strides[k]);
      t = flat;
    } else {
      broadcast_strides(l, t, l->strides[k]);
    }
    l->data[k] = tn__data(t);
    l->dtype[k] = (tn_dtype)t->dtype;
  }
  if (s == TN_OK) {
    memcpy(l->strides[l->nin], out->strides, sizeof(int64_t) * out->ndim);
    l->data[l->nin] = tn__data(out);
    l->dtype[l->nin] = (tn_dtype)out->dtype;
    coalesce(l);
    tn__pool_run(ctx->pool, n, TN_GRAIN, run_range, l);
    if (l->found_zero) s = tn_fail(ctx, TN_EARG, "integer division by zero");
  }
  for (int k = 0; k < l->nin; k++) tn_tensor_release(copies[k]);
  return s;
}

typedef struct {
  tn_kernel *kernel;
  const double *p;
  unsigned scalars;
  size_t item, result;
  char *data[MAX_OPERANDS + 1];
  int nin;
} flat_loop;

static void run_flat(void *arg, int64_t begin, int64_t end) {
  const flat_loop *l = arg;
  const void *in[MAX_OPERANDS];
  for (int k = 0; k < l->nin; k++) {
    in[k] = l->data[k] + ((l->scalars >> k & 1) ? 0 : begin * (int64_t)l->item);
  }
  l->kernel(end - begin, l->data[l->nin] + begin * (int64_t)l->result, in, l->scalars, l->p);
}

/* The common case, without a detour: contiguous operands of the compute type and of one shape,
 * the second one perhaps a single element. */
static bool try_flat(tn_call *call, tn_kernel *kernel, int compute, tn_dtype result) {
  const tn_tensor *out = call->out[0];
  const tn_dtype type = compute_dtypes[compute];
  flat_loop l = {kernel, call->attrs->f, 0, tn__item_size(type), tn__item_size(result), {0},
                 call->nin};
  double number;
  if (out->dtype != result || !tn__contiguous(out)) return false;
  for (int k = 0; k < call->nin; k++) {
    const tn_tensor *t = call->in[k];
    l.data[k] = tn__data(t);
    if (k == 1 && t->ndim == 0 && call->nin == 2) {
      tn__convert(1, &number, type, 1, l.data[k], (tn_dtype)t->dtype, 1);
      l.data[k] = (char *)&number;
      l.scalars = 2;
    } else if (t->dtype != type || !tn__same_shape(t, out) || !tn__contiguous(t)) {
      return false;
    }
  }
  int64_t n = tn__numel(out);
  l.data[call->nin] = tn__data(out);
  if (n <= TN_GRAIN) run_flat(&l, 0, n);
  else tn__pool_run(call->ctx->pool, n, TN_GRAIN, run_flat, &l);
  return true;
}

tn_status tn__pointwise_run(tn_call *call) {
  const tn_pointwise *pw = call->op->pointwise;
  const int compute = compute_of((tn_dtype)call->dim);
  tn_kernel *kernel = forward_kernel(pw, compute);
  tn_dtype result = pw->kind == TN_KIND_CMP ? TN_U8 : compute_dtypes[compute];
  if (kernel == NULL) {
    return tn_fail(call->ctx, TN_EDTYPE, "no such operation on %s",
                   tn_dtype_name((tn_dtype)call->dim));
  }
  bool refuse_zero = pw->divides && compute == TN_COMPUTE_I64;
  if (!refuse_zero && try_flat(call, kernel, compute, result)) return TN_OK;
  loop l;
  l.kernel = kernel;
  l.p = call->attrs->f;
  l.compute = compute;
  l.result = result;
  l.scalars = call->nin == 2;
  l.nin = call->nin;
  l.refuse_zero = refuse_zero;
  atomic_init(&l.found_zero, false);
  return run_loop(call->ctx, &l, call->in, call->out[0]);
}

/* Which saved values derivative k reads: those whose letters stand in its text. */
static uint8_t read_by(const tn_pointwise *pw, int k) {
  static _Atomic uint8_t known[TN_PW_COUNT][3]; /* the same whoever finds it; bit 7: found */
  uint8_t mask = atomic_load_explicit(&known[pw->index][k], memory_order_relaxed);
  if (mask != 0) return mask;
  mask = 0x80;
  for (const char *p = pw->text[k]; *p != 0; p++) {
    bool alone = (p == pw->text[k] || strchr(" (,", p[-1]) != NULL) && strchr("),", p[1]) != NULL;
    if (!alone) continue;
    mask |= *p == 'a' || *p == 'x' ? TN_SAVE_A : *p == 'b' ? TN_SAVE_B : *p == 'c' ? TN_SAVE_C
            : *p == 'y' ? TN_SAVE_Y : 0;
  }
  atomic_store_explicit(&known[pw->index][k], mask, memory_order_relaxed);
  return mask;
}

uint8_t tn__pointwise_saves(const tn_call *call) {
  uint8_t mask = 0;
  for (int k = 0; k < call->nin; k++) {
    if (tn__tracked(call->in[k])) mask |= read_by(call->op->pointwise, k);
  }
  return mask & call->op->saves;
}

/* -- Gradients --------------------------------------------------------------------------------- */

/* One fused loop over dout and what was saved. */
static tn_status fused_gradient(tn_grad_call *g, int k, tn_tensor **out) {
  const tn_pointwise *pw = g->node_op->pointwise;
  tn_tensor *d = g->dout[0], *in[MAX_OPERANDS] = {d, d, d, d, d};
  tn_dtype type = (tn_dtype)d->dtype;
  loop l;
  if (d->storage->device != TN_CPU) return tn__device_gradient(g, k, out);
  l.p = g->attrs->f;
  l.compute = type == TN_F64 ? TN_COMPUTE_F64 : TN_COMPUTE_F32;
  l.kernel = gradient_kernel(pw, k, l.compute);
  l.result = compute_dtypes[l.compute];
  l.scalars = false;
  l.nin = MAX_OPERANDS;
  l.refuse_zero = false;
  atomic_init(&l.found_zero, false);
  for (int i = 0; i < g->nin; i++) {
    if (g->in[i] != NULL) in[1 + i] = g->in[i];
  }
  if (g->out[0] != NULL) in[4] = g->out[0];
  tn_status s = tn_tensor_new(g->ctx, out, type, d->ndim, d->sizes);
  if (s == TN_OK) s = run_loop(g->ctx, &l, in, *out);
  if (s != TN_OK) {
    tn_tensor_release(*out);
    *out = NULL;
  }
  return s;
}

/* Is the gradient the one that arrives, as it is? */
static bool passes(const char *text) { return text[0] == 'd' && text[1] == 0; }

tn_status tn__pointwise_grad(tn_grad_call *g) {
  const tn_pointwise *pw = g->node_op->pointwise;
  tn_status s = TN_OK;
  for (int k = 0; k < g->nin && s == TN_OK; k++) {
    tn_tensor *dx = NULL;
    if (!g->need[k]) continue;
    if (passes(pw->text[k])) {
      dx = tn_tensor_retain(g->dout[0]);
    } else if (g->create_graph) {
      tn_eval e = tn__eval_begin(g->ctx);
      dx = tn__keep(&e, pw->compose[k](&e, g->dout[0], g->in, g->out[0], g->attrs->f));
      s = tn__eval_end(&e);
      if (s != TN_OK && dx != NULL) tn_tensor_release(dx), dx = NULL;
    } else {
      s = fused_gradient(g, k, &dx);
    }
    if (s == TN_OK) s = tn__reduce_to(g->ctx, &dx, &g->meta[k]);
    g->din[k] = dx;
  }
  return s;
}

/* -- The rows of the operation table ----------------------------------------------------------- */

#define SA TN_SAVE_A
#define SB TN_SAVE_B
#define SC TN_SAVE_C
#define SY TN_SAVE_Y
#define KIND_NUM TN_NUMBER_INPUTS | TN_FLOATS | TN_INTEGERS
#define KIND_FLT TN_NUMBER_INPUTS | TN_FLOATS | TN_INTEGERS
#define KIND_CMP TN_FLOATS | TN_INTEGERS
#define KIND_RNUM KIND_NUM
#define KIND_RFLT KIND_FLT
#define KIND_RCMP KIND_CMP
#define KIND_TRG KIND_FLT
#define KIND_BIT TN_NUMBER_INPUTS | TN_INTEGERS
#define NO_GRAD_NUM NULL
#define NO_GRAD_FLT NULL
#define NO_GRAD_CMP "a test: its result does not change with its inputs but in jumps"
#define NO_GRAD_RNUM NULL
#define NO_GRAD_RFLT NULL
#define NO_GRAD_RCMP NO_GRAD_CMP
#define NO_GRAD_TRG NULL
#define NO_GRAD_BIT "of integers"
#define GRAD_NUM tn__pointwise_grad
#define GRAD_FLT tn__pointwise_grad
#define GRAD_CMP NULL
#define GRAD_BIT NULL
#define GRAD_RNUM GRAD_NUM
#define GRAD_RFLT GRAD_FLT
#define GRAD_RCMP GRAD_CMP
#define GRAD_TRG GRAD_FLT
#define DIVIDES(code)                                                                             \
  ((code) == TN_PW_div || (code) == TN_PW_fmod || (code) == TN_PW_remainder ||                    \
   (code) == TN_PW_floor_divide)
#define TEST_OPERAND(code) ((code) == TN_PW_where ? 0 : (code) == TN_PW_maskedFill ? 1 : -1)

#define ROW(name_, nin, kind_, saves_, low_, high_, convention_, lua_, aliases_, args_, forms_,    \
            da_, db_, dc_, onnx_, doc_)                                                  \
  static const tn_pointwise pointwise_##name_ = {                                                 \
      .index = TN_PW_##name_, .kind = TN_KIND_##kind_, .test = TEST_OPERAND(TN_PW_##name_),       \
      .divides = DIVIDES(TN_PW_##name_), .text = {da_, db_, dc_},                      \
      .compose = {tn__compose_##name_##_a, TN_COMPOSE_B##nin(name_), TN_COMPOSE_C##nin(name_)}};  \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = lua_, .aliases = aliases_, .args = args_, .forms = forms_,           \
      .convention = convention_, .flags = KIND_##kind_, .nout = 1, .saves = saves_,               \
      .low = low_, .high = high_, .onnx = onnx_, .doc = doc_, .no_grad = NO_GRAD_##kind_,         \
      .shape = tn__pointwise_shape, .run = tn__pointwise_run, .grad = GRAD_##kind_,               \
      .pointwise = &pointwise_##name_};
#define TN_COMPOSE_B1(name) NULL
#define TN_COMPOSE_B2(name) tn__compose_##name##_b
#define TN_COMPOSE_B3(name) tn__compose_##name##_b
#define TN_COMPOSE_C1(name) NULL
#define TN_COMPOSE_C2(name) NULL
#define TN_COMPOSE_C3(name) tn__compose_##name##_c

#define TN_UNARY(name, kind, saves, low, high, aliases, args, forward, da, onnx, doc)             \
  ROW(name, 1, kind, saves, low, high, TN_CONVENTION_##kind, #name, aliases, args, NULL, #da, "", \
      "", onnx, doc)
#define TN_BINARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,   \
                  da, db, onnx, doc)                                                              \
  ROW(name, 2, kind, saves, low, high, convention, lua, aliases, args, forms, #da,        \
      #db, "", onnx, doc)
#define TN_TERNARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,  \
                   da, db, dc, onnx, doc)                                                         \
  ROW(name, 3, kind, saves, low, high, convention, lua, aliases, args, forms, #da,        \
      #db, #dc, onnx, doc)
#define TN_CONVENTION_NUM 'A'
#define TN_CONVENTION_FLT 'A'
#define TN_CONVENTION_CMP 'C'
#define TN_CONVENTION_RNUM 'A'
#define TN_CONVENTION_RFLT 'A'
#define TN_CONVENTION_RCMP 'C'
#define TN_CONVENTION_TRG 'A'
#include "tensor/pointwise.def"
