// How a hand-over ends: between what it began with and what it learnt, and only if that is better.
#pragma once

#include <optional>

#include "engine/handover/handover_settings.h"
#include "engine/handover/keep_best.h"
#include "engine/train/run.h"

namespace tsugi {

/// Of layers or rows that change: what that ends. Whoever lived without a bundle should hear of it.
constexpr const char* kStatisticsAreOf =
    "the statistics of its people are of: they are dropped, and nobody joins or is forgotten without a bundle";

/// What a hand-over began with. All pointers and references must outlive the ending.
struct HandoverStart {
  const Network& network;             ///< that learns
  const Checkpoint& weights;          ///< of it before the first step
  int first_new = 0;                  ///< index of the first personal person
  const Checkpoint* lower = nullptr;  ///< features: the tensors below the cut; null with photos
};

class HandoverEnding : public RunEnding {
 public:
  /// best: nothing to keep the trained network in any case.
  HandoverEnding(const HandoverStart& start, const HandoverSettings& settings, std::optional<KeepBest> best)
      : start_(start), settings_(settings), best_(std::move(best)) {}

  /// Interpolates the weights; then goes back to the start where that is not worse, or else adjusts new classes.
  Outcome conclude(Trainer& trainer, const std::function<void(const std::string&)>& say) const override;

  /// Puts the tensors below the cut beneath those that learn. Statistics stay with the weights that they are of: where
  /// those learnt, they go; where no step was taken, all of a run goes but its result.
  void complete(Checkpoint& checkpoint) const override;

 private:
  HandoverStart start_;
  HandoverSettings settings_;
  std::optional<KeepBest> best_;
};

}  // namespace tsugi
