/* recurrent.c -- recurrent layers, whole sequences at a time.
 *
 * x is (time, batch, in), states are (batch, hidden), weights (gates * hidden, in or hidden) with
 * the gates one below the other: LSTM i f g o, GRU r z n. Without w_ih x is (time, batch, gates *
 * hidden), multiplied already, as pays for rows of a small table. Three rows that scripts do not
 * see do it; their results are what the gradient needs: the outputs (time, batch, hidden), the
 * cells of an LSTM, and what its gates let through; without a gradient to come, the last state
 * instead of all cells. The rows that scripts see pick the last states out of these. */
#include "tensor/cpu/prepared.h"
#include "tensor/cpu/recurrent.h"
#include "tensor/ops/lines.h"

enum { X, W_IH, W_HH, H0, C0, LENGTHS, B_IH, B_HH, INPUTS };
static const char *const input_names[] = {"x", "w_ih", "w_hh", "h0", "c0", "lengths", "b_ih",
                                          "b_hh"};

/* attrs: i[0] the kind, i[1] whether time runs backwards. */
static tn_recurrent_kind kind_of(const tn_attrs *attrs) {
  return (tn_recurrent_kind)tn__int(attrs, 0, TN_LSTM);
}

/* -- Shapes ------------------------------------------------------------------------------------ */

static tn_status expect(tn_call *call, int k, int ndim, int64_t first, int64_t second) {
  const tn_tensor *t = call->in[k], *x = call->in[X];
  char own[TN_SHAPE_TEXT], want[TN_SHAPE_TEXT];
  if (t == NULL) return TN_OK;
  const int64_t sizes[2] = {first, second};
  if (t->ndim != ndim || t->sizes[0] != first || (ndim > 1 && t->sizes[1] != second)) {
    return tn_fail(call->ctx, TN_ESHAPE, "%s has size %s, expected %s", input_names[k],
                   tn__shape_text(own, t->ndim, t->sizes), tn__shape_text(want, ndim, sizes));
  }
  if (k == LENGTHS || t->dtype == x->dtype) return TN_OK;
  return tn_fail(call->ctx, TN_EDTYPE, "%s is of %s, but x of %s", input_names[k],
                 tn_dtype_name((tn_dtype)t->dtype), tn_dtype_name((tn_dtype)x->dtype));
}

/* Will a gradient be recorded? Then all steps' cells and gates are kept. */
static bool keeps(const tn_call *call) {
  bool tracked = false;
  for (int k = 0; k < call->nin; k++) tracked = tracked || tn__tracked(call->in[k]);
  return tracked && call->ctx->grad_enabled;
}

