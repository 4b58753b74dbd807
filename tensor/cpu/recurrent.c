/* recurrent.c -- recurrent layers: how the work is divided, and what large products do of it.
 *
 * Rows of the batch are the tasks: a thread takes a few through all steps, and threads meet only
 * at the end. Where there are fewer rows than threads, and the weights are large, the units are
 * divided instead, and threads meet at each step.
 *
 * What was tried for an LSTM of 128 units and inputs, batch 50, 50 steps, in GFLOP/s of one thread
 * on a core of 230 that others used too (best of many; differences below 3 % tell nothing):
 *   the way there, the products alone (6 x 64 in registers, packed weights)    190
 *   the way there: tasks of 6 rows 140, of 25 rows 129; panels fetched ahead: the same; the gates
 *     of a block in one pass instead of several: 3 % slower; a shorter sigmoid: the same; the
 *     input's part of all steps as one product by oneDNN, then added: 2 % slower
 *   the way back, its products alone 207; with the gates                       126
 *   all of the way back: by some steps at a time 130, by 20 at a time 115, by all 126
 *   gradients of weights by kernels like those here instead of oneDNN's: the same
 * On a core whose vectors of 512 bits take two turns (Zen 4: products alone 112), the same layer,
 * processor time of one thread: the way there 89, the way back 98; tiles and oneDNN's products run
 * at that limit, and what is left are the gates, a fifth of the way there, an eighth of the way
 * back. Only less work is faster there: see the layers without w_ih.
 */
#include "recurrent.h"

#include <string.h>

#include "gemm.h"
#include "isa/gemm_kernel.h"
#include "prepared.h"

/* Rows of one task, unless the weights do not fit into a second-level cache: then many rows share
 * what is fetched of them. */
#define TASK_ROWS 6
#define CACHED_BYTES (3 << 19)
/* From this many rows on the input's part of a step is multiplied along with the hidden state's;
 * fewer take all steps in one product, which reads the weights once. */
