/* bind_random.c -- generators of random numbers, and what draws from them without being told a
 * tensor: torch.uniform(a, b), torch.randn(2, 3).
 *
 * Wherever numbers are drawn a generator may come first (in methods after the tensor), or be named
 * in a last argument {generator = g}; otherwise the state's own one is used. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "bind_sandbox.h"

const char bind_generator_magic = 'g';

static const char *const generator_key = "moonlet.generator";

/* -- Generators -------------------------------------------------------------------------------- */

/* Pushes a generator; of its own when `shared` is NULL. */
static void push_generator(lua_State *L, tn_generator *shared) {
  generator_box *box = (generator_box *)moonlet_newuserdata(L, sizeof *box);
  box->magic = &bind_generator_magic;
  tn_seed(&box->own, 5489); /* until told otherwise, the same numbers in every run, as in Torch7 */
  box->generator = shared != NULL ? shared : &box->own;
  lua_getfield(L, LUA_REGISTRYINDEX, generator_key);
  lua_setmetatable(L, -2);
}

static int new_generator(lua_State *L) {
  push_generator(L, NULL);
  return 1;
}

/* The generator that a function was given as its first argument, or the state's. `at`: where the
 * other arguments begin. */
static tn_generator *generator_of(lua_State *L, int *at) {
  tn_generator *g = bind_to_generator(L, 1);
  *at = g != NULL ? 2 : 1;
  return g != NULL ? g : tn_default_generator(bind_state(L)->ctx);
}

static double check_number(lua_State *L, int index, const char *function) {
  if (lua_type(L, index) != LUA_TNUMBER) {
    luaL_error(L, "%s: a number expected as argument %d, got %s", function, index,
               luaL_typename(L, index));
  }
  return lua_tonumber(L, index);
}

/* Whole numbers of 64 bits, signed or not; a fraction is cut off. */
static uint64_t check_seed(lua_State *L, int index, const char *function) {
  int64_t whole;
  double seed = check_number(L, index, function);
  if (moonlet_toint(L, index, &whole)) return (uint64_t)whole;
  if (!(seed >= -0x1p63 && seed < 0x1p64)) {
    luaL_error(L, "%s: a whole number of 64 bits expected as the seed, got %f", function, seed);
  }
  return seed < 0 ? (uint64_t)(int64_t)seed : (uint64_t)seed;
}

/* Returns the generator where one was given, for gen = torch.Generator():manual_seed(1). */
static int manual_seed(lua_State *L) {
  int at;
  tn_generator *g = generator_of(L, &at);
  tn_seed(g, check_seed(L, at, "manualSeed"));
  lua_settop(L, 1);
  return at - 1;
}

static void push_seed(lua_State *L, uint64_t seed) {
#ifdef MOONLET_LUA54
  if (seed <= INT64_MAX) {
    lua_pushinteger(L, (lua_Integer)seed);
    return;
  }
#endif
  lua_pushnumber(L, (lua_Number)seed);
}

/* A seed from the system's entropy, of 53 bits, so that a number holds it. */
static int seed(lua_State *L) {
  int at;
  tn_generator *g = generator_of(L, &at);
  uint64_t bits = 0;
  if (getentropy(&bits, sizeof bits) != 0) {
    return luaL_error(L, "seed: the system gives no entropy");
  }
  tn_seed(g, bits >> 11);
  push_seed(L, g->seed);
  return 1;
}

static int initial_seed(lua_State *L) {
  int at;
  push_seed(L, generator_of(L, &at)->seed);
  return 1;
}

/* The state of a generator is two numbers: the seed and how far it has come. */
static int get_state(lua_State *L) {
  binding *b = bind_state(L);
  int at;
  const tn_generator *g = generator_of(L, &at);
  tn_tensor *t = NULL;
  int64_t n = sizeof *g;
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new(b->ctx, &t, TN_U8, 1, &n));
  memcpy(tn_tensor_data(t), g, sizeof *g);
  bind_fill(L, b, lua_gettop(L), t);
  return 1;
}

