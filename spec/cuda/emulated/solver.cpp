/* solver.cpp -- there is no cuSOLVER here: the own kernels serve matrices of every size. */
#include "cuda/lib/solver.h"

extern "C" {

bool tn_solver_is_there(void) { return false; }

static tn_status missing() { return tn_cuda_fail(TN_EDEVICE, "cuSOLVER is not emulated"); }

tn_status tn_solver_lu(int, bool, int64_t, int64_t, void *, int64_t *, int *) { return missing(); }
tn_status tn_solver_cholesky(int, bool, bool, int64_t, void *, int *) { return missing(); }
tn_status tn_solver_qr(int, bool, int64_t, int64_t, void *, void *, int *) { return missing(); }
tn_status tn_solver_symmetric(int, bool, bool, bool, int64_t, void *, void *, int *) {
  return missing();
}
tn_status tn_solver_svd(int, bool, bool, int64_t, int64_t, void *, void *, void *, void *,
                        int *) {
  return missing();
}

}  // extern "C"
