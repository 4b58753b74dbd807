/* lapack.c -- LAPACK's Fortran routines out of OpenBLAS, or what stands in for them; Cholesky's
 * factors and inverses are our own in any case.
 *
 * Fortran takes everything by address, and for each string its length after all other arguments.
 * The float and the double routine of a name have the same parameters, so one type serves both. */
#include "lapack.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "gemm.h"
#include "isa/factor_kernel.h"

typedef void getrf_fn(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info);
typedef void getrs_fn(const char *trans, const int *n, const int *right, const void *lu,
                      const int *lda, const int *pivots, void *b, const int *ldb, int *info,
                      size_t);
typedef void pstrf_fn(const char *uplo, const int *n, void *a, const int *lda, int *pivots,
                      int *rank, const void *tolerance, void *work, int *info, size_t);
typedef void trtrs_fn(const char *uplo, const char *trans, const char *diag, const int *n,
                      const int *right, const void *a, const int *lda, void *b, const int *ldb,
                      int *info, size_t, size_t, size_t);
typedef void geqrf_fn(const int *m, const int *n, void *a, const int *lda, void *tau, void *work,
                      const int *lwork, int *info);
typedef void orgqr_fn(const int *m, const int *n, const int *k, void *a, const int *lda,
                      const void *tau, void *work, const int *lwork, int *info);
typedef void ormqr_fn(const char *side, const char *trans, const int *m, const int *n, const int *k,
                      const void *a, const int *lda, const void *tau, void *c, const int *ldc,
                      void *work, const int *lwork, int *info, size_t, size_t);
typedef void syevd_fn(const char *jobz, const char *uplo, const int *n, void *a, const int *lda,
                      void *w, void *work, const int *lwork, int *iwork, const int *liwork,
                      int *info, size_t, size_t);
typedef void gesdd_fn(const char *jobz, const int *m, const int *n, void *a, const int *lda,
                      void *s, void *u, const int *ldu, void *vt, const int *ldvt, void *work,
                      const int *lwork, int *iwork, int *info, size_t);
typedef void geev_fn(const char *jobvl, const char *jobvr, const int *n, void *a, const int *lda,
                     void *wr, void *wi, void *vl, const int *ldvl, void *vr, const int *ldvr,
                     void *work, const int *lwork, int *info, size_t, size_t);

#define ROUTINES(X)                                                                               \
  X(getrf) X(getrs) X(pstrf) X(trtrs) X(geqrf) X(orgqr) X(ormqr) X(syevd) X(gesdd) X(geev)

/* [wide]; written once, under pthread_once. Either all are there or none is used. */
#define X(name) static name##_fn *name[2];
ROUTINES(X)
#undef X
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool found;

static void find_routines(void) {
  found = true;
#define X(name)                                                                                   \
  *(void **)&name[0] = tn__openblas_symbol("s" #name "_");                                        \
  *(void **)&name[1] = tn__openblas_symbol("d" #name "_");                                        \
  found = found && name[0] && name[1];
  ROUTINES(X)
#undef X
}

tn_dtype tn__lapack_type(tn_dtype dtype) {
  pthread_once(&once, find_routines);
  return found && dtype != TN_F64 ? TN_F32 : TN_F64;
}

void tn__lapack_begin(void) {
  if (found) tn__openblas_begin();
}

void tn__lapack_end(void) {
  if (found) tn__openblas_end();
}

/* Sizes as LAPACK takes them. An empty matrix has a leading dimension of 1 nevertheless. */
static int leading(int n) { return n > 1 ? n : 1; }

static bool fits(int64_t m, int64_t n) { return m <= INT_MAX / 2 && n <= INT_MAX / 2; }

/* Work space, as large as a routine asked for in the first element of `query`; NULL: too much. */
static void *work_space(bool wide, const double *query, int *count) {
  double wanted = wide ? *query : (double)*(const float *)query * (1 + 1e-6);
  if (!(wanted < INT_MAX)) return NULL;
  *count = wanted > 1 ? (int)wanted : 1;
  return malloc((size_t)*count * (wide ? sizeof(double) : sizeof(float)));
}

int tn__lapack_lu(bool wide, int64_t m, int64_t n, void *a, int32_t *pivots) {
  if (!found) return tn__builtin_lu(m, n, a, pivots);
  if (!fits(m, n)) return TN_LAPACK_SIZE;
  int rows = (int)m, columns = (int)n, ld = leading(rows), info = 0;
  getrf[wide](&rows, &columns, a, &ld, pivots, &info);
  return info;
}

int tn__lapack_lu_solve(bool wide, bool transposed, int64_t n, int64_t right, const void *lu,
                        const int32_t *pivots, void *b) {
  if (!found) {
    tn__builtin_lu_solve(transposed, n, right, lu, pivots, b);
    return 0;
  }
  if (!fits(n, right)) return TN_LAPACK_SIZE;
  int order = (int)n, columns = (int)right, ld = leading(order), info = 0;
  getrs[wide](transposed ? "T" : "N", &order, &columns, lu, &ld, pivots, b, &ld, &info, 1);
  return info;
}

/* Below the diagonal of a row-major matrix what stands above it, or the other way round. */
static void mirror(bool wide, int64_t n, void *a, bool down) {
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = i + 1; j < n; j++) {
      const int64_t from = down ? i * n + j : j * n + i, to = down ? j * n + i : i * n + j;
      if (wide) ((double *)a)[to] = ((double *)a)[from];
      else ((float *)a)[to] = ((float *)a)[from];
    }
  }
}

