/* move_kernel.c -- matrices of 2-, 4- and 8-byte elements turned over, in blocks of registers. */
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "tensor/cpu/isa/square.h"
#include "tensor/cpu/kernels.h"

#define REST(T)                                                                                   \
  static void rest_##T(int64_t rows, int64_t columns, T *dst, int64_t dst_step, const T *src,     \
                       int64_t src_step) {                                                        \
    for (int64_t r = 0; r < rows; r++) {                                                          \
      for (int64_t c = 0; c < columns; c++) dst[r * dst_step + c] = src[c * src_step + r];        \
    }                                                                                             \
  }

REST(uint16_t)
REST(uint32_t)
REST(uint64_t)

#if defined(__AVX2__)
enum { DOWN_2 = 16, SIDE_2 = 8, SIDE_4 = 8, SIDE_8 = 4 };

/* 8 rows of 16 elements to 16 rows of 8: each half of the registers is a square of its own. */
static inline void block_2(uint16_t *d, int64_t to, const uint16_t *s, int64_t from) {
  __m256i a[8], b[8];
  for (int k = 0; k < 8; k++) a[k] = _mm256_loadu_si256((const __m256i *)(s + k * from));
  for (int k = 0; k < 8; k += 2) {
    b[k] = _mm256_unpacklo_epi16(a[k], a[k + 1]);
    b[k + 1] = _mm256_unpackhi_epi16(a[k], a[k + 1]);
  }
  for (int k = 0; k < 8; k += 4) {
    a[k] = _mm256_unpacklo_epi32(b[k], b[k + 2]);
    a[k + 1] = _mm256_unpackhi_epi32(b[k], b[k + 2]);
    a[k + 2] = _mm256_unpacklo_epi32(b[k + 1], b[k + 3]);
    a[k + 3] = _mm256_unpackhi_epi32(b[k + 1], b[k + 3]);
  }
  for (int k = 0; k < 4; k++) {
    b[2 * k] = _mm256_unpacklo_epi64(a[k], a[k + 4]);
    b[2 * k + 1] = _mm256_unpackhi_epi64(a[k], a[k + 4]);
  }
  for (int k = 0; k < 8; k++) {
    _mm_storeu_si128((__m128i *)(d + k * to), _mm256_castsi256_si128(b[k]));
    _mm_storeu_si128((__m128i *)(d + (k + 8) * to), _mm256_extracti128_si256(b[k], 1));
  }
}

static inline void block_4(float *d, int64_t to, const float *s, int64_t from) {
  __m256 a0 = _mm256_loadu_ps(s), a1 = _mm256_loadu_ps(s + from);
  __m256 a2 = _mm256_loadu_ps(s + 2 * from), a3 = _mm256_loadu_ps(s + 3 * from);
  __m256 a4 = _mm256_loadu_ps(s + 4 * from), a5 = _mm256_loadu_ps(s + 5 * from);
  __m256 a6 = _mm256_loadu_ps(s + 6 * from), a7 = _mm256_loadu_ps(s + 7 * from);
  __m256 b0 = _mm256_unpacklo_ps(a0, a1), b1 = _mm256_unpackhi_ps(a0, a1);
  __m256 b2 = _mm256_unpacklo_ps(a2, a3), b3 = _mm256_unpackhi_ps(a2, a3);
  __m256 b4 = _mm256_unpacklo_ps(a4, a5), b5 = _mm256_unpackhi_ps(a4, a5);
  __m256 b6 = _mm256_unpacklo_ps(a6, a7), b7 = _mm256_unpackhi_ps(a6, a7);
  __m256 c0 = _mm256_shuffle_ps(b0, b2, 0x44), c1 = _mm256_shuffle_ps(b0, b2, 0xee);
  __m256 c2 = _mm256_shuffle_ps(b1, b3, 0x44), c3 = _mm256_shuffle_ps(b1, b3, 0xee);
  __m256 c4 = _mm256_shuffle_ps(b4, b6, 0x44), c5 = _mm256_shuffle_ps(b4, b6, 0xee);
  __m256 c6 = _mm256_shuffle_ps(b5, b7, 0x44), c7 = _mm256_shuffle_ps(b5, b7, 0xee);
  _mm256_storeu_ps(d, _mm256_permute2f128_ps(c0, c4, 0x20));
  _mm256_storeu_ps(d + to, _mm256_permute2f128_ps(c1, c5, 0x20));
  _mm256_storeu_ps(d + 2 * to, _mm256_permute2f128_ps(c2, c6, 0x20));
  _mm256_storeu_ps(d + 3 * to, _mm256_permute2f128_ps(c3, c7, 0x20));
  _mm256_storeu_ps(d + 4 * to, _mm256_permute2f128_ps(c0, c4, 0x31));
  _mm256_storeu_ps(d + 5 * to, _mm256_permute2f128_ps(c1, c5, 0x31));
  _mm256_storeu_ps(d + 6 * to, _mm256_permute2f128_ps(c2, c6, 0x31));
  _mm256_storeu_ps(d + 7 * to, _mm256_permute2f128_ps(c3, c7, 0x31));
}

