/* onednn_plan.c -- oneDNN's functions, and primitives kept by what they depend on. */
#include "onednn_plan.h"

#include "onednn.h"

#ifdef TN_HAVE_DNNL

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct tn_dnnl tn__dnnl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

/* Every kind of plan that has been made, under `list_lock`. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static tn_dnnl_plans *all_plans;

static void list_plans(tn_dnnl_plans *plans) {
  if (plans->listed) return;
  pthread_mutex_lock(&list_lock);
  plans->listed = true;
  plans->next = all_plans;
  all_plans = plans;
  pthread_mutex_unlock(&list_lock);
}

static bool new_attribute(dnnl_primitive_attr_t *attr) {
  return tn__dnnl.primitive_attr_create(attr) == dnnl_success &&
         tn__dnnl.primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user) ==
             dnnl_success;
}

static void open_functions(void) {
  const char *wish = getenv("MOONLET_BLAS");
  if (wish != NULL && strcmp(wish, "builtin") == 0) return;
  void *library = tn__onednn_library(TN_HAVE_DNNL);
  bool all = library != NULL;
#define X(name) all = all && (*(void **)&tn__dnnl.name = dlsym(library, "dnnl_" #name)) != NULL;
  TN_DNNL_FUNCTIONS(X)
#undef X
  dnnl_post_ops_t sum = NULL;
  ready = all && tn__dnnl.engine_create(&tn__dnnl.engine, dnnl_cpu, 0) == dnnl_success &&
          new_attribute(&tn__dnnl.attr) && new_attribute(&tn__dnnl.adding) &&
          tn__dnnl.post_ops_create(&sum) == dnnl_success &&
          tn__dnnl.post_ops_append_sum(sum, 1) == dnnl_success &&
          tn__dnnl.primitive_attr_set_post_ops(tn__dnnl.adding, sum) == dnnl_success;
  if (sum != NULL) tn__dnnl.post_ops_destroy(sum); /* the attribute has a copy */
}

bool tn__dnnl_ready(void) {
  pthread_once(&once, open_functions);
  return ready;
}

/* For bfloat16 the processor must have instructions: emulated, it is slower than floats are. */
bool tn__dnnl_is_fast(dnnl_primitive_desc_t pd, dnnl_data_type_t type) {
  const char *name = NULL;
  if (tn__dnnl.primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) !=
      dnnl_success) {
    return false;
  }
  if (strncmp(name, "jit", 3) != 0 && strncmp(name, "brg", 3) != 0) return false;
  const char *isa = strchr(name, ':');
  return type != dnnl_bf16 || (isa != NULL && strstr(isa, "bf16") != NULL);
}

bool tn__dnnl_execute(dnnl_stream_t stream, dnnl_primitive_t primitive, int n,
                      const tn_dnnl_operand *given) {
  dnnl_exec_arg_t args[TN_DNNL_OPERANDS] = {{0}};
  int made = 0;
  bool ok = true;
  for (; made < n && ok; made++) {
    args[made].arg = given[made].argument;
    ok = tn__dnnl.memory_create(&args[made].memory, given[made].md, tn__dnnl.engine,
                                given[made].data) == dnnl_success;
  }
  ok = ok && tn__dnnl.primitive_execute(primitive, stream, n, args) == dnnl_success;
  for (int i = 0; i < made; i++) {
    if (args[i].memory != NULL) tn__dnnl.memory_destroy(args[i].memory);
  }
  return ok;
}

/* Where `key` is; or else where to put it: a free place, or the one that was used least lately. -1
 * where all are in use. */
static int place_of(const tn_dnnl_plans *plans, const void *key) {
  int place = -1;
  for (int i = 0; i < TN_DNNL_KEPT; i++) {
    const tn_dnnl_plan *p = plans->kept[i], *best = place < 0 ? NULL : plans->kept[place];
    if (p != NULL && memcmp(p->key, key, plans->key_bytes) == 0) return i;
    if (p == NULL) place = i;
    else if (p->users == 0 && (place < 0 || (best != NULL && p->used < best->used))) place = i;
  }
  return place;
}

tn_dnnl_plan *tn__dnnl_take(tn_dnnl_plans *plans, const void *key) {
  pthread_mutex_lock(&plans->lock);
  const int place = place_of(plans, key);
  tn_dnnl_plan *p = place < 0 ? NULL : plans->kept[place];
  if (place >= 0 && (p == NULL || memcmp(p->key, key, plans->key_bytes) != 0)) {
    tn_dnnl_plan *made = plans->make(key);
    if (made != NULL) {
      if (p != NULL) plans->destroy(p);
      list_plans(plans);
      plans->kept[place] = made;
    }
    p = made;
  }
  if (p != NULL) p->used = ++plans->clock;
  if (p != NULL && !p->usable) p = NULL;
  if (p != NULL) p->users++;
  pthread_mutex_unlock(&plans->lock);
  return p;
}

void tn__dnnl_give_back(tn_dnnl_plans *plans, tn_dnnl_plan *plan) {
  if (plan == NULL) return;
  pthread_mutex_lock(&plans->lock);
  plan->users--;
  pthread_mutex_unlock(&plans->lock);
}

static void forget_plans(tn_dnnl_plans *plans) {
  for (int i = 0; i < TN_DNNL_KEPT; i++) {
    if (plans->kept[i] != NULL) plans->destroy(plans->kept[i]);
    plans->kept[i] = NULL;
  }
  plans->listed = false;
}

void tn__onednn_forget(void) {
  for (; all_plans != NULL; all_plans = all_plans->next) forget_plans(all_plans);
  if (tn__dnnl.attr != NULL) tn__dnnl.primitive_attr_destroy(tn__dnnl.attr);
  if (tn__dnnl.adding != NULL) tn__dnnl.primitive_attr_destroy(tn__dnnl.adding);
  if (tn__dnnl.engine != NULL) tn__dnnl.engine_destroy(tn__dnnl.engine);
  memset(&tn__dnnl, 0, sizeof tn__dnnl);
  ready = false;
  const pthread_once_t anew = PTHREAD_ONCE_INIT;
  once = anew;
}

#else

void tn__onednn_forget(void) {}

#endif