static int from_factor(int info) { return info == TN_FACTOR_MEMORY ? TN_LAPACK_MEMORY : info; }

/* By columns L L' is what U'U is by rows. */
int tn__lapack_cholesky(bool wide, bool upper, int64_t n, void *a) {
  if (!fits(n, n)) return TN_LAPACK_SIZE;
  if (upper) mirror(wide, n, a, false);
  int info = wide ? TN_ISA_PICK(tn__cholesky_f64)(n, a) : TN_ISA_PICK(tn__cholesky_f32)(n, a);
  if (upper) mirror(wide, n, a, true);
  return from_factor(info);
}

/* The inverse of the transpose is the transpose of the inverse. */
int tn__lapack_inverse(bool wide, int64_t n, void *a, void *x) {
  if (!fits(n, n)) return TN_LAPACK_SIZE;
  return from_factor(wide ? TN_ISA_PICK(tn__inverse_f64)(n, a, x)
                          : TN_ISA_PICK(tn__inverse_f32)(n, a, x));
}

int tn__lapack_cholesky_pivots(bool wide, bool upper, int64_t n, void *a, int32_t *pivots,
                               int32_t *rank) {
  if (!found) return tn__builtin_cholesky_pivots(upper, n, a, pivots, rank);
  if (!fits(n, n)) return TN_LAPACK_SIZE;
  int order = (int)n, ld = leading(order), info = 0;
  double own = -1; /* n times the rounding error of the greatest element of the diagonal */
  float own_float = -1;
  void *work = malloc((size_t)leading(order) * 2 * sizeof(double));
  if (!work) return TN_LAPACK_MEMORY;
  *rank = 0;
  pstrf[wide](upper ? "U" : "L", &order, a, &ld, pivots, rank,
              wide ? (void *)&own : (void *)&own_float, work, &info, 1);
  free(work);
  return info > 0 ? 0 : info;
}

int tn__lapack_triangle(bool wide, bool upper, bool transposed, bool unit, int64_t n,
                        int64_t right, const void *a, void *b) {
  if (!found) return tn__builtin_triangle(upper, transposed, unit, n, right, a, b);
  if (!fits(n, right)) return TN_LAPACK_SIZE;
  int order = (int)n, columns = (int)right, ld = leading(order), info = 0;
  trtrs[wide](upper ? "U" : "L", transposed ? "T" : "N", unit ? "U" : "N", &order, &columns, a, &ld,
              b, &ld, &info, 1, 1, 1);
  return info;
}

int tn__lapack_qr(bool wide, int64_t m, int64_t n, void *a, void *tau) {
  if (!found) return tn__builtin_qr(m, n, a, tau);
  if (!fits(m, n)) return TN_LAPACK_SIZE;
  int rows = (int)m, columns = (int)n, ld = leading(rows), info = 0, count = -1;
  double query = 1;
  geqrf[wide](&rows, &columns, a, &ld, tau, &query, &count, &info);
  void *work = work_space(wide, &query, &count);
  if (!work) return TN_LAPACK_MEMORY;
  geqrf[wide](&rows, &columns, a, &ld, tau, work, &count, &info);
  free(work);
  return info;
}

