/* backend.h -- what a device's plug-in gives to tensor/: one table of functions.
 *
 * The plug-in is a shared library that exports tn_backend_cuda(). tensor/backend.c opens it at the
 * first use of a device, and refuses one that was made for another version of this header or of
 * the operation table.
 *
 * Ownership  Views are borrowed for the length of a call. Memory goes back through the table that
 *            gave it.
 * Errors     Functions return a status; message() then tells what went wrong, on that thread.
 * Threads    Every function may be called by any thread. Work on one stream of a device runs in the
 *            order in which it was asked for, and may still be running when a function returns. Each
 *            thread has a stream of each device on which its work goes: at first 0, which is one for
 *            all threads. */
#ifndef TN_BACKEND_H
#define TN_BACKEND_H

#include "tensor/streams.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_BACKEND_VERSION 3
#define TN_BACKEND_SYMBOL "tn_backend_cuda"
#define TN_POINTWISE_INPUTS 5 /* most that a pointwise kernel reads: d, a, b, c and y */
/* What a kernel returns that does not serve such arguments: the call then goes the long way round,
 * by the CPU or, of a gradient, by the operations that it is written with. */
#define TN_DECLINED ((tn_status)-1)

/* A tensor as kernels see it. */
typedef struct {
  void *data;   /* first element, on the device; NULL: all elements are one number of the host */
  double real;  /* that number */
  int64_t whole; /* the same, exact where the dtype is one of integers */
  int32_t dtype, ndim; /* ndim < 0: an optional tensor that was not given */
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS]; /* in elements */
} tn_view;

/* One call of a kernel, with the device made the thread's. Pointwise kernels find inputs that
 * broadcast to out[0]; their derivatives the inputs {d, a, b, c, y}, those that they do not read
 * being any. Other kernels find inputs and results as the operation's row has them, results
 * contiguous unless the row works in place. A fused gradient finds in `in` what arrived of each
 * result (nout of them), the saved inputs, and the saved results, and fills out[i], shaped like the
 * i-th input, where need[i]. */
typedef struct {
  tn_opcode code;
  int device, nin, nout;
  int dim; /* what the shape rule noted for the kernel; not of gradients */
  int index_base; /* from which indices count: 1 in Lua */
  const tn_view *in;
  tn_view *out;
  const bool *need; /* of gradients only */
  const tn_attrs *attrs;
  uint64_t seed, offset; /* of random numbers: the position to begin at */
  uint64_t groups;       /* set by the kernel: how many groups of random numbers it used */
  bool tf32; /* float32 may be rounded to 10 bits of fraction before it is multiplied */
  bool replayable;       /* set by the kernel: they, or a step's number, change with each replay */
} tn_kernel_call;

typedef tn_status tn_device_kernel(tn_kernel_call *call);

/* The types in which pointwise kernels calculate. Others are converted on the way: float16 and
 * bfloat16 to float32, integers to int64. */
typedef enum { TN_AS_F32, TN_AS_F64, TN_AS_I64, TN_AS_COUNT } tn_computed;

/* Pointwise kernels of one operation; NULL where it has none of that type. */
typedef struct {
  tn_device_kernel *run[TN_AS_COUNT];
  tn_device_kernel *grad[3][2]; /* derivative by input k, in float32 or float64 */
} tn_pointwise_kernels;

typedef struct {
  int version; /* TN_BACKEND_VERSION; stays the first field in every version */
  int op_count;
  const char *const *op_names; /* in the order of the operation table */
  const char *name;            /* "cuda" */

  tn_status (*count)(int *devices);
  tn_status (*info)(int device, tn_device_info *info);
  tn_status (*synchronize)(int device); /* waits, and reports what failed meanwhile */
  const char *(*message)(void);

  /* Makes a device the thread's, and the one before again. */
  tn_status (*enter)(int device, int *before);
  void (*leave)(int device, int before);

  tn_status (*alloc)(int device, size_t bytes, void **out);
  void (*free)(int device, void *data);
  /* The device reads or writes memory of the host; done on return. */
  tn_status (*write)(int device, void *to, const void *host, size_t bytes);
  tn_status (*read)(int device, void *host, const void *from, size_t bytes);
  tn_status (*peer)(int to_device, void *to, int from_device, const void *from, size_t bytes);
  tn_status (*memory)(int device, tn_device_memory *out, bool forget_most);
  tn_status (*trim)(int device); /* gives cached memory back to the device */
  /* Memory of the host that a device reaches by itself. With it, the two that follow return before
   * the copy is done; it stays reserved until then, also when it has been given back. */
  tn_status (*host_alloc)(size_t bytes, void **out);
  void (*host_free)(void *data);
  tn_status (*write_later)(int device, void *to, const void *host, size_t bytes);
  tn_status (*read_later)(int device, void *host, const void *from, size_t bytes);

  /* Streams are numbered on their device; a number that came back is given again. */
  tn_status (*stream_new)(int device, int priority, int *stream);
  void (*stream_free)(int device, int stream);
  int (*stream_current)(int device);
  tn_status (*stream_use)(int device, int stream); /* from now on, by this thread */
  tn_status (*stream_wait)(int device, int stream);
  tn_status (*stream_done)(int device, int stream, bool *done);
  void *(*stream_handle)(int device, int stream); /* a cudaStream_t */
  /* Is any stream in use but 0? Then uses() has to be told of each block that work touches, by its
   * first byte: it is not given to others before that work is done. While this thread captures, it
   * says whether the block is one that the graph does not keep by itself. */
  const volatile int *streams;
  bool (*uses)(int device, const void *data);

  tn_status (*event_new)(int device, bool timing, void **out);
  void (*event_free)(void *event);
  tn_status (*event_record)(void *event, int stream);
  tn_status (*event_follow)(void *event, int device, int stream); /* the stream waits for it */
  tn_status (*event_wait)(void *event);                           /* the host does */
  tn_status (*event_done)(void *event, bool *done);
  tn_status (*event_time)(void *begin, void *end, double *milliseconds);

  /* Between begin and end the thread's work on the device is noted instead of done, and its memory
   * comes from the graph. A graph that did not end well is to be freed, too. Random numbers begin
   * at what the kernel saw plus (seed, offset). */
  tn_status (*graph_begin)(int device, void **out);
  tn_status (*graph_end)(void *graph);
  tn_status (*graph_run)(void *graph, uint64_t seed, uint64_t offset);
  void (*graph_free)(void *graph);
  bool (*capturing)(void); /* does this thread? */

  tn_device_kernel *move;                /* out[0] = in[0], converting and broadcasting */
  tn_status (*has_zero)(int device, const tn_view *integers, bool *found);
  const tn_pointwise_kernels *pointwise; /* by operation */
  tn_device_kernel *const *kernels;      /* by operation; NULL: there is none */
  tn_device_kernel *const *gradients;    /* fused ones, by operation; NULL: there is none */
} tn_backend;

typedef const tn_backend *tn_backend_entry(void);

#ifdef __cplusplus
}
#endif
#endif
