// The order of a tensor's dimensions that cuDNN is told. Plain C++: benchmarks include it.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/api/backend.h"

namespace tsugi {

/// nhwc is tsugi's, and what make_cudnn_backend() takes. With nchw cuDNN reads and writes the same memory as NCHW
/// tensors and K,C,R,S weights: of no use in a model, but where that is cuDNN's faster side, benchmarks must know.
enum class TensorLayout : std::uint8_t { nhwc, nchw };

std::unique_ptr<Backend> make_cudnn_backend(TensorLayout layout);

}  // namespace tsugi
