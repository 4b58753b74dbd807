/* host.h -- what the files of the embedding API (host*.c) share. */
#ifndef MOONLET_HOST_H
#define MOONLET_HOST_H

#include "lua_compat.h"
#include "moonlet.h"

#include <stdarg.h>

struct moonlet {
  lua_State *L;
  char *error; /* NULL when nothing failed, or when there was no memory for the text */
  bool failed;
  lua_Alloc alloc; /* Lua's own allocator, which ours counts and then asks */
  void *alloc_user;
  size_t used, limit; /* bytes; limit 0: none */
};

/* One protected piece of work: fields that a C function called by Lua needs. */
typedef struct {
  moonlet *m;
  const char *name, *code, *types;
  va_list *values;
  moonlet_status status; /* of a failure: MOONLET_ERUN unless the work says otherwise */
} moonlet_job;

/* Notes a failure's text, and returns its status. */
moonlet_status moonlet__fail(moonlet *m, moonlet_status status, const char *text);

/* Runs `work`, whose argument 1 is the job, and turns what it raises into a status. */
moonlet_status moonlet__protect(moonlet *m, lua_CFunction work, moonlet_job *j);

/* Inside of such work: calls the function below `nargs` values; a failure is raised again with its
 * traceback. */
void moonlet__call(lua_State *L, moonlet_job *j, int nargs, int nresults);

#endif
