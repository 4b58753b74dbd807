/* pointwise.h -- what a pointwise row holds beyond an operation's usual parts. */
#ifndef TN_POINTWISE_H
#define TN_POINTWISE_H

#include "tensor/eval.h"

enum { /* of those after TN_KIND_BIT only the loops are others */
  TN_KIND_NUM, TN_KIND_FLT, TN_KIND_CMP, TN_KIND_BIT, TN_KIND_RNUM = TN_KIND_NUM,
  TN_KIND_RFLT = TN_KIND_FLT, TN_KIND_RCMP = TN_KIND_CMP, TN_KIND_TRG = TN_KIND_FLT
};

/* The derivative as recorded operations; d, in and y as in pointwise.def, p the parameters. */
typedef tn_tensor *tn_compose(tn_eval *e, tn_tensor *d, tn_tensor *const *in, tn_tensor *y,
                              const double *p);

struct tn_pointwise {
  uint8_t index; /* in the tables of kernels */
  uint8_t kind;
  int8_t test;    /* which input is a condition, without a say in the result's dtype; -1: none */
  bool divides;   /* integers: the second input must not hold 0 */
  const char *text[3]; /* the derivatives as written */
  tn_compose *compose[3];
};

#define TN_UNARY(name, ...) tn_compose tn__compose_##name##_a;
#define TN_BINARY(name, ...) tn_compose tn__compose_##name##_a, tn__compose_##name##_b;
#define TN_TERNARY(name, ...)                                                                     \
  tn_compose tn__compose_##name##_a, tn__compose_##name##_b, tn__compose_##name##_c;
#include "tensor/pointwise.def"
#undef TN_UNARY
#undef TN_BINARY
#undef TN_TERNARY

#endif
