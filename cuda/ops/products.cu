/* products.cu -- products of vectors and matrices: cuBLASLt's where it serves them, and otherwise
 * those of a kernel that works by tiles: of integers, of no rows between, and where there is no
 * such library. The rules are those of tensor/ops/matmul.c. */
#include <stdlib.h>
#include <string.h>

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/items.h"
#include "cuda/launch.cuh"
#include "cuda/lib/blas.h"

/* A batch of matrices, element (i, j) of matrix b at i * down + j * along + b * step. */
struct matrices {
  void *data; /* NULL: none */
  int32_t dtype;
  int64_t rows, columns, down, along, step;
};

/* -- The kernel -------------------------------------------------------------------------------- */

enum { TILE = 64, DEPTH = 16, SIDE = 16, EACH = TILE / SIDE, THREADS = SIDE * SIDE };

struct tiled_product {
  matrices a, b, c, d;
  int64_t batch;
  uint64_t tiles, down, along; /* all of them; of one matrix */
};

/* Sums of integers wrap around, which only those without a sign may do. */
template <typename T> struct summed { typedef T type; };
template <> struct summed<int64_t> { typedef uint64_t type; };

/* One tile of an operand, (rows or columns) x DEPTH: near threads read what lies near. `first` and
 * `between` are the steps along the tile's side and between its layers. */
template <typename T>
__device__ inline void read_tile(typename summed<T>::type (*to)[TILE + 1], const matrices &x,
                                 int64_t base, int64_t first, int64_t between, int64_t sides,
                                 int64_t layers) {
  for (int e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
    const int side = between == 1 ? e / DEPTH : e % TILE;
    const int layer = between == 1 ? e % DEPTH : e / TILE;
    const bool inside = side < sides && layer < layers;
    to[layer][side] = static_cast<typename summed<T>::type>(
        inside ? load<T>(x.data, x.dtype, base + side * first + layer * between) : T(0));
  }
}

/* d = alpha a b + beta c. Each thread makes EACH x EACH elements, SIDE apart. */
template <typename T>
__global__ void __launch_bounds__(THREADS) multiply_tiles(tiled_product j, T alpha, T beta) {
  typedef typename summed<T>::type number;
  __shared__ number left[DEPTH][TILE + 1], right[DEPTH][TILE + 1];
  const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
  for (uint64_t tile = blockIdx.x; tile < j.tiles; tile += gridDim.x) {
    const int64_t matrix = static_cast<int64_t>(tile / (j.down * j.along));
    const uint64_t place = tile % (j.down * j.along);
    const int64_t row = static_cast<int64_t>(place / j.along) * TILE;
    const int64_t column = static_cast<int64_t>(place % j.along) * TILE;
    number sum[EACH][EACH] = {};
    for (int64_t k = 0; k < j.a.columns; k += DEPTH) {
      read_tile<T>(left, j.a, matrix * j.a.step + row * j.a.down + k * j.a.along, j.a.down,
                   j.a.along, j.d.rows - row, j.a.columns - k);
      read_tile<T>(right, j.b, matrix * j.b.step + column * j.b.along + k * j.b.down, j.b.along,
                   j.b.down, j.d.columns - column, j.a.columns - k);
      __syncthreads();
#pragma unroll
      for (int p = 0; p < DEPTH; p++) {
        number l[EACH], r[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
          l[i] = left[p][ty + i * SIDE];
          r[i] = right[p][tx + i * SIDE];
        }
#pragma unroll
        for (int y = 0; y < EACH; y++) {
#pragma unroll
          for (int x = 0; x < EACH; x++) sum[y][x] += l[y] * r[x];
        }
      }
      __syncthreads();
    }
#pragma unroll
    for (int y = 0; y < EACH; y++) {
#pragma unroll
      for (int x = 0; x < EACH; x++) {
        const int64_t at_row = row + ty + y * SIDE, at_column = column + tx + x * SIDE;
        if (at_row >= j.d.rows || at_column >= j.d.columns) continue;
        number value = static_cast<number>(alpha) * sum[y][x];
        if (beta != 0) {
          const int64_t at = matrix * j.c.step + at_row * j.c.down + at_column * j.c.along;
          value += static_cast<number>(beta) *
                   static_cast<number>(load<T>(j.c.data, j.c.dtype, at));
        }
        store<T>(j.d.data, j.d.dtype,
                 matrix * j.d.step + at_row * j.d.down + at_column * j.d.along,
                 static_cast<T>(value));
      }
    }
  }
}

