/* normalize.h -- what the operation `normalize` is asked for: see normalize.c. */
#ifndef TN_OPS_NORMALIZE_H
#define TN_OPS_NORMALIZE_H

#include "tensor/internal.h"

typedef enum { TN_NORM_ROWS, TN_NORM_SCALE, TN_NORM_BATCH, TN_NORM_GIVEN } tn_norm_whose;

#endif
