/* gemm_real.h -- the matrix product for one element type; included by gemm_kernel.c, which
 * defines REAL, REAL_BYTES, FN(name), MASK_LOAD, MASK_STORE, LANE_BYTES, MR, NV, UNROLL, INLINE.
 *
 * One operand is read in vectors along its unit stride (the vector side, k x n), the other one
 * element at a time, which is then multiplied with a whole vector (the scalar side, m x k). With
 * C row-major the vectors lie along its rows. The product of the transposes, stored transposed,
 * is the other way to see the same thing, and the better one when B would have to be turned
 * and A is smaller or need not be. */

#define LANES (LANE_BYTES / REAL_BYTES)
#define NR (NV * LANES)
#define TILE_ROWS ((MR + LANES - 1) / LANES * LANES)
/* Blocks: KC x NR of the vector side stay in the first-level cache while MC x KC of the scalar side
 * come from the second. NC bounds the scratch memory. Measured at 1024^3: twice the MC is 2 to 4 %
 * slower, and 160 for the KC of doubles 10 % or more. */
#define KC (LANE_BYTES == 64 && REAL_BYTES == 8 ? 256 : 384)
#define MC 96 /* a multiple of every MR */
#define NC (NR * 32)
#define PAD (64 / REAL_BYTES) /* keeps packed rows from falling into the same cache sets */

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
INLINE VEC FN(load_part)(const REAL *p, int count) {
#if defined(__AVX512F__)
  return (VEC)MASK_LOAD((1u << count) - 1, p);
#else
  VEC x = {0};
  for (int i = 0; i < count; i++) x[i] = p[i];
  return x;
#endif
}

INLINE void FN(store_part)(REAL *p, VEC x, int count) {
#if defined(__AVX512F__)
  MASK_STORE(p, (1u << count) - 1, x);
#else
  for (int i = 0; i < count; i++) p[i] = x[i];
#endif
}

/* C's block of `rows` x `vecs` vectors. What is added, beta times, is C itself or, with a step of 0, a
 * bias. The constant arguments make the loops vanish and the
 * arrays registers. Rows of the scalar side are reached from every third one, which is as far as
 * one index register scaled by 1 and 2 goes. */
INLINE void FN(block)(const int rows, const int vecs, int64_t k, const REAL *a, int64_t rs,
                      int64_t cs, const REAL *b, int64_t bs, REAL *c, int64_t ldc, REAL alpha,
                      REAL beta, const REAL *from, int64_t from_step) {
  VEC sum[MR][NV];
  const REAL *row[(MR + 2) / 3];
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int v = 0; v < vecs; v++) {
      sum[i][v] = (VEC){0};
      __builtin_prefetch(c + i * ldc + v * LANES, 1); /* a tenth of the time at 1024^3 */
    }
  UNROLL for (int i = 0; i < rows; i += 3) row[i / 3] = a + i * rs;
  for (int64_t p = 0; p < k; p++, b += bs) {
    VEC x[NV];
    UNROLL for (int v = 0; v < vecs; v++) x[v] = FN(load)(b + v * LANES);
    UNROLL for (int i = 0; i < rows; i++) {
      VEC s = row[i / 3][i % 3 * rs] - (VEC){0};
      UNROLL for (int v = 0; v < vecs; v++) sum[i][v] += s * x[v];
    }
    UNROLL for (int i = 0; i < rows; i += 3) row[i / 3] += cs;
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vecs; v++) {
      REAL *p = c + i * ldc + v * LANES;
      VEC y = sum[i][v] * alpha;
      FN(store)(p, beta == 0 ? y : y + FN(load)(from + i * from_step + v * LANES) * beta);
    }
  }
}

typedef void FN(kernel)(int64_t k, const REAL *a, int64_t rs, int64_t cs, const REAL *b,
                        int64_t bs, REAL *c, int64_t ldc, REAL alpha, REAL beta, const REAL *from,
                        int64_t from_step);
