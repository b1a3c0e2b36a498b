// Weights for kernels that read them 128 bits at a time. Parameters lie in one flat buffer, aligned to their element
// only; where that is not enough they are copied to the workspace first, which costs less than a kernel with narrow
// loads.
#pragma once

#include "kernels/cuda/ops.h"
#include "kernels/cuda/split_reduce.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Room that a float16 convolution keeps in its workspace for a copy of its weights, a multiple of 16.
inline std::size_t moved_weights_bytes(const Conv2dShape& shape) { return (shape.w_count() * 2 + 15) / 16 * 16; }

/// `weights` ([k,r,s,c/groups], on the device) if aligned to 16 bytes, else `workspace`, to which they are copied.
inline const __half* aligned_weights(Runtime& runtime, const Conv2dShape& shape, const void* weights, void* workspace) {
  const bool is_aligned = aligned(weights, 16);
  if (!is_aligned) cast(runtime, {shape.w_count(), DType::f16, DType::f16, weights, workspace});
  return static_cast<const __half*>(is_aligned ? weights : workspace);
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