/* -- Which way a product goes ------------------------------------------------------------------ */

struct product {
  int device;
  bool tf32;
  matrices a, b, d;
  matrices c; /* of d's size, by steps of 0 where it is broadcast; without data where beta is 0 */
  int64_t batch;
  double alpha, beta;
};

static tn_status run_tiles(const product &p) {
  tiled_product j = {p.a, p.b, p.c, p.d, p.batch, 0, 0, 0};
  const int32_t dtype = p.d.dtype;
  j.down = static_cast<uint64_t>((p.d.rows + TILE - 1) / TILE);
  j.along = static_cast<uint64_t>((p.d.columns + TILE - 1) / TILE);
  j.tiles = j.down * j.along * static_cast<uint64_t>(p.batch);
  const uint64_t blocks = j.tiles < 1u << 20 ? j.tiles : 1u << 20;
  const double most = 9e18;
  const bool whole = dtype < TN_F16 && fabs(p.alpha) < most && fabs(p.beta) < most &&
                     p.alpha == floor(p.alpha) && p.beta == floor(p.beta);
  cudaError_t error;
  if (whole) {
    error = tn_launch(multiply_tiles<int64_t>, blocks, THREADS, 0, j,
                      static_cast<int64_t>(p.alpha), static_cast<int64_t>(p.beta));
  } else if (dtype < TN_F16 || dtype == TN_F64) {
    error = tn_launch(multiply_tiles<double>, blocks, THREADS, 0, j, p.alpha, p.beta);
  } else {
    error = tn_launch(multiply_tiles<float>, blocks, THREADS, 0, j, static_cast<float>(p.alpha),
                      static_cast<float>(p.beta));
  }
  return tn_cuda_check(error);
}

/* How the library is told of matrices: `ld` apart lie the rows, or, where they are turned, the
 * columns. False: neither lie without gaps. */
static bool lies(const matrices &x, bool turned, int64_t *ld) {
  const int64_t lines = turned ? x.columns : x.rows, length = turned ? x.rows : x.columns;
  const int64_t between = turned ? x.along : x.down, within = turned ? x.down : x.along;
  *ld = lines > 1 ? between : length;
  return (within == 1 || length <= 1) && *ld >= length && *ld > 0;
}

/* One column is best told of as such: libraries know matrices times vectors. */
static bool find_lines(const matrices &x, bool *turned, int64_t *ld) {
  *turned = x.columns == 1 && x.rows > 1;
  if (lies(x, *turned, ld)) return true;
  *turned = !*turned;
  return lies(x, *turned, ld);
}

/* The library must be able to write it: no matrix of the batch reaches into the next. */
static bool can_be_written(const matrices &d, int64_t batch, bool *turned, int64_t *ld) {
  return find_lines(d, turned, ld) &&
         (batch == 1 || d.step >= *ld * (*turned ? d.columns : d.rows));
}

/* Is c a row, of d's type, that is added to each of d's? */
static bool is_bias(const product &p) {
  return p.beta == 1 && p.batch == 1 && p.c.data != nullptr && p.c.down == 0 && p.d.rows > 1 &&
         (p.c.along == 1 || p.d.columns == 1) && p.c.dtype == p.d.dtype;
}

/* Can the library read c beside a result whose columns (rows: not `turned`) are its lines? */
static bool is_addend(const product &p, bool turned) {
  int64_t ld;
  return p.c.dtype == p.d.dtype && lies(p.c, turned, &ld) && (p.batch == 1 || p.c.step > 0);
}

