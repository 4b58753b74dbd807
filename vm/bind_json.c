/* bind_json.c -- core.json: JSON of programs, in which arrays of numbers are tensors.
 *
 *   decode(text [, dtype])  a value; or nil and a message. dtype: 'float32' (default), 'float64'
 *   tensor(t)               the JSON of a tensor: nested arrays, of no dimension a number
 *   string(s), number(x)    the JSON of a string, of a number
 *   null                    what a null is decoded to
 *
 * An array whose first element, however deep, is a number (or that is empty) becomes a tensor and
 * must be one: rows of one length, nothing but numbers. Other arrays and objects become tables.
 * A library for Lua makes a table of each array; a digit of MNIST, 784 numbers of 9 digits, takes
 * Debian's lua-cjson 96 us and its way into a tensor 20 us more, where the network takes 7 us. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "json.h"

/* Limits of what is believed: depth of nesting, tables and strings made of one text, bytes of
 * scratch memory that stay between calls. */
enum { MAX_DEPTH = 64, MAX_VALUES = 1 << 20, KEPT = 1 << 20 };

/* Memory that every call uses anew; upvalue 2 of all functions here. */
typedef struct {
  char *data;
  size_t size;
} scratch;

static int scratch_gc(lua_State *L) {
  scratch *s = (scratch *)lua_touserdata(L, 1);
  free(s->data);
  s->data = NULL;
  s->size = 0;
  return 0;
}

static scratch *scratch_of(lua_State *L) {
  return (scratch *)lua_touserdata(L, lua_upvalueindex(2));
}

static char *need(lua_State *L, scratch *s, size_t size) {
  if (size <= s->size) return s->data;
  size_t wanted = s->size * 2 > size ? s->size * 2 : size;
  if (wanted < 4096) wanted = 4096;
  char *moved = realloc(s->data, wanted);
  if (!moved) luaL_error(L, "json: not enough memory for %f bytes", (lua_Number)wanted);
  s->data = moved;
  s->size = wanted;
  return moved;
}

static void give_back(scratch *s) {
  if (s->size <= KEPT) return;
  free(s->data);
  s->data = NULL;
  s->size = 0;
}

/* -- Reading ----------------------------------------------------------------------------------- */

typedef struct {
  lua_State *L;
  binding *b;
  scratch *memory;
  const char *begin, *at, *end;
  tn_dtype dtype; /* of tensors: TN_F32 or TN_F64 */
  int depth, values;
  const char *where; /* of the failure */
  char reason[160];
} reader;

static bool fail(reader *r, const char *where, const char *reason) {
  r->where = where;
  if (reason != r->reason) snprintf(r->reason, sizeof r->reason, "%s", reason);
  return false;
}

static inline const char *skip_space(const char *p) {
  while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
  return p;
}

static bool starts_number(char c) {
  return c == '-' || (c >= '0' && c <= '9');
}

/* What stands there instead of what was expected. */
static bool unexpected(reader *r, const char *expected) {
  if (r->at >= r->end) {
    snprintf(r->reason, sizeof r->reason, "the text ends where %s is expected", expected);
  } else {
    unsigned char c = (unsigned char)*r->at;
    snprintf(r->reason, sizeof r->reason, c > 0x20 && c < 0x7f ? "%s expected, got '%c'"
             : "%s expected, got a byte of %d", expected, c);
  }
  return fail(r, r->at, r->reason);
}

/* -- Tensors -- */

/* Where a nested array is read: how many elements each level has got, and how many each must have,
 * -1 before the first array of that level has ended. */
typedef struct {
  int depth, ndim; /* ndim: -1 until the first number */
  int64_t count[TN_MAX_DIMS], size[TN_MAX_DIMS];
  size_t numbers; /* read so far */
} rows;

/* The number at r->at, and what follows it; NULL after a failure. */
static inline const char *read_number(reader *r, double *value) {
  const char *reason, *next = moonlet__json_read_short(r->at, r->end, value);
  if (next) return next;
  next = moonlet__json_read_number(r->at, value, &reason);
  if (!next && starts_number(*r->at)) fail(r, r->at, reason);
  else if (!next) unexpected(r, "a number");
  return next;
}

