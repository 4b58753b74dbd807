/* tensor.h -- tensors, operations and gradients in plain C11. No Lua, no CUDA.
 *
 * Ownership  A function that fills `tn_tensor **out` hands over one reference; arguments are
 *            borrowed. Give references back with tn_tensor_release, which accepts NULL.
 * Errors     Fallible functions return tn_status. Unless it is TN_OK, *out is NULL and
 *            tn_message(ctx) is one line that names the operation.
 * Threads    A context belongs to one thread at a time. Tensors may be shared between contexts
 *            (their reference counts are atomic); writing to one while another reads it is a race.
 * Indices    Dimensions are counted from 0 here, negative ones from the end. Values that are
 *            indices (class labels, argmax, gather) count from the context's index_base. */
#ifndef TN_TENSOR_H
#define TN_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#define TN_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define TN_API
#define TN_PRINTF(a, b)
#endif

#define TN_MAX_DIMS 8
#define TN_MAX_OUTPUTS 3

typedef struct tn_ctx tn_ctx;
typedef struct tn_tensor tn_tensor;
typedef struct tn_storage tn_storage;
typedef struct tn_op tn_op;

#define TN_STATUS_MAP(X)                                                                          \
  X(OK, "ok")                                                                                     \
  X(ENOMEM, "out of memory")                                                                      \
  X(EARG, "bad argument")                                                                         \
  X(ESHAPE, "shapes do not fit")                                                                  \
  X(EDTYPE, "data type not supported")                                                            \
  X(EINDEX, "index out of range")                                                                 \
  X(EGRAD, "gradient not available")                                                              \
  X(EDEVICE, "device not available")                                                              \
  X(EINTERRUPT, "interrupted")

typedef enum {
#define X(name, text) TN_##name,
  TN_STATUS_MAP(X)
#undef X
} tn_status;

/* X(NAME, word, C type, Torch7's word), weakest first. */
#define TN_DTYPE_MAP(X)                                                                           \
  X(BOOL, bool, uint8_t, Bool)                                                                    \
  X(U8, uint8, uint8_t, Byte)                                                                     \
  X(I8, int8, int8_t, Char)                                                                       \
  X(I16, int16, int16_t, Short)                                                                   \
  X(I32, int32, int32_t, Int)                                                                     \
  X(I64, int64, int64_t, Long)                                                                    \
  X(F16, float16, uint16_t, Half)                                                                 \
  X(BF16, bfloat16, uint16_t, BFloat16)                                                           \
  X(F32, float32, float, Float)                                                                   \
  X(F64, float64, double, Double)

typedef enum {
#define X(NAME, word, type, torch7) TN_##NAME,
  TN_DTYPE_MAP(X)
#undef X
  TN_DTYPE_COUNT
} tn_dtype;

TN_API size_t tn_dtype_size(tn_dtype dtype);            /* bytes per element */
TN_API const char *tn_dtype_name(tn_dtype dtype);       /* "float32" */
TN_API const char *tn_dtype_torch_name(tn_dtype dtype); /* "Float" */
TN_API bool tn_dtype_is_float(tn_dtype dtype);
TN_API tn_dtype tn_dtype_promote(tn_dtype a, tn_dtype b); /* as PyTorch's promote_types */

/* -- Context ---------------------------------------------------------------------------------- */

/* Zero-initialise it; zero means the default of every field. */
typedef struct {
  size_t size;         /* sizeof(tn_config): lets the structure grow */
  size_t memory_limit; /* bytes of tensor memory; 0: no limit */
  int threads;         /* including the caller's; 0: one per core; 1: no helper thread ever */
  int index_base;      /* 0 as in C, 1 as in Lua */
  bool (*interrupted)(void *user); /* asked now and then during long work; true stops it */
  void *user;
  /* The host's threads, for work cut into `threads` pieces: has to call piece(arg, i) for each i in
   * 0 .. count - 1, on any threads, and to return when all are done. NULL: threads of our own. */
  void (*parallel)(void *user, int count, void (*piece)(void *arg, int i), void *arg);
  void *parallel_user;
  struct tn_budget *budget; /* where memory comes from (tensor/budget.h); NULL: the C library */
} tn_config;

typedef struct {
  size_t live_bytes;   /* held by tensors */
  size_t peak_bytes;   /* most ever held by tensors */
  size_t cached_bytes; /* freed, kept for reuse */
  size_t live_storages;
} tn_memory_stats;

