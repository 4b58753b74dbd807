/* context.c -- everything that would be global elsewhere. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tensor/cpu/fft.h"
#include "tensor/cpu/onednn.h"
#include "tensor/internal.h"

/* Plans for libraries are made once for all contexts, and freed with the last of these: a guest
 * that is unloaded leaves nothing behind. */
static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;
static int contexts;

static void count_context(int change) {
  pthread_mutex_lock(&contexts_lock);
  contexts += change;
  if (contexts == 0) {
    tn__fft_forget();
    tn__onednn_forget();
  }
  pthread_mutex_unlock(&contexts_lock);
}

static int default_threads(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > 64 ? 64 : (int)n;
}

tn_ctx *tn_open(const tn_config *config) {
  tn_config c = {0};
  if (config != NULL) {
    memcpy(&c, config, config->size > 0 && config->size < sizeof c ? config->size : sizeof c);
  }
  tn_ctx *ctx = calloc(1, sizeof *ctx);
  if (ctx == NULL) return NULL;
  count_context(1);
  ctx->allocator = tn__allocator_new(c.memory_limit, c.budget);
  ctx->pool = tn__pool_new(c.threads > 0 ? c.threads : default_threads());
  if (ctx->allocator == NULL || ctx->pool == NULL) {
    tn_close(ctx);
    return NULL;
  }
  if (c.parallel != NULL) tn__pool_use_host(ctx->pool, c.parallel, c.parallel_user);
  ctx->grad_enabled = true;
  ctx->default_dtype = TN_F32;
  ctx->index_base = c.index_base;
  ctx->interrupted = c.interrupted;
  ctx->user = c.user;
  tn__pool_watch(ctx->pool, c.interrupted, c.user);
  tn__pool_budget(ctx->pool, c.budget);
  tn_seed(&ctx->generator, 5489);
  return ctx;
}

void tn_close(tn_ctx *ctx) {
  if (ctx == NULL) return;
  if (ctx->pool != NULL) tn__pool_free(ctx->pool);
  if (ctx->allocator != NULL) tn__allocator_close(ctx->allocator);
  free(ctx);
  count_context(-1);
}

const char *tn_message(const tn_ctx *ctx) { return ctx->message; }
tn_memory_stats tn_memory(const tn_ctx *ctx) { return tn__memory_stats(ctx->allocator); }
size_t tn_live_bytes(const tn_ctx *ctx) { return tn__live_bytes(ctx->allocator); }
size_t tn_set_memory_limit(tn_ctx *ctx, size_t bytes) {
  return tn__set_memory_limit(ctx->allocator, bytes);
}

void tn_memory_trim(tn_ctx *ctx) { tn__memory_trim(ctx->allocator); }
int tn_threads(const tn_ctx *ctx) { return tn__pool_threads(ctx->pool); }

tn_status tn_set_threads(tn_ctx *ctx, int threads) {
  if (threads < 0 || threads > 1024) {
    return tn_fail(ctx, TN_EARG, "a number of threads up to 1024 expected (0: one per core), got %d",
                   threads);
  }
  tn__pool_set_threads(ctx->pool, threads);
  return TN_OK;
}

void tn_set_user(tn_ctx *ctx, void *user) {
  ctx->user = user;
  tn__pool_watch(ctx->pool, ctx->interrupted, user);
}
void *tn_user(const tn_ctx *ctx) { return ctx->user; }
tn_dtype tn_default_dtype(const tn_ctx *ctx) { return (tn_dtype)ctx->default_dtype; }

tn_status tn_set_default_dtype(tn_ctx *ctx, tn_dtype dtype) {
  ctx->default_dtype = (uint8_t)dtype;
  return TN_OK;
}

bool tn_grad_enabled(const tn_ctx *ctx) { return ctx->grad_enabled; }

bool tn_set_grad_enabled(tn_ctx *ctx, bool on) {
  bool was = ctx->grad_enabled;
  ctx->grad_enabled = on;
  return was;
}

tn_dtype tn_autocast_dtype(const tn_ctx *ctx) { return (tn_dtype)ctx->autocast; }

tn_status tn_set_autocast(tn_ctx *ctx, tn_dtype dtype) {
  if (dtype != TN_AUTOCAST_OFF && dtype != TN_BF16 && dtype != TN_F16) {
    return tn_fail(ctx, TN_EDTYPE, "autocast: bfloat16 or float16 expected, got %s",
                   tn_dtype_name(dtype));
  }
  ctx->autocast = (uint8_t)dtype;
  return TN_OK;
}

tn_status tn_fail(tn_ctx *ctx, tn_status status, const char *format, ...) {
  char text[TN_MESSAGE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (ctx->op != NULL) {
    snprintf(ctx->message, sizeof ctx->message, "%s: %.470s", ctx->op->name, text);
  } else {
    snprintf(ctx->message, sizeof ctx->message, "%.500s", text);
  }
  return status;
}
