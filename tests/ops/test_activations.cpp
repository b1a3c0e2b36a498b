// The activations' mathematics: values against other forms of the same functions and printed tables, derivatives
// against differences, float32 against double.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "kernels/api/backend.h"
#include "tests/ops/activations.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

/// x sigmoid(x), by tanh.
double silu(double x) { return 0.5 * x * (1.0 + std::tanh(0.5 * x)); }

/// Piece by piece, as PyTorch documents it (torch.nn.Hardswish).
double hard_swish(double x) { return x <= -3.0 ? 0.0 : x >= 3.0 ? x : x * (x + 3.0) / 6.0; }

/// x times the normal distribution's integral, by Simpson's rule over its density.
double gelu(double x) {
  constexpr int kSteps = 20000;
  const double from = -12.0, step = (x - from) / kSteps;
  double sum = 0.0;
  for (int i = 0; i <= kSteps; ++i) {
    const double at = from + i * step, density = std::exp(-0.5 * at * at) / std::sqrt(2.0 * std::acos(-1.0));
    sum += density * (i == 0 || i == kSteps ? 1.0 : i % 2 == 1 ? 4.0 : 2.0);
  }
  return x * sum * step / 3.0;
}

struct Function {
  ActivationKind kind;
  std::function<double(double)> other_form;
  double at_1, at_minus_1, at_half;  ///< of the logistic function's and the normal distribution's tables
};

const Function kFunctions[] = {
    {ActivationKind::silu, silu, 0.7310586, -0.2689414, 0.3112297},
    {ActivationKind::hard_swish, hard_swish, 0.6666667, -0.3333333, 0.2916667},
    {ActivationKind::gelu, gelu, 0.8413447, -0.1586553, 0.3457312},
};

template <typename Real>
Real forward(ActivationKind kind, Real x) {
  Real y = x;
  with_activation({kind, 0.0f}, [&](auto act) { y = act.forward(x); });
  return y;
}

template <typename Real>
Real derivative(ActivationKind kind, Real x) {
  Real slope = 1;
  with_activation({kind, 0.0f}, [&](auto act) { slope = act.backward(x, Real(1)); });
  return slope;
}

}  // namespace

TEST_CASE("every smooth activation is its formula in another form, with the values of printed tables") {
  CHECK(std::size(kFunctions) == smooth_activations().size());
  for (const Function& f : kFunctions) {
    CAPTURE(static_cast<int>(f.kind));
    CHECK(std::fabs(forward(f.kind, 1.0) - f.at_1) < 6e-8);
    CHECK(std::fabs(forward(f.kind, -1.0) - f.at_minus_1) < 6e-8);
    CHECK(std::fabs(forward(f.kind, 0.5) - f.at_half) < 6e-8);
    CHECK(forward(f.kind, 0.0) == 0.0);
    for (double x = -9.0; x <= 9.0; x += 0.37)
      CHECK(std::fabs(forward(f.kind, x) - f.other_form(x)) < 1e-11 * (1.0 + std::fabs(x)));
  }
}

TEST_CASE("derivatives of smooth activations are their slopes") {
  for (const Activation& activation : smooth_activations()) {
    CAPTURE(static_cast<int>(activation.kind));
    for (double x = -9.01; x <= 9.0; x += 0.0317) {  // no kink within a step of these
      const double step = 1e-5, slope = forward(activation.kind, x + step) - forward(activation.kind, x - step);
      CHECK(std::fabs(derivative(activation.kind, x) - slope / (2.0 * step)) < 1e-9);
      CHECK(std::fabs(derivative(activation.kind, x)) <= static_cast<double>(kSteepest));
    }
  }
}

TEST_CASE("smooth activations in float32 err by a few units of their argument, far out and NaN too") {
  for (const Activation& activation : smooth_activations()) {
    CAPTURE(static_cast<int>(activation.kind));
    double worst = 0.0, worst_slope = 0.0;
    for (int i = -140000; i <= 140000; ++i) {
      const float x = static_cast<float>(i) * 1e-4f;
      const double exact = static_cast<double>(x), y = static_cast<double>(forward(activation.kind, x));
      const double slope = static_cast<double>(derivative(activation.kind, x));
      worst = std::max(worst, std::fabs(y - forward(activation.kind, exact)) / std::max(std::fabs(exact), 1e-30));
      worst_slope = std::max(worst_slope, std::fabs(slope - derivative(activation.kind, exact)));
    }
    CHECK(worst <= kActivationError);
    CHECK(worst_slope <= kActivationError);
    for (const float far : {20.0f, 100.0f, 1e4f, 1e30f}) {
      CAPTURE(far);
      CHECK(forward(activation.kind, far) == far);
      CHECK(std::fabs(forward(activation.kind, -far)) <= 1e-7f);
      CHECK(derivative(activation.kind, far) == doctest::Approx(1.0).epsilon(1e-6));
      CHECK(std::fabs(derivative(activation.kind, -far)) <= 1e-7f);
    }
    CHECK(std::isnan(forward(activation.kind, std::nanf(""))));
    CHECK(std::isnan(derivative(activation.kind, std::nanf(""))));
  }
}

}  // namespace test
}  // namespace tsugi
