// conv2d backward weight as an implicit GEMM, algorithm "gemm": every shape. The sum over output pixels is long and the
// result small, so the pixels are split over the grid, and split_reduce adds the parts in fixed order.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_backward_weight.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// d_w[k,r,s,c] = sum over n,p,q of d_y[n,p,q,k] x[n, p stride - pad + r, q stride - pad + s, c] [+ d_w].
/// A block owns m filters x n (r, s, c) of a group, a thread thread_m x thread_n of them; gridDim.z splits the pixels.
/// Each stage of k pixels reads rows of 4 m bytes of d_y and 4 n bytes of x, neighbours together; both are contiguous
/// along the results, so no store transposes. d_y is read again for every block of (r, s, c), x for every tap and block
/// of filters (from L2).
/// V = 4: channels and filters of a group are multiples of 4, x and d_y aligned to four elements. V = 1: anything.
/// Shared memory: 8 k (m + n + 8) bytes. Overwrites d_w or adds to it (or overwrites partials).
template <typename T, typename RowTile, int V, typename Tile = typename WorkTile<RowTile, V>::Type>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_weight_gemm_kernel(const BackwardWeightParams<T> p) {
  GemmStages<Tile>& shared = shared_memory<GemmStages<Tile>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const GemmPlace<Tile> place(thread);
  const int end = block.end(p.grid, p.pixels), group = block.outer;
  MatrixColumns<T, Tile::kM, Tile::kK, Tile::kThreads, V> a(p.d_y + static_cast<unsigned>(group * p.group_filters),
                                                            p.filters, block.m, p.group_filters, thread, block.begin,
                                                            end);
  // The group's offset is added to the walk's, so that p.x stays in constant memory and takes no registers.
  ImageColumns<T, Tile::kN, Tile::kK, Tile::kThreads, V> b(p.x, p.walk, p.h, p.w, p.group_channels, p.taps_w, block.n,
                                                           p.terms, thread, block.begin, end);
  b.at.offset += static_cast<unsigned>(group * p.group_channels);
  GemmSums<Tile> sums;
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);

  for_each_result<Tile>(place, sums, [&](int row, int column, const Vec<float, 4>& sum) {
    finish_backward_weight(p, block, row, column, sum);
  });
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T, typename Tile>
struct BackwardWeightGemm : Pass<Conv2dBackwardWeight> {
  static bool covers(const Conv2dShape& s) { return fits_gemm_offsets(s); }
  static bool wide(const Conv2dShape& s) { return s.c / s.groups % 4 == 0 && s.k / s.groups % 4 == 0; }
  static std::string instance(const Conv2dShape& s) { return wide(s) ? "by 4" : "by 1"; }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return backward_weight_workspace(s, row_partials_of<Tile>(backward_weight_sizes(s), s.w_count(), device));
  }
  static void launch(Runtime& runtime, const Conv2dBackwardWeight& op) {
    const Conv2dShape& s = op.shape;
    if (wide(s) && aligned(op.x, 4 * sizeof(T)) && aligned(op.d_y, 4 * sizeof(T))) {
      launch_backward_weight<Tile>(runtime, op, &conv2d_backward_weight_gemm_kernel<T, Tile, 4>);
    } else {
      launch_backward_weight<typename WorkTile<Tile, 1>::Type>(runtime, op,
                                                               &conv2d_backward_weight_gemm_kernel<T, Tile, 1>);
    }
  }
};

}  // namespace

std::vector<Kernel> conv2d_backward_weight_gemm() {
  return {TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(TSUGI_KERNEL, BackwardWeightGemm, GemmTile, "gemm")};
}

#else
TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_gemm_kernel, BackwardWeightParams,
                                       GemmTile, 4)
TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_gemm_kernel, BackwardWeightParams,
                                       GemmTile, 1)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
