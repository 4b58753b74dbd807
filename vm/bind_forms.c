/* bind_forms.c -- argument forms: from the text in the operation table to bound calls.
 *
 * An operation's args name all its parameters, "T x; X y; n alpha=1": a kind (see bind_forms.h),
 * '?' where it may be left out, a name, a default. Its forms, "x y; x alpha y", list the orders in
 * which scripts may give them; without forms there is the order of args. */
#include "bind_forms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMETERS = 12, NAME = 20 };

typedef struct {
  char name[NAME];
  form_item item;
} parameter;

static bool is_tensor_kind(char kind) { return kind == 'T' || kind == 'X' || kind == 'L'; }

/* -- Reading the table ------------------------------------------------------------------------- */

/* Next piece of `text` up to `separator`, without the spaces around it; false at the end. */
static bool next_piece(const char **text, char separator, char *piece, size_t size) {
  const char *p = *text;
  while (*p == ' ') p++;
  if (*p == 0) return false;
  const char *end = strchr(p, separator);
  size_t n = end != NULL ? (size_t)(end - p) : strlen(p);
  *text = p + n + (end != NULL);
  while (n > 0 && p[n - 1] == ' ') n--;
  if (n >= size) n = size - 1;
  memcpy(piece, p, n);
  piece[n] = 0;
  return true;
}

static int parse_args(const char *args, parameter *out, uint8_t *ints) {
  char piece[48];
  int n = 0, inputs = 0, floats = 0;
  *ints = 0;
  while (n < MAX_PARAMETERS && next_piece(&args, ';', piece, sizeof piece)) {
    parameter *p = &out[n++];
    memset(p, 0, sizeof *p);
    p->item.kind = piece[0];
    p->item.optional = piece[1] == '?';
    const char *name = strchr(piece, ' ');
    name = name == NULL ? piece : name + 1;
    const char *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    memcpy(p->name, name, length < NAME ? length : NAME - 1);
    if (equals != NULL) {
      p->item.has_default = p->item.optional = true;
      p->item.otherwise = atof(equals + 1);
    }
    if (is_tensor_kind(p->item.kind)) p->item.slot = (uint8_t)inputs++;
    else if (p->item.kind == 'n') p->item.slot = (uint8_t)floats++;
    else p->item.slot = (*ints)++;
  }
  return n;
}

static void set_defaults(const parameter *all, int n, uint8_t ints, tn_attrs *attrs) {
  attrs->ni = ints;
  for (int k = 0; k < n; k++) {
    const form_item *item = &all[k].item;
    bool from_one = item->kind == 'd' || item->kind == 'x';
    int64_t whole = item->has_default ? (int64_t)item->otherwise - (from_one ? 1 : 0) : TN_NONE;
    if (item->kind == 'n') attrs->f[item->slot] = item->otherwise;
    else if (!is_tensor_kind(item->kind)) attrs->i[item->slot] = whole;
  }
}

static const parameter *named(const parameter *all, int n, const char *name) {
  for (int i = 0; i < n; i++) {
    if (strcmp(all[i].name, name) == 0) return &all[i];
  }
  return NULL;
}

int form_parse(tn_opcode code, form *forms, int most) {
  tn_op_info info = tn_op_describe(code);
  parameter all[MAX_PARAMETERS];
  uint8_t ints;
  char text[96], name[NAME];
  int count = 0;
  if (info.args == NULL) return 0;
  int n = parse_args(info.args, all, &ints);
  uint8_t inputs = 0;
  for (int i = 0; i < n; i++) inputs += is_tensor_kind(all[i].item.kind);
  const char *rest = info.forms;
  while (count < most) {
    form *f = &forms[count];
    memset(f, 0, sizeof *f);
    f->code = code;
    f->ints = ints;
    f->inputs = inputs;
    f->outputs = info.hides ? 1 : (uint8_t)info.outputs;
    f->convention = info.convention;
    f->number = info.number;
    f->number_inputs = info.number_inputs;
    f->truth = info.truth;
    set_defaults(all, n, ints, &f->defaults);
    if (info.forms == NULL) {
      for (int i = 0; i < n && i < FORM_ITEMS; i++) f->item[f->count++] = all[i].item;
      return 1;
    }
    if (!next_piece(&rest, ';', text, sizeof text)) break;
    const char *words = text;
    while (f->count < FORM_ITEMS && next_piece(&words, ' ', name, sizeof name)) {
      const parameter *p = named(all, n, name);
      if (p == NULL) continue;
      f->item[f->count] = p->item;
      f->item[f->count++].optional = false; /* a form names what is given */
    }
    count++;
  }
  return count;
}

