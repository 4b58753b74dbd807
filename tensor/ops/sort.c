/* sort.c -- sort and topk.
 *
 * Each element becomes an unsigned key whose order is the elements' order, so that one stable sort
 * serves every dtype. Threads share the lines, or each line where there are too few of them. */
#include "tensor/cpu/kernels.h"
#include "tensor/ops/keys.h"
#include "tensor/ops/lines.h"

typedef struct {
  tn_pool *pool;
  tn_lines lines;
  int64_t k; /* how many of each line are wanted */
  int64_t slots, base;
  tn_dtype dtype;
  bool descending, exact;
  const char *x;
  char *values;
  int64_t *indices;
  uint64_t *scratch;
  int64_t line; /* the one that the slots share, or -1 */
  const uint64_t *order; /* the shared line's */
} job;

/* Where a line begins, and the number of its first result. */
typedef struct {
  const char *x;
  int64_t to;
} line_place;

static line_place place_of(const job *j, int64_t line) {
  const tn_lines *l = &j->lines;
  const int64_t outer = line / l->inner, inner = line % l->inner;
  return (line_place){
      j->x + (outer * l->size * l->inner + inner) * (int64_t)tn__item_size(j->dtype),
      outer * j->k * l->inner + inner};
}

/* -- Results ----------------------------------------------------------------------------------- */

#define MOVE(T)                                                                                   \
  for (int64_t i = begin; i < end; i++, to += step) {                                             \
    const int64_t size = (int64_t)sizeof(T);                                                      \
    int64_t from = (int64_t)(order[i] & mask);                                                    \
    if (at != NULL) from = at[from];                                                              \
    memcpy(j->values + to * size, p.x + from * step * size, sizeof(T));                           \
    j->indices[to] = from + j->base;                                                              \
  }                                                                                               \
  break

/* Results begin to end of a line: the low bits of `order` are positions, in `at` if that is given,
 * else in the line. */
static void emit(const job *j, int64_t line, const uint64_t *order, int low, const int64_t *at,
                 int64_t begin, int64_t end) {
  const line_place p = place_of(j, line);
  const uint64_t mask = ((uint64_t)1 << low) - 1;
  const int64_t step = j->lines.inner;
  int64_t to = p.to + begin * step;
  switch (tn__item_size(j->dtype)) {
  case 1: MOVE(uint8_t);
  case 2: MOVE(uint16_t);
  case 4: MOVE(uint32_t);
  default: MOVE(uint64_t);
  }
}

static int key_bits(const job *j) { return 8 * (int)tn__item_size(j->dtype); }

/* -- Whole lines ------------------------------------------------------------------------------- */

/* Scratch of a line: packed, spare, and keys of their own where they do not fit. Counters follow
 * the lines of all slots. */
static int64_t sort_words(const job *j) { return (j->exact ? 2 : 3) * j->lines.size; }

static tn_ordering ordering_of(const job *j, int64_t slot) {
  const int64_t n = j->lines.size, held = j->line < 0 ? j->slots : 1;
  uint64_t *packed = j->scratch + slot * sort_words(j);
  uint64_t *counts = j->scratch + held * sort_words(j) + slot * TN_DIGITS;
  return (tn_ordering){.pool = j->pool, .n = n, .slots = j->line < 0 ? 1 : j->slots,
                       .key_bits = key_bits(j), .keys = j->exact ? packed : packed + 2 * n,
                       .packed = packed, .spare = packed + n,
                       .counts = (int64_t *)(void *)counts};
}

/* Some short lines at once, up to TN_COLUMNS of them, each in a column of its own. */
static void sort_short(const job *j, const tn_ordering *o, int64_t line, int64_t lines) {
  const int64_t n = j->lines.size;
  const int low = tn__order_bits(n);
  uint64_t rows[TN_SHORT_LINE * TN_COLUMNS];
  int64_t size = 1;
  while (size < n) size *= 2;
  memset(rows, 0xff, (size_t)(size * TN_COLUMNS) * sizeof *rows);
  for (int64_t k = 0; k < lines; k++) {
    tn__keys(o->keys, place_of(j, line + k).x, j->dtype, n, j->lines.inner, j->descending);
    for (int64_t i = 0; i < n; i++) rows[i * TN_COLUMNS + k] = o->keys[i] << low | (uint64_t)i;
  }
  TN_ISA_PICK(&tn__sort_kernels)->sort_columns(size, rows);
  for (int64_t k = 0; k < lines; k++) {
    for (int64_t i = 0; i < j->k; i++) o->packed[i] = rows[i * TN_COLUMNS + k];
    emit(j, line + k, o->packed, low, NULL, 0, j->k);
  }
}

