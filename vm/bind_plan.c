/* bind_plan.c -- plans: what nn.Frozen (nn/Frozen.lua) is made of. */
#include "bind.h"

enum { MOST = 64 }; /* inputs or outputs of a plan */

static const char plan_magic = 'p';

typedef struct {
  const void *magic;
  tn_plan *plan;
} plan_box;

static plan_box *to_box(lua_State *L, int index) {
  plan_box *box = (plan_box *)lua_touserdata(L, index);
  if (box == NULL || lua_rawlen(L, index) < sizeof *box || box->magic != &plan_magic) return NULL;
  return box;
}

tn_plan *bind_to_plan(lua_State *L, int index) {
  const plan_box *box = to_box(L, index);
  return box != NULL ? box->plan : NULL;
}

static tn_plan *check_plan(lua_State *L, const char *function) {
  tn_plan *plan = bind_to_plan(L, 1);
  if (plan == NULL) luaL_error(L, "%s: a plan expected, got %s", function, luaL_typename(L, 1));
  return plan;
}

static int plan_gc(lua_State *L) {
  plan_box *box = to_box(L, 1);
  if (box == NULL) return 0;
  tn_plan *plan = box->plan;
  box->plan = NULL;
  tn_plan_release(plan);
  return 0;
}

/* The tensors of the list at `index`. */
static int read_list(lua_State *L, int index, tn_tensor **list, const char *function) {
  luaL_checktype(L, index, LUA_TTABLE);
  const int n = (int)lua_rawlen(L, index);
  if (n > MOST) luaL_error(L, "%s: at most %d tensors, got %d", function, MOST, n);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    list[i] = bind_to_tensor(L, -1);
    if (list[i] == NULL) luaL_error(L, "%s: tensors expected in the list", function);
    lua_pop(L, 1);
  }
  return n;
}

/* begin(examples) → a plan; from here on operations are noted */
static int begin(lua_State *L) {
  binding *b = bind_state(L);
  tn_tensor *examples[MOST];
  const int n = read_list(L, 1, examples, "freeze");
  plan_box *box = (plan_box *)moonlet_newuserdata(L, sizeof *box);
  box->magic = &plan_magic;
  box->plan = NULL;
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, -2);
  bind_check(L, b, tn_plan_begin(b->ctx, &box->plan, n, examples));
  return 1;
}

/* finish(plan, outputs) */
static int finish(lua_State *L) {
  binding *b = bind_state(L);
  tn_plan *plan = check_plan(L, "freeze");
  tn_tensor *outputs[MOST];
  const int n = read_list(L, 2, outputs, "freeze");
  bind_check(L, b, tn_plan_end(b->ctx, plan, n, outputs));
  return 0;
}

static int push_end(lua_State *L, bool output) {
  binding *b = bind_state(L);
  const tn_plan *plan = check_plan(L, "plan");
  const tn_plan_info info = tn_plan_describe(plan);
  const int64_t i = bind_check_int(L, 2, "plan", "a position");
  if (i < 1 || i > (output ? info.outputs : info.inputs)) {
    return bind_error(L, "plan: there is no tensor %lld", (long long)i);
  }
  bind_new_box(L);
  tn_tensor *t = output ? tn_plan_output(plan, (int)i - 1) : tn_plan_input(plan, (int)i - 1);
  bind_fill(L, b, lua_gettop(L), tn_tensor_retain(t));
  return 1;
}

/* input(plan, i), output(plan, i) → tensors of the plan's */
static int input(lua_State *L) { return push_end(L, false); }
static int output(lua_State *L) { return push_end(L, true); }

/* run(plan, x, ...) → true; false, and nothing done, where these do not fit the plan, or another
 * one is being made */
static int run(lua_State *L) {
  binding *b = bind_state(L);
  tn_plan *plan = check_plan(L, "plan");
  tn_tensor *in[MOST];
  const int n = lua_gettop(L) - 1;
  if (n > MOST) return luaL_error(L, "plan: at most %d tensors, got %d", MOST, n);
  for (int i = 0; i < n; i++) {
    in[i] = bind_to_tensor(L, i + 2);
    if (in[i] == NULL) return lua_pushboolean(L, false), 1;
  }
  const bool fits = !tn_planning(b->ctx) && tn_plan_fits(plan, n, in);
  if (fits) bind_check(L, b, tn_plan_run(b->ctx, plan, n, in));
  lua_pushboolean(L, fits);
  return 1;
}

/* release(plan): gives everything back, and ends the noting */
static int release(lua_State *L) { return plan_gc(L); }

/* active() → is a plan being made? */
static int active(lua_State *L) {
  lua_pushboolean(L, tn_planning(bind_state(L)->ctx));
  return 1;
}

static void set_number(lua_State *L, const char *key, size_t value) {
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, key);
}

/* describe(plan) → a table of numbers */
static int describe(lua_State *L) {
  const tn_plan_info info = tn_plan_describe(check_plan(L, "plan"));
  lua_createtable(L, 0, 4);
  set_number(L, "operations", (size_t)info.operations);
  set_number(L, "arena", info.arena_bytes);
  set_number(L, "workspace", info.workspace_bytes);
  set_number(L, "parameters", info.parameter_bytes);
  return 1;
}

/* core.plan: a table of the functions above. */
void bind_open_plan(lua_State *L, binding *b, int core) {
  static const luaL_Reg functions[] = {
      {"finish", finish}, {"input", input}, {"output", output}, {"run", run},
      {"release", release}, {"active", active}, {"describe", describe}, {NULL, NULL}};
  lua_newtable(L);
  bind_register(L, b, functions);
  lua_pushlightuserdata(L, b);
  lua_newtable(L);
  lua_pushcfunction(L, plan_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcclosure(L, begin, 2);
  lua_setfield(L, -2, "begin");
  lua_setfield(L, core, "plan");
}
