// What a hand-over trains with: what came with the bundle, the hand-over's own defaults, the command line.
#pragma once

#include "engine/handover/feature_bundle.h"
#include "engine/handover/handover.h"

namespace tsugi {

/// What a hand-over begins with that its checkpoint's settings do not say.
struct HandoverOrigin {
  bool lives = false;           ///< a checkpoint of a hand-over, whose settings are a hand-over's already
  bool statistics = false;      ///< the head is made of statistics (analytic_head.h)
  bool without_photos = false;  ///< and of some personal people nothing else is there
};

/// Settings, weakest first: those of `checkpoint`, which training goes on from, a hand-over's defaults unless it goes
/// on from an interrupted one, the command line's. cut: null when the bundle carries photos. Throws Error naming the
/// place and both values where they contradict what is there.
TrainSettings chosen_settings(const HandoverRequest& request, const Bundle& bundle, const Model& model,
                              const Checkpoint& checkpoint, const CutBundle* cut, HandoverOrigin origin,
                              const RunObserver& observer);

/// The settings that only a hand-over has. start: what an earlier hand-over left, interrupted or (`lives`) finished.
HandoverSettings chosen_own_settings(const HandoverRequest& request, const Bundle& bundle, const Checkpoint& start,
                                     bool lives);

}  // namespace tsugi
