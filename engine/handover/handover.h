// The hand-over on the device: bundle in, personal people added to the head, training goes on with both.
#pragma once

#include <string>
#include <vector>

#include "engine/handover/handover_settings.h"
#include "engine/handover/head_start.h"
#include "engine/train/pretrain.h"

namespace tsugi {

/// Which network a hand-over ends with.
enum class Keep : std::uint8_t {
  better,  ///< the trained one, or the start where training made it worse or nothing can tell (see KeepBest)
  trained  ///< the trained one in any case
};

struct HandoverRequest {
  TrainRequest train;
  Overrides<HandoverSettings> overrides;  ///< what the command line names of a hand-over's own settings
  std::string bundle;                     ///< .tar, or what an earlier hand-over left: a checkpoint with statistics
  std::string personal;  ///< one person's folder of photos, or a folder of such folders; "" = none, with `from`
  std::vector<std::string> people;  ///< of the folder, who joins; empty = everyone
  std::string received;             ///< digest of the weights that the bundle must bring; "" = any
  std::string from;           ///< a device's checkpoint of the release before the bundle's: its people are carried over
  std::string continue_from;  ///< an interrupted hand-over's checkpoint to go on from; "" = from the bundle's
  std::size_t personal_photos = 0;  ///< most training photos of a personal person, 0 = all
  NewRow new_row = NewRow::imprint;
  Keep keep = Keep::better;
};

/// Makes of a pretraining's settings those that a hand-over trains on with where nobody says otherwise; where the head
/// is made of statistics and no photo of the old people came along, it takes no epoch.
void apply_handover_defaults(TrainSettings& settings);
constexpr double kLearningRateShare = 0.2;  ///< of pretraining's: what that does with the rate
/// The layer until which a hand-over freezes by default, of photos: none, "". Without photos of old people only the
/// head learns, where KeepBest can look without photos.
std::string default_freeze(const Model& model, int classes, bool old_photos);
/// The share of the trained weights in what it ends with, by the fraction (0 to 1) of the server's photos that came
/// along: the fewer, the less of the old people does training see, and the nearer to the start it ends.
float default_weight_interpolation(double fraction);

/// The hand-over that left `trained`, whose layers learnt, as it would have been without some of its personal people:
/// same settings, same people but these, the same weights to begin with. Bundle, photos, device and output are the
/// caller's to add. Throws Error naming `place` when somebody is no personal person of it, or no hand-over left it.
HandoverRequest without_people(const Checkpoint& trained, const std::vector<std::string>& who,
                               const std::string& place);

/// Reads the bundle, grows the head, trains on where there is what to train on. wall_s counts from just before the
/// bundle is opened. Throws Error on unusable input before anything is written.
RunSummary resume(const HandoverRequest& request, const RunObserver& observer);

}  // namespace tsugi
