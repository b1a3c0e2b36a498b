// conv2d backward data as an implicit GEMM, algorithm "gemm": every shape. With strides, the input pixels whose (row,
// column) leave the same remainders form a phase: a convolution of its own, with only the taps that reach it, so no
// product has a structural zero.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_load_whole.h"
#include "kernels/cuda/device/gemm_tile.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct BackwardDataGemmParams {
  const T* d_y;
  const T* weights;
  const T* mask;  ///< the activation's output x, or null
  T* d_x;
  float* partials;  ///< [splits, d_x's size], or null: d_x is written by this kernel
  GemmGrid grid;
  TapWalk d_y_walk, weight_walk;  ///< with one tap column: the phase knows how many
  int images, h, w, p, q, r, s, stride_h, stride_w, pad_h, pad_w;
  int channels, filters;              ///< all of them
  int group_channels, group_filters;  ///< of a group
  int phases_h, phases_w;
  Rectifier activation;
  bool accumulate;
  bool wide;  ///< four neighbouring channels can be read and stored at once
};

/// One axis of a phase: the input positions first, first + stride, ...
struct PhaseAxis {
  int first, count;  ///< positions
  int tap, taps;     ///< the filter's first tap that reaches them, and how many do, stride apart
  int output;        ///< where the first tap of the first position lies in the output

  __device__ __forceinline__ static PhaseAxis make(int phase, int size, int stride, int pad, int filter) {
    PhaseAxis axis;
    axis.first = phase;
    axis.count = (size - phase + stride - 1) / stride;
    axis.tap = (phase + pad) % stride;
    axis.taps = axis.tap < filter ? (filter - axis.tap + stride - 1) / stride : 0;
    axis.output = (phase + pad) / stride;
    return axis;
  }
};

/// What a block works on: a phase of a group.
struct Phase {
  int group;
  PhaseAxis rows, columns;

  template <typename T>
  __device__ __forceinline__ static Phase make(const BackwardDataGemmParams<T>& p, int index) {
    Phase phase;
    phase.group = index / (p.phases_h * p.phases_w);
    phase.rows = PhaseAxis::make(index / p.phases_w % p.phases_h, p.h, p.stride_h, p.pad_h, p.r);
    phase.columns = PhaseAxis::make(index % p.phases_w, p.w, p.stride_w, p.pad_w, p.s);
    return phase;
  }

  __device__ __forceinline__ int pixels() const { return rows.count * columns.count; }  ///< of an image
};

/// A pixel of a phase, by its number.
struct PhasePixel {
  int image, line, column;

  __device__ __forceinline__ PhasePixel(const Phase& phase, int pixel) {
    const int all_lines = pixel / phase.columns.count;
    image = all_lines / phase.rows.count;
    line = all_lines - image * phase.rows.count;
    column = pixel - all_lines * phase.columns.count;
  }
};

/// What the epilogue must know again after the loop, kept out of its registers.
struct PhaseBlock {
  Phase phase;
  int m, n;
};
template <typename Tile>
struct alignas(16) BackwardDataShared {
  GemmStages<Tile> stages;
  PhaseBlock block;
};

/// Tells A where its rows' first taps lie in d_y.
template <typename A, typename T>
__device__ __forceinline__ void place_pixels(A& a, const BackwardDataGemmParams<T>& p, const Phase& phase,
                                             const GemmBlock& block) {
  const int pixels = p.images * phase.pixels();
#pragma unroll
  for (int i = 0; i < A::kCount; ++i) {
    const int wanted = block.m + A::row(a.thread, i);
    const PhasePixel at(phase, wanted < pixels ? wanted : pixels - 1);
    const int h = phase.rows.output + at.line, w = phase.columns.output + at.column;
    a.place(i, h, w, static_cast<unsigned>((at.image * p.p + h) * p.q + w) * static_cast<unsigned>(p.filters));
  }
}

