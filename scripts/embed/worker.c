/* worker.c -- a network learns on a thread of its own while a simulation goes on at full speed: the
 * simulation hands its experience over, asks in each frame whether there is something new, and uses
 * the weights that came back last. */
#include <moonlet.h>
#include <stdio.h>

enum { EXAMPLES = 64, MOST_ROUNDS = 200 };

static const char brain[] =
    "local net = nn.Sequential():add(nn.Linear(2, 16)):add(nn.Tanh()):add(nn.Linear(16, 1))\n"
    "local params, grads = net:getParameters()\n"
    "local criterion, state = nn.MSECriterion(), {learningRate = 0.02}\n"
    "function learn(x, y, steps)\n"
    "  local loss\n"
    "  for _ = 1, steps do\n"
    "    optim.adam(function()\n"
    "      grads:zero()\n"
    "      loss = criterion:forward(net:forward(x), y)\n"
    "      net:backward(x, criterion:backward(net.output, y))\n"
    "      return loss, grads\n"
    "    end, params, state)\n"
    "  end\n"
    "  return loss, params:clone()\n" /* a copy: the next job goes on writing to params */
    "end\n";

int main(void) {
  static float x[EXAMPLES][2], y[EXAMPLES][1];
  const int64_t x_size[] = {EXAMPLES, 2}, y_size[] = {EXAMPLES, 1};
  char why[200] = "";
  moonlet_config config = MOONLET_CONFIG_INIT;
  moonlet_tensor *inputs = NULL, *targets = NULL, *weights = NULL, *newer = NULL;
  moonlet_work job = 0;
  double first = 0, loss = 0;
  long frames = 0;
  int rounds = 0, k;

  config.message = why;
  config.message_size = sizeof why;
  moonlet_worker *w = moonlet_worker_open(&config, brain, "brain");
  if (!w) return fprintf(stderr, "%s\n", why), 1;
  for (k = 0; k < EXAMPLES; k++) { /* what is to be learned: the product of two numbers */
    x[k][0] = (float)(k % 8) / 4 - 0.875f;
    x[k][1] = (float)(k / 8) / 4 - 0.875f;
    y[k][0] = x[k][0] * x[k][1];
  }
  moonlet_tensor_borrow(NULL, &inputs, MOONLET_FLOAT32, 2, x_size, NULL, x, NULL, NULL);
  moonlet_tensor_borrow(NULL, &targets, MOONLET_FLOAT32, 2, y_size, NULL, y, NULL, NULL);
  moonlet_worker_post(w, &job, "learn", "tti>dt", inputs, targets, 25LL);
  do { /* one frame; a game draws and waits for the screen here */
    moonlet_status status = moonlet_worker_take(w, job, 0, &loss, &newer);
    frames++;
    if (status == MOONLET_EAGAIN) continue;
    if (status != MOONLET_OK) return fprintf(stderr, "%s\n", moonlet_worker_error(w)), 1;
    if (rounds++ == 0) first = loss;
    moonlet_tensor_release(weights);
    weights = newer;
    moonlet_worker_post(w, &job, "learn", "tti>dt", inputs, targets, 25LL);
  } while (rounds == 0 || (loss > first / 20 && rounds < MOST_ROUNDS));
  printf("from %.3f to %.3f with %d weights, more frames than rounds: %s\n", first, loss,
         (int)moonlet_tensor_numel(weights), frames > rounds ? "yes" : "no");
  moonlet_tensor_release(weights);
  moonlet_tensor_release(inputs);
  moonlet_tensor_release(targets);
  moonlet_worker_close(w); /* interrupts nothing: it waits for the job that runs */
  return 0;
}
