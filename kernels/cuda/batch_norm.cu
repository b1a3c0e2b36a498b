// Batch normalisation, fused with the residual add and the activation. Training takes three launches: statistics of
// blocks of rows, a small one that merges them, and one pass that normalises, adds and activates; inference takes the
// last alone. Statistics follow Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
// variances", 1979: sums of squares around means, never E[x^2] - mean^2.
#include "kernels/api/batch_norm.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

struct BatchNormStatistics {
  const void* x;
  int rows, c, rows_per_block;
  float* mean;     ///< [gridDim.x,c]
  float* squares;  ///< [gridDim.x,c], sums of squared deviations from it
};

template <int N>
struct MomentsShared {
  float count[kBlockThreads];
  TileSums<N> mean, squares;
};

/// count, mean and squares of a set of rows, joined with those of another one. Either may be empty.
template <int N>
__device__ __forceinline__ void merge_moments(float& count, float (&mean)[N], float (&squares)[N], float other_count,
                                              const float (&other_mean)[N], const float (&other_squares)[N]) {
  const float total = count + other_count, share = other_count > 0.0f ? other_count / total : 0.0f;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float delta = other_mean[i] - mean[i];
    mean[i] += delta * share;
    squares[i] += other_squares[i] + delta * delta * (count * share);
  }
  count = total;
}

/// mean[b][c] and squares[b][c] of the rows_per_block rows of block b: a thread keeps a running mean and sum of
/// squares, which take groups of kGroup rows at a time around the group's own mean (two passes over registers); the
/// block's threads are merged as a tree. A mean far from zero costs |mean| / std units in the last place, not its
/// square. Grid: blocks of rows by slabs of channels (reduce.h). Reads x once, by 16-byte accesses of neighbouring
/// channels.
template <typename T, int N>
__global__ void __launch_bounds__(kBlockThreads) batch_norm_statistics(const BatchNormStatistics p) {
  constexpr int kGroup = N == 8 ? 4 : 8;
  MomentsShared<N>& shared = shared_memory<MomentsShared<N>>();
  const int c0 = tile_channel<N>(), self = tile_thread(), height = static_cast<int>(blockDim.y);
  const int begin = static_cast<int>(blockIdx.x) * p.rows_per_block;
  const int end = p.rows - begin < p.rows_per_block ? p.rows : begin + p.rows_per_block;
  float count = 0.0f, mean[N] = {}, squares[N] = {};
  if (c0 < p.c) {
    const std::size_t stride = static_cast<std::size_t>(p.c) * height;
    int row = begin + static_cast<int>(threadIdx.y);
    const T* x = static_cast<const T*>(p.x) + static_cast<std::size_t>(row) * p.c + c0;
    for (; end - row > (kGroup - 1) * height; row += kGroup * height, x += kGroup * stride) {
      Vec<T, N> loaded[kGroup];
#pragma unroll
      for (int k = 0; k < kGroup; ++k) loaded[k] = load_vec<T, N>(x + k * stride);
      float group_mean[N] = {}, group_squares[N] = {};
#pragma unroll
      for (int i = 0; i < N; ++i) {
#pragma unroll
        for (int k = 0; k < kGroup; ++k) group_mean[i] += to_float(loaded[k].v[i]);
        group_mean[i] *= 1.0f / kGroup;
#pragma unroll
        for (int k = 0; k < kGroup; ++k) {
          const float centred = to_float(loaded[k].v[i]) - group_mean[i];
          group_squares[i] += centred * centred;
        }
      }
      merge_moments<N>(count, mean, squares, static_cast<float>(kGroup), group_mean, group_squares);
    }
    for (; row < end; row += height, x += stride) {
      const Vec<T, N> loaded = load_vec<T, N>(x);
      float value[N], nothing[N] = {};
#pragma unroll
      for (int i = 0; i < N; ++i) value[i] = to_float(loaded.v[i]);
      merge_moments<N>(count, mean, squares, 1.0f, value, nothing);
    }
  }
  const auto publish = [&] {
    shared.count[self] = count;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      shared.mean.v[self][i] = mean[i];
      shared.squares.v[self][i] = squares[i];
    }
  };
  publish();
  __syncthreads();
  for (int step = height / 2; step > 0; step /= 2) {
    if (static_cast<int>(threadIdx.y) < step) {
      const int other = self + step * static_cast<int>(blockDim.x);
      merge_moments<N>(count, mean, squares, shared.count[other], shared.mean.v[other], shared.squares.v[other]);
      publish();
    }
    __syncthreads();
  }
  if (threadIdx.y != 0 || c0 >= p.c) return;
  const std::size_t at = static_cast<std::size_t>(blockIdx.x) * p.c + c0;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    p.mean[at + i] = mean[i];
    p.squares[at + i] = squares[i];
  }
}

struct BatchNormMerge {
  int rows, c, rows_per_block, blocks;
  const float *mean, *squares;  ///< [blocks,c] of batch_norm_statistics
  float eps, momentum;
  float *running_mean, *running_var;  ///< [c]
  float *batch_mean, *inv_std;        ///< [c], overwritten
};

