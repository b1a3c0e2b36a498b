// Results in the rounding that an instruction names. Source: PTX ISA, "Rounding modifiers".
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace tsugi {
namespace ptx {

enum class Rounding : std::uint8_t { nearest, zero, down, up };

/// The float that sum + rest rounds to, |rest| being below half a unit in the last place of sum.
inline float to_float(double sum, double rest, Rounding rounding) {
  const float nearest = static_cast<float>(sum);
  if (rounding == Rounding::nearest || !std::isfinite(sum)) return nearest;
  const double over = static_cast<double>(nearest) - sum - rest;  // its sign is right: the first difference is exact
  const bool down =
      rounding == Rounding::down || (rounding == Rounding::zero && (sum > 0.0 || (sum == 0.0 && rest > 0.0)));
  if (down && over > 0.0) return std::nextafterf(nearest, -std::numeric_limits<float>::infinity());
  if (!down && over < 0.0) return std::nextafterf(nearest, std::numeric_limits<float>::infinity());
  return nearest;
}

/// a b + c in one rounding. The product of two floats is exact in double, and so is what their sum leaves behind.
inline float fused(float a, float b, float c, Rounding rounding) {
  const double product = static_cast<double>(a) * static_cast<double>(b), addend = static_cast<double>(c);
  const double sum = product + addend, back = sum - product;
  const double rest = (product - (sum - back)) + (addend - back);  // Knuth's two-sum
  return to_float(sum, std::isfinite(rest) ? rest : 0.0, rounding);
}

}  // namespace ptx
}  // namespace tsugi