#define KERNEL(rows, vecs) \
  static void FN(kernel_##rows##_##vecs)(int64_t k, const REAL *a, int64_t rs, int64_t cs, \
                                         const REAL *b, int64_t bs, REAL *c, int64_t ldc, \
                                         REAL alpha, REAL beta, const REAL *from, \
                                         int64_t from_step) { \
    FN(block)(rows, vecs, k, a, rs, cs, b, bs, c, ldc, alpha, beta, from, from_step); \
  }
#define KERNELS(rows) KERNEL(rows, 1) KERNEL(rows, 2)
#define ENTRY(rows) {FN(kernel_##rows##_1), FN(kernel_##rows##_2)}
KERNELS(1) KERNELS(2) KERNELS(3) KERNELS(4)
#if MR >= 6
KERNELS(5) KERNELS(6)
#endif
#if MR >= 8
KERNELS(7) KERNELS(8)
#endif
#if MR >= 12
KERNELS(9) KERNELS(10) KERNELS(11) KERNELS(12)
#endif
static FN(kernel) *const FN(kernels)[MR][NV] = {
  ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
#if MR >= 6
  ENTRY(5), ENTRY(6),
#endif
#if MR >= 8
  ENTRY(7), ENTRY(8),
#endif
#if MR >= 12
  ENTRY(9), ENTRY(10), ENTRY(11), ENTRY(12),
#endif
};

/* A square of LANES x LANES is turned by interleaving its upper with its lower half, log2(LANES)
 * times over. */
#if LANE_BYTES / REAL_BYTES == 16
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define STAGES 4
#elif LANE_BYTES / REAL_BYTES == 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define STAGES 3
#elif LANE_BYTES / REAL_BYTES == 4
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#define STAGES 2
#else
#define LOW 0, 2
#define HIGH 1, 3
#define STAGES 1
#endif

/* dst[j][i] = src[i][j] for a square of LANES x LANES, of which only `rows` rows of src exist;
 * the others count as 0. The strides are those of the rows. */
INLINE void FN(turn)(REAL *dst, int64_t ds, const REAL *src, int64_t ss, int64_t rows) {
  VEC x[LANES], y[LANES];
  UNROLL for (int i = 0; i < LANES; i++) x[i] = i < rows ? FN(load)(src + i * ss) : (VEC){0};
  UNROLL for (int s = 0; s < STAGES; s++) {
    UNROLL for (int i = 0; i < LANES / 2; i++) {
      y[2 * i] = __builtin_shufflevector(x[i], x[i + LANES / 2], LOW);
      y[2 * i + 1] = __builtin_shufflevector(x[i], x[i + LANES / 2], HIGH);
    }
    UNROLL for (int i = 0; i < LANES; i++) x[i] = y[i];
  }
  UNROLL for (int i = 0; i < LANES; i++) FN(store)(dst + i * ds, x[i]);
}

static void FN(turn_full)(REAL *dst, int64_t ds, const REAL *src, int64_t ss) {
  FN(turn)(dst, ds, src, ss, LANES);
}

static void FN(turn_part)(REAL *dst, int64_t ds, const REAL *src, int64_t ss, int64_t rows) {
  FN(turn)(dst, ds, src, ss, rows);
}

/* dst[j][i] = src[i][j] for rows x cols of src; rows of dst are filled with 0 to whole vectors.
 * The last square of columns overlaps the one before rather than reading past the end. */
static void FN(transpose)(REAL *dst, int64_t ds, const REAL *src, int64_t ss, int64_t rows,
                          int64_t cols) {
  for (int64_t i = 0; i < rows; i += LANES, src += LANES * ss, dst += LANES) {
    int64_t left = rows - i < LANES ? rows - i : LANES;
    if (cols < LANES) {
      for (int64_t j = 0; j < cols; j++)
        for (int64_t q = 0; q < LANES; q++) dst[j * ds + q] = q < left ? src[q * ss + j] : 0;
      continue;
    }
    for (int64_t j = 0; j < cols; j += LANES) {
      int64_t at = j + LANES <= cols ? j : cols - LANES;
      if (left == LANES)
        FN(turn_full)(dst + at * ds, ds, src + at, ss);
      else
        FN(turn_part)(dst + at * ds, ds, src + at, ss, left);
    }
  }
}

