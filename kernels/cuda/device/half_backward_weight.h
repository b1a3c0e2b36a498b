// conv2d backward-weight in float16 as an implicit GEMM: the kernel of the variants "mma" and "half2", and its launch.
#pragma once

#include "kernels/cuda/device/half_gemm.h"

namespace tsugi {
namespace TSUGI_GPU {

struct HalfBackwardWeightParams {
  const __half* x;
  const __half* d_y;
  float* out;     ///< d_w, or the partial sums [splits, d_w's size]
  GemmGrid grid;  ///< outer: groups
  PixelWalk walk;
  int h, w, s;
  int filters, pixels;                         ///< all of them; pixels of the output
  int group_channels, group_filters, columns;  ///< of a group; columns = r s group_channels
  std::size_t count;                           ///< of d_w
  bool accumulate;
  bool wide;  ///< `out` is aligned to as many floats as a thread stores at once
};

/// d_w[k,r,s,c] (=|+=) sum over n,p,q of d_y[n,p,q,k] x[n, p stride - pad + r, q stride - pad + s, c].
/// A block owns Tile::kM filters x Tile::kN of the (r,s,c) of a group; gridDim.z splits the pixels, and a second pass
/// adds the parts in order (split_reduce.h), so results do not depend on the order of blocks. Each stage of 32 pixels
/// reads kM filters of d_y and kN neighbours of x at each, 128 bits a thread and neighbours together; x is read again
/// for every tap (from L2). Channels and filters of a group are multiples of 8; x and d_y are aligned to 16 bytes.
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_weight_half_kernel(const HalfBackwardWeightParams p) {
  using A = MatrixColumns<__half, Tile::kM, Tile::kK, Tile::kThreads, kHalfVector>;
  using B = ImageColumns<__half, Tile::kN, Tile::kK, Tile::kThreads, kHalfVector>;
  HalfStages<Tile, A, B>& shared = shared_memory<HalfStages<Tile, A, B>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const typename Tile::Place place(thread);
  const int end = block.end(p.grid, p.pixels);
  A a(p.d_y + static_cast<unsigned>(block.outer * p.group_filters), p.filters, block.m, p.group_filters, thread,
      block.begin, end);
  B b(p.x + static_cast<unsigned>(block.outer * p.group_channels), p.walk, p.h, p.w, p.group_channels, p.s, block.n,
      p.columns, thread, block.begin, end);
  typename Tile::Sums sums;
  half_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);

  float* out = p.out + static_cast<std::size_t>(blockIdx.z) * p.count;
  Tile::for_each_result(place, sums, [&](int row, int column, auto values) {
    constexpr int kCount = sizeof(values.v) / sizeof(float);
    const int filter = block.m + row;
    if (filter >= p.group_filters || column >= p.columns - block.n) return;  // columns come in eights
    const unsigned index =
        static_cast<unsigned>(block.outer * p.group_filters + filter) * static_cast<unsigned>(p.columns) +
        static_cast<unsigned>(block.n + column);
    if (p.accumulate) {
#pragma unroll
      for (int e = 0; e < kCount; ++e) values.v[e] += out[index + static_cast<unsigned>(e)];
    }
    store_neighbours<float>(out + index, values, kCount, p.wide);
  });
}

}  // namespace TSUGI_GPU
}  // namespace tsugi

#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#include "kernels/cuda/kernel.h"

namespace tsugi {
namespace TSUGI_GPU {

/// The host's part, for Kernel rows. The workspace holds the partial sums, and after them what d_bias takes.
template <typename T, typename Tile>
struct HalfBackwardWeight : Pass<Conv2dBackwardWeight> {
  static bool covers(const Conv2dShape& s) {
    return fits_gemm_offsets(s) && s.c / s.groups % kHalfVector == 0 && s.k / s.groups % kHalfVector == 0;
  }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return backward_weight_workspace(s, partial_bytes(splits_of<Tile>(backward_weight_sizes(s), device), s.w_count()));
  }

  static void launch(Runtime& runtime, const Conv2dBackwardWeight& op) {
    const Conv2dShape& s = op.shape;
    const GemmSizes sizes = backward_weight_sizes(s);
    const int parts = splits_of<Tile>(sizes, runtime.info());
    HalfBackwardWeightParams p;
    p.x = static_cast<const __half*>(op.x);
    p.d_y = static_cast<const __half*>(op.d_y);
    p.out = parts == 1 ? op.d_w : static_cast<float*>(op.workspace);
    p.group_channels = s.c / s.groups;
    p.group_filters = s.k / s.groups;
    p.columns = static_cast<int>(sizes.n);
    p.pixels = sizes.terms;
    p.grid = gemm_grid<Tile>(sizes, parts);
    p.walk = make_pixel_walk(Tile::kK, s);
    p.h = s.h;
    p.w = s.w;
    p.s = s.s;
    p.filters = s.k;
    p.count = s.w_count();
    p.accumulate = parts == 1 && op.write == Write::accumulate;
    p.wide = aligned(p.out, sizeof(float) * Tile::kNeighbours);
    launch_gemm<Tile>(runtime, "conv2d_backward_weight", &conv2d_backward_weight_half_kernel<Tile>, sizes, parts, p);
    reduce_splits(runtime, op, parts == 1 ? nullptr : p.out, parts);
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