static int set_state(lua_State *L) {
  int at;
  tn_generator *g = generator_of(L, &at);
  const tn_tensor *t = bind_check_tensor(L, at, "setRNGState");
  bind_on_cpu(L, t, "setRNGState");
  if (tn_tensor_dtype(t) != TN_U8 || tn_tensor_numel(t) != (int64_t)sizeof *g) {
    return luaL_error(L, "setRNGState: what getRNGState returned expected, a ByteTensor of %d",
                      (int)sizeof *g);
  }
  unsigned char bytes[sizeof *g];
  for (int64_t i = 0; i < (int64_t)sizeof *g; i++) bytes[i] = (unsigned char)tn_tensor_get(t, i);
  memcpy(g, bytes, sizeof *g);
  lua_settop(L, 1);
  return at - 1;
}

/* -- What calls are told besides their numbers ------------------------------------------------- */

/* Where a call's other arguments begin, and what came before them. */
typedef struct {
  tn_generator *generator;
  tn_tensor *res;
  int at, first; /* where res is, and the next argument */
} head;

/* Is the last argument a table of options? */
static bool has_options(lua_State *L) {
  int top = lua_gettop(L);
  return top > 0 && lua_istable(L, top) && lua_rawlen(L, top) == 0;
}

/* Takes {generator = g} out of the options at the end, a copy of which stays; g goes to the bottom
 * of the stack, lest it be collected. */
static tn_generator *option_generator(lua_State *L, const char *function) {
  if (!has_options(L)) return NULL;
  int top = lua_gettop(L);
  lua_getfield(L, top, "generator");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  tn_generator *g = bind_to_generator(L, -1);
  if (g == NULL) luaL_error(L, "%s: the option generator must be a torch.Generator", function);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, top) != 0;) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, top + 2);
  }
  lua_pushnil(L);
  lua_setfield(L, -2, "generator");
  lua_replace(L, top);
  lua_insert(L, 1);
  return g;
}

/* ([res,] [generator,] ... [, options]) */
static head read_head(lua_State *L, const char *function) {
  tn_generator *named = option_generator(L, function);
  const int at = named != NULL ? 2 : 1;
  head h = {named, bind_to_tensor(L, at), at, at};
  if (h.res != NULL) h.first++;
  tn_generator *given = bind_to_generator(L, h.first);
  if (given != NULL) {
    h.generator = given;
    h.first++;
  }
  return h;
}

/* In place, unrecorded. */
static void fill(lua_State *L, binding *b, tn_tensor *t, tn_opcode code, const tn_attrs *attrs) {
  bool was = tn_set_grad_enabled(b->ctx, false);
  tn_status s = tn_apply_inplace(b->ctx, code, 1, &t, attrs);
  tn_set_grad_enabled(b->ctx, was);
  bind_check(L, b, s);
}

static void resize_to(lua_State *L, binding *b, tn_tensor *res, int first, const char *function) {
  int64_t sizes[TN_MAX_DIMS];
  if (lua_gettop(L) < first) return;
  int last, n = bind_sizes(L, first, sizes, TN_MAX_DIMS, &last);
  if (n < 0 || last < lua_gettop(L)) luaL_error(L, "%s: sizes expected after the tensor", function);
  bind_check(L, b, tn_tensor_resize(b->ctx, res, n, sizes, NULL));
}

/* torch.f([res,] [generator,] sizes [, options]) and res:f(sizes): res is resized and filled. */
static int sized(lua_State *L, tn_opcode code, double f0, double f1, const char *function) {
  binding *b = bind_state(L);
  head h = read_head(L, function);
  const tn_attrs attrs = {.f = {f0, f1}, .generator = h.generator};
  if (h.res == NULL) {
    fill(L, b, bind_make_empty(L, b, h.first, function), code, &attrs);
    return 1;
  }
  resize_to(L, b, h.res, h.first, function);
  fill(L, b, h.res, code, &attrs);
  lua_pushvalue(L, h.at);
  return 1;
}

