/* device.h -- tensors that lie on a device: what the files of tensor/ call when one does.
 *
 * A storage says where it lies, and ctx->device where new ones go. dispatch sets that for the
 * length of a call, from the call's inputs; whoever makes tensors outside of a call does, too. */
#ifndef TN_DEVICE_H
#define TN_DEVICE_H

#include "tensor/backend.h"
#include "tensor/cpu/kernels.h"
#include "tensor/internal.h"

/* The plug-in's table, opened when first asked for; NULL: it cannot be had, and the context's
 * message says why. _loaded: for memory that it gave, so that it is there. */
const tn_backend *tn__backend(tn_ctx *ctx);
const tn_backend *tn__backend_loaded(void);
void tn__backend_use(const tn_backend *b); /* in place of the plug-in's: for tests */

/* Gives an empty storage memory on ctx->device, and lets it grow, keeping its values. */
tn_status tn__device_attach(tn_ctx *ctx, tn_storage *s, size_t bytes);
tn_status tn__device_grow(tn_ctx *ctx, tn_storage *s, size_t bytes);

/* One element, `at` elements behind the first. A failure to read gives NaN. */
double tn__device_get(const tn_tensor *t, int64_t at);
tn_status tn__device_read(tn_ctx *ctx, const tn_tensor *t, int64_t at, double *value);
void tn__device_put(const tn_tensor *t, int64_t at, double value);

/* A status of the backend's, told. */
tn_status tn__device_failed(tn_ctx *ctx, const tn_backend *b, tn_status s);
/* The thread's work touches a storage of a device, while several streams are in use or a graph is
 * captured: it is kept until that is over. */
void tn__device_uses(tn_storage *s);
/* Fails while a graph is captured, saying why, or of which device. */
tn_status tn__device_refuse_capture(tn_ctx *ctx, const tn_backend *b, const char *why);
tn_status tn__device_check_capture(tn_ctx *ctx, int device);
/* A kernel has been run that may have drawn random numbers, or counted a step: will a graph that is
 * captured draw others, and count on? */
tn_status tn__device_drew(tn_ctx *ctx, const tn_backend *b, const tn_kernel_call *k,
                          const tn_generator *g);

/* tn__copy_view where a device takes part. */
tn_status tn__device_copy(tn_ctx *ctx, const tn_tensor *dst, const tn_tensor *src);

/* How many elements are not 0: waits for ctx->device, where the tensor lies. */
tn_status tn__device_count_set(tn_ctx *ctx, const tn_tensor *t, int64_t *count);
/* What an index tensor of a subscript is worth at each position of `to`, which is contiguous int64:
 * `index` broadcasts to its dimensions from `first` on. See tn_backend.places. */
typedef struct {
  tn_opcode code; /* for messages */
  int first, ndim; /* of the block of positions */
  int64_t size, factor, begin;
  const int64_t *steps; /* one for each dimension of `to`; of what adds none count */
  bool adds;
} tn_device_places;
tn_status tn__device_list_places(tn_ctx *ctx, tn_tensor *to, const tn_tensor *index,
                                 const tn_device_places *p);
/* Images on a device may lie with their channels last, and what is made of them goes on so: gives a
 * new tensor of the same number of dimensions such strides, if one of `in` (or NULL) has them. Only
 * for results of pointwise rows and those that say TN_KEEPS_ORDER. */
void tn__device_order(tn_tensor *made, int nin, tn_tensor *const *in);
/* Does t lie on a device with its channels, dimension 1, last? */
bool tn__device_channels_last(const tn_tensor *t);

/* On which device a call runs; fails where inputs or results lie on several. */
tn_status tn__device_place(const tn_call *call, tn_tensor *const *given, int16_t *device);
/* Instead of an operation's CPU kernel; TN_DECLINED: it has none, and nothing was done. */
tn_status tn__device_run(tn_call *call);
/* Is there a kernel for the call, or does it need none? */
bool tn__device_serves(const tn_call *call);
/* Runs a call that no kernel serves on copies in the host's memory, and fills out[]. given[i] NULL or
 * the caller's, which is written. */
tn_status tn__device_detour(tn_call *call, tn_tensor *const *given);
/* The gradient of a call on a device: by a fused kernel, by operations, or by the CPU. */
tn_status tn__device_differentiate(tn_grad_call *g);
/* The gradient of a pointwise operation by one input. */
tn_status tn__device_gradient(tn_grad_call *g, int input, tn_tensor **out);

#endif
