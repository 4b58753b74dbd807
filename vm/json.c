/* json.c -- numbers and strings of JSON. See json.h. */
#include "json.h"

#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* -- Numbers that are read --------------------------------------------------------------------- */

/* A decimal number: mantissa * 10^exponent; `cut` when the mantissa lacks digits. */
typedef struct {
  uint64_t mantissa;
  int64_t exponent;
  bool negative, cut;
} decimal;

const double moonlet__json_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define powers       moonlet__json_powers
#define EXACT_POWER  MOONLET_JSON_POWER
#define EXACT_DIGITS MOONLET_JSON_DIGITS

/* strtod reads the decimal point of the locale. */
static double read_slowly(const char *text, size_t length) {
  char copy[MOONLET_JSON_LONGEST + 20];
  const char *point = localeconv()->decimal_point;
  size_t used = 0, wide = strlen(point);
  for (size_t i = 0; i < length && used + wide + 1 < sizeof copy; i++) {
    if (text[i] != '.') {
      copy[used++] = text[i];
    } else {
      memcpy(copy + used, point, wide);
      used += wide;
    }
  }
  copy[used] = 0;
  return strtod(copy, NULL);
}

#if LDBL_MANT_DIG == 64
/* Where a long double has 64 bits it holds 10^27 and all 19 digits, so that their product or
 * quotient is rounded once; rounding it again, to 53 bits, is right unless it lies by a half. */
static bool read_extended(const decimal *d, double *out) {
  static const long double more[] = {1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
  int64_t size = d->exponent < 0 ? -d->exponent : d->exponent;
  if (size > 27) return false;
  long double power = size <= EXACT_POWER ? (long double)powers[size] : more[size - 23];
  long double value = (long double)d->mantissa;
  value = d->exponent < 0 ? value / power : value * power;
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits); /* the mantissa stands first */
  uint64_t rest = bits & 0x7ff;
  if (rest >= 0x3ff && rest <= 0x401) return false;
  *out = (double)value;
  return true;
}
#else
static bool read_extended(const decimal *d, double *out) {
  (void)d, (void)out;
  return false;
}
#endif

static double value_of(const decimal *d, const char *text, size_t length) {
  double value = 0;
  if (d->mantissa == 0 && !d->cut) return d->negative ? -0.0 : 0.0;
  if (!d->cut && d->mantissa < (uint64_t)1 << 53 && d->exponent <= EXACT_POWER &&
      d->exponent >= -EXACT_POWER) {
    value = (double)d->mantissa;
    value = d->exponent < 0 ? value / powers[-d->exponent] : value * powers[d->exponent];
  } else if (d->cut || !read_extended(d, &value)) {
    return read_slowly(text, length);
  }
  return d->negative ? -value : value;
}

double moonlet__json_divide(uint64_t mantissa, int places, const char *text, size_t length) {
  decimal d = {.mantissa = mantissa, .exponent = -places};
  return value_of(&d, text, length);
}

static void take_digit(decimal *d, char digit, int *kept) {
  if (*kept < EXACT_DIGITS) {
    d->mantissa = d->mantissa * 10 + (uint64_t)(digit - '0');
    *kept += d->mantissa != 0; /* zeros in front are no digits */
  } else {
    d->cut = d->cut || digit != '0';
    d->exponent++;
  }
}

static const char *read_exponent(const char *p, decimal *d) {
  int64_t exponent = 0;
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  if (!is_digit(*p)) return NULL;
  for (; is_digit(*p); p++)
    if (exponent < 100000) exponent = exponent * 10 + (*p - '0');
  d->exponent += negative ? -exponent : exponent;
  return p;
}