static int rand_(lua_State *L) { return sized(L, TN_OP_uniform, 0, 1, "rand"); }
static int randn(lua_State *L) { return sized(L, TN_OP_normal, 0, 1, "randn"); }

/* Pushes a tensor shaped like x, of x's type and device unless options say otherwise. */
static tn_tensor *empty_like(lua_State *L, binding *b, const tn_tensor *x, tn_dtype dtype) {
  tn_tensor *t = NULL;
  bind_pressure(L, b);
  bind_new_box(L);
  bind_check(L, b, tn_tensor_new_on(b->ctx, &t, tn_tensor_device(x), dtype, tn_tensor_ndim(x),
                                    tn_tensor_sizes(x)));
  bind_fill(L, b, lua_gettop(L), t);
  return t;
}

/* The dtype that options at the end name, or `otherwise`; they are taken away. */
static tn_dtype option_dtype(lua_State *L, tn_dtype otherwise, const char *function) {
  tn_dtype dtype = otherwise;
  int top = lua_gettop(L);
  bool name = lua_type(L, top) == LUA_TSTRING;
  if (!name && !has_options(L)) return dtype;
  if (!name) lua_getfield(L, top, "dtype");
  if (!lua_isnil(L, -1) &&
      (lua_type(L, -1) != LUA_TSTRING || !bind_dtype(lua_tostring(L, -1), &dtype))) {
    luaL_error(L, "%s: dtype must be the name of a type", function);
  }
  lua_settop(L, top - 1);
  return dtype;
}

/* torch.f([generator,] x, ... [, options]): x is the head's res. */
static head like_head(lua_State *L, const char *function) {
  head h = read_head(L, function);
  if (h.res == NULL) h.res = bind_check_tensor(L, h.first++, function);
  return h;
}

static int like(lua_State *L, tn_opcode code, double f0, double f1, const char *function) {
  binding *b = bind_state(L);
  head h = like_head(L, function);
  const tn_attrs attrs = {.f = {f0, f1}, .generator = h.generator};
  tn_dtype dtype = option_dtype(L, tn_tensor_dtype(h.res), function);
  fill(L, b, empty_like(L, b, h.res, dtype), code, &attrs);
  return 1;
}

static int rand_like(lua_State *L) { return like(L, TN_OP_uniform, 0, 1, "rand_like"); }
static int randn_like(lua_State *L) { return like(L, TN_OP_normal, 0, 1, "randn_like"); }

/* -- Whole numbers ----------------------------------------------------------------------------- */

/* PyTorch's [low,] high, the latter not among the numbers; *first: what comes after them. */
static tn_attrs read_bounds(lua_State *L, const head *h, int count, int *first,
                            const char *function) {
  tn_attrs attrs = {.generator = h->generator};
  const double high = check_number(L, h->first + count - 1, function);
  const double low = count > 1 ? check_number(L, h->first, function) : 0;
  if (!(ceil(high) > low)) {
    luaL_error(L, "%s: no integers from %f to below %f", function, low, high);
  }
  attrs.f[0] = low;
  attrs.f[1] = ceil(high) - 1;
  *first = h->first + count;
  return attrs;
}

/* torch.randint([low,] high, sizes [, options]): int64 unless told otherwise. */
static int randint(lua_State *L) {
  binding *b = bind_state(L);
  head h = read_head(L, "randint");
  int first, numbers = 0, top = lua_gettop(L);
  if (h.res != NULL) return luaL_error(L, "randint: numbers expected, got a tensor");
  while (numbers < 3 && lua_type(L, h.first + numbers) == LUA_TNUMBER) numbers++;
  if (numbers == 0) check_number(L, h.first, "randint");
  const tn_attrs attrs = read_bounds(L, &h, numbers < 2 ? 1 : 2, &first, "randint");
  if (has_options(L)) { /* the type of PyTorch's, where none is named */
    lua_getfield(L, top, "dtype");
    bool named = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!named) { /* in a table of our own: the caller's may be used again */
      lua_newtable(L);
      for (lua_pushnil(L); lua_next(L, top) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_settable(L, -4);
      }
      lua_pushliteral(L, "int64");
      lua_setfield(L, -2, "dtype");
      lua_replace(L, top);
    }
  } else if (lua_type(L, top) != LUA_TSTRING) {
    lua_pushliteral(L, "int64");
  }
  fill(L, b, bind_make_empty(L, b, first, "randint"), TN_OP_random, &attrs);
  return 1;
}

