// How blocks cover tensors in the ops that are bound by memory: matrices of rows x channels (batch norm, pools), flat
// ranges of elements, and the sum over a block. Fixed orders throughout: same inputs, same bits.
#pragma once

#include "kernels/cuda/device/element.h"
#include "kernels/cuda/device/warp.h"

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kBlockThreads = 256;

/// Elements of one 16-byte access.
template <typename T>
constexpr int vector_width() {
  return static_cast<int>(16 / sizeof(T));
}

// -- rows x channels ----------------------------------------------------------------------------------------------
// A block is blockDim.x (a power of two up to 32) neighbouring vectors of N channels by blockDim.y rows, 256 threads;
// blockIdx.y is the slab of channels. A warp reads whole neighbouring rows, or 32 neighbouring vectors of one row.

/// First channel of this thread; it has none where that is not below c.
template <int N>
__device__ __forceinline__ int tile_channel() {
  return static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * N;
}

/// This thread's place in the block.
__device__ __forceinline__ int tile_thread() { return static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); }

/// One thread's values on their way through a sum over the rows of the block (threadIdx.y).
template <int N>
struct alignas(16) TileSums {
  float v[kBlockThreads][N];
};

/// Adds `sum` over threadIdx.y, as a tree; the threads of row 0 end up with the total. The caller puts a barrier
/// between this and the next use of `shared`.
template <int N>
__device__ __forceinline__ void sum_tile_rows(TileSums<N>& shared, float (&sum)[N]) {
  const int self = tile_thread(), y = static_cast<int>(threadIdx.y);
#pragma unroll
  for (int i = 0; i < N; ++i) shared.v[self][i] = sum[i];
  __syncthreads();
  for (int step = static_cast<int>(blockDim.y) / 2; step > 0; step /= 2) {
    if (y < step) {
      const int other = self + step * static_cast<int>(blockDim.x);
#pragma unroll
      for (int i = 0; i < N; ++i) shared.v[self][i] = sum[i] += shared.v[other][i];
    }
    __syncthreads();
  }
}

/// Reads N floats of a vector [c] (a parameter or a coefficient: aligned to 4 bytes only).
template <int N>
__device__ __forceinline__ void load_channels(const float* from, int c0, float (&to)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = from[c0 + i];
}

// -- results of blocks, merged per channel ---------------------------------------------------------------------------
// A block is 16 channels (threadIdx.x) by blockDim.y parts, a power of two up to 32: part y takes every blockDim.y-th
// of the list, from y on.
constexpr int kMergeChannels = 16, kMergeParts = 32;

struct MergeShared {
  float v[kMergeParts][kMergeChannels];
};

/// The sum over threadIdx.y, for every thread. Ends with a barrier: `shared` is free again.
__device__ __forceinline__ float sum_parts(MergeShared& shared, float value) {
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  shared.v[y][x] = value;
  __syncthreads();
  for (int step = static_cast<int>(blockDim.y) / 2; step > 0; step /= 2) {
    if (y < step) shared.v[y][x] += shared.v[y + step][x];
    __syncthreads();
  }
  const float total = shared.v[0][x];
  __syncthreads();
  return total;
}

// -- the sum over a block -------------------------------------------------------------------------------------------
struct BlockSum {
  double thread[kBlockThreads], part[16];
};

/// The sum of `value` over the block's 256 threads (one dimension), for thread 0: sixteen sums of sixteen, then theirs.
__device__ __forceinline__ double block_sum(BlockSum& shared, double value) {
  const int thread = static_cast<int>(threadIdx.x);
  shared.thread[thread] = value;
  __syncthreads();
  if (thread < 16) {
    double part = 0.0;
    for (int i = thread; i < kBlockThreads; i += 16) part += shared.thread[i];
    shared.part[thread] = part;
  }
  __syncthreads();
  double total = 0.0;
  if (thread == 0) {
    for (int i = 0; i < 16; ++i) total += shared.part[i];
  }
  return total;
}

// -- flat ranges ------------------------------------------------------------------------------------------------------
/// This thread of the grid, and how many there are: the start and the step of a grid-stride loop.
__device__ __forceinline__ std::size_t grid_thread() {
  return static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::size_t grid_threads() { return static_cast<std::size_t>(gridDim.x) * blockDim.x; }

#ifndef __CUDACC_RTC__
/// Threads of a block along channels, blocks along channels, and rows that a block reads at once.
struct ChannelTile {
  unsigned lanes, slabs, height;
  dim3 block() const { return dim3(lanes, height); }
};

/// Grid and block that merge `parts` results of c channels.
inline dim3 merge_grid(int c) { return dim3(static_cast<unsigned>((c + kMergeChannels - 1) / kMergeChannels)); }
inline dim3 merge_block(int parts) {
  int height = 1;
  while (height < kMergeParts && height < parts) height *= 2;
  return dim3(kMergeChannels, static_cast<unsigned>(height));
}

/// n: channels of a vector, divides c.
inline ChannelTile channel_tile(int c, int n) {
  const unsigned vectors = static_cast<unsigned>(c / n);
  unsigned lanes = 1;
  while (lanes < 32 && lanes < vectors) lanes *= 2;
  return {lanes, (vectors + lanes - 1) / lanes, kBlockThreads / lanes};
}

/// Whether every pointer may be read by accesses of `bytes`; null pointers are not read.
inline bool aligned(std::size_t) { return true; }
template <typename... Rest>
bool aligned(std::size_t bytes, const void* first, Rest... rest) {
  return reinterpret_cast<std::uintptr_t>(first) % bytes == 0 && aligned(bytes, rest...);
}

/// Blocks of a grid-stride loop over `items`: enough for eight blocks on each of 132 multiprocessors, no empty ones.
inline unsigned flat_blocks(std::size_t items) {
  const std::size_t blocks = (items + kBlockThreads - 1) / kBlockThreads, most = 8 * 132;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
