/* attention_real.h -- the loops of attention for one element type; included by attention_kernel.c,
 * which defines REAL, FN(name), EXP(x), LEAST, and VECTOR_EXP where there are instructions for it. */

#ifndef VECTOR_EXP
/* e^x for x up to 0, or NaN. Below LEAST it is 0: numbers so small would take a hundred cycles. */
static inline REAL FN(soft_exp)(REAL x) {
  const REAL e = EXP(x < LEAST ? LEAST : x);
  return x < LEAST ? 0 : e;
}

static void FN(soften)(int64_t n, int64_t ld, void *pscores, void *ptop, void *psum,
                       void *pfactor) {
  REAL *scores = pscores, *top = ptop, *sum = psum, *factor = pfactor;
  REAL peak[TN_ATTENTION_QUERIES], total[TN_ATTENTION_QUERIES];
  for (int64_t i = 0; i < ld; i++) peak[i] = top[i], total[i] = 0;
  for (int64_t r = 0; r < n; r++) {
    const REAL *s = scores + r * ld;
    TN_VECTOR for (int64_t i = 0; i < ld; i++) peak[i] = s[i] > peak[i] ? s[i] : peak[i];
  }
  TN_VECTOR for (int64_t i = 0; i < ld; i++) {
    const REAL shift = peak[i] == -(REAL)INFINITY ? 0 : peak[i];
    factor[i] = FN(soft_exp)(top[i] - shift);
    top[i] = peak[i];
    peak[i] = shift;
  }
  for (int64_t r = 0; r < n; r++) {
    REAL *s = scores + r * ld;
    TN_VECTOR for (int64_t i = 0; i < ld; i++) {
      const REAL e = FN(soft_exp)(s[i] - peak[i]);
      s[i] = e;
      total[i] += e;
    }
  }
  for (int64_t i = 0; i < ld; i++) sum[i] = sum[i] * factor[i] + total[i];
}

static void FN(revive)(int64_t n, int64_t ld, void *pscores, const void *plse) {
  REAL *scores = pscores;
  const REAL *lse = plse;
  for (int64_t r = 0; r < n; r++) {
    REAL *s = scores + r * ld;
    TN_VECTOR for (int64_t i = 0; i < ld; i++) s[i] = FN(soft_exp)(s[i] - lse[i]);
  }
}
#endif

static void FN(slope)(int64_t n, int64_t ld, void *pd, const void *pp, const void *pdelta) {
  REAL *d = pd;
  const REAL *p = pp, *delta = pdelta;
  for (int64_t r = 0; r < n; r++, d += ld, p += ld) {
    TN_VECTOR for (int64_t i = 0; i < ld; i++) d[i] = p[i] * (d[i] - delta[i]);
  }
}

static void FN(scale_rows)(int64_t rows, int64_t n, void *pto, int64_t to_step, const void *pfrom,
                           int64_t from_step, const void *pfactor) {
  REAL *to = pto;
  const REAL *from = pfrom, *factor = pfactor;
  for (int64_t r = 0; r < rows; r++, to += to_step, from += from_step) {
    const REAL f = factor[r];
    TN_VECTOR for (int64_t i = 0; i < n; i++) to[i] = from[i] * f;
  }
}

static double FN(dot)(int64_t n, const void *pa, const void *pb) {
  const REAL *a = pa, *b = pb;
  REAL lane[16] = {0}, rest = 0;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    TN_VECTOR for (int k = 0; k < 16; k++) lane[k] += a[i + k] * b[i + k];
  }
  for (; i < n; i++) rest += a[i] * b[i];
  for (int k = 0; k < 16; k++) rest += lane[k];
  return (double)rest;
}

static void FN(hide_before)(int64_t n, int64_t ld, void *pscores, int64_t first) {
  REAL *scores = pscores;
  for (int64_t r = 0; r < n; r++) {
    const int64_t end = first + r < ld ? first + r : ld;
    REAL *s = scores + r * ld;
    TN_VECTOR for (int64_t i = 0; i < end; i++) s[i] = -(REAL)INFINITY;
  }
}

static void FN(turn_pairs)(int64_t n, bool beside, void *py, const void *px, const void *pcos,
                           const void *psin, double sign) {
  REAL *y = py;
  const REAL *x = px, *c = pcos, *s = psin, by = (REAL)sign;
  if (beside) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) {
      const REAL a = x[2 * i], b = x[2 * i + 1], t = s[i] * by;
      y[2 * i] = a * c[i] - b * t;
      y[2 * i + 1] = b * c[i] + a * t;
    }
  } else {
    TN_VECTOR for (int64_t i = 0; i < n; i++) {
      const REAL a = x[i], b = x[n + i], t = s[i] * by;
      y[i] = a * c[i] - b * t;
      y[n + i] = b * c[i] + a * t;
    }
  }
}
