/* backward.c -- runs the tape backwards: nodes in the order of their making, last first. */
#include <stdlib.h>

#include "tensor/device.h"
#include "tensor/tape.h"

typedef struct {
  tn_ctx *ctx;
  tn_node **heap; /* by sequence, greatest first */
  size_t count, room;
  int ninputs;
  tn_tensor *const *inputs;
  tn_tensor **grads;
  tn_backward_options options;
} engine;

/* -- Queue ------------------------------------------------------------------------------------- */

static tn_status push(engine *e, tn_node *node) {
  if (node->queued) return TN_OK;
  if (e->count == e->room) {
    size_t room = e->room > 0 ? 2 * e->room : 64;
    tn_node **heap = realloc(e->heap, room * sizeof *heap);
    if (heap == NULL) return tn_fail(e->ctx, TN_ENOMEM, "not enough memory for the backward pass");
    e->heap = heap;
    e->room = room;
  }
  size_t at = e->count++;
  for (; at > 0 && e->heap[(at - 1) / 2]->sequence < node->sequence; at = (at - 1) / 2) {
    e->heap[at] = e->heap[(at - 1) / 2];
  }
  e->heap[at] = tn__node_retain(node);
  node->queued = true;
  return TN_OK;
}

static tn_node *pop(engine *e) {
  tn_node *top = e->heap[0], *last = e->heap[--e->count];
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= e->count) break;
    if (child + 1 < e->count && e->heap[child + 1]->sequence > e->heap[child]->sequence) child++;
    if (e->heap[child]->sequence < last->sequence) break;
    e->heap[at] = e->heap[child];
    at = child;
  }
  if (e->count > 0) e->heap[at] = last;
  top->queued = false;
  return top;
}

/* -- Sums -------------------------------------------------------------------------------------- */

/* Does nothing else use this tensor's memory? Then it may be written to. */
static bool owned(const tn_tensor *t) {
  return t->refs == 1 && t->storage->refs == 1 && t->node == NULL && tn__contiguous(t);
}

/* *slot += g, which is consumed. */
static tn_status accumulate(engine *e, tn_tensor **slot, tn_tensor *g) {
  tn_tensor *sum = NULL;
  tn_status s;
  if (*slot == NULL) {
    *slot = g;
    return TN_OK;
  }
  tn_tensor *in[2] = {*slot, g};
  tn_attrs attrs = {.f = {1}};
  if (!e->options.create_graph && owned(*slot)) {
    s = tn_apply_inplace(e->ctx, TN_OP_add, 2, in, &attrs);
  } else {
    s = tn_apply(e->ctx, TN_OP_add, 2, in, &attrs, &sum);
    if (s == TN_OK) {
      tn_tensor_release(*slot);
      *slot = sum;
    }
  }
  tn_tensor_release(g);
  return s;
}

/* leaf.grad += g, which is consumed. Adds in place, since others may hold the same gradient (a
 * module's gradWeight, or a part of all gradients in one tensor). */
static tn_status accumulate_leaf(engine *e, tn_tensor *leaf, tn_tensor *g) {
  tn_status s = TN_OK;
  if (leaf->grad != NULL && !e->options.create_graph) {
    tn_tensor *in[2] = {leaf->grad, g};
    tn_attrs attrs = {.f = {1}};
    s = tn_apply_inplace(e->ctx, TN_OP_add, 2, in, &attrs);
    tn_tensor_release(g);
    return s;
  }
  if (leaf->grad != NULL) {
    tn_tensor *sum = tn_tensor_retain(leaf->grad);
    s = accumulate(e, &sum, g);
    if (s == TN_OK) s = tn_set_grad(e->ctx, leaf, sum);
    tn_tensor_release(sum);
    return s;
  }
  if (!e->options.create_graph && !owned(g)) {
    tn_tensor *copy = NULL;
    s = tn_tensor_new_on(e->ctx, &copy, g->storage->device, (tn_dtype)g->dtype, g->ndim, g->sizes);
    if (s == TN_OK) s = tn__copy_view(e->ctx, copy, g);
    tn_tensor_release(g);
    g = copy;
  }
  if (s == TN_OK) s = tn_set_grad(e->ctx, leaf, g);
  tn_tensor_release(g);
  return s;
}

