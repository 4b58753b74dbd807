/* states.c -- opens and closes states with torch and nn: how long opening takes, and how much
 * memory stays.
 *
 *   states [runs]
 *
 * Prints `best median first kilobytes`: milliseconds of an opening with both packages, of the first
 * one too, and by how much the process has grown between the first tenth of the runs and the last
 * one. The status is 1 when a state fails. */
#include <moonlet.h>
#include <stdio.h>
#include <stdlib.h>
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

static long resident_kilobytes(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv) {
  const int runs = argc > 1 ? atoi(argv[1]) : 200;
  double *times = calloc(runs > 0 ? (size_t)runs : 1, sizeof *times);
  long early = 0;
  if (!times || runs < 1) return 2;
  for (int i = 0; i < runs; i++) {
    const double began = now();
    moonlet *m = moonlet_open(NULL);
    int failed = !m || moonlet_require(m, "torch") || moonlet_require(m, "nn");
    times[i] = now() - began;
    if (!failed) failed = moonlet_run_string(m, "x = nn.Linear(4, 3):forward(torch.rand(4))", "x");
    if (failed) fprintf(stderr, "states: %s\n", m ? moonlet_error(m) : "no state");
    moonlet_close(m);
    if (failed) return 1;
    if (i + 1 == (runs + 9) / 10) early = resident_kilobytes();
  }
  const double first = times[0];
  const long grown = resident_kilobytes() - early;
  qsort(times, (size_t)runs, sizeof *times, by_size);
  printf("%.3f %.3f %.3f %ld\n", times[0], times[runs / 2], first, grown);
  free(times);
  return 0;
}
