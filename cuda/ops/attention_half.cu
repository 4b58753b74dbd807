/* attention_half.cu -- attention of float16 and bfloat16 on tensor cores. */
#include "cuda/ops/attention.cuh"

tn_status tn_cuda_attention_forward_half(const attention &) { return TN_DECLINED; }
tn_status tn_cuda_attention_backward_half(const attention &) { return TN_DECLINED; }
