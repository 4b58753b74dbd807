/* json.h -- the letters of JSON (RFC 8259): numbers, strings and UTF-8, read and written. Knows
 * neither Lua nor tensors; bind_json.c makes values of them. Independent of the locale.
 *
 * Text that is read ends with a zero byte, as Lua's strings do: nothing here looks beyond it. */
#ifndef MOONLET_JSON_H
#define MOONLET_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that moonlet__json_write_number needs at most, and a number that is read may have. */
#define MOONLET_JSON_NUMBER 40
#define MOONLET_JSON_LONGEST 1000

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
