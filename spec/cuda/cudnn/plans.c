/* plans.c -- a libcudnn.so.9 that asks the real one, for machines without a GPU: descriptors and
 * plans are the library's own, made for the properties of a device in a file; nothing is executed.
 * CUDNN_LIBRARY names the real library, CUDNN_DEVICE the file. */
#include <cudnn_graph.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cudnnBackendDescriptor_t device;
static cudnnBackendDescriptor_t advisers[64]; /* that have not been finished yet */
static int count;

static void *find(const char *name) {
  static void *library;
  if (library == NULL) library = dlopen(getenv("CUDNN_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
  void *at = library != NULL ? dlsym(library, name) : NULL;
  if (at == NULL) {
    fprintf(stderr, "plans: no %s in %s\n", name, getenv("CUDNN_LIBRARY"));
    exit(1);
  }
  return at;
}

/* Calls the library's function of this name. */
#define REAL(name, ...) (find_##name()(__VA_ARGS__))
#define DECLARE(type, name, ...)                                                                  \
  typedef type type_##name(__VA_ARGS__);                                                          \
  static type_##name *find_##name(void) {                                                         \
    type_##name *function;                                                                        \
    void *at = find(#name);                                                                       \
    memcpy(&function, &at, sizeof function);                                                      \
    return function;                                                                              \
  }

DECLARE(cudnnStatus_t, cudnnBackendCreateDescriptor, cudnnBackendDescriptorType_t,
        cudnnBackendDescriptor_t *)
DECLARE(cudnnStatus_t, cudnnBackendDestroyDescriptor, cudnnBackendDescriptor_t)
DECLARE(cudnnStatus_t, cudnnBackendFinalize, cudnnBackendDescriptor_t)
DECLARE(cudnnStatus_t, cudnnBackendSetAttribute, cudnnBackendDescriptor_t,
        cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, int64_t, const void *)
DECLARE(cudnnStatus_t, cudnnBackendGetAttribute, cudnnBackendDescriptor_t,
        cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, int64_t, int64_t *, void *)
DECLARE(void, cudnnGetLastErrorString, char *, size_t)

static cudnnStatus_t tell(const char *what, int which, cudnnStatus_t status) {
  char text[1000] = "";
  if (status == CUDNN_STATUS_SUCCESS) return status;
  REAL(cudnnGetLastErrorString, text, sizeof text);
  printf("# %s %d: %d %s\n", what, which, (int)status, text);
  return status;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  char text[4000];
  FILE *file = fopen(getenv("CUDNN_DEVICE"), "r");
  if (file == NULL) return CUDNN_STATUS_INTERNAL_ERROR;
  const size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  *handle = (cudnnHandle_t)&device;
  cudnnStatus_t s =
      REAL(cudnnBackendCreateDescriptor, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device);
  if (s == CUDNN_STATUS_SUCCESS) {
    s = REAL(cudnnBackendSetAttribute, device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
             CUDNN_TYPE_CHAR, (int64_t)length, text);
  }
  if (s == CUDNN_STATUS_SUCCESS) s = REAL(cudnnBackendFinalize, device);
  return tell("device", 0, s);
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  (void)handle, (void)stream;
  return CUDNN_STATUS_SUCCESS;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS ? "no error" : "an error";
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *out) {
  cudnnStatus_t s = REAL(cudnnBackendCreateDescriptor, type, out);
  if (type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR && count < 64) advisers[count++] = *out;
  return tell("create", (int)type, s);
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  return tell("destroy", 0, REAL(cudnnBackendDestroyDescriptor, d));
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  for (int k = 0; k < count; k++) {
    if (advisers[k] != d) continue;
    advisers[k] = advisers[--count];
    tell("device of advice", 0,
         REAL(cudnnBackendSetAttribute, d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device));
  }
  return tell("finish", 0, REAL(cudnnBackendFinalize, d));
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t n,
                                       const void *values) {
  if (name == CUDNN_ATTR_OPERATIONGRAPH_HANDLE) return CUDNN_STATUS_SUCCESS;
  if (name == CUDNN_ATTR_EXECUTION_PLAN_HANDLE) {
    name = CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP;
    type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    values = &device;
  }
  return tell("attribute", (int)name, REAL(cudnnBackendSetAttribute, d, name, type, n, values));
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const d,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted,
                                       int64_t *n, void *values) {
  return tell("value", (int)name, REAL(cudnnBackendGetAttribute, d, name, type, wanted, n, values));
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  (void)handle;
  return plan != NULL && pack != NULL ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
