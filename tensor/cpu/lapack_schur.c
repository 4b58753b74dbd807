/* lapack_schur.c -- eigenvalues of any square matrix, for machines without OpenBLAS: rotations to
 * Hessenberg form, Francis' double steps to real Schur form, eigenvectors by back substitution.
 * Golub and Van Loan, Matrix Computations, chapter 7. */
#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lapack.h"

enum { MOST_STEPS = 60 }; /* for one eigenvalue; three do as a rule */

/* H = Q'A Q as far as it has come; q is NULL where no vectors are wanted. All by columns. */
typedef struct {
  int64_t n;
  double *h, *q;
} schur;

#define H(i, j) s->h[(j) * s->n + (i)]

/* Rows i and k of H, then columns i and k of H and Q, turned by one rotation. */
static void turn(schur *s, int64_t i, int64_t k, double c, double sine) {
  const int64_t n = s->n;
  for (int64_t j = 0; j < n; j++) {
    double x = H(i, j), y = H(k, j);
    H(i, j) = c * x + sine * y;
    H(k, j) = c * y - sine * x;
  }
  for (int64_t j = 0; j < n; j++) {
    double x = H(j, i), y = H(j, k);
    H(j, i) = c * x + sine * y;
    H(j, k) = c * y - sine * x;
  }
  for (int64_t j = 0; s->q && j < n; j++) {
    double x = s->q[i * n + j], y = s->q[k * n + j];
    s->q[i * n + j] = c * x + sine * y;
    s->q[k * n + j] = c * y - sine * x;
  }
}

static void make_hessenberg(schur *s) {
  for (int64_t k = 0; k + 2 < s->n; k++) {
    for (int64_t i = k + 2; i < s->n; i++) {
      double r = hypot(H(k + 1, k), H(i, k));
      if (H(i, k) == 0) continue;
      turn(s, k + 1, i, H(k + 1, k) / r, H(i, k) / r);
      H(i, k) = 0;
    }
  }
}

/* I - tau v v' for v = (1, v1, v2), of count 2 or 3, that turns x into (beta, 0, 0). */
static double small_reflector(int count, const double *x, double *v) {
  double norm = count == 3 ? hypot(x[0], hypot(x[1], x[2])) : hypot(x[0], x[1]);
  if (norm == 0) return 0;
  double beta = -copysign(norm, x[0]);
  v[0] = 1;
  for (int i = 1; i < count; i++) v[i] = x[i] / (x[0] - beta);
  return (beta - x[0]) / beta;
}

static void reflect(schur *s, int64_t at, int count, const double *x) {
  double v[3] = {0}, tau = small_reflector(count, x, v);
  const int64_t n = s->n;
  for (int64_t j = 0; j < n; j++) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += v[i] * H(at + i, j);
    for (int i = 0; i < count; i++) H(at + i, j) -= tau * sum * v[i];
  }
  for (int64_t j = 0; j < n; j++) {
    double sum = 0, sum_q = 0;
    for (int i = 0; i < count; i++) sum += v[i] * H(j, at + i);
    for (int i = 0; i < count; i++) H(j, at + i) -= tau * sum * v[i];
    for (int i = 0; s->q && i < count; i++) sum_q += v[i] * s->q[(at + i) * n + j];
    for (int i = 0; s->q && i < count; i++) s->q[(at + i) * n + j] -= tau * sum_q * v[i];
  }
}

/* Francis' step on rows first to last, of which there are three or more; `odd` with shifts that
 * have nothing to do with the matrix, in case the usual ones run in circles. */
static void step(schur *s, int64_t first, int64_t last, bool odd) {
  double sum = H(last - 1, last - 1) + H(last, last);
  double product = H(last - 1, last - 1) * H(last, last) - H(last - 1, last) * H(last, last - 1);
  if (odd) {
    double w = fabs(H(last, last - 1)) + fabs(H(last - 1, last - 2));
    sum = 1.5 * w;
    product = w * w;
  }
  double x[3], a = H(first, first), below = H(first + 1, first);
  x[0] = a * a + H(first, first + 1) * below - sum * a + product;
  x[1] = below * (a + H(first + 1, first + 1) - sum);
  x[2] = below * H(first + 2, first + 1);
  for (int64_t k = first; k < last; k++) {
    int count = k + 2 <= last ? 3 : 2;
    reflect(s, k, count, x);
    for (int64_t i = k + 1; k > first && i < k + count; i++) H(i, k - 1) = 0;
    x[0] = H(k + 1, k);
    x[1] = k + 2 <= last ? H(k + 2, k) : 0;
    x[2] = k + 3 <= last ? H(k + 3, k) : 0;
  }
}

/* A block of two with real eigenvalues becomes a triangle. */
static void split(schur *s, int64_t k) {
  double a = H(k, k), b = H(k, k + 1), c = H(k + 1, k), d = H(k + 1, k + 1);
  double half = (a - d) / 2, root = half * half + b * c;
  if (c == 0 || root < 0) return;
  double x = half + copysign(sqrt(root), half), r = hypot(x, c); /* an eigenvalue is d + x */
  turn(s, k, k + 1, x / r, c / r);
  H(k + 1, k) = 0;
}

/* The first row of the block that ends with `last` and has no small element below its diagonal. */
static int64_t block_of(schur *s, int64_t last, double norm) {
  int64_t first = last;
  for (; first > 0; first--) {
    double size = fabs(H(first - 1, first - 1)) + fabs(H(first, first));
    if (fabs(H(first, first - 1)) <= DBL_EPSILON * (size > 0 ? size : norm)) {
      H(first, first - 1) = 0;
      break;
    }
  }
  return first;
}

