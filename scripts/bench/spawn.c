/* spawn.c -- runs a command many times: how long it takes, and how much memory at its peak.
 *
 *   spawn runs command [argument...]
 *
 * Prints `best median peak`: milliseconds, milliseconds, kilobytes. The command's own output goes
 * to /dev/null. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void become(char **command) {
  int null = open("/dev/null", O_RDWR);
  if (null >= 0) {
    dup2(null, 0);
    dup2(null, 1);
  }
  execvp(command[0], command);
  _exit(127);
}

/* Milliseconds of one run, or -1; raises *peak to what it used. */
static double run_once(char **command, long *peak) {
  struct rusage usage;
  int status;
  double start = now();
  pid_t child = fork();
  if (child == 0) become(command);
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return -1;
  if (usage.ru_maxrss > *peak) *peak = usage.ru_maxrss;
  return now() - start;
}

int main(int argc, char **argv) {
  int runs = argc > 2 ? atoi(argv[1]) : 0;
  if (runs < 1) {
    fprintf(stderr, "usage: spawn runs command [argument...]\n");
    return 2;
  }
  double *times = malloc((size_t)runs * sizeof *times);
  long peak = 0;
  if (!times) return 1;
  for (int i = 0; i < runs; i++) {
    times[i] = run_once(argv + 2, &peak);
    if (times[i] < 0) {
      fprintf(stderr, "spawn: %s failed\n", argv[2]);
      return 1;
    }
  }
  qsort(times, (size_t)runs, sizeof *times, by_size);
  printf("%.3f %.3f %ld\n", times[0], times[runs / 2], peak);
  free(times);
  return 0;
}
