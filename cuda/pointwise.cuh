/* pointwise.cuh -- the rows of pointwise.def as CUDA kernels. pointwise_f32.cu, pointwise_f64.cu
 * and pointwise_i64.cu include it, each for the type T that it calculates in, so that they compile
 * side by side: they set T, SUFFIX, HAS_FLOAT and PACKED (whether `plain` exists).
 *
 * A row becomes a structure whose apply() is its expression, and an extern "C" function that
 * launches one of two kernels: `plain` moves 16 bytes at a time through contiguous memory of type
 * T; `general` reads and writes any dtype, stride and broadcast. */
#include "cuda/device.h"
#include "cuda/elements.cuh"
#include "cuda/indexing.h"
#include "cuda/launch.cuh"
#include "cuda/pointwise_math.cuh"
#include "tensor/cpu/pointwise_language.h"

#define ADD(a, b) op_add<T>((a), (b))
#define SUB(a, b) op_sub<T>((a), (b))
#define MUL(a, b) op_mul<T>((a), (b))
#define DIV(a, b) op_div<T>((a), (b))
#define NEG(a) op_neg<T>(a)
#define FN(f, x) fn_##f(x)
#define FN2(f, x, y) fn_##f(x, y)
#define C(v) ((T)(v))
#define P0 p0
#define P1 p1

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)

/* The files have rows and kernels of the same names, which the linker must not take for one. */
namespace PASTE(pointwise, SUFFIX) {

enum { BLOCK = 256 };

struct results {
  void *out;
  int32_t dtype;
  T p0, p1; /* parameters */
};

template <int N> struct operands {
  operand<T> in[N];
  results to;
};

template <class Row>
__global__ void __launch_bounds__(BLOCK) general(const __grid_constant__ tn_positions index,
                                                 const __grid_constant__ operands<Row::inputs> a) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
#pragma unroll 1
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < index.count; i += step) {
    int64_t at[Row::inputs + 1];
    T v[Row::inputs];
    tn_index_at(&index, i, Row::inputs + 1, at);
#pragma unroll
    for (int k = 0; k < Row::inputs; k++) v[k] = Row::reads(k) ? fetch(a.in[k], at[k + 1]) : T(0);
    store<typename Row::result>(a.to.out, a.to.dtype, at[0], Row::apply(v, a.to.p0, a.to.p1));
  }
}

template <typename E, int W> struct alignas(sizeof(E) * W) pack {
  E e[W];
};

/* `packs` groups of W elements; the `left` ones behind them go one by one. */
template <class Row>
__global__ void __launch_bounds__(BLOCK) plain(uint64_t packs, int left, operands<Row::inputs> a) {
  constexpr int W = 16 / sizeof(T), N = Row::inputs;
  typedef typename Row::result R;
  const uint64_t step = (uint64_t)gridDim.x * BLOCK;
  const uint64_t first = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
  T still[N];
#pragma unroll
  for (int k = 0; k < N; k++) {
    still[k] = a.in[k].data == nullptr ? a.in[k].number : *static_cast<const T *>(a.in[k].data);
  }
#pragma unroll 1
  for (uint64_t i = first; i < packs; i += step) {
    pack<T, W> x[N];
    pack<R, W> y;
#pragma unroll
    for (int k = 0; k < N; k++) {
      if (!Row::reads(k)) continue;
      if (!a.in[k].still) x[k] = static_cast<const pack<T, W> *>(a.in[k].data)[i];
      else for (int w = 0; w < W; w++) x[k].e[w] = still[k];
    }
#pragma unroll
    for (int w = 0; w < W; w++) {
      T v[N];
      for (int k = 0; k < N; k++) v[k] = Row::reads(k) ? x[k].e[w] : T(0);
      y.e[w] = Row::apply(v, a.to.p0, a.to.p1);
    }
    static_cast<pack<R, W> *>(a.to.out)[i] = y;
  }
  if (first < (uint64_t)left) {
    const uint64_t i = packs * W + first;
    T v[N];
    for (int k = 0; k < N; k++) {
      bool single = a.in[k].still || !Row::reads(k);
      v[k] = single ? still[k] : static_cast<const T *>(a.in[k].data)[i];
    }
    static_cast<R *>(a.to.out)[i] = Row::apply(v, a.to.p0, a.to.p1);
  }
}