static void sort_slots(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t lines = j->lines.outer * j->lines.inner, n = j->lines.size;
  for (int64_t slot = begin; slot < end; slot++) {
    const tn_ordering o = ordering_of(j, slot);
    const int64_t last = lines * (slot + 1) / j->slots;
    int64_t line = lines * slot / j->slots;
    while (j->exact && n <= TN_SHORT_LINE && last - line > 1) {
      const int64_t some = last - line < TN_COLUMNS ? last - line : TN_COLUMNS;
      sort_short(j, &o, line, some);
      line += some;
    }
    for (; line < last; line++) {
      tn__keys(o.keys, place_of(j, line).x, j->dtype, n, j->lines.inner, j->descending);
      emit(j, line, tn__order(&o), tn__order_bits(n), NULL, 0, j->k);
    }
  }
}

static void key_pieces(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t step = j->lines.inner;
  const tn_ordering o = ordering_of(j, 0);
  tn__keys(o.keys + begin, place_of(j, j->line).x + begin * step * (key_bits(j) / 8), j->dtype,
           end - begin, step, j->descending);
}

static void emit_pieces(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  emit(j, j->line, j->order, tn__order_bits(j->lines.size), NULL, begin, end);
}

static void sort_shared(job *j) {
  const tn_ordering o = ordering_of(j, 0);
  tn__pool_run(j->pool, j->lines.size, TN_GRAIN, key_pieces, j);
  j->order = tn__order(&o);
  tn__pool_run(j->pool, j->k, TN_GRAIN, emit_pieces, j);
}

/* -- The first k ------------------------------------------------------------------------------- */

enum { BLOCK = 1024 }; /* elements whose keys are made at once */

/* Where the best k of each piece are kept, with their positions: first those of all slots, then
 * room to order them. */
typedef struct {
  uint64_t *block, *buffer; /* BLOCK; candidates: buffer_size */
  uint64_t *keys, *packed, *spare;
  int64_t *at, *counts;
} select_room;

static int64_t buffer_size(const job *j) { return 2 * j->k + 64; }

static int64_t select_words(const job *j) { return BLOCK + buffer_size(j) + TN_DIGITS; }

static select_room room_of(const job *j, int64_t slot) {
  const int64_t all = j->slots * j->k;
  uint64_t *own = j->scratch + slot * select_words(j);
  uint64_t *kept = j->scratch + j->slots * select_words(j) + slot * j->k;
  return (select_room){.block = own, .buffer = own + BLOCK,
                       .counts = (int64_t *)(void *)(own + BLOCK + buffer_size(j)),
                       .keys = kept, .packed = kept + all, .spare = kept + 2 * all,
                       .at = (int64_t *)(void *)(kept + 3 * all)};
}

/* A limit: the first k keys are those below it, and the first `ties` of those that equal it. */
typedef struct {
  uint64_t key;
  int64_t ties, held; /* candidates in the buffer */
  bool found;         /* false: there have been less than k */
  int64_t wanted;     /* k */
} limit;

/* Of the candidates only the best k stay; what comes later must be below the last of them. */
static void prune(limit *l, uint64_t *buffer, int64_t k) {
  if (l->held < k) return;
  l->key = tn__quickselect(buffer, l->held, k - 1);
  l->held = l->ties = k;
  for (int64_t i = 0; i < k; i++) l->ties -= buffer[i] < l->key;
  l->wanted = k;
  l->found = true;
}

static void add_candidates(limit *l, uint64_t *buffer, int64_t size, int64_t k,
                           const uint64_t *keys, int64_t n) {
  while (n > 0) {
    if (l->held > size - (k + 64) / 2) prune(l, buffer, k);
    const int64_t some = n < size - l->held ? n : size - l->held;
    if (!l->found) {
      memcpy(buffer + l->held, keys, (size_t)some * sizeof *keys);
      l->held += some;
    } else {
      const tn_sort_kernels *kernels = TN_ISA_PICK(&tn__sort_kernels);
      for (int64_t i = 0; l->key > 0; i++) {
        i += kernels->first_within(some - i, keys + i, l->key - 1);
        if (i == some) break;
        buffer[l->held++] = keys[i];
      }
    }
    keys += some;
    n -= some;
  }
}

