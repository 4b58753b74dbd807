/* main.c -- the program `moonlet`, also known as `th`: its command line. */
#include "moonlet.h"
#include "packages.h"
#include "repl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static const char help_text[] =
    "usage: %s [options] [script.lua [arguments]]\n"
    "\n"
    "  -e CODE        run CODE; may be given more than once\n"
    "  -l NAME        require NAME, and make it a global; also written -lNAME\n"
    "  -i             enter the prompt after -e, -l and the script\n"
    "  -h, --help     this text\n"
    "  -v, --version  the version\n"
    "  -              the script is on standard input\n"
    "  --             no options after this\n"
    "\n"
    "Without -e and script: the prompt on a terminal, else the script on standard input.\n"
    "-l and -e are carried out in their order, before the script. The script finds its name in\n"
    "arg[0] and its arguments in arg[1] ... and in `...`. Called as `th`: Torch7's defaults.\n"
    "\n"
    "environment:\n"
    "  MOONLET_PATH     folder of sources whose packages come before the built-in ones\n"
    "  MOONLET_HISTORY  file for the lines typed at the prompt; empty: keep none\n"
    "\n"
    "exit status: 0 done, 1 an error in the script, 2 a wrong command line, 130 Ctrl-C\n";

typedef struct {
  char **argv;
  int argc;
  int script;          /* index into argv of the script, argc if there is none */
  const char *program; /* last part of argv[0] */
  bool prompt, torch7, has_code, help, version;
  bool interrupted;
  int status;
} command;

static const char *last_part(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : path && *path ? path : "moonlet";
}

/* -- the command line -------------------------------------------------------------------------- */

/* The value of an option at argv[*i], either in the same word or in the next. */
static const char *option_value(const command *c, int *i) {
  if (c->argv[*i][2] != '\0') return c->argv[*i] + 2;
  return *i + 1 < c->argc ? c->argv[++*i] : NULL;
}

static bool usage_error(command *c, const char *message, const char *word) {
  fprintf(stderr, "%s: %s '%s'; -h tells what there is\n", c->program, message, word);
  c->status = EXIT_USAGE;
  return false;
}

/* Checks all options before any is carried out; sets c->script. */
static bool parse(command *c) {
  int i = 1;
  for (; i < c->argc && c->argv[i][0] == '-' && c->argv[i][1] != '\0'; i++) {
    const char *word = c->argv[i];
    if (strcmp(word, "--") == 0) {
      i++;
      break;
    } else if (word[1] == 'e' || word[1] == 'l') {
      c->has_code = c->has_code || word[1] == 'e';
      if (!option_value(c, &i)) return usage_error(c, "something must follow", word);
    } else if (strcmp(word, "-i") == 0) {
      c->prompt = true;
    } else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
      c->help = true;
    } else if (strcmp(word, "-v") == 0 || strcmp(word, "--version") == 0) {
      c->version = true;
    } else {
      return usage_error(c, "no such option:", word);
    }
  }
  c->script = i < c->argc ? i : c->argc;
  return true;
}

/* The global `arg`: the script at 0, its arguments from 1, all before it at negative indices. */
static void set_arg(lua_State *L, const command *c) {
  int origin = c->script < c->argc ? c->script : 0;
  lua_createtable(L, c->argc - origin, origin + 1);
  for (int i = 0; i < c->argc; i++) {
    lua_pushstring(L, c->argv[i]);
    lua_rawseti(L, -2, i - origin);
  }
  lua_setglobal(L, "arg");
}

/* -- running ----------------------------------------------------------------------------------- */

/* Calls the function below `nargs` values, if `loaded` says that it is one. */
static bool run(lua_State *L, command *c, int loaded, int nargs) {
  int status = loaded == LUA_OK ? moonlet_pcall(L, nargs, 0) : loaded;
  if (status == LUA_OK) return true;
  fflush(stdout);
  repl_report(L, c->program);
  c->interrupted = repl_interrupt_clear();
  c->status = EXIT_FAILURE;
  return false;
}

