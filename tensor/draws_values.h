/* draws_values.h -- values of Poisson's, the binomial and the gamma distribution by rejection, in C
 * that CUDA compiles too. Each takes as many groups as it needs at a position of its own. */
#ifndef TN_DRAWS_VALUES_H
#define TN_DRAWS_VALUES_H

#include "tensor/philox.h"

/* The numbers of one element. */
typedef struct {
  uint64_t seed, counter;
  uint32_t more, w[4];
  int at;
} tn_source;

TN_PHILOX_INLINE tn_source tn__source_of(uint64_t seed, uint64_t counter) {
  tn_source s;
  s.seed = seed;
  s.counter = counter;
  s.more = 0;
  s.at = 4;
  return s;
}

/* Uniform in (0, 1). */
TN_PHILOX_INLINE double tn__source_uniform(tn_source *s) {
  if (s->at == 4) {
    tn__philox_more(s->seed, s->counter, s->more++, s->w);
    s->at = 0;
  }
  s->at += 2;
  return tn__uniform53(s->at == 2 ? s->w[0] : s->w[2], s->at == 2 ? s->w[1] : s->w[3]) + 0x1p-54;
}

TN_PHILOX_INLINE double tn__source_normal(tn_source *s) {
  const double radius = sqrt(-2 * log(tn__source_uniform(s)));
  return radius * cos(6.283185307179586476925 * tn__source_uniform(s));
}

/* ln(k!) for a whole number, safe on any thread; Stirling's series from 10 on. */
TN_PHILOX_INLINE double tn__log_factorial(double k) {
  const double small[10] = {0, 0, 0.69314718055994531, 1.7917594692280550,
                            3.1780538303479458, 4.7874917427820458, 6.5792512120101012,
                            8.5251613610654147, 10.604602902745251, 12.801827480081469};
  if (k < 10) return small[(int)k];
  const double x = k + 1, r = 1 / (x * x);
  return (x - 0.5) * log(x) - x + 0.91893853320467274178 +
         (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / x;
}

/* Hörmann 1993, doi:10.1016/0167-6687(93)90997-4: PTRS, a transformed rejection with a squeeze. */
TN_PHILOX_INLINE double tn__poisson_large(tn_source *s, double rate) {
  const double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse = 1.1239 + 1.1328 / (b - 3.4), quick = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = tn__source_uniform(s) - 0.5, v = tn__source_uniform(s), us = 0.5 - fabs(u);
    const double k = floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= quick) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double bound = k * log(rate) - rate - tn__log_factorial(k);
    if (log(v * inverse / (a / (us * us) + b)) <= bound) return k;
  }
}

TN_PHILOX_INLINE double tn__poisson_value(tn_source *s, double rate, double unused) {
  (void)unused;
  if (rate >= 10) return tn__poisson_large(s, rate);
  const double limit = exp(-rate);
  double k = 0;
  for (double product = tn__source_uniform(s); product > limit; product *= tn__source_uniform(s)) k++;
  return k;
}

/* Successes one by one: by the failures between them, which are geometric. */
TN_PHILOX_INLINE double tn__binomial_small(tn_source *s, double n, double p) {
  const double scale = 1 / log1p(-p);
  double tries = 0, k = -1;
  do {
    tries += floor(log(tn__source_uniform(s)) * scale) + 1;
    k++;
  } while (tries <= n);
  return k;
}

/* Hörmann 1993, doi:10.1080/00949659308811496: BTRS, for p up to 1/2 and n p from 10 on. */
TN_PHILOX_INLINE double tn__binomial_large(tn_source *s, double n, double p) {
  const double spread = sqrt(n * p * (1 - p)), b = 1.15 + 2.53 * spread;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5, quick = 0.92 - 4.2 / b;
  const double alpha = (2.83 + 5.1 / b) * spread, odds = log(p / (1 - p));
  const double mode = floor((n + 1) * p);
  const double h = tn__log_factorial(mode) + tn__log_factorial(n - mode);
  for (;;) {
    const double u = tn__source_uniform(s) - 0.5, v = tn__source_uniform(s), us = 0.5 - fabs(u);
    const double k = floor((2 * a / us + b) * u + c);
    if (k < 0 || k > n) continue;
    if (us >= 0.07 && v <= quick) return k;
    const double bound = h - tn__log_factorial(k) - tn__log_factorial(n - k) + (k - mode) * odds;
    if (log(v * alpha / (a / (us * us) + b)) <= bound) return k;
  }
}

TN_PHILOX_INLINE double tn__binomial_value(tn_source *s, double n, double p) {
  const double q = p > 0.5 ? 1 - p : p;
  double k = 0;
  if (n != 0 && q != 0) {
    k = n * q < 10 ? tn__binomial_small(s, n, q) : tn__binomial_large(s, n, q);
  }
  return p > 0.5 ? n - k : k;
}

/* Marsaglia and Tsang 2000, doi:10.1145/358407.358414; shapes below 1 by a power of a uniform. */
TN_PHILOX_INLINE double tn__gamma_value(tn_source *s, double shape, double unused) {
  (void)unused;
  double boost = 1;
  if (shape == 0) return 0;
  if (shape < 1) {
    boost = pow(tn__source_uniform(s), 1 / shape);
    shape += 1;
  }
  const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    const double x = tn__source_normal(s), root = 1 + c * x, v = root * root * root;
    if (v > 0 && log(tn__source_uniform(s)) < 0.5 * x * x + d - d * v + d * log(v)) {
      return boost * d * v;
    }
  }
}

#endif
