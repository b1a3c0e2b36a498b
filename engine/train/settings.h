// Every choice that a training run makes and a checkpoint remembers. Order of precedence, weakest first: the defaults
// here, the model's own "training" object, the checkpoint that is continued, the command line.
#pragma once

#include <cstdint>
#include <string>

#include "engine/data/photo.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"

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
  std::string
      freeze_until;  ///< this layer and all before it stay as they are (see frozen_layers); "" = everything learns
  float distillation =
      0.0f;  ///< weight of the teacher's loss where a photo has a teacher, the label's gets the rest; 0 = off
  float distillation_temperature =
      2.0f;  ///< of both softmaxes: above 1, what the teacher says of unlikely people counts more
  bool distil_personal =
      false;             ///< personal photos have a teacher too: what the received network takes those people for
  float average = 1.0f;  ///< a hand-over: share of the trained weights in what it ends with, the start's have the rest
  float new_row_scale =
      1.0f;  ///< a hand-over: what new people's rows of the head are multiplied by at its end (see weight_average.h)
  float margin = 0.0f;  ///< a hand-over: nats taken off their biases after that
  OptimizerSettings optimizer;
  Schedule schedule;
  AugmentStrength augment;
};

/// Throws Error naming `place`, the field and both values when a field is out of range.
void validate(const TrainSettings& settings, const std::string& place);

/// The settings as a JSON object.
std::string to_json(const TrainSettings& settings);

/// Whose settings may be named: a hand-over has those of pretraining and some of its own.
enum class Phase { pretraining, handover };

/// Overwrites the fields that the JSON object `text` names. Throws Error naming `place` on unknown fields, those that
/// `phase` does not have, wrong types, and values out of range.
void apply_json(TrainSettings& settings, const std::string& text, const std::string& place,
                Phase phase = Phase::handover);

/// Sets the fields that only a hand-over has to their defaults: they are the device's to choose, never the server's.
/// Returns those that were other, with their values, for people; "" = none.
std::string reset_handover(TrainSettings& settings);

/// Preprocessing as a JSON object, and back.
std::string to_json(const Preprocessing& preprocessing);
Preprocessing preprocessing_from_json(const std::string& text, const std::string& place);

}  // namespace tsugi