/* -- One node ---------------------------------------------------------------------------------- */

static tn_status check_version(engine *e, const tn_node *node, const tn_tensor *t,
                               uint32_t version) {
  if (t->storage->version == version) return TN_OK;
  return tn_fail(e->ctx, TN_EGRAD,
                 "the gradient of '%s' needs a value that was changed in place afterwards by '%s'",
                 node->op->name, t->storage->writer != NULL ? t->storage->writer : "?");
}

/* A leaf is saved as it is, so resize() or set() may have changed what it shows. */
static bool has_meta(const tn_tensor *t, const tn_meta *m) {
  return t->dtype == m->dtype && t->ndim == m->ndim &&
         memcmp(t->sizes, m->sizes, sizeof(int64_t) * m->ndim) == 0;
}

/* The saved value of an input, tied to its history when the gradient itself is recorded. */
static tn_status saved_input(engine *e, const tn_node *node, int i, tn_tensor **out) {
  const tn_edge *edge = &node->edges[i];
  *out = NULL;
  if (edge->saved == NULL) return TN_OK;
  tn_status s = check_version(e, node, edge->saved, edge->version);
  if (s == TN_OK && !has_meta(edge->saved, &edge->meta)) {
    s = tn_fail(e->ctx, TN_EGRAD, "the gradient of '%s' needs a tensor that was given another shape "
                "or storage afterwards", node->op->name);
  }
  if (s != TN_OK) return s;
  if (!e->options.create_graph || edge->node == NULL) {
    *out = tn_tensor_retain(edge->saved);
    return TN_OK;
  }
  s = tn_tensor_detach(e->ctx, out, edge->saved);
  if (s != TN_OK) return s;
  (*out)->node = tn__node_retain(edge->node);
  (*out)->output = edge->output;
  return TN_OK;
}

static tn_status saved_output(engine *e, tn_node *node, int i, tn_tensor **out) {
  *out = NULL;
  if (node->saved_out[i] == NULL) return TN_OK;
  tn_status s = check_version(e, node, node->saved_out[i], node->out_version[i]);
  if (s == TN_OK) s = tn_tensor_detach(e->ctx, out, node->saved_out[i]);
  if (s == TN_OK && e->options.create_graph && !(node->op->fixed >> i & 1)) {
    (*out)->node = tn__node_retain(node);
    (*out)->output = (uint8_t)i;
  }
  return s;
}

static bool wanted(const engine *e, const tn_edge *edge) {
  if (edge->node != NULL) return true;
  if (edge->leaf == NULL) return false;
  if (e->ninputs == 0) return true;
  for (int i = 0; i < e->ninputs; i++) {
    if (e->inputs[i] == edge->leaf) return true;
  }
  return false;
}

/* Sends the gradient of one input (consumed) to where it belongs. */
static tn_status send(engine *e, const tn_edge *edge, tn_tensor *g) {
  tn_status s = TN_OK;
  if (g == NULL) return TN_OK;
  if (edge->node != NULL) { /* what waits in a node is found again through the queue alone */
    s = push(e, edge->node);
    if (s == TN_OK) return accumulate(e, &edge->node->pending[edge->output], g);
    tn_tensor_release(g);
    return s;
  }
  if (edge->leaf == NULL) {
    tn_tensor_release(g);
    return TN_OK;
  }
  if (e->ninputs == 0) return accumulate_leaf(e, edge->leaf, g);
  for (int i = 0; i < e->ninputs && s == TN_OK; i++) {
    if (e->inputs[i] == edge->leaf) s = accumulate(e, &e->grads[i], tn_tensor_retain(g));
  }
  tn_tensor_release(g);
  return s;
}

enum { SMALL = 8 };

/* A leaf's gradient that an operation may add to itself, without a temporary. */
static tn_tensor *direct(const engine *e, const tn_edge *edge) {
  tn_tensor *leaf = edge->leaf;
  if (e->options.create_graph || e->ninputs > 0 || leaf == NULL || leaf->grad == NULL) return NULL;
  tn_tensor *g = leaf->grad;
  return g->dtype == leaf->dtype && tn__same_shape(g, leaf) && tn__contiguous(g) ? g : NULL;
}

