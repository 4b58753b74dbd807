/* patterns.c -- string.find, match, gmatch and gsub for states that can be stopped: the patterns of
 * Lua, matched by a machine that counts its steps.
 *
 * A pattern is translated into items. No item repeats more than a single character, so there is at
 * most one choice open for each item, and going back needs a stack no longer than the pattern, and
 * no recursion. Mistakes in a pattern become items, too: as in Lua they are errors only when the
 * machine gets there. Classes such as %a know ASCII only. */
#include "state_limits.h"

#include <string.h>

enum { MOST_CAPTURES = 32, OPEN = -1, POSITION = -2 };

typedef enum {
  CHAR, ANY, SET, OPEN_CAPTURE, POSITION_CAPTURE, CLOSE_CAPTURE, BACK, BALANCE, FRONTIER, AT_END,
  MISTAKE, DONE
} item_kind;

typedef struct {
  uint8_t kind;
  uint8_t repeat; /* 0, or one of * + - ? */
  uint8_t a, b;   /* characters, or the number of a capture */
  uint32_t set;   /* or the number of a mistake */
} item;

typedef struct {
  uint32_t bits[8];
} charset;

/* A choice that is open (item >= 0), or a change of captures to take back. */
typedef struct {
  const char *at;
  size_t count; /* of a greedy repetition: how many characters it has */
  int32_t item; /* -1: the capture was opened; -2: it was closed */
  int32_t capture;
} choice;

typedef struct {
  lua_State *L;
  moonlet_limits *limits;
  const char *begin, *end;
  const item *items;
  const charset *sets;
  choice *choices;
  unsigned steps;
  int level;
  struct {
    const char *at;
    ptrdiff_t length;
  } captures[MOST_CAPTURES];
} machine;

static const char *const mistakes[] = {
    "malformed pattern (ends with '%')", "malformed pattern (missing ']')",
    "malformed pattern (missing arguments to '%b')", "missing '[' after '%f' in pattern"};

static void charge(machine *m, size_t n) {
  m->steps += n < 1u << 20 ? (unsigned)n : 1u << 20;
  if (m->steps < 256) return;
  moonlet_limits_work(m->L, m->limits, m->steps);
  m->steps = 0;
}

/* -- sets -------------------------------------------------------------------------------------- */

static bool has(const charset *s, unsigned char c) {
  return s->bits[c >> 5] >> (c & 31) & 1;
}

static void add(charset *s, unsigned char c) {
  s->bits[c >> 5] |= UINT32_C(1) << (c & 31);
}

static bool in_class(unsigned char c, char name) {
  const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
  const bool digit = c >= '0' && c <= '9', graph = c > 32 && c < 127;
  switch (name) {
  case 'a': return upper || lower;
  case 'c': return c < 32 || c == 127;
  case 'd': return digit;
  case 'g': return graph;
  case 'l': return lower;
  case 'p': return graph && !upper && !lower && !digit;
  case 's': return c == 32 || (c >= 9 && c <= 13);
  case 'u': return upper;
  case 'w': return upper || lower || digit;
  case 'x': return digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
  case 'z': return c == 0;
  default: return false;
  }
}

/* What stands behind a '%': a class, its complement in upper case, or the character itself. */
static void add_class(charset *s, char name) {
  const char small = name >= 'A' && name <= 'Z' ? (char)(name + 32) : name;
  if (small < 'a' || small > 'z' || !strchr("acdglpsuwxz", small)) {
    add(s, (unsigned char)name);
    return;
  }
  for (int c = 0; c < 256; c++)
    if (in_class((unsigned char)c, small) == (small == name)) add(s, (unsigned char)c);
}

/* The ']' of the set that begins at p, or NULL. The first character does not end it. */
static const char *end_of_set(const char *p, const char *end) {
  p++;
  if (p < end && *p == '^') p++;
  for (bool first = true; p < end; first = false) {
    if (*p == ']' && !first) return p;
    p += *p == '%' && p + 1 < end ? 2 : 1;
  }
  return NULL;
}

