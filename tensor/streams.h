/* streams.h -- what a GPU has besides tensors and operations: its memory, streams, events, captured
 * graphs, and memory of the host that it reaches by itself. tensor.h's rules hold. Not in the
 * embedded build, which has no devices. */
#ifndef TN_STREAMS_H
#define TN_STREAMS_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  char name[128];
  size_t memory, free_memory; /* bytes */
  int major, minor;           /* compute capability */
  int processors;
} tn_device_info;

/* Memory that was taken from the device and kept, in bytes. */
typedef struct {
  size_t allocated, most_allocated; /* in use */
  size_t reserved, most_reserved;   /* taken from the device: in use, or cached */
  size_t blocks;                    /* in use */
  uint64_t taken;                   /* blocks handed out so far */
  uint64_t segments;                /* so often the device was asked for more */
  uint64_t retries, failures;       /* where it had none: after giving back, and in the end */
} tn_device_memory;

TN_API tn_status tn_device_describe(tn_ctx *ctx, tn_device device, tn_device_info *out);
/* `forget_most`: from now on the most is counted anew. */
TN_API tn_status tn_device_memory_of(tn_ctx *ctx, tn_device device, tn_device_memory *out,
                                     bool forget_most);
TN_API tn_status tn_device_trim(tn_ctx *ctx, tn_device device); /* gives cached memory back */
/* Called, with tn_user, when a device has no memory left, before one more try: gives back what the
 * host keeps as garbage, and says whether it could. NULL: nothing is. */
TN_API void tn_set_reclaim(tn_ctx *ctx, bool (*reclaim)(void *user));
/* Which GPU "cuda" means in this context; at first the first one. */
TN_API tn_device tn_current_device(const tn_ctx *ctx);
TN_API void tn_set_current_device(tn_ctx *ctx, tn_device device);

/* -- Streams: what is asked of one stream happens in that order, beside the other streams -------- */

/* A thread's work on a device goes on one stream of it, at first on 0. */
TN_API tn_status tn_stream_new(tn_ctx *ctx, tn_device device, int priority, int *stream);
TN_API void tn_stream_free(tn_device device, int stream);
TN_API tn_status tn_stream_current(tn_ctx *ctx, tn_device device, int *stream);
TN_API tn_status tn_stream_use(tn_ctx *ctx, tn_device device, int stream);
TN_API tn_status tn_stream_wait(tn_ctx *ctx, tn_device device, int stream); /* until it is done */
TN_API tn_status tn_stream_done(tn_ctx *ctx, tn_device device, int stream, bool *done);
TN_API void *tn_stream_handle(tn_device device, int stream); /* a cudaStream_t */

typedef struct tn_event tn_event;
TN_API tn_status tn_event_new(tn_ctx *ctx, tn_event **out, tn_device device, bool timing);
TN_API void tn_event_free(tn_event *event); /* NULL is accepted */
TN_API tn_status tn_event_record(tn_ctx *ctx, tn_event *event, int stream);
/* What is asked of the stream from now on waits for the event. */
TN_API tn_status tn_event_follow(tn_ctx *ctx, tn_event *event, tn_device device, int stream);
TN_API tn_status tn_event_wait(tn_ctx *ctx, tn_event *event);
TN_API tn_status tn_event_done(tn_ctx *ctx, tn_event *event, bool *done);
TN_API tn_status tn_event_time(tn_ctx *ctx, tn_event *begin, tn_event *end, double *milliseconds);

/* -- Copies that do not wait ------------------------------------------------------------------- */

/* A copy in memory of the host that devices reach by themselves. */
TN_API tn_status tn_tensor_pin(tn_ctx *ctx, tn_tensor **out, tn_tensor *t);
TN_API bool tn_tensor_is_pinned(const tn_tensor *t);
/* tn_tensor_to, but between a device and pinned memory it returns before the values are there: the
 * stream has to be waited for before the host reads what came, or writes over what goes. What comes
 * to the host is pinned. */
TN_API tn_status tn_tensor_to_later(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_device device,
                                    tn_dtype dtype);
TN_API tn_status tn_copy_later(tn_ctx *ctx, tn_tensor *to, tn_tensor *from); /* tn_copy, likewise */

/* -- Graphs: the thread's work on a device, noted once and run many times ---------------------- */

/* Between begin and end the work is noted instead of done; what cannot be noted fails. All tensors
 * that it uses are kept as long as the graph. Random numbers are others with each run: those that the
 * work itself would draw from the context's generator then. */
typedef struct tn_graph tn_graph;
TN_API tn_status tn_graph_begin(tn_ctx *ctx, tn_graph **out, tn_device device);
TN_API tn_status tn_graph_end(tn_ctx *ctx, tn_graph *graph);
TN_API tn_status tn_graph_run(tn_ctx *ctx, tn_graph *graph);
TN_API bool tn_capturing(void); /* does this thread capture one? */
/* NULL is accepted. One whose capture was not ended goes by the thread that began it. */
TN_API void tn_graph_release(tn_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
