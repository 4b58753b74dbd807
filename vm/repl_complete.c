/* repl_complete.c -- which names could stand at the cursor.
 *
 * The text before the cursor ends in a chain such as `model.weight:si`. Its parts before the
 * last are looked up as Lua would; then the names are gathered that begin as the last part does:
 * fields of the value, and those of its metatable's __index, up the chain of classes. A
 * metatable whose fields are made on demand may tell them with `__names`, a function which takes
 * the value and returns an array of strings. */
#include "repl.h"

#include "packages.h"

#include <ctype.h>
#include <string.h>

enum { MAX_PARENTS = 30, RESULT = 2, SEEN = 3, VALUE = 4 }; /* the last three: stack positions */

static const char *const keywords[] = {"and",   "break", "do",       "else",   "elseif", "end",
                                       "false", "for",   "function", "if",     "in",     "local",
                                       "nil",   "not",   "or",       "repeat", "return", "then",
                                       "true",  "until", "while",    NULL};

typedef struct {
  const char *prefix; /* what stands there of the name already */
  size_t length;
  bool methods; /* after a colon: only what can be called */
} wanted;

static bool is_name_char(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

static bool is_name(const char *text, size_t length) {
  if (length == 0 || isdigit((unsigned char)text[0])) return false;
  for (size_t i = 0; i < length; i++)
    if (!is_name_char(text[i])) return false;
  return true;
}

/* Adds a name once. Names with an underscore first are for those who ask for them. */
static void add(lua_State *L, const wanted *w, const char *name, size_t length) {
  if (length < w->length || strncmp(name, w->prefix, w->length) != 0) return;
  if (!is_name(name, length) || (name[0] == '_' && w->length == 0)) return;
  lua_pushlstring(L, name, length);
  lua_pushvalue(L, -1);
  lua_rawget(L, SEEN);
  bool known = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (known) {
    lua_pop(L, 1);
    return;
  }
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, SEEN);
  lua_rawseti(L, RESULT, (int)lua_rawlen(L, RESULT) + 1);
}

static bool is_callable(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return true;
  if (!luaL_getmetafield(L, index, "__call")) return false;
  lua_pop(L, 1);
  return true;
}

/* Adds the fields of the table on the top of the stack. */
static void add_fields(lua_State *L, const wanted *w) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    size_t length;
    if (lua_type(L, -2) != LUA_TSTRING || (w->methods && !is_callable(L, -1))) continue;
    const char *name = lua_tolstring(L, -2, &length);
    add(L, w, name, length);
  }
}

/* Adds what the `__names` of the metatable on the top of the stack says of the value. */
static void add_told(lua_State *L, const wanted *w, int value) {
  int top = lua_gettop(L);
  lua_getfield(L, top, "__names");
  if (lua_isfunction(L, -1)) {
    lua_pushvalue(L, value);
    lua_call(L, 1, 1);
    for (int i = 1; lua_istable(L, -1); i++) {
      size_t length;
      lua_rawgeti(L, top + 1, i);
      if (lua_type(L, -1) != LUA_TSTRING) break;
      const char *name = lua_tolstring(L, -1, &length);
      add(L, w, name, length);
      lua_pop(L, 1);
    }
  }
  lua_settop(L, top);
}

/* Adds the names of the value at VALUE, replacing it by its parents one after the other: what
 * __index is, or where that is a function the metatable itself, which holds a class's methods. */
static void add_members(lua_State *L, const wanted *w) {
  for (int i = 0; i < MAX_PARENTS; i++) {
    if (lua_istable(L, VALUE)) add_fields(L, w);
    if (!lua_getmetatable(L, VALUE)) return;
    if (!lua_istable(L, -1)) return;
    add_told(L, w, VALUE);
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    if (!lua_istable(L, -1)) lua_pop(L, 1);
    lua_replace(L, VALUE);
    lua_settop(L, VALUE);
  }
}

/* Where the chain of names that ends before `end` begins. */
static const char *chain_start(const char *text, const char *end) {
  const char *at = end;
  while (at > text && (is_name_char(at[-1]) || at[-1] == '.' || at[-1] == ':')) at--;
  return at;
}

/* Replaces the value at VALUE, at first the table of globals, by what the chain from `at` to
 * `end` leads to; each part of it is followed by a dot or a colon. */
static bool follow(lua_State *L, const char *at, const char *end) {
  while (at < end) {
    size_t n = strcspn(at, ".:");
    if (!is_name(at, n)) return false;
    lua_pushlstring(L, at, n);
    lua_gettable(L, VALUE); /* may load a package, and may raise: the caller protects us */
    lua_replace(L, VALUE);
    if (lua_isnil(L, VALUE)) return false;
    at += n + 1;
  }
  return true;
}

int repl_complete(lua_State *L) {
  const char *text = luaL_checkstring(L, 1), *end = text + strlen(text), *word = end;
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  lua_pushglobaltable(L);
  while (word > text && is_name_char(word[-1])) word--;
  const char *start = chain_start(text, word);
  wanted w = {word, (size_t)(end - word), word > start && word[-1] == ':'};
  /* What follows a call or an index, as `f().x`, would have to be run to be known. */
  bool known = start == text || !strchr(")]}\"'", start[-1]) || start == word;
  if (known && follow(L, start, word)) {
    if (start == word) {
      for (const char *const *k = keywords; *k; k++) add(L, &w, *k, strlen(*k));
      for (const char *const *k = moonlet_packages_globals; *k; k++) add(L, &w, *k, strlen(*k));
    }
    add_members(L, &w);
  }
  lua_pushvalue(L, RESULT);
  lua_pushinteger(L, word - text);
  return 2;
}
