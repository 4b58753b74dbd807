/* device.c -- devices, copies to and from their memory, and what goes wrong with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/state.h"

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

/* Errors after which CUDA answers nothing else for the rest of the process. */
static bool is_final(cudaError_t error) {
  switch ((int)error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorMisalignedAddress:
    case cudaErrorAssert:
    case cudaErrorContextIsDestroyed:
    case cudaErrorNvlinkUncorrectable: return true;
    default: return false;
  }
}

static int lost_to; /* the first of those, or 0 */

bool tn_cuda_is_lost(void) { return __atomic_load_n(&lost_to, __ATOMIC_RELAXED) != 0; }

tn_status tn_cuda_lost(void) {
  const cudaError_t error = (cudaError_t)__atomic_load_n(&lost_to, __ATOMIC_RELAXED);
  snprintf(text, sizeof text,
           "the GPU has failed: %s (%s); its tensors are lost, and it cannot be used until the "
           "program is started again", cudaGetErrorString(error), cudaGetErrorName(error));
  return TN_EDEVICE;
}

tn_status tn_cuda_check(int error) {
  if (error == cudaSuccess) return TN_OK;
  cudaGetLastError(); /* what is reported here shall not be met again by the next launch */
  if (is_final((cudaError_t)error)) {
    int none = 0;
    __atomic_compare_exchange_n(&lost_to, &none, error, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  }
  if (tn_cuda_is_lost()) return tn_cuda_lost();
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

/* -- The thread's device ------------------------------------------------------------------------ */

static int devices; /* how many there are; 0: nobody has asked yet */
static _Thread_local int entered;

int tn_cuda_count(void) { return __atomic_load_n(&devices, __ATOMIC_RELAXED); }

/* The host may use CUDA itself, and change the thread's device: where there are several, that has to
 * be asked for each time. */
tn_status tn_cuda_enter(int device, int *before) {
  *before = entered;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  if (tn_cuda_count() == 1 && device == 0) {
    entered = 0;
    return TN_OK;
  }
  cudaError_t error = cudaGetDevice(before);
  if (error == cudaSuccess && *before != device) error = cudaSetDevice(device);
  if (error == cudaSuccess) entered = device;
  return tn_cuda_check(error);
}

void tn_cuda_leave(int device, int before) {
  if (device != before && !tn_cuda_is_lost()) cudaSetDevice(before);
  entered = before;
}

void *tn_cuda_stream(void) { return tn_cuda_handle(entered, tn_cuda_current(entered)); }

/* What the driver is asked for once of each device. */
static int processors_of(int device) {
  static int known[TN_CUDA_DEVICES];
  int n = __atomic_load_n(&known[device], __ATOMIC_RELAXED);
  if (n > 0) return n;
  if (cudaDeviceGetAttribute(&n, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) return 1;
  __atomic_store_n(&known[device], n, __ATOMIC_RELAXED);
  return n;
}

int tn_cuda_blocks(int device, uint64_t threads, int block) {
  const uint64_t needed = (threads + (uint64_t)block - 1) / (uint64_t)block;
  const uint64_t most = (uint64_t)processors_of(device) * 16;
  return (int)(needed < most ? needed : most);
}

/* -- Faults ------------------------------------------------------------------------------------ */

static tn_fault *faults[TN_CUDA_DEVICES];
static pthread_mutex_t faults_lock = PTHREAD_MUTEX_INITIALIZER;

tn_fault *tn_cuda_fault(int device) {
  tn_fault *f = __atomic_load_n(&faults[device], __ATOMIC_ACQUIRE);
  if (f != NULL) return f;
  pthread_mutex_lock(&faults_lock);
  f = faults[device];
  if (f == NULL) {
    void *memory = NULL;
    cudaError_t error = cudaHostAlloc(&memory, sizeof *f, cudaHostAllocPortable |
                                                              cudaHostAllocMapped);
    if (tn_cuda_check(error) == TN_OK) f = memset(memory, 0, sizeof *f);
    __atomic_store_n(&faults[device], f, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&faults_lock);
  return f;
}

static const char *const op_names[TN_OP_COUNT] = {
#define TN_OP(name) #name,
#include "tensor/ops.def"
#undef TN_OP
};

tn_status tn_cuda_found_wrong(int device) {
  tn_fault *f = faults[device];
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

static tn_status count(int *out) {
  int n = tn_cuda_count();
  *out = n;
  if (n > 0) return TN_OK;
  tn_status s = tn_cuda_check(cudaGetDeviceCount(&n));
  if (s != TN_OK) return s;
  *out = n < TN_CUDA_DEVICES ? n : TN_CUDA_DEVICES;
  __atomic_store_n(&devices, *out, __ATOMIC_RELAXED);
  return TN_OK;
}

static tn_status info(int device, tn_device_info *out) {
  struct cudaDeviceProp p;
  int before;
  memset(out, 0, sizeof *out);
  if (tn_cuda_is_lost()) return tn_cuda_lost();
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
  if (tn_cuda_capturing()) return tn_cuda_no_capture("waiting for the device");
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaDeviceSynchronize());
  tn_cuda_leave(device, before);
  return s == TN_OK ? tn_cuda_found_wrong(device) : s;
}

/* -- Copies ------------------------------------------------------------------------------------ */

/* `later`: with memory of the host that the device reaches, which it reserves until it is done. */
static tn_status transfer(int device, void *to, const void *from, size_t bytes,
                          enum cudaMemcpyKind kind, bool later) {
  const bool reads = kind == cudaMemcpyDeviceToHost;
  int before;
  if (bytes == 0) return TN_OK;
  if (tn_cuda_capturing()) {
    return tn_cuda_no_capture(reads ? "reading what the GPU has calculated"
                                    : "copying values of the host to the GPU");
  }
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaMemcpyAsync(to, from, bytes, kind, tn_cuda_stream()));
  if (s == TN_OK && later) tn_cuda_host_uses(device, reads ? to : from);
  if (s == TN_OK && !later) s = tn_cuda_check(cudaStreamSynchronize(tn_cuda_stream()));
  tn_cuda_leave(device, before);
  return s == TN_OK && reads && !later ? tn_cuda_found_wrong(device) : s;
}

static tn_status write_memory(int device, void *to, const void *host, size_t bytes) {
  return transfer(device, to, host, bytes, cudaMemcpyHostToDevice, false);
}

tn_status tn_cuda_read(int device, void *host, const void *from, size_t bytes) {
  return transfer(device, host, from, bytes, cudaMemcpyDeviceToHost, false);
}

static tn_status write_later(int device, void *to, const void *host, size_t bytes) {
  return transfer(device, to, host, bytes, cudaMemcpyHostToDevice, tn_cuda_host_has(host));
}

static tn_status read_later(int device, void *host, const void *from, size_t bytes) {
  return transfer(device, host, from, bytes, cudaMemcpyDeviceToHost, tn_cuda_host_has(host));
}

static tn_status copy_within(int device, void *to, const void *from, size_t bytes) {
  int before;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, tn_cuda_stream()));
  tn_cuda_leave(device, before);
  return s;
}

/* Lets copies between two devices go the straight way, where there is one. Once for each pair. */
static void befriend(int device, int other) {
  static unsigned char asked[TN_CUDA_DEVICES][TN_CUDA_DEVICES];
  int can = 0;
  if (__atomic_exchange_n(&asked[device][other], 1, __ATOMIC_RELAXED) != 0) return;
  if (cudaDeviceCanAccessPeer(&can, device, other) == cudaSuccess && can) {
    cudaDeviceEnablePeerAccess(other, 0);
  }
  cudaGetLastError();
}

/* `after` waits for what `first` has been asked for so far. */
static tn_status order(int first, int after) {
  int before;
  tn_cuda_mark *mark = tn_cuda_mark_stream(first, tn_cuda_current(first));
  if (mark == NULL) return tn_cuda_is_lost() ? tn_cuda_lost() : TN_OK; /* it has waited */
  tn_status s = tn_cuda_enter(after, &before);
  if (s == TN_OK) {
    s = tn_cuda_check(cudaStreamWaitEvent(tn_cuda_stream(), mark->event, 0));
    tn_cuda_leave(after, before);
  }
  tn_cuda_mark_free(mark);
  return s;
}

/* Between devices, on the stream of the one that receives; both streams wait for what they need of
 * the other, and the host for none. */
static tn_status peer(int to_device, void *to, int from_device, const void *from, size_t bytes) {
  int before;
  if (bytes == 0) return TN_OK;
  if (to_device == from_device) return copy_within(to_device, to, from, bytes);
  if (tn_cuda_capturing()) return tn_cuda_no_capture("copying between devices");
  tn_status s = order(from_device, to_device);
  if (s == TN_OK) s = tn_cuda_enter(to_device, &before);
  if (s != TN_OK) return s;
  befriend(to_device, from_device);
  s = tn_cuda_check(cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes,
                                        tn_cuda_stream()));
  tn_cuda_leave(to_device, before);
  return s == TN_OK ? order(to_device, from_device) : s;
}

