/* pointwise.c -- how a pointwise operation runs: promotion, broadcasting, and loops that stage
 * what is strided or of another dtype through buffers that stay in the first-level cache. */
#include "tensor/cpu/kernels.h"
#include "tensor/cpu/move.h"
#include "tensor/device.h"
#include "tensor/pointwise.h"

enum { MAX_OPERANDS = 5 };

/* One loop: out = kernel(operands), over broadcast views whose strides are in elements. */
typedef struct {
  tn_kernel *kernel;
  const double *p;
  int compute;     /* TN_COMPUTE_* */
  tn_dtype type;   /* what the kernel reads */
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

/* The kernel for integers of the call's own width, if there is one that gives the same results. */
static tn_kernel *narrow_kernel(const tn_call *call) {
  const tn_pointwise *pw = call->op->pointwise;
  for (int i = 0; i < call->nin; i++) { /* a comparison must see all of a wider operand */
    if (pw->kind == TN_KIND_CMP && call->in[i]->dtype != call->dim) return NULL;
  }
  return TN_ISA_PICK(tn__int_kernels)[pw->index][call->dim];
}

/* That of the derivative by input k. */
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

static bool broadcastable(int ndim, const int64_t *sizes, const tn_tensor *t) {
  if (t->ndim > ndim) return false;
  for (int d = 1; d <= t->ndim; d++) {
    int64_t size = t->sizes[t->ndim - d];
    if (size != 1 && size != sizes[ndim - d]) return false;
  }
  return true;
}

/* Of three inputs two may fit as having as many elements, and the third may then broadcast the one,
 * but not the other: torch.addcmul of sizes 4, 2x1x2 and 3x2x4. */
static tn_status all_fit(const tn_call *call, const tn_meta *m) {
  int64_t count;
  tn_status s = tn__count(call->ctx, m->ndim, m->sizes, 1, &count);
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    const tn_tensor *t = call->in[i];
    char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
    if (broadcastable(m->ndim, m->sizes, t) || tn__numel(t) == count) continue;
    s = tn_fail(call->ctx, TN_ESHAPE, "shapes do not fit: %s and %s",
                tn__shape_text(a, t->ndim, t->sizes), tn__shape_text(b, m->ndim, m->sizes));
  }
  return s;
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
  if (call->nin > 2) {
    tn_status s = all_fit(call, m);
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

static void swap(int64_t *a, int64_t *b) {
  int64_t t = *a;
  *a = *b;
  *b = t;
}

/* Is operand k dense in the last dimension but one, and not in the last? */
static bool turns(const loop *l, int k) {
  return l->ndim > 1 && l->strides[k][l->ndim - 2] == 1 && l->strides[k][l->ndim - 1] > 1;
}

/* Joins neighbouring dimensions that all operands step through evenly, and drops those of size 1;
 * before that they are put into the order in which the result lies in memory. */
static void coalesce(loop *l) {
  int to = -1;
  const int out = l->nin;
  for (int d = 1; d < l->ndim; d++) {
    for (int i = d; i > 0 && l->strides[out][i - 1] < l->strides[out][i]; i--) {
      swap(&l->sizes[i - 1], &l->sizes[i]);
      for (int k = 0; k <= out; k++) swap(&l->strides[k][i - 1], &l->strides[k][i]);
    }
  }
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

static bool has_zero(const loop *l, const void *x, int64_t n) {
  if (l->compute != TN_COMPUTE_I64) return false;
  for (int64_t i = 0; i < n; i++) {
    if (((const int64_t *)x)[i] == 0) return true;
  }
  return false;
}

/* Room for a piece of each operand and of the result. */
typedef struct {
  _Alignas(64) char data[MAX_OPERANDS + 1][2 * TN_CHUNK * sizeof(double)];
} stage;

/* -- Long rows --------------------------------------------------------------------------------- */

/* Runs n elements of one row, beginning where `at` points. */
static void run_row(loop *l, stage *s, char *const *at, int64_t n) {
  const int inner = l->ndim - 1, out = l->nin;
  const size_t result_item = tn__item_size(l->result);
  const void *in[MAX_OPERANDS];
  bool staged[MAX_OPERANDS + 1];
  unsigned scalars = 0;
  bool any = l->refuse_zero, filled = false; /* a filled-out value is only as long as a chunk */
  for (int k = 0; k < l->nin; k++) {
    int64_t stride = l->strides[k][inner];
    staged[k] = l->dtype[k] != l->type || stride != 1;
    in[k] = at[k];
    if (stride == 0) { /* one value: stage it once, filled out unless the kernel takes it alone */
      bool alone = l->scalars && k == 1;
      tn__convert(alone ? 1 : n < TN_CHUNK ? n : TN_CHUNK, s->data[k], l->type, 1, at[k],
                  l->dtype[k], 0);
      if (alone) scalars |= 1u << k;
      else filled = true;
      in[k] = s->data[k];
    } else {
      any = any || staged[k];
    }
  }
  staged[out] = l->dtype[out] != l->result || l->strides[out][inner] != 1;
  if (!any && !staged[out] && (!filled || n <= TN_CHUNK)) {
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
      tn__convert(m, s->data[k], l->type, 1, from, l->dtype[k], stride);
      in[k] = s->data[k];
    }
    if (l->refuse_zero && has_zero(l, in[1], (scalars & 2) ? 1 : m)) l->found_zero = true;
    if (staged[out]) {
      int64_t stride = l->strides[out][inner];
      l->kernel(m, s->data[out], in, scalars, l->p);
      tn__convert(m, at[out] + done * stride * (int64_t)tn__item_size(l->dtype[out]),
                  l->dtype[out], stride, s->data[out], l->result, 1);
    } else {
      l->kernel(m, at[out] + done * (int64_t)result_item, in, scalars, l->p);
    }
  }
}

/* Can the kernel take the rows as they lie? Then `scalars` tells which operands stand still. */
static bool rows_direct(const loop *l, unsigned *scalars) {
  const int inner = l->ndim - 1, out = l->nin;
  *scalars = 0;
  for (int k = 0; k < l->nin; k++) {
    bool alone = l->strides[k][inner] == 0 && l->scalars && k == 1;
    if (l->dtype[k] != l->type || !(alone || l->strides[k][inner] == 1)) return false;
    if (alone) *scalars |= 1u << k;
  }
  return l->dtype[out] == l->result && l->strides[out][inner] == 1 && !l->refuse_zero;
}

/* Elements [begin, end) of the loop's row-major order, where rows_direct. */
static void run_direct(void *arg, int64_t begin, int64_t end) {
  const loop *l = arg;
  const int inner = l->ndim - 1;
  int64_t index[TN_MAX_DIMS], rest = begin, step[MAX_OPERANDS + 1][TN_MAX_DIMS];
  const void *at[MAX_OPERANDS + 1]; /* the kernel reads its operands here */
  unsigned scalars;
  rows_direct(l, &scalars);
  for (int d = inner; d >= 0; d--) {
    index[d] = rest % l->sizes[d];
    rest /= l->sizes[d];
  }
  for (int k = 0; k <= l->nin; k++) {
    at[k] = l->data[k];
    for (int d = 0; d <= inner; d++) {
      step[k][d] = l->strides[k][d] * (int64_t)tn__item_size(l->dtype[k]);
      at[k] = (const char *)at[k] + index[d] * step[k][d];
    }
  }
  while (begin < end) {
    int64_t n = l->sizes[inner] - index[inner];
    if (n > end - begin) n = end - begin;
    l->kernel(n, (void *)at[l->nin], at, scalars, l->p);
    begin += n;
    int64_t back = index[inner];
    index[inner] = 0;
    for (int d = inner - 1; d >= 0; d--) {
      bool over = ++index[d] == l->sizes[d];
      for (int k = 0; k <= l->nin; k++) {
        at[k] = (const char *)at[k] + step[k][d] - back * step[k][d + 1];
      }
      if (!over) break;
      back = l->sizes[d];
      index[d] = 0;
    }
  }
}

/* Elements [begin, end) of the loop's row-major order. */
static void run_rows(void *arg, int64_t begin, int64_t end) {
  loop *l = arg;
  const int inner = l->ndim - 1;
  int64_t index[TN_MAX_DIMS], rest = begin;
  char *at[MAX_OPERANDS + 1];
  stage s;
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
    run_row(l, &s, at, n);
    begin += n;
    index[inner] = 0;
    for (int d = inner - 1; d >= 0 && ++index[d] == l->sizes[d]; d--) index[d] = 0;
  }
}

/* -- Short rows: chunks of many of them --------------------------------------------------------- */

/* One element after the other in the loop's order? */
static bool dense(const loop *l, int k) {
  int64_t step = 1;
  for (int d = l->ndim - 1; d >= 0; d--) {
    if (l->strides[k][d] != step) return false;
    step *= l->sizes[d];
  }
  return true;
}

/* After how many elements operand k begins anew; 0: never. */
static int64_t period_of(const loop *l, int k) {
  int d = 0;
  int64_t period = 1;
  while (d < l->ndim && l->strides[k][d] == 0) d++;
  for (int i = d; i < l->ndim; i++) period *= l->sizes[i];
  return d > 0 && period <= TN_CHUNK ? period : 0;
}

/* Between n elements of operand k, the first one `first` in the loop's order, and a dense buffer of
 * the operand's dtype. `gather`: into the buffer. */
static void move_chunk(const loop *l, int k, int64_t first, int64_t n, char *buffer, bool gather) {
  const int inner = l->ndim - 1;
  const int64_t item = (int64_t)tn__item_size(l->dtype[k]), *steps = l->strides[k];
  tn_mover *move = tn__mover((size_t)item);
  tn_rows_fn *gather_rows = gather ? tn__row_gatherer((size_t)item) : NULL;
  int64_t index[TN_MAX_DIMS], at = 0;
  for (int d = inner; d >= 0; d--) {
    index[d] = first % l->sizes[d];
    first /= l->sizes[d];
    at += index[d] * steps[d];
  }
  while (n > 0) {
    int64_t m = l->sizes[inner] - index[inner], rows = 1;
    if (m > n) m = n;
    char *data = l->data[k] + at * item;
    if (!gather) {
      move(m, data, steps[inner], buffer, 1);
    } else if (gather_rows != NULL && inner > 0) {
      if (m == l->sizes[inner]) { /* all whole rows that follow evenly */
        rows = l->sizes[inner - 1] - index[inner - 1];
        if (rows > n / m) rows = n / m;
      }
      gather_rows(rows, m, buffer, data, steps[inner - 1], steps[inner]);
    } else {
      move(m, buffer, 1, data, steps[inner]);
    }
    buffer += rows * m * item;
    n -= rows * m;
    at -= index[inner] * steps[inner];
    index[inner] = 0;
    for (int d = inner - 1; d >= 0; d--) {
      at += rows * steps[d];
      index[d] += rows;
      if (index[d] < l->sizes[d]) break;
      at -= l->sizes[d] * steps[d];
      index[d] = 0;
      rows = 1;
    }
  }
}

static void stage_chunk(const loop *l, int k, int64_t first, int64_t n, char *to) {
  char raw[2 * TN_CHUNK * sizeof(double)];
  if (l->dtype[k] == l->type) {
    move_chunk(l, k, first, n, to, true);
    return;
  }
  move_chunk(l, k, first, n, raw, true);
  tn__convert(n, to, l->type, 1, raw, l->dtype[k], 1);
}

/* Elements [begin, end) of the loop's row-major order. */
static void run_chunks(void *arg, int64_t begin, int64_t end) {
  loop *l = arg;
  const int out = l->nin;
  const int64_t item = (int64_t)tn__item_size(l->type);
  const int64_t out_item = (int64_t)tn__item_size(l->dtype[out]);
  const bool direct_out = l->dtype[out] == l->result && dense(l, out);
  const int64_t longest = end - begin < TN_CHUNK ? end - begin : TN_CHUNK;
  const void *in[MAX_OPERANDS];
  bool direct[MAX_OPERANDS];
  int64_t period[MAX_OPERANDS];
  stage s;
  for (int k = 0; k < l->nin; k++) {
    direct[k] = l->dtype[k] == l->type && dense(l, k);
    period[k] = period_of(l, k);
    if (period[k] > 0) stage_chunk(l, k, 0, longest + period[k], s.data[k]);
  }
  for (int64_t n; begin < end; begin += n) {
    n = end - begin < TN_CHUNK ? end - begin : TN_CHUNK;
    for (int k = 0; k < l->nin; k++) {
      in[k] = s.data[k];
      if (direct[k]) in[k] = l->data[k] + begin * item;
      else if (period[k] > 0) in[k] = s.data[k] + begin % period[k] * item;
      else stage_chunk(l, k, begin, n, s.data[k]);
    }
    if (l->refuse_zero && has_zero(l, in[1], n)) l->found_zero = true;
    if (direct_out) {
      l->kernel(n, l->data[out] + begin * out_item, in, 0, l->p);
      continue;
    }
    l->kernel(n, s.data[out], in, 0, l->p);
    if (l->dtype[out] != l->result) {
      char raw[TN_CHUNK * sizeof(double)];
      tn__convert(n, raw, l->dtype[out], 1, s.data[out], l->result, 1);
      move_chunk(l, out, begin, n, raw, false);
    } else {
      move_chunk(l, out, begin, n, s.data[out], false);
    }
  }
}

/* -- Tiles: where an operand is dense in another dimension than the result ---------------------- */

enum { TILE_ROWS = 16, TILE_COLUMNS = 128, TILE = TILE_ROWS * TILE_COLUMNS };

/* Tiles [begin, end) over the last two dimensions. */
static void run_tiles(void *arg, int64_t begin, int64_t end) {
  loop *l = arg;
  const int across = l->ndim - 1, down = l->ndim - 2;
  const int64_t tiles_across = (l->sizes[across] + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const int64_t tiles_down = (l->sizes[down] + TILE_ROWS - 1) / TILE_ROWS;
  const int64_t item = (int64_t)tn__item_size(l->type);
  _Alignas(64) char turned[MAX_OPERANDS][TILE * sizeof(double)];
  char raw[TILE * sizeof(double)];
  stage s;
  for (int64_t tile = begin; tile < end; tile++) {
    int64_t c = tile % tiles_across * TILE_COLUMNS;
    int64_t r = tile / tiles_across % tiles_down * TILE_ROWS;
    int64_t columns = l->sizes[across] - c, rows = l->sizes[down] - r;
    if (columns > TILE_COLUMNS) columns = TILE_COLUMNS;
    if (rows > TILE_ROWS) rows = TILE_ROWS;
    char *corner[MAX_OPERANDS + 1], *at[MAX_OPERANDS + 1];
    loop row = {.kernel = l->kernel, .p = l->p, .compute = l->compute, .type = l->type,
                .result = l->result, .scalars = l->scalars, .nin = l->nin, .ndim = 1,
                .refuse_zero = l->refuse_zero, .sizes = {columns}};
    for (int k = 0; k <= l->nin; k++) {
      int64_t rest = tile / tiles_across / tiles_down;
      int64_t offset = r * l->strides[k][down] + c * l->strides[k][across];
      for (int d = down - 1; d >= 0; d--) {
        offset += rest % l->sizes[d] * l->strides[k][d];
        rest /= l->sizes[d];
      }
      corner[k] = l->data[k] + offset * (int64_t)tn__item_size(l->dtype[k]);
      row.strides[k][0] = l->strides[k][across];
      row.dtype[k] = l->dtype[k];
      if (k == l->nin || !turns(l, k)) continue;
      const bool same = l->dtype[k] == l->type;
      tn__transpose(tn__item_size(l->dtype[k]), rows, columns, same ? turned[k] : raw, columns,
                    corner[k], l->strides[k][across]);
      if (!same) tn__convert(rows * columns, turned[k], l->type, 1, raw, l->dtype[k], 1);
      row.strides[k][0] = 1;
      row.dtype[k] = l->type;
    }
    for (int64_t i = 0; i < rows; i++) {
      for (int k = 0; k <= l->nin; k++) {
        at[k] = corner[k] + i * l->strides[k][down] * (int64_t)tn__item_size(l->dtype[k]);
        if (k < l->nin && turns(l, k)) at[k] = turned[k] + i * columns * item;
      }
      run_row(&row, &s, at, columns);
    }
    if (row.found_zero) l->found_zero = true;
  }
}

/* Which way is best: rows as they lie or staged, chunks of short rows, or tiles. */
static void run_best(tn_ctx *ctx, loop *l, int64_t n) {
  enum { SHORT_ROW = 64 };
  const int inner = l->ndim - 1;
  unsigned scalars;
  bool tiles = false;
  for (int k = 0; k < l->nin; k++) tiles = tiles || turns(l, k);
  if (tiles && l->sizes[inner] >= 8 && l->sizes[inner - 1] >= 8) {
    int64_t outer = n / (l->sizes[inner] * l->sizes[inner - 1]);
    int64_t count = ((l->sizes[inner] + TILE_COLUMNS - 1) / TILE_COLUMNS) *
                    ((l->sizes[inner - 1] + TILE_ROWS - 1) / TILE_ROWS) * outer;
    tn__pool_run(ctx->pool, count, TN_GRAIN / TILE, run_tiles, l);
  } else {
    bool chunks = l->ndim > 1 && l->sizes[inner] < SHORT_ROW;
    bool direct = !chunks && rows_direct(l, &scalars);
    tn__pool_run(ctx->pool, n, TN_GRAIN, direct ? run_direct : chunks ? run_chunks : run_rows, l);
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
    if (!broadcastable(l->ndim, l->sizes, t)) { /* as many elements, which are read in order */
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
    run_best(ctx, l, n);
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
static bool try_flat(tn_call *call, tn_kernel *kernel, tn_dtype type, tn_dtype result) {
  const tn_tensor *out = call->out[0];
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
  tn_kernel *kernel = compute == TN_COMPUTE_I64 ? narrow_kernel(call) : NULL;
  tn_dtype type = kernel != NULL ? (tn_dtype)call->dim : compute_dtypes[compute];
  if (kernel == NULL) kernel = forward_kernel(pw, compute);
  tn_dtype result = pw->kind == TN_KIND_CMP ? TN_U8 : type;
  if (kernel == NULL) {
    return tn_fail(call->ctx, TN_EDTYPE, "no such operation on %s",
                   tn_dtype_name((tn_dtype)call->dim));
  }
  bool refuse_zero = pw->divides && compute == TN_COMPUTE_I64;
  if (!refuse_zero && try_flat(call, kernel, type, result)) return TN_OK;
  loop l;
  l.kernel = kernel;
  l.p = call->attrs->f;
  l.compute = compute;
  l.type = type;
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
  if (tn__elsewhere(d)) return tn__device_gradient(g, k, out);
  l.p = g->attrs->f;
  l.compute = type == TN_F64 ? TN_COMPUTE_F64 : TN_COMPUTE_F32;
  l.kernel = gradient_kernel(pw, k, l.compute);
  l.type = l.result = compute_dtypes[l.compute];
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