/* -- Matching ---------------------------------------------------------------------------------- */

void form_look(lua_State *L, form_arguments *args) {
  args->top = lua_gettop(L);
  if (args->top > FORM_ARGUMENTS) args->top = FORM_ARGUMENTS + 1; /* no form takes so many */
  for (int i = 1; i <= args->top; i++) {
    char kind = '?';
    switch (lua_type(L, i)) {
    case LUA_TUSERDATA:
      args->tensor[i] = bind_to_tensor(L, i);
      kind = args->tensor[i] != NULL ? 'T' : bind_to_storage(L, i) != NULL ? 'S' : '?';
      break;
    case LUA_TNUMBER: kind = 'n'; break;
    case LUA_TBOOLEAN: kind = 'b'; break;
    case LUA_TTABLE: kind = 't'; break;
    case LUA_TNIL: kind = '0'; break;
    }
    args->kind[i] = kind;
  }
}

static bool is_tensor_table(lua_State *L, int index) {
  lua_rawgeti(L, index, 1);
  bool yes = bind_to_tensor(L, -1) != NULL;
  lua_pop(L, 1);
  return yes;
}

/* How many arguments from `at` on have this kind. */
static int run_of(const form_arguments *args, int at, char kind) {
  int n = 0;
  while (at + n <= args->top && args->kind[at + n] == kind) n++;
  return n;
}

/* How many of the arguments from `at` on this item takes; -1: it does not fit. */
static int takes(lua_State *L, const form_item *item, const form_arguments *args, int at) {
  if (at > args->top) return item->optional ? 0 : -1;
  const char kind = args->kind[at];
  bool fits = false;
  switch (item->kind) {
  case 'T': fits = kind == 'T'; break;
  case 'X': fits = kind == 'T' || kind == 'n'; break;
  case 'b': fits = kind == 'b'; break;
  case 'L':
    if (kind == 't' && is_tensor_table(L, at)) return 1;
    if (kind == 'T') { /* two at most, as in Torch7: torch.cat(res, a, b) has a destination */
      int n = run_of(args, at, 'T');
      return n < 2 ? n : 2;
    }
    break;
  case 'z':
  case 'D':
    if (kind == 'n') return run_of(args, at, 'n');
    if (kind == 't' || kind == 'S') {
      int64_t sizes[TN_MAX_DIMS];
      int last;
      fits = bind_sizes(L, at, sizes, TN_MAX_DIMS, &last) >= 0;
    }
    break;
  default: fits = kind == 'n';
  }
  if (fits || (item->optional && kind == '0')) return 1;
  return item->optional ? 0 : -1;
}

/* Is this the item whose place `self` takes? */
static bool is_self(const form_item *item, int self) {
  return self > 0 && item->slot == 0 && (item->kind == 'T' || item->kind == 'X');
}

bool form_match(lua_State *L, const form *f, const form_arguments *args, int first, int self) {
  int at = first;
  for (int k = 0; k < f->count; k++) {
    if (is_self(&f->item[k], self)) continue;
    int n = takes(L, &f->item[k], args, at);
    if (n < 0) return false;
    at += n;
  }
  return at == args->top + 1;
}

/* -- Binding ----------------------------------------------------------------------------------- */

static const char *bind_tensor_item(lua_State *L, binding *b, const form_item *item,
                                    const form_arguments *args, int at, bound_call *call) {
  tn_tensor *t = NULL;
  if (args->kind[at] == 'T') {
    t = args->tensor[at];
    call->all_numbers = false;
  } else if (args->kind[at] == 'n') {
    if (bind_number_tensor(b->ctx, &t, lua_tonumber(L, at)) != TN_OK) return "out of memory";
    call->made |= (uint64_t)1 << item->slot;
  }
  call->in[item->slot] = t;
  return NULL;
}

/* Most calls change nothing of the defaults, so they are copied late. */
static tn_attrs *own_attrs(bound_call *call) {
  if (call->attrs != &call->own) {
    call->own = *call->attrs;
    call->attrs = &call->own;
  }
  return &call->own;
}

