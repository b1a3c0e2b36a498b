// conv2d backward-data in float16 as an implicit GEMM: the kernel of the algorithms "mma" and "half2", and its launch.
// A strided convolution falls into stride_h x stride_w phases: input pixels of one phase are read by the same taps, and
// each phase is a convolution of d_y without strides.
#pragma once

#include "kernels/cuda/device/half_gemm.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#include "kernels/cuda/half_weights.h"
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

struct HalfBackwardDataParams {
  const __half* d_y;
  const __half* weights;
  const __half* x;  ///< the mask, or null
  __half* d_x;
  float* partials;  ///< [splits, d_x's size], or null: d_x is written by this kernel
  GemmGrid grid;    ///< outer: phases x groups
  int n, h, w, p, q, r, s, stride_h, stride_w, pad_h, pad_w;
  int channels, filters, groups;
  int group_channels, group_filters;
  Rectifier activation;
  bool accumulate;
};

/// One dimension of a phase: the input pixels first, first + stride, ...; the filter taps phase, phase + stride, ...
struct Phase {
  int first, pixels, taps;

  __device__ __forceinline__ Phase(int phase, int stride, int pad, int size, int filter) {
    first = (phase - pad) % stride;
    if (first < 0) first += stride;
    pixels = first < size ? (size - first - 1) / stride + 1 : 0;
    taps = phase < filter ? (filter - phase - 1) / stride + 1 : 0;
  }
};

/// d_x[n,h,w,c] = activation'(x) * (sum over r,s,k of d_y[n, (h + pad - r) / stride, (w + pad - s) / stride, k]
/// w[k,r,s,c] [+ d_x]), over the r, s where the divisions leave no rest.
/// A block owns Tile::kM input pixels of one phase x Tile::kN channels of a group; gridDim.z splits the terms. Each
/// stage of 32 terms reads 64 bytes of every pixel of d_y and a row of kN channels of 32 filters, 128 bits a thread and
/// neighbours together; d_x is written once, 32 bits or more a store.
/// Channels and filters of a group are multiples of 8; d_y and w are aligned to 16 bytes. Overwrites or adds.
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_data_half_kernel(const HalfBackwardDataParams p) {
  using A = ImageRows<__half, Tile::kM, Tile::kK, Tile::kThreads, kHalfVector, -1, OwnTaps<Tile::kK, false>>;
  using B = FilterColumns<__half, Tile::kN, Tile::kK, Tile::kThreads, kHalfVector>;
  struct Shared {  // with what would otherwise take more registers than the main loop leaves
    HalfStages<Tile, A, B> stages;
    TapWalk walk, weight_walk;         ///< of this phase
    int pixel[Tile::kM];               ///< of d_x, where the block's rows belong; negative: nowhere
    int first_channel, channels_left;  ///< of the block's columns, in d_x and in the group
  };
  Shared& shared = shared_memory<Shared>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const typename Tile::Place place(thread);
  const int phase = block.outer / p.groups, group = block.outer - phase * p.groups;
  const int phase_h = phase / p.stride_w, phase_w = phase - phase_h * p.stride_w;
  const Phase rows(phase_h, p.stride_h, p.pad_h, p.h, p.r), columns(phase_w, p.stride_w, p.pad_w, p.w, p.s);
  const int pixels = p.n * rows.pixels * columns.pixels;
  if (block.m >= pixels) return;  // phases differ in size
  const int terms = rows.taps * columns.taps * p.group_filters, taps_w = columns.taps > 0 ? columns.taps : 1;
  const int end = block.end(p.grid, terms);

  const int filter_size = p.r * p.s * p.group_channels;
  if (thread == 0) {
    shared.first_channel = group * p.group_channels + block.n;
    shared.channels_left = p.group_channels - block.n;
    // The tap after this one reads the pixel of d_y before this one.
    shared.walk = make_tap_walk(Tile::kK, p.group_filters, taps_w, 1, -p.filters, -p.q * p.filters);
    shared.weight_walk = make_tap_walk(Tile::kK, p.group_filters, taps_w, filter_size, p.stride_w * p.group_channels,
                                       p.stride_h * p.s * p.group_channels);
  }
  for (int row = thread; row < Tile::kM; row += Tile::kThreads) {
    const int pixel = block.m + row, line = pixel / columns.pixels, image = line / rows.pixels;
    const int h = rows.first + (line - image * rows.pixels) * p.stride_h;
    const int w = columns.first + (pixel - line * columns.pixels) * p.stride_w;
    shared.pixel[row] = pixel < pixels ? (image * p.h + h) * p.w + w : -1;
  }
  __syncthreads();
  A a(p.d_y, shared.walk, p.p, p.q, thread, block.begin, end);
#pragma unroll
  for (int i = 0; i < A::kCount; ++i) {
    const int wanted = block.m + A::row(thread, i), pixel = wanted < pixels ? wanted : pixels - 1;
    const int line = pixel / columns.pixels, image = line / rows.pixels;
    const int h = rows.first + (line - image * rows.pixels) * p.stride_h;
    const int w = columns.first + (pixel - line * columns.pixels) * p.stride_w;
    const int d_y_row = (h + p.pad_h - phase_h) / p.stride_h, d_y_column = (w + p.pad_w - phase_w) / p.stride_w;
    a.place(i, d_y_row, d_y_column,
            static_cast<unsigned>((image * p.p + d_y_row) * p.q + d_y_column) * static_cast<unsigned>(p.filters) +
                static_cast<unsigned>(group * p.group_filters));
  }
  const unsigned first_weight = static_cast<unsigned>(group * p.group_filters) * static_cast<unsigned>(filter_size) +
                                static_cast<unsigned>((phase_h * p.s + phase_w) * p.group_channels);
  B b(p.weights + first_weight, shared.weight_walk, block.n, p.group_channels, thread, block.begin, end);
  typename Tile::Sums sums;
  half_main_loop<Tile>(shared.stages, a, b, stages_of<Tile>(block.begin, end), place, sums);

  Tile::for_each_result(place, sums, [&](int row, int column, auto values) {
    constexpr int kCount = sizeof(values.v) / sizeof(float);
    const int pixel = shared.pixel[row];
    if (pixel < 0 || column >= shared.channels_left) return;  // channels come in eights
    const unsigned index = static_cast<unsigned>(pixel) * static_cast<unsigned>(p.channels) +
                           static_cast<unsigned>(shared.first_channel + column);
    if (p.partials != nullptr) {
      const std::size_t split = static_cast<std::size_t>(blockIdx.z) * static_cast<unsigned>(p.n * p.h * p.w) *
                                static_cast<unsigned>(p.channels);
      store_neighbours<float>(p.partials + split + index, values, kCount, true);
      return;
    }
    if (p.accumulate) {
      const Vec<__half, kCount> old = load_vec<__half, kCount>(p.d_x + index);
#pragma unroll
      for (int e = 0; e < kCount; ++e) values.v[e] += to_float(old.v[e]);
    }
    if (p.x != nullptr) {
      const Vec<__half, kCount> y = load_vec<__half, kCount>(p.x + index);
#pragma unroll
      for (int e = 0; e < kCount; ++e) values.v[e] = p.activation.backward(to_float(y.v[e]), values.v[e]);
    }
    store_neighbours<__half>(p.d_x + index, values, kCount, true);
  });
}

