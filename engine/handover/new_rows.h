// How new people's rows of the head start: from what the network sees in their photos, or from random numbers.
#pragma once

#include <optional>

#include "engine/data/split.h"
#include "engine/handover/imprint.h"
#include "engine/train/inference.h"
#include "engine/train/settings.h"

namespace tsugi {

/// How a new person's row of the last layer starts.
enum class NewRow : std::uint8_t {
  imprint,  ///< from the features of the person's training photos (see imprint_rows)
  random    ///< small normal draws
};

/// Sets the head's rows first_new.. of `network`. split: items of the source. Old people are taken from `knowledge`
/// where it is given, else from their training photos, if there are any.
void start_new_rows(NewRow how, Network& network, int first_new, const SampleSource& source, const Split& split,
                    const std::optional<Knowledge>& knowledge, const TrainSettings& settings);

}  // namespace tsugi
