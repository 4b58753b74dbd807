/* bind_forms.c -- argument forms: from the text in the operation table to bound calls.
 *
 * An operation's args name all its parameters, "T x; X y; n alpha=1": a kind (see bind_forms.h),
 * '?' where it may be left out, a name, a default. Its forms, "x y; x alpha y", list the orders in
 * which scripts may give them; without forms there is the order of args. */
#include "bind_forms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMETERS = 14, NAME = 20 };

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
  char piece[96];
  int n = 0, inputs = 0, floats = 0;
  *ints = 0;
  while (n < MAX_PARAMETERS) {
    const char *text = args + strspn(args, " ");
    if (!next_piece(&args, ';', piece, sizeof piece)) break;
    parameter *p = &out[n++];
    memset(p, 0, sizeof *p);
    p->item.kind = piece[0];
    p->item.optional = piece[1] == '?';
    const char *name = strchr(piece, ' ');
    name = name == NULL ? piece : name + 1;
    p->item.name = text + (name - piece);
    const char *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    memcpy(p->name, name, length < NAME ? length : NAME - 1);
    if (equals != NULL) {
      p->item.has_default = p->item.optional = true;
      p->item.otherwise = atof(equals + 1);
      p->item.words = text + (equals + 1 - piece);
    }
    if (is_tensor_kind(p->item.kind)) p->item.slot = (uint8_t)inputs++;
    else if (p->item.kind == 'n') p->item.slot = (uint8_t)floats++;
    else if (p->item.kind == 'g') p->item.optional = true;
    else {
      p->item.slot = *ints;
      *ints += p->item.kind == 'v' ? FORM_VECTOR : 1;
    }
  }
  return n;
}

static void set_defaults(const parameter *all, int n, uint8_t ints, tn_attrs *attrs) {
  attrs->ni = ints;
  for (int k = 0; k < n; k++) {
    const form_item *item = &all[k].item;
    bool from_one = item->kind == 'd' || item->kind == 'x' || item->kind == 'm';
    int64_t whole = item->has_default ? (int64_t)item->otherwise - (from_one ? 1 : 0) : TN_NONE;
    if (item->kind == 'w') whole = 0;
    for (int k2 = 1; item->kind == 'v' && k2 < FORM_VECTOR; k2++) attrs->i[item->slot + k2] = whole;
    if (item->kind == 'n') attrs->f[item->slot] = item->otherwise;
    else if (item->kind == 'g') continue;
    else if (!is_tensor_kind(item->kind)) attrs->i[item->slot] = whole;
  }
}

static const parameter *named(const parameter *all, int n, const char *name) {
  for (int i = 0; i < n; i++) {
    if (strcmp(all[i].name, name) == 0) return &all[i];
  }
  return NULL;
}

/* What all forms of an operation share. */
static void begin_form(form *f, tn_opcode code, const parameter *all, int n, uint8_t ints) {
  const tn_op_info info = tn_op_describe(code);
  memset(f, 0, sizeof *f);
  f->code = code;
  f->ints = ints;
  for (int i = 0; i < n; i++) f->inputs += is_tensor_kind(all[i].item.kind);
  f->outputs = info.hides ? 1 : (uint8_t)info.outputs;
  f->convention = info.convention;
  f->number = info.number;
  f->number_inputs = info.number_inputs;
  f->truth = info.truth;
  set_defaults(all, n, ints, &f->defaults);
}

static void in_order(form *f, const parameter *all, int n) {
  for (int i = 0; i < n && i < FORM_ITEMS; i++) f->item[f->count++] = all[i].item;
}

void form_order(tn_opcode code, form *order) {
  parameter all[MAX_PARAMETERS];
  uint8_t ints;
  int n = parse_args(tn_op_describe(code).args, all, &ints);
  begin_form(order, code, all, n, ints);
  in_order(order, all, n);
}

int form_parse(tn_opcode code, form *forms, int most) {
  tn_op_info info = tn_op_describe(code);
  parameter all[MAX_PARAMETERS];
  uint8_t ints;
  char text[96], name[NAME];
  int count = 0;
  if (info.args == NULL) return 0;
  int n = parse_args(info.args, all, &ints);
  const char *rest = info.forms;
  while (count < most) {
    form *f = &forms[count];
    begin_form(f, code, all, n, ints);
    if (info.forms == NULL) {
      in_order(f, all, n);
      return 1;
    }
    if (!next_piece(&rest, ';', text, sizeof text)) break;
    const char *words = text;
    while (f->count < FORM_ITEMS && next_piece(&words, ' ', name, sizeof name)) {
      const parameter *p = named(all, n, name);
      if (p == NULL) continue;
      f->item[f->count] = p->item;
      f->item[f->count++].optional = p->item.kind == 'g'; /* a form names what is given */
    }
    count++;
  }
  return count;
}