static bool run_code(lua_State *L, command *c, const char *code) {
  return run(L, c, luaL_loadbuffer(L, code, strlen(code), "=(command line)"), 0);
}

static bool run_library(lua_State *L, command *c, const char *name) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  if (moonlet_pcall(L, 1, 1) != LUA_OK) return run(L, c, LUA_ERRRUN, 0);
  lua_setglobal(L, name);
  return true;
}

static bool run_options(lua_State *L, command *c) {
  for (int i = 1; i < c->script; i++) {
    char option = c->argv[i][1];
    if (option != 'e' && option != 'l') continue;
    const char *value = option_value(c, &i);
    if (!(option == 'e' ? run_code(L, c, value) : run_library(L, c, value))) return false;
  }
  return true;
}

static bool run_script(lua_State *L, command *c) {
  const char *path = c->script < c->argc ? c->argv[c->script] : "-";
  int loaded = luaL_loadfile(L, strcmp(path, "-") == 0 ? NULL : path);
  int nargs = c->script < c->argc ? c->argc - c->script - 1 : 0;
  if (loaded != LUA_OK) return run(L, c, loaded, 0);
  luaL_checkstack(L, nargs + 10, "too many arguments");
  for (int i = 0; i < nargs; i++) lua_pushstring(L, c->argv[c->script + 1 + i]);
  return run(L, c, LUA_OK, nargs);
}

/* Old programs expect float64 and more; stdlib knows what. */
static bool set_torch7_defaults(lua_State *L, command *c) {
  static const char code[] = "local t = require('torch') if t.th_defaults then t.th_defaults() end";
  return run(L, c, luaL_loadbuffer(L, code, sizeof code - 1, "=th"), 0);
}

/* Everything that needs Lua, protected: argument 1 is the command. */
static int run_all(lua_State *L) {
  command *c = lua_touserdata(L, 1);
  bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  bool nothing = c->script == c->argc && !c->has_code;
  lua_settop(L, 0);
  if (nothing && isatty(STDIN_FILENO)) c->prompt = true;
  set_arg(L, c);
  repl_interrupt_open(L, c->prompt);
  bool ok = !c->torch7 || set_torch7_defaults(L, c);
  ok = ok && run_options(L, c);
  if (ok && (c->script < c->argc || (nothing && !c->prompt))) ok = run_script(L, c);
  if (c->prompt) {
    c->status = EXIT_SUCCESS; /* an error was reported, and what led to it can be looked at */
    c->interrupted = false;
    repl_run(L, terminal);
  }
  return 0;
}

/* What was printed must have arrived: a full disk is an error too. */
static void finish_output(command *c) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return;
  fprintf(stderr, "%s: cannot write to standard output: %s\n", c->program, strerror(errno));
  if (c->status == EXIT_SUCCESS) c->status = EXIT_FAILURE;
}

static void run_command(command *c) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.threads = 0;
  moonlet *m = moonlet_open(&config);
  if (!m || moonlet_cpcall(moonlet_state(m), run_all, c) != LUA_OK) {
    fprintf(stderr, "%s: not enough memory\n", c->program);
    c->status = EXIT_FAILURE;
  }
  repl_interrupt_close();
  moonlet_close(m);
}

int main(int argc, char **argv) {
  command c = {.argv = argv, .argc = argc, .program = last_part(argc > 0 ? argv[0] : NULL)};
  c.torch7 = strcmp(c.program, "th") == 0;
  if (!parse(&c)) return c.status;
  if (c.help)
    printf(help_text, c.program);
  else if (c.version)
    printf("Moonlet %s (%s)\n", MOONLET_VERSION, MOONLET_VM);
  else
    run_command(&c);
  finish_output(&c);
  if (!c.interrupted) return c.status;
  /* A shell that runs us in a loop stops the loop only if the signal itself ends us; what it
   * reports then is EXIT_INTERRUPTED. */
  signal(SIGINT, SIG_DFL);
  raise(SIGINT);
  return EXIT_INTERRUPTED;
}