/// Offset in d_y of the group's first filter.
template <typename T>
__device__ __forceinline__ unsigned group_filter(const BackwardDataGemmParams<T>& p, const Phase& phase) {
  return static_cast<unsigned>(phase.group * p.group_filters);
}
/// Offset in the weights of the group's filters, at the phase's first tap.
template <typename T>
__device__ __forceinline__ unsigned phase_weights(const BackwardDataGemmParams<T>& p, const Phase& phase) {
  return group_filter(p, phase) * static_cast<unsigned>(p.r * p.s * p.group_channels) +
         static_cast<unsigned>((phase.rows.tap * p.s + phase.columns.tap) * p.group_channels);
}

/// The block's product, with loads of V elements and whole stages in a tap.
template <typename T, typename Tile, int V>
__device__ __forceinline__ void multiply_backward_data(const BackwardDataGemmParams<T>& p, const Phase& phase,
                                                       const GemmBlock& block, int end, const GemmPlace<Tile>& place,
                                                       GemmStages<Tile>& shared, GemmSums<Tile>& sums, Width<V>) {
  const int thread = static_cast<int>(threadIdx.x), taps_w = phase.columns.taps > 0 ? phase.columns.taps : 1;
  const TapWalk d_y_walk = with_tap_columns<true>(p.d_y_walk, Tile::kK, taps_w);
  const TapWalk weight_walk = with_tap_columns<true>(p.weight_walk, Tile::kK, taps_w);
  TapCursor<Tile::kK> cursor(d_y_walk, block.begin, end);
  const unsigned filter = group_filter(p, phase), weight = phase_weights(p, phase);
  ImageRows<T, Tile::kM, Tile::kK, Tile::kThreads, V, -1, CursorTaps<Tile::kK, true>> a(p.d_y, d_y_walk, p.p, p.q,
                                                                                        thread, cursor, filter);
  place_pixels(a, p, phase, block);
  FilterColumns<T, Tile::kN, Tile::kK, Tile::kThreads, V, CursorTaps<Tile::kK, false>> b(
      p.weights, weight_walk, block.n, p.group_channels, thread, cursor, weight);
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
}

/// The block's product, element by element.
template <typename T, typename Tile>
__device__ __forceinline__ void multiply_backward_data(const BackwardDataGemmParams<T>& p, const Phase& phase,
                                                       const GemmBlock& block, int end, const GemmPlace<Tile>& place,
                                                       GemmStages<Tile>& shared, GemmSums<Tile>& sums, Width<1>) {
  const int thread = static_cast<int>(threadIdx.x), taps_w = phase.columns.taps > 0 ? phase.columns.taps : 1;
  const TapWalk d_y_walk = with_tap_columns<false>(p.d_y_walk, Tile::kK, taps_w);
  const TapWalk weight_walk = with_tap_columns<false>(p.weight_walk, Tile::kK, taps_w);
  ImageRows<T, Tile::kM, Tile::kK, Tile::kThreads, 1, -1> a(p.d_y + group_filter(p, phase), d_y_walk, p.p, p.q, thread,
                                                            block.begin, end);
  place_pixels(a, p, phase, block);
  FilterColumns<T, Tile::kN, Tile::kK, Tile::kThreads, 1> b(p.weights + phase_weights(p, phase), weight_walk, block.n,
                                                            p.group_channels, thread, block.begin, end);
  gemm_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);
}

/// What becomes of four neighbouring sums of d_x at `index`.
template <typename T>
__device__ __forceinline__ void finish_four(const BackwardDataGemmParams<T>& p, unsigned index, Vec<float, 4> sum,
                                            int left) {
  Vec<T, 4> old, y;
  if (p.wide) {
    if (p.accumulate) old = load_vec<T, 4>(p.d_x + index);
    if (p.mask != nullptr) y = load_vec<T, 4>(p.mask + index);
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (p.accumulate && e < left) old.v[e] = p.d_x[index + static_cast<unsigned>(e)];
      if (p.mask != nullptr && e < left) y.v[e] = p.mask[index + static_cast<unsigned>(e)];
    }
  }
