/* dtype.c -- data types: sizes, names, promotion, single elements. */
#include "tensor/cpu/half.h"
#include "tensor/internal.h"

static const struct {
  const char *name, *torch;
} dtypes[TN_DTYPE_COUNT] = {
#define X(NAME, word, type, torch7) {#word, #torch7},
  TN_DTYPE_MAP(X)
#undef X
};

const uint8_t tn__item_sizes[TN_DTYPE_COUNT] = {
#define X(NAME, word, type, torch7) sizeof(type),
    TN_DTYPE_MAP(X)
#undef X
};

size_t tn_dtype_size(tn_dtype dtype) { return tn__item_sizes[dtype]; }
const char *tn_dtype_name(tn_dtype dtype) { return dtypes[dtype].name; }
const char *tn_dtype_torch_name(tn_dtype dtype) { return dtypes[dtype].torch; }
bool tn_dtype_is_float(tn_dtype dtype) { return dtype >= TN_F16; }

tn_dtype tn_dtype_promote(tn_dtype a, tn_dtype b) {
  if (a == b) return a;
  tn_dtype low = a < b ? a : b, high = a < b ? b : a;
  if (low == TN_F16 && high == TN_BF16) return TN_F32; /* neither holds the other */
  if (low == TN_U8 && high == TN_I8) return TN_I16;
  return high;
}

tn_dtype tn__compute_dtype(tn_dtype dtype) {
  if (dtype == TN_F64) return TN_F64;
  return tn_dtype_is_float(dtype) ? TN_F32 : TN_I64;
}

double tn__load(const void *data, tn_dtype dtype, int64_t i) {
  switch (dtype) {
  case TN_BOOL:
  case TN_U8: return ((const uint8_t *)data)[i];
  case TN_I8: return ((const int8_t *)data)[i];
  case TN_I16: return ((const int16_t *)data)[i];
  case TN_I32: return ((const int32_t *)data)[i];
  case TN_I64: return (double)((const int64_t *)data)[i];
  case TN_F16: return tn_half_to_f32(((const uint16_t *)data)[i]);
  case TN_BF16: return tn_bfloat_to_f32(((const uint16_t *)data)[i]);
  case TN_F32: return ((const float *)data)[i];
  default: return ((const double *)data)[i];
  }
}

void tn__store(void *data, tn_dtype dtype, int64_t i, double value) {
  tn__convert(1, (char *)data + i * (int64_t)tn_dtype_size(dtype), dtype, 1, &value, TN_F64, 1);
}
