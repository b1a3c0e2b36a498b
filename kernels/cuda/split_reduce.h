// The second half of a GEMM whose terms were split over the grid: sums the partial results in fixed order and applies
// what the one-pass kernel applies itself. With it the host's part of every GEMM launch: how far to split, and which
// addresses allow 128-bit access.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

/// out[i] = f(sum over splits of partials[split * count + i]), i < count; overwrites or adds. Device pointers.
struct SplitReduce {
  const float* partials = nullptr;  ///< [splits, count]
  int splits = 1;
  std::size_t count = 0;
  const float* bias = nullptr;  ///< [columns], added to every row; or null
  int columns = 1;
  bool accumulate = false;     ///< add the old out, before the activation
  const void* mask = nullptr;  ///< the activation's output: out = activation'(mask) * sum; null: activation(sum)
  Rectifier activation{Activation{}};
  void* out = nullptr;       ///< [count] of dtype
  DType dtype = DType::f32;  ///< of mask and out
};

void split_reduce(Runtime& runtime, const SplitReduce& op);

/// Into how many parts the terms of a GEMM go so that `blocks` blocks become two for each multiprocessor. At least
/// kMinSplitStages stages a part; 1 where one multiprocessor does everything one block after another anyway.
inline int choose_splits(std::size_t blocks, int stages, const DeviceInfo& device) {
  constexpr int kMinSplitStages = 8, kMaxSplits = 512;
  const std::size_t wanted = static_cast<std::size_t>(device.multiprocessors) * 2;
  if (device.multiprocessors == 1 || blocks >= static_cast<std::size_t>(device.multiprocessors)) return 1;
  std::size_t splits = (wanted + blocks - 1) / blocks;
  const auto most = static_cast<std::size_t>(stages / kMinSplitStages);
  if (splits > most) splits = most;
  if (splits > kMaxSplits) splits = kMaxSplits;
  return splits < 1 ? 1 : static_cast<int>(splits);
}

inline bool aligned(const void* p, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

/// ceil(a / b)
inline std::size_t blocks_for(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Terms of each of `splits` parts, whole stages of k.
inline int split_terms(int terms, int splits, int k) {
  const int stages = (terms + k - 1) / k;
  return (stages + splits - 1) / splits * k;
}

/// Bytes of [splits, count] partial sums, a multiple of 16; none without a split.
inline std::size_t partial_bytes(int splits, std::size_t count) {
  return splits == 1 ? 0 : (static_cast<std::size_t>(splits) * count * sizeof(float) + 15) / 16 * 16;
}

/// Offsets in the kernels have 32 bits, and so has a grid.
inline bool fits_gemm_offsets(const Conv2dShape& shape) {
  constexpr std::size_t kLimit = std::size_t{1} << 31;
  return shape.x_count() < kLimit && shape.w_count() < kLimit && shape.y_count() < kLimit;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
