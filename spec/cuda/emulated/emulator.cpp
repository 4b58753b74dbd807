/* emulator.cpp -- the CPU as two GPUs: memory, and blocks of threads as coroutines. */
#include "emulator.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
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
bool closed = true;
unsigned closings;
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
  if (!closed) protect(PROT_READ | PROT_WRITE);
  return block;
}

void give_back(void *block) { unused.emplace(sizes.at(block), block); }

}  // namespace

/* Work that does not go through emulated_work spoils a capture, which knows nothing of it. */
static int working;
static void spoil_capture();

/* Closing and opening costs the system more than most kernels take here, so from some thousand times on
 * it is done for one in eight: a host that reads a device's memory is found all the same. */
device_memory::device_memory() {
  if (opened++ == 0 && closed) protect(PROT_READ | PROT_WRITE), closed = false;
  if (working == 0) spoil_capture();
}

device_memory::~device_memory() {
  if (--opened != 0) return;
  if (++closings > 4000 && closings % 8 != 0) return;
  protect(PROT_NONE);
  closed = true;
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

/* Who has not been at this exchange had ended before it; who has may have ended since. */
unsigned emulated_match(uint64_t mine, uint64_t wanted) {
  const unsigned first = running / warpSize * warpSize, now = threads[running].exchanges + 1;
  const uint64_t *slot = slots[(now - 1) & 1];
  unsigned lanes = 0;
  emulated_exchange(mine, 0);
  for (unsigned i = first; i < first + warpSize && i < thread_count; i++)
    lanes |= (unsigned)(threads[i].exchanges >= now && slot[i] == wanted) << (i - first);
  return lanes;
}

const void *emulated_share(const void *mine, size_t bytes) {
  const unsigned self = running, first = self / warpSize * warpSize;
  auto *share = shares[threads[self].exchanges++ & 1];
  memcpy(share[self], mine, bytes);
  wait_as(AT_EXCHANGE);
  return share[first];
}

int emulated_count(bool predicate) {
  const unsigned now = ++threads[running].counts;
  unsigned char *vote = votes[now & 1];
  vote[running] = predicate;
  emulated_barrier();
  int sum = 0;
  const unsigned first = running / block_size * block_size;
  for (unsigned i = first; i < first + block_size; i++) sum += threads[i].counts >= now && vote[i];
  return sum;
}

double erfinv(double x) {
  if (!(x > -1 && x < 1)) return x == 1 ? INFINITY : x == -1 ? -INFINITY : NAN;
  const double w = -log1p(-x * x), a = 0.147, t = 2 / (M_PI * a) - w / 2;
  double y = copysign(sqrt(sqrt(t * t + w / a) - t), x);
  for (int k = 0; k < 4; k++) y -= (erf(y) - x) / (2 / sqrt(M_PI) * exp(-y * y));
  return y;
}

/* -- failures that a test asks for ------------------------------------------------------------- */

namespace {

/* MOONLET_EMULATED="devices=1,memory=64,malloc=3": `memory` is what a device has, in MiB; the n-th
 * cudaMalloc fails; `launch=n`: the device is lost with the n-th piece of work; `driver=11020`: the
 * driver supports that version of CUDA, `driver=0`: there is none; `late=1`: events have not been
 * reached before somebody waits. */
int asked_for(const char *name, int otherwise) {
  const char *said = getenv("MOONLET_EMULATED");
  const size_t length = strlen(name);
  for (const char *at = said; at != NULL; at = strchr(at, ',')) {
    if (*at == ',') at++;
    if (strncmp(at, name, length) == 0 && at[length] == '=') return atoi(at + length + 1);
  }
  return otherwise;
}

enum { DEVICES = 2, RUNTIME = 13000 };
thread_local int current;
thread_local cudaError_t last;
cudaError_t lost = cudaSuccess; /* what the device died of: the answer to everything */
size_t reserved[DEVICES];

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

int device_count() {
  static const int n = asked_for("devices", DEVICES);
  return n < DEVICES ? n : DEVICES;
}

/* Is there a device that answers? */
cudaError_t state() {
  static const int driver = asked_for("driver", RUNTIME);
  if (driver < RUNTIME) return note(cudaErrorInsufficientDriver);
  if (device_count() == 0) return note(cudaErrorNoDevice);
  return note(lost);
}

size_t memory_of_device() {
  static const size_t bytes = (size_t)asked_for("memory", (int)(memory / DEVICES >> 20)) << 20;
  return bytes;
}

double now() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

}  // namespace

/* -- streams, events and graphs ---------------------------------------------------------------- */

struct CUgraph_st { std::vector<std::function<cudaError_t()>> work; };
struct CUgraphExec_st { std::vector<std::function<cudaError_t()>> work; };
struct CUstream_st { CUgraph_st *capturing; bool spoilt; };
struct CUevent_st {
  double at;
  bool timing, reached;
};

cudaError_t emulated_work(void *stream, std::function<cudaError_t()> work) {
  static const int dies = asked_for("launch", 0);
  static int done;
  cudaStream_t s = static_cast<cudaStream_t>(stream);
  if (state() != cudaSuccess) return last;
  if (s != NULL && s->capturing != NULL) {
    s->capturing->work.push_back(std::move(work));
    return cudaSuccess;
  }
  if (++done == dies) return note(lost = cudaErrorIllegalAddress);
  working++;
  const cudaError_t error = work();
  working--;
  return note(error);
}

static void spoil_capture() {
  cudaStream_t stream = static_cast<cudaStream_t>(tn_cuda_stream());
  if (stream != NULL && stream->capturing != NULL) stream->spoilt = true;
}

/* What waits for a stream that is being captured spoils the capture. */
static cudaError_t wait_for(cudaStream_t stream) {
  if (stream == NULL || stream->capturing == NULL) return state();
  stream->spoilt = true;
  return note(cudaErrorStreamCaptureUnsupported);
}

/* -- the runtime ------------------------------------------------------------------------------- */

extern "C" {

const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation  ? "out of memory"
         : error == cudaErrorIllegalAddress ? "an illegal memory access was encountered"
                                            : "an error of the emulator";
}

const char *cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation  ? "cudaErrorMemoryAllocation"
         : error == cudaErrorIllegalAddress ? "cudaErrorIllegalAddress"
                                            : "cudaErrorEmulated";
}

