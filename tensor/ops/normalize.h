/* normalize.h -- what the operation `normalize` is asked for: see normalize.c. */
#ifndef TN_OPS_NORMALIZE_H
#define TN_OPS_NORMALIZE_H

#include "tensor/internal.h"
#include "tensor/ops/normalize_whose.h"

#endif
