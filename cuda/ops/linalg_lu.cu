/* linalg_lu.cu -- LU factors with pivots, and what follows from them: solutions, inverses,
 * determinants. */
#include "cuda/ops/linalg.cuh"

/* LAPACK's getrf: the pivot of each column is its first largest element, and rows are exchanged
 * along the whole matrix. *failed where a pivot is 0; the rest goes on, as it does there. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
factor_lu(T *all, int *pivots, int64_t m, int64_t n, int64_t batch, int *failed) {
  __shared__ T largest[LINALG_WARPS];
  __shared__ int64_t rows[LINALG_WARPS];
  const int64_t steps = m < n ? m : n;
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    T *a = all + i * m * n;
    for (int64_t k = 0; k < steps; k++) {
      T most = -1;
      int64_t row = k;
      for (int64_t r = k + threadIdx.x; r < m; r += LINALG_THREADS) {
        const T size = fabs(a[k * m + r]);
        if (size > most) most = size, row = r;
      }
      for (int by = 16; by > 0; by /= 2) {
        const T other = __shfl_xor_sync(~0u, most, by);
        const int64_t at = __shfl_xor_sync(~0u, row, by);
        if (other > most || (other == most && at < row)) most = other, row = at;
      }
      if (threadIdx.x % 32 == 0) largest[threadIdx.x / 32] = most, rows[threadIdx.x / 32] = row;
      __syncthreads();
      most = largest[0], row = rows[0];
      for (int w = 1; w < LINALG_WARPS; w++) {
        if (largest[w] > most || (largest[w] == most && rows[w] < row)) {
          most = largest[w], row = rows[w];
        }
      }
      if (threadIdx.x == 0) pivots[i * steps + k] = static_cast<int>(row + 1);
      if (threadIdx.x == 0 && !(most > 0)) *failed = 1;
      for (int64_t c = threadIdx.x; row != k && c < n; c += LINALG_THREADS) {
        const T x = a[c * m + k];
        a[c * m + k] = a[c * m + row];
        a[c * m + row] = x;
      }
      __syncthreads();
      const T pivot = a[k * m + k];
      for (int64_t r = k + 1 + threadIdx.x; pivot != 0 && r < m; r += LINALG_THREADS) {
        a[k * m + r] /= pivot;
      }
      __syncthreads();
      const int64_t down = m - 1 - k, along = n - 1 - k;
      for (int64_t e = threadIdx.x; e < down * along; e += LINALG_THREADS) {
        const int64_t r = k + 1 + e % down, c = k + 1 + e / down;
        a[c * m + r] -= a[k * m + r] * a[c * m + k];
      }
      __syncthreads();
    }
  }
}

__global__ void __launch_bounds__(LINALG_THREADS)
shorten_pivots(const int64_t *from, int *to, int64_t count) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < count; i += step) {
    to[i] = static_cast<int>(from[i]);
  }
}

/* A pivot of 0 is a failure, or not. */
static int *factors(linalg_job &job, const columns &a, bool fails) {
  const int64_t steps = lesser(job.m, job.n);
  int *pivots = job.integers(steps), *failed = job.failures();
  if (job.status != TN_OK) return pivots;
  if (job.is_large()) {
    int64_t *wide = static_cast<int64_t *>(job.take((size_t)(job.batch * steps) * 8));
    for (int64_t i = 0; i < job.batch && job.status == TN_OK; i++) {
      char *matrix = static_cast<char *>(a.data) + i * job.m * job.n * (job.wide ? 8 : 4);
      job.status = tn_solver_lu(job.device, job.wide, job.m, job.n, matrix, wide + i * steps,
                                 failed);
      if (fails) job.check(failed);
    }
    if (job.status == TN_OK) {
      job.note(tn_launch(shorten_pivots, tn_cuda_blocks(job.device, (uint64_t)(job.batch * steps),
                                                        LINALG_THREADS),
                         LINALG_THREADS, 0, wide, pivots, job.batch * steps));
    }
    return pivots;
  }
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    job.note(tn_launch(factor_lu<T>, blocks_for(job.batch), LINALG_THREADS, 0, values<T>(a), pivots,
                       job.m, job.n, job.batch, failed));
  });
  if (fails) job.check(failed);
  return pivots;
}

extern "C" tn_status tn_cuda_lu_factor(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  if (job.nothing()) return TN_OK;
  const columns a = job.read(call->in[0], job.m, job.n);
  int *pivots = factors(job, a, false);
  job.write(call->out[0], a);
  job.write_integers(call->out[1], pivots);
  return job.status;
}

/* -- Solutions --------------------------------------------------------------------------------- */

/* Exchanges the rows of B as those of A were: a thread for each column. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
exchange_rows(T *b, const int *pivots, int64_t n, int64_t right, int64_t batch) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < batch * right;
       i += step) {
    const int *pivot = pivots + i / right * n;
    T *column = b + i * n;
    for (int64_t k = 0; k < n; k++) {
      const T x = column[k];
      column[k] = column[pivot[k] - 1];
      column[pivot[k] - 1] = x;
    }
  }
}

static void solve(linalg_job &job, const columns &a, const int *pivots, const columns &b) {
  const int blocks = tn_cuda_blocks(job.device, (uint64_t)(job.batch * b.width), LINALG_THREADS);
  int *failed = job.failures(); /* pivots of 0 have been found before */
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status != TN_OK) return;
    job.note(tn_launch(exchange_rows<T>, blocks, LINALG_THREADS, 0, values<T>(b), pivots, job.n,
                       b.width, job.batch));
  });
  solve_triangles(job, a, b, false, false, true, failed);
  solve_triangles(job, a, b, true, false, false, failed);
}

