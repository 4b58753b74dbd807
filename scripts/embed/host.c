/* host.c -- a host with a function of its own and a tensor that it shares with a script.
 *
 *   cc host.c $(pkg-config --cflags --libs moonlet) -lm -o host */
#include <moonlet.h>
#include <stdio.h>

static moonlet_status gravity(moonlet_args *args, void *user) {
  double height;
  moonlet_status status = moonlet_args_get(args, 1, "d", &height);
  return status ? status : moonlet_args_return(args, "d", height > 0 ? *(double *)user : 0.0);
}

static const char code[] =
    "function fall(heights, seconds)\n"
    "  heights:apply(function(h) return h - physics.gravity(h) * seconds ^ 2 / 2 end)\n"
    "  return heights:min(), 'lowest of ' .. heights:nElement()\n"
    "end\n";

int main(void) {
  float heights[3] = {100, 0, 300};
  const int64_t size = 3;
  double g = 9.81, lowest;
  const char *what;
  moonlet_tensor *t = NULL;
  moonlet *m = moonlet_open(NULL);
  int failed = moonlet_register(m, "physics.gravity", gravity, &g) ||
               moonlet_tensor_borrow(m, &t, MOONLET_FLOAT32, 1, &size, NULL, heights, NULL, NULL) ||
               moonlet_run_string(m, code, "fall.lua") ||
               moonlet_call(m, "fall", "td>ds", t, 2.0, &lowest, &what);
  if (failed) printf("%s\n", moonlet_error(m));
  else printf("%g %g %g, %s: %g\n", heights[0], heights[1], heights[2], what, lowest);
  moonlet_tensor_release(t);
  moonlet_close(m);
  return failed;
}
