// conv2d forward as an implicit GEMM: algorithms "gemm" (every shape) and "gemm_1x1" (plain GEMM; dense layers too).
// The lowered matrix exists only as addresses: see cuDNN (https://arxiv.org/abs/1410.0759).
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_forward.h"
#include "kernels/cuda/device/gemm_load_whole.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// The block's product, with loads of V elements and whole stages in a tap.
template <typename T, typename Tile, int V>
__device__ __forceinline__ void multiply_forward(const ForwardParams<T>& p, const GemmBlock& block, int end,
                                                 const GemmPlace<Tile>& place, GemmStages<Tile>& shared,
                                                 GemmSums<Tile>& sums, Width<V>) {
  const int thread = static_cast<int>(threadIdx.x);
  TapCursor<Tile::kK> cursor(p.walk, block.begin, end);
  const unsigned channel = group_channel(p, block);
  ImageRows<T, Tile::kM, Tile::kK, Tile::kThreads, V, 1, CursorTaps<Tile::kK, true>> a(p.x, p.walk, p.h, p.w_columns,
                                                                                       thread, cursor, channel);
  place_pixels(a, p, block);
  MatrixRows<T, Tile::kN, Tile::kK, Tile::kThreads, V, CursorTerms<Tile::kK>> b(
      group_weights(p, block), p.terms, block.n, p.group_filters, thread, block.begin, cursor);
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
}

/// The block's product, element by element.
template <typename T, typename Tile>
__device__ __forceinline__ void multiply_forward(const ForwardParams<T>& p, const GemmBlock& block, int end,
                                                 const GemmPlace<Tile>& place, GemmStages<Tile>& shared,
                                                 GemmSums<Tile>& sums, Width<1>) {
  const int thread = static_cast<int>(threadIdx.x);
  ImageRows<T, Tile::kM, Tile::kK, Tile::kThreads, 1, 1> a(p.x + group_channel(p, block), p.walk, p.h, p.w_columns,
                                                           thread, block.begin, end);
  place_pixels(a, p, block);
  MatrixRows<T, Tile::kN, Tile::kK, Tile::kThreads, 1> b(group_weights(p, block), p.terms, block.n, p.group_filters,
                                                         thread, block.begin, end);
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
}

/// y[n,p,q,k] = activation(sum over r,s,c of x[n, p stride - pad + r, q stride - pad + s, c] w[k,r,s,c] + bias[k]).
/// A block owns m output pixels x n filters of a group, a thread thread_m x thread_n of them; gridDim.z splits the
/// terms. Each stage of k terms reads 32 bytes of every pixel's channels and of every filter, whole sectors by
/// neighbouring threads; x is read again for every tap and every block of filters (from L2), y written once, 128 bits a
/// store. V = 4: channels of a group are a multiple of 4 and >= k, x and w aligned to four elements. V = 1: anything.
/// Shared memory: 8 k (m + n + 8) bytes. Overwrites y (or partials).
template <typename T, typename RowTile, int V, typename Tile = typename WorkTile<RowTile, V>::Type>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_gemm_kernel(const ForwardParams<T> p) {
  GemmStages<Tile>& shared = shared_memory<GemmStages<Tile>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const GemmPlace<Tile> place(thread);
  const int end = block.end(p.grid, p.terms);

  GemmSums<Tile> sums;
  multiply_forward<T, Tile>(p, block, end, place, shared, sums, Width<V>());
  const unsigned first_filter = group_filter(p, block);
  for_each_result<Tile>(place, sums, [&](int row, int column, const Vec<float, 4>& sum) {
    finish_forward(p, block, first_filter, row, column, sum);
  });
}

