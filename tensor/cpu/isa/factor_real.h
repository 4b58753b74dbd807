/* factor_real.h -- Cholesky's factors and the inverse for one element type; included by
 * factor_kernel.c, which defines REAL, BITS, FN(name), GEMM(name), LANES. Golub and Van Loan, Matrix
 * Computations, explains the algorithms; here they go in blocks of NB rows, and all but the blocks
 * on the diagonal is matrix products. Matrices are row-major. */

typedef REAL FN(vec) __attribute__((vector_size(LANES * sizeof(REAL)), aligned(sizeof(REAL)),
                                    may_alias));

/* C = beta C + alpha op(A) op(B); false: no memory for packing. */
static bool FN(product)(tn_factor_work *w, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        REAL alpha, const REAL *a, int64_t lda, const REAL *b, int64_t ldb,
                        REAL beta, REAL *c, int64_t ldc) {
  if (m == 0 || n == 0 || k == 0) return true;
  tn_gemm g = {ta, tb, m, n, k, alpha, beta, a, b, c, lda, ldb, ldc, NULL, NULL};
  size_t bytes = GEMM(tn__gemm_scratch)(&g);
  if (bytes > w->bytes) {
    free(w->scratch);
    w->bytes = 0;
    w->scratch = NULL;
    if (posix_memalign(&w->scratch, 64, bytes) != 0) return false;
    w->bytes = bytes;
  }
  GEMM(tn__gemm)(&g, w->scratch);
  return true;
}

/* A triangle: element (i, k) at t[i * down + k * across], one of which is 1. */
typedef struct {
  const REAL *t;
  int64_t down, across;
  bool upper, unit;
} FN(triangle);

/* `vecs` vectors of each of n <= NB rows of b become those of X of T X = B. */
static inline __attribute__((always_inline)) void FN(solve_strip)(const int vecs,
                                                                  const FN(triangle) *t, int64_t n,
                                                                  REAL *b, int64_t ldb) {
  for (int64_t step = 0; step < n; step++) {
    const int64_t i = t->upper ? n - 1 - step : step, sign = t->upper ? -1 : 1;
    const REAL *row = t->t + i * t->down;
    FN(vec) sum[4];
    for (int v = 0; v < vecs; v++) sum[v] = *(const FN(vec) *)(b + i * ldb + v * LANES);
    for (int64_t s = step; s > 0; s--) { /* the newest rows come last */
      const int64_t k = i - sign * s;
      const REAL *x = b + k * ldb, factor = row[k * t->across];
      for (int v = 0; v < vecs; v++) sum[v] -= factor * *(const FN(vec) *)(x + v * LANES);
    }
    for (int v = 0; v < vecs; v++) {
      if (!t->unit) sum[v] /= row[i * t->across];
      *(FN(vec) *)(b + i * ldb + v * LANES) = sum[v];
    }
  }
}

/* The same for all `right` columns. */
static void FN(solve_rows)(const FN(triangle) *t, int64_t n, int64_t right, REAL *b, int64_t ldb) {
  REAL rest[NB * LANES];
  int64_t j = 0;
  for (; j + 4 * LANES <= right; j += 4 * LANES) FN(solve_strip)(4, t, n, b + j, ldb);
  for (; j + LANES <= right; j += LANES) FN(solve_strip)(1, t, n, b + j, ldb);
  if (j == right) return;
  const size_t bytes = (size_t)(right - j) * sizeof(REAL);
  memset(rest, 0, sizeof rest);
  for (int64_t i = 0; i < n; i++) memcpy(rest + i * LANES, b + i * ldb + j, bytes);
  FN(solve_strip)(1, t, n, rest, LANES);
  for (int64_t i = 0; i < n; i++) memcpy(b + i * ldb + j, rest + i * LANES, bytes);
}

/* B (n x right) becomes X of T X = B. `growing`: B is the identity, of whose block rows those of a
 * lower triangle are only filled up to the diagonal. */
static bool FN(solve)(tn_factor_work *w, const FN(triangle) *t, int64_t n, int64_t right, REAL *b,
                      int64_t ldb, bool growing) {
  const int64_t blocks = (n + NB - 1) / NB;
  for (int64_t s = 0; s < blocks; s++) {
    const int64_t i = (t->upper ? blocks - 1 - s : s) * NB, rows = n - i < NB ? n - i : NB;
    const int64_t k = t->upper ? i + rows : 0, known = t->upper ? n - k : i;
    const int64_t filled = growing ? i : right;
    FN(triangle) block = *t;
    const REAL *side = t->t + i * t->down + k * t->across;
    if (!FN(product)(w, t->down == 1, false, rows, filled, known, -1, side,
                     t->down == 1 ? t->across : t->down, b + k * ldb, ldb, 1, b + i * ldb, ldb)) {
      return false;
    }
    block.t = t->t + i * (t->down + t->across);
    FN(solve_rows)(&block, rows, growing ? i + rows : right, b + i * ldb, ldb);
  }
  return true;
}

