/* bind.h -- what the bindings of tensors to Lua share. The only files that see both lua.h and
 * tensor.h are vm/bind*.c and vm/host_tensor.c. */
#ifndef MOONLET_BIND_H
#define MOONLET_BIND_H

#include <signal.h>

#include "state_limits.h"
#include "lua_compat.h"
#include "tensor/tensor.h"

/* A userdata that holds a tensor, or (with another magic) a storage. Created empty before the
 * core is asked for what goes into it, so that no Lua error can lose a reference. */
typedef struct {
  const void *magic;
  tn_tensor *t;
} tensor_box;

typedef struct {
  const void *magic;
  tn_storage *s;
  tn_dtype dtype;
} storage_box;

/* No more elements can be asked for: their bytes have to fit a size_t, also one of 32 bits. */
#define BIND_MOST ((int64_t)1 << (SIZE_MAX > UINT32_MAX ? 46 : 27))

/* One per Lua state, anchored in the registry; upvalue 1 of every function here. */
typedef struct binding {
  tn_ctx *ctx;
  lua_State *L; /* running now, or one of our own: for callbacks of the core */
  size_t collect_at;  /* live bytes at which the collector is run, */
  size_t room;        /* so many more than after it ran last, */
  double collected;   /* which was then, in seconds */
  int boxes, collect_boxes; /* or this many tensors made since it ran */
  /* registry references, by where the memory lies; those of a GPU are 0 until they are needed */
  int tensor_mt[TN_DEVICE_TYPES][TN_DTYPE_COUNT], storage_mt[TN_DEVICE_TYPES][TN_DTYPE_COUNT];
  bool ready; /* everything is in place */
  tn_device device; /* of new tensors, where nothing else is said */
  volatile sig_atomic_t *interrupt; /* not 0: Ctrl-C waits to be noticed */
  moonlet_limits *limits; /* of a state that moonlet_open made, or NULL */
  bool governed, sandbox; /* as they say */
  int threads;            /* as many as there were at first */
} binding;

/* The same of a generator of random numbers: one of its own, or the context's. */
typedef struct {
  const void *magic;
  tn_generator *generator, own;
} generator_box;

extern const char bind_tensor_magic, bind_storage_magic, bind_generator_magic;

/* Raises an error: a finalizer of a script's that runs while its state closes, and wants tensors. */
void bind_closed(lua_State *L);

static inline binding *bind_state(lua_State *L) {
  binding *b = (binding *)lua_touserdata(L, lua_upvalueindex(1));
  if (b->ctx == NULL) bind_closed(L);
  return b;
}

/* The same from anywhere, or NULL where torch.core is not open. May raise. */
binding *bind_find(lua_State *L);

/* The tensor at `index`, or NULL. Borrowed: it lives as long as the value on the stack. */
static inline tn_tensor *bind_to_tensor(lua_State *L, int index) {
  const tensor_box *box = (const tensor_box *)lua_touserdata(L, index);
  /* the length of a light userdata is 0 */
  if (box == NULL || lua_rawlen(L, index) < sizeof *box || box->magic != &bind_tensor_magic) {
    return NULL;
  }
  return box->t;
}

static inline storage_box *bind_to_storage(lua_State *L, int index) {
  storage_box *box = (storage_box *)lua_touserdata(L, index);
  if (box == NULL || lua_rawlen(L, index) < sizeof *box || box->magic != &bind_storage_magic ||
      box->s == NULL) { /* finalised: its state is closing */
    return NULL;
  }
  return box;
}

static inline tn_generator *bind_to_generator(lua_State *L, int index) {
  const generator_box *box = (const generator_box *)lua_touserdata(L, index);
  if (box == NULL || lua_rawlen(L, index) < sizeof *box || box->magic != &bind_generator_magic) {
    return NULL;
  }
  return box->generator;
}

tn_tensor *bind_check_tensor(lua_State *L, int index, const char *function);
storage_box *bind_check_storage(lua_State *L, int index, const char *function);

/* The plan in what torch.plan.begin gave, borrowed, or NULL: field entry.plan of an nn.Frozen that
 * has run holds such a value. */
tn_plan *bind_to_plan(lua_State *L, int index);

/* Pushes an empty box; bind_fill gives the one at `index` its tensor (a reference) and its
 * metatable, and raises nothing. */
tensor_box *bind_new_box(lua_State *L);
void bind_fill(lua_State *L, binding *b, int index, tn_tensor *t);
/* The same, but where `as_number` and the tensor has neither dimension nor recorded gradient, the
 * number in it replaces the box. */
void bind_result_at(lua_State *L, binding *b, int index, tn_tensor *t, bool as_number);
storage_box *bind_new_storage(lua_State *L, binding *b, tn_dtype dtype);
/* The storage in the box at `index` is there now: its metatable is that of its place. */
void bind_settle_storage(lua_State *L, binding *b, int index);
/* Pushes a LongStorage of these numbers. */
void bind_push_sizes(lua_State *L, binding *b, int n, const int64_t *sizes);
void bind_push_number(lua_State *L, const tn_tensor *t, int64_t index);

