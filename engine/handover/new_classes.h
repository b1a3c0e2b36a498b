// New people in the last layer: room for their rows, and what becomes of them at the end.
#pragma once

#include <string>
#include <vector>

#include "engine/formats/checkpoint.h"
#include "engine/model/description.h"

namespace tsugi {

/// Makes the head one of the people `names`, moments included: rows of those that it knows stay theirs, new people's
/// are zeros. Throws Error naming `place` when its tensors do not fit its people.
void set_people(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
                const std::string& place);

/// Adds personal people after all others; the personal ones, old and new, stand by name, so that the order in which
/// they came does not show. A name that is a personal person's already is that person where the checkpoint has
/// statistics of its people. Throws Error naming `place` and the person when it is another's.
void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
               const std::string& place);

/// Multiplies the rows first_new and after of the head, the layer `head`, weights and biases, by `scale`, and adds
/// `bias_shift` (nats) to their biases, if it has any: training alone leaves new rows longer than old ones. Throws
/// Error when it has fewer rows than first_new. Source: Zhao et al., "Maintaining discrimination and fairness in class
/// incremental learning", CVPR 2020.
void adjust_new_classes(Checkpoint& checkpoint, const std::string& head, int first_new, float scale, float bias_shift);

}  // namespace tsugi
