/* recurrent.cu -- recurrent layers, whole sequences at a time: tensor/ops/recurrent.c says what is
 * calculated. What does not depend on the step before are large products: the input's part of all
 * steps, and on the way back the gradients of the input and the weights. The steps themselves are
 * recurrent_steps.cu. float16 and bfloat16 are calculated in float32. */
#include "cuda/items.h"
#include "cuda/ops/recurrent.cuh"

enum { X, W_IH, W_HH, H0, C0, LENGTHS, B_IH, B_HH, INPUTS, THREADS = 256 };

static cudaStream_t stream() { return static_cast<cudaStream_t>(tn_cuda_stream()); }

static int64_t count_of(const tn_view &v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; d++) n *= v.sizes[d];
  return n;
}

static bool is_plain(const tn_view &v) {
  int64_t step = 1;
  for (int d = v.ndim - 1; d >= 0; d--) {
    if (v.sizes[d] != 1 && v.strides[d] != step) return false;
    step *= v.sizes[d];
  }
  return true;
}

static tn_view plain_view(const tn_view &of, int32_t dtype, void *data) {
  tn_view v = of;
  int64_t step = 1;
  v.dtype = dtype;
  v.data = data;
  for (int d = v.ndim - 1; d >= 0; d--) {
    v.strides[d] = step;
    step *= v.sizes[d];
  }
  return v;
}

static tn_view matrix_view(int32_t dtype, void *data, int64_t rows, int64_t columns, int64_t step) {
  tn_view v = {};
  v.dtype = dtype;
  v.ndim = 2;
  v.data = data;
  v.sizes[0] = rows;
  v.sizes[1] = columns;
  v.strides[0] = step;
  v.strides[1] = 1;
  return v;
}

static tn_status move_view(int device, const tn_view &from, tn_view to) {
  tn_kernel_call k = {};
  k.code = TN_OP_copy;
  k.device = device;
  k.nin = k.nout = 1;
  k.in = &from;
  k.out = &to;
  return tn_cuda_move(&k);
}

/* -- Small kernels ----------------------------------------------------------------------------- */

/* Steps of each row, of any type of whole numbers; those out of range are noted. */
__global__ void __launch_bounds__(THREADS)
    read_lengths(const void *from, int32_t dtype, int64_t step, int64_t *to, int batch, int time,
                 int code, tn_fault *fault) {
  for (int b = blockIdx.x * THREADS + threadIdx.x; b < batch; b += gridDim.x * THREADS) {
    const int64_t n = load<int64_t>(from, dtype, b * step);
    if (n < 1 || n > time) tn_note_fault(fault, code, n - 1, time);
    to[b] = n < 1 ? 1 : n > time ? time : n;
  }
}

/* The sums of columns: a block takes 32 of them, its warps some rows each. */
template <typename T>
__global__ void __launch_bounds__(THREADS) sum_columns(const T *from, int64_t rows, int64_t step,
                                                       int columns, T *to) {
  __shared__ T parts[THREADS / 32][33];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, column = blockIdx.x * 32 + lane;
  T sum = 0;
  for (int64_t r = warp; column < columns && r < rows; r += THREADS / 32)
    sum += from[r * step + column];
  parts[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= columns) return;
  for (int w = 1; w < THREADS / 32; w++) sum += parts[w][lane];
  to[column] = sum;
}

/* What went into the gates of each row's first step, where that differs from row to row. */
template <typename T>
__global__ void __launch_bounds__(THREADS) first_gates(recurrent<T> r, T *to) {
  const int64_t each = (int64_t)r.kept * r.hidden, n = r.batch * each;
  for (int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x; at < n;
       at += (int64_t)gridDim.x * THREADS) {
    to[at] = r.dgates[(r.lengths[at / each] - 1) * n + at];
  }
}

/* -- Inputs and results ------------------------------------------------------------------------ */

/* What a call takes of the device's memory, until it ends. */
struct scratch {
  int device, count = 0;
  void *blocks[24];
  tn_status status = TN_OK;
  bool tf32;
  explicit scratch(const tn_kernel_call *call) : device(call->device), tf32(call->tf32) {}
  ~scratch() {
    while (count > 0) tn_cuda_free(device, blocks[--count]);
  }
  void *take(size_t bytes) {
    void *p = nullptr;
    if (status == TN_OK) status = tn_cuda_alloc(device, bytes, &p);
    if (status == TN_OK) blocks[count++] = p;
    return p;
  }
};

