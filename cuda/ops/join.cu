/* join.cu -- cat and stack: many tensors side by side with few launches.
 *
 * The result is seen as `outer` rows; each input fills a piece of every row. Inputs that are of the
 * result's dtype and contiguous go together, the others are moved one by one. */
#include "cuda/ops/picks.cuh"

enum { BLOCK = 256, PARTS = 64 };

struct part {
  const void *data;
  int64_t size, to; /* of its piece of a row, and where that begins */
};

struct join {
  void *out;
  int64_t row, outer, width; /* of rows; `width`: of the parts together */
  int count;
  int64_t first[PARTS]; /* where each part begins among them */
  part parts[PARTS];
};

template <typename E> __global__ void __launch_bounds__(BLOCK) join_parts(join j) {
  const int64_t step = (int64_t)gridDim.x * BLOCK, all = j.outer * j.width;
  for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < all; i += step) {
    const int64_t row = all < (int64_t)1 << 31 ? (uint32_t)i / (uint32_t)j.width : i / j.width;
    const int64_t at = i - row * j.width;
    int low = 0, high = j.count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (j.first[middle] <= at) low = middle;
      else high = middle;
    }
    const part &p = j.parts[low];
    const int64_t inside = at - j.first[low];
    static_cast<E *>(j.out)[row * j.row + p.to + inside] =
        static_cast<const E *>(p.data)[row * p.size + inside];
  }
}

/* Widens elements of `item` bytes to units of up to 16, where all parts allow it. */
static size_t widen(join *j, size_t item) {
  size_t bytes = 16;
  for (; bytes > item; bytes /= 2) {
    const int64_t each = (int64_t)(bytes / item);
    bool fits = (uintptr_t)j->out % bytes == 0 && j->row % each == 0;
    for (int k = 0; k < j->count && fits; k++) {
      const part &p = j->parts[k];
      fits = (uintptr_t)p.data % bytes == 0 && p.size % each == 0 && p.to % each == 0;
    }
    if (fits) break;
  }
  const int64_t each = (int64_t)(bytes / item);
  j->row /= each;
  j->width /= each;
  for (int k = 0; k < j->count; k++) {
    j->first[k] /= each;
    j->parts[k].size /= each;
    j->parts[k].to /= each;
  }
  return bytes;
}

template <typename E> static cudaError_t join_of(int device, const join &j) {
  const int blocks = tn_cuda_blocks(device, (uint64_t)(j.outer * j.width), BLOCK);
  return tn_launch(join_parts<E>, blocks, BLOCK, 0, j);
}

static tn_status join_now(const tn_kernel_call *call, join j, size_t item) {
  if (j.outer * j.width == 0) return TN_OK;
  switch (widen(&j, item)) {
    case 1: return tn_cuda_check(join_of<uint8_t>(call->device, j));
    case 2: return tn_cuda_check(join_of<uint16_t>(call->device, j));
    case 4: return tn_cuda_check(join_of<uint32_t>(call->device, j));
    case 8: return tn_cuda_check(join_of<uint64_t>(call->device, j));
    default: return tn_cuda_check(join_of<pick_16>(call->device, j));
  }
}

/* `dim` of the result counts the parts' places; each input has sizes[dim] of them, or one where it
 * lacks the dimension: `stacked` inputs lack it wherever it is, others only behind their own. */
static tn_status join_all(tn_kernel_call *call, bool stacked) {
  const tn_view &out = call->out[0];
  const size_t item = tn_item_size(out.dtype);
  int64_t inner = 1, done = 0;
  if (tn_view_count(out) == 0) return TN_OK; /* of nothing there may be no dimension either */
  const int dim = call->dim;
  join j = {};
  j.out = out.data;
  j.outer = 1;
  for (int d = 0; d < dim; d++) j.outer *= out.sizes[d];
  for (int d = dim + 1; d < out.ndim; d++) inner *= out.sizes[d];
  if (out.ndim > 0) j.row = inner * out.sizes[dim];
  tn_status s = TN_OK;
  for (int i = 0; i < call->nin && s == TN_OK; i++) {
    tn_view in = call->in[i], to = out;
    if (!stacked && in.ndim == 1 && in.sizes[0] == 0) continue;
    const int64_t size = stacked || dim >= in.ndim ? 1 : in.sizes[dim];
    if (tn_view_count(in) > 0 && in.data != nullptr && in.dtype == out.dtype &&
        tn_view_contiguous(in)) {
      j.first[j.count] = j.width;
      j.parts[j.count++] = {in.data, size * inner, done * inner};
      j.width += size * inner;
      if (j.count == PARTS) {
        s = join_now(call, j, item);
        j.count = 0;
        j.width = 0;
      }
    } else if (tn_view_count(in) > 0) {
      if (stacked) { /* the new dimension as one of size 1 */
        for (int d = in.ndim; d > dim; d--) {
          in.sizes[d] = in.sizes[d - 1];
          in.strides[d] = in.strides[d - 1];
        }
        in.sizes[dim] = 1;
        in.strides[dim] = 0;
        in.ndim++;
      }
      for (; in.ndim < out.ndim; in.ndim++) in.sizes[in.ndim] = 1, in.strides[in.ndim] = 0;
      to.sizes[dim] = size;
      to.data = static_cast<char *>(out.data) + (size_t)(done * out.strides[dim]) * item;
      tn_kernel_call move = *call;
      move.nin = 1;
      move.in = &in;
      move.out = &to;
      s = tn_cuda_move(&move);
    }
    done += size;
  }
  return s == TN_OK && j.count > 0 ? join_now(call, j, item) : s;
}

extern "C" tn_status tn_cuda_cat(tn_kernel_call *call) { return join_all(call, false); }
extern "C" tn_status tn_cuda_stack(tn_kernel_call *call) { return join_all(call, true); }
