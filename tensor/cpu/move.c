/* move.c -- values moved and converted between views of any strides.
 *
 * Dimensions are walked in the order in which the destination lies in memory. Where the source is
 * dense in another dimension than the destination, square tiles are turned over. */
#include "tensor/cpu/move.h"

#include "tensor/cpu/kernels.h"
#include "tensor/device.h"

/* Elements of one size move as integers of that size, or through a dtype to calculate with. */
static void convert_in_two(int64_t n, char *dst, tn_dtype dst_dtype, int64_t dst_stride,
                           const char *src, tn_dtype src_dtype, int64_t src_stride) {
  const tn_convert_ptr(*table)[TN_DTYPE_COUNT] = TN_ISA_PICK(tn__conversions);
  tn_dtype middle = tn_dtype_is_float(src_dtype) ? TN_F32 : TN_I64;
  int64_t buffer[TN_CHUNK];
  for (int64_t done = 0; done < n; done += TN_CHUNK) {
    int64_t m = n - done < TN_CHUNK ? n - done : TN_CHUNK;
    table[middle][src_dtype](m, buffer, 1,
                             src + done * src_stride * (int64_t)tn__item_size(src_dtype),
                             src_stride);
    table[dst_dtype][middle](m, dst + done * dst_stride * (int64_t)tn__item_size(dst_dtype),
                             dst_stride, buffer, 1);
  }
}

#define MOVER(name, T, backward)                                                                  \
  static void name(int64_t n, void *dst, int64_t dst_stride, const void *src,                     \
                   int64_t src_stride) {                                                          \
    T *d = dst;                                                                                   \
    const T *s = src;                                                                             \
    if (dst_stride == 1 && src_stride == 1) {                                                     \
      memcpy(dst, src, (size_t)n * sizeof(T));                                                    \
    } else if (dst_stride == 1 && src_stride == 0) {                                              \
      const T value = s[0];                                                                       \
      for (int64_t i = 0; i < n; i++) d[i] = value;                                               \
    } else {                                                                                      \
      int64_t i = dst_stride == 1 && src_stride == -1 ? backward(n, d, s) : 0;                    \
      for (; i < n; i++) d[i * dst_stride] = s[i * src_stride];                                   \
    }                                                                                             \
  }

/* d[i] = s[-i] in vectors of 16 bytes. Returns how many elements it moved. */
#define BACKWARD(name, T, LANES, ...)                                                             \
  static int64_t name(int64_t n, T *d, const T *s) {                                              \
    typedef T vec __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));                \
    int64_t i = 0;                                                                                \
    for (; i + LANES <= n; i += LANES) {                                                          \
      const vec x = *(const vec *)(s - i - (LANES - 1));                                          \
      *(vec *)(d + i) = __builtin_shufflevector(x, x, __VA_ARGS__);                               \
    }                                                                                             \
    return i;                                                                                     \
  }
BACKWARD(backward_4, uint32_t, 4, 3, 2, 1, 0)
BACKWARD(backward_8, uint64_t, 2, 1, 0)
#define NOT_BACKWARD(n, d, s) 0

MOVER(move_1, uint8_t, NOT_BACKWARD)
MOVER(move_2, uint16_t, NOT_BACKWARD)
MOVER(move_4, uint32_t, backward_4)
MOVER(move_8, uint64_t, backward_8)

tn_mover *tn__mover(size_t item) {
  return item == 1 ? move_1 : item == 2 ? move_2 : item == 4 ? move_4 : move_8;
}

tn_rows_fn *tn__row_gatherer(size_t item) {
  const tn_move_kernels *kernels = TN_ISA_PICK(&tn__move_kernels);
  return item == 4 ? kernels->rows_4 : item == 8 ? kernels->rows_8 : NULL;
}

void tn__convert(int64_t n, void *dst, tn_dtype dst_dtype, int64_t dst_stride, const void *src,
                 tn_dtype src_dtype, int64_t src_stride) {
  tn_convert_fn *direct = TN_ISA_PICK(tn__conversions)[dst_dtype][src_dtype];
  /* those of float32 and its like also fill with vectors */
  if (dst_dtype == src_dtype && (direct == NULL || (dst_stride == 1 && src_stride == 1))) {
    direct = tn__mover(tn__item_size(dst_dtype));
  }
  if (direct != NULL) direct(n, dst, dst_stride, src, src_stride);
  else convert_in_two(n, dst, dst_dtype, dst_stride, src, src_dtype, src_stride);
}