/* Where the gradient of a node is calculated: where what arrived lies. */
static int16_t device_of(const tn_grad_call *g) {
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) {
    if (g->dout[i] != NULL) return g->dout[i]->storage->device;
  }
  return TN_CPU;
}

static tn_status differentiate(engine *e, tn_node *node) {
  tn_tensor *few[3][SMALL] = {{0}};
  bool few_needs[SMALL];
  int n = node->nin;
  tn_tensor **many = n > SMALL ? calloc((size_t)n * 2, sizeof *many) : NULL;
  bool *many_needs = n > SMALL ? calloc((size_t)n, sizeof *many_needs) : NULL;
  tn_meta *metas = calloc((size_t)(n > 0 ? n : 1), sizeof *metas);
  tn_status s = TN_OK;
  tn_grad_call g = {.ctx = e->ctx, .code = node->code, .node_op = node->op, .custom = &node->custom,
                    .attrs = &node->attrs, .nin = n, .out_meta = node->meta,
                    .create_graph = e->options.create_graph};
  tn_tensor **din = n > SMALL ? many : few[0];
  tn_tensor **into = n > SMALL && many != NULL ? many + n : few[1];
  bool *need = n > SMALL ? many_needs : few_needs;
  if (metas == NULL || din == NULL || need == NULL) {
    free(many);
    free(many_needs);
    free(metas);
    return tn_fail(e->ctx, TN_ENOMEM, "not enough memory for the backward pass");
  }
  for (int i = 0; i < n; i++) {
    metas[i] = node->edges[i].meta;
    need[i] = wanted(e, &node->edges[i]);
    into[i] = direct(e, &node->edges[i]);
    if (i < TN_MAX_INPUTS && s == TN_OK) s = saved_input(e, node, i, &g.in[i]);
  }
  for (int i = 0; i < node->nout; i++) {
    g.dout[i] = node->pending[i];
    node->pending[i] = NULL;
    if (s == TN_OK) s = saved_output(e, node, i, &g.out[i]);
  }
  g.meta = metas;
  g.need = need;
  g.din = din;
  g.into = into;
  const int16_t was = e->ctx->device;
  e->ctx->device = device_of(&g);
  if (s == TN_OK && TN_DEVICES && e->ctx->device != TN_CPU) s = tn__device_differentiate(&g);
  else if (s == TN_OK) s = node->op->grad(&g);
  e->ctx->device = was;
  for (int i = 0; i < n; i++) {
    if (s == TN_OK) s = send(e, &node->edges[i], din[i]);
    else tn_tensor_release(din[i]);
  }
  for (int i = 0; i < TN_MAX_INPUTS; i++) tn_tensor_release(g.in[i]);
  for (int i = 0; i < node->nout; i++) {
    tn_tensor_release(g.out[i]);
    tn_tensor_release(g.dout[i]);
  }
  free(many);
  free(many_needs);
  free(metas);
  return s;
}

/* Gradients of inputs that are not leaves are complete when their node's turn comes. */
static tn_status capture(engine *e, const tn_node *node) {
  tn_status s = TN_OK;
  for (int i = 0; i < e->ninputs && s == TN_OK; i++) {
    const tn_tensor *t = e->inputs[i];
    if (t->requires_grad || t->node != node || node->pending[t->output] == NULL) continue;
    s = accumulate(e, &e->grads[i], tn_tensor_retain(node->pending[t->output]));
  }
  return s;
}

static tn_status step(engine *e) {
  tn_node *node = pop(e);
  tn_status s = TN_OK;
  const tn_op *outer = e->ctx->op;
  if (node->freed) {
    s = tn_fail(e->ctx, TN_EGRAD,
                "the values that the gradient of '%s' needs were freed by an earlier backward: "
                "ask that one to retain the graph", node->op->name);
  }
  if (s == TN_OK && e->ctx->interrupted != NULL && e->ctx->interrupted(e->ctx->user)) {
    s = tn_fail(e->ctx, TN_EINTERRUPT, "interrupted");
  }
  if (s == TN_OK) s = capture(e, node);
  if (s == TN_OK) {
    e->ctx->op = node->op;
    s = differentiate(e, node);
    e->ctx->op = outer;
  }
  for (int i = 0; i < node->nout; i++) {
    tn_tensor_release(node->pending[i]);
    node->pending[i] = NULL;
  }
  if (s == TN_OK && !e->options.retain_graph) tn__node_forget_values(node);
  tn__node_release(node);
  return s;
}

