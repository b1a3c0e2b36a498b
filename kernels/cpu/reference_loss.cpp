// Softmax and softmax cross-entropy of the double-precision reference. Largest logits are subtracted first, so that
// no exponential overflows.
#include <algorithm>
#include <string>
#include <vector>

#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {
namespace {

/// softmax(row)_j = exp(row_j - largest) / sum.
struct RowSoftmax {
  int predicted = 0;  ///< the first of the largest
  double largest = 0.0, sum = 0.0;
};

template <typename T>
RowSoftmax row_softmax(const T* row, int classes, double temperature = 1.0) {
  RowSoftmax result;
  for (int j = 1; j < classes; ++j) {
    if (static_cast<double>(row[j]) > static_cast<double>(row[result.predicted])) result.predicted = j;
  }
  result.largest = static_cast<double>(row[result.predicted]);
  for (int j = 0; j < classes; ++j)
    result.sum += std::exp((static_cast<double>(row[j]) - result.largest) / temperature);
  return result;
}

/// log softmax(row / temperature) of one logit.
double log_probability(const RowSoftmax& softmax, double logit, double temperature = 1.0) {
  return (logit - softmax.largest) / temperature - std::log(softmax.sum);
}

/// The teacher's part of a sample's loss: w, T^2 * KL(p || q), and its gradient T * (q - p).
struct Distilled {
  double weight = 0.0, loss = 0.0;
  std::vector<double> d_logits;  ///< [classes]
};

template <typename T>
Distilled distil(const SoftmaxCrossEntropy& op, int n, const T* row) {
  Distilled result;
  result.d_logits.assign(static_cast<std::size_t>(op.classes), 0.0);
  if (op.teacher == nullptr || op.distillation[n] == 0.0f) return result;
  result.weight = static_cast<double>(op.distillation[n]);
  const double temperature = static_cast<double>(op.temperature);
  const float* teacher = op.teacher + static_cast<std::size_t>(n) * op.teacher_classes;
  const RowSoftmax theirs = row_softmax(teacher, op.teacher_classes, temperature),
                   own = row_softmax(row, op.teacher_classes, temperature);
  for (int j = 0; j < op.teacher_classes; ++j) {
    const double log_p = log_probability(theirs, static_cast<double>(teacher[j]), temperature);
    const double log_q = log_probability(own, static_cast<double>(row[j]), temperature);
    result.loss += temperature * temperature * std::exp(log_p) * (log_p - log_q);
    result.d_logits[static_cast<std::size_t>(j)] = temperature * (std::exp(log_q) - std::exp(log_p));
  }
  return result;
}

}  // namespace

template <typename T>
void softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  const double smoothing = static_cast<double>(op.smoothing),
               loss_scale = op.loss_scale == nullptr ? 1.0 : static_cast<double>(op.loss_scale->scale);
  const double scale = static_cast<double>(op.grad_scale) * loss_scale;
  for (int n = 0; n < op.n; ++n) {
    const int label = op.labels[n];
    if (label < 0 || label >= op.classes) {
      throw Error("softmax_cross_entropy: label is " + std::to_string(label) + ", there are " +
                  std::to_string(op.classes) + " classes");
    }
    const std::size_t first = static_cast<std::size_t>(n) * op.classes;
    const T* row = static_cast<const T*>(op.logits) + first;
    const RowSoftmax softmax = row_softmax(row, op.classes);
    const Distilled distilled = distil(op, n, row);  // before d_logits, which may lie on the logits, is written
    const double weight = distilled.weight;
    double loss = 0.0;
    for (int j = 0; j < op.classes; ++j) {
      const double logit = static_cast<double>(row[j]);
      const double target = (j == label ? 1.0 - smoothing : 0.0) + smoothing / op.classes;
      const double log_softmax = log_probability(softmax, logit);
      if (target != 0.0) loss -= target * log_softmax;  // 0 * -inf is no loss
      if (op.d_logits == nullptr) continue;
      T* d_row = static_cast<T*>(op.d_logits) + first;
      const double d_label = std::exp(log_softmax) - target,
                   d_teacher = distilled.d_logits[static_cast<std::size_t>(j)];
      d_row[j] = static_cast<T>(scale * ((1.0 - weight) * d_label + weight * d_teacher));
    }
    op.sample_loss[n] = static_cast<float>((1.0 - weight) * loss + weight * distilled.loss);
    if (op.predicted != nullptr) op.predicted[n] = std::isnan(softmax.sum) ? -1 : softmax.predicted;
  }
}

template <typename T>
void softmax(const Softmax& op) {
  for (int n = 0; n < op.n; ++n) {
    const std::size_t first = static_cast<std::size_t>(n) * op.classes;
    const T* row = static_cast<const T*>(op.logits) + first;
    const RowSoftmax softmax = row_softmax(row, op.classes);
    for (int j = 0; j < op.classes; ++j) {
      const double exponential = std::exp(static_cast<double>(row[j]) - softmax.largest);
      op.probabilities[first + j] = static_cast<float>(exponential / softmax.sum);
    }
  }
}

TSUGI_REFERENCE_INSTANCES(softmax_cross_entropy, SoftmaxCrossEntropy)
TSUGI_REFERENCE_INSTANCES(softmax, Softmax)

}  // namespace reference
}  // namespace tsugi
