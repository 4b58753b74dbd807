/* hello.c -- Moonlet in a C program.
 *
 *   cc hello.c $(pkg-config --cflags --libs moonlet) -o hello */
#include <moonlet.h>
#include <stdio.h>

static const char code[] = "function norm(x, y) return torch.Tensor{x, y}:norm() end";

int main(void) {
  double norm = 0;
  moonlet *m = moonlet_open(NULL);
  if (!m) return 1;
  int failed = moonlet_run_string(m, code, "hello");
  if (!failed) failed = moonlet_call(m, "norm", "dd>d", 3.0, 4.0, &norm);
  if (failed)
    printf("%s\n", moonlet_error(m));
  else
    printf("the norm of (3, 4) is %g\n", norm);
  moonlet_close(m);
  return failed;
}
