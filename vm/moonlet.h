/* moonlet.h -- Lua with tensors inside a C or C++ program.
 *
 *   moonlet *m = moonlet_open(NULL);
 *   if (m && moonlet_run_file(m, "enemy.lua") != MOONLET_OK) puts(moonlet_error(m));
 *   moonlet_close(m);
 *
 * Ownership  A state belongs to who opened it, until moonlet_close. Text that comes back is the
 *            state's; each function says until when it is valid.
 * Errors     Functions that can fail return a moonlet_status, and moonlet_error then has the
 *            text. Nothing here prints, exits, aborts, handles signals or changes the process.
 * Threads    A state may be used by one thread at a time. States know nothing of each other, so
 *            each thread may have its own. No thread is started but those of `threads`. */
#ifndef MOONLET_H
#define MOONLET_H

#include <stddef.h>

#if defined(_WIN32)
#define MOONLET_API
#else
#define MOONLET_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MOONLET_VERSION "0.1.0"

typedef struct moonlet moonlet;

struct lua_State;

typedef enum moonlet_status {
  MOONLET_OK,
  MOONLET_ESYNTAX,    /* the source does not compile */
  MOONLET_ERUN,       /* an error while running, or a file that cannot be read */
  MOONLET_ENOMEM,     /* memory ran out, or reached the limit */
  MOONLET_EARG,       /* a wrong argument to one of these functions */
  MOONLET_ELIMIT,     /* the limit of instructions or of time was reached */
  MOONLET_EINTERRUPT, /* moonlet_interrupt was called */
  MOONLET_EBUSY,      /* another thread is using the state */
  MOONLET_EAGAIN      /* no failure: there is more to do, call again */
} moonlet_status;

/* What scripts may reach. */
typedef enum moonlet_sandbox {
  MOONLET_TRUSTED, /* everything: files, processes, the FFI, debug */
  MOONLET_SANDBOX  /* computing only: no io, os but its clocks, ffi, debug, package, bytecode, nor
                      a function of the tensor library that reaches files, addresses or devices.
                      Packages come from the library and from `search` alone */
} moonlet_sandbox;

/* Lua's allocator, as lua_Alloc: block NULL asks for a new one, new_size 0 frees. Blocks for
 * tensors come from it, too. It may be called on any thread that releases a tensor. NULL means
 * that there is no memory: an error of the call in progress, and nothing worse. */
typedef void *(*moonlet_alloc)(void *user, void *block, size_t old_size, size_t new_size);

/* Gets each line of text that print and warnings would have written, without its newline. */
typedef void (*moonlet_log)(void *user, const char *text, size_t length);

/* Finds a module ("ai.scout") in the host's own file system before anything else is tried. Sets
 * *code and *size to its source, which must stay until the next call of this function or the end
 * of the state, and returns 1; 0: there is none. */
typedef int (*moonlet_search)(void *user, const char *name, const char **code, size_t *size);

/* The host's own threads for work on large tensors: has to call piece(arg, i) once for each i in
 * 0 .. count - 1, on any threads, at once or in turn, and to return when all of them are done. */
typedef void (*moonlet_parallel)(void *user, int count, void (*piece)(void *arg, int i), void *arg);

/* Begin with MOONLET_CONFIG_INIT, then set what should differ from the default. Fields are only
 * ever added at the end; a program compiled with an older header has the defaults of new ones. */
