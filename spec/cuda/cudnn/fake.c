/* fake.c -- a libcudnn.so.9 of the few functions that cuda/lib/dnn.c calls, for machines without a
 * GPU. It holds descriptors to their documented contract: which attributes there are, of what type
 * and how many values, what must be there before cudnnBackendFinalize, and that nothing changes
 * after it; and then does the convolution, on the host's memory. A mistake ends the program.
 *
 * Its engines differ in what they note, so that a test sees which one was chosen. */
#include <cudnn_graph.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By mode A: an engine on tensor cores, one whose sums are not always the same, one that needs too
 * much memory, one that does not work here, and one that rounds nothing and needs a little memory.
 * The fallback is the last. */
enum { TENSOR_CORES, BY_CHANCE, HUGE_ONE, BROKEN, PLAIN, FALLBACK };

enum { ATTRIBUTES = 12, VALUES = 8 };

typedef struct {
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  int least, most; /* values; least 0: need not be given */
} rule;

typedef struct descriptor {
  cudnnBackendDescriptorType_t type;
  const rule *rules;
  bool final;
  int count[ATTRIBUTES];
  union {
    int64_t whole[VALUES];
    double real;
    float single;
    void *pointer[VALUES];
    int word;
  } value[ATTRIBUTES];
  int engine; /* of engines, configurations and plans */
  struct descriptor *parts; /* of plans: copies of operation, x, y, w and convolution */
} descriptor;

static const rule tensor_rules[] = {
    {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, 5},
    {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, 5},
    {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, 1},
    {0, 0, 0, 0}};
static const rule convolution_rules[] = {
    {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, 1},
    {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, 3},
    {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, 3},
    {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, 3},
    {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, 3},
    {0, 0, 0, 0}};
/* x, y, w, convolution, alpha and beta of each operation, in this order. */
enum { X, Y, W, HOW, ALPHA, BETA };
#define OPERATION_RULES(x, y, w, how, alpha, beta)                                                \
  {{x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1}, {y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},            \
   {w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1}, {how, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},          \
   {alpha, CUDNN_TYPE_FLOAT, 1, 1}, {beta, CUDNN_TYPE_FLOAT, 1, 1}, {0, 0, 0, 0}}
