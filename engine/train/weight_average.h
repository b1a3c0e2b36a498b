// How a hand-over ends: the trained weights averaged with those it began with, and a margin that new people must win by. Sources: Wortsman
// et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (between the two, networks forget less than after less training); Menon et
// al., "Long-tail learning via logit adjustment", ICLR 2021 (a margin for the people whom training saw least of).
#pragma once

#include "engine/state/checkpoint.h"

namespace tsugi {

/// Every parameter and running statistic of `trained` becomes start + share * (trained - start). Both: float32, as Network::store leaves
/// them. Throws Error naming the tensor when they are not of one network, or share is not in 0 to 1.
void average_weights(Checkpoint& trained, const Checkpoint& start, float share);

/// Adds `change` (nats) to the biases of the rows first_new and after of the head, the layer `head`; a head without biases stays as it is.
/// Throws Error when it has fewer rows than first_new.
void shift_new_rows(Checkpoint& checkpoint, const std::string& head, int first_new, float change);

}  // namespace tsugi
