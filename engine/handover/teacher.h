// The teacher of distillation: what the received network says of the training photos, so that what it knew is kept
// while new people are learnt. Sources: Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015;
// Li, Hoiem, "Learning without forgetting", ECCV 2016.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/handover/bundle.h"
#include "engine/train/inference.h"

namespace tsugi {

/// Logits of training photos, host. They are those of the photo itself, also where an augmented variant of it is
/// trained on.
struct Teacher {
  int classes = 0;            ///< the teacher's people: the first rows of the head; 0 = no teacher
  float weight = 0.0f;        ///< of its answers' part of the loss where it has any, the label's gets the rest
  float temperature = 1.0f;   ///< of both softmaxes
  std::vector<float> logits;  ///< [photos, classes] in the order of the training photos
  std::vector<bool>
      known;  ///< [photos] whether the teacher says something of this photo; logits of others are not read

  /// Copies the logits of training photo `photo` to staged[0, classes). Returns 1 where it is known, 0 otherwise.
  float stage(std::size_t photo, float* staged) const;
};

/// Throws Error when `teacher` knows no people or more than `classes`, does not have a row for each of `photos` (items
/// of the source), or has a logit that is not finite, naming the photo.
void validate(const Teacher& teacher, const SampleSource& source, const std::vector<std::uint32_t>& photos,
              int classes);

/// Logits that came with the bundle, [classes] each, by photo ("<class>/<file>").
using StoredLogits = std::map<std::string, std::vector<float>>;

/// Those of a bundle's training photos; none when it carries no knowledge. Throws as read_knowledge.
StoredLogits stored_logits(const Bundle& bundle, const Model& model, const std::string& place);

/// The teacher of `photos` (items of the source): stored logits where there are any, and what `network` says otherwise.
/// Photos of people that the network does not know (personal ones) have a teacher only with `include_new`. Throws Error
/// naming `place` and the photo when stored logits are not one a class.
Teacher make_teacher(const Network& network, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                     const StoredLogits& stored, bool include_new, const std::string& place);

}  // namespace tsugi