/* Appends the keys within the limit and their positions, which are `at`, or count from `first`. */
static int64_t keep_within(limit *l, select_room *r, int64_t kept, const uint64_t *keys,
                           const int64_t *at, int64_t first, int64_t n) {
  const tn_sort_kernels *kernels = TN_ISA_PICK(&tn__sort_kernels);
  const int64_t most = l->found ? l->wanted : INT64_MAX;
  for (int64_t i = 0; kept < most; i++) {
    uint64_t highest = l->found ? l->key : UINT64_MAX;
    if (l->found && l->ties == 0 && highest-- == 0) break;
    i += kernels->first_within(n - i, keys + i, highest);
    if (i == n) break;
    if (l->found && keys[i] == l->key) l->ties--;
    r->keys[kept] = keys[i];
    r->at[kept++] = at != NULL ? at[i] : first + i;
  }
  return kept;
}

/* Keeps the first k of elements begin to end of a line; returns how many there are. */
static int64_t select_piece(const job *j, int64_t line, int64_t begin, int64_t end,
                            select_room *r) {
  const int64_t step = j->lines.inner, pitch = step * (key_bits(j) / 8);
  const char *x = place_of(j, line).x;
  limit l = {0};
  int64_t kept = 0;
  for (int64_t i = begin; i < end; i += BLOCK) {
    const int64_t n = end - i < BLOCK ? end - i : BLOCK;
    tn__keys(r->block, x + i * pitch, j->dtype, n, step, j->descending);
    add_candidates(&l, r->buffer, buffer_size(j), j->k, r->block, n);
  }
  prune(&l, r->buffer, j->k);
  for (int64_t i = begin; i < end; i += BLOCK) {
    const int64_t n = end - i < BLOCK ? end - i : BLOCK;
    if (end - begin > BLOCK) { /* else the keys are still there */
      tn__keys(r->block, x + i * pitch, j->dtype, n, step, j->descending);
    }
    kept = keep_within(&l, r, kept, r->block, NULL, i, n);
  }
  return kept;
}

static void emit_kept(const job *j, int64_t line, const select_room *r) {
  const tn_ordering o = {.n = j->k, .slots = 1, .key_bits = key_bits(j), .keys = r->keys,
                         .packed = r->packed, .spare = r->spare, .counts = r->counts};
  emit(j, line, tn__order(&o), tn__order_bits(j->k), r->at, 0, j->k);
}

static void select_slots(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  const int64_t lines = j->lines.outer * j->lines.inner, n = j->lines.size;
  for (int64_t slot = begin; slot < end; slot++) {
    select_room r = room_of(j, slot);
    if (j->line >= 0) { /* each piece has k elements or more */
      select_piece(j, j->line, n * slot / j->slots, n * (slot + 1) / j->slots, &r);
      continue;
    }
    const int64_t last = lines * (slot + 1) / j->slots;
    for (int64_t line = lines * slot / j->slots; line < last; line++) {
      select_piece(j, line, 0, n, &r);
      emit_kept(j, line, &r);
    }
  }
}

/* The pieces' best lie one after another, so those of the line can be kept in place. */
static void select_shared(job *j) {
  const int64_t all = j->slots * j->k, size = buffer_size(j);
  select_room r = room_of(j, 0);
  limit l = {0};
  tn__pool_run(j->pool, j->slots, 1, select_slots, j);
  add_candidates(&l, r.buffer, size, j->k, r.keys, all);
  prune(&l, r.buffer, j->k);
  keep_within(&l, &r, 0, r.keys, r.at, 0, all);
  emit_kept(j, j->line, &r);
}

/* -- All lines --------------------------------------------------------------------------------- */

static tn_status sort_lines(tn_call *call, job *j) {
  tn_ctx *ctx = call->ctx;
  const int64_t lines = j->lines.outer * j->lines.inner, size = j->lines.size;
  const int64_t threads = tn__pool_threads(ctx->pool);
  const bool few = j->k < size / 8, shared = lines < threads && size >= 2 * TN_GRAIN;
  tn_tensor *scratch;
  j->pool = ctx->pool;
  j->base = ctx->index_base;
  j->exact = tn__order_exact(size, key_bits(j));
  j->slots = lines * size < TN_GRAIN / 4 ? 1 : threads;
  if (shared && j->slots > size / (2 * j->k)) j->slots = few ? size / (2 * j->k) : j->slots;
  if (!shared && j->slots > lines) j->slots = lines;
  const int64_t words = few ? j->slots * (select_words(j) + 4 * j->k)
                            : (shared ? 1 : j->slots) * sort_words(j) + j->slots * TN_DIGITS;
  tn_status s = tn_tensor_new(ctx, &scratch, TN_I64, 1, &words);
  if (s != TN_OK) return s;
  j->scratch = (uint64_t *)(void *)tn__data(scratch);
  j->line = -1;
  if (!shared) tn__pool_run(ctx->pool, j->slots, 1, few ? select_slots : sort_slots, j);
  for (int64_t line = 0; shared && line < lines; line++) {
    j->line = line;
    if (few) select_shared(j);
    else sort_shared(j);
  }
  tn_tensor_release(scratch);
  return TN_OK;
}

