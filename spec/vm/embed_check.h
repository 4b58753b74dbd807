/* embed_check.h -- what the C tests of vm/moonlet.h share: one line per check, counted. */
#ifndef EMBED_CHECK_H
#define EMBED_CHECK_H

#include "moonlet.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(int good, const char *what) {
  printf("%s %s\n", good ? "ok" : "not ok", what);
  if (!good) failures++;
}

static inline int says(const moonlet *m, const char *text) {
  if (strstr(moonlet_error(m), text)) return 1;
  printf("# \"%s\" is not in \"%s\"\n", text, moonlet_error(m));
  return 0;
}

/* Code that has to run. */
static inline int runs(moonlet *m, const char *code) {
  if (moonlet_run_string(m, code, "test") == MOONLET_OK) return 1;
  printf("# %s\n", moonlet_error(m));
  return 0;
}

#endif
