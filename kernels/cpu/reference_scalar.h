// Scalars of the reference: how an element is read to double and written back rounded, and activations.
// Used by every reference_*.cpp file and by the op tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/api/activation.h"
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

/// Calls body(T()) with the C++ type T of `dtype`: f32, bf16 or f16.
template <typename Body>
void for_type(DType dtype, const Body& body) {
  if (dtype == DType::bf16) return body(Bfloat16());
  if (dtype == DType::f16) return body(Float16());
  body(float());
}

/// Every instance of an op's function.
#define TSUGI_REFERENCE_INSTANCES(name, Op)   \
  template void name<double>(const Op& op);   \
  template void name<float>(const Op& op);    \
  template void name<Bfloat16>(const Op& op); \
  template void name<Float16>(const Op& op);

/// y = activation(x); a NaN stays a NaN.
inline double activate(const Activation& activation, double x) {
  double y = x;
  with_activation(activation, [&](auto act) { y = act.forward(x); });
  return y;
}

/// The same in an op that keeps the input, rounded to its elements, where `saved` is not null.
template <typename T>
double activate(const Activation& activation, double x, void* saved, std::size_t index) {
  if (saved != nullptr) static_cast<T*>(saved)[index] = static_cast<T>(x);
  return activate(activation, x);
}

/// d_x from element `index` of what the forward pass saved, which is read, as the API promises, only where there is an
/// activation.
template <typename T>
double activation_gradient(const Activation& activation, const T* saved, std::size_t index, double d_y) {
  double d_x = d_y;
  with_activation(activation, [&](auto act) {
    if (act.kMasks) d_x = act.backward(static_cast<double>(saved[index]), d_y);
  });
  return d_x;
}

/// What an op adds its result to: the old value when accumulating, otherwise nothing (the memory is not read).
template <typename T>
double old_value(Write write, const T& element) {
  return write == Write::accumulate ? static_cast<double>(element) : 0.0;
}

}  // namespace reference
}  // namespace tsugi
