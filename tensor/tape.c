/* tape.c -- what an operation leaves behind for its gradient.
 *
 * A node keeps edges to the nodes of its inputs and the values its gradient reads, as aliases
 * without history: so a tensor never owns itself through the node that made it. */
#include "tensor/tape.h"

static _Thread_local tn_node *released; /* waiting while another node is being freed */
static _Thread_local bool releasing;

tn_node *tn__node_retain(tn_node *node) {
  if (node != NULL) atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
  return node;
}

/* An alias of `t` for the node, counted where its values are. */
static tn_status keep_alias(tn_ctx *ctx, tn_tensor **out, tn_tensor *t) {
  tn_status s = tn_tensor_detach(ctx, out, t);
  if (s == TN_OK) atomic_fetch_add_explicit(&t->storage->saved, 1, memory_order_relaxed);
  return s;
}

static void forget_alias(tn_tensor **kept) {
  tn_tensor *t = *kept;
  *kept = NULL;
  if (t == NULL) return;
  atomic_fetch_sub_explicit(&t->storage->saved, 1, memory_order_relaxed);
  tn_tensor_release(t);
}

void tn__node_forget_values(tn_node *node) {
  for (int i = 0; i < node->nin; i++) {
    tn_edge *edge = &node->edges[i];
    if (edge->saved != NULL && edge->saved != edge->leaf) {
      forget_alias(&edge->saved);
    } else {
      tn_tensor_release(edge->saved);
      edge->saved = NULL;
    }
  }
  for (int i = 0; i < node->nout; i++) forget_alias(&node->saved_out[i]);
  if (node->custom.release != NULL) {
    void (*release)(void *) = node->custom.release;
    node->custom.release = NULL;
    release(node->custom.self);
  }
  node->freed = true;
}

static void destroy(tn_node *node) {
  tn__node_forget_values(node);
  for (int i = 0; i < node->nin; i++) {
    tn__node_release(node->edges[i].node);
    tn_tensor_release(node->edges[i].leaf);
  }
  tn__free(node->allocator, node, node->size, TN_UNCOUNTED);
}

/* Without recursion: a chain of a million nodes must not need a million stack frames. */
void tn__node_release(tn_node *node) {
  if (node == NULL) return;
  if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1) return;
  node->next = released;
  released = node;
  if (releasing) return;
  releasing = true;
  while (released != NULL) {
    tn_node *n = released;
    released = n->next;
    destroy(n);
  }
  releasing = false;
}

