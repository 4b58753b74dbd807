/* dnn.cpp -- cuda/lib/dnn.h by plain loops, in place of cuDNN. It stops the program where a call is
 * not one that cuDNN would take: sizes that do not fit each other, gaps, mixed orders. */
#include "cuda/lib/dnn.h"

#include <stdio.h>
#include <stdlib.h>

#include "cuda/elements.cuh"

namespace {

void must(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "dnn: %s\n", what);
  abort();
}

/* Is this order of memory the one of `size`, the channels of a pixel beside each other or not? */
bool lies(const int64_t *size, const int64_t *step, bool pixels) {
  int64_t next = 1;
  for (int k = 0; k < TN_DNN_DIMS; k++) {
    static const int apart[] = {4, 3, 2, 1, 0}, beside[] = {1, 4, 3, 2, 0};
    const int d = pixels ? beside[k] : apart[k];
    if (size[d] != 1 && step[d] != next) return false;
    next *= size[d];
  }
  return true;
}

void look(const tn_dnn_conv &c) {
  must(c.space == 2 || c.space == 3, "2 or 3 dimensions of space");
  must(c.dtype == TN_F16 || c.dtype == TN_BF16 || c.dtype == TN_F32 || c.dtype == TN_F64, "dtype");
  must(c.result >= TN_DNN_INPUT && c.result <= TN_DNN_WEIGHT, "result");
  must(c.x_size[0] == c.y_size[0], "the batch");
  must(c.w_size[0] == c.y_size[1] && c.x_size[1] % c.w_size[1] == 0, "channels");
  must(c.y_size[1] % (c.x_size[1] / c.w_size[1]) == 0, "groups");
  must(c.alignment == 0, "filled by the library");
  must(c.dtype != TN_F64 || c.flags & TN_DNN_SAME_SUMS, "float64 without chance");
  for (int d = 0; d < TN_DNN_DIMS; d++) {
    must(c.x_size[d] > 0 && c.y_size[d] > 0 && c.w_size[d] > 0, "empty");
  }
  for (int d = 0; d < TN_DNN_SPACE; d++) {
    const int64_t reach = (c.w_size[2 + d] - 1) * c.dilation[d] + 1;
    const int64_t room = c.x_size[2 + d] + c.pad[d] + c.behind[d] - reach;
    must(c.stride[d] > 0 && c.dilation[d] > 0 && c.pad[d] >= 0 && c.behind[d] >= 0, "numbers");
    must(room >= 0 && room / c.stride[d] + 1 == c.y_size[2 + d], "the sizes");
    must(d >= TN_DNN_SPACE - c.space || (c.x_size[2 + d] == 1 && reach == 1), "more space");
  }
  bool orders[2] = {true, true};
  for (int k = 0; k < 2; k++) {
    orders[k] = lies(c.x_size, c.x_step, k) && lies(c.y_size, c.y_step, k) &&
                lies(c.w_size, c.w_step, k);
  }
  must(orders[0] || orders[1], "one order, without gaps");
}

template <typename T> struct work {
  const tn_dnn_conv *c;
  void *const *memory;

  T get(int side, int64_t at) const { return load<T>(memory[side], (int32_t)c->dtype, at); }

  /* Calls fn(x, y, w) with offsets of all products. */
  template <class F> void each(F fn) const {
    const int64_t groups = c->x_size[1] / c->w_size[1], to = c->y_size[1] / groups;
    int64_t y[5], k[4], x[5];
    for (y[0] = 0; y[0] < c->y_size[0]; y[0]++)
    for (y[1] = 0; y[1] < c->y_size[1]; y[1]++)
    for (y[2] = 0; y[2] < c->y_size[2]; y[2]++)
    for (y[3] = 0; y[3] < c->y_size[3]; y[3]++)
    for (y[4] = 0; y[4] < c->y_size[4]; y[4]++)
    for (k[0] = 0; k[0] < c->w_size[1]; k[0]++)
    for (k[1] = 0; k[1] < c->w_size[2]; k[1]++)
    for (k[2] = 0; k[2] < c->w_size[3]; k[2]++)
    for (k[3] = 0; k[3] < c->w_size[4]; k[3]++) {
      bool inside = true;
      x[0] = y[0];
      x[1] = y[1] / to * c->w_size[1] + k[0];
      for (int d = 0; d < TN_DNN_SPACE; d++) {
        x[2 + d] = y[2 + d] * c->stride[d] - c->pad[d] + k[1 + d] * c->dilation[d];
        inside = inside && x[2 + d] >= 0 && x[2 + d] < c->x_size[2 + d];
      }
      if (!inside) continue;
      int64_t at[3] = {0, 0, y[1] * c->w_step[0]};
      for (int d = 0; d < 5; d++) {
        at[0] += x[d] * c->x_step[d];
        at[1] += y[d] * c->y_step[d];
        if (d < 4) at[2] += k[d] * c->w_step[1 + d];
      }
      fn(at);
    }
  }

  void run() const {
    const int to = (int)c->result, a = (to + 1) % 3, b = (to + 2) % 3;
    const int64_t *size = to == 0 ? c->x_size : to == 1 ? c->y_size : c->w_size;
    const int64_t count = size[0] * size[1] * size[2] * size[3] * size[4];
    T *sums = static_cast<T *>(calloc((size_t)count, sizeof(T)));
    each([&](const int64_t *at) { sums[at[to]] += get(a, at[a]) * get(b, at[b]); });
    for (int64_t i = 0; i < count; i++) store<T>(memory[to], (int32_t)c->dtype, i, sums[i]);
    free(sums);
  }
};

template <typename T> tn_status convolve(const tn_dnn_conv *c, void *const memory[3]) {
  work<T> w = {c, memory};
  return tn_cuda_check(emulate(1, 1, 0, [](void *context) {
    static_cast<work<T> *>(context)->run();
  }, &w));
}

}  // namespace

extern "C" tn_status tn_dnn_convolve(int, const tn_dnn_conv *c, void *const memory[3]) {
  look(*c);
  for (int d = 0; d < TN_DNN_SPACE; d++) {
    if (c->behind[d] != c->pad[d]) return TN_DECLINED; /* as most ways of the library do */
  }
  return c->dtype == TN_F64 ? convolve<double>(c, memory) : convolve<float>(c, memory);
}

extern "C" const char *tn_dnn_problem(void) { return nullptr; }
