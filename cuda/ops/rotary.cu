/* rotary.cu -- rotary position embedding: pairs of numbers turned by an angle of their position. */
#include "cuda/rows.cuh"

enum { BLOCK = 256 };

/* A unit is V neighbours of one row: of the first halves of pairs, of pairs side by side, or of what
 * stays as it is. */
typedef struct {
  int64_t rows, time, dim, pairs, first;
  int64_t turned, units; /* of a row: those with pairs, and all */
  const void *cos, *sin;
  int32_t dtype; /* of both */
  bool beside, wide;
  int sign;
} turning;

template <typename E, int V>
__global__ void __launch_bounds__(BLOCK) turn(turning t, E *out, const E *in) {
  typedef typename real_of<E>::type R;
  const uint64_t count = (uint64_t)(t.rows * t.units), step = (uint64_t)gridDim.x * BLOCK;
  for (uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x; i < count; i += step) {
    const int64_t row = count < 0xffffffffu ? (int64_t)((uint32_t)i / (uint32_t)t.units)
                                            : (int64_t)(i / (uint64_t)t.units);
    const int64_t unit = (int64_t)i - row * t.units;
    const E *x = in + row * t.dim;
    E *y = out + row * t.dim;
    const int64_t angles = (t.first + row % t.time) * t.pairs;
    R c[V], s[V];
    if (unit >= t.turned) {
      const int64_t at = 2 * t.pairs + (unit - t.turned) * V;
      store_pack<E, V>(y + at, load_pack<E, V>(x + at));
    } else if (t.beside && V == 1) { /* a unit is a pair */
      const R p = value_of(x[2 * unit]), q = value_of(x[2 * unit + 1]);
      c[0] = load<R>(t.cos, t.dtype, angles + unit);
      s[0] = load<R>(t.sin, t.dtype, angles + unit) * (R)t.sign;
      put_value(y[2 * unit], p * c[0] - q * s[0]);
      put_value(y[2 * unit + 1], q * c[0] + p * s[0]);
    } else if (t.beside) {
      pack<E, V> a = load_pack<E, V>(x + unit * V);
#pragma unroll
      for (int e = 0; e + 1 < V; e += 2) {
        const int64_t pair = angles + (unit * V + e) / 2;
        const R p = value_of(a.v[e]), q = value_of(a.v[e + 1]);
        c[e] = load<R>(t.cos, t.dtype, pair);
        s[e] = load<R>(t.sin, t.dtype, pair) * (R)t.sign;
        put_value(a.v[e], p * c[e] - q * s[e]);
        put_value(a.v[e + 1], q * c[e] + p * s[e]);
      }
      store_pack<E, V>(y + unit * V, a);
    } else {
      const int64_t at = unit * V;
      pack<E, V> a = load_pack<E, V>(x + at), b = load_pack<E, V>(x + t.pairs + at);
      load_reals<R, V>(c, t.cos, t.dtype, angles + at, t.wide);
      load_reals<R, V>(s, t.sin, t.dtype, angles + at, t.wide);
#pragma unroll
      for (int e = 0; e < V; e++) {
        const R p = value_of(a.v[e]), q = value_of(b.v[e]), turned = s[e] * (R)t.sign;
        put_value(a.v[e], p * c[e] - q * turned);
        put_value(b.v[e], q * c[e] + p * turned);
      }
      store_pack<E, V>(y + at, a);
      store_pack<E, V>(y + t.pairs + at, b);
    }
  }
}

template <typename E, int V>
static cudaError_t run(int device, turning t, E *out, const E *in) {
  t.turned = (t.beside && V > 1 ? 2 * t.pairs : t.pairs) / V;
  t.units = t.turned + (t.dim - 2 * t.pairs) / V;
  const int blocks = tn_cuda_blocks(device, (uint64_t)(t.rows * t.units), BLOCK);
  return tn_launch(turn<E, V>, blocks, BLOCK, 0, t, out, in);
}

extern "C" tn_status tn_cuda_rotary_embedding(tn_kernel_call *call) {
  const tn_view &out = call->out[0], &table = call->in[1];
  if (count_of(out) == 0) return TN_OK;
  return with_float(out.dtype, [&](auto element) {
    typedef decltype(element) E;
    enum { V = 16 / sizeof(E) };
    const packed x(call->device, call->in[0], out.dtype), c(call->device, table, table.dtype);
    const packed s(call->device, call->in[2], table.dtype);
    if (x.status != TN_OK) return x.status;
    if (c.status != TN_OK) return c.status;
    if (s.status != TN_OK) return s.status;
    turning t;
    memset(&t, 0, sizeof t);
    t.time = out.sizes[out.ndim - 2];
    t.dim = out.sizes[out.ndim - 1];
    t.rows = count_of(out) / t.dim;
    t.pairs = table.sizes[1];
    t.beside = attr_int(call->attrs, 0, 0) != 0;
    t.first = attr_int(call->attrs, 1, 0);
    t.sign = attr_int(call->attrs, 2, 0) != 0 ? -1 : 1;
    t.cos = c.data;
    t.sin = s.data;
    t.dtype = table.dtype;
    t.wide = packs_fit(c.data, 0) && packs_fit(s.data, 0);
    const bool packs = packs_fit(x.data, t.dim * (int64_t)sizeof(E)) && packs_fit(out.data, 0) &&
                       t.pairs % V == 0 && (t.dim - 2 * t.pairs) % V == 0;
    E *y = static_cast<E *>(out.data);
    if (packs) return tn_cuda_check(run<E, V>(call->device, t, y, x.as<E>()));
    return tn_cuda_check(run<E, 1>(call->device, t, y, x.as<E>()));
  });
}