/* A product as the kernels see it, whichever way round. */
typedef struct {
  int64_t m, n, k;
  const REAL *a; /* scalar side: element (i, p) at a[i * rs + p * cs] */
  int64_t rs, cs;
  const REAL *b; /* vector side: element (p, j) at b[p * ps + j * js]; ps or js is 1 */
  int64_t ps, js;
  REAL *c;
  int64_t ldc;
  bool turned; /* element (i, j) of the result goes to c[j * ldc + i] */
  REAL alpha, beta;
  bool pack_a, pack_b;
  const REAL *panels, *bias; /* of the vector side, packed before; in place of beta C */
  int64_t mc, nc, kc;
} FN(plan);

static int64_t FN(round_up)(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

/* Rough cycles, times 64, of one way: the multiplications (2 vectors per cycle), packing the
 * vector side when it has to be turned, and storing a turned result. */
static double FN(cost)(int64_t m, int64_t n, int64_t k, bool turn_b, bool turned) {
  double products = (double)m * FN(round_up)(n, LANES) * k * (32.0 / LANES);
  double packing = turn_b ? (double)n * k * 24 : 0;
  double storing = turned ? (double)m * n * 48 * ((k + KC - 1) / KC) : 0;
  return products + packing + storing;
}

/* Equal blocks of at most `most`, so that the last one is not a sliver. */
static int64_t FN(even)(int64_t n, int64_t most, int64_t unit) {
  int64_t parts = (n + most - 1) / most;
  return FN(round_up)((n + parts - 1) / parts, unit);
}

static FN(plan) FN(make_plan)(const tn_gemm *g) {
  bool turned = g->panels == NULL &&
                FN(cost)(g->n, g->m, g->k, !g->ta, true) < FN(cost)(g->m, g->n, g->k, g->tb, false);
  FN(plan) p = {.k = g->k, .c = g->c, .ldc = g->ldc, .turned = turned, .panels = g->panels,
                .bias = g->bias,
                .alpha = (REAL)g->alpha, .beta = (REAL)g->beta};
  int64_t ai = g->ta ? 1 : g->lda, ak = g->ta ? g->lda : 1;
  int64_t bk = g->tb ? 1 : g->ldb, bj = g->tb ? g->ldb : 1;
  if (turned) {
    p.m = g->n, p.a = g->b, p.rs = bj, p.cs = bk;
    p.n = g->m, p.b = g->a, p.ps = ak, p.js = ai;
  } else {
    p.m = g->m, p.a = g->a, p.rs = ai, p.cs = ak;
    p.n = g->n, p.b = g->b, p.ps = bk, p.js = bj;
  }
  /* Rows of the vector side may stay where they are, unless they keep falling into the same cache
   * sets, or are read so often that their scattered pages cost more than one copy. */
  bool crowded = p.ps * REAL_BYTES % 1024 == 0 && p.k > 16;
  p.pack_b = p.panels == NULL && (p.js != 1 || (p.m > 4 * MR && crowded) || p.m > 32 * MR);
  p.pack_a = p.n > 8 * NR && p.m > MR;
  p.kc = FN(even)(p.k, KC, 8);
  p.mc = FN(even)(p.m, MC, MR);
  p.nc = p.n < NC ? FN(round_up)(p.n, NR) : NC;
  return p;
}

/* Scratch memory: the packed vector side, one block of C, the packed scalar side. */
static int64_t FN(size_b)(const FN(plan) *p) {
  return p->panels != NULL ? 0 : (p->pack_b ? p->nc : NR) * p->kc;
}

static int64_t FN(size_a)(const FN(plan) *p) {
  return p->pack_a ? p->mc * (p->kc + PAD) : 0;
}

static int FN(lanes)(int64_t left) {
  return left < LANES ? (int)left : LANES;
}

/* Columns [0, cols) of the vector side, kb deep, as rows of `width` elements, the last ones 0. */
static void FN(pack_panel)(const FN(plan) *p, const REAL *b, int64_t kb, int64_t cols,
                           int64_t width, REAL *out) {
  if (p->js != 1)
    FN(transpose)(out, width, b, p->js, cols, kb);
  else if (cols == NR)
    for (int64_t q = 0; q < kb; q++)
      UNROLL for (int v = 0; v < NV; v++)
        FN(store)(out + q * NR + v * LANES, FN(load)(b + q * p->ps + v * LANES));
  else
    for (int64_t q = 0; q < kb; q++)
      for (int64_t j = 0; j < width; j += LANES)
        FN(store)(out + q * width + j, FN(load_part)(b + q * p->ps + j, FN(lanes)(cols - j)));
}

static int64_t FN(width)(int64_t cols) {
  return cols < NR ? FN(round_up)(cols, LANES) : NR;
}

/* Rows of the scalar side: as they are if its rows are contiguous, else `mr` rows at a time with
 * the elements that are multiplied together side by side. */
static void FN(pack_a)(const FN(plan) *p, const REAL *a, int64_t mb, int64_t kb, int64_t mr,
                       REAL *out) {
  if (p->cs == 1) {
    for (int64_t i = 0; i < mb; i++)
      memcpy(out + i * (p->kc + PAD), a + i * p->rs, (size_t)kb * sizeof(REAL));
    return;
  }
  for (int64_t i = 0; i < mb; i += mr) {
    int64_t rows = mb - i < mr ? mb - i : mr;
    for (int64_t q = 0; q < kb; q++)
      for (int64_t r = 0; r < rows; r++) out[i * kb + q * mr + r] = a[q * p->cs + i + r];
  }
}

INLINE void FN(merge_part)(const FN(plan) *p, REAL *c, VEC sum, int64_t left, REAL beta,
                           const REAL *bias) {
  int count = FN(lanes)(left);
  VEC y = sum * p->alpha;
  if (bias != NULL) {
    FN(store_part)(c, y + FN(load_part)(bias, count), count);
    return;
  }
  FN(store_part)(c, beta == 0 ? y : y + FN(load_part)(c, count) * beta, count);
}

/* Adds a finished block, rows x cols of tile, to C where the kernel cannot do it by itself:
 * because its last vector is not a whole one, or because C wants it turned. */
static void FN(merge)(const FN(plan) *p, const REAL *tile, int64_t rows, int64_t cols, REAL *c,
                      REAL beta, const REAL *bias) {
  _Alignas(64) REAL square[LANES * LANES];
  if (!p->turned) {
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < cols; j += LANES)
        FN(merge_part)(p, c + i * p->ldc + j, FN(load)(tile + i * NR + j), cols - j, beta,
                       bias != NULL ? bias + j : NULL);
    return;
  }
  for (int64_t i = 0; i < rows; i += LANES)
    for (int64_t j = 0; j < cols; j += LANES) {
      FN(turn_full)(square, LANES, tile + i * NR + j, NR);
      for (int64_t q = 0; q < LANES && j + q < cols; q++)
        FN(merge_part)(p, c + (j + q) * p->ldc + i, FN(load)(square + q * LANES), rows - i, beta,
                       NULL);
    }
}