/* Matrices stored by rows are, to a library that expects columns, their transposes: so it is asked
 * for d' = b' a', unless d is itself stored by columns. All operands lie as it wants them. */
static tn_status run_library(const product &p, bool bias) {
  tn_blas_product call;
  bool turned_a, turned_b, turned_d;
  int64_t lda, ldb;
  memset(&call, 0, sizeof call);
  find_lines(p.a, &turned_a, &lda);
  find_lines(p.b, &turned_b, &ldb);
  find_lines(p.d, &turned_d, &call.ldd);
  call.device = p.device;
  call.dtype = static_cast<tn_dtype>(p.d.dtype);
  call.tf32 = p.tf32;
  call.batch = p.batch;
  call.k = p.a.columns;
  call.alpha = p.alpha;
  call.c = call.d = p.d.data;
  call.ldc = call.ldd;
  call.step_c = call.step_d = p.d.step;
  call.end = TN_BLAS_AS_IS;
  if (bias) {
    call.bias = p.c.data;
  } else if (p.c.data != nullptr) {
    call.c = p.c.data;
    lies(p.c, turned_d, &call.ldc);
    call.step_c = p.c.step;
    call.beta = p.beta;
  }
  call.m = turned_d ? p.d.rows : p.d.columns;
  call.n = turned_d ? p.d.columns : p.d.rows;
  call.a = turned_d ? p.a.data : p.b.data;
  call.b = turned_d ? p.b.data : p.a.data;
  call.lda = turned_d ? lda : ldb;
  call.ldb = turned_d ? ldb : lda;
  call.step_a = turned_d ? p.a.step : p.b.step;
  call.step_b = turned_d ? p.b.step : p.a.step;
  call.transposed_a = turned_d ? !turned_a : turned_b;
  call.transposed_b = turned_d ? !turned_b : turned_a;
  return tn_cuda_blas(&call);
}

/* MOONLET_CUDA_PRODUCTS=own: no product goes to the library. For tests, and to compare. */
static bool library_is_wanted() {
  static const bool wanted = [] {
    const char *way = getenv("MOONLET_CUDA_PRODUCTS");
    return way == nullptr || strcmp(way, "own") != 0;
  }();
  return wanted && tn_cuda_blas_is_there();
}

/* -- Preparing the operands -------------------------------------------------------------------- */

static tn_view view_of(const matrices &x, int64_t batch) {
  tn_view v;
  memset(&v, 0, sizeof v);
  v.data = x.data;
  v.dtype = x.dtype;
  v.ndim = 3;
  v.sizes[0] = batch, v.sizes[1] = x.rows, v.sizes[2] = x.columns;
  v.strides[0] = x.step, v.strides[1] = x.down, v.strides[2] = x.along;
  return v;
}

static tn_status copy_matrices(const product &p, const matrices &to, const matrices &from) {
  return tn_copy_items(p.device, view_of(to, p.batch), view_of(from, p.batch));
}

/* Puts x into memory without gaps, which the caller frees, with its values or without. */
static tn_status pack(const product &p, matrices *x, bool values) {
  const matrices from = *x;
  x->along = 1;
  x->down = x->columns;
  x->step = x->rows * x->columns;
  tn_status s = tn_cuda_alloc(p.device, static_cast<size_t>(p.batch * x->step) * tn_item_size(x->dtype),
                              &x->data);
  return s == TN_OK && values ? copy_matrices(p, *x, from) : s;
}

/* With operands that the library can read and a result that it can write. What it cannot add where
 * it lies is put into the result first. */
static tn_status ask_library(product p, bool turned) {
  tn_status s = TN_DECLINED;
  if (is_bias(p) && !turned) s = run_library(p, true);
  if (s != TN_DECLINED) return s;
  if (p.c.data != nullptr && !is_addend(p, turned)) {
    s = copy_matrices(p, p.d, p.c);
    if (s != TN_OK) return s;
    p.c = p.d;
  }
  s = run_library(p, false);
  return s == TN_DECLINED ? run_tiles(p) : s;
}

