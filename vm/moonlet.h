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
 *            NULL in place of a state, and a state that is closed, are MOONLET_EARG.
 * Threads    A state may be used by one thread at a time: while a call runs, all calls from other
 *            threads return MOONLET_EBUSY and change nothing. Calls from inside of a call (from a
 *            C function that Lua called) are fine. States know nothing of each other, so each
 *            thread may have its own. No thread is started but those of `threads`.
 * After the  A closed state's handle stays good for being told MOONLET_EARG until 32 more states
 * end        have been closed; then it may be that of a new state. */
#ifndef MOONLET_H
#define MOONLET_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MOONLET_API
#else
#define MOONLET_API __attribute__((visibility("default")))
#endif

#if defined(__GNUC__)
#define MOONLET_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define MOONLET_PRINTF(a, b)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; moonlet_version has that of the library. */
#define MOONLET_VERSION "0.1.0"

/* A state: Lua with its globals, and the tensors that they hold. */
typedef struct moonlet moonlet;

struct lua_State;

/* What functions return that can fail. */
typedef enum moonlet_status {
  MOONLET_OK,
  MOONLET_ESYNTAX,    /* the source does not compile */
  MOONLET_ERUN,       /* an error while running, or a file that cannot be read */
  MOONLET_ENOMEM,     /* memory ran out, or reached the limit */
  MOONLET_EARG,       /* a wrong argument to one of these functions */
  MOONLET_ELIMIT,     /* the limit of instructions or of time was reached */
  MOONLET_EINTERRUPT, /* moonlet_interrupt was called */
  MOONLET_EBUSY,      /* another thread is using the state, or a call further up is */
  MOONLET_EAGAIN      /* no failure: there is more to do, call again */
} moonlet_status;

/* "not enough memory" and such: what the status means, a constant. */
MOONLET_API const char *moonlet_status_text(moonlet_status status);

/* What scripts may reach. */
typedef enum moonlet_sandbox {
  MOONLET_TRUSTED, /* everything: files, processes, the FFI, debug */
  MOONLET_SANDBOX  /* computing only: no io, os but its clocks, ffi, debug, package, bytecode, nor
                      a function of the tensor library that reaches files, addresses or devices.
                      Packages come from the library and from `search` alone. Scripts can write no
                      finalizers. Set limits, too: a sandbox alone may still loop for ever. It
                      holds as far as Lua does: Lua 5.4.4 and older have a fault (a __concat that
                      grows the stack) with which a hostile script can corrupt memory */
} moonlet_sandbox;

/* Lua's allocator, as lua_Alloc: block NULL asks for a new one, new_size 0 frees. Blocks for
 * tensors and the state's records come from it, too; short-lived work space of some operations, and
 * what libraries such as oneDNN take for themselves, does not. It may be called on any thread that
 * releases a tensor, and must stay until the last tensor is released. NULL means that there is no
 * memory: an error of the call in progress, and nothing worse; but making a block smaller must not
 * fail. A LuaJIT of 64 bits whose pointers have 32 keeps its own allocator for Lua's values. */
typedef void *(*moonlet_alloc)(void *user, void *block, size_t old_size, size_t new_size);

/* Gets each line of text that print, io.write and (on Lua 5.4, after warn("@on")) warnings would
 * have written, without its newline; text is valid during the call. Called by the thread that runs
 * the script. It may call functions of this state, but not close it. What scripts write to the file
 * io.stdout themselves does not come here. */
typedef void (*moonlet_log)(void *user, const char *text, size_t length);

/* Finds a module ("ai.scout") in the host's own file system before anything else is tried. Sets
 * *code and *size to its source (text, no bytecode), which must stay until the next call of this
 * function or the end of the state, and returns 1; 0: there is none. It is asked for the library's
 * own modules, too, and may so replace them. */
typedef int (*moonlet_search)(void *user, const char *name, const char **code, size_t *size);

/* The host's own threads for work on large tensors: has to call piece(arg, i) once for each i in
 * 0 .. count - 1, on any threads, at once or in turn, and to return when all of them are done. */
typedef void (*moonlet_parallel)(void *user, int count, void (*piece)(void *arg, int i), void *arg);

/* Begin with MOONLET_CONFIG_INIT, then set what should differ from the default. Fields are only
 * ever added at the end; a program compiled with an older header has the defaults of new ones. */