/* The values of a view, contiguous and of one type; NULL where there are none. */
template <typename T> static const T *values(scratch *s, const tn_view &v) {
  if (v.ndim < 0 || s->status != TN_OK) return nullptr;
  if (v.dtype == dtype_of<T>::value && is_plain(v)) return static_cast<const T *>(v.data);
  const int64_t n = count_of(v);
  void *p = s->take((size_t)n * sizeof(T));
  if (s->status == TN_OK && n > 0) {
    s->status = move_view(s->device, v, plain_view(v, dtype_of<T>::value, p));
  }
  return static_cast<const T *>(p);
}

/* Where a result is made, which `deliver` then brings to its place. */
template <typename T> static T *place_for(scratch *s, const tn_view &v) {
  if (v.dtype == dtype_of<T>::value) return static_cast<T *>(v.data);
  return static_cast<T *>(s->take((size_t)count_of(v) * sizeof(T)));
}

template <typename T> static void deliver(scratch *s, const tn_view &to, const T *made) {
  if (s->status != TN_OK || to.data == made || count_of(to) == 0) return;
  s->status = move_view(s->device, plain_view(to, dtype_of<T>::value, const_cast<T *>(made)), to);
}

static void zero(scratch *s, void *data, size_t bytes) {
  if (s->status == TN_OK && bytes > 0)
    s->status = tn_cuda_check(cudaMemsetAsync(data, 0, bytes, stream()));
}

static const int64_t *lengths_of(scratch *s, const tn_view &v, int time, tn_opcode code) {
  if (v.ndim < 0 || s->status != TN_OK) return nullptr;
  if (v.dtype == TN_BOOL || v.dtype >= TN_F16) {
    s->status = tn_cuda_fail(TN_EDTYPE, "lengths are whole numbers");
    return nullptr;
  }
  const int batch = (int)v.sizes[0];
  int64_t *to = static_cast<int64_t *>(s->take((size_t)batch * sizeof(int64_t)));
  tn_fault *fault = tn_cuda_fault(s->device);
  if (fault == nullptr) s->status = TN_ENOMEM;
  if (s->status != TN_OK) return nullptr;
  s->status = tn_cuda_check(
      tn_launch(read_lengths, tn_cuda_blocks(s->device, (uint64_t)batch, THREADS), THREADS, 0,
                v.data, v.dtype, v.strides[0], to, batch, time, (int)code, fault));
  return to;
}

static int64_t attribute(const tn_attrs *attrs, int k) {
  return k < attrs->ni && attrs->i[k] != TN_NONE ? attrs->i[k] : 0;
}

/* in: in the order of the row. */
template <typename T>
static recurrent<T> read_layer(scratch *s, const tn_kernel_call *call, const tn_view *in) {
  recurrent<T> r = {};
  r.kind = (recurrent_kind)attribute(call->attrs, 0);
  r.reverse = attribute(call->attrs, 1) != 0;
  r.device = call->device;
  r.gates = r.kind == LSTM ? 4 : r.kind == GRU ? 3 : 1;
  r.kept = r.kind == LSTM || r.kind == GRU ? 4 : 1;
  r.time = (int)in[X].sizes[0];
  r.batch = (int)in[X].sizes[1];
  r.in = in[W_IH].ndim < 0 ? 0 : (int)in[X].sizes[2];
  r.hidden = (int)in[W_HH].sizes[1];
  if (r.batch == 0) return r;
  r.lengths = lengths_of(s, in[LENGTHS], r.time, call->code);
  r.w_hh = values<T>(s, in[W_HH]);
  r.h0 = values<T>(s, in[H0]);
  r.c0 = values<T>(s, in[C0]);
  return r;
}

/* c = op(a) op(b), or added to it. */
template <typename T>
static void multiply(scratch *s, bool turned_a, bool turned_b, int64_t m, int64_t n, int64_t k,
                     const T *a, int64_t lda, const T *b, int64_t ldb, bool add, T *c,
                     int64_t ldc) {
  if (s->status != TN_OK) return;
  s->status = tn_cuda_recurrent_product<T>(
      {s->device, s->tf32, turned_a, turned_b, add, m, n, k, a, b, c, lda, ldb, ldc});
}

