/* norm_real.h -- the loops of normalisation for one element type; included by
 * norm_kernel.c, which defines REAL, REAL_BYTES, FN(name) and LANE_BYTES.
 * What they calculate stands in kernels.h. */

#define LANES (LANE_BYTES / REAL_BYTES)

typedef REAL FN(vec) __attribute__((vector_size(LANE_BYTES)));
typedef REAL FN(loose) __attribute__((vector_size(LANE_BYTES), aligned(REAL_BYTES), may_alias));
#define VEC FN(vec)
#define LOAD(p) ((VEC)(*(const FN(loose) *)(p)))
#define STORE(p, v) (*(FN(loose) *)(p) = (v))

static inline REAL FN(total)(VEC v) {
  REAL s = 0;
  for (int k = 0; k < LANES; k++) s += v[k];
  return s;
}

static double FN(sum)(int64_t n, const void *px) {
  const REAL *x = px;
  VEC a = {0}, b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    a += LOAD(x + i);
    b += LOAD(x + i + LANES);
    c += LOAD(x + i + 2 * LANES);
    d += LOAD(x + i + 3 * LANES);
  }
  for (; i + LANES <= n; i += LANES) a += LOAD(x + i);
  REAL rest = 0;
  for (; i < n; i++) rest += x[i];
  return (double)(FN(total)((a + b) + (c + d)) + rest);
}

static double FN(spread)(int64_t n, const void *px, double centre) {
  const REAL *x = px, m = (REAL)centre;
  VEC a = {0}, b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    const VEC p = LOAD(x + i) - m, q = LOAD(x + i + LANES) - m;
    const VEC r = LOAD(x + i + 2 * LANES) - m, s = LOAD(x + i + 3 * LANES) - m;
    a += p * p;
    b += q * q;
    c += r * r;
    d += s * s;
  }
  for (; i + LANES <= n; i += LANES) {
    const VEC p = LOAD(x + i) - m;
    a += p * p;
  }
  REAL rest = 0;
  for (; i < n; i++) rest += (x[i] - m) * (x[i] - m);
  return (double)(FN(total)((a + b) + (c + d)) + rest);
}

static void FN(affine)(int64_t n, void *py, const void *px, double mean, double scale,
                       double shift) {
  REAL *y = py;
  const REAL *x = px, m = (REAL)mean, s = (REAL)scale, t = (REAL)shift;
  TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * s + t;
}

static void FN(affine_each)(int64_t n, void *py, const void *px, double mean, double scale,
                            const void *pw, const void *pb) {
  REAL *y = py;
  const REAL *x = px, *w = pw, *b = pb, m = (REAL)mean, s = (REAL)scale;
  if (b == NULL) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * s * w[i];
  } else {
    TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * s * w[i] + b[i];
  }
}

static void FN(slopes)(int64_t n, const void *px, const void *pd, const void *pw, double mean,
                       double out[2]) {
  const REAL *x = px, *d = pd, *w = pw, m = (REAL)mean;
  VEC a = {0}, b = a, c = a, e = a;
  REAL ra = 0, rb = 0;
  int64_t i = 0;
  if (w == NULL) {
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
      const VEC p = LOAD(d + i), q = LOAD(d + i + LANES);
      a += p;
      c += q;
      b += p * (LOAD(x + i) - m);
      e += q * (LOAD(x + i + LANES) - m);
    }
    for (; i < n; i++) ra += d[i], rb += d[i] * (x[i] - m);
  } else {
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
      const VEC p = LOAD(d + i) * LOAD(w + i), q = LOAD(d + i + LANES) * LOAD(w + i + LANES);
      a += p;
      c += q;
      b += p * (LOAD(x + i) - m);
      e += q * (LOAD(x + i + LANES) - m);
    }
    for (; i < n; i++) ra += d[i] * w[i], rb += d[i] * w[i] * (x[i] - m);
  }
  out[0] = (double)(FN(total)(a + c) + ra);
  out[1] = (double)(FN(total)(b + e) + rb);
}

static void FN(back)(int64_t n, void *pdx, const void *px, const void *pd, const void *pw,
                     double mean, const double k[3]) {
  REAL *dx = pdx;
  const REAL *x = px, *d = pd, *w = pw, m = (REAL)mean;
  const REAL k0 = (REAL)k[0], k1 = (REAL)k[1], k2 = (REAL)k[2];
  if (w == NULL) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) dx[i] = d[i] * k0 + ((x[i] - m) * k1 + k2);
  } else {
    TN_VECTOR for (int64_t i = 0; i < n; i++) dx[i] = d[i] * w[i] * k0 + ((x[i] - m) * k1 + k2);
  }
}

static void FN(gather)(int64_t n, void *pdw, void *pdb, const void *px, const void *pd,
                       double mean, double scale) {
  REAL *dw = pdw, *db = pdb;
  const REAL *x = px, *d = pd, m = (REAL)mean, s = (REAL)scale;
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    dw[i] += d[i] * ((x[i] - m) * s);
    db[i] += d[i];
  }
}

static void FN(column_sum)(int64_t rows, int64_t n, int64_t stride, const void *px, void *psum) {
  const REAL *x = px;
  REAL *sum = psum;
  for (int64_t r = 0; r < rows; r++, x += stride) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) sum[i] += x[i];
  }
}

static void FN(column_spread)(int64_t rows, int64_t n, int64_t stride, const void *px,
                              const void *pmean, void *psum) {
  const REAL *x = px, *mean = pmean;
  REAL *sum = psum;
  for (int64_t r = 0; r < rows; r++, x += stride) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) sum[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
  }
}

static void FN(column_affine)(int64_t rows, int64_t n, int64_t stride, void *py, const void *px,
                              const void *pmean, const void *pscale, const void *pshift) {
  REAL *y = py;
  const REAL *x = px, *mean = pmean, *scale = pscale, *shift = pshift;
  for (int64_t r = 0; r < rows; r++, x += stride, y += stride) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
  }
}

static void FN(column_slopes)(int64_t rows, int64_t n, int64_t stride, const void *px,
                              const void *pd, const void *pmean, void *pa, void *pb) {
  const REAL *x = px, *d = pd, *mean = pmean;
  REAL *a = pa, *b = pb;
  for (int64_t r = 0; r < rows; r++, x += stride, d += stride) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) {
      a[i] += d[i];
      b[i] += d[i] * (x[i] - mean[i]);
    }
  }
}

static void FN(column_back)(int64_t rows, int64_t n, int64_t stride, void *pdx, const void *px,
                            const void *pd, const void *pmean, const void *const k[3]) {
  REAL *dx = pdx;
  const REAL *x = px, *d = pd, *mean = pmean, *k0 = k[0], *k1 = k[1], *k2 = k[2];
  for (int64_t r = 0; r < rows; r++, x += stride, d += stride, dx += stride) {
    TN_VECTOR for (int64_t i = 0; i < n; i++) {
      dx[i] = d[i] * k0[i] + ((x[i] - mean[i]) * k1[i] + k2[i]);
    }
  }
}

#undef LANES
#undef VEC
#undef LOAD
#undef STORE
