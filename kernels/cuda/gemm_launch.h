// The host's part of every convolution as matrix products: their sizes, blocks and splits, and what follows the kernel.
#pragma once

#include "kernels/cuda/device/gemm_tile.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/split_reduce.h"

namespace tsugi {
namespace TSUGI_GPU {

/// m x n results of `terms` products each, for each of `outer` (groups, phases).
struct GemmSizes {
  std::size_t m, n;
  int terms;
  std::size_t outer;
};

inline GemmSizes forward_sizes(const Conv2dShape& s) {
  return {s.y_count() / static_cast<std::size_t>(s.k), static_cast<std::size_t>(s.k / s.groups),
          s.r * s.s * (s.c / s.groups), static_cast<std::size_t>(s.groups)};
}

/// Of the largest of `phases`: input pixels whose row and column leave the same rests by the strides.
inline GemmSizes backward_data_sizes(const Conv2dShape& s, int phases) {
  const auto part = [](int a, int b) { return (a + b - 1) / b; };
  return {static_cast<std::size_t>(s.n) * part(s.h, s.stride_h) * part(s.w, s.stride_w),
          static_cast<std::size_t>(s.c / s.groups), part(s.r, s.stride_h) * part(s.s, s.stride_w) * (s.k / s.groups),
          static_cast<std::size_t>(phases) * s.groups};
}

inline GemmSizes backward_weight_sizes(const Conv2dShape& s) {
  return {static_cast<std::size_t>(s.k / s.groups), static_cast<std::size_t>(s.r * s.s * (s.c / s.groups)),
          static_cast<int>(s.y_count() / static_cast<std::size_t>(s.k)), static_cast<std::size_t>(s.groups)};
}

template <typename Tile>
std::size_t blocks_of(const GemmSizes& sizes) {
  return blocks_for(sizes.m, Tile::kM) * blocks_for(sizes.n, Tile::kN) * sizes.outer;
}

template <typename Tile>
int splits_of(const GemmSizes& sizes, const DeviceInfo& device) {
  return choose_splits(blocks_of<Tile>(sizes), sizes.terms / Tile::kK, device);
}

/// Bytes of the partial sums of `count` results.
template <typename Tile>
std::size_t partials_of(const GemmSizes& sizes, std::size_t count, const DeviceInfo& device) {
  return partial_bytes(splits_of<Tile>(sizes, device), count);
}

/// The same where `Tile` is a registry row's, which may work with a smaller one.
template <typename Tile>
std::size_t row_partials_of(const GemmSizes& sizes, std::size_t count, const DeviceInfo& device) {
  const std::size_t wide = partials_of<Tile>(sizes, count, device);
  const std::size_t narrow = partials_of<typename WorkTile<Tile, 1>::Type>(sizes, count, device);
  return wide > narrow ? wide : narrow;
}

template <typename Tile>
GemmGrid gemm_grid(const GemmSizes& sizes, int splits) {
  return {static_cast<int>(blocks_for(sizes.m, Tile::kM)), static_cast<int>(blocks_for(sizes.n, Tile::kN)),
          split_terms(sizes.terms, splits, Tile::kK)};
}

template <typename Tile, typename Params>
void launch_gemm(Runtime& runtime, const char* name, void (*kernel)(Params), const GemmSizes& sizes, int splits,
                 const Params& params) {
  runtime.launch(name, kernel, dim3(static_cast<unsigned>(blocks_of<Tile>(sizes)), 1, static_cast<unsigned>(splits)),
                 dim3(Tile::kThreads), params);
}

// What follows a pass that was split: its sums, to where they belong. partials: null where it was not split.

inline void reduce_splits(Runtime& runtime, const Conv2dForward& op, const float* partials, int splits) {
  if (partials == nullptr) return;
  SplitReduce reduce;
  reduce.partials = partials;
  reduce.splits = splits;
  reduce.count = op.shape.y_count();
  reduce.bias = op.bias;
  reduce.columns = op.shape.k;
  reduce.activation = Rectifier(op.activation);
  reduce.out = op.y;
  reduce.dtype = op.dtype;
  split_reduce(runtime, reduce);
}

inline void reduce_splits(Runtime& runtime, const Conv2dBackwardData& op, const float* partials, int splits) {
  if (partials == nullptr) return;
  SplitReduce reduce;
  reduce.partials = partials;
  reduce.splits = splits;
  reduce.count = op.shape.x_count();
  reduce.accumulate = op.write == Write::accumulate;
  reduce.mask = op.activation.kind == ActivationKind::none ? nullptr : op.saved;
  reduce.activation = Rectifier(op.activation);
  reduce.out = op.d_x;
  reduce.dtype = op.dtype;
  split_reduce(runtime, reduce);
}

/// Backward weight: also d_bias, whose sums come after those of d_w in the same memory.
inline void reduce_splits(Runtime& runtime, const Conv2dBackwardWeight& op, const float* partials, int splits) {
  if (partials != nullptr) {
    SplitReduce reduce;
    reduce.partials = partials;
    reduce.splits = splits;
    reduce.count = op.shape.w_count();
    reduce.accumulate = op.write == Write::accumulate;
    reduce.out = op.d_w;
    split_reduce(runtime, reduce);
  }
  if (op.d_bias == nullptr) return;
  const std::size_t rows = op.shape.y_count() / static_cast<std::size_t>(op.shape.k);
  column_sum(runtime, op.d_y, op.dtype, rows, op.shape.k, op.write, op.d_bias, op.workspace);
}

/// Scratch of a backward weight pass whose partial sums take so many bytes.
inline std::size_t backward_weight_workspace(const Conv2dShape& s, std::size_t partials) {
  const std::size_t bias = column_sum_workspace(s.y_count() / static_cast<std::size_t>(s.k), s.k);
  return partials > bias ? partials : bias;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
