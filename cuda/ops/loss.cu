/* loss.cu -- nll_loss and cross_entropy: the right classes' log-probabilities, summed in a fixed order,
 * and gradients in one pass. Labels that are no class are noted as faults. */
#include "cuda/rows.cuh"

enum { BLOCK = 256, MOST_PARTS = 64 };

/* Labels and weights; data NULL: one label, a number of the host, or no weights. */
typedef struct {
  const void *data, *weights;
  int32_t dtype, weights_dtype;
  double number, ignore; /* ignore NaN: every label counts */
  int64_t batch, classes;
  int base, code;
  tn_fault *fault;
} labels;

/* The class of sample i, from 0, and its weight; -1: it does not count. */
__device__ static int64_t label_at(const labels &l, int64_t i, double *weight) {
  const double v = l.data != nullptr ? load<double>(l.data, l.dtype, i) : l.number;
  *weight = 0;
  if (v == l.ignore) return -1;
  const int64_t k = v >= -1 && v <= 0x1p53 ? (int64_t)v - l.base : -1;
  if (k < 0 || k >= l.classes || (double)(k + l.base) != v) {
    tn_note_fault(l.fault, l.code, v >= -0x1p53 && v <= 0x1p53 ? (int64_t)v - l.base : -1,
                  l.classes);
    return -1;
  }
  *weight = l.weights != nullptr ? load<double>(l.weights, l.weights_dtype, k) : 1;
  return k;
}

/* Log-probabilities; data NULL: only the weights are summed. */
typedef struct {
  const void *data;
  int32_t dtype;
  int64_t row, column; /* steps */
} scores;

/* parts[2 b], parts[2 b + 1]: what block b has summed of losses and weights. */
__global__ void __launch_bounds__(BLOCK) pick(labels l, scores x, double *parts) {
  double loss = 0, total = 0;
  for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < l.batch;
       i += (int64_t)gridDim.x * BLOCK) {
    double weight;
    const int64_t k = label_at(l, i, &weight);
    if (k < 0) continue;
    total += weight;
    if (x.data != nullptr) loss -= weight * load<double>(x.data, x.dtype, i * x.row + k * x.column);
  }
  sum_over_group(loss, total, BLOCK);
  if (threadIdx.x != 0) return;
  parts[2 * blockIdx.x] = loss;
  parts[2 * blockIdx.x + 1] = total;
}

/* The loss, unless out is NULL; and parts[0] = 1 / the weight of the batch. */
__global__ void __launch_bounds__(WARP) finish(double *parts, int count, bool mean, void *out,
                                               int32_t dtype) {
  double loss = 0, total = 0;
  for (int k = (int)threadIdx.x; k < count; k += WARP) {
    loss += parts[2 * k];
    total += parts[2 * k + 1];
  }
  sum_over_group(loss, total, WARP);
  if (threadIdx.x != 0) return;
  if (!mean || total == 0) total = 1;
  if (out != nullptr) store<double>(out, dtype, 0, loss / total);
  parts[0] = 1 / total;
}

/* -- Gradients ----------------------------------------------------------------------------------- */

__global__ void __launch_bounds__(BLOCK) put_slopes(labels l, const double *scale, operand<double> d,
                                                    void *out, int32_t dtype) {
  const int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (i >= l.batch) return;
  double weight;
  const int64_t k = label_at(l, i, &weight);
  if (k >= 0) store<double>(out, dtype, i * l.classes + k, -weight * *scale * fetch(d, 0));
}

/* weight / total (softmax - one-hot) */
template <typename E, int V>
__global__ void __launch_bounds__(MOST_ROW_BLOCK)
    softmax_slopes(row_plan p, labels l, const double *scale, operand<double> d, E *out,
                   const E *log_p) {
  typedef typename real_of<E>::type R;
  int place;
  const int64_t row = row_of_thread(p, &place);
  if (row >= p.rows) return;
  double weight;
  const int64_t hit = label_at(l, row, &weight);
  const R factor = (R)(fetch(d, 0) * weight * *scale);
#pragma unroll 4
  for (int64_t at = (int64_t)place * V; at < p.n; at += (int64_t)p.group * V) {
    pack<E, V> x = load_pack<E, V>(log_p + row * p.n + at);
#pragma unroll
    for (int e = 0; e < V; e++) {
      const R part = exponential(value_of(x.v[e])) - (at + e == hit ? (R)1 : (R)0);
      put_value(x.v[e], hit < 0 ? (R)0 : part * factor);
    }
    store_pack<E, V>(out + row * p.n + at, x);
  }
}

/* -- Calls ----------------------------------------------------------------------------------------- */

static bool fits(const tn_view &x, const tn_view &target, const tn_view &weights) {
  if (x.ndim != 1 && x.ndim != 2) return false;
  const int64_t classes = x.sizes[x.ndim - 1], batch = x.ndim == 2 ? x.sizes[0] : 1;
  return count_of(target) == batch && (!is_given(weights) || count_of(weights) == classes);
}

/* The target and the weights have to outlive what is launched with these labels. */
static tn_status labels_of(const tn_kernel_call *call, labels *l, const tn_view &x,
                           const tn_view &target, const packed &t, const packed &w) {
  if (t.status != TN_OK) return t.status;
  if (w.status != TN_OK) return w.status;
  l->data = t.data;
  l->dtype = target.dtype;
  l->number = target.dtype < TN_F16 ? (double)target.whole : target.real;
  l->weights = w.data;
  l->classes = x.sizes[x.ndim - 1];
  l->batch = x.ndim == 2 ? x.sizes[0] : 1;
  const int64_t ignore = attr_int(call->attrs, 1, TN_NONE);
  l->ignore = ignore == TN_NONE ? (double)NAN : (double)ignore;
  l->base = call->index_base;
  l->code = call->code;
  l->fault = tn_cuda_fault(call->device);
  return l->fault != nullptr ? TN_OK : TN_ENOMEM;
}

