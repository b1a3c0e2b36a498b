// Batch norm of a backend against the reference: both modes, residual, activation, micro-batches and in-place calls.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/activations.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/op_cases.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

enum class Place { separate, in_place };

struct Inputs {
  BatchNormShape shape;
  BatchNormMode mode = BatchNormMode::batch_statistics;
  Activation activation;
  Write write = Write::overwrite;
  Place place = Place::separate;
  Values x, residual, gamma, beta, running_mean, running_var;
  Values saved, d_y, saved_mean, saved_inv_std, old_d_gamma, old_d_beta, old_d_residual;  // of the backward pass
};

struct Forward {
  Values y, saved, running_mean, running_var, saved_mean, saved_inv_std;
};

struct Backward {
  Values d_x, d_residual, d_gamma, d_beta;
};

Forward forward(Backend& backend, DType dtype, const Inputs& in) {
  Run run(backend, dtype);
  const std::size_t channels = in.gamma.size();
  BatchNormForward op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.mode = in.mode;
  op.eps = 1e-3f;
  op.momentum = 0.25f;
  op.residual = run.in(in.residual);
  op.gamma = run.in_f32(in.gamma);
  op.beta = run.in_f32(in.beta);
  op.activation = in.activation;
  op.running_mean = run.updated_f32(in.running_mean);
  op.running_var = run.updated_f32(in.running_var);
  if (in.place == Place::in_place) {
    op.y = run.updated(in.x);
    op.x = op.y;
  } else {
    op.x = run.in(in.x);
    op.y = run.out(in.x.size());
    op.saved_mean = run.out_f32(channels);
    op.saved_inv_std = run.out_f32(channels);
    if (saves_input(in.activation.kind)) op.saved = run.out(in.x.size());
  }
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.batch_norm_forward(op);
  run.finish();
  return {run.read(op.y),
          run.read(op.saved),
          run.read_f32(op.running_mean),
          run.read_f32(op.running_var),
          run.read_f32(op.saved_mean),
          run.read_f32(op.saved_inv_std)};
}

Backward backward(Backend& backend, DType dtype, const Inputs& in) {
  Run run(backend, dtype);
  BatchNormBackward op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.mode = in.mode;
  op.x = run.in(in.x);
  op.saved = in.activation.kind == ActivationKind::none ? nullptr : run.in(in.saved);
  op.gamma = run.in_f32(in.gamma);
  op.saved_mean = run.in_f32(in.saved_mean);
  op.saved_inv_std = run.in_f32(in.saved_inv_std);
  op.activation = in.activation;
  op.write = in.write;
  op.d_gamma = run.out_f32(in.write, in.old_d_gamma);
  op.d_beta = run.out_f32(in.write, in.old_d_beta);
  op.write_residual = in.write;
  if (!in.old_d_residual.empty()) op.d_residual = run.out(in.write, in.old_d_residual);
  if (in.place == Place::in_place) {
    op.d_x = run.updated(in.d_y);
    op.d_y = op.d_x;
  } else {
    op.d_y = run.in(in.d_y);
    op.d_x = run.out(in.x.size());
  }
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.batch_norm_backward(op);
  run.finish();
  return {run.read(op.d_x), run.read(op.d_residual), run.read_f32(op.d_gamma), run.read_f32(op.d_beta)};
}

/// x_hat's two terms, both positive: (|x| + |mean|) / std.
Values x_hat_magnitude(const Inputs& in) {
  Values magnitude(in.x.size());
  for (std::size_t i = 0; i < magnitude.size(); ++i) {
    const std::size_t c = i % in.gamma.size();
    magnitude[i] = (std::fabs(in.x[i]) + std::fabs(in.saved_mean[c])) * in.saved_inv_std[c];
  }
  return magnitude;
}

/// A float32 sum over rows of terms with one sign (squares): partial sums grow with the rows, and the errors' random
/// walk gives u sqrt(rows) / sqrt(3) of the whole. The statistics' errors reach everything that is computed from them.
double row_sum(const BatchNormShape& shape) { return kRandomSum + std::sqrt(shape.rows) * kFloat32Roundoff; }

void check_forward(Backend& backend, DType dtype, const Inputs& in, const Forward& want) {
  const Forward got = forward(backend, dtype, in);
  const std::size_t channels = in.gamma.size();
  const double error = row_sum(in.shape);
  const Values x_hat = x_hat_magnitude(in);
  Values y_magnitude(in.x.size()), mean(channels), variance(channels), inv_std(channels);
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t c = i % channels;
    y_magnitude[i] = std::fabs(in.gamma[c]) * x_hat[i] + std::fabs(in.beta[c]) +
                     (in.residual.empty() ? 0.0f : std::fabs(in.residual[i]));
  }
  for (std::size_t c = 0; c < channels; ++c) {
    // Each centred value errs by u |mean|, so the variance's relative error grows with |mean| / std: but not with
    // its square, as it would in E[x^2] - mean^2.
    const float condition = 1.0f + std::fabs(in.saved_mean[c]) * in.saved_inv_std[c];
    mean[c] = std::fabs(in.running_mean[c]) + std::fabs(in.saved_mean[c]) + 1.0f / in.saved_inv_std[c];
    variance[c] = want.running_var[c] * condition;
    inv_std[c] = in.saved_inv_std[c] * condition;
  }
  const Bound statistics{DType::f32, error};
  const bool smooth = saves_input(in.activation.kind);
  if (smooth && in.place == Place::separate) expect_close("saved", got.saved, want.saved, y_magnitude, {dtype, error});
  if (smooth) y_magnitude = activated_magnitude(in.saved, y_magnitude, {dtype, error});
  expect_close("y", got.y, want.y, y_magnitude, {dtype, error});
  expect_close("running_mean", got.running_mean, want.running_mean, mean, statistics);
  expect_close("running_var", got.running_var, want.running_var, variance, statistics);
  if (in.place == Place::in_place) return;
  expect_close("saved_mean", got.saved_mean, want.saved_mean, mean, statistics);
  expect_close("saved_inv_std", got.saved_inv_std, want.saved_inv_std, inv_std, statistics);
  expect_identical("y of a second call", forward(backend, dtype, in).y, got.y);
}

