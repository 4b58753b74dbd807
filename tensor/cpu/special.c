/* special.c -- the inverse error function, and gamma's relatives. */
#include "tensor/cpu/special.h"

#include <stdbool.h>

static const double pi = 3.141592653589793238463;

/* Winitzki's formula, right to 2e-3, then Halley steps, each of which triples the digits. What is
 * left to reach is measured by erfc far from 0, where 1 - y is exact. */
double tn_erfinv_f64(double y) {
  const double a = 0.147, bound = fabs(y);
  if (!(bound < 1)) return bound == 1 ? copysign(INFINITY, y) : NAN;
  if (bound < 1e-20) return y * 0.886226925452758013649;
  double log_rest = log((1 - bound) * (1 + bound)), half = 2 / (pi * a) + log_rest / 2;
  double x = sqrt(sqrt(half * half - log_rest / a) - half);
  for (int step = 0; step < 3; step++) {
    double miss = bound > 0.5 ? (1 - bound) - erfc(x) : erf(x) - bound;
    double move = miss / (1.128379167095512573896 * exp(-x * x));
    x -= move / (1 + x * move);
  }
  return copysign(x, y);
}

double tn_lgamma_f64(double x) {
  int sign;
  return x == -INFINITY ? INFINITY : lgamma_r(x, &sign); /* lgamma itself writes a global */
}

/* B_2k / (2k) of the asymptotic series. */
double tn_digamma_f64(double x) {
  static const double terms[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132,
                                 -691.0 / 32760, 1.0 / 12};
  double sum = 0;
  if (x == 0) return copysign(INFINITY, -x);
  if (x < 0) { /* reflected at 1/2 */
    double rest = x - floor(x);
    if (rest == 0 || isinf(x)) return NAN;
    sum = -pi / tan(pi * rest);
    x = 1 - x;
  }
  for (; x < 10; x++) sum -= 1 / x;
  double square = 1 / (x * x), power = square;
  sum += log(x) - 0.5 / x;
  for (int k = 0; k < 7; k++, power *= square) sum -= terms[k] * power;
  return sum;
}

/* Hurwitz' zeta function, sum of (q + k)^-s for k from 0 on: terms up to q + k = 12, the integral
 * and Euler-Maclaurin corrections for the rest. For q > 0, s > 1. */
static double zeta(double s, double q) {
  /* (2k)! / B_2k */
  static const double divisors[] = {12, -720, 30240, -1209600, 47900160, -1307674368000 / 691.0,
                                    74724249600, -10670622842880000 / 3617.0};
  double sum = 0;
  for (; q < 12; q++) {
    double term = pow(q, -s);
    sum += term;
    if (term <= 1e-17 * sum) return sum;
  }
  double power = pow(q, -s), factor = s;
  sum += power * (q / (s - 1) + 0.5);
  power /= q;
  for (int k = 0; k < 8; k++) {
    double term = factor * power / divisors[k];
    sum += term;
    if (fabs(term) <= 1e-17 * fabs(sum)) break;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
    power /= q * q;
  }
  return sum;
}

/* The same sum for q below 0: what lies left of 0, with its sign, and what lies right of it. */
static double zeta_anywhere(double s, double q) {
  if (q > 0) return zeta(s, q);
  double rest = q - floor(q);
  if (rest == 0) return INFINITY;
  double left = zeta(s, 1 - rest) - zeta(s, 1 - q);
  return zeta(s, rest) + (fmod(s, 2) == 0 ? left : -left);
}

double tn_polygamma_f64(double x, double n) {
  if (n == 0) return tn_digamma_f64(x);
  if (!(n > 0) || n != floor(n) || isnan(x) || x == -INFINITY) return NAN;
  double value = tgamma(n + 1) * zeta_anywhere(n + 1, x);
  return fmod(n, 2) == 1 ? value : -value;
}