typedef struct moonlet_config {
  size_t size;         /* sizeof(moonlet_config): lets the structure grow */
  size_t memory_limit; /* bytes that Lua's values and tensors may take together; 0: no limit. What
                          is needed beyond it, after a collection, is MOONLET_ENOMEM */
  int threads;         /* threads that work on one tensor operation, the caller's included;
                          1: only the caller's; 0: one per core */
  int globals;         /* not 0: torch, nn, optim and data are globals of the state, and its
                          `require` finds them; 0: only moonlet_require reaches them */
  moonlet_sandbox sandbox;
  unsigned long long instruction_limit; /* of Lua's virtual machine, for each call into the state;
                                           0: no limit. Long work in C counts, too, and on Lua 5.4
                                           resuming a coroutine counts as a hundred. No pcall
                                           catches its end: MOONLET_ELIMIT */
  unsigned long long time_limit_us;     /* microseconds, likewise. A single call of a function on
                                           strings or of a library for matrices is not cut short */
  int interruptible;   /* not 0: moonlet_interrupt stops every loop. This, a limit of instructions
                          or time, or a sandbox makes LuaJIT run without its compiler, which looks
                          at nothing in loops */
  moonlet_alloc alloc; /* NULL: the C library's and Lua's own */
  void *alloc_user;
  moonlet_log log; /* NULL: print writes to the standard output, as in Lua */
  void *log_user;
  moonlet_search search; /* NULL: none */
  void *search_user;
  moonlet_parallel parallel; /* NULL: threads of our own, as many as `threads` says; otherwise
                                `threads` is how many pieces to cut work into */
  void *parallel_user;
  const char *default_dtype;  /* of new tensors: "float32", "float64", ..., or NULL */
  const char *default_device; /* where torch.zeros, torch.randn and the like make them: "cpu",
                                 "cuda", "cuda:1", or NULL */
  char *message; /* where moonlet_open says why it returned NULL, or NULL; */
  size_t message_size; /* so many bytes */
} moonlet_config;

/* The defaults: moonlet_config config = MOONLET_CONFIG_INIT. */
#define MOONLET_CONFIG_INIT \
  { sizeof(moonlet_config), 0, 1, 1, MOONLET_TRUSTED, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, \
    NULL, NULL, NULL, NULL, NULL, 0 }

/* -- opening and closing ----------------------------------------------------------------------- */

/* A new state with Lua's standard libraries; config NULL means MOONLET_CONFIG_INIT. NULL when
 * there is no memory for it (or memory_limit is too small), or when a field has no sense. */
MOONLET_API moonlet *moonlet_open(const moonlet_config *config);

/* Frees everything that the state holds, but for tensors that the host still has. NULL is fine.
 * MOONLET_EBUSY, and nothing is closed: a call into the state is under way, on another thread or
 * further up on this one. C functions are not called any more, not even by finalizers. */
MOONLET_API moonlet_status moonlet_close(moonlet *m);

/* The text of this thread's last failure on this state, with a traceback where Lua was running; ""
 * when nothing has failed yet. Valid until the next failure. It may be asked for at any time: also
 * where the state is NULL, closed, or in use by another thread. */
MOONLET_API const char *moonlet_error(const moonlet *m);

/* -- running ----------------------------------------------------------------------------------- */

/* Compile and run a chunk of source (never bytecode), without arguments or results. name is
 * what errors call it ("enemy.lua:3: ..."); NULL: a piece of the source itself. */
MOONLET_API moonlet_status moonlet_run_string(moonlet *m, const char *code, const char *name);
MOONLET_API moonlet_status moonlet_run_file(moonlet *m, const char *path);

/* The same of `size` bytes, which need no zero at the end. */
MOONLET_API moonlet_status moonlet_run_buffer(moonlet *m, const void *code, size_t size,
                                              const char *name);

/* From any thread, or a signal handler: the call into the state that is under way ends soon with
 * MOONLET_EINTERRUPT, and so does the next one when none is. Only in states that are
 * `interruptible`, or have a sandbox or a limit of instructions or time; others take no notice. */
MOONLET_API moonlet_status moonlet_interrupt(moonlet *m);

/* Makes a package a global: moonlet_require(m, "nn"). */
MOONLET_API moonlet_status moonlet_require(moonlet *m, const char *name);

/* -- calls and values -------------------------------------------------------------------------- */

