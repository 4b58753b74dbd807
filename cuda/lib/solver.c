/* solver.c -- factors of matrices by cuSOLVER's routines with sizes of 64 bits.
 *
 * What is relied on, from the library's documentation: matrices are stored by columns; arguments
 * mean what LAPACK's do; Xgetrf's pivots are 64-bit, counted from 1; Xgesvd wants m >= n and gives
 * V' as vt, jobu 'S' n and 'A' m columns of U; work spaces on the device and on the host have the
 * sizes that the routine's bufferSize tells; a handle belongs to the device that was current when it
 * was made, and to one thread at a time, and works on the stream that it was last told. */
#include "cuda/lib/solver.h"

#include <cusolverDn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/lib/library.h"

typedef cusolverDnHandle_t handle;
typedef cusolverDnParams_t params;
typedef cudaDataType type;

static struct {
  cusolverStatus_t (*cusolverDnCreate)(handle *);
  cusolverStatus_t (*cusolverDnSetStream)(handle, cudaStream_t);
  cusolverStatus_t (*cusolverDnCreateParams)(params *);
  cusolverStatus_t (*cusolverDnXgetrf_bufferSize)(handle, params, int64_t, int64_t, type,
                                                  const void *, int64_t, type, size_t *, size_t *);
  cusolverStatus_t (*cusolverDnXgetrf)(handle, params, int64_t, int64_t, type, void *, int64_t,
                                       int64_t *, type, void *, size_t, void *, size_t, int *);
  cusolverStatus_t (*cusolverDnXpotrf_bufferSize)(handle, params, cublasFillMode_t, int64_t, type,
                                                  const void *, int64_t, type, size_t *, size_t *);
  cusolverStatus_t (*cusolverDnXpotrf)(handle, params, cublasFillMode_t, int64_t, type, void *,
                                       int64_t, type, void *, size_t, void *, size_t, int *);
  cusolverStatus_t (*cusolverDnXgeqrf_bufferSize)(handle, params, int64_t, int64_t, type,
                                                  const void *, int64_t, type, const void *, type,
                                                  size_t *, size_t *);
  cusolverStatus_t (*cusolverDnXgeqrf)(handle, params, int64_t, int64_t, type, void *, int64_t,
                                       type, void *, type, void *, size_t, void *, size_t, int *);
  cusolverStatus_t (*cusolverDnXsyevd_bufferSize)(handle, params, cusolverEigMode_t,
                                                  cublasFillMode_t, int64_t, type, const void *,
                                                  int64_t, type, const void *, type, size_t *,
                                                  size_t *);
  cusolverStatus_t (*cusolverDnXsyevd)(handle, params, cusolverEigMode_t, cublasFillMode_t, int64_t,
                                       type, void *, int64_t, type, void *, type, void *, size_t,
                                       void *, size_t, int *);
  cusolverStatus_t (*cusolverDnXgesvd_bufferSize)(handle, params, signed char, signed char, int64_t,
                                                  int64_t, type, const void *, int64_t, type,
                                                  const void *, type, const void *, int64_t, type,
                                                  const void *, int64_t, type, size_t *, size_t *);
  cusolverStatus_t (*cusolverDnXgesvd)(handle, params, signed char, signed char, int64_t, int64_t,
                                       type, void *, int64_t, type, void *, type, void *, int64_t,
                                       type, void *, int64_t, type, void *, size_t, void *, size_t,
                                       int *);
} f;

static const tn_symbol symbols[] = {TN_SYMBOL(f, cusolverDnCreate),
                                    TN_SYMBOL(f, cusolverDnSetStream),
                                    TN_SYMBOL(f, cusolverDnCreateParams),
                                    TN_SYMBOL(f, cusolverDnXgetrf_bufferSize),
                                    TN_SYMBOL(f, cusolverDnXgetrf),
                                    TN_SYMBOL(f, cusolverDnXpotrf_bufferSize),
                                    TN_SYMBOL(f, cusolverDnXpotrf),
                                    TN_SYMBOL(f, cusolverDnXgeqrf_bufferSize),
                                    TN_SYMBOL(f, cusolverDnXgeqrf),
                                    TN_SYMBOL(f, cusolverDnXsyevd_bufferSize),
                                    TN_SYMBOL(f, cusolverDnXsyevd),
                                    TN_SYMBOL(f, cusolverDnXgesvd_bufferSize),
                                    TN_SYMBOL(f, cusolverDnXgesvd)};
static tn_library library = {.files = {"libcusolver.so.12", "libcusolver.so.11", "libcusolver.so"},
                             .symbols = symbols,
                             .count = sizeof symbols / sizeof *symbols};

bool tn_solver_is_there(void) { return tn_cuda_library(&library) == TN_OK; }

