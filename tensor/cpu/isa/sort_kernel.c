/* sort_kernel.c -- keys of float32, a search among keys, and a network that sorts short lines. */
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "tensor/cpu/isa/loops.h"
#include "tensor/cpu/kernels.h"

/* NaN above all, -0 as 0. `flip` is all ones for a descending order. */
static void keys_f32(int64_t n, uint64_t *to, const void *from, uint32_t flip) {
  const uint32_t *bits = from;
  TN_VECTOR for (int64_t i = 0; i < n; i++) {
    const uint32_t size = bits[i] & 0x7fffffffu;
    const uint32_t negative = (uint32_t)((int32_t)(size == 0 ? 0 : bits[i]) >> 31);
    const uint32_t key = (size ^ negative ^ 0x80000000u) | (size > 0x7f800000u ? 0xffffffffu : 0);
    to[i] = key ^ flip;
  }
}

/* Where the first key is that is not greater than the limit; n if there is none. Most chunks hold
 * none, so they are asked as a whole. */
static int64_t first_within(int64_t n, const uint64_t *keys, uint64_t limit) {
  int64_t i = 0;
#if defined(__AVX512F__)
  const __m512i top = _mm512_set1_epi64((long long)limit);
  for (; i + 8 <= n; i += 8) {
    const unsigned within = _mm512_cmple_epu64_mask(_mm512_loadu_si512(keys + i), top);
    if (within != 0) return i + __builtin_ctz(within);
  }
#else
  for (; i + 4 <= n; i += 4) {
    if ((keys[i] <= limit) | (keys[i + 1] <= limit) | (keys[i + 2] <= limit) |
        (keys[i + 3] <= limit)) {
      break;
    }
  }
#endif
  while (i < n && keys[i] > limit) i++;
  return i;
}

static inline void rows_in_order(uint64_t *a, uint64_t *b) {
  TN_VECTOR for (int k = 0; k < TN_COLUMNS; k++) {
    const uint64_t v = a[k], w = b[k];
    a[k] = v < w ? v : w;
    b[k] = v < w ? w : v;
  }
}

/* A bitonic network: which numbers are compared does not depend on them, so that neighbouring
 * columns go through it together. */
static void sort_columns(int64_t size, uint64_t *rows) {
  for (int64_t block = 2; block <= size; block *= 2) {
    for (int64_t first = 0; first < size; first += block) {
      uint64_t *a = rows + first * TN_COLUMNS, *b = a + (block - 1) * TN_COLUMNS;
      for (; a < b; a += TN_COLUMNS, b -= TN_COLUMNS) rows_in_order(a, b);
    }
    for (int64_t apart = block / 4; apart > 0; apart /= 2) {
      for (int64_t first = 0; first < size; first += 2 * apart) {
        uint64_t *a = rows + first * TN_COLUMNS;
        for (int64_t i = 0; i < apart; i++, a += TN_COLUMNS) {
          rows_in_order(a, a + apart * TN_COLUMNS);
        }
      }
    }
  }
}

const tn_sort_kernels TN_ISA_NAME(tn__sort_kernels) = {keys_f32, first_within, sort_columns};
