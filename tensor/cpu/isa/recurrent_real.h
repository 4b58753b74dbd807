/* recurrent_real.h -- steps of recurrent layers for one element type; included by
 * recurrent_kernel.c, which defines REAL, REAL_BYTES, FN(name), MASK_LOAD, MASK_STORE, LANE_BYTES,
 * MR, UNROLL, INLINE and, where there are such, WIDE_SIGMOID and WIDE_TANH.
 *
 * Formulas: LSTM, Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; GRU,
 * Cho et al. 2014, with r applied to the product of h and its bias. From what the gates let through,
 * sigma' = s (1 - s) and tanh' = 1 - t^2 give the way back. */

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
INLINE int FN(width)(const tn_recurrent *r, bool back) {
  return !back && r->kind == TN_GRU ? 3 : 4;
}
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

/* What one row of a block reads and writes, from its first unit on. */
typedef struct {
  const REAL *c_before, *h_before, *sums;
  REAL *gates, *c, *h;
} FN(place);

static void FN(look_up)(const tn_recurrent *r, const FN(step) *s, int first, int rows,
                        FN(place) *at) {
  const int64_t hidden = r->hidden;
  for (int k = 0; k < rows; k++, at++) {
    const int64_t b = s->row[first + k], row = s->t * r->batch + b;
    at->gates = NULL;
    if (r->gates != NULL) {
      at->gates = (REAL *)r->gates +
                  (row - r->origin * r->batch) * tn__recurrent_kept(r->kind) * hidden;
    }
    at->sums = at->gates;
    if (r->sums != NULL) {
      at->sums = (const REAL *)r->sums + row * tn__recurrent_gates(r->kind) * hidden;
    }
    at->h = (REAL *)r->out + row * hidden;
    if (r->kind == TN_LSTM) {
      at->c = (REAL *)r->cells + (r->keep ? row : b) * hidden;
      at->c_before = r->keep ? FN(previous)(r, s, first + k, r->cells, r->c0) : at->c;
    } else if (r->kind == TN_GRU) {
      at->h_before = FN(previous)(r, s, first + k, r->out, r->h0);
    }
  }
}

/* The gates of one panel, in several passes over its rows: no vector waits for another one there,
 * and what takes long in each, a chain of some thirty instructions, overlaps. `sums` are what the
 * products gave, slot by slot, to which bias and `at->sums` are added as far as `summed` says. */
INLINE void FN(lstm)(const tn_recurrent *r, const FN(place) *at, int rows, int64_t unit,
                     int64_t lanes, const REAL *bias, int summed, REAL *sums) {
  const int64_t hidden = r->hidden;
  for (int k = 0; k < rows; k++) {
    REAL *s = sums + k * 4 * LANES;
    VEC sum[4];
    UNROLL for (int v = 0; v < 4; v++) {
      sum[v] = FN(load)(s + v * LANES) + FN(load)(bias + v * LANES);
      if (summed) sum[v] += FN(take)(at[k].sums + v * hidden + unit, lanes);
    }
    FN(store)(s, FN(sigmoid)(sum[0]));
    FN(store)(s + LANES, FN(sigmoid)(sum[1]));
    FN(store)(s + 2 * LANES, FN(hyperbolic)(sum[2]));
    FN(store)(s + 3 * LANES, FN(sigmoid)(sum[3]));
  }
  for (int k = 0; k < rows; k++) {
    REAL *s = sums + k * 4 * LANES, *gates = at[k].gates + unit;
    const VEC i = FN(load)(s), f = FN(load)(s + LANES), g = FN(load)(s + 2 * LANES);
    const VEC c = f * FN(take)(at[k].c_before + unit, lanes) + i * g;
    FN(put)(at[k].c + unit, c, lanes);
    if (r->keep) {
      FN(put)(gates, i, lanes);
      FN(put)(gates + hidden, f, lanes);
      FN(put)(gates + 2 * hidden, g, lanes);
      FN(put)(gates + 3 * hidden, FN(load)(s + 3 * LANES), lanes);
    }
    FN(store)(s, c);
  }
  for (int k = 0; k < rows; k++) {
    const REAL *s = sums + k * 4 * LANES;
    const VEC t = FN(hyperbolic)(FN(load)(s));
    FN(put)(at[k].h + unit, FN(load)(s + 3 * LANES) * t, lanes);
  }
}

