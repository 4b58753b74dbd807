/* recurrent.h -- the steps of recurrent layers through time, and back.
 *
 * All arrays are contiguous and of one type, float or double. At every step the kernels multiply
 * few rows with the same weights, so these are packed once, into panels of four vectors: of the
 * four gates of as many units as a vector has lanes, or of four vectors of units. What a product
 * gives goes straight from the registers' block through the gates, while it is in the first cache.
 * Rows of the batch do not depend on one another: each thread may take its own through all steps.
 */
#ifndef TN_CPU_RECURRENT_H
#define TN_CPU_RECURRENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/cpu/isa.h"
#include "tensor/cpu/pool.h"

typedef enum { TN_LSTM, TN_GRU, TN_RNN_TANH, TN_RNN_RELU, TN_RECURRENT_KINDS } tn_recurrent_kind;

enum { TN_RECURRENT_ROWS = 64 }; /* the most that one call takes */

/* Of gates: as many as the weights have (LSTM i f g o; GRU r z n), and as many as are kept for the
 * gradient: of a GRU also what h adds to n. */
static inline int tn__recurrent_gates(tn_recurrent_kind kind) {
  return kind == TN_LSTM ? 4 : kind == TN_GRU ? 3 : 1;
}
static inline int tn__recurrent_kept(tn_recurrent_kind kind) {
  return kind == TN_LSTM || kind == TN_GRU ? 4 : 1;
}

typedef struct {
  tn_recurrent_kind kind;
  bool reverse;           /* from the last step to the first */
  bool keep;              /* cells and gates of all steps, for the gradient */
  bool summed;            /* `sums`, or without it `gates`, already holds the input's part of each
                           * step; without w_hidden also the hidden state's */
  int64_t time, batch, in, hidden;
  const int64_t *lengths; /* steps of each row, 1 ... time; NULL: all of them */
  const void *x, *h0, *c0;
  const void *sums;       /* (time, batch, gates * hidden): the input's part, or NULL */
  const void *w_in, *w_hidden, *bias; /* packed; NULL where it takes no part */
  void *out;              /* (time, batch, hidden) */
  void *cells;            /* (time, batch, hidden), or the state (batch, hidden) unless kept */
  void *gates;            /* (time, batch, kept gates * hidden), from step `origin` on */
  int64_t origin;
  /* Of the way back: */
  const void *dout, *dcells; /* either may be NULL */
  void *dgates;           /* as gates, of what goes into them, from step `back_origin` on */
  int64_t back_origin;
  void *carry;            /* (batch, hidden): zeros at first; at the end the gradient of c0 */
  void *firsts;           /* (batch, kept gates * hidden): dgates of each row's first step */
  void *dh0;              /* or NULL */
} tn_recurrent;

/* A part of the work: steps as they are made (or, on the way back, unmade), rows of the batch, and
 * of all panels some. dbias: kept gates * hidden sums, those of these rows. */
typedef struct {
  int64_t step, steps, row, rows, panel, panels;
  void *dbias;
} tn_recurrent_part;

/* Panels of the way there and of the way back, and the elements that weights with `k` columns (on
 * the way back rows) or a bias take in them. */
TN_ISA_DECLARE(int64_t, tn__recurrent_panels_f32, (const tn_recurrent *r, bool back))
TN_ISA_DECLARE(int64_t, tn__recurrent_panels_f64, (const tn_recurrent *r, bool back))
TN_ISA_DECLARE(int64_t, tn__recurrent_packed_f32, (const tn_recurrent *r, bool back, int64_t k))
TN_ISA_DECLARE(int64_t, tn__recurrent_packed_f64, (const tn_recurrent *r, bool back, int64_t k))

/* Packs weights (gates * hidden, k) for the way there, panels [first, last); back: weights (gates *
 * hidden, hidden). */
TN_ISA_DECLARE(void, tn__recurrent_pack_f32, (const tn_recurrent *r, bool back, int64_t k,
                                              const void *w, void *to, int64_t first, int64_t last))
TN_ISA_DECLARE(void, tn__recurrent_pack_f64, (const tn_recurrent *r, bool back, int64_t k,
                                              const void *w, void *to, int64_t first, int64_t last))
/* Of both biases, each of which may be NULL. */
TN_ISA_DECLARE(void, tn__recurrent_bias_f32, (const tn_recurrent *r, const void *b_ih,
                                              const void *b_hh, void *to))
TN_ISA_DECLARE(void, tn__recurrent_bias_f64, (const tn_recurrent *r, const void *b_ih,
                                              const void *b_hh, void *to))

TN_ISA_DECLARE(void, tn__recurrent_forward_f32, (const tn_recurrent *r, const tn_recurrent_part *p))
TN_ISA_DECLARE(void, tn__recurrent_forward_f64, (const tn_recurrent *r, const tn_recurrent_part *p))
TN_ISA_DECLARE(void, tn__recurrent_backward_f32, (const tn_recurrent *r,
                                                  const tn_recurrent_part *p))
TN_ISA_DECLARE(void, tn__recurrent_backward_f64, (const tn_recurrent *r,
                                                  const tn_recurrent_part *p))
/* After the last step back: dh0, from firsts and carry, of the rows and panels of `p`. */
TN_ISA_DECLARE(void, tn__recurrent_start_f32, (const tn_recurrent *r, const tn_recurrent_part *p))
TN_ISA_DECLARE(void, tn__recurrent_start_f64, (const tn_recurrent *r, const tn_recurrent_part *p))

/* -- Whole layers: recurrent.c ----------------------------------------------------------------- */

/* Weights as they are: w_ih (gates * hidden, in), w_hh (gates * hidden, hidden), biases or NULL.
 * Without w_ih, and with `in` 0, x is (time, batch, gates * hidden): multiplied already. */
typedef struct {
  tn_recurrent r; /* without what is packed */
  bool f64;
  tn_pool *pool;
  const void *w_ih, *w_hh, *b_ih, *b_hh;
  struct tn_storage *keep_ih, *keep_hh; /* of weights in use: what is packed stays there; or NULL */
  void *work; /* as many elements as tn__recurrent_work says, 64-byte aligned */
  /* Gradients, each of which may be NULL; add: to what is there already. */
  void *dx, *dw_ih, *dw_hh, *db_ih, *db_hh;
  bool add_ih, add_hh;
} tn_recurrent_layer;

int64_t tn__recurrent_work(const tn_recurrent_layer *layer, bool back);
/* False where there is no memory for a product. */
bool tn__recurrent_run(tn_recurrent_layer *layer);
bool tn__recurrent_run_back(tn_recurrent_layer *layer);

#endif
