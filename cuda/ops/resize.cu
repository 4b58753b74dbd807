/* resize.cu -- images padded and resampled, and the ways back. The rules are those of
 * tensor/ops/pad.c and interpolate.c; the ways back gather, in the order in which the CPU adds. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

namespace {

enum { BLOCK = 256 };
enum { CONSTANT, REFLECT, REPLICATE, CIRCULAR };

/* -- Padding ----------------------------------------------------------------------------------- */

/* The dimensions of both sides; of the inner one also where its elements lie. */
struct frame {
  int ndim, mode;
  int64_t before[TN_MAX_DIMS], inner[TN_MAX_DIMS], outer[TN_MAX_DIMS];
  int64_t inner_step[TN_MAX_DIMS], outer_step[TN_MAX_DIMS];
};

/* Which element of `n` stands at position i; -1: none, the value. */
__device__ static inline int64_t source_of(int mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == REPLICATE) return i < 0 ? 0 : n - 1;
  if (mode == REFLECT) return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode == CIRCULAR) return i < 0 ? i + n : i - n;
  return -1;
}

__device__ static inline int64_t take(uint64_t *i, int64_t size) {
  const uint64_t rest = *i < (uint64_t)1 << 32 && size < (int64_t)1 << 32
                            ? (uint32_t)*i / (uint32_t)size : *i / (uint64_t)size;
  const int64_t at = (int64_t)(*i - rest * (uint64_t)size);
  *i = rest;
  return at;
}

template <typename E>
__global__ void __launch_bounds__(BLOCK) pad_with(uint64_t count, frame f, const E *in, E *out,
                                                  E value) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    uint64_t left = i;
    int64_t from = 0;
    bool inside = true;
#pragma unroll 1
    for (int d = f.ndim - 1; d >= 0 && inside; d--) {
      const int64_t source = source_of(f.mode, take(&left, f.outer[d]) - f.before[d], f.inner[d]);
      inside = source >= 0;
      from += source * f.inner_step[d];
    }
    out[i] = inside ? in[from] : value;
  }
}

/* Along one dimension: up to three positions of the outer side that show element i, or as many as
 * there are from the first on. */
struct shown {
  int64_t at[3], count;
  bool run;
};

__device__ static inline void show(shown *s, int64_t at, int64_t outer) {
  if (at >= 0 && at < outer) s->at[s->count++] = at;
}

__device__ static shown shown_of(const frame &f, int d, int64_t i) {
  const int64_t before = f.before[d], n = f.inner[d], outer = f.outer[d];
  shown s;
  s.count = 0;
  s.run = false;
  if (f.mode == REPLICATE && (i == 0 || i == n - 1)) {
    int64_t first = i == 0 ? 0 : before + i, last = i == n - 1 ? outer - 1 : before + i;
    if (first < 0) first = 0;
    if (last > outer - 1) last = outer - 1;
    s.run = true;
    s.at[0] = first;
    s.count = last >= first ? last - first + 1 : 0;
    return s;
  }
  if (f.mode == REFLECT && i > 0) show(&s, before - i, outer);
  if (f.mode == CIRCULAR) show(&s, before + i - n, outer);
  show(&s, before + i, outer);
  if (f.mode == REFLECT && i < n - 1) show(&s, before + 2 * (n - 1) - i, outer);
  if (f.mode == CIRCULAR) show(&s, before + i + n, outer);
  return s;
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) pad_back(uint64_t count, frame f, const void *in,
                                                  int32_t in_dtype, void *out, int32_t dtype) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    shown s[TN_MAX_DIMS];
    int64_t turn[TN_MAX_DIMS];
    uint64_t left = i;
    bool any = true;
    for (int d = f.ndim - 1; d >= 0; d--) {
      s[d] = shown_of(f, d, take(&left, f.inner[d]));
      turn[d] = 0;
      any = any && s[d].count > 0;
    }
    T sum = 0;
    while (any) {
      int64_t from = 0;
      for (int d = 0; d < f.ndim; d++) {
        from += (s[d].run ? s[d].at[0] + turn[d] : s[d].at[turn[d]]) * f.outer_step[d];
      }
      sum += load<T>(in, in_dtype, from);
      int d = f.ndim - 1;
      while (d >= 0 && ++turn[d] == s[d].count) turn[d--] = 0;
      any = d >= 0;
    }
    store<T>(out, dtype, (int64_t)i, sum);
  }
}

static uint64_t count_of(const tn_view &v) {
  uint64_t count = 1;
  for (int d = 0; d < v.ndim; d++) count *= (uint64_t)v.sizes[d];
  return count;
}

static frame frame_of(const tn_attrs *a, const tn_view &inner, const tn_view &outer) {
  frame f;
  f.ndim = inner.ndim;
  f.mode = a->ni > 0 && a->i[0] != TN_NONE ? (int)a->i[0] : CONSTANT;
  for (int d = 0; d < f.ndim; d++) {
    const int k = 2 * (f.ndim - 1 - d) + 1;
    f.before[d] = k < a->ni ? a->i[k] : 0;
    f.inner[d] = inner.sizes[d];
    f.outer[d] = outer.sizes[d];
    f.inner_step[d] = inner.strides[d];
    f.outer_step[d] = outer.strides[d];
  }
  return f;
}