static tn_status recurrent_shape(tn_call *call) {
  const tn_tensor *x = call->in[X], *w = call->in[W_HH];
  char text[TN_SHAPE_TEXT];
  const tn_recurrent_kind kind = kind_of(call->attrs);
  const int gates = tn__recurrent_gates(kind);
  if (x->ndim != 3 || x->sizes[0] < 1) {
    return tn_fail(call->ctx, TN_ESHAPE, "x of size time x batch x features expected, with one "
                   "step or more, got %s", tn__shape_text(text, x->ndim, x->sizes));
  }
  if (!tn_dtype_is_float((tn_dtype)x->dtype)) {
    return tn_fail(call->ctx, TN_EDTYPE, "floating-point input expected, got %s",
                   tn_dtype_name((tn_dtype)x->dtype));
  }
  if (w->ndim != 2 || w->sizes[1] < 1 || w->sizes[0] != gates * w->sizes[1]) {
    return tn_fail(call->ctx, TN_ESHAPE, "w_hh of size %d * hidden x hidden expected, got %s",
                   gates, tn__shape_text(text, w->ndim, w->sizes));
  }
  const int64_t hidden = w->sizes[1], batch = x->sizes[1], rows = gates * hidden;
  tn_status s = expect(call, W_HH, 2, rows, hidden);
  if (s == TN_OK) s = expect(call, W_IH, 2, rows, x->sizes[2]);
  if (s == TN_OK && call->in[W_IH] == NULL && x->sizes[2] != rows) {
    s = tn_fail(call->ctx, TN_ESHAPE, "without w_ih x has %lld features, for w_hh of size %s, got "
                "%lld", (long long)rows, tn__shape_text(text, w->ndim, w->sizes),
                (long long)x->sizes[2]);
  }
  if (s == TN_OK) s = expect(call, H0, 2, batch, hidden);
  if (s == TN_OK) s = expect(call, C0, 2, batch, hidden);
  if (s == TN_OK) s = expect(call, B_IH, 1, rows, 0);
  if (s == TN_OK) s = expect(call, B_HH, 1, rows, 0);
  if (s == TN_OK) s = expect(call, LENGTHS, 1, batch, 0);
  if (s != TN_OK) return s;
  const bool keep = keeps(call), lstm = kind == TN_LSTM, gated = lstm || kind == TN_GRU;
  const uint8_t compute = (uint8_t)tn__compute_dtype((tn_dtype)x->dtype);
  call->meta[0] = (tn_meta){x->dtype, 3, {x->sizes[0], batch, hidden}};
  call->meta[1] = (tn_meta){compute, 3, {!lstm ? 0 : keep ? x->sizes[0] : 1, batch, hidden}};
  call->meta[2] = (tn_meta){compute, 3, {keep && gated ? x->sizes[0] : 0, batch, 4 * hidden}};
  return TN_OK;
}

/* -- Inputs ------------------------------------------------------------------------------------ */

/* The inputs as kernels read them: contiguous, in the compute dtype, states that are not given as
 * zeros. */
typedef struct {
  tn_tensor *in[INPUTS], *work;
} inputs;

static void release(inputs *f) {
  for (int k = 0; k < INPUTS; k++) tn_tensor_release(f->in[k]);
  tn_tensor_release(f->work);
}

static tn_status zeros(tn_ctx *ctx, tn_tensor **out, tn_dtype dtype, int64_t rows,
                       int64_t columns) {
  tn_status s = tn_tensor_new(ctx, out, dtype, 2, (int64_t[]){rows, columns});
  if (s == TN_OK) memset(tn__data(*out), 0, (size_t)(rows * columns) * tn__item_size(dtype));
  return s;
}

static tn_status check_lengths(tn_ctx *ctx, const tn_tensor *lengths, int64_t time) {
  const int64_t *values = (const int64_t *)tn__data(lengths);
  for (int64_t b = 0; b < lengths->sizes[0]; b++) {
    if (values[b] >= 1 && values[b] <= time) continue;
    return tn_fail(ctx, TN_EARG, "length %lld of sequence %lld: between 1 and %lld expected",
                   (long long)values[b], (long long)b + 1, (long long)time);
  }
  return TN_OK;
}

static const void *data(const tn_tensor *t) { return t != NULL ? tn__data(t) : NULL; }

