/* bind_call.c -- calls of operations in Torch7's three conventions.
 *
 * Of an operation f with inputs (x, ...):
 *   torch.f(x, ...)       gives something new       torch.f(res, x, ...)   writes into res
 *   A  x:f(...)           changes x                 res:f(x, ...)          writes into res
 *   B  res:f(x, ...)      writes into res           x:f(...)               new, where unambiguous
 *   C  x:f(...)           gives something new       res:f(x, ...)          writes into res
 *   I  x:f(...)           changes x, and so does torch.f(x, ...) */
#include <stdio.h>
#include <string.h>

#include "bind_forms.h"

enum { ENTRY_FORMS = 8, ENTRY_CODES = 4 };

/* A Lua name, and the operations that answer to it. Their forms are read at the first call: most
 * programs call few. */
typedef struct {
  const char *name;
  int ncodes, count;
  tn_opcode codes[ENTRY_CODES];
  form *forms;
} entry;

typedef enum { NEW, INTO, INPLACE } style;

/* The table of entries by their names, which also keeps their forms. */
static const char *const entries_key = "moonlet.entries";

static void read_forms(lua_State *L, entry *e) {
  form forms[ENTRY_FORMS];
  int count = 0;
  for (int k = 0; k < e->ncodes; k++) {
    count += form_parse(e->codes[k], forms + count, ENTRY_FORMS - count);
  }
  lua_getfield(L, LUA_REGISTRYINDEX, entries_key);
  lua_pushlightuserdata(L, e);
  form *kept = (form *)moonlet_newuserdata(L, (size_t)count * sizeof *kept);
  memcpy(kept, forms, (size_t)count * sizeof *kept);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  e->forms = kept;
  e->count = count;
}

static entry *entry_of(lua_State *L) {
  entry *e = (entry *)lua_touserdata(L, lua_upvalueindex(2));
  if (e->forms == NULL) read_forms(L, e);
  return e;
}

/* What the arguments were: "FloatTensor 2x3, number, nil". */
static void describe_arguments(lua_State *L, int top, luaL_Buffer *out) {
  char text[96], word[BIND_TYPE_TEXT];
  for (int i = 1; i <= top; i++) {
    const tn_tensor *t = bind_to_tensor(L, i);
    if (i > 1) luaL_addstring(out, ", ");
    if (t == NULL) {
      luaL_addstring(out, bind_to_storage(L, i) != NULL ? "storage" : luaL_typename(L, i));
      continue;
    }
    snprintf(text, sizeof text, "%sTensor",
             bind_type_word(tn_tensor_device(t), tn_tensor_dtype(t), word));
    luaL_addstring(out, text);
    for (int d = 0; d < tn_tensor_ndim(t); d++) {
      snprintf(text, sizeof text, "%s%lld", d == 0 ? " " : "x",
               (long long)tn_tensor_sizes(t)[d]);
      luaL_addstring(out, text);
    }
  }
}

