/* linalg.h -- what operations on matrices share: batches of them stored by columns, as LAPACK wants
 * them, the loop over a batch, and expressions of gradients. */
#ifndef TN_OPS_LINALG_H
#define TN_OPS_LINALG_H

#include "tensor/cpu/lapack.h"
#include "tensor/eval.h"

/* Matrices of one size, each stored by columns without gaps: a contiguous tensor of the sizes
 * (batch..., columns, rows). */
typedef struct {
  tn_tensor *t;
  char *data;
  int64_t rows, columns;
  int64_t step; /* bytes from one matrix to the next */
} tn_columns;

/* One call over a batch. `one` calculates matrix i and returns what its LAPACK routine does. */
typedef struct tn_linalg tn_linalg;
struct tn_linalg {
  tn_ctx *ctx;
  tn_dtype type; /* TN_F32 or TN_F64: of all tn_columns but those of whole numbers */
  bool wide;
  int64_t batch, m, n, right;
  int (*one)(const tn_linalg *job, int64_t i);
  tn_columns a, b, c, d, e;
  bool flag[3]; /* of the routine: upper, transposed, ... */
  const char *failure; /* what a positive result means, with a %d for it */
  _Atomic uint64_t failed; /* the first matrix that failed, and how */
};

enum { TN_LINALG_NOT_FINITE = -1002 };

/* Is t a matrix, or a batch of them, of floating-point numbers? */
tn_status tn__linalg_check(tn_ctx *ctx, const tn_tensor *t, bool square);
/* Have both the same dimensions before the last two? */
tn_status tn__linalg_same_batch(tn_ctx *ctx, const tn_tensor *a, const tn_tensor *b);
/* Has b as many rows as a, which stand for A X = B? */
tn_status tn__linalg_rows(tn_ctx *ctx, const tn_tensor *a, const tn_tensor *b);
/* meta[i] = the batch of `like`, then rows and columns; columns < 0: a vector. */
void tn__linalg_meta(tn_call *call, int i, const tn_tensor *like, int64_t rows, int64_t columns);

/* A job for the matrices of `like`; its temporaries are released by the end. */
tn_linalg tn__linalg_begin(tn_ctx *ctx, const tn_tensor *like);
tn_status tn__linalg_end(tn_linalg *job, tn_status s);
/* Undefined values; `dtype` is job->type, or TN_I32. */
tn_status tn__columns_new(tn_linalg *job, tn_columns *c, tn_dtype dtype, int64_t rows,
                          int64_t columns);
/* The upper left rows x columns of each matrix of t. What t lacks is zero. */
tn_status tn__columns_read(tn_linalg *job, tn_columns *c, tn_tensor *t, int64_t rows,
                           int64_t columns);
/* out[i], as much of it as it has room for; a vector is the first column. */
void tn__columns_write(const tn_call *call, int i, const tn_columns *c);
static inline void *tn__columns_at(const tn_columns *c, int64_t i) { return c->data + i * c->step; }
bool tn__columns_finite(const tn_columns *c, int64_t i);
/* Runs the job; `work`: operations per matrix, roughly. */
tn_status tn__linalg_run(tn_linalg *job, double work, int (*one)(const tn_linalg *job, int64_t i),
                         const char *failure);

/* -- Expressions: of the last two dimensions --------------------------------------------------- */

tn_tensor *tn__turned(tn_eval *e, tn_tensor *x); /* transposed */
tn_tensor *tn__product(tn_eval *e, tn_tensor *a, tn_tensor *b);
/* tril and triu with their diagonal k. */
tn_tensor *tn__lower_of(tn_eval *e, tn_tensor *x, int64_t k);
tn_tensor *tn__upper_of(tn_eval *e, tn_tensor *x, int64_t k);
/* The identity of n rows and m columns, of x's type. */
tn_tensor *tn__identity_like(tn_eval *e, tn_tensor *x, int64_t n, int64_t m);
/* Vectors (..., n) that scale the rows or the columns of x (..., n, n). */
tn_tensor *tn__scale_rows(tn_eval *e, tn_tensor *x, tn_tensor *v);
tn_tensor *tn__scale_columns(tn_eval *e, tn_tensor *x, tn_tensor *v);
/* (..., 1, n) - (..., n, 1) of a vector (..., n), with ones on the diagonal. */
tn_tensor *tn__differences(tn_eval *e, tn_tensor *v);
/* Matrices with the vectors (..., n) on their diagonals. */
tn_tensor *tn__diagonal_matrix(tn_eval *e, tn_tensor *v);
/* X of A X = B or A'X = B, A a triangle. */
tn_tensor *tn__triangle_solve(tn_eval *e, tn_tensor *a, tn_tensor *b, bool upper, bool transposed,
                              bool unit);
/* Expanded to one batch. */
void tn__same_batch_of(tn_eval *e, tn_tensor **a, tn_tensor **b);
/* dA of Y = pinv(A) for dY. */
tn_tensor *tn__pinv_gradient(tn_eval *e, tn_tensor *a, tn_tensor *y, tn_tensor *dy);

#endif
