// One call of each convolution pass on a backend, on drawn inputs: what the op suite and the registry suite run.
#pragma once

#include "kernels/api/backend.h"
#include "tests/ops/values.h"

namespace tsugi {
namespace test {

struct Conv2dInputs {
  Conv2dShape shape;
  Activation activation;
  Write write = Write::overwrite;
  bool shifted_parameters = false;  ///< weights, bias and their gradients lie one element past an aligned address
  Values x, w, bias, d_y, old_d_x, old_d_w, old_d_bias;

  /// The same sum with every term positive: its result is the magnitude that rounding errors scale with.
  Conv2dInputs magnitudes() const {
    return {shape,
            {},
            write,
            shifted_parameters,
            absolute(x),
            absolute(w),
            absolute(bias),
            absolute(d_y),
            absolute(old_d_x),
            absolute(old_d_w),
            absolute(old_d_bias)};
  }
};

/// Normal draws for every tensor, the old contents of outputs included.
Conv2dInputs draw_conv2d(const Conv2dShape& shape, DType dtype, Random& random);

/// saved: gets the activation's input; null: the op is not asked to keep it.
Values conv2d_forward(Backend& backend, DType dtype, const Conv2dInputs& in, Values* saved = nullptr);
Values conv2d_backward_data(Backend& backend, DType dtype, const Conv2dInputs& in);

struct Conv2dWeightGradients {
  Values d_w, d_bias;
};
Conv2dWeightGradients conv2d_backward_weight(Backend& backend, DType dtype, const Conv2dInputs& in);

/// Sums of absolute terms, what rounding errors of backward-data scale with.
Values conv2d_data_magnitude(Backend& reference, DType dtype, const Conv2dInputs& in);

}  // namespace test
}  // namespace tsugi
