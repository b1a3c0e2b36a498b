// What the kernels of conv2d forward share: parameters, the pixels of a block, what becomes of its sums, and the
// launch.
#pragma once

#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct ForwardParams {
  const T* x;
  const T* w;
  const float* bias;
  T* y;
  float* partials;  ///< [splits, y's size], or null: y is written by this kernel
  GemmGrid grid;
  TapWalk walk;
  int h, w_columns, p, q, stride_h, stride_w, pad_h, pad_w;  ///< w_columns: of the input
  int channels, filters, pixels;                             ///< all of them
  int group_channels, group_filters, terms;                  ///< of a group; terms = r s group_channels
  Rectifier activation;
  bool wide;  ///< all neighbouring filters of a thread can be stored at once
};

/// Tells A which output pixels its rows are.
template <typename A, typename T>
__device__ __forceinline__ void place_pixels(A& a, const ForwardParams<T>& p, const GemmBlock& block) {
#pragma unroll
  for (int i = 0; i < A::kCount; ++i) {
    const int wanted = block.m + A::row(a.thread, i), pixel = wanted < p.pixels ? wanted : p.pixels - 1;
    const int line = pixel / p.q, image = line / p.p;
    const int h = (line - image * p.p) * p.stride_h - p.pad_h, w = (pixel - line * p.q) * p.stride_w - p.pad_w;
    a.place(i, h, w, static_cast<unsigned>((image * p.h + h) * p.w_columns + w) * static_cast<unsigned>(p.channels));
  }
}

/// Offset in x of the group's first channel.
template <typename T>
__device__ __forceinline__ unsigned group_channel(const ForwardParams<T>& p, const GemmBlock& block) {
  return static_cast<unsigned>(block.outer * p.group_channels);
}
/// The group's first filter.
template <typename T>
__device__ __forceinline__ unsigned group_filter(const ForwardParams<T>& p, const GemmBlock& block) {
  return static_cast<unsigned>(block.outer) * static_cast<unsigned>(p.group_filters);
}
template <typename T>
__device__ __forceinline__ const T* group_weights(const ForwardParams<T>& p, const GemmBlock& block) {
  return p.w + group_filter(p, block) * static_cast<unsigned>(p.terms);
}

/// What becomes of neighbouring sums at (row, column) of the block: partials, or y = activation(sum + bias).
/// first_filter: group_filter().
template <typename T, int N>
__device__ __forceinline__ void finish_forward(const ForwardParams<T>& p, const GemmBlock& block, unsigned first_filter,
                                               int row, int column, const Vec<float, N>& sums) {
  const int pixel = block.m + row, filter = block.n + column, left = p.group_filters - filter;
  if (pixel >= p.pixels || left <= 0) return;
  const unsigned channel = first_filter + static_cast<unsigned>(filter);
  const unsigned index = static_cast<unsigned>(pixel) * static_cast<unsigned>(p.filters) + channel;
  if (p.partials != nullptr) {
    const std::size_t split =
        static_cast<std::size_t>(blockIdx.z) * static_cast<unsigned>(p.pixels) * static_cast<unsigned>(p.filters);
    store_neighbours<float>(p.partials + split + index, sums, left, p.wide);
    return;
  }
  Vec<float, N> values = sums;
#pragma unroll
  for (int e = 0; e < N; ++e) {
    if (p.bias != nullptr && e < left) values.v[e] += p.bias[channel + static_cast<unsigned>(e)];
    values.v[e] = p.activation.forward(values.v[e]);
  }
  store_neighbours<T>(p.y + index, values, left, p.wide);
}

#ifndef __CUDACC_RTC__

/// w: op.w or a copy of it; partials: memory for the sums of a pass that is split.
template <typename Tile, typename T>
void launch_forward(Runtime& runtime, const Conv2dForward& op, void (*kernel)(ForwardParams<T>), const void* w,
                    void* partials) {
  const Conv2dShape& s = op.shape;
  const GemmSizes sizes = forward_sizes(s);
  const int splits = splits_of<Tile>(sizes, runtime.info());
  ForwardParams<T> p;
  p.x = static_cast<const T*>(op.x);
  p.w = static_cast<const T*>(w);
  p.bias = op.bias;
  p.y = static_cast<T*>(op.y);
  p.partials = splits == 1 ? nullptr : static_cast<float*>(partials);
  p.group_channels = s.c / s.groups;
  p.group_filters = s.k / s.groups;
  p.terms = sizes.terms;
  p.grid = gemm_grid<Tile>(sizes, splits);
  p.walk = make_tap_walk(Tile::kK, p.group_channels, s.s, 1, s.c, s.w * s.c);
  p.h = s.h;
  p.w_columns = s.w;
  p.p = s.p();
  p.q = s.q();
  p.stride_h = s.stride_h;
  p.stride_w = s.stride_w;
  p.pad_h = s.pad_h;
  p.pad_w = s.pad_w;
  p.channels = s.c;
  p.filters = s.k;
  p.pixels = static_cast<int>(sizes.m);
  p.activation = Rectifier(op.activation);
  constexpr std::size_t kNeighbours = Tile::kNeighbours;
  p.wide = p.group_filters % Tile::kNeighbours == 0 &&
           (splits == 1 ? aligned(op.y, kNeighbours * sizeof(T)) : aligned(partials, kNeighbours * sizeof(float)));
  launch_gemm<Tile>(runtime, "conv2d_forward", kernel, sizes, splits, p);
  reduce_splits(runtime, op, p.partials, splits);
}

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
