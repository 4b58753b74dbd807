/* optimizer.cu -- steps of optimizers, the norm of gradients, and their scaling, over one tensor or
 * lists: a launch takes as many tensors as fit into its arguments. */
#include "cuda/rows.cuh"

enum { BLOCK = 256, ROUNDS = 4, MOST = 64 };
enum { CHUNK = BLOCK * ROUNDS * 4 }; /* elements of a block */

/* Up to MOST groups of tensors of one size and dtype: of a parameter, its gradient, and its state. */
typedef struct {
  void *at[MOST][4];
  int64_t count[MOST];
  uint32_t first[MOST + 1]; /* block */
  int n;
} list;

/* This block's group, and where its elements begin and end. */
__device__ inline int group_of_block(const list &l, int64_t *begin, int64_t *end) {
  int low = 0;
  for (int left = l.n; left > 1;) {
    const int half = left / 2;
    if (l.first[low + half] <= blockIdx.x) low += half;
    left -= half;
  }
  *begin = (int64_t)(blockIdx.x - l.first[low]) * CHUNK;
  *end = *begin + CHUNK < l.count[low] ? *begin + CHUNK : l.count[low];
  return low;
}

/* f(packs..., i) over the block's elements, 16 bytes at a time where all tensors allow that. */
template <int N> __device__ inline bool all_fit(void *const *at) {
  uintptr_t bits = 0;
#pragma unroll
  for (int k = 0; k < N; k++) bits |= reinterpret_cast<uintptr_t>(at[k]);
  return bits % 16 == 0;
}

/* One step of V elements; begin() comes before the first. */
template <typename T> struct adam {
  enum { TENSORS = 4 };
  T rate, b1, b2, rest1, rest2, eps, root, decay, keep;
  double exact[4];              /* the rate, both betas and the number of the step */
  const tn_random_shift *shift; /* of a captured graph: it counts on with each replay */
  __device__ void begin() {
    if (shift == nullptr) return;
    const double t = exact[3] + (double)shift->runs;
    rate = (T)(exact[0] / (1 - pow(exact[1], t)));
    root = (T)(1 / sqrt(1 - pow(exact[2], t)));
  }
  template <int V> __device__ void run(void *const *at, int64_t i) const {
    T *const tp = static_cast<T *>(at[0]) + i, *const tm = static_cast<T *>(at[2]) + i;
    T *const tv = static_cast<T *>(at[3]) + i;
    pack<T, V> p = load_pack<T, V>(tp), m = load_pack<T, V>(tm), v = load_pack<T, V>(tv);
    const pack<T, V> g = load_pack<T, V>(static_cast<const T *>(at[1]) + i);
#pragma unroll
    for (int e = 0; e < V; e++) {
      const T slope = g.v[e] + decay * p.v[e];
      m.v[e] = b1 * m.v[e] + rest1 * slope;
      v.v[e] = b2 * v.v[e] + rest2 * slope * slope;
      p.v[e] = keep * p.v[e] - rate * m.v[e] / (root_of(v.v[e]) * root + eps);
    }
    store_pack<T, V>(tm, m);
    store_pack<T, V>(tv, v);
    store_pack<T, V>(tp, p);
  }
};

template <typename T> struct descent {
  enum { TENSORS = 2 };
  T rate, decay;
  __device__ void begin() {}
  template <int V> __device__ void run(void *const *at, int64_t i) const {
    T *const tp = static_cast<T *>(at[0]) + i;
    pack<T, V> p = load_pack<T, V>(tp);
    const pack<T, V> g = load_pack<T, V>(static_cast<const T *>(at[1]) + i);
#pragma unroll
    for (int e = 0; e < V; e++) p.v[e] -= rate * (g.v[e] + decay * p.v[e]);
    store_pack<T, V>(tp, p);
  }
};