static const rule forward_rules[] = OPERATION_RULES(
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
static const rule data_rules[] = OPERATION_RULES(
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
static const rule filter_rules[] = OPERATION_RULES(
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
static const rule graph_rules[] = {
    {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, 1},
    {0, 0, 0, 0}};
static const rule advice_rules[] = {
    {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, 1},
    {0, 0, 0, 0}};
static const rule plan_rules[] = {
    {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, 1},
    {0, 0, 0, 0}};
static const rule pack_rules[] = {
    {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, 3},
    {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, 3},
    {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, 1},
    {0, 0, 0, 0}};
static const rule none[] = {{0, 0, 0, 0}};
/* A configuration remembers its graph, which the library does for itself. */
static const rule of_graph[] = {{-1, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, 1}, {0, 0, 0, 0}};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int live, advices, last_engine = -1;

/* What tests ask. */
int fake_live(void) { return live; }
int fake_advices(void) { return advices; }
int fake_engine(void) { return last_engine; }

static void add(int *to, int n) {
  pthread_mutex_lock(&lock);
  *to += n;
  pthread_mutex_unlock(&lock);
}

static void must(bool holds, const char *what, ...) {
  va_list list;
  if (holds) return;
  va_start(list, what);
  fprintf(stderr, "fake cuDNN: ");
  vfprintf(stderr, what, list);
  fprintf(stderr, "\n");
  abort();
}

static const rule *rules_of(cudnnBackendDescriptorType_t type) {
  switch (type) {
  case CUDNN_BACKEND_TENSOR_DESCRIPTOR: return tensor_rules;
  case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: return convolution_rules;
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: return forward_rules;
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: return data_rules;
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: return filter_rules;
  case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: return graph_rules;
  case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: return advice_rules;
  case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: return plan_rules;
  case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR: return pack_rules;
  case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: return of_graph;
  case CUDNN_BACKEND_ENGINE_DESCRIPTOR: return none;
  default: must(false, "a descriptor of type %d", (int)type);
  }
  return NULL;
}

static size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
  case CUDNN_TYPE_INT64: case CUDNN_TYPE_DOUBLE: return 8;
  case CUDNN_TYPE_HANDLE: case CUDNN_TYPE_VOID_PTR: case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    return sizeof(void *);
  default: return 4;
  }
}

static int index_of(const descriptor *d, cudnnBackendAttributeName_t name) {
  for (int k = 0; d->rules[k].most > 0; k++) {
    if (d->rules[k].name == name) return k;
  }
  must(false, "descriptor %d has no attribute %d", (int)d->type, (int)name);
  return 0;
}

static const descriptor *sub(const descriptor *d, int k) { return d->value[k].pointer[0]; }

/* -- Descriptors ------------------------------------------------------------------------------- */

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  *handle = calloc(1, 8);
  return *handle != NULL ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_INTERNAL_ERROR;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  must(handle != NULL && stream == (cudaStream_t)77, "the thread's stream");
  return CUDNN_STATUS_SUCCESS;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS ? "no error" : "an error of the fake";
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *out) {
  descriptor *d = calloc(1, sizeof *d);
  d->type = type;
  d->rules = rules_of(type);
  d->engine = -1;
  *out = d;
  add(&live, 1);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  must(d != NULL, "NULL destroyed");
  free(((descriptor *)d)->parts);
  memset(d, 0x5a, sizeof(descriptor));
  free(d);
  add(&live, -1);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor_,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values) {
  descriptor *d = descriptor_;
  const int k = index_of(d, name);
  const rule *r = &d->rules[k];
  const bool real = r->type == CUDNN_TYPE_FLOAT && type == CUDNN_TYPE_DOUBLE; /* alpha and beta */
  must(!d->final, "attribute %d of a finished descriptor", (int)name);
  must(r->type == type || real, "attribute %d has type %d", (int)name, (int)type);
  must(count >= 1 && count <= r->most && count >= r->least, "attribute %d: %d values", (int)name,
       (int)count);
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const descriptor *value = *(descriptor *const *)values;
    must(value != NULL && value->final, "attribute %d: a descriptor that is not finished",
         (int)name);
  }
  memcpy(&d->value[k], values, (size_t)count * size_of(type));
  d->count[k] = (int)count;
  if (real) d->value[k].single = (float)d->value[k].real;
  return CUDNN_STATUS_SUCCESS;
}

static void finish_tensor(const descriptor *d) {
  const int64_t alignment = d->value[4].whole[0];
  must(d->count[1] == d->count[2], "as many strides as sizes");
  for (int k = 0; k < d->count[1]; k++) {
    must(d->value[1].whole[k] > 0 && d->value[2].whole[k] > 0, "sizes and strides above 0");
  }
  must(alignment > 0 && alignment <= 16 && (alignment & (alignment - 1)) == 0, "the alignment");
}

static void finish_convolution(const descriptor *d) {
  for (int k = 3; k < 7; k++) must(d->count[k] == d->value[2].whole[0], "numbers of space");
  must(d->value[1].word == CUDNN_CROSS_CORRELATION, "the kernel as it is");
}

