// The split into training and test photos: per person, by seed, before augmentation, so that no variant of a test photo
// is ever trained on.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/photo.h"

namespace tsugi {

/// Indices into the photos that were split, ascending.
struct Split {
  std::vector<std::uint32_t> train, test;
};

/// Ranks each person's photos by a Philox draw keyed by (seed, photo_key) and takes the first round(test_fraction *
/// count) as test photos: at least one, and at least one stays for training. A photo's draw depends on its own name
/// only, so adding or removing photos never reshuffles the others. test_fraction 0 puts everything into train.
/// `originals`: what each photo is a copy of, as first_copies() says it; copies go where their original goes, and do
/// not count. Empty: nothing is a copy. Throws Error when test_fraction is outside [0, 1), when the sizes differ, or
/// when a person has one photo.
Split split_by_person(const std::vector<Photo>& photos, const std::vector<int>& labels, double test_fraction,
                      std::uint64_t seed, const std::vector<std::uint32_t>& originals = {});

}  // namespace tsugi