TN_API tn_ctx *tn_open(const tn_config *config); /* NULL when out of memory */
TN_API void tn_close(tn_ctx *ctx);               /* tensors that still live stay valid */
TN_API const char *tn_message(const tn_ctx *ctx); /* of the last failure; valid until the next */
TN_API tn_memory_stats tn_memory(const tn_ctx *ctx);
TN_API size_t tn_live_bytes(const tn_ctx *ctx); /* of tn_memory, but cheap */
/* What tensors may hold from now on, in bytes; 0: no limit. Returns what it was. */
TN_API size_t tn_set_memory_limit(tn_ctx *ctx, size_t bytes);
TN_API void tn_memory_trim(tn_ctx *ctx); /* gives cached memory back to the system */
TN_API int tn_threads(const tn_ctx *ctx);
TN_API tn_status tn_set_threads(tn_ctx *ctx, int threads); /* 0: one per core */
TN_API void tn_set_user(tn_ctx *ctx, void *user); /* for the callbacks */
TN_API void *tn_user(const tn_ctx *ctx);
TN_API tn_dtype tn_default_dtype(const tn_ctx *ctx); /* float32 at first */
TN_API tn_status tn_set_default_dtype(tn_ctx *ctx, tn_dtype dtype);
TN_API bool tn_grad_enabled(const tn_ctx *ctx);
TN_API bool tn_set_grad_enabled(tn_ctx *ctx, bool on); /* returns what it was */
/* Mixed precision: while it is TN_BF16 or TN_F16, matrix products and convolutions of float32
 * tensors calculate in that dtype, and what needs more precision in float32; gradients flow through
 * the casts. A backward pass is not affected: it follows the forward one. */
#define TN_AUTOCAST_OFF TN_BOOL
TN_API tn_dtype tn_autocast_dtype(const tn_ctx *ctx);
TN_API tn_status tn_set_autocast(tn_ctx *ctx, tn_dtype dtype);

/* Sets the message, prefixed with the running operation's name, and returns `status`. */
TN_API tn_status tn_fail(tn_ctx *ctx, tn_status status, const char *format, ...) TN_PRINTF(3, 4);

/* -- Devices ----------------------------------------------------------------------------------- */

typedef enum { TN_CPU = 0, TN_CUDA = 1, TN_DEVICE_TYPES } tn_device_type;

/* TN_CPU, or a type in the low byte with the number of the device, from 0, above it. */
typedef int tn_device;
#define TN_DEVICE(type, number) ((int)(type) | (number) << 8)
#define TN_DEVICE_TEXT 16

/* The first question about a GPU opens the plug-in for it (libmoonlet-cuda.so). */
TN_API int tn_device_count(tn_ctx *ctx, tn_device_type type); /* 0: tn_message says why */
/* "cpu", "cuda", "cuda:1"; fails where there is no such device here. */
TN_API tn_status tn_device_parse(tn_ctx *ctx, tn_device *out, const char *text);
TN_API const char *tn_device_name(tn_device device, char buffer[TN_DEVICE_TEXT]);
TN_API tn_status tn_device_synchronize(tn_ctx *ctx, tn_device device); /* waits for its work */
/* May products and convolutions of float32 on GPUs round what they multiply to 10 bits of fraction,
 * as their fastest instructions do? Returns what was allowed before; at first it is not. */
TN_API bool tn_allow_tf32(tn_ctx *ctx, bool allow);

/* -- Random numbers: Philox4x32-10, Salmon et al. 2011, doi:10.1145/2063384.2063405 ---------- */

typedef struct {
  uint64_t seed;
  uint64_t offset; /* how many groups of four 32-bit numbers have been used */
} tn_generator;

TN_API tn_generator *tn_default_generator(tn_ctx *ctx);
TN_API void tn_seed(tn_generator *generator, uint64_t seed);
TN_API uint32_t tn_random_u32(tn_generator *generator);
TN_API double tn_random_double(tn_generator *generator); /* uniform in [0, 1), 53 bits */

/* -- Tensors ----------------------------------------------------------------------------------- */

/* A new contiguous tensor of undefined values. */
TN_API tn_status tn_tensor_new(tn_ctx *ctx, tn_tensor **out, tn_dtype dtype, int ndim,
                               const int64_t *sizes);
/* The same on a device. */
TN_API tn_status tn_tensor_new_on(tn_ctx *ctx, tn_tensor **out, tn_device device, tn_dtype dtype,
                                  int ndim, const int64_t *sizes);
/* A copy on a device, of a dtype; recorded, as an operation is. */
TN_API tn_status tn_tensor_to(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_device device,
                              tn_dtype dtype);
