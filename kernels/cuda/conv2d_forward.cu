// conv2d forward as an implicit GEMM: variants "gemm" (every shape) and "gemm_1x1" (plain GEMM; dense layers too).
// The lowered matrix exists only as addresses: see cuDNN (https://arxiv.org/abs/1410.0759).
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_load_whole.h"
#include "kernels/cuda/device/gemm_tile.h"

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct ForwardGemmParams {
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
  bool wide;  ///< four neighbouring filters can be stored at once
};

/// What both kernels do with their sums: partials, or y = activation(sum + bias).
template <typename T, typename Tile>
__device__ __forceinline__ void finish_forward(const ForwardGemmParams<T>& p, const GemmBlock& block,
                                               const GemmPlace<Tile>& place, const GemmSums<Tile>& sums) {
  const unsigned group_first = static_cast<unsigned>(block.outer) * static_cast<unsigned>(p.group_filters);
  for_each_result<Tile>(place, sums, [&](int row, int column, const Vec<float, 4>& sum) {
    const int pixel = block.m + row, filter = block.n + column, left = p.group_filters - filter;
    if (pixel >= p.pixels || left <= 0) return;
    const unsigned channel = group_first + static_cast<unsigned>(filter);
    const unsigned index = static_cast<unsigned>(pixel) * static_cast<unsigned>(p.filters) + channel;
    if (p.partials != nullptr) {
      const std::size_t split =
          static_cast<std::size_t>(blockIdx.z) * static_cast<unsigned>(p.pixels) * static_cast<unsigned>(p.filters);
      store_neighbours<float>(p.partials + split + index, sum, left, p.wide);
      return;
    }
    Vec<float, 4> y = sum;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (p.bias != nullptr && e < left) y.v[e] += p.bias[channel + static_cast<unsigned>(e)];
      y.v[e] = p.activation.forward(y.v[e]);
    }
    store_neighbours<T>(p.y + index, y, left, p.wide);
  });
}

/// Tells A which output pixels its rows are.
template <typename A, typename T>
__device__ __forceinline__ void place_pixels(A& a, const ForwardGemmParams<T>& p, const GemmBlock& block) {
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
__device__ __forceinline__ unsigned group_channel(const ForwardGemmParams<T>& p, const GemmBlock& block) {
  return static_cast<unsigned>(block.outer * p.group_channels);
}
template <typename T>
__device__ __forceinline__ const T* group_weights(const ForwardGemmParams<T>& p, const GemmBlock& block) {
  return p.w +
         static_cast<unsigned>(block.outer) * static_cast<unsigned>(p.group_filters) * static_cast<unsigned>(p.terms);
}

/// The block's product, with loads of V elements and whole stages in a tap.
template <typename T, typename Tile, int V>
__device__ __forceinline__ void multiply_forward(const ForwardGemmParams<T>& p, const GemmBlock& block, int end,
                                                 const GemmPlace<Tile>& place, GemmStages<Tile>& shared,
                                                 GemmSums<Tile>& sums, Width<V>) {
  const int thread = static_cast<int>(threadIdx.x);
  TapCursor<Tile::kK> cursor(p.walk, block.begin, end);
  WholeImageRows<T, Tile::kM, Tile::kK, Tile::kThreads, V, 1> a(p.x, group_channel(p, block), p.walk, cursor, p.h,
                                                                p.w_columns, thread);
  place_pixels(a, p, block);
  WholeMatrixRows<T, Tile::kN, Tile::kK, Tile::kThreads, V> b(group_weights(p, block), p.terms, cursor, block.n,
                                                              p.group_filters, thread, block.begin);
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
}

/// The block's product, element by element.
template <typename T, typename Tile>
__device__ __forceinline__ void multiply_forward(const ForwardGemmParams<T>& p, const GemmBlock& block, int end,
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
    conv2d_forward_gemm_kernel(const ForwardGemmParams<T> p) {
  GemmStages<Tile>& shared = shared_memory<GemmStages<Tile>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const GemmPlace<Tile> place(thread);
  const int end = block.end(p.grid, p.terms);

  GemmSums<Tile> sums;
  multiply_forward<T, Tile>(p, block, end, place, shared, sums, Width<V>());
  finish_forward<T, Tile>(p, block, place, sums);
}

/// y[pixel,k] = activation(sum over c of x[pixel,c] w[k,c] + bias[k]): 1x1, stride 1, no padding, one group. As above,
/// without taps to walk.
template <typename T, typename RowTile, int V, typename Tile = typename WorkTile<RowTile, V>::Type>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_gemm_1x1_kernel(const ForwardGemmParams<T> p) {
  GemmStages<Tile>& shared = shared_memory<GemmStages<Tile>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const GemmPlace<Tile> place(thread);
  const int end = block.end(p.grid, p.terms);
  MatrixRows<T, Tile::kM, Tile::kK, Tile::kThreads, V> a(p.x, p.channels, block.m, p.pixels, thread, block.begin, end);
  MatrixRows<T, Tile::kN, Tile::kK, Tile::kThreads, V> b(p.w, p.terms, block.n, p.filters, thread, block.begin, end);
  GemmSums<Tile> sums;
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
  finish_forward<T, Tile>(p, block, place, sums);
}

}  // namespace TSUGI_GPU
}  // namespace tsugi

