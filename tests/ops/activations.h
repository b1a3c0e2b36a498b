// The activations that op tests run through, and what they do to bounds.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/api/activation.h"
#include "tests/ops/expect.h"

namespace tsugi {
namespace test {

/// Those that save their input: every row of the list in kernels/api/activation.h.
inline std::vector<Activation> smooth_activations() {
#define TSUGI_ACTIVATION(kind, Function) {ActivationKind::kind, 0.0f},
  return {TSUGI_SMOOTH_ACTIVATIONS(TSUGI_ACTIVATION)};
#undef TSUGI_ACTIVATION
}

/// Largest derivative of any: hard_swish has 1.5 at 3, gelu 1.13, silu 1.10.
constexpr float kSteepest = 1.5f;

/// A function and its derivative in float32 err by up to 6 u of their argument and of 1 (measured: 5.1).
constexpr double kActivationError = few_operations(6);

/// The magnitude for y = activation(z) where z errs by error * magnitude, and may have been rounded to `dtype`.
inline Values activated_magnitude(const Values& z, Values magnitude, const Bound& bound) {
  const double rounding = kSteepest * stored(bound.dtype) + kActivationError;
  for (std::size_t i = 0; i < z.size(); ++i)
    magnitude[i] = kSteepest * magnitude[i] + std::fabs(z[i]) * static_cast<float>(rounding / bound.error);
  return magnitude;
}

/// The magnitude for d_x = activation' * sum, where the sum errs by error * magnitude, and may have been rounded.
inline Values masked_magnitude(const Values& d_x, Values magnitude, const Bound& bound) {
  for (std::size_t i = 0; i < d_x.size(); ++i)
    magnitude[i] = magnitude[i] * (kSteepest + static_cast<float>(kActivationError / bound.error)) +
                   std::fabs(d_x[i]) * static_cast<float>(stored(bound.dtype) / bound.error);
  return magnitude;
}

/// Doubles away from where an activation has a kink: 0, and -3 and 3 of hard_swish.
inline double away_from_kinks(double value) {
  for (const double kink : {-3.0, 0.0, 3.0})
    if (std::fabs(value - kink) < 0.01) return value > kink ? kink + 0.01 : kink - 0.01;
  return value;
}

}  // namespace test
}  // namespace tsugi
