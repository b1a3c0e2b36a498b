// Sums and maxima over the 32 lanes of a warp. Every lane of the warp must call, and every lane gets the same bits:
// the butterfly adds the same pairs on each side.
#pragma once

#include "kernels/cuda/device/platform.h"

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

/// The sum of `value` (float or int) over the warp.
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  return value;
}

/// A value and where it stands.
struct Largest {
  float value;
  int index;
};

/// Whether `a` comes before `b`: a NaN before every number, then the larger, then (ties, two NaNs) the smaller index.
__device__ __forceinline__ bool comes_before(const Largest& a, const Largest& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan;
  if (a_nan || a.value == b.value) return a.index < b.index;
  return a.value > b.value;
}

/// The first of the warp's largest values.
__device__ __forceinline__ Largest warp_largest(Largest mine) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const Largest other{__shfl_xor_sync(kAllLanes, mine.value, offset), __shfl_xor_sync(kAllLanes, mine.index, offset)};
    if (comes_before(other, mine)) mine = other;
  }
  return mine;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