/* -- Beginning and end ------------------------------------------------------------------------- */

static tn_status seed_root(engine *e, tn_tensor *root, tn_tensor *seed) {
  tn_status s = TN_OK;
  char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
  if (!tn__tracked(root)) {
    return tn_fail(e->ctx, TN_EGRAD, "no gradient was recorded for this tensor");
  }
  if (seed != NULL && tn__numel(seed) != tn__numel(root)) {
    return tn_fail(e->ctx, TN_ESHAPE, "a gradient of size %s does not fit a result of size %s",
                   tn__shape_text(a, seed->ndim, seed->sizes),
                   tn__shape_text(b, root->ndim, root->sizes));
  }
  if (seed == NULL && tn__numel(root) != 1) {
    return tn_fail(e->ctx, TN_ESHAPE,
                   "the gradient of a result of size %s must be given: only for one number is it 1",
                   tn__shape_text(a, root->ndim, root->sizes));
  }
  tn_tensor *g = NULL;
  if (seed == NULL) {
    s = tn_tensor_new_on(e->ctx, &g, root->storage->device, (tn_dtype)root->dtype, root->ndim,
                         root->sizes);
    if (s == TN_OK) tn_tensor_put(g, 0, 1);
  } else {
    tn_meta meta;
    tn__meta_of(&meta, root);
    g = tn_tensor_retain(seed);
    s = tn__reduce_to(e->ctx, &g, &meta);
  }
  if (s != TN_OK) return s;
  tn_edge edge = {.node = root->requires_grad ? NULL : tn__node_of(e->ctx, root),
                  .leaf = root->requires_grad ? root : NULL, .output = root->output};
  if (edge.node == NULL && edge.leaf == NULL) {
    tn_tensor_release(g);
    return TN_ENOMEM;
  }
  return send(e, &edge, g);
}

tn_status tn_backward(tn_ctx *ctx, int nroots, tn_tensor *const *roots, tn_tensor *const *seeds,
                      int ninputs, tn_tensor *const *inputs, tn_tensor **grads,
                      tn_backward_options options) {
  engine e = {.ctx = ctx, .ninputs = ninputs, .inputs = inputs, .grads = grads,
              .options = options};
  e.options.retain_graph = options.retain_graph || options.create_graph;
  bool was = tn_set_grad_enabled(ctx, options.create_graph);
  const bool inside = ctx->differentiating;
  ctx->differentiating = true;
  const uint8_t was_autocast = ctx->autocast;
  ctx->autocast = TN_AUTOCAST_OFF; /* gradients have the dtypes of what they belong to */
  tn_status s = TN_OK;
  for (int i = 0; i < ninputs; i++) grads[i] = NULL;
  for (int i = 0; i < ninputs && s == TN_OK; i++) {
    if (!inputs[i]->requires_grad && inputs[i]->base != NULL) tn__node_of(ctx, inputs[i]);
  }
  for (int i = 0; i < nroots && s == TN_OK; i++) {
    s = seed_root(&e, roots[i], seeds != NULL ? seeds[i] : NULL);
  }
  while (s == TN_OK && e.count > 0) s = step(&e);
  while (e.count > 0) { /* after a failure: nothing may stay in the nodes */
    tn_node *node = pop(&e);
    for (int i = 0; i < node->nout; i++) {
      tn_tensor_release(node->pending[i]);
      node->pending[i] = NULL;
    }
    tn__node_release(node);
  }
  for (int i = 0; i < ninputs && s != TN_OK; i++) {
    tn_tensor_release(grads[i]);
    grads[i] = NULL;
  }
  free(e.heap);
  tn_set_grad_enabled(ctx, was);
  ctx->differentiating = inside;
  ctx->autocast = was_autocast;
  return s;
}
