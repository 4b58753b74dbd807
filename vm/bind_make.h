/* bind_make.h -- what the makers of tensors share: options as the last argument. */
#ifndef MOONLET_BIND_MAKE_H
#define MOONLET_BIND_MAKE_H

#include "bind.h"

/* {dtype=, requires_grad=, device=}, or a type's name. */
typedef struct {
  tn_dtype dtype;
  bool requires_grad;
  tn_device device;
} make_options;

/* Reads and removes the last argument if it is options; what they do not say is as in `otherwise`.
 * *given: was a dtype named? It may be NULL. */
make_options bind_read_options(lua_State *L, binding *b, make_options otherwise, bool *given,
                               const char *function);
make_options bind_default_options(binding *b);
/* Moves the tensor on the top to the device it is wanted on, and asks for its gradients. */
void bind_place(lua_State *L, binding *b, const make_options *o);

/* bind_construct.c: torch.Tensor(...) and its relatives, torch.tensor, x.new, x:set. */
void bind_open_construct(lua_State *L, binding *b, int core, int methods);

#endif
