/* dnn.c -- convolutions by cuDNN's graphs of one operation: descriptors, plans, and where these are
 * kept. The library offers ways of doing it, best first; a way that does not keep to what was asked
 * for, such as float32 without rounding, is passed over. */
#include "cuda/lib/dnn.h"

#include "cuda/lib/library.h"

#ifdef __has_include
#if __has_include(<cudnn_graph.h>)
#define HAVE_CUDNN
#endif
#endif

#ifdef HAVE_CUDNN
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 64, WAYS = 100, TRIED = 8, TURNS = 3, BUCKETS = 256, MOST_PLANS = 4096 };
#define MOST_WORKSPACE ((int64_t)2 << 30)

static struct {
  cudnnStatus_t (*cudnnCreate)(cudnnHandle_t *);
  cudnnStatus_t (*cudnnSetStream)(cudnnHandle_t, cudaStream_t);
  const char *(*cudnnGetErrorString)(cudnnStatus_t);
  cudnnStatus_t (*cudnnBackendCreateDescriptor)(cudnnBackendDescriptorType_t,
                                                cudnnBackendDescriptor_t *);
  cudnnStatus_t (*cudnnBackendDestroyDescriptor)(cudnnBackendDescriptor_t);
  cudnnStatus_t (*cudnnBackendFinalize)(cudnnBackendDescriptor_t);
  cudnnStatus_t (*cudnnBackendSetAttribute)(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t,
                                            cudnnBackendAttributeType_t, int64_t, const void *);
  cudnnStatus_t (*cudnnBackendGetAttribute)(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t,
                                            cudnnBackendAttributeType_t, int64_t, int64_t *,
                                            void *);
  cudnnStatus_t (*cudnnBackendExecute)(cudnnHandle_t, cudnnBackendDescriptor_t,
                                       cudnnBackendDescriptor_t);
} f;

static const tn_symbol symbols[] = {
    TN_SYMBOL(f, cudnnCreate), TN_SYMBOL(f, cudnnSetStream), TN_SYMBOL(f, cudnnGetErrorString),
    TN_SYMBOL(f, cudnnBackendCreateDescriptor), TN_SYMBOL(f, cudnnBackendDestroyDescriptor),
    TN_SYMBOL(f, cudnnBackendFinalize), TN_SYMBOL(f, cudnnBackendSetAttribute),
    TN_SYMBOL(f, cudnnBackendGetAttribute), TN_SYMBOL(f, cudnnBackendExecute)};

static tn_library library = {.files = {"libcudnn.so.9"}, .symbols = symbols,
                             .count = sizeof symbols / sizeof *symbols};

/* -- Descriptors ------------------------------------------------------------------------------- */

/* Descriptors of one plan while it is made; the first failure stays, and what follows does
 * nothing. */
typedef struct {
  cudnnStatus_t status;
  cudnnBackendDescriptor_t made[16];
  int count;
} maker;

static cudnnBackendDescriptor_t new_descriptor(maker *m, cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t d = NULL;
  if (m->status == CUDNN_STATUS_SUCCESS) m->status = f.cudnnBackendCreateDescriptor(type, &d);
  if (m->status != CUDNN_STATUS_SUCCESS) return NULL;
  return m->made[m->count++] = d;
}

static void set(maker *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values) {
  if (m->status != CUDNN_STATUS_SUCCESS) return;
  m->status = f.cudnnBackendSetAttribute(d, name, type, count, values);
}

static void set_descriptor(maker *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                           cudnnBackendDescriptor_t value) {
  set(m, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void finalize(maker *m, cudnnBackendDescriptor_t d) {
  if (m->status == CUDNN_STATUS_SUCCESS) m->status = f.cudnnBackendFinalize(d);
}

static void destroy(maker *m) {
  while (m->count > 0) f.cudnnBackendDestroyDescriptor(m->made[--m->count]);
}

static cudnnDataType_t type_of(const tn_dnn_conv *c) {
  switch (c->dtype) {
  case TN_F16: return CUDNN_DATA_HALF;
  case TN_BF16: return CUDNN_DATA_BFLOAT16;
  case TN_F64: return CUDNN_DATA_DOUBLE;
  default: return CUDNN_DATA_FLOAT;
  }
}

static cudnnBackendDescriptor_t tensor(maker *m, const tn_dnn_conv *c, int64_t id,
                                       const int64_t *sizes, const int64_t *steps) {
  int64_t size[TN_DNN_DIMS], step[TN_DNN_DIMS];
  const int64_t dims = 2 + c->space;
  const cudnnDataType_t type = type_of(c);
  cudnnBackendDescriptor_t d = new_descriptor(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  for (int k = 0; k < dims; k++) {
    const int from = k < 2 ? k : k + TN_DNN_SPACE - (int)c->space;
    size[k] = sizes[from];
    step[k] = steps[from];
  }
  set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims, size);
  set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, dims, step);
  set(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  set(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &c->alignment);
  finalize(m, d);
  return d;
}

static cudnnDataType_t computed_in(const tn_dnn_conv *c) {
  return c->dtype == TN_F64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
}

static cudnnBackendDescriptor_t convolution(maker *m, const tn_dnn_conv *c) {
  const cudnnDataType_t type = computed_in(c);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t n = c->space;
  const int first = TN_DNN_SPACE - (int)n;
  cudnnBackendDescriptor_t d = new_descriptor(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n);
  set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, n, c->dilation + first);
  set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, n, c->stride + first);
  set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, n, c->pad + first);
  set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, n, c->behind + first);
  finalize(m, d);
  return d;
}

