/* plan.h -- plans: a forward pass noted once, laid out in one arena, and run many times. Shared by
 * plan_record.c (which notes), plan_layout.c (where values lie) and plan.c (which runs). */
#ifndef TN_PLAN_H
#define TN_PLAN_H

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/isa/gemm_kernel.h"
#include "tensor/internal.h"

/* -- What is noted ----------------------------------------------------------------------------- */

typedef enum {
  TN_VALUE_OUTSIDE, /* a parameter or constant: used where it lies */
  TN_VALUE_MADE     /* an input, or made by an operation: lies in the arena */
} tn_value_kind;

typedef struct {
  tn_storage *storage; /* the one it had while it was noted: a reference */
  tn_storage *init;    /* values that it begins with, each time; or NULL */
  tn_value_kind kind;
  bool pinned;         /* input or output: its memory is for nothing else */
  bool watched;        /* it would be an error if the program looked at it or changed it */
  int first, last;     /* steps that use it */
  int root;            /* the value in whose memory it lies: itself, or one that ends here */
  size_t used, bytes, offset; /* of roots: bytes used, and those of its place in the arena */
  tn_storage *place;   /* of roots: its part of the arena, a reference */
} tn_plan_value;

/* A tensor as an operation saw it. */
typedef struct {
  int value; /* -1: not given */
  tn_tensor header;
} tn_operand;

typedef struct {
  tn_opcode code;
  int nin, nout, operand; /* the first of its operands: inputs, then outputs */
  int dim;
  bool inplace;
  tn_attrs attrs;
  tn_meta meta[TN_MAX_OUTPUTS];
} tn_note;

typedef struct {
  tn_ctx *ctx;
  bool grad_was;
  uint8_t autocast_was;
  uint32_t serial;
  tn_plan_value *values;
  tn_note *notes;
  tn_operand *operands;
  int32_t *slots; /* of the table of values by their storages: index + 1, or 0 */
  int nvalues, nnotes, noperands, nslots;
  int room_values, room_notes, room_operands;
  bool writes_outside; /* changes what is not its own */
  tn_tensor **examples; /* the inputs' values */
  char why[TN_MESSAGE]; /* not empty: why it cannot be planned */
} tn_recorder;

/* -- What is run ------------------------------------------------------------------------------- */

typedef struct tn_step tn_step;
struct tn_step {
  tn_status (*run)(tn_step *step);
  tn_call call; /* in[] and out[] point at tensors of the plan's */
  tn_attrs attrs;
  tn_gemm gemm; /* of a linear step: all but its pointers */
  tn_gemm_kernel *product;
  void *scratch;
  tn_storage *init; /* of a step that only sets values */
};

struct tn_plan {
  tn_recorder *recorder; /* NULL: finished */
  bool ready;
  int nin, nout, nsteps;
  tn_tensor **inputs, **outputs;
  tn_step *steps;
  tn_tensor *tensors, **pointers; /* of all steps: one block each */
  tn_storage **held;              /* parameters, constants, and parts of the arena */
  int nheld;
  tn_storage *arena, *stack; /* the stack serves what kernels need for themselves */
  void *scratch;             /* of linear steps */
  tn_allocator *memory;      /* in place of the context's, while it runs */
  size_t parameters;         /* bytes outside */
};

/* plan_record.c */
void tn__plan_free_recorder(tn_recorder *r);
int tn__plan_value_of(tn_recorder *r, tn_storage *s); /* -1: none */
int tn__plan_add_value(tn_recorder *r, tn_storage *s, tn_value_kind kind);
/* Notes that `out` becomes a copy of `in`, elements in order. */
tn_status tn__plan_note_copy(tn_recorder *r, tn_opcode code, const tn_tensor *out, int out_value,
                             const tn_tensor *in, int in_value);

/* plan_layout.c: shares memory among values and gives them offsets; returns the arena's bytes. */
tn_status tn__plan_layout(tn_ctx *ctx, tn_recorder *r, size_t *bytes);

/* plan_steps.c: chooses how a step is run. Returns the bytes of scratch memory that it needs. */
size_t tn__plan_choose(tn_step *step);

#endif
