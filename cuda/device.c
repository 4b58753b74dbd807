/* device.c -- devices, their memory, and what goes wrong with them.
 *
 * Everything happens on one stream of each device, in the order of the calls. Memory comes
 * from CUDA's stream-ordered pools, which keep what is freed: a loop soon allocates nothing new,
 * and freeing never waits for the device. */
#include "cuda/device.h"

#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 64 };

static _Thread_local char text[320];

const char *tn_cuda_message(void) { return text; }

/* What a missing or old driver, or hidden devices, mean to a person. */
static void explain(cudaError_t error) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  int driver = 0, runtime = 0;
  if (error == cudaErrorInsufficientDriver) {
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0) {
      snprintf(text, sizeof text, "no NVIDIA driver found (libcuda.so.1 could not be loaded)");
    } else {
      snprintf(text, sizeof text,
               "the NVIDIA driver is too old: it supports CUDA %d.%d, and %d.%d is needed",
               driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    }
  } else if (error == cudaErrorNoDevice) {
    snprintf(text, sizeof text, "no GPU found%s%.200s%s",
             visible != NULL ? " (CUDA_VISIBLE_DEVICES is '" : "",
             visible != NULL ? visible : "", visible != NULL ? "')" : "");
  } else {
    snprintf(text, sizeof text, "%s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
  }
}

tn_status tn_cuda_check(int error) {
  if (error == cudaSuccess) return TN_OK;
  cudaGetLastError(); /* what is reported here shall not be met again by the next launch */
  explain((cudaError_t)error);
  return error == cudaErrorMemoryAllocation ? TN_ENOMEM : TN_EDEVICE;
}

tn_status tn_cuda_fail(tn_status status, const char *what) {
  snprintf(text, sizeof text, "%s", what);
  return status;
}

tn_status tn_cuda_refuse(const char *what, double value) {
  snprintf(text, sizeof text, "%s: %g", what, value);
  return TN_EARG;
}

tn_status tn_cuda_enter(int device, int *before) {
  cudaError_t error = cudaGetDevice(before);
  if (error == cudaSuccess && *before != device) error = cudaSetDevice(device);
  return tn_cuda_check(error);
}

void tn_cuda_leave(int device, int before) {
  if (device != before) cudaSetDevice(before);
}

int tn_cuda_blocks(int device, uint64_t threads, int block) {
  int processors = 0;
  if (cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) {
    processors = 1;
  }
  uint64_t needed = (threads + (uint64_t)block - 1) / (uint64_t)block;
  uint64_t most = (uint64_t)processors * 16;
  return (int)(needed < most ? needed : most);
}

void *tn_cuda_stream(void) { return NULL; }

/* -- Faults ------------------------------------------------------------------------------------ */

static tn_fault *faults[DEVICES];
static pthread_mutex_t faults_lock = PTHREAD_MUTEX_INITIALIZER;

tn_fault *tn_cuda_fault(int device) {
  pthread_mutex_lock(&faults_lock);
  tn_fault **f = &faults[device < DEVICES ? device : 0];
  if (*f == NULL) {
    void *memory = NULL;
    cudaError_t error = cudaHostAlloc(&memory, sizeof **f, cudaHostAllocPortable |
                                                                cudaHostAllocMapped);
    if (tn_cuda_check(error) == TN_OK) *f = memset(memory, 0, sizeof **f);
  }
  pthread_mutex_unlock(&faults_lock);
  return *f;
}

static const char *const op_names[TN_OP_COUNT] = {
#define TN_OP(name) #name,
#include "tensor/ops.def"
#undef TN_OP
};

/* After the device has done its work: what did it find wrong? */
static tn_status found_wrong(int device) {
  tn_fault *f = faults[device < DEVICES ? device : 0];
  if (f == NULL || __atomic_load_n(&f->code, __ATOMIC_ACQUIRE) == 0) return TN_OK;
  const char *name = op_names[f->code - 1];
  if (f->count < 0) {
    snprintf(text, sizeof text,
             "%s: a value is out of range; the device found it while the program went on", name);
    f->code = 0;
    return TN_EARG;
  }
  snprintf(text, sizeof text,
           "%s: the index %lld (counted from 0) is out of range for %lld elements; the device found "
           "it while the program went on", name, f->value, f->count);
  f->code = 0;
  return TN_EARG;
}

/* -- Which there are --------------------------------------------------------------------------- */

static tn_status count(int *devices) {
  *devices = 0;
  return tn_cuda_check(cudaGetDeviceCount(devices));
}

static tn_status info(int device, tn_device_info *out) {
  struct cudaDeviceProp p;
  int before;
  memset(out, 0, sizeof *out);
  tn_status s = tn_cuda_check(cudaGetDeviceProperties(&p, device));
  if (s != TN_OK) return s;
  snprintf(out->name, sizeof out->name, "%.127s", p.name);
  out->major = p.major;
  out->minor = p.minor;
  out->processors = p.multiProcessorCount;
  s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaMemGetInfo(&out->free_memory, &out->memory));
  tn_cuda_leave(device, before);
  return s;
}

