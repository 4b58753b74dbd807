/* device.h -- what the files of the plug-in share. C and CUDA C++ both include it. */
#ifndef TN_CUDA_DEVICE_H
#define TN_CUDA_DEVICE_H

#include "tensor/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* TN_OK, or the status of a cudaError_t, whose text message() then gives. */
tn_status tn_cuda_check(int error);
/* `status`, with this text as message(). */
tn_status tn_cuda_fail(tn_status status, const char *what);
/* TN_EARG, for an argument that no kernel can work with. */
tn_status tn_cuda_refuse(const char *what, double value);
/* Makes `device` this thread's, and tells which one was: the host may use CUDA itself. Kernels are
 * called with theirs entered. */
tn_status tn_cuda_enter(int device, int *before);
void tn_cuda_leave(int device, int before);
/* The stream on which this thread's work on its device goes: a cudaStream_t. */
void *tn_cuda_stream(void);

/* What a kernel found wrong in values that only the device has, such as an index out of range: it
 * notes the first of them, leaves the element alone, and goes on. The next call that waits for the
 * device tells, with the operation's name, and the device stays usable. Memory of the host that the
 * device reaches. */
typedef struct {
  int code; /* 1 + the operation's; 0: nothing is wrong */
  long long value, count; /* the index, counted from 0, and how many there are */
} tn_fault;
/* The device's; NULL: there is no memory for it, and message() says so. */
tn_fault *tn_cuda_fault(int device);

/* Blocks of threads that fill a device, for kernels that step through any number of elements. */
int tn_cuda_blocks(int device, uint64_t threads, int block);

/* Memory on the device, in the order of the thread's stream: a kernel may free its work space as soon
 * as it has been launched. */
tn_status tn_cuda_alloc(int device, size_t bytes, void **out);
void tn_cuda_free(int device, void *data);
tn_status tn_cuda_read(int device, void *host, const void *from, size_t bytes);
/* A table that a kernel needs and the host has made, which may go as soon as this returns. Captured
 * graphs keep a copy. */
tn_status tn_cuda_upload(int device, void *to, const void *host, size_t bytes);

/* What is added to the seed and offset of a call whose kernel a graph captures, on the device, and how
 * often the graph has been replayed before: it changes with every replay. NULL outside of a capture.
 * Kernels that draw random numbers take tn_random_of(call) (cuda/philox.cuh); those that are told the
 * number of a step, as adam_step is, add `runs` to it. They set call->replayable. */
typedef struct { uint64_t seed, offset, runs; } tn_random_shift;
const tn_random_shift *tn_cuda_random_shift(void);

/* move.cu */
tn_device_kernel tn_cuda_move;
tn_status tn_cuda_has_zero(int device, const tn_view *integers, bool *found);

/* Kernels and fused gradients of operations: cuda/kernels.def lists them, and each stands in a file
 * of cuda/ops/ (or of cuda/). */
#define TN_CUDA_KERNEL(name) tn_device_kernel tn_cuda_##name;
#define TN_CUDA_GRADIENT(name) tn_device_kernel tn_cuda_##name##_gradient;
#include "cuda/kernels.def"
#undef TN_CUDA_KERNEL
#undef TN_CUDA_GRADIENT

#ifdef __cplusplus
}
#endif
#endif
