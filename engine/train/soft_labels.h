// What something other than the label says of a sample, to be learnt beside it: distillation. Source: Hinton, Vinyals,
// Dean, "Distilling the knowledge in a neural network", 2015.
#pragma once

#include <vector>

namespace tsugi {

class SampleSource;

/// Soft labels of a source's items, host. They are those of the photo itself, also where an augmented variant of it is
/// trained on.
struct SoftLabels {
  float weight = 0.0f;        ///< of their loss where an item has some, the label's gets the rest; 0 = not looked at
  float temperature = 1.0f;   ///< of both softmaxes
  int classes = 0;            ///< people that they speak of: the first rows of the head
  std::vector<float> logits;  ///< [items, classes]
  std::vector<bool> known;    ///< [items] whether they say something of it; logits of others are not read

  /// Copies the logits of `item` to staged[0, classes). Returns the weight of their loss: 0 where nothing is known.
  float stage(std::size_t item, float* staged) const;
};

/// Throws Error when they speak of no people or of more than `classes`, do not have a row for each of the source's
/// items, have a logit that is not finite, naming the photo, or weight or temperature are out of range.
void validate(const SoftLabels& labels, const SampleSource& source, int classes);

}  // namespace tsugi
