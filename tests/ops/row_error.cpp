// Bounds of the rows' arithmetic, algorithm by algorithm.
#include "tests/ops/row_error.h"

#include <cstring>

#include "kernels/api/half2.h"
#include "tests/ops/expect.h"

namespace tsugi {
namespace test {

double arithmetic_error(const KernelRow& row, const Conv2dShape& shape) {
  if (std::strcmp(row.algorithm, "half2") == 0) {
    // A result sums at least one filter tap (of all channels or filters of its group), or one pixel of each image: the
    // rest may be padding.
    const int terms = row.op == KernelOp::conv2d_forward         ? shape.c / shape.groups
                      : row.op == KernelOp::conv2d_backward_data ? shape.k / shape.groups
                                                                 : shape.n;
    return half2_error(terms) + kRandomSum;
  }
  // Winograd F(2x2,3x3): transforms add up to four inputs, nine weights and nine products, so terms that cancel in the
  // result pass through sums of up to 4 x (9/4) times their size.
  if (std::strcmp(row.algorithm, "winograd") == 0) return 9.0 * kRandomSum;
  return kRandomSum;
}

double arithmetic_error(const Backend& backend, KernelOp op, const Conv2dShape& shape, DType dtype) {
  const auto* registry = dynamic_cast<const RegistryBackend*>(&backend);
  return registry == nullptr ? kRandomSum
                             : arithmetic_error(registry->rows()[registry->row_for(op, shape, dtype)], shape);
}

}  // namespace test
}  // namespace tsugi
