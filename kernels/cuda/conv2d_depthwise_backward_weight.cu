// conv2d backward-weight where every group has one input channel: sums of products over pixels, split over the grid.
// split_reduce adds the parts in fixed order.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/depthwise.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/depthwise_launch.h"
#include "kernels/cuda/gemm_launch.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct DepthwiseBackwardWeightParams {
  const T* x;
  const T* d_y;
  float* partials;  ///< [splits, filters, r, s]
  DepthwiseGrid grid;
  int splits;
  int h, w_columns, p, q, pad_h, pad_w;
  int channels, filters, multiplier;
  int r, s, stride_h, stride_w;
};

/// A block's share: a slab of filters, and every splits-th group of patches.
template <typename Tile, int V>
struct DepthwiseSplit {
  static constexpr int kLanes = Tile::kN / V;
  static constexpr int kPatches = Tile::kThreads / kLanes;
  int split, slab, lane, filter, patch;

  __device__ __forceinline__ explicit DepthwiseSplit(const DepthwiseGrid& grid) {
    const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
    split = block / grid.slabs;
    slab = (block - split * grid.slabs) * Tile::kN;
    lane = thread % kLanes * V;
    filter = slab + lane;
    patch = thread / kLanes;
  }
};

/// A row of a filter's gradients from every patch of a block.
template <typename Tile, int V, int Taps>
struct alignas(16) DepthwiseTapSums {
  float v[DepthwiseSplit<Tile, V>::kPatches][Taps][Tile::kN + 4];
};

/// Adds `sums` of the block's patches in order, and writes them as taps tap .. tap + Taps of its filters.
template <typename Tile, int V, int Taps>
__device__ __forceinline__ void write_partials(DepthwiseTapSums<Tile, V, Taps>& shared,
                                               const DepthwiseSplit<Tile, V>& at, const float (&sums)[Taps][V], int tap,
                                               int taps, int filters, float* partials) {
#pragma unroll
  for (int s = 0; s < Taps; ++s) {
    Vec<float, V> sum;
#pragma unroll
    for (int e = 0; e < V; ++e) sum.v[e] = sums[s][e];
    store_vec<float, V>(&shared.v[at.patch][s][at.lane], sum);
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < Taps * Tile::kN; i += Tile::kThreads) {
    const int s = i % Taps, filter = i / Taps;
    float sum = shared.v[0][s][filter];
#pragma unroll
    for (int patch = 1; patch < DepthwiseSplit<Tile, V>::kPatches; ++patch) sum += shared.v[patch][s][filter];
    if (at.slab + filter < filters)
      partials[(static_cast<std::size_t>(at.split) * static_cast<unsigned>(filters) +
                static_cast<unsigned>(at.slab + filter)) *
                   static_cast<unsigned>(taps) +
               static_cast<unsigned>(tap + s)] = sum;
  }
  __syncthreads();
}

