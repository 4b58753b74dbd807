/* prepared.h -- a weight in the order in which kernels read it, kept with its storage while its
 * values stay as they are: what an operation in use, not in training, would make anew each time.
 *
 *   tn_prepared *p = tn__prepared_take(storage, &maker, weight, key, bytes);
 *   if (p != NULL && p->fresh) fill(p->data);
 *   ... use p->data ...
 *   tn__prepared_put(storage, p);                   NULL is accepted
 *
 * Between take and put the caller has it alone: on another thread there is another one. */
#ifndef TN_CPU_PREPARED_H
#define TN_CPU_PREPARED_H

#include "tensor/internal.h"

typedef struct {
  tn_derived head;
  int64_t key[3];
  bool fresh; /* to be filled */
  void *data; /* 64-byte aligned */
} tn_prepared;

/* The storage of a call's weight, its input k, where something may be kept with it: in use, not in
 * training, a weight stays what it is. Else NULL. */
static inline tn_storage *tn__weight_in_use(const tn_call *call, int k) {
  const bool training = tn_grad_enabled(call->ctx) ||
                        (call->ctx->differentiating && call->in[k]->requires_grad);
  return training ? NULL : call->in[k]->storage;
}

/* `maker`: any address of the caller's own; `key`: what else the order depends on. NULL: there is no
 * storage, no memory, or the values may change unseen. */
tn_prepared *tn__prepared_take(tn_storage *keep, const void *maker, const void *of,
                               const int64_t key[3], size_t bytes);
void tn__prepared_put(tn_storage *keep, tn_prepared *p);

/* For a product whose op(B) is a weight turned: its panels (tn_gemm's, isa/gemm_kernel.h), where that
 * is worth while; else NULL. g->b is the weight. */
struct tn_gemm;
tn_prepared *tn__prepared_panels(tn_storage *keep, const struct tn_gemm *g, size_t item);

#endif
