/* repl.h -- private to the executable: what main.c and the parts of the prompt share. */
#ifndef MOONLET_REPL_H
#define MOONLET_REPL_H

#include "lua_compat.h"

#include <stdbool.h>

/* -- repl.c -- */

/* Reads, runs and prints until the input ends. terminal: both ends are one, so lines can be
 * edited. May raise only when memory runs out. */
void repl_run(lua_State *L, bool terminal);

/* Prints the error value on the top of the stack to stderr, and pops it. name may be NULL. */
void repl_report(lua_State *L, const char *name);

/* -- repl_line.c: lines, by readline where it is there -- */

void repl_line_open(lua_State *L, bool terminal);
void repl_line_close(void);

/* The next line, to be freed, without its newline; NULL at the end of input. *cancelled tells
 * that Ctrl-C was typed instead: then the line is an empty one. */
char *repl_line_read(const char *prompt, bool *cancelled);

/* A whole chunk goes into the history, and into its file at once. */
void repl_line_remember(const char *chunk);

/* -- repl_complete.c -- */

/* A C function for Lua: complete(text before the cursor) gives an array of whole replacements
 * for its last word, and the position (from 0) where that word begins. */
int repl_complete(lua_State *L);

/* -- repl_interrupt.c: Ctrl-C -- */

/* Turns SIGINT into the Lua error "interrupted". everywhere: also in compiled loops, for which
 * LuaJIT has to compile checks into them (slower); else a second Ctrl-C ends the program. */
void repl_interrupt_open(lua_State *L, bool everywhere);

/* Before the state closes: SIGINT ends the program again. */
void repl_interrupt_close(void);

/* Forgets a Ctrl-C that has come but was not noticed; tells whether one came since last asked. */
bool repl_interrupt_clear(void);

#endif