/* By the library, which is given copies of what it has no words for. */
static tn_status run_prepared(product p) {
  const product asked = p;
  bool turned;
  int64_t ld;
  tn_status s = TN_OK;
  if (!find_lines(p.a, &turned, &ld)) s = pack(p, &p.a, true);
  if (s == TN_OK && !find_lines(p.b, &turned, &ld)) s = pack(p, &p.b, true);
  if (s == TN_OK && !can_be_written(p.d, p.batch, &turned, &ld)) {
    s = pack(p, &p.d, false);
    turned = false;
  }
  if (s == TN_OK) s = ask_library(p, turned);
  if (s == TN_OK && p.d.data != asked.d.data) s = copy_matrices(p, asked.d, p.d);
  if (p.a.data != asked.a.data) tn_cuda_free(p.device, p.a.data);
  if (p.b.data != asked.b.data) tn_cuda_free(p.device, p.b.data);
  if (p.d.data != asked.d.data) tn_cuda_free(p.device, p.d.data);
  return s;
}

/* Matrices of a batch that are all multiplied by one, and lie one below the other, are one. */
static bool is_one_below_the_other(const matrices &x) { return x.step == x.rows * x.down; }

static void join_batch(product *p) {
  if (p->batch < 2 || p->b.step != 0 || !is_one_below_the_other(p->a) ||
      !is_one_below_the_other(p->d) ||
      (p->c.data != nullptr && !is_one_below_the_other(p->c))) {
    return;
  }
  p->a.rows *= p->batch;
  p->c.rows *= p->batch;
  p->d.rows *= p->batch;
  p->a.step = p->c.step = p->d.step = 0;
  p->batch = 1;
}

static tn_status run(product p) {
  if (p.batch == 0 || p.d.rows == 0 || p.d.columns == 0) return TN_OK;
  join_batch(&p);
  const bool tiles = p.a.columns == 0 || p.d.dtype < TN_F16 || !library_is_wanted();
  return tiles ? run_tiles(p) : run_prepared(p);
}

/* -- The operations ---------------------------------------------------------------------------- */

/* A matrix, or a batch of them. */
static matrices matrices_of(const tn_view &v) {
  const int d = v.ndim - 2;
  return {v.data, v.dtype, v.sizes[d], v.sizes[d + 1], v.strides[d], v.strides[d + 1],
          d > 0 ? v.strides[0] : 0};
}

static matrices column_of(const tn_view &v) {
  return {v.data, v.dtype, v.sizes[0], 1, v.strides[0], 1, 0};
}

static matrices row_of(const tn_view &v) {
  return {v.data, v.dtype, 1, v.sizes[0], v.sizes[0], v.strides[0], 0};
}

static matrices transpose(matrices x) {
  return {x.data, x.dtype, x.columns, x.rows, x.along, x.down, x.step};
}

static product product_of(const tn_kernel_call *call, const matrices &a, const matrices &b,
                          const matrices &d) {
  product p = {call->device, call->tf32, a, b, d, {}, 1, 1, 0};
  return p;
}

/* p.c = what is added, broadcast to the result; a number of the host is put into the result, which
 * then adds itself. */
static tn_status add(product *p, const tn_kernel_call *call, bool column) {
  const tn_view &m = call->in[0], &out = call->out[0];
  p->beta = call->attrs->f[0];
  p->alpha = call->attrs->f[1];
  if (p->beta == 0) return TN_OK;
  if (m.data == nullptr) {
    p->c = p->d;
    return tn_copy_items(call->device, out, m);
  }
  int64_t strides[TN_MAX_DIMS];
  tn_index_strides(&m, out.ndim, strides);
  const int d = column ? 0 : out.ndim - 2;
  p->c = p->d;
  p->c.data = m.data;
  p->c.dtype = m.dtype;
  p->c.down = strides[d];
  p->c.along = column ? 1 : strides[d + 1];
  p->c.step = d > 0 ? strides[0] : 0;
  return TN_OK;
}