/* A tensor without dimensions holding one number. */
TN_API tn_status tn_tensor_scalar(tn_ctx *ctx, tn_tensor **out, tn_dtype dtype, double value);
/* A view of a storage; fails when sizes and strides (elements; NULL: contiguous) reach outside. */
TN_API tn_status tn_tensor_view(tn_ctx *ctx, tn_tensor **out, tn_storage *storage, tn_dtype dtype,
                                int ndim, const int64_t *sizes, const int64_t *strides,
                                int64_t offset);
/* Makes `t` the view that `source` is: same storage, shape and dtype, without its history. */
TN_API tn_status tn_tensor_set(tn_ctx *ctx, tn_tensor *t, const tn_tensor *source);
/* Changes the shape in place, growing the storage when it has to; new values are undefined. */
TN_API tn_status tn_tensor_resize(tn_ctx *ctx, tn_tensor *t, int ndim, const int64_t *sizes,
                                  const int64_t *strides);
/* Same memory, no history. */
TN_API tn_status tn_tensor_detach(tn_ctx *ctx, tn_tensor **out, const tn_tensor *t);
TN_API tn_tensor *tn_tensor_retain(tn_tensor *t);
TN_API void tn_tensor_release(tn_tensor *t);

TN_API tn_dtype tn_tensor_dtype(const tn_tensor *t);
TN_API int tn_tensor_ndim(const tn_tensor *t);
TN_API const int64_t *tn_tensor_sizes(const tn_tensor *t);   /* ndim numbers */
TN_API const int64_t *tn_tensor_strides(const tn_tensor *t); /* in elements */
TN_API int64_t tn_tensor_numel(const tn_tensor *t);
TN_API int64_t tn_tensor_offset(const tn_tensor *t); /* in elements */
TN_API bool tn_tensor_is_contiguous(const tn_tensor *t);
TN_API tn_storage *tn_tensor_storage(const tn_tensor *t); /* borrowed; NULL when it has none */
/* First element; valid while t lives. Of a device's memory the host must not read or write. */
TN_API void *tn_tensor_data(const tn_tensor *t);
TN_API tn_device tn_tensor_device(const tn_tensor *t);
/* A number says less about types than a tensor: 2.5 * (an int64 tensor) stays what promotion of
 * categories makes of it. The binding sets this on tensors made from plain numbers. */
TN_API void tn_tensor_mark_number(tn_tensor *t);

/* Element at linear position `index` of the row-major order, as a double or written from one.
 * From a device each takes a transfer; NaN where that fails. */
TN_API double tn_tensor_get(const tn_tensor *t, int64_t index);
/* The same, but a failure is told. */
TN_API tn_status tn_tensor_read(tn_ctx *ctx, const tn_tensor *t, int64_t index, double *value);
TN_API void tn_tensor_put(tn_tensor *t, int64_t index, double value);

/* -- Storages ---------------------------------------------------------------------------------- */

TN_API tn_status tn_storage_new(tn_ctx *ctx, tn_storage **out, size_t bytes);
/* Memory of the host: `release(arg)` is called once nothing uses it any more. */
TN_API tn_status tn_storage_borrow(tn_ctx *ctx, tn_storage **out, void *data, size_t bytes,
                                   void (*release)(void *arg), void *arg);
/* Bytes of another storage, which they keep alive, and from growing. */
TN_API tn_status tn_storage_part(tn_ctx *ctx, tn_storage **out, tn_storage *of, size_t offset,
                                 size_t bytes);
/* A file as memory, the first `bytes` of it (0: all). TN_MAP_PRIVATE: what is written stays here;
 * TN_MAP_SHARED: it goes to the file, which is made, and grows, where it has to; TN_MAP_MEMORY: the
 * name is that of shared memory instead. */
typedef enum { TN_MAP_PRIVATE, TN_MAP_SHARED, TN_MAP_MEMORY } tn_map_mode;
TN_API tn_status tn_storage_map(tn_ctx *ctx, tn_storage **out, const char *path, tn_map_mode mode,
                                size_t bytes);
TN_API tn_status tn_storage_resize(tn_ctx *ctx, tn_storage *storage, size_t bytes);
/* A reference taken by hand; unkeep gives one back, or says false where none was taken. */
TN_API void tn_storage_keep(tn_storage *storage);
TN_API bool tn_storage_unkeep(tn_storage *storage);
TN_API tn_storage *tn_storage_retain(tn_storage *storage);
TN_API void tn_storage_release(tn_storage *storage);
TN_API void *tn_storage_data(const tn_storage *storage);
/* Where that address stands, for as long as the storage lives: it changes when the storage grows. */
TN_API void *const *tn_storage_cell(const tn_storage *storage);
TN_API size_t tn_storage_bytes(const tn_storage *storage);
TN_API tn_device tn_storage_device(const tn_storage *storage); /* whose memory it is */
TN_API void tn_storage_touch(tn_storage *storage); /* its values were changed from outside */
/* The program keeps the address: from now on values may change at any time, without a touch. */
TN_API void tn_storage_expose(tn_storage *storage);
/* The same of a program that only looks for now: it is no write. On any thread. */
TN_API void tn_storage_share(tn_storage *storage);

