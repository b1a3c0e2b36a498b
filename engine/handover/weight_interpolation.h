// How far a hand-over goes: its weights end between those it began with and those it learnt. Source: Wortsman et al.,
// "Robust fine-tuning of zero-shot models", CVPR 2022: between the two, networks forget less than after less training.
#pragma once

#include "engine/formats/checkpoint.h"

namespace tsugi {

/// Every parameter and running statistic of `trained` becomes start + share * (trained - start). Both: float32, as
/// Network::store leaves them. Throws Error naming the tensor when they are not of one network, or share is not in 0
/// to 1.
void interpolate_weights(Checkpoint& trained, const Checkpoint& start, float share);

}  // namespace tsugi
