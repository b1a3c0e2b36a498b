// conv2d backward weight as an implicit GEMM, variant "gemm": every shape. The sum over output pixels is long and the
// result small, so the pixels are split over the grid, and split_reduce adds the parts in fixed order.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct BackwardWeightGemmParams {
  const T* x;
  const T* d_y;
  float* d_w;
  float* partials;  ///< [splits, d_w's size], or null: d_w is written by this kernel
  GemmGrid grid;
  PixelWalk walk;
  int h, w, taps_w;
  int filters, weights;                      ///< all of them
  int group_channels, group_filters, terms;  ///< of a group; terms = r s group_channels: columns of the result
  int pixels;
  bool accumulate;
  bool wide;  ///< four neighbouring weights can be read and stored at once
};

/// d_w[k,r,s,c] = sum over n,p,q of d_y[n,p,q,k] x[n, p stride - pad + r, q stride - pad + s, c] [+ d_w].
/// A block owns m filters x n (r, s, c) of a group, a thread thread_m x thread_n of them; gridDim.z splits the pixels.
/// Each stage of k pixels reads rows of 4 m bytes of d_y and 4 n bytes of x, neighbours together; both are contiguous
/// along the results, so no store transposes. d_y is read again for every block of (r, s, c), x for every tap and block
/// of filters (from L2).
/// V = 4: channels and filters of a group are multiples of 4, x and d_y aligned to four elements. V = 1: anything.
/// Shared memory: 8 k (m + n + 8) bytes. Overwrites d_w or adds to it (or overwrites partials).
template <typename T, typename RowTile, int V, typename Tile = typename WorkTile<RowTile, V>::Type>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_weight_gemm_kernel(const BackwardWeightGemmParams<T> p) {
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
    const int filter = block.m + row, term = block.n + column, left = p.terms - term;
    if (filter >= p.group_filters || left <= 0) return;
    const unsigned index = static_cast<unsigned>(group * p.group_filters + filter) * static_cast<unsigned>(p.terms) +
                           static_cast<unsigned>(term);
    Vec<float, 4> d_w = sum;
    if (p.partials == nullptr && p.accumulate) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        if (e < left) d_w.v[e] += p.d_w[index + static_cast<unsigned>(e)];
      }
    }
    float* to = p.partials == nullptr
                    ? p.d_w
                    : p.partials + static_cast<std::size_t>(blockIdx.z) * static_cast<unsigned>(p.weights);
    store_neighbours<float>(to + index, d_w, left, p.wide);
  });
}

}  // namespace TSUGI_GPU
}  // namespace tsugi

#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/split_reduce.h"