/* -- The table --------------------------------------------------------------------------------- */

extern const tn_pointwise_kernels tn_cuda_pointwise[TN_OP_COUNT];
extern tn_device_kernel *const tn_cuda_kernels[TN_OP_COUNT];
extern tn_device_kernel *const tn_cuda_gradients[TN_OP_COUNT];
tn_backend_entry tn_backend_cuda;

static tn_backend table = {
    .version = TN_BACKEND_VERSION, .op_count = TN_OP_COUNT, .op_names = op_names, .name = "cuda",
    .count = count, .info = info, .synchronize = synchronize, .message = tn_cuda_message,
    .enter = tn_cuda_enter, .leave = tn_cuda_leave, .alloc = tn_cuda_alloc, .free = tn_cuda_free,
    .write = write_memory, .read = tn_cuda_read, .peer = peer, .memory = tn_cuda_memory,
    .trim = tn_cuda_trim, .host_alloc = tn_cuda_host_alloc, .host_free = tn_cuda_host_free,
    .write_later = write_later, .read_later = read_later, .uses = tn_cuda_uses,
    .graph_begin = tn_cuda_graph_begin, .graph_end = tn_cuda_graph_end,
    .graph_run = tn_cuda_graph_run, .graph_free = tn_cuda_graph_free,
    .capturing = tn_cuda_capturing, .move = tn_cuda_move, .has_zero = tn_cuda_has_zero,
    .pointwise = tn_cuda_pointwise, .kernels = tn_cuda_kernels, .gradients = tn_cuda_gradients};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void) { tn_cuda_fill_streams(&table); }

TN_API const tn_backend *tn_backend_cuda(void) {
  pthread_once(&once, fill);
  return &table;
}