INLINE void FN(gru)(const tn_recurrent *r, const FN(place) *at, int rows, int64_t unit,
                    int64_t lanes, const REAL *bias, int summed, REAL *sums) {
  const int64_t hidden = r->hidden;
  for (int k = 0; k < rows; k++) {
    REAL *s = sums + k * 4 * LANES;
    VEC sum[4];
    UNROLL for (int v = 0; v < 4; v++) {
      sum[v] = FN(load)(s + v * LANES) + FN(load)(bias + v * LANES);
      if (v < summed) sum[v] += FN(take)(at[k].sums + v * hidden + unit, lanes);
    }
    const VEC reset = FN(sigmoid)(sum[0]);
    FN(store)(s, reset);
    FN(store)(s + LANES, FN(sigmoid)(sum[1]));
    FN(store)(s + 2 * LANES, sum[2] + reset * sum[3]);
    FN(store)(s + 3 * LANES, sum[3]);
  }
  for (int k = 0; k < rows; k++) {
    const REAL *s = sums + k * 4 * LANES;
    REAL *gates = at[k].gates + unit;
    const VEC z = FN(load)(s + LANES), n = FN(hyperbolic)(FN(load)(s + 2 * LANES));
    const VEC h = FN(take)(at[k].h_before + unit, lanes);
    FN(put)(at[k].h + unit, n + z * (h - n), lanes);
    if (!r->keep) continue;
    FN(put)(gates, FN(load)(s), lanes);
    FN(put)(gates + hidden, z, lanes);
    FN(put)(gates + 2 * hidden, n, lanes);
    FN(put)(gates + 3 * hidden, FN(load)(s + 3 * LANES), lanes);
  }
}

static void FN(rnn)(const tn_recurrent *r, const FN(place) *at, int rows, int64_t unit,
                    int64_t lanes, const REAL *bias, int summed, const REAL *sums) {
  for (int k = 0; k < rows; k++) {
    VEC sum = FN(load)(sums + k * 4 * LANES) + FN(load)(bias);
    if (summed) sum += FN(take)(at[k].sums + unit, lanes);
    if (r->kind == TN_RNN_RELU) sum = FN(where)(~(sum <= 0), sum); /* NaN stays */
    else sum = FN(hyperbolic)(sum);
    FN(put)(at[k].h + unit, sum, lanes);
  }
}

INLINE int64_t FN(lanes)(const tn_recurrent *r, int64_t unit) {
  return r->hidden - unit < LANES ? r->hidden - unit : LANES;
}