int tn__lapack_q(bool wide, int64_t m, int64_t n, int64_t reflectors, void *a, const void *tau) {
  if (!found) return tn__builtin_q(m, n, reflectors, a, tau);
  if (!fits(m, n)) return TN_LAPACK_SIZE;
  int rows = (int)m, columns = (int)n, k = (int)reflectors, ld = leading(rows), info = 0;
  int count = -1;
  double query = 1;
  orgqr[wide](&rows, &columns, &k, a, &ld, tau, &query, &count, &info);
  void *work = work_space(wide, &query, &count);
  if (!work) return TN_LAPACK_MEMORY;
  orgqr[wide](&rows, &columns, &k, a, &ld, tau, work, &count, &info);
  free(work);
  return info;
}

int tn__lapack_apply_q(bool wide, bool right, bool transposed, int64_t m, int64_t n,
                       int64_t reflectors, const void *a, const void *tau, void *c) {
  if (!found) return tn__builtin_apply_q(right, transposed, m, n, reflectors, a, tau, c);
  if (!fits(m, n)) return TN_LAPACK_SIZE;
  int rows = (int)m, columns = (int)n, k = (int)reflectors, ld = leading(right ? columns : rows);
  int ldc = leading(rows), info = 0, count = -1;
  const char *side = right ? "R" : "L", *trans = transposed ? "T" : "N";
  double query = 1;
  ormqr[wide](side, trans, &rows, &columns, &k, a, &ld, tau, c, &ldc, &query, &count, &info, 1, 1);
  void *work = work_space(wide, &query, &count);
  if (!work) return TN_LAPACK_MEMORY;
  ormqr[wide](side, trans, &rows, &columns, &k, a, &ld, tau, c, &ldc, work, &count, &info, 1, 1);
  free(work);
  return info;
}

int tn__lapack_symmetric(bool wide, bool vectors, bool upper, int64_t n, void *a, void *values) {
  if (!found) return tn__builtin_symmetric(vectors, upper, n, a, values);
  if (!fits(n, n)) return TN_LAPACK_SIZE;
  int order = (int)n, ld = leading(order), info = 0, count = -1, whole_count = -1, whole_query = 1;
  const char *job = vectors ? "V" : "N", *uplo = upper ? "U" : "L";
  double query = 1;
  syevd[wide](job, uplo, &order, a, &ld, values, &query, &count, &whole_query, &whole_count, &info,
              1, 1);
  void *work = work_space(wide, &query, &count);
  whole_count = leading(whole_query);
  int *whole = malloc((size_t)whole_count * sizeof *whole);
  if (work && whole) {
    syevd[wide](job, uplo, &order, a, &ld, values, work, &count, whole, &whole_count, &info, 1, 1);
  } else {
    info = TN_LAPACK_MEMORY;
  }
  free(work);
  free(whole);
  return info;
}

int tn__lapack_svd(bool wide, bool vectors, bool full, int64_t m, int64_t n, void *a, void *s,
                   void *u, void *vt) {
  if (!found) return tn__builtin_svd(vectors, full, m, n, a, s, u, vt);
  if (!fits(m, n)) return TN_LAPACK_SIZE;
  int rows = (int)m, columns = (int)n, least = rows < columns ? rows : columns;
  int ld = leading(rows), ldv = leading(full ? columns : least), info = 0, count = -1;
  const char *job = !vectors ? "N" : full ? "A" : "S";
  double query = 1;
  int *whole = malloc((size_t)leading(least) * 8 * sizeof *whole);
  gesdd[wide](job, &rows, &columns, a, &ld, s, u, &ld, vt, &ldv, &query, &count, whole, &info, 1);
  void *work = info == 0 ? work_space(wide, &query, &count) : NULL;
  if (work && whole) {
    gesdd[wide](job, &rows, &columns, a, &ld, s, u, &ld, vt, &ldv, work, &count, whole, &info, 1);
  } else {
    info = TN_LAPACK_MEMORY;
  }
  free(work);
  free(whole);
  return info;
}

int tn__lapack_eigen(bool wide, int64_t n, void *a, void *real, void *imaginary, void *vectors) {
  if (!found) return tn__builtin_eigen(n, a, real, imaginary, vectors);
  if (!fits(n, n)) return TN_LAPACK_SIZE;
  int order = (int)n, ld = leading(order), info = 0, count = -1;
  const char *job = vectors ? "V" : "N";
  double query = 1, none[1];
  geev[wide]("N", job, &order, a, &ld, real, imaginary, none, &ld, vectors, &ld, &query, &count,
             &info, 1, 1);
  void *work = work_space(wide, &query, &count);
  if (!work) return TN_LAPACK_MEMORY;
  geev[wide]("N", job, &order, a, &ld, real, imaginary, none, &ld, vectors, &ld, work, &count,
             &info, 1, 1);
  free(work);
  return info;
}