/* Elements of 8 bytes move well enough one at a time: they do without a second kernel. */
#if PACKED
#define PLAIN(Row) TN_KERNEL_ADDRESS(plain<Row>)
#else
#define PLAIN(Row) nullptr
#endif

static inline bool aligned(const void *p, size_t bytes) { return (uintptr_t)p % bytes == 0; }

/* What the host side has to know of a row: so that its code exists once, not once per row. */
struct row {
  int inputs;
  unsigned reads; /* bit k: it reads input k */
  int32_t result;
  size_t result_size;
  const void *plain, *general; /* kernels; plain may be NULL */
};

/* May `plain` run? All operands of type T and in the order of the positions, or repeated. */
static bool is_plain(const row &r, const tn_positions &index, operand<T> *in, const void *out,
                     int32_t out_dtype) {
  if (r.plain == nullptr || out_dtype != r.result || !tn_index_is_plain(&index, 0)) return false;
  if (!aligned(out, 16 / sizeof(T) * r.result_size)) return false;
  for (int k = 0; k < r.inputs; k++) {
    operand<T> *o = &in[k];
    o->still = o->data == nullptr || tn_index_is_still(&index, k + 1);
    if (o->data != nullptr && o->dtype != dtype_of<T>::value) return false;
    if (o->still) continue;
    if (!tn_index_is_plain(&index, k + 1) || !aligned(o->data, 16)) return false;
  }
  return true;
}

/* A parameter may be any double. */
static inline float parameter(double v, float) { return (float)v; }
static inline double parameter(double v, double) { return v; }
static inline int64_t parameter(double v, int64_t) {
  return v >= 0x1p63 ? INT64_MAX : v > -0x1p63 ? (int64_t)v : v == v ? INT64_MIN : 0;
}

/* Fills the arguments, whose operands begin at `in`, and launches the kernel that suits them. */
static tn_status launch(const row &r, tn_kernel_call *call, void *arguments, operand<T> *in,
                        results *to) {
  tn_positions index;
  tn_index_make_as_lies(&index, &call->out[0], call->in, r.inputs);
  if (index.count == 0) return TN_OK;
  for (int k = 0; k < r.inputs; k++) {
    in[k] = operand_of<T>(call->in[k]);
    if (!(r.reads >> k & 1)) in[k].data = nullptr;
  }
  to->out = call->out[0].data;
  to->dtype = call->out[0].dtype;
  to->p0 = parameter(call->attrs->f[0], T());
  to->p1 = parameter(call->attrs->f[1], T());
  uint64_t packs = index.count / (16 / sizeof(T));
  int left = (int)(index.count % (16 / sizeof(T)));
  void *of_plain[] = {&packs, &left, arguments}, *of_general[] = {&index, arguments};
  bool fast = is_plain(r, index, in, to->out, to->dtype);
  int blocks = tn_cuda_blocks(call->device, fast ? packs + 1 : index.count, BLOCK);
  return tn_cuda_check(tn_launch_address(fast ? r.plain : r.general, blocks, BLOCK,
                                         fast ? of_plain : of_general));
}

template <class Row> static inline tn_status run_row(tn_kernel_call *call) {
  unsigned reads = 0;
  operands<Row::inputs> a;
  for (int k = 0; k < Row::inputs; k++) reads |= (unsigned)Row::reads(k) << k;
  const row r = {Row::inputs, reads, dtype_of<typename Row::result>::value,
                 sizeof(typename Row::result), PLAIN(Row), TN_KERNEL_ADDRESS(general<Row>)};
  return launch(r, call, &a, a.in, &a.to);
}

/* -- The rows ---------------------------------------------------------------------------------- */

#define ENTRY(name)                                                                               \
  extern "C" tn_status PASTE(tn_cuda_##name, SUFFIX)(tn_kernel_call * call) {                     \
    return run_row<run_##name>(call);                                                             \
  }
