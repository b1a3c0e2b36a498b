// Scalars of the reference: how an element is read to double and written back rounded, and the activation functions.
// Used by every reference_*.cpp file and by the op tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/api/half.h"
#include "kernels/api/types.h"

namespace tsugi {
namespace reference {

/// The upper half of a float32: 8 exponent bits, 7 stored mantissa bits. Reads and writes like a number.
struct Bfloat16 {
  std::uint16_t bits;

  Bfloat16() = default;
  /// Rounds to nearest even; a NaN stays a NaN.
  explicit Bfloat16(float value) {
    std::uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    const bool is_nan = (word & 0x7FFFFFFFu) > 0x7F800000u;
    const std::uint32_t rounded = word + 0x7FFFu + ((word >> 16) & 1u);
    bits = static_cast<std::uint16_t>(is_nan ? (word >> 16) | 0x40u : rounded >> 16);
  }
  explicit Bfloat16(double value) : Bfloat16(static_cast<float>(value)) {}

  explicit operator float() const {
    const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &word, sizeof value);
    return value;
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

/// IEEE binary16, as GPUs compute in. Reads and writes like a number.
struct Float16 {
  std::uint16_t bits;

  Float16() = default;
  explicit Float16(float value) : bits(float_to_half(value)) {}
  explicit Float16(double value) : Float16(static_cast<float>(value)) {}

  explicit operator float() const { return half_to_float(bits); }
  explicit operator double() const { return static_cast<double>(half_to_float(bits)); }
};

/// Slope of the activation at and below zero.
inline double negative_slope(const Activation& activation) {
  if (activation.kind == ActivationKind::none) return 1.0;
  return activation.kind == ActivationKind::relu ? 0.0 : static_cast<double>(activation.slope);
}

/// y = activation(x); a NaN stays a NaN.
inline double activate(const Activation& activation, double x) {
  if (x > 0.0 || std::isnan(x) || activation.kind == ActivationKind::none) return x;
  return activation.kind == ActivationKind::relu ? 0.0 : negative_slope(activation) * x;
}

/// dy/dx from the activation's output y.
inline double activation_derivative(const Activation& activation, double y) {
  return y > 0.0 ? 1.0 : negative_slope(activation);
}

/// The same for the element `index` of a tensor that is read, as the API promises, only where there is an activation.
template <typename T>
double activation_derivative(const Activation& activation, const T* y, std::size_t index) {
  return activation.kind == ActivationKind::none ? 1.0
                                                 : activation_derivative(activation, static_cast<double>(y[index]));
}

/// What an op adds its result to: the old value when accumulating, otherwise nothing (the memory is not read).
template <typename T>
double old_value(Write write, const T& element) {
  return write == Write::accumulate ? static_cast<double>(element) : 0.0;
}

}  // namespace reference
}  // namespace tsugi
