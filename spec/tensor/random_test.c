/* random_test.c -- the Philox generator against published numbers, and what is built on it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/cpu/kernels.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

static int failures;

static void check(bool good, const char *what) {
  printf("%s - %s\n", good ? "ok" : "not ok", what);
  failures += !good;
}

/* kat_vectors of Random123 1.09 (Salmon et al.), philox4x32 with 10 rounds. Of its counters those
 * whose upper half is 0 can be asked for here. */
static void known_answers(void) {
  uint32_t out[4];
  const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  tn__philox(0, 0, out);
  check(memcmp(out, zeros, sizeof out) == 0, "philox of counter 0 and key 0");
}

/* The rounds as the paper writes them, over all four words of the counter. */
static void by_the_paper(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  uint32_t x[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (int round = 0; round < 10; round++) {
    uint64_t left = 0xD2511F53ULL * x[0], right = 0xCD9E8D57ULL * x[2];
    uint32_t y[4] = {(uint32_t)(right >> 32) ^ x[1] ^ key[0], (uint32_t)right,
                     (uint32_t)(left >> 32) ^ x[3] ^ key[1], (uint32_t)left};
    memcpy(x, y, sizeof x);
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  memcpy(out, x, sizeof x);
}

static void same_as_the_paper(void) {
  uint32_t a[4], b[4];
  bool same = true;
  for (uint64_t i = 0; i < 1000; i++) {
    uint64_t seed = i * 0x9E3779B97F4A7C15ULL, counter = i * i * 0xD1342543DE82EF95ULL;
    tn__philox(seed, counter, a);
    by_the_paper(seed, counter, b);
    same = same && memcmp(a, b, sizeof a) == 0;
  }
  check(same, "philox of a thousand seeds and counters");
}

static void a_generator_counts(void) {
  tn_generator g, h;
  tn_seed(&g, 42);
  tn_seed(&h, 42);
  uint32_t first = tn_random_u32(&g), out[4];
  tn__philox(42, 0, out);
  check(first == out[0] && g.offset == 1, "a generator's first number is that of counter 0");
  check(tn_random_u32(&h) == first, "one seed, the same numbers");
  double low = 1, high = 0, sum = 0;
  for (int i = 0; i < 100000; i++) {
    double u = tn_random_double(&g);
    low = u < low ? u : low;
    high = u > high ? u : high;
    sum += u;
  }
  check(low >= 0 && high < 1 && fabs(sum / 100000 - 0.5) < 0.005, "doubles lie in [0, 1)");
}

static tn_tensor *filled(tn_ctx *ctx, tn_opcode code, tn_dtype dtype, int64_t n, double a,
                         double b) {
  tn_tensor *t = NULL;
  tn_attrs attrs = {.f = {a, b}};
  tn_seed(tn_default_generator(ctx), 7);
  if (tn_tensor_new(ctx, &t, dtype, 1, &n) != TN_OK) return NULL;
  if (tn_apply_inplace(ctx, code, 1, &t, &attrs) == TN_OK) return t;
  tn_tensor_release(t);
  return NULL;
}

/* The same numbers whoever draws them: 1 to 4 threads. */
static void threads_do_not_matter(void) {
  const int64_t n = 300001;
  const tn_opcode codes[] = {TN_OP_uniform, TN_OP_normal};
  for (int c = 0; c < 4; c++) {
    tn_dtype dtype = c < 2 ? TN_F32 : TN_F64;
    tn_tensor *first = NULL;
    bool same = true;
    for (int threads = 1; threads <= 4; threads++) {
      tn_config config = {.size = sizeof config, .threads = threads};
      tn_ctx *ctx = tn_open(&config);
      tn_tensor *t = ctx == NULL ? NULL : filled(ctx, codes[c % 2], dtype, n, 0, 1);
      same = same && t != NULL;
      if (first == NULL) {
        first = tn_tensor_retain(t);
      } else if (t != NULL) {
        same = same && memcmp(tn_tensor_data(first), tn_tensor_data(t),
                              (size_t)n * tn_dtype_size(dtype)) == 0;
      }
      tn_tensor_release(t);
      tn_close(ctx);
    }
    tn_tensor_release(first);
    check(same, c % 2 == 0 ? "uniform numbers of 1 to 4 threads" : "normal numbers of 1 to 4");
  }
}

/* -- The vector kernels of each instruction set ------------------------------------------------ */

static const tn_random_kernels *kernels_of(int isa) {
  return TN_ISA_AT(isa, &tn__random_kernels);
}

/* Runs of any length, also where the counter's lower half, or all of it, runs over. */
static bool same_words(const tn_random_kernels *k) {
  static const uint64_t offsets[] = {0, 7, 0xfffffff0, 0x123456789abcdef0, UINT64_MAX - 20};
  uint32_t words[4 * 100], expected[4];
  for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
    for (int64_t n = 0; n < 100; n += 1 + n / 8) {
      k->words(0x9876543210fedcbaULL, offsets[o], n, words);
      for (int64_t i = 0; i < n; i++) {
        tn__philox(0x9876543210fedcbaULL, offsets[o] + (uint64_t)i, expected);
        if (memcmp(words + 4 * i, expected, sizeof expected) != 0) return false;
      }
    }
  }
  return true;
}

enum { NUMBERS = 4096 };

/* All distributions of one set, to be compared byte by byte with those of another. */
static void all_numbers(const tn_random_kernels *k, float (*f)[NUMBERS], double (*d)[NUMBERS]) {
  static const double p[TN_RAND_COUNT][4] = {
      {-1, 3.3, 2.2999, 8}, {0.3, 1.7}, {2.5}, {0.1, 0.9}, {1e9, 1.25}};
  static uint32_t words[2 * NUMBERS];
  k->words(11, 5, NUMBERS / 2, words);
  words[0] = words[1] = 0; /* the ends of the range */
  words[2] = words[3] = UINT32_MAX;
  words[4] = words[6] = 0x80000000;
  for (int s = 0; s < TN_RAND_COUNT; s++) {
    k->f32[s](NUMBERS, f[s], words, p[s]);
    if (k->f64[s] != NULL) k->f64[s](NUMBERS, d[s], words, p[s]);
  }
  k->exp_f32(NUMBERS, f[TN_RAND_NORMAL]);
  k->exp_f64(NUMBERS, d[TN_RAND_NORMAL]);
}

static void instruction_sets_agree(void) {
  static float f[2][TN_RAND_COUNT][NUMBERS];
  static double d[2][TN_RAND_COUNT][NUMBERS];
  all_numbers(kernels_of(TN_ISA_BASELINE), f[0], d[0]);
  for (int isa = 0; isa <= tn__isa_best(); isa++) {
    check(same_words(kernels_of(isa)), "words of an instruction set are those of philox.h");
    all_numbers(kernels_of(isa), f[1], d[1]);
    check(memcmp(f[0], f[1], sizeof f[0]) == 0 && memcmp(d[0], d[1], sizeof d[0]) == 0,
          "an instruction set gives the same bits as the baseline");
  }
  bool finite = true;
  for (int s = 0; s < TN_RAND_COUNT; s++) {
    for (int i = 0; i < NUMBERS; i++) {
      finite = finite && isfinite(f[0][s][i]) && isfinite(d[0][s][i]);
    }
  }
  check(finite, "no distribution gives an infinity, whatever the words");
}

int main(void) {
  known_answers();
  same_as_the_paper();
  a_generator_counts();
  threads_do_not_matter();
  instruction_sets_agree();
  return failures != 0;
}
