// Central differences in double.
#include "tests/ops/gradient_check.h"

#include <doctest/doctest.h>

#include <cmath>

#include "kernels/cpu/reference.h"
#include "tests/ops/activations.h"

namespace tsugi {
namespace test {

Doubles activated(const Activation& activation, const Doubles& z) {
  Doubles x(z.size());
  ActivationForward op;
  op.count = z.size();
  op.activation = activation;
  op.x = z.data();
  op.y = x.data();
  reference::activation_forward<double>(op);
  return x;
}

Doubles away_from_kinks(Doubles values) {
  for (double& value : values) value = away_from_kinks(value);
  return values;
}

double weighted_sum(const Doubles& outputs, const Doubles& weights) {
  REQUIRE(outputs.size() == weights.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < outputs.size(); ++i) sum += weights[i] == 0.0 ? 0.0 : weights[i] * outputs[i];
  return sum;
}

template <typename T, typename Gradient>
void expect_gradient(const std::string& what, std::vector<T>& values, const std::vector<Gradient>& gradient,
                     Random& random, const std::function<double()>& loss) {
  constexpr double kStep = 1.0 / (1 << 13), kTolerance = 2e-6;
  constexpr std::size_t kRandomElements = 6;
  REQUIRE_MESSAGE(values.size() == gradient.size(), what);
  double squares = 0.0;
  for (const Gradient element : gradient) squares += static_cast<double>(element) * static_cast<double>(element);
  const double typical = std::sqrt(squares / static_cast<double>(gradient.size()));

  std::vector<std::size_t> elements = {0, values.size() - 1};
  for (std::size_t i = 0; i < kRandomElements; ++i) elements.push_back(random.below(values.size()));
  for (const std::size_t i : elements) {
    const T kept = values[i];
    values[i] = static_cast<T>(static_cast<double>(kept) + kStep);
    const double above = loss(), high = static_cast<double>(values[i]);
    values[i] = static_cast<T>(static_cast<double>(kept) - kStep);
    const double below = loss(), low = static_cast<double>(values[i]);
    values[i] = kept;
    const double difference = (above - below) / (high - low), got = static_cast<double>(gradient[i]);
    const double allowed = kTolerance * (std::fabs(difference) + typical + 1.0);
    CHECK_MESSAGE(std::fabs(got - difference) <= allowed, what, ": element ", i, " is ", got, ", central difference ",
                  difference, " +- ", allowed, "; TSUGI_TEST_SEED=", test_seed());
  }
}

template void expect_gradient(const std::string&, std::vector<double>&, const std::vector<double>&, Random&,
                              const std::function<double()>&);
template void expect_gradient(const std::string&, std::vector<double>&, const std::vector<float>&, Random&,
                              const std::function<double()>&);
template void expect_gradient(const std::string&, std::vector<float>&, const std::vector<float>&, Random&,
                              const std::function<double()>&);

}  // namespace test
}  // namespace tsugi
