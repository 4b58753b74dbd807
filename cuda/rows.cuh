/* rows.cuh -- what kernels over rows of numbers share: 16 bytes at a time, sums and maxima over the
 * threads that have one row, and inputs made contiguous. */
#ifndef TN_CUDA_ROWS_CUH
#define TN_CUDA_ROWS_CUH

#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/items.h"
#include "cuda/launch.cuh"

/* -- Elements ---------------------------------------------------------------------------------- */

/* The type in which elements are calculated with. */
template <typename E> struct real_of { typedef float type; };
template <> struct real_of<double> { typedef double type; };

template <typename E> struct half_kind { static const int32_t value = TN_F16; };
template <> struct half_kind<__nv_bfloat16> { static const int32_t value = TN_BF16; };

__device__ static inline float value_of(float x) { return x; }
__device__ static inline double value_of(double x) { return x; }
__device__ static inline float value_of(__half x) { return __half2float(x); }
__device__ static inline float value_of(__nv_bfloat16 x) { return __bfloat162float(x); }

__device__ static inline void put_value(float &to, float x) { to = x; }
__device__ static inline void put_value(double &to, double x) { to = x; }
__device__ static inline void put_value(__half &to, float x) { to = __float2half_rn(x); }
__device__ static inline void put_value(__nv_bfloat16 &to, float x) { to = __float2bfloat16_rn(x); }

template <typename E> __host__ __device__ constexpr int32_t dtype_of_element() {
  return sizeof(E) == 8 ? TN_F64 : sizeof(E) == 4 ? TN_F32 : half_kind<E>::value;
}

/* N neighbours, moved in one access of up to 16 bytes. */
template <typename E, int N> struct alignas(sizeof(E) * N < 16 ? sizeof(E) * N : 16) pack {
  E v[N];
};

template <typename E, int N> __device__ inline pack<E, N> load_pack(const E *from) {
  return *reinterpret_cast<const pack<E, N> *>(from);
}
template <typename E, int N> __device__ inline void store_pack(E *to, const pack<E, N> &p) {
  *reinterpret_cast<pack<E, N> *>(to) = p;
}

/* N neighbours of another dtype, at `at`; `wide`: they may be read 16 bytes at a time. */
template <typename R, int N>
__device__ inline void load_reals(R *to, const void *data, int32_t dtype, int64_t at, bool wide) {
  if (N > 1 && wide && dtype == dtype_of<R>::value) {
    const pack<R, N> p = load_pack<R, N>(static_cast<const R *>(data) + at);
#pragma unroll
    for (int k = 0; k < N; k++) to[k] = p.v[k];
    return;
  }
#pragma unroll
  for (int k = 0; k < N; k++) to[k] = load<R>(data, dtype, at + k);
}

/* May packs of 16 bytes be used for what begins here, and again each `step` bytes? */
static inline bool packs_fit(const void *data, int64_t step) {
  return (reinterpret_cast<uintptr_t>(data) | static_cast<uint64_t>(step)) % 16 == 0;
}

__device__ static inline float exponential(float x) { return exp2f(x * 1.44269504088896341f); }
__device__ static inline double exponential(double x) { return exp(x); }
__device__ static inline float logarithm(float x) { return logf(x); }
__device__ static inline double logarithm(double x) { return log(x); }
__device__ static inline float root_of(float x) { return sqrtf(x); }
__device__ static inline double root_of(double x) { return sqrt(x); }

/* -- Sums over threads --------------------------------------------------------------------------- */

static const unsigned ALL_LANES = 0xffffffffu;
enum { WARP = 32 };

/* How two numbers become one; `nothing` changes no other. */
struct summed {
  template <typename R> __device__ static R join(R a, R b) { return a + b; }
  template <typename R> __device__ static R nothing() { return 0; }
};
struct greatest { /* NaN counts for nothing */
  template <typename R> __device__ static R join(R a, R b) { return b > a ? b : a; }
  template <typename R> __device__ static R nothing() { return -(R)INFINITY; }
};

/* Of `lanes` neighbours in a warp, a power of two: each receives the same. */
template <typename How, typename R> __device__ inline R over_lanes(R v, int lanes) {
  for (int k = lanes / 2; k > 0; k /= 2) v = How::join(v, __shfl_xor_sync(ALL_LANES, v, k));
  return v;
}

/* Of all threads of the block, whole warps. */
template <typename How, typename R> __device__ inline R over_block(R v) {
  __shared__ R parts[WARP];
  const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
  v = over_lanes<How>(v, WARP);
  if (blockDim.x == WARP) return v;
  if (lane == 0) parts[warp] = v;
  __syncthreads();
  v = lane < (int)blockDim.x / WARP ? parts[lane] : How::template nothing<R>();
  v = over_lanes<How>(v, WARP);
  __syncthreads(); /* before the next sum writes */
  return v;
}

/* Of the threads that share a row: some lanes of a warp, or the block. */
template <typename How, typename R> __device__ inline R over_group(R v, int group) {
  return group <= WARP ? over_lanes<How>(v, group) : over_block<How>(v);
}