void check_backward(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  const Backward got = backward(backend, dtype, in), want = backward(reference, dtype, in);
  const Values x_hat = x_hat_magnitude(in);
  const std::size_t channels = in.gamma.size();
  const Values nothing(channels, 0.0f);
  const bool adds = in.write == Write::accumulate;
  // Derivatives of smooth activations are larger, and err by themselves.
  const float steepest =
      saves_input(in.activation.kind) ? kSteepest + static_cast<float>(kActivationError / kRandomSum) : 1.0f;
  Values d_beta = adds ? absolute(in.old_d_beta) : nothing, d_gamma = adds ? absolute(in.old_d_gamma) : nothing;
  Values mean_g = nothing, mean_g_x_hat = nothing, d_x(in.x.size()), d_residual(in.old_d_residual.size());
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t c = i % channels;
    const float g = steepest * std::fabs(in.d_y[i]);
    d_beta[c] += g;
    d_gamma[c] += g * x_hat[i];
    mean_g[c] += g / static_cast<float>(in.shape.rows);
    mean_g_x_hat[c] += g * x_hat[i] / static_cast<float>(in.shape.rows);
    if (!d_residual.empty()) d_residual[i] = g + (adds ? std::fabs(in.old_d_residual[i]) : 0.0f);
  }
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t c = i % channels;
    const float terms = steepest * std::fabs(in.d_y[i]) + mean_g[c] + x_hat[i] * mean_g_x_hat[c];
    d_x[i] = std::fabs(in.gamma[c]) * in.saved_inv_std[c] * terms;
  }
  const Bound gradient{DType::f32, kRandomSum}, tensor{dtype, kRandomSum};
  expect_close("d_beta", got.d_beta, want.d_beta, d_beta, gradient);
  expect_close("d_gamma", got.d_gamma, want.d_gamma, d_gamma, gradient);
  expect_close("d_x", got.d_x, want.d_x, d_x, tensor);
  expect_close("d_residual", got.d_residual, want.d_residual, d_residual, tensor);
  const Backward again = backward(backend, dtype, in);
  expect_identical("d_x of a second call", again.d_x, got.d_x);
  expect_identical("d_gamma of a second call", again.d_gamma, got.d_gamma);
}

Inputs draw(const BatchNormShape& shape, DType dtype, float mean, Random& random) {
  const std::size_t channels = static_cast<std::size_t>(shape.c);
  const std::size_t count = static_cast<std::size_t>(shape.rows) * channels;
  Inputs in;
  in.shape = shape;
  in.x = random.normal(count, dtype, mean);
  in.residual = random.normal(count, dtype);
  in.gamma = random.normal(channels, DType::f32);
  in.beta = random.normal(channels, DType::f32);
  in.running_mean = random.normal(channels, DType::f32, mean);
  in.running_var = random.uniform(channels, DType::f32, 0.5f, 2.0f);
  in.d_y = random.normal(count, dtype);
  in.old_d_gamma = random.normal(channels, DType::f32);
  in.old_d_beta = random.normal(channels, DType::f32);
  in.old_d_residual = random.normal(count, dtype);
  return in;
}

}  // namespace

void check_batch_norm(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  const Activation none{}, relu{ActivationKind::relu, 0.0f}, leaky{ActivationKind::leaky_relu, 0.125f};
  const std::vector<Activation> smooth = smooth_activations();
  Random random(4);
  int combination = 0;
  std::size_t turn = 0;
  for (const BatchNormCase& test_case : batch_norm_cases()) {
    for (const BatchNormMode mode : {BatchNormMode::batch_statistics, BatchNormMode::running_statistics}) {
      for (const Activation& activation : {none, relu, leaky, smooth[turn++ % smooth.size()]}) {
        for (const float mean : {0.0f, 50.0f}) {
          CAPTURE(test_case.why);
          CAPTURE(static_cast<int>(mode));
          CAPTURE(static_cast<int>(activation.kind));
          CAPTURE(mean);
          Inputs in = draw(test_case.shape, dtype, mean, random);
          in.mode = mode;
          in.activation = activation;
          ++combination;
          if (combination % 2 == 0) in.residual.clear(), in.old_d_residual.clear();
          in.write = combination % 3 == 0 ? Write::accumulate : Write::overwrite;
          const Forward want = forward(*reference, dtype, in);
          in.saved = saves_input(activation.kind) ? want.saved : want.y;
          in.saved_mean = want.saved_mean;
          in.saved_inv_std = want.saved_inv_std;
          for (const Place place : {Place::separate, Place::in_place}) {
            CAPTURE(static_cast<int>(place));
            in.place = place;
            check_forward(backend, dtype, in, want);
            check_backward(backend, *reference, dtype, in);
          }
        }
      }
    }
  }
}

}  // namespace test
}  // namespace tsugi
