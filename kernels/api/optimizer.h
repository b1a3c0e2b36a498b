// Parameters of the fused optimizer updates: one call updates every parameter of the model, which lie in one flat
// buffer. The first `decayed` elements (weights of convolutions and dense layers) get weight decay; biases and batch
// norm do not.
#pragma once

#include "kernels/api/types.h"

namespace tsugi {

/// scale = finite(norm) && norm > max_norm > 0 ? max_norm / norm : 1, with norm = sqrt(sum g^2) over the whole
/// gradient: the one point where clipping and checks look at it. A gradient with a NaN or infinity gives a norm that is
/// not finite. With loss_scale, g is the gradient times loss_scale->scale: norm is the true gradient's, scale = the
/// same clip factor divided by loss_scale->scale, and then *loss_scale = next_loss_scale(*loss_scale, finite(norm)).
struct GradientNorm {
  std::size_t count = 0;
  const float* g = nullptr;
  float max_norm = 0.0f;   ///< 0 = no clipping
  float* norm = nullptr;   ///< [1], device
  float* scale = nullptr;  ///< [1], device
  void* workspace = nullptr;
  LossScale* loss_scale = nullptr;  ///< [1], device, updated; null = no loss scaling
};

/// The fields that every update shares. All pointers are device memory of `count` elements unless said otherwise.
struct UpdateBuffers {
  std::size_t count = 0;
  std::size_t decayed = 0;  ///< leading elements with weight decay
  const StepState* step = nullptr;
  const float* scale = nullptr;  ///< [1] of GradientNorm, multiplies the gradient
  float* w = nullptr;            ///< float32 master weights
  const float* g = nullptr;
  void* compute = nullptr;  ///< copy of the new weights in compute_dtype, for the kernels; or null
  DType compute_dtype = DType::f32;
  const LossScale* loss_scale = nullptr;  ///< [1], device: with skip set the update writes nothing; null = never skip
};

/// g' = scale * g + weight_decay * w; m = momentum * m + g'; w -= lr * (nesterov ? g' + momentum * m : m).
/// The first step sees m == 0. As torch.optim.SGD with dampening 0.
struct SgdUpdate {
  UpdateBuffers buffers;
  float momentum = 0.9f;
  bool nesterov = false;
  float weight_decay = 0.0f;
  float* m = nullptr;
};

/// Adam (decoupled == false: weight decay joins the gradient) and AdamW (decoupled == true: w -= lr * weight_decay * w
/// first). m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= lr * (m / c1) / (sqrt(v / c2) + eps), c1 and c2 from
/// StepState. Sources: Kingma, Ba, ICLR 2015; Loshchilov, Hutter, ICLR 2019.
struct AdamUpdate {
  UpdateBuffers buffers;
  float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
  float weight_decay = 0.0f;
  bool decoupled = false;
  float* m = nullptr;
  float* v = nullptr;
};

}  // namespace tsugi
