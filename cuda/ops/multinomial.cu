/* multinomial.cu -- indices drawn with given probabilities, rows side by side: by bisection of the
 * weights' sums, or, without replacement, those whose exponential waiting times end first (see
 * tensor/ops/draws.c). */
#include <cfloat>

#include "cuda/philox.cuh"
#include "cuda/rows.cuh"

enum { BLOCK = 1024, DRAWS = 256 };

typedef struct {
  number_source from;
  int64_t n, count; /* of a row: weights, draws */
  uint64_t groups;  /* of a row */
  const void *weights;
  int32_t dtype;
  double *work; /* n numbers of each row */
  int64_t *out;
  int base, code;
  tn_fault *fault;
} drawing;

__device__ static double weight_of(const drawing &d, int64_t at, bool *bad) {
  const double w = load<double>(d.weights, d.dtype, at);
  *bad = *bad || !(w >= 0) || !isfinite(w);
  return w >= 0 ? w : 0;
}

/* A block for each row: work[k] = the first k + 1 weights' sum. */
__global__ void __launch_bounds__(BLOCK) add_weights(drawing d) {
  __shared__ double warps[WARP];
  const int64_t row = blockIdx.x;
  const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
  double before = 0;
  bool bad = false;
  for (int64_t begin = 0; begin < d.n; begin += BLOCK) {
    const int64_t at = begin + threadIdx.x;
    double v = at < d.n ? weight_of(d, row * d.n + at, &bad) : 0;
    for (int k = 1; k < WARP; k *= 2) {
      const double other = __shfl_up_sync(ALL_LANES, v, k);
      if (lane >= k) v += other;
    }
    if (lane == WARP - 1) warps[warp] = v;
    __syncthreads();
    double sum = before;
    for (int k = 0; k < warp; k++) sum += warps[k];
    if (at < d.n) d.work[row * d.n + at] = sum + v;
    for (int k = 0; k < BLOCK / WARP; k++) before += warps[k];
    __syncthreads();
  }
  if (bad || (threadIdx.x == 0 && !(before > 0 && isfinite(before)))) {
    tn_note_bad_value(d.fault, d.code);
  }
}

__global__ void __launch_bounds__(DRAWS) search(drawing d, int64_t rows) {
  const int64_t step = (int64_t)gridDim.x * DRAWS;
  for (int64_t i = (int64_t)blockIdx.x * DRAWS + threadIdx.x; i < rows * d.count; i += step) {
    const int64_t row = i / d.count, k = i - row * d.count;
    const double *sums = d.work + row * d.n;
    const double total = sums[d.n - 1], most = nextafter(total, 0.0);
    uint32_t w[4];
    numbers_at(d.from, (uint64_t)row * d.groups + (uint64_t)(k / 2), w);
    const bool second = k % 2 != 0;
    double at = tn__uniform53(second ? w[2] : w[0], second ? w[3] : w[1]) * total;
    int64_t low = 0;
    if (at > most) at = most;
    for (int64_t left = d.n, half; left > 1; left -= half) {
      half = left / 2;
      low += sums[low + half - 1] <= at ? half : 0;
    }
    d.out[i] = low + d.base;
  }
}

typedef struct {
  double key;
  int64_t index;
} candidate;

__device__ static bool earlier(const candidate &a, const candidate &b) {
  return a.key < b.key || (a.key == b.key && a.index < b.index);
}

/* A block for each row, and a round for each draw: the least key behind the last one. */
__global__ void __launch_bounds__(BLOCK) draw_without(drawing d) {
  __shared__ candidate best[BLOCK];
  const int64_t row = blockIdx.x;
  double *keys = d.work + row * d.n;
  bool bad = false;
  double total = 0;
  for (int64_t i = threadIdx.x; i < d.n; i += BLOCK) {
    uint32_t w[4];
    const double weight = weight_of(d, row * d.n + i, &bad);
    numbers_at(d.from, (uint64_t)row * d.groups + (uint64_t)(i / 2), w);
    const bool second = i % 2 != 0;
    double key = -log(tn__above0_f64(second ? w[2] : w[0], second ? w[3] : w[1])) / weight;
    if (!(key < DBL_MAX)) key = DBL_MAX; /* weights next to 0 still come before those of 0 */
    keys[i] = weight > 0 ? key : (double)INFINITY;
    total += weight;
  }
  if (bad || !isfinite(total)) tn_note_bad_value(d.fault, d.code);
  __syncthreads();
  candidate last = {-1, -1};
  for (int64_t k = 0; k < d.count; k++) {
    candidate mine = {(double)INFINITY, d.n};
    for (int64_t i = threadIdx.x; i < d.n; i += BLOCK) {
      const candidate c = {keys[i], i};
      if (earlier(last, c) && earlier(c, mine)) mine = c;
    }
    best[threadIdx.x] = mine;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
      if ((int)threadIdx.x < half && earlier(best[threadIdx.x + half], best[threadIdx.x])) {
        best[threadIdx.x] = best[threadIdx.x + half];
      }
      __syncthreads();
    }
    last = best[0];
    __syncthreads();
    if (threadIdx.x != 0) continue;
    if (isinf(last.key)) tn_note_bad_value(d.fault, d.code); /* too few are above 0 */
    d.out[row * d.count + k] = (last.index < d.n ? last.index : 0) + d.base;
  }
}

/* More rounds than that are for the host. */
static const double MOST_WORK = 0x1p28;

extern "C" tn_status tn_cuda_multinomial(tn_kernel_call *call) {
  const tn_view &p = call->in[0], &out = call->out[0];
  const bool replace = attr_int(call->attrs, 1, 0) != 0;
  const int64_t n = p.sizes[p.ndim - 1], rows = p.ndim == 2 ? p.sizes[0] : 1;
  const int64_t count = out.sizes[out.ndim - 1];
  if (n == 0 || p.data == nullptr) return TN_DECLINED;
  if (!replace && (double)n * (double)count > MOST_WORK) return TN_DECLINED;
  if (rows == 0 || count == 0) return TN_OK;
  const packed weights(call->device, p, p.dtype);
  const workspace work(call->device, sizeof(double) * (size_t)(rows * n));
  if (weights.status != TN_OK) return weights.status;
  if (work.status != TN_OK) return work.status;
  drawing d = {numbers_of(call), n, count, (uint64_t)((replace ? count : n) + 1) / 2, weights.data,
               p.dtype, work.as<double>(), static_cast<int64_t *>(out.data), call->index_base,
               (int)call->code, tn_cuda_fault(call->device)};
  if (d.fault == nullptr) return TN_ENOMEM;
  call->groups = (uint64_t)rows * d.groups;
  if (!replace) {
    return tn_cuda_check(tn_launch(draw_without, (uint64_t)rows, BLOCK, 0, d));
  }
  tn_status s = tn_cuda_check(tn_launch(add_weights, (uint64_t)rows, BLOCK, 0, d));
  if (s != TN_OK) return s;
  return tn_cuda_check(tn_launch(search, tn_cuda_blocks(call->device, (uint64_t)(rows * count), DRAWS),
                                 DRAWS, 0, d, rows));
}
