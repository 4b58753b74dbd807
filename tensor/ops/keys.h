/* keys.h -- elements as unsigned keys whose order is theirs, and the order of a line of keys.
 *
 * NaN is greater than everything, -0 equals 0; descending keys are the complement. */
#ifndef TN_OPS_KEYS_H
#define TN_OPS_KEYS_H

#include "tensor/internal.h"

enum {
  TN_DIGITS = 2048,  /* that a pass of the radix sort tells apart */
  TN_SHORT_LINE = 64 /* up to it a network is quicker than the radix sort and its counters */
};

/* The n elements at `data`, `step` apart, as keys. Those of small dtypes leave high bits 0. */
void tn__keys(uint64_t *to, const char *data, tn_dtype dtype, int64_t n, int64_t step,
              bool descending);

/* Positions of a line in the order of its keys. A position shares one number with the bits of its
 * key, or with as many of them as there is room for, so that passes move few bytes. */
typedef struct {
  tn_pool *pool;   /* NULL: one thread */
  int64_t n, slots; /* pieces that passes over the whole line are cut into */
  int key_bits;    /* none above is set */
  uint64_t *keys;  /* n; tn__order_exact: may be `packed` itself */
  uint64_t *packed, *spare; /* n each */
  int64_t *counts; /* slots * TN_DIGITS */
} tn_ordering;

/* How many low bits of `packed` hold the position in a line of n. */
int tn__order_bits(int64_t n);
/* Do whole keys find room beside positions? Then the keys are not read again. */
bool tn__order_exact(int64_t n, int key_bits);
/* Where the positions lie then: `packed` or `spare`. Equal keys keep their order. */
uint64_t *tn__order(const tn_ordering *o);

/* The k-th smallest key, from 0; it is at p[k] then, and none before it is greater. */
uint64_t tn__quickselect(uint64_t *p, int64_t n, int64_t k);

#endif