/* torch.randint_like(x, [low,] high [, options]) */
static int randint_like(lua_State *L) {
  binding *b = bind_state(L);
  head h = like_head(L, "randint_like");
  int first;
  tn_dtype dtype = option_dtype(L, tn_tensor_dtype(h.res), "randint_like");
  int count = lua_gettop(L) - h.first + 1;
  if (count < 1 || count > 2) return luaL_error(L, "randint_like: [low,] high expected");
  const tn_attrs attrs = read_bounds(L, &h, count, &first, "randint_like");
  fill(L, b, empty_like(L, b, h.res, dtype), TN_OP_random, &attrs);
  return 1;
}

/* torch.randperm([res,] [generator,] n [, options]); res:randperm(n) */
static int randperm(lua_State *L) {
  binding *b = bind_state(L);
  head h = read_head(L, "randperm");
  tn_tensor *t = h.res;
  int64_t n = bind_check_int(L, h.first, "randperm", "the length");
  if (n < 0) return luaL_error(L, "randperm: a length of %f", (lua_Number)n);
  if (t == NULL) t = bind_make_empty(L, b, h.first, "randperm");
  tn_attrs attrs = {.i = {n}, .ni = 1, .generator = h.generator};
  tn_tensor *out[TN_MAX_OUTPUTS] = {t};
  bool was = tn_set_grad_enabled(b->ctx, false);
  tn_status s = tn_apply(b->ctx, TN_OP_randperm, 1, &t, &attrs, out);
  tn_set_grad_enabled(b->ctx, was);
  bind_check(L, b, s);
  if (h.res != NULL) lua_pushvalue(L, h.at);
  return 1;
}

/* -- One number, where no tensor is given ------------------------------------------------------ */

/* A distribution: how many numbers it takes, at least and at most, and their defaults. */
typedef struct {
  const char *name;
  tn_opcode code;
  int least, most;
  double f[2];
  bool whole;
} distribution;

static const distribution distributions[] = {
    {"uniform", TN_OP_uniform, 0, 2, {0, 1}, false},
    {"normal", TN_OP_normal, 0, 2, {0, 1}, false},
    {"cauchy", TN_OP_cauchy, 0, 2, {0, 1}, false},
    {"logNormal", TN_OP_log_normal, 0, 2, {1, 2}, false},
    {"exponential", TN_OP_exponential, 0, 1, {1}, false},
    {"geometric", TN_OP_geometric, 1, 1, {0}, true},
    {"bernoulli", TN_OP_bernoulli, 0, 1, {0.5}, true},
    {"random", TN_OP_random, 0, 2, {1, 0xffffffffp0}, true}};

/* The largest number that x:random() draws: what the dtype holds exactly, as PyTorch has it. */
static double largest(tn_dtype dtype) {
  switch (dtype) {
  case TN_BOOL: return 1;
  case TN_U8: return 255;
  case TN_I8: return 127;
  case TN_I16: return 32767;
  case TN_I32: return 2147483647;
  case TN_F16: return 2048;
  case TN_BF16: return 256;
  case TN_F32: return 0x1p24;
  default: return 0x1p53;
  }
}

