/* bind_grad.c -- gradients: backward, grad, switches, and functions whose gradient is Lua. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

enum { MOST = 256 }; /* tensors in one list */

/* Reads a tensor or a table of tensors; returns how many. */
static int read_tensors(lua_State *L, int index, tn_tensor **out, const char *function) {
  if (!lua_istable(L, index)) {
    out[0] = bind_check_tensor(L, index, function);
    return 1;
  }
  int n = (int)lua_rawlen(L, index);
  if (n > MOST) luaL_error(L, "%s: at most %d tensors, got %d", function, MOST, n);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    out[i] = bind_to_tensor(L, -1);
    if (out[i] == NULL) luaL_error(L, "%s: tensors expected in the table", function);
    lua_pop(L, 1);
  }
  return n;
}

static tn_backward_options read_options(lua_State *L, int index) {
  tn_backward_options o = {false, false};
  if (!lua_istable(L, index)) return o;
  lua_getfield(L, index, "retain_graph");
  lua_getfield(L, index, "create_graph");
  o.create_graph = lua_toboolean(L, -1);
  o.retain_graph = lua_toboolean(L, -2);
  lua_pop(L, 2);
  return o;
}

/* The state that runs now: gradients written in Lua are called on it. */
static tn_status run(lua_State *L, binding *b, int nroots, tn_tensor **roots, tn_tensor **seeds,
                     int ninputs, tn_tensor **inputs, tn_tensor **grads, tn_backward_options o) {
  lua_State *outer = b->L;
  b->L = L;
  tn_status s = tn_backward(b->ctx, nroots, roots, seeds, ninputs, inputs, grads, o);
  b->L = outer;
  return s;
}

/* y:backward([gradient][, {retain_graph=, create_graph=}]) */
static int backward(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *root = bind_check_tensor(L, 1, "backward");
  tn_tensor *seed = lua_isnoneornil(L, 2) || lua_istable(L, 2) ? NULL
                                                               : bind_check_tensor(L, 2, "backward");
  tn_backward_options o = read_options(L, lua_istable(L, 2) ? 2 : 3);
  bind_pressure(L, b);
  bind_check(L, b, run(L, b, 1, &root, &seed, 0, NULL, NULL, o));
  return 0;
}

/* torch.grad(outputs, inputs[, gradients of outputs][, options]) → a gradient for each input, nil
 * where nothing depends on one. */
