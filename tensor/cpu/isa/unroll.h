/* unroll.h -- for kernels that keep blocks in registers: loops with constant bounds must vanish for
 * their arrays to become registers. Not so in builds with checkers, which look at every element and
 * would compile for minutes. */
#ifndef TN_CPU_UNROLL_H
#define TN_CPU_UNROLL_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
  __has_feature(undefined_behavior_sanitizer)
#define CHECKED 1
#endif
#endif
#ifdef CHECKED
#define UNROLL
#define INLINE static __attribute__((noinline))
#else
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif
#define INLINE static inline __attribute__((always_inline))
#endif

#endif
