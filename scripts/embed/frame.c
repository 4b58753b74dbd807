/* frame.c -- a game's loop at 60 frames a second, in which a network learns beside the simulation.
 *
 *   cc frame.c $(pkg-config --cflags --libs moonlet) -lm -o frame
 *
 * A turret shoots at whatever flies by, and cannot know how far to aim ahead. Each shot teaches it:
 * the script has a network that predicts where the target will be, and it trains in whatever time a
 * frame has left. Frames come as fast as they can here; a game would wait for the next one. */
#include <math.h>
#include <moonlet.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRAMES = 600, BUDGET_US = 4000 };

static const char script[] =
    "torch.manualSeed(4)\n"
    "local net = nn.Sequential():add(nn.Linear(4, 32)):add(nn.Tanh()):add(nn.Linear(32, 2))\n"
    "local criterion = nn.MSECriterion()\n"
    "local weights, gradients = net:getParameters()\n"
    "local seen, wanted, count = torch.zeros(256, 4), torch.zeros(256, 2), 0\n"
    "local adam = {learningRate = 0.01}\n"
    "\n"
    "-- What a shot has shown: where the target was, how fast it flew, and where it really went.\n"
    "function learn_from(shot)\n"
    "  local row = count % 256 + 1\n"
    "  seen[row]:copy(shot:narrow(1, 1, 4))\n"
    "  wanted[row]:copy(shot:narrow(1, 5, 2))\n"
    "  count = count + 1\n"
    "end\n"
    "\n"
    "function aim(target, place)\n"
    "  place:copy(net:forward(target))\n"
    "end\n"
    "\n"
    "-- The task: a batch, a pause, a batch, a pause, for as long as the game runs.\n"
    "function train()\n"
    "  while true do\n"
    "    if count > 0 then\n"
    "      local pick = torch.LongTensor(16):random(1, math.min(count, 256))\n"
    "      local x, y = seen:index(1, pick), wanted:index(1, pick)\n"
    "      optim.adam(function()\n"
    "        gradients:zero()\n"
    "        local out = net:forward(x)\n"
    "        local loss = criterion:forward(out, y)\n"
    "        net:backward(x, criterion:backward(out, y))\n"
    "        return loss, gradients\n"
    "      end, weights, adam)\n"
    "    end\n"
    "    coroutine.yield()\n"
    "  end\n"
    "end\n";

/* The simulation: a target at x, y with a speed, pulled down and slowed by the air. Memory that the
 * script's tensors show. */
static float target[4], aimed[2], shot[6];

static float between(float low, float high) {
  return low + (high - low) * (float)rand() / (float)RAND_MAX;
}

static void fly(float *x, float *y, float vx, float vy, int frames) {
  for (; frames > 0; frames--) {
    *x += vx / 60;
    *y += vy / 60;
    vx *= 0.99f;
    vy = vy * 0.99f - 1.0f / 60;
  }
}

static void new_target(void) {
  target[0] = between(-1, 1);
  target[1] = between(0, 1);
  target[2] = between(-1, 1);
  target[3] = between(0, 1);
}

static moonlet_tensor *share(moonlet *m, float *values, int64_t size) {
  moonlet_tensor *t = NULL;
  moonlet_tensor_borrow(m, &t, MOONLET_FLOAT32, 1, &size, NULL, values, NULL, NULL);
  return t;
}

int main(void) {
  moonlet *m = moonlet_open(NULL);
  moonlet_tensor *target_t = share(m, target, 4), *aimed_t = share(m, aimed, 2);
  moonlet_tensor *shot_t = share(m, shot, 6);
  moonlet_task training = 0;
  float missed[2] = {0, 0}; /* on average, in the first and the last twenty frames */
  srand(1);
  int failed = moonlet_run_string(m, script, "turret.lua") ||
               moonlet_task_start(m, &training, "train", "");
  for (int frame = 0; frame < FRAMES && !failed; frame++) {
    new_target();
    failed = moonlet_call(m, "aim", "tt>", target_t, aimed_t);
    for (int i = 0; i < 4; i++) shot[i] = target[i];
    shot[4] = target[0];
    shot[5] = target[1];
    fly(&shot[4], &shot[5], target[2], target[3], 60);
    float miss = hypotf(aimed[0] - shot[4], aimed[1] - shot[5]) / 20;
    if (frame < 20) missed[0] += miss;
    if (frame >= FRAMES - 20) missed[1] += miss;
    if (!failed) failed = moonlet_call(m, "learn_from", "t>", shot_t);
    /* what is left of the frame */
    if (!failed) failed = moonlet_step(m, training, BUDGET_US) != MOONLET_EAGAIN;
  }
  if (failed)
    printf("%s\n", moonlet_error(m));
  else
    printf("missed by %.2f at first, by %.2f at last\n", missed[0], missed[1]);
  moonlet_tensor_release(target_t);
  moonlet_tensor_release(aimed_t);
  moonlet_tensor_release(shot_t);
  moonlet_close(m);
  return failed || missed[1] > missed[0] / 3;
}
