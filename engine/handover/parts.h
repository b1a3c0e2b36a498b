// A checkpoint's tensors below and above a cut of its model, and together again.
#pragma once

#include <string>

#include "engine/formats/checkpoint.h"
#include "engine/model/cut.h"

namespace tsugi {

/// Each part is the whole checkpoint but for parameters, statistics and moments, of which it has those of its own
/// layers.
struct CheckpointParts {
  Checkpoint lower, upper;
};

/// Throws Error naming `place` and the tensor for one that belongs to no layer of the cut model.
CheckpointParts split_checkpoint(const Checkpoint& checkpoint, const ModelCut& cut, const std::string& place);

/// Puts the tensors of `lower` before those of `upper`. Moments that `lower` lacks are zeros: its parameters were not
/// trained since.
void join_lower(Checkpoint& upper, const Checkpoint& lower);

/// A digest of the names, shapes and values of parameters and statistics.
std::string weights_sha256(const Checkpoint& part);

}  // namespace tsugi
