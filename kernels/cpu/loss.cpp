// Softmax and softmax cross-entropy on the CPU: a sample at a time, in float32 with the largest logit subtracted.
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

/// An exp costs about as much as this many simple elements: what makes a second thread worth while.
constexpr std::size_t kExpWork = 8;

struct RowMax {
  int index;
  float value;
};

/// The largest logit, ties to the first; a NaN wins, so that it is seen.
template <typename T>
RowMax largest(const T* logits, int classes) {
  RowMax best{0, to_float(logits[0])};
  for (int j = 1; j < classes; ++j) {
    const float value = to_float(logits[j]);
    if (value > best.value || (std::isnan(value) && !std::isnan(best.value))) best = RowMax{j, value};
  }
  return best;
}

/// What distillation adds to a sample: its weight and loss, and the two softmaxes at the temperature (p the teacher's,
/// q the sample's own).
struct Distilled {
  float weight = 0.0f, loss = 0.0f;
  float inverse_temperature = 1.0f;
  float p_largest = 0.0f, p_inverse = 0.0f, q_largest = 0.0f, q_inverse = 0.0f;
};

template <typename T>
Distilled distil(const SoftmaxCrossEntropy& op, std::size_t i, const T* logits) {
  Distilled d;
  if (op.teacher == nullptr || op.distillation[i] == 0.0f) return d;
  const float* teacher = op.teacher + i * static_cast<std::size_t>(op.teacher_classes);
  d.weight = op.distillation[i];
  d.inverse_temperature = 1.0f / op.temperature;
  d.p_largest = largest(teacher, op.teacher_classes).value;
  d.q_largest = largest(logits, op.teacher_classes).value;
  float p_sum = 0.0f, q_sum = 0.0f, difference = 0.0f;
  for (int j = 0; j < op.teacher_classes; ++j) {
    const float a = (teacher[j] - d.p_largest) * d.inverse_temperature,
                b = (to_float(logits[j]) - d.q_largest) * d.inverse_temperature;
    const float e = std::exp(a);
    p_sum += e;
    q_sum += std::exp(b);
    difference += e * (a - b);
  }
  d.p_inverse = 1.0f / p_sum;
  d.q_inverse = 1.0f / q_sum;
  d.loss = op.temperature * op.temperature * (difference * d.p_inverse + std::log(q_sum) - std::log(p_sum));
  return d;
}

/// One sample of softmax_cross_entropy. The target's mass outside the label is smoothing / classes a class.
template <typename T>
void sample_cross_entropy(const SoftmaxCrossEntropy& op, std::size_t i) {
  const std::size_t classes = static_cast<std::size_t>(op.classes);
  const T* logits = static_cast<const T*>(op.logits) + i * classes;
  const std::size_t label = static_cast<std::size_t>(op.labels[i]);
  const Distilled d = distil(op, i, logits);
  const RowMax best = largest(logits, op.classes);
  const float label_logit = to_float(logits[label]);
  float sum = 0.0f, logit_sum = 0.0f;
  for (std::size_t j = 0; j < classes; ++j) {
    const float shifted = to_float(logits[j]) - best.value;
    sum += std::exp(shifted);
    logit_sum += shifted;
  }
  const float log_sum = std::log(sum);
  const float count = static_cast<float>(op.classes);
  const float loss =
      (1.0f - op.smoothing) * (log_sum - (label_logit - best.value)) + op.smoothing * (log_sum - logit_sum / count);
  op.sample_loss[i] = d.weight == 0.0f ? loss : (1.0f - d.weight) * loss + d.weight * d.loss;
  if (op.predicted != nullptr) op.predicted[i] = std::isnan(sum) ? -1 : best.index;
  if (op.d_logits == nullptr) return;
  T* d_logits = static_cast<T*>(op.d_logits) + i * classes;
  const float inverse = 1.0f / sum, off_target = op.smoothing / count;
  const float scale = op.grad_scale * (op.loss_scale == nullptr ? 1.0f : op.loss_scale->scale);
  const auto d_label = [&](std::size_t j) {
    const float target = off_target + (j == label ? 1.0f - op.smoothing : 0.0f);
    return std::exp(to_float(logits[j]) - best.value) * inverse - target;
  };
  std::size_t j = 0;
  if (d.weight != 0.0f) {
    const std::size_t taught = static_cast<std::size_t>(op.teacher_classes);
    const float* teacher = op.teacher + i * taught;
    for (; j < taught; ++j) {
      const float p = std::exp((teacher[j] - d.p_largest) * d.inverse_temperature) * d.p_inverse;
      const float q = std::exp((to_float(logits[j]) - d.q_largest) * d.inverse_temperature) * d.q_inverse;
      d_logits[j] = from_float<T>(scale * ((1.0f - d.weight) * d_label(j) + d.weight * op.temperature * (q - p)));
    }
  }
  for (; j < classes; ++j) d_logits[j] = from_float<T>(scale * (1.0f - d.weight) * d_label(j));
}

}  // namespace

void softmax_cross_entropy(const SoftmaxCrossEntropy& op, int threads) {
  for (int i = 0; i < op.n; ++i) {
    if (op.labels[i] < 0 || op.labels[i] >= op.classes) {
      throw Error("softmax_cross_entropy: label is " + std::to_string(op.labels[i]) + ", there are " +
                  std::to_string(op.classes) + " classes");
    }
  }
  with_dtype(op.dtype, "softmax_cross_entropy", [&](auto element) {
    using T = decltype(element);
    parallel_for(threads, static_cast<std::size_t>(op.n), static_cast<std::size_t>(op.classes) * kExpWork,
                 [&](std::size_t begin, std::size_t end) {
                   for (std::size_t i = begin; i < end; ++i) sample_cross_entropy<T>(op, i);
                 });
  });
}

void softmax(const Softmax& op, int threads) {
  with_dtype(op.dtype, "softmax", [&](auto element) {
    using T = decltype(element);
    const std::size_t classes = static_cast<std::size_t>(op.classes);
    parallel_for(threads, static_cast<std::size_t>(op.n), classes * kExpWork, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const T* logits = static_cast<const T*>(op.logits) + i * classes;
        float* probabilities = op.probabilities + i * classes;
        const RowMax best = largest(logits, op.classes);
        double sum = 0.0;
        for (std::size_t j = 0; j < classes; ++j) {
          probabilities[j] = std::exp(to_float(logits[j]) - best.value);
          sum += probabilities[j];
        }
        const float inverse = static_cast<float>(1.0 / sum);
        for (std::size_t j = 0; j < classes; ++j) probabilities[j] *= inverse;
      }
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
