/* autocast.h -- mixed precision, as dispatch sees it. */
#ifndef TN_AUTOCAST_H
#define TN_AUTOCAST_H

#include "tensor/internal.h"

/* Does this call, made while autocast is on, have to go through tn__autocast? Calls that write into
 * a tensor of the caller's take their inputs as they are. */
bool tn__autocasts(const tn_call *call, tn_tensor *const *given);
/* Runs the call on inputs of the dtypes that it shall calculate in. */
tn_status tn__autocast(const tn_call *call, tn_tensor **out);

#endif
