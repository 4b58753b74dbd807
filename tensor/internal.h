/* internal.h -- what the files of tensor/ share with one another. Not for users. */
#ifndef TN_INTERNAL_H
#define TN_INTERNAL_H

#include <stdatomic.h>
#include <string.h>

#include "tensor/budget.h"
#include "tensor/cpu/pool.h"
#include "tensor/tensor.h"

#define TN_MAX_INPUTS 8 /* of an operation with a fixed number of inputs */
#define TN_MESSAGE 512
#define TN_CHUNK 1024 /* elements staged at a time by the pointwise driver */
#define TN_GRAIN 16384 /* elements below which a loop is not worth handing to another thread */

/* Can there be tensors elsewhere than on the CPU? What asks for it first costs nothing where not. */
#ifdef MOONLET_EMBED
#define TN_DEVICES 0
#else
#define TN_DEVICES 1
#endif

/* -- Memory ------------------------------------------------------------------------------------ */

typedef struct tn_allocator tn_allocator;

tn_allocator *tn__allocator_new(size_t limit, tn_budget *budget);
void tn__allocator_close(tn_allocator *a); /* frees itself with its last block */
/* Blocks are 64-byte aligned; *size is rounded up to what can be used. `counted` bytes count
 * against the limit, unless TN_UNCOUNTED. NULL: out of memory. */
#define TN_UNCOUNTED SIZE_MAX
void *tn__alloc(tn_allocator *a, size_t *size, size_t counted);
void tn__free(tn_allocator *a, void *block, size_t size, size_t counted);
/* Working memory of a kernel, uncounted, as from malloc; any thread may give it back. Without an
 * allocator it comes from the system. */
void *tn__take(tn_allocator *a, size_t bytes);
void tn__give(void *memory); /* NULL is accepted */
/* Bytes that counted as `before` now count as `after`; false, and nothing changed, over the limit. */
bool tn__recount(tn_allocator *a, size_t before, size_t after);
void tn__uncount(tn_allocator *a, size_t bytes);
tn_memory_stats tn__memory_stats(tn_allocator *a);
size_t tn__memory_limit(const tn_allocator *a);
tn_budget *tn__memory_budget(const tn_allocator *a); /* or NULL */
size_t tn__set_memory_limit(tn_allocator *a, size_t limit); /* returns what it was */
void tn__memory_trim(tn_allocator *a);
/* From now on blocks lie one on top of the last in this memory, as far as there is room; those must
 * come back before the allocator is given other memory, and are not counted. */
void tn__allocator_stack(tn_allocator *a, void *memory, size_t bytes);
/* How much of it was wanted at once since then, and would be by so many threads. */
size_t tn__allocator_most(const tn_allocator *a, int threads);
size_t tn__live_bytes(const tn_allocator *a); /* without the lock: perhaps a moment old */

struct tn_storage {
  atomic_int refs;
  atomic_int views; /* storages that show a part of this one: its data must stay where it is */
  atomic_int kept;  /* references that a script took by hand */
  atomic_int saved; /* recorded operations whose gradient needs its values */
  uint32_t version; /* bumped by every write into existing values */
  int16_t device;   /* a tn_device; elsewhere than on the CPU `data` is not for the host */
  bool inlined;     /* data lies behind this header, in the same block */
  atomic_bool exposed; /* somebody outside may write without saying so */
  const char *writer; /* operation that wrote last, for messages */
  void *data;
  size_t bytes;     /* asked for */
  size_t capacity;  /* of the data's own block when not inlined */
  size_t block;     /* size of the block this header lies in */
  tn_allocator *allocator;
  void (*release)(void *arg); /* memory of the host */
  void *arg;
  _Atomic(struct tn_derived *) derived;
  uint32_t born;  /* while which plan was made, where `traced` says so */
  uint8_t traced; /* TN_TRACE_*: what a plan that is being made has to know */
};

/* What tn_storage.traced says, while a plan is made: the storage was made since the plan was begun;
 * an operation that was noted has read or written it; and after that the program itself has. */
enum { TN_TRACE_FRESH = 1, TN_TRACE_SEEN = 2, TN_TRACE_TOUCHED = 4 };

/* The program, and no kernel, reads or writes values: a plan that is being made must know. */
static inline void tn__touch(tn_storage *s) {
  if (s->traced & TN_TRACE_SEEN) s->traced |= TN_TRACE_TOUCHED;
}

/* What an operation made of a storage's values and may need again, such as another order of them: a
 * block of the allocator's that begins so. Kept with the storage until it goes or its values change;
 * whoever takes it has it alone, and puts it back or frees it. A storage has several where several
 * parameters lie in it, as getParameters() puts them. */
