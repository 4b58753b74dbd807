/* linalg_eigen.cu -- eigenvalues of symmetric matrices, and singular values, by Jacobi's rotations:
 * rounds of pairs that have no row or column in common are rotated at once. Vectors are unique but
 * for their signs, and for the choice within values that are equal. */
#include <float.h>

#include "cuda/ops/linalg.cuh"

enum { MOST_SWEEPS = 60 };

template <typename T> LINALG_DEVICE double rounding() {
  return sizeof(T) == 8 ? DBL_EPSILON : static_cast<double>(FLT_EPSILON);
}

/* Pair i of a round in which each of `players` (an even number) meets another one; in players - 1
 * rounds everyone meets everyone. */
LINALG_DEVICE void pair_of(int64_t players, int64_t round, int64_t i, int64_t *p, int64_t *q) {
  const int64_t others = players - 1;
  const int64_t a = i == 0 ? others : (round + i) % others, b = (round + others - i) % others;
  *p = a < b ? a : b;
  *q = a < b ? b : a;
}

/* The rotation (c, s) for which the products of p c - q s and p s + q c vanish. */
LINALG_DEVICE void rotation(double pp, double qq, double pq, double *c, double *s) {
  const double ratio = (qq - pp) / (2 * pq);
  const double t = (ratio < 0 ? -1 : 1) / (fabs(ratio) + sqrt(ratio * ratio + 1));
  *c = 1 / sqrt(t * t + 1);
  *s = t * *c;
}

template <typename T> LINALG_DEVICE void rotate(T *p, T *q, T c, T s) {
  const T x = *p, y = *q;
  *p = c * x - s * y;
  *q = s * x + c * y;
}

/* -- Symmetric matrices ------------------------------------------------------------------------ */

/* a becomes diagonal, v the vectors (NULL: none); `turns` has room for n + 1 numbers. The values
 * and vectors are then put in order. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
symmetric_values(T *all, T *vectors, T *turns, T *values, T *ordered, int64_t n, bool upper,
                 int64_t batch, int *failed) {
  __shared__ double shared[LINALG_WARPS];
  const int64_t players = n + n % 2, pairs = players / 2;
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    T *a = all + i * n * n, *v = vectors != nullptr ? vectors + i * n * n : nullptr;
    T *turn = turns + i * (n + 1);
    for (int64_t e = threadIdx.x; e < n * n; e += LINALG_THREADS) {
      const int64_t row = e % n, column = e / n;
      if (upper ? row < column : row > column) a[row * n + column] = a[e];
      if (v != nullptr) v[e] = row == column;
    }
    __syncthreads();
    bool done = false;
    int sweep = 0;
    for (; sweep < MOST_SWEEPS; sweep++) {
      double off = 0, size = 0;
      for (int64_t e = threadIdx.x; e < n * n; e += LINALG_THREADS) {
        const double square = static_cast<double>(a[e]) * static_cast<double>(a[e]);
        size += square;
        if (e % n != e / n) off += square;
      }
      off = sum_of_threads(off, shared);
      size = sum_of_threads(size, shared);
      const double close = rounding<T>() * 0.1;
      done = off <= size * close * close;
      if (done || !(size - size == 0)) break;
      for (int64_t round = 0; round + 1 < players; round++) {
        for (int64_t j = threadIdx.x; j < pairs; j += LINALG_THREADS) {
          int64_t p, q;
          double c = 1, s = 0;
          pair_of(players, round, j, &p, &q);
          if (q < n && a[q * n + p] != 0) {
            rotation(static_cast<double>(a[p * n + p]), static_cast<double>(a[q * n + q]),
                     static_cast<double>(a[q * n + p]), &c, &s);
          }
          turn[2 * j] = static_cast<T>(c);
          turn[2 * j + 1] = static_cast<T>(s);
        }
        __syncthreads();
        for (int64_t e = threadIdx.x; e < pairs * n; e += LINALG_THREADS) {
          int64_t p, q;
          pair_of(players, round, e / n, &p, &q);
          if (q >= n) continue;
          const T c = turn[e / n * 2], s = turn[e / n * 2 + 1];
          rotate(&a[p * n + e % n], &a[q * n + e % n], c, s);
          if (v != nullptr) rotate(&v[p * n + e % n], &v[q * n + e % n], c, s);
        }
        __syncthreads();
        for (int64_t e = threadIdx.x; e < pairs * n; e += LINALG_THREADS) {
          int64_t p, q;
          pair_of(players, round, e % pairs, &p, &q);
          if (q >= n) continue;
          const int64_t column = e / pairs;
          rotate(&a[column * n + p], &a[column * n + q], turn[e % pairs * 2],
                 turn[e % pairs * 2 + 1]);
          if (column == q) a[q * n + p] = 0; /* but for rounding */
          if (column == p) a[p * n + q] = 0;
        }
        __syncthreads();
      }
    }
    if (!done && threadIdx.x == 0) *failed = 1;
    for (int64_t k = threadIdx.x; k < n; k += LINALG_THREADS) {
      const T value = a[k * n + k];
      int64_t place = 0;
      for (int64_t j = 0; j < n; j++) {
        const T other = a[j * n + j];
        place += other < value || (other == value && j < k);
      }
      values[i * n + place] = value;
      turn[k] = static_cast<T>(place);
    }
    __syncthreads();
    for (int64_t e = threadIdx.x; v != nullptr && e < n * n; e += LINALG_THREADS) {
      ordered[i * n * n + static_cast<int64_t>(turn[e / n]) * n + e % n] = v[e];
    }
    __syncthreads();
  }
}

