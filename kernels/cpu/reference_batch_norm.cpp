// Batch normalisation of the double-precision reference, one channel at a time: statistics, then rows.
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {
namespace {

struct Statistics {
  double mean, variance;  ///< biased
};

template <typename T>
Statistics batch_statistics(const BatchNormShape& shape, const T* x, std::size_t channel) {
  const std::size_t rows = static_cast<std::size_t>(shape.rows), stride = static_cast<std::size_t>(shape.c);
  double sum = 0.0;
  for (std::size_t row = 0; row < rows; ++row) sum += static_cast<double>(x[row * stride + channel]);
  const double mean = sum / shape.rows;
  double squares = 0.0;
  for (std::size_t row = 0; row < rows; ++row) {
    const double centred = static_cast<double>(x[row * stride + channel]) - mean;
    squares += centred * centred;
  }
  return {mean, squares / shape.rows};
}

/// running = (1 - momentum) * running + momentum * batch, with the unbiased variance (of a single row: 0).
void update_running(const BatchNormForward& op, const Statistics& batch, std::size_t channel) {
  const double rows = op.shape.rows, momentum = static_cast<double>(op.momentum);
  const double unbiased = op.shape.rows > 1 ? batch.variance * rows / (rows - 1.0) : 0.0;
  float& mean = op.running_mean[channel];
  float& variance = op.running_var[channel];
  mean = static_cast<float>((1.0 - momentum) * static_cast<double>(mean) + momentum * batch.mean);
  variance = static_cast<float>((1.0 - momentum) * static_cast<double>(variance) + momentum * unbiased);
}

}  // namespace

template <typename T>
void batch_norm_forward(const BatchNormForward& op) {
  const std::size_t rows = static_cast<std::size_t>(op.shape.rows), stride = static_cast<std::size_t>(op.shape.c);
  const T* x = static_cast<const T*>(op.x);
  const T* residual = static_cast<const T*>(op.residual);
  T* y = static_cast<T*>(op.y);
  for (std::size_t c = 0; c < stride; ++c) {
    Statistics used;
    if (op.mode == BatchNormMode::batch_statistics) {
      used = batch_statistics(op.shape, x, c);
      update_running(op, used, c);
    } else {
      used = {static_cast<double>(op.running_mean[c]), static_cast<double>(op.running_var[c])};
    }
    const double inv_std = 1.0 / std::sqrt(used.variance + static_cast<double>(op.eps));
    if (op.saved_mean != nullptr) op.saved_mean[c] = static_cast<float>(used.mean);
    if (op.saved_inv_std != nullptr) op.saved_inv_std[c] = static_cast<float>(inv_std);
    const double gamma = static_cast<double>(op.gamma[c]), beta = static_cast<double>(op.beta[c]);
    for (std::size_t i = c; i < rows * stride; i += stride) {
      const double added = residual == nullptr ? 0.0 : static_cast<double>(residual[i]);
      const double normalised = (static_cast<double>(x[i]) - used.mean) * inv_std;
      y[i] = static_cast<T>(activate<T>(op.activation, gamma * normalised + beta + added, op.saved, i));
    }
  }
}

template <typename T>
void batch_norm_backward(const BatchNormBackward& op) {
  const std::size_t stride = static_cast<std::size_t>(op.shape.c);
  const std::size_t count = static_cast<std::size_t>(op.shape.rows) * stride;
  const T* x = static_cast<const T*>(op.x);
  const T* saved = static_cast<const T*>(op.saved);
  const T* d_y = static_cast<const T*>(op.d_y);
  T* d_x = static_cast<T*>(op.d_x);
  T* d_residual = static_cast<T*>(op.d_residual);
  for (std::size_t c = 0; c < stride; ++c) {
    const double mean = static_cast<double>(op.saved_mean[c]), inv_std = static_cast<double>(op.saved_inv_std[c]);
    double sum_g = 0.0, sum_g_x_hat = 0.0;
    for (std::size_t i = c; i < count; i += stride) {
      const double g = activation_gradient(op.activation, saved, i, static_cast<double>(d_y[i]));
      sum_g += g;
      sum_g_x_hat += g * (static_cast<double>(x[i]) - mean) * inv_std;
    }
    op.d_beta[c] = static_cast<float>(sum_g + old_value(op.write, op.d_beta[c]));
    op.d_gamma[c] = static_cast<float>(sum_g_x_hat + old_value(op.write, op.d_gamma[c]));
    // Frozen statistics do not depend on x, so nothing flows back through them.
    const bool through_statistics = op.mode == BatchNormMode::batch_statistics;
    const double mean_g = through_statistics ? sum_g / op.shape.rows : 0.0;
    const double mean_g_x_hat = through_statistics ? sum_g_x_hat / op.shape.rows : 0.0;
    const double scale = static_cast<double>(op.gamma[c]) * inv_std;
    for (std::size_t i = c; i < count; i += stride) {
      const double g = activation_gradient(op.activation, saved, i, static_cast<double>(d_y[i]));
      const double x_hat = (static_cast<double>(x[i]) - mean) * inv_std;
      if (d_residual != nullptr) d_residual[i] = static_cast<T>(g + old_value(op.write_residual, d_residual[i]));
      d_x[i] = static_cast<T>(scale * (g - mean_g - x_hat * mean_g_x_hat));
    }
  }
}

TSUGI_REFERENCE_INSTANCES(batch_norm_forward, BatchNormForward)
TSUGI_REFERENCE_INSTANCES(batch_norm_backward, BatchNormBackward)

}  // namespace reference
}  // namespace tsugi