static void finish_operation(const descriptor *d) {
  const descriptor *x = sub(d, X), *y = sub(d, Y), *w = sub(d, W), *how = sub(d, HOW);
  const int64_t space = how->value[2].whole[0];
  for (int k = X; k <= W; k++) {
    must(sub(d, k)->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor");
    must(sub(d, k)->count[1] == space + 2, "dimensions");
    must(sub(d, k)->value[0].word == x->value[0].word, "one type of data");
  }
  must(how->type == CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a convolution");
  must(d->value[ALPHA].single == 1 && d->value[BETA].single == 0, "alpha and beta");
  const int64_t *xs = x->value[1].whole, *ys = y->value[1].whole, *ws = w->value[1].whole;
  must(xs[0] == ys[0] && ws[0] == ys[1] && xs[1] % ws[1] == 0, "channels");
  for (int k = 0; k < space; k++) {
    const int64_t reach = (ws[2 + k] - 1) * how->value[3].whole[k] + 1;
    const int64_t room = xs[2 + k] + how->value[5].whole[k] + how->value[6].whole[k] - reach;
    must(room >= 0 && room / how->value[4].whole[k] + 1 == ys[2 + k], "the sizes");
  }
}

/* A plan needs none of what it was made of any more. */
static void keep_operation(descriptor *plan) {
  const descriptor *operation = sub(sub(sub(plan, 0), 0), 0);
  plan->parts = calloc(5, sizeof *plan);
  plan->parts[0] = *operation;
  for (int k = X; k <= HOW; k++) {
    plan->parts[1 + k] = *sub(operation, k);
    plan->parts[0].value[k].pointer[0] = &plan->parts[1 + k];
  }
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor_) {
  descriptor *d = descriptor_;
  must(!d->final, "finished twice");
  for (int k = 0; d->rules[k].most > 0; k++) {
    must(d->count[k] >= d->rules[k].least, "attribute %d was not given", (int)d->rules[k].name);
  }
  if (d->rules == tensor_rules) finish_tensor(d);
  if (d->rules == convolution_rules) finish_convolution(d);
  if (d->rules == forward_rules || d->rules == data_rules || d->rules == filter_rules) {
    finish_operation(d);
  }
  if (d->rules == advice_rules) add(&advices, 1);
  if (d->rules == plan_rules) {
    d->engine = sub(d, 0)->engine;
    if (d->engine == BROKEN) return CUDNN_STATUS_NOT_SUPPORTED;
    keep_operation(d);
  }
  d->final = true;
  return CUDNN_STATUS_SUCCESS;
}

/* -- What the library knows -------------------------------------------------------------------- */

static void configure(descriptor *c, const descriptor *graph, int engine) {
  must(c->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR && !c->final, "an empty configuration");
  c->engine = engine;
  c->value[0].pointer[0] = (void *)(uintptr_t)graph;
  c->final = true;
}

static int64_t notes_of(int engine, cudnnBackendNumericalNote_t *notes) {
  if (engine == TENSOR_CORES) notes[0] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
  if (engine == BY_CHANCE) notes[0] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  return engine <= BY_CHANCE;
}

static int64_t workspace_of(int engine) {
  return engine == HUGE_ONE ? (int64_t)1 << 40 : engine == PLAIN ? 100 : 0;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor_,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted,
                                       int64_t *count, void *values) {
  const descriptor *d = descriptor_;
  must(d->final, "attribute %d of a descriptor that is not finished", (int)name);
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    const bool last = d->value[1].word == CUDNN_HEUR_MODE_FALLBACK;
    must(type == CUDNN_TYPE_BACKEND_DESCRIPTOR && d->rules == advice_rules, "results");
    must(last || d->value[1].word == CUDNN_HEUR_MODE_A, "the mode");
    must(wanted >= 5, "room for results");
    *count = last ? 1 : 5;
    for (int k = 0; k < *count; k++) {
      configure(((descriptor **)values)[k], sub(d, 0), last ? FALLBACK : k);
    }
  } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE) {
    descriptor *engine = *(descriptor **)values;
    must(type == CUDNN_TYPE_BACKEND_DESCRIPTOR && wanted == 1, "an engine");
    must(engine->type == CUDNN_BACKEND_ENGINE_DESCRIPTOR && !engine->final, "an empty engine");
    engine->engine = d->engine;
    engine->final = true;
    *count = 1;
  } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) {
    must(type == CUDNN_TYPE_NUMERICAL_NOTE && d->type == CUDNN_BACKEND_ENGINE_DESCRIPTOR, "notes");
    must(wanted >= CUDNN_NUMERICAL_NOTE_TYPE_COUNT, "room for notes");
    *count = notes_of(d->engine, values);
  } else {
    must(name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 &&
         d->rules == plan_rules && wanted == 1, "attribute %d", (int)name);
    *count = 1;
    *(int64_t *)values = workspace_of(d->engine);
  }
  return CUDNN_STATUS_SUCCESS;
}