#ifndef __CUDACC_RTC__

/// The host's part, for Kernel rows. The workspace holds the weights where they had to be moved, then the partial sums.
template <typename T, typename Tile>
struct HalfBackwardData : Pass<Conv2dBackwardData> {
  static GemmSizes sizes_of(const Conv2dShape& s) { return backward_data_sizes(s, s.stride_h * s.stride_w); }

  static bool covers(const Conv2dShape& s) {
    return fits_gemm_offsets(s) && s.c / s.groups % kHalfVector == 0 && s.k / s.groups % kHalfVector == 0;
  }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return moved_weights_bytes(s) + partials_of<Tile>(sizes_of(s), s.x_count(), device);
  }

  static void launch(Runtime& runtime, const Conv2dBackwardData& op) {
    const Conv2dShape& s = op.shape;
    const GemmSizes sizes = sizes_of(s);
    const int parts = splits_of<Tile>(sizes, runtime.info());
    const bool masked = op.activation.kind != ActivationKind::none;
    void* partials = static_cast<char*>(op.workspace) + moved_weights_bytes(s);
    HalfBackwardDataParams p;
    p.d_y = static_cast<const __half*>(op.d_y);
    p.weights = aligned_weights(runtime, s, op.w, op.workspace);
    p.x = masked ? static_cast<const __half*>(op.saved) : nullptr;
    p.d_x = static_cast<__half*>(op.d_x);
    p.partials = parts == 1 ? nullptr : static_cast<float*>(partials);
    p.grid = gemm_grid<Tile>(sizes, parts);
    p.n = s.n;
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
    p.groups = s.groups;
    p.group_channels = s.c / s.groups;
    p.group_filters = s.k / s.groups;
    p.activation = Rectifier(op.activation);
    p.accumulate = op.write == Write::accumulate;
    launch_gemm<Tile>(runtime, "conv2d_backward_data", &conv2d_backward_data_half_kernel<Tile>, sizes, parts, p);
    reduce_splits(runtime, op, p.partials, parts);
  }
};

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
