/* host_tensor.c -- tensors that the host holds, makes, lends and reads.
 *
 * A handle is a tensor of tensor/ with a header of its own, so that nothing a script does to its
 * tensor's shape, type or gradient is seen in it; and its storage cannot grow while the handle is
 * there, so that the address of the data stays what it is. */
#include "host.h"

#include "bind.h"
#include "packages.h"

#include <stdlib.h>
#include <string.h>

#define SAME(name, dtype) _Static_assert((int)MOONLET_##name == (int)TN_##dtype, #name)
SAME(BOOL, BOOL);
SAME(UINT8, U8);
SAME(INT8, I8);
SAME(INT16, I16);
SAME(INT32, I32);
SAME(INT64, I64);
SAME(FLOAT16, F16);
SAME(BFLOAT16, BF16);
SAME(FLOAT32, F32);
SAME(FLOAT64, F64);
_Static_assert(MOONLET_MAX_DIMS == TN_MAX_DIMS, "as many dimensions");

/* -- Lua's side -------------------------------------------------------------------------------- */

void moonlet__find_torch(lua_State *L, moonlet *m, bool load) {
  if (!m->binding && load) {
    moonlet_packages_require(L);
    lua_pushliteral(L, "torch");
    lua_call(L, 1, 0);
  }
  if (!m->binding) m->binding = bind_find(L);
}

moonlet_type moonlet__type_at(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TNONE: return MOONLET_NONE;
  case LUA_TNIL: return MOONLET_NIL;
  case LUA_TBOOLEAN: return MOONLET_BOOLEAN;
  case LUA_TNUMBER: return MOONLET_NUMBER;
  case LUA_TSTRING: return MOONLET_TEXT;
  case LUA_TTABLE: return MOONLET_TABLE;
  case LUA_TFUNCTION: return MOONLET_CALLABLE;
  case LUA_TLIGHTUSERDATA: return MOONLET_POINTER;
  default: return bind_to_tensor(L, index) ? MOONLET_TENSOR : MOONLET_OTHER;
  }
}

void moonlet__push_tensor(lua_State *L, moonlet *m, moonlet_tensor *t) {
  tn_tensor *alias = NULL;
  if (!t) {
    lua_pushnil(L);
    return;
  }
  moonlet__find_torch(L, m, true);
  binding *b = m->binding;
  bind_pressure(L, b);
  if (tn_tensor_device(t) != TN_CPU) bind_device_types(L, b);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_detach(b->ctx, &alias, t));
  bind_fill(L, b, lua_gettop(L), alias);
}

/* A handle for a tensor that Lua has. */
static tn_status new_handle(tn_ctx *ctx, tn_tensor **out, tn_tensor *t) {
  tn_storage *whole = tn_tensor_storage(t), *part = NULL;
  if (!whole || tn_tensor_device(t) != TN_CPU) return tn_tensor_detach(ctx, out, t);
  tn_status s = tn_storage_part(ctx, &part, whole, 0, tn_storage_bytes(whole));
  if (s == TN_OK) {
    s = tn_tensor_view(ctx, out, part, tn_tensor_dtype(t), tn_tensor_ndim(t), tn_tensor_sizes(t),
                       tn_tensor_strides(t), tn_tensor_offset(t));
    tn_storage_release(part);
  }
  if (s == TN_OK) tn_storage_share(whole);
  return s;
}

moonlet_tensor *moonlet__tensor_at(lua_State *L, moonlet *m, int index, bool *short_of) {
  tn_tensor *t = bind_to_tensor(L, index), *out = NULL;
  if (t && m->binding) *short_of = new_handle(m->binding->ctx, &out, t) != TN_OK;
  return out;
}

bool moonlet__is_float_dtype(const char *name) {
  tn_dtype dtype;
  return bind_dtype(name, &dtype) && tn_dtype_is_float(dtype);
}

void moonlet__set_defaults(lua_State *L, moonlet *m, const char *dtype, const char *device) {
  if (dtype) {
    lua_pushstring(L, dtype);
    lua_setfield(L, LUA_REGISTRYINDEX, MOONLET_KEY_DTYPE);
  }
  if (!device || strcmp(device, "cpu") == 0) return;
  moonlet__find_torch(L, m, true);
  bind_check(L, m->binding, tn_device_parse(m->binding->ctx, &m->binding->device, device));
  bind_device_types(L, m->binding);
}