static tn_status synchronize(int device) {
  int before;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaDeviceSynchronize());
  tn_cuda_leave(device, before);
  return s == TN_OK ? found_wrong(device) : s;
}

/* -- Memory ------------------------------------------------------------------------------------ */

/* The pool of a device keeps what is freed, instead of giving it back at each synchronisation. */
static cudaError_t keep_freed_memory(int device) {
  static unsigned char kept[DEVICES]; /* setting it twice does no harm */
  cudaMemPool_t pool;
  uint64_t all = UINT64_MAX;
  if (device < DEVICES && __atomic_load_n(&kept[device], __ATOMIC_RELAXED)) return cudaSuccess;
  cudaError_t error = cudaDeviceGetDefaultMemPool(&pool, device);
  if (error == cudaSuccess) {
    error = cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all);
  }
  if (error == cudaSuccess && device < DEVICES) {
    __atomic_store_n(&kept[device], 1, __ATOMIC_RELAXED);
  }
  return error;
}

/* When memory has run out: gives back what the pool keeps without use. */
static void trim(int device) {
  cudaMemPool_t pool;
  cudaGetLastError();
  cudaDeviceSynchronize();
  if (cudaDeviceGetDefaultMemPool(&pool, device) == cudaSuccess) cudaMemPoolTrimTo(pool, 0);
}

tn_status tn_cuda_alloc(int device, size_t bytes, void **out) {
  int before;
  *out = NULL;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  cudaError_t error = keep_freed_memory(device);
  if (error == cudaSuccess) error = cudaMallocAsync(out, bytes > 0 ? bytes : 1, tn_cuda_stream());
  if (error == cudaErrorMemoryAllocation) {
    trim(device);
    error = cudaMallocAsync(out, bytes > 0 ? bytes : 1, tn_cuda_stream());
  }
  s = tn_cuda_check(error);
  tn_cuda_leave(device, before);
  return s;
}

void tn_cuda_free(int device, void *data) {
  int before;
  if (data == NULL || tn_cuda_enter(device, &before) != TN_OK) return;
  cudaFreeAsync(data, tn_cuda_stream());
  tn_cuda_leave(device, before);
}

static tn_status transfer(int device, void *to, const void *from, size_t bytes,
                          enum cudaMemcpyKind kind) {
  int before;
  if (bytes == 0) return TN_OK;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaMemcpyAsync(to, from, bytes, kind, tn_cuda_stream()));
  if (s == TN_OK) s = tn_cuda_check(cudaStreamSynchronize(tn_cuda_stream()));
  tn_cuda_leave(device, before);
  return s == TN_OK && kind == cudaMemcpyDeviceToHost ? found_wrong(device) : s;
}

static tn_status write_memory(int device, void *to, const void *host, size_t bytes) {
  return transfer(device, to, host, bytes, cudaMemcpyHostToDevice);
}

tn_status tn_cuda_read(int device, void *host, const void *from, size_t bytes) {
  return transfer(device, host, from, bytes, cudaMemcpyDeviceToHost);
}

/* Between devices, or within one. The other device's earlier work has to be done: its stream is
 * not this one's. */
static tn_status peer(int to_device, void *to, int from_device, const void *from, size_t bytes) {
  if (bytes == 0) return TN_OK;
  if (to_device == from_device) {
    int before;
    tn_status s = tn_cuda_enter(to_device, &before);
    if (s != TN_OK) return s;
    s = tn_cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, tn_cuda_stream()));
    tn_cuda_leave(to_device, before);
    return s;
  }
  tn_status s = synchronize(from_device);
  if (s == TN_OK) s = synchronize(to_device);
  if (s == TN_OK) s = tn_cuda_check(cudaMemcpyPeer(to, to_device, from, from_device, bytes));
  return s;
}

/* -- The table --------------------------------------------------------------------------------- */

extern const tn_pointwise_kernels tn_cuda_pointwise[TN_OP_COUNT];
extern tn_device_kernel *const tn_cuda_kernels[TN_OP_COUNT];
extern tn_device_kernel *const tn_cuda_gradients[TN_OP_COUNT];
tn_backend_entry tn_backend_cuda;

TN_API const tn_backend *tn_backend_cuda(void) {
  static const tn_backend table = {
      .version = TN_BACKEND_VERSION, .op_count = TN_OP_COUNT, .op_names = op_names,
      .name = "cuda", .count = count, .info = info, .synchronize = synchronize,
      .message = tn_cuda_message, .enter = tn_cuda_enter, .leave = tn_cuda_leave, .alloc = tn_cuda_alloc, .free = tn_cuda_free,
      .write = write_memory, .read = tn_cuda_read, .peer = peer, .move = tn_cuda_move,
      .has_zero = tn_cuda_has_zero, .pointwise = tn_cuda_pointwise, .kernels = tn_cuda_kernels,
      .gradients = tn_cuda_gradients};
  return &table;
}
