// Counts predictions against labels.
#include "engine/train/evaluation.h"

namespace tsugi {

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