/* -- Operations -------------------------------------------------------------------------------- */

/* What an operation takes besides tensors; each row of the table says what it reads. */
typedef struct {
  double f[6];
  int64_t i[2 * TN_MAX_DIMS + 4];
  int ni; /* how many of i[] are set */
  tn_generator *generator; /* NULL: the context's */
} tn_attrs;

#define TN_NONE INT64_MIN /* in i[]: an optional dimension that was not given */
/* Several dimensions in one i[]: bit d of `set` for dimension d, bit 2 TN_MAX_DIMS - k for -k. */
#define TN_DIM_SET(set) (TN_NONE + (int64_t)(set))
#define TN_IS_DIM_SET(i) ((i) > TN_NONE && (i) < TN_NONE + ((int64_t)1 << 2 * TN_MAX_DIMS))

typedef enum {
#define TN_OP(name) TN_OP_##name,
#include "tensor/ops.def"
#undef TN_OP
  TN_OP_COUNT
} tn_opcode;

TN_API const tn_op *tn_op_get(tn_opcode code);
/* How often an operation without a kernel of its device was done by the CPU, on copies. */
TN_API uint64_t tn_device_detours(tn_opcode code);
/* Does a device do the operation itself, by a kernel of its own or by other operations? */
TN_API bool tn_device_has_kernel(tn_ctx *ctx, tn_opcode code);

/* Runs an operation. out[i] != NULL on entry: write there (it is resized; its reference stays the
 * caller's); NULL: receives a new tensor. in[] may hold NULL where the operation allows it. */
TN_API tn_status tn_apply(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in,
                          const tn_attrs *attrs, tn_tensor **out);
/* Runs an operation that has one result and changes in[0] into it. */
TN_API tn_status tn_apply_inplace(tn_ctx *ctx, tn_opcode code, int nin, tn_tensor *const *in,
                                  const tn_attrs *attrs);
/* Copies values, converting and broadcasting (or matching element counts, as Torch7). */
TN_API tn_status tn_copy(tn_ctx *ctx, tn_tensor *to, tn_tensor *from);

/* x[key 1, key 2, ...], recorded. A key is NULL for all of a dimension; indices, whole numbers that
 * count from the index_base or, negative, from the end; or a mask (uint8, bool), which stands for as
 * many dimensions as it has. Index tensors broadcast together. names: what messages call each
 * dimension of x, or NULL. */
TN_API tn_status tn_index(tn_ctx *ctx, tn_tensor **out, tn_tensor *x, int n,
                          tn_tensor *const *keys, const int *names);
/* x[key 1, ...] = values, or += with `accumulate`, where one place may be named several times. */
TN_API tn_status tn_index_put(tn_ctx *ctx, tn_tensor *x, int n, tn_tensor *const *keys,
                              const int *names, tn_tensor *values, bool accumulate);

/* What bindings, tests and exporters may know of an operation. */
typedef struct {
  const char *name;
  const char *lua;     /* the name scripts call it by */
  const char *aliases; /* more names, separated by spaces, or NULL */
  const char *args;    /* "T x; X y; n alpha=1" (see vm/bind_forms.c) */
  const char *forms;   /* "x y; x alpha y", or NULL for the order of args */
  char convention;     /* Torch7's: 'A' in-place method, 'B' destination method, 'C' new; 'N' none */
  bool number;         /* a result without dimensions is a plain number unless recorded */
  bool number_inputs;  /* all-number calls give a number: torch.exp(2) */
  int outputs;
  const char *onnx;    /* operator name, or NULL */
  const char *no_grad; /* why there is no gradient; NULL when there is one */
  const char *doc;
  double low, high;    /* where random inputs for tests may lie */
  bool integers, floats; /* which inputs it takes */
  bool pointwise;
  bool hides; /* results after the first are for its gradient only */
  bool truth; /* a result without dimensions is a boolean */
  bool once;  /* has a gradient, but no second one */
} tn_op_info;

TN_API tn_op_info tn_op_describe(tn_opcode code);

/* -- Plans: a calculation noted once and run many times ---------------------------------------- */

