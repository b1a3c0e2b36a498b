// conv2d forward in float16 as an implicit GEMM: the kernel of the algorithms "mma" and "half2", and its launch.
#pragma once

#include "kernels/cuda/device/gemm_forward.h"
#include "kernels/cuda/device/half_gemm.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/half_weights.h"
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// y[n,p,q,k] = activation(sum over r,s,c of x[n, p stride - pad + r, q stride - pad + s, c] w[k,r,s,c] + bias[k]).
/// A block owns Tile::kM output pixels x Tile::kN filters of a group; gridDim.z splits the terms. Each stage of 32
/// terms reads 64 bytes of every pixel's channels and of every filter, 128 bits a thread and neighbours together; x is
/// read again for every tap and every block of filters (from L2), y written once, at least 32 bits a store. Channels of
/// a group are a multiple of 8; x and w are aligned to 16 bytes. Overwrites y (or partials).
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_half_kernel(const ForwardParams<__half> p) {
  using A = ImageRows<__half, Tile::kM, Tile::kK, Tile::kThreads, kHalfVector, 1, OwnTaps<Tile::kK, false>>;
  using B = MatrixRows<__half, Tile::kN, Tile::kK, Tile::kThreads, kHalfVector>;
  HalfStages<Tile, A, B>& shared = shared_memory<HalfStages<Tile, A, B>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const typename Tile::Place place(thread);
  const int end = block.end(p.grid, p.terms);

  A a(p.x + group_channel(p, block), p.walk, p.h, p.w_columns, thread, block.begin, end);
  place_pixels(a, p, block);
  B b(group_weights(p, block), p.terms, block.n, p.group_filters, thread, block.begin, end);
  typename Tile::Sums sums;
  half_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);

  const unsigned first_filter = group_filter(p, block);
  Tile::for_each_result(place, sums, [&](int row, int column, const auto& sum) {
    finish_forward(p, block, first_filter, row, column, sum);
  });
}

#ifndef __CUDACC_RTC__

/// The host's part, for Kernel rows. The workspace holds the weights where they had to be moved, then the partial sums.
template <typename T, typename Tile>
struct HalfForward : Pass<Conv2dForward> {
  static bool covers(const Conv2dShape& s) { return fits_gemm_offsets(s) && s.c / s.groups % kHalfVector == 0; }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return moved_weights_bytes(s) + partials_of<Tile>(forward_sizes(s), s.y_count(), device);
  }

  static void launch(Runtime& runtime, const Conv2dForward& op) {
    void* partials = static_cast<char*>(op.workspace) + moved_weights_bytes(op.shape);
    launch_forward<Tile>(runtime, op, &conv2d_forward_half_kernel<Tile>,
                         aligned_weights(runtime, op.shape, op.w, op.workspace), partials);
  }
};

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
