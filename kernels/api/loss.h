// Parameters of softmax cross-entropy with label smoothing, and of softmax alone (prediction).
#pragma once

#include "kernels/api/types.h"

namespace tsugi {

/// Per sample: target t_j = (1 - smoothing) * [j == label] + smoothing / classes,
/// loss = -sum_j t_j log softmax(logits)_j, d_logits = grad_scale * loss_scale * (softmax - t).
struct SoftmaxCrossEntropy {
  int n = 1, classes = 2;
  DType dtype = DType::f32;  ///< of logits and d_logits
  float smoothing = 0.0f;
  float grad_scale = 1.0f;  ///< 1 / batch size for the mean over a batch (of all its micro-batches)
  const void* logits = nullptr;          ///< [n,classes]
  const std::int32_t* labels = nullptr;  ///< [n]
  float* sample_loss = nullptr;          ///< [n], overwritten
  std::int32_t* predicted = nullptr;     ///< [n] index of the largest logit (ties: the first), or null
  void* d_logits = nullptr;              ///< [n,classes], overwritten; may be logits itself; or null (evaluation)
  const LossScale* loss_scale = nullptr; ///< [1], device: of d_logits alone, the losses stay as they are; null = 1
};

struct Softmax {
  int n = 1, classes = 2;
  DType dtype = DType::f32;       ///< of logits
  const void* logits = nullptr;   ///< [n,classes]
  float* probabilities = nullptr; ///< [n,classes], overwritten
};

}  // namespace tsugi
