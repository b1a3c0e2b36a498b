// What the kernels of conv2d backward weight share: parameters, what becomes of a block's sums, and the launch.
#pragma once

#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct BackwardWeightParams {
  const T* x;
  const T* d_y;
  float* out;     ///< d_w, or the partial sums [splits, d_w's size]
  GemmGrid grid;  ///< outer: groups
  PixelWalk walk;
  int h, w, taps_w;
  int filters, pixels;                       ///< all of them; pixels of the output
  int group_channels, group_filters, terms;  ///< of a group; terms = r s group_channels: columns of the result
  std::size_t count;                         ///< of d_w
  bool accumulate;
  bool wide;  ///< all neighbouring weights of a thread can be stored at once
};

/// What becomes of neighbouring sums at (row, column) of the block: d_w (=|+=) them, or partials.
template <typename T, int N>
__device__ __forceinline__ void finish_backward_weight(const BackwardWeightParams<T>& p, const GemmBlock& block,
                                                       int row, int column, Vec<float, N> values) {
  const int filter = block.m + row, term = block.n + column, left = p.terms - term;
  if (filter >= p.group_filters || left <= 0) return;
  const unsigned index =
      static_cast<unsigned>(block.outer * p.group_filters + filter) * static_cast<unsigned>(p.terms) +
      static_cast<unsigned>(term);
  float* out = p.out + static_cast<std::size_t>(blockIdx.z) * p.count + index;
  if (p.accumulate) {
#pragma unroll
    for (int e = 0; e < N; ++e) {
      if (e < left) values.v[e] += out[e];
    }
  }
  store_neighbours<float>(out, values, left, p.wide);
}

#ifndef __CUDACC_RTC__

/// The workspace holds the partial sums, then, in the same memory, what d_bias takes.
template <typename Tile, typename T>
void launch_backward_weight(Runtime& runtime, const Conv2dBackwardWeight& op, void (*kernel)(BackwardWeightParams<T>)) {
  const Conv2dShape& s = op.shape;
  const GemmSizes sizes = backward_weight_sizes(s);
  const int splits = splits_of<Tile>(sizes, runtime.info());
  float* partials = splits == 1 ? nullptr : static_cast<float*>(op.workspace);
  BackwardWeightParams<T> p;
  p.x = static_cast<const T*>(op.x);
  p.d_y = static_cast<const T*>(op.d_y);
  p.out = splits == 1 ? op.d_w : partials;
  p.group_channels = s.c / s.groups;
  p.group_filters = s.k / s.groups;
  p.terms = static_cast<int>(sizes.n);
  p.pixels = sizes.terms;
  p.grid = gemm_grid<Tile>(sizes, splits);
  p.walk = make_pixel_walk(Tile::kK, s);
  p.h = s.h;
  p.w = s.w;
  p.taps_w = s.s;
  p.filters = s.k;
  p.count = s.w_count();
  p.accumulate = splits == 1 && op.write == Write::accumulate;
  p.wide = p.terms % Tile::kNeighbours == 0 && aligned(p.out, sizeof(float) * Tile::kNeighbours);
  launch_gemm<Tile>(runtime, "conv2d_backward_weight", kernel, sizes, splits, p);
  reduce_splits(runtime, op, partials, splits);
}

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
