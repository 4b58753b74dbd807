/* graph.c -- captured graphs: the work of a thread, noted once and run many times.
 *
 * A capture has a stream of its own and an arena of memory that nobody else gets, so that the
 * addresses that the graph knows stay its own. What a replay cannot repeat is refused meanwhile:
 * whatever waits for the device, and what goes on other streams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/state.h"

/* What the host had in its memory, for the graph's copies to the device. */
typedef struct kept {
  struct kept *next;
  void *data;
} kept;

typedef struct {
  int device, stream, stream_before;
  bool capturing, launched;
  uint64_t launched_on; /* streams */
  cudaGraphExec_t exec;
  tn_cuda_arena *arena;
  tn_random_shift *shift; /* on the device */
  bool draws;             /* some kernel reads it */
  uint64_t runs;
  kept *tables;
} graph_box;

static _Thread_local graph_box *capture;

bool tn_cuda_capturing(void) { return capture != NULL; }

tn_cuda_arena *tn_cuda_capture_arena(int device) {
  return capture != NULL && capture->device == device ? capture->arena : NULL;
}

tn_status tn_cuda_no_capture(const char *what) {
  char text[200];
  snprintf(text, sizeof text, "%.120s is not possible while a graph is captured", what);
  return tn_cuda_fail(TN_EDEVICE, text);
}

const tn_random_shift *tn_cuda_random_shift(void) {
  if (capture == NULL) return NULL;
  capture->draws = true;
  return capture->shift;
}

/* Copies to pinned memory that lives as long as the graph. */
static tn_status keep_table(const void *host, size_t bytes, const void **out) {
  kept *k = calloc(1, sizeof *k);
  if (k == NULL) return tn_cuda_fail(TN_ENOMEM, "not enough memory");
  tn_status s = tn_cuda_host_alloc(bytes, &k->data);
  if (s != TN_OK) {
    free(k);
    return s;
  }
  memcpy(k->data, host, bytes);
  k->next = capture->tables;
  capture->tables = k;
  *out = k->data;
  return TN_OK;
}

tn_status tn_cuda_upload(int device, void *to, const void *host, size_t bytes) {
  int before;
  if (bytes == 0) return TN_OK;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  if (capture != NULL) s = keep_table(host, bytes, &host);
  if (s == TN_OK) {
    s = tn_cuda_check(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice,
                                      tn_cuda_handle(device, tn_cuda_current(device))));
  }
  tn_cuda_leave(device, before);
  return s;
}

static tn_status begin(graph_box *g) {
  void *shift;
  tn_status s = tn_cuda_alloc(g->device, sizeof *g->shift, &shift);
  if (s != TN_OK) return s;
  g->shift = shift;
  s = tn_cuda_check(cudaMemsetAsync(shift, 0, sizeof *g->shift,
                                    tn_cuda_handle(g->device, tn_cuda_current(g->device))));
  if (s == TN_OK) s = tn_cuda_stream_new(g->device, TN_CUDA_FOR_CAPTURE, &g->stream);
  if (s != TN_OK) return s;
  g->arena = tn_cuda_arena_new(g->device);
  if (g->arena == NULL) return tn_cuda_fail(TN_ENOMEM, "not enough memory");
  /* relaxed: the allocator may ask the driver for memory meanwhile */
  s = tn_cuda_check(cudaStreamBeginCapture(tn_cuda_handle(g->device, g->stream),
                                           cudaStreamCaptureModeRelaxed));
  if (s != TN_OK) return s;
  g->capturing = true;
  g->stream_before = tn_cuda_current(g->device);
  tn_cuda_make_current(g->device, g->stream);
  capture = g;
  return TN_OK;
}

