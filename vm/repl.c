/* repl.c -- the prompt: reads a chunk, runs it, prints what it gives. */
#include "repl.h"

#include "moonlet.h"
#include "packages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLETE, INCOMPLETE, FAULTY };

static const char help_text[] =
    "Type an expression to see its value: torch.randn(2, 3). A statement runs as it is.\n"
    "  ; at the end       do not print the value\n"
    "  = at the beginning is allowed, and changes nothing\n"
    "  Tab                completes names, methods after a colon, and files inside of quotes\n"
    "  Ctrl-C             stops what runs, or clears the line\n"
    "  Ctrl-D or exit     leaves\n"
    "An unfinished statement goes on in the next line. A local ends with its chunk.\n"
    "help(torch.add), or ? torch.add, tells how something is called and what it does.\n";

/* -- errors ------------------------------------------------------------------------------------ */

/* A line about what our packages do on the way; who embeds them or edits them sees other names. */
static bool is_package(const char *line) {
  if (strncmp(line, "\t./", 3) == 0) line += 2;
  return strncmp(line + 1, "nn/", 3) == 0 || strncmp(line + 1, "stdlib/", 7) == 0 ||
         strncmp(line + 1, "(...tail calls...)", 18) == 0;
}

/* Whether the traceback says more than that the error came straight from the prompt. */
static bool worth_reading(const char *trace) {
  for (const char *line = strchr(trace, '\n'); line; line = strchr(line + 1, '\n')) {
    size_t n = strcspn(line + 1, "\n");
    bool is_c = strncmp(line + 1, "\t[C]:", 5) == 0 || strncmp(line + 1, "\t[builtin", 9) == 0;
    bool is_main = n >= 13 && strncmp(line + 1 + n - 13, "in main chunk", 13) == 0;
    if (!is_c && !is_main && !is_package(line + 1)) return true;
  }
  return false;
}

/* The length of the text without the last lines of a traceback, which stand for main.c. */
static int useful_length(const char *text) {
  size_t n = strlen(text);
  for (;;) {
    size_t line = n;
    while (line > 0 && text[line - 1] != '\n') line--;
    bool ours = strncmp(text + line, "\t[C]: in ?", 10) == 0 ||
                strncmp(text + line, "\t[C]: at 0x", 11) == 0;
    if (!ours || line == 0) return (int)n;
    n = line - 1;
  }
}

void repl_report(lua_State *L, const char *name) {
  const char *text = lua_tostring(L, -1);
  if (!text) {
    text = lua_pushfstring(L, "(the error is a %s value)", luaL_typename(L, -1));
    lua_remove(L, -2);
  }
  int length = useful_length(text);
  const char *trace = strstr(text, "\nstack traceback:");
  if (!name && trace && !worth_reading(trace + 1)) length = (int)(trace - text);
  if (name)
    fprintf(stderr, "%s: %.*s\n", name, length, text);
  else
    fprintf(stderr, "%.*s\n", length, text);
  fflush(stderr);
  lua_pop(L, 1);
}

/* -- values ------------------------------------------------------------------------------------ */

/* Pushes the value's text: as torch.pretty lays it out, or else what tostring says. */
static const char *push_text(lua_State *L, int value) {
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "moonlet.pretty");
  if (lua_isfunction(L, -1)) {
    lua_pushvalue(L, value);
    lua_call(L, 1, 1);
    if (lua_isstring(L, -1)) return lua_tostring(L, -1);
    lua_settop(L, top);
  }
  return luaL_tolstring(L, value, NULL);
}

static int print_values(lua_State *L) {
  for (int i = 1, n = lua_gettop(L); i <= n; i++) {
    size_t length;
    push_text(L, i);
    const char *text = lua_tolstring(L, -1, &length);
    fwrite(text, 1, length, stdout);
    if (length == 0 || text[length - 1] != '\n') fputc('\n', stdout);
    lua_settop(L, n);
  }
  return 0;
}

/* torch.pretty lays out tensors and tables. It loads with the first value, not with the prompt,
 * which should be there at once; should it not load, plain values do not need it. */
static int load_pretty(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "moonlet.pretty");
  if (lua_toboolean(L, -1)) return 0;
  moonlet_packages_require(L);
  lua_pushliteral(L, "torch.pretty");
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_istable(L, -1))
    lua_getfield(L, -1, "value");
  else
    lua_pushboolean(L, 0);
  lua_setfield(L, LUA_REGISTRYINDEX, "moonlet.pretty");
  return 0;
}

/* Prints all values from `first` up. */
static void print_from(lua_State *L, int first) {
  int n = lua_gettop(L) - first + 1;
  lua_pushcfunction(L, load_pretty);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
  lua_pushcfunction(L, print_values);
  lua_insert(L, first);
  if (moonlet_pcall(L, n, 0) != LUA_OK) repl_report(L, NULL);
  fflush(stdout);
}

/* help() tells about the prompt; help(x) asks torch.help, where that is there. */
static int help(lua_State *L) {
  int nargs = lua_gettop(L);
  if (nargs > 0) lua_getglobal(L, "torch");
  if (nargs > 0 && lua_istable(L, -1)) {
    lua_getfield(L, -1, "help");
    if (lua_isfunction(L, -1)) {
      lua_replace(L, -2);
      lua_insert(L, 1);
      lua_call(L, nargs, LUA_MULTRET);
      return lua_gettop(L);
    }
  }
  fputs(help_text, stdout);
  return 0;
}

/* -- chunks ------------------------------------------------------------------------------------ */

/* Whether the message on the top of the stack says that the source ended too early. A string in
 * quotes ends with its line, so no further line can mend it. */