/* Pushes the position of the nearest Lua function that called: "train.lua:12: ". */
void bind_where(lua_State *L);
/* Raises an error, as luaL_error, but with printf's formats: %lld for whole numbers of any size. */
int bind_error(lua_State *L, const char *format, ...) TN_PRINTF(2, 3);
/* A failure that bind_check does not raise: the host is told when it was for want of memory. */
void bind_note(binding *b, tn_status s);
/* Raises the context's message unless s is TN_OK; a full memory has been collected before. */
void bind_check(lua_State *L, binding *b, tn_status s);
/* Runs the collector when tensors have taken much memory since it ran last. */
void bind_pressure(lua_State *L, binding *b);
void bind_collect(lua_State *L, binding *b);

/* Sizes from the arguments at `first` on: numbers, one LongStorage or one table. Returns how many;
 * -1 when there are none such. `last`: index of the last argument used. */
int bind_sizes(lua_State *L, int first, int64_t *sizes, int most, int *last);
/* "torch.FloatTensor", "float32", "Float" → dtype; false for anything else. */
bool bind_dtype(const char *name, tn_dtype *out);

/* bind_types.c: the types of tensors by name. "torch.FloatTensor" says a dtype and a place, the CPU,
 * "torch.CudaTensor" another place; "float32" says a dtype alone: then `placed` is false. */
typedef struct {
  tn_dtype dtype;
  tn_device_type where;
  bool placed;
} bind_type;

enum { BIND_TYPE_TEXT = 32 };

/* Which kind of place a device is. */
static inline tn_device_type bind_place_of(tn_device device) {
  return (tn_device_type)(device & 0xff);
}

bool bind_read_type(const char *name, bind_type *out);
/* "Float", "CudaDouble", and "Cuda" for float32 on a GPU. */
const char *bind_type_word(tn_device device, tn_dtype dtype, char text[BIND_TYPE_TEXT]);
/* Makes the metatables of a GPU's tensors, unless they are there. Whoever lets the first tensor of a
 * GPU in calls this. */
void bind_device_types(lua_State *L, binding *b);
/* The device that a type names: that of `now` where it is of this kind, else the current one. */
tn_device bind_type_device(lua_State *L, binding *b, const bind_type *type, tn_device now);
int64_t bind_check_int(lua_State *L, int index, const char *function, const char *what);
/* A plain number as a tensor that is weak in promotion. */
tn_status bind_number_tensor(tn_ctx *ctx, tn_tensor **out, double value);

/* The device that the string at `index` names, or an error; it opens the GPU's plug-in. */
tn_device bind_check_device(lua_State *L, binding *b, int index, const char *function);
/* The GPU at `index`: 'cuda:0', a number from 1, or nothing for the current one. */
tn_device bind_check_gpu(lua_State *L, binding *b, int index, const char *function);
/* Raises an error for a tensor whose memory the host cannot read. */
void bind_on_cpu(lua_State *L, const tn_tensor *t, const char *function);
void bind_bytes_on_cpu(lua_State *L, const storage_box *box, const char *function);

/* Pushes a new tensor of undefined values, from the arguments at `first` and on: sizes, and options
 * as torch.zeros takes them. */
tn_tensor *bind_make_empty(lua_State *L, binding *b, int first, const char *function);

/* Adds functions to the table on the top of the stack, with the binding as their upvalue. */
void bind_register(lua_State *L, binding *b, const luaL_Reg *functions);

/* Each of these files adds its part: functions to the core table at index `core`, and methods to
 * the table of tensor methods at index `methods`. */
void bind_open_calls(lua_State *L, binding *b, int core, int methods);
void bind_open_tensor(lua_State *L, binding *b, int core, int methods);
void bind_open_device(lua_State *L, binding *b, int core, int methods);
void bind_open_types(lua_State *L, binding *b, int core, int methods);
void bind_open_cuda(lua_State *L, binding *b, int cuda, int methods); /* cuda: the table torch.cuda */
void bind_open_index(lua_State *L, binding *b, int mt);
/* What `x.name` and `s[i]` do, for the metatable at mt; names that it has not are looked for in the
 * one at `more`. */
void bind_tensor_index(lua_State *L, binding *b, int mt, int more);
void bind_storage_index(lua_State *L, binding *b, int mt);
/* Pushes torch.XTensor, torch.XStorage. */
void bind_tensor_constructor(lua_State *L, binding *b, tn_dtype dtype, tn_device_type where);
void bind_storage_constructor(lua_State *L, binding *b, tn_dtype dtype, tn_device_type where);
void bind_open_make(lua_State *L, binding *b, int core, int methods);
void bind_open_random(lua_State *L, binding *b, int core, int methods);
void bind_open_memory(lua_State *L, binding *b, int core);
void bind_open_storage(lua_State *L, binding *b, int core, int methods);
void bind_open_grad(lua_State *L, binding *b, int core, int methods);
void bind_open_system(lua_State *L, binding *b, int core);
void bind_open_plan(lua_State *L, binding *b, int core);
void bind_open_file(lua_State *L, binding *b, int core);
void bind_open_json(lua_State *L, binding *b, int core);

/* `==` of the metatable at index mt: the same object. */
void bind_share_equality(lua_State *L, binding *b, int mt);

#endif