static int make_schur(schur *s, double norm) {
  int steps = 0;
  for (int64_t last = s->n - 1; last > 0;) {
    int64_t first = block_of(s, last, norm);
    if (last - first >= 2) {
      if (++steps > MOST_STEPS) return (int)last + 1;
      step(s, first, last, steps % 10 == 0);
      continue;
    }
    if (last > first) split(s, first);
    last = first - 1;
    steps = 0;
  }
  return 0;
}

static bool is_pair(const schur *s, int64_t k) { return k + 1 < s->n && H(k + 1, k) != 0; }

static void read_values(const schur *s, double *real, double *imaginary) {
  for (int64_t k = 0; k < s->n; k++) {
    real[k] = H(k, k);
    imaginary[k] = 0;
    if (!is_pair(s, k)) continue;
    double half = (H(k, k) - H(k + 1, k + 1)) / 2;
    double root = sqrt(fmax(0, -(half * half + H(k, k + 1) * H(k + 1, k))));
    real[k] = real[k + 1] = H(k + 1, k + 1) + half;
    imaginary[k] = root;
    imaginary[k + 1] = -root;
    k++;
  }
}

typedef double complex number;

/* What a divisor of 0 becomes: for equal eigenvalues nearly equal vectors come out. */
static number not_zero(number x, double least) { return cabs(x) < least ? least : x; }

/* Solves (T - value) x = 0 upwards from row `from`, below which x is given. */
static void back_substitute(const schur *s, number value, int64_t from, int64_t last, number *x,
                            double least) {
  for (int64_t i = from; i >= 0; i--) {
    bool pair = i > 0 && H(i, i - 1) != 0;
    number right[2] = {0, 0};
    for (int64_t j = i + 1; j <= last; j++) {
      right[1] -= H(i, j) * x[j];
      if (pair) right[0] -= H(i - 1, j) * x[j];
    }
    number d = H(i, i) - value;
    if (pair) {
      number a = H(i - 1, i - 1) - value;
      number det = not_zero(a * d - H(i - 1, i) * H(i, i - 1), least * least);
      x[i] = (a * right[1] - H(i, i - 1) * right[0]) / det;
      x[i - 1] = (right[0] * d - right[1] * H(i - 1, i)) / det;
    } else {
      x[i] = right[1] / not_zero(d, least);
    }
    double size = cabs(x[i]) + (pair ? cabs(x[i - 1]) : 0);
    i -= pair;
    for (int64_t j = i; size > 1e100 && j <= last; j++) x[j] /= size;
  }
}

/* y = Q x of length 1; of a complex vector the greatest component is real. */
static void store_vector(const schur *s, const number *x, int64_t last, bool complex_pair,
                         double *vectors, number *y) {
  const int64_t n = s->n;
  double greatest = 0, sum = 0;
  number unit = 1;
  for (int64_t i = 0; i < n; i++) {
    y[i] = 0;
    for (int64_t j = 0; j <= last; j++) y[i] += s->q[j * n + i] * x[j];
    double size = cabs(y[i]);
    if (size > greatest) unit = conj(y[i]) / size;
    greatest = fmax(greatest, size);
  }
  for (int64_t i = 0; i < n; i++) sum += pow(cabs(y[i]) / greatest, 2);
  unit = (complex_pair ? unit : 1) / (greatest * sqrt(sum));
  for (int64_t i = 0; i < n; i++) {
    vectors[i] = creal(y[i] * unit);
    if (complex_pair) vectors[n + i] = cimag(y[i] * unit);
  }
}

static void make_vectors(const schur *s, const double *real, const double *imaginary, double norm,
                         double *vectors, number *x) {
  const double least = DBL_EPSILON * (norm > 0 ? norm : 1);
  for (int64_t k = 0; k < s->n; k++) {
    bool pair = is_pair(s, k);
    number value = real[k] + imaginary[k] * I;
    x[k] = 1;
    if (pair) {
      x[k + 1] = value - H(k, k);
      x[k] = H(k, k + 1);
    }
    back_substitute(s, value, k - 1, k + pair, x, least);
    store_vector(s, x, k + pair, pair, vectors + k * s->n, x + s->n);
    k += pair;
  }
}

int tn__builtin_eigen(int64_t n, double *a, double *real, double *imaginary, double *vectors) {
  schur s = {.n = n, .h = a};
  double norm = 0;
  number *x = NULL;
  int result = TN_LAPACK_MEMORY;
  for (int64_t i = 0; i < n * n; i++) norm = fmax(norm, fabs(a[i]));
  for (int64_t i = 0; i < n * n && norm > 0; i++) a[i] /= norm; /* no square may overflow */
  if (vectors) {
    s.q = calloc((size_t)(n * n) + 1, sizeof *s.q);
    x = malloc(((size_t)n + 1) * 2 * sizeof *x);
  }
  if (!vectors || (s.q && x)) {
    for (int64_t k = 0; k < n && s.q; k++) s.q[k * n + k] = 1;
    make_hessenberg(&s);
    result = make_schur(&s, 1);
    read_values(&s, real, imaginary);
    if (result == 0 && vectors) make_vectors(&s, real, imaginary, 1, vectors, x);
    for (int64_t k = 0; k < n && norm > 0; k++) real[k] *= norm, imaginary[k] *= norm;
  }
  free(s.q);
  free(x);
  return result;
}
