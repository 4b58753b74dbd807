/* dropout.cu -- dropout, with the CPU's mask: element i takes word i % 4 of group i / 4. */
#include "cuda/philox.cuh"
#include "cuda/rows.cuh"

enum { BLOCK = 256 };

/* V neighbours at a time, a multiple of 4. */
template <typename E, int V>
__global__ void __launch_bounds__(BLOCK)
    drop(number_source from, uint64_t count, double words, E kept, bool packs, E *out, E *mask,
         const E *in) {
  const uint64_t step = (uint64_t)gridDim.x * BLOCK * V;
  for (uint64_t at = ((uint64_t)blockIdx.x * BLOCK + threadIdx.x) * V; at < count; at += step) {
    const bool whole = packs && at + V <= count;
    const int n = at + V <= count ? V : (int)(count - at);
    pack<E, V> x, m, y;
    uint32_t r[V];
    if (whole) {
      x = load_pack<E, V>(in + at);
    } else {
#pragma unroll
      for (int e = 0; e < V; e++) x.v[e] = in[at + (e < n ? e : 0)];
    }
#pragma unroll
    for (int k = 0; k < V / 4; k++) numbers_at(from, at / 4 + k, r + 4 * k);
#pragma unroll
    for (int e = 0; e < V; e++) {
      if ((double)r[e] < words) m.v[e] = kept;
      else put_value(m.v[e], 0);
      put_value(y.v[e], value_of(x.v[e]) * value_of(m.v[e]));
    }
    if (whole) {
      store_pack<E, V>(mask + at, m);
      store_pack<E, V>(out + at, y);
    } else {
#pragma unroll
      for (int e = 0; e < V; e++) {
        if (e >= n) continue;
        mask[at + e] = m.v[e];
        out[at + e] = y.v[e];
      }
    }
  }
}

static void set_kept(float *e, double v) { *e = (float)v; }
static void set_kept(double *e, double v) { *e = v; }
static void set_kept(__half *e, double v) { *e = __float2half_rn((float)v); }
static void set_kept(__nv_bfloat16 *e, double v) { *e = __float2bfloat16_rn((float)v); }

extern "C" tn_status tn_cuda_dropout(tn_kernel_call *call) {
  const tn_view &out = call->out[0];
  const double p = call->attrs->f[0], words = floor((1 - p) * 0x1p32 + 0.5);
  const uint64_t count = (uint64_t)count_of(out);
  call->groups = (count + 3) / 4;
  if (count == 0) return TN_OK;
  return with_float(out.dtype, [&](auto element) {
    typedef decltype(element) E;
    enum { V = sizeof(E) == 2 ? 8 : 4 };
    const packed x(call->device, call->in[0], out.dtype);
    if (x.status != TN_OK) return x.status;
    E *y = static_cast<E *>(out.data), *mask = static_cast<E *>(call->out[1].data), kept;
    set_kept(&kept, 1 / (1 - p));
    const bool packs = packs_fit(x.data, 0) && packs_fit(y, 0) && packs_fit(mask, 0);
    const int blocks = tn_cuda_blocks(call->device, (count + V - 1) / V, BLOCK);
    return tn_cuda_check(tn_launch(drop<E, V>, blocks, BLOCK, 0, numbers_of(call), count, words,
                                   kept, packs, y, mask, x.as<E>()));
  });
}