cudaError_t cudaGetLastError(void) {
  cudaError_t error = last;
  last = cudaSuccess;
  return error;
}

cudaError_t cudaDriverGetVersion(int *version) {
  return *version = asked_for("driver", RUNTIME), cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = RUNTIME, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int *count) { return *count = device_count(), state(); }
cudaError_t cudaGetDevice(int *device) { return *device = current, state(); }

cudaError_t cudaSetDevice(int device) {
  if (state() != cudaSuccess) return last;
  if (device < 0 || device >= device_count()) return note(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}

/* One: large tensors then take several rounds of few blocks. */
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr, int) {
  return *value = 1, cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  if (device < 0 || device >= device_count()) return note(cudaErrorInvalidDevice);
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "emulated on the CPU");
  p->major = 9;
  p->multiProcessorCount = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) { return state(); }
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *bytes) {
  *bytes = memory_of_device();
  *free_bytes = *bytes - reserved[current];
  return state();
}
cudaError_t cudaDeviceCanAccessPeer(int *can, int, int) { return *can = 1, state(); }
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return state(); }

static std::map<void *, int> owners;

cudaError_t cudaMalloc(void **out, size_t bytes) {
  static const int fails = asked_for("malloc", 0);
  static int calls;
  if (state() != cudaSuccess) return last;
  *out = NULL;
  if (++calls != fails && bytes <= memory_of_device() - reserved[current]) *out = take(bytes);
  if (*out == NULL) return note(cudaErrorMemoryAllocation);
  reserved[current] += sizes.at(*out);
  owners[*out] = current;
  return cudaSuccess;
}

cudaError_t cudaFree(void *data) {
  if (data == NULL || state() != cudaSuccess) return last;
  reserved[owners.at(data)] -= sizes.at(data);
  owners.erase(data);
  give_back(data);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned) {
  if (state() != cudaSuccess) return last;
  *out = malloc(bytes);
  return *out != NULL ? cudaSuccess : note(cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *data) {
  free(data);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned, int) {
  *out = new CUstream_st();
  return state();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return wait_for(stream); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return wait_for(stream); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned) {
  return wait_for(stream);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags) {
  *out = new CUevent_st();
  (*out)->timing = !(flags & cudaEventDisableTiming);
  return state();
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  static const bool late = asked_for("late", 0) != 0;
  event->at = now();
  event->reached = !late;
  return wait_for(stream);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (state() != cudaSuccess) return last;
  return event->reached ? cudaSuccess : note(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  event->reached = true;
  return state();
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!begin->timing || !end->timing) return note(cudaErrorInvalidValue);
  if (!begin->reached || !end->reached) return note(cudaErrorNotReady);
  *milliseconds = (float)(end->at - begin->at);
  return state();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode) {
  if (stream == NULL || stream->capturing != NULL) return note(cudaErrorStreamCaptureUnsupported);
  stream->capturing = new CUgraph_st();
  stream->spoilt = false;
  return state();
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out) {
  *out = NULL;
  if (stream == NULL || stream->capturing == NULL) return note(cudaErrorInvalidValue);
  if (stream->spoilt) {
    delete stream->capturing;
    stream->capturing = NULL;
    return note(cudaErrorStreamCaptureInvalidated);
  }
  *out = stream->capturing;
  stream->capturing = NULL;
  return state();
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long) {
  *out = new CUgraphExec_st{graph->work};
  return state();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  return emulated_work(stream, [=] {
    for (const auto &work : graph->work) {
      const cudaError_t error = work();
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind) {
  if (state() != cudaSuccess) return last;
  device_memory open;
  memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind,
                            cudaStream_t stream) {
  return emulated_work(stream, [=] {
    device_memory open;
    memmove(to, from, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyPeerAsync(void *to, int, const void *from, int, size_t bytes,
                                cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  return emulated_work(stream, [=] {
    device_memory open;
    memset(to, value, bytes);
    return cudaSuccess;
  });
}

}  // extern "C"