static int no_form(lua_State *L, const entry *e) {
  int top = lua_gettop(L);
  const char *doc = tn_op_describe(e->forms[0].code).doc;
  if (strncmp(doc, "left out", 8) == 0) return bind_error(L, "%s: %s", e->name, doc);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  luaL_addstring(&out, e->name);
  luaL_addstring(&out, ": cannot be called with (");
  describe_arguments(L, top, &out);
  luaL_addstring(&out, "); its parameters are ");
  for (int k = 0; k < e->count; k++) {
    tn_op_info info = tn_op_describe(e->forms[k].code);
    if (k > 0 && e->forms[k].code == e->forms[k - 1].code) continue;
    if (k > 0) luaL_addstring(&out, " or ");
    luaL_addstring(&out, "(");
    luaL_addstring(&out, info.args);
    luaL_addstring(&out, ")");
  }
  luaL_pushresult(&out);
  bind_where(L);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

static tn_status run(binding *b, bound_call *call, style how, tn_tensor **out) {
  tn_opcode code = call->form->code;
  if (how == INPLACE) return tn_apply_inplace(b->ctx, code, call->nin, call->in, call->attrs);
  return tn_apply(b->ctx, code, call->nin, call->in, call->attrs, out);
}

/* Operations that take indices and masks from where they are: as in Torch7, those of a GPU's tensor may
 * be on the CPU. */
static bool takes_indices(tn_opcode code) {
  static const char *const beginnings[] = {"index", "masked", "gather", "scatter", "take", NULL};
  const char *name = tn_op_describe(code).name;
  for (const char *const *word = beginnings; *word; word++) {
    if (strncmp(name, *word, strlen(*word)) == 0) return true;
  }
  return false;
}

/* Brings the call's indices and masks to the GPU where its first tensor is. False: there are none. */
static bool bring_indices(binding *b, bound_call *call) {
  bool brought = false;
  if (call->nin == 0 || call->in[0] == NULL) return false;
  const tn_device device = tn_tensor_device(call->in[0]);
  if (device == TN_CPU || !takes_indices(call->form->code)) return false;
  for (int i = 1; i < call->nin && i < 64; i++) {
    tn_tensor *t = call->in[i], *there = NULL;
    if (t == NULL || tn_tensor_device(t) != TN_CPU || tn_dtype_is_float(tn_tensor_dtype(t))) continue;
    if (tn_tensor_to(b->ctx, &there, t, device, tn_tensor_dtype(t)) != TN_OK) return false;
    if (call->made >> i & 1) tn_tensor_release(t);
    call->in[i] = there;
    call->made |= (uint64_t)1 << i;
    brought = true;
  }
  return brought;
}

/* Binds and runs a matched form. `dest`: stack index of the first destination, for INTO. */
static int perform(lua_State *L, binding *b, const entry *e, const form *f,
                   const form_arguments *args, style how, int first, int self, int dest) {
  const int boxes = lua_gettop(L) + 1;
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  bound_call call;
  char text[160];
  const int results = f->outputs;
  bind_pressure(L, b);
  luaL_checkstack(L, 8, e->name);
  if (how == NEW) {
    for (int i = 0; i < results; i++) bind_new_box(L);
  }
  const char *wrong = form_bind(L, b, f, args, first, self, &call, text, sizeof text);
  if (wrong != NULL) {
    form_release(&call);
    return luaL_error(L, "%s: %s", e->name, wrong);
  }
  if (how == INTO) {
    for (int i = 0; i < results; i++) out[i] = args->tensor[dest + i];
  }
  tn_status s = run(b, &call, how, out);
  if (s == TN_EDEVICE && bring_indices(b, &call)) s = run(b, &call, how, out);
  if (s == TN_ENOMEM) { /* what the collector has not looked at yet may be what is missing */
    bind_collect(L, b);
    s = run(b, &call, how, out);
  }
  bool number = f->number || (f->number_inputs && call.all_numbers);
  form_release(&call);
  bind_check(L, b, s);
  if (how == INPLACE) {
    lua_pushvalue(L, self > 0 ? self : first);
    return 1;
  }
  if (how == INTO) {
    for (int i = 0; i < results; i++) lua_pushvalue(L, dest + i);
    for (int i = results; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
    return results;
  }
  for (int i = results; i < TN_MAX_OUTPUTS; i++) tn_tensor_release(out[i]);
  if (f->truth && tn_tensor_ndim(out[0]) == 0) {
    double truth;
    s = tn_tensor_read(b->ctx, out[0], 0, &truth);
    tn_tensor_release(out[0]);
    bind_check(L, b, s);
    lua_pushboolean(L, truth != 0);
    return 1;
  }
  for (int i = 0; i < results; i++) bind_result_at(L, b, boxes + i, out[i], number);
  return results;
}

/* Are the first arguments tensors to write the form's results into? */
static bool destinations(const form *f, const form_arguments *args) {
  if (f->convention == 'I' || args->top < f->outputs) return false;
  for (int i = 1; i <= f->outputs; i++) {
    if (args->kind[i] != 'T') return false;
  }
  return true;
}

/* A call whose last argument is a table of names: torch.sum(x, {dim = 2}). Of several operations
 * with this name the first one that fits. -1: none does. */
static int call_by_name(lua_State *L, binding *b, const entry *e, form_arguments *args,
                        bool method) {
  char text[96];
  form order;
  int first = 1, self = 0, chosen = 0;
  luaL_checkstack(L, 4, e->name);
  for (int k = e->ncodes; k-- > 0;) { /* the first that fits, else the first for its message */
    form_order(e->codes[k], &order);
    first = method && (order.count == 0 || order.item[0].kind != 'L') ? 2 : 1, self = first - 1;
    if (k > 0 && form_match_names(L, &order, args, first, self)) chosen = k;
    if (k == 0 && chosen > 0 && form_match_names(L, &order, args, first, self)) chosen = 0;
  }
  if (chosen > 0) form_order(e->codes[chosen], &order);
  const char *wrong = form_spread(L, &order, args, first, self, text, sizeof text);
  if (wrong != NULL) return luaL_error(L, "%s: %s", e->name, wrong);
  if (!form_match(L, &order, args, first, self)) return -1;
  const char c = order.convention;
  style how = c == 'I' || (method && c == 'A') ? INPLACE : NEW;
  return perform(L, b, e, &order, args, how, first, self, 0);
}

static int call_function(lua_State *L) {
  binding *b = bind_state(L);
  const entry *e = entry_of(L);
  form_arguments args;
  form_look(L, &args);
  for (int k = 0; k < e->count; k++) {
    const form *f = &e->forms[k];
    if (!form_match(L, f, &args, 1, 0)) continue;
    return perform(L, b, e, f, &args, f->convention == 'I' ? INPLACE : NEW, 1, 0, 0);
  }
  for (int k = 0; k < e->count; k++) {
    const form *f = &e->forms[k];
    if (destinations(f, &args) && form_match(L, f, &args, f->outputs + 1, 0)) {
      return perform(L, b, e, f, &args, INTO, f->outputs + 1, 0, 1);
    }
  }
  int n = form_has_names(L, &args) ? call_by_name(L, b, e, &args, false) : -1;
  return n >= 0 ? n : no_form(L, e);
}

/* The order in which a method's readings are tried, by convention. */
static int call_method(lua_State *L) {
  binding *b = bind_state(L);
  const entry *e = entry_of(L);
  form_arguments args;
  form_look(L, &args);
  if (args.top < 1 || args.kind[1] != 'T') return no_form(L, e);
  for (int round = 0; round < 2; round++) {
    for (int k = 0; k < e->count; k++) {
      const form *f = &e->forms[k];
      const char c = f->convention;
      bool into = (round == 0) == (c == 'B');
      if (into) {
        if (destinations(f, &args) && form_match(L, f, &args, f->outputs + 1, 0)) {
          return perform(L, b, e, f, &args, INTO, f->outputs + 1, 0, 1);
        }
        continue;
      }
      bool list = f->count > 0 && f->item[0].kind == 'L';
      int first = list ? 1 : 2, self = list ? 0 : 1;
      if (!form_match(L, f, &args, first, self)) continue;
      return perform(L, b, e, f, &args, c == 'A' || c == 'I' ? INPLACE : NEW, first, self, 0);
    }
  }
  int n = form_has_names(L, &args) ? call_by_name(L, b, e, &args, true) : -1;
  return n >= 0 ? n : no_form(L, e);
}

/* -- Registration ------------------------------------------------------------------------------ */

/* Pushes the entry of a name, made when it is new, from the table of entries at `entries`. */
static entry *get_entry(lua_State *L, int entries, const char *name) {
  lua_getfield(L, entries, name);
  entry *e = (entry *)lua_touserdata(L, -1);
  if (e != NULL) return e;
  lua_pop(L, 1);
  e = (entry *)moonlet_newuserdata(L, sizeof *e);
  memset(e, 0, sizeof *e);
  lua_pushvalue(L, -1);
  lua_setfield(L, entries, name);
  e->name = name;
  return e;
}

/* Adds one name of an operation to functions and methods. `name` lies in static memory, or in a
 * string that the entries' table keeps alive as its key. */
static void add_name(lua_State *L, binding *b, int entries, int core, int methods,
                     const char *name, tn_opcode code) {
  lua_pushstring(L, name);
  entry *e = get_entry(L, entries, lua_tostring(L, -1));
  if (e->ncodes < ENTRY_CODES) e->codes[e->ncodes++] = code;
  for (int method = 0; method < 2; method++) {
    lua_pushlightuserdata(L, b);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, method ? call_method : call_function, 2);
    lua_setfield(L, method ? methods : core, e->name);
  }
  lua_pop(L, 1);
  /* the name's string stays in the entries' table as a key; drop ours */
  lua_pop(L, 1);
}

/* {name=, doc=, forms=, ...} of an operation. */
static void push_description(lua_State *L, tn_op_info info) {
  lua_newtable(L);
  lua_pushstring(L, info.lua), lua_setfield(L, -2, "name");
  lua_pushstring(L, info.name), lua_setfield(L, -2, "op");
  lua_pushstring(L, info.doc), lua_setfield(L, -2, "doc");
  lua_pushstring(L, info.args), lua_setfield(L, -2, "args");
  if (info.aliases != NULL) lua_pushstring(L, info.aliases), lua_setfield(L, -2, "aliases");
  if (info.onnx != NULL) lua_pushstring(L, info.onnx), lua_setfield(L, -2, "onnx");
  if (info.no_grad != NULL) lua_pushstring(L, info.no_grad), lua_setfield(L, -2, "no_grad");
  lua_pushlstring(L, &info.convention, 1), lua_setfield(L, -2, "convention");
  lua_pushnumber(L, info.low), lua_setfield(L, -2, "low");
  lua_pushnumber(L, info.high), lua_setfield(L, -2, "high");
  lua_pushinteger(L, info.outputs), lua_setfield(L, -2, "outputs");
  lua_pushboolean(L, info.pointwise), lua_setfield(L, -2, "pointwise");
  lua_pushboolean(L, info.integers), lua_setfield(L, -2, "integers");
  lua_pushboolean(L, info.floats), lua_setfield(L, -2, "floats");
  lua_pushboolean(L, info.once), lua_setfield(L, -2, "once");
  char text[256];
  lua_newtable(L);
  const char *orders = info.forms != NULL ? info.forms : info.args;
  snprintf(text, sizeof text, "torch.%s(%s)", info.lua, orders);
  lua_pushstring(L, text);
  lua_rawseti(L, -2, 1);
  lua_setfield(L, -2, "forms");
}

static bool can_be_called(const tn_op_info *info) {
  return info->lua != NULL && info->convention != 'N';
}

/* core.describe(): all operations that scripts can call, for help() and the tests. */
static int describe(lua_State *L) {
  int count = 0;
  lua_newtable(L);
  for (int code = 0; code < TN_OP_COUNT; code++) {
    tn_op_info info = tn_op_describe((tn_opcode)code);
    if (!can_be_called(&info)) continue;
    push_description(L, info);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

void bind_open_calls(lua_State *L, binding *b, int core, int methods) {
  int top = lua_gettop(L), entries = top + 1;
  lua_createtable(L, 0, TN_OP_COUNT);
  for (int code = 0; code < TN_OP_COUNT; code++) {
    tn_op_info info = tn_op_describe((tn_opcode)code);
    if (!can_be_called(&info)) continue;
    add_name(L, b, entries, core, methods, info.lua, (tn_opcode)code);
    const char *alias = info.aliases;
    while (alias != NULL && *alias != 0) {
      size_t length = strcspn(alias, " ");
      lua_pushlstring(L, alias, length);
      add_name(L, b, entries, core, methods, lua_tostring(L, -1), (tn_opcode)code);
      lua_pop(L, 1);
      alias += length + (alias[length] == ' ');
    }
  }
  lua_setfield(L, LUA_REGISTRYINDEX, entries_key); /* keeps names alive */
  lua_settop(L, top);
  lua_pushcfunction(L, describe);
  lua_setfield(L, core, "describe");
}