static void FN(gates)(const tn_recurrent *r, const FN(step) *s, int first, int rows, int64_t panel,
                      REAL *sums) {
  const REAL *bias = (const REAL *)r->bias + panel * 4 * LANES;
  FN(place) at[MR];
  FN(look_up)(r, s, first, rows, at);
  int summed = !r->summed ? 0 : r->w_hidden == NULL ? tn__recurrent_kept(r->kind)
                                                    : tn__recurrent_gates(r->kind);
  if (!FN(gated)(r)) {
    for (int v = 0; v < FN(filled)(r, false, panel); v++) {
      const int64_t unit = (panel * 4 + v) * LANES;
      FN(rnn)(r, at, rows, unit, FN(lanes)(r, unit), bias + v * LANES, summed, sums + v * LANES);
    }
    return;
  }
  const int64_t unit = panel * LANES, lanes = FN(lanes)(r, unit);
  if (r->kind == TN_GRU) FN(gru)(r, at, rows, unit, lanes, bias, summed, sums);
  else if (lanes == LANES) FN(lstm)(r, at, rows, unit, LANES, bias, summed, sums);
  else FN(lstm)(r, at, rows, unit, lanes, bias, summed, sums);
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

/* One vector of units of some rows, whose products stand in `sums`, four vectors apart. Each of
 * these turns them into d: the gradients of what goes into the gates. */
INLINE void FN(lstm_back)(const tn_recurrent *r, const FN(place) *at, int rows, int64_t unit,
                          int64_t lanes, REAL *const *carry, const REAL *const *dcells,
                          const REAL *sums, VEC d[MR][4]) {
  const int64_t hidden = r->hidden;
  for (int k = 0; k < rows; k++) d[k][0] = FN(hyperbolic)(FN(take)(at[k].c + unit, lanes));
  for (int k = 0; k < rows; k++) {
    const REAL *gates = at[k].gates + unit;
    const VEC dh = FN(load)(sums + k * 4 * LANES), t = d[k][0];
    const VEC i = FN(take)(gates, lanes), f = FN(take)(gates + hidden, lanes);
    const VEC g = FN(take)(gates + 2 * hidden, lanes), o = FN(take)(gates + 3 * hidden, lanes);
    VEC dc = FN(take)(carry[k] + unit, lanes) + dh * o * (1 - t * t);
    if (dcells[k] != NULL) dc += FN(take)(dcells[k] + unit, lanes);
    d[k][0] = dc * g * (i * (1 - i));
    d[k][1] = dc * FN(take)(at[k].c_before + unit, lanes) * (f * (1 - f));
    d[k][2] = dc * i * (1 - g * g);
    d[k][3] = dh * t * (o * (1 - o));
    FN(put)(carry[k] + unit, dc * f, lanes);
  }
}

INLINE void FN(gru_back)(const tn_recurrent *r, const FN(place) *at, int rows, int64_t unit,
                         int64_t lanes, REAL *const *carry, const REAL *sums, VEC d[MR][4]) {
  const int64_t hidden = r->hidden;
  for (int k = 0; k < rows; k++) {
    const REAL *gates = at[k].gates + unit;
    const VEC reset = FN(take)(gates, lanes), z = FN(take)(gates + hidden, lanes);
    const VEC n = FN(take)(gates + 2 * hidden, lanes);
    const VEC from_h = FN(take)(gates + 3 * hidden, lanes);
    const VEC dh = FN(load)(sums + k * 4 * LANES) + FN(take)(carry[k] + unit, lanes);
    d[k][2] = dh * (1 - z) * (1 - n * n);
    d[k][3] = d[k][2] * reset;
    d[k][0] = d[k][2] * from_h * (reset * (1 - reset));
    d[k][1] = dh * (FN(take)(at[k].h_before + unit, lanes) - n) * (z * (1 - z));
    FN(put)(carry[k] + unit, dh * z, lanes);
  }
}

INLINE void FN(rnn_back)(const tn_recurrent *r, const FN(place) *at, int rows, int64_t unit,
                         int64_t lanes, const REAL *sums, VEC d[MR][4]) {
  for (int k = 0; k < rows; k++) {
    const VEC h = FN(take)(at[k].h + unit, lanes), dh = FN(load)(sums + k * 4 * LANES);
    d[k][0] = r->kind == TN_RNN_RELU ? FN(where)(h > 0, dh) : dh * (1 - h * h);
  }
}

INLINE REAL *FN(dgates)(const tn_recurrent *r, int64_t t, int64_t row) {
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  return (REAL *)r->dgates + ((t - r->back_origin) * r->batch + row) * kept;
}

/* All vectors of one panel: `sums` becomes the gradient of h first. */
static void FN(gates_back)(const tn_recurrent *r, const FN(step) *s, int first, int rows,
                           int64_t panel, REAL *sums, REAL *dbias) {
  const int slots = tn__recurrent_kept(r->kind);
  const int64_t hidden = r->hidden;
  FN(place) at[MR];
  REAL *carry[MR], *to[MR];
  const REAL *dout[MR], *dcells[MR];
  FN(look_up)(r, s, first, rows, at);
  for (int k = 0; k < rows; k++) {
    const int64_t b = s->row[first + k], row = s->t * r->batch + b;
    carry[k] = (REAL *)r->carry + b * hidden;
    to[k] = FN(dgates)(r, s->t, b);
    dout[k] = r->dout != NULL ? (const REAL *)r->dout + row * hidden : NULL;
    dcells[k] = r->dcells != NULL ? (const REAL *)r->dcells + row * hidden : NULL;
  }
  for (int v = 0; v < FN(filled)(r, true, panel); v++) {
    const int64_t unit = (panel * 4 + v) * LANES, lanes = FN(lanes)(r, unit);
    REAL *own = sums + v * LANES;
    VEC d[MR][4];
    for (int k = 0; k < rows && dout[k] != NULL; k++) {
      REAL *dh = own + k * 4 * LANES;
      FN(store)(dh, FN(load)(dh) + FN(take)(dout[k] + unit, lanes));
    }
    if (r->kind == TN_GRU) FN(gru_back)(r, at, rows, unit, lanes, carry, own, d);
    else if (r->kind != TN_LSTM) FN(rnn_back)(r, at, rows, unit, lanes, own, d);
    else if (lanes == LANES) FN(lstm_back)(r, at, rows, unit, LANES, carry, dcells, own, d);
    else FN(lstm_back)(r, at, rows, unit, lanes, carry, dcells, own, d);
    for (int q = 0; q < slots; q++) {
      REAL *sum = dbias + q * hidden + unit;
      VEC total = FN(take)(sum, lanes);
      for (int k = 0; k < rows; k++) {
        FN(put)(to[k] + q * hidden + unit, d[k][q], lanes);
        total += d[k][q];
      }
      FN(put)(sum, total, lanes);
    }
  }
}

/* What the gates of `rows` rows, which `from` points to, send back through the weights of the
 * hidden state, for one panel. A GRU's r and z come first, and n's own part behind x's. */
static void FN(send_back)(const tn_recurrent *r, const REAL *const *from, int rows, int64_t panel,
                          REAL *sums) {
  const int64_t hidden = r->hidden, all = tn__recurrent_gates(r->kind) * hidden;
  const bool gru = r->kind == TN_GRU;
  const int vecs = FN(filled)(r, true, panel);
  FN(factor) a = {.k = gru ? 2 * hidden : all,
                  .panel = (const REAL *)r->w_hidden + panel * all * 4 * LANES};
  FN(factor) b = {.k = gru ? hidden : 0, .panel = a.panel + 2 * hidden * vecs * LANES};
  for (int k = 0; k < rows; k++) {
    a.row[k] = from[k];
    b.row[k] = gru ? from[k] + 3 * hidden : from[k];
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
    FN(blank)(r, &s, part, FN(dgates)(r, s.t, 0), slots, unit, end < hidden ? end : hidden);
    for (int64_t panel = part->panel; panel < part->panel + part->panels; panel++) {
      for (int i = 0, rows; i < s.count; i += rows) {
        const REAL *from[MR];
        rows = FN(next_rows)(s.count - i);
        for (int k = 0; k < rows; k++) from[k] = FN(dgates)(r, after, s.row[i + k]);
        if (step == r->time - 1) memset(sums, 0, sizeof sums);
        else FN(send_back)(r, from, rows, panel, sums);
        FN(gates_back)(r, &s, i, rows, panel, sums, part->dbias);
      }
    }
  }
}

void KERNEL_NAME(FN(tn__recurrent_start))(const tn_recurrent *r, const tn_recurrent_part *part) {
  const int64_t kept = tn__recurrent_kept(r->kind) * r->hidden;
  _Alignas(64) REAL sums[MR * 4 * LANES];
  for (int64_t panel = part->panel; panel < part->panel + part->panels; panel++) {
    for (int64_t b = part->row, rows; b < part->row + part->rows; b += rows) {
      const REAL *from[MR];
      rows = FN(next_rows)((int)(part->row + part->rows - b));
      for (int k = 0; k < rows; k++) from[k] = (const REAL *)r->firsts + (b + k) * kept;
      FN(send_back)(r, from, (int)rows, panel, sums);
      for (int k = 0; k < rows; k++) {
        for (int v = 0; v < FN(filled)(r, true, panel); v++) {
          const int64_t unit = (panel * 4 + v) * LANES;
          const int64_t lanes = FN(lanes)(r, unit);
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
