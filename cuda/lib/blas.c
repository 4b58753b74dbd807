/* blas.c -- products of matrices by cuBLASLt.
 *
 * Which algorithm serves a problem is asked once: descriptors and the algorithm then wait in a table
 * for the next product of the same sizes, leading dimensions and alignments. Nothing is taken out of
 * the table, so that it is read without a lock; a product that no longer finds room is described anew
 * at each call.
 *
 * What is relied on, from the library's documentation:
 *   - matrices are stored by columns (CUBLASLT_ORDER_COL), rows and columns in a layout are those
 *     that are stored, before TRANSA and TRANSB; ld >= rows.
 *   - C is not read when beta is 0. It may be D when both layouts are the same.
 *   - alpha and beta have the scale type: float for float32 and the half types, double for float64.
 *   - EPILOGUE_BIAS adds a vector of D's type with as many elements as D has rows, after alpha and
 *     beta and before ReLU or GELU.
 *   - an algorithm that needs work space gets it by pointer, of at least 256 bytes of alignment, and
 *     has it alone until it is done: so there is one work space a stream.
 *   - a handle belongs to the device that was current when it was made. */
#include "cuda/lib/blas.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/lib/library.h"

enum { DEVICES = 64, SLOTS = 1 << 12, MOST_ENTRIES = SLOTS * 3 / 4, STREAMS = 64 };
static const size_t WORK = (size_t)32 << 20; /* what NVIDIA advises for Hopper */

static struct {
  cublasStatus_t (*cublasLtCreate)(cublasLtHandle_t *);
  cublasStatus_t (*cublasLtMatmul)(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *,
                                   const void *, cublasLtMatrixLayout_t, const void *,
                                   cublasLtMatrixLayout_t, const void *, const void *,
                                   cublasLtMatrixLayout_t, void *, cublasLtMatrixLayout_t,
                                   const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t);
  cublasStatus_t (*cublasLtMatmulDescCreate)(cublasLtMatmulDesc_t *, cublasComputeType_t,
                                             cudaDataType_t);
  cublasStatus_t (*cublasLtMatmulDescDestroy)(cublasLtMatmulDesc_t);
  cublasStatus_t (*cublasLtMatmulDescSetAttribute)(cublasLtMatmulDesc_t,
                                                   cublasLtMatmulDescAttributes_t, const void *,
                                                   size_t);
  cublasStatus_t (*cublasLtMatrixLayoutCreate)(cublasLtMatrixLayout_t *, cudaDataType, uint64_t,
                                               uint64_t, int64_t);
  cublasStatus_t (*cublasLtMatrixLayoutDestroy)(cublasLtMatrixLayout_t);
  cublasStatus_t (*cublasLtMatrixLayoutSetAttribute)(cublasLtMatrixLayout_t,
                                                     cublasLtMatrixLayoutAttribute_t,
                                                     const void *, size_t);
  cublasStatus_t (*cublasLtMatmulPreferenceCreate)(cublasLtMatmulPreference_t *);
  cublasStatus_t (*cublasLtMatmulPreferenceDestroy)(cublasLtMatmulPreference_t);
  cublasStatus_t (*cublasLtMatmulPreferenceSetAttribute)(cublasLtMatmulPreference_t,
                                                         cublasLtMatmulPreferenceAttributes_t,
                                                         const void *, size_t);
  cublasStatus_t (*cublasLtMatmulAlgoGetHeuristic)(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                                   cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                   cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                   cublasLtMatmulPreference_t, int,
                                                   cublasLtMatmulHeuristicResult_t[], int *);
  const char *(*cublasLtGetStatusString)(cublasStatus_t);
} f;

static const tn_symbol symbols[] = {TN_SYMBOL(f, cublasLtCreate),
                                    TN_SYMBOL(f, cublasLtMatmul),
                                    TN_SYMBOL(f, cublasLtMatmulDescCreate),
                                    TN_SYMBOL(f, cublasLtMatmulDescDestroy),
                                    TN_SYMBOL(f, cublasLtMatmulDescSetAttribute),
                                    TN_SYMBOL(f, cublasLtMatrixLayoutCreate),
                                    TN_SYMBOL(f, cublasLtMatrixLayoutDestroy),
                                    TN_SYMBOL(f, cublasLtMatrixLayoutSetAttribute),
                                    TN_SYMBOL(f, cublasLtMatmulPreferenceCreate),
                                    TN_SYMBOL(f, cublasLtMatmulPreferenceDestroy),
                                    TN_SYMBOL(f, cublasLtMatmulPreferenceSetAttribute),
                                    TN_SYMBOL(f, cublasLtMatmulAlgoGetHeuristic),
                                    TN_SYMBOL(f, cublasLtGetStatusString)};
