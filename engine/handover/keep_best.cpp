// Recalls, person by person.
#include "engine/handover/keep_best.h"

#include <algorithm>
#include <limits>

#include "engine/train/evaluation.h"

namespace tsugi {
namespace {

constexpr double kLargestLoss = 0.01;                         // of the old people's recall
constexpr std::uint64_t kOtherDraws = 0x9E3779B97F4A7C15ull;  // from the seed of training to one that it never uses

/// Mean recall of the people [begin, end) who have any; NaN over none.
double mean_recall(const std::vector<Tally>& tallies, int begin, int end) {
  double sum = 0.0;
  int people = 0;
  for (int i = begin; i < end; ++i) {
    if (tallies[static_cast<std::size_t>(i)].photos == 0) continue;
    sum += tallies[static_cast<std::size_t>(i)].accuracy();
    ++people;
  }
  return people == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / people;
}

}  // namespace

KeepBest::KeepBest(const Network& network, const SampleSource& source, std::vector<std::uint32_t> train_photos,
                   int first_new, HeadSamples old, bool features_fixed, const TrainSettings& settings)
    : network_(network),
      source_(source),
      train_photos_(std::move(train_photos)),
      first_new_(first_new),
      old_(std::move(old)),
      look_at_draws_(features_fixed && std::none_of(train_photos_.begin(), train_photos_.end(),
                                                    [&](std::uint32_t i) { return source.label(i) < first_new; })),
      strength_(settings.augment),
      variants_(std::min(settings.variants, std::uint32_t{2})),
      seed_(settings.seed ^ kOtherDraws),
      at_start_(look(nullptr)) {}

bool is_better(const Recalls& before, const Recalls& after) {
  return after.old >= before.old - kLargestLoss && after.old + after.personal >= before.old + before.personal;
}

Recalls KeepBest::look(const DeviceBuffer* scratch) const {
  std::vector<Tally> tallies(static_cast<std::size_t>(network_.classes()));
  const auto count = [&](int label, int predicted) {
    Tally& tally = tallies[static_cast<std::size_t>(label)];
    ++tally.photos;
    tally.correct += predicted == label;
  };
  Inference inference(network_, kSmallBatch, scratch);
  InferenceOptions options;
  options.variants = variants_;
  options.strength = strength_;
  options.seed = seed_;
  for (; options.variant < options.variants; ++options.variant) {
    const Predictions predictions = inference.run(source_, train_photos_, options);
    for (std::size_t i = 0; i < train_photos_.size(); ++i)
      count(source_.label(train_photos_[i]), predictions.predicted[i]);
  }
  if (look_at_draws_) {
    const std::vector<int> predicted = predict_by_head(fetch_head(network_), old_);
    for (std::size_t i = 0; i < predicted.size(); ++i) count(old_.labels[i], predicted[i]);
  }
  return {mean_recall(tallies, 0, first_new_), mean_recall(tallies, first_new_, network_.classes())};
}

}  // namespace tsugi
