// Moves float16 weights to an aligned address (see half_weights.h).
#include "kernels/cuda/device/element.h"

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kMoveThreads = 256;

struct MoveWeightsParams {
  const __half* from;
  __half* to;
  std::size_t count;
};

/// to[i] = from[i], i < count; a thread moves one element. `from` may have any alignment. Overwrites.
__global__ void __launch_bounds__(kMoveThreads) move_weights_kernel(const MoveWeightsParams p) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * kMoveThreads + threadIdx.x;
  if (i < p.count) p.to[i] = p.from[i];
}

}  // namespace TSUGI_GPU
}  // namespace tsugi

#ifndef __CUDACC_RTC__
#include "kernels/cuda/half_weights.h"
#include "kernels/cuda/split_reduce.h"

namespace tsugi {
namespace TSUGI_GPU {

const __half* aligned_weights(Runtime& runtime, const Conv2dShape& shape, const void* weights, void* workspace) {
  const auto* from = static_cast<const __half*>(weights);
  if (aligned(from, 16)) return from;
  const MoveWeightsParams params{from, static_cast<__half*>(workspace), shape.w_count()};
  runtime.launch("move_weights", &move_weights_kernel,
                 dim3(static_cast<unsigned>(blocks_for(params.count, kMoveThreads))), dim3(kMoveThreads), params);
  return params.to;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