const char *moonlet__json_read_number(const char *text, double *out, const char **reason) {
  decimal d = {.negative = *text == '-'};
  const char *p = text + d.negative;
  int kept = 0;
  *reason = "no number";
  if (!is_digit(*p) || (*p == '0' && is_digit(p[1]))) return NULL;
  for (; is_digit(*p); p++) take_digit(&d, *p, &kept);
  if (*p == '.') {
    if (!is_digit(*++p)) return NULL;
    for (; is_digit(*p); p++) {
      take_digit(&d, *p, &kept);
      d.exponent--;
    }
  }
  if (*p == 'e' || *p == 'E') p = read_exponent(p + 1, &d);
  if (!p) return NULL;
  *reason = "a number with too many digits";
  if (p - text > MOONLET_JSON_LONGEST) return NULL;
  *out = value_of(&d, text, (size_t)(p - text));
  *reason = "a number beyond those of 64 bits";
  return isfinite(*out) ? p : NULL;
}

/* -- Numbers that are written ------------------------------------------------------------------ */

/* `count` digits as d.ddde-7, or as 12.3 where that is not much longer. exponent: of the first. */
static size_t write_digits(char *out, const char *digits, size_t count, int exponent) {
  char *p = out;
  while (count > 1 && digits[count - 1] == '0') count--;
  if (exponent < -5 || exponent > 15) {
    *p++ = digits[0];
    if (count > 1) *p++ = '.';
    memcpy(p, digits + 1, count - 1);
    p += count - 1;
    return (size_t)(p - out + sprintf(p, "e%d", exponent));
  }
  if (exponent < 0) {
    *p++ = '0', *p++ = '.';
    for (int i = -1; i > exponent; i--) *p++ = '0';
    memcpy(p, digits, count);
    return (size_t)(p - out) + count;
  }
  const size_t whole = (size_t)exponent + 1; /* digits before the point */
  for (size_t i = 0; i < whole; i++) *p++ = i < count ? digits[i] : '0';
  *p++ = '.';
  if (count <= whole) *p++ = '0';
  for (size_t i = whole; i < count; i++) *p++ = digits[i];
  return (size_t)(p - out);
}

/* Does mantissa * 10^exponent read as this float? Exactly as the reader above does it. */
static bool reads_as(double mantissa, int exponent, float value) {
  double v = exponent < 0 ? mantissa / powers[-exponent] : mantissa * powers[exponent];
  return (float)v == value;
}

/* Six to nine digits of a float, 0 when they cannot be found so. Nine always suffice. */
static size_t float_digits(double value, char digits[12], int *exponent) {
  int e = (int)floor(log10(value));
  for (int count = 6; count <= 9; count++) {
    int shift = e - count + 1; /* of the last digit */
    if (shift > EXACT_POWER || shift < -EXACT_POWER) return 0;
    double m = nearbyint(shift < 0 ? value * powers[-shift] : value / powers[shift]);
    if (m >= powers[count]) { /* 9.9999996, or a logarithm that was rounded down */
      m = nearbyint(m / 10);
      shift++;
    }
    if (m < powers[count - 1] || !reads_as(m, shift, (float)value)) continue;
    sprintf(digits, "%d", (int)m);
    *exponent = shift + count - 1;
    return (size_t)count;
  }
  return 0;
}

/* The same by the C library, whose decimal point may be any. */
static size_t slow_digits(double value, bool wide, char digits[32], int *exponent) {
  char text[64];
  size_t count = 0;
  for (int places = wide ? 15 : 6; places <= (wide ? 17 : 9); places++) {
    snprintf(text, sizeof text, "%.*e", places - 1, value);
    double back = strtod(text, NULL);
    if (wide ? back == value : (float)back == (float)value) break;
  }
  const char *e = strchr(text, 'e');
  for (const char *p = text; p < e; p++)
    if (is_digit(*p)) digits[count++] = *p;
  *exponent = atoi(e + 1);
  return count;
}

size_t moonlet__json_write_number(char *out, double value, bool wide) {
  char digits[32];
  int exponent = 0;
  size_t count = 0;
  if (!isfinite(value)) {
    memcpy(out, "null", 4);
    return 4;
  }
  size_t sign = signbit(value) != 0;
  if (sign) *out = '-';
  value = fabs(value);
  if (value == 0) {
    memcpy(out + sign, "0.0", 3);
    return sign + 3;
  }
  if (!wide) count = float_digits(value, digits, &exponent);
  if (count == 0) count = slow_digits(value, wide, digits, &exponent);
  return sign + write_digits(out + sign, digits, count, exponent);
}

