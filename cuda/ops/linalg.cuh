/* linalg.cuh -- what operations on matrices share: batches of them on their way to a storage by
 * columns and back, and the way they report failures. The rules are those of tensor/ops/linalg*.c.
 *
 * Own kernels take one block of threads for each matrix; large ones go to cuSOLVER, where it is
 * (cuda/lib/solver.h). What fails on the device, being singular or not finite, is declined: the CPU
 * then does it again, and says what is wrong. */
#ifndef TN_CUDA_LINALG_CUH
#define TN_CUDA_LINALG_CUH

#include <string.h>

#include "cuda/device.h"
#include "cuda/items.h"
#include "cuda/launch.cuh"
#include "cuda/lib/solver.h"

enum { LINALG_THREADS = 256, LINALG_WARPS = LINALG_THREADS / 32 };

/* Matrices of one size, each stored by columns without gaps, one behind the other. */
struct columns {
  void *data;
  int64_t rows, width; /* width: columns */
};

/* One call. Memory that it takes is given back when it ends. */
class linalg_job {
 public:
  linalg_job(const tn_kernel_call *call, const tn_view &like)
      : device(call->device), wide(like.dtype == TN_F64), batch(1),
        m(like.sizes[like.ndim - 2]), n(like.sizes[like.ndim - 1]), batch_dims_(like.ndim - 2) {
    for (int d = 0; d < batch_dims_; d++) batch *= sizes_[d] = like.sizes[d];
  }
  ~linalg_job() {
    for (int i = 0; i < count_; i++) tn_cuda_free(device, owned_[i]);
  }

  /* Undefined values. */
  columns make(int64_t rows, int64_t width) {
    columns c = {nullptr, rows, width};
    c.data = take(static_cast<size_t>(batch * rows * width) * (wide ? 8 : 4));
    return c;
  }
  void *take(size_t bytes) {
    void *memory = nullptr;
    if (status == TN_OK) status = tn_cuda_alloc(device, bytes, &memory);
    if (memory != nullptr) owned_[count_++] = memory;
    return memory;
  }
  int *integers(int64_t each) {
    return static_cast<int *>(take(static_cast<size_t>(batch * each) * sizeof(int)));
  }
  /* The upper left rows x width of each matrix of a tensor. What it lacks is zero. */
  columns read(const tn_view &t, int64_t rows, int64_t width) {
    columns c = make(rows, width);
    tn_view from = t;
    const int d = t.ndim - 2;
    if (from.sizes[d] > rows) from.sizes[d] = rows;
    if (from.sizes[d + 1] > width) from.sizes[d + 1] = width;
    if (from.sizes[d] < rows || from.sizes[d + 1] < width) clear(c);
    move(part(c, from.sizes[d], from.sizes[d + 1]), from);
    return c;
  }
  columns read_vector(const tn_view &t) {
    tn_view column = t;
    column.sizes[column.ndim] = column.strides[column.ndim] = 1;
    column.ndim++;
    return read(column, t.sizes[t.ndim - 1], 1);
  }
  /* As much of it as a result has room for. A vector is the first column. */
  void write(const tn_view &out, const columns &c) {
    const bool vector = out.ndim == batch_dims_ + 1;
    tn_view from = part(c, out.sizes[batch_dims_], vector ? 1 : out.sizes[batch_dims_ + 1]);
    from.ndim = out.ndim;
    move(out, from);
  }
  /* The first columns of each matrix. */
  void put_first(const columns &to, const columns &from) {
    move(part(to, from.rows, from.width), part(from, from.rows, from.width));
  }
  /* One number for each matrix. */
  void write_numbers(const tn_view &out, const columns &c) {
    move(out, packed(out, c.data, wide ? TN_F64 : TN_F32));
  }
  void write_integers(const tn_view &out, int *from) { move(out, packed(out, from, TN_I32)); }
  void read_integers(const tn_view &t, int *to) { move(packed(t, to, TN_I32), t); }
  void clear(const columns &c) {
    fill(c.data, static_cast<size_t>(batch * c.rows * c.width) * (wide ? 8 : 4));
  }
  void fill(void *data, size_t bytes) {
    if (status != TN_OK || bytes == 0) return;
    status = tn_cuda_check(cudaMemsetAsync(data, 0, bytes,
                                           static_cast<cudaStream_t>(tn_cuda_stream())));
  }
  void note(cudaError_t error) {
    if (status == TN_OK) status = tn_cuda_check(error);
  }
  /* A number that kernels set, when something fails. */
  int *failures() {
    int *flag = static_cast<int *>(take(sizeof(int)));
    fill(flag, sizeof(int));
    return flag;
  }
  /* Waits, and declines if something has failed. */
  void check(const int *flag) {
    int failed = 0;
    if (status == TN_OK) status = tn_cuda_read(device, &failed, flag, sizeof failed);
    if (status == TN_OK && failed != 0) status = TN_DECLINED;
  }
  bool nothing() const { return batch == 0 || m == 0 || n == 0; }
  /* One matrix is enough work for the whole device, and there are not many of them. */
  bool is_large() const {
    const int64_t most = m > n ? m : n;
    return tn_solver_is_there() && most > 128 && (batch < 32 || most > 512);
  }