#pragma unroll
  for (int e = 0; e < 4; ++e) {
    if (e >= left) continue;
    if (p.accumulate) sum.v[e] += to_float(old.v[e]);
    if (p.mask != nullptr) sum.v[e] = p.activation.backward(to_float(y.v[e]), sum.v[e]);
  }
  store_neighbours<T>(p.d_x + index, sum, left, p.wide);
}

/// Partials, or d_x.
template <typename T, typename Tile>
__device__ __forceinline__ void finish_backward_data(const BackwardDataGemmParams<T>& p, const PhaseBlock& block,
                                                     const GemmPlace<Tile>& place, const GemmSums<Tile>& sums) {
  const Phase phase = block.phase;
  const int pixels = p.images * phase.pixels();
  const bool every_pixel = p.stride_h == 1 && p.stride_w == 1;
  for_each_result<Tile>(place, sums, [&](int row, int column, const Vec<float, 4>& sum) {
    const int channel = block.n + column, left = p.group_channels - channel;
    int pixel = block.m + row;
    if (pixel >= pixels || left <= 0) return;
    if (!every_pixel) {
      const PhasePixel at(phase, pixel);
      pixel = (at.image * p.h + phase.rows.first + at.line * p.stride_h) * p.w + phase.columns.first +
              at.column * p.stride_w;
    }
    const unsigned index = static_cast<unsigned>(pixel) * static_cast<unsigned>(p.channels) +
                           static_cast<unsigned>(phase.group * p.group_channels + channel);
    if (p.partials != nullptr) {
      const std::size_t size =
          static_cast<std::size_t>(p.images) * static_cast<unsigned>(p.h * p.w) * static_cast<unsigned>(p.channels);
      store_neighbours<float>(p.partials + blockIdx.z * size + index, sum, left, p.wide);
    } else {
      finish_four(p, index, sum, left);
    }
  });
}

/// d_x[n,h,w,c] = activation'(x) * (sum over r,s,k of d_y[n, (h + pad - r) / stride, (w + pad - s) / stride, k]
/// w[k,r,s,c]
/// [+ d_x]), over the taps that divide. A block owns m input pixels of a phase x n channels of a group, a thread
/// thread_m x thread_n of them; gridDim.z splits the terms (r, s, k). Each stage of k terms reads 32 bytes of every
/// output pixel's filters, and of k filters' weights n neighbouring channels: rows of 4 n bytes. d_y is read again for
/// every tap and block of channels (from L2); d_x is written once, 128 bits a store, zero where no window reads.
/// V = 4: channels of a group are a multiple of 4, filters of k, d_y and w aligned to four elements. V = 1: anything.
/// Shared memory: 8 k (m + n + 8) bytes. Overwrites d_x or adds to it (or overwrites partials).
template <typename T, typename RowTile, int V, typename Tile = typename WorkTile<RowTile, V>::Type>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_data_gemm_kernel(const BackwardDataGemmParams<T> p) {
  BackwardDataShared<Tile>& shared = shared_memory<BackwardDataShared<Tile>>();
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const Phase phase = Phase::make(p, block.outer);
  const int pixels = p.images * phase.pixels();
  if (block.m >= pixels) return;  // the whole block: a later phase may have fewer pixels than the first
  const int terms = phase.rows.taps * phase.columns.taps * p.group_filters;
  const int end = block.end(p.grid, terms);
  const GemmPlace<Tile> place(static_cast<int>(threadIdx.x));
  GemmSums<Tile> sums;
  if (threadIdx.x == 0) {
    shared.block.phase = phase;
    shared.block.m = block.m;
    shared.block.n = block.n;
  }
  multiply_backward_data<T, Tile>(p, phase, block, end, place, shared.stages, sums, Width<V>());
  finish_backward_data<T, Tile>(p, shared.block, place, sums);
}