void moonlet__swap_mode(lua_State *L, moonlet *m, moonlet_mode *mode) {
  static const moonlet_mode fresh = {true, true, TN_AUTOCAST_OFF};
  if (!m->binding) m->binding = bind_find(L);
  if (!m->binding) {
    *mode = fresh; /* should torch open meanwhile, the caller's is this */
    return;
  }
  tn_ctx *ctx = m->binding->ctx;
  moonlet_mode now = {true, tn_grad_enabled(ctx), tn_autocast_dtype(ctx)};
  if (mode->known) {
    tn_set_grad_enabled(ctx, mode->grad);
    tn_set_autocast(ctx, (tn_dtype)mode->autocast);
  }
  *mode = now;
}

bool moonlet__is_memory_error(const moonlet *m, const char *text) {
  const char *message = m->binding ? tn_message(m->binding->ctx) : "";
  return strstr(message, "not enough memory") && strstr(text, message);
}

/* -- making ------------------------------------------------------------------------------------ */

/* Where new tensors come from: a state, whose memory limit counts, or nowhere in particular. */
typedef struct {
  moonlet *m;
  tn_ctx *ctx;
} maker;

static int load_torch(lua_State *L) {
  const moonlet_job *j = lua_touserdata(L, 1);
  moonlet__find_torch(L, j->m, true);
  return 0;
}

static int look_for_torch(lua_State *L) {
  const moonlet_job *j = lua_touserdata(L, 1);
  moonlet__find_torch(L, j->m, false);
  return 0;
}

static moonlet_status begin(maker *k, moonlet *m) {
  static const tn_config alone = {.size = sizeof alone, .threads = 1};
  k->m = m;
  if (!m) {
    k->ctx = tn_open(&alone);
    return k->ctx ? MOONLET_OK : moonlet__refuse(m, MOONLET_ENOMEM, "not enough memory");
  }
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  moonlet_job j = {.name = NULL};
  if (!m->binding) status = moonlet__protect(m, load_torch, &j);
  if (status != MOONLET_OK) return moonlet__leave(m, status);
  k->ctx = m->binding->ctx;
  return MOONLET_OK;
}

static moonlet_status end(maker *k, tn_status s) {
  moonlet_status status = s == TN_OK ? MOONLET_OK : s == TN_ENOMEM ? MOONLET_ENOMEM : MOONLET_EARG;
  if (k->m) {
    if (s != TN_OK) moonlet__fail(k->m, status, tn_message(k->ctx));
    return moonlet__leave(k->m, status);
  }
  if (s != TN_OK) {
    moonlet__refuse(NULL, status,
                    s == TN_ENOMEM ? "not enough memory" : "a tensor of sizes without sense");
  }
  tn_close(k->ctx);
  return status;
}

/* Fails, with a text that is a constant, where the arguments of `function` make no sense. */
static moonlet_status bad_argument(moonlet *m, const char *text) {
  if (!m) return moonlet__refuse(NULL, MOONLET_EARG, text);
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  return moonlet__leave(m, moonlet__fail(m, MOONLET_EARG, text));
}

static const char *check_shape(moonlet_tensor **out, moonlet_dtype dtype, int ndim,
                               const int64_t *sizes) {
  if (!out) return "moonlet_tensor: nowhere to put the tensor";
  *out = NULL;
  if ((int)dtype < 0 || (int)dtype >= TN_DTYPE_COUNT) return "moonlet_tensor: no such type";
  if (ndim < 0 || ndim > TN_MAX_DIMS || (ndim > 0 && !sizes))
    return "moonlet_tensor: between 0 and 8 dimensions, and their sizes, expected";
  for (int d = 0; d < ndim; d++)
    if (sizes[d] < 0) return "moonlet_tensor: a size below 0";
  return NULL;
}

moonlet_status moonlet_tensor_new(moonlet *m, moonlet_tensor **out, moonlet_dtype dtype, int ndim,
                                  const int64_t *sizes) {
  maker k;
  tn_tensor *t = NULL;
  const char *wrong = check_shape(out, dtype, ndim, sizes);
  if (wrong) return bad_argument(m, wrong);
  moonlet_status status = begin(&k, m);
  if (status != MOONLET_OK) return status;
  tn_status s = tn_tensor_new(k.ctx, &t, (tn_dtype)dtype, ndim, sizes);
  if (s == TN_ENOMEM && m) {
    moonlet__collect_all(m);
    s = tn_tensor_new(k.ctx, &t, (tn_dtype)dtype, ndim, sizes);
  }
  if (s == TN_OK) {
    memset(tn_tensor_data(t), 0, (size_t)tn_tensor_numel(t) * tn_dtype_size((tn_dtype)dtype));
    s = new_handle(k.ctx, out, t);
  }
  tn_tensor_release(t);
  return end(&k, s);
}