static inline void block_8(double *d, int64_t to, const double *s, int64_t from) {
  __m256d a0 = _mm256_loadu_pd(s), a1 = _mm256_loadu_pd(s + from);
  __m256d a2 = _mm256_loadu_pd(s + 2 * from), a3 = _mm256_loadu_pd(s + 3 * from);
  __m256d b0 = _mm256_unpacklo_pd(a0, a1), b1 = _mm256_unpackhi_pd(a0, a1);
  __m256d b2 = _mm256_unpacklo_pd(a2, a3), b3 = _mm256_unpackhi_pd(a2, a3);
  _mm256_storeu_pd(d, _mm256_permute2f128_pd(b0, b2, 0x20));
  _mm256_storeu_pd(d + to, _mm256_permute2f128_pd(b1, b3, 0x20));
  _mm256_storeu_pd(d + 2 * to, _mm256_permute2f128_pd(b0, b2, 0x31));
  _mm256_storeu_pd(d + 3 * to, _mm256_permute2f128_pd(b1, b3, 0x31));
}
#else
enum { DOWN_2 = 4, SIDE_2 = 4, SIDE_4 = 4, SIDE_8 = 4 };

/* A constant number of loads and stores, which the compiler arranges. */
#define BLOCK(name, T)                                                                            \
  static inline void name(T *d, int64_t to, const T *s, int64_t from) {                           \
    for (int r = 0; r < 4; r++) {                                                                 \
      for (int c = 0; c < 4; c++) d[r * to + c] = s[c * from + r];                                \
    }                                                                                             \
  }
BLOCK(block_2, uint16_t)
BLOCK(block_4, float)
BLOCK(block_8, double)
#endif

/* A few rows of the source at a time, along all that is wanted of them: lines of the cache that two
 * blocks share are read once. They lie too far apart for the processor to guess the next ones. */
#define TURN(name, T, Raw, DOWN, SIDE, block)                                                       \
  static void name(int64_t rows, int64_t columns, void *to, int64_t dst_step, const void *from,   \
                   int64_t src_step) {                                                            \
    T *dst = to;                                                                                  \
    const T *src = from;                                                                          \
    const int64_t whole = rows - rows % DOWN;                                                     \
    int64_t c = 0;                                                                                \
    for (; c + SIDE <= columns; c += SIDE) {                                                      \
      for (int64_t k = c + SIDE; k < c + 2 * SIDE && k < columns; k++) {                          \
        for (int64_t r = 0; r < rows; r += 64 / sizeof(T)) {                                      \
          __builtin_prefetch(src + k * src_step + r);                                             \
        }                                                                                         \
      }                                                                                           \
      for (int64_t r = 0; r < whole; r += DOWN) {                                                 \
        block(dst + r * dst_step + c, dst_step, src + c * src_step + r, src_step);                \
      }                                                                                           \
      rest_##Raw(rows - whole, SIDE, (Raw *)(dst + whole * dst_step + c), dst_step,               \
                 (const Raw *)(src + c * src_step + whole), src_step);                            \
    }                                                                                             \
    rest_##Raw(rows, columns - c, (Raw *)(dst + c), dst_step, (const Raw *)(src + c * src_step),  \
               src_step);                                                                         \
  }

TURN(turn_2, uint16_t, uint16_t, DOWN_2, SIDE_2, block_2)
TURN(turn_4, float, uint32_t, SIDE_4, SIDE_4, block_4)
TURN(turn_8, double, uint64_t, SIDE_8, SIDE_8, block_8)

#if defined(__AVX512F__)
static inline void square_4(float *d, int64_t to, const float *s, int64_t from) {
  tn_line x[TN_SQUARE];
  _Pragma("GCC unroll 16") for (int i = 0; i < TN_SQUARE; i++) {
    x[i] = *(const tn_loose_line *)(s + i * from);
  }
  tn_turn_square(x);
  _Pragma("GCC unroll 16") for (int i = 0; i < TN_SQUARE; i++) {
    *(tn_loose_line *)(d + i * to) = x[i];
  }
}

/* By whole lines of the cache, where rows are so far apart that they share its sets and half a line
 * would be gone before its other half is wanted: six times as fast for images of 32x32, as
 * convolutions turn them, but up to a quarter slower for rows of 1000. What is left over goes the
 * other way. */
