// conv2d backward-weight in float16 as an implicit GEMM: the kernel of the algorithms "mma" and "half2", and its
// launch.
#pragma once

#include "kernels/cuda/device/gemm_backward_weight.h"
#include "kernels/cuda/device/half_gemm.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// d_w[k,r,s,c] (=|+=) sum over n,p,q of d_y[n,p,q,k] x[n, p stride - pad + r, q stride - pad + s, c].
/// A block owns Tile::kM filters x Tile::kN of the (r,s,c) of a group; gridDim.z splits the pixels, and a second pass
/// adds the parts in order (split_reduce.h), so results do not depend on the order of blocks. Each stage of 32 pixels
/// reads kM filters of d_y and kN neighbours of x at each, 128 bits a thread and neighbours together; x is read again
/// for every tap (from L2). Channels and filters of a group are multiples of 8; x and d_y are aligned to 16 bytes.
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_weight_half_kernel(const BackwardWeightParams<__half> p) {
  using A = MatrixColumns<__half, Tile::kM, Tile::kK, Tile::kThreads, kHalfVector>;
  using B = ImageColumns<__half, Tile::kN, Tile::kK, Tile::kThreads, kHalfVector>;
  HalfStages<Tile, A, B>& shared = shared_memory<HalfStages<Tile, A, B>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const typename Tile::Place place(thread);
  const int end = block.end(p.grid, p.pixels);
  A a(p.d_y + static_cast<unsigned>(block.outer * p.group_filters), p.filters, block.m, p.group_filters, thread,
      block.begin, end);
  B b(p.x + static_cast<unsigned>(block.outer * p.group_channels), p.walk, p.h, p.w, p.group_channels, p.taps_w,
      block.n, p.terms, thread, block.begin, end);
  typename Tile::Sums sums;
  half_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);

  Tile::for_each_result(
      place, sums, [&](int row, int column, auto values) { finish_backward_weight(p, block, row, column, values); });
}

#ifndef __CUDACC_RTC__

/// The host's part, for Kernel rows. The workspace holds the partial sums, then, in the same memory, what d_bias takes.
template <typename T, typename Tile>
struct HalfBackwardWeight : Pass<Conv2dBackwardWeight> {
  static bool covers(const Conv2dShape& s) {
    return fits_gemm_offsets(s) && s.c / s.groups % kHalfVector == 0 && s.k / s.groups % kHalfVector == 0;
  }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return backward_weight_workspace(s, partials_of<Tile>(backward_weight_sizes(s), s.w_count(), device));
  }

  static void launch(Runtime& runtime, const Conv2dBackwardWeight& op) {
    launch_backward_weight<Tile>(runtime, op, &conv2d_backward_weight_half_kernel<Tile>);
  }
};

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