/* -- The work ---------------------------------------------------------------------------------- */

static double get(const descriptor *t, const void *data, int64_t at) {
  return t->value[0].word == CUDNN_DATA_DOUBLE ? ((const double *)data)[at]
                                               : (double)((const float *)data)[at];
}

static void put(const descriptor *t, void *data, int64_t at, double v) {
  if (t->value[0].word == CUDNN_DATA_DOUBLE) ((double *)data)[at] = v;
  else ((float *)data)[at] = (float)v;
}

static int64_t where(const descriptor *t, const int64_t *at) {
  int64_t sum = 0;
  for (int k = 0; k < t->count[2]; k++) sum += at[k] * t->value[2].whole[k];
  return sum;
}

/* The next position below `size`; false behind the last one. */
static bool next(int64_t *at, const int64_t *size, int dims) {
  for (int k = dims - 1; k >= 0; k--) {
    if (++at[k] < size[k]) return true;
    at[k] = 0;
  }
  return false;
}

static void convolve(const descriptor *operation, void *const memory[3]) {
  const descriptor *t[3] = {sub(operation, X), sub(operation, Y), sub(operation, W)};
  const descriptor *how = sub(operation, HOW);
  const int result = operation->rules == data_rules ? X : operation->rules == forward_rules ? Y : W;
  const int64_t *ys = t[Y]->value[1].whole, *ws = t[W]->value[1].whole, *xs = t[X]->value[1].whole;
  const int dims = t[X]->count[1];
  const int64_t to = ys[1] / (xs[1] / ws[1]);
  int64_t y[5] = {0}, w[5] = {0}, x[5] = {0};
  do put(t[result], memory[result], where(t[result], x), 0);
  while (next(x, t[result]->value[1].whole, dims));
  do {
    do {
      bool inside = w[0] == y[1];
      x[0] = y[0];
      x[1] = y[1] / to * ws[1] + w[1];
      for (int k = 2; k < dims; k++) {
        x[k] = y[k] * how->value[4].whole[k - 2] - how->value[5].whole[k - 2] +
               w[k] * how->value[3].whole[k - 2];
        inside = inside && x[k] >= 0 && x[k] < xs[k];
      }
      if (!inside) continue;
      const int64_t at[3] = {where(t[X], x), where(t[Y], y), where(t[W], w)};
      double product = get(t[result], memory[result], at[result]), factor = 1;
      for (int k = 0; k < 3; k++) {
        if (k != result) factor *= get(t[k], memory[k], at[k]);
      }
      put(t[result], memory[result], at[result], product + factor);
    } while (next(w, ws, dims));
  } while (next(y, ys, dims));
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_,
                                  cudnnBackendDescriptor_t pack_) {
  const descriptor *plan = plan_, *pack = pack_;
  must(handle != NULL && plan->rules == plan_rules && pack->rules == pack_rules, "what to execute");
  must(plan->final && pack->final, "what is not finished");
  must(workspace_of(plan->engine) == 0 || pack->value[2].pointer[0] != NULL, "room to work");
  for (int k = 0; k < 3; k++) must(pack->value[0].whole[k] == k + 1, "the tensors' numbers");
  convolve(&plan->parts[0], pack->value[1].pointer);
  pthread_mutex_lock(&lock);
  last_engine = plan->engine;
  pthread_mutex_unlock(&lock);
  return CUDNN_STATUS_SUCCESS;
}
