// conv2d forward in float16 as an implicit GEMM: the kernel of the variants "mma" and "half2", and its launch.
#pragma once

#include "kernels/cuda/device/half_gemm.h"

namespace tsugi {
namespace TSUGI_GPU {

struct HalfForwardParams {
  const __half* x;
  const __half* w;
  const float* bias;
  __half* y;
  float* partials;  ///< [splits, y's size], or null: y is written by this kernel
  GemmGrid grid;
  TapWalk walk;
  int h, w_columns, p, q, stride_h, stride_w, pad_h, pad_w;  ///< w_columns: of the input
  int channels, filters, pixels;                             ///< all of them
  int group_channels, group_filters, terms;                  ///< of a group; terms = r s group_channels
  Rectifier activation;
  bool wide;  ///< filters of a group are even: two neighbours are stored at once
};

/// y[n,p,q,k] = activation(sum over r,s,c of x[n, p stride - pad + r, q stride - pad + s, c] w[k,r,s,c] + bias[k]).
/// A block owns Tile::kM output pixels x Tile::kN filters of a group; gridDim.z splits the terms. Each stage of 32
/// terms reads 64 bytes of every pixel's channels and of every filter, 128 bits a thread and neighbours together; x is
/// read again for every tap and every block of filters (from L2), y written once, at least 32 bits a store. Channels of
/// a group are a multiple of 8; x and w are aligned to 16 bytes. Overwrites y (or partials).
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_half_kernel(const HalfForwardParams p) {
  using A = ImageRows<__half, Tile::kM, Tile::kK, Tile::kThreads, kHalfVector, 1, false>;
  using B = MatrixRows<__half, Tile::kN, Tile::kK, Tile::kThreads, kHalfVector>;
  HalfStages<Tile, A, B>& shared = shared_memory<HalfStages<Tile, A, B>>();
  const int thread = static_cast<int>(threadIdx.x);
  const GemmBlock block = GemmBlock::here<Tile>(p.grid);
  const typename Tile::Place place(thread);
  const int end = block.end(p.grid, p.terms);

  A a(p.x + static_cast<unsigned>(block.outer * p.group_channels), p.walk, p.h, p.w_columns, thread, block.begin, end);
#pragma unroll
  for (int i = 0; i < A::kCount; ++i) {
    const int wanted = block.m + A::row(thread, i), pixel = wanted < p.pixels ? wanted : p.pixels - 1;
    const int line = pixel / p.q, image = line / p.p;
    const int h = (line - image * p.p) * p.stride_h - p.pad_h, w = (pixel - line * p.q) * p.stride_w - p.pad_w;
    a.place(i, h, w, static_cast<unsigned>((image * p.h + h) * p.w_columns + w) * static_cast<unsigned>(p.channels));
  }
  const unsigned first_filter = static_cast<unsigned>(block.outer) * static_cast<unsigned>(p.group_filters);
  B b(p.w + first_filter * static_cast<unsigned>(p.terms), p.terms, block.n, p.group_filters, thread, block.begin, end);
  typename Tile::Sums sums;
  half_main_loop<Tile>(shared, a, b, stages_of<Tile>(block.begin, end), place, sums);

  Tile::for_each_result(place, sums, [&](int row, int column, auto values) {
    constexpr int kCount = sizeof(values.v) / sizeof(float);
    const int pixel = block.m + row, left = p.group_filters - block.n - column;
    if (pixel >= p.pixels || left <= 0) return;
    const unsigned filter = first_filter + static_cast<unsigned>(block.n + column);
    const unsigned index = static_cast<unsigned>(pixel) * static_cast<unsigned>(p.filters) + filter;
    if (p.partials != nullptr) {
      const std::size_t split =
          static_cast<std::size_t>(blockIdx.z) * static_cast<unsigned>(p.pixels) * static_cast<unsigned>(p.filters);
      store_neighbours<float>(p.partials + split + index, values, left, p.wide);
      return;
    }
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      if (p.bias != nullptr && e < left) values.v[e] += p.bias[filter + static_cast<unsigned>(e)];
      values.v[e] = p.activation.forward(values.v[e]);
    }
    store_neighbours<__half>(p.y + index, values, left, p.wide);
  });
}

}  // namespace TSUGI_GPU
}  // namespace tsugi

#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#include "kernels/cuda/half_weights.h"
#include "kernels/cuda/kernel.h"

namespace tsugi {
namespace TSUGI_GPU {

/// The host's part, for Kernel rows. The workspace holds the weights where they had to be moved, then the partial sums.
template <typename T, typename Tile>
struct HalfForward : Pass<Conv2dForward> {
  static bool covers(const Conv2dShape& s) { return fits_gemm_offsets(s) && s.c / s.groups % kHalfVector == 0; }
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    return moved_weights_bytes(s) + partial_bytes(splits_of<Tile>(forward_sizes(s), device), s.y_count());
  }

  static void launch(Runtime& runtime, const Conv2dForward& op) {
    const Conv2dShape& s = op.shape;
    const GemmSizes sizes = forward_sizes(s);
    const int parts = splits_of<Tile>(sizes, runtime.info());
    void* partials = static_cast<char*>(op.workspace) + moved_weights_bytes(s);
    HalfForwardParams p;
    p.x = static_cast<const __half*>(op.x);
    p.w = aligned_weights(runtime, s, op.w, op.workspace);
    p.bias = op.bias;
    p.y = static_cast<__half*>(op.y);
    p.partials = parts == 1 ? nullptr : static_cast<float*>(partials);
    p.group_channels = s.c / s.groups;
    p.group_filters = s.k / s.groups;
    p.terms = sizes.terms;
    p.grid = gemm_grid<Tile>(sizes, parts);
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
    p.pixels = static_cast<int>(sizes.m);
    p.activation = Rectifier(op.activation);
    p.wide = p.group_filters % Tile::kNeighbours == 0;
    launch_gemm<Tile>(runtime, "conv2d_forward", &conv2d_forward_half_kernel<Tile>, sizes, parts, p);
    reduce_splits(runtime, op, p.partials, parts);
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
