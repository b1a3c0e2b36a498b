// What a hand-over trains with: what came with the bundle, the hand-over's own defaults, the command line.
#pragma once

#include "engine/handover/feature_bundle.h"
#include "engine/handover/handover.h"

namespace tsugi {

/// Settings, weakest first: those of `checkpoint`, which training goes on from, a hand-over's defaults unless it goes
/// on from an interrupted one, the command line's. cut: null when the bundle carries photos. Throws Error naming the
/// place and both values where they contradict what is there.
TrainSettings chosen_settings(const HandoverRequest& request, const Bundle& bundle, const Model& model,
                              const Checkpoint& checkpoint, const CutBundle* cut, const RunObserver& observer);

/// The settings that only a hand-over has. start: what the interrupted hand-over left, or `grown`: the network before
/// the first step, its rows from first_new on fitted to new people.
HandoverSettings chosen_own_settings(const HandoverRequest& request, const Bundle& bundle, const Checkpoint& start,
                                     const Checkpoint& grown, const std::string& head, int first_new);

}  // namespace tsugi
