/* recurrent.c -- recurrent layers: how the work is divided, and what large products do of it.
 *
 * Rows of the batch are the tasks: a thread takes a few through all steps, and threads meet only
 * at the end. Where there are fewer rows than threads, and the weights are large, the units are
 * divided instead, and threads meet at each step.
 *
 * What was tried for an LSTM of 128 units and inputs, batch 50, 50 steps, one thread of 230 GFLOP/s:
 *   the products of a step alone by kernels of 6 x 64 on packed weights      190 GFLOP/s
 *   with the gates, which take a fifth of the time                           155
 *   5, 12, 25 or 50 rows a task instead of 6; panels fetched ahead           the same
 *   gates in one pass over the rows instead of three                         4 % slower
 *   the sigmoid of wide_math.h instead of the short one                      2 % slower
 *   all steps' x w_ih' as one product by oneDNN (185), then read again       slower: 10 MB to
 *     move a layer; it wins for few rows, where weights are read once for all steps
 * The gradients of the weights are one product each (oneDNN 165, built in 112). */
#include "recurrent.h"

#include <string.h>

#include "gemm.h"

/* Rows of one task, unless the weights do not fit into a second-level cache: then many rows share
 * what is fetched of them. */
#define TASK_ROWS 25
#define CACHED_BYTES (3 << 19)
/* From this many rows on the input's part of a step is multiplied along with the hidden state's;
 * fewer take all steps in one product, which reads the weights once. */
#define FUSED_ROWS 4
/* Rows, over all steps, for which packing the weights pays. */
#define PACKED_ROWS 8
/* Elements of the input's part of some steps that are made at a time. */
#define CHUNK_ELEMENTS (1 << 18)
/* Products of one step that are worth another thread. */
#define SPLIT_PRODUCTS 200000

typedef struct {
  int64_t (*panels)(const tn_recurrent *r, bool back);
  int64_t (*packed)(const tn_recurrent *r, bool back, int64_t k);
  void (*pack)(const tn_recurrent *r, bool back, int64_t k, const void *w, void *to, int64_t first,
               int64_t last);
  void (*bias)(const tn_recurrent *r, const void *b_ih, const void *b_hh, void *to);
  void (*forward)(const tn_recurrent *r, const tn_recurrent_part *p);
  void (*backward)(const tn_recurrent *r, const tn_recurrent_part *p);
  void (*start)(const tn_recurrent *r, const tn_recurrent_part *p);
} kernels;

