/* bind_forms.h -- how a call's arguments become an operation's inputs and attributes. */
#ifndef MOONLET_BIND_FORMS_H
#define MOONLET_BIND_FORMS_H

#include "bind.h"

enum { FORM_ITEMS = 12, FORM_INPUTS = 64 };

/* One parameter of an operation. kind:
 *   T tensor   X tensor or number   L several tensors, or a table of them
 *   n number   i whole number   d dimension, x index (both counted from 1)   b boolean
 *   z sizes (the rest)   D dimensions (the rest) */
typedef struct {
  char kind;
  bool optional, has_default;
  uint8_t slot; /* in the inputs, f[] or i[] */
  double otherwise;
} form_item;

typedef struct {
  tn_opcode code;
  uint8_t count, inputs, ints;
  form_item item[FORM_ITEMS];
  tn_attrs defaults; /* of what a call leaves out, and of what this form does not name */
} form;

/* A call as it is being bound. */
typedef struct {
  const form *form;
  tn_attrs attrs;
  int nin;
  tn_tensor *in[FORM_INPUTS];
  uint64_t made; /* bit k: in[k] was made from a number here, and is to be released */
  bool all_numbers;
} bound_call;

/* Reads an operation's args and forms; returns how many forms there are (at most `most`). */
int form_parse(tn_opcode code, form *forms, int most);

/* Do the `count` values from stack index `first` on fit the form? `self` >= 0: it is the first
 * tensor, in whatever place the form has it. Nothing is made, nothing raised. */
bool form_match(lua_State *L, const form *f, int first, int count, int self);
/* Fills `call` from a match. Raises nothing: returns NULL or what is wrong, in `text`. */
const char *form_bind(lua_State *L, binding *b, const form *f, int first, int count, int self,
                      bound_call *call, char *text, size_t size);
void form_release(bound_call *call);

/* Writes "x, [alpha,] y"-like text of a form. */
void form_text(const form *f, const char *args, char *text, size_t size);

#endif