typedef struct {
  const REAL *a;
  int64_t rs, cs, tile_step; /* tile_step: from the first row of one tile to the next */
  const REAL *b;
  int64_t bs;
  int64_t rows, cols, kb, mr;
  REAL *c, *tile;
  REAL beta;
  const REAL *bias; /* of these columns */
} FN(strip);

/* All rows of a block of the scalar side times one panel of the vector side. */
static void FN(run_strip)(const FN(plan) *p, const FN(strip) *s) {
  int vecs = (int)(FN(width)(s->cols) / LANES);
  bool direct = !p->turned && s->cols == vecs * LANES;
  const REAL *a = s->a;
  for (int64_t i = 0; i < s->rows; i += s->mr, a += s->tile_step) {
    int64_t rows = s->rows - i < s->mr ? s->rows - i : s->mr;
    FN(kernel) *kernel = FN(kernels)[rows - 1][vecs - 1];
    REAL *c = s->c + i * (p->turned ? 1 : p->ldc);
    if (direct) {
      kernel(s->kb, a, s->rs, s->cs, s->b, s->bs, c, p->ldc, p->alpha, s->beta,
             s->bias != NULL ? s->bias : c, s->bias != NULL ? 0 : p->ldc);
    } else {
      kernel(s->kb, a, s->rs, s->cs, s->b, s->bs, s->tile, NR, 1, 0, NULL, 0);
      FN(merge)(p, s->tile, rows, s->cols, c, s->beta, s->bias);
    }
  }
}

