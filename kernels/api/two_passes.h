// An op with an activation as two calls, for kernels that cannot apply it themselves: libraries, and GPU kernels of
// products, whose registers are full. Internal to kernels.
#pragma once

#include "kernels/api/pointwise.h"

namespace tsugi {

/// Op: Conv2dForward or DenseForward; count: elements of y. run(op without its activation), which writes `saved` (or y
/// where that is null), then pass(ActivationForward) from there to y.
template <typename Op, typename Run, typename Pass>
void forward_in_two_passes(const Op& op, std::size_t count, const Run& run, const Pass& pass) {
  Op plain = op;
  plain.activation = {};
  plain.saved = nullptr;
  if (op.saved != nullptr) plain.y = op.saved;
  run(plain);
  pass(ActivationForward{count, op.dtype, op.activation, plain.y, op.y});
}

/// Op: Conv2dBackwardData or DenseBackwardData; count: elements of d_x. run(op without its activation), then
/// pass(ActivationBackward) over d_x in place.
template <typename Op, typename Run, typename Pass>
void backward_in_two_passes(const Op& op, std::size_t count, const Run& run, const Pass& pass) {
  Op plain = op;
  plain.activation = {};
  plain.saved = nullptr;
  run(plain);
  pass(ActivationBackward{count, op.dtype, op.activation, op.saved, op.d_x, Write::overwrite, op.d_x});
}

}  // namespace tsugi