/* -- Cholesky: A = U'U, U in the upper triangle ------------------------------------------------- */

/* A block on the diagonal; 0, or the row (from 1) whose pivot is not positive. */
static int FN(cholesky_block)(int64_t n, REAL *a, int64_t ld) {
  enum { VECS = NB / LANES };
  REAL u[NB][NB] = {{0}};
  for (int64_t i = 0; i < n; i++) {
    memcpy(u[i] + i, a + i * ld + i, (size_t)(n - i) * sizeof(REAL));
  }
  for (int64_t i = 0; i < n; i++) {
    FN(vec) sum[VECS];
    for (int v = 0; v < VECS; v++) sum[v] = *(FN(vec) *)(u[i] + v * LANES);
    for (int64_t k = 0; k < i; k++) {
      const REAL factor = u[k][i];
      for (int v = 0; v < VECS; v++) sum[v] -= factor * *(FN(vec) *)(u[k] + v * LANES);
    }
    for (int v = 0; v < VECS; v++) *(FN(vec) *)(u[i] + v * LANES) = sum[v];
    const REAL pivot = u[i][i];
    if (!(pivot > 0)) return (int)i + 1;
    const REAL root = (REAL)sqrt((double)pivot);
    for (int v = 0; v < VECS; v++) *(FN(vec) *)(u[i] + v * LANES) /= root;
    memcpy(a + i * ld + i, u[i] + i, (size_t)(n - i) * sizeof(REAL));
  }
  return 0;
}

int TN_ISA_NAME(FN(tn__cholesky))(int64_t n, void *matrix) {
  tn_factor_work w = {NULL, 0};
  REAL *a = matrix;
  int info = 0;
  for (int64_t i = 0; i < n && info == 0; i += NB) {
    const int64_t rows = n - i < NB ? n - i : NB, after = i + rows;
    REAL *diagonal = a + i * n + i;
    if (!FN(product)(&w, true, false, rows, n - i, i, -1, a + i, n, a + i, n, 1, diagonal, n)) {
      info = TN_FACTOR_MEMORY;
      break;
    }
    info = FN(cholesky_block)(rows, diagonal, n);
    if (info > 0) info += (int)i;
    const FN(triangle) t = {.t = diagonal, .down = 1, .across = n};
    if (info == 0) FN(solve_rows)(&t, rows, n - after, a + i * n + after, n);
  }
  free(w.scratch);
  return info;
}

/* -- Inverse: of P A = L U ---------------------------------------------------------------------- */

static void FN(swap)(int64_t n, REAL *a, int64_t a_step, REAL *b, int64_t b_step) {
  for (int64_t i = 0; i < n; i++) {
    const REAL t = a[i * a_step];
    a[i * a_step] = b[i * b_step];
    b[i * b_step] = t;
  }
}

static inline BITS FN(magnitude)(REAL x) {
  BITS u;
  memcpy(&u, &x, sizeof u);
  return u & (BITS)(~0ull >> (65 - 8 * sizeof u)); /* all bits but the sign */
}

/* The place of the largest magnitude; a NaN counts as the largest. */
static int64_t FN(largest)(int64_t n, const REAL *x) {
  BITS most = 0;
  int64_t i = 0;
  TN_VECTOR for (int64_t k = 0; k < n; k++) {
    const BITS u = FN(magnitude)(x[k]);
    most = u > most ? u : most;
  }
  for (; i + 16 <= n; i += 16) {
    unsigned hit = 0;
    TN_VECTOR for (int k = 0; k < 16; k++) hit |= FN(magnitude)(x[i + k]) == most;
    if (hit) break;
  }
  while (i < n - 1 && FN(magnitude)(x[i]) != most) i++;
  return i;
}

/* x[0, n) -= the sum of factors[k] times column k; columns are `apart` elements apart, and behind
 * each there is room for SLACK elements that may become anything. */
static void FN(subtract_columns)(int64_t n, int64_t count, const REAL *factors, const REAL *columns,
                                 int64_t apart, REAL *x) {
  for (int64_t i = 0; i < n; i += 2 * LANES) {
    FN(vec) a = *(FN(vec) *)(x + i), b = *(FN(vec) *)(x + i + LANES);
    for (int64_t k = 0; k < count; k++) {
      const REAL *c = columns + k * apart + i;
      a -= factors[k] * *(const FN(vec) *)c;
      b -= factors[k] * *(const FN(vec) *)(c + LANES);
    }
    *(FN(vec) *)(x + i) = a;
    *(FN(vec) *)(x + i + LANES) = b;
  }
}

