/* fft.c -- Fourier transforms by cuFFT.
 *
 * Plans are kept, the ones used last first. What is relied on, from the library's documentation:
 *   - cufftMakePlanMany64 of rank 1: element j of line b is in[b * idist + j * istride], counted in
 *     elements of the input's type, likewise out. Strides count only where inembed and onembed are
 *     given; of one dimension their values do not.
 *   - CUFFT_FORWARD has the sign -, CUFFT_INVERSE +; neither scales. C2R is inverse, R2C forward.
 *   - after cufftSetAutoAllocation(plan, 0) the plan asks for a work area, of the size that making it
 *     told, before it is executed. It has the area alone until that is done: so each call takes one
 *     in the order of the stream.
 *   - a plan belongs to the device that was current when it was made, and to one thread at a time. */
#include "cuda/lib/fft.h"

#include <cufft.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cuda/lib/library.h"

static struct {
  cufftResult (*cufftCreate)(cufftHandle *);
  cufftResult (*cufftDestroy)(cufftHandle);
  cufftResult (*cufftSetAutoAllocation)(cufftHandle, int);
  cufftResult (*cufftMakePlanMany64)(cufftHandle, int, long long *, long long *, long long,
                                     long long, long long *, long long, long long, cufftType,
                                     long long, size_t *);
  cufftResult (*cufftSetWorkArea)(cufftHandle, void *);
  cufftResult (*cufftSetStream)(cufftHandle, cudaStream_t);
  cufftResult (*cufftExecC2C)(cufftHandle, cufftComplex *, cufftComplex *, int);
  cufftResult (*cufftExecR2C)(cufftHandle, cufftReal *, cufftComplex *);
  cufftResult (*cufftExecC2R)(cufftHandle, cufftComplex *, cufftReal *);
  cufftResult (*cufftExecZ2Z)(cufftHandle, cufftDoubleComplex *, cufftDoubleComplex *, int);
  cufftResult (*cufftExecD2Z)(cufftHandle, cufftDoubleReal *, cufftDoubleComplex *);
  cufftResult (*cufftExecZ2D)(cufftHandle, cufftDoubleComplex *, cufftDoubleReal *);
} f;

static const tn_symbol symbols[] = {TN_SYMBOL(f, cufftCreate),
                                    TN_SYMBOL(f, cufftDestroy),
                                    TN_SYMBOL(f, cufftSetAutoAllocation),
                                    TN_SYMBOL(f, cufftMakePlanMany64),
                                    TN_SYMBOL(f, cufftSetWorkArea),
                                    TN_SYMBOL(f, cufftSetStream),
                                    TN_SYMBOL(f, cufftExecC2C),
                                    TN_SYMBOL(f, cufftExecR2C),
                                    TN_SYMBOL(f, cufftExecC2R),
                                    TN_SYMBOL(f, cufftExecZ2Z),
                                    TN_SYMBOL(f, cufftExecD2Z),
                                    TN_SYMBOL(f, cufftExecZ2D)};
static tn_library library = {.files = {"libcufft.so.12", "libcufft.so.11", "libcufft.so"},
                             .symbols = symbols,
                             .count = sizeof symbols / sizeof *symbols};

bool tn_cuda_fft_is_there(void) { return tn_cuda_library(&library) == TN_OK; }

static tn_status failed(cufftResult result) {
  char text[80];
  if (result == CUFFT_SUCCESS) return TN_OK;
  snprintf(text, sizeof text, "cuFFT fails with code %d", (int)result);
  return tn_cuda_fail(result == CUFFT_ALLOC_FAILED ? TN_ENOMEM : TN_EDEVICE, text);
}

/* Compared as bytes: what is not set is 0. */
typedef struct {
  int64_t n, lines, in_stride, in_line, out_stride, out_line;
  int32_t device, type;
} problem;

typedef struct {
  problem key;
  cufftHandle handle;
  size_t work;
} plan;

enum { PLANS = 64 };
static plan plans[PLANS]; /* the last used first */
static int plan_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of them, and of their use */

static cufftType type_of(const tn_cuda_fft_lines *job) {
  static const cufftType types[3][2] = {
      {CUFFT_C2C, CUFFT_Z2Z}, {CUFFT_R2C, CUFFT_D2Z}, {CUFFT_C2R, CUFFT_Z2D}};
  return types[job->kind][job->wide];
}

static cufftResult make(plan *p) {
  long long n = p->key.n, in = n, out = n;
  const problem *k = &p->key;
  cufftResult r = f.cufftCreate(&p->handle);
  if (r != CUFFT_SUCCESS) return r;
  r = f.cufftSetAutoAllocation(p->handle, 0);
  if (r == CUFFT_SUCCESS) {
    r = f.cufftMakePlanMany64(p->handle, 1, &n, &in, k->in_stride, k->in_line, &out, k->out_stride,
                              k->out_line, (cufftType)k->type, k->lines, &p->work);
  }
  if (r != CUFFT_SUCCESS) f.cufftDestroy(p->handle);
  return r;
}

/* The plan becomes the first one. */
static tn_status find(const tn_cuda_fft_lines *job) {
  problem key;
  plan found;
  int i = 0;
  memset(&key, 0, sizeof key);
  key.n = job->n, key.lines = job->lines;
  key.in_stride = job->in_stride, key.in_line = job->in_line;
  key.out_stride = job->out_stride, key.out_line = job->out_line;
  key.device = job->device;
  key.type = (int32_t)type_of(job);
  while (i < plan_count && memcmp(&plans[i].key, &key, sizeof key) != 0) i++;
  if (i < plan_count) {
    found = plans[i];
  } else {
    memset(&found, 0, sizeof found);
    found.key = key;
    tn_status s = failed(make(&found));
    if (s != TN_OK) return s;
    if (plan_count < PLANS) plan_count++;
    else f.cufftDestroy(plans[PLANS - 1].handle);
    i = plan_count - 1;
  }
  memmove(&plans[1], &plans[0], (size_t)i * sizeof *plans);
  plans[0] = found;
  return TN_OK;
}

static cufftResult execute(cufftHandle h, const tn_cuda_fft_lines *job) {
  const int sign = job->inverse ? CUFFT_INVERSE : CUFFT_FORWARD;
  void *in = job->in, *out = job->out;
  switch (type_of(job)) {
  case CUFFT_C2C: return f.cufftExecC2C(h, in, out, sign);
  case CUFFT_R2C: return f.cufftExecR2C(h, in, out);
  case CUFFT_C2R: return f.cufftExecC2R(h, in, out);
  case CUFFT_Z2Z: return f.cufftExecZ2Z(h, in, out, sign);
  case CUFFT_D2Z: return f.cufftExecD2Z(h, in, out);
  default: return f.cufftExecZ2D(h, in, out);
  }
}

tn_status tn_cuda_fft(const tn_cuda_fft_lines *job) {
  void *work = NULL;
  tn_status s = tn_cuda_library(&library);
  if (s != TN_OK) return s;
  pthread_mutex_lock(&lock);
  s = find(job);
  if (s == TN_OK) {
    const plan *p = &plans[0];
    if (p->work > 0) s = tn_cuda_alloc(job->device, p->work, &work);
    if (s == TN_OK) s = failed(f.cufftSetStream(p->handle, tn_cuda_stream()));
    if (s == TN_OK && work != NULL) s = failed(f.cufftSetWorkArea(p->handle, work));
    if (s == TN_OK) s = failed(execute(p->handle, job));
    tn_cuda_free(job->device, work);
  }
  pthread_mutex_unlock(&lock);
  return s;
}