/// Mean and variance of all rows from those of blocks of rows: mean = sum of n_b mean_b / rows, taken around the first
/// block's mean, then squares = sum of squares_b + n_b (mean_b - mean)^2. Updates the running statistics.
/// Block: 16 channels by up to 32 parts of the list of blocks, which are added as a tree (reduce.h).
__global__ void __launch_bounds__(kMergeChannels* kMergeParts) batch_norm_merge(const BatchNormMerge p) {
  MergeShared& shared = shared_memory<MergeShared>();
  const int channel = static_cast<int>(blockIdx.x * kMergeChannels + threadIdx.x);
  const int c = channel < p.c ? channel : p.c - 1;  // the last block's spare threads repeat the last channel
  const int first = static_cast<int>(threadIdx.y), parts = static_cast<int>(blockDim.y);
  const float origin = p.mean[c], rows = static_cast<float>(p.rows);
  const auto rows_of = [&](int block) {
    const int left = p.rows - block * p.rows_per_block;
    return static_cast<float>(left < p.rows_per_block ? left : p.rows_per_block);
  };
  float sum = 0.0f;
  for (int b = first; b < p.blocks; b += parts) {
    sum += rows_of(b) * (p.mean[static_cast<std::size_t>(b) * p.c + c] - origin);
  }
  const float mean = origin + sum_parts(shared, sum) / rows;
  float squares = 0.0f;
  for (int b = first; b < p.blocks; b += parts) {
    const std::size_t at = static_cast<std::size_t>(b) * p.c + c;
    const float delta = p.mean[at] - mean;
    squares += p.squares[at] + rows_of(b) * delta * delta;
  }
  const float total = sum_parts(shared, squares);
  if (first != 0 || channel >= p.c) return;
  const float unbiased = p.rows > 1 ? total / (rows - 1.0f) : 0.0f, kept = 1.0f - p.momentum;
  p.running_mean[c] = kept * p.running_mean[c] + p.momentum * mean;
  p.running_var[c] = kept * p.running_var[c] + p.momentum * unbiased;
  p.batch_mean[c] = mean;
  p.inv_std[c] = 1.0f / sqrtf(total / rows + p.eps);
}

template <typename Act>
struct BatchNormNormalise {
  const void* x;
  const void* residual;  ///< or null
  void* y;
  void* saved;  ///< gets the activation's input; or null
  int rows, c, rows_per_block;
  const float *gamma, *beta;
  const float* mean;         ///< [c] of the batch, or the running one
  const float* inv_std;      ///< [c] of the batch, or null: from running_var
  const float* running_var;  ///< [c]
  float eps;
  Act activation;
  float *saved_mean, *saved_inv_std;  ///< [c], written from the running statistics; or null
};