static bool read_numbers(reader *r, rows *t) {
  const bool narrow = r->dtype == TN_F32;
  const size_t item = narrow ? sizeof(float) : sizeof(double);
  size_t used = t->numbers * item;
  for (int64_t count = 1;; count++) {
    double value;
    const char *next = read_number(r, &value);
    if (!next) return false;
    if (used + item > r->memory->size) need(r->L, r->memory, used + item);
    if (narrow) {
      float f = (float)value;
      if (isinf(f)) return fail(r, r->at, "a number beyond those of 32 bits");
      memcpy(r->memory->data + used, &f, sizeof f);
    } else {
      memcpy(r->memory->data + used, &value, sizeof value);
    }
    used += item;
    next = skip_space(next);
    const char *after = *next == ',' ? skip_space(next + 1) : next;
    if (after == next || *after == '[') { /* the caller says what is wrong with the latter */
      r->at = next;
      t->numbers += (size_t)count;
      t->count[t->depth - 1] += count;
      return true;
    }
    r->at = after;
  }
}

static bool open_row(reader *r, rows *t) {
  if (t->depth == TN_MAX_DIMS) {
    snprintf(r->reason, sizeof r->reason, "an array of more than %d dimensions", TN_MAX_DIMS);
    return fail(r, r->at, r->reason);
  }
  if (t->ndim >= 0 && t->depth == t->ndim)
    return fail(r, r->at, "an array among numbers: all must be of one depth");
  t->count[t->depth++] = 0;
  r->at = skip_space(r->at + 1);
  return true;
}

static bool close_row(reader *r, rows *t) {
  int level = t->depth - 1;
  if (t->size[level] < 0) t->size[level] = t->count[level];
  if (t->size[level] != t->count[level]) {
    snprintf(r->reason, sizeof r->reason, "rows of different lengths: this one has %lld elements, "
             "one before it %lld", (long long)t->count[level], (long long)t->size[level]);
    return fail(r, r->at, r->reason);
  }
  t->depth--;
  if (t->depth > 0) t->count[t->depth - 1]++;
  r->at = skip_space(r->at + 1);
  return true;
}

/* One step into the structure: a row opens, or there are numbers. */
static bool open_or_read(reader *r, rows *t) {
  if (*r->at == '[') {
    if (!open_row(r, t)) return false;
    if (*r->at != ']') return true;
    if (t->ndim < 0) t->ndim = t->depth;
    return t->depth == t->ndim || fail(r, r->at, "an empty array among those of numbers");
  }
  if (t->ndim < 0) t->ndim = t->depth;
  if (t->depth != t->ndim) {
    return starts_number(*r->at)
               ? fail(r, r->at, "a number among arrays: all must be of one depth")
               : unexpected(r, "an array of numbers");
  }
  return read_numbers(r, t);
}

static bool read_rows(reader *r, rows *t) {
  t->ndim = -1;
  for (int i = 0; i < TN_MAX_DIMS; i++) t->size[i] = -1;
  for (;;) {
    bool opens = *r->at == '[';
    if (!open_or_read(r, t)) return false;
    if (opens && *r->at != ']') continue;
    while (*r->at == ']' && t->depth > 0)
      if (!close_row(r, t)) return false;
    if (t->depth == 0) return true;
    if (*r->at != ',') return unexpected(r, "',' or ']'");
    r->at = skip_space(r->at + 1);
  }
}

/* Pushes the tensor of the numbers in the scratch memory. */
static void push_tensor(reader *r, const rows *t) {
  lua_State *L = r->L;
  binding *b = r->b;
  tn_tensor *out = NULL;
  bind_pressure(L, b);
  bind_new_box(L);
  tn_status s = tn_tensor_new(b->ctx, &out, r->dtype, t->ndim, t->size);
  if (s == TN_ENOMEM) {
    bind_collect(L, b);
    s = tn_tensor_new(b->ctx, &out, r->dtype, t->ndim, t->size);
  }
  bind_check(L, b, s);
  size_t bytes = t->numbers * tn_dtype_size(r->dtype);
  if (bytes > 0) memcpy(tn_tensor_data(out), r->memory->data, bytes);
  bind_fill(L, b, lua_gettop(L), out);
}