/* By the library, one matrix after another. */
static void symmetric_library(linalg_job &job, const columns &a, const columns &w, bool vectors,
                              bool upper, int *failed) {
  const size_t item = job.wide ? 8 : 4;
  for (int64_t i = 0; i < job.batch && job.status == TN_OK; i++) {
    job.status = tn_solver_symmetric(
        job.device, job.wide, vectors, upper, job.n,
        static_cast<char *>(a.data) + static_cast<size_t>(i * job.n * job.n) * item,
        static_cast<char *>(w.data) + static_cast<size_t>(i * job.n) * item, failed);
    job.check(failed);
  }
}

extern "C" tn_status tn_cuda_eigh(tn_kernel_call *call) {
  linalg_job job(call, call->in[0]);
  const bool vectors = !flag(call, 1), upper = flag(call, 0);
  if (job.nothing()) return TN_OK;
  const columns a = job.read(call->in[0], job.n, job.n), w = job.make(job.n, 1);
  int *failed = job.failures();
  if (job.is_large()) {
    symmetric_library(job, a, w, vectors, upper, failed);
    job.write(call->out[0], w);
    if (vectors) job.write(call->out[1], a);
    return job.status;
  }
  const columns turns = job.make(job.n + 1, 1);
  const columns v = job.make(job.n, vectors ? job.n : 0), ordered = job.make(job.n, v.width);
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status != TN_OK) return;
    job.note(tn_launch(symmetric_values<T>, blocks_for(job.batch), LINALG_THREADS, 0, values<T>(a),
                       vectors ? values<T>(v) : nullptr, values<T>(turns), values<T>(w),
                       values<T>(ordered), job.n, upper, job.batch, failed));
  });
  job.check(failed);
  job.write(call->out[0], w);
  if (vectors) job.write(call->out[1], ordered);
  return job.status;
}

/* -- Singular values --------------------------------------------------------------------------- */