/* With momentum. */
template <typename T> struct momentum_descent {
  enum { TENSORS = 3 };
  T rate, decay, keep, take, a, b;
  bool first; /* the velocity may hold anything */
  __device__ void begin() {}
  template <int V> __device__ void run(void *const *at, int64_t i) const {
    T *const tp = static_cast<T *>(at[0]) + i, *const tv = static_cast<T *>(at[2]) + i;
    pack<T, V> p = load_pack<T, V>(tp), v = load_pack<T, V>(tv);
    const pack<T, V> g = load_pack<T, V>(static_cast<const T *>(at[1]) + i);
#pragma unroll
    for (int e = 0; e < V; e++) {
      const T slope = g.v[e] + decay * p.v[e], old = first ? (T)0 : v.v[e];
      v.v[e] = keep * old + take * slope;
      p.v[e] -= rate * (a * slope + b * v.v[e]);
    }
    store_pack<T, V>(tv, v);
    store_pack<T, V>(tp, p);
  }
};

template <typename T, typename Step>
__global__ void __launch_bounds__(BLOCK) steps(const __grid_constant__ list l, Step step) {
  enum { V = 16 / sizeof(T) };
  int64_t begin, end;
  const int group = group_of_block(l, &begin, &end);
  step.begin();
  void *const *const at = l.at[group];
  if (all_fit<Step::TENSORS>(at)) {
    const int64_t whole = begin + (end - begin) / V * V;
    for (int64_t i = begin + (int64_t)threadIdx.x * V; i < whole; i += BLOCK * V) {
      step.template run<V>(at, i);
    }
    begin = whole;
  }
  for (int64_t i = begin + threadIdx.x; i < end; i += BLOCK) step.template run<1>(at, i);
}

/* -- Lists ------------------------------------------------------------------------------------------- */

/* The next groups of `each` views from `*from` on, as many as one launch takes and of one dtype; the
 * blocks for them. Empty tensors are left out. */
static uint64_t next_list(list *l, const tn_view *in, int nin, int each, int *from, int32_t *dtype) {
  uint64_t blocks = 0;
  l->n = 0;
  for (; *from < nin && l->n < MOST; *from += each) {
    const tn_view *v = &in[*from];
    const int64_t count = count_of(*v);
    if (count == 0) continue;
    if (l->n > 0 && v->dtype != *dtype) break;
    *dtype = v->dtype;
    for (int k = 0; k < each; k++) l->at[l->n][k] = v[k].data;
    l->count[l->n] = count;
    l->first[l->n] = (uint32_t)blocks;
    blocks += (uint64_t)((count + CHUNK - 1) / CHUNK);
    l->n++;
  }
  l->first[l->n] = (uint32_t)blocks;
  return blocks;
}

/* f(list, blocks, dtype) for one launch after the other. */
template <typename F>
static tn_status with_lists(const tn_view *in, int nin, int each, F f) {
  list l;
  memset(&l, 0, sizeof l);
  tn_status s = TN_OK;
  for (int from = 0; from < nin && s == TN_OK;) {
    int32_t dtype = TN_F32;
    const uint64_t blocks = next_list(&l, in, nin, each, &from, &dtype);
    if (blocks > 0) s = f(l, blocks, dtype);
  }
  return s;
}

template <typename T> static adam<T> adam_of(const tn_attrs *a) {
  const double t = (double)a->i[0], rate = a->f[0];
  adam<T> s;
  s.rate = (T)(rate / (1 - pow(a->f[1], t)));
  s.b1 = (T)a->f[1];
  s.b2 = (T)a->f[2];
  s.rest1 = 1 - s.b1;
  s.rest2 = 1 - s.b2;
  s.eps = (T)a->f[3];
  s.root = (T)(1 / sqrt(1 - pow(a->f[2], t)));
  s.decay = (T)a->f[4];
  s.keep = (T)(1 - rate * a->f[5]);
  s.exact[0] = rate;
  s.exact[1] = a->f[1];
  s.exact[2] = a->f[2];
  s.exact[3] = t;
  s.shift = tn_cuda_random_shift();
  return s;
}

static tn_status run_adam(tn_kernel_call *call, const tn_view *in, int nin) {
  const tn_attrs *a = call->attrs;
  call->replayable = true;
  return with_lists(in, nin, 4, [&](const list &l, uint64_t blocks, int32_t dtype) {
    return tn_cuda_check(
        dtype == TN_F64
            ? tn_launch(steps<double, adam<double>>, blocks, BLOCK, 0, l, adam_of<double>(a))
            : tn_launch(steps<float, adam<float>>, blocks, BLOCK, 0, l, adam_of<float>(a)));
  });
}