/* -- Strings ----------------------------------------------------------------------------------- */

size_t moonlet__json_utf8(const char *text, const char *end) {
  const unsigned char *p = (const unsigned char *)text;
  size_t left = (size_t)(end - text);
  if (left == 0) return 0;
  if (p[0] < 0x80) return 1;
  size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) return 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  /* neither longer than needed, nor a half of a pair, nor beyond U+10FFFF */
  if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
  if (p[0] == 0xed && p[1] > 0x9f) return 0;
  if (p[0] == 0xf0 && p[1] < 0x90) return 0;
  if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
  return n;
}

static size_t put_utf8(char *out, unsigned c) {
  if (c < 0x80) return out[0] = (char)c, 1;
  size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
  out[0] = (char)(first[n] | c);
  return n;
}

/* Four hexadecimal digits; -1 when they are not there. */
static int hex4(const char *p) {
  int value = 0;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1; /* also the end of the text */
    value = value * 16 + digit;
  }
  return value;
}

/* The escape whose backslash is at *p, as UTF-8 in `out`; moves *p behind it. 0: it is none. */
static size_t read_escape(const char **p, char *out) {
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  char c = (*p)[1];
  const char *letter = c ? strchr(letters, c) : NULL;
  if (letter) {
    *out = meanings[letter - letters];
    *p += 2;
    return 1;
  }
  int high = c == 'u' ? hex4(*p + 2) : -1;
  if (high < 0 || (high >= 0xdc00 && high <= 0xdfff)) return 0;
  if (high < 0xd800 || high > 0xdfff) {
    *p += 6;
    return put_utf8(out, (unsigned)high);
  }
  int low = (*p)[6] == '\\' && (*p)[7] == 'u' ? hex4(*p + 8) : -1;
  if (low < 0xdc00 || low > 0xdfff) return 0;
  *p += 12;
  return put_utf8(out, 0x10000u + (((unsigned)high - 0xd800u) << 10) + ((unsigned)low - 0xdc00u));
}

const char *moonlet__json_read_string(const char *text, const char *end, char *out, size_t *length,
                                      const char **reason, const char **at) {
  const char *p = text + 1;
  size_t used = 0;
  while (p < end && *p != '"') {
    size_t n = 0;
    *at = p;
    *reason = "a control character in a string";
    if ((unsigned char)*p < 0x20) return NULL;
    if (*p == '\\') {
      *reason = "a wrong escape in a string";
      if ((n = read_escape(&p, out + used)) == 0) return NULL;
    } else {
      *reason = "a string that is no UTF-8";
      if ((n = moonlet__json_utf8(p, end)) == 0) return NULL;
      memcpy(out + used, p, n);
      p += n;
    }
    used += n;
  }
  *at = text;
  *reason = "a string without an end";
  if (p >= end) return NULL;
  *length = used;
  return p + 1;
}

size_t moonlet__json_write_string(char *out, const char *text, size_t length) {
  const char *end = text + length;
  char *p = out;
  *p++ = '"';
  while (text < end) {
    size_t n = moonlet__json_utf8(text, end);
    unsigned char c = (unsigned char)*text;
    if (n == 0) {
      memcpy(p, "\xef\xbf\xbd", 3);
      p += 3;
      n = 1;
    } else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
      if (c == '"' || c == '\\') *p++ = '\\', *p++ = (char)c;
      else if (c == '\n') *p++ = '\\', *p++ = 'n';
      else p += sprintf(p, "\\u%04x", c);
    } else {
      memcpy(p, text, n);
      p += n;
    }
    text += n;
  }
  *p++ = '"';
  return (size_t)(p - out);
}
