// Element types of the CPU kernels, and how they become float32 and back. Kernels are templates over `float` and
// `Bf16`, and over an activation's function; with_dtype() and with_activation() pick the instance. Loops are written so
// that the compiler vectorises them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "kernels/api/activation.h"
#include "kernels/api/error.h"
#include "kernels/api/types.h"

namespace tsugi {
namespace cpu {

/// bfloat16: the upper half of a float32.
struct Bf16 {
  std::uint16_t bits;
};

inline float to_float(float value) { return value; }

inline float to_float(Bf16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

/// Rounded to nearest even; a NaN stays a (quiet) NaN.
template <typename T>
inline T from_float(float value);

template <>
inline float from_float<float>(float value) {
  return value;
}

template <>
inline Bf16 from_float<Bf16>(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40u;
  return Bf16{static_cast<std::uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded)};
}

/// Calls f(T{}) with T = float or Bf16; throws Error naming `op` for any other type.
template <typename F>
void with_dtype(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::bf16:
      return f(Bf16{});
    default:
      throw Error(std::string(op) + ": dtype is " + name_of(dtype) + ", the CPU computes in f32 or bf16");
  }
}

}  // namespace cpu
}  // namespace tsugi
