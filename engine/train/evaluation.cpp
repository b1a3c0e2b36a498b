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

namespace {

/// Adds what a network said of `photos`; the loss is a sum until all are counted.
void count_in(const Predictions& predictions, const SampleSource& source, const std::vector<std::uint32_t>& photos,
              const std::vector<bool>& personal, const EachPhoto& each, Evaluation& result) {
  const std::size_t classes = result.per_class.size();
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const int label = source.label(photos[i]);
    const auto known = static_cast<std::size_t>(label), found = static_cast<std::size_t>(predictions.predicted[i]);
    const auto add = [&](Tally& tally) {
      ++tally.photos;
      tally.correct += known == found;
    };
    add(result.overall);
    add(known < personal.size() && personal[known] ? result.personal : result.general);
    if (known < classes) {
      add(result.per_class[known]);
      ++result.confusion[known][found];
      result.loss += static_cast<double>(predictions.loss[i]);
    }
    if (each)
      each(photos[i], predictions.predicted[i], static_cast<double>(predictions.probabilities[i * classes + found]));
  }
}

}  // namespace

Evaluation evaluate(Inference& inference, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                    int classes, const std::vector<bool>& personal, const EachPhoto& each) {
  const auto count = static_cast<std::size_t>(classes);
  Evaluation result;
  result.per_class.resize(count);
  result.confusion.assign(count, std::vector<std::uint32_t>(count, 0));
  const auto batch = static_cast<std::ptrdiff_t>(inference.batch());
  for (auto begin = photos.begin(); begin != photos.end();) {
    const auto end = photos.end() - begin < batch ? photos.end() : begin + batch;
    const std::vector<std::uint32_t> some(begin, end);
    count_in(inference.run(source, some), source, some, personal, each, result);
    begin = end;
  }
  if (!photos.empty()) result.loss /= static_cast<double>(photos.size());
  return result;
}

}  // namespace tsugi