/* LU factors with pivots of a panel of m rows and n <= NB columns, each column dense in p. */
static int FN(panel)(int64_t m, int64_t n, REAL *p, int32_t *pivots) {
  const int64_t apart = m + SLACK;
  for (int64_t j = 0; j < n; j++) {
    REAL *column = p + j * apart;
    for (int64_t k = 0; k < j; k++) {
      const REAL factor = column[k], *other = p + k * apart;
      for (int64_t i = k + 1; i < j; i++) column[i] -= factor * other[i];
    }
    FN(subtract_columns)(m - j, j, column, p + j, apart, column + j);
    const int64_t best = j + FN(largest)(m - j, column + j);
    pivots[j] = (int32_t)best;
    if (best != j) FN(swap)(n, p + j, apart, p + best, apart);
    const REAL pivot = column[j];
    if (pivot == 0) return (int)j + 1;
    TN_VECTOR for (int64_t i = j + 1; i < m; i++) column[i] /= pivot;
  }
  return 0;
}

/* The panel from row and column k on, there and back. */
static void FN(copy_panel)(int64_t n, int64_t k, int64_t columns, REAL *a, REAL *p, bool back) {
  const int64_t m = n - k, apart = m + SLACK;
  for (int64_t i = 0; i < m; i++) {
    REAL *row = a + (k + i) * n + k;
    if (back) {
      for (int64_t j = 0; j < columns; j++) row[j] = p[j * apart + i];
    } else {
      for (int64_t j = 0; j < columns; j++) p[j * apart + i] = row[j];
    }
  }
}

static int FN(factor)(tn_factor_work *w, int64_t n, REAL *a, REAL *p, int32_t *pivots) {
  for (int64_t k = 0; k < n; k += NB) {
    const int64_t columns = n - k < NB ? n - k : NB, after = k + columns;
    FN(copy_panel)(n, k, columns, a, p, false);
    int info = FN(panel)(n - k, columns, p, pivots + k);
    if (info > 0) return (int)k + info;
    FN(copy_panel)(n, k, columns, a, p, true);
    for (int64_t j = k; j < after; j++) { /* the panel's own part is exchanged already */
      pivots[j] += (int32_t)k;
      REAL *one = a + j * n, *other = a + pivots[j] * n;
      if (one == other) continue;
      FN(swap)(k, one, 1, other, 1);
      FN(swap)(n - after, one + after, 1, other + after, 1);
    }
    const FN(triangle) t = {.t = a + k * n + k, .down = n, .across = 1, .unit = true};
    FN(solve_rows)(&t, columns, n - after, a + k * n + after, n);
    if (!FN(product)(w, false, false, n - after, n - after, columns, -1, a + after * n + k, n,
                     a + k * n + after, n, 1, a + after * n + after, n)) {
      return TN_FACTOR_MEMORY;
    }
  }
  return 0;
}

/* X = U^-1 L^-1, then its columns in the order of P: X P. */
static int FN(invert)(tn_factor_work *w, int64_t n, const REAL *lu, const int32_t *pivots,
                      int32_t *order, REAL *x, REAL *row) {
  const FN(triangle) lower = {.t = lu, .down = n, .across = 1, .unit = true};
  const FN(triangle) upper = {.t = lu, .down = n, .across = 1, .upper = true};
  memset(x, 0, (size_t)(n * n) * sizeof(REAL));
  for (int64_t i = 0; i < n; i++) x[i * n + i] = 1, order[i] = (int32_t)i;
  if (!FN(solve)(w, &lower, n, n, x, n, true)) return TN_FACTOR_MEMORY;
  if (!FN(solve)(w, &upper, n, n, x, n, false)) return TN_FACTOR_MEMORY;
  for (int64_t i = 0; i < n; i++) {
    const int32_t t = order[i];
    order[i] = order[pivots[i]];
    order[pivots[i]] = t;
  }
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < n; j++) row[order[j]] = x[i * n + j];
    memcpy(x + i * n, row, (size_t)n * sizeof(REAL));
  }
  return 0;
}

int TN_ISA_NAME(FN(tn__inverse))(int64_t n, void *a, void *x) {
  tn_factor_work w = {NULL, 0};
  REAL *panel = calloc((size_t)(n + SLACK) * NB, sizeof(REAL));
  int32_t *pivots = malloc((size_t)n * 2 * sizeof(int32_t));
  int info = panel != NULL && pivots != NULL ? 0 : TN_FACTOR_MEMORY;
  if (info == 0) info = FN(factor)(&w, n, a, panel, pivots);
  if (info == 0) info = FN(invert)(&w, n, a, pivots, pivots + n, x, panel);
  free(pivots);
  free(panel);
  free(w.scratch);
  return info;
}