/* Two sums at once. */
template <typename R> __device__ inline void sum_over_group(R &a, R &b, int group) {
  __shared__ R parts[2 * WARP];
  const int lanes = group < WARP ? group : WARP;
  a = over_lanes<summed>(a, lanes);
  b = over_lanes<summed>(b, lanes);
  if (group <= WARP) return;
  const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
  if (lane == 0) {
    parts[warp] = a;
    parts[WARP + warp] = b;
  }
  __syncthreads();
  const bool real = lane < (int)blockDim.x / WARP;
  a = over_lanes<summed>(real ? parts[lane] : (R)0, WARP);
  b = over_lanes<summed>(real ? parts[WARP + lane] : (R)0, WARP);
  __syncthreads();
}

/* -- Which threads have which row ------------------------------------------------------------------ */

/* Rows of n elements, of which each of `group` threads holds up to `packs` packs: pack k of thread t
 * begins at (k group + t) V. */
typedef struct {
  int group;   /* a power of two up to a warp, or a block */
  int threads; /* of a block */
  int64_t n, rows;
} row_plan;

enum { ROW_BLOCK = 256, MOST_ROW_BLOCK = 512 }; /* 512: 128 registers a thread */

static inline row_plan plan_rows(int64_t rows, int64_t n, int V, int packs) {
  row_plan p = {1, ROW_BLOCK, n, rows};
  const int64_t each = (int64_t)V * packs;
  while (p.group < MOST_ROW_BLOCK && p.group * each < n) p.group *= 2;
  if (p.group > WARP) p.threads = p.group;
  return p;
}

static inline bool row_is_held(const row_plan &p, int V, int packs) {
  return (int64_t)p.group * V * packs >= p.n;
}

static inline uint64_t row_blocks(const row_plan &p) {
  const int64_t each = p.threads / p.group;
  return (uint64_t)((p.rows + each - 1) / each);
}

/* The row of this thread, and its place there. Threads beyond the last row have one that is not
 * below p.rows, and take part in sums. */
__device__ inline int64_t row_of_thread(const row_plan &p, int *place) {
  const int t = (int)threadIdx.x;
  *place = t & (p.group - 1);
  return (int64_t)blockIdx.x * (p.threads / p.group) + t / p.group;
}

/* -- The host's side ------------------------------------------------------------------------------- */

static inline int64_t attr_int(const tn_attrs *a, int k, int64_t otherwise) {
  return k < a->ni && a->i[k] != TN_NONE ? a->i[k] : otherwise;
}

static inline int64_t count_of(const tn_view &v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; d++) n *= v.sizes[d];
  return n;
}

static inline bool is_given(const tn_view &v) { return v.ndim >= 0; }

static inline bool lies_contiguous(const tn_view &v) {
  int64_t step = 1;
  if (v.data == nullptr) return false;
  for (int d = v.ndim - 1; d >= 0; d--) {
    if (v.sizes[d] == 1) continue;
    if (v.strides[d] != step) return false;
    step *= v.sizes[d];
  }
  return true;
}

/* Memory for the length of a call: what is launched before it goes may use it. */
class workspace {
 public:
  workspace(int device, size_t bytes) : device_(device) {
    status = tn_cuda_alloc(device, bytes, &data);
  }
  ~workspace() { tn_cuda_free(device_, data); }
  workspace(const workspace &) = delete;
  workspace &operator=(const workspace &) = delete;
  template <typename T> T *as() const { return static_cast<T *>(data); }
  tn_status status;
  void *data = nullptr;

 private:
  int device_;
};

/* An input, contiguous and of a dtype: as it lies, or copied. An optional one that is not given has
 * no data. */
class packed {
 public:
  packed(int device, const tn_view &v, int32_t dtype) : device_(device) {
    if (!is_given(v)) return;
    if (v.dtype == dtype && lies_contiguous(v)) {
      data = v.data;
      return;
    }
    status = tn_cuda_alloc(device, (size_t)count_of(v) * tn_item_size(dtype), &owned_);
    if (status != TN_OK) return;
    tn_view to = v;
    int64_t step = 1;
    to.data = owned_;
    data = owned_;
    to.dtype = dtype;
    for (int d = v.ndim - 1; d >= 0; d--) {
      to.strides[d] = step;
      step *= v.sizes[d];
    }
    tn_kernel_call copy;
    memset(&copy, 0, sizeof copy);
    copy.code = TN_OP_copy;
    copy.device = device;
    copy.nin = copy.nout = 1;
    copy.in = &v;
    copy.out = &to;
    status = tn_cuda_move(&copy);
  }
  ~packed() { tn_cuda_free(device_, owned_); }
  packed(const packed &) = delete;
  packed &operator=(const packed &) = delete;
  template <typename T> const T *as() const { return static_cast<const T *>(data); }
  tn_status status = TN_OK;
  const void *data = nullptr;

 private:
  int device_;
  void *owned_ = nullptr;
};

/* f(element) with an element of the floating dtype. */
template <typename F> static tn_status with_float(int32_t dtype, F f) {
  if (dtype == TN_F32) return f(float());
  if (dtype == TN_F64) return f(double());
  if (dtype == TN_F16) return f(__half());
  if (dtype == TN_BF16) return f(__nv_bfloat16());
  return TN_DECLINED;
}

#endif