/// y = activation(gamma * inv_std * (x - mean) + beta [+ residual]).
/// Grid: blocks of rows by slabs of channels; the last rows, which the statistics read last, come first, so that what
/// still lies in the L2 cache is read from there. A thread keeps the coefficients of its N channels in registers and
/// walks over its rows kRows at a time. Moves x, residual, y and saved once, 16 bytes an access. y may be x.
/// Overwrites.
template <typename T, int N, typename Act>
__global__ void __launch_bounds__(kBlockThreads) batch_norm_normalise(const BatchNormNormalise<Act> p) {
  constexpr int kRows = N == 8 ? 2 : 4;
  const int c0 = tile_channel<N>(), height = static_cast<int>(blockDim.y);
  if (c0 >= p.c) return;
  const int begin = static_cast<int>(gridDim.x - 1 - blockIdx.x) * p.rows_per_block;
  const int end = p.rows - begin < p.rows_per_block ? p.rows : begin + p.rows_per_block;
  float mean[N], scale[N], shift[N];
  load_channels<N>(p.mean, c0, mean);
  load_channels<N>(p.gamma, c0, scale);
  load_channels<N>(p.beta, c0, shift);
  const bool saves = p.saved_mean != nullptr && begin == 0 && threadIdx.y == 0;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float inv_std = p.inv_std != nullptr ? p.inv_std[c0 + i] : 1.0f / sqrtf(p.running_var[c0 + i] + p.eps);
    scale[i] *= inv_std;
    if (saves) {
      p.saved_mean[c0 + i] = mean[i];
      p.saved_inv_std[c0 + i] = inv_std;
    }
  }
  const std::size_t stride = static_cast<std::size_t>(p.c) * height;
  int row = begin + static_cast<int>(threadIdx.y);
  std::size_t at = static_cast<std::size_t>(row) * p.c + c0;
  const T* residual = static_cast<const T*>(p.residual);
  const auto normalise = [&](std::size_t to, const Vec<T, N>& x, const Vec<T, N>& added) {
    Vec<T, N> y, saved;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      float value = (to_float(x.v[i]) - mean[i]) * scale[i] + shift[i];
      if (residual != nullptr) value += to_float(added.v[i]);
      if (Act::kSavesInput) saved.v[i] = from_float<T>(value);
      y.v[i] = from_float<T>(p.activation.forward(value));
    }
    if (Act::kSavesInput && p.saved != nullptr) store_vec<T, N>(static_cast<T*>(p.saved) + to, saved);
    return y;
  };
  const T* x = static_cast<const T*>(p.x);
  T* y = static_cast<T*>(p.y);
  for (; end - row > (kRows - 1) * height; row += kRows * height, at += kRows * stride) {
    Vec<T, N> loaded[kRows], added[kRows] = {};
#pragma unroll
    for (int k = 0; k < kRows; ++k) loaded[k] = load_vec<T, N>(x + at + k * stride);
    if (residual != nullptr) {
#pragma unroll
      for (int k = 0; k < kRows; ++k) added[k] = load_vec<T, N>(residual + at + k * stride);
    }
#pragma unroll
    for (int k = 0; k < kRows; ++k)
      store_vec<T, N>(y + at + k * stride, normalise(at + k * stride, loaded[k], added[k]));
  }
  for (; row < end; row += height, at += stride) {
    const Vec<T, N> loaded = load_vec<T, N>(x + at);
    Vec<T, N> added = {};
    if (residual != nullptr) added = load_vec<T, N>(residual + at);
    store_vec<T, N>(y + at, normalise(at, loaded, added));
  }
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T, int N, typename Act>
void forward(Runtime& runtime, const BatchNormForward& op, const Act& act) {
  const BatchNormShape& s = op.shape;
  const BatchNormBlocks blocks(s);
  const ChannelTile tile = channel_tile(s.c, N);
  const dim3 grid(static_cast<unsigned>(blocks.count), tile.slabs);
  const dim3 pass_grid(static_cast<unsigned>(blocks.pass_count), tile.slabs);
  BatchNormNormalise<Act> normalise{op.x,    op.residual, op.y,    op.saved, s.rows, s.c, blocks.pass_rows, op.gamma,
                                    op.beta, nullptr,     nullptr, nullptr,  op.eps, act, nullptr,          nullptr};
  if (op.mode == BatchNormMode::batch_statistics) {
    const BatchNormScratch scratch(op.workspace, s, blocks);
    const BatchNormStatistics statistics{op.x, s.rows, s.c, blocks.rows, scratch.first, scratch.second};
    runtime.launch("batch_norm_statistics", &batch_norm_statistics<T, N>, grid, tile.block(), statistics);
    float* mean = op.saved_mean != nullptr ? op.saved_mean : scratch.coefficient0;
    float* inv_std = op.saved_inv_std != nullptr ? op.saved_inv_std : scratch.coefficient1;
    const BatchNormMerge merge{s.rows, s.c,         blocks.rows,     blocks.count,   scratch.first, scratch.second,
                               op.eps, op.momentum, op.running_mean, op.running_var, mean,          inv_std};
    runtime.launch("batch_norm_merge", &batch_norm_merge, merge_grid(s.c), merge_block(blocks.count), merge);
    normalise.mean = mean;
    normalise.inv_std = inv_std;
  } else {
    normalise.mean = op.running_mean;
    normalise.running_var = op.running_var;
    normalise.saved_mean = op.saved_mean;
    normalise.saved_inv_std = op.saved_inv_std;
  }
  runtime.launch("batch_norm_normalise", &batch_norm_normalise<T, N, Act>, pass_grid, tile.block(), normalise);
}

}  // namespace

std::size_t batch_norm_workspace(const BatchNormShape& shape) {
  const std::size_t values = 2 * static_cast<std::size_t>(BatchNormBlocks(shape).count) + 2;
  return (values * static_cast<std::size_t>(shape.c) * sizeof(float) + 15) / 16 * 16;
}

void batch_norm_forward(Runtime& runtime, const BatchNormForward& op) {
  const bool is_aligned = aligned(16, op.x, op.residual, op.y, op.saved);
  with_kernel_activation(op.activation, [&](auto act) {
    using Act = decltype(act);
    if (op.dtype == DType::f16) {
      pick(runtime, op, act, is_aligned, 8, &forward<__half, 8, Act>, &forward<__half, 1, Act>);
    } else {
      pick(runtime, op, act, is_aligned, 4, &forward<float, 4, Act>, &forward<float, 1, Act>);
    }
  });
}

#else
#define TSUGI_INSTANCE(T, N)                                                                           \
  template __global__ void batch_norm_statistics<T, N>(const BatchNormStatistics);                     \
  template __global__ void batch_norm_normalise<T, N, Rectifier>(const BatchNormNormalise<Rectifier>); \
  template __global__ void batch_norm_normalise<T, N, SmoothActivation>(const BatchNormNormalise<SmoothActivation>);
TSUGI_INSTANCE(float, 4)
TSUGI_INSTANCE(float, 1)
TSUGI_INSTANCE(__half, 8)
TSUGI_INSTANCE(__half, 1)
#undef TSUGI_INSTANCE
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
