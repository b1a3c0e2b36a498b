// Who takes part, and their photos decoded: as a run, an evaluation or a bundle needs them.
#pragma once

#include <string>
#include <vector>

#include "engine/data/photo_store.h"
#include "engine/data/scan.h"
#include "engine/data/split.h"
#include "engine/train/run.h"

namespace tsugi {

/// Decodes, tells the observer about ignored and broken files, and drops the broken ones. memory: bytes for the pixels
/// and for decoding, 0 = no limit; throws Error with both values when the pixels alone take more.
PhotoStore load_photos(const PhotoFolder& folder, const Preprocessing& preprocessing, int threads,
                       const RunObserver& observer, std::size_t memory = 0);

/// labels of `folder` as indices into `class_names`. Throws Error naming `place` and the person for a person that is
/// not among them.
std::vector<int> labels_among(const PhotoFolder& folder, const std::vector<std::string>& class_names,
                              const std::string& place);

/// Only the people of `folder` that `names` lists. Throws Error naming `place` and a person whom the folder does not
/// have.
PhotoFolder only_people(const PhotoFolder& folder, const std::vector<std::string>& names, const std::string& place);

/// The people of `personal` after those of `general`. Throws Error naming `place` and a person who is in both.
PhotoFolder with_personal(const PhotoFolder& general, const PhotoFolder& personal, const std::string& place);

/// Broken photos are skipped, but a person of whom nothing is left cannot be learnt: throws Error naming `place` and
/// the first such person of `people`, who are among the classes.
void check_readable(const PhotoStore& store, const std::vector<std::string>& class_names,
                    const std::vector<std::string>& people, const std::string& place);

/// Leaves each class from `first_class` on its first `most` training photos; 0 = all. labels: of the photos that were
/// split.
void cap_training(Split& split, const std::vector<int>& labels, int first_class, std::size_t most);

}  // namespace tsugi