static void read_numbers(lua_State *L, const distribution *d, int first, double f[2]) {
  int given = lua_gettop(L) - first + 1;
  if (given < d->least || given > d->most) {
    luaL_error(L, "%s: %d to %d numbers expected, got %d", d->name, d->least, d->most, given);
  }
  f[0] = d->f[0];
  f[1] = d->f[1];
  for (int k = 0; k < given; k++) f[k] = check_number(L, first + k, d->name);
  if (d->code == TN_OP_random && given == 1) { /* random(high) */
    f[1] = f[0];
    f[0] = 1;
  }
}

static tn_status draw(binding *b, const distribution *d, const tn_attrs *attrs, double *value) {
  tn_tensor *in[2] = {NULL, NULL};
  tn_status s = tn_tensor_scalar(b->ctx, &in[0], TN_F64, 0);
  if (s == TN_OK && d->code == TN_OP_bernoulli) {
    s = bind_number_tensor(b->ctx, &in[1], attrs->f[0]);
  }
  if (s == TN_OK) s = tn_apply_inplace(b->ctx, d->code, in[1] != NULL ? 2 : 1, in, attrs);
  if (s == TN_OK) *value = tn_tensor_get(in[0], 0);
  tn_tensor_release(in[0]);
  tn_tensor_release(in[1]);
  return s;
}

static int one_number(lua_State *L, const distribution *d, const head *h) {
  binding *b = bind_state(L);
  tn_attrs attrs = {.generator = h->generator};
  double value = 0;
  read_numbers(L, d, h->first, attrs.f);
  bind_check(L, b, draw(b, d, &attrs, &value));
  if (d->whole && fabs(value) < (sizeof(lua_Integer) > 4 ? 0x1p53 : 0x1p31))
    lua_pushinteger(L, (lua_Integer)value);
  else lua_pushnumber(L, value);
  return 1;
}

/* Does a tensor take part, where the operation's own forms want one? */
static bool takes_tensor(lua_State *L) {
  for (int k = 1; k <= 3; k++) {
    if (bind_to_tensor(L, k) != NULL) return true;
  }
  return false;
}

/* Only a generator was to be among the options. */
static void drop_options(lua_State *L, const char *function) {
  lua_pushnil(L);
  if (lua_next(L, -2) != 0) luaL_error(L, "%s: no other option than generator expected", function);
  lua_pop(L, 1);
}