static tn_status new_node(tn_ctx *ctx, tn_node **out, tn_opcode code, int nin, int nout) {
  size_t size = sizeof(tn_node) + sizeof(tn_edge) * (size_t)nin;
  tn_node *n = tn__alloc(ctx->allocator, &size, TN_UNCOUNTED);
  *out = n;
  if (n == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory to record the gradient");
  atomic_init(&n->refs, 1);
  n->op = tn__ops[code];
  n->code = code;
  n->sequence = ++ctx->sequence;
  n->nin = nin;
  n->nout = (uint8_t)nout;
  n->freed = n->queued = false;
  n->allocator = ctx->allocator;
  n->size = size;
  n->custom.release = NULL;
  for (int i = 0; i < nout; i++) n->saved_out[i] = n->pending[i] = NULL;
  return TN_OK;
}

static tn_status connect(tn_ctx *ctx, tn_edge *edge, tn_tensor *t) {
  edge->node = NULL;
  edge->leaf = edge->saved = NULL;
  edge->output = 0;
  if (t == NULL) return TN_OK;
  tn__meta_of(&edge->meta, t);
  if (t->requires_grad) {
    edge->leaf = tn_tensor_retain(t);
  } else if (t->node != NULL) {
    edge->node = tn__node_retain(tn__node_of(ctx, t));
    if (edge->node == NULL) return TN_ENOMEM;
    edge->output = t->output;
  }
  return TN_OK;
}

/* Views share their base's history: once the base has been changed in place through another view,
 * this view's node is out of date and is made anew from the base. */
tn_node *tn__node_of(tn_ctx *ctx, tn_tensor *t) {
  tn_tensor *base = t->base;
  if (base == NULL || t->epoch == base->epoch) return t->node;
  tn_node *node;
  if (new_node(ctx, &node, TN_OP_as_strided, 1, 1) != TN_OK) return NULL;
  if (connect(ctx, &node->edges[0], base) != TN_OK) {
    node->nin = 0;
    tn__node_release(node);
    return NULL;
  }
  tn__strided_attrs(&node->attrs, t, base);
  tn__meta_of(&node->meta[0], t);
  tn__node_release(t->node);
  t->node = node;
  t->output = 0;
  t->epoch = base->epoch;
  return node;
}

static void save(tn_ctx *ctx, tn_edge *edge, tn_tensor *t, bool written, tn_status *s) {
  if (t->requires_grad) edge->saved = tn_tensor_retain(t);
  else *s = keep_alias(ctx, &edge->saved, t);
  edge->version = t->storage->version - (written ? 1 : 0);
}

static void copy_attrs(tn_attrs *to, const tn_attrs *from) {
  memcpy(to->f, from->f, sizeof to->f);
  to->ni = from->ni;
  memcpy(to->i, from->i, sizeof(int64_t) * (size_t)(from->ni > 4 ? from->ni : 4));
  to->generator = NULL;
}

/* Gives `t` its new history. */
static void set_history(tn_tensor *t, tn_node *node, int output) {
  tn_node *old = t->node;
  t->node = tn__node_retain(node);
  t->output = (uint8_t)output;
  tn__node_release(old);
}

/* A view that was written to: its base now depends on it. */
static tn_status record_in_base(tn_ctx *ctx, tn_tensor *view) {
  tn_tensor *base = view->base;
  tn_node *node;
  if (!tn__contiguous(base)) {
    return tn_fail(ctx, TN_EGRAD,
                   "an in-place change of a view of a non-contiguous tensor cannot be recorded: "
                   "clone() it first");
  }
  tn_status s = new_node(ctx, &node, TN_OP_as_strided_scatter, 2, 1);
  if (s != TN_OK) return s;
  node->nin = 0;
  s = connect(ctx, &node->edges[0], base);
  node->nin = 1;
  if (s == TN_OK) {
    s = connect(ctx, &node->edges[1], view);
    node->nin = 2;
  }
  if (s == TN_OK) {
    tn__strided_attrs(&node->attrs, view, base);
    tn__meta_of(&node->meta[0], base);
    set_history(base, node, 0);
    view->epoch = ++base->epoch;
  }
  tn__node_release(node);
  return s;
}

static bool wants_history(const tn_call *call, int i) {
  const tn_tensor *t = call->out[i];
  return !(call->op->fixed >> i & 1) && tn_dtype_is_float((tn_dtype)t->dtype);
}

/* Leaves are written to plainly, and so are views of leaves: initialisers need no ceremony. */
static bool plain_write(const tn_tensor *t) {
  return t->requires_grad || (t->base != NULL && t->base->requires_grad);
}

tn_status tn__record(tn_call *call, bool given) {
  tn_ctx *ctx = call->ctx;
  const tn_op *op = call->op;
  tn_node *node;
  tn_tensor *first = call->out[0];
  if (given && plain_write(first)) return TN_OK;
  const bool wrote_out = given && op->view == NULL;
  if (!wants_history(call, 0)) return TN_OK;
  tn_status s = new_node(ctx, &node, call->code, call->nin, op->nout);
  if (s != TN_OK) return s;
  const uint16_t keep = op->pointwise != NULL ? tn__pointwise_saves(call) : op->saves;
  int connected = 0;
  for (; connected < call->nin && s == TN_OK; connected++) {
    tn_edge *edge = &node->edges[connected];
    tn_tensor *t = call->in[connected];
    s = connect(ctx, edge, t);
    const int bit = connected < 4 ? connected : connected + 3; /* the results' are in between */
    const bool saves = bit < 16 && (keep >> bit & 1);
    if (s == TN_OK && t != NULL && saves) {
      save(ctx, edge, t, wrote_out && t->storage == first->storage, &s);
    }
  }
  node->nin = connected;
  if (s == TN_OK) copy_attrs(&node->attrs, call->attrs);
  for (int i = 0; i < op->nout && s == TN_OK; i++) {
    tn__meta_of(&node->meta[i], call->out[i]);
    if (keep >> (4 + i) & 1) {
      s = keep_alias(ctx, &node->saved_out[i], call->out[i]);
      node->out_version[i] = call->out[i]->storage->version;
    }
  }
  for (int i = 0; i < op->nout && s == TN_OK; i++) {
    if (wants_history(call, i) && !plain_write(call->out[i])) set_history(call->out[i], node, i);
  }
  tn__node_release(node);
  return s == TN_OK && wrote_out && first->base != NULL ? record_in_base(ctx, first) : s;
}

void tn__remember_base(tn_tensor *view, tn_tensor *of) {
  tn_tensor *root = of->base != NULL ? of->base : of;
  if (view->base != NULL || view->requires_grad || view == root || !tn_dtype_is_float((tn_dtype)view->dtype)) return;
  if (view->storage != root->storage) return; /* matmul and its like make new values */
  view->base = tn_tensor_retain(root);
  view->epoch = of == root ? root->epoch : of->epoch;
}

tn_status tn_record_custom(tn_ctx *ctx, const tn_custom *custom, int nin,
                           tn_tensor *const *inputs, int nout, tn_tensor *const *outputs) {
  tn_node *node;
  if (nout < 1 || nout > TN_MAX_OUTPUTS) {
    return tn_fail(ctx, TN_EARG, "between 1 and %d outputs expected, got %d", TN_MAX_OUTPUTS,
                   nout);
  }
  tn_status s = new_node(ctx, &node, TN_OP_custom, nin, nout);
  if (s != TN_OK) return s;
  int connected = 0;
  for (; connected < nin && s == TN_OK; connected++) {
    s = connect(ctx, &node->edges[connected], inputs[connected]);
  }
  node->nin = connected;
  for (int i = 0; i < nout && s == TN_OK; i++) {
    tn__meta_of(&node->meta[i], outputs[i]);
    set_history(outputs[i], node, i);
  }
  if (s == TN_OK) node->custom = *custom;
  tn__node_release(node);
  return s;
}

/* -- What users see ---------------------------------------------------------------------------- */

bool tn_requires_grad(const tn_tensor *t) { return tn__tracked(t); }
bool tn_is_leaf(const tn_tensor *t) { return t->node == NULL; }
tn_tensor *tn_grad(const tn_tensor *t) { return t->grad; }

bool tn_is_replaceable(const tn_tensor *t) {
  if (t->base != NULL && t->node != NULL) return false;
  for (int d = 0; d < t->ndim; d++) {
    if (t->strides[d] == 0 && t->sizes[d] > 1) return false;
  }
  return atomic_load_explicit(&t->storage->saved, memory_order_relaxed) == 0;
}

const char *tn_grad_name(const tn_tensor *t) {
  return t->node == NULL ? NULL : t->node->op->name;
}

tn_status tn_set_requires_grad(tn_ctx *ctx, tn_tensor *t, bool on) {
  if (on && !tn_dtype_is_float((tn_dtype)t->dtype)) {
    return tn_fail(ctx, TN_EDTYPE, "only floating-point tensors have gradients, this one is %s",
                   tn_dtype_name((tn_dtype)t->dtype));
  }
  if (t->node != NULL) {
    if (on) return TN_OK;
    return tn_fail(ctx, TN_EGRAD,
                   "requires_grad of a tensor made by '%s' cannot be switched off: use detach()",
                   t->node->op->name);
  }
  t->requires_grad = on;
  tn_tensor *base = t->base; /* a leaf begins a history: it shows no part of another one */
  t->base = NULL;
  tn_tensor_release(base);
  return TN_OK;
}

tn_status tn_set_grad(tn_ctx *ctx, tn_tensor *t, tn_tensor *grad) {
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (grad == t) return tn_fail(ctx, TN_EGRAD, "a tensor cannot be its own gradient");
  if (grad != NULL && tn__numel(grad) != tn__numel(t)) {
    return tn_fail(ctx, TN_ESHAPE, "a gradient of size %s does not fit a tensor of size %s",
                   tn__shape_text(a, grad->ndim, grad->sizes),
                   tn__shape_text(b, t->ndim, t->sizes));
  }
  for (const tn_tensor *g = grad; g != NULL; g = g->grad) {
    if (g == t) return tn_fail(ctx, TN_EGRAD, "gradients of gradients cannot form a circle");
  }
  tn_tensor *old = t->grad;
  t->grad = tn_tensor_retain(grad);
  tn_tensor_release(old);
  return TN_OK;
}
