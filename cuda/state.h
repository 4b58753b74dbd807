/* state.h -- what device.c, memory.c, pinned.c, stream.c and graph.c share. */
#ifndef TN_CUDA_STATE_H
#define TN_CUDA_STATE_H

#include <cuda_runtime_api.h>
#include <pthread.h>

#include "cuda/device.h"

enum { TN_CUDA_DEVICES = 64, TN_CUDA_STREAMS = 64 };
enum { TN_CUDA_FOR_CAPTURE = -1000 }; /* as the priority of a stream */

/* -- device.c ---------------------------------------------------------------------------------- */

const char *tn_cuda_message(void);
/* Has the GPU failed for good? Then every call says so, and nothing is asked of it any more. */
bool tn_cuda_is_lost(void);
tn_status tn_cuda_lost(void);
/* What the device found wrong in values, once it has done its work. */
tn_status tn_cuda_found_wrong(int device);
/* How many devices there are; 0 before anybody asked. */
int tn_cuda_count(void);

/* -- stream.c ---------------------------------------------------------------------------------- */

/* The number of the thread's stream of a device, and the stream of a number. */
int tn_cuda_current(int device);
cudaStream_t tn_cuda_handle(int device, int stream);
void tn_cuda_fill_streams(tn_backend *table); /* its functions of streams and events */
tn_status tn_cuda_stream_new(int device, int priority, int *stream);
void tn_cuda_stream_free(int device, int stream);
void tn_cuda_make_current(int device, int stream);
extern volatile int tn_cuda_streams_used;
/* An event that has been recorded on a stream, from a stock. */
typedef struct tn_cuda_mark {
  cudaEvent_t event;
  int device;
  struct tn_cuda_mark *next;
} tn_cuda_mark;
tn_cuda_mark *tn_cuda_mark_stream(int device, int stream); /* NULL: it could not be */
void tn_cuda_mark_free(tn_cuda_mark *mark);
bool tn_cuda_mark_done(tn_cuda_mark *mark, bool wait); /* a lost device is done with all */

/* -- memory.c ---------------------------------------------------------------------------------- */

/* Memory that blocks are cut from, for one stream or one graph. */
typedef struct tn_cuda_arena tn_cuda_arena;
tn_cuda_arena *tn_cuda_arena_new(int device);
/* Its blocks that are in use stay valid; the others go back to the device. Work on them is done. */
void tn_cuda_arena_free(tn_cuda_arena *arena);
tn_status tn_cuda_trim(int device);
tn_status tn_cuda_memory(int device, tn_device_memory *out, bool forget_most);
bool tn_cuda_uses(int device, const void *data);

/* -- pinned.c ---------------------------------------------------------------------------------- */

tn_status tn_cuda_host_alloc(size_t bytes, void **out);
void tn_cuda_host_free(void *data);
/* The block that an address lies in is read or written by work on the thread's stream. */
void tn_cuda_host_uses(int device, const void *at);
bool tn_cuda_host_has(const void *at); /* does it lie in one? */
void tn_cuda_host_trim(void);

/* -- graph.c ----------------------------------------------------------------------------------- */

/* Where this thread's memory comes from while it captures, else NULL. */
tn_cuda_arena *tn_cuda_capture_arena(int device);
bool tn_cuda_capturing(void);
/* An error while this thread captures, for what a graph cannot repeat. */
tn_status tn_cuda_no_capture(const char *what);
tn_status tn_cuda_graph_begin(int device, void **out);
tn_status tn_cuda_graph_end(void *graph);
tn_status tn_cuda_graph_run(void *graph, uint64_t seed, uint64_t offset);
void tn_cuda_graph_free(void *graph);

#endif