static int grad(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *roots[MOST], *inputs[MOST], *seeds[MOST] = {NULL};
  int nroots = read_tensors(L, 1, roots, "grad"), ninputs = read_tensors(L, 2, inputs, "grad");
  int options = 3;
  if (lua_isnil(L, 3)) {
    options = 4;
  } else if (!lua_isnone(L, 3)) {
    bool list = bind_to_tensor(L, 3) != NULL;
    if (lua_istable(L, 3)) {
      lua_rawgeti(L, 3, 1);
      list = bind_to_tensor(L, -1) != NULL;
      lua_pop(L, 1);
    }
    if (list) {
      if (read_tensors(L, 3, seeds, "grad") != nroots) {
        return luaL_error(L, "grad: as many gradients as outputs expected");
      }
      options = 4;
    }
  }
  tn_backward_options o = read_options(L, options);
  bool table = lua_istable(L, 2);
  tn_tensor *grads[MOST];
  luaL_checkstack(L, ninputs + 4, "grad");
  int first = lua_gettop(L) + 1;
  for (int i = 0; i < ninputs; i++) bind_new_box(L);
  bind_check(L, b, run(L, b, nroots, roots, seeds, ninputs, inputs, grads, o));
  for (int i = 0; i < ninputs; i++) {
    if (grads[i] != NULL) {
      bind_fill(L, b, first + i, grads[i]);
    } else {
      lua_pushnil(L);
      lua_replace(L, first + i);
    }
  }
  if (!table) return 1;
  lua_createtable(L, ninputs, 0);
  for (int i = 0; i < ninputs; i++) {
    lua_pushvalue(L, first + i);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int set_grad_enabled(lua_State *L) {
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  lua_pushboolean(L, tn_set_grad_enabled(bind_state(L)->ctx, lua_toboolean(L, 1)));
  return 1;
}

static int is_grad_enabled(lua_State *L) {
  lua_pushboolean(L, tn_grad_enabled(bind_state(L)->ctx));
  return 1;
}

/* -- Mixed precision --------------------------------------------------------------------------- */

/* 'bfloat16', 'float16' or false. */
static tn_dtype read_autocast(lua_State *L, int index) {
  tn_dtype dtype = TN_AUTOCAST_OFF;
  if (lua_isboolean(L, index) && !lua_toboolean(L, index)) return dtype;
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
  if (name == NULL || !bind_dtype(name, &dtype) || (dtype != TN_BF16 && dtype != TN_F16)) {
    luaL_error(L, "autocast: 'bfloat16', 'float16' or false expected, got %s",
               name != NULL ? name : luaL_typename(L, index));
  }
  return dtype;
}

static void push_autocast(lua_State *L, tn_dtype dtype) {
  if (dtype == TN_AUTOCAST_OFF) lua_pushboolean(L, false);
  else lua_pushstring(L, tn_dtype_name(dtype));
}

static int set_autocast(lua_State *L) {
  binding *b = bind_state(L);
  const tn_dtype dtype = read_autocast(L, 1), was = tn_autocast_dtype(b->ctx);
  bind_check(L, b, tn_set_autocast(b->ctx, dtype));
  push_autocast(L, was);
  return 1;
}

static int get_autocast(lua_State *L) {
  push_autocast(L, tn_autocast_dtype(bind_state(L)->ctx));
  return 1;
}

static int detach(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *out = NULL, *t = bind_check_tensor(L, 1, "detach");
  bind_new_box(L);
  bind_check(L, b, tn_tensor_detach(b->ctx, &out, t));
  bind_fill(L, b, lua_gettop(L), out);
  return 1;
}

/* x:requiresGrad([on]) → x */
static int requires_grad(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *t = bind_check_tensor(L, 1, "requiresGrad");
  bind_check(L, b, tn_set_requires_grad(b->ctx, t, lua_isnone(L, 2) || lua_toboolean(L, 2)));
  lua_settop(L, 1);
  return 1;
}

/* -- Gradients written in Lua ------------------------------------------------------------------ */

typedef struct {
  binding *b;
  int function; /* registry reference */
} lua_gradient;

static void release_gradient(void *self) {
  lua_gradient *g = self;
  if (g->b->L != NULL) luaL_unref(g->b->L, LUA_REGISTRYINDEX, g->function);
  free(g);
}

typedef struct {
  const lua_gradient *gradient;
  int nout, nin;
  tn_tensor *const *douts;
  tn_tensor **dins;
} gradient_call;

/* Protected part: calls f(dout1, ...) and takes what it returns. */
static int call_gradient(lua_State *L) {
  gradient_call *c = (gradient_call *)lua_touserdata(L, 1);
  binding *b = c->gradient->b;
  lua_settop(L, 0);
  luaL_checkstack(L, c->nout + c->nin + 4, "gradient");
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->gradient->function);
  for (int i = 0; i < c->nout; i++) {
    if (c->douts[i] == NULL) {
      lua_pushnil(L);
      continue;
    }
    bind_new_box(L);
    bind_fill(L, b, lua_gettop(L), tn_tensor_retain(c->douts[i]));
  }
  lua_call(L, c->nout, c->nin);
  for (int i = 0; i < c->nin; i++) {
    if (!lua_isnil(L, i + 1)) bind_check_tensor(L, i + 1, "gradient");
  }
  for (int i = 0; i < c->nin; i++) c->dins[i] = tn_tensor_retain(bind_to_tensor(L, i + 1));
  return 0;
}

static tn_status run_gradient(tn_ctx *ctx, void *self, int nout, tn_tensor *const *douts, int nin,
                              tn_tensor **dins) {
  lua_gradient *g = self;
  lua_State *L = g->b->L;
  gradient_call c = {g, nout, nin, douts, dins};
  int status = moonlet_cpcall(L, call_gradient, &c);
  if (status == LUA_OK) return TN_OK;
  const char *text = lua_tostring(L, -1);
  tn_status s = tn_fail(ctx, TN_EGRAD, "%s", text != NULL ? text : "error in a gradient");
  lua_pop(L, 1);
  return s;
}

/* core.record(function, inputs, outputs): when the outputs are differentiated, function(douts...)
 * returns the gradients of the inputs. Does nothing while nothing is recorded. */
static int record(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *inputs[MOST], *outputs[MOST];
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int nin = read_tensors(L, 2, inputs, "record"), nout = read_tensors(L, 3, outputs, "record");
  bool tracked = false;
  for (int i = 0; i < nin; i++) tracked = tracked || tn_requires_grad(inputs[i]);
  if (!tracked || !tn_grad_enabled(b->ctx)) return 0;
  lua_pushvalue(L, 1);
  int function = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_gradient *g = malloc(sizeof *g);
  if (g == NULL) {
    luaL_unref(L, LUA_REGISTRYINDEX, function);
    return luaL_error(L, "record: not enough memory");
  }
  g->b = b;
  g->function = function;
  tn_custom custom = {run_gradient, release_gradient, g};
  tn_status s = tn_record_custom(b->ctx, &custom, nin, inputs, nout, outputs);
  if (s != TN_OK) release_gradient(g);
  bind_check(L, b, s);
  return 0;
}

void bind_open_grad(lua_State *L, binding *b, int core, int methods) {
  static const luaL_Reg functions[] = {
      {"grad", grad}, {"set_grad_enabled", set_grad_enabled},
      {"is_grad_enabled", is_grad_enabled},
      {"record", record}, {"set_autocast", set_autocast},
      {"get_autocast", get_autocast}, {NULL, NULL}};
  static const luaL_Reg of_tensors[] = {
      {"backward", backward}, {"detach", detach}, {"requiresGrad", requires_grad}, {NULL, NULL}};
  lua_pushvalue(L, core);
  bind_register(L, b, functions);
  lua_pushvalue(L, methods);
  bind_register(L, b, of_tensors);
  lua_pop(L, 2);
}