/* What to call when memory of the host is not needed any more. */
typedef struct {
  void (*release)(void *user);
  void *user;
} lender;

static void give_back(void *arg) {
  lender *l = arg;
  if (l->release) l->release(l->user);
  free(l);
}

/* How many elements from the first to the last one, both included; -1: without sense. */
static int64_t reach(int ndim, const int64_t *sizes, const int64_t *strides) {
  int64_t last = 0, step;
  for (int d = 0; d < ndim; d++)
    if (sizes[d] == 0) return 0;
  for (int d = 0; d < ndim; d++) {
    if (strides[d] < 0 || __builtin_mul_overflow(sizes[d] - 1, strides[d], &step) ||
        __builtin_add_overflow(last, step, &last) || last > (int64_t)1 << 46)
      return -1;
  }
  return last + 1;
}

static int64_t contiguous_reach(int ndim, const int64_t *sizes) {
  int64_t count = 1;
  for (int d = 0; d < ndim; d++)
    if (sizes[d] == 0) return 0;
  for (int d = 0; d < ndim; d++)
    if (__builtin_mul_overflow(count, sizes[d], &count) || count > (int64_t)1 << 46) return -1;
  return count;
}

moonlet_status moonlet_tensor_borrow(moonlet *m, moonlet_tensor **out, moonlet_dtype dtype,
                                     int ndim, const int64_t *sizes, const int64_t *strides,
                                     void *data, void (*release)(void *user), void *user) {
  maker k;
  tn_storage *storage = NULL;
  const char *wrong = check_shape(out, dtype, ndim, sizes);
  if (wrong) return bad_argument(m, wrong);
  const size_t item = tn_dtype_size((tn_dtype)dtype);
  const int64_t elements = strides ? reach(ndim, sizes, strides) : contiguous_reach(ndim, sizes);
  if (elements < 0) return bad_argument(m, "moonlet_tensor_borrow: sizes or strides out of range");
  if ((!data && elements > 0) || (uintptr_t)data % item != 0)
    return bad_argument(m, "moonlet_tensor_borrow: data is NULL, or not aligned for the type");
  moonlet_status status = begin(&k, m);
  if (status != MOONLET_OK) return status;
  lender *l = malloc(sizeof *l);
  if (!l) return end(&k, tn_fail(k.ctx, TN_ENOMEM, "not enough memory"));
  *l = (lender){NULL, user}; /* until all has gone well, the memory stays the caller's */
  tn_status s = tn_storage_borrow(k.ctx, &storage, data, (size_t)elements * item, give_back, l);
  if (s != TN_OK) free(l);
  if (s == TN_OK)
    s = tn_tensor_view(k.ctx, out, storage, (tn_dtype)dtype, ndim, sizes, strides, 0);
  if (s == TN_OK) l->release = release;
  tn_storage_release(storage);
  return end(&k, s);
}

/* -- looking ----------------------------------------------------------------------------------- */

size_t moonlet_dtype_size(moonlet_dtype dtype) {
  return (int)dtype < 0 || (int)dtype >= TN_DTYPE_COUNT ? 0 : tn_dtype_size((tn_dtype)dtype);
}

moonlet_tensor *moonlet_tensor_retain(moonlet_tensor *t) {
  return tn_tensor_retain(t);
}

void moonlet_tensor_release(moonlet_tensor *t) {
  tn_tensor_release(t);
}

void *moonlet_tensor_data(const moonlet_tensor *t) {
  if (!t || tn_tensor_device(t) != TN_CPU || tn_tensor_numel(t) == 0) return NULL;
  return tn_tensor_data(t);
}

moonlet_dtype moonlet_tensor_dtype(const moonlet_tensor *t) {
  return t ? (moonlet_dtype)tn_tensor_dtype(t) : MOONLET_FLOAT32;
}

int moonlet_tensor_ndim(const moonlet_tensor *t) {
  return t ? tn_tensor_ndim(t) : 0;
}

const int64_t *moonlet_tensor_sizes(const moonlet_tensor *t) {
  return t ? tn_tensor_sizes(t) : NULL;
}

const int64_t *moonlet_tensor_strides(const moonlet_tensor *t) {
  return t ? tn_tensor_strides(t) : NULL;
}

