/* repl_line.c -- lines for the prompt: by readline on a terminal, else as they come. */
#include "repl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line without editing. getline gives up when Ctrl-C comes. */
static char *read_plain(const char *prompt, bool *cancelled) {
  char *line = NULL;
  size_t room = 0;
  fputs(prompt, stdout);
  fflush(stdout);
  errno = 0;
  ssize_t n = getline(&line, &room, stdin);
  if (n < 0) {
    *cancelled = errno == EINTR;
    clearerr(stdin);
    if (*cancelled && line) line[0] = '\0';
    if (*cancelled) return line;
    free(line);
    return NULL;
  }
  if (n > 0 && line[n - 1] == '\n') line[n - 1] = '\0';
  return line;
}

#ifdef MOONLET_EMBED

void repl_line_open(lua_State *L, bool terminal) {
  (void)L, (void)terminal;
}

void repl_line_close(void) {}

char *repl_line_read(const char *prompt, bool *cancelled) {
  *cancelled = false;
  return read_plain(prompt, cancelled);
}

void repl_line_remember(const char *chunk) {
  (void)chunk;
}

#else

#include <fcntl.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_LENGTH = 2000 };

static lua_State *state;
static bool editing;
static char history_path[4096]; /* empty: no file */

/* -- completion -------------------------------------------------------------------------------- */

/* Readline's generator: copies one match after the other out of the array on Lua's stack. */
static char *next_match(const char *text, int number) {
  static int index;
  (void)text;
  index = number == 0 ? 1 : index + 1;
  lua_rawgeti(state, -1, index);
  const char *name = lua_tostring(state, -1);
  char *copy = name ? strdup(name) : NULL;
  lua_pop(state, 1);
  return copy;
}

/* What ends a word. Inside of quotes nothing does: readline would skip a leading slash. */
static char *word_breaks(void) {
  static char outside[] = " \t\n\"'><=;:+-*/%^~#{}()[].,", inside[] = "\"'";
  char quote = 0;
  for (int i = 0; i < rl_point; i++) {
    char c = rl_line_buffer[i];
    if (quote && c == '\\')
      i++;
    else if (quote && c == quote)
      quote = 0;
    else if (!quote && (c == '"' || c == '\''))
      quote = c;
  }
  return quote ? inside : outside;
}

/* Inside of quotes readline completes file names, which it does by itself on NULL. */
static char **matches(const char *text, int start, int end) {
  rl_attempted_completion_over = 0;
  rl_completion_append_character = '\0';
  if (rl_completion_quote_character) return NULL;
  int top = lua_gettop(state);
  char **found = NULL;
  (void)start;
  rl_attempted_completion_over = 1;
  lua_pushcfunction(state, repl_complete);
  lua_pushlstring(state, rl_line_buffer, (size_t)end);
  if (lua_pcall(state, 1, 1, 0) == LUA_OK) found = rl_completion_matches(text, next_match);
  lua_settop(state, top);
  return found;
}

/* -- history ----------------------------------------------------------------------------------- */

/* Sets history_path: MOONLET_HISTORY, or a file of the XDG state folder, or of the home. */
static void find_history(void) {
  const char *own = getenv("MOONLET_HISTORY"), *folder = getenv("XDG_STATE_HOME");
  const char *home = getenv("HOME");
  size_t room = sizeof history_path;
  int n = 0;
  if (own) {
    n = snprintf(history_path, room, "%s", own);
  } else if (folder && *folder) {
    n = snprintf(history_path, room, "%s/moonlet", folder);
    mkdir(history_path, 0700);
    n = snprintf(history_path, room, "%s/moonlet/history", folder);
  } else if (home && *home) {
    n = snprintf(history_path, room, "%s/.moonlet_history", home);
  }
  if (n < 0 || (size_t)n >= room) history_path[0] = '\0';
}

/* The file has a time stamp before each entry, which also tells where an entry of several lines
 * ends. It is made readable for its owner alone: people type secrets. */
static void open_history(void) {
  using_history();
  stifle_history(HISTORY_LENGTH);
  history_comment_char = '#';
  history_write_timestamps = 1;
  find_history();
  if (!history_path[0]) return;
  int file = open(history_path, O_CREAT | O_RDWR, 0600);
  if (file < 0) {
    history_path[0] = '\0'; /* no place to write to is no reason to bother anyone */
    return;
  }
  close(file);
  history_truncate_file(history_path, HISTORY_LENGTH);
  read_history(history_path);
}

void repl_line_remember(const char *chunk) {
  if (!editing || !*chunk) return;
  HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
  if (last && strcmp(last->line, chunk) == 0) return;
  add_history(chunk);
  if (history_path[0]) append_history(1, history_path);
}

/* -- lines ------------------------------------------------------------------------------------- */

static char *typed; /* a finished line */
static bool finished;

static void on_line(char *line) {
  typed = line;
  finished = true;
  rl_callback_handler_remove(); /* gives the terminal back its usual state */
}

/* Waits for a key or a signal. SIGINT is blocked but for this moment, so none can be missed. */
static bool wait_for_key(const sigset_t *unblocked) {
  fd_set files;
  FD_ZERO(&files);
  FD_SET(STDIN_FILENO, &files);
  return pselect(STDIN_FILENO + 1, &files, NULL, NULL, NULL, unblocked) > 0;
}

static void cancel_line(void) {
  fputs("^C\n", stdout);
  rl_free_line_state();
  rl_replace_line("", 0);
  rl_callback_handler_remove();
  typed = strdup("");
}

static char *read_edited(const char *prompt, bool *cancelled) {
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(SIG_BLOCK, &interrupt, &before);
  finished = false;
  typed = NULL;
  rl_callback_handler_install(prompt, on_line);
  while (!finished && !*cancelled) {
    if (wait_for_key(&before))
      rl_callback_read_char();
    else
      *cancelled = repl_interrupt_clear();
  }
  if (*cancelled) cancel_line();
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (!typed) fputc('\n', stdout); /* Ctrl-D */
  return typed;
}

char *repl_line_read(const char *prompt, bool *cancelled) {
  *cancelled = false;
  return editing ? read_edited(prompt, cancelled) : read_plain(prompt, cancelled);
}

void repl_line_open(lua_State *L, bool terminal) {
  state = L;
  editing = terminal;
  if (!editing) return;
  rl_readline_name = "moonlet";
  rl_catch_signals = 0;
  rl_attempted_completion_function = matches;
  rl_completer_quote_characters = "\"'";
  rl_completion_word_break_hook = word_breaks;
  open_history();
}

void repl_line_close(void) {
  if (editing) clear_history();
}

#endif
