/* pointwise_language.h -- tests and choices of pointwise.def's expressions, in C. */
#ifndef TN_CPU_POINTWISE_LANGUAGE_H
#define TN_CPU_POINTWISE_LANGUAGE_H

#define SEL(test, then, other) ((test) ? (then) : (other))
#define LT(a, b) ((a) < (b))
#define LE(a, b) ((a) <= (b))
#define GT(a, b) ((a) > (b))
#define GE(a, b) ((a) >= (b))
#define EQ(a, b) ((a) == (b))
#define NE(a, b) ((a) != (b))

#endif