/* A tensor that the host holds; the section on tensors below tells how. */
typedef struct tn_tensor moonlet_tensor;

/* Calls a global function, or one inside of global tables ("enemy.think"; a part of digits alone is
 * a number, "enemies.1.think"). `types` has a letter for each argument, then '>', then one for each
 * result; results are written through pointers:
 *
 *   letter  argument              result
 *   d       double                double *
 *   i       long long             long long *              an integral number only
 *   b       int                   int *                    any value; 0 or 1
 *   s       const char *          const char **            text, up to its first zero byte
 *   S       const char *, size_t  const char **, size_t *  text with its length: any bytes
 *   p       void *                void **                  an address, which Lua only hands on
 *   t       moonlet_tensor *      moonlet_tensor **        the same memory, no copy
 *
 *   double area;
 *   moonlet_call(m, "area", "dd>d", 3.0, 4.0, &area);
 *
 * Text that comes out is valid until the next call on this state. NULL as text, address or tensor
 * is nil, and nil comes out as NULL. Tensors that go in are borrowed; each one that comes out is a
 * new reference of the caller's, to be released.
 *
 * A result that is missing or of another type is MOONLET_ERUN; what was written before it stays,
 * but tensors are released again, and NULL after any failure.
 *
 * On LuaJIT, whose numbers are doubles, whole numbers beyond 2^53 are rounded. */
MOONLET_API moonlet_status moonlet_call(moonlet *m, const char *function, const char *types, ...);

/* Set and get a global by its path, with a letter as above:
 *
 *   moonlet_set(m, "enemy.speed", "d", 3.0);
 *   moonlet_get(m, "enemy.speed", "d", &speed);
 *
 * moonlet_set makes the tables on the way that are missing. */
MOONLET_API moonlet_status moonlet_set(moonlet *m, const char *name, const char *type, ...);
MOONLET_API moonlet_status moonlet_get(moonlet *m, const char *name, const char *type, ...);

/* -- C functions for Lua ----------------------------------------------------------------------- */

/* One call of a C function; good until it returns, on the thread that called it, and not while a
 * call that it makes runs another C function. */
typedef struct moonlet_args moonlet_args;

/* A function that scripts may call:
 *
 *   static moonlet_status distance(moonlet_args *args, void *user) {
 *     double x, y;
 *     moonlet_status status = moonlet_args_get(args, 1, "dd", &x, &y);
 *     if (status != MOONLET_OK) return status;
 *     return moonlet_args_return(args, "d", sqrt(x * x + y * y));
 *   }
 *
 *   moonlet_register(m, "game.distance", distance, NULL);
 *
 * Another status than MOONLET_OK becomes a Lua error, with the text of moonlet_args_error, after
 * the function has returned: nothing ever jumps out of it, so C++ objects in it are destroyed as
 * usual. In turn no C++ exception may leave it. MOONLET_EAGAIN is no error, but pauses the task
 * that called (see moonlet_step), as coroutine.yield does.
 *
 * It may use its state: run code, call Lua functions which call C functions again (a hundred calls
 * deep; beyond that there is an error), step other tasks; all but close it. */
typedef moonlet_status (*moonlet_function)(moonlet_args *args, void *user);

/* Makes a function a global, by its path as in moonlet_set. `user` is handed to it with each call,
 * and must stay for as long as the state. */
MOONLET_API moonlet_status moonlet_register(moonlet *m, const char *name,
                                            moonlet_function function, void *user);

/* What a value is. */
typedef enum moonlet_type {
  MOONLET_NONE, /* there is no such argument */
  MOONLET_NIL,
  MOONLET_BOOLEAN,
  MOONLET_NUMBER,
  MOONLET_TEXT,
  MOONLET_TENSOR,
  MOONLET_TABLE,
  MOONLET_CALLABLE, /* a function */
  MOONLET_POINTER,  /* letter p */
  MOONLET_OTHER
} moonlet_type;

/* How many arguments there are, and what each one is; they count from 1. */
MOONLET_API int moonlet_args_count(const moonlet_args *args);
MOONLET_API moonlet_type moonlet_args_type(const moonlet_args *args, int index);

/* The state that calls. */
MOONLET_API moonlet *moonlet_args_state(const moonlet_args *args);

