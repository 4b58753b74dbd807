/* lapack_builtin.c -- LU, Cholesky and QR factors for machines without OpenBLAS.
 *
 * Plain loops in double, along columns. Golub and Van Loan, Matrix Computations, is where they are
 * explained; pivots, reflectors and results are LAPACK's. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "lapack.h"

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

static void swap_rows(double *a, int64_t rows, int64_t columns, int64_t i, int64_t j) {
  if (i == j) return;
  for (int64_t c = 0; c < columns; c++) {
    double t = a[c * rows + i];
    a[c * rows + i] = a[c * rows + j];
    a[c * rows + j] = t;
  }
}

/* y += factor x */
static void add_scaled(int64_t n, double factor, const double *x, double *y) {
  for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
}

static double dot(int64_t n, const double *x, const double *y) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* -- LU ---------------------------------------------------------------------------------------- */

int tn__builtin_lu(int64_t m, int64_t n, double *a, int32_t *pivots) {
  int singular = 0;
  for (int64_t k = 0; k < lesser(m, n); k++) {
    double *column = a + k * m;
    int64_t best = k;
    for (int64_t i = k + 1; i < m; i++) {
      if (fabs(column[i]) > fabs(column[best])) best = i;
    }
    pivots[k] = (int32_t)best + 1;
    swap_rows(a, m, n, k, best);
    if (column[k] == 0) {
      if (singular == 0) singular = (int)k + 1;
      continue;
    }
    for (int64_t i = k + 1; i < m; i++) column[i] /= column[k];
    for (int64_t j = k + 1; j < n; j++) {
      add_scaled(m - k - 1, -a[j * m + k], column + k + 1, a + j * m + k + 1);
    }
  }
  return singular;
}

/* One column x of the right side. */
static void solve_column(bool upper, bool transposed, bool unit, int64_t n, const double *a,
                         double *x) {
  const bool down = upper == transposed; /* from the first unknown to the last */
  for (int64_t step = 0; step < n; step++) {
    int64_t k = down ? step : n - 1 - step;
    const double *column = a + k * n;
    int64_t first = upper ? 0 : k + 1, count = upper ? k : n - k - 1;
    if (transposed) x[k] -= dot(count, column + first, x + first);
    if (!unit) x[k] /= column[k];
    if (!transposed) add_scaled(count, -x[k], column + first, x + first);
  }
}

int tn__builtin_triangle(bool upper, bool transposed, bool unit, int64_t n, int64_t right,
                         const double *a, double *b) {
  for (int64_t k = 0; k < n && !unit; k++) {
    if (a[k * n + k] == 0) return (int)k + 1;
  }
  for (int64_t c = 0; c < right; c++) solve_column(upper, transposed, unit, n, a, b + c * n);
  return 0;
}

void tn__builtin_lu_solve(bool transposed, int64_t n, int64_t right, const double *lu,
                          const int32_t *pivots, double *b) {
  for (int64_t k = 0; k < n && !transposed; k++) swap_rows(b, n, right, k, pivots[k] - 1);
  for (int64_t c = 0; c < right; c++) {
    solve_column(transposed, transposed, !transposed, n, lu, b + c * n);
    solve_column(!transposed, transposed, transposed, n, lu, b + c * n);
  }
  for (int64_t k = n - 1; k >= 0 && transposed; k--) swap_rows(b, n, right, k, pivots[k] - 1);
}

/* -- Cholesky ---------------------------------------------------------------------------------- */

/* Element (row, column) of the lower factor, wherever it is stored. */
static double *lower_element(bool upper, int64_t n, double *a, int64_t row, int64_t column) {
  return upper ? a + row * n + column : a + column * n + row;
}

/* Exchanges rows and columns p and q > p of a symmetric matrix of which one triangle is stored. */
static void exchange(bool upper, int64_t n, double *a, int64_t p, int64_t q) {
  for (int64_t k = 0; k < n; k++) {
    double *x, *y;
    if (k == q) continue; /* (q, p) stays; its diagonal moves when k is p */
    if (k == p) x = lower_element(upper, n, a, p, p), y = lower_element(upper, n, a, q, q);
    else {
      x = k < p ? lower_element(upper, n, a, p, k) : lower_element(upper, n, a, k, p);
      y = k < q ? lower_element(upper, n, a, q, k) : lower_element(upper, n, a, k, q);
    }
    double t = *x;
    *x = *y;
    *y = t;
  }
}

