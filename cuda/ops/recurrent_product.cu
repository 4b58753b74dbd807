/* recurrent_product.cu -- products of matrices for the recurrent layers: all steps' inputs at once,
 * and the gradients of the weights. cuBLASLt makes them, or where it cannot, tiles of an own
 * kernel. */
#include "cuda/lib/blas.h"
#include "cuda/ops/recurrent.cuh"

enum { TILE = 64, DEPTH = 16, THREADS = 256, PITCH = TILE + 4 };

/* tile[k][i] = 64 rows of op(m) from `row` on, DEPTH columns from `from` on; 0 outside. */
template <typename T>
__device__ static void take(const T *m, int64_t ld, bool turned, int64_t row, int64_t rows,
                            int64_t from, int64_t columns, T *tile) {
  for (int at = threadIdx.x; at < TILE * DEPTH; at += THREADS) {
    const int k = turned ? at / TILE : at % DEPTH, i = turned ? at % TILE : at / DEPTH;
    const int64_t r = row + i, c = from + k;
    tile[k * PITCH + i] = r < rows && c < columns ? m[turned ? c * ld + r : r * ld + c] : 0;
  }
}

template <typename T> __global__ void __launch_bounds__(THREADS) multiply(matrices<T> x) {
  __shared__ T left[DEPTH * PITCH], right[DEPTH * PITCH];
  const int64_t across = (x.n + TILE - 1) / TILE;
  const int64_t row = blockIdx.x / across * TILE, column = blockIdx.x % across * TILE;
  const int i = threadIdx.x / 16 * 4, j = threadIdx.x % 16 * 4;
  T sum[4][4] = {};
  for (int64_t from = 0; from < x.k; from += DEPTH) {
    __syncthreads();
    take(x.a, x.lda, x.turned_a, row, x.m, from, x.k, left);
    take(x.b, x.ldb, !x.turned_b, column, x.n, from, x.k, right);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      T p[4], q[4];
      for (int a = 0; a < 4; a++) p[a] = left[k * PITCH + i + a], q[a] = right[k * PITCH + j + a];
      for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) sum[a][b] += p[a] * q[b];
    }
  }
  for (int a = 0; a < 4 && row + i + a < x.m; a++) {
    for (int b = 0; b < 4 && column + j + b < x.n; b++) {
      T *to = x.c + (row + i + a) * x.ldc + column + j + b;
      *to = x.add ? *to + sum[a][b] : sum[a][b];
    }
  }
}

/* The library stores by columns: to it all matrices lie turned, and C' = op(B)' op(A)'. */
template <typename T> static tn_status by_library(const matrices<T> &x) {
  tn_blas_product p = {};
  p.device = x.device;
  p.dtype = (tn_dtype)dtype_of<T>::value;
  p.tf32 = x.tf32;
  p.transposed_a = x.turned_b;
  p.transposed_b = x.turned_a;
  p.m = x.n;
  p.n = x.m;
  p.k = x.k;
  p.batch = 1;
  p.a = x.b;
  p.b = x.a;
  p.c = p.d = x.c;
  p.lda = x.ldb;
  p.ldb = x.lda;
  p.ldc = p.ldd = x.ldc;
  p.alpha = 1;
  p.beta = x.add ? 1 : 0;
  return tn_cuda_blas(&p);
}

template <typename T> tn_status tn_cuda_recurrent_product(const matrices<T> &x) {
  if (x.m == 0 || x.n == 0) return TN_OK;
  const tn_status s = x.k > 0 ? by_library(x) : TN_DECLINED;
  if (s != TN_DECLINED) return s;
  const int64_t blocks = (x.m + TILE - 1) / TILE * ((x.n + TILE - 1) / TILE);
  return tn_cuda_check(tn_launch(multiply<T>, (uint64_t)blocks, THREADS, 0, x));
}

template tn_status tn_cuda_recurrent_product<float>(const matrices<float> &);
template tn_status tn_cuda_recurrent_product<double>(const matrices<double> &);