static bool ends_early(lua_State *L) {
  const char *message = lua_tostring(L, -1), *mark = message ? strstr(message, "<eof>") : NULL;
  return mark && !strstr(message, "unfinished string") && strlen(mark) <= sizeof "<eof>'" - 1;
}

static bool wants_silence(const char *chunk) {
  size_t n = strlen(chunk);
  while (n > 0 && strchr(" \t\n", chunk[n - 1])) n--;
  return n > 0 && chunk[n - 1] == ';';
}

/* Compiles what is between `before` and `after`; pushes the function or the message. */
static int load_source(lua_State *L, const char *before, const char *source, const char *after) {
  const char *text = lua_pushfstring(L, "%s%s%s", before, source, after);
  int status = luaL_loadbuffer(L, text, strlen(text), "=stdin");
  lua_remove(L, -2);
  return status;
}

/* `return f()` is a tail call, which leaves no trace of the prompt in an error's position. So an
 * expression becomes the argument of run_chunk's own function, unless a comment or a semicolon
 * at its end is in the way. */
static int load_expression(lua_State *L, const char *source) {
  int status = load_source(L, "return ", source, "");
  if (status != LUA_OK || wants_silence(source)) return status;
  if (load_source(L, "return (...)(", source, "\n)") == LUA_OK)
    lua_remove(L, -2);
  else
    lua_pop(L, 1);
  return LUA_OK;
}

/* Compiles a chunk, as an expression if it is one, and pushes the function; or the message. */
static int compile(lua_State *L, const char *chunk) {
  const char *source = chunk + strspn(chunk, " \t");
  if (*source == '?') {
    if (load_source(L, "return help(", source + 1, "\n)") == LUA_OK) return COMPLETE;
    return FAULTY;
  }
  bool expression = *source == '=' && source[1] != '=';
  int status = load_expression(L, source + expression);
  bool early = status != LUA_OK && ends_early(L);
  if (status != LUA_OK && !expression) {
    lua_pop(L, 1);
    status = load_source(L, "", chunk, "");
    early = early || (status != LUA_OK && ends_early(L));
  }
  if (status == LUA_OK) return COMPLETE;
  return early ? INCOMPLETE : FAULTY;
}

/* Reads until a chunk is complete. Leaves the chunk and its function (or the compiler's message)
 * on the stack; false at the end of input, and then leaves nothing. */
static bool read_chunk(lua_State *L, int *state) {
  int top = lua_gettop(L), chunk = top + 1;
  for (;;) {
    bool first = lua_gettop(L) == top, cancelled = false;
    char *line = repl_line_read(first ? "> " : ">> ", &cancelled);
    if (!line || cancelled) lua_settop(L, top);
    if (!line) return false;
    if (!cancelled) lua_pushstring(L, line);
    free(line);
    if (cancelled) continue;
    if (!first) {
      lua_pushfstring(L, "%s\n%s", lua_tostring(L, chunk), lua_tostring(L, -1));
      lua_replace(L, chunk);
    }
    lua_settop(L, chunk);
    *state = compile(L, lua_tostring(L, chunk));
    if (*state != INCOMPLETE) return true;
  }
}

/* Whether the text has `word` for its first (and with `alone` its only) word. */
static bool begins_with(const char *text, const char *word, bool alone) {
  text += strspn(text, " \t");
  size_t n = strlen(word);
  if (strncmp(text, word, n) != 0) return false;
  text += n;
  return alone ? text[strspn(text, " \t\n")] == '\0' : *text == ' ';
}

/* Says once that a local is gone, to whoever comes from another language. */
static void hint_at_local(const char *chunk) {
  static const char text[] = "(a local ends with its line: leave `local` out to keep it)\n";
  static bool told; /* of the program, not of a library: one prompt per process */
  if (told || !begins_with(chunk, "local", false) || strchr(chunk, '\n')) return;
  if (strchr(chunk, ';') || begins_with(chunk, "local function", false)) return;
  told = true;
  fputs(text, stdout);
}

static int give_back(lua_State *L) {
  return lua_gettop(L);
}

/* Runs the function on the top of the stack, which the chunk below it has become. */
static void run_chunk(lua_State *L) {
  int function = lua_gettop(L);
  const char *chunk = lua_tostring(L, function - 1);
  repl_interrupt_clear();
  lua_pushcfunction(L, give_back);
  if (moonlet_pcall(L, 1, LUA_MULTRET) != LUA_OK) {
    fflush(stdout);
    repl_report(L, NULL);
    return;
  }
  if (!wants_silence(chunk) && lua_gettop(L) >= function) print_from(L, function);
  hint_at_local(chunk);
}

static void greet(lua_State *L) {
  lua_getglobal(L, "help");
  if (lua_isnil(L, -1)) {
    lua_pushcfunction(L, help);
    lua_setglobal(L, "help");
  }
  lua_pop(L, 1);
  printf("Moonlet %s (%s); help() helps, Ctrl-D leaves\n", MOONLET_VERSION, MOONLET_VM);
}

void repl_run(lua_State *L, bool terminal) {
  int top = lua_gettop(L), state;
  repl_interrupt_open(L, true);
  repl_line_open(L, terminal);
  greet(L);
  while (read_chunk(L, &state)) {
    const char *chunk = lua_tostring(L, -2);
    repl_line_remember(chunk);
    if (begins_with(chunk, "exit", true) || begins_with(chunk, "quit", true)) break;
    if (state == COMPLETE)
      run_chunk(L);
    else
      repl_report(L, NULL);
    lua_settop(L, top);
  }
  repl_line_close();
}