int tn__builtin_cholesky_pivots(bool upper, int64_t n, double *a, int32_t *pivots, int32_t *rank) {
  double greatest = 0;
  for (int64_t k = 0; k < n; k++) {
    pivots[k] = (int32_t)k + 1;
    if (a[k * n + k] > greatest) greatest = a[k * n + k];
  }
  *rank = 0;
  for (int64_t k = 0; k < n; k++) {
    int64_t best = k;
    for (int64_t i = k + 1; i < n; i++) {
      if (a[i * n + i] > a[best * n + best]) best = i;
    }
    if (!(a[best * n + best] > (double)n * DBL_EPSILON * greatest)) return 0;
    if (best != k) {
      int32_t t = pivots[k];
      pivots[k] = pivots[best];
      pivots[best] = t;
      exchange(upper, n, a, k, best);
    }
    double *pivot = lower_element(upper, n, a, k, k);
    *pivot = sqrt(*pivot);
    for (int64_t i = k + 1; i < n; i++) *lower_element(upper, n, a, i, k) /= *pivot;
    for (int64_t j = k + 1; j < n; j++) {
      double factor = *lower_element(upper, n, a, j, k);
      for (int64_t i = j; i < n; i++) {
        *lower_element(upper, n, a, i, j) -= factor * *lower_element(upper, n, a, i, k);
      }
    }
    *rank = (int32_t)k + 1;
  }
  return 0;
}

/* -- QR ---------------------------------------------------------------------------------------- */

/* Makes the reflector I - tau v v', v[0] = 1, that turns x into (beta, 0, ...): beta stands in x[0]
 * then, the rest of v behind it. Returns tau. */
static double make_reflector(int64_t n, double *x) {
  double scale = 0, sum = 0;
  for (int64_t i = 1; i < n; i++) scale = fmax(scale, fabs(x[i]));
  if (scale == 0) return 0;
  scale = fmax(scale, fabs(x[0]));
  for (int64_t i = 0; i < n; i++) sum += x[i] / scale * (x[i] / scale);
  double beta = -copysign(scale * sqrt(sum), x[0]), alpha = x[0];
  for (int64_t i = 1; i < n; i++) x[i] /= alpha - beta;
  x[0] = beta;
  return (beta - alpha) / beta;
}

/* c (n rows) -= tau v (v'c), v = (1, tail). */
static void reflect(int64_t n, int64_t columns, const double *tail, double tau, double *c,
                    int64_t ld) {
  for (int64_t j = 0; j < columns; j++, c += ld) {
    double s = tau * (c[0] + dot(n - 1, tail, c + 1));
    c[0] -= s;
    add_scaled(n - 1, -s, tail, c + 1);
  }
}

int tn__builtin_qr(int64_t m, int64_t n, double *a, double *tau) {
  for (int64_t k = 0; k < lesser(m, n); k++) {
    double *x = a + k * m + k;
    tau[k] = make_reflector(m - k, x);
    reflect(m - k, n - k - 1, x + 1, tau[k], x + m, m);
  }
  return 0;
}

int tn__builtin_q(int64_t m, int64_t n, int64_t count, double *a, const double *tau) {
  for (int64_t j = count; j < n; j++) {
    for (int64_t i = 0; i < m; i++) a[j * m + i] = i == j;
  }
  for (int64_t k = count - 1; k >= 0; k--) {
    double *x = a + k * m + k;
    reflect(m - k, n - k - 1, x + 1, tau[k], x + m, m);
    for (int64_t i = 1; i < m - k; i++) x[i] *= -tau[k];
    x[0] = 1 - tau[k];
    for (int64_t i = 0; i < k; i++) a[k * m + i] = 0;
  }
  return 0;
}

/* One reflector from the right: rows of c instead of columns. */
static void reflect_rows(int64_t rows, int64_t n, const double *tail, double tau, double *c) {
  for (int64_t i = 0; i < rows; i++) {
    double s = c[i];
    for (int64_t k = 1; k < n; k++) s += c[k * rows + i] * tail[k - 1];
    c[i] -= tau * s;
    for (int64_t k = 1; k < n; k++) c[k * rows + i] -= tau * s * tail[k - 1];
  }
}

/* Q = H1 H2 ...: the last reflector is nearest to C in Q C, the first one in Q'C. */
int tn__builtin_apply_q(bool right, bool transposed, int64_t m, int64_t n, int64_t count,
                        const double *a, const double *tau, double *c) {
  const int64_t order = right ? n : m;
  for (int64_t step = 0; step < count; step++) {
    int64_t k = right == transposed ? count - 1 - step : step;
    const double *tail = a + k * order + k + 1;
    if (right) reflect_rows(m, n - k, tail, tau[k], c + k * m);
    else reflect(m - k, n, tail, tau[k], c + k, m);
  }
  return 0;
}