static int part_count(const labels &l) {
  const int64_t blocks = (l.batch + BLOCK * 4 - 1) / (BLOCK * 4);
  if (blocks > MOST_PARTS) return MOST_PARTS;
  return blocks < 1 ? 1 : (int)blocks;
}

static tn_status sum_up(const labels &l, const scores &x, bool mean, double *parts, void *out,
                        int32_t dtype) {
  const int count = part_count(l);
  tn_status s = tn_cuda_check(tn_launch(pick, (uint64_t)count, BLOCK, 0, l, x, parts));
  if (s != TN_OK) return s;
  return tn_cuda_check(tn_launch(finish, 1, WARP, 0, parts, count, mean, out, dtype));
}

static const tn_view not_given = {nullptr, 0, 0, 0, -1, {0}, {0}};

/* A label on the host is a number of the call's. */
static tn_view on_device(const tn_view &v) { return v.data != nullptr ? v : not_given; }

static tn_status loss(tn_kernel_call *call, const tn_view &log_p) {
  const tn_view &target = call->in[1], &weights = call->nin > 2 ? call->in[2] : not_given;
  if (!fits(log_p, target, weights)) return TN_DECLINED; /* the CPU says what is wrong */
  const packed t(call->device, on_device(target), target.dtype);
  const packed w(call->device, weights, TN_F64);
  const workspace parts(call->device, sizeof(double) * 2 * MOST_PARTS);
  if (parts.status != TN_OK) return parts.status;
  labels l;
  tn_status s = labels_of(call, &l, log_p, target, t, w);
  l.weights_dtype = TN_F64;
  if (s != TN_OK) return s;
  const scores x = {log_p.data, log_p.dtype, log_p.ndim == 2 ? log_p.strides[0] : 0,
                    log_p.strides[log_p.ndim - 1]};
  return sum_up(l, x, attr_int(call->attrs, 0, 1) != 0, parts.as<double>(), call->out[0].data,
                call->out[0].dtype);
}

extern "C" tn_status tn_cuda_nll_loss(tn_kernel_call *call) { return loss(call, call->in[0]); }

extern "C" tn_status tn_cuda_cross_entropy(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &weights = call->nin > 2 ? call->in[2] : not_given;
  if (!fits(x, call->in[1], weights)) return TN_DECLINED;
  tn_kernel_call soft = *call;
  soft.code = TN_OP_log_softmax;
  soft.nin = soft.nout = 1;
  soft.out = &call->out[1];
  soft.dim = x.ndim - 1;
  tn_status s = tn_cuda_log_softmax(&soft);
  return s == TN_OK ? loss(call, call->out[1]) : s;
}

/* in: what arrived for each of `nout` results, x, target, weights, results. */
static tn_status gradient(tn_kernel_call *call, int nout) {
  const int nin = call->nin - 2 * nout;
  const tn_view &d = call->in[0], &dx = call->out[0], &target = call->in[nout + 1];
  const tn_view &weights = nin > 2 ? call->in[nout + 2] : not_given;
  if (!call->need[0]) return TN_OK;
  if (!is_given(d)) return TN_DECLINED;
  const packed t(call->device, on_device(target), target.dtype);
  const packed w(call->device, weights, TN_F64);
  const workspace parts(call->device, sizeof(double) * 2 * MOST_PARTS);
  if (parts.status != TN_OK) return parts.status;
  labels l;
  tn_status s = labels_of(call, &l, dx, target, t, w);
  l.weights_dtype = TN_F64;
  const scores none = {nullptr, TN_F32, 0, 0};
  if (s == TN_OK) {
    s = sum_up(l, none, attr_int(call->attrs, 0, 1) != 0, parts.as<double>(), nullptr, TN_F32);
  }
  if (s != TN_OK || count_of(dx) == 0) return s;
  if (nout == 1) {
    s = tn_cuda_check(cudaMemsetAsync(dx.data, 0, (size_t)count_of(dx) * tn_item_size(dx.dtype),
                                      static_cast<cudaStream_t>(tn_cuda_stream())));
    if (s != TN_OK) return s;
    return tn_cuda_check(tn_launch(put_slopes, (uint64_t)((l.batch + BLOCK - 1) / BLOCK), BLOCK, 0,
                                   l, parts.as<double>(), operand_of<double>(d), dx.data,
                                   dx.dtype));
  }
  return with_float(dx.dtype, [&](auto element) {
    typedef decltype(element) E;
    enum { V = 16 / sizeof(E) };
    const packed log_p(call->device, call->in[call->nin - 1], dx.dtype);
    if (log_p.status != TN_OK) return log_p.status;
    const int64_t bytes = l.classes * (int64_t)sizeof(E);
    const bool wide = packs_fit(log_p.data, bytes) && packs_fit(dx.data, bytes);
    const row_plan p = plan_rows(l.batch, l.classes, wide ? V : 1, 4);
    return tn_cuda_check(tn_launch(wide ? softmax_slopes<E, V> : softmax_slopes<E, 1>,
                                   row_blocks(p), p.threads, 0, p, l, parts.as<double>(),
                                   operand_of<double>(d), static_cast<E *>(dx.data),
                                   log_p.as<E>()));
  });
}

extern "C" tn_status tn_cuda_nll_loss_gradient(tn_kernel_call *call) { return gradient(call, 1); }
extern "C" tn_status tn_cuda_cross_entropy_gradient(tn_kernel_call *call) {
  return gradient(call, 2);
}