/* The value as one element of the host: converted by the same rules as on the device. */
template <typename E>
static cudaError_t pad(tn_kernel_call *call, const frame &f, E value) {
  const uint64_t count = count_of(call->out[0]);
  return tn_launch(pad_with<E>, tn_cuda_blocks(call->device, count, BLOCK), BLOCK, 0, count, f,
                   static_cast<const E *>(call->in[0].data), static_cast<E *>(call->out[0].data),
                   value);
}

template <typename E, typename V> static E bits_of(V v) {
  static_assert(sizeof(E) == sizeof(V), "one element");
  E e;
  memcpy(&e, &v, sizeof e);
  return e;
}

}  // namespace

extern "C" tn_status tn_cuda_pad(tn_kernel_call *call) {
  const tn_view &x = call->in[0];
  const double value = call->attrs->f[0];
  const int64_t whole = value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
  if (x.data == nullptr || x.ndim == 0) return tn_cuda_move(call);
  if (count_of(call->out[0]) == 0) return TN_OK;
  const frame f = frame_of(call->attrs, x, call->out[0]);
  cudaError_t error;
  switch (x.dtype) {
  case TN_BOOL: error = pad<uint8_t>(call, f, value != 0); break;
  case TN_U8: case TN_I8: error = pad<uint8_t>(call, f, (uint8_t)whole); break;
  case TN_I16: error = pad<uint16_t>(call, f, (uint16_t)whole); break;
  case TN_I32: error = pad<uint32_t>(call, f, (uint32_t)whole); break;
  case TN_I64: error = pad<uint64_t>(call, f, (uint64_t)whole); break;
  case TN_F16: error = pad<uint16_t>(call, f, bits_of<uint16_t>(__float2half_rn((float)value)));
    break;
  case TN_BF16:
    error = pad<uint16_t>(call, f, bits_of<uint16_t>(__float2bfloat16_rn((float)value)));
    break;
  case TN_F32: error = pad<uint32_t>(call, f, bits_of<uint32_t>((float)value)); break;
  default: error = pad<uint64_t>(call, f, bits_of<uint64_t>(value));
  }
  return tn_cuda_check(error);
}

extern "C" tn_status tn_cuda_pad_input(tn_kernel_call *call) {
  const tn_view &x = call->in[0], &out = call->out[0];
  const uint64_t count = count_of(out);
  if (x.data == nullptr || x.ndim == 0) return tn_cuda_move(call);
  if (count == 0) return TN_OK;
  const frame f = frame_of(call->attrs, out, x);
  return tn_cuda_check(tn_launch(x.dtype == TN_F64 ? pad_back<double> : pad_back<float>,
                                 tn_cuda_blocks(call->device, count, BLOCK), BLOCK, 0, count, f,
                                 x.data, x.dtype, out.data, out.dtype));
}

/* -- Resampling -------------------------------------------------------------------------------- */

namespace {

enum { NEAREST, LINEAR, BILINEAR, BICUBIC, TRILINEAR, AREA, NEAREST_EXACT };
enum { TAPS = 4 };

/* Along the dimension: sizes of the side with the taps, and of that which is made of them. */
struct sampling {
  int mode;
  bool align;
  double step, corner;
  int64_t small, large;
};

struct taps {
  int count;
  int64_t at[TAPS];
  double weight[TAPS];
};

__device__ static inline int64_t limit(double at, int64_t n) {
  return at < 0 ? 0 : at > (double)(n - 1) ? n - 1 : (int64_t)at;
}

/* Keys' cubic convolution with a = -0.75. */
__device__ static void cubic_weights(double t, double *w) {
  const double a = -0.75, far[2] = {t + 1, 2 - t}, near[2] = {t, 1 - t};
  for (int k = 0; k < 2; k++) {
    w[3 * k] = ((a * far[k] - 5 * a) * far[k] + 8 * a) * far[k] - 4 * a;
    w[1 + k] = ((a + 2) * near[k] - (a + 3)) * near[k] * near[k] + 1;
  }
}

/* Each step is rounded, as on the CPU: which element is the nearest may hang on it. */
__device__ static void taps_of(const sampling &s, int64_t i, taps *t) {
  t->count = 1;
  t->weight[0] = 1;
  if (s.mode == NEAREST || s.mode == NEAREST_EXACT) {
    t->at[0] = limit(floor(__dmul_rn(s.mode == NEAREST ? (double)i : (double)i + 0.5, s.step)),
                     s.small);
    return;
  }
  double at = __dadd_rn(__dmul_rn((double)i + 0.5, s.step), -0.5);
  if (s.align) at = s.large > 1 ? __dmul_rn((double)i, s.corner) : 0;
  if (s.mode == LINEAR) {
    if (at < 0) at = 0;
    t->count = 2;
    t->at[0] = limit(floor(at), s.small);
    t->at[1] = t->at[0] + 1 < s.small ? t->at[0] + 1 : t->at[0];
    t->weight[1] = at - (double)t->at[0];
    if (t->weight[1] > 1) t->weight[1] = 1;
    t->weight[0] = 1 - t->weight[1];
    return;
  }
  t->count = TAPS;
  for (int k = 0; k < TAPS; k++) t->at[k] = limit(floor(at) - 1 + k, s.small);
  cubic_weights(at - floor(at), t->weight);
}

struct line {
  int64_t inner; /* elements of the dimensions behind */
  void *to;
  int32_t dtype;
};

template <typename T>
__global__ void __launch_bounds__(BLOCK) resampled(uint64_t count, sampling s, line l,
                                                   const void *from, int32_t from_dtype) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    uint64_t left = i;
    const int64_t inner = take(&left, l.inner), at = take(&left, s.large);
    const int64_t base = (int64_t)left * s.small * l.inner + inner;
    taps t;
    taps_of(s, at, &t);
    T sum = load<T>(from, from_dtype, base + t.at[0] * l.inner);
    if (t.count > 1) sum *= (T)t.weight[0];
    for (int k = 1; k < t.count; k++) {
      sum += load<T>(from, from_dtype, base + t.at[k] * l.inner) * (T)t.weight[k];
    }
    store<T>(l.to, l.dtype, (int64_t)i, sum);
  }
}

