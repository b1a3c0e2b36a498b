// Every choice that a training run makes and a checkpoint remembers. Order of precedence, weakest first: the defaults
// here, the model's own "training" object, the checkpoint that is continued, the command line. Each has a row in
// setting_rows.cpp; a hand-over has some of its own beside them (handover/handover_settings.h).
#pragma once

#include <cstdint>
#include <string>

#include "engine/data/photo.h"
#include "engine/train/setting.h"
#include "kernels/api/augment.h"

namespace tsugi {

struct TrainSettings {
  int epochs = 40;
  int batch = 64;              ///< samples an optimizer step
  std::uint32_t variants = 9;  ///< of each training photo an epoch: the photo itself and variants - 1 random draws
  double test_fraction = 0.2;  ///< of each person's photos, before augmentation
  std::uint64_t seed = 1;
  float label_smoothing = 0.1f;
  bool balanced = false;           ///< every class equally often, however many photos it has
  bool frozen_batch_norm = false;  ///< normalise with the running statistics and leave them alone
  std::string freeze_until;  ///< this layer and all before it stay as they are (see frozen_layers); "" = all learn
  OptimizerSettings optimizer;
  Schedule schedule;
  AugmentStrength augment;
};

template <>
const std::vector<Setting<TrainSettings>>& setting_rows();

/// Throws Error naming `place`, the field and both values when a field is out of range.
void validate(const TrainSettings& settings, const std::string& place);

/// The settings as a JSON object.
std::string to_json(const TrainSettings& settings);

/// Overwrites the fields that the JSON object `text` names. Throws Error naming `place` on unknown fields, those that
/// only a hand-over has, wrong types, and values out of range. Defined where the hand-over's are known
/// (handover/handover_settings.cpp).
void apply_json(TrainSettings& settings, const std::string& text, const std::string& place);

/// The same of what a checkpoint carries: a hand-over may have written it, whose own settings are left aside.
void apply_recorded(TrainSettings& settings, const std::string& text, const std::string& place);

/// Preprocessing as a JSON object, and back.
std::string to_json(const Preprocessing& preprocessing);
Preprocessing preprocessing_from_json(const std::string& text, const std::string& place);

}  // namespace tsugi