static tn_library library = {.files = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"},
                             .symbols = symbols,
                             .count = sizeof symbols / sizeof *symbols};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static tn_status failed(cublasStatus_t status) {
  char text[160];
  snprintf(text, sizeof text, "cuBLASLt: %.100s", f.cublasLtGetStatusString(status));
  return tn_cuda_fail(status == CUBLAS_STATUS_ALLOC_FAILED ? TN_ENOMEM : TN_EDEVICE, text);
}

/* The device is the thread's. */
static cublasLtHandle_t handle_of(int device, tn_status *status) {
  static cublasLtHandle_t handles[DEVICES];
  cublasLtHandle_t *h = &handles[device < DEVICES ? device : 0];
  cublasLtHandle_t have = __atomic_load_n(h, __ATOMIC_ACQUIRE);
  *status = TN_OK;
  if (have != NULL) return have;
  pthread_mutex_lock(&lock);
  if (*h == NULL) {
    cublasStatus_t made = f.cublasLtCreate(&have);
    if (made == CUBLAS_STATUS_SUCCESS) __atomic_store_n(h, have, __ATOMIC_RELEASE);
    else *status = failed(made);
  }
  have = *h;
  pthread_mutex_unlock(&lock);
  return have;
}

/* -- Work space -------------------------------------------------------------------------------- */

typedef struct {
  int device;
  void *stream, *memory;
} work_space;

static work_space works[STREAMS];
static int work_count;

/* The work space of the thread's stream, which lives on; or for this call alone while the stream is
 * captured, since the graph may later run beside the stream. */
static tn_status work_for(int device, size_t bytes, void **memory, bool *borrowed) {
  const cudaStream_t stream = tn_cuda_stream();
  enum cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  *memory = NULL;
  *borrowed = true;
  if (bytes == 0) return TN_OK;
  if (cudaStreamIsCapturing(stream, &capturing) != cudaSuccess) {
    cudaGetLastError();
    capturing = cudaStreamCaptureStatusActive;
  }
  *borrowed = capturing == cudaStreamCaptureStatusNone && bytes <= WORK;
  if (!*borrowed) return tn_cuda_alloc(device, bytes, memory);
  tn_status s = TN_OK;
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < work_count && (works[i].device != device || works[i].stream != stream)) i++;
  if (i < work_count) *memory = works[i].memory;
  else if (i < STREAMS) {
    s = tn_cuda_alloc(device, WORK, memory);
    if (s == TN_OK) works[work_count++] = (work_space){device, stream, *memory};
  } else {
    *borrowed = false;
  }
  pthread_mutex_unlock(&lock);
  return *borrowed ? s : tn_cuda_alloc(device, bytes, memory);
}

/* -- Problems ---------------------------------------------------------------------------------- */

/* What an algorithm depends on: compared as bytes, so without gaps that are not set. */
typedef struct {
  int64_t m, n, k, lda, ldb, ldc, ldd, step_a, step_b, step_c, step_d;
  int32_t batch, device;
  uint8_t dtype, tf32, transposed_a, transposed_b, end, bias, in_place;
  uint8_t aligned[5]; /* to so many bytes, as a power of 2: a, b, c, d, bias */
  uint8_t unused[4];
} problem;

typedef struct {
  problem key;
  cublasStatus_t status; /* or why there is no algorithm */
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, c, d;
  cublasLtMatmulAlgo_t algo;
  size_t work;
  pthread_mutex_t bias; /* held while the descriptor has the bias of one call */
} entry;

static entry *table[SLOTS];
static int entries;

/* The largest power of 2, up to 256, that divides the address. */
static uint8_t alignment(const void *data) {
  uint8_t power = 0;
  while (power < 8 && ((uintptr_t)data >> power & 1) == 0) power++;
  return power;
}

static problem problem_of(const tn_blas_product *p) {
  problem key;
  memset(&key, 0, sizeof key);
  key.m = p->m, key.n = p->n, key.k = p->k;
  key.lda = p->lda, key.ldb = p->ldb, key.ldc = p->ldc, key.ldd = p->ldd;
  if (p->batch > 1) {
    key.step_a = p->step_a, key.step_b = p->step_b, key.step_c = p->step_c, key.step_d = p->step_d;
  }
  key.batch = (int32_t)p->batch;
  key.device = p->device;
  key.dtype = (uint8_t)p->dtype;
  key.tf32 = p->tf32 && p->dtype == TN_F32;
  key.transposed_a = p->transposed_a;
  key.transposed_b = p->transposed_b;
  key.end = (uint8_t)p->end;
  key.bias = p->bias != NULL;
  key.in_place = p->c == p->d;
  key.aligned[0] = alignment(p->a);
  key.aligned[1] = alignment(p->b);
  key.aligned[2] = alignment(p->c);
  key.aligned[3] = alignment(p->d);
  if (p->bias != NULL) key.aligned[4] = alignment(p->bias);
  return key;
}

