/* linalg_qr.cu -- QR factors as reflectors, what they make, and least squares.
 *
 * Reflector k is I - tau[k] v v', v being 1 at k and what stands below the diagonal of column k:
 * LAPACK's conventions, so that factors of both are the same. */
#include "cuda/ops/linalg.cuh"

template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
factor_qr(T *all, T *factors, int64_t m, int64_t n, int64_t batch) {
  __shared__ double shared[LINALG_WARPS];
  const int64_t steps = m < n ? m : n;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    T *a = all + i * m * n;
    for (int64_t k = 0; k < steps; k++) {
      T *v = a + k * m;
      double square = 0;
      for (int64_t r = k + 1 + threadIdx.x; r < m; r += LINALG_THREADS) {
        square += static_cast<double>(v[r]) * static_cast<double>(v[r]);
      }
      square = sum_of_threads(square, shared);
      const double alpha = static_cast<double>(v[k]);
      const double size = sqrt(alpha * alpha + square);
      const bool acts = square != 0;
      const double beta = alpha > 0 ? -size : size;
      const T tau = static_cast<T>(acts ? (beta - alpha) / beta : 0);
      const T scale = static_cast<T>(acts ? 1 / (alpha - beta) : 0);
      __syncthreads();
      for (int64_t r = k + threadIdx.x; acts && r < m; r += LINALG_THREADS) {
        v[r] = r == k ? static_cast<T>(beta) : v[r] * scale;
      }
      if (threadIdx.x == 0) factors[i * steps + k] = tau;
      __syncthreads();
      for (int64_t c = k + 1 + warp; acts && c < n; c += LINALG_WARPS) {
        T *column = a + c * m, sum = 0;
        for (int64_t r = k + lane; r < m; r += 32) sum += (r == k ? T(1) : v[r]) * column[r];
        sum = sum_of_warp(sum) * tau;
        for (int64_t r = k + lane; r < m; r += 32) column[r] -= (r == k ? T(1) : v[r]) * sum;
      }
      __syncthreads();
    }
  }
}

/* Each warp takes one column of C (or row, where Q is on its right) through k reflectors, the last
 * one first where `backward`. v has m rows. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
reflect(const T *v, const T *factors, int64_t m, int64_t stored, int64_t taus, int64_t k, T *c,
        int64_t rows, int64_t width, bool right, bool backward, int64_t batch) {
  const int lane = threadIdx.x % 32;
  const int64_t lines = right ? rows : width, step = right ? rows : 1;
  const int64_t all = batch * lines, warps = (int64_t)gridDim.x * LINALG_WARPS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_WARPS + threadIdx.x / 32; i < all; i += warps) {
    const int64_t matrix = i / lines, line = i % lines;
    T *x = c + matrix * rows * width + line * (right ? 1 : rows);
    for (int64_t j = 0; j < k; j++) {
      const int64_t r = backward ? k - 1 - j : j;
      const T *reflector = v + (matrix * stored + r) * m;
      T sum = 0;
      for (int64_t e = r + lane; e < m; e += 32) {
        sum += (e == r ? T(1) : reflector[e]) * x[e * step];
      }
      sum = sum_of_warp(sum) * factors[matrix * taus + r];
      for (int64_t e = r + lane; e < m; e += 32) {
        x[e * step] -= (e == r ? T(1) : reflector[e]) * sum;
      }
      __syncwarp();
    }
  }
}

void make_reflectors(linalg_job &job, const columns &a, const columns &tau) {
  const int64_t m = a.rows, n = a.width, steps = lesser(m, n);
  if (job.status != TN_OK || steps == 0) return;
  if (job.is_large()) {
    int *info = job.failures();
    const size_t item = job.wide ? 8 : 4;
    for (int64_t i = 0; i < job.batch && job.status == TN_OK; i++) {
      job.status = tn_solver_qr(job.device, job.wide, m, n,
                                 static_cast<char *>(a.data) + (size_t)(i * m * n) * item,
                                 static_cast<char *>(tau.data) + (size_t)(i * steps) * item, info);
    }
    return;
  }
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    job.note(tn_launch(factor_qr<T>, blocks_for(job.batch), LINALG_THREADS, 0, values<T>(a),
                       values<T>(tau), m, n, job.batch));
  });
}

void apply_reflectors(linalg_job &job, const columns &v, const columns &tau, int64_t k,
                      const columns &c, bool right, bool transposed) {
  const int64_t lines = job.batch * (right ? c.rows : c.width);
  if (job.status != TN_OK || lines == 0 || k == 0) return;
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    job.note(tn_launch(reflect<T>, blocks_for((lines + LINALG_WARPS - 1) / LINALG_WARPS),
                       LINALG_THREADS, 0, values<T>(v), values<T>(tau), v.rows, v.width, tau.rows,
                       k, values<T>(c), c.rows, c.width, right, right == transposed, job.batch));
  });
}

/* -- Parts of matrices ------------------------------------------------------------------------- */

enum part { UPPER, UNIT, TOP };