/* -- Tiles ------------------------------------------------------------------------------------- */

static void turn_1(int64_t rows, int64_t columns, uint8_t *dst, int64_t dst_step,
                   const uint8_t *src, int64_t src_step) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) dst[r * dst_step + c] = src[c * src_step + r];
  }
}

void tn__transpose(size_t item, int64_t rows, int64_t columns, void *dst, int64_t dst_step,
                   const void *src, int64_t src_step) {
  const tn_move_kernels *kernels = TN_ISA_PICK(&tn__move_kernels);
  if (item == 4) kernels->turn_4(rows, columns, dst, dst_step, src, src_step);
  else if (item == 8) kernels->turn_8(rows, columns, dst, dst_step, src, src_step);
  else if (item == 2) kernels->turn_2(rows, columns, dst, dst_step, src, src_step);
  else turn_1(rows, columns, dst, dst_step, src, src_step);
}

/* -- Views ------------------------------------------------------------------------------------- */

/* As wide as a line of the cache where they are read: more rows that are written at a time than the
 * processor knows pages to write to (16) would wait for each other. */
enum { TILE_ROWS = 16, TILE_COLUMNS = 1024, LEAST = 64 };

typedef struct {
  int ndim;
  int64_t sizes[TN_MAX_DIMS], to[TN_MAX_DIMS], from[TN_MAX_DIMS];
  char *dst, *src;
  tn_dtype dst_dtype, src_dtype;
  tn_convert_fn *move; /* NULL: the conversion has two steps */
  int64_t tiles_down, tiles_across;
} copy_loop;

/* Elements [begin, end) in the order of the loop's dimensions. */
static void copy_range(void *arg, int64_t begin, int64_t end) {
  const copy_loop *l = arg;
  const int inner = l->ndim - 1;
  const int64_t to_item = (int64_t)tn__item_size(l->dst_dtype);
  const int64_t from_item = (int64_t)tn__item_size(l->src_dtype);
  int64_t index[TN_MAX_DIMS], rest = begin, to = 0, from = 0;
  for (int d = inner; d >= 0; d--) {
    index[d] = rest % l->sizes[d];
    rest /= l->sizes[d];
    to += index[d] * l->to[d];
    from += index[d] * l->from[d];
  }
  while (begin < end) {
    int64_t n = l->sizes[inner] - index[inner];
    if (n > end - begin) n = end - begin;
    char *dst = l->dst + to * to_item;
    const char *src = l->src + from * from_item;
    if (l->move != NULL) l->move(n, dst, l->to[inner], src, l->from[inner]);
    else convert_in_two(n, dst, l->dst_dtype, l->to[inner], src, l->src_dtype, l->from[inner]);
    begin += n;
    to -= index[inner] * l->to[inner];
    from -= index[inner] * l->from[inner];
    index[inner] = 0;
    for (int d = inner - 1; d >= 0; d--) {
      to += l->to[d];
      from += l->from[d];
      if (++index[d] < l->sizes[d]) break;
      to -= l->sizes[d] * l->to[d];
      from -= l->sizes[d] * l->from[d];
      index[d] = 0;
    }
  }
}

/* Tiles [begin, end) over the last two dimensions, in the last but one of which the source is
 * dense. */
static void copy_tiles(void *arg, int64_t begin, int64_t end) {
  const copy_loop *l = arg;
  const int across = l->ndim - 1, down = l->ndim - 2;
  const size_t item = tn__item_size(l->dst_dtype);
  for (int64_t tile = begin; tile < end; tile++) {
    int64_t rest = tile / l->tiles_across / l->tiles_down, to = 0, from = 0;
    int64_t c = tile % l->tiles_across * TILE_COLUMNS;
    int64_t r = tile / l->tiles_across % l->tiles_down * TILE_ROWS;
    int64_t columns = l->sizes[across] - c, rows = l->sizes[down] - r;
    for (int d = down - 1; d >= 0; d--) {
      to += rest % l->sizes[d] * l->to[d];
      from += rest % l->sizes[d] * l->from[d];
      rest /= l->sizes[d];
    }
    to += r * l->to[down] + c;
    from += r + c * l->from[across];
    tn__transpose(item, rows < TILE_ROWS ? rows : TILE_ROWS,
                  columns < TILE_COLUMNS ? columns : TILE_COLUMNS,
                  l->dst + to * (int64_t)item, l->to[down], l->src + from * (int64_t)item,
                  l->from[across]);
  }
}

