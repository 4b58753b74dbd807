/* device.h -- what the files of the plug-in share. C and CUDA C++ both include it. */
#ifndef TN_CUDA_DEVICE_H
#define TN_CUDA_DEVICE_H

#include "tensor/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* TN_OK, or the status of a cudaError_t, whose text message() then gives. */
tn_status tn_cuda_check(int error);
/* TN_EARG, for an argument that no kernel can work with. */
tn_status tn_cuda_refuse(const char *what, double value);
/* Makes `device` this thread's, and tells which one was: the host may use CUDA itself. */
tn_status tn_cuda_enter(int device, int *before);
void tn_cuda_leave(int device, int before);
/* Blocks of threads that fill a device, for kernels that step through any number of elements. */
int tn_cuda_blocks(int device, uint64_t threads, int block);

/* Memory on the device, in the order of its default stream. */
tn_status tn_cuda_alloc(int device, size_t bytes, void **out);
void tn_cuda_free(int device, void *data);
tn_status tn_cuda_read(int device, void *host, const void *from, size_t bytes);

/* move.cu */
tn_device_kernel tn_cuda_move;
tn_status tn_cuda_has_zero(int device, const tn_view *integers, bool *found);

/* random.cu */
tn_device_kernel tn_cuda_uniform, tn_cuda_normal;

#ifdef __cplusplus
}
#endif
#endif