/* Fills `f`, and what both ways need of the layer. */
static tn_status gather(tn_ctx *ctx, tn_tensor *const *in, int nin, const tn_attrs *attrs,
                        inputs *f, tn_recurrent_layer *l) {
  const tn_dtype dtype = tn__compute_dtype((tn_dtype)in[X]->dtype);
  tn_status s = TN_OK;
  memset(f, 0, sizeof *f);
  for (int k = 0; k < nin && s == TN_OK; k++) {
    if (in[k] != NULL) s = tn__contiguous_of(ctx, &f->in[k], in[k], k == LENGTHS ? TN_I64 : dtype);
  }
  if (s != TN_OK) return s;
  const tn_tensor *x = f->in[X];
  const int64_t batch = x->sizes[1], hidden = f->in[W_HH]->sizes[1];
  if (f->in[LENGTHS] != NULL) {
    const tn_dtype given = (tn_dtype)in[LENGTHS]->dtype;
    if (tn_dtype_is_float(given) || given == TN_BOOL) {
      return tn_fail(ctx, TN_EDTYPE, "lengths are whole numbers, got %s", tn_dtype_name(given));
    }
    s = check_lengths(ctx, f->in[LENGTHS], x->sizes[0]);
  }
  if (s == TN_OK && f->in[H0] == NULL) s = zeros(ctx, &f->in[H0], dtype, batch, hidden);
  if (s == TN_OK && f->in[C0] == NULL && kind_of(attrs) == TN_LSTM) {
    s = zeros(ctx, &f->in[C0], dtype, batch, hidden);
  }
  if (s != TN_OK) return s;
  *l = (tn_recurrent_layer){
      .f64 = dtype == TN_F64, .pool = ctx->pool, .w_ih = data(f->in[W_IH]),
      .w_hh = data(f->in[W_HH]), .b_ih = data(f->in[B_IH]), .b_hh = data(f->in[B_HH])};
  l->r = (tn_recurrent){
      .kind = kind_of(attrs), .reverse = tn__int(attrs, 1, 0) != 0, .time = x->sizes[0],
      .batch = batch, .in = f->in[W_IH] != NULL ? x->sizes[2] : 0, .hidden = hidden,
      .lengths = data(f->in[LENGTHS]), .x = data(x), .h0 = data(f->in[H0]), .c0 = data(f->in[C0])};
  return TN_OK;
}

static tn_status take_work(tn_ctx *ctx, inputs *f, tn_recurrent_layer *l, bool back) {
  const int64_t elements = tn__recurrent_work(l, back);
  tn_status s = tn_tensor_new(ctx, &f->work, l->f64 ? TN_F64 : TN_F32, 1, &elements);
  if (s == TN_OK) l->work = tn__data(f->work);
  return s;
}

static tn_status no_memory(tn_ctx *ctx) {
  return tn_fail(ctx, TN_ENOMEM, "not enough memory for a product of matrices");
}

/* With whose storage what is packed may be kept: the weight's, unless a copy is at work. */
static tn_storage *weight_as_it_lies(const tn_call *call, int k, const void *weight) {
  if (weight == NULL || weight != tn__data(call->in[k])) return NULL;
  return tn__weight_in_use(call, k);
}

static tn_status recurrent_run(tn_call *call) {
  tn_ctx *ctx = call->ctx;
  inputs f;
  tn_recurrent_layer l;
  tn_tensor *to = NULL;
  tn_status s = gather(ctx, call->in, call->nin, call->attrs, &f, &l);
  if (s == TN_OK && tn__numel(call->out[0]) > 0) {
    s = tn__result_begin(call, 0, l.f64 ? TN_F64 : TN_F32, &to);
    l.r.keep = keeps(call);
    l.keep_ih = weight_as_it_lies(call, W_IH, l.w_ih);
    l.keep_hh = weight_as_it_lies(call, W_HH, l.w_hh);
    if (s == TN_OK) s = take_work(ctx, &f, &l, false);
    if (s == TN_OK) {
      l.r.out = tn__data(to);
      l.r.cells = l.r.kind == TN_LSTM ? tn__data(call->out[1]) : NULL;
      if (l.r.cells != NULL && !l.r.keep) {
        memcpy(l.r.cells, l.r.c0, (size_t)tn__numel(f.in[C0]) * tn__item_size(f.in[C0]->dtype));
      }
      l.r.gates = tn__numel(call->out[2]) > 0 ? tn__data(call->out[2]) : NULL;
      if (!tn__recurrent_run(&l)) s = no_memory(ctx);
    }
    s = tn__result_end(call, 0, to, s);
  }
  release(&f);
  return s;
}

/* -- Gradient ---------------------------------------------------------------------------------- */

/* A tensor for the gradient of input k in the compute dtype: the leaf's own where it may be added
 * to, which *add says. */