/* The columns of a, of which there are no more than rows, become orthogonal, by rotations that v
 * (or NULL) collects; each warp takes pairs of a round. Their lengths are the singular values, in
 * order; u has them at length 1. *failed: no end, values that are not finite, or vectors of no
 * length. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
singular_values(T *all, T *right, T *values, int64_t *places, T *u, T *v, int64_t m, int64_t n,
                int64_t batch, int *failed) {
  const int64_t players = n + n % 2, pairs = players / 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const double close = rounding<T>() * sqrt(static_cast<double>(m));
  for (int64_t i = blockIdx.x; i < batch; i += gridDim.x) {
    T *a = all + i * m * n, *turned = right != nullptr ? right + i * n * n : nullptr;
    for (int64_t e = threadIdx.x; turned != nullptr && e < n * n; e += LINALG_THREADS) {
      turned[e] = e % n == e / n;
    }
    __syncthreads();
    int sweep = 0;
    for (bool again = true; again && sweep < MOST_SWEEPS; sweep++) {
      bool rotated = false;
      for (int64_t round = 0; round + 1 < players; round++) {
        for (int64_t j = warp; j < pairs; j += LINALG_WARPS) {
          int64_t p, q;
          pair_of(players, round, j, &p, &q);
          if (q >= n) continue;
          double pp = 0, qq = 0, pq = 0;
          for (int64_t r = lane; r < m; r += 32) {
            const double x = static_cast<double>(a[p * m + r]);
            const double y = static_cast<double>(a[q * m + r]);
            pp += x * x, qq += y * y, pq += x * y;
          }
          pp = sum_of_warp(pp), qq = sum_of_warp(qq), pq = sum_of_warp(pq);
          if (!(fabs(pq) > close * sqrt(pp * qq))) continue;
          double c, s;
          rotation(pp, qq, pq, &c, &s);
          rotated = true;
          for (int64_t r = lane; r < m; r += 32) {
            rotate(&a[p * m + r], &a[q * m + r], static_cast<T>(c), static_cast<T>(s));
          }
          for (int64_t r = lane; turned != nullptr && r < n; r += 32) {
            rotate(&turned[p * n + r], &turned[q * n + r], static_cast<T>(c), static_cast<T>(s));
          }
        }
        __syncthreads();
      }
      again = __syncthreads_or(rotated);
    }
    if (sweep == MOST_SWEEPS && threadIdx.x == 0) *failed = 1;
    for (int64_t k = warp; k < n; k += LINALG_WARPS) {
      double square = 0;
      for (int64_t r = lane; r < m; r += 32) {
        square += static_cast<double>(a[k * m + r]) * static_cast<double>(a[k * m + r]);
      }
      square = sum_of_warp(square);
      if (lane == 0) values[i * n + k] = static_cast<T>(sqrt(square));
    }
    __syncthreads();
    for (int64_t k = threadIdx.x; k < n; k += LINALG_THREADS) {
      const T value = values[i * n + k];
      int64_t place = 0;
      for (int64_t j = 0; j < n; j++) {
        const T other = values[i * n + j];
        place += other > value || (other == value && j < k);
      }
      places[i * n + k] = place;
      const T least = sizeof(T) == 8 ? T(1e-290) : T(1e-30);
      if (!(value - value == 0) || (turned != nullptr && value < least)) *failed = 1;
    }
    __syncthreads();
    for (int64_t e = threadIdx.x; turned != nullptr && e < m * n; e += LINALG_THREADS) {
      const int64_t k = e / m;
      u[(i * n + places[i * n + k]) * m + e % m] = a[e] / values[i * n + k];
    }
    for (int64_t e = threadIdx.x; turned != nullptr && e < n * n; e += LINALG_THREADS) {
      v[(i * n + places[i * n + e / n]) * n + e % n] = turned[e];
    }
    __syncthreads();
  }
}

/* values[place] of each of n. */
template <typename T>
__global__ void __launch_bounds__(LINALG_THREADS)
put_in_order(T *to, const T *from, const int64_t *places, int64_t n, int64_t count) {
  const int64_t step = (int64_t)gridDim.x * LINALG_THREADS;
  for (int64_t i = (int64_t)blockIdx.x * LINALG_THREADS + threadIdx.x; i < count; i += step) {
    to[i / n * n + places[i]] = from[i];
  }
}