static void turn_wide_4(int64_t rows, int64_t columns, void *to, int64_t dst_step,
                        const void *from, int64_t src_step) {
  if (dst_step % 64 != 0 && src_step % 64 != 0) {
    turn_4(rows, columns, to, dst_step, from, src_step);
    return;
  }
  const int64_t down = rows - rows % TN_SQUARE, across = columns - columns % TN_SQUARE;
  float *dst = to;
  const float *src = from;
  for (int64_t c = 0; c < across; c += TN_SQUARE) {
    for (int64_t k = c + TN_SQUARE; k < c + 2 * TN_SQUARE && k < columns; k++) {
      for (int64_t r = 0; r < rows; r += TN_SQUARE) __builtin_prefetch(src + k * src_step + r);
    }
    for (int64_t r = 0; r < down; r += TN_SQUARE) {
      square_4(dst + r * dst_step + c, dst_step, src + c * src_step + r, src_step);
    }
    if (rows > down) {
      turn_4(rows - down, TN_SQUARE, dst + down * dst_step + c, dst_step,
             src + c * src_step + down, src_step);
    }
  }
  if (columns > across) {
    turn_4(rows, columns - across, dst + across, dst_step, src + across * src_step, src_step);
  }
}
#else
#define turn_wide_4 turn_4
#endif

/* Rows of a constant length, without a loop within them. */
#define FIXED_ROWS(count, moves)                                                                  \
  for (int64_t r = 0; r < rows; r++, src += down, dst += count) {                                 \
    moves                                                                                         \
  }
#define MOVE_1 dst[0] = src[0];
#define MOVE_2 MOVE_1 dst[1] = src[across];
#define MOVE_3 MOVE_2 dst[2] = src[2 * across];
#define MOVE_4 MOVE_3 dst[3] = src[3 * across];

/* Long enough ones go in vectors, of which the last overlaps the one before. */
#define ROWS(name, T, LANES)                                                                      \
  static void name(int64_t rows, int64_t m, void *to, const void *from, int64_t down,             \
                   int64_t across) {                                                              \
    typedef T vec __attribute__((vector_size(LANES * sizeof(T)), aligned(sizeof(T)), may_alias)); \
    T *dst = to;                                                                                  \
    const T *src = from;                                                                          \
    if (m == 1) {                                                                                 \
      FIXED_ROWS(1, MOVE_1)                                                                       \
    } else if (m == 2) {                                                                          \
      FIXED_ROWS(2, MOVE_2)                                                                       \
    } else if (m == 3) {                                                                          \
      FIXED_ROWS(3, MOVE_3)                                                                       \
    } else if (m == 4) {                                                                          \
      FIXED_ROWS(4, MOVE_4)                                                                       \
    } else if (m == 2 * LANES && across == 1) {                                                   \
      for (int64_t r = 0; r < rows; r++, src += down, dst += m) {                                 \
        const vec x = *(const vec *)src, y = *(const vec *)(src + LANES);                         \
        *(vec *)dst = x, *(vec *)(dst + LANES) = y;                                               \
      }                                                                                           \
    } else if (m >= LANES && across == 1) {                                                       \
      for (int64_t r = 0; r < rows; r++, src += down, dst += m) {                                 \
        for (int64_t i = 0; i + LANES <= m; i += LANES)                                           \
          *(vec *)(dst + i) = *(const vec *)(src + i);                                            \
        if (m % LANES) *(vec *)(dst + m - LANES) = *(const vec *)(src + m - LANES);               \
      }                                                                                           \
    } else if (m >= LANES && across == 0) {                                                       \
      for (int64_t r = 0; r < rows; r++, src += down, dst += m) {                                 \
        const vec value = *src - (vec){0};                                                        \
        for (int64_t i = 0; i + LANES <= m; i += LANES) *(vec *)(dst + i) = value;                \
        if (m % LANES) *(vec *)(dst + m - LANES) = value;                                         \
      }                                                                                           \
    } else {                                                                                      \
      for (int64_t r = 0; r < rows; r++, src += down, dst += m) {                                 \
        for (int64_t i = 0; i < m; i++) dst[i] = src[i * across];                                 \
      }                                                                                           \
    }                                                                                             \
  }

#if defined(__AVX512F__)
enum { LANES_4 = 16, LANES_8 = 8 };
#elif defined(__AVX2__)
enum { LANES_4 = 8, LANES_8 = 4 };
#else
enum { LANES_4 = 4, LANES_8 = 2 };
#endif
ROWS(rows_4, uint32_t, LANES_4)
ROWS(rows_8, uint64_t, LANES_8)

const tn_move_kernels TN_ISA_NAME(tn__move_kernels) = {turn_2, turn_wide_4, turn_8, rows_4,
                                                       rows_8};
