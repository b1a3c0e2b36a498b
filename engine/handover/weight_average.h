// How a hand-over ends: the trained weights averaged with those it began with, and new people's rows made shorter.
// Sources: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (between the two, networks forget less
// than after less training); Zhao et al., "Maintaining discrimination and fairness in class incremental learning", CVPR
// 2020 (new rows come out longer than old ones).
#pragma once

#include "engine/formats/checkpoint.h"

namespace tsugi {

/// Every parameter and running statistic of `trained` becomes start + share * (trained - start). Both: float32, as
/// Network::store leaves them. Throws Error naming the tensor when they are not of one network, or share is not in 0
/// to 1.
void average_weights(Checkpoint& trained, const Checkpoint& start, float share);

/// Multiplies the rows first_new and after of the head, the layer `head`, weights and biases, by `scale`, and adds
/// `change` (nats) to their biases, if it has any. Throws Error when it has fewer rows than first_new.
void adjust_new_rows(Checkpoint& checkpoint, const std::string& head, int first_new, float scale, float change);

/// Mean length (Euclidean, of the weights) of the head's rows from first_new on, divided by that of the rows before; 0
/// where there are none on either side or the old ones are zero.
float new_row_length(const Checkpoint& checkpoint, const std::string& head, int first_new);

}  // namespace tsugi