/// partials[split,k,r,s] = sum over the split's pixels of d_y[n,p,q,k] x[n, p stride - pad + r, q stride - pad + s,
/// k / multiplier]. A block owns kN filters x kFilterRows of their rows (blockIdx.y) x a split of the patches of
/// kColumns pixels; a thread V filters of one patch at a time, with the taps' sums in registers. Neighbouring threads
/// read neighbouring vectors of 16 bytes (8 in f16); d_y streams once for three filter rows, x once more for each row
/// of the filter (from cache). At the end the block's patches are added in order through shared memory, kPatches kSize
/// (kN + 4) 4 bytes. V as in the forward kernel. Overwrites partials.
template <typename T, typename Tile, typename Filter, int V>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_weight_depthwise_kernel(const DepthwiseBackwardWeightParams<T> p) {
  constexpr int kSize = Filter::kSize, kStride = Filter::kStride, kColumns = Tile::kColumns, kFilterRows = 3;
  static_assert(Tile::kRows == 1, "a patch is one row of output pixels");
  using Shared = DepthwiseTapSums<Tile, V, kSize>;
  Shared& shared = shared_memory<Shared>();
  const DepthwiseSplit<Tile, V> at(p.grid);
  const int first_r = static_cast<int>(blockIdx.y) * kFilterRows;
  const unsigned pitch_x = static_cast<unsigned>(p.channels), pitch_y = static_cast<unsigned>(p.filters);
  const unsigned channel = static_cast<unsigned>(V == 1 ? at.filter / p.multiplier : at.filter);

  float sums[kFilterRows][kSize][V] = {};
  const int patches = at.filter < p.filters ? p.grid.patches : 0, step = p.splits * DepthwiseSplit<Tile, V>::kPatches;
  for (int patch = at.split * DepthwiseSplit<Tile, V>::kPatches + at.patch; patch < patches; patch += step) {
    const int line = patch / p.grid.patch_columns, image = line / p.p, row = line - image * p.p;
    const int column = (patch - line * p.grid.patch_columns) * kColumns;
    float d_y[kColumns][V];
    load_pixels(p.d_y, static_cast<unsigned>(line * p.q + column) * pitch_y + static_cast<unsigned>(at.filter), pitch_y,
                column, p.q, d_y);
#pragma unroll
    for (int i = 0; i < kFilterRows; ++i) {
      const int h = row * kStride - p.pad_h + first_r + i, w = column * kStride - p.pad_w;
      if (first_r + i >= kSize || static_cast<unsigned>(h) >= static_cast<unsigned>(p.h)) continue;
      float x[(kColumns - 1) * kStride + kSize][V];
      load_pixels(
          p.x, (static_cast<unsigned>((image * p.h + h) * p.w_columns) + static_cast<unsigned>(w)) * pitch_x + channel,
          pitch_x, w, p.w_columns, x);
#pragma unroll
      for (int s = 0; s < kSize; ++s) {
#pragma unroll
        for (int b = 0; b < kColumns; ++b) {
#pragma unroll
          for (int e = 0; e < V; ++e) sums[i][s][e] += x[b * kStride + s][e] * d_y[b][e];
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kFilterRows; ++i) {
    if (first_r + i < kSize)  // the same for the whole block
      write_partials<Tile, V, kSize>(shared, at, sums[i], (first_r + i) * kSize, Filter::kTaps, p.filters, p.partials);
  }
}

/// As above for any filter and stride: a block owns one tap (blockIdx.y), a thread V filters of one pixel at a time.
template <typename T, typename Tile, int V>
__global__ void __launch_bounds__(Tile::kThreads)
    conv2d_backward_weight_depthwise_kernel(const DepthwiseBackwardWeightParams<T> p) {
  using Shared = DepthwiseTapSums<Tile, V, 1>;
  Shared& shared = shared_memory<Shared>();
  const DepthwiseSplit<Tile, V> at(p.grid);
  const int tap = static_cast<int>(blockIdx.y), r = tap / p.s, s = tap - r * p.s;
  const int channel = V == 1 ? at.filter / p.multiplier : at.filter;
  float sums[1][V] = {};
  const int pixels = at.filter < p.filters ? p.grid.patches : 0, step = p.splits * DepthwiseSplit<Tile, V>::kPatches;
  for (int pixel = at.split * DepthwiseSplit<Tile, V>::kPatches + at.patch; pixel < pixels; pixel += step) {
    const int line = pixel / p.q, image = line / p.p;
    const int h = (line - image * p.p) * p.stride_h - p.pad_h + r, w = (pixel - line * p.q) * p.stride_w - p.pad_w + s;
    if (static_cast<unsigned>(h) >= static_cast<unsigned>(p.h) ||
        static_cast<unsigned>(w) >= static_cast<unsigned>(p.w_columns))
      continue;
    const Vec<T, V> d_y = load_read_only<T, V>(
        p.d_y + (static_cast<unsigned>(pixel) * static_cast<unsigned>(p.filters) + static_cast<unsigned>(at.filter)));
    const Vec<T, V> x = load_read_only<T, V>(
        p.x + (static_cast<unsigned>((image * p.h + h) * p.w_columns + w) * static_cast<unsigned>(p.channels) +
               static_cast<unsigned>(channel)));
#pragma unroll
    for (int e = 0; e < V; ++e) sums[0][e] += to_float(x.v[e]) * to_float(d_y.v[e]);
  }
  write_partials<Tile, V, 1>(shared, at, sums, tap, p.r * p.s, p.filters, p.partials);
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T, typename Tile, int V>
struct BackwardWeightKernels {
  using Pointer = void (*)(DepthwiseBackwardWeightParams<T>);
  template <typename Filter>
  static Pointer fixed() {
    return &conv2d_backward_weight_depthwise_kernel<T, Tile, Filter, V>;
  }
  static Pointer any() { return &conv2d_backward_weight_depthwise_kernel<T, Tile, V>; }
};

constexpr unsigned kMaxGridY = 65535;

template <typename Tile>
DepthwiseGrid weight_grid(const Conv2dShape& s) {
  return depthwise_grid<Tile>(s.k, s.n, s.p(), s.q(), is_fixed(s));
}

/// Four blocks for each multiprocessor, and a patch at least for each of their threads.
template <typename Tile>
int splits_of(const Conv2dShape& s, const DeviceInfo& device) {
  constexpr int kMaxSplits = 256;
  const DepthwiseGrid grid = weight_grid<Tile>(s);
  const int most = (grid.patches + DepthwisePlace<Tile, Tile::kThreadN>::kPatches - 1) /
                   DepthwisePlace<Tile, Tile::kThreadN>::kPatches;
  int splits = device.multiprocessors * 4 / grid.slabs;
  if (splits > most) splits = most;
  if (splits > kMaxSplits) splits = kMaxSplits;
  return splits < 1 ? 1 : splits;
}

template <typename T, typename Tile>
struct BackwardWeightDepthwise : DepthwisePass<Conv2dBackwardWeight, T, Tile> {
  using Base = DepthwisePass<Conv2dBackwardWeight, T, Tile>;
  static bool covers(const Conv2dShape& s) {
    return Base::covers(s) && static_cast<std::size_t>(s.r) * static_cast<std::size_t>(s.s) <= kMaxGridY;
  }

  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    const std::size_t partials =
        (static_cast<std::size_t>(splits_of<Tile>(s, device)) * s.w_count() * sizeof(float) + 15) / 16 * 16;
    return backward_weight_workspace(s, partials);
  }

  static void launch(Runtime& runtime, const Conv2dBackwardWeight& op) {
    const Conv2dShape& s = op.shape;
    DepthwiseBackwardWeightParams<T> p;
    set_shape(p, s);
    p.x = static_cast<const T*>(op.x);
    p.d_y = static_cast<const T*>(op.d_y);
    p.partials = static_cast<float*>(op.workspace);
    p.grid = weight_grid<Tile>(s);
    p.splits = splits_of<Tile>(s, runtime.info());
    const bool wide = Base::wide(s, op.x, op.d_y, nullptr);
    const unsigned blocks_y = static_cast<unsigned>(is_fixed(s) ? (s.r + 2) / 3 : s.r * s.s);
    const dim3 grid(static_cast<unsigned>(p.grid.slabs) * static_cast<unsigned>(p.splits), blocks_y);
    runtime.launch(
        "conv2d_backward_weight",
        wide ? pick<BackwardWeightKernels<T, Tile, Tile::kThreadN>>(s) : pick<BackwardWeightKernels<T, Tile, 1>>(s),
        grid, dim3(Tile::kThreads), p);
    reduce_splits(runtime, op, p.partials, p.splits);
  }
};

}  // namespace

std::vector<Kernel> conv2d_backward_weight_depthwise() {
  return {
      TSUGI_CONV2D_BACKWARD_WEIGHT_DEPTHWISE_ROWS(TSUGI_KERNEL, BackwardWeightDepthwise, DepthwiseTile, "depthwise")};
}

#else
TSUGI_CONV2D_BACKWARD_WEIGHT_DEPTHWISE_ROWS(TSUGI_DEPTHWISE_ROW, conv2d_backward_weight_depthwise_kernel,
                                            DepthwiseBackwardWeightParams)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
