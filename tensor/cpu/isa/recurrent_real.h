/* recurrent_real.h -- steps of recurrent layers for one element type; included by
 * recurrent_kernel.c, which defines REAL, REAL_BYTES, FN(name), MASK_LOAD, MASK_STORE, LANE_BYTES,
 * MR, UNROLL, INLINE and, where there are such, WIDE_SIGMOID and WIDE_TANH.
 *
 * Formulas: LSTM, Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; GRU, Cho
 * et al. 2014, with r applied to the product of h and its bias. sigma' = s (1 - s), tanh' = 1 - t^2
 * give the way back from what the gates let through. */

#define LANES (LANE_BYTES / REAL_BYTES)

typedef REAL FN(vec) __attribute__((vector_size(LANE_BYTES)));
typedef REAL FN(loose) __attribute__((vector_size(LANE_BYTES), aligned(REAL_BYTES), may_alias));
#define VEC FN(vec)

INLINE VEC FN(load)(const REAL *p) {
  return *(const FN(loose) *)p;
}

INLINE void FN(store)(REAL *p, VEC x) {
  *(FN(loose) *)p = x;
}

/* The first `count` lanes only; nothing behind them is touched. */
INLINE VEC FN(take)(const REAL *p, int64_t count) {
  if (count == LANES) return FN(load)(p);
#if defined(__AVX512F__)
  return (VEC)MASK_LOAD((1u << count) - 1, p);
#else
  VEC x = {0};
  for (int i = 0; i < count; i++) x[i] = p[i];
  return x;
#endif
}

INLINE void FN(put)(REAL *p, VEC x, int64_t count) {
  if (count == LANES) {
    FN(store)(p, x);
    return;
  }
#if defined(__AVX512F__)
  MASK_STORE(p, (1u << count) - 1, x);
#else
  for (int i = 0; i < count; i++) p[i] = x[i];
#endif
}

/* x where the mask is set, else 0. */
typedef __typeof__((VEC){0} > (VEC){0}) FN(mask);
INLINE VEC FN(where)(FN(mask) mask, VEC x) {
  return (VEC)(mask & (FN(mask))x);
}

INLINE VEC FN(sigmoid)(VEC x) {
#if defined(WIDE_SIGMOID)
  return (VEC)WIDE_SIGMOID(x);
#else
  REAL v[LANES];
  FN(store)(v, x);
  TN_VECTOR for (int i = 0; i < LANES; i++) v[i] = FN(tn_sigmoid)(v[i]);
  return FN(load)(v);
#endif
}

INLINE VEC FN(hyperbolic)(VEC x) {
#if defined(WIDE_TANH)
  return (VEC)WIDE_TANH(x);
#else
  REAL v[LANES];
  FN(store)(v, x);
  TN_VECTOR for (int i = 0; i < LANES; i++) v[i] = FN(tn_tanh)(v[i]);
  return FN(load)(v);
#endif
}

/* -- Products ---------------------------------------------------------------------------------- */

/* Rows and a panel that are multiplied: k elements of each row, and `vecs` vectors for each. */
typedef struct {
  int64_t k;
  const REAL *row[MR];
  const REAL *panel;
} FN(factor);

/* The last of three vectors goes `shift` further on: a GRU's n takes x's and h's part apart. */
INLINE void FN(multiply)(const int rows, const int vecs, const int shift, const FN(factor) *f,
                         VEC sum[MR][4]) {
  const REAL *row[MR], *panel = f->panel;
  UNROLL for (int i = 0; i < rows; i++) row[i] = f->row[i];
  for (int64_t p = 0; p < f->k; p++, panel += vecs * LANES) {
    VEC x[4];
    UNROLL for (int v = 0; v < vecs; v++) x[v] = FN(load)(panel + v * LANES);
    UNROLL for (int i = 0; i < rows; i++) {
      VEC s = row[i][p] - (VEC){0};
      UNROLL for (int v = 0; v < vecs; v++) sum[i][v == 2 ? v + shift : v] += s * x[v];
    }
  }
}

