// Central differences in double: the check of every backward pass against its own forward pass.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "kernels/api/activation.h"
#include "tests/ops/values.h"

namespace tsugi {
namespace test {

using Doubles = std::vector<double>;

/// activation(z) by the reference.
Doubles activated(const Activation& activation, const Doubles& z);

/// The values, each moved to at least 0.01 (many steps) from the kinks of activations.
Doubles away_from_kinks(Doubles values);

/// The weighted sum of an op's outputs: the loss whose gradient with respect to each output is that output's weight.
double weighted_sum(const Doubles& outputs, const Doubles& weights);

/// Compares `gradient` with (loss(v + h) - loss(v - h)) / 2h at a few random elements of `values` and at the first and
/// the last one. `loss` must read `values`, which is restored. Elements next to a kink must have been made harmless by
/// the caller: a zero weight in the loss takes an output out of both sides. Bound: h = 2^-13 leaves h^2 f'''/6, about
/// 1e-8, and 1e-16 / h = 1e-12 of rounding; gradients and saved statistics that the API keeps in float32 err by 6e-8 of
/// their size. 2e-6 of the gradient's typical size holds all of them.
template <typename T, typename Gradient>
void expect_gradient(const std::string& what, std::vector<T>& values, const std::vector<Gradient>& gradient,
                     Random& random, const std::function<double()>& loss);

}  // namespace test
}  // namespace tsugi
