// conv2d and dense: the reference's backward passes against central differences in double.
#include <doctest/doctest.h>

#include "kernels/cpu/reference.h"
#include "tests/ops/activations.h"
#include "tests/ops/gradient_check.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

const Activation kLeaky{ActivationKind::leaky_relu, 0.25f};

void check_conv2d(const Conv2dShape& shape, const Activation& activation, Random& random) {
  const std::size_t filters = static_cast<std::size_t>(shape.k);
  Doubles z = away_from_kinks(random.normal_doubles(shape.x_count())), x(z.size()), y(shape.y_count());
  Doubles w = random.normal_doubles(shape.w_count());
  Values bias = random.normal(filters, DType::f32);
  const Doubles d_y = random.normal_doubles(y.size());
  const auto loss = [&] {  // conv2d(activation(z))
    x = activated(activation, z);
    Conv2dForward op;
    op.shape = shape;
    op.x = x.data();
    op.w = w.data();
    op.bias = bias.data();
    op.y = y.data();
    reference::conv2d_forward<double>(op);
    return weighted_sum(y, d_y);
  };
  loss();

  Doubles d_z(z.size());
  Values d_w(w.size()), d_bias(filters);
  Conv2dBackwardData data;
  data.shape = shape;
  data.d_y = d_y.data();
  data.w = w.data();
  data.saved = saves_input(activation.kind) ? z.data() : x.data();
  data.activation = activation;
  data.d_x = d_z.data();
  reference::conv2d_backward_data<double>(data);
  Conv2dBackwardWeight weight;
  weight.shape = shape;
  weight.x = x.data();
  weight.d_y = d_y.data();
  weight.d_w = d_w.data();
  weight.d_bias = d_bias.data();
  reference::conv2d_backward_weight<double>(weight);
  expect_gradient("d_x", z, d_z, random, loss);
  expect_gradient("d_w", w, d_w, random, loss);
  expect_gradient("d_bias", bias, d_bias, random, loss);
}

void check_dense(const DenseShape& shape, const Activation& activation, Random& random) {
  const std::size_t n = static_cast<std::size_t>(shape.n), in = static_cast<std::size_t>(shape.in);
  const std::size_t out = static_cast<std::size_t>(shape.out);
  Doubles z = away_from_kinks(random.normal_doubles(n * in)), x(z.size()), y(n * out);
  Doubles w = random.normal_doubles(out * in);
  Values bias = random.normal(out, DType::f32);
  const Doubles d_y = random.normal_doubles(y.size());
  const auto loss = [&] {
    x = activated(activation, z);
    DenseForward op;
    op.shape = shape;
    op.x = x.data();
    op.w = w.data();
    op.bias = bias.data();
    op.y = y.data();
    reference::dense_forward<double>(op);
    return weighted_sum(y, d_y);
  };
  loss();

  Doubles d_z(z.size());
  Values d_w(w.size()), d_bias(out);
  DenseBackwardData data;
  data.shape = shape;
  data.d_y = d_y.data();
  data.w = w.data();
  data.saved = saves_input(activation.kind) ? z.data() : x.data();
  data.activation = activation;
  data.d_x = d_z.data();
  reference::dense_backward_data<double>(data);
  DenseBackwardWeight weight;
  weight.shape = shape;
  weight.x = x.data();
  weight.d_y = d_y.data();
  weight.d_w = d_w.data();
  weight.d_bias = d_bias.data();
  reference::dense_backward_weight<double>(weight);
  expect_gradient("d_x", z, d_z, random, loss);
  expect_gradient("d_w", w, d_w, random, loss);
  expect_gradient("d_bias", bias, d_bias, random, loss);
}

}  // namespace

TEST_CASE("conv2d gradients equal central differences") {
  Random random(101);
  for (const Conv2dCase& test_case : conv2d_cases()) {
    CAPTURE(test_case.why);
    check_conv2d(test_case.shape, {}, random);
    check_conv2d(test_case.shape, kLeaky, random);
    for (const Activation& smooth : smooth_activations()) check_conv2d(test_case.shape, smooth, random);
  }
}

TEST_CASE("dense gradients equal central differences") {
  Random random(102);
  for (const DenseCase& test_case : dense_cases()) {
    CAPTURE(test_case.why);
    check_dense(test_case.shape, {}, random);
    check_dense(test_case.shape, kLeaky, random);
    for (const Activation& smooth : smooth_activations()) check_dense(test_case.shape, smooth, random);
  }
}

}  // namespace test
}  // namespace tsugi