/* The names of one operation's attributes. */
static const struct {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, y, w, convolution, alpha, beta;
} operations[] = {
    [TN_DNN_OUTPUT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [TN_DNN_INPUT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [TN_DNN_WEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static cudnnBackendDescriptor_t graph(maker *m, const tn_dnn_conv *c, cudnnHandle_t handle) {
  cudnnBackendDescriptor_t x = tensor(m, c, 1 + TN_DNN_INPUT, c->x_size, c->x_step);
  cudnnBackendDescriptor_t y = tensor(m, c, 1 + TN_DNN_OUTPUT, c->y_size, c->y_step);
  cudnnBackendDescriptor_t w = tensor(m, c, 1 + TN_DNN_WEIGHT, c->w_size, c->w_step);
  cudnnBackendDescriptor_t how = convolution(m, c);
  cudnnBackendDescriptor_t operation = new_descriptor(m, operations[c->result].type);
  set_descriptor(m, operation, operations[c->result].x, x);
  set_descriptor(m, operation, operations[c->result].y, y);
  set_descriptor(m, operation, operations[c->result].w, w);
  set_descriptor(m, operation, operations[c->result].convolution, how);
  if (c->dtype == TN_F64) {
    const double one = 1, none = 0;
    set(m, operation, operations[c->result].alpha, CUDNN_TYPE_DOUBLE, 1, &one);
    set(m, operation, operations[c->result].beta, CUDNN_TYPE_DOUBLE, 1, &none);
  } else {
    const float one = 1, none = 0;
    set(m, operation, operations[c->result].alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(m, operation, operations[c->result].beta, CUDNN_TYPE_FLOAT, 1, &none);
  }
  finalize(m, operation);
  cudnnBackendDescriptor_t g = new_descriptor(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set_descriptor(m, g, CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  set(m, g, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  finalize(m, g);
  return g;
}

/* -- Plans ------------------------------------------------------------------------------------- */

typedef struct plan {
  struct plan *next;
  tn_dnn_conv key;
  cudnnBackendDescriptor_t plan; /* NULL: there is none */
  int64_t workspace;
} plan;

typedef struct {
  pthread_mutex_t lock;
  cudnnHandle_t handle;
  bool tried;
  plan *plans[BUCKETS];
  int count;
} state;

/* The device's, made when first asked for; NULL: there is no memory for it. */
static state *state_of(int device) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static state *states[DEVICES];
  if (device < 0 || device >= DEVICES) return NULL;
  pthread_mutex_lock(&lock);
  state *s = states[device];
  if (s == NULL && (s = calloc(1, sizeof *s)) != NULL) {
    pthread_mutex_init(&s->lock, NULL);
    states[device] = s;
  }
  pthread_mutex_unlock(&lock);
  return s;
}

/* Does the engine of this way do as the call wants? */
static bool suits(const tn_dnn_conv *c, cudnnBackendDescriptor_t way) {
  cudnnBackendDescriptor_t engine = NULL;
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  int64_t count = 0;
  bool yes = true;
  if (f.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
      CUDNN_STATUS_SUCCESS) {
    return false;
  }
  cudnnStatus_t s = f.cudnnBackendGetAttribute(way, CUDNN_ATTR_ENGINECFG_ENGINE,
                                               CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
  if (s == CUDNN_STATUS_SUCCESS) {
    s = f.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                   CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
                                   &count, notes);
  }
  for (int64_t k = 0; s == CUDNN_STATUS_SUCCESS && k < count; k++) {
    const bool rounds = notes[k] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && c->dtype == TN_F32;
    if (rounds && !(c->flags & TN_DNN_MAY_ROUND)) yes = false;
    if (notes[k] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) yes = false;
    if (notes[k] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) yes = false;
    if (notes[k] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && c->flags & TN_DNN_SAME_SUMS) {
      yes = false;
    }
  }
  f.cudnnBackendDestroyDescriptor(engine);
  return yes && s == CUDNN_STATUS_SUCCESS;
}

/* A plan that goes this way; NULL where it is not possible here. */
static cudnnBackendDescriptor_t plan_of(cudnnHandle_t handle, cudnnBackendDescriptor_t way,
                                        int64_t *workspace) {
  maker m = {.status = CUDNN_STATUS_SUCCESS};
  int64_t count = 0;
  cudnnBackendDescriptor_t p = new_descriptor(&m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  set(&m, p, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set_descriptor(&m, p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, way);
  finalize(&m, p);
  if (m.status == CUDNN_STATUS_SUCCESS) {
    m.status = f.cudnnBackendGetAttribute(p, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                          CUDNN_TYPE_INT64, 1, &count, workspace);
  }
  if (m.status == CUDNN_STATUS_SUCCESS && *workspace <= MOST_WORKSPACE) return p;
  destroy(&m);
  return NULL;
}

static tn_status failed(cudnnStatus_t status) {
  char text[160];
  if (status == CUDNN_STATUS_SUCCESS) return TN_OK;
  snprintf(text, sizeof text, "cuDNN: %.120s", f.cudnnGetErrorString(status));
  return tn_cuda_fail(TN_EDEVICE, text);
}

static cudnnStatus_t execute(cudnnHandle_t handle, cudnnBackendDescriptor_t p,
                             void *const memory[3], void *workspace) {
  maker m = {.status = CUDNN_STATUS_SUCCESS};
  const int64_t ids[3] = {1, 2, 3};
  cudnnBackendDescriptor_t pack = new_descriptor(&m, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  set(&m, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids);
  set(&m, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, memory);
  set(&m, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  finalize(&m, pack);
  if (m.status == CUDNN_STATUS_SUCCESS) m.status = f.cudnnBackendExecute(handle, p, pack);
  destroy(&m);
  return m.status;
}

/* How long a plan takes, in milliseconds; less than 0: it does not work. */
static float time_of(int device, cudnnHandle_t handle, const plan *p, void *const memory[3]) {
  cudaStream_t stream = tn_cuda_stream();
  cudaEvent_t begin = NULL, end = NULL;
  void *workspace = NULL;
  float time = -1;
  if (tn_cuda_alloc(device, (size_t)p->workspace, &workspace) != TN_OK) return -1;
  bool works = execute(handle, p->plan, memory, workspace) == CUDNN_STATUS_SUCCESS; /* warms up */
  if (cudaEventCreate(&begin) != cudaSuccess || cudaEventCreate(&end) != cudaSuccess) works = false;
  if (works) works = cudaEventRecord(begin, stream) == cudaSuccess;
  for (int k = 0; k < TURNS && works; k++) {
    works = execute(handle, p->plan, memory, workspace) == CUDNN_STATUS_SUCCESS;
  }
  if (works) works = cudaEventRecord(end, stream) == cudaSuccess;
  if (works) works = cudaEventSynchronize(end) == cudaSuccess;
  if (works && cudaEventElapsedTime(&time, begin, end) != cudaSuccess) time = -1;
  if (begin != NULL) cudaEventDestroy(begin);
  if (end != NULL) cudaEventDestroy(end);
  tn_cuda_free(device, workspace);
  return time;
}

/* The ways of one kind of advice, as finished descriptors in `ways`; how many. */
static int advice(cudnnBackendDescriptor_t g, cudnnBackendHeurMode_t mode,
                  cudnnBackendDescriptor_t ways[WAYS]) {
  maker m = {.status = CUDNN_STATUS_SUCCESS};
  int64_t count = 0;
  int made = 0;
  cudnnBackendDescriptor_t h = new_descriptor(&m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set_descriptor(&m, h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g);
  set(&m, h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  finalize(&m, h);
  while (m.status == CUDNN_STATUS_SUCCESS && made < WAYS) {
    m.status = f.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &ways[made]);
    if (m.status == CUDNN_STATUS_SUCCESS) made++;
  }
  if (m.status == CUDNN_STATUS_SUCCESS) {
    m.status = f.cudnnBackendGetAttribute(h, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, WAYS, &count, ways);
  }
  if (m.status != CUDNN_STATUS_SUCCESS || count < 0) count = 0;
  if (count > made) count = made;
  while (made > count) f.cudnnBackendDestroyDescriptor(ways[--made]);
  destroy(&m);
  return (int)count;
}

static bool may_time(void) {
  enum cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(tn_cuda_stream(), &capture) == cudaSuccess &&
         capture == cudaStreamCaptureStatusNone;
}

/* Fills p->plan with the first plan that there is, or the fastest of some. */
static void choose(int device, state *s, plan *p, void *const memory[3]) {
  static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  const int wanted = p->key.flags & TN_DNN_BENCHMARK && may_time() ? TRIED : 1;
  maker m = {.status = CUDNN_STATUS_SUCCESS};
  cudnnBackendDescriptor_t g = graph(&m, &p->key, s->handle), ways[WAYS];
  int tried = 0;
  float best = -1;
  for (int k = 0; k < 2 && p->plan == NULL && m.status == CUDNN_STATUS_SUCCESS; k++) {
    const int count = advice(g, modes[k], ways);
    for (int i = 0; i < count; i++) {
      plan next = {.workspace = 0};
      if (tried < wanted && suits(&p->key, ways[i])) {
        next.plan = plan_of(s->handle, ways[i], &next.workspace);
      }
      f.cudnnBackendDestroyDescriptor(ways[i]);
      if (next.plan == NULL) continue;
      tried++;
      const float time = wanted > 1 ? time_of(device, s->handle, &next, memory) : 0;
      cudnnBackendDescriptor_t other = next.plan;
      if (time >= 0 && (best < 0 || time < best)) {
        best = time;
        other = p->plan;
        p->plan = next.plan;
        p->workspace = next.workspace;
      }
      if (other != NULL) f.cudnnBackendDestroyDescriptor(other);
    }
  }
  destroy(&m);
}

static unsigned bucket_of(const tn_dnn_conv *c) {
  const unsigned char *bytes = (const unsigned char *)c;
  uint64_t hash = 14695981039346656037u; /* FNV-1a */
  for (size_t i = 0; i < sizeof *c; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  return (unsigned)(hash >> 32) % BUCKETS;
}

static void forget(state *s) {
  for (int b = 0; b < BUCKETS; b++) {
    while (s->plans[b] != NULL) {
      plan *p = s->plans[b];
      s->plans[b] = p->next;
      if (p->plan != NULL) f.cudnnBackendDestroyDescriptor(p->plan);
      free(p);
    }
  }
  s->count = 0;
}

/* The plan of a problem, made when it is first met; NULL: there is no memory for it. */
static plan *find(int device, state *s, const tn_dnn_conv *key, void *const memory[3]) {
  plan **bucket = &s->plans[bucket_of(key)];
  for (plan *p = *bucket; p != NULL; p = p->next) {
    if (memcmp(&p->key, key, sizeof *key) == 0) return p;
  }
  if (s->count >= MOST_PLANS) forget(s);
  plan *p = calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  p->key = *key;
  choose(device, s, p, memory);
  p->next = *bucket;
  *bucket = p;
  s->count++;
  return p;
}

static int64_t alignment_of(void *const memory[3]) {
  uintptr_t all = 16;
  for (int k = 0; k < 3; k++) all |= (uintptr_t)memory[k];
  return (int64_t)(all & -all);
}

/* With the device's lock. */
static tn_status run(int device, state *s, const tn_dnn_conv *c, void *const memory[3]) {
  tn_dnn_conv key = *c;
  void *workspace = NULL;
  if (!s->tried) {
    s->tried = true;
    if (f.cudnnCreate(&s->handle) != CUDNN_STATUS_SUCCESS) s->handle = NULL;
  }
  if (s->handle == NULL) return TN_DECLINED;
  cudnnStatus_t status = f.cudnnSetStream(s->handle, tn_cuda_stream());
  if (status != CUDNN_STATUS_SUCCESS) return failed(status);
  key.alignment = alignment_of(memory);
  const plan *p = find(device, s, &key, memory);
  if (p == NULL || p->plan == NULL) return TN_DECLINED;
  if (p->workspace > 0) {
    const tn_status room = tn_cuda_alloc(device, (size_t)p->workspace, &workspace);
    if (room != TN_OK) return room == TN_ENOMEM ? TN_DECLINED : room;
  }
  status = execute(s->handle, p->plan, memory, workspace);
  if (workspace != NULL) tn_cuda_free(device, workspace);
  return failed(status);
}

tn_status tn_dnn_convolve(int device, const tn_dnn_conv *c, void *const memory[3]) {
  state *s = tn_cuda_library(&library) == TN_OK ? state_of(device) : NULL;
  if (s == NULL) return TN_DECLINED;
  pthread_mutex_lock(&s->lock);
  tn_status status = run(device, s, c, memory);
  pthread_mutex_unlock(&s->lock);
  return status;
}

const char *tn_dnn_problem(void) {
  return tn_cuda_library(&library) == TN_OK ? NULL : library.problem;
}

#else /* made without cuDNN's headers */

tn_status tn_dnn_convolve(int device, const tn_dnn_conv *c, void *const memory[3]) {
  (void)device, (void)c, (void)memory;
  return TN_DECLINED;
}

const char *tn_dnn_problem(void) { return "made without cuDNN"; }

#endif