/* The set from its '[' to its ']' at `last`. */
static void read_set(charset *s, const char *p, const char *last) {
  const bool negative = p[1] == '^';
  p += negative ? 2 : 1;
  while (p < last) {
    if (*p == '%' && p + 1 <= last) {
      add_class(s, p[1]);
      p += 2;
    } else if (p + 2 < last && p[1] == '-') {
      for (int c = (unsigned char)p[0]; c <= (unsigned char)p[2]; c++) add(s, (unsigned char)c);
      p += 3;
    } else {
      add(s, (unsigned char)*p++);
    }
  }
  for (int k = 0; negative && k < 8; k++) s->bits[k] = ~s->bits[k];
}

/* -- translating ------------------------------------------------------------------------------- */

typedef struct {
  item *items;
  charset *sets;
  int n, nsets;
} translation;

static item *emit(translation *t, item_kind kind) {
  item *i = &t->items[t->n++];
  memset(i, 0, sizeof *i);
  i->kind = (uint8_t)kind;
  return i;
}

static void emit_mistake(translation *t, unsigned number) {
  emit(t, MISTAKE)->set = number;
}

static charset *emit_set(translation *t, item_kind kind) {
  charset *s = &t->sets[t->nsets];
  memset(s, 0, sizeof *s);
  emit(t, kind)->set = (uint32_t)t->nsets++;
  return s;
}

/* A '%' and what is special behind it. Returns where the next item is; NULL: nothing is special,
 * and *stop when there was a mistake. */
static const char *read_special(translation *t, const char *p, const char *end, bool *stop) {
  const char *last;
  if (p + 1 == end) return NULL;
  if (p[1] >= '0' && p[1] <= '9') {
    emit(t, BACK)->a = (uint8_t)p[1];
    return p + 2;
  }
  if (p[1] == 'b') {
    if ((*stop = end - p < 4)) {
      emit_mistake(t, 2);
      return NULL;
    }
    item *i = emit(t, BALANCE);
    i->a = (uint8_t)p[2];
    i->b = (uint8_t)p[3];
    return p + 4;
  }
  if (p[1] != 'f') return NULL;
  if ((*stop = end - p < 3 || p[2] != '[')) {
    emit_mistake(t, 3);
    return NULL;
  }
  last = end_of_set(p + 2, end);
  if ((*stop = last == NULL)) {
    emit_mistake(t, 1);
    return NULL;
  }
  read_set(emit_set(t, FRONTIER), p + 2, last);
  return last + 1;
}

/* One character, class or set, and how often. Returns where the next item is, or NULL. */
static const char *read_single(translation *t, const char *p, const char *end) {
  if (*p == '%' && p + 1 == end) {
    emit_mistake(t, 0);
    return NULL;
  }
  if (*p == '%') {
    add_class(emit_set(t, SET), p[1]);
    p += 2;
  } else if (*p == '[') {
    const char *last = end_of_set(p, end);
    if (last == NULL) {
      emit_mistake(t, 1);
      return NULL;
    }
    read_set(emit_set(t, SET), p, last);
    p = last + 1;
  } else {
    item *i = emit(t, *p == '.' ? ANY : CHAR);
    i->a = (uint8_t)*p++;
  }
  if (p < end && (*p == '*' || *p == '+' || *p == '-' || *p == '?'))
    t->items[t->n - 1].repeat = (uint8_t)*p++;
  return p;
}

static void translate(translation *t, const char *p, const char *end) {
  bool stop = false;
  while (p != NULL && p < end && !stop) {
    const char *next = *p == '%' ? read_special(t, p, end, &stop) : NULL;
    if (next != NULL || stop) {
      p = next;
    } else if (*p == '(') {
      const bool position = p + 1 < end && p[1] == ')';
      emit(t, position ? POSITION_CAPTURE : OPEN_CAPTURE);
      p += position ? 2 : 1;
    } else if (*p == ')') {
      emit(t, CLOSE_CAPTURE);
      p++;
    } else if (*p == '$' && p + 1 == end) {
      emit(t, AT_END);
      p++;
    } else {
      p = read_single(t, p, end);
    }
  }
  emit(t, DONE);
}

