/* onednn_plan.h -- oneDNN's primitives: its functions, how a primitive runs, and plans, which are
 * primitives kept by what they depend on. To make one takes a millisecond or more, as machine code
 * is written.
 *
 * Empty, and TN_HAVE_DNNL undefined, where the header is not that of the version whose structures
 * we know. */
#ifndef TN_CPU_ONEDNN_PLAN_H
#define TN_CPU_ONEDNN_PLAN_H

#if !defined(TN_EMBED) && defined(__has_include)
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#if DNNL_VERSION_MAJOR == 2
#define TN_HAVE_DNNL 2
#endif
#endif
#endif

#ifdef TN_HAVE_DNNL

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_DNNL_FUNCTIONS(X)                                                                      \
  X(engine_create) X(engine_destroy) X(primitive_attr_destroy) X(stream_create) X(stream_destroy) X(memory_create) X(memory_destroy)          \
  X(memory_desc_init_by_tag) X(memory_desc_init_by_strides) X(memory_desc_equal)                  \
  X(memory_desc_get_size) X(matmul_desc_init) X(dilated_convolution_forward_desc_init)            \
  X(dilated_convolution_backward_data_desc_init)                                                  \
  X(dilated_convolution_backward_weights_desc_init) X(reorder_primitive_desc_create)              \
  X(primitive_attr_create) X(primitive_attr_set_scratchpad_mode) X(primitive_attr_set_post_ops)   \
  X(post_ops_create) X(post_ops_append_sum) X(post_ops_destroy)                                   \
  X(primitive_desc_create) X(primitive_desc_destroy)                                              \
  X(primitive_desc_query) X(primitive_desc_query_md) X(primitive_create) X(primitive_destroy)     \
  X(primitive_execute)

/* Constant from where tn__dnnl_ready returns true until tn__onednn_forget. */
extern struct tn_dnnl {
#define X(name) __typeof__(&dnnl_##name) name;
  TN_DNNL_FUNCTIONS(X)
#undef X
  dnnl_engine_t engine;
  dnnl_primitive_attr_t attr, adding; /* scratch memory is ours; the second adds to its result */
} tn__dnnl;

/* False where the library is missing or of another version. Opens it at the first call. */
bool tn__dnnl_ready(void);

/* Does the library have code of its own for it? Its fallbacks are slower than ours. */
bool tn__dnnl_is_fast(dnnl_primitive_desc_t pd, dnnl_data_type_t type);

/* One argument of a primitive: memory, and what lies there. */
typedef struct {
  int argument;
  const dnnl_memory_desc_t *md;
  void *data;
} tn_dnnl_operand;

enum { TN_DNNL_OPERANDS = 6, TN_DNNL_ALIGNMENT = 64, TN_DNNL_KEPT = 96 };

bool tn__dnnl_execute(dnnl_stream_t stream, dnnl_primitive_t primitive, int n,
                      const tn_dnnl_operand *given);

/* The beginning of every plan. */
typedef struct {
  const void *key; /* inside of the plan; compared as memory, so without gaps or cleared first */
  bool usable;     /* false: asked for before, and declined */
  int users;
  uint64_t used;
} tn_dnnl_plan;

/* All plans of one kind. `make` returns NULL where there is no memory, and `destroy` takes none. */
typedef struct tn_dnnl_plans {
  size_t key_bytes;
  tn_dnnl_plan *(*make)(const void *key);
  void (*destroy)(tn_dnnl_plan *plan);
  pthread_mutex_t lock;
  uint64_t clock;
  tn_dnnl_plan *kept[TN_DNNL_KEPT];
  struct tn_dnnl_plans *next; /* of those that have had a plan */
  bool listed;
} tn_dnnl_plans;

/* Finds the plan, or makes it in place of the one that has not been used for the longest time. NULL
 * where there is none; otherwise it must be given back. */
tn_dnnl_plan *tn__dnnl_take(tn_dnnl_plans *plans, const void *key);
void tn__dnnl_give_back(tn_dnnl_plans *plans, tn_dnnl_plan *plan); /* NULL is accepted */

#endif
#endif
