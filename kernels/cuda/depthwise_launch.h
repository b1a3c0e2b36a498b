// The host's part of the depthwise kernels: which shapes they take, which instance, which grid.
#pragma once

#include "kernels/cuda/device/depthwise.h"
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/split_reduce.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Whether filter and stride are compiled in.
inline bool is_fixed(const Conv2dShape& s) {
  return s.r == s.s && (s.r == 3 || s.r == 5) && s.stride_h == s.stride_w && s.stride_h <= 2;
}

/// The instance for a shape: Kernels::fixed<DepthwiseFilter<..>>() or Kernels::any().
template <typename Kernels>
typename Kernels::Pointer pick(const Conv2dShape& s) {
  if (!is_fixed(s)) return Kernels::any();
  if (s.r == 3 && s.stride_h == 1) return Kernels::template fixed<DepthwiseFilter<3, 1>>();
  if (s.r == 3) return Kernels::template fixed<DepthwiseFilter<3, 2>>();
  if (s.stride_h == 1) return Kernels::template fixed<DepthwiseFilter<5, 1>>();
  return Kernels::template fixed<DepthwiseFilter<5, 2>>();
}

/// What the params of every pass hold of a shape.
template <typename Params>
void set_shape(Params& p, const Conv2dShape& s) {
  p.h = s.h;
  p.w_columns = s.w;
  p.p = s.p();
  p.q = s.q();
  p.pad_h = s.pad_h;
  p.pad_w = s.pad_w;
  p.channels = s.c;
  p.filters = s.k;
  p.multiplier = s.k / s.c;
  p.r = s.r;
  p.s = s.s;
  p.stride_h = s.stride_h;
  p.stride_w = s.stride_w;
}

/// What the three passes share.
template <typename Operation, typename T, typename Tile>
struct DepthwisePass : Pass<Operation> {
  static bool covers(const Conv2dShape& s) { return s.groups == s.c && fits_gemm_offsets(s); }

  /// Whether threads can take vectors of channels of these tensors (each may be null).
  static bool wide(const Conv2dShape& s, const void* a, const void* b, const void* c) {
    constexpr std::size_t kBytes = Tile::kThreadN * sizeof(T);
    return s.k == s.c && s.c % Tile::kThreadN == 0 && aligned(a, kBytes) && aligned(b, kBytes) && aligned(c, kBytes);
  }

  static std::string instance(const Conv2dShape& s) {
    const std::string by = "by " + std::to_string(wide(s, nullptr, nullptr, nullptr) ? Tile::kThreadN : 1);
    if (!is_fixed(s)) return by;
    return "DepthwiseFilter(" + std::to_string(s.r) + ", " + std::to_string(s.stride_h) + ") " + by;
  }
};

/// Patches over n images of rows x columns; of a single pixel where the filter is not compiled in.
template <typename Tile>
DepthwiseGrid depthwise_grid(int channels, int n, int rows, int columns, bool fixed) {
  DepthwiseGrid grid;
  grid.slabs = (channels + Tile::kN - 1) / Tile::kN;
  grid.patch_rows = fixed ? (rows + Tile::kRows - 1) / Tile::kRows : rows;
  grid.patch_columns = fixed ? (columns + Tile::kColumns - 1) / Tile::kColumns : columns;
  grid.patches = n * grid.patch_rows * grid.patch_columns;
  return grid;
}

template <typename Tile>
dim3 depthwise_blocks(const DepthwiseGrid& grid, bool wide) {
  const std::size_t patches = wide ? DepthwisePlace<Tile, Tile::kThreadN>::kPatches : DepthwisePlace<Tile, 1>::kPatches;
  return dim3(static_cast<unsigned>(blocks_for(static_cast<std::size_t>(grid.patches), patches)) *
              static_cast<unsigned>(grid.slabs));
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
