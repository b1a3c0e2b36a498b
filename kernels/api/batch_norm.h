// Parameters of batch normalisation over rows = n*h*w of c channels, fused with a residual add and an activation:
// y = activation(gamma * (x - mean) / sqrt(var + eps) + beta [+ residual]).
// Source: Ioffe, Szegedy, "Batch normalization", ICML 2015.
#pragma once

#include "kernels/api/activation.h"
#include "kernels/api/types.h"

namespace tsugi {

struct BatchNormShape {
  int rows = 1, c = 1;
};

/// Throws Error naming `op` when a size is not positive.
void validate(const BatchNormShape& shape, const char* op);

/// Training: batch statistics (biased variance) normalise; running = (1 - momentum) * running + momentum * batch,
/// with the unbiased variance (0 for one row), as PyTorch does. Inference, and training with frozen statistics: the
/// running ones normalise and are left alone, and saved_* get them (backward needs them).
enum class BatchNormMode : std::uint8_t { batch_statistics, running_statistics };

struct BatchNormForward {
  BatchNormShape shape;
  DType dtype = DType::f32;  ///< of x, residual and y
  BatchNormMode mode = BatchNormMode::batch_statistics;
  float eps = 1e-5f;
  float momentum = 0.1f;
  const void* x = nullptr;         ///< [rows,c]
  const void* residual = nullptr;  ///< [rows,c], or null
  const float* gamma = nullptr;    ///< [c]
  const float* beta = nullptr;     ///< [c]
  Activation activation;
  float* running_mean = nullptr;   ///< [c]
  float* running_var = nullptr;    ///< [c]
  float* saved_mean = nullptr;     ///< [c], overwritten; null when no backward pass follows
  float* saved_inv_std = nullptr;  ///< [c], 1 / sqrt(var + eps); null when no backward pass follows
  void* y = nullptr;               ///< [rows,c]; may be x itself when no backward pass follows
  void* workspace = nullptr;
  void* saved = nullptr;  ///< [rows,c], gets the activation's input where backward needs it (activation.h), else null
};

/// With g = activation' * d_y: d_beta = sum g, d_gamma = sum g * x_hat, and
/// d_x = gamma * inv_std * (g - mean(g) - x_hat * mean(g * x_hat)), or gamma * inv_std * g with running statistics.
/// d_residual (=|+=) g.
struct BatchNormBackward {
  BatchNormShape shape;
  DType dtype = DType::f32;
  BatchNormMode mode = BatchNormMode::batch_statistics;
  const void* x = nullptr;      ///< [rows,c], input of the forward pass
  const void* saved = nullptr;  ///< [rows,c], y, or the activation's input; read only when activation.kind != none
  const void* d_y = nullptr;    ///< [rows,c]
  const float* gamma = nullptr;
  const float* saved_mean = nullptr;
  const float* saved_inv_std = nullptr;
  Activation activation;
  Write write = Write::overwrite;  ///< for d_gamma and d_beta (micro-batches)
  float* d_gamma = nullptr;
  float* d_beta = nullptr;
  void* d_x = nullptr;  ///< [rows,c], overwritten; may be d_y itself
  Write write_residual = Write::overwrite;
  void* d_residual = nullptr;  ///< [rows,c], or null; must not be d_y or d_x
  void* workspace = nullptr;
};

}  // namespace tsugi