/* A = u diag(w) v', or by the library v turned over. */
struct singular {
  columns w, u, v;
  bool v_turned;
};

static void singular_own(linalg_job &job, const columns &a, bool vectors, bool all, singular *to,
                         int *failed) {
  const int64_t m = job.m, n = job.n, count = job.batch * n;
  const columns lengths = job.make(n, 1), right = job.make(n, vectors ? n : 0);
  columns u = job.make(m, right.width);
  int64_t *places = static_cast<int64_t *>(job.take(static_cast<size_t>(count) * 8));
  to->v = job.make(n, right.width);
  to->v_turned = false;
  with_type(job.wide, [&](auto zero) {
    typedef decltype(zero) T;
    if (job.status != TN_OK) return;
    job.note(tn_launch(singular_values<T>, blocks_for(job.batch), LINALG_THREADS, 0, values<T>(a),
                       vectors ? values<T>(right) : nullptr, values<T>(lengths), places,
                       values<T>(u), values<T>(to->v), m, n, job.batch, failed));
    if (job.status != TN_OK) return;
    job.note(tn_launch(put_in_order<T>,
                       tn_cuda_blocks(job.device, static_cast<uint64_t>(count), LINALG_THREADS),
                       LINALG_THREADS, 0, values<T>(to->w),
                       static_cast<const T *>(values<T>(lengths)),
                       static_cast<const int64_t *>(places), n, count));
  });
  job.check(failed);
  to->u = u;
  if (!vectors || !all || m == n) return;
  /* columns that are orthogonal to all of u: what its reflectors make of the unit matrix */
  const columns reflectors = job.make(m, n), tau = job.make(n, 1), whole = job.make(m, m);
  job.put_first(reflectors, u);
  make_reflectors(job, reflectors, tau);
  make_unit(job, whole);
  apply_reflectors(job, reflectors, tau, n, whole, false, false);
  job.put_first(whole, u);
  to->u = whole;
}

static void singular_library(linalg_job &job, const columns &a, bool vectors, bool all,
                             singular *to, int *failed) {
  const int64_t m = job.m, n = job.n;
  const size_t item = job.wide ? 8 : 4;
  to->u = job.make(m, !vectors ? 0 : all ? m : n);
  to->v = job.make(n, vectors ? n : 0);
  to->v_turned = true;
  for (int64_t i = 0; i < job.batch && job.status == TN_OK; i++) {
    const auto at = [&](const columns &c) {
      return static_cast<char *>(c.data) + static_cast<size_t>(i * c.rows * c.width) * item;
    };
    job.status = tn_solver_svd(job.device, job.wide, all, m, n, at(a), at(to->w),
                               vectors ? at(to->u) : nullptr, vectors ? at(to->v) : nullptr,
                               failed);
    job.check(failed);
  }
}

/* Of a matrix with more columns than rows, that of its transpose. */
extern "C" tn_status tn_cuda_svd(tn_kernel_call *call) {
  const tn_view &given = call->in[0];
  const bool wider = given.sizes[given.ndim - 2] < given.sizes[given.ndim - 1];
  const tn_view matrix = wider ? turned(given) : given;
  const bool vectors = !flag(call, 1), all = flag(call, 0);
  linalg_job job(call, matrix);
  if (job.batch == 0) return TN_OK;
  if (job.nothing()) return TN_DECLINED;
  const columns a = job.read(matrix, job.m, job.n);
  singular to = {job.make(job.n, 1), {}, {}, false};
  int *failed = job.failures();
  if (job.is_large()) singular_library(job, a, vectors, all, &to, failed);
  else singular_own(job, a, vectors, all, &to, failed);
  job.write(call->out[1], to.w);
  if (!vectors) return job.status;
  job.write(call->out[wider ? 2 : 0], to.u);
  const tn_view &v = call->out[wider ? 0 : 2];
  job.write(to.v_turned ? turned(v) : v, to.v);
  return job.status;
}