namespace tsugi {
namespace TSUGI_GPU {
namespace {

std::size_t pixels_of(const Conv2dShape& shape) {
  return static_cast<std::size_t>(shape.n) * static_cast<std::size_t>(shape.p()) * static_cast<std::size_t>(shape.q());
}
int terms_of(const Conv2dShape& shape) { return shape.r * shape.s * (shape.c / shape.groups); }

template <typename Tile>
std::size_t blocks_of(const Conv2dShape& shape) {
  return blocks_for(static_cast<std::size_t>(shape.k / shape.groups), Tile::kM) *
         blocks_for(static_cast<std::size_t>(terms_of(shape)), Tile::kN) * static_cast<std::size_t>(shape.groups);
}

template <typename Tile>
int splits_of(const Conv2dShape& shape, const DeviceInfo& device) {
  return choose_splits(blocks_of<Tile>(shape), static_cast<int>(pixels_of(shape) / Tile::kK), device);
}

template <typename T, typename Tile>
BackwardWeightGemmParams<T> make_params(const Conv2dBackwardWeight& op, int splits) {
  const Conv2dShape& s = op.shape;
  BackwardWeightGemmParams<T> p;
  p.x = static_cast<const T*>(op.x);
  p.d_y = static_cast<const T*>(op.d_y);
  p.d_w = op.d_w;
  p.partials = splits == 1 ? nullptr : static_cast<float*>(op.workspace);
  p.group_channels = s.c / s.groups;
  p.group_filters = s.k / s.groups;
  p.terms = terms_of(s);
  p.pixels = static_cast<int>(pixels_of(s));
  p.grid.blocks_m = static_cast<int>(blocks_for(static_cast<std::size_t>(p.group_filters), Tile::kM));
  p.grid.blocks_n = static_cast<int>(blocks_for(static_cast<std::size_t>(p.terms), Tile::kN));
  p.grid.split_terms = split_terms(p.pixels, splits, Tile::kK);
  p.walk = make_pixel_walk(Tile::kK, s);
  p.h = s.h;
  p.w = s.w;
  p.taps_w = s.s;
  p.filters = s.k;
  p.weights = static_cast<int>(s.w_count());
  p.accumulate = op.write == Write::accumulate;
  p.wide = p.terms % 4 == 0 && aligned(splits == 1 ? op.d_w : op.workspace, 16);
  return p;
}

template <typename T, typename Tile>
void launch_tile(Runtime& runtime, const Conv2dBackwardWeight& op, void (*kernel)(BackwardWeightGemmParams<T>)) {
  const int splits = splits_of<Tile>(op.shape, runtime.info());
  const BackwardWeightGemmParams<T> p = make_params<T, Tile>(op, splits);
  const dim3 grid(static_cast<unsigned>(blocks_of<Tile>(op.shape)), 1, static_cast<unsigned>(splits));
  runtime.launch("conv2d_backward_weight", kernel, grid, dim3(Tile::kThreads), p);
  if (splits == 1) return;
  SplitReduce reduce;
  reduce.partials = p.partials;
  reduce.splits = splits;
  reduce.count = op.shape.w_count();
  reduce.columns = p.terms;
  reduce.accumulate = p.accumulate;
  reduce.out = op.d_w;
  split_reduce(runtime, reduce);
}

template <typename T, typename Tile>
struct BackwardWeightGemm : Pass<Conv2dBackwardWeight> {
  static bool covers(const Conv2dShape& s) { return fits_gemm_offsets(s); }
  static bool wide(const Conv2dShape& s) { return s.c / s.groups % 4 == 0 && s.k / s.groups % 4 == 0; }
  static std::string instance(const Conv2dShape& s) { return wide(s) ? "by 4" : "by 1"; }
  /// The partial sums of d_w; the sums of d_bias, which follow, use the same memory.
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    const int by_4 = splits_of<Tile>(s, device), by_1 = splits_of<typename WorkTile<Tile, 1>::Type>(s, device);
    const std::size_t partials = partial_bytes(by_4 > by_1 ? by_4 : by_1, s.w_count());
    const std::size_t bias = column_sum_workspace(pixels_of(s), s.k);
    return partials > bias ? partials : bias;
  }
  static void launch(Runtime& runtime, const Conv2dBackwardWeight& op) {
    const Conv2dShape& s = op.shape;
    if (wide(s) && aligned(op.x, 4 * sizeof(T)) && aligned(op.d_y, 4 * sizeof(T))) {
      launch_tile<T, Tile>(runtime, op, &conv2d_backward_weight_gemm_kernel<T, Tile, 4>);
    } else {
      launch_tile<T, typename WorkTile<Tile, 1>::Type>(runtime, op, &conv2d_backward_weight_gemm_kernel<T, Tile, 1>);
    }
    if (op.d_bias == nullptr) return;
    column_sum(runtime, op.d_y, op.dtype, pixels_of(s), s.k, op.write, op.d_bias, op.workspace);
  }
};

}  // namespace

std::vector<Kernel> conv2d_backward_weight_gemm() {
  return {TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(TSUGI_KERNEL, BackwardWeightGemm, GemmTile, "gemm")};
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
#else
namespace tsugi {
namespace TSUGI_GPU {
TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_gemm_kernel, BackwardWeightGemmParams,
                                       GemmTile, 4)
TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_gemm_kernel, BackwardWeightGemmParams,
                                       GemmTile, 1)
}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
