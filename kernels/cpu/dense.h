// Dense layers on the CPU: the three matrix products of kernels/api/dense.h.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/api/dense.h"

namespace tsugi {
namespace cpu {

/// Matrix products by oneDNN, on the plain row-major layouts (reordering the weights would cost more than the product).
/// Primitives are created at the first call with a shape and kept. Not for concurrent use.
class DenseOnednn {
 public:
  DenseOnednn();
  ~DenseOnednn();

  /// Of all three passes, whatever their flags; bytes.
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype);
  void forward(const DenseForward& op, int threads);
  void backward_data(const DenseBackwardData& op, int threads);
  void backward_weight(const DenseBackwardWeight& op, int threads);
  std::size_t cached_primitives() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cpu
}  // namespace tsugi