/// y[pixel,k] = activation(sum over c of x[pixel,c] w[k,c] + bias[k]): 1x1, stride 1, no padding, one group. As above,
/// without taps to walk.
template <typename T, typename RowTile, int V, typename Tile = typename WorkTile<RowTile, V>::Type>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_gemm_1x1_kernel(const ForwardParams<T> p) {
  GemmStages<Tile>& shared = shared_memory<GemmStages<Tile>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const GemmPlace<Tile> place(thread);
  const int end = block.end(p.grid, p.terms);
  MatrixRows<T, Tile::kM, Tile::kK, Tile::kThreads, V> a(p.x, p.channels, block.m, p.pixels, thread, block.begin, end);
  MatrixRows<T, Tile::kN, Tile::kK, Tile::kThreads, V> b(p.w, p.terms, block.n, p.filters, thread, block.begin, end);
  GemmSums<Tile> sums;
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
  const unsigned first_filter = group_filter(p, block);
  for_each_result<Tile>(place, sums, [&](int row, int column, const Vec<float, 4>& sum) {
    finish_forward(p, block, first_filter, row, column, sum);
  });
}

#ifndef __CUDACC_RTC__
namespace {

/// `by_4`, `by_1`: the kernels with loads of four, and of one; kMultiple: of which the channels must be for four.
template <typename T, typename Tile, int kMultiple>
struct ForwardPass : Pass<Conv2dForward> {
  static bool wide(const Conv2dShape& s) { return s.c / s.groups % kMultiple == 0; }
  static std::string instance(const Conv2dShape& s) { return wide(s) ? "by 4" : "by 1"; }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return row_partials_of<Tile>(forward_sizes(s), s.y_count(), device);
  }
  static void launch_either(Runtime& runtime, const Conv2dForward& op, void (*by_4)(ForwardParams<T>),
                            void (*by_1)(ForwardParams<T>)) {
    if (wide(op.shape) && aligned(op.x, 4 * sizeof(T)) && aligned(op.w, 4 * sizeof(T)))
      return launch_forward<Tile>(runtime, op, by_4, op.w, op.workspace);
    launch_forward<typename WorkTile<Tile, 1>::Type>(runtime, op, by_1, op.w, op.workspace);
  }
};

template <typename T, typename Tile>
struct ForwardGemm : ForwardPass<T, Tile, Tile::kK> {
  static bool covers(const Conv2dShape& s) { return fits_gemm_offsets(s); }
  static void launch(Runtime& runtime, const Conv2dForward& op) {
    ForwardGemm::launch_either(runtime, op, &conv2d_forward_gemm_kernel<T, Tile, 4>,
                               &conv2d_forward_gemm_kernel<T, Tile, 1>);
  }
};

template <typename T, typename Tile>
struct ForwardGemm1x1 : ForwardPass<T, Tile, 4> {
  static bool covers(const Conv2dShape& s) {
    return fits_gemm_offsets(s) && s.r == 1 && s.s == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 &&
           s.pad_w == 0 && s.groups == 1;
  }
  static void launch(Runtime& runtime, const Conv2dForward& op) {
    ForwardGemm1x1::launch_either(runtime, op, &conv2d_forward_gemm_1x1_kernel<T, Tile, 4>,
                                  &conv2d_forward_gemm_1x1_kernel<T, Tile, 1>);
  }
};

}  // namespace

std::vector<Kernel> conv2d_forward_gemm() {
  return {TSUGI_CONV2D_GEMM_ROWS(TSUGI_KERNEL, ForwardGemm, GemmTile, "gemm")};
}
std::vector<Kernel> conv2d_forward_gemm_1x1() {
  return {TSUGI_CONV2D_GEMM_1X1_ROWS(TSUGI_KERNEL, ForwardGemm1x1, GemmTile, "gemm_1x1")};
}

#else
TSUGI_CONV2D_GEMM_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_kernel, ForwardParams, GemmTile, 4)
TSUGI_CONV2D_GEMM_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_kernel, ForwardParams, GemmTile, 1)
TSUGI_CONV2D_GEMM_1X1_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_1x1_kernel, ForwardParams, GemmTile, 4)
TSUGI_CONV2D_GEMM_1X1_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_1x1_kernel, ForwardParams, GemmTile, 1)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
