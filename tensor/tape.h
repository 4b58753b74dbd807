/* tape.h -- the recorded graph, shared by tape.c (which builds it) and backward.c. */
#ifndef TN_TAPE_H
#define TN_TAPE_H

#include "tensor/internal.h"

typedef struct {
  tn_node *node;   /* made this input, or NULL */
  tn_tensor *leaf; /* or: the leaf itself */
  tn_tensor *saved;
  uint32_t version; /* of the saved value's storage */
  uint8_t output;   /* which of node's */
  tn_meta meta;
} tn_edge;

struct tn_node {
  atomic_int refs;
  const tn_op *op;
  tn_opcode code; /* of op */
  uint64_t sequence; /* later nodes depend on earlier ones only */
  int nin;
  uint8_t nout;
  bool freed, queued;
  tn_allocator *allocator;
  size_t size;
  tn_node *next;
  tn_tensor *pending[TN_MAX_OUTPUTS]; /* gradients that have arrived */
  tn_tensor *saved_out[TN_MAX_OUTPUTS];
  uint32_t out_version[TN_MAX_OUTPUTS];
  tn_meta meta[TN_MAX_OUTPUTS];
  tn_attrs attrs;
  tn_custom custom;
  tn_edge edges[];
};

void tn__node_forget_values(tn_node *node);
/* Attributes of as_strided: `view` as seen from `base`. */
void tn__strided_attrs(tn_attrs *attrs, const tn_tensor *view, const tn_tensor *base);
/* The gradient of a view that shows a part, made by `code` with `attrs`: zeros elsewhere. */
tn_status tn__part_grad(tn_grad_call *g, tn_opcode code, const tn_attrs *attrs);

#endif
