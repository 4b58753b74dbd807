/* autocast.c -- mixed precision: which operations calculate in 16 bits while autocast is on, and
 * which want 32.
 *
 * Inputs are converted by recorded casts, so that parameters and their gradients stay float32
 * (Micikevicius et al. 2018). The lists are those of PyTorch's CUDA devices, as far as there are
 * such operations here: products are fast and forgiving; exponentials, sums and losses are not. */
#include "tensor/autocast.h"

#include <stdlib.h>

/* AS_GIVEN: inputs of several widths get the widest; MIXES: the kernel takes them as they are */
enum { AS_GIVEN, LOW, WIDE, MIXES };

#define IS(class, name) [TN_OP_##name] = class
static const uint8_t classes[TN_OP_COUNT] = {
    /* products */
    IS(LOW, mv), IS(LOW, mm), IS(LOW, bmm), IS(LOW, addmv), IS(LOW, addmm), IS(LOW, addr),
    IS(LOW, baddbmm), IS(LOW, addbmm), IS(LOW, matmul), IS(LOW, linear), IS(LOW, convolve),
    IS(LOW, convolve_input), IS(LOW, conv1d), IS(LOW, conv2d), IS(LOW, conv3d),
    IS(LOW, conv_transpose1d), IS(LOW, conv_transpose2d), IS(LOW, conv_transpose3d),
    IS(LOW, scaled_dot_product_attention),
    /* where 8 bits of precision, or float16's range, are too few */
    IS(WIDE, exp), IS(WIDE, expm1), IS(WIDE, log), IS(WIDE, log1p), IS(WIDE, log2),
    IS(WIDE, log10), IS(WIDE, pow), IS(WIDE, cinv), IS(WIDE, rsqrt), IS(WIDE, asin),
    IS(WIDE, acos), IS(WIDE, sinh), IS(WIDE, cosh), IS(WIDE, tan), IS(WIDE, softplus),
    IS(WIDE, logsigmoid), IS(WIDE, softmax), IS(WIDE, log_softmax), IS(WIDE, softmin),
    /* sums of many */
    IS(WIDE, sum), IS(WIDE, mean), IS(WIDE, prod), IS(WIDE, var), IS(WIDE, std), IS(WIDE, norm),
    IS(WIDE, logsumexp), IS(WIDE, cumsum), IS(WIDE, cumprod), IS(WIDE, logcumsumexp),
    IS(WIDE, nansum), IS(WIDE, nanmean), IS(WIDE, var_mean), IS(WIDE, std_mean), IS(WIDE, cov),
    IS(WIDE, corrcoef), IS(WIDE, dist), IS(WIDE, trace), IS(WIDE, renorm), IS(WIDE, quantile),
    IS(WIDE, nanquantile), IS(WIDE, sum_dims), IS(WIDE, mean_dims), IS(WIDE, prod_dims),
    IS(WIDE, logsumexp_dims), IS(WIDE, var_dims), IS(WIDE, std_dims), IS(WIDE, norm_dims),
    IS(WIDE, nansum_dims), IS(WIDE, nanmean_dims), IS(WIDE, cdist), IS(WIDE, distances),
    /* losses */
    IS(WIDE, nll_loss), IS(WIDE, cross_entropy), IS(WIDE, mse_loss),
    IS(WIDE, ctc_loss),
    /* linear algebra, transforms */
    IS(WIDE, gesv), IS(WIDE, solve), IS(WIDE, inverse), IS(WIDE, lu_factor), IS(WIDE, det),
    IS(WIDE, slogdet), IS(WIDE, logdet), IS(WIDE, trtrs), IS(WIDE, triangular_solve),
    IS(WIDE, cholesky), IS(WIDE, potrf), IS(WIDE, potrs), IS(WIDE, potri), IS(WIDE, qr),
    IS(WIDE, cholesky_solve), IS(WIDE, cholesky_inverse), IS(WIDE, gels), IS(WIDE, lstsq),
    IS(WIDE, symeig), IS(WIDE, eigh), IS(WIDE, eigvalsh), IS(WIDE, svd), IS(WIDE, svdvals),
    IS(WIDE, pinv), IS(WIDE, matrix_rank), IS(WIDE, eig), IS(WIDE, eigvals), IS(WIDE, matrix_exp),
    IS(WIDE, fft_c2c), IS(WIDE, fft_r2c), IS(WIDE, fft_c2r),
    /* statistics in float32, results like x */
    IS(MIXES, normalize),
};

static bool is_low(const tn_tensor *t) { return t->dtype == TN_BF16 || t->dtype == TN_F16; }

/* The dtype that the call's floating-point inputs get; TN_DTYPE_COUNT: they stay. Plain numbers
 * follow the tensors beside them, and float64 is there for a reason. */
static int wanted(const tn_call *call) {
  bool low = false, wide = false;
  for (int i = 0; i < call->nin; i++) {
    const tn_tensor *t = call->in[i];
    if (t == NULL || t->number) continue;
    if (t->dtype == TN_F64) return TN_DTYPE_COUNT;
    low = low || is_low(t);
    wide = wide || t->dtype == TN_F32;
  }
  if (classes[call->code] == LOW) return low || wide ? call->ctx->autocast : TN_DTYPE_COUNT;
  if (classes[call->code] == WIDE) return low ? TN_F32 : TN_DTYPE_COUNT;
  return low && wide ? TN_F32 : TN_DTYPE_COUNT;
}

bool tn__autocasts(const tn_call *call, tn_tensor *const *given) {
  const tn_op *op = call->op;
  if (given[0] != NULL || call->code == TN_OP_to) return false;
  if (classes[call->code] != AS_GIVEN) return classes[call->code] != MIXES;
  /* pointwise operations widen by themselves; of composed ones the parts are asked */
  return call->nin > 1 && op->pointwise == NULL && op->compose == NULL && op->view == NULL;
}

/* A reference to the input as the operation gets it. */
static tn_status cast(tn_ctx *ctx, tn_tensor **out, tn_tensor *t, int dtype) {
  const tn_attrs to = {.i = {dtype}, .ni = 1};
  const bool stays = t == NULL || t->number || t->dtype == dtype || dtype == TN_DTYPE_COUNT ||
                     !(is_low(t) || t->dtype == TN_F32);
  *out = NULL;
  if (!stays) return tn_apply(ctx, TN_OP_to, 1, &t, &to, out);
  *out = t != NULL ? tn_tensor_retain(t) : NULL;
  return TN_OK;
}

tn_status tn__autocast(const tn_call *call, tn_tensor **out) {
  tn_ctx *ctx = call->ctx;
  tn_tensor *few[TN_MAX_INPUTS];
  tn_tensor **in = call->nin <= TN_MAX_INPUTS ? few : malloc(sizeof *in * (size_t)call->nin);
  if (in == NULL) return tn_fail(ctx, TN_ENOMEM, "not enough memory for a list of tensors");
  const int dtype = wanted(call);
  const uint8_t was = ctx->autocast;
  tn_status s = TN_OK;
  int n = 0;
  for (; n < call->nin && s == TN_OK; n++) s = cast(ctx, &in[n], call->in[n], dtype);
  ctx->autocast = TN_AUTOCAST_OFF; /* for what the operation is made of, too */
  if (s == TN_OK) s = tn_apply(ctx, call->code, call->nin, in, call->attrs, out);
  ctx->autocast = was;
  while (n > 0) tn_tensor_release(in[--n]);
  if (in != few) free(in);
  return s;
}