  const int device;
  const bool wide;
  int64_t batch, m, n;
  tn_status status = TN_OK;

 private:
  int batch_dims_;
  int64_t sizes_[TN_MAX_DIMS];
  void *owned_[16];
  int count_ = 0;

  tn_view part(const columns &c, int64_t rows, int64_t width) const {
    tn_view v;
    int64_t step = c.rows * c.width;
    memset(&v, 0, sizeof v);
    v.data = c.data;
    v.dtype = wide ? TN_F64 : TN_F32;
    v.ndim = batch_dims_ + 2;
    for (int d = batch_dims_ - 1; d >= 0; d--) {
      v.sizes[d] = sizes_[d];
      v.strides[d] = step;
      step *= sizes_[d];
    }
    v.sizes[batch_dims_] = rows, v.strides[batch_dims_] = 1;
    v.sizes[batch_dims_ + 1] = width, v.strides[batch_dims_ + 1] = c.rows;
    return v;
  }
  static tn_view packed(const tn_view &like, void *data, int32_t dtype) {
    tn_view v = like;
    int64_t step = 1;
    v.data = data;
    v.dtype = dtype;
    for (int d = v.ndim - 1; d >= 0; d--) v.strides[d] = step, step *= v.sizes[d];
    return v;
  }
  void move(tn_view to, const tn_view &from) {
    if (status == TN_OK) status = tn_copy_items(device, to, from);
  }
};

/* Calls fn with a float or a double, of which only the type counts. */
template <typename F> static inline void with_type(bool wide, F fn) {
  if (wide) fn(double());
  else fn(float());
}

template <typename T> static inline T *values(const columns &c) { return static_cast<T *>(c.data); }

static inline unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>(count < (1 << 20) ? count : 1 << 20);
}

static inline int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

#ifdef __CUDACC__
#define LINALG_DEVICE __device__ static inline
#else
#define LINALG_DEVICE static inline
#endif

template <typename T> LINALG_DEVICE T sum_of_warp(T value) {
  for (int by = 16; by > 0; by /= 2) value += __shfl_xor_sync(~0u, value, by);
  return value;
}

/* The same for the block, for every thread. */
template <typename T> LINALG_DEVICE T sum_of_threads(T value, T *shared) {
  value = sum_of_warp(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = 0;
  for (int i = 0; i < LINALG_WARPS; i++) sum += shared[i];
  return sum;
}

/* t with its last two dimensions exchanged. */
static inline tn_view turned(const tn_view &v) {
  tn_view t = v;
  const int last = v.ndim - 1;
  t.sizes[last] = v.sizes[last - 1], t.sizes[last - 1] = v.sizes[last];
  t.strides[last] = v.strides[last - 1], t.strides[last - 1] = v.strides[last];
  return t;
}

/* attrs->i[k] as yes or no */
static inline bool flag(const tn_kernel_call *call, int k) {
  const tn_attrs *a = call->attrs;
  return k < a->ni && a->i[k] != TN_NONE && a->i[k] != 0;
}

/* linalg_triangle.cu: X of op(A) X = B in B's place; *failed where a diagonal has a 0. Not of
 * matrices without elements. */
void solve_triangles(linalg_job &job, const columns &a, const columns &b, bool upper,
                     bool transposed, bool unit, int *failed);
/* linalg_qr.cu: A's reflectors in its place, and their factors; op(Q) C or C op(Q), Q of k of the
 * reflectors. */
void make_reflectors(linalg_job &job, const columns &a, const columns &tau);
void make_unit(linalg_job &job, const columns &c); /* ones on the diagonal, zeros elsewhere */
void apply_reflectors(linalg_job &job, const columns &v, const columns &tau, int64_t k,
                      const columns &c, bool right, bool transposed);

#endif