typedef struct tn_derived {
  tn_allocator *allocator;
  size_t block;
  const void *maker; /* any address of its own: says what the block is */
  const void *of;    /* the first of the values that it was made of */
  const void *data;  /* of the storage, when it was made */
  uint32_t version;
  struct tn_derived *next;
} tn_derived;

/* NULL: there is none of this maker's for these values, or it is out of date. */
tn_derived *tn__derived_take(tn_storage *s, const void *maker, const void *of);
/* A new one for the values as they are now, of `bytes`; NULL: there is no memory, or the values may
 * change unseen. */
tn_derived *tn__derived_new(tn_storage *s, const void *maker, const void *of, size_t bytes);
void tn__derived_put(tn_storage *s, tn_derived *d);
void tn__derived_free(tn_derived *d); /* NULL is accepted */

/* TN_ENOMEM, with what is in use and what the limit is. */
tn_status tn__no_memory(tn_ctx *ctx, size_t bytes);

/* -- Tensors ----------------------------------------------------------------------------------- */

typedef struct tn_node tn_node;

typedef struct {
  uint8_t dtype, ndim;
  int64_t sizes[TN_MAX_DIMS];
} tn_meta;

struct tn_tensor {
  atomic_int refs;
  uint8_t dtype, ndim;
  bool requires_grad; /* asked for by the user: a leaf */
  bool number;        /* stands for a plain number: weak in promotion */
  uint8_t output;     /* which output of `node` */
  uint32_t epoch;     /* recorded in-place changes: counted in a base, seen in its views */
  int64_t offset;
  tn_storage *storage;
  tn_node *node;   /* what made it, while recorded */
  tn_tensor *grad;
  tn_tensor *base; /* the tensor this is a recorded view of */
  tn_allocator *allocator;
  int64_t sizes[TN_MAX_DIMS], strides[TN_MAX_DIMS];
};

struct tn_ctx {
  tn_allocator *allocator;
  tn_pool *pool;
  const tn_op *op; /* running, for messages */
  bool grad_enabled;
  bool differentiating; /* a backward pass is under way */
  uint8_t autocast; /* a tn_dtype, or TN_AUTOCAST_OFF */
  uint8_t default_dtype;
  bool tf32; /* tn_allow_tf32 */
  int16_t device; /* where new storages go: the running call's (tensor/device.h) */
  int16_t gpu;    /* the number of the one that "cuda" means */
  bool later;     /* copies between pinned memory and a device need not wait */
  int index_base;
  uint64_t sequence; /* of tape nodes */
  tn_plan *recording; /* the plan that is being made, or NULL */
  uint32_t plans;     /* that were begun */
  tn_generator generator;
  bool (*interrupted)(void *user);
  bool (*reclaim)(void *user); /* gives back what the host keeps as garbage, or NULL */
  void *user;
  char message[TN_MESSAGE];
};

extern const uint8_t tn__item_sizes[TN_DTYPE_COUNT];
static inline size_t tn__item_size(int dtype) { return tn__item_sizes[dtype]; }

static inline int64_t tn__numel(const tn_tensor *t) {
  int64_t n = 1;
  for (int d = 0; d < t->ndim; d++) n *= t->sizes[d];
  return n;
}

static inline char *tn__data(const tn_tensor *t) {
  return (char *)t->storage->data + t->offset * (int64_t)tn__item_size(t->dtype);
}

/* Does it lie on a device? */
static inline bool tn__elsewhere(const tn_tensor *t) {
  return TN_DEVICES && t->storage->device != TN_CPU;
}

static inline bool tn__tracked(const tn_tensor *t) {
  return t != NULL && (t->requires_grad || t->node != NULL);
}

bool tn__contiguous(const tn_tensor *t);
bool tn__same_shape(const tn_tensor *a, const tn_tensor *b);
bool tn__same_view(const tn_tensor *a, const tn_tensor *b);
/* Byte range [first, last) a view touches lies in one storage: do two views share memory? */
bool tn__overlaps(const tn_tensor *a, const tn_tensor *b);
void tn__contiguous_strides(int ndim, const int64_t *sizes, int64_t *strides);
/* A new view of `t`'s storage and dtype, without history. */
tn_status tn__alias(tn_ctx *ctx, tn_tensor **out, const tn_tensor *t, int ndim,
                    const int64_t *sizes, const int64_t *strides, int64_t offset);
