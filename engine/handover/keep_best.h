// Whether a hand-over's training did any good, seen on the device and without a test photo: those only measure. Old
// people are looked at through what the device has of them, photos or draws of their features; what it cannot look at
// it does not trust.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/handover/head_rows.h"
#include "engine/train/inference.h"
#include "engine/train/settings.h"

namespace tsugi {

/// Mean recall of the old and of the personal people, each person counting the same. 0 to 1; NaN where nothing says how
/// they do.
struct Recalls {
  double old = 0.0, personal = 0.0;
};

/// Whether `after` is worth more than `before`: the old people lose a point at most, and both together do not lose.
/// Nothing that is NaN is.
bool is_better(const Recalls& before, const Recalls& after);

class KeepBest {
 public:
  /// Looks at the network as it is before the first step. train_photos: items of the source; those with a label from
  /// first_new on are personal. `old`: draws of old people's features, used where not one of their photos is there, and
  /// only if `features_fixed`: nothing before the head learns, so that they stay what the head meets. All references
  /// must outlive it.
  KeepBest(const Network& network, const SampleSource& source, std::vector<std::uint32_t> train_photos, int first_new,
           HeadSamples old, bool features_fixed, const TrainSettings& settings);

  /// Whether the network as it is now is better than it was then. scratch: as Inference's, the trainer's arena.
  bool better_now(const DeviceBuffer& scratch) const { return is_better(at_start_, look(&scratch)); }

 private:
  /// How the network does now: of the photos and of one augmented variant each, which training never draws (features:
  /// one that came with them).
  Recalls look(const DeviceBuffer* scratch) const;

  const Network& network_;
  const SampleSource& source_;
  std::vector<std::uint32_t> train_photos_;
  int first_new_;
  HeadSamples old_;
  bool look_at_draws_;
  AugmentStrength strength_;
  std::uint32_t variants_;
  std::uint64_t seed_;
  Recalls at_start_;
};

}  // namespace tsugi
