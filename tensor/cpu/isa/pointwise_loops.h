/* pointwise_loops.h -- the loops over one compute type; included once for each by
 * pointwise_kernel.c and pointwise_int.c, which set T (the C type), SUFFIX (of function names) and
 * which rows there are loops of: HAS_NUM (CMP too), HAS_FLT, HAS_BIT, HAS_RARE and, for gradients,
 * HAS_GRAD. TN_PARAMETER(v) makes a T of a parameter. */

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define NAME(base) PASTE(base, SUFFIX)
#define FN(f, x) NAME(tn_##f)(x)
#define FN2(f, x, y) NAME(tn_##f)(x, y)
#define C(v) ((T)(v))
#define P0 p0
#define P1 p1

#define PARAMETERS                                                                                \
  const T p0 = TN_PARAMETER(p[0]), p1 = TN_PARAMETER(p[1]);                                       \
  (void)p0;                                                                                       \
  (void)p1;

#define UNARY_LOOP(name, result, expression)                                                      \
  static void NAME(name)(int64_t n, void *out, const void *const *in, unsigned scalars,           \
                         const double *p) {                                                       \
    result *o = out;                                                                              \
    const T *xs = in[0];                                                                          \
    PARAMETERS(void) scalars;                                                                     \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const T x = xs[i];                                                                          \
      o[i] = (result)(expression);                                                                \
    }                                                                                             \
  }

#define BINARY_LOOP(name, result, expression)                                                     \
  static void NAME(name)(int64_t n, void *out, const void *const *in, unsigned scalars,           \
                         const double *p) {                                                       \
    result *o = out;                                                                              \
    const T *as = in[0], *bs = in[1];                                                             \
    PARAMETERS                                                                                    \
    if (scalars == 0) {                                                                           \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        const T a = as[i], b = bs[i];                                                             \
        o[i] = (result)(expression);                                                              \
      }                                                                                           \
    } else if (scalars == 2) {                                                                    \
      const T b = bs[0];                                                                          \
      TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                 \
        const T a = as[i];                                                                        \
        o[i] = (result)(expression);                                                              \
      }                                                                                           \
    }                                                                                             \
  }

#define TERNARY_LOOP(name, result, expression)                                                    \
  static void NAME(name)(int64_t n, void *out, const void *const *in, unsigned scalars,           \
                         const double *p) {                                                       \
    result *o = out;                                                                              \
    const T *as = in[0], *bs = in[1], *cs = in[2];                                                \
    PARAMETERS(void) scalars;                                                                     \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const T a = as[i], b = bs[i], c = cs[i];                                                    \
      o[i] = (result)(expression);                                                                \
    }                                                                                             \
  }

/* In a unary row the input is x, which is a here. */
#define GRAD_LOOP(name, expression)                                                               \
  static void NAME(name)(int64_t n, void *out, const void *const *in, unsigned scalars,           \
                         const double *p) {                                                       \
    T *o = out;                                                                                   \
    const T *ds = in[0], *as = in[1], *bs = in[2], *cs = in[3], *ys = in[4];                      \
    PARAMETERS(void) scalars;                                                                     \
    TN_VECTOR for (int64_t i = 0; i < n; i++) {                                                   \
      const T d = ds[i], a = as[i], b = bs[i], c = cs[i], y = ys[i], x = a;                       \
      (void)d, (void)b, (void)c, (void)y, (void)x;                                                \
      o[i] = (T)(expression);                                                                     \
    }                                                                                             \
  }

#define RESULT_NUM T
#define RESULT_FLT T
#define RESULT_CMP uint8_t
#define RESULT_BIT T
#define RESULT_RNUM T
#define RESULT_RFLT T
#define RESULT_RCMP uint8_t
#define RESULT_TRG T

/* Which kinds have a kernel, and which a gradient, in this compute type. */
#if HAS_NUM
#define HAVE_NUM(x) x
#define HAVE_CMP(x) x
#else
#define HAVE_NUM(x)
#define HAVE_CMP(x)
#endif
#if HAS_FLT
#define HAVE_FLT(x) x
#else
#define HAVE_FLT(x)
#endif
#if HAS_NUM && HAS_RARE
#define HAVE_RNUM(x) x
#define HAVE_RCMP(x) x
#else
#define HAVE_RNUM(x)
#define HAVE_RCMP(x)
#endif
#if HAS_FLT && HAS_RARE
#define HAVE_RFLT(x) x
#else
#define HAVE_RFLT(x)
#endif
#if HAS_BIT
#define HAVE_BIT(x) x
#else
#define HAVE_BIT(x)
#endif
#if HAS_GRAD
#define GRAD_NUM(x) x
#define GRAD_FLT(x) x
#else
#define GRAD_NUM(x)
#define GRAD_FLT(x)
#endif
#if HAS_GRAD && HAS_RARE
#define GRAD_RNUM(x) x
#define GRAD_RFLT(x) x
#else
#define GRAD_RNUM(x)
#define GRAD_RFLT(x)
#endif
#define HAVE_TRG HAVE_FLT
#define GRAD_TRG GRAD_FLT
#define GRAD_RCMP(x)
#define GRAD_CMP(x)
#define GRAD_BIT(x)

#define TN_UNARY(name, kind, saves, low, high, aliases, args, forward, da, onnx, doc)             \
  HAVE_##kind(UNARY_LOOP(name, RESULT_##kind, forward)) GRAD_##kind(GRAD_LOOP(name##_grad_a, da))
#define TN_BINARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,   \
                  da, db, onnx, doc)                                                              \
  HAVE_##kind(BINARY_LOOP(name, RESULT_##kind, forward))                                          \
  GRAD_##kind(GRAD_LOOP(name##_grad_a, da) GRAD_LOOP(name##_grad_b, db))
#define TN_TERNARY(name, kind, saves, low, high, convention, lua, aliases, args, forms, forward,  \
                   da, db, dc, onnx, doc)                                                         \
  HAVE_##kind(TERNARY_LOOP(name, RESULT_##kind, forward))                                         \
  GRAD_##kind(GRAD_LOOP(name##_grad_a, da) GRAD_LOOP(name##_grad_b, db)                           \
              GRAD_LOOP(name##_grad_c, dc))
#include "tensor/pointwise.def"

#undef TN_UNARY
#undef TN_BINARY
#undef TN_TERNARY
#undef HAVE_NUM
#undef HAVE_FLT
#undef HAVE_CMP
#undef HAVE_BIT
#undef HAVE_RNUM
#undef HAVE_RFLT
#undef HAVE_RCMP
#undef HAVE_TRG
#undef GRAD_RNUM
#undef GRAD_RFLT
#undef GRAD_RCMP
#undef GRAD_TRG
#undef GRAD_NUM
#undef GRAD_FLT
#undef GRAD_CMP
#undef GRAD_BIT
#undef T
#undef SUFFIX
#undef HAS_NUM
#undef HAS_FLT
#undef TN_PARAMETER
#undef HAS_RARE
#undef HAS_BIT
#undef HAS_GRAD
