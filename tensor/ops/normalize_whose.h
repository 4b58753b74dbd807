/* normalize_whose.h -- whose mean and variance the operation `normalize` takes: see normalize.c. */
#ifndef TN_OPS_NORMALIZE_WHOSE_H
#define TN_OPS_NORMALIZE_WHOSE_H

typedef enum { TN_NORM_ROWS, TN_NORM_SCALE, TN_NORM_BATCH, TN_NORM_GIVEN } tn_norm_whose;

#endif
