// Counts predictions against labels.
#include "engine/train/evaluation.h"

#include <cmath>

namespace tsugi {

std::pair<double, double> Tally::interval() const {
  if (photos == 0) return {0.0, 1.0};
  constexpr double z = 1.959964;  // standard deviations that hold 95 % of a normal distribution
  const auto n = static_cast<double>(photos);
  const double p = accuracy(), scale = 1.0 + z * z / n, middle = (p + z * z / (2.0 * n)) / scale,
               half = z * std::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / scale;
  return {correct == 0 ? 0.0 : middle - half, correct == photos ? 1.0 : middle + half};
}

Evaluation evaluate(Inference& inference, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                    int classes, const std::vector<bool>& personal) {
  const Predictions predictions = inference.run(source, photos);
  const auto count = static_cast<std::size_t>(classes);
  Evaluation result;
  result.per_class.resize(count);
  result.confusion.assign(count, std::vector<std::uint32_t>(count, 0));
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const int label = source.label(photos[i]);
    const bool correct = predictions.predicted[i] == label;
    const auto known = static_cast<std::size_t>(label);
    const auto add = [&](Tally& tally) {
      ++tally.photos;
      tally.correct += correct;
    };
    add(result.overall);
    add(known < personal.size() && personal[known] ? result.personal : result.general);
    if (known < count) {
      add(result.per_class[known]);
      ++result.confusion[known][static_cast<std::size_t>(predictions.predicted[i])];
      result.loss += static_cast<double>(predictions.loss[i]);
    }
  }
  if (!photos.empty()) result.loss /= static_cast<double>(photos.size());
  return result;
}

}  // namespace tsugi
