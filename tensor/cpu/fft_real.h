/* fft_real.h -- the built-in transform for one type of number; included by fft_builtin.c, which
 * defines REAL and FN(name).
 *
 * Sizes whose prime factors are small go through Stockham's passes, which sort by themselves: a
 * pass of radix r turns x, seen as (r, m, s), into y, seen as (m, r, s), with n = r m s:
 *   y[p][k][q] = w^(s p k) * sum over j of x[j][p][q] exp(-2 pi i j k / r),   w = exp(-2 pi i / n).
 * All others become a convolution of a power-of-two size (Bluestein): with b[k] = exp(pi i k^2 /
 * n), X[k] = conj(b[k]) * sum over j of (x[j] conj(b[j])) b[k - j]. */

typedef struct {
  REAL re, im;
} FN(complex);
#define COMPLEX FN(complex)

static inline COMPLEX FN(times)(COMPLEX a, COMPLEX b) {
  return (COMPLEX){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static inline COMPLEX FN(plus)(COMPLEX a, COMPLEX b) {
  return (COMPLEX){a.re + b.re, a.im + b.im};
}

static inline COMPLEX FN(minus)(COMPLEX a, COMPLEX b) {
  return (COMPLEX){a.re - b.re, a.im - b.im};
}

static COMPLEX FN(unit)(double turns) {
  const double angle = 2 * PI * turns;
  return (COMPLEX){(REAL)cos(angle), (REAL)sin(angle)};
}

static void FN(fill_roots)(COMPLEX *w, int64_t n) {
  for (int64_t k = 0; k < n; k++) w[k] = FN(unit)(-(double)k / (double)n);
}

static void FN(pass2)(int64_t m, int64_t s, const COMPLEX *w, const COMPLEX *x, COMPLEX *y) {
  for (int64_t p = 0; p < m; p++, x += s, y += 2 * s) {
    const COMPLEX t = w[s * p];
    for (int64_t q = 0; q < s; q++) {
      const COMPLEX a = x[q], b = x[q + s * m];
      y[q] = FN(plus)(a, b);
      y[q + s] = FN(times)(FN(minus)(a, b), t);
    }
  }
}

static void FN(pass4)(int64_t m, int64_t s, const COMPLEX *w, const COMPLEX *x, COMPLEX *y) {
  for (int64_t p = 0; p < m; p++, x += s, y += 4 * s) {
    const COMPLEX t1 = w[s * p], t2 = w[2 * s * p], t3 = w[3 * s * p];
    for (int64_t q = 0; q < s; q++) {
      const COMPLEX a = x[q], b = x[q + s * m], c = x[q + 2 * s * m], d = x[q + 3 * s * m];
      const COMPLEX ac = FN(plus)(a, c), bd = FN(plus)(b, d), e = FN(minus)(a, c);
      const COMPLEX f = FN(minus)(b, d), turned = {f.im, -f.re}; /* -i (b - d) */
      y[q] = FN(plus)(ac, bd);
      y[q + s] = FN(times)(FN(plus)(e, turned), t1);
      y[q + 2 * s] = FN(times)(FN(minus)(ac, bd), t2);
      y[q + 3 * s] = FN(times)(FN(minus)(e, turned), t3);
    }
  }
}

/* Any radix up to MOST_RADIX, by the definition. */
static void FN(pass)(int64_t r, int64_t m, int64_t s, const COMPLEX *w, const COMPLEX *x,
                     COMPLEX *y) {
  COMPLEX roots[MOST_RADIX];
  for (int64_t j = 0; j < r; j++) roots[j] = w[j * m * s];
  for (int64_t p = 0; p < m; p++) {
    for (int64_t q = 0; q < s; q++) {
      for (int64_t k = 0; k < r; k++) {
        COMPLEX sum = x[q + s * p];
        for (int64_t j = 1; j < r; j++) {
          sum = FN(plus)(sum, FN(times)(x[q + s * (p + m * j)], roots[j * k % r]));
        }
        y[q + s * (r * p + k)] = FN(times)(sum, w[s * p * k]);
      }
    }
  }
}

/* Forward, of t->size numbers in a, which b helps; returns where the result is. */
static COMPLEX *FN(passes)(const tn_fft_tables *t, COMPLEX *a, COMPLEX *b) {
  const COMPLEX *w = t->roots;
  int64_t m = t->size, s = 1;
  for (int i = 0; i < t->count; i++) {
    const int64_t r = t->radix[i];
    m /= r;
    if (r == 2) FN(pass2)(m, s, w, a, b);
    else if (r == 4) FN(pass4)(m, s, w, a, b);
    else FN(pass)(r, m, s, w, a, b);
    s *= r;
    COMPLEX *turned = a;
    a = b;
    b = turned;
  }
  return a;
}

static void FN(conjugate)(COMPLEX *x, int64_t n) {
  for (int64_t k = 0; k < n; k++) x[k].im = -x[k].im;
}

/* The chirp b, and the transform of its circular extension, divided by the size. */
static void FN(fill_chirp)(tn_fft_tables *t, COMPLEX *scratch) {
  COMPLEX *chirp = t->chirp, *spectrum = t->spectrum;
  const int64_t n = t->n, size = t->size;
  memset(scratch, 0, (size_t)size * sizeof *scratch);
  for (int64_t k = 0, square = 0; k < n; k++) { /* k^2 modulo 2 n */
    chirp[k] = FN(unit)((double)square / (2 * (double)n));
    scratch[k] = chirp[k];
    if (k > 0) scratch[size - k] = chirp[k];
    square = (square + 2 * k + 1) % (2 * n);
  }
  const COMPLEX *done = FN(passes)(t, scratch, scratch + size);
  for (int64_t k = 0; k < size; k++) {
    spectrum[k] = (COMPLEX){done[k].re / (REAL)size, done[k].im / (REAL)size};
  }
}

/* Forward, of n numbers in a; a and b have room for 2 t->size numbers together. */
static COMPLEX *FN(bluestein)(const tn_fft_tables *t, COMPLEX *a, COMPLEX *b) {
  const COMPLEX *chirp = t->chirp, *spectrum = t->spectrum;
  for (int64_t k = 0; k < t->n; k++) {
    a[k] = FN(times)(a[k], (COMPLEX){chirp[k].re, -chirp[k].im});
  }
  memset(a + t->n, 0, (size_t)(t->size - t->n) * sizeof *a);
  COMPLEX *done = FN(passes)(t, a, b), *rest = done == a ? b : a;
  for (int64_t k = 0; k < t->size; k++) {
    done[k] = FN(times)(done[k], spectrum[k]);
    done[k].im = -done[k].im; /* backward: conjugate before and after */
  }
  done = FN(passes)(t, done, rest);
  for (int64_t k = 0; k < t->n; k++) {
    done[k] = FN(times)((COMPLEX){done[k].re, -done[k].im},
                        (COMPLEX){chirp[k].re, -chirp[k].im});
  }
  return done;
}

static void FN(line)(const tn_fft_tables *t, tn_fft_kind kind, bool inverse, const void *in,
                     void *out, void *scratch) {
  COMPLEX *a = scratch, *b = a + t->size;
  const COMPLEX *from = in;
  const int64_t n = t->n, half = n / 2 + 1;
  const bool back = inverse || kind == TN_FFT_C2R;
  if (kind == TN_FFT_R2C) {
    for (int64_t k = 0; k < n; k++) a[k] = (COMPLEX){((const REAL *)in)[k], 0};
  } else if (kind == TN_FFT_C2R) { /* what is symmetric to itself is real */
    for (int64_t k = 0; k < half; k++) {
      const bool own = k == 0 || 2 * k == n;
      a[k] = own ? (COMPLEX){from[k].re, 0} : from[k];
      if (!own) a[n - k] = (COMPLEX){from[k].re, -from[k].im};
    }
  } else {
    memcpy(a, from, (size_t)n * sizeof *a);
  }
  if (back) FN(conjugate)(a, n);
  COMPLEX *done = t->chirp != NULL ? FN(bluestein)(t, a, b) : FN(passes)(t, a, b);
  if (back) FN(conjugate)(done, n);
  if (kind == TN_FFT_C2R) {
    for (int64_t k = 0; k < n; k++) ((REAL *)out)[k] = done[k].re;
  } else {
    memcpy(out, done, (size_t)(kind == TN_FFT_R2C ? half : n) * sizeof *done);
  }
}

#undef COMPLEX
