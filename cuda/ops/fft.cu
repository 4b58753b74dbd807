/* fft.cu -- Fourier transforms along a dimension, by cuFFT (cuda/lib/fft.h). The rules are those of
 * tensor/ops/fft.c. */
#include <string.h>

#include "cuda/device.h"
#include "cuda/items.h"
#include "cuda/launch.cuh"
#include "cuda/lib/fft.h"

enum { BLOCK = 256, FEW = 16 /* as many calls are cheaper than a copy */ };

template <typename T>
__global__ void __launch_bounds__(BLOCK) scale(T *data, uint64_t n, T factor) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) data[i] *= factor;
}

/* Of half a spectrum the first value, and of an even n the last, stand for themselves: they count
 * as real. */
template <typename T>
__global__ void __launch_bounds__(BLOCK) make_real(T *data, uint64_t lines, int64_t n) {
  const int64_t half = n / 2 + 1;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < lines; i += step) {
    T *line = data + 2 * half * (int64_t)i;
    line[1] = 0;
    if (n % 2 == 0) line[2 * half - 1] = 0;
  }
}

/* x with the transform's dimension behind the others, and behind it the parts of complex ones. */
static tn_view line_by_line(const tn_view &x, int dim, bool complex) {
  tn_view v = x;
  const int last = x.ndim - (complex ? 2 : 1);
  for (int d = dim; d < last; d++) v.sizes[d] = x.sizes[d + 1], v.strides[d] = x.strides[d + 1];
  v.sizes[last] = x.sizes[dim];
  v.strides[last] = x.strides[dim];
  return v;
}

static int64_t count_of(const tn_view &v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; d++) n *= v.sizes[d];
  return n;
}

static bool is_contiguous(const tn_view &v) {
  int64_t step = 1;
  for (int d = v.ndim - 1; d >= 0; d--) {
    if (v.sizes[d] != 1 && v.strides[d] != step) return false;
    step *= v.sizes[d];
  }
  return true;
}

/* Memory for a view's elements one after another, as floats or doubles; the caller frees it. */
static tn_status room_for(int device, tn_view *v, int32_t dtype) {
  int64_t step = 1;
  for (int d = v->ndim - 1; d >= 0; d--) v->strides[d] = step, step *= v->sizes[d];
  v->dtype = dtype;
  return tn_cuda_alloc(device, static_cast<size_t>(step) * (dtype == TN_F64 ? 8 : 4), &v->data);
}

struct transform {
  int device;
  tn_cuda_fft_kind kind;
  int dim;
  bool inverse, in_complex, out_complex;
  int32_t dtype; /* float32 or float64 */
  int64_t n, outer, inner;
};

/* Of contiguous tensors, around which lie `outer` and `inner` elements; or of lines. */
static tn_status run_lines(const transform &t, const tn_view &in, const tn_view &out, bool lines) {
  const int64_t half = t.n / 2 + 1;
  const int64_t read = t.kind == TN_CUDA_C2R ? half : t.n;
  const int64_t written = t.kind == TN_CUDA_R2C ? half : t.n;
  const bool at_once = lines || t.inner == 1;
  const size_t item = t.dtype == TN_F64 ? 8 : 4;
  tn_cuda_fft_lines job = {};
  job.device = t.device;
  job.kind = t.kind;
  job.wide = t.dtype == TN_F64;
  job.inverse = t.inverse;
  job.n = t.n;
  job.lines = at_once ? t.outer * t.inner : t.inner;
  job.in_stride = job.out_stride = at_once ? 1 : t.inner;
  job.in_line = at_once ? read : 1;
  job.out_line = at_once ? written : 1;
  tn_status s = TN_OK;
  for (int64_t i = 0; i < (at_once ? 1 : t.outer) && s == TN_OK; i++) {
    job.in = static_cast<char *>(in.data) +
             static_cast<size_t>(i * t.inner * read * (t.in_complex ? 2 : 1)) * item;
    job.out = static_cast<char *>(out.data) +
              static_cast<size_t>(i * t.inner * written * (t.out_complex ? 2 : 1)) * item;
    s = tn_cuda_fft(&job);
  }
  return s;
}

