/* linalg_triangle.cu -- triangular systems, and Cholesky factors. */
#include "cuda/ops/linalg.cuh"

static const int64_t CHUNK = 16; /* right sides of a block */

/* Each block takes CHUNK columns of one matrix's B through all unknowns. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
solve_triangle(const T *a, T *b, int64_t n, int64_t right, int64_t chunks, int64_t batch,
               bool down, bool transposed, bool unit, int *failed) {
  for (int64_t i = blockIdx.x; i < batch * chunks; i += gridDim.x) {
    const T *matrix = a + i / chunks * n * n;
    const int64_t first = i % chunks * CHUNK;
    const int64_t width = right - first < CHUNK ? right - first : CHUNK;
    T *x = b + (i / chunks * right + first) * n;
    for (int64_t step = 0; step < n; step++) {
      const int64_t k = down ? step : n - 1 - step, left = n - 1 - step;
      const T pivot = unit ? T(1) : matrix[k * n + k];
      if (pivot == 0 && threadIdx.x == 0) *failed = 1;
      __syncthreads();
      if (!unit && threadIdx.x < width) x[threadIdx.x * n + k] /= pivot;
      __syncthreads();
      for (int64_t e = threadIdx.x; e < left * width; e += LINALG_THREADS) {
        const int64_t row = down ? k + 1 + e % left : e % left, column = e / left;
        const T factor = transposed ? matrix[row * n + k] : matrix[k * n + row];
        x[column * n + row] -= factor * x[column * n + k];
      }
    }
    __syncthreads();
  }
}

void solve_triangles(linalg_job &job, const columns &a, const columns &b, bool upper,
                     bool transposed, bool unit, int *failed) {
  const int64_t chunks = (b.width + CHUNK - 1) / CHUNK;
  if (job.status != TN_OK || a.rows == 0 || b.width == 0) return;
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    job.note(tn_launch(solve_triangle<T>, blocks_for(job.batch * chunks), LINALG_THREADS, 0,
                       values<T>(a), values<T>(b), a.rows, b.width, chunks, job.batch,
                       upper == transposed, transposed, unit, failed));
  });
}

extern "C" tn_status tn_cuda_solve_triangle(tn_kernel_call *call) {
  const tn_view &right = call->in[0], &triangle = call->in[1];
  linalg_job job(call, triangle);
  const int64_t width = right.sizes[right.ndim - 1];
  if (job.nothing() || width == 0) return TN_OK;
  const columns a = job.read(triangle, job.n, job.n), b = job.read(right, job.n, width);
  int *failed = job.failures();
  solve_triangles(job, a, b, !flag(call, 0), flag(call, 1), flag(call, 2), failed);
  if (!flag(call, 2)) job.check(failed);
  job.write(call->out[0], b);
  return job.status;
}

/* -- Cholesky factors -------------------------------------------------------------------------- */

/* L of the lower triangle; an upper one is read, and becomes U, as its mirror image. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
factor_cholesky(T *all, int64_t n, int64_t batch, bool upper, int *failed) {
  const int64_t down = upper ? n : 1, along = upper ? 1 : n;
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    T *a = all + i * n * n;
    bool fails = false;
    for (int64_t k = 0; k < n && !fails; k++) {
      const T pivot = a[k * n + k];
      fails = !(pivot > 0) || !(pivot - pivot == 0);
      __syncthreads();
      const T root = sqrt(pivot);
      for (int64_t r = k + threadIdx.x; r < n; r += LINALG_THREADS) {
        T *at = a + r * down + k * along;
        *at = r == k ? root : *at / root;
      }
      __syncthreads();
      const int64_t left = n - 1 - k;
      for (int64_t e = threadIdx.x; e < left * left; e += LINALG_THREADS) {
        const int64_t row = k + 1 + e % left, column = k + 1 + e / left;
        if (row < column) continue;
        a[row * down + column * along] -= a[row * down + k * along] * a[column * down + k * along];
      }
      __syncthreads();
    }
    if (fails && threadIdx.x == 0) *failed = 1;
  }
}

/* What lies in the other triangle is no part of the result. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
clear_triangle(T *all, int64_t n, int64_t batch, bool upper) {
  const uint64_t count = static_cast<uint64_t>(n * n * batch);
  const uint64_t step = (uint64_t)gridDim.x * LINALG_THREADS;
  for (uint64_t i = (uint64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < count; i += step) {
    const int64_t place = static_cast<int64_t>(i) % (n * n), row = place % n, column = place / n;
    if (upper ? row > column : row < column) all[i] = 0;
  }
}

extern "C" tn_status tn_cuda_cholesky(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  const bool upper = flag(call, 0);
  if (job.nothing()) return TN_OK;
  const columns a = job.read(call->in[0], job.n, job.n);
  int *failed = job.failures();
  for (int64_t i = 0; job.is_large() && i < job.batch && job.status == TN_OK; i++) {
    char *matrix = static_cast<char *>(a.data) + i * job.n * job.n * (job.wide ? 8 : 4);
    job.status = tn_solver_cholesky(job.device, job.wide, upper, job.n, matrix, failed);
    job.check(failed);
  }
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status == TN_OK && !job.is_large()) {
      job.note(tn_launch(factor_cholesky<T>, blocks_for(job.batch), LINALG_THREADS, 0,
                         values<T>(a), job.n, job.batch, upper, failed));
    }
    if (job.status != TN_OK) return;
    const int blocks = tn_cuda_blocks(job.device, (uint64_t)(job.batch * job.n * job.n),
                                      LINALG_THREADS);
    job.note(tn_launch(clear_triangle<T>, blocks, LINALG_THREADS, 0, values<T>(a), job.n,
                       job.batch, upper));
  });
  if (!job.is_large()) job.check(failed);
  job.write(call->out[0], a);
  return job.status;
}
