// Batch norm in both modes: the reference's backward pass against central differences in double.
#include <doctest/doctest.h>

#include <cmath>

#include "kernels/cpu/reference.h"
#include "tests/ops/activations.h"
#include "tests/ops/gradient_check.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

/// The weights of the loss become zero wherever the output is too close to a kink.
void leave_out_kinks(const Doubles& outputs_before_activation, Doubles& weights) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    for (const double kink : {-3.0, 0.0, 3.0})
      if (std::fabs(outputs_before_activation[i] - kink) < 0.02) weights[i] = 0.0;
  }
}

/// Batch norm's tensors and both of its passes.
struct BatchNorm {
  BatchNorm(const BatchNormShape& sizes, BatchNormMode statistics, const Activation& used, bool adds, Random& random)
      : shape(sizes), mode(statistics), activation(used) {
    const std::size_t channels = static_cast<std::size_t>(shape.c), count = channels * sizes.rows;
    x = random.normal_doubles(count);
    y.resize(count);
    if (saves_input(used.kind)) saved.resize(count);
    if (adds) residual = random.normal_doubles(count);
    gamma = random.normal(channels, DType::f32);
    beta = random.normal(channels, DType::f32);
    running_mean = random.normal(channels, DType::f32);
    running_var = random.uniform(channels, DType::f32, 0.5f, 2.0f);
    saved_mean.resize(channels);
    saved_inv_std.resize(channels);
  }

  const Doubles& forward(const Activation& used) {
    Values mean = running_mean, variance = running_var;  // a training step moves them: not part of the loss
    BatchNormForward op;
    op.shape = shape;
    op.mode = mode;
    op.x = x.data();
    op.residual = residual.empty() ? nullptr : residual.data();
    op.gamma = gamma.data();
    op.beta = beta.data();
    op.activation = used;
    op.running_mean = mean.data();
    op.running_var = variance.data();
    op.saved_mean = saved_mean.data();
    op.saved_inv_std = saved_inv_std.data();
    op.y = y.data();
    op.saved = saves_input(used.kind) ? saved.data() : nullptr;
    reference::batch_norm_forward<double>(op);
    return y;
  }

  BatchNormShape shape;
  BatchNormMode mode;
  Activation activation;
  Doubles x, residual, y, saved;
  Values gamma, beta, running_mean, running_var, saved_mean, saved_inv_std;
};

void check_batch_norm(BatchNorm& layer, Random& random) {
  Doubles d_y = random.normal_doubles(layer.x.size());
  if (layer.activation.kind != ActivationKind::none) leave_out_kinks(layer.forward({}), d_y);
  const auto loss = [&] { return weighted_sum(layer.forward(layer.activation), d_y); };
  loss();

  Doubles d_x(layer.x.size()), d_residual(layer.residual.size());
  Values d_gamma(layer.gamma.size()), d_beta(layer.beta.size());
  BatchNormBackward op;
  op.shape = layer.shape;
  op.mode = layer.mode;
  op.x = layer.x.data();
  op.saved = layer.saved.empty() ? layer.y.data() : layer.saved.data();
  op.d_y = d_y.data();
  op.gamma = layer.gamma.data();
  op.saved_mean = layer.saved_mean.data();
  op.saved_inv_std = layer.saved_inv_std.data();
  op.activation = layer.activation;
  op.d_gamma = d_gamma.data();
  op.d_beta = d_beta.data();
  op.d_x = d_x.data();
  op.d_residual = d_residual.empty() ? nullptr : d_residual.data();
  reference::batch_norm_backward<double>(op);
  expect_gradient("d_x", layer.x, d_x, random, loss);
  expect_gradient("d_gamma", layer.gamma, d_gamma, random, loss);
  expect_gradient("d_beta", layer.beta, d_beta, random, loss);
  if (!d_residual.empty()) expect_gradient("d_residual", layer.residual, d_residual, random, loss);
}

}  // namespace

TEST_CASE("batch_norm gradients equal central differences") {
  Random random(103);
  for (const BatchNormCase& test_case : batch_norm_cases()) {
    for (const BatchNormMode mode : {BatchNormMode::batch_statistics, BatchNormMode::running_statistics}) {
      // One row in training has variance 0, where y jumps to beta for every x: 1 / sqrt(eps) magnifies all rounding.
      if (test_case.shape.rows <= 2 && mode == BatchNormMode::batch_statistics) continue;
      std::vector<Activation> activations = smooth_activations();
      activations.insert(activations.end(), {{}, {ActivationKind::relu, 0.0f}, {ActivationKind::leaky_relu, 0.25f}});
      for (const Activation& activation : activations) {
        for (const bool adds : {false, true}) {
          CAPTURE(test_case.why);
          CAPTURE(static_cast<int>(mode));
          CAPTURE(static_cast<int>(activation.kind));
          CAPTURE(adds);
          BatchNorm layer(test_case.shape, mode, activation, adds, random);
          check_batch_norm(layer, random);
        }
      }
    }
  }
}

}  // namespace test
}  // namespace tsugi
