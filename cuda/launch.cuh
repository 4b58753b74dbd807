/* launch.cuh -- how kernels are started, and what they share: the only words of CUDA C++ that a
 * plain C++ compiler has no way to read. spec/cuda/emulated has the same for the CPU, where the
 * kernels of this folder are tested when there is no GPU. */
#ifndef TN_CUDA_LAUNCH_CUH
#define TN_CUDA_LAUNCH_CUH

#include "cuda/device.h"

#ifdef TN_CUDA_EMULATED
#include "emulator.h"
#else

/* Starts kernel(arguments...) on the thread's stream, with `shared` bytes of shared
 * memory beyond what the kernel declares. */
template <typename... P, typename... A>
static inline cudaError_t tn_launch(void (*kernel)(P...), uint64_t blocks, int threads,
                                    size_t shared, A... arguments) {
  kernel<<<dim3((unsigned)blocks), dim3(threads), shared,
           static_cast<cudaStream_t>(tn_cuda_stream())>>>(static_cast<P>(arguments)...);
  return cudaGetLastError();
}

/* The same of a kernel as an address without a type, and of pointers to its arguments. */
#define TN_KERNEL_ADDRESS(...) ((const void *)__VA_ARGS__)
static inline cudaError_t tn_launch_address(const void *kernel, uint64_t blocks, int threads,
                                            void **arguments) {
  return cudaLaunchKernel(kernel, dim3((unsigned)blocks), dim3(threads), arguments, 0,
                          static_cast<cudaStream_t>(tn_cuda_stream()));
}

/* The shared memory of the launch, as elements of a type, aligned to 16 bytes. */
#define TN_SHARED_BYTES(type, name)                                                               \
  extern __shared__ uint4 tn_shared_bytes[];                                                      \
  type *const name = reinterpret_cast<type *>(tn_shared_bytes)

#endif

/* Notes that an index is not one of 0 ... count - 1. */
__device__ static inline void tn_note_fault(tn_fault *f, int code, int64_t value, int64_t count) {
  if (atomicCAS(&f->code, 0, code + 1) != 0) return;
  f->value = value;
  f->count = count;
}

/* Notes that a number is not one that the operation can work with. */
__device__ static inline void tn_note_bad_value(tn_fault *f, int code) {
  tn_note_fault(f, code, 0, -1);
}

#endif