static tn_status multiply_matrices(tn_kernel_call *call, bool adds) {
  const tn_view *in = call->in + adds;
  product p = product_of(call, matrices_of(in[0]), matrices_of(in[1]), matrices_of(call->out[0]));
  if (call->out[0].ndim == 3) p.batch = call->out[0].sizes[0];
  tn_status s = adds ? add(&p, call, false) : TN_OK;
  return s == TN_OK ? run(p) : s;
}

static tn_status multiply_vector(tn_kernel_call *call, bool adds) {
  const tn_view *in = call->in + adds;
  product p = product_of(call, matrices_of(in[0]), column_of(in[1]), column_of(call->out[0]));
  tn_status s = adds ? add(&p, call, true) : TN_OK;
  return s == TN_OK ? run(p) : s;
}

static tn_status multiply_outer(tn_kernel_call *call, bool adds) {
  const tn_view *in = call->in + adds;
  product p = product_of(call, column_of(in[0]), row_of(in[1]), matrices_of(call->out[0]));
  tn_status s = adds ? add(&p, call, false) : TN_OK;
  return s == TN_OK ? run(p) : s;
}

extern "C" tn_status tn_cuda_mm(tn_kernel_call *call) { return multiply_matrices(call, false); }
extern "C" tn_status tn_cuda_bmm(tn_kernel_call *call) { return multiply_matrices(call, false); }
extern "C" tn_status tn_cuda_addmm(tn_kernel_call *call) { return multiply_matrices(call, true); }
extern "C" tn_status tn_cuda_baddbmm(tn_kernel_call *call) { return multiply_matrices(call, true); }
extern "C" tn_status tn_cuda_mv(tn_kernel_call *call) { return multiply_vector(call, false); }
extern "C" tn_status tn_cuda_addmv(tn_kernel_call *call) { return multiply_vector(call, true); }
extern "C" tn_status tn_cuda_ger(tn_kernel_call *call) { return multiply_outer(call, false); }
extern "C" tn_status tn_cuda_addr(tn_kernel_call *call) { return multiply_outer(call, true); }

/* x's dimensions but the last as one, where they step evenly. */
static bool flat_rows(const tn_view &x, matrices *m) {
  const int last = x.ndim - 1;
  *m = {x.data, x.dtype, 1, x.sizes[last], x.sizes[last], x.strides[last], 0};
  bool first = true;
  for (int d = last - 1; d >= 0; d--) {
    if (x.sizes[d] != 1 && !first && x.strides[d] != m->down * m->rows) return false;
    if (x.sizes[d] != 1 && first) m->down = x.strides[d];
    first = first && x.sizes[d] == 1;
    m->rows *= x.sizes[d];
  }
  return true;
}

extern "C" tn_status tn_cuda_linear(tn_kernel_call *call) {
  const tn_view &x = call->in[0], *bias = call->nin > 2 ? &call->in[2] : nullptr;
  matrices rows, d;
  void *copy = nullptr;
  tn_status s = TN_OK;
  flat_rows(call->out[0], &d);
  if (d.rows == 0 || d.columns == 0) return TN_OK;
  product p = product_of(call, {}, transpose(matrices_of(call->in[1])), d);
  if (!flat_rows(x, &rows)) {
    tn_view packed = x;
    int64_t step = 1;
    for (int i = x.ndim - 1; i >= 0; i--) packed.strides[i] = step, step *= x.sizes[i];
    s = tn_cuda_alloc(call->device, static_cast<size_t>(step) * tn_item_size(x.dtype), &copy);
    packed.data = copy;
    if (s == TN_OK) s = tn_copy_items(call->device, packed, x);
    flat_rows(packed, &rows);
  }
  p.a = rows;
  if (bias != nullptr && bias->ndim >= 0) {
    p.c = {bias->data, bias->dtype, d.rows, d.columns, 0, bias->strides[0], 0};
    p.beta = 1;
  }
  if (s == TN_OK) s = run(p);
  tn_cuda_free(call->device, copy);
  return s;
}