#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/split_reduce.h"

namespace tsugi {
namespace TSUGI_GPU {
namespace {

int terms_of(const Conv2dShape& shape) { return shape.r * shape.s * (shape.c / shape.groups); }
std::size_t pixels_of(const Conv2dShape& shape) {
  return static_cast<std::size_t>(shape.n) * static_cast<std::size_t>(shape.p()) * static_cast<std::size_t>(shape.q());
}

template <typename Tile>
std::size_t blocks_of(const Conv2dShape& shape) {
  return blocks_for(pixels_of(shape), Tile::kM) *
         blocks_for(static_cast<std::size_t>(shape.k / shape.groups), Tile::kN) *
         static_cast<std::size_t>(shape.groups);
}

template <typename Tile>
int splits_of(const Conv2dShape& shape, const DeviceInfo& device) {
  return choose_splits(blocks_of<Tile>(shape), terms_of(shape) / Tile::kK, device);
}

template <typename T, typename Tile>
ForwardGemmParams<T> make_params(const Conv2dForward& op, int splits) {
  const Conv2dShape& s = op.shape;
  ForwardGemmParams<T> p;
  p.x = static_cast<const T*>(op.x);
  p.w = static_cast<const T*>(op.w);
  p.bias = op.bias;
  p.y = static_cast<T*>(op.y);
  p.partials = splits == 1 ? nullptr : static_cast<float*>(op.workspace);
  p.group_channels = s.c / s.groups;
  p.group_filters = s.k / s.groups;
  p.terms = terms_of(s);
  p.grid.blocks_m = static_cast<int>(blocks_for(pixels_of(s), Tile::kM));
  p.grid.blocks_n = static_cast<int>(blocks_for(static_cast<std::size_t>(p.group_filters), Tile::kN));
  p.grid.split_terms = split_terms(p.terms, splits, Tile::kK);
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
  p.pixels = static_cast<int>(pixels_of(s));
  p.activation = Rectifier(op.activation);
  p.wide = p.group_filters % 4 == 0 && aligned(splits == 1 ? op.y : op.workspace, splits == 1 ? 4 * sizeof(T) : 16);
  return p;
}

template <typename T, typename Tile>
void launch_tile(Runtime& runtime, const Conv2dForward& op, void (*kernel)(ForwardGemmParams<T>)) {
  const int splits = splits_of<Tile>(op.shape, runtime.info());
  const ForwardGemmParams<T> p = make_params<T, Tile>(op, splits);
  const dim3 grid(static_cast<unsigned>(blocks_of<Tile>(op.shape)), 1, static_cast<unsigned>(splits));
  runtime.launch("conv2d_forward", kernel, grid, dim3(Tile::kThreads), p);
  if (splits == 1) return;
  SplitReduce reduce;
  reduce.partials = p.partials;
  reduce.splits = splits;
  reduce.count = op.shape.y_count();
  reduce.bias = op.bias;
  reduce.columns = op.shape.k;
  reduce.activation = p.activation;
  reduce.out = op.y;
  reduce.dtype = op.dtype;
  split_reduce(runtime, reduce);
}

/// `by_4`, `by_1`: the kernels with loads of four, and of one; kMultiple: of which the channels must be for four.
template <typename T, typename Tile, int kMultiple>
struct ForwardPass : Pass<Conv2dForward> {
  static bool wide(const Conv2dShape& s) { return s.c / s.groups % kMultiple == 0; }
  static std::string instance(const Conv2dShape& s) { return wide(s) ? "by 4" : "by 1"; }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    const int by_4 = splits_of<Tile>(s, device), by_1 = splits_of<typename WorkTile<Tile, 1>::Type>(s, device);
    return partial_bytes(by_4 > by_1 ? by_4 : by_1, s.y_count());
  }
  static void launch_either(Runtime& runtime, const Conv2dForward& op, void (*by_4)(ForwardGemmParams<T>),
                            void (*by_1)(ForwardGemmParams<T>)) {
    if (wide(op.shape) && aligned(op.x, 4 * sizeof(T)) && aligned(op.w, 4 * sizeof(T)))
      return launch_tile<T, Tile>(runtime, op, by_4);
    launch_tile<T, typename WorkTile<Tile, 1>::Type>(runtime, op, by_1);
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

}  // namespace TSUGI_GPU
}  // namespace tsugi
#else
namespace tsugi {
namespace TSUGI_GPU {
TSUGI_CONV2D_GEMM_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_kernel, ForwardGemmParams, GemmTile, 4)
TSUGI_CONV2D_GEMM_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_kernel, ForwardGemmParams, GemmTile, 1)
TSUGI_CONV2D_GEMM_1X1_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_1x1_kernel, ForwardGemmParams, GemmTile, 4)
TSUGI_CONV2D_GEMM_1X1_ROWS(TSUGI_INSTANCE, conv2d_forward_gemm_1x1_kernel, ForwardGemmParams, GemmTile, 1)
}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
