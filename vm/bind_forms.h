/* bind_forms.h -- how a call's arguments become an operation's inputs and attributes. */
#ifndef MOONLET_BIND_FORMS_H
#define MOONLET_BIND_FORMS_H

#include "bind.h"

enum { FORM_ITEMS = 12, FORM_INPUTS = 8 };

/* One parameter of an operation. kind:
 *   T tensor   X tensor or number   L several tensors, or a table of them
 *   n number   i whole number   d dimension, x index (both counted from 1)   b boolean
 *   m a dimension, or a table of several
 *   z sizes (the rest)   D dimensions (the rest)   g generator of random numbers, or none
 *   v one whole number for each of up to FORM_VECTOR dimensions: a number for all, or a table; or
 *     one of the words behind its default, "v padding=0,same", which becomes TN_NONE + its position
 *   w one of the words that stand in place of a default, "w mode=zeros,edge": its position, from 0,
 *     the first one when it is left out */
enum { FORM_VECTOR = 3 };
typedef struct {
  char kind;
  bool optional, has_default;
  uint8_t slot; /* in the inputs, f[] or i[] */
  double otherwise;
  const char *name, *words; /* in the table's text: up to '=' or ';', and from '=' to ';' */
} form_item;

typedef struct {
  tn_opcode code;
  uint8_t count, inputs, ints, outputs;
  char convention;
  bool number, number_inputs, truth;
  form_item item[FORM_ITEMS];
  tn_attrs defaults; /* of what a call leaves out, and of what this form does not name */
} form;

/* The arguments on the stack, looked at once. kind: T tensor, S storage, n number, b boolean,
 * s string, t table, g generator, 0 nil, ? anything else. */
enum { FORM_ARGUMENTS = 24 };
typedef struct {
  int top;
  char kind[FORM_ARGUMENTS + 2];
  tn_tensor *tensor[FORM_ARGUMENTS + 2]; /* where kind is T */
} form_arguments;

void form_look(lua_State *L, form_arguments *args);

/* A call as it is being bound. */
typedef struct {
  const form *form;
  const tn_attrs *attrs; /* the form's defaults, or what the call changes of them: */
  tn_attrs own;
  int nin;
  tn_tensor **in; /* few, or memory of its own for a longer list */
  tn_tensor *few[FORM_INPUTS];
  uint64_t made; /* bit k: in[k] was made from a number here, and is to be released */
  bool all_numbers;
} bound_call;

/* Reads an operation's args and forms; returns how many forms there are (at most `most`). */
int form_parse(tn_opcode code, form *forms, int most);

/* Is the last argument a table of parameters by their names, {dim = 2}? Then the arguments from
 * `first` on are replaced by all those of `order`, in its order, and `args` is looked at anew.
 * NULL, or what is wrong, in `text`. `self` as below. */
bool form_has_names(lua_State *L, const form_arguments *args);
void form_order(tn_opcode code, form *order); /* all parameters, in the order of the table's args */
const char *form_spread(lua_State *L, const form *order, form_arguments *args, int first, int self,
                        char *text, size_t size);

/* Do the arguments from `first` on fit the form? `self` > 0: that argument is the first tensor, in
 * whatever place the form has it. Nothing is made, nothing raised. */
/* The same of a call with a table of names, for the order that form_spread would make. */
bool form_match_names(lua_State *L, const form *order, const form_arguments *args, int first,
                      int self);
bool form_match(lua_State *L, const form *f, const form_arguments *args, int first, int self);
/* Fills `call` from a match. Raises nothing: returns NULL or what is wrong, in `text`. */
const char *form_bind(lua_State *L, binding *b, const form *f, const form_arguments *args,
                      int first, int self, bound_call *call, char *text, size_t size);
void form_release(bound_call *call);

#endif