#define KERNELS(suffix)                                                                           \
  (kernels) {                                                                                     \
    TN_ISA_PICK(tn__recurrent_panels_##suffix), TN_ISA_PICK(tn__recurrent_packed_##suffix),       \
      TN_ISA_PICK(tn__recurrent_pack_##suffix), TN_ISA_PICK(tn__recurrent_bias_##suffix),         \
      TN_ISA_PICK(tn__recurrent_forward_##suffix), TN_ISA_PICK(tn__recurrent_backward_##suffix),  \
      TN_ISA_PICK(tn__recurrent_start_##suffix)                                                   \
  }

static kernels kernels_of(const tn_recurrent_layer *l) {
  return l->f64 ? KERNELS(f64) : KERNELS(f32);
}

static int64_t item(const tn_recurrent_layer *l) { return l->f64 ? 8 : 4; }

static char *at(const tn_recurrent_layer *l, const void *base, int64_t index) {
  return (char *)base + index * item(l);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t rounded(int64_t elements) { return (elements + 15) / 16 * 16; }

/* -- Dividing ---------------------------------------------------------------------------------- */

typedef struct {
  const tn_recurrent *r;
  void (*run)(const tn_recurrent *r, const tn_recurrent_part *p);
  tn_recurrent_part whole;
  int64_t tasks;
  char *dbias; /* of each task's rows */
  int64_t dbias_each;
} job;

static void run_rows(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  tn_recurrent_part p = j->whole;
  for (int64_t i = begin; i < end; i++) {
    p.row = j->whole.rows * i / j->tasks;
    p.rows = j->whole.rows * (i + 1) / j->tasks - p.row;
    p.dbias = j->dbias + i * j->dbias_each;
    j->run(j->r, &p);
  }
}

static void run_panels(void *arg, int64_t begin, int64_t end) {
  const job *j = arg;
  tn_recurrent_part p = j->whole;
  p.dbias = j->dbias;
  p.panel = begin;
  p.panels = end - begin;
  j->run(j->r, &p);
}

/* Tasks that the rows of the batch are divided into: as many for each thread. */
static int64_t row_tasks(const tn_recurrent_layer *l, int64_t weights) {
  const int64_t threads = tn__pool_inside() ? 1 : tn__pool_threads(l->pool), batch = l->r.batch;
  const bool cached = weights * item(l) <= CACHED_BYTES;
  const int64_t rows = cached ? TASK_ROWS : most(1, least(TN_RECURRENT_ROWS, batch / threads));
  int64_t tasks = most(1, (batch + rows - 1) / rows);
  if (threads > 1) tasks = (tasks + threads - 1) / threads * threads;
  return least(tasks, batch);
}

/* Steps [from, to), in the order in which they are made, or back. */
static void steps(const tn_recurrent_layer *l, job *j, int64_t from, int64_t to, int64_t panels,
                  bool back) {
  const tn_recurrent *r = &l->r;
  const int64_t threads = tn__pool_inside() ? 1 : tn__pool_threads(l->pool);
  const double products = (double)r->batch * (double)r->hidden * (double)r->hidden *
                          tn__recurrent_gates(r->kind);
  j->whole.rows = r->batch;
  j->whole.panels = panels;
  if (r->batch < threads && r->batch <= TN_RECURRENT_ROWS && panels > 1 && products >= SPLIT_PRODUCTS) {
    j->whole.steps = 1;
    for (int64_t k = 0; k < to - from; k++) {
      j->whole.step = back ? to - 1 - k : from + k;
      tn__pool_run(l->pool, panels, 1, run_panels, j);
    }
    return;
  }
  j->whole.step = from;
  j->whole.steps = to - from;
  const double each = products * (double)(to - from) / (double)j->tasks;
  tn__pool_run(l->pool, j->tasks, each < SPLIT_PRODUCTS ? (int64_t)(SPLIT_PRODUCTS / (each + 1)) + 1
                                                       : 1, run_rows, j);
}

typedef struct {
  const tn_recurrent_layer *l;
  const kernels *kernels;
  bool back;
  int64_t k;
  const void *w;
  void *to;
} pack_job;

static void pack_panels(void *arg, int64_t begin, int64_t end) {
  const pack_job *j = arg;
  j->kernels->pack(&j->l->r, j->back, j->k, j->w, j->to, begin, end);
}

static void pack(const tn_recurrent_layer *l, const kernels *k, bool back, int64_t columns,
                 const void *w, void *to) {
  pack_job j = {l, k, back, columns, w, to};
  tn__pool_run(l->pool, k->panels(&l->r, back), 1, pack_panels, &j);
}

/* C (m, n), rows ldc apart, = op(A) op(B), or added to it. */
static bool multiply(const tn_recurrent_layer *l, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                     const void *a, int64_t lda, const void *b, int64_t ldb, bool add, void *c,
                     int64_t ldc) {
  lda = most(lda, 1), ldb = most(ldb, 1), ldc = most(ldc, 1);
  if (l->f64) return tn__dgemm(l->pool, ta, tb, m, n, k, 1, a, lda, b, ldb, add, c, ldc) == 0;
  return tn__sgemm(l->pool, ta, tb, m, n, k, 1, a, lda, b, ldb, add, c, ldc) == 0;
}

/* -- The way there ----------------------------------------------------------------------------- */

typedef struct {
  bool fused, packed;
  int64_t w_in, w_hidden, bias, chunk; /* elements of the workspace */
  int64_t steps;                       /* of one chunk */
} plan;

static plan plan_of(const tn_recurrent_layer *l, const kernels *k) {
  const tn_recurrent *r = &l->r;
  const int kept = tn__recurrent_kept(r->kind);
  plan p = {.packed = r->time * r->batch >= PACKED_ROWS || r->lengths != NULL};
  p.w_in = rounded(k->packed(r, false, r->in));
  p.w_hidden = p.packed ? rounded(k->packed(r, false, r->hidden)) : 0;
  p.fused = p.packed && r->batch >= FUSED_ROWS && (p.w_in + p.w_hidden) * item(l) <= CACHED_BYTES;
  if (!p.fused) p.w_in = 0;
  p.bias = rounded(k->panels(r, false) * 64);
  p.steps = most(1, least(r->time, CHUNK_ELEMENTS / most(1, r->batch * kept * r->hidden)));
  if (p.fused) p.steps = r->time;
  else if (!r->keep || r->gates == NULL) p.chunk = rounded(p.steps * r->batch * kept * r->hidden);
  return p;
}

/* The input's part of what goes into the gates of steps [from, to). */
static bool sum_inputs(tn_recurrent_layer *l, int64_t from, int64_t to) {
  const tn_recurrent *r = &l->r;
  const int64_t first = r->reverse ? r->time - to : from, kept = tn__recurrent_kept(r->kind);
  return multiply(l, false, true, (to - from) * r->batch, tn__recurrent_gates(r->kind) * r->hidden,
                  r->in, at(l, r->x, first * r->batch * r->in), r->in, l->w_ih, r->in, false,
                  at(l, r->gates, (first - r->origin) * r->batch * kept * r->hidden),
                  kept * r->hidden);
}

/* The hidden state's part of one step, for few rows: the weights are read once, as they are. */
static bool add_hidden(tn_recurrent_layer *l, int64_t step) {
  const tn_recurrent *r = &l->r;
  const int64_t t = r->reverse ? r->time - 1 - step : step, before = r->reverse ? t + 1 : t - 1;
  const int64_t kept = tn__recurrent_kept(r->kind), hidden = r->hidden;
  const void *h = step == 0 ? r->h0 : at(l, r->out, before * r->batch * hidden);
  char *gates = at(l, r->gates, (t - r->origin) * r->batch * kept * hidden);
  const int64_t parts = r->kind == TN_GRU ? 2 : tn__recurrent_gates(r->kind);
  bool ok = multiply(l, false, true, r->batch, parts * hidden, hidden, h, hidden, l->w_hh, hidden,
                     true, gates, kept * hidden);
  if (!ok || r->kind != TN_GRU) return ok;
  return multiply(l, false, true, r->batch, hidden, hidden, h, hidden,
                  at(l, l->w_hh, 2 * hidden * hidden), hidden, false, at(l, gates, 3 * hidden),
                  kept * hidden);
}

int64_t tn__recurrent_work(const tn_recurrent_layer *l, bool back) {
  const kernels k = kernels_of(l);
  const tn_recurrent *r = &l->r;
  if (!back) {
    const plan p = plan_of(l, &k);
    return p.w_in + p.w_hidden + p.bias + p.chunk;
  }
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  const int64_t weights = rounded(k.packed(r, true, tn__recurrent_gates(r->kind) * r->hidden));
  return weights + rounded(kept) * row_tasks(l, weights) + rounded(kept * r->batch);
}

bool tn__recurrent_run(tn_recurrent_layer *l) {
  const kernels k = kernels_of(l);
  tn_recurrent *r = &l->r;
  const plan p = plan_of(l, &k);
  char *work = l->work;
  const bool own = p.chunk > 0;
  r->bias = work;
  k.bias(r, l->b_ih, l->b_hh, work);
  work = at(l, work, p.bias);
  r->w_in = r->w_hidden = NULL;
  if (p.fused) {
    pack(l, &k, false, r->in, l->w_ih, work);
    r->w_in = work;
    work = at(l, work, p.w_in);
  }
  if (p.packed) {
    pack(l, &k, false, r->hidden, l->w_hh, work);
    r->w_hidden = work;
    work = at(l, work, p.w_hidden);
  }
  if (own) r->gates = work;
  r->summed = !p.fused;
  job j = {.r = r, .run = k.forward, .tasks = row_tasks(l, p.w_in + p.w_hidden)};
  bool ok = true;
  for (int64_t from = 0; ok && from < r->time; from += p.steps) {
    const int64_t to = least(r->time, from + p.steps);
    if (own) r->origin = r->reverse ? r->time - to : from;
    if (!p.fused) ok = sum_inputs(l, from, to);
    if (ok && p.packed) steps(l, &j, from, to, k.panels(r, false), false);
    for (int64_t step = from; ok && !p.packed && step < to; step++) {
      ok = add_hidden(l, step);
      if (ok) steps(l, &j, step, step + 1, k.panels(r, false), false);
    }
  }
  return ok;
}

/* -- The way back ------------------------------------------------------------------------------ */

/* dw (some rows of it) = what went into these gates, turned, times the hidden states before. */
static bool hidden_weights(tn_recurrent_layer *l, int64_t gate, int64_t row, int64_t rows,
                           char *firsts) {
  const tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, kept = tn__recurrent_kept(r->kind) * hidden;
  const int64_t many = (r->time - 1) * r->batch, later = r->reverse ? 0 : r->batch;
  char *to = at(l, l->dw_hh, row * hidden);
  const char *first = at(l, firsts, gate);
  bool ok = multiply(l, true, false, rows, hidden, many,
                     at(l, r->dgates, later * kept + gate), kept,
                     at(l, r->out, (r->reverse ? r->batch : 0) * hidden), hidden, l->add_hh, to,
                     hidden);
  return ok && multiply(l, true, false, rows, hidden, r->batch, first, kept, r->h0, hidden, true, to,
                        hidden);
}

/* What went into the gates of each row's first step, one row after the other. */
static char *first_steps(const tn_recurrent_layer *l, char *room) {
  const tn_recurrent *r = &l->r;
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  if (!r->reverse) return r->dgates;
  for (int64_t b = 0; b < r->batch; b++) {
    const int64_t t = (r->lengths != NULL ? r->lengths[b] : r->time) - 1;
    memcpy(at(l, room, b * kept), at(l, r->dgates, (t * r->batch + b) * kept),
           (size_t)(kept * item(l)));
  }
  return room;
}

static bool weights_back(tn_recurrent_layer *l, char *room) {
  const tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, kept = tn__recurrent_kept(r->kind) * hidden;
  const int64_t gates = tn__recurrent_gates(r->kind) * hidden, all = r->time * r->batch;
  bool ok = true;
  if (l->dw_hh != NULL) {
    char *firsts = first_steps(l, room);
    const int64_t together = r->kind == TN_GRU ? 2 * hidden : gates;
    ok = hidden_weights(l, 0, 0, together, firsts);
    if (ok && r->kind == TN_GRU) ok = hidden_weights(l, 3 * hidden, 2 * hidden, hidden, firsts);
  }
  if (ok && l->dw_ih != NULL) {
    ok = multiply(l, true, false, gates, r->in, all, r->dgates, kept, r->x, r->in, l->add_ih,
                  l->dw_ih, r->in);
  }
  if (ok && l->dx != NULL) {
    ok = multiply(l, false, false, all, r->in, gates, r->dgates, kept, l->w_ih, r->in, false, l->dx,
                  r->in);
  }
  return ok;
}

static void add_sums(const tn_recurrent_layer *l, const job *j, int64_t from, int64_t n, void *to) {
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t task = 0; task < j->tasks; task++) {
      const char *part = j->dbias + task * j->dbias_each;
      sum += l->f64 ? ((const double *)part)[from + i] : ((const float *)part)[from + i];
    }
    if (l->f64) ((double *)to)[i] = sum;
    else ((float *)to)[i] = (float)sum;
  }
}

bool tn__recurrent_run_back(tn_recurrent_layer *l) {
  const kernels k = kernels_of(l);
  tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, kept = tn__recurrent_kept(r->kind) * hidden;
  const int64_t gates = tn__recurrent_gates(r->kind) * hidden, panels = k.panels(r, true);
  const int64_t weights = rounded(k.packed(r, true, gates));
  pack(l, &k, true, gates, l->w_hh, l->work);
  r->w_hidden = l->work;
  job j = {.r = r, .run = k.backward, .tasks = row_tasks(l, weights),
           .dbias = at(l, l->work, weights), .dbias_each = rounded(kept) * item(l)};
  memset(j.dbias, 0, (size_t)(j.tasks * j.dbias_each));
  steps(l, &j, 0, r->time, panels, true);
  if (r->dh0 != NULL) {
    job last = j;
    last.run = k.start;
    last.whole.rows = r->batch;
    last.whole.panels = panels;
    tn__pool_run(l->pool, last.tasks, 1, run_rows, &last);
  }
  if (l->db_ih != NULL) add_sums(l, &j, 0, gates, l->db_ih);
  if (l->db_hh != NULL && r->kind == TN_GRU) {
    add_sums(l, &j, 0, 2 * hidden, l->db_hh);
    add_sums(l, &j, 3 * hidden, hidden, at(l, l->db_hh, 2 * hidden));
  } else if (l->db_hh != NULL) {
    add_sums(l, &j, 0, gates, l->db_hh);
  }
  return weights_back(l, j.dbias + j.tasks * j.dbias_each);
}
