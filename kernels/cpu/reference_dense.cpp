// dense forward, backward-data and backward-weight of the double-precision reference.
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {

template <typename T>
void dense_forward(const DenseForward& op) {
  const std::size_t in = static_cast<std::size_t>(op.shape.in), out = static_cast<std::size_t>(op.shape.out);
  const T* x = static_cast<const T*>(op.x);
  const T* w = static_cast<const T*>(op.w);
  T* y = static_cast<T*>(op.y);
  for (std::size_t n = 0; n < static_cast<std::size_t>(op.shape.n); ++n) {
    for (std::size_t o = 0; o < out; ++o) {
      double sum = op.bias == nullptr ? 0.0 : static_cast<double>(op.bias[o]);
      for (std::size_t i = 0; i < in; ++i) {
        sum += static_cast<double>(x[n * in + i]) * static_cast<double>(w[o * in + i]);
      }
      y[n * out + o] = static_cast<T>(activate<T>(op.activation, sum, op.saved, n * out + o));
    }
  }
}

template <typename T>
void dense_backward_data(const DenseBackwardData& op) {
  const std::size_t in = static_cast<std::size_t>(op.shape.in), out = static_cast<std::size_t>(op.shape.out);
  const T* d_y = static_cast<const T*>(op.d_y);
  const T* w = static_cast<const T*>(op.w);
  T* d_x = static_cast<T*>(op.d_x);
  for (std::size_t n = 0; n < static_cast<std::size_t>(op.shape.n); ++n) {
    for (std::size_t i = 0; i < in; ++i) {
      double sum = 0.0;
      for (std::size_t o = 0; o < out; ++o) {
        sum += static_cast<double>(d_y[n * out + o]) * static_cast<double>(w[o * in + i]);
      }
      const std::size_t at = n * in + i;
      const double total = sum + old_value(op.write, d_x[at]);
      d_x[at] = static_cast<T>(activation_gradient(op.activation, static_cast<const T*>(op.saved), at, total));
    }
  }
}

template <typename T>
void dense_backward_weight(const DenseBackwardWeight& op) {
  const std::size_t rows = static_cast<std::size_t>(op.shape.n);
  const std::size_t in = static_cast<std::size_t>(op.shape.in), out = static_cast<std::size_t>(op.shape.out);
  const T* x = static_cast<const T*>(op.x);
  const T* d_y = static_cast<const T*>(op.d_y);
  for (std::size_t o = 0; o < out; ++o) {
    for (std::size_t i = 0; i < in; ++i) {
      double sum = 0.0;
      for (std::size_t n = 0; n < rows; ++n) {
        sum += static_cast<double>(d_y[n * out + o]) * static_cast<double>(x[n * in + i]);
      }
      op.d_w[o * in + i] = static_cast<float>(sum + old_value(op.write, op.d_w[o * in + i]));
    }
    if (op.d_bias == nullptr) continue;
    double sum = 0.0;
    for (std::size_t n = 0; n < rows; ++n) sum += static_cast<double>(d_y[n * out + o]);
    op.d_bias[o] = static_cast<float>(sum + old_value(op.write, op.d_bias[o]));
  }
}

TSUGI_REFERENCE_INSTANCES(dense_forward, DenseForward)
TSUGI_REFERENCE_INSTANCES(dense_backward_data, DenseBackwardData)
TSUGI_REFERENCE_INSTANCES(dense_backward_weight, DenseBackwardWeight)

}  // namespace reference
}  // namespace tsugi