int64_t moonlet_tensor_numel(const moonlet_tensor *t) {
  return t ? tn_tensor_numel(t) : 0;
}

int moonlet_tensor_is_contiguous(const moonlet_tensor *t) {
  return t && tn_tensor_is_contiguous(t);
}

int moonlet_tensor_is_on_cpu(const moonlet_tensor *t) {
  return t && tn_tensor_device(t) == TN_CPU;
}

/* -- copying out ------------------------------------------------------------------------------- */

/* Copies dimension d and those after it; returns where the next element goes. */
static char *copy_dimension(const tn_tensor *t, int d, const char *from, char *to, size_t item) {
  if (d == tn_tensor_ndim(t)) {
    memcpy(to, from, item);
    return to + item;
  }
  const int64_t n = tn_tensor_sizes(t)[d], step = tn_tensor_strides(t)[d] * (int64_t)item;
  if (d == tn_tensor_ndim(t) - 1 && step == (int64_t)item) {
    memcpy(to, from, (size_t)n * item);
    return to + (size_t)n * item;
  }
  for (int64_t i = 0; i < n; i++) to = copy_dimension(t, d + 1, from + i * step, to, item);
  return to;
}

/* From a device, through a tensor on the CPU. */
static tn_status copy_from_device(const tn_tensor *t, void *to, size_t item) {
  maker k;
  tn_tensor *here = NULL;
  if (begin(&k, NULL) != MOONLET_OK) return TN_ENOMEM;
  tn_status s = tn_tensor_to(k.ctx, &here, (tn_tensor *)(uintptr_t)t, TN_CPU, tn_tensor_dtype(t));
  if (s == TN_OK) copy_dimension(here, 0, tn_tensor_data(here), to, item);
  tn_tensor_release(here);
  tn_close(k.ctx);
  return s;
}

moonlet_status moonlet_tensor_copy(const moonlet_tensor *t, void *to, size_t size) {
  if (!t || !to)
    return moonlet__refuse(NULL, MOONLET_EARG, "moonlet_tensor_copy: an argument is NULL");
  const size_t item = tn_dtype_size(tn_tensor_dtype(t)), count = (size_t)tn_tensor_numel(t);
  if (size != count * item) {
    return moonlet__refuse(NULL, MOONLET_EARG,
                           "moonlet_tensor_copy: the size is not that of the tensor's elements");
  }
  if (count == 0) return MOONLET_OK;
  if (tn_tensor_device(t) == TN_CPU) {
    copy_dimension(t, 0, tn_tensor_data(t), to, item);
    return MOONLET_OK;
  }
  if (copy_from_device(t, to, item) == TN_OK) return MOONLET_OK;
  return moonlet__refuse(NULL, MOONLET_ENOMEM, "moonlet_tensor_copy: the device gave nothing");
}

/* -- how much there is ------------------------------------------------------------------------- */

moonlet_status moonlet_get_stats(moonlet *m, moonlet_stats *stats) {
  moonlet_stats all = {.size = sizeof all};
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  if (!stats || stats->size < 2 * sizeof(size_t) || stats->size > 16 * sizeof all) {
    return moonlet__leave(
        m, moonlet__fail(m, MOONLET_EARG, "moonlet_get_stats: size is not sizeof(moonlet_stats)"));
  }
  moonlet_job j = {.name = NULL};
  if (!m->binding) status = moonlet__protect(m, look_for_torch, &j);
  if (status != MOONLET_OK) return moonlet__leave(m, status);
  all.lua_bytes = moonlet_memory(m);
  all.collections = m->collections;
  if (m->binding) {
    tn_memory_stats s = tn_memory(m->binding->ctx);
    all.tensor_bytes = s.live_bytes;
    all.tensor_peak_bytes = s.peak_bytes;
    all.tensor_cached_bytes = s.cached_bytes;
    all.tensors = s.live_storages;
  }
  size_t given = stats->size;
  memset(stats, 0, given);
  memcpy(stats, &all, given < sizeof all ? given : sizeof all);
  stats->size = given;
  return moonlet__leave(m, MOONLET_OK);
}

moonlet_status moonlet_trim(moonlet *m) {
  moonlet_status status = moonlet__enter(m);
  if (status != MOONLET_OK) return status;
  moonlet_job j = {.name = NULL};
  if (!m->binding) status = moonlet__protect(m, look_for_torch, &j);
  if (m->binding) tn_memory_trim(m->binding->ctx);
  return moonlet__leave(m, status);
}