/* Room for a pattern of usual length; longer ones get a userdata, which is left on the stack. */
typedef struct {
  item items[40];
  charset sets[20];
  choice choices[40];
} small_room;

static void prepare(lua_State *L, machine *m, small_room *room, const char *p, size_t length) {
  translation t = {.items = room->items, .sets = room->sets};
  size_t sets = 0;
  moonlet_limits_nest(L, m->limits);
  moonlet_limits_work(L, m->limits, 1 + (unsigned)(length < 1u << 20 ? length / 4 : 1u << 18));
  for (size_t i = 0; i < length; i++) sets += p[i] == '%' || p[i] == '[';
  m->choices = room->choices;
  if (length + 1 > 40 || sets > 20) {
    const size_t n = length + 1;
    char *block = moonlet_newuserdata(L, n * (sizeof(choice) + sizeof(item)) +
                                             sets * sizeof(charset));
    m->choices = (choice *)(void *)block;
    t.items = (item *)(void *)(m->choices + n);
    t.sets = (charset *)(void *)(t.items + n);
  } else {
    lua_pushnil(L);
  }
  translate(&t, p, p + length);
  m->items = t.items;
  m->sets = t.sets;
}

/* -- matching ---------------------------------------------------------------------------------- */

static bool single(const machine *m, const item *i, const char *s) {
  if (s >= m->end) return false;
  if (i->kind == CHAR) return (uint8_t)*s == i->a;
  return i->kind == ANY || has(&m->sets[i->set], (unsigned char)*s);
}

static const char *balanced(machine *m, const item *i, const char *s) {
  size_t depth = 1;
  if (s >= m->end || (uint8_t)*s != i->a) return NULL;
  for (const char *p = s + 1; p < m->end; p++) {
    if ((uint8_t)*p == i->b) {
      if (--depth == 0) {
        charge(m, (size_t)(p - s) / 4);
        return p + 1;
      }
    } else if ((uint8_t)*p == i->a) {
      depth++;
    }
  }
  charge(m, (size_t)(m->end - s) / 4);
  return NULL;
}

static const char *back(machine *m, const item *i, const char *s) {
  const int k = i->a - '1';
  if (k < 0 || k >= m->level || m->captures[k].length == OPEN) {
    luaL_error(m->L, "invalid capture index %%%d in pattern", k + 1);
  }
  const ptrdiff_t n = m->captures[k].length;
  if (n == POSITION || m->end - s < n) return NULL;
  charge(m, (size_t)n / 16);
  return memcmp(m->captures[k].at, s, (size_t)n) == 0 ? s + n : NULL;
}

static bool at_frontier(const machine *m, const item *i, const char *s) {
  const charset *set = &m->sets[i->set];
  const char before = s == m->begin ? '\0' : s[-1], after = s < m->end ? *s : '\0';
  return !has(set, (unsigned char)before) && has(set, (unsigned char)after);
}

static void open_capture(machine *m, const char *s, ptrdiff_t length) {
  if (m->level >= MOST_CAPTURES) luaL_error(m->L, "too many captures");
  m->captures[m->level].at = s;
  m->captures[m->level++].length = length;
}

static int to_close(const machine *m) {
  for (int k = m->level - 1; k >= 0; k--)
    if (m->captures[k].length == OPEN) return k;
  return luaL_error(m->L, "invalid pattern capture");
}

static const char *repeat_greedy(machine *m, const item *i, const char *s, choice *c) {
  const size_t most = i->repeat == '?' ? 1 : SIZE_MAX;
  size_t n = 0;
  if (i->repeat == '+') {
    if (!single(m, i, s)) return NULL;
    s++;
  }
  while (n < most && single(m, i, s + n)) n++;
  charge(m, n / 4);
  c->at = s;
  c->count = n;
  return s + n;
}

