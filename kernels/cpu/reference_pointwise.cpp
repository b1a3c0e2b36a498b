// Activation, dropout, residual add and cast of the double-precision reference.
#include "kernels/api/philox.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {

template <typename T>
void activation_forward(const ActivationForward& op) {
  const T* x = static_cast<const T*>(op.x);
  T* y = static_cast<T*>(op.y);
  for (std::size_t i = 0; i < op.count; ++i) {
    y[i] = static_cast<T>(activate(op.activation, static_cast<double>(x[i])));
  }
}

template <typename T>
void activation_backward(const ActivationBackward& op) {
  const T* saved = static_cast<const T*>(op.saved);
  const T* d_y = static_cast<const T*>(op.d_y);
  T* d_x = static_cast<T*>(op.d_x);
  for (std::size_t i = 0; i < op.count; ++i) {
    const double gradient = activation_gradient(op.activation, saved, i, static_cast<double>(d_y[i]));
    d_x[i] = static_cast<T>(gradient + old_value(op.write, d_x[i]));
  }
}

template <typename T>
void dropout_forward(const DropoutForward& op) {
  const T* x = static_cast<const T*>(op.x);
  T* y = static_cast<T*>(op.y);
  const double scale = 1.0 / (1.0 - static_cast<double>(op.rate));
  for (std::size_t n = 0; n < static_cast<std::size_t>(op.n); ++n) {
    for (std::size_t e = 0; e < op.per_sample; ++e) {
      const std::uint32_t block = static_cast<std::uint32_t>(e / 4);
      const Philox4 draw = philox(op.step->seed, op.step->epoch, op.sample_ids[n], op.draw_purpose, block);
      const bool kept = uniform01(draw.v[e % 4]) >= op.rate;
      const std::size_t i = n * op.per_sample + e;
      op.mask[i] = kept ? 1 : 0;
      y[i] = static_cast<T>(kept ? static_cast<double>(x[i]) * scale : 0.0);
    }
  }
}

template <typename T>
void dropout_backward(const DropoutBackward& op) {
  const T* y = static_cast<const T*>(op.y);
  const T* d_y = static_cast<const T*>(op.d_y);
  T* d_x = static_cast<T*>(op.d_x);
  const double scale = 1.0 / (1.0 - static_cast<double>(op.rate));
  for (std::size_t i = 0; i < op.count; ++i) {
    const double kept = op.mask[i] != 0 ? static_cast<double>(d_y[i]) * scale : 0.0;
    d_x[i] = static_cast<T>(activation_gradient(op.activation, y, i, kept) + old_value(op.write, d_x[i]));
  }
}

template <typename T>
void add_forward(const AddForward& op) {
  const T* a = static_cast<const T*>(op.a);
  const T* b = static_cast<const T*>(op.b);
  T* y = static_cast<T*>(op.y);
  for (std::size_t i = 0; i < op.count; ++i) {
    const double sum = static_cast<double>(a[i]) + static_cast<double>(b[i]);
    y[i] = static_cast<T>(activate<T>(op.activation, sum, op.saved, i));
  }
}

template <typename From, typename To>
void cast(const Cast& op) {
  const From* from = static_cast<const From*>(op.from);
  To* to = static_cast<To*>(op.to);
  for (std::size_t i = 0; i < op.count; ++i) to[i] = static_cast<To>(static_cast<float>(from[i]));
}

TSUGI_REFERENCE_INSTANCES(activation_forward, ActivationForward)
TSUGI_REFERENCE_INSTANCES(activation_backward, ActivationBackward)
TSUGI_REFERENCE_INSTANCES(dropout_forward, DropoutForward)
TSUGI_REFERENCE_INSTANCES(dropout_backward, DropoutBackward)
TSUGI_REFERENCE_INSTANCES(add_forward, AddForward)
template void cast<float, float>(const Cast&);
template void cast<float, Bfloat16>(const Cast&);
template void cast<Bfloat16, float>(const Cast&);
template void cast<Bfloat16, Bfloat16>(const Cast&);
template void cast<float, Float16>(const Cast&);
template void cast<Float16, float>(const Cast&);
template void cast<Float16, Float16>(const Cast&);
template void cast<Bfloat16, Float16>(const Cast&);
template void cast<Float16, Bfloat16>(const Cast&);

}  // namespace reference
}  // namespace tsugi
