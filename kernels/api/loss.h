// Parameters of softmax cross-entropy with label smoothing and distillation, and of softmax alone (prediction).
#pragma once

#include "kernels/api/types.h"

namespace tsugi {

/// Per sample: target t_j = (1 - smoothing) * [j == label] + smoothing / classes,
/// loss = -sum_j t_j log softmax(logits)_j, d_logits = grad_scale * loss_scale * (softmax - t).
/// With a teacher, an earlier network that knew the first `teacher_classes` classes, a sample with weight w > 0 has the
/// loss (1 - w) * loss + w * T^2 * sum_j p_j (log p_j - log q_j), p = softmax(teacher / T), q = softmax(logits[0,
/// teacher_classes) / T), and the gradient grad_scale * loss_scale * ((1 - w) * (softmax - t) + w * T * (q - p)), p = q
/// = 0 beyond teacher_classes. A sample of which a logit is NaN or +infinity has no softmax: its loss is NaN, and it is
/// taken for nobody. Sources: Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015; Li, Hoiem,
/// "Learning without forgetting", ECCV 2016; Rebuffi et al., "iCaRL", CVPR 2017.
struct SoftmaxCrossEntropy {
  int n = 1, classes = 2;
  DType dtype = DType::f32;  ///< of logits and d_logits
  float smoothing = 0.0f;
  float grad_scale = 1.0f;               ///< 1 / batch size for the mean over a batch (of all its micro-batches)
  const void* logits = nullptr;          ///< [n,classes]
  const std::int32_t* labels = nullptr;  ///< [n]
  float* sample_loss = nullptr;          ///< [n], overwritten
  std::int32_t* predicted =
      nullptr;               ///< [n] index of the largest logit (ties: the first), -1 without a softmax; or null
  void* d_logits = nullptr;  ///< [n,classes], overwritten; may be logits itself; or null (evaluation)
  const LossScale* loss_scale = nullptr;  ///< [1], device: of d_logits alone, the losses stay as they are; null = 1

  const float* teacher =
      nullptr;  ///< [n,teacher_classes] logits, finite; rows of samples with w = 0 are not read; null = no teacher
  const float* distillation =
      nullptr;  ///< [n] w of each sample, 0 (the labels alone) to 1 (the teacher alone); null without a teacher
  int teacher_classes = 0;   ///< at most `classes`
  float temperature = 1.0f;  ///< T
};

struct Softmax {
  int n = 1, classes = 2;
  DType dtype = DType::f32;        ///< of logits
  const void* logits = nullptr;    ///< [n,classes]
  float* probabilities = nullptr;  ///< [n,classes], overwritten
};

}  // namespace tsugi