/* `t` itself when contiguous, else a contiguous copy; *out is a new reference. Not recorded. */
tn_status tn__contiguous_of(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype dtype);
/* "2x3", "" for no dimension; the text lives in `buffer` (64 bytes or more). */
#define TN_SHAPE_TEXT 192
const char *tn__shape_text(char *buffer, int ndim, const int64_t *sizes);
/* More elements than any tensor may have, views that repeat theirs included, and more bytes:
 * calculating with a small multiple of them must not overflow, a size_t of 32 bits included. */
#define TN_MOST ((int64_t)1 << (SIZE_MAX > UINT32_MAX ? 50 : 28))
/* No block of memory has more bytes, so that a few of them can be added up in a size_t. */
#define TN_MOST_BYTES (SIZE_MAX >> (SIZE_MAX > UINT32_MAX ? 18 : 1))
bool tn__countable(int ndim, const int64_t *sizes); /* is the product of sizes above 0 below that? */
/* Product of sizes; fails when it overflows or exceeds what memory can address. */
tn_status tn__count(tn_ctx *ctx, int ndim, const int64_t *sizes, size_t item, int64_t *count);
/* Normalises a dimension (negative from the end) or fails. `extra` more may be named (unsqueeze) */
tn_status tn__dim(tn_ctx *ctx, int64_t dim, int ndim, int *out);
tn_status tn__broadcast(tn_ctx *ctx, const tn_meta *a, const tn_meta *b, tn_meta *out);
static inline void tn__meta_of(tn_meta *m, const tn_tensor *t) {
  m->dtype = t->dtype;
  m->ndim = t->ndim;
  memcpy(m->sizes, t->sizes, sizeof(int64_t) * t->ndim);
}

/* -- Elements ---------------------------------------------------------------------------------- */

/* dst[i * dst_stride] = (dst dtype)src[i * src_stride], strides in elements. */
void tn__convert(int64_t n, void *dst, tn_dtype dst_dtype, int64_t dst_stride, const void *src,
                 tn_dtype src_dtype, int64_t src_stride);
/* Values that the host has to look at: `t` itself, or a copy, contiguous in the host's memory, as a
 * new reference; and what the host made from them (a new reference, which this takes over) where the
 * running call works. Not recorded. */
tn_status tn__host_of(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, tn_dtype dtype);
tn_status tn__send(tn_ctx *ctx, tn_tensor **t);
/* Copies between views of the same shape. It fails only where a device takes part. */
tn_status tn__copy_view(tn_ctx *ctx, const tn_tensor *dst, const tn_tensor *src);
double tn__load(const void *data, tn_dtype dtype, int64_t index);
void tn__store(void *data, tn_dtype dtype, int64_t index, double value);
/* The dtype in which values of `dtype` are calculated: float32, float64 or int64. */
tn_dtype tn__compute_dtype(tn_dtype dtype);

/* -- Operations -------------------------------------------------------------------------------- */

typedef struct tn_call tn_call;
typedef struct tn_grad_call tn_grad_call;
typedef struct tn_pointwise tn_pointwise;

struct tn_call {
  tn_ctx *ctx;
  const tn_op *op;
  tn_opcode code;
  int nin;
  tn_tensor *const *in;
  const tn_attrs *attrs;
  tn_tensor *out[TN_MAX_OUTPUTS];
  tn_meta meta[TN_MAX_OUTPUTS]; /* filled by the shape rule */
  int dim;                      /* scratch from the shape rule to the kernel */
  bool inplace;                 /* out[0] is in[0] */
};

/* One call of a gradient: din[i] is filled, with new references, where need[i]. */
struct tn_grad_call {
  tn_ctx *ctx;
  tn_opcode code;
  const tn_op *node_op;
  tn_custom *custom; /* of operations the host defined */
  const tn_attrs *attrs;
  int nin;
  tn_tensor *in[TN_MAX_INPUTS];  /* saved inputs, NULL where the operation does not save them */
  const tn_meta *meta;           /* of the inputs */
  tn_tensor *out[TN_MAX_OUTPUTS]; /* saved outputs */
  tn_tensor *dout[TN_MAX_OUTPUTS]; /* NULL where no gradient arrived */
  const tn_meta *out_meta;
  const bool *need;
  tn_tensor **din;
  /* Where a gradient may be added directly, a leaf's .grad: then set it to NULL and leave din[i]
   * NULL. NULL where that is not possible. */
  tn_tensor **into;
  bool create_graph;
};