static bool read_tensor(reader *r) {
  rows t = {0};
  if (!read_rows(r, &t)) return false;
  push_tensor(r, &t);
  return true;
}

/* -- Everything else -- */

static bool read_value(reader *r);

static bool count_value(reader *r) {
  if (++r->values <= MAX_VALUES) return true;
  snprintf(r->reason, sizeof r->reason, "more than %d values that are no numbers", MAX_VALUES);
  return fail(r, r->at, r->reason);
}

static bool read_text(reader *r) {
  const char *close = r->at + 1, *reason, *where;
  size_t length;
  while (close < r->end && *close != '"') close += *close == '\\' && close + 1 < r->end ? 2 : 1;
  char *out = need(r->L, r->memory, (size_t)(close - r->at) + 8);
  const char *next = moonlet__json_read_string(r->at, r->end, out, &length, &reason, &where);
  if (!next) return fail(r, where, reason);
  lua_pushlstring(r->L, out, length);
  r->at = skip_space(next);
  return count_value(r);
}

static bool read_array(reader *r) {
  const char *p = r->at;
  for (int n = 0; *p == '['; p = skip_space(p + 1))
    if (++n + r->depth > MAX_DEPTH + 1) return fail(r, p, "values nested too deep");
  if (starts_number(*p) || *p == ']') return read_tensor(r);
  if (!count_value(r)) return false;
  lua_newtable(r->L);
  r->at = skip_space(r->at + 1);
  for (int i = 1;; i++) {
    if (!read_value(r)) return false;
    lua_rawseti(r->L, -2, i);
    if (*r->at == ']') break;
    if (*r->at != ',') return unexpected(r, "',' or ']'");
    r->at = skip_space(r->at + 1);
  }
  r->at = skip_space(r->at + 1);
  return true;
}

static bool read_object(reader *r) {
  if (!count_value(r)) return false;
  lua_newtable(r->L);
  r->at = skip_space(r->at + 1);
  while (*r->at != '}') {
    if (*r->at != '"') return unexpected(r, "a key");
    if (!read_text(r)) return false;
    if (*r->at != ':') return unexpected(r, "':'");
    r->at = skip_space(r->at + 1);
    if (!read_value(r)) return false;
    lua_rawset(r->L, -3);
    if (*r->at == '}') break;
    if (*r->at != ',') return unexpected(r, "',' or '}'");
    r->at = skip_space(r->at + 1);
    if (*r->at != '"') return unexpected(r, "a key");
  }
  r->at = skip_space(r->at + 1);
  return true;
}

static bool read_single_number(reader *r) {
  double value;
  const char *next = read_number(r, &value);
  if (!next) return false;
  lua_pushnumber(r->L, value);
  r->at = skip_space(next);
  return true;
}

static bool read_word(reader *r, const char *word) {
  size_t n = strlen(word);
  if (strncmp(r->at, word, n) != 0) return unexpected(r, "a value");
  r->at = skip_space(r->at + n);
  return true;
}

/* Reads a value and pushes it, one level deeper. */
static bool read_inner(reader *r) {
  switch (*r->at) {
  case '[': return read_array(r);
  case '{': return read_object(r);
  case '"': return read_text(r);
  case 't':
    lua_pushboolean(r->L, true);
    return read_word(r, "true");
  case 'f':
    lua_pushboolean(r->L, false);
    return read_word(r, "false");
  case 'n':
    lua_pushlightuserdata(r->L, NULL);
    return read_word(r, "null");
  default: return starts_number(*r->at) ? read_single_number(r) : unexpected(r, "a value");
  }
}

static bool read_value(reader *r) {
  if (r->depth == MAX_DEPTH) return fail(r, r->at, "values nested too deep");
  luaL_checkstack(r->L, 6, "json");
  r->depth++;
  bool ok = read_inner(r);
  r->depth--;
  return ok;
}

