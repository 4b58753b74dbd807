/* reduce.cu -- sums, means, products, norms, and whether all or any differ from 0. */
#include "cuda/reduce.cuh"

namespace {

/* Sums wrap around where they are of integers. */
template <class V> __device__ inline V added(V a, V b) { return a + b; }
template <> __device__ inline int64_t added(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}
template <class V> __device__ inline V multiplied(V a, V b) { return a * b; }
template <> __device__ inline int64_t multiplied(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a * (uint64_t)b);
}

template <class V> __device__ inline void write_scaled(const settings &s, V sum, int64_t at) {
  if (s.scale == 1) store<V>(s.out[0], s.dtype[0], at, sum);
  else store<double>(s.out[0], s.dtype[0], at, (double)sum * s.scale);
}

template <class V> struct sum_op : one_by_one<sum_op<V>> {
  typedef V value, part;
  enum { bytes = 1 };
  __device__ static V start(const settings &) { return 0; }
  __device__ static void step(V &sum, V v, int64_t, const settings &) { sum = added(sum, v); }
  __device__ static V join(V a, V b, const settings &) { return added(a, b); }
  __device__ static void write(const settings &s, V sum, int64_t at) { write_scaled(s, sum, at); }
};

template <class V> struct prod_op : one_by_one<prod_op<V>> {
  typedef V value, part;
  __device__ static V start(const settings &) { return 1; }
  __device__ static void step(V &all, V v, int64_t, const settings &) { all = multiplied(all, v); }
  __device__ static V join(V a, V b, const settings &) { return multiplied(a, b); }
  __device__ static void write(const settings &s, V all, int64_t at) { write_scaled(s, all, at); }
};

/* The root of the sum of squares. */
template <class V> struct norm2_op : one_by_one<norm2_op<V>> {
  typedef V value, part;
  __device__ static V start(const settings &) { return 0; }
  __device__ static void step(V &sum, V v, int64_t, const settings &) { sum += v * v; }
  __device__ static V join(V a, V b, const settings &) { return a + b; }
  __device__ static void write(const settings &s, V sum, int64_t at) {
    store<V>(s.out[0], s.dtype[0], at, sqrt(sum));
  }
};

/* Norms of other orders; p is neither 2 nor infinite. */
template <class V> struct norm_op : one_by_one<norm_op<V>> {
  typedef V value, part;
  __device__ static V start(const settings &) { return 0; }
  __device__ static void step(V &sum, V v, int64_t, const settings &s) {
    if (s.p == 1) sum += fabs(v);
    else if (s.p == 0) sum += v != 0;
    else sum += pow(fabs(v), (V)s.p);
  }
  __device__ static V join(V a, V b, const settings &) { return a + b; }
  __device__ static void write(const settings &s, V sum, int64_t at) {
    if (s.p == 1 || s.p == 0) store<V>(s.out[0], s.dtype[0], at, sum);
    else store<double>(s.out[0], s.dtype[0], at, pow((double)sum, 1 / s.p));
  }
};

/* The greatest or smallest size. */
template <class V> struct size_op : one_by_one<size_op<V>> {
  typedef V value, part;
  __device__ static V start(const settings &s) { return s.smallest ? (V)INFINITY : 0; }
  __device__ static void step(V &best, V v, int64_t, const settings &s) {
    best = join(best, fabs(v), s);
  }
  __device__ static V join(V a, V b, const settings &s) {
    if (a != a) return a;
    return s.smallest ? (b >= a ? a : b) : (b <= a ? a : b); /* NaN wins */
  }
  __device__ static void write(const settings &s, V best, int64_t at) {
    store<V>(s.out[0], s.dtype[0], at, best);
  }
};

/* Bit 0: some element differs from 0; bit 1: some element is 0. */
template <class V> struct truth_op : one_by_one<truth_op<V>> {
  typedef V value;
  typedef uint32_t part;
  enum { bytes = 1 };
  __device__ static uint32_t start(const settings &) { return 0; }
  __device__ static void step(uint32_t &seen, V v, int64_t, const settings &) {
    seen |= v != 0 ? 1 : 2;
  }
  __device__ static uint32_t join(uint32_t a, uint32_t b, const settings &) { return a | b; }
  __device__ static void write(const settings &s, uint32_t seen, int64_t at) {
    const bool yes = s.smallest ? !(seen & 2) : seen & 1; /* all, or any */
    store<int64_t>(s.out[0], s.dtype[0], at, yes);
  }
};

}  // namespace

extern "C" tn_status tn_cuda_sum(tn_kernel_call *call) {
  return reduce_any<sum_op>(call, mask_of(call->dim), false, settings_of(call));
}

extern "C" tn_status tn_cuda_mean(tn_kernel_call *call) {
  const double n = count_of(call->in[0], call->dim);
  settings s = settings_of(call);
  s.scale = n > 0 ? 1 / n : (double)NAN;
  return reduce_any<sum_op>(call, mask_of(call->dim), false, s);
}

extern "C" tn_status tn_cuda_prod(tn_kernel_call *call) {
  return reduce_any<prod_op>(call, mask_of(call->dim), false, settings_of(call));
}

extern "C" tn_status tn_cuda_norm(tn_kernel_call *call) {
  const unsigned mask = mask_of(call->dim);
  settings s = settings_of(call);
  s.p = call->attrs->f[0];
  s.smallest = s.p < 0;
  if (s.p == 2) return reduce_as_floats<norm2_op>(call, mask, s);
  if (!isinf(s.p)) return reduce_as_floats<norm_op>(call, mask, s);
  if (count_of(call->in[0], call->dim) == 0) {
    return tn_cuda_fail(TN_ESHAPE, "an empty tensor has no such norm");
  }
  return reduce_as_floats<size_op>(call, mask, s);
}

static tn_status truth(tn_kernel_call *call, bool all) {
  settings s = settings_of(call);
  s.smallest = all;
  return reduce_any<truth_op>(call, mask_of(call->dim), false, s);
}

extern "C" tn_status tn_cuda_all(tn_kernel_call *call) { return truth(call, true); }
extern "C" tn_status tn_cuda_any(tn_kernel_call *call) { return truth(call, false); }
