/* lapack_eigen.c -- eigenvalues and singular values for machines without OpenBLAS, by Jacobi's
 * rotations: slower than tridiagonal methods, but short, and the most accurate there are. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lapack.h"

enum { SWEEPS = 60 }; /* ten do for any matrix in practice */

/* x, y = c x - s y, s x + c y */
static void rotate(int64_t n, double *x, double *y, int64_t step, double c, double s) {
  for (int64_t i = 0; i < n; i++, x += step, y += step) {
    double t = *x;
    *x = c * t - s * *y;
    *y = s * t + c * *y;
  }
}

/* Cosine and sine of the rotation that makes the symmetric (p b; b q) diagonal. */
static void rotation(double p, double b, double q, double *c, double *s) {
  double theta = (q - p) / (2 * b);
  double t = copysign(1, theta) / (fabs(theta) + hypot(theta, 1));
  *c = 1 / hypot(t, 1);
  *s = t * *c;
}

/* -- Symmetric matrices ------------------------------------------------------------------------ */

static void reflect_triangle(bool upper, int64_t n, double *a) {
  for (int64_t j = 0; j < n; j++) {
    for (int64_t i = 0; i < j; i++) {
      if (upper) a[i * n + j] = a[j * n + i];
      else a[j * n + i] = a[i * n + j];
    }
  }
}

/* Turns a into a diagonal matrix; v, if it is there, gathers the rotations. */
static int diagonalise(int64_t n, double *a, double *v) {
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    bool turned = false;
    for (int64_t p = 0; p + 1 < n; p++) {
      for (int64_t q = p + 1; q < n; q++) {
        double app = a[p * n + p], aqq = a[q * n + q], apq = a[q * n + p], c, s;
        if (fabs(apq) <= DBL_MIN || fabs(apq) <= 0.5 * DBL_EPSILON * sqrt(fabs(app) * fabs(aqq))) {
          continue;
        }
        turned = true;
        rotation(app, apq, aqq, &c, &s);
        rotate(n, a + p * n, a + q * n, 1, c, s);
        rotate(n, a + p, a + q, n, c, s);
        a[q * n + p] = a[p * n + q] = 0;
        if (v) rotate(n, v + p * n, v + q * n, 1, c, s);
      }
    }
    if (!turned) return 0;
  }
  return (int)n;
}

/* Sorts values, and the columns that belong to them. */
static void sort_columns(int64_t n, double *values, int64_t rows, double *x, int64_t rows2,
                         double *y, bool descending) {
  for (int64_t k = 0; k < n; k++) {
    int64_t best = k;
    for (int64_t i = k + 1; i < n; i++) {
      if (descending ? values[i] > values[best] : values[i] < values[best]) best = i;
    }
    if (best == k) continue;
    double t = values[k];
    values[k] = values[best];
    values[best] = t;
    if (x) rotate(rows, x + k * rows, x + best * rows, 1, 0, -1);
    if (y) rotate(rows2, y + k * rows2, y + best * rows2, 1, 0, -1);
  }
}

int tn__builtin_symmetric(bool vectors, bool upper, int64_t n, double *a, double *values) {
  double *v = vectors ? calloc((size_t)(n * n) + 1, sizeof *v) : NULL;
  if (vectors && !v) return TN_LAPACK_MEMORY;
  for (int64_t k = 0; k < n && v; k++) v[k * n + k] = 1;
  reflect_triangle(upper, n, a);
  int result = diagonalise(n, a, v);
  for (int64_t k = 0; k < n; k++) values[k] = a[k * n + k];
  sort_columns(n, values, n, v, 0, NULL, false);
  if (v) memcpy(a, v, (size_t)(n * n) * sizeof *v);
  free(v);
  return result;
}

/* -- Singular values: rotations make the columns of A orthogonal (Hestenes) -------------------- */

static double dot(int64_t n, const double *x, const double *y) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* a (m x n, m >= n) becomes U S, v (n x n, the identity at first) V. */
static int orthogonalise(int64_t m, int64_t n, double *a, double *v) {
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    bool turned = false;
    for (int64_t p = 0; p + 1 < n; p++) {
      for (int64_t q = p + 1; q < n; q++) {
        double *x = a + p * m, *y = a + q * m, c, s;
        double xx = dot(m, x, x), yy = dot(m, y, y), xy = dot(m, x, y);
        if (fabs(xy) <= DBL_MIN || fabs(xy) <= DBL_EPSILON * sqrt(xx) * sqrt(yy)) continue;
        turned = true;
        rotation(xx, xy, yy, &c, &s);
        rotate(m, x, y, 1, c, s);
        rotate(n, v + p * n, v + q * n, 1, c, s);
      }
    }
    if (!turned) return 0;
  }
  return (int)n;
}