static int decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  const char *name = luaL_optstring(L, 2, "float32");
  reader r = {.L = L, .b = bind_state(L), .memory = scratch_of(L), .begin = text,
              .at = skip_space(text), .end = text + length};
  if (!bind_dtype(name, &r.dtype) || (r.dtype != TN_F32 && r.dtype != TN_F64))
    return luaL_error(L, "json.decode: dtype must be 'float32' or 'float64', got '%s'", name);
  lua_settop(L, 2);
  bool ok = read_value(&r);
  if (ok && r.at < r.end) ok = unexpected(&r, "the end");
  give_back(r.memory);
  if (ok) return 1;
  char place[40];
  snprintf(place, sizeof place, " at byte %lld", (long long)(r.where - r.begin) + 1);
  lua_pushnil(L);
  lua_pushfstring(L, "%s%s", r.reason, place);
  return 2;
}

/* -- Writing ----------------------------------------------------------------------------------- */

static size_t write_element(char *out, const tn_tensor *t, int64_t i) {
  const tn_dtype dtype = tn_tensor_dtype(t);
  const bool plain = tn_tensor_is_contiguous(t);
  if (dtype == TN_F32 && plain)
    return moonlet__json_write_number(out, (double)((const float *)tn_tensor_data(t))[i], false);
  if (dtype == TN_I64 && plain)
    return (size_t)sprintf(out, "%lld", (long long)((const int64_t *)tn_tensor_data(t))[i]);
  double value = tn_tensor_get(t, i);
  if (dtype == TN_BOOL) return (size_t)sprintf(out, "%s", value != 0 ? "true" : "false");
  if (!tn_dtype_is_float(dtype)) return (size_t)sprintf(out, "%.0f", value);
  return moonlet__json_write_number(out, value, dtype == TN_F64);
}

/* Writes the elements from *index on that level `dim` holds. */
static size_t write_level(lua_State *L, scratch *s, size_t used, const tn_tensor *t, int dim,
                          int64_t *index) {
  if (dim == tn_tensor_ndim(t)) {
    char *data = need(L, s, used + MOONLET_JSON_NUMBER);
    return used + write_element(data + used, t, (*index)++);
  }
  need(L, s, used + 1)[used] = '[';
  used++;
  for (int64_t i = 0, n = tn_tensor_sizes(t)[dim]; i < n; i++) {
    used = write_level(L, s, used, t, dim + 1, index);
    if (i < n - 1) {
      need(L, s, used + 1)[used] = ',';
      used++;
    }
  }
  need(L, s, used + 1)[used] = ']';
  return used + 1;
}

static int encode_tensor(lua_State *L) {
  scratch *s = scratch_of(L);
  tn_tensor *t = bind_check_tensor(L, 1, "json.tensor");
  int64_t index = 0;
  bind_on_cpu(L, t, "json.tensor");
  size_t used = write_level(L, s, 0, t, 0, &index);
  lua_pushlstring(L, s->data, used);
  give_back(s);
  return 1;
}

static int encode_string(lua_State *L) {
  scratch *s = scratch_of(L);
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  char *out = need(L, s, 6 * length + 2);
  lua_pushlstring(L, out, moonlet__json_write_string(out, text, length));
  give_back(s);
  return 1;
}

static int encode_number(lua_State *L) {
  char out[MOONLET_JSON_NUMBER];
  int64_t whole;
  if (moonlet_toint(L, 1, &whole) && whole > -((int64_t)1 << 53) && whole < (int64_t)1 << 53) {
    lua_pushlstring(L, out, (size_t)sprintf(out, "%lld", (long long)whole));
  } else {
    lua_pushlstring(L, out, moonlet__json_write_number(out, luaL_checknumber(L, 1), true));
  }
  return 1;
}

void bind_open_json(lua_State *L, binding *b, int core) {
  static const luaL_Reg functions[] = {{"decode", decode},
                                       {"tensor", encode_tensor},
                                       {"string", encode_string},
                                       {"number", encode_number},
                                       {NULL, NULL}};
  lua_createtable(L, 0, 5);
  scratch *s = (scratch *)moonlet_newuserdata(L, sizeof *s);
  s->data = NULL;
  s->size = 0;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, scratch_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushlightuserdata(L, b);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, f->func, 2);
    lua_setfield(L, -3, f->name);
  }
  lua_pop(L, 1);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_setfield(L, core, "json");
}