template <typename T>
static cudaError_t launch_sgd(const tn_attrs *a, const list &l, uint64_t blocks, bool velocity) {
  const double *f = a->f;
  const bool nesterov = attr_int(a, 0, 0) != 0, first = attr_int(a, 1, 0) != 0;
  if (!velocity) {
    const descent<T> s = {(T)f[0], (T)f[3]};
    return tn_launch(steps<T, descent<T>>, blocks, BLOCK, 0, l, s);
  }
  const momentum_descent<T> s = {(T)f[0], (T)f[3], (T)f[1], (T)(first ? 1 : 1 - f[2]),
                                 (T)(nesterov ? 1 : 0), (T)(nesterov ? f[1] : 1), first};
  return tn_launch(steps<T, momentum_descent<T>>, blocks, BLOCK, 0, l, s);
}

static tn_status run_sgd(const tn_attrs *a, const tn_view *in, int nin, bool velocity) {
  return with_lists(in, nin, velocity ? 3 : 2, [&](const list &l, uint64_t blocks, int32_t dtype) {
    return tn_cuda_check(dtype == TN_F64 ? launch_sgd<double>(a, l, blocks, velocity)
                                         : launch_sgd<float>(a, l, blocks, velocity));
  });
}

/* The views of one parameter's step, with the result in place of the parameter. */
static tn_status views_of_step(tn_kernel_call *call, tn_view *views, int n) {
  for (int k = 0; k < n; k++) views[k] = call->in[k];
  if (call->out[0].data != call->in[0].data) {
    tn_kernel_call copy = *call;
    copy.nin = copy.nout = 1;
    tn_status s = tn_cuda_move(&copy);
    if (s != TN_OK) return s;
  }
  views[0] = call->out[0];
  return TN_OK;
}

extern "C" tn_status tn_cuda_adam_step(tn_kernel_call *call) {
  tn_view views[4];
  tn_status s = views_of_step(call, views, 4);
  return s == TN_OK ? run_adam(call, views, 4) : s;
}

extern "C" tn_status tn_cuda_sgd_step(tn_kernel_call *call) {
  const bool velocity = call->nin > 2 && is_given(call->in[2]);
  tn_view views[3];
  tn_status s = views_of_step(call, views, velocity ? 3 : 2);
  return s == TN_OK ? run_sgd(call->attrs, views, velocity ? 3 : 2, velocity) : s;
}

extern "C" tn_status tn_cuda_adam_steps(tn_kernel_call *call) {
  return run_adam(call, call->in, call->nin);
}

extern "C" tn_status tn_cuda_sgd_steps(tn_kernel_call *call) {
  return run_sgd(call->attrs, call->in, call->nin, call->attrs->f[1] != 0);
}

/* -- Gradients ----------------------------------------------------------------------------------------- */