#ifndef __CUDACC_RTC__
namespace {

int phases(int stride, int size) { return stride < size ? stride : size; }
GemmSizes sizes_of(const Conv2dShape& s) {
  return backward_data_sizes(s, phases(s.stride_h, s.h) * phases(s.stride_w, s.w));
}

template <typename T, typename Tile>
void launch_tile(Runtime& runtime, const Conv2dBackwardData& op, void (*kernel)(BackwardDataGemmParams<T>)) {
  const Conv2dShape& s = op.shape;
  const GemmSizes sizes = sizes_of(s);
  const int splits = splits_of<Tile>(sizes, runtime.info());
  BackwardDataGemmParams<T> p;
  p.d_y = static_cast<const T*>(op.d_y);
  p.weights = static_cast<const T*>(op.w);
  p.mask = op.activation.kind == ActivationKind::none ? nullptr : static_cast<const T*>(op.saved);
  p.d_x = static_cast<T*>(op.d_x);
  p.partials = splits == 1 ? nullptr : static_cast<float*>(op.workspace);
  p.group_channels = s.c / s.groups;
  p.group_filters = s.k / s.groups;
  p.grid = gemm_grid<Tile>(sizes, splits);
  p.d_y_walk = make_tap_walk(Tile::kK, p.group_filters, 1, 1, -s.k, -s.q() * s.k);
  p.weight_walk = make_tap_walk(Tile::kK, p.group_filters, 1, s.r * s.s * p.group_channels,
                                s.stride_w * p.group_channels, s.stride_h * s.s * p.group_channels);
  p.images = s.n;
  p.h = s.h;
  p.w = s.w;
  p.p = s.p();
  p.q = s.q();
  p.r = s.r;
  p.s = s.s;
  p.stride_h = s.stride_h;
  p.stride_w = s.stride_w;
  p.pad_h = s.pad_h;
  p.pad_w = s.pad_w;
  p.channels = s.c;
  p.filters = s.k;
  p.phases_h = phases(s.stride_h, s.h);
  p.phases_w = phases(s.stride_w, s.w);
  p.activation = Rectifier(op.activation);
  p.accumulate = op.write == Write::accumulate;
  p.wide = p.group_channels % 4 == 0 &&
           (splits == 1 ? aligned(op.d_x, 4 * sizeof(T)) && aligned(p.mask, 4 * sizeof(T)) : aligned(op.workspace, 16));
  launch_gemm<Tile>(runtime, "conv2d_backward_data", kernel, sizes, splits, p);
  reduce_splits(runtime, op, p.partials, splits);
}

template <typename T, typename Tile>
struct BackwardDataGemm : Pass<Conv2dBackwardData> {
  static bool covers(const Conv2dShape& s) { return fits_gemm_offsets(s); }
  static bool wide(const Conv2dShape& s) { return s.c / s.groups % 4 == 0 && s.k / s.groups % Tile::kK == 0; }
  static std::string instance(const Conv2dShape& s) { return wide(s) ? "by 4" : "by 1"; }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return row_partials_of<Tile>(sizes_of(s), s.x_count(), device);
  }
  static void launch(Runtime& runtime, const Conv2dBackwardData& op) {
    if (wide(op.shape) && aligned(op.d_y, 4 * sizeof(T)) && aligned(op.w, 4 * sizeof(T)))
      return launch_tile<T, Tile>(runtime, op, &conv2d_backward_data_gemm_kernel<T, Tile, 4>);
    launch_tile<T, typename WorkTile<Tile, 1>::Type>(runtime, op, &conv2d_backward_data_gemm_kernel<T, Tile, 1>);
  }
};

}  // namespace

std::vector<Kernel> conv2d_backward_data_gemm() {
  return {TSUGI_CONV2D_GEMM_ROWS(TSUGI_KERNEL, BackwardDataGemm, GemmTile, "gemm")};
}

#else
TSUGI_CONV2D_GEMM_ROWS(TSUGI_INSTANCE, conv2d_backward_data_gemm_kernel, BackwardDataGemmParams, GemmTile, 4)
TSUGI_CONV2D_GEMM_ROWS(TSUGI_INSTANCE, conv2d_backward_data_gemm_kernel, BackwardDataGemmParams, GemmTile, 1)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