/* Takes back what was done since the last open choice, and tries that one's next way. Returns where
 * the subject goes on, with *at the next item; NULL: there is none. */
static const char *go_back(machine *m, int *n, int32_t *at) {
  while (*n > 0) {
    choice *c = &m->choices[*n - 1];
    if (c->item == -1) {
      m->level--;
    } else if (c->item == -2) {
      m->captures[c->capture].length = OPEN;
    } else {
      const item *i = &m->items[c->item];
      *at = c->item + 1;
      if (i->repeat != '-' && c->count > 0) return c->at + --c->count;
      if (i->repeat == '-' && single(m, i, c->at)) return ++c->at;
    }
    --*n;
  }
  return NULL;
}

/* Where a match that begins at s ends, or NULL. */
static const char *match_here(machine *m, const char *s) {
  int n = 0;       /* choices */
  int32_t at = 0;  /* item */
  m->level = 0;
  for (;;) {
    const item *i = &m->items[at];
    const char *next = NULL;
    choice *c = &m->choices[n];
    charge(m, 1);
    switch ((item_kind)i->kind) {
    case CHAR: case ANY: case SET:
      if (i->repeat == 0) {
        next = single(m, i, s) ? s + 1 : NULL;
        break;
      }
      next = i->repeat == '-' ? (c->at = s) : repeat_greedy(m, i, s, c);
      if (next != NULL) c->item = at, n++;
      break;
    case OPEN_CAPTURE: case POSITION_CAPTURE:
      open_capture(m, next = s, i->kind == OPEN_CAPTURE ? OPEN : POSITION);
      c->item = -1, n++;
      break;
    case CLOSE_CAPTURE:
      c->capture = to_close(m);
      c->item = -2, n++;
      m->captures[c->capture].length = s - m->captures[c->capture].at;
      next = s;
      break;
    case BACK: next = back(m, i, s); break;
    case BALANCE: next = balanced(m, i, s); break;
    case FRONTIER: next = at_frontier(m, i, s) ? s : NULL; break;
    case AT_END: next = s == m->end ? s : NULL; break;
    case MISTAKE: luaL_error(m->L, "%s", mistakes[i->set]); break;
    case DONE: return s;
    }
    at++;
    if (next == NULL && (next = go_back(m, &n, &at)) == NULL) return NULL;
    s = next;
  }
}

/* -- captures ---------------------------------------------------------------------------------- */

/* Pushes capture k; the whole match where there are none. */
static void push_capture(machine *m, int k, const char *s, const char *e) {
  if (k >= m->level) {
    if (k != 0) luaL_error(m->L, "invalid capture index %%%d", k + 1);
    lua_pushlstring(m->L, s, (size_t)(e - s));
  } else if (m->captures[k].length == POSITION) {
    lua_pushinteger(m->L, m->captures[k].at - m->begin + 1);
  } else if (m->captures[k].length == OPEN) {
    luaL_error(m->L, "unfinished capture");
  } else {
    lua_pushlstring(m->L, m->captures[k].at, (size_t)m->captures[k].length);
  }
}

static int push_captures(machine *m, const char *s, const char *e) {
  const int n = m->level == 0 && s != NULL ? 1 : m->level;
  luaL_checkstack(m->L, n, "too many captures");
  for (int k = 0; k < n; k++) push_capture(m, k, s, e);
  return n;
}

/* -- find and match ---------------------------------------------------------------------------- */

/* A piece of text in a text: NULL when it is not there. */
static const char *search(machine *m, const char *s, const char *what, size_t n) {
  if (n == 0) return s;
  while ((size_t)(m->end - s) >= n) {
    const size_t room = (size_t)(m->end - s) - n + 1;
    const char *first = memchr(s, what[0], room);
    charge(m, (first ? (size_t)(first - s) : room) / 64 + n / 64 + 1);
    if (first == NULL) return NULL;
    if (memcmp(first, what, n) == 0) return first;
    s = first + 1;
  }
  return NULL;
}