/* to = the upper triangle of `from`, or ones on the diagonal, or the rows that it has room for. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
copy_part(T *to, int64_t rows, int64_t width, const T *from, int64_t from_rows, int64_t from_width,
          int what, int64_t batch) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS, count = batch * rows * width;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < count; i += step) {
    const int64_t matrix = i / (rows * width), row = i % rows, column = i / rows % width;
    T value = row == column ? T(1) : T(0);
    if (what == UPPER && row > column) value = 0;
    else if (what != UNIT) value = from[(matrix * from_width + column) * from_rows + row];
    to[i] = value;
  }
}

static void copy(linalg_job &job, const columns &to, const columns &from, part what) {
  const int64_t count = job.batch * to.rows * to.width;
  if (job.status != TN_OK || count == 0) return;
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    job.note(tn_launch(copy_part<T>, tn_cuda_blocks(job.device, (uint64_t)count, LINALG_THREADS),
                       LINALG_THREADS, 0, values<T>(to), to.rows, to.width,
                       static_cast<const T *>(values<T>(from)), from.rows, from.width,
                       static_cast<int>(what), job.batch));
  });
}

void make_unit(linalg_job &job, const columns &c) { copy(job, c, c, UNIT); }

/* `from` into the rows that it has, of `to`, which has more. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
put_top(T *to, int64_t to_rows, const T *from, int64_t rows, int64_t count) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < count; i += step) {
    to[i / rows * to_rows + i % rows] = from[i];
  }
}

/* -- The operations ---------------------------------------------------------------------------- */

extern "C" tn_status tn_cuda_qr(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  const int64_t k = lesser(job.m, job.n);
  if (job.batch == 0) return TN_OK;
  if (k == 0) return TN_DECLINED;
  const columns a = job.read(call->in[0], job.m, job.n), tau = job.make(k, 1);
  make_reflectors(job, a, tau);
  const columns q = job.make(job.m, flag(call, 0) ? job.m : k), r = job.make(q.width, job.n);
  make_unit(job, q);
  apply_reflectors(job, a, tau, k, q, false, false);
  copy(job, r, a, UPPER);
  job.write(call->out[0], q);
  job.write(call->out[1], r);
  return job.status;
}

extern "C" tn_status tn_cuda_geqrf(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  if (job.nothing()) return TN_OK;
  const columns a = job.read(call->in[0], job.m, job.n), tau = job.make(lesser(job.m, job.n), 1);
  make_reflectors(job, a, tau);
  job.write(call->out[0], a);
  job.write(call->out[1], tau);
  return job.status;
}

extern "C" tn_status tn_cuda_orgqr(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  const int64_t k = call->in[1].sizes[call->in[1].ndim - 1];
  if (job.nothing()) return TN_OK;
  const columns q = job.make(job.m, lesser(job.m, job.n));
  const columns v = job.read(call->in[0], job.m, q.width);
  make_unit(job, q);
  if (k > 0) apply_reflectors(job, v, job.read_vector(call->in[1]), k, q, false, false);
  job.write(call->out[0], q);
  return job.status;
}

extern "C" tn_status tn_cuda_ormqr(tn_kernel_call *call) {
  const tn_view &other = call->in[2];
  linalg_job job(call, call->in[0]);
  const int64_t k = call->in[1].sizes[call->in[1].ndim - 1];
  const int64_t rows = other.sizes[other.ndim - 2], width = other.sizes[other.ndim - 1];
  if (job.batch == 0 || rows * width == 0) return TN_OK;
  const columns c = job.read(other, rows, width);
  if (k > 0) {
    const columns v = job.read(call->in[0], job.m, job.n);
    apply_reflectors(job, v, job.read_vector(call->in[1]), k, c, flag(call, 0), flag(call, 1));
  }
  job.write(call->out[0], c);
  return job.status;
}

/* m >= n: A = Q R, and x = R^-1 Q'b above what is left of Q'b.
 * m < n:  A' = Q R, and x = Q (R'^-1 b, 0). */
extern "C" tn_status tn_cuda_least_squares(tn_kernel_call *call) {
  const tn_view &right = call->in[0], &matrix = call->in[1];
  linalg_job job(call, matrix);
  const bool under = job.m < job.n;
  const int64_t rows = under ? job.n : job.m, k = under ? job.m : job.n;
  const int64_t width = right.sizes[right.ndim - 1];
  if (job.batch == 0) return TN_OK;
  if (k == 0 || width == 0) return TN_DECLINED;
  const columns a = job.read(under ? turned(matrix) : matrix, rows, k);
  const columns b = job.read(right, rows, width), tau = job.make(k, 1);
  const columns top = job.make(k, width), r = job.make(k, k);
  int *failed = job.failures();
  make_reflectors(job, a, tau);
  if (!under) apply_reflectors(job, a, tau, k, b, false, true);
  copy(job, top, b, TOP);
  copy(job, r, a, TOP);
  solve_triangles(job, r, top, true, under, false, failed);
  job.check(failed);
  const int64_t count = job.batch * k * width;
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status != TN_OK) return;
    job.note(tn_launch(put_top<T>, tn_cuda_blocks(job.device, (uint64_t)count, LINALG_THREADS),
                       LINALG_THREADS, 0, values<T>(b), rows,
                       static_cast<const T *>(values<T>(top)), k, count));
  });
  if (under) apply_reflectors(job, a, tau, k, b, false, false);
  job.write(call->out[0], b);
  job.write(under ? turned(call->out[1]) : call->out[1], a);
  return job.status;
}
