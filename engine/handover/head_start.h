// How the head of a hand-over starts: computed from all that is known, photos of the personal people included.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/handover/people_statistics.h"
#include "engine/train/inference.h"

namespace tsugi {

/// How a new person's row of the last layer starts.
enum class NewRow : std::uint8_t {
  imprint,  ///< from the features of the person's training photos (see analytic_head.h, imprint.h)
  random    ///< small normal draws
};

struct HeadStart {
  NewRow how;
  const Network& network;  ///< that sees the photos; its own head does not matter
  const SampleSource& source;
  const std::vector<std::uint32_t>& photos;  ///< training photos, items of the source
  int first_new = 0;                         ///< index of the first personal person
  double general_loss = 0.0;                 ///< see analytic_head.h
  std::function<void(const std::string&)> say;
};

/// Sets the head of `checkpoint`, whose progress has the seed of random rows. Personal photos join `statistics`, which
/// are gathered of the old people's photos where nothing came along, and stay empty where there are none of those
/// either: then, and for random rows, the old rows are left alone. Returns the spread of draws of the old people
/// (HeadDraws).
double start_head(const HeadStart& start, std::optional<PeopleStatistics>& statistics, Checkpoint& checkpoint);

}  // namespace tsugi