extern "C" tn_status tn_cuda_solve_lu(tn_kernel_call *call) {
  const tn_view &right = call->in[0], &matrix = call->in[1];
  linalg_job job(call, matrix);
  const int64_t width = right.sizes[right.ndim - 1];
  if (job.nothing()) return TN_OK;
  const columns a = job.read(matrix, job.n, job.n);
  const int *pivots = factors(job, a, true);
  if (width > 0) {
    const columns b = job.read(right, job.n, width);
    solve(job, a, pivots, b);
    job.write(call->out[0], b);
  }
  job.write(call->out[1], a);
  return job.status;
}

extern "C" tn_status tn_cuda_inverse(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  if (job.nothing()) return TN_OK;
  const columns a = job.read(call->in[0], job.n, job.n);
  const int *pivots = factors(job, a, true);
  const columns b = job.make(job.n, job.n);
  make_unit(job, b);
  solve(job, a, pivots, b);
  job.write(call->out[0], b);
  return job.status;
}

/* -- Determinants ------------------------------------------------------------------------------ */

/* A thread for each matrix, in the CPU's order. `sign` NULL: the determinant itself. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
determinants(const T *all, const int *pivots, int64_t n, int64_t batch, T *value, T *sign) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < batch; i += step) {
    double det = 1, log_abs = 0, direction = 1;
    for (int64_t k = 0; k < n; k++) {
      const double u = static_cast<double>(all[i * n * n + k * (n + 1)]);
      const bool exchanged = pivots[i * n + k] != k + 1;
      det *= exchanged ? -u : u;
      log_abs += log(fabs(u));
      if (exchanged) direction = -direction;
      direction = u > 0 ? direction : u < 0 ? -direction : u;
    }
    if (direction == 0) direction = 0, log_abs = -INFINITY;
    value[i] = static_cast<T>(sign != nullptr ? log_abs : det);
    if (sign != nullptr) sign[i] = static_cast<T>(direction);
  }
}

static tn_status determinant(tn_kernel_call *call, bool logarithm) {
  linalg_job job(call, call->in[0]);
  if (job.nothing()) return TN_DECLINED;
  const columns a = job.read(call->in[0], job.n, job.n);
  const int *pivots = factors(job, a, false);
  const columns value = job.make(1, 1), sign = job.make(1, 1);
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status != TN_OK) return;
    job.note(tn_launch(determinants<T>,
                       tn_cuda_blocks(job.device, (uint64_t)job.batch, LINALG_THREADS),
                       LINALG_THREADS, 0, values<T>(a), pivots, job.n, job.batch, values<T>(value),
                       logarithm ? values<T>(sign) : nullptr));
  });
  job.write_numbers(call->out[0], value);
  if (logarithm) job.write_numbers(call->out[1], sign);
  return job.status;
}

extern "C" tn_status tn_cuda_det(tn_kernel_call *call) { return determinant(call, false); }
extern "C" tn_status tn_cuda_log_det(tn_kernel_call *call) { return determinant(call, true); }

/* -- Permutations ------------------------------------------------------------------------------ */

/* P of A = P L U: column k is the unit vector of where row k came from. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
fill_permutations(T *p, const int *pivots, int *from, int64_t m, int64_t count, int64_t batch,
                  tn_fault *fault) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < batch; i += step) {
    int *row = from + i * m;
    for (int64_t k = 0; k < m; k++) row[k] = static_cast<int>(k);
    for (int64_t k = 0; k < count; k++) {
      const int other = pivots[i * count + k] - 1, was = row[k];
      if (other < 0 || other >= m) {
        tn_note_fault(fault, TN_OP_pivot_matrix, other, m);
        continue;
      }
      row[k] = row[other];
      row[other] = was;
    }
    for (int64_t k = 0; k < m; k++) p[i * m * m + k * m + row[k]] = 1;
  }
}

extern "C" tn_status tn_cuda_pivot_matrix(tn_kernel_call *call) {
  const tn_view &lu = call->in[0], &given = call->in[1];
  linalg_job job(call, lu);
  const int64_t count = given.sizes[given.ndim - 1];
  tn_fault *fault = tn_cuda_fault(job.device);
  if (job.batch == 0 || job.m == 0) return TN_OK;
  if (fault == nullptr) return TN_ENOMEM;
  int *pivots = job.integers(count), *from = job.integers(job.m);
  const columns p = job.make(job.m, job.m);
  job.clear(p);
  job.read_integers(given, pivots);
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status != TN_OK) return;
    job.note(tn_launch(fill_permutations<T>,
                       tn_cuda_blocks(job.device, (uint64_t)job.batch, LINALG_THREADS),
                       LINALG_THREADS, 0, values<T>(p), pivots, from, job.m, count, job.batch,
                       fault));
  });
  job.write(call->out[0], p);
  return job.status;
}
