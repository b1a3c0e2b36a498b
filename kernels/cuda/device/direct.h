// What the direct kernels for few input channels share: sizes of a filter and of the input patch under a tile of output
// pixels, known when compiling for the usual first layers.
#pragma once

#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Filter and strides, and the patch of input that a tile of output pixels reads.
struct DirectSizes {
  int r, s, c, stride_h, stride_w;
  int patch_rows, patch_columns;
};

/// A square filter on three channels that is known when compiling.
template <int Size, int Stride>
struct DirectFilter {
  static constexpr bool kFixed = true;
  static constexpr int kSize = Size, kStride = Stride, kChannels = 3;
};

/// Any filter on up to four channels.
struct DirectAnyFilter {
  static constexpr bool kFixed = false;
  static constexpr int kSize = 1, kStride = 1, kChannels = 4;
};

/// Constants where the filter is known, otherwise what the host gave.
template <typename Filter, int Rows, int Columns>
__device__ __forceinline__ DirectSizes direct_sizes(const DirectSizes& given) {
  if (!Filter::kFixed) return given;
  constexpr int kSize = Filter::kSize, kStride = Filter::kStride;
  const DirectSizes sizes{
      kSize, kSize, Filter::kChannels, kStride, kStride, (Rows - 1) * kStride + kSize, (Columns - 1) * kStride + kSize};
  return sizes;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
