// Convolutions and dense layers by oneDNN.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/api/ops.h"

namespace tsugi {
namespace cpu {

/// Primitives are created at the first call with a shape and kept. Convolutions: activations stay NHWC, weights are
/// reordered into the layout that oneDNN prefers, in the caller's workspace, call by call. Dense layers work on the
/// plain row-major layouts: reordering the weights would cost more than the product. Arguments are validated by the
/// caller. Not for concurrent use.
class OnednnProducts {
 public:
  explicit OnednnProducts(int threads);
  ~OnednnProducts();

  /// Of all three passes, whatever their flags; bytes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype);
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype);
#define TSUGI_OP(name, Op) void run(const Op& op);
  TSUGI_PRODUCT_OPS(TSUGI_OP)
#undef TSUGI_OP
  std::size_t cached_primitives() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cpu
}  // namespace tsugi