/* Reads arguments, from the one at `first` on, with the letters of moonlet_call and the pointers
 * that it takes for results. An argument that is missing, nil or of another type is MOONLET_EARG,
 * with a text that says so, for the function to return; for one that may be nil, ask for its type
 * before. Text and tensors are lent: they are valid until the function returns.
 * (moonlet_tensor_retain keeps a tensor for longer.) */
MOONLET_API moonlet_status moonlet_args_get(moonlet_args *args, int first, const char *types,
                                            ...);

/* Adds results, with letters and values as for the arguments of moonlet_call; 32 at most, in all.
 * Returns the status for the function to return. */
MOONLET_API moonlet_status moonlet_args_return(moonlet_args *args, const char *types, ...);

/* Sets the text of the error, in printf's way (up to 511 bytes), and returns MOONLET_ERUN:
 *
 *   return moonlet_args_error(args, "no enemy has the number %d", number); */
MOONLET_API moonlet_status moonlet_args_error(moonlet_args *args, const char *format, ...)
    MOONLET_PRINTF(2, 3);

/* -- tensors ----------------------------------------------------------------------------------- */

/* A moonlet_tensor is a handle: counted references (retain and release may be called on any thread)
 * to a shape, which never changes, and to memory, which Lua and the host see alike. It is tied to
 * no state: it may be passed to several, on several threads, and stays good when the state that
 * made it closes. As always, memory that one thread writes while another one uses it is a race, and
 * the host's to prevent.
 *
 * While the host has a handle, its memory stays where it is: a script that wants to make that
 * storage larger gets an error. A tensor comes out without its gradient and its history, and what
 * the host writes is seen by no gradient.
 *
 * Functions that only look accept NULL, which is a tensor without elements. */

/* Types of elements. */
typedef enum moonlet_dtype {
  MOONLET_BOOL,
  MOONLET_UINT8,
  MOONLET_INT8,
  MOONLET_INT16,
  MOONLET_INT32,
  MOONLET_INT64,
  MOONLET_FLOAT16,  /* IEEE 754 binary16 */
  MOONLET_BFLOAT16, /* the upper half of a float */
  MOONLET_FLOAT32,
  MOONLET_FLOAT64
} moonlet_dtype;

/* As many dimensions a tensor may have. */
#define MOONLET_MAX_DIMS 8

/* Bytes of one element; 0 for a number that is no moonlet_dtype. */
MOONLET_API size_t moonlet_dtype_size(moonlet_dtype dtype);

/* A new tensor of zeros on the CPU, in row-major order, and one reference to it. sizes: ndim
 * numbers from 0 on, at most MOONLET_MAX_DIMS. The memory counts against the limit of state m; with
 * m NULL against nobody's, and then the text of an error is moonlet_error(NULL). */
MOONLET_API moonlet_status moonlet_tensor_new(moonlet *m, moonlet_tensor **out,
                                              moonlet_dtype dtype, int ndim,
                                              const int64_t *sizes);

/* A tensor that shows memory of the host's. strides: from one element to the next, in elements, for
 * each dimension, from 0 on; NULL: row-major order without gaps. data must be aligned for the type,
 * and stay until release(user) is called (NULL: for ever): once, when nothing uses the tensor any
 * more, on the thread that lets go of it last, and with no right to call into a state. After a
 * failure the memory is still the caller's, and release is not called. m as above. */
MOONLET_API moonlet_status moonlet_tensor_borrow(moonlet *m, moonlet_tensor **out,
                                                 moonlet_dtype dtype, int ndim,
                                                 const int64_t *sizes, const int64_t *strides,
                                                 void *data, void (*release)(void *user),
                                                 void *user);

/* One reference more, and one less; the last one frees the tensor. NULL is fine. */
MOONLET_API moonlet_tensor *moonlet_tensor_retain(moonlet_tensor *t);
MOONLET_API void moonlet_tensor_release(moonlet_tensor *t);

/* The first element. NULL where the tensor has none, or is not in the CPU's memory. Valid, and
 * where it is, until the last reference of the host's is released. */
MOONLET_API void *moonlet_tensor_data(const moonlet_tensor *t);

/* Its type and shape. sizes and strides have ndim numbers, strides in elements; both are valid for
 * as long as the tensor. */
MOONLET_API moonlet_dtype moonlet_tensor_dtype(const moonlet_tensor *t);
MOONLET_API int moonlet_tensor_ndim(const moonlet_tensor *t);
MOONLET_API const int64_t *moonlet_tensor_sizes(const moonlet_tensor *t);
MOONLET_API const int64_t *moonlet_tensor_strides(const moonlet_tensor *t);

