/* sandbox_cases.c -- runs hostile scripts in sandboxes: sandbox_cases CASES [NAME]
 *
 * A file of cases has lines `--# status: what it is` and, below each, a script. The status is what
 * moonlet_run_string has to return; `any` allows all but a success. After it the state must be
 * usable, and within its memory. `NAME` runs the cases with that in their line alone. */
#define _POSIX_C_SOURCE 200809L
#include "embed_check.h"

#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *status_name(moonlet_status s) {
  static const char *const names[] = {"ok",    "syntax",    "run",  "memory", "arg",
                                      "limit", "interrupt", "busy", "again"};
  return names[s];
}

enum { MEMORY = 48 << 20, TIME = 150000 };
/* Seconds that a case may take: a sanitizer, or a machine that is busy, is slow. */
static const double PATIENCE = 20;

static int usable(moonlet *m) {
  static const char work[] =
      "local torch = torch or require 'torch'\n"
      "local sum = 0 for i = 1, 1000 do sum = sum + i end assert(sum == 500500)\n"
      "assert(torch.ones(3, 3):sum() == 9)\n"
      "local x = torch.ones(2, 2, {requires_grad = true}); (x * x):sum():backward()\n"
      "assert(x.grad:sum() == 16)";
  if (moonlet_run_string(m, work, "afterwards") == MOONLET_OK) return 1;
  printf("# afterwards: %s\n", moonlet_error(m));
  return 0;
}

static void run_case(const char *line, const char *code) {
  char wanted[16] = "", what[300];
  sscanf(line, "%15[a-z]", wanted);
  snprintf(what, sizeof what, "%s", line);
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.sandbox = MOONLET_SANDBOX;
  config.memory_limit = MEMORY;
  const int long_one = strcmp(wanted, "memory") == 0 || strcmp(wanted, "ok") == 0;
  config.time_limit_us = long_one ? 60 * TIME : TIME;
  config.instruction_limit = 100000000;
  moonlet *m = moonlet_open(&config);
  if (m) moonlet_run_string(m, "local _ = torch.ones", "before");
  const double began = seconds();
  const moonlet_status status = m ? moonlet_run_string(m, code, "case") : MOONLET_ENOMEM;
  const double took = seconds() - began;
  int good = strcmp(wanted, status_name(status)) == 0 ||
             (strcmp(wanted, "any") == 0 && status != MOONLET_OK);
  if (!good && m) printf("# %s\n", status_name(status)), says(m, line);
  if (took > PATIENCE) printf("# it took %.1f s\n", took);
  good = good && took <= PATIENCE;
  if (good && !strstr(line, "breaks itself")) good = usable(m);
  check(good, what);
  moonlet_close(m);
}

static char *read_all(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = calloc(1, 1 << 20);
  size_t n = text ? fread(text, 1, (1 << 20) - 1, file) : 0;
  (void)n;
  fclose(file);
  return text;
}

int main(int argc, char **argv) {
  char *text = argc > 1 ? read_all(argv[1]) : NULL;
  check(text != NULL, "the cases can be read");
  for (char *at = text ? strstr(text, "--# ") : NULL; at;) {
    char *line = at + 4, *code = strchr(line, '\n'), *next = strstr(line, "\n--# ");
    if (!code) break;
    *code++ = '\0';
    if (next) *next = '\0';
    if (argc < 3 || strstr(line, argv[2])) {
      printf("# %s\n", line);
      fflush(stdout);
      run_case(line, next && next < code ? "" : code);
      fflush(stdout);
    }
    at = next ? next + 1 : NULL;
  }
  free(text);
  return failures != 0;
}
