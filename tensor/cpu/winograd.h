/* winograd.h -- convolutions with 3x3 windows and a step of 1, by a quarter of the products. */
#ifndef TN_CPU_WINOGRAD_H
#define TN_CPU_WINOGRAD_H

#include "onednn_conv.h"

/* The same as tn__onednn_conv, of floats. False, and nothing done, where it would not pay, or memory
 * is missing. */
bool tn__winograd(tn_pool *pool, const tn_onednn_conv *c);

#endif