/* -- Matching ---------------------------------------------------------------------------------- */

static char kind_of(lua_State *L, int index, tn_tensor **tensor) {
  switch (lua_type(L, index)) {
  case LUA_TUSERDATA:
    *tensor = bind_to_tensor(L, index);
    return *tensor != NULL ? 'T' : bind_to_storage(L, index) != NULL ? 'S'
           : bind_to_generator(L, index) != NULL ? 'g' : '?';
  case LUA_TNUMBER: return 'n';
  case LUA_TBOOLEAN: return 'b';
  case LUA_TSTRING: return 's';
  case LUA_TTABLE: return 't';
  case LUA_TNIL: return '0';
  default: return '?';
  }
}

void form_look(lua_State *L, form_arguments *args) {
  args->top = lua_gettop(L);
  if (args->top > FORM_ARGUMENTS) args->top = FORM_ARGUMENTS + 1; /* no form takes so many */
  for (int i = 1; i <= args->top; i++) args->kind[i] = kind_of(L, i, &args->tensor[i]);
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

static bool vector_has_words(const form_item *item) {
  return item->has_default && item->words[strcspn(item->words, ",;")] == ',';
}

/* A table of whole numbers, perhaps none, but not one of names; or a storage of them. */
static bool is_dim_list(lua_State *L, int index, char kind) {
  int64_t dims[2 * TN_MAX_DIMS];
  int last;
  if (kind != 't' && kind != 'S') return false;
  if (kind == 't' && lua_rawlen(L, index) == 0) {
    lua_pushnil(L);
    if (lua_next(L, index) == 0) return true;
    lua_pop(L, 2);
    return false;
  }
  return bind_sizes(L, index, dims, 2 * TN_MAX_DIMS, &last) >= 0;
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
  case 'g': fits = kind == 'g'; break;
  case 'w': fits = kind == 's'; break;
  case 'v':
    fits = kind == 'n' || kind == 'S' || (kind == 't' && lua_rawlen(L, at) > 0) ||
           (kind == 's' && vector_has_words(item));
    break;
  case 'm': fits = kind == 'n' || is_dim_list(L, at, kind); break;
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

bool form_has_names(lua_State *L, const form_arguments *args) {
  if (args->top < 1 || args->top > FORM_ARGUMENTS || args->kind[args->top] != 't') return false;
  lua_pushnil(L);
  if (lua_next(L, args->top) == 0) return false;
  bool yes = lua_type(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  return yes;
}

static bool has_name(const form_item *item, const char *name, size_t length) {
  return strcspn(item->name, "=; ") == length && memcmp(item->name, name, length) == 0;
}

/* What the table at `index` names must be parameters. */
static const char *check_names(lua_State *L, const form *order, int index, char *text,
                               size_t size) {
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    bool known = false;
    size_t length = 0;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &length) : "?";
    for (int k = 0; k < order->count && !known; k++) {
      known = has_name(&order->item[k], name, length);
    }
    if (known) continue;
    snprintf(text, size, "no parameter is named '%.32s'", name);
    lua_pop(L, 2);
    return text;
  }
  return NULL;
}

const char *form_spread(lua_State *L, const form *order, form_arguments *args, int first, int self,
                        char *text, size_t size) {
  const int names = args->top;
  const char *wrong = check_names(L, order, names, text, size);
  if (wrong != NULL) return wrong;
  luaL_checkstack(L, order->count + 1, NULL);
  int given = names - first, at = 0;
  for (int k = 0; k < order->count; k++) {
    const form_item *item = &order->item[k];
    if (is_self(item, self)) continue;
    const size_t length = strcspn(item->name, "=; ");
    lua_pushlstring(L, item->name, length);
    lua_rawget(L, names);
    if (at >= given) continue;
    if (!lua_isnil(L, -1)) {
      snprintf(text, size, "'%.*s' is given twice", (int)length, item->name);
      return text;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, first + at++);
  }
  if (at < given) {
    snprintf(text, size, "too many arguments before the table of names");
    return text;
  }
  for (int k = names; k >= first; k--) lua_remove(L, k);
  form_look(L, args);
  return NULL;
}

bool form_match_names(lua_State *L, const form *order, const form_arguments *args, int first,
                      int self) {
  const int names = args->top;
  char text[64];
  int at = first;
  if (check_names(L, order, names, text, sizeof text) != NULL) return false;
  for (int k = 0; k < order->count; k++) {
    const form_item *item = &order->item[k];
    if (is_self(item, self)) continue;
    form_arguments one = {.top = names + 1};
    if (at < names) {
      lua_pushvalue(L, at++);
    } else {
      lua_pushlstring(L, item->name, strcspn(item->name, "=; "));
      lua_rawget(L, names);
    }
    one.kind[one.top] = kind_of(L, one.top, &one.tensor[one.top]);
    int n = item->optional && one.kind[one.top] == '0' ? 1 : takes(L, item, &one, one.top);
    lua_pop(L, 1);
    if (n != 1) return false;
  }
  return true;
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
  if (item->kind == 'd' || item->kind == 'x' || item->kind == 'm') {
    if (*out == 0) {
      snprintf(text, size, "argument %d is 0, but %s are counted from 1", index,
               item->kind == 'x' ? "indices" : "dimensions");
      return text;
    }
    if (*out > 0) (*out)--;
  }
  return NULL;
}

/* One dimension, or several in the bits of one number; none at all stand for all of them. */
static const char *bind_dims(lua_State *L, const form_item *item, int index, int64_t *out,
                             char *text, size_t size) {
  int64_t dims[2 * TN_MAX_DIMS], set = 0;
  int last;
  if (lua_type(L, index) == LUA_TNUMBER) return bind_int(L, item, index, out, text, size);
  int n = bind_sizes(L, index, dims, 2 * TN_MAX_DIMS, &last);
  for (int k = 0; k < n; k++) {
    int64_t bit = dims[k] > 0 ? dims[k] - 1 : 2 * TN_MAX_DIMS + dims[k];
    if (dims[k] == 0 || dims[k] > TN_MAX_DIMS || dims[k] < -TN_MAX_DIMS || set >> bit & 1) {
      snprintf(text, size, "%lld in the table of dimensions, argument %d, is %s",
               (long long)dims[k], index,
               dims[k] != 0 && dims[k] <= TN_MAX_DIMS && dims[k] >= -TN_MAX_DIMS
                   ? "there twice" : "no dimension: they are counted from 1");
      return text;
    }
    set |= (int64_t)1 << bit;
  }
  *out = n <= 0 ? TN_NONE : TN_DIM_SET(set);
  return NULL;
}

/* The position of a word in its list. */
static const char *bind_word(lua_State *L, const form_item *item, int index, int64_t *out,
                             char *text, size_t size) {
  const char *word = lua_tostring(L, index), *list = item->words;
  const size_t length = strlen(word);
  for (int64_t k = 0;; k++) {
    size_t n = strcspn(list, ",; ");
    if (n == length && memcmp(list, word, n) == 0) {
      *out = k;
      return NULL;
    }
    if (list[n] != ',') break;
    list += n + 1;
  }
  snprintf(text, size, "'%.32s' as argument %d is none of %.*s", word, index,
           (int)strcspn(item->words, ";"), item->words);
  return text;
}

/* A number for all dimensions, or one for each of the first ones. */
static const char *bind_vector(lua_State *L, const form_item *item, int index, tn_attrs *attrs,
                               char *text, size_t size) {
  int64_t *to = attrs->i + item->slot;
  if (lua_type(L, index) == LUA_TSTRING) {
    int64_t word = 0;
    const char *wrong = bind_word(L, item, index, &word, text, size);
    for (int k = 0; k < FORM_VECTOR; k++) to[k] = TN_NONE + word;
    return wrong;
  }
  int last, have = lua_type(L, index) == LUA_TNUMBER ? (moonlet_toint(L, index, to) ? 1 : -1)
                                                     : bind_sizes(L, index, to, FORM_VECTOR, &last);
  if (have < 1) {
    snprintf(text, size, "a whole number, or a table of at most %d, expected as argument %d",
             FORM_VECTOR, index);
    return text;
  }
  bool all = lua_type(L, index) == LUA_TNUMBER;
  for (int k = have; k < FORM_VECTOR; k++) to[k] = all ? to[0] : TN_NONE;
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
    else if (item->kind == 'g') own_attrs(call)->generator = bind_to_generator(L, at);
    else if (item->kind == 'z' || item->kind == 'D')
      wrong = bind_rest(L, item, at, n, call, text, size);
    else if (item->kind == 'm')
      wrong = bind_dims(L, item, at, &own_attrs(call)->i[item->slot], text, size);
    else if (item->kind == 'v') wrong = bind_vector(L, item, at, own_attrs(call), text, size);
    else if (item->kind == 'w')
      wrong = bind_word(L, item, at, &own_attrs(call)->i[item->slot], text, size);
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