typedef struct moonlet_config {
  size_t size;         /* sizeof(moonlet_config): lets the structure grow */
  size_t memory_limit; /* bytes that Lua's values and tensors may take together; 0: no limit. What
                          is needed beyond it is an error */
  int threads;         /* threads that work on one tensor operation, the caller's included;
                          1: only the caller's; 0: one per core */
  int globals;         /* not 0: torch, nn, optim and data are globals of the state, and its
                          `require` finds them; 0: only moonlet_require reaches them */
  moonlet_sandbox sandbox;
  unsigned long long instruction_limit; /* of Lua's virtual machine, for each call into the state;
                                           0: no limit */
  unsigned long long time_limit_us;     /* microseconds, likewise. A single tensor operation is
                                           not cut short */
  int interruptible;   /* not 0: moonlet_interrupt stops every loop. This, a limit or a sandbox
                          makes LuaJIT run without its compiler, which looks at nothing in loops */
  moonlet_alloc alloc; /* NULL: the C library's and Lua's own */
  void *alloc_user;
  moonlet_log log; /* NULL: print writes to the standard output, as in Lua */
  void *log_user;
  moonlet_search search; /* NULL: none */
  void *search_user;
  moonlet_parallel parallel; /* NULL: threads of our own, as many as `threads` says; otherwise
                                `threads` is how many pieces to cut work into */
  void *parallel_user;
  const char *default_dtype;  /* of new tensors: "float32", ..., or NULL */
  const char *default_device; /* "cpu", "cuda", "cuda:1", or NULL */
  char *message; /* where moonlet_open says why it returned NULL, or NULL; */
  size_t message_size; /* so many bytes */
} moonlet_config;

#define MOONLET_CONFIG_INIT \
  { sizeof(moonlet_config), 0, 1, 1, MOONLET_TRUSTED, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, \
    NULL, NULL, NULL, NULL, NULL, 0 }

/* A new state with Lua's standard libraries; config NULL means MOONLET_CONFIG_INIT. NULL when
 * there is no memory for it (or memory_limit is too small), or when a field has no sense. */
MOONLET_API moonlet *moonlet_open(const moonlet_config *config);

/* Frees everything that the state holds. NULL is fine. */
MOONLET_API void moonlet_close(moonlet *m);

/* Compile and run a chunk of source (never bytecode), without arguments or results. name is
 * what errors call it ("enemy.lua:3: ..."); NULL: a piece of the source itself. */
MOONLET_API moonlet_status moonlet_run_string(moonlet *m, const char *code, const char *name);
MOONLET_API moonlet_status moonlet_run_file(moonlet *m, const char *path);

/* Makes a package a global: moonlet_require(m, "nn"). */
MOONLET_API moonlet_status moonlet_require(moonlet *m, const char *name);

/* Calls a global function, or one inside of global tables ("enemy.think"). `types` has a letter
 * for each argument, then '>', then one for each result; results are written through pointers:
 *
 *   letter  argument       result
 *   d       double         double *
 *   i       long long      long long *      an integral number only
 *   b       int            int *            any value; 0 or 1
 *   s       const char *   const char **    text; valid until the next call on this state
 *
 *   double area;
 *   moonlet_call(m, "area", "dd>d", 3.0, 4.0, &area);
 *
 * A result that is missing or of another type is MOONLET_ERUN; what was written before it stays.
 * NULL as text argument is nil; a text result may be nil, and is NULL then. */
MOONLET_API moonlet_status moonlet_call(moonlet *m, const char *function, const char *types, ...);

/* The text of the last failure on this state, with a traceback where Lua was running; "" when
 * nothing has failed yet. Valid until the next failure. */
MOONLET_API const char *moonlet_error(const moonlet *m);

/* Lua's state, for the C API of the Lua that Moonlet was built with. Leave its stack and its
 * allocator as you found them, and call what may raise an error through lua_pcall. */
MOONLET_API struct lua_State *moonlet_state(moonlet *m);

/* Bytes that Lua's values take now, tensors' elements not counted. */
MOONLET_API size_t moonlet_memory(const moonlet *m);

/* "0.1.0" */
MOONLET_API const char *moonlet_version(void);

/* For a host that has a lua_State already: a C function for Lua, which returns a table with
 * torch, nn, optim, data and version, and changes no global. `require "moonlet"` finds it in
 * moonlet.so, or in package.preload:
 *
 *   lua_getglobal(L, "package");
 *   lua_getfield(L, -1, "preload");
 *   lua_pushcfunction(L, luaopen_moonlet);
 *   lua_setfield(L, -2, "moonlet"); */
MOONLET_API int luaopen_moonlet(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
