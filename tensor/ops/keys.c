/* keys.c -- one stable sort for every dtype: a network for short lines, a radix sort for others. */
#include "tensor/ops/keys.h"

#include "tensor/cpu/kernels.h"

/* -- Keys -------------------------------------------------------------------------------------- */

/* `infinity`: the bits of the format's infinity; greater ones are NaN. */
static inline uint64_t float_key(uint64_t bits, int width, uint64_t infinity) {
  const uint64_t sign = (uint64_t)1 << (width - 1), all = sign | (sign - 1);
  if (bits == sign) bits = 0;
  uint64_t key = bits & sign ? ~bits & all : bits | sign;
  return (bits & (sign - 1)) > infinity ? all : key;
}

#define KEYS(T, expression)                                                                       \
  for (int64_t i = 0; i < n; i++) {                                                               \
    T v;                                                                                          \
    memcpy(&v, data + i * step * (int64_t)sizeof v, sizeof v);                                    \
    to[i] = (uint64_t)(expression) ^ flip;                                                        \
  }                                                                                               \
  break

void tn__keys(uint64_t *to, const char *data, tn_dtype dtype, int64_t n, int64_t step,
              bool descending) {
  const uint64_t flip = descending ? ~(uint64_t)0 >> (64 - 8 * tn__item_size(dtype)) : 0;
  if (dtype == TN_F32 && step == 1) {
    TN_ISA_PICK(&tn__sort_kernels)->keys_f32(n, to, data, (uint32_t)flip);
    return;
  }
  switch (dtype) {
  case TN_BOOL: KEYS(uint8_t, v != 0);
  case TN_U8: KEYS(uint8_t, v);
  case TN_I8: KEYS(uint8_t, v ^ 0x80);
  case TN_I16: KEYS(uint16_t, v ^ 0x8000);
  case TN_I32: KEYS(uint32_t, v ^ 0x80000000u);
  case TN_I64: KEYS(uint64_t, v ^ (uint64_t)1 << 63);
  case TN_F16: KEYS(uint16_t, float_key(v, 16, 0x7c00));
  case TN_BF16: KEYS(uint16_t, float_key(v, 16, 0x7f80));
  case TN_F32: KEYS(uint32_t, float_key(v, 32, 0x7f800000));
  default: KEYS(uint64_t, float_key(v, 64, (uint64_t)0x7ff << 52));
  }
}

/* -- Short lines ------------------------------------------------------------------------------- */

enum {
  SHORT = TN_SHORT_LINE,
  FEW = 4096,     /* below it, passes of 8 bits are quicker than fewer ones of 11 */
  WHOLE_BITS = 33 /* three passes; keys that agree in so many are told apart afterwards */
};

static inline void in_order(uint64_t *a, uint64_t *b) {
  const uint64_t v = *a, w = *b, exchange = (v ^ w) & -(uint64_t)(w < v); /* never a branch */
  *a = v ^ exchange;
  *b = w ^ exchange;
}

/* A bitonic network: its comparisons do not depend on the numbers, so nothing is mispredicted.
 * No two of the numbers are equal, as each holds its position. */
static void network_sort(uint64_t *p, int64_t n) {
  uint64_t room[SHORT];
  int64_t size = 1;
  while (size < n) size *= 2;
  memcpy(room, p, (size_t)n * sizeof *p);
  for (int64_t i = n; i < size; i++) room[i] = UINT64_MAX;
  for (int64_t block = 2; block <= size; block *= 2) {
    for (int64_t first = 0; first < size; first += block) {
      uint64_t *a = room + first, *b = a + block - 1;
      for (; a < b; a++, b--) in_order(a, b);
    }
    for (int64_t apart = block / 4; apart > 0; apart /= 2) {
      for (int64_t first = 0; first < size; first += 2 * apart) {
        uint64_t *a = room + first;
        for (int64_t i = 0; i < apart; i++) in_order(a + i, a + apart + i);
      }
    }
  }
  memcpy(p, room, (size_t)n * sizeof *p);
}

/* -- Long lines -------------------------------------------------------------------------------- */

typedef struct {
  const uint64_t *from;
  uint64_t *to;
  int64_t n, slots;
  int shift;
  uint64_t digits; /* a mask */
  int64_t *counts; /* of each slot's digits, later where they go */
} pass;

static void count_slots(void *arg, int64_t begin, int64_t end) {
  const pass *p = arg;
  for (int64_t slot = begin; slot < end; slot++) {
    int64_t *counts = p->counts + slot * TN_DIGITS;
    memset(counts, 0, (p->digits + 1) * sizeof *counts);
    const int64_t last = p->n * (slot + 1) / p->slots;
    for (int64_t i = p->n * slot / p->slots; i < last; i++) {
      counts[p->from[i] >> p->shift & p->digits]++;
    }
  }
}

static void spread_slots(void *arg, int64_t begin, int64_t end) {
  const pass *p = arg;
  const uint64_t *from = p->from, digits = p->digits;
  const int shift = p->shift;
  uint64_t *to = p->to;
  for (int64_t slot = begin; slot < end; slot++) {
    int64_t *next = p->counts + slot * TN_DIGITS;
    const int64_t last = p->n * (slot + 1) / p->slots;
    for (int64_t i = p->n * slot / p->slots; i < last; i++) {
      to[next[from[i] >> shift & digits]++] = from[i];
    }
  }
}

/* Turns counts into places: of equal digits the earlier slot's stand first. False where all the
 * digits are equal, so that nothing needs to move. */
