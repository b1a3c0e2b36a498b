// Personal people in a checkpoint that lives by its statistics: photos join them, people are forgotten, and each time
// the head is made anew of what is then known. What comes out is a function of the set of photos, bit for bit: not of
// the order in which they came, nor of who was there in between.
#pragma once

#include <string>
#include <vector>

#include "engine/handover/analytic_head.h"

namespace tsugi {

/// Adds photos of personal people, by their digests; a photo that a person has already changes nothing. names, digests:
/// one a sample. Throws as check_samples.
void add_photos(PeopleStatistics& statistics, const std::vector<std::string>& names,
                const std::vector<std::string>& digests, const HeadSamples& samples);

/// Gives the checkpoint, whose classes are the statistics' people, the head of these statistics and the statistics.
AnalyticHead remake_head(Checkpoint& checkpoint, const Model& model, const PeopleStatistics& statistics,
                         double general_loss);

/// Leaves nothing of a training run in a checkpoint: moments, metrics and progress but for the seed.
void forget_training(Checkpoint& checkpoint);

/// The photos that `checkpoint` was made of, and those that `before` was: the server's, then personal ones by name.
void keep_photo_lists(Checkpoint& checkpoint, Checkpoint before);

/// Leaves only photos of these people in the lists of a checkpoint.
void keep_photos_of(Checkpoint& checkpoint, const std::vector<std::string>& people);

/// The names as the checkpoint has them (composed). Throws Error naming `place` and whom it knows when one of them is
/// no personal person of it.
std::vector<std::string> personal_names(const Checkpoint& checkpoint, std::vector<std::string> names,
                                        const std::string& place);

/// Removes personal people: their rows, statistics, names and photos. What is left equals, byte for byte when it is
/// written, the checkpoint that never saw them. Throws Error naming `place` when somebody is not a personal person of
/// it, or when it holds no statistics: then layers may have learnt of them, which no row tells.
void forget_people(Checkpoint& checkpoint, const std::vector<std::string>& who, const std::string& place);

}  // namespace tsugi