static tn_status sort_into(tn_call *call, bool descending, int64_t k) {
  tn_tensor *x = NULL, *values = NULL, *indices = NULL;
  tn_dtype dtype = (tn_dtype)call->in[0]->dtype;
  tn_status s = tn__contiguous_of(call->ctx, &x, call->in[0], dtype);
  if (s == TN_OK) s = tn__result_begin(call, 0, dtype, &values);
  if (s == TN_OK) s = tn__result_begin(call, 1, TN_I64, &indices);
  if (s == TN_OK && tn__numel(values) > 0) {
    job j = {.lines = tn__lines(x, call->dim), .k = k, .dtype = dtype, .descending = descending,
             .x = tn__data(x), .values = tn__data(values),
             .indices = (int64_t *)(void *)tn__data(indices)};
    s = sort_lines(call, &j);
  }
  s = tn__result_end(call, 0, values, s);
  s = tn__result_end(call, 1, indices, s);
  tn_tensor_release(x);
  return s;
}

static tn_status scatter_back(tn_grad_call *g, int64_t dim) {
  tn_eval e = tn__eval_begin(g->ctx);
  tn_attrs attrs = {.i = {dim}, .ni = 1};
  tn_tensor *in[3] = {tn__zeros(&e, &g->meta[0]), g->out[1], g->dout[0]};
  g->din[0] = tn__keep(&e, tn__do_into(&e, TN_OP_scatter_add, &attrs, 3, in));
  return tn__eval_end(&e);
}

/* -- sort: attrs i[0] the dimension, i[1] descending ------------------------------------------- */

static tn_status sort_shape(tn_call *call) {
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return tn__call_dim(call, 0, -1);
}

static tn_status sort_run(tn_call *call) {
  return sort_into(call, tn__int(call->attrs, 1, 0) != 0, call->in[0]->sizes[call->dim]);
}

static tn_status sort_grad(tn_grad_call *g) { return scatter_back(g, tn__int(g->attrs, 0, -1)); }

const tn_op tn__op_sort = {
    .name = "sort", .lua = "sort", .args = "T x; d? dim; b descending=0", .convention = 'C',
    .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2, .fixed = 2, .low = -2,
    .high = 2, .shape = sort_shape, .run = sort_run, .grad = sort_grad,
    .doc = "x sorted along a dimension, the last one unless another is named, and the indices "
           "that the elements had."};

/* -- topk: attrs i[0] k, i[1] the dimension, i[2] largest, i[3] sorted, which it always is ----- */

static tn_status topk_shape(tn_call *call) {
  int64_t k = tn__int(call->attrs, 0, 0);
  tn_status s = tn__call_dim(call, 1, -1);
  if (s != TN_OK) return s;
  int64_t size = call->in[0]->sizes[call->dim];
  if (k < 0 || k > size) {
    return tn_fail(call->ctx, TN_EINDEX, "%lld elements are out of range: dimension %d has %lld",
                   (long long)k, call->dim + call->ctx->index_base, (long long)size);
  }
  tn__meta_of(&call->meta[0], call->in[0]);
  call->meta[0].sizes[call->dim] = k;
  call->meta[1] = call->meta[0];
  call->meta[1].dtype = TN_I64;
  return TN_OK;
}

static tn_status topk_run(tn_call *call) {
  return sort_into(call, tn__int(call->attrs, 2, 0) != 0, call->attrs->i[0]);
}

static tn_status topk_grad(tn_grad_call *g) { return scatter_back(g, tn__int(g->attrs, 1, -1)); }

const tn_op tn__op_topk = {
    .name = "topk", .lua = "topk", .args = "T x; i k; d? dim; b largest=0; b sorted=1",
    .convention = 'C', .flags = TN_FLOATS | TN_INTEGERS, .nout = 2, .saves = TN_SAVE_Y2,
    .fixed = 2, .low = -2, .high = 2, .shape = topk_shape, .run = topk_run, .grad = topk_grad,
    .onnx = "TopK",
    .doc = "The k smallest elements along a dimension in order, or the k largest, and their "
           "indices."};
