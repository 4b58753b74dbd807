/* stream.c -- streams and events.
 *
 * Stream 0 of a device is CUDA's default one. Others are made when first wanted and then kept: a
 * number that was given back is given again, and where all are out, two share one. */
#include <stdlib.h>

#include "cuda/state.h"

volatile int tn_cuda_streams_used;

static struct {
  cudaStream_t handle;
  int priority, holders;
} streams[TN_CUDA_DEVICES][TN_CUDA_STREAMS];
static tn_cuda_mark *spare_marks[TN_CUDA_DEVICES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local unsigned char current[TN_CUDA_DEVICES];

int tn_cuda_current(int device) { return current[device]; }
cudaStream_t tn_cuda_handle(int device, int stream) { return streams[device][stream].handle; }
void tn_cuda_make_current(int device, int stream) { current[device] = (unsigned char)stream; }

/* -- Streams ----------------------------------------------------------------------------------- */

enum { FOR_CAPTURES = 4 }; /* places that only streams of captures may take */

/* The free one, or the one that fewest hold, of those of this priority; else a place for a new one,
 * if there is one. Streams that capture are for nothing else: events that mark the end of a block's
 * use must not get into a graph; so some places are theirs. Other ones, where no place is left, are
 * shared whatever their priority, which is only a wish. */
static int pick(int device, int priority) {
  const bool captures = priority == TN_CUDA_FOR_CAPTURE;
  int best = 0, any = 0, place = 0;
  for (int s = 1; s < TN_CUDA_STREAMS; s++) {
    const int held = streams[device][s].holders, has = streams[device][s].priority;
    if (streams[device][s].handle == NULL) {
      const bool may = captures || s < TN_CUDA_STREAMS - FOR_CAPTURES;
      if (may && (place == 0 || captures)) place = s;
      continue;
    }
    if (has == priority && (best == 0 || held < streams[device][best].holders)) best = s;
    if (has != TN_CUDA_FOR_CAPTURE && (any == 0 || held < streams[device][any].holders)) any = s;
  }
  if (best != 0 && (place == 0 || streams[device][best].holders == 0)) return best;
  return place != 0 || captures ? place : any;
}

static tn_status make(int device, int stream, int priority) {
  int before;
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaStreamCreateWithPriority(
      &streams[device][stream].handle, cudaStreamNonBlocking,
      priority == TN_CUDA_FOR_CAPTURE ? 0 : priority));
  if (s == TN_OK) streams[device][stream].priority = priority;
  tn_cuda_leave(device, before);
  return s;
}

tn_status tn_cuda_stream_new(int device, int priority, int *stream) {
  tn_status s = TN_OK;
  *stream = 0;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  pthread_mutex_lock(&lock);
  const int at = pick(device, priority);
  if (at == 0) s = tn_cuda_fail(TN_EDEVICE, "all streams are in use");
  else if (streams[device][at].handle == NULL) s = make(device, at, priority);
  if (s == TN_OK) {
    streams[device][at].holders++;
    tn_cuda_streams_used = 1;
    *stream = at;
  }
  pthread_mutex_unlock(&lock);
  return s;
}

void tn_cuda_stream_free(int device, int stream) {
  if (stream == 0) return;
  pthread_mutex_lock(&lock);
  streams[device][stream].holders--;
  pthread_mutex_unlock(&lock);
}

/* -- Marks ------------------------------------------------------------------------------------- */

tn_cuda_mark *tn_cuda_mark_stream(int device, int stream) {
  int before;
  pthread_mutex_lock(&lock);
  tn_cuda_mark *mark = spare_marks[device];
  if (mark != NULL) spare_marks[device] = mark->next;
  pthread_mutex_unlock(&lock);
  if (tn_cuda_enter(device, &before) != TN_OK) {
    tn_cuda_mark_free(mark);
    return NULL;
  }
  if (mark == NULL && (mark = calloc(1, sizeof *mark)) != NULL) {
    mark->device = device;
    if (cudaEventCreateWithFlags(&mark->event, cudaEventDisableTiming) != cudaSuccess) {
      free(mark);
      mark = NULL;
    }
  }
  if (mark != NULL) {
    mark->next = NULL;
    if (cudaEventRecord(mark->event, tn_cuda_handle(device, stream)) != cudaSuccess) {
      tn_cuda_mark_free(mark);
      mark = NULL;
    }
  }
  /* without an event: wait here and now */
  if (mark == NULL) cudaStreamSynchronize(tn_cuda_handle(device, stream));
  tn_cuda_leave(device, before);
  return mark;
}

void tn_cuda_mark_free(tn_cuda_mark *mark) {
  if (mark == NULL) return;
  pthread_mutex_lock(&lock);
  mark->next = spare_marks[mark->device];
  spare_marks[mark->device] = mark;
  pthread_mutex_unlock(&lock);
}

