// Activation, residual add and cast on the CPU: one pass over memory each, bound by bandwidth.
#include "kernels/cpu/element.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {

void activation_forward(const ActivationForward& op, int threads) {
  with_dtype(op.dtype, "activation_forward", [&](auto element) {
    using T = decltype(element);
    with_activation(op.activation, [&](auto act) {
      const T* x = static_cast<const T*>(op.x);
      T* y = static_cast<T*>(op.y);
      for_each_element(threads, op.count, [=](std::size_t i) { y[i] = from_float<T>(act.forward(to_float(x[i]))); });
    });
  });
}

void activation_backward(const ActivationBackward& op, int threads) {
  with_dtype(op.dtype, "activation_backward", [&](auto element) {
    using T = decltype(element);
    with_activation(op.activation, [&](auto act) {
      const T* saved = static_cast<const T*>(act.kMasks ? op.saved : op.d_y);
      const T* d_y = static_cast<const T*>(op.d_y);
      T* d_x = static_cast<T*>(op.d_x);
      const auto gradient = [=](std::size_t i) { return act.backward(to_float(saved[i]), to_float(d_y[i])); };
      if (op.write == Write::accumulate) {
        for_each_element(threads, op.count,
                         [=](std::size_t i) { d_x[i] = from_float<T>(to_float(d_x[i]) + gradient(i)); });
      } else {
        for_each_element(threads, op.count, [=](std::size_t i) { d_x[i] = from_float<T>(gradient(i)); });
      }
    });
  });
}

void add_forward(const AddForward& op, int threads) {
  with_dtype(op.dtype, "add_forward", [&](auto element) {
    using T = decltype(element);
    with_activation(op.activation, [&](auto act) {
      const T* a = static_cast<const T*>(op.a);
      const T* b = static_cast<const T*>(op.b);
      T* y = static_cast<T*>(op.y);
      T* saved = static_cast<T*>(op.saved);
      if (act.kSavesInput && saved != nullptr) {
        for_each_element(threads, op.count, [=](std::size_t i) {
          const float sum = to_float(a[i]) + to_float(b[i]);
          saved[i] = from_float<T>(sum);
          y[i] = from_float<T>(act.forward(sum));
        });
      } else {
        for_each_element(threads, op.count,
                         [=](std::size_t i) { y[i] = from_float<T>(act.forward(to_float(a[i]) + to_float(b[i]))); });
      }
    });
  });
}

void cast(const Cast& op, int threads) {
  with_dtype(op.from_dtype, "cast", [&](auto from_element) {
    with_dtype(op.to_dtype, "cast", [&](auto to_element) {
      using To = decltype(to_element);
      const auto* from = static_cast<const decltype(from_element)*>(op.from);
      To* to = static_cast<To*>(op.to);
      for_each_element(threads, op.count, [=](std::size_t i) { to[i] = from_float<To>(to_float(from[i])); });
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
