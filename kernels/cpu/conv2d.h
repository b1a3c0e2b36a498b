// Convolution on the CPU: forward, backward-data and backward-weight of kernels/api/conv2d.h.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/api/conv2d.h"

namespace tsugi {
namespace cpu {

/// Convolution by oneDNN. Primitives are created at the first call with a shape and kept. Activations stay NHWC;
/// weights are reordered into the layout that oneDNN prefers, in the caller's workspace, call by call.
/// Arguments are validated by the caller. Not for concurrent use.
class Conv2dOnednn {
 public:
  Conv2dOnednn();
  ~Conv2dOnednn();

  /// Of all three passes, whatever their flags; bytes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype);
  void forward(const Conv2dForward& op, int threads);
  void backward_data(const Conv2dBackwardData& op, int threads);
  void backward_weight(const Conv2dBackwardWeight& op);
  std::size_t cached_primitives() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cpu
}  // namespace tsugi