template <typename E>
__global__ void __launch_bounds__(BLOCK) square_sums(const __grid_constant__ list l,
                                                     double *parts) {
  typedef typename real_of<E>::type R;
  enum { V = 16 / sizeof(E) };
  int64_t begin, end;
  const int group = group_of_block(l, &begin, &end);
  const E *const x = static_cast<const E *>(l.at[group][0]);
  R sum = 0;
  if (all_fit<1>(l.at[group])) {
    const int64_t whole = begin + (end - begin) / V * V;
    for (int64_t i = begin + (int64_t)threadIdx.x * V; i < whole; i += BLOCK * V) {
      const pack<E, V> p = load_pack<E, V>(x + i);
#pragma unroll
      for (int e = 0; e < V; e++) sum += value_of(p.v[e]) * value_of(p.v[e]);
    }
    begin = whole;
  }
  for (int64_t i = begin + threadIdx.x; i < end; i += BLOCK) sum += value_of(x[i]) * value_of(x[i]);
  const double all = over_block<summed>((double)sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = all;
}

/* parts[0] becomes the factor; *norm what the norm was. */
__global__ void __launch_bounds__(BLOCK) finish_norm(double *parts, int64_t count, double limit,
                                                     void *norm, int32_t dtype) {
  double sum = 0;
  for (int64_t k = threadIdx.x; k < count; k += BLOCK) sum += parts[k];
  sum = over_block<summed>(sum);
  if (threadIdx.x != 0) return;
  const double all = sqrt(sum), factor = limit / (all + 1e-6);
  store<double>(norm, dtype, 0, all);
  parts[0] = factor >= 1 ? 1 : factor; /* NaN stays */
}

/* Every element times `factor`, or *computed, which leaves them alone where it is 1; wrong, unless NULL,
 * becomes 1 where one is infinite or NaN. */
template <typename E>
__global__ void __launch_bounds__(BLOCK) scale(const __grid_constant__ list l, double factor,
                                               const double *computed,
                                               float *wrong) {
  typedef typename real_of<E>::type R;
  enum { V = 16 / sizeof(E) };
  const R by = (R)(computed != nullptr ? *computed : factor);
  if (computed != nullptr && by == 1) return;
  int64_t begin, end;
  const int group = group_of_block(l, &begin, &end);
  E *const x = static_cast<E *>(l.at[group][0]);
  bool bad = false;
  if (all_fit<1>(l.at[group])) {
    const int64_t whole = begin + (end - begin) / V * V;
    for (int64_t i = begin + (int64_t)threadIdx.x * V; i < whole; i += BLOCK * V) {
      pack<E, V> p = load_pack<E, V>(x + i);
#pragma unroll
      for (int e = 0; e < V; e++) {
        const R v = value_of(p.v[e]);
        bad = bad || !isfinite(v);
        put_value(p.v[e], v * by);
      }
      store_pack<E, V>(x + i, p);
    }
    begin = whole;
  }
  for (int64_t i = begin + threadIdx.x; i < end; i += BLOCK) {
    const R v = value_of(x[i]);
    bad = bad || !isfinite(v);
    put_value(x[i], v * by);
  }
  if (bad && wrong != nullptr) *wrong = 1;
}

static tn_status scale_lists(tn_kernel_call *call, double factor, const double *computed,
                             float *wrong) {
  return with_lists(call->in, call->nin, 1, [&](const list &l, uint64_t blocks, int32_t dtype) {
    return with_float(dtype, [&](auto element) {
      typedef decltype(element) E;
      return tn_cuda_check(tn_launch(scale<E>, blocks, BLOCK, 0, l, factor, computed, wrong));
    });
  });
}

extern "C" tn_status tn_cuda_clip_norms(tn_kernel_call *call) {
  int64_t count = 0, done = 0;
  for (int i = 0; i < call->nin; i++) count += (count_of(call->in[i]) + CHUNK - 1) / CHUNK;
  const workspace parts(call->device, sizeof(double) * (size_t)(count + 1));
  if (parts.status != TN_OK) return parts.status;
  double *const sums = parts.as<double>();
  tn_status s = with_lists(call->in, call->nin, 1,
                           [&](const list &l, uint64_t blocks, int32_t dtype) {
    return with_float(dtype, [&](auto element) {
      typedef decltype(element) E;
      tn_status status = tn_cuda_check(tn_launch(square_sums<E>, blocks, BLOCK, 0, l, sums + done));
      done += (int64_t)blocks;
      return status;
    });
  });
  if (s != TN_OK) return s;
  s = tn_cuda_check(tn_launch(finish_norm, 1, BLOCK, 0, sums, count, call->attrs->f[0],
                              call->out[0].data, call->out[0].dtype));
  return s == TN_OK ? scale_lists(call, 1, sums, nullptr) : s;
}

extern "C" tn_status tn_cuda_unscale_steps(tn_kernel_call *call) {
  tn_status s = tn_cuda_check(cudaMemsetAsync(call->out[0].data, 0, sizeof(float),
                                              static_cast<cudaStream_t>(tn_cuda_stream())));
  return s == TN_OK ? scale_lists(call, call->attrs->f[0], nullptr,
                                  static_cast<float *>(call->out[0].data)) : s;
}