/* Hands the call over to the operation's own function, upvalue 3. */
static int call_generic(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* torch.bernoulli([generator,] p): something new, as in PyTorch; torch.bernoulli(x, p) fills x. */
static int new_bernoulli(lua_State *L, tn_tensor *p, tn_generator *generator) {
  binding *b = bind_state(L);
  const tn_attrs attrs = {.generator = generator};
  tn_tensor *in[2] = {NULL, p};
  tn_dtype dtype = tn_tensor_dtype(p);
  in[0] = empty_like(L, b, p, tn_dtype_is_float(dtype) ? dtype : tn_default_dtype(b->ctx));
  bool was = tn_set_grad_enabled(b->ctx, false);
  tn_status s = tn_apply_inplace(b->ctx, TN_OP_bernoulli, 2, in, &attrs);
  tn_set_grad_enabled(b->ctx, was);
  bind_check(L, b, s);
  return 1;
}

/* torch.f(...); upvalue 2: the distribution */
static int distribution_function(lua_State *L) {
  const distribution *d = (const distribution *)lua_touserdata(L, lua_upvalueindex(2));
  const int top = lua_gettop(L);
  if (d->code == TN_OP_bernoulli && top > 0 && top <= 2) {
    tn_tensor *p = bind_to_tensor(L, top);
    tn_generator *g = top == 2 ? bind_to_generator(L, 1) : NULL;
    if (p != NULL && (top == 1 || g != NULL)) return new_bernoulli(L, p, g);
  }
  if (takes_tensor(L)) return call_generic(L);
  head h = read_head(L, d->name);
  if (h.at == 2) drop_options(L, d->name);
  if (d->code == TN_OP_normal && lua_gettop(L) == h.first + 2 &&
      lua_type(L, h.first + 2) != LUA_TNUMBER) { /* normal(mean, deviation, sizes) */
    const tn_attrs attrs = {.f = {check_number(L, h.first, "normal"),
                                  check_number(L, h.first + 1, "normal")},
                            .generator = h.generator};
    fill(L, bind_state(L), bind_make_empty(L, bind_state(L), h.first + 2, "normal"), d->code,
         &attrs);
    return 1;
  }
  return one_number(L, d, &h);
}

/* torch.random(x, ...) and x:random([low,] high); without numbers all that the type holds. */
static int random_fill(lua_State *L) {
  head h = read_head(L, "random");
  binding *b = bind_state(L);
  distribution d = distributions[sizeof distributions / sizeof *distributions - 1];
  tn_attrs attrs = {.generator = h.generator};
  if (h.res == NULL) return call_generic(L);
  if (has_options(L)) return call_generic(L);
  d.f[0] = 0;
  d.f[1] = largest(tn_tensor_dtype(h.res));
  read_numbers(L, &d, h.first, attrs.f);
  bind_check(L, b, tn_apply_inplace(b->ctx, TN_OP_random, 1, &h.res, &attrs));
  lua_settop(L, h.at);
  return 1;
}

static int random_function(lua_State *L) {
  for (int k = 1; k <= 2; k++) {
    if (bind_to_tensor(L, k) != NULL) return random_fill(L);
  }
  return distribution_function(L);
}

/* -- Opening ----------------------------------------------------------------------------------- */

/* Wraps an operation's functions at `index` so that they answer without a tensor, too. */
static void wrap(lua_State *L, binding *b, int index, const distribution *d, const char *name,
                 lua_CFunction f) {
  lua_pushlightuserdata(L, b);
  lua_pushlightuserdata(L, (void *)(uintptr_t)d);
  lua_getfield(L, index, name);
  lua_pushcclosure(L, f, 3);
  lua_setfield(L, index, name);
}

static void open_generators(lua_State *L, binding *b, int core) {
  static const luaL_Reg methods[] = {
      {"seed", seed}, {"manualSeed", manual_seed}, {"initialSeed", initial_seed},
      {"getRNGState", get_state}, {"setRNGState", set_state}, {"manual_seed", manual_seed},
      {"initial_seed", initial_seed}, {"get_rng_state", get_state}, {"set_rng_state", set_state},
      {NULL, NULL}};
  static const luaL_Reg more[] = {{"get_state", get_state}, {"set_state", set_state}, {NULL, NULL}};
  lua_newtable(L);
  bind_register(L, b, methods);
  bind_register(L, b, more);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "torch.Generator");
  lua_setfield(L, -2, "__typename");
  if (b->sandbox) bind_sandbox_hide(L, -1, NULL, NULL);
  else lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, generator_key);
  lua_setfield(L, core, "generator_metatable");
  lua_pushvalue(L, core);
  bind_register(L, b, methods);
  lua_pop(L, 1);
  push_generator(L, tn_default_generator(b->ctx));
  lua_setfield(L, core, "_gen");
}

void bind_open_random(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg both[] = {
      {"rand", rand_}, {"randn", randn}, {"randperm", randperm}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"rand_like", rand_like}, {"randn_like", randn_like}, {"randint", randint},
      {"randint_like", randint_like}, {"Generator", new_generator}, {NULL, NULL}};
  lua_pushvalue(L, core);
  bind_register(L, b, both);
  bind_register(L, b, functions);
  lua_pushvalue(L, methods);
  bind_register(L, b, both);
  lua_pop(L, 2);
  for (size_t k = 0; k < sizeof distributions / sizeof *distributions; k++) {
    const distribution *d = &distributions[k];
    bool random = d->code == TN_OP_random;
    wrap(L, b, core, d, d->name, random ? random_function : distribution_function);
    if (random) wrap(L, b, methods, d, d->name, random_fill);
    if (d->code == TN_OP_log_normal) wrap(L, b, core, d, "log_normal", distribution_function);
  }
  open_generators(L, b, core);
}
