/* packages.h -- the Lua packages inside the library, and the `require` that finds them.
 *
 * The build packs the .lua files of stdlib/ and nn/, and data files beside them, into the
 * library, compressed where that pays. Packages run with a table of globals of their own which
 * falls back on the host's, so that they neither see nor make globals of a guest host by accident.
 *
 * require looks for NAME in this order: what is loaded already; $MOONLET_PATH/stdlib/NAME.lua,
 * $MOONLET_PATH/NAME.lua and $MOONLET_PATH/nn/packages/NAME.lua (also as NAME/init.lua), so that
 * edits count without a build; the embedded packages; the C cores; the host's own require. */
#ifndef MOONLET_PACKAGES_H
#define MOONLET_PACKAGES_H

#include "lua_compat.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct moonlet_package {
  const char *name; /* module name, "torch.class"; for a data file its path in the tree */
  const char *path; /* path in the tree, "stdlib/torch/class.lua" */
  int pack;         /* where its bytes are: index into moonlet__packs, */
  unsigned offset;  /* in what that has unpacked, */
  unsigned size;    /* and how many they are. pack -1: left out of this build; path names the part */
} moonlet_package;

/* Some files after one another, compressed as one: small ones gain much by that. */
typedef struct moonlet_pack {
  const unsigned char *bytes;
  unsigned size, unpacked; /* unpacked 0: they are as they were, as they gain nothing */
} moonlet_pack;

/* Written by the build; the last entry has no name. */
extern const moonlet_package moonlet__packages[];
extern const moonlet_pack moonlet__packs[];

/* What whoever made the state tells torch.core, as fields of the registry set before it opens:
 * the number of threads as in tn_config (absent: 1, only the caller's); the host's threads as a
 * userdata that holds a moonlet_host_threads; a light userdata which points to a `volatile
 * sig_atomic_t` that is not 0 while Ctrl-C waits to be noticed; the name of the default type of
 * tensors. And to require: a function that is asked first, which returns the loader of the module
 * with this name and where it comes from, or nil. */
#define MOONLET_KEY_THREADS   "moonlet.threads"
#define MOONLET_KEY_PARALLEL  "moonlet.parallel"
#define MOONLET_KEY_DTYPE     "moonlet.dtype"
#define MOONLET_KEY_SEARCH    "moonlet.search"
#define MOONLET_KEY_INTERRUPT "moonlet.interrupt"

typedef struct {
  void (*parallel)(void *user, int count, void (*piece)(void *arg, int i), void *arg);
  void *user;
} moonlet_host_threads;

/* C cores that packages may require: "torch.core", "moonlet.gzip". Each returns a table. */
int luaopen_moonlet_core(lua_State *L);
int luaopen_moonlet_gzip(lua_State *L);

/* The packages that are globals of the executable, loaded when they are touched first. */
extern const char *const moonlet_packages_globals[]; /* ends with NULL */

/* Sets the state up for packages; a second call changes nothing but adds what `global` adds:
 * the ordinary `require` finds the packages too, and moonlet_packages_globals are globals. Without it
 * no global and no table of the host is changed. May raise a Lua error. */
void moonlet_packages_open(lua_State *L, bool global);

/* Pushes the packages' own `require`. May raise; moonlet_packages_open comes first. */
void moonlet_packages_require(lua_State *L);

/* A C function for Lua: pushes the table that stands for Moonlet in a host's own state, with
 * the fields version, vm, torch, nn, optim, data, serve (loaded when touched) and require. */
int moonlet_packages_module(lua_State *L);

/* -- shared by packages*.c -- */

/* Pushes a field of the state's table: require, loaded, env or path (of MOONLET_PATH). */
void moonlet__push_field(lua_State *L, const char *field);

/* Pushes the path of module `name` under MOONLET_PATH; or pushes nothing and returns NULL. */
const char *moonlet__push_file(lua_State *L, const char *name);

const moonlet_package *moonlet__find_embedded(const char *name); /* or NULL */

/* The bytes of a package's file; they live as long as the value that this pushes. May raise. */
const char *moonlet__push_embedded(lua_State *L, const moonlet_package *p, size_t *size);

lua_CFunction moonlet__find_core(const char *name);              /* or NULL */
bool moonlet__is_listed(const char *name, size_t length, const char *const *list);
int moonlet__packages_index(lua_State *L); /* opens `moonlet.packages` */
void moonlet__packages_make_global(lua_State *L);

#endif