static tn_status place(tn_grad_call *g, int k, tn_dtype dtype, void **to, bool *add) {
  if (!g->need[k]) return TN_OK;
  if (add != NULL && g->into[k] != NULL && g->into[k]->dtype == dtype) {
    *add = true;
    *to = tn__data(g->into[k]);
    return TN_OK;
  }
  tn_status s = tn_tensor_new(g->ctx, &g->din[k], dtype, g->meta[k].ndim, g->meta[k].sizes);
  if (s == TN_OK) {
    *to = tn__data(g->din[k]);
    memset(*to, 0, (size_t)tn__numel(g->din[k]) * tn__item_size(dtype));
  }
  return s;
}

static tn_status places(tn_grad_call *g, tn_recurrent_layer *l, tn_dtype dtype) {
  void *unused = NULL;
  tn_status s = place(g, X, dtype, &l->dx, NULL);
  if (s == TN_OK) s = place(g, W_IH, dtype, &l->dw_ih, &l->add_ih);
  if (s == TN_OK) s = place(g, W_HH, dtype, &l->dw_hh, &l->add_hh);
  if (s == TN_OK) s = place(g, H0, dtype, &l->r.dh0, NULL);
  if (s == TN_OK) s = place(g, C0, dtype, &unused, NULL);
  if (s == TN_OK && g->nin > B_IH) s = place(g, B_IH, dtype, &l->db_ih, NULL);
  if (s == TN_OK && g->nin > B_HH) s = place(g, B_HH, dtype, &l->db_hh, NULL);
  return s;
}

static void added(tn_grad_call *g, int k) {
  g->into[k]->storage->version++;
  g->into[k]->storage->writer = g->node_op->name;
}

static tn_status recurrent_grad(tn_grad_call *g) {
  tn_ctx *ctx = g->ctx;
  inputs f;
  tn_recurrent_layer l;
  tn_tensor *out = NULL, *dout = NULL, *dcells = NULL, *carry = NULL;
  if (g->create_graph) {
    return tn_fail(ctx, TN_EGRAD, "fused through all steps, it has no second gradient");
  }
  tn_status s = gather(ctx, g->in, LENGTHS + 1, g->attrs, &f, &l);
  const tn_dtype dtype = tn__compute_dtype((tn_dtype)g->meta[X].dtype);
  if (s == TN_OK) s = places(g, &l, dtype);
  if (s == TN_OK && tn__numel(g->out[0]) > 0) {
    s = tn__contiguous_of(ctx, &out, g->out[0], dtype);
    if (s == TN_OK && g->dout[0] != NULL) s = tn__contiguous_of(ctx, &dout, g->dout[0], dtype);
    if (s == TN_OK && g->dout[1] != NULL && l.r.kind == TN_LSTM) {
      s = tn__contiguous_of(ctx, &dcells, g->dout[1], dtype);
    }
    if (s == TN_OK) s = zeros(ctx, &carry, dtype, l.r.batch, l.r.hidden);
    const bool add_ih = l.add_ih, add_hh = l.add_hh; /* by the end they are set in any case */
    if (s == TN_OK) s = take_work(ctx, &f, &l, true);
    if (s == TN_OK) {
      l.r.keep = true;
      l.r.out = tn__data(out);
      l.r.cells = l.r.kind == TN_LSTM ? tn__data(g->out[1]) : NULL;
      l.r.gates = tn__numel(g->out[2]) > 0 ? tn__data(g->out[2]) : NULL;
      l.r.dout = data(dout);
      l.r.dcells = data(dcells);
      l.r.carry = tn__data(carry);
      if (!tn__recurrent_run_back(&l)) s = no_memory(ctx);
    }
    if (s == TN_OK && g->need[C0] && l.r.kind == TN_LSTM) tn__copy_view(ctx, g->din[C0], carry);
    if (add_ih) added(g, W_IH);
    if (add_hh) added(g, W_HH);
  }
  for (int k = 0; k < g->nin && s == TN_OK; k++) {
    if (g->din[k] != NULL) s = tn__reduce_to(ctx, &g->din[k], &g->meta[k]);
  }
  release(&f);
  tn_tensor_release(out);
  tn_tensor_release(dout);
  tn_tensor_release(dcells);
  tn_tensor_release(carry);
  return s;
}