/* C's block of rows from `ic` and columns from `jc`, with kb products from `pc` on. */
static void FN(run_block)(const FN(plan) *p, int64_t ic, int64_t jc, int64_t pc, int64_t nb,
                          int64_t kb, REAL *packed_b, REAL *packed_a, REAL *tile) {
  int64_t mb = p->m - ic < p->mc ? p->m - ic : p->mc;
  FN(strip) s = {.a = p->a + ic * p->rs + pc * p->cs, .rs = p->rs, .cs = p->cs,
                 .mr = FN(even)(mb, MR, 1), .rows = mb, .kb = kb, .tile = tile,
                 .beta = pc == 0 && p->bias == NULL ? p->beta : 1};
  s.tile_step = s.mr * s.rs;
  if (p->pack_a) {
    FN(pack_a)(p, s.a, mb, kb, s.mr, packed_a);
    s.a = packed_a;
    s.rs = p->cs == 1 ? p->kc + PAD : 1;
    s.cs = p->cs == 1 ? 1 : s.mr;
    s.tile_step = s.mr * (p->cs == 1 ? s.rs : kb);
  }
  for (int64_t j = 0; j < nb; j += NR) {
    s.cols = nb - j < NR ? nb - j : NR;
    bool packed = p->pack_b || s.cols % LANES != 0 || p->panels != NULL;
    if (p->panels != NULL) s.b = p->panels + (jc + j) * p->k + pc * FN(width)(s.cols);
    else s.b = !packed ? p->b + pc * p->ps + jc + j : packed_b + (p->pack_b ? j * kb : 0);
    s.bs = packed ? FN(width)(s.cols) : p->ps;
    s.bias = p->bias != NULL && pc == 0 ? p->bias + jc + j : NULL;
    s.c = p->c + (p->turned ? (jc + j) * p->ldc + ic : ic * p->ldc + jc + j);
    FN(run_strip)(p, &s);
  }
}

/* Packs what of nb columns of the vector side has to be packed: all panels, or only a last one
 * that does not fill its vectors and must not be read past its end. */
static void FN(pack_b)(const FN(plan) *p, int64_t jc, int64_t pc, int64_t nb, int64_t kb,
                       REAL *out) {
  for (int64_t j = 0; j < nb; j += NR) {
    int64_t cols = nb - j < NR ? nb - j : NR;
    if (!p->pack_b && cols % LANES == 0) continue;
    const REAL *b = p->b + pc * p->ps + (jc + j) * p->js;
    FN(pack_panel)(p, b, kb, cols, FN(width)(cols), out + (p->pack_b ? j * kb : 0));
  }
}

static void FN(run_plan)(const FN(plan) *p, REAL *scratch) {
  REAL *packed_b = scratch, *packed_a = scratch + FN(size_b)(p);
  _Alignas(64) REAL tile[TILE_ROWS * NR] = {0};
  for (int64_t jc = 0; jc < p->n; jc += p->nc) {
    int64_t nb = p->n - jc < p->nc ? p->n - jc : p->nc;
    for (int64_t pc = 0; pc < p->k; pc += p->kc) {
      int64_t kb = p->k - pc < p->kc ? p->k - pc : p->kc;
      if (p->panels == NULL) FN(pack_b)(p, jc, pc, nb, kb, packed_b);
      for (int64_t ic = 0; ic < p->m; ic += p->mc)
        FN(run_block)(p, ic, jc, pc, nb, kb, packed_b, packed_a, tile);
    }
  }
}