/* The first of `large` whose last tap is `small` or more: taps go up with their element. */
__device__ static int64_t first_over(const sampling &s, int64_t small) {
  int64_t low = 0, high = s.large;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    taps t;
    taps_of(s, middle, &t);
    if (t.at[t.count - 1] < small) low = middle + 1;
    else high = middle;
  }
  return low;
}

template <typename T>
__global__ void __launch_bounds__(BLOCK) sampled_back(uint64_t count, sampling s, line l,
                                                      const void *from, int32_t from_dtype) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    uint64_t left = i;
    const int64_t inner = take(&left, l.inner), at = take(&left, s.small);
    const int64_t base = (int64_t)left * s.large * l.inner + inner;
    T sum = 0;
    for (int64_t r = first_over(s, at); r < s.large; r++) {
      taps t;
      taps_of(s, r, &t);
      if (t.at[0] > at) break;
      for (int k = 0; k < t.count; k++) {
        if (t.at[k] != at) continue;
        sum += load<T>(from, from_dtype, base + r * l.inner) * (T)t.weight[k];
      }
    }
    store<T>(l.to, l.dtype, (int64_t)i, sum);
  }
}

/* `back`: the result is the side with the taps. */
static tn_status resample(tn_kernel_call *call, bool back) {
  const tn_view &x = call->in[0], &out = call->out[0];
  const tn_attrs *a = call->attrs;
  const uint64_t count = count_of(out);
  tn_view flat = x;
  void *copy = nullptr;
  sampling s;
  if (count == 0) return TN_OK;
  s.mode = (int)a->i[3];
  s.align = a->i[4] != 0;
  s.large = a->i[back ? 2 : 1];
  s.small = a->i[back ? 1 : 2];
  s.step = a->f[0] > 0 ? 1 / a->f[0] : (double)s.small / (double)s.large;
  s.corner = s.large > 1 ? (double)(s.small - 1) / (double)(s.large - 1) : 0;
  line l = {1, out.data, out.dtype};
  int64_t plain = 1;
  bool is = true;
  for (int d = x.ndim - 1; d >= 0; d--) {
    if (d > call->dim) l.inner *= x.sizes[d];
    is = is && (x.sizes[d] == 1 || x.strides[d] == plain);
    flat.strides[d] = plain;
    plain *= x.sizes[d];
  }
  tn_status status = TN_OK;
  if (!is) {
    status = tn_cuda_alloc(call->device, (size_t)plain * 8, &copy);
    flat.data = copy;
    tn_kernel_call k = *call;
    k.out = &flat;
    if (status == TN_OK) status = tn_cuda_move(&k);
  }
  if (status == TN_OK) {
    const bool wide = x.dtype == TN_F64 || x.dtype < TN_F16;
    auto kernel = back ? (wide ? sampled_back<double> : sampled_back<float>)
                       : (wide ? resampled<double> : resampled<float>);
    status = tn_cuda_check(tn_launch(kernel, tn_cuda_blocks(call->device, count, BLOCK), BLOCK, 0,
                                     count, s, l, flat.data, x.dtype));
  }
  if (copy != nullptr) tn_cuda_free(call->device, copy);
  return status;
}

}  // namespace

extern "C" tn_status tn_cuda_resample(tn_kernel_call *call) { return resample(call, false); }
extern "C" tn_status tn_cuda_resample_input(tn_kernel_call *call) { return resample(call, true); }
