// The hand-over on the device: bundle in, personal people added to the head, training goes on with both.
#pragma once

#include <string>
#include <vector>

#include "engine/train/pretrain.h"

namespace tsugi {

/// How a new person's row of the last layer starts.
enum class NewRow : std::uint8_t {
  imprint,  ///< from the mean feature of the person's training photos, scaled to the old rows
  random    ///< small normal draws
};

struct HandoverRequest {
  TrainRequest train;
  std::string bundle;          ///< .tar
  std::string personal;        ///< one person's folder of photos, or a folder of such folders
  std::string continue_from;   ///< an interrupted hand-over's checkpoint to go on from; "" = from the bundle's
  std::size_t personal_photos = 0;  ///< most training photos of a personal person, 0 = all
  NewRow new_row = NewRow::imprint;
};

/// Reads the bundle, grows the head, trains on. wall_s counts from just before the bundle is opened. Throws Error on unusable input before
/// anything is written.
RunSummary resume(const HandoverRequest& request, const RunObserver& observer);

/// Adds a zero row for each of `names` to the head's weight and bias, and to their moments, after the old rows, which stay as they
/// are. Throws Error naming the person when a name is among the checkpoint's already.
void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names, const std::string& place);

/// Sets the head's rows first_new.. of `network` from features. features: [photos, count], host; labels: [photos], class of each.
/// With f the mean feature of a new person and f0 that of the old people's photos: w = (f - f0) scaled to the old rows' mean norm, and
/// the bias such that at f0 the new logit equals the mean of the old ones. Without old people's photos f0 = 0.
/// Source: Qi, Brown, Lowe, "Low-shot learning with imprinted weights", CVPR 2018.
void imprint_rows(Network& network, int first_new, const std::vector<float>& features, const std::vector<int>& labels);

}  // namespace tsugi
