// The convolutions and dense layers of a model's training step as it issues them, with what is fused into them: what
// tuning measures. A kernel that wins bare may lose with a mask to apply.
#pragma once

#include <vector>

#include "bench/measure/op_cases.h"
#include "kernels/api/backend.h"

namespace tsugi::bench {

struct ModelCall {
  KernelCall call;
  OpPass pass = OpPass::forward;
  OpCase op_case;  ///< its epilogue included
  int times = 1;   ///< a step
};

/// Every different call of one step (see KernelCall), in the order in which they first come; where calls differ by
/// their epilogue only, the first one's. kernels: the backend that would compute them; nothing is computed. Throws
/// Error as record_step does.
std::vector<ModelCall> model_calls(Backend& kernels, const ShapeList& list, int batch, DType dtype);

/// Bytes of the tensors that these calls read and write: about what passes a cache between two uses of one of them.
std::size_t traffic_bytes(const std::vector<ModelCall>& calls);

}  // namespace tsugi::bench