/* The first position, from 0, of argument `index`; larger than the length: there is none. */
static size_t start_of(lua_State *L, int index, size_t length) {
  const lua_Integer at = luaL_optinteger(L, index, 1);
  if (at > 0) {
#ifdef MOONLET_LUAJIT
    return (size_t)at - 1 > length ? length : (size_t)at - 1;
#else
    return (size_t)at - 1;
#endif
  }
  if (at == 0 || (unsigned long long)(0 - (unsigned long long)at) > length) return 0;
  return length - (size_t)(0 - (unsigned long long)at);
}

static void set_subject(lua_State *L, machine *m, const char *s, size_t length) {
  m->L = L;
  m->limits = moonlet_limits_here(L);
  m->begin = s;
  m->end = s + length;
  m->steps = 0;
  m->level = 0;
}

static int find_or_match(lua_State *L, bool find) {
  size_t length, plength;
  const char *s = luaL_checklstring(L, 1, &length), *p = luaL_checklstring(L, 2, &plength);
  const size_t start = start_of(L, 3, length);
  machine m;
  small_room room;
  set_subject(L, &m, s, length);
  if (start > length) {
    lua_pushnil(L);
    return 1;
  }
  bool plain = find && lua_toboolean(L, 4);
  if (find && !plain) {
    plain = true;
    for (size_t i = 0; i < plength && plain; i++) plain = !p[i] || !strchr("^$*+?.([%-", p[i]);
  }
  if (plain) {
    const char *at = search(&m, s + start, p, plength);
    if (at == NULL) {
      lua_pushnil(L);
      return 1;
    }
    lua_pushinteger(L, at - s + 1);
    lua_pushinteger(L, at - s + (lua_Integer)plength);
    return 2;
  }
  const bool anchored = plength > 0 && p[0] == '^';
  prepare(L, &m, &room, p + anchored, plength - anchored);
  for (const char *at = s + start; at <= m.end; at++) {
    const char *e = match_here(&m, at);
    if (e != NULL && find) {
      lua_pushinteger(L, at - s + 1);
      lua_pushinteger(L, e - s);
      return push_captures(&m, NULL, NULL) + 2;
    }
    if (e != NULL) return push_captures(&m, at, e);
    if (anchored) break;
  }
  lua_pushnil(L);
  return 1;
}

static int find(lua_State *L) {
  return find_or_match(L, true);
}

static int match(lua_State *L) {
  return find_or_match(L, false);
}

/* -- gmatch ------------------------------------------------------------------------------------ */

/* Upvalues: 2 the subject, 3 the pattern, 4 where to go on, 5 where the last match ended. */

static int next_match(lua_State *L) {
  size_t length, plength;
  const char *s = lua_tolstring(L, lua_upvalueindex(2), &length);
  const char *p = lua_tolstring(L, lua_upvalueindex(3), &plength);
  const lua_Integer last = lua_tointeger(L, lua_upvalueindex(5));
  machine m;
  small_room room;
  set_subject(L, &m, s, length);
  lua_settop(L, 0);
  prepare(L, &m, &room, p, plength);
  for (size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(4)); at <= length; at++) {
    const char *e = match_here(&m, s + at);
    if (e == NULL || e - s == last) continue;
#ifdef MOONLET_LUAJIT
    lua_pushinteger(L, e - s + (e == s + at));
#else
    lua_pushinteger(L, e - s);
    lua_pushvalue(L, -1);
    lua_replace(L, lua_upvalueindex(5));
#endif
    lua_replace(L, lua_upvalueindex(4));
    return push_captures(&m, s + at, e);
  }
  lua_pushinteger(L, (lua_Integer)length + 1);
  lua_replace(L, lua_upvalueindex(4));
  return 0;
}