tn_status tn_cuda_graph_begin(int device, void **out) {
  int before;
  *out = NULL;
  if (capture != NULL) return tn_cuda_no_capture("capturing a graph");
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  graph_box *g = calloc(1, sizeof *g);
  if (g == NULL) s = tn_cuda_fail(TN_ENOMEM, "not enough memory");
  else g->device = device;
  if (s == TN_OK) s = begin(g);
  tn_cuda_leave(device, before);
  if (s != TN_OK && g != NULL) tn_cuda_graph_free(g);
  else *out = g;
  return s;
}

/* Ends the capture; *graph may be NULL after a failure. */
static cudaError_t end_capture(graph_box *g, cudaGraph_t *graph) {
  *graph = NULL;
  g->capturing = false;
  if (capture == g) capture = NULL;
  tn_cuda_make_current(g->device, g->stream_before);
  cudaError_t error = cudaSuccess;
  if (!tn_cuda_is_lost()) {
    error = cudaStreamEndCapture(tn_cuda_handle(g->device, g->stream), graph);
  }
  if (error != cudaSuccess) cudaGetLastError();
  tn_cuda_stream_free(g->device, g->stream);
  g->stream = 0;
  return error;
}

tn_status tn_cuda_graph_end(void *graph) {
  graph_box *g = graph;
  cudaGraph_t made;
  int before;
  const cudaError_t error = end_capture(g, &made);
  tn_status s = tn_cuda_enter(g->device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(error);
  if (s == TN_OK && made == NULL) s = tn_cuda_fail(TN_EDEVICE, "nothing was captured");
  if (s == TN_OK) s = tn_cuda_check(cudaGraphInstantiate(&g->exec, made, 0));
  if (made != NULL) cudaGraphDestroy(made);
  tn_cuda_leave(g->device, before);
  return s;
}

tn_status tn_cuda_graph_run(void *graph, uint64_t seed, uint64_t offset) {
  graph_box *g = graph;
  const tn_random_shift shift = {seed, offset, g->runs};
  int before;
  if (capture != NULL) return tn_cuda_no_capture("replaying a graph");
  if (g->exec == NULL) return tn_cuda_fail(TN_EDEVICE, "this graph was not captured to its end");
  tn_status s = tn_cuda_enter(g->device, &before);
  if (s != TN_OK) return s;
  const int stream = tn_cuda_current(g->device);
  cudaStream_t handle = tn_cuda_handle(g->device, stream);
  g->launched_on |= (uint64_t)1 << stream;
  if (g->draws) {
    s = tn_cuda_check(cudaMemcpyAsync(g->shift, &shift, sizeof shift, cudaMemcpyHostToDevice,
                                      handle));
  }
  if (s == TN_OK) s = tn_cuda_check(cudaGraphLaunch(g->exec, handle));
  if (s == TN_OK) g->runs++;
  tn_cuda_leave(g->device, before);
  return s;
}

/* Its memory may be given to others only after the last replay. */
static void wait_for_replays(const graph_box *g) {
  for (int s = 0; s < TN_CUDA_STREAMS && !tn_cuda_is_lost(); s++) {
    if (g->launched_on >> s & 1) cudaStreamSynchronize(tn_cuda_handle(g->device, s));
  }
}

void tn_cuda_graph_free(void *graph) {
  graph_box *g = graph;
  cudaGraph_t made = NULL;
  int before;
  if (g->capturing) end_capture(g, &made);
  const bool entered = tn_cuda_enter(g->device, &before) == TN_OK;
  if (entered) {
    wait_for_replays(g);
    if (made != NULL) cudaGraphDestroy(made);
    if (g->exec != NULL) cudaGraphExecDestroy(g->exec);
    tn_cuda_leave(g->device, before);
  }
  tn_cuda_arena_free(g->arena);
  tn_cuda_free(g->device, g->shift);
  tn_cuda_stream_free(g->device, g->stream);
  for (kept *k = g->tables, *next; k != NULL; k = next) {
    next = k->next;
    tn_cuda_host_free(k->data);
    free(k);
  }
  free(g);
}
