/* emulator.cpp -- the CPU as two GPUs: memory, and blocks of threads as coroutines. */
#include "emulator.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <map>
#include <vector>

dim3 emulated_thread, emulated_block, emulated_blocks, emulated_threads;

/* -- memory of the devices --------------------------------------------------------------------- */

/* One range of addresses that only kernels and copies may touch: a host that reads what lies on a
 * device dies here as it would beside a GPU. Blocks of a size are used again. */
namespace {

const size_t memory = (size_t)4 << 30, ALIGN = 256;
char *range;
size_t used, opened;
std::map<void *, size_t> sizes;
std::multimap<size_t, void *> unused;

void protect(int how) {
  if (used > 0) mprotect(range, (used + 4095) / 4096 * 4096, how);
}

void *take(size_t bytes) {
  const size_t size = (bytes + ALIGN - 1) / ALIGN * ALIGN;
  if (range == NULL) {
    void *all = mmap(NULL, memory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return NULL;
    range = static_cast<char *>(all);
  }
  void *block;
  auto fit = unused.lower_bound(size);
  if (fit != unused.end() && fit->first < 2 * size) {
    block = fit->second;
    unused.erase(fit);
    return block;
  }
  if (size > memory - used) return NULL;
  block = range + used;
  used += size;
  sizes[block] = size;
  return block;
}

void give_back(void *block) { unused.emplace(sizes.at(block), block); }

}  // namespace

device_memory::device_memory() {
  if (opened++ == 0) protect(PROT_READ | PROT_WRITE);
}

device_memory::~device_memory() {
  if (--opened == 0) protect(PROT_NONE);
}

/* -- threads of a block ------------------------------------------------------------------------ */

namespace {

enum { MOST_THREADS = 1024, STACK = 128 << 10 };
enum waiting { READY, AT_BARRIER, AT_EXCHANGE, DONE };

/* Entered once through a context, and then, for every block, by jumps: these ask the system
 * nothing. */
struct coroutine {
  ucontext_t context;
  jmp_buf place;
  bool entered;
  waiting state;
  unsigned exchanges, counts;
};

coroutine threads[MOST_THREADS];
std::vector<char> stacks, shared_memory;
jmp_buf scheduler;
unsigned running, thread_count, block_size, first_block;
size_t shared_bytes; /* of each block */
uint64_t slots[2][MOST_THREADS];
alignas(8) unsigned char shares[2][MOST_THREADS][EMULATED_SHARED];
unsigned char votes[2][MOST_THREADS];
void (*body)(void *);
void *body_context;

void wait_as(waiting state) {
  coroutine *self = &threads[running];
  self->state = state;
  if (_setjmp(self->place) == 0) _longjmp(scheduler, 1);
}

void begin_thread() {
  for (;;) {
    body(body_context);
    wait_as(DONE);
  }
}

/* Runs a thread until it waits. */
void go_on(coroutine *c) {
  if (_setjmp(scheduler) != 0) return;
  if (c->entered) _longjmp(c->place, 1);
  c->entered = true;
  setcontext(&c->context);
}

void start_threads() {
  if (stacks.empty()) stacks.resize((size_t)MOST_THREADS * STACK);
  for (unsigned i = 0; i < thread_count; i++) {
    coroutine *c = &threads[i];
    if (!c->entered) {
      getcontext(&c->context);
      c->context.uc_stack.ss_sp = &stacks[(size_t)i * STACK];
      c->context.uc_stack.ss_size = STACK;
      c->context.uc_link = NULL;
      makecontext(&c->context, begin_thread, 0);
    }
    c->state = READY;
    c->exchanges = c->counts = 0;
  }
}

/* Lets threads [first, last) go on if all of them that have not ended wait in this way. */
bool release(unsigned first, unsigned last, waiting state) {
  bool any = false;
  for (unsigned i = first; i < last; i++) {
    if (threads[i].state != state && threads[i].state != DONE) return false;
    any = any || threads[i].state == state;
  }
  for (unsigned i = first; any && i < last; i++)
    if (threads[i].state == state) threads[i].state = READY;
  return any;
}

bool release_some() {
  bool any = false;
  for (unsigned b = 0; b < thread_count; b += block_size)
    any = release(b, b + block_size, AT_BARRIER) || any;
  for (unsigned w = 0; w < thread_count; w += warpSize) {
    const unsigned last = w + warpSize < thread_count ? w + warpSize : thread_count;
    any = release(w, last, AT_EXCHANGE) || any;
  }
  return any;
}

/* Blocks first_block and, where there are more threads than one has, those behind it. */
void run_blocks() {
  start_threads();
  for (;;) {
    bool ran = false, left = false;
    for (unsigned i = 0; i < thread_count; i++) {
      if (threads[i].state == READY) {
        running = i;
        emulated_thread = dim3(i % block_size, 0, 0);
        emulated_block = dim3(first_block + i / block_size, 0, 0);
        go_on(&threads[i]);
        ran = true;
      }
      left = left || threads[i].state != DONE;
    }
    if (!left) return;
    if (!ran && !release_some()) {
      fprintf(stderr, "emulator: threads of block %u wait for others that never come\n",
              first_block);
      abort();
    }
    if (ran) release_some();
  }
}

}  // namespace

namespace {

cudaError_t run(unsigned blocks, unsigned count, unsigned together, size_t shared,
                void (*work)(void *), void *context) {
  if (blocks == 0 || count == 0 || (uint64_t)count * together > MOST_THREADS ||
      shared > (227u << 10))
    return cudaErrorInvalidValue;
  body = work;
  body_context = context;
  block_size = count;
  thread_count = count * together;
  emulated_blocks = dim3(blocks, 1, 1);
  emulated_threads = dim3(count, 1, 1);
  shared_bytes = (shared + 15) / 16 * 16;
  shared_memory.resize(shared_bytes * together + 16);
  device_memory open;
  for (first_block = 0; first_block < blocks; first_block += together) {
    memset(shared_memory.data(), 0x7f, shared_memory.size()); /* as good as undefined */
    run_blocks();
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t emulate(unsigned blocks, unsigned count, size_t shared, void (*body)(void *),
                    void *context) {
  return run(blocks, count, 1, shared, body, context);
}

cudaError_t emulate_together(unsigned blocks, unsigned count, size_t shared, void (*body)(void *),
                             void *context) {
  return count % warpSize != 0 ? cudaErrorInvalidValue
                               : run(blocks, count, blocks, shared, body, context);
}

void *emulated_shared() {
  const uintptr_t start = ((uintptr_t)shared_memory.data() + 15) / 16 * 16;
  return (void *)(start + running / block_size * shared_bytes);
}

void emulated_pause() { wait_as(READY); }

void emulated_barrier() { wait_as(AT_BARRIER); }

int emulated_lane() { return (int)(running % warpSize); }

uint64_t emulated_exchange(uint64_t mine, int lane) {
  const unsigned self = running, first = self / warpSize * warpSize;
  uint64_t *slot = slots[threads[self].exchanges++ & 1];
  slot[self] = mine;
  wait_as(AT_EXCHANGE);
  const bool inside = lane >= 0 && lane < warpSize && first + (unsigned)lane < thread_count;
  return slot[inside ? first + (unsigned)lane : self];
}

const void *emulated_share(const void *mine, size_t bytes) {
  const unsigned self = running, first = self / warpSize * warpSize;
  auto *share = shares[threads[self].exchanges++ & 1];
  memcpy(share[self], mine, bytes);
  wait_as(AT_EXCHANGE);
  return share[first];
}

int emulated_count(bool predicate) {
  unsigned char *vote = votes[threads[running].counts++ & 1];
  vote[running] = predicate;
  emulated_barrier();
  int sum = 0;
  const unsigned first = running / block_size * block_size;
  for (unsigned i = first; i < first + block_size; i++) sum += threads[i].state != DONE && vote[i];
  return sum;
}

double erfinv(double x) {
  if (!(x > -1 && x < 1)) return x == 1 ? INFINITY : x == -1 ? -INFINITY : NAN;
  const double w = -log1p(-x * x), a = 0.147, t = 2 / (M_PI * a) - w / 2;
  double y = copysign(sqrt(sqrt(t * t + w / a) - t), x);
  for (int k = 0; k < 4; k++) y -= (erf(y) - x) / (2 / sqrt(M_PI) * exp(-y * y));
  return y;
}

/* -- the runtime ------------------------------------------------------------------------------- */

namespace {

enum { DEVICES = 2 };
thread_local int current;
thread_local cudaError_t last;

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

}  // namespace

extern "C" {

const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "an error of the emulator";
}

const char *cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorEmulated";
}

cudaError_t cudaGetLastError(void) {
  cudaError_t error = last;
  last = cudaSuccess;
  return error;
}

cudaError_t cudaDriverGetVersion(int *version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int *count) { return *count = DEVICES, cudaSuccess; }
cudaError_t cudaGetDevice(int *device) { return *device = current, cudaSuccess; }

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= DEVICES) return note(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}

/* One: large tensors then take several rounds of few blocks. */
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr, int) {
  return *value = 1, cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  if (device < 0 || device >= DEVICES) return note(cudaErrorInvalidDevice);
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "emulated on the CPU");
  p->major = 9;
  p->multiProcessorCount = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *bytes) {
  return *free_bytes = *bytes = memory, cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
  return *pool = device, cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, enum cudaMemPoolAttr, void *) {
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaMallocAsync(void **out, size_t bytes, cudaStream_t) {
  *out = bytes > memory ? NULL : take(bytes > 0 ? bytes : 1);
  if (*out == NULL) return note(cudaErrorMemoryAllocation);
  device_memory open;
  memset(*out, 0xff, bytes); /* what nobody has written yet is NaN, or as strange a number */
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void *data, cudaStream_t) {
  if (data != NULL) give_back(data);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned) {
  *out = malloc(bytes);
  return *out != NULL ? cudaSuccess : note(cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *data) {
  free(data);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind) {
  device_memory open;
  memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind,
                            cudaStream_t) {
  device_memory open;
  memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyPeer(void *to, int, const void *from, int, size_t bytes) {
  device_memory open;
  memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t) {
  device_memory open;
  memset(to, value, bytes);
  return cudaSuccess;
}

}  // extern "C"
