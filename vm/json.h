/* json.h -- the letters of JSON (RFC 8259): numbers, strings and UTF-8, read and written. Knows
 * neither Lua nor tensors; bind_json.c makes values of them. Independent of the locale.
 *
 * Text that is read ends with a zero byte, as Lua's strings do: nothing here looks beyond it. */
#ifndef MOONLET_JSON_H
#define MOONLET_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that moonlet__json_write_number needs at most, and a number that is read may have. */
#define MOONLET_JSON_NUMBER 40
#define MOONLET_JSON_LONGEST 1000

/* Powers of ten that a double holds exactly. */
enum { MOONLET_JSON_POWER = 22, MOONLET_JSON_DIGITS = 19 };
extern const double moonlet__json_powers[MOONLET_JSON_POWER + 1];

/* mantissa / 10^places, rounded to the nearest; the number is also there as text. */
double moonlet__json_divide(uint64_t mantissa, int places, const char *text, size_t length);

/* Adds the digits at p to *mantissa, where there are many eight at a time, as long as `end` is as
 * far away. */
static inline const char *moonlet__json_digits(const char *p, const char *end, uint64_t *mantissa) {
  unsigned digit = (unsigned char)*p - (unsigned)'0';
  if (digit > 9) return p;
  uint64_t m = *mantissa * 10 + digit;
  digit = (unsigned char)*++p - (unsigned)'0';
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  while (digit <= 9 && end - p >= 8) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    const uint64_t high = v & UINT64_C(0xf0f0f0f0f0f0f0f0);
    const uint64_t past = (v + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0);
    if ((high | past >> 4) != UINT64_C(0x3333333333333333)) break;
    /* neighbours are joined: of ones to tens, hundreds, and so on */
    v = (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
    v = (v & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
    m = m * 100000000 + ((v & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32);
    p += 8;
    digit = (unsigned char)*p - (unsigned)'0';
  }
#else
  (void)end;
#endif
  for (; digit <= 9; digit = (unsigned char)*++p - (unsigned)'0') m = m * 10 + digit;
  *mantissa = m;
  return p;
}

/* Numbers of few digits, as nearly all are, inlined for arrays of them: digits are taken without
 * counting, and where there were too many of them, or an exponent, or no number at all, this
 * returns NULL, and moonlet__json_read_number is to be asked. `end`: of the text. */
static inline const char *moonlet__json_read_short(const char *text, const char *end, double *out) {
  const bool negative = *text == '-';
  const char *first = text + negative, *p = first;
  uint64_t mantissa = 0;
  int places = 0;
  if (*first == '0') p++; /* only a point may follow */
  else p = moonlet__json_digits(first, end, &mantissa);
  if (p == first) return NULL;
  if (*p == '.') {
    const char *point = ++p;
    p = moonlet__json_digits(p, end, &mantissa);
    if (p == point || p - first > MOONLET_JSON_DIGITS) return NULL;
    places = (int)(p - point);
  } else if (p - first > MOONLET_JSON_DIGITS || (unsigned char)*p - (unsigned)'0' <= 9) {
    return NULL;
  }
  if ((*p | 0x20) == 'e') return NULL;
  double value = (double)mantissa;
  if (mantissa >= (uint64_t)1 << 53)
    value = moonlet__json_divide(mantissa, places, first, (size_t)(p - first));
  else if (mantissa != 0)
    value /= moonlet__json_powers[places];
  *out = negative ? -value : value;
  return p;
}

/* Reads the number at `text`, rounded to the nearest double, and returns what follows it; NULL
 * when there is none, when it has too many digits, or when it is beyond doubles (*reason says
 * which, without a position). */
const char *moonlet__json_read_number(const char *text, double *out, const char **reason);

/* Writes the shortest digits that read back as the same float (or double, when `wide`), always
 * with a point or an exponent; NaN and infinities, which JSON lacks, become null. Returns how many
 * bytes; no zero byte follows. */
size_t moonlet__json_write_number(char *out, double value, bool wide);

/* Length of the UTF-8 sequence at `text`, which ends before `end`; 0 when it is none. */
size_t moonlet__json_utf8(const char *text, const char *end);

/* Reads the string whose opening quote is at `text`. `out` has room for as many bytes as are left
 * of the text. Returns what follows the closing quote; NULL with *reason and *at, where it was. */
const char *moonlet__json_read_string(const char *text, const char *end, char *out, size_t *length,
                                      const char **reason, const char **at);

/* Writes a string in quotes, what is no UTF-8 replaced by U+FFFD; `out` has room for
 * 6 * length + 2 bytes. Returns how many bytes. */
size_t moonlet__json_write_string(char *out, const char *text, size_t length);

#endif