enum { DEVICES = 64 };
static struct {
  handle solver;
  params options;
} devices[DEVICES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of them, and of their use */

/* One call of a routine: its handle, and work space of the sizes that it asked for. */
typedef struct {
  int device;
  handle solver;
  params options;
  type of;
  size_t here, there; /* bytes on the host and on the device */
  void *host, *work;
} routine;

static tn_status failed(cusolverStatus_t status) {
  char text[80];
  if (status == CUSOLVER_STATUS_SUCCESS) return TN_OK;
  snprintf(text, sizeof text, "cuSOLVER fails with code %d", (int)status);
  return tn_cuda_fail(status == CUSOLVER_STATUS_ALLOC_FAILED ? TN_ENOMEM : TN_EDEVICE, text);
}

static tn_status begin(routine *r, int device, bool wide) {
  const int place = device < DEVICES ? device : 0;
  *r = (routine){.device = device, .of = wide ? CUDA_R_64F : CUDA_R_32F};
  tn_status s = tn_cuda_library(&library);
  pthread_mutex_lock(&lock);
  if (s == TN_OK && devices[place].solver == NULL) {
    s = failed(f.cusolverDnCreate(&devices[place].solver));
  }
  if (s == TN_OK && devices[place].options == NULL) {
    s = failed(f.cusolverDnCreateParams(&devices[place].options));
  }
  r->solver = devices[place].solver;
  r->options = devices[place].options;
  return s == TN_OK ? failed(f.cusolverDnSetStream(r->solver, tn_cuda_stream())) : s;
}

static tn_status make_room(routine *r, cusolverStatus_t asked) {
  tn_status s = failed(asked);
  if (s == TN_OK && r->here > 0 && (r->host = malloc(r->here)) == NULL) {
    s = tn_cuda_fail(TN_ENOMEM, "not enough memory for cuSOLVER");
  }
  return s == TN_OK && r->there > 0 ? tn_cuda_alloc(r->device, r->there, &r->work) : s;
}

static tn_status end(routine *r, tn_status s) {
  pthread_mutex_unlock(&lock);
  tn_cuda_free(r->device, r->work);
  free(r->host);
  return s;
}

tn_status tn_solver_lu(int device, bool wide, int64_t m, int64_t n, void *a, int64_t *pivots,
                       int *info) {
  routine r;
  tn_status s = begin(&r, device, wide);
  if (s == TN_OK) {
    s = make_room(&r, f.cusolverDnXgetrf_bufferSize(r.solver, r.options, m, n, r.of, a, m, r.of,
                                                    &r.there, &r.here));
  }
  if (s == TN_OK) {
    s = failed(f.cusolverDnXgetrf(r.solver, r.options, m, n, r.of, a, m, pivots, r.of, r.work,
                                  r.there, r.host, r.here, info));
  }
  return end(&r, s);
}

tn_status tn_solver_cholesky(int device, bool wide, bool upper, int64_t n, void *a, int *info) {
  const cublasFillMode_t part = upper ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER;
  routine r;
  tn_status s = begin(&r, device, wide);
  if (s == TN_OK) {
    s = make_room(&r, f.cusolverDnXpotrf_bufferSize(r.solver, r.options, part, n, r.of, a, n, r.of,
                                                    &r.there, &r.here));
  }
  if (s == TN_OK) {
    s = failed(f.cusolverDnXpotrf(r.solver, r.options, part, n, r.of, a, n, r.of, r.work, r.there,
                                  r.host, r.here, info));
  }
  return end(&r, s);
}

tn_status tn_solver_qr(int device, bool wide, int64_t m, int64_t n, void *a, void *tau, int *info) {
  routine r;
  tn_status s = begin(&r, device, wide);
  if (s == TN_OK) {
    s = make_room(&r, f.cusolverDnXgeqrf_bufferSize(r.solver, r.options, m, n, r.of, a, m, r.of,
                                                    tau, r.of, &r.there, &r.here));
  }
  if (s == TN_OK) {
    s = failed(f.cusolverDnXgeqrf(r.solver, r.options, m, n, r.of, a, m, r.of, tau, r.of, r.work,
                                  r.there, r.host, r.here, info));
  }
  return end(&r, s);
}

tn_status tn_solver_symmetric(int device, bool wide, bool vectors, bool upper, int64_t n, void *a,
                              void *w, int *info) {
  const cublasFillMode_t part = upper ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER;
  const cusolverEigMode_t mode = vectors ? CUSOLVER_EIG_MODE_VECTOR : CUSOLVER_EIG_MODE_NOVECTOR;
  routine r;
  tn_status s = begin(&r, device, wide);
  if (s == TN_OK) {
    s = make_room(&r, f.cusolverDnXsyevd_bufferSize(r.solver, r.options, mode, part, n, r.of, a, n,
                                                    r.of, w, r.of, &r.there, &r.here));
  }
  if (s == TN_OK) {
    s = failed(f.cusolverDnXsyevd(r.solver, r.options, mode, part, n, r.of, a, n, r.of, w, r.of,
                                  r.work, r.there, r.host, r.here, info));
  }
  return end(&r, s);
}

tn_status tn_solver_svd(int device, bool wide, bool all, int64_t m, int64_t n, void *a,
                        void *values, void *u, void *vt, int *info) {
  const signed char job = u == NULL ? 'N' : all ? 'A' : 'S';
  routine r;
  tn_status s = begin(&r, device, wide);
  if (s == TN_OK) {
    s = make_room(&r, f.cusolverDnXgesvd_bufferSize(r.solver, r.options, job, job, m, n, r.of, a, m,
                                                    r.of, values, r.of, u, m, r.of, vt, n, r.of,
                                                    &r.there, &r.here));
  }
  if (s == TN_OK) {
    s = failed(f.cusolverDnXgesvd(r.solver, r.options, job, job, m, n, r.of, a, m, r.of, values,
                                  r.of, u, m, r.of, vt, n, r.of, r.work, r.there, r.host, r.here,
                                  info));
  }
  return end(&r, s);
}
