/* isa.h -- instruction sets: names of kernels compiled per set, choice at run time.
 *
 * Every file in tensor/cpu/isa/ is compiled once per instruction set with -DTN_ISA=baseline,
 * avx2 or avx512. A function in such a file is defined as TN_ISA_NAME(foo), declared here and
 * there with TN_ISA_DECLARE, and picked with TN_ISA_PICK(foo):
 *
 *   TN_ISA_DECLARE(void, tn__add_f32, (float *, const float *, int64_t))
 *   TN_ISA_PICK(tn__add_f32)(out, in, n);
 */
#ifndef TN_CPU_ISA_H
#define TN_CPU_ISA_H

enum {
  TN_ISA_BASELINE, /* what the compiler assumes anyway: SSE2 on x86-64 */
  TN_ISA_AVX2,     /* with FMA and F16C */
  TN_ISA_AVX512,   /* F, DQ, BW and VL */
  TN_ISA_COUNT
};

/* The best set that this processor and system support, found once. The environment variable
 * MOONLET_ISA=baseline|avx2|avx512 can lower the choice, never raise it. */
int tn__isa(void);

/* What the machine supports, without the environment: for tests of every set. */
int tn__isa_best(void);

#define TN_ISA_PASTE2(name, isa) name##_##isa
#define TN_ISA_PASTE(name, isa) TN_ISA_PASTE2(name, isa)
#ifdef TN_ISA
#define TN_ISA_NAME(name) TN_ISA_PASTE(name, TN_ISA)
#endif

/* A build may do without the wider sets; none has AVX-512 without AVX2. */
#if defined(TN_WITHOUT_avx2) && !defined(TN_WITHOUT_avx512)
#define TN_WITHOUT_avx512
#endif
#if defined(__x86_64__) && !defined(TN_WITHOUT_avx512)
#define TN_ISA_DECLARE(type, name, args) \
  type name##_baseline args; \
  type name##_avx2 args; \
  type name##_avx512 args;
#define TN_ISA_AT(level, name) \
  ((level) == TN_ISA_AVX512 ? name##_avx512 \
   : (level) == TN_ISA_AVX2 ? name##_avx2   \
                            : name##_baseline)
#elif defined(__x86_64__) && !defined(TN_WITHOUT_avx2)
#define TN_ISA_DECLARE(type, name, args) \
  type name##_baseline args; \
  type name##_avx2 args;
#define TN_ISA_AT(level, name) ((level) == TN_ISA_AVX2 ? name##_avx2 : name##_baseline)
#else
#define TN_ISA_DECLARE(type, name, args) type name##_baseline args;
#define TN_ISA_AT(level, name) ((void)(level), name##_baseline)
#endif
#define TN_ISA_PICK(name) TN_ISA_AT(tn__isa(), name)

#endif