static int gmatch(lua_State *L) {
  size_t length;
  luaL_checklstring(L, 1, &length);
  luaL_checkstring(L, 2);
#ifdef MOONLET_LUAJIT
  const size_t start = 0;
#else
  size_t start = start_of(L, 3, length);
  if (start > length) start = length + 1;
#endif
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_pushinteger(L, (lua_Integer)start);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 5);
  return 1;
}

/* -- gsub -------------------------------------------------------------------------------------- */

static void add_text(machine *m, luaL_Buffer *out, const char *s, const char *e) {
  size_t n;
  const char *text = lua_tolstring(m->L, 3, &n), *end = text + n;
  while (text < end) {
    const char *escape = memchr(text, '%', (size_t)(end - text));
    luaL_addlstring(out, text, (size_t)((escape ? escape : end) - text));
    charge(m, 1);
    if (escape == NULL) return;
    const char c = escape + 1 < end ? escape[1] : '\0';
    text = escape + 2;
    if (c == '0') {
      luaL_addlstring(out, s, (size_t)(e - s));
    } else if (c >= '1' && c <= '9') {
      push_capture(m, c - '1', s, e);
      luaL_addvalue(out);
    } else {
#ifndef MOONLET_LUAJIT
      if (c != '%') luaL_error(m->L, "invalid use of '%%' in replacement string");
#endif
      luaL_addchar(out, c);
    }
  }
}

static void add_value(machine *m, luaL_Buffer *out, const char *s, const char *e) {
  lua_State *L = m->L;
  const int type = lua_type(L, 3);
  if (type == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(m, s, e), 1);
  } else if (type == LUA_TTABLE) {
    push_capture(m, 0, s, e);
    lua_gettable(L, 3);
  } else {
    add_text(m, out, s, e);
    return;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, s, (size_t)(e - s));
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  luaL_addvalue(out);
}

static int gsub(lua_State *L) {
  size_t length, plength;
  const char *s = luaL_checklstring(L, 1, &length), *p = luaL_checklstring(L, 2, &plength);
  const int type = lua_type(L, 3);
  const char *last = NULL;
  lua_Integer n = 0, most = luaL_optinteger(L, 4, (lua_Integer)length + 1);
  machine m;
  small_room room;
  luaL_Buffer out;
  if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION && type != LUA_TTABLE)
    return luaL_argerror(L, 3, "string/function/table expected");
  set_subject(L, &m, s, length);
  lua_settop(L, 3);
  if (type == LUA_TNUMBER) lua_tostring(L, 3);
  const bool anchored = plength > 0 && p[0] == '^';
  prepare(L, &m, &room, p + anchored, plength - anchored);
  luaL_buffinit(L, &out);
  while (n < most) {
    const char *e = match_here(&m, s);
#ifdef MOONLET_LUAJIT
    (void)last;
    if (e != NULL) n++, add_value(&m, &out, s, e);
    if (e != NULL && e > s) s = e;
#else
    if (e != NULL && e != last) n++, add_value(&m, &out, s, e), s = last = e;
#endif
    else if (s < m.end) luaL_addchar(&out, *s++);
    else break;
    if (anchored) break;
  }
  luaL_addlstring(&out, s, (size_t)(m.end - s));
  luaL_pushresult(&out);
  lua_pushinteger(L, n);
  return 2;
}

void moonlet_patterns_open(lua_State *L, moonlet_limits *l) {
  static const luaL_Reg functions[] = {
      {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
  moonlet_limits_register(L, l, functions);
#ifdef MOONLET_LUAJIT
  lua_getfield(L, -1, "gmatch"); /* its name in Lua 5.0, which LuaJIT may still have */
  lua_getfield(L, -2, "gfind");
  if (!lua_isnil(L, -1)) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -4, "gfind");
  }
  lua_pop(L, 2);
#endif
}
