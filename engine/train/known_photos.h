// A folder's photos beside those that a checkpoint lists: which of them were trained on, which are copies, who is gone.
#pragma once

#include <string>
#include <vector>

#include "engine/data/photo_index.h"
#include "engine/data/photo_store.h"
#include "engine/data/split.h"
#include "engine/formats/checkpoint.h"
#include "engine/train/run.h"

namespace tsugi {

/// The photos that `checkpoint` lists, those that it was trained on first; none where it is compact. `place`, its name,
/// opens messages.
PhotoIndex known_photos(const Checkpoint& checkpoint, const std::string& place);

/// The split, of the photos from `first` on and before `end`, that `checkpoint` was trained with: photos that it knows
/// stay where they were, copies go with them, the others are drawn; without lists all are. Nobody's copies stand on
/// both sides of `first`. The observer hears of copies and, of a whole store, of photos that are unknown or gone.
/// Throws as split_by_person where there is one to draw, and Error for a photo that the checkpoint knows as another
/// person's.
Split split_as_trained(const PhotoStore& store, const Checkpoint& checkpoint, const std::string& place,
                       double test_fraction, std::uint64_t seed, const RunObserver& observer, std::size_t first = 0,
                       std::size_t end = static_cast<std::size_t>(-1));

/// first_copies() of a store. The observer hears how many photos are copies, and how many stand under two people.
std::vector<std::uint32_t> originals_in(const PhotoStore& store, const RunObserver& observer);

/// Somebody whom the checkpoint knows, and of whom there is no photo to train on, would be forgotten: throws Error
/// naming `place`, how many such people there are, and the first ones; where that is `accepted`, the observer hears it.
/// labels: of the photos that were split; those behind the people's are strangers'.
void check_nobody_missing(const Split& split, const std::vector<int>& labels,
                          const std::vector<std::string>& class_names, const std::string& place, bool accepted,
                          const RunObserver& observer);

}  // namespace tsugi