static bool places(const pass *p) {
  const uint64_t first = p->from[0] >> p->shift & p->digits;
  int64_t sum = 0;
  for (int64_t slot = 0; slot < p->slots; slot++) {
    sum += p->counts[slot * TN_DIGITS + (int64_t)first];
  }
  if (sum == p->n) return false;
  sum = 0;
  for (uint64_t digit = 0; digit <= p->digits; digit++) {
    for (int64_t slot = 0; slot < p->slots; slot++) {
      int64_t *at = &p->counts[slot * TN_DIGITS + (int64_t)digit], count = *at;
      *at = sum;
      sum += count;
    }
  }
  return true;
}

/* Sorts n numbers by the `width` bits from `low` on, digit by digit from the lowest, to and fro
 * between p and `spare`; returns where the result is. */
static uint64_t *radix_sort(const tn_ordering *o, int64_t slots, uint64_t *p, uint64_t *spare,
                            int64_t n, int low, int width) {
  const int most = n < FEW ? 8 : 11, passes = (width + most - 1) / most;
  const int bits = passes > 0 ? (width + passes - 1) / passes : 0;
  for (int i = 0; i < passes; i++) {
    pass job = {p, spare, n, slots, low + i * bits, 0, o->counts};
    const int left = width - i * bits;
    job.digits = ((uint64_t)1 << (left < bits ? left : bits)) - 1;
    tn__pool_run(slots > 1 ? o->pool : NULL, slots, 1, count_slots, &job);
    if (!places(&job)) continue;
    tn__pool_run(slots > 1 ? o->pool : NULL, slots, 1, spread_slots, &job);
    uint64_t *other = p;
    p = spare;
    spare = other;
  }
  return p;
}

/* -- Positions by keys ------------------------------------------------------------------------- */

static int bit_length(uint64_t v) {
  int bits = 0;
  for (int step = 32; step > 0; step /= 2) {
    if (v >> step != 0) v >>= step, bits += step;
  }
  return bits + (v != 0);
}

int tn__order_bits(int64_t n) { return bit_length((uint64_t)n - 1); }

bool tn__order_exact(int64_t n, int key_bits) { return key_bits + tn__order_bits(n) <= 64; }

static uint64_t *sort_packed(const tn_ordering *o, int64_t slots, uint64_t *p, uint64_t *spare,
                             int64_t n, int low, int width) {
  if (n > SHORT) return radix_sort(o, slots, p, spare, n, low, width);
  network_sort(p, n);
  return p;
}

static void order_run(const tn_ordering *o, int64_t slots, uint64_t *p, uint64_t *spare, int64_t n);

static void insert_by_keys(const tn_ordering *o, uint64_t mask, uint64_t *p, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    const uint64_t moved = p[i], key = o->keys[moved & mask];
    int64_t to = i;
    for (; to > 0 && o->keys[p[to - 1] & mask] > key; to--) p[to] = p[to - 1];
    p[to] = moved;
  }
}

/* Runs that the bits beside their positions leave in the order of the positions. */
static void refine(const tn_ordering *o, uint64_t *p, uint64_t *spare, int64_t n, int low) {
  const uint64_t mask = ((uint64_t)1 << low) - 1;
  for (int64_t i = 0, end; i < n; i = end) {
    const uint64_t bits = p[i] & ~mask;
    for (end = i + 1; end < n && (p[end] & ~mask) == bits;) end++;
    if (end - i > 16) order_run(o, 1, p + i, spare + i, end - i);
    else if (end - i > 1) insert_by_keys(o, mask, p + i, end - i);
  }
}

/* Sorts the positions in p, which are ascending. What keys have in common below the least one is
 * left out; where the rest does not fit, as in float64, its high bits do nearly always. Each level
 * of the recursion is done with as many bits, so there are few. */
static void order_run(const tn_ordering *o, int64_t slots, uint64_t *p, uint64_t *spare,
                      int64_t n) {
  const int low = tn__order_bits(o->n);
  const uint64_t mask = ((uint64_t)1 << low) - 1, *keys = o->keys;
  uint64_t least = UINT64_MAX, most = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint64_t key = keys[p[i] & mask];
    least = key < least ? key : least;
    most = key > most ? key : most;
  }
  if (least >= most) return;
  const int bits = bit_length(most - least);
  int width = n > SHORT && 64 - low > WHOLE_BITS ? WHOLE_BITS : 64 - low;
  if (width > bits) width = bits;
  for (int64_t i = 0; i < n; i++) {
    const uint64_t at = p[i] & mask;
    p[i] = (keys[at] - least) >> (bits - width) << low | at;
  }
  uint64_t *sorted = sort_packed(o, slots, p, spare, n, low, width);
  if (sorted != p) memcpy(p, sorted, (size_t)n * sizeof *p);
  if (width < bits) refine(o, p, spare, n, low);
}

uint64_t *tn__order(const tn_ordering *o) {
  const int low = tn__order_bits(o->n);
  uint64_t *p = o->packed;
  if (!tn__order_exact(o->n, o->key_bits)) {
    for (int64_t i = 0; i < o->n; i++) p[i] = (uint64_t)i;
    order_run(o, o->slots, p, o->spare, o->n);
    return p;
  }
  for (int64_t i = 0; i < o->n; i++) p[i] = o->keys[i] << low | (uint64_t)i;
  return sort_packed(o, o->slots, p, o->spare, o->n, low, o->key_bits);
}
