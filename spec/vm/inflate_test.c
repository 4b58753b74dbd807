/* inflate_test.c -- vm/inflate.c by itself: every kind of block, and input that is cut off or
 * damaged, which must neither crash nor write beyond the room that it was given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inflate.h"

static int number, failed;

static void check(int good, const char *what) {
  if (!good) failed = 1;
  printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
}

/* "hello hello hello hello, 0123456789" by the fixed code; "hello" stored. Blocks with a code of
 * their own are what the embedded packages consist of. */
static const unsigned char fixed[] = {0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40,
                                      0x27, 0x75, 0x14, 0x0c, 0x0c, 0x8d, 0x8c, 0x4d,
                                      0x4c, 0xcd, 0xcc, 0x2d, 0x2c, 0x01};
static const unsigned char stored[] = {0x01, 0x05, 0x00, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o'};

static inflate_status run(const unsigned char *in, size_t size, unsigned char *out, size_t room,
                          size_t *used, size_t *made) {
  *used = *made = 0;
  return moonlet__inflate(in, size, used, out, room, made);
}

static unsigned random_next(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

int main(void) {
  unsigned char out[400];
  size_t used, made;
  check(run(stored, sizeof stored, out, sizeof out, &used, &made) == INFLATE_DONE && made == 5 &&
            used == sizeof stored && memcmp(out, "hello", 5) == 0,
        "a stored block");
  check(run(stored, sizeof stored, out, 4, &used, &made) == INFLATE_FULL, "too little room");
  check(run(stored, sizeof stored, out, 5, &used, &made) == INFLATE_DONE, "just enough room");
  int early = 1;
  for (size_t n = 0; n < sizeof stored; n++)
    if (run(stored, n, out, sizeof out, &used, &made) != INFLATE_EARLY) early = 0;
  check(early, "a stored block that is cut off anywhere");
  unsigned char wrong[sizeof stored];
  memcpy(wrong, stored, sizeof stored);
  wrong[3] ^= 1;
  check(run(wrong, sizeof wrong, out, sizeof out, &used, &made) == INFLATE_DAMAGED,
        "lengths that do not agree");
  const unsigned char third[] = {0x07, 0, 0, 0};
  check(run(third, sizeof third, out, sizeof out, &used, &made) == INFLATE_DAMAGED,
        "a kind of block that there is not");
  const char text[] = "hello hello hello hello, 0123456789";
  const size_t length = sizeof text - 1;
  check(run(fixed, sizeof fixed, out, sizeof out, &used, &made) == INFLATE_DONE &&
            made == length && used == sizeof fixed && memcmp(out, text, length) == 0,
        "the fixed code, and a match that overlaps itself");
  int full = 1;
  early = 1;
  for (size_t n = 0; n < length; n++)
    if (run(fixed, sizeof fixed, out, n, &used, &made) != INFLATE_FULL || made > n) full = 0;
  check(full, "any room that is too little");
  for (size_t n = 0; n < sizeof fixed; n++)
    if (run(fixed, n, out, sizeof out, &used, &made) != INFLATE_EARLY) early = 0;
  check(early, "the fixed code, cut off anywhere");

  /* Whatever comes, the byte behind the room stays. */
  unsigned state = 20261128;
  int kept = 1;
  for (int i = 0; i < 200000; i++) {
    unsigned char in[64], room[48];
    size_t size = random_next(&state) % sizeof in, most = random_next(&state) % (sizeof room - 1);
    for (size_t k = 0; k < size; k++) in[k] = (unsigned char)random_next(&state);
    if (i % 3 == 0 && size >= sizeof fixed) memcpy(in, fixed, sizeof fixed - 2);
    if (size > 0 && i % 2 == 0) in[0] = (unsigned char)((in[0] & 0xf8) | 5); /* a code of its own */
    unsigned char *copy = malloc(size + 1), *target = malloc(most + 1); /* ends that are watched */
    if (!copy || !target) return 2;
    memcpy(copy, in, size);
    target[most] = 0xa5;
    run(copy, size, target, most, &used, &made);
    if (target[most] != 0xa5 || made > most || used > size) kept = 0;
    free(copy);
    free(target);
  }
  check(kept, "random bytes");
  return failed;
}
