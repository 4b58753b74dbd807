/* update_running.cu -- the running mean and variance of batch and instance normalisation, both in one
 * launch. */
#include "cuda/rows.cuh"

enum { BLOCK = 256 };

/* A running number, and the statistic of each of `times` samples, `count` apart. */
typedef struct {
  void *running;
  const void *stat;
  int32_t dtype, stat_dtype;
  int64_t step; /* between the running numbers */
  double factor;
} share;

__global__ void __launch_bounds__(BLOCK) update(int64_t count, int64_t times, double momentum,
                                                share a, share b) {
  int64_t c = (int64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (c >= 2 * count) return;
  const share s = c < count ? a : b;
  if (c >= count) c -= count;
  if (s.running == nullptr) return;
  double sum = 0;
  for (int64_t t = 0; t < times; t++) sum += load<double>(s.stat, s.stat_dtype, t * count + c);
  sum *= s.factor * momentum / (double)times;
  const double old = load<double>(s.running, s.dtype, c * s.step);
  store<double>(s.running, s.dtype, c * s.step, (1 - momentum) * old + sum);
}

static share share_of(const tn_view &running, const tn_view &stat, double factor) {
  return {running.data, stat.data, running.dtype, stat.dtype,
          running.ndim > 0 ? running.strides[running.ndim - 1] : 1, factor};
}

extern "C" tn_status tn_cuda_update_running(tn_kernel_call *call) {
  const tn_attrs *a = call->attrs;
  const tn_view *in = call->in;
  const int64_t count = count_of(in[0]), times = a->i[0];
  share none;
  memset(&none, 0, sizeof none);
  if (count == 0 || times == 0) return TN_OK;
  const share first = share_of(call->out[0], in[1], a->f[1]);
  const share second = call->nin > 2 ? share_of(in[2], in[3], a->f[2]) : none;
  return tn_cuda_check(tn_launch(update, (uint64_t)((2 * count + BLOCK - 1) / BLOCK), BLOCK, 0,
                                 count, times, a->f[0], first, second));
}
