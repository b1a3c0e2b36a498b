// dense forward, backward-data and backward-weight of a backend against the reference.
#include <doctest/doctest.h>

#include <utility>

#include "tests/ops/activations.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/op_cases.h"
#include "tests/ops/row_error.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

struct Inputs {
  DenseShape shape;
  Activation activation;
  Write write = Write::overwrite;
  Values x, w, bias, d_y, old_d_x, old_d_w, old_d_bias;

  /// The same sum with every term positive: its result is the magnitude that rounding errors scale with.
  Inputs magnitudes() const {
    return {shape,
            {},
            write,
            absolute(x),
            absolute(w),
            absolute(bias),
            absolute(d_y),
            absolute(old_d_x),
            absolute(old_d_w),
            absolute(old_d_bias)};
  }
};

Inputs draw(const DenseShape& shape, DType dtype, Random& random) {
  const std::size_t n = static_cast<std::size_t>(shape.n), in_size = static_cast<std::size_t>(shape.in);
  const std::size_t out_size = static_cast<std::size_t>(shape.out);
  Inputs in;
  in.shape = shape;
  in.x = random.normal(n * in_size, dtype);
  in.w = random.normal(out_size * in_size, dtype);
  in.bias = random.normal(out_size, DType::f32);
  in.d_y = random.normal(n * out_size, dtype);
  in.old_d_x = random.normal(n * in_size, dtype);
  in.old_d_w = random.normal(out_size * in_size, DType::f32);
  in.old_d_bias = random.normal(out_size, DType::f32);
  return in;
}

Values forward(Backend& backend, DType dtype, const Inputs& in, Values* saved = nullptr) {
  Run run(backend, dtype);
  DenseForward op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.x = run.in(in.x);
  op.w = run.in(in.w);
  op.bias = run.in_f32(in.bias);
  op.activation = in.activation;
  op.y = run.out(in.d_y.size());
  if (saved != nullptr) op.saved = run.out(in.d_y.size());
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.dense_forward(op);
  run.finish();
  if (saved != nullptr) *saved = run.read(op.saved);
  return run.read(op.y);
}

Values backward_data(Backend& backend, DType dtype, const Inputs& in) {
  Run run(backend, dtype);
  DenseBackwardData op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.d_y = run.in(in.d_y);
  op.w = run.in(in.w);
  op.saved = in.activation.kind == ActivationKind::none ? nullptr : run.in(in.x);
  op.activation = in.activation;
  op.write = in.write;
  op.d_x = run.out(in.write, in.old_d_x);
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.dense_backward_data(op);
  run.finish();
  return run.read(op.d_x);
}

Values data_magnitude(Backend& reference, DType dtype, const Inputs& in) {
  Values magnitude = backward_data(reference, dtype, in.magnitudes());
  if (in.write == Write::overwrite) return magnitude;
  Inputs sum = in;
  sum.write = Write::overwrite;
  return rounded_before_adding(std::move(magnitude), backward_data(reference, dtype, sum), dtype);
}

struct WeightGradients {
  Values d_w, d_bias;
};

WeightGradients backward_weight(Backend& backend, DType dtype, const Inputs& in) {
  Run run(backend, dtype);
  DenseBackwardWeight op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.x = run.in(in.x);
  op.d_y = run.in(in.d_y);
  op.write = in.write;
  op.d_w = run.out_f32(in.write, in.old_d_w);
  if (!in.old_d_bias.empty()) op.d_bias = run.out_f32(in.write, in.old_d_bias);
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.dense_backward_weight(op);
  run.finish();
  return {run.read_f32(op.d_w), run.read_f32(op.d_bias)};
}

void check_case(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  const auto error = [&](KernelOp op) { return arithmetic_error(backend, op, as_conv2d(in.shape), dtype); };
  const Values y = forward(backend, dtype, in);
  expect_close("y", y, forward(reference, dtype, in), forward(reference, dtype, in.magnitudes()),
               {dtype, error(KernelOp::conv2d_forward)});
  expect_identical("y of a second call", forward(backend, dtype, in), y);

  const Values d_x = backward_data(backend, dtype, in);
  const Values d_x_magnitude = data_magnitude(reference, dtype, in);
  expect_close("d_x", d_x, backward_data(reference, dtype, in), d_x_magnitude,
               {dtype, error(KernelOp::conv2d_backward_data)});
  expect_identical("d_x of a second call", backward_data(backend, dtype, in), d_x);

  const WeightGradients got = backward_weight(backend, dtype, in), want = backward_weight(reference, dtype, in);
  const WeightGradients magnitude = backward_weight(reference, dtype, in.magnitudes());
  const WeightGradients again = backward_weight(backend, dtype, in);
  // Float32 whatever the tensors are.
  expect_close("d_w", got.d_w, want.d_w, magnitude.d_w, {DType::f32, error(KernelOp::conv2d_backward_weight)});
  expect_close("d_bias", got.d_bias, want.d_bias, magnitude.d_bias, {DType::f32, kRandomSum});
  expect_identical("d_w of a second call", again.d_w, got.d_w);
  expect_identical("d_bias of a second call", again.d_bias, got.d_bias);
}

/// An activation that saves its input: y with and without what it saves, and the gradient from that.
void check_smooth(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  const auto bound = [&](KernelOp op) {
    return Bound{dtype, arithmetic_error(backend, op, as_conv2d(in.shape), dtype)};
  };
  Values got_saved, want_saved;
  const Values got = forward(backend, dtype, in, &got_saved), want = forward(reference, dtype, in, &want_saved);
  const Values magnitude = forward(reference, dtype, in.magnitudes());
  const Bound of_y = bound(KernelOp::conv2d_forward), of_d_x = bound(KernelOp::conv2d_backward_data);
  expect_close("saved", got_saved, want_saved, magnitude, of_y);
  const Values activated = activated_magnitude(want_saved, magnitude, of_y);
  expect_close("y", got, want, activated, of_y);
  expect_close("y of inference", forward(backend, dtype, in), want, activated, of_y);
  const Values d_x = backward_data(reference, dtype, in);
  expect_close("d_x", backward_data(backend, dtype, in), d_x,
               masked_magnitude(d_x, data_magnitude(reference, dtype, in), of_d_x), of_d_x);
}

}  // namespace

void check_dense(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  const Activation none{}, relu{ActivationKind::relu, 0.0f}, leaky{ActivationKind::leaky_relu, 0.125f};
  Random random(2);
  for (const DenseCase& test_case : dense_cases()) {
    CAPTURE(test_case.why);
    for (const Activation& activation : smooth_activations()) {
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        CAPTURE(static_cast<int>(activation.kind));
        Inputs in = draw(test_case.shape, dtype, random);
        in.activation = activation;
        in.write = write;
        check_smooth(backend, *reference, dtype, in);
      }
    }
    for (const Activation& activation : {none, relu, leaky}) {
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        CAPTURE(static_cast<int>(activation.kind));
        CAPTURE(static_cast<int>(write));
        Inputs in = draw(test_case.shape, dtype, random);
        in.activation = activation;
        in.write = write;
        if ((activation.kind == ActivationKind::relu) == (write == Write::overwrite)) in.bias.clear();
        if (activation.kind == ActivationKind::leaky_relu) in.old_d_bias.clear();
        check_case(backend, *reference, dtype, in);
      }
    }
  }
}

}  // namespace test
}  // namespace tsugi
