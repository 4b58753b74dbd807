/* plan_layout.c -- where a plan's values lie in its arena.
 *
 * Each value lives from the first operation that uses it to the last. A pointwise result takes the
 * place of an input that ends there. Of the others the largest are placed first, each at the lowest
 * offset where it meets none that lives at the same time. */
#include <stdlib.h>

#include "tensor/plan.h"

enum { LINE = 64 };

static tn_plan_value *root_of(tn_recorder *r, int value) {
  while (r->values[value].root != value) value = r->values[value].root;
  return &r->values[value];
}

static size_t whole_lines(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

/* Do an input and the result lie in the same order, each filling its storage from the beginning? */
static bool alike(const tn_recorder *r, const tn_operand *in, const tn_operand *out) {
  const tn_tensor *a = &in->header, *b = &out->header;
  const size_t bytes = (size_t)tn__numel(b) * tn__item_size(b->dtype);
  return a->dtype == b->dtype && a->offset == 0 && b->offset == 0 && tn__same_shape(a, b) &&
         tn__contiguous(a) && tn__contiguous(b) && bytes == r->values[in->value].bytes &&
         bytes == r->values[out->value].bytes;
}

/* The result of step `at` may be written over operand k, which nothing reads any more. */
static bool may_share(tn_recorder *r, const tn_note *n, int k, int at) {
  const tn_operand *in = &r->operands[n->operand + k], *out = &r->operands[n->operand + n->nin];
  if (in->value < 0 || in->value == out->value) return false;
  const tn_plan_value *a = root_of(r, in->value), *b = &r->values[out->value];
  if (a->kind != TN_VALUE_MADE || a->pinned || a->last != at || b->init != NULL) return false;
  for (int i = 0; i < n->nin; i++) {
    const int other = r->operands[n->operand + i].value;
    if (i != k && other >= 0 && root_of(r, other) == a) return false;
  }
  return alike(r, in, out);
}

static void share(tn_recorder *r) {
  for (int at = 0; at < r->nnotes; at++) {
    const tn_note *n = &r->notes[at];
    if (tn__ops[n->code]->pointwise == NULL || n->inplace) continue;
    const int out = r->operands[n->operand + n->nin].value;
    tn_plan_value *v = &r->values[out];
    if (v->kind != TN_VALUE_MADE || v->first != at || v->root != out) continue;
    for (int k = 0; k < n->nin; k++) {
      if (!may_share(r, n, k, at)) continue;
      tn_plan_value *root = root_of(r, r->operands[n->operand + k].value);
      v->root = (int)(root - r->values);
      root->last = v->last;
      root->pinned = root->pinned || v->pinned;
      break;
    }
  }
}

static int by_size(const void *a, const void *b) {
  const tn_plan_value *x = *(tn_plan_value *const *)a, *y = *(tn_plan_value *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->first != y->first ? (x->first > y->first) - (x->first < y->first)
                              : (x->root > y->root) - (x->root < y->root);
}

/* The lowest offset where v fits among those placed, which are in the order of their offsets. */
static size_t place_for(tn_plan_value *const *placed, int count, const tn_plan_value *v) {
  size_t offset = 0;
  for (int i = 0; i < count; i++) {
    const tn_plan_value *p = placed[i];
    if (p->last < v->first || v->last < p->first) continue;
    if (p->offset >= offset + v->bytes) break;
    if (p->offset + p->bytes > offset) offset = p->offset + p->bytes;
  }
  return offset;
}

tn_status tn__plan_layout(tn_ctx *ctx, tn_recorder *r, size_t *bytes) {
  tn_plan_value **roots = malloc(sizeof *roots * 2 * (size_t)(r->nvalues + 1));
  tn_plan_value **placed = roots + r->nvalues;
  int count = 0;
  *bytes = 0;
  if (roots == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory to lay out a plan");
  share(r);
  for (int i = 0; i < r->nvalues; i++) {
    tn_plan_value *v = &r->values[i];
    if (v->kind != TN_VALUE_MADE || v->root != i) continue;
    v->used = v->bytes;
    v->bytes = whole_lines(v->bytes > 0 ? v->bytes : 1);
    roots[count++] = v;
  }
  qsort(roots, (size_t)count, sizeof *roots, by_size);
  for (int i = 0; i < count; i++) {
    tn_plan_value *v = roots[i];
    int at = i;
    v->offset = place_for(placed, i, v);
    while (at > 0 && placed[at - 1]->offset > v->offset) {
      placed[at] = placed[at - 1];
      at--;
    }
    placed[at] = v;
    if (v->offset + v->bytes > *bytes) *bytes = v->offset + v->bytes;
  }
  free(roots);
  return TN_OK;
}