/* A product with a vector, y = alpha op(A) x + beta y. */
typedef struct {
  int64_t m, k;
  const REAL *a, *x;
  int64_t lda, xs, ys;
  bool ta;
  REAL *y;
  REAL alpha, beta;
} FN(gemv);

static REAL FN(sum)(VEC x) {
  REAL s = 0;
  for (int i = 0; i < LANES; i++) s += x[i];
  return s;
}

INLINE void FN(put)(const FN(gemv) *g, int64_t i, REAL sum) {
  REAL *y = g->y + i * g->ys;
  *y = sum * g->alpha + (g->beta == 0 ? 0 : *y * g->beta);
}

/* `rows` dot products at once share the loads of x and hide the latency of the sums. */
INLINE void FN(dots)(const int rows, const FN(gemv) *g, const REAL *x, int64_t i) {
  const REAL *a = g->a + i * g->lda;
  VEC sum[4][2];
  UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (VEC){0};
  int64_t p = 0;
  for (; p + 2 * LANES <= g->k; p += 2 * LANES) {
    VEC x0 = FN(load)(x + p), x1 = FN(load)(x + p + LANES);
    UNROLL for (int r = 0; r < rows; r++) {
      sum[r][0] += FN(load)(a + r * g->lda + p) * x0;
      sum[r][1] += FN(load)(a + r * g->lda + p + LANES) * x1;
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    REAL rest = 0;
    for (int64_t q = p; q < g->k; q++) rest += a[r * g->lda + q] * x[q];
    FN(put)(g, i + r, FN(sum)(sum[r][0] + sum[r][1]) + rest);
  }
}

static void FN(gemv_rows)(const FN(gemv) *g, const REAL *x) {
  int64_t i = 0;
  for (; i + 4 <= g->m; i += 4) FN(dots)(4, g, x, i);
  for (; i < g->m; i++) FN(dots)(1, g, x, i);
}

/* Columns of A are contiguous: `vecs` vectors of y at once, going down all of x. */
INLINE void FN(columns)(const int vecs, const FN(gemv) *g, const REAL *x, int64_t i) {
  VEC sum[2][4];
  UNROLL for (int v = 0; v < vecs; v++) sum[0][v] = sum[1][v] = (VEC){0};
  const REAL *a = g->a + i;
  int64_t p = 0;
  for (; p + 2 <= g->k; p += 2, a += 2 * g->lda)
    UNROLL for (int v = 0; v < vecs; v++) {
      sum[0][v] += FN(load)(a + v * LANES) * x[p];
      sum[1][v] += FN(load)(a + g->lda + v * LANES) * x[p + 1];
    }
  if (p < g->k)
    UNROLL for (int v = 0; v < vecs; v++) sum[0][v] += FN(load)(a + v * LANES) * x[p];
  UNROLL for (int v = 0; v < vecs; v++) {
    VEC s = sum[0][v] + sum[1][v];
    for (int q = 0; q < LANES; q++) FN(put)(g, i + v * LANES + q, s[q]);
  }
}

static void FN(gemv_columns)(const FN(gemv) *g, const REAL *x) {
  int64_t i = 0;
  for (; i + 4 * LANES <= g->m; i += 4 * LANES) FN(columns)(4, g, x, i);
  for (; i + LANES <= g->m; i += LANES) FN(columns)(1, g, x, i);
  for (; i < g->m; i++) {
    REAL sum = 0;
    for (int64_t p = 0; p < g->k; p++) sum += g->a[p * g->lda + i] * x[p];
    FN(put)(g, i, sum);
  }
}

static void FN(run_gemv)(const tn_gemm *g, REAL *scratch) {
  FN(gemv) v = {.k = g->k, .y = g->c, .alpha = (REAL)g->alpha, .beta = (REAL)g->beta};
  if (g->n == 1) {
    v.m = g->m, v.a = g->a, v.lda = g->lda, v.ta = g->ta, v.ys = g->ldc;
    v.x = g->b, v.xs = g->tb ? 1 : g->ldb;
  } else { /* the row a op(B) is the column op(B)' a' */
    v.m = g->n, v.a = g->b, v.lda = g->ldb, v.ta = !g->tb, v.ys = 1;
    v.x = g->a, v.xs = g->ta ? g->lda : 1;
  }
  const REAL *x = v.x;
  if (v.xs != 1) {
    for (int64_t p = 0; p < v.k; p++) scratch[p] = v.x[p * v.xs];
    x = scratch;
  }
  if (v.ta)
    FN(gemv_columns)(&v, x);
  else
    FN(gemv_rows)(&v, x);
}

/* So few products that planning would cost more. */
static bool FN(is_tiny)(const tn_gemm *g) {
  return g->m * g->n <= 64 && g->m * g->n * g->k <= 256;
}

static void FN(run_tiny)(const tn_gemm *g) {
  const REAL *a = g->a, *b = g->b;
  int64_t ai = g->ta ? 1 : g->lda, ak = g->ta ? g->lda : 1;
  int64_t bk = g->tb ? 1 : g->ldb, bj = g->tb ? g->ldb : 1;
  for (int64_t i = 0; i < g->m; i++)
    for (int64_t j = 0; j < g->n; j++) {
      REAL sum = 0, *c = (REAL *)g->c + i * g->ldc + j;
      for (int64_t p = 0; p < g->k; p++) sum += a[i * ai + p * ak] * b[p * bk + j * bj];
      sum *= (REAL)g->alpha;
      *c = g->beta == 0 ? sum : sum + *c * (REAL)g->beta;
    }
}

int64_t KERNEL_NAME(FN(tn__gemm_packed))(int64_t n, int64_t k) {
  return FN(round_up)(n, LANES) * k;
}

void KERNEL_NAME(FN(tn__gemm_pack))(int64_t n, int64_t k, const void *b, int64_t ldb, void *to) {
  const FN(plan) p = {.ps = 1, .js = ldb};
  for (int64_t j = 0; j < n; j += NR) {
    const int64_t cols = n - j < NR ? n - j : NR;
    FN(pack_panel)(&p, (const REAL *)b + j * ldb, k, cols, FN(width)(cols), (REAL *)to + j * k);
  }
}

size_t KERNEL_NAME(FN(tn__gemm_scratch))(const tn_gemm *g) {
  if (g->m == 1 || g->n == 1) return (size_t)g->k * sizeof(REAL);
  if (FN(is_tiny)(g)) return 0;
  FN(plan) p = FN(make_plan)(g);
  return (size_t)(FN(size_b)(&p) + FN(size_a)(&p)) * sizeof(REAL);
}

/* A part of a product that is too small for panels. */
static void FN(run_biased)(const tn_gemm *g, void *scratch) {
  tn_gemm plain = *g;
  plain.bias = NULL;
  plain.beta = 1;
  for (int64_t i = 0; i < g->m; i++) {
    memcpy((REAL *)g->c + i * g->ldc, g->bias, (size_t)g->n * sizeof(REAL));
  }
  KERNEL_NAME(FN(tn__gemm))(&plain, scratch);
}

void KERNEL_NAME(FN(tn__gemm))(const tn_gemm *g, void *scratch) {
  const bool small = g->m == 1 || g->n == 1 || FN(is_tiny)(g);
  if (g->bias != NULL && (small || g->panels == NULL)) {
    FN(run_biased)(g, scratch);
  } else if (g->m == 1 || g->n == 1) {
    FN(run_gemv)(g, scratch);
  } else if (FN(is_tiny)(g)) {
    FN(run_tiny)(g);
  } else {
    FN(plan) p = FN(make_plan)(g);
    FN(run_plan)(&p, scratch);
  }
}

#undef LANES
#undef NR
#undef TILE_ROWS

#undef MC
#undef NC
#undef PAD
#undef VEC
#undef KERNEL
#undef KERNELS
#undef ENTRY
#undef LOW
#undef HIGH
#undef STAGES