/* Columns from `have` on become orthonormal to those before: by unit vectors, made orthogonal twice
 * for the rounding errors. */
static void complete(int64_t m, int64_t have, int64_t want, double *u) {
  int64_t unit = 0;
  for (int64_t k = have; k < want; unit++) {
    double *x = u + k * m;
    for (int64_t i = 0; i < m; i++) x[i] = i == unit % m;
    for (int twice = 0; twice < 2; twice++) {
      for (int64_t j = 0; j < k; j++) {
        double along = dot(m, u + j * m, x);
        for (int64_t i = 0; i < m; i++) x[i] -= along * u[j * m + i];
      }
    }
    double norm = sqrt(dot(m, x, x));
    /* some unit vector keeps 1 / sqrt(m) or more of its length */
    if (norm < 0.5 / sqrt((double)m) && unit < 2 * m) continue;
    for (int64_t i = 0; i < m; i++) x[i] /= norm;
    k++;
  }
}

static double greatest_of(int64_t n, const double *x) {
  double greatest = 0;
  for (int64_t i = 0; i < n; i++) greatest = fmax(greatest, fabs(x[i]));
  return greatest;
}

/* Of a tall matrix; u has `columns` columns, or is NULL. v is n x n, by columns. */
static int svd_tall(int64_t m, int64_t n, int64_t columns, double *a, double *s, double *u,
                    double *v) {
  double scale = greatest_of(m * n, a); /* so that no square over- or underflows */
  if (scale == 0) scale = 1;
  for (int64_t i = 0; i < m * n; i++) a[i] /= scale;
  memset(v, 0, (size_t)(n * n) * sizeof *v);
  for (int64_t k = 0; k < n; k++) v[k * n + k] = 1;
  int result = orthogonalise(m, n, a, v);
  for (int64_t k = 0; k < n; k++) s[k] = sqrt(dot(m, a + k * m, a + k * m));
  sort_columns(n, s, m, a, n, v, true);
  int64_t rank = 0;
  while (rank < n && s[rank] > DBL_EPSILON * DBL_EPSILON * s[0]) rank++;
  for (int64_t k = 0; u && k < rank; k++) {
    for (int64_t i = 0; i < m; i++) u[k * m + i] = a[k * m + i] / s[k];
  }
  if (u) complete(m, rank, columns, u);
  for (int64_t k = 0; k < n; k++) s[k] *= scale;
  return result;
}

static void transpose(int64_t rows, int64_t columns, const double *a, double *to) {
  for (int64_t j = 0; j < columns; j++) {
    for (int64_t i = 0; i < rows; i++) to[i * columns + j] = a[j * rows + i];
  }
}

/* A wide matrix is the transpose of a tall one, whose U and V change places. */
int tn__builtin_svd(bool vectors, bool full, int64_t m, int64_t n, double *a, double *s, double *u,
                    double *vt) {
  const bool wide = m < n;
  const int64_t rows = wide ? n : m, k = wide ? m : n, columns = full ? rows : k;
  double *tall = malloc(((size_t)(rows * k) + 1) * sizeof *tall);
  double *left = malloc(((size_t)(rows * columns) + 1) * sizeof *left);
  double *right = malloc(((size_t)(k * k) + 1) * sizeof *right);
  int result = TN_LAPACK_MEMORY;
  if (tall && left && right) {
    if (wide) transpose(m, n, a, tall);
    else memcpy(tall, a, (size_t)(m * n) * sizeof *tall);
    result = svd_tall(rows, k, columns, tall, s, vectors ? left : NULL, right);
    if (vectors && wide) {
      memcpy(u, right, (size_t)(k * k) * sizeof *u);
      transpose(rows, columns, left, vt);
    } else if (vectors) {
      memcpy(u, left, (size_t)(rows * columns) * sizeof *u);
      transpose(k, k, right, vt);
    }
  }
  free(tall);
  free(left);
  free(right);
  return result;
}