/* Moves dimension d to place `at`, keeping the order of the others. */
static void move_dim(copy_loop *l, int d, int at) {
  int64_t size = l->sizes[d], to = l->to[d], from = l->from[d];
  for (; d < at; d++) {
    l->sizes[d] = l->sizes[d + 1], l->to[d] = l->to[d + 1], l->from[d] = l->from[d + 1];
  }
  for (; d > at; d--) {
    l->sizes[d] = l->sizes[d - 1], l->to[d] = l->to[d - 1], l->from[d] = l->from[d - 1];
  }
  l->sizes[at] = size, l->to[at] = to, l->from[at] = from;
}

/* The dimensions of both views, as few as possible. Returns the number of elements. */
static int64_t describe(copy_loop *l, const tn_tensor *dst, const tn_tensor *src) {
  int64_t count = 1;
  int last = -1;
  l->ndim = 0;
  for (int d = 0; d < dst->ndim; d++) {
    count *= dst->sizes[d];
    if (dst->sizes[d] == 1) continue;
    int at = l->ndim++;
    l->sizes[at] = dst->sizes[d];
    l->to[at] = dst->strides[d];
    l->from[at] = src->strides[d];
    while (at > 0 && l->to[at - 1] < l->to[at]) move_dim(l, at, at - 1), at--;
  }
  for (int d = 0; d < l->ndim; d++) {
    const int64_t n = l->sizes[d];
    if (last >= 0 && l->to[last] == n * l->to[d] && l->from[last] == n * l->from[d]) {
      l->sizes[last] *= n;
    } else {
      l->sizes[++last] = n;
    }
    l->to[last] = l->to[d];
    l->from[last] = l->from[d];
  }
  l->ndim = last + 1;
  if (l->ndim == 0) {
    l->ndim = 1;
    l->sizes[0] = l->to[0] = l->from[0] = 1;
  }
  return count;
}

/* Brings the dimension in which the source is dense next to the last one; false where tiles do not
 * help. */
static bool prepare_tiles(copy_loop *l) {
  const int inner = l->ndim - 1;
  if (l->dst_dtype != l->src_dtype || l->to[inner] != 1 || l->from[inner] <= 1) return false;
  for (int d = inner - 1; d >= 0; d--) {
    if (l->from[d] != 1) continue;
    if (l->sizes[d] < 4 || l->sizes[inner] < 4) return false;
    move_dim(l, d, inner - 1);
    l->tiles_down = (l->sizes[inner - 1] + TILE_ROWS - 1) / TILE_ROWS;
    l->tiles_across = (l->sizes[inner] + TILE_COLUMNS - 1) / TILE_COLUMNS;
    return true;
  }
  return false;
}

tn_status tn__copy_view(tn_ctx *ctx, const tn_tensor *dst, const tn_tensor *src) {
  if ((dst->storage->device | src->storage->device) != TN_CPU) {
    return tn__device_copy(ctx, dst, src);
  }
  copy_loop l = {.dst = tn__data(dst), .src = tn__data(src), .dst_dtype = (tn_dtype)dst->dtype,
                 .src_dtype = (tn_dtype)src->dtype};
  int64_t count = describe(&l, dst, src);
  if (count == 0) return TN_OK;
  l.move = TN_ISA_PICK(tn__conversions)[l.dst_dtype][l.src_dtype];
  if (l.dst_dtype == l.src_dtype && (l.move == NULL || l.from[l.ndim - 1] != 0)) {
    l.move = tn__mover(tn__item_size(l.dst_dtype));
  }
  if (count >= LEAST && prepare_tiles(&l)) {
    int64_t tiles = l.tiles_down * l.tiles_across;
    for (int d = 0; d < l.ndim - 2; d++) tiles *= l.sizes[d];
    tn__pool_run(ctx->pool, tiles, 2 * TN_GRAIN * tiles / count + 1, copy_tiles, &l);
  } else {
    tn__pool_run(ctx->pool, count, 2 * TN_GRAIN, copy_range, &l);
  }
  return TN_OK;
}