/* One row of each kind, so that messages about gradients name what was called. */
#define STEPS_ROW(name_)                                                                          \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .convention = 'N', .flags = TN_FLOATS | TN_ONCE, .nout = 3, .fixed = 4,     \
      .saves = TN_SAVE_A | TN_SAVE_B | TN_SAVE_C | TN_SAVE_D | TN_SAVE_E | TN_SAVE_F |            \
               TN_SAVE_Y | TN_SAVE_Y2 | TN_SAVE_Y3,                                               \
      .low = -2, .high = 2, .shape = recurrent_shape, .run = recurrent_run,                       \
      .grad = recurrent_grad, .doc = "A recurrent layer over whole sequences."}

STEPS_ROW(lstm_layer_steps);
STEPS_ROW(gru_layer_steps);
STEPS_ROW(rnn_layer_steps);

/* -- What scripts call ------------------------------------------------------------------------- */

/* For `gather`: the last step of each row, for all its units. */
static tn_tensor *last_steps(tn_eval *e, tn_tensor *lengths, int64_t hidden) {
  const int64_t batch = lengths->sizes[0];
  tn_tensor *values = NULL, *index = NULL;
  if (tn__elsewhere(lengths)) { /* whose values nobody waits for */
    tn_attrs to = {.i = {TN_I64}, .ni = 1};
    index = tn__do(e, TN_OP_to, &to, 1, &lengths);
    if (e->status == TN_OK) {
      e->status = tn_tensor_scalar(e->ctx, &values, TN_I64, e->ctx->index_base - 1);
    }
    if (e->status != TN_OK) return NULL;
    index = tn__do(e, TN_OP_add, NULL, 2, (tn_tensor *[]){index, tn__temp(e, values)});
    index = tn__reshaped(e, index, 3, (int64_t[]){1, batch, 1});
    return tn__with_sizes(e, TN_OP_expand, index, 3, (int64_t[]){1, batch, hidden});
  }
  tn__touch(lengths->storage);
  e->status = tn__contiguous_of(e->ctx, &values, lengths, TN_I64);
  if (e->status == TN_OK) {
    e->status = tn_tensor_new(e->ctx, &index, TN_I64, 3, (int64_t[]){1, batch, hidden});
  }
  for (int64_t i = 0; e->status == TN_OK && i < batch * hidden; i++) {
    const int64_t length = ((const int64_t *)tn__data(values))[i / hidden];
    ((int64_t *)tn__data(index))[i] = length - 1 + e->ctx->index_base;
  }
  tn_tensor_release(values);
  return e->status == TN_OK ? tn__temp(e, index) : NULL;
}

/* The states of each row's last step: the last that was made of all `states`, or, where only that
 * was kept, the state itself. */
static tn_tensor *last_state(tn_eval *e, tn_call *call, tn_tensor *states, tn_tensor *lengths,
                             bool reverse) {
  if (e->status != TN_OK) return NULL;
  const bool only = states->sizes[0] == 1;
  const int64_t time = call->in[0]->sizes[0];
  tn_tensor *state;
  if (lengths == NULL || reverse || only) {
    state = tn__with_two(e, TN_OP_select, states, 0, reverse || only ? 0 : time - 1);
  } else {
    tn_attrs along = {.i = {0}, .ni = 1};
    tn_tensor *index = last_steps(e, lengths, states->sizes[2]);
    state = tn__do(e, TN_OP_gather, &along, 2, (tn_tensor *[]){states, index});
    state = tn__with_two(e, TN_OP_select, state, 0, 0);
  }
  if (state != NULL && state->dtype != call->in[0]->dtype) {
    tn_attrs to = {.i = {call->in[0]->dtype}, .ni = 1};
    return tn__do(e, TN_OP_to, &to, 1, &state);
  }
  return tn__do(e, TN_OP_clone, NULL, 1, &state); /* not the memory of all steps */
}

