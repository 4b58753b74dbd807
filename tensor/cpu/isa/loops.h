/* loops.h -- loops that may be vectorised: no iteration reads what another one writes. */
#ifndef TN_CPU_LOOPS_H
#define TN_CPU_LOOPS_H

#if defined(__clang__)
#define TN_VECTOR _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define TN_VECTOR _Pragma("GCC ivdep")
#else
#define TN_VECTOR
#endif

#endif