bool tn_cuda_mark_done(tn_cuda_mark *mark, bool wait) {
  if (tn_cuda_is_lost()) return true;
  cudaError_t error = wait ? cudaEventSynchronize(mark->event) : cudaEventQuery(mark->event);
  if (error == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  tn_cuda_check(error);
  return true;
}

/* -- Events ------------------------------------------------------------------------------------ */

typedef struct {
  cudaEvent_t event;
  int device;
  bool timing, recorded;
} event_box;

static tn_status event_new(int device, bool timing, void **out) {
  int before;
  event_box *e = calloc(1, sizeof *e);
  *out = NULL;
  if (e == NULL) return tn_cuda_fail(TN_ENOMEM, "not enough memory for an event");
  tn_status s = tn_cuda_enter(device, &before);
  if (s == TN_OK) {
    s = tn_cuda_check(cudaEventCreateWithFlags(&e->event, timing ? cudaEventDefault
                                                                 : cudaEventDisableTiming));
    tn_cuda_leave(device, before);
  }
  if (s != TN_OK) {
    free(e);
    return s;
  }
  e->device = device;
  e->timing = timing;
  *out = e;
  return TN_OK;
}

static void event_free(void *event) {
  event_box *e = event;
  if (!tn_cuda_is_lost()) cudaEventDestroy(e->event);
  free(e);
}

static tn_status event_record(void *event, int stream) {
  event_box *e = event;
  int before;
  if (tn_cuda_capturing()) return tn_cuda_no_capture("recording an event");
  tn_status s = tn_cuda_enter(e->device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaEventRecord(e->event, tn_cuda_handle(e->device, stream)));
  if (s == TN_OK) e->recorded = true;
  tn_cuda_leave(e->device, before);
  return s;
}

static tn_status event_follow(void *event, int device, int stream) {
  const event_box *e = event;
  int before;
  if (tn_cuda_capturing()) return tn_cuda_no_capture("waiting for an event");
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  if (e->recorded) s = tn_cuda_check(cudaStreamWaitEvent(tn_cuda_handle(device, stream), e->event, 0));
  tn_cuda_leave(device, before);
  return s;
}

static tn_status event_wait(void *event) {
  const event_box *e = event;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  if (tn_cuda_capturing()) return tn_cuda_no_capture("waiting for an event");
  return e->recorded ? tn_cuda_check(cudaEventSynchronize(e->event)) : TN_OK;
}

/* *done, of what a query says. */
static tn_status answer(cudaError_t error, bool *done) {
  *done = error != cudaErrorNotReady;
  if (*done) return tn_cuda_check(error);
  cudaGetLastError();
  return TN_OK;
}

static tn_status event_done(void *event, bool *done) {
  const event_box *e = event;
  *done = true;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  return e->recorded ? answer(cudaEventQuery(e->event), done) : TN_OK;
}

static tn_status event_time(void *begin, void *end, double *milliseconds) {
  const event_box *a = begin, *b = end;
  float elapsed = 0;
  if (tn_cuda_is_lost()) return tn_cuda_lost();
  if (!a->timing || !b->timing) {
    return tn_cuda_fail(TN_EARG, "these events keep no time: make them with enable_timing = true");
  }
  if (!a->recorded || !b->recorded) {
    return tn_cuda_fail(TN_EARG, "both events have to be recorded first");
  }
  if (a->device != b->device) {
    return tn_cuda_fail(TN_EARG, "the time between events of two devices cannot be told");
  }
  cudaError_t error = cudaEventElapsedTime(&elapsed, a->event, b->event);
  if (error == cudaErrorNotReady) {
    cudaGetLastError();
    return tn_cuda_fail(TN_EARG, "the device is not done with them: synchronize first");
  }
  *milliseconds = (double)elapsed;
  return tn_cuda_check(error);
}

/* -- For the backend's table ------------------------------------------------------------------- */

static tn_status stream_use(int device, int stream) {
  if (stream != current[device] && tn_cuda_capturing()) {
    return tn_cuda_no_capture("changing the stream");
  }
  tn_cuda_make_current(device, stream);
  return TN_OK;
}

static tn_status stream_wait(int device, int stream) {
  int before;
  if (tn_cuda_capturing()) return tn_cuda_no_capture("waiting for a stream");
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = tn_cuda_check(cudaStreamSynchronize(tn_cuda_handle(device, stream)));
  tn_cuda_leave(device, before);
  return s == TN_OK ? tn_cuda_found_wrong(device) : s;
}

static tn_status stream_done(int device, int stream, bool *done) {
  int before;
  *done = true;
  if (tn_cuda_capturing()) return tn_cuda_no_capture("asking a stream");
  tn_status s = tn_cuda_enter(device, &before);
  if (s != TN_OK) return s;
  s = answer(cudaStreamQuery(tn_cuda_handle(device, stream)), done);
  tn_cuda_leave(device, before);
  return s;
}

static void *stream_handle(int device, int stream) { return tn_cuda_handle(device, stream); }

void tn_cuda_fill_streams(tn_backend *b) {
  b->stream_new = tn_cuda_stream_new;
  b->stream_free = tn_cuda_stream_free;
  b->stream_current = tn_cuda_current;
  b->stream_use = stream_use;
  b->stream_wait = stream_wait;
  b->stream_done = stream_done;
  b->stream_handle = stream_handle;
  b->streams = &tn_cuda_streams_used;
  b->event_new = event_new;
  b->event_free = event_free;
  b->event_record = event_record;
  b->event_follow = event_follow;
  b->event_wait = event_wait;
  b->event_done = event_done;
  b->event_time = event_time;
}