/* -- The way there ----------------------------------------------------------------------------- */

template <typename T> static tn_status forward(tn_kernel_call *call) {
  const tn_view *in = call->in, none = {nullptr, 0, 0, 0, -1, {}, {}};
  scratch s(call);
  recurrent<T> r = read_layer<T>(&s, call, in);
  if (r.batch == 0) return s.status;
  const int64_t rows = (int64_t)r.time * r.batch, all = (int64_t)r.gates * r.hidden;
  r.b_ih = values<T>(&s, call->nin > B_IH ? in[B_IH] : none);
  r.b_hh = values<T>(&s, call->nin > B_HH ? in[B_HH] : none);
  const T *x = values<T>(&s, in[X]);
  r.sums = x;
  if (in[W_IH].ndim >= 0) {
    const T *w_ih = values<T>(&s, in[W_IH]);
    T *sums = static_cast<T *>(s.take((size_t)(rows * all) * sizeof(T)));
    multiply(&s, false, true, rows, all, (int64_t)r.in, x, (int64_t)r.in, w_ih, (int64_t)r.in,
             false, sums, all);
    r.sums = sums;
  }
  r.keep = count_of(call->out[2]) > 0 || count_of(call->out[1]) > (int64_t)r.batch * r.hidden;
  r.out = place_for<T>(&s, call->out[0]);
  r.cells = static_cast<T *>(call->out[1].data);
  r.kept_gates = count_of(call->out[2]) > 0 ? static_cast<T *>(call->out[2].data) : nullptr;
  if (s.status == TN_OK) s.status = tn_cuda_recurrent_steps(r, false);
  deliver(&s, call->out[0], r.out);
  return s.status;
}

static tn_status run(tn_kernel_call *call) {
  return call->in[X].dtype == TN_F64 ? forward<double>(call) : forward<float>(call);
}

/* -- The way back ------------------------------------------------------------------------------ */

/* dw_hh: the states before each step, turned, times what went into its gates; a first step's states
 * came from outside. */
template <typename T> static void hidden_weights(scratch *s, const recurrent<T> &r, T *dw) {
  const int64_t hidden = r.hidden, kept = r.kept * hidden, rows = (int64_t)(r.time - 1) * r.batch;
  const int64_t step = (int64_t)r.batch * kept, own = (int64_t)r.batch * hidden;
  const T *gates = r.reverse ? r.dgates : r.dgates + step,
          *before = r.reverse ? r.out + own : r.out;
  const T *firsts = r.reverse ? r.dgates + (int64_t)(r.time - 1) * step : r.dgates;
  if (r.h0 != nullptr && r.reverse && r.lengths != nullptr) {
    T *to = static_cast<T *>(s->take((size_t)step * sizeof(T)));
    firsts = to;
    if (s->status == TN_OK) {
      s->status = tn_cuda_check(tn_launch(
          first_gates<T>, tn_cuda_blocks(s->device, (uint64_t)step, THREADS), THREADS, 0, r, to));
    }
  }
  /* a GRU's n comes from its fourth */
  const int64_t parts[2][3] = {{0, 0, r.kind == GRU ? 2 * hidden : kept},
                               {3 * hidden, 2 * hidden, hidden}};
  for (int p = 0; p < (r.kind == GRU ? 2 : 1); p++) {
    T *to = dw + parts[p][1] * hidden;
    multiply(s, true, false, parts[p][2], hidden, rows, gates + parts[p][0], kept, before, hidden,
             false, to, hidden);
    if (r.h0 == nullptr) continue;
    multiply(s, true, false, parts[p][2], hidden, (int64_t)r.batch, firsts + parts[p][0], kept,
             r.h0, hidden, true, to, hidden);
  }
}

template <typename T>
static void sum_gates(scratch *s, const recurrent<T> &r, int64_t from, int64_t columns, T *to) {
  if (s->status != TN_OK) return;
  s->status = tn_cuda_check(tn_launch(sum_columns<T>, (uint64_t)(columns + 31) / 32, THREADS, 0,
                                      r.dgates + from, (int64_t)r.time * r.batch,
                                      (int64_t)r.kept * r.hidden, columns, to));
}