/* in[]: in the order of the rows above. */
static tn_status layer(tn_call *call, tn_recurrent_kind kind, bool reverse, tn_tensor *const *in) {
  static const tn_opcode codes[TN_RECURRENT_KINDS] = {
      TN_OP_lstm_layer_steps, TN_OP_gru_layer_steps, TN_OP_rnn_layer_steps, TN_OP_rnn_layer_steps};
  tn_eval e = tn__eval_begin(call->ctx);
  tn_attrs attrs = {.i = {kind, reverse}, .ni = 2};
  tn_tensor *out[TN_MAX_OUTPUTS] = {NULL};
  e.status = tn_apply(call->ctx, codes[kind], INPUTS, in, &attrs, out);
  for (int i = 0; i < 3; i++) tn__temp(&e, out[i]);
  tn_tensor *h = last_state(&e, call, out[0], in[LENGTHS], reverse), *c = NULL;
  if (kind == TN_LSTM) c = last_state(&e, call, out[1], in[LENGTHS], reverse);
  call->out[0] = tn__keep(&e, out[0]);
  call->out[1] = tn__keep(&e, h);
  if (kind == TN_LSTM) call->out[2] = tn__keep(&e, c);
  return tn__eval_end(&e);
}

static tn_tensor *input(const tn_call *call, int k) { return k < call->nin ? call->in[k] : NULL; }

static tn_status lstm_layer_compose(tn_call *call) {
  tn_tensor *in[INPUTS] = {input(call, 0), input(call, 3), input(call, 4), input(call, 1),
                           input(call, 2), input(call, 7), input(call, 5), input(call, 6)};
  return layer(call, TN_LSTM, tn__int(call->attrs, 0, 0) != 0, in);
}

static void without_cell(const tn_call *call, tn_tensor **in) {
  static const int from[INPUTS] = {0, 2, 3, 1, -1, 6, 4, 5};
  for (int k = 0; k < INPUTS; k++) in[k] = from[k] < 0 ? NULL : input(call, from[k]);
}

static tn_status gru_layer_compose(tn_call *call) {
  tn_tensor *in[INPUTS];
  without_cell(call, in);
  return layer(call, TN_GRU, tn__int(call->attrs, 0, 0) != 0, in);
}

static tn_status rnn_layer_compose(tn_call *call) {
  tn_tensor *in[INPUTS];
  without_cell(call, in);
  return layer(call, tn__int(call->attrs, 1, 0) == 1 ? TN_RNN_RELU : TN_RNN_TANH,
               tn__int(call->attrs, 0, 0) != 0, in);
}

#define LAYER_ROW(name_, states_, nout_, more_, onnx_, doc_)                                      \
  const tn_op tn__op_##name_ = {                                                                  \
      .name = #name_, .lua = #name_, .convention = 'C', .flags = TN_FLOATS | TN_ONCE,             \
      .args = "T x; " states_ "T? w_ih; T w_hh; T? b_ih; T? b_hh; T? lengths; b reverse=0" more_,  \
      .nout = nout_, .low = -2, .high = 2, .compose = name_##_compose, .onnx = onnx_, .doc = doc_}

LAYER_ROW(lstm_layer, "T? h0; T? c0; ", 3, "", "LSTM",
          "Long short-term memory over (time, batch, features): outputs, last h, last c.");
LAYER_ROW(gru_layer, "T? h0; ", 2, "", "GRU",
          "Gated recurrent units over (time, batch, features): outputs, last h.");
LAYER_ROW(rnn_layer, "T? h0; ", 2, "; w nonlinearity=tanh,relu", "RNN",
          "A simple recurrent layer over (time, batch, features): outputs, last h.");
