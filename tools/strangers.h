// eval --strangers, and what it shares with predict: who is known to a checkpoint, and who is not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/handover/known_people.h"
#include "engine/train/checkpoint_session.h"
#include "engine/train/evaluation.h"
#include "engine/train/run.h"

namespace tsugi::tools {

/// The people of the session's checkpoint, `place` its file. Throws Error naming `option`, which needs them, where it
/// carries no statistics.
KnownPeople known_to(const CheckpointSession& session, const std::string& place, std::optional<double> accept,
                     const std::string& option);

/// What is said of a checkpoint that has no threshold.
std::string without_threshold(const std::string& place);

struct StrangerResults {
  std::size_t photos = 0;           ///< of strangers
  std::optional<double> threshold;  ///< nothing is accepted or refused without
  double auroc = 0.0;               ///< the share of pairs in which a known photo fits better than a stranger's
  double owner_auroc = 0.0;         ///< of verification: a personal person's photos against all others; mean over them;
                                    ///< NaN without any of these photos
  Tally strangers, general, personal;  ///< correct: accepted
  Tally named_owner;                   ///< strangers; correct: accepted as a personal person
};

/// Photos of a person's folder, or of a folder of such folders, of people whom the checkpoint does not know, beside the
/// known ones: `photos`, items of `source`. Throws Error naming a stranger who is one of the people.
StrangerResults evaluate_strangers(const CheckpointSession& session, const KnownPeople& known, Inference& inference,
                                   const SampleSource& source, const std::vector<std::uint32_t>& photos,
                                   const std::string& strangers, int threads, const RunObserver& observer);

}  // namespace tsugi::tools