/* Between tn_plan_begin and tn_plan_end every operation of the context is noted. After that
 * tn_plan_run runs the same kernels on other values, in memory that was laid out once: it allocates
 * nothing, records no gradient, and looks at no shape. (A library to which a large product or
 * convolution goes, oneDNN, may allocate inside.)
 *
 * Tensors that the operations read and that were there before, such as parameters, are used where
 * they lie: later changes of their values count, but not their replacement by other tensors. What
 * else the program did in between is not repeated: a plan whose program looked at values that
 * depend on the inputs is refused by tn_plan_end. A plan belongs to one thread at a time, and runs
 * on the CPU. */
typedef struct tn_plan tn_plan;

/* Inputs have the shapes and dtypes of `examples`, whose values the noted calculation begins with.
 * Until tn_plan_end, or tn_plan_release, gradients are off. */
TN_API tn_status tn_plan_begin(tn_ctx *ctx, tn_plan **out, int nin, tn_tensor *const *examples);
/* Borrowed: what the calculation has to read; afterwards where tn_plan_run(ctx, plan, 0, NULL)
 * finds its inputs, for a host that writes them in place. */
TN_API tn_tensor *tn_plan_input(const tn_plan *plan, int i);
/* Ends the noting; `outputs` are what the plan gives. A failure leaves the plan to be released. */
TN_API tn_status tn_plan_end(tn_ctx *ctx, tn_plan *plan, int nout, tn_tensor *const *outputs);
/* Do these have the planned inputs' shapes and dtypes? */
TN_API bool tn_plan_fits(const tn_plan *plan, int nin, tn_tensor *const *inputs);
/* The inputs' values are copied; nin 0: they are in place. */
TN_API tn_status tn_plan_run(tn_ctx *ctx, tn_plan *plan, int nin, tn_tensor *const *inputs);
/* Borrowed, always the same tensor, and its values are those of the last run. */
TN_API tn_tensor *tn_plan_output(const tn_plan *plan, int i);
TN_API void tn_plan_release(tn_plan *plan); /* NULL is accepted; outputs that are held stay valid */
TN_API bool tn_planning(const tn_ctx *ctx); /* between tn_plan_begin and tn_plan_end? */

typedef struct {
  int inputs, outputs, operations;
  size_t arena_bytes;     /* of inputs, outputs and all that is in between */
  size_t workspace_bytes; /* for what kernels need while they run */
  size_t parameter_bytes; /* used where they lie */
} tn_plan_info;

TN_API tn_plan_info tn_plan_describe(const tn_plan *plan);

/* -- Gradients --------------------------------------------------------------------------------- */

TN_API bool tn_requires_grad(const tn_tensor *t); /* recorded, or asked for */
TN_API tn_status tn_set_requires_grad(tn_ctx *ctx, tn_tensor *t, bool on);
TN_API bool tn_is_leaf(const tn_tensor *t);
/* May other values be written over its own? Not where a recorded gradient needs them (those of
 * leaves excepted), where it is a recorded view of another tensor, or shows a value twice. */
TN_API bool tn_is_replaceable(const tn_tensor *t);
TN_API tn_tensor *tn_grad(const tn_tensor *t); /* borrowed, or NULL */
TN_API tn_status tn_set_grad(tn_ctx *ctx, tn_tensor *t, tn_tensor *grad);
TN_API const char *tn_grad_name(const tn_tensor *t); /* operation that made it, or NULL */

typedef struct {
  bool retain_graph; /* keep what the gradients need, to run again */
  bool create_graph; /* record the gradients' own operations (implies retain_graph) */
} tn_backward_options;

/* Adds d sum(roots[i] * seeds[i]) to the .grad of every leaf. seeds may be NULL, or hold NULL for a
 * root of one element. With ninputs > 0 the gradients of `inputs` are returned in `grads` instead
 * (NULL where nothing depends on one) and no .grad changes. */
TN_API tn_status tn_backward(tn_ctx *ctx, int nroots, tn_tensor *const *roots,
                             tn_tensor *const *seeds, int ninputs, tn_tensor *const *inputs,
                             tn_tensor **grads, tn_backward_options options);

/* A gradient written by the host: when `outputs` are differentiated, `backward` receives their
 * gradients (borrowed, NULL for none) and fills those of `inputs` (new references, or NULL). */
typedef struct {
  tn_status (*backward)(tn_ctx *ctx, void *self, int nout, tn_tensor *const *douts, int nin,
                        tn_tensor **dins);
  void (*release)(void *self);
  void *self;
} tn_custom;

TN_API tn_status tn_record_custom(tn_ctx *ctx, const tn_custom *custom, int nin,
                                  tn_tensor *const *inputs, int nout, tn_tensor *const *outputs);

#ifdef __cplusplus
}
#endif
#endif