/* How many elements it has: the product of the sizes. */
MOONLET_API int64_t moonlet_tensor_numel(const moonlet_tensor *t);

/* 1: row-major order without gaps; 0: strides matter. */
MOONLET_API int moonlet_tensor_is_contiguous(const moonlet_tensor *t);

/* 1: it lies in the CPU's memory; 0: on a GPU, where moonlet_tensor_copy can fetch it. */
MOONLET_API int moonlet_tensor_is_on_cpu(const moonlet_tensor *t);

/* Copies all elements, in row-major order, from any strides and any device. size: bytes there are
 * at `to`, which must be numel times the size of an element. The text of an error is
 * moonlet_error(NULL). */
MOONLET_API moonlet_status moonlet_tensor_copy(const moonlet_tensor *t, void *to, size_t size);

/* -- tasks: a frame at a time ------------------------------------------------------------------ */

/* A function that runs for a while in each frame, such as training beside a game:
 *
 *   moonlet_task training;
 *   moonlet_task_start(m, &training, "train", "i", 1000LL);
 *   for each frame: if (moonlet_step(m, training, 2000) != MOONLET_EAGAIN) it has ended;
 *
 * It is a coroutine, and the script decides where it can be paused, with coroutine.yield(): best
 * often, after every batch. What happens between two yields is never cut short. It may yield in any
 * Lua function that it calls, inside of pcall and of optim's functions too; not inside of a
 * function that a C function called (on Lua 5.4: x:apply, table.sort, string.gsub). Whether
 * gradients are recorded is each task's own matter.
 *
 * A task belongs to its state, which frees it at the latest when it closes. Its number is never
 * that of another task, so one that is gone is MOONLET_EARG. */
typedef unsigned long long moonlet_task;

/* In place of a task: all of them. */
#define MOONLET_ALL_TASKS ((moonlet_task)0)

/* A new task, which will call the global function with these arguments (letters as in moonlet_call,
 * without '>'). Nothing runs yet. */
MOONLET_API moonlet_status moonlet_task_start(moonlet *m, moonlet_task *task, const char *function,
                                              const char *types, ...);

/* Goes on with a task: resumes it again and again, until it has ended or until one more slice, from
 * one yield to the next, would probably not fit a budget of so many microseconds. What a slice
 * takes is learned from those before it. One slice is run in any case: with a budget of 0 just one.
 *
 *   MOONLET_EAGAIN  there is more to do
 *   MOONLET_OK      the function has returned: moonlet_task_results has what
 *   otherwise       it has failed
 *
 * A task that has ended stays so, and says the same again. MOONLET_ALL_TASKS: all tasks of the
 * state share the budget, in turn; MOONLET_OK when all have ended, or the status of one that failed
 * now. A task that is running (it called a C function, which calls this) is MOONLET_EBUSY. */
MOONLET_API moonlet_status moonlet_step(moonlet *m, moonlet_task task,
                                        unsigned long long budget_us);

/* What the function of a task returned, through pointers as in moonlet_call ("d", &loss). A task
 * that has not ended is MOONLET_EAGAIN; one that failed has its error. */
MOONLET_API moonlet_status moonlet_task_results(moonlet *m, moonlet_task task, const char *types,
                                                ...);

/* Ends a task, wherever it is, and frees it: also one that has ended or failed. */
MOONLET_API moonlet_status moonlet_task_cancel(moonlet *m, moonlet_task task);

/* -- workers: in the background ---------------------------------------------------------------- */

/* A worker is a thread with a state of its own, which does a host's jobs one after another: a
 * network learns there while a game goes on. A job is a call of one of that state's functions.
 * Numbers and text are copied; a tensor is handed over by its handle, so that both sides see one
 * memory: a side that goes on writing to it hands over a copy instead.
 *
 *   moonlet_worker *w = moonlet_worker_open(NULL, code, "brain.lua");
 *   moonlet_work learning;
 *   moonlet_worker_post(w, &learning, "learn", "ti>d", experience, 100LL);
 *   ... in each frame:
 *   if (moonlet_worker_take(w, learning, 0, &loss) == MOONLET_OK) ...
 *
 * The functions may be called by any thread, but moonlet_worker_close only when no other thread is
 * in one of them. Whoever never opens a worker never has its thread. */
