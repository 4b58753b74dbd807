/* emulator.h -- CUDA C++ for a plain C++ compiler: the kernels of cuda/ run on the CPU, thread by
 * thread, so that their arithmetic is tested where there is no GPU.
 *
 * The threads of a block are coroutines of one thread of the host. They run in turn, each until it
 * waits (__syncthreads, a shuffle), so shared memory is one static variable, and atomic operations
 * are plain ones. A barrier that not all threads reach ends the program with a message, where a GPU
 * would hang. What is not shown here: races between threads that do not wait for each other, and
 * speed. */
#ifndef EMULATOR_H
#define EMULATOR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>

#include "cuda_runtime_api.h"

extern "C" void *tn_cuda_stream(void);

#define __global__
#define __host__
#define __device__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline
#undef __noinline__
#define __noinline__
#define __launch_bounds__(...)
#define __restrict__
#define __shared__ static

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct uint4 { unsigned x, y, z, w; };
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };

/* -- who runs ---------------------------------------------------------------------------------- */

extern dim3 emulated_thread, emulated_block, emulated_blocks, emulated_threads;
#define threadIdx emulated_thread
#define blockIdx emulated_block
#define gridDim emulated_blocks
#define blockDim emulated_threads
enum { warpSize = 32 };

/* The host may touch the memory of devices while one of these lives. */
struct device_memory {
  device_memory();
  ~device_memory();
};

/* Runs body(context) once for each thread of each block. */
cudaError_t emulate(unsigned blocks, unsigned threads, size_t shared, void (*body)(void *context),
                    void *context);
/* Work of a stream: done now, or at each replay where the stream is being captured. What stands for
 * one of CUDA's libraries wraps what it does in it: emulated_work(tn_cuda_stream(), [=] { ... }). */
cudaError_t emulated_work(void *stream, std::function<cudaError_t()> work);
void *emulated_shared(void);

/* Waits until all threads of the block are here. */
void emulated_barrier(void);
/* Gives 8 bytes to the other threads of the warp and takes those of `lane`, or of `lane` of its own
 * where that is out of range. */
uint64_t emulated_exchange(uint64_t mine, int lane);
int emulated_lane(void);

#define __syncthreads() emulated_barrier()
static inline void __syncwarp(unsigned mask = ~0u) { (void)mask, emulated_exchange(0, 0); }
static inline void __threadfence() {}

int emulated_count(bool predicate); /* of the block's threads */
static inline int __syncthreads_or(int predicate) { return emulated_count(predicate != 0) > 0; }
static inline int __syncthreads_count(int predicate) { return emulated_count(predicate != 0); }

template <typename T> static inline T emulated_from(T value, int lane) {
  static_assert(sizeof(T) <= 8, "shuffles move 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = emulated_exchange(bits, lane);
  memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T> static inline T __shfl_sync(unsigned, T v, int lane) {
  return emulated_from(v, lane);
}
template <typename T> static inline T __shfl_down_sync(unsigned, T v, unsigned by) {
  return emulated_from(v, emulated_lane() + (int)by);
}
template <typename T> static inline T __shfl_up_sync(unsigned, T v, unsigned by) {
  return emulated_from(v, emulated_lane() - (int)by);
}
template <typename T> static inline T __shfl_xor_sync(unsigned, T v, int mask) {
  return emulated_from(v, emulated_lane() ^ mask);
}
static inline unsigned __ballot_sync(unsigned, int predicate) {
  unsigned votes = 0;
  for (int lane = 0; lane < warpSize; lane++)
    votes |= (unsigned)(__shfl_sync(~0u, predicate != 0, lane) != 0) << lane;
  return votes;
}

/* -- launching --------------------------------------------------------------------------------- */

template <typename... P, typename... A>
static inline cudaError_t tn_launch(void (*kernel)(P...), uint64_t blocks, int threads,
                                    size_t shared, A... arguments) {
  struct call_type {
    void (*kernel)(P...);
    std::tuple<P...> arguments;
  };
  auto call = std::make_shared<call_type>(
      call_type{kernel, std::tuple<P...>(static_cast<P>(arguments)...)});
  return emulated_work(tn_cuda_stream(), [=] {
    return emulate((unsigned)blocks, (unsigned)threads, shared, [](void *context) {
      call_type *c = static_cast<call_type *>(context);
      std::apply(c->kernel, c->arguments);
    }, call.get());
  });
}

/* A kernel as an address: what copies the arguments that such a launch points to. */
struct emulated_address { std::function<void()> (*bind)(void **arguments); };
template <auto K> struct emulated_kernel;
template <typename... P, void (*K)(P...)> struct emulated_kernel<K> {
  template <size_t... I> static std::function<void()> copy(void **a, std::index_sequence<I...>) {
    return [copies = std::tuple<P...>(*static_cast<P *>(a[I])...)] { std::apply(K, copies); };
  }
  static std::function<void()> bind(void **arguments) {
    return copy(arguments, std::index_sequence_for<P...>());
  }
  static constexpr emulated_address address = {bind};
};
#define TN_KERNEL_ADDRESS(...) ((const void *)&emulated_kernel<__VA_ARGS__>::address)
static inline cudaError_t tn_launch_address(const void *kernel, uint64_t blocks, int threads,
                                            void **arguments) {
  auto call = static_cast<const emulated_address *>(kernel)->bind(arguments);
  return emulated_work(tn_cuda_stream(), [=]() mutable {
    return emulate((unsigned)blocks, (unsigned)threads, 0, [](void *context) {
      (*static_cast<std::function<void()> *>(context))();
    }, &call);
  });
}
#define TN_SHARED_BYTES(type, name) type *const name = static_cast<type *>(emulated_shared())

/* -- functions --------------------------------------------------------------------------------- */

static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline float __ldg(const float *p) { return *p; }
static inline uint64_t __umul64hi(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide;
  return (uint64_t)((wide)a * b >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
double erfinv(double x);
static inline float erfinvf(float x) { return (float)erfinv((double)x); }

template <typename T> static inline T atomicAdd(T *at, T value) {
  T old = *at;
  *at = old + value;
  return old;
}
template <typename T> static inline T atomicMax(T *at, T value) {
  T old = *at;
  if (value > old) *at = value;
  return old;
}
template <typename T> static inline T atomicMin(T *at, T value) {
  T old = *at;
  if (value < old) *at = value;
  return old;
}
template <typename T> static inline T atomicExch(T *at, T value) {
  T old = *at;
  *at = value;
  return old;
}
template <typename T> static inline T atomicCAS(T *at, T expected, T value) {
  T old = *at;
  if (old == expected) *at = value;
  return old;
}

#endif
