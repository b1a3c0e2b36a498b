// What the depthwise kernels share: how a grid covers patches of pixels x slabs of channels, the filters of a slab in
// shared memory, and rows of neighbouring pixels in registers.
#pragma once

#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"

namespace tsugi {
namespace TSUGI_GPU {

/// A square filter and stride that are known when compiling.
template <int Size, int Stride>
struct DepthwiseFilter {
  static constexpr int kSize = Size, kStride = Stride, kTaps = Size * Size;
};

/// A registry row's tile as types: a block has M pixels x N channels, a thread a patch of ThreadM pixels (rows of
/// kColumns neighbours) x ThreadN channels. Where channels do not come in vectors of ThreadN, a thread has one channel
/// and the block fewer pixels.
template <int M, int N, int K, int ThreadM, int ThreadN>
struct DepthwiseTile {
  static constexpr int kM = M, kN = N, kThreadM = ThreadM, kThreadN = ThreadN;
  static constexpr int kColumns = 4, kRows = ThreadM / kColumns;
  static constexpr int kThreads = (M / ThreadM) * (N / ThreadN);
  static constexpr int kMinBlocks = 512 / kThreads;  ///< holds a thread to 128 registers
  static_assert(ThreadM % kColumns == 0 && M % ThreadM == 0 && N % ThreadN == 0, "threads must tile the block");
  static_assert(kThreads % N == 0 && kThreads <= 512 && kThreads % 32 == 0, "also with one channel a thread");
};

/// Patches in order of images, rows, columns; blocks in order of groups of patches, slabs of channels.
struct DepthwiseGrid {
  int slabs, patches, patch_rows, patch_columns;
};

/// A thread's share: V channels from `channel` on, of the patch (image, row, column) in patches.
template <typename Tile, int V>
struct DepthwisePlace {
  static constexpr int kLanes = Tile::kN / V;
  static constexpr int kPatches = Tile::kThreads / kLanes;
  int slab;  ///< first channel of the block
  int lane;  ///< first channel of the thread within the slab
  int channel;
  int image, row, column;
  bool active;  ///< has channels and a patch

  __device__ __forceinline__ DepthwisePlace(const DepthwiseGrid& grid, int channels) {
    const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
    const int group = block / grid.slabs, patch = group * kPatches + thread / kLanes, line = patch / grid.patch_columns;
    slab = (block - group * grid.slabs) * Tile::kN;
    lane = thread % kLanes * V;
    channel = slab + lane;
    column = patch - line * grid.patch_columns;
    image = line / grid.patch_rows;
    row = line - image * grid.patch_rows;
    active = patch < grid.patches && channel < channels;
  }
};

/// The filters of a slab, channels last.
template <typename Tile, typename Filter>
struct alignas(16) DepthwiseWeights {
  float v[Filter::kTaps][Tile::kN + 4];  ///< the padding spreads the transposing stores over the banks
};

/// Brings the filters (first + i) * step + offset, i < kN, of [filters, taps] to shared memory; zeros beyond the last.
template <typename Tile, typename Filter, typename T>
__device__ __forceinline__ void stage_weights(DepthwiseWeights<Tile, Filter>& shared, const T* w, int first, int step,
                                              int offset, int filters) {
  for (int i = static_cast<int>(threadIdx.x); i < Tile::kN * Filter::kTaps; i += Tile::kThreads) {
    const int channel = i / Filter::kTaps, tap = i - channel * Filter::kTaps;
    const int filter = (first + channel) * step + offset;
    shared.v[tap][channel] = filter < filters ? to_float(w[filter * Filter::kTaps + tap]) : 0.0f;
  }
}

/// A row of neighbouring pixels of [.., width, pitch]; zeros outside of it. offset: of the pixel `column`, modulo 2^32.
template <typename T, int Count, int V>
__device__ __forceinline__ void load_pixels(const T* tensor, unsigned offset, unsigned pitch, int column, int width,
                                            float (&pixels)[Count][V]) {
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    Vec<T, V> pixel = zero_vec<T, V>();
    if (static_cast<unsigned>(column + i) < static_cast<unsigned>(width))
      pixel = load_read_only<T, V>(tensor + (offset + static_cast<unsigned>(i) * pitch));
#pragma unroll
    for (int e = 0; e < V; ++e) pixels[i][e] = to_float(pixel.v[e]);
  }
}

/// sums += pixel * weight, channel by channel.
template <int V>
__device__ __forceinline__ void multiply_add(float (&sums)[V], const float (&pixel)[V], const Vec<float, V>& weight) {
#pragma unroll
  for (int e = 0; e < V; ++e) sums[e] += pixel[e] * weight.v[e];
}

}  // namespace TSUGI_GPU
}  // namespace tsugi

#if defined(__CUDACC_RTC__)
// Every instance of a row's kernel that pick() (depthwise_launch.h) chooses from: with vectors of channels, and
// without.
#define TSUGI_DEPTHWISE_INSTANCES(kernel, Params, T, V, ...)                                                 \
  template __global__ void kernel<T, DepthwiseTile<__VA_ARGS__>, DepthwiseFilter<3, 1>, V>(const Params<T>); \
  template __global__ void kernel<T, DepthwiseTile<__VA_ARGS__>, DepthwiseFilter<3, 2>, V>(const Params<T>); \
  template __global__ void kernel<T, DepthwiseTile<__VA_ARGS__>, DepthwiseFilter<5, 1>, V>(const Params<T>); \
  template __global__ void kernel<T, DepthwiseTile<__VA_ARGS__>, DepthwiseFilter<5, 2>, V>(const Params<T>); \
  template __global__ void kernel<T, DepthwiseTile<__VA_ARGS__>, V>(const Params<T>);
#define TSUGI_DEPTHWISE_ROW(kernel, Params, dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)    \
  TSUGI_DEPTHWISE_INSTANCES(kernel, Params, element::dtype, thread_n, m, n, k, thread_m, thread_n) \
  TSUGI_DEPTHWISE_INSTANCES(kernel, Params, element::dtype, 1, m, n, k, thread_m, thread_n)
#endif
