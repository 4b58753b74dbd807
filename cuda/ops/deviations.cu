/* deviations.cu -- variances, standard deviations, and log(sum(exp(x))): one pass, in which what is
 * carried of some elements is joined with what is carried of others. */
#include "cuda/reduce.cuh"

namespace {

template <class V> struct moments {
  V count, mean, squares; /* of the distances from the mean */
};

/* Chan, Golub and LeVeque 1979. */
template <class V> __device__ inline moments<V> merged(const moments<V> &a, const moments<V> &b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const V n = a.count + b.count, apart = b.mean - a.mean, part = b.count / n;
  return {n, a.mean + apart * part, a.squares + b.squares + apart * apart * a.count * part};
}

template <class V> struct variance_op {
  typedef V value;
  typedef moments<V> part;
  enum { bytes = 0 };
  __device__ static part start(const settings &) { return {0, 0, 0}; }
  __device__ static void step(part &m, V v, int64_t, const settings &) {
    m.count += 1;
    const V apart = v - m.mean;
    m.mean += apart / m.count;
    m.squares += apart * (v - m.mean);
  }
  template <int W>
  __device__ static void many(part &m, const V (&v)[W], int64_t, const settings &) {
    moments<V> few = {W, 0, 0};
    V sum = 0;
#pragma unroll
    for (int k = 0; k < W; k++) sum += v[k];
    few.mean = sum * (V)(1.0 / W);
#pragma unroll
    for (int k = 0; k < W; k++) few.squares += (v[k] - few.mean) * (v[k] - few.mean);
    m = merged(m, few);
  }
  __device__ static part join(const part &a, const part &b, const settings &) {
    return merged(a, b);
  }
  /* scale: 1 / what the squares are divided by; of no element nothing is known */
  __device__ static void write(const settings &s, const part &m, int64_t at) {
    const double v = m.count == 0 ? (double)NAN : (double)m.squares * s.scale;
    store<double>(s.out[0], s.dtype[0], at, s.absolute ? sqrt(v) : v);
  }
};

template <class V> struct exponentials {
  V top, sum; /* sum of exp(x - shift(top)) */
};

/* An infinite maximum is its own result. */
template <class V> __device__ inline V shift(V top) { return isinf(top) ? 0 : top; }
template <class V> __device__ inline V larger(V a, V b) { return !(b <= a) && a == a ? b : a; }
template <class V> __device__ inline V shifted(V sum, V from, V to) {
  return sum == 0 || from == to ? sum : sum * exp(shift(from) - shift(to));
}

template <class V> struct logsumexp_op {
  typedef V value;
  typedef exponentials<V> part;
  enum { bytes = 0 };
  __device__ static part start(const settings &) { return {-(V)INFINITY, 0}; }
  __device__ static void step(part &e, V v, int64_t, const settings &) {
    const V top = larger(e.top, v);
    e.sum = shifted(e.sum, e.top, top) + exp(v - shift(top));
    e.top = top;
  }
  template <int W>
  __device__ static void many(part &e, const V (&v)[W], int64_t, const settings &) {
    V top = e.top, sum = 0;
#pragma unroll
    for (int k = 0; k < W; k++) top = larger(top, v[k]);
#pragma unroll
    for (int k = 0; k < W; k++) sum += exp(v[k] - shift(top));
    e.sum = shifted(e.sum, e.top, top) + sum;
    e.top = top;
  }
  __device__ static part join(const part &a, const part &b, const settings &) {
    const V top = larger(a.top, b.top);
    return {top, shifted(a.sum, a.top, top) + shifted(b.sum, b.top, top)};
  }
  __device__ static void write(const settings &s, const part &e, int64_t at) {
    store<V>(s.out[0], s.dtype[0], at, log(e.sum) + shift(e.top));
  }
};

}  // namespace

/* attrs as those of tensor/ops/reduce.c: i[1] divides by n, else by n less i[3]. */
static tn_status variance(tn_kernel_call *call, bool root) {
  const tn_attrs *attrs = call->attrs;
  const bool biased = attrs->ni > 1 && attrs->i[1] != TN_NONE && attrs->i[1] != 0;
  const int64_t correction = attrs->ni > 3 && attrs->i[3] != TN_NONE ? attrs->i[3] : 1;
  const double freedom = count_of(call->in[0], call->dim) - (biased ? 0 : (double)correction);
  settings s = settings_of(call);
  s.scale = 1 / (freedom > 0 ? freedom : 0.0);
  s.absolute = root;
  return reduce_as_floats<variance_op>(call, mask_of(call->dim), s);
}

extern "C" tn_status tn_cuda_var(tn_kernel_call *call) { return variance(call, false); }
extern "C" tn_status tn_cuda_std(tn_kernel_call *call) { return variance(call, true); }

extern "C" tn_status tn_cuda_logsumexp(tn_kernel_call *call) {
  return reduce_as_floats<logsumexp_op>(call, mask_of(call->dim), settings_of(call));
}
