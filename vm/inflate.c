/* inflate.c -- decompresses deflate data. See inflate.h.
 *
 * A code of up to FAST_BITS bits is one look into a table; longer ones, which are rare, are found
 * bit by bit: codes of one length are consecutive numbers. */
#include "inflate.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LONGEST = 15, FAST_BITS = 10, LITERALS = 288, DISTANCES = 32, LENGTH_CODES = 19 };

typedef struct {
  const uint8_t *in, *end;
  uint64_t bits; /* the next bits of the input, the first one lowest */
  int count;     /* how many of them are there for sure */
  size_t beyond; /* zero bytes given out after the end of the input */
  uint8_t *out;
  size_t room, used;
} work;

/* Symbols in the order of their codes, and how many have each length. */
typedef struct {
  uint16_t fast[1 << FAST_BITS]; /* symbol * 16 + length; 0: a longer code, or none */
  uint16_t counts[LONGEST + 1];
  uint16_t symbols[LITERALS];
} code;

/* At least 56 bits. What the wide way reads beyond `count` it reads again, the same bits. */
static inline void refill(work *w) {
  const uint8_t *p = w->in;
  if (w->end - p >= 8) {
    uint64_t next = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
                    (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
                    (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
    w->bits |= next << w->count;
    w->in += (63 - w->count) >> 3;
    w->count |= 56;
    return;
  }
  for (; w->count <= 56; w->count += 8) {
    if (w->in < w->end) w->bits |= (uint64_t)*w->in++ << w->count;
    else w->beyond++;
  }
}

/* Up to 16 bits, of those that refill has provided. */
static inline unsigned take(work *w, int n) {
  unsigned value = (unsigned)(w->bits & ((1u << n) - 1));
  w->bits >>= n;
  w->count -= n;
  return value;
}

static bool make_code(code *c, const uint8_t *lengths, int n) {
  uint16_t first[LONGEST + 1], at[LONGEST + 1];
  int left = 1;
  memset(c->counts, 0, sizeof c->counts);
  memset(c->fast, 0, sizeof c->fast);
  for (int i = 0; i < n; i++) c->counts[lengths[i]]++;
  c->counts[0] = 0;
  first[0] = at[0] = 0;
  for (int length = 1; length <= LONGEST; length++) {
    left = 2 * left - c->counts[length];
    if (left < 0) return false; /* more codes than there can be */
    first[length] = (uint16_t)((first[length - 1] + c->counts[length - 1]) << 1);
    at[length] = (uint16_t)(at[length - 1] + c->counts[length - 1]);
  }
  for (int i = 0; i < n; i++) {
    const int length = lengths[i];
    if (length == 0) continue;
    unsigned bits = first[length]++, turned = 0;
    c->symbols[at[length]++] = (uint16_t)i;
    if (length > FAST_BITS) continue;
    for (int k = 0; k < length; k++) turned |= (bits >> k & 1) << (length - 1 - k);
    for (; turned < 1 << FAST_BITS; turned += 1u << length)
      c->fast[turned] = (uint16_t)(i << 4 | length);
  }
  return true;
}

/* The next symbol, or -1. refill has provided the bits. */
static inline int decode(work *w, const code *c) {
  const unsigned entry = c->fast[w->bits & ((1 << FAST_BITS) - 1)];
  if (entry != 0) {
    take(w, (int)(entry & 15));
    return (int)(entry >> 4);
  }
  int number = 0, first = 0, index = 0;
  for (int length = 1; length <= LONGEST; length++) {
    number |= (int)take(w, 1);
    const int count = c->counts[length];
    if (number - first < count) return c->symbols[index + number - first];
    index += count;
    first = (first + count) << 1;
    number <<= 1;
  }
  return -1;
}

static inflate_status copy_stored(work *w) {
  take(w, w->count & 7);
  refill(w);
  const unsigned size = take(w, 16), check = take(w, 16);
  if (size != (~check & 0xffff)) return INFLATE_DAMAGED;
  const size_t ahead = (size_t)w->count / 8;
  if (w->beyond > ahead) return INFLATE_EARLY;
  w->in -= ahead - w->beyond; /* back to where the bits end */
  w->bits = 0;
  w->count = 0;
  w->beyond = 0;
  if ((size_t)(w->end - w->in) < size) return INFLATE_EARLY;
  if (w->room - w->used < size) return INFLATE_FULL;
  if (size > 0) memcpy(w->out + w->used, w->in, size);
  w->in += size;
  w->used += size;
  return INFLATE_DONE;
}

static inflate_status copy_match(work *w, int symbol, const code *distances) {
  static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,
                                         15, 17, 19, 23, 27, 31, 35, 43, 51,  59,
                                         67, 83, 99, 115, 131, 163, 195, 227, 258};
  static const uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                        2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
  static const uint16_t distance_base[] = {
      1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
      193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
  symbol -= 257;
  if (symbol >= (int)(sizeof length_bits)) return INFLATE_DAMAGED;
  size_t length = length_base[symbol] + take(w, length_bits[symbol]);
  const int far = decode(w, distances);
  if (far < 0 || far >= 30) return INFLATE_DAMAGED;
  refill(w);
  const size_t distance = distance_base[far] + take(w, far < 4 ? 0 : far / 2 - 1);
  if (distance > w->used) return INFLATE_DAMAGED;
  if (length > w->room - w->used) return INFLATE_FULL;
  uint8_t *to = w->out + w->used;
  const uint8_t *from = to - distance;
  w->used += length;
  if (distance >= 8 && w->room - w->used >= 8) { /* eight at a time, some of them too many */
    for (uint8_t *const end = to + length; to < end; to += 8, from += 8) memcpy(to, from, 8);
  } else {
    while (length-- > 0) *to++ = *from++;
  }
  return INFLATE_DONE;
}

/* A byte that is no part of a match; most come one after the other. */
static inline bool put_literal(work *w, unsigned entry) {
  if (w->used == w->room) return false;
  take(w, (int)(entry & 15));
  w->out[w->used++] = (uint8_t)(entry >> 4);
  return true;
}

static inflate_status read_block(work *w, const code *literals, const code *distances) {
  const unsigned mask = (1 << FAST_BITS) - 1;
  for (;;) {
    refill(w);
    /* entries of literals are the smallest; 56 bits are enough for two of them and a match */
    unsigned entry = literals->fast[w->bits & mask];
    for (int i = 0; i < 2 && entry != 0 && entry < 256 << 4; i++) {
      if (!put_literal(w, entry)) return w->beyond > 8 ? INFLATE_EARLY : INFLATE_FULL;
      entry = literals->fast[w->bits & mask];
    }
    const int symbol = decode(w, literals);
    if (symbol == 256) return INFLATE_DONE;
    if (symbol < 0) return INFLATE_DAMAGED;
    if (symbol < 256) {
      if (w->used == w->room) return w->beyond > 8 ? INFLATE_EARLY : INFLATE_FULL;
      w->out[w->used++] = (uint8_t)symbol;
      continue;
    }
    inflate_status status = copy_match(w, symbol, distances);
    if (status != INFLATE_DONE) return status;
    if (w->beyond > 8) return INFLATE_EARLY;
  }
}

/* The lengths of both codes, packed with a code of their own. */
static bool read_codes(work *w, code *literals, code *distances) {
  static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                              11, 4,  12, 3, 13, 2, 14, 1, 15};
  uint8_t lengths[LITERALS + DISTANCES] = {0};
  refill(w);
  const int nliterals = (int)take(w, 5) + 257, ndistances = (int)take(w, 5) + 1;
  const int n = nliterals + ndistances, ncodes = (int)take(w, 4) + 4;
  for (int i = 0; i < ncodes; i++) {
    refill(w);
    lengths[order[i]] = (uint8_t)take(w, 3);
  }
  if (!make_code(distances, lengths, LENGTH_CODES)) return false;
  memset(lengths, 0, sizeof lengths);
  for (int i = 0; i < n;) {
    refill(w);
    const int symbol = decode(w, distances);
    if (symbol < 0 || (symbol == 16 && i == 0)) return false;
    int times = 1;
    uint8_t length = symbol < 16 ? (uint8_t)symbol : symbol == 16 ? lengths[i - 1] : 0;
    if (symbol == 16) times = 3 + (int)take(w, 2);
    else if (symbol == 17) times = 3 + (int)take(w, 3);
    else if (symbol == 18) times = 11 + (int)take(w, 7);
    if (times > n - i) return false;
    while (times-- > 0) lengths[i++] = length;
  }
  return lengths[256] != 0 && nliterals <= LITERALS && make_code(literals, lengths, nliterals) &&
         make_code(distances, lengths + nliterals, ndistances);
}

static void fixed_codes(code *literals, code *distances) {
  uint8_t lengths[LITERALS];
  for (int i = 0; i < LITERALS; i++)
    lengths[i] = (uint8_t)(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  make_code(literals, lengths, LITERALS);
  memset(lengths, 5, DISTANCES);
  make_code(distances, lengths, DISTANCES);
}

inflate_status moonlet__inflate(const unsigned char *in, size_t in_size, size_t *in_used,
                                unsigned char *out, size_t room, size_t *out_used) {
  work w = {.in = in, .end = in + in_size, .out = out, .room = room};
  code literals, distances;
  inflate_status status = INFLATE_DONE;
  for (bool last = false; !last && status == INFLATE_DONE;) {
    refill(&w);
    last = take(&w, 1);
    const unsigned type = take(&w, 2);
    if (type == 0) {
      status = copy_stored(&w);
    } else if (type == 3 || (type == 2 && !read_codes(&w, &literals, &distances))) {
      status = INFLATE_DAMAGED;
    } else {
      if (type == 1) fixed_codes(&literals, &distances);
      status = read_block(&w, &literals, &distances);
    }
    /* what was decoded out of the zeros behind the end means nothing */
    if (w.beyond * 8 > (size_t)w.count) status = INFLATE_EARLY;
  }
  *in_used = (size_t)(w.in - in) - ((size_t)w.count / 8 - w.beyond) * (status == INFLATE_DONE);
  *out_used = w.used;
  return status;
}
