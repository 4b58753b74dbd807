/* sandbox_alloc_test.c -- the host's allocator: what is counted, and what happens when it fails.
 * Without arguments a selection of places where memory runs out; with FROM TO all of them. */
#include "embed_check.h"

#include <stdlib.h>

typedef struct {
  long long bytes, blocks, requests, fail_at; /* fail_at < 0: from that one on */
} counter;

/* Sizes stand before the blocks: LuaJIT frees a function with a wrong old size when there was no
 * memory for its upvalues. */
enum { HEADER = 16 };

static void *count(void *user, void *block, size_t old_size, size_t new_size) {
  counter *c = user;
  char *start = block ? (char *)block - HEADER : NULL;
  (void)old_size;
  const size_t had = start ? *(size_t *)(void *)start : 0;
  if (new_size == 0) {
    if (block) c->bytes -= (long long)had, c->blocks--;
    free(start);
    return NULL;
  }
  if (new_size > had) {
    c->requests++;
    if (c->fail_at > 0 && c->requests % c->fail_at == 0) return NULL;
    if (c->fail_at < 0 && c->requests >= -c->fail_at) return NULL;
  }
  char *moved = realloc(start, new_size + HEADER);
  if (!moved) return NULL;
  *(size_t *)(void *)moved = new_size;
  c->blocks += !block;
  c->bytes += (long long)new_size - (long long)had;
  return moved + HEADER;
}

static const char training[] =
    "local net = nn.Sequential():add(nn.Linear(4, 8)):add(nn.ReLU()):add(nn.Linear(8, 1))\n"
    "local loss = nn.MSECriterion()\n"
    "local x, y = torch.randn(8, 4), torch.randn(8, 1)\n"
    "for i = 1, 3 do\n"
    "  loss:forward(net:forward(x), y)\n"
    "  net:zeroGradParameters()\n"
    "  net:backward(x, loss:backward(net.output, y))\n"
    "  net:updateParameters(0.1)\n"
    "end\n"
    "local p = torch.ones(3, {requires_grad = true}) local z = (p * 2):sum() z:backward()\n"
    "local t = {} for i = 1, 50 do t[i] = {tostring(i)} end table.concat({'a', 'b'})\n"
    "coroutine.wrap(function() coroutine.yield(string.format('%d', 3)) end)()";

/* One life of a state. Returns whether all of it ended well; *clean: nothing is left. */
static int live(counter *c, int sandbox, int *clean) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.alloc = count;
  config.alloc_user = c;
  config.sandbox = sandbox ? MOONLET_SANDBOX : MOONLET_TRUSTED;
  moonlet *m = moonlet_open(&config);
  int good = 0;
  if (m) {
    const moonlet_status status = moonlet_run_string(m, training, "training");
    good = status == MOONLET_OK;
    if (status != MOONLET_OK && status != MOONLET_ENOMEM && status != MOONLET_ERUN) *clean = 0;
    if (status == MOONLET_ENOMEM && !says(m, "memory")) *clean = 0;
  }
  moonlet_close(m);
  if (c->bytes != 0 || c->blocks != 0) {
    printf("# after failing at %lld: %lld bytes, %lld blocks are left\n", c->fail_at, c->bytes,
           c->blocks);
    *clean = 0;
  }
  return good;
}

int main(int argc, char **argv) {
  counter all = {0};
  int clean = 1, good = live(&all, 0, &clean);
  check(good && clean && all.requests > 5000, "everything comes from the host's allocator");
  const long long from = argc > 2 ? atoll(argv[1]) : 1, to = argc > 2 ? atoll(argv[2]) : 2000;
  int well = 0, failed = 0;
  for (long long n = from; n <= to; n += argc > 2 ? 1 : 1 + n / 8) {
    for (int once = 0; once < 2; once++) {
      counter c = {.fail_at = once ? n : -n};
      if (live(&c, n & 1, &clean)) well++;
      else failed++;
    }
  }
  printf("# %d ended well, %d with an error, of %lld requests at most\n", well, failed,
         all.requests);
  check(failed > 0 && clean, "no failure of the allocator leaves anything behind");
  if (argc <= 2) { /* far into the training */
    for (int k = 1; k <= 20; k++) {
      counter c = {.fail_at = -all.requests * k / 20};
      live(&c, k & 1, &clean);
    }
    check(clean, "nor does one later on");
  }
  return failures != 0;
}