static tn_status scale_by(const transform &t, const tn_view &out, double factor) {
  const uint64_t n = static_cast<uint64_t>(count_of(out));
  const int blocks = tn_cuda_blocks(t.device, n, BLOCK);
  if (factor == 1) return TN_OK;
  if (t.dtype == TN_F64) {
    return tn_cuda_check(tn_launch(scale<double>, blocks, BLOCK, 0,
                                   static_cast<double *>(out.data), n, factor));
  }
  return tn_cuda_check(tn_launch(scale<float>, blocks, BLOCK, 0, static_cast<float *>(out.data), n,
                                 static_cast<float>(factor)));
}

static tn_status make_real_ends(const transform &t, const tn_view &in) {
  const uint64_t lines = static_cast<uint64_t>(t.outer * t.inner);
  const int blocks = tn_cuda_blocks(t.device, lines, BLOCK);
  if (t.dtype == TN_F64) {
    return tn_cuda_check(tn_launch(make_real<double>, blocks, BLOCK, 0,
                                   static_cast<double *>(in.data), lines, t.n));
  }
  return tn_cuda_check(tn_launch(make_real<float>, blocks, BLOCK, 0,
                                 static_cast<float *>(in.data), lines, t.n));
}

static bool is_aligned(const tn_view &v, size_t to) {
  return reinterpret_cast<uintptr_t>(v.data) % to == 0;
}

static tn_status run(tn_kernel_call *call, tn_cuda_fft_kind kind, bool inverse) {
  const tn_view &x = call->in[0], &y = call->out[0];
  transform t = {call->device, kind, call->dim, inverse, kind != TN_CUDA_R2C, kind != TN_CUDA_C2R,
                 y.dtype == TN_F64 ? TN_F64 : TN_F32, 0, 1, 1};
  tn_view in = x, out = y;
  t.n = (kind == TN_CUDA_C2R ? y : x).sizes[t.dim];
  for (int d = 0; d < t.dim; d++) t.outer *= x.sizes[d];
  for (int d = t.dim + 1; d < x.ndim - t.in_complex; d++) t.inner *= x.sizes[d];
  if (x.data == nullptr || !tn_cuda_fft_is_there()) return TN_DECLINED;
  if (t.outer * t.inner == 0) return TN_OK;
  const bool direct = x.dtype == t.dtype && y.dtype == t.dtype && kind != TN_CUDA_C2R &&
                      is_contiguous(x) && is_aligned(x, t.dtype == TN_F64 ? 16 : 8) &&
                      (t.inner == 1 || t.outer <= FEW) &&
                      (t.in_complex || t.inner == 1 || t.inner * t.n % 2 == 0);
  const bool in_place = direct || (t.inner == 1 && y.dtype == t.dtype);
  tn_status s = TN_OK;
  if (!direct) {
    const tn_view from = line_by_line(x, t.dim, t.in_complex);
    in = from;
    s = room_for(t.device, &in, t.dtype);
    if (s == TN_OK) s = tn_copy_items(t.device, in, from);
    if (s == TN_OK && kind == TN_CUDA_C2R) s = make_real_ends(t, in);
  }
  if (!in_place) {
    out = line_by_line(y, t.dim, t.out_complex);
    if (s == TN_OK) s = room_for(t.device, &out, t.dtype);
  }
  if (s == TN_OK) s = run_lines(t, in, out, !direct);
  if (s == TN_OK) s = scale_by(t, out, call->attrs->f[0]);
  if (s == TN_OK && !in_place) s = tn_copy_items(t.device, line_by_line(y, t.dim, t.out_complex), out);
  if (in.data != x.data) tn_cuda_free(t.device, in.data);
  if (out.data != y.data) tn_cuda_free(t.device, out.data);
  return s;
}

extern "C" tn_status tn_cuda_fft_c2c(tn_kernel_call *call) {
  const tn_attrs *a = call->attrs;
  return run(call, TN_CUDA_C2C, a->ni > 1 && a->i[1] != TN_NONE && a->i[1] != 0);
}

extern "C" tn_status tn_cuda_fft_r2c(tn_kernel_call *call) { return run(call, TN_CUDA_R2C, false); }
extern "C" tn_status tn_cuda_fft_c2r(tn_kernel_call *call) { return run(call, TN_CUDA_C2R, true); }
