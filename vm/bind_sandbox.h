/* bind_sandbox.h -- the tensor library in a sandbox. */
#ifndef MOONLET_BIND_SANDBOX_H
#define MOONLET_BIND_SANDBOX_H

#include "lua_compat.h"

/* Takes out what reaches files, addresses, processes and devices: the core table and the table of
 * methods, at these indices. */
void bind_sandbox_core(lua_State *L, int core, int methods);

/* Replaces functions of the table on the top by ones that refuse; absent ones stay absent. */
void bind_sandbox_refuse(lua_State *L, const char *const *names);

/* Pushes a metatable for userdata that does what the one at `index` does, and keeps the finalizer
 * where scripts do not find it: they see the other one. gc may be NULL; it gets one upvalue. */
void bind_sandbox_hide(lua_State *L, int index, lua_CFunction gc, void *upvalue);

#endif
