// New people in the last layer: room for their rows, how those start, and what becomes of them at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/data/split.h"
#include "engine/handover/imprint.h"
#include "engine/train/inference.h"
#include "engine/train/settings.h"

namespace tsugi {

/// Adds a zero row for each of `names` to the head's weight and bias, and to their moments, after the old rows, which
/// stay as they are. Throws Error naming the person when a name is among the checkpoint's already.
void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
               const std::string& place);

/// How a new person's row of the last layer starts.
enum class NewRow : std::uint8_t {
  imprint,  ///< from the features of the person's training photos (see imprint_rows)
  random    ///< small normal draws
};

/// Sets the head's rows first_new.. of `network`. split: items of the source. Old people are taken from `statistics`
/// where it is given, else from their training photos, if there are any.
void start_new_classes(NewRow how, Network& network, int first_new, const SampleSource& source, const Split& split,
                       const std::optional<PeopleStatistics>& statistics, const TrainSettings& settings);

/// Multiplies the rows first_new and after of the head, the layer `head`, weights and biases, by `scale`, and adds
/// `bias_shift` (nats) to their biases, if it has any: training alone leaves new rows longer than old ones. Throws
/// Error when it has fewer rows than first_new. Source: Zhao et al., "Maintaining discrimination and fairness in class
/// incremental learning", CVPR 2020.
void adjust_new_classes(Checkpoint& checkpoint, const std::string& head, int first_new, float scale, float bias_shift);

/// Mean length (Euclidean, of the weights) of the head's rows from first_new on, divided by that of the rows before; 0
/// where there are none on either side or the old ones are zero.
float new_class_length(const Checkpoint& checkpoint, const std::string& head, int first_new);

}  // namespace tsugi