static const char *bind_list(lua_State *L, int index, int n, bound_call *call) {
  bool table = lua_istable(L, index);
  if (table) n = (int)lua_rawlen(L, index);
  if (n > FORM_INPUTS) {
    tn_tensor **many = malloc((size_t)n * sizeof *many);
    if (many == NULL) return "not enough memory for the list of tensors";
    call->in = many;
  }
  for (int i = 0; i < n; i++) {
    if (table) lua_rawgeti(L, index, i + 1);
    call->in[i] = bind_to_tensor(L, table ? -1 : index + i);
    if (table) lua_pop(L, 1); /* the table keeps it alive */
    if (call->in[i] == NULL) return "the table must hold tensors only";
  }
  call->nin = n;
  call->all_numbers = false;
  return NULL;
}

/* Whole numbers; dimensions and indices are counted from 1 in Lua and from 0 below. */
static const char *bind_int(lua_State *L, const form_item *item, int index, int64_t *out,
                            char *text, size_t size) {
  if (item->kind == 'b') {
    *out = lua_toboolean(L, index);
    return NULL;
  }
  if (!moonlet_toint(L, index, out)) {
    snprintf(text, size, "a whole number expected as argument %d, got %g", index,
             lua_tonumber(L, index));
    return text;
  }
  if (item->kind == 'd' || item->kind == 'x' || item->kind == 'D') {
    if (*out == 0) {
      snprintf(text, size, "argument %d is 0, but %s are counted from 1", index,
               item->kind == 'x' ? "indices" : "dimensions");
      return text;
    }
    if (*out > 0) (*out)--;
  }
  return NULL;
}

static const char *bind_rest(lua_State *L, const form_item *item, int index, int n,
                             bound_call *call, char *text, size_t size) {
  int64_t values[TN_MAX_DIMS + 1];
  int last;
  int have = bind_sizes(L, index, values, TN_MAX_DIMS, &last);
  if (have < 0 || (lua_type(L, index) == LUA_TNUMBER && have < n)) {
    snprintf(text, size, "at most %d whole numbers expected from argument %d on", TN_MAX_DIMS,
             index);
    return text;
  }
  for (int i = 0; i < have; i++) {
    if (item->kind == 'D' && values[i] == 0) return "dimensions are counted from 1, got 0";
    own_attrs(call)->i[item->slot + i] = values[i] - (item->kind == 'D' && values[i] > 0);
  }
  own_attrs(call)->ni = item->slot + have;
  return NULL;
}

const char *form_bind(lua_State *L, binding *b, const form *f, const form_arguments *args,
                      int first, int self, bound_call *call, char *text, size_t size) {
  int at = first;
  call->form = f;
  call->nin = f->inputs;
  call->made = 0;
  call->all_numbers = true;
  call->attrs = &f->defaults;
  call->in = call->few;
  for (int k = 0; k < f->inputs; k++) call->in[k] = NULL;
  const char *wrong = NULL;
  for (int k = 0; k < f->count && wrong == NULL; k++) {
    const form_item *item = &f->item[k];
    if (is_self(item, self)) {
      wrong = bind_tensor_item(L, b, item, args, self, call);
      continue;
    }
    int n = takes(L, item, args, at);
    if (n == 0 || args->kind[at] == '0') { /* the default stands */
    } else if (item->kind == 'L') wrong = bind_list(L, at, n, call);
    else if (is_tensor_kind(item->kind)) wrong = bind_tensor_item(L, b, item, args, at, call);
    else if (item->kind == 'n') own_attrs(call)->f[item->slot] = lua_tonumber(L, at);
    else if (item->kind == 'z' || item->kind == 'D')
      wrong = bind_rest(L, item, at, n, call, text, size);
    else wrong = bind_int(L, item, at, &own_attrs(call)->i[item->slot], text, size);
    at += n;
  }
  while (wrong == NULL && call->nin > 1 && call->in[call->nin - 1] == NULL) call->nin--;
  return wrong;
}

void form_release(bound_call *call) {
  for (int k = 0; call->made != 0 && k < 4; k++) {
    if (call->made >> k & 1) tn_tensor_release(call->in[k]);
  }
  call->made = 0;
  if (call->in != call->few) free(call->in);
  call->in = call->few;
}