static uint64_t hash(const problem *key) {
  uint64_t words[sizeof *key / 8], h = 0x9e3779b97f4a7c15u;
  _Static_assert(sizeof *key % 8 == 0, "made of whole words");
  memcpy(words, key, sizeof words);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    h = (h ^ words[i]) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

static cudaDataType_t type_of(int dtype) {
  return dtype == TN_F64 ? CUDA_R_64F : dtype == TN_F16 ? CUDA_R_16F
         : dtype == TN_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

#define TRY(call) do { cublasStatus_t tried = call; \
    if (tried != CUBLAS_STATUS_SUCCESS) return tried; } while (0)

static cublasStatus_t layout(cublasLtMatrixLayout_t *out, const problem *key, int64_t rows,
                             int64_t columns, int64_t ld, int64_t step) {
  TRY(f.cublasLtMatrixLayoutCreate(out, type_of(key->dtype), (uint64_t)rows, (uint64_t)columns,
                                   ld));
  if (key->batch == 1) return CUBLAS_STATUS_SUCCESS;
  TRY(f.cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &key->batch,
                                         sizeof key->batch));
  return f.cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                            &step, sizeof step);
}

static cublasStatus_t set(entry *e, cublasLtMatmulDescAttributes_t what, const void *value,
                          size_t bytes) {
  return f.cublasLtMatmulDescSetAttribute(e->desc, what, value, bytes);
}

