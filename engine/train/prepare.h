// The steps that pretraining and the hand-over share before their run starts.
#pragma once

#include <string>
#include <vector>

#include "engine/core/output_claim.h"
#include "engine/data/photo_store.h"
#include "engine/data/split.h"
#include "engine/train/run.h"

namespace tsugi {

/// The files of a run, claimed: throws Error when another run writes one of them, or when it could not be written at
/// the end: found out now, not after an hour. personal: photos that the run learns from are.
std::vector<OutputClaim> claim_outputs(const RunOptions& options, bool personal, FileLog* files);

/// Tells the observer the device, the precision, the model's size, the photos and the planned memory.
void announce(const RunObserver& observer, const Backend& backend, const Network& network, const Trainer& trainer,
              std::size_t train_photos, std::size_t test_photos);

/// Puts settings (as JSON), preprocessing and the lists of training and test photos into a checkpoint.
void describe(Checkpoint& checkpoint, const std::string& settings, const Preprocessing& preprocessing,
              const SampleSource& source, const Split& split);

/// A continued run goes on with the photos that it knew: throws Error naming `place` and the photos that are missing,
/// new or other by their content. `now`: as describe() filled it. `command`: the one that goes on; what another one
/// began had photos of its own, and nothing is compared. Compact checkpoints know no photos, those of older versions no
/// content; the observer hears of that.
void check_same_photos(const Checkpoint& from, const Checkpoint& now, const std::string& command,
                       const std::string& place, const RunObserver& observer);

/// Adds `names` to the checkpoint's personal classes. Those that it has stay: what personal photos taught is not
/// unlearnt.
void mark_personal(Checkpoint& checkpoint, const std::vector<std::string>& names);

/// Whom a training saw beside its classes.
struct StrangerCount {
  std::size_t people = 0, photos = 0;
};

/// Which classes the weights saw, which of them came from personal data, and by which command. train_photos: of these
/// classes. `received`: the digest of the weights that the run began with, where another command's file brought them.
std::string provenance_json(const std::vector<std::string>& class_names,
                            const std::vector<std::string>& personal_classes, std::size_t train_photos,
                            const std::string& command, const std::string& received = "",
                            const StrangerCount& strangers = {});

/// What the checkpoint's provenance says under `name`; empty where it does not say.
std::string provenance_of(const Checkpoint& checkpoint, const char* name);

/// How many photos a checkpoint was trained on: those that it lists, of a compact one what its provenance says.
std::size_t training_photos_of(const Checkpoint& checkpoint);

}  // namespace tsugi
