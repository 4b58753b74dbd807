/* isa.c -- which instruction set the processor, the system and the environment allow. */
#include "isa.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && !defined(TN_WITHOUT_avx2)
#include <cpuid.h>

/* F16C has no name in older compilers' __builtin_cpu_supports, so its bit is read here. */
static int has_f16c(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

int tn__isa_best(void) {
  /* The builtin also asks xgetbv whether the system saves the wide registers. */
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
    return TN_ISA_BASELINE;
#ifndef TN_WITHOUT_avx512
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return TN_ISA_AVX512;
#endif
  return TN_ISA_AVX2;
}
#else
int tn__isa_best(void) {
  return TN_ISA_BASELINE;
}
#endif

/* Written once, under pthread_once; constant for the life of the process afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int chosen;

static void choose(void) {
  static const char *const names[TN_ISA_COUNT] = {"baseline", "avx2", "avx512"};
  const char *wish = getenv("MOONLET_ISA");
  chosen = tn__isa_best();
  for (int i = 0; wish && i < chosen; i++)
    if (strcmp(wish, names[i]) == 0) chosen = i;
}

int tn__isa(void) {
  pthread_once(&once, choose);
  return chosen;
}