#define GRAD_ENTRY(name, k)                                                                       \
  extern "C" tn_status PASTE(tn_cuda_##name##_grad_##k, SUFFIX)(tn_kernel_call * call) {          \
    return run_row<grad_##name##_##k>(call);                                                      \
  }

#define APPLY __device__ static inline result apply(const T *v, T p0, T p1)
#define UNUSED (void)a, (void)b, (void)c, (void)p0, (void)p1

#define RUN_ROW(name, count, result_type, expression)                                             \
  struct run_##name {                                                                             \
    typedef result_type result;                                                                   \
    enum { inputs = count };                                                                      \
    __host__ __device__ static constexpr bool reads(int) { return true; }                         \
    APPLY {                                                                                       \
      const T a = v[0], b = v[count > 1 ? 1 : 0], c = v[count > 2 ? 2 : 0], x = a;                \
      UNUSED, (void)x;                                                                            \
      return static_cast<result>(expression);                                                     \
    }                                                                                             \
  };                                                                                              \
  ENTRY(name)

/* {d, a, b, c, y}: `saves` tells which of them the derivatives of a row read. */
#define GRAD_ROW(name, k, saves, expression)                                                      \
  struct grad_##name##_##k {                                                                      \
    typedef T result;                                                                             \
    enum { inputs = 5 };                                                                          \
    __host__ __device__ static constexpr bool reads(int i) {                                      \
      return i == 0 || ((saves) >> (i - 1) & 1);                                                  \
    }                                                                                             \
    APPLY {                                                                                       \
      const T d = v[0], a = v[1], b = v[2], c = v[3], y = v[4], x = a;                            \
      UNUSED, (void)d, (void)x, (void)y;                                                          \
      return static_cast<result>(expression);                                                     \
    }                                                                                             \
  };                                                                                              \
  GRAD_ENTRY(name, k)

#define SA 1
#define SB 2
#define SC 4
#define SY 8

#define RESULT_NUM T
#define RESULT_FLT T
#define RESULT_CMP uint8_t
#define RESULT_BIT T
#define RESULT_RNUM T
#define RESULT_RFLT T
#define RESULT_RCMP uint8_t
#define RESULT_TRG T

/* Which kinds have a kernel, and which a derivative, in this type. */
#define HAVE_NUM(...) __VA_ARGS__
#define HAVE_CMP(...) __VA_ARGS__
#define GRAD_CMP(...)
#define GRAD_BIT(...)
#define HAVE_RNUM HAVE_NUM
#define HAVE_RCMP HAVE_CMP
#define HAVE_RFLT HAVE_FLT
#define HAVE_TRG HAVE_FLT
#define GRAD_RNUM GRAD_NUM
#define GRAD_RFLT GRAD_FLT
#define GRAD_TRG GRAD_FLT
#define GRAD_RCMP GRAD_CMP
#if HAS_FLOAT
#define HAVE_FLT(...) __VA_ARGS__
#define HAVE_BIT(...)
#define GRAD_NUM(...) __VA_ARGS__
#define GRAD_FLT(...) __VA_ARGS__
#else
#define HAVE_FLT(...)
#define HAVE_BIT(...) __VA_ARGS__
#define GRAD_NUM(...)
#define GRAD_FLT(...)
#endif

#define TN_UNARY(name, kind, saves, low, high, aliases, args, forward, da, onnx, doc)             \
  HAVE_##kind(RUN_ROW(name, 1, RESULT_##kind, forward))                                           \
  GRAD_##kind(GRAD_ROW(name, a, saves, da))
#define TN_BINARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,   \
                  da, db, onnx, doc)                                                              \
  HAVE_##kind(RUN_ROW(name, 2, RESULT_##kind, forward))                                           \
  GRAD_##kind(GRAD_ROW(name, a, saves, da) GRAD_ROW(name, b, saves, db))
#define TN_TERNARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,  \
                   da, db, dc, onnx, doc)                                                         \
  HAVE_##kind(RUN_ROW(name, 3, RESULT_##kind, forward))                                           \
  GRAD_##kind(GRAD_ROW(name, a, saves, da) GRAD_ROW(name, b, saves, db)                           \
              GRAD_ROW(name, c, saves, dc))
#include "tensor/pointwise.def"

}