enum { /* tn_op.saves */
  TN_SAVE_A = 1, TN_SAVE_B = 2, TN_SAVE_C = 4, TN_SAVE_D = 8,
  TN_SAVE_Y = 16, TN_SAVE_Y2 = 32, TN_SAVE_Y3 = 64,
  TN_SAVE_E = 128, TN_SAVE_F = 256 /* the fifth and the sixth input */
};

enum { /* tn_op.flags */
  TN_NUMBER = 1,        /* a result without dimensions reads as a plain number */
  TN_NUMBER_INPUTS = 2, /* plain numbers give a plain number */
  TN_FLOATS = 4, TN_INTEGERS = 8, /* which inputs tests may feed it */
  TN_ANY_INPUTS = 16,    /* takes a list of tensors */
  TN_INPLACE = 128,      /* the kernel may write into in[0] itself, and into strided memory */
  TN_HIDES = 64,         /* results after the first are for the gradient only */
  TN_MOVES = 256,        /* the kernel only calls tn__copy_view: it serves every device */
  TN_TRUTH = 512,        /* a result without dimensions reads as true or false */
  TN_ONCE = 1024,        /* its gradient has none itself */
  TN_LIKE = 2048,        /* of its inputs only the first has a gradient */
  TN_HOST = 8192,        /* composed, but of values in the host's memory; it has no gradient */
  TN_KEEPS_ORDER = 16384, /* on a device, a result may lie with its channels last, as inputs do */
  TN_ANYWHERE = 4096,    /* the kernel and the gradient are written with operations only */
  TN_OVERWRITES = 32     /* in-place by nature: the result does not depend on in[0]'s old values */
};

struct tn_op {
  const char *name, *lua, *aliases, *args, *forms, *onnx, *doc, *no_grad;
  double low, high;
  char convention;
  uint16_t flags, saves;
  uint8_t nout;
  uint8_t fixed; /* bit i: output i has no gradient (indices) */
  tn_status (*shape)(tn_call *call); /* fills meta */
  tn_status (*view)(tn_call *call);  /* or makes out[0] a view */
  /* Or calls other operations, which are recorded each for itself, and fills out[] with new
   * references: then there is neither shape nor run nor grad, and every device is served. */
  tn_status (*compose)(tn_call *call);
  tn_status (*run)(tn_call *call);   /* CPU kernel */
  tn_status (*grad)(tn_grad_call *g);
  const tn_pointwise *pointwise;
};

#define TN_OP(name) extern const tn_op tn__op_##name;
#include "tensor/ops.def"
#undef TN_OP
extern const tn_op *const tn__ops[TN_OP_COUNT];

/* Attribute i[k], or `otherwise` when the call does not give it. */
static inline int64_t tn__int(const tn_attrs *attrs, int k, int64_t otherwise) {
  return k < attrs->ni && attrs->i[k] != TN_NONE ? attrs->i[k] : otherwise;
}

tn_status tn__call(tn_call *call); /* dispatch: the only way to a kernel */
tn_status tn__pointwise_shape(tn_call *call);
tn_status tn__pointwise_run(tn_call *call);
tn_status tn__pointwise_grad(tn_grad_call *g);
tn_status tn__set_zero(tn_ctx *ctx, const tn_tensor *t); /* on any device, not recorded */
/* What this call has to save (TN_SAVE_*): the row's saves, less what no gradient asked for reads. */
uint8_t tn__pointwise_saves(const tn_call *call);

/* Shape rules that several operations share. */
tn_status tn__shape_same(tn_call *call); /* as the first input */

/* Notes the call for the plan that is being made, and runs its kernel. */
tn_status tn__plan_kernel(tn_call *call);
/* Notes that a result was copied to where the caller wanted it. */
tn_status tn__plan_deliver(tn_ctx *ctx, tn_tensor *to, tn_tensor *from);

/* -- Gradients --------------------------------------------------------------------------------- */

/* `given`: the first result is a tensor that the caller has. */
tn_status tn__record(tn_call *call, bool given);
/* A view made while gradients are recorded knows the tensor it shows a part of: what is written into
 * the one counts for the other. */
void tn__remember_base(tn_tensor *view, tn_tensor *of);
void tn__node_release(tn_node *node);
tn_node *tn__node_retain(tn_node *node);
tn_node *tn__node_of(tn_ctx *ctx, tn_tensor *t); /* current, also after in-place changes of its base */
/* Sums *t to the shape `meta` and converts it: the gradient of broadcasting and promotion. *t is
 * replaced; after a failure it is NULL. */
tn_status tn__reduce_to(tn_ctx *ctx, tn_tensor **t, const tn_meta *meta);

#endif