#define FUSED_ROWS 4
/* Rows, over all steps, for which packing the weights pays. */
#define PACKED_ROWS 8
/* Elements of the input's part of some steps that are made at a time. */
#define CHUNK_ELEMENTS (1 << 18)
/* Rows of the products that add to the weights' gradients, at least, where there are as many. */
#define CHUNK_ROWS 384
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
  const bool few = r->batch < threads && r->batch <= TN_RECURRENT_ROWS && panels > 1;
  if (few && products >= SPLIT_PRODUCTS) {
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

/* The same for the way there: kept with the weights where it can be, else in `*work`, of which it
 * takes `room` elements. *kept is to be put back. */
static const void *packed(const tn_recurrent_layer *l, const kernels *k, tn_storage *keep,
                          int64_t columns, const void *w, int64_t room, char **work,
                          tn_prepared **kept) {
  static const char maker;
  const tn_recurrent *r = &l->r;
  const int64_t key[3] = {r->kind, r->hidden, columns};
  *kept = tn__prepared_take(keep, &maker, w, key, (size_t)(room * item(l)));
  void *to = *kept != NULL ? (*kept)->data : *work;
  if (*kept == NULL || (*kept)->fresh) pack(l, k, false, columns, w, to);
  if (*kept == NULL) *work = at(l, *work, room);
  return to;
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
  const bool cached = (p.w_in + p.w_hidden) * item(l) <= CACHED_BYTES;
  p.fused = l->w_ih != NULL && p.packed && r->batch >= FUSED_ROWS && cached;
  if (!p.fused) p.w_in = 0;
  p.bias = rounded(k->panels(r, false) * 64);
  p.steps = most(1, least(r->time, CHUNK_ELEMENTS / most(1, r->batch * kept * r->hidden)));
  if (p.fused || (l->w_ih == NULL && p.packed)) p.steps = r->time;
  else if (!r->keep || r->gates == NULL) p.chunk = rounded(p.steps * r->batch * kept * r->hidden);
  return p;
}

/* The first `columns` of rows that are `step` apart, to rows that are `to_step` apart. */
static void copy_rows(const tn_recurrent_layer *l, int64_t rows, int64_t columns, const void *from,
                      int64_t step, void *to, int64_t to_step) {
  if (step == columns && to_step == columns) {
    memcpy(to, from, (size_t)(rows * columns * item(l)));
    return;
  }
  for (int64_t i = 0; i < rows; i++) {
    memcpy(at(l, to, i * to_step), at(l, from, i * step), (size_t)(columns * item(l)));
  }
}

/* The input's part of what goes into the gates of steps [from, to). */
static bool sum_inputs(tn_recurrent_layer *l, int64_t from, int64_t to) {
  const tn_recurrent *r = &l->r;
  const int64_t first = r->reverse ? r->time - to : from, kept = tn__recurrent_kept(r->kind);
  if (l->w_ih == NULL) {
    const int64_t all = tn__recurrent_gates(r->kind) * r->hidden;
    copy_rows(l, (to - from) * r->batch, all, at(l, r->x, first * r->batch * all), all,
              at(l, r->gates, (first - r->origin) * r->batch * kept * r->hidden), kept * r->hidden);
    return true;
  }
  const int64_t rows = (to - from) * r->batch, all = tn__recurrent_gates(r->kind) * r->hidden;
  tn_gemm g = {.tb = true, .m = rows, .n = all, .k = r->in, .alpha = 1,
               .a = at(l, r->x, first * r->batch * r->in), .lda = r->in, .b = l->w_ih,
               .ldb = r->in, .ldc = kept * r->hidden,
               .c = at(l, r->gates, (first - r->origin) * r->batch * kept * r->hidden)};
  tn_prepared *p = tn__prepared_panels(l->keep_ih, &g, (size_t)item(l));
  g.panels = p != NULL ? p->data : NULL;
  const bool ok = tn__gemm_run(l->pool, &g, (size_t)item(l)) == 0;
  tn__prepared_put(l->keep_ih, p);
  return ok;
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
  tn_prepared *kept_in = NULL, *kept_hidden = NULL;
  if (p.fused) r->w_in = packed(l, &k, l->keep_ih, r->in, l->w_ih, p.w_in, &work, &kept_in);
  if (p.packed) {
    r->w_hidden = packed(l, &k, l->keep_hh, r->hidden, l->w_hh, p.w_hidden, &work, &kept_hidden);
  }
  if (own) r->gates = work;
  r->summed = !p.fused;
  r->sums = l->w_ih == NULL && p.packed ? r->x : NULL;
  job j = {.r = r, .run = k.forward, .tasks = row_tasks(l, p.w_in + p.w_hidden)};
  bool ok = true;
  for (int64_t from = 0; ok && from < r->time; from += p.steps) {
    const int64_t to = least(r->time, from + p.steps);
    if (own) r->origin = r->reverse ? r->time - to : from;
    if (!p.fused && r->sums == NULL) ok = sum_inputs(l, from, to);
    if (ok && p.packed) steps(l, &j, from, to, k.panels(r, false), false);
    for (int64_t step = from; ok && !p.packed && step < to; step++) {
      ok = add_hidden(l, step);
      if (ok) steps(l, &j, step, step + 1, k.panels(r, false), false);
    }
  }
  tn__prepared_put(l->keep_ih, kept_in);
  tn__prepared_put(l->keep_hh, kept_hidden);
  return ok;
}

/* -- The way back ------------------------------------------------------------------------------ */

/* Some steps at a time: then what goes into their gates is still in the second-level cache when the
 * gradients of the weights read it. Not so where these gradients are too large to be added to so
 * often, or the products would be of few rows. */
static int64_t back_steps(const tn_recurrent_layer *l) {
  const tn_recurrent *r = &l->r;
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  if (kept * (r->hidden + r->in) > CHUNK_ELEMENTS) return r->time;
  const int64_t steps = most(CHUNK_ELEMENTS / (r->batch * kept), CHUNK_ROWS / r->batch);
  return least(r->time, most(steps, 1));
}

typedef struct {
  int64_t weights, dbias, dgates, firsts; /* elements of the workspace */
  int64_t tasks, steps;
  bool whole; /* the gradient of x is what went into all gates */
} back_plan;

static back_plan back_plan_of(const tn_recurrent_layer *l, const kernels *k) {
  const tn_recurrent *r = &l->r;
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  back_plan p = {.steps = back_steps(l)};
  p.whole = l->w_ih == NULL && l->dx != NULL && r->kind != TN_GRU;
  p.weights = rounded(k->packed(r, true, tn__recurrent_gates(r->kind) * r->hidden));
  p.tasks = row_tasks(l, p.weights);
  p.dbias = rounded(kept) * p.tasks;
  /* and those of the step made after them */
  p.dgates = p.whole ? 0 : rounded((p.steps + 1) * r->batch * kept);
  p.firsts = rounded(r->batch * kept);
  return p;
}

int64_t tn__recurrent_work(const tn_recurrent_layer *l, bool back) {
  const kernels k = kernels_of(l);
  if (!back) {
    const plan p = plan_of(l, &k);
    return p.w_in + p.w_hidden + p.bias + p.chunk;
  }
  const back_plan p = back_plan_of(l, &k);
  return p.weights + p.dbias + p.dgates + p.firsts;
}

static char *dgates_of(const tn_recurrent_layer *l, int64_t t) {
  const tn_recurrent *r = &l->r;
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  return at(l, r->dgates, (t - r->back_origin) * r->batch * kept);
}

/* dw (`rows` rows of it, from `row` on) += what went into these gates, from `gate` on, of steps
 * [first, last), turned, times the hidden states before. */
static bool hidden_rows(tn_recurrent_layer *l, int64_t gate, int64_t row, int64_t rows,
                        int64_t first, int64_t last) {
  const tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, kept = tn__recurrent_kept(r->kind) * hidden;
  const int64_t before = r->reverse ? first + 1 : first - 1;
  return multiply(l, true, false, rows, hidden, (last - first) * r->batch,
                  at(l, dgates_of(l, first), gate), kept, at(l, r->out, before * r->batch * hidden),
                  hidden, l->add_hh, at(l, l->dw_hh, row * hidden), hidden);
}

/* The same, of a GRU in two parts. The first step that was made has its states from elsewhere. */
static bool hidden_weights(tn_recurrent_layer *l, int64_t first, int64_t last) {
  const tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, gates = tn__recurrent_gates(r->kind) * hidden;
  const bool gru = r->kind == TN_GRU;
  if (!r->reverse && first == 0) first = 1;
  if (r->reverse && last == r->time) last--;
  if (l->dw_hh == NULL || first >= last) return true;
  bool ok = hidden_rows(l, 0, 0, gru ? 2 * hidden : gates, first, last);
  if (ok && gru) ok = hidden_rows(l, 3 * hidden, 2 * hidden, hidden, first, last);
  l->add_hh = true;
  return ok;
}

static bool first_weights(tn_recurrent_layer *l) {
  const tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, kept = tn__recurrent_kept(r->kind) * hidden;
  const bool gru = r->kind == TN_GRU;
  if (l->dw_hh == NULL) return true;
  bool ok = multiply(l, true, false, gru ? 2 * hidden : kept, hidden, r->batch, r->firsts, kept,
                     r->h0, hidden, l->add_hh, l->dw_hh, hidden);
  return ok && (!gru || multiply(l, true, false, hidden, hidden, r->batch,
                                 at(l, r->firsts, 3 * hidden), kept, r->h0, hidden, l->add_hh,
                                 at(l, l->dw_hh, 2 * hidden * hidden), hidden));
}

static bool input_gradients(tn_recurrent_layer *l, int64_t first, int64_t last) {
  const tn_recurrent *r = &l->r;
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden, rows = (last - first) * r->batch;
  const int64_t gates = tn__recurrent_gates(r->kind) * r->hidden, from = first * r->batch * r->in;
  bool ok = true;
  if (l->w_ih == NULL) {
    if (l->dx != NULL && l->dx != r->dgates) {
      copy_rows(l, rows, gates, dgates_of(l, first), kept, at(l, l->dx, first * r->batch * gates),
                gates);
    }
    return true;
  }
  if (l->dw_ih != NULL) {
    ok = multiply(l, true, false, gates, r->in, rows, dgates_of(l, first), kept, at(l, r->x, from),
                  r->in, l->add_ih, l->dw_ih, r->in);
    l->add_ih = true;
  }
  if (ok && l->dx != NULL) {
    ok = multiply(l, false, false, rows, r->in, gates, dgates_of(l, first), kept, l->w_ih, r->in,
                  false, at(l, l->dx, from), r->in);
  }
  return ok;
}

/* Of steps [first, last), what went into the gates of each row's first one. */
static void keep_firsts(const tn_recurrent_layer *l, int64_t first, int64_t last) {
  const tn_recurrent *r = &l->r;
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  for (int64_t b = 0; b < r->batch; b++) {
    const int64_t end = r->lengths != NULL ? r->lengths[b] : r->time, t = r->reverse ? end - 1 : 0;
    if (t < first || t >= last) continue;
    memcpy(at(l, r->firsts, b * kept), at(l, dgates_of(l, t), b * kept), (size_t)(kept * item(l)));
  }
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

static void bias_gradients(const tn_recurrent_layer *l, const job *j) {
  const tn_recurrent *r = &l->r;
  const int64_t hidden = r->hidden, gates = tn__recurrent_gates(r->kind) * hidden;
  if (l->db_ih != NULL) add_sums(l, j, 0, gates, l->db_ih);
  if (l->db_hh != NULL && r->kind == TN_GRU) {
    add_sums(l, j, 0, 2 * hidden, l->db_hh);
    add_sums(l, j, 3 * hidden, hidden, at(l, l->db_hh, 2 * hidden));
  } else if (l->db_hh != NULL) {
    add_sums(l, j, 0, gates, l->db_hh);
  }
}

/* Makes room for steps [first, last), and keeps what went into the gates of the one made after. */
static void move_back(tn_recurrent_layer *l, int64_t first, int64_t last) {
  tn_recurrent *r = &l->r;
  const int64_t after = r->reverse ? first - 1 : last;
  const size_t bytes =
      (size_t)(r->batch * tn__recurrent_kept(r->kind) * r->hidden * item(l));
  const bool any = after >= 0 && after < r->time;
  const char *from = any ? dgates_of(l, after) : NULL;
  r->back_origin = r->reverse ? first - 1 : first;
  if (any && from != dgates_of(l, after)) memmove(dgates_of(l, after), from, bytes);
}

bool tn__recurrent_run_back(tn_recurrent_layer *l) {
  const kernels k = kernels_of(l);
  tn_recurrent *r = &l->r;
  const back_plan p = back_plan_of(l, &k);
  const int64_t panels = k.panels(r, true), kept = tn__recurrent_kept(r->kind) * r->hidden;
  job j = {.r = r, .run = k.backward, .tasks = p.tasks, .dbias = at(l, l->work, p.weights),
           .dbias_each = rounded(kept) * item(l)};
  pack(l, &k, true, tn__recurrent_gates(r->kind) * r->hidden, l->w_hh, l->work);
  r->w_hidden = l->work;
  r->dgates = p.whole ? l->dx : at(l, j.dbias, p.dbias);
  r->back_origin = 0;
  r->firsts = at(l, j.dbias, p.dbias + p.dgates);
  memset(j.dbias, 0, (size_t)(j.tasks * j.dbias_each));
  bool ok = true;
  for (int64_t to = r->time, from; ok && to > 0; to = from) {
    from = most(0, to - p.steps);
    const int64_t first = r->reverse ? r->time - to : from, last = first + to - from;
    if (!p.whole) move_back(l, first, last);
    steps(l, &j, from, to, panels, true);
    keep_firsts(l, first, last);
    ok = hidden_weights(l, first, last) && input_gradients(l, first, last);
  }
  if (ok) ok = first_weights(l);
  if (r->dh0 != NULL) {
    job start = j;
    start.run = k.start;
    start.whole.rows = r->batch;
    start.whole.panels = panels;
    tn__pool_run(l->pool, start.tasks, 1, run_rows, &start);
  }
  bias_gradients(l, &j);
  return ok;
}
