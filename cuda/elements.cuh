/* elements.cuh -- reading and writing elements of any dtype, converted to one that is calculated
 * with: float, double or int64. The rules are those of tensor/cpu/isa/convert_kernel.c. */
#ifndef TN_CUDA_ELEMENTS_CUH
#define TN_CUDA_ELEMENTS_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tensor/backend.h"

template <typename T> struct dtype_of;
template <> struct dtype_of<uint8_t> { static const int32_t value = TN_U8; };
template <> struct dtype_of<int64_t> { static const int32_t value = TN_I64; };
template <> struct dtype_of<float> { static const int32_t value = TN_F32; };
template <> struct dtype_of<double> { static const int32_t value = TN_F64; };

template <typename T> __device__ inline T element(const void *data, int64_t at) {
  return static_cast<const T *>(data)[at];
}

/* Out of line: kernels for float would otherwise carry the conversion of every dtype inline. */
template <typename T>
__device__ __noinline__ T load_other(const void *data, int32_t dtype, int64_t at) {
  switch (dtype) {
    case TN_BOOL: return static_cast<T>(element<uint8_t>(data, at) != 0);
    case TN_U8: return static_cast<T>(element<uint8_t>(data, at));
    case TN_I8: return static_cast<T>(element<int8_t>(data, at));
    case TN_I16: return static_cast<T>(element<int16_t>(data, at));
    case TN_I32: return static_cast<T>(element<int32_t>(data, at));
    case TN_I64: return static_cast<T>(element<int64_t>(data, at));
    case TN_F16: return static_cast<T>(__half2float(element<__half>(data, at)));
    case TN_BF16: return static_cast<T>(__bfloat162float(element<__nv_bfloat16>(data, at)));
    case TN_F32: return static_cast<T>(element<float>(data, at));
    default: return static_cast<T>(element<double>(data, at));
  }
}

template <typename T> __device__ inline T load(const void *data, int32_t dtype, int64_t at) {
  if (dtype == dtype_of<T>::value) return element<T>(data, at);
  if constexpr (sizeof(T) == 4) {
    if (dtype == TN_F16) return __half2float(element<__half>(data, at));
    if (dtype == TN_BF16) return __bfloat162float(element<__nv_bfloat16>(data, at));
  }
  return load_other<T>(data, dtype, at);
}

/* Integers wrap around; fractions are cut off. */
template <typename T>
__device__ __noinline__ void store_other(void *data, int32_t dtype, int64_t at, T value) {
  switch (dtype) {
    case TN_BOOL: static_cast<uint8_t *>(data)[at] = value != 0; break;
    case TN_U8: static_cast<uint8_t *>(data)[at] = static_cast<uint8_t>(
                    static_cast<int64_t>(value)); break;
    case TN_I8: static_cast<int8_t *>(data)[at] = static_cast<int8_t>(
                    static_cast<int64_t>(value)); break;
    case TN_I16: static_cast<int16_t *>(data)[at] = static_cast<int16_t>(
                     static_cast<int64_t>(value)); break;
    case TN_I32: static_cast<int32_t *>(data)[at] = static_cast<int32_t>(
                     static_cast<int64_t>(value)); break;
    case TN_I64: static_cast<int64_t *>(data)[at] = static_cast<int64_t>(value); break;
    case TN_F16: static_cast<__half *>(data)[at] = __float2half_rn(static_cast<float>(value));
      break;
    case TN_BF16: static_cast<__nv_bfloat16 *>(data)[at] =
                      __float2bfloat16_rn(static_cast<float>(value)); break;
    case TN_F32: static_cast<float *>(data)[at] = static_cast<float>(value); break;
    default: static_cast<double *>(data)[at] = static_cast<double>(value);
  }
}

template <typename T>
__device__ inline void store(void *data, int32_t dtype, int64_t at, T value) {
  if (dtype == dtype_of<T>::value) {
    static_cast<T *>(data)[at] = value;
    return;
  }
  if constexpr (sizeof(T) == 4) {
    if (dtype == TN_F16) {
      static_cast<__half *>(data)[at] = __float2half_rn(value);
      return;
    }
    if (dtype == TN_BF16) {
      static_cast<__nv_bfloat16 *>(data)[at] = __float2bfloat16_rn(value);
      return;
    }
  }
  store_other<T>(data, dtype, at, value);
}

/* A view as an argument of a kernel that calculates in T. */
template <typename T> struct operand {
  void *data; /* NULL: `number` */
  T number;
  int32_t dtype;
  bool still; /* repeats its first element */
};

template <typename T> __device__ inline T fetch(const operand<T> &o, int64_t at) {
  return o.data == nullptr ? o.number : load<T>(o.data, o.dtype, at);
}

template <typename T> operand<T> operand_of(const tn_view &view) {
  operand<T> o;
  o.data = view.data;
  /* dtypes are ordered: the floating ones come last */
  o.number = view.dtype < TN_F16 ? static_cast<T>(view.whole) : static_cast<T>(view.real);
  o.dtype = view.dtype;
  o.still = false;
  return o;
}

#endif
