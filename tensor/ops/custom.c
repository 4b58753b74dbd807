/* custom.c -- operations whose gradient the host wrote: tn_record_custom. */
#include "tensor/internal.h"

static tn_status custom_grad(tn_grad_call *g) {
  int nout = 0;
  for (int i = 0; i < TN_MAX_OUTPUTS; i++) {
    if (g->dout[i] != NULL) nout = i + 1;
  }
  for (int i = 0; i < g->nin; i++) g->din[i] = NULL;
  tn_status s = g->custom->backward(g->ctx, g->custom->self, nout, g->dout, g->nin, g->din);
  for (int i = 0; i < g->nin && s == TN_OK; i++) {
    if (g->din[i] == NULL) continue;
    int64_t count = 1;
    for (int d = 0; d < g->meta[i].ndim; d++) count *= g->meta[i].sizes[d];
    if (count != tn__numel(g->din[i])) {
      char a[TN_SHAPE_TEXT], b[TN_SHAPE_TEXT];
      s = tn_fail(g->ctx, TN_ESHAPE, "its gradient of input %d is of size %s, but the input of %s",
                  i + 1, tn__shape_text(a, g->din[i]->ndim, g->din[i]->sizes),
                  tn__shape_text(b, g->meta[i].ndim, g->meta[i].sizes));
    } else {
      s = tn__reduce_to(g->ctx, &g->din[i], &g->meta[i]);
    }
  }
  return s;
}

static tn_status custom_shape(tn_call *call) {
  return tn_fail(call->ctx, TN_EARG, "it is recorded, not called");
}

const tn_op tn__op_custom = {.name = "custom", .convention = 'N', .nout = 1,
                             .shape = custom_shape, .grad = custom_grad,
                             .doc = "A function of the host, with the gradient it gives."};