template <typename T>
static void bias_gradients(scratch *s, const recurrent<T> &r, const tn_kernel_call *call,
                           int inputs) {
  const int64_t hidden = r.hidden, all = r.gates * hidden;
  for (int k = B_IH; k <= B_HH && k < inputs; k++) {
    if (!call->need[k]) continue;
    T *to = place_for<T>(s, call->out[k]);
    const bool parted = k == B_HH && r.kind == GRU;
    sum_gates(s, r, 0, parted ? 2 * hidden : all, to);
    if (parted) sum_gates(s, r, 3 * hidden, hidden, to + 2 * hidden);
    deliver(s, call->out[k], to);
  }
}

template <typename T>
static void input_gradients(scratch *s, const recurrent<T> &r, const tn_kernel_call *call,
                            const tn_view *in) {
  const int64_t rows = (int64_t)r.time * r.batch, all = (int64_t)r.gates * r.hidden;
  const int64_t kept = (int64_t)r.kept * r.hidden, n = r.in;
  if (call->need[W_IH]) {
    const T *x = values<T>(s, in[X]);
    T *to = place_for<T>(s, call->out[W_IH]);
    multiply(s, true, false, all, n, rows, r.dgates, kept, x, n, false, to, n);
    deliver(s, call->out[W_IH], to);
  }
  if (!call->need[X] || s->status != TN_OK) return;
  if (in[W_IH].ndim < 0) { /* x was multiplied already */
    const tn_view &to = call->out[X];
    s->status = move_view(s->device, matrix_view(dtype_of<T>::value, r.dgates, rows, all, kept),
                          matrix_view(to.dtype, to.data, rows, all, all));
    return;
  }
  const T *w_ih = values<T>(s, in[W_IH]);
  T *to = place_for<T>(s, call->out[X]);
  multiply(s, false, false, rows, n, all, r.dgates, kept, w_ih, n, false, to, n);
  deliver(s, call->out[X], to);
}

/* in: what arrived of the outputs and the cells, the inputs, outputs, cells and gates. */
template <typename T> static tn_status backward(tn_kernel_call *call) {
  const tn_view *arrived = call->in, *in = call->in + 3, *saved = call->in + call->nin - 3;
  const int inputs = call->nin - 6;
  scratch s(call);
  recurrent<T> r = read_layer<T>(&s, call, in);
  if (r.batch == 0) {
    for (int k = 0; k < inputs; k++) {
      if (call->need[k])
        zero(&s, call->out[k].data,
             (size_t)count_of(call->out[k]) * tn_item_size(call->out[k].dtype));
    }
    return s.status;
  }
  const size_t state = (size_t)r.batch * r.hidden * sizeof(T);
  r.keep = true;
  r.out = const_cast<T *>(values<T>(&s, saved[0]));
  r.cells = static_cast<T *>(saved[1].data);
  r.kept_gates = static_cast<T *>(saved[2].data);
  r.dout = values<T>(&s, arrived[0]);
  if (r.kind == LSTM) r.dcells = values<T>(&s, arrived[1]);
  r.dgates = static_cast<T *>(s.take((size_t)r.time * r.kept * state));
  r.carry = static_cast<T *>(s.take(state));
  zero(&s, r.carry, state);
  if (call->need[H0]) r.dh0 = place_for<T>(&s, call->out[H0]);
  if (s.status == TN_OK) s.status = tn_cuda_recurrent_steps(r, true);
  if (call->need[H0]) deliver(&s, call->out[H0], r.dh0);
  if (call->need[C0] && r.kind == LSTM) deliver(&s, call->out[C0], r.carry);
  if (call->need[W_HH]) {
    T *to = place_for<T>(&s, call->out[W_HH]);
    hidden_weights(&s, r, to);
    deliver(&s, call->out[W_HH], to);
  }
  input_gradients(&s, r, call, in);
  bias_gradients(&s, r, call, inputs);
  return s.status;
}

static tn_status go_back(tn_kernel_call *call) {
  return call->in[3 + X].dtype == TN_F64 ? backward<double>(call) : backward<float>(call);
}

#define LAYER(name)                                                                               \
  extern "C" tn_status tn_cuda_##name(tn_kernel_call *call) { return run(call); }                 \
  extern "C" tn_status tn_cuda_##name##_gradient(tn_kernel_call *call) { return go_back(call); }

LAYER(gru_layer_steps)
LAYER(lstm_layer_steps)
LAYER(rnn_layer_steps)
