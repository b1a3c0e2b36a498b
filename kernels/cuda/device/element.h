// Elements and short vectors of tensors: float32 and half in memory, float in registers.
#pragma once

#include "kernels/api/activation.h"
#include "kernels/cuda/device/platform.h"

namespace tsugi {
namespace TSUGI_GPU {

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }

template <typename T>
__device__ __forceinline__ T from_float(float v);
template <>
__device__ __forceinline__ float from_float<float>(float v) {
  return v;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float v) {
  return __float2half_rn(v);
}

/// N neighbouring elements, moved by one load or store of N * sizeof(T) bytes (at most 16); aligned to that size.
template <typename T, int N>
struct alignas(sizeof(T) * N) Vec {
  static_assert(sizeof(T) * N <= 16, "one access moves at most 16 bytes");
  T v[N];
};

template <typename T, int N>
__device__ __forceinline__ Vec<T, N> load_vec(const T* p) {
  if (N > 1) expect_aligned<sizeof(Vec<T, N>)>(p);
  return *reinterpret_cast<const Vec<T, N>*>(p);
}
template <typename T, int N>
__device__ __forceinline__ void store_vec(T* p, const Vec<T, N>& value) {
  if (N > 1) expect_aligned<sizeof(Vec<T, N>)>(p);
  *reinterpret_cast<Vec<T, N>*>(p) = value;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
