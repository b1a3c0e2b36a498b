// The teacher of distillation: what the received network says of the training photos, so that what it knew is kept
// while new people are learnt. Sources: train/soft_labels.h; Li, Hoiem, "Learning without forgetting", ECCV 2016.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/handover/bundle.h"
#include "engine/handover/people_statistics.h"
#include "engine/train/inference.h"

namespace tsugi {

/// Logits that came with the bundle, [classes] each, by photo ("<class>/<file>").
using StoredLogits = std::map<std::string, std::vector<float>>;

/// Those of a bundle's training photos.
StoredLogits stored_logits(const Bundle& bundle, const PeopleStatistics& statistics);

/// Soft labels of `photos` (items of the source): stored logits where there are any, and what `network` says otherwise.
/// Photos of people that the network does not know (personal ones) have some only with `include_new`. Weight and
/// temperature are the caller's to set. Throws Error naming `place` and the photo when stored logits are not one a
/// class.
SoftLabels make_teacher(const Network& network, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                        const StoredLogits& stored, bool include_new, const std::string& place);

}  // namespace tsugi
