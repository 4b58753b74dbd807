/* attention.h -- attention of blocks of queries and keys: see attention.c. */
#ifndef TN_OPS_ATTENTION_H
#define TN_OPS_ATTENTION_H

#include <stdatomic.h>

#include "tensor/cpu/kernels.h"
#include "tensor/internal.h"

/* Rows of a matrix for each batch and head. */
typedef struct {
  char *data;
  int64_t batch, head, row; /* strides */
} tn_attention_rows;

typedef enum { TN_NO_MASK, TN_MASK_TRUTH, TN_MASK_ADDED } tn_attention_mask;

typedef struct {
  const tn_attention_kernels *k;
  tn_allocator *memory; /* for blocks */
  bool f64, causal;
  size_t item;
  int64_t batch, heads, groups, length, keys, dim, width;
  double scale, p;
  uint64_t seed, offset;
  tn_attention_rows q, key, v, y, dy, dq, dk, dv;
  char *lse;        /* (batch, heads, length) */
  char *scores_out; /* NULL, or (batch, heads, length, keys): the gradient of the scores */
  tn_attention_mask kind;
  const char *mask;
  int64_t mask_strides[4];
  int64_t chunks; /* of keys, on the way back: dq has one array for each */
  atomic_bool failed;
} tn_attention;

/* Fills y and lse, or adds to dq, dk and dv; `failed` where there was no memory for blocks. */
void tn__attention_forward(tn_attention *j, tn_pool *pool);
/* Arrays that dq consists of: more than one where there are few groups of heads. */
int64_t tn__attention_chunks(const tn_attention *j);
void tn__attention_backward(tn_attention *j, tn_pool *pool);
/* (batch, heads, length, keys), in scores_out: what dropout multiplies each weight with. */
void tn__attention_dropped(tn_attention *j);
/* Groups of random numbers that dropout takes. */
uint64_t tn__attention_draws(const tn_attention *j);

#endif
