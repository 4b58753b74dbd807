/* order_kernel.h -- what kernel_order.c asks of the kernels of one instruction set: one block of 16
 * outputs and 16 inputs of a convolution's kernel. In `plain` outputs are `across` elements apart, and
 * the inputs' cells follow each other; in `block` there is a square for each cell. */
#ifndef TN_CPU_ISA_ORDER_KERNEL_H
#define TN_CPU_ISA_ORDER_KERNEL_H

#include <stdint.h>

#include "tensor/cpu/isa.h"

/* Squares of [input][output]; and the way back. */
TN_ISA_DECLARE(void, tn__order_outputs,
               (int64_t cells, const float *plain, int64_t across, float *block))
TN_ISA_DECLARE(void, tn__order_outputs_back,
               (int64_t cells, const float *block, float *plain, int64_t across))
/* Squares of [output][input]. */
TN_ISA_DECLARE(void, tn__order_inputs,
               (int64_t cells, const float *plain, int64_t across, float *block))

#endif
