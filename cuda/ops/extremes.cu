/* extremes.cu -- greatest and smallest elements, and where they are. NaN is both. */
#include "cuda/reduce.cuh"

namespace {

template <class V> __device__ inline V worst(bool smallest) {
  return smallest ? (V)INFINITY : -(V)INFINITY;
}
template <> __device__ inline int64_t worst(bool smallest) {
  return smallest ? INT64_MAX : INT64_MIN;
}

/* Is b more extreme than a? */
template <class V> __device__ inline bool beats(V b, V a, bool smallest) {
  if (a != a) return false;
  return smallest ? !(b >= a) : !(b <= a);
}

template <class V> struct extreme_op : one_by_one<extreme_op<V>> {
  typedef V value, part;
  enum { bytes = 1 };
  __device__ static V start(const settings &s) { return worst<V>(s.smallest); }
  __device__ static void step(V &best, V v, int64_t, const settings &s) {
    if (beats(v, best, s.smallest)) best = v;
  }
  __device__ static V join(V a, V b, const settings &s) { return beats(b, a, s.smallest) ? b : a; }
  __device__ static void write(const settings &s, V best, int64_t at) {
    store<V>(s.out[0], s.dtype[0], at, best);
  }
};

template <class V> struct found {
  V value;
  int64_t at; /* -1: nothing yet */
};

/* Of equal ones the first. */
template <class V> struct place_op : one_by_one<place_op<V>> {
  typedef V value;
  typedef found<V> part;
  __device__ static part start(const settings &) { return {0, -1}; }
  __device__ static void step(part &best, V v, int64_t at, const settings &s) {
    if (best.at < 0 || beats(v, best.value, s.smallest)) best = {v, at};
    else if (at < best.at && !beats(best.value, v, s.smallest)) best = {v, at};
  }
  __device__ static part join(part a, part b, const settings &s) {
    if (b.at >= 0) step(a, b.value, b.at, s);
    return a;
  }
  __device__ static void write(const settings &s, part best, int64_t at) {
    if (s.out[0] != nullptr) store<V>(s.out[0], s.dtype[0], at, best.value);
    if (s.out[1] != nullptr) store<int64_t>(s.out[1], s.dtype[1], at, best.at + s.base);
  }
};

}  // namespace

static tn_status extreme(tn_kernel_call *call, int dim, bool smallest) {
  settings s = settings_of(call);
  s.smallest = smallest;
  return reduce_any<extreme_op>(call, mask_of(dim), false, s);
}

extern "C" tn_status tn_cuda_max(tn_kernel_call *call) { return extreme(call, -1, false); }
extern "C" tn_status tn_cuda_min(tn_kernel_call *call) { return extreme(call, -1, true); }
extern "C" tn_status tn_cuda_amax(tn_kernel_call *call) { return extreme(call, call->dim, false); }
extern "C" tn_status tn_cuda_amin(tn_kernel_call *call) { return extreme(call, call->dim, true); }

static tn_status place(tn_kernel_call *call, bool smallest) {
  settings s = settings_of(call);
  s.smallest = smallest;
  s.base = call->index_base;
  if (call->nout == 1) { /* the place alone */
    s.out[1] = s.out[0];
    s.dtype[1] = s.dtype[0];
    s.out[0] = nullptr;
  }
  return reduce_any<place_op>(call, mask_of(call->dim), true, s);
}

extern "C" tn_status tn_cuda_argmax(tn_kernel_call *call) { return place(call, false); }
extern "C" tn_status tn_cuda_argmin(tn_kernel_call *call) { return place(call, true); }
extern "C" tn_status tn_cuda_max_dim(tn_kernel_call *call) { return place(call, false); }
extern "C" tn_status tn_cuda_min_dim(tn_kernel_call *call) { return place(call, true); }
