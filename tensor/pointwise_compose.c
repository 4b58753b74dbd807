/* pointwise_compose.c -- the derivatives of pointwise.def as recorded operations, for gradients
 * of gradients. The macros build the same expressions that the kernels calculate. */
#include "tensor/pointwise.h"

#define E1(op, a) tn__do(e, TN_OP_##op, NULL, 1, (tn_tensor *[]){(a)})
#define E2(op, a, b) tn__do(e, TN_OP_##op, NULL, 2, (tn_tensor *[]){(a), (b)})
#define ADD(a, b) E2(add, a, b)
#define SUB(a, b) E2(sub, a, b)
#define MUL(a, b) E2(mul, a, b)
#define DIV(a, b) E2(div, a, b)
#define NEG(a) E1(neg, a)
#define LT(a, b) E2(lt, a, b)
#define LE(a, b) E2(le, a, b)
#define GT(a, b) E2(gt, a, b)
#define GE(a, b) E2(ge, a, b)
#define EQ(a, b) E2(eq, a, b)
#define NE(a, b) E2(ne, a, b)
#define SEL(test, then, other)                                                                    \
  tn__do(e, TN_OP_where, NULL, 3, (tn_tensor *[]){(test), (then), (other)})
#define FN(f, x) E1(f, x)
#define FN2(f, x, y) E2(f, x, y)
#define C(v) tn__constant(e, v)
#define P0 tn__constant(e, p[0])
#define P1 tn__constant(e, p[1])

#define COMPOSE(name, expression)                                                                 \
  tn_tensor *name(tn_eval *e, tn_tensor *d, tn_tensor *const *in, tn_tensor *y,                   \
                  const double *p) {                                                              \
    tn_tensor *a = in[0], *b = in[1], *c = in[2], *x = a;                                         \
    (void)e, (void)a, (void)b, (void)c, (void)x, (void)y, (void)p, (void)d;                       \
    return expression;                                                                            \
  }

#define TN_UNARY(name, kind, saves, low, high, aliases, args, forward, da, onnx, doc)             \
  COMPOSE(tn__compose_##name##_a, da)
#define TN_BINARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,   \
                  da, db, onnx, doc)                                                              \
  COMPOSE(tn__compose_##name##_a, da) COMPOSE(tn__compose_##name##_b, db)
#define TN_TERNARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,  \
                   da, db, dc, onnx, doc)                                                         \
  COMPOSE(tn__compose_##name##_a, da) COMPOSE(tn__compose_##name##_b, db)                         \
  COMPOSE(tn__compose_##name##_c, dc)
#include "tensor/pointwise.def"
