/* sequences.cu -- what is made from numbers and positions: sequences, one_hot, and the parts of
 * matrices on one side of a diagonal. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"

namespace {

enum { BLOCK = 256 };

/* Quotients by a number that stays the same. */
struct divisor {
  uint64_t n;
  tn_divider by;
  bool wide;
};

divisor divisor_of(uint64_t n, uint64_t count) {
  divisor d = {n, {0, 0}, count >= (uint64_t)1 << 31};
  if (!d.wide && n > 0) d.by = tn_divider_of((uint32_t)n);
  return d;
}

__device__ inline uint64_t divided(uint64_t i, const divisor &d) {
  return d.wide ? i / d.n : tn_divide((uint32_t)i, d.by);
}

int64_t attr(const tn_kernel_call *call, int k, int64_t otherwise) {
  const tn_attrs *a = call->attrs;
  return k < a->ni && a->i[k] != TN_NONE ? a->i[k] : otherwise;
}

uint64_t count_of(const tn_view &v) {
  uint64_t n = 1;
  for (int d = 0; d < v.ndim; d++) n *= (uint64_t)v.sizes[d];
  return n;
}

/* -- sequences --------------------------------------------------------------------------------- */

struct sequence {
  double first, step, last, base;
  bool exact; /* the last element is `last` */
  bool power; /* of the base */
};

/* Each step is rounded, as the CPU does. */
__global__ void __launch_bounds__(BLOCK) fill_sequence(uint64_t n, void *out, int32_t dtype,
                                                       sequence s) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
    double v = __dadd_rn(s.first, __dmul_rn((double)i, s.step));
    if (s.exact && i == n - 1) v = s.last;
    store<double>(out, dtype, i, s.power ? pow(s.base, v) : v);
  }
}

tn_status run_sequence(tn_kernel_call *call, const sequence &s) {
  const tn_view &out = call->out[0];
  const uint64_t n = count_of(out);
  if (n == 0) return TN_OK;
  return tn_cuda_check(tn_launch(fill_sequence, tn_cuda_blocks(call->device, n, BLOCK), BLOCK, 0, n,
                                 out.data, out.dtype, s));
}

sequence spaced(const tn_kernel_call *call) {
  const double first = call->attrs->f[0], last = call->attrs->f[1];
  const uint64_t n = count_of(call->out[0]);
  return {first, n > 1 ? (last - first) / (double)(n - 1) : 0, last, 0, n > 1, false};
}

/* -- one_hot ----------------------------------------------------------------------------------- */

__global__ void __launch_bounds__(BLOCK)
fill_one_hot(uint64_t n, int64_t *out, divisor classes, tn_positions index, operand<int64_t> in,
             int64_t base, int code, tn_fault *fault) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
    const uint64_t row = divided(i, classes), column = i - row * classes.n;
    int64_t at[1];
    tn_index_at(&index, row, 1, at);
    const int64_t value = fetch(in, at[0]) - base;
    out[i] = value == (int64_t)column;
    if (column == 0 && (uint64_t)value >= classes.n) {
      tn_note_fault(fault, code, value, (int64_t)classes.n);
    }
  }
}

/* -- tril, triu -------------------------------------------------------------------------------- */

template <typename E>
__global__ void __launch_bounds__(BLOCK)
fill_triangle(tn_positions index, E *out, const E *in, divisor columns, divisor rows, int64_t k,
              bool upper) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    const uint64_t line = divided(i, columns), row = line - divided(line, rows) * rows.n;
    const int64_t right = (int64_t)(i - line * columns.n) - (int64_t)row - k;
    int64_t at[2];
    E v = 0;
    tn_index_at(&index, i, 2, at);
    if (upper ? right >= 0 : right <= 0) v = in[at[1]];
    out[i] = v;
  }
}

template <typename E>
cudaError_t triangle_of(int blocks, const tn_positions &index, const tn_kernel_call *call,
                        bool upper) {
  const tn_view &out = call->out[0];
  const int64_t far = (int64_t)1 << 60, given = attr(call, 0, 0);
  const int64_t k = given > far ? far : given < -far ? -far : given;
  return tn_launch(fill_triangle<E>, blocks, BLOCK, 0, index, static_cast<E *>(out.data),
                   static_cast<const E *>(call->in[0].data),
                   divisor_of((uint64_t)out.sizes[out.ndim - 1], index.count),
                   divisor_of((uint64_t)out.sizes[out.ndim - 2], index.count), k, upper);
}

tn_status triangle(tn_kernel_call *call, bool upper) {
  const tn_view &in = call->in[0];
  tn_positions index;
  if (count_of(in) == 0) return TN_OK;
  if (in.data == nullptr) return TN_DECLINED;
  tn_index_make(&index, &call->out[0], &in, 1);
  const int blocks = tn_cuda_blocks(call->device, index.count, BLOCK);
  switch (in.dtype) {
    case TN_BOOL: case TN_U8: case TN_I8:
      return tn_cuda_check(triangle_of<uint8_t>(blocks, index, call, upper));
    case TN_I16: case TN_F16: case TN_BF16:
      return tn_cuda_check(triangle_of<uint16_t>(blocks, index, call, upper));
    case TN_I32: case TN_F32:
      return tn_cuda_check(triangle_of<uint32_t>(blocks, index, call, upper));
    default: return tn_cuda_check(triangle_of<uint64_t>(blocks, index, call, upper));
  }
}

}  // namespace

extern "C" tn_status tn_cuda_range(tn_kernel_call *call) {
  return run_sequence(call, {call->attrs->f[0], call->attrs->f[2], 0, 0, false, false});
}

extern "C" tn_status tn_cuda_arange(tn_kernel_call *call) { return tn_cuda_range(call); }

extern "C" tn_status tn_cuda_linspace(tn_kernel_call *call) {
  return run_sequence(call, spaced(call));
}

extern "C" tn_status tn_cuda_logspace(tn_kernel_call *call) {
  sequence s = spaced(call);
  s.base = call->attrs->f[2];
  s.power = true;
  return run_sequence(call, s);
}

extern "C" tn_status tn_cuda_one_hot(tn_kernel_call *call) {
  const tn_view &in = call->in[0], &out = call->out[0];
  const uint64_t n = count_of(out), classes = (uint64_t)out.sizes[out.ndim - 1];
  tn_fault *fault = tn_cuda_fault(call->device);
  tn_positions index;
  if (fault == nullptr) return TN_EDEVICE;
  if (n == 0) return TN_OK;
  tn_index_make(&index, &in, nullptr, 0);
  return tn_cuda_check(tn_launch(fill_one_hot, tn_cuda_blocks(call->device, n, BLOCK), BLOCK, 0, n,
                                 static_cast<int64_t *>(out.data), divisor_of(classes, n), index,
                                 operand_of<int64_t>(in), (int64_t)call->index_base, call->code,
                                 fault));
}

extern "C" tn_status tn_cuda_tril(tn_kernel_call *call) { return triangle(call, false); }
extern "C" tn_status tn_cuda_triu(tn_kernel_call *call) { return triangle(call, true); }