static cublasStatus_t set_bias(entry *e, const void *bias) {
  return set(e, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
}

static cublasStatus_t describe(entry *e, const tn_blas_product *p) {
  static const cublasLtEpilogue_t ends[3][2] = {
      {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS},
      {CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_RELU_BIAS},
      {CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS}};
  const problem *key = &e->key;
  const bool wide = key->dtype == TN_F64;
  const cublasComputeType_t compute = wide ? CUBLAS_COMPUTE_64F
                                      : key->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                  : CUBLAS_COMPUTE_32F;
  const int32_t turned = CUBLAS_OP_T;
  const uint32_t end = ends[key->end][key->bias];
  const bool ta = key->transposed_a, tb = key->transposed_b;
  TRY(f.cublasLtMatmulDescCreate(&e->desc, compute, wide ? CUDA_R_64F : CUDA_R_32F));
  if (ta) TRY(set(e, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned));
  if (tb) TRY(set(e, CUBLASLT_MATMUL_DESC_TRANSB, &turned, sizeof turned));
  TRY(set(e, CUBLASLT_MATMUL_DESC_EPILOGUE, &end, sizeof end));
  if (key->bias) TRY(set_bias(e, p->bias));
  TRY(layout(&e->a, key, ta ? key->k : key->m, ta ? key->m : key->k, key->lda, key->step_a));
  TRY(layout(&e->b, key, tb ? key->n : key->k, tb ? key->k : key->n, key->ldb, key->step_b));
  TRY(layout(&e->c, key, key->m, key->n, key->ldc, key->step_c));
  return layout(&e->d, key, key->m, key->n, key->ldd, key->step_d);
}

static cublasStatus_t prefer(cublasLtMatmulPreference_t wish, const problem *key) {
  static const cublasLtMatmulPreferenceAttributes_t of[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  const uint64_t most = WORK;
  TRY(f.cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
                                             sizeof most));
  for (int i = 0; i < 4; i++) {
    const uint32_t bytes = 1u << key->aligned[i];
    TRY(f.cublasLtMatmulPreferenceSetAttribute(wish, of[i], &bytes, sizeof bytes));
  }
  return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t choose(entry *e, cublasLtHandle_t handle) {
  cublasLtMatmulPreference_t wish = NULL;
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  memset(&found, 0, sizeof found);
  TRY(f.cublasLtMatmulPreferenceCreate(&wish));
  cublasStatus_t s = prefer(wish, &e->key);
  if (s == CUBLAS_STATUS_SUCCESS) {
    s = f.cublasLtMatmulAlgoGetHeuristic(handle, e->desc, e->a, e->b, e->c, e->d, wish, 1, &found,
                                         &count);
  }
  f.cublasLtMatmulPreferenceDestroy(wish);
  if (s == CUBLAS_STATUS_SUCCESS && count == 0) s = CUBLAS_STATUS_NOT_SUPPORTED;
  if (s == CUBLAS_STATUS_SUCCESS) s = found.state;
  e->algo = found.algo;
  e->work = found.workspaceSize;
  return s;
}

static void forget(entry *e) {
  cublasLtMatrixLayout_t layouts[] = {e->a, e->b, e->c, e->d};
  for (int i = 0; i < 4; i++) {
    if (layouts[i] != NULL) f.cublasLtMatrixLayoutDestroy(layouts[i]);
  }
  if (e->desc != NULL) f.cublasLtMatmulDescDestroy(e->desc);
  pthread_mutex_destroy(&e->bias);
  free(e);
}

static entry *look(const problem *key, uint64_t at) {
  for (; ; at++) {
    entry *e = __atomic_load_n(&table[at % SLOTS], __ATOMIC_ACQUIRE);
    if (e == NULL || memcmp(&e->key, key, sizeof *key) == 0) return e;
  }
}

/* Puts an entry into the table. False: it stays the caller's, since another thread was faster, or
 * there is no room. */
static bool put(entry *e, uint64_t at) {
  pthread_mutex_lock(&lock);
  bool room = entries < MOST_ENTRIES && look(&e->key, at) == NULL;
  if (room) {
    while (table[at % SLOTS] != NULL) at++;
    __atomic_store_n(&table[at % SLOTS], e, __ATOMIC_RELEASE);
    entries++;
  }
  pthread_mutex_unlock(&lock);
  return room;
}

/* *own: the caller has to forget it. */
static entry *entry_for(cublasLtHandle_t handle, const tn_blas_product *p, bool *own) {
  const problem key = problem_of(p);
  const uint64_t at = hash(&key) % SLOTS;
  entry *e = look(&key, at);
  *own = false;
  if (e != NULL) return e;
  e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  pthread_mutex_init(&e->bias, NULL);
  e->key = key;
  e->status = describe(e, p);
  if (e->status == CUBLAS_STATUS_SUCCESS) e->status = choose(e, handle);
  *own = !put(e, at);
  return e;
}

static bool can_decline(cublasStatus_t s) {
  return s == CUBLAS_STATUS_NOT_SUPPORTED || s == CUBLAS_STATUS_INVALID_VALUE ||
         s == CUBLAS_STATUS_ARCH_MISMATCH;
}

static tn_status multiply(cublasLtHandle_t handle, entry *e, const tn_blas_product *p) {
  const float alpha = (float)p->alpha, beta = (float)p->beta;
  const bool wide = p->dtype == TN_F64;
  void *memory;
  bool borrowed;
  tn_status s = work_for(p->device, e->work, &memory, &borrowed);
  if (s != TN_OK) return s;
  cublasStatus_t done = CUBLAS_STATUS_SUCCESS;
  if (e->key.bias) {
    pthread_mutex_lock(&e->bias);
    done = set_bias(e, p->bias);
  }
  if (done == CUBLAS_STATUS_SUCCESS) {
    done = f.cublasLtMatmul(handle, e->desc, wide ? (const void *)&p->alpha : &alpha, p->a, e->a,
                            p->b, e->b, wide ? (const void *)&p->beta : &beta, p->c, e->c, p->d,
                            e->d, &e->algo, memory, e->work, tn_cuda_stream());
  }
  if (e->key.bias) pthread_mutex_unlock(&e->bias);
  if (!borrowed) tn_cuda_free(p->device, memory);
  if (done == CUBLAS_STATUS_SUCCESS) return TN_OK;
  cudaGetLastError();
  return can_decline(done) ? TN_DECLINED : failed(done);
}

bool tn_cuda_blas_is_there(void) { return tn_cuda_library(&library) == TN_OK; }

tn_status tn_cuda_blas(const tn_blas_product *p) {
  const int64_t most = INT32_MAX;
  bool own;
  tn_status s = TN_OK;
  if (p->m > most || p->n > most || p->k > most || p->batch > most) return TN_DECLINED;
  if (tn_cuda_library(&library) != TN_OK) return TN_DECLINED;
  cublasLtHandle_t handle = handle_of(p->device, &s);
  if (handle == NULL) return s;
  entry *e = entry_for(handle, p, &own);
  if (e == NULL) return tn_cuda_fail(TN_ENOMEM, "not enough memory for a matrix product");
  if (e->status == CUBLAS_STATUS_SUCCESS) s = multiply(handle, e, p);
  else s = can_decline(e->status) ? TN_DECLINED : failed(e->status);
  if (own) forget(e);
  return s;
}