typedef struct moonlet_worker moonlet_worker;
typedef unsigned long long moonlet_work; /* a job's number; never 0 */

/* Starts a thread, opens a state there with `config`, whose callbacks that thread then calls, and
 * runs `code` (NULL: none), called `name` in errors. Returns when that is done. NULL when it
 * failed; config->message then has the reason. */
MOONLET_API moonlet_worker *moonlet_worker_open(const moonlet_config *config, const char *code,
                                                const char *name);

/* Hands over a call, with types and arguments as moonlet_call has them, but without the pointers
 * for the results, and returns at once. Jobs begin in the order in which they were handed over.
 * *work: the job's number (NULL: nobody will ask, and its results are kept for nobody).
 * MOONLET_EARG for types without sense, MOONLET_ENOMEM. */
MOONLET_API moonlet_status moonlet_worker_post(moonlet_worker *w, moonlet_work *work,
                                               const char *function, const char *types, ...);

/* Takes a job's results, written through pointers as moonlet_call does. MOONLET_EAGAIN: it is not
 * done yet, also after waiting for `wait_us` microseconds. Otherwise the call's own status, and the
 * job is forgotten: a second time is MOONLET_EARG. A tensor is a new reference; text is valid until
 * the next take from this worker. */
MOONLET_API moonlet_status moonlet_worker_take(moonlet_worker *w, moonlet_work work,
                                               unsigned long long wait_us, ...);

/* Forgets a job that has not begun. MOONLET_EBUSY: it is running; MOONLET_EARG: there is none. */
MOONLET_API moonlet_status moonlet_worker_cancel(moonlet_worker *w, moonlet_work work);

/* Why the job taken last failed, with a traceback; "" when it did not. Valid until the next
 * take. */
MOONLET_API const char *moonlet_worker_error(moonlet_worker *w);

/* How many jobs wait or run. */
MOONLET_API int moonlet_worker_pending(moonlet_worker *w);

/* Forgets the jobs that have not begun, waits for the end of the one that runs (interrupting it,
 * where config->interruptible was set), and ends the thread. NULL is fine. */
MOONLET_API void moonlet_worker_close(moonlet_worker *w);

/* -- memory ------------------------------------------------------------------------------------ */

/* Bytes that Lua's values take now, tensors' elements not counted; 0 while another thread uses the
 * state. */
MOONLET_API size_t moonlet_memory(const moonlet *m);

/* What a state uses. Set size before asking. Fields are only ever added at the end. */
typedef struct moonlet_stats {
  size_t size;                /* sizeof(moonlet_stats) */
  size_t lua_bytes;           /* that Lua's values take */
  size_t tensor_bytes;        /* that tensors of this state hold, */
  size_t tensor_peak_bytes;   /* the most they ever held, */
  size_t tensor_cached_bytes; /* and what was freed, but kept for the next ones */
  size_t tensors;             /* blocks of memory that tensors hold; views share one */
  unsigned long long collections; /* of Lua's garbage, since the state was opened */
} moonlet_stats;

/* Fills the structure; its size says how much of it there is. */
MOONLET_API moonlet_status moonlet_get_stats(moonlet *m, moonlet_stats *stats);

/* Collects all garbage now, tensors that nothing refers to included. */
MOONLET_API moonlet_status moonlet_collect(moonlet *m);

/* Gives memory that was freed by tensors, but kept, back to the system. */
MOONLET_API moonlet_status moonlet_trim(moonlet *m);

/* -- beside all that --------------------------------------------------------------------------- */

/* Lua's state, for the C API of the Lua that Moonlet was built with; in a C function that Lua
 * called, the coroutine that did. NULL while another thread uses it. Leave its stack, its hook and
 * its allocator as you found them, and call what may raise an error through lua_pcall. What you run
 * in this way outside of a call into the state is held to the limit of memory alone. In Lua 5.4 the
 * extra space of coroutines belongs to Moonlet. */
MOONLET_API struct lua_State *moonlet_state(moonlet *m);

/* The version of the library, "0.1.0": a constant. */
MOONLET_API const char *moonlet_version(void);

/* For a host that has a lua_State already: a C function for Lua, which returns a table with
 * torch, nn, optim, data, serve and version, and changes no global. `require "moonlet"` finds it in
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