INLINE void FN(product)(const int rows, const int vecs, const int shift, const FN(factor) *a,
                        const FN(factor) *b, REAL *to) {
  VEC sum[MR][4];
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int v = 0; v < vecs + shift; v++) sum[i][v] = (VEC){0};
  FN(multiply)(rows, vecs, 0, a, sum);
  FN(multiply)(rows, vecs, shift, b, sum);
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int v = 0; v < vecs + shift; v++) FN(store)(to + (i * 4 + v) * LANES, sum[i][v]);
}

typedef void FN(tile)(const FN(factor) *a, const FN(factor) *b, REAL *to);
#define TILE(rows, vecs, shift)                                                                   \
  static void FN(tile_##rows##_##vecs##_##shift)(const FN(factor) *a, const FN(factor) *b,        \
                                                 REAL *to) {                                      \
    FN(product)(rows, vecs, shift, a, b, to);                                                     \
  }
#define TILES(rows) TILE(rows, 1, 0) TILE(rows, 2, 0) TILE(rows, 3, 0) TILE(rows, 4, 0) \
  TILE(rows, 3, 1)
#define ENTRY(rows)                                                                               \
  {FN(tile_##rows##_1_0), FN(tile_##rows##_2_0), FN(tile_##rows##_3_0), FN(tile_##rows##_4_0),    \
   FN(tile_##rows##_3_1)}
TILES(1) TILES(2)
#if MR >= 6
TILES(3) TILES(4) TILES(5) TILES(6)
#endif
enum { FN(PARTED) = 4 }; /* behind those of 1 ... 4 vectors */
static FN(tile) *const FN(tiles)[MR][5] = {
  ENTRY(1), ENTRY(2),
#if MR >= 6
  ENTRY(3), ENTRY(4), ENTRY(5), ENTRY(6),
#endif
};
#undef TILE
#undef TILES
#undef ENTRY

/* -- Panels ------------------------------------------------------------------------------------ */

INLINE bool FN(gated)(const tn_recurrent *r) { return r->kind == TN_LSTM || r->kind == TN_GRU; }

/* Vectors of a panel, and units that lie in it. */
INLINE int FN(width)(const tn_recurrent *r, bool back) { return !back && r->kind == TN_GRU ? 3 : 4; }
INLINE int64_t FN(units)(const tn_recurrent *r, bool back) {
  return !back && FN(gated)(r) ? LANES : 4 * LANES;
}

/* Vectors of panel p that hold units. */
INLINE int FN(filled)(const tn_recurrent *r, bool back, int64_t p) {
  if (!back && FN(gated)(r)) return FN(width)(r, back);
  const int64_t left = (r->hidden - p * 4 * LANES + LANES - 1) / LANES;
  return left < 4 ? (int)left : 4;
}

int64_t KERNEL_NAME(FN(tn__recurrent_panels))(const tn_recurrent *r, bool back) {
  return (r->hidden + FN(units)(r, back) - 1) / FN(units)(r, back);
}

int64_t KERNEL_NAME(FN(tn__recurrent_packed))(const tn_recurrent *r, bool back, int64_t k) {
  return KERNEL_NAME(FN(tn__recurrent_panels))(r, back) * k * FN(width)(r, back) * LANES;
}

/* One vector's lanes of all k: `rows` rows of w, k elements each, turned. */
static void FN(turn_lanes)(int64_t rows, int64_t k, const REAL *w, int64_t step, REAL *to) {
  int64_t j = 0;
  for (; rows == LANES && j + 8 <= k; j += 8) {
    for (int i = 0; i < LANES; i++) {
      for (int q = 0; q < 8; q++) to[(j + q) * step + i] = w[i * k + j + q];
    }
  }
  for (; j < k; j++) {
    for (int i = 0; i < LANES; i++) to[j * step + i] = i < rows ? w[i * k + j] : 0;
  }
}

void KERNEL_NAME(FN(tn__recurrent_pack))(const tn_recurrent *r, bool back, int64_t k,
                                         const void *w, void *to, int64_t first, int64_t last) {
  const int64_t hidden = r->hidden;
  const REAL *from = w;
  for (int64_t p = first; p < last; p++) {
    const int vecs = FN(filled)(r, back, p);
    REAL *panel = (REAL *)to + p * k * FN(width)(r, back) * LANES;
    for (int v = 0; v < vecs; v++) {
      const bool gate = !back && FN(gated)(r);
      const int64_t unit = gate ? p * LANES : (p * 4 + v) * LANES;
      const int64_t lanes = hidden - unit < LANES ? hidden - unit : LANES;
      if (back) {
        for (int64_t j = 0; j < k; j++) {
          FN(store)(panel + (j * vecs + v) * LANES, FN(take)(from + j * hidden + unit, lanes));
        }
      } else {
        FN(turn_lanes)(lanes, k, from + ((gate ? v * hidden : 0) + unit) * k, vecs * LANES,
                       panel + v * LANES);
      }
    }
  }
}

/* In the order of the slots: four vectors of each panel. A GRU's n has its two biases apart. */
void KERNEL_NAME(FN(tn__recurrent_bias))(const tn_recurrent *r, const void *b_ih, const void *b_hh,
                                         void *to) {
  const REAL *one = b_ih, *other = b_hh;
  const int64_t hidden = r->hidden, panels = KERNEL_NAME(FN(tn__recurrent_panels))(r, false);
  for (int64_t p = 0; p < panels; p++) {
    for (int v = 0; v < 4; v++) {
      for (int64_t i = 0; i < LANES; i++) {
        const int64_t unit = FN(gated)(r) ? p * LANES + i : (p * 4 + v) * LANES + i;
        const bool gru = r->kind == TN_GRU;
        const int64_t at = FN(gated)(r) ? (gru && v == 3 ? 2 : v) * hidden + unit : unit;
        REAL sum = 0;
        if (unit < hidden && one != NULL && !(gru && v == 3)) sum += one[at];
        if (unit < hidden && other != NULL && !(gru && v == 2)) sum += other[at];
        ((REAL *)to)[(p * 4 + v) * LANES + i] = sum;
      }
    }
  }
}

/* -- Rows -------------------------------------------------------------------------------------- */

/* Rows of the batch at one step: `row` of those that take part, the states they come from. */
typedef struct {
  int64_t t;
  int count;
  int64_t row[TN_RECURRENT_ROWS];
  bool first[TN_RECURRENT_ROWS]; /* its first step in the order of making */
} FN(step);

INLINE int64_t FN(length)(const tn_recurrent *r, int64_t row) {
  return r->lengths != NULL ? r->lengths[row] : r->time;
}

static void FN(look)(const tn_recurrent *r, int64_t step, const tn_recurrent_part *part,
                     FN(step) *s) {
  s->t = r->reverse ? r->time - 1 - step : step;
  s->count = 0;
  for (int64_t b = part->row; b < part->row + part->rows; b++) {
    const int64_t length = FN(length)(r, b);
    if (s->t >= length) continue;
    s->first[s->count] = r->reverse ? s->t == length - 1 : s->t == 0;
    s->row[s->count++] = b;
  }
}

/* Units [unit, end) of the rows that take no part become 0, `slots` times `hidden` apart. */
static void FN(blank)(const tn_recurrent *r, const FN(step) *s, const tn_recurrent_part *part,
                      REAL *rows, int slots, int64_t unit, int64_t end) {
  if (s->count == part->rows) return;
  for (int64_t b = part->row; b < part->row + part->rows; b++) {
    if (s->t < FN(length)(r, b)) continue;
    for (int q = 0; q < slots; q++) {
      memset(rows + (b * slots + q) * r->hidden + unit, 0, (size_t)(end - unit) * sizeof(REAL));
    }
  }
}

INLINE int64_t FN(before)(const tn_recurrent *r, int64_t t) { return r->reverse ? t + 1 : t - 1; }

/* h or c as row i found it: `states` are those of all steps. */
INLINE const REAL *FN(previous)(const tn_recurrent *r, const FN(step) *s, int i, const void *states,
                                const void *start) {
  const int64_t b = s->row[i];
  if (s->first[i]) return (const REAL *)start + b * r->hidden;
  return (const REAL *)states + (FN(before)(r, s->t) * r->batch + b) * r->hidden;
}

/* Rows of the next block: all about the same, none more than MR. */
INLINE int FN(next_rows)(int left) {
  const int blocks = (left + MR - 1) / MR;
  return (left + blocks - 1) / blocks;
}

/* -- The way there ----------------------------------------------------------------------------- */

/* One vector of units of one row: `sum` is what the products gave, slot by slot. */
typedef struct {
  int64_t unit, lanes;
  const REAL *c_before, *h_before;
  REAL *gates, *c, *h; /* of the row, from its first unit on */
  bool keep;
  int64_t hidden;
} FN(place);

INLINE void FN(lstm)(const FN(place) *at, const VEC *sum) {
  const VEC i = FN(sigmoid)(sum[0]), f = FN(sigmoid)(sum[1]);
  const VEC g = FN(hyperbolic)(sum[2]), o = FN(sigmoid)(sum[3]);
  const VEC c = f * FN(take)(at->c_before + at->unit, at->lanes) + i * g;
  FN(put)(at->c + at->unit, c, at->lanes);
  FN(put)(at->h + at->unit, o * FN(hyperbolic)(c), at->lanes);
  if (!at->keep) return;
  REAL *gates = at->gates + at->unit;
  FN(put)(gates, i, at->lanes);
  FN(put)(gates + at->hidden, f, at->lanes);
  FN(put)(gates + 2 * at->hidden, g, at->lanes);
  FN(put)(gates + 3 * at->hidden, o, at->lanes);
}

INLINE void FN(gru)(const FN(place) *at, const VEC *sum) {
  const VEC r = FN(sigmoid)(sum[0]), z = FN(sigmoid)(sum[1]);
  const VEC n = FN(hyperbolic)(sum[2] + r * sum[3]);
  const VEC h = FN(take)(at->h_before + at->unit, at->lanes);
  FN(put)(at->h + at->unit, n + z * (h - n), at->lanes);
  if (!at->keep) return;
  REAL *gates = at->gates + at->unit;
  FN(put)(gates, r, at->lanes);
  FN(put)(gates + at->hidden, z, at->lanes);
  FN(put)(gates + 2 * at->hidden, n, at->lanes);
  FN(put)(gates + 3 * at->hidden, sum[3], at->lanes);
}

INLINE void FN(rnn)(const FN(place) *at, VEC sum, bool relu) {
  const VEC h = relu ? FN(where)(~(sum <= 0), sum) : FN(hyperbolic)(sum); /* NaN stays */
  FN(put)(at->h + at->unit, h, at->lanes);
}

static void FN(gates)(const tn_recurrent *r, const FN(step) *s, int first, int rows, int64_t panel,
                      const REAL *sums) {
  const int slots = tn__recurrent_kept(r->kind);
  const int summed = !r->summed ? 0 : r->w_hidden == NULL ? slots : tn__recurrent_gates(r->kind);
  const int64_t hidden = r->hidden;
  const REAL *bias = (const REAL *)r->bias + panel * 4 * LANES;
  for (int k = 0; k < rows; k++) {
    const int64_t b = s->row[first + k], row = s->t * r->batch + b;
    REAL *gates = (REAL *)r->gates;
    if (gates != NULL) gates += (row - r->origin * r->batch) * slots * hidden;
    FN(place) at = {.keep = r->keep, .hidden = hidden, .gates = gates,
                    .h = (REAL *)r->out + row * hidden};
    if (r->kind == TN_LSTM) {
      at.c = (REAL *)r->cells + (r->keep ? row : b) * hidden;
      at.c_before = r->keep ? FN(previous)(r, s, first + k, r->cells, r->c0) : at.c;
    } else if (r->kind == TN_GRU) {
      at.h_before = FN(previous)(r, s, first + k, r->out, r->h0);
    }
    VEC sum[4];
    const int vecs = FN(gated)(r) ? 4 : FN(filled)(r, false, panel);
    for (int v = 0; v < vecs; v++) {
      at.unit = FN(gated)(r) ? panel * LANES : (panel * 4 + v) * LANES;
      at.lanes = hidden - at.unit < LANES ? hidden - at.unit : LANES;
      sum[v] = FN(load)(sums + (k * 4 + v) * LANES) + FN(load)(bias + v * LANES);
      if (FN(gated)(r) ? v < summed : summed > 0) {
        sum[v] += FN(take)(gates + (FN(gated)(r) ? v * hidden : 0) + at.unit, at.lanes);
      }
      if (!FN(gated)(r)) FN(rnn)(&at, sum[v], r->kind == TN_RNN_RELU);
    }
    if (r->kind == TN_LSTM) FN(lstm)(&at, sum);
    if (r->kind == TN_GRU) FN(gru)(&at, sum);
  }
}

void KERNEL_NAME(FN(tn__recurrent_forward))(const tn_recurrent *r, const tn_recurrent_part *part) {
  const int width = FN(width)(r, false);
  const int64_t hidden = r->hidden, units = FN(units)(r, false);
  const int64_t k_in = r->w_in != NULL ? r->in : 0, k_hidden = r->w_hidden != NULL ? hidden : 0;
  _Alignas(64) REAL sums[MR * 4 * LANES] = {0};
  FN(step) s;
  for (int64_t step = part->step; step < part->step + part->steps; step++) {
    FN(look)(r, step, part, &s);
    const int64_t unit = part->panel * units, end = (part->panel + part->panels) * units;
    FN(blank)(r, &s, part, (REAL *)r->out + s.t * r->batch * hidden, 1, unit,
              end < hidden ? end : hidden);
    for (int64_t panel = part->panel; panel < part->panel + part->panels; panel++) {
      const int vecs = FN(filled)(r, false, panel);
      FN(factor) a = {.k = k_in, .panel = (const REAL *)r->w_in + panel * k_in * width * LANES};
      FN(factor) b = {.k = k_hidden,
                      .panel = (const REAL *)r->w_hidden + panel * k_hidden * width * LANES};
      for (int i = 0, rows; i < s.count; i += rows) {
        rows = FN(next_rows)(s.count - i);
        for (int k = 0; k < rows; k++) {
          a.row[k] = (const REAL *)r->x + (s.t * r->batch + s.row[i + k]) * r->in;
          b.row[k] = FN(previous)(r, &s, i + k, r->out, r->h0);
        }
        FN(tiles)[rows - 1][r->kind == TN_GRU ? FN(PARTED) : vecs - 1](&a, &b, sums);
        FN(gates)(r, &s, i, rows, panel, sums);
      }
    }
  }
}

/* -- The way back ------------------------------------------------------------------------------ */

/* One vector of units of one row. dh: the gradient of h; d: of what goes into the gates, to be
 * filled; carry: see tn_recurrent. */
INLINE void FN(lstm_back)(const FN(place) *at, VEC dh, VEC *d, REAL *carry, const REAL *dcells) {
  const int64_t n = at->lanes, u = at->unit, hidden = at->hidden;
  const VEC i = FN(take)(at->gates + u, n), f = FN(take)(at->gates + hidden + u, n);
  const VEC g = FN(take)(at->gates + 2 * hidden + u, n);
  const VEC o = FN(take)(at->gates + 3 * hidden + u, n);
  const VEC t = FN(hyperbolic)(FN(take)(at->c + u, n));
  VEC dc = FN(take)(carry + u, n) + dh * o * (1 - t * t);
  if (dcells != NULL) dc += FN(take)(dcells + u, n);
  d[0] = dc * g * (i * (1 - i));
  d[1] = dc * FN(take)(at->c_before + u, n) * (f * (1 - f));
  d[2] = dc * i * (1 - g * g);
  d[3] = dh * t * (o * (1 - o));
  FN(put)(carry + u, dc * f, n);
}

INLINE void FN(gru_back)(const FN(place) *at, VEC dh, VEC *d, REAL *carry) {
  const int64_t n = at->lanes, u = at->unit, hidden = at->hidden;
  const VEC r = FN(take)(at->gates + u, n), z = FN(take)(at->gates + hidden + u, n);
  const VEC y = FN(take)(at->gates + 2 * hidden + u, n);
  const VEC from_h = FN(take)(at->gates + 3 * hidden + u, n);
  dh += FN(take)(carry + u, n);
  d[2] = dh * (1 - z) * (1 - y * y);
  d[3] = d[2] * r;
  d[0] = d[2] * from_h * (r * (1 - r));
  d[1] = dh * (FN(take)(at->h_before + u, n) - y) * (z * (1 - z));
  FN(put)(carry + u, dh * z, n);
}

INLINE VEC FN(rnn_back)(const FN(place) *at, VEC dh, bool relu) {
  const VEC h = FN(take)(at->h + at->unit, at->lanes);
  return relu ? FN(where)(h > 0, dh) : dh * (1 - h * h);
}

/* One vector of units of some rows, whose products stand in sums[row][v]. */
static void FN(gates_back)(const tn_recurrent *r, const FN(step) *s, int first, int rows,
                           int64_t panel, int v, const REAL *sums, REAL *dbias) {
  const int slots = tn__recurrent_kept(r->kind);
  const int64_t hidden = r->hidden, unit = (panel * 4 + v) * LANES;
  const int64_t lanes = hidden - unit < LANES ? hidden - unit : LANES;
  VEC total[4] = {{0}, {0}, {0}, {0}};
  for (int k = 0; k < rows; k++) {
    const int64_t b = s->row[first + k], row = s->t * r->batch + b;
    FN(place) at = {.hidden = hidden, .unit = unit, .lanes = lanes,
                    .gates = (REAL *)r->gates + (r->gates != NULL ? row * slots * hidden : 0),
                    .h = (REAL *)r->out + row * hidden};
    REAL *carry = (REAL *)r->carry + b * hidden, *to = (REAL *)r->dgates + row * slots * hidden;
    VEC dh = FN(load)(sums + (k * 4 + v) * LANES), d[4];
    if (r->dout != NULL) dh += FN(take)((const REAL *)r->dout + row * hidden + unit, lanes);
    if (r->kind == TN_LSTM) {
      at.c = (REAL *)r->cells + row * hidden;
      at.c_before = FN(previous)(r, s, first + k, r->cells, r->c0);
      FN(lstm_back)(&at, dh, d, carry,
                    r->dcells != NULL ? (const REAL *)r->dcells + row * hidden : NULL);
    } else if (r->kind == TN_GRU) {
      at.h_before = FN(previous)(r, s, first + k, r->out, r->h0);
      FN(gru_back)(&at, dh, d, carry);
    } else {
      d[0] = FN(rnn_back)(&at, dh, r->kind == TN_RNN_RELU);
    }
    for (int q = 0; q < slots; q++) {
      FN(put)(to + q * hidden + unit, d[q], lanes);
      total[q] += d[q];
    }
  }
  for (int q = 0; q < slots; q++) {
    REAL *sum = dbias + q * hidden + unit;
    FN(put)(sum, FN(take)(sum, lanes) + total[q], lanes);
  }
}

/* What the gates of `rows` rows at step t send back through the weights of the hidden state, for
 * one panel. A GRU's r and z come first, and n's own part behind x's. */
static void FN(send_back)(const tn_recurrent *r, const int64_t *row, const int64_t *t, int rows,
                          int64_t panel, REAL *sums) {
  const int64_t hidden = r->hidden, all = tn__recurrent_gates(r->kind) * hidden;
  const bool gru = r->kind == TN_GRU;
  const int vecs = FN(filled)(r, true, panel), slots = tn__recurrent_kept(r->kind);
  FN(factor) a = {.k = gru ? 2 * hidden : all,
                  .panel = (const REAL *)r->w_hidden + panel * all * 4 * LANES};
  FN(factor) b = {.k = gru ? hidden : 0, .panel = a.panel + 2 * hidden * vecs * LANES};
  for (int k = 0; k < rows; k++) {
    a.row[k] = (const REAL *)r->dgates + (t[k] * r->batch + row[k]) * slots * hidden;
    b.row[k] = gru ? a.row[k] + 3 * hidden : a.row[k];
  }
  FN(tiles)[rows - 1][vecs - 1](&a, &b, sums);
}

void KERNEL_NAME(FN(tn__recurrent_backward))(const tn_recurrent *r, const tn_recurrent_part *part) {
  const int slots = tn__recurrent_kept(r->kind);
  const int64_t hidden = r->hidden, units = 4 * LANES;
  _Alignas(64) REAL sums[MR * 4 * LANES];
  FN(step) s;
  for (int64_t step = part->step + part->steps; step-- > part->step;) {
    FN(look)(r, step, part, &s);
    const int64_t unit = part->panel * units, end = (part->panel + part->panels) * units;
    const int64_t after = r->reverse ? s.t - 1 : s.t + 1;
    FN(blank)(r, &s, part, (REAL *)r->dgates + s.t * r->batch * slots * hidden, slots, unit,
              end < hidden ? end : hidden);
    for (int64_t panel = part->panel; panel < part->panel + part->panels; panel++) {
      for (int i = 0, rows; i < s.count; i += rows) {
        int64_t times[MR];
        rows = FN(next_rows)(s.count - i);
        for (int k = 0; k < rows; k++) times[k] = after;
        if (step == r->time - 1) memset(sums, 0, sizeof sums);
        else FN(send_back)(r, s.row + i, times, rows, panel, sums);
        for (int v = 0; v < FN(filled)(r, true, panel); v++) {
          FN(gates_back)(r, &s, i, rows, panel, v, sums, part->dbias);
        }
      }
    }
  }
}

void KERNEL_NAME(FN(tn__recurrent_start))(const tn_recurrent *r, const tn_recurrent_part *part) {
  _Alignas(64) REAL sums[MR * 4 * LANES];
  for (int64_t panel = part->panel; panel < part->panel + part->panels; panel++) {
    for (int64_t b = part->row, rows; b < part->row + part->rows; b += rows) {
      int64_t row[MR], times[MR];
      rows = FN(next_rows)((int)(part->row + part->rows - b));
      for (int k = 0; k < rows; k++) {
        row[k] = b + k;
        times[k] = r->reverse ? FN(length)(r, b + k) - 1 : 0;
      }
      FN(send_back)(r, row, times, (int)rows, panel, sums);
      for (int k = 0; k < rows; k++) {
        for (int v = 0; v < FN(filled)(r, true, panel); v++) {
          const int64_t unit = (panel * 4 + v) * LANES;
          const int64_t lanes = r->hidden - unit < LANES ? r->hidden - unit : LANES;
          const int64_t at = (b + k) * r->hidden + unit;
          VEC dh = FN(load)(sums + (k * 4 + v) * LANES);
          if (r->kind == TN_GRU) dh += FN(take)((const REAL *)r->carry + at, lanes);
          FN(put)((REAL *)r->dh0 + at, dh, lanes);
        }
      }
    }
  }
}

#undef LANES
#undef VEC
