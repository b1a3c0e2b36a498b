// conv2d forward, backward-data and backward-weight of a backend against the reference.
#include <doctest/doctest.h>

#include "tests/ops/activations.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/conv2d_passes.h"
#include "tests/ops/expect.h"
#include "tests/ops/op_cases.h"
#include "tests/ops/row_error.h"

namespace tsugi {
namespace test {
namespace {

void check_forward(Backend& backend, Backend& reference, DType dtype, const Conv2dInputs& in) {
  const Values got = conv2d_forward(backend, dtype, in);
  const Values want = conv2d_forward(reference, dtype, in);
  expect_close("y", got, want, conv2d_forward(reference, dtype, in.magnitudes()),
               {dtype, arithmetic_error(backend, KernelOp::conv2d_forward, in.shape, dtype)});
  expect_identical("y of a second call", conv2d_forward(backend, dtype, in), got);
}

void check_backward_data(Backend& backend, Backend& reference, DType dtype, const Conv2dInputs& in) {
  const Values got = conv2d_backward_data(backend, dtype, in);
  const Values want = conv2d_backward_data(reference, dtype, in);
  const Values magnitude = conv2d_data_magnitude(reference, dtype, in);
  expect_close("d_x", got, want, magnitude,
               {dtype, arithmetic_error(backend, KernelOp::conv2d_backward_data, in.shape, dtype)});
  expect_identical("d_x of a second call", conv2d_backward_data(backend, dtype, in), got);
}

/// An activation that saves its input: y with and without what it saves, and the gradient from that.
void check_smooth(Backend& backend, Backend& reference, DType dtype, const Conv2dInputs& in) {
  Values got_saved, want_saved;
  const Values got = conv2d_forward(backend, dtype, in, &got_saved);
  const Values want = conv2d_forward(reference, dtype, in, &want_saved);
  const Values magnitude = conv2d_forward(reference, dtype, in.magnitudes());
  const Bound forward{dtype, arithmetic_error(backend, KernelOp::conv2d_forward, in.shape, dtype)};
  expect_close("saved", got_saved, want_saved, magnitude, forward);
  const Values activated = activated_magnitude(want_saved, magnitude, forward);
  expect_close("y", got, want, activated, forward);
  expect_close("y of inference", conv2d_forward(backend, dtype, in), want, activated, forward);

  const Bound backward{dtype, arithmetic_error(backend, KernelOp::conv2d_backward_data, in.shape, dtype)};
  const Values d_x = conv2d_backward_data(reference, dtype, in);
  expect_close("d_x", conv2d_backward_data(backend, dtype, in), d_x,
               masked_magnitude(d_x, conv2d_data_magnitude(reference, dtype, in), backward), backward);
}

void check_backward_weight(Backend& backend, Backend& reference, DType dtype, const Conv2dInputs& in) {
  const Conv2dWeightGradients got = conv2d_backward_weight(backend, dtype, in);
  const Conv2dWeightGradients want = conv2d_backward_weight(reference, dtype, in);
  const Conv2dWeightGradients magnitude = conv2d_backward_weight(reference, dtype, in.magnitudes());
  const Conv2dWeightGradients again = conv2d_backward_weight(backend, dtype, in);
  // Gradients of weights are float32 whatever the tensors are.
  const double error = arithmetic_error(backend, KernelOp::conv2d_backward_weight, in.shape, dtype);
  expect_close("d_w", got.d_w, want.d_w, magnitude.d_w, {DType::f32, error});
  expect_close("d_bias", got.d_bias, want.d_bias, magnitude.d_bias, {DType::f32, kRandomSum});
  expect_identical("d_w of a second call", again.d_w, got.d_w);
  expect_identical("d_bias of a second call", again.d_bias, got.d_bias);
}

}  // namespace

void check_conv2d(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  const Activation none{}, relu{ActivationKind::relu, 0.0f}, leaky{ActivationKind::leaky_relu, 0.125f};
  const std::vector<Activation> smooth = smooth_activations();
  Random random(1);
  std::size_t turn = 0;
  for (const Conv2dCase& test_case : conv2d_cases()) {
    CAPTURE(test_case.why);
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      Conv2dInputs in = draw_conv2d(test_case.shape, dtype, random);
      in.activation = smooth[turn++ / 2 % smooth.size()];  // they take turns
      in.write = write;
      CAPTURE(static_cast<int>(in.activation.kind));
      check_smooth(backend, *reference, dtype, in);
    }
    for (const Activation& activation : {none, relu, leaky}) {
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        CAPTURE(static_cast<int>(activation.kind));
        CAPTURE(static_cast<int>(write));
        Conv2dInputs in = draw_conv2d(test_case.shape, dtype, random);
        in.activation = activation;
        in.write = write;
        // Without a bias in every second combination, and each activation with and without one.
        if ((activation.kind == ActivationKind::relu) == (write == Write::overwrite)) in.bias.clear();
        if (activation.kind == ActivationKind::leaky_relu) in.old_d_bias.clear();
        check_forward(backend, *reference, dtype, in);
        check_backward_data(backend, *reference, dtype, in);
        if (activation.kind != ActivationKind::relu) check_backward_weight(backend, *reference, dtype, in);
      }
    }
  }
}

void check_large_conv2d(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(12);
  Conv2dInputs in;
  for (const Conv2dCase& test_case : large_conv2d_cases()) {
    CAPTURE(test_case.why);
    // Modes take turns; the small shapes go through all of them.
    const Write write = in.write == Write::overwrite ? Write::accumulate : Write::overwrite;
    in = draw_conv2d(test_case.shape, dtype, random);
    in.activation = {ActivationKind::leaky_relu, 0.125f};
    in.write = write;
    check_forward(backend, *reference, dtype, in);
    check_backward_data(backend, *reference, dtype, in);
    check_backward_weight(backend, *reference, dtype, in);
  }
}

}  // namespace test
}  // namespace tsugi
